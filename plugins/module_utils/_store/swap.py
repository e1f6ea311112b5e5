# SPDX-License-Identifier: GPL-3.0-or-later
"""Swap a store's data for other data. Private to this collection: it may change without notice.

The other data is made where it can take the place of the store's without being copied:

- *beside* the directory of data, where the kernel exchanges two directories in one step;
- *inside* it, below a hidden name, where the directory itself cannot be renamed: it is a mount point or a symbolic
  link, or its file system exchanges nothing. Then what is in it is moved, one entry after the other. A journal comes
  first, and goes last: what was interrupted is undone by it. A server does not start on what is half moved, as `mysql`
  goes first and comes last, and the journal keeps the directory from being taken for an empty one.

InnoDB does not look for tablespaces below a hidden name. Needs nothing but Python. All functions raise OSError.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from typing import Iterator

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._files.durable import (
    sync_directory,
    write_whole,
)

EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2)
AT_FDCWD = -100
JOURNAL = "mlflow_ops_swap.json"  # in the directory of data
RESTORED = "data.restored"
SWAPPED = "data.swapped-"  # and a run: what is out of the store until it is known that the other data works
REPLACED = "data.replaced-"  # and a run: what the administrator wanted to keep
PARTIAL = ".partial"
MARKER = ".mlflow_ops_restored"  # in data that was restored, until it is known to work
# Without the first no server starts; without the second nobody takes what is there for a store.
FIRST = ("mysql", "auto.cnf")
LOST = "lost+found"


def nearest_existing(path: str) -> str:
    """Return ``path`` or the nearest directory above it that exists."""
    while not os.path.exists(path) and path not in ("", "/"):
        path = os.path.dirname(path)
    return path or "/"


def mount_id(path: str) -> int:
    """Return what names the mount that a directory is on: a bind mount has another one, and the same device."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with open(f"/proc/self/fdinfo/{handle}", encoding="ascii") as stream:
            return next(int(line.split()[1]) for line in stream if line.startswith("mnt_id:"))
    finally:
        os.close(handle)


def is_mount_point(path: str) -> bool:
    """Return whether a directory is where something is mounted."""
    real = os.path.realpath(path)
    return real == os.sep or mount_id(real) != mount_id(os.path.dirname(real))


def mounts_below(path: str, table: str = "/proc/self/mountinfo") -> list[str]:
    """Return the mount points below a directory, itself not among them."""
    prefix = os.path.join(os.path.realpath(path), "")
    with open(table, encoding="utf-8", errors="surrogateescape") as stream:
        points = [line.split()[4] for line in stream]
    # proc(5): blanks and backslashes are written as octal numbers.
    points = [re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point) for point in points]
    return sorted({point for point in points if point.startswith(prefix)})


def exchange(first: str, second: str) -> None:
    """Exchange two directories in one step."""
    library = ctypes.CDLL(None, use_errno=True)
    rename = getattr(library, "renameat2", None)  # glibc has it since 2.28
    if rename is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), first, None, second)
    if rename(AT_FDCWD, os.fsencode(first), AT_FDCWD, os.fsencode(second), EXCHANGE):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), first, None, second)
    for path in (first, second):
        sync_directory(os.path.dirname(os.path.abspath(path)))


def can_exchange(directory: str) -> bool:
    """Return whether two directories in this one can be exchanged. Tries it."""
    trial = tempfile.mkdtemp(prefix=f"{PARTIAL}-swap-", dir=directory)
    try:
        names = [os.path.join(trial, name) for name in ("1", "2")]
        for name in names:
            os.mkdir(name)
        exchange(*names)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
            raise
        return False
    else:
        return True
    finally:
        shutil.rmtree(trial, ignore_errors=True)


@dataclass(frozen=True)
class Place:
    """Where the copies of a store's data are. `data` is the directory itself, wherever a link to it leads."""

    data: str
    directory: str
    inside: bool

    def path(self, name: str) -> str:
        return os.path.join(self.directory, "." + name if self.inside else name)

    @property
    def restored(self) -> str:
        return self.path(RESTORED)

    def swapped(self) -> list[str]:
        """Return what earlier runs took out of the store, the oldest first."""
        prefix = os.path.basename(self.path(SWAPPED))
        names = sorted(name for name in os.listdir(self.directory) if name.startswith(prefix))
        return [os.path.join(self.directory, name) for name in names]

    def clear(self) -> None:
        """Remove what interrupted and failed runs left, but the last data that a store worked with."""
        left = [self.restored, *glob_partial(self.directory, os.path.basename(self.restored))]
        used: list[str] = []
        for path in self.swapped():
            worthless = os.path.exists(os.path.join(path, MARKER)) or not os.listdir(path)
            (left if worthless else used).append(path)
        for path in [*left, *used[:-1]]:
            remove(path)


def remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def glob_partial(directory: str, name: str) -> list[str]:
    """Return what was not finished: restored data, and the trial of an exchange."""
    return [
        os.path.join(directory, found)
        for found in os.listdir(directory)
        if found in (f"{PARTIAL}-{name}", f"{PARTIAL}-{JOURNAL}") or found.startswith(f"{PARTIAL}-swap-")
    ]


def place_of(data: str) -> Place:
    """Return where the copies of a directory of data are made. Tries what its file system can do."""
    real, home = os.path.realpath(data), os.path.dirname(os.path.abspath(data))
    if not os.path.isdir(real):
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), data)
    if os.path.islink(data) or mount_id(real) != mount_id(home) or not can_exchange(home):
        return Place(real, real, True)
    return Place(os.path.abspath(data), home, False)


# Inside


def is_own(name: str) -> bool:
    """Return whether an entry of a directory of data is this module's, or the file system's own."""
    own = tuple("." + prefix for prefix in (RESTORED, SWAPPED, REPLACED))
    return name in (JOURNAL, LOST) or name.startswith((*own, PARTIAL + "-"))


