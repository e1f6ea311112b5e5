# SPDX-License-Identifier: Apache-2.0
"""How long MLflow cannot write when the primary is killed, and whether anything is lost.

The hosts are those of the Molecule scenario `group`, which `make bench-failover` makes. Eight clients log with MLflow's
own SQL store through the route, and write down what was acknowledged. The primary's mysqld is killed again and again,
when all members are back. Then every member is compared with what the clients have written down.

At last the group's throughput is compared with that of its primary alone, out of the group. All members share this
machine's processors: on hosts of their own the ratio is better.

usage: bench_failover.py [--kills 20]
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WRITERS = ROOT / "molecule/shared/writers.py"
HOSTS = ("db1", "db2", "db3")
HOME = "/srv/mlflow-mysql"
BACK_WITHIN = 180  # seconds
QUIET = 3  # seconds between the last member's return and the next kill
ROUNDS, WARM, MEASURED = 3, 5, 20  # seconds, of the throughput
STATE = (
    "SELECT JSON_OBJECT('host', member_host, 'state', member_state, 'role', member_role)"
    " FROM performance_schema.replication_group_members"
)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def on(host: str, *arguments: str, check: bool = True) -> str:
    """Run a command on a host of the scenario."""
    done = subprocess.run(
        ["docker", "exec", f"molecule-group-{host}", *arguments], capture_output=True, text=True, check=False
    )
    if check and done.returncode:
        raise SystemExit(f"{host}: {' '.join(arguments)[:60]}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def sql(host: str, statement: str, check: bool = True) -> str:
    """Run a statement as root on a member."""
    script = (
        f'MYSQL_PWD="$(cat {HOME}/secrets/root_password)" docker exec -e MYSQL_PWD mlflow_mysql_db '
        'mysql -uroot -N -e "$1"'
    )
    return on(host, "bash", "-c", script, "sql", statement, check=check)


def address(host: str) -> str:
    found = subprocess.run(
        [
            *("docker", "inspect", f"molecule-group-{host}", "--format"),
            '{{(index .NetworkSettings.Networks "molecule-group").IPAddress}}',
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.strip()


def members(host: str) -> list[dict[str, Any]]:
    """The group as one member sees it; empty where no server answers."""
    return [json.loads(line) for line in sql(host, STATE, check=False).splitlines() if line.startswith("{")]


def primary(addresses: dict[str, str]) -> str:
    """The primary, once all members are online."""
    deadline = time.monotonic() + BACK_WITHIN
    while True:
        views = [members(host) for host in HOSTS]
        if all(len(view) == len(HOSTS) and all(one["state"] == "ONLINE" for one in view) for view in views):
            found = {one["host"] for view in views for one in view if one["role"] == "PRIMARY"}
            if len(found) == 1:
                return next(host for host, place in addresses.items() if place in found)
        if time.monotonic() > deadline:
            raise SystemExit(f"bench-failover: the members did not come back in {BACK_WITHIN} s: {views}")
        time.sleep(1)


def acknowledged(work: Path) -> list[float]:
    """When something was acknowledged to any client, in seconds since 1970."""
    return sorted(
        float(json.loads(line)[0])
        for path in work.glob("acknowledged.*")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.endswith("]")
    )


def gap(moments: list[float], killed: float) -> float:
    """The longest time without an acknowledged write that begins within ten seconds around the kill."""
    pairs = [(one, two) for one, two in zip(moments, moments[1:]) if killed - 1 <= two and one <= killed + 10]
    return max((two - one for one, two in pairs), default=float("inf"))


def rate(place: str, work: Path) -> float:
    """Acknowledged calls a second of the eight clients."""
    for path in work.glob("acknowledged.*"):
        path.unlink()
    (work / "stop").unlink(missing_ok=True)
    with open(work / "log", "a", encoding="utf-8") as log:
        process = subprocess.Popen(writers("write", place, work), stdout=log, stderr=log)
    deadline = time.time() + BACK_WITHIN
    while not acknowledged(work) and time.time() < deadline:
        time.sleep(0.2)
    time.sleep(WARM + MEASURED)
    (work / "stop").touch()
    process.wait(60)
    moments = acknowledged(work)
    begin = moments[0] + WARM
    return sum(begin <= moment < begin + MEASURED for moment in moments) / MEASURED


def throughput(addresses: dict[str, str], work: Path) -> list[float]:
    """The group's calls a second against those of its primary alone, in rounds."""
    ratios = []
    for number in range(ROUNDS):
        host = primary(addresses)
        place = f"{addresses[host]}:3306"
        others = [other for other in HOSTS if other != host]
        together = rate(place, work)
        for other in others:
            sql(other, "STOP GROUP_REPLICATION")
        sql(host, "STOP GROUP_REPLICATION; SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = OFF")
        alone = rate(place, work)
        sql(
            host,
            "SET GLOBAL group_replication_bootstrap_group = ON; START GROUP_REPLICATION;"
            " SET GLOBAL group_replication_bootstrap_group = OFF",
        )
        for other in others:
            sql(other, "START GROUP_REPLICATION")
        ratios.append(together / alone)
        say(f"  throughput, round {number + 1}: {together:.0f} calls a second, alone {alone:.0f}")
    primary(addresses)
    return ratios


