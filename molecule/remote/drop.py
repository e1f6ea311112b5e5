# SPDX-License-Identifier: Apache-2.0
"""Run a command; when it prints a text, cut a host's SSH connections and refuse new ones until the command ends.

usage: drop.py HOST TEXT COMMAND [ARGUMENT...]

Without a HOST nothing is cut. The exit status is that of the command.
"""

from __future__ import annotations

import subprocess
import sys


def main() -> int:
    host, text, *command = sys.argv[1:]

    def on_host(script: str) -> None:
        subprocess.run(["docker", "exec", f"molecule-remote-{host}", "sh", "-c", script], check=True)

    dropped = False
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="")
        if host and not dropped and text in line:
            # Nothing is connected where nothing was done for a minute.
            dropped = True
            on_host("iptables -I INPUT -p tcp --dport 22 -j REJECT; pkill -KILL -f '[s]shd: ops' || true")
    status = process.wait()
    if dropped:
        on_host("iptables -D INPUT -p tcp --dport 22 -j REJECT")
    return status


if __name__ == "__main__":
    sys.exit(main())
