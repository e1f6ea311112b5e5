# SPDX-License-Identifier: GPL-3.0-or-later
"""mlflow_mysql_account and mlflow_store_uri against a real server, looked at from outside."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pymysql
import pytest
import sqlalchemy
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store import uri
from conftest import MySQL, Result, RunModule, docker, free_port

MODULE = "mlflow_mysql_account"
CANARY = "canary-7f3a'\\%s"
DML = ["SELECT", "INSERT", "UPDATE", "DELETE"]
ODD_PASSWORDS = {
    "quotes": 'it\'s "quoted" `thrice`',
    "backslashes": "back\\slash\\'s end\\",
    "percent": "100%s %(x)s %% %27",
    "uri": "a@b:c/d?e#f[g]&h=i;j+k",
    "shell": "$HOME $(id) ${x} !! ~ * | > <",
    "spaces": " leading and trailing ",
    "newline": "two\nlines\n",
    "sql": "'; DROP DATABASE mlflow; --",
    "jinja": "{{ 7 * 7 }} {% raw %}",
    "long": "x" * 200,
}
BEYOND_ASCII = {"latin": "pässwörd", "euro": "prix: 5 €", "kanji": "合言葉", "emoji": "key \U0001f511"}


def ok(result: Result, changed: bool) -> Result:
    assert not result.failed, result["msg"]
    assert result["changed"] is changed
    return result


def failed(result: Result) -> str:
    assert result.failed, result.output
    return str(result["msg"])


def account(**more: Any) -> dict[str, Any]:
    return {"name": "mlflowusr", "password": CANARY, **more}


def accounts_of(server: MySQL) -> list[tuple[Any, ...]]:
    """All that a module could have changed: every account with its hash and grants, and every database."""
    rows = server.execute("SELECT user, host, authentication_string FROM mysql.user ORDER BY 1, 2")
    rows += server.execute("SELECT * FROM mysql.db ORDER BY 1, 2, 3")
    rows += server.execute("SELECT * FROM mysql.global_grants ORDER BY 1, 2, 3")
    return rows + server.execute("SELECT schema_name FROM information_schema.schemata ORDER BY 1")


def grants(server: MySQL, name: str, host: str = "%") -> list[str]:
    return sorted(row[0] for row in server.execute("SHOW GRANTS FOR %s@%s", name, host))


def log_in_with_uri(server: MySQL, password: str) -> None:
    """As MLflow does: SQLAlchemy with the filter's URI."""
    store = {"host": "127.0.0.1", "port": server.port, "user": "mlflowusr", "password": password}
    engine = sqlalchemy.create_engine(uri.store_uri(store))
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT DATABASE()")).scalar() == "mlflow"
    engine.dispose()


# Making accounts


def test_create_then_nothing_to_do(clean: MySQL, run_module: RunModule) -> None:
    options = clean.options(database="mlflow", accounts=[account(privileges=DML)], wait_timeout=30)

    predicted = ok(run_module(MODULE, options, check=True), changed=True)
    before = accounts_of(clean)
    result = ok(run_module(MODULE, options), changed=True)
    assert result["accounts"] == [
        {
            "name": "mlflowusr",
            "host": "%",
            "created": True,
            "password_changed": True,
            "old_password_discarded": False,
            "old_password_valid": False,
            "granted": [
                "DELETE ON mlflow.*",
                "INSERT ON mlflow.*",
                "SELECT ON mlflow.*",
                "UPDATE ON mlflow.*",
            ],
            "revoked": [],
            "removed": False,
        }
    ]
    assert result["database"] == {"name": "mlflow", "created": True}
    assert result["server_version"].startswith("9.")
    assert 0 < result["waited"] < 30
    for key in ("accounts", "database", "diff", "changed"):
        assert predicted[key] == result[key]
    assert accounts_of(clean) != before

    with clean.login("mlflowusr", CANARY, "mlflow").cursor() as cursor:
        cursor.execute("SELECT @@character_set_database, @@collation_database")
        assert cursor.fetchall() == (("utf8mb4", "utf8mb4_0900_bin"),)
        with pytest.raises(pymysql.err.OperationalError, match="CREATE command denied"):
            cursor.execute("CREATE TABLE t (i INT)")

    after = accounts_of(clean)
    for check in (True, False):
        again = ok(run_module(MODULE, options, check=check), changed=False)
        assert again["diff"]["before"] == again["diff"]["after"]
    assert accounts_of(clean) == after


def test_check_mode_writes_nothing(clean: MySQL, run_module: RunModule) -> None:
    ok(run_module(MODULE, clean.options(accounts=[account(), account(name="old")])), changed=True)
    before = accounts_of(clean)
    result = run_module(
        MODULE,
        clean.options(
            database="mlflow",
            accounts=[
                account(name="new", privileges=DML),
                account(password="another", privileges=["SELECT"], global_privileges=["RELOAD"]),
                {"name": "old", "state": "absent"},
            ],
        ),
        check=True,
    )
    ok(result, changed=True)
    new, changed, old = result["accounts"]
    assert new["created"]
    assert changed["password_changed"]
    assert changed["granted"] == ["RELOAD ON *.*", "SELECT ON mlflow.*"]
    assert old["removed"]
    assert accounts_of(clean) == before


