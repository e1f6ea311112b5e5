# SPDX-License-Identifier: Apache-2.0
"""What locking the store down costs MLflow: TLS against clear text, and the role's container against the recipe's.

Two stores from one image and one configuration: a container as the recipe by hand runs it, and one that the role makes.
The real MLflow logs to the first in clear text, and to the second in clear text and with TLS, verified; the three take
turns. For the clear text the second store's require_secure_transport is switched off while this runs.

usage: bench_hardening.py [ROUNDS]
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pymysql

ROOT = Path(__file__).resolve().parent.parent
PORTS = {"plain": 23307, "hardened": 23308}
PASSWORDS = {name: f"Bench-Password-{name}-1" for name in ("root", "migrator", "user")}
PLAY = """
- hosts: localhost
  connection: local
  gather_facts: false
  become: true
  vars:
    ansible_python_interpreter: /usr/bin/python3
    mlflow_mysql_home: {home}
    mlflow_mysql_container_name: bench_hardened
    mlflow_mysql_image: bench-hardening
    mlflow_mysql_port: {port}
    mlflow_mysql_user_privileges: all
    mlflow_mysql_root_password: {root}
    mlflow_mysql_migrator_password: {migrator}
    mlflow_mysql_user_password: {user}
    mlflow_mysql_state: "{{{{ state | default('present') }}}}"
    mlflow_mysql_purge_data: true
  roles: [mlflow_ops.backend_store.mlflow_mysql]
"""
# What one client does, and how many calls that are. The login is one that MLflow's pool does not save.
WORK = {"log_metric": 200, "log_batch of 1,000": 5, "login": 50}


def run(*arguments: str) -> str:
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)}\n{done.stdout}{done.stderr}")
    return done.stdout


def plain(work: Path) -> str:
    """The recipe's container; return its ID."""
    secrets = work / "plain-secrets"
    secrets.mkdir()
    (secrets / "mysql_root_password").write_text(PASSWORDS["root"])
    (secrets / "mysql_password").write_text(PASSWORDS["user"])
    return run(
        *("docker", "run", "--init", "-d", "-p", f"127.0.0.1:{PORTS['plain']}:3306"),
        *("-v", f"{work}/plain-data:/var/lib/mysql", "-v", f"{secrets}:/run/secrets:ro"),
        "bench-hardening:latest",
    ).strip()


def wait_for_login(port: int) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            login(port, {"ssl_disabled": True})
            return
        except pymysql.err.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def login(port: int, tls: dict[str, Any]) -> None:
    pymysql.connect(
        host="127.0.0.1", port=port, user="mlflowusr", password=PASSWORDS["user"], database="mlflow", **tls
    ).close()


class Client:
    """A run of the real MLflow's own store, in one of the three ways."""

    def __init__(self, port: int, tls: dict[str, Any]) -> None:
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
        from sqlalchemy.engine import URL

        self.port, self.tls, self.step = port, tls, 0
        query = {name: str(value).lower() if value is True else value for name, value in tls.items()}
        url = URL.create("mysql+pymysql", "mlflowusr", PASSWORDS["user"], "127.0.0.1", port, "mlflow", query)
        self.store = SqlAlchemyStore(url.render_as_string(hide_password=False), "/tmp/bench-artifacts")  # noqa: S108
        experiment = self.store.create_experiment(f"bench-{time.time_ns()}")
        self.run_id = self.store.create_run(
            experiment, "bench", int(time.time() * 1000), [], "bench"
        ).info.run_id

    def points(self, count: int) -> list[Any]:
        from mlflow.entities import Metric

        self.step += count
        now = int(time.time() * 1000)
        return [Metric("loss", float(n), now, n) for n in range(self.step - count, self.step)]

    def seconds(self, what: str) -> float:
        """Seconds for one call of `what`."""
        calls = WORK[what]
        batches = [self.points(1000 if "batch" in what else 1) for _call in range(calls)]
        started = time.perf_counter()
        for batch in batches:
            if what == "login":
                login(self.port, self.tls)
            elif "batch" in what:
                self.store.log_batch(self.run_id, batch, [], [])
            else:
                self.store.log_metric(self.run_id, batch[0])
        return (time.perf_counter() - started) / calls


def measure(home: Path, rounds: int) -> dict[str, dict[str, list[float]]]:
    # A setting of the server, so that both ways of logging in are of one store.
    root = pymysql.connect(
        unix_socket=str(home / "run/mysqld.sock"), user="root", password=PASSWORDS["root"], autocommit=True
    )
    with root.cursor() as cursor:
        cursor.execute("SET GLOBAL require_secure_transport = OFF")
    root.close()
    wait_for_login(PORTS["hardened"])
    clients = {
        "plain": Client(PORTS["plain"], {"ssl_disabled": True}),
        "hardened": Client(PORTS["hardened"], {"ssl_disabled": True}),
        "hardened, TLS": Client(PORTS["hardened"], {"ssl_ca": str(home / "tls/ca.pem")}),
    }
    figures: dict[str, dict[str, list[float]]] = {what: {way: [] for way in clients} for what in WORK}
    # The first round fills caches and pools.
    for number in range(rounds + 1):
        # Each goes first in its turn.
        ways = list(clients)[number % 3 :] + list(clients)[: number % 3]
        for what in WORK:
            for way in ways:
                seconds = clients[way].seconds(what)
                if number:
                    figures[what][way].append(seconds)
    return figures


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    work = Path(tempfile.mkdtemp(prefix="bench-hardening-"))
    playbook = work / "play.yml"
    home = work / "store"
    playbook.write_text(PLAY.format(home=home, port=PORTS["hardened"], **PASSWORDS))
    container = ""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    try:
        run("ansible-playbook", "-i", "localhost,", str(playbook))
        container = plain(work)
        wait_for_login(PORTS["plain"])
        figures = measure(home, rounds)
    finally:
        if container:
            run("docker", "rm", "--force", "--volumes", container)
        run("ansible-playbook", "-i", "localhost,", str(playbook), "-e", "state=absent")
        shutil.rmtree(work)
    ratios = {}
    print(
        f"{'ms for each call, median of ' + str(rounds):32}{'plain':>10}{'hardened':>12}{'with TLS':>12}{'spread':>10}"
    )
    for what, ways in figures.items():
        medians = {way: statistics.median(values) for way, values in ways.items()}
        spread = max((max(values) - min(values)) / statistics.median(values) for values in ways.values())
        print(
            f"{what:32}"
            + "".join(f"{m * 1000:{10 + 2 * bool(i)}.2f}" for i, m in enumerate(medians.values())),
            end="",
        )
        print(f"{spread:>10.0%}")
        ratios[what] = {
            "container": medians["hardened"] / medians["plain"],
            "tls": medians["hardened, TLS"] / medians["hardened"],
            "spread": spread,
        }
    results = ROOT / "bench/results"
    results.mkdir(exist_ok=True)
    (results / "hardening.json").write_text(json.dumps({"seconds": figures, "ratios": ratios}, indent=1))
    print(
        "bench-hardening: hardened/plain "
        + ", ".join(f"{what} {ratio['container']:.2f}" for what, ratio in ratios.items())
        + "; TLS/clear "
        + ", ".join(f"{what} {ratio['tls']:.2f}" for what, ratio in ratios.items())
    )


if __name__ == "__main__":
    main()
