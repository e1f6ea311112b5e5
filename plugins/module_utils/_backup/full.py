# SPDX-License-Identifier: GPL-3.0-or-later
"""Make full backups, and remove old ones. Private to this collection: it may change without notice.

The server itself copies its data, with its CLONE plugin, while everybody goes on writing. A server of our own then
opens the copy and counts its rows, before the copy is packed: what is kept was open once.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import (
    FORMAT,
    PACKED,
    PARTIAL,
    POINT,
    SCRATCH_INSIDE,
    Archive,
    BackupProblem,
    Settings,
    free_bytes,
    full_disk,
    locked,
    nobody_reads,
    now,
    parse_time,
    read_document,
    room_for,
    stamp,
    suffix,
    tree_size,
    write_document,
    write_packed,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.binlog_copy import (
    NoStore,
    current_name,
    source_of,
    timeline_of,
    timelines,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.binlog_reader import GtidSet
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.live import connect
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.scratch_server import (
    NOT_INNODB,
    remove_strays,
    throw_away,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._files.durable import sync_directory
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import query
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.state import VERSION_TABLES
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store import swap

PURPOSE = "backup"
CLONE = "clone-"
DAY = 86400  # seconds
JUMP = 300  # seconds that the clock may differ from what the machine counted
CLOCK = "clock.json"
CLONE_ENDS_WITHIN = 300  # seconds
# The clone has these, and a server makes new ones: two servers must not have one identity.
IDENTITY = ("auto.cnf", "ib_buffer_pool")

Say = Callable[[str], None]


def look(connection: Any) -> dict[str, Any]:
    """Return what a restore must know of the server. Raises BackupProblem if it cannot be backed up."""
    names = (
        *("version", "server_uuid", "lower_case_table_names", "innodb_page_size", "gtid_mode", "log_bin"),
        *("binlog_checksum", "binlog_encryption"),
    )
    found = dict(zip(names, query(connection, "SELECT " + ", ".join(f"@@{name}" for name in names))[0]))
    problems = []
    if not query(
        connection,
        "SELECT 1 FROM information_schema.plugins WHERE plugin_name = 'clone' AND plugin_status = 'ACTIVE'",
    ):
        problems.append("its CLONE plugin is not loaded")
    if found["gtid_mode"] != "ON":
        problems.append(f"its gtid_mode is {found['gtid_mode']}")
    if not found["log_bin"]:
        problems.append("its binary log is off")
    if found["binlog_checksum"] != "CRC32":
        problems.append(f"its binlog_checksum is {found['binlog_checksum']}")
    if found["binlog_encryption"]:
        problems.append("its binlog_encryption is ON")
    if problems:
        raise BackupProblem(
            f"the store cannot be backed up: {', '.join(problems)}. Run the playbook deploy again"
        )
    refuse([str(row[0]) for row in query(connection, NOT_INNODB)])
    return found


def refuse(others: Sequence[str]) -> None:
    """Raise BackupProblem if there are tables that are not InnoDB's."""
    if others:
        raise BackupProblem(
            f"tables that are not in InnoDB would be empty in the backup: {', '.join(others[:5])}. Run ALTER TABLE "
            f"{others[0]} ENGINE=InnoDB"
        )


def end_clones(connection: Any) -> None:
    """End what an interrupted backup left running in the server. Raises BackupProblem."""
    deadline = time.monotonic() + CLONE_ENDS_WITHIN
    while True:
        try:
            # Without the right PROCESS it lists one's own.
            found = query(connection, "SHOW PROCESSLIST")
        except Exception as error:
            raise BackupProblem(f"the store cannot be backed up: {error}. Run this again") from None
        threads = [int(row[0]) for row in found if str(row[7]).startswith("CLONE LOCAL")]
        if not threads:
            return
        if time.monotonic() > deadline:
            raise BackupProblem(
                "the server does not end the copy of an interrupted backup: restart the store"
            )
        for thread in threads:
            with contextlib.suppress(Exception):  # it may have ended by itself
                query(connection, f"KILL {thread}")
        time.sleep(0.2)


def remove_unfinished(settings: Settings) -> None:
    """Remove what an interrupted backup left. Raises OSError."""
    archive = Archive(settings.directory)
    for directory, prefix in ((archive.full, PARTIAL), (settings.scratch, CLONE)):
        names: list[str] = []
        with contextlib.suppress(FileNotFoundError):
            names = os.listdir(directory)
        for name in names:
            if name.startswith(prefix):
                shutil.rmtree(os.path.join(directory, name))


def remove_all(settings: Settings) -> None:
    """Empty a directory of backups, or make it: first the point that they are for goes. Raises BackupProblem."""
    archive = Archive(settings.directory)
    try:
        os.makedirs(archive.directory, mode=0o700, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(archive.directory, POINT))
            sync_directory(archive.directory)
        for directory in (archive.full, archive.binlog):
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(directory)
    except OSError as error:
        raise full_disk(error, settings.directory) from None


