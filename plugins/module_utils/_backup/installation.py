# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the backup program, its settings and its schedule on a host, or take them away."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import sys
import tempfile
from typing import Any

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import (
    archive,
    binlog_reader,
    offsite,
    reach,
    scratch_server,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.host import (
    end,
    metric_files,
    of_earlier,
    read_settings,
    stamps,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.package import SETTINGS, build
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store.layout import Home

PROGRAM = "bin/mlflow-mysql-backup"
IDENTITY = "backup_identity"
SECRETS = (
    IDENTITY,
    offsite.RCLONE_CONFIGURATION,
    offsite.RESTIC_PASSWORD,
    offsite.ENVIRONMENT,
)


def with_earlier(path: str, identity: str) -> str:
    """Return an identity with those that are there: what was encrypted for them is still to be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            found = stream.read()
    except OSError:
        return identity
    earlier = [line for line in found.splitlines() if line and line not in identity.splitlines()]
    return identity if not earlier else "\n".join([*earlier, *identity.splitlines()]) + "\n"


def settings_file(home: Home, settings: dict[str, object], encrypted: bool = False) -> str:
    """Return the text of the program's settings. `encrypted` is whether an identity is put there."""
    path = os.path.join(home.path, "secrets", IDENTITY)
    found = encrypted or os.path.exists(path)
    about = {**settings, "home": home.path, "identity_file": path if found else None}
    return json.dumps(about, indent=2, sort_keys=True) + "\n"


def look(module: Any, home: Home) -> dict[str, object]:
    """Run a command of the program as it is in this release, wherever the host's is of another one."""
    with tempfile.TemporaryDirectory(dir=module.tmpdir) as directory:
        program, settings = os.path.join(directory, "program"), os.path.join(directory, SETTINGS)
        with open(program, "wb") as stream:
            stream.write(build(sys.executable))
        with open(settings, "w", encoding="utf-8") as text:
            text.write(settings_file(home, module.params["settings"]))
        command = [sys.executable, program, "--settings", settings, *module.params["look"]]
        return dict(zip(("rc", "stdout", "stderr"), module.run_command(command)))


def present(home: Home, settings: dict[str, object], identity: str | None, secrets: dict[str, str]) -> None:
    home.directory("bin", 0, 0, 0o755)
    directory = str(settings["directory"])
    home.directory(os.path.relpath(directory, home.path), 0, 0, 0o700)
    if identity is not None:
        if not os.path.isdir(os.path.join(home.path, "secrets")):
            home.directory("secrets", 0, 0, 0o700)
        home.password(IDENTITY, with_earlier(os.path.join(home.path, "secrets", IDENTITY), identity))
    for name, content in sorted(secrets.items()):
        home.password(name, content)
    home.text(SETTINGS, settings_file(home, settings, identity is not None))
    home.program(PROGRAM, build(sys.executable))
    if not home.check:
        with contextlib.suppress(backup_archive.BackupProblem, TypeError, ValueError):
            about = {**settings, "home": home.path, "identity_file": None}
            backup_archive.take(backup_archive.settings_of(about))


class Host:
    """What a store's backups have outside its home."""

    def __init__(self, module: Any, home: Home) -> None:
        self.module = module
        self.home = home
        self.earlier = dict(read_settings(os.path.join(home.path, SETTINGS)))

    def remove(self, wanted: dict[str, object]) -> None:
        """Remove what is of the settings before, and not of those that are wanted."""
        now = [wanted.get(name) for name in ("textfile_directory", "container")]
        before = [self.earlier.get(name) for name in ("textfile_directory", "container")]
        absent = self.module.params["state"] == "absent"
        files = list(self.module.params["files"])
        old = of_earlier(files, str(now[1]), before[1])
        for path in [*old, *stamps([*old, *(files if absent else [])])]:
            if not self.home.check and "/systemd/system/" in path and os.path.lexists(path):
                self._systemctl("disable", "--now", os.path.basename(path))
            self.home.remove(path)
        if not absent and now == before:
            return
        # What runs with the settings before would write once more.
        if self.earlier and not self.home.check:
            end(os.path.join(self.home.path, PROGRAM))
        for directory, container in [before, now] if absent else [before]:
            for path in metric_files(directory, container):
                self.home.remove(path)
        if absent:
            self._remove_containers()

    def reload(self, files: list[str]) -> None:
        """Have systemd forget units that are gone."""
        if files and not self.home.check and os.path.isdir("/run/systemd/system"):
            self._systemctl("daemon-reload")
            names = [os.path.basename(path) for path in files if "/systemd/system/" in path]
            if names:
                self._systemctl("reset-failed", *names)

    def _systemctl(self, *arguments: str) -> None:
        if self.module.get_bin_path("systemctl") is not None:
            self.module.run_command(["systemctl", "--quiet", *arguments])

    def _remove_containers(self) -> None:
        """Remove the scratch servers of what was killed."""
        docker = self.module.get_bin_path("docker")
        if docker is None or self.home.check:
            return
        label = f"label={scratch_server.LABEL}={self.home.path}"
        found = self.module.run_command([docker, "ps", "--all", "--quiet", "--filter", label])[1].split()
        if found:
            self.module.run_command([docker, "rm", "--force", *found])


def is_missing(module: Any, name: str) -> bool:
    return not glob.glob(name) if "/" in name else module.get_bin_path(name) is None


def restorable(home: Home, settings: dict[str, object]) -> dict[str, object]:
    """Return what can be restored now, also where nothing is there yet."""
    try:
        about = archive.settings_of({**settings, "home": home.path, "identity_file": None})
        found = reach.report(about)
    except (
        archive.BackupProblem,
        binlog_reader.BinaryLogProblem,
        TypeError,
        ValueError,
        OSError,
    ) as error:
        text = f"not known: {error}"
        found = {"spans": [], "complete": False, "needs": None, "missing": text}
        found.update(running=False, moments=text, text=text)
    return {"restorable": found, "needed": found["needs"] is not None}


def cron_runs() -> bool:
    try:
        with open("/run/crond.pid", encoding="ascii") as stream:
            return os.path.exists(f"/proc/{int(stream.read())}")
    except (OSError, ValueError):
        return False
