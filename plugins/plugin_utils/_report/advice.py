# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module, with what helps where Ansible could not run it. Private to this collection.

What keeps every module from running on a host, such as a sudo that is missing, is told with advice, whatever prints it.
"""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.output import hint


def execute(action: ActionBase, **arguments: Any) -> dict[str, Any]:
    """Return what a module says; ``arguments`` are those of ``_execute_module``. Raises AnsibleActionFail."""
    result: dict[str, Any] = {}
    try:
        result.update(action._execute_module(**arguments))
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
