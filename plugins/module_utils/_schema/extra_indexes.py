# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes that MLflow lacks and that a store may have besides. Private to this collection.

`make bench-indexes` measures what they save and what they cost. MLflow's migrations know nothing of them, so none is
there while one runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterable

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.catalogue import Catalogue
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.live import Table

PREFIX = "mlflow_ops_"
# The column in a part of an index: in an expression it is quoted.
COLUMN = re.compile(r"`(\w+)`|^(\w+)")
MIB = 1024 * 1024
MARGIN = 64 * MIB
# It is written once, and the rows to sort are in temporary files besides: together no more than its table takes.
SHARE = 1.0


@dataclass(frozen=True)
class ExtraIndex:
    """An index by its short `name`, on `columns` as a line of the schema has them, which are there from `since` on."""

    name: str
    table: str
    columns: tuple[str, ...]
    since: str

    @property
    def index(self) -> str:
        return PREFIX + self.name

    @property
    def line(self) -> str:
        """As `live` reads it."""
        return f"index {self.table} ({', '.join(self.columns)}) named {self.index}"

    @property
    def on(self) -> tuple[str, ...]:
        """The names of the table's columns that it is on."""
        found = (COLUMN.findall(part)[0] for part in self.columns)
        return tuple(dict.fromkeys(quoted or plain for quoted, plain in found))

    @property
    def make(self) -> str:
        """The statement that makes it."""
        # MySQL has a hidden column for an expression, and lets nobody write while it makes both.
        lock = "SHARED" if any(part.startswith("(") for part in self.columns) else "NONE"
        parts = ", ".join(re.sub(r"^(\w+)", r"`\1`", part) for part in self.columns)
        return f"CREATE INDEX {self.index} ON {self.table} ({parts}) ALGORITHM=INPLACE LOCK={lock}"

    @property
    def drop(self) -> str:
        return f"DROP INDEX {self.index} ON {self.table} ALGORITHM=INPLACE"


# By this MLflow's web pages sort runs first, as MySQL writes it.
NO_START = "((case when (`start_time` is null) then 1 else 0 end))"
# Of `runs` not the experiment first: MySQL would drop its own index for the foreign key, which is MLflow's schema.
OFFERED = (
    ExtraIndex("runs", "runs", ("lifecycle_stage", "experiment_id", "start_time desc"), "initial"),
    ExtraIndex(
        "runs_ui", "runs", ("lifecycle_stage", "experiment_id", NO_START, "start_time desc"), "initial"
    ),
    ExtraIndex("metrics", "latest_metrics", ("key", "value", "is_nan"), "89d4b8295536"),
    ExtraIndex("params", "params", ("key", "value(64)"), "initial"),
    ExtraIndex("tags", "tags", ("key", "value(64)"), "initial"),
    ExtraIndex("traces", "trace_info", ("experiment_id", "timestamp_ms desc"), "867495a8f9d4"),
    ExtraIndex("trace_tags", "trace_tags", ("key", "value(64)"), "867495a8f9d4"),
    ExtraIndex("trace_metadata", "trace_request_metadata", ("key", "value(64)"), "867495a8f9d4"),
)
LINES = frozenset(one.line for one in OFFERED)


def offered(catalogue: Catalogue, revision: str | None) -> list[ExtraIndex]:
    """Those whose columns are there at `revision`."""
    if catalogue.app != "tracking" or revision is None or revision not in catalogue:
        return []
    position = catalogue.position(revision)
    return [one for one in OFFERED if catalogue.position(one.since) <= position]


def present(lines: frozenset[str], catalogue: Catalogue) -> list[ExtraIndex]:
    """Those in the lines of a schema. One of their names with another definition is none of them."""
    return [one for one in OFFERED if catalogue.app == "tracking" and one.line in lines]


def describe(lines: frozenset[str], catalogue: Catalogue, revision: str | None) -> list[dict[str, Any]]:
    """The offered and the present ones as modules return them."""
    there = present(lines, catalogue)
    at_revision = offered(catalogue, revision)
    return [
        {"name": one.name, "table": one.table, "columns": list(one.columns), "present": one in there}
        for one in OFFERED
        if one in there or one in at_revision
    ]


def no_room(indexes: Iterable[ExtraIndex], tables: dict[str, Table], free_bytes: int | None) -> str | None:
    """Why the disk has no room for `indexes`, or None."""
    wanted = list(indexes)
    needed = int(sum(tables[one.table].bytes for one in wanted if one.table in tables) * SHARE) + MARGIN
    if free_bytes is None or not wanted or free_bytes >= needed:
        return None
    names = ", ".join(one.index for one in wanted)
    return (
        f"{free_bytes // MIB} MiB are free in the data directory's file system, and {names} may need "
        f"{-(-needed // MIB)} MiB: free or add disk space, or want fewer indexes (extra_indexes)"
    )
