# SPDX-License-Identifier: GPL-3.0-or-later
"""The base image's entrypoint: what it makes of settings, scripts, signals and data directories."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store.host_facts import STAGE
from conftest import STARTING_TAKES, docker, unread
from default_versions import MYSQL_IMAGE

UID = 999  # the server's in the container
STOPPING_TAKES = 30  # seconds at most
CANARY = "canary-2e8d"
ROOT_PASSWORD = CANARY + " root's \"\\ %s;-- #$(id)\né\\"
USER_PASSWORD = CANARY + " user's \"\\' `;\n/* two lines"
DATABASE = "ml_flow"
SIBLING = "mlxflow"  # `_` is a wildcard in the database name of a GRANT
HARDENED = ("--user", f"{UID}:{UID}", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
CLEARED = "the data directory is left empty"


def label_of_image() -> str:
    """Empty if there is no such image, or an image that is not built from Debian's packages."""
    wanted = '{{ index .Config.Labels "mlflow_ops.base_image.source" }}'
    return subprocess.run(
        ["docker", "image", "inspect", "--format", wanted, MYSQL_IMAGE],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()


pytestmark = pytest.mark.skipif(
    label_of_image() != "debian", reason=f"{MYSQL_IMAGE} is not an image that mysql_base_image builds"
)


@dataclass
class Place:
    """What outlives a container: the data directory, the socket's, the secrets and the scripts."""

    directory: Path
    containers: list[str] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def container(self) -> str:
        """The one that was started last."""
        return self.containers[-1]

    def make(self) -> None:
        for name in ("data", "run", "secrets", "scripts"):
            (self.directory / name).mkdir()
        for name in ("data", "run"):
            os.chown(self.directory / name, UID, UID)

    def remove(self) -> None:
        for container in self.containers:
            docker("rm", "--force", "--volumes", container)
        shutil.rmtree(self.directory)

    def secret(self, name: str, content: str, mode: int = 0o440) -> str:
        """Write a secret as mlflow_mysql_home does; returns its path in a container."""
        path = self.directory / "secrets" / name
        path.write_text(content)
        os.chown(path, 0, UID)
        path.chmod(mode)
        return f"/run/secrets/{name}"

    def script(self, name: str, content: str, mode: int = 0o644) -> None:
        path = self.directory / "scripts" / name
        path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
        path.chmod(mode)

    def start(self, env: dict[str, str], *options: str) -> None:
        """Start a server in a new container."""
        self.containers.append(
            docker(
                *("run", "--detach", "--label", "mlflow_ops.test=integration"),
                *("--publish", "127.0.0.1::3306"),
                *("--volume", f"{self.data}:/var/lib/mysql"),
                *("--volume", f"{self.directory}/run:/var/run/mysqld"),
                *("--volume", f"{self.directory}/secrets:/run/secrets:ro"),
                *("--volume", f"{self.directory}/scripts:/docker-entrypoint-initdb.d:ro"),
                *(argument for name, value in env.items() for argument in ("--env", f"{name}={value}")),
                *options,
                MYSQL_IMAGE,
                *("--innodb-redo-log-capacity=16M", "--mysqlx=OFF", "--disable-log-bin"),
            )
        )

    def logs(self) -> str:
        done = subprocess.run(
            ["docker", "logs", self.container],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        assert CANARY not in done.stdout
        return done.stdout

    def status(self) -> int:
        """The container's exit status, once it has ended."""
        return int(docker("wait", self.container))

    def root(self, password: str) -> Any:
        """A connection as root@localhost."""
        return pymysql.connect(
            unix_socket=f"{self.directory}/run/mysqld.sock", user="root", password=password.encode()
        )

    def login(self, user: str, password: str, database: str | None = None) -> Any:
        """A connection over TCP."""
        port = int(docker("port", self.container, "3306/tcp").rpartition(":")[2])
        return pymysql.connect(
            host="127.0.0.1", port=port, user=user, password=password.encode(), database=database
        )

    def wait_for_login(self, password: str) -> None:
        deadline = time.monotonic() + STARTING_TAKES
        while True:
            try:
                self.root(password).close()
                return
            except pymysql.err.MySQLError as error:
                running = docker("inspect", "--format", "{{.State.Running}}", self.container) == "true"
                if not running or time.monotonic() > deadline:
                    pytest.fail(f"the server did not start: {error}\n{self.logs()}")
                time.sleep(0.1)

    def wait_for(self, name: str) -> None:
        """Until the initialisation has made a file or directory."""
        deadline = time.monotonic() + STARTING_TAKES
        while not (self.data / STAGE / name).exists():
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.01)

    def assert_only_password_of_root(self, password: str) -> None:
        """Over the socket and over TCP, which are two accounts."""
        self.root(password).close()
        self.login("root", password).close()
        for refused in ("", "root"):
            with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
                self.root(refused)
            with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
                self.login("root", refused)


@contextmanager
def new_place() -> Iterator[Place]:
    # A socket's path has 107 characters at most, which pytest's own directories may exceed.
    place = Place(Path(tempfile.mkdtemp(prefix="entrypoint-", dir="/tmp")))
    place.make()
    try:
        yield place
    finally:
        place.remove()


@pytest.fixture
def place() -> Iterator[Place]:
    with new_place() as made:
        yield made


def rows(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def root_password(place: Place) -> dict[str, str]:
    return {"MYSQL_ROOT_PASSWORD_FILE": place.secret("root", ROOT_PASSWORD)}


# Settings that cannot be


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({}, "no root password is given: set one of MYSQL_ROOT_PASSWORD, MYSQL_ROOT_PASSWORD_FILE"),
        ({"MYSQL_ROOT_PASSWORD_FILE": "empty"}, "no root password is given"),
        ({"MYSQL_ROOT_PASSWORD_FILE": "gone"}, f"/run/secrets/gone, which uid {UID} cannot read"),
        ({"MYSQL_ROOT_PASSWORD_FILE": "roots"}, f"/run/secrets/roots, which uid {UID} cannot read"),
        (
            {"MYSQL_ROOT_PASSWORD_FILE": "given", "MYSQL_USER": "root", "MYSQL_PASSWORD": CANARY},
            "MYSQL_USER cannot be root",
        ),
        ({"MYSQL_ROOT_PASSWORD_FILE": "given", "MYSQL_USER": "u"}, "MYSQL_USER is set without a password"),
        *(
            (
                {"MYSQL_ROOT_PASSWORD_FILE": "given", name: CANARY, f"{name}_FILE": "given"},
                f"both {name} and {name}_FILE are set",
            )
            for name in (
                *("MYSQL_ROOT_PASSWORD", "MYSQL_ROOT_HOST", "MYSQL_DATABASE"),
                *("MYSQL_USER", "MYSQL_PASSWORD"),
            )
        ),
    ],
    ids=lambda value: "+".join(value) or "nothing" if isinstance(value, dict) else "",
)
def test_settings_that_cannot_be(place: Place, env: dict[str, str], message: str) -> None:
    place.secret("given", ROOT_PASSWORD)
    place.secret("empty", "\n")
    place.secret("roots", ROOT_PASSWORD, mode=0o400)
    place.start({name: f"/run/secrets/{value}" if "_FILE" in name else value for name, value in env.items()})
    assert place.status() == 1
    (line,) = [line for line in place.logs().splitlines() if "[entrypoint] ERROR: " in line]
    assert message in line
    assert "[Server]" not in place.logs()
    assert list(place.data.iterdir()) == []


