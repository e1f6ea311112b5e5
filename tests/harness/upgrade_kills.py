# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill an upgrade of the schema at random moments, and run it again.

In each round eight clients of an old MLflow log to a store while playbooks/upgrade_schema.yml takes it to the newest
release. The run is killed with all that it started on the host, at a moment that is drawn from the time that an
undisturbed run takes; in a third of the rounds the server is killed with it. In half of the rounds a migration is cut
off, so that the run is on its way back at that moment or goes there. A round is good when the second run succeeds,
every acknowledged row is there, the schema is whole and nothing temporary is left. Prints a line for each round with
the task that was on its way; the exit status is 1 if any is not good.

usage: upgrade_kills.py [--rounds 50] [--seed NUMBER] [--from 3.8.1]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / ".cache" / "collections"), str(ROOT / "bench"), str(ROOT / "molecule/shared")]

import yaml
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import catalogue
from bench_upgrade import DEFAULTS, Clients, Store
from killed import family

RUNS, TRACES = 300, 1000
HEADSTART = 2.0  # seconds that the clients log before the upgrade begins
LABEL = "mlflow_ops.backend_store.throw_away"


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip()


class Upgrade:
    """A run of the playbook in a session of its own."""

    def __init__(self, store: Store, version: str, work: Path) -> None:
        self.output = work / "upgrade.log"
        variables = f'{{"mlflow_schema_mlflow_version": "{version}", "mlflow_schema_disconnect": true}}'
        command = [
            "ansible-playbook",
            "-i",
            str(store.inventory),
            "-e",
            variables,
            "playbooks/upgrade_schema.yml",
        ]
        environment = {**os.environ, "ANSIBLE_STDOUT_CALLBACK": "default"}
        with self.output.open("w") as stream:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=stream, stderr=stream, start_new_session=True
            )

    def task(self) -> str:
        found = re.findall(r"^TASK \[(.+?)\]", self.output.read_text(), re.MULTILINE)
        return str(found[-1]).rpartition(" : ")[2] if found else "(before the first task)"

    def kill(self) -> None:
        """With everything that it started, before any of it can start more."""
        stopped: set[int] = set()
        while left := set(family(self.process.pid)) - stopped:
            signal_all(left, signal.SIGSTOP)
            stopped |= left
        signal_all(stopped, signal.SIGKILL)
        self.process.wait()


def signal_all(processes: set[int], number: int) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, number)


class Cut:
    """Ends the session of the migrator once the migrations are past a revision."""

    def __init__(self, store: Store, revision: str) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, str(ROOT / "molecule/shared/database.py"), str(store.home)),
                *("sever", "mlflow_migrator", revision),
            ],
            stderr=subprocess.DEVNULL,
        )

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


