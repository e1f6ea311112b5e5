# SPDX-License-Identifier: Apache-2.0
"""Run a playbook and kill it, on the controller and on the host, some time after it prints a text.

usage: killed.py HOST_CONTAINER TEXT[::FILE] SECONDS PLAYBOOK...

With FILE the seconds count from when it is there on the host, after the text. The exit status is 0 if it was killed, 1
if it ended before.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time


def family(process: int) -> list[int]:
    """A process and all that come from it. Ansible's workers have sessions of their own."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in table.splitlines()]
    found = [process]
    for one in found:
        found += [child for child, parent in pairs if parent == one]
    return found


def there(container: str, path: str) -> bool:
    return subprocess.run(["docker", "exec", container, "test", "-e", path], check=False).returncode == 0


def main() -> int:
    container, when, seconds, *playbook = sys.argv[1:]
    text, _separator, path = when.partition("::")
    command = ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], *playbook]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="")
        if text in line:
            while path and process.poll() is None and not there(container, path):
                pass
            time.sleep(float(seconds))
            for one in family(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
            # What a task leaves running on a host: the module, and the migrations that it started. One that was sent
            # already may begin a moment later.
            for _attempt in range(4):
                subprocess.run(["docker", "exec", container, "pkill", "-KILL", "python3"], check=False)
                time.sleep(0.25)
            process.wait()
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
