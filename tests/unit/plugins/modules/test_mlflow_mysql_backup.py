# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that backs a store up, as it is built and put on a host. Needs root."""

from __future__ import annotations

import ast
import base64
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, Iterator

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import archive, installation
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.host import Found
from ansible_collections.mlflow_ops.backend_store.plugins.modules import mlflow_mysql_backup as module
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._backup import current
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._backup import program as package

# The directory that holds `ansible_collections`. Not resolved: the collection may be a symbolic link in it.
COLLECTIONS = Path(module.__file__).parents[5]
CANARY = "AGE-SECRET-KEY-1CANARY61C0"
SETTINGS = {
    "container": "store",
    "image": "mysql:none",
    "uid": 999,
    "database": "mlflow",
    "user": "backup",
}


def run(path: Path, check: bool = False, **options: Any) -> dict[str, Any]:
    """What the action plugin returns, which gives the module its program where that asks for it."""
    packed = package.build()
    options["program_digest"] = package.digest(packed)
    found = run_module(path, check, **options)
    if found.get("program_wanted"):
        found = run_module(path, check, **options, program=base64.b64encode(packed).decode())
    return found


def run_module(path: Path, check: bool = False, **options: Any) -> dict[str, Any]:
    """What the module returns. Its whole output must be free of the canary, whatever it is to do."""
    arguments = {"path": str(path), **options, "_ansible_check_mode": check, "_ansible_diff": True}
    done = subprocess.run(
        [sys.executable, "-m", module.__name__],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
    )
    assert not done.stderr
    result = dict(json.loads(done.stdout))
    # Ansible itself hides what it was called with.
    result.pop("invocation", None)
    assert "CANARY" not in json.dumps(result)
    return result


def ok(result: dict[str, Any], changed: bool) -> dict[str, Any]:
    assert not result.get("failed"), result["msg"]
    assert result["changed"] is changed, result["diff"]
    return result


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "srv" / "mlflow-mysql"


def wanted(home: Path, **more: Any) -> dict[str, Any]:
    return {"settings": {**SETTINGS, "directory": str(home / "backups")}, **more}


def everything(path: Path) -> dict[str, tuple[Any, ...]]:
    return {
        str(found.relative_to(path)): (
            found.stat().st_uid,
            stat.S_IMODE(found.stat().st_mode),
            (found.read_bytes(), found.stat().st_mtime_ns) if found.is_file() else None,
        )
        for found in sorted(path.rglob("*"))
    }


# The program


def test_the_same_sources_give_the_same_program() -> None:
    first = package.build()
    assert first == package.build()
    other = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; from {package.__name__} import build; sys.stdout.buffer.write(build())",
        ],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS), "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"},
    )
    assert other.stdout == first
    assert first.startswith(b"PK")
    assert str(COLLECTIONS).encode() not in first


def test_the_program_holds_what_it_imports_and_nothing_of_ansible() -> None:
    modules = package.sources()
    names = {name[len(package.PACKAGE) + 1 :] for name in modules}
    assert {"_backup.cli", "_backup.restore", "_mysql.connection", "_schema.catalogue_tracking"} < names
    for name, source in modules.items():
        for node in ast.walk(ast.parse(source)):
            found = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(one.split(".")[0] == "ansible" for one in found), f"{name} needs Ansible"


@pytest.mark.parametrize("path", sorted(package.DIRECTORY.rglob("*.py")), ids=lambda path: path.stem)
def test_what_a_module_imports_is_found_as_python_finds_it(path: Path) -> None:
    source = path.read_text()
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package.PACKAGE}."):
            module = str(node.module)
            is_package = "." not in module[len(package.PACKAGE) + 1 :]
            found |= {f"{module}.{alias.name}" for alias in node.names} if is_package else {module}
    assert package.imported(source) == found


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "mlflow-mysql-backup"
    path.parent.mkdir()
    path.write_bytes(installation.start(package.build()))
    path.chmod(0o755)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    return path


def call(*command: Any, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        **more,
    )


