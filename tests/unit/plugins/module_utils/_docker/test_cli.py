# SPDX-License-Identifier: GPL-3.0-or-later
"""The one wrapper of the engine's command line, with a program of the test's in the place of ``docker``."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker.cli import Docker, Local


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory where programs are looked for, before all others."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def put(path: Path, script: str) -> Docker:
    program = path / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Docker(Local(10, {"DOCKER_HOST": "tcp://there"}))


def test_both_streams_and_the_status(path: Path) -> None:
    docker = put(path, 'printf "%s\\n" "$@"; printf " wrong \\377\\n" >&2; exit 3')
    assert docker.binary("ps", "a b") == (3, b"ps\na b\n", "wrong \ufffd")
    assert docker.run("ps") == (3, "ps\n", "wrong \ufffd")
    assert docker.together("ps") == (3, "ps\nwrong \ufffd")


def test_environment_and_input(path: Path) -> None:
    """The program has the environment of its caller and more, and nobody to ask."""
    docker = put(path, 'cat; printf "%s" "$DOCKER_HOST $PATH"')
    status, out, err = docker.run("info")
    assert (status, err) == (0, "") and out.startswith(f"tcp://there {path}:")


def test_time_is_up(path: Path) -> None:
    put(path, "exec sleep 60")
    with pytest.raises(subprocess.TimeoutExpired):
        Docker(Local(0.1)).run("ps")


def test_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    docker = Docker(Local(10))
    assert docker.client is None
    assert docker.run("ps") == (127, "", "there is no docker command")
    assert docker.together("ps") == (127, "there is no docker command")
