# SPDX-License-Identifier: GPL-3.0-or-later
"""Binary log files that are whole, torn at every byte and damaged at every byte, and sets of transactions."""

from __future__ import annotations

import io
import struct
from typing import Any

import binlog_builders
import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import binlog_reader
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.binlog_reader import (
    GTID,
    IN_USE,
    MAGIC,
    BinaryLogProblem,
    GtidSet,
    Reader,
    Unit,
    Unreadable,
    comparable,
    matching,
)
from binlog_builders import BEGAN, FLAGS, OTHER, UUID, Log, query_body


def read(data: bytes, size: int | None = None) -> Reader:
    return Reader(io.BytesIO(data), len(data) if size is None else size, "binlog.000001")


def content(reader: Reader) -> list[tuple[Any, ...]]:
    """All that a file says, with its checksums compared."""
    found: list[tuple[Any, ...]] = []
    for unit in reader.units():
        events = [(event.kind, event.when, event.body) for event in reader.events(unit)]
        found.append(
            (unit.start, unit.end, unit.kind, unit.time, unit.gtid, str(unit.previous or ""), events)
        )
    return found


def small() -> Log:
    log = Log({UUID: [(1, 3)]})
    log.transaction(3)
    log.transaction(4, (binlog_builders.QUERY, query_body("CREATE TABLE t (a INT)")))
    log.rotate("binlog.000002")
    return log


# Sets of transactions


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("", ""),
        (f"{UUID}:1-5", f"{UUID}:1-5"),
        (f"{UUID}:7", f"{UUID}:7"),
        (f"{UUID}:1-5:7-9", f"{UUID}:1-5:7-9"),
        (f"{UUID}:7-9:1-5", f"{UUID}:1-5:7-9"),
        (f"{UUID}:1-5:6-9", f"{UUID}:1-9"),
        (f"{UUID}:1-5:3-9:2", f"{UUID}:1-9"),
        (f"{UUID.upper()}:1-5,\n{OTHER}:2", f"{UUID}:1-5,{OTHER}:2"),
        (f"{OTHER}:2,{UUID}:1-5", f"{UUID}:1-5,{OTHER}:2"),
        (f"{UUID}:1,{UUID}:2", f"{UUID}:1-2"),
    ],
)
def test_a_set_is_read_and_printed(text: str, printed: str) -> None:
    assert str(GtidSet(text)) == printed
    assert str(GtidSet(printed)) == printed


@pytest.mark.parametrize(
    "text",
    [
        *(
            "nonsense",
            UUID,
            f"{UUID}:",
            f"{UUID}:0",
            f"{UUID}:5-3",
            f"{UUID}:1-",
            f"{UUID}:-3",
            f"{UUID}:1--3",
        ),
        *(
            f"{UUID}:x",
            f"{UUID}:tag:1-5",
            f"{UUID}x:1",
            f"{UUID}:1:",
            f"{UUID}:+1",
            f"{UUID}:1_0",
            "1-5",
            f"{UUID}:²",
        ),
    ],
)
def test_bad_text_is_no_set(text: str) -> None:
    with pytest.raises(BinaryLogProblem, match="is no set of GTIDs"):
        GtidSet(text)


def test_transactions_are_added_to_a_set() -> None:
    found = GtidSet()
    for number in (5, 6, 1, 3, 2, 4, 9, 9):
        found.add_gtid(f"{UUID}:{number}")
    assert str(found) == f"{UUID}:1-6:9"
    found.update(GtidSet(f"{UUID}:7-8,{OTHER}:1"))
    assert str(found) == f"{UUID}:1-9,{OTHER}:1"
    assert f"{UUID}:9" in found
    assert f"{UUID}:10" not in found
    assert f"{OTHER}:2" not in found
    assert str(found.of(OTHER)) == f"{OTHER}:1"
    assert str(found.of("no such server")) == ""


def test_a_set_and_a_part_of_it() -> None:
    whole = GtidSet(f"{UUID}:1-5:8-9,{OTHER}:3")
    for text in ("", f"{UUID}:1-5", f"{UUID}:2-4:9", f"{OTHER}:3", str(whole)):
        assert GtidSet(text) <= whole, text
    for text in (
        f"{UUID}:1-6",
        f"{UUID}:5-8",
        f"{UUID}:7",
        f"{OTHER}:3-4",
        "11111111-2222-3333-4444-555555555555:1",
    ):
        assert (GtidSet(text) <= whole) is False, text


# Files


