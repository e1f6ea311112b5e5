# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the backups of a store are set up as they are wanted already, from what a look at the host found."""

from __future__ import annotations

import fnmatch
import posixpath
from typing import Any, Mapping

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.host import (
    PROGRAM,
    settings_text,
)
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._backup.program import (
    digest as digest_of,
)

# Options of the module that a look tells nothing of.
UNTOLD = ("identity", "secrets", "look")


def missing(programs: list[str], found: Mapping[str, Any]) -> list[str]:
    """Return those of the option `programs` that are not there."""
    there = [*found["tools"], *found["mlflow"]]
    return [name for name in programs if not any(fnmatch.fnmatchcase(one, name) for one in there)]


def answer(options: Mapping[str, Any], found: Mapping[str, Any] | None, digest: str) -> dict[str, Any] | None:
    """Return what the module would return if it changes nothing, or null where it has to run.

    ``options`` are the module's, ``found`` is what mlflow_mysql_host_info returned as ``backup``, and ``digest`` that
    of the program of this release.
    """
    if not found or options.get("state", "present") != "present" or any(options.get(name) for name in UNTOLD):
        return None
    home = str(options["path"]).rstrip("/")
    files = {
        path: text if text is None else digest_of(str(text).encode())
        for path, text in (options.get("files") or {}).items()
    }
    units = list(options.get("units") or [])
    restorable = found["restorable"]
    current = (
        found["program"] == digest
        and found["intact"]
        and restorable is not None
        and found["settings"]
        == digest_of(settings_text(options["settings"], home, found["identity"]).encode())
        and found["owned"]
        and all(
            path not in found["files"] if wanted is None else found["files"].get(path) == wanted
            for path, wanted in files.items()
        )
        and set(units) <= set(found["active"])
        and not missing(list(options.get("programs") or []), found)
    )
    if not current:
        return None
    return {
        "changed": False,
        "restorable": restorable,
        "needed": restorable["needs"] is not None,
        "program": posixpath.join(home, PROGRAM),
        "program_is_there": True,
        "missing": [],
        "cron_runs": found["cron_runs"],
        "inactive": [],
        "files": [],
        "diff": [],
    }