def make_full(
    settings: Settings, say: Say, wait: bool = False, wanted: Callable[[], bool] = lambda: True
) -> dict[str, Any] | None:
    """Make a full backup, after another one that is being made if `wait`. Returns its manifest.

    None, if it is not `wanted` any more when its turn comes. Raises BackupProblem.
    """
    with locked(
        *(settings.scratch, "full", "making a full backup", wait),
        waits=lambda: say("Waiting for another backup, which is being made."),
    ):
        if not wanted():
            return None
        try:
            connection = connect(settings)
            try:
                end_clones(connection)
                remove_strays(settings, PURPOSE)
                remove_unfinished(settings)
                os.makedirs(os.path.join(settings.directory, "full"), mode=0o700, exist_ok=True)
                return _make_full(settings, connection, say)
            finally:
                with contextlib.suppress(Exception):
                    connection.close()
                remove_unfinished(settings)
        except OSError as error:
            raise full_disk(error, settings.directory) from None


def room_for_backup(settings: Settings, size: int) -> None:
    """Raise BackupProblem unless a full backup of data of so many bytes has room. Its directory need not be there."""
    directory = swap.nearest_existing(settings.directory)
    same = os.stat(settings.scratch).st_dev == os.stat(directory).st_dev
    room_for(directory, size // PACKED + (size if same else 0), "a full backup")


def _make_full(settings: Settings, connection: Any, say: Say) -> dict[str, Any]:
    archive = Archive(settings.directory)
    started = time.monotonic()
    size = tree_size(settings.data, without=(*logs_of(settings), *swap.own_entries(settings.data)))
    room_for(settings.scratch, size, "a copy of the data")
    room_for_backup(settings, size)
    number = max((archive.number(name) or 0 for name in archive.names()), default=0) + 1
    name = f"{number:06d}-{now().strftime('%Y%m%dT%H%M%SZ')}"
    clone = os.path.join(settings.scratch, CLONE + name)
    say(f"The server copies its data ({size >> 20} MiB).")
    # After a reset of its log a server gives the same GTIDs again.
    known = timelines(archive)
    about, begun, finished = copy_data(settings, connection, f"{SCRATCH_INSIDE}/{CLONE}{name}")
    seconds = {"clone": round(time.monotonic() - started, 1)}

    say("Another server opens the copy and counts its rows.")
    timeline = current_name(known, str(about["server_uuid"]))
    layout = {key: about[key] for key in ("lower_case_table_names", "innodb_page_size")}
    with throw_away(settings, clone, PURPOSE, layout) as server:
        refuse(server.others())  # the backup's account does not see all of them
        version = str(server.value("SELECT @@version"))
        gtids = str(server.value("SELECT @@gtid_executed")).replace("\n", "")
        tables = server.count_rows()
        own = tables.get(settings.database, {})
        revision = server.revision(settings.database, own)
        auth = settings.auth_database
        auth_revision = None
        if auth is not None:
            auth_revision = server.revision(auth, tables.get(auth, {}), VERSION_TABLES["auth"])
    for leftover in IDENTITY:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(clone, leftover))
    seconds["open"] = round(time.monotonic() - started - sum(seconds.values()), 1)

    say("The copy is packed" + (" and encrypted." if settings.recipients else "."))
    partial = os.path.join(archive.full, f"{PARTIAL}-{name}")
    os.mkdir(partial, 0o700)
    unpacked = tree_size(clone)
    tar = ["tar", "-c", "--sparse", "-C", clone, "-f", "-", "."]
    packed = write_packed(
        os.path.join(partial, "data.tar" + suffix(settings.recipients)),
        tar,
        settings.recipients,
        "the backup",
    )
    seconds["pack"] = round(time.monotonic() - started - sum(seconds.values()), 1)
    manifest = {
        "format": FORMAT,
        "name": name,
        "begun": begun,
        "finished": finished,
        "mysql_version": version,  # of the server that opened it last
        "server_uuid": str(about["server_uuid"]),
        "timeline": timeline,
        "gtid_set": gtids,
        "revision": revision,
        "auth_revision": auth_revision,
        "database": settings.database,
        "tables": tables,
        "layout": layout,
        "archive": {**packed, "unpacked": unpacked, "recipients": list(settings.recipients)},
        "seconds": seconds,
    }
    write_document(os.path.join(partial, "manifest.json"), manifest)
    os.rename(partial, os.path.join(archive.full, name))
    sync_directory(archive.full)
    # What was restored into the store is worth to be kept from now on.
    swap.accept(settings.data)
    return archive.manifest(name)


def logs_of(settings: Settings) -> tuple[str, ...]:
    """Return the files that are not copied: those of the binary log."""
    try:
        return source_of(settings.data).names
    except NoStore:
        return ()


def copy_failed(problem: str, settings: Settings) -> str:
    """Return what to say of a copy that the server could not make."""
    if "errno: 28" in problem or "o space left" in problem:
        return f"the server could not copy its data, as the disk of {settings.scratch} is full: make room"
    return f"the server could not copy its data: {problem}. Run this again"


