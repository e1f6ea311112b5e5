# SPDX-License-Identifier: GPL-3.0-or-later
"""What filters need of Ansible. Private to this collection: it may change without notice."""

from __future__ import annotations

import os

from ansible import context
from ansible.errors import AnsibleFilterError
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.commands import (
    Run,
    from_options,
)


def this_run() -> Run:
    """How the run that a filter is called in was started."""
    return from_options(context.CLIARGS, os.environ, os.getcwd())


def check_input(name: str, fits: bool, what: str) -> None:
    """Raise AnsibleFilterError unless the input of the filter `name` fits; `what` is what it should be."""
    if not fits:
        raise AnsibleFilterError(f"{name}: the input is not {what}")
