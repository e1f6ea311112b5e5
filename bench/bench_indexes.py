# SPDX-License-Identifier: GPL-3.0-or-later
"""Indexes that MLflow lacks: what they save real calls of MLflow, and what they cost.

One store with MLflow's own schema, filled by the server with as many runs and traces as `--runs` and `--traces` say.
MLflow's own SQL store calls it:

- what reads is called in turns with the indexes and without. They are made invisible for that, which takes no time.
- what writes is called in turns too, with the indexes there and dropped, since MySQL maintains an invisible one.

The indexes are those of the option `mlflow_schema_extra_indexes`, and with `--all` those that were tried and are not
offered. With `--each` every one is looked at alone, too. With `--plans FILE` the statements of each call are written
there with EXPLAIN ANALYZE, both ways.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / ".cache" / "collections"), str(ROOT / "tools")]
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.extra_indexes import (
    OFFERED,
    ExtraIndex,
)
from default_versions import MYSQL_IMAGE

SERVER = (
    *(
        "--innodb-buffer-pool-size=2G",
        "--character-set-server=utf8mb4",
        "--collation-server=utf8mb4_0900_bin",
    ),
    *("--log-bin-trust-function-creators=ON", "--skip-name-resolve", "--innodb-numa-interleave=OFF"),
)
# Tried, and not offered. MLflow's pages ask for the versions of a run with BINARY run_id IN (...), for which MySQL uses
# no index, and for the newest ones it does not take the second.
OTHERS = (
    ExtraIndex("version_runs", "model_versions", ("run_id",), "2b4d017a5e9b"),
    ExtraIndex(
        "versions", "model_versions", ("last_updated_time desc", "name", "version desc"), "2b4d017a5e9b"
    ),
)
BEGIN = 1_760_000_000_000  # ms
PAYS = 1.5  # how many times as fast a call gets by an index alone that is named for it
HISTORY = 100_000  # points of one key of one run
CHILDREN = 100  # runs of one parent

Call = Callable[[], Any]


class Server:
    """A server in a container that is removed in the end."""

    def __init__(self) -> None:
        self.password = secrets.token_hex(8)
        self.name = f"idx-{secrets.token_hex(4)}"
        self.port = 0

    def __enter__(self) -> Server:
        self.docker(
            *("run", "--detach", "--name", self.name, "--init", "--publish", "127.0.0.1::3306"),
            *("--env", f"MYSQL_ROOT_PASSWORD={self.password}", "--env", "MYSQL_DATABASE=mlflow"),
            *(MYSQL_IMAGE, "mysqld", *SERVER),
        )
        self.port = int(self.docker("port", self.name, "3306/tcp").rpartition(":")[2])
        deadline = time.monotonic() + 120
        while True:
            try:
                self.execute("SELECT 1")
                return self
            except pymysql.err.MySQLError:
                if time.monotonic() > deadline:
                    self.__exit__()
                    raise
                time.sleep(0.5)

    def __exit__(self, *_dummy: object) -> None:
        self.docker("rm", "--force", "--volumes", self.name)

    @staticmethod
    def docker(*arguments: str) -> str:
        return subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    @property
    def uri(self) -> str:
        return f"mysql+pymysql://root:{self.password}@127.0.0.1:{self.port}/mlflow"

    def connect(self) -> Any:
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="root",
            password=self.password,
            database="mlflow",
            autocommit=True,
        )

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in one session; return the rows of the last."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def fill(server: Server, experiment: str, runs: int, traces: int) -> None:
    """Write runs and traces as years of work leave them. The server makes the rows, in the order of their keys."""
    session = (
        "SET SESSION sql_log_bin = OFF, cte_max_recursion_depth = 10000000, foreign_key_checks = 0,"
        " unique_checks = 0"
    )
    numbers = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {})"
    keys = "(SELECT 0 k UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4"
    keys += " UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9) keys_"
    # Evenly between 0 and 1, the same in every run of this benchmark.
    chance = "(CRC32(CONCAT(k, {})) / 4294967296e0)"
    of_run, of_trace = chance.format("run_uuid"), chance.format("request_id")
    # MySQL 9 has no MD5 any more. A run's number is in its name.
    digest = "LEFT(SHA2({}, 256), 32)".format
    of_number = digest("i")
    number = "CAST(SUBSTRING(name, 5) AS UNSIGNED)"
    steps = {
        "runs": "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status,"
        " start_time, end_time, source_version, lifecycle_stage, artifact_uri, experiment_id) "
        + numbers.format(runs - 1)
        + f" SELECT {of_number}, CONCAT('run-', i), 'LOCAL', 'train.py', '', CONCAT('user', i % 20), 'FINISHED',"
        f" {BEGIN} + i * 60000, {BEGIN} + i * 60000 + 3600000, {of_number}, IF(i % 50, 'active', 'deleted'),"
        f" CONCAT('s3://artifacts/{experiment}/', {of_number}, '/artifacts'), {experiment} FROM n ORDER BY 1",
        "params": "INSERT INTO params (`key`, value, run_uuid) SELECT CONCAT('param', k), CASE k"
        f" WHEN 0 THEN REVERSE(run_uuid) WHEN 1 THEN ROUND({of_run} / 10, 6)"
        f" WHEN 2 THEN ELT(1 + FLOOR({of_run} * 6), '16', '32', '64', '128', '256', '512')"
        f" ELSE CONCAT('value', FLOOR({of_run} * POW(10, k / 2))) END, run_uuid"
        f" FROM {keys} CROSS JOIN runs ORDER BY 1, 3",
        "latest_metrics": "INSERT INTO latest_metrics (`key`, value, timestamp, step, is_nan, run_uuid)"
        f" SELECT CONCAT('metric', k), {of_run}, end_time, 1000, 0, run_uuid"
        f" FROM {keys} CROSS JOIN runs ORDER BY 1, 6",
        "tags": "INSERT INTO tags (`key`, value, run_uuid) SELECT ELT(1 + k, 'mlflow.parentRunId', 'mlflow.runName',"
        f" 'mlflow.source.name', 'mlflow.user', 'team'), CASE k WHEN 0 THEN {digest(f'{number} DIV {CHILDREN}')}"
        f" WHEN 1 THEN name WHEN 2 THEN source_name WHEN 3 THEN user_id ELSE CONCAT('team', FLOOR({of_run} * 8)) END,"
        f" run_uuid FROM {keys} CROSS JOIN runs WHERE k < 5 ORDER BY 1, 3",
        "metrics": "INSERT INTO metrics (`key`, value, timestamp, step, is_nan, run_uuid) "
        + numbers.format(HISTORY - 1)
        + f" SELECT CONCAT('metric', k), {of_run}, {BEGIN} + i * 1000, i, 0, run_uuid FROM {keys} CROSS JOIN"
        f" (SELECT run_uuid FROM runs WHERE name IN ('run-1', 'run-2', 'run-3', 'run-4')) chosen"
        " CROSS JOIN n WHERE k < 5 ORDER BY 1, 3, 4, 6",
        "trace_info": "INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, execution_time_ms, status,"
        " request_preview, response_preview, trace_name, session_id, total_tokens) "
        + numbers.format(traces - 1)
        + f" SELECT CONCAT('tr-', {of_number}), {experiment}, {BEGIN} + i * 60000, 200 + i % 5000,"
        f" IF(i % 20, 'OK', 'ERROR'), REPEAT({of_number}, 10), REPEAT({of_number}, 10), CONCAT('agent', i % 10),"
        " CONCAT('session', i DIV 5), i % 4000 FROM n ORDER BY 1",
        "trace_tags": "INSERT INTO trace_tags (`key`, value, request_id) SELECT ELT(1 + k, 'mlflow.artifactLocation',"
        " 'mlflow.traceName', 'customer', 'environment'), CASE k WHEN 0 THEN CONCAT('s3://artifacts/', request_id)"
        f" WHEN 1 THEN trace_name WHEN 2 THEN CONCAT('customer', FLOOR({of_trace} * 1000)) ELSE"
        f" ELT(1 + FLOOR({of_trace} * 3), 'dev', 'test', 'prod') END, request_id"
        f" FROM {keys} CROSS JOIN trace_info WHERE k < 4 ORDER BY 3, 1",
        "trace_request_metadata": "INSERT INTO trace_request_metadata (`key`, value, request_id)"
        " SELECT ELT(1 + k, 'mlflow.trace.user', 'mlflow.trace_schema.version', 'mlflow.source.name',"
        " 'mlflow.sourceRun', 'version', 'mlflow.trace.sizeBytes'), CASE k"
        f" WHEN 0 THEN CONCAT('user', FLOOR({of_trace} * 500)) WHEN 1 THEN '3' WHEN 2 THEN 'serve.py'"
        f" WHEN 3 THEN {digest(f'FLOOR({of_trace} * 1000)')} WHEN 4 THEN CONCAT('v', FLOOR({of_trace} * 20))"
        f" ELSE FLOOR({of_trace} * 100000) END,"
        f" request_id FROM {keys} CROSS JOIN trace_info WHERE k < 6 ORDER BY 3, 1",
        "spans": "INSERT INTO spans (trace_id, experiment_id, span_id, parent_span_id, name, type, status,"
        " start_time_unix_nano, end_time_unix_nano, content) SELECT request_id, experiment_id, CONCAT('span', k),"
        " IF(k, 'span0', NULL), ELT(1 + k, 'agent', 'retrieve', 'chat'), ELT(1 + k, 'AGENT', 'RETRIEVER', 'LLM'),"
        " status, timestamp_ms * 1000000, (timestamp_ms + execution_time_ms) * 1000000,"
        ' CONCAT(\'{"attributes": {"text": "\', REPEAT(request_id, 20), \'"}}\')'
        f" FROM {keys} CROSS JOIN trace_info WHERE k < 3 ORDER BY 1, 3",
        "registered_models": "INSERT INTO registered_models (name, creation_time, last_updated_time) "
        + numbers.format(199)
        + f" SELECT CONCAT('model', i), {BEGIN}, {BEGIN} FROM n ORDER BY 1",
        "model_versions": "INSERT INTO model_versions (name, version, creation_time, last_updated_time, current_stage,"
        " source, run_id, status) "
        + numbers.format(19_999)
        + f" SELECT CONCAT('model', i % 200), 1 + i DIV 200, {BEGIN} + i * 60000, {BEGIN} + i * 60000, 'None',"
        f" CONCAT('s3://artifacts/', {of_number}), {of_number}, 'READY' FROM n ORDER BY 1, 2",
    }
    for table, statement in steps.items():
        started = time.monotonic()
        server.execute(session, statement)
        server.execute(f"ANALYZE LOCAL TABLE {table}")
        say(f"{table}: {time.monotonic() - started:.0f} s")


def reading(store: Any, registry: Any, experiment: str, server: Server) -> dict[str, Call]:
    """What reads, by what a person would call it."""

    def one(statement: str) -> str:
        return str(server.execute(statement)[0][0])

    def runs(filter_string: str = "", order_by: list[str] | None = None, page: int = 100) -> Call:
        return lambda: store.search_runs([experiment], filter_string, 1, page, order_by)

    def traces(filter_string: str | None = None, order_by: list[str] | None = None) -> Call:
        return lambda: store.search_traces([experiment], filter_string, 100, order_by)

    value = one("SELECT value FROM params WHERE `key` = 'param0' LIMIT 1 OFFSET 500")
    parent = one("SELECT LEFT(SHA2(7, 256), 32)")
    run = one("SELECT LEFT(SHA2(1, 256), 32)")
    last_day = BEGIN + 60_000 * int(one("SELECT COUNT(*) FROM trace_info")) - 86_400_000
    return {
        "runs: first page": runs(),
        "runs: first page as the UI sorts it": runs("", ["attributes.start_time DESC"]),
        "runs: ordered by a metric": runs("", ["metrics.metric0 DESC"]),
        "runs: ordered by a parameter": runs("", ["params.param1 ASC"]),
        "runs: ordered by end time": runs("", ["attributes.end_time DESC"]),
        "runs: a metric, 0.1 % match": runs("metrics.metric0 > 0.999"),
        "runs: a metric, 1 % match": runs("metrics.metric0 > 0.99"),
        "runs: a metric, half match": runs("metrics.metric0 > 0.5"),
        "runs: best 1 % by that metric": runs("metrics.metric0 > 0.99", ["metrics.metric0 DESC"]),
        "runs: a parameter, 1 match": runs(f"params.param0 = '{value}'"),
        "runs: a parameter, 1 of 6 match": runs("params.param2 = '64'"),
        "runs: a parameter and a metric": runs("params.param2 = '64' and metrics.metric1 > 0.99"),
        "runs: children of a run": runs(f"tags.`mlflow.parentRunId` = '{parent}'"),
        "runs: a name": runs("attributes.run_name = 'run-471'"),
        "runs: a tag, 1 of 8 match": runs("tags.team = 'team3'"),
        "runs: of a user": runs("attributes.user_id = 'user3'"),
        "run": lambda: store.get_run(run),
        "history of 100,000 points, sampled": lambda: store.get_metric_history_bulk_interval(
            [run], "metric0", 320, None, None
        ),
        "history, a page of 1,000": lambda: store.get_metric_history(run, "metric0", 1000),
        "traces: first page": traces(),
        "traces: last day": traces(f"attributes.timestamp_ms > {last_day}"),
        "traces: slowest": traces(None, ["attributes.execution_time_ms DESC"]),
        "traces: errors": traces("attributes.status = 'ERROR'"),
        "traces: a tag, 0.1 % match": traces("tags.customer = 'customer7'"),
        "traces: a tag, 1 of 3 match": traces("tags.environment = 'prod'"),
        "traces: of a user, 0.2 % match": traces("metadata.`mlflow.trace.user` = 'user7'"),
        "traces: of a run": traces(f"metadata.`mlflow.sourceRun` = '{parent}'"),
        "traces: of a session": traces("metadata.`mlflow.trace.session` = 'session7'"),
        "traces: a span's name": traces("span.name = 'chat'"),
        "model versions: of a run": lambda: registry.search_model_versions(f"run_id = '{run}'", 100),
        "model versions: first page": lambda: registry.search_model_versions(None, 100),
    }


def writing(store: Any, experiment: str) -> dict[str, Call]:
    """What writes."""
    from mlflow.entities import Metric, Param, RunTag, TraceInfo, TraceLocation, TraceState

    state: dict[str, Any] = {"run": "", "step": 0}

    def create_run() -> None:
        now = int(time.time() * 1000)
        state["run"] = store.create_run(experiment, "bench", now, [], None).info.run_id

    def log_batch() -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(f"metric{n}", n / 10, now, 0) for n in range(10)]
        params = [Param(f"param{n}", uuid.uuid4().hex) for n in range(10)]
        tags = [RunTag(f"tag{n}", uuid.uuid4().hex) for n in range(5)]
        store.log_batch(state["run"], metrics, params, tags)

    def log_metric() -> None:
        state["step"] += 1
        store.log_metric(
            state["run"], Metric("metric0", state["step"] / 7, int(time.time() * 1000), state["step"])
        )

    def start_trace() -> None:
        store.start_trace(
            TraceInfo(
                trace_id=f"tr-{uuid.uuid4().hex}",
                trace_location=TraceLocation.from_experiment_id(experiment),
                request_time=int(time.time() * 1000),
                state=TraceState.OK,
                tags={f"tag{n}": uuid.uuid4().hex for n in range(4)},
                trace_metadata={f"key{n}": uuid.uuid4().hex for n in range(4)},
            )
        )

    # A run that is made is the one that is logged to.
    return {
        "create_run": create_run,
        "log_batch": log_batch,
        "log_metric": log_metric,
        "start_trace": start_trace,
    }


def took(call: Call) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


@contextmanager
def statements_of(store: Any) -> Iterator[list[tuple[str, Any]]]:
    """The SELECTs that are sent meanwhile."""
    from sqlalchemy import event

    found: list[tuple[str, Any]] = []

    def before(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            found.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", before)
    yield found
    event.remove(store.engine, "before_cursor_execute", before)


def plans(server: Server, call: Call, store: Any) -> str:
    with statements_of(store) as found:
        call()
    text = ""
    connection = server.connect()
    with connection.cursor() as cursor:
        for statement, parameters in found:
            cursor.execute("EXPLAIN ANALYZE " + statement, parameters or None)
            text += f"{' '.join(cursor.mogrify(statement, parameters or None).split())[-900:]}\n"
            text += "".join(row[0] for row in cursor.fetchall()) + "\n"
    connection.close()
    return text


def visible(server: Server, indexes: Iterable[ExtraIndex], chosen: Iterable[ExtraIndex]) -> None:
    """Let the server use the chosen ones of the indexes, and no other."""
    for one in indexes:
        way = "VISIBLE" if one in chosen else "INVISIBLE"
        server.execute(f"ALTER TABLE {one.table} ALTER INDEX {one.index} {way}")


def make(server: Server, indexes: Iterable[ExtraIndex]) -> dict[str, float]:
    """Make the indexes; return the seconds that each took."""
    found = {}
    for one in indexes:
        started = time.monotonic()
        server.execute(one.make)
        found[one.index] = time.monotonic() - started
    return found


def sizes(server: Server) -> dict[str, float]:
    """MiB of each index, and of each table's rows."""
    rows = server.execute(
        "SELECT table_name, index_name, stat_value * @@innodb_page_size / 1048576 FROM mysql.innodb_index_stats"
        " WHERE database_name = 'mlflow' AND stat_name = 'size'"
    )
    return {(table if index == "PRIMARY" else index): float(size) for table, index, size in rows}


