# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore the newest backup to prove it. Private to this collection: it may change without notice."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from typing import Any, Mapping

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import rehearsal
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import (
    PARTIAL,
    BackupProblem,
    Settings,
    locked,
    now,
    parse_time,
    reading,
    stamp,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.binlog_copy import copied_at
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.full import Say
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.restore import (
    Wanted,
    make_plan,
    restore,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.scratch_server import Server
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import quoted
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    catalogue as schema_catalogue,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import survey as schema_survey

PURPOSE = "drill"
LOOKS = "drill"
READS = "drill_mlflow"
ANSWERS_WITHIN = 300  # seconds

# What the real MLflow does. The address, with a password that ends with the drill, is the first line of its input.
READ = r"""
import json, sys
uri = sys.stdin.readline().strip()
from mlflow import MlflowClient
from mlflow.entities import ViewType
client = MlflowClient(tracking_uri=uri)
token, ids = None, []
while True:
    page = client.search_experiments(view_type=ViewType.ALL, max_results=1000, page_token=token)
    ids += [experiment.experiment_id for experiment in page]
    token = page.token
    if not token:
        break
found = client.search_runs(ids, run_view_type=ViewType.ALL, max_results=50, order_by=["attributes.start_time DESC"])
result = {"experiments": len(ids), "run": None, "metrics": 0}
if found:
    # The newest may have logged nothing yet.
    newest = next((run for run in found if run.data.metrics), found[0])
    run = client.get_run(newest.info.run_id)
    result["run"] = run.info.run_id
    result["metrics"] = sum(len(client.get_metric_history(run.info.run_id, key)) for key in run.data.metrics)
print(json.dumps(result))
"""


def drill(settings: Settings, say: Say) -> dict[str, Any]:
    """Restore what is there into a server of our own, look at it, and remove it. Raises BackupProblem."""
    with locked(settings.directory, "drill", "restoring a backup to prove it"), reading(settings.directory):
        started, began = time.monotonic(), stamp(now())
        copied = copied_at(settings)
        plan = make_plan(settings, Wanted())
        target = os.path.join(settings.scratch, "drill-data")
        try:
            found = restore(
                settings, plan, target, PURPOSE, say, lambda server, tables: look(settings, server, tables)
            )
        finally:
            shutil.rmtree(target, ignore_errors=True)
        point = copied if copied is not None and plan.chain else parse_time(plan.manifest["finished"])
        return {
            **found,
            "started": began,
            "recovery_seconds": round(time.monotonic() - started, 1),
            "recovery_point": stamp(point),
            "recovery_point_age": round(max(time.time() - point - (time.monotonic() - started), 0), 1),
        }


def look(settings: Settings, server: Server, tables: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Look at the restored store: its schema, and with the real MLflow. Raises BackupProblem."""
    password = secrets.token_urlsafe(24)
    server.make_account(LOOKS, password, "ALL ON *.*")
    # No right to change the schema: MLflow would do it without asking.
    server.make_account(READS, password, f"SELECT, INSERT, UPDATE, DELETE ON {quoted(settings.database)}.*")
    administrator = server.login(LOOKS, password)
    try:
        wanted = schema_survey.target("tracking", settings.mlflow_version)
        survey = schema_survey.look(administrator.connection, settings.database, wanted)
    except schema_survey.SchemaProblem as error:
        raise BackupProblem(f"the restored schema cannot be inspected: {error}") from None
    finally:
        administrator.connection.close()
    state = survey.examination.state
    result: dict[str, Any] = {"schema": state, "mlflow": None, "upgrade": None}
    if state not in ("current", "behind", "ahead", "empty"):
        raise BackupProblem(
            f"the restored schema is {state}: {survey.examination.message} Inspect the store itself with the playbook "
            "check"
        )
    if settings.mlflow is not None and state == "current":
        result["mlflow"] = read_with_mlflow(settings, server, password)
        runs = tables[settings.database].get("runs", 0)
        if runs and result["mlflow"]["run"] is None:
            raise BackupProblem(
                f"MLflow finds no run in the restored store, which has {runs}: check whether it finds one in the store"
            )
    if settings.upgrade_version and settings.upgrade_mlflow and state in ("current", "behind"):
        result["upgrade"] = upgrade(settings, server, tables)
    return result


def upgrade(settings: Settings, server: Server, tables: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Upgrade the restored store, and say whether that works. It tells nothing of the backups if it does not."""
    version, virtualenv = str(settings.upgrade_version), str(settings.upgrade_mlflow)
    known = schema_catalogue.load()
    found_at = str(server.revision(settings.database, tables.get(settings.database, {})))
    if (
        version in known.releases
        and found_at in known
        and known.position(found_at) >= known.position(known.releases[version])
    ):
        return {"works": True, "mlflow_version": version, "applied": [], "downtime_seconds": 0.0}
    directory = os.path.join(settings.scratch, f"{PARTIAL}-{PURPOSE}-data")
    try:
        found = rehearsal.upgrade(settings, server, tables, version, virtualenv, directory)
    except BackupProblem as error:
        return {"works": False, "mlflow_version": version, "problem": str(error)}
    return {"works": True, **found}


def read_with_mlflow(settings: Settings, server: Server, password: str) -> dict[str, Any]:
    """Read the newest run. Raises BackupProblem."""
    python = os.path.join(str(settings.mlflow), "bin", "python")
    if not os.path.exists(python):
        raise BackupProblem(f"there is no MLflow in {settings.mlflow}: run the playbook backup again")
    address = f"mysql+pymysql://{READS}:{password}@localhost/{settings.database}?unix_socket={server.socket}"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    try:
        done = subprocess.run(
            [python, "-I", "-c", READ],
            input=address + "\n",
            capture_output=True,
            text=True,
            timeout=ANSWERS_WITHIN,
            env={**environment, "HOME": settings.scratch, "MLFLOW_DISABLE_TELEMETRY": "true"},
            cwd=settings.scratch,
            check=False,
        )
        if done.returncode:
            said = " ".join(done.stderr.replace(password, "***").strip().splitlines()[-1:])[-400:]
            raise BackupProblem(
                f"MLflow cannot read the restored store: {said}. Check whether it can read the store itself"
            )
        found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired:
        raise BackupProblem(
            f"MLflow did not read the restored store within {ANSWERS_WITHIN} s: run this when the host has less to do"
        ) from None
    except OSError as error:
        raise BackupProblem(
            f"{python} cannot be run: {error.strerror}. Run the playbook backup again"
        ) from None
    except (ValueError, IndexError):
        raise BackupProblem("MLflow read the restored store and gave no answer: run this again") from None
    return found