def test_the_program_needs_nothing_but_python(program: Path) -> None:
    """Not even the directory that it is called in, nor libraries that are not Python's."""
    done = call(sys.executable, "-I", "-S", program, "--help", cwd="/", env={})
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("full", "copy", "follow", "list", "plan", "restore", "swap", "drill"):
        assert command in done.stdout
    done = call(program, "swap", "out", env={})
    assert done.returncode == 2 and "settle" in done.stderr


def put(program: Path, **more: Any) -> Path:
    """Settings beside the program, and the directories that they name."""
    home = program.parents[1]
    for name in ("data", "tmp", "secrets", "backups"):
        (home / name).mkdir(exist_ok=True)
    content = {**SETTINGS, "home": str(home), "directory": str(home / "backups"), **more}
    (home / "backup.json").write_text(json.dumps(content))
    return home


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (("full",), "there is no password for backup in .*backup_password. Run the playbook deploy again"),
        (("copy",), "there is no store to copy the binary log of"),
        (("plan",), "there is no good full backup in"),
        (("plan", "--to", "yesterday"), "is no time with a zone"),
        (("plan", "--to", ""), "--to is empty: leave it out"),
        (("plan", "--before", " `"), "--before is empty"),
        (("plan", "--to", "2026-11-23T18:00:00Z", "--backup", "x"), "--to and --backup exclude each other"),
        (("restore", "--into", "/nowhere/data"), "there is no good full backup in"),
        (("swap", "in"), "there is no restored data in .*/data.restored: restore it first"),
        (("drill",), "there is no good full backup in"),
        (("--directory", "/nowhere", "plan"), "/nowhere/.reading.lock: No such file or directory"),
        (("--directory", "/nowhere", "copy"), "/nowhere/.exchange.lock: No such file or directory"),
        (("--directory", "/nowhere", "full"), "the store cannot be backed up"),
        (("--directory", "/nowhere", "follow", "--seconds", "0"), "/nowhere/.follow.lock: No such file"),
        (("--directory", "/dev/null", "list"), "/dev/null/full: Not a directory"),
    ],
)
def test_what_goes_wrong_is_said_in_a_line(program: Path, command: tuple[str, ...], problem: str) -> None:
    put(program)
    done = call(program, "--json", *command)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert list(found) == ["problem"]
    assert re.search(problem, found["problem"]), found
    assert done.stderr == f"mlflow-mysql-backup: {found['problem']}\n"


