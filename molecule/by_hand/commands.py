# SPDX-License-Identifier: Apache-2.0
"""Run the commands of README.md in the current directory, in their order, and look at what they promise."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

README = Path("README.md").read_text(encoding="utf-8")


def shell(command: str, check: bool = True) -> str:
    print("+", command, flush=True)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    if check and done.returncode:
        sys.exit(
            f"{command}\n{done.stdout}{done.stderr}{shell('docker logs mlflow_mysql_db 2>&1', check=False)}"
        )
    return done.stdout


def command(start: str) -> str:
    """Return the line of README.md that begins with ``start``."""
    return next(line for line in README.splitlines() if line.startswith(start)).split("   #")[0]


def wait_until_healthy() -> None:
    deadline = time.monotonic() + 120
    while shell("docker inspect -f '{{.State.Health.Status}}' mlflow_mysql_db").strip() != "healthy":
        if time.monotonic() > deadline:
            sys.exit(shell("docker logs mlflow_mysql_db 2>&1"))
        time.sleep(2)


def ask_root(statement: str) -> str:
    """Type a statement at the MySQL prompt of README.md, which asks for the password on a terminal."""
    password = Path("secrets/container/mysql_root_password").read_text().strip()
    print("+", command("docker exec -it mlflow_mysql_db"), "#", statement, flush=True)
    child, terminal = pty.fork()
    if child == 0:
        os.execvp("bash", ["bash", "-c", command("docker exec -it mlflow_mysql_db")])
    seen = ""
    for prompt, answer in (("Enter password:", password), ("mysql> ", statement + ";"), ("mysql> ", "exit")):
        seen = ""
        while prompt not in seen:
            if not select.select([terminal], [], [], 30)[0]:
                sys.exit(f"no prompt {prompt!r}: {seen}")
            seen += os.read(terminal, 4096).decode()
        os.write(terminal, f"{answer}\n".encode())
    os.waitpid(child, 0)
    return seen


def list_databases() -> None:
    for line in [line for line in README.splitlines() if line.startswith("python list_databases.py")]:
        found = shell(line.replace("python", "client/bin/python", 1)).split()
        assert "mlflow" in found and "mysql" not in found, found


shell(re.search(r"```sh\n(mkdir -m 700 secrets.*?)```", README, re.DOTALL).group(1))  # type: ignore[union-attr]
shell(command("docker build"))
shell(command("docker run"))
shell("python3 -m venv client && client/bin/" + command("pip install mysql-connector") + " -q")
wait_until_healthy()
list_databases()
assert "mlflowusr" in ask_root("SELECT user FROM mysql.user"), "the prompt shows no accounts"
inspected = shell("docker inspect mlflow_mysql_db; docker history --no-trunc mlflow-mysql:latest")
for secret in Path("secrets/container").iterdir():
    assert secret.read_text().strip() not in inspected, secret
ask_root("CREATE TABLE mlflow.kept (i int PRIMARY KEY)")
shell(command("docker rm -f"))

# The same data with compose.
shell("docker-compose up -d")
wait_until_healthy()
list_databases()
assert "kept" in ask_root("SHOW TABLES FROM mlflow"), "the data was not kept"
shell("docker-compose down")
print("by hand: all commands work")
