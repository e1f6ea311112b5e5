# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of an upgrade is said whole."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mlflow_ops.backend_store.plugins.filter.mlflow_schema_upgrade_result import (
    FilterModule,
)

outcome = FilterModule().filters()["mlflow_schema_upgrade_result"]

MANIFEST = {
    "revision": "aaa",
    "auth_revision": "xxx",
    "tables": {
        "mlflow": {"runs": 20, "gone": 2, "alembic_version": 1, "mlflow_ops_prepared": 1},
        "other": {"t": 7},
    },
}


def found(**changes: Any) -> dict[str, Any]:
    tables = [("alembic_version", 1), ("new", 3), ("runs", 20)]
    return {
        "app": "tracking",
        "database": "mlflow",
        "mlflow_version": "3.12.2",
        "revision": "ccc",
        "state": "current",
        "revisions": [{"revision": name} for name in ("aaa", "bbb", "ccc")],
        "tables": [{"name": name, "rows": rows, "bytes": 1} for name, rows in tables],
        **changes,
    }


def test_what_an_upgrade_did() -> None:
    parts = {"lock": 0.204, "migrate": 12.1}
    result = outcome(found(), MANIFEST, 12.34, backup="/srv/x/full/000001", parts=parts)
    text = result.pop("text")
    assert result == {
        "database": "mlflow",
        "mlflow_version": "3.12.2",
        "state": "current",
        "revision_before": "aaa",
        "revision_after": "ccc",
        "migrations": 2,
        "rows_before": 23,
        "rows_after": 24,
        "tables": {"gone": {"before": 2, "after": 0}, "new": {"before": 0, "after": 3}},
        "downtime_seconds": 12.3,
        "downtime_parts": {"lock": 0.2, "migrate": 12.1},
        "backup": "/srv/x/full/000001",
    }
    for words in (
        "from revision aaa to ccc in 2 migrations",
        "23 before, 24 after",
        "for 12.3 s (in seconds: lock 0.2, migrate 12.1)",
        "/srv/x/full/000001",
    ):
        assert words in text


def test_what_is_not_known_or_did_not_change() -> None:
    result = outcome(found(revision="aaa", revisions=[], tables=[]), {**MANIFEST, "tables": {}}, None)
    assert (result["migrations"], result["downtime_seconds"], result["backup"]) == (None, None, None)
    assert "is at revision aaa as before" in result["text"]
    assert "none was kept" in result["text"] and "locked out" not in result["text"]
    assert outcome(found(app="auth"), MANIFEST, 1.0)["revision_before"] == "xxx"
    with pytest.raises(AnsibleFilterError):
        outcome({}, MANIFEST, 1.0)
