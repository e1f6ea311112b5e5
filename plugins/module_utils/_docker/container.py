# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store's container that takes the place of another, and what its server says when it does not start.

Private to this collection.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import time
from dataclasses import dataclass, field
from typing import Callable, Iterable, Tuple

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker.cli import Docker, Host

# Runs a command of the engine's client; returns its exit status and all that it printed: `Docker.together`.
Run = Callable[..., Tuple[int, str]]

KILLED = 137  # the exit status
TOO_LARGE = (
    "The kernel killed the server, which took more memory than the container may use (mlflow_mysql_memory_mb)"
)
SHOWN = 10  # lines of a log that names no error
LOGGED = "400"  # lines of a log that are read
# Beside the container that took its place.
ASIDE = "{}_replaced"
# Beside the socket, which is not on the data's disk: a store was here. Where its data is gone no other is made then.
MADE = "store-made"
# What follows from other errors, and names none.
CONSEQUENCES = re.compile(
    "Aborting|Data Dictionary initialization failed|Failed to initialize DD Storage Engine"
    "|The designated data directory|Plugin '\\w+' (init function returned|registration as)"
    "|Failed to initialize builtin plugins"
)
# The server starts all the same, without what was asked for: a plugin whose file or symbol is missing, TLS, a log.
LEFT_OUT = frozenset(
    ("MY-010736", "MY-010900", "MY-010901", "MY-000059", "MY-010069", "MY-013595", "MY-010338", "MY-011263")
)
WITH_CODE = re.compile(r"^\S+ \d+ \[\w+\] \[(MY-\d+)\] (?:\[\w+\] )?(.*)$")
OF_THE_SERVER = re.compile(r"^\S+ \d+ \[ERROR\] (?:\[MY-\d+\] )?(?:\[\w+\] )?(.*)$")
OF_AN_ENTRYPOINT = re.compile(r"^\S+(?: \S+)? (?:\[\w+\] ERROR: |\[ERROR\] \[Entrypoint\]: )(.*)$")

UNKNOWN = re.compile(r"unknown (?:variable|option) '-*([\w-]+)")
# A line of what `mysqld --verbose --help` ends with: a name, and its value.
KNOWN = re.compile(r"^([a-z][a-z0-9-]{2,})\s+\S", re.MULTILINE)

# A server on a data directory of its own, with all that the store's would be given, that ends as soon as it would take
# connections. Time zones that have names are there, as in a new store.
TRIAL = r"""
until [ "$1" = mysqld ]; do shift; done
shift
{ echo 'USE mysql;'; mysql_tzinfo_to_sql /usr/share/zoneinfo 2>/dev/null; } >/tmp/zones.sql
echo 'SHUTDOWN;' >/tmp/end.sql
mysqld "$@" --initialize-insecure --default-time-zone=SYSTEM --init-file=/tmp/zones.sql \
  && exec mysqld "$@" --mysqlx=OFF --socket=/tmp/trial.sock --pid-file=/tmp/trial.pid --init-file=/tmp/end.sql
"""


@dataclass
class Outcome:
    """What became of a container. `errors` are the server's own words, the cause first."""

    reason: str  # "up", "ended", "left_out" or "timeout"
    errors: list[str] = field(default_factory=list)
    put_back: bool = False
    removed: bool = False  # the one that was set aside


def find_errors(log: str) -> list[str]:
    """Return what the log of a server, or of its image's entrypoint, gives as errors, each once and in order.

    A server that names none, as one that is killed, has its last lines returned.
    """
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    found = []
    for line in lines:
        said = OF_THE_SERVER.match(line) or OF_AN_ENTRYPOINT.match(line)
        if said:
            found += [] if CONSEQUENCES.match(said.group(1)) else [said.group(1)]
        elif line.startswith(("mysqld: ", "docker: ")):
            found.append(line)
    return list(dict.fromkeys(found)) or lines[-SHOWN:]


def find_left_out(log: str) -> list[str]:
    """Return what the log of a server that started says of what it was asked for and goes on without."""
    found = [WITH_CODE.match(line.strip()) for line in log.splitlines()]
    return list(dict.fromkeys(one.group(2) for one in found if one and one.group(1) in LEFT_OUT))


def _state(docker: Run, container: str) -> dict[str, object] | None:
    """Return the state of a container as the engine has it, ``None`` if there is none."""
    status, out = docker(
        "container",
        "inspect",
        "--format",
        '{"state": {{json .State}}, "restarts": {{.RestartCount}}}',
        container,
    )
    if status:
        return None
    found = json.loads(out)
    return {**found["state"], "restarts": found["restarts"]}


def meant(docker: Run, image: str, uid: int, errors: Iterable[str]) -> list[str]:
    """Return the names that a server knows and that are like those which it calls unknown, as sentences."""
    unknown = [found.group(1).replace("-", "_") for found in map(UNKNOWN.search, errors) if found]
    if not unknown:
        return []
    options = ["--rm", "--network", "none", "--user", f"{uid}:{uid}", "--entrypoint", "mysqld"]
    dummy, out = docker("run", *options, image, "--no-defaults", "--verbose", "--help")
    names = [name.replace("-", "_") for name in KNOWN.findall(out)]
    sentences = []
    for name in dict.fromkeys(unknown):
        close = difflib.get_close_matches(name, names, n=1, cutoff=0.8)
        sentences += [f"Did you mean {one} in place of {name}?" for one in close]
    return sentences


