# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of the locks that runs hold on a server."""

from __future__ import annotations

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import ownership

LONGEST_LOCK = 64  # characters that GET_LOCK takes


@pytest.mark.parametrize("database", ["mlflow", "d" * 64, "\xfc" * 64])
def test_names_of_locks(database: str) -> None:
    names = {ownership.schema_lock(database), ownership.write_lock(database)}
    assert len(names) == 2 and all(len(name) <= LONGEST_LOCK for name in names)


def test_releases_lock_each_other_out() -> None:
    """A name is the same in every release: an older one may be at work on the same server."""
    assert ownership.schema_lock("mlflow") == "mlflow_schema.mlflow"
    assert ownership.write_lock("mlflow") == "mlflow_mysql_write_lock.b1a8f0a4d2aae9e01582f244dadd4342"
