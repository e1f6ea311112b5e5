# SPDX-License-Identifier: GPL-3.0-or-later
"""mlflow_schema with the real MLflow's migrations against a real server."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    catalogue as schema_catalogue,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    default_experiment,
    extra_indexes,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.live import LiveSchema
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.migrations import (
    read_migrations,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.state import MARKER
from ansible_collections.mlflow_ops.backend_store.plugins.modules import mlflow_schema
from conftest import COLLECTIONS, MySQL, Result, RunModule, free_port
from default_versions import MLFLOW

MODULE = "mlflow_schema"
VIRTUALENV = os.environ.get("MLFLOW_VIRTUALENV", sys.prefix)
MIGRATIONS = read_migrations(VIRTUALENV)
HEAD = schema_catalogue.load().releases[MLFLOW]
BEFORE_TRIGGERS = "bf29a5ff90ea"  # the last one that a server without the setting for triggers takes
DATABASE = "ml_flow`%1"
MIGRATOR = "migrator"
CANARY = "canary-93b1"
PASSWORD = CANARY + "'\"\\ %s é"
RIGHTS = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, REFERENCES, DROP, TRIGGER"
MIGRATING_TAKES = 100  # seconds at most

Content = dict[str, tuple[Any, ...]]
Migrate = Callable[..., Result]


def quoted(name: str) -> str:
    """An identifier, in a statement that has parameters or may have some."""
    return "`" + name.replace("`", "``").replace("%", "%%") + "`"


# `_` and `%` are wildcards in the database name of a GRANT.
PATTERN = quoted(DATABASE.replace("_", "\\_").replace("%", "\\%"))


def table(name: str) -> str:
    return f"{quoted(DATABASE)}.{quoted(name)}"


def ok(result: Result, changed: bool) -> Result:
    assert not result.failed, result["msg"]
    assert result["changed"] is changed
    return result


def failed(result: Result) -> str:
    assert result.failed, result.output
    return str(result["msg"])


def tables(server: MySQL) -> list[str]:
    sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s ORDER BY 1"
    return [name for (name,) in server.execute(sql, DATABASE)]


def content(server: MySQL) -> Content:
    """Of each table its definition, the time when it was made, and its rows."""
    made = "SELECT create_time FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
    found: Content = {}
    connection = server.root()
    with connection.cursor() as cursor:
        for name in tables(server):
            cursor.execute(f"SHOW CREATE TABLE {table(name)}", ())
            definition = cursor.fetchall()
            cursor.execute(made, (DATABASE, name))
            time_made = cursor.fetchall()
            cursor.execute(f"SELECT * FROM {table(name)}", ())
            found[name] = (definition, time_made, cursor.fetchall())
    connection.close()
    return found


@pytest.fixture
def store(clean: MySQL) -> MySQL:
    """A server with an empty database and an account that may do in it what migrations need, and no more."""
    clean.execute(f"CREATE DATABASE {quoted(DATABASE)} CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin")
    clean.execute("CREATE USER %s@localhost IDENTIFIED BY %s", MIGRATOR, PASSWORD)
    clean.execute(f"GRANT {RIGHTS} ON {PATTERN}.* TO %s@localhost", MIGRATOR)
    return clean


@pytest.fixture
def options(mysql: MySQL, tmp_path: Path) -> dict[str, Any]:
    """The module's, with the password in a file: Ansible would mask one that is an option."""
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o400)
    return {
        "login_user": MIGRATOR,
        "login_password_files": [str(secret)],
        "login_unix_socket": mysql.socket,
        "database": DATABASE,
        "virtualenv": VIRTUALENV,
    }


@pytest.fixture
def migrate(options: dict[str, Any], run_module: RunModule) -> Migrate:
    """Run the module; whatever comes of it, its output must be free of the password."""

    def run(check: bool = False, **more: Any) -> Result:
        result = run_module(MODULE, {**options, **more}, check=check)
        assert CANARY not in result.output
        return result

    return run


@pytest.fixture
def exposed() -> Iterator[list[str]]:
    """The processes that show the canary, as an argument or in the environment, while a test runs."""
    found: list[str] = []
    looks = 0
    done = threading.Event()

    def look() -> None:
        nonlocal looks
        while not done.wait(0.2):
            for path in [*Path("/proc").glob("[0-9]*/cmdline"), *Path("/proc").glob("[0-9]*/environ")]:
                try:
                    shown = path.read_bytes()
                except OSError:  # it has ended
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


def current(result: Result, server: MySQL) -> None:
    """What a result says, and the server shows, of a whole schema."""
    assert result["state"] == "current"
    assert result["revision"] == result["head"] == HEAD
    assert result["pending"] == []
    assert result["mlflow_version"] == MIGRATIONS.mlflow_version
    found = tables(server)
    assert result["tables"] == len(found) > 60
    assert {"alembic_version", "experiments", "runs", "secrets"} <= set(found)
    assert MARKER not in found
    assert server.execute(f"SELECT version_num FROM {table('alembic_version')}") == [(HEAD,)]
    triggers = "SELECT 1 FROM information_schema.triggers WHERE trigger_schema = %s"
    assert server.execute(triggers, DATABASE)


# As MLflow's client does it, with no right but DML, so that nothing may be left to migrate.
LOG_A_RUN = """
import sys
from sqlalchemy.engine import URL
from mlflow.entities import Metric
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
url = URL.create("mysql+pymysql", "runtime", "runtime-password", "127.0.0.1", int(sys.argv[1]), sys.argv[2])
store = SqlAlchemyStore(url.render_as_string(hide_password=False), "/nowhere")
run = store.create_run("0", "somebody", 0, [], "a run")
store.log_metric(run.info.run_id, Metric("loss", 0.25, 0, 0))
print(store.get_run(run.info.run_id).data.metrics)
"""


SHOW_URI = """
import sys
from sqlalchemy.engine import URL
url = URL.create("mysql+pymysql", "runtime", "runtime-password", "127.0.0.1", int(sys.argv[1]), sys.argv[2])
print(url.render_as_string(hide_password=False))
"""


def log_a_run(server: MySQL) -> None:
    server.execute("CREATE USER runtime IDENTIFIED BY 'runtime-password'")
    server.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {PATTERN}.* TO runtime")
    client = subprocess.run(
        [f"{VIRTUALENV}/bin/python", "-c", LOG_A_RUN, str(server.port), DATABASE],
        capture_output=True,
        text=True,
        check=False,
        timeout=MIGRATING_TAKES,
    )
    assert client.stdout.strip() == "{'loss': 0.25}", client.stderr
    assert server.execute(f"SELECT `key`, value FROM {table('metrics')}") == [("loss", 0.25)]


