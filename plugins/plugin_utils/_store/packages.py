# SPDX-License-Identifier: GPL-3.0-or-later
"""What pip says of a package that it cannot install, in one line. Private to this collection."""

from __future__ import annotations

import re
from typing import Sequence

LONGEST = 400
NOT_FOUND = re.compile(
    r"Could not find a version that satisfies the requirement (?P<wanted>\S+?)(?:[ ;][^(]*)?"
    r" \(from (?:\S+ )?versions: (?P<versions>[^)]*)\)"
)
OTHER_PYTHON = re.compile(r"Ignored the following versions that require a different python version: (.*)")


def order(version: str) -> tuple[tuple[int, ...], int, str]:
    """What versions are sorted by: a release comes after its candidates."""
    release = re.match(r"\d+(?:\.\d+)*", version)
    numbers = tuple(int(part) for part in release.group().split(".")) if release else ()
    rest = version[release.end() :] if release else version
    return numbers, 0 if re.match(r"\.?(?:a|b|rc|dev)", rest) else 1, rest


def nearest(wanted: str, versions: Sequence[str], count: int = 3) -> list[str]:
    """Of `versions` those that are nearest to `wanted`, oldest first: the last before it, and the first after it."""
    finals = [version for version in versions if order(version)[1]] or list(versions)
    ordered = sorted(set(finals), key=order)
    before = [version for version in ordered if order(version) < order(wanted)]
    after = [version for version in ordered if order(version) > order(wanted)]
    few = after[: max(1, count - len(before))]
    return before[len(before) - (count - len(few)) if len(before) > count - len(few) else 0 :] + few


def problem(said: str) -> str:
    """Why pip, which wrote `said` on standard error, could not install something: one line, without a full stop."""
    found = NOT_FOUND.search(said)
    if found:
        name, dummy, version = found.group("wanted").partition("==")
        what = f"{name} {version}".strip()
        other = OTHER_PYTHON.search(said)
        for one in other.group(1).split(";") if other else ():
            number, dummy, python = one.strip().partition(" Requires-Python ")
            if number == version:
                return f"{what} needs another Python ({python.strip()}): set mlflow_schema_python to one"
        versions = [one.strip() for one in found.group("versions").split(",")]
        versions = [one for one in versions if one and one != "none"]
        if not versions:
            return f"the package index has no {name}, or the host does not reach it"
        near = nearest(version, versions)
        return f"the package index has no {what}; the nearest of its {len(versions)} versions are {', '.join(near)}"
    lines = [line[len("ERROR: ") :] for line in said.splitlines() if line.startswith("ERROR: ")]
    text = " ".join(" ".join(lines or said.split()).split())
    return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " ..."
