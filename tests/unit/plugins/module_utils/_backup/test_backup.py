# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups as files: manifests, packing, retention, and the copy of a binary log that a fake server writes.

Needs the programs `zstd` and `age`.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import (
    archive as backup_archive,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import binlog_copy, cli, full
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import (
    Archive,
    BackupProblem,
    Busy,
    Pipeline,
    Settings,
    load_settings,
    locked,
    parse_time,
    read_document,
    read_packed,
    reading,
    room_for,
    stamp,
    try_unpacking,
    unpack_tree,
    verify_file,
    write_document,
    write_packed,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.binlog_copy import (
    Changed,
    Copier,
    LogFile,
    NoStore,
    Timeline,
    copied_at,
    follow,
    latest_begin,
    needed,
    timelines,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.binlog_reader import GtidSet
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.full import prune, to_remove
from backup_builders import Server, add_full, copied, flip, leftovers, new_key, settings_for
from binlog_builders import BEGAN, FLAGS, OTHER, UUID, Log

DAY = 86400


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path / "store")


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """No file may grow beyond a size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written reaches no disk any more."""

    def fsync(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)


def closed(data: bytes) -> bytes:
    """A file of the log as it is once its server has closed it."""
    return data[:FLAGS] + b"\x00\x00" + data[FLAGS + 2 :]


def no_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


# Settings and manifests


def test_settings_may_hold_numbers_as_texts(tmp_path: Path) -> None:
    path = tmp_path / "backup.json"
    texts = {name: "x" for name in ("home", "directory", "container", "image", "database", "user")}
    path.write_text(
        json.dumps({**texts, "uid": "999", "interval": "0.5", "recipients": ["age1x"], "mlflow": None})
    )
    found = load_settings(str(path))
    assert (found.uid, found.interval, found.recipients, found.mlflow) == (999, 0.5, ("age1x",), None)
    path.write_text(json.dumps({**texts, "uid": 999, "auth_database": ""}))
    assert load_settings(str(path)).auth_database is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "{",
            "[]",
            "3",
            "null",
            "{}",
            '{"home": "x"}',
            "\udcff",
            '{"recipients": 5}',
            '{"recipients": "age1"}',
        ),
        *('{"unknown": 1}', '{"home": null}', '{"uid": "root"}', '{"uid": null}', '{"interval": "fast"}'),
    ],
)
def test_settings_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "backup.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(
        BackupProblem, match=r"backup\.json cannot be read: .*\. Run the playbook backup again"
    ):
        load_settings(str(path))
    with pytest.raises(BackupProblem, match="Run the playbook backup again"):
        load_settings(str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("1970-01-01T00:00:01z", 1.0),
        (" 1970-01-01 01:00:00+01:00 ", 0.0),
        ("2026-11-23T18:00:00.250000Z", 1795456800.25),
        ("2026-11-23T18:00+00:00", 1795456800.0),
    ],
)
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds
    assert parse_time(stamp(seconds)) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "18:00",
        "2026-11-23",
        "2026-11-23T18:00:00",
        "2026-13-23T18:00:00Z",
        "1795456800",
        "Z",
    ],
)
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(BackupProblem, match="write it like 2026-11-23T18:00:00Z"):
        parse_time(text)


DOCUMENT = {"format": 1, "name": "é", "size": 12, "wall": 0.1, "parts": [{"start": 0}], "last": None}


