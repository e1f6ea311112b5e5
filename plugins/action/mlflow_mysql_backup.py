# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module of the same name where a look at the host does not tell already that it would change nothing.

The module gets the program, which is built here, only where the host's is another.
"""

from __future__ import annotations

import base64
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._backup import current, program
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.advice import execute


class ActionModule(ActionBase):
    """What ansible-core asks for."""

    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the module says. Raises AnsibleActionFail."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        packed = program.build()
        digest = program.digest(packed)
        arguments = {**self._task.args, "program_digest": digest}
        answer = current.answer(arguments, arguments.pop("found", None), digest)
        if answer is not None:
            return {**result, **answer}
        said = execute(self, module_args=arguments, task_vars=task_vars)
        if said.pop("program_wanted", False):
            arguments["program"] = base64.b64encode(packed).decode()
            said = execute(self, module_args=arguments, task_vars=task_vars)
        return {**result, **said}
