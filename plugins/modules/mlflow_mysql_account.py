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
  - Passwords are compared by logging in, as MySQL cannot be asked for them and its hashes differ each time.
    A password is only set when the server refuses it.
  - Values reach the server as bound parameters. A password may hold quotes, backslashes, C(%), spaces and
    characters beyond ASCII.
  - At the end each account is logged in to, so that success means that it can be used.
  - The module can be interrupted anywhere. The next run finishes the work.
extends_documentation_fragment:
  - mlflow_ops.backend_store.attributes
  - mlflow_ops.backend_store.login
attributes:
  check_mode:
    support: full
    details: Logins are tried in check mode too. They write nothing.
  diff_mode:
    support: full
    details: The diff shows privileges. Of a password it shows only that it changes.
  idempotent:
    support: full
    details:
      - An account whose O(accounts[].host) does not match this host's address cannot be logged in to.
        Set O(accounts[].update_password=on_create) and O(accounts[].verify=false) for such an account.
  platform:
    platforms: posix
    support: full
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
          - V(always) sets the password when the server refuses it.
          - V(on_create) sets it on a new account only, and does not try it on an existing one.
        type: str
        choices: [always, on_create]
        default: always
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
      verify:
        description:
          - Whether a login as the account must succeed at the end.
          - V(localhost) accounts are tried through O(login_unix_socket), others over TCP at O(login_host).
          - When this is not set, it is so for an account with a password, but not for a V(localhost) account
            without O(login_unix_socket), nor for O(accounts[].update_password=on_create) on an existing
            account.
        type: bool
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
        host: 10.20.0.0/255.255.0.0
        password: "{{ mlflow_password }}"
        update_password: on_create
        verify: false
        privileges: [SELECT, INSERT, UPDATE, DELETE]
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
server_version:
  description: The version of the server.
  returned: when the server was reached
  type: str
  sample: 9.7.4
waited:
  description: The number of seconds spent in waiting for the server.
  returned: when the server was reached
  type: float
  sample: 1.25
