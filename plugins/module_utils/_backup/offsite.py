# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy backups off the host, with rclone or restic. Private to this collection: it may change without notice.

What is copied is a snapshot of hard links, so that manifests and files belong together. Nothing is removed there
because it is missing here: only what is older than it has to be kept, and only while there is a good full backup here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Iterable

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import (
    PARTIAL,
    Archive,
    BackupProblem,
    Settings,
    full_disk,
    locked,
    program,
)

SNAPSHOT = ".offsite"
OFFSITE = ".offsite-copied"  # was changed when the backups were copied off the host the last time
TAG = "mlflow-mysql-backup"
TAKES = 12 * 3600  # seconds; a first copy over a slow line
ENDS = 30
MANIFESTS = "*.json"
RCLONE_CONFIGURATION = "backup_rclone.conf"
RESTIC_PASSWORD = "backup_restic_password"
ENVIRONMENT = "backup_environment"


class OffHost:
    """The place that the settings name."""

    def __init__(self, settings: Settings) -> None:
        if not settings.offsite:
            raise BackupProblem("no off-site target is set: set mlflow_backup_offsite_target")
        self.settings = settings
        self.tool = str(settings.offsite["tool"])
        self.target = str(settings.offsite["target"])
        self.snapshot = os.path.join(settings.directory, SNAPSHOT)

    def environment(self) -> dict[str, str]:
        """Return the environment of the tool, with what the settings keep secret."""
        found = dict(os.environ)
        path = self.settings.secret(ENVIRONMENT)
        try:
            with open(path, encoding="utf-8") as stream:
                found.update({name: str(value) for name, value in json.load(stream).items()})
        except FileNotFoundError:
            pass
        except (OSError, ValueError, AttributeError) as error:
            raise BackupProblem(f"{path} cannot be read: {error}. Run the playbook backup again") from None
        return found

    def options(self) -> list[str]:
        if self.tool == "rclone":
            path = self.settings.secret(RCLONE_CONFIGURATION)
            return ["--config", path if os.path.exists(path) else "/dev/null"]
        return [
            "--repo",
            self.target,
            "--password-file",
            self.settings.secret(RESTIC_PASSWORD),
            "--no-cache",
            "--quiet",
        ]

    def run(self, *arguments: str, directory: str | None = None) -> None:
        """Run the tool. Raises BackupProblem."""
        try:
            done = subprocess.run(
                [program(self.tool), *arguments, *self.options()],
                env=self.environment(),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=TAKES,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BackupProblem(f"{self.tool} did not finish within {TAKES} s") from None
        if done.returncode:
            said = " ".join(done.stderr.split())[-400:]
            raise BackupProblem(f"{self.target}: {self.tool} {arguments[0]} failed: {said}")

    def copy(self, wait: bool = False) -> None:
        """Copy all that is there, once there is a full backup; after another copy, if `wait`. Raises BackupProblem."""
        if not Archive(self.settings.directory).names():
            return  # nothing could be restored from that; and what is there already must stay the newest
        with locked(self.settings.directory, "offsite", "making an off-site copy", wait):
            try:
                self._link()
                if self.tool == "rclone":
                    # A manifest is there once all that it names is.
                    self.run("copy", self.snapshot, self.target, "--exclude", MANIFESTS)
                    self.run("copy", self.snapshot, self.target)
                else:
                    self._make_repository()
                    self.run(
                        "backup",
                        ".",
                        "--tag",
                        TAG,
                        "--host",
                        self.settings.container,
                        directory=self.snapshot,
                    )
            finally:
                shutil.rmtree(self.snapshot, ignore_errors=True)
            with open(os.path.join(self.settings.directory, OFFSITE), "a", encoding="utf-8") as stream:
                os.utime(stream.fileno())

    def _link(self) -> None:
        """Link all files of the backups below the snapshot."""
        directory = self.settings.directory
        try:
            shutil.rmtree(self.snapshot, ignore_errors=True)
            with locked(directory, "exchange", "swapping the store's data", wait=True):
                for name in self._files():
                    target = os.path.join(self.snapshot, name)
                    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
                    os.link(os.path.join(directory, name), target)
        except OSError as error:
            raise full_disk(error, self.snapshot) from None

    def _files(self) -> Iterable[str]:
        for part in ("full", "binlog"):
            for parent, directories, names in os.walk(os.path.join(self.settings.directory, part)):
                directories[:] = [name for name in directories if not name.startswith(PARTIAL)]
                for name in names:
                    if not name.startswith("."):
                        yield os.path.relpath(os.path.join(parent, name), self.settings.directory)

    def _make_repository(self) -> None:
        try:
            self.run("cat", "config")
        except BackupProblem:
            try:
                self.run("init")
            except BackupProblem as error:
                raise BackupProblem(f"the repository can neither be read nor made: {error}") from None

    def forget(self) -> None:
        """Remove there what is older than it has to be kept. Raises BackupProblem."""
        if not Archive(self.settings.directory).manifests()[0]:
            return
        days = self.settings.keep_days
        with locked(self.settings.directory, "offsite", "making an off-site copy"):
            try:
                if self.tool == "rclone":
                    self._link()
                    # Both sides as far as they are old: what is young there stays, whatever is here.
                    self.run("sync", self.snapshot, self.target, "--min-age", f"{days + 1}d")
                else:
                    keep = ("--keep-within", f"{days}d", "--keep-last", str(self.settings.keep_last))
                    self.run("forget", "--tag", TAG, "--host", self.settings.container, *keep, "--prune")
            finally:
                shutil.rmtree(self.snapshot, ignore_errors=True)

    def fetch(self, directory: str) -> None:
        """Bring everything into a directory, which must not be there. Raises BackupProblem."""
        try:
            os.makedirs(directory, mode=0o700)
        except FileExistsError:
            raise BackupProblem(f"{directory} is there already: remove it, or choose another one") from None
        except OSError as error:
            raise full_disk(error, directory) from None
        if self.tool == "rclone":
            self.run("copy", self.target, directory)
        else:
            self.run("restore", "latest", "--tag", TAG, "--target", directory)
        if not Archive(directory).names():
            raise BackupProblem(f"there is no full backup in {self.target}: what came is in {directory}")
