#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A write lock on a database while its schema changes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_write_lock
short_description: Lock writers out of a database while its schema changes
version_added: 0.1.0
description:
  - Sets and releases a write lock on a database. The lock consists of MySQL account locks on all accounts that may
    write to it.
  - An account may write if it has any privilege on the database beyond reading, globally, on the database, on one of
    its tables or columns, on one of its routines, or through a role or another account that it may act as.
  - With O(scope=server) a privilege on any database counts.
  - The server's event scheduler, which writes without a login, is off during the write lock, also after a restart of
    the server. The module waits for running events, or ends them with O(disconnect).
  - MySQL's connection control, which delays logins after some that failed, is off during the write lock. Clients that
    are locked out are refused at once, and get in at once when it is released. A restart of the server turns it on.
  - A replication channel that applies another server's changes, and prepared XA transactions, also write without a
    login. While there are any, nothing is locked, whatever O(disconnect) is.
  - The accounts and the states of the event scheduler and of connection control are recorded on the host before the
    first account is locked. However a run ends, the next one finishes it, and V(open) unlocks only the recorded
    accounts.
  - Two runs cannot race. The second one waits for the first, up to O(timeout).
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
extends_documentation_fragment:
  - mlflow_ops.backend_store._attributes
  - mlflow_ops.backend_store._login
  - mlflow_ops.backend_store._schema_target
  - mlflow_ops.backend_store._ownership
attributes:
  check_mode:
    support: full
    details: Open sessions that make the module fail also do so in check mode.
  diff_mode:
    support: full
    details: Shows the locked accounts before and after.
  idempotent:
    support: full
options:
  scope:
    description:
      - Whether to lock the accounts that may write to O(database), or those that may write to any database of the
        server, for a change whose rollback restores the whole server.
    type: str
    choices: [database, server]
    default: database
  state:
    description:
      - V(closed) sets the write lock. The accounts must have no sessions, or their sessions are ended. See
        O(disconnect).
      - V(open) releases it. It unlocks the accounts in O(path), restores the states of the event scheduler and of
        connection control, and removes the file. Without the file nothing is done.
    type: str
    choices: [closed, open]
    required: true
  path:
    description:
      - A file on the host with the record of the locked accounts, for root only.
      - Accounts that somebody else locked are not in the record. They stay locked.
    type: path
    required: true
  disconnect:
    description:
      - Whether to end the sessions of accounts that may write.
      - With V(false) the module fails while there are any, and names their accounts. No account is locked then.
    type: bool
    default: false
  resume:
    description:
      - Whether to go on only with a write lock that an earlier run set. With V(true) the module fails if there is none,
        if it is being released, or if somebody unlocked a recorded account, because writers may have written since.
        The record says from then on that the write lock is being released.
      - Only for O(state=closed).
    type: bool
    default: false
  keep:
    description:
      - Names of users that are never locked, such as the one that changes the schema.
      - O(login_user) and the server's own accounts are never locked.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to wait for sessions to end, and for another run of this module.
    type: int
    default: 30
notes:
  - Sessions are matched by their user name. A session of C(name@one-host) counts if C(name@another-host) may write.
  - Sessions of O(login_user), of the users in O(keep) and of the server itself continue.
seealso:
  - module: mlflow_ops.backend_store.mlflow_schema
"""

EXAMPLES = r"""
- name: Lock MLflow out
  mlflow_ops.backend_store.mlflow_mysql_write_lock:
    login_password_files: [/srv/mlflow-mysql/secrets/root_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    database: mlflow
    path: /srv/mlflow-mysql/upgrade/write_lock.json
    keep: [mlflow_migrator]
    disconnect: true
    state: closed

- name: Release the write lock
  mlflow_ops.backend_store.mlflow_mysql_write_lock:
    login_password_files: [/srv/mlflow-mysql/secrets/root_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    database: mlflow
    path: /srv/mlflow-mysql/upgrade/write_lock.json
    state: open
"""

RETURN = r"""
accounts:
  description: With V(closed) the locked accounts, with V(open) the unlocked ones.
  returned: success
  type: list
  elements: str
  sample: [mlflowusr@%]
event_scheduler:
  description:
    - The state of the event scheduler outside the write lock, V(ON), V(OFF) or V(DISABLED). V(null) if there is no
      record.
  returned: success
  type: str
  sample: "ON"
since:
  description:
    - When the write lock was set, in seconds since 1970, also if an earlier run set it. V(null) if there is no record.
  returned: success
  type: float
  sample: 1796023912.4
seconds:
  description: Duration of the write lock in seconds. V(null) if there was none, or its start is unknown.
  returned: with V(open)
  type: float
  sample: 41.7
disconnected:
  description: The sessions and events that were ended, or in check mode would be.
  returned: success
  type: list
  elements: dict
  contains:
    user:
      description: Name of the user.
      type: str
      sample: mlflowusr
    host:
      description: The client's address.
      type: str
      sample: 172.17.0.1:52814
    id:
      description: The number of the session.
      type: int
      sample: 42
    seconds:
      description: Duration of the session's current idle or busy state, in seconds.
      type: int
      sample: 7
    program:
      description: The client program or library.
      type: str
      sample: pymysql
reason:
  description:
    - V(write_lock) if the write lock cannot be set or released; V(not_owner) if another run has taken over;
      V(server) if the connection was lost or a statement refused; or, without a login, V(unreachable),
      V(refused), V(locked), V(tls_required), V(tls_failed), V(not_mysql), V(library), V(other).
  returned: failure
  type: str
  sample: not_owner
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import (
    connection as mysql_connection,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import options, ownership
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.write_lock import (
    WriteLockProblem,
    run,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **mysql_connection.login_argument_spec(),
            **options.database_argument_spec(),
            **ownership.owner_argument_spec(),
            "scope": {"type": "str", "choices": ["database", "server"], "default": "database"},
            "state": {"type": "str", "choices": ["closed", "open"], "required": True},
            "path": {"type": "path", "required": True},
            "disconnect": {"type": "bool", "default": False},
            "resume": {"type": "bool", "default": False},
            "keep": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "int", "default": 30},
        },
        required_together=[ownership.OWNER],
        supports_check_mode=True,
    )
    try:
        login = mysql_connection.login_from_params(module.params)
        for secret in login.secrets:
            module.no_log_values.add(secret)
        result = run(module.params, module.check_mode, login)
    except (mysql_connection.ConnectionFailed, ownership.NotOwner, WriteLockProblem) as error:
        module.fail_json(msg=str(error), reason=error.reason)
    except (
        Exception
    ) as error:  # a lost connection or a refused statement: pymysql's own classes may be missing
        module.fail_json(
            msg=f"MySQL: {type(error).__name__}: {error}. The record in path says what is locked: run this again",
            reason="server",
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
