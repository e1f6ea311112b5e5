#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A MySQL server's way into its group, in it, and out."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_group
short_description: Join a MySQL server to its group, make it the primary, or remove it
version_added: 0.1.0
description:
  - Changes the membership of the server that it logs in to. The server must be configured for MySQL Group Replication;
    the role C(mlflow_mysql) does so if C(mlflow_mysql_group) is set.
  - A server without transactions of its own gets the missing ones from the other members. Any other server gets a copy
    of all data with the CLONE plugin, which replaces its own data.
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
extends_documentation_fragment:
  - mlflow_ops.backend_store._attributes
  - mlflow_ops.backend_store._login
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows the member's state and role before and after.
  idempotent:
    support: full
options:
  state:
    description:
      - With V(bootstrapped) the server becomes the first member of a new group. A server that has been a member before
        is refused, unless O(force=true), since there could be two groups then.
      - With V(alone) it leaves the group, stays out when it is restarted, and accepts writes as a standalone server.
        The other members must have left the group, and must stay out until this server has started the group again.
      - With V(joined) it becomes a member of the group of O(source).
      - With V(primary) it becomes the primary. It must be online.
      - With V(left) it leaves the group and stays out when it is restarted. Transactions that it had not applied yet
        are lost here; it receives them again when it rejoins.
    type: str
    choices: [bootstrapped, joined, primary, left, alone]
    required: true
  user:
    description:
      - The account with which members log in to each other. V(bootstrapped) and V(joined) need it.
      - It needs C(REPLICATION SLAVE), C(CONNECTION_ADMIN), C(BACKUP_ADMIN) and C(GROUP_REPLICATION_STREAM).
    type: str
  password_file:
    description: A file on the host with its password, less one trailing newline.
    type: path
  source:
    description: Address of the primary for the other members. V(joined) needs it.
    type: str
  source_port:
    description: Port of the primary.
    type: int
    default: 3306
  source_ca_cert:
    description: File on the host with the certificates of the members' CAs.
    type: path
  source_check_hostname:
    description: Whether the source's certificate must be for O(source).
    type: bool
    default: true
  discard:
    description:
      - Whether V(joined) may discard the tables of a server that has transactions which the group lacks.
      - Otherwise such a server is refused, unless it has no tables.
    type: bool
    default: false
  force:
    description:
      - Whether V(bootstrapped) may start an earlier group again. All its members must have stopped.
      - The group then has a new UUID. None of its transactions gets the GTID of a transaction that only a lost member
        has, and such a member cannot rejoin unnoticed.
    type: bool
    default: false
  timeout:
    description: Seconds to wait for the server to answer at O(login_host), for a state, and for the restart of a server
      that received a copy.
    type: int
    default: 300
seealso:
  - module: mlflow_ops.backend_store.mlflow_mysql_group_info
"""

EXAMPLES = r"""
- name: Join the group
  mlflow_ops.backend_store.mlflow_mysql_group:
    login_password_files: [/srv/mlflow-mysql/secrets/root_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    state: joined
    user: mlflow_group
    password_file: /srv/mlflow-mysql/secrets/group_password
    source: 10.20.0.7
    source_ca_cert: /srv/mlflow-mysql/tls/server/group-ca.pem
"""

RETURN = r"""
cloned:
  description: Whether the server's data was replaced by a copy, or in check mode would be.
  returned: success
  type: bool
group:
  description: The group as the server sees it now, as M(mlflow_ops.backend_store.mlflow_mysql_group_info) returns it.
  returned: success
  type: dict
reason:
  description:
    - V(group) if the group does not allow it; V(server) if the connection was lost or a statement refused;
      or, without a login, V(unreachable), V(refused), V(locked), V(tls_required), V(tls_failed),
      V(not_mysql), V(library), V(other).
  returned: failure
  type: str
  sample: group
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.connection import (
    ConnectionFailed,
    login_argument_spec,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._replication import steps
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._replication.member import GroupProblem


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **login_argument_spec(),
            "state": {
                "type": "str",
                "choices": ["bootstrapped", "joined", "primary", "left", "alone"],
                "required": True,
            },
            "user": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
            "source": {"type": "str"},
            "source_port": {"type": "int", "default": 3306},
            "source_ca_cert": {"type": "path"},
            "source_check_hostname": {"type": "bool", "default": True},
            "discard": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 300},
        },
        required_if=[
            ("state", "bootstrapped", ["user", "password_file"]),
            ("state", "joined", ["user", "password_file", "source", "source_ca_cert"]),
        ],
        supports_check_mode=True,
    )
    try:
        result = steps.take(module)
    except (ConnectionFailed, GroupProblem) as error:
        module.fail_json(msg=str(error), reason=error.reason)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
