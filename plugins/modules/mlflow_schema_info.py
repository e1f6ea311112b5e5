#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of MLflow's schema."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_schema_info
short_description: Report the state of MLflow's schema in a MySQL database
version_added: 0.1.0
description:
  - Compares a store, object by object, with the catalogue of MLflow's schema at every revision of every release since
    1.0. Reports its state, the matching MLflow releases, the plan of an upgrade, and the blockers.
  - It only reads. It needs PyMySQL, but not MLflow. The database must exist.
  - Names that MySQL or an old MLflow chose do not count as differences.
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
extends_documentation_fragment:
  - mlflow_ops.backend_store._attributes
  - mlflow_ops.backend_store._attributes.info_module
  - mlflow_ops.backend_store._login
  - mlflow_ops.backend_store._schema_target
  - mlflow_ops.backend_store._schema_target.target
options:
  exact_rows:
    description: Whether to count the rows of every table. The server then reads all of them.
    type: bool
    default: false
  scan_timeout:
    description:
      - Time limit in seconds for each requirement that a pending migration has for existing rows, such as valid
        references. A check that takes longer is reported in RV(schema_warnings). With V(0) no rows are checked.
    type: int
    default: 10
  write_lock:
    description:
      - How upgrades of this store keep writers out, as M(mlflow_ops.backend_store.mlflow_mysql_write_lock) has it.
    type: dict
    suboptions:
      path:
        description:
          - The record of the write lock. While it is there, RV(blockers) has C(upgrade_interrupted), and RV(message)
            says what ends it.
        type: path
      keep:
        description: The accounts that are not locked out.
        type: list
        elements: str
        default: []
      disconnect:
        description:
          - Whether the sessions of those who are locked out are ended. Open transactions of theirs are no blocker then.
            The login needs to read the tables of accounts.
        type: bool
        default: false
seealso:
  - module: mlflow_ops.backend_store.mlflow_schema
