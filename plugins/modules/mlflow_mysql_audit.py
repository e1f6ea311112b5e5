#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that looks at how safe a MySQL store is."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_audit
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
version_added: 0.1.0
short_description: Audit a MySQL store against CIS and dev-sec controls
description:
  - Inspects a MySQL server, its accounts, its container and its files, and reports for each control whether it passes,
    the finding, and the remedy.
  - Each control cites its numbers in the CIS Oracle MySQL Community Server 9.7 Benchmark v1.0.0, the CIS Docker
    Benchmark v1.6.0 and dev-sec's mysql-baseline.
  - Works on any store, also on one that was made by hand. A control that cannot be checked is V(unknown); the others
    are still checked.
  - Only reads, and runs nothing in the container.
extends_documentation_fragment:
  - mlflow_ops.backend_store._attributes
  - mlflow_ops.backend_store._attributes.info_module
  - mlflow_ops.backend_store._login
options:
  login_unix_socket:
    description:
      - The path of the server's Unix socket on the host. If the socket does not exist, O(login_user) logs in over TCP.
  container:
    description:
      - The name of the server's container. Without it, controls of containers are skipped.
    type: str
  administrators:
    description:
      - Accounts that may have server-wide privileges, as a name for all its hosts or as C(name@host).
    type: list
    elements: str
    default: [root]
seealso:
  - plugin: mlflow_ops.backend_store.mlflow_mysql_audit_report
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Audit a store that this collection deployed
  mlflow_ops.backend_store.mlflow_mysql_audit:
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    login_password_files: [/srv/mlflow-mysql/secrets/root_password]
    container: mlflow_mysql_db
  register: audit

- name: Show the report
  ansible.builtin.debug:
    msg: "{{ audit | mlflow_ops.backend_store.mlflow_mysql_audit_report }}"
"""

RETURN = r"""
controls:
  description: Every control.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its name, which stays the same.
      type: str
      sample: tls-required
    title:
      description: The property that holds if it passes.
      type: str
      sample: Sessions over the network use TLS
    references:
      description: Its numbers in the benchmarks.
      type: list
      elements: str
      sample: [CIS MySQL 8.1]
    status:
      description:
        - V(pass), V(fail), V(skip) if the control does not apply to the store, or V(unknown) if it could not be
          checked.
      type: str
      sample: fail
    found:
      description: The finding. It contains no secret.
      type: str
      sample: require_secure_transport = OFF
    remedy:
      description: What to do if it fails.
      type: str
      sample: Set mlflow_mysql_tls to generated or provided; require_secure_transport = ON
counts:
  description: The number of controls with each status.
  returned: success
  type: dict
  sample: {"pass": 68, "fail": 1, "skip": 3, "unknown": 0}
passed:
  description: Whether no control is V(fail) or V(unknown).
  returned: success
  type: bool
not_applicable:
  description: Controls of the same sources that are not checked, each with the reason.
  returned: success
  type: list
  elements: dict
  contains:
    references:
      description: Their numbers.
      type: str
      sample: CIS Docker 5.15
    title:
      description: What they are about.
      type: str
      sample: restart on failure, five times
    reason:
      description: Why.
      type: str
server_version:
  description: The version of the server.
  returned: when the server was reached
  type: str
  sample: 9.7.0
"""


from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._audit.collect import gather
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import (
    connection as mysql_connection,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **mysql_connection.login_argument_spec(),
            "container": {"type": "str"},
            "administrators": {"type": "list", "elements": "str", "default": ["root"]},
        },
        supports_check_mode=True,
    )
    module.exit_json(**gather(module))


if __name__ == "__main__":
    main()
