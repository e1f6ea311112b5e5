# SPDX-License-Identifier: GPL-3.0-or-later
"""A store's container that takes the place of another, with settings that MySQL refuses only as it starts."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker import container
from conftest import docker
from default_versions import MYSQL_IMAGE

NAME = "container-" + secrets.token_hex(4)
ASIDE = container.ASIDE.format(NAME)
MADE = container.MADE
TIMEOUT = 120


def engine(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        ["docker", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="container-", dir="/tmp"))
    (directory / "data").mkdir()
    os.chown(directory / "data", 999, 999)
    yield directory / "data"
    engine("rm", "--force", NAME, ASIDE)
    shutil.rmtree(directory)


def run(data: Path, *arguments: str) -> None:
    docker(
        *("run", "--detach", "--name", NAME, "--restart", "unless-stopped", "--user", "999:999"),
        *("--env", "MYSQL_ALLOW_EMPTY_PASSWORD=1", "--volume", f"{data}:/var/lib/mysql", MYSQL_IMAGE),
        *("--innodb-redo-log-capacity=16M", "--mysqlx=OFF", *arguments),
    )


def settle(new_data: Path | None = None) -> container.Outcome:
    beside = new_data.parent if new_data else None
    return container.settle(
        engine,
        NAME,
        "unless-stopped",
        TIMEOUT,
        str(new_data) if new_data else None,
        str(beside) if beside else None,
    )


def containers() -> list[str]:
    return sorted(docker("ps", "--all", "--filter", f"name={NAME}", "--format", "{{.Names}}").split())


def test_new_store_that_does_not_start(data: Path) -> None:
    """What it left is gone, so that other settings begin anew."""
    (data / "lost+found").mkdir()
    run(data, "--default-time-zone=Europe/Berlinn")
    found = settle(data)
    assert (found.reason, found.put_back) == ("ended", False)
    assert found.errors == ["Fatal error: Illegal or unknown default time zone 'Europe/Berlinn'"]
    assert containers() == []
    assert [path.name for path in data.iterdir()] == ["lost+found"]
    assert not (data.parent / MADE).exists()


def test_the_old_container_comes_back(data: Path) -> None:
    run(data)
    assert settle(data) == container.Outcome("up")
    assert (data.parent / MADE).exists()
    old = docker("inspect", "--format", "{{.Id}}", NAME)

    # Nothing but this data can tell.
    container.set_aside(engine, NAME, 30)
    assert containers() == [ASIDE]
    run(data, "--lower-case-table-names=1")
    found = settle()
    assert (found.reason, found.put_back) == ("ended", True)
    assert "lower_case_table_names" in found.errors[0]
    shown = docker("inspect", "--format", "{{.Id}} {{.HostConfig.RestartPolicy.Name}}", NAME)
    assert shown == f"{old} unless-stopped"
    assert containers() == [NAME]
    assert settle() == container.Outcome("up")

    # A run that was interrupted after the new one was made is gone on with.
    container.set_aside(engine, NAME, 30)
    run(data, "--default-time-zone=Europe/Berlin")
    assert settle() == container.Outcome("up", removed=True)
    assert containers() == [NAME]
    assert docker("inspect", "--format", "{{.Id}}", NAME) != old


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--default-time-zone=Europe/Berlin"], None),
        (["--sql-mode=STRCT"], "Error while setting value 'STRCT' to 'sql_mode'"),
        (["--log-error=/nope/x.log"], "Could not open file '/nope/x.log'"),
        (["--innodb-page-size=7k"], "Invalid page size"),
        (["--tmpdir=/nope"], "Can't get stat of '/nope'"),
        # It would start without them.
        (
            ["--plugin-load-add=nope.so"],
            "left_out: Can't open shared library '/usr/lib/mysql/plugin/nope.so'",
        ),
        (["--plugin-load=nope=semisync_source.so"], "left_out: Can't find symbol 'nope' in library"),
        (["--ssl-ca=/nope"], "left_out: Failed to initialize TLS for channel: mysql_main"),
        (
            ["--slow-query-log=ON", "--slow-query-log-file=/nope/x"],
            "left_out: Could not use /nope/x for logging",
        ),
        (["--plugin-load-add=mysql_clone.so", "--slow-query-log=ON"], None),
    ],
)
def test_settings_that_are_tried(arguments: list[str], says: str | None) -> None:
    found = container.try_settings(
        engine, MYSQL_IMAGE, ["bash", "starter", "mysqld", *arguments], 999, [], "1024M"
    )
    if says is None:
        assert found == container.Outcome("up")
        return
    assert found.reason == ("left_out" if says.startswith("left_out: ") else "ended")
    assert says.removeprefix("left_out: ") in found.errors[0]


def test_a_setting_that_is_mistyped() -> None:
    command = ["bash", "starter", "mysqld", "--max-conections=5"]
    found = container.try_settings(engine, MYSQL_IMAGE, command, 999, [], "1024M")
    assert "unknown variable 'max-conections=5'" in found.errors[0]
    assert found.errors[-1] == "Did you mean max_connections in place of max_conections?"
