# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name, which is the first of most plays that needs the host.

What keeps every module from running there, such as a sudo that is missing, is told with what helps, whatever prints it.
"""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.output import hint


class ActionModule(ActionBase):
    """The module, with advice where Ansible could not run it."""

    _supports_check_mode = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module says. Raises AnsibleActionFail."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            result.update(self._execute_module(task_vars=task_vars))
        except AnsibleConnectionFailure:
            raise  # the host counts as unreachable
        except AnsibleError as error:
            advice = hint(str(error))
            if not advice:
                raise
            raise AnsibleActionFail(f"{advice} Ansible said: {error}") from error
        # What a module says of itself has no output besides.
        own = ("msg", "module_stderr", "module_stdout") if "module_stderr" in result else ("msg",)
        said = "\n".join(str(result.get(name) or "").strip() for name in own)
        advice = hint(said) if result.get("failed") else ""
        if advice:
            result["msg"] = f"{advice} Ansible said: {' '.join(said.split())}"
        return result
