# SPDX-License-Identifier: Apache-2.0
"""The databases that bench_mlflow.py compares, each with what people would give it, and the same data in all of them.

- sqlite: a file, as `mlflow server` makes one.
- postgresql: Debian's package in a container, with the part of memory for its buffers that its documentation advises.
- plain: the official image's server with its defaults, as the recipe by hand runs it. MLflow cannot make its tables in
  there, so log_bin_trust_function_creators is set first.
- ours: what playbooks/deploy.yml deploys, with TLS and with the binary log being copied. `ours,NAME=VALUE,...` has
  other settings of the server, or is another profile (`profile=small`), or is reached in another way
  (`driver=mysqldb`, `route=socket`), or has all extra indexes (`indexes=all`).

What a database acknowledges is on its disk: none is told otherwise.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import shutil
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tools"))

from default_versions import MYSQL_IMAGE

POSTGRESQL_IMAGE = "mlflow-ops-bench-postgresql:trixie"
POSTGRESQL = "/usr/lib/postgresql/17/bin"
STARTS_WITHIN = 180  # seconds
MEMORY = 6144  # MiB for the buffers of what is sized to the machine, a quarter of it
# Runs, and what each has.
CHUNK = 1000
KEYS, TAGS, STEPS = 10, 5, 10
INDEXES = ("runs", "runs_ui", "metrics", "params", "tags", "traces", "trace_tags", "trace_metadata")
BEGIN = 1_760_000_000_000  # ms
POINTS = {"history_100k": 100_000, "history_1m": 1_000_000}


def docker(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def processor_seconds(root: int) -> float:
    """Seconds of processors that a process and all below it have used, those that ended too."""
    parents: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(entry))
            used[int(entry)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    found, left = 0.0, [root]
    while left:
        process = left.pop()
        found += used.get(process, 0.0)
        left += parents.get(process, [])
    return found


def digits(count: int) -> str:
    """A table of the numbers below 10 ** count, in any dialect."""
    one = "(SELECT 0 AS i" + "".join(f" UNION ALL SELECT {n}" for n in range(1, 10)) + ")"
    terms = " + ".join(f"{10**n} * d{n}.i" for n in range(count))
    return f"(SELECT {terms} AS i FROM " + " CROSS JOIN ".join(f"{one} d{n}" for n in range(count)) + ")"


class Database:
    """One of them, which is running. A context manager that removes all of it."""

    mark = "%s"

    def __init__(self, name: str, work: Path, port: int) -> None:
        self.name = name
        self.home = work / name.partition(",")[0].replace("=", "-")
        if self.home.exists():
            self.home = work / f"{self.home.name}-{port}"
        self.home.mkdir(mode=0o755)
        self.port = port
        self.uri = ""
        self.runs = 0
        self.container = f"bench-{work.name}-{port}"

    def __enter__(self) -> Database:
        try:
            self.start()
            self.wait()
            self.allow()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *dummy: object) -> None:
        docker("rm", "--force", "--volumes", self.container, check=False)

    def start(self) -> None:
        raise NotImplementedError

    def connect(self) -> Any:
        """Return a connection that may do everything."""
        raise NotImplementedError

    def wait(self) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                self.connect().close()
                return
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def allow(self) -> None:
        """Let MLflow make its tables."""

    def cpu(self) -> float:
        """Seconds of processors that the server has used."""
        found = docker("inspect", "--format", "{{.State.Pid}}", self.container)
        return processor_seconds(int(found))

    def prepare(self, cursor: Any) -> None:
        """Set up a session that fills the database."""

    def analyze(self, cursor: Any) -> None:
        """Bring the statistics up to date."""

    # The same data everywhere, made by the server itself.

    def fill(self, runs: int, experiment: str, say: Callable[[str], None]) -> None:
        """Have `runs` runs in an experiment, with 10 metrics of 10 steps, 10 parameters and 5 tags each."""
        chosen = random.Random(1)  # noqa: S311
        ids = [uuid.UUID(int=chosen.getrandbits(128)).hex for _run in range(runs)]
        started = time.monotonic()
        connection = self.connect()
        cursor = connection.cursor()
        self.prepare(cursor)
        cursor.execute("CREATE TEMPORARY TABLE bench_runs (n BIGINT, id CHAR(32))")
        for first in range(self.runs, runs, CHUNK):
            last = min(first + CHUNK, runs)
            rows = list(enumerate(ids[first:last], first))
            cursor.execute("DELETE FROM bench_runs")
            cursor.executemany(f"INSERT INTO bench_runs VALUES ({self.mark}, {self.mark})", rows)
            for statement in self.statements(experiment):
                cursor.execute(statement)
            connection.commit()
        self.runs = max(runs, self.runs)
        self.analyze(cursor)
        connection.commit()
        connection.close()
        say(f"{self.name}: {runs} runs, {time.monotonic() - started:.0f} s")

    @staticmethod
    def statements(experiment: str) -> Iterator[str]:
        ten = digits(1)
        yield (
            "INSERT INTO runs (run_uuid, name, source_type, source_name, user_id, status, start_time, end_time,"
            " source_version, lifecycle_stage, artifact_uri, experiment_id)"
            f" SELECT id, 'run-' || n, 'LOCAL', 'train.py', 'bench', 'FINISHED', {BEGIN} + n * 60000,"
            f" {BEGIN} + n * 60000 + 50000, '', 'active', 's3://artifacts/' || id, {experiment} FROM bench_runs"
        )
        yield (
            "INSERT INTO params (\"key\", value, run_uuid) SELECT 'param_' || k.i, CASE WHEN k.i < 5 THEN 'choice-' ||"
            f" ((n * 31 + k.i) % 20) ELSE '0.' || ((n * 7919 + k.i * 104729) % 100003) END, id FROM bench_runs"
            f" CROSS JOIN {ten} k"
        )
        yield (
            "INSERT INTO tags (\"key\", value, run_uuid) SELECT 'tag_' || k.i, 'team-' || ((n * 17 + k.i) % 50), id"
            f" FROM bench_runs CROSS JOIN {ten} k WHERE k.i < {TAGS}"
        )
        value = "((n * 7919 + k.i * 104729 + s.i * 1299709) % 100003) / 100003.0"
        yield (
            'INSERT INTO metrics ("key", value, timestamp, step, is_nan, run_uuid)'
            f" SELECT 'metric_' || k.i, {value}, {BEGIN} + n * 60000 + s.i * 5000, s.i, FALSE, id"
            f" FROM bench_runs CROSS JOIN {ten} s CROSS JOIN {ten} k"
        )
        last = value.replace("s.i", str(STEPS - 1))
        yield (
            'INSERT INTO latest_metrics ("key", value, timestamp, step, is_nan, run_uuid)'
            f" SELECT 'metric_' || k.i, {last}, {BEGIN} + n * 60000 + 45000, {STEPS - 1}, FALSE, id"
            f" FROM bench_runs CROSS JOIN {ten} k"
        )

    def fill_history(self, run: str) -> None:
        """Give a run metrics of 100,000 and of 1,000,000 points."""
        connection = self.connect()
        cursor = connection.cursor()
        self.prepare(cursor)
        for key, points in POINTS.items():
            cursor.execute(
                'INSERT INTO metrics ("key", value, timestamp, step, is_nan, run_uuid)'
                f" SELECT '{key}', (i % 1000) / 1000.0, {BEGIN} + i * 100, i, FALSE, '{run}'"
                f" FROM {digits(len(str(points)) - 1)} n"
            )
        connection.commit()
        connection.close()


class Sqlite(Database):
    mark = "?"

    def start(self) -> None:
        self.uri = f"sqlite:///{self.home}/mlflow.db"

    def __exit__(self, *dummy: object) -> None:
        pass

    def connect(self) -> Any:
        return sqlite3.connect(self.home / "mlflow.db", timeout=60)

    def cpu(self) -> float:
        return 0.0  # it is a part of its clients


class Postgresql(Database):
    def start(self) -> None:
        build_postgresql()
        data = self.home / "data"
        data.mkdir()
        uid = int(docker("run", "--rm", POSTGRESQL_IMAGE, "id", "-u", "postgres"))
        os.chown(data, uid, uid)
        initialise = (
            f"{POSTGRESQL}/initdb -D /data -U mlflowusr -E UTF8 --locale=C.UTF-8 --auth=trust >/dev/null"
        )
        initialise += " && echo 'host all all all trust' >> /data/pg_hba.conf"
        server = f"exec {POSTGRESQL}/postgres -D /data -c listen_addresses=* -c shared_buffers={MEMORY}MB"
        server += f" -c effective_cache_size={2 * MEMORY}MB -c unix_socket_directories=/tmp"
        docker(
            *(
                "run",
                "--detach",
                "--init",
                "--name",
                self.container,
                "--user",
                f"{uid}:{uid}",
                "--shm-size",
                "1g",
            ),
            *("--publish", f"127.0.0.1:{self.port}:5432", "--volume", f"{data}:/data"),
            *(POSTGRESQL_IMAGE, "bash", "-c", f"{initialise}; {server}"),
        )
        self.uri = f"postgresql+psycopg2://mlflowusr@127.0.0.1:{self.port}/postgres"

    def connect(self) -> Any:
        import psycopg2

        return psycopg2.connect(host="127.0.0.1", port=self.port, user="mlflowusr", dbname="postgres")

    def analyze(self, cursor: Any) -> None:
        cursor.execute("ANALYZE")


def build_postgresql() -> None:
    if docker("images", "--quiet", POSTGRESQL_IMAGE):
        return
    packages = subprocess.run(
        [
            *("mmdebstrap", "--variant=apt", "--include=postgresql-17", "--aptopt=Acquire::Languages none"),
            *("--aptopt=Acquire::Check-Valid-Until false", "--dpkgopt=force-unsafe-io"),
            *("--customize-hook=rm -rf $1/var/lib/postgresql/17", "trixie", "-"),
        ],
        stdout=subprocess.PIPE,
        check=True,
    )
    subprocess.run(["docker", "import", "-", POSTGRESQL_IMAGE], input=packages.stdout, check=True)


class Mysql(Database):
    def prepare(self, cursor: Any) -> None:
        cursor.execute("SET SESSION sql_mode = 'ANSI', sql_log_bin = OFF")

    def analyze(self, cursor: Any) -> None:
        for table in ("runs", "metrics", "latest_metrics", "params", "tags"):
            cursor.execute(f"ANALYZE LOCAL TABLE {table}")
            cursor.fetchall()


class Plain(Mysql):
    def start(self) -> None:
        self.password = secrets.token_hex(12)
        docker(
            *("run", "--detach", "--init", "--name", self.container, "-p", f"127.0.0.1:{self.port}:3306"),
            *("-v", f"{self.home}/data:/var/lib/mysql", "-e", f"MYSQL_ROOT_PASSWORD={self.password}"),
            *("-e", "MYSQL_DATABASE=mlflow", "-e", "MYSQL_USER=mlflowusr"),
            *("-e", f"MYSQL_PASSWORD={self.password}", MYSQL_IMAGE),
        )
        self.uri = f"mysql+pymysql://mlflowusr:{self.password}@127.0.0.1:{self.port}/mlflow"

    def connect(self) -> Any:
        import pymysql

        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", password=self.password, database="mlflow"
        )

    def allow(self) -> None:
        connection = self.connect()
        connection.cursor().execute("SET GLOBAL log_bin_trust_function_creators = ON")
        connection.close()


class Ours(Mysql):
    def __init__(self, name: str, work: Path, port: int) -> None:
        super().__init__(name, work, port)
        self.settings = dict(part.split("=", 1) for part in name.split(",")[1:])
        self.follow: subprocess.Popen[bytes] | None = None
        self.inventory = work / f"{port}.json"

    def start(self) -> None:
        profile = self.settings.pop("profile", None)
        driver = self.settings.pop("driver", "pymysql")
        route = self.settings.pop("route", "tcp")
        indexes = self.settings.pop("indexes", None)
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "/usr/bin/python3",
            "mlflow_mysql_home": str(self.home / "store"),
            "mlflow_mysql_container_name": self.container,
            "mlflow_mysql_image": self.container,
            "mlflow_mysql_network": self.container,
            "mlflow_mysql_port": self.port,
            "mlflow_schema_virtualenv": str(self.home.parent / "virtualenv"),
            "mlflow_backup_schedule": "none",
            "mlflow_mysql_settings": self.settings,
            **({} if profile is None else {"mlflow_mysql_profile": profile}),
            **({} if indexes is None else {"mlflow_schema_extra_indexes": list(INDEXES)}),
        }
        hosts = {"hosts": {"localhost": variables}}
        self.inventory.write_text(json.dumps({"all": {"children": {"mlflow_backend_store": hosts}}}))
        self.play("deploy.yml")
        home = self.home / "store"
        password = (home / "secrets/container/mysql_password").read_text()
        query = f"ssl_ca={home}/tls/ca.pem" if route == "tcp" else f"unix_socket={home}/run/mysqld.sock"
        self.uri = f"mysql+{driver}://mlflowusr:{password}@127.0.0.1:{self.port}/mlflow?{query}"
        self.follow = subprocess.Popen([home / "bin/mlflow-mysql-backup", "follow"])

    def play(self, playbook: str, *more: str) -> None:
        command = ["ansible-playbook", "-i", str(self.inventory), f"playbooks/{playbook}", *more]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout[-6000:]}{done.stderr}")

    def __exit__(self, *dummy: object) -> None:
        if self.follow is not None:
            self.follow.terminate()
            self.follow.wait()
        self.play("remove.yml", "-e", "mlflow_mysql_purge_data=true")

    def connect(self) -> Any:
        import pymysql

        home = self.home / "store"
        return pymysql.connect(
            unix_socket=str(home / "run/mysqld.sock"),
            user="root",
            password=(home / "secrets/root_password").read_text(),
            database="mlflow",
        )

    def cpu(self) -> float:
        if self.follow is None or self.follow.poll() is not None:
            raise SystemExit(f"{self.name}: the binary log is not being copied")
        return super().cpu() + processor_seconds(self.follow.pid)


KINDS = {"sqlite": Sqlite, "postgresql": Postgresql, "plain": Plain, "ours": Ours}


def database(name: str, work: Path, port: int) -> Database:
    kind = KINDS.get(name.partition(",")[0])
    if kind is None:
        raise SystemExit(f"there is no database {name}: choose among {', '.join(KINDS)}")
    return kind(name, work, port)


def remove(work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
