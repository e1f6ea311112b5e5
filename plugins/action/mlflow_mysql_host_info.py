# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name, which is the first of some plays that needs the host."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.advice import execute


class ActionModule(ActionBase):
    """The module, with advice where Ansible could not run it."""

    _supports_check_mode = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module says. Raises AnsibleActionFail."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        return {**result, **execute(self, task_vars=task_vars)}
