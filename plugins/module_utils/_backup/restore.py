# SPDX-License-Identifier: GPL-3.0-or-later
"""Restore backups. Private to this collection: it may change without notice.

A restore makes a directory of data beside the store's: it unpacks a full backup, opens it with a server of our own,
which applies the copied binary log as a replica applies what it received, and compares it with the manifest. Only then
the store's data is swapped for it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import time
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Iterator, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import (
    FULL,
    PACKED,
    PARTIAL,
    Archive,
    BackupProblem,
    Settings,
    full_disk,
    in_use,
    is_locked,
    locked,
    parse_time,
    room_for,
    stamp,
    tree_size,
    try_unpacking,
    unpack_tree,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.binlog_copy import (
    LogFile,
    Timeline,
    copied_at,
    missing_between,
    needed,
    timeline_of,
    timelines,
    without,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.binlog_reader import (
    ANONYMOUS,
    GTID,
    UUID,
    GtidSet,
    Reader,
    Unit,
    Unreadable,
    matching,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.full import (
    IDENTITY,
    Say,
    logs_of,
    room_for_backup,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.reach import (
    ABOUT,
    GTIDS,
    SAME_ID,
    Hole,
    holds,
    holes_of,
    shortened,
    skipped,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.scratch_server import (
    Engine,
    Server,
    remove_strays,
    throw_away,
    undisturbed,
    version_of,
    without_secret,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import connection
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import query_columns
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store import swap

RELAY = "restore-relay"
PERSISTED = "mysqld-auto.cnf"
INCOMPLETE = "--incomplete, mlflow_backup_incomplete=true"
WORKERS = 4
SHOWN = 8
FILES = 150  # besides those of tables, about

Inspect = Callable[[Server, Mapping[str, Mapping[str, int]]], Mapping[str, Any]]


class NotFound(BackupProblem):
    """No transaction holds the statement."""


@dataclass(frozen=True)
class Wanted:
    """What is to be restored: everything, or up to a time, or up to a statement; or a full backup alone."""

    to: float | None = None
    before: str | None = None
    backup: str | None = None
    log: bool = True
    incomplete: bool = False  # also without what no backup holds


@dataclass(frozen=True)
class Plan:
    """A full backup, the files of the binary log that follow it, and how much of the last of them."""

    manifest: Mapping[str, Any]
    chain: Sequence[LogFile]
    end: int
    gtids: GtidSet
    last_time: float | None
    stops_before: str | None = None
    notes: tuple[str, ...] = ()
    # The rows of each table of each database at the end, as far as they are known.
    tables: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    # The accounts that were locked for that moment only.
    locked: tuple[str, ...] = ()

    def describe(self) -> dict[str, Any]:
        return {
            "backup": self.manifest["name"],
            "backup_finished": self.manifest["finished"],
            "mysql_version": self.manifest["mysql_version"],
            "revision": self.manifest["revision"],
            "binary_log": [log.name for log in self.chain],
            "end": self.end,
            "gtid_set": str(self.gtids),
            "last_transaction": None if self.last_time is None else stamp(self.last_time),
            "stops_before": self.stops_before,
            "what": self.what,
            "notes": list(self.notes),
        }

    @property
    def what(self) -> str:
        """What is restored, and up to where, as far as that is known: a full backup alone names no transaction."""
        text = f"the full backup {self.manifest['name']} of {self.manifest['finished']}"
        if self.chain:
            files = len(self.chain)
            text += f" and {files} file{'' if files == 1 else 's'} of the binary log"
        if self.last_time is not None:
            text += f", up to the transaction of {stamp(self.last_time)}"
        return text


@dataclass(frozen=True)
class Stop:
    """Where in the log to stop."""

    index: int
    end: int
    gtids: GtidSet
    last_time: float | None
    before: str | None = None


def gtids_until(files: Sequence[LogFile], index: int) -> GtidSet:
    """Return all transactions of a timeline before the file at `index`."""
    found = GtidSet()
    for log in files[:index]:
        found.update(log.previous)
        found.update(log.gtids)
    if index < len(files):
        found.update(files[index].previous)
    return found


def last_time_of(files: Sequence[LogFile]) -> float | None:
    times = [log.document["last_time"] for log in files if log.document["last_time"]]
    return parse_time(times[-1]) if times else None


def everything(files: Sequence[LogFile]) -> Stop:
    """Return the end of the copy. Raises BackupProblem."""
    if files[-1].problem is not None:
        raise BackupProblem(f"{files[-1].problem}. {without(files, len(files) - 1)}")
    return Stop(len(files) - 1, files[-1].end, gtids_until(files, len(files)), last_time_of(files))


def stop_at(reader: Reader, files: Sequence[LogFile], index: int, end: int, before: str | None) -> Stop:
    """Return the place `end` of a file, with what was committed before it."""
    gtids, last = gtids_until(files, index), last_time_of(files[:index])
    for unit in reader.units():
        if unit.end > end:
            break
        if unit.gtid is not None:
            gtids.add_gtid(unit.gtid)
            last = unit.time
    return Stop(index, end, gtids, last, before)


def find_time(files: Sequence[LogFile], to: float, settings: Settings) -> tuple[Stop, list[str]]:
    """Return the place before the first transaction that was committed after `to`, and notes. Raises BackupProblem."""
    before = None  # the last file with a transaction, as long as all are from before
    for index, log in enumerate(files):
        latest = latest_of(log)
        if latest is None:
            continue
        if latest <= to:
            before = index
            continue
        following = files[index:]
        if before is not None and ends_there(files[before : index + 1], to):
            return end_of(files, before), clock_notes(log.name, [log.document for log in following], to)
        log.verify()
        with log.reader(settings.identity_file, settings.scratch) as reader:
            units = (unit for unit in reader.units() if unit.kind in (GTID, ANONYMOUS))
            for unit in units:
                if unit.time > to:
                    later = [{"first_time": stamp(one.time)} for one in units]
                    later += [log.document for log in following[1:]]
                    return stop_at(reader, files, index, unit.start, None), clock_notes(
                        str(unit.gtid), later, to
                    )
    if before is not None and latest_of(files[before]) == to and not joined(files[before:]):
        return end_of(files, before), []
    return everything(files), []


def latest_of(log: LogFile) -> float | None:
    """Return the latest time that a transaction of a file says."""
    found = log.document.get("latest_time") or log.document["last_time"]
    return None if found is None else parse_time(found)


def joined(files: Sequence[LogFile]) -> bool:
    """Return whether nothing is missing between the files."""
    return all(missing_between(*two) is None for two in zip(files, files[1:]))


def ends_there(files: Sequence[LogFile], to: float) -> bool:
    """Return whether what was committed up to `to` ends with the first of the files."""
    if not joined(files):
        return latest_of(files[0]) == to  # nobody needs what is missing
    return parse_time(files[-1].document["first_time"]) > to


def end_of(files: Sequence[LogFile], index: int) -> Stop:
    until = files[: index + 1]
    return Stop(index, files[index].end, gtids_until(until, len(until)), last_time_of(until))


def clock_notes(first: str, later: Sequence[Mapping[str, Any]], to: float) -> list[str]:
    """Return what is to be known of a clock that was set back: what comes later says earlier times."""
    for one in later:
        if any(parse_time(one[key]) <= to for key in ("first_time", "last_time") if one.get(key)):
            return [
                f"the store's clock was set back: what is restored ends before {first}, and later transactions say "
                "times before the wanted one. With --before and a GTID it ends elsewhere"
            ]
    return []


def find_statement(files: Sequence[LogFile], text: str, settings: Settings) -> tuple[Stop, list[str]]:
    """Return the place before the one transaction that holds a statement, or has a GTID, and notes.

    Raises NotFound and BackupProblem.
    """
    gtid = text.lower() if is_gtid(text) else None
    found: list[tuple[int, Unit, str]] = []
    notes: list[str] = []
    unread: list[str] = []
    for index, log in enumerate(files):
        if gtid is not None and gtid not in log.gtids:
            continue
        try:
            log.verify()
        except BackupProblem as error:
            notes.append(f"not searched: {error}")
            continue
        with log.reader(settings.identity_file, settings.scratch) as reader:
            if gtid is not None:
                units = [unit for unit in reader.units() if unit.gtid == gtid]
                found += [(index, unit, first_statement(reader, unit)) for unit in units]
                continue
            for unit, said, problem in matching(reader, reader.units(), text):
                if problem is None:
                    found.append((index, unit, said))
                else:
                    unread.append(f"{unit.gtid} at {stamp(unit.time)}: {problem}")
    if unread:
        # Any of them may be what is wanted, and an older one that was found is not.
        listed = "; ".join(described(unit, said) for _index, unit, said in found[-SHOWN:])
        raise BackupProblem(
            f"what {len(unread)} transactions do cannot be read, and {text!r} may be in them, too: give the GTID of "
            f"one, or a time. The last of them: {'; '.join(unread[-SHOWN:])}. Others hold it: {listed or 'none'}"
        )
    if not found:
        raise NotFound(
            " ".join(
                [
                    f"no transaction in the copied binary log holds {text!r}. Its rows are written like 'DELETE FROM "
                    "mlflow.runs', with the name of the database.",
                    *notes,
                ]
            )
        )
    if len(found) > 1:
        listed = "; ".join(described(unit, said) for _index, unit, said in found[-SHOWN:])
        raise BackupProblem(
            f"{len(found)} transactions hold {text!r}: say before which one, by its GTID. The last of them: {listed}"
        )
    index, unit, said = found[0]
    with files[index].reader(settings.identity_file, settings.scratch) as reader:
        return stop_at(reader, files, index, unit.start, described(unit, said)), notes


def first_statement(reader: Reader, unit: Unit) -> str:
    try:
        return (reader.statements(unit) or ["nothing"])[0]
    except Unreadable as error:
        return f"cannot be read: {error}"


def is_gtid(text: str) -> bool:
    uuid, dummy, number = text.lower().partition(":")
    return UUID.fullmatch(uuid) is not None and number.isdecimal()


def described(unit: Unit, statement: str) -> str:
    return f"{unit.gtid} at {stamp(unit.time)}: {short(statement)}"


def short(statement: str) -> str:
    """Return the beginning of a statement, without a password or its hash."""
    text = without_secret(" ".join(statement.split()))
    return text if len(text) <= 120 else text[:117] + "..."


def choose_timeline(
    archive: Archive, good: Sequence[Mapping[str, Any]], wanted: Wanted
) -> tuple[Timeline | None, list[str]]:
    """Return the server whose data is wanted, and what is to be known of the choice. Raises BackupProblem."""
    known = timelines(archive)
    notes: list[str] = []
    with_backup = {timeline_of(manifest) for manifest in good}
    if wanted.backup is not None:
        name = next(timeline_of(manifest) for manifest in good if manifest["name"] == wanted.backup)
        return next((one for one in known if one.name == name), None), notes
    if wanted.to is not None:
        begun = [one for one in known if parse_time(one.began) <= wanted.to]
        candidates = begun or known[:1]
    else:
        candidates = known
    usable = [one for one in candidates if one.name in with_backup]
    if usable and usable[-1] is not candidates[-1]:
        notes.append(
            f"a store that began at {candidates[-1].began} has no full backup: what is restored is from the one before"
        )
    return (usable[-1] if usable else None), notes


def copied_files(timeline: Timeline | None) -> list[LogFile]:
    """Return the files of a timeline in which anything is, those with a damaged manifest too."""
    if timeline is None:
        return []
    return [log for log in timeline.files() if log.end or log.problem is not None]


def search(
    archive: Archive, good: Sequence[Mapping[str, Any]], text: str, settings: Settings
) -> tuple[Timeline, list[LogFile], Stop, list[str]]:
    """Look for a statement in all that is restorable, the newest first. Raises BackupProblem."""
    with_backup = {timeline_of(manifest) for manifest in good}
    problem = BackupProblem(
        "there is no copy of the binary log: no statement can be found. Restore a full backup, by its name"
    )
    for timeline in reversed([one for one in timelines(archive) if one.name in with_backup]):
        files = copied_files(timeline)
        try:
            if files:
                return (timeline, files, *find_statement(files, text, settings))
        except NotFound as error:
            problem = error
    raise problem


def make_plan(settings: Settings, wanted: Wanted) -> Plan:
    """Decide what to restore, and read all of it once. Touches nothing. Raises BackupProblem."""
    archive = Archive(settings.directory)
    plan = _make_plan(settings, archive, wanted)
    point = archive.point() if wanted == Wanted(incomplete=wanted.incomplete) else None
    if point is None:
        return plan
    if str(GtidSet(point["gtid_set"]).without(plan.gtids)):
        raise BackupProblem(
            f"the copied binary log in {archive.directory} ends before the point that it was copied for, "
            f"{point['finished']}. Restore another backup: mlflow-mysql-backup list shows them"
        )
    return replace(plan, tables=point["tables"], locked=tuple(point["locked"]))


def _make_plan(settings: Settings, archive: Archive, wanted: Wanted) -> Plan:
    good, bad = archive.manifests()
    notes = [f"not used: the full backup {name}: {problem}" for name, problem in sorted(bad.items())]
    names = [manifest["name"] for manifest in good]
    if wanted.backup is not None and wanted.backup not in names:
        raise BackupProblem(
            (bad.get(wanted.backup) or f"there is no full backup {wanted.backup} in {archive.full}")
            + f". Good ones are: {', '.join(names) or 'none'}"
        )
    if not good:
        raise BackupProblem(
            " ".join(
                [
                    f"there is no good full backup in {archive.full}: make one (make backup), or give another "
                    "--directory.",
                    *notes,
                ]
            )
        )
    timeline, files, stop, more = choose_stop(settings, archive, good, wanted)
    notes += more
    name = None if timeline is None else timeline.name
    holes = [] if timeline is None else holes_of(timeline)
    place = stop if wanted.to is not None or wanted.before is not None else None
    later = GtidSet() if place is None else gtids_until(files, len(files)).without(place.gtids)
    usable = [
        manifest
        for manifest in good
        if (name is None or timeline_of(manifest) == name)
        and (wanted.backup is None or manifest["name"] == wanted.backup)
        and (place is None or is_before(manifest, place, later, wanted.to, holes))
    ]
    if not usable:
        ones = [one for one in good if name is None or timeline_of(one) == name]
        raise BackupProblem(
            "no full backup is old enough for this restore: the oldest good one of that store has the state of "
            f"{ones[0]['finished']}. Give a later time, or restore a full backup alone, by its name: {', '.join(names)}"
        )
    manifest = usable[-1]
    check_version(settings, manifest)
    check_archive(settings, archive, manifest, [one["name"] for one in usable[:-1]])
    gtids = GtidSet(manifest["gtid_set"])
    chain = () if stop is None or stop.gtids <= gtids else needed(files[: stop.index + 1], gtids)
    if stop is not None:
        lost = lost_between(holes, manifest, chain, stop, wanted)
        if lost and not wanted.incomplete:
            raise BackupProblem(
                f"what would be restored is not whole: {'; '.join(lost)}. Make a full backup, which holds it, or "
                f"restore up to a time before it, or say that it may be incomplete ({INCOMPLETE})"
            )
        notes += [f"INCOMPLETE: {text}" for text in lost]
    if stop is None or not chain:
        copied = stop is None or logged_by(manifest, gtids_until(files, len(files))) <= stop.gtids
        if not copied:
            notes.append("the copy of the binary log ends before the full backup, which is restored alone")
        before = None if stop is None else stop.before
        return Plan(manifest, (), 0, gtids, None if stop is None else stop.last_time, before, tuple(notes))
    for log in chain:
        try:
            log.verify()
            log.try_unpacking(settings.identity_file)
        except BackupProblem as error:
            raise BackupProblem(f"{error}. {without(files, files.index(log))}") from None
    gtids.update(stop.gtids)
    return Plan(manifest, chain, stop.end, gtids, stop.last_time, stop.before, tuple(notes))


def logged_by(manifest: Mapping[str, Any], known: GtidSet) -> GtidSet:
    """Return the transactions of a full backup's own server, without those that were never in its log.

    `known` is what is in the copied log: its numbers grow, so what is missing below its last one never was in it.
    """
    own = GtidSet(manifest["gtid_set"]).of(manifest["server_uuid"])
    intervals = known.intervals.get(manifest["server_uuid"])
    if not intervals:
        return own
    below = GtidSet()
    below.add(manifest["server_uuid"], 1, intervals[-1][1])
    return own.without(below.without(known))


def lost_between(
    holes: Sequence[Hole],
    manifest: Mapping[str, Any],
    chain: Sequence[LogFile],
    stop: Stop,
    wanted: Wanted,
) -> list[str]:
    """Return what the store had at a place of its log that neither a full backup nor the log before it holds."""
    gtids = GtidSet(manifest["gtid_set"])
    found = [hole.text for hole in holes if not holds(manifest, hole) and not is_earlier(stop, hole, wanted)]
    left = GtidSet()
    for before, log in zip(chain, chain[1:]):
        left.update(skipped(before, log, gtids))
    known = GtidSet(",".join(hole.gtids for hole in holes))
    unknown = str(left.without(known))
    if unknown:
        found.append(ABOUT[GTIDS].format(gtids=shortened(unknown)))
    return found


def is_earlier(stop: Stop, hole: Hole, wanted: Wanted) -> bool:
    """Return whether a place in the log is from before a hole. After the last transaction there may be one."""
    if hole.kind == SAME_ID:
        return not stop.gtids.meets(GtidSet(hole.gtids))
    if wanted.to is not None and wanted.to <= hole.since:
        return True
    before = GtidSet(hole.before)
    return (wanted.to or wanted.before) is not None and stop.gtids <= before and not before <= stop.gtids


def is_before(
    manifest: Mapping[str, Any], stop: Stop, later: GtidSet, to: float | None, holes: Sequence[Hole] = ()
) -> bool:
    """Return whether a full backup holds nothing from after a place in the same server's log, where `later` follows."""
    gtids = GtidSet(manifest["gtid_set"])
    # A restored store has transactions of the one before, and a member of a group those of the copy that it began with,
    # which its own log does not name.
    known = GtidSet(str(later))
    known.update(stop.gtids)
    if not logged_by(manifest, known) <= stop.gtids:
        return False
    if to is not None and any(to <= hole.since and holds(manifest, hole) for hole in holes):
        return False
    # A group's transactions have the group's UUID.
    if str(later):
        return not gtids.meets(later)
    return to is None or parse_time(manifest["finished"]) <= to or gtids <= stop.gtids


