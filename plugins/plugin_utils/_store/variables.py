# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of users: which of them this collection does not know, and which have a value of another type.

What is known is what the roles' ``meta/argument_specs.yml`` specify and what playbooks take besides. Private to this
collection, and for the controller only.
"""

from __future__ import annotations

import difflib
import fnmatch
import json
import math
import re
from typing import Any, Iterable, Mapping, Sequence

# Each role's variables begin with one of these.
PREFIXES = (
    *(
        "mlflow_mysql_",
        "mlflow_schema_",
        "mlflow_backup_",
        "mlflow_replication_",
        "mlflow_proxy_",
        "mlflow_venv_",
    ),
    *("docker_engine_", "mysql_base_image_"),
)
# What roles were called, and how their variables began, before they had names of their own.
RENAMED = {
    "mlflow_mysql_backup_off_host_": "mlflow_backup_offsite_",
    "mlflow_mysql_backup_": "mlflow_backup_",
    "mlflow_mysql_group_": "mlflow_replication_",
    "mlflow_mysql_route_": "mlflow_proxy_",
}
# What playbooks take that no role specifies.
OF_PLAYBOOKS = ("mlflow_mysql_serial",)
# What roles find out, for other roles and for the playbooks; CONTRIBUTING.md says what each is.
FACTS = (
    *("mlflow_mysql_store", "mlflow_mysql_accounts", "mlflow_mysql_container", "mlflow_mysql_container_due"),
    *(
        "mlflow_mysql_given_passwords",
        "mlflow_mysql_login",
        "mlflow_mysql_rotation_use",
        "mlflow_mysql_verified",
    ),
    *("mlflow_schema_result", "mlflow_schema_work", "mlflow_schema_upgrade_result", "mlflow_venv_result"),
    *("mlflow_backup_full", "mlflow_backup_program", "mlflow_backup_restorable", "mlflow_backup_swapped"),
    *(
        "mlflow_backup_unread",
        "mlflow_replication_failure",
        "mlflow_replication_primary",
        "mlflow_replication_rejoins",
        "mlflow_replication_rotated",
        "mlflow_schema_auth_state",
    ),
)
# What one role, or a playbook, tells a role: with the variable by which users choose it, if they do.
TOLD: Mapping[str, str | None] = {
    **dict.fromkeys(("mlflow_mysql_by_group", "mlflow_mysql_restores", "mysql_base_image_file")),
    "mlflow_mysql_inspected_schemas": None,
    **dict.fromkeys(("mlflow_mysql_rotation_part", "mlflow_mysql_rotation_state")),
    "mlflow_mysql_rotation_only": "mlflow_mysql_rotation_phase",
    **dict.fromkeys(("mlflow_schema_converts", "mlflow_schema_plan_only")),
    **dict.fromkeys(("mlflow_backup_full_options", "mlflow_backup_goes_on")),
    **dict.fromkeys(("mlflow_backup_only", "mlflow_backup_redeploy", "mlflow_backup_restore_options")),
    "mlflow_replication_recover": None,
    "mlflow_venv_version": "mlflow_schema_mlflow_version",
    "mlflow_venv_requirements": "mlflow_schema_requirements",
    "mlflow_venv_directory": "mlflow_schema_virtualenv",
    "mlflow_venv_python": "mlflow_schema_python",
    "mlflow_venv_optional": None,
}
# What playbooks take without a prefix: a name that is nearly one of these is an error on the command line only.
SHORT = ("to", "before", "member", "recover_from")
# What people write instead.
MEANT = {
    **{name: "to" for name in ("at", "t0", "till", "time", "timestamp", "until", "up_to", "when", "upto")},
    **{name: "before" for name in ("prior", "statement", "query", "gtid")},
    **{name: "member" for name in ("host", "node", "server")},
}
# What chooses a part of what is there: an empty value would choose all of it.
CHOOSING = (
    *SHORT,
    *("mlflow_backup_to", "mlflow_backup_before", "mlflow_backup_name"),
    *("mlflow_replication_member", "mlflow_replication_recover_from", "mlflow_replication_to"),
)
# Another beginning that is nearly a prefix (`mlflow_msql_port`): so alike are names of which one character is missing.
# So is a name without one of its parts (`mlflow_port`, `mlflow_schema_version`), which is as likely one of the user's
# own: `mlflow_mysql_ignored_variables` says so.
ALIKE = 0.92
SHORT_ALIKE = 0.75
# Their values are never shown.
SECRET = re.compile(r"_(password|passphrase|identity|config|environment|target)$")
# On the command line the role takes them as a text with commas.
TEXT_LISTS = ("mlflow_schema_extra_indexes",)
# What the filter `bool` knows.
BOOLEANS = ("true", "false", "yes", "no", "on", "off", "1", "0")
WANTED = {
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a dictionary",
    "str": "a string",
    "path": "a path",
}
SHOWN = 60  # characters of a value
# Networks of Docker's own: `host` has the server listen on every address of the host, `none` on none of them, and in
# `bridge` (which is `default`) all containers of the host reach it.
OWN_NETWORKS = ("host", "bridge", "none", "default", "ingress")
_PART = "[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
# What a value must be where one that is not fails late, or makes something else: a pattern, and what to give.
SHAPES = {
    "mlflow_mysql_container_name": (
        r"[A-Za-z0-9][A-Za-z0-9_.-]{1,127}",
        "a name that Docker takes, of 2 to 128 letters, digits, '_', '.' and '-' that begins with a letter or a digit",
    ),
    "mlflow_mysql_network": (
        rf"(?!(?i:{'|'.join(OWN_NETWORKS)})$)[A-Za-z0-9][A-Za-z0-9_.-]{{0,127}}",
        "the name of a network of its own, of letters, digits, '_', '.' and '-' that begins with a letter or a digit, "
        f"and none of Docker's own ({', '.join(OWN_NETWORKS)}, container:...), or leave it out",
    ),
    "mlflow_mysql_image": (
        rf"(?:(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?/)?{_PART}(?:/{_PART})*",
        "the name of a repository without a tag, such as mlflow-mysql or registry.example.org/team/mlflow-mysql",
    ),
}
# The least that a number may be; all others may be 0.
LEAST: Mapping[str, float] = {
    "mlflow_backup_interval": 0.1,
    "mlflow_backup_keep_last": 1,
    "mlflow_backup_memory_mb": 512,
    "mlflow_backup_offsite_interval": 1,
    "mlflow_mysql_ready_timeout": 1,
    "mlflow_mysql_stop_timeout": 1,
}


def options_of(specifications: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return each variable with its option, from the contents of ``meta/argument_specs.yml`` of all roles."""
    return {
        name: option
        for specification in specifications
        for entry in specification["argument_specs"].values()
        for name, option in (entry.get("options") or {}).items()
    }


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


