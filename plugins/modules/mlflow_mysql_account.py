#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that makes a MySQL server's accounts what they should be."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_account
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
version_added: 0.1.0
short_description: Manage MySQL accounts, their passwords and privileges, and MLflow's database
description:
  - Creates and updates accounts, their passwords and their privileges in one call, and creates the database.
  - A password is only set if it differs from the account's. The module compares it with the server's hash, or
    tries a login if the account's plugin is not C(caching_sha2_password).
  - Values reach the server as bound parameters. A password may hold quotes, backslashes, C(%), spaces and
    characters beyond ASCII.
  - At the end the module logs in as each account. Success means that the accounts can be used.
  - The module can be interrupted at any point. The next run finishes the work.
extends_documentation_fragment:
  - mlflow_ops.backend_store._attributes
  - mlflow_ops.backend_store._login
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: The diff shows privileges. Of a password it shows only that it changes.
  idempotent:
    support: full
    details:
      - The module cannot log in as an account whose O(accounts[].host) does not match this host's address.
        Set O(accounts[].verify=false) for such an account.
options:
  accounts:
    description:
      - The accounts. Accounts that are not listed are left alone.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - The user name, at most 32 characters.
        type: str
        required: true
      host:
        description:
          - The host part of the account, in lower case. V(%) stands for every host.
        type: str
        default: '%'
      state:
        description:
          - Whether the account exists.
        type: str
        choices: [present, absent]
        default: present
      password:
        description:
          - The password. It cannot be empty.
          - Without this and O(accounts[].password_file), the password is left alone, and the account must
            exist.
        type: str
      password_file:
        description:
          - A file on the host with the password. One trailing newline is ignored.
        type: path
      update_password:
        description:
          - V(always) sets the password if it is not the account's current one. An old password that is still valid is
            not the current one; setting it leaves the account with this password only.
          - V(on_create) sets the password of a new account only, and does not try it on an existing one.
        type: str
        choices: [always, on_create]
        default: always
      retain_old_password:
        description:
          - Whether the old password stays valid beside a new one until it is discarded, so that clients can change
            over. MySQL keeps one old password; a second one is refused. If the new password is the old one, the two
            are swapped.
        type: bool
        default: false
      discard_old_password:
        description:
          - Whether to discard the old password. This is refused if the given password is not the account's newest.
        type: bool
        default: false
      require:
        description:
          - V(ssl) refuses sessions of the account without TLS, V(x509) also sessions without a certificate signed by
            one of the server's CAs. By default this is left alone.
        type: str
        choices: [none, ssl, x509]
      max_user_connections:
        description:
          - Maximum number of concurrent sessions of the account, V(0) for no limit. By default this is left alone.
        type: int
      privileges:
        description:
          - The privileges on O(accounts[].on), such as V(SELECT). V(ALL) stands for all of them except V(GRANT
            OPTION).
          - Afterwards the account has exactly these privileges there. Missing ones are granted and others are revoked.
            An empty list revokes all of them.
          - Privileges on other databases, tables and columns are left alone.
          - A grant on the same name with an unescaped C(_) or C(%) reaches other databases too. It is revoked.
          - By default the privileges are left alone.
        type: list
        elements: str
      'on':
        description:
          - The database for O(accounts[].privileges), or V(*) for global privileges.
          - The default is O(database).
        type: str
      global_privileges:
        description:
          - The global privileges, such as V(RELOAD), compared like O(accounts[].privileges).
          - By default global privileges are left alone.
        type: list
        elements: str
      more_privileges:
        description:
          - Dictionary from the name of another database to the list of privileges on it, compared like
            O(accounts[].privileges).
        type: dict
        default: {}
        version_added: 0.1.0
      verify:
        description:
          - Whether a login as the account must succeed at the end.
          - V(localhost) accounts are tried through O(login_unix_socket), others over TCP at O(login_host). If several
            accounts have the same user and the same password, only one that accepts this host is tried.
          - The default is V(true) for an account with a password, and V(false) for a V(localhost) account without
            O(login_unix_socket), for O(accounts[].update_password=on_create) on an existing account, and for
            O(accounts[].require=x509) without O(client_cert).
        type: bool
  owner:
    description:
      - A mark for every account of O(accounts) except root, stored as the user attribute C(mlflow_ops_owner). Later
        runs recognise the accounts by it.
      - An existing account of O(accounts) without the mark is refused, and nothing is changed, if other accounts have
        the mark and its password differs from the given one. It belongs to somebody else.
    type: str
  unlisted:
    description:
      - V(remove) removes accounts with the mark of O(owner) that are not in O(accounts). Accounts without the mark are
        never changed.
      - An account that is the definer of a trigger, view, routine or event is not removed, also not with
        O(accounts[].state=absent). The message has the statements that change the definer.
    type: str
    choices: [keep, remove]
    default: keep
  schemas:
    description:
      - Schemas of MLflow to inspect when the accounts are as they should be, which saves a task of its own.
      - They do not make the module fail.
    type: list
    elements: dict
    default: []
    suboptions:
      database:
        description: The database that holds the schema.
        type: str
        default: mlflow
      app:
        description: Whose schema it is, that of MLflow's tracking server or that of its auth app.
        type: str
        choices: [tracking, auth]
        default: tracking
      mlflow_version:
        description: The MLflow that the schema is compared with. The newest one of the catalogue is the default.
        type: str
      data_directory:
        description: The data directory on the host, whose free space is compared with what migrations need.
        type: path
      write_lock:
        description: As in the option O(mlflow_ops.backend_store.mlflow_schema_info#module:write_lock).
        type: dict
        suboptions:
          path:
            description: The record of the write lock.
            type: path
  components:
    description:
      - Components of the server to install if they are missing, such as V(component_validate_password).
    type: list
    elements: str
    default: []
  server_certificate:
    description:
      - File on the host with the certificate, in PEM form, that the server must present at O(login_host). If the server
        presents another one, it reloads its files, without a restart and without ending sessions.
    type: path
  database:
    description:
      - A database to create if it is missing. An existing database is left alone, and no database is ever
        removed.
    type: str
  database_charset:
    description:
      - The character set of a new O(database).
    type: str
    default: utf8mb4
  database_collation:
    description:
      - The collation of a new O(database).
      - The default distinguishes C(Loss) from C(loss), which are two metrics in MLflow. A collation that ignores
        case merges them, or fails with duplicate keys.
    type: str
    default: utf8mb4_0900_bin
  wait_timeout:
    description:
      - The number of seconds to wait for the server before anything else.
      - The module waits for MySQL's greeting over TCP at O(login_host) and O(login_port), and then for the login as
        O(login_user). An open port is not enough, since a container's port is open before MySQL listens.
      - A refused login ends the wait at once. With V(0) the module does not wait.
    type: float
    default: 0
notes:
  - PyMySQL sends a password in Latin-1 by default, and MySQL then refuses characters beyond ASCII. This module
    sends UTF-8, and P(mlflow_ops.backend_store.mlflow_store_uri#filter) makes a URI with which PyMySQL does too.
  - The module does not switch off the binary log. Accounts are replicated.
seealso:
  - plugin: mlflow_ops.backend_store.mlflow_store_uri
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Make the database and the accounts of a new store, root's own password included
  mlflow_ops.backend_store.mlflow_mysql_account:
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    login_password: "{{ root_password }}"
    login_password_files:
      - /srv/mlflow-mysql/secrets/root_initial
    wait_timeout: 60
    database: mlflow
    accounts:
      - name: root
        host: localhost
        password: "{{ root_password }}"
      - name: mlflowusr
        password_file: /srv/mlflow-mysql/secrets/mlflowusr
        privileges: [SELECT, INSERT, UPDATE, DELETE]
      - name: mlflowbackup
        host: localhost
        password_file: /srv/mlflow-mysql/secrets/mlflowbackup
        privileges: [SELECT, SHOW VIEW, TRIGGER, EVENT, LOCK TABLES]
        global_privileges: [RELOAD, PROCESS, REPLICATION CLIENT]

- name: Remove an account
  mlflow_ops.backend_store.mlflow_mysql_account:
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    login_password_files: [/srv/mlflow-mysql/secrets/root]
    accounts:
      - name: mlflowold
        state: absent

- name: Make an account that may only log in from elsewhere
  mlflow_ops.backend_store.mlflow_mysql_account:
    login_host: db.example.org
    login_password: "{{ root_password }}"
    ca_cert: /etc/ssl/certs/store-ca.pem
    database: mlflow
    accounts:
      - name: mlflowusr
        host: 10.20.0.0/16
        password: "{{ mlflow_password }}"
        verify: false
        privileges: [SELECT, INSERT, UPDATE, DELETE]

- name: Give MLflow's user a new password, and let the old one be valid for a while
  mlflow_ops.backend_store.mlflow_mysql_account:
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    login_password_files: [/srv/mlflow-mysql/secrets/root]
    accounts:
      - name: mlflowusr
        password_file: /srv/mlflow-mysql/secrets/mlflowusr
        retain_old_password: true
"""

RETURN = r"""
accounts:
  description:
    - The changes of each account, or in check mode the predicted changes, in the order of O(accounts).
    - If the module fails, only the finished accounts.
  returned: when the server was reached
  type: list
  elements: dict
  contains:
    name:
      description: The user name.
      type: str
      sample: mlflowusr
    host:
      description: The host part.
      type: str
      sample: '%'
    created:
      description: Whether the account is new.
      type: bool
    password_changed:
      description: Whether the password was set, also for a new account.
      type: bool
    old_password_discarded:
      description: Whether an old password was discarded.
      type: bool
    old_password_valid:
      description: Whether an old password is valid beside the current one.
      type: bool
    granted:
      description: The granted privileges.
      type: list
      elements: str
      sample: [SELECT ON mlflow.*]
    revoked:
      description: The revoked privileges.
      type: list
      elements: str
      sample: [DROP ON mlflow.*, RELOAD ON *.*]
    removed:
      description: Whether the account was removed.
      type: bool
schemas:
  description:
    - A dictionary from each database of O(schemas) to what M(mlflow_ops.backend_store.mlflow_schema_info) returns.
    - Of one whose state cannot be told, C(msg) and C(reason).
  returned: success
  type: dict
  sample: {mlflow: {state: current, revision: 1b9c8f3a2d47}}
database:
  description: The database, when O(database) is given.
  returned: when the server was reached
  type: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: mlflow
    created:
      description: Whether it is new.
      type: bool
unknown_accounts:
  description:
    - Accounts that are neither in O(accounts) nor marked with O(owner), nor MySQL's own or root@localhost. They are
      left alone.
  returned: when O(owner) is given and the server was reached
  type: list
  elements: str
  sample: ['somebody@%']
orphans:
  description:
    - Objects whose definer does not exist, so that every statement that uses them fails. Each has its C(kind),
      V(trigger), V(view), V(procedure), V(function) or V(event), its C(database) and C(name), and its C(definer).
  returned: when O(owner) is given and the server was reached
  type: list
  elements: dict
  sample: [{database: mlflow, kind: trigger, name: keep, definer: gone@localhost}]
components:
  description: The components that were installed.
  returned: when the server was reached
  type: list
  elements: str
tls_reloaded:
  description: Whether the server reloaded its certificate.
  returned: when the server was reached
  type: bool
server_version:
  description: The version of the server.
  returned: when the server was reached
  type: str
  sample: 9.7.0
waited:
  description: The number of seconds spent waiting for the server.
  returned: when the server was reached
  type: float
  sample: 1.25
reason:
  description:
    - V(bad_request) if the options are invalid; V(statement) if the server refused a statement; or,
      without a login, V(unreachable), V(refused), V(locked), V(tls_required), V(tls_failed), V(not_mysql),
      V(library), V(other).
  returned: failure
  type: str
  sample: bad_request
"""

from typing import Any, Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.account_service import (
    Outcome,
    StatementFailed,
    run,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.accounts import (
    BadRequest,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.connection import (
    ConnectionFailed,
    Login,
    login_argument_spec,
    login_from_params,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import options, survey

WHEN = ("always", "on_create")


def argument_spec() -> dict[str, Any]:
    account = {
        "name": {"type": "str", "required": True},
        "host": {"type": "str", "default": "%"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "password": {"type": "str", "no_log": True},
        # Not secrets, but named like some.
        "password_file": {"type": "path", "no_log": False},
        "update_password": {"type": "str", "choices": [*WHEN], "default": "always", "no_log": False},
        "retain_old_password": {"type": "bool", "default": False, "no_log": False},
        "discard_old_password": {"type": "bool", "default": False, "no_log": False},
        "require": {"type": "str", "choices": ["none", "ssl", "x509"]},
        "max_user_connections": {"type": "int"},
        "privileges": {"type": "list", "elements": "str"},
        "on": {"type": "str"},
        "global_privileges": {"type": "list", "elements": "str"},
        "more_privileges": {"type": "dict", "default": {}},
        "verify": {"type": "bool"},
    }
    return {
        **login_argument_spec(),
        "accounts": {
            **{"type": "list", "elements": "dict", "default": [], "options": account},
            "mutually_exclusive": [("password", "password_file")],
        },
        "database": {"type": "str"},
        "database_charset": {"type": "str", "default": "utf8mb4"},
        "database_collation": {"type": "str", "default": "utf8mb4_0900_bin"},
        "wait_timeout": {"type": "float", "default": 0},
        "owner": {"type": "str"},
        "unlisted": {"type": "str", "choices": ["keep", "remove"], "default": "keep"},
        "components": {"type": "list", "elements": "str", "default": []},
        "server_certificate": {"type": "path"},
        "schemas": {
            **{"type": "list", "elements": "dict", "default": []},
            "options": {
                **options.database_argument_spec(),
                **options.target_argument_spec(),
                "write_lock": {"type": "dict", "options": {"path": {"type": "path"}}},
            },
        },
    }


def inspect(login: Login, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of a schema, or why it cannot be told: accounts do not depend on it."""
    try:
        return survey.inspect(login, {**schema, "scan_timeout": 0, "exact_rows": False})
    except (ConnectionFailed, survey.SchemaProblem) as error:
        return {"msg": str(error), "reason": error.reason}


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    outcome = Outcome()
    try:
        run(module.params, module.check_mode, outcome, module.no_log_values.add)
    except (BadRequest, ConnectionFailed, StatementFailed) as error:
        module.fail_json(msg=str(error), reason=error.reason, **outcome.result())
    login = login_from_params(module.params)
    schemas = {schema["database"]: inspect(login, schema) for schema in module.params["schemas"]}
    module.exit_json(schemas=schemas, **outcome.result())


if __name__ == "__main__":
    main()
