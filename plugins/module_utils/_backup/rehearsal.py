# SPDX-License-Identifier: GPL-3.0-or-later
"""Rehearse an upgrade of the schema on the newest backup. Private to this collection: it may change without notice."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import threading
import time
from typing import Any, Iterator, Mapping

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import (
    PARTIAL,
    BackupProblem,
    Settings,
    locked,
    reading,
    tree_size,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.full import Say
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.restore import (
    Wanted,
    make_plan,
    restore,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.scratch_server import Server
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import catalogue, migrate
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.options import (
    change_argument_spec,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.state import moved_tables

PURPOSE = "rehearsal"
ACCOUNT = "rehearsal"
LOOKS_EVERY = 0.5  # seconds
# What an upgrade does under the write lock besides migrating and counting, seconds: measured on two cores.
OTHER_SECONDS = 2.0


class Disk(threading.Thread):
    """Watches how large a directory gets."""

    def __init__(self, directory: str) -> None:
        super().__init__(daemon=True)
        self.directory, self.most = directory, 0
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.is_set():
            self.look()
            self.ended.wait(LOOKS_EVERY)

    def look(self) -> int:
        size = 0
        with contextlib.suppress(OSError):  # a file may go while it is looked at
            size = tree_size(self.directory)
        self.most = max(self.most, size)
        return size


@contextlib.contextmanager
def watched(directory: str) -> Iterator[Disk]:
    disk = Disk(directory)
    disk.start()
    try:
        yield disk
    finally:
        disk.ended.set()
        disk.join()


def rehearse(settings: Settings, version: str, virtualenv: str, say: Say) -> dict[str, Any]:
    """Restore what is there into a server of our own, upgrade its schema, and remove it. Raises BackupProblem."""
    with locked(settings.scratch, PURPOSE, "rehearsing an upgrade"), reading(settings.directory):
        plan = make_plan(settings, Wanted())
        target = os.path.join(settings.scratch, f"{PURPOSE}-data")
        directory = os.path.join(settings.scratch, f"{PARTIAL}-{PURPOSE}-data")

        def inspect(server: Server, tables: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
            say("The schema is upgraded there.")
            return upgrade(settings, server, tables, version, virtualenv, directory)

        try:
            return restore(settings, plan, target, PURPOSE, say, inspect)
        finally:
            shutil.rmtree(target, ignore_errors=True)


def upgrade(
    settings: Settings,
    server: Server,
    tables: Mapping[str, Mapping[str, int]],
    version: str,
    virtualenv: str,
    directory: str,
) -> dict[str, Any]:
    """Upgrade the restored store and say what it took. Raises BackupProblem if the upgrade would fail."""
    password = secrets.token_urlsafe(24)
    server.make_account(ACCOUNT, password, "ALL ON *.*")
    params = options(settings, server, version, virtualenv, password)
    before = tables.get(settings.database, {})
    first = server.revision(settings.database, before)
    with watched(directory) as disk:
        size = disk.look()
        applied: list[dict[str, Any]] = []
        plan: set[str] = set()
        seconds: dict[str, float] = {}
        for state in ("prepared", "repaired", "upgraded"):
            try:
                found = migrate.run({**params, "state": state}, False, timed)
            except migrate.Failed as error:
                said = str(error).replace(password, "***")
                raise BackupProblem(f"the upgrade to MLflow {version} would fail: {said}") from None
            seconds[state] = found["seconds"]
            applied += found["applied"]
            plan.update(one["revision"] for one in found["plan"])
        migrating = seconds["repaired"] + seconds["upgraded"]
        grown = disk.look() - size
    started = time.monotonic()
    after = server.count_rows().get(settings.database, {})
    counting = time.monotonic() - started
    known = catalogue.load("tracking").revisions
    moved = moved_tables((one for one in known if one.revision in plan), "tracking")
    lost = sorted(table for table in set(before) - moved if before[table] != after.get(table, 0))
    if lost:
        raise BackupProblem(
            f"the upgrade to MLflow {version} would fail: the number of rows changes, and no migration says why: "
            f"{', '.join(lost)}"
        )
    return {
        "mlflow_version": version,
        "revision_before": first,
        "applied": applied,
        "rows_before": sum(before.values()),
        "rows_after": sum(after.values()),
        "seconds_ahead": round(seconds["prepared"], 1),
        "seconds_migrating": round(migrating, 1),
        "seconds_counting": round(counting, 1),
        "downtime_seconds": round(migrating + 2 * counting + OTHER_SECONDS, 1) if applied else 0.0,
        "disk_most": max(disk.most - size, 0),
        "disk_after": max(grown, 0),
    }


def timed(work: migrate.Work) -> dict[str, Any]:
    """Do the work, and say how long it took: MLflow is imported before, as in an upgrade of the store."""
    if work.params["state"] == "upgraded":
        work.start()
    started = time.monotonic()
    result = migrate.do(work)
    return {**result, "seconds": time.monotonic() - started}


def options(
    settings: Settings, server: Server, version: str, virtualenv: str, password: str
) -> dict[str, Any]:
    """Return the options of the module mlflow_schema, with which the upgrade is made."""
    defaults = {name: option.get("default") for name, option in change_argument_spec().items()}
    return {
        **defaults,
        "login_user": ACCOUNT,
        "login_password": password,
        "login_unix_socket": server.socket,
        "database": settings.database,
        "mlflow_version": version,
        "virtualenv": virtualenv,
        "extra_indexes": [],
    }
