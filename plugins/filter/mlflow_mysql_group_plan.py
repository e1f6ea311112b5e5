# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that decides what a run does with the members of a group."""

from __future__ import annotations

from typing import Any, Callable

DOCUMENTATION = r"""
name: mlflow_mysql_group_plan
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Decide which server starts a group of MySQL servers and which join it
description:
  - Decides from the results of M(mlflow_ops.backend_store.mlflow_mysql_group_info) on all hosts.
  - A group is created once, and only if every host was inspected and none has been a member before.
positional: _input
extends_documentation_fragment:
  - mlflow_ops.backend_store._group_input
options:
  recover:
    description:
      - Whether to start the group again after all members have stopped, or too many of them were lost.
    type: bool
    default: false
seealso:
  - module: mlflow_ops.backend_store.mlflow_mysql_group_info
"""

EXAMPLES = r"""
- name: Decide
  ansible.builtin.set_fact:
    plan: "{{ found | mlflow_ops.backend_store.mlflow_mysql_group_plan(members=groups.mlflow_backend_store,
      addresses=addresses) }}"
"""

RETURN = r"""
_value:
  description:
    - C(problems) is a list of problems, each with its remedy. C(source) is the host whose data the others get.
      C(bootstrap) is whether the group starts there. C(online) has the hosts in the group, C(join) those that have yet
      to join. C(primary) is the primary, or null.
  type: dict
"""

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._replication.plan import group_plan


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"mlflow_mysql_group_plan": group_plan}
