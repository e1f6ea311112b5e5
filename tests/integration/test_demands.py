# SPDX-License-Identifier: GPL-3.0-or-later
"""What migrations need of the rows that are there, and of their server, is what the real MySQL refuses them without."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pymysql
import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import query
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    blockers as schema_blockers,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import catalogue
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    demands as schema_demands,
)
from conftest import MySQL, RunModule
from default_versions import MLFLOW

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import fill_tables

DATABASE = "demands"
VIRTUALENV = os.environ.get("MLFLOW_VIRTUALENV", sys.prefix)
CATALOGUE = catalogue.load()
ON_TABLE = re.compile(r"ALTER TABLE (\w+) |(?:CREATE (?:UNIQUE )?|DROP )INDEX \S+ ON (\w+)")


@pytest.fixture
def connection(clean: MySQL) -> Iterator[Any]:
    """root in an empty database."""
    clean.execute(f"CREATE DATABASE {DATABASE} COLLATE utf8mb4_0900_bin")
    with closing(clean.root()) as one:
        one.select_db(DATABASE)
        query(one, "SET SESSION information_schema_stats_expiry = 0")
        yield one


def refusal(connection: Any, statement: str) -> int:
    """The number of the error that a statement ends with, 0 if with none."""
    try:
        query(connection, statement)
    except pymysql.err.MySQLError as error:
        return int(error.args[0])
    return 0


def orphans(connection: Any, table: str) -> None:
    """Rows that refer to nothing."""
    query(connection, "SET foreign_key_checks = 0")
    fill_tables.fill_table(connection, DATABASE, table, *described(connection, table), fill_tables.ROWS)
    query(connection, "SET foreign_key_checks = 1")


def described(connection: Any, table: str) -> tuple[Any, ...]:
    """The columns of a table, no targets, and what its checks allow, as `fill_tables` has them."""
    columns = [
        # None of them is taken for one that may be empty: what is asked of NOT NULL comes later.
        (name, kind, default is not None or "auto_increment" in extra or extra.endswith(" GENERATED"), False)
        for name, kind, default, extra in query(
            connection,
            "SELECT column_name, column_type, column_default, extra FROM information_schema.columns "
            "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
            DATABASE,
            table,
        )
    ]
    choices = {}
    for (clause,) in query(
        connection,
        "SELECT c.check_clause FROM information_schema.check_constraints c JOIN information_schema.table_constraints t "
        "USING (constraint_schema, constraint_name) WHERE c.constraint_schema = %s AND t.table_name = %s",
        DATABASE,
        table,
    ):
        found = re.match(r"\(`(\w+)` in \((.*)\)\)$", str(clause).replace("\\'", "'"))
        if found:
            choices[table, found.group(1)] = re.findall(r"'([^']*)'", found.group(2))
    return columns, {}, choices


def empty(connection: Any, table: str) -> None:
    query(connection, "SET foreign_key_checks = 0")
    query(connection, f"DELETE FROM {table}")
    query(connection, "SET foreign_key_checks = 1")


def test_every_statement_of_every_revision(connection: Any) -> None:
    """Each fails for orphans, and for a row format, exactly where that is said before; the remedies end it."""
    seen = {"orphans": 0, "formats": 0, "none": 0}
    lines: frozenset[str] = frozenset()
    for number, entry in enumerate(CATALOGUE.revisions):
        # Whatever is asked of a store at any revision can be.
        pending = [(one, one.statements) for one in CATALOGUE.revisions[number:]]
        assert (
            schema_demands.read_violations(connection, DATABASE, schema_demands.demands_of(pending, lines))
            == []
        )
        for statement in entry.statements:
            if statement.data:
                continue
            step = [(entry, [statement])]
            found = ON_TABLE.match(statement.sql)
            table = (found[1] or found[2]) if found else None
            here = lines
            lines = (lines - statement.removed) | statement.added
            if table is None:
                query(connection, statement.sql)
                continue
            done = False
            keys = [parts for _revision, _table, parts in schema_demands.keys_made(step, here)]
            if keys and not refusal(connection, f"ALTER TABLE {table} ROW_FORMAT=COMPACT"):
                wanted = any(schema_blockers.no_room("compact", "", parts) for parts in keys)
                error = refusal(connection, statement.sql)
                assert error == (1071 if wanted else 0), (entry.revision, statement.sql)
                seen["formats"] += wanted
                done = error == 0
                query(connection, f"ALTER TABLE {table} ROW_FORMAT=DYNAMIC")
            demands = [d for d in schema_demands.demands_of(step, here) if d.kind == schema_demands.REFERENCE]
            demands = [d for d in demands if d not in schema_demands.FACTS.get(entry.revision, ())]
            refers = any(line.startswith(f"foreign key {table} ") for line in here | lines)
            if refers and not done:
                orphans(connection, table)
                violations = schema_demands.read_violations(connection, DATABASE, demands)
                assert [one.rows for one in violations] == [fill_tables.ROWS] * len(demands)
                error = refusal(connection, statement.sql)
                assert error == (1452 if demands else 0), (entry.revision, statement.sql)
                seen["orphans" if demands else "none"] += 1
                if error:
                    for delete in (
                        d for one in demands for d in schema_blockers.deletes(DATABASE, one, here)
                    ):
                        query(connection, delete)
                    assert query(connection, f"SELECT COUNT(*) FROM {table}") == [(0,)]
                done = error == 0
                empty(connection, table)
            if not done:
                query(connection, statement.sql)
    assert seen["orphans"] >= 18 and seen["formats"] >= 5 and seen["none"] >= 50, seen


def make(connection: Any, revision: str) -> None:
    """The schema at `revision`, of the catalogue."""
    for entry in CATALOGUE.revisions[: CATALOGUE.position(revision) + 1]:
        for statement in entry.statements:
            if not statement.data:
                query(connection, statement.sql)
    query(connection, "INSERT INTO alembic_version VALUES (%s)", revision)


@pytest.fixture
def options(mysql: MySQL, tmp_path: Path) -> dict[str, Any]:
    return mysql.options(
        login_user="root", database=DATABASE, virtualenv=VIRTUALENV, mlflow_version=MLFLOW, lock_timeout=5
    )


def blockers(found: Any) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in found["blockers"]}


def info(run_module: RunModule, options: dict[str, Any], **more: Any) -> Any:
    given = {name: value for name, value in options.items() if name not in ("virtualenv", "lock_timeout")}
    found = run_module("mlflow_schema_info", {**given, **more})
    assert not found.failed, found["msg"]
    return found


def test_rows_and_foreign_keys_that_stop_an_upgrade(
    connection: Any, options: dict[str, Any], run_module: RunModule
) -> None:
    """All at once, before anything is changed; and with what their remedies say the upgrade goes through."""
    make(connection, "c8d9e0f1a2b3")
    query(connection, "CREATE DATABASE other")
    query(
        connection,
        f"CREATE TABLE other.kept (name VARCHAR(256) COLLATE utf8mb4_0900_bin, FOREIGN KEY (name) REFERENCES "
        f"{DATABASE}.registered_models (name))",
    )
    query(connection, "INSERT INTO experiments (experiment_id, name) VALUES (1, 'one')")
    query(connection, "SET foreign_key_checks = 0")
    query(
        connection,
        "INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, status) VALUES "
        "('good', 1, 1, 'OK'), ('lost 1', 76, 1, 'OK'), ('lost 2', 77, 1, 'OK'), ('lost 3', 77, 1, 'OK')",
    )
    query(connection, "INSERT INTO trace_tags VALUES ('mlflow.traceName', 'name', 'lost 1')")
    query(connection, "SET foreign_key_checks = 1")
    query(
        connection,
        "INSERT INTO spans (trace_id, experiment_id, span_id, status, start_time_unix_nano, content, "
        "dimension_attributes) VALUES ('good', 1, 's', 'OK', 1, '{}', JSON_OBJECT('mine', 'x'))",
    )
    before = query(connection, "CHECKSUM TABLE trace_info, spans, trace_tags, registered_models")
    found = info(run_module, options)
    assert found["state"] == "behind"
    said = blockers(found)
    assert set(said) == {"orphan_rows", "unfit_rows", "foreign_reference"}
    assert (
        "3 rows of trace_info whose experiment_id is in no row of experiments"
        in said["orphan_rows"]["message"]
    )
    assert "revision 6f8d9c3b2a1e: 76, 77" in said["orphan_rows"]["message"]
    assert "1 row of spans without dimension_attributes that" in said["unfit_rows"]["message"]
    assert "good / s" in said["unfit_rows"]["message"]
    assert (
        "other.kept to registered_models (name), whose key goes in revision 1b5f0d9ad7c1"
        in (said["foreign_reference"]["message"])
    )
    refused = run_module("mlflow_schema", {**options, "state": "upgraded"})
    assert refused.failed and "nothing was changed" in refused["msg"]
    assert all(f"({name})" in refused["msg"] for name in said)
    assert query(connection, "CHECKSUM TABLE trace_info, spans, trace_tags, registered_models") == before
    assert query(connection, "SELECT * FROM alembic_version") == [("c8d9e0f1a2b3",)]
    # With no seconds nothing is said of rows.
    assert set(blockers(info(run_module, options, scan_timeout=0))) == {"foreign_reference"}
    # The real thing fails as is said.
    query(
        connection, "ALTER TABLE registered_models DROP INDEX name, DROP PRIMARY KEY, ADD PRIMARY KEY (name)"
    )
    assert refusal(connection, "ALTER TABLE registered_models DROP PRIMARY KEY") == 1553
    query(connection, "ALTER TABLE registered_models ADD UNIQUE (name)")
    for one in said.values():
        for remedy in one["remedy"].split(": ", 1)[1].split("; "):
            query(connection, remedy)
    assert query(connection, "SELECT request_id FROM trace_info") == [("good",)]
    done = run_module("mlflow_schema", {**options, "state": "upgraded"})
    assert not done.failed, done["msg"]
    assert (done["state"], done["drift"]) == ("current", [])


def test_values_that_stop_an_upgrade(connection: Any) -> None:
    """What only a few old revisions ask."""
    make(connection, "451aebb31d03")
    query(connection, "ALTER TABLE runs DROP CHECK status, DROP CHECK source_type")
    query(connection, "INSERT INTO experiments (experiment_id, name) VALUES (1, 'one')")
    query(
        connection,
        "INSERT INTO runs (run_uuid, experiment_id, status, user_id) VALUES "
        "('a', 1, 'SOMETHING ELSE', REPEAT('u', 251)), ('b', 1, 'KILLED', 'u')",
    )
    schema = CATALOGUE.schema("451aebb31d03")
    steps = [(one, one.statements) for one in CATALOGUE.revisions[2:]]
    violations = schema_demands.read_violations(
        connection, DATABASE, schema_demands.demands_of(steps, schema)
    )
    found = {one["name"]: one for one in schema_blockers.check_rows(DATABASE, violations, schema)}
    assert set(found) == {"long_values", "check_violated", "unfit_rows"}
    assert "1 row of runs whose status is longer than 9" in found["long_values"]["message"]
    assert "wanted by revision cfd24bdc0731: SOMETHING ELSE" in found["check_violated"]["message"]
    assert "user_id of at most 250 characters" in found["unfit_rows"]["message"]
    assert refusal(connection, "ALTER TABLE runs MODIFY status VARCHAR(9) NULL") in (1265, 1406)
    assert refusal(connection, "ALTER TABLE runs ADD CHECK (status IN ('KILLED'))") == 3819
    assert refusal(connection, "INSERT INTO tags VALUES ('mlflow.user', REPEAT('u', 251), 'a')") == 1406
    for name in ("long_values", "unfit_rows"):
        query(connection, found[name]["remedy"].split(": ", 1)[1])
    left = schema_demands.read_violations(connection, DATABASE, schema_demands.demands_of(steps, schema))
    assert [one.demand.kind for one in left] == ["check"]


def test_columns_that_mlflow_makes_ahead(
    connection: Any, mysql: MySQL, options: dict[str, Any], run_module: RunModule
) -> None:
    """`mlflow db prepopulate-trace-analytics` itself, interrupted, to its end, and twice: nothing is half-applied."""
    make(connection, "b7e2c1a4d9f3")
    fill_tables.fill(connection, DATABASE, fill_tables.ROWS)

    def states() -> list[str]:
        found = [info(run_module, options, mlflow_version=version) for version in ("3.16.1", MLFLOW)]
        assert all(one["half_applied"] is None and one["drift"] == [] for one in found)
        assert all("prepopulate-trace-analytics" in one["message"] for one in found), found[0]["message"]
        assert blockers(found[1]) == {}
        return [one["state"] for one in found]

    def prepopulate() -> str:
        password = quote(mysql.root_password, safe="")
        url = f"mysql+pymysql://root:{password}@localhost/{DATABASE}?unix_socket={mysql.socket}"
        done = subprocess.run(
            [sys.executable, "-m", "mlflow", "db", "prepopulate-trace-analytics"],
            env={**os.environ, "MLFLOW_TRACKING_URI": url},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # It was killed when it had made some of the columns.
    for statement in CATALOGUE.revisions[CATALOGUE.position("75868b020152")].statements[:13]:
        query(connection, statement.sql)
    assert states() == ["current", "behind"]
    assert "Traces: scanned=3, updated=3" in prepopulate()
    assert states() == ["current", "behind"]
    assert "Traces: scanned=3, updated=" in prepopulate()
    assert states() == ["current", "behind"]
    rows = query(connection, "SELECT trace_name, session_id FROM trace_info ORDER BY request_id")
    repaired = run_module("mlflow_schema", {**options, "state": "repaired"})
    assert (repaired.failed, repaired["changed"], repaired["applied"]) == (False, False, [])
    done = run_module("mlflow_schema", {**options, "state": "upgraded"})
    assert not done.failed, done["msg"]
    assert (done["state"], done["drift"]) == ("current", [])
    assert query(connection, "SELECT trace_name, session_id FROM trace_info ORDER BY request_id") == rows


def test_what_a_migration_computes_of_traces_is_computed_ahead(
    connection: Any, options: dict[str, Any], run_module: RunModule
) -> None:
    """While the old MLflow goes on, which is at its revision still; and the upgrade finds it done."""
    prepared = {**options, "mlflow_version": MLFLOW, "state": "prepared"}
    make(connection, "0584bdc529eb")
    empty = run_module("mlflow_schema", prepared)
    assert (empty.failed, empty["changed"], empty["prepared"]) == (False, True, None)
    fill_tables.fill(connection, DATABASE, fill_tables.ROWS)
    older = run_module("mlflow_schema", prepared)
    assert older["prepared"]["traces"] == {"scanned": 3, "updated": 3}
    upgraded = run_module("mlflow_schema", {**prepared, "state": "upgraded"})
    assert (upgraded["state"], upgraded["drift"]) == ("current", [])
    query(connection, f"DROP DATABASE {DATABASE}")
    query(connection, f"CREATE DATABASE {DATABASE} COLLATE utf8mb4_0900_bin")
    connection.select_db(DATABASE)
    make(connection, "b7e2c1a4d9f3")
    fill_tables.fill(connection, DATABASE, fill_tables.ROWS)
    before = info(run_module, options, mlflow_version="3.16.1")["state"]
    predicted = run_module("mlflow_schema", prepared, check=True)
    assert predicted["changed"] and not query(connection, "SHOW COLUMNS FROM trace_info LIKE 'trace_name'")
    done = run_module("mlflow_schema", prepared)
    assert not done.failed, done["msg"]
    assert done["changed"] and done["prepared"]["traces"] == {"scanned": 3, "updated": 3}
    assert (done["state"], done["drift"], done["applied"]) == ("behind", [], [])
    assert info(run_module, options, mlflow_version="3.16.1")["state"] == before == "current"
    again = run_module("mlflow_schema", prepared)
    assert again["prepared"]["traces"]["scanned"] == 3
    rows = query(connection, "SELECT trace_name, session_id FROM trace_info ORDER BY request_id")
    upgraded = run_module("mlflow_schema", {**prepared, "state": "upgraded"})
    assert (upgraded["state"], upgraded["drift"]) == ("current", [])
    assert query(connection, "SELECT trace_name, session_id FROM trace_info ORDER BY request_id") == rows
    assert run_module("mlflow_schema", prepared)["changed"] is False


def test_rows_are_looked_at_where_a_migration_left_two_collations(connection: Any) -> None:
    """By a migration that has versions compared by bytes from now on."""
    query(connection, f"ALTER DATABASE {DATABASE} COLLATE utf8mb4_0900_ai_ci")
    make(connection, "dc11669786a5")
    entry = CATALOGUE.revisions[CATALOGUE.position("f4a9b2c7d1e6")]
    schema = CATALOGUE.schema("dc11669786a5")
    # What no value is given for gets the type's own.
    query(connection, "SET foreign_key_checks = 0, sql_mode = ''")
    version = {"workspace": "default", "name": "one", "version": "Beta", "server_json": "{}"}
    times = dict.fromkeys(("created_at", "last_updated_at", "updated_at"), 1)
    alias = {"workspace": "default", "name": "one"}
    for table, row in (
        ("mcp_servers", alias),
        ("mcp_server_versions", version),
        ("mcp_server_aliases", {**alias, "alias": "wrong", "version": "beta"}),
        ("mcp_server_aliases", {**alias, "alias": "right", "version": "Beta"}),
        ("mcp_server_aliases", {**alias, "alias": "none", "version": "gone"}),
    ):
        there = {name for (name, *_more) in query(connection, f"SHOW COLUMNS FROM {table}")}
        values = {**times, "status": "active", **row}
        names = [name for name in values if name in there]
        query(
            connection,
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})",
            *(values[name] for name in names),
        )
    query(connection, "SET foreign_key_checks = 1, sql_mode = DEFAULT")
    for done in range(7):
        found = schema_demands.read_violations(
            connection, DATABASE, schema_demands.demands_of([(entry, entry.statements)], schema)
        )
        found = [one for one in found if one.demand.kind == schema_demands.FACT]
        assert [(one.demand.table, one.rows) for one in found] == [("mcp_server_aliases", 1)], done
        (one,) = schema_blockers.check_rows(DATABASE, found, schema)
        query(connection, entry.statements[done].sql)
    query(connection, one["remedy"].split(": ", 1)[1])
    found = query(connection, "SELECT alias, version FROM mcp_server_aliases ORDER BY alias")
    assert found == [("none", "gone"), ("right", "Beta"), ("wrong", "Beta")]


@pytest.mark.parametrize("row", [None, "97727AF70F4D"])
def test_revision_that_is_none(
    connection: Any, options: dict[str, Any], run_module: RunModule, row: str | None
) -> None:
    """NULL, and one in another case, which no newer MLflow wrote; and nothing else that differs."""
    make(connection, "97727af70f4d")
    if row is None:
        query(connection, "ALTER TABLE alembic_version DROP PRIMARY KEY, MODIFY version_num VARCHAR(32) NULL")
    query(connection, "UPDATE alembic_version SET version_num = %s", row)
    found = info(run_module, options)
    assert (found["state"], "newer" in found["message"]) == ("drifted", False)
    assert "97727af70f4d" in found["message"]
    assert {"alembic_version"} == {one["table"] for one in found["drift"]}
    refused = run_module("mlflow_schema", {**options, "state": "upgraded"})
    assert refused.failed and "nothing was changed" in refused["msg"]


def test_texts_in_definitions(connection: Any, options: dict[str, Any], run_module: RunModule) -> None:
    """Spaces within a text count, and what looks like a name in one is none."""
    make(connection, catalogue.load().releases[MLFLOW])
    query(connection, "ALTER TABLE experiments MODIFY workspace VARCHAR(63) NOT NULL DEFAULT 'default '")
    query(connection, "ALTER TABLE runs ADD CONSTRAINT mine CHECK (name <> 'a named b')")
    query(connection, "ALTER TABLE runs ADD CHECK (user_id <> 'a  named c')")
    query(connection, "ALTER TABLE jobs ADD COLUMN note VARCHAR(9) DEFAULT (CONCAT('a', ' '))")
    found = {(one["table"], one["name"]): one for one in info(run_module, options)["drift"]}
    assert set(found) == {
        ("experiments", "workspace"),
        ("runs", "mine"),
        ("runs", "(`user_id` <> 'a%20%20named c')"),
        ("jobs", "note"),
    }
    workspace = found["experiments", "workspace"]
    assert (workspace["expected"] or "").endswith("default 'default'")
    assert (workspace["actual"] or "").endswith("default 'default%20'")


def test_sizes_and_rows_are_those_of_now(
    connection: Any, mysql: MySQL, options: dict[str, Any], run_module: RunModule
) -> None:
    """information_schema keeps what it said for a day, which no table of this server's is looked at with."""
    make(connection, "451aebb31d03")
    query(connection, "SET SESSION information_schema_stats_expiry = 86400")
    listed = (
        f"SELECT table_rows, data_length FROM information_schema.tables WHERE table_schema = '{DATABASE}' "
        "AND table_name = 'experiments'"
    )
    query(connection, listed)
    query(
        connection,
        "INSERT INTO experiments (name, artifact_location) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 "
        "FROM n WHERE i < 900) SELECT CONCAT(a.i, '-', b.i), REPEAT('x', 200) FROM n a JOIN n b ON b.i <= 20",
    )
    query(connection, "ANALYZE TABLE experiments")
    query(connection, "SET SESSION information_schema_stats_expiry = 86400")
    ((rows, _size),) = query(connection, listed)
    found = {one["name"]: one for one in info(run_module, options)["tables"]}["experiments"]
    assert 9000 < found["rows"] < 36000
    assert found["bytes"] > 4 * 1024 * 1024
    # Where statistics lag behind, as right after a load, the file counts.
    query(
        connection,
        "UPDATE mysql.innodb_table_stats SET clustered_index_size = 1, sum_of_other_index_sizes = 0",
    )
    query(connection, "FLUSH TABLES experiments")
    again = {one["name"]: one for one in info(run_module, options)["tables"]}["experiments"]
    assert again["bytes"] > 4 * 1024 * 1024
