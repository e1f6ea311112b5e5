# SPDX-License-Identifier: GPL-3.0-or-later
"""What pip says of a version that is not there is one line, which names the nearest that are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.packages import (
    LONGEST,
    nearest,
    problem,
)

VERSIONS = [
    "1.14.0",
    "2.0.0rc0",
    "2.0.0",
    "3.9.0",
    "3.10.0",
    "3.10.1",
    "3.12.0",
    "3.12.1",
    "3.12.2",
    "3.12.3rc1",
]


@pytest.mark.parametrize(
    "wanted, expected",
    [
        ("3.18.0", ["3.12.0", "3.12.1", "3.12.2"]),
        ("3.10.2", ["3.10.0", "3.10.1", "3.12.0"]),
        ("1.0.0", ["1.14.0", "2.0.0", "3.9.0"]),
        ("2.5", ["1.14.0", "2.0.0", "3.9.0"]),
        ("1.20", ["1.14.0", "2.0.0", "3.9.0"]),
    ],
)
def test_the_nearest(wanted: str, expected: list[str]) -> None:
    assert nearest(wanted, VERSIONS) == expected
    assert nearest(wanted, ["3.12.2"]) == ["3.12.2"] and nearest(wanted, []) == []


def pip(directory: Path, wanted: str) -> str:
    """What pip itself says."""
    options = "--dry-run --no-deps --ignore-installed --quiet --no-index --disable-pip-version-check".split()
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--find-links", str(directory), wanted],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    return done.stderr


def test_a_version_that_is_not_there(tmp_path: Path) -> None:
    for version in VERSIONS:
        (tmp_path / f"mlflow_skinny-{version}-py3-none-any.whl").touch()
    assert problem(pip(tmp_path, "mlflow-skinny==3.18.0")) == (
        "the package index has no mlflow-skinny 3.18.0; the nearest of its 10 versions are 3.12.0, 3.12.1, 3.12.2"
    )


def test_an_index_that_has_nothing(tmp_path: Path) -> None:
    assert problem(pip(tmp_path, "mlflow-skinny==3.18.0")) == (
        "the package index has no mlflow-skinny, or the host does not reach it"
    )


def test_another_python() -> None:
    said = (
        "ERROR: Ignored the following versions that require a different python version: 3.18.0 Requires-Python >=3.12; "
        "3.18.1 Requires-Python >=3.13\nERROR: Could not find a version that satisfies the requirement "
        "mlflow-skinny==3.18.0 (from versions: 3.12.1, 3.12.2)\nERROR: No matching distribution found"
    )
    assert (
        problem(said) == "mlflow-skinny 3.18.0 needs another Python (>=3.12): set mlflow_schema_python to one"
    )


def test_anything_else_is_cut() -> None:
    assert problem("WARNING: x\nERROR: No space left on device\n") == "No space left on device"
    assert problem("no route\nto host") == "no route to host" and problem("") == ""
    assert len(problem("word " * 1000)) <= LONGEST + 4
