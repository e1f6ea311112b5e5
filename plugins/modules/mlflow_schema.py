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
  - Brings MLflow's schema in a database to the revision of a release, with the migrations of the MLflow that is in a
    virtual environment, and repairs what an interrupted migration left. The database must exist.
  - MySQL commits each statement that changes the schema by itself, so a migration that dies leaves a database that
    C(mlflow db upgrade) can never finish. This module knows from its catalogue which statements were done, and goes on
    with the next one. It never drops anything that holds data.
  - Before it changes anything it looks for all that would stop a migration, see the blockers of
    M(mlflow_ops.backend_store.mlflow_schema_info), and fails if there is any. For that it reads the rows that a pending
    migration needs something of, such as references that hold.
  - Two at a time cannot race. The second waits for the first, up to O(lock_timeout).
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
    details: Shows the schema before and after, an object a line.
  idempotent:
    support: full
options:
  state:
    description:
      - V(initialised) makes the tables in an empty database. One that has MLflow's tables is left alone, whatever its
        revision.
      - V(upgraded) runs the pending migrations one at a time, each checked against the catalogue before the next
        begins. It never goes back.
      - V(repaired) finishes a migration that was interrupted, and that one only. A store that needs none is left alone.
      - V(indexed) runs no migration, and brings the indexes to O(extra_indexes), and experiment 0 where
        O(default_artifact_root) says.
      - V(converted) runs no migration, and gives the database and all its tables one character set, C(utf8mb4), one
        collation, see O(collation), and a row format that has room for all keys, with the types that the store's
        revision has. A store that is so already is left alone. The text of every table is compared afterwards. In check
        mode the statements are returned.
    type: str
    choices: [initialised, upgraded, repaired, indexed, converted]
    default: initialised
  revision:
    description: The revision that is wanted, in place of O(mlflow_version).
    type: str
  virtualenv:
    description:
      - Path of a virtual environment with C(mlflow-skinny) or C(mlflow), C(sqlalchemy), C(alembic), C(pymysql) and
        C(cryptography). The MLflow in it must have the wanted revision.
      - V(repaired) can do without, unless what is left of the migration is rows that only MLflow's code can compute.
    type: path
  extra_indexes:
    description:
      - The indexes that the store is to have beyond MLflow's own. Others that this option offers are dropped, so that
        an empty list drops all of them. Without it they are left as they are.
      - They are made while clients read and write. None is there while a migration runs, and they are made again after
        it. With O(data_directory), a disk that has no room for them is found first.
      - V(runs) is on C(runs) (lifecycle_stage, experiment_id, start_time), for the newest runs of an experiment.
      - V(runs_ui) is on C(runs) (lifecycle_stage, experiment_id, start_time), for them as MLflow's web pages sort
        them. Nobody can write to that table while it is made.
      - V(metrics) is on C(latest_metrics) (key, value, is_nan), for runs by the value of a metric.
      - V(params) is on C(params) (key, value), for runs by the value of a parameter.
      - V(tags) is on C(tags) (key, value), for runs by a tag, like the children of a run, or by their name.
      - V(traces) is on C(trace_info) (experiment_id, timestamp_ms), for the newest traces of an experiment.
      - V(trace_tags) is on C(trace_tags) (key, value), for traces by a tag.
      - V(trace_metadata) is on C(trace_request_metadata) (key, value), for traces by their metadata, like a user.
      - One whose table the store's revision does not have is left out.
    type: list
    elements: str
    choices: [runs, runs_ui, metrics, params, tags, traces, trace_tags, trace_metadata]
  default_artifact_root:
    description:
      - The C(--default-artifact-root) of MLflow's server, below which the artifacts of new experiments are.
        V(mlflow-artifacts:/) is what a server without that option has, unless C(--no-serve-artifacts) is given. A URI
        or an absolute path.
      - With it MLflow's experiment 0 is made in a store at the wanted revision, if it is missing. Otherwise the first
        process of MLflow's that opens the store makes it, and leaves a connection without strict mode, on which values
        that are too long are cut without an error.
      - One that MLflow would not make is not made, as in an old store that has experiments.
    type: str
  collation:
    description:
      - The collation for V(converted). The default is the one of most tables if it is one of C(utf8mb4) that tells
        upper and lower case apart, and C(utf8mb4_0900_bin) otherwise.
    type: str
  lock_timeout:
    description: Seconds to wait for another one that changes the same schema, and for readers that hold its tables.
    type: int
    default: 30
seealso:
  - module: mlflow_ops.backend_store.mlflow_schema_info
  - module: mlflow_ops.backend_store.mlflow_mysql_write_lock
