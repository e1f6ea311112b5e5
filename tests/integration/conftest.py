# SPDX-License-Identifier: GPL-3.0-or-later
"""A MySQL server in a container for the session, and modules run against it as Ansible would run them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import (
    connection as mysql_connection,
)
from default_versions import MYSQL_IMAGE

STARTING_TAKES = 120  # seconds at most
# The directory that holds `ansible_collections`. Not resolved: the collection may be a symbolic link in it.
COLLECTIONS = Path(mysql_connection.__file__).parents[6]


@dataclass(frozen=True)
class MySQL:
    """A running server. root may only log in through the socket, as on a new store."""

    container: str
    port: int
    socket: str
    root_password: str

    def root(self, password: str | None = None) -> Any:
        return pymysql.connect(
            unix_socket=self.socket,
            user="root",
            password=(self.root_password if password is None else password).encode(),
            autocommit=True,
        )

    def execute(self, sql: str, *params: str) -> list[tuple[Any, ...]]:
        """Run one statement as root and return its rows."""
        connection = self.root()
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql, params)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def login(self, user: str, password: str, database: str | None = None) -> Any:
        """A connection over TCP, made without this collection's code."""
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user=user, password=password.encode(), database=database
        )

    def options(self, **more: Any) -> dict[str, Any]:
        """A module's options for logging in as root, and `more`."""
        return {
            "login_unix_socket": self.socket,
            "login_port": self.port,
            "login_password": self.root_password,
            **more,
        }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unread(path: Path) -> tuple[int, ...]:
    """What a change of a file or its owner changes, and reading it does not."""
    found = path.stat()
    return (
        found.st_ino,
        found.st_mode,
        found.st_uid,
        found.st_gid,
        found.st_size,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"docker {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


@pytest.fixture(scope="session")
def mysql() -> Iterator[MySQL]:
    # A socket's path has 107 characters at most, which pytest's own directories may exceed.
    directory = tempfile.mkdtemp(prefix="mysql-", dir="/tmp")
    os.chmod(directory, 0o777)  # mysqld has a uid of its own
    password = "in'it\\ial %s " + secrets.token_hex(4)
    secret = Path(directory, "root")
    secret.write_text(password)
    secret.chmod(0o444)
    port = free_port()
    container = docker(
        *("run", "--detach", "--label", "mlflow_ops.test=integration"),
        *("--tmpfs", "/var/lib/mysql", "--volume", f"{directory}:/var/run/mysqld"),
        *("--env", "MYSQL_ROOT_PASSWORD_FILE=/var/run/mysqld/root", "--env", "MYSQL_ROOT_HOST=localhost"),
        *("--publish", f"127.0.0.1:{port}:3306", MYSQL_IMAGE),
        *("--innodb-redo-log-capacity=16M", "--mysqlx=OFF", "--max-connections=20"),
        "--log-bin-trust-function-creators=1",  # as a store has it, for MLflow's triggers
    )
    server = MySQL(container, port, f"{directory}/mysqld.sock", password)
    try:
        wait_for_login(server)
        yield server
    finally:
        docker("rm", "--force", "--volumes", container)
        shutil.rmtree(directory, ignore_errors=True)


def wait_for_login(server: MySQL) -> None:
    deadline = time.monotonic() + STARTING_TAKES
    while True:
        try:
            server.root().close()
            return
        except pymysql.err.MySQLError as error:
            running = docker("inspect", "--format", "{{.State.Running}}", server.container) == "true"
            if not running or time.monotonic() > deadline:
                logs = subprocess.run(
                    ["docker", "logs", server.container], capture_output=True, text=True, check=False
                )
                pytest.fail(f"the server did not start: {error}\n{logs.stdout}{logs.stderr}")
            time.sleep(0.2)


@pytest.fixture
def clean(mysql: MySQL) -> Iterator[MySQL]:
    """The server without accounts and databases that a test made, before and after."""
    remove_all(mysql)
    yield mysql
    remove_all(mysql)


def remove_all(server: MySQL) -> None:
    keep = "('root', 'mysql.infoschema', 'mysql.session', 'mysql.sys')"
    for name, host in server.execute(f"SELECT user, host FROM mysql.user WHERE user NOT IN {keep}"):
        server.execute("DROP USER %s@%s", name, host)
    schemas = "('mysql', 'sys', 'information_schema', 'performance_schema')"
    for (name,) in server.execute(
        f"SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN {schemas}"
    ):
        server.execute("DROP DATABASE `" + name.replace("`", "``").replace("%", "%%") + "`")


@dataclass(frozen=True)
class Result:
    """What a module returned, and all that it wrote."""

    values: dict[str, Any]
    output: str
    seconds: float

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    @property
    def failed(self) -> bool:
        return bool(self.values.get("failed"))


RunModule = Callable[..., Result]


@pytest.fixture(scope="session")
def run_module() -> RunModule:
    """Run a module of this collection in a process of its own, its arguments as JSON on standard input."""

    def run(name: str, options: dict[str, Any], check: bool = False, seconds: float = 300) -> Result:
        arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True}
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", f"ansible_collections.mlflow_ops.backend_store.plugins.modules.{name}"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        )
        took = time.monotonic() - start
        try:
            values = json.loads(done.stdout)
        except ValueError:
            pytest.fail(f"{name} wrote no JSON:\n{done.stdout}\n{done.stderr}")
        return Result(values, done.stdout + done.stderr, took)

    return run
