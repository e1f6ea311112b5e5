# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories, build context and password files of a store. Private to this collection."""

from __future__ import annotations

import errno
import os
import secrets
import stat
import string
import tempfile
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import literal
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store import identity, swap

# Each may be a mount point, or a symbolic link to a directory elsewhere.
DIRECTORIES = ("data", "backups", "bin", "build", "mlflow", "run", "secrets", "tls", "tmp", "upgrade")
PROGRAMS = ("bin", "mlflow")  # run from there
# What a store without its container does not need.
TEMPORARY = ("build", "run", "tmp")
# Where a link leads that is the store's own; the other directories may be shared with another store.
OWN = ("data", "run", "secrets", "tls", "tmp", "upgrade")
RECOVERY = "container/recover.sql"
PASSWORD_LENGTH = 32  # of 64 characters each: 190 bits at least
# Of each kind there is one at least, as MySQL's password policy wants it.
KINDS = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_")


def layout_argument_spec() -> dict[str, Any]:
    """The options of the documentation fragment `_layout`."""
    return {
        "path": {"type": "path", "required": True},
        "uid": {"type": "int", "default": 999},
        "context": {"type": "dict", "default": {}},
        "files": {"type": "dict", "default": {}},
        # Names, not secrets.
        "generate": {"type": "list", "elements": "str", "default": [], "no_log": False},
    }


def find_problems(home: str) -> list[str]:
    """Return what is wrong with the directories of a store that are there: what, why, and the remedy.

    Those that are not there are made.
    """
    problems: list[str] = []
    places: dict[str, str] = {}
    for path in [home, *(os.path.join(home, name) for name in DIRECTORIES)]:
        if not os.path.lexists(path):
            continue
        try:
            status = os.stat(path)
        except OSError as error:
            what = (
                f"is a symbolic link to {os.readlink(path)}, and"
                if os.path.islink(path)
                else "cannot be used:"
            )
            problems.append(
                f"{path} {what} that gives: {error.strerror}. Mount the disk that it is on, correct the link, or "
                "choose another mlflow_mysql_home."
            )
            continue
        name = os.path.basename(path)
        if not stat.S_ISDIR(status.st_mode):
            problems.append(
                f"{path} is not a directory: move it elsewhere, or choose another mlflow_mysql_home."
            )
            continue
        flags = os.statvfs(path).f_flag
        if flags & os.ST_RDONLY:
            problems.append(
                f"{path} cannot be written to ({os.strerror(errno.EROFS)}): mount its file system writable, or choose "
                "another mlflow_mysql_home."
            )
        if name in PROGRAMS and path != home and flags & os.ST_NOEXEC:
            problems.append(
                f"No program in {path} can be run, as its file system is mounted with noexec: mount it with exec, or "
                "choose another mlflow_mysql_home."
            )
        real = os.path.realpath(path)
        if real in places:
            problems.append(
                f"{path} and {places[real]} are the same directory ({real}): give each one of its own, or choose "
                "another mlflow_mysql_home."
            )
        places.setdefault(real, path)
    data = os.path.join(home, "data")
    if os.path.isdir(data):
        problems += [
            f"{point} is a mount point in the directory of data, which could not be swapped for a restored one: mount "
            f"the disk on {data} itself, and have all of the data there."
            for point in swap.mounts_below(data)
        ]
    return problems


def remove_tree(path: str) -> list[str]:
    """Remove what is there, links themselves. Returns the mount points, which stay, empty. Raises OSError."""
    if os.path.islink(path) or not os.path.isdir(path):
        os.unlink(path)
        return []
    left = empty(path)
    # What holds a mount point stays too.
    if swap.is_mount_point(path):
        return [path]
    if not left:
        os.rmdir(path)
    return left


def empty(path: str) -> list[str]:
    """Remove what is in a directory, but what a file system keeps there itself. See remove_tree."""
    left: list[str] = []
    own = swap.is_mount_point(path)
    for name in sorted(os.listdir(path)):
        if not (own and name == swap.LOST):
            left += remove_tree(os.path.join(path, name))
    return left


def is_own_target(path: str, uid: int) -> bool:
    """Return whether a link leads to a directory that is only the store's."""
    found = os.stat(path)
    return (
        os.path.basename(path) in OWN
        and stat.S_ISDIR(found.st_mode)
        and found.st_uid in (0, uid)
        and not found.st_mode & stat.S_ISVTX
    )


def has_entries(path: str) -> bool:
    """Return whether anything is in a directory but what a file system keeps there itself."""
    return os.path.isdir(path) and any(name != swap.LOST for name in os.listdir(path))


def full_backups(path: str) -> list[str]:
    try:
        return os.listdir(os.path.join(path, "full"))
    except OSError:
        return []


@dataclass(frozen=True)
class Entry:
    """Owner and mode that a directory or file must have."""

    path: str
    uid: int
    gid: int
    mode: int


