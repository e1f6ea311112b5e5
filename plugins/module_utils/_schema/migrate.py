# SPDX-License-Identifier: GPL-3.0-or-later
"""Initialise, upgrade, repair and convert MLflow's schema, one revision at a time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import connection
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import query, quoted
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    ahead,
    blockers,
    catalogue,
    conversion,
    default_experiment,
    extra_indexes,
    migration_runner,
    ownership,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import survey as schema_survey
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.comparison import (
    Difference,
    compare,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.live import read_schema
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.migrations import (
    Migrations,
    MigrationsMissing,
    read_migrations,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.state import (
    BEHIND,
    CURRENT,
    EMPTY,
    FOREIGN,
    HALF_APPLIED,
    MARKER,
    UNKNOWN,
    VERSION_TABLES,
    WHOLE,
    HalfApplied,
    describe_pending,
    own_lines,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.survey import (
    SchemaProblem,
    Survey,
    Target,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.write_lock import (
    WriteLockProblem,
)

ER_LOCK_WAIT_TIMEOUT = 1205
# MySQL cannot do it beside writers: the algorithm is not for this table, it has too many versions of its rows, or too
# much was written while an index was made.
NOT_ONLINE = (1799, 1845, 1846, 4092)
# Whoever waits for a table keeps those out who come after.
AHEAD_WAIT_SECONDS = 2
AHEAD_TRIES = 3
HELD = "a transaction held the table all the time"
CONSTRAINT = re.compile(r"\bDROP (?P<kind>FOREIGN KEY|CHECK|INDEX|CONSTRAINT) `?(?P<name>\w+)`?")


# As it stands in a diff.
EXPERIMENT = frozenset({f"row experiments 0 {default_experiment.NAME}"})


# What keeps tables from being changed at all; other blockers are a migration's, or what the conversion is for.
CONVERTING = (
    *("version", "read_only", "innodb_read_only", "database_read_only", "grants", "blocking_transaction"),
    *("disk_space", "sql_mode"),
)


class Interrupted(SchemaProblem):
    """A migration failed when it had begun."""

    reason = "interrupted"


class Busy(SchemaProblem):
    """Another run changes the same schema."""

    reason = "busy"


class Failed(Exception):
    """The work failed. `reason` says why in a word, `left` what the store is like after it, as far as that is known."""

    def __init__(self, message: str, reason: str, left: dict[str, Any]) -> None:
        super().__init__(message)
        self.reason = reason
        self.left = left


class Work:
    """One call of the module: a schema, a login and the revision that is wanted."""

    def __init__(self, params: Mapping[str, Any], check_mode: bool, login: connection.Login) -> None:
        self.params = params
        self.check_mode = check_mode
        self.login = login
        self.database: str = params["database"]
        root = params["default_artifact_root"]
        if root is not None:
            try:
                default_experiment.location(root)
            except ValueError as error:
                raise SchemaProblem(
                    f"default_artifact_root is {root!r}: {error}; nothing was changed"
                ) from None
        self.migrations = (
            read_migrations(params["virtualenv"], params["app"]) if params["virtualenv"] else None
        )
        version = params["mlflow_version"]
        if version is None and params["revision"] is None and self.migrations is not None:
            # A release that the catalogue does not know may still have a revision that it knows.
            known = self.migrations.mlflow_version in catalogue.load(params["app"]).releases
            version = self.migrations.mlflow_version if known else None
            revision = None if known else self.migrations.head
        else:
            revision = params["revision"]
        self.target: Target = schema_survey.target(params["app"], version, revision)
        self.catalogue = catalogue.load(params["app"])
        self.applied: list[dict[str, Any]] = []
        self.prepared: dict[str, Any] | None = None
        # What the last look found.
        self.ahead: ahead.Done = {}
        self.collation: str | None = None
        self.process: subprocess.Popen[str] | None = None
        self.problems: Any = None
        self.connection, self.password = connection.connect_with_password(login)

    def close(self) -> None:
        """End the connection, and the process if it was not needed."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        if self.connection.open:
            self.connection.close()

    def rows(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        return query(self.connection, statement, *arguments)

    def look(self, rows: bool = False) -> Survey:
        """Survey the database; with `rows` also what pending migrations need of the rows, however long it takes."""
        survey = schema_survey.look(
            self.connection,
            self.database,
            self.target,
            self.params["data_directory"],
            scan_seconds=None if rows else 0,
        )
        self.ahead, self.collation = survey.examination.ahead, survey.live.collation
        return survey

    def lock(self) -> None:
        """Take the lock of this schema until the connection ends. Raises SchemaProblem."""
        timeout = self.params["lock_timeout"]
        if self.rows("SELECT GET_LOCK(%s, %s)", ownership.schema_lock(self.database), timeout)[0][0] != 1:
            raise Busy(
                f"another run has been changing the schema of {self.database} for more than {timeout} s: wait for it "
                "to end, or raise lock_timeout"
            )
        ownership.check_owner(self.params)
        self.rows(f"SET SESSION lock_wait_timeout = {timeout:d}")

    def migrations_with(self, revision: str) -> Migrations:
        """The migrations of the virtual environment, which must have `revision`. Raises SchemaProblem."""
        first = self.catalogue.first_release(revision)
        if self.migrations is None:
            raise SchemaProblem(
                f"virtualenv is needed: a virtual environment with MLflow {first} or newer has revision {revision}"
            )
        if revision not in self.migrations.revisions:
            raise SchemaProblem(
                f"MLflow {self.migrations.mlflow_version} in {self.params['virtualenv']} does not have revision "
                f"{revision}: name a virtual environment with MLflow {first} or newer, or want an older release"
            )
        return self.migrations

    def refuse_blockers(self, survey: Survey, only: Sequence[str] | None = None) -> None:
        errors = [
            blocker
            for blocker in survey.blockers
            if blocker["severity"] == "error" and (only is None or blocker["name"] in only)
        ]
        if errors:
            listed = " ".join(f"({b['name']}) {b['message']} Remedy: {b['remedy']}" for b in errors)
            raise SchemaProblem(f"nothing was changed, since this would make a migration fail: {listed}")

    def run(self, revisions: list[str], **order: Any) -> None:
        """Run MLflow's migrations to each of `revisions` in turn. Raises Interrupted."""
        about = {
            "user": self.login.user,
            "password": self.password,
            "host": self.login.address.host,
            "port": self.login.address.port,
            "unix_socket": self.login.address.unix_socket,
            "ssl": self.login.tls.settings() if self.login.tls.wanted else None,
            "database": self.database,
            "session": connection.session_settings(),
            "lock_timeout": self.params["lock_timeout"],
            "revisions": revisions,
            "ahead": self.statements_of(self.ahead),
            # Nobody writes meanwhile, and the key that it replaces was checked with every row.
            "unchecked": self.statements_of(
                {one.revision: one.replaced_keys for one in self.catalogue.revisions if one.replaced_keys}
            ),
            **order,
        }
        self.start()
        process, problems = self.process, self.problems
        if process is None:
            raise TypeError("the process did not start")
        self.process = None
        try:
            self.supervise(process, json.dumps(about), bool(order.get("initial")))
        except BaseException:
            process.kill()
            raise
        finally:
            process.wait()
        if process.returncode != 0:
            problems.seek(0)
            raise Interrupted(f"MLflow's migrations failed: {reason(problems.read())}")

    def start(self) -> None:
        """Have a process that has imported MLflow, if there is none. Raises SchemaProblem."""
        if self.process is not None:
            return
        python = os.path.join(self.params["virtualenv"], "bin", "python")
        # It lasts as long as the process.
        self.problems = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        try:
            # Not run_command: it fails by itself, and each revision is looked at before the next begins.
            process = subprocess.Popen(
                [python, "-c", runner_source(), self.params["app"]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.problems,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise SchemaProblem(f"MLflow's migrations cannot run: {python}: {error.strerror}") from None
        if process.stdout is None:
            raise TypeError("the process has no pipes")
        for line in process.stdout:
            if line == migration_runner.READY + "\n":
                self.process = process
                return
        process.wait()
        self.problems.seek(0)
        raise SchemaProblem(f"MLflow's migrations cannot run: {reason(self.problems.read())}")

    def supervise(self, process: subprocess.Popen[str], order: str, whole: bool) -> None:
        """Give `process` its order and check each revision that it reaches. Raises Interrupted."""
        if process.stdin is None or process.stdout is None:
            raise TypeError("the process has no pipes")
        try:
            process.stdin.write(order + "\n")
            process.stdin.flush()
            for line in process.stdout:
                if not line.startswith("{"):
                    continue
                reached = json.loads(line)
                if "prepared" in reached:
                    self.prepared = reached["prepared"]
                    continue
                self.applied.append(reached)
                found = self.look_at(reached["revision"], whole)
                if found:
                    process.kill()
                    raise Interrupted(
                        f"after the migration to {reached['revision']} the schema is not what it should be there: "
                        f"{found[0].table}: {found[0].kind} {found[0].name} is {found[0].problem}"
                    )
                process.stdin.write("next\n")
                process.stdin.flush()
            process.stdin.close()
        except BrokenPipeError:  # it ended early, and its exit status says why
            pass

    def statements_of(self, numbers: ahead.Done) -> dict[str, list[str]]:
        """Statements by revision, as the runner compares them."""
        return {
            entry.revision: [
                migration_runner.normalise(entry.statements[number].sql)
                for number in sorted(numbers[entry.revision])
            ]
            for entry in self.catalogue.revisions
            if entry.revision in numbers
        }

    def look_at(self, revision: str, whole: bool) -> list[Difference]:
        """How the tables that the migration to `revision` changes differ from the catalogue's there.

        The whole schema is compared at the end; this is for a migration that went wrong in the middle of many. All of
        it is compared where `whole` says that it was made at once.
        """
        position = self.catalogue.position(revision)
        entry = self.catalogue.revisions[position]
        expected = self.catalogue.schema(revision)
        before = self.catalogue.schema(self.catalogue.revisions[position - 1].revision) if position else set()
        tables = None
        if not whole:
            tables = {*entry.tables, *entry.made_tables, *map(catalogue.table_of, before ^ expected)}
        live = read_schema(self.connection, self.database, tables, self.collation)
        expected = ahead.after(self.catalogue, expected, self.later(revision))
        if tables is not None:
            expected = frozenset(line for line in expected if catalogue.table_of(line) in tables)
        return compare(expected, own_lines(live, self.catalogue)[0], live.collation, self.catalogue)

    def later(self, revision: str) -> ahead.Done:
        """What was done ahead of the revisions after `revision`."""
        position = self.catalogue.position(revision)
        return {one: found for one, found in self.ahead.items() if self.catalogue.position(one) > position}


def runner_source() -> str:
    """The text of the runner, also where the collection is in a zip file."""
    loader: Any = migration_runner.__loader__
    return str(loader.get_source(migration_runner.__name__))


def reason(text: str) -> str:
    """The line of a traceback that says what happened."""
    lines = [
        line
        for line in text.strip().splitlines()
        if line and not line.startswith((" ", "(Background", "[SQL"))
    ]
    return next((line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "no message")


def initialise(work: Work, survey: Survey) -> bool:
    """Make the tables in an empty database. Returns whether there was anything to do."""
    unfinished = MARKER in survey.live.tables
    if survey.examination.state != EMPTY and not unfinished:
        return False
    if (
        unfinished
        and "runs" in survey.live.tables
        and work.rows(f"SELECT 1 FROM {quoted(work.database, 'runs')} LIMIT 1")
    ):
        raise SchemaProblem(
            f"an initialisation of {work.database} never finished and runs were logged since; nothing was changed. "
            "Make a backup, empty the database and run this again, or, if the schema is whole, drop the table "
            f"{MARKER}"
        )
    work.migrations_with(work.target.head)
    work.refuse_blockers(survey)
    if work.check_mode:
        return True
    work.connection.select_db(work.database)
    drop(work, list(survey.live.tables))
    work.rows(f"CREATE TABLE {MARKER} (started datetime NOT NULL PRIMARY KEY)")
    try:
        work.run([work.target.head], initial=True)
    except SchemaProblem:
        drop(work, [name for (name,) in work.rows("SHOW TABLES")])
        raise
    work.rows(f"DROP TABLE {MARKER}")
    return True


def drop(work: Work, tables: list[str]) -> None:
    """Drop those of `tables` that are the app's, the marker last, so that an interrupted drop is gone on with.

    MLflow's other app may be in the same database.
    """
    own = work.catalogue.tables | {MARKER, VERSION_TABLES[work.params["app"]]}
    work.rows("SET SESSION foreign_key_checks = 0")
    for table in sorted(own.intersection(tables), key=lambda name: name == MARKER):
        work.rows(f"DROP TABLE IF EXISTS {quoted(table)}")
    work.rows("SET SESSION foreign_key_checks = 1")


def refuse_state(work: Work, survey: Survey, states: Sequence[str]) -> None:
    """Raise SchemaProblem unless the store is in one of `states` and its migrations are there."""
    found = survey.examination
    if found.state not in states:
        remedies = {EMPTY: "use state initialised", HALF_APPLIED: "use state repaired first"}
        remedy = remedies.get(found.state)
        raise SchemaProblem(
            f"{work.database} cannot be upgraded to {work.target}, nothing was changed: it is {found.state}. "
            f"{found.message}{f' ({remedy})' if remedy else ''}"
        )
    work.migrations_with(work.target.head)


def upgrade(work: Work, survey: Survey) -> bool:
    """Run what is pending. Returns whether there was anything to do."""
    found = survey.examination
    if found.state == CURRENT:
        return False
    refuse_state(work, survey, (BEHIND,))
    work.refuse_blockers(survey)
    if work.check_mode:
        return True
    work.start()
    work.connection.select_db(work.database)
    put_away(work, survey)
    if survey.legacy_auth:
        work.rows(
            "CREATE TABLE alembic_version_auth (version_num VARCHAR(32) NOT NULL, CONSTRAINT "
            "alembic_version_auth_pkc PRIMARY KEY (version_num)) SELECT %s AS version_num",
            schema_survey.AUTH_FIRST,
        )
    work.run([revision.revision for revision in found.pending])
    forget(work, survey, work.later(work.target.head))
    return True


def forget(work: Work, survey: Survey, left: ahead.Done) -> bool:
    """Remove the record of what was done ahead, if nothing is `left` that is ahead. Returns whether there was any."""
    if ahead.PREPARED not in survey.live.tables or left:
        return False
    work.connection.select_db(work.database)
    work.rows(f"DELETE FROM {ahead.PREPARED} WHERE app = %s", work.params["app"])
    # The other app's may be there.
    if not work.rows(f"SELECT 1 FROM {ahead.PREPARED}"):
        work.rows(f"DROP TABLE {ahead.PREPARED}")
    return True


def refuse_drift(work: Work, survey: Survey) -> HalfApplied:
    """What an interrupted migration left. Raises SchemaProblem if it cannot be finished."""
    found = survey.examination
    if found.half_applied is None or found.drift:
        raise SchemaProblem(
            f"{work.database} cannot be repaired by finishing a migration, nothing was changed: it is {found.state}. "
            f"{found.message} Restore the backup from before it if there is one."
        )
    return found.half_applied


def repair(work: Work, survey: Survey) -> bool:
    """Finish the migration that was interrupted. Returns whether there was any."""
    found = survey.examination
    if found.state in (EMPTY, *WHOLE):
        return False
    first = refuse_drift(work, survey)
    finish_by_code = needs_code(first)
    if finish_by_code:
        work.migrations_with(first.revision.revision)
    work.refuse_blockers(survey)
    if work.check_mode:
        return True
    if finish_by_code:
        work.start()
    work.connection.select_db(work.database)
    put_away(work, survey)
    half: HalfApplied | None = first
    while half is not None:
        if needs_code(half):
            work.migrations_with(half.revision.revision)
            run_rest(work, half)
        else:
            replay(work, half, survey)
        survey = work.look()
        before, half = half, survey.examination.half_applied
        if half is not None and half.revision.revision == before.revision.revision:
            raise Interrupted(f"the migration to {half.revision.revision} could not be finished")
    return True


def prepare(work: Work) -> dict[str, Any]:
    """Do ahead what pending migrations do, as far as MLflow can go on meanwhile. Returns the module's result."""
    survey = work.look()
    found = survey.examination
    result: dict[str, Any] = {
        "plan": [],
        "made_indexes": [],
        "dropped_indexes": [],
        "prepared": None,
        "left": [],
    }
    if found.state != BEHIND or not found.revision or survey.legacy_auth:
        return {"changed": False, **result, **result_of(work, survey)}
    work.migrations_with(work.target.head)
    # A table that a transaction holds is left.
    names = [one["name"] for one in survey.blockers if one["name"] != "blocking_transaction"]
    work.refuse_blockers(survey, names)
    wanted = ahead.possible(work.catalogue, found.revision, work.target.head)
    missing = any(numbers - found.ahead.get(one, frozenset()) for one, numbers in wanted.items())
    if work.check_mode:
        result["plan"] = describe_pending(found, found.pending, work.catalogue, survey.live.tables)
        return {"changed": missing, **result, **result_of(work, survey)}
    if missing:
        result["left"] = do_ahead(work, found.revision)
    now = work.look()
    if ahead.analysable(work.catalogue, found.revision, work.target.head, now.live.lines) and work.rows(
        f"SELECT 1 FROM {quoted(work.database, 'trace_info')} LIMIT 1"
    ):
        work.run([], prepare=True)
        now = work.look()
    if now.examination.state != BEHIND:
        raise Interrupted(f"the schema is not what it should be after that: {now.examination.message}")
    updated = sum(part["updated"] for part in (work.prepared or {}).values())
    return {
        **result,
        "changed": updated > 0 or now.live.lines != survey.live.lines,
        "prepared": work.prepared,
        "diff": {
            "before": as_text(found.revision, survey.live.lines),
            "after": as_text(now.examination.revision, now.live.lines),
        },
        **result_of(work, now),
    }


def do_ahead(work: Work, revision: str) -> list[dict[str, str]]:
    """Do the statements of pending migrations that keep nobody out. Returns those that were left, and why."""
    work.connection.select_db(work.database)
    # First, so that the store does not look like one that an interrupted migration left.
    work.rows(
        f"CREATE TABLE IF NOT EXISTS {ahead.PREPARED} (app varchar(16) NOT NULL, revision varchar(32) NOT NULL, "
        "started datetime NOT NULL, PRIMARY KEY (app, revision))"
    )
    work.rows(
        f"INSERT IGNORE INTO {ahead.PREPARED} VALUES (%s, %s, UTC_TIMESTAMP())", work.params["app"], revision
    )
    # What `mlflow db prepopulate-trace-analytics` has done is known for done from here on.
    found = work.look().examination
    last = work.catalogue.position(work.target.head)
    left: list[dict[str, str]] = []
    held: dict[str, str] = {}

    def take(entry: catalogue.Revision, number: int, order: ahead.Order) -> bool:
        if work.catalogue.position(entry.revision) > last or number in found.ahead.get(entry.revision, ()):
            return number in found.ahead.get(entry.revision, ())
        statement = entry.statements[number]
        tables = ahead.tables_of(statement)
        problem = next((held[name] for name in tables if name in held), None) or beside_writers(
            work, ahead.online(statement, order.made)
        )
        if problem:
            left.append({"revision": entry.revision, "statement": statement.sql, "problem": problem})
            # And what else needs these tables: MySQL may drop an index for another one that is no help without this.
            held.update(dict.fromkeys(tables, problem))
        return problem is None

    work.rows(f"SET SESSION lock_wait_timeout = {AHEAD_WAIT_SECONDS:d}")
    try:
        for _taken in ahead.walk(work.catalogue, revision, take):
            pass
    finally:
        if work.connection.open:
            work.rows(f"SET SESSION lock_wait_timeout = {work.params['lock_timeout']:d}")
    return left


def beside_writers(work: Work, statement: str) -> str | None:
    """Execute `statement`, which keeps nobody out for long. Returns why that cannot be."""
    for again in range(AHEAD_TRIES - 1, -1, -1):
        try:
            work.rows(statement)
            return None
        except Exception as error:  # pymysql's own classes may be missing
            if blockers.code_of(error) in NOT_ONLINE:
                return connection.describe_error(error, work.login.address)
            if blockers.code_of(error) != ER_LOCK_WAIT_TIMEOUT:
                raise
        if again:
            time.sleep(AHEAD_WAIT_SECONDS)
    return HELD


def conversion_of(work: Work, survey: Survey) -> tuple[conversion.Database, str, frozenset[str], list[str]]:
    """The database, the wanted collation, the lines that are known of its schema, and the statements that it takes."""
    found = survey.examination
    if found.state in (FOREIGN, UNKNOWN):
        raise SchemaProblem(
            f"{work.database} is not converted, nothing was changed: it is {found.state}. {found.message}"
        )
    known = work.catalogue.schema(found.revision) if found.revision else frozenset()
    known |= found.schema
    database = conversion.read_database(work.connection, work.database)
    target = work.params["collation"] or conversion.target_collation(database)
    if not conversion.EXACT.match(target):
        raise SchemaProblem(
            f"collation is {target}: give one of utf8mb4 that tells upper and lower case apart, such as "
            f"{conversion.COLLATION}; nothing was changed"
        )
    return database, target, known, conversion.statements(database, target, known)


def convert(work: Work) -> dict[str, Any]:
    """Bring the database to one character set, collation and row format. Returns the module's result."""
    survey = work.look()
    found = survey.examination
    database, target, known, statements = conversion_of(work, survey)
    result = {
        "changed": bool(statements),
        "statements": statements,
        "misread": [],
        "plan": [],
        "made_indexes": [],
        "dropped_indexes": [],
    }
    if not statements:
        return {**result, **result_of(work, survey)}
    work.refuse_blockers(survey, CONVERTING)
    wrong = conversion.problems(work.connection, database, target, known)
    if wrong:
        raise SchemaProblem(f"{work.database} cannot be converted, nothing was changed: {'; '.join(wrong)}")
    result["misread"] = conversion.misread(work.connection, database)
    if work.check_mode:
        return {**result, **result_of(work, survey)}
    before = conversion.fingerprints(work.connection, database)
    work.connection.select_db(work.database)
    for number, statement in enumerate(statements, 1):
        try:
            work.rows(statement)
        except Exception as error:  # pymysql's own classes may be missing
            raise Interrupted(
                f"statement {number} of {len(statements)} of the conversion failed: "
                f"{connection.describe_error(error, work.login.address)}: {statement[:200]}"
            ) from None
    database = conversion.read_database(work.connection, work.database)
    left = conversion.statements(database, target, known)
    changed = conversion.changed_tables(before, conversion.fingerprints(work.connection, database))
    now = work.look()
    had = {(one.kind, one.table, one.name) for one in found.drift}
    drift = [one for one in now.examination.drift if (one.kind, one.table, one.name) not in had]
    if left or changed or drift:
        raise Interrupted(
            "the conversion did not end as it should: "
            + "; ".join(
                [
                    *changed,
                    *(f"left to do: {one[:200]}" for one in left[:3]),
                    *(f"{one.table}: {one.kind} {one.name} is {one.problem}" for one in drift[:3]),
                ]
            )
        )
    diff = {
        "before": as_text(found.revision, survey.live.lines),
        "after": as_text(now.examination.revision, now.live.lines),
    }
    return {**result, "diff": diff, **result_of(work, now)}


def put_away(work: Work, survey: Survey) -> None:
    """Drop the indexes that MLflow's migrations do not know."""
    for index in extra_indexes.present(survey.live.lines, work.catalogue):
        work.rows(index.drop)


def wanted_indexes(
    work: Work, before: Survey, result: dict[str, Any]
) -> list[extra_indexes.ExtraIndex] | None:
    """The indexes that the store is to have in the end; None if they are not to be touched."""
    names = work.params["extra_indexes"]
    if result["state"] not in WHOLE:
        if work.params["state"] == "indexed":
            raise SchemaProblem(
                f"{work.database} gets no indexes, nothing was changed: it is {result['state']}. {result['message']}"
            )
        return None
    if names is None:
        return extra_indexes.present(before.live.lines, work.catalogue)
    return [one for one in extra_indexes.offered(work.catalogue, result["revision"]) if one.name in names]


def set_indexes(work: Work, wanted: list[extra_indexes.ExtraIndex], now: Survey) -> None:
    """Make and drop indexes, until those that are there are `wanted`. Raises SchemaProblem if the disk has no room."""
    there = extra_indexes.present(now.live.lines, work.catalogue)
    missing = [one for one in wanted if one not in there]
    free = schema_survey.free_bytes(work.params["data_directory"])
    problem = extra_indexes.no_room(missing, now.live.tables, free)
    if problem:
        raise SchemaProblem(problem)
    if work.check_mode:
        return
    work.connection.select_db(work.database)
    for one, statement in (
        *((one, one.drop) for one in there if one not in wanted),
        *((one, one.make) for one in missing),
    ):
        try:
            work.rows(statement)
        except Exception as error:  # pymysql's own classes may be missing
            if blockers.code_of(error) != ER_LOCK_WAIT_TIMEOUT:
                raise
            raise SchemaProblem(
                f"{one.index} is as it was: a transaction has held {one.table} for more than "
                f"{work.params['lock_timeout']} s. Run this again when it has ended, or raise lock_timeout"
            ) from None


def needs_code(half: HalfApplied) -> bool:
    """Whether what is left of a migration has rows that MLflow's code computes."""
    return half.revision.computed and any(statement.data for statement in half.todo)


def run_rest(work: Work, half: HalfApplied) -> None:
    """Let MLflow run the migration, with the statements left out that are done."""
    statements = half.revision.statements
    normalise = migration_runner.normalise
    made = half.revision.made_tables
    written = [normalise(s.sql) for s in half.done if s.data]
    filled = {
        t
        for t in made
        if t in {n for (n,) in work.rows("SHOW TABLES")} and work.rows(f"SELECT 1 FROM {quoted(t)} LIMIT 1")
    }
    # Rows go into a new table in one transaction: where there are any, all of them are there.
    written += [
        normalise(s.sql) for s in statements if s.data and any(f"INSERT INTO {t} " in s.sql for t in filled)
    ]
    finish = {
        "revision": half.revision.revision,
        "done": [normalise(s.sql) for s in half.done if not s.data],
        "written": written,
        "known": [normalise(s.sql) for s in statements],
    }
    work.run([half.revision.revision], finish=finish)


def replay(work: Work, half: HalfApplied, survey: Survey) -> None:
    """Do the statements that are left, and record the revision."""
    live = survey.live
    for statement in half.todo:
        work.rows(with_live_names(statement, live.names))
    table = VERSION_TABLES[work.params["app"]]
    revision = half.revision.revision
    if revision != catalogue.INITIAL:
        if work.rows(f"SELECT 1 FROM {table}"):
            work.rows(f"UPDATE {table} SET version_num = %s", revision)
        else:
            work.rows(f"INSERT INTO {table} (version_num) VALUES (%s)", revision)
    work.applied.append({"revision": revision, "seconds": None})


def with_live_names(statement: catalogue.Statement, names: Mapping[str, str]) -> str:
    """A statement with the names that the store's own server chose."""
    own = [names[line] for line in statement.removed if line in names and " named " not in line]
    if not own:
        return statement.sql
    return CONSTRAINT.sub(lambda found: f"DROP {found['kind']} {quoted(own[0])}", statement.sql)


def result_of(work: Work, survey: Survey) -> dict[str, Any]:
    found = survey.examination
    return {
        "state": found.state,
        "message": found.message,
        "revision": found.revision,
        "head": work.target.head,
        "mlflow_version": work.target.mlflow_version,
        "pending": [entry.revision for entry in found.pending],
        "applied": work.applied,
        "drift": [difference.as_dict() for difference in found.drift],
        "extra_indexes": extra_indexes.describe(survey.live.lines, work.catalogue, found.revision),
        "default_experiment": survey.default_experiment,
        "tables": len(survey.live.tables),
    }


def predicted(
    work: Work, survey: Survey, plan: list[catalogue.Revision]
) -> tuple[dict[str, Any], frozenset[str]]:
    """The result and the schema as they would be after `plan`."""
    revision = plan[-1].revision
    left = [entry.revision for entry in survey.examination.pending if entry not in plan]
    state = CURRENT if revision == work.target.head else BEHIND
    result = {**result_of(work, survey), "state": state, "revision": revision, "pending": left, "drift": []}
    if survey.examination.state == EMPTY and work.params["app"] == "tracking":
        result["default_experiment"] = default_experiment.MISSING
    return result, work.catalogue.schema(revision)


def plan_of(work: Work, survey: Survey) -> list[catalogue.Revision]:
    """The migrations that the wanted state takes."""
    found = survey.examination
    if work.params["state"] == "repaired":
        return [found.half_applied.revision] if found.half_applied else []
    if work.params["state"] == "indexed":
        return []
    if work.params["state"] == "initialised":
        return list(work.catalogue.revisions[: work.catalogue.position(work.target.head) + 1])
    return list(found.pending)


def as_text(revision: str | None, lines: frozenset[str]) -> str:
    return "".join(f"{line}\n" for line in [f"revision {revision}", *sorted(lines)])


def do(work: Work, before: Survey | None = None) -> dict[str, Any]:
    """Bring the schema to the wanted state and return the module's result.

    `before` is what a look found, rows too, if nobody can have changed the schema since.
    """
    if before is None:
        work.look()  # says what is wrong with the database before anything waits for a lock
    work.lock()
    if work.params["state"] == "converted":
        return convert(work)
    if work.params["state"] == "prepared":
        return prepare(work)
    if before is None:
        before = work.look(rows=work.params["state"] in ("upgraded", "repaired"))
    plan = plan_of(work, before)
    described = describe_pending(before.examination, plan, work.catalogue, before.live.tables)
    migrated = migrate(work, before)
    now = before
    if migrated and work.check_mode:
        result, lines = predicted(work, before, plan)
    else:
        now = work.look() if migrated else before
        found = now.examination
        if not work.check_mode and found.state in (CURRENT, BEHIND) and forget(work, now, found.ahead):
            now = work.look()
        result, lines = result_of(work, now), now.live.lines
        if migrated and (
            now.examination.drift or (work.params["state"] != "repaired" and result["state"] != CURRENT)
        ):
            raise Interrupted(f"the schema is not what it should be after that: {now.examination.message}")
    had = extra_indexes.present(before.live.lines, work.catalogue)
    wanted = wanted_indexes(work, before, result)
    if wanted is None:
        wanted = had
    else:
        set_indexes(work, wanted, now)
        lines = (lines - extra_indexes.LINES) | {one.line for one in wanted}
        result["extra_indexes"] = extra_indexes.describe(lines, work.catalogue, result["revision"])
    experiment = make_experiment(work, result, now)
    if experiment:
        result["default_experiment"] = "made"
    made = [one.name for one in wanted if one not in had]
    dropped = [one.name for one in had if one not in wanted]
    result = {
        "plan": described if migrated else [],
        "made_indexes": made,
        "dropped_indexes": dropped,
        **result,
    }
    if not (migrated or made or dropped or experiment):
        return {"changed": False, **result}
    diff = {
        "before": as_text(before.examination.revision, before.live.lines),
        "after": as_text(result["revision"], lines | (EXPERIMENT if experiment else frozenset())),
    }
    return {"changed": True, "diff": diff, **result}


def make_experiment(work: Work, result: Mapping[str, Any], now: Survey) -> bool:
    """Make experiment 0 where MLflow would. Returns whether there was anything to do."""
    root = work.params["default_artifact_root"]
    if (
        root is None
        or result["state"] != CURRENT
        or result["default_experiment"] != default_experiment.MISSING
    ):
        return False
    if not work.check_mode:
        default_experiment.make(work.connection, work.database, now.live, root)
    return True


def migrate(work: Work, survey: Survey) -> bool:
    """Do what the wanted state takes besides indexes. Returns whether there was anything to do."""
    if work.params["state"] == "indexed":
        return False
    return {"initialised": initialise, "upgraded": upgrade, "repaired": repair}[work.params["state"]](
        work, survey
    )


def afterwards(work: Work) -> dict[str, Any]:
    """What a failure left, if the server still says."""
    try:
        if work.connection.open:
            work.connection.close()
        work.connection = connection.connect_administrator(work.login)
        return result_of(work, work.look())
    except Exception:  # nothing is known then, and the failure itself is what counts
        return {"applied": work.applied}


def run(
    params: Mapping[str, Any], check_mode: bool, act: Callable[[Work], dict[str, Any]] = do
) -> dict[str, Any]:
    """Do what the options of the module mlflow_schema ask for; returns its result. Raises Failed.

    `act` is what is done with them.
    """
    work = None
    try:
        work = Work(params, check_mode, connection.login_from_params(params))
        return act(work)
    except (
        connection.ConnectionFailed,
        MigrationsMissing,
        SchemaProblem,
        WriteLockProblem,
        ownership.NotOwner,
    ) as error:
        left = afterwards(work) if work is not None else {}
        message = str(error)
        if isinstance(error, Interrupted) and left.get("message"):
            message = f"{message}. The store is {left['state']} now: {left['message']}"
        raise Failed(message, error.reason, left) from None
    except Exception as error:  # a lost connection or a refused statement: pymysql may be missing
        if work is None:
            raise
        message = connection.describe_error(error, work.login.address)
        left = afterwards(work)
        if left["applied"] and left.get("message"):
            message = f"{message}. The store is {left['state']} now: {left['message']}"
        raise Failed(message, "server", left) from error
    finally:
        if work is not None:
            work.close()
