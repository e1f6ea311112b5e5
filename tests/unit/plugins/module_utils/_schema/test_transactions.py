# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a migration's transaction gets, and what a member of a group bears."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import catalogue, transactions
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.live import Table

MIB = 1024 * 1024
ANALYTICS = "75868b020152"
# INSERTs of one row, or of one for each of a few grants.
SMALL = {"workspaces", "roles", "role_permissions", "user_role_assignments"}


def revision(name: str) -> catalogue.Revision:
    return next(one for one in catalogue.load().revisions if one.revision == name)


def of_size(**sizes: int) -> dict[str, Table]:
    return {name: Table(1, size * MIB) for name, size in sizes.items()}


def limits(**more: Any) -> transactions.Limits:
    return transactions.Limits(**{"group": 150_000_000, "cache": None, "in_group": True, **more})


def test_what_a_member_bears() -> None:
    for memory, pool in itertools.product((512, 1024, 2048, 4096, 16384, 262144), (128, 1024, 2048, 131072)):
        found = transactions.sizes(memory, pool)
        cache, limit = found["message_cache_size"] // MIB, found["transaction_size_limit"] // MIB
        assert 128 <= cache <= 1024  # MySQL refuses less
        assert 1 <= limit <= 300
        if memory - pool - 512 > 256:
            assert cache + 8 * limit <= memory - pool - 512
    assert transactions.sizes(4096, 2048) == {
        "message_cache_size": 384 * MIB,
        "transaction_size_limit": 144 * MIB,
    }


def test_a_transaction_ends_with_the_next_schema_statement() -> None:
    updated = of_size(spans=100, assessments=10)
    found = transactions.largest(revision(ANALYTICS), updated)
    assert (found.bytes, found.tables) == (220 * MIB, ("assessments", "spans"))
    assert transactions.largest(revision(ANALYTICS), updated, whole_rows=False).bytes == 110 * MIB
    # Rows are deleted in another one.
    deleted = of_size(trace_tags=100, trace_metrics=10, spans=1)
    found = transactions.largest(revision(ANALYTICS), deleted)
    assert (found.bytes, found.tables) == (110 * MIB, ("trace_metrics", "trace_tags"))


def test_rows_of_a_new_table_come_from_another_one() -> None:
    found = transactions.largest(revision("89d4b8295536"), of_size(metrics=200, runs=5))
    assert (found.bytes, found.tables) == (200 * MIB, ("metrics",))
    assert transactions.largest(revision("1b5f0d9ad7c1"), of_size(experiments=200)).bytes == 0


@pytest.mark.parametrize("app", ["tracking", "auth"])
def test_no_statement_of_any_migration_is_overlooked(app: str) -> None:
    for entry in catalogue.load(app).revisions:
        for statement in entry.statements:
            if statement.data:
                change = transactions.CHANGE.match(statement.sql)
                assert change, statement.sql
                if change["verb"] in ("INSERT INTO", "REPLACE INTO"):
                    assert change["table"] in {*transactions.SOURCES, *SMALL}, statement.sql


def test_a_blocker_has_the_numbers_and_the_remedy() -> None:
    pending = [revision(ANALYTICS), revision("8b6ad64cb8f5")]
    tables = of_size(spans=100, issues=1)
    (found,) = transactions.check_transactions(limits(), pending, tables)
    assert (found["name"], found["severity"]) == ("transaction_size", "error")
    assert "143 MiB (error 3100): 75868b020152 up to 200 MiB of spans" in found["message"]
    assert "8b6ad64cb8f5" not in found["message"]
    assert f"SET GLOBAL group_replication_transaction_size_limit = {200 * MIB}" in found["remedy"]
    assert "the playbook upgrade_schema" in found["remedy"]


def test_what_is_no_blocker() -> None:
    pending, tables = [revision(ANALYTICS)], of_size(spans=100)
    assert not transactions.check_transactions(limits(in_group=False), pending, tables)
    assert not transactions.check_transactions(limits(group=None), pending, tables)
    assert not transactions.check_transactions(limits(), pending, of_size(spans=10))
    (unseen,) = transactions.check_transactions(limits(in_group=None), pending, tables)
    assert unseen["severity"] == "warning"
    assert "could not be seen" in unseen["message"]


def test_any_server_has_a_limit_of_its_own() -> None:
    alone = limits(group=None, in_group=False, cache=50 * MIB)
    (found,) = transactions.check_transactions(alone, [revision(ANALYTICS)], of_size(spans=100))
    assert found["severity"] == "error"
    assert "max_binlog_cache_size lets pass, 50 MiB (error 1197)" in found["message"]
