# SPDX-License-Identifier: GPL-3.0-or-later
"""A store's directories and passwords, made in a process of its own as Ansible makes them. Needs root."""

from __future__ import annotations

import json
import os
import stat
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.modules import mlflow_mysql_layout as module

# The directory that holds `ansible_collections`. Not resolved: the collection may be a symbolic link in it.
COLLECTIONS = Path(module.__file__).parents[5]
UID = 999  # the server's, and not the one that tests run with
CANARY = "canary-61c0'\\ %s\n"
DIRECTORIES = {
    "": (0, 0, 0o755),
    "build": (0, 0, 0o755),
    "data": (UID, UID, 0o750),
    "run": (UID, UID, 0o750),
    "secrets": (0, 0, 0o700),
    "secrets/container": (0, UID, 0o750),
}
GENERATE = ["root_password", "container/mysql_password"]
CONTEXT = {"Dockerfile": "FROM mysql:9.7.0\n", "my.cnf": "[mysqld]\nskip_name_resolve = ON\n"}


def run(path: Path, check: bool = False, umask: int = 0o022, **options: Any) -> dict[str, Any]:
    """What the module returns. Its whole output must be free of the canary, whatever it is to do."""
    arguments = {
        "path": str(path),
        "uid": UID,
        **options,
        "_ansible_check_mode": check,
        "_ansible_diff": True,
    }
    done = subprocess.run(
        [sys.executable, "-m", module.__name__],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        check=False,
        umask=umask,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
    )
    assert not done.stderr
    assert "canary" not in done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def ok(result: dict[str, Any], changed: bool) -> dict[str, Any]:
    assert not result.get("failed"), result["msg"]
    assert result["changed"] is changed
    return result


