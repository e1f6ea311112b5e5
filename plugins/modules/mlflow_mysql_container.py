#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a store's container take the place of another, or have the other again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_container
short_description: Protect a store while its container is recreated
version_added: 0.1.0
description:
  - MySQL refuses some settings only when it starts. This module tries them beside the running store, keeps the old
    container until the new one answers, and restores the old one if it never does.
  - Another module creates the container itself, such as M(community.docker.docker_container).
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
extends_documentation_fragment:
  - mlflow_ops.backend_store._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details: The other module shows the container's options.
  idempotent:
    support: none
options:
  action:
    description:
      - V(try) starts a scratch server of O(image) with O(command), on its own data directory, and ends it.
      - V(set_aside) stops the container and renames it.
      - V(settle) waits until the server in the new container answers, and removes the old container. If the server
        ends, or the container restarts, the old container is renamed back and started.
      - V(put_back) restores the old container, whatever the state of the new one.
    type: str
    choices: [try, set_aside, settle, put_back]
    required: true
  name:
    description: Name of the container.
    type: str
    required: true
  image:
    description: Image to try.
    type: str
  command:
    description: Command of the container, with the word C(mysqld) followed by the server's options.
    type: list
    elements: str
    default: []
  uid:
    description: User and group ID of the server in the container.
    type: int
    default: 999
  mounts:
    description: Other mounts that the server needs, as C(SOURCE:TARGET:ro).
    type: list
    elements: str
    default: []
  memory:
    description: Memory limit of the container, such as C(1024M).
    type: str
  restart_policy:
    description: Restart policy of the container.
    type: str
    default: unless-stopped
  stop_timeout:
    description: Seconds to wait for the server to end before it is killed.
    type: int
    default: 300
  timeout:
    description:
      - Seconds to wait for the server to answer or end. Afterwards the RV(reason) is V(timeout), and nothing is done.
    type: int
    default: 180
  new_data:
    description:
      - Data directory on the host that was empty before. If the server ends and there is no old container, the new
        container and the contents of this directory are removed.
    type: path
  run_directory:
    description:
      - Directory on the host with the server's socket. Once the server answers, a mark is written there. With the mark,
        the image's entrypoint refuses to create a new store if the data is missing.
    type: path
"""

EXAMPLES = r"""
- name: Set the old container aside
  mlflow_ops.backend_store.mlflow_mysql_container:
    action: set_aside
    name: mlflow_mysql_db

- name: Wait for the new container, or restore the old one
  mlflow_ops.backend_store.mlflow_mysql_container:
    action: settle
    name: mlflow_mysql_db
  register: settled
  failed_when: settled.reason == 'ended'
"""

RETURN = r"""
reason:
  description:
    - V(up), V(ended) or V(timeout).
    - For O(action=try) also V(left_out), if the server starts without a part of its settings, such as a plugin.
    - For a failure V(engine), if a command of the engine failed.
  returned: always
  type: str
errors:
  description: The server's errors when it ended, the cause first.
  returned: always
  type: list
  elements: str
put_back:
  description: Whether the old container was restored.
  returned: always
  type: bool
removed:
  description: Whether an old container was removed, or in check mode would be.
  returned: always
  type: bool
"""

from dataclasses import asdict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker import container

ACTIONS = ("try", "set_aside", "settle", "put_back")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "action": {"type": "str", "choices": [*ACTIONS], "required": True},
            "name": {"type": "str", "required": True},
            "image": {"type": "str"},
            "command": {"type": "list", "elements": "str", "default": []},
            "uid": {"type": "int", "default": 999},
            "mounts": {"type": "list", "elements": "str", "default": []},
            "memory": {"type": "str"},
            "restart_policy": {"type": "str", "default": "unless-stopped"},
            "stop_timeout": {"type": "int", "default": 300},
            "timeout": {"type": "int", "default": 180},
            "new_data": {"type": "path"},
            "run_directory": {"type": "path"},
        },
        required_if=[("action", "try", ("image", "command"))],
        supports_check_mode=True,
    )
    try:
        outcome = container.act(module)
    except OSError as error:
        module.fail_json(msg=str(error), reason="engine")
    aside = module.params["action"] == "set_aside" and not module.check_mode
    module.exit_json(changed=aside or outcome.put_back or outcome.removed, **asdict(outcome))


if __name__ == "__main__":
    main()
