# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of servers that are no servers, and of the options for logging in."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import connection
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.connection import (
    Address,
    ConnectionFailed,
)

SECRET = "canary-secret"


def packet(payload: bytes, number: int = 0) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


def error_packet(code: int, text: str) -> bytes:
    return packet(b"\xff" + code.to_bytes(2, "little") + text.encode())


def greeting(version: str) -> bytes:
    """As a server sends it: protocol 10, version, connection id, salt, capabilities, and so on."""
    tail = b"\x08\x00\x00\x00" + b"x" * 8 + b"\0\xff\xff\xff\x02\x00\xff\xdf\x15" + b"\0" * 10 + b"y" * 12
    return packet(b"\x0a" + version.encode() + b"\0" + tail + b"\0caching_sha2_password\0")


Serve = Callable[..., Address]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server that answers each connection with the next of some bytes; None: it stays silent."""
    listeners: list[socket.socket] = []
    held: list[socket.socket] = []

    def start(*answers: bytes | None) -> Address:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            for number in range(1000):
                try:
                    client, dummy = listener.accept()
                except OSError:
                    return
                answer = answers[min(number, len(answers) - 1)]
                if answer is None:
                    held.append(client)
                else:
                    client.sendall(answer)
                    client.close()

        threading.Thread(target=run, daemon=True).start()
        return Address("127.0.0.1", listener.getsockname()[1])

    yield start
    for opened in listeners + held:
        opened.close()


@pytest.mark.parametrize("version", ["9.7.0-2", "8.4.0", "8.0.36-28.1"])
def test_greeting(serve: Serve, version: str) -> None:
    assert connection.read_greeting(serve(greeting(version)), 2) == version


def test_greeting_of_a_server_without_accounts(serve: Serve) -> None:
    """A new store, whose only account is root@localhost, is up although it lets nobody in."""
    address = serve(error_packet(1130, "Host '172.17.0.1' is not allowed to connect to this MySQL server"))
    assert connection.read_greeting(address, 2) == ""


@pytest.mark.parametrize(
    ("answer", "reason", "message"),
    [
        (b"", connection.UNREACHABLE, "accepted and closed again"),
        (greeting("9.7.0")[:20], connection.UNREACHABLE, "accepted and closed again"),
        (None, connection.UNREACHABLE, "no greeting within 1 s"),
        (error_packet(1040, "Too many connections"), connection.UNREACHABLE, "has too many connections"),
        (error_packet(1129, "Host is blocked"), connection.REFUSED, "blocks this host"),
        (greeting("5.5.5-10.11.6-MariaDB"), connection.NOT_MYSQL, "it calls itself 5.5.5-10.11.6-MariaDB"),
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", connection.NOT_MYSQL, "not MySQL's protocol"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", connection.NOT_MYSQL, "not MySQL's protocol"),
        (packet(b"\x0a<html>\0"), connection.NOT_MYSQL, "not MySQL's protocol"),
    ],
)
def test_no_greeting(serve: Serve, answer: bytes | None, reason: str, message: str) -> None:
    address = serve(answer)
    with pytest.raises(ConnectionFailed, match=message) as caught:
        connection.read_greeting(address, 1)
    assert caught.value.reason == reason
    assert str(address) in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "reason", "message"),
    [
        (b"", connection.UNREACHABLE, "something accepts connections there"),
        (None, connection.UNREACHABLE, "cannot reach a MySQL server"),
        (error_packet(1040, "Too many connections"), connection.UNREACHABLE, "too many connections"),
        (
            error_packet(1130, "Host is not allowed"),
            connection.REFUSED,
            "no account that may log in from this host",
        ),
        (error_packet(1129, "Host is blocked"), connection.REFUSED, "blocks this host"),
        (greeting("5.5.5-10.11.6-MariaDB"), connection.NOT_MYSQL, "it calls itself 5.5.5-10.11.6-MariaDB"),
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", connection.NOT_MYSQL, "not MySQL"),
        (packet(b"\x0a<html>\0"), connection.NOT_MYSQL, "not MySQL"),
    ],
)
def test_connect(serve: Serve, answer: bytes | None, reason: str, message: str) -> None:
    start = time.monotonic()
    with pytest.raises(ConnectionFailed, match=message) as caught:
        connection.connect(serve(answer), "root", SECRET, timeout=1)
    assert caught.value.reason == reason
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert time.monotonic() - start < 5


def test_waits_for_a_server_that_is_starting(serve: Serve) -> None:
    address = serve(b"", b"", error_packet(1040, "Too many connections"), greeting("9.7.0"))
    spent = connection.wait_for_server(address.host, address.port, 10)
    assert 3 * connection.PAUSE <= spent < 10


def test_waiting_ends_with_what_was_seen_last(serve: Serve) -> None:
    address = serve(error_packet(1040, "Too many connections"))
    with pytest.raises(ConnectionFailed, match=r"has too many connections \(MySQL error 1040\); waited 0 s"):
        connection.wait_for_server(address.host, address.port, 0.3)


def test_waiting_ends_at_once_when_it_is_useless(serve: Serve) -> None:
    address = serve(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
    start = time.monotonic()
    with pytest.raises(ConnectionFailed, match="not MySQL"):
        connection.wait_for_server(address.host, address.port, 60)
    assert time.monotonic() - start < 5


def test_unknown_host() -> None:
    with pytest.raises(ConnectionFailed) as caught:
        connection.connect(Address("no-such-host.invalid", 3306), "root", SECRET, timeout=2)
    assert caught.value.reason == connection.UNREACHABLE
    assert "no-such-host.invalid:3306" in str(caught.value)


def test_address_as_text() -> None:
    assert str(Address("db.example.org", 3307)) == "db.example.org:3307"
    assert str(Address("2001:db8::1", 3306)) == "[2001:db8::1]:3306"
    assert str(Address(unix_socket="/run/mysqld.sock")) == "the socket /run/mysqld.sock"


def params(**more: Any) -> dict[str, Any]:
    result = ArgumentSpecValidator(connection.login_argument_spec()).validate(more)
    assert not result.error_messages
    return dict(result.validated_parameters)


def test_passwords_in_their_order(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"one\n\n")
    second.write_bytes("zw\u00f6lf ".encode())
    login = connection.login_from_params(
        params(
            login_password=SECRET, login_password_files=[str(first), str(tmp_path / "missing"), str(second)]
        )
    )
    assert login.passwords == (
        ("login_password", SECRET),
        (str(first), "one\n"),
        (str(second), "zw\u00f6lf "),
    )
    assert SECRET not in repr(login)


def test_no_password_at_all(tmp_path: Path) -> None:
    assert connection.login_from_params(params()).passwords == (("no password", ""),)
    with pytest.raises(ConnectionFailed, match="none of login_password_files exists"):
        connection.login_from_params(params(login_password_files=[str(tmp_path / "missing")]))


def test_password_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed, match=r"cannot read the password file .*: Is a directory"):
        connection.read_password_file(str(tmp_path))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConnectionFailed, match="does not hold UTF-8 text"):
        connection.read_password_file(str(tmp_path / "binary"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"login_port": 0}, "login_port is 0"),
        ({"login_port": 65536}, "login_port is 65536"),
        ({"connect_timeout": 0}, "connect_timeout"),
        ({"client_cert": "/x"}, "belong together"),
        ({"client_key": "/x"}, "belong together"),
        ({"check_hostname": True}, "check_hostname needs ca_cert"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConnectionFailed, match=message):
        connection.login_from_params(params(**options))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"ca_cert": "/ca"}, {"ca": "/ca", "check_hostname": True}),
        ({"ssl_ca": "/ca", "check_hostname": False}, {"ca": "/ca", "check_hostname": False}),
        ({"check_hostname": False}, {"check_hostname": False}),
        (
            {"ca_cert": "/ca", "client_cert": "/c", "client_key": "/k"},
            {"ca": "/ca", "cert": "/c", "key": "/k", "check_hostname": True},
        ),
    ],
)
def test_tls_settings(options: dict[str, Any], expected: dict[str, Any]) -> None:
    tls = connection.login_from_params(params(**options)).tls
    assert tls.wanted
    assert tls.settings() == expected


def test_without_tls_options() -> None:
    assert not connection.login_from_params(params()).tls.wanted


MODULE = "ansible_collections.mlflow_ops.backend_store.plugins.modules.mlflow_mysql_account"
BLOCK = """
import runpy, sys
sys.modules[{library!r}] = None
sys.argv = ["module"]
runpy.run_module({module!r}, run_name="__main__")
"""


def test_missing_pymysql() -> None:
    """The module in an interpreter that finds no pymysql."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCK.format(library="pymysql", module=MODULE)],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {"login_password": SECRET}}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    message = json.loads(done.stdout)["msg"]
    assert f"PyMySQL {connection.PYMYSQL_MINIMUM} or newer is needed by {sys.executable}" in message
    assert "python3-pymysql" in message
    assert SECRET not in done.stdout


def test_old_pymysql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pymysql, "VERSION", (0, 9, 3, "final", 0))
    with pytest.raises(ConnectionFailed, match=r"PyMySQL 0\.9\.3 is too old\. .* 1\.0\.2 or newer"):
        connection.require_pymysql()


def test_missing_cryptography() -> None:
    error = RuntimeError(
        "'cryptography' package is required for sha256_password or caching_sha2_password auth methods"
    )
    explained = connection.explain(error, Address(), "root")
    assert explained.reason == connection.LIBRARY
    assert "python3-cryptography" in str(explained)
    assert sys.executable in str(explained)