def choose_stop(
    settings: Settings, archive: Archive, good: Sequence[Mapping[str, Any]], wanted: Wanted
) -> tuple[Timeline | None, list[LogFile], Stop | None, list[str]]:
    """Return a server, its copied log, where in it to stop, and notes. Raises BackupProblem."""
    if wanted.before is not None:
        return search(archive, good, wanted.before, settings)
    timeline, notes = choose_timeline(archive, good, wanted)
    files = copied_files(timeline) if wanted.log else []
    if wanted.to is None:
        return timeline, files, everything(files) if files else None, notes
    if not files or timeline is None:
        raise BackupProblem(
            "there is no copy of the binary log: only full backups can be restored, by their names, without a time"
        )
    stop, more = find_time(files, wanted.to, settings)
    notes += more
    copied = copied_at(settings)
    if timeline.name == timelines(archive)[-1].name and copied is not None and copied < wanted.to:
        notes.append(f"the binary log is copied up to {stamp(copied)} only")
    return timeline, files, stop, notes


def check_archive(
    settings: Settings, archive: Archive, manifest: Mapping[str, Any], others: Sequence[str]
) -> None:
    """Read a full backup, and open it with the identity. Raises BackupProblem."""
    try:
        archive.verify(manifest)
    except BackupProblem as error:
        hint = (
            f"restore another one, by its name: {', '.join(others[-SHOWN:])}"
            if others
            else "find a copy of it"
        )
        raise BackupProblem(f"{error}. Repair it, or {hint}") from None
    try_unpacking(archive.archive_path(manifest), settings.identity_file)


