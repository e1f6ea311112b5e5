# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be restored, and what no backup holds. Private to this collection: it may change without notice.

A hole is what the store holds and its copied binary log does not: transactions that an import brought with
`GTID_PURGED`, what was written while a session or the whole server had its log off, a file that was purged before it
was copied. A full backup that is made afterwards holds it. Until then a restore would lose it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from typing import Any, Iterator, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import (
    FORMAT,
    PARTIAL,
    Archive,
    BackupProblem,
    Settings,
    is_locked,
    parse_time,
    read_document,
    reading,
    stamp,
    write_document,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.binlog_copy import (
    COPIED,
    Copier,
    Judge,
    LogFile,
    NoStore,
    Timeline,
    copied_at,
    current_name,
    missing_between,
    needed,
    source_of,
    timeline_of,
    timelines,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.binlog_reader import (
    BinaryLogProblem,
    GtidSet,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.live import (
    Live,
    Witness,
    identity,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.offsite import OFFSITE
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.scratch_server import SERVER_ID

HOLES = "holes.json"
ASKED = ".asked"  # was changed when the server said the last time that its log holds all that it executed
STARTS_WITHIN = 600  # seconds; a server that starts has its data open before its log
REMEDY = "run make backup, or mlflow-mysql-backup full on the host"


GTIDS, SWITCHED, LOG_OFF, GTID_OFF, FILTERED = "gtids", "sql_log_bin", "log_bin", "gtid_mode", "filtered"
SAME_ID = "server_id"
ABOUT = {
    GTIDS: "transactions that the store holds are in no file of its binary log: {gtids}",
    SWITCHED: "a session had sql_log_bin set: what it wrote is not in the binary log",
    LOG_OFF: "the server ran without its binary log",
    GTID_OFF: "the server wrote transactions without a GTID, which cannot be applied again",
    FILTERED: "the server leaves databases out of its binary log",
    SAME_ID: f"a restore skips what has the server_id {SERVER_ID}, that of the server that restores: {{gtids}}",
}
# What is wrong now, and not only was: no full backup helps before it is set right.
LASTING = {
    LOG_OFF: "the server runs without its binary log: leave skip-log-bin and disable_log_bin out, and start it again",
    GTID_OFF: "the server's gtid_mode is {about}: set it to ON",
    FILTERED: "the server leaves databases out of its binary log ({about}): leave that out, and start it again",
    SAME_ID: f"the server has the server_id {SERVER_ID}, which is that of the server that restores, and which skips "
    "what has its own: set another server_id in mlflow_mysql_settings, and run the playbook deploy",
}

# What a server is not asked for at each look.
SELDOM = (SWITCHED, FILTERED)

# Why a full backup is needed.
NONE, RESET, GAP, HOLE, ELSEWHERE = "none", "reset", "gap", "hole", "offsite"
LOSES = (RESET, GAP, HOLE)  # a restore would lose what the store holds


@dataclass(frozen=True)
class Hole:
    """What the log does not hold. All was well at `since`, when it held `before`; it was seen until `until`."""

    kind: str
    since: float
    until: float
    before: str = ""
    gtids: str = ""

    @property
    def text(self) -> str:
        return ABOUT[self.kind].format(gtids=shortened(self.gtids)) + (
            f" (between {stamp(self.since)} and {stamp(self.until)})"
        )


def shortened(text: str, limit: int = 200) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."


def load_holes(directory: str) -> tuple[list[Hole], dict[str, Any]]:
    """Return the holes of a timeline, and what was asked last. One that is damaged says nothing."""
    with contextlib.suppress(BackupProblem, KeyError, TypeError):
        found = read_document(os.path.join(directory, HOLES))
        return [
            Hole(**{**one, "since": parse_time(one["since"]), "until": parse_time(one["until"])})
            for one in found["holes"]
        ], dict(found["asked"])
    return [], {}


def save_holes(directory: str, holes: Sequence[Hole], asked: Mapping[str, Any]) -> None:
    """Write the holes of a timeline. Raises BackupProblem."""
    listed = [{**asdict(one), "since": stamp(one.since), "until": stamp(one.until)} for one in holes]
    write_document(os.path.join(directory, HOLES), {"format": FORMAT, "holes": listed, "asked": dict(asked)})


def holes_of(timeline: Timeline, files: Sequence[LogFile] | None = None) -> list[Hole]:
    """Return what a restore of a timeline would lose: what was seen, and what the copied files say themselves."""
    found = load_holes(timeline.directory)[0]
    for log in timeline.files() if files is None else files:
        about = log.document.get("skipped")
        if about:
            # What is restored up to a time has the transaction of that time.
            since, until = parse_time(about["first_time"]) - 1e-6, parse_time(about["last_time"])
            found.append(Hole(SAME_ID, since, until, about["before"], about["gtids"]))
    return found


def holds(manifest: Mapping[str, Any], hole: Hole) -> bool:
    """Return whether a full backup of the same timeline holds what is in a hole."""
    if hole.kind in (GTIDS, SAME_ID):
        return GtidSet(hole.gtids) <= GtidSet(manifest["gtid_set"])
    return parse_time(manifest["begun"]) > hole.until


def own_of(good: Sequence[Mapping[str, Any]], name: str | None) -> list[Mapping[str, Any]]:
    """Return the full backups of a timeline."""
    return [manifest for manifest in good if timeline_of(manifest) == name]


def skipped(before: LogFile, log: LogFile, gtids: GtidSet) -> GtidSet:
    """Return the transactions that the server had between two files and that neither these nor `gtids` hold."""
    left = log.previous.without(before.previous).without(before.gtids)
    return left.without(gtids)


# What can be restored


@dataclass(frozen=True)
class Span:
    """From the oldest to the newest moment that can be restored. `open` if that is all that was copied."""

    begins: float
    ends: float
    timeline: str
    open: bool = False

    def describe(self) -> dict[str, Any]:
        return {"from": stamp(self.begins), "to": stamp(self.ends)}


def span_of(
    manifest: Mapping[str, Any],
    files: Sequence[LogFile],
    holes: Sequence[Hole],
    timeline: str,
    copied: float | None,
) -> Span:
    """Return what can be restored from one full backup and the copied log that follows it.

    `copied` is when all was copied, of the store as it is now.
    """
    begins = ends = parse_time(manifest["finished"])
    gtids = GtidSet(manifest["gtid_set"])
    first = None
    for number, log in enumerate(files):
        if log.document["previous"] is not None and log.previous <= gtids:
            first = number
    whole = first is not None
    if first is not None:
        chain = [files[first]]
        for log in files[first + 1 :]:
            if missing_between(chain[-1], log) is not None or str(skipped(chain[-1], log, gtids)):
                whole = False
                break
            chain.append(log)
        times = [log.document["last_time"] for log in chain if log.document["last_time"]]
        if times:
            ends = max(ends, parse_time(times[-1]))
        if whole and copied is not None:
            ends = max(ends, copied)
    for hole in holes:
        if not holds(manifest, hole):
            whole = False
            ends = max(begins, min(ends, hole.since))
    return Span(begins, ends, timeline, whole)


def spans(archive: Archive, settings: Settings, present: str | None) -> list[Span]:
    """Return what can be restored, the oldest first. `present` is the timeline of the store as it is now."""
    good, dummy = archive.manifests()
    known = timelines(archive)
    found: list[Span] = []
    names = [one.name for one in known]
    names += sorted({timeline_of(one) for one in good} - set(names))
    for name in names:
        timeline = next((one for one in known if one.name == name), None)
        files = [] if timeline is None else [log for log in timeline.files() if log.end and not log.problem]
        holes = [] if timeline is None else holes_of(timeline, files)
        for manifest in own_of(good, name):
            one = span_of(manifest, files, holes, name, copied_at(settings) if name == present else None)
            last = found[-1] if found and found[-1].timeline == name else None
            if last is not None and last.ends >= one.begins:
                found[-1] = replace(last, ends=max(last.ends, one.ends), open=one.open)
            else:
                found.append(one)
    return found


def present_timeline(settings: Settings) -> str | None:
    """Return the timeline of the store as it is now; None if there is no data."""
    try:
        uuid = source_of(settings.data).uuid
    except NoStore:
        return None
    return current_name(timelines(Archive(settings.directory)), uuid)


def need(settings: Settings, name: str | None) -> tuple[str, str] | None:
    """Return why a full backup of the store as it is now is needed, a word and a text; None if none is.

    Raises BackupProblem.
    """
    archive = Archive(settings.directory)
    good, dummy = archive.manifests()
    known = timelines(archive)
    own = own_of(good, name)
    if not own:
        if name is not None and "." in name:
            return (
                RESET,
                "the binary log was reset, or the data was set back, and no full backup was made since",
            )
        return NONE, "there is no full backup of the store as it is now"
    timeline = next((one for one in known if one.name == name), None)
    if timeline is not None:
        manifest = own[-1]
        for hole in holes_of(timeline):
            if not holds(manifest, hole):
                return HOLE, hole.text
        files = [log for log in timeline.files() if log.end or log.problem is not None]
        try:
            chain = needed(files, GtidSet(manifest["gtid_set"])) if files else []
        except (BackupProblem, BinaryLogProblem) as error:
            return GAP, str(error).partition(". ")[0]
        for before, log in zip(chain, chain[1:]):
            left = str(skipped(before, log, GtidSet(manifest["gtid_set"])))
            if left:
                return GAP, ABOUT[GTIDS].format(gtids=shortened(left))
    if settings.offsite and not os.path.exists(os.path.join(settings.directory, OFFSITE)):
        return ELSEWHERE, f"the backups were never copied to {settings.offsite['target']}"
    return None


def report(settings: Settings, name: str | None = None) -> dict[str, Any]:
    """Return what can be restored now, as `list` shows it and the module returns it."""
    archive = Archive(settings.directory)
    present = name or present_timeline(settings)
    found = spans(archive, settings, present)
    wanted = need(settings, present)
    lines = [
        f"any moment between {stamp(one.begins)} and {stamp(one.ends)}"
        if one.ends > one.begins
        else f"the moment {stamp(one.begins)}"
        for one in found
    ]
    missing = None if wanted is None or wanted[0] == ELSEWHERE else wanted[1]
    running = is_locked(settings.scratch, "full")
    remedy = "a full backup is being made" if running else REMEDY
    moments = "; ".join(lines) or f"nothing yet: {remedy}"
    text = moments
    if missing is not None and lines:
        text += f". Not restorable: {missing}. " + (
            "A full backup is being made" if running else f"For a full backup {REMEDY}"
        )
    return {
        "spans": [one.describe() for one in found],
        "complete": wanted is None or wanted[0] == ELSEWHERE,
        "needs": None if wanted is None else wanted[0],
        "missing": None if wanted is None else wanted[1],
        "running": running,
        "moments": moments,
        "text": text,
    }


@contextlib.contextmanager
def beside(settings: Settings) -> Iterator[Settings]:
    """Give settings with which the copy goes on in a directory of its own, for a look: the backups stay as they are.

    Raises BackupProblem and OSError.
    """
    archive = Archive(settings.directory)
    with reading(settings.directory), tempfile.TemporaryDirectory(dir=settings.scratch) as directory:
        for timeline in timelines(archive):
            target = os.path.join(directory, "binlog", timeline.name)
            os.makedirs(target)
            for entry in os.scandir(timeline.directory):
                if entry.name.endswith(".json"):
                    shutil.copy2(entry.path, target)
                elif not entry.name.startswith(PARTIAL):
                    os.symlink(entry.path, os.path.join(target, entry.name))
        os.symlink(archive.full, os.path.join(directory, "full"))
        for name in (ASKED, COPIED, OFFSITE):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(os.path.join(settings.directory, name), directory)
        yield replace(settings, directory=directory)


# The store that runs


class Watch(Judge):
    """Compares what the store's server executed with what full backups and the copied log hold."""

    def __init__(self, settings: Settings, deep: bool = False) -> None:
        self.settings = settings
        self.archive = Archive(settings.directory)
        self.witness = Witness(settings)
        self.deep = deep
        self.live: Live | None = None
        self.silent_since: float | None = None
        # The last time that the server said that there was no hole, and what its log held then: for what it is asked
        # at each look, and for the others.
        self.good: dict[bool, tuple[float, str]] = {}
        self.known: tuple[Any, GtidSet] | None = None
        self.fulls: tuple[Any, list[dict[str, Any]]] | None = None
        self.needed: tuple[Any, tuple[str, str] | None] | None = None
        self.passed_by: tuple[str, str | None] | None = None  # at the last look at what sessions did

    def begin(self) -> None:
        # Before the copy: what was executed by then is in the files that are copied.
        self.live = self.witness.ask(self.deep)

    def end(self, copier: Copier, looked: float) -> dict[str, Any]:
        timeline, log = copier.timeline, copier.log
        if timeline is None or log is None:
            return {}
        live = self.live
        copied = self._copied(timeline, log)
        own = self._own(timeline)
        lasting, problem = self._lasting(timeline)
        stays = problem is not None
        kinds: dict[str, str] = {} if lasting is None else {lasting: ""}
        if live is not None and own and problem is None:
            missing = live.gtids.without(copied).without(GtidSet(own[-1]["gtid_set"]))
            if str(missing):
                kinds[GTIDS] = str(missing)
        holes, asked = load_holes(timeline.directory)
        self._look_deeply(timeline, kinds)
        again = self._counted(log, asked, kinds)
        changed = self._with(holes, kinds, looked, own)
        if changed != holes or again != asked:
            save_holes(timeline.directory, changed, again)
        wanted = self._need(timeline, changed, log)
        if problem is None and wanted is not None and wanted[0] in LOSES:
            is_open = " A session has sql_log_bin off still: end it." if self._is_open() else ""
            problem = (
                f"a restore would lose what the store holds: {wanted[1]}.{is_open} For a full backup {REMEDY}"
            )
        if not kinds and self.live is not None:
            # What was committed since it was asked may be later than a hole.
            self._note(looked, str(copied.without(copied.without(self.live.gtids))), self.live.deep)
        return {
            "problem": problem,
            "needs": None if stays or wanted is None or wanted[0] == ELSEWHERE else wanted[0],
            "missing": None if wanted is None else wanted[1],
            "restorable": problem is None and (wanted is None or wanted[0] == ELSEWHERE),
            "open": self._is_open(),
        }

    def _is_open(self) -> bool:
        """Return whether a session writes past the log now."""
        return self.live is not None and bool(self.live.open)

    def _look_deeply(self, timeline: Timeline, kinds: Mapping[str, str]) -> None:
        """Ask what sessions did to their log as soon as something else passed it by, or another log began.

        An import does both. Its one full backup is made when the session that imports has ended.
        """
        key = (timeline.name, kinds.get(GTIDS))
        if self.live is None or key == self.passed_by:
            return
        self.passed_by = key
        # What was executed since the copy is no hole: of this answer only the counters count.
        live = self.witness.ask(True)
        if live is not None:
            self.live = replace(
                self.live, start=live.start, switched=live.switched, open=live.open, deep=True
            )

    def _note(self, looked: float, copied: str, deep: bool) -> None:
        """Note that the server said that there is no hole. Another process begins with what the file says."""
        self.good[False] = (looked, copied)
        if deep:
            self.good[True] = (looked, copied)
            path = os.path.join(self.settings.directory, ASKED)
            with open(path, "a", encoding="utf-8"):
                os.utime(path, (looked, looked))

    def _good(self, kind: str, looked: float, own: Sequence[Mapping[str, Any]]) -> tuple[float, str]:
        """Return when a kind of hole was not there yet for sure, and what the log held then, if that is known."""
        known = self.good.get(kind in SELDOM)
        if known is not None:
            return known
        try:
            at = os.stat(os.path.join(self.settings.directory, ASKED)).st_mtime
        except OSError:
            at = parse_time(own[-1]["begun"]) if own else looked
        return min(looked, at), ""

    def _own(self, timeline: Timeline) -> list[Mapping[str, Any]]:
        """Return the full backups of the store as it is now."""
        names = tuple(self.archive.names())
        if self.fulls is None or self.fulls[0] != names:
            self.fulls = (names, self.archive.manifests()[0])
        return own_of(self.fulls[1], timeline.name)

    def _copied(self, timeline: Timeline, log: LogFile) -> GtidSet:
        """Return all transactions in the copied files, which are read again only when there is another one."""
        key = (timeline.name, log.name, tuple(timeline.names()))
        if self.known is None or self.known[0] != key:
            found = GtidSet()
            for one in timeline.files():
                if one.name != log.name:
                    found.update(one.gtids)
            self.known = (key, found)
        everything = log.gtids
        everything.update(self.known[1])
        return everything

    def _need(self, timeline: Timeline, holes: Sequence[Hole], log: LogFile) -> tuple[str, str] | None:
        """Return why a full backup is needed, which is looked for again only when something changed."""
        key = (
            timeline.name,
            tuple(timeline.names()),
            tuple(self.archive.names()),
            tuple(holes),
            str(log.document.get("skipped")),
            identity(os.path.join(self.settings.directory, OFFSITE)) is None,
        )
        if self.needed is None or self.needed[0] != key:
            self.needed = (key, need(self.settings, timeline.name))
        return self.needed[1]

    def _lasting(self, timeline: Timeline) -> tuple[str | None, str | None]:
        """Return what is wrong with the server that runs, whatever was copied: a kind of hole, and a text."""
        live = self.live
        if live is None:
            return self._unasked()
        self.silent_since = None
        if not live.log_bin:
            return LOG_OFF, LASTING[LOG_OFF]
        if live.uuid != timeline.uuid:
            return LOG_OFF, (
                f"the server that answers at {self.settings.socket} is {live.uuid}, and the data in "
                f"{self.settings.data} is of {timeline.uuid}: start the store again"
            )
        if live.gtid_mode != "ON":
            return GTID_OFF, LASTING[GTID_OFF].format(about=live.gtid_mode)
        if live.filters:
            return FILTERED, LASTING[FILTERED].format(about=live.filters)
        if live.server_id == SERVER_ID:
            return None, LASTING[SAME_ID]  # what it wrote is known from its log
        return None, None

    def _unasked(self) -> tuple[str | None, str | None]:
        """Look whether a server that does not answer writes its log. One that starts does not yet."""
        if writes_log(self.settings.data) is not False:
            self.silent_since = None
            return None, None
        if self.silent_since is None:
            self.silent_since = time.monotonic()
        if not self.witness.refused and time.monotonic() - self.silent_since < STARTS_WITHIN:
            return None, None
        return LOG_OFF, f"{LASTING[LOG_OFF]} ({self.witness.problem})"

    def _counted(self, log: LogFile, asked: Mapping[str, Any], kinds: dict[str, str]) -> dict[str, Any]:
        """Add what counters tell to the kinds of holes. Returns what the counters are now."""
        again, live = dict(asked), self.live
        if live is not None and live.switched is not None:
            before = asked.get("switched", 0) if asked.get("start") == live.start else 0
            if live.switched > before or live.open:
                kinds[SWITCHED] = ""
            again.update(start=live.start, switched=live.switched)
        anonymous = int(log.document.get("anonymous") or 0)
        if anonymous:
            again["anonymous"] = f"{log.name}:{anonymous}"
            if again["anonymous"] != asked.get("anonymous"):
                kinds[GTID_OFF] = ""
        return again

    def _with(
        self,
        holes: Sequence[Hole],
        kinds: Mapping[str, str],
        looked: float,
        own: Sequence[Mapping[str, Any]],
    ) -> list[Hole]:
        """Return the holes with those that are seen now, without those that every full backup holds.

        What is seen before there is one may be while the first is made, which does not hold it then.
        """
        found = [one for one in holes if not own or not all(holds(manifest, one) for manifest in own)]
        for kind, gtids in kinds.items():
            last = next(
                (one for one in found if one.kind == kind and not (own and holds(own[-1], one))), None
            )
            if last is None:
                since, before = self._good(kind, looked, own)
                found.append(Hole(kind, since, time.time(), before, gtids))
            elif kind != GTIDS or last.gtids != gtids:
                found[found.index(last)] = replace(last, until=time.time(), gtids=gtids)
        return found


def writes_log(data: str) -> bool | None:
    """Return whether the server that runs on a directory of data has its binary log open; None if there is none."""
    wanted = {"data": os.path.join(data, "ibdata1")}
    with contextlib.suppress(NoStore):
        wanted["log"] = os.path.join(data, source_of(data).names[-1])
    status = {}
    for key, path in wanted.items():
        with contextlib.suppress(OSError):
            status[key] = os.stat(path)
    if "data" not in status:
        return None
    for process in filter(str.isdecimal, os.listdir("/proc")):
        found: set[str] = set()
        with contextlib.suppress(OSError):  # it may have ended
            for handle in os.scandir(f"/proc/{process}/fd"):
                with contextlib.suppress(OSError):
                    one = handle.stat()
                    found.update(key for key, other in status.items() if os.path.samestat(one, other))
        if "data" in found:
            return "log" in found
    return None
