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
  image_repositories:
    description: Repositories of which all tags in the engine's local store are returned in RV(images).
    type: list
    elements: str
    default: []
  container:
    description: Name of a container to look for.
    type: str
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
images:
  description:
    - Dictionary from each reference of O(images), and each tag of O(image_repositories), to C(id), C(labels) and
      C(layers), or V(null) where it is missing.
  returned: always
  type: dict
container:
  description: C(id), C(image_id), C(status), C(labels) and C(ports) of O(container), or V(null).
  returned: always
  type: dict
data_dir:
  description: State of O(data_dir).
  returned: when O(data_dir) is given
  type: dict
  contains:
    state:
      description:
        - V(absent), V(empty), V(interrupted) (an initialisation that never finished), V(mysql) or V(foreign)
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
network:
  description: C(id), C(labels) and C(subnets) of O(network), or V(null).
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
systemd:
  description: Whether systemd manages the host.
  returned: always
  type: bool
"""

import importlib.util
import json
import os
import socket
import struct
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils import _certificates

MIB = 1024 * 1024
LIBRARIES = ("requests", "pymysql", "cryptography")
SHOWN_ENTRIES = 5
STAGE = "mysql_base_image_initialising"  # the staging directory of that role's docker-entrypoint.sh


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
    }
    if not os.path.lexists(path):
        return result
    if not os.path.isdir(path):
        result.update(state="foreign", sample=[os.path.basename(path) + " (not a directory)"])
        return result
    entries = [name for name in sorted(os.listdir(path)) if name != "lost+found"]
    result["sample"] = entries[:SHOWN_ENTRIES]
    if "mysql" in entries and ("mysql.ibd" in entries or "ibdata1" in entries):
        witness = "mysql.ibd" if "mysql.ibd" in entries else "ibdata1"
        result.update(
            state="mysql", version=data_dir_version(path), uid=os.stat(os.path.join(path, witness)).st_uid
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
        return {"free": False, "container": None, "reason": error.strerror or str(error)}
    except OverflowError:
        return {"free": False, "container": None, "reason": "not a port"}
    return {"free": True, "container": None, "reason": None}


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
    if not result["problems"] and not _certificates.HAS_CRYPTOGRAPHY:
        result["problems"].append("the library cryptography is missing")
    if result["problems"]:
        return result
    material = _certificates.Material(**texts)
    result["problems"] = _certificates.find_problems(
        material,
        wanted["names"],
        datetime.now(timezone.utc),
        wanted["client"],
        timedelta(days=wanted["spare_days"]),
    )
    try:
        end = _certificates.not_after(_certificates.read_certificates(material.certificate)[0])
    except _certificates.BadPem:
        return result
    result["not_after"] = f"{end:%Y-%m-%dT%H:%M:%SZ}"
    result["digests"] = _certificates.digests(material)
    return result


class Engine:
    """The engine as the ``docker`` command shows it."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.client = module.get_bin_path("docker")
        self.error: str | None = None
        self.version = self._version()

    def _docker(self, *arguments: str) -> tuple[int, str, str]:
        if self.client is None:
            return 127, "", "there is no docker command"
        return self.module.run_command([self.client, *arguments])

    def _version(self) -> str | None:
        status, out, err = self._docker("version", "--format", "{{.Server.Version}}")
        if status == 0 and out.strip():
            return out.strip()
        self.error = err.strip().splitlines()[-1] if err.strip() else "the engine does not answer"
        return None

    def inspect(self, kind: str, names: list[str]) -> dict[str, Any]:
        """Return what ``docker <kind> inspect`` says of each name, ``None`` where there is no such object."""
        found: dict[str, Any] = {}
        for name in names:
            status, out, _err = self._docker(kind, "inspect", name) if self.version else (1, "", "")
            found[name] = json.loads(out)[0] if status == 0 else None
        return found

    def tags(self, repository: str) -> list[str]:
        """Return the references of all tags of ``repository``."""
        if not self.version:
            return []
        _status, out, _err = self._docker("image", "ls", repository, "--format", "{{.Repository}}:{{.Tag}}")
        return [reference for reference in out.split() if not reference.endswith(":<none>")]

    def publisher(self, port: int) -> str | None:
        """Return the name of the running container that publishes ``port``."""
        if not self.version:
            return None
        _status, out, _err = self._docker("ps", "--filter", f"publish={port}", "--format", "{{.Names}}")
        return out.split()[0] if out.split() else None

    def data_root(self) -> str:
        """Return the directory in which the engine keeps images."""
        if self.version:
            status, out, _err = self._docker("info", "--format", "{{.DockerRootDir}}")
            if status == 0 and out.strip():
                return out.strip()
        return "/var/lib"


def gather(module: AnsibleModule) -> dict[str, Any]:
    """Return all facts, see RETURN."""
    options = module.params
    engine = Engine(module)
    references = [
        *options["images"],
        *(tag for name in options["image_repositories"] for tag in engine.tags(name)),
    ]
    images = {
        name: image
        and {
            "id": image["Id"],
            "labels": image["Config"].get("Labels") or {},
            "layers": image["RootFS"].get("Layers") or [],
        }
        for name, image in engine.inspect("image", references).items()
    }
    container = None
    if options["container"]:
        found = engine.inspect("container", [options["container"]])[options["container"]]
        if found:
            container = {
                "id": found["Id"],
                "image_id": found["Image"],
                "status": found["State"]["Status"],
                "labels": found["Config"].get("Labels") or {},
                "ports": found["HostConfig"].get("PortBindings") or {},
            }
    network = None
    if options["network"]:
        found = engine.inspect("network", [options["network"]])[options["network"]]
        if found:
            configured = (found.get("IPAM") or {}).get("Config") or []
            network = {
                "id": found["Id"],
                "labels": found.get("Labels") or {},
                "subnets": [one["Subnet"] for one in configured if "Subnet" in one],
            }
    result: dict[str, Any] = {
        "engine": {
            "installed": module.get_bin_path("dockerd") is not None,
            "client": engine.client is not None,
            "version": engine.version,
            "error": engine.error,
        },
        "images": images,
        "container": container,
        "network": network,
        "tls": {wanted["name"]: look_at_tls(wanted) for wanted in options["tls"]},
        "docker_free_mb": free_mb(engine.data_root()),
        "memory_mb": memory_mb(),
        "python": {
            "executable": sys.executable,
            "missing": [name for name in LIBRARIES if importlib.util.find_spec(name) is None],
        },
        "systemd": os.path.isdir("/run/systemd/system"),
    }
    if options["data_dir"]:
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
            "image_repositories": {"type": "list", "elements": "str", "default": []},
            "container": {"type": "str"},
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
