# SPDX-License-Identifier: GPL-3.0-or-later
"""Read MySQL's binary log files. Private to this collection: it may change without notice.

The format is version 4 as MySQL 8.0 and later write it:
dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_replication.html. A file is a sequence of units: a transaction,
or one of the events between them. What is copied or applied ends where a unit ends. Needs nothing but Python, and the
program `zstd` for transactions that the server compressed.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import struct
import subprocess
import tempfile
import threading
import zlib
from dataclasses import dataclass
from typing import IO, Iterable, Iterator

MAGIC = b"\xfebin"
ENCRYPTED = b"\xfdbin"
HEADER = struct.Struct("<IBIIIH")  # when, type, server, size, position of the next, flags
IN_USE = 0x0001  # flag of a file's first event while the server writes to it; not in its checksum
CHECKSUM = 4  # bytes at the end of an event
CRC32 = 1  # the checksum's kind in a file's first event; 0 is none
UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
INTERVAL = re.compile("([0-9]{1,19})(?:-([0-9]{1,19}))?")

QUERY = 2
STOP = 3
ROTATE = 4
FORMAT_DESCRIPTION = 15
TABLE_MAP = 19
ROWS_QUERY = 29
GTID = 33
ANONYMOUS = 34
PREVIOUS_GTIDS = 35
TRANSACTION_PAYLOAD = 40
GTID_TAGGED = 42
ROWS = {30: "INSERT INTO", 31: "UPDATE", 32: "DELETE FROM", 39: "UPDATE"}
# What else is in a transaction, and says nothing of what it changes: parts of files, variables, the end, and what a
# group writes. EXECUTE_LOAD_QUERY is a statement with 13 more bytes before its text.
SILENT = (5, 9, 11, 13, 14, 16, 17, 28, GTID, ANONYMOUS, 36, 37, 38)
EXECUTE_LOAD_QUERY = 18
IGNORABLE = 0x0080  # flag of an event that a reader may skip that does not know it
BIG = 1 << 24  # bytes of a compressed transaction that are held in memory
CHUNK = 1 << 20
# The fields of a compressed transaction, and how it is compressed.
PAYLOAD_END, PAYLOAD_SIZE, PAYLOAD_COMPRESSION, PAYLOAD_UNCOMPRESSED = 0, 1, 2, 3
ZSTD, UNCOMPRESSED = 0, 255
FIELDS = 1024  # bytes at the beginning of a compressed transaction that hold its fields
ENDS = (STOP, ROTATE)  # of a file that the server closed


class BinaryLogProblem(Exception):
    """A binary log file is damaged, or holds what cannot be read here."""


class Unreadable(BinaryLogProblem):
    """What a transaction does cannot be read here; it may be whole nevertheless."""


class GtidSet:
    """A set of transactions: for each server's UUID the numbers, as half-open intervals in order."""

    def __init__(self, text: str = "") -> None:
        self.intervals: dict[str, list[tuple[int, int]]] = {}
        for part in filter(None, re.sub(r"\s", "", text).lower().split(",")):
            uuid, *ranges = part.split(":")
            for numbers in ranges or [""]:
                found = INTERVAL.fullmatch(numbers)
                first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
                if not UUID.fullmatch(uuid) or not 0 < first <= last:
                    raise BinaryLogProblem(f"{part} is no set of GTIDs that this collection reads")
                self.add(uuid, first, last + 1)

    def add(self, uuid: str, start: int, end: int) -> None:
        """Add the transactions `start` to `end`, without the last."""
        merged: list[tuple[int, int]] = []
        for low, high in sorted([*self.intervals.get(uuid, []), (start, end)]):
            if merged and low <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        self.intervals[uuid] = merged

    def add_gtid(self, gtid: str) -> None:
        uuid, number = gtid.split(":")
        found = self.intervals.setdefault(uuid, [])
        if found and found[-1][1] == int(number):
            found[-1] = (found[-1][0], int(number) + 1)
        else:
            self.add(uuid, int(number), int(number) + 1)

    def of(self, uuid: str) -> GtidSet:
        """Return the transactions of one server."""
        found = GtidSet()
        found.intervals = {uuid: list(self.intervals.get(uuid, []))}
        return found

    def update(self, other: GtidSet) -> None:
        for uuid, intervals in other.intervals.items():
            for start, end in intervals:
                self.add(uuid, start, end)

    def __contains__(self, gtid: str) -> bool:
        uuid, number = gtid.split(":")
        return any(start <= int(number) < end for start, end in self.intervals.get(uuid, []))

    def __le__(self, other: GtidSet) -> bool:
        """Return whether every transaction is in the other set too."""
        return all(
            any(low <= start and end <= high for low, high in other.intervals.get(uuid, []))
            for uuid, intervals in self.intervals.items()
            for start, end in intervals
        )

    def meets(self, other: GtidSet) -> bool:
        """Return whether any transaction is in both sets."""
        return any(
            start < high and low < end
            for uuid, intervals in self.intervals.items()
            for start, end in intervals
            for low, high in other.intervals.get(uuid, [])
        )

    def without(self, other: GtidSet) -> GtidSet:
        """Return the transactions that are not in the other set."""
        found = GtidSet()
        for uuid, intervals in self.intervals.items():
            left = list(intervals)
            for low, high in other.intervals.get(uuid, []):
                left = [
                    piece
                    for start, end in left
                    for piece in ((start, min(end, low)), (max(start, high), end))
                    if piece[0] < piece[1]
                ]
            found.intervals[uuid] = left
        return found

    def __str__(self) -> str:
        return ",".join(
            ":".join(
                [uuid, *(str(low) if high == low + 1 else f"{low}-{high - 1}" for low, high in intervals)]
            )
            for uuid, intervals in sorted(self.intervals.items())
            if intervals
        )