"""

EXAMPLES = r"""
- name: Inspect the schema
  mlflow_ops.backend_store.mlflow_schema_info:
    login_user: mlflow_migrator
    login_password_files: [/srv/mlflow-mysql/secrets/migrator_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    database: mlflow
    mlflow_version: 3.17.0
  register: schema

- name: Stop if MLflow would not start
  ansible.builtin.assert:
    that: schema.state == 'current'
    fail_msg: "{{ schema.message }}"
"""

RETURN = r"""
state:
  description:
    - V(empty), no table. V(current), the schema of O(mlflow_version). V(behind), a complete older schema. V(ahead), a
      complete newer schema.
    - V(half_applied), a migration was interrupted, see RV(half_applied).
    - V(drifted), there are differences from the catalogue at RV(revision), see RV(drift).
    - V(foreign), the tables or the revision are not MLflow's. V(unknown), MLflow's, but newer than the catalogue.
  returned: success
  type: str
  sample: behind
message:
  description: The meaning of RV(state) here and what to do, in one sentence.
  returned: success
  type: str
  sample: "2 migrations are pending for MLflow 3.17.0: upgrade it."
app:
  description: The value of O(app).
  returned: success
  type: str
  sample: tracking
database:
  description: The value of O(database).
  returned: success
  type: str
  sample: mlflow
revision:
  description: The revision in the store, V(null) if there is none.
  returned: success
  type: str
  sample: b7e2c1a4d9f3
head:
  description: The revision that O(mlflow_version) needs.
  returned: success
  type: str
  sample: dc11669786a5
mlflow_version:
  description: The target release.
  returned: success
  type: str
  sample: 3.17.0
mlflow_versions:
  description: The releases that need exactly RV(revision), oldest first.
  returned: success
  type: list
  elements: str
  sample: [3.16.0, 3.16.1]
pending:
  description: The migrations from RV(revision) to RV(head), oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    revision:
      description: Its identifier.
      type: str
    title:
      description: Its title in MLflow.
      type: str
    kinds:
      description:
        - Its effects on existing data. V(additive) leaves them alone. V(keys) replaces indexes, foreign keys or checks.
          V(rebuild) changes columns or primary keys, for which MySQL may copy the table. V(data) writes rows.
          V(destructive) drops columns or tables.
      type: list
      elements: str
    tables:
      description: The tables that it changes, without those that it creates.
      type: list
      elements: str
    creates:
      description: The tables that it creates.
      type: list
      elements: str
    statements:
      description: Number of statements.
      type: int
    online:
      description:
        - How many of its statements can be executed while an older MLflow reads and writes, as
          M(mlflow_ops.backend_store.mlflow_schema) does with V(prepared).
      type: int
    ahead:
      description: How many of them were executed that way.
      type: int
    rows:
      description: Number of rows in RV(pending[].tables), as the server estimates it.
      type: int
    seconds:
      description:
        - How many seconds of the write lock its statements take that are not executed before, estimated from the sizes
          of the tables.
      type: float
    mlflow_version:
      description: The first release that has it.
      type: str
downtime_seconds:
  description:
    - How many seconds an upgrade would lock writers out, estimated from the sizes of the tables. The playbook
      C(rehearse_upgrade) measures it. V(null) if nothing is pending.
  returned: success
  type: float
  sample: 4.2
half_applied:
  description: The interrupted migration, V(null) if there is none.
  returned: success
  type: dict
  contains:
    revision:
      description: Its identifier.
      type: str
    title:
      description: Its title in MLflow.
      type: str
    done:
      description: The completed statements.
      type: list
      elements: str
    todo:
      description: The remaining statements.
      type: list
      elements: str
drift:
  description: Every object that differs from the catalogue, tables in alphabetical order.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: V(table), V(column), V(primary key), V(foreign key), V(index), V(unique), V(check), V(trigger), ...
      type: str
    table:
      description: Its table.
      type: str
    name:
      description: Its name, or its columns if it has no name of its own.
      type: str
    problem:
      description: V(missing), V(unexpected) or V(changed).
      type: str
    expected:
      description: Its definition in the catalogue, V(null) if it has none.
      type: str
    actual:
      description: Its definition in the store, V(null) if it is missing.
      type: str
extra_indexes:
  description:
    - The indexes that the option O(mlflow_ops.backend_store.mlflow_schema#module:extra_indexes) offers for the tables
      of RV(revision). They are no drift. An index with one of their names on other columns is drift.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name in that option. In the database its name has the prefix C(mlflow_ops_).
      type: str
    table:
      description: Its table.
      type: str
    columns:
      description: Its columns, in their order.
      type: list
      elements: str
    present:
      description: Whether it exists.
      type: bool
default_experiment:
  description:
    - The state of MLflow's experiment 0, V(present), V(missing), or V(taken) if it is missing and another experiment
      has its name. V(present) also if MLflow would not create it.
    - The MLflow process that creates it then writes without strict mode. To avoid that, use
      O(mlflow_ops.backend_store.mlflow_schema#module:default_artifact_root), which creates it.
    - V(null) if the schema is not MLflow's at a revision, or the login may not read it.
  returned: success
  type: str
  sample: present
blockers:
  description:
    - All the reasons why a migration would fail or wait, or why MLflow cannot write. No migration starts while there is
      any.
    - Foreign keys of other databases, other accounts' sessions, the server's keyring, and missing accounts of triggers
      are only included if the login may see them.
  returned: success
  type: list
  elements: dict
  contains: &found
    name:
      description: A short name.
      type: str
    severity:
      description: V(error) in RV(blockers), V(warning) in RV(schema_warnings).
      type: str
    message:
      description: The finding.
      type: str
    remedy:
      description: What to do.
      type: str
schema_warnings:
  description: Problems that stop no migration, such as keys that collide. Like RV(blockers).
  returned: success
  type: list
  elements: dict
  contains: *found
server:
  description: The server's version and settings.
  returned: success
  type: dict
  sample: {"version": "9.7.0", "sql_require_primary_key": false}
tables:
  description: The tables of the database in alphabetical order.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    rows:
      description: Number of rows, estimated by the server, or counted with O(exact_rows).
      type: int
    bytes:
      description:
        - Size of data and indexes in bytes, estimated by the server. If its file is larger, the size of the file, which
          needs the privilege C(PROCESS) or O(data_directory).
      type: int
sessions:
  description: Other sessions that use the database or are in a transaction, if the login may see them.
  returned: success
  type: list
  elements: dict
locked:
  description: Whether another run of this collection is changing, dumping or restoring the database right now.
  returned: success
  type: bool
revisions:
  description: Every revision of the catalogue, oldest first, each with its title and the first release that has it.
  returned: success
  type: list
  elements: dict
reason:
  description:
    - V(unknown_target) if the target MLflow is not in the catalogue; V(no_database) if there is no such
      database; V(schema) if O(write_lock.path) or O(data_directory) cannot be read; V(server) if the
      connection was lost or a query refused; or, without a login,
      V(unreachable), V(refused), V(locked), V(tls_required), V(tls_failed), V(not_mysql), V(library),
      V(other).
  returned: failure
  type: str
  sample: unreachable
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import (
    connection as mysql_connection,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import options
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import survey as schema_survey


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **mysql_connection.login_argument_spec(),
            **options.database_argument_spec(),
            **options.target_argument_spec(),
            "exact_rows": {"type": "bool", "default": False},
            "write_lock": {"type": "dict", "options": options.write_lock_argument_spec()},
            "scan_timeout": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    try:
        found = schema_survey.inspect(mysql_connection.login_from_params(module.params), module.params)
    except (mysql_connection.ConnectionFailed, schema_survey.SchemaProblem) as error:
        module.fail_json(msg=str(error), reason=error.reason)
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
