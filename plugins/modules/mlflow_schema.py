#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow's schema in a MySQL database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_schema
short_description: Initialise MLflow's schema
version_added: 0.1.0
description:
  - Makes MLflow's tables in an empty database with the migrations of the MLflow that is in a virtual environment.
  - A database that has MLflow's tables is left alone, whatever its revision. The result says how it compares.
  - MySQL commits each statement that changes the schema by itself. When an initialisation fails, the tables that it
    made are dropped again. When it is killed, the next run sees that it never finished and starts it over, provided
    that no run was logged meanwhile.
  - Two at a time cannot race. The second waits for the first, up to O(lock_timeout).
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
extends_documentation_fragment:
  - mlflow_ops.backend_store.login
  - mlflow_ops.backend_store.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows the revision and the number of tables before and after.
  idempotent:
    support: full
  platform:
    platforms: posix
options:
  database:
    description: Name of MLflow's database, which must exist.
    type: str
    default: mlflow
  state:
    description: V(initialised) makes the tables if there are none.
    type: str
    choices: [initialised]
    default: initialised
  virtualenv:
    description:
      - Path of a virtual environment with C(mlflow-skinny) or C(mlflow), C(sqlalchemy), C(alembic), C(pymysql) and
        C(cryptography).
    type: path
    required: true
  lock_timeout:
    description: Seconds to wait for another one that changes the same schema, and for readers that hold its tables.
    type: int
    default: 30
seealso:
  - module: mlflow_ops.backend_store.mlflow_mysql_account