def check_version(settings: Settings, manifest: Mapping[str, Any]) -> None:
    """Raise BackupProblem if the store's MySQL is older than the backup's."""
    found, wanted = Engine(settings).version(settings.image), version_of(manifest["mysql_version"])
    if found < wanted:
        raise BackupProblem(
            f"the backup {manifest['name']} is from MySQL {'.'.join(map(str, wanted))}, and the image {settings.image} "
            f"has {'.'.join(map(str, found))}, which cannot read it: set mysql_base_image_version to the backup's or a "
            "newer one"
        )


def check_target(target: str) -> None:
    """Raise BackupProblem if a directory is there that is not one that a restore made. Raises OSError."""
    if not os.path.lexists(target):
        return
    names = os.listdir(target)
    # Whatever a server has run on has an identity.
    if names and ("auto.cnf" in names or "mysql.ibd" not in names):
        raise BackupProblem(
            f"{target} is there, and no restore made it: choose another directory, or remove it. Nothing was changed"
        )


def restore(
    settings: Settings,
    plan: Plan,
    target: str,
    purpose: str,
    say: Say,
    inspect: Inspect | None = None,
    events_off: bool = False,
) -> dict[str, Any]:
    """Make the directory of data `target`. Returns what is in it. Raises BackupProblem; there is no `target` then.

    `inspect` sees the server before it stops, and returns what is to be in the result too. Without it root gets the
    password that the store has now. With `events_off` a server on it starts as an upgrade goes on with it: without its
    event scheduler, and with the accounts locked that the upgrade has locked.
    """
    target = os.path.abspath(target)
    partial = os.path.join(os.path.dirname(target), f"{PARTIAL}-{os.path.basename(target)}")
    try:
        check_target(target)
        remove_strays(settings, purpose)
        for path in (partial, target):
            if os.path.lexists(path):
                shutil.rmtree(path)
        os.mkdir(partial, 0o750)
        unlocked = () if events_off else plan.locked
        found = _restore(settings, plan, partial, purpose, say, inspect, unlocked)
        if events_off:
            keep_events_off(settings, partial)
        os.rename(partial, target)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise full_disk(error, target) from None
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return found


