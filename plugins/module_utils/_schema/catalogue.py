# SPDX-License-Identifier: GPL-3.0-or-later
"""What MLflow's schema is at every revision. Private to this collection: it may change without notice.

The records are text that `make catalogue` writes and a person can review: for each revision the statements of
MLflow's migration, and after each the lines (see `live`) that it takes away and adds. A statement that
moves data has no lines.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Iterable

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    catalogue_auth,
    catalogue_tracking,
)

# The tables that MLflow makes before the first revision.
INITIAL = "initial"
TEXTS = {"tracking": catalogue_tracking.TEXT, "auth": catalogue_auth.TEXT}
# The revision whose columns MLflow 3.17's `mlflow db prepopulate-trace-analytics` makes and fills while an older server
# goes on. The migration makes those that are missing.
PREPOPULATED = "75868b020152"
PRERELEASE = re.compile(r"[a-z]")
# What a foreign key refers to, without its name and what it does on changes.
REFERENCE = re.compile(r"^foreign key \S+ \(.*?\) -> \S+ \(.*?\)")


@dataclass(frozen=True)
class Statement:
    """One statement of a migration. `data`: it writes rows and leaves the schema alone."""

    sql: str
    removed: frozenset[str]
    added: frozenset[str]
    data: bool


@dataclass(frozen=True)
class Revision:
    """One revision and the statements that lead to it.

    `kinds` is one or more of additive, keys (indexes, foreign keys and checks are exchanged), rebuild, data and
    destructive; `computed` says that its data come out of Python code, not out of SQL.
    """

    revision: str
    title: str
    kinds: tuple[str, ...]
    computed: bool
    statements: tuple[Statement, ...]

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables that it changes or writes to, those left out that it makes."""
        made = {line.split()[1] for s in self.statements for line in s.added if line.startswith("table ")}
        lines = [line for s in self.statements for line in (*s.removed, *s.added)]
        touched = {table_of(line) for line in lines}
        for statement in self.statements:
            if statement.data:
                touched.update(re.findall(r"^(?:UPDATE|INSERT INTO|DELETE FROM) `?(\w+)", statement.sql))
        return tuple(sorted(touched - made - {"alembic_version", "alembic_version_auth"}))

    @property
    def made_tables(self) -> tuple[str, ...]:
        return tuple(
            sorted(line.split()[1] for s in self.statements for line in s.added if line.startswith("table "))
        )

    def after(self, before: frozenset[str], done: Iterable[int]) -> frozenset[str]:
        """The schema after those of its statements whose numbers are `done`, on the schema `before`."""
        lines = set(before)
        made: set[str] = set()
        for number in sorted(done):
            lines -= self.statements[number].removed
            lines |= self.statements[number].added
            made |= self.statements[number].added
        # MySQL drops what it made for a foreign key with the first index that begins with the same columns, and of a
        # table's new indexes any may be the first.
        return frozenset(line for line in lines if line not in self.replaced or not covered(line, made))

    @cached_property
    def ahead(self) -> frozenset[int]:
        """The numbers of the statements that may be done before it, since it leaves out what it finds done."""
        if self.revision != PREPOPULATED:
            return frozenset()
        first_other = next(n for n, s in enumerate(self.statements) if " ADD COLUMN " not in s.sql)
        return frozenset(range(first_other))

    @cached_property
    def replaced_keys(self) -> frozenset[int]:
        """The numbers of the statements that add a foreign key in the place of one that refers to the same.

        Not in the migration that has the columns compared otherwise meanwhile.
        """
        gone: set[str] = set()
        found = set()
        for number, statement in enumerate(self.statements):
            if any(line.startswith("column ") for line in statement.removed):
                return frozenset()
            added = {match.group() for line in statement.added if (match := REFERENCE.match(line))}
            if added and added <= gone:
                found.add(number)
            gone |= {match.group() for line in statement.removed if (match := REFERENCE.match(line))}
        return frozenset(found)

    @cached_property
    def replaced(self) -> frozenset[str]:
        """Indexes that MySQL made for a foreign key and drops by itself when one of this migration's is made."""
        return frozenset(
            line
            for statement in self.statements
            for line in statement.removed
            if line.startswith("index ") and "DROP " not in statement.sql
        )

    def points(self, live: frozenset[str]) -> list[frozenset[int]]:
        """The numbers of the statements that may be done when it is interrupted: one set for each point.

        The indexes of a new table are made in any order. Of those, the ones in `live` are taken to be done.
        """
        found: list[frozenset[int]] = []
        start = 0
        for number, statement in enumerate(self.statements):
            if (
                number == 0
                or index_of(statement) is None
                or index_of(statement) != index_of(self.statements[number - 1])
            ):
                start = number
            if statement.data:
                continue
            first = range(start)
            made = (n for n in range(start, len(self.statements)) if self.same_run(start, n))
            found.append(frozenset(range(number + 1)))
            found.append(frozenset([*first, *(n for n in made if self.statements[n].added <= live)]))
        return [point for point in dict.fromkeys(found) if point]

    def same_run(self, start: int, number: int) -> bool:
        """Whether all statements from `start` to `number` make indexes of one table."""
        tables = {index_of(statement) for statement in self.statements[start : number + 1]}
        return len(tables) == 1 and None not in tables


