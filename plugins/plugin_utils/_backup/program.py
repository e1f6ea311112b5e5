# SPDX-License-Identifier: GPL-3.0-or-later
"""The program mlflow-mysql-backup as one file: `_backup/cli` and all of this collection that it imports, in a zip file.

It is built on the controller, so that a run which changes nothing ships its digest only.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from pathlib import Path

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.host import SETTINGS

PACKAGE = "ansible_collections.mlflow_ops.backend_store.plugins.module_utils"
DIRECTORY = Path(__file__).resolve().parents[2] / "module_utils"
CLI = f"{PACKAGE}._backup.cli"
START = f"""
import os
import sys
from {CLI} import main
home = os.path.dirname(os.path.dirname(os.path.realpath(sys.argv[0])))
main(["--settings", os.path.join(home, "{SETTINGS}"), *sys.argv[1:]])
"""
# Not with `ast`, which takes half a second for all of them.
IMPORT = re.compile(rf"^ *from ({re.escape(PACKAGE)}\.\S+) import (\([^)]*\)|.+)$", re.MULTILINE)
NAME = re.compile(r"(\w+)(?: as \w+)?\s*(?:,|$)")


def source_of(name: str) -> str:
    """Return the source of the module `name`."""
    return (DIRECTORY.joinpath(*name[len(PACKAGE) + 1 :].split(".")).with_suffix(".py")).read_text(
        encoding="utf-8"
    )


def imported(source: str) -> set[str]:
    """Return the names of the modules of this collection that a source imports, also inside of functions."""
    found: set[str] = set()
    for module, names in IMPORT.findall(source):
        is_package = "." not in module[len(PACKAGE) + 1 :]
        found.update(
            f"{module}.{name}" for name in NAME.findall(names.strip("()\n "))
        ) if is_package else found.add(module)
    return found


def sources() -> dict[str, str]:
    """Return the source of each module that the program needs, by the module's name, in the order of the names."""
    found: dict[str, str] = {}
    left = {CLI}
    while left:
        name = left.pop()
        found[name] = source_of(name)
        left |= imported(found[name]) - set(found)
    return dict(sorted(found.items()))


def build() -> bytes:
    """Return the program without its first line, which names the host's Python. The same sources give the same bytes.

    Nothing is compressed, since libraries that compress give other bytes in other versions.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        modules = sources()
        packages = {
            "/".join(name.split(".")[:depth]) for name in modules for depth in range(1, name.count(".") + 1)
        }
        archive.writestr(zipfile.ZipInfo("__main__.py"), START)
        for path in sorted(packages):
            archive.writestr(zipfile.ZipInfo(f"{path}/__init__.py"), "")
        for name, source in modules.items():
            archive.writestr(zipfile.ZipInfo(f"{name.replace('.', '/')}.py"), source)
    return packed.getvalue()


def digest(packed: bytes) -> str:
    """Return what tells one release of the program from another."""
    return hashlib.sha256(packed).hexdigest()