def try_settings(
    docker: Run, image: str, command: list[str], uid: int, mounts: Iterable[str], memory: str | None
) -> Outcome:
    """Start a server with the settings of a store on a data directory of its own, and end it.

    One that starts without what its settings ask for is no better than one that does not start.
    """
    options = ["--rm", "--network", "none", "--user", f"{uid}:{uid}", "--entrypoint", "sh"]
    for mount in mounts:
        options += ["--volume", mount]
    if memory is not None:
        options += ["--memory", memory]
    status, out = docker("run", *options, image, "-c", TRIAL, "sh", *command)
    if status == 0:
        left_out = find_left_out(out)
        return Outcome("left_out" if left_out else "up", left_out)
    if status == KILLED:
        return Outcome("ended", [TOO_LARGE])
    errors = find_errors(out)
    return Outcome("ended", errors + meant(docker, image, uid, errors))


def has_aside(docker: Run, container: str) -> bool:
    """Return whether there is a container that another one took the place of."""
    return _state(docker, ASIDE.format(container)) is not None


def set_aside(docker: Run, container: str, seconds: int) -> None:
    """Stop a container and give it another name, so that another one can take its place. Raises OSError."""
    aside = ASIDE.format(container)
    if has_aside(docker, container):
        _do(docker, "rm", "--force", aside)  # a run was interrupted after the new one was up
    # Whatever happens to the engine now, only one of the two starts by itself.
    _do(docker, "update", "--restart", "no", container)
    _do(docker, "stop", "--time", str(seconds), container)
    _do(docker, "rename", container, aside)


def settle(
    docker: Run,
    container: str,
    restart: str,
    timeout: float,
    new_data: str | None,
    run_directory: str | None = None,
    pause: float = 0.3,
) -> Outcome:
    """Wait until the server of a new container answers. If it ends instead, have the one that was set aside again.

    ``restart`` is the restart policy of that one. ``new_data`` is a data directory that was empty before: nothing is
    left in it of a server that never came up. ``run_directory`` gets the mark of a store that was made. After
    ``timeout`` seconds nothing is decided: the server may be at work.
    """
    deadline = time.monotonic() + timeout
    while True:
        state = _state(docker, container)
        if state is None or state["restarts"] or state["Status"] in ("exited", "dead", "restarting"):
            break
        if docker("exec", container, "mysqladmin", "--protocol=tcp", "--connect-timeout=4", "ping")[0] == 0:
            removed = has_aside(docker, container)
            if removed:
                docker("rm", "--force", ASIDE.format(container))
            if run_directory is not None:
                with open(os.path.join(run_directory, MADE), "a", encoding="utf-8"):
                    pass
            return Outcome("up", removed=removed)
        if time.monotonic() > deadline:
            return Outcome("timeout")
        time.sleep(pause)
    outcome = Outcome("ended", find_errors(docker("logs", "--tail", LOGGED, container)[1]) if state else [])
    if state and state.get("OOMKilled"):
        outcome.errors = [TOO_LARGE]
    outcome.put_back = put_back(docker, container, restart)
    if not outcome.put_back and new_data is not None:
        docker("rm", "--force", container)
        for entry in os.scandir(new_data):
            # Copies of a store's data may be kept below hidden names.
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "lost+found":
                    shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
    return outcome


def put_back(docker: Run, container: str, restart: str) -> bool:
    """Have the container again that was set aside; returns whether there was one. Raises OSError."""
    aside = ASIDE.format(container)
    state = _state(docker, aside)
    if state is None:
        return False
    if _state(docker, container) is not None:
        _do(docker, "rm", "--force", container)
    _do(docker, "rename", aside, container)
    _do(docker, "update", "--restart", restart, container)
    _do(docker, "start", container)
    return True


def _do(docker: Run, *arguments: str) -> None:
    status, out = docker(*arguments)
    if status:
        raise OSError(f"docker {arguments[0]}: {out.strip()}")


def act(host: Host) -> Outcome:
    """Do what the options of the module mlflow_mysql_container ask for. Raises OSError.

    In check mode only say what would become of a container that was set aside.
    """
    command = Docker(host)
    docker = command.together
    options = host.params
    if host.check_mode:
        settles = options["action"] == "settle" and command.client is not None
        return Outcome("up", removed=settles and has_aside(docker, options["name"]))
    if options["action"] == "try":
        return try_settings(
            docker, options["image"], options["command"], options["uid"], options["mounts"], options["memory"]
        )
    if options["action"] == "set_aside":
        set_aside(docker, options["name"], options["stop_timeout"])
        return Outcome("ended")
    if options["action"] == "put_back":
        return Outcome("ended", [], put_back(docker, options["name"], options["restart_policy"]))
    return settle(
        docker,
        options["name"],
        options["restart_policy"],
        options["timeout"],
        options["new_data"],
        options["run_directory"],
    )
