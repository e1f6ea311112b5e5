# SPDX-License-Identifier: GPL-3.0-or-later
"""The cases of cases.yml, and what is recorded of each in store_plans.json."""

from __future__ import annotations

import copy
import hashlib
import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Mapping

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.mlflow_ops.backend_store.plugins.action import mlflow_mysql_plan
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store import (
    accounts,
    checks,
    group,
    images,
    plan,
    sizing,
)
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.inputs import (
    Host,
    Material,
    Options,
    Others,
    Passwords,
    Run,
    default_base_version,
)

HERE = Path(__file__).resolve().parent
PLANS = HERE / "store_plans.json"
# All values of this one are recorded, and of the others those that differ.
FIRST = "deployed"
# What templates make of a plan, which takes longer.
RENDERED = ("context", "files")
ROLES = HERE.parents[4] / "roles"
# Of the paths, those that the container is made of.
PARTS = ("build", "data", "run", "secrets", "mounted_secrets", "tls", "mounted_tls", "tmp")
DEFAULTS: dict[str, Any] = yaml.safe_load(
    (ROLES / "mlflow_mysql/defaults/main.yml").read_text(encoding="utf-8")
)


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
    text = (HERE / "cases.yml").read_text(encoding="utf-8")
    loaded = yaml.safe_load(text.replace("<default>", default_base_version()))
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
    for title, values in sorted(plans.items()):
        if title != FIRST:
            recorded[title] = {name: value for name, value in sorted(values.items()) if value != first[name]}
    PLANS.write_text(
        json.dumps(recorded, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
    )


def read_plans() -> dict[str, dict[str, Any]]:
    """Return all values that are recorded of each case."""
    recorded = json.loads(PLANS.read_text(encoding="utf-8"))
    return {title: {**recorded[FIRST], **values} for title, values in recorded.items()}


def variables(case: Case) -> dict[str, Any]:
    """The variables of a case with the role's defaults, whose two templates are put in here."""
    found = {**DEFAULTS, **case.variables}
    if found["mlflow_mysql_base_image"] == DEFAULTS["mlflow_mysql_base_image"]:
        repository = found.get("mysql_base_image_repository", "mysql")
        found["mlflow_mysql_base_image"] = (
            f"{repository}:{found.get('mysql_base_image_version', default_base_version())}"
        )
    if found["mlflow_mysql_network"] == DEFAULTS["mlflow_mysql_network"]:
        found["mlflow_mysql_network"] = found["mlflow_mysql_container_name"]
    return found


def planned(case: Case) -> plan.Plan:
    """The plan of a case."""
    values = variables(case)
    inventory = {case.name: case.variables, **case.inventory}
    run = Run(
        name=case.name,
        ansible_host=case.variables.get("ansible_host"),
        check=case.check,
        members={
            host: {name: inventory.get(host, {}).get(name) for name in group.ADDRESS_VARIABLES}
            for host in case.groups.get(values["mlflow_mysql_group"] or "", [])
        },
        material={name: Material(**material) for name, material in case.material.items()},
        container_options={"image": "{{ image }}", "read_only": True},
        **{name: value for name, value in case.flags.items() if name != "subnets"},
    )
    outline = plan.outline(
        Options.of(values), Others.of(values, archive_is_there=False), Passwords.of(values), run
    )
    return plan.plan(outline, Host.of(case.host), case.flags.get("subnets"))


def placement(case: Case, found: plan.Plan) -> images.Placement:
    """Who builds the image of a case."""
    wanting = {case.name: found.image.wanted}
    wanting.update({name: other["wants"] for name, other in case.play.items() if "wants" in other})
    having = {case.name: [name for name, image in case.host["images"].items() if image]}
    having.update({name: list(other.get("images", {})) for name, other in case.play.items()})
    return images.place(found.image.wanted, wanting, having, found.image.refresh)


def recorded(case: Case) -> dict[str, Any]:
    """The values of a case by the names by which they were recorded."""
    found = planned(case)
    outline, image, host = found.outline, found.image, found.host
    paths, passwords, members = asdict(outline.paths), outline.passwords, outline.group
    place = placement(case, found)
    connections, sizes, rotation = outline.connections, found.sizes, found.rotation
    return {
        "accounts_wanted": found.accounts.wanted,
        "advertised_host": outline.endpoint.host,
        "all_password_names": passwords.names,
        "allowed_hosts": found.accounts.allowed_hosts,
        "answers_at": dict(zip(("host", "port"), found.answers_at)),
        "asker": place.requester,
        "bare": found.bare,
        "base_is_ours": image.base_is_ours,
        "base_version": image.base_version,
        "buffer_pool_mb": sizes.buffer_pool_mb,
        "builds": images.builds(case.name, outline.options.image_distribution, image.there, place),
        "built": image.id,
        "command": found.container.command,
        "components": found.accounts.components,
        "connections_from": connections.source,
        "connections_wanted": connections.needed,
        "container_current": found.container.current,
        "context_digest": image.context_digest,
        "context_label": image.context_label,
        "cpu_shares": sizes.cpu_shares,
        "data_version": found.data_version,
        "endpoint": asdict(outline.endpoint),
        "environment_file": paths["environment"],
        "generated": passwords.generated,
        "given_names": passwords.given,
        "given_settings": outline.settings,
        "group_arguments": group.arguments(
            outline.options, outline.run, members, sizes, "/etc/mysql/tls/group-ca.pem"
        ),
        "has_data": found.has_data,
        "has_image": image.there,
        "host_uid": host.home.uid,
        "image_current": image.current,
        "image_due": image.due,
        "label": plan.LABEL,
        "latest": image.latest,
        "leader": place.leader,
        "limits": sizing.limits(sizes, outline.options.restart_policy),
        "login_host": outline.login.login_host,
        "made": found.container.made,
        "made_label": found.container.made_label,
        "max_connections": connections.maximum,
        "member_addresses": members.addresses,
        "member_hosts": members.hosts,
        "member_name": members.name,
        "members": members.members,
        "memory_mb": sizes.memory_mb,
        "network_name": outline.network,
        "next_files": passwords.next_files,
        "next_names": passwords.next_names,
        "ours": found.container.ours,
        "own": image.own,
        "password_files": passwords.files,
        "password_policy": passwords.policy,
        "paths": {name: paths[name] for name in PARTS},
        "pids_limit": sizes.pids_limit,
        "pool_overflow": connections.pool_overflow,
        "pool_recycle": connections.pool_recycle,
        "pool_size": connections.pool_size,
        "problems": checks.problems(found),
        "receivers": place.receivers,
        "recovery": paths["recovery"],
        "refresh": image.refresh,
        "replaced": image.replaced,
        "replaces": found.container.replaced,
        "rotated": rotation.order,
        "rotating": paths["rotating"],
        "rotation_hosts": accounts.rotation_hosts(members, found.accounts.hosts),
        "rotation_parts": rotation.parts,
        "rotation_pause": rotation.pause,
        "rotation_users": rotation.users,
        "running": found.container.running,
        "server_connections": connections.server,
        "sized": sizes.arguments,
        "socket": paths["socket"],
        "source": place.source,
        "tagged": image.wanted,
        "tls_due": found.tls_due,
        "tls_on": outline.tls.on,
        "tls_sets": [asdict(one) for one in outline.tls.sets],
        "tls_wanted": outline.tls.inspected,
        "uid": plan.UID,
        "uri_tls": outline.tls.uri,
        "user_accounts": found.accounts.user,
        "user_hosts": found.accounts.hosts,
    }


def texts(case: Case) -> dict[str, dict[str, str]]:
    """The files that a store has on its host."""
    templar = Templar(loader=DataLoader(), variables={})
    return mlflow_mysql_plan.render(DataLoader(), templar, planned(case).outline, variables(case))


def texts_of(variables: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, dict[str, str]]]:
    """The same of each dictionary of variables, on the host of the first case; made by another process."""
    done = subprocess.run(
        [sys.executable, HERE / "render_files.py"],
        input=json.dumps(variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, dict[str, dict[str, str]]] = json.loads(done.stdout)
    return found


def rendered(case: Case) -> dict[str, dict[str, str]]:
    """The digests of these."""
    return {
        kind: {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in found.items()}
        for kind, found in texts(case).items()
    }
