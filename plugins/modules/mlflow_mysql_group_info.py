#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server knows of the group that it is a member of."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_group_info
short_description: Report the state of a MySQL server in its group
version_added: 0.1.0
description:
  - Returns the state of a server in a group of MySQL Group Replication, and the other members as it sees them.
  - Fails if the server does not answer, unless O(missing_ok=true).
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
extends_documentation_fragment:
  - mlflow_ops.backend_store._attributes
  - mlflow_ops.backend_store._attributes.info_module
  - mlflow_ops.backend_store._login
  - mlflow_ops.backend_store._schema_target
options:
  missing_ok:
    description: Whether to return RV(answers=false) instead of a failure if no server answers.
    type: bool
    default: false
seealso:
  - module: mlflow_ops.backend_store.mlflow_mysql_group
"""

EXAMPLES = r"""
- name: Inspect the group
  mlflow_ops.backend_store.mlflow_mysql_group_info:
    login_password_files: [/srv/mlflow-mysql/secrets/root_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
  register: group
"""

RETURN = r"""
answers:
  description: Whether a server answers.
  returned: success
  type: bool
problem:
  description: Why no server answers.
  returned: when no server answers
  type: str
group:
  description: The group as the server sees it.
  returned: when it answers
  type: dict
  contains:
    server_uuid:
      description: The server's own UUID.
      type: str
    version:
      description: The server's version.
      type: str
      sample: 9.7.0
    group_name:
      description: The UUID of the group that the server is configured for, or an empty string.
      type: str
    state:
      description: V(ONLINE), V(RECOVERING), V(ERROR), V(UNREACHABLE), or V(OFFLINE) if it is in no group.
      type: str
    role:
      description: V(PRIMARY) or V(SECONDARY), and an empty string if it is not online.
      type: str
    majority:
      description: Whether it sees more than half of the members.
      type: bool
    read_only:
      description: Whether it refuses writes.
      type: bool
    offline_mode:
      description: Whether it refuses clients.
      type: bool
    starts_on_boot:
      description: Whether it rejoins the group automatically when it starts.
      type: bool
    executed:
      description: All its transactions, as a GTID set.
      type: str
    was_member:
      description: Whether it has been in the group, or had started to join it.
      type: bool
    tables:
      description: Number of tables in O(database).
      type: int
    lag:
      description: Seconds since the primary committed the transaction that is now being applied here, or null.
      type: float
    members:
      description: The members as this one sees them, each with C(uuid), C(host), C(port), C(state), C(role),
        C(version), and the numbers of transactions that it still has to certify (C(certifying)) and to apply
        (C(applying)).
      type: list
      elements: dict
reason:
  description:
    - V(server) if the connection was lost or a statement refused; or, without a login, V(unreachable),
      V(refused), V(locked), V(tls_required), V(tls_failed), V(not_mysql), V(library), V(other).
  returned: failure
  type: str
  sample: server
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import connection
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._replication import (
    member as replication_member,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import options


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **connection.login_argument_spec(),
            **options.database_argument_spec(),
            "missing_ok": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    address = connection.Address()
    try:
        login = connection.login_from_params(module.params)
        for secret in login.secrets:
            module.no_log_values.add(secret)
        address = login.address
        member = replication_member.Member(lambda: connection.connect_administrator(login))
        try:
            found = member.info(module.params["database"])
        finally:
            member.close()
    except connection.ConnectionFailed as error:
        if module.params["missing_ok"]:
            module.exit_json(changed=False, answers=False, problem=str(error), reason=error.reason)
        module.fail_json(msg=str(error), reason=error.reason)
    except Exception as error:  # a lost connection or a refused statement
        module.fail_json(msg=connection.describe_error(error, address), reason="server")
    module.exit_json(changed=False, answers=True, group=found)


if __name__ == "__main__":
    main()
