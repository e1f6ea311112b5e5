# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to MySQL. Private to this collection: it may change without notice.

This is the one place that connects. Every failure is a `ConnectionFailed`, whose message says what to
look at and never holds a password, a DSN or the arguments of a statement.
"""

from __future__ import annotations

import socket
import ssl
import struct
import sys
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable, Mapping, cast

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import query

PYMYSQL_IMPORT_ERROR: str | None
try:
    import pymysql
except ImportError:
    PYMYSQL_IMPORT_ERROR = traceback.format_exc()
else:
    PYMYSQL_IMPORT_ERROR = None

if TYPE_CHECKING:
    from pymysql.connections import Connection

PYMYSQL_MINIMUM = "1.0.2"

# Why a connection failed: ConnectionFailed.reason is one of these.
UNREACHABLE = "unreachable"
REFUSED = "refused"
LOCKED = "locked"
TLS_REQUIRED = "tls_required"
TLS_FAILED = "tls_failed"
NOT_MYSQL = "not_mysql"
LIBRARY = "library"
OTHER = "other"

# Error numbers of the server and of the client library: dev.mysql.com/doc/mysql-errors/en/.
ER_CON_COUNT = 1040
ER_DBACCESS_DENIED = 1044
ER_ACCESS_DENIED = 1045
ER_SERVER_SHUTDOWN = 1053
ER_HOST_IS_BLOCKED = 1129
ER_HOST_NOT_PRIVILEGED = 1130
ER_TOO_MANY_USER_CONNECTIONS = 1203
ER_ACCESS_DENIED_NO_PASSWORD = 1698
ER_MUST_CHANGE_PASSWORD_LOGIN = 1862
ER_ACCOUNT_LOCKED = 3118
ER_SECURE_TRANSPORT_REQUIRED = 3159
ER_BLOCKED_BY_PASSWORD_LOCK = 3955
CR_LOST = (2003, 2006, 2013)
CR_SSL_CONNECTION_ERROR = 2026

CLIENT_SSL = 0x800
CLIENT_SSL_REQUEST = CLIENT_SSL | 0x200 | 0x8000 | 0x80000  # protocol 4.1, its salt, and plugins
PACKET_LARGEST = 1 << 24
CHARSET_UTF8MB4 = 45

# What every session wants, whatever a server gives new ones: all rows, and statements that do what they say.
SESSION = {
    "sql_select_limit": str(2**64 - 1),
    "max_join_size": str(2**64 - 1),
    "sql_big_selects": "1",
    "sql_safe_updates": "0",
    "completion_type": "0",
    "old_alter_table": "0",
    "max_execution_time": "0",
}

PAUSE = 0.1  # seconds between two looks at a server that is starting
PACKET_MAXIMUM = 4096  # bytes; a greeting has about 80


class ConnectionFailed(Exception):
    """A connection or a login failed. `reason` is one of the constants of this module."""

    def __init__(self, message: str, reason: str = OTHER, code: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.code = code


@dataclass(frozen=True)
class Address:
    """Where a server is: behind `unix_socket` if that is set, else at `host` and `port`."""

    host: str = "127.0.0.1"
    port: int = 3306
    unix_socket: str | None = None

    def __str__(self) -> str:
        if self.unix_socket:
            return f"the socket {self.unix_socket}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Tls:
    """Paths of PEM files, and whether the certificate must name the host (None: if there is a CA)."""

    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    check_hostname: bool | None = None

    @property
    def wanted(self) -> bool:
        return bool(self.ca_cert or self.client_cert) or self.check_hostname is not None

    def settings(self) -> dict[str, Any]:
        """What pymysql calls `ssl`."""
        settings = {"ca": self.ca_cert, "cert": self.client_cert, "key": self.client_key}
        given: dict[str, Any] = {key: value for key, value in settings.items() if value}
        # With no key at all pymysql takes the dictionary for "no TLS".
        given["check_hostname"] = bool(self.ca_cert) if self.check_hostname is None else self.check_hostname
        return given


@dataclass(frozen=True)
class Login:
    """How to log in as the administrator. `passwords` are pairs of where it is from and the password."""

    user: str
    passwords: tuple[tuple[str, str], ...] = field(repr=False)
    address: Address
    tcp_address: Address
    timeout: int
    tls: Tls

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(password for dummy, password in self.passwords if password)


def login_argument_spec() -> dict[str, Any]:
    """The options of the documentation fragment `_login`."""
    return {
        "login_user": {"type": "str", "default": "root"},
        "login_password": {"type": "str", "no_log": True},
        # Not a secret, but named like one.
        "login_password_files": {"type": "list", "elements": "path", "default": [], "no_log": False},
        "login_host": {"type": "str", "default": "127.0.0.1"},
        "login_port": {"type": "int", "default": 3306},
        "login_unix_socket": {"type": "path"},
        "connect_timeout": {"type": "int", "default": 10},
        "ca_cert": {"type": "path", "aliases": ["ssl_ca"]},
        "client_cert": {"type": "path", "aliases": ["ssl_cert"]},
        "client_key": {"type": "path", "aliases": ["ssl_key"]},
        "check_hostname": {"type": "bool"},
    }


def read_password_file(path: str) -> str:
    """The password in `path`: its content less one trailing newline.

    Raises FileNotFoundError if there is no such file, and ConnectionFailed if it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConnectionFailed(f"cannot read the password file {path}: {error.strerror}") from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ConnectionFailed(f"the password file {path} does not hold UTF-8 text") from None
    return text[:-1] if text.endswith("\n") else text


