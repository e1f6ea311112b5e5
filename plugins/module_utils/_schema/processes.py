# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that a module talks with while they run. Private to this collection: it may change without notice.

Ansible's `run_command` gives a process all of its input at once, keeps all of its output, and fails by itself.
"""

from __future__ import annotations

import subprocess
from typing import IO, Any

PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL
Process = subprocess.Popen


def start(
    command: list[str], output: int | IO[Any], errors: IO[Any], text: bool = False
) -> subprocess.Popen[Any]:
    """Start `command` with a pipe for its input. With `text` the pipes take UTF-8. Raises OSError."""
    encoding = "utf-8" if text else None
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=errors,
        encoding=encoding,
        errors="replace" if text else None,
    )
