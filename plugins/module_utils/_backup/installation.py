# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the backup program, its settings and its schedule on a host, or take them away."""

from __future__ import annotations

import base64
import contextlib
import glob
import os
import sys
import tempfile
from typing import Any, Mapping

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import (
    archive,
    binlog_reader,
    offsite,
    reach,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.host import (
    IDENTITY,
    PROGRAM,
    SETTINGS,
    cron_runs,
    digest_of,
    end,
    metric_files,
    of_earlier,
    read_settings,
    settings_text,
    stamps,
    start,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker.cli import (
    SCRATCH_LABEL,
    Docker,
    Host,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store.layout import Home

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
    found = encrypted or os.path.exists(os.path.join(home.path, "secrets", IDENTITY))
    return settings_text(settings, home.path, found)


def program_of(host: Host, home: Home) -> bytes | None:
    """Return the program of this release, or null where it is neither on the host nor in the options."""
    if host.params["program"]:
        return start(base64.b64decode(host.params["program"]))
    try:
        with open(os.path.join(home.path, PROGRAM), "rb") as stream:
            found = stream.read()
    except OSError:
        return None
    return found if digest_of(found) == host.params["program_digest"] else None


def look(host: Host, home: Home, content: bytes) -> dict[str, object]:
    """Run a command of the program as it is in this release, wherever the host's is of another one."""
    with tempfile.TemporaryDirectory(dir=host.tmpdir) as directory:
        program, settings = os.path.join(directory, "program"), os.path.join(directory, SETTINGS)
        with open(program, "wb") as stream:
            stream.write(content)
        with open(settings, "w", encoding="utf-8") as text:
            text.write(settings_file(home, host.params["settings"]))
        command = [sys.executable, program, "--settings", settings, *host.params["look"]]
        return dict(zip(("rc", "stdout", "stderr"), host.run_command(command)))


def present(home: Home, options: Mapping[str, Any], program: bytes) -> None:
    settings, identity, secrets = options["settings"], options["identity"], options["secrets"]
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
    home.program(PROGRAM, program)
    if not home.check:
        with contextlib.suppress(archive.BackupProblem, TypeError, ValueError):
            about = {**settings, "home": home.path, "identity_file": None}
            archive.take(archive.settings_of(about))


class Outside:
    """What a store's backups have outside its home."""

    def __init__(self, host: Host, home: Home) -> None:
        self.host = host
        self.home = home
        self.earlier = dict(read_settings(os.path.join(home.path, SETTINGS)))

    def remove(self, wanted: dict[str, object]) -> None:
        """Remove what is of the settings before, and not of those that are wanted."""
        now = [wanted.get(name) for name in ("textfile_directory", "container")]
        before = [self.earlier.get(name) for name in ("textfile_directory", "container")]
        absent = self.host.params["state"] == "absent"
        files = list(self.host.params["files"])
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
        if self.host.get_bin_path("systemctl") is not None:
            self.host.run_command(["systemctl", "--quiet", *arguments])

    def _remove_containers(self) -> None:
        """Remove the scratch servers of what was killed."""
        if self.home.check:
            return
        docker = Docker(self.host)
        label = f"label={SCRATCH_LABEL}={self.home.path}"
        found = docker.run("ps", "--all", "--quiet", "--filter", label)[1].split()
        if found:
            docker.run("rm", "--force", *found)


def is_missing(host: Host, name: str) -> bool:
    return not glob.glob(name) if "/" in name else host.get_bin_path(name) is None


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


def install(host: Host) -> dict[str, object]:
    """Do what the options of the module mlflow_mysql_backup ask for; returns its result. Raises OSError."""
    options = host.params
    home = Home(options["path"].rstrip("/"), 0, host.check_mode)
    content = program_of(host, home) if options["state"] == "present" else b""
    if content is None:
        return {"changed": False, "program_wanted": True}
    files = []
    outside = Outside(host, home)
    for path, text in sorted(options["files"].items()):
        before = len(home.before) + len(home.diffs)
        if text is None:
            home.remove(path)
        else:
            home.text(path, text)
        if len(home.before) + len(home.diffs) != before:
            files.append(path)
    if options["state"] == "present":
        present(home, options, content)
    else:
        for name in (PROGRAM, SETTINGS, *(os.path.join("secrets", secret) for secret in SECRETS)):
            home.remove(name)
        outside.reload(files)
    outside.remove(options["settings"])
    found = restorable(home, options["settings"]) if options["state"] == "present" else {}
    if options["look"]:
        found["looked"] = look(host, home, content)
    stopped = [
        unit for unit in options["units"] if host.run_command(["systemctl", "is-active", "--quiet", unit])[0]
    ]
    return {
        **found,
        "changed": bool(home),
        "program": os.path.join(home.path, PROGRAM),
        "program_is_there": os.path.exists(os.path.join(home.path, PROGRAM)),
        "missing": [name for name in options["programs"] if is_missing(host, name)],
        "cron_runs": cron_runs(),
        "inactive": stopped,
        "files": files,
        "diff": home.diff(),
    }
