# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that says in one line why pip could not install a package."""

from __future__ import annotations

from typing import Callable

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.filters import check_input
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.packages import problem

DOCUMENTATION = r"""
name: mlflow_schema_package_problem
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Report in one line why pip could not install a package
description:
  - For a version that does not exist it names the nearest existing ones, whereas pip lists all of them.
positional: _input
options:
  _input:
    description:
      - The standard error of pip.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say why
  ansible.builtin.debug:
    msg: "{{ installed.stderr | mlflow_ops.backend_store.mlflow_schema_package_problem }}"
"""

RETURN = r"""
_value:
  description: The reason, without a full stop.
  type: str
"""


def mlflow_schema_package_problem(said: str) -> str:
    """The reason. Raises AnsibleFilterError."""
    check_input("mlflow_schema_package_problem", isinstance(said, str), "what pip wrote")
    return problem(said)


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"mlflow_schema_package_problem": mlflow_schema_package_problem}
