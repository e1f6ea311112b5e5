# SPDX-License-Identifier: GPL-3.0-or-later
"""What pending migrations need of the rows that are there. Private to this collection: it may change without notice.

`demands_of` works it out of the catalogue: the schema before and after each statement says which foreign keys are
made or checked again, which columns become shorter or NOT NULL, which keys become unique and which checks are added.
What only MLflow's own code asks of rows is listed by hand in `FACTS`. `read_violations` counts the rows that break
them, and reads nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Iterable, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import query, quoted
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.catalogue import (
    Revision,
    Statement,
    table_of,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.comparison import kind_of

REFERENCE = "reference"
UNIQUE = "unique"
NOT_NULL = "not_null"
LENGTH = "length"
CHECK = "check"
FACT = "fact"

EXAMPLES = 3
ER_QUERY_TIMEOUT = 3024
ER_CANT_AGGREGATE_2COLLATIONS = 1267
NOT_THERE_YET = (1054, 1146)  # unknown column, no such table

COLUMN = re.compile(
    r"^column (?P<table>[^\s.]+)\.(?P<name>\S+) (?P<type>.+?) (?P<null>not null|null)"
    r"(?: default (?P<default>'.*?'|\(.*?\))(?= |$))?"
)
FOREIGN_KEY = re.compile(
    r"^foreign key (?P<table>\S+) \((?P<columns>[^)]*)\) -> (?P<parent>\S+) \((?P<others>[^)]*)\)"
)
KEY = re.compile(
    r"^(?P<kind>primary key|unique|index) (?P<table>\S+) \((?P<parts>.*?)\)(?: named \S+)?(?: #\d+)?$"
)
RENAMED = re.compile(r"^ALTER TABLE (\w+) CHANGE (\w+) (\w+) ")
WRITTEN = re.compile(r"^UPDATE (\w+) SET (.*?)(?: WHERE |$)", re.DOTALL)
ASSIGNED = re.compile(r"(?:^|, ?)(?:\w+\.)?`?(\w+)`? ?=")
SHORT = re.compile(r"^(?:var)?char\((\d+)\)$")
# Characters that a type of text holds; the bytes of the text types may be fewer of them.
TEXT_BYTES = {"tinytext": 255, "text": 65535, "mediumtext": 2**24 - 1, "longtext": 2**32 - 1}
BYTES = 4  # of a character in utf8mb4, at most
LENGTH_BYTE = 255  # bytes up to which MySQL keeps the length of a varchar in one byte


@dataclass(frozen=True)
class Column:
    """A column as a line of the schema has it."""

    table: str
    name: str
    type: str
    null: bool
    default: str | None


@dataclass(frozen=True)
class Value:
    """Where a migration finds the value of a column: in the live column `name`, or it is `literal` in every row."""

    name: str
    literal: str | None = None

    def sql(self, alias: str) -> str:
        return self.literal if self.literal is not None else f"{alias}.{quoted(self.name)}"


@dataclass(frozen=True)
class Demand:
    """What `revision` needs of the rows of `table`.

    `kind` is one of reference (`values` are in `others` of `parent`), unique (`values` are there once), not_null,
    length (`values` have at most `length` characters, or bytes if `in_bytes`), check (`clause` holds) and fact
    (`clause` is true of no row, and `wanted` says what is).
    """

    kind: str
    revision: str
    table: str
    values: tuple[Value, ...]
    parent: str = ""
    others: tuple[Value, ...] = ()
    length: int = 0
    in_bytes: bool = False
    clause: str = ""
    wanted: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Violation:
    """Rows that break a demand: how many, and the values of a few. `rows` is None if the time was up."""

    demand: Demand
    rows: int | None
    examples: tuple[tuple[Any, ...], ...] = ()


def facts() -> dict[str, tuple[Demand, ...]]:
    """What MLflow's own code asks of rows, which no statement of the migration shows, by revision."""

    def fact(
        revision: str, table: str, names: Sequence[str], clause: str, wanted: str, remedy: str
    ) -> Demand:
        values = tuple(Value(name) for name in names)
        return Demand(FACT, revision, table, values, clause=clause, wanted=wanted, remedy=remedy)

    def reference(revision: str, table: str, column: str, parent: str, other: str) -> Demand:
        return Demand(REFERENCE, revision, table, (Value(column),), parent, (Value(other),))

    model, provider = (f"'$.\"mlflow.llm.{word}\"'" for word in ("model", "provider"))
    # The migration takes a string for the text of an object.
    attributes = (
        "IF(JSON_TYPE(c.dimension_attributes) = 'STRING' AND JSON_VALID(JSON_UNQUOTE(c.dimension_attributes)), "
        "CAST(JSON_UNQUOTE(c.dimension_attributes) AS JSON), c.dimension_attributes)"
    )
    texts = " OR ".join(
        f"COALESCE(JSON_TYPE(JSON_EXTRACT({attributes}, {path})), 'NULL') NOT IN ('STRING', 'NULL')"
        for path in (model, provider)
    )
    version_columns = (
        ("mcp_server_version_tags", "name", "version"),
        ("mcp_server_aliases", "name", "version"),
        ("mcp_access_endpoints", "server_name", "server_version"),
    )
    # Where the migration was interrupted, some of these columns are compared by bytes, and some are not yet.
    alike = (
        "v.workspace = c.workspace AND v.name = c.{name} AND RTRIM(v.version) COLLATE utf8mb4_0900_ai_ci "
        "= RTRIM(c.{version}) COLLATE utf8mb4_0900_ai_ci"
    )
    same = (
        "v.workspace = c.workspace AND v.name = c.{name} "
        "AND v.version COLLATE utf8mb4_bin = c.{version} COLLATE utf8mb4_bin"
    )
    versions = "{database}.`mcp_server_versions` v"
    found = [
        fact(
            "90e64c465722",
            "runs",
            ["run_uuid"],
            "CHAR_LENGTH(c.user_id) > 250 AND NOT EXISTS (SELECT 1 FROM {database}.`tags` t "
            "WHERE t.run_uuid = c.run_uuid AND t.`key` = 'mlflow.user')",
            "user_id of at most 250 characters, which becomes a tag",
            "UPDATE {table} SET user_id = LEFT(user_id, 250) WHERE CHAR_LENGTH(user_id) > 250",
        ),
        reference("89d4b8295536", "metrics", "run_uuid", "runs", "run_uuid"),
        reference("75868b020152", "spans", "trace_id", "trace_info", "request_id"),
        reference("75868b020152", "assessments", "trace_id", "trace_info", "request_id"),
        fact(
            "75868b020152",
            "spans",
            ["trace_id", "span_id"],
            f"JSON_TYPE(c.dimension_attributes) <> 'NULL' AND (JSON_TYPE({attributes}) <> 'OBJECT' "
            f"OR JSON_LENGTH(JSON_REMOVE({attributes}, {model}, {provider})) > 0 OR {texts})",
            "dimension_attributes that are an object with nothing but texts in mlflow.llm.model and "
            "mlflow.llm.provider, since the column goes",
            "UPDATE {table} c SET c.dimension_attributes = NULL WHERE {clause}",
        ),
        fact(
            "8b6ad64cb8f5",
            "issues",
            ["issue_id"],
            "c.categories IS NOT NULL AND NOT CASE WHEN JSON_VALID(c.categories) THEN JSON_SCHEMA_VALID("
            '\'{{"type": ["array", "object", "string"], "items": {{"type": "string"}}}}\', c.categories) '
            "ELSE FALSE END",
            "categories that are a list of texts in JSON",
            "UPDATE {table} c SET c.categories = NULL WHERE {clause}",
        ),
        *(
            fact(
                "f4a9b2c7d1e6",
                table,
                ["workspace", name, version],
                f"EXISTS (SELECT 1 FROM {versions} WHERE {alike.format(name=name, version=version)}) "
                f"AND NOT EXISTS (SELECT 1 FROM {versions} WHERE {same.format(name=name, version=version)})",
                f"{version} spelt exactly as in mcp_server_versions",
                f"UPDATE {{table}} c JOIN {versions} ON {alike.format(name=name, version=version)} "
                f"SET c.{version} = v.version WHERE {{clause}}",
            )
            for table, name, version in version_columns
        ),
    ]
    by_revision: dict[str, tuple[Demand, ...]] = {}
    for one in found:
        by_revision[one.revision] = (*by_revision.get(one.revision, ()), one)
    return by_revision


