# SPDX-License-Identifier: GPL-3.0-or-later
"""The database of MLflow's auth app: made for its real server, and brought there from a store of an old release."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    catalogue,
    migration_runner,
)
from conftest import MySQL, RunModule, free_port
from default_versions import MLFLOW

TRACKING, AUTH = "mlflow", "mlflow_auth"
VIRTUALENV = os.environ.get("MLFLOW_VIRTUALENV", sys.prefix)
FIRST = "8606fa83a998"
RUNTIME = "runtime-password"
ADMIN = "password1234-of-admin"
STARTING_TAKES = 120  # seconds at most


@pytest.fixture
def store(clean: MySQL) -> MySQL:
    clean.execute(f"CREATE USER runtime IDENTIFIED BY '{RUNTIME}'")
    for database in (TRACKING, AUTH):
        clean.execute(f"CREATE DATABASE {database} COLLATE utf8mb4_0900_bin")
        clean.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {database}.* TO runtime")
    return clean


def make(
    store: MySQL, run_module: RunModule, database: str, check: bool = False, **more: Any
) -> dict[str, Any]:
    app = "auth" if database == AUTH else "tracking"
    options = store.options(database=database, app=app, virtualenv=VIRTUALENV, **more)
    result = run_module("mlflow_schema", options, check=check)
    assert not result.failed, result["msg"]
    return result.values


@pytest.mark.parametrize("version_table", [True, False])
def test_store_of_an_old_release(store: MySQL, run_module: RunModule, version_table: bool) -> None:
    """Before MLflow 3.6 it kept its revision in `alembic_version`, and at first nowhere."""
    first = catalogue.load("auth").revisions[0]
    assert first.revision == FIRST
    with store.root() as connection, connection.cursor() as cursor:
        connection.select_db(AUTH)
        for statement in first.statements:
            if "alembic_version_auth" not in statement.sql:
                cursor.execute(migration_runner.distinct_names(statement.sql))
        if version_table:
            cursor.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
            cursor.execute("INSERT INTO alembic_version VALUES (%s)", [FIRST])
        for name in ("anna", "bert"):
            cursor.execute(
                "INSERT INTO users (username, password_hash, is_admin) VALUES (%s, 'hash', 0)", [name]
            )
        cursor.execute(
            "INSERT INTO experiment_permissions (experiment_id, user_id, permission) VALUES (7, 1, 'EDIT')"
        )
    found = run_module("mlflow_schema_info", store.options(database=AUTH, app="auth"))
    assert (found["state"], found["revision"], found["drift"]) == ("behind", FIRST, [])

    before = store.execute(f"CHECKSUM TABLE {AUTH}.users, {AUTH}.experiment_permissions")
    planned = make(store, run_module, AUTH, check=True, state="upgraded")
    assert planned["changed"] and FIRST not in {step["revision"] for step in planned["plan"]}
    assert store.execute(f"CHECKSUM TABLE {AUTH}.users, {AUTH}.experiment_permissions") == before
    assert store.execute(f"SHOW TABLES FROM {AUTH} LIKE 'alembic_version_auth'") == []

    done = make(store, run_module, AUTH, state="upgraded")
    assert (done["changed"], done["state"], done["drift"]) == (True, "current", [])
    assert not make(store, run_module, AUTH, state="upgraded")["changed"]
    names = [name for (name,) in store.execute(f"SELECT username FROM {AUTH}.users ORDER BY id")]
    assert names == ["anna", "bert"]
    permission = store.execute(f"SELECT resource_pattern, permission FROM {AUTH}.role_permissions")
    assert ("7", "EDIT") in permission


@pytest.fixture
def server(store: MySQL, run_module: RunModule, tmp_path: Path) -> Iterator[str]:
    """MLflow's server with its auth app, which may only read and write rows; yields its address."""
    for database in (TRACKING, AUTH):
        assert make(store, run_module, database)["state"] == "current"

    def uri(database: str) -> str:
        return f"mysql+pymysql://runtime:{RUNTIME}@127.0.0.1:{store.port}/{database}"

    config = tmp_path / "basic_auth.ini"
    config.write_text(
        f"[mlflow]\ndefault_permission = NO_PERMISSIONS\ndatabase_uri = {uri(AUTH)}\nadmin_username = admin\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    port = free_port()
    command = [f"{VIRTUALENV}/bin/mlflow", "server", "--app-name", "basic-auth", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--backend-store-uri", uri(TRACKING)]
    secrets = {"MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN, "MLFLOW_FLASK_SERVER_SECRET_KEY": "a key"}
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--default-artifact-root", str(tmp_path)],
            env={**os.environ, **secrets, "MLFLOW_AUTH_CONFIG_PATH": str(config)},
            cwd=tmp_path,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + STARTING_TAKES
        while True:
            try:
                if requests.get(f"http://127.0.0.1:{port}/health", timeout=5).ok:
                    break
            except requests.RequestException:
                pass
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.3)
        yield f"http://127.0.0.1:{port}/api/2.0/mlflow"
    finally:
        process.terminate()
        process.wait(30)


def test_real_server(store: MySQL, run_module: RunModule, server: str) -> None:
    admin, anna, bert = ("admin", ADMIN), ("anna", "password-of-anna"), ("bert", "password-of-bert")
    for name, password in (anna, bert):
        made = requests.post(
            f"{server}/users/create", json={"username": name, "password": password}, auth=admin, timeout=30
        )
        assert made.ok, made.text
    created = requests.post(f"{server}/experiments/create", json={"name": "of anna"}, auth=anna, timeout=30)
    assert created.ok, created.text
    asked = {"experiment_id": created.json()["experiment_id"]}

    def status(auth: tuple[str, str] | None) -> int:
        return requests.get(f"{server}/experiments/get", params=asked, auth=auth, timeout=30).status_code

    assert [status(anna), status(bert), status(("anna", "wrong")), status(None)] == [200, 403, 401, 401]
    users = [name for (name,) in store.execute(f"SELECT username FROM {AUTH}.users ORDER BY id")]
    assert users == ["admin", "anna", "bert"]
    for database, app in ((TRACKING, "tracking"), (AUTH, "auth")):
        options = store.options(database=database, app=app, mlflow_version=MLFLOW)
        found = run_module("mlflow_schema_info", options)
        assert (found["state"], found["drift"]) == ("current", [])