def test_changed_password(clean: MySQL, run_module: RunModule) -> None:
    ok(run_module(MODULE, clean.options(accounts=[account()])), changed=True)
    result = ok(run_module(MODULE, clean.options(accounts=[account(password="an other")])), changed=True)
    assert result["accounts"][0]["password_changed"]
    assert not result["accounts"][0]["created"]
    assert result["diff"]["before"]["accounts"] == {
        "'mlflowusr'@'%'": {"privileges": {}, "password": "(old)"}
    }
    assert result["diff"]["after"]["accounts"] == {"'mlflowusr'@'%'": {"privileges": {}, "password": "(new)"}}
    clean.login("mlflowusr", "an other").close()
    with pytest.raises(pymysql.err.OperationalError, match="1045"):
        clean.login("mlflowusr", CANARY)


@pytest.mark.parametrize("password", [*ODD_PASSWORDS.values()], ids=[*ODD_PASSWORDS])
def test_odd_password(clean: MySQL, run_module: RunModule, password: str) -> None:
    options = clean.options(database="mlflow", accounts=[account(password=password, privileges=["ALL"])])
    ok(run_module(MODULE, options), changed=True)
    ok(run_module(MODULE, options), changed=False)
    clean.login("mlflowusr", password).close()
    log_in_with_uri(clean, password)


@pytest.mark.parametrize("password", [*BEYOND_ASCII.values()], ids=[*BEYOND_ASCII])
def test_password_beyond_ascii(clean: MySQL, run_module: RunModule, password: str) -> None:
    options = clean.options(database="mlflow", accounts=[account(password=password, privileges=["ALL"])])
    ok(run_module(MODULE, options), changed=True)
    ok(run_module(MODULE, options), changed=False)
    clean.login("mlflowusr", password).close()
    # Why the filter has a way of its own: pymysql can't log in with it when it is given as text.
    with pytest.raises((pymysql.err.OperationalError, UnicodeEncodeError)):
        pymysql.connect(host="127.0.0.1", port=clean.port, user="mlflowusr", password=password)
    log_in_with_uri(clean, password)


def test_odd_password_without_backslash_escapes(clean: MySQL, run_module: RunModule) -> None:
    mode = clean.execute("SELECT @@global.sql_mode")[0][0]
    clean.execute("SET GLOBAL sql_mode = CONCAT(@@global.sql_mode, ',NO_BACKSLASH_ESCAPES,ANSI_QUOTES')")
    try:
        options = clean.options(accounts=[account(password=ODD_PASSWORDS["backslashes"])])
        ok(run_module(MODULE, options), changed=True)
        ok(run_module(MODULE, options), changed=False)
        clean.login("mlflowusr", ODD_PASSWORDS["backslashes"]).close()
    finally:
        clean.execute("SET GLOBAL sql_mode = %s", mode)


def test_odd_names(clean: MySQL, run_module: RunModule) -> None:
    name, database = "o'b`r%s\\n é", "da`ta%s_b\\ase"
    options = clean.options(database=database, accounts=[account(name=name, privileges=["SELECT"])])
    ok(run_module(MODULE, options), changed=True)
    ok(run_module(MODULE, options), changed=False)
    clean.login(name, CANARY, database).close()


