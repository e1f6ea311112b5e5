# SPDX-License-Identifier: GPL-3.0-or-later
"""The members of a group: what follows from the inventory alone is the same on all of them."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass, field
from typing import Any, Mapping

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store.identity import NAMESPACE
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.inputs import Options, Run
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.settings import given_settings
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.sizing import Sizes

PORT = 3306
# What tells by which address other members reach a host: the first one that it has.
ADDRESS_VARIABLES = ("mlflow_mysql_group_address", "mlflow_mysql_advertised_host", "ansible_host")
STARTER = ("bash", "/usr/local/bin/mlflow-mysql-member")


@dataclass(frozen=True)
class Group:
    """The members as the inventory has them, empty for a store by itself."""

    members: list[str] = field(default_factory=list)
    addresses: dict[str, str] = field(default_factory=dict)
    # As the servers call one another. Each container has its own name, and the addresses of the others.
    names: dict[str, str] = field(default_factory=dict)
    # This host's name among them, and the others' names with their addresses.
    name: str = ""
    hosts: dict[str, str] = field(default_factory=dict)
    # Where members, and what runs beside one, come from.
    peers: list[str] = field(default_factory=list)


def address(host: str, variables: Mapping[str, str | None]) -> str:
    """Return by what other members reach a member."""
    return next((value for name in ADDRESS_VARIABLES if (value := variables.get(name))), host)


def server_name(host: str) -> str:
    """Return what the servers of a group call the one of a host."""
    return re.sub("[^a-z0-9]+", "-", host.lower()) + ".member"


def group(options: Options, run: Run) -> Group:
    """Return the group that the host is to be a member of."""
    members = [] if options.group is None else list(run.members)
    addresses = {host: address(host, run.members[host]) for host in members}
    names = {host: server_name(host) for host in members}
    return Group(
        members=members,
        addresses=addresses,
        names=names,
        name=names.get(run.name, ""),
        hosts={names[host]: addresses[host] for host in members if host != run.name},
        peers=[options.group_subnet, *addresses.values()],
    )


def server_id(host: str) -> int:
    """Return a number by which MySQL tells the members apart."""
    return int(hashlib.sha256(host.encode()).hexdigest()[:7], 16) + 1


def settings(options: Options, found: Group, authorities: str) -> dict[str, Any]:
    """Return the settings of Group Replication, less their prefix; ``authorities`` is a path in the container."""
    return {
        "group_name": str(uuid.uuid5(NAMESPACE, str(options.group))),
        # Set to ON once the server is a member.
        "start_on_boot": "OFF",
        # Members talk through MySQL's own port, with its accounts and its TLS.
        "communication_stack": "MYSQL",
        "local_address": f"{found.name}:{PORT}",
        "group_seeds": ",".join(f"{name}:{PORT}" for name in found.names.values()),
        "ssl_mode": "REQUIRED",
        "recovery_use_ssl": "ON",
        "recovery_ssl_ca": authorities,
        # A certificate that was given may be for the one name only by which MLflow knows the store.
        "recovery_ssl_verify_server_cert": "ON" if options.tls == "generated" else "OFF",
        "consistency": options.group_consistency,
        "member_weight": options.group_weight,
        # MySQL notices after 5 s that a member is gone; with no more time another one becomes the primary.
        "member_expel_timeout": 0,
        # A minority waits that long for the others; then it undoes what waits, and refuses writes.
        "unreachable_majority_timeout": 10,
        # It comes back by itself when it can: a try every five minutes, for a week. Then it refuses clients too.
        "autorejoin_tries": 2016,
        "exit_state_action": "OFFLINE_MODE",
    }


def sizes(found: Sizes) -> dict[str, int]:
    """Return what a member bears of messages and of one transaction, in bytes."""
    if found.memory_mb is None or found.buffer_pool_mb is None:
        return {}
    # The module knows the whole catalogue, which a store by itself has no use for here.
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import transactions

    return transactions.sizes(found.memory_mb, found.buffer_pool_mb)


def arguments(options: Options, run: Run, found: Group, of_sizes: Sizes, authorities: str) -> list[str]:
    """Return the arguments of a member's server."""
    if options.group is None:
        return []
    given = given_settings(options.settings)
    wanted = {**settings(options, found, authorities), **sizes(of_sizes)}
    return [
        f"--server-id={server_id(run.name)}",
        f"--report-host={found.addresses.get(run.name, '')}",
        "--plugin-load-add=group_replication.so",
        *(
            f"--loose-group-replication-{name.replace('_', '-')}={value}"
            for name, value in wanted.items()
            if f"group_replication_{name}" not in given
        ),
    ]
