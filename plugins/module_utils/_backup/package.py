# SPDX-License-Identifier: GPL-3.0-or-later
"""The program mlflow-mysql-backup as one file: `cli` and all of this collection that it imports, in a zip file."""

from __future__ import annotations

import ast
import importlib.util
import io
import zipfile

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import cli

PACKAGE = cli.__name__.rpartition("._backup.")[0]
SETTINGS = "backup.json"
START = f"""
import os
import sys
from {cli.__name__} import main
home = os.path.dirname(os.path.dirname(os.path.realpath(sys.argv[0])))
main(["--settings", os.path.join(home, "{SETTINGS}"), *sys.argv[1:]])
"""


def source_of(name: str) -> str:
    """Return the source of the module `name`.

    Ansible runs a module from a zip file of its own, which only the loader of that file can read.
    """
    spec = importlib.util.find_spec(name)
    source = None if spec is None or spec.loader is None else spec.loader.get_source(name)  # type: ignore[attr-defined]
    if source is None:
        raise ValueError(f"the source of {name} cannot be read")
    return str(source)


def imported(source: str) -> set[str]:
    """Return the names of the modules of this collection that a source imports, also inside of functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
            module = str(node.module)
            is_package = "." not in module[len(PACKAGE) + 1 :]
            found.update(f"{module}.{alias.name}" for alias in node.names) if is_package else found.add(
                module
            )
    return found


def sources() -> dict[str, str]:
    """Return the source of each module that the program needs, by the module's name, in the order of the names."""
    found: dict[str, str] = {}
    left = {cli.__name__}
    while left:
        name = left.pop()
        found[name] = source_of(name)
        left |= imported(found[name]) - set(found)
    return dict(sorted(found.items()))


def build(interpreter: str) -> bytes:
    """Return the program: a zip file that the Python `interpreter` runs. The same sources give the same bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, text: str) -> None:
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)

        add("__main__.py", START)
        modules = sources()
        packages = {
            "/".join(name.split(".")[:depth]) for name in modules for depth in range(1, name.count(".") + 1)
        }
        for path in sorted(packages):
            add(f"{path}/__init__.py", "")
        for name, source in modules.items():
            add(f"{name.replace('.', '/')}.py", source)
    return f"#!{interpreter}\n".encode() + packed.getvalue()
