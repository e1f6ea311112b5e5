# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is changed by hand in a store's schema is found and named, and nothing else is.

One store at the newest revision is changed in hundreds of ways, each undone before the next. The changes come out of
the store's own definition and a seeded generator, so that no kind of object, and no table, is left out by oversight.

Four things are no drift, by design, and the generator steers clear of them:

- the name of an index, a foreign key or a check whose name MySQL chose (`x_ibfk_1`, `x_chk_1`, an index that is named
  after its first column), and a rename to such a name;
- a plain index that MySQL made for a foreign key and replaced since (`Catalogue.replaced_indexes`);
- the order of a table's columns, and comments;
- procedures, functions and events, which are named in a warning.

One change is not told from the beginning of the next migration: to drop the very key which that one drops first.
"""

from __future__ import annotations

import os
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.accounts import MIGRATING
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    catalogue,
    survey,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import state as schema_state
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.live import read_schema
from conftest import MySQL, RunModule
from default_versions import MLFLOW

VIRTUALENV = os.environ.get("MLFLOW_VIRTUALENV", sys.prefix)
DATABASE = "drift"
SEED = 20
# In `make test` the first of each kind.
OF_EACH_KIND, AT_LEAST = (9, 300) if os.environ.get("WHOLE") else (2, 60)
CATALOGUE = catalogue.load()
HEAD = CATALOGUE.releases[MLFLOW]
ODD_NAMES = ("extra", "extra one", "extra.two", "extra%s", "extra-é", "extra named x", "extra #2")
# Names that MySQL, not a person, gives.
CHOSEN = re.compile(r".*_(ibfk|chk)_\d+$")

Names = frozenset[tuple[str, str, str, str]]


@dataclass(frozen=True)
class Key:
    """A primary key or an index. `parts` are its columns, as SHOW CREATE TABLE writes them."""

    table: str
    name: str
    parts: tuple[str, ...]
    unique: bool

    @property
    def columns(self) -> list[str]:
        return [part.split("`")[1] for part in self.parts if "`" in part]

    @property
    def kind(self) -> str:
        return "primary key" if self.name == "PRIMARY" else "unique" if self.unique else "index"

    @property
    def chosen(self) -> bool:
        first = re.escape(self.columns[0]) if self.columns else ""
        return bool(CHOSEN.match(self.name) or re.match(rf"{first}(_\d+)?$", self.name))

    @property
    def called(self) -> str:
        """As a difference is to call it."""
        if not self.chosen:
            return self.name
        parts = [part.replace("`", "").replace(" DESC", " desc") for part in self.parts]
        return f"({', '.join(parts)})"

    def drop(self) -> str:
        what = "PRIMARY KEY" if self.name == "PRIMARY" else f"INDEX `{self.name}`"
        return f"ALTER TABLE `{self.table}` DROP {what}"

    def add(self) -> str:
        listed = ", ".join(self.parts)
        if self.name == "PRIMARY":
            return f"ALTER TABLE `{self.table}` ADD PRIMARY KEY ({listed})"
        return (
            f"ALTER TABLE `{self.table}` ADD {'UNIQUE' if self.unique else 'INDEX'} `{self.name}` ({listed})"
        )


@dataclass(frozen=True)
class ForeignKey:
    table: str
    name: str
    columns: tuple[str, ...]
    other: str
    other_columns: tuple[str, ...]
    rules: str

    @property
    def called(self) -> str:
        return f"({', '.join(self.columns)})" if CHOSEN.match(self.name) else self.name

    def drop(self) -> str:
        return f"ALTER TABLE `{self.table}` DROP FOREIGN KEY `{self.name}`"

    def add(self) -> str:
        return (
            f"ALTER TABLE `{self.table}` ADD CONSTRAINT `{self.name}` FOREIGN KEY ({ticked(self.columns)}) "
            f"REFERENCES `{self.other}` ({ticked(self.other_columns)}) {self.rules}"
        )


@dataclass
class Table:
    """A table as SHOW CREATE TABLE and SHOW CREATE TRIGGER write it."""

    name: str
    definition: str
    triggers: dict[str, str] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)
    foreign_keys: list[ForeignKey] = field(default_factory=list)
    checks: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for line in self.definition.splitlines()[1:-1]:
            text = line.strip().rstrip(",")
            column = re.match(r"`([^`]+)` (.*)$", text)
            key = re.match(r"(PRIMARY KEY|UNIQUE KEY|KEY)(?: `([^`]+)`)? \((.*)\)$", text)
            foreign = re.match(
                r"CONSTRAINT `(.+?)` FOREIGN KEY \((.+?)\) REFERENCES `(.+?)` \((.+?)\) ?(.*)$", text
            )
            check = re.match(r"CONSTRAINT `([^`]+)` CHECK (.*)$", text)
            if column:
                self.columns[column[1]] = column[2]
            elif key:
                parts = tuple(re.findall(r"`[^`]+`(?:\(\d+\))?(?: DESC)?|\(\(.*\)\)", key[3]))
                self.keys.append(Key(self.name, key[2] or "PRIMARY", parts, key[1] != "KEY"))
            elif foreign:
                names = [tuple(re.findall(r"`(.+?)`", foreign[n])) for n in (2, 4)]
                self.foreign_keys.append(
                    ForeignKey(self.name, foreign[1], names[0], foreign[3], names[1], foreign[5])
                )
            elif check:
                self.checks[check[1]] = check[2]
            else:
                raise AssertionError(f"what is this in {self.name}: {text}")

    @property
    def primary_key(self) -> Key | None:
        return next((key for key in self.keys if key.name == "PRIMARY"), None)


Schema = dict[str, Table]


@dataclass(frozen=True)
class Mutation:
    """A change: its statements, the differences that have to be found, and how it is undone.

    `follow` are columns: keys that one of them is in may differ too. `again` are tables that are made again.
    """

    statements: tuple[str, ...]
    found: Names
    again: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    follow: tuple[str, ...] = ()


def ticked(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def altered(table: str, change: str, *found: tuple[str, str, str], follow: tuple[str, ...] = ()) -> Mutation:
    """An ALTER TABLE; `found` are kind, name and problem of what has to be found in that table."""
    return several(table, (f"ALTER TABLE `{table}` {change}",), *found, follow=follow)


def several(
    table: str, statements: tuple[str, ...], *found: tuple[str, str, str], follow: tuple[str, ...] = ()
) -> Mutation:
    names = frozenset((kind, table, name, problem) for kind, name, problem in found)
    return Mutation(statements, names, (table,), follow=follow)


# Tables


def table_dropped(schema: Schema) -> Iterator[Mutation]:
    for name in schema:
        statements = ("SET foreign_key_checks = 0", f"DROP TABLE `{name}`", "SET foreign_key_checks = 1")
        yield several(name, statements, ("table", name, "missing"))


def table_added(schema: Schema) -> Iterator[Mutation]:
    for like, name in zip(sorted(schema), ODD_NAMES * 20):
        made = (f"CREATE TABLE `{name}` LIKE `{like}`",)
        undo = (f"DROP TABLE `{name}`",)
        yield Mutation(made, frozenset({("table", name, name, "unexpected")}), undo=undo)


def table_renamed(schema: Schema) -> Iterator[Mutation]:
    """The foreign keys that refer to it follow."""
    for name in schema:
        other = f"{name[:50]}_old"
        children = {
            ("foreign key", key.table, key.called, "changed")
            for table in schema.values()
            for key in table.foreign_keys
            if key.other == name and key.table != name
        }
        found = {("table", name, name, "missing"), ("table", other, other, "unexpected"), *children}
        yield Mutation(
            (f"RENAME TABLE `{name}` TO `{other}`",),
            frozenset(found),
            undo=(f"RENAME TABLE `{other}` TO `{name}`",),
        )


def table_option(schema: Schema) -> Iterator[Mutation]:
    for name in schema:
        for change in ("ENGINE = MyISAM", "PARTITION BY KEY () PARTITIONS 2"):
            yield altered(name, change, ("table", name, "changed"))


def table_collation(schema: Schema) -> Iterator[Mutation]:
    for name in schema:
        for collation in ("utf8mb4_0900_ai_ci", "utf8mb4_bin", "latin1_swedish_ci"):
            yield altered(name, f"DEFAULT COLLATE {collation}", ("table", name, "changed"))


def table_converted(schema: Schema) -> Iterator[Mutation]:
    """Every column that holds text takes the table's collation."""
    for name, table in schema.items():
        text = [c for c, definition in table.columns.items() if re.match(r"(var)?char|enum", definition)]
        if not any(re.match(r"\w*text", definition) for definition in table.columns.values()):
            changed = [("column", column, "changed") for column in text]
            yield altered(
                name,
                "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_as_cs",
                ("table", name, "changed"),
                *changed,
            )


