# SPDX-License-Identifier: GPL-3.0-or-later
"""What pending migrations need of rows, worked out of the catalogue. tests/integration shows that MySQL wants it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import blockers
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    catalogue as schema_catalogue,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    demands as schema_demands,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.catalogue import (
    Revision,
    Statement,
)

START = """\
column a.id int not null
column a.name varchar(20) null
column a.kind varchar(20) null
column a.parent int null
column b.id int not null
primary key a (id)
primary key b (id)
table a InnoDB
table b InnoDB"""


def statement(sql: str, removed: str = "", added: str = "", data: bool = False) -> Statement:
    return Statement(sql, frozenset(removed.splitlines()), frozenset(added.splitlines()), data)


def demands(*statements: Statement) -> list[tuple[Any, ...]]:
    """Of one revision after `START`: kind, table, columns, and what else there is to know."""
    revision = Revision("new", "", (), False, statements)
    found = schema_demands.demands_of([(revision, statements)], frozenset(START.splitlines()))
    assert all(one.revision == "new" for one in found)
    return [
        (
            one.kind,
            one.table,
            *(value.literal or value.name for value in one.values),
            *filter(None, (one.parent, one.length, one.clause)),
        )
        for one in found
    ]


NAME, KIND = "column a.name varchar(20) null", "column a.kind varchar(20) null"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        # References of a new foreign key, and of every other one where MySQL copies the table.
        ([("x", "", "foreign key a (parent) -> b (id)")], [("reference", "a", "parent", "b")]),
        (
            [("x", "", "foreign key a (parent) -> b (id)"), ("x", NAME, "column a.name text null")],
            [("reference", "a", "parent", "b")],
        ),
        ([("x", "", "column a.other int null\nforeign key a (other) -> b (id)")], []),
        ([("x", "", "table c InnoDB\ncolumn c.id int null\nforeign key c (id) -> b (id)")], []),
        # A column that has the same value in every row counts as that value.
        (
            [
                ("x", "", "column a.w varchar(9) not null default 'd'"),
                ("x", "", "column b.w varchar(9) not null default 'd'"),
                ("x", "", "foreign key a (w, parent) -> b (w, id)"),
            ],
            [("reference", "a", "parent", "b")],
        ),
        ([("x", NAME, "column a.name varchar(9) null")], [("length", "a", "name", 9)]),
        ([("x", NAME, "column a.name varchar(40) null")], []),
        ([("x", NAME, "column a.name text null")], []),
        ([("x", NAME, "column a.name varchar(20) not null")], [("not_null", "a", "name")]),
        # Rows that the migration writes before are its own to know.
        (
            [
                ("UPDATE a SET name = 'x', kind=? WHERE name IS NULL", "", "", True),
                ("x", NAME, "column a.name varchar(20) not null"),
                ("x", KIND, "column a.kind varchar(20) not null"),
            ],
            [],
        ),
        (
            [
                ("ALTER TABLE a CHANGE name title VARCHAR(9)", NAME, "column a.title varchar(9) null"),
                ("x", "", "unique a (title)"),
            ],
            [("length", "a", "name", 9), ("unique", "a", "name")],
        ),
        ([("x", "", "unique a (name, kind)")], [("unique", "a", "name", "kind")]),
        ([("x", "", "unique a (name(5))")], [("unique", "a", "name")]),
        # What is unique already is so with more columns.
        ([("x", "", "unique a (name, id)")], []),
        (
            [("x", "", "unique a (name)"), ("x", "", "unique a (kind, name) named u")],
            [("unique", "a", "name")],
        ),
        (
            [("x", "", "check a (`kind` in ('A','B')) named k")],
            [("check", "a", "kind", "(`kind` in ('A','B'))")],
        ),
        ([("x", "", "check a (`kind` <> 'A') named k not enforced")], []),
    ],
)
def test_demands(statements: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> None:
    assert demands(*(statement(*one) for one in statements)) == expected


def test_every_revision() -> None:
    """A new release of MLflow comes with its own: see whether they are all that it needs, and right."""
    found = {}
    for app in ("tracking", "auth"):
        before: frozenset[str] = frozenset()
        for entry in schema_catalogue.load(app).revisions:
            for one in schema_demands.demands_of([(entry, entry.statements)], before):
                columns = "+".join(value.name for value in one.values)
                key = f"{one.table} {columns}" + (f" {one.parent}" if one.parent else "")
                found.setdefault(entry.revision, []).append(f"{one.kind} {key}")
            before = entry.after(before, range(len(entry.statements)))
    metrics, runs = "reference metrics run_uuid runs", "reference runs experiment_id experiments"
    latest = "reference latest_metrics run_uuid runs"
    assert found == {
        "451aebb31d03": [metrics],
        "90e64c465722": ["fact runs run_uuid"],
        "181f10493468": [metrics],
        "89d4b8295536": [metrics],
        "cfd24bdc0731": ["length runs status", runs, "check runs status"],
        "39d1c3be5f05": [latest, "check latest_metrics is_nan", metrics, "check metrics is_nan"],
        "c48cb773bb87": [metrics, "check metrics is_nan"],
        "5b0e9adcef9c": [
            "reference trace_tags request_id trace_info",
            "reference trace_request_metadata request_id trace_info",
        ],
        "4465047574b1": ["reference datasets experiment_id experiments"],
        "0584bdc529eb": ["reference datasets experiment_id experiments"],
        "bda7b8c39065": ["reference model_version_tags name+version model_versions"],
        "1b5f0d9ad7c1": [
            "reference model_versions name registered_models",
            "reference registered_model_tags name registered_models",
            "reference model_version_tags name+version model_versions",
            "reference registered_model_aliases name registered_models",
        ],
        "6f8d9c3b2a1e": ["reference trace_info experiment_id experiments"],
        "17e22815139b": ["reference experiment_tags experiment_id experiments"],
        "75868b020152": [
            "reference spans trace_id trace_info",
            "reference assessments trace_id trace_info",
            "fact spans trace_id+span_id",
        ],
        "8b6ad64cb8f5": ["fact issues issue_id"],
        "f4a9b2c7d1e6": [
            "fact mcp_server_version_tags workspace+name+version",
            "fact mcp_server_aliases workspace+name+version",
            "fact mcp_access_endpoints workspace+server_name+server_version",
            "reference mcp_server_versions workspace+name mcp_servers",
            "reference mcp_server_version_tags workspace+name+version mcp_server_versions",
        ],
    }


@pytest.mark.parametrize("app", ["tracking", "auth"])
def test_nothing_is_asked_of_what_is_not_there_yet(app: str) -> None:
    """Whatever revision a store is at, all that is read of it is in it."""
    catalogue = schema_catalogue.load(app)
    for number, entry in enumerate(catalogue.revisions):
        before = catalogue.schema(entry.revision)
        columns = set(schema_demands.columns_of(before))
        tables = {table for table, _name in columns}
        steps = [(one, one.statements) for one in catalogue.revisions[number + 1 :]]
        for one in schema_demands.demands_of(steps, before):
            named = [value.name for value in one.values if value.literal is None]
            named += re.findall(r"\bc\.(\w+)", one.clause)
            assert {(one.table, name) for name in named} <= columns, (entry.revision, one)
            others = [value.name for value in one.others if value.literal is None]
            assert {(one.parent, name) for name in others} <= columns, (entry.revision, one)
            assert set(re.findall(r"\{database\}\.`(\w+)`", one.clause)) <= tables


def test_keys_of_other_databases_foreign_keys() -> None:
    catalogue = schema_catalogue.load()
    first, head = catalogue.position("bf29a5ff90ea"), catalogue.revisions[-1].revision
    steps = [(entry, entry.statements) for entry in catalogue.revisions[first + 1 :]]
    before = catalogue.schema("bf29a5ff90ea")
    assert schema_demands.keys_lost(steps, before, "registered_models", ["name"]) == "1b5f0d9ad7c1"
    assert schema_demands.keys_lost(steps, before, "runs", ["run_uuid"]) is None
    assert schema_demands.keys_lost([], catalogue.schema(head), "registered_models", ["name"]) is None


@pytest.mark.parametrize(
    ("row_format", "options", "parts", "refused"),
    [
        ("dynamic", "", [3000], False),
        ("compact", "row_format=compact", [768], True),
        ("redundant", "", [252, 768], True),
        ("compact", "", [760, 760], False),
        ("compressed", "row_format=compressed key_block_size=8", [1000, 1000], False),
        ("compressed", "row_format=compressed key_block_size=4", [1000, 1000], True),
        ("compressed", "row_format=compressed key_block_size=4", [1000], False),
        ("compressed", "row_format=compressed key_block_size=2", [1000], True),
        ("compressed", "row_format=compressed", [1000, 1000], False),
    ],
)
def test_row_formats(row_format: str, options: str, parts: list[int], refused: bool) -> None:
    assert blockers.no_room(row_format, options, parts) is refused
