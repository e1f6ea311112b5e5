# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of Docker Engine. Private to this collection: it may change without notice."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Any, Mapping, Protocol

LABEL = "mlflow_ops.backend_store"  # of what the role mlflow_mysql makes: its value is the store's directory
SCRATCH_LABEL = "mlflow_ops.backend_store.throw_away"  # of the servers that backups and restores run


class Programs(Protocol):
    """Finds and runs programs, as an AnsibleModule or `Local` does."""

    def get_bin_path(self, arg: str) -> str | None:
        """Return the path of a program, None if there is none."""

    def run_command(self, args: list[str], encoding: None) -> tuple[int, bytes, bytes]:
        """Run a program; return its exit status and what its two streams said."""


class Host(Programs, Protocol):
    """What is used of an AnsibleModule: its options, and programs of the host."""

    params: dict[str, Any]
    check_mode: bool
    no_log_values: set[str]
    tmpdir: str

    def run_command(self, args: list[str], encoding: str | None = ...) -> tuple[int, Any, Any]:
        """Run a program; return its exit status and what its two streams said, as bytes if `encoding` is None."""


@dataclass(frozen=True)
class Local:
    """Finds and runs programs where there is no AnsibleModule: with more environment, and within some seconds."""

    within: float
    environment: Mapping[str, str] = field(default_factory=dict)

    def get_bin_path(self, arg: str) -> str | None:
        return shutil.which(arg)

    def run_command(self, args: list[str], encoding: None = None) -> tuple[int, bytes, bytes]:
        """Run a program that gets no input. Raises subprocess.TimeoutExpired when the time is up and it is killed."""
        done = subprocess.run(
            args,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=self.within,
        )
        return done.returncode, done.stdout, done.stderr


class Docker:
    """The ``docker`` command of a host."""

    def __init__(self, host: Programs) -> None:
        self.host = host
        self.client = host.get_bin_path("docker")

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Return the exit status and what both streams said. Without the command the status is 127."""
        status, out, err = self.binary(*arguments)
        return status, out.decode("utf-8", "replace"), err

    def together(self, *arguments: str) -> tuple[int, str]:
        """As `run`, with what the second stream said behind what the first did."""
        status, out, err = self.run(*arguments)
        return status, out + err

    def binary(self, *arguments: str) -> tuple[int, bytes, str]:
        """As `run`, with the first stream as bytes."""
        if self.client is None:
            return 127, b"", "there is no docker command"
        status, out, err = self.host.run_command([self.client, *arguments], encoding=None)
        return status, out, err.decode("utf-8", "replace").strip()
