#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who still uses an old password while two are valid."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_rotation
short_description: Tell who still uses an old password while a rotation is under way
version_added: 0.1.0
description:
  - While MySQL accepts an account's new password and the old one, tells which sessions logged in with the old one, and
    how often it was used since.
  - A session counts if it was open when the new passwords were set, or if the server noted that it logged in with the
    second of two passwords. The server does so with C(log_error_verbosity=3); otherwise RV(blind) says what is missed.
  - Where an account has one password only, nobody uses an old one.
  - A client that has no session open at the moment cannot be seen.
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
    details: The only thing that is written is the time of the beginning.
  idempotent:
    support: full
options:
  state:
    description:
      - V(begun) writes to O(marker) that the rotation begins here, unless that is written down already. Use it after
        the new passwords were set, and before anybody gets to know them.
      - V(inspected) only looks. Without a time in O(marker) each session counts as one with an old password, if the
        account has two.
      - In check mode V(begun) says what it would find if a rotation began now.
    type: str
    choices: [begun, inspected]
    default: inspected
  marker:
    description: File on the host that keeps the beginning. Only root may read it. An empty file is the same as none.
    type: path
    required: true
  users:
    description: The names of the accounts whose sessions count.
    type: list
    elements: str
    required: true
  recent:
    description:
      - A login with an old password in so many last seconds counts as use of it, also if its session has ended.
    type: int
    default: 60
seealso:
  - module: mlflow_ops.backend_store.mlflow_mysql_account
"""

EXAMPLES = r"""
- name: Look whether the old password of MLflow's user can be discarded
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
  description: How many sessions O(users) have.
  returned: success
  type: int
old_sessions:
  description: The sessions that have an old password.
  returned: success
  type: list
  elements: dict
  contains:
    connection:
      description: The number of the session, as C(KILL) takes it.
      type: int
    user:
      description: Its user.
      type: str
    host:
      description: The address that it comes from.
      type: str
    program:
      description: The client's program, or the name of its library. C(null) if it does not say.
      type: str
    pid:
      description: The number of the process on the client's machine. C(null) if it does not say.
      type: int
    reason:
      description:
        - V(opened_before) if it is older than the new password, V(old_password) if it logged in with the old one
          afterwards.
      type: str
old_password_valid:
  description: Those of O(users) who have an old password beside the new one.
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
      description: How many logins there were.
      type: int
    last_seconds_ago:
      description: Seconds since the last one.
      type: float
clients:
  description:
    - Who uses an old password. A line for each process that has such sessions, or for each address where the process is
      not known, and for each of O(users) that came and went in the last O(recent) seconds.
  returned: success
  type: list
  elements: str
  sample: ["12 sessions of mlflowusr from this host (process 4711 of mlflow.service, pymysql)"]
blind:
  description: What could not be known, and why; empty if nothing was missed.
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
