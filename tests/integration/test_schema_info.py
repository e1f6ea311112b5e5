# SPDX-License-Identifier: GPL-3.0-or-later
"""mlflow_schema_info and mlflow_schema with what people get wrong: said within seconds, and nothing changed."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.write_lock import (
    Closed,
    Record,
)
from conftest import MySQL, Result, RunModule, free_port

DATABASE = "mlflow"
VIRTUALENV = os.environ.get("MLFLOW_VIRTUALENV", sys.prefix)
PASSWORD = "canary-71c4"
RIGHTS = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, REFERENCES, DROP, TRIGGER"
EARLY = "451aebb31d03"  # of MLflow 1.0
AT_ONCE = 15  # seconds at most; MLflow tries ten times

Content = dict[str, list[tuple[Any, ...]]]
Run = Callable[..., Result]


def content(server: MySQL) -> Content:
    """Every table of every database that is not the server's own, and every account."""
    listed = server.execute(
        "SELECT table_schema, table_name, table_rows, create_time, update_time FROM information_schema.tables"
        " WHERE table_schema NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') ORDER BY 1, 2"
    )
    accounts = server.execute("SELECT user, host FROM mysql.user ORDER BY 1, 2")
    return {"tables": listed, "accounts": accounts, "databases": server.execute("SHOW DATABASES")}


@pytest.fixture
def store(clean: MySQL) -> MySQL:
    """A server with a database that is ready for MLflow, and a migrator who may come from anywhere."""
    clean.execute(f"CREATE DATABASE {DATABASE} COLLATE utf8mb4_0900_bin")
    clean.execute(f"CREATE USER migrator IDENTIFIED BY '{PASSWORD}'")
    clean.execute(f"GRANT {RIGHTS} ON {DATABASE}.* TO migrator")
    return clean


@pytest.fixture
def options(mysql: MySQL, tmp_path: Path) -> dict[str, Any]:
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    return {
        "login_user": "migrator",
        "login_password_files": [str(secret)],
        "login_port": mysql.port,
        "connect_timeout": 5,
        "database": DATABASE,
    }


@pytest.fixture(params=["mlflow_schema_info", "initialised", "upgraded", "repaired"])
def run(request: pytest.FixtureRequest, options: dict[str, Any], run_module: RunModule) -> Run:
    """Each of the ways to look at a schema or to change it."""
    name, more = "mlflow_schema_info", {}
    if request.param != name:
        name, more = "mlflow_schema", {"state": request.param, "virtualenv": VIRTUALENV}

    def call(**changes: Any) -> Result:
        result = run_module(name, {**options, **more, **changes})
        assert PASSWORD not in result.output
        assert "Traceback" not in result.output
        return result

    return call


def refused(result: Result, *words: str) -> None:
    assert result.failed, result.output
    for word in words:
        assert word in result["msg"], result["msg"]
    assert "\n" not in result["msg"]
    assert result.seconds < AT_ONCE


@pytest.fixture
def listen() -> Iterator[Callable[[bytes], int]]:
    """Start something that sends some bytes to whoever connects; returns its port."""
    listeners = []

    def start(answer: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve() -> None:
            while True:
                try:
                    client, _address = listener.accept()
                except OSError:
                    return
                with client:
                    client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.close()


def greeting(version: str) -> bytes:
    """The first packet of a server that calls itself so."""
    tail = b"\x08\0\0\0" + b"x" * 8 + b"\0\xff\xff\xff\x02\0\xff\xdf\x15" + b"\0" * 10 + b"y" * 12
    payload = b"\x0a" + version.encode() + b"\0" + tail + b"\0mysql_native_password\0"
    return len(payload).to_bytes(3, "little") + b"\0" + payload


def test_wrong_password(store: MySQL, run: Run, tmp_path: Path) -> None:
    before = content(store)
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")
    result = run(login_password_files=[str(wrong)])
    refused(result, "refused the login as migrator: wrong password", str(wrong))
    assert content(store) == before


def test_no_password(run: Run, tmp_path: Path) -> None:
    refused(run(login_password_files=[str(tmp_path / "none")]), "there is no password for migrator")


def test_wrong_user(store: MySQL, run: Run) -> None:
    refused(run(login_user="nobody"), "refused the login as nobody", "no account of that name")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "127.0.0.1"])
