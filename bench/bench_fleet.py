# SPDX-License-Identifier: Apache-2.0
"""Wall time of playbooks/deploy.yml against the number of hosts, and what each host costs on the no-op path.

The hosts are those of the Molecule scenarios. For every size a fresh fleet is deployed once (cold). Then the largest
fleet is deployed again and again, all of it and parts of it in turn (no-op). A run starts without open SSH connections,
as a run by hand does. The hosts share this machine's cores with ansible-playbook: hosts of their own scale better.

usage: bench_fleet.py [--hosts 1,2,4,8] [--rounds 3] [--no-cold]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT / "molecule/shared"
BASE_IMAGE = ROOT / ".cache/mysql-base-image.tar"
GROUP = "mlflow_backend_store"
SCENARIO = "bench-fleet"

# One line of JSON for each task of each host, and a last one with the recap.
CALLBACK = """
import json, os, time
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "bench_fleet"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self.events = open(os.environ["BENCH_FLEET_EVENTS"], "a", buffering=1)
        self.started = {}

    def write(self, **event):
        self.events.write(json.dumps(event) + "\\n")

    def v2_runner_on_start(self, host, task):
        self.started[host.get_name(), task._uuid] = time.time()

    def ended(self, result, skipped=False):
        host, task = result._host.get_name(), result._task
        started = self.started.pop((host, task._uuid), None)
        # What was never started is a meta task.
        if started is not None:
            self.write(host=host, name=task.get_name(), action=task.action, skipped=skipped,
                       started=started, ended=time.time())

    def v2_runner_on_ok(self, result):
        self.ended(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self.ended(result)

    def v2_runner_on_unreachable(self, result):
        self.ended(result)

    def v2_runner_on_skipped(self, result):
        self.ended(result, skipped=True)

    def v2_playbook_on_stats(self, stats):
        self.write(changed={host: stats.summarize(host)["changed"] for host in stats.processed})
"""

# A command to the process that holds a connection open (-O) goes to no host.
WRAPPER = """#!/bin/bash
for argument; do
  [[ $argument != -O ]] || break
  if [[ $argument =~ ^\\[?([0-9]+(\\.[0-9]+){3})\\]?$ ]]; then
    echo "$EPOCHREALTIME ${BASH_REMATCH[1]}" >>"$BENCH_FLEET_CALLS"
    break
  fi
done
exec PROGRAM "$@"
"""


@dataclass
class Task:
    """A task on one host; times are seconds since the epoch."""

    host: str
    name: str
    action: str
    skipped: bool
    started: float
    ended: float
    round_trips: int = 0


@dataclass
class Run:
    """One run of playbooks/deploy.yml."""

    started: float
    seconds: float
    hosts: list[str]
    round_trips: Counter[str] = field(default_factory=Counter)
    tasks: list[Task] = field(default_factory=list)

    def per_host(self) -> dict[str, float]:
        """Tasks that ran, tasks that were skipped and SSH round trips of a host, the median of all hosts."""
        ran = Counter(task.host for task in self.tasks if not task.skipped)
        skipped = Counter(task.host for task in self.tasks if task.skipped)
        return {
            name: statistics.median(counts[host] for host in self.hosts)
            for name, counts in (("tasks", ran), ("skipped", skipped), ("round_trips", self.round_trips))
        }


@dataclass
class Step:
    """A task on all hosts of a run: seconds from the first host's start to the last host's end."""

    action: str
    skipped: bool
    seconds: float
    round_trips: float


def steps(run: Run) -> dict[tuple[str, int], Step]:
    """Return the steps of a run in their order, by the task's name and how often it came before."""
    seen: Counter[tuple[str, str]] = Counter()
    together: dict[tuple[str, int], list[Task]] = {}
    for task in run.tasks:
        together.setdefault((task.name, seen[task.host, task.name]), []).append(task)
        seen[task.host, task.name] += 1
    return {
        key: Step(
            action=tasks[0].action,
            skipped=all(task.skipped for task in tasks),
            seconds=max(task.ended for task in tasks) - min(task.started for task in tasks),
            round_trips=statistics.median(task.round_trips for task in tasks),
        )
        for key, tasks in together.items()
    }


class Fleet:
    """Test hosts named host1, host2, ..., made and removed with the playbooks of the Molecule scenarios."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.addresses: dict[str, str] = {}
        self.runs = 0
        (work / "callbacks").mkdir()
        (work / "callbacks/bench_fleet.py").write_text(CALLBACK)
        for program in ("ssh", "sftp", "scp"):
            wrapper = work / program
            wrapper.write_text(WRAPPER.replace("PROGRAM", shutil.which(program) or program))
            wrapper.chmod(0o700)
        self.describe([])

    def describe(self, names: list[str]) -> None:
        """Write what Molecule would tell its playbooks."""
        platforms = [{"name": name, "image": "debian12", "groups": [GROUP]} for name in names]
        variables = {
            "molecule_yml": {"scenario": {"name": SCENARIO}, "platforms": platforms},
            "molecule_ephemeral_directory": str(self.work),
            "molecule_instance_config": str(self.work / "instance_config.yml"),
        }
        (self.work / "molecule.json").write_text(json.dumps(variables))
        self.inventory({name: {} for name in names})

    def inventory(self, hosts: dict[str, dict[str, Any]]) -> None:
        (self.work / "hosts.json").write_text(json.dumps({GROUP: {"hosts": hosts}}))

    def start(
        self, playbook: Path, *arguments: str, **environment: str
    ) -> tuple[subprocess.Popen[bytes], Path]:
        """Start a playbook; return its process, and the file that its output goes to."""
        known_hosts = self.work / "known_hosts"
        settings = {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
            "ANSIBLE_FORKS": "20",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_SSH_ARGS": f"-o UserKnownHostsFile={known_hosts} -o StrictHostKeyChecking=yes"
            " -o IdentitiesOnly=yes -o ControlMaster=auto -o ControlPersist=60s"
            " -o ServerAliveInterval=10 -o ServerAliveCountMax=3",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.work / f"cp{self.runs}"),
            "MOLECULE_PROJECT_DIRECTORY": str(ROOT),
            # The Makefile's, for who calls this without make.
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        command = ["ansible-playbook", "-i", str(self.work / "hosts.json"), str(playbook), *arguments]
        path = self.work / "output"
        with path.open("w") as output:
            # In a session of its own, so that Ctrl-C comes here first.
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **settings, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return process, path

    def ansible(self, playbook: Path, *arguments: str, **environment: str) -> tuple[float, str]:
        """Run a playbook; return its seconds and output, or exit with the output."""
        started = time.monotonic()
        process, output = self.start(playbook, *arguments, **environment)
        try:
            status = process.wait()
        except BaseException:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
        seconds = time.monotonic() - started
        if status:
            sys.exit(f"{playbook.name} {' '.join(arguments)}\n{output.read_text()}")
        return seconds, output.read_text()

    def molecule(self, name: str) -> None:
        self.ansible(SHARED / f"{name}.yml", "-e", f"@{self.work}/molecule.json")

    def make(self, count: int) -> None:
        """Make `count` untouched hosts in place of those that are there."""
        self.remove()
        self.describe([f"host{number}" for number in range(1, count + 1)])
        self.molecule("create")
        instances = yaml.safe_load((self.work / "instance_config.yml").read_text())
        self.addresses = {host["instance"]: host["address"] for host in instances}
        self.inventory(
            {
                host["instance"]: {
                    "ansible_host": host["address"],
                    "ansible_port": host["port"],
                    "ansible_user": host["user"],
                    "ansible_private_key_file": host["identity_file"],
                }
                for host in instances
            }
        )
        self.runs += 1
        self.molecule("prepare")

    def remove(self) -> None:
        """Remove the hosts, those that an earlier call left behind too."""
        self.molecule("destroy")

    def deploy(self, count: int, *, unchanged: bool = False) -> Run:
        """Deploy on the first `count` hosts; exit if one changes that is to be `unchanged`."""
        self.runs += 1
        names = list(self.addresses)[:count]
        events, calls = self.work / f"events{self.runs}", self.work / f"calls{self.runs}"
        calls.touch()
        started = time.time()
        seconds, out = self.ansible(
            ROOT / "playbooks/deploy.yml",
            *("--limit", ",".join(names), "-e", "mysql_base_image_source=archive"),
            *("-e", f"mysql_base_image_archive={BASE_IMAGE}"),
            ANSIBLE_CALLBACK_PLUGINS=str(self.work / "callbacks"),
            ANSIBLE_CALLBACKS_ENABLED="bench_fleet",
            ANSIBLE_SSH_EXECUTABLE=str(self.work / "ssh"),
            ANSIBLE_SFTP_EXECUTABLE=str(self.work / "sftp"),
            ANSIBLE_SCP_EXECUTABLE=str(self.work / "scp"),
            BENCH_FLEET_EVENTS=str(events),
            BENCH_FLEET_CALLS=str(calls),
        )
        *tasks, recap = [json.loads(line) for line in events.read_text().splitlines()]
        if unchanged and (any(recap["changed"].values()) or not recap["changed"].keys() >= set(names)):
            sys.exit(f"the no-op run changed something: {recap['changed']}\n{out}")
        run = Run(started, seconds, names, tasks=[Task(**task) for task in tasks])
        called = {address: name for name, address in self.addresses.items()}
        for line in calls.read_text().splitlines():
            moment, address = line.split()
            host = called.get(address, address)
            run.round_trips[host] += 1
            for task in run.tasks:
                if task.host == host and task.started <= float(moment) <= task.ended:
                    task.round_trips += 1
        return run


def hosts(count: int) -> str:
    return f"{count} host{'s' if count > 1 else ''}"


def measure(
    fleet: Fleet, sizes: list[int], rounds: int, cold: bool
) -> tuple[dict[int, Run], dict[int, list[Run]]]:
    """Return the cold run and the no-op runs of each size."""
    colds: dict[int, Run] = {}
    for size in sizes if cold else sizes[-1:]:
        fleet.make(size)
        colds[size] = fleet.deploy(size)
        print(f"cold, {hosts(size)}: {colds[size].seconds:.2f} s", flush=True)
    noops: dict[int, list[Run]] = {size: [] for size in sizes}
    for number in range(1, rounds + 1):
        for size in sizes:
            noops[size].append(fleet.deploy(size, unchanged=True))
        times = ", ".join(f"{hosts(size)} {runs[-1].seconds:.2f} s" for size, runs in noops.items())
        print(f"no-op, round {number}: {times}", flush=True)
    return colds if cold else {}, noops


def median(runs: Iterable[Run], value: Callable[[Run], float]) -> float:
    return statistics.median(value(run) for run in runs)


def summary(colds: dict[int, Run], noops: dict[int, list[Run]]) -> list[dict[str, Any]]:
    """Return a row for each size."""
    rows = []
    for size, runs in noops.items():
        row: dict[str, Any] = {
            "hosts": size,
            "no-op": median(runs, lambda run: run.seconds),
            "no-op seconds": [run.seconds for run in runs],
        }
        for name in ("tasks", "skipped", "round_trips"):
            row[name] = median(runs, lambda run, name=name: run.per_host()[name])  # type: ignore[misc]
        if size in colds:
            row["cold"] = colds[size].seconds
            row["cold per host"] = colds[size].seconds / size
            row["cold counts"] = colds[size].per_host()
        rows.append(row)
    for row in rows:
        for kind in ("no-op", "cold"):
            if kind in row:
                row[f"{kind} ratio"] = row[kind] / rows[0][kind]
    return rows


def profile(noops: dict[int, list[Run]]) -> list[dict[str, Any]]:
    """Return the steps of the no-op path of the smallest fleet, with their median seconds there and in the largest."""
    small, large = min(noops), max(noops)
    by_run = {size: [steps(run) for run in noops[size]] for size in (small, large)}
    return [
        {
            "task": name,
            "action": step.action,
            "skipped": step.skipped,
            "round_trips": step.round_trips,
            "seconds": {
                size: statistics.median(
                    found[name, nth].seconds for found in by_run[size] if (name, nth) in found
                )
                for size in by_run
            },
        }
        for (name, nth), step in by_run[small][0].items()
    ]


def print_table(rows: list[dict[str, Any]]) -> None:
    first = hosts(rows[0]["hosts"])
    print(
        f"\n{'hosts':>5}{'cold s':>9}{'per host':>10}{'no-op s (min-max)':>24}{'against ' + first:>16}"
        f"{'tasks/host':>12}{'skipped/host':>14}{'SSH round trips/host':>22}"
    )
    for row in rows:
        spread = f"{row['no-op']:.2f} ({min(row['no-op seconds']):.2f}-{max(row['no-op seconds']):.2f})"
        cold = f"{row['cold']:9.2f}{row['cold per host']:10.2f}" if "cold" in row else f"{'-':>9}{'-':>10}"
        print(
            f"{row['hosts']:5}{cold}{spread:>24}{row['no-op ratio']:16.2f}"
            f"{row['tasks']:12g}{row['skipped']:14g}{row['round_trips']:22g}"
        )


def print_profile(noops: dict[int, list[Run]], path: list[dict[str, Any]]) -> None:
    sizes = sorted({min(noops), max(noops)})

    def line(seconds: list[float], round_trips: str, what: str) -> None:
        what = what.replace("mlflow_ops.backend_store.", "")
        print("".join(f"{value:10.2f}" for value in seconds) + f"{round_trips:>6}  {what[:110]}")

    def of_runs(value: Callable[[Run], float]) -> list[float]:
        return [median(noops[size], value) for size in sizes]

    def before(run: Run) -> float:
        return min(task.started for task in run.tasks) - run.started

    def in_tasks(run: Run) -> float:
        return sum(step.seconds for step in steps(run).values())

    print("\nWhere the time of a no-op run goes (median s, and the round trips of each host):")
    print("".join(f"{hosts(size):>10}" for size in sizes) + f"{'SSH':>6}")
    line(of_runs(before), "", "(before the first task)")
    for step in path:
        if not step["skipped"]:
            what = step["task"] + (" (include)" if "include" in step["action"] else "")
            line([step["seconds"][size] for size in sizes], f"{step['round_trips']:g}", what)
    skipped = of_runs(lambda run: sum(step.seconds for step in steps(run).values() if step.skipped))
    line(skipped, "", f"({sum(step['skipped'] for step in path)} skipped tasks)")
    line(
        of_runs(lambda run: run.seconds - before(run) - in_tasks(run)),
        "",
        "(between the tasks and after the last)",
    )


def plot(rows: list[dict[str, Any]], target: Path) -> None:
    """Draw wall time against the number of hosts, as .svg and .png."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = SCENARIO
    from matplotlib import pyplot

    sizes = [row["hosts"] for row in rows]
    kinds = [kind for kind in ("cold", "no-op") if kind in rows[0]]
    figure, panels = pyplot.subplots(1, len(kinds), figsize=(4.6 * len(kinds), 3.8), squeeze=False)
    titles = {"cold": "Cold: untouched hosts", "no-op": "No-op: nothing to change"}
    for panel, kind in zip(panels[0], kinds):
        values = [row[kind] for row in rows]
        lows = [min(row.get(f"{kind} seconds", [row[kind]])) for row in rows]
        highs = [max(row.get(f"{kind} seconds", [row[kind]])) for row in rows]
        proportional = [values[0] * size / sizes[0] for size in (0, sizes[-1])]
        panel.plot((0, sizes[-1]), proportional, "--", color="#8a8a8a", lw=1.3, label="proportional to hosts")
        panel.vlines(sizes, lows, highs, color="#0b6e99", lw=5, alpha=0.35)
        measured = "median (bar: least to most)" if kind == "no-op" else "measured"
        panel.plot(sizes, values, "o-", color="#0b6e99", lw=2, ms=5, label=measured, zorder=3)
        for size, value, low in zip(sizes, values, lows):
            panel.annotate(
                f"{value:.0f}" if value >= 20 else f"{value:.1f}",
                (size, low),
                xytext=(4, -15),
                textcoords="offset points",
                ha="center",
                fontsize=9,
            )
        panel.set_title(titles[kind], fontsize=11, loc="left")
        panel.set_xlabel("hosts")
        panel.set_ylabel("wall time of deploy.yml (s)")
        panel.set_xlim(0, sizes[-1] * 1.06)
        panel.set_ylim(0, max(*proportional, *highs) * 1.06)
        panel.set_xticks([0, *sizes])
        panel.grid(color="#e4e4e4", lw=0.8)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
        panel.legend(frameon=False, loc="upper left", fontsize=9)
    figure.tight_layout(w_pad=3)
    figure.savefig(target.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(target.with_suffix(".png"), dpi=150)


def report(colds: dict[int, Run], noops: dict[int, list[Run]], rounds: int) -> None:
    rows, path = summary(colds, noops), profile(noops)
    results = ROOT / "bench/results"
    results.mkdir(exist_ok=True)
    (results / "fleet.json").write_text(
        json.dumps({"cores": os.cpu_count(), "rounds": rounds, "sizes": rows, "no-op path": path}, indent=1)
    )
    plot(rows, results / "fleet")
    print_table(rows)
    print_profile(noops, path)
    first, last = rows[0], rows[-1]
    pair = f"{hosts(last['hosts'])}/{hosts(first['hosts'])}"
    ratios = [f"{kind} {pair} {last[kind + ' ratio']:.2f}" for kind in ("no-op", "cold") if kind in last]
    print(
        f"\nbench-fleet: {', '.join(ratios)}, no-op per host: {last['tasks']:g} tasks, "
        f"{last['round_trips']:g} SSH round trips (medians of {rounds}; no-op {hosts(first['hosts'])} "
        f"{first['no-op']:.2f} s, {hosts(last['hosts'])} {last['no-op']:.2f} s)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hosts", default="1,2,4,8", help="numbers of hosts (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=3, help="no-op runs of each size (default: %(default)s)"
    )
    parser.add_argument("--no-cold", action="store_true", help="measure no-op runs only")
    arguments = parser.parse_args()
    sizes = sorted({int(size) for size in arguments.hosts.split(",")})
    if sizes[0] < 1 or arguments.rounds < 1:
        parser.error("at least one host and one round")
    if not BASE_IMAGE.exists():
        sys.exit(f"make {BASE_IMAGE.relative_to(ROOT)} first")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("interrupted"))
    work = Path(tempfile.mkdtemp(prefix="bench-fleet-"))
    fleet = Fleet(work)
    try:
        colds, noops = measure(fleet, sizes, arguments.rounds, not arguments.no_cold)
    finally:
        # Nothing interrupts the cleaning up.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        fleet.remove()
        shutil.rmtree(work)
    report(colds, noops, arguments.rounds)


if __name__ == "__main__":
    main()