class Harness:
    """One store, which is put back to what it was for each round."""

    def __init__(self, work: Path, old: str, seed: int) -> None:
        defaults = yaml.safe_load(DEFAULTS.read_text())
        self.work, self.draw = work, random.Random(seed)
        self.version: str = defaults["mlflow_schema_mlflow_version"]
        self.catalogue = catalogue.load()
        self.head, self.first = self.catalogue.releases[self.version], self.catalogue.releases[old]
        self.store = Store(work, "ours", old)
        inventory = yaml.safe_load(self.store.inventory.read_text())
        # The store is replaced by a copy in each round, which its own backups would take for another store.
        inventory["mlflow_backend_store"]["hosts"]["ours"].update(
            mlflow_backup_state="absent", mlflow_mysql_memory_mb=1536
        )
        self.store.inventory.write_text(yaml.safe_dump(inventory))
        self.container = "bench_upgrade_ours"
        self.clients: Clients | None = None
        self.data, self.copy = self.store.home / "data", work / "data"

    def make(self) -> None:
        self.store.deploy()
        self.store.fill(RUNS, TRACES)
        docker("stop", "-t", "60", self.container)
        subprocess.run(["cp", "-a", str(self.data), str(self.copy)], check=True)
        docker("start", self.container)

    def put_back(self) -> None:
        docker("stop", "-t", "60", self.container)
        shutil.rmtree(self.data)
        subprocess.run(["cp", "-a", str(self.copy), str(self.data)], check=True)
        shutil.rmtree(self.store.home / "upgrade", ignore_errors=True)
        self.start()

    def start(self) -> None:
        docker("start", self.container)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                self.store.revision()
                return
            except Exception:  # not yet
                time.sleep(0.2)
        raise RuntimeError("the store does not start")

    def round(self, number: int, seconds: float | None) -> tuple[str, list[str], float]:
        """Returns what was done, what is wrong, and how long an undisturbed run took."""
        self.put_back()
        folder = self.work / f"clients-{number}"
        clients = self.clients = Clients(self.store, folder)
        time.sleep(HEADSTART)
        cut, about = None, "undisturbed"
        pending = self.catalogue.revisions[
            self.catalogue.position(self.first) : self.catalogue.position(self.head)
        ]
        if seconds is not None and self.draw.random() < 0.5:
            cut = Cut(self.store, self.draw.choice(pending).revision)
        started = time.monotonic()
        run = Upgrade(self.store, self.version, self.work)
        if seconds is not None:
            # One that goes back takes longer.
            moment = self.draw.uniform(0, seconds * (1.6 if cut else 1.0))
            with_server = self.draw.random() < 1 / 3
            while time.monotonic() - started < moment and run.process.poll() is None:
                time.sleep(0.05)
            about = f"{moment:5.1f} s{', cut off' if cut else ''}{', server too' if with_server else ''}: {run.task()}"
            run.kill()
            # As when the host restarts: what ran is started again.
            if with_server and docker("inspect", "-f", "{{.State.Running}}", self.container) == "true":
                docker("kill", self.container)
                self.start()
        if cut:
            cut.end()
        if seconds is not None:
            run = Upgrade(self.store, self.version, self.work)
        status = run.process.wait()
        took = time.monotonic() - started
        wrong = [] if status == 0 else [f"the run failed: {run.output.read_text()[-1500:]}"]
        clients.stop()
        if not wrong:
            wrong = self.problems(clients)
        return f"{about} ({len(clients.acknowledged())} rows)", wrong, took

    def problems(self, clients: Clients) -> list[str]:
        found = []
        if lost := clients.lost():
            found.append(f"{lost} acknowledged rows are missing")
        said = self.store.play("check.yml", {"mlflow_schema_mlflow_version": self.version})
        if ": CURRENT" not in said or self.store.revision() != self.head:
            found.append(f"the schema is not current: {said[-1500:]}")
        runs, traces = (
            self.store.rows(f"SELECT COUNT(*) FROM {name}")[0][0] for name in ("runs", "trace_info")
        )
        if runs < RUNS or traces != TRACES:
            found.append(f"{runs} runs and {traces} traces are there")
        if strays := docker("ps", "-aq", "--filter", f"label={LABEL}={self.store.home}"):
            found.append(f"containers are left: {strays}")
        left = [path.name for path in (self.store.home / "upgrade").glob("*.write_lock.json")]
        if left:
            found.append(f"left behind: {', '.join(left)}")
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100000)
    parser.add_argument("--from", dest="old", default="3.8.1")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="upgrade-kills-") as directory:
        work = Path(directory)
        work.chmod(0o755)
        harness = Harness(work, options.old, options.seed)
        seconds: Any = None
        try:
            harness.make()
            for number in range(options.rounds + 1):
                about, wrong, took = harness.round(number, seconds)
                seconds = seconds or took
                counts["BAD" if wrong else "good"] += 1
                print(f"{'BAD ' if wrong else 'good'} {number:3} {about}, {took:.0f} s", flush=True)
                for line in wrong:
                    print(f"     {line}", flush=True)
        finally:
            if harness.clients is not None:
                harness.clients.stop()
            harness.store.remove()
    print(f"upgrades killed: {options.rounds}: " + ", ".join(f"{n} {kind}" for kind, n in counts.items()))
    return 1 if counts["BAD"] else 0


if __name__ == "__main__":
    sys.exit(main())
