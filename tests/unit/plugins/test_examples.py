# SPDX-License-Identifier: GPL-3.0-or-later
"""Every plugin has EXAMPLES, and they are right.

Those of filters, lookups and callbacks are run here. The tasks of modules are compared with what the modules take;
tests/integration/test_examples.py runs them.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible_collections.mlflow_ops.backend_store.plugins.action import mlflow_mysql_plan
from default_versions import MLFLOW
from example_plays import (
    COLLECTION,
    PRIVATE,
    ROOT,
    Played,
    action_of,
    examples_of,
    is_play,
    noted,
    play,
    plugins,
    replaced,
    tasks_of,
)

MODULES = f"ansible_collections.{COLLECTION}.plugins.modules"
OURS = f"{COLLECTION}."


class Vaulted(str):
    """A value that Ansible Vault encrypted."""


def represent_vaulted(dumper: yaml.SafeDumper, value: Vaulted) -> yaml.Node:
    return dumper.represent_scalar("!vault", str(value), style="|")


yaml.SafeDumper.add_representer(Vaulted, represent_vaulted)
VAULT_PASSWORD = "vault"


def vaulted(value: str) -> Vaulted:
    vault = VaultLib([("default", VaultSecret(VAULT_PASSWORD.encode()))])
    return Vaulted(vault.encrypt(value.encode()).decode())


@dataclass
class Case:
    """What the EXAMPLES of a plugin need, and what each of their tasks must say. The last may be meant to fail."""

    said: list[str]
    variables: dict[str, Any] = field(default_factory=dict)
    fails: bool = False


MEMBER = {
    **{"uuid": "uuid-1", "host": "10.20.0.7", "port": 3306, "state": "ONLINE", "role": "PRIMARY"},
    **{"version": "9.7.0", "certifying": 0, "applying": 0},
}
GROUP = {
    "found": {
        "localhost": {
            "answers": True,
            "group": {
                **{"server_uuid": "uuid-1", "version": "9.7.0", "group_name": "a-group", "state": "ONLINE"},
                **{"role": "PRIMARY", "majority": True, "executed": "", "was_member": True, "tables": 40},
                **{"lag": None, "members": [MEMBER]},
            },
        }
    },
    "addresses": {"localhost": "10.20.0.7"},
}
CONTROL = {
    **{"id": "tls-required", "title": "Sessions over the network use TLS", "references": ["CIS MySQL 8.1"]},
    **{"status": "fail", "found": "require_secure_transport = OFF", "remedy": "Set mlflow_mysql_tls"},
}
SCHEMA = {
    **{
        "app": "tracking",
        "database": "mlflow",
        "state": "current",
        "revision": "dc11669786a5",
        "head": "dc11669786a5",
    },
    **{
        "message": "The store has the schema of MLflow 3.5.1: there is nothing to do.",
        "mlflow_version": "3.5.1",
    },
    **{
        "mlflow_versions": ["3.5.0", "3.5.1"],
        "pending": [],
        "half_applied": None,
        "drift": [],
        "blockers": [],
    },
    **{"tables": [], "sessions": [], "revisions": [], "server": {"version": "9.7.0"}},
}
# The URI has the password's bytes, and nothing that is printed has them.
PASSWORD = "p@ss %: word"
CASES = {
    "filter/mlflow_identity_problems": Case(
        ["All assertions passed"], {"host": {"data_dir": {"state": "absent"}}}
    ),
    "filter/mlflow_meant_hosts": Case(["localhost"]),
    "filter/mlflow_mysql_audit_report": Case(
        ["localhost, MySQL 9.7.0: 0 pass, 1 fail, 0 unknown, 0 skipped"],
        {
            "audit": {
                **{"controls": [CONTROL], "counts": {"pass": 0, "fail": 1, "unknown": 0, "skip": 0}},
                "server_version": "9.7.0",
            }
        },
    ),
    "filter/mlflow_mysql_command": Case(["Run ansible-playbook -i hosts.yml --limit localhost"]),
    "filter/mlflow_mysql_with_passwords": Case(
        [json.dumps({"name": "root", "host": "localhost", "password": PASSWORD})], {"root_password": PASSWORD}
    ),
    "filter/mlflow_mysql_group_plan": Case(['"primary": "localhost"'], GROUP),
    "filter/mlflow_mysql_group_report": Case(["10.20.0.7"], GROUP),
    "filter/mlflow_mysql_group_run": Case(["All assertions passed"]),
    "filter/mlflow_mysql_join_problems": Case(["All assertions passed"]),
    "filter/mlflow_mysql_image_placement": Case(["store1"]),
    "filter/mlflow_mysql_next_steps": Case(["MLflow 3.5.1 cannot use it yet: mlflow has an older schema"]),
    "filter/mlflow_program_problem": Case(
        ["it was killed from outside by SIGKILL"],
        {"swapped": {"failed": True, "rc": -9, "msg": "non-zero return code", "stdout": "", "stderr": ""}},
        fails=True,
    ),
    "filter/mlflow_schema_package_problem": Case(
        ["the package index has no mlflow 3.99.0; the nearest of its 2 versions are 3.5.0, 3.5.1"],
        {
            "installed": {
                "stderr": "ERROR: Could not find a version that satisfies the requirement mlflow==3.99.0 "
                "(from versions: 3.5.0, 3.5.1)"
            }
        },
    ),
    "filter/mlflow_schema_report": Case(
        ["mlflow on localhost: CURRENT", '"changed": true'], {"schema": SCHEMA}
    ),
    "filter/mlflow_schema_upgrade_result": Case(["Downtime        writers were locked out for 42.0 s"]),
    "lookup/mlflow_default": Case([MLFLOW]),
    "filter/mlflow_store_uri": Case(
        [
            '"changed": true',
            "mysql+pymysql://mlflowusr:***@[2001:db8::1]:3306/mlflow"
            "?ssl_ca=%2Fetc%2Fssl%2Fstore.pem&ssl_check_hostname=true",
        ],
        {"mlflow_password": vaulted(PASSWORD)},
    ),
    "lookup/mlflow_variable_problems": Case(
        ['mlflow_mysql_port is "abc": give an integer.'], {"mlflow_mysql_port": "abc"}, fails=True
    ),
}
RUN_HERE = [plugin for plugin in plugins() if plugin.split("/")[0] in ("filter", "lookup")]
CALLBACKS = [plugin for plugin in plugins() if plugin.startswith("callback/")]


def said_by(result: dict[str, Any]) -> str:
    message = result.get("msg")
    return message if isinstance(message, str) and message else json.dumps(result)


def prepared(plugin: str, names: dict[str, list[str]], directory: Path) -> list[dict[str, Any]]:
    """The plays that run a plugin's EXAMPLES below a directory."""
    words = {"/etc/mlflow/environment": str(directory / "environment")}
    entries = replaced(examples_of(plugin), words)
    variables = {"vars": CASES[plugin].variables} if CASES[plugin].variables else {}
    if is_play(entries[0]):
        return [{**one, **variables, "tasks": noted(one["tasks"], plugin, names)} for one in entries]
    block = {"name": f"Examples of {plugin}", "block": noted(entries, plugin, names), **variables}
    return [{"name": plugin, "hosts": "localhost", "gather_facts": False, "tasks": [block]}]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="module")
