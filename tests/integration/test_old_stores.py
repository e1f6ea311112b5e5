# SPDX-License-Identifier: GPL-3.0-or-later
"""Stores that old MLflow releases wrote, in the character sets and row formats of their time: converted and upgraded.

The dumps lie beside the project, as `../shared/old_stores`.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import catalogue
from conftest import MySQL, RunModule
from default_versions import MLFLOW
from pymysql.constants import CLIENT

DUMPS = Path(__file__).resolve().parents[2].parent / "shared" / "old_stores"
HEAD = catalogue.load().releases[MLFLOW]
OWN = " CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci"
RIGHTS = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, REFERENCES, DROP, TRIGGER"
FORMS = [
    ("1.30.1", "latin1_swedish_ci", "COMPACT"),
    ("1.30.1", "utf8mb3_general_ci", "COMPACT"),
    ("2.9.2", "latin1_swedish_ci", "REDUNDANT"),
    ("2.9.2", "utf8mb3_general_ci", "COMPACT"),
    ("2.9.2", "cp1251_general_ci", "DYNAMIC"),
    ("3.5.1", "utf8mb4_general_ci", "COMPRESSED"),
]
# Rows that refer to nothing, in tables that no later migration needs references of; nor does it mind views.
ORPHANS = (
    "SET foreign_key_checks = 0",
    "INSERT INTO params VALUES ('k', 'v', 'nobody')",
    "INSERT INTO tags VALUES ('k', 'v', 'nobody')",
    "INSERT INTO runs (run_uuid, experiment_id, status, lifecycle_stage) VALUES ('lost', 4711, 'FAILED', 'active')",
    "CREATE DATABASE reports",
    "CREATE VIEW reports.loss AS SELECT r.*, m.value FROM {database}.runs r JOIN {database}.metrics m USING (run_uuid)",
    "CREATE VIEW reports.versions AS SELECT * FROM {database}.model_versions",
)
Rows = dict[str, tuple[list[str], Counter[tuple[Any, ...]]]]


def dump(version: str) -> str:
    """The text of a dump, or the test is left out, and says so."""
    path = DUMPS / f"mlflow_{version.replace('.', '_')}.sql"
    if not path.exists():
        about = f"there is no {path}: the stores of old releases were NOT converted"
        warnings.warn(about, stacklevel=2)
        pytest.skip(about)
    return path.read_text(encoding="utf-8")


def load(server: MySQL, version: str, collation: str, row_format: str) -> str:
    """Load a dump as it would be of a server with these defaults. Returns the database's name."""
    text = dump(version)
    name = "old_" + version.replace(".", "_")
    charset = collation.split("_", maxsplit=1)[0]
    assert text.count(OWN) > 10
    text = text.replace(OWN, f" CHARSET={charset} COLLATE={collation}")
    text = re.sub(r"CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci", f"COLLATE {collation}", text)
    connection = pymysql.connect(
        unix_socket=server.socket,
        user="root",
        password=server.root_password.encode(),
        autocommit=True,
        client_flag=CLIENT.MULTI_STATEMENTS,
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute(text)
            while cursor.nextset():
                pass
            cursor.execute("SHOW TABLES")
            for (table,) in list(cursor.fetchall()):
                try:
                    cursor.execute(f"ALTER TABLE {table} ROW_FORMAT={row_format}")
                except pymysql.err.OperationalError as error:
                    assert error.args[0] in (1071, 1709)  # a key has no room there
            some, more = ("Ёжик", "ы") if charset == "cp1251" else ("Größe", "ß")
            cursor.execute("UPDATE params SET value = %s WHERE `key` = 'p1'", (some,))
            cursor.execute("UPDATE tags SET value = %s", (more,))
            cursor.execute("UPDATE experiments SET name = %s WHERE experiment_id = 1", (some,))
            cursor.execute("UPDATE registered_models SET description = %s", (more * 5000,))
            for statement in ORPHANS:
                cursor.execute(statement.format(database=name))
    finally:
        connection.close()
    return name


def rows(server: MySQL, database: str, only: Rows | None = None) -> Rows:
    """The rows of every table as bags, with their columns; of `only` its tables and columns."""
    found: Rows = {}
    about = (
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s ORDER BY 1, 2"
    )
    columns: dict[str, list[str]] = {}
    for table, column in server.execute(about, database):
        if only is None or (table in only and column in only[table][0]):
            columns.setdefault(table, []).append(column)
    for table, names in columns.items():
        listed = ", ".join(f"`{name}`" for name in names)
        found[table] = (names, Counter(server.execute(f"SELECT {listed} FROM {database}.`{table}`")))
    return found


@pytest.mark.parametrize(("version", "collation", "row_format"), FORMS)
def test_convert_and_upgrade(
    clean: MySQL, run_module: RunModule, tmp_path: Path, version: str, collation: str, row_format: str
) -> None:
    database = load(clean, version, collation, row_format)
    before = rows(clean, database)
    assert sum(bag.total() for _names, bag in before.values()) > 400
    clean.execute("CREATE USER migrator@localhost IDENTIFIED BY 'pass-word-93'")
    clean.execute(f"GRANT {RIGHTS} ON `{database.replace('_', chr(92) + '_')}`.* TO migrator@localhost")
    secret = tmp_path / "password"
    secret.write_text("pass-word-93")
    options = {
        "login_user": "migrator",
        "login_password_files": [str(secret)],
        "login_unix_socket": clean.socket,
        "database": database,
        "mlflow_version": MLFLOW,
    }
    found = run_module("mlflow_schema_info", options)
    assert found["state"] == "behind", found["drift"]
    names = {one["name"] for one in found["blockers"] + found["schema_warnings"]}
    assert ("collation_merges_keys" if collation.startswith("utf8mb4") else "charset") in names
    # By hand, to the letter.
    plan = run_module("mlflow_schema", {**options, "state": "converted"}, check=True)
    assert not plan.failed, plan["msg"]
    connection = clean.root()
    try:
        with connection.cursor() as cursor:
            for statement in plan["statements"]:
                cursor.execute(statement)
    finally:
        connection.close()
    assert rows(clean, database) == before
    found = run_module("mlflow_schema_info", options)
    assert (found["state"], found["drift"], found["blockers"]) == ("behind", [], [])
    again = run_module("mlflow_schema", {**options, "state": "converted"})
    assert not again["changed"] and again["statements"] == []
    done = run_module(
        "mlflow_schema", {**options, "state": "upgraded", "virtualenv": sys.prefix}, seconds=900
    )
    assert not done.failed, done["msg"]
    assert (done["state"], done["revision"], done["drift"]) == ("current", HEAD, [])
    after = rows(clean, database, before)
    for table, (columns, bag) in before.items():
        if table == "alembic_version":
            continue
        assert table in after, table
        kept, there = after[table]
        places = [columns.index(name) for name in kept]
        wanted: Counter[tuple[Any, ...]] = Counter()
        for row, number in bag.items():
            wanted[tuple(row[place] for place in places)] += number
        assert there == wanted, (table, set(columns) - set(kept))
