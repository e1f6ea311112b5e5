# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs MLflow's migrations inside MLflow's own virtual environment. Private to this collection.

`mlflow_schema` hands the source of this file to the environment's interpreter, so it imports nothing of Ansible. Its
argument is MLflow's app. The order comes as a line of JSON through standard input, when MLflow is imported, since
arguments are for everyone to read. Each revision that is reached is one line of JSON on standard output, and a line of
input lets the next one begin.

Alembic is driven without MLflow's env.py: that of the auth app imports the whole web server, and connects in a
second session that waits for the first.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import re
import signal
import sys
import time
from typing import Any, Callable, Iterable

DIRECTORIES = {"tracking": "store/db_migrations", "auth": "server/auth/db/migrations"}
VERSION_TABLES = {"tracking": "alembic_version", "auth": "alembic_version_auth"}
READING = ("SELECT", "SHOW", "DESCRIBE", "DESC", "SET", "COMMIT", "ROLLBACK", "DO")
WRITING_ROWS = ("INSERT", "UPDATE", "DELETE", "REPLACE")
# A line on standard output when MLflow is imported and an order can come.
READY = "ready"
# What is executed in the place of a statement that is left out.
LEFT_OUT = "DO 0"
# Each costs a round trip, and the memory that they take.
ROWS_AT_A_TIME = 2000
# A row by its key.
KEY = r"[\w.`]+ = \?(?: AND [\w.`]+ = \?)*"


def normalise(statement: str) -> str:
    """A statement on one line, its parameters without their names and number."""
    text = re.sub(r"%(?:\(\w+\))?s", "?", " ".join(statement.split())).rstrip(";")
    text = re.sub(r" IN \(\?(?:, \?)*\)", " IN (?)", text)
    # A condition for each row of a batch, which has no parentheses where there is one row.
    text = re.sub(rf"({KEY})(?: OR \1)+(?=\))", r"\1", text)
    text = re.sub(rf"(?<= )\(({KEY})\)", r"\1", text)
    return re.sub(r"( VALUES )(\((?:\?, )*\?\))(?:, \2)+", r"\1\2", text)


def first_word(statement: str) -> str:
    return statement.split(None, 1)[0].upper()


def version_statement(statement: str) -> bool:
    """Whether a statement records which revision was reached."""
    return re.match(r"\s*(INSERT INTO|UPDATE|DELETE FROM) alembic_version", statement) is not None


def open_engine(order: dict[str, Any]) -> Any:
    """An engine for the login in `order`."""
    from sqlalchemy import create_engine
    from sqlalchemy.engine import URL
    from sqlalchemy.pool import NullPool

    begin = order.get("session") or "SET SESSION sql_safe_updates = 0"
    arguments: dict[str, Any] = {
        "init_command": f"{begin}, SESSION lock_wait_timeout = {order['lock_timeout']:d}"
    }
    if order.get("unix_socket"):
        arguments["unix_socket"] = order["unix_socket"]
    elif order.get("ssl"):
        arguments["ssl"] = order["ssl"]
    # PyMySQL sends a password in Latin-1 where MySQL hashed its UTF-8 form, hence the round trip.
    password = order["password"].encode("utf-8").decode("latin-1")
    url = URL.create(
        "mysql+pymysql", order["user"], password, order["host"], order["port"], order["database"]
    )
    return create_engine(url, connect_args=arguments, poolclass=NullPool)


