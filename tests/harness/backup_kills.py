# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a store and its backups at random moments, destroy the store, restore it, and look for what is missing.

In each round eight writers write into MLflow's tables, each statement with its GTID and the moment at which it was
acknowledged. The binary log is followed, a full backup begins at a random moment, and one or two of these are killed
with SIGKILL: mysqld, its container, `follow`, `full` with its children or alone, its throw-away server, `restore`. Then
the store is destroyed: its data is deleted while the writers write, or it is stopped or killed and the rest of its
binary log is copied first. A round is good when the restored store has every acknowledged row up to where the backups
say that the copy ends, exactly those, each with its value, and nothing temporary is left. Prints a line for each round;
the exit status is 1 if any is not good.

usage: backup_kills.py [--rounds 100] [--seed NUMBER] [--break part|row]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".cache" / "collections"), str(ROOT / "tools"), str(ROOT / "tests/harness")]

import pymysql
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import parse_time
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.binlog_reader import GtidSet
from backup_store import Store, docker
from pymysql.constants import CLIENT

WRITERS = 8
BATCH = 100  # rows of a large statement
MOST_ROWS = 40_000  # then the tables are emptied
SPAN = 5.0  # seconds of a round in which something is killed
OLD = 5.0  # seconds; nobody is still writing to it
WITHIN = 120.0  # seconds until a full backup succeeds
GTID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:\d+")
COLUMNS = "(`key`, value, timestamp, step, is_nan, run_uuid) VALUES (%s, %s, %s, %s, %s, %s)"
INSERT = f"INSERT INTO metrics {COLUMNS}"
NEWEST = (
    f"INSERT INTO latest_metrics {COLUMNS} AS new"
    " ON DUPLICATE KEY UPDATE value = new.value, timestamp = new.timestamp, step = new.step"
)
# What one transaction writes into two tables is in both or in none.
TORN = (
    "SELECT COUNT(*) FROM (SELECT run_uuid, MAX(step) AS step FROM mlflow.metrics WHERE `key` = 'both'"
    " GROUP BY run_uuid) AS m"
    " LEFT JOIN mlflow.latest_metrics AS l ON l.run_uuid = m.run_uuid AND l.`key` = 'both'"
    " WHERE NOT m.step <=> l.step"
)
ALONE = ("mysqld", "container", "follow", "full", "full alone", "throw-away", "restore")
TOGETHER = (
    *(("mysqld", "follow"), ("container", "follow"), ("mysqld", "full"), ("container", "full alone")),
    *(("full", "follow"), ("full alone", "follow"), ("throw-away", "mysqld"), ("throw-away", "full alone")),
)
OF_A_FULL = ("full", "full alone", "throw-away")
ENDS = ("deleted", "deleted", "deleted under it", "stopped", "killed")
SERVERS = ((1 << 30, "OFF"), (1 << 18, "OFF"), (1 << 18, "ON"))  # size of a file of the log, compression

Key = tuple[str, str, int]  # key, run, step
Value = tuple[float, int]  # value, timestamp


class Row(NamedTuple):
    """An acknowledged row. One that an earlier restore brought back has no GTID."""

    value: Value
    when: float
    gtid: str


class Bad(Exception):
    """The round cannot go on."""


