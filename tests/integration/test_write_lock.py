# SPDX-License-Identifier: GPL-3.0-or-later
"""mlflow_mysql_write_lock against a real server, with sessions that stand for MLflow's."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import write_lock
from conftest import MySQL, Result, RunModule

MODULE = "mlflow_mysql_write_lock"
DATABASE = "ml_flow`%1"
PASSWORD = "canary-93b1'\"\\ %s é"
LOCKED = 3118  # error number of a login as an account that is locked
THRESHOLD = "component_connection_control.failed_connections_threshold"
REMEDY = "stop MLflow, or set mlflow_schema_disconnect: true"

Gate = Callable[..., Result]


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


PATTERN = quoted(DATABASE.replace("_", "\\_").replace("%", "\\%"))


def ok(result: Result, changed: bool) -> Result:
    assert not result.failed, result["msg"]
    assert result["changed"] is changed
    return result


def failed(result: Result) -> str:
    assert result.failed, result.output
    return str(result["msg"])


def make(server: MySQL, name: str, *grants: str, host: str = "%") -> None:
    server.execute("CREATE USER %s@%s IDENTIFIED BY %s", name, host, PASSWORD)
    for grant in grants:
        server.execute(f"GRANT {grant} TO %s@%s", name, host)


def locked(server: MySQL) -> set[str]:
    rows = server.execute(
        "SELECT user, host FROM mysql.user WHERE account_locked = 'Y' AND user NOT LIKE %s", "mysql.%"
    )
    return {f"{user}@{host}" for user, host in rows}


def alive(session: Any) -> bool:
    try:
        with session.cursor() as cursor:
            cursor.execute("SELECT 1")
            return bool(cursor.fetchall() == ((1,),))
    except pymysql.err.MySQLError:
        return False


def assert_refused(server: MySQL, name: str) -> None:
    with pytest.raises(pymysql.err.OperationalError) as error:
        server.login(name, PASSWORD)
    assert error.value.args[0] == LOCKED


@pytest.fixture
def store(clean: MySQL) -> MySQL:
    """A server with MLflow's database, the account that it works with, and one that changes the schema."""
    # The test before may have left its write lock closed.
    clean.execute("RESET PERSIST IF EXISTS event_scheduler")
    clean.execute("SET GLOBAL event_scheduler = ON")
    clean.execute(f"CREATE DATABASE {quoted(DATABASE)}")
    clean.execute(f"CREATE TABLE {quoted(DATABASE)}.runs (id INT PRIMARY KEY, name TEXT)")
    make(clean, "runtime", f"SELECT, INSERT, UPDATE, DELETE ON {PATTERN}.*")
    make(clean, "migrator", f"ALL ON {PATTERN}.*")
    return clean


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "write_lock.json"


@pytest.fixture
def gate(mysql: MySQL, record: Path, run_module: RunModule) -> Gate:
    def run(state: str, check: bool = False, **more: Any) -> Result:
        options = {"database": DATABASE, "path": str(record), "keep": ["migrator"], "state": state, **more}
        result = run_module(MODULE, {**mysql.options(), **options}, check=check)
        assert mysql.root_password not in json.dumps(
            {**result.values, "invocation": None}, ensure_ascii=False
        )
        assert "canary" not in result.output
        return result

    return run


@pytest.fixture
def session(store: MySQL) -> Iterator[Any]:
    """As MLflow has one in its pool."""
    opened = store.login("runtime", PASSWORD)
    yield opened
    try:
        opened.close()
    except pymysql.err.MySQLError:
        pass  # it was ended


# Closing and opening