def test_foreign_data_directory(place: Place) -> None:
    """Nothing in it is touched, not even its owner."""
    letter = place.data / "letter.txt"
    letter.write_text("Dear")
    letter.chmod(0o640)
    place.data.chmod(0o755)
    os.chown(place.data, 0, 0)
    before = [unread(path) for path in (place.data, letter)]
    place.start(root_password(place))
    assert place.status() == 1
    assert "/var/lib/mysql is not empty and is not a MySQL data directory" in place.logs()
    assert [path.name for path in place.data.iterdir()] == ["letter.txt"]
    assert letter.read_text() == "Dear"
    assert [unread(path) for path in (place.data, letter)] == before


def test_data_directory_of_another_uid(place: Place) -> None:
    os.chown(place.data, 1234, 1234)
    place.data.chmod(0o755)
    place.start(root_password(place), *HARDENED)
    assert place.status() == 1
    assert (
        f"uid {UID} cannot write to /var/lib/mysql: chown the mounted directory to {UID}:{UID}"
        in place.logs()
    )
    assert list(place.data.iterdir()) == []


# A server with everything that can be set, and no rights that it does not need


@pytest.fixture(scope="module")
def server() -> Iterator[Place]:
    with new_place() as place:
        place.script("10-table.sql", "CREATE TABLE made (by_script INT PRIMARY KEY);\n")
        place.script(
            "20-seen.sh", 'ls "$(find / -name "$MYSQL_DATABASE" 2>/dev/null)" >/run/mysqld/seen\n', 0o755
        )
        place.script(
            "30-row.sql.gz", "INSERT INTO made VALUES (30); CREATE TABLE later (i INT PRIMARY KEY);\n"
        )
        place.script("40-sourced.sh", 'touch "/run/mysqld/$MYSQL_USER"\n')
        place.script(
            "50-sibling.sql", f"CREATE DATABASE {SIBLING}; CREATE TABLE {SIBLING}.t (i INT PRIMARY KEY);\n"
        )
        place.script("60-row.sql", "INSERT INTO made SELECT 60 + COUNT(*) FROM made;\n")
        place.script("70-read-me.txt", "INSERT INTO made VALUES (70);\n")
        env = {
            **root_password(place),
            "MYSQL_DATABASE_FILE": place.secret("database", DATABASE + "\n"),
            "MYSQL_USER": "it's",
            "MYSQL_PASSWORD_FILE": place.secret("user", USER_PASSWORD),
        }
        place.start(env, *HARDENED)
        place.wait_for_login(ROOT_PASSWORD)
        yield place


