# SPDX-License-Identifier: GPL-3.0-or-later
"""The EXAMPLES of plugins, and plays on this machine that run them."""

from __future__ import annotations

import ast
import copy
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable

import yaml

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "mlflow_ops.backend_store"
# What is no plugin for users.
PRIVATE = ("doc_fragments", "module_utils", "plugin_utils")


def plugins() -> list[str]:
    """Every plugin as KIND/NAME, where KIND is its directory."""
    return sorted(
        f"{path.parent.name}/{path.stem}"
        for path in (ROOT / "plugins").glob("*/*.py")
        if path.parent.name not in PRIVATE
    )


def examples_of(plugin: str) -> Any:
    """The EXAMPLES of a plugin, loaded; None if there are none. Those of an action plugin are in its module."""
    path = ROOT / "plugins" / f"{plugin.replace('action/', 'modules/')}.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXAMPLES":
            return yaml.safe_load(ast.literal_eval(node.value))
    return None


def replaced(value: Any, words: dict[str, str]) -> Any:
    """A value with other words in all its texts, those that are named first first."""
    if isinstance(value, dict):
        return {key: replaced(entry, words) for key, entry in value.items()}
    if isinstance(value, list):
        return [replaced(entry, words) for entry in value]
    for old, new in words.items() if isinstance(value, str) else ():
        value = value.replace(old, new)
    return value


def is_play(entry: dict[str, Any]) -> bool:
    return "hosts" in entry


def tasks_of(plugin: str) -> list[dict[str, Any]]:
    """The tasks of a plugin's EXAMPLES, also those of its plays."""
    entries: list[dict[str, Any]] = copy.deepcopy(examples_of(plugin))
    return [task for entry in entries for task in (entry["tasks"] if is_play(entry) else [entry])]


def action_of(task: dict[str, Any]) -> str:
    """The module of a task, which is the only name with dots."""
    (name,) = [key for key in task if "." in key]
    return name


@dataclass
class Played:
    """What ansible-playbook printed, and what each task returned by the key that it was given."""

    output: str
    results: dict[str, list[dict[str, Any]]]


def noted(tasks: Iterable[dict[str, Any]], key: str, names: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Tasks whose results are kept, good or bad; `names` gets the variables with them."""
    prepared = []
    for task in tasks:
        kept = names.setdefault(key, [])
        name = task.get("register") or f"example_{list(names).index(key)}_{len(kept)}"
        kept.append(name)
        prepared.append({**task, "register": name, "ignore_errors": True})
    return prepared


def play(
    plays: list[dict[str, Any]],
    names: dict[str, list[str]],
    directory: Path,
    *words: str,
    configuration: str = "",
) -> Played:
    """Run plays in a directory. `names` are variables to return; the last play may not fail before them."""
    found = directory / "results.json"
    results = {key: "{{ [" + ", ".join(kept) + "] }}" for key, kept in names.items()}
    last = {"content": "{{ results | to_json }}", "dest": str(found), "mode": "0600"}
    last_play = {
        "name": "Keep the results",
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {"name": "Write them", "ansible.builtin.copy": last, "vars": {"results": results}, "no_log": True}
        ],
    }
    playbook, settings = directory / "play.yml", directory / "ansible.cfg"
    playbook.write_text(
        yaml.dump([*plays, last_play], Dumper=yaml.SafeDumper, sort_keys=False), encoding="utf-8"
    )
    settings.write_text(configuration, encoding="utf-8")
    inventory = directory / "hosts.yml"
    inventory.write_text(
        yaml.safe_dump({"mlflow_backend_store": {"hosts": {"localhost": {"ansible_connection": "local"}}}})
    )
    done = subprocess.run(
        [
            *("ansible-playbook", "-i", str(inventory), "-e", f"ansible_python_interpreter={sys.executable}"),
            *(*words, str(playbook)),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        timeout=600,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
            "ANSIBLE_CONFIG": str(settings),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
    )
    assert done.returncode == 0 and found.is_file(), done.stdout + done.stderr
    return Played(done.stdout, json.loads(found.read_text(encoding="utf-8")))
