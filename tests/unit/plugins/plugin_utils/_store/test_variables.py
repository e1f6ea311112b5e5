# SPDX-License-Identifier: GPL-3.0-or-later
"""A variable that nobody knows, and one with a value of another type, is one line that says what to do."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store import variables

ROOT = Path(__file__).resolve().parents[5]
OPTIONS = variables.options_of(
    yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml"))
)
CANARY = "canary-canary-canary"


@pytest.mark.parametrize(
    "typed, meant",
    [
        ("mlflow_mysql_prot", "mlflow_mysql_port"),
        ("mlflow_backup_recipient", "mlflow_backup_recipients"),
        ("mlflow_backup_ovewrite", "mlflow_backup_overwrite"),
        ("mlflow_mysql_bindaddress", "mlflow_mysql_bind_address"),
        ("mlflow_mysql_PORT", "mlflow_mysql_port"),
        ("MLFLOW_MYSQL_PORT", "mlflow_mysql_port"),
        ("mlflow-mysql-home", "mlflow_mysql_home"),
        ("mlflow_msql_port", "mlflow_mysql_port"),
        ("mlfow_mysql_home", "mlflow_mysql_home"),
        ("mlflow_mysql_sreial", "mlflow_mysql_serial"),
        ("mlflow_schema_mlflow_verison", "mlflow_schema_mlflow_version"),
        ("mlflow_mysql_group_adress", "mlflow_mysql_group_address"),
        ("mlflow_proxy_prot", "mlflow_proxy_port"),
        ("docker_engine_hosts", "docker_engine_host"),
        ("mysql_base_image_verison", "mysql_base_image_version"),
        ("mysql_base_image_tag", None),
        # What these were called before their roles had names of their own.
        ("mlflow_mysql_backup_recipients", "mlflow_backup_recipients"),
        ("mlflow_mysql_backup_off_host_target", "mlflow_backup_offsite_target"),
        ("mlflow_mysql_group_timeout", "mlflow_replication_timeout"),
        ("mlflow_mysql_route_port", "mlflow_proxy_port"),
        ("mlflow_shema_version", "mlflow_schema_mlflow_version"),
        ("mlflow_schema_version", "mlflow_schema_mlflow_version"),
        ("mlflow_purge_data", "mlflow_mysql_purge_data"),
        ("mlflow_port", "mlflow_mysql_port"),
        ("mlflow-home", "mlflow_mysql_home"),
        ("mlflow_database", "mlflow_mysql_database"),
        ("mlflow_server_workers", "mlflow_mysql_server_workers"),
    ],
)
def test_a_name_that_is_unknown_is_named_with_the_nearest(typed: str, meant: str | None) -> None:
    (problem,) = variables.unknown_variables([typed, "mlflow_mysql_port"], OPTIONS)
    assert problem.startswith(f"{typed} is no variable of this collection") and "\n" not in problem
    assert meant is None or f"did you mean {meant}?" in problem
    assert f"mlflow_mysql_ignored_variables: [{typed}]" in problem


@pytest.mark.parametrize(
    "name, said",
    [
        ("mlflow_venv_version", "set mlflow_schema_mlflow_version instead"),
        ("mlflow_backup_goes_on", "leave it out"),
    ],
)
def test_what_roles_tell_each_other_is_not_given(name: str, said: str) -> None:
    (problem,) = variables.unknown_variables([name], OPTIONS, given=[name])
    assert problem == f"{name} is what one role of this collection tells another: {said}."
    assert variables.unknown_variables([name], OPTIONS) == []


def test_names_of_others_are_left_alone() -> None:
    own = [
        "vault_mlflow_mysql_user_password",
        "my_mlflow_mysql_port",
        "__mlflow_mysql_wants",
        "mlflow_mysql_store",
        "_mlflow_mysql_prot",
        "ansible_port",
        "mlflow_tracking_uri",
        "mlflow_mysql",
        "mlflow_schema",
        "mlflow_host",
        "mlflow_artifact_root",
        "mlflow_experiment_name",
        "mlflow_gunicorn_options",
        "mlflow_backend_store",
        "mlflow_venv",
        "mysql_port",
        "docker_host",
        "mlflow_mysql_serial",
        "tags",
        "two",
        "to",
        "before",
        "member",
        "recover_from",
    ]
    assert variables.unknown_variables([*own, *OPTIONS], OPTIONS) == []
    assert (
        variables.unknown_variables(["mlflow_mysql_site_name"], OPTIONS, ignored=["mlflow_mysql_site_*"])
        == []
    )
    assert variables.unknown_variables(["mlflow_port"], OPTIONS, ignored=["mlflow_port"]) == []
    assert len(variables.unknown_variables(["mlflow_mysql_site_name"], OPTIONS, ignored=["site_*"])) == 1


@pytest.mark.parametrize(
    "typed, meant", [("befor", "before"), ("Before", "before"), ("too", "to"), ("members", "member")]
)
def test_a_short_name_is_checked_on_the_command_line_only(typed: str, meant: str) -> None:
    """A restore that does not know where to stop would bring back what it is to leave out."""
    assert variables.unknown_variables([typed], OPTIONS) == []
    (problem,) = variables.unknown_variables([], OPTIONS, given=[typed])
    assert f"did you mean {meant}?" in problem


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("mlflow_mysql_port", "abc", 'is "abc": give an integer.'),
        ("mlflow_mysql_port", "", 'is "": give an integer.'),
        ("mlflow_mysql_port", 3306.5, "is 3306.5: give an integer."),
        ("mlflow_mysql_port", True, "is true: give an integer."),
        ("mlflow_mysql_port", [3306], "is a list: give an integer."),
        ("mlflow_mysql_port", None, "is null: give an integer, or leave it out"),
        ("mlflow_mysql_memory_mb", "2G", 'is "2G": give an integer.'),
        ("mlflow_backup_interval", "fast", 'is "fast": give a number.'),
        ("mlflow_backup_interval", "nan", 'is "nan": give a number.'),
        ("mlflow_backup_keep_days", -1, "is -1: give 0 or more."),
        ("mlflow_backup_keep_last", 0, "is 0: give 1 or more."),
        ("mlflow_backup_memory_mb", "-1", 'is "-1": give 512 or more.'),
        ("mlflow_backup_memory_mb", 0, "is 0: give 512 or more."),
        ("mlflow_backup_interval", -1, "is -1: give 0.1 or more."),
        ("mlflow_backup_interval", 0, "is 0: give 0.1 or more."),
        ("mlflow_backup_offsite_interval", "0", 'is "0": give 1 or more.'),
        ("mlflow_mysql_purge_data", "perhaps", 'is "perhaps": give true or false.'),
        ("mlflow_mysql_purge_data", "", 'is "": give true or false.'),
        ("mlflow_mysql_purge_data", 2, "is 2: give true or false."),
        ("mlflow_mysql_settings", "max_connections=300", "give a dictionary, on the command line -e '{"),
        ("mlflow_mysql_settings", ["a"], "is a list: give a dictionary."),
        ("mlflow_mysql_allowed_hosts", "10.0.0.1", "give a list, on the command line -e '{"),
        ("mlflow_mysql_allowed_hosts", {"a": 1}, "is a dictionary: give a list."),
        ("mlflow_mysql_tls_names", [{"a": "b"}], "is a list: give a list of strings"),
        ("mlflow_mysql_tls", "on", 'is "on": give one of generated, provided, off.'),
        ("mlflow_mysql_tls", False, "YAML takes a bare yes, no, on or off for a boolean"),
        ("mlflow_mysql_restart_policy", False, "YAML takes"),
        ("mlflow_mysql_state", "Present", "give one of present, stopped, absent."),
        ("mlflow_mysql_home", ["/srv"], "is a list: give a path."),
        ("mlflow_mysql_home", True, "is true: give a path."),
        ("mlflow_mysql_home", 5, "is 5: give a path."),
        ("mlflow_mysql_user", {"name": "x"}, "is a dictionary: give a string."),
        ("mlflow_mysql_user", True, "is true: give a string."),
        *[
            ("mlflow_mysql_network", value, "and none of Docker's own (host, bridge, none, default")
            for value in (
                "host",
                "HOST",
                "bridge",
                "none",
                "default",
                "container:web",
                "",
                "-x",
                "a b",
                "a/b",
            )
        ],
        *[
            ("mlflow_mysql_container_name", value, "a name that Docker takes")
            for value in ("", "a", "-db", "my db", "a/b", "d\u00fc")
        ],
        *[
            ("mlflow_mysql_image", value, "the name of a repository without a tag")
            for value in ("", "Upper", "mlflow:tag", "mlflow mysql", "/x", "x/", "registry.example.org:5000")
        ],
        ("mlflow_mysql_stop_timeout", -1, "is -1: give 1 or more."),
        ("mlflow_mysql_stop_timeout", "0", "1 or more."),
        ("mlflow_mysql_ready_timeout", 0, "is 0: give 1 or more."),
        ("mlflow_schema_extra_indexes", "runs,everything", "has everything: choose from runs"),
        ("mlflow_mysql_user_password", [CANARY], "is a list: give a string."),
        ("mlflow_mysql_inspected_schemas", [CANARY], "is a list: give a list of dictionaries."),
        ("mlflow_backup_identity", {CANARY: CANARY}, "is a dictionary: give a string."),
        ("mlflow_backup_offsite_environment", f"AWS={CANARY}", "is a string: give a dictionary"),
    ],
)
def test_a_value_of_another_type_is_one_line(name: str, value: Any, said: str) -> None:
    problem = variables.type_problem(name, value, OPTIONS[name])
    assert problem is not None and problem.startswith(name) and said in problem
    assert "\n" not in problem and CANARY not in problem


@pytest.mark.parametrize(
    "name, values",
    [
        ("mlflow_mysql_port", [3306, "3306"]),
        ("mlflow_mysql_memory_mb", [None, 2048, "2048"]),
        ("mlflow_backup_interval", [1, 0.5, "0.5"]),
        ("mlflow_backup_keep_days", [0, "14"]),
        ("mlflow_mysql_purge_data", [True, "true", "False", "yes", 0]),
        ("mlflow_mysql_settings", [{}, {"a": 1}]),
        ("mlflow_mysql_allowed_hosts", [None, [], ["%"]]),
        ("mlflow_mysql_user_password", [None, CANARY]),
        ("mlflow_mysql_inspected_schemas", [[], [{"database": "mlflow"}]]),
        ("mlflow_mysql_tls", ["off", "generated"]),
        ("mlflow_mysql_network", ["mlflow_mysql_db", "5net", 5, "hosts", "host.x", "a"]),
        ("mlflow_mysql_container_name", ["mlflow_mysql_db", "a.b-c", "0db"]),
        (
            "mlflow_mysql_image",
            ["mlflow-mysql", "team/a__b", "registry.example.org/team/x", "Host:5000/x/y", "[::1]:5000/x"],
        ),
        ("mlflow_mysql_stop_timeout", [1, "300"]),
        ("mlflow_schema_extra_indexes", [[], ["runs"], "runs, params", ""]),
        ("mlflow_schema_mlflow_version", ["3.12.2", 3.12]),
    ],
)
def test_a_value_of_the_type_is_taken(name: str, values: list[Any]) -> None:
    assert [variables.type_problem(name, value, OPTIONS[name]) for value in values] == [None] * len(values)


@pytest.mark.parametrize(
    "taken, typed, meant",
    [
        *[
            (["to", "before"], name, "to")
            for name in ("until", "t0", "at", "time", "restore_to", "To", "too")
        ],
        *[(["to", "before"], name, "before") for name in ("befor", "Before", "gtid")],
        (["to", "before"], "overwrite", "mlflow_backup_overwrite"),
        (["to", "before"], "incomplete", "mlflow_backup_incomplete"),
        (["to", "before"], "member", None),
        (["to"], "before", None),
        (["member"], "node", "member"),
        (["recover_from"], "from", "mlflow_backup_from"),
        (["recover_from"], "recover", "recover_from"),
    ],
)
def test_a_playbook_with_short_names_takes_no_others(taken: list[str], typed: str, meant: str | None) -> None:
    """A restore would bring back everything, where a time was meant."""
    (problem,) = variables.foreign_variables([typed, *taken], taken, OPTIONS)
    assert problem.startswith(f"{typed} is no variable of this playbook") and "\n" not in problem
    assert (f"did you mean {meant}?" in problem) if meant else "did you mean" not in problem
    assert f"Without a prefix it takes {' and '.join(taken)}" in problem


def test_names_of_others_are_left_alone_there_too() -> None:
    given = [
        "ansible_user",
        "_own",
        "to",
        "mlflow_mysql_port",
        "mlflow_mysql_serial",
        "vault_mlflow_mysql_x",
        "my_key",
        "site",
    ]
    user = {
        "mlflow_backup_restic_password": "{{ my_key | trim }}",
        "other": [{"a": "{{ to_nothing }}"}],
        "my_key": "x",
    }
    used = variables.used_by(user, given)
    assert used == {"my_key"}
    assert variables.foreign_variables(given, ["to"], OPTIONS, used, ["s?te"]) == []


@pytest.mark.parametrize("value", ["", "  ", 0, False, [], {}, 0.0])
@pytest.mark.parametrize(
    "name", ["to", "before", "member", "recover_from", "mlflow_backup_to", "mlflow_backup_name"]
)
def test_an_empty_value_does_not_choose_everything(name: str, value: Any) -> None:
    problem = variables.empty_problem(name, value, True)
    assert problem is not None and problem.startswith(f"{name} is ") and "leave it out" in problem
    assert variables.empty_problem(name, value, False) == problem
    assert variables.empty_problem(name, None, True) is not None
    assert variables.empty_problem(name, None, False) is None
    assert variables.empty_problem(name, "x", True) is None
    assert variables.empty_problem("mlflow_mysql_port", "", True) is None


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_every_variable_takes_its_default_and_no_other_type(name: str) -> None:
    option = OPTIONS[name]
    assert variables.type_problem(name, option.get("default"), option) is None
    for value in ({"a": CANARY} if option["type"] != "dict" else [CANARY], object()):
        problem = variables.type_problem(name, value, option)
        assert problem is not None and "\n" not in problem and CANARY not in problem


@pytest.mark.parametrize("playbook", ["deploy", "uri", "restore", "audit", "deploy_group"])
def test_every_playbook_says_it_before_anything_else(playbook: str, tmp_path: Path) -> None:
    """Also those that run a part of a role which has no arguments of its own."""
    inventory = tmp_path / "hosts.yml"
    own = {"mlflow_mysql_vault_password": "x", "mlflow_mysql_ignored_variables": ["mlflow_mysql_vault_*"]}
    host = {"ansible_connection": "local", "mlflow_backup_recipient": ["age1x"]}
    inventory.write_text(json.dumps({"mlflow_backend_store": {"hosts": {"here": host}, "vars": own}}))
    wrong = {
        "mlflow_mysql_prot": 3310,
        "mlflow_mysql_port": "abc",
        "befor": "DELETE",
        **(
            {"before": "", "mlflow_backup_name": 0, "t0": "2026-11-23T18:00:00Z"}
            if playbook == "restore"
            else {}
        ),
        "mlflow_mysql_user_password": [CANARY],
    }
    done = subprocess.run(
        [
            "ansible-playbook", "--check", "-vvv", "-i", str(inventory), "-e", json.dumps(wrong),
            "-e", "ansible_become=false",
            str(ROOT / f"playbooks/{playbook}.yml"),
        ],
        capture_output=True, text=True, check=False, env={**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    message = json.loads('"' + re.findall(r'"msg": "(.*)"', done.stdout)[-1] + '"').split("\n")
    assert [line.split(" ")[0] for line in message] == [
        "befor",
        "mlflow_backup_recipient",
        "mlflow_mysql_prot",
        *(("t0", "before", "mlflow_backup_name") if playbook == "restore" else ()),
        "mlflow_mysql_port",
        "mlflow_mysql_user_password",
    ]
    tasks = [line for line in done.stdout.splitlines() if line.startswith("TASK")]
    # The choice of a Python is the controller's too; one more task may be the include of the role.
    assert len([task for task in tasks if not re.search("mlflow_variables|Interpreter", task)]) <= 1, tasks
    # Ansible repeats the command line, where a user should not write one.
    assert CANARY not in done.stdout.split("PLAY [", 1)[1] + done.stderr


def test_a_name_without_a_prefix_is_the_users_own_where_no_playbook_takes_it(tmp_path: Path) -> None:
    """A fact that is called `before` says nothing of what a restore goes back to."""
    task = {
        "name": "Ask",
        "ansible.builtin.debug": {"msg": "{{ query('mlflow_ops.backend_store.mlflow_variable_problems') }}"},
    }
    vars_of = {"before": {"runs": 3}, "to": ""}
    plays = [
        {"hosts": "localhost", "gather_facts": False, "vars": vars_of, "tasks": [task]},
        {
            **{"hosts": "localhost", "gather_facts": False, "tasks": [task]},
            "vars": {**vars_of, "__mlflow_variables_taken": ["before"]},
        },
    ]
    (tmp_path / "play.yml").write_text(json.dumps(plays), encoding="utf-8")
    done = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", "-c", "local", str(tmp_path / "play.yml")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = done.stdout.split("TASK [Ask]")[1:]
    assert "msg: []" in first and "before is a dictionary" in second and "to is" not in second
