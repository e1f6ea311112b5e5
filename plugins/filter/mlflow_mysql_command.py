# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that makes the command which runs a playbook on the store of this run."""

from __future__ import annotations

from typing import Callable, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.commands import command
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.filters import (
    check_input,
    this_run,
)

DOCUMENTATION = r"""
name: mlflow_mysql_command
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Make the command for another playbook on this run's store
description:
  - Makes a shell command with this run's inventory, limit and variables. It calls C(make) if C(make) started the run,
    and C(ansible-playbook) otherwise.
  - Of the values of C(-e), it repeats files and the variables that name the store. It omits the others, which may be
    secrets.
positional: _input
extends_documentation_fragment:
  - mlflow_ops.backend_store._run.command
options:
  _input:
    description:
      - Name of a playbook of this collection, such as V(upgrade_schema).
    type: str
    required: true
  extra:
    description:
      - More words for the command.
    type: list
    elements: str
    default: []
seealso:
  - plugin: mlflow_ops.backend_store.mlflow_mysql_next_steps
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Say what to do
  ansible.builtin.debug:
    msg: "Run {{ 'upgrade_schema' | mlflow_ops.backend_store.mlflow_mysql_command(host=inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: The command, such as V(INVENTORY=inventories/mine/hosts.yml make upgrade).
  type: str
"""


def mlflow_mysql_command(playbook: str, host: str | None = None, extra: Sequence[str] = ()) -> str:
    """The command for a shell. Raises AnsibleFilterError."""
    fits = isinstance(playbook, str) and bool(playbook)
    check_input("mlflow_mysql_command", fits, "the name of a playbook")
    return command(this_run(), str(playbook), host, [str(word) for word in extra])


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"mlflow_mysql_command": mlflow_mysql_command}
