# SPDX-License-Identifier: GPL-3.0-or-later
"""A run is one line a step, a failure is text and is printed once, and nothing is silent for long."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from importlib.metadata import metadata, version
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report import output as report_output

ROOT = Path(__file__).resolve().parents[4]
URI = "mysql+pymysql://mlflowusr:%2F" + "x" * 100 + "@127.0.0.1:3306/mlflow?ssl_check_hostname=true&a=b"


STEPS = "mlflow_ops.backend_store.steps"


def run(
    tasks: list[dict[str, Any]],
    directory: Path,
    *words: str,
    hosts: str = "a,",
    callback: str = STEPS,
    **more: Any,
) -> str:
    """What ansible-playbook prints for these tasks."""
    playbook, configuration = directory / "play.yml", directory / "empty.cfg"
    configuration.touch()
    play = {"name": "A play", "hosts": "all", "gather_facts": False, "tasks": tasks, **more}
    playbook.write_text(yaml.safe_dump([play]), encoding="utf-8")
    done = subprocess.run(
        [
            "ansible-playbook",
            "-i",
            hosts,
            "-c",
            "local",
            "-e",
            f"ansible_python_interpreter={sys.executable}",
            *words,
            str(playbook),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("ANSIBLE_", "MLFLOW_OPS"))
            },
            "ANSIBLE_CONFIG": str(configuration),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache/collections"),
            "ANSIBLE_STDOUT_CALLBACK": callback,
            "MLFLOW_OPS_STEPS_INTERVAL": "1",
        },
    )
    assert callback != STEPS or "ERROR" not in done.stderr, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


def lines(output: str, word: str) -> list[str]:
    return [line for line in output.splitlines() if word in line]


def test_the_failure_of_a_module_that_another_one_ran() -> None:
    """What gathers facts says in its own message only that modules failed."""
    result = {
        "msg": "The following modules failed to execute: ansible.legacy.setup.",
        "failed_modules": {
            "ansible.legacy.setup": {
                "msg": "MODULE FAILURE: No start of json char found",
                "module_stderr": "Traceback (most recent call last):\n  ...\nOSError: [Errno 28] No space left\n",
            }
        },
    }
    assert report_output.failure(result).splitlines() == [
        "The following modules failed to execute: ansible.legacy.setup.",
        "ansible.legacy.setup: MODULE FAILURE: No start of json char found OSError: [Errno 28] No space left",
    ]


def test_a_run(tmp_path: Path) -> None:
    output = run(
        [
            {"name": "Only look", "stat": {"path": "/"}},
            {"name": "Skip this", "command": "false", "when": False},
            {"name": "Take a while", "command": "sleep 3", "changed_when": False},
            {"name": "Report", "debug": {"msg": ["A table:", "", "  'a'   \"b\"   $c"]}},
            {"name": "Block of text", "debug": {"msg": "first line\nsecond line\n"}},
            {"name": "Print the URI", "debug": {"msg": URI}},
            {"name": "A structure", "debug": {"msg": {"counts": {"pass": 3}}}},
            {
                "name": "Secret",
                "command": "echo {{ item }}",
                "loop": ["canary-1"],
                "no_log": True,
                "notify": "Handle",
            },
            {"name": "Fail and go on", "command": "sh -c 'echo why >&2; exit 3'", "ignore_errors": True},
            {
                "name": "Attempt",
                "block": [{"name": "Fail inside", "fail": {"msg": f"the inner reason{' x' * 300} END"}}],
                "rescue": [{"name": "Repair", "command": "true"}],
            },
            {
                "name": "Fail in secret",
                "command": "sh -c 'echo canary-2; exit 1'",
                "no_log": True,
                "ignore_errors": True,
            },
            {
                "name": "Fail for one",
                "command": "test {{ item }} != 2",
                "loop": [1, 2],
                "ignore_errors": True,
            },
            {"meta": "flush_handlers"},
            {"name": "The end", "assert": {"that": False, "fail_msg": "Blocker: 'x'.\nRemedy: \"y\"."}},
        ],
        tmp_path,
        handlers=[{"name": "Handle", "command": "true"}],
    )
    assert re.search(r"^  still: Take a while \(\d s\)$", output, re.MULTILINE)
    output = "".join(line for line in output.splitlines(keepends=True) if "  still: " not in line)
    assert "Skip this" not in output and "Only look" not in output and "skipping" not in output
    assert "canary" not in output
    # One line a step, with its time.
    for status, name in (
        ("ok", "Take a while"),
        ("changed", "Secret"),
        ("changed", "Handle"),
        ("changed", "Repair"),
        ("ignored", "Fail and go on"),
        ("rescued", "Fail inside"),
        ("ignored", "Fail for one"),
        ("FAILED", "The end"),
    ):
        (line,) = lines(output, name)
        assert re.match(rf"  {status} +{name} +\d+(\.\d)? s$", line), line
    # Reports are as they are, and what has no spaces is whole.
    assert "\nA table:\n\n  'a'   \"b\"   $c\n" in output and "\nfirst line\nsecond line\n" in output
    assert URI in output and '"pass": 3' in output
    # Failures are text, and said once; of what follows something else, the beginning.
    assert "                Blocker: 'x'.\n                Remedy: \"y\".\n" in output
    assert (
        len(lines(output, "Remedy:"))
        == len(lines(output, "why"))
        == len(lines(output, "the inner reason"))
        == 1
    )
    assert "END" not in output and "fatal" not in output and "assertion" not in output
    assert (
        len(lines(output, "2: It ended with return code 1.") or lines(output, "2: The command exited")) == 1
    )
    assert "a: 6 changed, " in output.splitlines()[-2] and "1 failed, 1 rescued" in output.splitlines()[-2]
    assert output.endswith("All of the output: ANSIBLE_STDOUT_CALLBACK=default.\n")


def test_several_hosts_share_a_line_and_check_mode_predicts(tmp_path: Path) -> None:
    tasks = [
        {
            "name": "Write",
            "copy": {"content": "new\n", "dest": f"{tmp_path}/{{{{ inventory_hostname }}}}", "mode": "0600"},
        },
        {"name": "Would be made", "debug": {"msg": "It would be made."}, "changed_when": True},
        {"name": "Report", "debug": {"msg": ["one", "two"]}, "run_once": True},
        {"name": "Refuse", "fail": {"msg": "No."}, "when": "inventory_hostname == 'b'"},
    ]
    output = run(tasks, tmp_path, "--check", "--diff", hosts="a,b,c,")
    assert "A play (a prediction: nothing is changed)\n" in output
    written = [line for line in lines(output, "Write") if "would change" in line]
    assert sorted(word for line in written for word in line.split("s   ", 1)[1].split(", ")) == [
        "a",
        "b",
        "c",
    ]
    assert len(lines(output, "+new")) == 3 and not (tmp_path / "a").exists()
    assert "  would change  [a] It would be made.\n" in output
    assert "[a]\none\ntwo\n" in output
    assert re.search(r"^  FAILED +Refuse .* b$", output, re.MULTILINE) and len(lines(output, "No.")) == 1
    assert "\nc: 2 would change, " in output


def test_a_host_that_is_not_reached(tmp_path: Path) -> None:
    task = {
        "name": "Ask",
        "command": "true",
        "vars": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9},
    }
    output = run([task], tmp_path)
    assert re.search(r"^  UNREACHABLE +Ask +a$", output, re.MULTILINE)
    assert len(lines(output, "refused")) == 1 and "cannot be reached over SSH" in " ".join(output.split())
    assert "a: 0 changed, 0 unchanged, 1 unreachable" in output


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (127, "2 min 07 s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert report_output.duration(seconds) == text


@pytest.mark.parametrize(
    "said, helps",
    [
        (
            "Premature end of stream waiting for become success.\n/bin/sh: 1: sudo: not found",
            "apt-get install sudo",
        ),
        ("Missing sudo password", "--ask-become-pass"),
        (
            "Premature end of stream waiting for become success.\nsudo: a password is required",
            "--ask-become-pass",
        ),
        (
            "Premature end of stream waiting for become success.\nadmin is not in the sudoers file.",
            "may not use sudo",
        ),
        ("admin is not in the sudoers file.", "may not use sudo"),
        ("Module result deserialization failed: No start of json char found", "/usr/bin/python3"),
        ("Failed to connect to the host via ssh: Permission denied (publickey).", "over SSH"),
        ("The data directory was written by MySQL 9.7.0.", ""),
    ],
)
def test_what_ansible_says_itself_comes_with_what_helps(said: str, helps: str) -> None:
    text = report_output.failure({"msg": said, "rc": 1})
    assert text.startswith(said) and (helps in text.removeprefix(said)) and (bool(helps) == (text != said))


def test_failures_are_not_empty_and_not_endless() -> None:
    assert report_output.failure({}) == "It failed without a message."
    assert report_output.failure({"msg": {"a": 1}}) == "{'a': 1}"
    text = report_output.failure(
        {"msg": "non-zero return code", "rc": 4, "stderr": "\n".join(map(str, range(50)))}
    )
    assert text.startswith("It ended with return code 4.\n... (30 lines before)\n30\n") and text.endswith(
        "\n49"
    )
    assert report_output.failure({"censored": "hidden", "msg": "canary", "stderr": "canary"}) == "hidden"
    # What the message has is not said again.
    assert report_output.failure({"msg": "it said: no", "stderr": "no\n"}) == "it said: no"


def make(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_make_says_what_it_needs_at_once(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    # As an old one does it: it says which it is, and to the question whether it is new enough no.
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.10.12\n[ "$1" = -V ]\n')
    old.chmod(0o755)
    for python, found in ((str(old), "Python 3.10.12"), (str(tmp_path / "none"), "not there")):
        done = make("-W", "requirements.txt", ".venv/run", f"PYTHON={python}")
        assert done.returncode and f"Python 3.11 or newer is needed, and {python} is {found}" in done.stderr
        assert "PYTHON=python3.12" in done.stderr and "Installing" not in done.stderr
    for target in ("deploy", "uri", "check", "remove"):
        done = make("-o", ".venv/run", target, "NO_ROOT=yes", "INVENTORY=inventories/local/hosts.yml")
        assert done.returncode and "there is no sudo: run it as root, or install sudo" in done.stderr


def test_make_asks_for_the_python_that_its_requirements_need() -> None:
    oldest = re.search(r"^OLDEST := (\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    core = re.search(
        r"^ansible-core==(\S+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    if "ANSIBLE_CORE" in os.environ:
        pytest.skip("`make supported` has another ansible-core")
    assert oldest and core and version("ansible-core") == core.group(1)
    assert metadata("ansible-core")["Requires-Python"] == f">={oldest.group(1)}"


def test_make_has_all_of_the_output_on_request() -> None:
    for words, callback in (
        ((), "mlflow_ops.backend_store.steps"),
        (("V=0",), "mlflow_ops.backend_store.steps"),
        (("V=1",), "default"),
    ):
        done = make("-n", "-o", ".venv/run", "check", *words, ANSIBLE_STDOUT_CALLBACK="")
        assert f"ANSIBLE_STDOUT_CALLBACK={callback} ansible-playbook" in done.stdout
    assert "STDOUT_CALLBACK=default" not in make("-n", "-o", ".venv/run", "uri", "V=1").stdout
    assert "CALLBACK=json " in make("-n", "-o", ".venv/run", "check", ANSIBLE_STDOUT_CALLBACK="json").stdout


@pytest.mark.parametrize("hosts", ["a,", "a,a-rather-long-name.example.org,"])
def test_make_prints_uris_and_nothing_else(tmp_path: Path, hosts: str) -> None:
    """Whatever a URI holds, for one host and for several; why there is none goes to standard error."""
    play = {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [{"name": "Print", "debug": {"msg": "{{ uri }}"}}],
    }
    play["vars"] = {"uri": URI, "ansible_connection": "local"}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    fake = tmp_path / "ansible-playbook"
    real = shutil.which("ansible-playbook")
    fake.write_text(f"#!/bin/sh\nexec {real} -i {hosts} {tmp_path}/play.yml $FAIL\n")
    fake.chmod(0o755)
    words = ("-s", "-o", ".venv/run", "uri", f"PATH={tmp_path}:{os.environ['PATH']}", "INVENTORY=x")
    done = make(*words, FAIL="")
    assert done.stdout.splitlines() == [URI] * hosts.count(","), done.stderr
    failed = make(*words, FAIL="-e uri={{nothing}}")
    assert failed.returncode and failed.stdout == "" and "nothing" in failed.stderr


def test_what_is_silent_gets_a_sign_of_life() -> None:
    began = time.monotonic()
    done = subprocess.run(
        [ROOT / "tools/alive.sh", "it works", "bash", "-c", "sleep 11; exit 3"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "  still: it works (10 s)\n")
    # It ends with the command.
    assert time.monotonic() - began < 18


@pytest.mark.parametrize(
    ("result", "problem"),
    [
        (
            {"rc": 1, "msg": "non-zero return code", "stdout": '{"problem": "no room"}', "stderr": "x"},
            "no room",
        ),
        # What follows the JSON of a swap that was done before it was killed.
        ({"rc": 1, "stdout": 'said\n{"problem": "no room"}\n', "msg": "non-zero return code"}, "no room"),
        (
            {"rc": -9, "msg": "non-zero return code", "stdout": "", "stderr": ""},
            "it was killed from outside by SIGKILL, as ",
        ),
        (
            {"rc": 137, "msg": "non-zero return code", "stderr": "Unpacking\n"},
            "(dmesg says so); the last that it said: Unpacking",
        ),
        ({"rc": -15, "msg": "non-zero return code", "stderr": ""}, "it was killed from outside by SIGTERM"),
        (
            {
                "rc": 143,
                "msg": "non-zero return code",
                "stderr": "mlflow-mysql-backup: interrupted by SIGTERM\n",
            },
            "mlflow-mysql-backup: interrupted by SIGTERM",
        ),
        (
            {"rc": 2, "msg": "[Errno 2] No such file or directory: '/x'", "stderr": ""},
            "No such file or directory",
        ),
        (
            {"rc": 1, "msg": "non-zero return code", "stderr": "docker: no such container"},
            "no such container",
        ),
        ({"rc": 3, "msg": "non-zero return code", "stderr": ""}, "return code 3 and gave no reason"),
        ({"msg": "The schema is at revision a, not b."}, "The schema is at revision a, not b."),
        ({"msg": "MODULE FAILURE: see stdout", "rc": 137, "module_stderr": ""}, "SIGKILL"),
        (
            {
                "msg": "One or more items failed",
                "results": [{"failed": True, "msg": "this"}, {"failed": False}],
            },
            "this",
        ),
        ({}, "gave no reason"),
    ],
)
def test_why_a_program_failed(result: dict[str, Any], problem: str) -> None:
    """Nobody is told `non-zero return code`."""
    said = report_output.program_problem({"failed": True, **result})
    assert problem in said and "non-zero" not in said


@pytest.mark.parametrize("module", ["mlflow_mysql_host_info", "mlflow_mysql_plan"])
@pytest.mark.parametrize(
    "variables, says",
    [
        ({"ansible_become_exe": "/nowhere/sudo"}, "there sudo is missing or does not work. Install it"),
        (
            {"ansible_become": False, "ansible_python_interpreter": "/nowhere/python3"},
            "Set ansible_python_interpreter",
        ),
    ],
)
def test_what_keeps_a_host_from_running_anything_is_named_without_the_callback(
    tmp_path: Path, variables: dict[str, Any], says: str, module: str
) -> None:
    """The first task of a play that needs the host says it itself."""
    words = ("-e", json.dumps({"ansible_become_user": "nobody", **variables}))
    defaults = yaml.safe_load((ROOT / "roles/mlflow_mysql/defaults/main.yml").read_text(encoding="utf-8"))
    tasks = [{"name": "Look", f"mlflow_ops.backend_store.{module}": {}, "vars": defaults}]
    said = run(tasks, tmp_path, *words, callback="default", become=True)
    assert "fatal: [a]: FAILED!" in said and says in said and "Ansible said: " in said
