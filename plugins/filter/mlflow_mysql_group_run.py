# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that tells what the hosts of a run know of their group."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._replication.run import run_facts

DOCUMENTATION = r"""
name: mlflow_mysql_group_run
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Collect what the hosts of a run know of their group
description:
  - Collects the results of the role P(mlflow_ops.backend_store.mlflow_replication#role)'s tasks on each member.
  - It collects them again each time, since hosts may fail in between.
positional: _input
options:
  _input:
    description: The variables of all hosts.
    type: dict
    required: true
  members:
    description: The hosts of the group, in the order of the inventory.
    type: list
    elements: str
    required: true
  hosts:
    description: The hosts of the play that did not fail.
    type: list
    elements: str
    required: true
  clients:
    description: The hosts on which MLflow runs. Without any, it runs on the members.
    type: list
    elements: str
    default: []
  source:
    description: The member whose data the others get.
    type: str
seealso:
  - module: mlflow_ops.backend_store.mlflow_mysql_group_info
  - plugin: mlflow_ops.backend_store.mlflow_mysql_group_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show by which address members reach one another
  ansible.builtin.assert:
    that: run.addresses.one == '10.0.0.1' and run.addresses.two == 'two'
  vars:
    known:
      one:
        ansible_host: 10.0.0.1
      two: {}
    run: "{{ known | mlflow_ops.backend_store.mlflow_mysql_group_run(members=['one', 'two'], hosts=['one']) }}"
"""

RETURN = r"""
_value:
  description:
    - C(found), a dictionary from each inspected host to the result of
      M(mlflow_ops.backend_store.mlflow_mysql_group_info) and C(alone).
    - C(alone), the members that are standalone for an upgrade or a restore; C(cut_off), the hosts with a proxy that did
      not get the new passwords; C(authorities), the certificates of the members' CAs; C(addresses), a dictionary from
      each member to its address.
  type: dict
"""


class FilterModule:
    """What ansible-core asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"mlflow_mysql_group_run": run_facts}
