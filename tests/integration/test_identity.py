# SPDX-License-Identifier: GPL-3.0-or-later
"""Which containers are on a store's data, and whose they are, as the real engine knows it."""

from __future__ import annotations

import os
from pathlib import Path

from conftest import RunModule, docker, free_port

IMAGE = os.environ.get("MYSQL_IMAGE", "mysql:9.7.4")
LABEL = "mlflow_ops.backend_store"


def test_containers_on_the_data_are_found(run_module: RunModule, tmp_path: Path) -> None:
    home, name = tmp_path / "store", f"identity-{free_port()}"
    (home / "data/mysql").mkdir(parents=True)
    (home / "data/mysql.ibd").touch()
    (tmp_path / "link").symlink_to(home)
    docker(
        *("create", "--name", name, "--label", f"{LABEL}={home}", "-v", f"{home}/data:/var/lib/mysql"),
        *("--entrypoint", "bash", IMAGE, "mysqld", "--loose-group-replication-group-name=a-group"),
    )
    scratch = f"{name}-scratch"
    docker(
        *("create", "--name", scratch, "--label", f"{LABEL}.throw_away={home}", "-v", f"{home}/data:/data"),
        *("--entrypoint", "bash", IMAGE),
    )
    try:
        for path in (home, tmp_path / "link", tmp_path / "other"):
            options = {"container": name, "home": {"path": str(path), "generate": ["root_password"]}}
            found = run_module("mlflow_mysql_host_info", {**options, "data_dir": f"{path}/data"})
            same = path.name != "other"
            assert found["container"]["home"] == str(home) and found["container"]["same_home"] is same
            assert found["container"]["group"] == "a-group"
            assert found["data_users"] == ([{"name": name, "state": "created"}] if same else [])
            assert found["home"]["missing"] == ["root_password"]
    finally:
        docker("rm", "--force", name, scratch)
