#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A write lock that keeps writers out of a database while its schema changes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_write_lock
short_description: Keep writers out of a database while its schema changes
version_added: 0.1.0
description:
  - Closes a database for all accounts that may write to it, by locking them, and opens it again.
  - An account may write if it has any right on the database beyond reading, be it global, on the database, on a table
    or a column of it, to run a routine of it, or through a role or another account that it may act as.
  - With O(scope=server) a right on any database counts.
  - The server's event scheduler, which writes without a login, is off while the write lock is closed, also if the
    server is restarted meanwhile. Events that run are waited for, or ended with O(disconnect).
  - A replication channel that applies another server's changes, and transactions that are prepared (XA), write without
    a login too. Nothing is locked while there is any, whatever O(disconnect) says.
  - What is locked is in a record on the host before the first account is, and so is what the event scheduler was.
    However a run ends, the next one finishes it, and V(open) unlocks those accounts and no others.
  - Two at a time cannot race. The second waits for the first, up to O(timeout).
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
    details: Sessions that would make the module fail make it fail in check mode too.
  diff_mode:
    support: full
    details: Shows which accounts the write lock keeps out before and after.
  idempotent:
    support: full
options:
  scope:
    description:
      - Whether the accounts that may write to O(database) are kept out, or those that may write to any database of the
        server, as before a change that is undone by restoring the whole server.
    type: str
    choices: [database, server]
    default: database
  state:
    description:
      - V(closed) locks the accounts that may write to the database. The accounts need not have sessions then, or those
        end. See O(disconnect).
      - V(open) unlocks the accounts that O(path) names, sets the event scheduler to what it was, and removes that file.
        Without it nothing is done.
    type: str
    choices: [closed, open]
    required: true
  path:
    description:
      - A file on the host that records which accounts were locked, for root only.
      - Accounts that somebody else locked are not in it. They stay locked.
    type: path
    required: true
  disconnect:
    description:
      - Whether sessions of accounts that may write are ended.
      - With V(false) the module fails while there are any, and says whose they are. No account is locked then.
    type: bool
    default: false
  keep:
    description:
      - Names of users that stay able to log in, such as the one that changes the schema.
      - O(login_user) and the server's own accounts always stay.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds to wait for sessions to end, and for another run of this module.
    type: int
    default: 30
notes:
  - Sessions are matched by the name of their user. A session of C(name@one-host) counts if C(name@another-host) may
    write.
  - Sessions of O(login_user), of the users in O(keep) and of the server itself go on.
seealso:
  - module: mlflow_ops.backend_store.mlflow_schema
"""

EXAMPLES = r"""
- name: Keep MLflow out
  mlflow_ops.backend_store.mlflow_mysql_write_lock:
    login_password_files: [/srv/mlflow-mysql/secrets/root_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    database: mlflow
    path: /srv/mlflow-mysql/upgrade/write_lock.json
    keep: [mlflow_migrator]
    disconnect: true
    state: closed

- name: Let MLflow in again
  mlflow_ops.backend_store.mlflow_mysql_write_lock:
    login_password_files: [/srv/mlflow-mysql/secrets/root_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    database: mlflow
    path: /srv/mlflow-mysql/upgrade/write_lock.json
    state: open
"""

RETURN = r"""
accounts:
  description: With V(closed) the accounts that the write lock keeps out, with V(open) those that it let in again.
  returned: success
  type: list
  elements: str
  sample: [mlflowusr@%]
event_scheduler:
  description:
    - What the event scheduler was before the write lock was closed, and is again when it is open, V(ON), V(OFF) or
      V(DISABLED). V(null) if there is no record.
  returned: success
  type: str
  sample: "ON"
since:
  description:
    - When the write lock was closed, in seconds since 1970. A run that finds it closed returns when that was.
      V(null) if there is no record.
  returned: success
  type: float
  sample: 1796023912.4
seconds:
  description: For how many seconds the write lock was closed. V(null) if it was not, or nothing says since when.
  returned: with V(open)
  type: float
  sample: 41.7
disconnected:
  description: The sessions and events that were ended, in check mode those that would be.
  returned: success
  type: list
  elements: dict
  contains:
    user:
      description: Name of the user.
      type: str
      sample: mlflowusr
    host:
      description: Where the session came from.
      type: str
      sample: 172.17.0.1:52814
    id:
      description: The number of the session.
      type: int
      sample: 42
    seconds:
      description: For how long the session had been idle or busy.
      type: int
      sample: 7
    program:
      description: The client program or library.
      type: str
      sample: pymysql
reason:
  description:
    - V(write_lock) if the record in O(path) does not allow it; V(not_owner) if another run has taken over;
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