def test_passwords_from_files(server: Place) -> None:
    server.assert_only_password_of_root(ROOT_PASSWORD)
    assert rows(server.login("it's", USER_PASSWORD, DATABASE), "SELECT CURRENT_USER()") == [("it's@%",)]
    for refused in ("", USER_PASSWORD + " ", ROOT_PASSWORD):
        with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
            server.login("it's", refused)


def test_accounts(server: Place) -> None:
    """No more than were asked for, and none without a password but the server's own, which are locked."""
    sql = "SELECT user, host, authentication_string = '', account_locked FROM mysql.user ORDER BY 1, 2"
    found = rows(server.root(ROOT_PASSWORD), sql)
    assert [account for account in found if account[3] == "N"] == [
        ("it's", "%", 0, "N"),
        ("root", "%", 0, "N"),
        ("root", "localhost", 0, "N"),
    ]


def test_user_cannot_reach_a_sibling(server: Place) -> None:
    own = server.login("it's", USER_PASSWORD, DATABASE)
    rows(own, "CREATE TABLE own (i INT PRIMARY KEY)")
    rows(own, "DROP TABLE own")
    assert (SIBLING,) in rows(server.root(ROOT_PASSWORD), "SHOW DATABASES")
    assert (SIBLING,) not in rows(own, "SHOW DATABASES")
    with pytest.raises(pymysql.err.OperationalError, match="SELECT command denied"):
        rows(own, f"SELECT * FROM {SIBLING}.t")
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        server.login("it's", USER_PASSWORD, SIBLING)


def test_scripts_run_in_order(server: Place) -> None:
    assert rows(server.root(ROOT_PASSWORD), f"SELECT by_script FROM {DATABASE}.made") == [(30,), (61,)]
    assert (server.directory / "run/seen").read_text().split() == ["made.ibd"]
    assert (server.directory / "run/it's").exists()
    lines = [line.split(" ", 3)[2:] for line in server.logs().splitlines() if "[entrypoint] running" in line]
    names = [line[1].rpartition("/")[2] for line in lines]
    assert names == sorted(path.name for path in (server.directory / "scripts").iterdir())
    assert "ignoring /docker-entrypoint-initdb.d/70-read-me.txt" in server.logs()


def test_server_shows_no_password(server: Place) -> None:
    for name in ("environ", "cmdline"):
        shown = docker("exec", server.container, "cat", f"/proc/1/{name}")
        assert ("PATH=" if name == "environ" else "mysqld") in shown
        assert CANARY not in shown
    assert "canary" not in docker("inspect", server.container)


def test_server_has_no_rights(server: Place) -> None:
    status = dict(
        line.split(":\t", 1)
        for line in docker("exec", server.container, "cat", "/proc/1/status").splitlines()
        if ":\t" in line
    )
    assert status["Name"] == "mysqld"
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {str(UID)}
    for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_nothing_of_the_initialisation_is_left(server: Place) -> None:
    assert not (server.data / STAGE).exists()
    assert "/tmp/tmp." not in docker("diff", server.container)


# Starting and stopping