def _restore(
    settings: Settings,
    plan: Plan,
    directory: str,
    purpose: str,
    say: Say,
    inspect: Inspect | None,
    unlocked: Sequence[str],
) -> dict[str, Any]:
    archive, manifest = Archive(settings.directory), plan.manifest
    started = time.monotonic()
    room_for(os.path.dirname(directory), *needs(plan))
    say(f"The full backup {manifest['name']} of {manifest['finished']} is unpacked.")
    unpack_tree(archive.archive_path(manifest), settings.identity_file, directory)
    for number, log in enumerate(plan.chain, 1):
        last = number == len(plan.chain)
        with open(os.path.join(directory, f"{RELAY}.{number:06d}"), "wb") as stream:
            log.write_to(stream, settings.identity_file, plan.end if last else None)
    if plan.chain:
        with open(os.path.join(directory, f"{RELAY}.index"), "w", encoding="utf-8") as index:
            index.writelines(f"./{RELAY}.{number:06d}\n" for number in range(1, len(plan.chain) + 1))
    give(directory, settings.uid)
    seconds = {"unpack": round(time.monotonic() - started, 1)}
    options = (
        *(f"--relay-log={RELAY}", "--relay-log-recovery=OFF", f"--replica-parallel-workers={WORKERS}"),
        "--innodb-doublewrite=OFF",
    )
    with throw_away(settings, directory, purpose, manifest["layout"], options) as server:
        found = server.count_rows()
        if found != manifest["tables"]:
            raise BackupProblem(
                f"the full backup {manifest['name']} has other rows than its manifest: "
                f"{differing(manifest['tables'], found)}. Restore another one, by its name"
            )
        if plan.chain:
            say(f"The binary log is applied: {', '.join(log.name for log in plan.chain)}.")
            apply(server, plan)
            found = server.count_rows()
        counted = {database: found.get(database, {}) for database in plan.tables}
        if counted != plan.tables:
            raise BackupProblem(
                "the restored data has other rows than the store had at the point that it is restored to: "
                f"{differing(plan.tables, counted)}. Restore a full backup alone, by its name"
            )
        more: Mapping[str, Any] = {}
        if inspect is not None:
            more = inspect(server, found)
        else:
            let_root_in(server, settings)
        for account in unlocked:
            user, dummy, host = account.rpartition("@")
            server.rows("ALTER USER IF EXISTS %s@%s ACCOUNT UNLOCK", user, host)
        gtids = str(server.value("SELECT @@gtid_executed")).replace("\n", "")
        revision = server.revision(settings.database, found.get(settings.database, {}))
    for name in (*IDENTITY, f"{RELAY}.index"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(directory, name))
    for name in os.listdir(directory):
        if name.startswith(RELAY + "."):
            os.unlink(os.path.join(directory, name))
    seconds["open"] = round(time.monotonic() - started - seconds["unpack"], 1)
    result = {"gtid_set": gtids, "revision": revision, "tables": found, "seconds": seconds}
    return {**plan.describe(), **result, **more}


