# SPDX-License-Identifier: GPL-3.0-or-later
"""What the program `mlflow-mysql-backup` says: to whom looks, and to its log."""

from __future__ import annotations

import fcntl
import re
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import (
    cli,
    full,
    reach,
    restore,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import (
    is_locked,
    locked,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store import swap
from backup_builders import settings_for

SPAN = {"from": "2026-11-23T02:30:07.000000Z", "to": "2026-11-23T18:00:00.000000Z"}


def listed(**restorable: Any) -> str:
    known = {"spans": [SPAN], "complete": True, "missing": None, "running": False, "moments": "this"}
    log = {"server_uuid": "u", "began": "2026-11-23T02:30:07", "files": ["a"], "gaps": [], "damaged": []}
    document = {
        "full": [],
        "damaged": {},
        "binary_log": [{**log, "size": 0, "last_transaction": None, "closed_gaps": [], "ended": False}],
        "copied": "2026-11-23T19:00:00.000000Z",
        "restorable": {**known, **restorable},
    }
    return cli.text_list(document)


def test_a_list_says_since_when_and_what_is_not_restorable() -> None:
    said = listed()
    assert "STATE OF (UTC)" in said and "1 file, 0.0 MiB, no transaction yet" in said
    assert said.endswith("All that the store had written by 2026-11-23T19:00:00.000000Z is copied.\n"
                         "What can be restored now: this.")  # fmt: skip
    said = listed(complete=False, missing="the server ran without its binary log")
    assert (
        "NOT all that the store holds since 2026-11-23T18:00:00.000000Z can be restored: the server ran without its "
        "binary log.\nFor a full backup run make backup"
    ) in said
    said = listed(complete=False, missing="the server ran without its binary log", running=True)
    assert "A full backup is being made." in said and "make backup" not in said


@pytest.mark.parametrize(("number", "said"), [(0, "no files"), (1, "1 file"), (2, "2 files")])
def test_counts(number: int, said: str) -> None:
    assert cli.counted(number, "file") == said


def test_lines_of_a_log_have_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with open(tmp_path / "backup.log", "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        cli.say("something")
    line = (tmp_path / "backup.log").read_text(encoding="utf-8")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ something\n", line)


def test_a_lock_is_seen_and_not_touched(tmp_path: Path) -> None:
    assert not is_locked(str(tmp_path), "full")
    with locked(str(tmp_path), "full", "making a full backup"):
        assert is_locked(str(tmp_path), "full")
    assert not is_locked(str(tmp_path), "full")


def test_the_report_says_that_a_full_backup_is_being_made(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    assert reach.REMEDY in reach.report(settings)["text"]
    with locked(settings.scratch, "full", "making a full backup"):
        found = reach.report(settings)
    assert found["running"] and found["text"] == "nothing yet: a full backup is being made"


def test_a_restore_at_work_is_known(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    assert not restore.under_way(settings)
    with locked(settings.scratch, "restore", "restoring"):
        assert restore.under_way(settings)
    swap.mark(settings.data, "1")
    assert restore.under_way(settings)


def test_the_reason_of_a_full_backup_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = SimpleNamespace(Popen=lambda *dummy, **more: SimpleNamespace(poll=lambda: None), DEVNULL=None)
    monkeypatch.setattr(cli, "subprocess", made)
    cli.FullBackups().look({"needs": "hole", "missing": "a session had sql_log_bin set"})
    assert capsys.readouterr().err == "A full backup is made: a session had sql_log_bin set.\n"


def test_what_waits_for_another_one_says_so_and_does_not_count_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And one that another process made meanwhile is enough."""
    settings = settings_for(tmp_path)
    needed = ["none"]
    monkeypatch.setattr(cli, "needs", lambda dummy: needed[0])
    monkeypatch.setattr(cli.os, "nice", lambda dummy: 0)
    monkeypatch.setattr(full, "connect", lambda dummy: pytest.fail("it was not needed any more"))
    options = SimpleNamespace(plain=False, only=False, directory=None, if_needed=True, wait=True)
    result: dict[str, Any] = {}
    other = open(Path(settings.scratch) / ".full.lock", "a", encoding="utf-8")
    with other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiter = threading.Thread(target=lambda: result.update(cli.command_full(settings, options)))  # type: ignore[arg-type]
        waiter.start()
        time.sleep(1)
        assert waiter.is_alive()
        needed[0] = None  # type: ignore[call-overload]
    waiter.join(30)
    assert result["made"] is False
    assert "Waiting for another backup, which is being made." in capsys.readouterr().err


def test_a_rehearsal_says_how_long_and_what_took_it() -> None:
    result = {
        "mlflow_version": "3.5.1",
        "revision_before": "0584bdc529eb",
        "backup": "000001-20261130T194936Z",
        "applied": [
            {"revision": "aaa", "seconds": 0.5},
            {"revision": "bbb", "seconds": None},
            {"revision": "ccc", "seconds": 61.25},
            {"revision": "ddd", "seconds": 2.0},
        ],
        "rows_before": 10,
        "rows_after": 11,
        "seconds_ahead": 120.5,
        "seconds_migrating": 64.0,
        "seconds_counting": 0.4,
        "downtime_seconds": 69.8,
        "disk_most": 3 << 20,
        "disk_after": 1 << 20,
    }
    said = cli.text_rehearse(result)
    assert "works on the full backup 000001-20261130T194936Z: 4 migrations, 10 rows before, 11 after." in said
    assert "for about 70 s: 64.0 s for the migrations" in said and "goes on, took 120.5 s" in said
    assert "The longest: ccc 61.2 s, ddd 2.0 s, aaa 0.5 s." in said
    assert "takes 1.0 MiB more after it, and 3.0 MiB more at most" in said
    assert cli.text_rehearse({**result, "applied": []}) == "No migration is pending for MLflow 3.5.1."


def test_a_drill_says_what_became_of_the_upgrade() -> None:
    fine = {"works": True, "mlflow_version": "3.5.1", "applied": [{}], "downtime_seconds": 12.4}
    assert cli.text_upgrade(fine) == (
        "The upgrade to MLflow 3.5.1 works: writers would be locked out for about 12 s."
    )
    assert cli.text_upgrade({**fine, "applied": []}) == "No migration is pending for MLflow 3.5.1."
    assert cli.text_upgrade({"works": False, "problem": "the upgrade would fail: why"}) == (
        "The upgrade would fail: why."
    )
    assert len(cli.upgrade_samples(fine)) == 2 and len(cli.upgrade_samples({**fine, "works": False})) == 1