def spread(values: list[float]) -> float:
    low, _middle, high = statistics.quantiles(values, n=4)
    return (high - low) / statistics.median(values)


def bench(server: Server, arguments: argparse.Namespace, indexes: tuple[ExtraIndex, ...]) -> dict[str, Any]:
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(server.uri, "/tmp/artifacts")  # noqa: S108
    registry = Registry(server.uri)
    experiment = str(store.create_experiment("bench"))
    fill(server, experiment, arguments.runs, arguments.traces)
    calls = reading(store, registry, experiment, server)
    if arguments.only:
        calls = {name: call for name, call in calls.items() if arguments.only in name}
    made = make(server, indexes)
    for name, seconds in made.items():
        say(f"{name}: made in {seconds:.1f} s")
    bytes_of = sizes(server)
    ways: dict[str, tuple[ExtraIndex, ...]] = {"without": (), "with": indexes}
    if arguments.each:
        ways.update({one.name: (one,) for one in indexes})
    if arguments.plans:
        with open(arguments.plans, "w", encoding="utf-8") as stream:
            for way, chosen in ways.items():
                visible(server, indexes, chosen)
                for name, call in calls.items():
                    engine_of = registry if name.startswith("model") else store
                    stream.write(f"=== {name}, {way}\n{plans(server, call, engine_of)}\n")
    read: dict[str, dict[str, list[float]]] = {name: {way: [] for way in ways} for name in calls}
    for number in range(arguments.repeats + 1):
        for way, chosen in list(ways.items())[:: 1 if number % 2 else -1]:
            visible(server, indexes, chosen)
            for name, call in calls.items():
                milliseconds = took(call)
                if number:
                    read[name][way].append(milliseconds)
    visible(server, indexes, indexes)
    writers = writing(store, experiment)
    written: dict[str, dict[str, list[float]]] = {name: {"without": [], "with": []} for name in writers}
    for number in range(arguments.rounds + 1):
        for way in ("with", "without"):
            if way == "without":
                server.execute(*(one.drop for one in indexes))
            for _call in range(40):
                for name, call in writers.items():
                    milliseconds = took(call)
                    if number:
                        written[name][way].append(milliseconds)
        make(server, indexes)
    return {"read": read, "write": written, "made": made, "mib": bytes_of}


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Indexes that MLflow lacks: what they save and what they cost."
    )
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--traces", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--rounds", type=int, default=4, help="of writing")
    parser.add_argument("--all", action="store_true", help="those too that are not offered")
    parser.add_argument("--each", action="store_true", help="each index alone besides, for what reads")
    parser.add_argument("--only", default="", help="the reading calls with this in their names")
    parser.add_argument("--plans", help="file that gets the plans of the statements")
    arguments = parser.parse_args()
    indexes = (*OFFERED, *OTHERS) if arguments.all else OFFERED
    with Server() as server:
        result = bench(server, arguments, indexes)
    results = ROOT / "bench/results"
    results.mkdir(exist_ok=True)
    (results / "indexes.json").write_text(json.dumps(result, indent=1))
    report(result, indexes)


