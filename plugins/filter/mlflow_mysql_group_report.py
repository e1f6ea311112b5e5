# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that makes a table for people of the members of a group."""

from __future__ import annotations

from typing import Any, Callable

DOCUMENTATION = r"""
name: mlflow_mysql_group_report
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Format the state of a group of MySQL servers as a table
description:
  - Formats the results of M(mlflow_ops.backend_store.mlflow_mysql_group_info) on each host for a terminal.
positional: _input
extends_documentation_fragment:
  - mlflow_ops.backend_store._group_input
seealso:
  - module: mlflow_ops.backend_store.mlflow_mysql_group_info
"""

EXAMPLES = r"""
- name: Show the members
  ansible.builtin.debug:
    msg: "{{ found | mlflow_ops.backend_store.mlflow_mysql_group_report(members=groups.mlflow_backend_store,
      addresses=addresses) }}"
"""

RETURN = r"""
_value:
  description: The table.
  type: str
"""

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._replication.status import group_report


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"mlflow_mysql_group_report": group_report}
