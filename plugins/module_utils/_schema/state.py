# SPDX-License-Identifier: GPL-3.0-or-later
"""What state MLflow's schema is in. Private to this collection: it may change without notice.

`examine` is a function of the live schema, the revision that it names and the catalogue; nothing is read here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, Sequence
from urllib.parse import unquote

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import ahead, downtime
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.catalogue import (
    INITIAL,
    Catalogue,
    Revision,
    Statement,
    load,
    table_of,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.comparison import (
    Difference,
    compare,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.extra_indexes import LINES
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.live import LiveSchema, Table

EMPTY = "empty"
CURRENT = "current"
BEHIND = "behind"
AHEAD = "ahead"
HALF_APPLIED = "half_applied"
DRIFTED = "drifted"
FOREIGN = "foreign"
UNKNOWN = "unknown"

# States in which every table is as it should be at the store's revision.
WHOLE = (CURRENT, BEHIND, AHEAD)
NAMED_IN_A_MESSAGE = 5  # objects

# Stands in the database while an initialisation is under way. MLflow has no table of this name.
MARKER = "mlflow_ops_initialising"
# Tables of this collection's, which are no part of MLflow's schema.
OWN_TABLES = frozenset({MARKER, ahead.PREPARED})
VERSION_TABLES = {"tracking": "alembic_version", "auth": "alembic_version_auth"}


@dataclass(frozen=True)
class HalfApplied:
    """`revision` was begun: those of its statements whose numbers are `numbers` are done."""

    revision: Revision
    numbers: frozenset[int]

    @property
    def done(self) -> list[Statement]:
        return [statement for n, statement in enumerate(self.revision.statements) if n in self.numbers]

    @property
    def todo(self) -> list[Statement]:
        return [statement for n, statement in enumerate(self.revision.statements) if n not in self.numbers]


@dataclass(frozen=True)
class Examination:
    """The state of a store, seen from a wanted release whose head is `head`. `revision` is the one it names."""

    state: str
    revision: str | None
    head: str
    message: str
    pending: tuple[Revision, ...] = ()
    drift: list[Difference] = field(default_factory=list)
    half_applied: HalfApplied | None = None
    # The lines that the store has of the catalogue, those of statements that were done among them.
    schema: frozenset[str] = frozenset()
    # The numbers of the statements of later revisions that were done ahead, by revision.
    ahead: Mapping[str, frozenset[int]] = field(default_factory=dict)


def examine(
    live: LiveSchema, versions: Sequence[str] | None, catalogue: Catalogue, head: str, wanted: str
) -> Examination:
    """Say what state `live` is in.

    `versions` are the rows of the version table (None: there is no such table), `head` the wanted revision and
    `wanted` how to call it, such as "MLflow 3.5.1". Raises StopIteration if `head` is not in the catalogue.
    """
    version_table = VERSION_TABLES[catalogue.app]
    lines, others = own_lines(live, catalogue)
    tables = {table_of(line) for line in lines if line.startswith("table ")} - {version_table}
    if not lines and versions is None:
        if not others:
            return Examination(
                EMPTY,
                None,
                head,
                "The database is empty: initialise it.",
                catalogue.revisions[: catalogue.position(head) + 1],
            )
        names = ", ".join(sorted({unquote(table_of(line)) for line in others})[:5])
        return Examination(
            FOREIGN,
            None,
            head,
            f"The database holds tables that are not MLflow's ({names}): give MLflow a database of its own.",
        )
    lines = lines | others
    if versions and len(versions) > 1:
        return Examination(
            FOREIGN,
            ", ".join(versions),
            head,
            f"{version_table} names {len(versions)} revisions ({', '.join(versions)}), MLflow's names one: restore a "
            "backup, or delete the rows that are not MLflow's.",
        )
    revision = versions[0] if versions else None
    spelt = spelling(revision, catalogue)
    if revision is not None and spelt != revision:
        return misspelt(revision, spelt, lines, live, catalogue, head)
    if revision is not None and (revision not in catalogue or revision == INITIAL):
        return not_in_catalogue(revision, tables, catalogue, head)
    return compare_with(revision, versions, lines, live, catalogue, head, wanted)


def spelling(revision: str | None, catalogue: Catalogue) -> str:
    """A revision as the catalogue spells it, if it differs in case and spaces only."""
    exact = str(revision)
    found = exact.strip().lower()
    return found if exact not in catalogue and found in catalogue and found != INITIAL else exact


def misspelt(
    revision: str, spelt: str, lines: frozenset[str], live: LiveSchema, catalogue: Catalogue, head: str
) -> Examination:
    """MLflow finds no revision that is spelt otherwise, on any server."""
    version_table = VERSION_TABLES[catalogue.app]
    row = Difference(
        "row",
        version_table,
        "version_num",
        "changed",
        f"row {version_table} {spelt}",
        f"row {version_table} {revision}",
    )
    drift = [*compare(catalogue.schema(spelt), lines, live.collation, catalogue), row]
    more = f" In addition, {counted(drift[:-1])} from MLflow's schema there." if len(drift) > 1 else ""
    return Examination(
        DRIFTED,
        revision,
        head,
        f"{version_table} names '{revision}', which MLflow does not find: it is spelt {spelt}. Correct it with UPDATE "
        f"{version_table} SET version_num = '{spelt}'.{more}",
        (),
        drift,
    )


def own_lines(live: LiveSchema, catalogue: Catalogue) -> tuple[frozenset[str], frozenset[str]]:
    """The lines about tables that ever were the app's, and all others.

    In neither are this collection's tables and indexes, and the tables of MLflow's other app, where the two share a
    database.
    """
    known = catalogue.tables
    foreign = set(OWN_TABLES)
    for app, version_table in VERSION_TABLES.items():
        if app != catalogue.app and version_table in live.tables:
            foreign |= load(app).tables - known
    lines = live.lines - LINES
    ours = frozenset(line for line in lines if table_of(line) in known)
    return ours, frozenset(line for line in lines - ours if table_of(line) not in foreign)


def not_in_catalogue(revision: str, tables: set[str], catalogue: Catalogue, head: str) -> Examination:
    newest = catalogue.revisions[-1].revision
    kept = {
        line.split()[1]
        for line in catalogue.schema(catalogue.revisions[0].revision)
        if line.startswith("table ")
    }
    if not tables or not kept <= tables:
        return Examination(
            FOREIGN,
            revision,
            head,
            f"The version table names {revision}, and the tables are not MLflow's: another application keeps its "
            "schema in this database. Give MLflow a database of its own.",
        )
    return Examination(
        UNKNOWN,
        revision,
        head,
        f"Revision {revision} is none that this collection knows; the newest it knows is {newest} of MLflow "
        f"{catalogue.newest_release}. A newer MLflow wrote the store: install a newer release of this collection.",
    )


def compare_with(
    revision: str | None,
    versions: Sequence[str] | None,
    lines: frozenset[str],
    live: LiveSchema,
    catalogue: Catalogue,
    head: str,
    wanted: str,
) -> Examination:
    """Examine a store whose revision is in the catalogue, or which has none."""
    position = -1 if revision is None else catalogue.position(revision)
    before: frozenset[str] = frozenset() if revision is None else catalogue.schema(revision)
    if revision is None:
        # The version table is made by the first migration, and gets its row at that migration's end.
        position, before = first_step(lines, live, catalogue)
    early: ahead.Done = {}
    if revision is not None and live.prepared:
        # Each time it was prepared, what can be done ahead was another.
        early = ahead.union(
            ahead.done(
                catalogue, min(since, revision, key=catalogue.position), revision, lines, live.collation
            )
            for since in live.prepared
        )
        before = ahead.after(catalogue, before, early)

    def differences(expected: frozenset[str]) -> list[Difference]:
        return compare(expected, lines, live.collation, catalogue)

    drift = differences(before)
    pending = catalogue.revisions[position + 1 : catalogue.position(head) + 1]
    next_one = catalogue.revisions[position + 1] if position + 1 < len(catalogue.revisions) else None
    best: frozenset[int] = frozenset()
    own = frozenset() if next_one is None else early.get(next_one.revision, frozenset())
    best_drift = drift
    if next_one is not None and (drift or revision is None):
        # Of points that fit equally well, the one with exactly these objects.
        best_fit = (len(drift), len(before ^ lines))
        for point in next_one.points(lines):
            after = next_one.after(before, point | own)
            found = differences(after)
            if (fit := (len(found), len(after ^ lines))) < best_fit and len(found) < len(drift or lines):
                best, best_drift, best_fit = point, found, fit
    if revision is None and best_drift:
        nearest = without_revision(lines, live, versions, catalogue, len(best_drift))
        if nearest is not None:
            return Examination(DRIFTED, None, head, nearest[0], (), nearest[1])
    # What MLflow's own command does ahead is no beginning of a migration.
    prepopulated = best if next_one is not None and best and best <= next_one.ahead else frozenset()
    if prepopulated and next_one is not None:
        before, drift, best = next_one.after(before, prepopulated), best_drift, frozenset()
    if next_one is not None and (best or revision is None):
        half = HalfApplied(next_one, best | own)
        rest = f" In addition, {counted(best_drift)} from the expected schema." if best_drift else ""
        return Examination(
            HALF_APPLIED,
            revision,
            head,
            f"A migration to {next_one.revision} ({next_one.title}) was interrupted: "
            f"{len(half.done)} of its {len(next_one.statements)} statements are done. MLflow cannot continue from "
            f"here; repair it.{rest}",
            (next_one,) if not pending else tuple(pending),
            best_drift,
            half,
            next_one.after(before, half.numbers),
            early,
        )
    prepared = ""
    if early:
        number = sum(map(len, early.values()))
        prepared = (
            f" {number} statements of {'pending' if pending else 'later'} migrations are done ahead. MLflow works as "
            "before; an upgrade with this collection continues from there, `mlflow db upgrade` does not."
        )
    elif prepopulated and next_one is not None:
        whole = (
            "all" if prepopulated == next_one.ahead else f"{len(prepopulated)} of the {len(next_one.ahead)}"
        )
        prepared = (
            f" It has {whole} columns of the next revision, {next_one.revision}, which `mlflow db "
            "prepopulate-trace-analytics` adds ahead: MLflow works as before, and an upgrade continues from there."
        )
    if drift:
        return Examination(
            DRIFTED,
            revision,
            head,
            f"The schema differs from MLflow's at {revision}: {counted(drift)}. Undo the manual changes, or restore a "
            f"backup.{prepared}",
            tuple(pending),
            drift,
            schema=before,
            ahead=early,
        )
    if position == catalogue.position(head):
        return Examination(
            CURRENT,
            revision,
            head,
            f"The schema is that of {wanted}.{prepared}",
            schema=before,
            ahead=early,
        )
    if pending:
        many = "1 migration is" if len(pending) == 1 else f"{len(pending)} migrations are"
        return Examination(
            BEHIND,
            revision,
            head,
            f"{many} pending for {wanted}: upgrade it.{prepared}",
            tuple(pending),
            schema=before,
            ahead=early,
        )
    releases = catalogue.mlflow_versions(catalogue.revisions[position].revision)
    by = f"MLflow {releases[0]}" if releases else "a newer MLflow"
    return Examination(
        AHEAD,
        revision,
        head,
        f"{by} or newer upgraded the store, which {wanted} cannot open: use that version of MLflow, or restore a "
        "backup from before the upgrade.",
    )


def without_revision(
    lines: frozenset[str],
    live: LiveSchema,
    versions: Sequence[str] | None,
    catalogue: Catalogue,
    worse: int,
) -> tuple[str, list[Difference]] | None:
    """What to say of a store that has lost its revision: a message and the drift from the revision that fits best.

    None if none fits better than with `worse` differences.
    """
    version_table = VERSION_TABLES[catalogue.app]
    named = [entry.revision for entry in catalogue.revisions if entry.revision != INITIAL]
    nearest = min(reversed(named), key=lambda revision: len(catalogue.schema(revision) ^ lines))
    drift = compare(catalogue.schema(nearest), lines, live.collation, catalogue)
    if versions is not None:
        row = f"row {version_table} {nearest}"
        drift.append(Difference("row", version_table, "version_num", "missing", row, None))
    if len(drift) >= worse:
        return None
    return (
        f"{version_table} does not say which revision the schema has. It is most like {nearest}, from which "
        f"{counted(drift)}. Undo the manual changes, or restore a backup.",
        drift,
    )


def first_step(lines: frozenset[str], live: LiveSchema, catalogue: Catalogue) -> tuple[int, frozenset[str]]:
    """Where a store without a revision stands: before the first entry, or after MLflow's initial tables."""
    if catalogue.revisions[0].revision == INITIAL:
        initial = catalogue.schema(INITIAL)
        if not any(d.problem == "missing" for d in compare(initial, lines, live.collation, catalogue)):
            return 0, initial
        after_first = catalogue.schema(catalogue.revisions[1].revision)
        if any(line.startswith("table alembic_version ") for line in lines & after_first):
            return 0, initial
    return -1, frozenset()


