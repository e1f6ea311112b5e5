# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that gives accounts the passwords that are in variables."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

DOCUMENTATION = r"""
name: mlflow_mysql_with_passwords
author:
  - The mlflow_ops.backend_store authors
version_added: 0.1.0
short_description: Add the passwords from variables to accounts
description:
  - A plan of M(mlflow_ops.backend_store.mlflow_mysql_plan) has no passwords. If a variable sets one, the account has
    C(given) with the name of the variable's account. This filter adds the password in the task that needs it.
  - Use it only in tasks with C(no_log).
positional: _input
options:
  _input:
    description: Accounts from the plan.
    type: list
    elements: dict
    required: true
  given:
    description: Dictionary from the names of accounts to passwords.
    type: dict
    required: true
seealso:
  - module: mlflow_ops.backend_store.mlflow_mysql_plan
"""

EXAMPLES = r"""
- name: Give root its password
  ansible.builtin.set_fact:
    accounts: "{{ planned | mlflow_ops.backend_store.mlflow_mysql_with_passwords({'root': root_password}) }}"
  vars:
    planned:
      - name: root
        host: localhost
        given: root
      - name: mlflowusr
        password_file: /srv/mlflow-mysql/secrets/mlflowusr
  no_log: true
"""

RETURN = r"""
_value:
  description: The accounts as M(mlflow_ops.backend_store.mlflow_mysql_account) takes them.
  type: list
  elements: dict
"""


def given_passwords(accounts: Sequence[Mapping[str, Any]], given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The accounts with their passwords."""
    return [
        {
            **{name: value for name, value in account.items() if name != "given"},
            **({"password": given[account["given"]]} if "given" in account else {}),
        }
        for account in accounts
    ]


class FilterModule:
    """What ansible-core asks for."""

    def filters(self) -> dict[str, Callable[..., list[dict[str, Any]]]]:
        return {"mlflow_mysql_with_passwords": given_passwords}
