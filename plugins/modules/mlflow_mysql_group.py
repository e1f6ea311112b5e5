#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A MySQL server's way into its group, in it, and out."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_mysql_group
short_description: Bring a MySQL server into its group, make it the primary, or take it out
version_added: 0.1.0
description:
  - Changes the membership of the server that it logs into. The server must be configured for MySQL Group Replication,
    which the role C(mlflow_mysql) does where C(mlflow_mysql_group) is set.
  - A server whose transactions are all in the group's gets those that it misses from the other members. Any other
    server gets a copy of all data with the CLONE plugin, which replaces its own.
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
extends_documentation_fragment:
  - mlflow_ops.backend_store.login
  - mlflow_ops.backend_store.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows the member's state and role before and after.
  idempotent:
    support: full
  platform:
    platforms: posix
options:
  state:
    description:
      - With V(bootstrapped) the server becomes the first member of a new group. A server that has been a member before
        is refused, unless O(force=true), since there could be two groups then.
      - With V(alone) it leaves the group, stays out when it is started again, and takes writes by itself. The others
        must be out of the group, and stay out until it has begun again with this one.
      - With V(joined) it becomes a member of the group that O(source) belongs to.
      - With V(primary) it becomes the one that takes writes. It must be online.
      - With V(left) it leaves the group and stays out when it is started again. What it had to apply is lost here, and
        brought again when it joins.
    type: str
    choices: [bootstrapped, joined, primary, left, alone]
    required: true
  user:
    description:
      - The account with which members log into one another. V(bootstrapped) and V(joined) need it.
      - It wants C(REPLICATION SLAVE), C(CONNECTION_ADMIN), C(BACKUP_ADMIN) and C(GROUP_REPLICATION_STREAM).
    type: str
  password_file:
    description: A file on the host with its password, less one trailing newline.
    type: path
  source:
    description: Address of the primary, as the other members reach it. V(joined) needs it.
    type: str
  source_port:
    description: The port there.
    type: int
    default: 3306
  source_ca_cert:
    description: File on the host with the certificates of the authorities that signed the members' certificates.
    type: path
  source_check_hostname:
    description: Whether the source's certificate must be for O(source).
    type: bool
    default: true
  discard:
    description:
      - Whether tables may be lost with V(joined), on a server that has transactions that the group has not.
      - Without it such a server is refused, unless it has no tables.
    type: bool
    default: false
  force:
    description:
      - Whether V(bootstrapped) may begin a group again, whose members must all have stopped.
      - The group has another UUID then. So no transaction of it has the GTID of one that only a lost member has, and
        such a member cannot come back unnoticed.
    type: bool
    default: false
  timeout:
    description: Seconds to wait for the server to answer at O(login_host), for a state, and for a server that was given
      a copy to come back.
    type: int
    default: 300
seealso:
  - module: mlflow_ops.backend_store.mlflow_mysql_group_info
"""

EXAMPLES = r"""
- name: Join the group
  mlflow_ops.backend_store.mlflow_mysql_group:
    login_password_files: [/srv/mlflow-mysql/secrets/root_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    state: joined
    user: mlflow_group
    password_file: /srv/mlflow-mysql/secrets/group_password
    source: 10.20.0.7
    source_ca_cert: /srv/mlflow-mysql/tls/server/group-ca.pem
"""

RETURN = r"""
cloned:
  description: Whether the server's data was replaced by a copy, or in check mode would be.
  returned: success
  type: bool
group:
  description: What the server knows of the group now, as M(mlflow_ops.backend_store.mlflow_mysql_group_info) returns
    it.
  returned: success
  type: dict
"""

import contextlib
import uuid
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import (
    connection as mysql_connection,
)
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
            "this server has been a member of the group before, and a second group must not begin: start another "
            "member, or, when all have stopped, run playbooks/group_recover.yml"
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
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT @@GLOBAL.gtid_executed, @@GLOBAL.gtid_purged, @@GLOBAL.group_replication_group_name"
            )
            executed, purged, name = map(str, cursor.fetchall()[0])
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
                "would be lost: back them up, then set mlflow_mysql_group_discard to true for this host, or take it "
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
            f"this member is {found['state']}, and only one that is online can take the writes: run "
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


def run(module: AnsibleModule, member: replication_member.Member, password: str) -> dict[str, Any]:
    options, check = module.params, module.check_mode
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


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **mysql_connection.login_argument_spec(),
            "state": {
                "type": "str",
                "choices": ["bootstrapped", "joined", "primary", "left", "alone"],
                "required": True,
            },
            "user": {"type": "str"},
            "password_file": {"type": "path", "no_log": False},
            "source": {"type": "str"},
            "source_port": {"type": "int", "default": 3306},
            "source_ca_cert": {"type": "path"},
            "source_check_hostname": {"type": "bool", "default": True},
            "discard": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 300},
        },
        required_if=[
            ("state", "bootstrapped", ["user", "password_file"]),
            ("state", "joined", ["user", "password_file", "source", "source_ca_cert"]),
        ],
        supports_check_mode=True,
    )
    address = mysql_connection.Address()
    try:
        login = mysql_connection.login_from_params(module.params)
        address = login.address
        password = ""
        if module.params["password_file"]:
            try:
                password = mysql_connection.read_password_file(module.params["password_file"])
            except FileNotFoundError:
                raise replication_member.GroupProblem(
                    f"there is no {module.params['password_file']}: run playbooks/deploy_group.yml"
                ) from None
        for secret in (*login.secrets, password):
            if secret:
                module.no_log_values.add(secret)
        # The server that the entrypoint runs while it initialises answers the socket, and no port.
        mysql_connection.wait_for_server(
            login.tcp_address.host, login.tcp_address.port, module.params["timeout"]
        )
        member = replication_member.Member(lambda: mysql_connection.connect_administrator(login))
        try:
            result = run(module, member, password)
        finally:
            member.close()
    except (mysql_connection.ConnectionFailed, replication_member.GroupProblem) as error:
        module.fail_json(msg=str(error))
    except Exception as error:  # a lost connection or a refused statement
        module.fail_json(msg=mysql_connection.describe_error(error, address))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