def keep_events_off(settings: Settings, directory: str) -> None:
    """Give a directory of data what the store has from SET PERSIST, and persist that no event runs. Raises OSError.

    The server does not copy that file into a backup.
    """
    content: dict[str, Any] = {"Version": 2}
    with contextlib.suppress(OSError, ValueError):
        with open(os.path.join(settings.data, PERSISTED), encoding="utf-8") as stream:
            found = json.load(stream)
        if found["Version"] == content["Version"]:
            content = found
    about = {"Timestamp": int(time.time() * 1_000_000), "User": "root", "Host": "localhost"}
    off = {"event_scheduler": {"Value": "OFF", "Metadata": about}}
    content["mysql_dynamic_variables"] = {**content.get("mysql_dynamic_variables", {}), **off}
    with open(os.path.join(directory, PERSISTED), "w", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), 0o640)
        os.fchown(stream.fileno(), settings.uid, settings.uid)
        json.dump(content, stream)
        stream.flush()
        os.fsync(stream.fileno())


def needs(plan: Plan) -> tuple[int, str, int]:
    """Return how many bytes restored data takes, what it is called, and how many files it is."""
    log_bytes = sum(log.end for log in plan.chain)
    tables = sum(len(found) for found in plan.manifest["tables"].values())
    return (
        plan.manifest["archive"]["unpacked"] + 2 * log_bytes,
        "the restored data",
        tables + len(plan.chain) + FILES,
    )