def played(directory: Path) -> Played:
    """One run of the EXAMPLES of all filters and lookups, with the callback as its own EXAMPLES say."""
    (directory / "vault").write_text(VAULT_PASSWORD)
    names: dict[str, list[str]] = {}
    plays = [
        play
        for plugin in RUN_HERE
        if plugin in CASES and examples_of(plugin)
        for play in prepared(plugin, names, directory)
    ]
    (configuration,) = [examples_of(plugin)["ansible.cfg"] for plugin in CALLBACKS]
    words = ("--vault-password-file", str(directory / "vault"))
    return play(plays, names, directory, *words, configuration=configuration)


@pytest.mark.parametrize("plugin", RUN_HERE)
def test_examples_of_filters_and_lookups_run(plugin: str, played: Played) -> None:
    case, results = CASES[plugin], played.results[plugin]
    assert len(results) == len(case.said)
    for result, said in zip(results, case.said):
        assert said in said_by(result)
        assert bool(result.get("failed")) is case.fails, result


def test_a_secret_arrives_where_it_is_meant_and_nowhere_else(played: Played, directory: Path) -> None:
    assert (directory / "environment").read_text() == (
        "MLFLOW_BACKEND_STORE_URI=mysql+pymysql://mlflowusr:p%40ss%20%25%3A%20word@db.example.org:3306/mlflow\n"
    )
    assert "p@ss" not in played.output and "p%40ss" not in played.output
    # What the example says beside it is true.
    path = ROOT / "plugins/filter/mlflow_store_uri.py"
    stated = [line.strip(" #") for line in path.read_text().splitlines() if line.startswith("  # mysql")]
    assert len(stated) == 1 and stated[0] in played.output


