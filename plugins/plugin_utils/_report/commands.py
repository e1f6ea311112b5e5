# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that a run tells its user to type next. Private to this collection: it may change without notice.

A command means the store that the run was about only if it names the same inventory, host and variables. What the run
was started with is read from Ansible's parsed options; values that may be secrets are never repeated.
"""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

COLLECTION = "mlflow_ops.backend_store"
# The targets of the Makefile, by the playbook that they run.
TARGETS = {
    "audit": "audit",
    "backup": "backup",
    "check": "check",
    "convert_schema": "convert",
    "deploy": "deploy",
    "deploy_group": "deploy-group",
    "rehearse_upgrade": "rehearse",
    "remove": "remove",
    "restore": "restore",
    "restore_drill": "drill",
    "rotate_passwords": "rotate",
    "upgrade_schema": "upgrade",
    "uri": "uri",
}
# Variables that say which store is meant. None of them is a secret.
REPEATED = frozenset(
    (
        *("ansible_connection", "ansible_host", "ansible_port", "ansible_python_interpreter", "ansible_user"),
        *("docker_engine_host", "mlflow_mysql_auth_database", "mlflow_mysql_bind_address"),
        *("mlflow_mysql_container_name", "mlflow_mysql_database", "mlflow_mysql_group", "mlflow_mysql_home"),
        *("mlflow_mysql_image", "mlflow_mysql_network", "mlflow_mysql_port", "mlflow_mysql_tls"),
        *("mlflow_mysql_user", "mlflow_schema_database", "mlflow_schema_mlflow_version"),
    )
)


@dataclass(frozen=True)
class Run:
    """How a run was started.

    `make` is how make was called, such as "make" or "make -C /opt/store", or None where ansible-playbook was.
    `playbooks` is what stands before and after the name of a playbook of this collection. `options` are words of a
    command line. `left_out` are the names of variables that were given with -e and are not repeated.
    """

    make: str | None
    playbooks: tuple[str, str]
    inventory: tuple[str, ...]
    limit: str | None = None
    options: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def from_options(options: Mapping[str, Any], environment: Mapping[str, str], directory: str) -> Run:
    """How the run with these parsed `options` of ansible-playbook was started, in `directory`."""
    make = environment.get("MLFLOW_OPS_MAKE") or None
    inventory = [shortened(str(source), directory) for source in options.get("inventory") or ()]
    default = environment.get("MLFLOW_OPS_DEFAULT_INVENTORY")
    if make and default and inventory[:1] == [shortened(default, directory)]:
        inventory[0] = ""
    words: list[str] = []
    for name, option, usual in (
        ("connection", "--connection", ("ssh", "smart")),
        ("remote_user", "--user", ()),
        ("private_key_file", "--private-key", ()),
        ("ssh_common_args", "--ssh-common-args", ()),
        ("ssh_extra_args", "--ssh-extra-args", ()),
    ):
        if options.get(name) and options[name] not in usual:
            words += [option, str(options[name])]
    for name, option in (("vault_password_files", "--vault-password-file"), ("vault_ids", "--vault-id")):
        for value in options.get(name) or ():
            words += [option, str(value)]
    for name, option in (
        ("ask_vault_pass", "--ask-vault-pass"),
        ("become_ask_pass", "--ask-become-pass"),
        ("ask_pass", "--ask-pass"),
    ):
        # make asks for the password of sudo itself where one is wanted.
        if options.get(name) and not (
            make and name == "become_ask_pass" and environment.get("MLFLOW_OPS_ASKS")
        ):
            words.append(option)
    left_out: list[str] = []
    for given in options.get("extra_vars") or ():
        text = str(given)
        names = variables(text)
        if text.startswith("@") or (names and REPEATED.issuperset(names)):
            words += ["-e", text]
        else:
            left_out += names or ["..."]
    return Run(
        make=make,
        playbooks=siblings([str(one) for one in options.get("args") or ()], directory),
        inventory=tuple(inventory),
        limit=str(options["subset"]) if options.get("subset") else None,
        options=tuple(words),
        left_out=tuple(dict.fromkeys(left_out)),
    )


def shortened(source: str, directory: str) -> str:
    """An inventory as it can be typed in `directory`. A list of hosts (`store1,`) stays as it is."""
    if "," in source:
        return source
    path = os.path.normpath(os.path.join(directory, source))
    inside = os.path.relpath(path, directory)
    return path if inside.startswith("..") else inside


def siblings(playbooks: Sequence[str], directory: str) -> tuple[str, str]:
    """What stands before and after a playbook's name: as the one that runs was named, if it is of this collection."""
    for playbook in playbooks[:1]:
        where, name = os.path.split(playbook)
        stem = os.path.splitext(name)[0]
        if (stem in {*TARGETS, "recover_access"} or stem.startswith("group_")) and os.path.isfile(
            os.path.join(directory, where, "upgrade_schema.yml")
        ):
            return (os.path.join(where, ""), ".yml")
    return (f"{COLLECTION}.", "")