# Columns


def columns(schema: Schema) -> Iterator[tuple[str, str, str]]:
    for table in schema.values():
        for column, definition in table.columns.items():
            yield table.name, column, definition


def modified(table: str, column: str, definition: str) -> Mutation:
    return altered(table, f"MODIFY `{column}` {definition}", ("column", column, "changed"))


def column_dropped(schema: Schema) -> Iterator[Mutation]:
    for table, column, _definition in columns(schema):
        yield altered(table, f"DROP `{column}`", ("column", column, "missing"), follow=(column,))


def column_added(schema: Schema) -> Iterator[Mutation]:
    definitions = (
        "INT",
        "VARCHAR(10) NOT NULL DEFAULT 'x'",
        "JSON",
        "INT AS (1 + 1) VIRTUAL",
        "INT NOT NULL DEFAULT 0 INVISIBLE",
        "TINYINT(1)",
        "TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
    )
    for number, table in enumerate(schema):
        name = ODD_NAMES[number % len(ODD_NAMES)]
        for definition in definitions:
            yield altered(table, f"ADD `{name}` {definition}", ("column", name, "unexpected"))


def column_renamed(schema: Schema) -> Iterator[Mutation]:
    for table, column, _definition in columns(schema):
        change = f"RENAME COLUMN `{column}` TO `{column}_old`"
        found = {("column", table, column, "missing"), ("column", table, f"{column}_old", "unexpected")}
        yield Mutation(
            (f"ALTER TABLE `{table}` {change}",),
            frozenset(found),
            undo=(f"ALTER TABLE `{table}` RENAME COLUMN `{column}_old` TO `{column}`",),
            follow=(column, f"{column}_old"),
        )


