# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of data directories, ports and a host without an engine."""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store import host_facts
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store.layout import Home
from ansible_collections.mlflow_ops.backend_store.plugins.modules import mlflow_mysql_host_info as module

# The directory that holds `ansible_collections`. Not resolved: the collection may be a symbolic link in it.
COLLECTIONS = Path(module.__file__).parents[5]
COLLECTION = "ansible_collections/mlflow_ops/backend_store"
FORMAT_DESCRIPTION_EVENT = 15


def history(*versions: str) -> str:
    """As the server writes it since 8.4."""
    entries = [
        {"date": "2026-08-01 10:00:00", "version": version, "maturity": "LTS", "initialize": not number}
        for number, version in enumerate(versions)
    ]
    return json.dumps({"file_format": "1", "upgrade_history": entries})


def binary_log(version: str) -> bytes:
    """The beginning of a binary log: magic number, event header, and a format description."""
    lengths = bytes(41)
    body = struct.pack("<H50sIB", 4, version.encode(), 1_790_000_000, 19) + lengths + b"\x01" + bytes(4)
    header = struct.pack("<IBIIIH", 1_790_000_000, FORMAT_DESCRIPTION_EVENT, 1, 19 + len(body), 4, 1)
    return b"\xfebin" + header + body


def data_directory(path: Path) -> Path:
    """With what the server has at least."""
    (path / "mysql").mkdir(parents=True)
    for name in ("ibdata1", "mysql.ibd", "auto.cnf"):
        (path / name).touch()
    return path


# Versions


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (history("9.7.0"), "9.7.0"),
        (history("8.4.6", "8.4.7", "9.7.0"), "9.7.0"),
        (history(), None),
        ("", None),
        (history("9.7.0")[:-9], None),
        ("[]", None),
        ("null", None),
        ('{"upgrade_history": null}', None),
        ('{"upgrade_history": [{"date": "2026-08-01"}]}', None),
    ],
)
def test_version_in_history(text: str, version: str | None) -> None:
    assert host_facts.version_in_history(text) == version


@pytest.mark.parametrize("version", ["9.7.0", "8.0.43-debug", "8.4.6-1-log" + "x" * 39])
def test_version_in_binary_log(version: str) -> None:
    assert host_facts.version_in_binary_log(binary_log(version)) == version
    assert host_facts.version_in_binary_log(binary_log(version)[:75]) == version


@pytest.mark.parametrize(
    "head",
    [
        b"",
        binary_log("9.7.0")[:74],
        b"\xfdbin" + binary_log("9.7.0")[4:],  # encrypted
        binary_log(""),
    ],
    ids=["empty", "short", "encrypted", "no-version"],
)
def test_no_version_in_binary_log(head: bytes) -> None:
    assert host_facts.version_in_binary_log(head) is None


def test_history_comes_before_binary_logs(tmp_path: Path) -> None:
    data = data_directory(tmp_path / "data")
    (data / "binlog.000001").write_bytes(binary_log("8.4.6"))
    assert host_facts.data_dir_version(str(data)) == "8.4.6"
    (data / "mysql_upgrade_history").write_text(history("8.4.6", "9.7.0"))
    assert host_facts.data_dir_version(str(data)) == "9.7.0"


@pytest.mark.parametrize("damaged", [b"", b"\xff\xfe", b'{"upgrade_history": ['])
def test_binary_log_helps_where_the_history_is_damaged(tmp_path: Path, damaged: bytes) -> None:
    data = data_directory(tmp_path / "data")
    (data / "mysql_upgrade_history").write_bytes(damaged)
    assert host_facts.data_dir_version(str(data)) is None
    (data / "binlog.000001").write_bytes(binary_log("8.4.6"))
    assert host_facts.data_dir_version(str(data)) == "8.4.6"


def test_newest_readable_binary_log_counts(tmp_path: Path) -> None:
    data = data_directory(tmp_path / "data")
    (data / "binlog.000001").write_bytes(binary_log("8.4.5"))
    (data / "binlog.000002").write_bytes(binary_log("8.4.6"))
    (data / "binlog.000003").touch()  # as a crash leaves it
    (data / "binlog.index").write_text("./binlog.000001\n")
    assert host_facts.data_dir_version(str(data)) == "8.4.6"


