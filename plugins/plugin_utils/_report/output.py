# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run's output says, as text. Private to this collection: it may change without notice.

No Ansible in it: the callback plugin `steps` prints what these functions make.
"""

from __future__ import annotations

import json
import re
import signal
import textwrap
from typing import Any, Mapping, Sequence

# Modules that only look, decide or check: without a change they are no step of their own.
HELPERS = frozenset(
    (
        *("add_host", "assert", "debug", "fail", "find", "group_by", "import_playbook", "import_role"),
        *("import_tasks", "include_role", "include_tasks", "include_vars", "meta", "set_fact", "set_stats"),
        *("slurp", "stat", "tempfile", "validate_argument_spec"),
    )
)
# A helper that takes as long as this many seconds is shown.
LONG = 10.0
# Of what a failed command printed, the end.
LAST = 20

# What Ansible says itself where a host is not as it needs it, and what helps.
HINTS: tuple[tuple[str, str], ...] = (
    (
        r"[Mm]issing sudo password|sudo: a password is required|[Ii]ncorrect sudo password"
        r"|Timeout \(\d+s\) waiting for privilege escalation prompt",
        "sudo wants a password on the host: give --ask-become-pass, or ansible_become_password from a vault.",
    ),
    (
        r"is not in the sudoers file|may not run sudo|Sorry, user .* is not allowed to execute",
        "The user that logs in may not use sudo on the host: allow it there, or log in as another (ansible_user).",
    ),
    (
        r"sudo: (?:\S+ )?not found|Premature end of stream waiting for become|sudo: command not found",
        "This needs root on the host, and there sudo is missing or does not work. Install it (apt-get install "
        "sudo), or log in as root: ansible_user=root and ansible_become=false.",
    ),
    (
        r"Module result deserialization failed|failed to execute correctly, you probably need to set the interpreter"
        r"|MODULE FAILURE.*(?:command not found|No such file or directory)|python\S*: (?:command )?not found",
        "The Python that was chosen on the host does not run Ansible's modules. Set ansible_python_interpreter to the "
        "system's, which sees the distribution's packages: /usr/bin/python3 (apt-get install python3).",
    ),
    (
        r"Permission denied \(publickey|Host key verification failed|Could not resolve hostname|Connection refused"
        r"|Connection timed out|No route to host",
        "The host cannot be reached over SSH: check ansible_host, ansible_user, the key and known_hosts with "
        "`ansible -m ping HOST`.",
    ),
)


def hint(text: str) -> str:
    """What helps against a failure of Ansible's own whose message is `text`, or nothing."""
    for pattern, advice in HINTS:
        if re.search(pattern, text, re.DOTALL):
            return advice
    return ""


def duration(seconds: float, whole: bool = False) -> str:
    """`seconds` for people: `0.4 s`, `41 s`, `2 min 07 s`. With `whole` no part of one."""
    if seconds < 9.95 and not whole:
        return f"{seconds:.1f} s"
    rounded = round(seconds)
    if rounded < 60:
        return f"{rounded} s"
    return f"{rounded // 60} min {rounded % 60:02} s"


def is_helper(action: str) -> bool:
    """Whether the module `action`, with its collection or without, is no step of its own."""
    return action.rsplit(".", maxsplit=1)[-1] in HELPERS


