# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done with the members of a group, and the table of them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mlflow_ops.backend_store.plugins.filter import (
    mlflow_mysql_group_plan as plans,
)
from ansible_collections.mlflow_ops.backend_store.plugins.filter import (
    mlflow_mysql_group_report as reports,
)

HOSTS = ["db1", "db2", "db3"]
ADDRESSES = {"db1": "10.0.0.1", "db2": "10.0.0.2", "db3": "10.0.0.3"}
GROUP = "aaaaaaaa-0000-4000-8000-000000000000"


def view(primary: str, states: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "uuid": f"uuid-{host}",
            "host": ADDRESSES[host],
            "port": 3306,
            "state": state,
            "role": "PRIMARY" if host == primary else "SECONDARY",
            "version": "9.7.0",
            "certifying": 0,
            "applying": 3,
        }
        for host, state in states.items()
    ]


def seen(host: str, **more: Any) -> dict[str, Any]:
    group = {
        "server_uuid": f"uuid-{host}",
        "version": "9.7.0",
        "group_name": GROUP,
        "state": "OFFLINE",
        "role": "",
        "majority": False,
        "executed": "",
        "was_member": False,
        "tables": 0,
        "lag": None,
        "members": [],
    }
    return {"answers": True, "group": {**group, **more}}


def online(host: str, members: list[dict[str, Any]]) -> dict[str, Any]:
    own = next(one for one in members if one["uuid"] == f"uuid-{host}")
    reached = [one for one in members if one["state"] != "UNREACHABLE"]
    return seen(
        host,
        state=own["state"],
        role=own["role"],
        majority=2 * len(reached) > len(members),
        was_member=True,
        tables=40,
        members=members,
    )


def plan(found: dict[str, Any], **options: Any) -> dict[str, Any]:
    return plans.group_plan(found, HOSTS, ADDRESSES, **options)


def test_new_hosts_begin_with_the_first() -> None:
    decided = plan({host: {"skipped": True} for host in HOSTS})
    assert (decided["source"], decided["bootstrap"], decided["join"]) == ("db1", True, ["db2", "db3"])
    assert not decided["problems"]


def test_a_store_that_is_there_is_the_first_member() -> None:
    decided = plan({"db1": {"skipped": True}, "db2": seen("db2", tables=40), "db3": seen("db3")})
    assert (decided["source"], decided["bootstrap"], decided["join"]) == ("db2", True, ["db1", "db3"])


def test_two_stores_are_refused() -> None:
    decided = plan({"db1": seen("db1", tables=1), "db2": seen("db2", tables=40), "db3": seen("db3")})
    assert "db1, db2 each have a store of their own" in decided["problems"][0]
    assert decided["source"] is None


def test_a_group_does_not_begin_where_a_host_does_not_answer() -> None:
    decided = plan({"db1": seen("db1"), "db2": seen("db2")})
    assert "db3 was not inspected" in decided["problems"][0]
    assert not decided["bootstrap"]


@pytest.mark.parametrize("missing", HOSTS)
def test_a_group_that_has_begun_does_not_begin_again(missing: str) -> None:
    found = {host: seen(host, was_member=True, tables=40) for host in HOSTS if host != missing}
    decided = plan(found)
    assert "exists already" in decided["problems"][0]
    assert "group_recover.yml" in decided["problems"][0]
    assert not decided["bootstrap"]


def test_a_member_that_is_by_itself_is_the_one_to_go_on_with() -> None:
    found = {host: seen(host, was_member=True, tables=40, executed=f"{GROUP}:1-9") for host in HOSTS}
    found["db2"] = {"answers": False, "alone": True}
    decided = plan(found)
    assert "db2 is standalone" in decided["problems"][0]
    assert (decided["source"], decided["bootstrap"]) == (None, False)
    decided = plan(found, recover=True)
    assert (decided["source"], decided["bootstrap"], decided["join"]) == ("db2", True, ["db1", "db3"])
    table = reports.group_report(found, HOSTS, ADDRESSES)
    assert "An upgrade of the schema or a restore is running, or was interrupted" in table
    found["db2"] = {**seen("db2", was_member=True), "alone": True}
    assert "STANDALONE" in reports.group_report(found, HOSTS, ADDRESSES)


def test_a_host_that_comes_back_joins() -> None:
    members = view("db2", {"db1": "ONLINE", "db2": "ONLINE"})
    decided = plan({"db1": online("db1", members), "db2": online("db2", members), "db3": {"skipped": True}})
    assert (decided["primary"], decided["source"]) == ("db2", "db2")
    assert (decided["bootstrap"], decided["online"], decided["join"]) == (False, ["db1", "db2"], ["db3"])


def test_the_primary_must_be_looked_at() -> None:
    members = view("db3", dict.fromkeys(HOSTS, "ONLINE"))
    decided = plan({"db1": online("db1", members)})
    assert "the primary, db3, was not inspected" in decided["problems"][0]


def test_a_minority_is_no_group() -> None:
    members = view("db1", {"db1": "ONLINE", "db2": "UNREACHABLE", "db3": "UNREACHABLE"})
    decided = plan({"db1": online("db1", members)})
    assert decided["online"] == []
    assert decided["problems"]


def test_recovery_goes_on_with_who_has_most() -> None:
    found = {
        "db1": seen("db1", was_member=True, executed=f"{GROUP}:1-90"),
        "db2": seen("db2", was_member=True, executed=f"{GROUP}:1-95:1000001-1000010, other:1-3"),
    }
    decided = plan(found, recover=True)
    assert (decided["source"], decided["bootstrap"], decided["join"]) == ("db2", True, ["db1"])
    assert decided["transactions"] == {"db1": 90, "db2": 108}
    assert decided["unseen"] == ["db3"]


def test_recovery_does_nothing_to_a_group_that_is_there() -> None:
    members = view("db2", {"db1": "ONLINE", "db2": "ONLINE"})
    decided = plan(
        {"db1": online("db1", members), "db2": online("db2", members), "db3": seen("db3", was_member=True)},
        recover=True,
    )
    assert not decided["bootstrap"]


def test_recovery_needs_a_member() -> None:
    decided = plan({host: seen(host) for host in HOSTS}, recover=True)
    assert "no host that answers has been in the group" in decided["problems"][0]


def test_strangers_are_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="db9: not in the inventory group"):
        plan({"db9": seen("db9")})


def test_the_table() -> None:
    members = view("db2", {"db1": "ONLINE", "db2": "ONLINE", "db3": "UNREACHABLE"})
    found = {"db1": online("db1", members), "db2": online("db2", members)}
    found["db1"]["group"]["lag"] = 0.25
    lines = reports.group_report(found, HOSTS, ADDRESSES).splitlines()
    assert lines[0].split() == ["member", "address", "role", "state", "to", "apply", "lag", "MySQL"]
    assert lines[1].split() == ["db1", "10.0.0.1", "secondary", "ONLINE", "3", "0.2", "s", "9.7.0"]
    assert lines[2].split() == ["db2", "10.0.0.2", "primary", "ONLINE", "3", "9.7.0"]
    assert lines[3].split() == ["db3", "10.0.0.3", "UNREACHABLE"]
    assert lines[-1].startswith("db2 is the primary; no more of 3 members may be lost. Bring the others back")


def test_the_table_where_nobody_writes() -> None:
    members = view("db1", {"db1": "ONLINE", "db2": "UNREACHABLE", "db3": "UNREACHABLE"})
    text = reports.group_report({"db1": online("db1", members)}, HOSTS, ADDRESSES)
    assert "ONLINE, no majority" in text
    assert "No member accepts writes" in text
    assert "does not answer" in text
