# SPDX-License-Identifier: Apache-2.0
"""Write each role's page, the tables of README.md and docs/, and the default versions where documentation names them.

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
from default_versions import MLFLOW, MYSQL

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".cache" / "collections"))
PLUGINS = "ansible_collections.mlflow_ops.backend_store.plugins"
controls_of_audit: Any = importlib.import_module(f"{PLUGINS}.module_utils._audit.controls")
settings_of_store: Any = importlib.import_module(f"{PLUGINS}.plugin_utils._store.settings")

ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
MARK = re.compile(r"(<!-- (?:table of )?(\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
NO_VARIABLES = "This role has no variables. The other roles depend on it."


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


def text_of(description: str | list[str]) -> list[str]:
    """Return a description's paragraphs as Markdown."""
    return [plain(part) for part in ([description] if isinstance(description, str) else description)]


def table(options: dict[str, Any]) -> str:
    """Return the table of the variables of an entry point."""
    rows = ["| variable | type | default | what it does |", "|---|---|---|---|"]
    for name, option in options.items():
        text = " ".join(text_of(option["description"]))
        if "choices" in option:
            text += " One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
        kind = f"list of {option['elements']}" if "elements" in option else option["type"]
        rows.append(f"| `{name}` | {kind} | {default(option)} | {text} |")
    return "\n".join(rows) + "\n"


def description_of(role: str) -> str:
    """Return what a role is, in one line."""
    meta = yaml.safe_load((ROOT / "roles" / role / "meta/main.yml").read_text(encoding="utf-8"))
    return str(meta["galaxy_info"]["description"])


def page(role: str, made: dict[str, str]) -> str:
    """Return the page of a role: what each entry point does, and its variables. ``made`` may have what specifies it."""
    lines = ["<!-- Made by `make generated` from meta/argument_specs.yml. -->", f"# Role {role}", ""]
    path = f"roles/{role}/meta/argument_specs.yml"
    if not (ROOT / path).exists():
        return "\n".join([*lines, f"{description_of(role)}.", "", NO_VARIABLES]) + "\n"
    shown: dict[str, Any] = {}
    for name, entry in yaml.safe_load(made.get(path) or (ROOT / path).read_text("utf-8"))[
        "argument_specs"
    ].items():
        if name != "main":
            lines += [f"## Entry point {name}", ""]
        lines += [
            f"{entry['short_description']}.",
            "",
            *(f"- {part}" for part in text_of(entry["description"])),
            "",
        ]
        own = {key: option for key, option in entry["options"].items() if key not in shown}
        if own:
            lines += [table(own)]
        if len(own) < len(entry["options"]):
            lines += [
                "It takes the variables of the entry points above too, as `ansible-doc -t role` lists them.",
                "",
            ]
        shown.update(entry["options"])
    return "\n".join(lines).rstrip("\n") + "\n"


def roles() -> str:
    """Return the table of the roles."""
    rows = [f"| [{name}](roles/{name}/README.md) | {description_of(name)} |" for name in ROLES]
    return "\n".join(["| role | what it is |", "|---|---|", *rows]) + "\n"


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


# Where documentation and pins name the default versions, which the defaults of the roles set. What stands before the
# version tells where it stands.
VERSIONS = (
    ("README.md", r"pip install mlflow==", MLFLOW),
    ("README.md", r"the default is ", MLFLOW),
    ("README.md", r"\| MySQL \| ", MYSQL),
    ("db-backend-store/README.md", r"The base image is `mysql:", MYSQL),
    ("requirements-dev.txt", r"^mlflow==", MLFLOW),
    ("roles/mlflow_mysql/meta/argument_specs.yml", r"  default: mysql:", MYSQL),
    (
        "roles/mlflow_schema/meta/argument_specs.yml",
        r"mlflow_version: &mlflow_version\n.*\n +default: \"",
        MLFLOW,
    ),
    ("roles/mlflow_schema/meta/argument_specs.yml", r"  default: /srv/mlflow-mysql/mlflow/", MLFLOW),
    ("roles/mysql_base_image/meta/argument_specs.yml", r"version:\n.*\n +default: \"", MYSQL),
)


def set_versions(made: dict[str, str]) -> None:
    """Put the default versions into the files of ``made``, and into others."""
    for path, before, version in VERSIONS:
        old = made.get(path) or (ROOT / path).read_text(encoding="utf-8")
        made[path], count = re.subn(rf"({before})[0-9.]+[0-9]", rf"\g<1>{version}", old, flags=re.MULTILINE)
        assert count, (path, before)


TABLES = {"controls": controls, "not_applicable": not_applicable, "settings": settings, "roles": roles}


def main() -> int:
    made: dict[str, str] = {}
    set_versions(made)
    made.update({f"roles/{role}/README.md": page(role, made) for role in ROLES})
    for path in ("README.md", "docs/audit.md", "docs/settings.md"):
        old = made.get(path) or (ROOT / path).read_text(encoding="utf-8")
        made[path] = MARK.sub(lambda found: found.group(1) + TABLES[found.group(2)]() + found.group(3), old)
    differ = [
        path for path in made if not (ROOT / path).exists() or (ROOT / path).read_text("utf-8") != made[path]
    ]
    if "--check" in sys.argv[1:]:
        print("\n".join(f"{path} is not what `make generated` makes" for path in differ), file=sys.stderr)
        return int(bool(differ))
    for path in differ:
        (ROOT / path).write_text(made[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
