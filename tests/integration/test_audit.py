# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit on a real server in a container that nobody locked down. What each control means is in the unit tests."""

from __future__ import annotations

from conftest import MySQL, Result, RunModule

MODULE = "mlflow_mysql_audit"


def audit(server: MySQL, run_module: RunModule, **more: object) -> Result:
    result = run_module(MODULE, server.options(container=server.container, **more))
    assert not result.failed, result["msg"]
    assert not result["changed"]
    assert server.root_password not in result.output
    return result


def by_id(result: Result) -> dict[str, dict[str, str]]:
    return {control["id"]: control for control in result["controls"]}


def statuses(result: Result, wanted: str) -> set[str]:
    return {control["id"] for control in result["controls"] if control["status"] == wanted}


def test_a_server_that_nobody_locked_down(clean: MySQL, run_module: RunModule) -> None:
    before = clean.execute("SELECT user, host, authentication_string FROM mysql.user ORDER BY 1, 2")
    result = audit(clean, run_module)
    assert not statuses(result, "unknown") and not result["passed"]
    assert result["counts"]["fail"] == len(statuses(result, "fail"))
    failing = statuses(result, "fail")
    assert failing >= {
        "tls-required", "tls-certificate", "password-policy", "delayed-guesses", "unprivileged-user", "capabilities",
        "read-only", "memory-limit", "own-network", "running", "configuration-owner",
    }  # fmt: skip
    assert not failing & {
        "root-local", "no-anonymous-accounts", "no-wildcard-hosts", "bound-to-an-address", "one-server", "sandbox",
        "no-secrets-in-environment", "grant-tables", "supported-version", "binary-log",
    }  # fmt: skip
    assert by_id(result)["bound-to-an-address"]["found"] == f"127.0.0.1:{clean.port}"
    assert result["server_version"].startswith("9.7")
    assert clean.execute("SELECT user, host, authentication_string FROM mysql.user ORDER BY 1, 2") == before


def test_accounts_are_found(clean: MySQL, run_module: RunModule) -> None:
    clean.execute("CREATE USER mlflowa@'%%' IDENTIFIED BY 'Some-Password-1'")
    clean.execute("GRANT FILE, SELECT ON *.* TO mlflowa@'%%'")
    clean.execute("GRANT SET_ANY_DEFINER ON *.* TO mlflowa@'%%' WITH GRANT OPTION")
    clean.execute("CREATE USER mlflowb@localhost")
    clean.execute("ALTER USER mlflowa@'%%' IDENTIFIED BY 'Some-Password-2' RETAIN CURRENT PASSWORD")
    clean.execute(
        "UPDATE mysql.user SET password_last_changed = NOW() - INTERVAL 30 DAY WHERE user = 'mlflowa'"
    )
    clean.execute("CREATE DATABASE test")
    try:
        found = by_id(audit(clean, run_module))
        assert found["no-wildcard-hosts"]["found"] == "mlflowa@%"
        assert found["no-file-privilege"]["found"] == "mlflowa@% (FILE)"
        assert found["no-server-wide-access"]["found"] == "mlflowa@% (SELECT)"
        assert found["no-definer-privileges"]["found"] == "mlflowa@% (SET_ANY_DEFINER)"
        assert found["no-grant-option"]["found"] == "mlflowa@%"
        assert found["no-empty-passwords"]["found"] == "mlflowb@localhost"
        assert (
            found["passwords-change"]["found"]
            == "mlflowa@% (an older one is valid, 30 days after it was changed)"
        )
        assert found["no-test-database"]["found"] == "test"
        trusted = by_id(audit(clean, run_module, administrators=["root", "mlflowa@%"]))
        assert trusted["no-file-privilege"]["status"] == trusted["no-grant-option"]["status"] == "pass"
        assert trusted["no-wildcard-hosts"]["status"] == "fail"
    finally:
        clean.execute("DROP DATABASE test")
        clean.execute("DROP USER mlflowa@'%%', mlflowb@localhost")


def test_what_cannot_be_looked_at(clean: MySQL, run_module: RunModule) -> None:
    """A wrong password leaves the container to look at, no container the server."""
    blind = audit(clean, run_module, login_password="not the password")
    assert by_id(blind)["tls-required"]["status"] == "unknown"
    assert "refused the login as root" in by_id(blind)["tls-required"]["found"]
    assert by_id(blind)["unprivileged-user"]["status"] == "fail" and "server_version" not in blind.values
    bare = run_module(MODULE, clean.options())
    assert (
        by_id(bare)["unprivileged-user"]["status"] == "skip" and by_id(bare)["root-local"]["status"] == "pass"
    )
    missing = run_module(MODULE, clean.options(container="there-is-none"))
    assert "there is no container there-is-none" in by_id(missing)["capabilities"]["found"]
    assert by_id(missing)["capabilities"]["status"] == "unknown" and not missing["passed"]


def test_an_account_that_may_not_look(clean: MySQL, run_module: RunModule) -> None:
    clean.execute("CREATE USER mlflowc@localhost IDENTIFIED BY 'Some-Password-1'")
    try:
        result = run_module(MODULE, clean.options(login_user="mlflowc", login_password="Some-Password-1"))
        assert "log in as an account that may read mysql.user" in by_id(result)["root-local"]["found"]
    finally:
        clean.execute("DROP USER mlflowc@localhost")