def serve_as_the_readme_says(server: MySQL, directory: Path) -> None:
    """The README's first commands start a server on the store, and no process shows its password as an argument."""
    root = Path(__file__).resolve().parents[2]
    readme = (root / "README.md").read_text(encoding="utf-8")
    block = next(part for part in readme.split("```") if "mlflow server" in part).split("\n", 1)[1]
    install, rest = block.split("\n", 1)
    # What it installs is what is here: the MLflow of the roles, and the driver, which MLflow does not ask for.
    wanted = dict(word.split("==") if "==" in word else (word, "") for word in install.split()[2:])
    assert install.startswith("pip install ") and wanted == {
        "mlflow": MIGRATIONS.mlflow_version,
        "pymysql": "",
    }
    uri = subprocess.run(
        [f"{VIRTUALENV}/bin/python", "-c", SHOW_URI, str(server.port), DATABASE],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (directory / "uri").write_text(uri)
    (directory / "mlflow.env").write_text("MLFLOW_SQLALCHEMYSTORE_POOL_SIZE=2\n")
    port = free_port()
    script = f"make() {{ [ \"$*\" = '-s uri' ] && cat {directory}/uri; }}\n" + rest.replace(
        "/srv/mlflow-mysql/mlflow.env", f"{directory}/mlflow.env"
    )
    with (directory / "server.log").open("w") as log:
        process = subprocess.Popen(
            ["bash", "-euc", script],
            cwd=directory,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={
                **os.environ,
                "PATH": f"{VIRTUALENV}/bin:{os.environ['PATH']}",
                "MLFLOW_PORT": str(port),
                "MLFLOW_WORKERS": "1",
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            },
        )
    try:
        deadline = time.monotonic() + 3 * MIGRATING_TAKES
        while True:
            assert process.poll() is None and time.monotonic() < deadline, (
                directory / "server.log"
            ).read_text()
            try:
                # The first call makes the store's connections.
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/get?experiment_id=0", timeout=60
                ) as answer:
                    assert json.load(answer)["experiment"]["experiment_id"] == "0"
                break
            except urllib.error.HTTPError as error:
                pytest.fail(f"{error}: {error.read()!r}")
            except OSError:
                time.sleep(0.5)
        arguments = [
            path.read_bytes()
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if os.getsid(int(path.parent.name)) == process.pid
        ]
        assert len(arguments) > 1 and not [words for words in arguments if b"runtime-password" in words]
        assert server.execute("SELECT 1 FROM information_schema.processlist WHERE user = 'runtime'")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not (directory / "mlflow.db").exists()


# Making the schema


def test_initialise_then_nothing_to_do(
    store: MySQL, migrate: Migrate, exposed: list[str], tmp_path: Path
) -> None:
    predicted = ok(migrate(check=True), changed=True)
    assert tables(store) == []
    result = ok(migrate(), changed=True)
    current(result, store)
    for key in ("changed", "state", "revision", "head", "pending", "mlflow_version"):
        assert predicted[key] == result[key]
    assert result["diff"]["before"] == "revision None\n"
    assert f"revision {HEAD}\n" in result["diff"]["after"]
    assert "trigger secrets before update" in result["diff"]["after"]
    assert predicted["diff"]["before"] == result["diff"]["before"]
    assert predicted["diff"]["after"].startswith(f"revision {HEAD}\n")

    before = content(store)
    for check in (True, False):
        current(ok(migrate(check=check), changed=False), store)
    assert content(store) == before
    assert exposed == []
    log_a_run(store)
    serve_as_the_readme_says(store, tmp_path)