def give(directory: str, uid: int) -> None:
    """Give a directory and all that is in it to the server's user."""
    for parent, _directories, names in os.walk(directory):
        os.chown(parent, uid, uid)
        for name in names:
            os.chown(os.path.join(parent, name), uid, uid)


def differing(wanted: Mapping[str, Mapping[str, int]], found: Mapping[str, Mapping[str, int]]) -> str:
    """Return which tables have other numbers of rows."""
    said = []
    for database in sorted({*wanted, *found}):
        before, after = wanted.get(database, {}), found.get(database, {})
        said += [
            f"{database}.{table} {after.get(table)}, not {before.get(table)}"
            for table in sorted({*before, *after})
            if before.get(table) != after.get(table)
        ]
    return ", ".join(said[:SHOWN])


def apply(server: Server, plan: Plan) -> None:
    """Let the server apply the log that lies in its directory. Raises BackupProblem."""
    # Without the tables of accounts it would refuse the statements that change accounts.
    server.rows("FLUSH PRIVILEGES")
    server.rows(
        f"CHANGE REPLICATION SOURCE TO source_host = 'none', relay_log_file = '{RELAY}.000001', relay_log_pos = 4"
    )
    server.rows("START REPLICA SQL_THREAD")
    wanted = str(plan.gtids)
    while server.value("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, 1)", wanted):
        failed = server.rows(
            "SELECT last_error_message FROM performance_schema.replication_applier_status_by_worker"
            " WHERE last_error_number <> 0 UNION SELECT last_error_message FROM"
            " performance_schema.replication_applier_status_by_coordinator WHERE last_error_number <> 0"
        )
        if failed:
            said = without_secret(str(failed[0][0]))[:400]
            raise BackupProblem(
                f"the binary log cannot be applied: {said}. Restore up to a time before that, or another full backup"
            )
        if server.value("SELECT service_state FROM performance_schema.replication_applier_status") != "ON":
            raise BackupProblem(
                "the server stopped to apply the binary log, and does not say why: run this again"
            )
        waited = read_all(server) and server.value("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, 1)", wanted)
        if waited and read_all(server):
            missing = server.value("SELECT GTID_SUBTRACT(%s, @@gtid_executed)", wanted)
            raise BackupProblem(
                f"transactions are missing in the copied binary log: {missing}. Restore up to a time before them"
            )
    server.rows("STOP REPLICA")
    server.rows("RESET REPLICA ALL")