def writers(what: str, place: str, work: Path, *more: str) -> list[str]:
    return [
        sys.executable,
        str(WRITERS),
        what,
        str(work / "password"),
        place,
        str(work / "ca.pem"),
        str(work),
        *more,
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    options = parser.parse_args()
    addresses = {host: address(host) for host in HOSTS}
    route = address("mlflow")
    work = Path(tempfile.mkdtemp(prefix="bench-failover-"))
    (work / "password").write_text(
        on(HOSTS[0], "cat", f"{HOME}/secrets/container/mysql_password"), encoding="utf-8"
    )
    (work / "ca.pem").write_text(on(HOSTS[0], "cat", f"{HOME}/tls/group-ca.pem") + "\n", encoding="utf-8")
    place = f"{route}:6446"
    gaps: list[float] = []
    started = time.time()
    logged = open(work / "log", "w", encoding="utf-8")
    process = subprocess.Popen(writers("write", place, work), stdout=logged, stderr=logged)
    try:
        while not acknowledged(work):
            if process.poll() is not None or time.time() > started + BACK_WITHIN:
                raise SystemExit(f"bench-failover: nothing is logged: {(work / 'log').read_text()[-2000:]}")
            time.sleep(1)
        for number in range(options.kills):
            host = primary(addresses)
            time.sleep(QUIET)
            killed = time.time()
            on(host, "pkill", "-KILL", "-x", "mysqld")
            time.sleep(12)
            while (found := gap(acknowledged(work), killed)) == float("inf") or acknowledged(work)[
                -1
            ] < killed + 8:
                if time.time() > killed + BACK_WITHIN:
                    raise SystemExit(f"bench-failover: no write for {BACK_WITHIN} s after {host} was killed")
                time.sleep(1)
            gaps.append(found)
            say(f"  kill {number + 1}: {host}, {found:.1f} s without a write")
        primary(addresses)
    finally:
        (work / "stop").touch()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
    lost = 0
    for host in HOSTS:
        # What the primary acknowledged is applied elsewhere a moment later.
        done = subprocess.run(
            writers("check", f"{addresses[host]}:3306", work), capture_output=True, text=True, check=False
        )
        say(f"  {host}: {done.stdout.strip() or done.stderr[-500:]}")
        lost += done.returncode != 0
    ratios = throughput(addresses, work)
    shutil.rmtree(work)
    results = ROOT / "bench/results"
    results.mkdir(exist_ok=True)
    (results / "failover.json").write_text(json.dumps({"gaps": gaps, "lost": lost, "throughput": ratios}))
    print(
        f"bench-failover: {len(gaps)} kills, {statistics.median(gaps):.1f} s without writes (worst {max(gaps):.1f} s), "
        f"{'nothing that was acknowledged is lost' if not lost else 'LOST on ' + str(lost) + ' members'}; "
        f"throughput {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}) of the primary's alone"
    )
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