"""

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils import _accounts, _connection
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._accounts import (
    AccountPlan,
    BadRequest,
    CurrentAccount,
    Statement,
    WantedAccount,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._connection import (
    ConnectionFailed,
    Login,
)

if TYPE_CHECKING:
    from pymysql.connections import Connection


class StatementFailed(Exception):
    """The server did not take a statement. The message is fit to be shown."""


@dataclass
class Outcome:
    """What was found and done so far: what is returned on success and on failure alike."""

    server_version: str = ""
    waited: float = 0.0
    changed: bool = False
    database: dict[str, Any] | None = None
    plans: list[AccountPlan] = field(default_factory=list)
    diff: dict[str, Any] | None = None

    def result(self) -> dict[str, Any]:
        if not self.server_version:
            return {"changed": False}
        result = {
            "changed": self.changed,
            "accounts": [plan.result() for plan in self.plans],
            "server_version": self.server_version,
            "waited": round(self.waited, 3),
        }
        if self.database is not None:
            result["database"] = self.database
        if self.diff is not None:
            result["diff"] = self.diff
        return result


class Server:
    """The administrator's connection."""

    def __init__(self, connection: Connection[Any], secrets: Sequence[str]) -> None:
        self.connection = connection
        self.secrets = secrets

    @property
    def version(self) -> str:
        rows = self.read("SELECT VERSION()")
        return str(rows[0][0])

    def run(self, statement: Statement) -> list[tuple[Any, ...]]:
        import pymysql.err

        try:
            with self.connection.cursor() as cursor:
                cursor.execute(statement.sql, statement.params)
                return list(cursor.fetchall())
        except pymysql.err.MySQLError as error:
            code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
            message = str(error.args[1]) if len(error.args) > 1 else ""
            reason = _accounts.explain_error(code, message, self.secrets)
            raise StatementFailed(f"cannot {statement.purpose}: {reason}") from None

    def read(self, sql: str, params: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        return self.run(Statement(sql, tuple(params), "read the server's accounts"))

    def has_database(self, name: str) -> bool:
        rows = self.read("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", [name])
        return bool(rows)

    def every_global_privilege(self) -> frozenset[str]:
        """All privileges that this server's version and components know, as GRANT names them."""
        rows = self.read("SHOW PRIVILEGES")
        return frozenset(row[0].upper() for row in rows) - {"USAGE", "PROXY", _accounts.GRANT_OPTION}

    def accounts(self, names: Sequence[str]) -> dict[tuple[str, str], CurrentAccount]:
        """All accounts of these user names, by name and host."""
        if not names:
            return {}
        marks = ", ".join(["%s"] * len(names))
        keys = self.read(f"SELECT user, host FROM mysql.user WHERE user IN ({marks})", names)
        # information_schema names an account in one column, and quotes it without escaping.
        grantees = {_accounts.label(name, host): (name, host) for name, host in keys}
        if not grantees:
            return {}
        marks = ", ".join(["%s"] * len(grantees))
        everywhere: dict[tuple[str, str], set[str]] = {key: set() for key in grantees.values()}
        databases: dict[tuple[str, str], dict[str, set[str]]] = {key: {} for key in grantees.values()}
        columns = "grantee, privilege_type, is_grantable"
        for grantee, privilege, grantable in self.read(
            f"SELECT {columns} FROM information_schema.user_privileges WHERE grantee IN ({marks})",
            list(grantees),
        ):
            if grantee in grantees:
                _add(everywhere[grantees[grantee]], privilege, grantable)
        for grantee, privilege, grantable, pattern in self.read(
            f"SELECT {columns}, table_schema FROM information_schema.schema_privileges"
            f" WHERE grantee IN ({marks})",
            list(grantees),
        ):
            if grantee in grantees:
                _add(databases[grantees[grantee]].setdefault(pattern, set()), privilege, grantable)
        return {
            key: CurrentAccount(
                frozenset(everywhere[key]),
                {pattern: frozenset(privileges) for pattern, privileges in databases[key].items()},
            )
            for key in grantees.values()
        }


def _add(privileges: set[str], name: str, grantable: str) -> None:
    if name != "USAGE":
        privileges.add(name)
    if grantable == "YES":
        privileges.add(_accounts.GRANT_OPTION)


def argument_spec() -> dict[str, Any]:
    account = {
        "name": {"type": "str", "required": True},
        "host": {"type": "str", "default": "%"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "password": {"type": "str", "no_log": True},
        # Not secrets, but named like some.
        "password_file": {"type": "path", "no_log": False},
        "update_password": {
            "type": "str",
            "choices": ["always", "on_create"],
            "default": "always",
            "no_log": False,
        },
        "privileges": {"type": "list", "elements": "str"},
        "on": {"type": "str"},
        "global_privileges": {"type": "list", "elements": "str"},
        "verify": {"type": "bool"},
    }
    return {
        **_connection.login_argument_spec(),
        "accounts": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": account,
            "mutually_exclusive": [("password", "password_file")],
        },
        "database": {"type": "str"},
        "database_charset": {"type": "str", "default": "utf8mb4"},
        "database_collation": {"type": "str", "default": "utf8mb4_0900_bin"},
        "wait_timeout": {"type": "float", "default": 0},
    }


def wanted_account(entry: Mapping[str, Any], database: str | None) -> WantedAccount:
    """An entry of the option `accounts`, its password read, its privileges as they were written."""
    password = entry["password"]
    if entry["password_file"] is not None and entry["state"] == "present":
        try:
            password = _connection.read_password_file(entry["password_file"])
        except FileNotFoundError:
            raise BadRequest(
                f"the password_file of {entry['name']} does not exist: {entry['password_file']}"
            ) from None
    privileges, everywhere, on = entry["privileges"], entry["global_privileges"], entry["on"]
    if on == "*":
        if privileges is not None and everywhere is not None:
            raise BadRequest(f"{entry['name']}: with on: '*' give privileges or global_privileges, not both")
        privileges, everywhere, on = None, everywhere if privileges is None else privileges, None
    return WantedAccount(
        name=entry["name"],
        host=entry["host"].lower(),  # as the server keeps it
        present=entry["state"] == "present",
        password=password,
        update_password=entry["update_password"] == "always",
        database=on or database,
        privileges=None
        if privileges is None
        else _accounts.normalise_privileges(
            privileges, _accounts.DATABASE_PRIVILEGES, "on a database (global_privileges takes the others)"
        ),
        global_privileges=None if everywhere is None else frozenset(everywhere),
    )


def log_in(login: Login, wait_timeout: float, outcome: Outcome) -> Connection[Any]:
    """The administrator's connection, after waiting for the server if that is asked for."""
    if wait_timeout <= 0:
        return _connection.connect_administrator(login)
    _connection.require_pymysql()
    start = time.monotonic()
    found: list[Connection[Any]] = []
    spent = _connection.wait_for_server(login.tcp_address.host, login.tcp_address.port, wait_timeout)
    _connection.wait_until(
        lambda dummy: found.append(_connection.connect_administrator(login)), max(wait_timeout - spent, 0)
    )
    outcome.waited = time.monotonic() - start
    return found[0]


def address_of(account: WantedAccount, login: Login) -> _connection.Address:
    """Where a password of `account` is tried."""
    return login.address if account.host == "localhost" else login.tcp_address


def accepts(account: WantedAccount, login: Login) -> bool:
    """Whether a login with the wanted password is taken, and taken for this very account."""
    if account.password is None:
        return False
    address = address_of(account, login)
    found = _connection.try_login(address, account.name, account.password, login.timeout, login.tls)
    return found == f"{account.name}@{account.host}"


def must_verify(plan: AccountPlan, asked: bool | None, login: Login) -> bool:
    account = plan.wanted
    if asked is False or account.password is None or not account.present:
        return False
    if not plan.password_changed:
        # An existing account's password was tried while planning, unless it was not to be updated.
        return bool(asked) and not account.update_password
    return bool(asked) or account.host != "localhost" or bool(login.address.unix_socket)


def verify(account: WantedAccount, login: Login) -> None:
    """Raise ConnectionFailed unless a login as `account` is taken for it."""
    address = address_of(account, login)
    found = _connection.try_login(address, account.name, account.password or "", login.timeout, login.tls)
    expected = f"{account.name}@{account.host}"
    if found is None:
        raise ConnectionFailed(
            f"{address} refuses the login as {account.label}, although its password is set. "
            "If its host does not match this client, or it needs TLS (ca_cert), "
            "set verify: false and update_password: on_create for it"
        )
    if found != expected:
        raise ConnectionFailed(
            f"{address} takes the login as {account.label} for {found}: remove that account, "
            "or set verify: false and update_password: on_create for the other"
        )


def run(params: Mapping[str, Any], check_mode: bool, outcome: Outcome, mark_secret: Any) -> None:
    """Do what `params` ask for, and note it in `outcome`. `mark_secret` gets each password that was read.

    Raises BadRequest, ConnectionFailed and StatementFailed.
    """
    wanted = [wanted_account(entry, params["database"]) for entry in params["accounts"]]
    _accounts.check_accounts(wanted)
    if params["database"] is not None:
        _accounts.check_database(params["database"], params["database_charset"], params["database_collation"])
    login = _connection.login_from_params(params)
    secrets = [*login.secrets, *(account.password for account in wanted if account.password)]
    for secret in secrets:
        mark_secret(secret)

    server = Server(log_in(login, params["wait_timeout"], outcome), secrets)
    try:
        outcome.server_version = server.version
        _apply(params, wanted, login, server, check_mode, outcome)
    finally:
        server.connection.close()


def _apply(
    params: Mapping[str, Any],
    wanted: Sequence[WantedAccount],
    login: Login,
    server: Server,
    check_mode: bool,
    outcome: Outcome,
) -> None:
    # All is read and planned before anything is written: what makes no sense changes nothing.
    plans = _plan(wanted, login, server)
    database = params["database"]
    create = database is not None and not server.has_database(database)
    outcome.diff = _accounts.diff(plans, database, create)
    if database is not None:
        outcome.database = {"name": database, "created": False}
    if create:
        statement = _accounts.create_database(
            database, params["database_charset"], params["database_collation"]
        )
        if not check_mode:
            server.run(statement)
        outcome.database = {"name": database, "created": True}
        outcome.changed = True
    for plan in plans:
        for statement in plan.statements:
            if not check_mode:
                server.run(statement)
            outcome.changed = True
        outcome.plans.append(plan)
    if check_mode:
        return
    for plan, entry in zip(plans, params["accounts"]):
        if must_verify(plan, entry["verify"], login):
            verify(plan.wanted, login)


def _plan(wanted: Sequence[WantedAccount], login: Login, server: Server) -> list[AccountPlan]:
    current = server.accounts(sorted({account.name for account in wanted}))
    if any(account.global_privileges is not None for account in wanted):
        every = server.every_global_privilege()
        wanted = [
            account
            if account.global_privileges is None
            else replace(
                account,
                global_privileges=_accounts.normalise_privileges(
                    sorted(account.global_privileges), every, "that is global on this server"
                ),
            )
            for account in wanted
        ]
    own = server.read("SELECT CURRENT_USER()")[0][0]
    plans = []
    for account in wanted:
        exists = account.key in current
        if exists and not account.present and own == f"{account.name}@{account.host}":
            raise BadRequest(
                f"{account.label} is the account that this module is logged in as: it can't be removed"
            )
        tried = exists and account.present and account.update_password
        plans.append(
            _accounts.plan_account(account, current.get(account.key), tried and accepts(account, login))
        )
    return plans


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    outcome = Outcome()
    try:
        run(module.params, module.check_mode, outcome, module.no_log_values.add)
    except (BadRequest, ConnectionFailed, StatementFailed) as error:
        module.fail_json(msg=str(error), **outcome.result())
    module.exit_json(**outcome.result())


if __name__ == "__main__":
    main()