class Writer(threading.Thread):
    """Writes metrics of one run, and remembers what was acknowledged."""

    def __init__(self, store: Store, run: str, step: int, seed: str) -> None:
        super().__init__(daemon=True)
        self.store, self.run_uuid, self.step = store, run, step
        self.draw = random.Random(seed)
        self.acknowledged: dict[Key, Row] = {}
        self.in_doubt: dict[Key, Value] = {}
        self.ending = threading.Event()

    def run(self) -> None:
        while not self.ending.is_set():
            try:
                connection = pymysql.connect(
                    unix_socket=self.store.socket,
                    user="root",
                    password=self.store.password,
                    database="mlflow",
                    autocommit=True,
                    client_flag=CLIENT.SESSION_TRACK,
                    read_timeout=60,
                )
                with connection, connection.cursor() as cursor:
                    cursor.execute("SET SESSION session_track_gtids = OWN_GTID")
                    while not self.ending.is_set():
                        self.write(connection, cursor)
                        time.sleep(self.draw.random() * 0.02)
            except (pymysql.MySQLError, OSError):
                time.sleep(0.05)

    def write(self, connection: Any, cursor: Any) -> None:
        kind = self.draw.choices(("one", "both", "many"), (92, 7, 1))[0]
        rows = {}
        for _number in range(BATCH if kind == "many" else 1):
            self.step += 1
            rows[(kind, self.run_uuid, self.step)] = (self.draw.random(), time.time_ns() // 1_000_000)
        self.in_doubt.update(rows)
        values = [(kind, value, when, step, 0, run) for (kind, run, step), (value, when) in rows.items()]
        if kind == "both":
            cursor.execute("BEGIN")
        cursor.executemany(INSERT, values)
        if kind == "both":
            cursor.execute(NEWEST, values[0])
            cursor.execute("COMMIT")
        when = time.time()
        gtid = GTID.search(connection._result.message)
        if gtid is None:
            raise RuntimeError("the server does not say which GTID a statement got")
        for key, value in rows.items():
            self.acknowledged[key] = Row(value, when, gtid.group().decode())
            del self.in_doubt[key]


class Follow(threading.Thread):
    """Keeps `follow` running, as systemd does."""

    def __init__(self, store: Store, draw: random.Random) -> None:
        super().__init__(daemon=True)
        self.store, self.draw = store, draw
        self.held = self.ending = False
        self.lock = threading.Lock()
        self.process = store.follow()
        self.died: list[str] = []

    def run(self) -> None:
        while not self.ending:
            time.sleep(0.05)
            code = self.process.poll()
            if code is None or self.held:
                continue
            if code not in (0, -signal.SIGKILL):  # it ends with 0 when its settings change
                said = (self.store.home / "follow.log").read_text().splitlines()[-1:]
                self.died.append(f"follow ended with {code}: {said}")
            time.sleep(self.draw.random())
            with self.lock:
                if not self.held:
                    self.process = self.store.follow()

    def kill(self, hold: bool = False) -> None:
        with self.lock:
            self.held = hold
            self.process.kill()
            self.process.wait()


class Command:
    """A command of the program that can be killed."""

    def __init__(self, store: Store, *arguments: str) -> None:
        self.arguments = arguments
        self.output = open(store.home / f"{arguments[0]}.out", "w+b")
        self.errors = open(store.home / f"{arguments[0]}.err", "w+b")
        self.process = subprocess.Popen(
            [store.program, "--json", *arguments],
            stdout=self.output,
            stderr=self.errors,
            start_new_session=True,
        )
        self.began = time.monotonic()
        self.killed = False

    def running(self) -> bool:
        return self.process.poll() is None

    def kill(self, alone: bool) -> None:
        self.killed = self.running()
        if alone:
            self.process.kill()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def result(self) -> dict[str, Any]:
        """Return the result. Raises Bad if there is none, and if it is not one that the program means to give."""
        code = self.process.wait(WITHIN)
        self.output.seek(0)
        self.errors.seek(0)
        said, errors = self.output.read().decode(), self.errors.read().decode()
        try:
            found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
        except (ValueError, IndexError):
            raise Bad(f"{self.arguments[0]} ended with {code}: {errors.strip()[-600:]}") from None
        if code not in (0, 1) or (code == 1) != ("problem" in found):
            raise Bad(f"{self.arguments[0]} ended with {code}: {said} {errors}")
        return found

    def orphans(self) -> list[str]:
        """Return the processes of its session that run."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                name, _separator, rest = path.read_text().partition("(")[2].rpartition(")")
                state, _parent, _group, session = rest.split()[:4]
                if int(session) == self.process.pid and state != "Z":
                    found.append(name)
        return found


def throw_away(store: Store, *options: str) -> list[str]:
    label = f"mlflow_ops.backend_store.throw_away={store.home}"
    return docker("ps", "--quiet", "--filter", f"label={label}", *options).split()


def kill_mysqld(store: Store) -> None:
    """Kill the server: its container's first process is an init, whose child it is."""
    init = docker("inspect", "--format", "{{.State.Pid}}", store.container, check=False)
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{init or 0}/task/{init or 0}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)


def runs(store: Store) -> bool:
    return docker("inspect", "--format", "{{.State.Running}}", store.container, check=False) == "true"


def delete_data(store: Store) -> None:
    """Delete the data, also while a server still makes files in it."""
    for _attempt in range(200):
        for path in (store.home / "data").iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if not any((store.home / "data").iterdir()):
            return
    raise Bad("the data cannot be deleted")


