# SPDX-License-Identifier: GPL-3.0-or-later
"""How long an upgrade locks writers out, about. Private to this collection: it may change without notice.

Measured on two cores with a disk that writes 100 MB/s; a rehearsal measures it on the host and its rows.
"""

from __future__ import annotations

import re
from typing import Container, Mapping

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.catalogue import (
    PREPOPULATED,
    Revision,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.live import Table

# To lock, to copy the end of the binary log, to compare, and to let in, seconds.
BASE = 1.5
REVISION = 0.1  # seconds of each, of Alembic and our look
COPIED = 20e6  # bytes of a table that MySQL copies, in a second
INDEXED = 40e6  # bytes of a table of which it makes an index
COUNTED = 4e6  # rows, before and after
# Rows in a second: that a statement writes, that MLflow's code computes, and that it finds computed or deletes (87,000
# traces with all that belongs to them, 1.1 million rows, took 13 s).
WRITTEN, COMPUTED, COMPARED = 50e3, 2e3, 80e3
COPIES = re.compile(r"\b(?:MODIFY|CHANGE) |ADD (?:CONSTRAINT \S+ )?(?:FOREIGN|PRIMARY) KEY|DROP PRIMARY KEY")
INDEXES = re.compile(r"^CREATE (?:UNIQUE )?INDEX |ADD (?:CONSTRAINT \S+ )?(?:UNIQUE|INDEX|KEY|CHECK)")
TARGET = re.compile(
    r"^(?:ALTER TABLE|UPDATE|INSERT INTO|DELETE FROM|CREATE (?:UNIQUE )?INDEX \S+ ON) `?(\w+)"
)


def of_revision(revision: Revision, before: Container[int], tables: Mapping[str, Table]) -> float:
    """Seconds for `revision`, in a store with `tables`, without the statements whose numbers are in `before`."""
    seconds = REVISION
    for number, statement in enumerate(revision.statements):
        target = TARGET.match(statement.sql)
        table = tables.get(target[1]) if target else None
        if table is None or number in before:
            continue
        if statement.data and revision.computed:
            rate = COMPARED if revision.revision == PREPOPULATED else COMPUTED
            seconds += table.rows / rate
        elif statement.data:
            seconds += table.rows / WRITTEN
        elif COPIES.search(statement.sql) and number not in revision.replaced_keys:
            seconds += table.bytes / COPIED
        elif INDEXES.search(statement.sql):
            seconds += table.bytes / INDEXED
    return round(seconds, 2)


def whole(revisions: float, tables: Mapping[str, Table]) -> float:
    """Seconds of the write lock, with `revisions` for what is pending."""
    return round(BASE + revisions + 2 * sum(table.rows for table in tables.values()) / COUNTED, 1)
