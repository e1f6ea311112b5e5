# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that take a member of a group from one state to another."""

from __future__ import annotations

import contextlib
import uuid
from typing import Any

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker.cli import Host
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import (
    connection as mysql_connection,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import query
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._replication import (
    member as replication_member,
)


def bootstrap(
    member: replication_member.Member,
    found: dict[str, Any],
    options: dict[str, Any],
    password: str,
    check: bool,
) -> bool:
    """Begin the group with this member. Returns whether anything changes."""
    if found["state"] == replication_member.ONLINE and found["majority"]:
        return False
    if found["was_member"] and not options["force"]:
        raise replication_member.GroupProblem(
            "this server has been a member of the group before, and a second group must not start: start another "
            "member, or, if all have stopped, run playbooks/group_recover.yml"
        )
    if not check:
        member.stop()
        member.rows("SET GLOBAL super_read_only = OFF")
        if options["force"]:
            member.rename(str(uuid.uuid4()))
        member.remember(options["user"], password)
        member.start(bootstrap=True)
        member.wait(options["timeout"])
        member.start_on_boot(wanted=True)
    return True


def known_by(source: replication_member.Source, options: dict[str, Any]) -> tuple[str, str, str]:
    """Of the source: its transactions, those that its log lacks, and its group's UUID. Raises ConnectionFailed."""
    tls = mysql_connection.Tls(
        ca_cert=options["source_ca_cert"], check_hostname=options["source_check_hostname"]
    )
    connection = mysql_connection.connect(
        mysql_connection.Address(source.host, source.port), source.user, source.password, tls=tls
    )
    try:
        found = query(
            connection,
            "SELECT @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged, @@GLOBAL.group_replication_group_name",
        )
        executed, purged, name = map(str, found[0])
        return executed, purged, name
    finally:
        connection.close()


def join(
    member: replication_member.Member,
    found: dict[str, Any],
    options: dict[str, Any],
    password: str,
    check: bool,
) -> tuple[bool, bool]:
    """Become a member. Returns whether anything changes, and whether the data is replaced."""
    if found["state"] == replication_member.ONLINE and found["majority"]:
        known = member.credentials() == [(options["user"], password)]
        changed = not found["starts_on_boot"] or not known
        if changed and not check:
            member.remember(options["user"], password)
            member.start_on_boot(wanted=True)
        return changed, False
    if check:
        return True, False
    if found["state"] == replication_member.RECOVERING:
        member.wait(options["timeout"])
        member.start_on_boot(wanted=True)
        return True, False
    source = replication_member.Source(options["source"], options["source_port"], options["user"], password)
    executed_there, purged_there, name = known_by(source, options)
    missing_there = member.misses(executed_there)
    # A server that has no transaction at all gets a copy too.
    cloned = bool(missing_there) or not found["executed"] or not member.can_follow(purged_there)
    if cloned:
        tables = member.tables()
        if tables and missing_there and not options["discard"]:
            raise replication_member.GroupProblem(
                f"this server has {tables} tables and transactions that the group has not ({missing_there}); they "
                "would be lost: back them up, then set mlflow_replication_discard to true for this host, or take it "
                "out of the group"
            )
        member.stop()
        member.write()
        member.clone(source, options["timeout"])
    member.rename(name)
    member.remember(options["user"], password)
    # MySQL may make a copy after all, and starts the server again then.
    member.start_on_boot(wanted=True)
    try:
        member.start()
        member.wait(options["timeout"])
    except Exception:
        with contextlib.suppress(Exception):
            member.start_on_boot(wanted=False)
        raise
    return True, cloned


def promote(
    member: replication_member.Member, found: dict[str, Any], options: dict[str, Any], check: bool
) -> bool:
    """Become the primary. Returns whether anything changes."""
    if found["role"] == replication_member.PRIMARY:
        return False
    if found["state"] != replication_member.ONLINE or not found["majority"]:
        raise replication_member.GroupProblem(
            f"this member is {found['state']}, and only one that is online can be the primary: run "
            "playbooks/group_status.yml to see why"
        )
    if not check:
        member.promote(min(options["timeout"], 3600))
    return True


def leave(member: replication_member.Member, found: dict[str, Any], check: bool) -> bool:
    """Leave the group. Returns whether anything changes."""
    changed = found["state"] != replication_member.OFFLINE or found["starts_on_boot"]
    if changed and not check:
        member.start_on_boot(wanted=False)
        member.stop()
    return changed


def by_itself(member: replication_member.Member, found: dict[str, Any], check: bool) -> bool:
    """Leave the group and take writes. Returns whether anything changes."""
    left = leave(member, found, check)
    changed = left or found["read_only"] or found["offline_mode"]
    if changed and not check:
        member.write()
    return changed


def run(
    options: dict[str, Any], check: bool, member: replication_member.Member, password: str
) -> dict[str, Any]:
    before = member.info("")
    if not before["group_name"]:
        raise replication_member.GroupProblem(
            "this server is not configured for a group: set mlflow_mysql_group and run playbooks/deploy_group.yml"
        )
    cloned = False
    if options["state"] == "bootstrapped":
        changed = bootstrap(member, before, options, password, check)
    elif options["state"] == "joined":
        changed, cloned = join(member, before, options, password, check)
    elif options["state"] == "primary":
        changed = promote(member, before, options, check)
    elif options["state"] == "alone":
        changed = by_itself(member, before, check)
    else:
        changed = leave(member, before, check)
    after = member.info("")
    wanted = {
        "bootstrapped": ("ONLINE", "PRIMARY"),
        "primary": ("ONLINE", "PRIMARY"),
        "left": ("OFFLINE", ""),
        "alone": ("OFFLINE", ""),
    }
    shown = (
        wanted.get(options["state"], ("ONLINE", "SECONDARY"))
        if check and changed
        else (after["state"], after["role"])
    )
    return {
        "changed": changed,
        "cloned": cloned,
        "group": after,
        "diff": {
            "before": {"state": before["state"], "role": before["role"]},
            "after": {"state": shown[0], "role": shown[1]},
        },
    }


def take(host: Host) -> dict[str, Any]:
    """Do what the options of the module mlflow_mysql_group ask for; returns its result.

    Raises ConnectionFailed and GroupProblem.
    """
    options = host.params
    login = mysql_connection.login_from_params(options)
    password = ""
    if options["password_file"]:
        try:
            password = mysql_connection.read_password_file(options["password_file"])
        except FileNotFoundError:
            raise replication_member.GroupProblem(
                f"there is no {options['password_file']}: run playbooks/deploy_group.yml"
            ) from None
    host.no_log_values.update(secret for secret in (*login.secrets, password) if secret)
    # The server that the entrypoint runs while it initialises answers the socket, and no port.
    mysql_connection.wait_for_server(login.tcp_address.host, login.tcp_address.port, options["timeout"])
    member = replication_member.Member(lambda: mysql_connection.connect_administrator(login))
    try:
        return run(options, host.check_mode, member, password)
    except (mysql_connection.ConnectionFailed, replication_member.GroupProblem):
        raise
    except Exception as error:  # a lost connection or a refused statement
        message = mysql_connection.describe_error(error, login.address)
        raise mysql_connection.ConnectionFailed(message, "server") from error
    finally:
        member.close()
