# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that decides what a run does with the members of a group."""

from __future__ import annotations

from typing import Any, Callable

DOCUMENTATION = r"""
name: mlflow_mysql_group_plan
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Decide who begins a group of MySQL servers and who joins it
description:
  - Decides from what all hosts know of the group, which M(mlflow_ops.backend_store.mlflow_mysql_group_info) returns.
  - A group begins once. It begins only when every host was looked at and none has been a member before.
positional: _input
extends_documentation_fragment:
  - mlflow_ops.backend_store._group_input
options:
  recover:
    description:
      - Whether the group begins again after all members have stopped, or too many of them were lost.
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
    - C(problems) is a list of what stands in the way, each with its remedy. C(source) is the host whose data the others
      get. C(bootstrap) says whether the group begins there. C(online) are the hosts in the group, C(join) those
      that are not yet. C(primary) is the host that is the primary, or null.
  type: dict
"""

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._replication.plan import group_plan


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"mlflow_mysql_group_plan": group_plan}
