# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts of a store: their names, from where they may log in, what they may do, and where their passwords lie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.accounts import MIGRATING
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.group import Group
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.inputs import Options, Passwords

# Files below secrets/.
PASSWORDS = {
    "root": "root_password",
    "migrator": "migrator_password",
    "backup": "backup_password",
    # The healthcheck logs in as MLflow's user, so this one is seen inside the container.
    "user": "container/mysql_password",
    # The entrypoint sets root's first password from this file; it is replaced before the store is ready. The container
    # thus never sees the real one, and any password works, whatever the entrypoint makes of quotes.
    "first_root": "container/mysql_root_password",
}
# Those that all members of a group share besides.
GROUP_PASSWORDS = {"group": "group_password", "route": "route_password"}
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what users publish on
COMPONENTS = ["component_validate_password", "component_connection_control"]
# What a password must be that is given, where the policy is not: as strict as the weakest of them.
STRONG = re.compile("(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])(?=.*[^A-Za-z0-9]).{14,}")

PRIVILEGES = {
    "dml": ["SELECT", "INSERT", "UPDATE", "DELETE"],
    "all": ["ALL"],
    "migrator": list(MIGRATING),
    # What mysqldump reads of a database; the rest is global.
    "backup": ["SELECT", "SHOW VIEW", "TRIGGER"],
    # A copy of the server's data, and a snapshot with its place in the binary log. Not the log's content, which holds
    # everybody's: it is copied as files.
    "backup_globally": ["BACKUP_ADMIN", "FLUSH_TABLES", "REPLICATION CLIENT"],
    # What members ask of one another: the binary log, a copy of the data, and the group's messages, also of a server
    # that refuses clients.
    "group": ["REPLICATION SLAVE", "CONNECTION_ADMIN", "BACKUP_ADMIN", "GROUP_REPLICATION_STREAM"],
}


@dataclass(frozen=True)
class PasswordPlan:
    """Where each account's password lies; none of them is here."""

    # Paths below secrets/, by account, and whole ones.
    names: dict[str, str]
    files: dict[str, str]
    # A rotation keeps new passwords here until the server has them.
    next_names: dict[str, str]
    next_files: dict[str, str]
    # The accounts whose passwords are in variables, and the paths of those that are made on the host.
    given: list[str]
    generated: list[str]
    policy: str


@dataclass(frozen=True)
class AccountPlan:
    """Accounts as M(mlflow_mysql_account) takes them; ``given`` says that the password is in a variable."""

    wanted: list[dict[str, Any]]
    # Those of MLflow's user among them. The first one is where this host itself comes from.
    user: list[dict[str, Any]]
    # From where MLflow's user may come, and what of that was said.
    hosts: list[str]
    allowed_hosts: list[str]
    components: list[str]


@dataclass(frozen=True)
class RotationPlan:
    """How new passwords are handed out."""

    # Root's comes last: what is interrupted is gone on with as root.
    order: list[str]
    # By account, what MySQL calls it, and as M(mlflow_mysql_account) takes it, with its password or with the next one.
    users: dict[str, str]
    accounts: dict[str, list[dict[str, Any]]]
    next_accounts: dict[str, list[dict[str, Any]]]
    # The time for clients to change over is waited for in parts of half a minute and more, at most ten.
    parts: int
    pause: int


def password_names(options: Options) -> dict[str, str]:
    """Return the path below secrets/ of each account's password."""
    return {**PASSWORDS, **({} if options.group is None else GROUP_PASSWORDS)}


def rotated(options: Options) -> list[str]:
    """Return the accounts that a rotation gives new passwords, in their order."""
    return ["user", "migrator", "backup", *([] if options.group is None else ["route", "group"]), "root"]


def weak(given: Passwords) -> list[str]:
    """Return the accounts whose passwords a policy of MySQL's but the lowest would refuse."""
    return [name for name, password in given.given().items() if not STRONG.fullmatch(str(password))]


def passwords(options: Options, given: Passwords, secrets: str) -> PasswordPlan:
    """Return where passwords lie below the directory ``secrets``."""
    names = password_names(options)
    next_names = {name: f"{names[name]}.new" for name in rotated(options)}
    policy = options.password_policy
    if policy == "auto":
        policy = "low" if weak(given) else "medium"
    return PasswordPlan(
        names=names,
        files={name: f"{secrets}/{path}" for name, path in names.items()},
        next_names=next_names,
        next_files={name: f"{secrets}/{path}" for name, path in next_names.items()},
        given=list(given.given()),
        generated=[path for name, path in names.items() if name not in given.given()],
        policy=policy,
    )


def is_loopback(address: str) -> bool:
    return re.match(r"127\.|::1$", address) is not None