@pytest.mark.parametrize(
    ("one", "other", "left", "meets"),
    [
        ("1-9", "3-5", "1-2:6-9", True),
        ("1-9", "1-9", "", True),
        ("1-3:7-9", "3-7", "1-2:8-9", True),
        ("1-3", "4-9", "1-3", False),
        ("5", "1-4:6-9", "5", False),
    ],
)
def test_what_two_sets_share(one: str, other: str, left: str, meets: bool) -> None:
    first, second = GtidSet(f"{UUID}:{one}"), GtidSet(f"{UUID}:{other},{OTHER}:1-9")
    assert str(first.without(second)) == (f"{UUID}:{left}" if left else "")
    assert first.meets(second) is meets
    assert second.meets(first) is meets


def test_a_file_is_read() -> None:
    reader = read(small().data)
    units = list(reader.units())
    assert [unit.kind for unit in units] == [15, 35, GTID, GTID, 4]
    assert str(units[1].previous) == f"{UUID}:1-2"
    assert [(unit.gtid, unit.time) for unit in units[2:4]] == [
        (f"{UUID}:3", BEGAN + 3),
        (f"{UUID}:4", BEGAN + 4),
    ]
    # One ends where the next one begins, and the last one where the file does.
    assert [unit.start for unit in units] == [len(MAGIC), *(unit.end for unit in units[:-1])]
    assert units[-1].end == len(small().data)


def test_units_from_a_place_on() -> None:
    reader = read(small().data)
    units = list(reader.units())
    assert list(reader.units(units[2].start)) == units[2:]
    assert list(reader.units(units[-1].end)) == []


@pytest.mark.parametrize("data", [b"", b"\xfe", MAGIC, MAGIC + bytes(18)])
def test_a_file_that_has_just_begun(data: bytes) -> None:
    assert content(read(data)) == []


def test_a_torn_tail_at_every_byte() -> None:
    """Whole units are given, and no other."""
    data = small().data
    whole = content(read(data))
    for end in range(len(data) + 1):
        assert content(read(data[:end])) == [one for one in whole if one[1] <= end]


def test_a_file_that_is_cut_off_while_it_is_read() -> None:
    """A server that recovers does that. It is no other error, and no other content."""
    data = small().data
    whole = content(read(data))
    for end in range(4, len(data)):
        try:
            found = content(read(data[:end], len(data)))
        except BinaryLogProblem as error:
            assert "another length" in str(error)
        else:
            assert found == [one for one in whole if one[1] <= end]


def test_every_flipped_byte_is_found() -> None:
    """Nothing that is read is other than what was written. The flag that the server changes itself is no damage."""
    data = small().data
    whole = content(read(data))
    accepted = []
    for position in range(len(data)):
        for bit in (0x01, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[position] ^= bit
            try:
                found = content(read(bytes(damaged)))
            except BinaryLogProblem:
                continue
            # A length that is too large looks like an event that is still being written.
            assert found == whole[: len(found)], position
            if len(found) == len(whole):
                accepted.append((position, bit))
    assert accepted == [(FLAGS, IN_USE)]


def test_the_flag_of_a_file_in_use_changes_nothing() -> None:
    used, closed = Log(), Log(in_use=False)
    for log in (used, closed):
        log.transaction(1)
    assert used.data != closed.data
    assert content(read(used.data)) == content(read(closed.data))


def test_a_file_without_checksums() -> None:
    log = Log(checksums=0)
    log.transaction(1)
    units = list(read(log.data).units())
    assert [unit.gtid for unit in units] == [None, None, f"{UUID}:1"]
    assert read(log.data).statements(units[2]) == ["INSERT INTO mlflow.runs"]
    with pytest.raises(BinaryLogProblem, match="checksums of a kind"):
        read(Log(checksums=7).data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"SQLi" + bytes(40), "is no binary log file"),
        (b"\xfdbin" + bytes(40), "set binlog_encryption to OFF"),
        (MAGIC + bytes(40), "an event of 0 bytes"),
        (MAGIC + binlog_builders.event(2, query_body("SELECT 1"), 4), "does not begin as a binary log file"),
    ],
)
def test_what_is_no_binary_log(data: bytes, message: str) -> None:
    with pytest.raises(BinaryLogProblem, match=message):
        read(data)


