# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts of a run know of their group, as tasks of the role mlflow_replication noted it for each."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field, fields
from typing import Any, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store import group

PREFIX = "__mlflow_replication_"
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")


@dataclass(frozen=True)
class Run:
    """What is known of the members, each list in the order of the inventory."""

    # What mlflow_mysql_group_info returned on each host that was inspected, and whether it is `alone`.
    found: dict[str, Any] = field(default_factory=dict)
    # Members that left the group for the time of an upgrade or a restore.
    alone: list[str] = field(default_factory=list)
    # Hosts with a way to the group that this run did not give the new passwords.
    cut_off: list[str] = field(default_factory=list)
    # The certificates of the members' CAs. Those of a host that this run does not reach stay.
    authorities: list[str] = field(default_factory=list)
    # By which other members reach each host.
    addresses: dict[str, str] = field(default_factory=dict)


def certificates(slurped: Mapping[str, Any] | None) -> list[str]:
    """Return the certificates in a file that was read with ``ansible.builtin.slurp``."""
    content = (slurped or {}).get("content") or ""
    return CERTIFICATE.findall(base64.b64decode(content).decode())


def run_facts(
    variables: Mapping[str, Any],
    members: Sequence[str],
    hosts: Sequence[str],
    clients: Sequence[str] = (),
    source: str | None = None,
) -> dict[str, Any]:
    """Return a :class:`Run` as a dictionary.

    ``variables`` are those of all hosts, ``hosts`` the ones of the play that did not fail, ``clients`` those with
    MLflow (without any it runs on the members), and ``source`` the member whose data the others get.
    """
    reached = [host for host in members if host in hosts]
    marks = {host: variables[host].get(f"{PREFIX}standalone") or {} for host in reached}
    alone = [host for host in reached if marks[host].get("stat", {}).get("exists")]
    seen = {host: variables[host].get(f"{PREFIX}seen") for host in reached}
    authorities = [
        certificate for host in reached for certificate in certificates(variables[host].get(f"{PREFIX}ca"))
    ]
    if source and len(reached) < len(members):
        authorities += certificates(variables[source].get(f"{PREFIX}known"))
    run = Run(
        found={host: {**one, "alone": host in alone} for host, one in seen.items() if one is not None},
        alone=alone,
        cut_off=[
            host for host in clients or members if variables[host].get("mlflow_replication_rotated") is None
        ],
        authorities=list(dict.fromkeys(authorities)),
        addresses={
            host: group.address(host, {name: variables[host].get(name) for name in group.ADDRESS_VARIABLES})
            for host in members
        },
    )
    # Not with `asdict`, which copies what it finds: a value of a variable may be one that is templated when it is read,
    # and refuses to be copied.
    return {one.name: getattr(run, one.name) for one in fields(run)}


def join_problems(
    host: str, seen: Mapping[str, Any], was_member: bool = False, discards: bool = False
) -> list[str]:
    """Return why the data on ``host`` is not replaced by the group's.

    ``seen`` is what mlflow_mysql_group_info returned there, ``was_member`` whether a mark says that it was one, and
    ``discards`` whether the user gives the data up.
    """
    if discards:
        return []
    if not seen.get("answers"):
        if was_member:
            return []
        return [
            f"{host} has data of a server that does not answer "
            f"({seen.get('problem') or 'its container does not run'}), and has not been a member: start it, so that "
            "it can be inspected, or set mlflow_replication_discard to true for this host"
        ]
    known = seen["group"]
    if not known["tables"] or known["was_member"]:
        return []
    return [
        f"{host} has a store of its own ({known['tables']} tables), which a copy of the group's would replace: back it "
        "up and remove it (playbooks/remove.yml -e mlflow_mysql_purge_data=true), or set "
        "mlflow_replication_discard to true for this host"
    ]
