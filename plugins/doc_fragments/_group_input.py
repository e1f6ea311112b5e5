# SPDX-License-Identifier: GPL-3.0-or-later
"""The input of filters about the hosts of a group. Private to this collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  _input:
    description:
      - Dictionary from the name of each inspected host to the result of
        M(mlflow_ops.backend_store.mlflow_mysql_group_info) there.
      - C(alone) is added to the result, whether the host is standalone for an upgrade or a restore.
    type: dict
    required: true
  members:
    description:
      - The names of all hosts of the group, in the order of the inventory.
    type: list
    elements: str
    required: true
  addresses:
    description:
      - Dictionary from the name of each host of the group to its address.
    type: dict
    required: true
"""
