# SPDX-License-Identifier: GPL-3.0-or-later
"""What the write lock takes for granted of a store's container."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import write_lock

ROOT = Path(__file__).resolve().parents[5]


def test_a_healthcheck_ends_before_its_session_counts() -> None:
    dockerfile = (ROOT / "roles/mlflow_mysql/templates/Dockerfile.j2").read_text(encoding="utf-8")
    found = re.search(r"^HEALTHCHECK .*--timeout=(\d+)s", dockerfile, re.MULTILINE)
    assert found is not None and int(found[1]) < write_lock.LOOKING_IN


class Crowded(write_lock.Server):
    """A server on which one session of MLflow's was there, and another login is refused in every moment."""

    def __init__(self) -> None:
        self.there = {7}
        self.newest = 10
        super().__init__(None, "mlflow", [])

    def rows(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        self.newest += 1
        if statement.startswith("SELECT CURRENT_USER"):
            return [("root@localhost",)]
        if statement.startswith("SELECT MAX(id)"):
            return [(self.newest,)]
        if statement.startswith("KILL"):
            self.there.discard(arguments[0])
            return []
        if "unauthenticated user" in statement and "AND id <=" in statement:
            return [(1,)] if self.newest <= arguments[0] else []
        if "session_connect_attrs" in statement:
            return [
                (number, "mlflow", "app:1", 0, "pymysql") for number in (*sorted(self.there), self.newest)
            ]
        return []

    def writers(self) -> dict[tuple[str, str], bool]:
        return {("mlflow", "%"): True}


def test_who_comes_after_the_lock_is_not_waited_for() -> None:
    """Clients try again and again: where one of them is always there, what they had before has ended."""
    started = time.monotonic()
    ended = write_lock.disconnect(Crowded(), 5)
    assert [session["id"] for session in ended] == [7] and time.monotonic() - started < 2
