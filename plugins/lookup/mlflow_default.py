# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup that says what a variable of a role is where nobody sets it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mlflow_default
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
version_added: 0.1.0
short_description: Return the default of a variable of this collection's roles
description:
  - Returns the value from the defaults of the variable's role. That role need not be in the play.
options:
  _terms:
    description: Names of variables whose defaults are not templates.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Say which MLflow is taken
  ansible.builtin.debug:
    msg: "{{ lookup('mlflow_ops.backend_store.mlflow_default', 'mlflow_schema_mlflow_version') }}"
"""

RETURN = r"""
_raw:
  description: The default of each variable.
  type: list
  elements: raw
  sample: [mysql]
"""

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.defaults import defaults


class LookupModule(LookupBase):
    """What ansible-core asks for."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        """Return the defaults of the variables that ``terms`` name."""
        known = defaults()
        for name in terms:
            if name not in known or "{{" in str(known[name]):
                raise AnsibleError(f"no role of this collection has a default for {name} that is no template")
        return [known[name] for name in terms]
