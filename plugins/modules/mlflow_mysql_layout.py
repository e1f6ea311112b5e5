#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories, build context and password files of a store, made in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_layout
short_description: Make the directories, the build context and the passwords of a store
version_added: 0.1.0
description:
  - Makes the directories of a store with their owners and modes, writes the build context of its image and files beside
    it, and generates passwords that are missing.
  - The data directory is made but never emptied, and the owner of what is in it is never changed.
  - A generated password is made on the host, never leaves it, and is never made again while its file holds one.
  - Any of the directories may be a mount point or a symbolic link. A swap of the data that was interrupted is undone.
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
extends_documentation_fragment:
  - mlflow_ops.backend_store._attributes
  - mlflow_ops.backend_store._layout
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows the build context, the files and the modes of directories; of passwords only that they change.
  idempotent:
    support: full
options:
  state:
    description:
      - V(absent) removes what a store without its container does not need, C(build), C(run) and C(tmp). What is a mount
        point or a symbolic link is emptied.
    type: str
    choices: [present, absent]
    default: present
  purge:
    description:
      - With O(state=absent), whether everything is removed, the data and the passwords too. C(backups) stays if there
        is a full backup in it. Where a symbolic link leads is emptied too; a mount point is emptied and stays.
    type: bool
    default: false
  rootless:
    description: Whether the engine is not root, so that it must be let through C(secrets/).
    type: bool
    default: false
  passwords:
    description: Dictionary from a path relative to C(secrets/) to the password that the file is to hold.
    type: dict
    default: {}
  container:
    description:
      - Name of the store's container. With it, a file in C(/var/lib/mlflow-mysql/stores) says where the store is, so
        that another O(path) is noticed when the container is removed. O(purge=true) removes that file.
    type: str
  recovery:
    description:
      - Path, relative to C(secrets/), of a password. Statements that give it to root are written to
        C(secrets/container/recover.sql), which a server that starts with it as its C(--init-file) executes.
    type: str
"""

EXAMPLES = r"""
- name: Make the directories and root's password
  mlflow_ops.backend_store.mlflow_mysql_layout:
    path: /srv/mlflow-mysql
    context:
      Dockerfile: |
        FROM mysql:9.7.0
    files:
      mlflow.env: |
        MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE=300
    generate: [root_password, container/mysql_password]

- name: Remove all of a store but its full backups
  mlflow_ops.backend_store.mlflow_mysql_layout:
    path: /srv/mlflow-mysql
    state: absent
    purge: true
"""

RETURN = r"""
generated:
  description: The passwords that were generated, as paths relative to C(secrets/).
  returned: success
  type: list
  elements: str
  sample: [root_password]
kept:
  description: What was kept of the backups.
  returned: success
  type: list
  elements: str
  sample: [/srv/mlflow-mysql/backups]
left:
  description: The mount points that stay, empty, after O(purge=true).
  returned: success
  type: list
  elements: str
  sample: [/srv/mlflow-mysql/data]
reason:
  description:
    - V(file) if a file or directory cannot be written or removed.
  returned: failure
  type: str
  sample: file
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store import identity
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store.layout import (
    Home,
    layout_argument_spec,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **layout_argument_spec(),
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "purge": {"type": "bool", "default": False},
            "rootless": {"type": "bool", "default": False},
            "passwords": {"type": "dict", "default": {}, "no_log": True},
            "container": {"type": "str"},
            "recovery": {"type": "str"},
        },
        supports_check_mode=True,
    )
    options = module.params
    uid = options["uid"]
    home = Home(options["path"].rstrip("/"), uid, module.check_mode, options["rootless"])
    kept: list[str] = []
    left: list[str] = []
    try:
        if options["state"] == "absent":
            kept, left = home.clear(options["purge"])
            if options["purge"] and options["container"]:
                home.forget(options["container"], identity.RECORDS)
        else:
            home.bring(
                options["context"],
                options["generate"],
                options["passwords"],
                options["recovery"],
                options["files"],
            )
            if options["container"]:
                home.record(options["container"], identity.RECORDS)
    except OSError as error:
        where = error.filename2 or error.filename or options["path"]
        module.fail_json(
            msg=f"{where} cannot be {'removed' if options['state'] == 'absent' else 'written'}: {error.strerror}. "
            "Run as root, on a file system that is writable and not full, or choose another directory.",
            reason="file",
        )
    module.exit_json(changed=bool(home), generated=home.generated, kept=kept, left=left, diff=home.diff())


if __name__ == "__main__":
    main()
