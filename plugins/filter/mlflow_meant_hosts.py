# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that ends a run which would reach no host."""

from __future__ import annotations

import os
from typing import Any, Callable, Mapping, Sequence

from ansible import context
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.utils.display import Display
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.commands import (
    COLLECTION,
    shortened,
)

DOCUMENTATION = r"""
name: mlflow_meant_hosts
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
version_added: 0.1.0
short_description: End a run that would reach no host
description:
  - Returns the unchanged name of the group, for the C(hosts) of a play. If the inventory has no host of the group, or
    the limit excludes all of them, the run ends with one line and the return code 4. Ansible itself would skip such a
    play and end without an error.
  - A playbook with its own hosts that imports one of this collection's playbooks continues.
positional: _input
options:
  _input:
    description:
      - Name of the play's group.
    type: str
    required: true
  groups:
    description:
      - All groups of the inventory, C(groups).
    type: dict
    required: true
  others:
    description:
      - The groups of other plays of the playbook.
    type: list
    elements: str
    default: []
seealso:
  - plugin: mlflow_ops.backend_store.mlflow_mysql_command
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the hosts of the store
  hosts: "{{ 'mlflow_backend_store' | mlflow_ops.backend_store.mlflow_meant_hosts(groups) }}"
  gather_facts: false
  tasks:
    - name: Show the host
      ansible.builtin.debug:
        var: inventory_hostname
"""

RETURN = r"""
_value:
  description: The name of the group.
  type: str
"""

PLAYBOOKS = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..", "playbooks"))
# What reaches no host, and is run without an inventory too.
LISTS = ("syntax", "listhosts", "listtasks", "listtags")
UNREACHABLE = 4  # what ansible-playbook returns


def is_ours(playbook: str) -> bool:
    """Whether a playbook, as it was named in the command, is one of this collection's."""
    return playbook.startswith(f"{COLLECTION}.") or os.path.dirname(os.path.realpath(playbook)) == PLAYBOOKS


def matching(groups: Mapping[str, Sequence[str]], pattern: str, limit: str | None) -> list[str]:
    """The hosts of a pattern that a limit leaves, as Ansible sees them. Raises AnsibleError."""
    inventory = InventoryManager(loader=DataLoader(), sources=None, parse=False)
    for group, hosts in groups.items():
        inventory.add_group(group)
        for host in hosts:
            inventory.add_host(host, group)
    inventory.subset(limit)
    return [str(host.get_name()) for host in inventory.get_hosts(pattern)]


def problem(
    wanted: Sequence[str],
    groups: Mapping[str, Sequence[str]],
    sources: Sequence[str],
    limit: str | None,
    directory: str,
) -> str | None:
    """Why a run reaches no host of the `wanted` groups, with a remedy; None if it reaches one."""
    known = {name: list(hosts) for name, hosts in groups.items()}
    pattern = ":".join(name for name in wanted if known.get(name))
    if pattern and matching(known, pattern, limit):
        return None
    shown = [shortened(source, directory) for source in sources]
    missing = [name for name, path in zip(shown, sources) if "," not in path and not os.path.exists(path)]
    if not pattern and missing:
        return (
            f"The inventory {missing[0]} does not exist, nothing was done: give the path of one that does "
            "(INVENTORY of make, -i of ansible-playbook)"
        )
    if not pattern:
        return (
            f"The inventory {', '.join(shown)} has no host in the group {wanted[0]}, nothing was done: put the store's "
            "host there, or give another inventory"
        )
    return (
        f"The limit {limit} leaves no host, nothing was done: the group {wanted[0]} has "
        f"{', '.join(known.get(wanted[0], [])) or 'none'}"
    )


def mlflow_meant_hosts(group: str, groups: Mapping[str, Any], others: Sequence[str] = ()) -> str:
    """The name of the group. Ends the run if it would reach no host."""
    options = context.CLIARGS
    playbooks = [str(one) for one in options.get("args") or ()]
    if any(options.get(name) for name in LISTS) or not (playbooks and all(map(is_ours, playbooks))):
        return group
    limit = options.get("subset")
    try:
        found = problem(
            [group, *others],
            groups,
            [str(one) for one in options.get("inventory") or ()],
            str(limit) if limit else None,
            os.getcwd(),
        )
    except AnsibleError:
        return group  # Ansible says itself what is wrong with the limit
    if found is not None:
        # An exception of Ansible's would come out as five lines about a filter.
        Display().error(found, wrap_text=False)
        raise SystemExit(UNREACHABLE)
    return group


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"mlflow_meant_hosts": mlflow_meant_hosts}
