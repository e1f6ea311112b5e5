# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup that finds variables of users that are unknown or of another type."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mlflow_variable_problems
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
version_added: 0.1.0
short_description: Find unknown variables and variables of the wrong type
description:
  - Checks, on the controller, the names of all variables of a host, and the values of those that this collection's
    roles specify.
  - An unknown name with a prefix of this collection is a problem, and the message suggests the nearest name. So are a
    misspelt prefix, a name that lacks a part (C(mlflow_port)), and a misspelt C(to), C(before) or C(member) on the
    command line.
  - A play that takes names without a prefix lists them in C(__mlflow_variables_taken). In such a play any other name
    on the command line is a problem, unless it begins with an underscore or C(ansible_), or one of the user's own
    variables refers to it.
  - An empty value of an option that selects a part, such as C(to), is a problem, since it would select everything.
options:
  _terms:
    description: Nothing.
    type: list
    elements: str
  ignored:
    description: Names or patterns, such as C(mlflow_mysql_site_*), of users' own variables.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Fail if a variable is unknown or of another type
  ansible.builtin.fail:
    msg: "{{ problems | join('\n') }}"
  when: problems | length > 0
  vars:
    problems: "{{ query('mlflow_ops.backend_store.mlflow_variable_problems') }}"
"""

RETURN = r"""
_raw:
  description: One line for each problem, with the remedy.
  type: list
  elements: str
  sample:
    - 'mlflow_mysql_port is "abc": give an integer.'
"""

from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store import defaults
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store import (
    variables as store_variables,
)


def specifications() -> list[dict[str, Any]]:
    """Return what the roles of this collection specify."""
    return [defaults.read_yaml(path) for path in sorted(defaults.ROLES.glob("*/meta/argument_specs.yml"))]


class LookupModule(LookupBase):
    """What ansible-core asks for."""

    def run(self, terms: list[Any], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return the problems with ``variables``."""
        variables = variables or {}
        options = store_variables.options_of(specifications())
        ignored = kwargs.get("ignored") or []
        ignored = [ignored] if isinstance(ignored, str) else ignored
        given = load_extra_vars(self._loader)
        problems = store_variables.unknown_variables(variables, options, given, ignored)
        taken = variables.get("__mlflow_variables_taken")
        if taken:
            named = [problem.partition(" ")[0] for problem in problems]
            others = [name for name in given if name not in named]
            used = store_variables.used_by(variables, others)
            problems += store_variables.foreign_variables(others, taken, options, used, ignored)
        for name in sorted(set(store_variables.CHOOSING) & set(variables)):
            # Elsewhere a name without a prefix is the user's own.
            if name in store_variables.SHORT and name not in (taken or ()):
                continue
            try:
                value = self._templar.template(variables[name])
            except AnsibleError:
                continue
            problem = store_variables.empty_problem(name, value, name in given)
            # The playbook gives the role what it was given by the shorter name.
            if problem and not (name not in given and name.rpartition("_")[2] in given):
                problems.append(problem)
        for name in sorted(set(options) & set(variables)):
            try:
                value = self._templar.template(variables[name])
            except AnsibleError:
                continue  # what uses it says what it lacks
            problem = store_variables.type_problem(name, value, options[name])
            if problem:
                problems.append(problem)
        return problems
