# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that reads settings of the server by its own names."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.settings import given_settings

DOCUMENTATION = r"""
name: mlflow_given_settings
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Read settings of the server by its own names
description:
  - A setting may be written with C(-) or C(_), and with prefixes such as C(loose_) and C(skip_). What each sets is
    found as the server finds it.
positional: _input
options:
  _input:
    description: Dictionary from the name of a setting of C([mysqld]) to its value.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Fail if the server is not to take ten connections
  ansible.builtin.assert:
    that: "({'loose-max-connections': '10'} | mlflow_ops.backend_store.mlflow_given_settings).max_connections == 10"
"""

RETURN = r"""
_value:
  description: Dictionary from the server's own names to values, which are integers where they are numbers.
  type: dict
"""


class FilterModule:
    """What ansible-core asks for."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"mlflow_given_settings": given_settings}
