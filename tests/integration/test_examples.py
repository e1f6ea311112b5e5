# SPDX-License-Identifier: GPL-3.0-or-later
"""The EXAMPLES of modules do what they say, on a real server and a real engine. Needs root.

Paths and names of this machine take the place of a store's. tests/unit/plugins/test_examples.py has the other plugins.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker import container
from conftest import MySQL, docker, free_port
from default_versions import MLFLOW, MYSQL_IMAGE
from example_plays import COLLECTION, ROOT, action_of, noted, play, plugins, replaced, tasks_of

CANARY = "canary-5d20'\\%s"
MIGRATOR = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, REFERENCES, DROP, TRIGGER"
CHANGED, OK, SKIPPED = "changed", "ok", "skipped"
ANSWERS = "mysqladmin"  # what tells whether a server answers


@dataclass
class Store:
    """A server with a directory like a store's, in which the files are that EXAMPLES name."""

    server: MySQL
    home: Path
    name: str  # of a container

    def secret(self, name: str, password: str) -> None:
        path = self.home / "secrets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(password)

    def words(self) -> dict[str, str]:
        """What takes the place of what."""
        return {
            "/srv/mlflow-mysql/run/mysqld.sock": self.server.socket,
            "/srv/mlflow-mysql/mlflow/3.5.1": os.environ.get("MLFLOW_VIRTUALENV", sys.prefix),
            "3.5.1": MLFLOW,
            "/srv/mlflow-mysql": str(self.home),
            "/etc/ssl/certs/store-ca.pem": str(self.home / "ca.pem"),
            "db.example.org": "127.0.0.1",
            "mlflow_mysql_db": self.name,
        }


Prepare = Callable[[Store], None]
Task = dict[str, Any]


@dataclass
class Case:
    """What the tasks of a module's EXAMPLES must come to, each CHANGED, OK, SKIPPED or the `reason` of a failure.

    `before` has tasks that come before one of them. `once` are numbers of tasks that may change something again.
    `looks` is whether the container that they name is the server's, as they only look at it.
    """

    outcomes: list[str]
    prepare: Prepare = lambda store: None
    before: Callable[[Store], dict[int, list[Task]]] = lambda store: {}
    once: tuple[int, ...] = ()
    variables: Callable[[Store], dict[str, Any]] = lambda store: {}
    check: Prepare = lambda store: None
    looks: bool = False


def write(path: Path, text: str) -> Task:
    """A task that writes a file."""
    return {
        "name": "Change a file",
        "ansible.builtin.copy": {"content": text, "dest": str(path), "mode": "0600"},
    }


def as_root(store: Store) -> None:
    store.secret("root_password", store.server.root_password)
    store.secret("group_password", CANARY)


def with_accounts(store: Store) -> None:
    """root may come over TCP, and there is an account too many."""
    server = store.server
    for name in ("root", "mlflowusr", "mlflowbackup"):
        store.secret(name, server.root_password if name == "root" else f"{name} {CANARY}\n")
    # Out of a tmpfs, so that `docker cp` does not see it.
    (store.home / "ca.pem").write_text(docker("exec", server.container, "cat", "/var/lib/mysql/ca.pem"))
    server.execute("CREATE USER root@'%%' IDENTIFIED BY %s REQUIRE SSL", server.root_password)
    server.execute("GRANT ALL ON *.* TO root@'%%' WITH GRANT OPTION")
    server.execute("CREATE USER mlflowold IDENTIFIED BY 'x'")


def with_database(store: Store) -> None:
    as_root(store)
    store.secret("migrator_password", CANARY)
    store.server.execute("CREATE DATABASE mlflow CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin")
    store.server.execute("CREATE USER mlflow_migrator@localhost IDENTIFIED BY %s", CANARY)
    store.server.execute(f"GRANT {MIGRATOR} ON mlflow.* TO mlflow_migrator@localhost")


def with_writer(store: Store) -> None:
    with_database(store)
    (store.home / "upgrade").mkdir()
    store.server.execute("CREATE USER mlflowusr IDENTIFIED BY %s", CANARY)
    store.server.execute("GRANT INSERT ON mlflow.* TO mlflowusr")


def has_indexes(store: Store) -> None:
    rows = store.server.execute(
        "SELECT DISTINCT index_name FROM information_schema.statistics WHERE index_name LIKE %s",
        "mlflow_ops_%",
    )
    assert len(rows) == 2, rows


def with_container(store: Store) -> None:
    """A container that ends at once when it is told to."""
    docker("run", "--detach", "--init", "--name", store.name, "--entrypoint", "sleep", MYSQL_IMAGE, "600")