def make_store() -> tuple[Store, list[str]]:
    """Make a store with the tables of the real MLflow, and a run for each writer."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = Store(keep_days=0, keep_last=2)
    store.__enter__()
    try:
        tracking = SqlAlchemyStore(store.uri, str(store.home / "artifacts"))
        made = [
            tracking.create_run("0", "somebody", 0, [], f"writer {number}").info.run_id
            for number in range(WRITERS)
        ]
        tracking.engine.dispose()
        return store, made
    except BaseException:
        store.__exit__()
        raise


@dataclass
class Outcome:
    """What a round found."""

    events: list[str] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    acknowledged: int = 0
    after: int = 0
    seconds_after: float = 0.0
    before: int = 0


class Harness:
    """One store, round after round. What a restore brings back is what the next round begins with."""

    def __init__(self, wrong: str | None) -> None:
        self.wrong = wrong
        self.store, self.runs = make_store()
        self.follow = Follow(self.store, random.Random(0))
        self.follow.start()
        self.known: dict[Key, Row] = {}
        self.steps = 0

    def close(self) -> None:
        self.follow.ending = True
        self.follow.kill(hold=True)
        self.store.__exit__()

    # A round

    def round(self, seed: int) -> Outcome:
        self.draw, self.outcome, self.began = random.Random(seed), Outcome(), time.monotonic()
        self.full: Command | None = None
        self.fulls: list[Command] = []
        self.steps += 1_000_000
        self.follow.died.clear()
        self.configure()
        writers = [
            Writer(self.store, run, self.steps, f"{seed} {number}") for number, run in enumerate(self.runs)
        ]
        for writer in writers:
            writer.start()
        try:
            victims = self.draw.choice([(one,) for one in ALONE] * 2 + list(TOGETHER))
            self.kill_and_back_up(victims)
            destroyed = self.destroy(writers)
            result = self.restore("restore" in victims)
        finally:
            for writer in writers:
                writer.ending.set()
            for writer in writers:
                writer.join()
            if self.full is not None and self.full.running():
                self.full.kill(alone=False)
        self.outcome.problems += self.follow.died
        if not all(writer.acknowledged for writer in writers):
            self.outcome.problems.append("not all writers wrote")
        self.compare(writers, destroyed, result)
        return self.outcome

    def event(self, what: str) -> None:
        self.outcome.events.append(f"{what} at {time.monotonic() - self.began:.1f} s")

    def configure(self) -> None:
        """Draw how the server and `follow` behave, and empty the tables when they are large."""
        size, compression = self.draw.choice(SERVERS)
        self.store.execute("SET PERSIST max_binlog_size = %s", size)
        self.store.execute(f"SET PERSIST binlog_transaction_compression = {compression}")
        if self.draw.random() < 0.3:
            self.follow.kill(hold=True)
            self.store.settings(keep_days=0, keep_last=2, interval=self.draw.choice((0.1, 0.3, 1.0)))
            self.follow.held = False
        if len(self.known) > MOST_ROWS:
            for table in ("metrics", "latest_metrics"):
                self.store.execute(f"TRUNCATE mlflow.{table}")
            self.known.clear()

    def start_full(self) -> Command:
        self.full = Command(self.store, "full")
        self.fulls.append(self.full)
        return self.full

    def kill_and_back_up(self, victims: tuple[str, ...]) -> None:
        """Kill the victims at a random moment, and make full backups until one succeeds."""
        waiting = [one for one in victims if one != "restore"]
        moment = self.began + self.draw.uniform(0.2, SPAN)
        begin = self.began + self.draw.uniform(0, 1.5)
        deadline = self.began + WITHIN
        done = False
        while waiting or not done or self.full is not None:
            now = time.monotonic()
            if now > deadline:
                raise Bad(f"no full backup succeeded in {WITHIN:.0f} s: {dict(self.outcome.notes)}")
            if self.full is not None and not self.full.running():
                if self.full.killed:
                    begin = now + self.draw.uniform(0, 1)
                elif self.made_full():
                    done = True
                else:
                    begin = now + 0.5
                self.full = None
            # A full backup is made until one succeeds, and one more for a victim that is a part of it.
            if self.full is None and now >= begin and (not done or set(waiting) & set(OF_A_FULL)):
                self.start_full()
                if done:
                    moment = now + self.draw.uniform(0, SPAN)
            if waiting and now >= moment and self.reachable(waiting):
                self.kill(waiting)
                if set(waiting) & {"mysqld", "container"}:
                    self.store.start()
                waiting = []
            time.sleep(0.05)

    def reachable(self, victims: list[str]) -> bool:
        """Return whether the victims are there to be killed."""
        if not set(victims) & set(OF_A_FULL):
            return True
        if self.full is None or not self.full.running():
            return False
        return "throw-away" not in victims or bool(throw_away(self.store))

    def kill(self, victims: list[str]) -> None:
        if "throw-away" in victims:
            time.sleep(self.draw.uniform(0, 1.5))
        for victim in victims:
            if victim == "mysqld":
                kill_mysqld(self.store)
            elif victim == "container":
                docker("kill", self.store.container, check=False)
            elif victim == "follow":
                self.follow.kill()
            elif victim == "throw-away":
                for container in throw_away(self.store):
                    docker("kill", container, check=False)
            elif self.full is not None:
                self.full.kill(alone=victim == "full alone")
            self.event(victim)

    def made_full(self) -> bool:
        """Return whether the full backup that ended is made, and look at what is left then."""
        assert self.full is not None
        result = self.full.result()
        if "problem" in result:
            self.outcome.notes[f"full: {result['problem'][:90]}"] += 1
            return False
        for where in ("tmp", "backups/full"):
            for path in (self.store.home / where).iterdir():
                if path.name.startswith((".partial", "clone-", "backup-", "restore-")):
                    self.outcome.problems.append(f"left after a full backup: {path.name}")
        for path in (self.store.home / "backups/binlog").glob("*/.partial*"):  # `follow` writes some now
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > OLD:
                    self.outcome.problems.append(f"left of a copy: {path.name}")
        left = throw_away(self.store, "--all")
        if left:
            self.outcome.problems.append(f"{len(left)} throw-away containers are left after a full backup")
        for command in self.fulls:
            if command.orphans():
                self.outcome.problems.append(f"processes of a killed full backup run: {command.orphans()}")
        return True

    def destroy(self, writers: list[Writer]) -> dict[str, Any]:
        """Destroy the store. Returns what the backups say of it then, and whether all of it must be there."""
        store, end = self.store, self.draw.choice(ENDS)
        time.sleep(self.draw.uniform(0, 1.5))
        if self.draw.random() < 0.3:  # while a full backup is on its way
            self.start_full()
            time.sleep(self.draw.uniform(0, SPAN))
        if end.startswith("deleted") and self.draw.random() < 0.4:  # not copied for a while
            self.follow.kill(hold=True)
            self.event("follow")
            time.sleep(self.draw.uniform(0, 2))
        self.event(end)
        whole = end in ("stopped", "killed")
        if end == "stopped":
            store.stop()
        elif end == "killed":
            kill_mysqld(store)
        elif end == "deleted":
            kill_mysqld(store)
            delete_data(store)
        else:
            threading.Timer(self.draw.uniform(0, 0.5), kill_mysqld, [store]).start()
            delete_data(store)
        for _attempt in range(100):
            if not runs(store):
                break
            time.sleep(0.05)
        else:
            docker("kill", store.container)
        for writer in writers:
            writer.ending.set()
        for writer in writers:
            writer.join()
        if self.full is not None:
            try:
                self.full.result()  # made or not, it comes to an end
            except subprocess.TimeoutExpired:
                raise Bad("a full backup of a store that is gone does not end") from None
            self.full = None
        if whole:
            store.backup("copy")
            delete_data(store)
        elif any((store.home / "data").iterdir()):
            delete_data(store)  # what the server made before it was killed
        listed = store.backup("list")
        self.follow.held = False
        return {**listed["binary_log"][-1], "copied": parse_time(listed["copied"]), "whole": whole}

    def restore(self, killed: bool) -> dict[str, Any]:
        """Restore the store and start it. Returns what the program says of it."""
        store = self.store
        arguments = ("restore", "--into", str(store.restored))
        if self.wrong == "part":
            newest = max(
                (store.home / "backups/binlog").glob("*/*.zst"), key=lambda path: path.stat().st_mtime_ns
            )
            newest.unlink()
        if killed:
            first = Command(store, *arguments)
            time.sleep(self.draw.uniform(0, SPAN))
            self.event("restore")
            first.kill(alone=self.draw.random() < 0.5)
            if not first.killed:
                self.outcome.notes["the restore had ended"] += 1
        result = Command(store, *arguments).result()
        if "problem" in result:
            raise Bad(f"restore: {result['problem']}")
        if any(store.home.glob(".partial*")):
            self.outcome.problems.append("left after a restore: a half made directory of data")
        store.exchange()
        store.forget()
        store.start()
        if self.wrong == "row":
            store.execute("DELETE FROM mlflow.metrics ORDER BY timestamp LIMIT 1")
        return result

    def compare(self, writers: list[Writer], said: dict[str, Any], result: dict[str, Any]) -> None:
        """Compare what was acknowledged with what is there."""
        outcome, store = self.outcome, self.store
        tables = result["tables"]["mlflow"]
        connection = store.root()
        with connection, connection.cursor() as cursor:

            def look(statement: str) -> list[tuple[Any, ...]]:
                cursor.execute(statement)
                return list(cursor.fetchall())

            executed = str(look("SELECT @@gtid_executed")[0][0]).replace("\n", "")
            counts = {table: look(f"SELECT COUNT(*) FROM mlflow.`{table}`")[0][0] for table in tables}
            torn = look(TORN)[0][0]
            rows: dict[Key, Value] = {
                (key, run, step): (value, when)
                for key, run, step, value, when in look(
                    "SELECT `key`, run_uuid, step, value, timestamp FROM mlflow.metrics"
                )
            }
        if result["gtid_set"] != executed and self.wrong is None:
            outcome.problems.append(f"the result has GTIDs {result['gtid_set']}, the store {executed}")
        there = GtidSet(result["gtid_set"])
        has_all = GtidSet(said["gtid_set"]) <= there
        if not has_all:
            outcome.problems.append(
                f"the list has GTIDs {said['gtid_set']}, the restore {result['gtid_set']}"
            )
        for table, count in tables.items():
            if counts[table] != count:
                outcome.problems.append(f"the result has {count} rows of {table}, the store {counts[table]}")
        if torn:
            outcome.problems.append(f"{torn} transactions are there in parts")

        wrong: Counter[str] = Counter()
        acknowledged, in_doubt = dict(self.known), {}
        for writer in writers:
            outcome.acknowledged += len(writer.acknowledged)
            acknowledged.update(writer.acknowledged)
            in_doubt.update(writer.in_doubt)
        last = parse_time(said["last_transaction"]) if said["last_transaction"] else 0
        lost = []
        for key, row in acknowledged.items():
            named = not row.gtid or row.gtid in there
            if key in rows:
                wrong["rows have another value"] += rows[key] != row.value
                wrong["rows are there that the GTIDs do not name"] += not named
            elif said["whole"] or named or row.when <= max(said["copied"], last):
                outcome.before += 1
                wrong["rows are missing that the GTIDs name"] += named
                wrong["rows are missing that were acknowledged before the copy"] += row.when <= said["copied"]
                wrong["rows are missing that were acknowledged before the last transaction"] += (
                    row.when <= last
                )
            else:
                lost.append(row.when)
        for key, value in rows.items():
            wrong["rows are there that nobody wrote"] += (
                key not in acknowledged and in_doubt.get(key) != value
            )
        if lost:
            outcome.after, outcome.seconds_after = len(lost), max(lost) - said["copied"]
        if outcome.before:
            outcome.problems.append(f"{outcome.before} acknowledged rows are lost")
        outcome.problems += [f"{count} {what}" for what, count in wrong.items() if count]
        self.known = {key: Row(value, 0.0, "") for key, value in rows.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=100, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100000, help="of the first round")
    parser.add_argument(
        "--break", dest="wrong", choices=("part", "row"), help="lose that, to see a round fail"
    )
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))  # what was made is removed
    began = time.monotonic()
    harness: Harness | None = None
    bad = acknowledged = after = before = 0
    longest = 0.0
    notes: Counter[str] = Counter()
    try:
        for number in range(1, options.rounds + 1):
            if harness is None:
                harness = Harness(options.wrong)
            seed, started = options.seed + number - 1, time.monotonic()
            again = False
            try:
                outcome = harness.round(seed)
            except (Bad, RuntimeError, pymysql.MySQLError) as error:
                outcome, again = harness.outcome, True
                outcome.problems.append(f"{type(error).__name__}: {error}")
            bad += bool(outcome.problems)
            acknowledged += outcome.acknowledged
            after, before = after + outcome.after, before + outcome.before
            longest = max(longest, outcome.seconds_after)
            notes.update(outcome.notes)
            print(
                f"round {number}, seed {seed}: {', '.join(outcome.events)}: {outcome.acknowledged} rows acknowledged, "
                f"lost after the copy {outcome.after} ({outcome.seconds_after:.2f} s), lost before {outcome.before}, "
                f"{time.monotonic() - started:.1f} s: {'; '.join(outcome.problems) or 'good'}",
                flush=True,
            )
            if again:  # nobody knows what state its store is in
                harness.close()
                harness = None
    finally:
        if harness is not None:
            harness.close()
    for note, count in notes.most_common():
        print(f"  {count} times {note}")
    print(
        f"{acknowledged} rows acknowledged, lost after the copy {after} (at most {longest:.2f} s), "
        f"lost before {before}, {time.monotonic() - began:.0f} s"
    )
    print(f"{options.rounds - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