def test_wrong_host_or_port(run: Run, host: str) -> None:
    refused(run(login_host=host, login_port=free_port()), f"cannot reach a MySQL server at {host}:")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (greeting("5.5.5-10.11.14-MariaDB-0+deb12u2"), "it calls itself 5.5.5-10.11.14-MariaDB-0+deb12u2"),
        (greeting("8.0.11-ProxySQL"), "it calls itself 8.0.11-ProxySQL"),
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "what it sends is not MySQL's protocol"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what it sends is not MySQL's protocol"),
    ],
    ids=["mariadb", "proxysql", "ssh", "http"],
)
def test_not_mysql(run: Run, listen: Callable[[bytes], int], answer: bytes, words: str) -> None:
    refused(
        run(login_port=listen(answer)), " is not MySQL: ", words, "give the host and port of the MySQL server"
    )


def test_tls_required(store: MySQL, run: Run) -> None:
    """Whether PyMySQL tries TLS by itself depends on its version, so the account wants more than TLS."""
    store.execute("ALTER USER migrator REQUIRE X509")
    before = content(store)
    refused(run(), "refused the login as migrator", "client_cert")
    assert content(store) == before


def test_ca_of_another(store: MySQL, run: Run, tmp_path: Path) -> None:
    before = content(store)
    refused(run(ca_cert=str(tmp_path / "none.pem")), "cannot read ca_cert")
    refused(run(ca_cert="/etc/ssl/certs/ca-certificates.crt"), "TLS with 127.0.0.1", "check ca_cert")
    assert content(store) == before


@pytest.mark.parametrize("exists", [False, True])
def test_no_rights(store: MySQL, run: Run, exists: bool) -> None:
    if exists:
        store.execute("CREATE DATABASE other")
    before = content(store)
    result = run(database="other")
    refused(result, "there is no database other that migrator@% may see: make it, or grant rights on it")
    assert content(store) == before


def test_unknown_version(store: MySQL, run: Run) -> None:
    before = content(store)
    refused(
        run(mlflow_version="4.0.0"), "MLflow 4.0.0 is not in the catalogue, which has 1.0.0 to", "correct"
    )
    assert content(store) == before


@pytest.mark.parametrize("version", ["3.17", "2.0", " 2.0.1 "])
def test_version_that_is_nearly_one(run: Run, version: str) -> None:
    refused(run(mlflow_version=version), f"{version.strip()}", ": write one of these")


def test_interrupted_upgrade(
    store: MySQL, options: dict[str, Any], run_module: RunModule, tmp_path: Path
) -> None:
    """The record of the write lock says that MLflow is locked out, whatever the schema is like."""
    path = tmp_path / "mlflow.write_lock.json"
    looked = {**options, "write_lock": {"path": str(path)}}
    assert run_module("mlflow_schema_info", looked)["blockers"] == []
    Record(str(path), DATABASE).write(Closed((("mlflowusr", "%"),)))
    result = run_module("mlflow_schema_info", looked)
    assert result["state"] == "empty"
    assert "interrupted, and keeps writers out: run the playbook upgrade_schema" in result["message"]
    assert [one["name"] for one in result["blockers"]] == ["upgrade_interrupted"]
    with store.root() as other, other.cursor() as cursor:
        cursor.execute(f"SELECT GET_LOCK('mlflow_schema.{DATABASE}', 1)")
        result = run_module("mlflow_schema_info", looked)
    assert "an upgrade of the schema runs" in result["blockers"][0]["message"]
    path.write_text("{}")
    refused(run_module("mlflow_schema_info", looked), "is not a record of this module")


