# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of the image: a value arrives as it was written, and a secret does not get there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROLE = Path(__file__).resolve().parents[2] / "roles/mlflow_mysql"
VALUES = {
    "plain": "tcmalloc.so",
    "dollar": "a$HOME ${PATH:-x} $$",
    "quotes": "it's \"quoted\" 'twice'",
    "backslashes": "C:\\new\\$x\\\\ end\\",
    "others": "ä # é\t = `id` $(id) *",
    "empty": "",
    "number": 5,
    "boolean": True,
}
CASES: dict[str, dict[str, Any]] = {
    "values": VALUES,
    "good": {"TZ": "UTC", "KEYBOARD": "x", "TLS_KEY_FILE": "/a", "SERVICE_TOKEN_FILE": "/b", "MONKEYS": "3"},
    "secrets": {
        "AWS_SECRET_ACCESS_KEY": "x",
        "api_token": "x",
        "DB_PASSWORD": "x",
        "Passwd": "x",
        "API_KEY": "x",
    },
    "control": {"LINES": "a\nb", "RETURN": "a\rb"},
    "image": {"MYSQL_ROOT_PASSWORD": "x", "PATH": "/x"},
}


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the role makes of each case."""
    directory = tmp_path_factory.mktemp("computed")
    checks = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))["__mlflow_mysql_checks"]
    wanted = {
        "dockerfile": f"{{{{ lookup('ansible.builtin.template', '{ROLE}/templates/Dockerfile.j2') }}}}",
        "problems": "{{ checks | selectattr('fails') | map(attribute='message') | list }}",
    }
    tasks = [
        {
            "ansible.builtin.copy": {"dest": f"{directory}/{name}.json", "content": "{{ wanted | to_json }}"},
            "vars": {
                "mlflow_mysql_environment": case,
                "checks": [check for check in checks if "_environment" in str(check)],
                "wanted": wanted,
            },
        }
        for name, case in CASES.items()
    ]
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"__mlflow_mysql_host": {}},
        "vars_files": [str(ROLE / "defaults/main.yml"), str(ROLE / "vars/main.yml")],
        "tasks": tasks,
    }
    playbook = directory / "play.yml"
    playbook.write_text(yaml.safe_dump([play]), encoding="utf-8")
    done = subprocess.run(["ansible-playbook", playbook], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: json.loads((directory / f"{name}.json").read_text(encoding="utf-8")) for name in CASES}


def read_by_docker(line: str) -> tuple[str, str]:
    """Return the name and the value of an ENV: within double quotes a backslash is before `"`, `$` or another."""
    name, dummy, quoted = line.removeprefix("ENV ").partition("=")
    assert quoted[0] == quoted[-1] == '"'
    rest, found = quoted[1:-1], ""
    while rest:
        assert rest[0] not in '"$', "a quote ends here, or a variable is put in"
        escaped = rest[0] == "\\" and rest[1:2] in ("\\", '"', "$")
        found += rest[1] if escaped else rest[0]
        rest = rest[2 if escaped else 1 :]
    return name, found


def test_a_value_arrives_as_it_was_written(computed: dict[str, dict[str, Any]]) -> None:
    lines = [line for line in computed["values"]["dockerfile"].splitlines() if line.startswith("ENV ")]
    found = dict(read_by_docker(line) for line in lines if "MYSQL_ROOT_HOST" not in line)
    assert found == {name: str(value) for name, value in VALUES.items()}
    assert computed["values"]["problems"] == []


@pytest.mark.parametrize("case", ["secrets", "control", "image"])
def test_what_does_not_go_there_is_refused(computed: dict[str, dict[str, Any]], case: str) -> None:
    (problem,) = computed[case]["problems"]
    assert problem.startswith("mlflow_mysql_environment has ") and all(
        name in problem for name in CASES[case]
    )
    assert ("whoever reads the image" in problem) == (case == "secrets")


def test_others_are_taken(computed: dict[str, dict[str, Any]]) -> None:
    assert computed["good"]["problems"] == []
