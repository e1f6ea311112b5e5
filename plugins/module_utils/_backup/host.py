# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backups of a store have on its host. Private: it may change without notice."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import time
from typing import Any, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker.cli import Host

PROGRAM = "bin/mlflow-mysql-backup"
SETTINGS = "backup.json"
IDENTITY = "backup_identity"
# What a program of the backups may use.
TOOLS = ("age", "cron", "rclone", "restic", "zstd")
LIST_SECONDS = 60.0
METRICS = "mlflow_mysql_backup"
UNIT = "mlflow-mysql-backup-"
# What a unit's file may end with.
UNITS = (".service", "-full.service", "-full.timer", "-drill.service", "-drill.timer")
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


def settings_text(settings: Mapping[str, object], home: str, encrypted: bool) -> str:
    """Return the text of the program's settings. `encrypted` is whether an age identity is there."""
    identity = f"{home}/secrets/{IDENTITY}" if encrypted else None
    return json.dumps({**settings, "home": home, "identity_file": identity}, indent=2, sort_keys=True) + "\n"


def digest(path: str) -> str | None:
    """Return the SHA-256 of a file, or null if it cannot be read or is not root's with mode 0644."""
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except OSError:
        return None
    return hashlib.sha256(content).hexdigest() if own(path, 0o644) else None


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


def start(packed: bytes) -> bytes:
    """Return the program with the line that has this host's Python run it."""
    return f"#!{sys.executable}\n".encode() + packed


def digest_of(program: bytes) -> str | None:
    """Return the digest of a program without its first line; null if another Python would run it."""
    packed = program[len(start(b"")) :]
    return hashlib.sha256(packed).hexdigest() if program == start(packed) else None


def own(path: str, mode: int) -> bool:
    """Return whether `path` is root's and has the mode."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, 0, mode)


def cron_runs() -> bool:
    try:
        with open("/run/crond.pid", encoding="ascii") as stream:
            return os.path.exists(f"/proc/{int(stream.read())}")
    except (OSError, ValueError):
        return False


class Found:
    """The state of the backups of a store. The program is asked meanwhile, which takes as long as all else."""

    def __init__(self, host: Host, home: str, container: str) -> None:
        self.host = host
        self.home = home.rstrip("/")
        self.unit = UNIT + container
        self.output = tempfile.TemporaryFile()
        self.process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):
            self.process = subprocess.Popen(
                [os.path.join(self.home, PROGRAM), "--json", "list"],
                stdin=subprocess.DEVNULL,
                stdout=self.output,
                stderr=subprocess.DEVNULL,
            )

    def _listed(self) -> dict[str, Any]:
        """Return what the program says of the backups; nothing if it cannot be asked."""
        if self.process is None:
            return {}
        try:
            self.process.wait(LIST_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.output.seek(0)
        with contextlib.suppress(ValueError):
            found = json.loads(self.output.read())
            if isinstance(found, dict):
                return found
        return {}

    def _active(self, units: Sequence[str]) -> list[str]:
        if not units or not os.path.isdir("/run/systemd/system"):
            return []
        _status, out, _err = self.host.run_command(["systemctl", "is-active", *units])
        return [unit for unit, said in zip(units, out.split()) if said == "active"]

    def facts(self) -> dict[str, Any] | None:
        """Return the state, see RETURN of mlflow_mysql_host_info; null where there is no program."""
        program = os.path.join(self.home, PROGRAM)
        listed = self._listed()
        self.output.close()
        try:
            with open(program, "rb") as stream:
                release = digest_of(stream.read())
        except OSError:
            return None
        settings = read_settings(os.path.join(self.home, SETTINGS))
        places = [f"/etc/cron.d/{self.unit}", *(f"/etc/systemd/system/{self.unit}{end}" for end in UNITS)]
        files = {path: digest(path) for path in places if os.path.lexists(path)}
        intact = [
            own(program, 0o755),
            own(os.path.dirname(program), 0o755),
            own(str(settings.get("directory")), 0o700),
        ]
        return {
            "program": release,
            # What they hold may be a secret, such as a target with a password.
            "settings": digest(os.path.join(self.home, SETTINGS)),
            "intact": all(intact),
            "identity": os.path.exists(os.path.join(self.home, "secrets", IDENTITY)),
            "files": files,
            "active": self._active([os.path.basename(path) for path in files if "/systemd/" in path]),
            "cron_runs": cron_runs(),
            "tools": [name for name in TOOLS if self.host.get_bin_path(name) is not None],
            "mlflow": sorted(glob.glob(f"{glob.escape(str(settings.get('mlflow')))}/installed-*")),
            "restorable": listed.get("restorable"),
            "owned": listed.get("owned", False),
        }