def column_resized(schema: Schema, by: int) -> Iterator[Mutation]:
    for table, column, definition in columns(schema):
        length = re.match(r"(varchar|char|varbinary)\((\d+)\)(.*)$", definition)
        if length and int(length[2]) + by > 0:
            yield modified(table, column, f"{length[1]}({int(length[2]) + by}){length[3]}")


def column_wider(schema: Schema) -> Iterator[Mutation]:
    yield from column_resized(schema, 1)


def column_narrower(schema: Schema) -> Iterator[Mutation]:
    yield from column_resized(schema, -1)


def column_of_another_type(schema: Schema) -> Iterator[Mutation]:
    others = {
        "int": ("bigint", "smallint", "int unsigned"),
        "bigint": ("int", "bigint unsigned", "double"),
        "tinyint(1)": ("tinyint", "int", "bit(1)"),
        "double": ("float", "decimal(10,2)"),
        "float": ("double",),
        "json": ("longtext", "blob"),
        "text": ("mediumtext", "varchar(100)"),
        "mediumtext": ("longtext", "text"),
        "longtext": ("mediumtext",),
        "datetime": ("timestamp", "datetime(6)"),
        "varchar(32)": ("char(32)", "varbinary(32)"),
        "varchar(255)": ("text",),
        "blob": ("longblob",),
    }
    for table, column, definition in columns(schema):
        for old, news in others.items():
            rest = definition[len(old) :]
            if definition.startswith(old) and (not rest or rest[0] == " ") and "DEFAULT" not in rest:
                for new in news:
                    # A collation would not fit a number.
                    yield modified(table, column, new + (" NOT NULL" if "NOT NULL" in rest else ""))


def column_nullable(schema: Schema) -> Iterator[Mutation]:
    for table, column, definition in columns(schema):
        if "NOT NULL" in definition:
            yield modified(table, column, definition.replace("NOT NULL", "NULL"))
        else:
            yield modified(table, column, definition.replace("DEFAULT NULL", "") + " NOT NULL")


def column_default(schema: Schema) -> Iterator[Mutation]:
    for table, column, definition in columns(schema):
        bare = re.sub(r" DEFAULT ('[^']*'|NULL|\(.*\)|\S+)", "", definition)
        if "AUTO_INCREMENT" in definition or "GENERATED" in definition:
            continue
        if bare != definition and "DEFAULT NULL" not in definition:
            yield modified(table, column, bare)
        if re.match(r"varchar", definition):
            for default in ("''", "'odd value'", "' '", "'ODD'", "(uuid())"):
                yield modified(table, column, f"{bare} DEFAULT {default}")
        elif re.match(r"int|bigint|tinyint|double", definition):
            for default in ("7", "(1 + 2)"):
                yield modified(table, column, f"{bare} DEFAULT {default}")


def column_auto_increment(schema: Schema) -> Iterator[Mutation]:
    for table, column, definition in columns(schema):
        if "AUTO_INCREMENT" in definition:
            yield modified(table, column, definition.replace("AUTO_INCREMENT", ""))
        elif re.match(r"(big)?int", definition) and "DEFAULT" not in definition:
            yield modified(table, column, f"{definition} AUTO_INCREMENT")


def column_collation(schema: Schema) -> Iterator[Mutation]:
    for table, column, definition in columns(schema):
        text = re.match(
            r"((?:var)?char\(\d+\)|\w*text|enum\(.*?\))(?: CHARACTER SET \w+)?(?: COLLATE \w+)?(.*)$",
            definition,
        )
        if text:
            for collation in ("utf8mb4_0900_ai_ci", "utf8mb4_general_ci", "utf8mb4_0900_as_cs"):
                yield modified(table, column, f"{text[1]} COLLATE {collation}{text[2]}")


