# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that says why a program failed."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.filters import check_input
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.output import program_problem

DOCUMENTATION = r"""
name: mlflow_program_problem
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Report why a task that runs a program failed
description:
  - The program C(mlflow-mysql-backup) prints its problem as JSON. If it was killed, it prints nothing and Ansible only
    says C(non-zero return code). The filter then names the signal.
positional: _input
options:
  _input:
    description:
      - The result of the task.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say why
  ansible.builtin.fail:
    msg: "{{ swapped | mlflow_ops.backend_store.mlflow_program_problem }}"
"""

RETURN = r"""
_value:
  description: The reason.
  type: str
"""


def mlflow_program_problem(result: Mapping[str, Any]) -> str:
    """The reason. Raises AnsibleFilterError."""
    check_input("mlflow_program_problem", isinstance(result, Mapping), "the result of a task")
    return program_problem(result)


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"mlflow_program_problem": mlflow_program_problem}