def owner_and_mode(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


def everything(path: Path) -> dict[str, tuple[Any, ...]]:
    """All below a directory: owner, mode, and what a file holds with the time of its last change."""
    return {
        str(found.relative_to(path)): (
            owner_and_mode(found),
            (found.read_bytes(), found.stat().st_mtime_ns) if found.is_file() else None,
        )
        for found in sorted(path.rglob("*"))
    }


def shown(result: dict[str, Any]) -> str:
    return "".join(part["before"] + part["after"] for part in result["diff"])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where a store is to be. Not even the directory above it is there."""
    return tmp_path / "srv" / "mlflow-mysql"


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000], ids=oct)
def test_owners_and_modes(home: Path, umask: int) -> None:
    ok(run(home, umask=umask, generate=GENERATE, context=CONTEXT), changed=True)
    made = {name: owner_and_mode(home / name) for name in DIRECTORIES}
    assert made == DIRECTORIES
    assert owner_and_mode(home / "secrets/root_password") == (0, 0, 0o400)
    assert owner_and_mode(home / "secrets/container/mysql_password") == (0, UID, 0o440)
    for name in CONTEXT:
        assert owner_and_mode(home / "build" / name) == (0, 0, 0o644)
    files = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert files == {f"secrets/{name}" for name in GENERATE} | {f"build/{name}" for name in CONTEXT}


def test_generated_passwords(home: Path) -> None:
    result = ok(run(home, generate=GENERATE), changed=True)
    assert result["generated"] == GENERATE
    passwords = [(home / "secrets" / name).read_text() for name in GENERATE]
    for password in passwords:
        assert len(password) == 32
        assert set(password) <= set(string.ascii_letters + string.digits + "-_")
        # MySQL's policy wants one of each.
        assert all(set(password) & set(kind) for kind in (string.ascii_lowercase, string.ascii_uppercase))
        assert set(password) & set(string.digits) and set(password) & set("-_")
        assert password not in json.dumps(result)
    assert len(set(passwords)) == len(passwords)


def test_second_run_changes_nothing(home: Path) -> None:
    wanted: dict[str, Any] = {
        "generate": GENERATE,
        "passwords": {"container/user_password": CANARY},
        "context": CONTEXT,
    }
    ok(run(home, **wanted), changed=True)
    before = everything(home)
    for check in (True, False):
        result = ok(run(home, check=check, **wanted), changed=False)
        assert result["generated"] == []
        assert result["diff"] == []
    assert everything(home) == before


@pytest.mark.parametrize("content", [b"mine\n", b"\xff\xfe not UTF-8"], ids=["text", "bytes"])
def test_password_of_someone_else_is_kept(home: Path, content: bytes) -> None:
    """A file that holds anything is not generated again; owner and mode are put right all the same."""
    ok(run(home), changed=True)
    secret = home / "secrets/root_password"
    secret.write_bytes(content)
    secret.chmod(0o644)
    result = ok(run(home, generate=["root_password"]), changed=True)
    assert result["generated"] == []
    assert secret.read_bytes() == content
    assert owner_and_mode(secret) == (0, 0, 0o400)


def test_empty_password_file_holds_no_password(home: Path) -> None:
    """As a power cut may leave it."""
    ok(run(home), changed=True)
    secret = home / "secrets/root_password"
    secret.touch()
    assert ok(run(home, generate=["root_password"]), changed=True)["generated"] == ["root_password"]
    assert len(secret.read_text()) == 32


def test_given_password_replaces(home: Path) -> None:
    name = "container/mysql_password"
    secret = home / "secrets" / name
    ok(run(home, generate=[name]), changed=True)
    generated = secret.read_text()
    result = ok(run(home, passwords={name: CANARY}), changed=True)
    assert result["generated"] == []
    assert secret.read_bytes() == CANARY.encode()
    assert owner_and_mode(secret) == (0, UID, 0o440)
    assert f"secrets/{name}: a password\n" in shown(result)
    assert f"secrets/{name}: the given password\n" in shown(result)
    assert generated not in json.dumps(result)

    result = ok(run(home, passwords={name: CANARY + "2"}), changed=True)
    assert secret.read_bytes() == CANARY.encode() + b"2"
    ok(run(home, passwords={name: CANARY + "2"}), changed=False)


@pytest.mark.parametrize("password", ["\r\n", " € "], ids=["newlines", "beyond-ascii"])
def test_given_password_is_written_as_it_is(home: Path, password: str) -> None:
    ok(run(home, passwords={"root_password": password}), changed=True)
    assert (home / "secrets/root_password").read_bytes() == password.encode()
    ok(run(home, passwords={"root_password": password}), changed=False)


def test_check_mode_on_a_bare_host(home: Path, tmp_path: Path) -> None:
    wanted: dict[str, Any] = {
        "generate": GENERATE,
        "passwords": {"container/user_password": CANARY},
        "context": CONTEXT,
    }
    predicted = ok(run(home, check=True, **wanted), changed=True)
    assert everything(tmp_path) == {}
    result = ok(run(home, **wanted), changed=True)
    for key in ("changed", "generated", "diff"):
        assert predicted[key] == result[key]
    assert "secrets/root_password: absent\n" in shown(result)
    assert "secrets/root_password: a generated password\n" in shown(result)
    assert CONTEXT["my.cnf"] in shown(result)


def test_check_mode_on_a_store(home: Path) -> None:
    ok(run(home, generate=["root_password"], context=CONTEXT), changed=True)
    (home / "data").chmod(0o777)
    (home / "secrets/root_password").chmod(0o444)
    os.chown(home / "build/Dockerfile", UID, UID)
    wanted: dict[str, Any] = {
        "generate": GENERATE,
        "passwords": {"container/user_password": CANARY},
        "context": {**CONTEXT, "my.cnf": "[mysqld]\n"},
    }
    before = everything(home)
    predicted = ok(run(home, check=True, **wanted), changed=True)
    assert everything(home) == before
    result = ok(run(home, **wanted), changed=True)
    for key in ("changed", "generated", "diff"):
        assert predicted[key] == result[key]
    listing, *texts = result["diff"]
    assert listing["before"].splitlines() == [
        "mlflow-mysql/data: 999:999 0777",
        "mlflow-mysql/build/Dockerfile: 999:999 0644",
        "mlflow-mysql/secrets/root_password: 0:0 0444",
        "secrets/container/mysql_password: absent",
        "secrets/container/user_password: absent",
    ]
    assert [(text["before"], text["after"]) for text in texts] == [(CONTEXT["my.cnf"], "[mysqld]\n")]
    ok(run(home, **wanted), changed=False)


def test_files_beside_the_build_context(home: Path) -> None:
    """Everybody reads them, and nobody but root writes them."""
    files = {"mlflow.env": "POOL=1\n"}
    predicted = ok(run(home, check=True, files=files), changed=True)
    result = ok(run(home, umask=0o077, files=files), changed=True)
    assert predicted["diff"] == result["diff"] and "POOL=1\n" in shown(result)
    assert owner_and_mode(home / "mlflow.env") == (0, 0, 0o644)
    ok(run(home, files=files), changed=False)
    (home / "mlflow.env").chmod(0o666)
    ok(run(home, files=files), changed=True)
    assert owner_and_mode(home / "mlflow.env") == (0, 0, 0o644)
    result = ok(run(home, files={"mlflow.env": "POOL=2\n"}), changed=True)
    assert (result["diff"][0]["before"], result["diff"][0]["after"]) == ("POOL=1\n", "POOL=2\n")


def test_data_is_left_alone(home: Path) -> None:
    ok(run(home), changed=True)
    table = home / "data/mysql.ibd"
    table.write_bytes(b"data")
    os.chown(table, 1234, 1234)
    (home / "data").chmod(0o700)
    ok(run(home), changed=True)
    assert owner_and_mode(home / "data") == (UID, UID, 0o750)
    assert owner_and_mode(table)[:2] == (1234, 1234)
    assert table.read_bytes() == b"data"


@pytest.mark.parametrize("where", ["srv", "srv/mlflow-mysql"])
def test_file_in_the_place_of_a_directory(home: Path, tmp_path: Path, where: str) -> None:
    blocking = tmp_path / where
    blocking.parent.mkdir(exist_ok=True)
    blocking.write_text("mine")
    before = everything(tmp_path)
    result = run(home, generate=GENERATE, passwords={"user_password": CANARY}, context=CONTEXT)
    assert result["failed"]
    assert str(home) in result["msg"]
    assert "cannot be written: " in result["msg"]
    assert "choose another directory" in result["msg"]
    assert everything(tmp_path) == before


def test_directory_in_the_place_of_a_password(home: Path) -> None:
    ok(run(home), changed=True)
    (home / "secrets/user_password").mkdir()
    before = everything(home)
    result = run(home, passwords={"user_password": CANARY})
    assert result["failed"]
    assert f"{home}/secrets/user_password cannot be written: Is a directory" in result["msg"]
    assert everything(home) == before


def test_full_file_system(tmp_path: Path) -> None:
    """A password that did not fit does not replace the one that is there, and half of it is nowhere."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)], check=True)
    try:
        home = tmp_path / "home"
        ok(run(home, passwords={"user_password": "the first"}), changed=True)
        with pytest.raises(OSError, match="No space left"):
            (home / "data/filler").write_bytes(b"x" * 128 * 1024)
        before = everything(home / "secrets")
        result = run(home, passwords={"user_password": CANARY})
        assert result["failed"]
        assert "No space left on device" in result["msg"]
        assert everything(home / "secrets") == before
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_statements_that_let_root_in(tmp_path: Path) -> None:
    """They hold the password of a file, whatever that is, and are seen by the server's group only."""
    password = "canary-61c0'\\ %s"
    home = tmp_path / "store"
    ok(run(home, passwords={"root_password.new": password}), changed=True)
    ok(run(home, check=True, recovery="root_password.new"), changed=True)
    file = home / "secrets/container/recover.sql"
    assert not file.exists()
    ok(run(home, recovery="root_password.new"), changed=True)
    assert "IDENTIFIED BY 'canary-61c0''\\\\ %s' ACCOUNT UNLOCK;" in file.read_text()
    found = file.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (0, UID, 0o440)
    ok(run(home, recovery="root_password.new"), changed=False)


# A store that is removed


def emptied(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*"))


def test_absent(tmp_path: Path) -> None:
    """The data and the passwords stay; what is kept elsewhere stays there, empty."""
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    ok(run(home, context=CONTEXT, generate=GENERATE), changed=True)
    (home / "tmp").rmdir()
    scratch.mkdir()
    os.chown(scratch, UID, UID)
    (home / "tmp").symlink_to("../scratch")
    (scratch / "#sql").write_text("x")
    (home / "data/ibdata1").write_text("x")
    before = everything(home)
    ok(run(home, check=True, state="absent"), changed=True)
    assert everything(home) == before and (scratch / "#sql").exists()
    ok(run(home, state="absent"), changed=True)
    assert not (home / "build").exists() and not (home / "run").exists()
    assert (home / "data/ibdata1").exists() and (home / "secrets/root_password").exists()
    assert (home / "tmp").is_symlink() and os.listdir(scratch) == []
    ok(run(home, state="absent"), changed=False)
    ok(run(home, context=CONTEXT, generate=GENERATE), changed=True)
    assert (home / "tmp").is_symlink()


@pytest.mark.parametrize("backups", [False, True], ids=["no full backup", "a full backup"])
@pytest.mark.parametrize("kind", ["plain", "mounts", "links", "home is a mount", "home is a link"])
def test_purge(tmp_path: Path, kind: str, backups: bool) -> None:
    """Nothing of the data stays anywhere, but full backups, mount points, and what may be another store's."""
    home, disk, shared = tmp_path / "home", tmp_path / "disk", tmp_path / "shared"
    mounts = []

    def mount(path: Path, *arguments: str) -> None:
        path.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", *arguments, str(path)], check=True)
        mounts.append(path)

    shared.mkdir()
    (shared / "venv").write_text("x")
    try:
        if kind == "home is a mount":
            mount(home, "-t", "tmpfs", "tmpfs")
        elif kind == "home is a link":
            (tmp_path / "real").mkdir()
            home.symlink_to("real")
        if kind == "mounts":
            disk.mkdir()
            mount(home / "data", "--bind", str(disk))
            mount(home / "tmp", "-t", "tmpfs", "tmpfs")
        elif kind == "links":
            home.mkdir()
            for name in ("data", "secrets"):
                (disk / name).mkdir(parents=True)
                (home / name).symlink_to(disk / name)
            (home / "mlflow").symlink_to(shared)
            (home / "unknown").symlink_to(shared)
        ok(run(home, context=CONTEXT, generate=GENERATE), changed=True)
        for name in ("data/mysql", "data/.data.restored", "upgrade/mlflow.backup/full", "backups/binlog"):
            (home / name).mkdir(parents=True)
            (home / name / "x").write_text("x")
        (home / "data/lost+found").mkdir()
        if backups:
            (home / "backups/full/000001-x").mkdir(parents=True)
        before = emptied(home)
        check = ok(run(home, check=True, state="absent", purge=True), changed=True)
        assert check["diff"] and emptied(home) == before
        result = ok(run(home, state="absent", purge=True), changed=True)
        assert result["kept"] == ([str(home / "backups")] if backups else [])
        wanted = {
            "mounts": [str(home / "data"), str(home / "tmp")],
            "home is a mount": [] if backups else [str(home)],
        }
        assert result["left"] == wanted.get(kind, [])
        left = [name for name in emptied(home) if not name.startswith("backups")] if home.exists() else []
        # A file system's own directory is at its top.
        assert left == (["data", "data/lost+found", "tmp"] if kind == "mounts" else [])
        assert home.exists() is (backups or kind in ("mounts", "home is a mount"))
        assert (shared / "venv").exists()
        if kind == "links":
            assert [os.listdir(disk / name) for name in ("data", "secrets")] == [[], []]
        elif kind == "home is a link" and not backups:
            assert not home.is_symlink() and os.listdir(tmp_path / "real") == []
        ok(run(home, state="absent", purge=True), changed=False)
    finally:
        for path in reversed(mounts):
            subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_purge_of_what_is_read_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ok(run(home, generate=GENERATE), changed=True)
    subprocess.run(["mount", "--bind", str(home / "data"), str(home / "data")], check=True)
    try:
        (home / "data/ibdata1").write_text("x")
        subprocess.run(["mount", "-o", "remount,bind,ro", str(home / "data")], check=True)
        result = run(home, state="absent", purge=True)
        assert result["failed"]
        assert result["msg"].startswith(
            f"{home}/data/ibdata1 cannot be removed: Read-only file system. Run as root"
        )
    finally:
        subprocess.run(["umount", "--lazy", str(home / "data")], check=True)


def test_a_directory_that_is_a_link_to_nowhere(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "data").symlink_to("../nowhere")
    assert run(home)["msg"].startswith(f"{home}/data cannot be written: No such file or directory.")


def test_a_swap_that_was_interrupted_is_undone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ok(run(home, generate=GENERATE), changed=True)
    (home / "data/.data.restored").mkdir()
    (home / "data/.data.swapped-1/mysql").mkdir(parents=True)
    journal = {"source": ".data.restored", "sink": ".data.swapped-1", "old": ["mysql"], "new": []}
    (home / "data/mlflow_ops_swap.json").write_text(json.dumps(journal))
    assert "half swapped" in shown(ok(run(home, check=True, generate=GENERATE), changed=True))
    ok(run(home, generate=GENERATE), changed=True)
    assert sorted(os.listdir(home / "data")) == [".data.restored", "mysql"]
    ok(run(home, generate=GENERATE), changed=False)
