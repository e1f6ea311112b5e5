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
  - Makes accounts, their passwords and their privileges what they should be, all in one call, and makes the
    database.
  - A password is only set when it is not the account's. That is told by the hash that the server keeps, or by
    logging in where the account's plugin is not C(caching_sha2_password).
  - Values reach the server as bound parameters. A password may hold quotes, backslashes, C(%), spaces and
    characters beyond ASCII.
  - At the end each account is logged in to, so that success means that it can be used.
  - The module can be interrupted anywhere. The next run finishes the work.
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
      - An account whose O(accounts[].host) does not match this host's address cannot be logged in to.
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
          - The user name, of 32 characters at most.
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
          - Without it and O(accounts[].password_file), the password is left alone, and the account must
            exist.
        type: str
      password_file:
        description:
          - A file on the host that holds the password. Its content counts, less one trailing newline.
        type: path
      update_password:
        description:
          - V(always) sets the password when it is not the account's, which an old one that is still valid is not. If it
            is that one, the account has no other password afterwards.
          - V(on_create) sets it on a new account only, and does not try it on an existing one.
        type: str
        choices: [always, on_create]
        default: always
      retain_old_password:
        description:
          - When the password is set, the one from before stays valid beside it, until it is discarded, so that clients
            can change over. MySQL keeps one such password; a second is refused. If the password is the one from before,
            the two change places.
        type: bool
        default: false
      discard_old_password:
        description:
          - The password from before is made invalid. It is refused if the password given is not the account's newest.
        type: bool
        default: false
      require:
        description:
          - V(ssl) refuses sessions of the account without TLS, V(x509) also those without a certificate that an
            authority of the server signed. When this is not set, it is left alone.
        type: str
        choices: [none, ssl, x509]
      max_user_connections:
        description:
          - How many sessions the account may have at a time, V(0) for as many as the server takes. When this is not
            set, it is left alone.
        type: int
      privileges:
        description:
          - The privileges on O(accounts[].on), such as V(SELECT). V(ALL) stands for all of them but V(GRANT
            OPTION).
          - The account has exactly these there afterwards, missing ones are granted and others are revoked.
            An empty list takes all of them away.
          - Privileges on other databases, tables and columns are left alone.
          - A grant on the same name whose C(_) or C(%) was not escaped reaches other databases too. It is
            taken away.
          - When this is not set, the privileges are left alone.
        type: list
        elements: str
      'on':
        description:
          - The database that O(accounts[].privileges) are for, or V(*) for global privileges.
          - When this is not set, it is O(database).
        type: str
      global_privileges:
        description:
          - The global privileges, such as V(RELOAD), compared as O(accounts[].privileges) are.
          - When this is not set, global privileges are left alone.
        type: list
        elements: str
      more_privileges:
        description:
          - Dictionary from the name of another database to the list of privileges on it, compared as
            O(accounts[].privileges) are.
        type: dict
        default: {}
        version_added: 0.1.0
      verify:
        description:
          - Whether a login as the account must succeed at the end.
          - V(localhost) accounts are tried through O(login_unix_socket), others over TCP at O(login_host). Of
            several accounts of one user with one password, one is tried, whichever this host may log in to.
          - When this is not set, it is so for an account with a password, but not for a V(localhost) account
            without O(login_unix_socket), nor for O(accounts[].update_password=on_create) on an existing
            account, nor for O(accounts[].require=x509) without O(client_cert).
        type: bool
  owner:
    description:
      - A mark that every account of O(accounts) but root gets, as the user attribute C(mlflow_ops_owner), so that they
        are known again.
      - An account of O(accounts) that has no mark is refused, and nothing is changed, where others have it and its
        password is not the one given here. It is somebody else's.
    type: str
  unlisted:
    description:
      - V(remove) removes accounts with the mark of O(owner) that are not in O(accounts). Accounts without the mark are
        never touched.
      - An account with whose rights a trigger, view, routine or event runs is not removed, nor is one with
        O(accounts[].state=absent). The statements that end that are in the message.
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
  components:
    description:
      - Components of the server to install if they are missing, such as V(component_validate_password).
    type: list
    elements: str
    default: []
  server_certificate:
    description:
      - File on the host with the certificate, in PEM form, that the server is to present at O(login_host). If it
        presents another, it reads its files again, without a restart and without ending sessions.
    type: path
  database:
    description:
      - A database to make if it is missing. An existing one is left as it is, and a database is never
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
      - The default tells C(Loss) from C(loss), which are two metrics to MLflow.
        A collation that ignores case merges them, or fails with duplicate keys.
    type: str
    default: utf8mb4_0900_bin
  wait_timeout:
    description:
      - The number of seconds to wait for the server before anything else.
      - First for MySQL's greeting over TCP at O(login_host) and O(login_port). An open port is not enough,
        as a
        container's port is open before MySQL listens. Then for the login as O(login_user).
      - A refused login ends the waiting at once. With V(0) nothing is waited for.
    type: float
    default: 0
notes:
  - PyMySQL itself sends a password that is given as text in Latin-1, which MySQL refuses if it holds
    characters beyond ASCII. This module sends UTF-8, and P(mlflow_ops.backend_store.mlflow_store_uri#filter)
    makes a URI with which PyMySQL does too.
  - The module does not switch the binary log off. Accounts are replicated.
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
    - What happened, or would happen, to each account, in the order of O(accounts).
    - When the module fails on the way, those that were finished.
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
      description: Whether the password was set. It is for a new account.
      type: bool
    old_password_discarded:
      description: Whether a password from before was made invalid.
      type: bool
    old_password_valid:
      description: Whether a password from before is valid beside the account's own.
      type: bool
    granted:
      description: What was granted.
      type: list
      elements: str
      sample: [SELECT ON mlflow.*]
    revoked:
      description: What was taken away.
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
    - Accounts that are neither in O(accounts) nor marked with O(owner), nor MySQL's own or root@localhost. Nothing is
      done to them.
  returned: when O(owner) is given and the server was reached
  type: list
  elements: str
  sample: ['somebody@%']
orphans:
  description:
    - What runs with the rights of an account that is not there, so that every statement which sets it off fails. The
      C(kind) of each, V(trigger), V(view), V(procedure), V(function) or V(event), its C(database) and C(name), and its
      C(definer).
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
  description: Whether the server was made to read its certificate again.
  returned: when the server was reached
  type: bool
server_version:
  description: The version of the server.
  returned: when the server was reached
  type: str
  sample: 9.7.0
waited:
  description: The number of seconds spent in waiting for the server.
  returned: when the server was reached
  type: float
  sample: 1.25
reason:
  description:
    - V(bad_request) if the options make no sense; V(statement) if the server refused a statement; or,
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
            "options": {**options.database_argument_spec(), **options.target_argument_spec()},
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