FACTS = facts()


def column_of(line: str) -> Column | None:
    found = COLUMN.match(line)
    if found is None:
        return None
    default = found["default"]
    return Column(found["table"], found["name"], found["type"], found["null"] == "null", default)


def columns_of(lines: Iterable[str]) -> dict[tuple[str, str], Column]:
    found = (column_of(line) for line in lines if line.startswith("column "))
    return {(one.table, one.name): one for one in found if one is not None}


def key_of(line: str) -> tuple[str, tuple[str, ...]] | None:
    """The table and the parts of the key in a line, each part a column, maybe with a length or an order."""
    found = KEY.match(line)
    return (found["table"], tuple(split(found["parts"]))) if found else None


def split(parts: str) -> list[str]:
    """`a, (lower(b, c)), d(64)` at its outer commas."""
    found, depth, start = [], 0, 0
    for at, sign in enumerate(parts):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            found.append(parts[start:at].strip())
            start = at + 1
    return [*found, parts[start:].strip()]


def room(kind: str) -> tuple[int, bool] | None:
    """What a type of text holds, and whether in bytes; None of another type."""
    short = SHORT.match(kind)
    if short:
        return int(short[1]), False
    return (TEXT_BYTES[kind], True) if kind in TEXT_BYTES else None


def narrower(old: str, new: str) -> bool:
    """Whether texts that fit into the type `old` may not fit into `new`."""
    before, after = room(old), room(new)
    if before is None or after is None:
        return False
    if before[1] == after[1]:
        return after[0] < before[0]
    longest = before[0] * (1 if before[1] else BYTES)
    return longest > after[0] if after[1] else True


