# SPDX-License-Identifier: GPL-3.0-or-later
"""mlflow_mysql_group and mlflow_mysql_group_info on two real servers that become a group."""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
    catalogue as schema_catalogue,
)
from conftest import MySQL, Result, RunModule, docker, free_port, wait_for_login
from default_versions import MYSQL_IMAGE

MODULE, INFO = "mlflow_mysql_group", "mlflow_mysql_group_info"
USER, PASSWORD = "mlflow_group", "Canary-%s-'\"\\ é"
RIGHTS = "REPLICATION SLAVE, CONNECTION_ADMIN, BACKUP_ADMIN, GROUP_REPLICATION_STREAM"
NAME = "mlflow-ops-test-group"


@dataclass(frozen=True)
class Pair:
    """Two servers that are configured for one group, and what the module is told of it."""

    servers: dict[str, MySQL]
    addresses: dict[str, str]
    directory: Path

    def options(self, host: str, state: str, **more: Any) -> dict[str, Any]:
        server, other = self.servers[host], "a" if host == "b" else "b"
        return server.options(
            login_host="127.0.0.1",
            # After a copy root has the password of the server that was copied.
            login_password_files=[str(self.directory / "a/root"), str(self.directory / "b/root")],
            state=state,
            user=USER,
            password_file=str(self.directory / "password"),
            source=self.addresses[other],
            source_ca_cert=str(self.directory / f"{other}.pem"),
            source_check_hostname=False,
            timeout=90,
            **more,
        )


def ok(result: Result, changed: bool) -> Result:
    assert not result.failed, result["msg"]
    assert result["changed"] is changed
    assert PASSWORD not in result.output
    return result


def names(info: Result) -> list[str]:
    return [one["name"] for one in info["blockers"]]


def failed(result: Result) -> str:
    assert result.failed, result.output
    return str(result["msg"])


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    directory = Path(tempfile.mkdtemp(prefix="group-", dir="/tmp"))
    (directory / "password").write_text(PASSWORD + "\n")
    name = f"{NAME}-{secrets.token_hex(4)}"
    containers: list[str] = []
    docker("network", "create", name)
    try:
        servers: dict[str, MySQL] = {}
        addresses: dict[str, str] = {}
        for number, host in enumerate("ab", 1):
            run = directory / host
            run.mkdir()
            directory.chmod(0o755)
            run.chmod(0o777)
            password = "root-Canary-1-" + secrets.token_hex(4)
            (run / "root").write_text(password)
            (run / "root").chmod(0o444)
            port = free_port()
            container = docker(
                *(
                    "run",
                    "--detach",
                    "--restart",
                    "unless-stopped",
                    "--network",
                    name,
                    "--name",
                    f"{name}-{host}",
                ),
                *("--hostname", f"{host}.member", "--network-alias", f"{host}.member"),
                *("--volume", f"{run}:/var/run/mysqld", "--publish", f"127.0.0.1:{port}:3306"),
                *(
                    "--env",
                    "MYSQL_ROOT_PASSWORD_FILE=/var/run/mysqld/root",
                    "--env",
                    "MYSQL_ROOT_HOST=localhost",
                ),
                *(MYSQL_IMAGE, "mysqld", f"--server-id={number}", "--gtid-mode=ON", "--mysqlx=OFF"),
                *("--enforce-gtid-consistency=ON", "--plugin-load-add=mysql_clone.so"),
                *("--plugin-load-add=group_replication.so", "--innodb-redo-log-capacity=16M"),
                "--loose-group-replication-group-name=aaaaaaaa-0000-4000-8000-000000000000",
                *(
                    "--loose-group-replication-start-on-boot=OFF",
                    "--loose-group-replication-ssl-mode=REQUIRED",
                ),
                *("--loose-group-replication-communication-stack=MYSQL", "--skip-name-resolve"),
                f"--loose-group-replication-local-address={host}.member:3306",
                "--loose-group-replication-group-seeds=a.member:3306,b.member:3306",
                "--loose-group-replication-recovery-use-ssl=ON",
            )
            containers.append(container)
            template = '{{(index .NetworkSettings.Networks "' + name + '").IPAddress}}'
            addresses[host] = docker("inspect", "--format", template, container)
            servers[host] = MySQL(container, port, f"{run}/mysqld.sock", password)
        for server in servers.values():
            wait_for_login(server)
        # The authorities that MySQL makes all have one name, so that they cannot be in one file.
        for host, container in zip("ab", containers):
            authority = docker("exec", container, "cat", "/var/lib/mysql/ca.pem")
            (directory / f"{host}.pem").write_text(authority + "\n")
        yield Pair(servers, addresses, directory)
    finally:
        for container in containers:
            docker("rm", "--force", "--volumes", container)
        docker("network", "rm", name)
        shutil.rmtree(directory, ignore_errors=True)


