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
  - mlflow_ops.backend_store.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details: The module changes nothing.
  idempotent:
    support: full
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
    description: Options of M(mlflow_ops.backend_store.mlflow_mysql_home), to see whether it would do anything.
    type: dict
    suboptions:
      path:
        description: Directory that holds everything of the store.
        type: path
        required: true
      uid:
        description: User and group ID of the server in the container.
        type: int
        default: 999
      context:
        description: Dictionary from the name of a file in C(build/) to its text.
        type: dict
        default: {}
      files:
        description: Dictionary from the name of a file in the directory itself to its text.
        type: dict
        default: {}
      generate:
        description: Paths, relative to C(secrets/), of passwords that must be there.
        type: list
        elements: str
        default: []
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
    images: [mysql:9.7.4]
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
          swapped for restored data; M(mlflow_ops.backend_store.mlflow_mysql_home) undoes that) or V(foreign) (something
          that is not MySQL's).
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
systemd:
  description: Whether systemd manages the host.
  returned: always
  type: bool
"""

import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import re
import socket
import struct
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker.container import ASIDE, MADE
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import certificates
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store import identity, swap
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store.layout import (
    Home,
    find_problems,
)

MIB = 1024 * 1024
DPKG = "/var/lib/dpkg"
LIBRARIES = ("requests", "pymysql", "cryptography")
SHOWN_ENTRIES = 5
# The fields of HostConfig that `docker update` changes.
LIMITS = (
    "Memory",
    "MemoryReservation",
    "PidsLimit",
    "CpuShares",
    "CpuQuota",
    "CpuPeriod",
    "NanoCpus",
    "CpusetCpus",
    "CpusetMems",
    "BlkioWeight",
)
LABEL = "mlflow_ops.backend_store"  # of the role mlflow_mysql: its value is the store's directory
THROW_AWAY = "mlflow_ops.backend_store.throw_away"  # of the servers that backups and restores run
STAGE = "mysql_base_image_initialising"  # the staging directory of that role's docker-entrypoint.sh
UNFINISHED = ".mlflow-initialising"  # of mlflow_mysql's entrypoint.sh, on another base image


def nearest_existing(path: str) -> str:
    """Return ``path`` or the nearest directory above it that exists."""
    while not os.path.exists(path) and path not in ("", "/"):
        path = os.path.dirname(path)
    return path or "/"


def free_mb(path: str) -> int:
    """Return the space in MiB that is free for root on the file system of ``path``."""
    status = os.statvfs(nearest_existing(path))
    return status.f_bavail * status.f_frsize // MIB


def memory_mb() -> int | None:
    """Return the memory of the host in MiB."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MIB
    except (OSError, ValueError):
        return None


def version_in_history(text: str) -> str | None:
    """Return the newest version in the text of MySQL's file ``mysql_upgrade_history``."""
    try:
        return json.loads(text)["upgrade_history"][-1]["version"]
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def version_in_binary_log(head: bytes) -> str | None:
    """Return the server version in the format description event that begins every binary log.

    The event begins after the 4 bytes of the file's magic number; its header has 19 bytes, the version of the
    format 2, and the server's version 50, padded with NUL bytes (MySQL's documentation of the log's format).
    """
    if len(head) < 75 or head[:4] != b"\xfebin":
        return None
    (version,) = struct.unpack("50s", head[25:75])
    return version.rstrip(b"\0").decode("ascii", "replace") or None


def data_dir_version(path: str) -> str | None:
    """Return the version of the server that last opened the data directory ``path``."""
    try:
        with open(os.path.join(path, "mysql_upgrade_history"), encoding="utf-8") as stream:
            version = version_in_history(stream.read())
    except (OSError, UnicodeDecodeError):
        version = None
    if version:
        return version
    logs = sorted(name for name in os.listdir(path) if name.startswith("binlog.") and name[7:].isdigit())
    for name in reversed(logs):
        with open(os.path.join(path, name), "rb") as stream:
            version = version_in_binary_log(stream.read(75))
        if version:
            return version
    return None


def look_at_data_dir(path: str) -> dict[str, Any]:
    """Return the state of a data directory, see RETURN."""
    result: dict[str, Any] = {
        "state": "absent",
        "version": None,
        "uid": None,
        "writable": os.access(nearest_existing(path), os.W_OK) and os.path.isdir(nearest_existing(path)),
        "free_mb": free_mb(path),
        "sample": [],
        "databases": {},
        "made": os.path.exists(os.path.join(os.path.dirname(path), "run", MADE)),
    }
    if not os.path.lexists(path):
        return result
    if not os.path.isdir(path):
        result.update(state="foreign", sample=[os.path.basename(path) + " (not a directory)"])
        return result
    entries = [name for name in swap.entries(path) if not name.startswith(".mlflow-")]
    result["sample"] = sorted(entries)[:SHOWN_ENTRIES]
    if swap.is_interrupted(path):
        result["state"] = "swapping"
    elif os.path.exists(os.path.join(path, UNFINISHED)):
        result["state"] = "interrupted"
    elif "mysql" in entries and ("mysql.ibd" in entries or "ibdata1" in entries):
        witness = "mysql.ibd" if "mysql.ibd" in entries else "ibdata1"
        result.update(
            state="mysql",
            version=data_dir_version(path),
            uid=os.stat(os.path.join(path, witness)).st_uid,
            databases=identity.databases_in(path),
        )
    elif STAGE in entries:
        result["state"] = "interrupted"
    else:
        result["state"] = "foreign" if entries else "empty"
    return result


def look_at_port(address: str, port: int) -> dict[str, Any]:
    """Return whether ``port`` can be bound on ``address``."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        foreign = error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) or isinstance(
            error, socket.gaierror
        )
        reason: str | None = error.strerror or str(error)
        return {"free": False, "container": None, "reason": reason, "no_address": foreign}
    except OverflowError:
        return {"free": False, "container": None, "reason": "not a port", "no_address": False}
    return {"free": True, "container": None, "reason": None, "no_address": False}


def look_at_tls(wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the state of certificates, see RETURN."""
    result: dict[str, Any] = {"problems": [], "not_after": None, "digests": None}
    texts = {}
    for name in ("ca", "certificate", "key"):
        try:
            with open(wanted[name], encoding="utf-8") as stream:
                texts[name] = stream.read()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            result["problems"].append(f"{wanted[name]} cannot be read: {reason}")
    if not result["problems"] and not certificates.HAS_CRYPTOGRAPHY:
        result["problems"].append("the library cryptography is missing")
    if result["problems"]:
        return result
    material = certificates.Material(**texts)
    result["problems"] = certificates.find_problems(
        material,
        wanted["names"],
        datetime.now(timezone.utc),
        wanted["client"],
        timedelta(days=wanted["spare_days"]),
    )
    try:
        end = certificates.not_after(certificates.read_certificates(material.certificate)[0])
    except certificates.BadPem:
        return result
    result["not_after"] = f"{end:%Y-%m-%dT%H:%M:%SZ}"
    result["digests"] = certificates.digests(material)
    return result


def sees_packages(path: list[str], debian: bool) -> bool:
    """Return whether an interpreter with this ``sys.path`` sees the distribution's Python packages."""
    if debian:
        return "/usr/lib/python3/dist-packages" in path
    return any(entry.startswith("/usr/lib") and entry.endswith("/site-packages") for entry in path)


def packages_locked(dpkg: str) -> bool:
    """Return whether another program holds one of the locks of the package database in the directory ``dpkg``.

    The kernel is asked for who stands in the way (F_GETLK, fcntl(2)); nothing is locked, not even for a moment.
    """
    for name in ("lock-frontend", "lock"):
        try:
            with open(os.path.join(dpkg, name), "rb") as stream:
                asked = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
                kind: int = struct.unpack("hhqqi", fcntl.fcntl(stream, fcntl.F_GETLK, asked))[0]
        except OSError:
            continue
        if kind != fcntl.F_UNLCK:
            return True
    return False


def packages_interrupted(dpkg: str) -> bool:
    """Return whether dpkg was interrupted: in its own records, or with a package half installed.

    What a program that is at it leaves half done for now is no interruption.
    """
    if packages_locked(dpkg):
        return False
    try:
        if any(name.isdigit() for name in os.listdir(os.path.join(dpkg, "updates"))):
            return True
        with open(os.path.join(dpkg, "status"), encoding="utf-8", errors="replace") as stream:
            states = [line.split()[1:] for line in stream if line.startswith("Status: ")]
    except OSError:
        return False
    return any(state[:1] == ["install"] and state[2:] != ["installed"] for state in states)


def subordinate(uid: int, owner: int | None, ranges: str = "/etc/subuid") -> int | None:
    """Return the user ID on the host of the user ``uid`` in a container of the rootless engine of ``owner``.

    In such a container root is the owner, and the others are the owner's subordinate IDs in their order (subuid(5)).
    """
    if owner is None:
        return None
    try:
        names = {pwd.getpwuid(owner).pw_name, str(owner)}
    except KeyError:
        names = {str(owner)}
    try:
        with open(ranges, encoding="utf-8") as stream:
            fields = [line.strip().split(":") for line in stream]
    except OSError:
        return None
    left = uid - 1
    for name, start, count in (field for field in fields if len(field) == 3):
        if name in names and start.isdigit() and count.isdigit():
            if left < int(count):
                return int(start) + left
            left -= int(count)
    return None


def port_driver(proc: str) -> str:
    """Return the port driver of the RootlessKit that runs, as its arguments name it."""
    for process in filter(str.isdigit, os.listdir(proc)):
        try:
            with open(os.path.join(proc, process, "cmdline"), "rb") as stream:
                arguments = stream.read().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        for argument in arguments if "rootlesskit" in arguments[0] else []:
            if argument.startswith("--port-driver="):
                return argument.partition("=")[2]
    return "builtin"


def look_at_home(wanted: dict[str, Any], rootless: bool = False, container: str | None = None) -> bool:
    """Return whether nothing is to be done in a store's directory, and where it is said which one it is."""
    home = Home(wanted["path"].rstrip("/"), wanted["uid"], check=True, rootless=rootless)
    try:
        home.bring(wanted["context"], wanted["generate"], {}, files=wanted.get("files"))
        if container:
            home.record(container, identity.RECORDS)
    except OSError:
        return False
    return not home


def missing_passwords(wanted: dict[str, Any]) -> list[str]:
    """Return those of the passwords to generate that a store's directory has not."""
    home = Home(wanted["path"].rstrip("/"), 0, check=True)
    return [name for name in wanted["generate"] if not home.holds(name)]


def digest(context: dict[str, str]) -> str:
    """Return what names an image by its build context."""
    return hashlib.sha256(json.dumps(context, sort_keys=True).encode()).hexdigest()[:16]


def held(tags: dict[str, str], users: dict[str, list[str]], container: str | None) -> set[str]:
    """Return the references that others than the store of ``container`` need.

    ``tags`` has the image's ID of each reference of one repository, ``users`` the names of the containers that were
    made from an image's ID. A tag that is neither a digest nor ``latest`` is the name of a store's container.
    """
    own = {container, ASIDE.format(container)}
    others = {image for image, names in users.items() if not own.issuperset(names)}
    for reference, image in tags.items():
        tag = reference.rpartition(":")[2]
        if tag not in ("latest", container) and not re.fullmatch("[0-9a-f]{16}", tag):
            others.add(image)
    return {reference for reference, image in tags.items() if image in others}


def limits(configuration: dict[str, Any]) -> dict[str, Any]:
    """Return what `docker update` may have set of a container, from its HostConfig."""
    found = {name: configuration.get(name) for name in LIMITS}
    found["RestartPolicy"] = (configuration.get("RestartPolicy") or {}).get("Name")
    return {name: value for name, value in found.items() if value not in (None, 0, -1, "")}


class Engine:
    """The engine as the ``docker`` command shows it."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.client = module.get_bin_path("docker")
        self.error: str | None = None
        about = self._about()
        self.version: str | None = about.get("ServerVersion")
        self.rootless = "name=rootless" in (about.get("SecurityOptions") or [])
        self.data_root: str = about.get("DockerRootDir") or "/var/lib"

    def _docker(self, *arguments: str) -> tuple[int, str, str]:
        if self.client is None:
            return 127, "", "there is no docker command"
        return self.module.run_command([self.client, *arguments])

    def _about(self) -> dict[str, Any]:
        status, out, err = self._docker("info", "--format", "{{json .}}")
        about = json.loads(out) if out.startswith("{") else {}
        if status == 0 and about.get("ServerVersion"):
            return about
        lines = [*(about.get("ServerErrors") or []), *err.strip().splitlines()]
        self.error = lines[-1] if lines else "the engine does not answer"
        return {}

    def inspect(self, kind: str, names: list[str]) -> list[dict[str, Any]]:
        """Return what ``docker <kind> inspect`` says of those of `names` that there are."""
        if not self.version or not names:
            return []
        _status, out, _err = self._docker(kind, "inspect", *names)
        return json.loads(out or "[]")

    def owner(self) -> int | None:
        """Return the user ID that owns the engine's socket."""
        kind, _separator, path = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").partition("://")
        try:
            return os.stat(path).st_uid if kind == "unix" else None
        except OSError:
            return None

    def images(self, references: list[str]) -> dict[str, Any]:
        """Return the image of each reference, ``None`` where there is no such image."""
        found: dict[str, Any] = dict.fromkeys(references)
        for image in self.inspect("image", list(found)):
            for name in (*(image.get("RepoTags") or []), *(image.get("RepoDigests") or []), image["Id"]):
                if name in found:
                    found[name] = image
        # The engine knows some under another name than it lists, such as docker.io/library/mysql.
        for name in [name for name, image in found.items() if image is None]:
            found[name] = next(iter(self.inspect("image", [name])), None)
        return found

    def tags(self, repository: str) -> list[str]:
        """Return the references of all tags of ``repository``."""
        if not self.version:
            return []
        _status, out, _err = self._docker("image", "ls", repository, "--format", "{{.Repository}}:{{.Tag}}")
        return [reference for reference in out.split() if not reference.endswith(":<none>")]

    def users_of(self, directory: str) -> list[dict[str, str]]:
        """Return the containers that have ``directory`` mounted, by whatever path."""
        if not self.version:
            return []
        shown = f'{{{{.Names}}}}\t{{{{.State}}}}\t{{{{.Label "{THROW_AWAY}"}}}}\t{{{{.Mounts}}}}'
        _status, out, _err = self._docker("ps", "--all", "--no-trunc", "--format", shown)
        wanted = os.path.realpath(directory)
        found = []
        for line in out.splitlines():
            name, state, throw_away, mounts = (*line.split("\t"), "", "", "")[:4]
            if not throw_away and wanted in (os.path.realpath(path) for path in mounts.split(",") if path):
                found.append({"name": name, "state": state})
        return found

    def users(self) -> dict[str, list[str]]:
        """Return the names of the containers, running or not, that were made from each image's ID."""
        _status, out, _err = self._docker("ps", "--all", "--quiet")
        found: dict[str, list[str]] = {}
        if out.split():
            shown = ("--format", "{{.Image}} {{.Name}}")
            _status, out, _err = self._docker("container", "inspect", *shown, *out.split())
        for line in out.splitlines():
            image, _space, name = line.partition(" ")
            found.setdefault(image, []).append(name.lstrip("/"))
        return found

    def members(self, network: str) -> list[str]:
        """Return the names of the containers, running or not, that belong to ``network``."""
        _status, out, _err = self._docker(
            "ps", "--all", "--filter", f"network={network}", "--format", "{{.Names}}"
        )
        return sorted(out.split())

    def spare_networks(self, home: str, network: str, own: set[str | None], networks: list[str]) -> list[str]:
        """Return the networks that were made for a store, or that it is in, and that no other container is in.

        ``own`` are the names of the store's containers, and ``networks`` those that they are in.
        """
        if not self.version:
            return []
        shown = ("--format", f'{{{{.Name}}}}\t{{{{.Label "{LABEL}"}}}}')
        _status, out, _err = self._docker("network", "ls", "--filter", f"label={LABEL}", *shown)
        ours = dict(line.split("\t") for line in out.splitlines() if "\t" in line)
        return [
            name
            for name, there in sorted(ours.items())
            if name != network
            and (name in networks or os.path.realpath(there) == os.path.realpath(home))
            and own.issuperset(self.members(name))
        ]

    def publisher(self, port: int) -> str | None:
        """Return the name of the running container that publishes ``port``."""
        if not self.version:
            return None
        _status, out, _err = self._docker("ps", "--filter", f"publish={port}", "--format", "{{.Names}}")
        return out.split()[0] if out.split() else None


def gather(module: AnsibleModule) -> dict[str, Any]:
    """Return all facts, see RETURN."""
    options = module.params
    engine = Engine(module)
    references = [*options["images"]]
    wanted = None
    tagged = engine.tags(options["image"]) if options["image"] else []
    if options["image"] and options["home"]:
        wanted = f"{options['image']}:{digest(options['home']['context'])}"
        references += [wanted, *tagged]
    images = {
        name: image
        and {
            "id": image["Id"],
            "labels": image["Config"].get("Labels") or {},
            "layers": image["RootFS"].get("Layers") or [],
        }
        for name, image in engine.images(references).items()
    }
    if options["image"]:
        tags = {name: images[name]["id"] for name in tagged if images.get(name)}
        # The engine is asked only where there is more than one store's own.
        usual = {wanted, f"{options['image']}:latest", f"{options['image']}:{options['container']}"}
        users = engine.users() if set(tags) - usual else {}
        kept = held(tags, users, options["container"])
        for name in tags:
            images[name]["held"] = name in kept
    container = aside = None
    if options["container"]:
        replaced = ASIDE.format(options["container"])
        for found in engine.inspect("container", [options["container"], replaced]):
            if found["Name"].lstrip("/") == replaced:
                aside = replaced if LABEL in (found["Config"].get("Labels") or {}) else None
                continue
            container = {
                "id": found["Id"],
                "image_id": found["Image"],
                "status": found["State"]["Status"],
                "labels": found["Config"].get("Labels") or {},
                "ports": found["HostConfig"].get("PortBindings") or {},
                "networks": sorted(found["NetworkSettings"].get("Networks") or {}),
                "limits": limits(found["HostConfig"]),
                "home": (found["Config"].get("Labels") or {}).get(LABEL),
                "same_home": None,
                "group": identity.group_of(found["Config"].get("Cmd") or []),
            }
            if options["home"] and container["home"]:
                container["same_home"] = identity.same_store(container["home"], options["home"]["path"])
    network = None
    if options["network"]:
        for found in engine.inspect("network", [options["network"]]):
            configured = (found.get("IPAM") or {}).get("Config") or []
            network = {
                "id": found["Id"],
                "labels": found.get("Labels") or {},
                "subnets": [one["Subnet"] for one in configured if "Subnet" in one],
                "containers": engine.members(options["network"]),
            }
    result: dict[str, Any] = {
        "engine": {
            "installed": module.get_bin_path("dockerd") is not None,
            "client": engine.client is not None,
            "version": engine.version,
            "error": engine.error,
            "rootless": engine.rootless,
            "port_driver": port_driver("/proc") if engine.rootless else None,
        },
        "images": images,
        "image": wanted,
        "container": container,
        "aside": aside,
        "network": network,
        "tls": {wanted["name"]: look_at_tls(wanted) for wanted in options["tls"]},
        "docker_free_mb": free_mb(engine.data_root),
        "memory_mb": memory_mb(),
        "python": {
            "executable": sys.executable,
            "missing": [name for name in LIBRARIES if importlib.util.find_spec(name) is None],
            "sees_packages": sees_packages(sys.path, os.path.isdir(DPKG)),
        },
        "packages_interrupted": packages_interrupted(DPKG),
        "packages_locked": packages_locked(DPKG),
        "systemd": os.path.isdir("/run/systemd/system"),
    }
    if options["home"]:
        uid = options["home"]["uid"]
        if engine.rootless:
            uid = subordinate(uid, engine.owner())
        result["home"] = {
            "uid": uid,
            "current": uid is not None
            and look_at_home({**options["home"], "uid": uid}, engine.rootless, options["container"]),
            "problems": find_problems(options["home"]["path"].rstrip("/")),
            "missing": missing_passwords(options["home"]),
        }
        if options["container"]:
            result["other_home"] = identity.other_home(options["container"], options["home"]["path"])
        if options["network"]:
            result["spare_networks"] = engine.spare_networks(
                options["home"]["path"],
                options["network"],
                {options["container"], aside},
                container["networks"] if container else [],
            )
    if options["data_dir"]:
        result["data_users"] = engine.users_of(options["data_dir"])
        result["data_dir"] = look_at_data_dir(options["data_dir"])
    if options["port"]:
        result["port"] = look_at_port(options["bind_address"], options["port"])
        if not result["port"]["free"]:
            result["port"]["container"] = engine.publisher(options["port"])
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "list", "elements": "str", "default": []},
            "image": {"type": "str"},
            "container": {"type": "str"},
            "home": {
                "type": "dict",
                "options": {
                    "path": {"type": "path", "required": True},
                    "uid": {"type": "int", "default": 999},
                    "context": {"type": "dict", "default": {}},
                    "files": {"type": "dict", "default": {}},
                    "generate": {"type": "list", "elements": "str", "default": [], "no_log": False},
                },
            },
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
    module.exit_json(changed=False, **gather(module))


if __name__ == "__main__":
    main()
