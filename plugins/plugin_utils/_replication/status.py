# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a group as text."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from ansible.errors import AnsibleFilterError

HEADINGS = ("member", "address", "role", "state", "to apply", "lag", "MySQL")


def group_report(found: Mapping[str, Any], members: Sequence[str], addresses: Mapping[str, str]) -> str:
    """The table of the members. Raises AnsibleFilterError."""
    if not isinstance(found, Mapping):
        raise AnsibleFilterError("mlflow_mysql_group_report: the input is not a dictionary of hosts")
    known = {host: one["group"] for host, one in found.items() if one.get("answers")}
    # How the others see a host that does not answer, as long as they are more than half.
    seen: dict[str, str] = {}
    for one in known.values():
        if one["majority"]:
            seen.update({other["host"]: other["state"] for other in one["members"]})
    rows = [HEADINGS]
    for host in members:
        address = str(addresses.get(host, host))
        if host not in known:
            state = seen.get(address, "not in the group") if seen else "does not answer"
            rows.append((host, address, "", state, "", "", ""))
            continue
        group = known[host]
        own = next((one for one in group["members"] if one["uuid"] == group["server_uuid"]), {"applying": 0})
        state = "STANDALONE" if found[host].get("alone") and group["state"] == "OFFLINE" else group["state"]
        state += "" if group["majority"] or not group["members"] else ", no majority"
        rows.append(
            (
                host,
                address,
                group["role"].lower(),
                state,
                str(own["applying"]) if group["state"] == "ONLINE" else "",
                "" if group["lag"] is None else f"{group['lag']:.1f} s",
                group["version"],
            )
        )
    widths = [max(len(row[number]) for row in rows) for number in range(len(HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    online = [one for one in known.values() if one["state"] == "ONLINE" and one["majority"]]
    writer = [
        host
        for host in members
        if host in known and known[host] in online and known[host]["role"] == "PRIMARY"
    ]
    if writer:
        count = len(online[0]["members"])
        reached = sum(one["state"] == "ONLINE" for one in online[0]["members"])
        # More than half of those that are in the group now must be left.
        spare = max(reached - count // 2 - 1, 0)
        summary = f"{writer[0]} is the primary; {spare or 'no'} more of {count} members may be lost."
        if reached < len(members):
            summary += " Bring the others back with playbooks/deploy_group.yml."
    elif any(one.get("alone") for one in found.values()):
        summary = (
            "An upgrade of the schema or a restore is running, or was interrupted: in that case run its playbook "
            "again, which brings the group back together."
        )
    else:
        summary = 'No member accepts writes: see docs/group.md, "No primary".'
    return "\n".join([*lines, "", summary])
