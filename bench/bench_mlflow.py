# SPDX-License-Identifier: Apache-2.0
"""The real MLflow on SQLite, PostgreSQL, the plain recipe's MySQL and this collection's store: the same work on each.

The databases run side by side and take turns: each piece of work is done on one after the other, in another order each
round, and medians are compared. The store grows from size to size, and the same is measured again. What the server
and what the clients use of the processors is counted apart. Everything that is acknowledged is on the disk.

usage: bench_mlflow.py [--databases sqlite postgresql plain ours] [--sizes 100 10000] [--rounds 3] [--only REGEX]

Sizes are numbers of runs; each has 100 metrics. The largest store gets a run with metrics of 100,000 and 1,000,000
points besides. `ours,innodb_redo_log_capacity=100M` is our store with another setting. See bench/databases.py.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from databases import KEYS, MYSQL_IMAGE, STEPS, Database, Mysql, database, docker, remove
from workloads import BATCH, GC_RUNS, Clients

ROOT = Path(__file__).resolve().parent.parent
PORT = 25300
CLIENTS = (1, 8, 32)
SLOW, VERY_SLOW = 15.0, 60.0  # seconds; a call that takes longer is measured in two rounds, or in one
TRACES = 2000  # that are searched
COLORS = {"sqlite": "#8a8a8a", "postgresql": "#336791", "plain": "#d08a2e", "ours": "#0b6e99"}

SETUP = """
import sys, time
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
store = SqlAlchemyStore(sys.argv[1], "/tmp/bench-artifacts")
print(store.create_experiment("bench"))
print(store.create_run(store.create_experiment("history"), "bench", 1, [], "history").info.run_id)
"""


class Work(NamedTuple):
    """A piece of work: a method of workloads.Context, done by a number of clients."""

    name: str
    clients: int
    seconds: float = 2.5
    calls: int = 1_000_000
    units: int = 1  # that one call writes

    @property
    def label(self) -> str:
        return self.name.replace("_", " ") + ("" if self.clients == 1 else f", {self.clients} clients")


class Figure(NamedTuple):
    """What one piece of work took on one database in one round."""

    calls_per_second: float
    median_ms: float
    p99_ms: float
    client_ms: float  # of processors, for each call
    server_ms: float


READS = [
    Work(f"search_{what}", 1)
    for what in ("first_page", "metric_by_metric", "by_param", "param_and_metric", "tag", "page_of_1000")
]
HISTORY = [Work("history_100k", 1), Work("history_1m", 1), Work("history_sampled", 1)]
OTHERS = [
    *(Work("trace", 8), Work("search_traces", 1), Work("register", 8)),
    Work("collect", 1, seconds=1, units=GC_RUNS),
]
REST = [Work("rest_log_metric", 8), Work("rest_log_batch", 8, units=BATCH), Work("rest_search", 1)]


def logging(clients: tuple[int, ...]) -> list[Work]:
    return [
        Work(name, count, units=BATCH if name == "log_batch" else 1)
        for name in ("create_run", "log_metric", "log_batch")
        for count in clients
    ]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def setup(one: Database) -> tuple[str, str, str]:
    """Make an experiment and a run; return what a client has to know of a database."""
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-c", SETUP, one.uri], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        raise SystemExit(f"{one.name}: {done.stderr[-2000:]}")
    experiment, run = done.stdout.split()[-2:]
    return one.uri, experiment, run


class Servers:
    """`mlflow server` on each database. A context manager that ends them."""

    def __init__(self, databases: list[Database], work: Path) -> None:
        self.addresses: dict[str, str] = {}
        self.processes = []
        for number, one in enumerate(databases):
            port = PORT + 50 + number
            self.addresses[one.name] = f"http://127.0.0.1:{port}"
            log = (work / f"server-{port}.log").open("wb")
            command = [
                sys.executable,
                "-m",
                "mlflow",
                "server",
                "--backend-store-uri",
                one.uri,
                "--workers",
                "2",
            ]
            command += [
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
                "--artifacts-destination",
                str(work / "artifacts"),
            ]
            environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
            self.processes.append(
                subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
            )
        for address in self.addresses.values():
            deadline = time.monotonic() + 120
            while True:
                try:
                    urllib.request.urlopen(f"{address}/health", timeout=5).close()  # noqa: S310
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise SystemExit(f"mlflow server does not answer: {work}/server-*.log") from None
                    time.sleep(0.2)

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *dummy: object) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def percentile(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


class Bench:
    """The databases, their clients, and what was measured."""

    def __init__(self, databases: list[Database], clients: Clients, rounds: int, only: str) -> None:
        self.databases, self.clients, self.rounds = databases, clients, rounds
        self.only = re.compile(only)
        self.places = {one.name: setup(one) for one in databases}
        # size, work, database, figures of each round
        self.figures: dict[int, dict[str, dict[str, list[Figure]]]] = {}

    def measure(self, size: int, works: list[Work], servers: dict[str, str]) -> None:
        found = self.figures.setdefault(size, {})
        works = [work for work in works if self.only.search(work.label)]
        for number in range(self.rounds):
            order = (
                self.databases[number % len(self.databases) :]
                + self.databases[: number % len(self.databases)]
            )
            for work in works:
                for one in order:
                    figures = found.setdefault(work.label, {}).setdefault(one.name, [])
                    took = figures[-1].median_ms / 1000 if figures else 0.0
                    if took > VERY_SLOW or (len(figures) > 1 and took > SLOW):
                        continue
                    place, server = self.places[one.name], servers.get(one.name, "")
                    figures.append(once(self.clients, one, place, work, server))
                said = {name: f"{figures[-1].median_ms:.1f}" for name, figures in found[work.label].items()}
                say(f"  {size} runs, round {number + 1}, {work.label}: {said} ms")


def once(
    clients: Clients, one: Database, place: tuple[str, str, str], work: Work, server: str = ""
) -> Figure:
    """Have a piece of work done on one database."""
    before = one.cpu()
    took, seconds, used = clients.run(work.clients, place, work.name, server, work.seconds, work.calls)
    calls = len(took)
    return Figure(
        calls / seconds if work.name != "collect" else calls / sum(took),
        statistics.median(took) * 1000,
        percentile(took, 0.99) * 1000,
        used / calls * 1000,
        (one.cpu() - before) / calls * 1000,
    )


def ended(number: int, _frame: object) -> None:
    """End as on an error, once: what runs is removed."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit("bench: ended")


