# SPDX-License-Identifier: GPL-3.0-or-later
"""A throw-away MySQL server on a directory of data. Private to this collection: it may change without notice.

It runs in a container of the store's own image, without a network and without accounts: whoever may open its socket, in
a directory of root's, is root in it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import replace
from typing import Any, Iterator, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import (
    BackupProblem,
    Settings,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker.cli import (
    SCRATCH_LABEL,
    Docker,
    Local,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import system_names
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import (
    literal,
    query,
    quoted,
)

try:
    import pymysql
except ImportError:
    pymysql = None  # type: ignore[assignment,unused-ignore]

INSIDE = "/var/lib/mysql"
RUN_INSIDE = "/var/run/mysqld"
SERVER_ID = 4294967295  # no store's: a server skips its own transactions when it applies a log
NO_RULES = (
    *("policy=LOW", "length=0", "number-count=0", "special-char-count=0", "mixed-case-count=0"),
    "check-user-name=OFF",
)
STARTS_WITHIN = 600  # seconds; a large log of InnoDB's takes a while to go through
STOPS_WITHIN = 600
ANSWERS_WITHIN = 180  # seconds, the engine
SOCKET_PATH = 107  # characters at most
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Tables that the CLONE plugin copies without their rows, as a statement names them.
NOT_INNODB = (
    "SELECT CONCAT('`', REPLACE(table_schema, '`', '``'), '`.`', REPLACE(table_name, '`', '``'), '`')"
    " FROM information_schema.tables WHERE table_type = 'BASE TABLE' AND engine <> 'InnoDB'"
    f" AND table_schema NOT IN ({', '.join(map(literal, system_names.DATABASES))}) ORDER BY 1"
)


class Engine:
    """The engine of a store. What it refuses, or does not answer in time, is a BackupProblem."""

    def __init__(self, settings: Settings) -> None:
        environment = {"DOCKER_HOST": settings.docker_host} if settings.docker_host else {}
        self.host = Local(ANSWERS_WITHIN, environment)
        if Docker(self.host).client is None:
            raise BackupProblem(
                "there is no docker on this host: install Docker, or run this on the store's host"
            )

    def run(self, *arguments: str, check: bool = True, within: float = ANSWERS_WITHIN) -> str:
        """Return what a command prints. Raises BackupProblem if it fails and `check`."""
        code, said, errors = self._run(arguments, within)
        if check and code:
            raise BackupProblem(self.problem(arguments[0], errors))
        return said.strip()

    def log(self, container: str) -> str:
        """Return what both of its streams say."""
        dummy, said, errors = self._run(("logs", container), ANSWERS_WITHIN)
        return said + errors

    def _run(self, arguments: Sequence[str], within: float) -> tuple[int, str, str]:
        try:
            return Docker(replace(self.host, within=within)).run(*arguments)
        except subprocess.TimeoutExpired:
            raise BackupProblem(
                f"docker {arguments[0]} did not answer within {within:.0f} s: restart Docker on this host"
            ) from None

    @staticmethod
    def problem(command: str, errors: str) -> str:
        """Return what to say of a command that failed."""
        said = " ".join(errors.split())[-400:]
        remedy = ""
        if "Cannot connect to the Docker daemon" in said or "permission denied" in said:
            remedy = ". Start Docker, and run this as root"
        elif "No such image" in said:
            remedy = ". Run the playbook deploy, which builds it"
        elif "no space left" in said:
            remedy = ". Make room on Docker's disk"
        return f"docker {command} failed: {said}{remedy}"

    def version(self, image: str) -> tuple[int, ...]:
        """Return the version of the server in an image."""
        said = self.run(
            *("run", "--rm", "--pull", "never", "--network", "none", "--no-healthcheck"),
            *("--label", SCRATCH_LABEL),
            *("--entrypoint", "mysqld", image, "--version"),
        )
        found = re.search(r"Ver (\d+)\.(\d+)\.(\d+)", said)
        if found is None:
            raise BackupProblem(f"the image {image} has no MySQL server: set mlflow_mysql_image")
        return tuple(int(part) for part in found.groups())


def version_of(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


class Server:
    """A server that runs. Its connection is root's."""

    def __init__(self, connection: Any, socket: str) -> None:
        self.connection = connection
        self.socket = socket

    def make_account(self, user: str, password: str, rights: str) -> None:
        """Make an account with `rights`, such as `ALL ON *.*`, in the place of one of that name."""
        # The server was started without the tables of accounts.
        self.rows("FLUSH PRIVILEGES")
        self.rows(f"DROP USER IF EXISTS '{user}'@'localhost'")
        self.rows(f"CREATE USER '{user}'@'localhost' IDENTIFIED BY %s", password)
        self.rows(f"GRANT {rights} TO '{user}'@'localhost'")

    def login(self, user: str, password: str) -> Server:
        """Return another connection, of an account of the data's."""
        connection = pymysql.connect(
            unix_socket=self.socket, user=user, password=password, autocommit=True, charset="utf8mb4"
        )
        return Server(connection, self.socket)

    def rows(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        return query(self.connection, statement, *arguments)

    def value(self, statement: str, *arguments: Any) -> Any:
        return self.rows(statement, *arguments)[0][0]

    def databases(self) -> list[str]:
        return [str(row[0]) for row in self.rows("SHOW DATABASES") if row[0] not in system_names.DATABASES]

    def count_rows(self) -> dict[str, dict[str, int]]:
        """Return the number of rows of each table, for each database."""
        found: dict[str, dict[str, int]] = {}
        for database in self.databases():
            tables = self.rows(f"SHOW FULL TABLES FROM {quoted(database)} WHERE table_type = 'BASE TABLE'")
            found[database] = {
                str(row[0]): int(self.value(f"SELECT COUNT(*) FROM {quoted(database, str(row[0]))}"))
                for row in tables
            }
        return found

    def others(self) -> list[str]:
        """Return the tables that are not InnoDB's."""
        return [str(row[0]) for row in self.rows(NOT_INNODB)]

    def revision(
        self, database: str, tables: Mapping[str, Any], table: str = "alembic_version"
    ) -> str | None:
        if table not in tables:
            return None
        found = self.rows(f"SELECT version_num FROM {quoted(database, table)}")
        return str(found[0][0]) if found else None


def remove_strays(settings: Settings, purpose: str) -> None:
    """Remove the containers that an interrupted run left, and their directories. Raises BackupProblem."""
    docker = Engine(settings)
    filters = (f"label={SCRATCH_LABEL}={settings.home}", f"label={SCRATCH_LABEL}.purpose={purpose}")
    listing = ("ps", "--all", "--quiet", "--no-trunc", "--filter", filters[0], "--filter", filters[1])
    for container in docker.run(*listing).split():
        docker.run("rm", "--force", container, check=False)
    for name in os.listdir(settings.scratch):
        if name.startswith(f"{purpose}-run-"):
            shutil.rmtree(os.path.join(settings.scratch, name), ignore_errors=True)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let signals wait that ask this program to end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def throw_away(
    settings: Settings, data: str, purpose: str, layout: Mapping[str, Any], options: Sequence[str] = ()
) -> Iterator[Server]:
    """Run a server on `data`, which is stopped cleanly and removed afterwards. Raises BackupProblem."""
    if pymysql is None:
        raise BackupProblem(
            "the Python library pymysql is not installed: install the package python3-pymysql"
        )
    docker = Engine(settings)
    remove_strays(settings, purpose)
    run = f"{purpose}-run-"
    directory = tempfile.mkdtemp(prefix=run, dir=settings.scratch)
    os.chown(directory, settings.uid, settings.uid)
    socket = os.path.join(directory, "mysqld.sock")
    # The store goes before it, but when the store is down and waits for it.
    shares = "1024" if purpose == "restore" else "128"
    memory = max(settings.memory_mb, 512)
    name = f"{settings.container}-backup-{os.path.basename(directory)[len(run) :]}"
    container = ""
    try:
        if len(os.fsencode(socket)) > SOCKET_PATH:
            raise BackupProblem(
                f"the path {socket} is too long for a socket: give the store a home with a shorter path"
            )
        # Who ends before it has the container's name leaves the container behind.
        with undisturbed():
            container = docker.run(
                *("run", "--detach", "--pull", "never", "--network", "none", "--init", "--name", name),
                "--no-healthcheck",  # the image's own logs in as MLflow's user
                *("--read-only", "--tmpfs", "/tmp:rw,noexec,nosuid,nodev", "--user", "999:999"),  # noqa: S108
                *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
                *("--memory", f"{memory}m", "--cpu-shares", shares),
                *("--log-driver", "json-file", "--log-opt", "max-size=1m"),
                *("--label", f"{SCRATCH_LABEL}={settings.home}"),
                *("--label", f"{SCRATCH_LABEL}.purpose={purpose}"),
                *("--volume", f"{data}:{INSIDE}", "--volume", f"{directory}:{RUN_INSIDE}"),
                *("--entrypoint", "mysqld", settings.image),
                *("--no-defaults", f"--datadir={INSIDE}", f"--tmpdir={INSIDE}"),
                *(f"--socket={RUN_INSIDE}/mysqld.sock", f"--pid-file={RUN_INSIDE}/mysqld.pid"),
                *("--skip-grant-tables", "--skip-networking", "--skip-log-bin", "--mysqlx=OFF"),
                "--skip-replica-start",
                *("--gtid-mode=ON", "--enforce-gtid-consistency=ON", f"--server-id={SERVER_ID}"),
                *("--auto-generate-certs=OFF", "--caching-sha2-password-auto-generate-rsa-keys=OFF"),
                "--loose-sha256-password-auto-generate-rsa-keys=OFF",
                # The store's own rules for passwords are in its data: what it has was good enough for it.
                *(f"--loose-validate-password.{name}" for name in NO_RULES),
                *("--performance-schema=ON", "--innodb-numa-interleave=OFF", "--max-connections=20"),
                # A restore that is cut short begins anew, so nothing has to survive it.
                *("--innodb-flush-log-at-trx-commit=0", "--log-bin-trust-function-creators=ON"),
                f"--innodb-buffer-pool-size={memory // 2}M",
                f"--lower-case-table-names={layout['lower_case_table_names']}",
                f"--innodb-page-size={layout['innodb_page_size']}",
                *options,
            )
        server = _connect(docker, container, socket)
        try:
            yield server
        except pymysql.MySQLError as error:
            if _running(docker, container):
                raise BackupProblem(
                    f"the server on {data} refused a statement: {without_secret(str(error))}. Check whether the "
                    "image is the store's, and choose another full backup if the error persists"
                ) from None
            raise BackupProblem(
                f"the server on {data} ended too early: {_last_errors(docker, container)}"
            ) from None
        with contextlib.suppress(pymysql.MySQLError):
            server.connection.close()
        docker.run("stop", "-t", str(STOPS_WITHIN), container, within=STOPS_WITHIN + ANSWERS_WITHIN)
        code = docker.run("inspect", "--format", "{{.State.ExitCode}}", container)
        if code != "0":
            raise BackupProblem(
                f"the server on {data} did not stop cleanly but with the exit status {code}: "
                f"{_last_errors(docker, container)}. Run this again"
            )
    finally:
        if container:
            with contextlib.suppress(BackupProblem):
                docker.run("rm", "--force", container)
        shutil.rmtree(directory, ignore_errors=True)


def without_secret(text: str) -> str:
    """Return a text up to the password, or its hash, of an account."""
    found = re.search(r"(?i)\b(?:IDENTIFIED|PASSWORD)\b", text)
    return text if found is None else text[: found.end()] + " ..."


def _last_errors(docker: Engine, container: str) -> str:
    state = "{{.State.OOMKilled}} {{.State.Error}}"
    killed, dummy, problem = docker.run("inspect", "--format", state, container, check=False).partition(" ")
    if killed == "true":
        return "it had too little memory: raise mlflow_backup_memory_mb"
    lines = docker.log(container).splitlines()
    errors = [line.split("] ", 3)[-1] for line in lines if "[ERROR]" in line] or lines[-3:]
    said = without_secret(" ".join(errors[:4])).strip()[:600]
    if any("o space left" in line or "errno: 28 " in line for line in lines):
        said += " The disk is full: make room"
    return said or problem or "it said nothing"


def _running(docker: Engine, container: str) -> bool:
    return docker.run("inspect", "--format", "{{.State.Running}}", container, check=False) == "true"


def _connect(docker: Engine, container: str, socket: str) -> Server:
    deadline = time.monotonic() + STARTS_WITHIN
    while True:
        try:
            connection = pymysql.connect(unix_socket=socket, user="root", autocommit=True, charset="utf8mb4")
            return Server(connection, socket)
        except pymysql.MySQLError as error:
            if not _running(docker, container):
                raise BackupProblem(f"the server does not start: {_last_errors(docker, container)}") from None
            if time.monotonic() > deadline:
                raise BackupProblem(
                    f"the server does not answer within {STARTS_WITHIN} s: {error}. Run this again when the host has "
                    "less to do"
                ) from None
        time.sleep(0.1)
