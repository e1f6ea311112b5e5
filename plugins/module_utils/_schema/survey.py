# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a store: its schema, its server and what would block a migration. Private to this collection."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.connection import (
    ConnectionFailed,
    Login,
    connect_administrator,
    describe_error,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import query, quoted
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    ahead,
    conversion,
    downtime,
    extra_indexes,
    transactions,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    blockers as schema_blockers,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    catalogue as schema_catalogue,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    default_experiment as schema_default_experiment,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.live import (
    LiveSchema,
    Table,
    read_schema,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.ownership import (
    schema_lock,
    write_lock,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.state import (
    BEHIND,
    HALF_APPLIED,
    VERSION_TABLES,
    WHOLE,
    Examination,
    describe_pending,
    examine,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.write_lock import (
    Record,
    WriteLockProblem,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.write_lock import (
    Server as WriteLock,
)

ER_UNKNOWN_SYSTEM_VARIABLE = 1193
# Blockers that keep MLflow from writing, whatever revision the schema has.
UNWRITABLE = ("read_only", "database_read_only", "innodb_read_only")
INTERRUPTED = "upgrade_interrupted"
FILE_SIZES = """
SELECT name, file_size FROM information_schema.innodb_tablespaces WHERE name LIKE %s"""
UNUSED = """
SELECT table_name, data_free FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'"""

# The auth app kept its revision in `alembic_version` before MLflow 3.6; so it still is in such a store.
AUTH_FIRST = "8606fa83a998"


# Blockers that a conversion cures, and what else their remedy begins with.
CONVERTED = {
    "charset": "",
    "collation_mismatch": "",
    "collation_merges_keys": "",
    "keys_collide": "use one spelling in the code that logs them, or ",
    "row_format": "",
}
STATEMENTS_MAXIMUM = 2000  # characters


class SchemaProblem(Exception):
    """The schema cannot be read, or cannot be brought to the wanted state. The message names the remedy."""

    reason = "schema"


class UnknownTarget(SchemaProblem):
    """The wanted MLflow or revision is not in the catalogue."""

    reason = "unknown_target"


class NoDatabase(SchemaProblem):
    """There is no such database, or the account may not see it."""

    reason = "no_database"


@dataclass(frozen=True)
class Target:
    """The wanted revision. `mlflow_version` is the release that it is of (None: none was named)."""

    app: str
    head: str
    mlflow_version: str | None

    def __str__(self) -> str:
        return f"MLflow {self.mlflow_version}" if self.mlflow_version else f"revision {self.head}"


@dataclass(frozen=True)
class Survey:
    """What was found at one moment."""

    live: LiveSchema
    examination: Examination
    server: schema_blockers.Server
    blockers: list[dict[str, Any]]
    legacy_auth: bool = False
    # What is known of MLflow's experiment 0, a word of schema_default_experiment. None: nothing is to be known yet.
    default_experiment: str | None = None


def same_minor(release: str, text: str) -> bool:
    """Whether what somebody wrote for a release, such as 3.17 or 3.17.9, begins as `release` does."""
    return release.split(".")[:2] == text.strip().split(".")[:2]


def target(app: str, mlflow_version: str | None, revision: str | None = None) -> Target:
    """The wanted revision: that of `mlflow_version`, or `revision`, or else the newest. Raises SchemaProblem."""
    catalogue = schema_catalogue.load(app)
    if revision is not None:
        if revision not in catalogue or revision == schema_catalogue.INITIAL:
            raise UnknownTarget(
                f"there is no revision {revision} in the catalogue, which ends with "
                f"{catalogue.revisions[-1].revision} of MLflow {catalogue.newest_release}: correct it, or install a "
                "newer release of this collection"
            )
        return Target(app, revision, None)
    version = mlflow_version or catalogue.newest_release
    if version not in catalogue.releases:
        known = list(catalogue.releases)
        alike = [one for one in known if same_minor(one, version)]
        raise UnknownTarget(
            f"MLflow {version if version == version.strip() else repr(version)} is not in the catalogue, "
            + (
                f"which has {', '.join(alike)}: write one of these"
                if alike
                else f"which has {known[0]} to {catalogue.newest_release}: correct the version "
                "(mlflow_schema_mlflow_version), or install a newer release of this collection"
            )
        )
    return Target(app, catalogue.releases[version], version)


def look(
    connection: Any,
    database: str,
    wanted: Target,
    data_directory: str | None = None,
    scan_seconds: float | None = 0,
    disconnected: frozenset[str] = frozenset(),
) -> Survey:
    """Survey `database` on an open connection. Raises SchemaProblem, and pymysql's errors.

    For each thing that pending migrations need of the rows `scan_seconds` are spent at most (None: as long as it takes,
    0: rows are not looked at). The sessions of the users `disconnected` are in nobody's way.
    """
    fresh_statistics(connection)
    if not query(connection, "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", database):
        user = query(connection, "SELECT CURRENT_USER()")[0][0]
        raise NoDatabase(
            f"there is no database {database} that {user} may see: make it, or grant rights on it"
        )
    catalogue = schema_catalogue.load(wanted.app)
    live = read_schema(connection, database)
    live, versions, legacy = versions_of(connection, database, live, wanted.app)
    if ahead.PREPARED in live.tables:
        if not any(line.startswith(f"column {ahead.PREPARED}.app ") for line in live.lines):
            raise SchemaProblem(
                f"the table {ahead.PREPARED} of {database} is not the one that this collection makes: rename it"
            )
        # The other app's are there too, where the two share a database.
        rows = query(
            connection, f"SELECT app, revision FROM {quoted(database, ahead.PREPARED)} ORDER BY started"
        )
        prepared = (str(revision) for app, revision in rows if app == wanted.app)
        live = replace(live, prepared=tuple(one for one in prepared if one in catalogue))
    examination = examine(live, versions, catalogue, wanted.head, str(wanted))
    server = schema_blockers.read_server(connection, database)
    files = file_sizes(connection, database, data_directory, "PROCESS" in server.global_privileges)
    live = replace(live, tables=with_files(connection, database, live.tables, files))
    blockers = schema_blockers.find_blockers(
        connection,
        server,
        database,
        live.tables,
        live.collation,
        free_bytes(data_directory),
        steps=steps_of(examination),
        schema=examination.schema,
        seconds=scan_seconds,
        disconnected=disconnected,
    )
    if any(statement.data for revision in examination.pending for statement in revision.statements):
        limits = transactions.read_limits(connection)
        blockers += transactions.check_transactions(limits, examination.pending, live.tables)
    experiment = None
    if wanted.app == "tracking" and examination.state in WHOLE:
        try:
            experiment = schema_default_experiment.look(
                connection, database, live, catalogue, examination.revision
            )
        except Exception as error:  # pymysql's own classes may be missing
            if schema_blockers.code_of(error) not in schema_blockers.DENIED:
                raise
    blockers = with_conversion(connection, database, blockers, examination.schema)
    blockers += check_programs(live.programs)
    blockers += check_experiment(experiment)
    return Survey(live, examination, server, blockers, legacy, experiment)


def with_conversion(
    connection: Any, database: str, blockers: list[schema_blockers.Blocker], lines: frozenset[str]
) -> list[schema_blockers.Blocker]:
    """`blockers` with what ends clean for those that a conversion cures: CONVERT TO makes a TEXT larger."""
    if not {one["name"] for one in blockers} & set(CONVERTED):
        return blockers
    found = conversion.read_database(connection, database)
    statements = conversion.statements(found, conversion.target_collation(found), lines)
    text = "; ".join(statements)
    by_hand = (
        f", or by hand, with a backup, and MLflow stopped: {text}"
        if len(text) <= STATEMENTS_MAXIMUM
        else "; with CHECK=1 it shows its statements"
    )
    remedy = (
        f"run playbooks/convert_schema.yml (make convert), which converts the store under a backup{by_hand}"
    )
    return [
        {**one, "remedy": CONVERTED[one["name"]] + remedy} if one["name"] in CONVERTED and statements else one
        for one in blockers
    ]


def users_to_disconnect(connection: Any, database: str, lock: Mapping[str, Any]) -> frozenset[str]:
    """The users whose sessions an upgrade ends, with the option `write_lock` of a module; none if they are not seen."""
    if not lock.get("disconnect"):
        return frozenset()
    try:
        # The columns of a table that one may not read are not seen, and there would be nothing to ask for.
        query(connection, "SELECT 1 FROM mysql.user LIMIT 1")
        writers = WriteLock(connection, database, lock["keep"], whole_server=True).writers()
    except Exception as error:  # pymysql's own classes may be missing
        if schema_blockers.code_of(error) not in schema_blockers.DENIED:
            raise
        return frozenset()
    return frozenset(user for user, _host in writers) - {""}


def keeps_out(database: str, lock: Mapping[str, Any]) -> bool:
    """Whether an upgrade keeps writers out, with the option `write_lock` of a module. Raises SchemaProblem."""
    try:
        return bool(lock.get("path")) and Record(lock["path"], database).read() is not None
    except WriteLockProblem as error:
        raise SchemaProblem(str(error)) from None


def with_interrupted(found: dict[str, Any], runs: bool) -> dict[str, Any]:
    """What was found of a store whose writers an upgrade keeps out, one that `runs`, or one that was interrupted."""
    if runs:
        what = "an upgrade of the schema runs, and keeps writers out"
        remedy = "wait for it to end"
    else:
        what = "an upgrade of the schema was interrupted, and keeps writers out"
        remedy = "run the playbook upgrade_schema (make upgrade), which finishes it"
    blocker = schema_blockers.blocker(INTERRUPTED, what, remedy)
    return {
        **found,
        "message": f"{what[0].upper()}{what[1:]}: {remedy}.",
        "blockers": [blocker, *found["blockers"]],
    }


def check_experiment(found: str | None) -> list[schema_blockers.Blocker]:
    """A warning if MLflow would make experiment 0, or could not."""
    if found == schema_default_experiment.MISSING:
        return [
            schema_blockers.blocker(
                "default_experiment_missing",
                "experiment 0 is missing: the first process of MLflow's that opens the store makes it, and writes "
                "without strict mode from then on: values that are too long are cut without an error",
                "run playbooks/deploy.yml before MLflow is started, which makes it where "
                "mlflow_schema_default_artifact_root says",
                schema_blockers.WARNING,
            )
        ]
    if found == schema_default_experiment.TAKEN:
        return [
            schema_blockers.blocker(
                "default_experiment_taken",
                "experiment 0 is missing, and MLflow cannot make it, since another experiment is named Default: MLflow "
                "3.4 and later do not open the store",
                "give the other one another name",
                schema_blockers.WARNING,
            )
        ]
    return []


def check_programs(programs: Sequence[tuple[str, str]]) -> list[schema_blockers.Blocker]:
    """A warning that names the procedures, functions and events of the database, which are nobody's but its owner's."""
    if not programs:
        return []
    names = schema_blockers.listed(f"{kind} {name}" for kind, name in programs)
    return [
        schema_blockers.blocker(
            "own_programs",
            f"the database has programs that are not MLflow's: {names}. They stay as they are; no event runs while the "
            "schema is upgraded. A migration does not change what they say of the tables",
            "check whether they refer to what the pending migrations change, and keep them in a separate database",
            schema_blockers.WARNING,
        )
    ]


def fresh_statistics(connection: Any) -> None:
    """Let information_schema say what rows and sizes are, not what they were up to 24 hours ago."""
    try:
        query(connection, "SET SESSION information_schema_stats_expiry = 0")
    except Exception as error:  # MySQL 5.7 keeps none; pymysql's own classes may be missing
        if schema_blockers.code_of(error) != ER_UNKNOWN_SYSTEM_VARIABLE:
            raise


def steps_of(found: Examination) -> schema_blockers.Steps:
    """What is pending, without the statements that are done."""
    half = found.half_applied
    if found.state not in (BEHIND, HALF_APPLIED):
        return []
    return [
        (
            one,
            half.todo
            if half is not None and one == half.revision
            else [s for n, s in enumerate(one.statements) if n not in found.ahead.get(one.revision, ())],
        )
        for one in found.pending
    ]


def file_name(name: str) -> str:
    """A name as MySQL has it on disk."""
    return "".join(
        c if c.isascii() and (c.isalnum() or c == "_") else "".join(f"@{ord(one):04x}" for one in c)
        for c in name
    )


def file_sizes(connection: Any, database: str, data_directory: str | None, may_ask: bool) -> dict[str, int]:
    """The bytes of the tables' files, of those that can be seen: by name as it is on disk."""
    if may_ask:
        pattern = file_name(database).replace("_", "\\_") + "/%"
        rows = query(connection, FILE_SIZES, pattern)
        return {str(name).partition("/")[2]: int(size or 0) for name, size in rows}
    found = {}
    try:
        for entry in os.scandir(os.path.join(data_directory, file_name(database))) if data_directory else ():
            if entry.name.endswith(".ibd"):
                found[entry.name[:-4]] = entry.stat().st_size
    except OSError:
        pass  # for the server's own account only
    return found


def with_files(
    connection: Any, database: str, tables: Mapping[str, Table], files: Mapping[str, int]
) -> dict[str, Table]:
    """`tables` with the bytes that their files use, where statistics lag behind."""
    if not files:
        return dict(tables)
    unused = {str(name): int(size or 0) for name, size in query(connection, UNUSED, database)}
    return {
        name: replace(table, bytes=max(table.bytes, files.get(file_name(name), 0) - unused.get(name, 0)))
        for name, table in tables.items()
    }


def unwritable(blockers: list[dict[str, Any]]) -> str:
    """What keeps MLflow from writing, as the end of a message."""
    why = [
        one["message"]
        for one in blockers
        if one["name"] in UNWRITABLE and one["severity"] == schema_blockers.ERROR
    ]
    return f" MLflow cannot write: {'; '.join(why)}." if why else ""


def versions_of(
    connection: Any, database: str, live: LiveSchema, app: str
) -> tuple[LiveSchema, list[str] | None, bool]:
    """The rows of the version table (None: there is none), and whether the auth app's is an old one."""
    name = VERSION_TABLES[app]

    def rows(table: str) -> list[str]:
        found = query(connection, f"SELECT version_num FROM {quoted(database, table)}")
        return [str(row[0]) for row in found if row[0] is not None]

    if name in live.tables:
        whole = any(line.startswith(f"column {name}.version_num ") for line in live.lines)
        return live, rows(name) if whole else [], False
    first = schema_catalogue.load("auth").schema(AUTH_FIRST)
    made = {line for line in first if line.startswith("table ") and f" {name} " not in line}
    if app != "auth" or not made <= live.lines:
        return live, None, False
    # Its tables are whole; what says so is another table, or none at all.
    lines = {line for line in live.lines if schema_catalogue.table_of(line) != VERSION_TABLES["tracking"]}
    lines |= {line for line in first if schema_catalogue.table_of(line) == name}
    return replace(live, lines=frozenset(lines)), [AUTH_FIRST], True


def locked(connection: Any, database: str) -> bool:
    """Whether another session is changing `database`, or who may write to it, with this collection."""
    names = [schema_lock(database), write_lock(database)]
    holders = query(connection, "SELECT " + ", ".join(["IS_USED_LOCK(%s)"] * len(names)), *names)[0]
    return any(holder is not None for holder in holders)


def exact_rows(connection: Any, database: str, live: LiveSchema) -> LiveSchema:
    """`live` with every table's rows counted, which reads the whole of an index of each."""
    counted = {}
    for name, table in live.tables.items():
        rows = query(connection, f"SELECT COUNT(*) FROM {quoted(database, name)}")[0][0]
        counted[name] = Table(int(rows), table.bytes)
    return replace(live, tables=counted)


def free_bytes(directory: str | None) -> int | None:
    if not directory:
        return None
    try:
        found = os.statvfs(directory)
    except OSError as error:
        raise SchemaProblem(f"cannot inspect data_directory {directory}: {error.strerror}") from None
    return found.f_bavail * found.f_frsize


def inspect(login: Login, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what mlflow_schema_info returns for its options, without those of the login.

    Raises SchemaProblem and ConnectionFailed. The latter also tells of a lost connection or a refused query.
    """
    database = options["database"]
    lock = options.get("write_lock") or {}
    wanted = target(options["app"], options["mlflow_version"])
    connection = connect_administrator(login)
    try:
        kept_out = keeps_out(database, lock)
        users = users_to_disconnect(connection, database, lock)
        survey = look(
            connection, database, wanted, options["data_directory"], max(0, options["scan_timeout"]), users
        )
        holds_lock = locked(connection, database)
        if options["exact_rows"]:
            survey = replace(survey, live=exact_rows(connection, database, survey.live))
    except SchemaProblem:
        raise
    except Exception as error:  # pymysql's own classes may be missing
        raise ConnectionFailed(describe_error(error, login.address), "server") from None
    finally:
        connection.close()
    found = {"locked": holds_lock, **describe(survey, database, wanted)}
    return with_interrupted(found, holds_lock) if kept_out else found


def describe(survey: Survey, database: str, wanted: Target) -> dict[str, Any]:
    """A survey as the modules return it."""
    found = survey.examination
    catalogue = schema_catalogue.load(wanted.app)
    pending = describe_pending(found, found.pending, catalogue, survey.live.tables)
    half = found.half_applied
    known = found.revision is not None and found.revision in catalogue
    return {
        "server": survey.server.facts(),
        "blockers": [one for one in survey.blockers if one["severity"] == schema_blockers.ERROR],
        "schema_warnings": [one for one in survey.blockers if one["severity"] != schema_blockers.ERROR],
        "app": wanted.app,
        "database": database,
        "state": found.state,
        "message": found.message + unwritable(survey.blockers),
        "revision": found.revision,
        "head": wanted.head,
        "mlflow_version": wanted.mlflow_version,
        "mlflow_versions": catalogue.mlflow_versions(str(found.revision)) if known else [],
        "pending": pending,
        "downtime_seconds": downtime.whole(sum(one["seconds"] for one in pending), survey.live.tables)
        if found.state in (BEHIND, HALF_APPLIED)
        else None,
        "half_applied": None
        if half is None
        else {
            "revision": half.revision.revision,
            "title": half.revision.title,
            "done": [statement.sql for statement in half.done],
            "todo": [statement.sql for statement in half.todo],
        },
        "drift": [difference.as_dict() for difference in found.drift],
        "extra_indexes": extra_indexes.describe(survey.live.lines, catalogue, found.revision),
        "tables": [
            {"name": name, "rows": table.rows, "bytes": table.bytes}
            for name, table in sorted(survey.live.tables.items())
        ],
        "default_experiment": survey.default_experiment,
        "sessions": list(survey.server.sessions),
        "revisions": [
            {"revision": r.revision, "title": r.title, "mlflow_version": catalogue.first_release(r.revision)}
            for r in catalogue.revisions
        ],
    }