def test_password_file(clean: MySQL, run_module: RunModule, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(CANARY + "\n")
    entry = {"name": "mlflowusr", "password_file": str(file)}
    result = ok(run_module(MODULE, clean.options(accounts=[entry])), changed=True)
    assert CANARY not in result.output
    clean.login("mlflowusr", CANARY).close()
    ok(run_module(MODULE, clean.options(accounts=[entry])), changed=False)


def test_password_left_alone(clean: MySQL, run_module: RunModule) -> None:
    ok(run_module(MODULE, clean.options(accounts=[account()])), changed=True)
    entry = {"name": "mlflowusr", "privileges": ["SELECT"], "on": "mlflow"}
    result = ok(run_module(MODULE, clean.options(accounts=[entry])), changed=True)
    assert not result["accounts"][0]["password_changed"]
    on_create = account(password="another", update_password="on_create")
    ok(run_module(MODULE, clean.options(accounts=[on_create])), changed=False)
    clean.login("mlflowusr", CANARY).close()
    message = failed(run_module(MODULE, clean.options(accounts=[{**on_create, "verify": True}])))
    assert "'mlflowusr'@'%'" in message


def test_existing_database_keeps_its_collation(clean: MySQL, run_module: RunModule) -> None:
    clean.execute("CREATE DATABASE mlflow COLLATE utf8mb4_bin")
    result = ok(run_module(MODULE, clean.options(database="mlflow")), changed=False)
    assert result["database"] == {"name": "mlflow", "created": False}
    rows = clean.execute(
        "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = 'mlflow'"
    )
    assert rows == [("utf8mb4_bin",)]


# Privileges


def test_privileges_extended_and_reduced(clean: MySQL, run_module: RunModule) -> None:
    def run(**more: Any) -> Result:
        options = clean.options(database="mlflow", accounts=[account(**more)])
        ok(run_module(MODULE, options, check=True), changed=True)
        result = ok(run_module(MODULE, options), changed=True)
        ok(run_module(MODULE, options), changed=False)
        return result

    run(privileges=["SELECT"])
    clean.execute("GRANT INSERT ON elsewhere.* TO mlflowusr")
    result = run(privileges=["select", "create  view"], global_privileges=["process", "BACKUP_ADMIN"])
    assert result["accounts"][0]["granted"] == [
        "BACKUP_ADMIN ON *.*",
        "PROCESS ON *.*",
        "CREATE VIEW ON mlflow.*",
    ]
    result = run(privileges=["ALL"], global_privileges=["PROCESS"])
    assert result["accounts"][0]["revoked"] == ["BACKUP_ADMIN ON *.*"]
    assert "GRANT ALL PRIVILEGES ON `mlflow`.* TO `mlflowusr`@`%`" in grants(clean, "mlflowusr")
    run(privileges=["ALL", "GRANT OPTION"])
    assert "GRANT ALL PRIVILEGES ON `mlflow`.* TO `mlflowusr`@`%` WITH GRANT OPTION" in grants(
        clean, "mlflowusr"
    )
    run(privileges=["GRANT OPTION"])
    run(privileges=[], global_privileges=[])
    assert grants(clean, "mlflowusr") == [
        "GRANT INSERT ON `elsewhere`.* TO `mlflowusr`@`%`",
        "GRANT USAGE ON *.* TO `mlflowusr`@`%`",
    ]
    run(on="*", privileges=["ALL"])
    every = {
        row[0]
        for row in clean.execute(
            "SELECT privilege_type FROM information_schema.user_privileges WHERE grantee = %s",
            "'mlflowusr'@'%'",
        )
    }
    assert every == {
        row[0]
        for row in clean.execute(
            "SELECT privilege_type FROM information_schema.user_privileges WHERE grantee = %s",
            "'root'@'localhost'",
        )
    }


def test_underscore_reaches_no_other_database(clean: MySQL, run_module: RunModule) -> None:
    clean.execute("CREATE DATABASE mlXflow")
    ok(
        run_module(MODULE, clean.options(database="ml_flow", accounts=[account(privileges=["ALL"])])),
        changed=True,
    )
    clean.login("mlflowusr", CANARY, "ml_flow").close()
    with pytest.raises(pymysql.err.OperationalError, match="1044"):
        clean.login("mlflowusr", CANARY, "mlXflow")


def test_grant_with_wildcard_is_taken_away(clean: MySQL, run_module: RunModule) -> None:
    clean.execute("CREATE DATABASE mlXflow")
    ok(run_module(MODULE, clean.options(accounts=[account()])), changed=True)
    clean.execute("GRANT ALL ON `ml_flow`.* TO mlflowusr WITH GRANT OPTION")
    clean.login("mlflowusr", CANARY, "mlXflow").close()
    options = clean.options(database="ml_flow", accounts=[account(privileges=["SELECT"])])
    result = ok(run_module(MODULE, options), changed=True)
    assert result["accounts"][0]["granted"] == ["SELECT ON ml_flow.*"]
    assert len(result["accounts"][0]["revoked"]) == 19
    ok(run_module(MODULE, options), changed=False)
    assert grants(clean, "mlflowusr")[0] == "GRANT SELECT ON `ml\\_flow`.* TO `mlflowusr`@`%`"
    with pytest.raises(pymysql.err.OperationalError, match="1044"):
        clean.login("mlflowusr", CANARY, "mlXflow")


@pytest.mark.parametrize("key", ["privileges", "global_privileges"])
def test_unknown_privilege_changes_nothing(clean: MySQL, run_module: RunModule, key: str) -> None:
    before = accounts_of(clean)
    result = run_module(
        MODULE, clean.options(database="mlflow", accounts=[account(**{key: ["SELECT", "SELCT"]})])
    )
    assert "SELCT: no such privilege" in failed(result)
    assert accounts_of(clean) == before


# root, hosts, removal


def test_root_with_initial_password(clean: MySQL, run_module: RunModule, tmp_path: Path) -> None:
    initial = tmp_path / "initial"
    initial.write_text(clean.root_password + "\n")
    wanted = "new root's %s " + CANARY
    options = clean.options(
        login_password=wanted,
        login_password_files=[str(tmp_path / "missing"), str(initial)],
        accounts=[{"name": "root", "host": "localhost", "password": wanted}],
    )
    try:
        ok(run_module(MODULE, options, check=True), changed=True)
        clean.root().close()
        result = ok(run_module(MODULE, options), changed=True)
        assert result["accounts"][0]["password_changed"]
        clean.root(wanted).close()
        with pytest.raises(pymysql.err.OperationalError, match="1045"):
            clean.root()
        initial.unlink()
        ok(run_module(MODULE, options), changed=False)
    finally:
        back = [{"name": "root", "host": "localhost", "password": clean.root_password}]
        run_module(MODULE, {**options, "login_password_files": [], "accounts": back})
        initial.write_text(clean.root_password)
    clean.root().close()


def test_localhost_account_uses_the_socket(clean: MySQL, run_module: RunModule) -> None:
    options = clean.options(accounts=[account(host="LocalHost"), account(password="tcp " + CANARY)])
    ok(run_module(MODULE, options), changed=True)
    ok(run_module(MODULE, options), changed=False)
    with pytest.raises(pymysql.err.OperationalError, match="1045"):
        clean.login("mlflowusr", CANARY)
    clean.login("mlflowusr", "tcp " + CANARY).close()


def test_host_that_is_elsewhere(clean: MySQL, run_module: RunModule) -> None:
    entry = account(host="192.0.2.0/255.255.255.0", privileges=DML)
    message = failed(run_module(MODULE, clean.options(database="mlflow", accounts=[entry])))
    assert f"127.0.0.1:{clean.port} refuses the login as 'mlflowusr'@'192.0.2.0/255.255.255.0'" in message
    assert "verify: false" in message
    entry.update(verify=False, update_password="on_create")
    ok(run_module(MODULE, clean.options(database="mlflow", accounts=[entry])), changed=False)


def test_login_that_is_taken_for_another_account(clean: MySQL, run_module: RunModule) -> None:
    gateway = docker(
        "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}", clean.container
    )
    clean.execute("CREATE USER mlflowusr@%s IDENTIFIED BY %s", gateway, CANARY)
    message = failed(run_module(MODULE, clean.options(accounts=[account()])))
    assert f"takes the login as 'mlflowusr'@'%' for mlflowusr@{gateway}" in message


def test_absent(clean: MySQL, run_module: RunModule) -> None:
    ok(run_module(MODULE, clean.options(accounts=[account(), account(name="stays")])), changed=True)
    options = clean.options(accounts=[{"name": "mlflowusr", "state": "absent"}])
    result = ok(run_module(MODULE, options), changed=True)
    assert result["accounts"][0]["removed"]
    ok(run_module(MODULE, options), changed=False)
    assert clean.execute("SELECT user FROM mysql.user WHERE host = '%%'") == [("stays",)]


def test_never_removes_its_own_account(clean: MySQL, run_module: RunModule) -> None:
    result = run_module(
        MODULE, clean.options(accounts=[{"name": "root", "host": "localhost", "state": "absent"}])
    )
    assert "can't be removed" in failed(result)
    clean.root().close()


def test_run_again_after_an_interruption(clean: MySQL, run_module: RunModule) -> None:
    """Each state in which a run can stop, as statements take effect one by one."""
    options = clean.options(
        database="mlflow",
        accounts=[account(privileges=DML), account(name="second", global_privileges=["RELOAD"])],
    )
    ok(run_module(MODULE, options), changed=True)
    whole = [grants(clean, "mlflowusr"), grants(clean, "second")]
    steps: tuple[tuple[str, ...], ...] = (
        ("CREATE DATABASE mlflow",),
        ("CREATE USER mlflowusr IDENTIFIED BY %s", CANARY),
        ("GRANT SELECT, INSERT, UPDATE, DELETE ON mlflow.* TO mlflowusr",),
        ("CREATE USER second IDENTIFIED BY 'x'",),
    )
    for count in range(1, len(steps) + 1):
        clean.execute("DROP DATABASE IF EXISTS mlflow")
        clean.execute("DROP USER IF EXISTS mlflowusr, second")
        for step in steps[:count]:
            clean.execute(*step)
        ok(run_module(MODULE, options), changed=True)
        ok(run_module(MODULE, options), changed=False)
        assert [grants(clean, "mlflowusr"), grants(clean, "second")] == whole


# Failures


def test_wrong_password_fails_at_once(clean: MySQL, run_module: RunModule, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("wrong too\n")
    before = accounts_of(clean)
    result = run_module(
        MODULE,
        clean.options(
            login_password="wrong" + CANARY,
            login_password_files=[str(file)],
            wait_timeout=60,
            accounts=[account()],
        ),
    )
    message = failed(result)
    assert "refused the login as root: wrong password" in message
    assert f"Tried: login_password, {file}" in message
    assert result.seconds < 5
    assert CANARY not in result.output
    assert "wrong too" not in result.output
    assert accounts_of(clean) == before


def test_administrator_over_tcp_is_not_allowed(clean: MySQL, run_module: RunModule) -> None:
    # The server forgets which hosts the accounts of earlier tests came from.
    clean.execute("FLUSH PRIVILEGES")
    options = clean.options(accounts=[account()])
    del options["login_unix_socket"]
    assert "has no account that may log in from this host (MySQL error 1130)" in failed(
        run_module(MODULE, options)
    )


def test_administrator_without_rights(clean: MySQL, run_module: RunModule) -> None:
    ok(run_module(MODULE, clean.options(accounts=[account(privileges=DML)], database="mlflow")), changed=True)
    options = clean.options(login_user="mlflowusr", login_password=CANARY, accounts=[account(name="new")])
    del options["login_unix_socket"]
    result = run_module(MODULE, options)
    assert "cannot read the server's accounts: the administrator may not do that" in failed(result)
    assert CANARY not in result.output


def test_unreachable_port(clean: MySQL, run_module: RunModule) -> None:
    port = free_port()
    message = failed(run_module(MODULE, {"login_port": port, "login_password": CANARY}, check=True))
    assert message == f"cannot reach a MySQL server at 127.0.0.1:{port}: Connection refused"
    result = run_module(MODULE, {"login_port": port, "login_password": CANARY, "wait_timeout": 1})
    assert (
        failed(result) == f"cannot reach a MySQL server at 127.0.0.1:{port}: Connection refused; waited 1 s"
    )
    assert result["changed"] is False


def test_missing_socket(run_module: RunModule) -> None:
    message = failed(
        run_module(MODULE, {"login_unix_socket": "/nowhere/mysqld.sock", "login_password": CANARY})
    )
    assert (
        message
        == "cannot reach a MySQL server at the socket /nowhere/mysqld.sock: No such file or directory; "
        "see that the server runs: the playbook deploy starts a store"
    )


def test_account_whose_login_needs_a_port_that_is_closed(clean: MySQL, run_module: RunModule) -> None:
    """An account is there, but its password can't be tried: that is not the same as a wrong password."""
    ok(run_module(MODULE, clean.options(accounts=[account()])), changed=True)
    before = accounts_of(clean)
    result = run_module(MODULE, clean.options(login_port=free_port(), accounts=[account()]))
    assert "cannot reach a MySQL server" in failed(result)
    assert accounts_of(clean) == before


def test_no_password_anywhere(run_module: RunModule) -> None:
    message = failed(run_module(MODULE, {"login_password_files": ["/nowhere/a", "/nowhere/b"]}))
    assert "there is no password for root" in message
    assert "/nowhere/a, /nowhere/b" in message


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"name": "x" * 33, "password": CANARY}, "33 characters: MySQL takes 32 at most"),
        ({"name": "", "password": CANARY}, "name is empty"),
        ({"name": "x", "password": ""}, "the password of 'x'@'%' is empty"),
        ({"name": "x", "host": "", "password": CANARY}, "host of account x is empty"),
        ({"name": "x"}, "'x'@'%' does not exist and has no password"),
        ({"name": "x", "password": CANARY, "privileges": ["SELECT"]}, "but not on what"),
        ({"name": "x", "password_file": "/nowhere/x"}, "password_file of x does not exist: /nowhere/x"),
        ({"name": "x", "password": CANARY, "password_file": "/nowhere/x"}, "mutually exclusive"),
        ({"name": "x", "password": CANARY, "on": "*", "privileges": [], "global_privileges": []}, "not both"),
    ],
)
def test_bad_account(clean: MySQL, run_module: RunModule, entry: dict[str, Any], expected: str) -> None:
    before = accounts_of(clean)
    for check in (True, False):
        result = run_module(MODULE, clean.options(accounts=[account(name="first"), entry]), check=check)
        assert expected in failed(result)
        assert result["changed"] is False if "changed" in result.values else True
        assert CANARY not in result.output
    assert accounts_of(clean) == before


