# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes binary log files as a MySQL server writes them. For tests."""

from __future__ import annotations

import struct
import subprocess
import uuid
import zlib
from typing import Mapping, Sequence

UUID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
OTHER = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
MAGIC = b"\xfebin"
EXECUTE_LOAD = 18
QUERY, STOP, ROTATE, FORMAT, TABLE_MAP, XID, ROWS_QUERY, WRITE_ROWS = 2, 3, 4, 15, 19, 16, 29, 30
GTID, ANONYMOUS, PREVIOUS, TAGGED = 33, 34, 35, 42
HEADER = 19
FLAGS = len(MAGIC) + HEADER - 2  # where the first event has the flag "in use"
BEGAN = 1_795_600_000.0  # seconds since 1970


def event(
    kind: int, body: bytes, position: int, flags: int = 0, checksum: bool = True, server_id: int = 1
) -> bytes:
    """One event at a position of its file. The flag "in use" is not in the checksum."""
    size = HEADER + len(body) + (4 if checksum else 0)
    header = struct.pack("<IBIIIH", int(BEGAN), kind, server_id, size, position + size, flags)
    clean = struct.pack("<IBIIIH", int(BEGAN), kind, server_id, size, position + size, flags & ~1)
    return header + body + (struct.pack("<I", zlib.crc32(clean + body)) if checksum else b"")


def description(checksums: int = 1) -> bytes:
    """The body of a file's first event."""
    return struct.pack("<H50sIB", 4, b"9.7.0", 0, HEADER) + bytes(41) + bytes([checksums])


def previous(sets: Mapping[str, Sequence[tuple[int, int]]]) -> bytes:
    """The body that names the transactions before a file: for each server half-open intervals."""
    body = struct.pack("<Q", len(sets))
    for server, intervals in sets.items():
        body += uuid.UUID(server).bytes + struct.pack("<Q", len(intervals))
        body += b"".join(struct.pack("<QQ", *interval) for interval in intervals)
    return body


def packed(length: int, width: int | None = None) -> bytes:
    """A length as the protocol packs it: in 1, 3, 4 or 9 bytes."""
    if width is None:
        width = 1 if length < 251 else 3 if length < 1 << 16 else 4 if length < 1 << 24 else 9
    marks = {1: b"", 3: b"\xfc", 4: b"\xfd", 9: b"\xfe"}
    return marks[width] + length.to_bytes(width - (width > 1), "little")


def gtid_body(
    server: str, number: int, when: float, rest: int, width: int | None = None, original: float | None = None
) -> bytes:
    """The body of a transaction's first event; `rest` is the size of its other events."""
    body = (
        bytes([1]) + uuid.UUID(server).bytes + struct.pack("<q", number) + b"\x02" + struct.pack("<qq", 0, 1)
    )
    commit = int(when * 1e6)
    if original is None:
        body += commit.to_bytes(7, "little")
    else:
        body += (commit | 1 << 55).to_bytes(7, "little") + int(original * 1e6).to_bytes(7, "little")
    versions = struct.pack("<I", 90704)
    for wide in (1, 3, 4, 9) if width is None else (width,):
        total = HEADER + len(body) + wide + len(versions) + 4 + rest
        if width is not None or len(packed(total)) == wide:
            return body + packed(total, wide) + versions
    raise ValueError(rest)


def query_body(text: str, database: str = "mlflow", more: bytes = b"") -> bytes:
    name = database.encode()
    start = struct.pack("<IIBHH", 7, 0, len(name), 0, 3) + more
    return start + b"\x00\x00\x00" + name + b"\x00" + text.encode()


def payload_body(
    *events: tuple[int, bytes],
    compression: int = 0,
    unpacked: int | None = None,
    content: bytes | None = None,
    cut: int = 0,
) -> bytes:
    """The body of a compressed transaction, whose events have no checksums; `compression` 255 is none."""
    inner = b"".join(event(kind, body, 0, checksum=False) for kind, body in events)
    if content is None:
        content = inner
        if compression != 255:
            content = subprocess.run(
                ["zstd", "-q", "-c"], input=inner, capture_output=True, check=True
            ).stdout
    content = content[: len(content) - cut]
    body = b""
    for field, value in (
        (2, compression),
        (3, len(inner) if unpacked is None else unpacked),
        (1, len(content)),
    ):
        number = packed(value)
        body += packed(field) + packed(len(number)) + number
    return body + packed(0) + content


def table_body(database: str, table: str) -> bytes:
    names = b"".join(bytes([len(name)]) + name.encode() + b"\x00" for name in (database, table))
    return b"\x01\x00\x00\x00\x00\x00" + b"\x01\x00" + names + b"\x01\x03\x00\x01"


class Log:
    """A file that grows like one that a server writes to."""

    def __init__(
        self,
        before: Mapping[str, Sequence[tuple[int, int]]] | None = None,
        in_use: bool = True,
        checksums: int = 1,
    ) -> None:
        self.checksum = checksums == 1
        self.server_id = 1
        self.data = MAGIC
        # The first event has a checksum also when the others have none.
        self.data += event(FORMAT, description(checksums), len(self.data), int(in_use))
        self.add(PREVIOUS, previous(before or {}))

    def add(self, kind: int, body: bytes) -> None:
        self.data += event(kind, body, len(self.data), checksum=self.checksum, server_id=self.server_id)

    def transaction(
        self,
        number: int,
        *events: tuple[int, bytes],
        server: str = UUID,
        when: float | None = None,
        kind: int = GTID,
        width: int | None = None,
        original: float | None = None,
    ) -> None:
        """Add a transaction; by default it writes one row into `mlflow.runs`."""
        if not events:
            events = (
                *((QUERY, query_body("BEGIN")), (TABLE_MAP, table_body("mlflow", "runs"))),
                *(
                    (WRITE_ROWS, b"\x01\x00\x00\x00\x00\x00" + f"row {number}".encode()),
                    (XID, struct.pack("<Q", number)),
                ),
            )
        overhead = HEADER + (4 if self.checksum else 0)
        rest = sum(overhead + len(body) for _kind, body in events)
        moment = BEGAN + number if when is None else when
        self.add(kind, gtid_body(server, number, moment, rest - (0 if self.checksum else 4), width, original))
        for one in events:
            self.add(*one)

    def rotate(self, name: str) -> None:
        """Close the file; the server goes on with another one."""
        self.add(ROTATE, struct.pack("<Q", 4) + name.encode())
        self.close()

    def close(self) -> None:
        self.data = self.data[:FLAGS] + b"\x00\x00" + self.data[FLAGS + 2 :]


PACKED = payload_body((QUERY, query_body("DROP TABLE runs")))
