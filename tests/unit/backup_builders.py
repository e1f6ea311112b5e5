# SPDX-License-Identifier: GPL-3.0-or-later
"""A data directory whose binary log grows, and full backups, without MySQL. For tests."""

from __future__ import annotations

import datetime
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import archive
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import (
    FORMAT,
    PARTIAL,
    Archive,
    Settings,
    stamp,
    write_document,
    write_packed,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.binlog_copy import (
    PART_NAME,
    Timeline,
    following,
)
from binlog_builders import BEGAN, FLAGS, STOP, UUID, Log


def settings_for(home: Path, **more: Any) -> Settings:
    """Settings of a store in a directory, whose directories are made."""
    for name in ("data", "run", "tmp", "secrets", "backups"):
        (home / name).mkdir(parents=True, exist_ok=True)
    found = Settings(
        home=str(home),
        directory=str(home / "backups"),
        container="store",
        image="mysql:none",
        uid=os.getuid(),
        database="mlflow",
        user="backup",
    )
    return replace(found, **more)


def new_key(path: Path) -> str:
    """Make an age identity. Returns its recipient."""
    subprocess.run(["age-keygen", "-o", path], check=True, capture_output=True)
    return subprocess.run(
        ["age-keygen", "-y", path], check=True, capture_output=True, text=True
    ).stdout.strip()


class Server:
    """What a server does to its data directory. `written` is what its files hold, closed.

    A member of a group writes the group's transactions, without those `before`, which it got in a copy.
    """

    def __init__(
        self, settings: Settings, uuid: str = UUID, group: str | None = None, before: int = 0
    ) -> None:
        self.data = Path(settings.data)
        self.uuid = uuid
        self.source = group or uuid
        self.number = self.before = before
        self.names: list[str] = []
        self.written: dict[str, bytes] = {}
        self.log = Log()
        self.start()

    def start(self) -> None:
        """Begin a file, as a server that starts does."""
        self.data.mkdir(exist_ok=True)
        (self.data / "auto.cnf").write_text(f"[auto]\nserver-uuid={self.uuid}\n")
        self._begin(following(self.names[-1]) if self.names else "binlog.000001")

    def _begin(self, name: str) -> None:
        self.names.append(name)
        known = self.number > self.before
        self.log = Log({self.source: [(self.before + 1, self.number + 1)]} if known else None)
        self.flush()
        self._index()

    def _index(self) -> None:
        (self.data / "binlog.index").write_text("".join(f"./{name}\n" for name in self.names))

    def flush(self, torn: bytes = b"") -> None:
        """Write what is new in the file, and a part of the next transaction."""
        new = self.log.data + torn
        with (self.data / self.names[-1]).open("ab") as stream:
            stream.write(new[stream.tell() :])
        with (self.data / self.names[-1]).open("r+b") as stream:
            stream.seek(FLAGS)
            stream.write(new[FLAGS : FLAGS + 2])
        closed = Log.__new__(Log)
        closed.data = self.log.data
        closed.close()
        self.written[self.names[-1]] = closed.data

    def commit(self, count: int = 1, when: float | None = None) -> None:
        for _dummy in range(count):
            self.number += 1
            self.log.transaction(self.number, server=self.source, when=when)
        self.flush()

    def rotate(self) -> None:
        name = following(self.names[-1])
        self.log.rotate(name)
        self.flush()
        self._begin(name)

    def stop(self) -> None:
        self.log.add(STOP, b"")
        self.log.close()
        self.flush()

    def purge(self, count: int) -> None:
        """Remove the oldest files."""
        for name in self.names[:count]:
            (self.data / name).unlink()
        self.names = self.names[count:]
        self._index()

    @property
    def gtids(self) -> str:
        return f"{self.source}:1-{self.number}" if self.number > 1 else f"{self.source}:{self.number}"


def copied(settings: Settings, uuid: str = UUID, identity: str | None = None) -> dict[str, bytes]:
    """What the copy holds of each file, compared with its manifests."""
    found = {}
    for log in Timeline(Archive(settings.directory), uuid).files():
        log.verify()
        path = Path(settings.scratch, "content")
        with path.open("wb") as stream:
            log.write_to(stream, identity)
        found[log.name] = path.read_bytes()
        path.unlink()
    return found


def leftovers(settings: Settings, uuid: str = UUID) -> list[str]:
    """What is in the copy that no manifest names."""
    timeline = Timeline(Archive(settings.directory), uuid)
    known = {part["file"] for log in timeline.files() for part in log.parts}
    return [
        name
        for name in os.listdir(timeline.directory)
        if name.startswith(PARTIAL) or (PART_NAME.fullmatch(name) and name not in known)
    ]


def add_full(
    settings: Settings,
    number: int,
    finished: float = BEGAN,
    gtids: str = "",
    uuid: str = UUID,
    **more: Any,
) -> str:
    """Make a full backup with one small file. Returns its name."""
    moment = datetime.datetime.fromtimestamp(finished, datetime.timezone.utc)
    name = f"{number:06d}-{moment.strftime('%Y%m%dT%H%M%SZ')}"
    directory = os.path.join(settings.directory, "full", name)
    content = Path(settings.scratch, "content")
    content.mkdir()
    (content / "ibdata1").write_text(f"data {number}")
    os.makedirs(directory)
    path = os.path.join(directory, "data.tar" + archive.suffix(settings.recipients))
    packed = write_packed(path, ["tar", "-c", "-C", str(content), "-f", "-", "."], settings.recipients)
    manifest = {
        "format": FORMAT,
        "name": name,
        "begun": stamp(finished - 1),
        "finished": stamp(finished),
        "mysql_version": "9.7.0",
        "server_uuid": uuid,
        "gtid_set": gtids,
        "revision": "abc",
        "auth_revision": None,
        "database": "mlflow",
        "tables": {"mlflow": {"runs": number}},
        "layout": {"lower_case_table_names": 0, "innodb_page_size": 16384},
        "archive": {**packed, "unpacked": 10, "recipients": list(settings.recipients)},
        "seconds": {},
        **more,
    }
    write_document(os.path.join(directory, "manifest.json"), manifest)
    (content / "ibdata1").unlink()
    content.rmdir()
    return name


def flip(path: Path, position: int = -1, bit: int = 0x10) -> None:
    """Flip a bit of a file, in its last byte by default."""
    data = bytearray(path.read_bytes())
    data[position] ^= bit
    path.write_bytes(bytes(data))