def wrapped(text: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    """The lines of `text`, each broken at spaces to `width`; `first` stands before the first, `rest` before the others.

    What has no spaces, such as a URI or a path, is never broken.
    """
    after = first if rest is None else rest
    lines: list[str] = []
    for line in text.splitlines() or [""]:
        before = after if lines else first
        inner = re.match(r" *", line)
        indent = inner.group() if inner else ""
        lines += textwrap.wrap(
            line.strip(),
            width,
            initial_indent=before + indent,
            subsequent_indent=after + indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [before.rstrip()]
    return lines


def message(value: Any) -> str:
    """What a result's `msg` says: a text, or lines. Anything else is not a message, and gives nothing."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
        return "\n".join(value).strip("\n")
    return ""


def report(value: Any) -> list[str] | None:
    """The lines of a `msg` that is a report of several lines, as they are. None for a message of one line."""
    if isinstance(value, (list, tuple)) and len(value) != 1:
        return [str(one) for one in value] if all(isinstance(one, str) for one in value) else None
    if isinstance(value, str) and "\n" in value.strip():
        return value.strip("\n").splitlines()
    return None


def failure(result: Mapping[str, Any]) -> str:
    """Why a task failed, as text: its message, and the end of what it printed. Not more than the result shows."""
    if result.get("censored"):
        return str(result["censored"])
    said = message(result.get("msg"))
    if not said and result.get("msg"):
        said = str(result["msg"])
    if said == "non-zero return code":
        said = f"It ended with return code {result.get('rc')}."
    parts = [said] if said else []
    # What gathers facts runs several modules, and says in its own message only which of them failed.
    modules = result.get("failed_modules")
    for name, one in modules.items() if isinstance(modules, Mapping) else ():
        if isinstance(one, Mapping):
            parts.append(f"{name}: {of_module(one)}")
    for names in (("stderr", "stdout"), ("module_stderr", "module_stdout")):
        for name in names:
            text = str(result.get(name) or "").strip()
            if text:
                if text not in said:
                    parts.append(tail(text))
                break
    advice = hint("\n".join(parts))
    return "\n".join([*(parts or ["It failed without a message."]), *([advice] if advice else [])])


def of_module(result: Mapping[str, Any]) -> str:
    """Why a module failed that another one ran: its message, and the last line of what it printed."""
    printed = ""
    for name in ("module_stderr", "stderr", "exception", "module_stdout"):
        printed = printed or str(result.get(name) or "").strip()
    last = printed.splitlines()[-1].strip() if printed else ""
    said = message(result.get("msg"))
    return (
        " ".join([*([said] if said else []), *([last] if last and last not in said else [])])
        or "it gave no reason"
    )


def said_by_program(text: str) -> str:
    """What a program of the collection's gives as its problem, in the JSON that it printed; or nothing."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            return str(found.get("problem") or "")
    return ""


def killed_by(code: Any) -> str:
    """How a program was killed that ended with a return code, as text; nothing if it ended by itself."""
    number = -code if isinstance(code, int) and code < 0 else code - 128 if isinstance(code, int) else 0
    try:
        name = signal.Signals(number).name
    except ValueError:
        return ""
    more = ", as the kernel does where memory is short (dmesg says so)" if name == "SIGKILL" else ""
    return f"it was killed from outside by {name}{more}"


def program_problem(result: Mapping[str, Any]) -> str:
    """Why a task failed that runs a program of the collection's, or any other, in one text without Ansible's own words.

    Of a loop it is the last that failed. One that was killed may have printed what it was at, which is no reason.
    """
    for one in reversed(result.get("results") or []):
        if isinstance(one, Mapping) and one.get("failed"):
            return program_problem(one)
    found = said_by_program(str(result.get("stdout") or ""))
    if found:
        return found
    text = message(result.get("msg"))
    if text and text != "non-zero return code" and not text.startswith("MODULE FAILURE"):
        return text
    said = str(result.get("stderr") or result.get("module_stderr") or "").strip()
    killed = killed_by(result.get("rc"))
    if killed and "interrupted by" not in said:
        return f"{killed}; the last that it said: {said.splitlines()[-1]}" if said else killed
    return said or f"it ended with return code {result.get('rc')} and gave no reason"


def tail(text: str) -> str:
    lines = text.splitlines()
    if len(lines) <= LAST:
        return text
    return "\n".join([f"... ({len(lines) - LAST} lines before)", *lines[-LAST:]])


# As wide as the longest status, "would change".
INDENT = " " * 16


def start(status: str) -> str:
    """What a line of a step begins with."""
    return f"  {status:<14}"


def row(status: str, name: str, seconds: float | None, hosts: Sequence[str] = ()) -> str:
    """One step: what became of it, its name, its time, and its hosts where there are several."""
    time = "" if seconds is None else duration(seconds)
    line = f"{start(status)}{name}"
    if time:
        line = f"{line:<69} {time:>10}"
    return f"{line}   {', '.join(hosts)}".rstrip() if hosts else line


def recap(host: str, counts: Mapping[str, int], predicted: bool = False) -> str:
    """How a host came out, from Ansible's own counts of it."""
    parts = [
        f"{counts['changed']} {'would change' if predicted else 'changed'}",
        f"{counts['ok'] - counts['changed']} unchanged",
    ]
    for name, word in (("failures", "failed"), ("unreachable", "unreachable"), ("rescued", "rescued")):
        if counts.get(name):
            parts.append(f"{counts[name]} {word}")
    if counts.get("ignored"):
        parts.append(f"{counts['ignored']} failed and ignored")
    return f"{host}: {', '.join(parts)}"
