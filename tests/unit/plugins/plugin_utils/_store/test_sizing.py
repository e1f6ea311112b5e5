# SPDX-License-Identifier: GPL-3.0-or-later
"""Both sides of the connection, as they are planned: the server's limit, and MLflow's pools."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store import checks
from store_cases import Case, load_cases, planned, texts_of

HOST = load_cases()[0].host
# What a user sets, by the name of the case.
CASES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "one_worker": {"mlflow_mysql_server_workers": 1, "mlflow_mysql_server_pool": 2},
    "auth": {"mlflow_mysql_auth_database": "auth"},
    "many": {"mlflow_mysql_server_workers": "12"},
    "odd_pool": {"mlflow_mysql_server_pool": 3},
    "raised": {"mlflow_mysql_max_connections": 1000},
    "settings": {
        "mlflow_mysql_max_connections": 10,
        "mlflow_mysql_settings": {"max-connections": 3000, "wait-timeout": 60},
    },
    "loosely": {"mlflow_mysql_settings": {"loose_max_connections": 60, "loose-wait-timeout": 20}},
    "just": {"mlflow_mysql_max_connections": 542},
    "short": {"mlflow_mysql_max_connections": 541},
    "much_too_short": {"mlflow_mysql_settings": {"max_connections": 60}},
    "removed": {"mlflow_mysql_max_connections": 10, "mlflow_mysql_state": "absent"},
    "user_limit": {"mlflow_mysql_max_user_connections": 491},
    "user_without_limit": {"mlflow_mysql_max_user_connections": 0},
    "no_workers": {"mlflow_mysql_server_workers": 0},
    "no_pool": {"mlflow_mysql_server_pool": 0},
    "too_many": {"mlflow_mysql_server_workers": 1000},
    "no_number": {"mlflow_mysql_settings": {"max_connections": "lots", "wait_timeout": "long"}},
    "without_tls": {"mlflow_mysql_tls": "off"},
    "certificates": {"mlflow_mysql_require_x509": True, "mlflow_mysql_home": "/srv/it's"},
}


@pytest.fixture(scope="module")
def computed() -> dict[str, dict[str, Any]]:
    """What is planned for each case."""
    found: dict[str, dict[str, Any]] = {}
    for name, files in texts_of(CASES).items():
        plan = planned(Case(name, CASES[name], host=HOST))
        found[name] = {
            "max_connections": plan.outline.connections.maximum,
            "most": plan.outline.connections.server,
            "pids_limit": plan.sizes.pids_limit,
            "environment": files["files"]["mlflow.env"],
            "configuration": files["context"]["my.cnf"],
            "problems": list(checks.connections(plan)),
        }
    return found


def test_a_setting_is_found_however_it_is_written(computed: dict[str, dict[str, Any]]) -> None:
    loosely = computed["loosely"]
    assert loosely["max_connections"] == 60 and len(loosely["problems"]) == 1
    assert loosely["problems"][0].startswith("max_connections in mlflow_mysql_settings is 60, and 4 workers")
    lines = [line for line in loosely["configuration"].splitlines() if "max_connections" in line]
    assert lines == ["loose_max_connections = 60"]


def environment(result: dict[str, Any]) -> dict[str, str]:
    """The environment file as a shell reads it."""
    lines = [line for line in result["environment"].splitlines() if line and not line.startswith("#")]
    script = f"set -a\n{result['environment']}\nenv -0"
    out = subprocess.run(["env", "-i", "sh", "-c", script], capture_output=True, text=True, check=True).stdout
    found = dict(line.split("=", maxsplit=1) for line in out.split("\0") if line.startswith("MLFLOW_"))
    assert len(found) == len(lines)
    return found


def pool(result: dict[str, Any]) -> tuple[int, int, int]:
    found = environment(result)
    size, overflow, recycle = (
        int(found[f"MLFLOW_SQLALCHEMYSTORE_{name}"]) for name in ("POOL_SIZE", "MAX_OVERFLOW", "POOL_RECYCLE")
    )
    return size, overflow, recycle


@pytest.mark.parametrize(
    ("case", "most", "limit"),
    [
        ("defaults", 4 * 3 * 41, 4 * 3 * 41 + 50),
        ("one_worker", 6, 151),
        ("auth", 4 * 4 * 41, 4 * 4 * 41 + 50),
        ("many", 12 * 3 * 41, 12 * 3 * 41 + 50),
        ("raised", 492, 1000),
        ("settings", 492, 3000),
    ],
)
def test_the_limit_covers_the_pools(
    computed: dict[str, dict[str, Any]], case: str, most: int, limit: int
) -> None:
    result = computed[case]
    assert (result["most"], result["max_connections"]) == (most, limit)
    assert result["problems"] == []
    assert result["configuration"].count(f"max_connections = {limit}\n") == 1
    assert result["configuration"].count("max_connections") == 1
    # A thread for each connection, and some.
    assert result["pids_limit"] >= max(limit + 1024, 2048)


@pytest.mark.parametrize("case", sorted(CASES))
def test_the_pools_are_what_was_counted(computed: dict[str, dict[str, Any]], case: str) -> None:
    """MLflow takes a 0 for a variable that is not set, and has a larger pool than was counted then."""
    size, overflow, recycle = pool(computed[case])
    assert size >= 1 and overflow >= 1 and recycle >= 1
    wanted = int(CASES[case].get("mlflow_mysql_server_pool", 41))
    assert size + overflow == max(wanted, 2)


def test_a_connection_is_replaced_before_the_server_hangs_up(computed: dict[str, dict[str, Any]]) -> None:
    assert pool(computed["defaults"])[2] == 300
    assert pool(computed["settings"])[2] == 30
    assert pool(computed["loosely"])[2] == 10


@pytest.mark.parametrize(
    ("case", "says"),
    [
        (
            "short",
            "mlflow_mysql_max_connections is 541, and 4 workers of MLflow can open 492 connections (3 pools of 41 "
            "each), plus 50 for backups and others: choose at least 542, or at most 3 mlflow_mysql_server_workers, "
            "or an mlflow_mysql_server_pool of at most 40.",
        ),
        (
            "much_too_short",
            "max_connections in mlflow_mysql_settings is 60, and 4 workers of MLflow can open 492 connections (3 pools "
            "of 41 each), plus 50 for backups and others: choose at least 542.",
        ),
        ("user_limit", "mlflow_mysql_max_user_connections is 491, and 4 workers of MLflow can open 492 "),
        ("no_workers", "mlflow_mysql_server_workers is 0: say how many workers "),
        ("no_pool", "mlflow_mysql_server_pool is 0: choose at least 2"),
        ("too_many", "max_connections would be 123050: MySQL takes a number from 1 to 100000. "),
        ("no_number", "max_connections would be lots: MySQL takes a number from 1 to 100000. "),
    ],
)
def test_too_few_is_a_problem(computed: dict[str, dict[str, Any]], case: str, says: str) -> None:
    assert computed[case]["problems"][0].startswith(says), computed[case]["problems"]


@pytest.mark.parametrize("case", ["just", "removed", "user_without_limit", "odd_pool"])
def test_enough_is_none(computed: dict[str, dict[str, Any]], case: str) -> None:
    assert computed[case]["problems"] == []


def test_what_verifies_the_server_is_in_the_environment(computed: dict[str, dict[str, Any]]) -> None:
    def named(case: str) -> dict[str, str]:
        found = environment(computed[case])
        return {name: value for name, value in found.items() if name.startswith("MLFLOW_MYSQL_SSL_")}

    assert named("without_tls") == {}
    assert named("defaults") == {"MLFLOW_MYSQL_SSL_CA": "/srv/mlflow-mysql/tls/ca.pem"}
    assert named("certificates") == {
        "MLFLOW_MYSQL_SSL_CA": "/srv/it's/tls/ca.pem",
        "MLFLOW_MYSQL_SSL_CERT": "/srv/it's/tls/client-cert.pem",
        "MLFLOW_MYSQL_SSL_KEY": "/srv/it's/tls/client-key.pem",
    }


@pytest.mark.parametrize(
    ("memory", "pool", "temporaries"),
    [
        (1024, 384, True),
        (1200, 512, True),
        (1300, 640, True),
        (1536, 768, True),
        (2048, 1024, False),
        (700, 128, True),
    ],
)
def test_what_mysql_takes_besides_the_pool_has_room(memory: int, pool: int, temporaries: bool) -> None:
    """A store of 1 GiB with half of it for the pool was ended by the kernel."""
    variables = {"mlflow_mysql_memory_mb": memory}
    found = planned(Case("memory", variables, host=HOST)).sizes
    assert found.buffer_pool_mb == pool
    assert any("temptable-max-ram=256M" in one for one in found.arguments) is temporaries