def column_charset(schema: Schema) -> Iterator[Mutation]:
    for table, column, definition in columns(schema):
        text = re.match(r"((?:var)?char\(\d+\))(?: CHARACTER SET \w+)?(?: COLLATE \w+)?(.*)$", definition)
        if text:
            for charset in ("latin1", "ascii", "utf8mb3"):
                yield modified(table, column, f"{text[1]} CHARACTER SET {charset}{text[2]}")


def column_generated(schema: Schema) -> Iterator[Mutation]:
    for table, column, definition in columns(schema):
        if re.match(r"(big)?int", definition) and "AUTO" not in definition:
            yield modified(table, column, f"{definition.split()[0]} GENERATED ALWAYS AS (1 + 1) STORED")
        if "GENERATED" in definition:
            yield modified(table, column, definition.split()[0])


def column_invisible(schema: Schema) -> Iterator[Mutation]:
    for table, column, definition in columns(schema):
        yield modified(table, column, f"{definition} INVISIBLE")


# Keys


def primary_key_dropped(schema: Schema) -> Iterator[Mutation]:
    for name, table in schema.items():
        if table.primary_key:
            yield several(name, (table.primary_key.drop(),), ("primary key", "PRIMARY", "missing"))


def primary_key_changed(schema: Schema) -> Iterator[Mutation]:
    for name, table in schema.items():
        key = table.primary_key
        if key is None:
            continue
        parts = [key.parts[::-1], key.parts[1:], key.parts[:-1]]
        parts += [
            (*key.parts, f"`{column}`")
            for column, definition in table.columns.items()
            if f"`{column}`" not in key.parts and "NOT NULL" in definition and "text" not in definition
        ]
        parts.append(tuple(f"{part} DESC" for part in key.parts))
        for wanted in parts:
            if wanted and wanted != key.parts:
                change = f"DROP PRIMARY KEY, ADD PRIMARY KEY ({', '.join(wanted)})"
                yield altered(name, change, ("primary key", "PRIMARY", "changed"))


def primary_key_added(schema: Schema) -> Iterator[Mutation]:
    """None of MLflow's tables is without one, so a unique key takes its place, and a new column."""
    for name, table in schema.items():
        if table.primary_key and not any("AUTO_INCREMENT" in text for text in table.columns.values()):
            change = "DROP PRIMARY KEY, ADD extra INT AUTO_INCREMENT PRIMARY KEY"
            found = (("primary key", "PRIMARY", "changed"), ("column", "extra", "unexpected"))
            yield altered(name, change, *found)


def indexes(schema: Schema) -> Iterator[Key]:
    for table in schema.values():
        yield from (key for key in table.keys if key.name != "PRIMARY")


def replaced(old: Key, new: Key) -> Mutation:
    """An index that is exchanged for another."""
    found = {(old.kind, old.called): "missing"}
    found[new.kind, new.called] = "changed" if (new.kind, new.called) in found else "unexpected"
    return several(
        old.table,
        (old.drop(), new.add()),
        *((kind, name, problem) for (kind, name), problem in found.items()),
    )


def index_dropped(schema: Schema) -> Iterator[Mutation]:
    for key in indexes(schema):
        yield several(key.table, (key.drop(),), (key.kind, key.called, "missing"))


def index_added(schema: Schema) -> Iterator[Mutation]:
    for number, table in enumerate(schema.values()):
        name = ODD_NAMES[number % len(ODD_NAMES)]
        taken = [key.parts for key in table.keys if key.chosen]
        for column, definition in table.columns.items():
            for part in (f"`{column}`", f"`{column}` DESC", f"`{column}`(5)", f"((upper(`{column}`)))"):
                key = Key(table.name, name, (part,), False)
                # In place of an index that MySQL made for a foreign key it is that one by another name.
                if key.parts not in taken and (part.startswith("((") or "json" not in definition):
                    yield several(table.name, (key.add(),), ("index", name, "unexpected"))
                unique = Key(table.name, name, (part,), True)
                if key.parts not in taken and not part.startswith("(("):
                    yield several(table.name, (unique.add(),), ("unique", name, "unexpected"))


def index_fulltext(schema: Schema) -> Iterator[Mutation]:
    for table, column, definition in columns(schema):
        if re.match(r"varchar|\w*text", definition):
            yield altered(table, f"ADD FULLTEXT INDEX extra (`{column}`)", ("index", "extra", "unexpected"))


