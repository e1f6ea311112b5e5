# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backups of a store have on its host outside its home. Private: it may change without notice."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import signal
import time
from typing import Mapping, Sequence

METRICS = "mlflow_mysql_backup"
UNIT = "mlflow-mysql-backup-"
STAMPS = "/var/lib/systemd/timers"
ENDS_WITHIN = 120.0  # seconds


def read_settings(path: str) -> Mapping[str, object]:
    """Return the settings that the program on this host has, as they are; none if they cannot be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def metric_files(directory: object, container: object) -> list[str]:
    """Return the files for the textfile collector, and what an interrupted run left of them, that are one store's only.

    A name may be the beginning of another store's, so what is in them counts.
    """
    if not isinstance(directory, str) or not isinstance(container, str):
        return []
    found = []
    for path in glob.glob(os.path.join(glob.escape(directory), f"{METRICS}_{glob.escape(container)}_*")):
        if re.fullmatch(r".*\.prom(\.\d+)?", path) is None:
            continue
        try:
            with open(path, encoding="utf-8") as stream:
                stores = re.findall(r'^\w+\{store="([^"]*)"', stream.read(), re.MULTILINE)
        except (OSError, UnicodeDecodeError):
            continue
        if set(stores) <= {container} and (stores or ".prom." in path):
            found.append(path)
    return sorted(found)


def of_earlier(files: Sequence[str], container: str, earlier: object) -> list[str]:
    """Return the paths that files of the schedule had when the container had another name."""
    if not isinstance(earlier, str) or earlier == container:
        return []
    return [path.replace(UNIT + container, UNIT + earlier, 1) for path in files if UNIT + container in path]


def stamps(files: Sequence[str]) -> list[str]:
    """Return where systemd remembers when timers last ran."""
    return [
        os.path.join(STAMPS, f"stamp-{os.path.basename(path)}") for path in files if path.endswith(".timer")
    ]


def processes(program: str, proc: str = "/proc") -> list[int]:
    """Return the processes that run the program of a store, this one not among them."""
    found = []
    for process in filter(str.isdecimal, os.listdir(proc)):
        try:
            with open(os.path.join(proc, process, "cmdline"), "rb") as stream:
                arguments = os.fsdecode(stream.read()).split("\0")
        except OSError:
            continue  # it may have ended
        # The interpreter comes first.
        if program in arguments[:2] and int(process) != os.getpid():
            found.append(int(process))
    return found


def end(program: str, within: float = ENDS_WITHIN) -> list[int]:
    """End what runs the program of a store; it removes what it has begun. Returns those that were killed for it."""
    deadline = time.monotonic() + within
    asked: set[int] = set()
    while True:
        running = processes(program)
        if not running:
            return []
        if time.monotonic() > deadline:
            for process in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            return running
        for process in running:
            if process not in asked:
                asked.add(process)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGTERM)
        time.sleep(0.1)