def make_accounts(server: MySQL) -> None:
    server.execute("CREATE USER %s@%s IDENTIFIED BY %s REQUIRE SSL", USER, "%", PASSWORD)
    server.execute(f"GRANT {RIGHTS} ON *.* TO %s@%s", USER, "%")
    server.execute("CREATE DATABASE mlflow")
    server.execute("CREATE TABLE mlflow.runs (id INT PRIMARY KEY)")
    server.execute("INSERT INTO mlflow.runs VALUES (1)")


def test_a_server_that_is_not_for_a_group_is_refused(mysql: MySQL, run_module: RunModule) -> None:
    info = ok(run_module(INFO, mysql.options()), changed=False)
    assert info["group"]["state"] == "OFFLINE"
    assert info["group"]["group_name"] == ""
    message = failed(run_module(MODULE, mysql.options(state="left")))
    assert "set mlflow_mysql_group and run playbooks/deploy_group.yml" in message


def test_no_server_at_all(run_module: RunModule, tmp_path: Path) -> None:
    options = {"login_unix_socket": str(tmp_path / "none.sock"), "login_password": "x"}
    assert "cannot reach a MySQL server" in failed(run_module(INFO, options))
    assert ok(run_module(INFO, {**options, "missing_ok": True}), changed=False)["answers"] is False


def test_a_group_from_its_beginning(pair: Pair, run_module: RunModule) -> None:
    first, second = pair.servers["a"], pair.servers["b"]
    make_accounts(first)
    begin = pair.options("a", "bootstrapped")
    ok(run_module(MODULE, begin, check=True), changed=True)
    assert run_module(INFO, first.options())["group"]["was_member"] is False
    begun = ok(run_module(MODULE, begin), changed=True)
    assert (begun["group"]["state"], begun["group"]["role"]) == ("ONLINE", "PRIMARY")
    ok(run_module(MODULE, begin), changed=False)

    join = pair.options("b", "joined")
    ok(run_module(MODULE, join, check=True), changed=True)
    joined = ok(run_module(MODULE, join), changed=True)
    assert joined["cloned"] is True
    object.__setattr__(second, "root_password", first.root_password)
    assert second.execute("SELECT id FROM mlflow.runs") == [(1,)]
    again = ok(run_module(MODULE, join), changed=False)
    assert again["cloned"] is False
    assert again["group"]["starts_on_boot"] is True

    ok(run_module(MODULE, pair.options("b", "primary")), changed=True)
    ok(run_module(MODULE, pair.options("b", "primary")), changed=False)
    assert run_module(INFO, first.options())["group"]["role"] == "SECONDARY"

    ok(run_module(MODULE, pair.options("a", "left")), changed=True)
    ok(run_module(MODULE, pair.options("a", "left")), changed=False)
    message = failed(run_module(MODULE, pair.options("a", "primary")))
    assert "only one that is online can be the primary" in message
    message = failed(run_module(MODULE, begin))
    assert "has been a member of the group before" in message

    # What only this server has is not thrown away.
    first.execute("SET GLOBAL super_read_only = OFF")
    first.execute("SET GLOBAL read_only = OFF")
    first.execute("INSERT INTO mlflow.runs VALUES (2)")
    message = failed(run_module(MODULE, pair.options("a", "joined")))
    assert "transactions that the group has not" in message
    assert "mlflow_replication_discard" in message
    assert first.execute("SELECT id FROM mlflow.runs") == [(1,), (2,)]
    back = ok(run_module(MODULE, pair.options("a", "joined", discard=True)), changed=True)
    assert back["cloned"] is True
    assert first.execute("SELECT id FROM mlflow.runs") == [(1,)]

    # What it merely missed is brought, without a copy.
    ok(run_module(MODULE, pair.options("a", "left")), changed=True)
    second.execute("INSERT INTO mlflow.runs VALUES (3)")
    back = ok(run_module(MODULE, pair.options("a", "joined")), changed=True)
    assert back["cloned"] is False
    assert first.execute("SELECT id FROM mlflow.runs") == [(1,), (3,)]