def nearest(name: str, known: Iterable[str], alike: float = 0.6) -> str | None:
    """Return the known name that is most like ``name``, ``None`` if none is ``alike`` (0 to 1) enough."""
    found = difflib.get_close_matches(_plain(name), list(known), 1, alike)
    return found[0] if found else None


def _renamed(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that ``name`` was renamed to, ``None`` if it was not."""
    for old, new in RENAMED.items():
        if name.startswith(old) and new + name[len(old) :] in known:
            return new + name[len(old) :]
    return None


def _shortened(known: Iterable[str]) -> dict[str, str]:
    """Return each name that lacks one part in the middle of one that is known, with the known one."""
    found: dict[str, str] = {}
    for name in sorted(known):
        parts = name.split("_")
        for at in range(1, len(parts) - 1):
            short = "_".join(parts[:at] + parts[at + 1 :])
            if short.startswith("mlflow_"):
                found.setdefault(short, name)
    return found


def unknown_variables(
    names: Iterable[str], known: Iterable[str], given: Iterable[str] = (), ignored: Iterable[str] = ()
) -> list[str]:
    """Return a message for each of ``names`` that is meant for this collection and is none of ``known``.

    ``given`` are the names from the command line. ``ignored`` are patterns, as of a shell, of names that the user has
    for other purposes.
    """
    known = {*known, *OF_PLAYBOOKS, *FACTS, *TOLD}
    patterns = list(ignored)
    given = set(given)
    shortened = _shortened(known)
    problems = []
    for name in sorted({*names, *given}):
        # What is given on the command line goes before what roles tell each other.
        if name in given and name in TOLD:
            instead = f"set {TOLD[name]} instead" if TOLD[name] else "leave it out"
            problems.append(f"{name} is what one role of this collection tells another: {instead}.")
            continue
        if name in known or name in SHORT or name.startswith(("_", "ansible_")):
            continue
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            continue
        plain = _plain(name)
        if plain.startswith(PREFIXES):
            meant = _renamed(plain, known) or nearest(name, known)
        elif any(prefix in plain for prefix in PREFIXES):
            continue  # vault_mlflow_mysql_user_password
        else:
            meant = nearest(name, known, ALIKE)
            if meant is None and plain.startswith("mlflow_"):
                short = nearest(name, shortened, ALIKE)
                meant = shortened[short] if short else None
            if meant is None and name in given:
                meant = nearest(name, SHORT, SHORT_ALIKE)
            if meant is None:
                continue
        problems.append(
            f"{name} is no variable of this collection"
            + (f": did you mean {meant}?" if meant else ".")
            + f" If it is one of your own, say so in mlflow_mysql_ignored_variables: [{name}]."
        )
    return problems


def foreign_variables(
    given: Iterable[str],
    taken: Sequence[str],
    known: Iterable[str],
    used: Iterable[str] = (),
    ignored: Iterable[str] = (),
) -> list[str]:
    """Return a message for each name ``given`` on the command line of a playbook that it does not take.

    ``taken`` are the names without a prefix that it takes: one that is mistyped would have it do more than it is to do.
    ``used`` are names that variables of the user's own name.
    """
    known, used, patterns = {*known, *OF_PLAYBOOKS}, set(used), list(ignored)
    problems = []
    for name in sorted(set(given)):
        plain = _plain(name)
        # Those that begin like ours are compared with ours.
        if name in taken or name in known or name in used or name.startswith(("_", "ansible_")):
            continue
        if any(prefix in plain for prefix in PREFIXES):
            continue
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            continue
        meant = MEANT.get(plain) if MEANT.get(plain) in taken else None
        meant = meant or nearest(name, taken)
        # `overwrite` is the end of one, and `restore_to` has one for its end.
        if plain not in SHORT:
            meant = meant or min((one for one in known if one.endswith("_" + plain)), key=len, default=None)
        meant = meant or next((one for one in taken if plain.endswith("_" + one)), None)
        problems.append(
            f"{name} is no variable of this playbook"
            + (f": did you mean {meant}?" if meant else ".")
            + f" Without a prefix it takes {' and '.join(taken)}."
            + f" If it is one of your own, say so in mlflow_mysql_ignored_variables: [{name}]."
        )
    return problems


def used_by(variables: Mapping[str, Any], names: Iterable[str]) -> set[str]:
    """Return those of ``names`` that a template in a variable of the user's names."""
    left, found = set(names), set()
    for name in variables if left else ():
        if name.startswith(("_", "ansible_")) or name in left:
            continue
        for template in _templates(variables[name]):
            found |= left & set(re.findall(r"[A-Za-z_]\w*", template))
    return found


def _templates(value: Any) -> Iterable[str]:
    """Give what is between braces in a value as it was written."""
    if isinstance(value, str):
        yield from re.findall(r"(?s)\{[{%](.*?)[%}]\}", value)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _templates(one)
    elif isinstance(value, list):
        for one in value:
            yield from _templates(one)


def empty_problem(name: str, value: Any, given: bool) -> str | None:
    """Return what is wrong with an empty value of what chooses a part, ``None`` if nothing is.

    ``given`` is whether it was given on the command line, where nobody writes null for a default.
    """
    if name not in CHOOSING or (value is None and not given):
        return None
    if isinstance(value, str) and value.strip():
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value:
        return None
    shown = "empty" if value is None or value == "" or isinstance(value, str) else _shown(name, value)
    what = "for all that there is" if name.endswith(("to", "before", "name")) else "or give a name"
    return f"{name} is {shown}: give a value, or leave it out {what}."


def _shown(name: str, value: Any) -> str:
    """Return what to call a value in a message: never a secret, nor what a list or dictionary may hold of them."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a dictionary"
    if isinstance(value, (list, tuple, set)):
        return "a list"
    if SECRET.search(name):
        return "a string" if isinstance(value, (str, bytes)) else "a number or a boolean"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    text = text if len(text) <= SHOWN else text[:SHOWN] + "..."
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) else text


def _is_integer(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return False
    return isinstance(value, int) or re.fullmatch(r"-?[0-9]+", value) is not None


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return False
    try:
        return math.isfinite(float(value))
    except ValueError:
        return False


def _is_boolean(value: Any) -> bool:
    return isinstance(value, (bool, str, int)) and str(value).lower() in BOOLEANS


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float))


def _is_list(name: str, value: Any, elements: str) -> bool:
    if isinstance(value, str):
        return name in TEXT_LISTS
    return isinstance(value, (list, tuple)) and all(
        isinstance(one, Mapping) if elements == "dict" else _is_scalar(one) for one in value
    )


def _is_of_type(name: str, value: Any, kind: str, choices: Any = None, elements: str = "str") -> bool:
    return {
        "int": _is_integer,
        "float": _is_number,
        "bool": _is_boolean,
        "dict": lambda value: isinstance(value, Mapping),
        "list": lambda value: _is_list(name, value, elements),
        "path": lambda value: isinstance(value, str),
        "str": lambda value: _is_scalar(value) and (not isinstance(value, bool) or bool(choices)),
    }.get(kind, _is_scalar)(value)


def _example(name: str, value: Any, kind: str) -> str:
    """Return how to give a list or a dictionary, where a text was given instead."""
    if kind == "list" and isinstance(value, (list, tuple)):
        return ' of strings (an item with a colon wants quotes: "a: b")'
    if kind not in ("list", "dict") or not isinstance(value, str):
        return ""
    inner = '["..."]' if kind == "list" else '{"...": "..."}'
    return f""", on the command line -e '{{"{name}": {inner}}}'"""


def type_problem(name: str, value: Any, option: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the type of a variable's value, ``None`` if nothing is."""
    kind = str(option.get("type", "str"))
    default = option.get("default")
    choices = option.get("choices")
    if value is None:
        if default is None:
            return None
        return f"{name} is null: give {_wanted(kind, choices)}, or leave it out for the default."
    elements = str(option.get("elements", "str"))
    if not _is_of_type(name, value, kind, choices, elements):
        example = " of dictionaries" if elements == "dict" else _example(name, value, kind)
        return f"{name} is {_shown(name, value)}: give {_wanted(kind, choices)}{example}."
    if name in SHAPES and not re.fullmatch(SHAPES[name][0], str(value)):
        return f"{name} is {_shown(name, str(value))}: give {SHAPES[name][1]}."
    if kind in ("int", "float") and float(value) < LEAST.get(name, 0):
        return f"{name} is {_shown(name, value)}: give {LEAST.get(name, 0)} or more."
    if not choices:
        return None
    if kind == "list":
        items = value.split(",") if isinstance(value, str) else value
        bad = [str(one).strip() for one in items if str(one).strip() not in choices and str(one).strip()]
        return f"{name} has {', '.join(bad)}: choose from {', '.join(choices)}." if bad else None
    if isinstance(value, bool) or str(value) not in map(str, choices):
        quotes = ' YAML takes a bare yes, no, on or off for a boolean: write it as "off".'
        return f"{name} is {_shown(name, value)}: give {_wanted(kind, choices)}." + (
            quotes if isinstance(value, bool) else ""
        )
    return None


def _wanted(kind: str, choices: Any) -> str:
    if choices and kind != "list":
        return "one of " + ", ".join(map(str, choices))
    return WANTED.get(kind, kind)
