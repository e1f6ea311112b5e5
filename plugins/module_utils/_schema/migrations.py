# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow's migrations as they lie in a virtual environment. Private to this collection: it may change without notice.

Nothing of MLflow is imported: the migrations are read as text, which takes milliseconds where MLflow takes seconds.
"""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass

PACKAGES = "lib/python3*/site-packages"
VERSIONS = {
    "tracking": "mlflow/store/db_migrations/versions",
    "auth": "mlflow/server/auth/db/migrations/versions",
}
REVISION = re.compile(r"^revision(?:\s*:[^=]+)?\s*=\s*[\"'](\w+)[\"']", re.MULTILINE)
PARENT = re.compile(r"^down_revision(?:\s*:[^=]+)?\s*=\s*(?:None|[\"'](\w+)[\"'])", re.MULTILINE)


class MigrationsMissing(Exception):
    """There is no MLflow, or none whose migrations make one line, in the virtual environment."""

    reason = "migrations_missing"


@dataclass(frozen=True)
class Migrations:
    """The revisions of one MLflow version, oldest first."""

    mlflow_version: str
    revisions: tuple[str, ...]

    @property
    def head(self) -> str:
        return self.revisions[-1]

    def between(self, revision: str | None) -> tuple[str, ...] | None:
        """Return the revisions after ``revision`` up to the head, or ``None`` if it is not one of them."""
        if revision is None:
            return self.revisions
        if revision not in self.revisions:
            return None
        return self.revisions[self.revisions.index(revision) + 1 :]


def in_order(parents: dict[str, str | None]) -> tuple[str, ...]:
    """Return the revisions of ``parents`` (revision to the one before it, ``None`` for the first) oldest first."""
    children = {parent: revision for revision, parent in parents.items()}
    ordered: list[str] = []
    current = children.get(None)
    while current is not None and len(ordered) < len(parents):
        ordered.append(current)
        current = children.get(current)
    if not ordered or len(ordered) != len(parents):
        raise MigrationsMissing("the migrations do not make one line from the first to the newest")
    return tuple(ordered)


def read_migrations(virtualenv: str, app: str = "tracking") -> Migrations:
    """Return the migrations of ``app`` of the MLflow in ``virtualenv``. Raises MigrationsMissing."""
    directories = glob.glob(os.path.join(glob.escape(virtualenv), PACKAGES, VERSIONS[app]))
    if not directories:
        raise MigrationsMissing(f"there is no MLflow in the virtual environment {virtualenv}")
    parents: dict[str, str | None] = {}
    for path in glob.glob(os.path.join(directories[0], "*.py")):
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
        revision, parent = REVISION.search(text), PARENT.search(text)
        if revision and parent:
            parents[revision.group(1)] = parent.group(1)
    packages = directories[0][: -len(VERSIONS[app]) - 1]
    return Migrations(_version(packages), in_order(parents))


def _version(packages: str) -> str:
    for kind in ("mlflow_skinny", "mlflow"):
        for path in glob.glob(os.path.join(packages, kind + "-*.dist-info")):
            return os.path.basename(path)[len(kind) + 1 : -len(".dist-info")]
    return "unknown"
