# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that says why a host's data is not replaced by that of its group."""

from __future__ import annotations

from typing import Callable

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._replication.run import join_problems

DOCUMENTATION = r"""
name: mlflow_mysql_join_problems
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Report why a host's data must not be replaced by its group's data
description:
  - A host that joins a group gets a copy of the group's data. Data that exists nowhere else is not replaced.
positional: _input, seen
options:
  _input:
    description: The name of the host.
    type: str
    required: true
  seen:
    description: The result of M(mlflow_ops.backend_store.mlflow_mysql_group_info) there.
    type: dict
    required: true
  was_member:
    description: Whether the host is known to have been a member.
    type: bool
    default: false
  discards:
    description: Whether the user gives the data up.
    type: bool
    default: false
seealso:
  - module: mlflow_ops.backend_store.mlflow_mysql_group_info
"""

EXAMPLES = r"""
- name: Fail if a store of its own would be replaced
  ansible.builtin.assert:
    that: problems | length == 1
  vars:
    seen:
      answers: true
      group:
        tables: 4
        was_member: false
    problems: "{{ 'db-1' | mlflow_ops.backend_store.mlflow_mysql_join_problems(seen) }}"
"""

RETURN = r"""
_value:
  description: Problems, each with its remedy. Empty if the data may be replaced.
  type: list
  elements: str
"""


class FilterModule:
    """What ansible-core asks for."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        return {"mlflow_mysql_join_problems": join_problems}
