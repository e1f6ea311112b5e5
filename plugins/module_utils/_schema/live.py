# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema of a database as lines of text. Private to this collection: it may change without notice.

Every object is one line that names its kind, its table and all that matters about it, e.g.
`column runs.status varchar(9) null` or `index runs (experiment_id) ix_runs_experiment_id`. Two schemas are
the same when their sets of lines are. The names that MySQL chooses by itself are left out, and so is a
collation that is the store's own. What a line is split at is escaped in a name, as in a URL (`my%20table`). Only
`information_schema` is read, in nine queries.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, Collection

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import query

INTEGER_WIDTH = re.compile(r"^((?:small|medium|big)?int|tinyint)\((\d+)\)")
# What MySQL has read a text in a clause as: that of the connection, or of the column that it is compared with.
CHARSETS = (
    "armscii8 ascii big5 binary cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 cp932 dec8 eucjpms euckr gb18030 gb2312 "
    "gbk geostd8 greek hebrew hp8 keybcs2 koi8r koi8u latin1 latin2 latin5 latin7 macce macroman sjis swe7 tis620 ucs2 "
    "ujis utf16 utf16le utf32 utf8 utf8mb3 utf8mb4"
)
INTRODUCER = re.compile(rf"\b_(?:{CHARSETS.replace(' ', '|')})(?=\\?')")
FOREIGN_KEY_NAME = re.compile(r"^.*_ibfk_\d+$")
CHECK_NAME = re.compile(r"^.*_chk_\d+$")
ODD = re.compile(r"[\s.%()'\"]")
# A text or a name in an expression, as MySQL writes it; and the space in a text that a line could not show.
QUOTED = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`[^`]*`")
ODD_SPACE = re.compile(r"^\s+|\s+$|\s{2,}|[^\S ]")

# What names the table of a row, where a statement may be for some tables only.
TABLE = re.compile(r"\[([\w.]+)\]")
TABLES = """
SELECT table_name, table_type, engine, table_collation, table_rows, data_length + index_length
FROM information_schema.tables WHERE table_schema = %s[table_name]"""
PARTITIONS = """
SELECT DISTINCT table_name FROM information_schema.partitions
WHERE table_schema = %s[table_name] AND partition_name IS NOT NULL"""
COLUMNS = """
SELECT table_name, column_name, column_type, is_nullable, column_default, extra, collation_name, generation_expression
FROM information_schema.columns WHERE table_schema = %s[table_name] ORDER BY table_name, ordinal_position"""
INDEXES = """
SELECT table_name, index_name, non_unique, column_name, sub_part, collation, index_type, is_visible, expression
FROM information_schema.statistics WHERE table_schema = %s[table_name] ORDER BY table_name, index_name, seq_in_index"""
FOREIGN_KEYS = """
SELECT k.table_name, k.constraint_name, k.column_name, k.referenced_table_schema, k.referenced_table_name,
       k.referenced_column_name, r.update_rule, r.delete_rule
FROM information_schema.key_column_usage k
JOIN information_schema.referential_constraints r
  ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name
  AND r.table_name = k.table_name
WHERE k.constraint_schema = %s[k.table_name] AND k.referenced_table_name IS NOT NULL
ORDER BY k.table_name, k.constraint_name, k.ordinal_position"""
CHECKS = """
SELECT t.table_name, c.constraint_name, c.check_clause, t.enforced
FROM information_schema.check_constraints c
JOIN information_schema.table_constraints t
  ON t.constraint_schema = c.constraint_schema AND t.constraint_name = c.constraint_name
WHERE c.constraint_schema = %s[t.table_name] ORDER BY t.table_name, c.constraint_name"""
TRIGGERS = """
SELECT event_object_table, trigger_name, action_timing, event_manipulation, action_statement
FROM information_schema.triggers WHERE event_object_schema = %s[event_object_table]"""
PROGRAMS = """
SELECT LOWER(routine_type), routine_name FROM information_schema.routines WHERE routine_schema = %s
UNION ALL SELECT 'event', event_name FROM information_schema.events WHERE event_schema = %s
ORDER BY 1, 2"""


@dataclass(frozen=True)
class Table:
    """Size of a table as the server estimates it: `rows`, and `bytes` of data and indexes."""

    rows: int
    bytes: int


@dataclass(frozen=True)
class LiveSchema:
    """The lines of a database, its tables, and the collation that most of its tables have (None: no tables)."""

    lines: frozenset[str]
    tables: dict[str, Table] = field(default_factory=dict)
    collation: str | None = None
    # Names of foreign keys, checks and indexes that the lines leave out, for statements that need one.
    names: dict[str, str] = field(default_factory=dict)
    # Procedures, functions and events, as kind and name. MLflow has none, and who has rights on tables alone sees none:
    # so that all accounts see one schema, they are in no line.
    programs: tuple[tuple[str, str], ...] = ()
    # The revisions at which statements of later ones were done ahead. These are rows, not lines.
    prepared: tuple[str, ...] = ()


def read_schema(
    connection: Any, database: str, only: Collection[str] | None = None, collation: str | None = None
) -> LiveSchema:
    """Read the schema of `database`, or of the tables in `only` there. Raises pymysql's errors.

    `collation` is that of most of its tables, if that is known.
    """

    def ask(statement: str) -> list[tuple[Any, ...]]:
        if only is None:
            return query(connection, TABLE.sub("", statement), database)
        names = ", ".join(["%s"] * len(only)) or "NULL"
        return query(connection, TABLE.sub(rf" AND \1 IN ({names})", statement), database, *only)

    tables = []
    sizes: dict[str, Table] = {}
    found = ask(TABLES)
    collations = Counter(row[3] for row in found if row[1] == "BASE TABLE" and row[3])
    if collations and collation is None:
        collation = max(sorted(collations), key=lambda name: collations[name])
    parted = {name for (name,) in ask(PARTITIONS)}
    for name, kind, engine, own, rows, size in found:
        if kind != "BASE TABLE":
            tables.append(f"view {escaped(name)}")
            continue
        sizes[name] = Table(int(rows or 0), int(size or 0))
        partitioned = " partitioned" if name in parted else ""
        tables.append(f"table {escaped(name)} {engine}{partitioned}{_collate(own, collation)}")
    named = [
        *(("", line) for line in tables),
        *(("", _column(row, collation)) for row in ask(COLUMNS)),
        *_indexes(ask(INDEXES)),
        *_foreign_keys(ask(FOREIGN_KEYS), database),
        *(_check(row) for row in ask(CHECKS)),
        *(("", _trigger(row)) for row in ask(TRIGGERS)),
    ]
    lines: dict[str, str] = {}
    for name, line in named:
        unique, number = line, 2
        while unique in lines:
            unique, number = f"{line} #{number}", number + 1
        lines[unique] = name
    names = {line: name for line, name in lines.items() if name}
    programs: list[tuple[str, str]] = []
    if only is None:
        found = query(connection, PROGRAMS, database, database)
        programs = [(str(kind), str(name)) for kind, name in found]
    return LiveSchema(frozenset(lines), sizes, collation, names, tuple(programs))


def escaped(name: Any) -> str:
    """A name as it stands in a line, a word without a full stop. `urllib.parse.unquote` gives the name."""
    return ODD.sub(lambda odd: "".join(f"%{byte:02X}" for byte in odd.group().encode()), str(name))


def _collate(own: str | None, collation: str | None) -> str:
    return f" collate {own}" if own and own != collation else ""


def _spaces(text: str) -> str:
    """`text` in one line, spaces that would not be seen as `%20`."""
    return ODD_SPACE.sub(lambda odd: "".join(f"%{ord(c):02X}" for c in odd.group()), text)


def _one_line(text: str) -> str:
    """A clause or a body in one line: where space means nothing there is one, within texts it stays."""
    parts, end = [], 0
    for found in QUOTED.finditer(text):
        parts += [re.sub(r"\s+", " ", text[end : found.start()])]
        parts += [found.group()[0] + _spaces(found.group()[1:-1]) + found.group()[-1]]
        end = found.end()
    return "".join([*parts, re.sub(r"\s+", " ", text[end:])]).strip()


def _column(row: tuple[Any, ...], collation: str | None) -> str:
    table, name, kind, nullable, default, extra, own, expression = row
    kind = str(kind)
    if kind != "tinyint(1)":
        kind = INTEGER_WIDTH.sub(r"\1", kind)
    extra = str(extra or "")
    parts = [f"column {escaped(table)}.{escaped(name)} {kind}", "null" if nullable == "YES" else "not null"]
    if default is not None:
        generated = "DEFAULT_GENERATED" in extra
        parts.append(
            f"default ({_expression(default)})" if generated else f"default '{_spaces(str(default))}'"
        )
    extra = _one_line(extra.replace("DEFAULT_GENERATED", "")).lower()
    if extra:
        parts.append(extra)
    if expression:
        parts.append(f"as ({_expression(expression)})")
    return " ".join(parts) + _collate(own, collation)


def _expression(text: Any) -> str:
    """A clause without the parts that depend on the connection that made it."""
    return _one_line(INTRODUCER.sub("", str(text)).replace("\\'", "'"))


def _indexes(rows: list[tuple[Any, ...]]) -> list[tuple[str, str]]:
    columns: dict[tuple[str, str], list[str]] = defaultdict(list)
    about: dict[tuple[str, str], tuple[Any, ...]] = {}
    for table, name, non_unique, column, length, order, kind, visible, expression in rows:
        key = (table, name)
        about[key] = (non_unique, kind, visible)
        part = f"({_expression(expression)})" if expression else escaped(column)
        columns[key].append(part + (f"({length})" if length else "") + (" desc" if order == "D" else ""))
    lines = []
    for (table, name), parts in columns.items():
        non_unique, kind, visible = about[table, name]
        flags = ("" if kind == "BTREE" else f" {kind.lower()}") + ("" if visible == "YES" else " invisible")
        listed = ", ".join(parts)
        if name == "PRIMARY":
            lines.append((name, f"primary key {escaped(table)} ({listed}){flags}"))
            continue
        word = "index" if non_unique else "unique"
        own = FOREIGN_KEY_NAME.match(name) or re.match(rf"{re.escape(parts[0])}(_\d+)?$", name)
        named = "" if own else f" named {escaped(name)}"
        lines.append((name, f"{word} {escaped(table)} ({listed}){flags}{named}"))
    return lines


def _foreign_keys(rows: list[tuple[Any, ...]], database: str) -> list[tuple[str, str]]:
    pairs: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    about: dict[tuple[str, str], tuple[str, str, str]] = {}
    for table, name, column, other_database, other, other_column, on_update, on_delete in rows:
        pairs[table, name].append((escaped(column), escaped(other_column)))
        target = escaped(other)
        if other_database != database:
            target = f"{escaped(other_database)}.{target}"
        about[table, name] = (target, on_update, on_delete)
    lines = []
    for (table, name), columns in pairs.items():
        target, on_update, on_delete = about[table, name]
        line = f"foreign key {escaped(table)} ({', '.join(a for a, _b in columns)})"
        line += f" -> {target} ({', '.join(b for _a, b in columns)})"
        # RESTRICT and NO ACTION are the same to InnoDB.
        for event, rule in (("update", on_update), ("delete", on_delete)):
            if rule not in ("NO ACTION", "RESTRICT"):
                line += f" on {event} {rule.lower()}"
        lines.append((name, line + ("" if FOREIGN_KEY_NAME.match(name) else f" named {escaped(name)}")))
    return lines


def _check(row: tuple[Any, ...]) -> tuple[str, str]:
    table, name, clause, enforced = row
    line = f"check {escaped(table)} {_expression(clause)}" + ("" if enforced == "YES" else " not enforced")
    return name, line + ("" if CHECK_NAME.match(name) else f" named {escaped(name)}")


def _trigger(row: tuple[Any, ...]) -> str:
    table, name, timing, event, body = row
    when = f"{timing.lower()} {event.lower()}"
    return f"trigger {escaped(table)} {when} {_one_line(str(body))} named {escaped(name)}"
