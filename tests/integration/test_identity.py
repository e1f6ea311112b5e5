# SPDX-License-Identifier: GPL-3.0-or-later
"""Which containers are on a store's data, and whose they are, as the real engine knows it."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store.identity import NAMESPACE
from conftest import COLLECTIONS, RunModule, docker, free_port
from default_versions import MYSQL_IMAGE

LABEL = "mlflow_ops.backend_store"
ROOT = Path(__file__).resolve().parents[2]
GROUP_PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("group_*.yml"))
# What works on all members together.
OF_A_GROUP = ("convert_schema", "deploy_group", "restore", "upgrade_schema", *GROUP_PLAYBOOKS)
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))


def test_containers_on_the_data_are_found(run_module: RunModule, tmp_path: Path) -> None:
    home, name = tmp_path / "store", f"identity-{free_port()}"
    (home / "data/mysql").mkdir(parents=True)
    (home / "data/mysql.ibd").touch()
    (tmp_path / "link").symlink_to(home)
    docker(
        *("create", "--name", name, "--label", f"{LABEL}={home}", "-v", f"{home}/data:/var/lib/mysql"),
        *("--entrypoint", "bash", MYSQL_IMAGE, "mysqld", "--loose-group-replication-group-name=a-group"),
    )
    scratch = f"{name}-scratch"
    docker(
        *("create", "--name", scratch, "--label", f"{LABEL}.throw_away={home}", "-v", f"{home}/data:/data"),
        *("--entrypoint", "bash", MYSQL_IMAGE),
    )
    try:
        for path in (home, tmp_path / "link", tmp_path / "other"):
            options = {"container": name, "home": {"path": str(path), "generate": ["root_password"]}}
            found = run_module("mlflow_mysql_host_info", {**options, "data_dir": f"{path}/data"})
            same = path.name != "other"
            assert found["container"]["home"] == str(home) and found["container"]["same_home"] is same
            assert found["container"]["group"] == "a-group"
            assert found["data_users"] == ([{"name": name, "state": "created"}] if same else [])
            assert found["home"]["missing"] == ["root_password"]
            assert found["aside"] is None
        # What a run that was interrupted left of the container before, also where there is no other yet.
        docker("rename", name, f"{name}_replaced")
        found = run_module("mlflow_mysql_host_info", {**options, "data_dir": f"{home}/data"})
        assert (found["container"], found["aside"]) == (None, f"{name}_replaced")
        docker("create", "--name", name, "--entrypoint", "bash", MYSQL_IMAGE)
        found = run_module("mlflow_mysql_host_info", {"container": name})
        assert found["container"]["home"] is None and found["aside"] == f"{name}_replaced"
    finally:
        docker("rm", "--force", name, scratch, f"{name}_replaced")


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A member's container, which does not run, and its home."""
    home, name = tmp_path_factory.mktemp("member") / "store", f"identity-{free_port()}"
    for path in ("data/mlflow", "data/mysql", "secrets/container"):
        (home / path).mkdir(parents=True)
    for path in ("data/auto.cnf", "data/ibdata1", "data/mysql.ibd", "data/mlflow/experiments.ibd"):
        (home / path).touch()
    for path in ("root_password", "container/mysql_password"):
        (home / "secrets" / path).write_text("x")
    group = f"--loose-group-replication-group-name={uuid.uuid5(NAMESPACE, 'mlflow_backend_store')}"
    docker(
        *("create", "--name", name, "--label", f"{LABEL}={home}", "-v", f"{home}/data:/var/lib/mysql"),
        *("--entrypoint", "bash", MYSQL_IMAGE, "mysqld", group),
    )
    yield name, home
    docker("rm", "--force", name)


