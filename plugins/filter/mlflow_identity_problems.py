# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that compares the store that variables describe with the one that is there."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store.identity import problems

DOCUMENTATION = r"""
name: mlflow_identity_problems
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Compare the store in the variables with the existing one
description:
  - Another directory, another name of the container, another database or another group would create an empty store
    beside the existing one. The filter detects each of them, and missing secrets.
positional: _input
extends_documentation_fragment:
  - mlflow_ops.backend_store._run.purpose
options:
  _input:
    description: The result of M(mlflow_ops.backend_store.mlflow_mysql_host_info) on the host.
    type: dict
    required: true
  home:
    description: The target directory of the store.
    type: str
    required: true
  container:
    description: The name of its container.
    type: str
    required: true
  database:
    description: MLflow's database.
    type: str
    required: true
  auth_database:
    description: The database of MLflow's auth app.
    type: str
  group:
    description: The group that the server is a member of.
    type: str
  given:
    description: The accounts whose passwords are in variables, of V(root), V(user), V(migrator) and V(backup).
    type: list
    elements: str
    default: []
  present:
    description: Whether the store must exist, to run or to be used.
    type: bool
    default: true
  network:
    description: The name of the container's network.
    type: str
  subnet:
    description: The subnet of that network on each member of a group.
    type: str
"""

EXAMPLES = r"""
- name: Fail if this is another store
  ansible.builtin.assert:
    that: host | mlflow_ops.backend_store.mlflow_identity_problems(home='/srv/mlflow-mysql',
      container='mlflow_mysql_db', database='mlflow') | length == 0
"""

RETURN = r"""
_value:
  description: A line for each problem, with the existing store and the remedy.
  type: list
  elements: str
"""


class FilterModule:
    """What ansible-core asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"mlflow_identity_problems": problems}