@pytest.mark.parametrize(
    ("rows", "width"),
    [(1, 1), (300, 3), (70_000, 4), (17_000_000, 9), (1, 3), (1, 4), (1, 9), (300, 4), (300, 9)],
)
def test_lengths_of_transactions(rows: int, width: int) -> None:
    log = Log()
    if rows == 1:
        log.transaction(1, (binlog_builders.XID, bytes(8)), width=width)
    else:
        log.transaction(1, (binlog_builders.ROWS_QUERY, b"\x00" + b"x" * rows), width=width)
    log.transaction(2)
    units = list(read(log.data).units())[2:]
    assert [unit.gtid for unit in units] == [f"{UUID}:1", f"{UUID}:2"]
    assert units[0].end - units[0].start > rows
    assert units[1].end == len(log.data)


def test_a_length_that_is_too_short_or_ends_within_an_event() -> None:
    for difference, message in ((-5, "another length"), (-10_000, "a transaction of")):
        log = Log()
        events = ((binlog_builders.ROWS_QUERY, b"\x00" + b"x" * 10_000),)
        rest = sum(binlog_builders.HEADER + 4 + len(body) for _kind, body in events)
        log.add(
            GTID,
            binlog_builders.gtid_body(UUID, 1, BEGAN, rest + difference - (100 if difference < -5 else 0)),
        )
        log.add(*events[0])
        reader = read(log.data)
        with pytest.raises(BinaryLogProblem, match=message):
            for unit in reader.units():
                list(reader.events(unit))


def test_a_transaction_of_another_server_has_two_times() -> None:
    log = Log()
    log.transaction(8, server=OTHER, when=BEGAN + 60, original=BEGAN - 5)
    log.transaction(1, when=BEGAN + 61)
    units = list(read(log.data).units())[2:]
    assert [(unit.gtid, unit.time) for unit in units] == [
        (f"{OTHER}:8", BEGAN + 60),
        (f"{UUID}:1", BEGAN + 61),
    ]


def test_an_anonymous_transaction_has_no_name() -> None:
    log = Log()
    log.transaction(0, kind=binlog_builders.ANONYMOUS, when=BEGAN)
    (unit,) = list(read(log.data).units())[2:]
    assert (unit.gtid, unit.time) == (None, BEGAN)


def test_tagged_transactions_are_refused() -> None:
    log = Log()
    log.add(binlog_builders.TAGGED, bytes(60))
    with pytest.raises(BinaryLogProblem, match="set gtid_next without a tag"):
        list(read(log.data).units())
    log = Log()
    log.add(binlog_builders.PREVIOUS, struct.pack("<Q", 1 << 56 | 1 << 8 | 1) + bytes(40))
    with pytest.raises(BinaryLogProblem, match="tagged GTIDs"):
        list(read(log.data).units())


@pytest.mark.parametrize("kind", [GTID, binlog_builders.PREVIOUS])
def test_an_older_format_is_refused(kind: int) -> None:
    log = Log()
    log.add(kind, bytes([1]) * 42 if kind == GTID else struct.pack("<Q", 3))
    with pytest.raises(BinaryLogProblem, match=r"MySQL 8\.0 is needed"):
        list(read(log.data).units())


def test_transactions_before_a_file() -> None:
    log = Log({UUID: [(1, 6), (8, 9)], OTHER: [(3, 1000)]})
    units: list[Unit] = list(read(log.data).units())
    assert str(units[1].previous) == f"{UUID}:1-5:8,{OTHER}:3-999"
    assert str(next(unit.previous for unit in read(Log().data).units() if unit.previous is not None)) == ""


# Statements


def test_statements() -> None:
    log = Log()
    log.transaction(1)
    log.transaction(2, (binlog_builders.QUERY, query_body("ALTER TABLE `runs` ADD COLUMN x INT")))
    rows = (
        (binlog_builders.TABLE_MAP, binlog_builders.table_body("mlflow", "runs")),
        (30, bytes(6)),
        (30, bytes(6)),
    )
    log.transaction(
        3, (binlog_builders.QUERY, query_body("BEGIN")), *rows, (binlog_builders.QUERY, query_body("COMMIT"))
    )
    log.transaction(
        4,
        *(
            (binlog_builders.TABLE_MAP, binlog_builders.table_body("mlflow", "tags")),
            (31, b"\x01" + bytes(6)),
        ),
        *(
            (32, b"\x01" + bytes(5)),
            (39, b"\x01" + bytes(5)),
            (binlog_builders.ROWS_QUERY, b"\x05DELETE FROM tags"),
        ),
    )
    reader = read(log.data)
    units = list(reader.units())[2:]
    assert [reader.statements(unit) for unit in units] == [
        ["INSERT INTO mlflow.runs"],
        ["ALTER TABLE `runs` ADD COLUMN x INT"],
        ["INSERT INTO ?"],  # the rows are of a table that the log does not name
        ["UPDATE mlflow.tags", "DELETE FROM mlflow.tags", "DELETE FROM tags"],
    ]


