# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect the evidence that the controls of an audit are judged by."""

from __future__ import annotations

import io
import json
import os
import tarfile
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._audit import (
    controls as audit_controls,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker.cli import Docker, Host
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import (
    connection as mysql_connection,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.connection import (
    ConnectionFailed,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import query_columns

if TYPE_CHECKING:
    from pymysql.connections import Connection


# Columns of mysql.user that are server-wide privileges, and the names of those.
PRIVILEGE_COLUMNS = {
    f"{name}_priv": name.replace("Repl_", "Replication_").replace("_", " ").upper()
    for name in (
        "Select Insert Update Delete Create Drop Reload Shutdown Process File References Index Alter Super Execute "
        "Repl_slave Repl_client Create_user Event Trigger Create_routine Alter_routine"
    ).split()
}
# Where servers in containers read their settings.
CONFIGURATION = ("/etc/mysql", "/etc/my.cnf", "/etc/my.cnf.d")


def text(value: Any) -> str:
    return (
        value.decode("utf-8", "replace")
        if isinstance(value, bytes)
        else str(value if value is not None else "")
    )


def read_server(connection: Connection[Any], evidence: audit_controls.Evidence) -> None:
    import pymysql.err

    evidence.version = connection.get_server_info()
    found = query_columns(connection, "SHOW GLOBAL VARIABLES")
    variables = {text(row["variable_name"]).lower(): text(row["value"]) for row in found}
    status = query_columns(connection, "SHOW GLOBAL STATUS LIKE 'Ssl_server_not_after'")
    evidence.databases = [
        text(next(iter(row.values()))) for row in query_columns(connection, "SHOW DATABASES")
    ]
    evidence.functions = [
        text(row["name"]) for row in query_columns(connection, "SELECT name FROM mysql.func")
    ]
    evidence.accounts = read_accounts(connection)
    evidence.certificate_days = days_left(text(status[0]["value"]) if status else "")
    # Last, so that a server that could be read only in part counts as one that could not.
    evidence.variables = variables
    try:
        query_columns(connection, "SHOW GRANTS")
    except pymysql.err.MySQLError as error:
        if error.args and error.args[0] == 1290:  # ER_OPTION_PREVENTS_STATEMENT
            evidence.processes = [*evidence.processes, "mysqld --skip-grant-tables"]


def read_accounts(connection: Connection[Any]) -> list[audit_controls.Account]:
    import pymysql.err

    try:
        dynamic = query_columns(
            connection, "SELECT user, host, priv, with_grant_option FROM mysql.global_grants"
        )
    except pymysql.err.MySQLError:  # MySQL 5.7 and MariaDB have none
        dynamic = []
    granting = {
        (text(row["user"]), text(row["host"]))
        for row in query_columns(connection, "SELECT user, host FROM mysql.db WHERE grant_priv = 'Y'")
    }
    now = datetime.now()
    accounts = []
    for row in query_columns(connection, "SELECT * FROM mysql.user"):
        key = text(row["user"]), text(row["host"])
        own = [entry for entry in dynamic if (text(entry["user"]), text(entry["host"])) == key]
        named = {name for column, name in PRIVILEGE_COLUMNS.items() if text(row.get(column.lower())) == "Y"}
        changed = row.get("password_last_changed")
        accounts.append(
            audit_controls.Account(
                *key,
                plugin=text(row.get("plugin")),
                has_password=bool(row.get("authentication_string")),
                locked=text(row.get("account_locked")) == "Y",
                ssl_type=text(row.get("ssl_type")),
                old_password="additional_password"
                in (json.loads(text(row.get("user_attributes")) or "{}") or {}),
                password_days=(now - changed).total_seconds() / 86400 if changed else None,
                privileges=frozenset(named | {text(entry["priv"]).upper() for entry in own}),
                grants=text(row.get("grant_priv")) == "Y"
                or key in granting
                or any(text(entry["with_grant_option"]) == "Y" for entry in own),
            )
        )
    return accounts


def days_left(end: str) -> float | None:
    """`end` as OpenSSL writes it, such as ``Nov 24 14:00:00 2027 GMT``."""
    try:
        parsed = datetime.strptime(end, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return (parsed - datetime.now(timezone.utc)).total_seconds() / 86400


def read_container(docker: Docker, name: str, evidence: audit_controls.Evidence) -> None:
    """Put into `evidence` what the engine says of a container, or why it says nothing."""
    status, out, err = docker.run("container", "inspect", name)
    if status != 0:
        missing = "no such container" in err.lower()
        evidence.container_problem = (
            f"there is no container {name}: set mlflow_mysql_container_name to that of the store"
            if missing
            else f"the engine does not answer: {err.splitlines()[-1] if err else 'docker failed'}"
        )
        return
    evidence.container = json.loads(out)[0]
    status, out, err = docker.run("info", "--format", "{{.Swarm.LocalNodeState}}")
    evidence.swarm = out.strip() if status == 0 else ""
    # The engine wants the process IDs, which the table has first.
    status, out, err = docker.run("top", name, "-eo", "pid,args")
    lines = out.splitlines()[1:] if status == 0 else []
    evidence.processes = [line.split(None, 1)[-1] for line in lines]
    evidence.configuration = [file for path in CONFIGURATION for file in option_files(docker, name, path)]


def option_files(docker: Docker, name: str, path: str) -> list[audit_controls.File]:
    """The option files at `path` in the container, which need not exist; private keys are not read."""
    status, out, _err = docker.binary("container", "cp", f"{name}:{path}", "-")
    found = []
    if status == 0:
        with tarfile.open(fileobj=io.BytesIO(out)) as archive:
            for member in archive:
                if not member.isfile() or not member.name.endswith(".cnf"):
                    continue
                handle = archive.extractfile(member)
                content = handle.read().decode("utf-8", "replace") if handle else None
                place = os.path.join(os.path.dirname(path), member.name)
                found.append(audit_controls.File(place, member.uid, member.gid, member.mode, content))
    return found


def host_file(path: str, evidence: audit_controls.Evidence) -> audit_controls.File | None:
    """What the host knows of a path of the server: its own, or what is mounted there in the container."""
    if evidence.container is not None:
        places = sorted(
            evidence.container.get("Mounts") or [], key=lambda m: len(m["Destination"]), reverse=True
        )
        for mount in places:
            inside = os.path.relpath(path, mount["Destination"])
            if not inside.startswith(".."):
                path = os.path.normpath(os.path.join(mount["Source"], inside))
                break
        else:
            return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return audit_controls.File(path, found.st_uid, found.st_gid, found.st_mode)


def gather(host: Host) -> dict[str, Any]:
    params = dict(host.params)
    evidence = audit_controls.Evidence(administrators=params["administrators"])
    if params["container"]:
        read_container(Docker(host), params["container"], evidence)
    if params["login_unix_socket"] and not os.path.exists(params["login_unix_socket"]):
        params["login_unix_socket"] = None
    login = mysql_connection.login_from_params(params)
    for secret in login.secrets:
        host.no_log_values.add(secret)
    try:
        connection = mysql_connection.connect_administrator(login)
        try:
            read_server(connection, evidence)
        finally:
            connection.close()
    except ConnectionFailed as failure:
        evidence.server_problem = str(failure)
    except mysql_connection.pymysql.err.MySQLError as error:
        reason = mysql_connection.describe_error(error, login.address)
        evidence.server_problem = f"{reason}: log in as an account that may read mysql.user"
    data = evidence.variable("datadir") or "/var/lib/mysql"
    evidence.data = host_file(data.rstrip("/"), evidence)
    if evidence.variable("ssl_key"):
        evidence.key = host_file(os.path.join(data, str(evidence.variable("ssl_key"))), evidence)
    evidence.apparmor = content_of("/sys/module/apparmor/parameters/enabled") == "Y"
    evidence.selinux = os.path.exists("/sys/fs/selinux/enforce")
    controls = audit_controls.audit(evidence)
    counts = {
        status: sum(1 for control in controls if control["status"] == status)
        for status in (audit_controls.PASS, audit_controls.FAIL, audit_controls.SKIP, audit_controls.UNKNOWN)
    }
    return {
        "changed": False,
        "controls": controls,
        "counts": counts,
        "passed": not counts[audit_controls.FAIL] and not counts[audit_controls.UNKNOWN],
        "not_applicable": [
            {"references": references, "title": title, "reason": reason}
            for references, title, reason in audit_controls.NOT_APPLICABLE
        ],
        **({"server_version": evidence.version} if evidence.version else {}),
    }


def content_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""
