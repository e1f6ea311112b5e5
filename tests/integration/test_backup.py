# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a real store: made, restored whole or in part, damaged, interrupted, and on a full disk. Needs root."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import (
    archive,
    binlog_copy,
    binlog_reader,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import (
    restore as backup_restore,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import (
    load_settings,
    stamp,
    tree_size,
    write_document,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.scratch_server import (
    throw_away,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker.cli import SCRATCH_LABEL

# The store without Ansible is for benchmarks too, which pytest does not find.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "harness"))

from backup_store import Store, docker
from conftest import COLLECTIONS

# Nobody pulls the plug here: the server need not wait for the disk.
OPTIONS = (
    *("--innodb-redo-log-capacity=16M", "--innodb-buffer-pool-size=128M"),
    *("--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0"),
)


class Backups:
    """A store with a directory of backups for each test."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.number = 0
        self.directory = store.home / "backups"
        self.more: dict[str, Any] = {}

    def use(self, directory: Path | None = None, **more: Any) -> Path:
        """Choose settings, and a new directory of backups."""
        if directory is None:
            self.number += 1
            directory = self.store.home / f"backups-{self.number}"
            directory.mkdir(mode=0o700)
        self.directory = directory
        self.store.settings(directory=str(directory), **more)
        return directory

    def run(self, *arguments: str, stdin: str = "") -> dict[str, Any]:
        return self.store.backup(*arguments, stdin=stdin)

    def problem(self, *arguments: str, stdin: str = "") -> str:
        """What is said of a failure, which has no traceback."""
        result = self.store.backup(*arguments, check=False, stdin=stdin)
        assert list(result) == ["problem"], result
        assert self.store.password not in result["problem"]
        return str(result["problem"])

    def restore(self, *arguments: str) -> dict[str, Any]:
        return self.run("restore", "--into", str(self.store.restored), *arguments)

    def begin(self, *arguments: str, until: str) -> subprocess.Popen[str]:
        """Start the program and wait until it says something."""
        process = subprocess.Popen(
            [self.store.program, "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        for line in process.stderr:
            if until in line:
                return process
        raise AssertionError(f"it never said {until!r}: {process.communicate()[0]}")

    def names(self) -> list[str]:
        return sorted(os.listdir(self.directory / "full")) if (self.directory / "full").exists() else []


def left(backups: Backups) -> list[str]:
    """What an interrupted run left."""
    home = backups.store.home
    found = [
        str(path)
        for pattern in (".partial*", "tmp/.partial*", "tmp/clone-*", "tmp/*-run-*", "tmp/drill-data")
        for path in home.glob(pattern)
    ]
    found += [str(path) for path in backups.directory.rglob(".partial*")]
    found += docker("ps", "--all", "--quiet", "--filter", f"label={SCRATCH_LABEL}={home}").split()
    return found


def insert(store: Store, first: int, last: int, table: str = "t") -> None:
    connection = store.root()
    try:
        with connection.cursor() as cursor:
            for number in range(first, last + 1):
                cursor.execute(f"INSERT INTO mlflow.{table} VALUES (%s, %s)", (number, f"row {number}"))
    finally:
        connection.close()


def content(server: Any) -> list[tuple[Any, ...]]:
    return list(server("SELECT * FROM mlflow.t ORDER BY id"))


def opened(backups: Backups, statement: str) -> list[tuple[Any, ...]]:
    """What a server finds in the restored data."""
    settings = load_settings(str(backups.store.home / "backup.json"))
    layout = {"lower_case_table_names": 0, "innodb_page_size": 16384}
    with throw_away(settings, str(backups.store.restored), "test", layout) as server:
        return server.rows(statement)


@pytest.fixture(scope="module")
def backups() -> Iterator[Backups]:
    with Store(*OPTIONS) as store:
        store.execute("CREATE TABLE mlflow.t (id INT PRIMARY KEY, v VARCHAR(100))")
        store.execute("CREATE TABLE mlflow.other (id INT PRIMARY KEY, v VARCHAR(100))")
        yield Backups(store)


@dataclass
class History:
    """What happened to the store, and how many rows it had at each moment."""

    directory: Path
    fulls: list[str] = field(default_factory=list)
    times: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    gtids: str = ""


@pytest.fixture(scope="module")
def history(backups: Backups) -> History:
    """Two full backups and four files of the binary log, one of which ends as the server stops."""
    store = backups.store
    found = History(backups.use())

    def remember(moment: str) -> None:
        time.sleep(0.01)
        found.times[moment] = stamp(time.time())
        time.sleep(0.01)

    insert(store, 1, 10)
    found.fulls.append(backups.run("full")["name"])
    insert(store, 11, 20)
    backups.run("copy")
    remember("20 rows")
    insert(store, 21, 25)
    backups.run("copy")
    store.execute("FLUSH BINARY LOGS")
    insert(store, 26, 30)
    remember("30 rows")
    store.stop()
    backups.run("copy")
    store.start()
    insert(store, 31, 35)
    # While somebody writes.
    ended = threading.Event()
    writer = threading.Thread(
        target=lambda: [insert(store, n, n) for n in range(36, 3000) if not ended.is_set()]
    )
    writer.start()
    found.fulls.append(backups.run("full")["name"])
    ended.set()
    writer.join()
    store.execute("INSERT INTO mlflow.other VALUES (1, 'x')")
    remember("before the drop")
    store.execute("DROP TABLE mlflow.other")
    store.execute("FLUSH BINARY LOGS")
    store.execute("CREATE USER canary@localhost IDENTIFIED BY 'Canary-of-61c0-x'")
    insert(store, 5000, 5001)
    found.gtids = backups.run("copy")["gtid_set"]
    found.rows = content(store.execute)
    return found


@pytest.fixture
def untouched(backups: Backups, history: History) -> Iterator[None]:
    """Afterwards the store is as it was, and nothing was restored."""
    backups.use(history.directory)
    shutil.rmtree(backups.store.restored, ignore_errors=True)
    yield
    assert not backups.store.restored.exists()
    assert left(backups) == []
    assert content(backups.store.execute) == history.rows


# What is restored


def test_everything(backups: Backups, history: History) -> None:
    backups.use(history.directory)
    result = backups.restore()
    assert result["backup"] == history.fulls[1]
    assert len(result["binary_log"]) == 2
    assert result["gtid_set"] == history.gtids
    assert result["tables"] == {"mlflow": {"t": len(history.rows)}}
    # Nothing tells which server's it was.
    files = set(os.listdir(backups.store.restored))
    assert "mysql.ibd" in files and not {"auto.cnf", "ib_buffer_pool"} & files
    assert not [name for name in files if "relay" in name or "binlog" in name]
    assert opened(backups, "SELECT * FROM mlflow.t ORDER BY id") == history.rows
    assert left(backups) == []


@pytest.mark.parametrize(
    ("moment", "full", "files", "rows"),
    [("20 rows", 0, 1, 20), ("30 rows", 0, 2, 30), ("before the drop", 1, 1, None)],
)
def test_up_to_a_time(
    backups: Backups, history: History, moment: str, full: int, files: int, rows: int | None
) -> None:
    backups.use(history.directory)
    shutil.rmtree(backups.store.restored, ignore_errors=True)
    planned = backups.run("plan", "--to", history.times[moment])
    assert planned["backup"] == history.fulls[full]
    assert len(planned["binary_log"]) == files
    assert planned["last_transaction"] < history.times[moment]
    if moment == "20 rows":
        return  # the others restore the same way
    result = backups.restore("--to", history.times[moment])
    assert {key: result[key] for key in planned} == planned
    assert result["tables"]["mlflow"] == {
        "t": len(history.rows) - 2 if rows is None else rows,
        "other": 0 if rows else 1,
    }
    assert left(backups) == []


def test_before_a_statement_and_before_a_transaction(backups: Backups, history: History) -> None:
    backups.use(history.directory)
    shutil.rmtree(backups.store.restored, ignore_errors=True)
    result = backups.restore("--before", "drop table mlflow.other")
    found = re.fullmatch(r"([0-9a-f-]{36}):(\d+) at .*: DROP TABLE .*", result["stops_before"])
    assert found is not None
    assert result["gtid_set"] == f"{found[1]}:1-{int(found[2]) - 1}"
    assert result["tables"]["mlflow"] == {"t": len(history.rows) - 2, "other": 1}
    planned = backups.run("plan", "--before", f"{found[1]}:{found[2]}")
    assert {key: result[key] for key in ("backup", "end", "stops_before")} == {
        key: planned[key] for key in ("backup", "end", "stops_before")
    }


def test_a_full_backup_alone(backups: Backups, history: History) -> None:
    backups.use(history.directory)
    shutil.rmtree(backups.store.restored, ignore_errors=True)
    for name in history.fulls:
        planned = backups.run("plan", "--backup", name)
        assert (planned["backup"], planned["binary_log"]) == (name, [])
        assert planned["what"] == f"the full backup {name} of {planned['backup_finished']}"
    # As an upgrade that failed puts the store back: what SET PERSIST gave it stays, and it starts without events.
    persisted = Path(backups.store.home, "data", "mysqld-auto.cnf")
    persisted.write_text(json.dumps({"Version": 2, "mysql_dynamic_variables": {"x": {"Value": "1"}}}))
    result = backups.restore("--backup", history.fulls[0], "--events-off")
    persisted.unlink()
    kept = json.loads(Path(backups.store.restored, "mysqld-auto.cnf").read_text())["mysql_dynamic_variables"]
    assert (kept["x"]["Value"], kept["event_scheduler"]["Value"]) == ("1", "OFF")
    assert result["tables"] == {"mlflow": {"t": 10, "other": 0}}


def test_what_there_is(backups: Backups, history: History) -> None:
    backups.use(history.directory)
    result = backups.run("list")
    assert [manifest["name"] for manifest in result["full"]] == history.fulls
    (log,) = result["binary_log"]
    assert (log["gaps"], log["damaged"], log["gtid_set"]) == ([], [], history.gtids)
    said = subprocess.run([backups.store.program, "list"], capture_output=True, text=True, check=True).stdout
    assert all(name in said for name in history.fulls)
    assert "GAP" not in said and "DAMAGED" not in said


def test_statements_that_hold_a_secret_are_said_without_it(backups: Backups, history: History) -> None:
    backups.use(history.directory)
    result = backups.run("plan", "--before", "create user 'canary'")
    assert result["stops_before"].endswith("CREATE USER 'canary'@'localhost' IDENTIFIED ...")


def test_before_a_statement_that_the_server_compressed(
    backups: Backups, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real server's own compression. Where it cannot be undone no older statement is offered."""
    store = backups.store
    directory = store.home / "compressed"
    shutil.copytree(history.directory, directory)
    backups.use(directory)
    store.execute("SET GLOBAL binlog_transaction_compression = ON")
    try:
        store.execute("CREATE TABLE mlflow.packed (id INT PRIMARY KEY, v LONGTEXT)")
        store.execute("INSERT INTO mlflow.packed VALUES (1, REPEAT('x', 30000000)), (2, 'y')")
        connection = store.root()
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("INSERT INTO mlflow.packed VALUES (3, 'z')")
            cursor.execute("DELETE FROM mlflow.packed WHERE id < 3")
            cursor.execute("COMMIT")
        connection.close()
        last = backups.run("copy")
    finally:
        store.execute("SET GLOBAL binlog_transaction_compression = OFF")
    gtid = last["gtid_set"].rpartition("-")[2]
    planned = backups.run("plan", "--before", "DELETE FROM mlflow.packed")
    assert planned["stops_before"].partition(" ")[0].endswith(f":{gtid}")
    assert planned["stops_before"].endswith(": DELETE FROM mlflow.packed")
    shutil.rmtree(store.restored, ignore_errors=True)
    result = backups.restore("--before", "DELETE FROM mlflow.packed")
    assert result["tables"]["mlflow"]["packed"] == 2
    # Without what unpacks it. The plan itself needs it for the parts of the copy.
    settings = load_settings(str(store.home / "backup.json"))
    files = backup_restore.copied_files(binlog_copy.timelines(archive.Archive(str(directory)))[-1])
    monkeypatch.setattr(binlog_reader.shutil, "which", lambda name: None)
    monkeypatch.setattr(archive, "program", lambda name: f"/usr/bin/{name}")
    for text in ("DELETE FROM mlflow.packed", "DROP TABLE mlflow.other"):
        with pytest.raises(archive.BackupProblem, match=r"transactions do cannot be read.*package zstd"):
            backup_restore.find_statement(files, text, settings)
    stop, _notes = backup_restore.find_statement(files, planned["stops_before"].partition(" ")[0], settings)
    assert stop.before is not None and "cannot be read" in stop.before
    store.execute("DROP TABLE mlflow.packed")
    shutil.rmtree(directory)


# What is refused


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ("--before", "INSERT INTO mlflow.t"),
            r"\d+ transactions hold 'INSERT INTO mlflow.t': say before which one",
        ),
        (("--before", "DROP DATABASE"), "no transaction in the copied binary log holds"),
        (("--to", "2001-01-01T00:00:00Z"), "no full backup is old enough for this restore"),
        (("--backup", "000099-x"), "there is no full backup 000099-x"),
    ],
)
def test_what_is_not_there(backups: Backups, arguments: tuple[str, ...], problem: str) -> None:
    assert re.match(problem, backups.problem("restore", "--into", str(backups.store.restored), *arguments))


