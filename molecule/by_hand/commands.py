# SPDX-License-Identifier: Apache-2.0
"""Run the commands of README.md in the current directory, each way to give passwords, and look at what they promise."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

README = Path("README.md").read_text(encoding="utf-8")
# What the role mlflow_schema installs.
MLFLOW = next(Path("/srv/mlflow-mysql/mlflow").glob("*/bin/mlflow"))
PROMPT = "docker exec -it mlflow_mysql_db mysql "


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


def command(start: str, among: str = README) -> str:
    """Return the line of README.md that begins with ``start``."""
    return next(line for line in among.splitlines() if line.startswith(start)).split("   #")[0]


def block(heading: str) -> str:
    """Return the commands that follow ``heading``."""
    return re.search(rf"\*\*{heading}\*\*.*?```sh\n(.*?)```", README, re.DOTALL).group(1)  # type: ignore[union-attr]


def wait_until_healthy() -> None:
    deadline = time.monotonic() + 120
    while shell("docker inspect -f '{{.State.Health.Status}}' mlflow_mysql_db").strip() != "healthy":
        if time.monotonic() > deadline:
            sys.exit(shell("docker inspect mlflow_mysql_db; docker logs mlflow_mysql_db 2>&1"))
        time.sleep(1)


def answer(command: str, dialog: list[tuple[str, str]]) -> str:
    """Run a command at a terminal, and answer what it asks."""
    print("+", command, "#", dialog[1:], flush=True)
    child, terminal = pty.fork()
    if child == 0:
        os.execvp("bash", ["bash", "-c", command])
    seen = whole = ""
    try:
        for prompt, text in [*dialog, ("\0", "")]:
            while prompt not in seen:
                if not select.select([terminal], [], [], 30)[0]:
                    sys.exit(f"no prompt {prompt!r}: {whole}")
                seen += os.read(terminal, 4096).decode()
            whole += seen
            seen = ""
            os.write(terminal, f"{text}\n".encode())
    except OSError:  # the terminal is closed: the command has ended
        whole += seen
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, whole
    return whole


def ask(user: str, password: str, statement: str) -> str:
    """Type a statement at the MySQL prompt of README.md, which asks for the password on a terminal."""
    return answer(
        command(PROMPT + user),
        [("Enter password:", password), ("mysql> ", statement + ";"), ("mysql> ", "exit")],
    )


def use(password: str) -> None:
    """What everybody does with a store: the prompt, the clients of README.md, and MLflow, which makes its schema."""
    wait_until_healthy()
    assert "mlflowusr@" in ask("-u mlflowusr", password, "SELECT CURRENT_USER()")
    for line in [line for line in README.splitlines() if line.startswith("python list_databases.py")]:
        client = line.replace("python", "client/bin/python", 1)
        if Path("secrets/container/mysql_password").exists():
            found = shell(client)
        else:
            found = answer(client, [("Password of mlflowusr:", password)])
        assert "mlflow" in found.split() and "mysql" not in found.split(), found
    uri = f"mysql+pymysql://mlflowusr:{quote(password)}@localhost:3306/mlflow"
    shell(f"{MLFLOW} db upgrade '{uri}' 2>&1")
    assert "alembic_version" in ask("-u mlflowusr", password, "SHOW TABLES FROM mlflow")


def remove(data: bool = True) -> None:
    shell(command("docker rm -f"))
    if data:
        shell("rm -rf data")


shell(command("docker build"))
shell("python3 -m venv client && client/bin/" + command("pip install mysql-connector") + " -q")

nothing = block("Nothing").splitlines()
shell(nothing[0])
wait_until_healthy()
use(shell(nothing[1]).strip())
remove()

shell(block("Variables"))
use("choose another")
remove()

shell(block("Files that are mounted"))
secrets = {path.name: path.read_text().strip() for path in Path("secrets/container").iterdir()}
use(secrets["mysql_password"])
assert "mlflowusr" in ask("-uroot", secrets["mysql_root_password"], "SELECT user FROM mysql.user")
inspected = shell("docker inspect mlflow_mysql_db; docker history --no-trunc mlflow-mysql:latest")
assert not [name for name, secret in secrets.items() if secret in inspected]
remove(data=False)

# The same data with compose; without the files, whatever they are.
shell("docker-compose up -d")
use(secrets["mysql_password"])
shell("docker-compose down")
shell("rm -r secrets data && docker-compose up -d")
wait_until_healthy()
use(shell(nothing[1]).strip())
shell("docker-compose down")
print("by hand: all commands work")
