# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules have. Private to this collection: it may change without notice."""

from __future__ import annotations

from typing import Any


def database_argument_spec() -> dict[str, Any]:
    """The options of the documentation fragment `_schema_target`."""
    return {"database": {"type": "str", "default": "mlflow"}}


def target_argument_spec() -> dict[str, Any]:
    """The options of its section `target`, with which `survey.target` is called."""
    return {
        "app": {"type": "str", "choices": ["tracking", "auth"], "default": "tracking"},
        "mlflow_version": {"type": "str"},
        "data_directory": {"type": "path"},
    }