def test_transactions_that_will_be_ended(
    store: MySQL, mysql: MySQL, options: dict[str, Any], run_module: RunModule
) -> None:
    """With `disconnect` nobody waits for a session that the write lock ends; for one of root's still."""
    store.execute(f"CREATE TABLE {DATABASE}.t (a INT PRIMARY KEY)")
    store.execute(f"CREATE USER writer IDENTIFIED BY '{PASSWORD}'")
    store.execute(f"GRANT INSERT ON {DATABASE}.* TO writer")

    def blockers(**write_lock: Any) -> list[str]:
        result = run_module(
            "mlflow_schema_info", {**mysql.options(), "database": DATABASE, "write_lock": write_lock}
        )
        return [one["name"] for one in result["blockers"] if one["name"] == "blocking_transaction"]

    with store.login("writer", PASSWORD) as session, session.cursor() as cursor:
        session.begin()
        cursor.execute(f"INSERT INTO {DATABASE}.t VALUES (1)")
        time.sleep(1.5)
        assert blockers() == blockers(disconnect=True, keep=["writer"]) == ["blocking_transaction"]
        assert blockers(disconnect=True) == []
    # Who may not see the accounts is answered all the same.
    weak = {**options, "write_lock": {"disconnect": True}}
    assert run_module("mlflow_schema_info", weak)["blockers"] == []
    with store.root() as session, session.cursor() as cursor:
        session.begin()
        cursor.execute(f"INSERT INTO {DATABASE}.t VALUES (1)")
        time.sleep(1.5)
        assert blockers(disconnect=True) == ["blocking_transaction"]


def test_table_of_the_name_that_is_ours(store: MySQL, run: Run) -> None:
    store.execute(f"CREATE TABLE {DATABASE}.mlflow_ops_prepared (a INT PRIMARY KEY)")
    refused(run(), "the table mlflow_ops_prepared of mlflow is not the one that this collection makes")


def test_senseless_options(run: Run) -> None:
    refused(run(login_port=0), "login_port is 0: give a port from 1 to 65535")
    refused(run(connect_timeout=0), "connect_timeout must be 1 second at least")
    refused(run(client_cert="/cert.pem"), "client_cert and client_key belong together")


@pytest.mark.parametrize("state", ["upgraded", "repaired"])
def test_revision_after_the_catalogue(
    store: MySQL, options: dict[str, Any], run_module: RunModule, state: str
) -> None:
    change = {**options, "virtualenv": VIRTUALENV}
    assert not run_module("mlflow_schema", {**change, "revision": EARLY}).failed
    store.execute(f"UPDATE {DATABASE}.alembic_version SET version_num = '0123456789ab'")
    before = content(store)
    found = run_module("mlflow_schema_info", options)
    assert (found["state"], found["revision"]) == ("unknown", "0123456789ab")
    assert "newer release of this collection" in found["message"]
    refused(
        run_module("mlflow_schema", {**change, "state": state}),
        "nothing was changed",
        "0123456789ab",
    )
    assert content(store) == before


@pytest.mark.parametrize("state", ["initialised", "upgraded"])
def test_read_only_server(store: MySQL, options: dict[str, Any], run_module: RunModule, state: str) -> None:
    change = {**options, "virtualenv": VIRTUALENV, "state": state}
    if state == "upgraded":
        made = run_module("mlflow_schema", {**change, "state": "initialised", "revision": EARLY})
        assert not made.failed, made["msg"]
    before = content(store)
    store.execute("SET GLOBAL super_read_only = ON")
    try:
        found = run_module("mlflow_schema_info", options)
        assert "read_only" in {blocker["name"] for blocker in found["blockers"]}
        assert "MLflow cannot write: super_read_only and read_only are on" in found["message"]
        refused(run_module("mlflow_schema", change), "nothing was changed", "(read_only)", "Remedy: ")
    finally:
        store.execute("SET GLOBAL super_read_only = OFF")
        store.execute("SET GLOBAL read_only = OFF")
    assert content(store) == before


