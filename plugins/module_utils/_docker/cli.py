# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of Docker Engine. Private to this collection: it may change without notice."""

from __future__ import annotations

from typing import Any, Protocol


class Host(Protocol):
    """What is used of an AnsibleModule: its options, and programs of the host."""

    params: dict[str, Any]
    check_mode: bool
    no_log_values: set[str]
    tmpdir: str

    def get_bin_path(self, arg: str) -> str | None:
        """Return the path of a program, None if there is none."""

    def run_command(self, args: list[str], encoding: str | None = ...) -> tuple[int, Any, Any]:
        """Run a program; return its exit status and what its two streams said, as bytes if `encoding` is None."""


class Docker:
    """The ``docker`` command of a host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.client = host.get_bin_path("docker")

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Return the exit status and what both streams said. Without the command the status is 127."""
        status, out, err = self.binary(*arguments)
        return status, out.decode("utf-8", "replace"), err

    def binary(self, *arguments: str) -> tuple[int, bytes, str]:
        """As `run`, with the first stream as bytes."""
        if self.client is None:
            return 127, b"", "there is no docker command"
        status, out, err = self.host.run_command([self.client, *arguments], encoding=None)
        return status, out, err.decode("utf-8", "replace").strip()