def edit(path: Path, **values: Any) -> None:
    document = json.loads(path.read_text())
    write_document(str(path), {**document, **values})


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (
            "a newer MySQL",
            "is from MySQL 99.0.0, and the image .* cannot read it: set mysql_base_image_version",
        ),
        (
            "a flipped byte",
            "data.tar.zst is damaged: its checksum is wrong.*restore another one, by its name",
        ),
        ("a flipped byte in the log", "zst is damaged: its checksum is wrong.*Restore what was before it"),
        ("a part is missing", "zst cannot be read: No such file or directory.*Restore what was before it"),
        ("a file is missing", r"the binary log file binlog\.\d+ is missing in the copy"),
        ("a gap", r"the end of the binary log file binlog\.\d+ is missing in the copy"),
        ("other rows", r"has other rows than its manifest: .*mlflow.t \d+, not 7"),
    ],
)
def test_damaged_backups(backups: Backups, history: History, damage: str, problem: str) -> None:
    directory = backups.store.home / "damaged"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(history.directory, directory)
    full = directory / "full" / history.fulls[1]
    (timeline,) = (directory / "binlog").iterdir()
    last, before = sorted(timeline.glob("binlog.*.json"), reverse=True)[:2]
    if damage == "a newer MySQL":
        edit(full / "manifest.json", mysql_version="99.0.0")
    elif damage == "a flipped byte":
        data = bytearray((full / "data.tar.zst").read_bytes())
        data[len(data) // 2] ^= 1
        (full / "data.tar.zst").write_bytes(bytes(data))
    elif damage == "a flipped byte in the log":
        part = timeline / json.loads(before.read_text())["parts"][0]["file"]
        *others, last_byte = part.read_bytes()
        part.write_bytes(bytes([*others, last_byte ^ 1]))
    elif damage == "a part is missing":
        (timeline / json.loads(before.read_text())["parts"][0]["file"]).unlink()
    elif damage == "a file is missing":
        before.unlink()
        if len(json.loads((full / "manifest.json").read_text())["gtid_set"]):
            shutil.rmtree(full)  # so that the missing one is between two others
    elif damage == "a gap":
        edit(last, gap_before=True)
    else:
        edit(full / "manifest.json", tables={"mlflow": {"t": 7}})
    arguments = ("--directory", str(directory), "restore", "--into", str(backups.store.restored))
    assert re.search(problem, backups.problem(*arguments))


@pytest.mark.usefixtures("untouched")
def test_directories_that_are_no_restored_data(backups: Backups) -> None:
    data = backups.store.home / "data"
    assert "no restore made it" in backups.problem("restore", "--into", str(data))
    assert (data / "auto.cnf").exists()
    backups.store.restored.mkdir()
    assert backups.problem("swap", "in") == f"a server runs on {data}: stop it first. Nothing was changed"
    backups.store.restored.rmdir()


def test_tables_that_a_copy_leaves_empty(backups: Backups) -> None:
    """The account of the backups does not see the second one."""
    backups.use()
    backups.store.execute("CREATE DATABASE hidden")
    for table in ("`mlflow`.`m-1`", "`hidden`.`m-2`"):
        backups.store.execute(f"CREATE TABLE {table} (id INT) ENGINE=MyISAM")
        assert backups.problem("full").endswith(
            f"would be empty in the backup: {table}. Run ALTER TABLE {table} ENGINE=InnoDB"
        )
        backups.store.execute(f"DROP TABLE {table}")
    backups.store.execute("DROP DATABASE hidden")
    assert (backups.names(), left(backups)) == ([], [])


def test_a_store_that_is_down_or_has_another_password(backups: Backups) -> None:
    backups.use()
    secret = backups.store.home / "secrets/backup_password"
    secret.write_text("wrong")
    assert re.search("mlflow_backup.*Run the playbook deploy again", backups.problem("full"))
    secret.write_text(backups.store.password)
    backups.store.stop()
    assert backups.problem("full").endswith("Start the store")
    assert backups.run("copy")["position"] > 0
    backups.use(backups.directory, image="mysql:no-such-image")
    backups.store.start()
    assert re.search("No such image.*Run the playbook deploy", backups.problem("full"))
    backups.use(backups.directory, docker_host="unix:///nowhere/docker.sock")
    assert backups.problem("full").endswith("Start Docker, and run this as root")
    assert (backups.names(), left(backups)) == ([], [])


# Encryption


def key(path: Path) -> str:
    subprocess.run(["age-keygen", "-o", path], check=True, capture_output=True)
    return subprocess.run(
        ["age-keygen", "-y", path], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_encrypted_backups(backups: Backups) -> None:
    store = backups.store
    identity, other = store.home / "secrets/identity", store.home / "secrets/other"
    settings = {"recipients": [key(identity)], "identity_file": str(identity)}
    directory = backups.use(**settings)
    backups.run("full")
    store.execute("INSERT INTO mlflow.t VALUES (9000, 'needle-7f')")
    backups.run("copy")
    files = list(directory.rglob("*.zst*"))
    assert all(path.name.endswith(".age") for path in files) and len(files) > 1
    shutil.rmtree(store.restored, ignore_errors=True)
    for lost, problem in (
        ({"identity_file": str(other)}, "other is not there: put it back"),
        ({"identity_file": None}, "there is no age identity on this host"),
    ):
        backups.use(directory, **{**settings, **lost})
        assert problem in backups.problem("restore", "--into", str(store.restored))
    key(other)
    backups.use(directory, **{**settings, "identity_file": str(other)})
    assert "Give the identity of one of the recipients" in backups.problem(
        "restore", "--into", str(store.restored)
    )
    assert not store.restored.exists()
    backups.use(directory, **settings)
    result = backups.restore()
    assert result["tables"]["mlflow"]["t"] == store.execute("SELECT COUNT(*) FROM mlflow.t")[0][0]
    assert identity.read_text().splitlines()[-1] not in json.dumps(result)
    store.execute("DELETE FROM mlflow.t WHERE id = 9000")


# A full disk


@pytest.fixture
def small(backups: Backups) -> Iterator[Path]:
    """A directory of backups on a disk of its own."""
    path = backups.use()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def fill(directory: Path) -> Path:
    path = directory / "filler"
    with path.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(1 << 16))
        except OSError:
            return path


def test_a_full_disk(backups: Backups, small: Path) -> None:
    store = backups.store
    first = backups.run("full")["name"]
    insert(store, 6000, 6001)
    backups.run("copy")
    whole = {
        path: path.read_bytes()
        for path in small.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    # In the middle of a full backup.
    process = backups.begin("full", until="The copy is packed")
    filler = fill(small)
    said, errors = process.communicate()
    assert process.returncode == 1
    assert re.search("the disk of .* is full: make room", json.loads(said)["problem"]), said + errors
    # While the log is copied.
    insert(store, 6002, 6003)
    filler = fill(small)
    assert re.search("the disk of .* is full: make room", backups.problem("copy"))
    # Before it begins.
    assert re.search(
        r"a full backup takes \d+ MiB, and .* has 0 MiB free: make room", backups.problem("full")
    )
    assert all(path.read_bytes() == content for path, content in whole.items() if path.name != "clock.json")
    assert (backups.names(), left(backups)) == ([first], [])
    assert backups.run("plan")["backup"] == first
    filler.unlink()
    backups.run("copy")
    backups.run("full")
    assert len(backups.names()) == 2
    shutil.rmtree(store.restored, ignore_errors=True)
    assert backups.restore()["tables"]["mlflow"]["t"] == store.execute("SELECT COUNT(*) FROM mlflow.t")[0][0]
    for number in range(6000, 6004):
        store.execute("DELETE FROM mlflow.t WHERE id = %s", number)


# Interruptions


def test_one_at_a_time_and_ends_at_any_moment(backups: Backups) -> None:
    """After a kill the next one removes what is left; a request to end is followed at once."""
    backups.use()
    moments = ("The server copies", "Another server opens", "The copy is packed")
    for moment in moments:
        process = backups.begin("full", until=moment)
        if moment == moments[1]:
            assert (
                backups.problem("full")
                == "another process is making a full backup already: wait for it to end"
            )
            time.sleep(0.5)  # its server is starting
        process.kill()
        process.communicate()
    assert backups.names() in ([], [name for name in backups.names() if name.startswith(".partial")])
    process = backups.begin("full", until=moments[1])
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _said, errors = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert "interrupted by SIGTERM" in errors and "Traceback" not in errors
    assert (backups.names(), left(backups)) == ([], [])
    backups.run("full")
    assert (len(backups.names()), left(backups)) == (1, [])


def test_a_transaction_that_takes_long_is_waited_for(backups: Backups) -> None:
    """What reads the log has read all of it long before."""
    store = backups.store
    backups.use()
    store.execute(
        "CREATE TABLE mlflow.large (id INT PRIMARY KEY, k VARCHAR(250), v DOUBLE, KEY (k), KEY (v))"
    )
    try:
        backups.run("full")
        connection = store.root()
        with connection.cursor() as cursor:
            cursor.execute("USE mlflow")
            cursor.execute("SET SESSION cte_max_recursion_depth = 400000")
            cursor.execute(
                "INSERT INTO mlflow.large WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                "WHERE i < 400000) SELECT i, SHA2(i, 256), RAND() FROM n"
            )
        connection.close()
        backups.run("copy")
        assert backups.restore("--wait")["tables"]["mlflow"]["large"] == 400000
    finally:
        store.execute("DROP TABLE mlflow.large")
        shutil.rmtree(store.restored, ignore_errors=True)


def test_a_backup_of_its_own_beside_a_scheduled_one(backups: Backups, tmp_path: Path) -> None:
    """As before a change of the schema: not encrypted, whatever the store's own are, and nobody is told of it."""
    textfiles = backups.store.home / "told"
    key_file = tmp_path / "key"
    own = backups.use(recipients=[key(key_file)], textfile_directory=str(textfiles))
    apart = backups.store.home / "apart"
    process = backups.begin("full", until="Another server opens")
    made = backups.run("--directory", str(apart), "full", "--plain", "--wait")
    assert process.wait(300) == 0  # the other one was not disturbed
    process.communicate()
    assert made["archive"]["file"] == "data.tar.zst"
    assert samples(textfiles)["mlflow_mysql_backup_full_count"] == 1
    assert len(os.listdir(own / "full")) == len(os.listdir(apart / "full")) == 1
    before = samples(textfiles)
    target = backups.store.restored
    shutil.rmtree(target, ignore_errors=True)
    restored = backups.run("--directory", str(apart), "restore", "--into", str(target), "--wait")
    assert restored["tables"] == made["tables"] and restored["binary_log"] == []
    shutil.rmtree(target)
    assert samples(textfiles) == before
    assert "there is no age identity" in backups.problem("restore", "--into", str(target))


def point(backups: Backups, apart: Path, problem: bool = False, more: int = 0) -> Any:
    """As under the write lock of an upgrade, with `more` rows than there are."""
    store = backups.store
    names = [name for (name,) in store.execute("SHOW TABLES FROM mlflow")]
    counted = {name: store.execute(f"SELECT COUNT(*) FROM mlflow.{name}")[0][0] for name in names}
    counted["upgraded"] += more
    about = {"revision": None, "locked": ["team@%"], "tables": {"mlflow": counted}}
    arguments = ("--directory", str(apart), "point", "--plain")
    return (backups.problem if problem else backups.run)(*arguments, stdin=json.dumps(about))


@pytest.fixture
def apart(backups: Backups, tmp_path: Path) -> Iterator[Path]:
    """A backup for an upgrade, made while somebody writes, with older files of the log that it does not need."""
    backups.use(recipients=[key(tmp_path / "key")])
    store = backups.store
    store.execute("CREATE TABLE mlflow.upgraded (id INT PRIMARY KEY, v VARCHAR(100))")
    insert(store, 1, 10, "upgraded")
    store.execute("FLUSH BINARY LOGS")
    insert(store, 11, 20, "upgraded")
    directory = store.home / "apart-for-upgrade"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.rmtree(store.restored, ignore_errors=True)
    ended = threading.Event()
    writer = threading.Thread(
        target=lambda: [insert(store, n, n, "upgraded") for n in range(21, 3000) if not ended.is_set()]
    )
    writer.start()
    backups.run("--directory", str(directory), "full", "--only", "--plain", "--wait")
    ended.set()
    writer.join()
    yield directory
    store.execute("DROP TABLE mlflow.upgraded")
    shutil.rmtree(directory)
    shutil.rmtree(store.restored, ignore_errors=True)


def test_a_backup_is_for_the_point_at_which_writers_were_locked_out(backups: Backups, apart: Path) -> None:
    """What was written while it was made is there, and what came after the point is not."""
    store = backups.store
    store.execute("FLUSH BINARY LOGS")
    insert(store, 4000, 4009, "upgraded")
    wanted = store.execute("SELECT * FROM mlflow.upgraded ORDER BY id")
    store.execute("CREATE USER team IDENTIFIED BY 'Canary-of-61c0-x' ACCOUNT LOCK")
    said = point(backups, apart)
    store.execute("DROP USER team")
    assert backups.run("--directory", str(apart), "list")["point"] == said | {"checksum": ANY}
    store.execute("ALTER TABLE mlflow.upgraded ADD COLUMN migrated INT")
    store.execute("DELETE FROM mlflow.upgraded WHERE id < 4005")
    locked = "SELECT account_locked FROM mysql.user WHERE user = 'team'"
    restored = backups.run("--directory", str(apart), "restore", "--into", str(store.restored), "--wait")
    assert restored["tables"]["mlflow"]["upgraded"] == len(wanted)
    assert restored["gtid_set"] == said["gtid_set"]
    assert opened(backups, "SELECT * FROM mlflow.upgraded ORDER BY id") == list(wanted)
    assert opened(backups, locked) == [("N",)]
    # While the upgrade is going on nobody gets in.
    shutil.rmtree(store.restored)
    backups.run(
        *("--directory", str(apart), "restore", "--into", str(store.restored), "--events-off", "--wait")
    )
    assert opened(backups, locked) == [("Y",)]
    # Only what the backup needs was copied.
    first = store.execute("SHOW BINARY LOGS")[0][0]
    assert first not in {path.name.partition(".json")[0] for path in apart.glob("binlog/*/*.json")}


def test_a_point_that_cannot_be_gone_back_to_is_none(backups: Backups, apart: Path) -> None:
    """And a restore that would miss rows of its point fails."""
    store = backups.store
    arguments = ("--directory", str(apart), "restore", "--into", str(store.restored))
    point(backups, apart, more=1)
    (rows,) = store.execute("SELECT COUNT(*) FROM mlflow.upgraded")[0]
    assert f"mlflow.upgraded {rows}, not {rows + 1}" in backups.problem(*arguments)
    assert not store.restored.exists()
    insert(store, 9001, 9001, "upgraded")
    point(backups, apart)
    shutil.move(apart / "binlog", apart / "elsewhere")
    assert "ends before the point" in backups.problem(*arguments)
    shutil.move(apart / "elsewhere", apart / "binlog")
    (apart / "point.json").unlink()
    again = store.root()
    with again.cursor() as cursor:
        cursor.execute("SET sql_log_bin = 0")
        cursor.execute("INSERT INTO mlflow.upgraded VALUES (9000, 'past the log')")
    again.close()
    assert "sql_log_bin" in point(backups, apart, problem=True)
    assert not (apart / "point.json").exists()
    assert "reads JSON" in backups.problem("--directory", str(apart), "point", stdin="{}")
    assert "--directory" in backups.problem("point", stdin="{}")
    assert "needs a --directory" in backups.problem("full", "--only")
    # The next backup replaces what is there, and begins with a whole log.
    before = os.listdir(apart / "full")
    made = backups.run("--directory", str(apart), "full", "--only", "--plain", "--wait")
    assert os.listdir(apart / "full") == [made["name"]] != before
    point(backups, apart)
    shutil.rmtree(apart / "full")
    assert "no good full backup" in point(backups, apart, problem=True)


# Following


def samples(directory: Path) -> dict[str, float]:
    """What node_exporter's textfile collector reads. It refuses a file that is not well formed."""
    found: dict[str, float] = {}
    for path in directory.iterdir():
        assert path.suffix == ".prom"
        assert path.stat().st_mode & 0o777 == 0o644
        assert path.read_text().endswith("\n")
        described: dict[str, set[str]] = {}
        for line in path.read_text().splitlines():
            kind = re.fullmatch(r"# (HELP|TYPE) ([a-z_]+) (gauge|[A-Z].+)", line)
            if kind is not None:
                assert kind[1] not in described.setdefault(kind[2], set())
                assert kind[1] == "HELP" or kind[3] == "gauge"
                described[kind[2]].add(kind[1])
                continue
            value = re.fullmatch(r'([a-z_]+)\{store="([a-zA-Z0-9_.-]+)"\} (\S+)', line)
            assert value is not None, line
            assert described[value[1]] == {"HELP", "TYPE"}
            assert value[1] not in found, "in two files"
            found[value[1]] = float(value[3])
    assert directory.stat().st_mode & 0o755 == 0o755
    return found


def test_following(backups: Backups) -> None:
    textfiles = backups.store.home / "textfiles"
    directory = backups.use(interval=0.1, textfile_directory=str(textfiles))
    process = backups.store.follow()
    try:
        backups.store.execute("INSERT INTO mlflow.t VALUES (7000, 'x')")
        deadline = time.monotonic() + 20
        wanted = backups.store.execute("SELECT @@gtid_executed")[0][0]
        while (
            not (directory / "binlog").exists() or backups.run("list")["binary_log"][0]["gtid_set"] != wanted
        ):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        # A second one leaves it to the first.
        assert subprocess.run([backups.store.program, "follow"], check=False).returncode == 0
        time.sleep(0.3)
        assert samples(textfiles)["mlflow_mysql_backup_binlog_success"] == 1
        # It ends by itself when its settings change.
        backups.use(directory, interval=0.2, textfile_directory=str(textfiles))
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
    shutil.rmtree(textfiles)
    process = backups.store.follow()
    wait_for(textfiles.exists)  # it has begun
    process.terminate()
    assert process.wait(20) == 0
    backups.store.execute("DELETE FROM mlflow.t WHERE id = 7000")


# A drill


def test_a_drill_with_the_real_mlflow(backups: Backups) -> None:
    import mlflow
    from mlflow import MlflowClient

    store = backups.store
    textfiles = store.home / "drilled"
    settings = {
        "database": "tracking",
        "mlflow": sys.prefix,
        "mlflow_version": mlflow.__version__,
        "textfile_directory": str(textfiles),
        "upgrade_version": mlflow.__version__,
        "upgrade_mlflow": sys.prefix,
    }
    store.execute("CREATE DATABASE tracking")
    client = MlflowClient(tracking_uri=store.uri.replace("/mlflow?", "/tracking?"))
    run = client.create_run(client.create_experiment("drilled")).info.run_id
    for step in range(5):
        client.log_metric(run, "loss", 1 / (step + 1), step=step)
    directory = backups.use(**settings)
    assert "there is no good full backup" in backups.problem("drill")
    assert samples(textfiles)["mlflow_mysql_backup_drill_success"] == 0
    full = backups.run("full")
    client.log_metric(run, "loss", 0.0, step=5)
    backups.run("copy")
    result = backups.run("drill")
    assert result["schema"] == "current"
    assert result["mlflow"] == {"experiments": 2, "run": run, "metrics": 6}
    assert (
        result["revision"]
        == full["revision"]
        == store.execute("SELECT version_num FROM tracking.alembic_version")[0][0]
    )
    assert result["tables"]["tracking"]["metrics"] == 6
    assert 0 <= result["recovery_point_age"] < 60
    assert left(backups) == []
    found = samples(textfiles)
    assert found["mlflow_mysql_backup_drill_success"] == found["mlflow_mysql_backup_full_success"] == 1
    assert found["mlflow_mysql_backup_full_count"] == 1
    assert found["mlflow_mysql_backup_full_size_bytes"] == full["archive"]["size"]
    assert (result["upgrade"]["works"], result["upgrade"]["applied"]) == (True, [])
    assert found["mlflow_mysql_backup_upgrade_success"] == 1
    # An upgrade that would not work says nothing against the backup.
    backups.use(directory, **{**settings, "upgrade_version": "99.0.0"})
    result = backups.run("drill")
    assert not result["upgrade"]["works"] and "is not in the catalogue" in result["upgrade"]["problem"]
    found = samples(textfiles)
    assert (
        found["mlflow_mysql_backup_upgrade_success"] == 0 and found["mlflow_mysql_backup_drill_success"] == 1
    )
    backups.use(directory, **settings)
    # A store whose schema is not whole is no good backup.
    store.execute("ALTER TABLE tracking.runs DROP COLUMN name")
    backups.run("copy")
    assert "the restored schema is" in backups.problem("drill")
    assert samples(textfiles)["mlflow_mysql_backup_drill_success"] == 0
    assert left(backups) == []
    # An MLflow that is not there.
    store.execute("DROP DATABASE tracking")
    backups.use(directory, **{**settings, "mlflow": "/nowhere", "database": "none"})
    assert "cannot be inspected" in backups.problem("drill")


# A store that was restored. The last test: the store is another one afterwards.


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("tool", ["rclone", "restic"])
def test_off_the_host(backups: Backups, history: History, tmp_path: Path, tool: str) -> None:
    directory, place, fetched = tmp_path / "backups", tmp_path / "place", tmp_path / "fetched"
    shutil.copytree(history.directory, directory)
    (backups.store.home / "secrets/backup_restic_password").write_text("of the repository")
    backups.use(directory, offsite={"tool": tool, "target": str(place), "interval": 1})
    backups.run("offsite")
    if tool == "rclone":
        assert sorted(path.name for path in (place / "full").iterdir()) == history.fulls
    # What is lost here is not lost there.
    shutil.rmtree(directory)
    directory.mkdir()
    backups.run("offsite")
    backups.run("fetch", "--into", str(fetched))
    assert backups.run("--directory", str(fetched), "plan")["backup"] == history.fulls[-1]
    assert backups.run("--directory", str(fetched), "list")["damaged"] == {}
    assert "is there already" in backups.problem("fetch", "--into", str(fetched))
    (tmp_path / "file").write_text("")
    backups.use(history.directory, offsite={"tool": tool, "target": str(tmp_path / "file"), "interval": 1})
    assert str(tmp_path / "file") in backups.problem("offsite")
    assert not (history.directory / ".offsite-copied").exists()


def wait_for_port(port: int) -> None:
    """Return once something listens there; raise the refusal when nothing does within 30 seconds."""
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def test_off_the_host_over_sftp(backups: Backups, history: History, tmp_path: Path) -> None:
    """With rclone's configuration, which holds a password, as the role puts it on the host."""
    place, fetched = tmp_path / "place", tmp_path / "fetched"
    place.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    password = "of the sftp server"
    obscured = subprocess.run(
        ["rclone", "obscure", password], check=True, capture_output=True, text=True
    ).stdout.strip()
    configuration = backups.store.home / "secrets/backup_rclone.conf"
    configuration.write_text(
        f"[elsewhere]\ntype = sftp\nhost = 127.0.0.1\nport = {port}\nuser = store\npass = {obscured}\n"
    )
    environment = backups.store.home / "secrets/backup_environment"
    environment.write_text(json.dumps({"RCLONE_RETRIES": "1", "RCLONE_LOW_LEVEL_RETRIES": "1"}))
    serve = ("rclone", "serve", "sftp", "--addr", f"127.0.0.1:{port}", "--user", "store", "--pass", password)
    server = subprocess.Popen([*serve, str(place)], stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        backups.use(history.directory, offsite={"tool": "rclone", "target": "elsewhere:store", "interval": 1})
        backups.run("offsite")
        assert sorted(path.name for path in (place / "store/full").iterdir()) == history.fulls
        backups.run("fetch", "--into", str(fetched))
        assert backups.run("--directory", str(fetched), "plan")["backup"] == history.fulls[-1]
        server.kill()
        server.wait()
        problem = backups.problem("offsite")
        assert "elsewhere:store: rclone copy failed" in problem and password not in problem
    finally:
        server.kill()
        server.wait()
        configuration.unlink()
        environment.unlink()


def test_a_restored_store_is_backed_up_and_restored(backups: Backups, history: History) -> None:
    store = backups.store
    backups.use(history.directory)
    shutil.rmtree(store.restored, ignore_errors=True)
    before = store.execute("SELECT @@server_uuid")[0][0]
    store.stop()
    backups.run("copy")
    restored = backups.restore("--to", history.times["30 rows"])
    assert restored["tables"]["mlflow"]["t"] == 30
    store.exchange()
    store.forget()
    store.start()
    after = store.execute("SELECT @@server_uuid")[0][0]
    assert after != before
    assert content(store.execute) == history.rows[:30]
    switched = stamp(time.time())
    insert(store, 101, 105)
    full = backups.run("full")
    assert full["server_uuid"] == after
    insert(store, 106, 110)
    backups.run("copy")
    time.sleep(0.01)
    moment = stamp(time.time())
    store.execute("FLUSH BINARY LOGS")
    insert(store, 111, 115)
    backups.run("copy")
    listed = backups.run("list")["binary_log"]
    assert [log["server_uuid"] for log in listed] == [before, after]

    # After the switch, up to a time in the new life and in the old one, and before a statement in the old one.
    for arguments, rows, name in (
        ((), None, full["name"]),
        (("--to", moment), 40, full["name"]),
        (("--to", history.times["20 rows"]), 20, history.fulls[0]),
        (("--before", "DROP TABLE mlflow.other"), None, history.fulls[1]),
    ):
        planned = backups.run("plan", *arguments)
        assert planned["backup"] == name
        if rows is not None:
            shutil.rmtree(store.restored, ignore_errors=True)
            result = backups.restore(*arguments)
            assert {key: result[key] for key in planned} == planned
            assert result["tables"]["mlflow"]["t"] == rows
    assert "no full backup is old enough for this restore" in backups.problem("plan", "--to", switched)


# What passes the binary log by


def follower(backups: Backups) -> subprocess.Popen[bytes]:
    process = backups.store.follow()
    assert process.poll() is None
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(20)


def wait_for(what: Any, seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.2)


def said(backups: Backups) -> str:
    """What `list` prints."""
    return subprocess.run([backups.store.program, "list"], capture_output=True, text=True, check=True).stdout


FOREIGN = "11111111-1111-1111-1111-111111111111"


def import_is_seen(backups: Backups, moment: str) -> None:
    """Where nobody copies, what looks says what it cannot bring back. `moment` is from before."""
    assert f"{FOREIGN}:1-4737" in backups.problem("copy")
    listed = backups.run("list")["restorable"]
    assert (listed["complete"], listed["needs"]) == (False, "hole")
    assert "NOT all that the store holds since " in said(backups)
    assert "what would be restored is not whole" in backups.problem("plan")
    assert "holds what no backup does" in backups.problem("plan", "--to", moment, "--replacing")
    assert backups.run("plan", "--to", moment)["last_transaction"] < moment


def test_an_import_that_the_binary_log_does_not_hold(backups: Backups) -> None:
    """What `mysqldump` of any server with GTIDs writes, loaded while the log is copied, and then used by others."""
    store = backups.store
    textfiles = store.home / "imported"
    directory = backups.use(interval=0.1, textfile_directory=str(textfiles))
    backups.run("full")
    store.execute(
        "CREATE TABLE mlflow.child (id INT PRIMARY KEY, t INT, FOREIGN KEY (t) REFERENCES mlflow.t (id))"
    )
    moment = stamp(time.time())
    backups.run("copy")
    loading = store.root()
    try:
        with loading.cursor() as cursor:
            cursor.execute("SET @@SESSION.SQL_LOG_BIN= 0")
            cursor.execute(f"SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ '{FOREIGN}:1-4737'")
            cursor.execute("INSERT INTO mlflow.t VALUES (20000, 'imported')")
            import_is_seen(backups, moment)
            process = follower(backups)
            wait_for(lambda: samples(textfiles).get("mlflow_mysql_backup_binlog_success") == 0)
            assert samples(textfiles)["mlflow_mysql_backup_restorable"] == 0
            # It waits for the end of what is being loaded.
            time.sleep(2)
            assert len(backups.names()) == 1
            cursor.execute("INSERT INTO mlflow.t VALUES (20001, 'imported too')")
    finally:
        loading.close()
    try:
        wait_for(lambda: samples(textfiles).get("mlflow_mysql_backup_restorable") == 1)
        assert samples(textfiles)["mlflow_mysql_backup_binlog_success"] == 1
        store.execute("INSERT INTO mlflow.child VALUES (1, 20001)")
        time.sleep(1)
        after = stamp(time.time())
    finally:
        end(process)
    assert len(backups.names()) == 2  # one was enough
    backups.run("copy")
    listed = backups.run("list")["restorable"]
    assert listed["complete"] and len(listed["spans"]) == 2, listed
    assert "All that the store had written by" in said(backups)
    rows = content(store.execute)
    shutil.rmtree(store.restored, ignore_errors=True)
    result = backups.restore()
    assert result["backup"] == backups.names()[1] and FOREIGN in result["gtid_set"]
    assert opened(backups, "SELECT * FROM mlflow.t ORDER BY id") == rows
    assert opened(backups, "SELECT t FROM mlflow.child") == [(20001,)]
    assert backups.run("plan", "--to", after)["backup"] == backups.names()[1]
    # With the full backup that holds it gone.
    shutil.rmtree(directory / "full" / backups.names()[1])
    assert "what would be restored is not whole" in backups.problem("plan")
    assert "INCOMPLETE" in " ".join(backups.run("plan", "--incomplete")["notes"])
    clear(store, "child")
    shutil.rmtree(store.restored)


def clear(store: Store, table: str) -> None:
    store.execute(f"DROP TABLE mlflow.{table}")
    store.execute("DELETE FROM mlflow.t WHERE id >= 20000")


def test_changes_without_a_gtid(backups: Backups) -> None:
    """By sessions that ended between two looks; one that only reads the setting is none."""
    store = backups.store
    directory = backups.use()
    backups.run("full")
    store.execute("SELECT @@SESSION.sql_log_bin")
    backups.run("copy")
    assert backups.run("list")["restorable"]["complete"]
    until = ""
    for statement in (
        "SET sql_log_bin=0",
        "SET SESSION sql_log_bin := OFF",
        "/*!80000 SET autocommit = 1, @@sql_log_bin = 0*/",
    ):
        connection = store.root()
        with connection.cursor() as cursor:
            cursor.execute(statement)
            cursor.execute("REPLACE INTO mlflow.t VALUES (21000, 'unseen')")
        connection.close()
        assert "a session had sql_log_bin set" in backups.problem("copy")
        (holes,) = directory.glob("binlog/*/holes.json")
        (hole,) = json.loads(holes.read_text())["holes"]
        assert hole["until"] > until, statement
        until = hole["until"]
    assert "what would be restored is not whole" in backups.problem("plan")
    assert backups.run("full", "--if-needed")["made"]
    assert not backups.run("full", "--if-needed")["made"]
    backups.run("copy")
    assert backups.run("list")["restorable"]["complete"]
    store.execute("DELETE FROM mlflow.t WHERE id = 21000")


def test_a_time_between_a_change_without_a_gtid_and_the_look_that_finds_it(backups: Backups) -> None:
    """Copies go on each second, and what sessions did to their log is asked every ten seconds."""
    store = backups.store
    directory = backups.use(interval=0.1)
    backups.run("full")
    process = follower(backups)
    try:
        insert(store, 21100, 21100)
        before = stamp(time.time())
        insert(store, 21101, 21101)
        first = wait_for(lambda: [one.stat().st_mtime for one in directory.glob(".asked")])
        wait_for(lambda: [one.stat().st_mtime for one in directory.glob(".asked")] != first)
        time.sleep(1)
        connection = store.root()
        with connection.cursor() as cursor:
            cursor.execute("SET sql_log_bin=0")
            cursor.execute("REPLACE INTO mlflow.t VALUES (21000, 'unseen')")
        connection.close()
        time.sleep(1)
        between = stamp(time.time())
        time.sleep(1)
        insert(store, 21102, 21102)
        wait_for(lambda: len(backups.names()) == 2)
    finally:
        end(process)
    assert "what would be restored is not whole" in backups.problem("plan", "--to", between)
    assert "INCOMPLETE: a session had" in " ".join(
        backups.run("plan", "--to", between, "--incomplete")["notes"]
    )
    assert backups.run("plan", "--to", before)["backup"] == backups.names()[0]
    assert backups.run("plan")["backup"] == backups.names()[1]
    store.execute("DELETE FROM mlflow.t WHERE id >= 21000")


def test_files_that_were_removed_before_they_were_copied(backups: Backups) -> None:
    store = backups.store
    backups.use()
    backups.run("full")
    for number, how in enumerate(("purged", "removed"), 1):
        store.execute("FLUSH BINARY LOGS")
        insert(store, 22000, 22001)
        lost = store.execute("SHOW BINARY LOG STATUS")[0][0]
        store.execute("FLUSH BINARY LOGS")
        insert(store, 22002, 22003)
        if how == "purged":
            newest = store.execute("SHOW BINARY LOG STATUS")[0][0]
            store.execute(f"PURGE BINARY LOGS TO '{newest}'")
        else:
            (store.home / "data" / lost).unlink()
        assert "a restore would lose what the store holds" in backups.problem("copy")
        assert said(backups).count("GAP before") == number
        assert backups.problem("plan")
        store.execute("DELETE FROM mlflow.t WHERE id >= 22000")
    assert backups.run("full", "--if-needed")["made"]
    insert(store, 22002, 22003)
    store.execute("DELETE FROM mlflow.t WHERE id >= 22000")
    backups.run("copy")
    assert backups.run("list")["restorable"]["complete"]
    gaps = [line for line in said(backups).splitlines() if line.startswith("GAP")]
    assert len(gaps) == 2 and all(line.endswith("after which a full backup was made") for line in gaps)
    assert backups.run("plan")["backup"] == backups.names()[-1]


def test_a_server_that_writes_no_binary_log_or_no_gtids(backups: Backups) -> None:
    store = backups.store
    textfiles = store.home / "off"
    directory = backups.use(interval=0.1, textfile_directory=str(textfiles))
    backups.run("full")
    backups.run("copy")
    copied = (directory / ".copied").stat().st_mtime_ns
    for mode in ("ON_PERMISSIVE", "OFF_PERMISSIVE"):
        store.execute(f"SET GLOBAL gtid_mode = {mode}")
    insert(store, 23000, 23001)
    assert "the server's gtid_mode is OFF_PERMISSIVE: set it to ON" in backups.problem("copy")
    for mode in ("ON_PERMISSIVE", "ON"):
        store.execute(f"SET GLOBAL gtid_mode = {mode}")
    # What was written is still not restorable.
    assert "without a GTID" in backups.problem("copy")
    options = store.options
    try:
        for option, problem in (
            ("--skip-log-bin", "the server runs without its binary log"),
            ("--binlog-ignore-db=mlflow", r"databases out of its binary log \(binlog_ignore_db=mlflow\)"),
        ):
            store.stop()
            store.options = (*options, option)
            store.start()
            insert(store, 23002, 23003)
            assert re.search(problem, backups.problem("copy"))
            store.execute("DELETE FROM mlflow.t WHERE id >= 23002")
            if option == "--skip-log-bin":
                # Also if nobody is let in, and monitoring hears of it.
                store.execute("ALTER USER mlflow_backup@localhost ACCOUNT LOCK")
                assert re.search(problem, backups.problem("copy"))
                process = follower(backups)
                wait_for(lambda: samples(textfiles).get("mlflow_mysql_backup_binlog_success") == 0)
                process.terminate()
                process.wait(20)
                store.execute("ALTER USER mlflow_backup@localhost ACCOUNT UNLOCK")
            assert backups.run("list")["restorable"]["needs"] == "hole"
    finally:
        store.stop()
        store.options = options
        store.start()
    assert "a restore would lose what the store holds" in backups.problem("copy")
    assert (directory / ".copied").stat().st_mtime_ns == copied
    assert backups.run("full", "--if-needed")["made"]
    backups.run("copy")
    assert backups.run("list")["restorable"]["complete"]
    store.execute("DELETE FROM mlflow.t WHERE id >= 23000")


def test_a_log_that_was_reset(backups: Backups) -> None:
    """The same GTIDs are given again, and an older dump brings those of this very server."""
    store = backups.store
    backups.use()
    insert(store, 30200, 30202)
    first = backups.run("full")
    insert(store, 30203, 30204)
    backups.run("copy")
    time.sleep(0.01)
    moment = stamp(time.time())
    rows = content(store.execute)
    uuid = store.execute("SELECT @@server_uuid")[0][0]
    store.execute("RESET BINARY LOGS AND GTIDS")
    store.execute(f"SET @@GLOBAL.GTID_PURGED='+{uuid}:1-3'")
    insert(store, 30205, 30206)
    assert "the binary log was reset" in backups.problem("copy")
    assert backups.run("list")["restorable"]["needs"] == "reset"
    assert "holds what no backup does" in backups.problem("plan", "--replacing")
    second = backups.run("full", "--if-needed")
    insert(store, 30207, 30208)
    backups.run("copy")
    time.sleep(0.01)
    later = stamp(time.time())
    insert(store, 30209, 30210)
    backups.run("copy")
    assert [log["server_uuid"] for log in backups.run("list")["binary_log"]] == [uuid, uuid]
    for arguments, name, last in (
        ((), second["name"], 30210),
        (("--to", later), second["name"], 30208),
        (("--to", moment), first["name"], None),
    ):
        shutil.rmtree(store.restored, ignore_errors=True)
        assert backups.restore(*arguments)["backup"] == name
        found = opened(backups, "SELECT * FROM mlflow.t ORDER BY id")
        assert found == rows if last is None else found[-1][0] == last
    shutil.rmtree(store.restored)


# Data on a disk of its own


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store import swap
rename, count = os.rename, [0]
def counted(*arguments):
    count[0] += 1
    if count[0] == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    rename(*arguments)
os.rename = counted
swap.bring_in(swap.place_of(sys.argv[2]), "1")
"""


@pytest.fixture
def disk(backups: Backups, tmp_path: Path) -> Iterator[Path]:
    """The store's data on a file system that is mounted on its directory."""
    store, data = backups.store, backups.store.home / "data"
    image = tmp_path / "disk"
    with image.open("wb") as stream:
        stream.truncate(1 << 30)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    store.stop()
    kept = store.home / "data.before"
    data.rename(kept)
    data.mkdir()
    subprocess.run(["mount", "-o", "loop", image, data], check=True)
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", data], check=True)
        store.start()
        yield data
    finally:
        docker("rm", "--force", store.container)
        subprocess.run(["umount", "--lazy", data], check=True)


def kill_the_swap(backups: Backups, disk: Path, number: int) -> None:
    """Before its move of that number. Neither a server nor the copier takes what is there for a store."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(COLLECTIONS), str(disk), str(number)], check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert "there is no store" in backups.problem("copy")
    container = backups.store.container
    docker("start", container)
    assert docker("wait", container) != "0"
    assert "not empty and is not a MySQL data directory" in backups.store.log()
    assert backups.run("swap", "settle") == {"undone": True}


def test_data_on_a_disk_of_its_own(backups: Backups, disk: Path) -> None:
    """No room; restored beside a server that runs; killed half way and undone; done, undone, done and ended."""
    backups.use()
    store = backups.store
    backups.run("full")
    insert(store, 7001, 7010)
    before = content(store.execute)
    moment = stamp(time.time())
    store.execute("DELETE FROM mlflow.t WHERE id > 7000")
    after = content(store.execute)
    backups.run("copy")
    filler = fill(disk)
    problems = [backups.problem(*what, "--to", moment) for what in (("restore",), ("plan", "--swap"))]
    problems.append(backups.problem("room"))
    filler.unlink()
    for problem in problems:
        assert re.search(rf"data.* takes \d+ MiB, and {disk} has 0 MiB free", problem), problem
    assert backups.run("room") == {}
    restored = backups.run("restore", "--to", moment)
    assert restored["into"] == f"{disk}/.data.restored"
    assert restored["tables"]["mlflow"]["t"] == len(before)
    size = backups.run("full")["archive"]["unpacked"]
    assert size < 1.2 * tree_size(str(disk / ".data.restored")), "the copy is in the backup"
    assert backups.problem("swap", "in").startswith("a server runs on")
    store.stop()
    for number in (4, 12, 30):
        kill_the_swap(backups, disk, number)
    assert backups.run("swap", "settle") == {"undone": False}
    # The server does not see the copy when it starts.
    store.start()
    assert content(store.execute) == after
    assert "restored" not in str(store.execute("SHOW DATABASES"))
    store.stop()
    backups.run("swap", "in", "--run", "2")
    store.start()
    assert content(store.execute) == before
    store.stop()
    assert backups.run("swap", "back", "--run", "2") == {"back": True}
    assert backups.run("swap", "back", "--run", "2") == {"back": False}
    backups.run("swap", "in", "--run", "3")
    kept = backups.run("swap", "end", "--run", "3", "--keep")["kept"]
    assert kept == f"{disk}/.data.replaced-3"
    store.start()
    assert content(store.execute) == before
    left_there = [name for name in os.listdir(disk) if name.startswith((".", "mlflow_ops"))]
    assert left_there == [".data.replaced-3"]
    assert (disk / "lost+found").is_dir() and os.path.ismount(disk)
