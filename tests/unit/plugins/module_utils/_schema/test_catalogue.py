# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of MLflow's schema, and what is made of a schema that stands anywhere in it."""

from __future__ import annotations

from itertools import combinations

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    catalogue as schema_catalogue,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import live as schema_live
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import state as schema_state
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.comparison import (
    compare,
    split_name,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.live import LiveSchema, Table

TEXT = """\
revision initial
title the tables before the first revision
kinds additive
sql CREATE TABLE runs (id INTEGER)
+ column runs.id int null
+ table runs InnoDB

revision aaaa
title a title that goes on
    in the next line
kinds additive data
computed
sql ALTER TABLE runs ADD COLUMN name VARCHAR(9)
+ column runs.name varchar(9) null
data UPDATE runs SET name = id

revision bbbb
title narrower
kinds rebuild
sql ALTER TABLE runs MODIFY name VARCHAR(5)
- column runs.name varchar(9) null
+ column runs.name varchar(5) null

release aaaa 1.0.0rc0 1.0.0 1.1.0
release bbbb 1.2.0 1.3.0rc0
variant check runs (`id` in (1,2)) named old_name
"""

HEADS = {
    "1.0.0": "90e64c465722",
    "1.30.0": "97727af70f4d",
    "2.5.0": "7f2a7d5fae7d",
    "2.12.2": "acf3f17fdcc7",
    "2.22.4": "0584bdc529eb",
    "3.1.0": "6953534de441",
    "3.5.1": "bf29a5ff90ea",
    "3.8.0": "1bd49d398cd23",
    "3.17.0": "dc11669786a5",
    "3.18.0": "f4a9b2c7d1e6",
}


def live(lines: frozenset[str], *versions: str) -> LiveSchema:
    """A store whose tables are those of `lines`, all in one collation."""
    names = {schema_catalogue.table_of(line) for line in lines if line.startswith("table ")}
    return LiveSchema(lines, {name: Table(0, 0) for name in names}, "utf8mb4_0900_bin")


def test_parse() -> None:
    found = schema_catalogue.parse("tracking", TEXT)
    assert [entry.revision for entry in found.revisions] == ["initial", "aaaa", "bbbb"]
    second = found.revisions[1]
    assert second.title == "a title that goes on in the next line"
    assert second.kinds == ("additive", "data")
    assert second.computed and not found.revisions[2].computed
    assert [statement.data for statement in second.statements] == [False, True]
    assert second.tables == ("runs",)
    assert found.revisions[0].made_tables == ("runs",)
    assert found.schema("bbbb") == {
        "table runs InnoDB",
        "column runs.id int null",
        "column runs.name varchar(5) null",
    }
    assert found.mlflow_versions("aaaa") == ["1.0.0", "1.1.0"]
    assert found.first_release("aaaa") == "1.0.0"
    assert found.first_release("bbbb") == "1.2.0"
    assert found.newest_release == "1.2.0"
    assert found.variants == {"check runs (`id` in (1,2))": frozenset({"old_name"})}


@pytest.mark.parametrize("version", HEADS)
def test_heads(version: str) -> None:
    assert schema_catalogue.load().releases[version] == HEADS[version]


def test_every_release_and_revision_is_there() -> None:
    catalogue = schema_catalogue.load()
    assert len(catalogue.revisions) == 71  # with the tables before the first revision
    assert set(catalogue.releases.values()) <= {entry.revision for entry in catalogue.revisions}
    tables = [line for line in catalogue.schema("f4a9b2c7d1e6") if line.startswith("table ")]
    assert len(tables) == 71
    for entry in catalogue.revisions:
        assert entry.kinds and set(entry.kinds) <= {"additive", "keys", "rebuild", "data", "destructive"}
        assert entry.title


@pytest.mark.parametrize("app", ["tracking", "auth"])
def test_each_revision_is_whole_and_no_other(app: str) -> None:
    catalogue = schema_catalogue.load(app)
    head = catalogue.revisions[-1].revision
    for entry in catalogue.revisions:
        if entry.revision == schema_catalogue.INITIAL:
            continue
        schema = live(catalogue.schema(entry.revision))
        found = schema_state.examine(schema, [entry.revision], catalogue, entry.revision, "MLflow")
        assert (found.state, found.drift) == ("current", []), entry.revision
        ahead = schema_state.examine(schema, [entry.revision], catalogue, head, "MLflow")
        assert ahead.state == ("current" if entry.revision == head else "behind")


@pytest.mark.parametrize("app", ["tracking", "auth"])
def test_every_point_of_every_revision_is_recognised(app: str) -> None:
    catalogue = schema_catalogue.load(app)
    head = catalogue.revisions[-1].revision
    points = 0
    before: frozenset[str] = frozenset()
    parent = None
    for entry in catalogue.revisions:
        for count in range(1, len(entry.statements) + 1):
            lines = entry.after(before, range(count))
            points += 1
            if entry.revision == schema_catalogue.INITIAL or parent in (None, schema_catalogue.INITIAL):
                continue
            found = schema_state.examine(live(lines), [str(parent)], catalogue, head, "MLflow")
            if not compare(before, lines, "utf8mb4_0900_bin", catalogue):
                assert found.state == "behind", (entry.revision, count)
                continue
            if {n for n in range(count) if not entry.statements[n].data} <= entry.ahead:
                # MLflow makes these ahead, and goes on from there: see `test_columns_that_mlflow_makes_ahead`.
                assert (found.state, found.half_applied, found.drift) == ("behind", None, [])
                assert found.schema == lines
                continue
            assert found.state == "half_applied", (entry.revision, count, found.message)
            assert found.half_applied is not None
            assert found.half_applied.revision.revision == entry.revision
            assert found.drift == []
            # What is taken to be done has exactly this schema.
            assert entry.after(before, found.half_applied.numbers) == lines, (entry.revision, count)
        before = entry.after(before, range(len(entry.statements)))
        parent = entry.revision
    assert points > (300 if app == "tracking" else 20)


@pytest.mark.parametrize("wanted", ["b7e2c1a4d9f3", "dc11669786a5"])
def test_columns_that_mlflow_makes_ahead(wanted: str) -> None:
    """A store that `mlflow db prepopulate-trace-analytics` was run on is none that a migration was interrupted on."""
    catalogue = schema_catalogue.load()
    next_one = catalogue.revisions[catalogue.position("75868b020152")]
    before = catalogue.schema("b7e2c1a4d9f3")
    state = "current" if wanted == "b7e2c1a4d9f3" else "behind"
    for count in range(1, 21):
        lines = next_one.after(before, range(count))
        found = schema_state.examine(live(lines), ["b7e2c1a4d9f3"], catalogue, wanted, "MLflow")
        assert (found.state, found.half_applied, found.drift) == (state, None, []), count
        assert (
            f"has {'all' if count == 20 else f'{count} of the 20'} columns of the next revision"
            in found.message
        )
        assert "repair" not in found.message
    # What somebody changed besides is named, and only that.
    changed = lines - {"column spans.model_name varchar(500) null"} | {"column spans.model_name text null"}
    found = schema_state.examine(live(changed), ["b7e2c1a4d9f3"], catalogue, wanted, "MLflow")
    assert (found.state, [(d.name, d.problem) for d in found.drift]) == (
        "drifted",
        [("model_name", "changed")],
    )
    # The first statement that the command does not do is one of a migration.
    lines = next_one.after(before, range(25))
    found = schema_state.examine(live(lines), ["b7e2c1a4d9f3"], catalogue, wanted, "MLflow")
    assert found.state == "half_applied"


@pytest.mark.parametrize("named", ["DC11669786A5", "dc11669786A5", " dc11669786a5", "dc11669786a5 "])
def test_a_revision_in_another_case(named: str) -> None:
    """MLflow compares it letter by letter, and a newer MLflow did not write it."""
    catalogue = schema_catalogue.load()
    schema = live(catalogue.schema("dc11669786a5"))
    found = schema_state.examine(schema, [named], catalogue, "dc11669786a5", "MLflow")
    assert (found.state, found.revision, found.pending) == ("drifted", named, ())
    assert [(d.kind, d.table, d.problem) for d in found.drift] == [("row", "alembic_version", "changed")]
    assert "newer" not in found.message and "SET version_num = 'dc11669786a5'" in found.message


def test_a_name_in_a_text_is_none() -> None:
    clause = "check runs (`name` <> 'a named b')"
    assert split_name(clause) == (clause, "", "")
    assert split_name(f"{clause} #2") == (clause, "", " #2")
    assert split_name(f"{clause} named mine #2") == (clause, "mine", " #2")
    assert split_name("index runs ((concat(`a`,' named b'))) named c") == (
        "index runs ((concat(`a`,' named b')))",
        "c",
        "",
    )


def test_the_indexes_of_a_table_may_be_made_in_any_order() -> None:
    catalogue = schema_catalogue.load()
    head = catalogue.revisions[-1].revision
    tried = 0
    for position, entry in enumerate(catalogue.revisions[2:], 2):
        parent = catalogue.revisions[position - 1].revision
        before = catalogue.schema(parent)
        runs: dict[int, list[int]] = {}
        for number in range(1, len(entry.statements)):
            start = next((s for s in range(1, number + 1) if entry.same_run(s, number)), None)
            if start is not None:
                runs.setdefault(start, []).append(number)
        for start, numbers in runs.items():
            for chosen in (c for size in range(1, len(numbers)) for c in combinations(numbers, size)):
                done = entry.after(before, range(start))
                made = {line for number in chosen for line in entry.statements[number].added}
                # What MySQL made for a foreign key goes with the first index that can take its place.
                gone = {
                    line for line in done if line in entry.replaced and schema_catalogue.covered(line, made)
                }
                lines = (done | made) - gone
                found = schema_state.examine(live(lines), [parent], catalogue, head, "MLflow")
                assert found.state == "half_applied", (entry.revision, chosen, found.message)
                assert found.drift == [], (entry.revision, chosen)
                assert found.half_applied is not None
                assert {*range(start), *chosen} == found.half_applied.numbers, (entry.revision, chosen)
                tried += 1
    assert tried > 50


def test_names_that_the_server_chose_are_no_difference() -> None:
    catalogue = schema_catalogue.load()
    one = frozenset({"check runs (`x` in (1)) named status", "foreign key a (b) -> c (d)"})
    other = frozenset({"check runs (`x` in (1))", "foreign key a (b) -> c (d) named given"})
    assert compare(one, other, None, catalogue) == []
    assert compare(one, frozenset({"check runs (`x` in (1)) named else"}), None, catalogue)


def test_a_collation_that_the_store_has_anyway_is_no_difference() -> None:
    catalogue = schema_catalogue.load()
    wanted = frozenset({"column a.b varchar(1) null collate utf8mb4_bin"})
    assert compare(wanted, frozenset({"column a.b varchar(1) null"}), "utf8mb4_bin", catalogue) == []
    assert compare(wanted, frozenset({"column a.b varchar(1) null"}), "utf8mb4_0900_bin", catalogue)


@pytest.mark.parametrize("charset", ["utf8mb4", "latin1", "cp1251", "koi8r", "gb18030", "utf16le", "utf8"])
def test_texts_in_clauses_are_of_no_character_set(charset: str) -> None:
    """MySQL writes that of the connection, or of the column that they are compared with."""
    clause = f"(`a` in (_{charset}\\'x\\',_{charset}\\'_{charset} y\\'))"
    assert schema_live._expression(clause) == f"(`a` in ('x','_{charset} y'))"


def test_foreign_keys_that_replace_one_on_the_same_columns() -> None:
    """Whose rows were checked already: not those with other columns, or with columns that are compared otherwise."""
    catalogue = schema_catalogue.load()
    found = {
        entry.revision: sorted(entry.statements[n].sql.split()[2] for n in entry.replaced_keys)
        for entry in catalogue.revisions
        if entry.replaced_keys
    }
    assert found == {
        "5b0e9adcef9c": ["trace_request_metadata", "trace_tags"],
        "0584bdc529eb": ["datasets"],
        "6f8d9c3b2a1e": ["trace_info"],
    }
