# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and texts in SQL, and statements on an open connection. Private to this collection.

Nothing but Python is needed: a connection is whatever pymysql made. Every function with one raises pymysql's errors.
"""

from __future__ import annotations

from typing import Any, Sequence


def quoted(*names: str) -> str:
    """A name in backticks; a database and a name in it as `database`.`name`. In a statement without values."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def quoted_for_values(*names: str) -> str:
    """As `quoted`, for a statement with values, in which pymysql takes `%%` for `%`."""
    return quoted(*names).replace("%", "%%")


def literal(text: str) -> str:
    """A text in single quotes, where sql_mode has no NO_BACKSLASH_ESCAPES. In a statement without values."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def run(connection: Any, statement: str, values: Sequence[Any] | None) -> list[tuple[Any, ...]]:
    """Run a statement and return its rows. It has `%s` for each value and `%%` for `%`, unless `values` is None."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def query(connection: Any, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run a statement and return its rows. Without values a `%` in it stands for itself."""
    return run(connection, statement, values or None)


def query_texts(connection: Any, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """As `query`, with text for bytes: some columns of the server's own tables have a binary collation."""
    return [
        tuple(value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in row)
        for row in query(connection, statement, *values)
    ]


def query_columns(connection: Any, statement: str) -> list[dict[str, Any]]:
    """As `query`, each row by the names of its columns, which are in lower case."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        names = [column[0].lower() for column in cursor.description or ()]
        return [dict(zip(names, row)) for row in cursor.fetchall()]