# Data directories


def look(path: Path) -> dict[str, Any]:
    return host_facts.look_at_data_dir(str(path))


def test_absent(tmp_path: Path) -> None:
    found = look(tmp_path / "srv/mlflow-mysql/data")
    assert (found["state"], found["version"], found["uid"], found["sample"]) == ("absent", None, None, [])
    assert found["writable"] is True
    status = os.statvfs(tmp_path)
    total = status.f_blocks * status.f_frsize // host_facts.MIB
    assert 0 < found["free_mb"] <= total
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("entries", [[], ["lost+found"]], ids=["nothing", "lost+found"])
def test_empty(tmp_path: Path, entries: list[str]) -> None:
    for name in entries:
        (tmp_path / name).mkdir()
    found = look(tmp_path)
    assert (found["state"], found["sample"], found["writable"]) == ("empty", [], True)


@pytest.mark.parametrize("entries", [[], ["ibdata1", "mysql.ibd", "undo_001"]], ids=["early", "late"])
def test_interrupted(tmp_path: Path, entries: list[str]) -> None:
    """The entrypoint moves the directory `mysql` into place last."""
    (tmp_path / host_facts.STAGE).mkdir()
    (tmp_path / "lost+found").mkdir()
    for name in entries:
        (tmp_path / name).touch()
    found = look(tmp_path)
    assert (found["state"], found["version"]) == ("interrupted", None)
    assert found["sample"] == sorted([host_facts.STAGE, *entries])


@pytest.mark.parametrize("entries", [[], ["ibdata1", "mysql", "mysql.ibd"]], ids=["early", "late"])
def test_interrupted_on_another_base_image(tmp_path: Path, entries: list[str]) -> None:
    """Where the base image's entrypoint does not notice, the store's own does."""
    for name in (host_facts.UNFINISHED, *entries):
        (tmp_path / name).touch()
    found = look(tmp_path)
    assert (found["state"], found["sample"]) == ("interrupted", entries)
    (tmp_path / host_facts.UNFINISHED).unlink()
    (tmp_path / ".mlflow-passwords").mkdir()
    assert look(tmp_path)["state"] == ("mysql" if entries else "empty")


def test_staging_directory_is_the_entrypoints() -> None:
    entrypoint = COLLECTIONS / COLLECTION / "roles/mlflow_mysql/templates/entrypoint.sh.j2"
    assert f"\nunfinished=$data/{host_facts.UNFINISHED}\n" in entrypoint.read_text()
    entrypoint = COLLECTIONS / COLLECTION / "roles/mysql_base_image/files/debian/docker-entrypoint.sh"
    assert f"\nstage=$datadir/{host_facts.STAGE}\n" in entrypoint.read_text()


@pytest.mark.parametrize("witness", ["mysql.ibd", "ibdata1"])
def test_mysql(tmp_path: Path, witness: str) -> None:
    """Before 8.0 there is no mysql.ibd."""
    (tmp_path / "mysql").mkdir()
    (tmp_path / host_facts.STAGE).mkdir()  # interrupted after all was in place
    (tmp_path / witness).touch()
    os.chown(tmp_path / witness, 999, 999)
    found = look(tmp_path)
    assert (found["state"], found["version"], found["uid"]) == ("mysql", None, 999)
    (tmp_path / "mysql_upgrade_history").write_text(history("8.4.6", "9.7.0"))
    assert look(tmp_path)["version"] == "9.7.0"


def test_foreign(tmp_path: Path) -> None:
    names = [f"letter-{number}.txt" for number in range(9)]
    for name in names:
        (tmp_path / name).touch()
    found = look(tmp_path)
    assert (found["state"], found["version"], found["sample"]) == ("foreign", None, names[:5])


def test_directory_that_is_only_called_mysql_is_foreign(tmp_path: Path) -> None:
    (tmp_path / "mysql").mkdir()
    assert look(tmp_path)["state"] == "foreign"


