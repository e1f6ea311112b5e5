# SPDX-License-Identifier: GPL-3.0-or-later
"""An MLflow that no package index has does not keep a store from being deployed, backed up or restored."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SAID = "ERROR: Could not find a version that satisfies the requirement mlflow-skinny==3.18.0 (from versions: 3.12.2)"


@pytest.mark.parametrize("goes_on", [False, True])
def test_the_mlflow_that_reads_what_drills_restore(tmp_path: Path, goes_on: bool) -> None:
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/sh\necho '{SAID}' >&2\nexit 1\n")
    python.chmod(0o755)
    role = {"name": "mlflow_ops.backend_store.mlflow_venv", "tasks_from": "install.yml"}
    play = {
        "name": "A play",
        "hosts": "all",
        "gather_facts": False,
        "vars_files": [str(ROOT / "roles/mlflow_backup/vars/main.yml")],
        "vars": {
            "mlflow_mysql_home": str(tmp_path / "store"),
            "mlflow_schema_mlflow_version": "3.18.0",
            "mlflow_schema_python": str(python),
        },
        "tasks": [
            {
                "name": "Provide it",
                "ansible.builtin.include_role": role,
                "vars": {
                    "mlflow_venv_version": "3.18.0",
                    "mlflow_venv_requirements": [],
                    "mlflow_venv_directory": str(tmp_path / "store/mlflow/3.18.0"),
                    "mlflow_venv_python": str(python),
                    "mlflow_venv_optional": goes_on,
                },
            },
            {"name": "Told", "ansible.builtin.debug": {"msg": "TOLD {{ mlflow_backup_unread }} END"}},
        ],
    }
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([play]), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(
        [
            "ansible-playbook",
            "-i",
            "a,",
            "-c",
            "local",
            "-e",
            f"ansible_python_interpreter={sys.executable}",
            playbook,
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**environment, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections")},
    )
    said = " ".join(done.stdout.split())
    assert (done.returncode == 0) is goes_on, done.stdout
    if goes_on:
        assert (
            "TOLD Drills cannot read what they restore, as MLflow 3.18.0 could not be installed into" in said
        )
        assert "mlflow_backup_drill_mlflow to false END" in said
    else:
        assert "MLflow 3.18.0 could not be installed into" in said