def read_all(server: Server) -> bool:
    """Return whether the server has read all that is in its directory, and applies none of it any more.

    The thread that reads says so while others still apply: a transaction of a million rows takes a while.
    """
    status = query_columns(server.connection, "SHOW REPLICA STATUS")[0]
    applying = server.rows(
        "SELECT 1 FROM performance_schema.replication_applier_status_by_worker WHERE applying_transaction <> ''"
    )
    return not applying and str(status["replica_sql_running_state"]).startswith(
        "Replica has read all relay log"
    )


def let_root_in(server: Server, settings: Settings) -> None:
    """Give root the password that the store has now: the backup has the one of its time."""
    try:
        password = connection.read_password_file(settings.secret("root_password"))
    except FileNotFoundError:
        return
    except connection.ConnectionFailed as error:
        raise BackupProblem(str(error)) from None
    server.rows("FLUSH PRIVILEGES")
    server.rows("CREATE USER IF NOT EXISTS 'root'@'localhost'")
    server.rows("ALTER USER 'root'@'localhost' IDENTIFIED BY %s ACCOUNT UNLOCK", password)
    server.rows("GRANT ALL ON *.* TO 'root'@'localhost' WITH GRANT OPTION")


# The swap

REMEDIES = {
    errno.EBUSY: "unmount what is mounted there, or end what uses it",
    errno.EXDEV: "unmount what is mounted there: it is another mount than the directory above it",
    errno.EROFS: "mount its file system writable",
    errno.ENOENT: "make the directory, or correct the link that leads there, and mount its disk",
    errno.EACCES: "run this as root, on a file system that root may write to",
    errno.EPERM: "run this as root, and remove the attributes that protect it from changes (lsattr)",
    errno.EEXIST: "move one of the two elsewhere",
    errno.EIO: "check the disk",
    errno.EAGAIN: "another process swaps the data: wait for it to end",
    **dict.fromkeys(FULL, "make room"),
}