def own_entries(data: str) -> list[str]:
    """Return what this module has in a directory of data."""
    return [name for name in os.listdir(data) if is_own(name)]


def entries(directory: str) -> list[str]:
    """Return what is in a directory of data, in the order in which it is taken out."""
    names = sorted(name for name in os.listdir(directory) if not is_own(name))
    return [name for name in FIRST if name in names] + [name for name in names if name not in FIRST]


@contextlib.contextmanager
def alone(data: str) -> Iterator[None]:
    """Let no other process move what is in a directory of data. Raises BlockingIOError if one does."""
    handle = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def write_journal(data: str, journal: dict[str, object]) -> None:
    """Write the journal as a whole; it is on the disk afterwards."""
    temporary = os.path.join(data, f"{PARTIAL}-{JOURNAL}")
    write_whole(os.path.join(data, JOURNAL), json.dumps(journal), temporary)


def is_interrupted(data: str) -> bool:
    """Return whether a swap of what is in a directory of data was interrupted."""
    return os.path.exists(os.path.join(data, JOURNAL))


def move_all(data: str, source: str, sink: str) -> None:
    """Move what is in `data` to `sink`, and what is in `source` to `data`; both are names below it."""
    coming, going = os.path.join(data, source), os.path.join(data, sink)
    refuse_content(going)
    status = os.stat(data)
    old, new = entries(data), entries(coming)
    write_journal(data, {"source": source, "sink": sink, "old": old, "new": new})
    try:
        # Where there is one and no journal, a swap has ended.
        with contextlib.suppress(FileExistsError):
            os.mkdir(going, 0o750)
        os.chown(going, status.st_uid, status.st_gid)
        for name in old:
            os.rename(os.path.join(data, name), os.path.join(going, name))
        sync_directory(going)
        for name in reversed(new):
            os.rename(os.path.join(coming, name), os.path.join(data, name))
        for path in (coming, data):
            sync_directory(path)
    except OSError:
        undo(data)
        raise
    # Without it the swap has ended.
    os.rmdir(coming)
    os.unlink(os.path.join(data, JOURNAL))
    sync_directory(data)


def refuse_content(path: str) -> None:
    if os.path.lexists(path) and os.listdir(path):
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), path)


def undo(data: str) -> None:
    """Put everything back to where it was before a swap that did not end. Can be interrupted, and begins anew then."""
    path = os.path.join(data, JOURNAL)
    with open(path, encoding="utf-8") as stream:
        journal = json.load(stream)
    coming, going = os.path.join(data, journal["source"]), os.path.join(data, journal["sink"])
    if not os.path.isdir(coming):  # it had ended
        os.unlink(path)
        sync_directory(data)
        return
    for name in journal["new"]:
        # What is still there was not moved yet: what has its name in `data` is the old one.
        here, there = os.path.join(data, name), os.path.join(coming, name)
        if os.path.lexists(here) and not os.path.lexists(there):
            os.rename(here, there)
    for name in reversed(journal["old"]):
        here, there = os.path.join(data, name), os.path.join(going, name)
        if os.path.lexists(there):
            if os.path.lexists(here):
                raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), there, None, here)
            os.rename(there, here)
    for directory in (coming, going, data):
        with contextlib.suppress(FileNotFoundError):
            sync_directory(directory)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(going)
    os.unlink(path)
    sync_directory(data)


def settle(data: str) -> bool:
    """Undo a swap that was interrupted. Returns whether there was one."""
    real = os.path.realpath(data)
    if not os.path.isdir(real) or not is_interrupted(real):
        return False
    with alone(real):
        if not is_interrupted(real):
            return False
        undo(real)
    return True


# Both


def mark(restored: str, run: str) -> None:
    """Note that data was restored, and by which run."""
    with open(os.path.join(restored, MARKER), "w", encoding="utf-8") as stream:
        stream.write(run)
        stream.flush()
        os.fsync(stream.fileno())


def marked(data: str) -> str | None:
    """Return the run that restored this data, if it is not known to work yet."""
    try:
        with open(os.path.join(data, MARKER), encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def bring_in(place: Place, run: str) -> str:
    """Put the restored data in the place of the store's. Returns where the store's is then."""
    swapped = place.path(SWAPPED + run)
    mark(place.restored, run)
    if place.inside:
        with alone(place.data):
            move_all(place.data, os.path.basename(place.restored), os.path.basename(swapped))
        return swapped
    os.rename(place.restored, swapped)
    try:
        exchange(place.data, swapped)
    except OSError:
        os.rename(swapped, place.restored)
        raise
    return swapped


def bring_back(place: Place, run: str) -> bool:
    """Undo `bring_in`. Returns whether there was anything to undo."""
    swapped = place.path(SWAPPED + run)
    if not os.path.isdir(swapped):
        return False
    if marked(swapped) == run:
        os.rename(swapped, place.restored)  # it was interrupted before the exchange, or after the one back
        return False
    if place.inside:
        with alone(place.data):
            move_all(place.data, os.path.basename(swapped), os.path.basename(place.restored))
        return True
    refuse_content(place.restored)
    exchange(place.data, swapped)
    os.rename(swapped, place.restored)
    return True


def accept(data: str) -> None:
    """Note that restored data works."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(data, MARKER))


def end(place: Place, run: str, keep: bool) -> str | None:
    """Remove what was taken out of the store. Returns where it is, if it is to be kept."""
    accept(place.data)
    kept = None
    if keep:
        kept = place.path(REPLACED + run)
        os.rename(place.path(SWAPPED + run), kept)
    for path in [place.restored, *place.swapped()]:
        remove(path)
    return kept