def index_renamed(schema: Schema) -> Iterator[Mutation]:
    for key in indexes(schema):
        if not key.chosen:
            change = f"RENAME INDEX `{key.name}` TO `{key.name[:50]}_old`"
            found = ((key.kind, key.name, "missing"), (key.kind, f"{key.name[:50]}_old", "unexpected"))
            yield altered(key.table, change, *found)


def index_columns(schema: Schema) -> Iterator[Mutation]:
    for key in indexes(schema):
        for column, definition in schema[key.table].columns.items():
            if column not in key.columns and not re.match(r"\w*text|json|\w*blob", definition):
                yield replaced(key, Key(key.table, key.name, (*key.parts, f"`{column}`"), key.unique))
        if len(key.parts) > 1:
            yield replaced(key, Key(key.table, key.name, key.parts[:-1], key.unique))


def index_order(schema: Schema) -> Iterator[Mutation]:
    for key in indexes(schema):
        if len(key.parts) > 1:
            yield replaced(key, Key(key.table, key.name, key.parts[::-1], key.unique))


def index_uniqueness(schema: Schema) -> Iterator[Mutation]:
    for key in indexes(schema):
        yield replaced(key, Key(key.table, key.name, key.parts, not key.unique))


def index_prefix(schema: Schema) -> Iterator[Mutation]:
    for key in indexes(schema):
        last = key.parts[-1]
        shorter = re.sub(r"(\(\d+\))?$", "(3)", last)
        if last.startswith("`") and re.match(r"varchar|\w*text", schema[key.table].columns[key.columns[-1]]):
            yield replaced(key, Key(key.table, key.name, (*key.parts[:-1], shorter), key.unique))


def index_descending(schema: Schema) -> Iterator[Mutation]:
    for key in indexes(schema):
        last = key.parts[-1]
        turned = last[: -len(" DESC")] if last.endswith(" DESC") else f"{last} DESC"
        yield replaced(key, Key(key.table, key.name, (*key.parts[:-1], turned), key.unique))


def index_invisible(schema: Schema) -> Iterator[Mutation]:
    for key in indexes(schema):
        problems = ("changed",) if not key.chosen else ()
        if problems:
            yield altered(key.table, f"ALTER INDEX `{key.name}` INVISIBLE", (key.kind, key.name, "changed"))


# Foreign keys


def foreign_keys(schema: Schema) -> Iterator[ForeignKey]:
    for table in schema.values():
        yield from table.foreign_keys


def first_of_the_next_migration() -> str:
    """The statement with which the migration after HEAD begins."""
    return CATALOGUE.revisions[CATALOGUE.position(HEAD) + 1].statements[0].sql


def foreign_key_dropped(schema: Schema) -> Iterator[Mutation]:
    for key in foreign_keys(schema):
        if not first_of_the_next_migration().endswith(f"DROP FOREIGN KEY {key.name}"):
            yield several(key.table, (key.drop(),), ("foreign key", key.called, "missing"))


def foreign_key_added(schema: Schema) -> Iterator[Mutation]:
    """With an index if the column has none yet."""
    targets = [
        (table.name, table.primary_key.columns[0])
        for table in schema.values()
        if table.primary_key and len(table.primary_key.parts) == 1
    ]
    for table, column, definition in columns(schema):
        for other, other_column in targets:
            kind = schema[other].columns[other_column].split()[0]
            if definition.split()[0] == kind and (table, column) != (other, other_column):
                key = ForeignKey(table, "extra_fk", (column,), other, (other_column,), "")
                found = ("foreign key", "extra_fk", "unexpected")
                yield several(table, (key.add(),), found, follow=("extra_fk",))


def foreign_key_rule(schema: Schema) -> Iterator[Mutation]:
    for key in foreign_keys(schema):
        for event in ("UPDATE", "DELETE"):
            for rule in ("CASCADE", "SET NULL", "NO ACTION"):
                kept = re.sub(rf"ON {event} (CASCADE|SET NULL|NO ACTION|RESTRICT)", "", key.rules)
                had = re.search(rf"ON {event} (CASCADE|SET NULL)", key.rules)
                if (had[1] if had else "NO ACTION") != rule:
                    rules = f"{kept} ON {event} {rule}"
                    new = ForeignKey(key.table, key.name, key.columns, key.other, key.other_columns, rules)
                    found = ("foreign key", key.called, "changed")
                    yield several(key.table, (key.drop(), new.add()), found)