def login_from_params(params: Mapping[str, Any]) -> Login:
    """The login that a module's parameters describe. Raises ConnectionFailed if they make no sense."""
    if not 1 <= params["login_port"] <= 65535:
        raise ConnectionFailed(f"login_port is {params['login_port']}: give a port from 1 to 65535")
    if params["connect_timeout"] < 1:
        raise ConnectionFailed("connect_timeout must be 1 second at least")
    tls = Tls(params["ca_cert"], params["client_cert"], params["client_key"], params["check_hostname"])
    if bool(tls.client_cert) != bool(tls.client_key):
        raise ConnectionFailed("client_cert and client_key belong together: give both, or neither")
    if tls.check_hostname and not tls.ca_cert:
        raise ConnectionFailed("check_hostname needs ca_cert: without it no certificate can be verified")
    passwords = []
    if params["login_password"] is not None:
        passwords.append(("login_password", params["login_password"]))
    for path in params["login_password_files"]:
        try:
            passwords.append((path, read_password_file(path)))
        except FileNotFoundError:
            continue
    if not passwords:
        if params["login_password_files"]:
            files = ", ".join(params["login_password_files"])
            raise ConnectionFailed(
                f"there is no password for {params['login_user']}: login_password is not set, "
                f"and none of login_password_files exists ({files})"
            )
        passwords.append(("no password", ""))
    tcp_address = Address(params["login_host"], params["login_port"])
    unix_socket = params["login_unix_socket"]
    address = Address(tcp_address.host, tcp_address.port, unix_socket) if unix_socket else tcp_address
    return Login(params["login_user"], tuple(passwords), address, tcp_address, params["connect_timeout"], tls)


def require_pymysql() -> None:
    """Raise ConnectionFailed if this interpreter has no pymysql, or one that is too old."""
    if PYMYSQL_IMPORT_ERROR is not None:
        raise ConnectionFailed(missing_library("PyMySQL", PYMYSQL_MINIMUM, "python3-pymysql"), LIBRARY)
    found = tuple(pymysql.VERSION[:3])
    if found < tuple(int(part) for part in PYMYSQL_MINIMUM.split(".")):
        version = ".".join(str(part) for part in found)
        message = missing_library("PyMySQL", PYMYSQL_MINIMUM, "python3-pymysql")
        raise ConnectionFailed(f"PyMySQL {version} is too old. {message}", LIBRARY)


def missing_library(name: str, minimum: str, package: str) -> str:
    at_least = f" {minimum} or newer" if minimum else ""
    return (
        f"the Python library {name}{at_least} is needed by {sys.executable}: "
        f"install the package {package}, or {name} with pip for that interpreter"
    )


def session_settings() -> str:
    """The statement that gives a session what it wants."""
    return "SET " + ", ".join(f"SESSION {name} = {value}" for name, value in SESSION.items())


