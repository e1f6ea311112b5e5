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
from typing import Mapping, Sequence

RECOVERY = "container/recover.sql"
PASSWORD_LENGTH = 32  # of 64 characters each: 190 bits at least
# Of each kind there is one at least, as MySQL's password policy wants it.
KINDS = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_")


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
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
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
        if (content is None and found) or (content is not None and found == content):
            self._own(entry)
            return
        if content is None:
            self.generated.append(name)
        self.before.append(f"secrets/{name}: " + ("absent" if not found else "a password"))
        self.after.append(
            f"secrets/{name}: " + ("a generated password" if content is None else "the given password")
        )
        self._write(entry, content or generate())

    def recovery(self, name: str) -> None:
        """Write the statements that let root in with the password of a file."""
        password = self._read(os.path.join(self.path, "secrets", name)) or ""
        literal = password.replace("\\", "\\\\").replace("'", "''")
        statements = (
            "CREATE USER IF NOT EXISTS 'root'@'localhost';\n"
            f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{literal}' ACCOUNT UNLOCK;\n"
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

    def bring(
        self,
        context: Mapping[str, str],
        generated: Sequence[str],
        passwords: Mapping[str, str],
        recovery: str | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        """Make the directories, the files of the build context and others, and the passwords. Raises OSError."""
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
