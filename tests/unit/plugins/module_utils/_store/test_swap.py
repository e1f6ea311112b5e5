# SPDX-License-Identifier: GPL-3.0-or-later
"""A store's data swapped for other data, wherever it is, and interrupted at every step. Needs root."""

from __future__ import annotations

import errno
import itertools
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import BackupProblem
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.restore import (
    check_place,
    check_way_back,
    make_place,
    swap_back,
    swap_end,
    swap_in,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store import swap
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store.layout import find_problems
from backup_builders import settings_for

RUN = "20261130T060000Z"
OLD = {
    "mysql/db": "old",
    "mysql.ibd": "old",
    "ibdata1": "old",
    "auto.cnf": "old",
    "#innodb_redo/#ib_redo1": "old",
}
NEW = {"mysql/db": "new", "mysql.ibd": "new", "ibdata1": "new", "mlflow/runs.ibd": "new"}
PLACES = (
    "beside",
    "tmpfs",
    "ext4",
    "bind",
    "absolute link",
    "relative link",
    "link to a mount",
    "home is a link",
)


class Killed(BaseException):
    """What a signal that nothing can catch does."""


def write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def read(directory: Path) -> dict[str, str]:
    """What a server would see."""
    return {
        str(path.relative_to(directory)): path.read_text()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not path.relative_to(directory).parts[0].startswith(".")
    }


def hidden(directory: Path) -> list[str]:
    return sorted(
        path.name for path in directory.iterdir() if path.name.startswith((".", "data.", "mlflow_ops"))
    )


class Mounts:
    """Mounts that are undone."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.made: list[Path] = []

    def mount(self, path: Path, *arguments: str) -> Path:
        path.mkdir(exist_ok=True, parents=True)
        subprocess.run(["mount", *arguments, str(path)], check=True)
        self.made.append(path)
        return path

    def ext4(self, path: Path) -> Path:
        image = self.base / f"{path.name}-{len(self.made)}.img"
        with image.open("wb") as stream:
            stream.truncate(16 << 20)
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
        return self.mount(path, "-o", "loop", str(image))

    def tmpfs(self, path: Path, options: str = "size=16m") -> Path:
        return self.mount(path, "-t", "tmpfs", "-o", options, "tmpfs")

    def close(self) -> None:
        for path in reversed(self.made):
            subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Mounts]:
    found = Mounts(tmp_path)
    yield found
    found.close()


def make(mounts: Mounts, kind: str) -> Path:
    """A store's home whose data is where `kind` says, with the old data in it."""
    home, disk = mounts.base / "home", mounts.base / "disk"
    if kind == "home is a link":
        (mounts.base / "real").mkdir()
        home.symlink_to("real")
    else:
        home.mkdir()
    (home / "tmp").mkdir()
    (home / "backups").mkdir()
    data = home / "data"
    if kind == "tmpfs":
        mounts.tmpfs(data)
    elif kind == "ext4":
        mounts.ext4(data)
    elif kind == "bind":
        disk.mkdir()
        mounts.mount(data, "--bind", str(disk))
    elif kind == "link to a mount":
        mounts.tmpfs(disk)
        data.symlink_to(disk)
    elif kind.endswith("link") and kind != "home is a link":
        disk.mkdir()
        data.symlink_to(disk if kind.startswith("absolute") else Path("..", "disk"))
    else:
        data.mkdir()
    write(data, OLD)
    return home


def restore(home: Path) -> swap.Place:
    """What a restore makes, after what it removes."""
    place = swap.place_of(str(home / "data"))
    place.clear()
    write(Path(place.restored), NEW)
    return place


@pytest.mark.parametrize("kind", PLACES)
def test_swapped_swapped_back_and_ended(mounts: Mounts, kind: str) -> None:
    home = make(mounts, kind)
    data = home / "data"
    before = (os.path.islink(data), os.stat(data).st_dev)
    place = restore(home)
    assert place.inside is (kind not in ("beside", "home is a link"))
    # Nothing is copied from one file system to another.
    assert swap.mount_id(place.restored) == swap.mount_id(str(data))
    swapped = swap.bring_in(place, RUN)
    assert (read(data), read(Path(swapped))) == (NEW, OLD)
    assert swap.bring_back(place, RUN)
    assert (read(data), read(Path(place.restored))) == (OLD, NEW)
    assert swap.bring_back(place, RUN) is False  # nothing to be undone
    swap.bring_in(place, RUN)
    assert swap.end(place, RUN, keep=False) is None
    assert read(data) == NEW
    assert hidden(data) == []
    assert sorted(os.listdir(home)) == ["backups", "data", "tmp"]
    # And once more, with what is kept.
    write(Path(restore(home).restored), {"again": "2"})
    swap.bring_in(place, "2")
    kept = swap.end(place, "2", keep=True)
    assert kept is not None and read(Path(kept)) == NEW
    place.clear()
    assert read(Path(kept)) == NEW
    assert (os.path.islink(data), os.stat(data).st_dev) == before
    assert (data / "lost+found").is_dir() is (kind == "ext4")


def interrupt(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Have what changes a file system end the process before its call of that number."""
    counter = itertools.count()

    def wrap(call: Any) -> Any:
        def counted(*arguments: Any, **options: Any) -> Any:
            if next(counter) == number:
                raise Killed
            return call(*arguments, **options)

        return counted

    for name in ("rename", "unlink", "rmdir", "mkdir"):
        monkeypatch.setattr(os, name, wrap(getattr(os, name)))
    monkeypatch.setattr(swap, "exchange", wrap(swap.exchange))


@pytest.mark.parametrize("back", [False, True], ids=["in", "back"])
@pytest.mark.parametrize("kind", ["beside", "absolute link"])
def test_killed_at_every_step(mounts: Mounts, monkeypatch: pytest.MonkeyPatch, kind: str, back: bool) -> None:
    """The next run finds the one or the other data, whole, and leaves no copy; and is killed itself first."""
    home = make(mounts, kind)
    data = home / "data"
    for number in itertools.count():
        place = restore(home)
        assert read(data) == OLD
        if back:
            swap.bring_in(place, RUN)
        with monkeypatch.context() as patched:
            interrupt(patched, number)
            try:
                (swap.bring_back if back else swap.bring_in)(place, RUN)
                ended = True
            except Killed:
                ended = False
        if place.inside and swap.is_interrupted(str(data)):
            # No server can start, or take the directory for an empty one.
            found = {name: text for name, text in read(data).items() if name != swap.JOURNAL}
            assert not (data / "mysql").exists() or found in (OLD, NEW)
            for again in itertools.count():
                with monkeypatch.context() as patched:
                    interrupt(patched, again)
                    try:
                        swap.settle(str(data))
                        break
                    except Killed:
                        continue
            assert not swap.is_interrupted(str(data))
        assert read(data) in (OLD, NEW)
        if not back and ended:
            assert read(data) == NEW
        # What a rescue does, whatever had happened; and the next run.
        swap.bring_back(place, RUN)
        assert read(data) == OLD or (back and not ended)
        if read(data) == NEW:
            assert swap.bring_back(place, RUN)
        assert read(data) == OLD
        place.clear()
        assert hidden(data) == [] and sorted(os.listdir(home)) == ["backups", "data", "tmp"]
        if ended:
            break
    assert number >= (2 if kind == "beside" else 12)


def test_an_error_in_the_middle_is_undone(mounts: Mounts, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make(mounts, "bind")
    real, calls = os.rename, itertools.count()

    def fails(source: str, target: str) -> None:
        if next(calls) == 7:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), source, None, target)
        real(source, target)

    settings = settings_for(home)
    place = restore(home)
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", fails)
        with pytest.raises(
            BackupProblem, match=r"cannot be swapped: /.* and /.*: No space left.*, make room"
        ):
            swap_in(settings, RUN)
    assert read(home / "data") == OLD and read(Path(place.restored)) == NEW
    assert swap_in(settings, RUN).endswith("/data/.data.swapped-" + RUN)
    assert swap_back(settings, RUN) is True
    swap_in(settings, RUN)
    assert swap_end(settings, RUN, False) is None
    assert read(home / "data") == NEW


def test_what_killed_runs_leave_does_not_grow(mounts: Mounts) -> None:
    """Killed after the swap, again and again: the data that a store last worked with stays, and one at most."""
    for kind in ("beside", "bind"):
        mounts.base = mounts.base / kind
        mounts.base.mkdir()
        home = make(mounts, kind)
        for number in range(4):
            place = restore(home)
            swap.bring_in(place, f"{number}")
        place.clear()
        left = [Path(path) for path in place.swapped()]
        assert [read(path) for path in left] == [OLD], kind
        # The restored data was found to work, and more was written.
        swap.accept(str(home / "data"))
        write(home / "data", {"more": "x"})
        swap.bring_in(restore(home), "9")
        place.clear()
        assert [read(Path(path)) for path in place.swapped()] == [{**NEW, "more": "x"}]
        swap.end(place, "9", False)
        assert place.swapped() == []


def test_a_file_system_that_exchanges_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(first: str, second: str) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), first, None, second)

    monkeypatch.setattr(swap, "exchange", refused)
    mounts = Mounts(tmp_path)
    home = make(mounts, "beside")
    place = restore(home)
    assert place.inside
    swap.bring_in(place, RUN)
    assert read(home / "data") == NEW


def test_a_journal_keeps_two_from_moving(mounts: Mounts) -> None:
    home = make(mounts, "relative link")
    place = restore(home)
    with swap.alone(place.data):
        with pytest.raises(BackupProblem, match="another process swaps the data"):
            swap_in(settings_for(home), RUN)
    (home / "data" / swap.JOURNAL).write_text(
        json.dumps({"source": ".data.restored", "sink": ".data.swapped-1", "old": ["mysql"], "new": []})
    )
    write(home / "data" / ".data.swapped-1", {"mysql/db": "other"})
    with pytest.raises(BackupProblem, match=r"File exists\. To go on, move one of the two elsewhere"):
        swap_in(settings_for(home), RUN)


def test_where_restored_data_is_made(mounts: Mounts, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import (
        restore as backup_restore,
    )

    monkeypatch.setattr(backup_restore, "remove_strays", lambda *dummy: None)
    home = make(mounts, "ext4")
    settings = settings_for(home)
    assert make_place(settings, "restore") == f"{home}/data/.data.restored"
    mounts.tmpfs(home / "data/mlflow data")
    for refused in (lambda: make_place(settings, "restore"), lambda: check_place(settings)):
        with pytest.raises(
            BackupProblem, match=re.escape(f"{home}/data/mlflow data is a mount point in it. Mount")
        ):
            refused()


# What preflight names


def test_directories_that_are_as_they_should_be(mounts: Mounts) -> None:
    for kind in PLACES:
        mounts.base = mounts.base / kind.replace(" ", "-")
        mounts.base.mkdir()
        assert find_problems(str(make(mounts, kind))) == []
    assert find_problems(str(mounts.base / "nowhere")) == []


@pytest.mark.parametrize(
    "name", ["data", "backups", "secrets", "tmp", "upgrade", "tls", "run", "mlflow", "build", ""]
)
def test_links_that_lead_nowhere_and_what_is_read_only(mounts: Mounts, name: str) -> None:
    home = mounts.base / "home"
    path = home / name
    if name:
        home.mkdir()
    path.symlink_to("../nowhere")
    assert re.search(
        f"^{path} is a symbolic link to ../nowhere, and that gives: No such file or directory. Mount",
        find_problems(str(home))[0],
    )
    path.unlink()
    path.symlink_to(path.name)
    assert "Too many levels of symbolic links" in find_problems(str(home))[0]
    path.unlink()
    path.write_text("")
    assert f"{path} is not a directory: move it elsewhere" in find_problems(str(home))[0]
    path.unlink()
    mounts.tmpfs(path, "size=1m,ro")
    assert re.search(
        f"^{path} cannot be written to .Read-only file system.: mount", find_problems(str(home))[0]
    )


def test_what_cannot_be_run_and_one_directory_twice(mounts: Mounts) -> None:
    home = make(mounts, "beside")
    mounts.tmpfs(home / "mlflow", "size=1m,noexec")
    mounts.tmpfs(home / "run", "size=1m,noexec")
    (home / "secrets").symlink_to("tmp")
    found = find_problems(str(home))
    assert [re.sub(r"^(.{20}).*", r"\1", text)[:20] for text in found] and len(found) == 2
    assert "noexec" in found[0] and f"{home}/mlflow" in found[0]
    assert "are the same directory" in found[1]


def test_room_for_the_backup(mounts: Mounts) -> None:
    """It is asked for where the backup is to be, which need not be there yet."""
    home = make(mounts, "tmpfs")
    settings = replace(settings_for(home), directory=str(home / "small/mlflow.backup"))
    (home / "data/mlflow").mkdir()
    (home / "data/mlflow/metrics.ibd").write_bytes(bytes(6 << 20))
    check_way_back(settings)
    (home / "small").mkdir()
    mounts.tmpfs(home / "small", "size=1m")
    with pytest.raises(BackupProblem, match=rf"a full backup takes \d MiB, and {home}/small has 1 MiB free"):
        check_way_back(settings)


def test_room_for_the_way_back(mounts: Mounts) -> None:
    """It is asked for on the file system of the data, whatever room there is elsewhere; files count too."""
    home = make(mounts, "tmpfs")
    settings = settings_for(home)
    check_way_back(settings)
    (home / "data/mlflow").mkdir()
    (home / "data/mlflow/metrics.ibd").write_bytes(bytes(10 << 20))
    with pytest.raises(
        BackupProblem, match=rf"a copy of the data, .* takes 10 MiB, and {home}/data has [56] MiB free"
    ):
        check_way_back(settings)
    # What an interrupted restore left counts neither as data nor as a part of the copy.
    (home / "data/mlflow/metrics.ibd").write_bytes(bytes(4 << 20))
    (home / "data/.data.restored").mkdir()
    (home / "data/.data.restored/x").write_bytes(bytes(4 << 20))
    check_way_back(settings)
    subprocess.run(["mount", "-o", "remount,nr_inodes=100", str(home / "data")], check=True)
    with pytest.raises(
        BackupProblem, match=r"is 150 files, and the file system of .*data takes \d\d more \(df -i\)"
    ):
        check_way_back(settings)
