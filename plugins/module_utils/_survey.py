# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a store: its schema, its server and what would block a migration. Private to this collection."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils import (
    _catalogue,
    _extra_indexes,
    _server,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._live_schema import (
    LiveSchema,
    Table,
    query,
    read_schema,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._owner import schema_lock
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._state import (
    VERSION_TABLES,
    Examination,
    describe_revision,
    examine,
)

# The auth app kept its revision in `alembic_version` before MLflow 3.6; so it still is in such a store.
AUTH_FIRST = "8606fa83a998"


class SchemaProblem(Exception):
    """The schema cannot be read, or cannot be brought to the wanted state. The message names the remedy."""


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
    server: _server.Server
    blockers: list[dict[str, Any]]
    legacy_auth: bool = False


def target(app: str, mlflow_version: str | None, revision: str | None = None) -> Target:
    """The wanted revision: that of `mlflow_version`, or `revision`, or else the newest. Raises SchemaProblem."""
    catalogue = _catalogue.load(app)
    if revision is not None:
        if revision not in catalogue or revision == _catalogue.INITIAL:
            raise SchemaProblem(
                f"there is no revision {revision} in the catalogue, which ends with "
                f"{catalogue.revisions[-1].revision} of MLflow {catalogue.newest_release}: correct it, or install a "
                "newer release of this collection"
            )
        return Target(app, revision, None)
    version = mlflow_version or catalogue.newest_release
    if version not in catalogue.releases:
        known = list(catalogue.releases)
        raise SchemaProblem(
            f"MLflow {version} is not in the catalogue, which has {known[0]} to {catalogue.newest_release}: correct "
            "mlflow_version, or install a newer release of this collection"
        )
    return Target(app, catalogue.releases[version], version)


def look(connection: Any, database: str, wanted: Target, data_directory: str | None = None) -> Survey:
    """Survey `database` on an open connection. Raises SchemaProblem, and pymysql's errors."""
    if not query(connection, "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", database):
        user = query(connection, "SELECT CURRENT_USER()")[0][0]
        raise SchemaProblem(
            f"there is no database {database} that {user} may see: make it, or grant rights on it"
        )
    catalogue = _catalogue.load(wanted.app)
    live = read_schema(connection, database)
    live, versions, legacy = versions_of(connection, database, live, wanted.app)
    examination = examine(live, versions, catalogue, wanted.head, str(wanted))
    server = _server.read_server(connection, database)
    blockers = _server.find_blockers(
        connection, server, database, live.tables, live.collation, free_bytes(data_directory)
    )
    return Survey(live, examination, server, blockers, legacy)


def versions_of(
    connection: Any, database: str, live: LiveSchema, app: str
) -> tuple[LiveSchema, list[str] | None, bool]:
    """The rows of the version table (None: there is none), and whether the auth app's is an old one."""
    name = VERSION_TABLES[app]
    quoted = "`{}`".format(database.replace("`", "``"))

    def rows(table: str) -> list[str]:
        return [str(row[0]) for row in query(connection, f"SELECT version_num FROM {quoted}.`{table}`")]

    if name in live.tables:
        whole = any(line.startswith(f"column {name}.version_num ") for line in live.lines)
        return live, rows(name) if whole else [], False
    first = _catalogue.load("auth").schema(AUTH_FIRST)
    made = {line for line in first if line.startswith("table ") and f" {name} " not in line}
    if app != "auth" or not made <= live.lines:
        return live, None, False
    # Its tables are whole; what says so is another table, or none at all.
    lines = {line for line in live.lines if _catalogue.table_of(line) != VERSION_TABLES["tracking"]}
    lines |= {line for line in first if _catalogue.table_of(line) == name}
    return LiveSchema(frozenset(lines), live.tables, live.collation, live.names), [AUTH_FIRST], True


def locked(connection: Any, database: str) -> bool:
    """Whether another session is changing `database`, or who may write to it, with this collection."""
    digest = hashlib.sha256(database.encode()).hexdigest()
    names = [schema_lock(database), f"mlflow_schema_gate.{digest[:32]}"]
    holders = query(connection, "SELECT " + ", ".join(["IS_USED_LOCK(%s)"] * len(names)), *names)[0]
    return any(holder is not None for holder in holders)


def exact_rows(connection: Any, database: str, live: LiveSchema) -> LiveSchema:
    """`live` with every table's rows counted, which reads the whole of an index of each."""
    quoted = "`{}`".format(database.replace("`", "``"))
    counted = {}
    for name, table in live.tables.items():
        own = "`{}`".format(name.replace("`", "``"))
        rows = query(connection, f"SELECT COUNT(*) FROM {quoted}.{own}")[0][0]
        counted[name] = Table(int(rows), table.bytes)
    return replace(live, tables=counted)


def free_bytes(directory: str | None) -> int | None:
    if not directory:
        return None
    try:
        found = os.statvfs(directory)
    except OSError as error:
        raise SchemaProblem(f"cannot look at data_directory {directory}: {error.strerror}") from None
    return found.f_bavail * found.f_frsize


def describe(survey: Survey, database: str, wanted: Target) -> dict[str, Any]:
    """A survey as the modules return it."""
    found = survey.examination
    catalogue = _catalogue.load(wanted.app)
    rows = {name: table.rows for name, table in survey.live.tables.items()}
    half = found.half_applied
    known = found.revision is not None and found.revision in catalogue
    return {
        "server": survey.server.facts(),
        "blockers": survey.blockers,
        "app": wanted.app,
        "database": database,
        "state": found.state,
        "message": found.message,
        "revision": found.revision,
        "head": wanted.head,
        "mlflow_version": wanted.mlflow_version,
        "mlflow_versions": catalogue.mlflow_versions(str(found.revision)) if known else [],
        "pending": [describe_revision(revision, catalogue, rows) for revision in found.pending],
        "half_applied": None
        if half is None
        else {
            "revision": half.revision.revision,
            "title": half.revision.title,
            "done": [statement.sql for statement in half.done],
            "todo": [statement.sql for statement in half.todo],
        },
        "drift": [difference.as_dict() for difference in found.drift],
        "extra_indexes": _extra_indexes.describe(survey.live.lines, catalogue, found.revision),
        "tables": [
            {"name": name, "rows": table.rows, "bytes": table.bytes}
            for name, table in sorted(survey.live.tables.items())
        ],
        "sessions": list(survey.server.sessions),
        "revisions": [
            {"revision": r.revision, "title": r.title, "mlflow_version": catalogue.first_release(r.revision)}
            for r in catalogue.revisions
        ],
    }