def swap_problem(error: OSError, settings: Settings) -> BackupProblem:
    """Return what to say of data that cannot be swapped: where, the system's reason, and the remedy."""
    paths = [
        os.fsdecode(path) for path in (error.filename, error.filename2) if isinstance(path, (str, bytes))
    ]
    remedy = REMEDIES.get(error.errno or 0, "check that path and its disk")
    return BackupProblem(
        f"the data in {settings.data} cannot be swapped: {' and '.join(paths) or settings.data}: "
        f"{error.strerror or error}. To go on, {remedy}"
    )


@contextlib.contextmanager
def swapping(settings: Settings) -> Iterator[bool]:
    """Let nobody else copy or move the store's data, and no signal end it half way. An interrupted swap is undone.

    Gives whether there was one. Raises BackupProblem.
    """
    with locked(settings.directory, "exchange", "swapping the store's data", wait=True), undisturbed():
        try:
            yield swap.settle(settings.data)
        except OSError as error:
            raise swap_problem(error, settings) from None


def check_place(settings: Settings) -> None:
    """Raise BackupProblem if restored data cannot take the place of the store's. Touches nothing."""
    for point in swap.mounts_below(settings.data):
        raise BackupProblem(
            f"the data in {settings.data} cannot be swapped: {point} is a mount point in it. Mount the disk on "
            f"{settings.data} itself, and have all of the data there"
        )


def check_room(settings: Settings, plan: Plan) -> None:
    """Raise BackupProblem unless restored data finds room where it is made for the store itself. Touches nothing."""
    if not os.path.isdir(settings.data):
        return
    wanted, what, files = needs(plan)
    place = swap.Place(os.path.realpath(settings.data), os.path.realpath(settings.data), True)
    beside = os.path.join(settings.home, swap.RESTORED)
    # What an earlier run left is removed first.
    wanted -= sum(tree_size(path) for path in (place.restored, beside) if os.path.isdir(path))
    room_for(settings.data, wanted, what, files)


def check_way_back(settings: Settings) -> None:
    """Raise BackupProblem unless the store could be restored as it is now, from a backup that is to be made."""
    try:
        check_place(settings)
        size = tree_size(settings.data, without=(*logs_of(settings), *swap.own_entries(settings.data)))
        directory = swap.nearest_existing(settings.directory)
        same = os.stat(settings.data).st_dev == os.stat(directory).st_dev
        what = "a copy of the data, to go back to if need be,"
        room_for(settings.data, size + (size // PACKED if same else 0), what, FILES)
        room_for_backup(settings, size)
    except OSError as error:
        raise swap_problem(error, settings) from None


def make_place(settings: Settings, purpose: str) -> str:
    """Return where restored data is made, without what earlier runs left. Raises BackupProblem."""
    check_place(settings)
    remove_strays(settings, purpose)
    # What the backups are read from may be read-only: this takes no lock there.
    with undisturbed():
        try:
            swap.settle(settings.data)
            place = swap.place_of(settings.data)
        except OSError as error:
            raise swap_problem(error, settings) from None
    try:
        place.clear()
    except OSError as error:
        raise swap_problem(error, settings) from None
    return place.restored


def check_stopped(*directories: str) -> None:
    """Raise BackupProblem if a server runs on one of them."""
    for directory in directories:
        if in_use(directory):
            raise BackupProblem(f"a server runs on {directory}: stop it first. Nothing was changed")


def under_way(settings: Settings) -> bool:
    """Return whether a restore is at work, or its data is in the store's place and is not known to work yet."""
    return (
        is_locked(settings.scratch, "restore")
        or swap.marked(settings.data) is not None
        or swap.is_interrupted(settings.data)
    )


def swap_in(settings: Settings, run: str) -> str:
    """Put what was restored in the place of the store's data. Returns where that is. Raises BackupProblem."""
    check_place(settings)
    with swapping(settings):
        place = swap.place_of(settings.data)
        if not os.path.isdir(place.restored):
            raise BackupProblem(f"there is no restored data in {place.restored}: restore it first")
        check_stopped(settings.data, place.restored)
        return swap.bring_in(place, run)


def swap_back(settings: Settings, run: str) -> bool:
    """Undo `swap_in`, whether it ended or was interrupted. Returns whether it had ended. Raises BackupProblem."""
    with swapping(settings):
        place = swap.place_of(settings.data)
        check_stopped(settings.data)
        return swap.bring_back(place, run)


def swap_end(settings: Settings, run: str, keep: bool) -> str | None:
    """Remove the data that was replaced. Returns where it is, if it is to be kept. Raises BackupProblem."""
    with swapping(settings):
        return swap.end(swap.place_of(settings.data), run, keep)
