# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that says what came of an upgrade of the schema."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from ansible.errors import AnsibleFilterError
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.upgraded import upgraded

DOCUMENTATION = r"""
name: mlflow_schema_upgrade_result
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Report the result of an upgrade of MLflow's schema
description:
  - Compares the result of M(mlflow_ops.backend_store.mlflow_schema_info) after an upgrade with the manifest of the full
    backup from before it.
positional: _input, manifest, seconds
options:
  _input:
    description:
      - The module's result with O(mlflow_ops.backend_store.mlflow_schema_info#module:exact_rows=true).
    type: dict
    required: true
  manifest:
    description:
      - The manifest of the backup, an element of C(full) of C(mlflow-mysql-backup --json list).
    type: dict
    required: true
  seconds:
    description:
      - The number of seconds of the write lock.
    type: float
  parts:
    description:
      - The number of seconds of each part of the write lock, by name.
    type: dict
  backup:
    description:
      - The path of the backup, if it was kept.
    type: str
"""

EXAMPLES = r"""
- name: Say what came of it
  ansible.builtin.debug:
    msg: "{{ (found | mlflow_ops.backend_store.mlflow_schema_upgrade_result(manifest, 42.0)).text }}"
  vars:
    manifest: {revision: 0584bdc529eb, tables: {mlflow: {alembic_version: 1, runs: 20}}}
    found:
      app: tracking
      database: mlflow
      mlflow_version: 3.5.1
      state: current
      revision: bf29a5ff90ea
      revisions: []
      tables: [{name: alembic_version, rows: 1, bytes: 16384}, {name: runs, rows: 20, bytes: 16384}]
"""

RETURN = r"""
_value:
  description:
    - C(database), C(mlflow_version), C(state), C(revision_before), C(revision_after), C(migrations) (their number,
      V(null) if it is unknown), C(rows_before), C(rows_after), C(tables) (those whose numbers of rows differ, each with
      C(before) and C(after)), C(downtime_seconds), C(downtime_parts), C(backup), and all of it as C(text).
  type: dict
"""


def mlflow_schema_upgrade_result(
    found: Mapping[str, Any],
    manifest: Mapping[str, Any],
    seconds: float | None = None,
    backup: str | None = None,
    parts: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return what `upgraded` does. Raises AnsibleFilterError if something is missing."""
    try:
        return upgraded(found, manifest, seconds, backup, parts)
    except (KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"mlflow_schema_upgrade_result: {error!r} is missing or wrong") from None


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"mlflow_schema_upgrade_result": mlflow_schema_upgrade_result}
