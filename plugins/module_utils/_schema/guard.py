# SPDX-License-Identifier: GPL-3.0-or-later
"""Change a schema while all other writers are locked out. Private to this collection: it may change without notice.

All of it is one process: MLflow is imported before anybody is locked out, and nothing is started anew in between.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import replace
from typing import Any, Mapping

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import connection
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    migrate,
    write_lock,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import survey as schema_survey
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.state import (
    CURRENT,
    HALF_APPLIED,
    moved_tables,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.survey import (
    SchemaProblem,
    Survey,
)

REVISIONS = {"tracking": "revision", "auth": "auth_revision"}
SHOWN = 500  # characters of what a command that failed says


class NotRecorded(SchemaProblem):
    """The way back could not be recorded, so nothing was changed."""

    reason = "point"


class Clock:
    """The seconds of each part of the write lock."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self.last = time.monotonic()

    def end(self, part: str) -> None:
        now = time.monotonic()
        self.parts[part] = round(self.parts.get(part, 0.0) + now - self.last, 2)
        self.last = now


def change(work: migrate.Work) -> dict[str, Any]:
    """Lock writers out, record the way back, change the schema, see that all rows are there, and let writers in.

    Returns the result of the module mlflow_schema. Raises what `migrate.do` does, WriteLockProblem if writers cannot be
    locked out, and NotRecorded. Writers stay locked out after a failure.
    """
    guard: Mapping[str, Any] = work.params["guard"]
    administrator = connection.login_from_params(
        {
            **work.params,
            "login_user": guard["login_user"],
            "login_password": None,
            "login_password_files": guard["login_password_files"],
        }
    )
    lock = {**guard, "database": work.database, "scope": "server"}
    lock.update({name: work.params[name] for name in ("owner", "owner_file")})
    # Says what is wrong with the database before anybody is locked out.
    state = work.look().examination.state
    half_applied = state == HALF_APPLIED
    if state == CURRENT and work.params["state"] == "upgraded" and not os.path.lexists(guard["path"]):
        return migrate.do(work)
    if work.check_mode:
        write_lock.run({**lock, "state": "closed"}, True, administrator)
        if half_applied and work.params["state"] == "upgraded":
            work.params = {**work.params, "state": "repaired"}
        return migrate.do(work)
    if work.params["state"] == "upgraded":
        work.start()
    clock = Clock()
    closed = write_lock.run({**lock, "state": "closed"}, False, administrator)
    clock.end("lock")
    work.lock()
    before = counted(work, work.look(rows=True))
    clock.end("count")
    point = None
    if guard["point"]:
        point = record(guard["point"], work, before, closed["accounts"])
        clock.end("copy")
    result, after = changed(work, before, clock)
    opened = write_lock.run({**lock, "state": "open"}, False, administrator)
    clock.end("open")
    return {
        **result,
        "point": point,
        "schema": schema_survey.describe(after, work.database, work.target),
        "write_lock": {
            **{name: closed[name] for name in ("accounts", "disconnected", "since")},
            "seconds": opened["seconds"],
            "parts": clock.parts,
        },
    }


def changed(work: migrate.Work, before: Survey, clock: Clock) -> tuple[dict[str, Any], Survey]:
    """Change the schema. Returns the result and what is there then, with all rows counted."""
    found = before.examination
    plan = list(found.pending)
    if work.params["state"] == "upgraded" and found.state == HALF_APPLIED:
        wanted = work.params
        # MLflow's migrations see MLflow's own schema: indexes beyond it come after the last.
        work.params = {**wanted, "state": "repaired", "extra_indexes": []}
        migrate.do(work)
        work.params = wanted
        result = migrate.do(work)
    else:
        result = migrate.do(work, before)
    clock.end("migrate")
    after = counted(work, work.look())
    if work.params["state"] == "upgraded":
        moved = moved_tables(plan, work.params["app"])
        if result["default_experiment"] == "made":
            moved |= {"experiments"}
        lost = different(before, after, moved)
        if lost:
            raise migrate.Interrupted(
                f"the number of rows changed, and no migration says why: {', '.join(lost)}"
            )
    clock.end("verify")
    return result, after


def counted(work: migrate.Work, survey: Survey) -> Survey:
    """`survey` with all rows counted."""
    return replace(survey, live=schema_survey.exact_rows(work.connection, work.database, survey.live))


def different(before: Survey, after: Survey, moved: set[str]) -> list[str]:
    """The tables of before that have another number of rows now, or are gone, but for those in `moved`."""
    had = {name: table.rows for name, table in before.live.tables.items()}
    has = {name: table.rows for name, table in after.live.tables.items()}
    return sorted(name for name, rows in had.items() if name not in moved and has.get(name) != rows)


def record(argv: list[str], work: migrate.Work, before: Survey, accounts: list[str]) -> dict[str, Any]:
    """Have `argv` record that the way back leads here. Returns what it printed. Raises NotRecorded."""
    about = {
        REVISIONS[work.params["app"]]: before.examination.revision,
        "locked": accounts,
        "tables": {work.database: {name: table.rows for name, table in before.live.tables.items()}},
    }
    said = f"the state under the write lock could not be recorded, and nothing was changed: {argv[0]}"
    try:
        done = subprocess.run(argv, input=json.dumps(about), capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotRecorded(f"{said}: {error.strerror}") from None
    try:
        found: dict[str, Any] = dict(json.loads(done.stdout.strip().rpartition("\n")[2]))
    except (ValueError, TypeError):
        found = {}
    if done.returncode == 0 and found:
        return found
    why = found.get("problem") or done.stderr.strip()[-SHOWN:] or f"it ended with {done.returncode}"
    raise NotRecorded(f"{said}: {why}")
