# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of db-backend-store: its three ways to get passwords, on both base images."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker.container import MADE
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store.host_facts import (
    STAGE,
    UNFINISHED,
)
from conftest import STARTING_TAKES, docker
from default_versions import MYSQL_IMAGE

HERE = Path(__file__).resolve().parent
RECIPE = HERE.parents[1] / "db-backend-store"
QUOTED = 'it\'s "q\\uoted" $(id) é-2e8d'
KEPT = ".mlflow-passwords"
KINDS = ("debian", "official")


@dataclass
class Store:
    """A data directory, and the container that was run last on it."""

    image: str
    directory: Path
    containers: list[str] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def container(self) -> str:
        return self.containers[-1]

    def run(self, *options: str, arguments: tuple[str, ...] = ()) -> None:
        """Run a new container on the data, which Docker makes a directory of root's for at first."""
        if self.containers:
            docker("rm", "--force", self.container)
        self.containers.append(
            docker(
                *("run", "--init", "--detach", "--label", "mlflow_ops.test=integration"),
                *("--publish", "127.0.0.1::3306", "--volume", f"{self.data}:/var/lib/mysql"),
                *options,
                self.image,
                *("--innodb-redo-log-capacity=16M", *arguments),
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
        return done.stdout

    def refused(self, *options: str) -> str:
        """What a container says that ends before it touches anything."""
        self.run(*options)
        assert docker("wait", self.container) == "1"
        assert not (self.data / "mysql").exists()
        return self.logs()

    def healthcheck(self) -> tuple[int, str]:
        done = subprocess.run(
            ["docker", "exec", self.container, "bash", "/usr/local/bin/mlflow-mysql-healthcheck"],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def wait_until_healthy(self) -> None:
        deadline = time.monotonic() + STARTING_TAKES
        while self.healthcheck()[0]:
            running = docker("inspect", "--format", "{{.State.Running}}", self.container) == "true"
            if not running or time.monotonic() > deadline:
                pytest.fail(f"{self.healthcheck()}\n{self.logs()[-3000:]}")
            time.sleep(0.3)

    @property
    def port(self) -> int:
        return int(docker("port", self.container, "3306/tcp").rpartition(":")[2])

    def login(self, password: str, user: str = "mlflowusr") -> Any:
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user=user, password=password.encode(), database="mlflow"
        )

    def root(self, password: str, statement: str = "SELECT CURRENT_USER()") -> str:
        """Root's answer at the prompt of the container."""
        return docker(
            "exec", "--env", f"MYSQL_PWD={password}", self.container, "mysql", "-uroot", "-Ne", statement
        )

    def read_generated(self) -> dict[str, str]:
        """Do what the log says in one line."""
        (command,) = re.findall(r"to read them: (docker exec .*)", self.logs())
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=True)
        return dict(re.findall(r"==> /var/lib/mysql/\S*/(\S+) <==\n(\S+)", done.stdout))


@pytest.fixture(scope="module")
def images() -> Iterator[dict[str, str]]:
    """The recipe's image on each base image; what is not to be had here is emulated."""
    tag = f"mlflow-test-recipe:{os.getpid()}"
    made = {kind: f"{tag}-{kind}" for kind in KINDS}
    with tempfile.TemporaryDirectory() as work:
        context = Path(work, "recipe")
        shutil.copytree(RECIPE, context)
        recipe = (context / "Dockerfile").read_text()
        bases = {"debian": MYSQL_IMAGE, "official": f"{tag}-base"}
        Path(work, "Dockerfile").write_text(
            f"FROM {MYSQL_IMAGE}\nCOPY docker-entrypoint.sh /usr/local/bin/docker-entrypoint.sh\n"
        )
        shutil.copy(HERE / "official/docker-entrypoint.sh", work)
        docker("build", "--quiet", "--tag", bases["official"], work)
        for kind in KINDS:
            (context / "Dockerfile").write_text(re.sub("(?m)^FROM .*", f"FROM {bases[kind]}", recipe))
            docker("build", "--quiet", "--tag", made[kind], str(context))
    yield made
    docker("rmi", *made.values(), bases["official"])


@pytest.fixture
def store(request: pytest.FixtureRequest, images: dict[str, str]) -> Iterator[Store]:
    made = Store(images[request.param], Path(tempfile.mkdtemp(prefix="recipe-", dir="/tmp")))
    try:
        yield made
    finally:
        if made.containers:
            docker("rm", "--force", made.container)
        shutil.rmtree(made.directory)


def secret(store: Store, name: str, password: str) -> None:
    """For root only: the server's user in the container cannot read it."""
    path = store.directory / "secrets" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(password + "\n")
    path.chmod(0o400)


@pytest.mark.parametrize("store", KINDS, indirect=True)
def test_nothing_is_given(store: Store) -> None:
    store.run()
    store.wait_until_healthy()
    passwords = store.read_generated()
    assert sorted(passwords) == ["mysql_password", "mysql_root_password"]
    with store.login(passwords["mysql_password"]) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW DATABASES")
        assert ("mysql",) not in cursor.fetchall()
    assert store.root(passwords["mysql_root_password"]) == "root@localhost"
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        store.login(passwords["mysql_root_password"], "root")
    shown = docker("inspect", store.container) + docker("history", "--no-trunc", store.image) + store.logs()
    kept = store.data / KEPT
    assert not kept.stat().st_mode & 0o077
    for name, password in passwords.items():
        assert password not in shown
        assert len(password) == 32
        assert (kept / name).stat().st_uid == store.data.stat().st_uid == 999
        assert not (kept / name).stat().st_mode & 0o077
    # Named time zones work in either.
    assert store.root(
        passwords["mysql_root_password"], "SELECT CONVERT_TZ('2026-07-01', 'UTC', 'US/Pacific')"
    )[:10] == ("2026-06-30")

    # Run anew, with another password: the data keeps its own. The time zone that the settings name is there.
    store.run("--env", "MYSQL_PASSWORD=another-2e8d", arguments=("--default-time-zone=Europe/Berlin",))
    store.wait_until_healthy()
    store.login(passwords["mysql_password"]).close()
    assert store.read_generated() == passwords
    assert store.root(passwords["mysql_root_password"], "SELECT @@time_zone") == "Europe/Berlin"


@pytest.mark.parametrize("store", KINDS, indirect=True)
def test_variables(store: Store) -> None:
    """With quotes, which the official image pastes into SQL. Of the other password nothing is said: it is generated."""
    store.run(
        *("--env", f"MYSQL_PASSWORD={QUOTED}", "--env", "TZ=Asia/Tokyo"),
        *(("--env", f"MYSQL_ROOT_PASSWORD={QUOTED} root") if "debian" in store.image else ()),
    )
    store.wait_until_healthy()
    store.login(QUOTED).close()
    root = QUOTED + " root" if "debian" in store.image else store.read_generated()["mysql_root_password"]
    assert store.root(root, "SELECT TIMEDIFF(NOW(), UTC_TIMESTAMP())") == "09:00:00"
    if "debian" in store.image:
        # Whoever takes over the server finds nothing in its environment.
        shown = docker(
            "exec", "--user", "999", store.container, "sh", "-c", "cat /proc/$(pidof mysqld)/environ"
        )
        assert "TZ=Asia/Tokyo" in shown
        assert QUOTED not in shown

    # Once the data is there, a container needs no password, and one that differs is noticed.
    store.run()
    store.wait_until_healthy()
    store.run("--env", "MYSQL_PASSWORD=another-2e8d")
    deadline = time.monotonic() + STARTING_TAKES
    while "is refused with the password that the container was given" not in store.healthcheck()[1]:
        assert time.monotonic() < deadline, store.healthcheck()
        time.sleep(0.3)
    store.login(QUOTED).close()


@pytest.mark.parametrize("store", KINDS, indirect=True)
def test_files(store: Store) -> None:
    secret(store, "mysql_root_password", QUOTED + " root")
    name = "elsewhere" if "debian" in store.image else "mysql_password"
    secret(store, name, QUOTED)
    more = ("--env", f"MYSQL_PASSWORD_FILE=/run/secrets/{name}") if name == "elsewhere" else ()
    store.run("--volume", f"{store.directory}/secrets:/run/secrets:ro", *more)
    store.wait_until_healthy()
    store.login(QUOTED).close()
    assert store.root(QUOTED + " root") == "root@localhost"
    assert not (store.data / KEPT).exists()


@pytest.mark.parametrize("store", KINDS, indirect=True)
def test_kill_while_it_initialises(store: Store) -> None:
    """The official image would take what is there for whole, with a root that has no password."""
    store.run()
    deadline = time.monotonic() + STARTING_TAKES
    while not any((directory / "mysql.ibd").exists() for directory in (store.data, store.data / STAGE)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    docker("kill", store.container)
    assert (store.data / UNFINISHED).exists() is ("official" in store.image)
    before = (store.data / KEPT / "mysql_password").read_text()
    store.run()
    store.wait_until_healthy()
    assert "an earlier initialisation did not finish; starting it over" in store.logs()
    assert not (store.data / UNFINISHED).exists()
    passwords = store.read_generated()
    assert passwords["mysql_password"] == before.strip()
    assert store.root(passwords["mysql_root_password"]) == "root@localhost"


@pytest.mark.parametrize("store", KINDS, indirect=True)
def test_what_cannot_be(store: Store) -> None:
    secrets = store.directory / "secrets"
    secret(store, "mysql_password", "")
    mounted = ("--volume", f"{secrets}:/run/secrets:ro")
    assert "/run/secrets/mysql_password is empty" in store.refused(*mounted)
    secret(store, "mysql_password", "one-2e8d")
    assert "give only one of them" in store.refused(*mounted, "--env", "MYSQL_PASSWORD=other-2e8d")
    both = ("--env", "MYSQL_PASSWORD=one-2e8d", "--env", "MYSQL_PASSWORD_FILE=/run/secrets/mysql_password")
    assert "both MYSQL_PASSWORD and MYSQL_PASSWORD_FILE are set" in store.refused(*mounted, *both)
    gone = ("--env", "MYSQL_ROOT_PASSWORD_FILE=/run/secrets/gone")
    assert "/run/secrets/gone, which is to hold a password (MYSQL_ROOT_PASSWORD_FILE)" in store.refused(*gone)
    # Docker makes a directory of a file that is to be mounted and is not there.
    absent = ("--volume", f"{store.directory}/absent:/run/secrets/mysql_password")
    assert "/run/secrets/mysql_password is a directory" in store.refused(*absent)
    # A disk that is not mounted is not taken for a new store, where one was made.
    (store.directory / "run").mkdir()
    (store.directory / "run" / MADE).touch()
    (store.directory / "run").chmod(0o777)
    beside = ("--volume", f"{store.directory}/run:/var/run/mysqld")
    assert "is empty, and this store has been made already: mount the disk" in store.refused(*beside)
    (store.data / "letter.txt").write_text("Dear")
    assert "is not empty and is not a MySQL data directory" in store.refused()