def test_close_and_open(store: MySQL, gate: Gate, record: Path) -> None:
    predicted = ok(gate("closed", check=True), changed=True)
    assert locked(store) == set() and not record.exists()
    result = ok(gate("closed"), changed=True)
    assert result["accounts"] == predicted["accounts"] == ["runtime@%"]
    assert result["disconnected"] == []
    assert (
        result["diff"]
        == predicted["diff"]
        == {
            "before": {"kept_out": [], "event_scheduler": "ON"},
            "after": {"kept_out": ["runtime@%"], "event_scheduler": "OFF"},
        }
    )
    assert locked(store) == {"runtime@%"}
    assert_refused(store, "runtime")
    store.login("migrator", PASSWORD).close()
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert json.loads(record.read_text())["accounts"] == [["runtime", "%"]]

    for check in (True, False):
        again = ok(gate("closed", check=check), changed=False)
        assert again["accounts"] == ["runtime@%"]
        kept_out = {"kept_out": ["runtime@%"], "event_scheduler": "OFF"}
        assert again["diff"]["before"] == again["diff"]["after"] == kept_out

    predicted = ok(gate("open", check=True), changed=True)
    assert locked(store) == {"runtime@%"} and record.exists()
    result = ok(gate("open"), changed=True)
    assert predicted["accounts"] == result["accounts"] == ["runtime@%"]
    assert result["diff"] == {
        "before": {"kept_out": ["runtime@%"], "event_scheduler": "OFF"},
        "after": {"kept_out": [], "event_scheduler": "ON"},
    }
    assert locked(store) == set()
    assert list(record.parent.iterdir()) == []
    store.login("runtime", PASSWORD).close()
    for check in (True, False):
        assert ok(gate("open", check=check), changed=False)["accounts"] == []


def test_who_may_write(store: MySQL, gate: Gate) -> None:
    writes = {
        "global": ("INSERT ON *.*",),
        "super": ("SUPER ON *.*",),
        "wildcard": ("DELETE ON `ml%%`.*",),
        "alters": (f"ALTER ON {PATTERN}.*",),
        "of_table": (f"UPDATE ON {quoted(DATABASE)}.runs",),
        "of_column": (f"UPDATE (name) ON {quoted(DATABASE)}.runs",),
    }
    reads = {
        "nothing": (),
        "reader": (f"SELECT, SHOW VIEW ON {PATTERN}.*",),
        "table_reader": (f"SELECT ON {quoted(DATABASE)}.runs",),
        "column_reader": (f"SELECT (name) ON {quoted(DATABASE)}.runs",),
        "exporter": ("SELECT, PROCESS, REPLICATION CLIENT ON *.*",),
        "elsewhere": ("ALL ON `mlxflow`.*",),
    }
    for name, grants in {**writes, **reads}.items():
        make(store, name, *grants)
    store.execute("CREATE ROLE inner_role, outer_role, reading_role")
    store.execute(f"GRANT INSERT ON {PATTERN}.* TO inner_role")
    store.execute(f"GRANT SELECT ON {PATTERN}.* TO reading_role")
    store.execute("GRANT inner_role TO outer_role")
    make(store, "by_role", "outer_role")
    make(store, "by_reading_role", "reading_role")
    make(store, "by_proxy")
    store.execute("GRANT PROXY ON by_role TO by_proxy")
    store.execute(f"CREATE PROCEDURE {quoted(DATABASE)}.change_it() DELETE FROM runs")
    make(store, "of_routine", f"EXECUTE ON PROCEDURE {quoted(DATABASE)}.change_it")
    make(store, "quoted'`\\", f"INSERT ON {PATTERN}.*", host="10.1.2.3")
    roles = {"inner_role@%", "outer_role@%", "reading_role@%"}  # nobody logs in as one
    expected = {f"{name}@%" for name in (*writes, "runtime", "by_role", "by_proxy", "of_routine")}
    expected.add("quoted'`\\@10.1.2.3")
    result = ok(gate("closed"), changed=True)
    assert set(result["accounts"]) == expected
    assert locked(store) == expected | roles
    ok(gate("open"), changed=True)
    assert locked(store) == roles


def test_whole_server(store: MySQL, gate: Gate) -> None:
    """What is undone by restoring the whole server must not be written to in any database."""
    make(store, "elsewhere", "INSERT ON `mlxflow`.*")
    store.execute("CREATE DATABASE `mlxflow`")
    store.execute("CREATE TABLE `mlxflow`.t (id INT PRIMARY KEY, name TEXT)")
    store.execute("CREATE PROCEDURE `mlxflow`.change_it() DELETE FROM t")
    make(store, "of_table", "UPDATE ON `mlxflow`.t")
    make(store, "of_column", "UPDATE (name) ON `mlxflow`.t")
    make(store, "of_routine", "EXECUTE ON PROCEDURE `mlxflow`.change_it")
    make(store, "reader", "SELECT ON `mlxflow`.*")
    opened = store.login("elsewhere", PASSWORD)
    try:
        message = failed(gate("closed", scope="server"))
        assert "users that may write to this server are connected (1)" in message and "elsewhere@" in message
        assert locked(store) == set()
        ok(gate("closed"), changed=True)  # its own database
        ok(gate("open"), changed=True)
    finally:
        opened.close()
    expected = {f"{name}@%" for name in ("runtime", "elsewhere", "of_table", "of_column", "of_routine")}
    assert set(ok(gate("closed", scope="server"), changed=True)["accounts"]) == expected
    assert locked(store) == expected
    ok(gate("closed", scope="server"), changed=False)
    ok(gate("open", scope="server"), changed=True)
    assert locked(store) == set()


