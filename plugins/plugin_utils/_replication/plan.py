# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be done with each member of a group."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible.errors import AnsibleFilterError


def by_themselves(found: Mapping[str, Any], members: Sequence[str]) -> list[str]:
    """The hosts that are by themselves for the time of an upgrade or a restore: one, if any."""
    return [host for host in members if host in found and found[host].get("alone")]


def listed(hosts: Sequence[str]) -> str:
    return ", ".join(hosts)


def group_plan(
    found: Mapping[str, Any], members: Sequence[str], addresses: Mapping[str, str], recover: bool = False
) -> dict[str, Any]:
    """What to do, from what `found` says of each host that was looked at. Raises AnsibleFilterError."""
    strangers = [host for host in found if host not in members]
    if strangers:
        raise AnsibleFilterError(
            f"mlflow_mysql_group_plan: {listed(strangers)}: not in the inventory group of the members"
        )
    known = {host: one["group"] for host, one in found.items() if one.get("answers")}
    unseen = [host for host in members if host not in found]
    online = [
        host
        for host in members
        if host in known and known[host]["state"] == "ONLINE" and known[host]["majority"]
    ]
    plan: dict[str, Any] = {
        "problems": [],
        "source": None,
        "bootstrap": False,
        "online": online,
        "primary": None,
        "join": [],
    }
    if online:
        _into_a_group(plan, known, members, addresses)
    elif recover:
        _again(plan, found, known, unseen, members)
    else:
        _first(plan, found, known, unseen, members)
    if plan["source"]:
        plan["join"] = [
            host
            for host in members
            if host in found and host not in online and not (plan["bootstrap"] and host == plan["source"])
        ]
    return plan


def _into_a_group(
    plan: dict[str, Any],
    known: Mapping[str, Any],
    members: Sequence[str],
    addresses: Mapping[str, str],
) -> None:
    """The group is there: the others get what its primary has."""
    primaries = {
        one["uuid"]: one["host"]
        for host in plan["online"]
        for one in known[host]["members"]
        if one["role"] == "PRIMARY" and one["state"] in ("ONLINE", "UNREACHABLE")
    }
    at = [host for host in plan["online"] if known[host]["server_uuid"] in primaries]
    if len(primaries) > 1 and len(at) != 1:
        plan["problems"].append(
            f"the members do not agree on a primary ({listed(sorted(primaries.values()))}): wait until they do, which "
            "playbooks/group_status.yml shows, then run this again"
        )
    elif not at:
        where = listed(
            [host for host in members if addresses.get(host) in primaries.values()]
            or sorted(primaries.values())
        )
        plan["problems"].append(
            f"the primary, {where or 'which is not elected yet'}, was not inspected: run this without --limit, or "
            "switch the primary to another member with playbooks/group_switch.yml first"
        )
    else:
        plan["source"] = plan["primary"] = at[0]


def _first(
    plan: dict[str, Any],
    found: Mapping[str, Any],
    known: Mapping[str, Any],
    unseen: Sequence[str],
    members: Sequence[str],
) -> None:
    """Nobody is in the group: it begins, if it never did."""
    alone = by_themselves(found, members)
    before = [host for host in members if host in known and known[host]["was_member"]]
    stores = [host for host in members if host in known and known[host]["tables"]]
    if alone:
        plan["problems"].append(
            f"{listed(alone)} is standalone, as an upgrade of the schema or a restore was interrupted: run that "
            "playbook again (upgrade_schema, convert_schema or restore), which brings the group back together, or "
            "playbooks/group_recover.yml"
        )
    elif before:
        plan["problems"].append(
            f"the group exists already (members: {listed(before)}) and no member of it is online with a majority of "
            "the others: wait if its hosts have just started, or run playbooks/group_recover.yml, which says what may "
            "be lost"
        )
    elif unseen:
        plan["problems"].append(
            f"{listed(unseen)} was not inspected, and the group may exist already: a group is created only when all "
            "its hosts answer. Run this again when they do, or remove them from the inventory's group"
        )
    elif len(stores) > 1:
        plan["problems"].append(
            f"{listed(stores)} each have a store of their own, and a group has one: keep that of one host, and back up "
            "and remove the others' (playbooks/remove.yml -e mlflow_mysql_purge_data=true)"
        )
    else:
        plan["source"] = stores[0] if stores else members[0]
        plan["bootstrap"] = True


def transactions(executed: str) -> int:
    """How many transactions a GTID set has."""
    count = 0
    for part in executed.replace("\n", "").replace(" ", "").split(","):
        for interval in part.split(":")[1:]:
            first, dummy, last = interval.partition("-")
            if first.isdecimal():
                count += int(last or first) - int(first) + 1
    return count


def _again(
    plan: dict[str, Any],
    found: Mapping[str, Any],
    known: Mapping[str, Any],
    unseen: Sequence[str],
    members: Sequence[str],
) -> None:
    """All have stopped, or too many are lost: the one that has most goes on."""
    # The others' data is from before what was begun with the one that is by itself.
    able = by_themselves(found, members) or [
        host for host in members if host in known and known[host]["was_member"]
    ]
    if not able:
        plan["problems"].append(
            "no host that answers has been in the group: run playbooks/deploy_group.yml, which creates one"
        )
        return
    counts = {host: transactions(known[host]["executed"]) if host in known else 0 for host in able}
    plan["source"] = max(able, key=lambda host: (counts[host], -members.index(host)))
    plan["bootstrap"] = True
    plan["transactions"] = counts
    plan["unseen"] = list(unseen) + [host for host in members if host not in known and host not in unseen]