@dataclass(frozen=True)
class Event:
    """One event. `body` is between its header and its checksum, of a large compressed transaction the beginning of it.

    `size` is the whole event's, in bytes, and `position` where it begins.
    """

    kind: int
    flags: int
    when: int
    body: bytes
    size: int
    position: int = 0
    server: int = 0  # the server_id of who wrote it


@dataclass(frozen=True)
class Unit:
    """A transaction, or an event between two. `time` is when it was committed, in seconds since 1970, UTC."""

    start: int
    end: int
    kind: int
    time: float = 0.0
    gtid: str | None = None
    previous: GtidSet | None = None
    server: int = 0  # the server_id of who wrote it


class Reader:
    """Units and events of one file, up to `size` bytes of it, which the server may still write to."""

    def __init__(self, stream: IO[bytes], size: int, name: str = "") -> None:
        self.stream = stream
        self.size = size
        self.name = name
        self.checksum = CHECKSUM  # the first event has one whatever the others have
        self.sum = 0  # of the event that was read last
        stream.seek(0)
        magic = stream.read(len(MAGIC)) if size >= len(MAGIC) else MAGIC
        if magic == ENCRYPTED:
            raise BinaryLogProblem(f"{name} is encrypted by the server: set binlog_encryption to OFF")
        if magic != MAGIC:
            raise BinaryLogProblem(f"{name} is no binary log file")
        first = self.event(len(MAGIC))
        self.begun = first is not None
        if first is None:
            return
        if first.kind != FORMAT_DESCRIPTION:
            raise BinaryLogProblem(f"{name} does not begin as a binary log file")
        if first.body[-1] not in (0, CRC32):
            raise BinaryLogProblem(f"{name} has checksums of a kind that this collection does not know")
        self.checksum = CHECKSUM if first.body[-1] == CRC32 else 0

    def event(self, position: int) -> Event | None:
        """Return the event at `position`, or None if it is not whole yet. Raises BinaryLogProblem."""
        if position + HEADER.size > self.size:
            return None
        self.stream.seek(position)
        header = self.stream.read(HEADER.size)
        if len(header) < HEADER.size:
            return None  # a server that recovers cuts the end off
        when, kind, server, length, _next, flags = HEADER.unpack(header)
        checksum = CHECKSUM if kind == FORMAT_DESCRIPTION else self.checksum
        if length < HEADER.size + checksum:
            raise BinaryLogProblem(f"{self.name} is damaged at byte {position}: an event of {length} bytes")
        if position + length > self.size:
            return None
        big = kind == TRANSACTION_PAYLOAD and length > BIG
        body = self._summed(header, length - HEADER.size - checksum) if big else None
        if body is None and big:
            return None
        if body is None:
            body = self.stream.read(length - HEADER.size - checksum)
            if len(body) < length - HEADER.size - checksum:
                return None
            summed = not_in_use(header + body) if kind == FORMAT_DESCRIPTION else header + body
            self.sum = zlib.crc32(summed)
        if checksum:
            wanted = self.stream.read(CHECKSUM)
            if len(wanted) < CHECKSUM:
                return None
            if self.sum != struct.unpack("<I", wanted)[0]:
                raise BinaryLogProblem(
                    f"{self.name} is damaged at byte {position}: the checksum of an event is wrong"
                )
        return Event(kind, flags, when, body, length, position, server)

    def _summed(self, header: bytes, size: int) -> bytes | None:
        """Read the body of an event piece by piece. Returns its beginning; None if it is not whole."""
        self.sum, start = zlib.crc32(header), b""
        while size:
            chunk = self.stream.read(min(CHUNK, size))
            if not chunk:
                return None
            start = start or chunk[:FIELDS]
            self.sum = zlib.crc32(chunk, self.sum)
            size -= len(chunk)
        return start

    def events(self, unit: Unit) -> Iterator[Event]:
        """Give the events of a unit, with their checksums compared."""
        position = unit.start
        while position < unit.end:
            event = self.event(position)
            if event is None or position + event.size > unit.end:
                raise BinaryLogProblem(
                    f"{self.name} is damaged at byte {position}: a transaction has another length"
                )
            yield event
            position += event.size

    def units(self, position: int = len(MAGIC)) -> Iterator[Unit]:
        """Give the units from `position` on, as far as they are whole."""
        while self.begun:
            event = self.event(position)
            if event is None:
                return
            unit = self.unit(position, event)
            if unit.end > self.size:
                return
            yield unit
            position = unit.end

    def unit(self, position: int, event: Event) -> Unit:
        try:
            return self._unit(position, event)
        except (IndexError, struct.error):
            raise BinaryLogProblem(
                f"{self.name} has an event at byte {position} that this collection does not read: MySQL 8.0 is needed"
            ) from None

    def _unit(self, position: int, event: Event) -> Unit:
        end = position + event.size
        if event.kind == PREVIOUS_GTIDS:
            return Unit(position, end, event.kind, previous=previous_gtids(event.body))
        if event.kind == GTID_TAGGED:
            raise BinaryLogProblem(
                f"{self.name} has a transaction with a tagged GTID at byte {position}, which this collection does not "
                "read: set gtid_next without a tag"
            )
        if event.kind not in (GTID, ANONYMOUS):
            return Unit(position, end, event.kind, float(event.when))
        gtid, time, length = transaction(event.body)
        if length < event.size:
            raise BinaryLogProblem(
                f"{self.name} is damaged at byte {position}: a transaction of {length} bytes"
            )
        name = gtid if event.kind == GTID else None
        return Unit(position, position + length, event.kind, time, name, server=event.server)

    def statements(self, unit: Unit) -> list[str]:
        """Return what a transaction does, a line for each statement or each table whose rows it changes.

        Raises Unreadable.
        """
        found: list[str] = []
        tables: dict[bytes, str] = {}
        try:
            for event in self.events(unit):
                if event.kind == TRANSACTION_PAYLOAD:
                    with self._payload(event) as stream:
                        for inner in payload_events(stream):
                            add_statement(inner, found, tables)
                else:
                    add_statement(event, found, tables)
        except (IndexError, struct.error):
            raise Unreadable("it has an event that is not as this collection knows it") from None
        return found

    @contextlib.contextmanager
    def _payload(self, event: Event) -> Iterator[IO[bytes]]:
        """Give what is in a compressed transaction, which is never held as a whole. Raises Unreadable."""
        start, size, compression, unpacked = payload_fields(event)
        if start + size > event.size - HEADER.size - self.checksum:
            raise BinaryLogProblem(
                f"{self.name} is damaged at byte {event.position}: a compressed transaction"
            )
        with contextlib.ExitStack() as stack:
            source = stack.enter_context(Piece(self.stream, event.position + HEADER.size + start, size))
            stream: Piece | IO[bytes] = source
            if compression == UNCOMPRESSED:
                pass
            elif compression == ZSTD:
                stream = stack.enter_context(unpacked_by_zstd(source))
            else:
                raise Unreadable(
                    f"it is compressed in a way ({compression}) that this collection does not know"
                )
            counted = Counted(stream)
            yield counted  # type: ignore[misc]
        if counted.count != unpacked:
            raise Unreadable(f"it has {counted.count} bytes when unpacked, not {unpacked}")


