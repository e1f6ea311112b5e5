#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a host that the roles of this collection decide on, gathered in one round trip."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_host_info
short_description: Gather what a host offers to an MLflow backend store
version_added: 0.1.0
description:
  - Reads, in one round trip, what the roles of this collection must know of a host before they touch it.
    That is Docker Engine, the images and the container, the data directory, the port, memory, disk space and
    the Python libraries.
  - Nothing is changed, and nothing needs to be installed on the host but Python.
  - What cannot be read is V(null) in the result; the module does not fail on a bare host.
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
      - The tag that is wanted is the digest of O(home.context), see RV(image). Another one is the store's own, the name
        of O(container); other stores on the host may share the repository.
    type: str
  container:
    description: Name of a container to look for.
    type: str
  home:
    description: Options of M(mlflow_ops.backend_store.mlflow_mysql_layout), to see whether it would do anything.
    type: dict
  data_dir:
    description: Data directory of MySQL to look into.
    type: path
  bind_address:
    description: Address on which O(port) is to be published.
    type: str
    default: 127.0.0.1
  port:
    description: TCP port to look at.
    type: int
  network:
    description: Name of a network of the engine to look for.
    type: str
  tls:
    description: Certificates to look at.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: How to call it in the result.
        type: str
        required: true
      ca:
        description: File with the certificates of the authorities that clients trust.
        type: path
        required: true
      certificate:
        description: File with the certificate, and with what leads from it to the authority.
        type: path
        required: true
      key:
        description: File with the key of the certificate, not encrypted.
        type: path
        required: true
      names:
        description: Host names and addresses by which clients connect.
        type: list
        elements: str
        default: []
      client:
        description: Whether it is a client's certificate.
        type: bool
        default: false
      spare_days:
        description: A certificate that ends within so many days is a problem already.
        type: int
        default: 0
"""

EXAMPLES = r"""
- name: Look at the host
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
      description: What the C(docker) command said when no engine answered.
      type: str
    rootless:
      description: Whether the engine runs as a user without privileges.
      type: bool
    port_driver:
      description: What publishes ports for a rootless engine, V(null) for others.
      type: str
images:
  description:
    - Dictionary from each reference of O(images), and each tag of O(image), to C(id), C(labels) and
      C(layers), or V(null) where it is missing.
    - Each tag of O(image) has C(held) besides, whether another container than O(container), or the own tag of another
      store, has that image. What is held is not for this store to remove.
  returned: always
  type: dict
image:
  description: Reference of the image that is wanted. It is in RV(images), and V(null) there if it is missing.
  returned: when O(image) and O(home) are given
  type: str
  sample: mlflow-mysql:ca2cffbb9989ac43
container:
  description:
    - C(id), C(image_id), C(status), C(labels) and C(ports) of O(container), or V(null).
    - What can be changed while it runs is in C(networks), a list of names, and C(limits), a dictionary from what
      C(docker update) sets to its value, without what is not limited.
    - C(home) is the directory of the store that it was made for, V(null) if this collection did not make it, and
      C(same_home) whether that is the one of O(home), by whatever path, or was moved there. C(group) is the name by
      which a member of a group knows it, V(null) for others.
  returned: always
  type: dict
aside:
  description:
    - Name of the container that O(container) took the place of, if a run was interrupted before it removed that one,
      else V(null). M(mlflow_ops.backend_store.mlflow_mysql_container) settles that.
  returned: always
  type: str
data_users:
  description:
    - Containers that have O(data_dir) mounted, running or not, with C(name) and C(state). Not those of backups, which
      are gone when they end.
  returned: when O(data_dir) is given
  type: list
  elements: dict
other_home:
  description:
    - Where else on the host there is data of the store of O(container), as a deploy noted, V(null) if there is none.
      The container may be removed.
  returned: when O(home) and O(container) are given
  type: str
spare_networks:
  description:
    - Names of the networks besides O(network) that were made for the store, and that no container of others belongs to.
  returned: when O(home) and O(network) are given
  type: list
  elements: str
home:
  description:
    - C(current), whether nothing is to be done in O(home).
    - C(missing), those of the passwords to O(home.generate) whose files are missing or empty.
    - C(uid), the user ID by which the host knows O(home.uid) of the container. It is another one where the engine is
      rootless, and V(null) if that cannot be told.
    - C(problems), what is wrong with those of its directories that are there, such as one that cannot be written to
      or a symbolic link that leads nowhere, each with the remedy.
  returned: when O(home) is given
  type: dict
data_dir:
  description: State of O(data_dir).
  returned: when O(data_dir) is given
  type: dict
  contains:
    state:
      description:
        - V(absent), V(empty), V(interrupted) (an initialisation that never finished), V(mysql), V(swapping) (half
          swapped for restored data; M(mlflow_ops.backend_store.mlflow_mysql_layout) undoes that) or V(foreign)
          (something that is not MySQL's).
      type: str
    version:
      description: Version of the MySQL server that last opened it, V(null) if it cannot be told.
      type: str
    uid:
      description: User ID that owns the files of the server.
      type: int
    writable:
      description: Whether it, or the nearest directory above it that exists, can be written to.
      type: bool
    databases:
      description:
        - Dictionary from the name of each database that has MLflow's tables to V(tracking), or V(auth) for those of its
          auth app, and to V(other) where all tables are somebody else's. It is read from the names of files, without a
          login.
      type: dict
    made:
      description: Whether a store was made there, as a mark beside its socket says, which is not on the data's disk.
      type: bool
    free_mb:
      description: Free space on its file system, in MiB.
      type: int
    sample:
      description: The names of at most five entries, for messages.
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
      description: Whether it is because the host has no such address.
      type: bool
network:
  description:
    - C(id), C(labels), C(subnets) and C(containers) of O(network), or V(null). The last are the names of all containers
      that belong to it, running or not.
  returned: always
  type: dict
tls:
  description:
    - Dictionary from the name of each of O(tls) to C(problems), a list of what keeps others from verifying who
      presents the certificate, C(not_after), when it ends in UTC, and C(digests), the SHA-256 of the C(ca) and the
      C(certificate) and of the public half of the C(key). The last two are V(null) where they cannot be read.
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
  description: The interpreter that runs modules, and which of C(requests), C(pymysql), C(cryptography) it lacks.
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
      description: Whether it can import what the distribution's packages install.
      type: bool
packages_interrupted:
  description:
    - Whether an installation of Debian packages was interrupted and must be finished first. V(false) while another
      program is at it, see RV(packages_locked).
  returned: always
  type: bool
packages_locked:
  description:
    - Whether another program holds the lock of Debian's package database, as updates that run by themselves do.
  returned: always
  type: bool
backup:
  description:
    - How the backups of the store are set up, or V(null) where their program is not there.
    - C(program), the SHA-256 of the program without its first line, or V(null) if another Python would run it;
      C(settings), as they are in C(backup.json); C(files), a dictionary from each file of their schedule to its
      SHA-256; C(intact), whether all of these have the owner and the mode that they must have.
    - C(active), the units that are active; C(cron_runs), whether cron runs; C(tools), the programs that are installed
      of those that backups may use; C(mlflow), the marks of the MLflow that drills read with; C(identity), whether an
      age identity is there.
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
