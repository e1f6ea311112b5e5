# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and texts in SQL, and what the helpers hand to a cursor and back."""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import sql


class Cursor:
    """Answers every statement with `rows`, and keeps what it was given."""

    def __init__(self, *rows: tuple[Any, ...], columns: tuple[str, ...] = ()) -> None:
        self.rows = rows
        self.description = [(name, None) for name in columns] or None
        self.given: list[tuple[str, object]] = []

    def cursor(self) -> Cursor:
        return self

    def __enter__(self) -> Cursor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def execute(self, statement: str, values: object = None) -> None:
        self.given.append((statement, values))

    def fetchall(self) -> tuple[tuple[Any, ...], ...]:
        return self.rows


@pytest.mark.parametrize(
    ("names", "plain", "with_values"),
    [
        (("mlflow",), "`mlflow`", "`mlflow`"),
        (("a`b",), "`a``b`", "`a``b`"),
        (("50%s",), "`50%s`", "`50%%s`"),
        (("a'\"b\\",), "`a'\"b\\`", "`a'\"b\\`"),
        (("a.b", "r`%"), "`a.b`.`r``%`", "`a.b`.`r``%%`"),
    ],
)
def test_quoted(names: tuple[str, ...], plain: str, with_values: str) -> None:
    assert sql.quoted(*names) == plain
    assert sql.quoted_for_values(*names) == with_values


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", "''"), ("it's", "'it''s'"), ("a\\'", "'a\\\\'''"), ('50%s"`', "'50%s\"`'")],
)
def test_literal(text: str, expected: str) -> None:
    assert sql.literal(text) == expected


def test_only_a_statement_with_values_is_formatted() -> None:
    """pymysql formats whatever comes with values, be they none."""
    cursor = Cursor((1,), (2,))
    assert sql.query(cursor, "SHOW TABLES LIKE 'a%'") == [(1,), (2,)]
    assert sql.query(cursor, "SELECT %s, '%%'", "x") == [(1,), (2,)]
    assert sql.run(cursor, "SELECT '%%'", ()) == [(1,), (2,)]
    assert cursor.given == [("SHOW TABLES LIKE 'a%'", None), ("SELECT %s, '%%'", ("x",)), ("SELECT '%%'", ())]


def test_bytes_are_read_as_text() -> None:
    cursor = Cursor((b"\xc3\xbc", None, 7), (b"\xff", "s", 0.5))
    assert sql.query_texts(cursor, "SELECT 1") == [("\xfc", None, 7), ("\ufffd", "s", 0.5)]


def test_rows_by_the_names_of_their_columns() -> None:
    cursor = Cursor((1, "x"), columns=("User_ID", "host"))
    assert sql.query_columns(cursor, "SELECT 1") == [{"user_id": 1, "host": "x"}]
    assert sql.query_columns(Cursor(), "SET @a = 1") == []


def test_neither_pymysql_nor_ansible_is_needed() -> None:
    """The program mlflow-mysql-backup has the module without Ansible."""
    source = (
        "import runpy, sys\n"
        "sys.modules['pymysql'] = sys.modules['ansible'] = None\n"
        f"assert runpy.run_path({sql.__file__!r})['quoted']('a') == '`a`'\n"
    )
    subprocess.run([sys.executable, "-I", "-c", source], check=True)
