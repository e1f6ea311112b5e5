# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that makes a table for people of what mlflow_mysql_audit found."""

from __future__ import annotations

from typing import Callable

DOCUMENTATION = r"""
name: mlflow_mysql_audit_report
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Format an audit of a MySQL store as a table
description:
  - Formats the result of M(mlflow_ops.backend_store.mlflow_mysql_audit) for a terminal. Failed controls come first,
    with the finding and the remedy.
  - Lines have at most 92 characters, so that they fit a terminal of 100 with Ansible's indentation.
  - For JSON, use P(ansible.builtin.to_nice_json#filter).
positional: _input
extends_documentation_fragment:
  - mlflow_ops.backend_store._run.report
options:
  _input:
    description:
      - The result of M(mlflow_ops.backend_store.mlflow_mysql_audit).
    type: dict
    required: true
seealso:
  - module: mlflow_ops.backend_store.mlflow_mysql_audit
"""

EXAMPLES = r"""
- name: Show the report
  ansible.builtin.debug:
    msg: "{{ audit | mlflow_ops.backend_store.mlflow_mysql_audit_report(host=inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: The table.
  type: str
"""

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.audit import audit_report


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"mlflow_mysql_audit_report": audit_report}
