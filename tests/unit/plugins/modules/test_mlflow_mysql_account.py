# SPDX-License-Identifier: GPL-3.0-or-later
"""What accounts the module makes of its options."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import account_service
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.accounts import BadRequest
from ansible_collections.mlflow_ops.backend_store.plugins.modules import mlflow_mysql_account as module


def test_every_secret_is_marked_and_nothing_else() -> None:
    spec = module.argument_spec()
    options = {**spec, **spec["accounts"]["options"]}
    assert {name for name, option in options.items() if option.get("no_log")} == {
        "login_password",
        "password",
    }


def entry(**more: Any) -> dict[str, Any]:
    options = {"accounts": [{"name": "u", **more}]}
    result = ArgumentSpecValidator(module.argument_spec()).validate(options)
    assert not result.error_messages
    return dict(result.validated_parameters["accounts"][0])


def test_star_means_global() -> None:
    account = account_service.wanted_account(entry(on="*", privileges=["RELOAD"]), "mlflow")
    assert account.privileges is None
    assert account.global_privileges == frozenset({"RELOAD"})


def test_on_comes_before_the_database() -> None:
    assert account_service.wanted_account(entry(on="other", privileges=[]), "mlflow").database == "other"
    assert account_service.wanted_account(entry(privileges=[]), "mlflow").database == "mlflow"


def test_host_is_kept_in_lower_case() -> None:
    assert account_service.wanted_account(entry(host="DB.Example.ORG"), None).host == "db.example.org"


def test_password_file_of_an_absent_account_is_not_read() -> None:
    account = account_service.wanted_account(entry(password_file="/nowhere", state="absent"), None)
    assert not account.present
    with pytest.raises(BadRequest, match="does not exist: /nowhere"):
        account_service.wanted_account(entry(password_file="/nowhere"), None)