def copy_data(settings: Settings, connection: Any, target: str) -> tuple[dict[str, Any], str, str]:
    """Let the server copy its data. Returns what it is, and when the copy began and ended. Raises BackupProblem."""
    try:
        about = look(connection)
        begun = stamp(now())
        query(connection, "CLONE LOCAL DATA DIRECTORY = %s", target)
        return about, begun, stamp(now())
    except Exception as error:
        if isinstance(error, (BackupProblem, OSError)):
            raise
        raise BackupProblem(copy_failed(str(error), settings)) from None


# Retention


def clock_problem(settings: Settings, good: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what is wrong with the clock, if it jumped since the last time it was looked at."""
    path = os.path.join(settings.directory, CLOCK)
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        boot = stream.read().strip()
    counted, wall = time.clock_gettime(time.CLOCK_BOOTTIME), time.time()
    problem = None
    with contextlib.suppress(BackupProblem):
        if good and parse_time(good[-1]["finished"]) > wall + JUMP:
            problem = f"the newest backup is from {good[-1]['finished']}, which is to come"
    with contextlib.suppress(ValueError, KeyError, BackupProblem):
        before = read_document(path)
        passed = wall - before["wall"]
        jump = passed - (counted - before["counted"])
        if before["boot"] == boot:
            if abs(jump) > JUMP:
                problem = f"the clock jumped by {jump:+.0f} s"
        # Nothing counts the time between two boots.
        elif passed < -JUMP or passed > settings.keep_days * DAY:
            problem = (
                f"the clock went on by {passed:+.0f} s since the last full backup, before this host started"
            )
    # A full disk must not keep old backups from being removed.
    with contextlib.suppress(BackupProblem):
        write_document(path, {"format": FORMAT, "boot": boot, "counted": counted, "wall": wall})
    return problem


def to_remove(
    good: Sequence[Mapping[str, Any]], keep_last: int, keep_days: int, moment: float
) -> list[Mapping[str, Any]]:
    """Return the full backups that are neither among the last ones nor young. Never the newest one."""
    keep = max(keep_last, 1)
    return [
        manifest for manifest in good[:-keep] if moment - parse_time(manifest["finished"]) > keep_days * DAY
    ]


def prune(settings: Settings, say: Say) -> dict[str, Any]:
    """Remove full backups that are old, and the binary log that no full backup needs. Raises BackupProblem."""
    try:
        with locked(settings.scratch, "full", "making a full backup", wait=True):
            return _prune(settings, say)
    except OSError as error:
        raise full_disk(error, settings.directory) from None


def _prune(settings: Settings, say: Say) -> dict[str, Any]:
    archive = Archive(settings.directory)
    good, bad = archive.manifests()
    removed: list[str] = []
    problem = clock_problem(settings, good)
    if problem is not None:
        say(f"Nothing is removed: {problem}. Set the clock right; the next run removes what is old then.")
    else:
        old = to_remove(good, settings.keep_last, settings.keep_days, time.time())
        good = [manifest for manifest in good if manifest not in old]
        whole = True
        if old:
            whole, damaged = _newest_is_whole(archive, good)
            bad.update(damaged)
        if whole:
            with nobody_reads(settings.directory) as free:
                if free:
                    for manifest in old:
                        _remove(archive, manifest["name"])
                        removed.append(manifest["name"])
                    _prune_log(archive, good, bad)
                elif old:
                    say("Nothing is removed while backups are being read; the next run does it.")
        else:
            said = "; ".join(f"{name}: {text}" for name, text in bad.items())
            say(f"Nothing is removed, as none of the newer backups is whole: {said}. Make a full backup.")
    return {"removed": removed, "damaged": bad, "clock": problem, "free": free_bytes(settings.directory)}


def _newest_is_whole(archive: Archive, kept: Sequence[Mapping[str, Any]]) -> tuple[bool, dict[str, str]]:
    """Read the newest backups until one is whole. Returns whether one is, and what is wrong with the others."""
    found: dict[str, str] = {}
    for manifest in reversed(kept):
        try:
            archive.verify(manifest)
            return True, found
        except BackupProblem as error:
            found[manifest["name"]] = str(error)
    return False, found


def _remove(archive: Archive, name: str) -> None:
    """Remove a full backup: by another name first, so that a half removed one is none."""
    going = os.path.join(archive.full, f"{PARTIAL}-{name}")
    os.rename(os.path.join(archive.full, name), going)
    sync_directory(archive.full)
    shutil.rmtree(going)


def _prune_log(
    archive: Archive, good: Sequence[Mapping[str, Any]], bad: Mapping[str, str] | None = None
) -> None:
    known = timelines(archive)
    for timeline in known:
        sets = [GtidSet(manifest["gtid_set"]) for manifest in good if timeline_of(manifest) == timeline.name]
        if not sets:
            # The newest one may be waiting for its first full backup, and a damaged one may be of any. One without a
            # number may be the newest.
            if timeline is not known[-1] and timeline.number and good and not bad:
                shutil.rmtree(timeline.directory)
            continue
        files = timeline.files()
        # All that is before the last file that begins within the oldest backup.
        first = 0
        for number, log in enumerate(files):
            if log.document["previous"] is not None and log.previous <= sets[0]:
                first = number
        for log in files[:first]:
            os.unlink(log.path)
            for part in log.parts:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(log.part_path(part))