def test_settings_that_cannot_be_read_and_output_that_cannot_be_written(program: Path) -> None:
    home = put(program)
    (home / "backup.json").write_text("{")
    done = call(program, "list")
    assert done.returncode == 1
    assert "backup.json cannot be read" in done.stderr and "Traceback" not in done.stderr
    put(program)
    done = call(program, "plan")
    assert (done.returncode, done.stdout) == (1, "")
    with open("/dev/full", "w") as full:
        done = subprocess.run([program, "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "mlflow-mysql-backup: the result cannot be printed: No space left on device\n"


def test_the_program_finds_its_settings_through_a_link(program: Path, tmp_path: Path) -> None:
    put(program)
    link = tmp_path / "link"
    link.symlink_to(program)
    done = call(link, "--json", "list")
    found = json.loads(done.stdout)
    restorable = found.pop("restorable")
    assert found == {
        "full": [],
        "damaged": {},
        "binary_log": [],
        "copied": None,
        "point": None,
        "owned": False,
    }
    assert (restorable["needs"], restorable["spans"]) == ("none", [])
    assert restorable["text"].startswith("nothing yet: run make backup")


def test_an_engine_that_does_not_answer(program: Path, tmp_path: Path) -> None:
    """Each of its commands fails; or there is no engine at all."""
    home = put(program, docker_host="unix:///nowhere/docker.sock")
    (home / "secrets/backup_password").write_text("x")
    source = f"""
import sys
sys.path[:0] = [{str(COLLECTIONS)!r}]
from {package.PACKAGE}._backup import archive, scratch_server
settings = archive.load_settings({str(home / "backup.json")!r})
try:
    scratch_server.Engine(settings).version("mysql:none")
except archive.BackupProblem as error:
    print(error)
"""
    said = call(sys.executable, "-c", source).stdout
    assert "Start Docker" in said or "there is no docker on this host" in said
    said = call(sys.executable, "-c", source, env={"PATH": "/nowhere"}).stdout
    assert said == "there is no docker on this host: install Docker, or run this on the store's host\n"


# The module


def test_present(home: Path) -> None:
    result = ok(run(home, **wanted(home)), changed=True)
    assert result["program"] == str(home / "bin/mlflow-mysql-backup")
    modes = {name: stat.S_IMODE((home / name).stat().st_mode) for name in ("bin", "backups", "backup.json")}
    assert modes == {"bin": 0o755, "backups": 0o700, "backup.json": 0o644}
    assert stat.S_IMODE(Path(result["program"]).stat().st_mode) == 0o755
    assert json.loads((home / "backup.json").read_text()) == {
        **SETTINGS,
        "home": str(home),
        "directory": str(home / "backups"),
        "identity_file": None,
    }
    listed = call(result["program"], "--json", "list")
    assert (listed.returncode, json.loads(listed.stdout)["full"]) == (0, [])
    before = everything(home)
    ok(run(home, **wanted(home)), changed=False)
    assert everything(home) == before


def test_check_mode(home: Path, tmp_path: Path) -> None:
    """It says what would change on a host without anything, and on one that has it; and changes nothing."""
    file = tmp_path / "cron"
    options = wanted(home, identity=CANARY, files={str(file): "text\n"})
    ok(run(home, check=True, **options), changed=True)
    assert not home.exists() and not file.exists()
    ok(run(home, **options), changed=True)
    before = everything(home)
    ok(run(home, check=True, **options), changed=False)
    changed = ok(
        run(home, check=True, **wanted(home, identity=CANARY + "2", files={str(file): None})), changed=True
    )
    assert changed["files"] == [str(file)]
    ok(run(home, check=True, state="absent"), changed=True)
    assert everything(home) == before
    assert file.read_text() == "text\n"


def test_an_identity_is_kept_secret(home: Path) -> None:
    result = ok(run(home, **wanted(home, identity=CANARY)), changed=True)
    path = home / "secrets/backup_identity"
    assert path.read_text() == CANARY
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert "secrets/backup_identity" in json.dumps(result["diff"])
    assert json.loads((home / "backup.json").read_text())["identity_file"] == str(path)
    ok(run(home, **wanted(home, identity=CANARY)), changed=False)
    # Without one that which is there stays.
    ok(run(home, **wanted(home)), changed=False)
    assert path.read_text() == CANARY
    ok(run(home, **wanted(home, identity=CANARY + "2")), changed=True)
    result = run(home, **wanted(home, identity=""))
    assert result["msg"] == "identity is empty: give an identity of age, or leave it out"
    # What was encrypted for the one before is still to be read.
    assert path.read_text().split() == [CANARY, CANARY + "2"]


def test_settings_that_change_are_shown(home: Path) -> None:
    ok(run(home, **wanted(home)), changed=True)
    options = wanted(home)
    options["settings"]["keep_days"] = 3
    result = ok(run(home, **options), changed=True)
    (diff,) = result["diff"]
    assert diff["before_header"] == str(home / "backup.json")
    assert '"keep_days": 3' in diff["after"] and '"keep_days"' not in diff["before"]


def test_another_release_of_the_program(home: Path) -> None:
    program = Path(ok(run(home, **wanted(home)), changed=True)["program"])
    whole = program.read_bytes()
    program.write_bytes(whole[:-1])
    result = ok(run(home, **wanted(home)), changed=True)
    assert "another release" in json.dumps(result["diff"])
    assert program.read_bytes() == whole
    program.chmod(0o600)
    ok(run(home, **wanted(home)), changed=True)
    assert stat.S_IMODE(program.stat().st_mode) == 0o755


def test_files_programs_and_units(home: Path, tmp_path: Path) -> None:
    # The directory of cron tables is not there before cron is.
    first, second = tmp_path / "new" / "one", tmp_path / "two"
    second.write_text("old\n")
    files = {str(first): "text\n", str(second): None}
    result = ok(run(home, **wanted(home, files=files, programs=["sh", "no-such-program"])), changed=True)
    assert (result["files"], result["missing"]) == ([str(first), str(second)], ["no-such-program"])
    assert first.read_text() == "text\n" and not second.exists()
    assert stat.S_IMODE(first.stat().st_mode) == 0o644
    result = ok(run(home, **wanted(home, files=files)), changed=False)
    assert result["files"] == []


def test_absent(home: Path, tmp_path: Path) -> None:
    """Backups stay."""
    ok(run(home, **wanted(home, identity=CANARY)), changed=True)
    (home / "backups/full").mkdir()
    ok(run(home, state="absent"), changed=True)
    left = {str(path.relative_to(home)) for path in home.rglob("*")}
    assert left == {"bin", "secrets", "backups", "backups/full", "backups/store.json"}
    ok(run(home, state="absent"), changed=False)
    ok(run(tmp_path / "nowhere", state="absent"), changed=False)


def test_what_cannot_be_done_is_said(home: Path, tmp_path: Path) -> None:
    result = run(home, settings={"container": "store"})
    assert result["msg"] == "settings.directory is missing: name the directory of the backups"
    (tmp_path / "file").write_text("")
    result = run(home, **{**wanted(home), "settings": {**SETTINGS, "directory": str(tmp_path / "file")}})
    assert result["failed"] and "file" in result["msg"] and "choose another directory" in result["msg"]
    result = run(home, **wanted(home, files={str(tmp_path / "file/cron"): "x"}))
    assert result["failed"] and str(tmp_path / "file") in result["msg"]


# What is outside a store's home


def metric(directory: Path, container: str, job: str, text: str | None = None) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / f"mlflow_mysql_backup_{container}_{job}.prom"
    sample = f'mlflow_mysql_backup_{job}_x{{store="{container}"}} 1\n'
    path.write_text(f"# HELP x\n{sample}" if text is None else text)
    return path


def others(directory: Path) -> list[Path]:
    """What is not the store's, though its name begins alike."""
    return [
        metric(directory, "store_2", "full"),
        metric(directory, "store_full", "full"),
        metric(directory, "other", "full"),
        metric(directory, "store", "by_hand", 'x{store="else"} 1\n'),
        metric(directory, "store", "empty", ""),
    ]


@pytest.mark.parametrize("kept", [True, False], ids=["settings", "no settings"])
def test_metrics_of_a_store_that_is_gone(home: Path, tmp_path: Path, kept: bool) -> None:
    """Also of one whose settings were lost, or that another directory was chosen for since."""
    collector, now = tmp_path / "old [1]", tmp_path / "new"
    options = wanted(home)
    options["settings"]["textfile_directory"] = str(collector)
    ok(run(home, **options), changed=True)
    if not kept:
        (home / "backup.json").unlink()
        now = collector
    ours = [metric(collector, "store", job) for job in ("full", "full_status", "binlog_copied", "new_job")]
    partial = collector / "mlflow_mysql_backup_store_full.prom.4711"
    partial.write_text("")
    ours += [partial, metric(now, "store", "drill")]
    left = others(collector)
    gone = {"state": "absent", "settings": {"container": "store", "textfile_directory": str(now)}}
    result = ok(run(home, check=True, **gone), changed=True)
    assert all(path.exists() for path in ours) and str(ours[0]) in json.dumps(result["diff"])
    ok(run(home, **gone), changed=True)
    assert [path for path in ours if path.exists()] == []
    assert all(path.exists() for path in left)
    ok(run(home, **gone), changed=False)


def test_another_name_and_another_directory(home: Path, tmp_path: Path) -> None:
    """What was written and scheduled under the earlier names goes."""
    options = wanted(home)
    options["settings"]["textfile_directory"] = str(tmp_path / "one")
    table = tmp_path / "mlflow-mysql-backup-store"
    ok(run(home, **options, files={str(table): "x"}), changed=True)
    first, left = metric(tmp_path / "one", "store", "full"), others(tmp_path / "one")
    ok(run(home, **options, files={str(table): "x"}), changed=False)
    assert first.exists()
    options["settings"]["textfile_directory"] = str(tmp_path / "two")
    ok(run(home, **options, files={str(table): "x"}), changed=True)
    assert not first.exists() and all(path.exists() for path in left)
    second = metric(tmp_path / "two", "store", "full")
    options["settings"]["container"] = "renamed"
    renamed = tmp_path / "mlflow-mysql-backup-renamed"
    ok(run(home, **options, files={str(renamed): "x"}), changed=True)
    assert not second.exists() and not table.exists() and renamed.exists()
    options["settings"]["textfile_directory"] = None
    third = metric(tmp_path / "two", "renamed", "full")
    ok(run(home, **options, files={str(renamed): "x"}), changed=True)
    assert not third.exists()


def test_what_runs_is_ended(home: Path, tmp_path: Path) -> None:
    """It would write for monitoring once more. That of another store goes on."""
    collector = tmp_path / "collector"
    running = {}
    for store in (home, tmp_path / "other"):
        options = wanted(store)
        options["settings"].update(textfile_directory=str(collector), container=store.name)
        program = ok(run(store, **options), changed=True)["program"]
        for name in ("data", "tmp"):
            (store / name).mkdir()
        running[store] = subprocess.Popen(
            [program, "follow", "--seconds", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
    try:
        for process in running.values():
            assert process.stderr is not None and process.stderr.readline()
        ok(run(home, state="absent", settings={"container": home.name}), changed=True)
        assert running[home].poll() == 0
        assert running[tmp_path / "other"].poll() is None
        assert {path.name.split("_")[3] for path in collector.iterdir()} == {"other"}
    finally:
        for process in running.values():
            process.kill()
            process.communicate()


def test_the_program_is_asked_for_where_it_is_of_another_release(home: Path) -> None:
    """Before anything is done; and each later run gets its digest only."""
    packed = package.build()
    digest = package.digest(packed)
    assert ok(run_module(home, **wanted(home), program_digest=digest), changed=False)["program_wanted"]
    assert not home.exists()
    ok(run(home, **wanted(home)), changed=True)
    assert "program_wanted" not in ok(run_module(home, **wanted(home), program_digest=digest), changed=False)
    (home / installation.PROGRAM).write_bytes(b"#!/usr/bin/other\n" + packed)
    before = everything(home)
    assert ok(run_module(home, **wanted(home), program_digest=digest), changed=False)["program_wanted"]
    assert everything(home) == before
    ok(run(home, **wanted(home)), changed=True)
    ok(run(home, **wanted(home)), changed=False)


class Here:
    """What a look at this machine uses of a module."""

    check_mode = False
    tmpdir = "/tmp"

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self.no_log_values: set[str] = set()

    def get_bin_path(self, arg: str) -> str | None:
        return shutil.which(arg)

    def run_command(self, args: list[str], encoding: str | None = "utf-8") -> tuple[int, Any, Any]:
        done = subprocess.run(args, capture_output=True, check=False, encoding=encoding)
        return done.returncode, done.stdout, done.stderr


def answered(home: Path, options: dict[str, Any]) -> dict[str, Any] | None:
    """What the action plugin returns without running the module, after a look at this machine."""
    found = Found(Here(), str(home), options["settings"]["container"]).facts()
    digest = package.digest(package.build())
    return current.answer({"path": str(home), **options}, json.loads(json.dumps(found)), digest)


def scheduled(home: Path, table: Path, **more: Any) -> dict[str, Any]:
    """Options for backups with a schedule, whose file has its place on the host by the container's name."""
    options = wanted(home, files={str(table): "# one\n"}, **more)
    options["settings"]["container"] = table.name.removeprefix("mlflow-mysql-backup-")
    return options


def test_a_look_tells_what_the_module_would(home: Path, cron_table: Path) -> None:
    options = scheduled(home, cron_table, programs=["sh-that-is-not-there"])
    assert answered(home, options) is None
    ok(run(home, **options), changed=True)
    assert answered(home, options) is None, "a program is missing"
    options["programs"] = []
    assert answered(home, options) == ok(run(home, **options), changed=False)
    for more in ({"identity": "AGE"}, {"secrets": {"a": "b"}}, {"look": ["list"]}, {"state": "absent"}):
        assert answered(home, {**options, **more}) is None
    for name in ("units", "programs"):
        assert answered(home, {**options, name: ["nothing-of-the-kind"]}) is None
    assert answered(home, {**options, "settings": {**options["settings"], "uid": 7}}) is None
    assert answered(home, {**options, "files": {str(cron_table): "# two\n"}}) is None
    assert answered(home, {**options, "files": {str(cron_table): None}}) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda home, table: (home / "bin/mlflow-mysql-backup").chmod(0o700),
        lambda home, table: (home / "bin").chmod(0o700),
        lambda home, table: (home / "backups").chmod(0o755),
        lambda home, table: os.chown(home / "backup.json", 7, 7),
        lambda home, table: (home / "backup.json").write_text("{}"),
        lambda home, table: (home / "backup.json").write_text("["),
        lambda home, table: (home / "bin/mlflow-mysql-backup").unlink(),
        lambda home, table: (home / "bin/mlflow-mysql-backup").write_text("#!/bin/sh\nexit 0\n"),
        lambda home, table: (home / "backups").rename(home / "elsewhere"),
        lambda home, table: table.write_text("# another\n"),
        lambda home, table: table.chmod(0o600),
        lambda home, table: table.unlink(),
    ],
)
def test_a_look_sees_what_is_to_be_mended(home: Path, cron_table: Path, change: Any) -> None:
    options = scheduled(home, cron_table)
    ok(run(home, **options), changed=True)
    assert answered(home, options) is not None
    change(home, cron_table)
    assert answered(home, options) is None
    ok(run(home, **options), changed=True)
    assert answered(home, options) == ok(run(home, **options), changed=False)


def test_a_look_sees_whose_the_directory_is(home: Path, cron_table: Path) -> None:
    options = scheduled(home, cron_table)
    ok(run(home, **options), changed=True)
    mark = home / "backups/store.json"
    mark.unlink()
    assert answered(home, options) is None
    ok(run(home, **options), changed=False)
    assert answered(home, options) is not None
    other = home.parent / "other"
    (other / "data").mkdir(parents=True)
    (other / "data/mysql.ibd").touch()
    archive.write_document(str(mark), {"format": 1, "home": str(other), "container": "other"})
    assert answered(home, options) is None
    assert run(home, **options)["reason"] == "not_owner"


@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_a_look_sees_a_schedule_that_is_to_go(home: Path, cron_table: Path, mode: int) -> None:
    options = scheduled(home, cron_table)
    ok(run(home, **options), changed=True)
    cron_table.chmod(mode)
    gone = {**options, "files": {str(cron_table): None}}
    assert answered(home, gone) is None
    ok(run(home, **gone), changed=True)
    assert not cron_table.exists() and answered(home, gone) is not None


@pytest.fixture
def cron_table() -> Iterator[Path]:
    path = Path("/etc/cron.d") / f"mlflow-mysql-backup-store-{os.getpid()}"
    yield path
    path.unlink(missing_ok=True)


def test_a_look_takes_the_program_of_this_release(home: Path) -> None:
    """In check mode a host has the program of another one, which knows less, and settings of another one."""
    ok(run(home, **wanted(home)), changed=True)
    (home / installation.PROGRAM).write_text("#!/bin/sh\nexit 2\n")
    (home / installation.SETTINGS).write_text("{}")
    before = everything(home)
    found = run(home, check=True, look=["--json", "list"], **wanted(home))["looked"]
    assert (found["rc"], found["stderr"]) == (0, "")
    assert json.loads(found["stdout"])["restorable"]["needs"] == "none"
    assert everything(home) == before
    found = run(home, check=True, look=["--json", "plan", "--nonsense"], **wanted(home))["looked"]
    assert found["rc"] == 2 and "--nonsense" in found["stderr"]
