# SPDX-License-Identifier: GPL-3.0-or-later
"""Which statements of pending migrations can be done ahead, while an older MLflow writes. Private to this collection.

Such a statement only adds: a table, a column that MySQL adds without touching a row, an index that is made beside
writers, or anything at all to a table that is new itself. MLflow names its columns in every statement, so that an
older release does not notice. What another statement has to come before stays in its place.

The table `PREPARED` in the database says that it was done on purpose, where an interrupted migration would look alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Callable, Iterable, Iterator, Mapping

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.catalogue import (
    PREPOPULATED,
    REFERENCE,
    Catalogue,
    Revision,
    Statement,
    table_of,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.comparison import (
    kind_of,
    name_of,
    resolve,
)

# MLflow has no table of this name.
PREPARED = "mlflow_ops_prepared"
FOREIGN_KEY = re.compile(r"^foreign key \S+ \((?P<own>.*?)\) -> (?P<parent>\S+) \((?P<columns>.*?)\)")
INDEX = re.compile(r"^(?:index|unique|primary key) \S+ \((?P<columns>.*?)\)(?: named |$)")
# The youngest of what the migration to PREPOPULATED reads.
ANALYSED_LINES = (
    "column span_metrics.value ",
    "column trace_metrics.value ",
    "column spans.dimension_attributes ",
)

Done = Mapping[str, frozenset[int]]


@dataclass
class Order:
    """What has been left for its place among the migrations, so that what depends on it stays there too."""

    tables: set[str]
    made: set[str] = field(default_factory=set)
    held: set[tuple[str, str]] = field(default_factory=set)
    # Foreign keys that are to go. MLflow looks for one by what it refers to, and there may be one of that kind only.
    going: set[str] = field(default_factory=set)

    def allows(self, statement: Statement) -> bool:
        """Whether `statement` can be done although what was left has not been."""
        if statement.data or statement.removed - implicit(statement) or not statement.added:
            return False
        lines = statement.added
        if any("alembic_version" in table_of(line) or kind_of(line) == "trigger" for line in lines):
            return False
        table = table_of(next(iter(lines)))
        new = {table_of(line) for line in lines if kind_of(line) == "table"}
        if any(reference_of(line) in self.going for line in lines):
            return False
        if (table, "") in self.held or any(touched(line) & self.held for line in lines):
            return False
        parents = {parent for line in lines for parent in referenced(line)}
        if parents & self.held or any(parent not in self.tables | new for parent, _column in parents):
            return False
        if new:
            return True
        return table in self.tables and (table in self.made or harmless(statement))

    def take(self, statement: Statement) -> None:
        """`statement` is done."""
        for line in statement.added:
            if kind_of(line) == "table":
                self.tables.add(table_of(line))
                self.made.add(table_of(line))

    def leave(self, statement: Statement) -> None:
        """`statement` is left for its place."""
        lines = statement.added | (statement.removed - implicit(statement))
        for line in lines:
            self.held |= changed(line)
            if kind_of(line) == "table":
                self.held.add((table_of(line), ""))
        if any(kind_of(line) == "foreign key" for line in statement.added):
            # The index that MySQL makes for it, where there is no better one.
            self.held |= {
                part for line in statement.added if kind_of(line) == "index" for part in touched(line)
            }
        self.going |= {reference_of(line) for line in statement.removed} - {""}
        if statement.data:
            # Its rows are not there yet, so that what only an empty table takes is left too.
            self.made -= set(re.findall(r"^(?:UPDATE|INSERT INTO|DELETE FROM) `?(\w+)", statement.sql))


def implicit(statement: Statement) -> frozenset[str]:
    """The indexes that MySQL drops by itself when the statement is done."""
    if "DROP " in statement.sql:
        return frozenset()
    return frozenset(line for line in statement.removed if kind_of(line) == "index")


def reference_of(line: str) -> str:
    """What a foreign key refers to, or nothing of another line."""
    match = REFERENCE.match(line)
    return match.group() if match else ""


def columns_of(text: str) -> set[str]:
    return {re.split(r"[ (]", part.strip("` "))[0] for part in text.split(",")}


def touched(line: str) -> set[tuple[str, str]]:
    """What a line cannot do without: its own name, and the columns that it is on."""
    table = table_of(line)
    found = {(table, name_of(line))}
    index, key = INDEX.match(line), FOREIGN_KEY.match(line)
    for match, group in ((index, "columns"), (key, "own")):
        if match:
            found |= {(table, column) for column in columns_of(match[group])}
    if kind_of(line) == "check":
        found |= {(table, column) for column in re.findall(r"`(\w+)`", line)}
    return found


def changed(line: str) -> set[tuple[str, str]]:
    """What is not as it will be as long as the statement of a line is left."""
    table, kind = table_of(line), kind_of(line)
    found = {(table, name_of(line))}
    if kind in ("primary key", "unique"):
        # What a foreign key of another table may need.
        match = INDEX.match(line)
        found |= {(table, f"key {column}") for column in columns_of(match["columns"])} if match else set()
    return found


def referenced(line: str) -> set[tuple[str, str]]:
    """The columns of other tables that a line needs, and their keys."""
    match = FOREIGN_KEY.match(line)
    if not match or match["parent"] == table_of(line):
        return set()
    columns = columns_of(match["columns"])
    return {(match["parent"], name) for column in columns for name in (column, f"key {column}")}


def tables_of(statement: Statement) -> set[str]:
    """The tables that a statement which adds has to have for itself for a moment."""
    return {table_of(line) for line in statement.added} | {
        parent for line in statement.added for parent, _column in referenced(line)
    }


def harmless(statement: Statement) -> bool:
    """Whether it adds to a table with rows without keeping writers out, and without a rule for them."""
    if re.match(r"CREATE INDEX ", statement.sql):
        return True
    column = re.match(r"ALTER TABLE \S+ ADD COLUMN ", statement.sql)
    return (
        column is not None
        and all(kind_of(line) == "column" for line in statement.added)
        and all(
            " null" in line and (" not null" not in line or " default " in line) for line in statement.added
        )
    )


def online(statement: Statement, made: Iterable[str]) -> str:
    """The statement, with what has MySQL refuse it rather than keep writers out."""
    if table_of(next(iter(statement.added))) in made:
        return statement.sql
    if statement.sql.startswith("CREATE INDEX "):
        return f"{statement.sql} ALGORITHM=INPLACE LOCK=NONE"
    return f"{statement.sql}, ALGORITHM=INSTANT" if statement.sql.startswith("ALTER ") else statement.sql


def walk(
    catalogue: Catalogue, revision: str, take: Callable[[Revision, int, Order], bool]
) -> Iterator[tuple[Revision, int]]:
    """Go through the statements after `revision` and yield those that `take` takes, of those that can be done ahead."""
    tables = {table_of(line) for line in catalogue.schema(revision) if kind_of(line) == "table"}
    order = Order(tables)
    for entry in catalogue.revisions[catalogue.position(revision) + 1 :]:
        for number, statement in enumerate(entry.statements):
            if order.allows(statement) and take(entry, number, order):
                order.take(statement)
                yield entry, number
            else:
                order.leave(statement)


def collect(pairs: Iterable[tuple[Revision, int]]) -> dict[str, frozenset[int]]:
    """Numbers of statements by revision."""
    found: dict[str, set[int]] = {}
    for entry, number in pairs:
        found.setdefault(entry.revision, set()).add(number)
    return {revision: frozenset(numbers) for revision, numbers in found.items()}


def possible(catalogue: Catalogue, revision: str, head: str) -> dict[str, frozenset[int]]:
    """The statements of the revisions up to `head` that can be done ahead in a store at `revision`."""
    last = catalogue.position(head)
    return collect(
        walk(catalogue, revision, lambda entry, _number, _order: catalogue.position(entry.revision) <= last)
    )


def done(
    catalogue: Catalogue, since: str, revision: str, lines: frozenset[str], collation: str | None
) -> Done:
    """The statements that were done ahead in a store at `since`, which is at `revision` now and has `lines`."""
    position = catalogue.position(revision)

    def there(entry: Revision, number: int, _order: Order) -> bool:
        # What MySQL made for a foreign key, it may have dropped for a better index since.
        added = entry.statements[number].added - catalogue.replaced_indexes
        return catalogue.position(entry.revision) <= position or resolve(added, collation) <= lines

    found = collect(walk(catalogue, since, there))
    return {name: numbers for name, numbers in found.items() if catalogue.position(name) > position}


def union(several: Iterable[Done]) -> Done:
    found: dict[str, frozenset[int]] = {}
    for one in several:
        for name, numbers in one.items():
            found[name] = found.get(name, frozenset()) | numbers
    return found


def after(catalogue: Catalogue, schema: frozenset[str], numbers: Done) -> frozenset[str]:
    """`schema` with those statements done."""
    for entry in catalogue.revisions:
        if entry.revision in numbers:
            schema = entry.after(schema, numbers[entry.revision])
    return schema


def analysable(catalogue: Catalogue, revision: str, head: str, lines: frozenset[str]) -> bool:
    """Whether what the migration to PREPOPULATED computes of traces can be computed ahead in a store with `lines`."""
    if catalogue.app != "tracking" or PREPOPULATED not in catalogue:
        return False
    position = catalogue.position(PREPOPULATED)
    entry = catalogue.revisions[position]
    pending = catalogue.position(revision) < position <= catalogue.position(head)
    # MLflow would add a column that was left, and keep writers out for it.
    filled = all(entry.statements[number].added <= lines for number in entry.ahead)
    return (
        pending and filled and all(any(line.startswith(begin) for line in lines) for begin in ANALYSED_LINES)
    )
