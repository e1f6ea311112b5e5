# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that makes a report for people of what mlflow_schema_info found."""

from __future__ import annotations

from typing import Callable

DOCUMENTATION = r"""
name: mlflow_schema_report
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Format a report of the schema of an MLflow backend store
description:
  - Formats the result of M(mlflow_ops.backend_store.mlflow_schema_info) for a terminal, or as a page for a browser.
  - The page is one file that loads nothing and runs no script. It follows the light or dark mode of the reader,
    fits a phone and can be printed.
  - The same input gives the same report.
positional: _input
extends_documentation_fragment:
  - mlflow_ops.backend_store._run.report
options:
  _input:
    description:
      - The result of M(mlflow_ops.backend_store.mlflow_schema_info).
    type: dict
    required: true
  format:
    description:
      - V(text) has lines of at most 92 characters, so that they fit a terminal of 100 with Ansible's indentation.
      - V(html) is the page.
    type: str
    choices: [text, html]
    default: text
  time:
    description:
      - The time of the input, for the page.
    type: str
    default: ''
seealso:
  - module: mlflow_ops.backend_store.mlflow_schema_info
"""

EXAMPLES = r"""
# The variable schema is what mlflow_ops.backend_store.mlflow_schema_info returned.
- name: Show the report
  ansible.builtin.debug:
    msg: "{{ schema | mlflow_ops.backend_store.mlflow_schema_report(host=inventory_hostname) }}"

- name: Write the page on the controller
  ansible.builtin.copy:
    content: "{{ schema | mlflow_ops.backend_store.mlflow_schema_report(format='html', time=now(utc=true)) }}"
    dest: report.html
    mode: "0644"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The report.
  type: str
  sample: |-
    mlflow on store1: CURRENT
      bf29a5ff90ea (MLflow 3.5.0 to 3.7.0), MySQL 9.7.0

      The store has the schema of MLflow 3.5.1: there is nothing to do.

    No drift, no blockers.
"""

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.schema_page import (
    mlflow_schema_report,
)


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"mlflow_schema_report": mlflow_schema_report}
