# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of servers that no test can start: of other versions, and of lines that only they send."""

from __future__ import annotations

import dataclasses
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.accounts import MIGRATING
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import blockers

SERVER = blockers.Server(
    version="9.7.0",
    version_comment="(Debian)",
    lower_case_table_names=0,
    sql_mode=["STRICT_TRANS_TABLES"],
    global_sql_mode=["STRICT_TRANS_TABLES"],
    log_bin=True,
    log_bin_trust_function_creators=True,
    sql_require_primary_key=False,
    sql_generate_invisible_primary_key=False,
    read_only=False,
    super_read_only=False,
    offline_mode=False,
    partial_revokes=False,
    lock_wait_timeout=60,
    default_storage_engine="InnoDB",
    datadir="/var/lib/mysql/",
    charset="utf8mb4",
    collation="utf8mb4_0900_bin",
    user="migrator@localhost",
)
TODAY = date(2026, 11, 24)


def server(**more: Any) -> blockers.Server:
    return dataclasses.replace(SERVER, **more)


@pytest.mark.parametrize(
    ("version", "severity"),
    [
        ("5.7.44-log", "error"),
        ("8.0.15", "error"),
        ("8.0.16", "warning"),
        ("8.0.36-28", "warning"),
        ("8.3.0", "warning"),
        ("8.4.0", None),
        ("8.4.10-10.1", None),
        ("9.6.0", "warning"),
        ("9.7.0", None),
        ("9.7.0-debug", None),
        ("9.10.0", "warning"),
        ("10.0.0", "warning"),
    ],
)
def test_version(version: str, severity: str | None) -> None:
    found = blockers.check_version(server(version=version), TODAY)
    assert [one["severity"] for one in found] == ([severity] if severity else [])
    assert all(one["name"] == "version" and version in one["message"] for one in found)


def test_version_8_0_while_it_had_fixes() -> None:
    assert blockers.check_version(server(version="8.0.45"), date(2026, 4, 29)) == []
    assert len(blockers.check_version(server(version="8.0.45"), date(2026, 4, 30))) == 1
    assert len(blockers.check_version(server(version="8.0.15"), date(2026, 4, 29))) == 1


def test_offline_mode_of_an_account_that_is_about_to_be_disconnected() -> None:
    (found,) = blockers.check_writable(server(offline_mode=True))
    assert (found["name"], found["severity"]) == ("read_only", "error")


def test_privileges_as_mysql_5_7_shows_them() -> None:
    lines = ["GRANT ALL PRIVILEGES ON *.* TO 'root'@'localhost' WITH GRANT OPTION"]
    everywhere, here = blockers.privileges_on(lines, "mlflow", False, False, False)
    assert {"SUPER", "PROCESS"} <= everywhere
    assert set(MIGRATING) <= here
    assert "SUPER" not in here


@pytest.mark.parametrize("database", ["a`b", 'a"b', "a.b", "a ON b", "a\\b"])
@pytest.mark.parametrize("sign", ["`", '"'])
def test_names_of_databases_in_grants(database: str, sign: str) -> None:
    """ANSI_QUOTES changes the quotes."""
    name = sign + database.replace("\\", "\\\\").replace(sign, sign * 2) + sign
    lines = [f"GRANT SELECT, CREATE TEMPORARY TABLES ON {name}.* TO `u`@`%`"]
    assert blockers.privileges_on(lines, database, False, False, False) == (
        frozenset(),
        {"SELECT", "CREATE TEMPORARY TABLES"},
    )


@pytest.mark.parametrize(
    "line",
    [
        "GRANT `SELECT ON a`@`%` TO `u`@`%`",
        "GRANT PROXY ON ``@`` TO `root`@`localhost` WITH GRANT OPTION",
        "GRANT SELECT (`x`) ON `a`.`t` TO `u`@`%`",
        "GRANT EXECUTE ON PROCEDURE `a`.`t` TO `u`@`%`",
        "GRANT SELECT ON `A`.* TO `u`@`%`",
    ],
)
def test_grants_that_are_none_on_the_database(line: str) -> None:
    assert blockers.privileges_on([line], "a", False, False, False) == (frozenset(), frozenset())


def test_names_in_any_case_where_the_server_does_not_tell_them_apart() -> None:
    lines = ["GRANT SELECT ON `A%`.* TO `u`@`%`"]
    assert blockers.privileges_on(lines, "ab", False, False, True)[1] == {"SELECT"}


@pytest.mark.parametrize(
    ("collation", "exact"),
    [
        ("utf8mb4_0900_bin", True),
        ("utf8mb4_bin", True),
        ("utf8mb4_0900_as_cs", True),
        ("utf8mb4_ja_0900_as_cs_ks", True),
        ("utf8mb4_0900_as_ci", False),
        ("utf8mb4_0900_ai_ci", False),
        ("utf8mb4_general_ci", False),
    ],
)
def test_collations_that_merge_keys(collation: str, exact: bool) -> None:
    nothing = blockers.Spellings({}, [])
    assert (blockers.check_keys(SERVER, "mlflow", collation, nothing) == []) is exact


def test_long_lists_are_cut() -> None:
    assert blockers.listed(map(str, range(12))) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"


def test_account_with_quotes() -> None:
    assert blockers.account("o'b@r@%") == "'o''b@r'@'%'"


def test_pages_that_are_too_small_for_keys() -> None:
    (found,) = blockers.check_settings(server(innodb_page_size=8192))
    assert (found["name"], found["severity"]) == ("page_size", "error")
    assert "1536 bytes" in found["message"]
    assert blockers.check_settings(server(innodb_page_size=65536)) == []


def test_all_are_documented() -> None:
    """The names of all that is found, wherever the source has them."""
    root = Path(blockers.__file__).parents[3]
    source = Path(blockers.__file__).read_text(encoding="utf-8")
    names = set(re.findall(r'blocker\(\s*"(\w+)"', source)) | {
        name for name, _message, _before in blockers.ROWS.values()
    }
    text = (root / "docs" / "blockers.md").read_text(encoding="utf-8")
    assert len(names) > 25
    assert sorted(name for name in names if f"`{name}`" not in text) == []
