# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of migrations that lie in a virtual environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.migrations import (
    Migrations,
    MigrationsMissing,
    in_order,
    read_migrations,
)

NOT_ONE_LINE = "do not make one line from the first to the newest"
PLAIN = '''"""{about}

Revision ID: {revision}
Revises: {parent}
"""
from alembic import op

# revision identifiers, used by Alembic.
revision = "{revision}"
down_revision = {parent!r}
branch_labels = None


def upgrade():
    down_revision = "0123456789ab"  # a local variable is no parent
    op.drop_table("t")
'''
ANNOTATED = """from collections.abc import Sequence

revision: str = '{revision}'
down_revision: str | None = {parent!r}
branch_labels: str | Sequence[str] | None = None
"""


def put(
    virtualenv: Path, *texts: str, distribution: str = "mlflow_skinny-3.12.2", python: str = "3.11"
) -> None:
    packages = virtualenv / f"lib/python{python}/site-packages"
    versions = packages / "mlflow/store/db_migrations/versions"
    versions.mkdir(parents=True)
    (versions / "__init__.py").touch()
    (packages / f"{distribution}.dist-info").mkdir()
    for number, text in enumerate(texts):
        (versions / f"{number}_some_change.py").write_text(text)


def migration(template: str, revision: str, parent: str | None) -> str:
    return template.format(about="add a table", revision=revision, parent=parent)


# The line


@pytest.mark.parametrize(
    ("parents", "ordered"),
    [
        ({"a": None}, ("a",)),
        ({"c": "b", "a": None, "d": "c", "b": "a"}, ("a", "b", "c", "d")),
    ],
    ids=["one", "line"],
)
def test_in_order(parents: dict[str, str | None], ordered: tuple[str, ...]) -> None:
    assert in_order(parents) == ordered


@pytest.mark.parametrize(
    "parents",
    [
        {},
        {"a": None, "b": "a", "c": "a"},
        {"a": None, "c": "a", "b": "a", "d": "b"},
        {"a": None, "c": "b", "d": "c"},
        {"b": "a", "c": "b"},
        {"a": None, "b": None},
        {"a": None, "c": "b", "b": "c"},
        {"a": "b", "b": "a"},
        {"a": "a"},
    ],
    ids=[
        "none",
        "branch",
        "long-branch",
        "hole",
        "no-first",
        "two-firsts",
        "ring-aside",
        "ring",
        "own-parent",
    ],
)
def test_not_one_line(parents: dict[str, str | None]) -> None:
    with pytest.raises(MigrationsMissing, match=NOT_ONE_LINE):
        in_order(parents)


# Virtual environments


@pytest.mark.parametrize("distribution", ["mlflow_skinny-3.12.2", "mlflow-3.12.2"])
@pytest.mark.parametrize("python", ["3.9", "3.11"])
def test_read_migrations(tmp_path: Path, distribution: str, python: str) -> None:
    put(
        tmp_path,
        migration(ANNOTATED, "c0c0c0c0c0c0", "b0b0b0b0b0b0"),
        migration(PLAIN, "a0a0a0a0a0a0", None),
        migration(PLAIN, "b0b0b0b0b0b0", "a0a0a0a0a0a0"),
        distribution=distribution,
        python=python,
    )
    found = read_migrations(str(tmp_path))
    assert found == Migrations("3.12.2", ("a0a0a0a0a0a0", "b0b0b0b0b0b0", "c0c0c0c0c0c0"))
    assert found.head == "c0c0c0c0c0c0"


def test_annotated_first_migration(tmp_path: Path) -> None:
    put(tmp_path, migration(ANNOTATED, "a0a0a0a0a0a0", None))
    assert read_migrations(str(tmp_path)).revisions == ("a0a0a0a0a0a0",)


def test_whole_mlflow_beside_its_parts(tmp_path: Path) -> None:
    """mlflow brings mlflow-skinny, which has the migrations, and mlflow-tracing of other versions."""
    put(tmp_path, migration(PLAIN, "a0a0a0a0a0a0", None))
    for name in ("mlflow-3.12.2", "mlflow_tracing-3.16.0", "mlflow_export_import-1.2.0"):
        (tmp_path / f"lib/python3.11/site-packages/{name}.dist-info").mkdir()
    assert read_migrations(str(tmp_path)).mlflow_version == "3.12.2"


def test_version_is_not_needed(tmp_path: Path) -> None:
    put(tmp_path, migration(PLAIN, "a0a0a0a0a0a0", None), distribution="alembic-1.20.1")
    assert read_migrations(str(tmp_path)) == Migrations("unknown", ("a0a0a0a0a0a0",))


def test_hole_in_a_virtual_environment(tmp_path: Path) -> None:
    put(
        tmp_path,
        migration(PLAIN, "a0a0a0a0a0a0", None),
        migration(ANNOTATED, "c0c0c0c0c0c0", "b0b0b0b0b0b0"),
    )
    with pytest.raises(MigrationsMissing, match=NOT_ONE_LINE):
        read_migrations(str(tmp_path))


def test_merge_is_not_one_line(tmp_path: Path) -> None:
    """MLflow has none; Alembic writes one with two parents."""
    put(
        tmp_path,
        migration(PLAIN, "a0a0a0a0a0a0", None),
        migration(PLAIN, "b0b0b0b0b0b0", "a0a0a0a0a0a0"),
        migration(PLAIN, "c0c0c0c0c0c0", "a0a0a0a0a0a0"),
        'revision = "d0d0d0d0d0d0"\ndown_revision = ("b0b0b0b0b0b0", "c0c0c0c0c0c0")\n',
    )
    with pytest.raises(MigrationsMissing, match=NOT_ONE_LINE):
        read_migrations(str(tmp_path))


def test_no_mlflow(tmp_path: Path) -> None:
    message = f"there is no MLflow in the virtual environment {tmp_path}"
    with pytest.raises(MigrationsMissing) as caught:
        read_migrations(str(tmp_path / "gone"))
    assert str(caught.value) == f"{message}/gone"
    (tmp_path / "lib/python3.11/site-packages/alembic").mkdir(parents=True)
    with pytest.raises(MigrationsMissing) as caught:
        read_migrations(str(tmp_path))
    assert str(caught.value) == message


def test_no_migrations(tmp_path: Path) -> None:
    put(tmp_path)
    with pytest.raises(MigrationsMissing, match=NOT_ONE_LINE):
        read_migrations(str(tmp_path))


# Two revisions


def test_between() -> None:
    migrations = Migrations("3.12.2", ("a", "b", "c"))
    assert migrations.between(None) == ("a", "b", "c")
    assert migrations.between("a") == ("b", "c")
    assert migrations.between("b") == ("c",)
    assert migrations.between("c") == ()
    assert migrations.between("d") is None
    assert migrations.between("") is None
