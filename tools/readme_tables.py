# SPDX-License-Identifier: Apache-2.0
"""Write the tables of variables into README.md, from the roles' argument specs.

usage: readme_tables.py [--check]

With --check nothing is written, and the exit status says whether they differ.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
MARK = re.compile(r"(<!-- variables of (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def plain(text: str) -> str:
    """Return Ansible's markup as Markdown."""
    return re.sub(r"\b[VOC]\(([^)]*)\)", r"`\1`", text)


def default(option: dict[str, Any]) -> str:
    """Return an option's default as a cell."""
    value = option.get("default")
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{', '.join(map(str, value))}`" if isinstance(value, list) and value else f"`{value}`"


def table(role: str) -> str:
    """Return the table of a role's variables."""
    spec = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
    rows = ["| variable | default | what it does |", "|---|---|---|"]
    entries = spec["argument_specs"].values()
    options = {name: option for entry in entries for name, option in entry["options"].items()}
    for name, option in options.items():
        text = option["description"]
        text = " ".join(text) if isinstance(text, list) else text
        choices = (
            " One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
            if "choices" in option
            else ""
        )
        rows.append(f"| `{name}` | {default(option)} | {plain(text)}{choices} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    readme = ROOT / "README.md"
    old = readme.read_text(encoding="utf-8")
    new = MARK.sub(lambda found: found.group(1) + table(found.group(2)) + found.group(3), old)
    if "--check" in sys.argv[1:]:
        return int(old != new)
    readme.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