def in_place(old: Column, new: Column) -> bool:
    """Whether MySQL gives a column another definition without a copy of its table."""
    if old.type == new.type:
        return True
    before, after = SHORT.match(old.type), SHORT.match(new.type)
    if not before or not after or not (old.type[:3] == new.type[:3] == "var"):
        return False
    a, b = int(before[1]), int(after[1])
    return a <= b and (a * BYTES > LENGTH_BYTE) == (b * BYTES > LENGTH_BYTE)


def changed_columns(statement: Statement) -> list[tuple[Column, Column]]:
    """The columns that a statement gives another definition, before and after; one that is renamed is among them."""
    old, new = columns_of(statement.removed), columns_of(statement.added)
    pairs = [(old[key], new[key]) for key in old if key in new]
    renamed = RENAMED.match(statement.sql)
    if renamed and (renamed[1], renamed[2]) in old and (renamed[1], renamed[3]) in new:
        pairs.append((old[renamed[1], renamed[2]], new[renamed[1], renamed[3]]))
    return pairs


def checked_tables(statement: Statement) -> set[str]:
    """The tables whose foreign keys all have to hold for a statement, as MySQL writes their rows anew.

    It does for a primary key that goes, a check that comes, and a column that cannot change where it lies.
    """
    added = {table_of(line) for line in statement.added if line.startswith("primary key ")}
    found = {table_of(line) for line in statement.removed if line.startswith("primary key ")} - added
    found |= {table_of(line) for line in statement.added if line.startswith("check ")}
    found |= {new.table for old, new in changed_columns(statement) if not in_place(old, new)}
    return found


def demands_of(
    steps: Iterable[tuple[Revision, Sequence[Statement]]], before: frozenset[str]
) -> tuple[Demand, ...]:
    """What `steps`, revisions each with the statements to do, need of the rows of a store with the lines `before`."""
    walk = Walk(before)
    for revision, statements in steps:
        walk.go(revision, statements)
    return tuple(dict.fromkeys(walk.demands))


