# SPDX-License-Identifier: GPL-3.0-or-later
"""mlflow_schema_dump against a real server and the programs in its container."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.modules import mlflow_schema_dump as dump_module
from conftest import COLLECTIONS, MySQL, Result, RunModule, docker, unread

MODULE = "mlflow_schema_dump"
DATABASE = "ml_flow`%1'"
CANARY = "canary-93b1"
# What an option file, a shell, SQL or a line could take for something else.
HARD = [
    CANARY + "'\"\\ %s é",
    f'"{CANARY}"',
    f"'{CANARY}",
    f"#{CANARY} # ; !include /etc/passwd",
    f" {CANARY}\t\\n\\s\\\\ $(id) `id` ",
    f"{CANARY}日本語🙂\\",
    f"{CANARY}\nuser=nobody\n[client]\r\b",
]
TAKES = 100  # seconds at most

Dump = Callable[..., Result]


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


def table(name: str) -> str:
    return f"{quoted(DATABASE)}.{quoted(name)}"


def ok(result: Result, changed: bool) -> Result:
    assert not result.failed, result["msg"]
    assert result["changed"] is changed
    return result


def failed(result: Result) -> str:
    assert result.failed, result.output
    return str(result["msg"])


def content(server: MySQL) -> dict[str, Any]:
    """All that there is in the database, read without the module's code; FLOAT values in full."""
    found: dict[str, Any] = {}
    connection = server.root()
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW CREATE DATABASE {quoted(DATABASE)}", ())
        found["database"] = cursor.fetchall()
        cursor.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (DATABASE,)
        )
        for (name,) in sorted(cursor.fetchall()):
            cursor.execute(f"SHOW CREATE TABLE {table(name)}", ())
            # Which of the two is written depends on the statement that made the table.
            definition = cursor.fetchall()[0][1].replace(" CHARACTER SET utf8mb4 COLLATE ", " COLLATE ")
            cursor.execute(
                "SELECT column_name, data_type FROM information_schema.columns"
                " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
                (DATABASE, name),
            )
            columns = ", ".join(
                quoted(column) + (" + 0e0" if kind == "float" else "") for column, kind in cursor.fetchall()
            )
            cursor.execute(f"SELECT {columns} FROM {table(name)}", ())
            found[name] = (definition, sorted(map(repr, cursor.fetchall())))
        for query in (
            "SELECT trigger_name, action_statement, definer FROM information_schema.triggers"
            " WHERE trigger_schema = %s",
            "SELECT routine_name, routine_definition FROM information_schema.routines WHERE routine_schema = %s",
            "SELECT event_name, event_definition FROM information_schema.events WHERE event_schema = %s",
        ):
            cursor.execute(query, (DATABASE,))
            found[query] = sorted(cursor.fetchall())
    connection.close()
    return found


def fill(server: MySQL, rows: int) -> None:
    """Add a table such as MLflow's metrics with many rows."""
    server.execute(
        f"CREATE TABLE {table('metrics')} (`key` VARCHAR(250) NOT NULL, value DOUBLE NOT NULL,"
        " timestamp BIGINT NOT NULL, run_uuid VARCHAR(32) NOT NULL, step BIGINT NOT NULL,"
        " is_nan TINYINT(1) NOT NULL, PRIMARY KEY (`key`, timestamp, step, run_uuid, value, is_nan),"
        " KEY (run_uuid, `key`, step))"
    )
    connection = server.root()
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION cte_max_recursion_depth = 10000000")
        cursor.execute(
            f"INSERT INTO {table('metrics')} WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n"
            " WHERE i < %s - 1) SELECT CONCAT('metric_', MOD(i, 10)), RAND(7), 1700000000000 + i,"
            " LEFT(SHA2(i DIV 1000, 256), 32), i, 0 FROM n",
            (rows,),
        )
    connection.close()