class Relay:
    """Between a client and a server: closes both sides once the server has sent `limit` bytes."""

    def __init__(self, port: int, limit: int) -> None:
        self.target, self.limit, self.passed = port, limit, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _address = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self.copy, args=(source, sink, source is server), daemon=True).start()

    def copy(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(4096):
                if counted:
                    self.passed += len(data)
                if self.passed > self.limit:
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def test_connection_lost_while_looking(store: MySQL, options: dict[str, Any], run_module: RunModule) -> None:
    whole = Relay(store.port, 10**9)
    assert not run_module("mlflow_schema_info", {**options, "login_port": whole.port}).failed
    before = content(store)
    messages = set()
    for part in range(12):
        relay = Relay(store.port, whole.passed * part // 12)
        result = run_module("mlflow_schema_info", {**options, "login_port": relay.port})
        relay.listener.close()
        refused(result, f"127.0.0.1:{relay.port}")
        messages.add(result["msg"].replace(str(relay.port), "PORT"))
    whole.listener.close()
    # While it logs in, and while it looks.
    assert any("cannot reach a MySQL server" in message for message in messages)
    assert any("was lost in the middle" in message and "run this again" in message for message in messages)
    assert all("cannot reach" in message or "was lost" in message for message in messages), messages
    assert content(store) == before


@pytest.mark.parametrize("whose", ["module", "migrations"])
def test_connection_lost_while_migrating(
    store: MySQL, options: dict[str, Any], run_module: RunModule, whose: str
) -> None:
    """Either the one that holds the lock or the one that migrates; what is left is said, and can be gone on with."""
    change = {**options, "virtualenv": VIRTUALENV}
    assert not run_module("mlflow_schema", {**change, "revision": EARLY}).failed
    done: list[Result] = []
    runner = threading.Thread(
        target=lambda: done.append(run_module("mlflow_schema", {**change, "state": "upgraded"}))
    )
    runner.start()
    deadline = time.monotonic() + 60

    def wait_for(statement: str) -> Any:
        while not (found := store.execute(statement)):
            assert time.monotonic() < deadline and runner.is_alive()
            time.sleep(0.02)
        return found[0][0]

    wait_for(f"SHOW TABLES FROM {DATABASE} LIKE 'model_versions'")
    with store.root() as reader, reader.cursor() as cursor:
        if whose == "migrations":
            # It has to wait for this reader, so that it is in the middle for certain.
            reader.begin()
            cursor.execute(f"SELECT * FROM {DATABASE}.experiments")
            waiting = "SELECT id FROM information_schema.processlist WHERE state = 'Waiting for table metadata lock'"
            chosen = wait_for(waiting)
        else:
            chosen = wait_for(f"SELECT IS_USED_LOCK('mlflow_schema.{DATABASE}')")
        killed = time.monotonic()
        store.execute(f"KILL {chosen}")
    runner.join()
    assert time.monotonic() - killed < AT_ONCE
    (result,) = done
    assert result.failed
    words = "was lost in the middle" if whose == "module" else "MLflow's migrations failed: "
    assert words in result["msg"], result["msg"]
    assert f"The store is {result['state']} now" in result["msg"]
    assert result["applied"] and result["state"] in ("behind", "half_applied")
    sessions = "SELECT id FROM information_schema.processlist WHERE user = 'migrator'"
    # Nobody goes on behind its back.
    assert store.execute(sessions) == []
    assert not run_module("mlflow_schema", {**change, "state": "repaired"}).failed
    last = run_module("mlflow_schema", {**change, "state": "upgraded"})
    assert not last.failed, last["msg"]
    assert (last["state"], last["drift"]) == ("current", [])