"""

EXAMPLES = r"""
- name: Make MLflow's tables
  mlflow_ops.backend_store.mlflow_schema:
    login_user: mlflow_migrator
    login_password_files: [/srv/mlflow-mysql/secrets/migrator_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    database: mlflow
    virtualenv: /srv/mlflow-mysql/mlflow/3.17.2
    state: initialised
"""

RETURN = r"""
state:
  description:
    - V(current) if the store's revision is the head of O(virtualenv)'s MLflow, V(behind) if it is an older one of its
      revisions, V(unknown) if it is none of them (a newer MLflow wrote it, or something that is not MLflow).
    - In check mode the state as it would be.
  returned: success
  type: str
  sample: current
revision:
  description: Revision of the store, V(null) if it has none.
  returned: success
  type: str
  sample: dc11669786a5
head:
  description: The newest revision that the MLflow in O(virtualenv) knows.
  returned: success
  type: str
  sample: dc11669786a5
pending:
  description: The revisions after RV(revision) up to RV(head), oldest first.
  returned: success
  type: list
  elements: str
mlflow_version:
  description: Version of the MLflow in O(virtualenv).
  returned: success
  type: str
  sample: 3.17.2
tables:
  description: Number of tables in the database.
  returned: success
  type: int
  sample: 69
"""

import json
import os
import subprocess
from typing import Any, Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils import _connection
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._migrations import (
    Migrations,
    MigrationsMissing,
    read_migrations,
)

# Stands in the database while an initialisation is under way. MLflow has no table of this name.
MARKER = "mlflow_ops_initialising"

# Runs in the virtual environment. The login comes through standard input: arguments are for everyone to read.
# PyMySQL encodes a password as Latin-1 where MySQL hashed its UTF-8 form, hence the round trip.
# When the module is killed, its lock is gone: PR_SET_PDEATHSIG (1) ends the migrations with it.
UPGRADE = """
import ctypes, json, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
from sqlalchemy import create_engine
from sqlalchemy.engine import URL
from mlflow.store.db.utils import _initialize_tables
login = json.load(sys.stdin)
arguments = {"init_command": "SET SESSION lock_wait_timeout = %d" % login.pop("lock_timeout")}
if login["unix_socket"]:
    arguments["unix_socket"] = login["unix_socket"]
elif login["ssl"]:
    arguments["ssl"] = login["ssl"]
password = login["password"].encode("utf-8").decode("latin-1")
url = URL.create("mysql+pymysql", login["user"], password, login["host"], login["port"], login["database"])
_initialize_tables(create_engine(url, connect_args=arguments))
"""


class SchemaProblem(Exception):
    """The schema cannot be brought to the wanted state. The message names the remedy."""


class Schema:
    """One database on one server, through an open connection."""

    def __init__(self, connection: Any, database: str) -> None:
        self.connection = connection
        self.database = database

    def rows(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, arguments)
            return list(cursor.fetchall())

    def exists(self) -> bool:
        return bool(
            self.rows("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", self.database)
        )

    def tables(self) -> list[str]:
        found = self.rows(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s ORDER BY table_name",
            self.database,
        )
        return [str(name) for (name,) in found]

    def use(self) -> None:
        self.connection.select_db(self.database)

    def revision(self, tables: list[str]) -> str | None:
        found = self.rows("SELECT version_num FROM alembic_version") if "alembic_version" in tables else []
        return str(found[0][0]) if found else None

    def has_runs(self, tables: list[str]) -> bool:
        return "runs" in tables and bool(self.rows("SELECT 1 FROM runs LIMIT 1"))

    def lock(self, timeout: int) -> None:
        """Take the lock of this schema until the connection ends. Raises SchemaProblem."""
        if self.rows("SELECT GET_LOCK(%s, %s)", f"mlflow_schema.{self.database}"[:64], timeout)[0][0] != 1:
            raise SchemaProblem(
                f"another run has been changing the schema of {self.database} for more than {timeout} s: wait for it "
                "to end, or raise lock_timeout"
            )

    def drop(self, tables: list[str]) -> None:
        """Drop ``tables``, the marker last, so that an interrupted drop is gone on with."""
        self.rows("SET SESSION foreign_key_checks = 0")
        for table in sorted(tables, key=lambda name: name == MARKER):
            self.rows("DROP TABLE IF EXISTS `{}`".format(table.replace("`", "``")))


def compare(migrations: Migrations, revision: str | None) -> dict[str, Any]:
    """Return ``state``, ``head``, ``pending`` and ``mlflow_version`` for a store with tables at ``revision``."""
    pending = migrations.between(revision) if revision else None
    return {
        "state": "unknown" if pending is None else "behind" if pending else "current",
        "revision": revision,
        "head": migrations.head,
        "pending": list(pending or ()),
        "mlflow_version": migrations.mlflow_version,
    }


def run_migrations(options: Mapping[str, Any], login: _connection.Login, password: str) -> None:
    """Run MLflow's own migrations up to its head. Raises SchemaProblem."""
    about = {
        "user": login.user,
        "password": password,
        "host": login.address.host,
        "port": login.address.port,
        "unix_socket": login.address.unix_socket,
        "ssl": login.tls.settings() if login.tls.wanted else None,
        "database": options["database"],
        "lock_timeout": options["lock_timeout"],
    }
    python = os.path.join(options["virtualenv"], "bin", "python")
    try:
        # Not run_command: it fails by itself, where the caller has tables to drop.
        done = subprocess.run(
            [python, "-c", UPGRADE],
            input=json.dumps(about),
            capture_output=True,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise SchemaProblem(f"MLflow's migrations failed: {python} cannot be run: {error.strerror}") from None
    if done.returncode != 0:
        lines = [
            line
            for line in done.stderr.strip().splitlines()
            if line and not line.startswith((" ", "(Background"))
        ]
        reason = next(
            (line for line in reversed(lines) if "Error" in line), lines[-1] if lines else "no message"
        )
        raise SchemaProblem(f"MLflow's migrations failed: {reason}")


def initialise(module: AnsibleModule, login: _connection.Login) -> dict[str, Any]:
    """Bring the schema to the state ``initialised`` and return the module's result."""
    migrations = read_migrations(module.params["virtualenv"])
    connection, password = _connection.connect_with_password(login)
    schema = Schema(connection, module.params["database"])
    try:
        if not schema.exists():
            raise SchemaProblem(
                f"there is no database {schema.database} that {login.user} may see: make it, or grant rights on it"
            )
        schema.use()
        schema.lock(module.params["lock_timeout"])
        tables = schema.tables()
        unfinished = MARKER in tables
        if unfinished and schema.has_runs(tables):
            raise SchemaProblem(
                f"an initialisation of {schema.database} never finished and runs were logged since; nothing was "
                f"changed. Keep a dump, empty the database and run this again, or, if the schema is whole, drop the "
                f"table {MARKER}"
            )
        revision = schema.revision(tables)
        before = {"revision": revision, "tables": len(tables)}
        if tables and not unfinished:
            return {"changed": False, "tables": len(tables), **compare(migrations, revision)}
        if module.check_mode:
            after = {"revision": migrations.head, "tables": "MLflow's"}
            return {
                "changed": True,
                "tables": 0,
                "diff": {"before": before, "after": after},
                **compare(migrations, migrations.head),
            }
        schema.drop(tables)
        schema.rows(f"CREATE TABLE {MARKER} (started datetime NOT NULL PRIMARY KEY)")
        try:
            run_migrations(module.params, login, password)
        except SchemaProblem:
            schema.drop(schema.tables())
            raise
        schema.rows(f"DROP TABLE {MARKER}")
        tables = schema.tables()
        revision = schema.revision(tables)
        reached = {"revision": revision, "tables": len(tables)}
        return {
            "changed": True,
            "tables": len(tables),
            "diff": {"before": before, "after": reached},
            **compare(migrations, revision),
        }
    finally:
        connection.close()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_connection.login_argument_spec(),
            "database": {"type": "str", "default": "mlflow"},
            "state": {"type": "str", "choices": ["initialised"], "default": "initialised"},
            "virtualenv": {"type": "path", "required": True},
            "lock_timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    try:
        result = initialise(module, _connection.login_from_params(module.params))
    except (_connection.ConnectionFailed, MigrationsMissing, SchemaProblem) as error:
        module.fail_json(msg=str(error))
    except (
        Exception
    ) as error:  # a lost connection or a refused statement: pymysql's own classes may be missing
        module.fail_json(msg=f"MySQL: {type(error).__name__}: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