class Walk:
    """The schema of a store from statement to statement, and what of its rows each needs."""

    def __init__(self, before: frozenset[str]) -> None:
        self.lines = set(before)
        self.tables = {table_of(line) for line in before if line.startswith("table ")}
        # Where the values of a column come from; None is NULL in every row, and what is missing is not known.
        self.origins: dict[tuple[str, str], Value | None] = {
            key: Value(key[1]) for key in columns_of(before) if key[0] in self.tables
        }
        # Sets of live columns that no two rows of a table share.
        self.keys: dict[str, list[frozenset[str]]] = {}
        for line in before:
            self.remember(line)
        self.demands: list[Demand] = []
        self.seen: set[Demand] = set()

    def go(self, revision: Revision, statements: Sequence[Statement]) -> None:
        for one in FACTS.get(revision.revision, ()):
            if self.can_be_asked(one):
                self.need(one)
        for statement in statements:
            if statement.data:
                self.write(statement)
                continue
            self.change(revision.revision, statement)

    def can_be_asked(self, fact: Demand) -> bool:
        """Whether all that a fact is about is there already: what is not has no rows that break it."""
        names = {value.name for value in fact.values} | set(re.findall(r"\bc\.(\w+)", fact.clause))
        own = [self.live(fact.table, name) for name in names]
        others = [self.live(fact.parent, value.name) for value in fact.others]
        tables = re.findall(r"\{database\}\.`(\w+)`", fact.clause)
        return all([*own, *others]) and set(tables) <= self.tables

    def write(self, statement: Statement) -> None:
        """What a statement writes is MLflow's to know."""
        found = WRITTEN.match(" ".join(statement.sql.split()))
        if found:
            for name in ASSIGNED.findall(re.sub(r"\([^()]*(?:\([^()]*\)[^()]*)*\)", "", found[2])):
                self.origins.pop((found[1], name), None)

    def change(self, revision: str, statement: Statement) -> None:
        renamed = RENAMED.match(statement.sql)
        if renamed and (renamed[1], renamed[2]) in self.origins:
            self.origins[renamed[1], renamed[3]] = self.origins.pop((renamed[1], renamed[2]))
        new_names = {(new.table, new.name) for _old, new in changed_columns(statement)}
        for key, column in columns_of(statement.added).items():
            if column.table in self.tables and key not in new_names and key not in self.origins:
                if column.default is not None and column.default.startswith("'"):
                    self.origins[key] = Value(column.name, column.default)
                elif column.null and column.default is None and " as (" not in statement.sql.lower():
                    self.origins[key] = None
        for old, new in changed_columns(statement):
            self.fit(revision, old, new)
        self.lines -= statement.removed
        self.lines |= statement.added
        recheck = checked_tables(statement)
        for line in sorted(self.lines):
            if line.startswith("foreign key ") and (line in statement.added or table_of(line) in recheck):
                self.refer(revision, line)
        for line in sorted(statement.added):
            if kind_of(line) in ("unique", "primary key"):
                self.tell_apart(revision, line)
            elif kind_of(line) == "check":
                self.hold(revision, line)
            self.remember(line)

    def need(self, demand: Demand) -> None:
        # The revision that is first in need of it is the one to name.
        known = replace(demand, revision="")
        if known not in self.seen:
            self.seen.add(known)
            self.demands.append(demand)

    def live(self, table: str, name: str) -> Value | None:
        """The live column behind a column, if it is just that."""
        value = self.origins.get((table, name))
        return value if table in self.tables and value is not None and value.literal is None else None

    def fit(self, revision: str, old: Column, new: Column) -> None:
        value = self.live(new.table, new.name)
        if value is None:
            return
        if old.null and not new.null:
            self.need(Demand(NOT_NULL, revision, new.table, (value,)))
        if narrower(old.type, new.type):
            length, in_bytes = room(new.type) or (0, False)
            self.need(Demand(LENGTH, revision, new.table, (value,), length=length, in_bytes=in_bytes))

    def refer(self, revision: str, line: str) -> None:
        found = FOREIGN_KEY.match(line)
        if found is None or found["table"] not in self.tables or found["parent"] not in self.tables:
            return
        values, others = [], []
        for column, other in zip(split(found["columns"]), split(found["others"])):
            one, two = (found["table"], column), (found["parent"], other)
            if one not in self.origins or two not in self.origins:
                return
            value, target = self.origins[one], self.origins[two]
            if value is None or target is None:
                return  # a row with NULL in a foreign key refers to nothing
            if value.literal is not None and value.literal == target.literal:
                continue
            values.append(value)
            others.append(target)
        if any(value.literal is None for value in values):
            self.need(
                Demand(REFERENCE, revision, found["table"], tuple(values), found["parent"], tuple(others))
            )

    def tell_apart(self, revision: str, line: str) -> None:
        key = key_of(line)
        if key is None or key[0] not in self.tables:
            return
        table, parts = key
        names = [re.sub(r"\(\d+\)$", "", part.replace(" desc", "")) for part in parts]
        if any((table, name) not in self.origins for name in names):
            return
        values = [self.origins[table, name] for name in names]
        if any(value is None for value in values):
            return
        live = tuple(value for value in values if value is not None and value.literal is None)
        columns = frozenset(value.name for value in live)
        whole = all(not part.endswith(")") for part in parts)
        if live and not (whole and any(known <= columns for known in self.keys.get(table, []))):
            self.need(Demand(UNIQUE, revision, table, live))

    def remember(self, line: str) -> None:
        key = key_of(line) if kind_of(line) in ("unique", "primary key") else None
        if key is None or key[0] not in self.tables or any("(" in part for part in key[1]):
            return
        values = [self.origins.get((key[0], part.replace(" desc", ""))) for part in key[1]]
        if all(value is not None for value in values):
            columns = frozenset(value.name for value in values if value is not None and value.literal is None)
            self.keys.setdefault(key[0], []).append(columns)

    def hold(self, revision: str, line: str) -> None:
        found = re.match(r"check (\S+) (.*?)(?: named \S+)?(?: #\d+)?$", line)
        if found is None or found[1] not in self.tables or line.endswith(" not enforced"):
            return
        names = re.findall(r"`(\w+)`", found[2])
        values = [self.live(found[1], name) for name in names]
        # One that was renamed has another name in the clause.
        if names and all(value is not None and value.name == name for value, name in zip(values, names)):
            self.need(Demand(CHECK, revision, found[1], (Value(names[0]),), clause=found[2]))


