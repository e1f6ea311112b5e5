# SPDX-License-Identifier: GPL-3.0-or-later
"""What would stop a migration, each made on a real server; where it can be, with the error that it causes."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import (
    connection as mysql_connection,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    blockers as schema_blockers,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.live import read_schema
from conftest import MySQL, docker, free_port, wait_for_login
from default_versions import MYSQL_IMAGE

DATABASE = "ml_flow`%1"
MIGRATOR = "migrator"
PASSWORD = "it's %s"
RIGHTS = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, REFERENCES, DROP, TRIGGER"
EXACT = "utf8mb4_0900_bin"
MERGING = "utf8mb4_0900_ai_ci"


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


PATTERN = quoted(DATABASE.replace("_", "\\_").replace("%", "\\%"))


def table(name: str) -> str:
    return f"{quoted(DATABASE)}.{quoted(name)}"


@contextmanager
def changed(server: MySQL, **settings: Any) -> Iterator[None]:
    """Global settings for a while."""
    before = {name: server.execute(f"SELECT @@global.{name}")[0][0] for name in settings}
    try:
        for name, value in settings.items():
            server.execute(f"SET GLOBAL {name} = %s", value)
        yield
    finally:
        for name, value in reversed(before.items()):
            server.execute(f"SET GLOBAL {name} = %s", value)


def make_store(server: MySQL, database: str = DATABASE, collation: str = EXACT) -> None:
    """A database with the tables that hold keys, and an account that may migrate it."""
    name = quoted(database)
    server.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE {collation}")
    server.execute(f"CREATE TABLE {name}.runs (run_uuid VARCHAR(32) PRIMARY KEY)")
    for keyed in ("latest_metrics", "params", "tags"):
        server.execute(
            f"CREATE TABLE {name}.{keyed} (`key` VARCHAR(250), run_uuid VARCHAR(32), PRIMARY KEY (`key`, run_uuid), "
            f"FOREIGN KEY (run_uuid) REFERENCES {name}.runs (run_uuid))"
        )
    server.execute("CREATE USER %s@localhost IDENTIFIED BY %s", MIGRATOR, PASSWORD)


def connect(server: MySQL, user: str = MIGRATOR) -> Any:
    password = server.root_password if user == "root" else PASSWORD
    return mysql_connection.connect(mysql_connection.Address(unix_socket=server.socket), user, password)


@dataclass(frozen=True)
class Store:
    """A store in `server`, looked at anew by each call, as one account."""

    server: MySQL
    database: str = DATABASE

    def read(self, user: str = MIGRATOR) -> schema_blockers.Server:
        with closing(connect(self.server, user)) as connection:
            return schema_blockers.read_server(connection, self.database)

    def blockers(self, user: str = MIGRATOR, **more: Any) -> dict[str, dict[str, Any]]:
        with closing(connect(self.server, user)) as connection:
            server = schema_blockers.read_server(connection, self.database)
            live = read_schema(connection, self.database)
            found = schema_blockers.find_blockers(
                connection, server, self.database, live.tables, live.collation, **more
            )
        for one in found:
            assert set(one) == {"name", "severity", "message", "remedy"}
            assert one["severity"] in ("error", "warning")
        by_name = {one["name"]: one for one in found}
        assert len(by_name) == len(found)
        return by_name

    def only(self, name: str, user: str = MIGRATOR, **more: Any) -> dict[str, Any]:
        """The one blocker that there is."""
        found = self.blockers(user, **more)
        assert list(found) == [name]
        return found[name]

    def run(self, statements: str, user: str = "root") -> None:
        """Do what a remedy says, as pasted into a client."""
        with closing(connect(self.server, user)) as connection, connection.cursor() as cursor:
            for statement in statements.split("; "):
                cursor.execute(statement)

    def refusal(self, *statements: str) -> int:
        """The number of the error that ends `statements` of the migrator, 0 if none does."""
        with closing(connect(self.server)) as connection, connection.cursor() as cursor:
            try:
                for statement in statements:
                    cursor.execute(statement, ())  # `%%` is a `%`, as in `quoted`
            except pymysql.err.MySQLError as error:
                return int(error.args[0])
        return 0


@pytest.fixture
def store(clean: MySQL) -> Iterator[Store]:
    """A store that nothing is wrong with."""
    make_store(clean)
    clean.execute(f"GRANT {RIGHTS} ON {PATTERN}.* TO %s@localhost", MIGRATOR)
    with changed(clean, lock_wait_timeout=3600):
        yield Store(clean)


@pytest.mark.parametrize("user", [MIGRATOR, "root"])
def test_clean_store(store: Store, user: str) -> None:
    assert store.blockers(user, free_bytes=10**10) == {}


def test_facts(store: Store) -> None:
    facts = store.read().facts()
    assert json.loads(json.dumps(facts)) == facts
    expected = {
        "version": store.server.execute("SELECT VERSION()")[0][0],
        "version_comment": store.server.execute("SELECT @@version_comment")[0][0],
        "lower_case_table_names": 0,
        "log_bin": True,
        "log_bin_trust_function_creators": True,
        "sql_require_primary_key": False,
        "super_read_only": False,
        "lock_wait_timeout": 3600,
        "default_storage_engine": "InnoDB",
        "datadir": "/var/lib/mysql/",
        "charset": "utf8mb4",
        "collation": EXACT,
        "user": f"{MIGRATOR}@localhost",
        "privileges": sorted(RIGHTS.split(", ")),
        "sessions_visible": False,
    }
    assert {name: facts[name] for name in expected} == expected
    assert "STRICT_TRANS_TABLES" in facts["sql_mode"]
    assert "sessions" not in facts


def test_reading_is_quick_and_needs_four_queries(store: Store) -> None:
    def statements(cursor: Any) -> int:
        cursor.execute("SHOW SESSION STATUS LIKE 'Questions'")
        return int(cursor.fetchone()[1])

    with closing(connect(store.server, "root")) as connection, connection.cursor() as cursor:
        before = statements(cursor)
        schema_blockers.read_server(connection, DATABASE)
        assert statements(cursor) - before - 1 == 4
        taken = []
        for _attempt in range(10):
            start = time.monotonic()
            schema_blockers.read_server(connection, DATABASE)
            taken.append(time.monotonic() - start)
    assert min(taken) < 0.01


def test_database_that_does_not_exist(store: Store) -> None:
    server = Store(store.server, "nowhere").read("root")
    assert (server.charset, server.collation) == (None, None)


TRIGGER = f"CREATE TRIGGER {table('t')} BEFORE INSERT ON {table('runs')} FOR EACH ROW SET NEW.run_uuid = ''"


def test_binary_log_trust(store: Store) -> None:
    with changed(store.server, log_bin_trust_function_creators=0):
        found = store.only("binary_log_trust")
        assert found["severity"] == "error"
        assert "log_bin_trust_function_creators: 'ON' in mlflow_mysql_settings" in found["remedy"]
        assert store.refusal(TRIGGER) == 1419
        # Of all rights only SUPER avoids it, also through a role.
        store.server.execute("GRANT SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER ON *.* TO migrator@localhost")
        assert store.refusal(TRIGGER) == 1419
        assert "binary_log_trust" in store.blockers()
        assert "binary_log_trust" not in store.blockers("root")
        store.server.execute("CREATE ROLE chief")
        try:
            store.server.execute("GRANT SUPER ON *.* TO chief")
            store.server.execute("GRANT chief TO migrator@localhost")
            assert store.refusal(TRIGGER) == 1419
            assert "binary_log_trust" in store.blockers()
            store.server.execute("SET DEFAULT ROLE chief TO migrator@localhost")
            assert "binary_log_trust" not in store.blockers()
            assert store.refusal(TRIGGER) == 0
        finally:
            store.server.execute("DROP ROLE chief")


def test_primary_key_required(store: Store) -> None:
    drop = f"ALTER TABLE {table('params')} DROP PRIMARY KEY, DROP FOREIGN KEY params_ibfk_1"
    with changed(store.server, sql_require_primary_key=1):
        assert store.only("primary_key_required")["severity"] == "error"
        assert store.refusal(drop) == 3750
    assert store.refusal(drop) == 0


@pytest.mark.parametrize(
    ("settings", "code", "statements"),
    [
        ({"sql_safe_updates": 1}, 1175, [f"UPDATE {table('params')} SET `key` = CONCAT(`key`, 'x')"]),
        ({"sql_select_limit": 1}, 0, []),
        (
            {"max_join_size": 1},
            1104,
            [f"SELECT * FROM {table('runs')} a, {table('runs')} b, {table('runs')} c"],
        ),
        ({"sql_big_selects": 0, "max_join_size": 1000}, 0, []),
        ({"completion_type": "RELEASE"}, 2006, ["BEGIN", "COMMIT", "SELECT 1"]),
        (
            {"binlog_format": "STATEMENT", "transaction_isolation": "READ-COMMITTED"},
            1665,
            [f"INSERT INTO {table('runs')} VALUES ('new')"],
        ),
    ],
)
def test_what_new_sessions_get(
    store: Store, settings: dict[str, Any], code: int, statements: list[str]
) -> None:
    """It is seen, and what looks, or migrates, does not have it."""
    for number in range(3):
        store.server.execute(f"INSERT INTO {table('runs')} VALUES ('{number}')")
        store.server.execute(f"INSERT INTO {table('params')} VALUES ('{number}', '{number}')")
    with changed(store.server, **settings):
        found = store.only("session_defaults")
        assert found["severity"] == "error"
        assert any(name in found["message"] for name in settings)
        connection = pymysql.connect(  # as MLflow's
            unix_socket=store.server.socket, user=MIGRATOR, password=PASSWORD.encode(), autocommit=True
        )
        with closing(connection), connection.cursor() as cursor:
            refused = 0
            try:
                for statement in statements:
                    cursor.execute(statement, ())
            except pymysql.err.MySQLError as error:
                refused = int(error.args[0])
        assert refused == code or (refused, code) == (2013, 2006)  # which says the same
        if "binlog_format" not in settings:
            assert store.refusal(*statements) == 0
        with closing(connect(store.server)) as ours, ours.cursor() as cursor:
            assert cursor.execute(f"SELECT * FROM {table('runs')}", ()) == 3
        store.run(found["remedy"].partition(", and take")[0], "root")
        assert store.blockers() == {}


def test_invisible_primary_key(store: Store) -> None:
    with changed(store.server, sql_generate_invisible_primary_key=1):
        assert store.only("invisible_primary_key")["severity"] == "error"
        assert store.refusal(f"CREATE TABLE {table('keyless')} (a INT)") == 0
    columns = "SELECT column_name FROM information_schema.columns WHERE table_name = 'keyless'"
    assert ("my_row_id",) in store.server.execute(columns)


def test_charset(store: Store) -> None:
    execute = store.server.execute
    execute(f"ALTER DATABASE {quoted(DATABASE)} CHARACTER SET latin1")
    execute(f"CREATE TABLE {table('old')} (a VARCHAR(9)) CHARACTER SET ascii")
    execute(f"CREATE TABLE {table('bytes')} (a VARCHAR(9)) CHARACTER SET binary")
    # A binary column, as MLflow has some, and JSON have no character set.
    execute(
        f"CREATE TABLE {table('mixed')} (a VARCHAR(9) CHARACTER SET utf8mb3, b BLOB, c JSON, "
        f"d VARCHAR(9) COLLATE utf8mb4_bin) COLLATE {EXACT}"
    )
    found = store.only("charset")
    assert found["severity"] == "error"
    listed = found["message"].split(": ", 1)[1].split(", ")
    wrong = ["the database (latin1)", "table bytes (binary)", "table old (ascii)", "column mixed.a (utf8mb3)"]
    assert listed == wrong
    store.run(found["remedy"].split(": ", 1)[1].split("; then MODIFY")[0])
    assert "mixed.d back to utf8mb4_bin" in found["remedy"]
    assert store.blockers() == {}


def test_collation_mismatch(store: Store) -> None:
    execute = store.server.execute
    execute(f"ALTER DATABASE {quoted(DATABASE)} COLLATE {MERGING}")
    child = f"CREATE TABLE {table('child')} (r VARCHAR(32), FOREIGN KEY (r) REFERENCES {table('runs')} (run_uuid))"
    assert store.refusal(child) == 3780
    execute(f"CREATE TABLE {table('odd')} (a VARCHAR(9))")
    execute(f"ALTER TABLE {table('params')} ADD COLUMN note VARCHAR(9) COLLATE utf8mb4_general_ci")
    execute(f"ALTER TABLE {table('tags')} ADD COLUMN own VARCHAR(9) COLLATE utf8mb4_bin")
    found = store.only("collation_mismatch")
    assert found["severity"] == "error"
    assert (
        f"the database ({MERGING}), table odd ({MERGING}), column params.note (utf8mb4_general_ci)."
        in (found["message"])
    )
    assert "tags" not in found["message"]
    store.run(found["remedy"].split(": ", 1)[1])
    assert store.blockers() == {}
    assert store.refusal(child) == 0


def test_remedy_of_a_collation_mismatch_goes_through_foreign_keys(store: Store) -> None:
    """Most tables have the merging collation here, and both ends of foreign keys are to be changed."""
    for number in range(5):
        store.server.execute(f"CREATE TABLE {table(f't{number}')} (a VARCHAR(9)) COLLATE {MERGING}")
    found = store.blockers()
    assert sorted(found) == ["collation_merges_keys", "collation_mismatch"]
    store.run(found["collation_mismatch"]["remedy"].split(": ", 1)[1])
    assert sorted(store.blockers()) == ["collation_merges_keys"]


@pytest.fixture
def merging(clean: MySQL) -> Iterator[Store]:
    """A store that takes `Loss` for `loss`."""
    make_store(clean, collation=MERGING)
    clean.execute(f"GRANT {RIGHTS} ON {PATTERN}.* TO %s@localhost", MIGRATOR)
    with changed(clean, lock_wait_timeout=3600):
        yield Store(clean)


def insert(server: MySQL, name: str, *keys: str) -> None:
    """A run for each of `keys`."""
    for key in keys:
        run = secrets.token_hex(16)
        server.execute(f"INSERT INTO {table('runs')} VALUES (%s)", run)
        server.execute(f"INSERT INTO {table(name)} (`key`, run_uuid) VALUES (%s, %s)", key, run)


def test_collation_merges_keys(merging: Store) -> None:
    insert(merging.server, "params", "loss", "loss", "lr")
    found = merging.only("collation_merges_keys")
    assert found["severity"] == "warning"
    assert MERGING in found["message"]
    assert "Whether" not in found["message"]


def test_collation_of_an_empty_database(clean: MySQL) -> None:
    clean.execute(f"CREATE DATABASE {quoted(DATABASE)} COLLATE {MERGING}")
    with changed(clean, lock_wait_timeout=60):
        assert "ALTER TABLE" not in Store(clean).only("collation_merges_keys", "root")["remedy"]


def test_keys_collide(merging: Store) -> None:
    insert(merging.server, "latest_metrics", "Loss", "loss", "loss", "accuracy")
    insert(merging.server, "params", "é", "e", "A", "a", "B", "b", "C", "c")
    found = merging.blockers()
    assert sorted(found) == ["collation_merges_keys", "keys_collide"]
    assert {one["severity"] for one in found.values()} == {"warning"}
    message = found["keys_collide"]["message"]
    assert "latest_metrics: Loss and loss; params: A and a, B and b, C and c and more" in message
    assert "tags" not in message


def test_keys_do_not_collide_in_an_exact_collation(store: Store) -> None:
    insert(store.server, "params", "Loss", "loss")
    assert store.blockers() == {}


def test_look_at_keys_is_given_up(merging: Store) -> None:
    """A table that takes too long, here as it is locked, holds nobody up."""
    insert(merging.server, "tags", "Loss", "loss")
    with closing(merging.server.root()) as other, other.cursor() as cursor:
        cursor.execute(f"LOCK TABLES {table('params')} WRITE", ())
        start = time.monotonic()
        found = merging.blockers()
        assert time.monotonic() - start < 5
    assert "Existing rows of params could not be checked" in found["collation_merges_keys"]["message"]
    assert "tags: Loss and loss" in found["keys_collide"]["message"]


def test_keys_that_may_not_be_read(merging: Store) -> None:
    merging.server.execute(f"REVOKE SELECT ON {PATTERN}.* FROM migrator@localhost")
    found = merging.blockers()
    assert sorted(found) == ["collation_merges_keys", "grants"]
    assert "could not be checked" in found["collation_merges_keys"]["message"]


def test_sql_mode(store: Store) -> None:
    with changed(store.server, sql_mode="NO_ZERO_DATE"):
        found = store.only("sql_mode")
        assert found["severity"] == "error"
        assert "SET GLOBAL sql_mode = 'NO_ZERO_DATE,STRICT_TRANS_TABLES'" in found["remedy"]
    with changed(store.server, sql_mode="STRICT_ALL_TABLES"):
        assert store.blockers() == {}


def test_sql_mode_of_new_logins(store: Store) -> None:
    with changed(store.server, init_connect="SET SESSION sql_mode = ''"):
        found = store.only("sql_mode")
        assert "of this login has" in found["message"]
        assert "init_connect" in found["remedy"]
        assert store.blockers("root") == {}  # init_connect is not for those who have CONNECTION_ADMIN


ACTIONS = {
    "SELECT": "SELECT run_uuid FROM {}",
    "INSERT": "INSERT INTO {} VALUES ('1')",
    "UPDATE": "UPDATE {} SET run_uuid = '2'",
    "DELETE": "DELETE FROM {}",
    "CREATE": "CREATE TABLE `ml_flow`.made (a INT)",
}


ONE_TABLE = ["SELECT ON ml_flow.runs"]


def escaped(pattern: str) -> str:
    return pattern.replace("%", "%%")


@pytest.mark.parametrize(
    ("grants", "expected"),
    [
        ([], ""),
        (["SELECT ON *.*", "INSERT ON `ml\\_flow`.*"], "SELECT INSERT"),
        (["ALL ON *.*"], "SELECT INSERT UPDATE DELETE CREATE"),
        (["ALL ON `ml\\_flow`.*"], "SELECT INSERT UPDATE DELETE CREATE"),
        (["ALL ON `ml%`.*"], "SELECT INSERT UPDATE DELETE CREATE"),
        (["SELECT ON `ml_flow`.*"], "SELECT"),
        (["SELECT ON `mlXflow`.*", "INSERT ON `ml\\_fl`.*", "CREATE ON `m\\%`.*"], ""),
        (ONE_TABLE, ""),
        # The most specific pattern alone counts.
        (["SELECT ON `ml%`.*", "INSERT ON `ml\\_flow`.*"], "INSERT"),
        (["SELECT ON `ml%`.*", "INSERT ON `m%`.*", "UPDATE ON `%`.*"], "SELECT"),
    ],
)
@pytest.mark.parametrize("role", [False, True])
def test_privileges_are_what_the_server_allows(
    clean: MySQL, grants: list[str], expected: str, role: bool
) -> None:
    """Also where a part of them comes from a role, which changes the rules."""
    make_store(clean, "ml_flow")
    store = Store(clean, "ml_flow")
    clean.execute("CREATE ROLE helper")
    try:
        if role:
            clean.execute("GRANT helper TO migrator@localhost")
            clean.execute("SET DEFAULT ROLE helper TO migrator@localhost")
        for number, grant in enumerate(grants):
            to = "helper" if role and number == 0 else "migrator@localhost"
            clean.execute(f"GRANT {escaped(grant)} TO {to}")
        found = set(store.read().privileges) & set(ACTIONS)
        denied = (1044, 1142, 1143)
        allowed = {
            name for name, sql in ACTIONS.items() if store.refusal(sql.format("ml_flow.runs")) not in denied
        }
        if grants == ONE_TABLE:
            allowed.remove("SELECT")  # it does not help a migration, which makes new tables
        assert found == allowed
        if not role:
            assert found == set(expected.split())
    finally:
        clean.execute("DROP ROLE helper")


def test_partial_revokes(clean: MySQL) -> None:
    make_store(clean, "ml_flow")
    with changed(clean, partial_revokes=1, lock_wait_timeout=60):
        clean.execute(f"GRANT {RIGHTS} ON *.* TO migrator@localhost")
        store = Store(clean, "ml_flow")
        assert store.blockers() == {}
        clean.execute("REVOKE DROP, INSERT ON ml_flow.* FROM migrator@localhost")
        assert "lacks INSERT, DROP on" in store.only("grants")["message"]
        assert store.refusal("INSERT INTO ml_flow.runs VALUES ('1')") == 1142
        clean.execute("DROP USER migrator@localhost")
        clean.execute("CREATE USER migrator@localhost IDENTIFIED BY %s", PASSWORD)
        clean.execute("GRANT ALL ON `ml%%`.* TO migrator@localhost")
        assert "grants" in store.blockers()
        assert store.refusal("INSERT INTO ml_flow.runs VALUES ('1')") == 1142
        clean.execute("GRANT ALL ON `ml\\_flow`.* TO migrator@localhost")
        found = store.only("grants")
        assert store.refusal("INSERT INTO ml_flow.runs VALUES ('1')") == 1142
        store.run(found["remedy"].split("; or ")[0])
        assert store.blockers() == {}
        assert store.refusal("INSERT INTO ml_flow.runs VALUES ('1')") == 0
        clean.execute("DROP USER migrator@localhost")


def test_grants(store: Store) -> None:
    store.server.execute(f"REVOKE DROP, TRIGGER, INDEX ON {PATTERN}.* FROM migrator@localhost")
    found = store.only("grants")
    assert found["severity"] == "error"
    assert "migrator@localhost lacks INDEX, DROP, TRIGGER on" in found["message"]
    store.run(found["remedy"].split("; or ")[0])
    assert store.blockers() == {}


@contextmanager
def open_transaction(server: MySQL, *statements: str) -> Iterator[int]:
    """Another session of root that has done `statements`; yields its number, a second and more later."""
    with closing(server.root()) as other, other.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, ())
        time.sleep(2.1)
        yield int(other.thread_id())


def test_blocking_transaction(store: Store) -> None:
    alter = f"ALTER TABLE {table('runs')} ADD COLUMN a INT"
    with open_transaction(store.server, "BEGIN", f"SELECT * FROM {table('runs')}") as number:
        found = store.only("blocking_transaction", "root")
        assert found["severity"] == "error"
        assert f"root@localhost (id {number}) for " in found["message"]
        assert "with locks on runs, idle" in found["message"]
        assert store.refusal("SET SESSION lock_wait_timeout = 1", alter) == 1205
        store.run(found["remedy"].split("sessions: ")[1])
        assert store.blockers("root") == {}
        assert store.refusal("SET SESSION lock_wait_timeout = 1", alter) == 0


def test_transactions_that_block_nothing(store: Store) -> None:
    """Neither one that touches other databases only, nor one without locks, though both are in the database."""
    store.server.execute("CREATE DATABASE other")
    store.server.execute("CREATE TABLE other.t (a INT PRIMARY KEY)")
    use = f"USE {quoted(DATABASE)}"
    with open_transaction(store.server, use, "BEGIN", "SELECT * FROM other.t"):
        with open_transaction(store.server, use, "START TRANSACTION WITH CONSISTENT SNAPSHOT"):
            assert store.blockers("root") == {}
            sessions = store.read("root").sessions
    assert len([session for session in sessions if session["transaction_seconds"]]) == 2


def test_lock_without_a_transaction(store: Store) -> None:
    with open_transaction(store.server, f"LOCK TABLES {table('params')} READ"):
        assert "with locks on params, idle" in store.only("blocking_transaction", "root")["message"]


def test_blocking_transaction_without_the_list_of_locks(store: Store) -> None:
    """With PROCESS alone the database that a session is in has to do."""
    store.server.execute("GRANT PROCESS ON *.* TO migrator@localhost")
    use, select = f"USE {quoted(DATABASE)}", f"SELECT * FROM {table('runs')}"
    with open_transaction(store.server, use, "BEGIN", select) as number:
        assert f"KILL {number}" in store.only("blocking_transaction")["remedy"]
    with changed_instrument(store.server):
        with open_transaction(store.server, use, "BEGIN", select) as number:
            assert f"KILL {number}" in store.only("blocking_transaction", "root")["remedy"]


@contextmanager
def changed_instrument(server: MySQL) -> Iterator[None]:
    """No account of locks, as MySQL 5.7 has it by default."""
    change = "UPDATE performance_schema.setup_instruments SET enabled = %s WHERE name = 'wait/lock/metadata/sql/mdl'"
    server.execute(change, "NO")
    try:
        yield
    finally:
        server.execute(change, "YES")


def test_sessions(store: Store) -> None:
    store.server.execute("CREATE USER reader@localhost IDENTIFIED BY 'r'")
    with open_transaction(
        store.server, "BEGIN", f"INSERT INTO {table('runs')} VALUES ('1')"
    ) as writer, closing(connect(store.server)) as idle, closing(connect(store.server)):
        idle.select_db(DATABASE)
        server = store.read("root")
        assert server.sessions_visible
        by_id = {session["id"]: session for session in server.sessions}
        assert set(by_id) == {writer, idle.thread_id()}
        assert by_id[writer]["transaction_seconds"] in (2, 3)
        assert (by_id[writer]["user"], by_id[writer]["database"], by_id[writer]["command"]) == (
            "root",
            None,
            "Sleep",
        )
        assert by_id[idle.thread_id()]["database"] == DATABASE
        assert by_id[idle.thread_id()]["transaction_seconds"] is None
        limited = store.read()
    assert not limited.sessions_visible
    assert [session["user"] for session in limited.sessions] == [MIGRATOR]


def test_lock_wait_timeout(store: Store) -> None:
    with changed(store.server, lock_wait_timeout=3601):
        found = store.only("lock_wait_timeout")
        assert found["severity"] == "warning"
        assert "3601 s" in found["message"]


def test_disk_space(store: Store) -> None:
    needed = 64 * 1024 * 1024 + max(table.bytes for table in self_tables(store).values()) * 1.2
    assert store.blockers(free_bytes=int(needed) + 1) == {}
    found = store.only("disk_space", free_bytes=int(needed) - 1)
    assert found["severity"] == "error"
    assert "64 MiB are free" in found["message"] and "needs 65 MiB" in found["message"]
    assert store.blockers(free_bytes=0, pending=[]) == {}


def self_tables(store: Store) -> Any:
    with closing(connect(store.server)) as connection:
        return read_schema(connection, DATABASE).tables


def test_read_only(store: Store) -> None:
    with changed(store.server, read_only=1):
        assert "read_only is on" in store.only("read_only")["message"]
        assert store.refusal(TRIGGER) == 1290
        assert store.blockers("root") == {}
    with changed(store.server, read_only=0, super_read_only=1):
        found = store.only("read_only", "root")
        assert found["severity"] == "error"
        assert "super_read_only and read_only are on" in found["message"]
        store.run(found["remedy"].split("otherwise ")[1].split(", and the same")[0])
        assert store.blockers("root") == {}


INSERT = f"INSERT INTO {table('runs')} VALUES ('r')"


def test_database_read_only(store: Store) -> None:
    store.server.execute(f"ALTER DATABASE {quoted(DATABASE)} READ ONLY = 1")
    try:
        found = store.only("database_read_only")
        assert found["severity"] == "error"
        assert store.refusal(INSERT) == 3989
    finally:
        store.run(found["remedy"])
    assert store.blockers() == {}
    assert store.refusal(INSERT) == 0


def test_transactions_that_only_read(store: Store) -> None:
    with changed(store.server, transaction_read_only=1):
        assert "transaction_read_only is on" in store.only("read_only")["message"]
        assert store.refusal(INSERT) == 1792


def test_encryption_without_a_keyring(store: Store) -> None:
    store.server.execute(f"ALTER DATABASE {quoted(DATABASE)} ENCRYPTION = 'Y'")
    create = f"CREATE TABLE {table('made')} (a INT)"
    assert store.refusal(create) == 3185
    assert store.only("keyring")["severity"] == "error"
    found = store.only("keyring", "root")
    assert "may not see" not in found["message"]
    store.run(found["remedy"].split(", or ")[0])
    assert store.blockers() == {}
    assert store.refusal(create) == 0


def test_settings_that_make_other_tables(store: Store) -> None:
    create = f"CREATE TABLE {table('made')} (a VARCHAR(256) PRIMARY KEY)"
    with changed(store.server, innodb_default_row_format="compact"):
        assert store.only("default_row_format")["severity"] == "error"
        assert store.refusal(create) == 1709
    with changed(store.server, default_storage_engine="MyISAM"):
        assert store.only("storage_engine")["severity"] == "error"
    with changed(store.server, foreign_key_checks=0):
        assert store.only("foreign_key_checks")["severity"] == "error"
        assert store.refusal(f"INSERT INTO {table('tags')} VALUES ('k', 'none')") == 0


@pytest.mark.parametrize("statement", ["LOCK INSTANCE FOR BACKUP", "FLUSH TABLES WITH READ LOCK"])
def test_lock_of_the_whole_server(store: Store, statement: str) -> None:
    with open_transaction(store.server, statement) as number:
        found = store.only("blocking_transaction", "root")
        assert f"the whole server ({statement})" in found["message"]
        assert f"KILL {number}" in found["remedy"]
        create = f"CREATE TABLE {table('made')} (a INT)"
        assert store.refusal("SET SESSION lock_wait_timeout = 1", create) == 1205


def test_prepared_transaction_without_a_session(store: Store) -> None:
    with closing(store.server.root()) as one, one.cursor() as cursor:
        for statement in ("XA START 'x'", INSERT, "XA END 'x'", "XA PREPARE 'x'"):
            cursor.execute(statement, ())
    try:
        found = store.only("blocking_transaction", "root")
        assert "prepared XA transaction without a session with locks on runs" in found["message"]
        alter = f"ALTER TABLE {table('runs')} ADD COLUMN a INT"
        assert store.refusal("SET SESSION lock_wait_timeout = 1", alter) == 1205
        assert "XA ROLLBACK" in found["remedy"]
    finally:
        store.server.execute("XA ROLLBACK 'x'")
    assert store.blockers("root") == {}


def test_definer_that_cannot_be_used(store: Store) -> None:
    """Gone, or without the right: named, with what ends it; one that is locked is as good as any."""
    execute = store.server.execute
    execute("CREATE USER other@localhost ACCOUNT LOCK")
    execute(f"GRANT SELECT, TRIGGER ON {PATTERN}.* TO other@localhost")
    body = "BEGIN IF NEW.run_uuid = 'no' THEN SIGNAL SQLSTATE '45000'; END IF; END"
    execute(
        f"CREATE DEFINER = other@localhost TRIGGER {table('t')} BEFORE UPDATE ON {table('runs')} FOR EACH ROW {body}"
    )
    execute(INSERT)
    update = f"UPDATE {table('runs')} SET run_uuid = 'q'"
    assert store.blockers("root") == {} and store.refusal(update) == 0
    for right, error in (("SELECT", 1143), ("TRIGGER", 1142)):
        execute(f"REVOKE {right} ON {PATTERN}.* FROM other@localhost")
        assert "trigger t of other@localhost, which lacks " in store.only("definer", "root")["message"]
        assert store.refusal(update) == error
    execute(f"GRANT SELECT, TRIGGER ON {table('runs')} TO other@localhost")
    assert store.blockers("root") == {} and store.refusal(update) == 0
    execute("DROP USER other@localhost")
    found = store.only("definer", "root")
    assert "trigger t of other@localhost, which does not exist" in found["message"]
    assert store.refusal(update) == 1449
    statements = found["remedy"].split("make them again: ")[1].split("//")
    assert store.refusal(*(escaped(one.strip()) for one in statements if one.strip())) == 0
    assert store.blockers("root") == {}
    assert store.refusal(update) == 0
    assert store.refusal(f"UPDATE {table('runs')} SET run_uuid = 'no'") == 1644


@pytest.mark.parametrize(
    "body",
    [
        "BEGIN IF NEW.run_uuid = 's3://a  b' THEN SIGNAL SQLSTATE '45000'; END IF; END",
        "BEGIN -- a comment\n IF NEW.run_uuid = 's3://a  b' # one; two\n THEN SIGNAL SQLSTATE '45000'; END IF;\nEND",
        "BEGIN\n\tIF NEW.run_uuid = 's3://a  b' THEN\n SIGNAL SQLSTATE '45000';\nEND IF;\nEND",
    ],
)
def test_remedy_of_a_definer_in_the_client(store: Store, body: str) -> None:
    """As people paste it into mysql's own client, which reads the ends of statements itself."""
    execute = store.server.execute
    execute("CREATE USER other@localhost")
    execute(f"GRANT SELECT, TRIGGER ON {PATTERN}.* TO other@localhost")
    execute(
        f"CREATE DEFINER = other@localhost TRIGGER {table('t')} BEFORE UPDATE ON {table('runs')} FOR EACH ROW {body}"
    )
    execute(INSERT)
    execute("DROP USER other@localhost")
    remedy = store.only("definer", "root")["remedy"]
    end = re.search(r"with DELIMITER (\S+) and", remedy)
    assert end is not None
    typed = f"DELIMITER {end[1]}\n{remedy.split('make them again: ')[1]}\n"
    done = subprocess.run(
        ["docker", "exec", "-i", "-e", "MYSQL_PWD", store.server.container, "mysql", f"-u{MIGRATOR}"],
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MYSQL_PWD": PASSWORD},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert store.blockers("root") == {}
    assert store.refusal(f"UPDATE {table('runs')} SET run_uuid = 'q'") == 0
    assert store.refusal(f"UPDATE {table('runs')} SET run_uuid = 's3://a  b'") == 1644


def test_offline_mode(store: Store) -> None:
    with changed(store.server, offline_mode=1):
        assert store.only("read_only", "root")["severity"] == "warning"
        with pytest.raises(mysql_connection.ConnectionFailed):
            store.read()


def test_all_at_once(merging: Store) -> None:
    """None stops another."""
    insert(merging.server, "params", "Loss", "loss")
    merging.server.execute(f"CREATE TABLE {table('old')} (a VARCHAR(9)) CHARACTER SET ascii")
    merging.server.execute(f"ALTER DATABASE {quoted(DATABASE)} COLLATE {EXACT}")
    merging.server.execute(f"REVOKE INDEX ON {PATTERN}.* FROM migrator@localhost")
    merging.server.execute("GRANT PROCESS ON *.* TO migrator@localhost")
    settings: dict[str, Any] = {
        "log_bin_trust_function_creators": 0,
        "sql_require_primary_key": 1,
        "sql_generate_invisible_primary_key": 1,
        "sql_mode": "",
        "lock_wait_timeout": 31536000,
        "read_only": 1,
    }
    use = f"USE {quoted(DATABASE)}"
    with open_transaction(merging.server, use, "BEGIN", f"SELECT * FROM {table('runs')}"):
        with changed(merging.server, **settings):
            found = merging.blockers(free_bytes=0)
    expected = (
        "binary_log_trust blocking_transaction charset collation_merges_keys collation_mismatch disk_space grants "
        "invisible_primary_key keys_collide lock_wait_timeout primary_key_required read_only sql_mode"
    )
    assert sorted(found) == expected.split()


@pytest.fixture(scope="module")
def other() -> Iterator[MySQL]:
    """A server that differs in what cannot be changed while it runs, on a host of another time zone."""
    directory = tempfile.mkdtemp(prefix="mysql-", dir="/tmp")
    os.chmod(directory, 0o777)
    password = secrets.token_hex(8)
    secret = Path(directory, "root")
    secret.write_text(password)
    secret.chmod(0o444)
    port = free_port()
    container = docker(
        *("run", "--detach", "--label", "mlflow_ops.test=integration", "--env", "TZ=JST-9"),
        *("--tmpfs", "/var/lib/mysql", "--volume", f"{directory}:/var/run/mysqld"),
        *("--env", "MYSQL_ROOT_PASSWORD_FILE=/var/run/mysqld/root", "--env", "MYSQL_ROOT_HOST=localhost"),
        MYSQL_IMAGE,
        *("--innodb-redo-log-capacity=16M", "--mysqlx=OFF", "--skip-log-bin", "--lower-case-table-names=1"),
        *("--performance-schema=OFF", "--default-time-zone=+00:00", "--lock-wait-timeout=60"),
    )
    server = MySQL(container, port, f"{directory}/mysqld.sock", password)
    try:
        wait_for_login(server)
        yield server
    finally:
        docker("rm", "--force", "--volumes", container)
        shutil.rmtree(directory, ignore_errors=True)


def test_server_of_other_options(other: MySQL) -> None:
    make_store(other, "MLflow")
    other.execute(f"GRANT {RIGHTS}, TRIGGER ON `MLflow`.* TO migrator@localhost")
    store = Store(other, "MLflow")
    server = store.read()
    assert (server.log_bin, server.lower_case_table_names) == (False, 1)
    # Nothing has to trust anyone where there is no binary log.
    assert not server.log_bin_trust_function_creators
    assert store.blockers() == {}
    assert store.refusal(TRIGGER.replace(quoted(DATABASE), "mlflow")) == 0
    with open_transaction(other, "USE MLFLOW", "BEGIN", "SELECT * FROM runs") as number:
        found = store.only("blocking_transaction", "root")
        (session,) = store.read("root").sessions
    assert f"(id {number}) for " in found["message"]
    assert (session["database"], session["transaction_seconds"] in (2, 3)) == ("mlflow", True)
