# SPDX-License-Identifier: Apache-2.0
"""How long MLflow cannot write while the schema is upgraded, against `mlflow db upgrade`, as ratios in one run.

Two stores with the same old release of MLflow are deployed side by side, and eight of its clients log to each. One is
upgraded by playbooks/upgrade_schema.yml, which ends the clients' connections; on the other the clients are stopped, as
MLflow wants it, and `mlflow db upgrade` of the same new release runs. Who goes first changes from round to round.

With --runs and --traces the stores get so many runs with 100 metrics each and traces with two spans each first, half of
the traces with token counts and costs, and one in ten with an assessment.

The whole run is counted without the installation of the new MLflow, which is there already for `mlflow db upgrade`. The
clients keep the processors busy while ours runs, and have been stopped for the other; with --idle there are none.
The downtime is what a client sees: from the last row that was acknowledged to an old client to the first login of a
client of the new MLflow, which finds its own revision. Every acknowledged row is looked for afterwards.

usage: bench_upgrade.py [--from 2.9.2,3.8.1] [--rounds 3] [--seconds 5] [--runs 100000] [--traces 1000000]
                        [--idle]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pymysql
import yaml

ROOT = Path(__file__).resolve().parent.parent
WRITERS = ROOT / "molecule/shared/writers.py"
DEFAULTS = ROOT / "roles/mlflow_schema/defaults/main.yml"
# Libraries that old releases of MLflow work with too.
LIBRARIES = ("sqlalchemy==2.0.43", "alembic==1.16.5", "pymysql==1.2.4", "cryptography==50.0.2")
PORTS = {"ours": 23316, "plain": 23317}
LOOKS_EVERY = 0.1  # seconds
METRICS = 100  # of a run
CHUNK = 1000  # runs or traces in a transaction
DIGITS = "(SELECT 0 d " + " ".join(f"UNION ALL SELECT {n}" for n in range(1, 10)) + ")"
NUMBERS = f"(SELECT a.d + 10 * b.d + 100 * c.d AS n FROM {DIGITS} a, {DIGITS} b, {DIGITS} c)"
# What fills tables, by the table and the columns that the store has.
RUN, TRACE, SPAN = "LPAD(n, 32, 'r')", "CONCAT('tr-', LPAD(n, 32, '0'))", "LPAD(s.d, 16, '0')"
OF_RUNS = {
    "runs": {
        "run_uuid": RUN,
        "name": "CONCAT('run-', n)",
        "source_type": "'LOCAL'",
        "user_id": "'bench'",
        "status": "'FINISHED'",
        "start_time": "1700000000000 + n",
        "end_time": "1700000001000 + n",
        "lifecycle_stage": "'active'",
        "experiment_id": "0",
    },
    "params": {"`key`": "CONCAT('p', s.d)", "value": "CONCAT('value ', n)", "run_uuid": RUN},
    "tags": {"`key`": "CONCAT('t', s.d)", "value": "CONCAT('value ', n)", "run_uuid": RUN},
    "metrics": {
        "`key`": "CONCAT('m', s.d MOD 10)",
        "value": "n / (1 + s.d)",
        "timestamp": "1700000000000 + s.d",
        "run_uuid": RUN,
        "step": "s.d DIV 10",
        "is_nan": "0",
    },
    "latest_metrics": {
        "`key`": "CONCAT('m', s.d)",
        "value": "n / (1 + s.d)",
        "timestamp": "1700000000000 + s.d",
        "step": "9",
        "is_nan": "0",
        "run_uuid": RUN,
    },
}
OF_TRACES = {
    "trace_info": {
        "request_id": TRACE,
        "experiment_id": "0",
        "timestamp_ms": "1700000000000 + n",
        "execution_time_ms": "100 + n MOD 900",
        "status": "'OK'",
        "request_preview": "REPEAT('q', 100)",
        "response_preview": "REPEAT('a', 100)",
    },
    "trace_tags": {
        "`key`": "ELT(1 + s.d, 'mlflow.traceName', 'kind')",
        "value": "'predict'",
        "request_id": TRACE,
    },
    "trace_request_metadata": {
        "`key`": "ELT(1 + s.d, 'mlflow.trace.session', 'mlflow.trace.tokenUsage')",
        "value": "ELT(1 + s.d, CONCAT('session-', n DIV 10), "
        """CONCAT('{"input_tokens": ', n MOD 700, ', "output_tokens": 90, "total_tokens": 790}'))""",
        "request_id": TRACE,
    },
    "trace_metrics": {
        "request_id": TRACE,
        "`key`": "ELT(1 + s.d, 'input_tokens', 'output_tokens', 'total_tokens')",
        "value": "ELT(1 + s.d, n MOD 700, 90, 790)",
    },
    "spans": {
        "trace_id": TRACE,
        "experiment_id": "0",
        "span_id": SPAN,
        "name": "'predict'",
        "type": "'CHAIN'",
        "status": "'OK'",
        "start_time_unix_nano": "1700000000000000000 + n * 1000000",
        "end_time_unix_nano": "1700000000100000000 + n * 1000000",
        "content": """CONCAT('{"name": "predict", "attributes": {"a": "', REPEAT('x', 300), '"}}')""",
        "dimension_attributes": "IF(n MOD 2, JSON_OBJECT('mlflow.llm.model', 'm', 'mlflow.llm.provider', 'p'), NULL)",
    },
    "span_metrics": {
        "trace_id": TRACE,
        "span_id": "LPAD(0, 16, '0')",
        "`key`": "ELT(1 + s.d, 'input_cost', 'output_cost', 'total_cost')",
        "value": "0.001 * (1 + s.d)",
    },
    "assessments": {
        "assessment_id": "CONCAT('a-', n)",
        "trace_id": TRACE,
        "name": "'correct'",
        "assessment_type": "'feedback'",
        "value": "'true'",
        "created_timestamp": "1700000000000 + n",
        "last_updated_timestamp": "1700000000000 + n",
        "source_type": "'HUMAN'",
        "valid": "1",
    },
}
# How many rows one number makes in a table, and which numbers do.
MANY = {
    **{"params": 2, "tags": 2, "metrics": METRICS, "latest_metrics": 10},
    **{"trace_tags": 2, "trace_request_metadata": 2, "trace_metrics": 3, "spans": 2, "span_metrics": 3},
}
SOME = {"trace_metrics": "n MOD 2", "span_metrics": "n MOD 2", "assessments": "n MOD 10 = 0"}
# The parts of the write lock, as the end of an upgrade says them, and the tasks that install MLflow.
PARTS = re.compile(r"writers were locked out for [\d.]+ s \(in seconds: ([^)]+)\)")
INSTALLING = re.compile(r"^\S+mlflow_venv : .*-- ([\d.]+)s$", re.MULTILINE)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Store:
    """A store on this machine, deployed by the collection."""

    def __init__(self, work: Path, name: str, old: str) -> None:
        self.name = name
        self.home = work / name
        self.port = PORTS[name]
        self.old = old
        self.inventory = work / f"{name}.yml"
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "/usr/bin/python3",
            "mlflow_mysql_home": str(self.home),
            "mlflow_mysql_container_name": f"bench_upgrade_{name}",
            "mlflow_mysql_port": self.port,
            "mlflow_mysql_memory_mb": 4096,
            "mlflow_backup_directory": str(self.home / "backups"),
            "mysql_base_image_debian_allow_stale": True,
        }
        self.inventory.write_text(yaml.safe_dump({"mlflow_backend_store": {"hosts": {name: variables}}}))

    def play(self, playbook: str, variables: dict[str, Any], profile: bool = False) -> str:
        environment = {**os.environ}
        if profile:
            environment.update(
                ANSIBLE_CALLBACKS_ENABLED="ansible.posix.profile_tasks",
                ANSIBLE_CALLBACK_PROFILE_TASKS_TASK_OUTPUT_LIMIT="all",
                PROFILE_TASKS_TASK_OUTPUT_LIMIT="all",
            )
        done = subprocess.run(
            [
                "ansible-playbook",
                "-i",
                str(self.inventory),
                "-e",
                json.dumps(variables),
                f"playbooks/{playbook}",
            ],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{playbook} failed on {self.name}:\n{done.stdout[-6000:]}{done.stderr[-2000:]}")
        return done.stdout

    def deploy(self) -> None:
        self.play(
            "deploy.yml",
            {"mlflow_schema_mlflow_version": self.old, "mlflow_schema_requirements": list(LIBRARIES)},
        )

    def remove(self) -> None:
        self.play("remove.yml", {"mlflow_mysql_purge_data": True})
        shutil.rmtree(self.home, ignore_errors=True)

    def password(self) -> str:
        return (self.home / "secrets/container/mysql_password").read_text()

    def uri(self) -> str:
        return (
            f"mysql+pymysql://mlflowusr:{self.password()}@127.0.0.1:{self.port}/mlflow"
            f"?ssl_ca={self.home}/tls/ca.pem"
        )

    def connect(self, timeout: int = 2) -> Any:
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="mlflowusr",
            password=self.password(),
            database="mlflow",
            ssl_ca=str(self.home / "tls/ca.pem"),
            connect_timeout=2,
            read_timeout=timeout,
        )

    def fill(self, runs: int, traces: int) -> None:
        """Put runs and traces into the tables that there are."""
        found = self.rows(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'mlflow'"
        )
        there = set(found)
        connection = self.connect(600)
        with connection, connection.cursor() as cursor:
            cursor.execute("SET foreign_key_checks = 0, unique_checks = 0")
            for count, tables in ((runs, OF_RUNS), (traces, OF_TRACES)):
                for start in range(0, count, CHUNK):
                    for table, wanted in tables.items():
                        columns = {
                            name: value for name, value in wanted.items() if (table, name.strip("`")) in there
                        }
                        if not columns:
                            continue
                        cursor.execute(
                            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} FROM "
                            f"(SELECT {start} + n AS n FROM {NUMBERS} x) r, (SELECT n AS d FROM {NUMBERS} y "
                            f"WHERE n < {MANY.get(table, 1)}) s WHERE r.n < {count} AND {SOME.get(table, '1')}"
                        )
                    connection.commit()
            cursor.execute("ANALYZE TABLE " + ", ".join(sorted({table for table, _column in there})))

    def rows(self, statement: str, timeout: int = 2) -> Any:
        connection = self.connect(timeout)
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall()
        finally:
            connection.close()

    def revision(self) -> str:
        return str(self.rows("SELECT version_num FROM alembic_version")[0][0])


class Clients:
    """Eight clients of the old MLflow."""

    def __init__(self, store: Store, directory: Path) -> None:
        self.store, self.directory = store, directory
        directory.mkdir()
        self.log = open(directory / "said", "w", encoding="utf-8")
        self.process = subprocess.Popen([*self.command("write")], stdout=self.log, stderr=self.log)

    def command(self, what: str) -> list[str]:
        python = self.store.home / f"mlflow/{self.store.old}/bin/python"
        password = self.store.home / "secrets/container/mysql_password"
        ca = self.store.home / "tls/ca.pem"
        return [
            str(python),
            str(WRITERS),
            what,
            str(password),
            str(self.store.port),
            str(ca),
            str(self.directory),
        ]

    def acknowledged(self) -> list[float]:
        found = []
        for path in self.directory.glob("acknowledged.*"):
            found += [json.loads(line)[0] for line in path.read_text().splitlines() if line.endswith("]")]
        return sorted(found)

    def stop(self) -> None:
        (self.directory / "stop").touch()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def lost(self) -> int:
        """How many of the acknowledged rows are not there."""
        there = {("run", row[0]) for row in self.store.rows("SELECT run_uuid FROM runs", 600)}
        there |= {
            ("metric", *row)
            for row in self.store.rows(
                "SELECT run_uuid, step FROM metrics WHERE `key` = 'loss' AND value = step", 600
            )
        }
        missing = 0
        for path in self.directory.glob("acknowledged.*"):
            missing += sum(tuple(json.loads(line)[1:]) not in there for line in path.read_text().splitlines())
        return missing


class Prober(threading.Thread):
    """Looks when a client of the new MLflow gets in."""

    def __init__(self, store: Store, head: str) -> None:
        super().__init__(daemon=True)
        self.store, self.head = store, head
        self.found: float | None = None

    def run(self) -> None:
        while self.found is None:
            # Locked out, or the server is down.
            with contextlib.suppress(pymysql.err.MySQLError):
                if self.store.revision() == self.head:
                    self.found = time.time()
            time.sleep(LOOKS_EVERY)


def parts_of(out: str) -> dict[str, float]:
    """The seconds of each part of the write lock, from the output of the playbook."""
    found = PARTS.search(" ".join(out.split()))
    if found is None:
        sys.exit(f"the upgrade does not say how long writers were locked out:\n{out[-3000:]}")
    return {name: float(seconds) for name, seconds in (part.split() for part in found[1].split(", "))}


def upgrade_ours(store: Store, clients: Clients | None, version: str, head: str) -> dict[str, Any]:
    prober = Prober(store, head)
    prober.start()
    started = time.time()
    out = store.play(
        "upgrade_schema.yml",
        {"mlflow_schema_mlflow_version": version, "mlflow_schema_disconnect": True},
        profile=True,
    )
    whole = time.time() - started
    prober.join(10)
    if prober.found is None:
        sys.exit("the upgraded store was never reached")
    parts = parts_of(out)
    downtime = sum(parts.values())
    if clients is not None:
        downtime = prober.found - max(at for at in clients.acknowledged() if at < prober.found)
        clients.stop()
    installing = sum(map(float, INSTALLING.findall(out)))
    return {"downtime": downtime, "whole": whole - installing, "installing": installing, "parts": parts}


def upgrade_plain(store: Store, clients: Clients | None, version: str, mlflow: Path) -> dict[str, Any]:
    # The migrator's rights, without its file: MLflow's own user may not change tables.
    password = (store.home / "secrets/migrator_password").read_text()
    uri = f"mysql+pymysql://mlflow_migrator:{password}@localhost/mlflow?unix_socket={store.home}/run/mysqld.sock"
    started = last = time.time()
    if clients is not None:
        clients.stop()
        last = clients.acknowledged()[-1]
    done = subprocess.run([str(mlflow), "db", "upgrade", uri], capture_output=True, text=True, check=False)
    ended = time.time()
    if done.returncode:
        sys.exit(f"mlflow db upgrade failed:\n{done.stderr[-4000:]}")
    return {"downtime": ended - last, "whole": ended - started}


def one_round(
    work: Path, old: str, version: str, head: str, options: argparse.Namespace, first: str
) -> dict[str, dict[str, Any]]:
    stores = {name: Store(work, name, old) for name in PORTS}
    results: dict[str, dict[str, Any]] = {}
    clients: Clients | None = None
    try:
        for store in stores.values():
            store.deploy()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda store: store.fill(options.runs, options.traces), stores.values()))
        for name in sorted(stores, key=lambda name: name != first):
            store = stores[name]
            if not options.idle:
                clients = Clients(store, work / f"clients-{name}")
                time.sleep(options.seconds)
            if name == "ours":
                results[name] = upgrade_ours(store, clients, version, head)
            else:
                # The same packages as those that the collection installs for its own upgrade.
                mlflow = work / "mlflow" / version / "bin/mlflow"
                results[name] = upgrade_plain(store, clients, version, mlflow)
            results[name]["acknowledged"] = len(clients.acknowledged()) if clients is not None else 0
            results[name]["lost"] = clients.lost() if clients is not None else 0
            if store.revision() != head:
                sys.exit(f"{name} is not at {head}")
    finally:
        if clients is not None:
            clients.stop()
        for store in stores.values():
            store.remove()
    return results


def install(work: Path, version: str, libraries: list[str]) -> None:
    """An MLflow of its own for `mlflow db upgrade`, as the collection installs it."""
    directory = work / "mlflow" / version
    subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
    pip = [str(directory / "bin/pip"), "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*pip, f"mlflow-skinny=={version}", *libraries], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--from", dest="olds", default="2.9.2,3.8.1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--traces", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--idle", action="store_true")
    options = parser.parse_args()
    defaults = yaml.safe_load(DEFAULTS.read_text())
    version, libraries = defaults["mlflow_schema_mlflow_version"], defaults["mlflow_schema_requirements"]
    sys.path.insert(0, str(ROOT / ".cache" / "collections"))
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import catalogue

    head = catalogue.load("tracking").releases[version]
    results: dict[str, list[dict[str, dict[str, Any]]]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-upgrade-") as directory:
        work = Path(directory)
        work.chmod(0o755)
        install(work, version, libraries)
        for old in options.olds.split(","):
            for number in range(options.rounds):
                for leftover in work.glob("clients-*"):
                    shutil.rmtree(leftover)
                found = one_round(work, old, version, head, options, first=("ours", "plain")[number % 2])
                results.setdefault(old, []).append(found)
                ours, plain = found["ours"], found["plain"]
                say(
                    f"{old} -> {version}, round {number + 1}: downtime {ours['downtime']:.1f} s, mlflow db upgrade "
                    f"{plain['downtime']:.1f} s; whole run {ours['whole']:.1f} s and {plain['whole']:.1f} s, without "
                    f"{ours['installing']:.1f} s for MLflow's packages; "
                    + ", ".join(f"{part} {seconds:.1f}" for part, seconds in ours["parts"].items())
                    + f"; lost {ours['lost']} of {ours['acknowledged']} and {plain['lost']} of {plain['acknowledged']}"
                )
    folder = ROOT / "bench/results"
    folder.mkdir(exist_ok=True)
    (folder / "upgrade.json").write_text(json.dumps(results, indent=1))
    for old, rounds in results.items():
        ratios = {
            key: statistics.median(one["ours"][key] / one["plain"][key] for one in rounds)
            for key in ("downtime", "whole")
        }
        print(
            f"bench-upgrade: {old} -> {version}: downtime {ratios['downtime']:.2f}, whole run {ratios['whole']:.2f} "
            f"of mlflow db upgrade (medians of {len(rounds)})"
        )


if __name__ == "__main__":
    main()
