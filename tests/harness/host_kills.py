# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a host at random moments of the deploy, start it again, and deploy again.

Each round has an untouched host. It is killed as by a power cut, at a moment that is drawn from the time that an
undisturbed deploy takes: while packages are installed, the image is loaded or built, MySQL initialises, the accounts or
MLflow's tables are made. A round is good when the second run succeeds, the third changes nothing, the schema is whole,
the real MLflow writes to the store and reads it back, and nothing temporary is left. Prints a line for each round; the
exit status is 1 if any is not good.

usage: host_kills.py [--kills 10] [--span SECONDS] [--seed NUMBER]
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from bench_fleet import BASE_IMAGE, SCENARIO, Fleet

HOST = "host1"
CONTAINER = f"molecule-{SCENARIO}-{HOST}"
DEPLOY = ROOT / "playbooks/deploy.yml"
ARCHIVE = ("-e", "mysql_base_image_source=archive", "-e", f"mysql_base_image_archive={BASE_IMAGE}")
# What the deploy makes for itself and removes again; what Ansible unpacks of a module is Ansible's.
TEMPORARY = (
    "find /tmp /var/tmp /var/cache -maxdepth 1 \\( -name '*mlflow*' -o -name '*mysql-base-image*' \\) "
    "! -name 'ansible_*_payload_*'"
)
CLIENT = """
export MLFLOW_TRACKING_URI=$(cat /tmp/uri)
exec /srv/mlflow-mysql/mlflow/*/bin/python /tmp/client.py write
"""


def docker(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def kill(fleet: Fleet, moment: float) -> str:
    """Deploy, kill the host after `moment` seconds, start it again; return the task that was on its way."""
    process, output = fleet.start(DEPLOY, *ARCHIVE)
    time.sleep(moment)
    docker("kill", CONTAINER)
    tasks = re.findall(r"^TASK \[(.+?)\]", output.read_text(), re.MULTILINE)
    docker("start", CONTAINER)
    process.wait()
    # Until its SSH server answers.
    for _attempt in range(60):
        if (
            subprocess.run(
                ["docker", "exec", CONTAINER, "pgrep", "-x", "sshd"], capture_output=True, check=False
            ).returncode
            == 0
        ):
            break
        time.sleep(0.5)
    time.sleep(1)
    return tasks[-1] if tasks else "(before the first task)"


def problems(fleet: Fleet) -> list[str]:
    """Deploy twice and look at the store; return what is wrong."""
    found = []
    started = time.monotonic()
    process, output = fleet.start(DEPLOY, *ARCHIVE)
    if process.wait() or "is ready." not in output.read_text():
        return [f"the second run failed:\n{output.read_text()[-3000:]}"]
    seconds = time.monotonic() - started
    _seconds, out = fleet.ansible(DEPLOY, *ARCHIVE)
    if not re.search(r"changed=0 ", out):
        found.append("the third run changes something")
    _seconds, out = fleet.ansible(ROOT / "playbooks/check.yml")
    if ": CURRENT" not in out:
        found.append("the schema is not current")
    _seconds, out = fleet.ansible(ROOT / "playbooks/uri.yml")
    uri = re.search(r"mysql\+pymysql://\S+", out)
    if uri is None:
        return [*found, "there is no URI"]
    docker("cp", str(ROOT / "molecule/shared/client.py"), f"{CONTAINER}:/tmp/client.py")
    subprocess.run(
        ["docker", "exec", "-i", CONTAINER, "sh", "-c", "cat >/tmp/uri"],
        input=uri.group(0),
        text=True,
        check=True,
    )
    client = subprocess.run(
        ["docker", "exec", CONTAINER, "sh", "-c", CLIENT], capture_output=True, text=True, check=False
    )
    if client.returncode:
        found.append(f"MLflow: {client.stderr.strip().splitlines()[-1:]}")
    left = docker("exec", CONTAINER, "sh", "-c", TEMPORARY).split()
    if left:
        found.append(f"left behind: {', '.join(left)}")
    print(f"  the second run took {seconds:.0f} s", flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=10, help="how many rounds (default: %(default)s)")
    parser.add_argument("--span", type=float, help="draw moments from so many seconds, without measuring")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 100000, help="of the moments")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    draw = random.Random(arguments.seed)
    work = Path(tempfile.mkdtemp(prefix="host-kills-"))
    fleet = Fleet(work)
    bad = 0
    try:
        span = arguments.span
        if span is None:
            fleet.make(1)
            span = fleet.ansible(DEPLOY, *ARCHIVE)[0]
            print(f"an undisturbed deploy takes {span:.0f} s", flush=True)
        for number in range(1, arguments.kills + 1):
            # One in each part of the deploy, as long as the parts last.
            moment = span * (number - 1 + draw.random()) / arguments.kills
            fleet.make(1)
            task = kill(fleet, moment)
            print(f"killed after {moment:.1f} s, at: {task}", flush=True)
            found = problems(fleet)
            bad += bool(found)
            print(f"  {'; '.join(found) or 'good'}", flush=True)
    finally:
        fleet.remove()
        shutil.rmtree(work)
    print(f"{arguments.kills - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