def test_a_manifest_and_every_flipped_byte_of_it(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    write_document(str(path), DOCUMENT)
    found = read_document(str(path))
    assert {key: value for key, value in found.items() if key != "checksum"} == DOCUMENT
    assert os.listdir(tmp_path) == ["manifest.json"]
    data = path.read_bytes()
    for position in range(len(data)):
        for bit in (0x01, 0x20, 0x80):
            flip(path, position, bit)
            try:
                assert read_document(str(path)) == found  # a blank is another blank
            except BackupProblem as error:
                assert f"{path} is damaged" in str(error)
            path.write_bytes(data)
    for end in range(len(data) - 1):
        path.write_bytes(data[:end])
        with pytest.raises(BackupProblem, match="is damaged"):
            read_document(str(path))


def test_a_manifest_of_another_format(tmp_path: Path) -> None:
    path = str(tmp_path / "manifest.json")
    write_document(path, {**DOCUMENT, "format": 2})
    with pytest.raises(BackupProblem, match="has the format 2: install a newer release"):
        read_document(path)
    with pytest.raises(BackupProblem, match="cannot be read: No such file"):
        read_document(path + ".none")


def test_a_manifest_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was there stays."""
    path = tmp_path / "manifest.json"
    write_document(str(path), DOCUMENT)
    before = path.read_bytes()
    full_disk(monkeypatch)
    with pytest.raises(BackupProblem, match=r"the disk of .*manifest\.json is full: make room"):
        write_document(str(path), {**DOCUMENT, "size": 13})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["manifest.json"]


# Packing


@pytest.fixture
def key(tmp_path: Path) -> tuple[str, str]:
    """A recipient, and the file with its identity."""
    path = tmp_path / "identity"
    return new_key(path), str(path)


CONTENT = b"".join(b"row %d\n" % number for number in range(50_000))


def pack(path: Path, recipients: tuple[str, ...] = ()) -> dict[str, Any]:
    source = path.with_suffix(".source")
    source.write_bytes(b"left out\n" + CONTENT)
    with source.open("rb") as stream:
        stream.seek(9)
        about = write_packed(str(path), stream, recipients)
    source.unlink()
    return about


def unpack(path: Path, identity: str | None = None) -> bytes:
    with read_packed(str(path), identity) as stream:
        return stream.read()


def test_what_is_packed_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "part.zst"
    about = pack(path)
    assert about["file"] == "part.zst"
    verify_file(str(path), about)
    assert unpack(path) == CONTENT
    assert about["size"] == path.stat().st_size < len(CONTENT)
    with read_packed(str(path), None) as stream:
        assert stream.read(5) == CONTENT[:5]
    assert no_children()


def test_what_is_encrypted_is_read_with_its_identity_alone(tmp_path: Path, key: tuple[str, str]) -> None:
    path, other = tmp_path / "part.zst.age", tmp_path / "other"
    second = new_key(other)
    pack(path, (key[0],))
    assert path.read_bytes().startswith(b"age-encryption.org/")
    assert unpack(path, key[1]) == CONTENT
    try_unpacking(str(path), key[1])
    problems = {
        str(other): "Give the identity of one of the recipients",
        str(tmp_path / "lost"): "the age identity .*lost is not there: put it back",
        None: "there is no age identity on this host: set mlflow_backup_identity",
    }
    for identity, message in problems.items():
        with pytest.raises(BackupProblem, match=message) as caught:
            unpack(path, identity)
        assert "AGE-SECRET-KEY" not in str(caught.value)
        with pytest.raises(BackupProblem, match=message):
            try_unpacking(str(path), identity)
    pack(path, (key[0], second))
    assert unpack(path, key[1]) == unpack(path, str(other)) == CONTENT
    assert no_children()


@pytest.mark.parametrize("encrypted", [False, True])
def test_packed_files_that_are_damaged(tmp_path: Path, key: tuple[str, str], encrypted: bool) -> None:
    path = tmp_path / ("part.zst.age" if encrypted else "part.zst")
    about = pack(path, (key[0],) if encrypted else ())
    data = path.read_bytes()
    step = len(data) // 12
    for end in (0, 1, *range(step, len(data), step), len(data) - 1):
        path.write_bytes(data[:end])
        with pytest.raises(BackupProblem, match="is damaged: it has"):
            verify_file(str(path), about)
        with pytest.raises(BackupProblem, match="cannot be unpacked"):
            unpack(path, key[1])
    for position in (0, *range(step, len(data), step), len(data) - 1):
        path.write_bytes(data)
        flip(path, position)
        with pytest.raises(BackupProblem, match="is damaged: its checksum is wrong"):
            verify_file(str(path), about)
        with pytest.raises(BackupProblem, match="cannot be unpacked"):
            unpack(path, key[1])
    path.unlink()
    for read in (lambda: verify_file(str(path), about), lambda: unpack(path, key[1])):
        with pytest.raises(BackupProblem, match="No such file"):
            read()
    assert no_children()


def test_a_tree_is_packed_and_unpacked(tmp_path: Path, key: tuple[str, str]) -> None:
    tree, target = tmp_path / "tree", tmp_path / "target"
    (tree / "mlflow").mkdir(parents=True)
    (tree / "mlflow/runs.ibd").write_bytes(CONTENT)
    (tree / "#innodb redo\nlog").write_bytes(b"x")
    with (tree / "sparse").open("wb") as stream:
        stream.truncate(64 << 20)
    (tree / "mlflow").chmod(0o750)
    command = ["tar", "-c", "--sparse", "-C", str(tree), "-f", "-", "."]
    path = tmp_path / "data.tar.zst.age"
    write_packed(str(path), command, (key[0],))
    target.mkdir()
    unpack_tree(str(path), key[1], str(target))
    assert subprocess.run(["diff", "-r", tree, target], check=False).returncode == 0
    assert (target / "mlflow").stat().st_mode & 0o777 == 0o750
    assert (target / "sparse").stat().st_blocks < 1000
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BackupProblem, match=r"data\.tar\.zst\.age cannot be unpacked into"):
        unpack_tree(str(path), key[1], str(target))
    with pytest.raises(BackupProblem, match="No such file"):
        unpack_tree(str(tmp_path / "none.tar.zst"), None, str(target))
    assert no_children()


@pytest.mark.parametrize(
    ("producer", "recipients", "message"),
    [
        (["tar", "-c", "-C", "/nowhere", "-f", "-", "."], (), "tar ended with 2: .*nowhere"),
        (["sh", "-c", "echo lost; kill -9 $$"], (), "sh ended with -9"),
        (["sh", "-c", "echo begun; exit 7"], (), "sh ended with 7"),
        (["no-such-program"], (), "no-such-program is not installed on this host: install the package"),
        (["yes"], ("age1nonsense",), "age ended with 1: .*Correct mlflow_backup_recipients"),
    ],
)
def test_packing_that_fails(
    tmp_path: Path, producer: list[str], recipients: tuple[str, ...], message: str
) -> None:
    """Nothing is left of it, neither a file nor a process."""
    with pytest.raises(BackupProblem, match=message):
        write_packed(str(tmp_path / "data.tar.zst"), producer, recipients)
    assert os.listdir(tmp_path) == []
    assert no_children()


def test_packing_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_files(1 << 20), pytest.raises(
        BackupProblem, match=r"data\.tar\.zst: File too large\. Check that path"
    ):
        write_packed(str(tmp_path / "data.tar.zst"), ["cat", "/dev/urandom"], ())
    assert os.listdir(tmp_path) == []
    full_disk(monkeypatch)
    with pytest.raises(BackupProblem, match=r"the disk of .*data\.tar\.zst is full: make room"):
        write_packed(str(tmp_path / "data.tar.zst"), ["echo", "x"], ())
    assert os.listdir(tmp_path) == []
    assert no_children()


def test_unpacking_on_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "target").mkdir()
    (tmp_path / "tree/ibdata1").write_bytes(bytes(4 << 20))
    path = tmp_path / "data.tar.zst"
    write_packed(str(path), ["tar", "-c", "-C", str(tmp_path / "tree"), "-f", "-", "."], ())
    with small_files(1 << 20), pytest.raises(
        BackupProblem, match=r"cannot be unpacked into .*: tar ended with"
    ):
        unpack_tree(str(path), None, str(tmp_path / "target"))
    assert no_children()


def test_programs_end_with_whoever_started_them() -> None:
    with pytest.raises(ZeroDivisionError), Pipeline(
        [["yes"], ["cat"]], subprocess.DEVNULL, subprocess.PIPE
    ) as pipeline:
        assert pipeline.output.read(4) == b"y\ny\n"
        processes = [process.pid for process in pipeline.processes]
        raise ZeroDivisionError
    assert no_children()
    assert not any(os.path.exists(f"/proc/{pid}") for pid in processes)
    with pytest.raises(BackupProblem, match="not installed"):
        Pipeline([["yes"], ["no-such-program"]], subprocess.DEVNULL, subprocess.PIPE)
    assert no_children()


# Locks and room


def test_a_lock_is_held_by_one_and_ends_with_it(settings: Settings) -> None:
    with locked(settings.directory, "full", "making a full backup"):
        with pytest.raises(Busy, match="another process is making a full backup already: wait"):
            with locked(settings.directory, "full", "making a full backup"):
                pass
        with locked(settings.directory, "drill", "restoring"):
            pass
    with locked(settings.directory, "full", "making a full backup"):
        pass
    shutil.rmtree(settings.directory)
    with pytest.raises(BackupProblem, match="No such file or directory") as caught:
        with locked(settings.directory, "full", "making a full backup"):
            pass
    assert not isinstance(caught.value, Busy)


def test_room(tmp_path: Path) -> None:
    room_for(str(tmp_path), 1, "a backup")
    with pytest.raises(BackupProblem, match=r"a backup takes 1073741824 MiB, and .* MiB free: make room"):
        room_for(str(tmp_path), 1 << 50, "a backup")


# Retention


def ages(*days: float) -> list[dict[str, Any]]:
    return [{"name": str(number), "finished": stamp(BEGAN - age * DAY)} for number, age in enumerate(days)]


@pytest.mark.parametrize(
    ("days", "keep_last", "keep_days", "removed"),
    [
        ((), 1, 0, []),
        ((100,), 1, 14, []),
        ((100,), 0, 0, []),
        ((100, 99), 1, 14, ["0"]),
        ((100, 99, 1), 2, 14, ["0"]),
        ((100, 99, 1), 3, 14, []),
        ((20, 15, 13, 2, 1), 1, 14, ["0", "1"]),
        ((20, 15, 13, 2, 1), 4, 14, ["0"]),
        ((3, 2, 1, 0), 1, 0, ["0", "1", "2"]),
        # From a time that is to come: kept.
        ((-50, 20, 0), 1, 14, ["1"]),
    ],
)
def test_what_is_too_old(days: tuple[float, ...], keep_last: int, keep_days: int, removed: list[str]) -> None:
    assert [one["name"] for one in to_remove(ages(*days), keep_last, keep_days, BEGAN)] == removed


class Clock:
    """The wall, what the machine counts, and the boot."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = BEGAN
        self.counted = 1000.0
        monkeypatch.setattr(time, "time", lambda: self.wall)
        monkeypatch.setattr(time, "clock_gettime", lambda dummy: self.counted)

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.counted += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def daily(settings: Settings, count: int, first: int = 1) -> list[str]:
    """One backup each day, the last one now."""
    return [
        add_full(settings, number, BEGAN - (first + count - 1 - number) * DAY)
        for number in range(first, first + count)
    ]


def quiet(dummy: str) -> None:
    pass


def test_old_backups_are_removed(settings: Settings, clock: Clock) -> None:
    names = daily(_replace(settings), 20)
    result = prune(_replace(settings, keep_days=14, keep_last=7), quiet)
    assert result["removed"] == names[:5]
    assert Archive(settings.directory).names() == names[5:]
    assert (result["damaged"], result["clock"]) == ({}, None)
    assert prune(_replace(settings, keep_days=14, keep_last=7), quiet)["removed"] == []
    assert prune(_replace(settings, keep_days=0, keep_last=7), quiet)["removed"] == names[5:13]
    assert prune(_replace(settings, keep_days=0, keep_last=0), quiet)["removed"] == names[13:19]
    assert Archive(settings.directory).names() == names[19:]


def _replace(settings: Settings, **more: Any) -> Settings:
    return settings_for(Path(settings.home), **more)


def archive_of(settings: Settings, name: str) -> Path:
    return Path(settings.directory, "full", name, "data.tar.zst")


def test_nothing_is_removed_while_no_newer_one_is_whole(settings: Settings, clock: Clock) -> None:
    wanted = _replace(settings, keep_days=0, keep_last=2)
    names = daily(settings, 4)
    for name in names[2:]:
        flip(archive_of(settings, name))
    said: list[str] = []
    result = prune(wanted, said.append)
    assert result["removed"] == []
    assert sorted(result["damaged"]) == names[2:]
    assert "Nothing is removed" in said[0] and names[3] in said[0]
    assert Archive(settings.directory).names() == names


def test_a_damaged_backup_is_said_and_kept(settings: Settings, clock: Clock) -> None:
    """An older one is whole: what is older than that goes."""
    wanted = _replace(settings, keep_days=0, keep_last=2)
    names = daily(settings, 4)
    flip(archive_of(settings, names[3]))
    result = prune(wanted, quiet)
    assert result["removed"] == names[:2]
    assert list(result["damaged"]) == [names[3]]
    assert Archive(settings.directory).names() == names[2:]


def test_backups_that_are_no_backups_count_for_nothing(settings: Settings, clock: Clock) -> None:
    names = daily(settings, 3)
    archive_of(settings, names[2]).write_bytes(b"short")
    flip(Path(settings.directory, "full", names[1], "manifest.json"), 100)
    Path(settings.directory, "full", "000009-empty").mkdir()
    Path(settings.directory, "full", "lost+found").mkdir()
    result = prune(_replace(settings, keep_days=0, keep_last=1), quiet)
    assert result["removed"] == []
    assert sorted(result["damaged"]) == [*names[1:], "000009-empty"]
    assert len(os.listdir(Path(settings.directory, "full"))) == 5


@pytest.mark.parametrize("jump", [400 * DAY, 301, -301, -400 * DAY])
def test_a_clock_that_jumps_removes_nothing(settings: Settings, clock: Clock, jump: float) -> None:
    wanted = _replace(settings, keep_days=14, keep_last=1)
    names = daily(settings, 3)
    assert prune(wanted, quiet)["clock"] is None
    clock.passes(DAY)
    clock.wall += jump
    said: list[str] = []
    result = prune(wanted, said.append)
    assert result["removed"] == []
    assert result["clock"] is not None
    assert "Set the clock right" in said[0]
    assert Archive(settings.directory).names() == names


def test_a_clock_that_was_set_right(settings: Settings, clock: Clock) -> None:
    wanted = _replace(settings, keep_days=14, keep_last=1)
    daily(settings, 3)
    prune(wanted, quiet)
    clock.wall += 400 * DAY
    assert prune(wanted, quiet)["clock"] is not None
    clock.wall -= 400 * DAY
    assert "jumped by" in str(prune(wanted, quiet)["clock"])
    clock.passes(DAY)
    assert prune(wanted, quiet)["clock"] is None


def test_a_clock_that_was_wrong_at_boot(
    settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing counts across boots: a time before the last one, or long after it, is not believed at once."""
    wanted = _replace(settings, keep_days=14, keep_last=1)
    daily(settings, 3)
    prune(wanted, quiet)
    document = read_document(os.path.join(settings.directory, "clock.json"))
    for wall, wrong in ((BEGAN + DAY, False), (BEGAN + 15 * DAY, True), (BEGAN - DAY, True)):
        write_document(os.path.join(settings.directory, "clock.json"), {**document, "boot": "another"})
        clock.wall, clock.counted = wall, 5.0
        result = prune(wanted, quiet)
        assert (result["clock"] is not None) is wrong
        assert result["removed"] == []


def test_a_full_disk_lets_old_backups_go(
    settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = daily(settings, 3)

    def refuse(path: str, dummy: Any) -> None:
        raise BackupProblem(f"the disk of {path} is full")

    monkeypatch.setattr(full, "write_document", refuse)
    assert prune(_replace(settings, keep_days=0, keep_last=1), quiet)["removed"] == names[:2]


def test_nothing_is_removed_while_somebody_reads(settings: Settings, clock: Clock) -> None:
    names = daily(settings, 3)
    wanted = _replace(settings, keep_days=0, keep_last=1)
    said: list[str] = []
    with reading(settings.directory), reading(settings.directory):
        assert prune(wanted, said.append)["removed"] == []
    assert "while backups are being read" in said[0]
    assert prune(wanted, quiet)["removed"] == names[:2]


def test_an_interrupted_removal_is_no_backup(
    settings: Settings, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = daily(settings, 2)

    def interrupted(path: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prune(_replace(settings, keep_days=0, keep_last=1), quiet)
    monkeypatch.undo()
    assert Archive(settings.directory).manifests()[0][0]["name"] == names[1]
    assert Archive(settings.directory).names() == names[1:]
    full.remove_unfinished(settings)
    assert os.listdir(Path(settings.directory, "full")) == names[1:]


def test_the_log_goes_with_the_backup_that_it_followed(settings: Settings, clock: Clock) -> None:
    server, sets = Server(settings), []
    for _dummy in range(6):
        server.commit(3)
        sets.append(server.gtids)
        server.commit(2)
        server.rotate()
    Copier(settings).copy()
    for number, gtids in enumerate(sets, 1):
        add_full(settings, number, BEGAN - (6 - number) * DAY, gtids)
    prune(_replace(settings, keep_days=3, keep_last=1), quiet)
    timeline = Timeline(Archive(settings.directory), UUID)
    assert timeline.names() == [f"binlog.{number:06d}" for number in range(3, 8)]
    assert leftovers(settings) == []
    oldest = GtidSet(Archive(settings.directory).manifests()[0][0]["gtid_set"])
    assert [log.name for log in needed(timeline.files(), oldest)] == timeline.names()
    # The copy goes on.
    server.commit()
    Copier(settings).copy()
    assert copied(settings)["binlog.000007"] == server.written["binlog.000007"]


def test_the_log_of_a_server_goes_with_its_last_backup(settings: Settings, clock: Clock) -> None:
    for uuid in (UUID, OTHER):
        Server(settings, uuid).commit(3)
        Copier(settings).copy()
        shutil.rmtree(settings.data)
    archive = Archive(settings.directory)
    assert [one.uuid for one in timelines(archive)] == [UUID, OTHER]
    old = add_full(settings, 1, BEGAN - 20 * DAY, f"{UUID}:1-2", UUID)
    add_full(settings, 2, BEGAN, f"{UUID}:1-3", UUID)
    # The new server has none yet, and the old one has one still.
    assert prune(_replace(settings, keep_last=1), quiet)["removed"] == [old]
    assert len(timelines(archive)) == 2
    add_full(settings, 3, BEGAN, f"{OTHER}:1", OTHER)
    add_full(settings, 4, BEGAN, f"{OTHER}:1-2", OTHER)
    # A backup with a damaged manifest may be of any server: its log stays until somebody has looked.
    manifest = Path(settings.directory, "full", archive.names()[0], "manifest.json")
    whole = manifest.read_bytes()
    flip(manifest, 100)
    prune(_replace(settings, keep_last=1, keep_days=0), quiet)
    assert len(timelines(archive)) == 2
    manifest.write_bytes(whole)
    clock.passes(DAY)
    prune(_replace(settings, keep_last=1, keep_days=0), quiet)
    assert [one.uuid for one in timelines(archive)] == [OTHER]


# Files that follow a backup


def chain_of(*files: tuple[int, str, bool, bool]) -> list[LogFile]:
    """Files with a number, what is before them, whether they are closed, and whether something is missing before."""
    found = []
    for number, before, closed, gap in files:
        log = LogFile("/nowhere", f"binlog.{number:06d}")
        log.document.update(previous=before, closed=closed, gap_before=gap, end=1000, last_time=stamp(BEGAN))
        found.append(log)
    return found


WHOLE = ((1, "", True, False), (2, f"{UUID}:1-10", True, False), (3, f"{UUID}:1-20", False, False))


@pytest.mark.parametrize(
    ("gtids", "names"),
    [("", [1, 2, 3]), (f"{UUID}:1-9", [1, 2, 3]), (f"{UUID}:1-10", [2, 3]), (f"{UUID}:1-25", [3])],
)
def test_files_that_are_needed(gtids: str, names: list[int]) -> None:
    found = needed(chain_of(*WHOLE), GtidSet(gtids))
    assert [int(log.name[-6:]) for log in found] == names


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (WHOLE[1:], "begins after the full backup"),
        ((WHOLE[0], WHOLE[2]), r"binlog\.000002 is missing .*with a time up to 20"),
        (
            (WHOLE[0], (2, f"{UUID}:1-10", True, True)),
            r"the end of the binary log file binlog\.000001 is missing",
        ),
        (((1, "", False, False), WHOLE[1]), r"the end of the binary log file binlog\.000001 is missing"),
        ((), "begins after the full backup"),
    ],
)
def test_files_that_are_missing(files: Any, message: str) -> None:
    with pytest.raises(BackupProblem, match=message):
        needed(chain_of(*files), GtidSet(f"{UUID}:1-5"))


def test_what_is_missing_before_the_backup_does_not_matter() -> None:
    files = chain_of(
        (1, "", False, False), (5, f"{UUID}:1-10", True, True), (6, f"{UUID}:1-20", False, False)
    )
    assert [log.name for log in needed(files, GtidSet(f"{UUID}:1-12"))] == ["binlog.000005", "binlog.000006"]


# The copy of a binary log


def test_what_is_copied_is_what_the_server_wrote(settings: Settings) -> None:
    server, copier = Server(settings), Copier(settings)
    assert copied_at(settings) is None
    for step in range(12):
        server.commit(step)
        if step % 4 == 3:
            server.rotate()
        if step == 6:
            server.stop()
            server.start()
        position = copier.copy()
        assert copied(settings) == server.written
        assert position["file"] == server.names[-1]
        assert position["position"] == len(server.written[server.names[-1]])
        assert position["gtid_set"] == (server.gtids if step else "")
    assert leftovers(settings) == []
    assert copied_at(settings) is not None
    logs = Timeline(Archive(settings.directory), UUID).files()
    assert [log.closed for log in logs] == [True] * (len(logs) - 1) + [False]
    assert all(len(log.parts) == 1 for log in logs if log.closed)
    assert [log.document["transactions"] for log in logs] == [6, 4 + 5 + 6, 7, 8 + 9 + 10 + 11, 0]


def test_nothing_new_writes_nothing(settings: Settings) -> None:
    server, copier = Server(settings), Copier(settings)
    server.commit()
    copier.copy()
    directory = Path(settings.directory, "binlog", UUID)
    before = {path: path.stat().st_mtime_ns for path in directory.iterdir()}
    copier.copy()
    Copier(settings).copy()
    assert {path: path.stat().st_mtime_ns for path in directory.iterdir()} == before


def test_a_copy_ends_where_a_transaction_ends(settings: Settings) -> None:
    server, copier = Server(settings), Copier(settings)
    server.commit(2)
    whole = server.log.data
    server.log.transaction(3)
    more = server.log.data[len(whole) :]
    server.log.data = whole
    for end in range(0, len(more), 7):
        server.flush(more[:end])
        copier.copy()
        assert copied(settings) == server.written
    server.commit()
    copier.copy()
    assert copied(settings) == server.written


def test_many_parts_are_merged(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binlog_copy, "MERGED", 3)
    server, copier = Server(settings), Copier(settings)
    most = 0
    for step in range(40):
        server.commit()
        (copier if step % 5 else Copier(settings)).copy()
        (log,) = Timeline(Archive(settings.directory), UUID).files()
        most = max(most, len(log.parts))
        assert [part["level"] for part in log.parts] == sorted((p["level"] for p in log.parts), reverse=True)
        assert leftovers(settings) == []
    assert copied(settings) == server.written
    assert most <= 2 * 4
    server.rotate()
    copier.copy()
    assert copied(settings) == server.written
    assert len(Timeline(Archive(settings.directory), UUID).files()[0].parts) == 1


def test_an_encrypted_copy(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binlog_copy, "MERGED", 3)
    recipient = new_key(tmp_path / "identity")
    settings = settings_for(Path(settings.home), recipients=(recipient,))
    server, copier = Server(settings), Copier(settings)
    for _dummy in range(5):
        server.commit()
        copier.copy()
    assert copied(settings, identity=str(tmp_path / "identity")) == server.written
    (log,) = Timeline(Archive(settings.directory), UUID).files()
    log.try_unpacking(str(tmp_path / "identity"))
    new_key(tmp_path / "other")
    with pytest.raises(BackupProblem, match="Give the identity"):
        log.try_unpacking(str(tmp_path / "other"))
    assert all(path.name.endswith(".zst.age") for path in Path(log.directory).glob("*.zst*"))


STEPS = ("rename", "unlink", "fsync", "utime", "makedirs")


def killed_at(number: int, work: Callable[[], Any]) -> bool:
    """Do something in a process that is killed before its n-th step on the disk. Returns whether it was."""
    child = os.fork()
    if child == 0:
        left = number

        def killing(original: Callable[..., Any]) -> Callable[..., Any]:
            def step(*arguments: Any, **more: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(*arguments, **more)

            return step

        try:
            for name in STEPS:
                setattr(os, name, killing(getattr(os, name)))
            work()
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def test_a_copy_that_is_killed_anywhere_is_completed_by_the_next(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binlog_copy, "MERGED", 3)
    server = Server(settings)
    start = Path(settings.home, "start")
    # From nothing, and from a copy whose next part is merged, closed and followed by another file.
    for begun in (False, True):
        if begun:
            for _dummy in range(2):
                server.commit()
                Copier(settings).copy()
            server.commit()
            server.rotate()
        server.commit()
        shutil.copytree(settings.directory, start)
        number = 0
        while True:
            killed = killed_at(number, Copier(settings).copy)
            # What a restore reads meanwhile is whole, and a part of what the server wrote.
            for name, content in copied(settings).items():
                assert server.written[name].startswith(content), number
            Copier(settings).copy()
            assert copied(settings) == server.written, number
            assert leftovers(settings) == [], number
            if not killed:
                break
            shutil.rmtree(settings.directory)
            shutil.copytree(start, settings.directory)
            number += 1
        assert number > (15 if begun else 5)
        shutil.rmtree(start)


def test_a_full_disk_while_copying(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    server, copier = Server(settings), Copier(settings)
    server.commit()
    copier.copy()
    before = copied(settings)
    server.commit(2)
    with monkeypatch.context() as patched:
        full_disk(patched)
        with pytest.raises(BackupProblem, match="is full: make room"):
            copier.copy()
    with small_files(50), pytest.raises(BackupProblem, match="File too large"):
        Copier(settings).copy()
    assert copied(settings) == before
    Copier(settings).copy()
    assert copied(settings) == server.written
    assert leftovers(settings) == []
    assert no_children()


def test_a_directory_of_backups_that_is_gone(settings: Settings) -> None:
    server, copier = Server(settings), Copier(settings)
    server.commit()
    copier.copy()
    shutil.rmtree(settings.directory)
    with pytest.raises(BackupProblem, match=r"backups.*: No such file or directory\. Check that path"):
        copier.copy()


@pytest.mark.parametrize("lost", ["data", "auto.cnf", "binlog.index"])
def test_a_data_directory_that_disappears(settings: Settings, lost: str) -> None:
    """What the server writes to a file that was deleted under it is copied too."""
    server, copier = Server(settings), Copier(settings)
    server.commit()
    copier.copy()
    handle = os.open(server.data / server.names[-1], os.O_WRONLY | os.O_APPEND)
    if lost == "data":
        shutil.rmtree(settings.data)
    else:
        (server.data / lost).unlink()
    with pytest.raises(NoStore, match=r"(?i)start the store"):
        copier.copy()
    size = len(server.log.data)
    server.number += 1
    server.log.transaction(server.number)
    os.write(handle, server.log.data[size:])
    os.close(handle)
    with pytest.raises(NoStore):
        copier.copy()
    assert len(copied(settings)["binlog.000001"]) == len(server.log.data)
    with pytest.raises(NoStore):
        Copier(settings).copy()


def test_a_server_killed_while_it_replaces_its_index(settings: Settings) -> None:
    """MySQL writes the new index beside the old one, deletes this and gives that its name."""
    server, copier = Server(settings), Copier(settings)
    server.commit()
    copier.copy()
    server.commit()
    (server.data / "binlog.index").rename(server.data / "binlog.index_crash_safe")
    Copier(settings).copy()
    assert len(copied(settings)["binlog.000001"]) == len(server.log.data)


def test_data_that_is_no_store(settings: Settings) -> None:
    Path(settings.data, "auto.cnf").write_bytes(b"\xff nothing")
    with pytest.raises(NoStore, match="has no binary log"):
        Copier(settings).copy()


def test_a_closed_file_of_which_the_end_is_missing_in_the_copy(settings: Settings) -> None:
    server, copier = Server(settings), Copier(settings)
    server.commit(3)
    copier.copy()
    server.commit(2)
    server.rotate()
    server.commit()
    server.purge(1)
    copier.copy()
    files = Timeline(Archive(settings.directory), UUID).files()
    assert [(log.name, log.closed, log.document["gap_before"]) for log in files] == [
        ("binlog.000001", False, False),
        ("binlog.000002", False, True),
    ]
    with pytest.raises(BackupProblem, match=r"the end of the binary log file binlog\.000001 is missing"):
        needed(files, GtidSet(f"{UUID}:1-2"))
    assert needed(files, GtidSet(f"{UUID}:1-5")) == files[1:]


def test_files_that_the_server_removed_before_they_were_copied(settings: Settings) -> None:
    server = Server(settings)
    server.commit()
    server.rotate()
    Copier(settings).copy()
    for _dummy in range(3):
        server.commit()
        server.rotate()
    server.purge(3)
    Copier(settings).copy()
    files = Timeline(Archive(settings.directory), UUID).files()
    assert [log.name for log in files if log.document["gap_before"]] == ["binlog.000004"]
    # And afterwards there is no gap any more.
    server.commit()
    server.rotate()
    Copier(settings).copy()
    files = Timeline(Archive(settings.directory), UUID).files()
    assert [log.name for log in files if log.document["gap_before"]] == ["binlog.000004"]


@pytest.mark.parametrize("position", [30, 150, 260, -3])
def test_damage_that_the_server_has_before_it_is_copied(settings: Settings, position: int) -> None:
    server, copier = Server(settings), Copier(settings)
    server.commit(3)
    server.rotate()
    flip(server.data / "binlog.000001", position)
    with pytest.raises(
        BackupProblem, match=r"binlog\.000001 is damaged.* make a full backup|Make a full backup"
    ):
        copier.copy()
    assert copied_at(settings) is None


def test_a_part_of_a_transaction_at_the_end_of_a_file(settings: Settings) -> None:
    server, copier = Server(settings), Copier(settings)
    server.commit()
    whole = server.log.data
    server.log.transaction(2)
    torn, server.log.data = server.log.data[len(whole) : -5], whole
    server.flush(torn)
    copier.copy()
    before = time.time() - 61
    os.utime(server.data / "binlog.000001", (before, before))
    # Of a server that was killed nothing more comes; of one that runs it must.
    copier.copy()
    (server.data / "ibdata1").touch()
    with (server.data / "ibdata1").open("rb"):
        with pytest.raises(
            BackupProblem, match=r"ends with a part of a transaction, from byte .* restart it"
        ):
            copier.copy()
    # A server that recovers cuts it off, and begins a file.
    os.truncate(server.data / "binlog.000001", len(whole))
    server.start()
    server.commit()
    Copier(settings).copy()
    assert copied(settings) == server.written


def test_a_closed_file_with_a_part_of_a_transaction(settings: Settings) -> None:
    server = Server(settings)
    server.commit()
    server.flush(bytes(10))
    server.start()
    with pytest.raises(BackupProblem, match=r"binlog\.000001 is damaged"):
        Copier(settings).copy()


def test_damage_that_the_server_has_after_it_is_copied(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The good copy stays, the damage is said, and the copy goes on."""
    server, copier = Server(settings), Copier(settings)
    for _dummy in range(3):
        server.commit()
        copier.copy()
    flip(server.data / "binlog.000001", 300)
    server.rotate()
    server.commit()
    with pytest.raises(Changed, match=r"binlog\.000001 was damaged after it was copied.*the copy is good"):
        copier.copy()
    copier.copy()
    assert copied(settings) == server.written
    files = Timeline(Archive(settings.directory), UUID).files()
    assert [len(log.parts) for log in files] == [4, 1]
    assert needed(files, GtidSet("")) == files


def test_damage_is_not_merged_either(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binlog_copy, "MERGED", 3)
    server, copier = Server(settings), Copier(settings)
    for _dummy in range(2):
        server.commit()
        copier.copy()
    flip(server.data / "binlog.000001", 300)
    for _dummy in range(2):
        server.log.transaction(server.number + 1)
        server.number += 1
        with (server.data / "binlog.000001").open("ab") as stream:
            stream.write(server.log.data[os.path.getsize(stream.name) :])
        with pytest.raises(Changed):
            copier.copy()
    server.flush()
    Copier(settings).copy()
    assert copied(settings) == server.written


def test_a_log_that_was_reset_is_not_mixed_with_the_one_before(settings: Settings) -> None:
    """Its transactions have the names of others. What was copied stays as it is."""
    server = Server(settings)
    server.commit(3)
    server.rotate()
    server.commit()
    Copier(settings).copy()
    before = copied(settings)
    for number, commits in enumerate((2, 1, 9), 1):
        shutil.rmtree(settings.data)
        reset = Server(settings, before=10 * number)
        reset.commit(commits)
        copier = Copier(settings)
        copier.copy()
        copier.copy()
        if commits == 9:
            # As long as what was copied, or longer.
            reset.rotate()
            reset.commit(3)
            copier.copy()
        assert copied(settings) == before
        assert copied(settings, f"{UUID}.{number}") == reset.written
    known = timelines(Archive(settings.directory))
    assert [(one.name, "ended" in one.about) for one in known] == [
        (UUID, True),
        (f"{UUID}.1", True),
        (f"{UUID}.2", True),
        (f"{UUID}.3", False),
    ]


@pytest.mark.parametrize(("first", "latest"), [(None, 1.0), (0.4, 0.4), (7.0, 1.0)])
def test_when_a_log_began(tmp_path: Path, first: float | None, latest: float) -> None:
    """Its first event says the second, its first transaction came later than it."""
    log = Log()
    if first is not None:
        log.transaction(1, when=BEGAN + first)
    path = tmp_path / "binlog.000001"
    path.write_bytes(log.data)
    assert latest_begin(str(path)) == pytest.approx(BEGAN + latest)


def test_data_that_was_set_back(settings: Settings) -> None:
    server = Server(settings)
    server.commit(3)
    snapshot = Path(settings.home, "snapshot")
    shutil.copytree(settings.data, snapshot)
    server.commit(3)
    Copier(settings).copy()
    before = copied(settings)
    shutil.rmtree(settings.data)
    shutil.copytree(snapshot, settings.data)
    began = stamp(time.time())
    Copier(settings).copy()
    assert copied(settings) == before
    assert copied(settings, f"{UUID}.1") == {
        "binlog.000001": closed(snapshot.joinpath("binlog.000001").read_bytes())
    }
    # Its file is from before it was set back, and what is asked for of that time is in the one before.
    assert timelines(Archive(settings.directory))[-1].began > began


def test_one_that_is_put_back_is_the_newest_again(settings: Settings) -> None:
    """As when a restored store did not work."""
    server = Server(settings)
    server.commit(3)
    Copier(settings).copy()
    kept = Path(settings.home, "kept")
    os.rename(settings.data, kept)
    Server(settings, OTHER).commit()
    Copier(settings).copy()
    assert [one.name for one in timelines(Archive(settings.directory))] == [UUID, OTHER]
    shutil.rmtree(settings.data)
    os.rename(kept, settings.data)
    server.commit()
    Copier(settings).copy()
    assert [one.name for one in timelines(Archive(settings.directory))] == [OTHER, UUID]
    assert copied(settings) == server.written


def test_another_server_has_another_timeline(settings: Settings) -> None:
    server = Server(settings)
    server.commit(3)
    copier = Copier(settings)
    copier.copy()
    first = dict(server.written)
    shutil.rmtree(settings.data)
    second = Server(settings, OTHER)
    second.commit(2)
    copier.copy()
    assert copied(settings) == first
    assert copied(settings, OTHER) == second.written
    found = timelines(Archive(settings.directory))
    # The second one began when its server did, however late it is copied.
    assert [(one.number, one.began) for one in found] == [(1, stamp(BEGAN)), (2, stamp(BEGAN))]


def test_two_copy_at_a_time(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binlog_copy, "MERGED", 3)
    server, copiers = Server(settings), [Copier(settings) for dummy in range(3)]
    for step in range(20):
        server.commit()
        if step % 7 == 6:
            server.rotate()
        copiers[step * step % 3].copy()
        assert copied(settings) == server.written
    assert leftovers(settings) == []


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_damaged_manifest_does_not_end_the_copy(settings: Settings, which: int) -> None:
    server = Server(settings)
    for _dummy in range(2):
        server.commit()
        server.rotate()
    server.commit()
    Copier(settings).copy()
    directory = Path(settings.directory, "binlog", UUID)
    flip(directory / f"binlog.00000{which + 1}.json", 50)
    server.commit()
    Copier(settings).copy()
    files = Timeline(Archive(settings.directory), UUID).files()
    if which == 2:
        # The server still has what is in the file: it is copied again.
        assert copied(settings) == server.written
        assert (directory / ".damaged-binlog.000003.json").exists()
    else:
        assert [log.name for log in files if log.problem] == [f"binlog.00000{which + 1}"]
        assert files[2].end == len(server.written["binlog.000003"])
        with pytest.raises(BackupProblem, match=r"json is damaged.*Restore|begins after"):
            needed(files, GtidSet(""))
        # Its parts may be of use to somebody.
        assert list(directory.glob(f"binlog.00000{which + 1}.0*"))


def test_a_lost_manifest_of_a_timeline(settings: Settings) -> None:
    server = Server(settings)
    server.commit()
    Copier(settings).copy()
    path = Path(settings.directory, "binlog", UUID, "timeline.json")
    flip(path, 30)
    (found,) = timelines(Archive(settings.directory))
    assert found.problem is not None and found.number == 0
    server.commit()
    Copier(settings).copy()
    assert copied(settings) == server.written
    path.unlink()
    Path(settings.directory, "binlog", "lost+found").mkdir()
    Copier(settings).copy()
    assert [one.number for one in timelines(Archive(settings.directory))] == [1]


def test_parts_whose_manifest_is_lost_stay(settings: Settings) -> None:
    server = Server(settings)
    for _dummy in range(3):
        server.commit()
        server.rotate()
    Copier(settings).copy()
    server.purge(2)
    directory = Path(settings.directory, "binlog", UUID)
    (directory / "binlog.000002.json").unlink()
    server.commit()
    Copier(settings).copy()
    assert list(directory.glob("binlog.000002.0*"))
    # What is left of an interrupted removal goes.
    (directory / "binlog.000001.json").unlink()
    Copier(settings).copy()
    assert not list(directory.glob("binlog.00000[1]*"))


def test_following(settings: Settings, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("1")
    settings = settings_for(Path(settings.home), interval=0.0)
    server = Server(settings)
    positions = follow(settings, until_changed=[str(program)])
    first = next(positions)
    assert first["file"] == "binlog.000001"
    server.commit()
    assert next(positions)["position"] > first["position"]
    shutil.rmtree(settings.data)
    assert "there is no store" in next(positions)["problem"]
    Server(settings, OTHER).commit()
    assert next(positions)["server_uuid"] == OTHER
    program.write_text("another release")
    assert list(positions) == []
    assert list(follow(settings, seconds=0)) == []


def test_nothing_of_ansible_is_in_the_program() -> None:
    assert not any(
        "ansible.module_utils" in Path(str(module.__file__)).read_text()
        for module in (backup_archive, binlog_copy)
    )


def test_a_directory_of_backups_is_one_store_s(tmp_path: Path) -> None:
    one, other = settings_for(tmp_path / "one"), settings_for(tmp_path / "other")
    other = dataclasses.replace(other, directory=one.directory, container="second")
    for store in (one, other):
        (Path(store.data) / "mysql.ibd").touch()
    assert backup_archive.owner_problem(one.directory, other.home) is None
    backup_archive.take(one)
    backup_archive.take(one)
    with pytest.raises(
        BackupProblem, match=f"the backups of another store, store in {one.home}: .*_backup_from"
    ):
        backup_archive.take(other)
    path = tmp_path / "backup.json"
    path.write_text(json.dumps(dataclasses.asdict(other)))
    for command in (["follow"], ["full"], ["copy"], ["plan"], ["drill"]):
        options = cli.parser().parse_args(["--settings", str(path), *command])
        with pytest.raises(BackupProblem, match="another store, store in"):
            cli.run(options)
    # The same store by another path, and with another name of its container.
    (tmp_path / "link").symlink_to(one.home)
    backup_archive.take(dataclasses.replace(one, home=str(tmp_path / "link"), container="renamed"))
    # A store that was moved takes its backups with it.
    moved = tmp_path / "moved"
    Path(one.home).rename(moved)
    (tmp_path / "link").unlink()
    settings = dataclasses.replace(one, home=str(moved), directory=str(moved / "backups"))
    backup_archive.take(settings)
    assert backup_archive.owner_problem(settings.directory, other.home) is not None
