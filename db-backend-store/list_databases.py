#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""List the databases that MLflow's user can see, with MySQL's own driver or with the one that MLflow uses."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path


def with_connector(host: str, port: int, user: str, password: str) -> list[str]:
    """Return the databases' names, read with mysql.connector (package mysql-connector-python)."""
    import mysql.connector

    connection = mysql.connector.connect(host=host, port=port, user=user, password=password)
    try:
        cursor = connection.cursor()
        cursor.execute("SHOW DATABASES")
        return [name for (name,) in cursor.fetchall()]
    finally:
        connection.close()


def with_pymysql(host: str, port: int, user: str, password: str) -> list[str]:
    """Return the databases' names, read with pymysql (packages PyMySQL and cryptography)."""
    import pymysql

    # As bytes: PyMySQL encodes a string in Latin-1, MySQL hashed its UTF-8 form.
    connection = pymysql.connect(host=host, port=port, user=user, password=password.encode())
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW DATABASES")
            return [name for (name,) in cursor.fetchall()]
    finally:
        connection.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--driver", choices=["connector", "pymysql"], default="connector")
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=3306)
    parser.add_argument("--user", default="mlflowusr")
    parser.add_argument("--password-file", type=Path, default=Path("secrets/container/mysql_password"))
    options = parser.parse_args()
    if options.password_file.exists():
        password = options.password_file.read_text(encoding="utf-8").rstrip("\n")
    else:
        password = getpass.getpass(f"Password of {options.user}: ")
    read = with_connector if options.driver == "connector" else with_pymysql
    print("\n".join(read(options.host, options.port, options.user, password)))


if __name__ == "__main__":
    main()