def first_login(one: Mysql) -> tuple[float, float]:
    """Seconds until a login after a restart of a store, and of nothing but mysqld on the same data."""
    docker("stop", "--time", "300", one.container)
    started = time.perf_counter()
    docker("start", one.container)
    one.wait()
    whole = time.perf_counter() - started
    docker("stop", "--time", "300", one.container)
    data = next(path for path in (one.home / "data", one.home / "store/data") if path.exists())
    bare = one.container + "-bare"
    socket_path = data / "bare.sock"
    started = time.perf_counter()
    docker(
        *("run", "--detach", "--name", bare, "--user", "999:999", "--network", "none"),
        *("--volume", f"{data}:/var/lib/mysql", "--entrypoint", "mysqld", MYSQL_IMAGE, "--no-defaults"),
        *("--socket=/var/lib/mysql/bare.sock", "--skip-log-bin", "--mysqlx=OFF"),
    )
    try:
        while True:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(1)
                probe.connect(str(socket_path))
                if probe.recv(5):
                    break
            time.sleep(0.02)
        alone = time.perf_counter() - started
        docker("stop", "--time", "300", bare)
    finally:
        docker("rm", "--force", bare)
    docker("start", one.container)
    one.wait()
    return whole, alone


# What is printed


def speeds(figures: list[Figure]) -> list[float]:
    return [figure.calls_per_second for figure in figures]


def ratio(ours: list[Figure], other: list[Figure]) -> tuple[float, float, float]:
    """How many times as fast ours is: of the medians, the least and the most of a round."""
    pairs = [one / two for one, two in zip(speeds(ours), speeds(other))]
    return statistics.median(speeds(ours)) / statistics.median(speeds(other)), min(pairs), max(pairs)


