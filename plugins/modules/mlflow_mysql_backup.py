#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that makes the backups of a store, on the store's host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_backup
short_description: Put the program that backs a store up on its host
version_added: 0.1.0
description:
  - Writes C(bin/mlflow-mysql-backup) and its settings, C(backup.json), to the directory of a store, and makes the
    directory of the backups.
  - The program is one file of Python. It makes full backups, copies the binary log, restores, and proves that a restore
    works. C(mlflow-mysql-backup --help) says how.
  - Backups are never removed by this module.
  - With O(state=absent), and when the name of the container or the directory for the textfile collector changes, what
    runs the program is ended, and what it wrote for the collector under the earlier names is removed, so that no alert
    fires for a store that is gone.
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
extends_documentation_fragment:
  - mlflow_ops.backend_store.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows the settings; of an age identity only that it changes.
  idempotent:
    support: full
options:
  path:
    description: Directory that holds everything of the store.
    type: path
    required: true
  state:
    description: V(absent) removes the program, its settings and the age identity.
    type: str
    choices: [present, absent]
    default: present
  settings:
    description:
      - What the program must know, as the role P(mlflow_ops.backend_store.mlflow_mysql_backup#role) gives it. C(home)
        is O(path).
      - Needed if O(state=present). C(directory) is the directory of the backups.
      - With O(state=absent), C(container) and C(textfile_directory) say where to look for what was written for the
        textfile collector, besides the settings that are on the host.
    type: dict
    default: {}
  files:
    description: Dictionary from the path of another file, such as a unit of systemd's, to its text; V(null) removes it.
    type: dict
    default: {}
  units:
    description: Units of systemd's that must be active.
    type: list
    elements: str
    default: []
  programs:
    description: Programs that must be there, or patterns of paths of which one must be.
    type: list
    elements: str
    default: []
  identity:
    description:
      - The age identity that encrypted backups are read with, as text.
      - Those that are there stay, for the backups that were encrypted for them.
    type: str
  secrets:
    description:
      - Dictionary from the name of another file in C(secrets/) to its text, C(backup_rclone.conf),
        C(backup_restic_password) or C(backup_environment). What is left out stays.
    type: dict
    default: {}
  look:
    description:
      - Arguments of a command of the program that changes nothing, such as C(plan). It is run as the program of this
        release does it, with O(settings), also in check mode on a host whose program is of another release.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Put the program on the host
  mlflow_ops.backend_store.mlflow_mysql_backup:
    path: /srv/mlflow-mysql
    settings:
      directory: /srv/mlflow-mysql/backups
      container: mlflow_mysql_db
      image: mlflow-mysql:latest
      uid: 999
      database: mlflow
      user: mlflow_backup
"""

RETURN = r"""
missing:
  description: Those of O(programs) that are not installed.
  returned: success
  type: list
  elements: str
  sample: [zstd]
inactive:
  description: Those of O(units) that are not active.
  returned: success
  type: list
  elements: str
  sample: []
cron_runs:
  description: Whether cron runs.
  returned: success
  type: bool
  sample: true
files:
  description: Those of O(files) that changed.
  returned: success
  type: list
  elements: str
  sample: [/etc/cron.d/mlflow-mysql-backup-mlflow_mysql_db]
restorable:
  description:
    - What can be restored now. C(spans) are the moments, C(complete) is whether they are all that the store holds,
      C(needs) the word for why a full backup is needed, V(none), V(reset), V(gap), V(hole) or V(off_host), and C(text)
      says all of it, C(moments) only what can be restored. C(running) is whether a full backup is being made.
    - Told from the files that are there, without asking the store.
  returned: O(state=present)
  type: dict
  sample:
    spans: [{from: "2026-11-23T02:30:07.000000Z", to: "2026-11-24T16:02:12.004518Z"}]
    complete: true
    needs: null
    missing: null
    running: false
    moments: any moment between 2026-11-23T02:30:07.000000Z and 2026-11-24T16:02:12.004518Z
    text: any moment between 2026-11-23T02:30:07.000000Z and 2026-11-24T16:02:12.004518Z
needed:
  description: Whether a full backup is needed, as there is none of the store as it is now, or it holds what none does.
  returned: O(state=present)
  type: bool
  sample: false
program:
  description: Path of the program.
  returned: success
  type: str
  sample: /srv/mlflow-mysql/bin/mlflow-mysql-backup
program_is_there:
  description: Whether the program is there now. In check mode it is not on a host that has none yet.
  returned: success
  type: bool
  sample: true
looked:
  description: What became of O(look), its C(rc), C(stdout) and C(stderr).
  returned: O(look) is not empty
  type: dict
  sample: {rc: 0, stdout: "{}", stderr: ""}
"""

import contextlib
import glob
import json
import os
import sys
import tempfile

from ansible.module_utils.basic import AnsibleModule
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


def look(module: AnsibleModule, home: Home) -> dict[str, object]:
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

    def __init__(self, module: AnsibleModule, home: Home) -> None:
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


def is_missing(module: AnsibleModule, name: str) -> bool:
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


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "settings": {"type": "dict", "default": {}},
            "files": {"type": "dict", "default": {}},
            "units": {"type": "list", "elements": "str", "default": []},
            "programs": {"type": "list", "elements": "str", "default": []},
            "identity": {"type": "str", "no_log": True},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "look": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    options = module.params
    if options["state"] == "present" and not options["settings"].get("directory"):
        module.fail_json(msg="settings.directory is missing: name the directory of the backups")
    if options["state"] == "present":
        problem = backup_archive.owner_problem(options["settings"]["directory"], options["path"].rstrip("/"))
        if problem is not None:
            module.fail_json(msg=f"{problem}. Nothing was changed.")
    if options["identity"] is not None and not options["identity"].strip():
        module.fail_json(msg="identity is empty: give an identity of age, or leave it out")
    home = Home(options["path"].rstrip("/"), 0, module.check_mode)
    files = []
    host = Host(module, home)
    try:
        for path, text in sorted(options["files"].items()):
            before = len(home.before) + len(home.diffs)
            if text is None:
                home.remove(path)
            else:
                home.text(path, text)
            if len(home.before) + len(home.diffs) != before:
                files.append(path)
        if options["state"] == "present":
            present(home, options["settings"], options["identity"], options["secrets"])
        else:
            for name in (PROGRAM, SETTINGS, *(os.path.join("secrets", secret) for secret in SECRETS)):
                home.remove(name)
            host.reload(files)
        host.remove(options["settings"])
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename2 or error.filename or options['path']} cannot be written: {error.strerror}. "
            "Run as root, on a file system that is writable and not full, or choose another directory."
        )
    inactive = [
        unit
        for unit in options["units"]
        if module.run_command(["systemctl", "is-active", "--quiet", unit])[0]
    ]
    found = restorable(home, options["settings"]) if options["state"] == "present" else {}
    if options["look"]:
        found["looked"] = look(module, home)
    module.exit_json(
        **found,
        changed=bool(home),
        program=os.path.join(home.path, PROGRAM),
        program_is_there=os.path.exists(os.path.join(home.path, PROGRAM)),
        missing=[name for name in options["programs"] if is_missing(module, name)],
        cron_runs=cron_runs(),
        inactive=inactive,
        files=files,
        diff=home.diff(),
    )


if __name__ == "__main__":
    main()
