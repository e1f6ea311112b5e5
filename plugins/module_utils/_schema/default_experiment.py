# SPDX-License-Identifier: GPL-3.0-or-later
"""MLflow's experiment 0. Private to this collection: it may change without notice.

The first process of MLflow's that opens a store without it makes it, sets `sql_mode` to '' for that, and leaves it so
on a connection that it goes on with: what is too long is cut there without an error. Made here, none takes that way.
"""

from __future__ import annotations

import posixpath
import time
from typing import Any
from urllib.parse import unquote, urlparse, urlunparse

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import (
    query,
    quoted,
    quoted_for_values,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.catalogue import Catalogue
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.live import LiveSchema

PRESENT = "present"
MISSING = "missing"
# Another experiment has its name, so that it cannot be made, by MLflow neither.
TAKEN = "taken"

NAME = "Default"
WORKSPACE = "default"
# From the head of MLflow 3.4 on MLflow looks for experiment 0; an older one looks whether there is any.
BY_NUMBER_SINCE = "71994744cf8e"
LOCATION_MAXIMUM = 256  # characters of experiments.artifact_location
ER_DUP_ENTRY = 1062


def location(root: str) -> str:
    """Where MLflow puts the artifacts of experiment 0, from its server's `--default-artifact-root`.

    That is `mlflow-artifacts:/` where the server hands artifacts on, which it does unless told not to. Raises
    ValueError with what is wrong with `root`.
    """
    parsed = urlparse(root)
    if not root.strip() or (parsed.scheme in ("", "file") and not parsed.path.startswith("/")):
        raise ValueError("a relative path depends on where MLflow is started: give a URI or an absolute path")
    query_text = parsed.query
    while unquote(query_text) != query_text:
        query_text = unquote(query_text)
    if ".." in query_text:
        raise ValueError("its query has '..', which MLflow refuses")
    if not parsed.scheme:
        found = posixpath.join(root, "0")
    else:
        # A URI like `file:a/b` would get a slash.
        prefix = "" if parsed.path.startswith("/") else parsed.scheme + ":"
        if prefix:
            parsed = parsed._replace(scheme="")
        found = prefix + urlunparse(parsed._replace(path=posixpath.join(parsed.path, "0")))
    if len(found) > LOCATION_MAXIMUM:
        raise ValueError(f"it is longer than {LOCATION_MAXIMUM - 2} characters")
    return found


def columns(live: LiveSchema) -> set[str]:
    begin = "column experiments."
    return {line[len(begin) :].split(" ", 1)[0] for line in live.lines if line.startswith(begin)}


def look(
    connection: Any, database: str, live: LiveSchema, catalogue: Catalogue, revision: str | None
) -> str | None:
    """Return PRESENT, TAKEN, or MISSING where MLflow would make it; None if the store is not so far.

    Raises pymysql's errors.
    """
    if revision is None or revision not in catalogue or "experiment_id" not in columns(live):
        return None
    table = quoted(database, "experiments")
    if query(connection, f"SELECT 1 FROM {table} WHERE experiment_id = 0"):
        return PRESENT
    by_number = catalogue.position(revision) >= catalogue.position(BY_NUMBER_SINCE)
    if not by_number and query(connection, f"SELECT 1 FROM {table} LIMIT 1"):
        return PRESENT
    own = " AND workspace = %s" if "workspace" in columns(live) else ""
    names = [NAME, WORKSPACE] if own else [NAME]
    table = quoted_for_values(database, "experiments")
    return TAKEN if query(connection, f"SELECT 1 FROM {table} WHERE name = %s{own}", *names) else MISSING


def make(connection: Any, database: str, live: LiveSchema, root: str) -> None:
    """Insert experiment 0 as MLflow does. One that is there meanwhile is fine. Raises pymysql's errors."""
    now = int(time.time() * 1000)
    row = {
        "experiment_id": 0,
        "name": NAME,
        "artifact_location": location(root),
        "lifecycle_stage": "active",
        "creation_time": now,
        "last_update_time": now,
        "workspace": WORKSPACE,
    }
    row = {name: value for name, value in row.items() if name in columns(live)}
    table = quoted_for_values(database, "experiments")
    before = query(connection, "SELECT @@SESSION.sql_mode")[0][0]
    query(connection, "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',NO_AUTO_VALUE_ON_ZERO')")
    try:
        query(
            connection,
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})",
            *row.values(),
        )
    except Exception as error:  # pymysql's own classes may be missing
        if error.args[:1] != (ER_DUP_ENTRY,):
            raise
    finally:
        query(connection, "SET SESSION sql_mode = %s", before)