def generate() -> str:
    """Return a password that any policy takes, and that needs no quotes anywhere."""
    while True:
        password = "".join(secrets.choice("".join(KINDS)) for dummy in range(PASSWORD_LENGTH))
        if password[0].isalnum() and all(set(kind) & set(password) for kind in KINDS):
            return password


class Home:
    """A store's directory, brought to what is wanted or, in check mode, only compared with it."""

    def __init__(self, path: str, uid: int, check: bool, rootless: bool = False) -> None:
        self.path = path
        self.uid = uid
        self.rootless = rootless
        self.check = check
        self.before: list[str] = []
        self.after: list[str] = []
        self.diffs: list[dict[str, str]] = []
        self.generated: list[str] = []

    def __bool__(self) -> bool:
        """Return whether anything changes."""
        return bool(self.after or self.diffs)

    def _own(self, entry: Entry, absent: bool = False) -> None:
        name = os.path.relpath(entry.path, os.path.dirname(self.path))
        wanted = (entry.uid, entry.gid, entry.mode)
        if absent:
            self.before.append(f"{name}: absent")
        else:
            status = os.stat(entry.path)
            found = (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode))
            if found == wanted:
                return
            self.before.append("{}: {}:{} {:04o}".format(name, *found))
        self.after.append("{}: {}:{} {:04o}".format(name, *wanted))
        if not self.check:
            os.chown(entry.path, entry.uid, entry.gid)
            os.chmod(entry.path, entry.mode)

    def directory(self, name: str, uid: int, gid: int, mode: int) -> None:
        """Make a directory, relative to the store's."""
        path = os.path.join(self.path, name) if name else self.path
        absent = not os.path.lexists(path)
        if not absent and not os.path.isdir(path):
            code = errno.ENOENT if os.path.islink(path) and not os.path.exists(path) else errno.ENOTDIR
            raise OSError(code, os.strerror(code), path)
        if not self.check:
            os.makedirs(path, mode=0o700, exist_ok=True)
        self._own(Entry(path, uid, gid, mode), absent)

    def _write(self, entry: Entry, content: str | bytes) -> None:
        """Put a file in its place at once: a reader sees the old or the new content, also after a power cut."""
        if self.check:
            return
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(entry.path), prefix=".new-")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content.encode("utf-8") if isinstance(content, str) else content)
                os.fchown(stream.fileno(), entry.uid, entry.gid)
                os.fchmod(stream.fileno(), entry.mode)
                stream.flush()
                os.fsync(stream.fileno())
            os.rename(temporary, entry.path)
        except OSError:
            os.unlink(temporary)
            raise

    @staticmethod
    def _read(path: str) -> str | None:
        try:
            # What is not UTF-8 is something all the same: it is kept, or replaced, like any other text.
            with open(path, encoding="utf-8", errors="replace", newline="") as stream:
                return stream.read()
        except OSError:
            return None

    def text(self, name: str, content: str, mode: int = 0o644) -> None:
        """Write a file, relative to the store's directory. The directory that it is in is made if it is missing."""
        entry = Entry(os.path.join(self.path, name), 0, 0, mode)
        found = self._read(entry.path)
        if found != content:
            self.diffs.append(
                {
                    "before": found or "",
                    "after": content,
                    "before_header": entry.path,
                    "after_header": entry.path,
                }
            )
            if not self.check:
                os.makedirs(os.path.dirname(entry.path), mode=0o755, exist_ok=True)
            self._write(entry, content)
        else:
            self._own(entry)

    def record(self, container: str, records: str) -> None:
        """Note on the host where the store of a container is, for when the container is gone."""
        self.text(identity.record_of(container, records), self.path + "\n")
        for path in identity.stale_records(container, self.path, records):
            self.remove(path)

    def forget(self, container: str, records: str) -> None:
        """Remove that note, if it is of this store."""
        if identity.recorded(container, records) == self.path:
            self.remove(identity.record_of(container, records))

    def program(self, name: str, content: bytes) -> None:
        """Write a program, relative to the store's directory."""
        entry = Entry(os.path.join(self.path, name), 0, 0, 0o755)
        try:
            with open(entry.path, "rb") as stream:
                found: bytes | None = stream.read()
        except OSError:
            found = None
        if found == content:
            self._own(entry)
            return
        self.before.append(f"{name}: " + ("absent" if found is None else "another release"))
        self.after.append(f"{name}: a program")
        self._write(entry, content)

    def remove(self, name: str) -> None:
        """Remove a file, relative to the store's directory, if it is there."""
        path = os.path.join(self.path, name)
        if os.path.lexists(path):
            self.before.append(f"{name}: a file")
            self.after.append(f"{name}: absent")
            if not self.check:
                os.unlink(path)

    def password(self, name: str, content: str | None) -> None:
        """Write a password, or generate one where there is none and ``content`` is ``None``."""
        mounted = os.path.dirname(name) != ""
        path = os.path.join(self.path, "secrets", name)
        entry = Entry(path, 0, self.uid if mounted else 0, 0o440 if mounted else 0o400)
        found = self._read(path)
        if (content is None and self.holds(name)) or (content is not None and found == content):
            self._own(entry)
            return
        if content is None:
            self.generated.append(name)
        self.before.append(f"secrets/{name}: " + ("absent" if not found else "a password"))
        self.after.append(
            f"secrets/{name}: " + ("a generated password" if content is None else "the given password")
        )
        self._write(entry, content or generate())

    def holds(self, name: str) -> bool:
        """Return whether there is a password in its file. One of white space only is none."""
        return bool((self._read(os.path.join(self.path, "secrets", name)) or "").strip())

    def recovery(self, name: str) -> None:
        """Write the statements that let root in with the password of a file."""
        password = self._read(os.path.join(self.path, "secrets", name)) or ""
        statements = (
            "CREATE USER IF NOT EXISTS 'root'@'localhost';\n"
            f"ALTER USER 'root'@'localhost' IDENTIFIED BY {literal(password)} ACCOUNT UNLOCK;\n"
            "GRANT ALL ON *.* TO 'root'@'localhost' WITH GRANT OPTION;\n"
        )
        entry = Entry(os.path.join(self.path, "secrets", RECOVERY), 0, self.uid, 0o440)
        if self._read(entry.path) != statements:
            self.before.append(f"secrets/{RECOVERY}: absent")
            self.after.append(f"secrets/{RECOVERY}: statements that let root in")
            self._write(entry, statements)
        else:
            self._own(entry)

    def diff(self) -> list[dict[str, str]]:
        """Return what changes, for the module's result."""
        if not self.after:
            return self.diffs
        listing = {
            "before": "\n".join(self.before) + "\n",
            "after": "\n".join(self.after) + "\n",
            "before_header": self.path,
            "after_header": self.path,
        }
        return [listing, *self.diffs]

    def settle(self) -> None:
        """Undo a swap of the data that was interrupted."""
        data = os.path.join(self.path, "data")
        if swap.is_interrupted(os.path.realpath(data)):
            self.before.append("data: half swapped")
            self.after.append("data: as before the swap")
            if not self.check:
                swap.settle(data)

    def clear(self, purge: bool) -> tuple[list[str], list[str]]:
        """Remove what a removed store does not need or, to purge it, everything but full backups.

        Returns what was kept of the backups, and the mount points that stay, empty. Raises OSError.
        """
        kept: list[str] = []
        left: list[str] = []
        if not os.path.isdir(self.path):
            if os.path.islink(self.path) and purge:
                self._take(self.path)
            return kept, left
        for name in sorted(os.listdir(self.path)) if purge else TEMPORARY:
            path = os.path.join(self.path, name)
            if purge and name == "backups" and full_backups(path):
                kept.append(path)
            elif not (name == swap.LOST and swap.is_mount_point(self.path)) and os.path.lexists(path):
                left += self._take(path, purge)
        if purge and not kept and not left and not self.check:
            if os.path.islink(self.path):
                os.unlink(self.path)
            elif swap.is_mount_point(self.path):
                left.append(self.path)
            else:
                os.rmdir(self.path)
        return kept, left

    def _take(self, path: str, purge: bool = True) -> list[str]:
        """Remove a file or a directory, and what is where a link leads that is the store's own."""
        link = os.path.islink(path)
        mounted = not link and os.path.isdir(path) and swap.is_mount_point(path)
        if (mounted or (link and not purge)) and not has_entries(path):
            return [path] if mounted and purge else []  # so it was before
        name = os.path.relpath(path, os.path.dirname(self.path))
        self.before.append(f"{name}: there")
        self.after.append(f"{name}: " + ("empty" if mounted or (link and not purge) else "absent"))
        if self.check:
            return []
        left: list[str] = []
        if link:
            if os.path.exists(path) and is_own_target(path, self.uid):
                left = empty(os.path.realpath(path))
            if purge:
                os.unlink(path)
        else:
            left = remove_tree(path)
        return left if purge else []

    def bring(
        self,
        context: Mapping[str, str],
        generated: Sequence[str],
        passwords: Mapping[str, str],
        recovery: str | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        """Make the directories, the files of the build context and others, and the passwords. Raises OSError."""
        self.settle()
        self.directory("", 0, 0, 0o755)
        self.directory("build", 0, 0, 0o755)
        self.directory("data", self.uid, self.uid, 0o750)
        self.directory("run", self.uid, self.uid, 0o750)
        self.directory("tmp", self.uid, self.uid, 0o700)
        self.directory("tls", 0, 0, 0o755)
        self.directory("tls/server", 0, self.uid, 0o750)
        # An engine that is not root goes through it to mount what is below, without seeing what is in it.
        self.directory("secrets", 0, 0, 0o711 if self.rootless else 0o700)
        self.directory("secrets/container", 0, self.uid, 0o750)
        for name, content in sorted(context.items()):
            self.text(os.path.join("build", name), content)
        for name, content in sorted((files or {}).items()):
            self.text(name, content)
        for name in generated:
            self.password(name, None)
        for name, content in sorted(passwords.items()):
            self.password(name, content)
        if recovery is not None:
            self.recovery(recovery)