def connect(
    address: Address,
    user: str,
    password: str,
    timeout: int = 10,
    tls: Tls | None = None,
    database: str | None = None,
) -> Connection[Any]:
    """Log in once, with autocommit on. Raises ConnectionFailed.

    `timeout` (seconds) bounds connecting and the login, not later statements.
    """
    require_pymysql()
    settings: dict[str, Any] = {
        "host": address.host,
        "port": address.port,
        "user": user,
        # As bytes: pymysql encodes a string in Latin-1, but MySQL hashed the UTF-8 form.
        "password": password.encode("utf-8"),
        "database": database,
        "charset": "utf8mb4",
        "autocommit": True,
        "connect_timeout": timeout,
        "read_timeout": timeout,
        "defer_connect": True,
        "init_command": session_settings(),
    }
    if address.unix_socket:
        settings["unix_socket"] = address.unix_socket
        # A newer PyMySQL would use TLS even here.
        settings["ssl_disabled"] = True
    elif tls is not None and tls.wanted:
        settings["ssl"] = tls.settings()
    connection: Any  # pymysql's methods have no types, and one attribute is private
    try:
        connection = pymysql.connect(**settings)
    except (OSError, ssl.SSLError) as error:
        raise ConnectionFailed(
            f"cannot read ca_cert, client_cert or client_key: {error}", TLS_FAILED
        ) from None
    try:
        connection.connect()
    except Exception as error:  # garbage in place of a greeting ends in almost any exception
        raise explain(error, address, user, str(getattr(connection, "server_version", ""))) from None
    if is_stranger(connection.get_server_info()):
        connection.close()
        raise not_mysql(address, connection.get_server_info())
    # pymysql hangs for ever in front of a silent port unless reads are bounded;
    # but a statement may well take longer than a login.
    connection._read_timeout = None
    return cast("Connection[Any]", connection)


def explain(error: Exception, address: Address, user: str, greeting: str = "") -> ConnectionFailed:
    """What `error` of pymysql means. `greeting` is the version that the server named, if it came to that."""
    if is_stranger(greeting):
        return not_mysql(address, greeting)
    if isinstance(error, RuntimeError) and "cryptography" in str(error):
        return ConnectionFailed(
            f"the login as {user} at {address} needs TLS or a library: "
            + missing_library("cryptography", "", "python3-cryptography"),
            LIBRARY,
        )
    cause = getattr(error, "original_exception", None) or error
    if isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return ConnectionFailed(
            f"cannot reach a MySQL server at {address}: the connection was closed during the TLS handshake",
            UNREACHABLE,
        )
    if isinstance(cause, ssl.SSLError):
        return ConnectionFailed(
            f"TLS with {address} failed: {cause.reason or cause}; "
            "check ca_cert, client_cert, client_key and check_hostname",
            TLS_FAILED,
        )
    code = error.args[0] if isinstance(error, pymysql.err.MySQLError) and error.args else None
    text = str(error.args[1]) if isinstance(code, int) and len(error.args) > 1 else ""
    if not isinstance(code, int):
        return not_mysql(address, "")
    if code in (ER_ACCESS_DENIED, ER_ACCESS_DENIED_NO_PASSWORD):
        return ConnectionFailed(
            f"{address} refused the login as {user}: wrong password, no account of that name for this client, "
            f"or one that wants a client certificate (client_cert) (MySQL error {code})",
            REFUSED,
            code,
        )
    if code == ER_SECURE_TRANSPORT_REQUIRED:
        return ConnectionFailed(
            f"{address} takes connections with TLS only: set ca_cert (MySQL error {code})", TLS_REQUIRED, code
        )
    if code == CR_SSL_CONNECTION_ERROR:
        return ConnectionFailed(
            f"TLS with {address} failed: {text}; check ca_cert, or leave TLS out", TLS_FAILED, code
        )
    if code in CR_LOST:
        if isinstance(cause, OSError):
            detail = cause.strerror or str(cause)
        else:
            detail = "something accepts connections there, but no MySQL server answers"
        remedy = (
            "; see that the server runs: the playbook deploy starts a store" if address.unix_socket else ""
        )
        return ConnectionFailed(
            f"cannot reach a MySQL server at {address}: {detail}{remedy}", UNREACHABLE, code
        )
    return server_refusal(code, text, address, user)


