# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that says whether MLflow can use a store, and what to do next."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.commands import (
    headline,
    next_steps,
)
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.filters import (
    check_input,
    this_run,
)

DOCUMENTATION = r"""
name: mlflow_mysql_next_steps
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Report whether MLflow can use a store, and the next steps
description:
  - Makes the first sentence of the deploy's summary, and its list of commands, from the state of the schemas. The
    commands are those of P(mlflow_ops.backend_store.mlflow_mysql_command#filter).
positional: _input
extends_documentation_fragment:
  - mlflow_ops.backend_store._run.command
options:
  _input:
    description:
      - The schemas of the store, one dictionary each. RV(_value) depends on C(state), one of those that
        M(mlflow_ops.backend_store.mlflow_schema_info) returns, or V(not compared), or V(predicted); C(database);
        C(wanted), the target version of MLflow; and C(versions), a list of the versions that have this schema.
    type: list
    elements: dict
    required: true
  name:
    description:
      - The store's host, for the first sentence.
    type: str
    required: true
  predicted:
    description:
      - Whether the run only predicts.
    type: bool
    default: false
  container:
    description:
      - Name of the store's container.
    type: str
    default: mlflow_mysql_db
  docker_host:
    description:
      - Address of its engine, if it is not the host's own.
    type: str
  backup_program:
    description:
      - Path of the backup program.
    type: str
    default: ''
  environment_file:
    description:
      - Path of the file with the environment of MLflow's server.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Say what to do next
  ansible.builtin.debug:
    msg: "{{ [summary.headline] + summary.steps }}"
  vars:
    summary: "{{ [{'state': 'behind', 'database': 'mlflow', 'wanted': '3.5.1'}]
      | mlflow_ops.backend_store.mlflow_mysql_next_steps(name=inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: C(headline) is a sentence, C(steps) a list of lines, each of which names a purpose and a command.
  type: dict
"""


def mlflow_mysql_next_steps(
    schemas: Sequence[Mapping[str, Any]],
    name: str,
    host: str | None = None,
    predicted: bool = False,
    container: str = "mlflow_mysql_db",
    docker_host: str | None = None,
    backup_program: str = "",
    environment_file: str = "",
) -> dict[str, Any]:
    """The sentence and the commands. Raises AnsibleFilterError."""
    fits = not isinstance(schemas, (str, Mapping)) and all(
        isinstance(one, Mapping) and {"state", "database", "wanted"} <= set(one) for one in schemas
    )
    check_input("mlflow_mysql_next_steps", fits, "a list of schemas with state, database and wanted")
    return {
        "headline": headline(name, schemas, predicted),
        "steps": next_steps(
            this_run(),
            schemas,
            host=host,
            predicted=predicted,
            container=container,
            docker_host=docker_host,
            backup_program=backup_program,
            environment_file=environment_file,
        ),
    }


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., dict[str, Any]]]:
        return {"mlflow_mysql_next_steps": mlflow_mysql_next_steps}
