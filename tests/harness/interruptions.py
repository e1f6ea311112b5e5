# SPDX-License-Identifier: GPL-3.0-or-later
"""Interrupt every migration of MLflow after every one of its statements, repair the store, and go on.

For each point: a store at the revision before, with rows in every table; the migration up to that statement, and no
further; what the collection says of it; its repair. It is good when the point was recognised and the store is then
what the migration makes of it without an interruption: every table's definition and every row. Where that differs,
MLflow's own migrations go on to the newest release, and all rows are compared there. Migrations that change rows are
interrupted in stores with no row, one row and two rows in each table too. With --prepare a store at the revision before
is prepared for the upgrade to the newest release instead, which is killed, begun again, killed among the migrations and
gone on with; it has to become what MLflow alone makes of it. Prints a line for each revision and a
count; the exit status is 1 if any point is not good, or if a statement of a migration changes no row.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".cache" / "collections"), str(ROOT / "tools")]
# This migration's rows get numbers from MySQL, which does not take one back that was given to an undone row.
NUMBERED = ("roles", "role_permissions", "user_role_assignments")
WITHOUT_NUMBERS = """
SELECT r.workspace, r.name, r.description, a.user_id, p.resource_type, p.resource_pattern, p.permission
FROM {0}.roles r LEFT JOIN {0}.user_role_assignments a ON a.role_id = r.id
LEFT JOIN {0}.role_permissions p ON p.role_id = r.id ORDER BY 1, 2, 4, 5, 6"""
# How many rows each table has in the stores in which a migration that changes rows is interrupted besides.
SHAPES = (0, 1, 2)
# What a migration of the auth app looks for in a database that both apps share.
SHARED = (
    "CREATE TABLE {}.alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY)",
    "CREATE TABLE {}.registered_model_tags (workspace varchar(63) NOT NULL DEFAULT 'default',"
    " `key` varchar(250) NOT NULL, value varchar(5000), name varchar(256) NOT NULL,"
    " PRIMARY KEY (workspace, `key`, name))",
)
NOW = 1_790_000_000.0


class Killed(BaseException):
    """Not an Exception: some migrations catch those."""


def package() -> Path:
    """The newest MLflow that the catalogue was made with."""
    import build_catalogue
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import catalogue

    directory = build_catalogue.CACHE / catalogue.load().newest_release
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


@dataclass
class Store:
    """A store before a migration, what that makes of it, and the rows at the newest release if anybody asked."""

    database: str
    expected: dict[str, Any]
    at_head: tuple[dict[str, Any], list[tuple[Any, ...]]] | None = None


def alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two results of `Harness.whole` are the same but for the order in which indexes were made."""

    def comparable(found: dict[str, Any]) -> dict[str, Any]:
        return {
            name: (sorted(line.strip(" ,") for line in made.splitlines()), rows)
            for name, (made, rows) in found.items()
        }

    return comparable(one) == comparable(other)


