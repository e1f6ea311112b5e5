# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements that give a store one character set, one collation and one row format. Private to this collection.

`CONVERT TO CHARACTER SET` does not do: it makes a TEXT a MEDIUMTEXT, and stops at the first table whose row format has
no room for its keys. `statements` is a function of what the database is and of the catalogue. Each table is changed by
one ALTER TABLE that names its columns with the types that they are to have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterable, Mapping

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import (
    literal,
    query,
    quoted,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.live import escaped

CHARSET = "utf8mb4"
COLLATION = "utf8mb4_0900_bin"  # what the role gives a store
EXACT = re.compile(r"^utf8mb4_.*(bin|as_cs(_ks)?)$")
OLD_FORMATS = ("compact", "redundant", "compressed")
# What a TEXT grows to, and what it takes, in bytes.
TEXTS = {"tinytext": 255, "text": 65535, "mediumtext": 16777215, "longtext": 4294967295}
SHOWN = 10

TABLES = """
SELECT table_name, table_collation, LOWER(row_format), LOWER(create_options), table_comment,
       EXISTS (SELECT 1 FROM information_schema.table_constraints c WHERE c.table_schema = t.table_schema
               AND c.table_name = t.table_name AND c.constraint_type = 'CHECK')
FROM information_schema.tables t WHERE table_schema = %s AND table_type = 'BASE TABLE' ORDER BY table_name"""
COLUMNS = """
SELECT c.table_name, c.column_name, c.column_type, c.is_nullable, c.column_default, c.extra, c.collation_name,
       c.column_comment, c.generation_expression
FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
WHERE c.table_schema = %s AND t.table_type = 'BASE TABLE' ORDER BY c.table_name, c.ordinal_position"""
FOREIGN_KEYS = """
SELECT table_schema, table_name, constraint_name, column_name, referenced_table_schema, referenced_table_name,
       referenced_column_name
FROM information_schema.key_column_usage
WHERE referenced_table_schema = %s OR (table_schema = %s AND referenced_table_schema IS NOT NULL)
ORDER BY 1, 2, 3, ordinal_position"""
# An index of an expression has no column's name.
UNIQUE_KEYS = """
SELECT table_name, index_name, column_name, sub_part FROM information_schema.statistics
WHERE table_schema = %s AND non_unique = 0 ORDER BY table_name, index_name, seq_in_index"""


@dataclass(frozen=True)
class Column:
    """A column as information_schema.columns has it. `collation` is None where it holds no text."""

    table: str
    name: str
    type: str
    nullable: bool
    default: str | None
    extra: str
    collation: str | None
    comment: str
    expression: str


@dataclass(frozen=True)
class Table:
    """A table: its collation, its row format, and its options as MySQL keeps them, the latter two in lower case.

    `checks` says whether it has CHECK constraints.
    """

    name: str
    collation: str
    row_format: str
    options: str
    comment: str
    checks: bool


@dataclass(frozen=True)
class ForeignKey:
    """A pair of columns of a foreign key to or from a table of the database."""

    database: str
    table: str
    name: str
    column: str
    other_database: str
    other: str
    other_column: str


@dataclass(frozen=True)
class Database:
    """What of a database a conversion is about."""

    name: str
    collation: str
    tables: tuple[Table, ...]
    columns: tuple[Column, ...]
    foreign_keys: tuple[ForeignKey, ...]

    def column(self, table: str, name: str) -> Column | None:
        return next((one for one in self.columns if (one.table, one.name) == (table, name)), None)


def read_database(connection: Any, name: str) -> Database:
    """Read what `statements` wants. Raises pymysql's errors."""
    collation = query(
        connection,
        "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = %s",
        name,
    )[0][0]
    return Database(
        name,
        str(collation),
        tuple(
            Table(
                str(table),
                str(own),
                str(row_format or ""),
                str(options or ""),
                str(comment or ""),
                bool(checks),
            )
            for table, own, row_format, options, comment, checks in query(connection, TABLES, name)
        ),
        tuple(
            Column(
                table,
                column,
                str(kind),
                nullable == "YES",
                None if default is None else str(default),
                str(extra or ""),
                None if own is None else str(own),
                str(comment or ""),
                str(expression or ""),
            )
            for table, column, kind, nullable, default, extra, own, comment, expression in query(
                connection, COLUMNS, name
            )
        ),
        tuple(ForeignKey(*map(str, row)) for row in query(connection, FOREIGN_KEYS, name, name)),
    )


def target_collation(database: Database) -> str:
    """The collation that most of the store has if that one tells all keys apart, or else the role's."""
    names = [table.collation for table in database.tables] or [database.collation]
    most = max(sorted(set(names)), key=names.count)
    return most if EXACT.match(most) else COLLATION


def wanted_types(lines: Iterable[str]) -> dict[tuple[str, str], tuple[str, str | None]]:
    """The type of each column in the catalogue's lines, and its collation where it has one of its own."""
    found = {}
    for line in lines:
        match = re.match(r"column (\S+?)\.(\S+) (.+?) (?:not )?null\b.*?(?: collate (\w+))?$", line)
        if match:
            found[match[1], match[2]] = (match[3], match[4])
    return found


def statements(database: Database, target: str, lines: Iterable[str]) -> list[str]:
    """All that it takes to have the database in `target`, in order; none if it is so already.

    `lines` are the catalogue's at the store's revision. A column that they do not know keeps its type.
    """
    wanted = wanted_types(lines)
    changes = []
    for table in database.tables:
        parts = []
        if table.collation != target:
            parts.append(f"DEFAULT CHARACTER SET {CHARSET} COLLATE {target}")
        if table.row_format in OLD_FORMATS or re.search(
            r"row_format=(compact|redundant|compressed)", table.options
        ):
            parts.append("ROW_FORMAT=DYNAMIC")
        if "key_block_size" in table.options:
            parts.append("KEY_BLOCK_SIZE=0")
        for column in database.columns:
            if column.table != table.name or column.collation is None:
                continue
            kind, own = wanted.get((escaped(column.table), escaped(column.name)), (column.type, None))
            collation = own or target
            if not (column.type in TEXTS and kind in TEXTS):
                kind = column.type
            if (column.collation, column.type) != (collation, kind):
                parts.append(f"MODIFY {definition(column, kind, collation)}")
        name = quoted(database.name, table.name)
        if parts:
            changes.append(f"ALTER TABLE {name} {', '.join(parts)}")
        # MySQL writes the texts in checks in the set that a column had, and only with the next change in its new one.
        if (
            table.checks
            and any("MODIFY" in part for part in parts)
            and not all_of(database, table.name, CHARSET)
        ):
            changes.append(f"ALTER TABLE {name} COMMENT = {literal(table.comment)}")
    found = []
    if database.collation != target:
        found.append(f"ALTER DATABASE {quoted(database.name)} CHARACTER SET {CHARSET} COLLATE {target}")
    if changes:
        # Either end of a foreign key has another collation until the other one follows.
        found += ["SET SESSION foreign_key_checks = 0", *changes, "SET SESSION foreign_key_checks = 1"]
    return found


def all_of(database: Database, table: str, charset: str) -> bool:
    """Whether all texts of a table are in a character set."""
    return all(
        one.collation.startswith(charset + "_")
        for one in database.columns
        if one.table == table and one.collation
    )


def definition(column: Column, kind: str, collation: str) -> str:
    parts = [quoted(column.name), kind, f"CHARACTER SET {CHARSET} COLLATE {collation}"]
    if column.expression:
        stored = "STORED" if "STORED" in column.extra.upper() else "VIRTUAL"
        parts.append(f"GENERATED ALWAYS AS ({unescaped(column.expression)}) {stored}")
    parts.append("NULL" if column.nullable else "NOT NULL")
    if column.default is not None and "DEFAULT_GENERATED" in column.extra:
        parts.append(f"DEFAULT ({unescaped(column.default)})")
    elif column.default is not None:
        parts.append(f"DEFAULT {literal(column.default)}")
    if column.comment:
        parts.append(f"COMMENT {literal(column.comment)}")
    if "INVISIBLE" in column.extra.upper():
        parts.append("INVISIBLE")
    return " ".join(parts)


def unescaped(expression: str) -> str:
    return expression.replace("\\'", "'")


def problems(connection: Any, database: Database, target: str, lines: Iterable[str]) -> list[str]:
    """What would stop the statements half-way, or lose a reference, each with what to do. Reads tables whole."""
    wanted = wanted_types(lines)
    found = []
    for key in database.foreign_keys:
        inside = key.other_database == database.name
        column = database.column(*((key.other, key.other_column) if inside else (key.table, key.column)))
        if column is None or column.collation in (None, target):
            continue
        if key.database != key.other_database:
            found.append(
                f"{key.database}.{key.table} refers to {key.other_database}.{key.other} ({key.other_column}) with the "
                f"foreign key {key.name}, and only one of the two is converted: ALTER TABLE {quoted(key.database)}."
                f"{quoted(key.table)} DROP FOREIGN KEY {quoted(key.name)}, and make it again when both are converted"
            )
            continue
        if column.collation == COLLATION:  # what it takes for the same is the same
            continue
        one, other = (
            f"CONVERT({alias}.{quoted(name)} USING utf8mb4) COLLATE {target}"
            for alias, name in (("c", key.column), ("p", key.other_column))
        )
        rows = query(
            connection,
            f"SELECT COUNT(*) FROM {quoted(database.name, key.table)} c JOIN {quoted(database.name)}."
            f"{quoted(key.other)} p ON p.{quoted(key.other_column)} = c.{quoted(key.column)} WHERE {one} <> {other}",
        )[0][0]
        if rows:
            found.append(
                f"{rows} rows of {key.table} spell {key.column} otherwise than {key.other}, which {target} tells "
                f"apart: UPDATE {quoted(key.table)} c JOIN {quoted(key.other)} p ON p.{quoted(key.other_column)} = "
                f"c.{quoted(key.column)} SET c.{quoted(key.column)} = p.{quoted(key.other_column)}"
            )
    found += merged_keys(connection, database, target)
    for column in database.columns:
        kind = wanted.get((escaped(column.table), escaped(column.name)), (column.type, None))[0]
        kind = kind if column.type in TEXTS and kind in TEXTS else column.type
        if kind not in TEXTS or column.collation is None:
            continue
        shrinks = TEXTS[kind] < TEXTS[column.type]
        if not shrinks and column.collation.startswith("utf8"):
            continue
        rows = query(
            connection,
            f"SELECT COUNT(*) FROM {quoted(database.name, column.table)} WHERE"
            f" LENGTH(CONVERT({quoted(column.name)} USING utf8mb4)) > {TEXTS[kind]}",
        )[0][0]
        if rows:
            found.append(
                f"{rows} values of {column.table}.{column.name} are longer than the {TEXTS[kind]} bytes of MLflow's "
                f"{kind} in {CHARSET}: shorten them"
            )
    return found


def merged_keys(connection: Any, database: Database, target: str) -> list[str]:
    """Rows that `target` takes for one where a key has to tell them apart: `a` and `a ` are the same to utf8mb4_bin."""
    if target == COLLATION:
        return []
    keys: dict[tuple[str, str], list[tuple[str | None, int | None]]] = {}
    for table, index, name, length in query(connection, UNIQUE_KEYS, database.name):
        keys.setdefault((table, index), []).append((name, length))
    found = []
    for (table, index), parts in keys.items():
        columns = [database.column(table, name) if name else None for name, _length in parts]
        changes = [column for column in columns if column and column.collation not in (None, target)]
        if not changes or None in columns:
            continue
        texts, there = [], []
        for column, (_name, length) in zip(columns, parts):
            if column is None:
                continue
            text = quoted(column.name)
            there.append(f"{text} IS NOT NULL")
            if column.collation is not None:
                part = f"LEFT({text}, {length})" if length else text
                text = f"CONVERT({part} USING utf8mb4) COLLATE {target}"
            texts.append(text)
        rows = query(
            connection,
            f"SELECT COALESCE(SUM(n - 1), 0) FROM (SELECT COUNT(*) n FROM {quoted(database.name, table)} WHERE"
            f" {' AND '.join(there)} GROUP BY {', '.join(texts)} HAVING n > 1) g",
        )[0][0]
        if rows:
            found.append(
                f"{rows} rows of {table} differ from another one in {', '.join(one.name for one in changes)} in a way "
                f"that {target} does not tell apart, and {index} has to: choose {COLLATION} (mlflow_schema_collation), "
                "or change them"
            )
    return found


def misread(connection: Any, database: Database) -> list[str]:
    """Columns with values that read as UTF-8 taken for Latin-1, as a client wrote them that called it Latin-1.

    They are converted as they read, `Ã¼` for `ü`: nothing says which ones are meant so.
    """
    found = []
    for column in database.columns:
        if not (column.collation or "").startswith("latin1_"):
            continue
        name = quoted(column.name)
        text = f"CONVERT(CONVERT({name} USING binary) USING utf8mb4)"
        rows = query(
            connection,
            f"SELECT COUNT(*) FROM {quoted(database.name, column.table)} WHERE {name} <> CONVERT({name} USING"
            f" ascii) AND {text} IS NOT NULL AND CHAR_LENGTH({text}) < LENGTH({name})",
        )[0][0]
        if rows:
            found.append(f"{rows} values of {column.table}.{column.name}")
    return found


def fingerprints(connection: Any, database: Database) -> dict[str, tuple[int, int, int]]:
    """Of each table the number of rows, and two sums over their text, whatever character set they are in."""
    found = {}
    for table in database.tables:
        parts = []
        for column in database.columns:
            if column.table == table.name:
                name = quoted(column.name)
                text = name if column.collation is None else f"CONVERT({name} USING utf8mb4)"
                parts.append(f"COALESCE(SHA2({text}, 256), '-')")
        row = f"SHA2(CONCAT_WS(',', {', '.join(parts)}), 256)"
        rows = query(
            connection,
            "SELECT COUNT(*), COALESCE(SUM(CRC32(digest)), 0), COALESCE(BIT_XOR(CAST(CONV(LEFT(digest, 15), 16, 10) AS"
            f" UNSIGNED)), 0) FROM (SELECT {row} digest FROM {quoted(database.name, table.name)}) digests",
        )[0]
        found[table.name] = (int(rows[0]), int(rows[1]), int(rows[2]))
    return found


def changed_tables(
    before: Mapping[str, tuple[int, int, int]], after: Mapping[str, tuple[int, int, int]]
) -> list[str]:
    """What is to be said of tables that have other rows or another text."""
    return [
        f"{name} has {after[name][0]} rows instead of {before[name][0]}"
        if after.get(name, (0,))[0] != before[name][0]
        else f"{name} has another text"
        for name in sorted(before)
        if after.get(name) != before[name]
    ]