def test_a_group_that_begins_again_with_one_that_was_by_itself(pair: Pair, run_module: RunModule) -> None:
    first, second = pair.servers["a"], pair.servers["b"]
    # The second has a transaction that is lost, with the number that the group gives next.
    ok(run_module(MODULE, pair.options("a", "left")), changed=True)
    second.execute("INSERT INTO mlflow.runs VALUES (4)")
    ok(run_module(MODULE, pair.options("b", "left")), changed=True)

    alone = pair.options("a", "alone")
    ok(run_module(MODULE, alone, check=True), changed=True)
    found = ok(run_module(MODULE, alone), changed=True)["group"]
    assert (found["state"], found["read_only"], found["starts_on_boot"]) == ("OFFLINE", False, False)
    ok(run_module(MODULE, alone), changed=False)
    first.execute("INSERT INTO mlflow.runs VALUES (5)")

    before = found["group_name"]
    begun = ok(run_module(MODULE, pair.options("a", "bootstrapped", force=True)), changed=True)
    assert begun["group"]["group_name"] != before
    for number in range(6, 12):
        first.execute("INSERT INTO mlflow.runs VALUES (%s)", number)
    message = failed(run_module(MODULE, pair.options("b", "joined")))
    assert "transactions that the group has not" in message

    joined = ok(run_module(MODULE, pair.options("b", "joined", discard=True)), changed=True)
    assert (joined["cloned"], joined["group"]["group_name"]) == (True, begun["group"]["group_name"])
    assert (4,) not in second.execute("SELECT id FROM mlflow.runs")
    assert (11,) in second.execute("SELECT id FROM mlflow.runs")

    # What it misses is not in the first one's log any more.
    ok(run_module(MODULE, pair.options("b", "left")), changed=True)
    first.execute("INSERT INTO mlflow.runs VALUES (12)")
    first.execute("FLUSH BINARY LOGS")
    first.execute("PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY")
    joined = ok(run_module(MODULE, pair.options("b", "joined")), changed=True)
    assert joined["cloned"] is True
    assert (12,) in second.execute("SELECT id FROM mlflow.runs")


def test_a_new_password_of_the_members(pair: Pair, run_module: RunModule) -> None:
    """Which they use from the next time on that they log into one another."""
    first = pair.servers["a"]
    first.execute("ALTER USER %s@%s IDENTIFIED BY %s RETAIN CURRENT PASSWORD", USER, "%", "other-" + PASSWORD)
    (pair.directory / "password").write_text("other-" + PASSWORD + "\n")
    for host in "ab":
        join = pair.options(host, "joined")
        ok(run_module(MODULE, join, check=True), changed=True)
        ok(run_module(MODULE, join), changed=True)
        ok(run_module(MODULE, join), changed=False)
    first.execute("ALTER USER %s@%s DISCARD OLD PASSWORD", USER, "%")
    ok(run_module(MODULE, pair.options("b", "left")), changed=True)
    ok(run_module(MODULE, pair.options("b", "joined")), changed=True)


