# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that says how large a group's messages and transactions may be."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mlflow_mysql_group_sizes
author: The mlflow_ops.backend_store authors (@mlflow-ops)
version_added: 0.1.0
short_description: Say how large the transactions of a group may be
description:
  - Each member of a group has a transaction in memory in several copies, the primary in up to eight.
  - The largest one that is allowed is an eighth of the memory that a member has left, 300 MiB at most.
options:
  _input:
    description: What MySQL may have of the host's memory, in MiB.
    type: int
    required: true
  pool:
    description: The size of InnoDB's buffer pool, in MiB.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Show what a member with 4 GiB bears
  ansible.builtin.debug:
    msg: "{{ 4096 | mlflow_ops.backend_store.mlflow_mysql_group_sizes(2048) }}"
"""

RETURN = r"""
_value:
  description:
    - C(transaction_size_limit) and C(message_cache_size), the settings of Group Replication of these names, in bytes.
  type: dict
"""

from typing import Any, Callable

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import transactions


def mlflow_mysql_group_sizes(memory: Any, pool: Any) -> dict[str, int]:
    """The settings of a member, see RETURN."""
    return transactions.sizes(int(memory), int(pool))


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., dict[str, int]]]:
        return {"mlflow_mysql_group_sizes": mlflow_mysql_group_sizes}