def test_password_in_the_environment_then_stop_and_start(place: Place) -> None:
    """Docker shows it to whoever may use Docker; the server does not pass it on."""
    (place.data / "lost+found").mkdir()
    os.chown(place.data, 0, 0)
    place.start({"MYSQL_ROOT_PASSWORD": ROOT_PASSWORD, "MYSQL_DATABASE": DATABASE})
    place.wait_for_login(ROOT_PASSWORD)
    place.assert_only_password_of_root(ROOT_PASSWORD)
    shown = docker("exec", "--user", str(UID), place.container, "cat", "/proc/1/environ")
    assert "PATH=" in shown
    assert CANARY not in shown
    rows(place.root(ROOT_PASSWORD), f"CREATE TABLE {DATABASE}.kept (i INT PRIMARY KEY)")

    start = time.monotonic()
    docker("stop", "--time", str(STOPPING_TAKES), place.container)
    assert time.monotonic() - start < STOPPING_TAKES
    assert place.status() == 0
    assert "Shutdown complete" in place.logs()

    # As a kill leaves it after the data directory is whole. Passwords and scripts are for a new one only.
    (place.data / STAGE).mkdir()
    place.script("10-late.sql", f"DROP TABLE {DATABASE}.kept;")
    place.start({"MYSQL_ROOT_PASSWORD": "another"})
    place.wait_for_login(ROOT_PASSWORD)
    place.assert_only_password_of_root(ROOT_PASSWORD)
    assert rows(place.root(ROOT_PASSWORD), f"SHOW TABLES FROM {DATABASE}") == [("kept",)]
    assert not (place.data / STAGE).exists()
    assert "another" not in docker("exec", "--user", str(UID), place.container, "cat", "/proc/1/environ")


def test_stop_while_it_initialises(place: Place) -> None:
    place.start(root_password(place))
    place.wait_for("ibdata1")
    start = time.monotonic()
    docker("stop", "--time", str(STOPPING_TAKES), place.container)
    assert time.monotonic() - start < STOPPING_TAKES
    assert place.status() == 143
    assert CLEARED in place.logs()
    assert list(place.data.iterdir()) == []
    assert "/tmp/tmp." not in docker("diff", place.container)


@pytest.mark.parametrize("seconds", [0.3, 0.8, 1.5, 2.2])
def test_kill_while_it_initialises(place: Place, seconds: float) -> None:
    """Whenever it is: the next start ends with a server that takes root's password and no other."""
    place.start(root_password(place))
    time.sleep(seconds)
    docker("kill", place.container)
    unfinished = (place.data / STAGE).exists() and not (place.data / "mysql").exists()
    docker("start", place.container)
    place.wait_for_login(ROOT_PASSWORD)
    place.assert_only_password_of_root(ROOT_PASSWORD)
    assert ("an earlier initialisation did not finish; starting it over" in place.logs()) is unfinished
    assert not (place.data / STAGE).exists()


def test_kill_while_files_are_moved(place: Place) -> None:
    """All is in place but the directory `mysql`, and what is there has no password yet."""
    place.start(root_password(place))
    place.wait_for("mysql")
    docker("kill", place.container)
    for path in (place.data / STAGE).iterdir():
        if path.name != "mysql":
            path.rename(place.data / path.name)
    assert (place.data / "ibdata1").exists()
    docker("start", place.container)
    place.wait_for_login(ROOT_PASSWORD)
    place.assert_only_password_of_root(ROOT_PASSWORD)


# Scripts that fail


def test_failing_scripts(place: Place) -> None:
    """Whatever fails, nothing is left of it, and the next start with the script mended begins anew."""
    env = {**root_password(place), "MYSQL_DATABASE": DATABASE}
    place.script("10-table.sql", "CREATE TABLE made (i INT PRIMARY KEY);")
    failing = {
        "20.sql": (
            "INSERT INTO made VALUES (1);\nINSERT INTO gone VALUES (1);",
            1,
            "ml_flow.gone' doesn't exist",
        ),
        "20.sql.gz": ("SELECT nonsense;", 1, "Unknown column 'nonsense'"),
        "20.sh": ("#!/bin/sh\necho never again\nexit 3", 3, "never again"),
    }
    for name, (script, status, message) in failing.items():
        place.script(name, script, 0o755)
        place.start(env)
        assert place.status() == status
        assert message in place.logs()
        assert CLEARED in place.logs()
        assert list(place.data.iterdir()) == []
        assert "/tmp/tmp." not in docker("diff", place.container)
        (place.directory / "scripts" / name).unlink()
    place.script("20.sql", "INSERT INTO made VALUES (1);")
    place.start(env)
    place.wait_for_login(ROOT_PASSWORD)
    place.assert_only_password_of_root(ROOT_PASSWORD)
    assert rows(place.root(ROOT_PASSWORD), f"SELECT * FROM {DATABASE}.made") == [(1,)]
