# SPDX-License-Identifier: Apache-2.0
"""Write the tables of variables into README.md, those of the audit's controls and of settings into docs/.

usage: readme_tables.py [--check]

With --check nothing is written, and the exit status says whether they differ.
"""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "plugins" / kind) for kind in ("module_utils", "plugin_utils")]
controls_of_audit: Any = importlib.import_module("_audit.controls")
settings_of_store: Any = importlib.import_module("_store.settings")

MARK = re.compile(r"(<!-- (?:variables of|table of) (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


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


def controls() -> str:
    """Return the table of what the audit looks at."""
    rows = ["| control | what holds if it passes | stands for |", "|---|---|---|"]
    rows += [f"| `{c.id}` | {c.title} | {', '.join(c.references)} |" for c in controls_of_audit.CONTROLS]
    return "\n".join(rows) + "\n"


def not_applicable() -> str:
    """Return the table of what the audit does not look at."""
    rows = ["| control | about | why not |", "|---|---|---|"]
    rows += [
        f"| {numbers} | {title} | {reason} |" for numbers, title, reason in controls_of_audit.NOT_APPLICABLE
    ]
    return "\n".join(rows) + "\n"


def settings() -> str:
    """Return the table of the server's settings that roles rely on."""
    needed = {"": "all", "backups": "backups, groups", "group": "groups", "tls": "TLS of the role"}
    rows = ["| setting | needed by | why | what to do |", "|---|---|---|---|"]
    rows += [
        f"| {', '.join(f'`{name}`' for name in r.names)} | {needed[r.where]} | {r.why} | {r.remedy} |"
        for r in (*settings_of_store.RULES, settings_of_store.FILTERS)
    ]
    return "\n".join(rows) + "\n"


def content(name: str) -> str:
    """Return the table of a role's variables, or one of documents in docs/."""
    made = {"controls": controls, "not_applicable": not_applicable, "settings": settings}
    return made.get(name, lambda: table(name))()


def main() -> int:
    differ = False
    for path in ("README.md", "docs/audit.md", "docs/settings.md"):
        file = ROOT / path
        old = file.read_text(encoding="utf-8")
        new = MARK.sub(lambda found: found.group(1) + content(found.group(2)) + found.group(3), old)
        differ |= old != new
        if "--check" not in sys.argv[1:]:
            file.write_text(new, encoding="utf-8")
    return int(differ and "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
