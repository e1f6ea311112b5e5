# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run works on a database. Private to this collection: it may change without notice."""

from __future__ import annotations

import hashlib
from typing import Any, Mapping

# Neither makes sense without the other.
OWNER = ("owner", "owner_file")


def owner_argument_spec() -> dict[str, Any]:
    """The options of the documentation fragment `_ownership`."""
    return {"owner": {"type": "str"}, "owner_file": {"type": "path"}}


class NotOwner(Exception):
    """Another run works on the database."""

    reason = "not_owner"


def schema_lock(database: str) -> str:
    """The name of the lock that whoever changes, dumps or restores the schema of `database` holds."""
    return f"mlflow_schema.{database}"[:64]


def write_lock(database: str) -> str:
    """The name of the lock that whoever locks writers out of `database`, or lets them in again, holds."""
    return "mlflow_mysql_write_lock." + hashlib.sha256(database.encode()).hexdigest()[:32]


def check_owner(options: Mapping[str, Any]) -> None:
    """Raise NotOwner unless `owner_file` names `owner`. To be called under the lock. Does nothing without them."""
    if options["owner"] is None:
        return
    try:
        with open(options["owner_file"], encoding="utf-8") as file:
            found = file.read().strip()
    except OSError as error:
        raise NotOwner(f"cannot read owner_file {options['owner_file']}: {error.strerror}") from None
    if found != options["owner"]:
        raise NotOwner(
            f"another run ({found}) has taken over the work on {options['database']}; this one did nothing more. "
            "Wait for that one to end"
        )