def listen(
    engine: Any, change: Callable[[Any, str, Any, bool], tuple[str, Any, int | None]]
) -> Callable[[], None]:
    """Let `change` rewrite each statement and its parameters; returns what ends that.

    `change` gets the cursor too, and returns how many rows a statement that it leaves out is to have changed (None:
    it leaves out none).
    """
    from sqlalchemy import event

    rows: int | None = None

    def before(
        conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> tuple[str, Any]:
        nonlocal rows
        statement, parameters, rows = change(cursor, statement, parameters, many)
        return statement, parameters

    def after(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if rows is not None:
            cursor.rowcount = rows
            # SQLAlchemy has counted by itself where there are many parameters; it reads this first, from 1.4 on.
            context._rowcount = rows

    event.listen(engine, "before_cursor_execute", before, retval=True)
    event.listen(engine, "after_cursor_execute", after)

    def end() -> None:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "after_cursor_execute", after)

    return end


def distinct_names(statement: str) -> str:
    """MLflow's auth app gives two foreign keys one name, which MySQL refuses (error 1826)."""
    if re.match(r"\s*CREATE TABLE registered_model_permissions\b", statement):
        return statement.replace(
            "CONSTRAINT fk_user_id ", "CONSTRAINT fk_registered_model_permissions_user_id "
        )
    return statement


def rows_again(cursor: Any, statement: str, parameters: Any, many: bool) -> int:
    """How many rows a statement finds that an interrupted migration has done, for callers that look at the number.

    An UPDATE or DELETE is done once more, and undone at once: a loop that goes on until there are no rows left ends,
    and one that counts what it has changed by key finds all of it. Each set of parameters stands for a row where that
    cannot be: an INSERT would find its own rows, and what a statement needs may be gone by now.
    """
    connection = cursor.connection
    guess = len(parameters) if many else 1
    if first_word(statement) not in ("UPDATE", "DELETE") or connection.get_autocommit():
        return guess
    with connection.cursor() as another:
        another.execute("SAVEPOINT done_before")
        try:
            return int(
                another.executemany(statement, parameters) if many else another.execute(statement, parameters)
            )
        except connection.Error:
            return guess
        finally:
            another.execute("ROLLBACK TO SAVEPOINT done_before")


def skip_done(
    revision: str, done: Iterable[str], written: Iterable[str] = (), known: Iterable[str] | None = None
) -> Callable[..., Any]:
    """What leaves out the statements that an interrupted migration has done.

    `done` are its schema statements that were done, `written` the templates of the statements whose rows those
    committed, `known` all of its statements: one that is none of them ends the run before it is executed. So does
    one that changes rows, where others have done so: it may be done as well. None: it was not interrupted, and what
    is done was done ahead.
    """
    left, rows, every = list(done), set(written), None if known is None else set(known)

    def change(cursor: Any, statement: str, parameters: Any, many: bool) -> tuple[str, Any, int | None]:
        text = normalise(statement)
        if first_word(text) in READING or version_statement(text):
            return statement, parameters, None
        if text in rows:
            found = rows_again(cursor, statement, parameters, many)
            return LEFT_OUT, [()] if many else (), found
        if text in left:
            left.remove(text)
            return LEFT_OUT, (), 0
        if every is not None and text not in every and (rows or first_word(text) not in WRITING_ROWS):
            raise RuntimeError(f"the migration {revision} wants a statement that is not its own: {text}")
        return statement, parameters, None

    return change


def without_checks(engine: Any, statements: Iterable[str]) -> Callable[[], None]:
    """Let MySQL add the foreign keys of `statements` without reading the table anew; returns what ends that.

    With the check it copies the table, as it does for any other.
    """
    from sqlalchemy import event

    own = frozenset(statements)
    off = False

    def switch(cursor: Any, on: bool) -> None:
        nonlocal off
        off = not on
        with cursor.connection.cursor() as another:
            another.execute(f"SET SESSION foreign_key_checks = {on:d}")

    def before(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if normalise(statement) in own:
            switch(cursor, on=False)

    # The statement may be another one by then, if it is left out.
    def after(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if off:
            switch(cursor, on=True)

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)

    def end() -> None:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "after_cursor_execute", after)

    return end


def accept_own_columns(module: Any) -> None:
    """Let the migration 75868b020152, a `module`, accept a column as it is at that migration's own end.

    It compares the columns that it finds with what it makes first, and one of them it changes later. That they are
    its own was found out before, from the catalogue.
    """
    import mlflow.store.db.trace_analytics_schema_75868b020152 as columns

    # The migration has a name of its own for the same function.
    columns._validate_existing_column = module._validate_existing_column = lambda *_arguments: None


def hasten(module: Any) -> None:
    """Let the migration 75868b020152, a `module`, read more rows at a time, and delete without looking for the rows.

    It looks for the next 250 from the first one on, past all that it has deleted, so that the time grows with the
    square of their number. It deletes the rows of the same keys.
    """
    module._BATCH_SIZE = ROWS_AT_A_TIME

    def delete(table: Any, keys: Any) -> None:
        module.op.get_bind().execute(table.delete().where(table.c.key.in_(list(keys))))

    module._delete_trace_rows = delete
    module._delete_span_metric_rows = lambda table: delete(table, module._COST_COLUMNS)


def prepare(engine: Any) -> dict[str, dict[str, int]]:
    """Compute ahead what the migration 75868b020152 computes of traces. MLflow may go on meanwhile.

    As `mlflow db prepopulate-trace-analytics` does, whose address would be for everyone to read. That command wants a
    store at the revision before; that all it reads is there, the caller has found out.
    """
    import mlflow.store.db.trace_analytics_prepopulation as analytics

    analytics._validate_schema_revision = lambda *_arguments: None
    found = analytics.prepopulate_trace_analytics(engine)
    parts = {"traces": found.traces, "spans": found.spans, "assessments": found.assessments}
    return {name: {"scanned": part.scanned, "updated": part.updated} for name, part in parts.items()}


class Migrations:
    """The migrations of the MLflow of this interpreter, for one of its apps."""

    def __init__(self, app: str) -> None:
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        found = importlib.util.find_spec("mlflow")
        if found is None or not found.submodule_search_locations:
            raise SystemExit("there is no MLflow in this environment")
        self.app = app
        directory = os.path.join(next(iter(found.submodule_search_locations)), DIRECTORIES[app])
        self.config = Config()
        self.config.set_main_option("script_location", directory.replace("%", "%%"))
        self.script = ScriptDirectory.from_config(self.config)

    def revisions(self) -> list[Any]:
        """Alembic's scripts, oldest first."""
        return list(self.script.walk_revisions())[::-1]

    def make_initial(self, engine: Any) -> None:
        """Make the tables that come before the first revision."""
        if self.app == "tracking":
            from mlflow.store.tracking.dbmodels.initial_models import Base

            Base.metadata.create_all(engine)

    def upgrade(self, engine: Any, revision: str) -> None:
        """Go up to `revision`."""
        from alembic.runtime.environment import EnvironmentContext

        def steps(current: Any, context: Any) -> Any:
            return self.script._upgrade_revs(revision, current)

        end = None
        if self.app == "auth":
            end = listen(
                engine,
                lambda cursor, statement, parameters, many: (distinct_names(statement), parameters, None),
            )
        try:
            with EnvironmentContext(
                self.config, self.script, fn=steps, destination_rev=revision
            ) as environment:
                with engine.begin() as connection:
                    environment.configure(
                        connection=connection, version_table=VERSION_TABLES[self.app], render_as_batch=True
                    )
                    with environment.begin_transaction():
                        environment.run_migrations()
        finally:
            if end:
                end()


def main() -> None:
    # When the module is killed, its lock is gone: PR_SET_PDEATHSIG (1) ends the migrations with it.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    migrations = Migrations(sys.argv[1])
    # What they import takes seconds: it is there when the order comes.
    import sqlalchemy

    sqlalchemy.create_engine("mysql+pymysql://")
    migrations.revisions()
    sys.stdout.write(READY + "\n")
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        return
    order = json.loads(line)
    engine = open_engine(order)
    if order.get("prepare"):
        sys.stdout.write(json.dumps({"prepared": prepare(engine)}) + "\n")
        return
    if "75868b020152" in order["revisions"]:
        module = migrations.script.get_revision("75868b020152").module
        if (order.get("finish") or {}).get("revision") == "75868b020152":
            accept_own_columns(module)
        else:
            hasten(module)
    if order.get("initial"):
        migrations.make_initial(engine)
    for number, revision in enumerate(order["revisions"]):
        if number and not sys.stdin.readline():
            raise SystemExit("stopped before revision " + revision)
        started = time.monotonic()
        finish, ahead = order.get("finish") or {}, (order.get("ahead") or {}).get(revision)
        end, unchecked = None, without_checks(engine, (order.get("unchecked") or {}).get(revision, ()))
        if finish.get("revision") == revision:
            end = listen(engine, skip_done(revision, finish["done"], finish["written"], finish["known"]))
        elif ahead:
            end = listen(engine, skip_done(revision, ahead))
        migrations.upgrade(engine, revision)
        unchecked()
        if end:
            end()
        reached = {"revision": revision, "seconds": round(time.monotonic() - started, 3)}
        sys.stdout.write(json.dumps(reached) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
