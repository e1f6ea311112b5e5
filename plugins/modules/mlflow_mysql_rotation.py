#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who still uses an old password while two are valid."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_rotation
short_description: Report who still uses an old password during a rotation
version_added: 0.1.0
description:
  - While MySQL accepts both the new and the old password of an account, reports the sessions that logged in with the
    old one, and the number of logins with it since.
  - A session counts if it was open when the new passwords were set, or if the server logged that it used the second of
    two passwords. The server logs that with C(log_error_verbosity=3); otherwise RV(blind) says what is missed.
  - If an account has only one password, nobody uses an old one.
  - A client without an open session is not detected.
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
extends_documentation_fragment:
  - mlflow_ops.backend_store._attributes
  - mlflow_ops.backend_store._login
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: The module only writes the time of the beginning.
  idempotent:
    support: full
options:
  state:
    description:
      - V(begun) records the beginning of the rotation in O(marker), unless it is recorded already. Use it after the new
        passwords were set, and before anybody knows them.
      - V(inspected) only reads. Without a time in O(marker), every session of an account with two passwords counts as
        one with the old password.
      - In check mode V(begun) returns the result of a rotation that would begin now.
    type: str
    choices: [begun, inspected]
    default: inspected
  marker:
    description: File on the host with the time of the beginning. Only root may read it. An empty file counts as none.
    type: path
    required: true
  users:
    description: The names of the accounts whose sessions count.
    type: list
    elements: str
    required: true
  recent:
    description:
      - A login with an old password within this number of seconds counts as use, even if its session has ended.
    type: int
    default: 60
seealso:
  - module: mlflow_ops.backend_store.mlflow_mysql_account
"""

EXAMPLES = r"""
- name: Check whether the old password of MLflow's user can be discarded
  mlflow_ops.backend_store.mlflow_mysql_rotation:
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    login_password_files: [/srv/mlflow-mysql/secrets/root_password]
    marker: /srv/mlflow-mysql/secrets/rotating
    users: [mlflowusr]
  register: rotation
"""

RETURN = r"""
in_use:
  description: Whether an old password is in use.
  returned: success
  type: bool
sessions:
  description: Number of sessions of O(users).
  returned: success
  type: int
old_sessions:
  description: The sessions that logged in with an old password.
  returned: success
  type: list
  elements: dict
  contains:
    connection:
      description: The number of the session, for C(KILL).
      type: int
    user:
      description: Its user.
      type: str
    host:
      description: The client's address.
      type: str
    program:
      description: The client's program, or the name of its library. C(null) if the client does not report it.
      type: str
    pid:
      description: The process ID on the client's machine. C(null) if the client does not report it.
      type: int
    reason:
      description:
        - V(opened_before) if it is older than the new password, V(old_password) if it logged in with the old password
          afterwards.
      type: str
old_password_valid:
  description: The accounts of O(users) that have an old password beside the new one.
  returned: success
  type: list
  elements: str
old_logins:
  description: The accounts whose old password was used since the rotation began.
  returned: success
  type: list
  elements: dict
  contains:
    user:
      description: The account's user.
      type: str
    number:
      description: Number of logins.
      type: int
    last_seconds_ago:
      description: Seconds since the last one.
      type: float
clients:
  description:
    - The users of old passwords. A line for each process with such sessions, or for each address if the process is
      unknown, and for each of O(users) with ended sessions in the last O(recent) seconds.
  returned: success
  type: list
  elements: str
  sample: ["12 sessions of mlflowusr from this host (process 4711 of mlflow.service, pymysql)"]
blind:
  description: What could not be checked, and why; empty if everything was checked.
  returned: success
  type: list
  elements: str
reason:
  description:
    - V(marker) if the file O(marker) cannot be used; or, without an answer, V(unreachable), V(refused),
      V(locked), V(tls_required), V(tls_failed), V(not_mysql), V(library), V(other).
  returned: failure
  type: str
  sample: marker
"""

from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import (
    connection as mysql_connection,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import rotation


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Do what `params` ask for; returns the module's result. Raises ConnectionFailed and MarkerUnusable."""
    login = mysql_connection.login_from_params(params)
    begin = rotation.read_marker(params["marker"])
    begins = params["state"] == "begun" and begin is None
    connection = mysql_connection.connect_administrator(login)
    try:
        found = rotation.inspect(connection, params["users"], begin, predict=begins and check_mode)
    except Exception as error:  # pymysql's errors have no base that all versions share
        raise mysql_connection.ConnectionFailed(
            mysql_connection.describe_error(error, login.address)
        ) from None
    finally:
        connection.close()
    clients = found.clients(params["recent"])
    if begins and not check_mode:
        rotation.write_marker(params["marker"], rotation.Begin(found.newest, found.clock))
    return {
        "changed": begins,
        "in_use": bool(clients),
        "sessions": found.sessions,
        "old_sessions": [asdict(session) for session in found.old],
        "old_password_valid": list(found.two_passwords),
        "old_logins": [asdict(login) for login in found.logins],
        "clients": clients,
        "blind": list(found.blind),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **mysql_connection.login_argument_spec(),
            "state": {"type": "str", "choices": ["begun", "inspected"], "default": "inspected"},
            "marker": {"type": "path", "required": True},
            "users": {"type": "list", "elements": "str", "required": True},
            "recent": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, module.check_mode)
    except (mysql_connection.ConnectionFailed, rotation.MarkerUnusable) as error:
        module.fail_json(msg=str(error), reason=error.reason)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