def server_refusal(code: int, text: str, address: Address, user: str = "") -> ConnectionFailed:
    """What an error that a server sends in place of a greeting, or during a login, means."""
    messages = {
        ER_CON_COUNT: ("has too many connections", UNREACHABLE),
        ER_TOO_MANY_USER_CONNECTIONS: (f"has too many connections of {user}", UNREACHABLE),
        ER_SERVER_SHUTDOWN: ("is shutting down", UNREACHABLE),
        ER_HOST_IS_BLOCKED: (
            "blocks this host after many connection errors: TRUNCATE performance_schema.host_cache ends that",
            REFUSED,
        ),
        ER_HOST_NOT_PRIVILEGED: ("has no account that may log in from this host", REFUSED),
        ER_DBACCESS_DENIED: (f"does not let {user} into the database", REFUSED),
        ER_MUST_CHANGE_PASSWORD_LOGIN: (f"says that the password of {user} has expired", OTHER),
        ER_ACCOUNT_LOCKED: (f"says that the account of {user} is locked", LOCKED),
        ER_BLOCKED_BY_PASSWORD_LOCK: (f"blocks {user} after wrong passwords", OTHER),
    }
    message, reason = messages.get(code, (f"refused the connection: {text}", OTHER))
    return ConnectionFailed(f"{address} {message} (MySQL error {code})", reason, code)


def is_stranger(greeting: str) -> bool:
    """Whether a version is that of a server that is not MySQL, or of a proxy, whose sessions share locks."""
    return any(name in greeting.lower() for name in ("mariadb", "proxysql"))


def not_mysql(address: Address, greeting: str) -> ConnectionFailed:
    what = f"it calls itself {greeting}" if greeting else "what it sends is not MySQL's protocol"
    return ConnectionFailed(
        f"the server at {address} is not MySQL: {what}; give the host and port of the MySQL server itself",
        NOT_MYSQL,
    )


def describe_error(error: Exception, address: Address) -> str:
    """What an error of a statement means, for errors of pymysql and any other."""
    code = error.args[0] if error.args else None
    # With (0, '') pymysql says that a connection was closed before.
    if isinstance(code, int) and (code in CR_LOST or code == 0):
        return (
            f"the connection to {address} was lost in the middle (MySQL error {code}): "
            "see that the server runs and is not being stopped, then run this again"
        )
    return f"MySQL: {type(error).__name__}: {error}"


def connect_administrator(login: Login) -> Connection[Any]:
    """Log in as the administrator, with the first password that is accepted. Raises ConnectionFailed."""
    return connect_with_password(login)[0]


def connect_with_password(login: Login) -> tuple[Connection[Any], str]:
    """Log in like `connect_administrator`; returns the password that was accepted too."""
    refused: ConnectionFailed | None = None
    for _source, password in login.passwords:
        try:
            return connect(login.address, login.user, password, login.timeout, login.tls), password
        except ConnectionFailed as error:
            if error.code not in (ER_ACCESS_DENIED, ER_ACCESS_DENIED_NO_PASSWORD):
                raise
            refused = error
    tried = ", ".join(source for source, dummy in login.passwords)
    raise ConnectionFailed(f"{refused}. Tried: {tried}", REFUSED, refused.code if refused else None)


def try_login(address: Address, user: str, password: str, timeout: int, tls: Tls | None) -> str | None:
    """The account (`name@host`) that a login is taken for, or None if it is refused.

    Raises ConnectionFailed for all else, so that a server that is gone is not taken for a wrong password.
    """
    try:
        connection = connect(address, user, password, timeout, tls)
    except ConnectionFailed as error:
        # Without any account for this client's address the server refuses before it asks who is there.
        if error.code in (ER_ACCESS_DENIED, ER_ACCESS_DENIED_NO_PASSWORD, ER_HOST_NOT_PRIVILEGED):
            return None
        raise
    try:
        found = query(connection, "SELECT CURRENT_USER()")
    finally:
        connection.close()
    return str(found[0][0]) if found else None