def test_account_listed_twice(clean: MySQL, run_module: RunModule) -> None:
    result = run_module(
        MODULE, clean.options(accounts=[account(host="localhost"), account(host="LOCALHOST")])
    )
    assert "'mlflowusr'@'localhost' is listed twice" in failed(result)


def test_locked_account_is_told_apart(clean: MySQL, run_module: RunModule) -> None:
    ok(run_module(MODULE, clean.options(accounts=[account()])), changed=True)
    clean.execute("ALTER USER mlflowusr ACCOUNT LOCK")
    message = failed(run_module(MODULE, clean.options(accounts=[account()])))
    assert "the account of mlflowusr is locked (MySQL error 3118)" in message


def test_failure_on_the_way_reports_what_was_done(clean: MySQL, run_module: RunModule) -> None:
    clean.execute("INSTALL COMPONENT 'file://component_validate_password'")
    try:
        options = clean.options(
            accounts=[account(password="Str0ng! enough"), account(name="weak", password="weakest")]
        )
        result = run_module(MODULE, options)
        assert "cannot create 'weak'@'%': the password does not satisfy the server's policy" in failed(result)
        assert result["changed"] is True
        assert [entry["name"] for entry in result["accounts"]] == ["mlflowusr"]
        assert "weakest" not in result.output
    finally:
        clean.execute("UNINSTALL COMPONENT 'file://component_validate_password'")
    ok(run_module(MODULE, options), changed=True)


