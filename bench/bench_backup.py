# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups against mysqldump: how long they take, how large they are, how soon a store is back, what writers lose.

One store with MLflow's own schema and as many metrics as `--rows` says, in the image and with the settings of the role.
All ways take turns on the same data, and medians are compared:

- a full backup of this collection against mysqldump, plain and through gzip and zstd. All of it runs beside the server,
  and mysqldump writes from inside its container, so that nothing is sent through Docker.
- a restore: ours until the first login, mysqldump's uncompressed dump into a fresh server until the last statement.
- a restore of a full backup and of a binary log of single-row transactions.
- clients that log with MLflow's SQL store without a pause, and a few that pause, while backups are made one after the
  other: the calls that they get done, against the time before and after without a backup.

Every restored store must have the same rows: a difference ends this with 1. Run it as root: a store's files are its
server's.
"""

from __future__ import annotations

import argparse
import array
import bisect
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Sequence

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / ".cache" / "collections"), str(ROOT / "tools"), str(ROOT / "tests/harness")]
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

# A run's points: this many of each key. Eight runs go on at a time, a batch.
KEYS = (
    *("loss", "accuracy", "val/loss", "val/accuracy", "lr", "grad_norm", "epoch", "samples_per_second"),
    *("system/gpu_0_utilization_percentage", "system/system_memory_usage_megabytes"),
)
STEPS = 500
TOGETHER = 8
EVERY = 750  # ms between two steps
BEGIN = 1_760_000_000_000
PARAMS, TAGS = 25, 8

CONNECTIONS = 4  # that write the single-row transactions
SETTLE = 1.0  # seconds between two windows
# How many clients, and how long each pauses after a call.
CLIENTS = {"8 clients without pauses": (8, 0.0), "2 clients with pauses": (2, 0.05)}
PHASES = (("clone", "copies its data"), ("open", "opens the copy"), ("pack", "copy is packed"))
DUMP = "mysqldump --user=root --single-transaction --quick mlflow"
DUMPS = {
    "mysqldump": f"{DUMP} > /var/tmp/dump.sql",
    "mysqldump | gzip": f"{DUMP} | gzip > /var/tmp/dump.sql.gz",
    "mysqldump | zstd -1": f"{DUMP} | zstd -q -1 -T1 -f -o /var/tmp/dump.sql.zst",
}
SHELL = 'mysqlsh --user=root --socket=/var/run/mysqld/mysqld.sock --password="$MYSQL_PWD" --'
SHELL += " util dump-schemas mlflow --output-url=/var/tmp/dump.shell --threads=2 --show-progress=false"
OURS, SHELLS, FOLLOW = "full backup", "MySQL Shell's dump", "follow"
# What is done while clients write.
WRITERS_BESIDE = [OURS, "mysqldump | gzip", FOLLOW]

Tables = dict[str, tuple[int, int]]
Say = Callable[[str], None]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def fail(text: str) -> None:
    raise SystemExit(f"bench-backup: {text}")


def busy() -> float:
    """Seconds that all processors of the machine have worked."""
    with open("/proc/stat", encoding="ascii") as stream:
        fields = [int(field) for field in stream.readline().split()[1:9]]
    # All but idle and waiting for a disk; guests are counted as users already.
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


class Took(NamedTuple):
    seconds: float
    busy: float  # seconds of processors, of the whole machine
    size: int = 0


@contextlib.contextmanager
def timed() -> Iterator[list[Took]]:
    found: list[Took] = []
    started, worked = time.perf_counter(), busy()
    yield found
    found.append(Took(time.perf_counter() - started, busy() - worked))


def inside(store: Any, command: str) -> str:
    """Run a shell command in the store's container, as a client that is root there."""
    done = subprocess.run(
        ["docker", "exec", "--env", "MYSQL_PWD", store.container, "bash", "-o", "pipefail", "-c", command],
        env={**os.environ, "MYSQL_PWD": store.password},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        fail(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def size_of(path: Path) -> int:
    if path.is_dir():
        return sum(found.stat().st_blocks * 512 for found in path.rglob("*") if found.is_file())
    return path.stat().st_size


# Data


def make_schema(store: Any) -> str:
    """Make MLflow's tables; return the ID of an experiment in them."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    made = SqlAlchemyStore(store.uri, "/tmp/artifacts")  # noqa: S108
    experiment = str(made.create_experiment("bench"))
    made.engine.dispose()
    return experiment


def fill(store: Any, rows: int, experiment: str) -> None:
    """Write runs as a year of training leaves them. The server makes the metrics, in the order of their time."""
    chosen = random.Random(1)  # noqa: S311
    runs = -(-rows // (len(KEYS) * STEPS))
    connection = store.root()
    with connection.cursor() as cursor:
        cursor.execute("USE mlflow")
        # What fills the store is no part of what is measured.
        cursor.execute("SET SESSION sql_log_bin = OFF")
        left = rows
        for first in range(0, runs, TOGETHER):
            ids = [uuid.UUID(int=chosen.getrandbits(128)).hex for _run in range(min(TOGETHER, runs - first))]
            begin = BEGIN + first // TOGETHER * EVERY * STEPS
            write_runs(cursor, ids, begin, experiment, chosen)
            left -= write_metrics(cursor, ids, begin, left)
        for table in ("runs", "metrics", "latest_metrics", "params", "tags"):
            cursor.execute(f"ANALYZE LOCAL TABLE {table}")
            cursor.fetchall()
    connection.close()


def write_runs(cursor: Any, ids: Sequence[str], begin: int, experiment: str, chosen: random.Random) -> None:
    cursor.executemany(
        "INSERT INTO runs (run_uuid, name, source_type, source_name, user_id, status, start_time, end_time,"
        " source_version, lifecycle_stage, artifact_uri, experiment_id)"
        " VALUES (%s, %s, 'LOCAL', 'train.py', 'bench', 'FINISHED', %s, %s, %s, 'active', %s, %s)",
        [
            (
                one,
                f"stately-crane-{chosen.randrange(1000)}",
                begin,
                begin + EVERY * STEPS,
                f"{chosen.getrandbits(160):040x}",
                f"s3://artifacts/{experiment}/{one}/artifacts",
                experiment,
            )
            for one in ids
        ],
    )
    params = [
        (f"optimizer.group_{n}.value", f"{chosen.uniform(0, 1):.6g}", one)
        for one in ids
        for n in range(PARAMS)
    ]
    cursor.executemany("INSERT INTO params (`key`, value, run_uuid) VALUES (%s, %s, %s)", params)
    tags = [
        (f"mlflow.source.note_{n}", f"{chosen.getrandbits(256):x}", one) for one in ids for n in range(TAGS)
    ]
    cursor.executemany("INSERT INTO tags (`key`, value, run_uuid) VALUES (%s, %s, %s)", tags)
    connection = cursor.connection
    connection.commit()


def write_metrics(cursor: Any, ids: Sequence[str], begin: int, most: int) -> int:
    """Write all points of some runs, `most` at most; return how many."""
    keys = " UNION ALL ".join(f"SELECT {number} AS k, '{key}' AS `key`" for number, key in enumerate(KEYS))
    marks = ", ".join(["%s"] * len(ids))
    # A curve that falls, with noise, and a clock that is never exact.
    cursor.execute(
        "INSERT INTO metrics (`key`, value, timestamp, step, is_nan, run_uuid)"
        f" WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {STEPS - 1}), keys_ AS ({keys})"
        " SELECT keys_.`key`, (1 + k) * EXP(-i / (60 + 40 * k)) + RAND() / 10,"
        f" %s + i * {EVERY} + FLOOR(RAND() * 200), i, 0, run_uuid"
        f" FROM n CROSS JOIN runs CROSS JOIN keys_ WHERE run_uuid IN ({marks}) ORDER BY i, run_uuid LIMIT %s",
        (begin, *ids, most),
    )
    written = int(cursor.rowcount)
    cursor.execute(
        "INSERT INTO latest_metrics (`key`, value, timestamp, step, is_nan, run_uuid)"
        f" SELECT `key`, value, timestamp, step, is_nan, run_uuid FROM metrics WHERE run_uuid IN ({marks})"
        f" AND step = {STEPS - 1}",
        tuple(ids),
    )
    return written


def tables_of(store: Any) -> Tables:
    """The number of rows of each of MLflow's tables, and a checksum of their content."""
    found = {}
    for (name,) in store.execute("SHOW TABLES FROM mlflow"):
        count = store.execute(f"SELECT COUNT(*) FROM mlflow.`{name}`")[0][0]
        found[str(name)] = (int(count), int(store.execute(f"CHECKSUM TABLE mlflow.`{name}`")[0][1]))
    return found


def compare(what: str, wanted: Tables, found: Tables) -> None:
    """End this if a restored store is another one."""
    other = [
        f"{name} has {found.get(name)}, not {wanted.get(name)}"
        for name in sorted({*wanted, *found})
        if wanted.get(name) != found.get(name)
    ]
    if other:
        fail(f"{what} is another store (rows, checksum): {'; '.join(other)}")


# Backups


class Backup(NamedTuple):
    manifest: dict[str, Any]
    started: float
    ended: float
    phases: dict[str, tuple[float, float]]


def full(store: Any) -> Backup:
    """Make a full backup, and note when each of its phases began and ended."""
    started = time.monotonic()
    process = subprocess.Popen(
        [store.program, "--json", "full"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    said, begins = [], {}
    for line in process.stderr:
        said.append(line)
        for phase, words in PHASES:
            if words in line:
                begins[phase] = time.monotonic()
    output = process.stdout.read()
    code = process.wait()
    ended = time.monotonic()
    if code:
        fail(f"the full backup failed: {''.join(said)}")
    if list(begins) != [phase for phase, _words in PHASES]:
        fail(f"the full backup has other phases than {PHASES}: {said}")
    bounds = [*begins.values(), ended]
    phases = {phase: (bounds[number], bounds[number + 1]) for number, phase in enumerate(begins)}
    return Backup(json.loads(output.strip().splitlines()[-1]), started, ended, phases)


def archive_of(store: Any, manifest: dict[str, Any]) -> Path:
    return Path(store.home / "backups/full" / manifest["name"] / manifest["archive"]["file"])


def drop_backups(store: Any, but: str = "") -> None:
    for found in (store.home / "backups/full").iterdir():
        if found.name != but:
            shutil.rmtree(found)


def dump(store: Any, way: str) -> Path:
    """Make a dump; return where it is."""
    target = {
        "mysqldump": "dump.sql",
        "mysqldump | gzip": "dump.sql.gz",
        "mysqldump | zstd -1": "dump.sql.zst",
        SHELLS: "dump.shell",
    }[way]
    path = Path(store.home / "tmp" / target)
    if path.is_dir():
        shutil.rmtree(path)
    inside(store, SHELL if way == SHELLS else DUMPS[way])
    return path


def measure_backups(store: Any, rounds: int) -> tuple[dict[str, list[Took]], list[dict[str, float]]]:
    """Every way in its turn; the last full backup and the uncompressed dump stay."""
    ways = [OURS, *DUMPS]
    if inside(store, "command -v mysqlsh || true").strip():
        ways.append(SHELLS)
    figures: dict[str, list[Took]] = {way: [] for way in ways}
    phases = []
    for number in range(rounds):
        for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
            with timed() as found:
                if way == OURS:
                    backup = full(store)
                else:
                    path = dump(store, way)
            if way == OURS:
                path = archive_of(store, backup.manifest)
                drop_backups(store, backup.manifest["name"])
                phases.append({phase: end - begin for phase, (begin, end) in backup.phases.items()})
            figures[way].append(found[0]._replace(size=size_of(path)))
            say(f"  {way}: {found[0].seconds:.1f} s, {size_of(path) / 1e6:.0f} MB")
    return figures, phases


# Restores


def take_over(store: Any) -> None:
    """Put what was restored in the place of the data, and wait for the first login."""
    store.exchange()
    store.start()


class Restored(NamedTuple):
    took: Took
    parts: dict[str, float]  # seconds
    files: int  # of the binary log


def restore_ours(store: Any, *which: str) -> Restored:
    """Restore into the store itself. That it is stopped is no part of the time: who restores may have lost it."""
    with timed() as first:
        result = store.backup("restore", *which, "--into", str(store.restored))
    store.stop()
    with timed() as second:
        take_over(store)
    store.forget()
    took = Took(first[0].seconds + second[0].seconds, first[0].busy + second[0].busy)
    parts = {name: float(value) for name, value in result["seconds"].items()}
    checks = first[0].seconds - sum(parts.values())
    return Restored(took, {"check": checks, **parts, "start": second[0].seconds}, len(result["binary_log"]))


def measure_restores(
    store: Any, make: Any, wanted: Tables, rounds: int
) -> tuple[dict[str, list[Took]], list[dict[str, float]]]:
    """Ours and mysqldump's in turn, each compared with the store as it was."""
    name = next((store.home / "backups/full").iterdir()).name
    figures: dict[str, list[Took]] = {"restore": [], "mysql < dump": []}
    parts = []

    def ours() -> None:
        found = restore_ours(store, "--backup", name)
        compare("what was restored from the full backup", wanted, tables_of(store))
        figures["restore"].append(found.took)
        parts.append(found.parts)
        say(f"  restore: {found.took.seconds:.1f} s")

    def theirs() -> None:
        with make() as fresh:
            os.link(store.home / "tmp/dump.sql", fresh.home / "tmp/dump.sql")
            with timed() as found:
                inside(fresh, "mysql --user=root mlflow < /var/tmp/dump.sql")
            compare("what was restored from the dump", wanted, tables_of(fresh))
        figures["mysql < dump"].append(found[0])
        say(f"  mysql < dump: {found[0].seconds:.1f} s")

    for number in range(rounds):
        for one in (ours, theirs) if number % 2 == 0 else (theirs, ours):
            one()
    return figures, parts


def write_transactions(store: Any, count: int) -> None:
    """Write rows of metrics, each in a transaction of its own."""
    store.execute(
        "CREATE PROCEDURE mlflow.bench_log(first INT, many INT, run VARCHAR(32)) BEGIN"
        " DECLARE i INT DEFAULT first; WHILE i < first + many DO"
        " INSERT INTO mlflow.metrics (`key`, value, timestamp, step, is_nan, run_uuid)"
        f" VALUES ('bench/single', RAND(), {BEGIN} + i, i, 0, run); SET i = i + 1; END WHILE; END"
    )
    runs = [row[0] for row in store.execute("SELECT run_uuid FROM mlflow.runs LIMIT %s", CONNECTIONS)]
    many = count // CONNECTIONS
    # How fast they are written is not measured: nothing waits for the disk.
    store.execute("SET GLOBAL sync_binlog = 0")
    store.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
    threads = [
        threading.Thread(
            target=store.execute,
            args=("CALL mlflow.bench_log(%s, %s, %s)", number * many, many, runs[number % len(runs)]),
        )
        for number in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.execute("SET GLOBAL sync_binlog = 1")
    store.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 1")
    store.execute("DROP PROCEDURE mlflow.bench_log")


def measure_log(store: Any, transactions: int) -> dict[str, float]:
    """A full backup, transactions, and the restore of both."""
    drop_backups(store, full(store).manifest["name"])
    store.backup("copy")
    write_transactions(store, transactions)
    wanted = tables_of(store)
    with timed() as copied:
        store.backup("copy")
    name = next((store.home / "backups/full").iterdir()).name
    target = Path(f"{store.restored}.alone")
    # What the same restore takes without the log.
    with timed() as alone:
        store.backup("restore", "--backup", name, "--into", str(target))
    shutil.rmtree(target)
    found = restore_ours(store)
    compare("what was restored from the full backup and the binary log", wanted, tables_of(store))
    whole = found.took.seconds
    more = whole - found.parts["start"] - alone[0].seconds
    say(f"  restore with {transactions} transactions: {whole:.1f} s, {more:.1f} s more than without")
    return {
        "transactions": transactions,
        "copy": copied[0].seconds,
        "restore": whole,
        "apply": more,
        "files": found.files,
    }


# Writers


class Calls:
    """When each call of all clients ended, and how long it took."""

    def __init__(self, times: Iterable[tuple[float, float]]) -> None:
        self.times = sorted((ended, ended - started) for started, ended in times)
        self.ends = [ended for ended, _took in self.times]

    def within(self, start: float, end: float) -> list[float]:
        """How long those took that ended in this time."""
        first, last = bisect.bisect_left(self.ends, start), bisect.bisect_left(self.ends, end)
        return [took for _ended, took in self.times[first:last]]

    def rate(self, spans: Sequence[tuple[float, float]]) -> float:
        """Calls for each second of some spans."""
        return sum(len(self.within(*span)) for span in spans) / sum(end - start for start, end in spans)


def client(uri: str, experiment: str, number: int, pause: float, stop: Any, ready: Any, target: Path) -> None:
    """Log until told to stop, and write when each call began and ended."""
    from mlflow.entities import Metric
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    # A query parameter of its own gives it an engine of its own.
    store = SqlAlchemyStore(f"{uri}&program_name=client{number}", "/tmp/artifacts")  # noqa: S108
    made = store.create_run(experiment, "client", int(time.time() * 1000), [], f"client {number}")
    times = array.array("d")
    step = 0
    ready.release()
    while not stop.is_set():
        point = Metric(KEYS[step % len(KEYS)], 1 / (1 + step), int(time.time() * 1000), step)
        started = time.monotonic()
        store.log_metric(made.info.run_id, point)
        times.extend((started, time.monotonic()))
        step += 1
        if pause:
            time.sleep(pause)
    with open(target, "wb") as stream:
        times.tofile(stream)


class Window(NamedTuple):
    start: float
    end: float
    busy: float  # seconds of processors
    phases: dict[str, list[tuple[float, float]]]


def window(store: Any, way: str, seconds: float) -> Window:
    """Some time in which backups are made in this way, one after the other; whole ones only."""
    phases: dict[str, list[tuple[float, float]]] = {}
    follower = None
    if way == FOLLOW:
        store.backup("copy")  # it goes on, and has nothing to make up for
        follower = store.follow()
    time.sleep(SETTLE)
    start, worked = time.monotonic(), busy()
    try:
        while time.monotonic() < start + seconds:
            if way == OURS:
                for phase, span in full(store).phases.items():
                    phases.setdefault(phase, []).append(span)
            elif way in DUMPS:
                dump(store, way)
            else:
                time.sleep(max(start + seconds - time.monotonic(), 0))
        end, worked = time.monotonic(), busy() - worked
    finally:
        if follower is not None:
            if follower.poll() is not None:
                fail("the binary log was not followed any more")
            follower.terminate()
            follower.wait()
    if way == OURS:
        names = sorted(found.name for found in (store.home / "backups/full").iterdir())
        drop_backups(store, names[-1])
    return Window(start, end, worked, phases)


def measure_writers(
    store: Any, experiment: str, clients: int, pause: float, rounds: int, seconds: float
) -> dict[str, Any]:
    """Each way in its turn, between two windows without a backup; clients go on all the time."""
    ways = WRITERS_BESIDE
    context = multiprocessing.get_context("fork")
    stop, ready = context.Event(), context.Semaphore(0)
    targets = [Path(store.home / f"client-{number}") for number in range(clients)]
    processes = [
        context.Process(
            target=client, args=(store.uri, experiment, number, pause, stop, ready, target), daemon=True
        )
        for number, target in enumerate(targets)
    ]
    before = tables_of(store)["metrics"][0]
    for process in processes:
        process.start()
    windows: dict[str, list[tuple[Window, Window, Window]]] = {way: [] for way in ways}
    try:
        for _process in processes:
            if not ready.acquire(timeout=120):
                fail("a client does not start")
        time.sleep(3)  # caches and pools fill
        without = window(store, "none", seconds)
        for number in range(rounds):
            for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
                one = window(store, way, seconds)
                after = window(store, "none", seconds)
                windows[way].append((without, one, after))
                without = after
    finally:
        stop.set()
        for process in processes:
            process.join(60)
    if any(process.exitcode for process in processes):
        fail("a client failed")
    times = array.array("d")
    for target in targets:
        times.frombytes(target.read_bytes())
        target.unlink()
    missing = len(times) // 2 - (tables_of(store)["metrics"][0] - before)
    if missing:
        fail(f"{missing} of the clients' metrics are missing")
    return describe_writers(Calls(zip(times[::2], times[1::2])), windows)


def describe_writers(calls: Calls, windows: dict[str, list[tuple[Window, Window, Window]]]) -> dict[str, Any]:
    """What is left of the throughput in each way, and how long a call takes."""
    result: dict[str, Any] = {}
    for way, found in windows.items():
        ratios: list[float] = []
        parts: dict[str, list[float]] = {}
        for before, one, after in found:
            without = calls.rate([(before.start, before.end), (after.start, after.end)])
            ratios.append(calls.rate([(one.start, one.end)]) / without)
            for phase, spans in one.phases.items():
                parts.setdefault(phase, []).append(calls.rate(spans) / without)
        result[way] = {
            "kept": statistics.median(ratios),
            "ratios": ratios,
            "phases": {phase: statistics.median(values) for phase, values in parts.items()},
            **described(calls, [one for _before, one, _after in found]),
        }
        say(f"  {way}: {', '.join(f'{ratio:.2f}' for ratio in ratios)} {result[way]['phases'] or ''}")
    everything = {
        span.start: span
        for found in windows.values()
        for before, _one, after in found
        for span in (before, after)
    }
    result["none"] = {"kept": 1.0, **described(calls, list(everything.values()))}
    return result


def described(calls: Calls, spans: Sequence[Window]) -> dict[str, float]:
    lengths = sum(span.end - span.start for span in spans)
    took = sorted(one for span in spans for one in calls.within(span.start, span.end))
    return {
        "calls": len(took) / lengths,
        "median": statistics.median(took),
        "p95": took[len(took) * 95 // 100],
        "p99": took[len(took) * 99 // 100],
        "longest": took[-1],
        "busy": sum(span.busy for span in spans) / lengths / (os.cpu_count() or 1),
    }


# The whole


def measure(
    make: Any, rows: int, rounds: int, writer_rounds: int, seconds: float, transactions: int
) -> dict[str, Any]:
    with make() as store:
        say(f"{rows:,} rows: the store is filled")
        with timed() as filled:
            experiment = make_schema(store)
            fill(store, rows, experiment)
        wanted = tables_of(store)
        if wanted["metrics"][0] != rows:
            fail(f"the store has {wanted['metrics'][0]} metrics, not {rows}")
        figures: dict[str, Any] = {
            "rows": rows,
            "rounds": rounds,
            "writer_rounds": writer_rounds,
            "cores": os.cpu_count(),
            "filled": filled[0].seconds,
            "data": sum(size_of(found) for found in (store.home / "data").rglob("*.ibd")),
        }
        say("backups")
        backups, phases = measure_backups(store, rounds)
        say("restores")
        restores, parts = measure_restores(store, make, wanted, rounds)
        for path in (store.home / "tmp").glob("dump.*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        say("a restore with the binary log")
        figures["log"] = measure_log(store, transactions)
        figures["writers"] = {}
        for name, (clients, pause) in CLIENTS.items() if writer_rounds else ():
            say(name)
            figures["writers"][name] = measure_writers(
                store, experiment, clients, pause, writer_rounds, seconds
            )
        if writer_rounds:
            say("a restore of what was backed up while they wrote")
            store.backup("copy")
            wanted = tables_of(store)
            restore_ours(store)
            compare("what was restored of a backup under writers", wanted, tables_of(store))
    figures["phases"] = medians(phases)
    figures["restore_parts"] = medians(parts)
    for name, took in (("backups", backups), ("restores", restores)):
        figures[name] = {
            way: {
                "seconds": statistics.median(one.seconds for one in found),
                "low": min(one.seconds for one in found),
                "high": max(one.seconds for one in found),
                "busy": statistics.median(one.busy for one in found),
                "size": statistics.median(one.size for one in found),
            }
            for way, found in took.items()
        }
    return figures


def medians(found: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def show(figures: dict[str, Any]) -> str:
    """Print the table; return the line with the main ratios."""
    backups, restores, writers = figures["backups"], figures["restores"], figures["writers"]
    rows, log = figures["rows"], figures["log"]
    print(
        f"\n{rows:,} metrics, {figures['data'] / 1e6:.0f} MB of tables, {figures['cores']} cores, medians of",
        end="",
    )
    print(f" {figures['rounds']} (writers: {figures['writer_rounds']})\n")
    print(f"{'':32}{'seconds':>9}{'from-to':>14}{'ratio':>8}{'CPU s':>8}{'MB':>8}{'ratio':>8}")
    for part, first in ((backups, OURS), (restores, "restore")):
        for way, one in part.items():
            size = (
                f"{one['size'] / 1e6:>8.0f}{one['size'] / part[first]['size']:>8.1f}" if one["size"] else ""
            )
            print(
                f"{way:32}{one['seconds']:>9.1f}{one['low']:>8.1f}-{one['high']:<5.1f}"
                f"{one['seconds'] / part[first]['seconds']:>8.1f}{one['busy']:>8.1f}{size}"
            )
        if part is backups and SHELLS not in part:
            print(f"{SHELLS:32}{'-':>9}  not measured: the image has no mysqlsh")
    print()
    for what, steps in (("A full backup", figures["phases"]), ("A restore", figures["restore_parts"])):
        print(f"{what}: " + ", ".join(f"{step} {value:.1f} s" for step, value in steps.items()))
    print(
        f"A binary log of {log['transactions']:,} single-row transactions: copied in {log['copy']:.1f} s; a restore"
        f" with it takes {log['restore']:.1f} s, "
        + (
            f"{log['apply']:.1f} s more than without: {log['transactions'] / log['apply']:,.0f} transactions a second"
            if log["apply"] > 1
            else "about as long as without"
        )
    )
    for name, ways in writers.items():
        titles = ("kept", "from-to", "calls/s", "median", "p95", "p99", "longest", "busy")
        widths = (9, 14, 9, 8, 7, 7, 9, 7)
        print(f"\n{name:32}" + "".join(f"{title:>{width}}" for title, width in zip(titles, widths)))
        for way in ("none", *(way for way in ways if way != "none")):
            one = ways[way]
            spread = f"{min(one['ratios']):.2f}-{max(one['ratios']):.2f}" if "ratios" in one else ""
            milliseconds = [one[key] * 1000 for key in ("median", "p95", "p99", "longest")]
            print(
                f"{way:32}{one['kept']:>9.2f}{spread:>14}{one['calls']:>9.0f}{milliseconds[0]:>8.1f}{milliseconds[1]:>7.1f}"
                f"{milliseconds[2]:>7.1f}{milliseconds[3]:>9.0f}{one['busy']:>7.0%}"
            )
            for phase, value in one.get("phases", {}).items():
                print(f"  {'while ' + phase:30}{value:>9.2f}")
    ours, gzip = backups[OURS], backups["mysqldump | gzip"]
    restored = restores["mysql < dump"]["seconds"] / restores["restore"]["seconds"]
    kept = " and ".join(f"{ways[OURS]['kept']:.2f} ({name})" for name, ways in writers.items())
    return (
        f"bench-backup: restore {restored:.1f}x as fast as mysql < dump,"
        f" backup {gzip['seconds'] / ours['seconds']:.1f}x as fast as mysqldump|gzip,"
        f" size {ours['size'] / gzip['size']:.1f}x"
        + (f", writers keep {kept} of their throughput" if kept else "")
        + f" ({rows:,} rows)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000], help="metrics in the store")
    parser.add_argument("--rounds", type=int, default=3, help="of backups and restores")
    parser.add_argument("--writer-rounds", type=int, default=4, help="of clients that log; 0 leaves them out")
    parser.add_argument(
        "--seconds", type=float, default=10, help="of a window with or without backups, at least"
    )
    parser.add_argument(
        "--transactions", type=int, default=100_000, help="in the binary log that is restored"
    )
    options = parser.parse_args()
    if os.geteuid():
        sys.exit("bench-backup: run this as root")
    # Whoever ends this wants its containers and files removed too.
    signal.signal(signal.SIGTERM, lambda *_what: sys.exit(1))
    import backup_store

    results = ROOT / "bench/results"
    results.mkdir(exist_ok=True)
    found, line = [], ""
    for rows in options.rows:
        found.append(
            measure(
                backup_store.Store,
                rows,
                options.rounds,
                options.writer_rounds,
                options.seconds,
                options.transactions // CONNECTIONS * CONNECTIONS,
            )
        )
        (results / "backup.json").write_text(json.dumps(found, indent=1))
        line = show(found[-1])
    print(f"\n{line}")


if __name__ == "__main__":
    main()
