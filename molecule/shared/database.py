# SPDX-License-Identifier: Apache-2.0
"""Look at a store, and do to it what people and accidents do, as root through the socket on the host.

usage: database.py HOME checksums                    the number of rows and a checksum of every table, as JSON: of
                                                     the tables and columns that were there when it was first asked
       database.py HOME sql STATEMENT...             run statements, print the rows of the last as JSON
       database.py HOME metrics RUN_ID NUMBER        add NUMBER metrics to a run
       database.py HOME sever USER REVISION          kill USER's sessions once the store is past REVISION
       database.py HOME hold USER REVISION SECONDS   once USER migrates past REVISION, hold up the migration so long,
                                                     and print a line when it is
       database.py HOME login                        log in as MLflow's user, print the error's number or 0
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import pymysql

DATABASE = "mlflow"
COLUMNS = "/root/columns.json"


def connect(home: str) -> Any:
    with open(f"{home}/secrets/root_password", "rb") as file:
        password = file.read().rstrip(b"\n")
    return pymysql.connect(
        unix_socket=f"{home}/run/mysqld.sock",
        user="root",
        password=password,
        database=DATABASE,
        autocommit=True,
    )


def sql(connection: Any, statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def checksums(connection: Any) -> dict[str, Any]:
    # What an upgrade does ahead of its migrations stays when it fails, and has no part in this.
    if not os.path.exists(COLUMNS):
        found: dict[str, list[str]] = {}
        for table, column in sql(
            connection,
            "SELECT table_name, column_name FROM information_schema.columns"
            f" WHERE table_schema = '{DATABASE}' ORDER BY table_name, ordinal_position",
        ):
            found.setdefault(table, []).append(column)
        with open(COLUMNS, "w", encoding="utf-8") as file:
            json.dump(found, file)
    with open(COLUMNS, encoding="utf-8") as file:
        known: dict[str, list[str]] = json.load(file)
    sums = {}
    for table, columns in known.items():
        row = ", ".join(f"IFNULL(HEX(CAST(`{name}` AS BINARY)), 'NULL')" for name in columns)
        sums[table] = [
            int(number)
            for number in sql(
                connection, f"SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS(',', {row}))) FROM `{table}`"
            )[0]
        ]
    return sums


def add_metrics(connection: Any, run_id: str, number: int) -> None:
    sql(connection, f"SET SESSION cte_max_recursion_depth = {number + 1}")
    sql(
        connection,
        "INSERT INTO metrics (`key`, value, timestamp, run_uuid, step, is_nan)"
        f" WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < {number})"
        f" SELECT CONCAT('many', i % 20), i / 3, 1700000000000 + i, '{run_id}', i, 0 FROM n",
    )


def migrating(home: str, user: str, revision: str) -> tuple[Any, int]:
    """Wait for a migration past `revision`. Return a connection, and the number of its session."""
    connection, passed = None, False
    while True:
        try:
            connection = connection or connect(home)
            (now,) = sql(connection, "SELECT version_num FROM alembic_version")[0]
            passed = passed or now == revision
            sessions = sql(connection, f"SELECT id FROM information_schema.processlist WHERE user = '{user}' AND"
                           " info LIKE 'ALTER%'") if passed else []  # fmt: skip
            for (session,) in sessions:
                return connection, session
        except (pymysql.err.MySQLError, IndexError):
            # It is down while the store is put back, and so it may be at first.
            connection = None
        time.sleep(0.001)


def sever(home: str, user: str, revision: str) -> None:
    connection, session = migrating(home, user, revision)
    sql(connection, f"KILL {session}")


def hold(home: str, user: str, revision: str, seconds: float) -> None:
    """Keep every migration from noting that it has ended."""
    connection, _session = migrating(home, user, revision)
    # Locks on gaps would make a deadlock with the migration, that moves the row. Without them the row can be missed.
    sql(connection, "SET SESSION transaction_isolation = 'READ-COMMITTED'")
    connection.begin()
    while not sql(connection, "SELECT version_num FROM alembic_version FOR UPDATE"):
        pass
    print("held", flush=True)
    time.sleep(seconds)
    connection.rollback()


def login(home: str) -> int:
    with open(f"{home}/secrets/container/mysql_password", "rb") as file:
        password = file.read().rstrip(b"\n")
    try:
        pymysql.connect(
            host="127.0.0.1",
            user="mlflowusr",
            password=password,
            database=DATABASE,
            ssl={"ca": f"{home}/tls/ca.pem", "check_hostname": False},
        ).close()
    except pymysql.err.MySQLError as error:
        return int(error.args[0])
    return 0


def main() -> None:
    home, action, *rest = sys.argv[1:]
    # The server may be down for these.
    if action == "login":
        print(login(home))
        return
    if action == "sever":
        sever(home, rest[0], rest[1])
        return
    if action == "hold":
        hold(home, rest[0], rest[1], float(rest[2]))
        return
    connection = connect(home)
    if action == "checksums":
        print(json.dumps(checksums(connection), sort_keys=True))
    elif action == "sql":
        for statement in rest:
            rows = sql(connection, statement)
        print(json.dumps(rows, default=str))
    elif action == "metrics":
        add_metrics(connection, rest[0], int(rest[1]))


if __name__ == "__main__":
    main()
