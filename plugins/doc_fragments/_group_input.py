# SPDX-License-Identifier: GPL-3.0-or-later
"""What filters are told of the hosts of a group. Private to this collection."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  _input:
    description:
      - Dictionary from the name of each host that was inspected to what
        M(mlflow_ops.backend_store.mlflow_mysql_group_info) returned there.
      - C(alone), beside that, is whether the host is out of the group for an upgrade or a restore.
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
