# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done of migrations before writers are locked out, and what a store is taken for in which it was."""

from __future__ import annotations

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import ahead as schema_ahead
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    catalogue as schema_catalogue,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import state as schema_state
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.catalogue import Catalogue
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.comparison import compare
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.live import LiveSchema, Table

COLLATION = "utf8mb4_0900_bin"
STARTS = [
    (app, entry.revision)
    for app in ("tracking", "auth")
    for entry in schema_catalogue.load(app).revisions[:-1]
    if entry.revision != schema_catalogue.INITIAL
]


def examine(
    catalogue: Catalogue, revision: str, lines: frozenset[str], since: str | None = None
) -> schema_state.Examination:
    """What a store is taken for in which something was done ahead at the revision `since`."""
    head = catalogue.revisions[-1].revision
    live = LiveSchema(
        lines | {f"table {schema_ahead.PREPARED} InnoDB"},
        {schema_ahead.PREPARED: Table(1, 16384)},
        COLLATION,
        prepared=(since or revision,),
    )
    return schema_state.examine(live, [revision], catalogue, head, "MLflow")


@pytest.mark.parametrize(("app", "revision"), STARTS[::3])
def test_a_prepared_store_is_behind_and_whole(app: str, revision: str) -> None:
    catalogue = schema_catalogue.load(app)
    wanted = schema_ahead.possible(catalogue, revision, catalogue.revisions[-1].revision)
    lines = schema_ahead.after(catalogue, catalogue.schema(revision), wanted)
    found = examine(catalogue, revision, lines)
    assert (found.state, found.drift, found.half_applied) == ("behind", [], None), found.message
    assert found.ahead == wanted and found.schema == lines
    assert not wanted or "done ahead" in found.message


@pytest.mark.parametrize(("app", "revision"), STARTS[::4])
def test_migrations_come_to_the_same_end(app: str, revision: str) -> None:
    """What was left, done in its order, leads over every revision to MLflow's own schema."""
    catalogue = schema_catalogue.load(app)
    wanted = schema_ahead.possible(catalogue, revision, catalogue.revisions[-1].revision)
    lines = schema_ahead.after(catalogue, catalogue.schema(revision), wanted)
    for entry in catalogue.revisions[catalogue.position(revision) + 1 :]:
        done = wanted.get(entry.revision, frozenset())
        lines = entry.after(lines, [n for n in range(len(entry.statements)) if n not in done])
        position = catalogue.position(entry.revision)
        later = {name: numbers for name, numbers in wanted.items() if catalogue.position(name) > position}
        expected = schema_ahead.after(catalogue, catalogue.schema(entry.revision), later)
        assert not compare(expected, lines, COLLATION, catalogue), entry.revision
        found = examine(catalogue, entry.revision, lines, revision)
        assert found.ahead == later
        assert found.state in ("behind", "current") and not found.drift, found.message
    assert not compare(catalogue.schema(catalogue.revisions[-1].revision), lines, COLLATION, catalogue)


@pytest.mark.parametrize(("app", "revision"), STARTS[::12])
def test_a_run_that_was_killed_is_known_at_every_statement(app: str, revision: str) -> None:
    catalogue = schema_catalogue.load(app)
    head = catalogue.revisions[-1].revision
    wanted = schema_ahead.possible(catalogue, revision, head)
    lines = catalogue.schema(revision)
    done: dict[str, frozenset[int]] = {}
    for entry in catalogue.revisions:
        for number in sorted(wanted.get(entry.revision, ())):
            lines = entry.after(lines, [number])
            done[entry.revision] = done.get(entry.revision, frozenset()) | {number}
            found = examine(catalogue, revision, lines)
            assert (found.state, found.drift) == ("behind", []), (entry.revision, number, found.message)
            assert found.ahead == done


@pytest.mark.parametrize(("app", "revision"), STARTS[::3])
def test_an_interrupted_migration_of_a_prepared_store_is_known(app: str, revision: str) -> None:
    catalogue = schema_catalogue.load(app)
    wanted = schema_ahead.possible(catalogue, revision, catalogue.revisions[-1].revision)
    before = lines = schema_ahead.after(catalogue, catalogue.schema(revision), wanted)
    entry = catalogue.revisions[catalogue.position(revision) + 1]
    own = wanted.get(entry.revision, frozenset())
    for number, statement in enumerate(entry.statements):
        if number in own or statement.data:
            continue
        lines = entry.after(lines, [number])
        found = examine(catalogue, revision, lines)
        if not compare(before, lines, COLLATION, catalogue):
            assert found.state == "behind"
            continue
        assert found.half_applied is not None and not found.drift, (entry.revision, number, found.message)
        assert own <= found.half_applied.numbers and found.half_applied.revision == entry
        assert entry.after(before, found.half_applied.numbers) == lines


def test_what_is_left_for_its_place() -> None:
    """From MLflow 3.8 to 3.17: what is long with many rows is done ahead, and no rule for rows that are there."""
    catalogue = schema_catalogue.load()
    wanted = schema_ahead.possible(catalogue, "1bd49d398cd23", "dc11669786a5")
    done = [
        statement.sql
        for entry in catalogue.revisions
        for number, statement in enumerate(entry.statements)
        if number in wanted.get(entry.revision, ())
    ]
    left = [
        statement.sql
        for entry in catalogue.revisions
        for number, statement in enumerate(entry.statements)
        if entry.revision in wanted and number not in wanted[entry.revision]
    ]
    for name in (
        "index_metrics_run_uuid_key_step",
        "idx_spans_cost_exp_time_cover",
        "sql_span_cost_daily_rollups",
    ):
        assert any(name in sql for sql in done)
    for sql in (
        "DROP INDEX name",
        "ADD CONSTRAINT uq_experiments_workspace_name UNIQUE",
        "MODIFY is_numeric_value",
    ):
        assert any(sql in one for one in left) and not any(sql in one for one in done)
    # Of a head further down, nothing more.
    nearer = schema_ahead.possible(catalogue, "1bd49d398cd23", "d3e4f5a6b7c8")
    assert nearer and all(wanted[name] == numbers for name, numbers in nearer.items())


def test_it_is_mysql_that_refuses_to_keep_writers_out() -> None:
    catalogue = schema_catalogue.load()
    wanted = schema_ahead.possible(catalogue, "1bd49d398cd23", "dc11669786a5")
    said = {
        schema_ahead.online(entry.statements[number], {"endpoints", "label_schemas"})
        for entry in catalogue.revisions
        for number in wanted.get(entry.revision, ())
    }
    assert "ALTER TABLE jobs ADD COLUMN status_details JSON, ALGORITHM=INSTANT" in said
    assert (
        "CREATE INDEX index_metrics_run_uuid_key_step ON metrics (run_uuid, `key`, step) ALGORITHM=INPLACE LOCK=NONE"
        in said
    )
    # In a table that nobody knows nobody is kept out.
    assert "CREATE INDEX index_label_schemas_experiment_id ON label_schemas (experiment_id)" in said


def test_only_on_purpose() -> None:
    """The same schema without the record is that of an interrupted migration, which MLflow cannot go on from."""
    catalogue = schema_catalogue.load()
    wanted = schema_ahead.possible(catalogue, "bf29a5ff90ea", "1bd49d398cd23")
    lines = schema_ahead.after(catalogue, catalogue.schema("bf29a5ff90ea"), wanted)
    found = schema_state.examine(
        LiveSchema(lines, {}, COLLATION), ["bf29a5ff90ea"], catalogue, "1bd49d398cd23", "MLflow"
    )
    assert found.state == "half_applied" and not found.ahead
