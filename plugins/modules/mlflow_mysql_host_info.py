#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a host that the roles of this collection decide on, gathered in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_host_info
short_description: Gather facts about the host of an MLflow backend store
version_added: 0.1.0
description:
  - Reads, in one round trip, the facts that this collection's roles need before they change a host. These are Docker
    Engine, the images and the container, the data directory, the port, memory, disk space and the Python libraries.
  - Changes nothing. The host only needs Python.
  - Facts that cannot be read are V(null) in the result; the module does not fail on a bare host.
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
extends_documentation_fragment:
  - mlflow_ops.backend_store._attributes
  - mlflow_ops.backend_store._attributes.info_module
  - mlflow_ops.backend_store._layout.home
options:
  images:
    description: References of images to look for in the engine's local store.
    type: list
    elements: str
    default: []
  image:
    description:
      - Repository of the store's image. All its tags in the engine's local store are in RV(images).
      - The target tag is the digest of O(home.context), see RV(image). The name of O(container) is a second tag, the
        store's own; other stores on the host may share the repository.
    type: str
  container:
    description: Name of a container to look for.
    type: str
  home:
    description: Options of M(mlflow_ops.backend_store.mlflow_mysql_layout), to check whether that module would change
      anything.
    type: dict
  data_dir:
    description: MySQL data directory to inspect.
    type: path
  bind_address:
    description: Address on which O(port) is to be published.
    type: str
    default: 127.0.0.1
  port:
    description: TCP port to check.
    type: int
  network:
    description: Name of a network of the engine to look for.
    type: str
  tls:
    description: Certificates to check.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the certificate in the result.
        type: str
        required: true
      ca:
        description: File with the certificates of the CAs that clients trust.
        type: path
        required: true
      certificate:
        description: File with the certificate, followed by intermediate certificates up to the CA.
        type: path
        required: true
      key:
        description: File with the unencrypted key of the certificate.
        type: path
        required: true
      names:
        description: Host names and addresses that clients connect to.
        type: list
        elements: str
        default: []
      client:
        description: Whether it is a client's certificate.
        type: bool
        default: false
      spare_days:
        description: A certificate that expires within this number of days is a problem.
        type: int
        default: 0
      served:
        description: Files that must be root's, and that the server must be able to read.
        type: list
        elements: path
        default: []
      private:
        description: Files that must be root's where they are there, and that only their owner and group may read.
        type: list
        elements: path
        default: []
"""

EXAMPLES = r"""
- name: Inspect the host
  mlflow_ops.backend_store.mlflow_mysql_host_info:
    images: [mysql:9.7.0]
    container: mlflow_mysql_db
    data_dir: /srv/mlflow-mysql/data
    port: 3306
  register: host
"""

RETURN = r"""
engine:
  description: Docker Engine of the host.
  returned: always
  type: dict
  contains:
    installed:
      description: Whether C(dockerd) is installed.
      type: bool
    client:
      description: Whether a C(docker) command is installed.
      type: bool
    version:
      description: Version of the engine that answers, V(null) if none does.
      type: str
    error:
      description: The error of the C(docker) command if no engine answers.
      type: str
    rootless:
      description: Whether the engine runs as a user without privileges.
      type: bool
    port_driver:
      description: The port driver of a rootless engine, V(null) for others.
      type: str
images:
  description:
    - Dictionary from each reference of O(images), and each tag of O(image), to C(id), C(labels) and
      C(layers), or V(null) if it is missing.
    - Each tag of O(image) also has C(held), whether another container than O(container), or another store's own tag,
      uses that image. This store must not remove it then.
  returned: always
  type: dict
image:
  description: Reference of the target image. It is in RV(images), and V(null) there if it is missing.
  returned: when O(image) and O(home) are given
  type: str
  sample: mlflow-mysql:ca2cffbb9989ac43
container:
  description:
    - C(id), C(image_id), C(status), C(labels) and C(ports) of O(container), or V(null).
    - Its properties that can change while it runs are in C(networks), a list of names, and C(limits), a dictionary from
      each limit that C(docker update) can set to its value.
    - C(home) is the directory of its store, V(null) if this collection did not create the container. C(same_home) is
      whether that is the directory of O(home), at whatever path, or was moved there. C(group) is its name in a group,
      V(null) for a standalone store.
  returned: always
  type: dict
aside:
  description:
    - Name of the old container that O(container) replaced, if a run was interrupted before it removed the old one, else
      V(null). M(mlflow_ops.backend_store.mlflow_mysql_container) settles that.
  returned: always
  type: str
data_users:
  description:
    - Containers that have O(data_dir) mounted, running or not, with C(name) and C(state), except those of backups,
      which are temporary.
  returned: when O(data_dir) is given
  type: list
  elements: dict
other_home:
  description:
    - Another directory on the host with data of O(container)'s store, as recorded by a deploy, V(null) if there is
      none. The container itself may have been removed.
  returned: when O(home) and O(container) are given
  type: str
spare_networks:
  description:
    - Names of other networks than O(network) that were created for the store and that have no other containers.
  returned: when O(home) and O(network) are given
  type: list
  elements: str
home:
  description:
    - C(current), whether O(home) needs no change.
    - C(missing), the passwords of O(home.generate) whose files are missing or empty.
    - C(uid), the host's user ID for O(home.uid) of the container. It differs if the engine is rootless, and is V(null)
      if it is unknown.
    - C(problems), the problems of its existing directories, such as a read-only directory or a broken symbolic link,
      each with the remedy.
  returned: when O(home) is given
  type: dict