def test_mandatory_role(store: MySQL, gate: Gate) -> None:
    """Everybody has it without a grant."""
    make(store, "nobody")
    store.execute("CREATE ROLE everybody")
    store.execute(f"GRANT INSERT ON {PATTERN}.* TO everybody")
    store.execute("SET GLOBAL mandatory_roles = %s", "`everybody`@`%`")
    try:
        assert ok(gate("closed"), changed=True)["accounts"] == ["nobody@%", "runtime@%"]
        ok(gate("open"), changed=True)
    finally:
        store.execute("SET GLOBAL mandatory_roles = ''")


def test_locked_by_somebody_else(store: MySQL, gate: Gate) -> None:
    make(store, "banned", f"INSERT ON {PATTERN}.*")
    store.execute("ALTER USER banned ACCOUNT LOCK")
    assert ok(gate("closed"), changed=True)["accounts"] == ["runtime@%"]
    assert locked(store) == {"banned@%", "runtime@%"}
    assert ok(gate("open"), changed=True)["accounts"] == ["runtime@%"]
    assert locked(store) == {"banned@%"}


def test_nobody_to_lock(store: MySQL, gate: Gate, record: Path) -> None:
    """The write lock is closed all the same, and says so."""
    store.execute("DROP USER runtime")
    assert ok(gate("closed"), changed=True)["accounts"] == []
    assert record.exists()
    ok(gate("closed"), changed=False)
    ok(gate("open"), changed=True)
    assert not record.exists()


def test_dropped_while_closed(store: MySQL, gate: Gate, record: Path) -> None:
    make(store, "another", f"INSERT ON {PATTERN}.*")
    ok(gate("closed"), changed=True)
    store.execute("DROP USER runtime")
    ok(gate("closed"), changed=False)
    ok(gate("open"), changed=True)
    assert locked(store) == set() and not record.exists()
    store.login("another", PASSWORD).close()


def test_opened_by_hand_or_new_while_closed(store: MySQL, gate: Gate, record: Path) -> None:
    ok(gate("closed"), changed=True)
    store.execute("ALTER USER runtime ACCOUNT UNLOCK")
    make(store, "late", f"INSERT ON {PATTERN}.*")
    result = ok(gate("closed"), changed=True)
    assert result["diff"]["before"]["kept_out"] == []
    assert locked(store) == {"runtime@%", "late@%"} == set(result["accounts"])
    assert sorted(json.loads(record.read_text())["accounts"]) == [["late", "%"], ["runtime", "%"]]
    ok(gate("open"), changed=True)
    assert locked(store) == set()