def report(result: dict[str, Any], indexes: tuple[ExtraIndex, ...]) -> None:
    print(f"{'ms for each call, median':40}{'without':>10}{'with':>10}{'ratio':>8}{'spread':>9}")
    ratios = {}
    for kind in ("read", "write"):
        for name, ways in result[kind].items():
            without, within = (statistics.median(ways[way]) for way in ("without", "with"))
            ratios[name] = without / within
            widest = max(spread(values) for values in ways.values())
            alone = ", ".join(
                f"{way} {without / statistics.median(values):.1f}"
                for way, values in ways.items()
                if way not in ("without", "with") and without / statistics.median(values) > PAYS
            )
            print(f"{name:40}{without:>10.1f}{within:>10.1f}{ratios[name]:>8.2f}{widest:>9.0%}  {alone}")
    for one in indexes:
        size, rows, seconds = (
            found.get(name, 0)
            for found, name in (
                (result["mib"], one.index),
                (result["mib"], one.table),
                (result["made"], one.index),
            )
        )
        print(
            f"{one.index} on {one.table} ({', '.join(one.on)}): {size:.0f} MiB, rows {rows:.0f} MiB, {seconds:.1f} s"
        )
    print("bench-indexes: without/with " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()))


if __name__ == "__main__":
    main()
