# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan for accounts, without a server."""

from __future__ import annotations

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import accounts
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.accounts import (
    BadRequest,
    CurrentAccount,
    WantedAccount,
)

SECRET = "s3'cret"


def wanted(**more: object) -> WantedAccount:
    return WantedAccount(**{"name": "u", "password": SECRET, **more})  # type: ignore[arg-type]


def sql(plan: accounts.AccountPlan) -> list[str]:
    return [statement.sql for statement in plan.statements]


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("mlflow", "mlflow"),
        ("ml_flow", "ml\\_flow"),
        ("a%b", "a\\%b"),
        ("a\\b", "a\\\\b"),
        ("\\_", "\\\\\\_"),
    ],
)
def test_grant_pattern_and_back(name: str, pattern: str) -> None:
    assert accounts.grant_pattern(name) == pattern
    assert accounts.literal_of(pattern) == name


def test_new_account() -> None:
    plan = accounts.plan_account(
        wanted(database="ml_flow", privileges=frozenset({"SELECT", "DROP"})), None, False
    )
    assert sql(plan) == [
        "CREATE USER %s@%s IDENTIFIED BY %s",
        "GRANT DROP, SELECT ON `ml\\_flow`.* TO %s@%s",
    ]
    assert plan.statements[0].params == ("u", "%", SECRET)
    assert plan.created and plan.password_changed and plan.changed
    assert plan.granted == ("DROP ON ml_flow.*", "SELECT ON ml_flow.*")
    assert plan.before is None
    assert plan.after == {"password": "(new)", "privileges": {"ml_flow.*": ["DROP", "SELECT"]}}


@pytest.mark.parametrize(
    ("accepted", "update", "expected"),
    [
        (True, True, []),
        (False, True, ["ALTER USER %s@%s IDENTIFIED BY %s"]),
        (False, False, []),
    ],
)
def test_password(accepted: bool, update: bool, expected: list[str]) -> None:
    plan = accounts.plan_account(wanted(update_password=update), CurrentAccount(), accepted)
    assert sql(plan) == expected
    assert plan.password_changed is bool(expected)
    assert plan.changed is bool(expected)


TWO_PASSWORDS = CurrentAccount(has_old_password=True)
DISCARD = "ALTER USER %s@%s DISCARD OLD PASSWORD"


def test_the_old_password_as_the_newest_again_leaves_no_second_one() -> None:
    plan = accounts.plan_account(wanted(password="old"), TWO_PASSWORDS, False, old_password_accepted=True)
    assert sql(plan) == ["ALTER USER %s@%s IDENTIFIED BY %s", DISCARD]
    result = plan.result()
    assert (result["password_changed"], result["old_password_discarded"], result["old_password_valid"]) == (
        True,
        True,
        False,
    )


def test_the_two_passwords_change_places() -> None:
    again = wanted(password="old", retain_old_password=True)
    plan = accounts.plan_account(again, TWO_PASSWORDS, False, old_password_accepted=True)
    assert sql(plan) == ["ALTER USER %s@%s IDENTIFIED BY %s RETAIN CURRENT PASSWORD"]
    assert plan.result()["old_password_valid"] is True


@pytest.mark.parametrize(
    ("options", "current", "accepted", "expected"),
    [
        ({}, None, False, False),
        ({"retain_old_password": True}, None, False, False),
        ({"retain_old_password": True}, CurrentAccount(), False, True),
        ({"retain_old_password": True}, CurrentAccount(), True, False),
        ({"retain_old_password": True}, TWO_PASSWORDS, True, True),
        ({}, TWO_PASSWORDS, True, True),
        ({"discard_old_password": True}, TWO_PASSWORDS, True, False),
        ({"present": False}, TWO_PASSWORDS, False, False),
    ],
)
def test_whether_an_old_password_is_valid(
    options: dict[str, bool], current: CurrentAccount | None, accepted: bool, expected: bool
) -> None:
    plan = accounts.plan_account(wanted(password="new", **options), current, accepted)
    assert plan.result()["old_password_valid"] is expected


def test_null_leaves_all_alone() -> None:
    current = CurrentAccount(frozenset({"RELOAD"}), {"mlflow": frozenset({"DROP"})})
    plan = accounts.plan_account(wanted(password=None, database="mlflow"), current, False)
    assert not plan.changed
    assert plan.before == plan.after


def test_other_databases_are_left_alone() -> None:
    current = CurrentAccount(
        frozenset(), {"other": frozenset({"DROP"}), "mlflow": frozenset({"DROP", "SELECT"})}
    )
    plan = accounts.plan_account(wanted(database="mlflow", privileges=frozenset({"SELECT"})), current, True)
    assert sql(plan) == ["REVOKE DROP ON `mlflow`.* FROM %s@%s"]
    assert plan.revoked == ("DROP ON mlflow.*",)


