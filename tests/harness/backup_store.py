# SPDX-License-Identifier: GPL-3.0-or-later
"""A store in a container with the program that backs it up, without Ansible. For tests and benchmarks.

It has what the roles give a store that matters to its backups: the settings of its server, the accounts, the
directories and the program `bin/mlflow-mysql-backup`, which runs in the tests' own virtual environment.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pymysql
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import installation
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._backup import program
from default_versions import MYSQL_IMAGE

UID = 999
STARTS_WITHIN = 120  # seconds
SERVER = (
    *("--gtid-mode=ON", "--enforce-gtid-consistency=ON", "--plugin-load-add=mysql_clone.so", "--mysqlx=OFF"),
    *("--log-bin-trust-function-creators=ON", "--character-set-server=utf8mb4", "--tmpdir=/var/tmp"),
    *("--collation-server=utf8mb4_0900_bin", "--skip-name-resolve", "--innodb-numa-interleave=OFF"),
)


def docker(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


class Store:
    """A store in a directory of its own, reached through its socket. A context manager that removes all of it."""

    def __init__(self, *options: str, **settings: Any) -> None:
        # A socket's path has 107 characters at most.
        self.home = Path(tempfile.mkdtemp(prefix="store-", dir="/tmp"))
        self.container = f"backup-{self.home.name}"
        self.options = options
        self.password = secrets.token_hex(8)
        self.home.chmod(0o755)
        for name in ("data", "run", "tmp"):
            (self.home / name).mkdir()
            os.chown(self.home / name, UID, UID)
        for name in ("secrets", "backups", "bin"):
            (self.home / name).mkdir(0o700)
        for name in ("root_password", "backup_password"):
            (self.home / "secrets" / name).write_text(self.password)
        self.program = self.home / "bin/mlflow-mysql-backup"
        self.program.write_bytes(installation.start(program.build()))
        self.program.chmod(0o755)
        self.settings(**settings)

    def settings(self, **more: Any) -> None:
        """Write the program's settings."""
        content = {
            "home": str(self.home),
            "directory": str(self.home / "backups"),
            "container": self.container,
            "image": MYSQL_IMAGE,
            "uid": UID,
            "database": "mlflow",
            "user": "mlflow_backup",
            **more,
        }
        (self.home / "backup.json").write_text(json.dumps(content))

    def __enter__(self) -> Store:
        try:
            self.start()
            self.make_accounts()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *dummy: object) -> None:
        label = f"mlflow_ops.backend_store.throw_away={self.home}"
        strays = docker("ps", "--all", "--quiet", "--filter", f"label={label}", check=False).split()
        docker("rm", "--force", "--volumes", self.container, *strays, check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self) -> None:
        """Run the server on the data that is there, and wait until it answers."""
        docker("rm", "--force", self.container, check=False)
        (self.home / "run/mysqld.sock").unlink(missing_ok=True)
        docker(
            *("run", "--detach", "--name", self.container, "--network", "none", "--init"),
            *("--label", "mlflow_ops.test=backup"),
            *("--volume", f"{self.home}/data:/var/lib/mysql", "--volume", f"{self.home}/run:/var/run/mysqld"),
            *("--volume", f"{self.home}/tmp:/var/tmp"),
            *("--volume", f"{self.home}/secrets/root_password:/root_password:ro"),
            *("--env", "MYSQL_ROOT_PASSWORD_FILE=/root_password", "--env", "MYSQL_ROOT_HOST=localhost"),
            *(MYSQL_IMAGE, "mysqld", *SERVER, *self.options),
        )
        deadline = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                # The temporary server of the entrypoint has a socket too, but no process of the number 1's child.
                if "port: 3306" in self.log():
                    self.root().close()
                    return
            except pymysql.MySQLError:
                pass
            if time.monotonic() > deadline:
                raise RuntimeError(f"the store does not answer: {self.log()[-2000:]}")
            time.sleep(0.1)

    def log(self) -> str:
        done = subprocess.run(
            ["docker", "logs", self.container],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout

    def stop(self) -> None:
        docker("stop", "-t", "60", self.container)

    def make_accounts(self) -> None:
        self.execute("CREATE DATABASE mlflow")
        self.execute("CREATE USER mlflow_backup@localhost IDENTIFIED BY %s", self.password)
        self.execute("GRANT BACKUP_ADMIN, REPLICATION CLIENT ON *.* TO mlflow_backup@localhost")
        self.execute("GRANT SELECT ON performance_schema.* TO mlflow_backup@localhost")
        self.execute("GRANT SELECT ON mlflow.* TO mlflow_backup@localhost")
        # As in a store, with rules that its root's password does not keep to.
        self.execute("INSTALL COMPONENT 'file://component_validate_password'")

    @property
    def socket(self) -> str:
        return str(self.home / "run/mysqld.sock")

    @property
    def uri(self) -> str:
        """The store's address for MLflow, as root."""
        return f"mysql+pymysql://root:{self.password}@localhost/mlflow?unix_socket={self.socket}"

    def root(self) -> Any:
        return pymysql.connect(
            unix_socket=self.socket, user="root", password=self.password, autocommit=True, charset="utf8mb4"
        )

    def execute(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        connection = self.root()
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, arguments or None)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def backup(self, *arguments: str, check: bool = True, stdin: str = "") -> dict[str, Any]:
        """Run the program and return its result; with `check` a failure raises."""
        done = subprocess.run(
            [self.program, "--json", *arguments], input=stdin, capture_output=True, text=True, check=False
        )
        result: dict[str, Any] = (
            json.loads(done.stdout.strip().splitlines()[-1]) if done.stdout.strip() else {}
        )
        if done.returncode and (check or "problem" not in result):
            raise RuntimeError(f"{' '.join(arguments)}: {result.get('problem')}{done.stderr}")
        return result

    def follow(self) -> subprocess.Popen[bytes]:
        """Start to copy the binary log all the time."""
        log = open(self.home / "follow.log", "ab")
        return subprocess.Popen([self.program, "follow"], stdout=log, stderr=log)

    def exchange(self) -> None:
        """Put what was restored into `data.restored` in the place of the data. The store must be stopped."""
        self.backup("swap", "in")

    def forget(self) -> None:
        """Remove the data that was replaced."""
        self.backup("swap", "end")

    @property
    def restored(self) -> Path:
        return self.home / "data.restored"