@pytest.fixture
def store(clean: MySQL) -> MySQL:
    """A server with a database that has every kind of object and of value."""
    clean.execute(f"CREATE DATABASE {quoted(DATABASE)} CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin")
    connection = clean.root()
    with connection.cursor() as cursor:
        cursor.execute(f"USE {quoted(DATABASE).replace('%%', '%')}")
        for statement in (
            "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)",
            "INSERT INTO alembic_version VALUES ('bf29a5ff90ea')",
            "CREATE TABLE experiments (id INT PRIMARY KEY AUTO_INCREMENT, `na``me 100%` VARCHAR(90)"
            " COLLATE utf8mb4_bin, other VARCHAR(90) COLLATE utf8mb4_0900_ai_ci, old VARCHAR(9) CHARACTER SET latin1)",
            "CREATE TABLE runs (id VARCHAR(32) PRIMARY KEY, experiment INT, CHECK (id <> 'never'),"
            " FOREIGN KEY (experiment) REFERENCES experiments (id))",
            "INSERT INTO experiments VALUES (1, 'é🙂', 'É', 'é'), (2, '', NULL, ''), (7, NULL, '', NULL)",
            "INSERT INTO runs VALUES ('a', 1), ('b', NULL)",
            "CREATE TABLE doubles (id INT PRIMARY KEY, value DOUBLE)",
            "INSERT INTO doubles VALUES (1, 0.1), (2, 1.2345678901234567e0), (3, 1.7976931348623157e308),"
            " (4, 5e-324), (5, NULL), (6, 1e22), (7, -2.2250738585072014e-308)",
            "CREATE TABLE documents (id INT PRIMARY KEY, value JSON)",
            """INSERT INTO documents VALUES (1, '{"b": [1, 2.50, 1e100, -0.0], "a": "é\\\\n"}')""",
            """INSERT INTO documents VALUES (2, NULL), (3, '"x"')""",
            "INSERT INTO documents VALUES (4, JSON_OBJECT('u', 18446744073709551615))",
            "CREATE TABLE many (id INT PRIMARY KEY, a INT, b INT AS (a + 1) STORED, c TEXT AS (CONCAT('x', a)),"
            " d LONGBLOB, e MEDIUMTEXT, f ENUM('x', 'y'), g DATETIME(6), h TIMESTAMP(3) NULL, i BIT(7),"
            " j DECIMAL(20, 5), k TINYINT(1), l BINARY(4), m VARBINARY(9), n SET('p', 'q'), o YEAR, p TIME(2))",
            "INSERT INTO many (id, a, d, e, f, g, h, i, j, k, l, m, n, o, p) VALUES (1, 2, x'00010AFF5C27', REPEAT("
            "'é', 70000), 'y', '2020-01-01 01:02:03.123456', '2020-01-01 01:02:03.123', b'101', 123.45678, 1, x'00',"
            " '\\0\\n\\r', 'p,q', 2026, '-11:22:33.44')",
            "INSERT INTO many (id, e) VALUES (2, 'a\\r\\nDELIMITER ;;\\n\\\\! id\\nUSE mysql\\n-- Dump completed')",
            "CREATE TABLE `no key` (a INT, b VARCHAR(9))",
            "INSERT INTO `no key` VALUES (1, 'a'), (1, 'a'), (2, NULL)",
            "CREATE TABLE hollow (a INT)",
            "CREATE VIEW names AS SELECT id FROM runs",
            "CREATE TRIGGER no_change BEFORE UPDATE ON runs FOR EACH ROW BEGIN IF NEW.id <> OLD.id THEN"
            " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not; this'; END IF; END",
            "CREATE PROCEDURE count_them() SELECT COUNT(*) FROM runs",
            "CREATE FUNCTION one() RETURNS INT DETERMINISTIC RETURN 1",
            "CREATE EVENT later ON SCHEDULE AT '2099-01-01 00:00:00' DO DELETE FROM runs WHERE id = 'z'",
        ):
            cursor.execute(statement)
    connection.close()
    return clean


@pytest.fixture
def options(mysql: MySQL, tmp_path: Path) -> dict[str, Any]:
    secret = tmp_path / "password"
    secret.write_text(mysql.root_password)
    secret.chmod(0o400)
    return {
        "login_unix_socket": mysql.socket,
        "login_password_files": [str(secret)],
        "container": mysql.container,
        "database": DATABASE,
        "path": str(tmp_path / "d ump.sql.gz"),
    }


@pytest.fixture
def path(options: dict[str, Any]) -> Path:
    return Path(options["path"])


@pytest.fixture
def dump(options: dict[str, Any], mysql: MySQL, run_module: RunModule) -> Dump:
    def run(state: str = "present", check: bool = False, **more: Any) -> Result:
        result = run_module(MODULE, {**options, "state": state, **more}, check=check)
        assert CANARY not in result.output
        assert json.dumps(mysql.root_password)[1:-1] not in result.output
        return result

    return run


def files(path: Path) -> list[str]:
    return sorted(found.name for found in path.parent.glob(path.name + "*"))


def damage(server: MySQL) -> None:
    """As half a migration might."""
    server.execute(f"ALTER TABLE {table('runs')} ADD COLUMN more INT DEFAULT 1")
    server.execute(f"CREATE TABLE {table('new')} (id INT)")
    server.execute(f"DROP TABLE {table('documents')}")
    server.execute(f"DELETE FROM {table('doubles')} WHERE id = 1")


# Making a dump and putting it back