def test_examples_of_callbacks_choose_them(played: Played) -> None:
    assert CALLBACKS == ["callback/steps"]
    assert "Say why" in played.output and "TASK [" not in played.output


def specification(module: str) -> dict[str, Any]:
    """What a module gives to AnsibleModule, or the action plugin that runs in its place takes."""
    if module == "mlflow_mysql_plan":
        return {"argument_spec": mlflow_mysql_plan.ARGUMENT_SPEC}
    code = importlib.import_module(f"{MODULES}.{module}")
    with mock.patch.object(code, "AnsibleModule", side_effect=SystemExit) as called, pytest.raises(
        SystemExit
    ):
        code.main()
    return dict(called.call_args.kwargs)


def problems(module: str, arguments: Any) -> list[str]:
    """Why a module would refuse arguments."""
    options = specification(module)
    options.pop("supports_check_mode", None)
    validator = ArgumentSpecValidator(options.pop("argument_spec"), **options)
    return list(validator.validate(arguments or {}).error_messages)


@pytest.mark.parametrize("plugin", plugins())
def test_every_plugin_has_examples_with_arguments_that_are_taken(plugin: str) -> None:
    kind, name = plugin.split("/")
    examples = examples_of(plugin)
    assert examples, f"{plugin} has no EXAMPLES"
    if kind == "callback":
        return
    assert plugin in CASES or kind not in ("filter", "lookup"), (
        f"{plugin} is not run: CASES has nothing of it"
    )
    tasks = tasks_of(plugin)
    for task in tasks:
        assert task["name"][0].isupper()
        action = action_of(task)
        if action.startswith(OURS):
            assert not problems(action[len(OURS) :], task[action]), task["name"]
    used = [action_of(task) for task in tasks] if kind in ("action", "modules") else str(examples)
    assert f"{COLLECTION}.{name}" in used, f"the EXAMPLES of {plugin} do not use it"


def test_a_wrong_argument_is_found() -> None:
    arguments = {"state": "open", "path": "/a", "owner": "b"}
    assert problems("mlflow_mysql_write_lock", {"state": "ajar"})
    assert problems("mlflow_mysql_write_lock", {**arguments, "owner_file": "/c"}) == []
    assert "required together" in problems("mlflow_mysql_write_lock", arguments)[0]


def test_ansible_takes_the_examples_for_plays(tmp_path: Path) -> None:
    """Modules that there are not, and keywords that tasks do not have, are found."""
    for plugin in plugins():
        entries = examples_of(plugin)
        if entries and plugin not in CALLBACKS:
            plays = (
                entries if is_play(entries[0]) else [{"name": plugin, "hosts": "localhost", "tasks": entries}]
            )
            path = tmp_path / f"{plugin.replace('/', '_')}.yml"
            path.write_text(yaml.safe_dump(plays, sort_keys=False), encoding="utf-8")
    words = [*sorted(map(str, tmp_path.glob("*.yml")))]
    done = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "--syntax-check", "-i", "localhost,", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_directory_of_plugins_is_known() -> None:
    """Another kind of plugin needs a way to run its EXAMPLES."""
    kinds = {path.name for path in (ROOT / "plugins").iterdir() if path.is_dir() and path.name[0] != "_"}
    assert kinds == {"action", "callback", "filter", "lookup", "modules", *PRIVATE}
