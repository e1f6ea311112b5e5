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
  - mlflow_ops.backend_store._attributes
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
      - What the program must know, as the role P(mlflow_ops.backend_store.mlflow_backup#role) gives it. C(home)
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
  found:
    description:
      - What M(mlflow_ops.backend_store.mlflow_mysql_host_info) returned as C(backup). Where it tells that nothing is to
        be changed, the module is not run, which saves a round trip. Only the action plugin of the same name knows it.
    type: dict
  program_digest:
    description:
      - The SHA-256 of the program of this release. The action plugin of the same name gives it, and O(program).
    type: str
  program:
    description:
      - The program of this release in Base64, which is needed where the host's has another digest.
    type: str
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
      C(needs) the word for why a full backup is needed, V(none), V(reset), V(gap), V(hole) or V(offsite), and C(text)
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
program_wanted:
  description: Whether nothing was done since O(program) is needed. The action plugin gives it then.
  returned: O(program) is needed
  type: bool
  sample: true
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
reason:
  description:
    - V(bad_request) if the options make no sense, V(not_owner) if the directory is another store's, V(file) if a file
      cannot be written.
  returned: failure
  type: str
  sample: bad_request
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import archive, installation


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
            "found": {"type": "dict"},
            "program_digest": {"type": "str"},
            # No secret, but nothing to be shown or logged.
            "program": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    options = module.params
    if options["state"] == "present" and not options["settings"].get("directory"):
        module.fail_json(
            msg="settings.directory is missing: name the directory of the backups", reason="bad_request"
        )
    if options["state"] == "present" and not options["program_digest"]:
        module.fail_json(
            msg="program_digest is missing: run this as a task of Ansible, whose action plugin gives it",
            reason="bad_request",
        )
    if options["state"] == "present":
        problem = archive.owner_problem(options["settings"]["directory"], options["path"].rstrip("/"))
        if problem is not None:
            module.fail_json(msg=f"{problem}. Nothing was changed.", reason="not_owner")
    if options["identity"] is not None and not options["identity"].strip():
        module.fail_json(
            msg="identity is empty: give an identity of age, or leave it out", reason="bad_request"
        )
    try:
        result = installation.install(module)
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename2 or error.filename or options['path']} cannot be written: {error.strerror}. "
            "Run as root, on a file system that is writable and not full, or choose another directory.",
            reason="file",
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