def table(bench: Bench) -> list[str]:
    names = [one.name for one in bench.databases]
    base = next((name for name in names if name == "ours"), names[-1])
    lines = []
    for size, works in bench.figures.items():
        for several in (False, True):
            unit = "several clients, calls a second" if several else "one client, milliseconds for a call"
            lines.append("")
            lines.append(
                f"{size:,} runs, {size * KEYS * STEPS:,} metrics, {unit}; then {base}'s speed against each"
            )
            head = f"{'':30}" + "".join(f"{name[:16]:>12}" for name in names)
            head += "".join(f"{'x ' + name[:16]:>20}" for name in names if name != base)
            lines.append(head + f"{'slowest 1 %':>14}{'server CPU':>12}")
            for label, found in works.items():
                if label.endswith("clients") == several:
                    lines.append(row(label, found, names, base, several))
    return lines


def row(label: str, found: dict[str, list[Figure]], names: list[str], base: str, several: bool) -> str:
    line = f"{label:30}"
    for name in names:
        figures = found[name]
        line += (
            f"{statistics.median(speeds(figures) if several else [one.median_ms for one in figures]):12.1f}"
        )
    for name in names:
        if name != base:
            middle, least, most = ratio(found[base], found[name])
            line += f"{middle:8.2f} ({least:.2f}-{most:.2f})".rjust(20)
    server = statistics.median(figure.server_ms for figure in found[base])
    client = statistics.median(figure.client_ms for figure in found[base])
    slowest = statistics.median(figure.p99_ms for figure in found[base])
    return line + f"{slowest:11.0f} ms{server / (server + client or 1):12.0%}"