def test_two_at_once(store: MySQL, migrate: Migrate) -> None:
    results: list[Result] = []
    threads = [
        threading.Thread(target=lambda: results.append(migrate(lock_timeout=MIGRATING_TAKES)))
        for dummy in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waited, initialised = sorted(results, key=lambda result: bool(result["changed"]))
    current(ok(initialised, changed=True), store)
    current(ok(waited, changed=False), store)


def test_another_takes_too_long(store: MySQL, migrate: Migrate) -> None:
    other = store.root()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT GET_LOCK(%s, 0)", (f"mlflow_schema.{DATABASE}",))
            assert cursor.fetchall() == ((1,),)
        message = failed(migrate(lock_timeout=1))
    finally:
        other.close()
    assert f"has been changing the schema of {DATABASE} for more than 1 s" in message
    assert "raise lock_timeout" in message
    assert tables(store) == []


# Databases that are not empty


def test_tables_of_something_else(store: MySQL, migrate: Migrate) -> None:
    store.execute(f"CREATE TABLE {table('letters')} (id INT PRIMARY KEY, text TEXT)")
    store.execute(f"INSERT INTO {table('letters')} VALUES (1, 'Dear')")
    before = content(store)
    for check in (True, False):
        result = ok(migrate(check=check), changed=False)
        assert (result["state"], result["revision"], result["pending"]) == ("foreign", None, [])
        assert (result["head"], result["tables"]) == (HEAD, 1)
    assert content(store) == before


@pytest.mark.parametrize(
    ("revision", "state"),
    [(BEFORE_TRIGGERS, "drifted"), (MIGRATIONS.revisions[0], "drifted"), ("ffffffffffff", "foreign")],
)
def test_other_revision(store: MySQL, migrate: Migrate, revision: str, state: str) -> None:
    """Tables that are there are left alone, whatever they are."""
    store.execute(f"CREATE TABLE {table('alembic_version')} (version_num VARCHAR(32) PRIMARY KEY)")
    store.execute(f"INSERT INTO {table('alembic_version')} VALUES (%s)", revision)
    store.execute(f"CREATE TABLE {table('runs')} (run_uuid VARCHAR(32) PRIMARY KEY)")
    store.execute(f"INSERT INTO {table('runs')} VALUES ('a')")
    before = content(store)
    for check in (True, False):
        result = ok(migrate(check=check), changed=False)
        assert (result["state"], result["revision"], result["head"]) == (state, revision, HEAD)
    assert content(store) == before


def test_missing_database(store: MySQL, migrate: Migrate) -> None:
    for check in (True, False):
        message = failed(migrate(check=check, database="nowhere"))
        assert f"there is no database nowhere that {MIGRATOR}@localhost may see" in message
    assert store.execute("SHOW DATABASES LIKE 'nowhere'") == []


def test_database_of_someone_else(store: MySQL, migrate: Migrate) -> None:
    store.execute("CREATE DATABASE another")
    assert "there is no database another" in failed(migrate(database="another"))
    assert store.execute("SHOW TABLES FROM another") == []


# Initialisations that did not finish


def unfinished(server: MySQL) -> None:
    """As a kill leaves it: the marker, and tables with a foreign key, less than half of them."""
    server.execute(f"CREATE TABLE {table(MARKER)} (started DATETIME PRIMARY KEY)")
    server.execute(f"CREATE TABLE {table('experiments')} (experiment_id INT PRIMARY KEY)")
    reference = f"REFERENCES {table('experiments')} (experiment_id)"
    server.execute(
        f"CREATE TABLE {table('runs')} (run_uuid VARCHAR(32) PRIMARY KEY, experiment_id INT, "
        f"FOREIGN KEY (experiment_id) {reference})"
    )


def test_unfinished_is_started_over(store: MySQL, migrate: Migrate) -> None:
    unfinished(store)
    before = content(store)
    predicted = ok(migrate(check=True), changed=True)
    assert (predicted["state"], predicted["revision"]) == ("current", HEAD)
    assert content(store) == before
    result = ok(migrate(), changed=True)
    current(result, store)
    assert "table mlflow_ops_initialising" in result["diff"]["before"]
    assert "table mlflow_ops_initialising" not in result["diff"]["after"]
    ok(migrate(), changed=False)


def test_unfinished_with_a_run_is_left_alone(store: MySQL, migrate: Migrate) -> None:
    unfinished(store)
    store.execute(f"INSERT INTO {table('experiments')} VALUES (0)")
    store.execute(f"INSERT INTO {table('runs')} VALUES ('a', 0)")
    before = content(store)
    for check in (True, False):
        message = failed(migrate(check=check))
        assert f"initialisation of {DATABASE} never finished and runs were logged since" in message
        assert "nothing was changed" in message
        assert f"drop the table {MARKER}" in message
    assert content(store) == before


def test_killed_half_way(store: MySQL, options: dict[str, Any], migrate: Migrate) -> None:
    """The migrations end with the module, so that they cannot go on beside the next run's."""
    module = subprocess.Popen(
        [sys.executable, "-m", mlflow_schema.__name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
    )
    assert module.stdin is not None
    module.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode())
    module.stdin.close()
    deadline = time.monotonic() + MIGRATING_TAKES
    while len(tables(store)) < 20:
        assert module.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    module.send_signal(signal.SIGKILL)
    assert module.wait() == -signal.SIGKILL
    while store.execute("SELECT 1 FROM information_schema.processlist WHERE user = %s", MIGRATOR):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    left = tables(store)
    assert MARKER in left
    assert len(left) < 60  # nobody brought it to its end
    current(ok(migrate(), changed=True), store)


# Failures


@pytest.fixture
def distrust(mysql: MySQL) -> Iterator[None]:
    """The server as the plain recipe has it, on which MLflow's migrations fail half way."""
    mysql.execute("SET GLOBAL log_bin_trust_function_creators = OFF")
    yield
    mysql.execute("SET GLOBAL log_bin_trust_function_creators = ON")


@pytest.mark.usefixtures("distrust")
def test_migrations_fail_half_way(store: MySQL, migrate: Migrate) -> None:
    message = failed(migrate())
    assert "nothing was changed" in message
    assert "1419" in message
    assert "log_bin_trust_function_creators" in message
    assert tables(store) == []
    store.execute("SET GLOBAL log_bin_trust_function_creators = ON")
    current(ok(migrate(), changed=True), store)


def test_missing_right(store: MySQL, migrate: Migrate) -> None:
    store.execute("REVOKE ALL, GRANT OPTION FROM %s@localhost", MIGRATOR)
    store.execute(f"GRANT SELECT, CREATE, DROP ON {PATTERN}.* TO %s@localhost", MIGRATOR)
    message = failed(migrate())
    assert "nothing was changed" in message
    assert "lacks INSERT, UPDATE, DELETE, ALTER, INDEX, REFERENCES, TRIGGER" in message
    assert "GRANT " in message
    assert tables(store) == []


def test_wrong_password(store: MySQL, migrate: Migrate, tmp_path: Path) -> None:
    """MLflow itself tries for more than a minute and a half."""
    wrong = tmp_path / "wrong"
    wrong.write_text(f"{CANARY}-wrong")
    result = migrate(login_password_files=[str(wrong)])
    assert f"refused the login as {MIGRATOR}: wrong password" in failed(result)
    assert str(wrong) in result["msg"]
    assert result.seconds < 20
    assert tables(store) == []


def test_no_server(migrate: Migrate, tmp_path: Path) -> None:
    message = failed(migrate(login_unix_socket=str(tmp_path / "mysqld.sock")))
    assert f"cannot reach a MySQL server at the socket {tmp_path}/mysqld.sock" in message


def test_no_mlflow(store: MySQL, migrate: Migrate, tmp_path: Path) -> None:
    message = f"there is no MLflow in the virtual environment {tmp_path}"
    assert failed(migrate(virtualenv=str(tmp_path))) == message
    assert tables(store) == []


@pytest.mark.parametrize(
    "interpreter",
    [None, "#!/bin/sh\necho 'ModuleNotFoundError: no sqlalchemy' >&2; exit 1\n"],
    ids=["missing", "without-libraries"],
)
def test_broken_virtualenv(store: MySQL, migrate: Migrate, tmp_path: Path, interpreter: str | None) -> None:
    """The migrations are there, but cannot be run."""
    (versions,) = Path(VIRTUALENV).glob("lib/python3*/site-packages/mlflow/store/db_migrations/versions")
    shutil.copytree(versions, tmp_path / versions.relative_to(VIRTUALENV))
    (tmp_path / "bin").mkdir()
    if interpreter:
        (tmp_path / "bin/python").write_text(interpreter)
        (tmp_path / "bin/python").chmod(0o755)
    message = failed(migrate(virtualenv=str(tmp_path)))
    assert "MLflow's migrations cannot run: " in message
    assert ("no sqlalchemy" if interpreter else f"{tmp_path}/bin/python") in message
    assert tables(store) == []


def test_upgrade_one_revision_at_a_time(store: MySQL, migrate: Migrate) -> None:
    ok(migrate(revision=BEFORE_TRIGGERS), changed=True)
    store.execute(f"INSERT INTO {table('experiments')} (name, lifecycle_stage) VALUES ('kept', 'active')")
    before = content(store)
    plan = ok(migrate(state="upgraded", check=True), changed=True)
    assert [step["revision"] for step in plan["plan"]] == list(MIGRATIONS.between(BEFORE_TRIGGERS) or ())
    assert (plan["state"], plan["revision"], plan["pending"]) == ("current", HEAD, [])
    assert "revision " + BEFORE_TRIGGERS in plan["diff"]["before"]
    assert "+ trigger" not in plan["diff"]["before"] and "trigger secrets" in plan["diff"]["after"]
    assert content(store) == before
    result = ok(migrate(state="upgraded"), changed=True)
    assert [step["revision"] for step in result["applied"]] == list(MIGRATIONS.between(BEFORE_TRIGGERS) or ())
    assert (result["state"], result["drift"]) == ("current", [])
    assert store.execute(f"SELECT name FROM {table('experiments')} WHERE name = 'kept'") == [("kept",)]
    ok(migrate(state="upgraded"), changed=False)
    # It never goes back.
    message = failed(migrate(state="upgraded", revision=BEFORE_TRIGGERS))
    assert "ahead" in message and "nothing was changed" in message


def test_what_only_adds_is_done_beside_writers(store: MySQL, migrate: Migrate) -> None:
    ok(migrate(revision=BEFORE_TRIGGERS), changed=True)
    store.execute(f"INSERT INTO {table('experiments')} (name, lifecycle_stage) VALUES ('kept', 'active')")
    before = content(store)
    ok(migrate(state="prepared", check=True), changed=True)
    assert content(store) == before
    done = ok(migrate(state="prepared"), changed=True)
    assert (done["state"], done["revision"], done["drift"], done["left"]) == (
        "behind",
        BEFORE_TRIGGERS,
        [],
        [],
    )
    assert "table endpoints" in done["diff"]["after"] and "table endpoints" not in done["diff"]["before"]
    assert "done ahead" in done["message"] and "mlflow_ops_prepared" in tables(store)
    store.execute(f"INSERT INTO {table('experiments')} (name, lifecycle_stage) VALUES ('later', 'active')")
    ok(migrate(state="prepared"), changed=False)
    plan = ok(migrate(state="upgraded", check=True), changed=True)["plan"]
    assert sum(step["ahead"] for step in plan) == sum(step["online"] for step in plan) > 100
    ok(migrate(state="repaired"), changed=False)
    result = ok(migrate(state="upgraded"), changed=True)
    assert (result["state"], result["drift"]) == ("current", [])
    assert [step["revision"] for step in result["applied"]] == list(MIGRATIONS.between(BEFORE_TRIGGERS) or ())
    assert "mlflow_ops_prepared" not in tables(store)
    names = {name for (name,) in store.execute(f"SELECT name FROM {table('experiments')}")}
    assert {"kept", "later"} <= names
    ok(migrate(state="prepared"), changed=False)


def test_a_table_that_a_transaction_holds_is_left(store: MySQL, migrate: Migrate) -> None:
    ok(migrate(revision=BEFORE_TRIGGERS), changed=True)
    reader = store.root()
    try:
        with reader.cursor() as cursor:
            cursor.execute("START TRANSACTION")
            cursor.execute(f"SELECT COUNT(*) FROM {table('jobs')}", ())
            done = ok(migrate(state="prepared"), changed=True)
    finally:
        reader.close()
    # What refers to it needs it too.
    assert {one["statement"].split()[2] for one in done["left"]} == {"jobs", "job_locks"}
    assert {one["problem"] for one in done["left"]} == {"a transaction held the table all the time"}
    assert (done["state"], done["drift"]) == ("behind", [])
    # What is left is done the next time, or by the migrations.
    ok(migrate(state="upgraded"), changed=True)


def test_a_lower_revision_leaves_what_is_done_ahead(store: MySQL, migrate: Migrate) -> None:
    ok(migrate(revision=BEFORE_TRIGGERS), changed=True)
    ok(migrate(state="prepared"), changed=True)
    after = (MIGRATIONS.between(BEFORE_TRIGGERS) or ())[1]
    result = ok(migrate(state="upgraded", revision=after), changed=True)
    assert (result["state"], result["revision"], result["drift"]) == ("current", after, [])
    assert "later migrations are done ahead" in result["message"] and "mlflow_ops_prepared" in tables(store)
    result = ok(migrate(state="upgraded"), changed=True)
    assert (result["state"], result["drift"]) == ("current", []) and "mlflow_ops_prepared" not in tables(
        store
    )


def half_apply(
    server: MySQL, before: str = BEFORE_TRIGGERS, statements: int = 4
) -> schema_catalogue.Revision:
    """Execute the first statements of the migration after `before`, as MLflow does in a store without rows."""
    catalogue = schema_catalogue.load()
    entry = catalogue.revisions[catalogue.position(before) + 1]
    connection = server.root()
    try:
        connection.select_db(DATABASE)
        with connection.cursor() as cursor:
            for statement in entry.statements[:statements]:
                if not statement.data:
                    cursor.execute(statement.sql)
    finally:
        connection.close()
    return entry


def test_repair_what_an_upgrade_left(store: MySQL, migrate: Migrate) -> None:
    ok(migrate(revision=BEFORE_TRIGGERS), changed=True)
    ok(migrate(state="repaired"), changed=False)
    entry = half_apply(store)
    message = failed(migrate(state="upgraded"))
    assert "half_applied" in message and "use state repaired first" in message
    predicted = ok(migrate(state="repaired", check=True), changed=True)
    assert [step["revision"] for step in predicted["plan"]] == [entry.revision]
    result = ok(migrate(state="repaired"), changed=True)
    assert (result["state"], result["revision"], result["drift"]) == ("behind", entry.revision, [])
    ok(migrate(state="upgraded"), changed=True)


def test_repair_a_migration_that_compares_the_columns_it_finds(store: MySQL, migrate: Migrate) -> None:
    """It makes a column, and changes it later: after that it would refuse its own."""
    catalogue = schema_catalogue.load()
    number = catalogue.position("75868b020152")
    entry, before = catalogue.revisions[number], catalogue.revisions[number - 1].revision
    (changing,) = [n for n, one in enumerate(entry.statements) if " MODIFY is_numeric_value " in one.sql]
    ok(migrate(revision=before), changed=True)
    half_apply(store, before, changing + 1)
    result = ok(migrate(state="repaired"), changed=True)
    assert (result["revision"], result["drift"]) == (entry.revision, [])
    assert ok(migrate(state="upgraded"), changed=True)["state"] == "current"


RECORDS = """
import json, sys
open(sys.argv[1], "w").write(sys.stdin.read())
print(json.dumps({"name": "a backup"}))
"""
LOSES = """
import pymysql, sys
connection = pymysql.connect(user="root", password=open(sys.argv[1]).read(), unix_socket=sys.argv[2], autocommit=True)
connection.cursor().execute(sys.argv[3])
print("{\\"name\\": \\"a backup\\"}")
"""


@pytest.fixture
def guard(store: MySQL, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Options of a guard, and an account that works in the store as MLflow does."""
    store.execute("CREATE USER runtime IDENTIFIED BY %s", PASSWORD)
    store.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {PATTERN}.* TO runtime")
    root = tmp_path / "root"
    root.write_text(store.root_password)
    record = tmp_path / "point.json"
    yield {
        "login_user": "root",
        "login_password_files": [str(root)],
        "path": str(tmp_path / "write_lock.json"),
        "keep": [MIGRATOR],
        "point": [sys.executable, "-c", RECORDS, str(record)],
    }
    store.execute("RESET PERSIST IF EXISTS event_scheduler")
    store.execute("SET GLOBAL event_scheduler = ON")


def locked_out(server: MySQL) -> bool:
    return server.execute("SELECT account_locked FROM mysql.user WHERE user = 'runtime'") == [("Y",)]


def test_guarded_upgrade(store: MySQL, migrate: Migrate, guard: dict[str, Any], tmp_path: Path) -> None:
    """All in one: who writes is refused or disconnected, the way back is recorded, and all are let in again."""
    ok(migrate(revision=BEFORE_TRIGGERS), changed=True)
    store.execute(f"INSERT INTO {table('experiments')} (name, lifecycle_stage) VALUES ('kept', 'active')")
    before = content(store)
    session = store.login("runtime", PASSWORD)
    try:
        for check in (True, False):
            result = migrate(state="upgraded", guard=guard, check=check)
            assert "set mlflow_schema_disconnect: true" in failed(result) and result["reason"] == "write_lock"
            assert content(store) == before and not locked_out(store) and not Path(guard["path"]).exists()
        guard["disconnect"] = True
        plan = ok(migrate(state="upgraded", guard=guard, check=True), changed=True)
        assert plan["revision"] == HEAD and content(store) == before and not locked_out(store)
        result = ok(migrate(state="upgraded", guard=guard, extra_indexes=["runs"]), changed=True)
    finally:
        with contextlib.suppress(pymysql.err.MySQLError):
            session.close()
    assert (result["state"], result["drift"], result["point"]) == ("current", [], {"name": "a backup"})
    lock = result["write_lock"]
    assert lock["accounts"] == ["runtime@%"] and [one["user"] for one in lock["disconnected"]] == ["runtime"]
    assert (
        list(lock["parts"]) == ["lock", "count", "copy", "migrate", "verify", "open"] and lock["seconds"] > 0
    )
    recorded = json.loads((tmp_path / "point.json").read_text())
    assert (recorded["revision"], recorded["locked"]) == (BEFORE_TRIGGERS, ["runtime@%"])
    assert recorded["tables"][DATABASE]["experiments"] == len(before["experiments"][2])
    rows = {one["name"]: one["rows"] for one in result["schema"]["tables"]}
    assert rows["experiments"] == len(before["experiments"][2]) and result["schema"]["state"] == "current"
    assert [one["name"] for one in result["schema"]["extra_indexes"] if one["present"]] == ["runs"]
    store.login("runtime", PASSWORD).close()
    assert not locked_out(store) and not Path(guard["path"]).exists()
    # Nobody is locked out, or disconnected, for nothing.
    session = store.login("runtime", PASSWORD)
    try:
        for check in (True, False):
            again = ok(
                migrate(state="upgraded", guard={**guard, "disconnect": False}, check=check), changed=False
            )
            assert again["write_lock"] is None
    finally:
        session.close()


def test_guarded_upgrade_without_a_way_back(store: MySQL, migrate: Migrate, guard: dict[str, Any]) -> None:
    ok(migrate(revision=BEFORE_TRIGGERS), changed=True)
    before = content(store)
    for point, words in (
        (["false"], "false: it ended with 1"),
        (["/nowhere/program"], "/nowhere/program: No such file"),
        (["sh", "-c", 'echo \'{"problem": "the disk is full"}\'; exit 1'], "sh: the disk is full"),
    ):
        result = migrate(state="upgraded", guard={**guard, "point": point})
        assert words in failed(result) and "nothing was changed" in result["msg"]
        assert result["reason"] == "point" and content(store) == before and locked_out(store)
    # The next one goes on, and lets them in.
    ok(migrate(state="upgraded", guard={**guard, "point": []}), changed=True)
    assert not locked_out(store)


def test_guarded_upgrade_finds_lost_rows(store: MySQL, migrate: Migrate, guard: dict[str, Any]) -> None:
    ok(migrate(revision=BEFORE_TRIGGERS), changed=True)
    columns = "association_id, source_type, source_id, destination_type, destination_id"
    store.execute(
        f"INSERT INTO {table('entity_associations')} ({columns}) VALUES ('a', 'run', 'b', 'trace', 'c')"
    )
    loses = [sys.executable, "-c", LOSES, guard["login_password_files"][0], store.socket]
    statement = f"DELETE FROM {table('entity_associations').replace('%%', '%')}"
    result = migrate(state="upgraded", guard={**guard, "point": [*loses, statement]})
    assert "the number of rows changed, and no migration says why: entity_associations" in failed(result)
    assert (result["reason"], result["state"]) == ("interrupted", "current") and locked_out(store)


def test_guarded_upgrade_finishes_what_was_interrupted(
    store: MySQL, migrate: Migrate, guard: dict[str, Any]
) -> None:
    ok(migrate(revision=BEFORE_TRIGGERS), changed=True)
    half_apply(store)
    plan = ok(migrate(state="upgraded", guard=guard, check=True), changed=True)
    assert plan["state"] == "behind"
    result = ok(migrate(state="upgraded", guard=guard), changed=True)
    assert (result["state"], result["drift"]) == ("current", []) and not locked_out(store)


def test_guarded_upgrade_finishes_the_last_migration(
    store: MySQL, migrate: Migrate, guard: dict[str, Any]
) -> None:
    """With what comes after it: experiment 0 and indexes, of which none is lost."""
    before = list(MIGRATIONS.between(BEFORE_TRIGGERS) or ())[-2]
    ok(migrate(revision=before, extra_indexes=["runs"]), changed=True)
    entry = half_apply(store, before, 1)
    assert entry.revision == HEAD
    root = {"default_artifact_root": "/artifacts"}
    result = ok(migrate(state="upgraded", guard=guard, **root), changed=True)
    assert (result["state"], result["drift"], result["default_experiment"]) == ("current", [], "made")
    assert [step["revision"] for step in result["plan"]] == [HEAD]
    assert "revision " + before in result["diff"]["before"] and "revision " + HEAD in result["diff"]["after"]
    assert (result["made_indexes"], result["dropped_indexes"], present(result)) == ([], [], ["runs"])


def test_guarded_upgrade_that_lets_nobody_in(store: MySQL, migrate: Migrate, guard: dict[str, Any]) -> None:
    """It is upgraded all the same, and the next call lets them in."""
    ok(migrate(revision=BEFORE_TRIGGERS), changed=True)
    store.execute("CREATE USER caretaker@localhost IDENTIFIED BY %s", store.root_password)
    store.execute("GRANT ALL ON *.* TO caretaker@localhost WITH GRANT OPTION")
    guard.update(login_user="caretaker", keep=[MIGRATOR, "root"])
    loses = [sys.executable, "-c", LOSES, guard["login_password_files"][0], store.socket]
    point = [*loses, "ALTER USER caretaker@localhost ACCOUNT LOCK"]
    result = migrate(state="upgraded", guard={**guard, "point": point})
    assert "writers could not all be let in" in failed(result) and result["reason"] == "open"
    assert result["state"] == "current" and locked_out(store)
    assert json.loads(Path(guard["path"]).read_text())["opening"] is True
    store.execute("ALTER USER caretaker@localhost ACCOUNT UNLOCK")
    ok(migrate(state="upgraded", guard=guard, check=True), changed=True)
    assert locked_out(store)
    # Some may be in already: nobody is locked out or disconnected once more, and there is no way back to record.
    store.execute("ALTER USER runtime ACCOUNT UNLOCK")
    session = store.login("runtime", PASSWORD)
    try:
        ok(migrate(state="upgraded", guard={**guard, "disconnect": True, "point": ["false"]}), changed=True)
        session.ping(reconnect=False)
    finally:
        session.close()
    assert not locked_out(store) and not Path(guard["path"]).exists()


def test_a_store_that_cannot_be_upgraded_locks_nobody_out(
    store: MySQL, migrate: Migrate, guard: dict[str, Any]
) -> None:
    assert "use state initialised" in failed(migrate(state="upgraded", guard=guard))
    ok(migrate(revision=BEFORE_TRIGGERS), changed=True)
    half_apply(store)
    store.execute(f"ALTER TABLE {table('runs')} DROP COLUMN source_name")
    assert "nothing was changed" in failed(migrate(state="upgraded", guard=guard))
    assert not locked_out(store) and not Path(guard["path"]).exists()


def test_nobody_is_locked_out_for_nothing(
    store: MySQL, migrate: Migrate, guard: dict[str, Any], tmp_path: Path
) -> None:
    """An MLflow that does not start, and a state that takes no lock."""
    ok(migrate(revision=BEFORE_TRIGGERS), changed=True)
    assert "guard is for the states upgraded and converted" in failed(migrate(state="repaired", guard=guard))
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.write_text("#!/bin/sh\necho 'ImportError: no sqlalchemy' >&2\nexit 1\n")
    python.chmod(0o755)
    library = next(Path(VIRTUALENV, "lib").iterdir())
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / library.name).symlink_to(library)
    assert "no sqlalchemy" in failed(migrate(state="upgraded", guard=guard, virtualenv=str(tmp_path)))
    assert not locked_out(store) and not Path(guard["path"]).exists()


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"mlflow_version": "9.9.9"}, "MLflow 9.9.9 is not in the catalogue, which has 1.0.0 to"),
        ({"revision": "0123456789ab"}, "there is no revision 0123456789ab in the catalogue"),
        ({"mlflow_version": "3.18.0"}, "does not have revision f4a9b2c7d1e6"),
        ({"state": "upgraded"}, "use state initialised"),
    ],
)
def test_wishes_that_cannot_be(store: MySQL, migrate: Migrate, wish: dict[str, Any], words: str) -> None:
    assert words in failed(migrate(**wish))
    assert tables(store) == []


# Indexes beyond MLflow's own

EVERY = [one.name for one in extra_indexes.OFFERED]


def extra(server: MySQL) -> list[str]:
    """Those that are there, by their short names."""
    sql = "SELECT DISTINCT index_name FROM information_schema.statistics WHERE table_schema = %s AND index_name LIKE %s"
    prefix = extra_indexes.PREFIX
    found = {
        name[len(prefix) :] for (name,) in server.execute(sql, DATABASE, prefix.replace("_", "\\_") + "%")
    }
    return [name for name in EVERY if name in found]


def present(result: Result) -> list[str]:
    return [one["name"] for one in result["extra_indexes"] if one["present"]]


def test_extra_indexes_come_and_go(store: MySQL, migrate: Migrate) -> None:
    result = ok(migrate(extra_indexes=EVERY), changed=True)
    current(result, store)
    assert extra(store) == present(result) == result["made_indexes"] == EVERY
    for state in ("initialised", "indexed", "upgraded", "repaired"):
        # Without the option they are left as they are.
        for wish in ({"extra_indexes": EVERY}, {}):
            if wish or state != "indexed":
                result = ok(migrate(state=state, **wish), changed=False)
                assert present(result) == EVERY and result["drift"] == []
    before = content(store)
    left = EVERY[1:]
    predicted = ok(migrate(state="indexed", extra_indexes=left, check=True), changed=True)
    assert content(store) == before
    result = ok(migrate(state="indexed", extra_indexes=left), changed=True)
    assert extra(store) == left
    for one in (predicted, result):
        assert present(one) == left
        assert (one["made_indexes"], one["dropped_indexes"]) == ([], EVERY[:1])
        gone = set(one["diff"]["before"].splitlines()) - set(one["diff"]["after"].splitlines())
        assert gone == {extra_indexes.OFFERED[0].line}
    assert ok(migrate(state="indexed", extra_indexes=EVERY), changed=True)["made_indexes"] == EVERY[:1]
    ok(migrate(state="indexed", extra_indexes=[]), changed=True)
    assert extra(store) == []
    log_a_run(store)


def test_extra_indexes_are_out_of_the_way_of_migrations(store: MySQL, migrate: Migrate) -> None:
    ok(migrate(revision=BEFORE_TRIGGERS, extra_indexes=EVERY), changed=True)
    assert extra(store) == EVERY
    store.execute("SET GLOBAL log_output = 'TABLE'")
    store.execute("SET GLOBAL general_log = ON")
    try:
        result = ok(migrate(state="upgraded"), changed=True)
    finally:
        store.execute("SET GLOBAL general_log = OFF")
        store.execute("SET GLOBAL log_output = 'FILE'")
    current(result, store)
    assert extra(store) == present(result) == EVERY
    assert result["made_indexes"] == result["dropped_indexes"] == []
    sent = [
        str(text, "utf-8", "replace")
        for (text,) in store.execute(
            "SELECT argument FROM mysql.general_log WHERE command_type = 'Query' ORDER BY event_time"
        )
    ]
    store.execute("TRUNCATE mysql.general_log")
    (drops, makes, migrated) = (
        [number for number, text in enumerate(sent) if text.startswith(begin)]
        for begin in ("DROP INDEX mlflow_ops_", "CREATE INDEX mlflow_ops_", "UPDATE alembic_version")
    )
    assert len(drops) == len(makes) == len(EVERY)
    assert len(migrated) == len(result["applied"]) > 1
    assert max(drops) < min(migrated) < max(migrated) < min(makes)


def test_extra_index_with_another_definition(store: MySQL, migrate: Migrate) -> None:
    ok(migrate(), changed=True)
    name = extra_indexes.OFFERED[0].index
    store.execute(f"CREATE INDEX {name} ON {table('runs')} (status)")
    before = content(store)
    message = failed(migrate(state="indexed", extra_indexes=EVERY))
    assert "gets no indexes, nothing was changed: it is drifted" in message
    result = ok(migrate(extra_indexes=EVERY), changed=False)
    assert [(one["kind"], one["table"], one["name"], one["problem"]) for one in result["drift"]] == [
        ("index", "runs", name, "unexpected")
    ]
    assert content(store) == before


def test_extra_index_while_a_transaction_holds_the_table(store: MySQL, migrate: Migrate) -> None:
    ok(migrate(), changed=True)
    reader = store.root()
    try:
        with reader.cursor() as cursor:
            cursor.execute("START TRANSACTION")
            cursor.execute(f"SELECT COUNT(*) FROM {table('tags')}", ())
        message = failed(migrate(state="indexed", extra_indexes=["tags"], lock_timeout=1))
        assert "mlflow_ops_tags is as it was: a transaction has held tags for more than 1 s" in message
    finally:
        reader.close()
    assert extra(store) == []
    ok(migrate(state="indexed", extra_indexes=["tags"]), changed=True)
    assert extra(store) == ["tags"]


# MLflow's experiment 0

ROOTS = (
    *(
        "mlflow-artifacts:/",
        "s3://bucket",
        "s3://bucket/",
        "s3://bucket/a/path?endpoint=x",
        "/data/my runs",
        "/",
    ),
    *("file:///data/runs/", "hdfs://host:8020/a", "wasbs://c@a.blob.core.windows.net/p", "dbfs:/a#part"),
    *("mlflow-artifacts://host:5000/a/", "gs://bucket/é"),
)
# The real MLflow opens the store, as its server does; what is asked of it is on standard input.
REAL = """
import json, sys
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.uri import append_to_uri_path, resolve_uri_if_local
from sqlalchemy import text
asked = json.loads(sys.stdin.read())
store = SqlAlchemyStore(asked["uri"], asked["root"])
answer = {"locations": [append_to_uri_path(resolve_uri_if_local(root), "0") for root in asked["roots"]]}
with store.engine.connect() as connection:
    answer["modes"] = connection.execute(text("SELECT @@SESSION.sql_mode")).scalar()
try:
    run = store.create_run("0", "someone", 0, [], "n" * 251)
    answer["name"] = len(store.get_run(run.info.run_id).info.run_name)
except Exception as error:
    answer["error"] = str(error)
print(json.dumps(answer))
"""


def test_experiment_0_is_as_mlflow_makes_it(store: MySQL, migrate: Migrate, tmp_path: Path) -> None:
    database = "experiments"
    store.execute(f"CREATE DATABASE {database} COLLATE utf8mb4_0900_bin")
    store.execute(f"GRANT {RIGHTS} ON {database}.* TO %s@localhost", MIGRATOR)
    store.execute("CREATE USER runtime IDENTIFIED BY 'runtime-93b1'")
    store.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {database}.* TO runtime")
    about = {"database": database, "default_artifact_root": ROOTS[0]}

    def rows(what: str = "*") -> list[tuple[Any, ...]]:
        return store.execute(f"SELECT {what} FROM {database}.experiments ORDER BY experiment_id")

    def open_it() -> dict[str, Any]:
        uri = f"mysql+pymysql://runtime:runtime-93b1@127.0.0.1:{store.port}/{database}"
        asked = {"uri": uri, "root": ROOTS[0], "roots": ROOTS}
        done = subprocess.run(
            [sys.executable, "-c", REAL], input=json.dumps(asked), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout.splitlines()[-1]))

    predicted = ok(migrate(check=True, **about), changed=True)
    result = ok(migrate(**about), changed=True)
    assert predicted["default_experiment"] == result["default_experiment"] == "made"
    assert "+row experiments 0" not in json.dumps(predicted["diff"]["before"])
    assert all("row experiments 0 Default" in one["diff"]["after"] for one in (predicted, result))
    ours = rows()
    assert len(ours) == 1
    for more in ({}, {"state": "indexed", "extra_indexes": []}):
        for check in (True, False):
            again = ok(migrate(check=check, **about, **more), changed=False)
            assert again["default_experiment"] == "present"
    # MLflow finds it, leaves it alone, and what it writes is not cut.
    opened = open_it()
    assert rows() == ours
    assert "STRICT_TRANS_TABLES" in opened["modes"] and "1406" in opened["error"]
    assert opened["locations"] == [default_experiment.location(root) for root in ROOTS]
    # Without it MLflow makes the same row, and a connection that cuts: this is what it is for.
    store.execute(f"DELETE FROM {database}.experiments")
    found = migrate(state="indexed", extra_indexes=[], database=database)
    assert ok(found, changed=False)["default_experiment"] == "missing"
    opened = open_it()
    assert (opened["modes"], opened.get("name")) == ("", 250)
    times = {"creation_time", "last_update_time"}
    columns = [
        row[0]
        for row in store.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = %s"
            " AND table_name = 'experiments' ORDER BY ordinal_position",
            database,
        )
    ]
    theirs = dict(zip(columns, rows()[0]))
    mine = dict(zip(columns, ours[0]))
    assert {k: v for k, v in mine.items() if k not in times} == {
        k: v for k, v in theirs.items() if k not in times
    }
    for row in (mine, theirs):
        assert row["creation_time"] == row["last_update_time"]
        assert abs(row["creation_time"] / 1000 - time.time()) < 600
    # It is gone again, where it would be wanted and cannot be made, and where there are others.
    for name in ("tags", "runs"):
        store.execute(f"DELETE FROM {database}.{name}")
    store.execute(f"UPDATE {database}.experiments SET experiment_id = 5")
    taken = ok(migrate(state="indexed", extra_indexes=[], **about), changed=False)
    assert taken["default_experiment"] == "taken"
    store.execute(f"UPDATE {database}.experiments SET name = 'mine', lifecycle_stage = 'deleted'")
    assert ok(migrate(state="indexed", extra_indexes=[], check=True, **about), changed=True)
    made = ok(migrate(state="indexed", extra_indexes=[], **about), changed=True)
    assert made["default_experiment"] == "made"
    assert rows("experiment_id, name") == [(0, "Default"), (5, "mine")]
    # A deleted one is there.
    store.execute(f"UPDATE {database}.experiments SET lifecycle_stage = 'deleted'")
    assert ok(migrate(state="indexed", extra_indexes=[], **about), changed=False)


# The same with workspaces.
IN_WORKSPACES = """
import json, sys
from mlflow.store.tracking.sqlalchemy_workspace_store import WorkspaceAwareSqlAlchemyStore
from mlflow.utils.workspace_context import WorkspaceContext
from sqlalchemy import text
with WorkspaceContext("default"):
    store = WorkspaceAwareSqlAlchemyStore(sys.argv[1], "s3://bucket/a")
    with store.engine.connect() as connection:
        answer = {"modes": connection.execute(text("SELECT @@SESSION.sql_mode")).scalar()}
    try:
        run = store.create_run("0", "someone", 0, [], "n" * 251)
        answer["name"] = len(store.get_run(run.info.run_id).info.run_name)
    except Exception as error:
        answer["error"] = str(error)
print(json.dumps(answer))
"""


def test_experiment_0_with_workspaces(store: MySQL, migrate: Migrate) -> None:
    """Each process makes it again, so that one that is there is no help, and connections that are used once are."""
    database = "workspaces"
    store.execute(f"CREATE DATABASE {database} COLLATE utf8mb4_0900_bin")
    store.execute(f"GRANT {RIGHTS} ON {database}.* TO %s@localhost", MIGRATOR)
    store.execute("CREATE USER runtime IDENTIFIED BY 'runtime-93b1'")
    store.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {database}.* TO runtime")
    uri = f"mysql+pymysql://runtime:runtime-93b1@127.0.0.1:{store.port}/{database}"

    def start(**environment: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-c", IN_WORKSPACES, uri],
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "MLFLOW_ENABLE_WORKSPACES": "true",
                "MLFLOW_WORKSPACE_STORE_URI": uri,
                **environment,
            },
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def place() -> str:
        rows = store.execute(f"SELECT artifact_location FROM {database}.experiments WHERE experiment_id = 0")
        return str(rows[0][0])

    made = ok(migrate(database=database, default_artifact_root="s3://bucket/a"), changed=True)
    assert made["default_experiment"] == "made" and place() == "s3://bucket/a/0"
    found = start()
    assert (found["modes"], found.get("name")) == ("", 250)
    found = start(MLFLOW_SQLALCHEMYSTORE_POOLCLASS="NullPool")
    assert "STRICT_TRANS_TABLES" in found["modes"] and "1406" in found["error"]
    assert place() == "s3://bucket/a/0"
    store.execute(f"DELETE FROM {database}.tags")
    store.execute(f"DELETE FROM {database}.runs")
    store.execute(f"DELETE FROM {database}.experiments")
    start()
    assert place() == default_experiment.location("s3://bucket/a/workspaces/default")


@pytest.mark.parametrize(
    "root", ["./mlruns", "mlruns", "", "file:mlruns", "s3://b/?a=%2e%2e", "/" + "x" * 260]
)
def test_artifact_roots_that_cannot_be(store: MySQL, migrate: Migrate, root: str) -> None:
    message = failed(migrate(default_artifact_root=root))
    assert message.startswith(f"default_artifact_root is {root!r}: ") and "nothing was changed" in message
    assert tables(store) == []


@pytest.mark.parametrize(
    ("version", "columns", "others", "expected"),
    [
        ("1.13.1", 4, [], "made"),
        ("2.9.2", 6, [], "made"),
        # An old MLflow does not make it beside others.
        ("2.22.4", 6, [(3, "mine")], "present"),
        ("3.4.0", 6, [(3, "mine")], "made"),
    ],
)
def test_experiment_0_of_an_old_store(
    store: MySQL,
    migrate: Migrate,
    version: str,
    columns: int,
    others: list[tuple[int, str]],
    expected: str,
) -> None:
    """Its columns come and go with the revision. Only the table is made here."""
    catalogue = schema_catalogue.load()
    revision = catalogue.releases[version]
    lines = catalogue.schema(revision)
    names = sorted(default_experiment.columns(LiveSchema(lines)))
    known = {"experiment_id": "INT AUTO_INCREMENT PRIMARY KEY", "name": "VARCHAR(256)"}
    made = [f"{name} {known.get(name, 'VARCHAR(256)')}" for name in names]
    store.execute(f"CREATE TABLE {table('experiments')} ({', '.join(made)})")
    for number, name in others:
        store.execute(f"INSERT INTO {table('experiments')} (experiment_id, name) VALUES ({number}, '{name}')")
    connection = store.root()
    live = LiveSchema(lines)
    try:
        found = default_experiment.look(connection, DATABASE, live, catalogue, revision)
        assert found == {"made": "missing"}.get(expected, expected)
        if found == "missing":
            default_experiment.make(connection, DATABASE, live, "s3://bucket/a")
            default_experiment.make(connection, DATABASE, live, "s3://bucket/again")
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@SESSION.sql_mode = @@GLOBAL.sql_mode")
            assert cursor.fetchone() == (1,)
    finally:
        connection.close()
    assert len(names) == columns
    row = store.execute(f"SELECT artifact_location FROM {table('experiments')} WHERE experiment_id = 0")
    assert row == ([("s3://bucket/a/0",)] if expected == "made" else [])


# One character set, collation and row format

CHARSETS = [
    ("2.9.2", "latin1_swedish_ci", "COMPACT"),
    ("2.9.2", "utf8mb3_general_ci", "REDUNDANT"),
    ("2.9.2", "utf8mb4_0900_ai_ci", "COMPRESSED"),
    ("3.5.1", "utf8mb4_general_ci", "DYNAMIC"),
]


def old_store(server: MySQL, version: str, collation: str, row_format: str) -> str:
    """Tables of an old MLflow, from the catalogue's own statements, with rows, in a collation and a row format.

    Returns the revision.
    """
    catalogue = schema_catalogue.load()
    revision = catalogue.releases[version]
    server.execute(f"ALTER DATABASE {quoted(DATABASE)} COLLATE {collation}")
    server.execute(
        "SET GLOBAL innodb_default_row_format = " + ("compact" if row_format == "COMPACT" else "dynamic")
    )
    connection = server.root()
    try:
        connection.select_db(DATABASE)
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION innodb_strict_mode = OFF")
            for entry in catalogue.revisions[: catalogue.position(revision) + 1]:
                for statement in entry.statements:
                    if not statement.data:
                        cursor.execute(statement.sql)
            cursor.execute(f"INSERT INTO alembic_version VALUES ('{revision}')")
            cursor.execute("SHOW FULL TABLES WHERE table_type = 'BASE TABLE'")
            for name, _kind in list(cursor.fetchall()):
                if row_format in ("REDUNDANT", "COMPRESSED"):
                    # Some keys have no room there.
                    with contextlib.suppress(pymysql.err.OperationalError):
                        cursor.execute(f"ALTER TABLE {name} ROW_FORMAT={row_format}")
            cursor.execute(
                "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage)"
                " VALUES (7, 'Größe', 's3://b/é', 'active')"
            )
            cursor.execute(
                "INSERT INTO runs (run_uuid, experiment_id, status, lifecycle_stage)"
                " VALUES ('r', 7, 'RUNNING', 'active')"
            )
            cursor.execute("INSERT INTO params VALUES ('Loss', %s, 'r'), ('x', 'ü', 'r')", ("é" * 250,))
            cursor.execute(
                "INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source,"
                " dataset_schema, dataset_profile) VALUES ('d', 7, 'n', 'g', 't', %s, %s, %s)",
                ("s" * 60000, "é" * 30000, "p" * 100000),
            )
    finally:
        connection.close()
        server.execute("SET GLOBAL innodb_default_row_format = DEFAULT")
    return revision


@pytest.mark.parametrize(("version", "collation", "row_format"), CHARSETS)
def test_convert(store: MySQL, migrate: Migrate, version: str, collation: str, row_format: str) -> None:
    revision = old_store(store, version, collation, row_format)
    values = "SELECT p.value, e.name, d.dataset_source, d.dataset_schema, d.dataset_profile FROM "
    values += f"{table('params')} p, {table('experiments')} e, {table('datasets')} d ORDER BY 1"
    before = store.execute(values)
    wish: dict[str, Any] = {"state": "converted", "mlflow_version": MLFLOW}
    predicted = ok(migrate(check=True, **wish), changed=True)
    unchanged = store.execute(f"SHOW CREATE TABLE {table('datasets')}")
    assert "utf8mb4_0900_bin" not in unchanged[0][1]
    if row_format == "COMPACT":
        # By hand, to the letter.
        connection = store.root()
        for statement in predicted["statements"]:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        connection.close()
    else:
        result = ok(migrate(**wish), changed=True)
        assert result["statements"] == predicted["statements"]
        assert (result["state"], result["drift"]) == ("behind", [])
    again = ok(migrate(**wish), changed=False)
    assert (again["state"], again["revision"], again["drift"]) == ("behind", revision, [])
    assert store.execute(values) == before
    definition = store.execute(f"SHOW CREATE TABLE {table('datasets')}")[0][1]
    assert "`dataset_source` text" in definition and "`dataset_profile` mediumtext" in definition
    assert store.execute(
        "SELECT DISTINCT table_collation, row_format FROM information_schema.tables WHERE table_schema = %s"
        " AND table_type = 'BASE TABLE'",
        DATABASE,
    ) == [("utf8mb4_0900_bin", "Dynamic")]
    assert store.execute(
        "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema = %s AND collation_name IS NOT NULL"
        " AND collation_name NOT IN ('utf8mb4_0900_bin', 'utf8mb4_bin')",
        DATABASE,
    ) == [(0,)]


def test_convert_what_cannot_be(store: MySQL, migrate: Migrate, tmp_path: Path) -> None:
    """What would stop it half-way, or lose a reference, is counted before, and nothing is changed."""
    old_store(store, "2.9.2", "latin1_swedish_ci", "DYNAMIC")
    store.execute(f"UPDATE {table('datasets')} SET dataset_source = %s", "é" * 60000)
    store.execute(f"UPDATE {table('params')} SET run_uuid = 'R' WHERE `key` = 'x'")
    store.execute(f"UPDATE {table('params')} SET value = CONVERT(CONVERT('ü' USING utf8mb4) USING binary)")
    store.execute("CREATE DATABASE other COLLATE latin1_swedish_ci")
    store.execute(
        f"CREATE TABLE other.mine (r VARCHAR(32), CONSTRAINT f FOREIGN KEY (r) REFERENCES {table('runs')} (run_uuid))"
    )
    for check in (True, False):
        message = failed(migrate(check=check, state="converted", mlflow_version=MLFLOW))
        assert "cannot be converted, nothing was changed" in message
        assert "1 values of datasets.dataset_source are longer than the 65535 bytes" in message
        assert "1 rows of params spell run_uuid otherwise than runs" in message
    # Other databases are for the administrator to see.
    secret = tmp_path / "root"
    secret.write_text(store.root_password)
    by_root = {"login_user": "root", "login_password_files": [str(secret)]}
    message = failed(migrate(check=True, state="converted", mlflow_version=MLFLOW, **by_root))
    assert "DROP FOREIGN KEY `f`" in message
    assert "latin1" in store.execute(f"SHOW CREATE TABLE {table('params')}")[0][1]
    store.execute(f"UPDATE {table('datasets')} SET dataset_source = ''")
    store.execute(f"UPDATE {table('params')} SET run_uuid = 'r'")
    store.execute("DROP DATABASE other")
    message = failed(migrate(state="converted", mlflow_version=MLFLOW, collation="utf8mb4_0900_ai_ci"))
    assert "tells upper and lower case apart" in message
    result = ok(migrate(state="converted", mlflow_version=MLFLOW, collation="utf8mb4_bin"), changed=True)
    assert result["misread"] == ["2 values of params.value"]
    assert store.execute(f"SELECT DISTINCT value FROM {table('params')}") == [("Ã¼",)]
    # By hand too large already, as CONVERT TO leaves them.
    store.execute(f"ALTER TABLE {table('datasets')} MODIFY dataset_source MEDIUMTEXT NOT NULL")
    result = ok(migrate(state="converted", mlflow_version=MLFLOW), changed=True)
    assert len(result["statements"]) == 3 and result["state"] == "behind"


def test_convert_what_a_collation_merges(store: MySQL, migrate: Migrate) -> None:
    """utf8mb4_bin leaves spaces at the end out of account, utf8mb4_0900_bin does not: keys, and references."""
    old_store(store, "2.9.2", "utf8mb4_0900_ai_ci", "DYNAMIC")
    store.execute(f"INSERT INTO {table('params')} VALUES ('x ', 'v', 'r')")
    wish: dict[str, Any] = {"state": "converted", "mlflow_version": MLFLOW}
    message = failed(migrate(**wish, collation="utf8mb4_bin"))
    assert "1 rows of params differ from another one in key, run_uuid in a way that utf8mb4_bin" in message
    assert "nothing was changed" in message
    definition = store.execute(f"SHOW CREATE TABLE {table('params')}")[0][1]
    assert "utf8mb4_bin" not in definition and "utf8mb4_0900_bin" not in definition
    store.execute(f"DELETE FROM {table('params')} WHERE `key` = 'x '")
    ok(migrate(**wish, collation="utf8mb4_bin"), changed=True)
    # There `r ` refers to `r`.
    store.execute(f"UPDATE {table('params')} SET run_uuid = 'r ' WHERE `key` = 'x'")
    message = failed(migrate(**wish, collation="utf8mb4_0900_bin"))
    assert "1 rows of params spell run_uuid otherwise than runs" in message
    store.execute(f"UPDATE {table('params')} SET run_uuid = 'r'")
    ok(migrate(**wish, collation="utf8mb4_0900_bin"), changed=True)


def test_convert_beside_another_database(store: MySQL, migrate: Migrate) -> None:
    """A foreign key from here to there is as one from there to here."""
    old_store(store, "2.9.2", "latin1_swedish_ci", "DYNAMIC")
    store.execute("CREATE DATABASE other COLLATE latin1_swedish_ci")
    store.execute("CREATE TABLE other.people (name VARCHAR(256) PRIMARY KEY)")
    store.execute("INSERT INTO other.people VALUES ('')")
    store.execute(f"UPDATE {table('runs')} SET user_id = ''")
    store.execute(f"GRANT SELECT, REFERENCES ON other.* TO {MIGRATOR}@localhost")
    store.execute(
        f"ALTER TABLE {table('runs')} ADD CONSTRAINT f FOREIGN KEY (user_id) REFERENCES other.people (name)"
    )
    message = failed(migrate(state="converted", mlflow_version=MLFLOW))
    assert (
        "refers to other.people (name) with the foreign key f" in message and "nothing was changed" in message
    )