def variables(given: str) -> list[str]:
    """The names of the variables in one argument of -e. Empty for a file, or what cannot be read."""
    text = given.strip()
    if text.startswith("@"):
        return []
    if text.startswith(("{", "[")):
        try:
            found = json.loads(text)
        except ValueError:
            # YAML in one line: its names are what stands before the colons at the beginning of an entry.
            entries = text.strip("{}[] ").split(",")
            return [entry.split(":", 1)[0].strip(" \"'") for entry in entries if ":" in entry]
        return [str(name) for name in found] if isinstance(found, dict) else []
    try:
        words = shlex.split(text)
    except ValueError:
        return []
    return [word.split("=", 1)[0] for word in words if "=" in word]


def command(run: Run, playbook: str, host: str | None = None, extra: Sequence[str] = ()) -> str:
    """The command that runs `playbook`, such as "upgrade_schema", on the store of `run`.

    `host` is the one host that is meant, where the inventory has more. `extra` are further words, such as
    ("-e", "mlflow_mysql_purge_data=true"). It can be pasted into a shell.
    """
    words: list[str] = []
    limit = host if host is not None else run.limit
    if limit is not None:
        words += ["--limit", limit]
    words += [*run.options, *extra]
    target = TARGETS.get(playbook)
    if run.make and target:
        first = run.inventory[0] if run.inventory else ""
        predicts = "--check" in words
        words = [word for word in words if word != "--check"]
        for source in run.inventory[1:]:
            words = ["-i", source, *words]
        return " ".join(
            [
                *([f"INVENTORY={shlex.quote(for_make(first))}"] if first else []),
                run.make,
                *(["-s"] if target == "uri" else []),
                target,
                *(["CHECK=1"] if predicts else []),
                *([f"ARGS={shlex.quote(for_make(joined(words)))}"] if words else []),
            ]
        )
    before, after = run.playbooks
    inventory = [word for source in run.inventory if source for word in ("-i", source)]
    return joined(["ansible-playbook", *inventory, *words, f"{before}{playbook}{after}"])


def for_make(value: str) -> str:
    """`value` as make wants it in a variable: its own sign for variables is doubled."""
    return value.replace("$", "$$")