@dataclass(frozen=True)
class Catalogue:
    """The revisions of one of MLflow's apps, oldest first, and the head of each MLflow release."""

    app: str
    revisions: tuple[Revision, ...]
    releases: dict[str, str]
    # Names that MySQL or an old MLflow gave to what a line names otherwise: line without its name to names.
    variants: dict[str, frozenset[str]] = field(default_factory=dict)

    def __contains__(self, revision: str) -> bool:
        return any(entry.revision == revision for entry in self.revisions)

    @cached_property
    def lines(self) -> frozenset[str]:
        """Every line that is right at some revision."""
        return frozenset(line for r in self.revisions for s in r.statements for line in s.added)

    @cached_property
    def replaced_indexes(self) -> frozenset[str]:
        """Indexes that MySQL makes for a foreign key and drops by itself when a better one is made.

        It does not drop those that were in a dump, since there they are written out like any other.
        """
        return frozenset(line for revision in self.revisions for line in revision.replaced)

    @cached_property
    def repeatable_checks(self) -> frozenset[str]:
        """Checks of booleans, which change nothing where they are there twice, or before their revision.

        SQLAlchemy 1.3, which MLflow had until 1.23, gave one to every boolean of a new table.
        """
        return frozenset(
            line for line in self.lines if line.startswith("check ") and line.endswith(" in (0,1))")
        )

    def position(self, revision: str) -> int:
        return next(n for n, entry in enumerate(self.revisions) if entry.revision == revision)

    def schema(self, revision: str) -> frozenset[str]:
        """The lines of the schema at `revision`. Raises StopIteration if there is no such revision."""
        lines: set[str] = set()
        for entry in self.revisions[: self.position(revision) + 1]:
            for statement in entry.statements:
                lines -= statement.removed
                lines |= statement.added
        return frozenset(lines)

    def mlflow_versions(self, revision: str) -> list[str]:
        """The releases whose head is `revision`, oldest first; release candidates only if there is no other."""
        found = [version for version, head in self.releases.items() if head == revision]
        return [version for version in found if not PRERELEASE.search(version)] or found

    def first_release(self, revision: str) -> str | None:
        """The first release that has `revision`."""
        position = self.position(revision)
        for version, head in self.releases.items():
            if not PRERELEASE.search(version) and self.position(head) >= position:
                return version
        return None

    @property
    def newest_release(self) -> str:
        return [version for version in self.releases if not PRERELEASE.search(version)][-1]

    @property
    def tables(self) -> frozenset[str]:
        """Every table that was ever MLflow's."""
        return frozenset(table for entry in self.revisions for table in entry.made_tables)


def index_of(statement: Statement) -> str | None:
    """The table that a statement makes an index of, or None."""
    found = re.match(r"CREATE (?:UNIQUE )?INDEX \S+ ON (\S+) ", statement.sql)
    return found.group(1) if found else None


def covered(line: str, indexes: Iterable[str]) -> bool:
    """Whether one of `indexes` begins with the columns of the index in `line`."""
    begin = line.partition(" (")[2].partition(")")[0]
    return any(
        table_of(one) == table_of(line) and one.partition(" (")[2].startswith((f"{begin})", f"{begin}, "))
        for one in indexes
        if one.startswith(("index ", "unique "))
    )


def table_of(line: str) -> str:
    """The table that a line of a schema is about."""
    for kind in ("primary key ", "foreign key "):
        if line.startswith(kind):
            return line[len(kind) :].split(" ", 1)[0]
    return line.split(" ", 2)[1].split(".", 1)[0]


@lru_cache(maxsize=None)
def load(app: str = "tracking") -> Catalogue:
    """The catalogue of `app`, which is tracking or auth."""
    return parse(app, TEXTS[app])


def parse(app: str, text: str) -> Catalogue:
    """Read a catalogue's text."""
    revisions: list[Revision] = []
    releases: dict[str, str] = {}
    variants: dict[str, frozenset[str]] = {}
    name = title = ""
    kinds: tuple[str, ...] = ()
    computed = False
    statements: list[tuple[str, set[str], set[str], bool]] = []

    def end() -> None:
        if name:
            made = tuple(Statement(s, frozenset(a), frozenset(b), data) for s, a, b, data in statements)
            revisions.append(Revision(name, title, kinds, computed, made))

    for line in text.replace("\n    ", " ").splitlines():
        word, _space, rest = line.partition(" ")
        if word == "+":
            statements[-1][2].add(rest)
        elif word == "-":
            statements[-1][1].add(rest)
        elif word in ("sql", "data"):
            statements.append((rest, set(), set(), word == "data"))
        elif word == "revision":
            end()
            name, title, kinds, computed, statements = rest, "", (), False, []
        elif word == "title":
            title = rest
        elif word == "kinds":
            kinds = tuple(rest.split())
        elif word == "computed":
            computed = True
        elif word == "release":
            head, _space, versions = rest.partition(" ")
            releases.update(dict.fromkeys(versions.split(), head))
        elif word == "variant":
            base, _named, other = rest.rpartition(" named ")
            variants[base] = variants.get(base, frozenset()) | {other}
    end()
    return Catalogue(app, tuple(revisions), releases, variants)