def test_too_many_connections(clean: MySQL, run_module: RunModule) -> None:
    ok(run_module(MODULE, clean.options(accounts=[account()])), changed=True)
    # One more than the limit is left to root, who holds it here so that the module gets none.
    limit = int(clean.execute("SELECT @@max_connections")[0][0])
    held = [clean.login("mlflowusr", CANARY) for dummy in range(limit)]
    try:
        held.append(clean.root())
        message = failed(run_module(MODULE, clean.options(accounts=[account()])))
        assert "has too many connections (MySQL error 1040)" in message
    finally:
        for connection in held:
            connection.close()


# TLS


@pytest.fixture
def tls_only(clean: MySQL, tmp_path: Path) -> Iterator[Path]:
    """The server takes TLS only over TCP; yields the certificate of its authority."""
    authority = tmp_path / "ca.pem"
    # Out of a tmpfs, so that `docker cp` does not see it.
    authority.write_text(docker("exec", clean.container, "cat", "/var/lib/mysql/ca.pem"))
    clean.execute("SET GLOBAL require_secure_transport = ON")
    yield authority
    clean.execute("SET GLOBAL require_secure_transport = OFF")


def test_tls(clean: MySQL, run_module: RunModule, tls_only: Path) -> None:
    options = clean.options(accounts=[account()])
    result = run_module(MODULE, options)
    if pymysql.VERSION[:2] < (1, 2):
        address = f"127.0.0.1:{clean.port}"
        assert f"{address} takes connections with TLS only: set ca_cert (MySQL error 3159)" in failed(result)
    else:  # uses TLS unasked
        ok(result, changed=True)
    ok(run_module(MODULE, {**options, "ca_cert": str(tls_only), "check_hostname": False}), changed=False)
    ok(run_module(MODULE, {**options, "check_hostname": False}), changed=False)
    message = failed(run_module(MODULE, {**options, "ca_cert": str(tls_only)}))
    assert f"TLS with 127.0.0.1:{clean.port} failed: CERTIFICATE_VERIFY_FAILED" in message
    assert "check_hostname needs ca_cert" in failed(run_module(MODULE, {**options, "check_hostname": True}))
    assert "belong together" in failed(run_module(MODULE, {**options, "client_cert": str(tls_only)}))
    assert "cannot read ca_cert" in failed(run_module(MODULE, {**options, "ca_cert": "/nowhere/ca.pem"}))
    store = {
        "host": "127.0.0.1",
        "port": clean.port,
        "user": "mlflowusr",
        "password": CANARY,
        "database": "mysql",
    }
    for strict, error in (
        (True, "CERTIFICATE_VERIFY_FAILED"),
        (False, "Access denied .* to database 'mysql'"),
    ):
        found = uri.store_uri(store, ssl_ca=str(tls_only), ssl_check_hostname=strict)
        with pytest.raises(sqlalchemy.exc.OperationalError, match=error):
            sqlalchemy.create_engine(found).connect()