def foreign_key_target(schema: Schema) -> Iterator[Mutation]:
    """Another column of the table, or another table."""
    for key in foreign_keys(schema):
        if len(key.columns) > 1:
            continue
        kind = schema[key.table].columns[key.columns[0]].split()[0]
        for table in schema.values():
            candidates = [k.columns[0] for k in table.keys if k.unique and len(k.parts) == 1]
            for column in candidates:
                different = (table.name, (column,)) != (key.other, key.other_columns)
                if different and table.columns[column].split()[0] == kind:
                    new = ForeignKey(key.table, key.name, key.columns, table.name, (column,), key.rules)
                    found = ("foreign key", key.called, "changed")
                    yield several(key.table, (key.drop(), new.add()), found)


def foreign_key_columns(schema: Schema) -> Iterator[Mutation]:
    """The same target, from another column, which gets an index if it has none."""
    for key in foreign_keys(schema):
        if len(key.columns) > 1:
            continue
        kind = schema[key.table].columns[key.columns[0]].split()[0]
        for column, definition in schema[key.table].columns.items():
            if column != key.columns[0] and definition.split()[0] == kind:
                new = ForeignKey(key.table, key.name, (column,), key.other, key.other_columns, key.rules)
                found = {key.called: "missing"}
                found[new.called] = "changed" if new.called in found else "unexpected"
                names = [("foreign key", name, problem) for name, problem in found.items()]
                yield several(key.table, (key.drop(), new.add()), *names, follow=(column, key.name))


# Checks, triggers and what MLflow has none of


def checks(schema: Schema) -> Iterator[tuple[str, str, str]]:
    for table in schema.values():
        yield from ((table.name, name, clause) for name, clause in table.checks.items())


def check_dropped(schema: Schema) -> Iterator[Mutation]:
    for table, name, _clause in checks(schema):
        yield altered(table, f"DROP CHECK `{name}`", ("check", name, "missing"))


def check_added(schema: Schema) -> Iterator[Mutation]:
    for number, (table, column, _definition) in enumerate(columns(schema)):
        name = ODD_NAMES[number % len(ODD_NAMES)]
        clause = f"CONSTRAINT `{name}` CHECK (`{column}` IS NOT NULL OR 1 = 1)"
        yield altered(table, f"ADD {clause}", ("check", name, "unexpected"))


def check_changed(schema: Schema) -> Iterator[Mutation]:
    for table, name, clause in checks(schema):
        for other in (f"({clause} OR 1 = 0)", clause.replace("'", "'x", 1), clause.upper()):
            if other != clause:
                change = f"DROP CHECK `{name}`, ADD CONSTRAINT `{name}` CHECK ({other})"
                yield altered(table, change, ("check", name, "changed"))


def check_not_enforced(schema: Schema) -> Iterator[Mutation]:
    for table, name, _clause in checks(schema):
        yield altered(table, f"ALTER CHECK `{name}` NOT ENFORCED", ("check", name, "changed"))


def triggers(schema: Schema) -> Iterator[tuple[str, str, str]]:
    for table in schema.values():
        yield from ((table.name, name, text) for name, text in table.triggers.items())


def trigger_dropped(schema: Schema) -> Iterator[Mutation]:
    for table, name, _text in triggers(schema):
        yield several(table, (f"DROP TRIGGER `{name}`",), ("trigger", name, "missing"))


def trigger_changed(schema: Schema) -> Iterator[Mutation]:
    """Its timing, its event or its body."""
    for table, name, text in triggers(schema):
        turned = {"BEFORE": "AFTER", "AFTER": "BEFORE"}
        others = {
            re.sub(r" (BEFORE|AFTER) ", lambda found, turned=turned: f" {turned[found[1]]} ", text, count=1),
            re.sub(r" (UPDATE|DELETE|INSERT) ON ", " DELETE ON ", text, count=1),
            re.sub(r" (UPDATE|DELETE|INSERT) ON ", " INSERT ON ", text, count=1),
            re.sub(r" FOR EACH ROW .*", " FOR EACH ROW SET @nothing = 1", text, flags=re.DOTALL),
            re.sub(r"'([^']+)'", r"'\1!'", text, count=1),
        }
        for other in sorted(others - {text}):
            yield several(table, (f"DROP TRIGGER `{name}`", other), ("trigger", name, "changed"))


def trigger_renamed(schema: Schema) -> Iterator[Mutation]:
    for table, name, text in triggers(schema):
        found = (("trigger", name, "missing"), ("trigger", f"{name}_old", "unexpected"))
        statements = (f"DROP TRIGGER `{name}`", text.replace(f"`{name}`", f"`{name}_old`", 1))
        yield several(table, statements, *found)


def trigger_added(schema: Schema) -> Iterator[Mutation]:
    for number, table in enumerate(schema):
        name = ODD_NAMES[number % len(ODD_NAMES)]
        for when in ("BEFORE INSERT", "AFTER UPDATE", "AFTER DELETE"):
            statement = f"CREATE TRIGGER `{name}` {when} ON `{table}` FOR EACH ROW SET @nothing = 1"
            yield several(table, (statement,), ("trigger", name, "unexpected"))


