# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be restored and what no backup holds, with a fake server. Needs the program `zstd`."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import cli, reach, restore
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import (
    Archive,
    BackupProblem,
    Settings,
    stamp,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.binlog_copy import (
    Copier,
    copied_at,
    timelines,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.live import Live
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.reach import (
    GTIDS,
    Hole,
    Watch,
    load_holes,
    need,
    report,
    save_holes,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.restore import (
    Wanted,
    make_plan,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.scratch_server import SERVER_ID
from backup_builders import Server, add_full, settings_for
from binlog_builders import BEGAN, OTHER, UUID


@pytest.fixture(autouse=True)
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The version in the image takes Docker."""
    monkeypatch.setattr(restore, "check_version", lambda *dummy: None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path / "store")


class Asked:
    """What a server that runs would say, in the place of a witness."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.more: dict[str, Any] = {}
        self.extra = ""
        self.problem = ""
        self.refused = False

    def ask(self, deep: bool = False) -> Live:
        executed = ",".join(filter(None, [self.server.gtids if self.server.number else "", self.extra]))
        return replace(Live(executed, self.server.uuid, True, "ON", "1", switched=0, open=0), **self.more)


def watched(settings: Settings, server: Server) -> tuple[Copier, Asked]:
    watch, asked = Watch(settings), Asked(server)
    watch.witness = asked  # type: ignore[assignment]
    return Copier(settings, watch), asked


def files(directory: str) -> dict[str, tuple[bytes, int]]:
    """What is in a directory of backups, but for locks."""
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(Path(directory).rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


@pytest.mark.parametrize("look", [False, True])
def test_a_store_is_not_replaced_that_holds_what_no_backup_does(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, look: bool
) -> None:
    """To look says it as the restore does, and leaves the backups as they are."""
    server = Server(settings)
    server.commit(3)
    add_full(settings, 1, gtids=server.gtids)
    copier, asked = watched(settings, server)
    copier.copy()
    monkeypatch.setattr(reach, "Witness", lambda *dummy: asked)
    server.commit(2)
    server.rotate()
    server.commit(2)
    before = files(settings.directory)
    cli.refuse_to_replace(settings, look)
    assert (files(settings.directory) == before) is look
    asked.extra = f"{OTHER}:1-4737"
    before = files(settings.directory)
    with pytest.raises(BackupProblem, match=f"it holds what no backup does: .*{OTHER}:1-4737"):
        cli.refuse_to_replace(settings, look)
    assert (files(settings.directory) == before) is look
    assert not [path for path in Path(settings.scratch).iterdir() if path.name != "content"]


def test_a_store_is_not_replaced_that_has_no_backup(settings: Settings) -> None:
    Server(settings).commit(3)
    for look in (True, False):
        with pytest.raises(BackupProblem, match="there is no full backup of the store as it is now"):
            cli.refuse_to_replace(settings, look)


def test_a_store_without_a_full_backup(settings: Settings) -> None:
    server = Server(settings)
    copier, _asked = watched(settings, server)
    server.commit(3)
    found = copier.copy()
    assert (found["problem"], found["needs"], found["restorable"]) == (None, "none", False)
    assert report(settings)["text"].startswith("nothing yet: run make backup")
    add_full(settings, 1, time.time(), gtids=server.gtids)
    found = copier.copy()
    assert (found["problem"], found["needs"], found["restorable"]) == (None, None, True)
    assert report(settings)["text"].startswith("any moment between")
    off = replace(settings, offsite={"tool": "rclone", "target": "there:x", "interval": 60})
    assert need(off, UUID) == ("offsite", "the backups were never copied to there:x")
    assert report(off)["complete"]


@pytest.mark.parametrize(
    ("more", "extra", "words"),
    [
        ({}, f"{OTHER}:1-4737", f"in no file of its binary log: {OTHER}:1-4737"),
        ({}, f"{UUID}:900-910", f"in no file of its binary log: {UUID}:900-910"),
        ({"switched": 1}, "", "a session had sql_log_bin set"),
        ({"switched": 1, "open": 1}, "", "has sql_log_bin off still: end it"),
        ({"log_bin": False}, "", "runs without its binary log"),
        ({"gtid_mode": "OFF"}, "", "gtid_mode is OFF: set it to ON"),
        ({"filters": "binlog_do_db=x"}, "", "binlog_do_db=x"),
        ({"uuid": OTHER}, "", "start the store again"),
    ],
)
def test_what_passes_the_log_by(settings: Settings, more: dict[str, Any], extra: str, words: str) -> None:
    server = Server(settings)
    server.commit(3)
    add_full(settings, 1, gtids=server.gtids)
    copier, asked = watched(settings, server)
    server.commit(2)
    assert copier.copy()["problem"] is None
    copied = copied_at(settings)
    asked.more, asked.extra = more, extra
    server.commit(2)
    found = copier.copy()
    assert words in found["problem"] and not found["restorable"]
    assert copied_at(settings) == copied
    assert report(settings)["needs"] == "hole"
    with pytest.raises(BackupProblem, match="what would be restored is not whole"):
        make_plan(settings, Wanted())
    assert "INCOMPLETE" in make_plan(settings, Wanted(incomplete=True)).notes[0]
    # What was there before it is as restorable as it was.
    assert make_plan(settings, Wanted(to=(copied or 0) - 0.001)).chain
    # It stays, whatever the server says later, until a full backup holds it.
    asked.more, kept = {"switched": more.get("switched", 0)}, asked.extra
    assert copier.copy()["problem"] is not None
    assert Copier(settings, Watch(settings)).copy()["problem"] is not None
    time.sleep(0.01)
    add_full(settings, 2, time.time() + 1.01, gtids=",".join(filter(None, [server.gtids, kept])))
    server.commit()
    found = copier.copy()
    assert (found["problem"], found["needs"], found["restorable"]) == (None, None, True)
    assert copied_at(settings) != copied
    assert make_plan(settings, Wanted()).manifest["name"].startswith("000002")
    assert len(report(settings)["spans"]) == 2


class Shallow(Asked):
    """A server whose counters are asked now and then only, as a witness does."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.said: dict[str, Any] = {}

    def ask(self, deep: bool = False) -> Live:
        if deep or self.said.get("open"):
            self.said = {name: self.more[name] for name in ("switched", "open") if name in self.more}
        return replace(super().ask(), **{"switched": 0, "open": 0, **self.said})


def imported(settings: Settings, server: Server) -> tuple[Copier, Shallow]:
    """A store that is watched, into which a session begins to load a dump."""
    watch, asked = Watch(settings), Shallow(server)
    watch.witness = asked  # type: ignore[assignment]
    copier = Copier(settings, watch)
    assert copier.copy()["needs"] in (None, "none")
    return copier, asked


def test_one_full_backup_follows_an_import(settings: Settings) -> None:
    server = Server(settings)
    server.commit(3)
    add_full(settings, 1, gtids=server.gtids)
    copier, asked = imported(settings, server)
    asked.more, asked.extra = {"switched": 1, "open": 1}, f"{OTHER}:1-4737"
    found = copier.copy()
    # The first look that sees the transactions sees the session that is still at it, for which a full backup waits.
    assert (found["needs"], found["open"]) == ("hole", True)
    asked.more = {"switched": 2, "open": 0}
    found = copier.copy()
    assert (found["needs"], found["open"]) == ("hole", False)
    add_full(settings, 2, time.time() + 1.01, gtids=f"{server.gtids},{asked.extra}")
    for _dummy in range(3):
        server.commit()
        asked.ask(True)  # the look that comes every ten seconds
        assert copier.copy()["needs"] is None


def test_an_import_after_a_reset_is_waited_for(settings: Settings) -> None:
    server = Server(settings)
    server.commit(3)
    add_full(settings, 1, gtids=server.gtids)
    copier, asked = imported(settings, server)
    for name in server.names:
        (server.data / name).unlink()
    server.names, server.number = [], 0
    server.start()
    asked.more = {"switched": 1, "open": 1}
    found = copier.copy()
    assert (found["needs"], found["open"]) == ("reset", True)


def test_what_passes_the_log_by_while_the_first_full_backup_is_made(settings: Settings) -> None:
    server = Server(settings)
    server.commit(3)
    copier, asked = imported(settings, server)
    begun = time.time()
    time.sleep(0.01)
    asked.more = {"switched": 2, "open": 0}
    asked.ask(True)
    assert copier.copy()["needs"] == "none"
    time.sleep(0.01)
    add_full(settings, 1, begun + 1, gtids=server.gtids)  # was begun a second before
    assert copier.copy()["needs"] == "hole"
    add_full(settings, 2, time.time() + 1.01, gtids=server.gtids)
    assert copier.copy()["needs"] is None


@pytest.mark.parametrize("by", ["the same process", "another process"])
@pytest.mark.parametrize("more", [{"switched": 1}, {"filters": "binlog_do_db=x"}])
def test_a_hole_may_be_as_old_as_the_last_look_for_it(
    settings: Settings, more: dict[str, Any], by: str
) -> None:
    """Some is asked every ten seconds only. What was copied in between is known to be whole when it is asked again."""
    server = Server(settings)
    server.commit(3)
    add_full(settings, 1, gtids=server.gtids)
    copier, asked = watched(settings, server)
    server.commit(2)
    copier.copy()
    looked = copied_at(settings) or 0
    asked.more = {"deep": False}
    for _dummy in range(2):
        time.sleep(0.01)
        server.commit()
        assert copier.copy()["problem"] is None
    copied = copied_at(settings) or 0
    assert copied > looked
    if by == "another process":
        copier, asked = watched(settings, server)
    asked.more = more
    assert copier.copy()["problem"]
    for wanted in (Wanted(to=copied), Wanted(to=looked + 0.001), Wanted(before=f"{UUID}:7"), Wanted()):
        with pytest.raises(BackupProblem, match="what would be restored is not whole"):
            make_plan(settings, wanted)
    assert make_plan(settings, Wanted(to=looked - 0.001)).chain


def test_a_server_that_lets_nobody_in_is_not_known_to_be_whole(settings: Settings) -> None:
    server = Server(settings)
    server.commit(3)
    add_full(settings, 1, gtids=server.gtids)
    copier, asked = watched(settings, server)
    server.commit(2)
    copier.copy()
    looked = copied_at(settings) or 0
    answers, asked.ask = asked.ask, lambda deep=False: None  # type: ignore[method-assign, assignment, return-value]
    time.sleep(0.01)
    server.commit()
    copier.copy()
    asked.ask, asked.more, asked.extra = answers, {"switched": 1}, f"{OTHER}:1-3"  # type: ignore[method-assign]
    assert copier.copy()["problem"]
    with pytest.raises(BackupProblem, match="what would be restored is not whole"):
        make_plan(settings, Wanted(to=looked + 0.005))
    assert make_plan(settings, Wanted(to=looked - 0.001)).chain


def test_what_is_copied_after_the_server_was_asked_may_be_later_than_a_hole(settings: Settings) -> None:
    server = Server(settings)
    server.commit(3)
    add_full(settings, 1, gtids=server.gtids)
    copier, asked = watched(settings, server)
    server.commit(2)
    answers = asked.ask

    def ask(deep: bool = False) -> Live:
        found = answers(deep)
        server.commit()
        return found

    asked.ask = ask  # type: ignore[method-assign]
    assert copier.copy()["problem"] is None
    asked.ask, asked.more = answers, {"switched": 1}  # type: ignore[method-assign]
    server.commit()
    assert copier.copy()["problem"]
    with pytest.raises(BackupProblem, match="what would be restored is not whole"):
        make_plan(settings, Wanted(before=f"{UUID}:6"))
    assert make_plan(settings, Wanted(before=f"{UUID}:5")).chain


def test_a_log_that_is_not_all_there_is(settings: Settings) -> None:
    """Between two looks of a copier nothing is taken for a hole, whatever file the server goes on with."""
    server = Server(settings)
    server.commit()
    add_full(settings, 1, gtids=server.gtids)
    copier, _asked = watched(settings, server)
    for step in range(8):
        server.commit(step % 3)
        if step % 2:
            server.rotate()
        assert copier.copy()["problem"] is None, step
    server.purge(len(server.names) - 1)
    server.commit()
    assert copier.copy()["problem"] is None
    for _dummy in range(2):
        server.commit()
        server.rotate()
    server.purge(len(server.names) - 1)
    found = copier.copy()
    assert "a restore would lose" in found["problem"] and found["needs"] in ("gap", "hole")
    assert copied_at(settings) is not None


def test_a_full_backup_of_what_was_never_in_the_log_is_from_before_a_later_time(settings: Settings) -> None:
    """The server's own GTIDs that an import brought after a reset are in no file, and are no later ones either."""
    server = Server(settings, before=100)
    server.commit(3)
    add_full(settings, 1, BEGAN + 103, gtids=f"{UUID}:1-103")
    server.commit(4)
    Copier(settings).copy()
    assert make_plan(settings, Wanted(to=BEGAN + 105)).gtids <= make_plan(settings, Wanted()).gtids
    assert "000001" in make_plan(settings, Wanted(to=BEGAN + 105)).manifest["name"]


def test_holes_are_kept(settings: Settings) -> None:
    Server(settings)
    Copier(settings).copy()
    (timeline,) = timelines(Archive(settings.directory))
    hole = Hole(GTIDS, 1.5, 2.25, f"{UUID}:1-2", f"{OTHER}:1")
    save_holes(timeline.directory, [hole], {"start": "1", "switched": 4})
    assert load_holes(timeline.directory) == ([hole], {"start": "1", "switched": 4})
    (Path(timeline.directory) / "holes.json").write_text("{")
    assert load_holes(timeline.directory) == ([], {})


class Process:
    """A full backup that is being made."""

    made = 0

    def __init__(self, *dummy: object, **more: object) -> None:
        Process.made += 1

    def poll(self) -> int:
        return 1


def test_full_backups_are_made_at_once_but_not_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "subprocess", SimpleNamespace(Popen=Process, DEVNULL=None))
    monkeypatch.setattr(Process, "made", 0)
    moment = [1000.0]
    monkeypatch.setattr(cli, "time", SimpleNamespace(monotonic=lambda: moment[0]))
    fulls = cli.FullBackups()

    def made(seconds: int, **position: Any) -> int:
        before = Process.made
        for _dummy in range(seconds):
            moment[0] += 1
            fulls.look(position)
        return Process.made - before

    assert made(100, needs=None) == made(100) == 0
    assert made(29, needs="none") == 0
    assert made(2, needs="none") == 1
    assert made(100, needs=None) == 0
    assert made(100, needs="hole", open=True) == 0
    assert made(1, needs="hole", open=False) == 1
    # It did not help: again after 60, 120, 240 s and so on.
    assert [made(60, needs="hole") for _dummy in range(8)] == [0, 1, 0, 1, 0, 0, 0, 1]
    assert made(24 * 3600, needs="hole") < 30


def test_what_a_restore_would_skip_is_not_restorable(settings: Settings) -> None:
    """The server that restores has a number of its own, and skips what has it."""
    server = Server(settings)
    server.commit(3)
    add_full(settings, 1, BEGAN + 3, gtids=server.gtids)
    copier, asked = watched(settings, server)
    server.commit(2)
    assert copier.copy()["restorable"]
    server.log.server_id = SERVER_ID
    server.commit(2)
    server.log.server_id = 1
    server.commit(2)
    found = copier.copy()
    assert (found["needs"], found["restorable"]) == ("hole", False)
    assert (
        f"a restore skips what has the server_id 4294967295, that of the server that restores: {UUID}:6-7"
        in (found["problem"])
    )
    assert not report(settings)["complete"]
    assert report(settings)["spans"][0]["to"] < stamp(BEGAN + 6)
    with pytest.raises(BackupProblem, match=f"not whole: a restore skips .*{UUID}:6-7"):
        make_plan(settings, Wanted())
    with pytest.raises(BackupProblem, match="not whole: a restore skips"):
        make_plan(settings, Wanted(to=BEGAN + 6))
    assert make_plan(settings, Wanted(to=BEGAN + 5.5)).chain
    assert make_plan(settings, Wanted(before=f"{UUID}:6")).chain
    # As long as the server has it, no full backup helps for long: none is made all the time.
    asked.more = {"server_id": SERVER_ID}
    found = copier.copy()
    assert found["needs"] is None and "set another server_id" in found["problem"]
    asked.more = {}
    add_full(settings, 2, BEGAN + 9, gtids=server.gtids)
    assert copier.copy()["restorable"]
    assert make_plan(settings, Wanted()).manifest["name"].startswith("000002")
