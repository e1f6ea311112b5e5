# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases of cases.yml, and what is recorded of each in store_plans.json."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping

import yaml

HERE = Path(__file__).resolve().parent
PLANS = HERE / "store_plans.json"
# All values of this one are recorded, and of the others those that differ.
FIRST = "deployed"


@dataclass
class Case:
    """What a plan is made from, see cases.yml."""

    title: str
    variables: dict[str, Any] = field(default_factory=dict)
    host: dict[str, Any] = field(default_factory=dict)
    name: str = "store"
    inventory: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    play: dict[str, Any] = field(default_factory=dict)
    material: dict[str, Any] = field(default_factory=dict)
    check: bool = False
    flags: dict[str, Any] = field(default_factory=dict)


def merged(base: Any, change: Any) -> Any:
    """Return ``base`` with what ``change`` says; an empty dictionary takes the place of one that is not."""
    if not (isinstance(base, Mapping) and isinstance(change, Mapping) and change):
        return copy.deepcopy(change)
    found = {name: copy.deepcopy(value) for name, value in base.items()}
    for name, value in change.items():
        found[name] = merged(found.get(name), value)
    return found


def load_cases() -> list[Case]:
    """Return all cases, the one first that the others are compared with."""
    loaded = yaml.safe_load((HERE / "cases.yml").read_text(encoding="utf-8"))
    cases = []
    for title, values in loaded["cases"].items():
        change = {**values.get("host", {})}
        host = loaded["hosts"][change.pop("is", "untouched")]
        cases.append(
            Case(
                **{**values, "title": title, "host": merged(host, change) if change else copy.deepcopy(host)}
            )
        )
    return sorted(cases, key=lambda case: case.title != FIRST)


def write_plans(plans: Mapping[str, Mapping[str, Any]]) -> None:
    """Record what was made of the cases: all values of the first one, and of the others those that differ from it."""
    first = plans[FIRST]
    recorded = {FIRST: dict(sorted(first.items()))}
    for title, plan in sorted(plans.items()):
        if title != FIRST:
            recorded[title] = {name: value for name, value in sorted(plan.items()) if value != first[name]}
    PLANS.write_text(json.dumps(recorded, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_plans() -> dict[str, dict[str, Any]]:
    """Return all values that are recorded of each case."""
    recorded = json.loads(PLANS.read_text(encoding="utf-8"))
    return {title: {**recorded[FIRST], **plan} for title, plan in recorded.items()}