def test_a_migration_whose_transaction_the_group_would_refuse(pair: Pair, run_module: RunModule) -> None:
    """The next one writes a tag for each run, whose size is taken for what it is at most."""
    server = next(
        one for one in pair.servers.values() if run_module(INFO, one.options())["group"]["role"] == "PRIMARY"
    )
    catalogue = schema_catalogue.load()
    connection = server.root()
    with connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE store COLLATE utf8mb4_0900_bin")
        cursor.execute("USE store")
        *before, migration = catalogue.revisions[:3]
        for statement in [one.sql for entry in before for one in entry.statements]:
            cursor.execute(statement)
        cursor.execute("INSERT INTO alembic_version VALUES (%s)", (before[-1].revision,))
        cursor.execute("INSERT INTO experiments (experiment_id, name) VALUES (1, 'e')")
        runs = [(f"{n:032}", "u" * 250, 1) for n in range(1000)]
        cursor.executemany("INSERT INTO runs (run_uuid, user_id, experiment_id) VALUES (%s, %s, %s)", runs)
        cursor.execute("ANALYZE TABLE runs")
        tags = "INSERT INTO tags (`key`, value, run_uuid) SELECT 'mlflow.user', user_id, run_uuid FROM runs"
        cursor.execute("SELECT @@group_replication_transaction_size_limit")
        ((usual,),) = cursor.fetchall()
        wanted = {**server.options(), "database": "store"}
        wanted["mlflow_version"] = catalogue.first_release(migration.revision)
        assert "transaction_size" not in names(run_module("mlflow_schema_info", wanted))

        cursor.execute("SET GLOBAL group_replication_transaction_size_limit = 200000")
        with pytest.raises(pymysql.err.MySQLError) as refused:
            cursor.execute(tags)
        assert refused.value.args[0] == 3100
        info = run_module("mlflow_schema_info", wanted)
        found = next(one for one in info["blockers"] if one["name"] == "transaction_size")
        assert found["severity"] == "error"
        assert f"(error 3100): {migration.revision} up to" in found["message"]
        message = failed(
            run_module("mlflow_schema", {**wanted, "state": "upgraded", "virtualenv": sys.prefix})
        )
        assert "(transaction_size) a migration changes more rows in one transaction" in message
        cursor.execute("SELECT COUNT(*) FROM tags")
        assert cursor.fetchall() == ((0,),)

        # The remedy, to the letter.
        cursor.execute(found["remedy"][found["remedy"].index("SET GLOBAL") :].partition(" (")[0])
        assert "transaction_size" not in names(run_module("mlflow_schema_info", wanted))
        cursor.execute(tags)
        cursor.execute(f"SET GLOBAL group_replication_transaction_size_limit = {usual}")
    # An account that may not see whether the server is in its group is told so.
    server.execute("CREATE USER migrator@localhost IDENTIFIED BY 'Canary-migrator-1'")
    server.execute("GRANT ALL ON store.* TO migrator@localhost")
    server.execute("SET GLOBAL group_replication_transaction_size_limit = 200000")
    login = {"login_user": "migrator", "login_password": "Canary-migrator-1"}
    info = run_module("mlflow_schema_info", {**wanted, **login})
    found = next(one for one in info["schema_warnings"] if one["name"] == "transaction_size")
    assert (found["severity"], "could not be seen" in found["message"]) == ("warning", True)
    server.execute(f"SET GLOBAL group_replication_transaction_size_limit = {usual}")
    # By itself the server takes any transaction.
    server.execute("STOP GROUP_REPLICATION")
    assert "transaction_size" not in names(run_module("mlflow_schema_info", wanted))
