# SPDX-License-Identifier: GPL-3.0-or-later
"""The program `mlflow-mysql-backup` on a store's host. Private to this collection: it may change without notice."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import signal
import stat
import subprocess
import sys
import time
from typing import Any, Callable, Mapping, NoReturn, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import (
    binlog_copy,
    binlog_reader,
    offsite,
    reach,
    restore,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import full as backup_full
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import (
    FORMAT,
    MIB,
    POINT,
    Archive,
    BackupProblem,
    Busy,
    Settings,
    full_disk,
    is_marked,
    load_settings,
    locked,
    now,
    owner_problem,
    parse_time,
    reading,
    stamp,
    take,
    write_document,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.binlog_reader import GtidSet
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.scratch_server import ENDING

PREFIX = "mlflow_mysql_backup"
WRITES = ("full", "copy", "follow")  # into a store's own directory
READS = ("plan", "restore", "drill", "rehearse")  # what would take another store's backups for its own
SINCE = ".since"  # was made when the store began to be backed up


def counted(number: int, thing: str) -> str:
    return f"{number or 'no'} {thing}{'' if number == 1 else 's'}"


def size_of(count: float) -> str:
    return f"{count / MIB:.1f} MiB"


# What monitoring reads


def sample(name: str, value: float, about: str) -> str:
    name = f"{PREFIX}_{name}"
    return f'# HELP {name} {about}\n# TYPE {name} gauge\n{name}{{store="%s"}} {value:.17g}\n'


def publish(settings: Settings, job: str, samples: Sequence[str]) -> None:
    """Write samples in the text format of node_exporter's textfile collector, as a whole."""
    if settings.textfile_directory is None:
        return
    path = os.path.join(settings.textfile_directory, f"{PREFIX}_{settings.container}_{job}.prom")
    temporary = f"{path}.{os.getpid()}"
    try:
        if not os.path.isdir(settings.textfile_directory):
            before = os.umask(0o022)  # the collector is not root
            try:
                os.makedirs(settings.textfile_directory, exist_ok=True)
            finally:
                os.umask(before)
        with open(temporary, "w", encoding="utf-8") as stream:
            stream.writelines(text % settings.container for text in samples)
            os.fchmod(stream.fileno(), 0o644)
        os.rename(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        say(f"what monitoring reads cannot be written: {path}: {error.strerror}")


def measured(settings: Settings, job: str, work: Callable[[], tuple[Any, list[str]]]) -> Any:
    """Do a job, and publish how it went. Its other samples stay as they were when it failed."""
    try:
        result, samples = work()
    except Busy:
        raise  # the other one will say how it went
    except BaseException:
        publish(
            settings, f"{job}_status", [sample(f"{job}_success", 0, f"Whether the last {job} went well.")]
        )
        raise
    publish(settings, f"{job}_status", [sample(f"{job}_success", 1, f"Whether the last {job} went well.")])
    if samples:
        publish(settings, job, samples)
    return result


# Commands


def say(text: str) -> None:
    dated = False
    with contextlib.suppress(OSError, ValueError):
        # A file, such as cron's, has no times of its own; the journal has, and a terminal needs none.
        dated = stat.S_ISREG(os.fstat(sys.stderr.fileno()).st_mode)
    with contextlib.suppress(OSError):  # nobody may be there to read it
        sys.stderr.write((f"{stamp(now())[:19]}Z " if dated else "") + text + "\n")
        sys.stderr.flush()


def command_full(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    os.nice(19)
    if options.plain:
        settings = dataclasses.replace(settings, recipients=())

    own = not options.directory
    if options.only and own:
        raise BackupProblem("--only removes what a directory holds: it needs a --directory")
    if options.only:
        with locked(settings.scratch, "full", "making a full backup", options.wait):
            backup_full.remove_all(settings)
    copier = binlog_copy.Copier(settings, reach.Watch(settings, deep=True), newest=options.only)
    if own or options.only:
        # So that the log that follows it is known to be whole, also where nothing else copies it.
        with contextlib.suppress(BackupProblem, OSError):
            copier.copy()
    if own:
        publish_since(settings)

    def wanted() -> bool:
        return not options.if_needed or needs(settings) not in (None, reach.ELSEWHERE)

    def work() -> tuple[dict[str, Any], list[str]]:
        started = time.monotonic()

        def turn() -> bool:
            nonlocal started
            started = time.monotonic()  # what it waited for another one is not its own time
            return wanted()

        manifest = backup_full.make_full(settings, say, options.wait, turn)
        if manifest is None:
            return {"made": False}, []
        pruned = backup_full.prune(settings, say)
        seconds = time.monotonic() - started
        samples = [
            sample(
                "full_timestamp_seconds",
                parse_time(manifest["finished"]),
                "When the newest full backup was finished.",
            ),
            sample("full_size_bytes", manifest["archive"]["size"], "Size of the newest full backup."),
            sample("full_duration_seconds", seconds, "How long the newest full backup took."),
            sample(
                "full_count", len(Archive(settings.directory).manifests()[0]), "Number of good full backups."
            ),
            sample("full_damaged", len(pruned["damaged"]), "Number of full backups that are damaged."),
        ]
        return {**manifest, "made": True, "pruned": pruned, "total_seconds": round(seconds, 1)}, samples

    asked = wanted()
    result: dict[str, Any] = measured(settings, "full", work) if asked else {"made": False}
    if options.only:
        # What was written while it was made, so that little is left for `point`.
        copier.copy()
    # Where another process made it meanwhile, it is copied when this returns too.
    if settings.offsite and (asked or needs(settings) == reach.ELSEWHERE):
        say(f"The backups are copied to {settings.offsite['target']}.")
        try:
            copy_offsite(settings, forget=True, wait=options.wait)
        except BackupProblem as error:
            raise BackupProblem(
                f"the full backup is made on this host, but its off-site copy failed: {error}"
            ) from None
    return {**result, "restorable": reach.report(settings)} if own else result


def needs(settings: Settings) -> str | None:
    """Return the word for why a full backup of the store as it is now is needed; None if none is."""
    found = reach.need(settings, reach.present_timeline(settings))
    return None if found is None else found[0]


def copy_offsite(settings: Settings, forget: bool = False, wait: bool = False) -> None:
    """Copy all backups off the host, and publish how it went. Raises BackupProblem."""

    def work() -> tuple[None, list[str]]:
        place = offsite.OffHost(settings)
        place.copy(wait)
        if forget:
            place.forget()
        return None, [
            sample("offsite_timestamp_seconds", time.time(), "When the last off-site copy was made.")
        ]

    measured(settings, "offsite", work)


def command_offsite(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    os.nice(19)
    copy_offsite(settings)
    return {"target": settings.offsite["target"]}


def text_offsite(result: Mapping[str, Any]) -> str:
    return f"The backups are copied to {result['target']}."


def command_fetch(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    offsite.OffHost(settings).fetch(options.into)
    return {"fetched": options.into, "full": Archive(options.into).names()}


class Heartbeat:
    """Says now and then up to when all is copied, so that monitoring notices when nothing copies any more."""

    EVERY = 15  # seconds

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.said = float("-inf")

    def look(self) -> None:
        copied = binlog_copy.copied_at(self.settings)
        if copied is None or time.monotonic() - self.said < self.EVERY:
            return
        self.said = time.monotonic()
        about = "All that the store had written by then is in the copied binary log."
        publish(self.settings, "binlog_copied", [sample("binlog_copied_timestamp_seconds", copied, about)])


def publish_since(settings: Settings) -> None:
    """Say since when the store is backed up, so that what never happened is late some day, and not only absent."""
    path = os.path.join(settings.directory, SINCE)
    if not os.path.exists(path):
        with contextlib.suppress(OSError), open(path, "a", encoding="utf-8"):
            pass
    try:
        since = os.stat(path).st_mtime
    except OSError:
        return
    about = "When this store began to be backed up."
    publish(settings, "since", [sample("since_timestamp_seconds", since, about)])


class FullBackups:
    """Makes a full backup at once, in a process of its own, when a restore would lose what the store holds."""

    GRACE = 30  # seconds in which a deploy or a restore makes a first one itself
    AGAIN = 60  # seconds after one that failed or did not help, and twice as long after each further one
    AGAIN_AT_MOST = 3600

    def __init__(self) -> None:
        self.since: float | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.tried = 0
        self.ended = 0.0

    def look(self, position: Mapping[str, Any]) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                return
            self.process, self.ended, self.tried = None, time.monotonic(), self.tried + 1
        if "needs" not in position:
            return  # nothing is known now
        if position["needs"] is None:
            self.since, self.tried = None, 0
            return
        moment = time.monotonic()
        self.since = moment if self.since is None else self.since
        grace = self.GRACE if position["needs"] == reach.NONE else 0
        pause = min(self.AGAIN * 2 ** (self.tried - 1), self.AGAIN_AT_MOST) if self.tried else 0
        # What a session does not log is whole once it ends.
        if position.get("open") or moment - self.since < grace or moment - self.ended < pause:
            return
        reason = position.get("missing") or "a restore would lose what the store holds"
        say(f"A full backup is made: {reason}.")
        self.process = subprocess.Popen(
            [sys.argv[0], "full", "--if-needed", "--wait"], stdout=subprocess.DEVNULL
        )


class OffHostCopies:
    """Copies off the host, each in a process of its own: a slow line keeps nothing else waiting."""

    def __init__(self, settings: Settings) -> None:
        self.interval = float(settings.offsite["interval"]) if settings.offsite else None
        self.begun = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def look(self) -> None:
        """Begin the next one, if it is time and the last one has ended."""
        if self.interval is None or time.monotonic() - self.begun < self.interval:
            return
        if self.process is None or self.process.poll() is not None:
            self.begun = time.monotonic()
            self.process = subprocess.Popen([sys.argv[0], "offsite"], stdout=subprocess.DEVNULL)


def text_full(result: Mapping[str, Any]) -> str:
    if not result["made"]:
        return "No full backup is needed."
    rows = sum(sum(tables.values()) for tables in result["tables"].values())
    lines = [
        f"Full backup {result['name']}: {size_of(result['archive']['size'])}, {rows} rows, MySQL "
        f"{result['mysql_version']}, revision {result['revision']}, {result['total_seconds']} s."
    ]
    lines += [f"Removed: {name}" for name in result["pruned"]["removed"]]
    lines += [f"DAMAGED: {name}: {problem}" for name, problem in result["pruned"]["damaged"].items()]
    return "\n".join(lines)


def command_copy(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    result = binlog_copy.Copier(settings, reach.Watch(settings, deep=True)).copy()
    if result.get("problem"):
        raise BackupProblem(result["problem"])
    return result


def command_point(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    if not options.directory:
        raise BackupProblem("the store's own backups are for any moment: point needs a --directory")
    try:
        about = json.load(sys.stdin)
        tables = {
            str(database): {str(table): int(rows) for table, rows in counted.items()}
            for database, counted in about["tables"].items()
        }
        revision = {name: about.get(name) for name in ("revision", "auth_revision")}
        accounts = list(map(str, about["locked"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BackupProblem(
            'point reads JSON from standard input: {"revision": "...", "tables": {"DATABASE": {"TABLE": ROWS}}, '
            '"locked": ["USER@HOST"]}'
        ) from None
    if options.plain:
        settings = dataclasses.replace(settings, recipients=())
    archive = Archive(settings.directory)
    if not archive.manifests()[0]:
        raise BackupProblem(f"there is no good full backup in {archive.full}: make one first")
    result = binlog_copy.Copier(settings, reach.Watch(settings, deep=True)).copy()
    if result.get("problem"):
        raise BackupProblem(result["problem"])
    if not result.get("restorable"):
        raise BackupProblem(f"the store cannot be restored as it is now: {result.get('missing')}")
    newest = archive.manifests()[0][-1]
    gtids = GtidSet(newest["gtid_set"])
    gtids.update(GtidSet(result["gtid_set"]))
    document = {
        "format": FORMAT,
        "name": newest["name"],
        "finished": stamp(now()),
        "gtid_set": str(gtids),
        **revision,
        "tables": tables,
        "locked": accounts,
    }
    write_document(os.path.join(settings.directory, POINT), document)
    return document


def text_point(result: Mapping[str, Any]) -> str:
    return f"The store can be restored as it is now, from {result['name']} and {result['gtid_set']}."


def text_copy(result: Mapping[str, Any]) -> str:
    return f"The binary log is copied up to {result['file']}:{result['position']}, {result['gtid_set']}."


def ended(*dummy: object) -> NoReturn:
    """End as it has to: that is how `follow` is stopped."""
    raise SystemExit(0)


def command_follow(settings: Settings, options: argparse.Namespace) -> None:
    signal.signal(signal.SIGTERM, ended)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(settings.directory, "follow", "following the binary log"))
        except Busy:
            return  # cron starts it each minute, in case it ended
        problem = None
        copies, heartbeat, fulls = OffHostCopies(settings), Heartbeat(settings), FullBackups()
        publish_since(settings)

        def each(position: Mapping[str, Any]) -> None:
            copies.look()
            heartbeat.look()
            fulls.look(position)

        watched = [sys.argv[0], options.settings]
        watch = reach.Watch(settings)
        for position in binlog_copy.follow(settings, options.seconds, watched, each, watch):
            failed = position.get("problem")
            if failed and position.get("no_store") and restore.under_way(settings):
                failed = "The binary log is not copied while a restore swaps the store's data."
            if failed != problem:
                say(failed or "The binary log is copied again.")
            problem = failed
            samples = [
                sample("binlog_success", 0 if failed else 1, "Whether the binary log is being copied."),
                sample(
                    "restorable",
                    1 if position.get("restorable") else 0,
                    "Whether all that the store holds can be restored.",
                ),
            ]
            publish(settings, "binlog_status", samples)
            if not failed and position.get("last_transaction"):
                newest = parse_time(position["last_transaction"])
                about = "When the last transaction in the copied binary log was committed."
                publish(settings, "binlog", [sample("binlog_transaction_timestamp_seconds", newest, about)])


def command_list(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    archive = Archive(settings.directory)
    good, bad = archive.manifests()
    present = reach.present_timeline(settings)
    logs = []
    for timeline in binlog_copy.timelines(archive):
        everything = timeline.files()
        files = [log for log in everything if log.end]
        problems = [timeline.problem, *(log.problem for log in everything)]
        gaps = [log for log in files if log.document["gap_before"]]
        own = [GtidSet(one["gtid_set"]) for one in good if binlog_copy.timeline_of(one) == timeline.name]
        closed = [log.name for log in gaps if any(log.previous <= gtids for gtids in own)]
        logs.append(
            {
                "server_uuid": timeline.uuid,
                "began": timeline.began,
                "files": [log.name for log in files],
                "gaps": [log.name for log in gaps],
                "closed_gaps": closed,  # a full backup was made since
                "ended": timeline.name != present,
                "damaged": [problem for problem in problems if problem is not None],
                "size": sum(part["size"] for log in files for part in log.parts),
                "last_transaction": next(
                    (log.document["last_time"] for log in reversed(files) if log.document["last_time"]), None
                ),
                "end": files[-1].end if files else 0,
                "gtid_set": str(restore.gtids_until(files, len(files))),
            }
        )
    copied = binlog_copy.copied_at(settings)
    return {
        "full": good,
        "damaged": bad,
        "binary_log": logs,
        "copied": None if copied is None else stamp(copied),
        "point": archive.point(),
        "owned": is_marked(settings),
        "restorable": reach.report(settings),
    }


def text_list(result: Mapping[str, Any]) -> str:
    lines = [f"{'FULL BACKUP':<24} {'STATE OF (UTC)':<20} {'SIZE':>12} {'ROWS':>12}  REVISION      MYSQL"]
    for manifest in result["full"]:
        rows = sum(sum(tables.values()) for tables in manifest["tables"].values())
        lines.append(
            f"{manifest['name']:<24} {manifest['finished'][:19].replace('T', ' '):<20}"
            f" {size_of(manifest['archive']['size']):>12} {rows:>12}  {manifest['revision'] or '-':<12}"
            f"  {manifest['mysql_version']}"
        )
    lines += [f"DAMAGED: {name}: {problem}" for name, problem in result["damaged"].items()]
    for log in result["binary_log"]:
        lines.append(
            f"Binary log of {log['server_uuid']} from {log['began'][:19]}Z: {counted(len(log['files']), 'file')}, "
            f"{size_of(log['size'])}, "
            + (
                f"last transaction at {log['last_transaction']}"
                if log["last_transaction"]
                else "no transaction yet"
            )
        )
        lines += [
            f"GAP before {name}"
            + (
                ", after which a full backup was made"
                if name in log["closed_gaps"]
                else ""
                if log["ended"]
                else f": for a full backup {reach.REMEDY}"
            )
            for name in log["gaps"]
        ]
        lines += [f"DAMAGED: {problem}" for problem in log["damaged"]]
    restorable = result["restorable"]
    if result["copied"] is not None and restorable["complete"]:
        lines.append(f"All that the store had written by {result['copied']} is copied.")
    elif restorable["spans"] and not restorable["complete"]:
        lines.append(
            f"NOT all that the store holds since {restorable['spans'][-1]['to']} can be restored: "
            f"{restorable['missing']}."
        )
        lines.append(
            "A full backup is being made." if restorable["running"] else f"For a full backup {reach.REMEDY}."
        )
    lines.append(f"What can be restored now: {restorable['moments']}.")
    return "\n".join(lines)


def wanted_of(options: argparse.Namespace) -> restore.Wanted:
    given = [name for name in ("to", "before", "backup") if getattr(options, name) is not None]
    if len(given) > 1:
        raise BackupProblem(f"--{' and --'.join(given)} exclude each other: give one of them")
    for name in given:
        if not binlog_reader.comparable(getattr(options, name)):
            raise BackupProblem(f"--{name} is empty: leave it out to restore everything")
    return restore.Wanted(
        to=None if options.to is None else parse_time(options.to),
        before=options.before,
        backup=options.backup,
        log=options.backup is None,
        incomplete=options.incomplete,
    )


def refuse_to_replace(settings: Settings, look: bool = False) -> None:
    """Raise BackupProblem if the store that is there holds what none of its backups does.

    To `look` changes nothing: what is new in the log is copied elsewhere.
    """
    with contextlib.ExitStack() as stack:
        if look:
            settings = stack.enter_context(reach.beside(settings))
        with contextlib.suppress(BackupProblem, OSError):
            binlog_copy.Copier(settings, reach.Watch(settings, deep=True)).copy()
        present = reach.present_timeline(settings)
        found = None if present is None else reach.need(settings, present)
    if found is not None and found[0] != reach.ELSEWHERE:
        raise BackupProblem(
            f"the store would be replaced, and it holds what no backup does: {found[1]}. Make a full backup first "
            f"(make backup), or say that it may be lost ({restore.INCOMPLETE})"
        )


def command_plan(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    if options.replacing and not options.incomplete:
        refuse_to_replace(load_settings(options.settings), options.look)
    if options.swap:
        restore.check_place(settings)
    with reading(settings.directory):
        plan = restore.make_plan(settings, wanted_of(options))
    if options.swap:
        restore.check_room(settings, plan)
    return plan.describe()


def command_room(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    restore.check_way_back(settings)
    return {}


def command_restore(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    with locked(settings.scratch, "restore", "restoring", options.wait), reading(settings.directory):
        plan = restore.make_plan(settings, wanted_of(options))
        into = options.into
        if into is None:
            restore.check_room(settings, plan)
            into = restore.make_place(settings, "restore")
        return {
            **restore.restore(settings, plan, into, "restore", say, events_off=options.events_off),
            "into": into,
        }


def text_restore(result: Mapping[str, Any]) -> str:
    lines = [f"Full backup {result['backup']}, of the state of {result['backup_finished']}."]
    if result["binary_log"]:
        lines.append(
            f"Binary log {result['binary_log'][0]} to {result['binary_log'][-1]}, up to the transaction of "
            f"{result['last_transaction']}."
        )
    if result["stops_before"]:
        lines.append(f"Stops before {result['stops_before']}.")
    return "\n".join([*lines, *result["notes"]])


def command_swap(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    if options.do == "in":
        return {"swapped": restore.swap_in(settings, options.run)}
    if options.do == "back":
        return {"back": restore.swap_back(settings, options.run)}
    if options.do == "end":
        return {"kept": restore.swap_end(settings, options.run, options.keep)}
    with restore.swapping(settings) as undone:
        return {"undone": undone}


def command_drill(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    os.nice(19)

    def work() -> tuple[dict[str, Any], list[str]]:
        # With the whole catalogue of MLflow's schema, which no other command needs.
        from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import drill

        result = drill.drill(settings, say)
        samples = [
            sample("drill_timestamp_seconds", time.time(), "When a backup was last restored to prove it."),
            sample("drill_recovery_seconds", result["recovery_seconds"], "How long the restore took."),
            sample(
                "drill_recovery_point_age_seconds",
                result["recovery_point_age"],
                "How old the restored data was.",
            ),
        ]
        if result["upgrade"]:
            samples += upgrade_samples(result["upgrade"])
        return result, samples

    result: dict[str, Any] = measured(settings, "drill", work)
    return result


def upgrade_samples(found: Mapping[str, Any]) -> list[str]:
    samples = [sample("upgrade_success", int(found["works"]), "Whether the rehearsed upgrade works.")]
    if found["works"]:
        seconds = found["downtime_seconds"]
        samples.append(sample("upgrade_downtime_seconds", seconds, "How long it would lock writers out."))
    return samples


def text_drill(result: Mapping[str, Any]) -> str:
    read = result["mlflow"]
    rows = sum(sum(tables.values()) for tables in result["tables"].values())
    return (
        f"Restored {result['backup']} and {counted(len(result['binary_log']), 'file')} of the binary log in "
        f"{result['recovery_seconds']} s, up to {result['recovery_point']}: {rows} rows, the schema is "
        f"{result['schema']}, "
        + (
            f"MLflow read run {read['run']} with {counted(read['metrics'], 'metric')}."
            if read
            else "MLflow did not read it."
        )
        + (f" {text_upgrade(result['upgrade'])}" if result.get("upgrade") else "")
    )


def text_upgrade(found: Mapping[str, Any]) -> str:
    if not found["works"]:
        problem = str(found["problem"])
        return problem[:1].upper() + problem[1:] + ("" if problem.endswith(".") else ".")
    if not found["applied"]:
        return f"No migration is pending for MLflow {found['mlflow_version']}."
    return (
        f"The upgrade to MLflow {found['mlflow_version']} works: writers would be locked out for about "
        f"{found['downtime_seconds']:.0f} s."
    )


def command_rehearse(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    os.nice(19)
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import rehearsal

    result = rehearsal.rehearse(settings, options.mlflow_version, options.virtualenv, say)
    return {**result, "text": text_rehearse(result)}


def text_rehearse(result: Mapping[str, Any]) -> str:
    if not result["applied"]:
        return f"No migration is pending for MLflow {result['mlflow_version']}."
    longest = sorted(result["applied"], key=lambda one: -(one["seconds"] or 0))[:3]
    return "\n".join(
        [
            f"The upgrade from revision {result['revision_before']} to MLflow {result['mlflow_version']} works on the "
            f"full backup {result['backup']}: {counted(len(result['applied']), 'migration')}, "
            f"{result['rows_before']} rows before, {result['rows_after']} after.",
            f"Writers would be locked out for about {result['downtime_seconds']:.0f} s: "
            f"{result['seconds_migrating']} s for the migrations, and twice {result['seconds_counting']} s to count "
            f"the rows. What is done before, while MLflow goes on, took {result['seconds_ahead']} s.",
            "The longest: "
            + ", ".join(f"{one['revision']} {one['seconds'] or 0:.1f} s" for one in longest)
            + ".",
            f"The data takes {size_of(result['disk_after'])} more after it, and {size_of(result['disk_most'])} more at "
            "most during it.",
        ]
    )


def parser() -> argparse.ArgumentParser:
    main_parser = argparse.ArgumentParser(
        prog="mlflow-mysql-backup", description="Backups of an MLflow backend store."
    )
    main_parser.add_argument("--settings", required=True, help=argparse.SUPPRESS)
    main_parser.add_argument("--directory", help="the directory of backups, if it is not the store's own")
    main_parser.add_argument("--json", action="store_true", help="print the result as JSON")
    commands = main_parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    full = commands.add_parser("full", help="make a full backup, and remove expired ones")
    full.add_argument(
        "--if-needed", action="store_true", help="only if a restore would lose data of the store"
    )
    full.add_argument("--only", action="store_true", help="remove what the directory of backups holds first")
    commands.add_parser("copy", help="copy new transactions from the binary log")
    point = commands.add_parser("point", help="have a directory of backups restore the store as it is now")
    for plain in (full, point):
        plain.add_argument("--plain", action="store_true", help="do not encrypt it")
    follow = commands.add_parser("follow", help="copy the binary log continuously, as the schedule does")
    follow.add_argument("--seconds", type=float, help="end after that many seconds")
    commands.add_parser("list", help="show the backups, and up to where the binary log is copied")
    for name, about in (
        ("plan", "show the files that a restore would use, and read them"),
        ("restore", "build a data directory"),
    ):
        one = commands.add_parser(name, help=about)
        one.add_argument(
            "--to", help="restore the transactions committed up to a time, like 2026-11-23T18:00:00Z"
        )
        one.add_argument(
            "--before", help="restore the transactions committed before a statement, or before a GTID"
        )
        one.add_argument("--backup", help="restore this full backup, without the binary log")
        one.add_argument(
            "--incomplete", action="store_true", help="restore although some changes are in no backup"
        )
        if name == "plan":
            one.add_argument(
                "--replacing", action="store_true", help="refuse if the store has data that no backup has"
            )
            one.add_argument(
                "--look", action="store_true", help="do not even copy new transactions from the binary log"
            )
            one.add_argument(
                "--swap", action="store_true", help="also check that it can replace the store's data"
            )
        else:
            one.add_argument("--into", help="the directory to create, if it is not for the store itself")
            one.add_argument(
                "--events-off",
                action="store_true",
                help="its server starts without events and with locked accounts",
            )
            for waiting in (full, one):
                waiting.add_argument("--wait", action="store_true", help="wait for a backup in progress")
    commands.add_parser("offsite", help="copy the backups to the off-site target")
    fetch = commands.add_parser("fetch", help="fetch the backups from the off-site target")
    fetch.add_argument("--into", required=True, help="the directory to create")
    commands.add_parser("room", help="check whether the present store could be restored")
    swap = commands.add_parser("swap", help="swap the store's data with the restored data")
    swap.add_argument(
        "do",
        choices=("in", "back", "end", "settle"),
        help="swap the data in; swap it back; remove the replaced data; undo an interrupted swap",
    )
    swap.add_argument("--run", default="1", help="the suffix for the name of the replaced data")
    swap.add_argument("--keep", action="store_true", help="keep the replaced data")
    commands.add_parser("drill", help="restore the newest backup into a scratch server, and inspect it")
    rehearse = commands.add_parser(
        "rehearse", help="restore the newest backup into a scratch server, and upgrade its schema"
    )
    rehearse.add_argument("--mlflow-version", required=True, help="the MLflow to upgrade to")
    rehearse.add_argument(
        "--virtualenv", required=True, help="the virtual environment in which that MLflow is installed"
    )
    return main_parser


def interrupted(number: int, frame: object) -> NoReturn:
    """End as on an error: what was begun is removed, which nothing disturbs any more."""
    for one in ENDING:
        signal.signal(one, signal.SIG_IGN)
    say(f"mlflow-mysql-backup: interrupted by {signal.Signals(number).name}")
    raise SystemExit(128 + number)


def run(options: argparse.Namespace) -> str | None:
    """Do what is asked. Returns what is to be printed. Raises BackupProblem."""
    settings = load_settings(options.settings)
    if options.directory:
        # Monitoring is told of the store's own, and those are copied off the host.
        settings = dataclasses.replace(
            settings, directory=options.directory, textfile_directory=None, offsite={}
        )
    elif options.command in WRITES:
        take(settings)
    elif options.command in READS:
        problem = owner_problem(settings.directory, settings.home)
        if problem is not None:
            raise BackupProblem(problem)
    name = options.command.replace("-", "_")
    try:
        result = globals()[f"command_{name}"](settings, options)
    except OSError as error:
        raise full_disk(error, settings.directory) from None
    except binlog_reader.BinaryLogProblem as error:
        raise BackupProblem(
            f"{error}. Restore a full backup alone, by its name (mlflow_backup_name)"
        ) from None
    if result is None:
        return None
    text = globals().get(f"text_{'restore' if name == 'plan' else name}")
    return json.dumps(result) if options.json or text is None else str(text(result))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    options = parser().parse_args(arguments)
    os.umask(0o077)
    for number in ENDING:
        signal.signal(number, interrupted)
    problem, text = None, None
    try:
        text = run(options)
    except BackupProblem as error:
        problem = str(error)
        say(f"mlflow-mysql-backup: {error}")
        text = json.dumps({"problem": problem}) if options.json else None
    try:
        if text is not None:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
    except OSError as error:
        sys.stdout = sys.stderr  # it would fail once more at the end
        say(f"mlflow-mysql-backup: the result cannot be printed: {error.strerror}")
        raise SystemExit(1) from None
    raise SystemExit(0 if problem is None else 1)
