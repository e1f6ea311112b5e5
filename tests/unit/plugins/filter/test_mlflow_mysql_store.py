# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters that the role uses beside its plan."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.filter.mlflow_mysql_image_placement import (
    image_placement,
)
from ansible_collections.mlflow_ops.backend_store.plugins.filter.mlflow_mysql_with_passwords import (
    given_passwords,
)

WANTED = "mlflow-mysql:0123456789abcdef"
HAVING: dict[str, Any] = {WANTED: {"id": "sha256:1"}, "mysql:9.7.0": None}


def test_a_password_takes_the_place_of_what_stands_for_it() -> None:
    accounts = [{"name": "root", "given": "root"}, {"name": "mlflowusr", "password_file": "/secrets/user"}]
    assert given_passwords(accounts, {"root": "a password", "user": None}) == [
        {"name": "root", "password": "a password"},
        accounts[1],
    ]


def variables(wants: dict[str, str], images: dict[str, Any], refresh: bool = False) -> dict[str, Any]:
    """The variables of the hosts a, b and c; ``images`` are those that a host has."""
    return {
        name: {
            "mlflow_mysql_store": {
                "image": {"wanted": wants.get(name, WANTED), "there": name in images, "refresh": refresh},
                "host": {"images": images.get(name, {})},
            },
            **({"__mlflow_mysql_wants": wants[name]} if name in wants else {}),
        }
        for name in ("a", "b", "c")
    }


@pytest.mark.parametrize(
    ("wants", "images", "source", "receivers"),
    [
        (("a", "b", "c"), (), "a", ["b", "c"]),
        (("b", "c"), ("a",), "a", ["b", "c"]),
        # It is in the batch of an earlier host that has it.
        (("a",), ("c",), "c", ["a"]),
        ((), ("c",), None, []),
    ],
)
def test_an_image_comes_from_who_has_it_or_builds_it(
    wants: tuple[str, ...], images: tuple[str, ...], source: str | None, receivers: list[str]
) -> None:
    hosts = variables(dict.fromkeys(wants, WANTED), dict.fromkeys(images, HAVING))
    for name in ("a", "b", "c"):
        found = image_placement(hosts, name, ["a", "b", "c"], ["a", "b", "c"], "archive")
        assert (found["source"], found["receivers"]) == (source, receivers)
        assert found["builds"] == (name == source and name not in images)


def test_with_a_registry_the_first_of_those_that_want_the_same_builds() -> None:
    hosts = variables({"a": "other:1", "b": WANTED, "c": WANTED}, {})
    found = {
        name: image_placement(hosts, name, ["a", "b", "c"], ["a", "b", "c"], "registry") for name in hosts
    }
    assert {name: placement["leader"] for name, placement in found.items()} == {"a": "a", "b": "b", "c": "b"}
    assert [name for name, placement in found.items() if placement["builds"]] == ["a", "b"]


def test_a_host_that_failed_neither_builds_nor_hands_out() -> None:
    hosts = variables({"a": WANTED, "b": WANTED}, {"c": HAVING})
    found = image_placement(hosts, "b", ["b"], ["b"], "archive")
    assert (found["requester"], found["source"], found["builds"]) == ("b", "b", True)


def test_what_is_there_is_not_good_enough_where_the_base_image_is_asked_for_anew() -> None:
    hosts = variables({"a": WANTED, "b": WANTED}, {"b": HAVING}, refresh=True)
    hosts["b"]["mlflow_mysql_store"]["image"]["there"] = False
    assert image_placement(hosts, "a", ["a", "b"], ["a", "b"], "archive")["builds"]


def test_a_host_that_was_not_looked_at_has_no_image() -> None:
    hosts = variables({"a": WANTED}, {})
    hosts["b"] = {"mlflow_mysql_store": {"unreachable": True, "msg": "gone"}}
    hosts["c"] = {}
    assert image_placement(hosts, "a", ["a"], ["a", "b", "c"], "archive")["source"] == "a"
