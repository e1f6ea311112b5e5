# SPDX-License-Identifier: Apache-2.0
"""The MLflow and the MySQL that the roles take where nobody chooses: each is written in the defaults of its role."""

from __future__ import annotations

import os
import re
from pathlib import Path

ROLES = Path(__file__).resolve().parents[1] / "roles"


def default_of(role: str, name: str) -> str:
    """Return a text of a role's defaults. Without a library: the Pythons that call this have not all the same."""
    text = (ROLES / role / "defaults/main.yml").read_text(encoding="utf-8")
    found = re.search(rf'^{name}: "?([^"\n]+)"?$', text, re.MULTILINE)
    assert found is not None, name
    return found.group(1)


MLFLOW = default_of("mlflow_schema", "mlflow_schema_mlflow_version")
MYSQL = default_of("mysql_base_image", "mysql_base_image_version")
# Another base image can be tried: MYSQL_IMAGE=team/mysql:8.4.9.
MYSQL_IMAGE = os.environ.get("MYSQL_IMAGE", f"mysql:{MYSQL}")