def breaks(demand: Demand, database: str, by_bytes: bool = False) -> str:
    """The condition on a row `c` of the demand's table that breaks it.

    A reference is compared `by_bytes` where an interrupted migration left its columns with two collations.
    """
    values = [value.sql("c") for value in demand.values]
    if demand.kind == REFERENCE:
        side = "CAST({} AS CHAR) COLLATE utf8mb4_bin" if by_bytes else "{}"
        pairs = " AND ".join(
            f"{side.format(other.sql('p'))} = {side.format(value)}"
            for value, other in zip(values, demand.others)
        )
        there = " AND ".join(
            f"{value.sql('c')} IS NOT NULL" for value in demand.values if value.literal is None
        )
        parent = quoted(database, demand.parent)
        return f"{there} AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE {pairs})"
    if demand.kind == NOT_NULL:
        return f"{values[0]} IS NULL"
    if demand.kind == LENGTH:
        return f"{'LENGTH' if demand.in_bytes else 'CHAR_LENGTH'}({values[0]}) > {demand.length}"
    if demand.kind == CHECK:
        return f"NOT ({demand.clause})"
    return demand.clause.format(database=quoted(database))


def read_violations(
    connection: Any, database: str, demands: Iterable[Demand], seconds: float | None = None
) -> list[Violation]:
    """The demands that rows of `database` break, and those that could not be looked at within `seconds` each."""
    found = []
    for demand in demands:
        try:
            try:
                one = violation(connection, database, demand, seconds)
            except Exception as error:
                if error.args[:1] != (ER_CANT_AGGREGATE_2COLLATIONS,):
                    raise
                one = violation(connection, database, demand, seconds, by_bytes=True)
        except Exception as error:  # pymysql's own classes may be missing
            # Of a table or column that a migration before it makes there are no rows yet.
            if error.args[:1] and error.args[0] in NOT_THERE_YET:
                continue
            if not error.args or error.args[0] != ER_QUERY_TIMEOUT:
                raise
            one = Violation(demand, None)
        if one is not None:
            found.append(one)
    return found


