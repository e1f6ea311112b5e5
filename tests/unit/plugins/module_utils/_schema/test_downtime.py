# SPDX-License-Identifier: GPL-3.0-or-later
"""What an upgrade would take."""

from __future__ import annotations

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    ahead,
    catalogue,
    downtime,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.live import Table

CATALOGUE = catalogue.load()


def estimate(revision: str, tables: dict[str, Table]) -> float:
    """Of one revision, in a store at the one before it."""
    position = CATALOGUE.position(revision)
    before = CATALOGUE.revisions[position - 1].revision
    possible = ahead.possible(CATALOGUE, before, revision).get(revision, frozenset())
    return downtime.of_revision(CATALOGUE.revisions[position], possible, tables)


@pytest.mark.parametrize(
    ("revision", "table", "more"),
    [
        ("a5b4c3d2e1f0", "metrics", 0),  # an index that is made beside writers
        ("6f8d9c3b2a1e", "trace_info", 0),  # a foreign key in the place of one
        ("17e22815139b", "experiment_tags", 1e9 / downtime.COPIED),  # another type
        ("c1d2e3f4a5b6", "metrics", 0),  # another table's
        ("dc11669786a5", "jobs", 1e6 / downtime.COMPUTED),  # rows
    ],
)
def test_what_a_migration_takes(revision: str, table: str, more: float) -> None:
    small, large = (
        estimate(revision, {table: size}) for size in (Table(0, 0), Table(1_000_000, 1_000_000_000))
    )
    assert small == downtime.REVISION
    assert large - small == pytest.approx(more)


def test_what_the_write_lock_takes() -> None:
    assert downtime.whole(2.0, {}) == downtime.BASE + 2.0
    assert downtime.whole(0, {"metrics": Table(4_000_000, 0)}) == pytest.approx(downtime.BASE + 2.0)
