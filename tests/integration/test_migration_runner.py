# SPDX-License-Identifier: GPL-3.0-or-later
"""What a migration sees when it is finished: its done statements are left out, and it does not notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    migration_runner as runner,
)
from conftest import MySQL

DATABASE = "half_way"
MOVED = "UPDATE moved SET value=? WHERE moved.id = ?"
LOOPED = "UPDATE moved SET value = 0 WHERE value IS NULL LIMIT 2"
TAKEN = "DELETE FROM moved WHERE moved.id IN (?)"
PUT = "INSERT INTO moved (id, value) VALUES (?, ?)"
FROM_GONE = "UPDATE moved SET value = gone"


@pytest.fixture
def engine(clean: MySQL) -> Iterator[Any]:
    clean.execute(f"CREATE DATABASE {DATABASE}")
    clean.execute(f"CREATE TABLE {DATABASE}.moved (id INT AUTO_INCREMENT PRIMARY KEY, value DOUBLE)")
    clean.execute(f"INSERT INTO {DATABASE}.moved VALUES (1, 0.1), (2, 0.2), (3, 0.3)")
    engine = runner.open_engine(
        {
            "user": "root",
            "password": clean.root_password,
            "host": "",
            "port": 0,
            "unix_socket": clean.socket,
            "database": DATABASE,
            "lock_timeout": 30,
        }
    )
    yield engine
    engine.dispose()


@pytest.fixture
def finishing(engine: Any) -> Callable[..., Any]:
    """An engine for a migration whose statements that change rows are done."""

    def listen(*written: str, known: tuple[str, ...] = ()) -> Any:
        runner.listen(engine, runner.skip_done("a revision", [], written, [*written, *known]))
        return engine

    return listen


def moved() -> sa.Table:
    return sa.Table(
        "moved",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("value", sa.Float(53)),
    )


def rows(mysql: MySQL) -> list[tuple[Any, ...]]:
    return mysql.execute(f"SELECT id, value FROM {DATABASE}.moved ORDER BY id")


def update_of_each() -> Any:
    table = moved()
    return table.update().where(table.c.id == sa.bindparam("the_id")).values(value=sa.bindparam("new"))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_rows_that_are_counted_by_their_keys(mysql: MySQL, finishing: Any, number: int) -> None:
    before = rows(mysql)
    updates = [{"the_id": n, "new": None} for n in range(1, number + 1)]
    with finishing(MOVED).begin() as connection:
        assert connection.execute(update_of_each(), updates).rowcount == number
    assert rows(mysql) == before


def test_a_loop_that_goes_on_until_no_row_is_left_ends(mysql: MySQL, finishing: Any) -> None:
    with finishing(LOOPED).begin() as connection:
        assert connection.execute(sa.text(LOOPED)).rowcount == 0
        assert connection.exec_driver_sql(LOOPED).rowcount == 0


def test_rows_that_are_gone_and_rows_that_are_not(mysql: MySQL, finishing: Any) -> None:
    table = moved()
    with finishing(TAKEN).begin() as connection:
        assert connection.execute(table.delete().where(table.c.id.in_([7, 8]))).rowcount == 0
        assert connection.execute(table.delete().where(table.c.id.in_([1, 8]))).rowcount == 1
    assert len(rows(mysql)) == 3


def test_rows_that_are_there_already(mysql: MySQL, finishing: Any) -> None:
    before = rows(mysql)
    with finishing(PUT).begin() as connection:
        assert connection.execute(moved().insert(), [{"id": n, "value": 1.0} for n in (1, 2)]).rowcount == 2
        connection.execute(moved().insert().values([{"id": 1, "value": 1.0}, {"id": 2, "value": 1.0}]))
    assert rows(mysql) == before


def test_what_a_done_statement_needs_may_be_gone(mysql: MySQL, finishing: Any) -> None:
    with finishing(FROM_GONE).begin() as connection:
        assert connection.execute(sa.text(FROM_GONE)).rowcount == 1
        assert connection.execute(sa.text("SELECT COUNT(*) FROM moved")).scalar_one() == 3


def test_nothing_is_done_again_where_it_could_not_be_undone(mysql: MySQL, finishing: Any) -> None:
    before = rows(mysql)
    with finishing(MOVED).connect() as connection:
        by_itself = connection.execution_options(isolation_level="AUTOCOMMIT")
        assert by_itself.execute(update_of_each(), [{"the_id": 1, "new": None}]).rowcount == 1
    assert rows(mysql) == before


def test_what_is_not_done_is_done(mysql: MySQL, finishing: Any) -> None:
    with finishing(LOOPED, known=(MOVED,)).begin() as connection:
        connection.execute(update_of_each(), [{"the_id": 1, "new": 5.0}, {"the_id": 2, "new": 6.0}])
    assert rows(mysql) == [(1, 5.0), (2, 6.0), (3, 0.3)]


def test_a_key_that_replaces_one_is_not_checked_with_every_row(engine: Any) -> None:
    """That keeps MySQL from copying the table; any other statement is checked, and all of them afterwards."""
    key = "ALTER TABLE moved ADD CONSTRAINT fk FOREIGN KEY(id) REFERENCES parents (id)"
    end = runner.without_checks(engine, [runner.normalise(f"{key} ON DELETE CASCADE")])
    asked = sa.text("SELECT @@SESSION.foreign_key_checks")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE parents (id INT PRIMARY KEY)")
        with pytest.raises(sa.exc.IntegrityError):
            connection.exec_driver_sql(key)
        # The rows have no parent, and nobody looks.
        connection.exec_driver_sql(f"{key}  ON DELETE CASCADE")
        assert connection.execute(asked).scalar() == 1
        connection.exec_driver_sql("ALTER TABLE moved DROP FOREIGN KEY fk")
        end()
        with pytest.raises(sa.exc.IntegrityError):
            connection.exec_driver_sql(f"{key} ON DELETE CASCADE")


def test_rows_are_not_changed_by_a_statement_that_nobody_knows(mysql: MySQL, finishing: Any) -> None:
    before = rows(mysql)
    with finishing(MOVED).begin() as connection:
        with pytest.raises(RuntimeError, match="wants a statement that is not its own"):
            connection.execute(sa.text("DELETE FROM moved"))
    assert rows(mysql) == before


@pytest.mark.parametrize(
    ("statements", "template"),
    [
        (
            [
                "DELETE FROM t WHERE t.a = %(a_1)s AND t.b = %(b_1)s AND t.`key` IN (%(k_1)s)",
                "DELETE FROM t WHERE (t.a = %s AND t.b = %s OR t.a = %s AND t.b = %s) AND t.`key` IN (%s, %s)",
            ],
            "DELETE FROM t WHERE t.a = ? AND t.b = ? AND t.`key` IN (?)",
        ),
        (
            [
                "INSERT INTO t (a, b)\n VALUES (%(a)s, %(b)s);",
                "INSERT INTO t (a, b) VALUES (%s, %s), (%s, %s), (%s, %s)",
            ],
            "INSERT INTO t (a, b) VALUES (?, ?)",
        ),
    ],
)
def test_the_size_of_a_batch_makes_no_other_statement(statements: list[str], template: str) -> None:
    assert {runner.normalise(statement) for statement in statements} == {template}


def test_what_a_migration_deletes_is_deleted_at_once(engine: Any) -> None:
    """The rows of the same keys, by the names that MLflow's migration has for it."""
    (script,) = [one for one in runner.Migrations("tracking").revisions() if one.revision == "75868b020152"]
    module = script.module
    names = ("_BATCH_SIZE", "_delete_trace_rows", "_delete_span_metric_rows", "_COST_COLUMNS", "op")
    assert all(hasattr(module, name) for name in names)
    runner.hasten(module)
    metadata = sa.MetaData()
    table = sa.Table("deleted", metadata, sa.Column("key", sa.String(50)), sa.Column("id", sa.Integer))
    with engine.begin() as connection:
        metadata.create_all(connection)
        keys = [*module._COST_COLUMNS, "mlflow.traceName", "kept"]
        connection.execute(
            table.insert(), [{"key": key, "id": number} for key in keys for number in range(3)]
        )
        with Operations.context(MigrationContext.configure(connection)):
            module._delete_trace_rows(table, ["mlflow.traceName"])
            left = {key for (key,) in connection.execute(sa.select(table.c.key))}
            assert left == {*module._COST_COLUMNS, "kept"}
            module._delete_span_metric_rows(table)
        assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 3