def view_added(schema: Schema) -> Iterator[Mutation]:
    table = sorted(schema)[0]
    for name in ODD_NAMES:
        statement = f"CREATE VIEW `{name}` AS SELECT * FROM `{table}`"
        found = frozenset({("view", name, name, "unexpected")})
        yield Mutation((statement,), found, undo=(f"DROP VIEW `{name}`",))


KINDS = (
    *(table_dropped, table_added, table_renamed, table_option, table_collation, table_converted),
    *(column_dropped, column_added, column_renamed, column_wider, column_narrower, column_of_another_type),
    *(column_nullable, column_default, column_auto_increment, column_collation, column_charset),
    *(column_generated, column_invisible),
    *(primary_key_dropped, primary_key_changed, primary_key_added),
    *(index_dropped, index_added, index_fulltext, index_renamed, index_columns, index_order),
    *(index_uniqueness, index_prefix, index_descending, index_invisible),
    *(foreign_key_dropped, foreign_key_added, foreign_key_rule, foreign_key_target, foreign_key_columns),
    *(check_dropped, check_added, check_changed, check_not_enforced),
    *(trigger_dropped, trigger_changed, trigger_renamed, trigger_added, view_added),
)


class Store:
    """A store at HEAD, on a connection of root's, and one of an account that has what a migrator has."""

    def __init__(self, connection: Any, migrator: Any) -> None:
        self.connection = connection
        self.migrator = migrator
        self.schema = {name: self.read(name) for (name,) in self.sql("SHOW TABLES")}
        self.lines = read_schema(connection, DATABASE).lines
        self.seen = self.lines

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def read(self, name: str) -> Table:
        made = [row[0] for row in self.sql(f"SHOW TRIGGERS WHERE `Table` = '{name}'")]
        triggers = {trigger: self.sql(f"SHOW CREATE TRIGGER `{trigger}`")[0][2] for trigger in made}
        return Table(name, self.sql(f"SHOW CREATE TABLE `{name}`")[0][1], triggers)

    def examine(self) -> schema_state.Examination:
        live = read_schema(self.connection, DATABASE)
        self.seen = live.lines
        assert read_schema(self.migrator, DATABASE).lines == live.lines
        live, versions, _legacy = survey.versions_of(self.connection, DATABASE, live, "tracking")
        return schema_state.examine(live, versions, CATALOGUE, HEAD, f"MLflow {MLFLOW}")

    def make_again(self, name: str) -> None:
        self.sql("SET foreign_key_checks = 0")
        self.sql(f"DROP TABLE IF EXISTS `{name}`")
        table = self.schema[name]
        self.sql(table.definition)
        for trigger in table.triggers.values():
            self.sql(trigger)
        self.sql("SET foreign_key_checks = 1")
        if name == "alembic_version":
            self.sql(f"INSERT INTO alembic_version VALUES ('{HEAD}')")

    def apply(self, mutation: Mutation) -> bool:
        """Whether MySQL did not refuse it."""
        try:
            for statement in mutation.statements:
                self.sql(statement)
        except pymysql.err.MySQLError:
            self.undo(mutation, done=False)
            return False
        return True

    def undo(self, mutation: Mutation, done: bool = True) -> None:
        for statement in mutation.undo if done else ():
            self.sql(statement)
        for name in mutation.again:
            self.make_again(name)


@pytest.fixture(scope="module")
def store(mysql: MySQL, run_module: RunModule) -> Iterator[Store]:
    mysql.execute(f"CREATE DATABASE {DATABASE} COLLATE utf8mb4_0900_bin")
    made = run_module(
        "mlflow_schema", mysql.options(database=DATABASE, virtualenv=VIRTUALENV, mlflow_version=MLFLOW)
    )
    assert not made.failed, made["msg"]
    mysql.execute("CREATE USER migrator IDENTIFIED BY 'Canary-93b1-0'")
    mysql.execute(f"GRANT {', '.join(MIGRATING)} ON {DATABASE}.* TO migrator")
    connection, migrator = mysql.root(), mysql.login("migrator", "Canary-93b1-0")
    migrator.autocommit(True)
    try:
        connection.select_db(DATABASE)
        yield Store(connection, migrator)
    finally:
        connection.close()
        migrator.close()
        mysql.execute("DROP USER migrator")
        mysql.execute(f"DROP DATABASE {DATABASE}")


SERVER_NAMED = re.compile(r"_chk_\d+$")


