# SPDX-License-Identifier: GPL-3.0-or-later
"""How large one transaction may be, and which migration makes one that is larger. Private to this collection.

A migration that changes the rows of whole tables does so in one transaction, up to its next schema statement. A
member of a group refuses a transaction over group_replication_transaction_size_limit (error 3100), and any server
one over max_binlog_cache_size (error 1197): the migration is half-applied then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterable, Mapping

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import query
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.blockers import (
    DENIED,
    ERROR,
    MIB,
    WARNING,
    Blocker,
    code_of,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.catalogue import Revision

GROUP_LIMIT = "group_replication_transaction_size_limit"
CACHE_LIMIT = "max_binlog_cache_size"
IN_GROUP = """
SELECT 1 FROM performance_schema.replication_group_members
WHERE member_id = @@server_uuid AND member_state IN ('ONLINE', 'RECOVERING')"""
CHANGE = re.compile(r"(?P<verb>UPDATE|INSERT INTO|DELETE FROM|REPLACE INTO) `?(?P<table>\w+)")
# Where the rows come from that a migration puts into a table; other INSERTs have one row, or one for each grant.
SOURCES = {"latest_metrics": "metrics", "tags": "runs", "issue_categories": "issues"}

# A member's memory in MiB. Measured with three members of MySQL 9.7.4 and rows that do not compress: in a transaction
# of 150 to 300 MB the primary takes up to eight times its size, and the secondaries four times.
BESIDES = 512  # what MySQL takes besides its buffer pool
COPIES = 8
LARGEST = 300  # of what was measured
CACHE_LEAST, CACHE_MOST = 128, 1024  # of messages; MySQL's own least, and its default


@dataclass(frozen=True)
class Limits:
    """What the server takes in one transaction, in bytes (None: as much as one likes).

    `in_group` says whether the group's limit is in force (None: the account may not see that).
    """

    group: int | None
    cache: int | None
    in_group: bool | None
    whole_rows: bool = True


@dataclass(frozen=True)
class Transaction:
    """The largest transaction of a migration: at most so many bytes, of rows of these tables."""

    revision: str
    bytes: int
    tables: tuple[str, ...]


def sizes(memory_mb: int, pool_mb: int) -> dict[str, int]:
    """What a member bears that may have `memory_mb` MiB: group_replication's settings without that word, in bytes."""
    free = max(memory_mb - pool_mb - BESIDES, 0)
    cache = min(max(free // 4, CACHE_LEAST), CACHE_MOST)
    limit = min(max((free - cache) // COPIES, 1), LARGEST)
    return {"message_cache_size": cache * MIB, "transaction_size_limit": limit * MIB}


def read_limits(connection: Any) -> Limits:
    """Ask the server what it takes in one transaction. Raises pymysql's errors."""
    values = dict(
        query(
            connection,
            f"SHOW GLOBAL VARIABLES WHERE variable_name IN ('{GROUP_LIMIT}', '{CACHE_LIMIT}', 'binlog_row_image', "
            "'log_bin')",
        )
    )
    group = int(values.get(GROUP_LIMIT, 0)) or None
    in_group: bool | None = False
    if group is not None:
        try:
            in_group = bool(query(connection, IN_GROUP))
        except Exception as error:  # pymysql's own classes may be missing
            if code_of(error) not in DENIED:
                raise
            in_group = None
    cache = int(values[CACHE_LIMIT]) if values["log_bin"] == "ON" else None
    return Limits(group, cache, in_group, values["binlog_row_image"] != "MINIMAL")


def largest(revision: Revision, tables: Mapping[str, Any], whole_rows: bool = True) -> Transaction:
    """The largest transaction of `revision`, from the sizes that the server has for `tables`: never too small.

    The binary log has a row that is changed twice, as it was and as it is; without `whole_rows` its key and what
    was changed.
    """
    found = Transaction(revision.revision, 0, ())
    size = 0
    names: set[str] = set()
    for statement in revision.statements:
        if not statement.data:
            size, names = 0, set()
            continue
        change = CHANGE.match(statement.sql)
        if change is None:
            continue
        table = change["table"]
        if change["verb"] in ("INSERT INTO", "REPLACE INTO"):
            table = SOURCES.get(table, "")
        if table not in tables:
            continue
        images = 2 if change["verb"] == "UPDATE" and whole_rows else 1
        size += images * tables[table].bytes
        names.add(table)
        if size > found.bytes:
            found = Transaction(revision.revision, size, tuple(sorted(names)))
    return found


def check_transactions(
    limits: Limits, pending: Iterable[Revision], tables: Mapping[str, Any]
) -> list[Blocker]:
    """A blocker for each limit that one of the `pending` migrations may exceed."""
    transactions = [largest(revision, tables, limits.whole_rows) for revision in pending]
    found = []
    for limit, name, code in ((limits.group, GROUP_LIMIT, 3100), (limits.cache, CACHE_LIMIT, 1197)):
        if limit is None or (name == GROUP_LIMIT and limits.in_group is False):
            continue
        over = [one for one in transactions if one.bytes > limit]
        if not over:
            continue
        known = name != GROUP_LIMIT or limits.in_group is True
        changes = "; ".join(
            f"{one.revision} up to {-(-one.bytes // MIB)} MiB of {', '.join(one.tables)}" for one in over
        )
        raised = f"SET GLOBAL {name} = {max(one.bytes for one in over)}"
        remedy = f"raise it for the time of the upgrade: {raised}"
        if name == GROUP_LIMIT:
            remedy = (
                "upgrade with the playbook upgrade_schema, during which one member is standalone, or "
                + remedy.replace("it for", "the limit for")
                + " (0 is no limit), if the members have eight times that much memory left"
            )
        found.append(
            {
                "name": "transaction_size",
                "severity": ERROR if known else WARNING,
                "message": f"a migration changes more rows in one transaction than {name} lets pass, "
                f"{limit // MIB} MiB (error {code}): {changes}"
                + ("" if known else ". Whether the server is in its group now could not be seen"),
                "remedy": remedy,
            }
        )
    return found