class Harness:
    """The points of one app, on one server."""

    def __init__(self, app: str, socket: str, container: str, virtualenv: Path) -> None:
        import pymysql
        from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
            catalogue,
            migrate,
            migration_runner,
            options,
            survey,
        )

        self.app, self.socket, self.container, self.virtualenv = app, socket, container, virtualenv
        self.runner, self.survey, self.migrate = migration_runner, survey, migrate
        self.options = options.change_argument_spec()
        self.catalogue = catalogue.load(app)
        self.head = self.catalogue.revisions[-1].revision
        self.target = survey.target(app, None, self.head)
        self.migrations = migration_runner.Migrations(app)
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

    def copy(self, source: str, database: str, rows: bool = True) -> None:
        """Make `database` what `source` is, without its rows if so wanted. What is so already is left alone."""
        self.sql(f"CREATE DATABASE IF NOT EXISTS {database} COLLATE utf8mb4_0900_bin")
        wanted, there = self.whole(source), self.whole(database)
        changed = [name for name in wanted if not rows or wanted[name] != there.get(name)]
        self.sql("SET foreign_key_checks = 0")
        self.sql(f"USE {database}")
        for name in [name for name in there if name not in wanted or name in changed]:
            self.sql(f"DROP TABLE `{name}`")
        for name in changed:
            self.sql(wanted[name][0])
            columns = self.sql(
                "SELECT GROUP_CONCAT(CONCAT('`', column_name, '`')) FROM information_schema.columns WHERE "
                f"table_schema = '{source}' AND table_name = '{name}' AND generation_expression = ''"
            )[0][0]
            if rows or name.startswith("alembic_version"):
                self.sql(f"INSERT INTO `{name}` ({columns}) SELECT {columns} FROM {source}.`{name}`")
        self.sql("SET foreign_key_checks = 1")
        wanted_triggers, there_triggers = self.triggers(source), self.triggers(database)
        for name in there_triggers:
            if there_triggers[name] != wanted_triggers.get(name):
                self.sql(f"DROP TRIGGER `{name}`")
        for name in wanted_triggers:
            if there_triggers.get(name) != wanted_triggers[name]:
                self.sql(wanted_triggers[name])

    def triggers(self, database: str) -> dict[str, str]:
        names = [row[0] for row in self.sql(f"SHOW TRIGGERS FROM {database}")]
        return {name: self.sql(f"SHOW CREATE TRIGGER {database}.`{name}`")[0][2] for name in names}

    def with_rows(self, source: str, rows: int) -> str:
        """A database like `source` with so many rows in each table. Returns its name."""
        import fill_tables

        database = f"{self.database}_{rows}"
        self.copy(source, database, rows=False)
        fill_tables.fill(self.connection, database, rows)
        return database

    def contents(self, database: str) -> dict[str, Any]:
        tables = [name for (name,) in self.sql(f"SHOW TABLES FROM {database}")]
        if not tables:
            return {}
        listed = ", ".join(f"{database}.`{name}`" for name in tables)
        return {name.split(".", 1)[1]: value for name, value in self.sql(f"CHECKSUM TABLE {listed}")}

    def whole(self, database: str) -> dict[str, Any]:
        """Everything that a migration can see: how each table is made, and its rows."""
        found = self.contents(database)
        made = {name: self.sql(f"SHOW CREATE TABLE {database}.`{name}`")[0][1] for name in found}
        return {name: (made[name], found[name]) for name in found}

    def but_numbers(self, database: str) -> dict[str, Any]:
        """Like `whole`, but without the rows of `NUMBERED` and the number that comes next there."""
        found = self.whole(database)
        for name in found.keys() & set(NUMBERED):
            found[name] = (re.sub(r" AUTO_INCREMENT=\d+", "", found[name][0]), None)
        return found

    def advance(
        self,
        database: str,
        revision: str,
        stop: int | None = None,
        problems: list[str] | None = None,
        ahead: list[str] | None = None,
    ) -> list[str]:
        """Migrate to `revision`, killed after `stop` statements. Returns the first words of those that were done.

        A statement that changes no row goes into `problems`. Those that are in `ahead` are left out.
        """
        import fill_tables
        from sqlalchemy import event

        engine = self.engine(database)
        done: list[str] = []

        def after(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
            word = self.runner.first_word(statement)
            if word in self.runner.READING:
                return
            done.append(word)
            if problems is not None and word in self.runner.WRITING_ROWS:
                text = self.runner.normalise(statement)
                problems.extend(fill_tables.changed_rows(revision, text, context.rowcount))
            if len(done) == stop:
                conn.connection.dbapi_connection.close()
                raise Killed

        event.listen(engine, "after_cursor_execute", after)
        if ahead:
            self.runner.listen(engine, self.runner.skip_done(revision, ahead))
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

    def change(self, database: str, state: str) -> dict[str, Any]:
        """What `mlflow_schema` with that state does. Returns its result."""
        from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import connection

        params = {
            **{name: option.get("default") for name, option in self.options.items()},
            "login_password": "catalogue",
            "login_unix_socket": self.socket,
            "database": database,
            "app": self.app,
            "state": state,
            "revision": self.head,
            "virtualenv": str(self.virtualenv),
        }
        work = self.migrate.Work(params, False, connection.login_from_params(params))
        try:
            return dict(self.migrate.do(work))
        finally:
            work.close()

    def examine(self, database: str) -> Any:
        return self.survey.look(self.connection, database, self.target).examination

    def point(self, revision: str, before: str | None, store: Store, stop: int) -> str:
        """Try one point. Returns how it was recognised; raises AssertionError if it is not good."""
        database = self.database
        self.copy(store.database, database)
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
        self.change(database, "repaired")
        found = self.examine(database)
        assert found.state in ("empty", "behind", "current"), f"after repair {found.state}: {found.message}"
        if found.revision != revision:
            self.advance(database, revision)
        if alike(self.whole(database), store.expected):
            return seen
        self.advance(database, self.head)
        found = self.examine(database)
        assert found.state == "current", f"at the end {found.state}: {found.message} {found.drift[:3]}"
        contents, rows = self.contents(database), self.without_numbers(database)
        if store.at_head is None:
            self.copy(store.database, database)
            if revision == "initial":
                self.advance(database, revision)
            self.advance(database, self.head)
            store.at_head = self.contents(database), self.without_numbers(database)
        expected, expected_rows = store.at_head
        different = [
            name
            for name in expected
            if contents.get(name) != expected[name] and not (expected_rows and name in NUMBERED)
        ]
        assert contents.keys() == expected.keys() and not different, f"rows differ in {different}"
        assert rows == expected_rows, f"rows differ in {NUMBERED}"
        return seen

    def prepared(self, revision: str, template: str, seed: int) -> None:
        """Prepare a store, upgrade it, and kill both on the way. Raises AssertionError if it is not good in the end.

        `template` is at `revision`. Preparing is killed after any statement, and begun again; then the migrations are.
        """
        from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import ahead

        chance = random.Random(f"{seed} {revision}")
        database, expected = self.database, f"{self.database}_expected"
        self.copy(template, expected)
        self.advance(expected, self.head)
        self.copy(template, database)
        possible = ahead.possible(self.catalogue, revision, self.head)
        stop = chance.randrange(sum(map(len, possible.values())) + 1)
        real = self.migrate.beside_writers
        tried: list[str] = []

        def killed(work: Any, statement: str) -> str | None:
            if len(tried) == stop:
                raise Killed
            tried.append(statement)
            return real(work, statement)

        self.migrate.beside_writers = killed
        try:
            self.change(database, "prepared")
        except Killed:
            pass
        finally:
            self.migrate.beside_writers = real
        found = self.examine(database)
        assert (found.state, found.drift) == ("behind", []), f"killed after {stop}: {found.message}"
        result = self.change(database, "prepared")
        assert not result["left"], result["left"]
        found = self.examine(database)
        assert (found.state, found.drift) == ("behind", []), f"prepared: {found.message}"
        assert found.ahead == possible, {
            name: numbers ^ found.ahead.get(name, frozenset()) for name, numbers in possible.items()
        }
        self.killed_on_the_way(database, found, chance)
        self.change(database, "repaired")
        self.change(database, "upgraded")
        found = self.examine(database)
        assert found.state == "current" and not found.ahead, found.message
        one, other = self.but_numbers(database), self.but_numbers(expected)
        different = [
            name
            for name in {*one, *other}
            if not alike({name: one.get(name, ("", None))}, {name: other.get(name, ("", None))})
        ]
        assert not different, f"after statement {stop}: {different}"
        assert self.without_numbers(database) == self.without_numbers(expected), f"rows differ in {NUMBERED}"

    def killed_on_the_way(self, database: str, found: Any, chance: random.Random) -> None:
        """Begin the migrations of a prepared store, and kill them anywhere."""
        normalise = self.runner.normalise
        pending = list(found.pending)
        for entry in pending[: chance.randrange(len(pending))]:
            done = [normalise(entry.statements[n].sql) for n in sorted(found.ahead.get(entry.revision, ()))]
            self.advance(database, entry.revision, ahead=done)
            now = self.examine(database)
            assert now.state == "behind" and not now.drift, f"at {entry.revision}: {now.message}"
            pending.remove(entry)
        done = [
            normalise(pending[0].statements[n].sql) for n in sorted(found.ahead.get(pending[0].revision, ()))
        ]
        left = len(pending[0].statements) - len(done)
        self.advance(database, pending[0].revision, stop=chance.randrange(left + 1) or None, ahead=done)

    def store(self, template: str, revision: str, rows: int | None) -> tuple[Store, list[str]]:
        """A store like `template` with so many rows in each table, and the migration's statements in it."""
        if rows is None:
            source = f"{self.database}_before"
            self.copy(template, source)
        else:
            source = self.with_rows(template, rows)
        self.copy(source, self.database)
        words = self.advance(self.database, revision)
        return Store(source, self.whole(self.database)), words

    def attempt(
        self,
        revision: str,
        before: str | None,
        stores: dict[int | None, Store],
        points: list[tuple[int | None, int]],
        bad: list[str],
    ) -> Counter[str]:
        """Try points of one revision. Returns how they were recognised; what is wrong goes into `bad`."""
        seen: Counter[str] = Counter()
        for rows, stop in points:
            try:
                seen[self.point(revision, before, stores[rows], stop)] += 1
            except Exception as error:  # the next point may be good
                filled = "" if rows is None else f" with {rows} rows in each table"
                about = f"{type(error).__name__}: {error}"
                bad.append(f"{self.app} {revision} after statement {stop}{filled}: {about}")
                seen["BAD"] += 1
        return seen

    def attempt_prepared(self, revision: str, template: str, seed: int, bad: list[str]) -> Counter[str]:
        """Try a store at one revision. Returns how it ended; what is wrong goes into `bad`."""
        try:
            self.prepared(revision, template, seed)
        except Exception as error:  # the next one may be good
            bad.append(f"{self.app} prepared at {revision}: {type(error).__name__}: {error}")
            return Counter(BAD=1)
        print(f"{self.app:8} {revision:14} prepared, killed, upgraded", flush=True)
        return Counter(prepared=1)

    def without_numbers(self, database: str) -> list[tuple[Any, ...]]:
        return self.sql(WITHOUT_NUMBERS.format(database)) if self.app == "auth" else []

    def run(
        self, only: list[str], share: tuple[int, int], sample: int | None, seed: int, prepare: bool
    ) -> tuple[Counter[str], list[str]]:
        """Try this share of the points, or of a sample of each revision's points, or of the stores to prepare."""
        import fill_tables

        counts: Counter[str] = Counter()
        bad: list[str] = []
        template = self.database + "_template"
        self.sql(f"CREATE DATABASE {template} COLLATE utf8mb4_0900_bin")
        for statement in SHARED if self.app == "auth" else ():
            self.sql(statement.format(template))
        before: str | None = None
        wanted = {entry.revision for entry in self.catalogue.revisions if entry.revision in only or not only}
        tried = 0
        for number, entry in enumerate(self.catalogue.revisions):
            if not wanted:
                break
            revision = entry.revision
            # The auth app's first migration finds the other app's tables.
            if number or self.app == "auth":
                fill_tables.fill(self.connection, template)
            stores: dict[int | None, Store] = {}
            points: list[tuple[int | None, int]] = []
            if prepare and revision in wanted and before is not None:
                if tried % share[1] == share[0]:
                    counts.update(self.attempt_prepared(before, template, seed, bad))
                tried += 1
            elif revision in wanted and not prepare:
                changing = any(statement.data for statement in entry.statements)
                for rows in (None, *SHAPES) if changing else (None,):
                    stores[rows], words = self.store(template, revision, rows)
                    # The other stores are for the statements that change rows, and what follows them.
                    first = next((n for n, word in enumerate(words) if word in self.runner.WRITING_ROWS), 0)
                    points += [(rows, stop) for stop in range(first * (rows is not None) + 1, len(words) + 1)]
            if not self.advance(template, revision, problems=bad):
                bad.append(f"{self.app} {revision} does nothing")
            if sample is not None:
                points = sorted(
                    random.Random(f"{seed} {revision}").sample(points, min(sample, len(points))), key=str
                )
            mine = [point for n, point in enumerate(points, tried) if n % share[1] == share[0]]
            tried += len(points)
            seen = self.attempt(revision, before, stores, mine, bad)
            counts.update(seen)
            if seen:
                print(
                    f"{self.app:8} {revision:14} " + ", ".join(f"{n} {k}" for k, n in seen.items()),
                    flush=True,
                )
            wanted.discard(revision)
            before = None if revision == "initial" else revision
        if not only and self.examine(template).state != "current":
            bad.append(f"{self.app}: the store is not current in the end")
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
        more, worse = harness.run(
            options.revision, (index, of), options.sample, options.seed, options.prepare
        )
        counts.update(more)
        bad += worse
    for line in bad:
        print(f"BAD {line}")
    print("COUNT " + " ".join(f"{kind}={number}" for kind, number in counts.items()))
    return 1 if bad else 0


def draw(number: int, seed: int) -> list[str]:
    """That many revisions of both apps, and how to have the same ones again."""
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import catalogue

    print(f"revisions drawn with --draw {number} --seed {seed}", flush=True)
    every = [entry.revision for app in ("tracking", "auth") for entry in catalogue.load(app).revisions]
    return random.Random(seed).sample(every, min(number, len(every)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, help="at most this many points of each revision")
    parser.add_argument(
        "--prepare",
        action="store_true",
        help="prepare stores for an upgrade instead, and kill that and the upgrade",
    )
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
        if options.prepare:
            command.append("--prepare")
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

        def pass_on(process: subprocess.Popen[str]) -> None:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                if line.startswith("COUNT "):
                    totals.update({k: int(n) for k, n in (pair.split("=") for pair in line.split()[1:])})

        readers = [threading.Thread(target=pass_on, args=(process,)) for process in running]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        statuses = [process.wait() for process in running]
        failed = any(statuses)
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