def plots(bench: Bench, target: Path) -> None:
    """Draw a bar for each piece of work, and time against size."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "bench-mlflow"
    from matplotlib import pyplot

    names = [one.name for one in bench.databases]
    if "ours" not in names:
        return
    for size, works in bench.figures.items():
        labels = list(works)
        figure, panel = pyplot.subplots(figsize=(8.5, 0.36 * len(labels) + 1.2))
        height = 0.8 / len(names)
        for number, name in enumerate(names):
            values, low, high = [], [], []
            for label in labels:
                middle, least, most = ratio(works[label][name], works[label]["ours"])
                values.append(middle)
                low.append(max(middle - least, 0))
                high.append(max(most - middle, 0))
            places = [index + number * height for index in range(len(labels))]
            panel.barh(places, values, height, xerr=[low, high], label=name, color=COLORS.get(name),
                       error_kw={"lw": 0.7, "ecolor": "#444444"})  # fmt: skip
        panel.set_yticks([index + 0.4 - height / 2 for index in range(len(labels))], labels, fontsize=8)
        panel.invert_yaxis()
        panel.set_xscale("log")
        panel.axvline(1, color="#444444", lw=0.8)
        panel.set_xlabel("speed, ours = 1 (longer is faster)")
        panel.set_title(f"{size:,} runs, {size * KEYS * STEPS:,} metrics", fontsize=10)
        figure.legend(fontsize=8, loc="lower left", ncols=len(names))
        figure.tight_layout(rect=(0, 0.03, 1, 1))
        save(figure, target.with_name(f"mlflow-{size}"))
        pyplot.close(figure)
    sizes = list(bench.figures)
    if len(sizes) < 2:
        return
    common = [
        label for label in bench.figures[sizes[0]] if all(label in bench.figures[size] for size in sizes)
    ]
    columns = 3
    rows = -(-len(common) // columns)
    figure, panels = pyplot.subplots(rows, columns, figsize=(10, 2.5 * rows), squeeze=False)
    for index, panel in enumerate(panels.flat):
        if index >= len(common):
            panel.set_visible(False)
            continue
        label = common[index]
        for name in names:
            values = [
                statistics.median(one.median_ms for one in bench.figures[size][label][name]) for size in sizes
            ]
            panel.plot([size * KEYS * STEPS for size in sizes], values, "o-", ms=3, lw=1.4, label=name,
                       color=COLORS.get(name))  # fmt: skip
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_title(label, fontsize=9)
        panel.tick_params(labelsize=7)
    panels[0][0].legend(fontsize=7)
    figure.supxlabel("metrics in the store", fontsize=9)
    figure.supylabel("ms for a call", fontsize=9)
    figure.tight_layout()
    save(figure, target.with_name("mlflow-growth"))


def save(figure: Any, target: Path) -> None:
    figure.savefig(target.with_suffix(".svg"), metadata={"Date": None})
    figure.savefig(target.with_suffix(".png"), dpi=110)


def keep(bench: Bench, logins: dict[str, list[tuple[float, float]]], name: str) -> None:
    """Write what was measured."""
    content = {
        "figures": {
            size: {
                label: {one: [figure._asdict() for figure in figures] for one, figures in found.items()}
                for label, found in works.items()
            }
            for size, works in bench.figures.items()
        },
        "first_login": logins,
    }
    results = ROOT / "bench/results"
    results.mkdir(exist_ok=True)
    (results / f"{name}.json").write_text(json.dumps(content, indent=1))


def summary(bench: Bench) -> str:
    size = max(bench.figures)
    works = bench.figures[size]
    names = [one.name for one in bench.databases if one.name != "ours"]
    if "ours" not in {one.name for one in bench.databases}:
        return "bench: ours was not measured"
    parts = []
    for kind, wanted in (
        ("logging", re.compile("^(create run|log )")),
        ("search", re.compile("^search ")),
        ("history", re.compile("^history ")),
    ):
        chosen = [label for label in works if wanted.search(label)]
        if chosen:
            said = []
            for name in names:
                ratios = [ratio(works[label]["ours"], works[label][name])[0] for label in chosen]
                said.append(f"{name} {statistics.geometric_mean(ratios):.2f}")
            parts.append(f"{kind} x {', x '.join(said)}")
    return f"bench: ours against each, geometric means at {size * KEYS * STEPS:,} metrics: {'; '.join(parts)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgresql", "plain", "ours"])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 10_000], help="numbers of runs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="the work whose label this regular expression finds")
    parser.add_argument("--name", default="mlflow", help="of the file in bench/results")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, ended)
    sizes = sorted(options.sizes)
    work = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))
    work.chmod(0o755)
    logins: dict[str, list[tuple[float, float]]] = {}
    try:
        with contextlib.ExitStack() as stack:
            clients = stack.enter_context(Clients(max(CLIENTS)))
            databases = []
            for number, name in enumerate(options.databases):
                databases.append(stack.enter_context(database(name, work, PORT + number)))
                say(f"{name} runs")
            bench = Bench(databases, clients, options.rounds, options.only)
            if bench.only.search("search traces"):
                for place in bench.places.values():
                    clients.run(8, place, "trace_to_search", seconds=600, calls=TRACES // 8)
            for size in sizes:
                largest = size == sizes[-1]
                for one in databases:
                    one.fill(size, bench.places[one.name][1], say)
                    if largest and bench.only.search("history"):
                        one.fill_history(bench.places[one.name][2])
                works = logging(CLIENTS if size in (sizes[0], sizes[-1]) else (8,)) + READS
                bench.measure(size, works + OTHERS + (HISTORY if largest else []), {})
                if largest and any(bench.only.search(work_.label) for work_ in REST):
                    with Servers(databases, work) as servers:
                        bench.measure(size, REST, servers.addresses)
                keep(bench, logins, options.name)  # whatever happens to the next size
            if bench.only.search("first login"):
                for one in databases:
                    if isinstance(one, Mysql):
                        logins[one.name] = [first_login(one) for _round in range(options.rounds)]
            text = table(bench)
            for name, found in logins.items():
                whole, bare = (statistics.median(values) for values in zip(*found))
                text.append(
                    f"first login after a restart, {name}: {whole:.2f} s, bare mysqld {bare:.2f} s, "
                    f"{whole / bare:.2f} times"
                )
            print("\n".join([*text, "", summary(bench)]))
            keep(bench, logins, options.name)
            if options.name == "mlflow":
                plots(bench, ROOT / "bench/results/mlflow")
    finally:
        remove(work)


if __name__ == "__main__":
    main()
