#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow's schema in a MySQL database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_schema
short_description: Initialise, upgrade and repair MLflow's schema
version_added: 0.1.0
description:
  - Brings MLflow's schema in a database to the revision of a release, with the migrations of the MLflow in a virtual
    environment, and repairs an interrupted migration. The database must exist.
  - MySQL commits each statement that changes the schema separately. After an interrupted migration C(mlflow db upgrade)
    can therefore never finish. This module knows from its catalogue which statements were done, and continues with the
    next one. It never drops anything that holds data.
  - Before any change it checks for everything that would stop a migration, see the blockers of
    M(mlflow_ops.backend_store.mlflow_schema_info), and fails if there is any. It reads rows if a pending migration has
    requirements for them, such as valid references.
  - Two runs cannot race. The second one waits for the first, up to O(lock_timeout).
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
extends_documentation_fragment:
  - mlflow_ops.backend_store._attributes
  - mlflow_ops.backend_store._login
  - mlflow_ops.backend_store._schema_target
  - mlflow_ops.backend_store._schema_target.target
  - mlflow_ops.backend_store._ownership
attributes:
  check_mode:
    support: full
    details: The result is the plan.
  diff_mode:
    support: full
    details: Shows the schema before and after, one object per line.
  idempotent:
    support: full
options:
  state:
    description:
      - V(initialised) creates the tables in an empty database. A database with MLflow's tables is left alone, whatever
        its revision.
      - V(upgraded) runs the pending migrations one at a time, and compares the schema with the catalogue after each
        one. It never goes back.
      - V(repaired) only finishes an interrupted migration. A store without one is left alone.
      - V(prepared) runs no migration. It does ahead what an older MLflow does not notice, so that V(upgraded) is short.
        It executes the statements of pending migrations that only add, which are new tables, columns that MySQL adds
        without changing a row, and indexes that it creates beside writers. Then it computes the values that the
        migration of MLflow 3.17 computes of traces, as C(mlflow db prepopulate-trace-analytics) does, 250 rows at a
        time. The table C(mlflow_ops_prepared) records it until V(upgraded) drops that table. C(mlflow db upgrade)
        fails on such a store. A table that a transaction holds for more than some seconds is left to the migrations.
        A store in another state than C(behind) is left alone.
      - V(indexed) runs no migration. It creates and drops indexes to match O(extra_indexes), and creates experiment 0
        according to O(default_artifact_root).
      - V(converted) runs no migration. It gives the database and all its tables one character set, C(utf8mb4), one
        collation, see O(collation), and a row format that is large enough for all keys. Columns keep the types of the
        store's revision. A converted store is left alone. The text of every table is compared afterwards. In check mode
        the statements are returned.
    type: str
    choices: [initialised, upgraded, repaired, prepared, indexed, converted]
    default: initialised
  revision:
    description: The target revision, instead of O(mlflow_version).
    type: str
  virtualenv:
    description:
      - Path of a virtual environment with C(mlflow-skinny) or C(mlflow), C(sqlalchemy), C(alembic), C(pymysql) and
        C(cryptography). Its MLflow must have the target revision.
      - V(repaired) does not need it, unless the rest of the migration computes rows in MLflow's code.
    type: path
  extra_indexes:
    description:
      - The indexes in addition to MLflow's own. The other choices of this option are dropped; an empty list drops all
        of them. By default they are left alone.
      - They are created while clients read and write. Before a migration they are dropped, and recreated after it. With
        O(data_directory), the disk space for them is checked first.
      - V(runs) is on C(runs) (lifecycle_stage, experiment_id, start_time), for the newest runs of an experiment.
      - V(runs_ui) is on C(runs) (lifecycle_stage, experiment_id, start_time), for the same in the order of
        MLflow's web pages. Nobody can write to that table while the index is created.
      - V(metrics) is on C(latest_metrics) (key, value, is_nan), for runs by the value of a metric.
      - V(params) is on C(params) (key, value), for runs by the value of a parameter.
      - V(tags) is on C(tags) (key, value), for runs by a tag, such as the children of a run, or by their name.
      - V(traces) is on C(trace_info) (experiment_id, timestamp_ms), for the newest traces of an experiment.
      - V(trace_tags) is on C(trace_tags) (key, value), for traces by a tag.
      - V(trace_metadata) is on C(trace_request_metadata) (key, value), for traces by their metadata, such as a user.
      - Indexes on tables that the store's revision lacks are skipped.
    type: list
    elements: str
    choices: [runs, runs_ui, metrics, params, tags, traces, trace_tags, trace_metadata]
  default_artifact_root:
    description:
      - The C(--default-artifact-root) of MLflow's server, the parent of the artifacts of new experiments. It is a URI
        or an absolute path. V(mlflow-artifacts:/) is that of a server without this option and without
        C(--no-serve-artifacts).
      - With it, a missing experiment 0 is created in a store at the target revision. Otherwise the first MLflow process
        that opens the store creates it, and leaves a connection without strict mode, on which values that are too long
        are cut without an error.
      - If MLflow would not create it, as in an old store with experiments, the module does not create it either.
    type: str
  collation:
    description:
      - The collation for V(converted). The default is the one of most tables if it is one of C(utf8mb4) that tells
        upper and lower case apart, and C(utf8mb4_0900_bin) otherwise.
    type: str
  guard:
    description:
      - With it V(upgraded) and V(converted) lock all other writers of the server out, as
        M(mlflow_ops.backend_store.mlflow_mysql_write_lock) does with C(scope=server), before they change anything, and
        let them in at the end. Then V(upgraded) also finishes an interrupted migration.
      - Nobody is locked out if no migration is pending or there is nothing to convert, unless an earlier call left the
        lock in O(guard.path).
      - MLflow is imported before the lock. Under it the rows of every table are counted before and after the change.
        V(upgraded) fails if a table has more or fewer rows and no migration says why.
      - If it fails under the lock, the writers stay locked out. Put the store back, and release the lock with
        M(mlflow_ops.backend_store.mlflow_mysql_write_lock). With RV(reason=open) the change is made, and only the lock
        is to be released.
    type: dict
    suboptions:
      login_user:
        description: An account with the rights of an administrator, that logs in as O(login_user) does.
        type: str
        required: true
      login_password_files:
        description: Files on the host with its password, as O(login_password_files).
        type: list
        elements: path
        required: true
      path:
        description:
          - The record of the locked accounts, as O(mlflow_ops.backend_store.mlflow_mysql_write_lock#module:path).
        type: path
        required: true
      disconnect:
        description:
          - Whether to end the sessions of accounts that may write. With V(false) the module fails while there are any.
        type: bool
        default: false
      keep:
        description: Names of users that are never locked. O(login_user) of the module must be among them.
        type: list
        elements: str
        default: []
      timeout:
        description: Seconds to wait for sessions to end, and for another run.
        type: int
        default: 30
      point:
        description:
          - A command with its arguments that records the way back, before the first change. It reads JSON from standard
            input, with C(revision) or for O(app=auth) C(auth_revision), C(locked), the accounts, and C(tables), the
            numbers of rows by database and table. It prints JSON. If it fails, nothing is changed.
          - C(mlflow-mysql-backup --json --directory DIRECTORY point) is such a command.
        type: list
        elements: str
        default: []
  lock_timeout:
    description:
      - Seconds to wait for another run that changes the same schema, and for readers that lock its tables.
      - V(prepared) waits for tables for two seconds at a time, as whoever comes after it waits with it.
    type: int
    default: 30
seealso:
  - module: mlflow_ops.backend_store.mlflow_schema_info
  - module: mlflow_ops.backend_store.mlflow_mysql_write_lock
"""

EXAMPLES = r"""
- name: Create MLflow's tables
  mlflow_ops.backend_store.mlflow_schema:
    login_user: mlflow_migrator
    login_password_files: [/srv/mlflow-mysql/secrets/migrator_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    database: mlflow
    virtualenv: /srv/mlflow-mysql/mlflow/3.5.1
    state: initialised

- name: Finish an interrupted upgrade
  mlflow_ops.backend_store.mlflow_schema:
    login_user: mlflow_migrator
    login_password_files: [/srv/mlflow-mysql/secrets/migrator_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    database: mlflow
    virtualenv: /srv/mlflow-mysql/mlflow/3.5.1
    state: repaired

- name: Upgrade to the schema of MLflow 3.5.1
  mlflow_ops.backend_store.mlflow_schema:
    login_user: mlflow_migrator
    login_password_files: [/srv/mlflow-mysql/secrets/migrator_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    database: mlflow
    virtualenv: /srv/mlflow-mysql/mlflow/3.5.1
    mlflow_version: 3.5.1
    state: upgraded

- name: Upgrade to the schema of MLflow 3.5.1 while writers are locked out
  mlflow_ops.backend_store.mlflow_schema:
    login_user: mlflow_migrator
    login_password_files: [/srv/mlflow-mysql/secrets/migrator_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    database: mlflow
    virtualenv: /srv/mlflow-mysql/mlflow/3.5.1
    mlflow_version: 3.5.1
    state: upgraded
    guard:
      login_user: root
      login_password_files: [/srv/mlflow-mysql/secrets/root_password]
      path: /srv/mlflow-mysql/upgrade/mlflow.write_lock.json
      keep: [mlflow_migrator]
      disconnect: true

- name: Create two indexes in addition to MLflow's own
  mlflow_ops.backend_store.mlflow_schema:
    login_user: mlflow_migrator
    login_password_files: [/srv/mlflow-mysql/secrets/migrator_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    database: mlflow
    state: indexed
    extra_indexes: [runs, tags]
"""

RETURN = r"""
state:
  description:
    - As M(mlflow_ops.backend_store.mlflow_schema_info) returns it, after the changes.
    - In check mode the predicted state.
  returned: always, if the server could be asked
  type: str
  sample: current
message:
  description: The meaning of RV(state) here and what to do, in one sentence.
  returned: always, if the server could be asked
  type: str
revision:
  description: Revision of the store, V(null) if it has none. In check mode the predicted one.
  returned: always, if the server could be asked
  type: str
  sample: bf29a5ff90ea
head:
  description: The target revision.
  returned: always, if the server could be asked
  type: str
  sample: bf29a5ff90ea
mlflow_version:
  description: The target release, V(null) if O(revision) was given.
  returned: always, if the server could be asked
  type: str
  sample: 3.5.1
plan:
  description:
    - The planned work, in order. The elements are those of C(pending) of
      M(mlflow_ops.backend_store.mlflow_schema_info); for V(repaired) the interrupted migration.
  returned: success
  type: list
  elements: dict
pending:
  description: The remaining revisions up to RV(head), oldest first.
  returned: always, if the server could be asked
  type: list
  elements: str
applied:
  description: The completed work, in order, with the duration of each part in seconds.
  returned: always, if the server could be asked
  type: list
  elements: dict
  sample: [{"revision": "dc11669786a5", "seconds": 0.412}]
prepared:
  description:
    - With V(prepared) how many rows of C(traces), C(spans) and C(assessments) were C(scanned) and C(updated); V(null)
      if there was nothing to compute.
  returned: with O(state=prepared)
  type: dict
  sample: {"traces": {"scanned": 1200, "updated": 1200}}
left:
  description:
    - With V(prepared) the statements that MySQL could not execute beside writers, each with its C(revision), the
      C(statement) and the C(problem). The migrations execute them.
  returned: with O(state=prepared)
  type: list
  elements: dict
drift:
  description: As M(mlflow_ops.backend_store.mlflow_schema_info) returns it.
  returned: always, if the server could be asked
  type: list
  elements: dict
extra_indexes:
  description:
    - As M(mlflow_ops.backend_store.mlflow_schema_info) returns it, after the changes.
    - In check mode the prediction.
  returned: always, if the server could be asked
  type: list
  elements: dict
default_experiment:
  description:
    - As M(mlflow_ops.backend_store.mlflow_schema_info) returns it, after the changes.
    - V(made) if it was created, or in check mode would be.
  returned: always, if the server could be asked
  type: str
  sample: made
statements:
  description: With V(converted) the executed statements, in order; in check mode the planned ones.
  returned: with O(state=converted)
  type: list
  elements: str
misread:
  description:
    - With V(converted) the C(latin1) columns with values that look like UTF-8 declared as Latin-1, and the number of
      the values. They were converted as they read, since nothing tells which of them are wrong.
  returned: with O(state=converted)
  type: list
  elements: str
  sample: [12 values of params.value]
schema:
  description:
    - With O(guard) what M(mlflow_ops.backend_store.mlflow_schema_info) returns with C(exact_rows=true), but C(locked),
      as O(login_user) sees it.
  returned: with O(guard), if writers were locked out
  type: dict
point:
  description: What the command in O(guard.point) printed. V(null) without it.
  returned: with O(guard), if writers were locked out
  type: dict
write_lock:
  description:
    - The C(accounts) that were locked, the C(disconnected) sessions, when the lock was set (C(since)), its C(seconds),
      and the seconds of its C(parts).
  returned: with O(guard), if writers were locked out
  type: dict
  sample: {"accounts": ["mlflowusr@%"], "disconnected": [], "since": 1796023912.4, "seconds": 2.1,
    "parts": {"lock": 0.2, "count": 0.1, "copy": 0.4, "migrate": 1.1, "verify": 0.2, "open": 0.1}}
made_indexes:
  description: The indexes of O(extra_indexes) that were created and did not exist before.
  returned: success
  type: list
  elements: str
dropped_indexes:
  description: The dropped indexes that are not in O(extra_indexes).
  returned: success
  type: list
  elements: str
tables:
  description: Number of tables in the database.
  returned: always, if the server could be asked
  type: int
  sample: 69
reason:
  description:
    - V(schema) if the schema does not allow it; V(unknown_target) if the target MLflow or revision is not
      in the catalogue; V(no_database) if there is no such database; V(interrupted) if a migration failed
      after its start; V(busy) if another run changes it; V(migrations_missing) if O(virtualenv) has no
      MLflow; V(write_lock) if writers cannot be locked out; V(point) if O(guard.point) failed;
      V(open) if all is done but to let writers in; V(not_owner) if another run has taken over; V(server) if the
      connection was lost or a statement refused; or, without a login, V(unreachable), V(refused), V(locked),
      V(tls_required), V(tls_failed), V(not_mysql), V(library), V(other).
  returned: failure
  type: str
  sample: not_owner
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    guard,
    migrate,
    options,
    ownership,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec=options.change_argument_spec(),
        required_together=[ownership.OWNER],
        mutually_exclusive=[("mlflow_version", "revision")],
        required_if=[
            ("state", "initialised", ("virtualenv",)),
            ("state", "upgraded", ("virtualenv",)),
            ("state", "prepared", ("virtualenv",)),
            ("state", "indexed", ("extra_indexes",)),
        ],
        supports_check_mode=True,
    )
    if module.params["guard"] and module.params["state"] not in ("upgraded", "converted"):
        module.fail_json(msg="guard is for the states upgraded and converted", reason="schema")
    try:
        if module.params["guard"]:
            result = migrate.run(module.params, module.check_mode, guard.change)
        else:
            result = migrate.run(module.params, module.check_mode)
    except migrate.Failed as error:
        module.fail_json(**{**error.left, "msg": str(error), "reason": error.reason})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
