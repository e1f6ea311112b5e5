# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hosts of a run know of their group."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._replication.run import (
    join_problems,
    run_facts,
)

try:
    from ansible.template import trust_as_template
except ImportError:  # before ansible-core 2.19 every text may be a template
    trust_as_template = None

MEMBERS = ["a", "b", "d"]
ROTATED = {"mlflow_replication_rotated": True}
PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"


def slurped(*names: str) -> dict[str, str]:
    """A file with a certificate of each name, as a task reads it."""
    return {"content": base64.b64encode("".join(map(PEM.format, names)).encode()).decode()}


def noted(**notes: Any) -> dict[str, Any]:
    """The variables of a host with what tasks noted."""
    return {f"__mlflow_replication_{name}": note for name, note in notes.items()}


@pytest.mark.parametrize("clients, cut_off", [([], ["d"]), (["a", "b", "c"], ["c"])])
def test_hosts_without_the_new_passwords_are_cut_off(clients: list[str], cut_off: list[str]) -> None:
    """Hosts that were lost, or left out with --limit; where no host is named for MLflow it runs on the members."""
    variables = {"a": ROTATED, "b": ROTATED, "c": {}, "d": {}}
    assert run_facts(variables, MEMBERS, ["a", "b"], clients)["cut_off"] == cut_off


def test_only_hosts_of_the_play_were_inspected() -> None:
    marked, unmarked = {"stat": {"exists": True}}, {"stat": {"exists": False}}
    variables = {
        "a": noted(seen={"answers": True}, standalone=unmarked),
        "b": noted(seen={"answers": False}, standalone=marked),
        "d": noted(seen={"answers": True}, standalone=marked),
    }
    found = run_facts(variables, MEMBERS, ["b", "a"])
    assert found["found"] == {"a": {"answers": True, "alone": False}, "b": {"answers": False, "alone": True}}
    assert found["alone"] == ["b"]
    assert run_facts({"a": {}, "b": {}, "d": {}}, MEMBERS, MEMBERS)["found"] == {}


def test_the_authority_of_a_host_that_is_not_reached_stays() -> None:
    variables = {
        "a": noted(ca=slurped("A"), known=slurped("A", "B", "D")),
        "b": noted(ca=slurped("B2")),
        "d": {},
    }
    assert run_facts(variables, MEMBERS, ["a", "b"], source="a")["authorities"] == [
        PEM.format(name).strip() for name in ("A", "B2", "B", "D")
    ]
    variables["d"] = noted(ca=slurped("D"))
    assert run_facts(variables, MEMBERS, MEMBERS, source="a")["authorities"] == [
        PEM.format(name).strip() for name in ("A", "B2", "D")
    ]
    assert (
        run_facts({"a": {}, "b": {}, "d": noted(ca={"skipped": True})}, MEMBERS, MEMBERS)["authorities"] == []
    )


def test_addresses_are_the_first_that_the_inventory_has() -> None:
    variables = {
        "a": {"mlflow_mysql_group_address": "10.0.0.1", "ansible_host": "elsewhere"},
        "b": {"mlflow_mysql_advertised_host": "b.example.org", "mlflow_mysql_group_address": None},
        "d": {},
    }
    assert run_facts(variables, MEMBERS, [])["addresses"] == {"a": "10.0.0.1", "b": "b.example.org", "d": "d"}


OWN = {"answers": True, "group": {"tables": 4, "was_member": False}}


@pytest.mark.parametrize(
    "seen, options, said",
    [
        (OWN, {}, "a has a store of its own (4 tables)"),
        (OWN, {"was_member": True}, "a has a store of its own (4 tables)"),
        (OWN, {"discards": True}, None),
        ({"answers": True, "group": {"tables": 4, "was_member": True}}, {}, None),
        ({"answers": True, "group": {"tables": 0, "was_member": False}}, {}, None),
        ({"answers": False, "problem": "it refuses root"}, {}, "does not answer (it refuses root)"),
        ({"skipped": True}, {}, "does not answer (its container does not run)"),
        ({"skipped": True}, {"was_member": True}, None),
        ({"skipped": True}, {"discards": True}, None),
    ],
)
def test_data_that_nothing_else_has_is_not_replaced(
    seen: dict[str, Any], options: dict[str, bool], said: str | None
) -> None:
    problems = join_problems("a", seen, **options)
    assert len(problems) == (said is not None)
    for problem in problems:
        assert said is not None and said in problem and "mlflow_replication_discard" in problem


def test_notes_with_values_that_are_templated_when_they_are_read() -> None:
    """What a filter gets has lists and dictionaries of Ansible's own inside, which cannot be copied."""
    seen = {"answers": True, "group": {"members": [{"host": "10.0.0.1", "state": "ONLINE"}]}}
    variables = {"a": noted(seen=seen, standalone={"stat": {"exists": False}}), "b": {}, "d": {}}
    templar = Templar(loader=DataLoader(), variables={"variables": variables, "members": MEMBERS})
    templar.environment.globals["run_facts"] = run_facts
    template = "{{ run_facts(variables, members, members) }}"
    found = templar.template(trust_as_template(template) if trust_as_template else template)
    assert found["found"] == {"a": {**seen, "alone": False}}
