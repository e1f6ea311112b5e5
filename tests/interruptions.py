# SPDX-License-Identifier: GPL-3.0-or-later
"""Interrupt every migration of MLflow after every one of its statements, repair the store, and go on.

For each point: a store at the revision before, with rows in every table; the migration up to that statement, and no
further; what the collection says of it; its repair; MLflow's own migrations up to the newest release. It is good when
the point was recognised, nothing drifts at the end, and every row of every table is what an upgrade without an
interruption makes of it. Prints a line for each revision and a count; the exit status is 1 if any point is not good.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / ".cache" / "collections"), str(ROOT / "tools")]
# This migration's rows get numbers from MySQL, which does not take one back that was given to an undone row.
NUMBERED = ("e5f6a7b8c9d0", ("roles", "role_permissions", "user_role_assignments"))
NOW = 1_790_000_000.0


class Killed(BaseException):
    """Not an Exception: some migrations catch those."""


def package() -> Path:
    """The newest MLflow that the catalogue was made with."""
    import build_catalogue
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils import _catalogue

    directory = build_catalogue.CACHE / _catalogue.load().newest_release
    return directory if directory.exists() else build_catalogue.newest_package(build_catalogue.releases())


def environment(directory: Path, mlflow: Path) -> Path:
    """Something that looks like a virtual environment in which that MLflow is."""
    (directory / "bin").mkdir(parents=True)
    python = directory / "bin" / "python"
    (directory / "clock").mkdir()
    (directory / "clock" / "sitecustomize.py").write_text(f"import time\ntime.time = lambda: {NOW}\n")
    python.write_text(f'#!/bin/sh\nPYTHONPATH={directory}/clock:{mlflow} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    packages = directory / "lib" / "python3" / "site-packages"
    packages.mkdir(parents=True)
    for path in mlflow.iterdir():
        (packages / path.name).symlink_to(path)
    return directory


class Harness:
    """The points of one app, on one server."""

    def __init__(self, app: str, socket: str, container: str, virtualenv: Path) -> None:
        import pymysql
        from ansible_collections.mlflow_ops.backend_store.plugins.module_utils import (
            _catalogue,
            _migration_runner,
            _survey,
        )
        from ansible_collections.mlflow_ops.backend_store.plugins.modules import mlflow_schema

        self.app, self.socket, self.container, self.virtualenv = app, socket, container, virtualenv
        self.runner, self.survey, self.module = _migration_runner, _survey, mlflow_schema
        self.catalogue = _catalogue.load(app)
        self.head = self.catalogue.revisions[-1].revision
        self.target = _survey.target(app, None, self.head)
        self.migrations = _migration_runner.Migrations(app)
        self.connection = pymysql.connect(
            unix_socket=socket, user="root", password="catalogue", autocommit=True
        )
        self.database = f"points_{app}_{os.getpid()}"

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def engine(self, database: str) -> Any:
        order = {"user": "root", "password": "catalogue", "host": "", "port": 0, "unix_socket": self.socket}
        return self.runner.open_engine({**order, "database": database, "lock_timeout": 30})

    def client(self, program: str, *arguments: str, **more: Any) -> Any:
        command = ["docker", "exec", "-i", "-e", "MYSQL_PWD=catalogue", self.container, program, "-uroot"]
        return subprocess.run([*command, *arguments], check=True, capture_output=True, **more)

    def dump(self, database: str) -> bytes:
        return bytes(self.client("mysqldump", "--skip-comments", "--triggers", "--hex-blob", database).stdout)

    def load(self, database: str, dump: bytes) -> None:
        self.sql(f"DROP DATABASE IF EXISTS {database}")
        self.sql(f"CREATE DATABASE {database} COLLATE utf8mb4_0900_bin")
        self.client("mysql", database, input=dump)

    def contents(self, database: str) -> dict[str, Any]:
        tables = [name for (name,) in self.sql(f"SHOW TABLES FROM {database}")]
        listed = ", ".join(f"{database}.`{name}`" for name in tables)
        return {name.split(".", 1)[1]: value for name, value in self.sql(f"CHECKSUM TABLE {listed}")}

    def advance(self, database: str, revision: str, stop: int | None = None) -> int:
        """Migrate to `revision`, killed after `stop` statements. Returns how many there were."""
        from sqlalchemy import event

        engine = self.engine(database)
        done = 0

        def after(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
            nonlocal done
            if self.runner.first_word(statement) in self.runner.READING:
                return
            done += 1
            if done == stop:
                conn.connection.dbapi_connection.close()
                raise Killed

        event.listen(engine, "after_cursor_execute", after)
        try:
            if revision == "initial":
                self.migrations.make_initial(engine)
            else:
                self.migrations.upgrade(engine, revision)
        except Killed:
            pass
        finally:
            engine.dispose()
        return done

    def repair(self, database: str) -> None:
        """What `mlflow_schema` with state repaired does."""
        from ansible_collections.mlflow_ops.backend_store.plugins.module_utils import _connection

        params = {
            **{name: option.get("default") for name, option in self.module.ARGUMENT_SPEC.items()},
            "login_password": "catalogue",
            "login_unix_socket": self.socket,
            "database": database,
            "app": self.app,
            "state": "repaired",
            "revision": self.head,
            "virtualenv": str(self.virtualenv),
        }
        work = self.module.Work(params, False, _connection.login_from_params(params))
        try:
            self.module.do(work)
        finally:
            work.connection.close()

    def examine(self, database: str) -> Any:
        return self.survey.look(self.connection, database, self.target).examination

    def point(
        self, revision: str, before: str | None, dump: bytes, expected: dict[str, Any], stop: int
    ) -> str:
        """Try one point. Returns how it was recognised; raises AssertionError if it is not good."""
        database = self.database
        self.load(database, dump)
        self.advance(database, revision, stop)
        found = self.examine(database)
        if found.half_applied is not None:
            assert found.half_applied.revision.revision == revision or not found.half_applied.numbers, (
                found.message
            )
            assert not found.drift, found.message
            seen = "half-applied" if found.half_applied.numbers else "harmless"
        else:
            assert found.state in ("behind", "current", "empty"), f"{found.state}: {found.message}"
            assert found.revision in (before, revision), found.revision
            seen = "harmless"
        self.repair(database)
        found = self.examine(database)
        if found.state != "empty":
            assert found.state in ("behind", "current"), f"after repair {found.state}: {found.message}"
        else:
            self.advance(database, "initial")
        if found.state != "current":
            self.advance(database, self.head)
        found = self.examine(database)
        assert found.state == "current", f"at the end {found.state}: {found.message} {found.drift[:3]}"
        contents = self.contents(database)
        different = [name for name in expected if contents.get(name) != expected[name]]
        if revision == NUMBERED[0]:
            different = [name for name in different if name not in NUMBERED[1]]
        assert contents.keys() == expected.keys() and not different, f"rows differ in {different}"
        return seen

    def run(
        self, only: list[str], share: tuple[int, int], sample: int | None, seed: int
    ) -> tuple[Counter[str], list[str]]:
        """Try the points of this share of the revisions."""
        import fill_tables

        counts: Counter[str] = Counter()
        bad: list[str] = []
        template = self.database + "_template"
        self.sql(f"CREATE DATABASE {template} COLLATE utf8mb4_0900_bin")
        before: str | None = None
        wanted = [entry.revision for entry in self.catalogue.revisions if entry.revision in only or not only]
        shared = set(wanted[share[0] :: share[1]])
        for number, entry in enumerate(self.catalogue.revisions):
            revision = entry.revision
            if number:
                fill_tables.fill(self.connection, template)
            mine = revision in shared
            dump = self.dump(template) if mine else b""
            statements = self.advance(template, revision)
            if mine:
                self.load(self.database, dump)
                if revision == "initial":
                    self.advance(self.database, revision)
                self.advance(self.database, self.head)
                expected = self.contents(self.database)
                points = list(range(1, statements + 1))
                if sample is not None:
                    chosen = random.Random(f"{seed} {revision}")
                    points = sorted(chosen.sample(points, min(sample, len(points))))
                seen: Counter[str] = Counter()
                for stop in points:
                    try:
                        seen[self.point(revision, before, dump, expected, stop)] += 1
                    except Exception as error:  # the next point may be good
                        bad.append(
                            f"{self.app} {revision} after statement {stop}: {type(error).__name__}: {error}"
                        )
                        seen["BAD"] += 1
                counts.update(seen)
                print(
                    f"{self.app:8} {revision:14} " + ", ".join(f"{n} {k}" for k, n in seen.items()),
                    flush=True,
                )
            before = None if revision == "initial" else revision
        return counts, bad


def work(options: argparse.Namespace) -> int:
    """One share, in a process with MLflow on its path."""
    import logging

    logging.disable(logging.CRITICAL)
    time.time = lambda: NOW  # one migration writes the time of day
    index, of = (int(part) for part in options.share.split("/"))
    counts: Counter[str] = Counter()
    bad: list[str] = []
    for app in ("tracking", "auth"):
        harness = Harness(app, options.socket, options.container, Path(options.virtualenv))
        more, worse = harness.run(options.revision, (index, of), options.sample, options.seed)
        counts.update(more)
        bad += worse
    for line in bad:
        print(f"BAD {line}")
    print("COUNT " + " ".join(f"{kind}={number}" for kind, number in counts.items()))
    return 1 if bad else 0


def draw(number: int, seed: int) -> list[str]:
    """That many revisions of both apps, and how to have the same ones again."""
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils import _catalogue

    print(f"revisions drawn with --draw {number} --seed {seed}", flush=True)
    every = [entry.revision for app in ("tracking", "auth") for entry in _catalogue.load(app).revisions]
    return random.Random(seed).sample(every, min(number, len(every)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="at most this many points of each revision")
    parser.add_argument("--draw", type=int, help="only this many revisions, drawn anew each time")
    parser.add_argument(
        "--seed", type=int, help="draw the revisions and points that this number gives, as it was printed"
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side")
    parser.add_argument("--revision", action="append", default=[], help="only these revisions")
    for name in ("--share", "--socket", "--container", "--virtualenv"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.share:
        return work(options)
    import build_catalogue

    if options.seed is None:
        options.seed = random.randrange(1_000_000) if options.draw else 1
    if options.draw:
        options.revision = draw(options.draw, options.seed)
    mlflow = package()
    directory = Path(tempfile.mkdtemp(prefix="interruptions-"))
    virtualenv = environment(directory / "venv", mlflow)

    def everything() -> int:
        command = [
            sys.executable,
            __file__,
            "--socket",
            os.environ["CATALOGUE_SOCKET"],
            "--virtualenv",
            str(virtualenv),
        ]
        command += ["--container", os.environ["CATALOGUE_CONTAINER"], "--seed", str(options.seed)]
        command += [f"--revision={revision}" for revision in options.revision]
        if options.sample:
            command += ["--sample", str(options.sample)]
        surroundings = {**os.environ, "PYTHONPATH": str(mlflow), "PYTHONWARNINGS": "ignore"}
        running = [
            subprocess.Popen(
                [*command, "--share", f"{n}/{options.jobs}"],
                stdout=subprocess.PIPE,
                text=True,
                env=surroundings,
            )
            for n in range(options.jobs)
        ]
        totals: Counter[str] = Counter()
        failed = False
        for process in running:
            output = process.communicate()[0]
            print(output, end="")
            failed = failed or process.returncode != 0
            for line in output.splitlines():
                if line.startswith("COUNT "):
                    totals.update({k: int(n) for k, n in (pair.split("=") for pair in line.split()[1:])})
        print(
            f"interruption points: {sum(totals.values())}: "
            + ", ".join(f"{n} {k}" for k, n in totals.items())
        )
        return 1 if failed or not totals else 0

    try:
        return int(build_catalogue.with_server(everything))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