def test_grant_comes_before_revoke() -> None:
    """Going from a grant with wildcards to one without, a client is never without its privileges."""
    current = CurrentAccount(frozenset(), {"ml_flow": frozenset({"SELECT"})})
    plan = accounts.plan_account(wanted(database="ml_flow", privileges=frozenset({"SELECT"})), current, True)
    assert sql(plan) == ["GRANT SELECT ON `ml\\_flow`.* TO %s@%s", "REVOKE SELECT ON `ml_flow`.* FROM %s@%s"]


def test_global_privileges() -> None:
    current = CurrentAccount(frozenset({"RELOAD"}))
    plan = accounts.plan_account(wanted(global_privileges=frozenset({"PROCESS"})), current, True)
    assert sql(plan) == ["GRANT PROCESS ON *.* TO %s@%s", "REVOKE RELOAD ON *.* FROM %s@%s"]


def test_removal() -> None:
    gone = wanted(present=False, password=None)
    assert sql(accounts.plan_account(gone, CurrentAccount(), False)) == ["DROP USER %s@%s"]
    assert accounts.plan_account(gone, CurrentAccount(), False).removed
    assert not accounts.plan_account(gone, None, False).changed


def test_new_account_needs_a_password() -> None:
    with pytest.raises(BadRequest, match="'u'@'%' does not exist and has no password"):
        accounts.plan_account(wanted(password=None), None, False)


def test_no_secret_in_representations_diff_or_result() -> None:
    plan = accounts.plan_account(wanted(), None, False)
    shown = (
        repr(plan) + repr(plan.statements) + repr(accounts.diff([plan], "mlflow", True)) + repr(plan.result())
    )
    assert "s3" not in shown


def test_statements_are_fit_for_binding() -> None:
    """pymysql formats with the % operator: no name may disturb it."""
    account = wanted(database="100%s_`", privileges=frozenset({"SELECT"}))
    for statement in accounts.plan_account(account, None, False).statements:
        assert statement.sql % tuple("?" for dummy in statement.params)
    assert accounts.create_database("100%s", "utf8mb4", "utf8mb4_0900_bin").sql % () == (
        "CREATE DATABASE IF NOT EXISTS `100%s` CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin"
    )


def test_normalise_privileges() -> None:
    every = accounts.DATABASE_PRIVILEGES
    assert accounts.normalise_privileges(["select", " create   view "], every, "") == {
        "SELECT",
        "CREATE VIEW",
    }
    assert accounts.normalise_privileges(["all privileges"], every, "") == every
    assert accounts.normalise_privileges(["ALL", "grant option"], every, "") == every | {"GRANT OPTION"}
    assert accounts.normalise_privileges(["USAGE"], every, "") == frozenset()
    with pytest.raises(BadRequest, match="RELOAD, x: no such privilege here"):
        accounts.normalise_privileges(["SELECT", "RELOAD", "x"], every, "here")


@pytest.mark.parametrize(
    ("account", "message"),
    [
        (wanted(name=""), "name is empty"),
        (wanted(name="é" * 33), "33 characters"),
        (wanted(host=""), "host of account u is empty"),
        (wanted(password=""), "password of 'u'@'%' is empty"),
        (wanted(password="a\0b"), "NUL"),
        (wanted(privileges=frozenset()), "not on what"),
    ],
)
def test_bad_accounts(account: WantedAccount, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        accounts.check_accounts([account])


def test_name_of_32_characters_is_taken() -> None:
    accounts.check_accounts([wanted(name="é" * 32), wanted(name="u", host="localhost"), wanted()])


@pytest.mark.parametrize(
    ("name", "charset", "collation", "message"),
    [
        ("", "utf8mb4", "utf8mb4_bin", "no name for a database"),
        ("x" * 65, "utf8mb4", "utf8mb4_bin", "no name for a database"),
        ("x ", "utf8mb4", "utf8mb4_bin", "no name for a database"),
        ("x", "utf8mb4; DROP", "utf8mb4_bin", "database_charset"),
        ("x", "utf8mb4", "utf8mb4_bin\n", "database_collation"),
    ],
)
def test_bad_databases(name: str, charset: str, collation: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        accounts.check_database(name, charset, collation)


def test_explain_error() -> None:
    assert accounts.explain_error(1396, "Operation failed", [SECRET]) == "Operation failed (MySQL error 1396)"
    assert SECRET not in accounts.explain_error(1064, f"near '{SECRET}'", [SECRET])
    assert SECRET not in accounts.explain_error(4711, f"near '{SECRET}'", ["", SECRET])
