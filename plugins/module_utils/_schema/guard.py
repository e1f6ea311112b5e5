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
    extra_indexes,
    migrate,
    write_lock,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import survey as schema_survey
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.state import (
    BEHIND,
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


class NotOpened(SchemaProblem):
    """The change is made, and writers are still locked out, or some of them."""

    reason = "open"


class Clock:
    """The seconds of each part of the write lock."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self.last = time.monotonic()

    def end(self, part: str) -> None:
        now = time.monotonic()
        self.parts[part] = round(now - self.last, 2)
        self.last = now


def change(work: migrate.Work) -> dict[str, Any]:
    """Lock writers out, record the way back, change the schema, see that all rows are there, and let writers in.

    Returns the result of the module mlflow_schema. Raises what `migrate.do` does, WriteLockProblem if writers cannot be
    locked out, NotRecorded, and NotOpened. After other failures than that of the lock the writers stay locked out.
    """
    guard: Mapping[str, Any] = work.params["guard"]
    # What is wrong already is said before anybody is locked out.
    work.lock()
    lock = Lock(work)
    survey = work.look()
    half_applied = migrates = False
    if work.params["state"] == "upgraded":
        half_applied = survey.examination.state == HALF_APPLIED
        wanted = migrates = survey.examination.state != CURRENT
        if migrates:
            migrate.refuse_state(work, survey, (BEHIND, HALF_APPLIED))
        if half_applied:
            migrate.refuse_drift(work, survey)
    else:
        wanted = bool(migrate.conversion_of(work, survey)[3])
    if not wanted:
        result = {**migrate.do(work), "point": None, "schema": None, "write_lock": None}
        if lock.left and not work.check_mode:
            lock.open()
        return {**result, "changed": result["changed"] or lock.left}
    if work.check_mode:
        lock.close(check=True)
        if half_applied:
            work.params = {**work.params, "state": "repaired"}
        return migrate.do(work)
    if migrates:
        work.start()
    clock = Clock()
    closed = lock.close()
    clock.end("lock")
    before = counted(work, work.look(rows=True))
    if migrates:
        work.refuse_blockers(before)
    clock.end("count")
    point = None
    if guard["point"]:
        point = record(guard["point"], work, before, closed["accounts"])
        clock.end("copy")
    result, after = changed(work, before, clock)
    opened = lock.open()
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


class Lock:
    """The write lock of all databases of the server, of the run that `work` is for."""

    def __init__(self, work: migrate.Work) -> None:
        guard = work.params["guard"]
        self.options = {**guard, "database": work.database, "scope": "server"}
        self.options.update({name: work.params[name] for name in ("owner", "owner_file")})
        self.administrator = connection.login_from_params(
            {
                **work.params,
                "login_user": guard["login_user"],
                "login_password": None,
                "login_password_files": guard["login_password_files"],
            }
        )
        # Whether it was there before.
        self.left = os.path.lexists(guard["path"])

    def close(self, check: bool = False) -> dict[str, Any]:
        """Raises WriteLockProblem."""
        try:
            return write_lock.run({**self.options, "state": "closed"}, check, self.administrator)
        except write_lock.WriteLockProblem as error:
            if check or self.left or not os.path.lexists(self.options["path"]):
                raise
            # Nothing was changed yet.
            so = "all are let in again"
            try:
                self.open()
            except NotOpened as left:
                so = str(left)
            raise write_lock.WriteLockProblem(f"{error}. Nothing was changed, and {so}") from None

    def open(self) -> dict[str, Any]:
        """Raises NotOpened."""
        try:
            return write_lock.run({**self.options, "state": "open"}, False, self.administrator)
        except Exception as error:  # pymysql's own classes may be missing
            raise NotOpened(f"writers could not all be let in: {error}. Run this again") from None


def changed(work: migrate.Work, before: Survey, clock: Clock) -> tuple[dict[str, Any], Survey]:
    """Change the schema. Returns the result and what is there then, with all rows counted."""
    found = before.examination
    plan = list(found.pending)
    if work.params["state"] == "upgraded" and found.state == HALF_APPLIED:
        result = finish_and_upgrade(work, before)
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


def finish_and_upgrade(work: migrate.Work, before: Survey) -> dict[str, Any]:
    """Finish the migration that was interrupted, and run those after it."""
    wanted = dict(work.params)
    if wanted["extra_indexes"] is None:
        there = extra_indexes.present(before.live.lines, work.catalogue)
        wanted["extra_indexes"] = [one.name for one in there]
    # MLflow's migrations see MLflow's own schema: all else comes after the last.
    work.params = {**wanted, "state": "repaired", "extra_indexes": [], "default_artifact_root": None}
    first = migrate.do(work)
    work.params = wanted
    second = migrate.do(work)
    result = {
        **second,
        "changed": True,
        "plan": first["plan"] + second["plan"],
        "dropped_indexes": [one for one in first["dropped_indexes"] if one not in second["made_indexes"]],
        "made_indexes": [one for one in second["made_indexes"] if one not in first["dropped_indexes"]],
    }
    last = second if "diff" in second else first
    return {**result, "diff": {"before": first["diff"]["before"], "after": last["diff"]["after"]}}


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
