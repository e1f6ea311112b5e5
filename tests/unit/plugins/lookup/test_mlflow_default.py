# SPDX-License-Identifier: GPL-3.0-or-later
"""What a variable of a role is where nobody sets it."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleError
from ansible_collections.mlflow_ops.backend_store.plugins.lookup.mlflow_default import LookupModule
from default_versions import MLFLOW, MYSQL


def test_the_default_of_a_variable_of_any_role() -> None:
    found = LookupModule().run(
        ["mlflow_schema_mlflow_version", "mysql_base_image_version", "mlflow_mysql_port"]
    )
    assert found == [MLFLOW, MYSQL, 3306]


# The second is a template, which its own role puts values in.
@pytest.mark.parametrize("name", ["mlflow_mysql_prot", "mlflow_mysql_base_image"])
def test_what_has_none(name: str) -> None:
    with pytest.raises(AnsibleError, match=f"has a default for {name}"):
        LookupModule().run([name])