data_dir:
  description: State of O(data_dir).
  returned: when O(data_dir) is given
  type: dict
  contains:
    state:
      description:
        - V(absent), V(empty), V(interrupted) (an unfinished initialisation), V(mysql), V(swapping) (an interrupted swap
          with restored data; M(mlflow_ops.backend_store.mlflow_mysql_layout) undoes it) or V(foreign) (not MySQL's).
      type: str
    version:
      description: Version of the MySQL server that last opened it, V(null) if it is unknown.
      type: str
    uid:
      description: User ID of the owner of the server's files.
      type: int
    writable:
      description: Whether it, or its nearest existing parent directory, is writable.
      type: bool
    databases:
      description:
        - Dictionary from the name of each database to V(tracking) for MLflow's tables, V(auth) for those of its auth
          app, and V(other) for other tables. It is read from the names of files, without a login.
      type: dict
    made:
      description: Whether a store was created there, according to a mark beside its socket, outside the data's disk.
      type: bool
    free_mb:
      description: Free space on its file system, in MiB.
      type: int
    sample:
      description: The names of up to five entries, for messages.
      type: list
      elements: str
port:
  description: State of O(port).
  returned: when O(port) is given
  type: dict
  contains:
    free:
      description: Whether O(port) can be bound on O(bind_address).
      type: bool
    container:
      description: Name of the container that publishes it, V(null) if none does.
      type: str
    reason:
      description: Why it cannot be bound.
      type: str
    no_address:
      description: Whether the reason is that the host has no such address.
      type: bool
network:
  description:
    - C(id), C(labels), C(subnets) and C(containers) of O(network), or V(null). C(containers) has the names of all its
      containers, running or not.
  returned: always
  type: dict
tls:
  description:
    - Dictionary from the name of each of O(tls) to C(problems), the reasons why others cannot verify the certificate;
      C(ca_ends), whether the CA ends within the days that are to spare; C(not_after), the certificate's expiry in UTC;
      and C(digests), the SHA-256 of the C(ca), of the C(certificate) and of the public half of the C(key). The last two
      are V(null) if they cannot be read.
  returned: always
  type: dict
docker_free_mb:
  description: Free space on the file system of the engine's data root (C(/var/lib) without an engine), in MiB.
  returned: always
  type: int
memory_mb:
  description: Memory of the host, in MiB.
  returned: always
  type: int
python:
  description: The modules' interpreter, and which of C(requests), C(pymysql), C(cryptography) it lacks.
  returned: always
  type: dict
  contains:
    executable:
      description: Path of the interpreter.
      type: str
    missing:
      description: Libraries that it cannot import.
      type: list
      elements: str
    sees_packages:
      description: Whether it can import libraries from the distribution's packages.
      type: bool
packages_interrupted:
  description:
    - Whether an installation of Debian packages was interrupted and must be finished first. V(false) while another
      program installs packages, see RV(packages_locked).
  returned: always
  type: bool
packages_locked:
  description:
    - Whether another program holds the lock of Debian's package database, such as automatic updates.
  returned: always
  type: bool
backup:
  description:
    - How the backups of the store are set up, or V(null) where their program is not there.
    - C(program), the SHA-256 of the program without its first line, or V(null) if another Python would run it;
      C(settings), the SHA-256 of C(backup.json); C(files), a dictionary from each file of their schedule to its
      SHA-256; C(intact), whether all of these have the owner and the mode that they must have.
    - C(active), the units that are active; C(cron_runs), whether cron runs; C(tools), the programs that are installed
      of those that backups may use; C(mlflow), the marks of the MLflow that drills read with; C(identity), whether an
      age identity is there.
    - C(owned), whether the directory of the backups is marked as this store's.
    - C(restorable), what the program says can be restored, as M(mlflow_ops.backend_store.mlflow_mysql_backup) returns
      it.
  returned: O(home) and O(container) are given
  type: dict
systemd:
  description: Whether systemd manages the host.
  returned: always
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.host import Found
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store.host_facts import gather
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store.layout import (
    layout_argument_spec,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "list", "elements": "str", "default": []},
            "image": {"type": "str"},
            "container": {"type": "str"},
            "home": {"type": "dict", "options": layout_argument_spec()},
            "data_dir": {"type": "path"},
            "bind_address": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int"},
            "network": {"type": "str"},
            "tls": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "ca": {"type": "path", "required": True},
                    "certificate": {"type": "path", "required": True},
                    # A path, not a secret.
                    "key": {"type": "path", "required": True, "no_log": False},
                    "names": {"type": "list", "elements": "str", "default": []},
                    "client": {"type": "bool", "default": False},
                    "spare_days": {"type": "int", "default": 0},
                    "served": {"type": "list", "elements": "path", "default": []},
                    "private": {"type": "list", "elements": "path", "default": []},
                },
            },
        },
        supports_check_mode=True,
    )
    home, container = module.params["home"], module.params["container"]
    backups = Found(module, home["path"], container) if home and container else None
    facts = gather(module)
    if backups is not None:
        facts["backup"] = backups.facts()
    module.exit_json(changed=False, **facts)


if __name__ == "__main__":
    main()