def new_container(store: Store) -> dict[int, list[Task]]:
    """Before the second task: one that answers as a server does, since the engine is what is looked at here."""
    answer = f"ln -s /bin/true /usr/local/bin/{ANSWERS}; exec sleep 600"
    run = ["docker", "run", "--detach", "--init", "--name", store.name, "--entrypoint", "sh", MYSQL_IMAGE]
    return {1: [{"name": "Run the new one", "ansible.builtin.command": {"argv": [*run, "-c", answer]}}]}


def old_is_gone(store: Store) -> None:
    aside = container.ASIDE.format(store.name)
    found = docker("ps", "--all", "--filter", f"name={store.name}", "--format", "{{.Names}}").split()
    assert store.name in found and aside not in found


def role_variables(store: Store) -> dict[str, Any]:
    """The defaults of the roles, for a store that would be made in the directory."""
    found: dict[str, Any] = {}
    for path in sorted((ROOT / "roles").glob("*/defaults/main.yml")):
        found.update(yaml.safe_load(path.read_text(encoding="utf-8")))
    return {
        **found,
        "mlflow_mysql_home": str(store.home),
        "mlflow_mysql_container_name": store.name,
        "mlflow_mysql_network": store.name,
        "mlflow_mysql_port": free_port(),
    }


CASES = {
    "mlflow_mysql_account": Case(
        [CHANGED] * 4,
        with_accounts,
        lambda store: {3: [write(store.home / "secrets/mlflowusr", f"another {CANARY}\n")]},
        variables=lambda store: {"root_password": store.server.root_password, "mlflow_password": CANARY},
    ),
    "mlflow_mysql_audit": Case([OK, OK], as_root, looks=True),
    "mlflow_mysql_backup": Case([CHANGED]),
    "mlflow_mysql_container": Case(
        [CHANGED, CHANGED], with_container, new_container, (0, 1), check=old_is_gone
    ),
    # The server is configured for no group.
    "mlflow_mysql_group": Case(["group"], as_root),
    "mlflow_mysql_group_info": Case([OK], as_root),
    "mlflow_mysql_layout": Case([CHANGED, CHANGED]),
    "mlflow_mysql_host_info": Case([OK], looks=True),
    "mlflow_mysql_plan": Case([OK, SKIPPED], variables=role_variables),
    "mlflow_mysql_rotation": Case([OK], as_root),
    "mlflow_schema": Case([CHANGED, OK, OK, OK, CHANGED], with_database, check=has_indexes),
    "mlflow_mysql_write_lock": Case([CHANGED, CHANGED], with_writer),
    # There is a database, and no table in it.
    "mlflow_schema_info": Case([OK, "failed"], with_database),
}
MODULES = [plugin.split("/")[1] for plugin in plugins() if plugin.startswith("modules/")]


@pytest.fixture
def store(module: str, clean: MySQL, tmp_path: Path) -> Iterator[Store]:
    home, name = tmp_path / "store", f"example-{secrets.token_hex(4)}"
    home.mkdir()
    yield Store(clean, home, clean.container if CASES[module].looks else name)
    clean.execute("DROP USER IF EXISTS root@'%%'")
    for one in docker("ps", "--all", "--quiet", "--filter", f"name={name}").split():
        docker("rm", "--force", one)


def outcome(result: dict[str, Any]) -> str:
    if result.get("failed"):
        return str(result.get("reason") or "failed")
    if result.get("skipped"):
        return SKIPPED
    return CHANGED if result["changed"] else OK


@pytest.mark.parametrize("module", MODULES)
def test_examples(module: str, store: Store, tmp_path: Path) -> None:
    case = CASES[module]
    case.prepare(store)
    names: dict[str, list[str]] = {}
    tasks: list[Task] = []
    expected_again: list[str] = []
    before = case.before(store)
    for number, example in enumerate(replaced(tasks_of(f"modules/{module}"), store.words())):
        tasks += before.get(number, []) + noted([example], "first", names)
        if action_of(example) == f"{COLLECTION}.{module}" and number not in case.once:
            again = {key: value for key, value in example.items() if key != "register"}
            tasks += noted([again], "again", names)
            # What was done is not done again.
            expected_again.append(case.outcomes[number].replace(CHANGED, OK))
    # The server made its certificate itself, and it names no address.
    login = {"login_port": store.server.port, "check_hostname": False}
    if module == "mlflow_mysql_account":
        login["ca_cert"] = str(store.home / "ca.pem")
    example_play = {
        "name": module,
        "hosts": "localhost",
        "gather_facts": False,
        "vars": case.variables(store),
        "module_defaults": {f"group/{COLLECTION}.mysql": login},
        "tasks": tasks,
    }
    played = play([example_play], names, tmp_path)
    first = [outcome(result) for result in played.results["first"]]
    assert first == case.outcomes, played.output
    assert [outcome(result) for result in played.results.get("again", [])] == expected_again, played.output
    assert "canary" not in played.output
    case.check(store)
