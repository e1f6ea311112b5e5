# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy the binary log of a store, and read the copy. Private to this collection: it may change without notice.

What is copied ends where a transaction ends, and is on the server's disk: the server never takes it back, whatever
kills it. The file that the server writes to is copied in parts, each a file of its own that never changes. Many small
parts are merged into a larger one, and all of them into one when the server has closed the file.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
import zlib
from dataclasses import dataclass
from typing import IO, Any, Callable, Iterator, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import binlog_reader
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import (
    CHUNK,
    FORMAT,
    PARTIAL,
    Archive,
    BackupProblem,
    Settings,
    full_disk,
    in_use,
    locked,
    nobody_reads,
    read_document,
    read_packed,
    stamp,
    suffix,
    try_unpacking,
    verify_file,
    write_document,
    write_packed,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.binlog_reader import (
    ENDS,
    HEADER,
    MAGIC,
    UUID,
    BinaryLogProblem,
    GtidSet,
    Reader,
    Unit,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.live import identity
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.scratch_server import SERVER_ID
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._files.durable import sync_directory

MERGED = 60  # parts of about the same size are merged into one
TIMELINE = "timeline.json"
COPIED = ".copied"  # was changed when all that the store had written was copied
DAMAGED = ".damaged-"
TORN_FOR = 60  # seconds; the server writes a transaction in less
TAIL = 16  # bytes before the end of a copy, with the checksum of its last event
LOG_NAME = re.compile(r"(.+\.([0-9]{6,}))\.json")
TIMELINE_NAME = re.compile(UUID.pattern + r"(?:\.[0-9]+)?")
PART_NAME = re.compile(r"(.+\.[0-9]{6,})\.[0-9]{12,}-[0-9]{12,}\.zst(\.age)?")


class NoStore(BackupProblem):
    """There is no binary log to copy, for now."""


class Changed(BackupProblem):
    """What the server has in its file is not what was copied of it."""


class Reset(Changed):
    """The binary log is another one than what was copied so far."""


@dataclass(frozen=True)
class Source:
    """The binary log of the store as it is now."""

    uuid: str
    directory: str
    names: tuple[str, ...]


def source_of(data: str) -> Source:
    """Look at a data directory. Raises NoStore."""
    try:
        with open(os.path.join(data, "auto.cnf"), encoding="utf-8", errors="replace") as stream:
            found = re.search(r"(?m)^server-uuid\s*=\s*([0-9a-f-]{36})\s*$", stream.read())
        there = [name for name in os.listdir(data) if "relay" not in name]
        # A server that was killed between the two steps in which it replaces its index has only the new one.
        indexes = [name for name in there if name.endswith(".index")] or [
            name for name in there if name.endswith(".index_crash_safe")
        ]
        names: list[str] = []
        for index in indexes:
            with open(os.path.join(data, index), encoding="utf-8", errors="replace") as stream:
                names = [os.path.basename(line.strip()) for line in stream if line.strip()] or names
    except OSError as error:
        raise NoStore(
            f"there is no store to copy the binary log of: {error.filename}: {error.strerror}. Start the store"
        ) from None
    if found is None or not names:
        raise NoStore(f"{data} has no binary log: start the store, and leave its binary log on")
    return Source(found.group(1), data, tuple(names))


def created(path: str) -> float:
    """Return when the server made a file of its binary log: its first event says so. Raises OSError."""
    with open(path, "rb") as stream:
        head = stream.read(len(MAGIC) + HEADER.size)
    if len(head) < len(MAGIC) + HEADER.size:
        return time.time()
    return float(min(HEADER.unpack_from(head, len(MAGIC))[0], time.time()))


def latest_begin(path: str) -> float:
    """Return the latest time at which a server can have begun a log with this file. Raises OSError.

    The file says the second only; its first transaction came later than that.
    """
    latest = min(created(path) + 1, time.time())
    with open(path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        first = next(
            (one.time for one in Reader(stream, size, path).units() if one.time and one.gtid), latest
        )
    return min(first, latest)


def number_of(name: str) -> int:
    """Return the number in the name of a file of the binary log."""
    return int(name.rpartition(".")[2])


class LogFile:
    """The copy of one file of the binary log."""

    def __init__(self, directory: str, name: str) -> None:
        self.directory = directory
        self.name = name
        self.path = os.path.join(directory, name + ".json")
        self.seen = 0
        self.problem: str | None = None  # what is wrong with its manifest
        self.document: dict[str, Any] = {
            "format": FORMAT,
            "name": name,
            "previous": None,
            "gtids": "",
            "transactions": 0,
            "anonymous": 0,  # of them, those without a GTID
            "first_time": None,
            "last_time": None,
            "latest_time": None,
            "end": 0,
            "tail": "",
            "closed": False,
            "gap_before": False,
            "parts": [],
        }

    @classmethod
    def load(cls, directory: str, name: str) -> LogFile:
        found = cls(directory, name)
        if os.path.exists(found.path):
            found.seen = os.stat(found.path).st_mtime_ns
            found.document = read_document(found.path)
        return found

    @classmethod
    def look(cls, directory: str, name: str) -> LogFile:
        """Return it also if its manifest is damaged; `problem` says so then."""
        try:
            return cls.load(directory, name)
        except BackupProblem as error:
            found = cls(directory, name)
            found.problem = str(error)
            return found

    def save(self) -> None:
        write_document(self.path, self.document)
        self.seen = os.stat(self.path).st_mtime_ns

    def changed(self) -> bool:
        """Return whether another process has written the manifest since."""
        try:
            return os.stat(self.path).st_mtime_ns != self.seen
        except FileNotFoundError:
            return self.seen != 0

    @property
    def end(self) -> int:
        return int(self.document["end"])

    @property
    def closed(self) -> bool:
        return bool(self.document["closed"])

    @property
    def parts(self) -> list[dict[str, Any]]:
        return list(self.document["parts"])

    @property
    def previous(self) -> GtidSet:
        return GtidSet(self.document["previous"] or "")

    @property
    def gtids(self) -> GtidSet:
        return GtidSet(self.document["gtids"])

    def part_path(self, part: Mapping[str, Any]) -> str:
        return os.path.join(self.directory, part["file"])

    def verify(self) -> None:
        """Compare all parts with the manifest, and the manifest with itself. Raises BackupProblem."""
        if self.problem is not None:
            raise BackupProblem(self.problem)
        position = 0
        for part in self.parts:
            if part["start"] != position:
                raise BackupProblem(
                    f"{self.path}: the bytes {position} to {part['start']} of {self.name} are missing"
                )
            verify_file(self.part_path(part), part)
            position = part["end"]
        if position != self.end:
            raise BackupProblem(f"{self.path}: the bytes {position} to {self.end} of {self.name} are missing")

    def try_unpacking(self, identity_file: str | None) -> None:
        """Make sure that the identity opens all parts. Raises BackupProblem."""
        for part in self.parts:
            if part["file"].endswith(".age"):
                try_unpacking(self.part_path(part), identity_file)

    def write_to(self, target: IO[bytes], identity_file: str | None, end: int | None = None) -> None:
        """Write the file as the server had it, or its first `end` bytes. Raises BackupProblem."""
        left = self.end if end is None else end
        for part in self.parts:
            if not left:
                return
            with read_packed(self.part_path(part), identity_file) as stream:
                while left:
                    chunk = stream.read(min(CHUNK, left))
                    if not chunk:
                        break
                    target.write(chunk)
                    left -= len(chunk)
        if left:
            raise BackupProblem(f"{self.path}: the last {left} bytes of {self.name} are missing")

    @contextlib.contextmanager
    def reader(self, identity_file: str | None, directory: str) -> Iterator[Reader]:
        """Give a reader of the whole file, which is unpacked in `directory` meanwhile."""
        try:
            with tempfile.TemporaryFile(dir=directory) as stream:
                self.write_to(stream, identity_file)
                yield Reader(stream, stream.tell(), self.name)
        except OSError as error:
            raise full_disk(error, directory) from None


class Timeline:
    """The copied binary log of one server, from its first start to the end of its data, or until its log was reset.

    `name` is that of its directory: the server's UUID, with a number behind it once the server began another log.
    """

    def __init__(self, archive: Archive, name: str) -> None:
        self.name = name
        self.uuid = name.partition(".")[0]
        self.directory = os.path.join(archive.binlog, name)
        self.about: dict[str, Any] = {}
        self.problem: str | None = None
        path = os.path.join(self.directory, TIMELINE)
        try:
            if os.path.exists(path):
                self.about = read_document(path)
        except BackupProblem as error:
            self.problem = str(error)

    @property
    def number(self) -> int:
        """Which one it is in the order of time; 0 if that is not known any more."""
        return int(self.about.get("number", 0))

    @property
    def began(self) -> str:
        return str(self.about.get("began", stamp(0)))

    def names(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            found = [
                LOG_NAME.fullmatch(name) for name in os.listdir(self.directory) if not name.startswith(".")
            ]
            return sorted((name[1] for name in found if name), key=number_of)
        return []

    def files(self) -> list[LogFile]:
        return [LogFile.look(self.directory, name) for name in self.names()]


def timelines(archive: Archive) -> list[Timeline]:
    """Return the timelines, the oldest first."""
    with contextlib.suppress(FileNotFoundError):
        return sorted(
            (Timeline(archive, name) for name in os.listdir(archive.binlog) if TIMELINE_NAME.fullmatch(name)),
            key=lambda one: one.number,
        )
    return []


def timeline_of(manifest: Mapping[str, Any]) -> str:
    """Return the name of the timeline that a full backup belongs to, which may not be there."""
    return str(manifest.get("timeline") or manifest["server_uuid"])


def current_name(known: Sequence[Timeline], uuid: str) -> str:
    """Return the name of the timeline that a server's log is copied to now."""
    own = [one for one in known if one.uuid == uuid]
    if not own:
        return uuid
    if "ended" not in own[-1].about:
        return own[-1].name
    # Never a name that was there: off the host, nothing is removed because it is missing here.
    return f"{uuid}.{1 + max(int(one.name.partition('.')[2] or 0) for one in own)}"


def latest_said(timeline: Timeline) -> str:
    """Return the latest time that a transaction of a timeline says; empty if none does."""
    return max(
        (str(log.document.get("latest_time") or log.document["last_time"] or "") for log in timeline.files()),
        default="",
    )


def copied_at(settings: Settings) -> float | None:
    """Return when all that the store had written was copied the last time."""
    try:
        return os.stat(os.path.join(settings.directory, COPIED)).st_mtime
    except OSError:
        return None


def following(name: str) -> str:
    """Return the name of the file that the server writes after this one."""
    base, dummy, number = name.rpartition(".")
    return f"{base}.{int(number) + 1:0{len(number)}d}"


class Judge:
    """Says whether what was copied is all that the store has. This one takes the files for all."""

    def begin(self) -> None:
        """Look at the store before the copy."""

    def end(self, copier: Copier, looked: float) -> dict[str, Any]:
        """Return what is to be known besides where the copy ends; with a `problem` not all is copied."""
        return {}


class Copier:
    """Copies what is new, each time it is asked. Not to be used by two processes at a time.

    A new copy begins with the oldest file that the server has, or with its `newest`.
    """

    def __init__(self, settings: Settings, judge: Judge | None = None, newest: bool = False) -> None:
        self.settings = settings
        self.judge = judge or Judge()
        self.newest = newest
        self.archive = Archive(settings.directory)
        self.log: LogFile | None = None
        self.timeline: Timeline | None = None
        # The file that the server writes to stays open: it can still be read when somebody deletes the data directory
        # under the server.
        self.stream: IO[bytes] | None = None
        self.streamed: LogFile | None = None  # its copy

    def copy(self) -> dict[str, Any]:
        """Copy all that is there. Returns where the copy ends. Raises BackupProblem."""
        try:
            # A restore swaps the data directory: what is read here belongs to one of the two.
            with locked(self.settings.directory, "exchange", "swapping the store's data", wait=True):
                looked = time.time()
                self.judge.begin()
                try:
                    source = source_of(self.settings.data)
                    try:
                        self._copy(source)
                    except Reset:
                        self._retire()
                        self._copy(source)
                except NoStore:
                    self._copy_deleted()
                    raise
                judged = self.judge.end(self, looked)
            if judged.get("problem") is None:
                self._touch(looked)
        except OSError as error:
            raise full_disk(error, self.settings.directory) from None
        except BinaryLogProblem as error:
            raise BackupProblem(f"{error}. Check the disk, and make a full backup") from None
        return {**self.position(), **judged}

    def _copy(self, source: Source) -> None:
        # Another process may have copied meanwhile.
        if (
            self.timeline is None
            or self.timeline.uuid != source.uuid
            or self.log is None
            or self.log.changed()
        ):
            self._begin(source)
        while True:
            log = self._log_to_copy(source)
            if log is None:
                return
            self._copy_new(source, log)
            if not log.closed:
                return

    def _retire(self) -> None:
        """Keep what was copied of a log that is there no more: its GTIDs are given again, in another timeline."""
        if self.timeline is None:
            raise TypeError("no timeline was begun")
        path = os.path.join(self.timeline.directory, TIMELINE)
        write_document(path, {**self.timeline.about, "ended": stamp(time.time())})
        if self.stream is not None:
            self.stream.close()
        self.log = self.timeline = self.stream = self.streamed = None

    def _copy_deleted(self) -> None:
        """Copy what is new in the file that is open. The server may still write to it."""
        log = self.log
        if self.stream is None or log is None or log is not self.streamed or log.closed or log.changed():
            return
        size = os.fstat(self.stream.fileno()).st_size
        if size > log.end:
            self._append(self.stream, size, log)

    def _touch(self, looked: float) -> None:
        """Note that all that the store had written by then is copied."""
        path = os.path.join(self.settings.directory, COPIED)
        with open(path, "a", encoding="utf-8"):
            os.utime(path, (looked, looked))

    def position(self) -> dict[str, Any]:
        """Return where the copy ends."""
        log = self.log
        if log is None or self.timeline is None:
            return {}
        gtids = log.previous
        gtids.update(log.gtids)
        return {
            "server_uuid": self.timeline.uuid,
            "file": log.name,
            "position": log.end,
            "gtid_set": str(gtids),
            "last_transaction": log.document["last_time"],
        }

    def _begin(self, source: Source) -> None:
        known = timelines(self.archive)
        timeline = Timeline(self.archive, current_name(known, source.uuid))
        os.makedirs(timeline.directory, mode=0o700, exist_ok=True)
        newest = max((one.number for one in known), default=0)
        if not timeline.about:
            first = os.path.join(source.directory, source.names[0])
            own = [one for one in known if one.uuid == source.uuid and "ended" in one.about]
            # What was written in the second in which the log was reset is in the one before.
            began = stamp(latest_begin(first) if own else created(first))
            # Data that was set back has files from before it was.
            if own and began <= latest_said(own[-1]):
                began = str(own[-1].about["ended"])
            timeline.about = {
                "format": FORMAT,
                "server_uuid": source.uuid,
                "number": newest + 1,
                "began": began,
            }
            for one in known:  # nobody copies to them any more
                for file in os.listdir(one.directory):
                    if file.startswith(PARTIAL):
                        os.unlink(os.path.join(one.directory, file))
            write_document(os.path.join(timeline.directory, TIMELINE), timeline.about)
        elif timeline.number and timeline.number < newest:  # a restore was taken back: it is the newest again
            timeline.about["number"] = newest + 1
            write_document(os.path.join(timeline.directory, TIMELINE), timeline.about)
        names = timeline.names()
        self.timeline = timeline
        self._remove_leftovers(source, names)
        self.log = self._open(names[-1]) if names else None

    def _open(self, name: str) -> LogFile:
        """Return the copy of a file, or a new one."""
        directory = self._directory()
        try:
            return LogFile.load(directory, name)
        except BackupProblem:
            # Without its manifest nobody knows what was copied: what the server still has is copied again.
            os.rename(
                os.path.join(directory, f"{name}.json"), os.path.join(directory, f"{DAMAGED}{name}.json")
            )
            return LogFile(directory, name)

    def _directory(self) -> str:
        if self.timeline is None:
            raise TypeError("no timeline was begun")
        return self.timeline.directory

    def _remove_leftovers(self, source: Source, names: Sequence[str]) -> None:
        """Remove what an interrupted copy or removal left. Parts of which a manifest is lost stay."""
        directory = self._directory()
        logs = {name: LogFile.look(directory, name) for name in names}
        known = {part["file"] for log in logs.values() for part in log.parts}
        with nobody_reads(self.settings.directory) as free:
            self._remove_useless(source, names, logs, known if free else None)

    def _remove_useless(
        self, source: Source, names: Sequence[str], logs: Mapping[str, LogFile], known: set[str] | None
    ) -> None:
        """Remove what was not finished and, unless `known` is None, parts that are not known."""
        directory = self._directory()
        for file in os.listdir(directory):
            part = PART_NAME.fullmatch(file)
            if file.startswith(PARTIAL):
                useless = True
            elif known is None:
                useless = False
            elif part is None or file in known:
                useless = False
            elif part[1] in logs:
                useless = logs[part[1]].problem is None
            else:
                removed = not names or number_of(part[1]) < number_of(names[0])
                useless = removed or part[1] in source.names
            if useless:
                with contextlib.suppress(FileNotFoundError):  # a removal may be going on
                    os.unlink(os.path.join(directory, file))

    def _log_to_copy(self, source: Source) -> LogFile | None:
        """Return the file that is to be copied next. None: all that is there was copied and closed."""
        log = self.log
        if log is None:
            there = [name for name in source.names if not self._lost(source, name)]
            self.log = self._open(there[-1 if self.newest else 0])
            self.log.document["gap_before"] = not self.newest and there[0] != source.names[0]
            return self.log
        if number_of(source.names[-1]) < number_of(log.name):
            raise self._another(f"{source.directory} has no {log.name} any more, which was copied")
        if not log.closed and log.name in source.names and not self._lost(source, log.name):
            return log
        later = [name for name in source.names if number_of(name) > number_of(log.name)]
        while later and self._lost(source, later[0]):
            del later[0]
        if not later:
            return None
        self.log = self._open(later[0])
        # The server removed what is between the two, or the end of the first, before it was copied.
        if not log.closed or later[0] != following(log.name):
            self.log.document["gap_before"] = True
        return self.log

    def _lost(self, source: Source, name: str) -> bool:
        """Return whether somebody removed a file that a running server has closed: it never comes back."""
        path = os.path.join(source.directory, name)
        return name != source.names[-1] and not os.path.exists(path) and in_use(source.directory)

    def _another(self, found: str) -> Reset:
        """Return what to say of a binary log that is another one than what was copied so far."""
        return Reset(f"{found}: the store's data was set back, or its binary log was reset")

    def _copy_new(self, source: Source, log: LogFile) -> None:
        path = os.path.join(source.directory, log.name)
        # What the server closed before it is looked at does not grow any more.
        ended = source.names[-1] != log.name
        stream = self._opened(path, log)
        status = os.fstat(stream.fileno())
        size = status.st_size
        if size < log.end:
            raise self._another(f"{path} has {size} bytes, and {log.end} were copied")
        tail = log.document.get("tail") or ""
        stream.seek(max(log.end - TAIL, 0))
        if tail and stream.read(min(TAIL, log.end)).hex() != tail:
            raise self._another(f"{path} has something else before byte {log.end} than what was copied")
        if size > log.end:
            self._append(stream, size, log)
        if size > log.end and not ended and time.time() - status.st_mtime > TORN_FOR:
            # One that was killed may leave that, and removes it when it starts.
            if in_use(source.directory):
                raise BackupProblem(
                    f"{path} ends with a part of a transaction, from byte {log.end} on, since more than {TORN_FOR} s: "
                    "check the disk of the store, restart it, and make a full backup"
                )
        if ended and not log.closed:
            if size != log.end:
                raise BackupProblem(
                    f"{path} is damaged: the server closed it, and what follows byte {log.end} is no whole "
                    "transaction. Make a full backup"
                )
            self._close(stream, log)

    def _opened(self, path: str, log: LogFile) -> IO[bytes]:
        """Return the file, which stays open until another one is asked for."""
        try:
            stream = open(path, "rb")
        except FileNotFoundError:
            raise NoStore(f"the binary log file {path} is gone: start the store") from None
        if self.stream is not None and os.path.sameopenfile(self.stream.fileno(), stream.fileno()):
            stream.close()
            self.stream.seek(0, os.SEEK_END)  # forgets what it had read
        else:
            if self.stream is not None:
                self.stream.close()
            self.stream = stream
        self.streamed = log
        return self.stream

    def _append(self, stream: IO[bytes], size: int, log: LogFile) -> None:
        document = log.document
        reader = Reader(stream, size, log.name)
        gtids, end, times, count, last_kind = log.gtids, log.end or len(MAGIC), [], 0, 0
        anonymous = 0
        for unit in reader.units(end):
            for _event in reader.events(unit):
                pass  # compares the checksums
            if unit.previous is not None:
                document["previous"] = str(unit.previous)
            if unit.gtid is not None:
                if unit.server == SERVER_ID:
                    document["skipped"] = skipped_too(document.get("skipped"), unit, log.previous, gtids)
                gtids.add_gtid(unit.gtid)
            if unit.kind in (binlog_reader.GTID, binlog_reader.ANONYMOUS):
                times.append(unit.time)
                count += 1
            anonymous += unit.kind == binlog_reader.ANONYMOUS
            end, last_kind = unit.end, unit.kind
        if end <= max(log.end, len(MAGIC)):
            return
        # What is copied must not be lost by the server's machine: a later transaction would get the same GTID.
        os.fsync(stream.fileno())
        self._add_part(stream, log, log.end, end, 0)
        document["gtids"] = str(gtids)
        document["transactions"] += count
        document["anonymous"] = document.get("anonymous", 0) + anonymous
        if times:
            document["first_time"] = document["first_time"] or stamp(times[0])
            document["last_time"] = stamp(times[-1])
            document["latest_time"] = max(document.get("latest_time") or "", *map(stamp, times))
        stream.seek(max(end - TAIL, 0))
        document["tail"] = stream.read(min(TAIL, end)).hex()
        document["end"] = end
        document["finished"] = last_kind in ENDS
        log.save()
        self._merge(stream, log)

    def _add_part(self, stream: IO[bytes], log: LogFile, start: int, end: int, level: int) -> None:
        """Make a part of what the server has, in place of those that it covers."""
        name = f"{log.name}.{start:012d}-{end:012d}{suffix(self.settings.recipients)}"
        temporary = os.path.join(log.directory, f"{PARTIAL}-{name}")
        covered = [part for part in log.parts if part["start"] >= start]
        with tempfile.TemporaryFile(dir=log.directory) as content:
            checksum = copy_range(stream, content, start, end, covered, log.name)
            content.seek(0)
            about = write_packed(temporary, content, self.settings.recipients)
        os.rename(temporary, os.path.join(log.directory, name))
        sync_directory(log.directory)
        part = {**about, "file": name, "start": start, "end": end, "level": level, "crc32": checksum}
        log.document["parts"] = [*(part for part in log.parts if part["start"] < start), part]

    def _merge(self, stream: IO[bytes], log: LogFile) -> None:
        while True:
            parts = log.parts
            level = parts[-1]["level"]
            same = 0
            for part in reversed(parts):
                if part["level"] != level:
                    break
                same += 1
            if same < MERGED:
                return
            self._add_part(stream, log, parts[-same]["start"], parts[-1]["end"], level + 1)
            log.save()
            remove_merged(log)

    def _close(self, stream: IO[bytes], log: LogFile) -> None:
        """The server has closed the file: make one part of it. Raises BackupProblem."""
        parts = log.parts
        changed = None
        if len(parts) > 1:
            try:
                self._add_part(stream, log, 0, log.end, 99)
            except Changed as error:
                changed = error  # its parts are good, and stay as they are
        log.document["closed"] = True
        log.save()
        if changed is not None:
            raise changed
        if len(parts) > 1:
            remove_merged(log)


def skipped_too(
    found: Mapping[str, Any] | None, unit: Unit, previous: GtidSet, gtids: GtidSet
) -> dict[str, Any]:
    """Return the transactions of a file that a server that restores skips, as they have its own number, with another.

    `previous` and `gtids` are what the files before it, and the file before the other one, hold.
    """
    both = GtidSet((found or {}).get("gtids") or "")
    both.add_gtid(str(unit.gtid))
    before = GtidSet(str(previous))
    before.update(gtids)
    first = {"before": str(before), "first_time": stamp(unit.time)} if found is None else found
    return {**first, "gtids": str(both), "last_time": stamp(unit.time)}


def copy_range(
    stream: IO[bytes],
    target: IO[bytes],
    start: int,
    end: int,
    covered: Sequence[Mapping[str, Any]],
    name: str,
) -> int:
    """Copy a range of a server's file, and compare it with the parts that were copied of it. Returns its CRC-32.

    The file is written as it is once the server has closed it. Raises Changed, NoStore and OSError.
    """
    stream.seek(start)
    position, whole, piece, left = start, 0, 0, list(covered)
    while position < end:
        limit = left[0]["end"] if left else end
        chunk = stream.read(min(CHUNK, limit - position))
        if not chunk:
            raise NoStore(f"{name} changed while it was read: start the store")
        if position == 0:
            chunk = MAGIC + binlog_reader.not_in_use(chunk[len(MAGIC) :])
        target.write(chunk)
        whole, piece = zlib.crc32(chunk, whole), zlib.crc32(chunk, piece)
        position += len(chunk)
        if position == limit:
            if left and left[0].get("crc32", piece) != piece:
                raise Changed(
                    f"the server's file {name} was damaged after it was copied, before byte {position}; the copy is "
                    "good. Check the disk of the store"
                )
            piece, left = 0, left[1:]
    return whole


def remove_merged(log: LogFile) -> None:
    """Remove the parts whose bytes are in others, also those that were being read when they were merged."""
    known = {part["file"] for part in log.parts}
    pattern = re.compile(re.escape(log.name) + r"\.\d+-(\d+)\.zst(\.age)?$")
    with nobody_reads(os.path.dirname(os.path.dirname(log.directory))) as free:
        for name in os.listdir(log.directory) if free else ():
            found = pattern.match(name)
            if found and name not in known and int(found.group(1)) <= log.end:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(log.directory, name))


def follow(
    settings: Settings,
    seconds: float | None = None,
    until_changed: Sequence[str] = (),
    each: Callable[[Mapping[str, Any]], None] = lambda position: None,
    judge: Judge | None = None,
) -> Iterator[dict[str, Any]]:
    """Copy for ever, or for some seconds, or until one of some files is another one. Calls `each` after each copy.

    Gives where the copy is, or the problem, each time that changes.
    """
    copier = Copier(settings, judge)
    began = [identity(path) for path in until_changed]
    until = None if seconds is None else time.monotonic() + seconds
    said: Any = None
    while until is None or time.monotonic() < until:
        if [identity(path) for path in until_changed] != began:
            return
        try:
            position = copier.copy()
            key: Any = (position.get("file"), position.get("position"), position.get("problem"))
        except BackupProblem as error:
            position = {"problem": str(error), "no_store": isinstance(error, NoStore)}
            key = str(error)
            if not isinstance(error, NoStore):
                copier = Copier(settings, judge)  # it reads again what is there
        if key != said:
            said = key
            yield position
        each(position)
        time.sleep(settings.interval)


def missing_between(before: LogFile, log: LogFile) -> str | None:
    """Return what is missing between two files, or is damaged of the second."""
    if log.problem is not None:
        return log.problem
    if log.name != following(before.name):
        return f"the binary log file {following(before.name)} is missing in the copy"
    if log.document["gap_before"] or not before.closed:
        return f"the end of the binary log file {before.name} is missing in the copy"
    return None


def needed(files: Sequence[LogFile], gtids: GtidSet) -> list[LogFile]:
    """Return the files that hold what came after `gtids`. Raises BackupProblem if one is missing."""
    first = None
    for number, log in enumerate(files):
        if log.document["previous"] is not None and log.previous <= gtids:
            first = number
    if first is None:
        raise BackupProblem(
            "the copied binary log begins after the full backup: the transactions between the two are missing. Restore "
            "a full backup alone, by its name (mlflow_backup_name)"
        )
    chain = list(files[first:])
    for number, (before, log) in enumerate(zip(chain, chain[1:]), 1):
        problem = missing_between(before, log)
        if problem is not None:
            raise BackupProblem(f"{problem}. {without(files, first + number)}")
    return chain


def without(files: Sequence[LogFile], number: int) -> str:
    """Return what can be done without the file at `number`."""
    times = [log.document["last_time"] for log in files[:number] if log.document["last_time"]]
    if not times:
        return "Restore a full backup alone, by its name (mlflow_backup_name)"
    return (
        f"Restore what was before it, with a time up to {times[-1]}, or a full backup alone, by its name "
        "(mlflow_backup_name)"
    )
