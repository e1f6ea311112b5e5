# SPDX-License-Identifier: Apache-2.0
"""Run a playbook with -vvv --diff, and look for a secret in its output, in every process, and in temporary files.

usage: watch.py SECRET VARIABLES_FILE PLAYBOOK [ARGUMENT...]

The processes are all that this machine has, those of its containers too. The exit status is 0 if the playbook succeeds
and the secret was seen nowhere; what was seen is printed without it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SECRET = sys.argv[1].encode()
seen: set[str] = set()


def look(directories: list[Path]) -> None:
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        for name in ("cmdline", "environ"):
            try:
                content = (process / name).read_bytes()
            except OSError:
                continue
            # The one that was told what to look for has it in its own arguments.
            if SECRET in content and b"watch.py" not in content:
                seen.add(f"{name} of {content.split(b' ')[0][:60]!r}")
    for directory in directories:
        for file in directory.rglob("*"):
            try:
                if file.is_file() and SECRET in file.read_bytes():
                    seen.add(f"file {file}")
            except OSError:
                continue


def main() -> int:
    variables, playbook, *more = sys.argv[2:]
    with tempfile.TemporaryDirectory() as temporary:
        environment = {**os.environ, "ANSIBLE_LOCAL_TEMP": f"{temporary}/local", "TMPDIR": temporary}
        command = ["ansible-playbook", "-vvv", "--diff", "-i", os.environ["MOLECULE_INVENTORY_FILE"]]
        done = threading.Event()

        looks: list[float] = []

        def watch() -> None:
            while not done.is_set():
                look([Path(temporary)])
                looks.append(time.monotonic())
                time.sleep(0.02)

        watcher = threading.Thread(target=watch)
        watcher.start()
        result = subprocess.run(
            [*command, "-e", f"@{variables}", *more, playbook],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        done.set()
        watcher.join()
    shown = result.stdout
    for line in shown.splitlines():
        if SECRET in line:
            seen.add(f"output: {line.replace(SECRET, b'<<SECRET>>')[:300]!r}")
    print(f"{Path(playbook).name}: {len(shown)} characters of output, {len(looks)} looks at every process")
    for one in sorted(seen):
        print(f"  seen in {one}")
    if result.returncode:
        print(shown.replace(SECRET, b"<<SECRET>>").decode("utf-8", "replace")[-6000:])
    return 1 if seen or result.returncode or len(shown) < 1000 or len(looks) < 3 else 0


if __name__ == "__main__":
    sys.exit(main())