"""

EXAMPLES = r"""
- name: Make MLflow's tables
  mlflow_ops.backend_store.mlflow_schema:
    login_user: mlflow_migrator
    login_password_files: [/srv/mlflow-mysql/secrets/migrator_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    database: mlflow
    virtualenv: /srv/mlflow-mysql/mlflow/3.5.1
    state: initialised

- name: Finish what an interrupted upgrade left
  mlflow_ops.backend_store.mlflow_schema:
    login_user: mlflow_migrator
    login_password_files: [/srv/mlflow-mysql/secrets/migrator_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    database: mlflow
    virtualenv: /srv/mlflow-mysql/mlflow/3.5.1
    state: repaired

- name: Go up to the schema of MLflow 3.5.1
  mlflow_ops.backend_store.mlflow_schema:
    login_user: mlflow_migrator
    login_password_files: [/srv/mlflow-mysql/secrets/migrator_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    database: mlflow
    virtualenv: /srv/mlflow-mysql/mlflow/3.5.1
    mlflow_version: 3.5.1
    state: upgraded

- name: Have two indexes beyond MLflow's own
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
    - As M(mlflow_ops.backend_store.mlflow_schema_info) returns it, after what was done.
    - In check mode the state as it would be.
  returned: always, if the server could be asked
  type: str
  sample: current
message:
  description: What RV(state) means here and what to do, in a sentence.
  returned: always, if the server could be asked
  type: str
revision:
  description: Revision of the store, V(null) if it has none. In check mode the one that it would have.
  returned: always, if the server could be asked
  type: str
  sample: bf29a5ff90ea
head:
  description: The revision that is wanted.
  returned: always, if the server could be asked
  type: str
  sample: bf29a5ff90ea
mlflow_version:
  description: The release that is wanted, V(null) if O(revision) was given.
  returned: always, if the server could be asked
  type: str
  sample: 3.5.1
plan:
  description:
    - What was to be done, in order. The elements are those of C(pending) of
      M(mlflow_ops.backend_store.mlflow_schema_info); for V(repaired) the migration that was interrupted.
  returned: success
  type: list
  elements: dict
pending:
  description: The revisions that are still to come up to RV(head), oldest first.
  returned: always, if the server could be asked
  type: list
  elements: str
applied:
  description: What was done, in order, with the seconds that each took.
  returned: always, if the server could be asked
  type: list
  elements: dict
  sample: [{"revision": "dc11669786a5", "seconds": 0.412}]
drift:
  description: As M(mlflow_ops.backend_store.mlflow_schema_info) returns it.
  returned: always, if the server could be asked
  type: list
  elements: dict
extra_indexes:
  description:
    - As M(mlflow_ops.backend_store.mlflow_schema_info) returns it, after what was done.
    - In check mode as it would be.
  returned: always, if the server could be asked
  type: list
  elements: dict
default_experiment:
  description:
    - As M(mlflow_ops.backend_store.mlflow_schema_info) returns it, after what was done.
    - V(made) if it was made, in check mode if it would be.
  returned: always, if the server could be asked
  type: str
  sample: made
statements:
  description: With V(converted) the statements that were done, in check mode those that would be, in order.
  returned: with O(state=converted)
  type: list
  elements: str
misread:
  description:
    - With V(converted) the columns in C(latin1) with values that read as UTF-8 taken for Latin-1, and their number.
      They were converted as they read, as nothing says which ones are meant so.
  returned: with O(state=converted)
  type: list
  elements: str
  sample: [12 values of params.value]
made_indexes:
  description: Those of O(extra_indexes) that were made, and were not there before.
  returned: success
  type: list
  elements: str
dropped_indexes:
  description: Those that were dropped and are not wanted.
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
    - V(schema) if the schema does not allow it; V(unknown_target) if the wanted MLflow or revision is not
      in the catalogue; V(no_database) if there is no such database; V(interrupted) if a migration failed
      when it had begun; V(migrations_missing) if O(virtualenv) has no MLflow; V(not_owner) if another run
      has taken over; V(server) if the connection was lost or a statement refused; or, without a login,
      V(unreachable), V(refused), V(locked), V(tls_required), V(tls_failed), V(not_mysql), V(library),
      V(other).
  returned: failure
  type: str
  sample: not_owner
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.connection import (
    login_argument_spec,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    migrate,
    options,
    ownership,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.extra_indexes import OFFERED

STATES = ("initialised", "upgraded", "repaired", "indexed", "converted")
ARGUMENT_SPEC = {
    **login_argument_spec(),
    **options.database_argument_spec(),
    **options.target_argument_spec(),
    **ownership.owner_argument_spec(),
    "state": {"type": "str", "choices": [*STATES], "default": "initialised"},
    "revision": {"type": "str"},
    "virtualenv": {"type": "path"},
    "extra_indexes": {"type": "list", "elements": "str", "choices": [one.name for one in OFFERED]},
    "default_artifact_root": {"type": "str"},
    "collation": {"type": "str"},
    "lock_timeout": {"type": "int", "default": 30},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENT_SPEC,
        required_together=[ownership.OWNER],
        mutually_exclusive=[("mlflow_version", "revision")],
        required_if=[
            ("state", "initialised", ("virtualenv",)),
            ("state", "upgraded", ("virtualenv",)),
            ("state", "indexed", ("extra_indexes",)),
        ],
        supports_check_mode=True,
    )
    try:
        result = migrate.run(module.params, module.check_mode)
    except migrate.Failed as error:
        module.fail_json(**{**error.left, "msg": str(error), "reason": error.reason})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
