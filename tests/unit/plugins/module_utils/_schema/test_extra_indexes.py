# SPDX-License-Identifier: GPL-3.0-or-later
"""The indexes that a store may have beyond MLflow's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    catalogue,
    extra_indexes,
    state,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.live import LiveSchema, Table
from ansible_collections.mlflow_ops.backend_store.plugins.modules import mlflow_schema

ROOT = Path(__file__).resolve().parents[5]
CATALOGUE = catalogue.load()
HEAD = "dc11669786a5"
NAMES = [one.name for one in extra_indexes.OFFERED]
each = pytest.mark.parametrize("index", extra_indexes.OFFERED, ids=NAMES)


def columns(revision: str, index: extra_indexes.ExtraIndex) -> set[str]:
    """Those of the index that its table has at a revision."""
    start = f"column {index.table}."
    lines = CATALOGUE.schema(revision)
    found = {line[len(start) :].split(" ", 1)[0] for line in lines if line.startswith(start)}
    return set(index.on) - found


def examine(lines: frozenset[str]) -> state.Examination:
    tables = {catalogue.table_of(line): Table(0, 0) for line in lines if line.startswith("table ")}
    live = LiveSchema(lines, tables, "utf8mb4_0900_bin")
    return state.examine(live, [HEAD], CATALOGUE, HEAD, "MLflow 3.17.0")


@each
def test_its_columns_are_there_from_its_revision_on(index: extra_indexes.ExtraIndex) -> None:
    position = CATALOGUE.position(index.since)
    for entry in CATALOGUE.revisions[position:]:
        assert not columns(entry.revision, index), entry.revision
    if position:
        assert columns(CATALOGUE.revisions[position - 1].revision, index)


@each
def test_mysql_drops_no_index_of_mlflow_for_it(index: extra_indexes.ExtraIndex) -> None:
    """What MySQL made for a foreign key goes by itself when another index begins with the same columns."""
    for entry in CATALOGUE.revisions[CATALOGUE.position(index.since) :]:
        for line in CATALOGUE.schema(entry.revision):
            if line.startswith("index ") and " named " not in line:
                assert not catalogue.covered(line, [index.line]), line


def test_they_are_no_drift() -> None:
    schema = CATALOGUE.schema(HEAD)
    assert not extra_indexes.LINES & CATALOGUE.lines
    found = examine(schema | extra_indexes.LINES)
    assert (found.state, found.drift) == ("current", [])
    one = extra_indexes.OFFERED[0]
    other = f"index {one.table} (status) named {one.index}"
    found = examine(schema | {other})
    assert found.state == "drifted"
    assert [(drift.name, drift.problem, drift.actual) for drift in found.drift] == [
        (one.index, "unexpected", other)
    ]


def test_what_is_offered_and_present() -> None:
    lines = frozenset({extra_indexes.OFFERED[-1].line})
    described = extra_indexes.describe(lines, CATALOGUE, HEAD)
    assert [one["name"] for one in described] == NAMES
    assert [one["name"] for one in described if one["present"]] == NAMES[-1:]
    assert extra_indexes.describe(frozenset(), CATALOGUE, None) == []
    first = {one["name"] for one in extra_indexes.describe(frozenset(), CATALOGUE, "451aebb31d03")}
    assert first == {one.name for one in extra_indexes.OFFERED if one.since == "initial"}
    auth = catalogue.load("auth")
    assert extra_indexes.describe(extra_indexes.LINES, auth, auth.revisions[-1].revision) == []


def test_statements() -> None:
    made = {one.name: one.make for one in extra_indexes.OFFERED}
    assert made["runs"] == (
        "CREATE INDEX mlflow_ops_runs ON runs (`lifecycle_stage`, `experiment_id`, `start_time` desc) "
        "ALGORITHM=INPLACE LOCK=NONE"
    )
    assert (
        made["tags"]
        == "CREATE INDEX mlflow_ops_tags ON tags (`key`, `value`(64)) ALGORITHM=INPLACE LOCK=NONE"
    )


def test_no_room() -> None:
    mib = extra_indexes.MIB
    one = extra_indexes.OFFERED[0]
    tables = {one.table: Table(9, 100 * mib)}
    assert extra_indexes.no_room([one], tables, None) is None
    assert extra_indexes.no_room([], tables, 0) is None
    assert extra_indexes.no_room([one], tables, 164 * mib) is None
    problem = extra_indexes.no_room([one], tables, 163 * mib)
    assert problem and problem.startswith(
        f"163 MiB are free in the data directory's file system, and {one.index}"
    )
    assert "164 MiB" in problem


def test_the_manuals_name_every_one() -> None:
    spec = yaml.safe_load((ROOT / "roles/mlflow_schema/meta/argument_specs.yml").read_text(encoding="utf-8"))
    options: list[Any] = [yaml.safe_load(mlflow_schema.DOCUMENTATION)["options"]["extra_indexes"]]
    options += [
        spec["argument_specs"][entry]["options"]["mlflow_schema_extra_indexes"]
        for entry in ("main", "upgrade")
    ]
    for option in options:
        assert option["choices"] == NAMES
        text = " ".join(option["description"])
        for one in extra_indexes.OFFERED:
            assert f"V({one.name}) is on C({one.table}) ({', '.join(one.on)})" in text