def test_dump_and_restore(store: MySQL, dump: Dump, path: Path) -> None:
    before = content(store)
    predicted = ok(dump(check=True), changed=True)
    assert files(path) == []
    result = ok(dump(), changed=True)
    assert predicted["revision"] == result["revision"] == "bf29a5ff90ea"
    assert predicted["diff"] == result["diff"] == {"before": {"dump": None}, "after": {"dump": str(path)}}
    assert files(path) == [path.name, path.name + ".json"]
    assert content(store) == before

    manifest = json.loads(Path(f"{path}.json").read_text())
    for file in (path, Path(f"{path}.json")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert manifest["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest["size"] == result["size"] == path.stat().st_size
    assert (manifest["database"], manifest["revision"]) == (DATABASE, "bf29a5ff90ea")
    assert (manifest["charset"], manifest["collation"]) == ("utf8mb4", "utf8mb4_0900_bin")
    assert [(manifest["mysql_version"],)] == store.execute("SELECT VERSION()")
    rows = {name: values["rows"] for name, values in manifest["tables"].items()}
    assert rows == {
        **{"alembic_version": 1, "experiments": 3, "runs": 2, "doubles": 7, "documents": 4},
        **{"many": 2, "no key": 3, "hollow": 0},
    }
    assert [(one["name"], one["rows"]) for one in result["tables"]] == sorted(rows.items())
    text = gzip.decompress(path.read_bytes())
    assert b"-- Dump completed" in text.splitlines()[-1]

    made = unread(path)
    for check in (True, False):
        assert ok(dump(check=check), changed=False)["tables"] == result["tables"]
        ok(dump("restored", check=check), changed=False)
    assert unread(path) == made

    damage(store)
    damaged = content(store)
    predicted = ok(dump("restored", check=True), changed=True)
    assert content(store) == damaged
    ok(dump(), changed=False)  # the dump stays what it is
    result = ok(dump("restored"), changed=True)
    assert content(store) == before
    assert predicted["diff"] == result["diff"]
    assert result["diff"]["before"]["doubles"] == 6 and "new" in result["diff"]["before"]
    assert result["diff"]["after"] == rows
    assert result["seconds"] > 0
    ok(dump("restored"), changed=False)

    ok(dump("absent", check=True), changed=True)
    assert len(files(path)) == 2
    assert ok(dump("absent"), changed=True)["diff"]["after"] == {"files": []}
    assert files(path) == []
    ok(dump("absent"), changed=False)
    assert content(store) == before


@pytest.mark.parametrize(
    "statement",
    [
        "DROP DATABASE {database}",
        "ALTER DATABASE {database} COLLATE utf8mb4_bin",
        "UPDATE {database}.doubles SET value = 0.10000000000000002 WHERE id = 1",
        "UPDATE {database}.documents SET value = JSON_SET(value, '$.a', 'other') WHERE id = 1",
        "UPDATE {database}.many SET d = x'00010AFF5C28' WHERE id = 1",
        "UPDATE {database}.many SET e = 'a\\nDELIMITER' WHERE id = 2",
        "UPDATE {database}.many SET k = 0 WHERE id = 1",
        "UPDATE {database}.many SET i = NULL WHERE id = 1",
        "UPDATE {database}.experiments SET other = NULL WHERE id = 7",
        "UPDATE {database}.experiments SET old = 'e' WHERE id = 1",
        "DELETE FROM {database}.`no key` LIMIT 1",
        "ALTER TABLE {database}.hollow MODIFY a BIGINT",
        "ALTER TABLE {database}.runs DROP FOREIGN KEY runs_ibfk_1",
        "DROP TRIGGER {database}.no_change",
        "CREATE TRIGGER {database}.added BEFORE INSERT ON {database}.runs FOR EACH ROW SET NEW.experiment = 1",
        "DROP VIEW {database}.names",
        "ALTER VIEW {database}.names AS SELECT 1 AS id",
        "DROP PROCEDURE {database}.count_them",
        "DROP FUNCTION {database}.one",
        "DROP EVENT {database}.later",
    ],
)
def test_every_change_is_seen_and_undone(store: MySQL, dump: Dump, statement: str) -> None:
    before = content(store)
    ok(dump(), changed=True)
    store.execute(statement.format(database=quoted(DATABASE)))
    ok(dump("restored", check=True), changed=True)
    ok(dump("restored"), changed=True)
    assert content(store) == before


def test_rights_survive(store: MySQL, dump: Dump) -> None:
    store.execute("CREATE USER runtime IDENTIFIED BY 'runtime-password'")
    pattern = quoted(DATABASE.replace("_", "\\_").replace("%", "\\%"))
    store.execute(f"GRANT SELECT, INSERT ON {pattern}.* TO runtime")
    store.execute(f"GRANT UPDATE ON {table('runs')} TO runtime")
    before = store.execute("SHOW GRANTS FOR runtime")
    assert len(before) == 3
    ok(dump(), changed=True)
    store.execute(f"DROP DATABASE {quoted(DATABASE)}")
    ok(dump("restored"), changed=True)
    assert store.execute("SHOW GRANTS FOR runtime") == before
    session = store.login("runtime", "runtime-password", DATABASE)
    with session.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM runs")
        assert cursor.fetchall() == ((2,),)
    session.close()


# MLflow's own tables


MIGRATE = """
import json, sys
from sqlalchemy import create_engine
from sqlalchemy.engine import URL
from mlflow.store.db.utils import _initialize_tables
about = json.load(sys.stdin)
url = URL.create("mysql+pymysql", "root", about["password"], "localhost", database=about["database"])
_initialize_tables(create_engine(url, connect_args={"unix_socket": about["unix_socket"]}))
"""


def test_real_store(clean: MySQL, dump: Dump) -> None:
    """As MLflow's migrations made it, with its trigger, and with a filled table of metrics."""
    clean.execute(f"CREATE DATABASE {quoted(DATABASE)} CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin")
    migrations = subprocess.run(
        [f"{os.environ.get('MLFLOW_VIRTUALENV', sys.prefix)}/bin/python", "-c", MIGRATE],
        input=json.dumps(
            {"unix_socket": clean.socket, "password": clean.root_password, "database": DATABASE}
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=TAKES,
    )
    assert migrations.returncode == 0, migrations.stderr
    clean.execute(
        f"INSERT INTO {table('experiments')} (experiment_id, name) VALUES (77, 'é🙂'), (78, %s)", "\\'\"\n"
    )
    clean.execute(f"INSERT INTO {table('runs')} (run_uuid, experiment_id) VALUES ('r', 77)")
    connection = clean.root()
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION cte_max_recursion_depth = 1000000")
        cursor.execute(
            f"INSERT INTO {table('metrics')} (`key`, value, timestamp, run_uuid, step, is_nan)"
            " WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19999)"
            " SELECT 'loss', RAND(3), i, 'r', i, 0 FROM n",
            (),
        )
        # PyMySQL and MLflow store the sign of zero, a dump does not.
        cursor.execute(f"INSERT INTO {table('metrics')} VALUES ('zero', %s, 1, 'r', 0, 0)", (-0.0,))
        cursor.execute(
            f"INSERT INTO {table('metrics')} VALUES ('big', %s, 1, 'r', 0, 0)", (1.7976931348623157e308,)
        )
    connection.close()
    before = content(clean)
    assert any("secret" in name for name, *rest in next(v for k, v in before.items() if "triggers" in k))
    result = ok(dump(), changed=True)
    assert result["revision"] == clean.execute(f"SELECT version_num FROM {table('alembic_version')}")[0][0]
    assert {"name": "metrics", "rows": 20002} == {
        key: value
        for one in result["tables"]
        if one["name"] == "metrics"
        for key, value in one.items()
        if key != "checksum"
    }
    clean.execute(f"DROP TABLE {table('metrics')}")
    ok(dump("restored"), changed=True)
    after = content(clean)
    before["metrics"] = (before["metrics"][0], [row.replace("-0.0", "0.0") for row in before["metrics"][1]])
    assert after == before
    ok(dump("restored"), changed=False)


# FLOAT columns


def test_floats_are_exact(store: MySQL, dump: Dump) -> None:
    store.execute(
        f"CREATE TABLE {table('budgets')} (a VARCHAR(20) COLLATE utf8mb4_0900_bin, b BIGINT, c BINARY(2), d DOUBLE,"
        " amount FLOAT, weight FLOAT NOT NULL,"
        " changed TIMESTAMP(3) DEFAULT '2020-01-01' ON UPDATE CURRENT_TIMESTAMP(3),"
        " PRIMARY KEY (a, b, c, d))"
    )
    values = [1.23456789, 1234567.875, 16777215.0, 3.4028234663852886e38, 1e-45, 0.1, None]
    for number, value in enumerate(values):
        store.execute(
            f"INSERT INTO {table('budgets')} (a, b, c, d, amount, weight)"
            " VALUES (%s, %s, x'00FF', 0.1, %s, 0.3333333333)",
            *("é'\\" + str(number), -number, value),  # type: ignore[arg-type]
        )
    before = content(store)
    assert "1234567.875" in str(before["budgets"])
    ok(dump(), changed=True)
    store.execute(f"DROP TABLE {table('budgets')}")
    ok(dump("restored"), changed=True)
    assert content(store) == before
    store.execute(f"UPDATE {table('budgets')} SET amount = 1.23457 WHERE b = 0")  # as mysqldump alone has it
    ok(dump("restored"), changed=True)
    assert content(store) == before


@pytest.mark.parametrize(
    "definition",
    ["(id INT, v FLOAT)", "(id INT PRIMARY KEY, v FLOAT)", "(id INT, v FLOAT, PRIMARY KEY (id, v))"],
    ids=["no-key", "trigger", "in-key"],
)
def test_floats_that_cannot_be_put_right(store: MySQL, dump: Dump, path: Path, definition: str) -> None:
    store.execute(f"CREATE TABLE {table('odd')} {definition}")
    if "id INT PRIMARY" in definition:
        store.execute(
            f"CREATE TRIGGER {table('t')} BEFORE UPDATE ON {table('odd')} FOR EACH ROW SET NEW.v = 1"
        )
    store.execute(f"INSERT INTO {table('odd')} VALUES (1, 1234567.875)")
    message = failed(dump())
    assert "mysqldump rounds values in FLOAT columns of odd (v)" in message
    assert "ALTER TABLE" in message and "MODIFY ... DOUBLE" in message
    assert files(path) == []
    assert programs(store) == 0
    store.execute(f"UPDATE {table('odd')} SET v = 1.5") if "(id, v)" not in definition else store.execute(
        f"REPLACE INTO {table('odd')} VALUES (1, 1.5)"
    )
    store.execute(f"DELETE FROM {table('odd')} WHERE v <> 1.5")
    if "id INT PRIMARY" not in definition:
        ok(dump(), changed=True)  # six digits are enough for what is there now


# Passwords


@pytest.fixture
def exposed() -> Iterator[list[str]]:
    """The processes, those in containers too, that show the canary as an argument or in the environment."""
    found: list[str] = []
    looks = 0
    done = threading.Event()

    def look() -> None:
        nonlocal looks
        while not done.wait(0.05):
            for path in [*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")]:
                try:
                    shown = path.read_bytes()
                except OSError:
                    continue
                if CANARY.encode() in shown:
                    found.append(shown.decode(errors="replace"))
            looks += 1

    thread = threading.Thread(target=look)
    thread.start()
    yield found
    done.set()
    thread.join()
    assert looks > 1


@pytest.mark.parametrize("password", HARD, ids=map(str, range(len(HARD))))  # an id is in the environment
def test_hard_password(store: MySQL, dump: Dump, tmp_path: Path, password: str, exposed: list[str]) -> None:
    store.execute("CREATE USER admin@localhost IDENTIFIED BY %s", password)
    store.execute("GRANT ALL ON *.* TO admin@localhost WITH GRANT OPTION")
    secret = tmp_path / "hard"
    secret.write_bytes(password.encode())
    login = {"login_user": "admin", "login_password_files": [str(secret)]}
    before = content(store)
    ok(dump(**login), changed=True)
    damage(store)
    ok(dump("restored", **login), changed=True)
    assert content(store) == before
    assert exposed == []
    assert CANARY not in docker("inspect", store.container)
    assert CANARY not in docker("logs", store.container)


def test_wrong_password(store: MySQL, dump: Dump, path: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text(f"{CANARY}-wrong")
    message = failed(dump(login_password_files=[str(wrong)]))
    assert "refused the login as root: wrong password" in message
    assert files(path) == []


# Dumps that are not what was written


@pytest.mark.parametrize("how", ["truncated", "flipped", "missing"])
def test_broken_dump(store: MySQL, dump: Dump, path: Path, how: str) -> None:
    ok(dump(), changed=True)
    damage(store)
    before = content(store)
    data = bytearray(path.read_bytes())
    if how == "truncated":
        path.write_bytes(data[:-1])
    elif how == "flipped":
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    else:
        path.unlink()
    for state in ("restored", "present"):
        for check in (True, False):
            message = failed(dump(state, check=check))
            expected = "cannot be read: No such file" if how == "missing" else "is not what was written"
            assert f"the dump {path} {expected}" in message
            assert "nothing was changed. Put it back from a copy, or remove it" in message
    assert content(store) == before
    path.unlink(missing_ok=True)
    ok(dump("absent"), changed=True)
    ok(dump(), changed=True)


def test_no_dump(store: MySQL, dump: Dump, path: Path) -> None:
    before = content(store)
    path.write_bytes(b"as a kill between the two renames leaves it")
    for check in (True, False):
        message = failed(dump("restored", check=check))
        assert f"there is no dump at {path}, or it was never finished; nothing was changed" in message
        assert "Make one with state: present, or check path" in message
    assert content(store) == before
    ok(dump(), changed=True)
    ok(dump("restored"), changed=False)


def test_manifest_of_something_else(store: MySQL, dump: Dump, path: Path) -> None:
    ok(dump(), changed=True)
    store.execute("CREATE DATABASE another")
    for state in ("present", "restored"):
        message = failed(dump(state, database="another"))
        assert f"{path} is a dump of the database {DATABASE}, not of another; nothing was changed" in message
        assert "Give each database a path of its own" in message
    Path(f"{path}.json").write_text("{}")
    for state in ("present", "restored"):
        message = failed(dump(state))
        assert f"{path}.json is not a manifest of this module; nothing was changed" in message
        assert "Choose another path, or remove the dump with state: absent" in message
    ok(dump("absent"), changed=True)
    assert files(path) == []


def test_restored_is_not_what_it_was(store: MySQL, dump: Dump, path: Path) -> None:
    """A manifest that says something else stands for whatever a server may lose."""
    ok(dump(), changed=True)
    file = Path(f"{path}.json")
    manifest = json.loads(file.read_text())
    manifest["tables"]["runs"]["rows"] = 3
    manifest["tables"]["doubles"]["checksum"] = "1"
    manifest["definitions"]["trigger lost"] = "0"
    del manifest["definitions"]["view names"]
    file.write_text(json.dumps(manifest))
    message = failed(dump("restored"))
    assert f"the dump was loaded, but {DATABASE} is not what it was: " in message
    assert "trigger lost is missing; view names is not in the dump" in message
    assert "table doubles has other values in its 7 rows; table runs has 2 rows, not 3" in message
    assert f"Keep writers out, and keep {path}" in message


# Kills


def programs(server: MySQL) -> int:
    """The number of sessions that mysqldump and mysql of the container have."""
    return len(
        server.execute(
            "SELECT 1 FROM performance_schema.session_connect_attrs WHERE attr_name = 'program_name'"
            " AND attr_value IN ('mysqldump', 'mysql')"
        )
    )


def kill_when(options: dict[str, Any], state: str, reached: Callable[[], bool]) -> None:
    module = subprocess.Popen(
        [sys.executable, "-m", dump_module.__name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
    )
    assert module.stdin is not None
    module.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "state": state}}).encode())
    module.stdin.close()
    deadline = time.monotonic() + TAKES
    while not reached():
        assert module.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    module.send_signal(signal.SIGKILL)
    assert module.wait() == -signal.SIGKILL


def test_killed_while_dumping(store: MySQL, options: dict[str, Any], dump: Dump, path: Path) -> None:
    fill(store, 200_000)
    part = Path(f"{path}.part")
    kill_when(options, "present", lambda: part.exists() and part.stat().st_size > 100_000)
    assert files(path) == [path.name + ".part"]
    ok(dump(), changed=True)
    assert files(path) == [path.name, path.name + ".json"]
    assert programs(store) == 0
    ok(dump("restored"), changed=False)


def test_killed_while_restoring(store: MySQL, options: dict[str, Any], dump: Dump) -> None:
    fill(store, 60_000)
    before = content(store)
    ok(dump(), changed=True)
    store.execute(f"DROP TABLE {table('metrics')}")
    loading = "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = 'metrics'"
    kill_when(options, "restored", lambda: bool(store.execute(loading, DATABASE)))
    assert content(store) != before
    ok(dump("restored"), changed=True)
    assert content(store) == before
    assert programs(store) == 0


def test_killed_between_dropping_and_loading(store: MySQL, dump: Dump) -> None:
    before = content(store)
    ok(dump(), changed=True)
    store.execute(f"DROP DATABASE {quoted(DATABASE)}")
    ok(dump("restored"), changed=True)
    assert content(store) == before


def names_of_locks(database: str) -> tuple[str, str]:
    digest = hashlib.sha256(database.encode()).hexdigest()[:24]
    return f"mlflow_schema.{database}", f"mlflow_schema_dump.program.{digest}"


@pytest.mark.parametrize("state", ["present", "restored"])
def test_program_of_an_earlier_run_is_ended(store: MySQL, dump: Dump, state: str) -> None:
    if state == "restored":
        ok(dump(), changed=True)
    left_over = store.root()
    with left_over.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", (names_of_locks(DATABASE)[1],))
        ok(dump(state), changed=state == "present")
        with pytest.raises(pymysql.err.MySQLError):
            cursor.execute("SELECT 1")


def test_another_takes_too_long(store: MySQL, dump: Dump, path: Path) -> None:
    other = store.root()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT GET_LOCK(%s, 0)", (names_of_locks(DATABASE)[0],))
            message = failed(dump(lock_timeout=1))
    finally:
        other.close()
    assert f"another run has been changing, dumping or restoring {DATABASE} for more than 1 s" in message
    assert "wait for it to end, or raise lock_timeout" in message
    assert files(path) == []


@pytest.mark.parametrize("state", ["present", "restored"])
def test_tables_in_use(store: MySQL, dump: Dump, path: Path, state: str) -> None:
    if state == "restored":
        ok(dump(), changed=True)
        damage(store)
    before = content(store)
    writer = store.root()
    try:
        with writer.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(f"INSERT INTO {table('runs')} (id) VALUES ('c')", ())
            message = failed(dump(state, lock_timeout=1))
    finally:
        writer.close()
    assert (
        f"sessions have been using tables of {DATABASE} for more than 1 s: stop MLflow, close the gate"
        in message
    )
    assert "or raise lock_timeout" in message
    assert content(store) == before
    if state == "present":
        assert files(path) == []


# Containers


def test_container_is_missing(store: MySQL, dump: Dump, path: Path) -> None:
    message = failed(dump(container="mlflow-ops-no-such"))
    assert (
        "in the container mlflow-ops-no-such failed: there is no such container: check container" in message
    )
    assert files(path) == []


@pytest.fixture
def other_container(mysql: MySQL) -> Iterator[Callable[..., str]]:
    """Containers of the same image that run something else."""
    started: list[str] = []

    def start(command: str, *more: str) -> str:
        image = docker("inspect", "--format", "{{.Image}}", mysql.container)
        started.append(
            docker(
                *("run", "--detach", "--label", "mlflow_ops.test=integration", *more),
                *("--entrypoint", "sh", image, "-c", command),
            )
        )
        return started[-1]

    yield start
    for container in started:
        docker("rm", "--force", "--volumes", container)


def test_container_has_ended(
    store: MySQL, dump: Dump, path: Path, other_container: Callable[..., str]
) -> None:
    container = other_container("true")
    docker("wait", container)
    message = failed(dump(container=container))
    assert f"in the container {container} failed: it is not running: start it" in message
    assert files(path) == []


@pytest.mark.parametrize("program", ["mysqldump", "mysql", "sh"])
def test_container_without_a_program(
    store: MySQL, dump: Dump, path: Path, other_container: Callable[..., str], program: str
) -> None:
    container = other_container(f"rm $(command -v {program}); echo gone; exec sleep 1000")
    while "gone" not in docker("logs", container):
        time.sleep(0.1)
    message = failed(dump(container=container))
    assert f"there is no {program} in it: use an image with" in message
    assert "MySQL's client programs" in message
    assert files(path) == []


def test_container_without_a_server(
    store: MySQL, dump: Dump, path: Path, other_container: Callable[..., str]
) -> None:
    message = failed(dump(container=other_container("exec sleep 1000")))
    assert "Can't connect to local MySQL server" in message
    assert "Check container_socket" in message
    assert files(path) == []


def test_no_docker(store: MySQL, dump: Dump, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible.module_utils import basic

    monkeypatch.setattr(basic.AnsibleModule, "get_bin_path", lambda *arguments, **more: None)

    class Module:
        params = {"path": str(path), "database": DATABASE, "state": "present", "container": "any"}  # noqa: RUF012
        check_mode = False
        get_bin_path = basic.AnsibleModule.get_bin_path

    with pytest.raises(dump_module.DumpProblem) as error:
        dump_module.run(Module())
    assert "there is no docker on this host: install Docker, or run this on the container's host" in str(
        error.value
    )


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a script before the real docker; `$program` is what is to run in the container."""
    real = shutil.which("docker")

    def install(script: str) -> None:
        directory = tmp_path / "bin"
        directory.mkdir()
        text = f'#!/bin/bash\nprogram=$8\nlast=${{@: -1}}\nreal() {{ {real} "$@"; }}\n{script}\nexec {real} "$@"\n'
        (directory / "docker").write_text(text)
        (directory / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")

    return install


DUMPING = '[ "$program" = mysqldump ] && [ "$last" != --version ]'


def test_another_server(store: MySQL, dump: Dump, path: Path, fake: Callable[[str], None]) -> None:
    fake('[ "$program" = mysql ] && { echo 11111111-2222-3333-4444-555555555555; exit 0; }')
    message = failed(dump())
    assert (
        f"the server in the container {store.container} is another one than that at login_unix_socket"
        in message
    )
    assert "check container, container_socket and login_unix_socket" in message
    assert files(path) == []


def test_mysqldump_fails_half_way(store: MySQL, dump: Dump, path: Path, fake: Callable[[str], None]) -> None:
    fake(
        DUMPING
        + " && { real \"$@\" | head -c 2000; echo 'mysqldump: Error 2013: Lost connection' >&2; exit 3; }"
    )
    message = failed(dump())
    assert (
        f"mysqldump in the container {store.container} failed: mysqldump: Error 2013: Lost connection"
        in message
    )
    assert "run this again" in message
    assert files(path) == []


def test_mysqldump_says_nothing_at_the_end(
    store: MySQL, dump: Dump, path: Path, fake: Callable[[str], None]
) -> None:
    fake(DUMPING + ' && { real "$@" | grep -a -v "^-- Dump completed"; exit 0; }')
    message = failed(dump())
    assert (
        "mysqldump ended without saying that its dump is complete; nothing is left of it: run this again"
        in message
    )
    assert files(path) == []


def test_load_fails(store: MySQL, dump: Dump, fake: Callable[[str], None]) -> None:
    before = content(store)
    ok(dump(), changed=True)
    damage(store)
    fake(
        '[ "$program" = mysql ] && [[ "$last" != --execute* ]] && { head -c 900 | real "$@"; echo no; exit 1; }'
    )
    message = failed(dump("restored"))
    assert f"mysql in the container {store.container} failed: " in message
    assert "The database is not whole, run this again" in message
    os.environ["PATH"] = os.environ["PATH"].partition(":")[2]
    ok(dump("restored"), changed=True)
    assert content(store) == before


# Disks


def test_missing_directory(store: MySQL, dump: Dump, tmp_path: Path) -> None:
    message = failed(dump(path=str(tmp_path / "missing/dump.sql.gz")))
    assert "dump.sql.gz cannot be written: No such file or directory" in message
    assert "make its directory, run as root" in message


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    place = tmp_path / "disk"
    place.mkdir()

    def mount(size: str) -> Path:
        if os.geteuid() != 0:
            pytest.skip("only root may mount")
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
        return place

    yield mount
    subprocess.run(["umount", str(place)], check=False, capture_output=True)


def test_no_room(store: MySQL, dump: Dump, small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("1m")
    for check in (True, False):
        message = failed(dump(path=str(disk / "dump.sql.gz"), check=check))
        assert f"{disk} has 1.0 MiB free, and a dump of {DATABASE} with " in message
        assert " MiB of data takes up to " in message
        assert " MiB there, or choose another path" in message
    assert list(disk.iterdir()) == []


def test_disk_gets_full(store: MySQL, dump: Dump, small_disk: Callable[[str], Path]) -> None:
    """What cannot be compressed takes more than was reckoned with."""
    for number in range(10, 18):
        store.execute(f"INSERT INTO {table('many')} (id, d) VALUES ({number}, RANDOM_BYTES(1024))")
    for number in [number for number in range(10, 18) for dummy in range(10)]:
        store.execute(
            f"UPDATE {table('many')} SET d = CONCAT(d, AES_ENCRYPT(d, RANDOM_BYTES(16))) WHERE id = {number}"
        )
    disk = small_disk("6m")
    target = disk / "dump.sql.gz"
    target.with_suffix(".gz.part").write_bytes(b"left over")
    message = failed(dump(path=str(target)))
    assert f"the dump {target} cannot be written: No space left on device; nothing is left of it" in message
    assert "free space there, or choose another path" in message
    assert list(disk.iterdir()) == []
    assert programs(store) == 0


def test_row_that_the_server_would_not_take(store: MySQL, dump: Dump, path: Path) -> None:
    """In hexadecimal it is twice as long as it was when it came."""
    store.execute("SET GLOBAL max_allowed_packet = 4194304")
    try:
        store.execute(f"INSERT INTO {table('many')} (id, d) VALUES (9, REPEAT('a', 3000000))")
        message = failed(dump())
        assert "a row takes 5.7 MiB in a dump, and the server takes 4.0 MiB at once" in message
        assert "Raise max_allowed_packet: SET PERSIST max_allowed_packet = 8388608" in message
        assert files(path) == []
        store.execute("SET GLOBAL max_allowed_packet = 8388608")
        before = content(store)
        ok(dump(), changed=True)
        store.execute(f"DELETE FROM {table('many')} WHERE id = 9")
        ok(dump("restored"), changed=True)
        assert content(store) == before
    finally:
        store.execute("SET GLOBAL max_allowed_packet = DEFAULT")


def test_missing_database(clean: MySQL, dump: Dump, path: Path) -> None:
    for check in (True, False):
        assert failed(dump(check=check)) == f"there is no database {DATABASE}: check database"
    assert files(path) == []


def test_container_is_required(options: dict[str, Any], run_module: RunModule) -> None:
    del options["container"]
    message = failed(run_module(MODULE, {**options, "state": "present"}))
    assert "state is present but all of the following are missing: container" in message
    for nothing in (None, ""):
        message = failed(run_module(MODULE, {**options, "state": "present", "container": nothing}))
        assert message == "container is empty: set it to the name of the server's container"
