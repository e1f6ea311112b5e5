# SPDX-License-Identifier: GPL-3.0-or-later
"""What the write lock takes for granted of a store's container."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import write_lock

ROOT = Path(__file__).resolve().parents[5]


def test_a_healthcheck_ends_before_its_session_counts() -> None:
    dockerfile = (ROOT / "roles/mlflow_mysql/templates/Dockerfile.j2").read_text(encoding="utf-8")
    found = re.search(r"^HEALTHCHECK .*--timeout=(\d+)s", dockerfile, re.MULTILINE)
    assert found is not None and int(found[1]) < write_lock.LOOKING_IN
