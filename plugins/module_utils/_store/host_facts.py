# SPDX-License-Identifier: GPL-3.0-or-later
"""Inspect a host: engine, images, container, directories, port, certificates."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import re
import socket
import stat
import struct
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker.cli import (
    LABEL,
    SCRATCH_LABEL,
    Docker,
    Host,
)
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
STAGE = "mysql_base_image_initialising"  # the staging directory of that role's docker-entrypoint.sh
UNFINISHED = ".mlflow-initialising"  # of mlflow_mysql's entrypoint.sh, on another base image


def free_mb(path: str) -> int:
    """Return the space in MiB that is free for root on the file system of ``path``."""
    status = os.statvfs(swap.nearest_existing(path))
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
        "writable": os.access(swap.nearest_existing(path), os.W_OK)
        and os.path.isdir(swap.nearest_existing(path)),
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


def access_problems(served: list[str], private: list[str], group: int | None) -> list[str]:
    """Return which of the files the server cannot read, which has a group of its own, and which everybody can."""
    problems = []
    for path in [*served, *(path for path in private if os.path.lexists(path) and path not in served)]:
        try:
            found = os.stat(path)
        except OSError as error:
            problems.append(f"{path} cannot be read: {error.strerror}")
            continue
        readable = found.st_mode & stat.S_IROTH or (found.st_gid == group and found.st_mode & stat.S_IRGRP)
        if path in served and group is not None and not readable:
            problems.append(f"{path} cannot be read by the server")
        if found.st_uid != 0:
            problems.append(f"{path} is not root's")
        if path in private and found.st_mode & stat.S_IRWXO:
            problems.append(f"{path} can be read by everybody")
    return problems


def look_at_tls(wanted: dict[str, Any], group: int | None = None) -> dict[str, Any]:
    """Return the state of certificates, see RETURN. The server runs with the group, if it is known."""
    result: dict[str, Any] = {"problems": [], "ca_ends": False, "not_after": None, "digests": None}
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
    now, spare = datetime.now(timezone.utc), timedelta(days=wanted["spare_days"])
    result["problems"] = certificates.find_problems(material, wanted["names"], now, wanted["client"], spare)
    result["problems"] += access_problems(wanted["served"], wanted["private"], group)
    result["ca_ends"] = certificates.ends(material.ca, now + spare)
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

    def __init__(self, host: Host) -> None:
        self.docker = Docker(host)
        self.error: str | None = None
        about = self._about()
        self.version: str | None = about.get("ServerVersion")
        self.rootless = "name=rootless" in (about.get("SecurityOptions") or [])
        self.data_root: str = about.get("DockerRootDir") or "/var/lib"

    def _about(self) -> dict[str, Any]:
        status, out, err = self.docker.run("info", "--format", "{{json .}}")
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
        _status, out, _err = self.docker.run(kind, "inspect", *names)
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
        _status, out, _err = self.docker.run(
            "image", "ls", repository, "--format", "{{.Repository}}:{{.Tag}}"
        )
        return [reference for reference in out.split() if not reference.endswith(":<none>")]

    def users_of(self, directory: str) -> list[dict[str, str]]:
        """Return the containers that have ``directory`` mounted, by whatever path."""
        if not self.version:
            return []
        shown = f'{{{{.Names}}}}\t{{{{.State}}}}\t{{{{.Label "{SCRATCH_LABEL}"}}}}\t{{{{.Mounts}}}}'
        _status, out, _err = self.docker.run("ps", "--all", "--no-trunc", "--format", shown)
        wanted = os.path.realpath(directory)
        found = []
        for line in out.splitlines():
            name, state, throw_away, mounts = (*line.split("\t"), "", "", "")[:4]
            if not throw_away and wanted in (os.path.realpath(path) for path in mounts.split(",") if path):
                found.append({"name": name, "state": state})
        return found

    def users(self) -> dict[str, list[str]]:
        """Return the names of the containers, running or not, that were made from each image's ID."""
        _status, out, _err = self.docker.run("ps", "--all", "--quiet")
        found: dict[str, list[str]] = {}
        if out.split():
            shown = ("--format", "{{.Image}} {{.Name}}")
            _status, out, _err = self.docker.run("container", "inspect", *shown, *out.split())
        for line in out.splitlines():
            image, _space, name = line.partition(" ")
            found.setdefault(image, []).append(name.lstrip("/"))
        return found

    def members(self, network: str) -> list[str]:
        """Return the names of the containers, running or not, that belong to ``network``."""
        _status, out, _err = self.docker.run(
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
        _status, out, _err = self.docker.run("network", "ls", "--filter", f"label={LABEL}", *shown)
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
        _status, out, _err = self.docker.run("ps", "--filter", f"publish={port}", "--format", "{{.Names}}")
        return out.split()[0] if out.split() else None


def gather(host: Host) -> dict[str, Any]:
    """Return all facts, see RETURN."""
    options = host.params
    engine = Engine(host)
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
    uid = options["home"]["uid"] if options["home"] else None
    if uid is not None and engine.rootless:
        uid = subordinate(uid, engine.owner())
    result: dict[str, Any] = {
        "engine": {
            "installed": host.get_bin_path("dockerd") is not None,
            "client": engine.docker.client is not None,
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
        "tls": {wanted["name"]: look_at_tls(wanted, uid) for wanted in options["tls"]},
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