def joined(words: Sequence[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)


def reminder(run: Run) -> str:
    """What the commands of `run` do not repeat, or nothing."""
    if not run.left_out:
        return ""
    return f"This run was given -e {', '.join(run.left_out)}: give the same to each of these commands."


# What the deploy ends with, by the state of a schema.
READY = ("current", "not compared", "predicted")
SAID = {
    "behind": "MLflow {wanted} cannot use it yet: {database} has an older schema",
    "ahead": "MLflow {wanted} cannot use it: a newer MLflow upgraded {database}",
    "half_applied": "no MLflow can use it yet: a migration of {database} was interrupted",
    "drifted": "the schema of {database} differs from MLflow's: it was changed by hand",
    "foreign": "{database} holds tables that are not MLflow's",
    "unknown": "{database} was written by an MLflow that this collection does not know",
    "empty": "{database} has no tables yet",
    "orphaned": "{database} has objects whose definer does not exist (error 1449)",
}
REMEDIES = {
    "behind": "upgrade it to MLflow {wanted}",
    "half_applied": "finish the migration",
    "empty": "create the tables",
}


def headline(host: str, schemas: Sequence[Mapping[str, Any]], predicted: bool) -> str:
    """Whether MLflow can use the store now, in one sentence.

    Each of `schemas` has `state`, `database` and `wanted`, the version of MLflow that is to use it.
    """
    wrong = [schema for schema in schemas if schema["state"] not in READY]
    if not wrong:
        return f"MLflow's backend store on {host} " + (
            "is predicted, nothing was changed." if predicted else "is ready."
        )
    said = "; ".join(
        SAID.get(one["state"], "{database} is " + str(one["state"])).format(**one) for one in wrong
    )
    return f"MLflow's backend store on {host} runs, but {said}." + (
        " Nothing was changed." if predicted else ""
    )


def next_steps(
    run: Run,
    schemas: Sequence[Mapping[str, Any]],
    *,
    host: str | None = None,
    predicted: bool = False,
    container: str = "mlflow_mysql_db",
    docker_host: str | None = None,
    backup_program: str = "",
    environment_file: str = "",
) -> list[str]:
    """Lines that name what to do next and the command for it: first what the state of the schemas asks for."""
    steps: list[tuple[str, str]] = []
    wrong = [schema for schema in schemas if schema["state"] not in READY]
    for schema in wrong:
        state, database = schema["state"], schema["database"]
        versions = written_by(schema)
        if state in ("behind", "half_applied"):
            steps.append(("preview that", command(run, "check", host)))
            steps.append((REMEDIES[state].format(**schema), command(run, "upgrade_schema", host)))
        elif state == "empty":
            steps.append((REMEDIES[state], command(run, "deploy", host)))
        else:
            steps.append(("show its state", command(run, "check", host)))
        if state in ("behind", "ahead") and versions:
            steps.append(
                (f"or stay with {database}", f"use MLflow {versions}, and set mlflow_schema_mlflow_version")
            )
        if state == "drifted":
            steps.append(("go back to a backup", command(run, "restore", host, ["--check"])))
        if state == "foreign":
            steps.append(("or another database", "set mlflow_mysql_database"))
        if state == "unknown":
            steps.append(("then", f"install a newer release of {COLLECTION}"))
    if predicted:
        steps.append(("do it", command(run, "deploy", host)))
    else:
        uri = command(run, "uri", host)
        steps.append(("the whole URI", uri))
        if not wrong:
            if environment_file:
                steps.append(("MLflow's environment", f"set -a; . {shlex.quote(environment_file)}; set +a"))
            steps.append(
                (
                    "start MLflow on it",
                    f"uri=$({uri}) && export MLFLOW_BACKEND_STORE_URI=$uri"
                    if run.make
                    else "export MLFLOW_BACKEND_STORE_URI=URI",
                )
            )
            steps.append(("", "mlflow server --artifacts-destination DIR"))
        docker = f"docker -H {shlex.quote(docker_host)}" if docker_host else "docker"
        steps.append(
            ("a MySQL prompt, as root", f"{docker} exec -it {shlex.quote(container)} mysql -uroot -p")
        )
        if backup_program:
            steps.append(("what backups there are", f"{shlex.quote(backup_program)} list"))
            steps.append(("what a restore brings", command(run, "restore", host, ["--check"])))
        steps.append(("remove it, data kept", command(run, "remove", host)))
    # Two schemas may ask for the same.
    steps = list(dict.fromkeys(steps))
    width = max(len(name) for name, dummy in steps) + 2
    lines = [f"  {name:<{width}}{text}" for name, text in steps]
    said = reminder(run)
    return lines + ([f"  {said}"] if said else [])


def written_by(schema: Mapping[str, Any]) -> str:
    """The releases of MLflow whose schema it is, as a range, or nothing where that is not known."""
    versions = list(schema.get("versions") or ())
    if len(versions) < 2:
        return "".join(versions)
    return f"{versions[0]} to {versions[-1]}"
