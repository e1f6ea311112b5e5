# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that reaches no host of the store fails with one line that says why."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = sorted(path.name for path in (ROOT / "playbooks").glob("*.yml"))


def started(*words: str, callback: str = "mlflow_ops.backend_store.steps") -> tuple[int, list[str]]:
    """What a command returns, and the errors that it prints."""
    # `make units` says what its own jobs share.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ANSIBLE_") and name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    done = subprocess.run(
        words,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={
            **environment,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
            "ANSIBLE_STDOUT_CALLBACK": callback,
        },
    )
    # ansible-core 2.18 breaks its warnings into lines, and begins its errors otherwise.
    lines = re.sub(r"^\[WARNING\].*(\n(?!\[|ERROR!).+)*", "", done.stderr, flags=re.MULTILINE).splitlines()
    return done.returncode, [line.replace("ERROR! ", "[ERROR]: ", 1) for line in lines if line]


@pytest.fixture()
def inventory(tmp_path: Path) -> Any:
    """Writes an inventory with these groups."""

    def write(**groups: list[str]) -> str:
        path = tmp_path / "hosts.yml"
        content = {name: {"hosts": {host: {} for host in hosts}} for name, hosts in groups.items()}
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return str(path)

    return write


@pytest.mark.parametrize("callback", ["mlflow_ops.backend_store.steps", "default"])
@pytest.mark.parametrize("playbook", ["deploy.yml", "group_uri.yml", "uri.yml"])
def test_an_inventory_that_is_not_there(playbook: str, callback: str) -> None:
    code, errors = started("ansible-playbook", "-i", "nix.yml", f"playbooks/{playbook}", callback=callback)
    assert code == 4
    assert len(errors) == 1
    assert "The inventory nix.yml does not exist" in errors[0]


@pytest.mark.parametrize("target", ["deploy", "uri"])
def test_make_fails_too(target: str) -> None:
    code, errors = started("make", "-s", "-o", ".venv/run", "INVENTORY=nix.yml", target)
    assert code != 0
    assert "The inventory nix.yml does not exist" in errors[0], errors


def test_an_inventory_without_the_group(inventory: Any) -> None:
    path = inventory(others=["a"])
    code, errors = started("ansible-playbook", "-i", path, "mlflow_ops.backend_store.check")
    assert code == 4
    assert errors == [
        f"[ERROR]: The inventory {path} has no host in the group mlflow_backend_store, nothing was done: put the "
        "store's host there, or give another inventory"
    ]


@pytest.mark.parametrize(("limit", "code"), [("b", 4), ("!a", 4), ("~b.*", 4)])
def test_a_limit_that_leaves_none(inventory: Any, limit: str, code: int) -> None:
    path = inventory(mlflow_backend_store=["a"], others=["b"])
    found, errors = started("ansible-playbook", "-i", path, "--limit", limit, "playbooks/check.yml")
    assert found == code
    assert errors == [
        f"[ERROR]: The limit {limit} leaves no host, nothing was done: the group mlflow_backend_store has a"
    ]


def test_what_imports_a_playbook_may_mean_other_hosts(inventory: Any, tmp_path: Path) -> None:
    path = inventory(others=["b"])
    play = tmp_path / "site.yml"
    play.write_text(
        yaml.safe_dump([{"ansible.builtin.import_playbook": "mlflow_ops.backend_store.check"}]), "utf-8"
    )
    assert started("ansible-playbook", "-i", path, str(play)) == (0, [])


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_every_playbook_sees_whether_a_host_is_meant(playbook: str) -> None:
    plays = yaml.safe_load((ROOT / "playbooks" / playbook).read_text(encoding="utf-8"))
    assert "mlflow_ops.backend_store.mlflow_meant_hosts(groups" in plays[0]["hosts"]