def read_greeting(address: Address, timeout: float) -> str:
    """The version in the greeting of the MySQL server at `address`; empty if it greets with error 1130.

    That error (no account may log in from here) comes from a server that is up: it is what a new store
    says until its accounts are made. Raises ConnectionFailed; UNREACHABLE means that it may come yet.
    """
    deadline = time.monotonic() + timeout
    try:
        with socket.create_connection((address.host, address.port), timeout) as connection:
            header = _receive(connection, 4, deadline)
            length = header[0] | header[1] << 8 | header[2] << 16
            # The greeting is the first packet of a conversation, so that its number is 0.
            if length == 0 or length > PACKET_MAXIMUM or header[3] != 0:
                raise not_mysql(address, "")
            payload = _receive(connection, length, deadline)
    except EOFError:
        raise ConnectionFailed(
            f"no MySQL server at {address}: the connection is accepted and closed again", UNREACHABLE
        ) from None
    except socket.timeout:
        raise ConnectionFailed(
            f"no MySQL server at {address}: no greeting within {timeout:.0f} s", UNREACHABLE
        ) from None
    except OSError as error:
        raise ConnectionFailed(
            f"cannot reach a MySQL server at {address}: {error.strerror or error}", UNREACHABLE
        ) from None
    if payload[0] == 0xFF:
        code = struct.unpack_from("<H", payload, 1)[0] if length >= 3 else 0
        if code == ER_HOST_NOT_PRIVILEGED:
            return ""
        raise server_refusal(code, payload[3:].decode("utf-8", "replace"), address)
    version = payload[1:].split(b"\0", 1)[0].decode("ascii", "replace")
    if payload[0] != 10 or not version[:1].isdigit():
        raise not_mysql(address, "")
    if is_stranger(version):
        raise not_mysql(address, version)
    return version


def presented_certificate(address: Address, timeout: float) -> bytes:
    """The certificate, in DER form, that the server at `address` presents; it is not verified.

    Raises ConnectionFailed, also for a server without TLS. See "Connection Phase" in MySQL's internals manual.
    """
    deadline = time.monotonic() + timeout
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    request = struct.pack("<IIB23x", CLIENT_SSL_REQUEST, PACKET_LARGEST, CHARSET_UTF8MB4)
    try:
        with socket.create_connection((address.host, address.port), timeout) as connection:
            header = _receive(connection, 4, deadline)
            payload = _receive(connection, header[0] | header[1] << 8 | header[2] << 16, deadline)
            if payload[:1] == b"\xff":
                code = struct.unpack_from("<H", payload, 1)[0]
                raise server_refusal(code, payload[3:].decode("utf-8", "replace"), address)
            # The lower half of the server's capabilities follows its version, thread, salt and a zero.
            (capabilities,) = struct.unpack_from("<H", payload, payload.index(b"\0") + 14)
            if not capabilities & CLIENT_SSL:
                raise ConnectionFailed(
                    f"the server at {address} has no TLS: see that ssl_cert and ssl_key are set"
                )
            connection.sendall(len(request).to_bytes(3, "little") + b"\1" + request)
            with context.wrap_socket(connection) as secured:
                return secured.getpeercert(True) or b""
    except (EOFError, OSError, ValueError, struct.error) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "reason", None)
        reason = reason or "it does not answer as MySQL does"
        raise ConnectionFailed(f"no TLS with the server at {address}: {reason}", TLS_FAILED) from None


def _receive(connection: socket.socket, size: int, deadline: float) -> bytes:
    data = b""
    while len(data) < size:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def wait_for_server(host: str, port: int, timeout: float) -> float:
    """Wait until a MySQL server greets at `host` and `port`; returns the seconds it took.

    An open port is not enough: a proxy accepts connections before its server listens. Raises
    ConnectionFailed after `timeout` seconds, with what was seen last, or at once if it can't get better.
    """
    address = Address(host, port)
    return wait_until(lambda left: read_greeting(address, max(1.0, min(left, 5.0))), timeout)


def wait_until(attempt: Callable[[float], Any], timeout: float) -> float:
    """Call `attempt` with the seconds left until it raises no UNREACHABLE; returns the seconds it took."""
    start = time.monotonic()
    while True:
        try:
            attempt(timeout - (time.monotonic() - start))
        except ConnectionFailed as error:
            spent = time.monotonic() - start
            if error.reason != UNREACHABLE:
                raise
            if spent + PAUSE >= timeout:
                raise ConnectionFailed(f"{error}; waited {spent:.0f} s", UNREACHABLE, error.code) from None
            time.sleep(PAUSE)
        else:
            return time.monotonic() - start