# Waiting


def test_waits_behind_a_proxy_that_accepts_early(clean: MySQL, run_module: RunModule) -> None:
    """The port is open from the start, as a container's is; the server behind it comes later."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        turned_away: list[int] = []

        def proxy() -> None:
            for number in range(8):
                client, dummy = listener.accept()
                if number < 5:
                    turned_away.append(number)
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", clean.port))
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=pump, args=(source, target), daemon=True).start()

        threading.Thread(target=proxy, daemon=True).start()
        message = failed(run_module(MODULE, clean.options(login_port=port, accounts=[account()])))
        assert "something accepts connections there, but no MySQL server answers" in message
        result = run_module(MODULE, clean.options(login_port=port, accounts=[account()], wait_timeout=20))
        # The first run made the account before it could not verify it.
        ok(result, changed=False)
        assert turned_away == [0, 1, 2, 3, 4]
        assert result["waited"] >= 0.3


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


# Secrets, examples


def test_no_secret_in_the_output(clean: MySQL, run_module: RunModule, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("filed-" + CANARY)
    for check in (True, False, False):
        result = run_module(
            MODULE,
            clean.options(
                database="mlflow",
                accounts=[
                    account(privileges=DML),
                    {"name": "filed", "password_file": str(file), "global_privileges": ["RELOAD"]},
                ],
            ),
            check=check,
        )
        assert not result.failed
        for secret in (CANARY, clean.root_password):
            assert secret not in result.output
            assert json.dumps(secret)[1:-1] not in result.output
            assert quote(secret) not in result.output
        assert "canary" not in result.output
        assert "$A$" not in result.output


# Rotation


def rotate(clean: MySQL, run_module: RunModule, password: str, **more: Any) -> Result:
    return run_module(MODULE, clean.options(accounts=[account(password=password, **more)]))


def logs_in(clean: MySQL, password: str) -> bool:
    try:
        clean.login("mlflowusr", password).close()
    except pymysql.err.OperationalError as error:
        assert error.args[0] == 1045
        return False
    return True


def test_rotation(clean: MySQL, run_module: RunModule) -> None:
    old, new = "old 'one' %s \\", 'new "one" é€ %d'
    ok(rotate(clean, run_module, old, privileges=DML, on="mlflow"), changed=True)
    session = clean.login("mlflowusr", old)
    predicted = run_module(
        MODULE, clean.options(accounts=[account(password=new, retain_old_password=True)]), check=True
    )
    ok(predicted, changed=True)
    assert [logs_in(clean, old), logs_in(clean, new)] == [True, False]
    result = ok(rotate(clean, run_module, new, retain_old_password=True), changed=True)
    assert result["accounts"][0]["password_changed"]
    assert [logs_in(clean, old), logs_in(clean, new)] == [True, True]
    ok(rotate(clean, run_module, new, retain_old_password=True), changed=False)

    # A third would push the first out, behind whose back somebody still uses it.
    third = rotate(clean, run_module, "third one", retain_old_password=True)
    assert third.failed and "discard it first (discard_old_password)" in third["msg"]
    assert [logs_in(clean, old), logs_in(clean, new), logs_in(clean, "third one")] == [True, True, False]
    # What is to stay must be the newest: the old one is let in as well.
    wrong = rotate(clean, run_module, old, discard_old_password=True)
    assert wrong.failed and "is not its newest" in wrong["msg"]
    assert [logs_in(clean, old), logs_in(clean, new)] == [True, True]

    predicted = run_module(
        MODULE, clean.options(accounts=[account(password=new, discard_old_password=True)]), check=True
    )
    ok(predicted, changed=True)
    assert logs_in(clean, old)
    result = ok(rotate(clean, run_module, new, discard_old_password=True), changed=True)
    assert result["accounts"][0]["old_password_discarded"] and not result["accounts"][0]["password_changed"]
    assert [logs_in(clean, old), logs_in(clean, new)] == [False, True]
    ok(rotate(clean, run_module, new, discard_old_password=True), changed=False)
    session.ping(reconnect=False)  # who was there stays there
    session.close()
    for one in (predicted, result, third, wrong):
        assert old not in one.output and new not in one.output


def test_an_old_password_is_not_the_password(clean: MySQL, run_module: RunModule) -> None:
    ok(rotate(clean, run_module, "first one"), changed=True)
    ok(rotate(clean, run_module, "second one", retain_old_password=True), changed=True)
    again = ok(rotate(clean, run_module, "first one"), changed=True)
    # There is no second one then, which the next rotation would be refused for.
    assert again["accounts"][0]["old_password_valid"] is False
    ok(rotate(clean, run_module, "first one", discard_old_password=True), changed=False)
    assert [logs_in(clean, "first one"), logs_in(clean, "second one")] == [True, False]
    ok(rotate(clean, run_module, "second one", retain_old_password=True), changed=True)
    assert [logs_in(clean, "first one"), logs_in(clean, "second one")] == [True, True]


def test_the_old_password_and_the_new_one_change_places(clean: MySQL, run_module: RunModule) -> None:
    ok(rotate(clean, run_module, "first one"), changed=True)
    ok(rotate(clean, run_module, "second one", retain_old_password=True), changed=True)
    back = ok(rotate(clean, run_module, "first one", retain_old_password=True), changed=True)
    assert back["accounts"][0]["old_password_valid"] is True
    assert [logs_in(clean, "first one"), logs_in(clean, "second one")] == [True, True]
    ok(rotate(clean, run_module, "first one", discard_old_password=True), changed=True)
    assert [logs_in(clean, "first one"), logs_in(clean, "second one")] == [True, False]


def test_retain_and_discard_exclude_each_other(clean: MySQL, run_module: RunModule) -> None:
    result = rotate(clean, run_module, "some one", retain_old_password=True, discard_old_password=True)
    assert result.failed and "set one of the two" in result["msg"]


# Whose accounts they are


def test_owner_and_unlisted(clean: MySQL, run_module: RunModule) -> None:
    clean.execute("CREATE USER stranger IDENTIFIED BY 'x'")

    def run(names: list[str], check: bool = False, **more: Any) -> Result:
        accounts = [account(name=name, password="some one") for name in names]
        return run_module(MODULE, clean.options(accounts=accounts, owner="test", **more), check=check)

    result = ok(run(["one", "two"]), changed=True)
    assert result["unknown_accounts"] == ["stranger@%"]
    ok(run(["one", "two"], unlisted="remove"), changed=False)
    ok(run(["one"]), changed=False)
    ok(run(["one"], check=True, unlisted="remove"), changed=True)
    result = ok(run(["one"], unlisted="remove"), changed=True)
    assert [(one["name"], one["removed"]) for one in result["accounts"]] == [("one", False), ("two", True)]
    users = "SELECT user FROM mysql.user WHERE user IN ('one', 'two', 'stranger') ORDER BY user"
    assert clean.execute(users) == [("one",), ("stranger",)]
    result = run_module(MODULE, clean.options(accounts=[], unlisted="remove"))
    assert result.failed and "needs owner" in result["msg"]


def test_an_account_of_somebody_else_is_not_taken_over(clean: MySQL, run_module: RunModule) -> None:
    """Neither to be used nor, as the old one for all hosts, to be removed. Those from before marks are ours."""
    clean.execute("CREATE USER reporting IDENTIFIED BY 'of the administrator'")
    clean.execute("CREATE USER old IDENTIFIED BY 'some one'")

    def run(*accounts: dict[str, Any], check: bool = False) -> Result:
        options = clean.options(accounts=list(accounts), owner="test", unlisted="remove", database="mlflow")
        return run_module(MODULE, options, check=check)

    root = {"name": "root", "host": "localhost"}
    one = account(name="one", password="some one")
    here = {"name": "reporting", "password": "some one", "privileges": DML}
    # No account has a mark: they are from before marks.
    ok(run(one, {**here, "password": "of the administrator"}, check=True), changed=True)
    ok(run(root, one), changed=True)
    for accounts in (
        [one, here],
        [one, {**here, "host": "10.9.0.0/16", "verify": False}, {"name": "reporting", "state": "absent"}],
    ):
        before = accounts_of(clean)
        for check in (True, False):
            said = failed(run(*accounts, check=check))
            assert said.startswith("there is an account 'reporting'@'%' already that somebody else made")
            assert "Nothing was changed: choose another name" in said and "\n" not in said
            assert accounts_of(clean) == before
    # One with the password that is given here is ours, and so is one that root gives away.
    ok(run(one, account(name="old", password="some one")), changed=True)
    mark = said[said.index("ALTER USER") :].rstrip(".")
    clean.execute(mark.replace("%", "%%"))
    ok(run(one, here), changed=True)


def test_an_account_that_triggers_run_as_is_not_removed(clean: MySQL, run_module: RunModule) -> None:
    def run(name: str, check: bool = False) -> Result:
        migrator = {
            **{"name": name, "host": "localhost", "password": "some one", "verify": False},
            "privileges": ["SELECT", "UPDATE", "CREATE", "TRIGGER"],
        }
        options = clean.options(accounts=[migrator], owner="test", unlisted="remove", database="mlflow")
        return run_module(MODULE, options, check=check)

    ok(run("migrator"), changed=True)
    clean.execute("CREATE TABLE mlflow.secrets (id INT PRIMARY KEY, aad INT)")
    clean.execute(
        "CREATE DEFINER=migrator@localhost TRIGGER mlflow.keep BEFORE UPDATE ON mlflow.secrets FOR EACH ROW\n"
        "BEGIN\n  IF OLD.aad <> NEW.aad THEN\n    SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no';\n  END IF;\nEND"
    )
    before = accounts_of(clean)
    for check in (True, False):
        said = failed(run("renamed", check))
        assert "'migrator'@'localhost' is to be removed" in said and "trigger mlflow.keep" in said
        assert "Nothing was changed" in said and accounts_of(clean) == before and "\n" not in said
    # What the message says ends it.
    script = said[said.index("DELIMITER $$ ") + len("DELIMITER $$ ") :]
    for statement in script.split("$$"):
        if statement.strip(" ."):
            clean.execute(statement.replace("%", "%%"))
    ok(run("renamed"), changed=False)
    clean.execute("INSERT INTO mlflow.secrets VALUES (1, 1)")
    clean.execute("UPDATE mlflow.secrets SET id = 2")
    with pytest.raises(pymysql.err.OperationalError, match="no"):
        clean.execute("UPDATE mlflow.secrets SET aad = 2")
    clean.execute("CREATE DEFINER=renamed@localhost VIEW mlflow.seen AS SELECT 1")
    # Whose definer is gone is said, whoever removed it.
    clean.execute("CREATE DEFINER=gone@localhost VIEW mlflow.lost AS SELECT 1")
    orphan = {"database": "mlflow", "kind": "view", "name": "lost", "definer": "gone@localhost"}
    assert ok(run("renamed"), changed=False)["orphans"] == [orphan]
    said = failed(run("migrator"))
    assert "view mlflow.seen" in said and "make them again under an account that stays" in said


def test_options_of_an_account(clean: MySQL, run_module: RunModule) -> None:
    wish = {"password": "some one", "require": "x509", "max_user_connections": 3, "owner": "test"}
    owner = wish.pop("owner")
    options = clean.options(accounts=[account(**wish)], owner=owner)
    result = ok(run_module(MODULE, options), changed=True)
    assert result["diff"]["after"]["accounts"]["'mlflowusr'@'%'"]["require"] == "x509"
    asked = "SELECT ssl_type, max_user_connections FROM mysql.user WHERE user = 'mlflowusr'"
    assert clean.execute(asked) == [("X509", 3)]
    assert not logs_in(clean, "some one")
    ok(run_module(MODULE, options), changed=False)
    options["accounts"][0].update(require="none", max_user_connections=0)
    ok(run_module(MODULE, options), changed=True)
    assert clean.execute(asked) == [("", 0)] and logs_in(clean, "some one")


def test_account_of_elsewhere(clean: MySQL, run_module: RunModule) -> None:
    """Nobody can log in as it from here, and its password is kept up all the same."""
    for password, changed in (
        ("first one", True),
        ("first one", False),
        ("second one", True),
        ("second one", False),
    ):
        wish = account(host="10.99.0.0/16", password=password, verify=False)
        ok(run_module(MODULE, clean.options(accounts=[wish])), changed=changed)


# Components and the certificate


def test_password_policy(clean: MySQL, run_module: RunModule) -> None:
    try:
        options = clean.options(components=["component_validate_password"])
        ok(run_module(MODULE, options, check=True), changed=True)
        assert ok(run_module(MODULE, options), changed=True)["components"] == ["component_validate_password"]
        ok(run_module(MODULE, options), changed=False)
        refused = rotate(clean, run_module, "weak one")
        assert refused.failed
        assert "does not satisfy the server's policy" in refused["msg"]
        assert "wants at least 8 characters, 1 lower and upper case, 1 digits" in refused["msg"]
        assert clean.execute("SELECT COUNT(*) FROM mysql.user WHERE user = 'mlflowusr'") == [(0,)]
        ok(rotate(clean, run_module, "Str0ng-enough"), changed=True)
    finally:
        clean.execute("UNINSTALL COMPONENT 'file://component_validate_password'")
    for name, words in (("component_nothing", "cannot install"), ("x'; DROP", "is no name of a component")):
        result = run_module(MODULE, clean.options(components=[name]))
        assert result.failed and words in result["msg"], result["msg"]


def test_certificate(clean: MySQL, run_module: RunModule, tmp_path: Path) -> None:
    """The server made one itself; another in its place is read without a restart."""
    data = clean.execute("SELECT @@datadir")[0][0]
    # A host from which no account may log in gets no certificate to see.
    ok(rotate(clean, run_module, "a password"), changed=True)
    before = docker("exec", clean.container, "cat", f"{data}server-cert.pem")
    own = tmp_path / "own.pem"
    own.write_text(before)
    ok(run_module(MODULE, clean.options(server_certificate=str(own))), changed=False)
    # The client's certificate, which the server made too, stands in for a renewed one.
    session = clean.root()
    keep = "cp server-cert.pem a && cp server-key.pem b"
    move = "cp client-cert.pem server-cert.pem && cp client-key.pem server-key.pem"
    docker("exec", clean.container, "sh", "-c", f"cd {data} && {keep} && {move}")
    try:
        renewed = tmp_path / "renewed.pem"
        renewed.write_text(docker("exec", clean.container, "cat", f"{data}server-cert.pem"))
        options = clean.options(server_certificate=str(renewed))
        assert ok(run_module(MODULE, options, check=True), changed=True)["tls_reloaded"]
        result = ok(run_module(MODULE, options), changed=True)
        assert result["tls_reloaded"] and result["diff"]["before"] != result["diff"]["after"]
        ok(run_module(MODULE, options), changed=False)
        session.ping(reconnect=False)
    finally:
        session.close()
        # Into the files that are there, which the server owns.
        back = "cp a server-cert.pem && cp b server-key.pem && rm a b"
        docker("exec", clean.container, "sh", "-c", f"cd {data} && {back}")
        clean.execute("ALTER INSTANCE RELOAD TLS")
    other = run_module(MODULE, clean.options(server_certificate=str(renewed)))
    assert other.failed and "presents another certificate than server_certificate" in other["msg"]
    missing = run_module(MODULE, clean.options(server_certificate=str(tmp_path / "none")))
    assert missing.failed and "cannot read server_certificate" in missing["msg"]