def local_hosts(options: Options, members: Group, subnets: Sequence[str]) -> list[str]:
    """Return what an account that comes from the host itself has for its host.

    That is the address of the network's gateway, or the one that the port is published on.
    """
    if options.group is not None:
        return members.peers
    published = options.bind_address
    everywhere = is_loopback(published) or published in EVERYWHERE
    return [*(subnet for subnet in subnets if ":" not in subnet), *([] if everywhere else [published])]


def allowed_hosts(options: Options) -> list[str]:
    """Return from where clients are let in, besides the host itself."""
    if options.allowed_hosts is not None:
        return list(options.allowed_hosts)
    return [] if is_loopback(options.bind_address) else ["%"]


def user_hosts(options: Options, members: Group, subnets: Sequence[str]) -> list[str]:
    """Return from where MLflow's user may come."""
    allowed = allowed_hosts(options)
    if "%" in allowed:
        return ["%"]
    return list(dict.fromkeys([*local_hosts(options, members, subnets), *allowed]))


def _password(name: str, found: PasswordPlan) -> dict[str, str]:
    """Return where the module finds a password: in a file on the host, or with the task, which has the variable."""
    return {"given": name} if name in found.given else {"password_file": found.files[name]}


def accounts(options: Options, members: Group, found: PasswordPlan, subnets: Sequence[str]) -> AccountPlan:
    """Return all accounts."""
    hosts = user_hosts(options, members, subnets)
    own = [
        {"name": "root", "host": "localhost", **_password("root", found)},
        {
            "name": options.migrator_user,
            "host": "localhost",
            **_password("migrator", found),
            "privileges": PRIVILEGES["migrator"],
        },
        {
            "name": options.backup_user,
            "host": "localhost",
            **_password("backup", found),
            "privileges": PRIVILEGES["backup"],
            "global_privileges": PRIVILEGES["backup_globally"],
            # Whether a session had sql_log_bin off: what it wrote is in no backup.
            "more_privileges": {"performance_schema": ["SELECT"]},
        },
    ]
    limit = options.max_user_connections
    user = [
        {
            "name": options.user,
            "host": str(host),
            **_password("user", found),
            "privileges": PRIVILEGES[options.user_privileges],
            "require": "x509" if options.require_x509 else "none",
            **({} if limit is None else {"max_user_connections": limit}),
        }
        for host in hosts
    ]
    # Stores were made with one account of MLflow's user for all networks; its name and host are all that tells it.
    former = [] if "%" in hosts else [{"name": options.user, "host": "%", "state": "absent"}]
    return AccountPlan(
        wanted=[*own, *user, *group_accounts(options, members, found, hosts), *former],
        user=user,
        hosts=hosts,
        allowed_hosts=allowed_hosts(options),
        components=COMPONENTS,
    )


def group_accounts(
    options: Options, members: Group, found: PasswordPlan, hosts: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the accounts by which members know one another, and those of proxies."""
    if options.group is None:
        return []
    return [
        *(
            {
                "name": options.group_user,
                "host": str(host),
                "require": "ssl",
                "password_file": found.files["group"],
                "global_privileges": PRIVILEGES["group"],
            }
            for host in members.peers
        ),
        *(
            {
                "name": options.route_user,
                "host": str(host),
                "require": "ssl",
                "password_file": found.files["route"],
                "privileges": ["SELECT"],
                "on": "performance_schema",
            }
            for host in hosts
        ),
    ]


def rotation_hosts(members: Group, hosts: Sequence[str]) -> dict[str, list[str]]:
    """Return from where each account may come that a rotation gives a new password."""
    own = ["localhost"]
    return {
        "user": list(hosts),
        "migrator": own,
        "backup": own,
        "root": own,
        "group": members.peers,
        "route": list(hosts),
    }


def rotation(options: Options, members: Group, found: PasswordPlan, hosts: Sequence[str]) -> RotationPlan:
    """Return how a rotation goes."""
    window = options.rotation_window
    parts = max(1, min(10, window // 30))
    order = rotated(options)
    users = {
        "user": options.user,
        "migrator": options.migrator_user,
        "backup": options.backup_user,
        "root": "root",
        "group": options.group_user,
        "route": options.route_user,
    }
    of = rotation_hosts(members, hosts)

    def accounts_with(files: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
        return {
            who: [{"name": users[who], "host": str(host), "password_file": files[who]} for host in of[who]]
            for who in order
        }

    return RotationPlan(
        order=order,
        users=users,
        accounts=accounts_with(found.files),
        next_accounts=accounts_with(found.next_files),
        parts=parts,
        pause=-(-window // parts),
    )