INNER = (
    (binlog_builders.QUERY, query_body("BEGIN")),
    (binlog_builders.TABLE_MAP, binlog_builders.table_body("mlflow", "metrics")),
    (32, b"\x01\x00\x00\x00\x00\x00" + bytes(3000)),
    (binlog_builders.EXECUTE_LOAD, query_body("LOAD DATA INFILE 'x' INTO TABLE `t`", more=bytes(13))),
    (binlog_builders.XID, bytes(8)),
)


@pytest.mark.parametrize("compression", [0, 255])
@pytest.mark.parametrize("big", [1 << 24, 10])
def test_compressed_transactions(compression: int, big: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is too large to be held."""
    monkeypatch.setattr(binlog_reader, "BIG", big)
    log = Log()
    log.transaction(1)
    log.transaction(2, (40, binlog_builders.payload_body(*INNER, compression=compression)))
    log.transaction(3)
    reader = read(log.data)
    units = list(reader.units())[2:]
    assert [unit.gtid for unit in units] == [f"{UUID}:{number}" for number in (1, 2, 3)]
    statements = ["DELETE FROM mlflow.metrics", "LOAD DATA INFILE 'x' INTO TABLE `t`"]
    assert reader.statements(units[1]) == statements
    assert [unit.gtid for unit, _said, _problem in matching(reader, reader.units(), "mlflow.METRICS")] == [
        f"{UUID}:2"
    ]
    # A byte of it is damaged, which its checksum tells.
    damaged = bytearray(log.data)
    damaged[units[1].end - 20] ^= 1
    with pytest.raises(BinaryLogProblem, match="the checksum of an event is wrong"):
        reader = read(bytes(damaged))
        reader.statements(units[1])


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (((40, b"zstd"),), "its fields are none that this collection knows"),
        (((40, binlog_builders.payload_body(*INNER, compression=7)),), r"compressed in a way \(7\)"),
        (((40, binlog_builders.payload_body(*INNER, unpacked=5)),), r"bytes when unpacked, not 5"),
        (
            ((40, binlog_builders.payload_body(*INNER, content=b"nothing that was packed")),),
            "it is compressed|zstd",
        ),
        (((40, binlog_builders.payload_body(*INNER, cut=50)),), "ends within an event|zstd"),
        (
            ((40, binlog_builders.payload_body(*INNER, cut=50, compression=255)),),
            "ends within an event|bytes when",
        ),
        (((77, b"a kind of the future"),), r"an event of a kind \(77\)"),
        (((binlog_builders.QUERY, b"short"),), "not as this collection knows it"),
    ],
)
def test_transactions_that_cannot_be_read(events: Any, message: str) -> None:
    log = Log()
    log.transaction(1)
    log.transaction(2, *events)
    reader = read(log.data)
    with pytest.raises(Unreadable, match=message):
        reader.statements(list(reader.units())[3])
    found = list(matching(reader, reader.units(), "mlflow.runs"))
    assert [(unit.gtid, problem is None) for unit, _said, problem in found] == [
        (f"{UUID}:1", True),
        (f"{UUID}:2", False),
    ]


def test_compressed_transactions_where_zstd_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    log = Log()
    log.transaction(1, (40, binlog_builders.PACKED))
    reader = read(log.data)
    with pytest.raises(Unreadable, match="install the package zstd"):
        reader.statements(list(reader.units())[2])


@pytest.mark.parametrize(
    ("wanted", "gtids"),
    [
        ("alter table RUNS", [2]),
        ("ALTER  TABLE\n`runs`", [2]),
        ("insert into `mlflow`.`runs`", [1, 3]),
        ("runs", [1, 2, 3]),
        ("DROP", []),
    ],
)
def test_transactions_that_hold_a_statement(wanted: str, gtids: list[int]) -> None:
    log = Log()
    log.transaction(1)
    log.transaction(2, (binlog_builders.QUERY, query_body("ALTER TABLE `Runs` ADD x INT")))
    log.transaction(3)
    reader = read(log.data)
    found = list(matching(reader, reader.units(), wanted))
    assert [unit.gtid for unit, _statement, _problem in found] == [f"{UUID}:{number}" for number in gtids]
    assert all(comparable(wanted) in comparable(statement) for _unit, statement, _problem in found)
