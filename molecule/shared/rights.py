# SPDX-License-Identifier: Apache-2.0
"""Assert, over TCP, what MLflow's user may do in the store of MLFLOW_TRACKING_URI, and that others may not log in."""

from __future__ import annotations

import os
import re
from typing import Any

import pymysql
from sqlalchemy.engine import make_url

url = make_url(os.environ["MLFLOW_TRACKING_URI"])
where: dict[str, Any] = {"host": url.host, "port": url.port}
connection = pymysql.connect(user=url.username, password=url.password or "", database=url.database, **where)
with connection.cursor() as cursor:
    cursor.execute("SHOW GRANTS")
    grants = [row[0] for row in cursor.fetchall()]
    cursor.execute("SELECT CURRENT_USER()")
    host = cursor.fetchone()[0].rpartition("@")[2]
    assert re.match(r"[0-9.]+/[0-9]+$", host), host
    assert grants[1:] == [
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON `{url.database}`.* TO `{url.username}`@`{host}`"
    ], grants
    for statement in (
        "CREATE TABLE t (i int PRIMARY KEY)",
        "ALTER TABLE runs ADD COLUMN i int",
        "DROP TABLE tags",
    ):
        try:
            cursor.execute(statement)
        except pymysql.err.OperationalError as error:
            assert error.args[0] == 1142, error
        else:
            raise AssertionError(f"MLflow's user may {statement}")
    cursor.execute("SELECT @@log_bin, @@log_bin_trust_function_creators, @@collation_database")
    assert cursor.fetchall() == ((1, 1, "utf8mb4_0900_bin"),)
    cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
    assert cursor.fetchone()[1]
try:
    pymysql.connect(
        user=url.username, password=url.password or "", database=url.database, ssl_disabled=True, **where
    )
except pymysql.err.OperationalError as error:
    assert error.args[0] == 3159, error
else:
    raise AssertionError("MLflow's user may log in without TLS")
for user in ("root", "mlflow_migrator", "mlflow_backup"):
    try:
        pymysql.connect(user=user, password="", **where)
    except pymysql.err.OperationalError as error:
        assert error.args[0] in (1045, 1130), error
    else:
        raise AssertionError(f"{user} may log in over TCP")