class Piece:
    """A part of a file as a file of its own."""

    def __init__(self, stream: IO[bytes], start: int, size: int) -> None:
        self.stream, self.position, self.left = stream, start, size

    def __enter__(self) -> Piece:
        return self

    def __exit__(self, *dummy: object) -> None:
        self.left = 0

    def read(self, size: int) -> bytes:
        self.stream.seek(self.position)
        found = self.stream.read(min(size, self.left))
        self.position += len(found)
        self.left -= len(found)
        return found


class Counted:
    """A stream that counts what is read of it."""

    def __init__(self, stream: Piece | IO[bytes]) -> None:
        self.stream, self.count = stream, 0

    def read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            chunk = self.stream.read(size - len(found))
            if not chunk:
                break
            found += chunk
        self.count += len(found)
        return found


@contextlib.contextmanager
def unpacked_by_zstd(source: Piece) -> Iterator[IO[bytes]]:
    """Give what `zstd` makes of a part of a file. Raises Unreadable."""
    program = shutil.which("zstd")
    if program is None:
        raise Unreadable("it is compressed, and zstd is not installed on this host: install the package zstd")
    with tempfile.TemporaryFile() as errors, subprocess.Popen(
        [program, "-q", "-d", "-c"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        if stdin is None or stdout is None:
            raise TypeError("no pipes")

        def feed() -> None:
            # What zstd does not want any more is no failure of ours: its exit status tells.
            with contextlib.suppress(OSError, ValueError):
                for chunk in iter(lambda: source.read(CHUNK), b""):
                    stdin.write(chunk)
            with contextlib.suppress(OSError, ValueError):
                stdin.close()

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        try:
            yield stdout
            if not stdout.read(1) and process.wait():
                errors.seek(0)
                said = " ".join(errors.read().decode("utf-8", "replace").split())[-200:]
                raise Unreadable(f"zstd cannot unpack it: {said}")
        finally:
            process.kill()
            feeder.join()


def payload_fields(event: Event) -> tuple[int, int, int, int]:
    """Return where a compressed transaction begins in an event's body, its size, how it is compressed, its size then.

    Raises Unreadable.
    """
    fields: dict[int, int] = {}
    position = 0
    try:
        while True:
            kind, position = packed_number(event.body, position)
            if kind == PAYLOAD_END:
                break
            length, position = packed_number(event.body, position)
            fields[kind], dummy = packed_number(event.body, position)
            position += length
        compression, size = fields[PAYLOAD_COMPRESSION], fields[PAYLOAD_SIZE]
    except (IndexError, KeyError):
        raise Unreadable("it is compressed, and its fields are none that this collection knows") from None
    return position, size, compression, fields.get(PAYLOAD_UNCOMPRESSED, size)


def packed_number(body: bytes, position: int) -> tuple[int, int]:
    """Return a number as the protocol packs it, and where what follows begins. Raises IndexError."""
    first = body[position]
    width = {252: 2, 253: 3, 254: 8}.get(first, 0)
    end = position + 1 + width
    if end > len(body):
        raise IndexError
    return int.from_bytes(body[position + 1 : end], "little") if width else first, end


def payload_events(stream: IO[bytes]) -> Iterator[Event]:
    """Give the events of a compressed transaction, which have no checksums. Raises Unreadable."""
    position = 0
    while True:
        header = stream.read(HEADER.size)
        if not header:
            return
        if len(header) < HEADER.size:
            raise Unreadable("it is compressed, and ends within an event")
        when, kind, _server, length, _next, flags = HEADER.unpack(header)
        left = length - HEADER.size
        # Of changed rows only the table's number is wanted, whatever they hold.
        body = stream.read(min(left, 6) if kind in ROWS else left) if left >= 0 else b""
        left -= len(body)
        while left > 0:
            chunk = stream.read(min(left, CHUNK))
            if not chunk:
                break
            left -= len(chunk)
        if left:
            raise Unreadable("it is compressed, and ends within an event")
        yield Event(kind, flags, when, body, length, position)
        position += length


def add_statement(event: Event, found: list[str], tables: dict[bytes, str]) -> None:
    """Add what an event does to the statements of a transaction. Raises Unreadable."""
    if event.kind in (QUERY, EXECUTE_LOAD_QUERY):
        text = query(event.body, 13 if event.kind == EXECUTE_LOAD_QUERY else 0)
        if text.upper() not in ("BEGIN", "COMMIT"):
            found.append(text)
    elif event.kind == ROWS_QUERY:
        found.append(event.body[1:].decode("utf-8", "replace"))
    elif event.kind == TABLE_MAP:
        tables[event.body[:6]] = table_name(event.body)
    elif event.kind in ROWS:
        text = f"{ROWS[event.kind]} {tables.get(event.body[:6], '?')}"
        if text not in found:
            found.append(text)
    elif event.kind not in SILENT and not event.flags & IGNORABLE:
        raise Unreadable(f"it has an event of a kind ({event.kind}) that this collection does not know")


def not_in_use(data: bytes) -> bytes:
    """Return the first event of a file as it is once the server has closed the file."""
    flags = struct.unpack_from("<H", data, HEADER.size - 2)[0]
    return data[: HEADER.size - 2] + struct.pack("<H", flags & ~IN_USE) + data[HEADER.size :]


def seven_bytes(body: bytes, position: int) -> int:
    return int.from_bytes(body[position : position + 7], "little")


def transaction(body: bytes) -> tuple[str, float, int]:
    """Return a transaction's GTID, when it was committed and its size in bytes, from its first event."""
    uuid = body[1:17].hex()
    number = struct.unpack_from("<q", body, 17)[0]
    commit = seven_bytes(body, 42)
    position = 49
    if commit >> 55:  # it came from another server, whose own time follows
        commit &= (1 << 55) - 1
        position += 7
    first = body[position]
    width = {252: 2, 253: 3, 254: 8}.get(first, 0)
    length = int.from_bytes(body[position + 1 : position + 1 + width], "little") if width else first
    name = "-".join((uuid[:8], uuid[8:12], uuid[12:16], uuid[16:20], uuid[20:]))
    return f"{name}:{number}", commit / 1e6, length


def previous_gtids(body: bytes) -> GtidSet:
    """Return the transactions that all files before this one hold."""
    found = GtidSet()
    (count,) = struct.unpack_from("<Q", body)
    if count >> 56:
        raise BinaryLogProblem("the binary log has tagged GTIDs, which this collection does not read")
    position = 8
    for _uuid in range(count):
        uuid = body[position : position + 16].hex()
        (intervals,) = struct.unpack_from("<Q", body, position + 16)
        position += 24
        name = "-".join((uuid[:8], uuid[8:12], uuid[12:16], uuid[16:20], uuid[20:]))
        for _interval in range(intervals):
            start, end = struct.unpack_from("<QQ", body, position)
            found.add(name, start, end)
            position += 16
    return found


def query(body: bytes, more: int = 0) -> str:
    """Return the text of a statement. `more` bytes are between what each has and its text."""
    database, dummy, variables = struct.unpack_from("<BHH", body, 8)
    return body[13 + more + variables + database + 1 :].decode("utf-8", "replace")


def table_name(body: bytes) -> str:
    length = body[8]
    database = body[9 : 9 + length].decode("utf-8", "replace")
    position = 9 + length + 1
    return f"{database}.{body[position + 1 : position + 1 + body[position]].decode('utf-8', 'replace')}"


def comparable(statement: str) -> str:
    """Return a statement as two of them are compared: without quotes of names, runs of blanks and case."""
    return " ".join(statement.replace("`", "").casefold().split())


def matching(
    reader: Reader, units: Iterable[Unit], wanted: str
) -> Iterator[tuple[Unit, str, Unreadable | None]]:
    """Give the transactions that hold the statement `wanted`, or a part of one, and those that cannot be read."""
    text = comparable(wanted)
    for unit in units:
        if unit.kind not in (GTID, ANONYMOUS):
            continue
        try:
            for statement in reader.statements(unit):
                if text in comparable(statement):
                    yield unit, statement, None
                    break
        except Unreadable as error:
            yield unit, "", error
