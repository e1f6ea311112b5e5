# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that finds settings of the server that take away what a role promises."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.settings import setting_problems

DOCUMENTATION = r"""
name: mlflow_setting_problems
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Find settings of the server that take away what a role promises
description:
  - Backups, Group Replication, TLS, the schema and MLflow itself rely on settings of the server. Those of O(_input)
    that take that away are found, in each spelling that the server takes.
  - What is relied on, and why, is in C(docs/settings.md).
positional: _input
options:
  _input:
    description: Dictionary from the name of a setting of C([mysqld]) to its value.
    type: dict
    required: true
  backups:
    description: Whether the store is backed up.
    type: bool
    default: true
  group:
    description: Whether the server is a member of a group.
    type: bool
    default: false
  tls:
    description: Whether the role has the server use TLS.
    type: bool
    default: true
  connections:
    description: How many connections MLflow's account may need at a time.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Fail if the server is not to have its binary log
  ansible.builtin.assert:
    that: "{'skip-log-bin': ''} | mlflow_ops.backend_store.mlflow_setting_problems | length == 1"
"""

RETURN = r"""
_value:
  description: A line for each setting, with what it takes away and what to do.
  type: list
  elements: str
"""


class FilterModule:
    """What ansible-core asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"mlflow_setting_problems": setting_problems}
