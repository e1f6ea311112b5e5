#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What state MLflow's schema is in."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_schema_info
short_description: Look at MLflow's schema in a MySQL database
version_added: 0.1.0
description:
  - Compares a store with the catalogue of MLflow's schema at every revision of every release since 1.0, object by
    object, and says what state it is in, which MLflow fits it, what an upgrade would do, and what would stop it.
  - It only reads, with PyMySQL alone. The database must exist, MLflow need not be there.
  - Names that MySQL or an old MLflow chose are no difference.
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
    description: Whether the rows of every table are counted, for which the server reads all of them.
    type: bool
    default: false
  scan_timeout:
    description:
      - Seconds that may be spent on each thing that a pending migration needs of the rows that are there, such as
        references that hold. What takes longer is among RV(schema_warnings). With V(0) no rows are looked at.
    type: int
    default: 10
seealso:
  - module: mlflow_ops.backend_store.mlflow_schema
"""

EXAMPLES = r"""
- name: Look at the schema
  mlflow_ops.backend_store.mlflow_schema_info:
    login_user: mlflow_migrator
    login_password_files: [/srv/mlflow-mysql/secrets/migrator_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    database: mlflow
    mlflow_version: 3.17.0
  register: schema

- name: Stop where MLflow would not start
  ansible.builtin.assert:
    that: schema.state == 'current'
    fail_msg: "{{ schema.message }}"
"""

RETURN = r"""
state:
  description:
    - V(empty), no table. V(current), that of O(mlflow_version). V(behind), an older one, whole. V(ahead), a newer one,
      whole.
    - V(half_applied), a migration was interrupted, see RV(half_applied).
    - V(drifted), something differs from the catalogue at RV(revision), see RV(drift).
    - V(foreign), the tables or the revision are not MLflow's. V(unknown), MLflow's, but newer than the catalogue.
  returned: success
  type: str
  sample: behind
message:
  description: What RV(state) means here and what to do, in a sentence.
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
  description: The revision that the store names, V(null) if it names none.
  returned: success
  type: str
  sample: b7e2c1a4d9f3
head:
  description: The revision that O(mlflow_version) wants.
  returned: success
  type: str
  sample: dc11669786a5
mlflow_version:
  description: The release that the store is wanted for.
  returned: success
  type: str
  sample: 3.17.0
mlflow_versions:
  description: The releases that want exactly RV(revision), oldest first.
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
      description: What it does, in MLflow's words.
      type: str
    kinds:
      description:
        - What it does to data that are there. V(additive) leaves them alone. V(keys) exchanges indexes, foreign keys or
          checks. V(rebuild) changes columns or primary keys, for which MySQL may copy the table. V(data) writes rows.
          V(destructive) drops columns or tables.
      type: list
      elements: str
    tables:
      description: The tables that it changes, without those that it makes.
      type: list
      elements: str
    statements:
      description: Number of statements.
      type: int
    rows:
      description: Number of rows in RV(pending[].tables), as the server estimates it.
      type: int
    mlflow_version:
      description: The first release that has it.
      type: str
half_applied:
  description: The migration that was interrupted, V(null) if none was.
  returned: success
  type: dict
  contains:
    revision:
      description: Its identifier.
      type: str
    title:
      description: What it does.
      type: str
    done:
      description: The statements that were done.
      type: list
      elements: str
    todo:
      description: The statements that are left.
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
      description: Its name, or the columns that it is on where it has none of its own.
      type: str
    problem:
      description: V(missing), V(unexpected) or V(changed).
      type: str
    expected:
      description: What the catalogue says about it, V(null) if nothing.
      type: str
    actual:
      description: What it is, V(null) if it is missing.
      type: str
extra_indexes:
  description:
    - The indexes that the option O(mlflow_ops.backend_store.mlflow_schema#module:extra_indexes) offers for the tables
      of RV(revision). They are no drift. One of their names on other columns is.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name in that option. In the database it begins with C(mlflow_ops_) besides.
      type: str
    table:
      description: Its table.
      type: str
    columns:
      description: Its columns, in their order.
      type: list
      elements: str
    present:
      description: Whether it is there.
      type: bool
default_experiment:
  description:
    - Whether MLflow's experiment 0 is there, V(present), or V(missing), or V(taken) if it is missing and another
      experiment has its name. V(present) also if MLflow would not make it.
    - The process of MLflow's that makes it writes without strict mode from then on.
      O(mlflow_ops.backend_store.mlflow_schema#module:default_artifact_root) makes it.
    - V(null) if the schema is not MLflow's at a revision, or the login may not read it.
  returned: success
  type: str
  sample: present
blockers:
  description:
    - What would make a migration fail or wait, or keeps MLflow from writing. All of them at once. No migration is begun
      while there is any.
    - Foreign keys of other databases, other accounts' sessions, the server's keyring, and whether the account of a
      trigger exists, are there as far as the login may see them.
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
      description: What was found.
      type: str
    remedy:
      description: What to do.
      type: str
schema_warnings:
  description: What stops no migration and is not as it should be, such as keys that collide. Like RV(blockers).
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
      description: Number of rows, as the server estimates it now, or counted with O(exact_rows).
      type: int
    bytes:
      description:
        - Size of data and indexes in bytes, as the server estimates it, or what its file uses, if that is more and can
          be seen, with the privilege C(PROCESS) or in O(data_directory).
      type: int
sessions:
  description: Other sessions that use the database, or are in a transaction, as far as the login may see them.
  returned: success
  type: list
  elements: dict
locked:
  description: Whether another session is changing, dumping or restoring the database with this collection right now.
  returned: success
  type: bool
revisions:
  description: Every revision of the catalogue, oldest first, each with its title and the first release that has it.
  returned: success
  type: list
  elements: dict
reason:
  description:
    - V(unknown_target) if the wanted MLflow is not in the catalogue; V(no_database) if there is no such
      database; V(server) if the connection was lost or a query refused; or, without a login,
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
