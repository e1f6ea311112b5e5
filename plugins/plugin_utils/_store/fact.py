# SPDX-License-Identifier: GPL-3.0-or-later
"""The documented fact ``mlflow_mysql_store``, by which roles and tasks know a store: RETURN of mlflow_mysql_plan."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Mapping

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker.cli import LABEL
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store import checks, plan


def facts(whole: plan.Plan) -> dict[str, Any]:
    """Return the documented fact of a store: RETURN of the action plugin mlflow_mysql_plan."""
    found = whole.outline
    host, port = whole.answers_at
    return {
        **outline_facts(found),
        "accounts": asdict(whole.accounts),
        "bare": whole.bare,
        "container": asdict(whole.container),
        "data": {"there": whole.has_data, "version": whole.data_version},
        "host": whole.host.found,
        "identity_problems": list(checks.identity(found, whole.host.found)),
        "image": asdict(whole.image),
        "login": {**login_facts(found.login), "login_host": host, "login_port": port},
        "problems": checks.problems(whole),
        "rotation": asdict(whole.rotation),
        "sizes": asdict(whole.sizes),
        "steps": whole.steps(),
        "uid": whole.host.home.uid,
    }


def outline_facts(found: plan.Outline) -> dict[str, Any]:
    """Return that part of the fact which is known without a look at the host."""
    return {
        "connections": asdict(found.connections),
        "endpoint": asdict(found.endpoint),
        "group": asdict(found.group),
        "label": LABEL,
        "login": login_facts(found.login),
        "network": found.network,
        "passwords": asdict(found.passwords),
        "paths": asdict(found.paths),
        "settings": found.settings,
        "tls": asdict(found.tls),
        "uri_tls": found.tls.uri,
    }


def login_facts(login: plan.Login) -> dict[str, Any]:
    """Return the options with which root logs in."""
    return {name: value for name, value in asdict(login).items() if value is not None}


def store_facts(found: plan.Outline, host: Mapping[str, Any]) -> dict[str, Any]:
    """Return that part of the fact which tells the store from another one; ``host`` is what was found of it."""
    there = host["container"] or {}
    return {
        **outline_facts(found),
        "data": {"there": host["data_dir"]["state"] == "mysql"},
        "host": host,
        "identity_problems": list(checks.identity(found, host)),
        "container": {
            "running": there.get("status") == "running",
            "published": plan.published(there.get("ports") or {}),
        },
        "uid": host["home"]["uid"],
    }
