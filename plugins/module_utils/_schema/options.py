# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several modules have. Private to this collection: it may change without notice."""

from __future__ import annotations

from typing import Any

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.connection import (
    login_argument_spec,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.extra_indexes import OFFERED
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.ownership import (
    owner_argument_spec,
)

STATES = ("initialised", "upgraded", "repaired", "prepared", "indexed", "converted")


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


def write_lock_argument_spec() -> dict[str, Any]:
    """How upgrades keep writers out of the store: what a look has to know of it."""
    return {
        "path": {"type": "path"},
        "keep": {"type": "list", "elements": "str", "default": []},
        "disconnect": {"type": "bool", "default": False},
    }


def change_argument_spec() -> dict[str, Any]:
    """All options of the module mlflow_schema, with which `migrate.run` is called."""
    return {
        **login_argument_spec(),
        **database_argument_spec(),
        **target_argument_spec(),
        **owner_argument_spec(),
        "state": {"type": "str", "choices": [*STATES], "default": "initialised"},
        "revision": {"type": "str"},
        "virtualenv": {"type": "path"},
        "extra_indexes": {"type": "list", "elements": "str", "choices": [one.name for one in OFFERED]},
        "default_artifact_root": {"type": "str"},
        "collation": {"type": "str"},
        "lock_timeout": {"type": "int", "default": 30},
        "guard": {"type": "dict", "options": guard_argument_spec()},
    }


def guard_argument_spec() -> dict[str, Any]:
    """What a change needs that locks writers out by itself."""
    return {
        "login_user": {"type": "str", "required": True},
        "login_password_files": {"type": "list", "elements": "path", "required": True, "no_log": False},
        "path": {"type": "path", "required": True},
        "disconnect": {"type": "bool", "default": False},
        "keep": {"type": "list", "elements": "str", "default": []},
        "timeout": {"type": "int", "default": 30},
        "point": {"type": "list", "elements": "str", "default": []},
    }
