# SPDX-License-Identifier: GPL-3.0-or-later
"""Record what the variables of the role mlflow_mysql make of each case of store_cases.yml.

    python tests/harness/store_plans_by_jinja.py [--check]

This is how store_plans.json came to be, before the planner took the place of those variables.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Mapping

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/unit/plugins/plugin_utils/_store"))

import yaml
from ansible import constants as C
from ansible import context
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play import Play
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from store_cases import Case, load_cases, write_plans

PREFIX = "__mlflow_mysql_"
# What tasks, templates and other roles use, and what decides on it.
RECORDED = """
accounts_wanted advertised_host all_password_names allowed_hosts answers_at asker bare base_is_ours
base_version buffer_pool_mb builds built command components connections_from connections_wanted
container_current context context_digest context_label cpu_shares data_version endpoint
environment_file files generated given_names given_settings group_arguments has_data has_image
host_uid image_current image_due label latest leader limits login_host made made_label
max_connections member_addresses member_hosts member_name members memory_mb network_name next_files
next_names ours own password_files password_policy paths pids_limit pool_overflow pool_recycle
pool_size problems receivers recovery refresh replaced replaces rotated rotating rotation_hosts
rotation_parts rotation_pause rotation_users running server_connections sized socket source tagged
tls_due tls_on tls_sets tls_wanted uid uri_tls user_accounts user_hosts
""".split()
# What is fixed, so that a change of a task does not change all digests.
OPTIONS = {"image": "{{ image }}", "read_only": True}


def plain(value: Any) -> Any:
    """Return a value without what Ansible notes of it."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def normalised(case: Case, found: dict[str, Any]) -> dict[str, Any]:
    """Return values without differences that nobody sees: numbers that are texts, and what stands for a password."""
    found = dict(found)
    for name in ("buffer_pool_mb", "max_connections", "memory_mb", "pids_limit"):
        if isinstance(found[name], str) and found[name].isdigit():
            found[name] = int(found[name])
    if isinstance(found["answers_at"], dict):
        found["answers_at"]["port"] = int(found["answers_at"]["port"])
    if isinstance(found["built"], dict):
        found["built"] = found["built"]["id"]
    accounts = {
        "root": "root",
        case.variables.get("mlflow_mysql_migrator_user", "mlflow_migrator"): "migrator",
        case.variables.get("mlflow_mysql_backup_user", "mlflow_backup"): "backup",
    }
    for name in ("accounts_wanted", "user_accounts"):
        for account in found[name]:
            if account.pop("password", None) is not None:
                account["given"] = accounts.get(account["name"], "user")
    return found


def compute(case: Case, directory: Path) -> dict[str, Any]:
    """Return each value that can be computed in a case."""
    loader = DataLoader()
    hosts = {case.name: case.variables, **case.inventory, **{name: {} for name in case.play}}
    groups = {"case": {"hosts": hosts}}
    for group, members in case.groups.items():
        groups[group] = {"hosts": {member: hosts.get(member, {}) for member in members}}
    source = directory / "hosts.yml"
    source.write_text(yaml.safe_dump({"all": {"children": groups}}, sort_keys=False), encoding="utf-8")
    inventory = InventoryManager(loader=loader, sources=[str(source)])
    manager = VariableManager(loader=loader, inventory=inventory)
    HostVars(inventory=inventory, variable_manager=manager, loader=loader)
    play = Play.load(
        {
            "hosts": "case",
            "gather_facts": False,
            "roles": [{"role": "mlflow_ops.backend_store.mlflow_mysql"}],
        },
        variable_manager=manager,
        loader=loader,
    )
    blocks = play.compile()
    task = next(
        task
        for block in blocks
        for task in block.get_tasks()
        if task.action.endswith("mlflow_mysql_host_info")
    )
    running = [case.name, *case.play]
    manager.set_nonpersistent_facts(case.name, {"__mlflow_mysql_wants": case.host["image"]})
    for name, other in case.play.items():
        facts: dict[str, Any] = {"__mlflow_mysql_host": {"images": other.get("images", {})}}
        if "wants" in other:
            facts["__mlflow_mysql_wants"] = other["wants"]
        manager.set_nonpersistent_facts(name, facts)
    variables = manager.get_vars(
        play=play, host=inventory.get_host(case.name), task=task, _hosts=running, _hosts_all=running
    )
    flags = {f"{PREFIX}{name}": value for name, value in case.flags.items() if name != "subnets"}
    if "subnets" in case.flags:
        config = [{"Subnet": subnet} for subnet in case.flags["subnets"]]
        flags[f"{PREFIX}network"] = {"network": {"IPAM": {"Config": config}}}
    variables.update(
        {
            f"{PREFIX}host": case.host,
            f"{PREFIX}container_options": OPTIONS,
            f"{PREFIX}tls_material": case.material,
            "ansible_check_mode": case.check,
            "ansible_play_batch": running,
            "ansible_play_hosts": running,
            **flags,
        }
    )
    templar = Templar(loader=loader, variables=variables)
    found = {}
    for name in RECORDED:
        try:
            found[name] = plain(templar.template(variables[PREFIX + name]))
        except Exception as error:
            found[name] = f"({type(error).__name__})"
    for texts in ("context", "files"):
        try:
            rendered = templar.template(variables[PREFIX + texts])
        except Exception as error:
            found[texts] = f"({type(error).__name__})"
        else:
            found[texts] = {
                name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in rendered.items()
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    context.CLIARGS = ImmutableDict(check=False, diff=False)
    init_plugin_loader()
    assert C.DEFAULT_MANAGED_STR
    found = {}
    with tempfile.TemporaryDirectory() as directory:
        for case in load_cases():
            if options.only in case.title:
                found[case.title] = normalised(case, compute(case, Path(directory)))
    if options.only:
        print(json.dumps(found, indent=1, sort_keys=True))
    else:
        write_plans(found)


if __name__ == "__main__":
    main()