def play(playbook: str, directory: Path, hosts: dict[str, Any], variables: dict[str, Any]) -> tuple[int, str]:
    """The end of a playbook and what it printed, on hosts that are all this machine."""
    inventory, configuration = directory / "hosts.yml", directory / "empty.cfg"
    own = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **variables}
    inventory.write_text(json.dumps({"mlflow_backend_store": {"hosts": hosts, "vars": own}}))
    configuration.touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        ["ansible-playbook", "-i", str(inventory), str(ROOT / f"playbooks/{playbook}.yml")],
        capture_output=True, text=True, check=False,
        env={**environment, "ANSIBLE_CONFIG": str(configuration), "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS)},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def everything(container: str, directory: Path) -> tuple[str, list[str]]:
    found = sorted(str(path) for path in directory.rglob("*") if path.name not in ("hosts.yml", "empty.cfg"))
    return docker("inspect", "--format", "{{.Id}} {{.State.Status}}", container), found


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_no_playbook_takes_another_store_for_this_one(playbook: str, member: tuple[str, Path]) -> None:
    """One of two members has variables of another store: nothing is done with either."""
    container, home = member
    variables = {
        "mlflow_mysql_home": str(home),
        "mlflow_mysql_container_name": container,
        "mlflow_mysql_group": "mlflow_backend_store",
        "mlflow_mysql_bind_address": "0.0.0.0",
        # What group_out, group_switch and group_recover want.
        **{name: "right" for name in ("member", "to", "recover_from")},
    }
    hosts = {
        "wrong": {"mlflow_mysql_home": str(home.parent / "other"), "ansible_host": "10.0.0.1"},
        "right": {"ansible_host": "10.0.0.2"},
    }
    if playbook not in OF_A_GROUP:
        # A host is no other host's business.
        del hosts["right"]
    before = everything(container, home.parent)
    code, said = play(playbook, home.parent, hosts, variables)
    assert code == 2, said
    assert f"The container {container} is that of the store in {home}" in said, said
    assert everything(container, home.parent) == before
    if playbook in OF_A_GROUP and playbook != "group_status":
        # Nothing more is done on the other one.
        tasks = [line for line in said.splitlines() if line.startswith("TASK [")]
        assert "name another store" in tasks[-1], tasks


@pytest.mark.parametrize(
    "playbook, wrong, said",
    [
        (playbook, *case)
        for playbook, case in zip(
            GROUP_PLAYBOOKS,
            itertools.cycle(
                (
                    ({"mlflow_mysql_database": "other"}, "experiments and runs in mlflow"),
                    ({"mlflow_mysql_container_name": "other"}, "is on the data in"),
                    ({"mlflow_mysql_group": "renamed"}, "of another name than mlflow_mysql_group, renamed"),
                    ({"mlflow_mysql_group": None}, "mlflow_mysql_group is not set"),
                )
            ),
            strict=False,
        )
    ],
)
def test_every_playbook_of_a_group_names_what_is_another_store(
    playbook: str, wrong: dict[str, Any], said: str, member: tuple[str, Path]
) -> None:
    container, home = member
    variables = {
        "mlflow_mysql_home": str(home),
        "mlflow_mysql_container_name": container,
        "mlflow_mysql_group": "mlflow_backend_store",
        **wrong,
    }
    code, found = play(playbook, home.parent, {"one": {"ansible_host": "10.0.0.1"}}, variables)
    assert code == 2 and said in re.sub(r"\s+", " ", found), found


def test_networks_that_a_store_had_before(run_module: RunModule, tmp_path: Path) -> None:
    name = f"networks-{free_port()}"
    networks = [f"{name}-{number}" for number in range(4)]
    for number, network in enumerate(networks):
        labels = ("--label", f"{LABEL}={tmp_path if number < 3 else '/elsewhere'}")
        docker("network", "create", *labels, network)
    docker("create", "--name", name, "--network", networks[1], "--entrypoint", "bash", MYSQL_IMAGE)
    docker(
        "create", "--name", f"{name}-mlflow", "--network", networks[2], "--entrypoint", "bash", MYSQL_IMAGE
    )
    try:
        options = {"container": name, "home": {"path": str(tmp_path)}, "network": networks[0]}
        # The one that it is in, not one with another container in it, nor that of another store.
        assert run_module("mlflow_mysql_host_info", options)["spare_networks"] == [networks[1]]
        docker("rm", "--force", f"{name}-mlflow")
        options["network"] = f"{name}-new"
        assert run_module("mlflow_mysql_host_info", options)["spare_networks"] == networks[:3]
    finally:
        docker("rm", "--force", name, f"{name}-mlflow")
        docker("network", "rm", *networks)


def test_the_uri_of_a_group_is_printed_where_a_member_is_lost(member: tuple[str, Path]) -> None:
    container, home = member
    lost = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    variables = {
        "mlflow_mysql_home": str(home),
        "mlflow_mysql_container_name": container,
        "mlflow_mysql_group": "mlflow_backend_store",
    }
    code, said = play(
        "group_uri", home.parent, {"lost": lost, "there": {"ansible_host": "10.0.0.2"}}, variables
    )
    assert code == 0 and "@127.0.0.1:6446/mlflow?" in said, said
    # None that answers has been a member.
    code, said = play("group_uri", home.parent, {"lost": lost}, variables)
    assert code and "No host of mlflow_backend_store answers that is a member" in said, said


def test_a_uri_of_another_inventory_is_not_printed(member: tuple[str, Path]) -> None:
    """The container publishes another port than the one that the variables say."""
    home, name, port = member[1], f"identity-{free_port()}", free_port()
    docker(
        *("create", "--name", name, "--label", f"{LABEL}={home}", "-v", f"{home}/data:/var/lib/mysql"),
        *("--publish", f"127.0.0.1:{port}:3306", "--entrypoint", "bash", MYSQL_IMAGE),
    )
    variables = {"mlflow_mysql_home": str(home), "mlflow_mysql_container_name": name}
    docker("rename", member[0], f"{name}_replaced")  # one is on the data
    try:
        code, said = play("uri", home.parent, {"one": {}}, variables)
        assert code and f"{name} publishes 127.0.0.1 port {port}, and the variables" in re.sub(
            r"\s+", " ", said
        ), said
        assert "mysql+pymysql" not in said
        code, said = play("uri", home.parent, {"one": {}}, {**variables, "mlflow_mysql_port": port})
        assert code == 0 and f"@127.0.0.1:{port}/mlflow" in said, said
    finally:
        docker("rename", f"{name}_replaced", member[0])
        docker("rm", "--force", name)
