# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner makes of each case of cases.yml what is recorded in store_plans.json."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.action import mlflow_mysql_plan
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store import accounts, checks, fact
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.inputs import Passwords
from store_cases import RENDERED, Case, load_cases, planned, read_plans, recorded

ROOT = Path(__file__).resolve().parents[5]
CASES = {case.title: case for case in load_cases()}
PLANS = read_plans()


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 40 and set(CASES) == set(PLANS)


@pytest.mark.parametrize("title", sorted(CASES))
def test_a_plan_is_as_recorded(title: str) -> None:
    found = recorded(CASES[title])
    wanted = {name: value for name, value in PLANS[title].items() if name not in RENDERED}
    assert set(found) == set(wanted)
    assert {name: value for name, value in found.items() if value != wanted[name]} == {}


def test_its_files_are_as_recorded() -> None:
    """In a process of its own, since Ansible renders them."""
    done = subprocess.run(
        [sys.executable, "tools/store_plans.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_secret_is_in_a_plan() -> None:
    for case in CASES.values():
        found = planned(case)
        text = str(fact.facts(found)) + "\n".join(checks.problems(found))
        for password in found.outline.given.given().values():
            # A word that stands for itself elsewhere, or an empty one, proves nothing.
            if len(str(password)) > 5:
                assert str(password) not in text, case.title


@pytest.mark.parametrize(
    "host", ["10.20.0.7", "10.20.0.0/16", "0.0.0.0/0", "10.0.0.1/32", "2001:db8::7", "::", "%"]
)
def test_an_account_may_have_an_address_or_a_network(host: str) -> None:
    assert checks.is_host(host)


@pytest.mark.parametrize(
    "host",
    ["10.20.0.1/16", "10.0.0.0/255.0.0.0", "10.0.0.0/33", "10.0.0.0/", "300.1.1.1", "1.2.3", "7", "", "2001:db8::/32",
     "fe80::1%eth0", "::ffff:10.0.0.1", ":::", "db.example.org", "10.0.0.1\n"],
)  # fmt: skip
def test_an_account_may_have_nothing_else(host: str) -> None:
    assert not checks.is_host(host)


def test_an_account_of_passwords_has_each_once() -> None:
    assert accounts.weak(Passwords(user="weak")) == ["user"]
    case = Case("", variables={"mlflow_mysql_root_password": 123}, host=CASES["untouched"].host)
    (problem,) = [problem for problem in checks.problems(planned(case)) if "_password:" in problem]
    assert problem.startswith("mlflow_mysql_root_password: a password must be a string")


# What an option of the container is made of, and variables that change it.
MADE_OF: dict[str, dict[str, Any]] = {
    "mlflow_mysql_store.image.own": {"mlflow_mysql_image": "another"},
    "mlflow_mysql_store.container.command": {"mlflow_mysql_tls": "off"},
    "mlflow_mysql_store.network": {"mlflow_mysql_network": "another"},
    "mlflow_mysql_bind_address": {"mlflow_mysql_bind_address": "127.0.0.2"},
    "mlflow_mysql_port": {"mlflow_mysql_port": 3307},
    "mlflow_mysql_stop_timeout": {"mlflow_mysql_stop_timeout": 301},
    "mlflow_mysql_home": {"mlflow_mysql_home": "/srv/another"},
    **{
        f"mlflow_mysql_store.paths.{name}": {"mlflow_mysql_home": "/srv/another"}
        for name in ("data", "mounted_secrets", "run", "tmp", "mounted_tls")
    },
}
# Constants; the digest itself and the name by which the container is found; the host, which decides in check mode only;
# and what only members of a group have, whose names the next test changes.
NOT_MADE_OF = {
    *("mlflow_mysql_store.container.uid", "mlflow_mysql_store.tls.mounted", "mlflow_mysql_store.label"),
    *("mlflow_mysql_store.container.made", "mlflow_mysql_store.container.made_label"),
    *("mlflow_mysql_container_name", "mlflow_mysql_store.host.network"),
    *("mlflow_mysql_store.container.hostname", "mlflow_mysql_store.container.etc_hosts"),
}


def made(variables: dict[str, Any], case: str = "deployed") -> str:
    found = dataclasses.replace(CASES[case], variables={**CASES[case].variables, **variables})
    return planned(found).container.made


def test_the_digest_of_the_container_holds_all_that_it_is_made_of() -> None:
    """What an option of the container uses, and its digest does not hold, would never reach a running one."""
    options = str(mlflow_mysql_plan.container_options())
    used = set(re.findall(r"mlflow_mysql_store(?:\.\w+)+|\bmlflow_mysql_\w+", options))
    assert used - NOT_MADE_OF == set(MADE_OF)
    for name, change in MADE_OF.items():
        assert made(change) != made({}), name
    # What can be changed while it runs does not replace it.
    assert made({"mlflow_mysql_restart_policy": "always"}) == made({})


def test_the_digest_of_a_member_holds_the_others() -> None:
    other = dataclasses.replace(
        CASES["a member"], inventory={"db-2.example.org": {"ansible_host": "10.0.0.9"}}
    )
    assert planned(other).container.made != made({}, "a member")
