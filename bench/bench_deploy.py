# SPDX-License-Identifier: Apache-2.0
"""Wall time of the role mlflow_mysql against bare docker commands that do the same work.

Each round runs, one after the other: `docker build`, `docker run` and the wait for a login (bare); the role on a host
that has no store (cold); the role again (no-op). The last line holds the ratios of the medians.

usage: bench_deploy.py [ROUNDS]
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pymysql

ROOT = Path(__file__).resolve().parent.parent
PORT = 23306
USER, PASSWORD = "mlflowusr", "bench-password-1"
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  become: true
  vars:
    ansible_python_interpreter: /usr/bin/python3
    mlflow_mysql_home: {home}
    mlflow_mysql_container_name: bench_store
    mlflow_mysql_image: bench-store
    mlflow_mysql_port: {port}
    mlflow_mysql_state: "{{{{ state | default('present') }}}}"
    mlflow_mysql_purge_data: true
  roles: [mlflow_ops.backend_store.mlflow_mysql]
"""


def run(*arguments: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)}\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_for_login() -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            pymysql.connect(
                host="127.0.0.1",
                port=PORT,
                user=USER,
                password=PASSWORD,
                database="mlflow",
                connect_timeout=2,
            ).close()
            return
        except pymysql.err.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def bare(work: Path) -> float:
    """Return the seconds from the recipe to the first login."""
    context = work / "recipe"
    shutil.copytree(ROOT / "db-backend-store", context)
    secrets = work / "bare-secrets"
    secrets.mkdir()
    for name in ("mysql_root_password", "mysql_password"):
        (secrets / name).write_text(PASSWORD)
    start = time.monotonic()
    run(
        "docker",
        "build",
        "--no-cache",
        "--label",
        f"round={work.name}",
        "-t",
        "bench-bare:latest",
        ".",
        cwd=context,
    )
    identifier = run(
        *("docker", "run", "--name", "bench_bare", "--init", "-d", "-p", f"127.0.0.1:{PORT}:3306"),
        *("-v", f"{work}/bare-data:/var/lib/mysql", "-v", f"{secrets}:/run/secrets:ro", "bench-bare:latest"),
    ).strip()
    wait_for_login()
    seconds = time.monotonic() - start
    run("docker", "rm", "-f", "-v", identifier)
    run("docker", "rmi", "bench-bare:latest")
    return seconds


def role(playbook: Path, *arguments: str) -> tuple[float, str]:
    start = time.monotonic()
    out = run("ansible-playbook", "-i", "localhost,", str(playbook), *arguments)
    return time.monotonic() - start, out


def tasks(out: str) -> list[tuple[str, float]]:
    """Return the tasks and their seconds, dearest first, from the output of the profile_tasks callback."""
    found = re.findall(r"^(.+?) -+ +([0-9.]+)s$", out, re.MULTILINE)
    return [(name.split(" : ")[-1], float(seconds)) for name, seconds in found]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    os.environ.update(
        ANSIBLE_CALLBACKS_ENABLED="ansible.posix.profile_tasks",
        ANSIBLE_CALLBACK_PROFILE_TASKS_TASK_OUTPUT_LIMIT="all",
        PROFILE_TASKS_TASK_OUTPUT_LIMIT="all",
    )
    figures: dict[str, list[float]] = {"bare": [], "cold": [], "no-op": []}
    profiles: dict[str, str] = {}
    for number in range(1, rounds + 1):
        work = Path(tempfile.mkdtemp(prefix="bench-deploy-"))
        playbook = work / "play.yml"
        playbook.write_text(PLAY.format(home=work / "store", port=PORT))
        try:
            figures["bare"].append(bare(work))
            for kind in ("cold", "no-op"):
                seconds, profiles[kind] = role(playbook)
                figures[kind].append(seconds)
            if "changed=0" not in profiles["no-op"]:
                sys.exit("the no-op run changed something:\n" + profiles["no-op"])
        finally:
            role(playbook, "-e", "state=absent")
            shutil.rmtree(work)
        print(
            f"round {number}: " + ", ".join(f"{kind} {values[-1]:.2f} s" for kind, values in figures.items())
        )
    for kind, out in profiles.items():
        print(f"\nWhere the time of the last {kind} run goes (s):")
        for name, seconds in tasks(out):
            if seconds >= 0.05:
                print(f"  {seconds:6.2f}  {name}")
    medians = {kind: statistics.median(values) for kind, values in figures.items()}
    results = ROOT / "bench/results"
    results.mkdir(exist_ok=True)
    (results / "deploy.json").write_text(json.dumps({"seconds": figures, "medians": medians}, indent=1))
    print(
        f"\nbench-deploy: cold/bare {medians['cold'] / medians['bare']:.2f}, "
        f"no-op/bare {medians['no-op'] / medians['bare']:.2f} "
        f"(medians of {rounds}: bare {medians['bare']:.2f} s, cold {medians['cold']:.2f} s, "
        f"no-op {medians['no-op']:.2f} s)"
    )


if __name__ == "__main__":
    main()