def test_interrupted_while_closing(
    store: MySQL, gate: Gate, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a kill between two locks leaves: a record of both, and one that is not locked."""
    make(store, "another", f"INSERT ON {PATTERN}.*")
    looked: list[list[Any]] = []

    def lock_one(server: Any, account: tuple[str, str], lock: bool) -> None:
        looked.append(json.loads(record.read_text())["accounts"])
        if len(looked) == 2:
            raise KeyboardInterrupt
        server.rows("ALTER USER %s@%s ACCOUNT LOCK", *account)

    monkeypatch.setattr(write_lock.Server, "set_lock", lock_one)
    with pytest.raises(KeyboardInterrupt):
        close_here(store, record)
    assert looked[0] == [["another", "%"], ["runtime", "%"]]  # before any was locked
    assert len(locked(store)) == 1
    result = ok(gate("closed"), changed=True)
    assert result["accounts"] == ["another@%", "runtime@%"]
    assert locked(store) == {"another@%", "runtime@%"}
    # The same for opening: one is unlocked, the record is still there.
    store.execute("ALTER USER another ACCOUNT UNLOCK")
    ok(gate("open"), changed=True)
    assert locked(store) == set() and not record.exists()


# Sessions


@pytest.mark.usefixtures("session")
def test_connected(store: MySQL, gate: Gate, record: Path) -> None:
    (number,) = store.execute("SELECT id FROM information_schema.processlist WHERE user = 'runtime'")[0]
    for check in (True, False):
        message = failed(gate("closed", check=check))
        assert f"users that may write to {DATABASE} are connected (1)" in message
        assert "no account was locked" in message
        assert "runtime@" in message and f"(id {number}, " in message and " s, pymysql)" in message
        assert REMEDY in message
        assert locked(store) == set()
        assert not record.exists()


def test_disconnect(store: MySQL, gate: Gate, session: Any) -> None:
    others = [store.login("migrator", PASSWORD), store.root()]
    try:
        predicted = ok(gate("closed", check=True, disconnect=True), changed=True)
        assert alive(session) and locked(store) == set()
        result = ok(gate("closed", disconnect=True), changed=True)
        assert not alive(session)
        assert all(alive(other) for other in others)
        assert locked(store) == {"runtime@%"}
        (ended,) = result["disconnected"]
        assert (ended["user"], ended["program"]) == ("runtime", "pymysql")
        assert set(ended) == {"user", "host", "id", "seconds", "program"}
        assert [one["id"] for one in predicted["disconnected"]] == [ended["id"]]
        assert ok(gate("closed", disconnect=True), changed=False)["disconnected"] == []
    finally:
        for other in others:
            other.close()


def test_session_that_outlives_its_account(store: MySQL, gate: Gate, session: Any) -> None:
    """A lock alone ends no session. One is looked for also if the record says that all is closed."""
    store.execute("ALTER USER runtime ACCOUNT LOCK")
    assert REMEDY in failed(gate("closed"))
    assert alive(session)
    result = ok(gate("closed", disconnect=True), changed=True)
    assert [one["user"] for one in result["disconnected"]] == ["runtime"]
    assert not alive(session)
    assert result["accounts"] == []
    ok(gate("open"), changed=True)
    assert locked(store) == {"runtime@%"}


def close_here(server: MySQL, record: Path, **more: Any) -> dict[str, Any]:
    """Close the write lock in this process, where its parts can be replaced."""
    connection = server.root()
    try:
        about = write_lock.Server(connection, DATABASE, ["migrator"])
        options = {"disconnect": False, "timeout": 1, **more}
        return write_lock.close(about, write_lock.Record(str(record), DATABASE), options, False)
    finally:
        connection.close()


@pytest.mark.parametrize("disconnect", [False, True])
def test_slips_in(store: MySQL, record: Path, monkeypatch: pytest.MonkeyPatch, disconnect: bool) -> None:
    """Somebody logs in after the look at the sessions, and before the lock."""
    opened: list[Any] = []
    lock = write_lock.Server.set_lock

    def slow_lock(server: Any, account: tuple[str, str], wanted: bool) -> None:
        if wanted:
            opened.append(store.login("runtime", PASSWORD))
        lock(server, account, wanted)

    monkeypatch.setattr(write_lock.Server, "set_lock", slow_lock)
    if disconnect:
        assert [one["user"] for one in close_here(store, record, disconnect=True)["disconnected"]] == [
            "runtime"
        ]
        assert locked(store) == {"runtime@%"} and record.exists()
        assert not alive(opened[0])
    else:
        with pytest.raises(write_lock.WriteLockProblem) as error:
            close_here(store, record)
        assert REMEDY in str(error.value)
        assert locked(store) == set() and not record.exists()
        assert alive(opened[0])
        opened[0].close()


@pytest.mark.usefixtures("session")
def test_sessions_that_do_not_end(
    store: MySQL, record: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_lock.Server, "kill", lambda server, number: None)
    with pytest.raises(write_lock.WriteLockProblem) as error:
        close_here(store, record, disconnect=True)
    assert "1 of their sessions did not end within 1 s: runtime@" in str(error.value)
    assert "wait and run this again, or raise timeout" in str(error.value)
    assert locked(store) == {"runtime@%"}  # nobody new comes in meanwhile
    ok(gate("closed", disconnect=True), changed=True)


def test_many_sessions_are_summed_up(store: MySQL, gate: Gate) -> None:
    opened = [store.login("runtime", PASSWORD) for dummy in range(12)]
    try:
        message = failed(gate("closed"))
    finally:
        for one in opened:
            one.close()
    assert "are connected (12)" in message
    assert message.count("(id ") == 10
    assert " and 2 more" in message


# What writes without a login


def scheduler(server: MySQL) -> tuple[str, list[tuple[Any, ...]]]:
    persisted = server.execute(
        "SELECT variable_value FROM performance_schema.persisted_variables WHERE variable_name = 'event_scheduler'"
    )
    return server.execute("SELECT @@GLOBAL.event_scheduler")[0][0], persisted


@pytest.fixture
def ticking(store: MySQL) -> Iterator[MySQL]:
    """A store with an event of root's in another database, which writes to MLflow's and then waits."""
    store.execute("SET GLOBAL long_query_time = 0")
    store.execute("CREATE DATABASE jobs")
    store.execute(f"CREATE TABLE {quoted(DATABASE)}.ticks (id INT AUTO_INCREMENT PRIMARY KEY)")
    store.execute(
        "CREATE EVENT jobs.tick ON SCHEDULE EVERY 1 SECOND DO BEGIN"
        f" INSERT INTO {quoted(DATABASE)}.ticks VALUES (); DO SLEEP(@@GLOBAL.long_query_time); END"
    )
    yield store
    store.execute("DROP EVENT jobs.tick")
    store.execute("RESET PERSIST IF EXISTS event_scheduler")
    store.execute("SET GLOBAL event_scheduler = ON")
    store.execute("SET GLOBAL long_query_time = DEFAULT")


def ticks(server: MySQL) -> int:
    return int(server.execute(f"SELECT COUNT(*) FROM {quoted(DATABASE)}.ticks")[0][0])


def wait_for_a_tick(server: MySQL) -> None:
    before, deadline = ticks(server), time.monotonic() + 20
    while ticks(server) == before:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_no_event_runs_while_it_is_closed(ticking: MySQL, gate: Gate, record: Path) -> None:
    """Also when the scheduler was started in between, as by a restore."""
    wait_for_a_tick(ticking)
    predicted = ok(gate("closed", check=True), changed=True)
    assert scheduler(ticking) == ("ON", [])
    result = ok(gate("closed"), changed=True)
    assert predicted["event_scheduler"] == result["event_scheduler"] == "ON"
    # Persisted: a server that is restarted meanwhile begins without.
    assert scheduler(ticking) == ("OFF", [("OFF",)])
    before = ticks(ticking)
    time.sleep(1.5)
    assert ticks(ticking) == before
    # As after a restore, which brings a server that has not heard of it.
    ticking.execute("RESET PERSIST event_scheduler")
    ticking.execute("SET GLOBAL event_scheduler = ON")
    again = ok(gate("closed"), changed=True)
    assert (again["event_scheduler"], again["since"]) == ("ON", result["since"])
    assert scheduler(ticking) == ("OFF", [("OFF",)])
    ok(gate("closed"), changed=False)
    opened = ok(gate("open"), changed=True)
    assert (opened["event_scheduler"], opened["since"]) == ("ON", result["since"])
    assert scheduler(ticking) == ("ON", [])
    wait_for_a_tick(ticking)


@pytest.fixture
def delaying(store: MySQL) -> Iterator[MySQL]:
    """A server that has logins wait after two that failed."""
    component = "'file://component_connection_control'"
    store.execute(f"INSTALL COMPONENT {component}")
    store.execute(f"SET GLOBAL {THRESHOLD} = 2")
    yield store
    store.execute(f"UNINSTALL COMPONENT {component}")


def delays(server: MySQL) -> tuple[int, int]:
    """The threshold, and how many logins had to wait."""
    counted = "SHOW GLOBAL STATUS LIKE 'Component_connection_control_delay_generated'"
    return int(server.execute(f"SELECT @@GLOBAL.{THRESHOLD}")[0][0]), int(server.execute(counted)[0][1])


def test_nobody_waits_to_be_refused_or_to_get_in_again(delaying: MySQL, gate: Gate) -> None:
    """Also when a restore brought a server that has not heard of it."""
    ok(gate("closed", check=True), changed=True)
    assert delays(delaying) == (2, 0)
    ok(gate("closed"), changed=True)
    for _attempt in range(4):
        assert_refused(delaying, "runtime")
    assert delays(delaying) == (0, 0)
    delaying.execute(f"SET GLOBAL {THRESHOLD} = 5")
    ok(gate("closed"), changed=True)
    ok(gate("closed"), changed=False)
    # As after a restart, from which on it has counted.
    delaying.execute(f"SET GLOBAL {THRESHOLD} = 2")
    for _attempt in range(2):
        assert_refused(delaying, "runtime")
    ok(gate("open"), changed=True)
    delaying.login("runtime", PASSWORD).close()
    assert delays(delaying) == (2, 0)


def test_opening_that_failed_is_finished(store: MySQL, gate: Gate, record: Path) -> None:
    """The record says that writers may be in again, before the first one is."""
    ok(gate("closed"), changed=True)
    assert json.loads(record.read_text())["opening"] is False
    store.execute("SET GLOBAL super_read_only = ON")
    try:
        failed(gate("open"))
    finally:
        store.execute("SET GLOBAL super_read_only = OFF")
        store.execute("SET GLOBAL read_only = OFF")
    assert json.loads(record.read_text())["opening"] is True and locked(store) == {"runtime@%"}
    # Whoever locks again begins anew: the event scheduler was started.
    ok(gate("closed"), changed=True)
    assert json.loads(record.read_text())["opening"] is False
    ok(gate("open"), changed=True)
    assert locked(store) == set() and not record.exists()


def test_goes_on_only_with_what_is_still_closed(store: MySQL, gate: Gate, record: Path) -> None:
    """Whoever opened it since, or is about to, or unlocked an account by hand, has let somebody write."""
    words = "may have written since the write lock was set"
    for check in (True, False):
        assert f"who was locked out {words}" in failed(gate("closed", resume=True, check=check))
    assert locked(store) == set() and not record.exists()
    ok(gate("closed"), changed=True)
    store.execute("ALTER USER runtime ACCOUNT UNLOCK")
    for check in (True, False):
        assert f"runtime@% {words}" in failed(gate("closed", resume=True, check=check))
        assert json.loads(record.read_text())["opening"] is not check
    ok(gate("open"), changed=True)
    ok(gate("closed"), changed=True)
    ok(gate("closed", resume=True), changed=False)
    content = json.loads(record.read_text())
    record.write_text(json.dumps({**content, "opening": True}))
    assert "run this again" in failed(gate("closed", resume=True))
    assert json.loads(record.read_text())["opening"] is True and locked(store) == {"runtime@%"}
    ok(gate("open"), changed=True)


def test_logins_wait_again_when_nothing_was_locked(delaying: MySQL, gate: Gate, session: Any) -> None:
    failed(gate("closed"))
    assert delays(delaying) == (2, 0)


@pytest.mark.parametrize(
    ("value", "persisted"), [("OFF", None), ("OFF", "OFF"), ("OFF", "ON"), ("ON", "ON"), ("ON", "OFF")]
)
def test_the_scheduler_is_as_it_was(ticking: MySQL, gate: Gate, value: str, persisted: str | None) -> None:
    if persisted:
        ticking.execute("SET PERSIST event_scheduler = %s", persisted)
    ticking.execute("SET GLOBAL event_scheduler = %s", value)
    was = scheduler(ticking)
    ok(gate("closed", disconnect=True), changed=True)
    assert scheduler(ticking) == ("OFF", [("OFF",)])
    ok(gate("open"), changed=True)
    assert scheduler(ticking) == was


def test_clients_that_try_again_and_again(store: MySQL, gate: Gate, session: Any) -> None:
    """Some are always on their way in, or out, as they are refused; the lock is closed nevertheless."""
    stop = threading.Event()
    silent: list[socket.socket] = []

    def login() -> None:
        while not stop.is_set():
            with contextlib.suppress(pymysql.err.MySQLError):
                store.login("runtime", PASSWORD).close()

    def say_nothing() -> None:
        # Who has connected and sends nothing is in the list of sessions for the whole connect_timeout.
        while not stop.wait(0.4):
            silent.append(socket.create_connection(("127.0.0.1", store.port)))

    threads = [threading.Thread(target=login) for _number in range(6)]
    threads.append(threading.Thread(target=say_nothing))
    for thread in threads:
        thread.start()
    try:
        time.sleep(1)
        result = ok(gate("closed", disconnect=True, timeout=10), changed=True)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for one in silent:
            one.close()
    assert "runtime" in {one["user"] for one in result["disconnected"]} and not alive(session)
    assert locked(store) == {"runtime@%"}
    ok(gate("open"), changed=True)


def test_an_event_that_runs(
    ticking: MySQL, gate: Gate, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever made it, root here, whom no lock keeps out."""
    ticking.execute("SET GLOBAL long_query_time = 600")
    wait_for_a_tick(ticking)
    message = failed(gate("closed"))
    assert "no account was locked" in message and "an event of the database jobs" in message
    assert scheduler(ticking) == ("ON", []) and not record.exists() and locked(ticking) == set()
    # One that began after the look is waited for too.
    staying = write_lock.Server.staying
    looks: list[int] = []

    def late(server: Any, *rest: Any) -> list[dict[str, Any]]:
        looks.append(1)
        return staying(server, *rest) if len(looks) > 1 else []

    with monkeypatch.context() as patch:
        patch.setattr(write_lock.Server, "staying", late)
        with pytest.raises(write_lock.WriteLockProblem):
            close_here(ticking, record)
    assert scheduler(ticking) == ("ON", []) and not record.exists() and locked(ticking) == set()
    result = ok(gate("closed", disconnect=True), changed=True)
    assert {one["program"] for one in result["disconnected"]} == {"an event of the database jobs"}
    assert ticking.execute(
        "SELECT COUNT(*) FROM performance_schema.threads WHERE name = 'thread/sql/event_worker'"
    ) == [(0,)]
    ok(gate("open"), changed=True)


def test_a_record_of_an_older_release(store: MySQL, gate: Gate, record: Path) -> None:
    store.execute("ALTER USER runtime ACCOUNT LOCK")
    record.write_text(json.dumps({"format": 1, "database": DATABASE, "accounts": [["runtime", "%"]]}))
    ok(gate("closed"), changed=True)
    assert scheduler(store) == ("OFF", [("OFF",)])
    assert ok(gate("open"), changed=True)["accounts"] == ["runtime@%"]
    assert scheduler(store) == ("ON", []) and locked(store) == set()


@pytest.mark.parametrize("disconnect", [False, True])
def test_a_prepared_transaction(store: MySQL, gate: Gate, record: Path, disconnect: bool) -> None:
    session = store.login("runtime", PASSWORD, DATABASE)
    store.execute("GRANT XA_RECOVER_ADMIN ON *.* TO runtime")
    with session.cursor() as cursor:
        for statement in ("XA START 'a''b', 'c', 7", "INSERT INTO runs VALUES (1, 'x')"):
            cursor.execute(statement)
        cursor.execute("XA END 'a''b', 'c', 7")
        cursor.execute("XA PREPARE 'a''b', 'c', 7")
    session.close()
    message = failed(gate("closed", disconnect=disconnect))
    found = re.search(r"XA COMMIT (X'[0-9A-Fa-f]+',X'[0-9A-Fa-f]+',7) or XA ROLLBACK", message)
    assert found and "no account was locked" in message
    assert locked(store) == set() and not record.exists() and scheduler(store) == ("ON", [])
    store.execute(f"XA COMMIT {found[1]}")
    ok(gate("closed"), changed=True)
    ok(gate("open"), changed=True)


def test_a_replication_channel(store: MySQL, gate: Gate, record: Path) -> None:
    store.execute(
        "CHANGE REPLICATION SOURCE TO source_host = '127.0.0.1', source_user = 'nobody' FOR CHANNEL 'other'"
    )
    try:
        store.execute("START REPLICA SQL_THREAD FOR CHANNEL 'other'")
        message = failed(gate("closed", disconnect=True))
        assert "applies the changes of another one (channel 'other')" in message
        assert "STOP REPLICA FOR CHANNEL 'other'" in message and "no account was locked" in message
        assert locked(store) == set() and not record.exists() and scheduler(store) == ("ON", [])
    finally:
        store.execute("STOP REPLICA FOR CHANNEL 'other'")
        store.execute("RESET REPLICA ALL FOR CHANNEL 'other'")


def test_rights_that_are_on_no_database(store: MySQL, gate: Gate) -> None:
    for name in write_lock.DYNAMIC:
        make(store, name.lower(), f"{name} ON *.*")
    make(store, "monitor", "PROCESS, REPLICATION CLIENT, CONNECTION_ADMIN ON *.*", "SELECT ON *.*")
    result = ok(gate("closed"), changed=True)
    assert set(result["accounts"]) == {"runtime@%", *(f"{name.lower()}@%" for name in write_lock.DYNAMIC)}
    ok(gate("open"), changed=True)


# Records and failures


def test_record_cannot_be_written(store: MySQL, gate: Gate, tmp_path: Path) -> None:
    message = failed(gate("closed", path=str(tmp_path / "missing/write_lock.json")))
    assert "write_lock.json cannot be written: No such file or directory; no account was locked" in message
    assert "Make its directory" in message
    assert locked(store) == set()


@pytest.mark.parametrize("content", ["", "[]", '{"format": 2}', '{"format": 1, "database": "x"}', "\x80"])
def test_record_of_something_else(store: MySQL, gate: Gate, record: Path, content: str) -> None:
    record.write_bytes(content.encode("latin-1"))
    for state in ("closed", "open"):
        message = failed(gate(state))
        assert f"{record} is not a record of this module; nothing was changed. Choose another path" in message
    assert record.read_bytes() == content.encode("latin-1")
    assert locked(store) == set()


def test_record_of_another_database(store: MySQL, gate: Gate) -> None:
    ok(gate("closed"), changed=True)
    store.execute("CREATE DATABASE another")
    for state in ("closed", "open"):
        message = failed(gate(state, database="another"))
        assert f"is the record of the database {DATABASE}, not of another" in message
        assert "Give each database a path of its own" in message
    assert locked(store) == {"runtime@%"}


def test_record_is_a_directory(store: MySQL, gate: Gate, record: Path) -> None:
    record.mkdir()
    message = failed(gate("open"))
    assert (
        f"the record {record} cannot be read: Is a directory. Run as root, or choose another path" in message
    )
    assert locked(store) == set()


def test_record_cannot_be_removed(
    store: MySQL, gate: Gate, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ok(gate("closed"), changed=True)

    def refuse(path: str) -> None:
        raise OSError(30, "Read-only file system", path)

    connection = store.root()
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        with pytest.raises(write_lock.WriteLockProblem) as error:
            server = write_lock.Server(connection, DATABASE, [])
            write_lock.reopen(server, write_lock.Record(str(record), DATABASE), False)
    connection.close()
    assert f"its record {record} cannot be removed: Read-only file system. Remove it as root" in str(
        error.value
    )
    assert locked(store) == set()
    ok(gate("open"), changed=True)


def test_missing_database(gate: Gate, clean: MySQL, record: Path) -> None:
    message = failed(gate("closed"))
    assert message == f"there is no database {DATABASE}: check database"
    assert not record.exists()
    assert locked(clean) == set()


def test_database_is_gone_while_closed(store: MySQL, gate: Gate) -> None:
    """As when a migration was cut off."""
    ok(gate("closed"), changed=True)
    store.execute(f"DROP DATABASE {quoted(DATABASE)}")
    ok(gate("closed"), changed=False)
    ok(gate("open"), changed=True)
    assert locked(store) == set()


def test_another_takes_too_long(store: MySQL, gate: Gate) -> None:
    other = store.root()
    try:
        write_lock.Server(other, DATABASE, []).lock(0)
        message = failed(gate("closed", timeout=1))
    finally:
        other.close()
    assert f"setting or releasing the write lock of {DATABASE} for more than 1 s" in message
    assert "wait for it to end, or raise timeout" in message
    assert locked(store) == set()


def test_wrong_password(store: MySQL, gate: Gate) -> None:
    message = failed(gate("closed", login_password="wrong-one"))
    assert "refused the login as root: wrong password" in message
    assert locked(store) == set()


def test_missing_right(store: MySQL, gate: Gate, record: Path) -> None:
    make(store, "weak", "SELECT ON *.*", "PROCESS ON *.*", host="localhost")
    message = failed(gate("closed", login_user="weak", login_password=PASSWORD))
    assert "no account was locked" in message and "GRANT XA_RECOVER_ADMIN ON *.*" in message
    assert not record.exists()
    store.execute("GRANT XA_RECOVER_ADMIN, SYSTEM_VARIABLES_ADMIN ON *.* TO weak@localhost")
    message = failed(gate("closed", login_user="weak", login_password=PASSWORD))
    assert "CREATE USER" in message
    assert "The record in path says what is locked: run this again" in message
    assert locked(store) == set()
    assert record.exists()
    ok(gate("open"), changed=True)
