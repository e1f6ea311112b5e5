#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories, build context and password files of a store, made in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_layout
short_description: Create the directories, the build context and the passwords of a store
version_added: 0.1.0
description:
  - Creates the directories of a store with their owners and modes, writes the build context of its image and other
    files, and generates missing passwords.
  - The data directory is created but never emptied, and the owners of its contents never change.
  - A password is generated on the host, never leaves it, and is never replaced while its file has one.
  - Each directory may be a mount point or a symbolic link. An interrupted swap of the data is undone.
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
    details: Shows the build context, the files and the modes of directories; for passwords only that they change.
  idempotent:
    support: full
options:
  state:
    description:
      - V(absent) removes C(build), C(run) and C(tmp), which a store without a container does not need. A mount point or
        a symbolic link is emptied instead.
    type: str
    choices: [present, absent]
    default: present
  purge:
    description:
      - With O(state=absent), whether to remove everything, including the data and the passwords. C(backups) stays if it
        has a full backup. The target of a symbolic link is emptied too; a mount point is emptied and stays.
    type: bool
    default: false
  rootless:
    description: Whether the engine does not run as root, and therefore needs access through C(secrets/).
    type: bool
    default: false
  passwords:
    description: Dictionary from a path relative to C(secrets/) to the password for that file.
    type: dict
    default: {}
  container:
    description:
      - Name of the store's container. With it, a file in C(/var/lib/mlflow-mysql/stores) records the store's path, so
        that another O(path) is detected even without the container. O(purge=true) removes that file.
    type: str
  recovery:
    description:
      - Path of a password, relative to C(secrets/). The statements that set it for root are written to
        C(secrets/container/recover.sql). A server with that file as C(--init-file) executes them when it starts.
    type: str
"""

EXAMPLES = r"""
- name: Create the directories and root's password
  mlflow_ops.backend_store.mlflow_mysql_layout:
    path: /srv/mlflow-mysql
    context:
      Dockerfile: |
        FROM mysql:9.7.0
    files:
      mlflow.env: |
        MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE=300
    generate: [root_password, container/mysql_password]

- name: Remove a store, except its full backups
  mlflow_ops.backend_store.mlflow_mysql_layout:
    path: /srv/mlflow-mysql
    state: absent
    purge: true
"""

RETURN = r"""
generated:
  description: The generated passwords, as paths relative to C(secrets/).
  returned: success
  type: list
  elements: str
  sample: [root_password]
kept:
  description: The backups that were kept.
  returned: success
  type: list
  elements: str
  sample: [/srv/mlflow-mysql/backups]
left:
  description: The empty mount points that remain after O(purge=true).
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