def test_not_a_directory(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("mine")
    found = look(path)
    assert (found["state"], found["sample"]) == ("foreign", ["data (not a directory)"])
    assert found["writable"] is False
    assert path.read_text() == "mine"


def test_link_to_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.symlink_to(tmp_path / "gone")
    assert look(path)["state"] == "foreign"
    assert look(path / "below")["state"] == "absent"


def test_link_to_a_data_directory(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.symlink_to(data_directory(tmp_path / "elsewhere"))
    assert look(path)["state"] == "mysql"


def test_below_a_file_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = look(tmp_path / "file/mlflow-mysql/data")
    assert (found["state"], found["writable"]) == ("absent", False)


def test_read_only_file_system(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", str(tmp_path)], check=True)
    try:
        assert look(tmp_path)["writable"] is False
        assert look(tmp_path / "srv/data")["writable"] is False
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


# Ports


def test_free_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert host_facts.look_at_port("127.0.0.1", port) == {
        "free": True,
        "container": None,
        "reason": None,
        "no_address": False,
    }


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_taken_port(address: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = host_facts.look_at_port(address, listener.getsockname()[1])
    assert found == {
        "free": False,
        "container": None,
        "reason": "Address already in use",
        "no_address": False,
    }


def test_port_that_was_just_left_is_free() -> None:
    """Connections that linger in TIME_WAIT after a restart do not count."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            listener.accept()[0].close()
    assert host_facts.look_at_port("127.0.0.1", port)["free"]


@pytest.mark.parametrize(
    ("address", "reason"),
    [("192.0.2.1", "Cannot assign requested address"), ("no.such.host.invalid", "not known|resolution")],
)
def test_address_that_is_not_the_hosts(address: str, reason: str) -> None:
    found = host_facts.look_at_port(address, 3306)
    assert found["free"] is False and found["no_address"] is True
    assert re.search(reason, found["reason"])


# The module


def test_host_without_an_engine(tmp_path: Path) -> None:
    """It does not fail, and reads all the rest."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        arguments = {
            "images": ["mysql:9.7.0"],
            "image": "mlflow-mysql",
            "home": {"path": str(tmp_path / "home"), "context": {"Dockerfile": "FROM mysql:9.7.0"}},
            "container": "mlflow_mysql_db",
            "data_dir": str(tmp_path / "data"),
            "port": listener.getsockname()[1],
        }
        done = subprocess.run(
            [sys.executable, "-m", module.__name__],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
            capture_output=True,
            text=True,
            check=True,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(COLLECTIONS),
                "DOCKER_HOST": f"unix://{tmp_path}/no",
            },
        )
    found = json.loads(done.stdout)
    assert found["changed"] is False
    assert found["engine"]["version"] is None
    assert found["engine"]["error"]
    assert re.fullmatch("mlflow-mysql:[0-9a-f]{16}", found["image"])
    assert found["images"] == {"mysql:9.7.0": None, found["image"]: None}
    assert found["home"] == {"uid": 999, "current": False, "problems": [], "missing": []}
    assert found["container"] is None
    assert found["data_dir"]["state"] == "absent"
    assert found["port"] == {
        "free": False,
        "container": None,
        "reason": "Address already in use",
        "no_address": False,
    }
    assert found["docker_free_mb"] > 0
    assert found["memory_mb"] > 0
    assert found["python"]["executable"] == sys.executable


# The interpreter, and packages


@pytest.mark.parametrize(
    ("path", "debian", "seen"),
    [
        (["/usr/lib/python3.13", "/usr/lib/python3/dist-packages"], True, True),
        (["/opt/ansible/lib/python3.13/site-packages", "/usr/lib/python3.13"], True, False),
        (["/usr/lib64/python3.12", "/usr/lib/python3.12/site-packages"], False, True),
        (["/opt/ansible/lib/python3.12/site-packages"], False, False),
    ],
)
def test_whether_packages_are_seen(path: list[str], debian: bool, seen: bool) -> None:
    assert host_facts.sees_packages(path, debian) is seen


@pytest.mark.parametrize(
    ("state", "updates", "interrupted"),
    [
        ("install ok installed", [], False),
        ("deinstall ok config-files", [], False),
        ("install ok unpacked", [], True),
        ("install ok half-configured", [], True),
        ("install reinstreq half-installed", [], True),
        ("install ok installed", ["0003"], True),
    ],
)
def test_interrupted_packages(tmp_path: Path, state: str, updates: list[str], interrupted: bool) -> None:
    (tmp_path / "updates").mkdir()
    for name in updates:
        (tmp_path / "updates" / name).touch()
    (tmp_path / "status").write_text(
        f"Package: bash\nStatus: install ok installed\n\nPackage: a\nStatus: {state}\n"
    )
    assert host_facts.packages_interrupted(str(tmp_path)) is interrupted


@pytest.mark.parametrize("name", ["lock-frontend", "lock"])
def test_packages_that_another_program_installs(tmp_path: Path, name: str) -> None:
    """While it holds the lock nothing is interrupted; when it is killed there is."""
    (tmp_path / "updates").mkdir()
    (tmp_path / "status").write_text("Package: a\nStatus: install ok half-configured\n")
    for lock in ("lock-frontend", "lock"):
        (tmp_path / lock).touch(0o640)
    assert not host_facts.packages_locked(str(tmp_path))
    assert host_facts.packages_interrupted(str(tmp_path))
    holder = (
        "import fcntl, sys, time; lock = open(sys.argv[1], 'r+'); fcntl.lockf(lock, fcntl.LOCK_EX); "
        "print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path / name)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdout.readline() == "locked\n"
        assert host_facts.packages_locked(str(tmp_path))
        assert not host_facts.packages_interrupted(str(tmp_path))
        process.kill()
    assert not host_facts.packages_locked(str(tmp_path))
    assert host_facts.packages_interrupted(str(tmp_path))


def test_a_host_without_dpkg_has_no_interrupted_packages(tmp_path: Path) -> None:
    assert not host_facts.packages_interrupted(str(tmp_path))


# Images that several stores on a host have


def test_what_is_held() -> None:
    """Two stores from one image and one from another, an image of by-hand, and two that nobody has any more."""
    one, two, old, older, typed = (letter * 16 for letter in "abcde")
    tags = {
        f"r/i:{one}": "1",
        "r/i:first": "1",
        "r/i:second": "1",
        f"r/i:{two}": "2",
        "r/i:third": "2",
        f"r/i:{old}": "3",
        f"r/i:{older}": "4",
        f"r/i:{typed}": "5",
        "r/i:latest": "3",
    }
    users = {"1": ["first", "second"], "3": ["first"], "4": ["first"], "5": ["typed"]}
    assert host_facts.held(tags, users, "third") == set(tags) - {f"r/i:{two}", "r/i:third"}
    assert {name for name in tags if name not in host_facts.held(tags, users, "first")} == {
        f"r/i:{old}",
        f"r/i:{older}",
        "r/i:latest",
    }
    alone = {f"r/i:{one}": "1", "r/i:latest": "1", "r/i:first": "1"}
    assert host_facts.held(alone, {"1": ["first"]}, "first") == set()
    # What an interrupted run left of the container before is the store's own.
    assert host_facts.held(alone, {"1": ["first", "first_replaced"]}, "first") == set()
    assert host_facts.held(alone, {"1": ["second_replaced"]}, "first") == set(alone)
    assert host_facts.held(alone, {"1": ["first"]}, None) == set(alone)


# What can be changed of a running container


def test_limits() -> None:
    """What docker update sets is there, what nobody set is not."""
    configuration = {
        "Memory": 1073741824,
        "MemoryReservation": 0,
        "PidsLimit": 2048,
        "CpuShares": 2048,
        "CpusetCpus": "",
        "RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0},
    }
    wanted = {"Memory": 1073741824, "PidsLimit": 2048, "CpuShares": 2048, "RestartPolicy": "unless-stopped"}
    assert host_facts.limits(configuration) == wanted
    for name in host_facts.LIMITS:
        assert host_facts.limits({**configuration, name: 7})[name] == 7


# Certificates


def test_files_of_certificates_that_the_server_cannot_read_or_everybody_can(tmp_path: Path) -> None:
    names = ("ca", "server-key", "ca-key", "client-key")
    ca, key, ca_key, client_key = (str(tmp_path / f"{name}.pem") for name in names)
    served, private = [ca, key], [key, ca_key, client_key]

    def problems(group: int | None = 999) -> list[str]:
        return host_facts.access_problems(served, private, group)

    for path, mode in ((ca, 0o644), (key, 0o440), (ca_key, 0o400)):
        Path(path).touch()
        os.chown(path, 0, 999)
        os.chmod(path, mode)
    assert problems() == problems(None) == []
    os.chown(key, 0, 0)
    assert problems() == [f"{key} cannot be read by the server"] and problems(None) == []
    os.chmod(key, 0o644)
    assert problems() == [f"{key} can be read by everybody"]
    os.chmod(key, 0o440)
    os.chown(key, 7, 999)
    os.chmod(ca_key, 0o606)
    os.unlink(ca)
    assert problems() == [
        *(f"{ca} cannot be read: No such file or directory", f"{key} is not root's"),
        f"{ca_key} can be read by everybody",
    ]


# A store's directory


def test_home(tmp_path: Path) -> None:
    """It is current when mlflow_mysql_home would do nothing, and looking changes nothing."""
    wanted: dict[str, Any] = {
        "path": str(tmp_path / "store"),
        "uid": 999,
        "context": {"my.cnf": "a"},
        "files": {"mlflow.env": "a"},
        "generate": ["root_password"],
    }
    assert not host_facts.look_at_home(wanted)
    assert not (tmp_path / "store").exists()
    home = Home(wanted["path"], 999, check=False)
    home.bring(wanted["context"], wanted["generate"], {}, files=wanted["files"])
    assert host_facts.look_at_home(wanted)
    assert not host_facts.look_at_home({**wanted, "files": {"mlflow.env": "b"}})
    assert not host_facts.look_at_home({**wanted, "context": {"my.cnf": "b"}})
    assert not host_facts.look_at_home({**wanted, "generate": ["root_password", "backup_password"]})
    (tmp_path / "store/secrets").chmod(0o755)
    assert not host_facts.look_at_home(wanted)
    (tmp_path / "other").touch()
    assert not host_facts.look_at_home({**wanted, "path": str(tmp_path / "other")})


# A rootless engine


@pytest.mark.parametrize(
    ("lines", "uid", "found"),
    [
        ("{user}:100000:65536", 999, 100998),
        ("someone:1:1\n{uid}:200000:65536", 999, 200998),
        ("{user}:100000:500\n{user}:300000:1000", 999, 300498),
        ("{user}:100000:998", 999, None),
        ("someone:100000:65536", 999, None),
        ("nonsense\n{user}:x:y", 999, None),
    ],
)
def test_the_user_of_a_rootless_container(tmp_path: Path, lines: str, uid: int, found: int | None) -> None:
    ranges = tmp_path / "subuid"
    ranges.write_text(lines.format(user="root", uid=0))
    assert host_facts.subordinate(uid, 0, str(ranges)) == found
    assert host_facts.subordinate(uid, None, str(ranges)) is None
    assert host_facts.subordinate(uid, 0, str(tmp_path / "nowhere")) is None


def test_the_port_driver_of_a_rootless_engine(tmp_path: Path) -> None:
    for number, arguments in enumerate(
        [
            "bash --port-driver=none",
            "/usr/bin/rootlesskit --net=slirp4netns --port-driver=slirp4netns dockerd",
        ]
    ):
        assert host_facts.port_driver(str(tmp_path)) == "builtin"
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "cmdline").write_text(arguments.replace(" ", "\0"))
    assert host_facts.port_driver(str(tmp_path)) == "slirp4netns"
