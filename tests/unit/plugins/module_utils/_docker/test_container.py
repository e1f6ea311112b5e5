# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a server's log is told to whoever must mend it."""

from __future__ import annotations

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker.container import (
    find_errors,
    find_left_out,
)

TIME = "2026-11-30T06:24:11.854752Z"


@pytest.mark.parametrize(
    ("log", "errors"),
    [
        (
            f"{TIME} 0 [System] [MY-015015] [Server] MySQL Server - start.\n"
            f"{TIME} 0 [Warning] [MY-010068] [Server] CA certificate ca.pem is self signed.\n"
            f"{TIME} 0 [ERROR] [MY-010058] [Server] Fatal error: Illegal or unknown default time zone 'X'\n"
            f"{TIME} 0 [ERROR] [MY-010119] [Server] Aborting\n"
            # It was restarted.
            f"{TIME} 0 [ERROR] [MY-010058] [Server] Fatal error: Illegal or unknown default time zone 'X'\n",
            ["Fatal error: Illegal or unknown default time zone 'X'"],
        ),
        (
            f"{TIME} 1 [ERROR] [MY-011087] [Server] Different lower_case_table_names settings\n"
            f"{TIME} 0 [ERROR] [MY-010020] [Server] Data Dictionary initialization failed.\n",
            ["Different lower_case_table_names settings"],
        ),
        (
            "mysqld: Can't get stat of '/nope' (OS errno 2 - No such file or directory)\n"
            f"{TIME} 0 [ERROR] [MY-013236] [Server] The designated data directory /var/lib/mysql/ is unusable.\n",
            ["mysqld: Can't get stat of '/nope' (OS errno 2 - No such file or directory)"],
        ),
        ("2026-11-30T06:24:11Z [mlflow] ERROR: /run/x is empty\n", ["/run/x is empty"]),
        ("2026-11-30T06:24:11Z [entrypoint] ERROR: uid 999 cannot\n", ["uid 999 cannot"]),
        (
            "2026-11-30 06:24:11+00:00 [ERROR] [Entrypoint]: Database is uninitialized\n",
            ["Database is uninitialized"],
        ),
        (
            "".join(f"line {number}\n\n" for number in range(30)),
            [f"line {number}" for number in range(20, 30)],
        ),
        ("", []),
    ],
)
def test_find_errors(log: str, errors: list[str]) -> None:
    assert find_errors(log) == errors


@pytest.mark.parametrize(
    ("log", "left_out"),
    [
        (
            f"{TIME} 0 [ERROR] [MY-010901] [Server] Can't open shared library 'nope.so' (errno: 22).\n"
            f"{TIME} 0 [ERROR] [MY-010736] [Server] Couldn't load plugin named 'nope.so'.\n"
            f"{TIME} 0 [Warning] [MY-011810] [Server] Insecure configuration for --pid-file\n",
            ["Can't open shared library 'nope.so' (errno: 22).", "Couldn't load plugin named 'nope.so'."],
        ),
        (
            f"{TIME} 0 [Warning] [MY-010069] [Server] Failed to set up SSL because of the following\n" * 2,
            ["Failed to set up SSL because of the following"],
        ),
        (f"{TIME} 0 [ERROR] [MY-999999] [Server] What no setting asks for\nmysqld: Something\n", []),
    ],
)
def test_find_left_out(log: str, left_out: list[str]) -> None:
    assert find_left_out(log) == left_out