def violation(
    connection: Any, database: str, demand: Demand, seconds: float | None, by_bytes: bool = False
) -> Violation | None:
    limit = f"/*+ MAX_EXECUTION_TIME({max(1, int(seconds * 1000))}) */" if seconds is not None else ""
    table = f"{quoted(database, demand.table)} c"
    shown = ", ".join(value.sql("c") for value in demand.values if value.literal is None)
    if demand.kind == UNIQUE:
        there = " AND ".join(f"{value.sql('c')} IS NOT NULL" for value in demand.values)
        groups = f"SELECT {shown}, COUNT(*) AS number FROM {table} WHERE {there} GROUP BY {shown} HAVING number > 1"
        rows = query(connection, f"SELECT {limit} * FROM ({groups}) g LIMIT {EXAMPLES}")
        if not rows:
            return None
        (count,) = query(connection, f"SELECT {limit} SUM(number - 1) FROM ({groups}) g")[0]
        return Violation(demand, int(count), tuple(row[:-1] for row in rows))
    condition = breaks(demand, database, by_bytes)
    if demand.kind in (REFERENCE, FACT):
        rows = query(
            connection, f"SELECT {limit} DISTINCT {shown} FROM {table} WHERE {condition} LIMIT {EXAMPLES}"
        )
    else:
        # The first columns of a table are those that tell its rows apart, but values are what people look for.
        rows = query(connection, f"SELECT {limit} {shown} FROM {table} WHERE {condition} LIMIT {EXAMPLES}")
    if not rows:
        return None
    ((count,),) = query(connection, f"SELECT {limit} COUNT(*) FROM {table} WHERE {condition}")
    return Violation(demand, int(count), tuple(rows))


# What a key may have, in bytes.
KEY_BYTES = {"compact": 767, "redundant": 767}


def key_bytes(line: str, columns: Mapping[tuple[str, str], Column]) -> list[int]:
    """The bytes of each part of the key in a line; parts that are no text count as 8."""
    key = key_of(line)
    if key is None:
        return []
    found = []
    for part in key[1]:
        name, _bracket, length = part.replace(" desc", "").partition("(")
        column = columns.get((key[0], name))
        kind = SHORT.match(column.type) if column else None
        if length.rstrip(")").isdigit():
            found.append(int(length.rstrip(")")) * BYTES)
        else:
            found.append(int(kind[1]) * BYTES if kind else 8)
    return found


def keys_made(
    steps: Iterable[tuple[Revision, Sequence[Statement]]], before: frozenset[str]
) -> list[tuple[str, str, list[int]]]:
    """Each key that `steps` make on a table of `before`: the revision, the table and the bytes of its parts."""
    tables = {table_of(line) for line in before if line.startswith("table ")}
    columns = columns_of(before)
    found = []
    for revision, statements in steps:
        for statement in statements:
            columns.update(columns_of(statement.added))
            for line in sorted(statement.added):
                key = key_of(line)
                if key is not None and key[0] in tables:
                    found.append((revision.revision, key[0], key_bytes(line, columns)))
    return found


def keys_lost(
    steps: Iterable[tuple[Revision, Sequence[Statement]]],
    before: frozenset[str],
    table: str,
    columns: Sequence[str],
) -> str | None:
    """The first of `steps` that takes the last key of `table` which begins with `columns`, or changes one of these.

    A foreign key of another database that refers to them stops it there.
    """
    lines = set(before)
    wanted = tuple(columns)
    for revision, statements in steps:
        for statement in statements:
            lines -= statement.removed
            lines |= statement.added
            pairs = changed_columns(statement)
            if any(old.table == table and old.name in wanted and old.type != new.type for old, new in pairs):
                return revision.revision
            if not any(table_of(line) == table for line in statement.removed):
                continue
            keys = [key_of(line) for line in lines if table_of(line) == table]
            if not any(key is not None and key[1][: len(wanted)] == wanted for key in keys):
                return revision.revision
    return None