def complaint(mutation: Mutation, found: schema_state.Examination) -> str | None:
    """What is wrong with the answer to a mutation."""
    if found.state != "drifted":
        return f"the state is {found.state}"
    named = {(d.kind, d.table, d.name, d.problem) for d in found.drift}
    if len(named) != len(found.drift):
        return f"something is named twice: {found.drift}"
    for difference in found.drift:
        sides = (difference.expected is not None, difference.actual is not None)
        fitting = {"missing": (True, False), "unexpected": (False, True), "changed": (True, True)}
        if sides != fitting[difference.problem] or difference.expected == difference.actual:
            return f"the sides are wrong: {difference}"
        if not all(
            side.startswith(difference.kind + " ")
            for side in (difference.expected, difference.actual)
            if side
        ):
            return f"another kind of object: {difference}"
    clauses = {(kind, table) for kind, table, name, _problem in mutation.found if SERVER_NAMED.search(name)}
    if clauses:
        # A check that MySQL named is known by its clause: one that changes is one that is missing and another one.
        others = {(kind, table) for kind, table, _name, _problem in named}
        return None if others == clauses else f"not found: {sorted(clauses)}; but {sorted(named)}"
    if not mutation.found <= named:
        return f"not found: {sorted(mutation.found - named)}; but {sorted(named - mutation.found)}"
    for difference in found.drift:
        name = (difference.kind, difference.table, difference.name, difference.problem)
        words = re.findall(r"\w+", f"{difference.expected} {difference.actual}")
        follows = difference.kind != "column" and any(column in words for column in mutation.follow)
        if name not in mutation.found and not follows:
            return f"found too: {difference}"
    return None


def test_every_change_is_found_and_named(store: Store) -> None:
    chosen = random.Random(SEED)
    assert store.examine().state == "current"
    applied: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    wrong: list[str] = []
    for kind in KINDS:
        candidates = list(kind(store.schema))
        chosen.shuffle(candidates)
        for mutation in candidates:
            if applied[kind.__name__] == OF_EACH_KIND:
                break
            if not store.apply(mutation):
                refused[kind.__name__] += 1
                continue
            applied[kind.__name__] += 1
            problem = complaint(mutation, store.examine())
            if problem:
                wrong.append(f"{'; '.join(mutation.statements)}: {problem}")
            store.undo(mutation)
            left = store.examine()
            assert store.seen == store.lines, mutation
            assert (left.state, left.drift) == ("current", []), mutation
    print(f"\n{applied.total()} changes of {len(applied)} kinds, {refused.total()} that MySQL refused")
    print(dict(applied))
    assert wrong == [], f"{len(wrong)} of {applied.total()}:\n" + "\n".join(wrong)
    assert set(applied) == {kind.__name__ for kind in KINDS}
    assert applied.total() >= AT_LEAST


def test_programs_change_no_answer(store: Store, mysql: MySQL, run_module: RunModule, tmp_path: Path) -> None:
    """Those with rights on the tables alone do not see them; who does is told their names."""
    secret = tmp_path / "password"
    secret.write_text("Canary-93b1-0")
    logins = (
        mysql.options(),
        {"login_user": "migrator", "login_port": mysql.port, "login_password_files": [str(secret)]},
    )
    programs = (
        ("procedure", "() SQL SECURITY DEFINER DELETE FROM runs"),
        ("function", "() RETURNS INT DETERMINISTIC RETURN 1"),
        ("event", "ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM runs"),
    )
    try:
        for name in ("runs", "my own"):
            for kind, text in programs:
                store.sql(f"CREATE {kind} `{name}` {text}")
        store.sql("CREATE DATABASE empty_but_for_programs")
        store.sql("CREATE PROCEDURE empty_but_for_programs.p() SELECT 1")
        store.sql(f"GRANT {', '.join(MIGRATING)} ON empty_but_for_programs.* TO migrator")
        for database, state in ((DATABASE, "current"), ("empty_but_for_programs", "empty")):
            by_root, by_migrator = (
                run_module("mlflow_schema_info", {**login, "database": database, "mlflow_version": MLFLOW})
                for login in logins
            )
            for answer in (by_root, by_migrator):
                assert not answer.failed, answer["msg"]
                assert (answer["state"], answer["drift"]) == (state, [])
            assert by_root["message"] == by_migrator["message"]
            (warning,) = (one for one in by_root["schema_warnings"] if one["name"] == "own_programs")
            assert warning["severity"] == "warning"
            wanted = ["event my own", "function runs"] if state == "current" else ["procedure p"]
            assert all(name in warning["message"] for name in wanted)
    finally:
        store.sql("DROP DATABASE IF EXISTS empty_but_for_programs")
        for name in ("runs", "my own"):
            for kind, _text in programs:
                store.sql(f"DROP {kind} IF EXISTS `{name}`")