def counted(drift: list[Difference]) -> str:
    """How many objects differ, and which: the first few of them."""
    named = [
        f"{one.kind} {one.name}{'' if one.table in ('', one.name) else f' of {one.table}'} is {one.problem}"
        for one in drift[:NAMED_IN_A_MESSAGE]
    ]
    more = f" and {len(drift) - len(named)} more" if len(drift) > len(named) else ""
    many = "1 object differs" if len(drift) == 1 else f"{len(drift)} objects differ"
    return f"{many} ({', '.join(named)}{more})"


def moved_tables(revisions: Iterable[Revision], app: str) -> set[str]:
    """The tables whose number of rows `revisions` may change, and those in which they are recorded.

    A table that a migration makes and fills may be there before it, when it was made ahead.
    """
    filled = [one for one in revisions if "data" in one.kinds]
    return {VERSION_TABLES[app], *OWN_TABLES}.union(*({*one.tables, *one.made_tables} for one in filled))


def begun(found: Examination, revision: Revision) -> frozenset[int]:
    """The numbers of its statements that an interrupted migration has done."""
    half = found.half_applied
    return half.numbers if half is not None and half.revision == revision else frozenset()


def describe_pending(
    found: Examination, pending: Sequence[Revision], catalogue: Catalogue, tables: Mapping[str, Table]
) -> list[dict[str, Any]]:
    """Pending revisions as modules return them, in a store with `tables`."""
    online: Mapping[str, frozenset[int]] = {}
    if found.state == BEHIND and found.revision is not None:
        online = ahead.possible(catalogue, found.revision, found.head)
    return [
        {
            "revision": one.revision,
            "title": one.title,
            "kinds": list(one.kinds),
            "tables": list(one.tables),
            "creates": list(one.made_tables),
            "statements": len(one.statements),
            "online": len(online.get(one.revision, ())),
            "ahead": len(found.ahead.get(one.revision, ())),
            "rows": sum(tables[table].rows for table in one.tables if table in tables),
            "seconds": downtime.of_revision(
                one, online.get(one.revision, frozenset()) | begun(found, one), tables
            ),
            "mlflow_version": catalogue.first_release(one.revision),
        }
        for one in pending
    ]
