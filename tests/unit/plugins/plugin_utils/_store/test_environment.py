# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of the image: a value arrives as it was written, and a secret does not get there."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store import checks
from store_cases import Case, load_cases, planned, texts_of

HOST = load_cases()[0].host
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
def computed() -> dict[str, dict[str, Any]]:
    """What is planned for each case."""
    variables = {name: {"mlflow_mysql_environment": case} for name, case in CASES.items()}
    return {
        name: {
            "dockerfile": files["context"]["Dockerfile"],
            "problems": list(checks.settings(planned(Case(name, variables[name], host=HOST)))),
        }
        for name, files in texts_of(variables).items()
    }


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
