# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated files are what their sources give, and each role's manual says what the role does."""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.defaults import (
    defaults as defaults_of_all,
)
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.variables import FACTS, TOLD
from default_versions import MLFLOW, MYSQL

ROOT = Path(__file__).resolve().parents[2]
# mlflow_variables is a part of the others, without variables of its own.
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.name != "mlflow_variables")


def load(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("role", ROLES)
def test_the_specification_has_the_defaults(role: str) -> None:
    """Every variable of defaults/ is specified with that default, and every other one has none."""
    options: dict[str, Any] = {}
    for entry in load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"].values():
        assert all(options.get(name, option) == option for name, option in entry["options"].items())
        options.update(entry["options"])
    defaults = load(f"roles/{role}/defaults/main.yml")
    assert set(defaults) <= set(options)
    for name, option in options.items():
        assert name.startswith(role.split("_", maxsplit=1)[0]) and not re.search(r"[.:]", name)
        value = defaults.get(name)
        if isinstance(value, str) and "{{" in value:
            # The default for a variable of another role, as it is when that one is not set.
            value = re.sub(r"{{ (\w+) }}", lambda found: str(defaults[found.group(1)]), value)
            value = re.sub(r"{{ \w+ \| default\('([^']*)'\) }}", r"\1", value)
            value = re.sub(
                r"{{ (\w+) \| default\(lookup\('mlflow_ops.backend_store.mlflow_default', '\1'\)\) }}",
                lambda found: str(defaults_of_all()[found.group(1)]),
                value,
            )
        assert option.get("default") == value, name
        # A secret has no default, and one in a specification is printed when it fails.
        if name.endswith("_password"):
            assert set(option) == {"type", "description"} and name not in defaults


def test_the_base_image_is_named_alike() -> None:
    image = load("roles/mysql_base_image/defaults/main.yml")
    version = f"{image['mysql_base_image_repository']}:{image['mysql_base_image_version']}"
    options = load("roles/mlflow_mysql/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert options["mlflow_mysql_base_image"]["default"] == version
    assert version in (ROOT / "db-backend-store/README.md").read_text(encoding="utf-8")


# Where the default versions of MLflow and MySQL may stand: the two defaults, what `make generated` makes of them,
# records, and what was measured or seen with that version.
MAY_NAME_VERSIONS = re.compile(
    r"""roles/(mlflow_schema|mysql_base_image)/defaults/main\.yml
    | roles/\w+/(README\.md|meta/argument_specs\.yml) | README\.md | docs/upgrade\.md | requirements-dev\.txt
    | db-backend-store/(Dockerfile|README\.md) | tests/unit/plugins/plugin_utils/_store/store_plans\.json
    | plugins/module_utils/_schema/(catalogue_\w+|transactions)\.py
    | changelogs/.* | CHANGELOG\.md | docs/(blockers|performance|fleet|group)\.md | docs/\S+\.svg""",
    re.VERBOSE,
)


def test_a_default_version_is_written_once() -> None:
    """A new default is a change of one line: everything else asks for it, or means any version and names another."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=False, cwd=ROOT)
    if listed.returncode:
        pytest.skip("this is no checkout")
    literal = re.compile(rf"(?<![\d.])({re.escape(MLFLOW)}|{re.escape(MYSQL)})(?![\d]|\.\d)")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and not MAY_NAME_VERSIONS.fullmatch(name):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            found += [f"{name}:{number}" for number, line in enumerate(lines, 1) if literal.search(line)]
    assert not found
    for name, version in (("mlflow_schema", MLFLOW), ("mysql_base_image", MYSQL)):
        text = (ROOT / "roles" / name / "defaults/main.yml").read_text(encoding="utf-8")
        assert len(literal.findall(text)) == 1 and version in text


def test_pages_are_generated() -> None:
    # As `make generated` calls it.
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, ROOT / "tools/readme_tables.py", "--check"], check=False, env=alone
    )
    assert done.returncode == 0
    page = (ROOT / "roles/mlflow_mysql/README.md").read_text(encoding="utf-8")
    assert "| `mlflow_mysql_port` | int | `3306` |" in page


def test_the_readme_is_short_and_leads_to_every_guide() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.encode()) <= 10_000
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    for path in (ROOT / "docs").glob("*.md"):
        assert path.name == "index.md" or f"(docs/{path.name}" in text, path
        assert path.name == "index.md" or f"({path.name}" in index, path


def test_the_recipe_by_hand_is_rendered() -> None:
    """db-backend-store is what the role's templates give with its defaults."""
    playbook = str(ROOT / "tools/render_db_backend_store.yml")
    done = subprocess.run(
        ["ansible-playbook", "--check", "--diff", playbook], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "changed=0" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("role", ROLES)
def test_every_role_checks_the_variables_first(role: str) -> None:
    assert load(f"roles/{role}/meta/main.yml")["dependencies"][:1] == [
        "mlflow_ops.backend_store.mlflow_variables"
    ]


def test_roles_keep_to_their_names() -> None:
    """Variables that a role sets are its own: `<role>_x`, or `__<role>_x` for internal ones."""
    for role in ROLES:
        for path in (ROOT / "roles" / role).glob("tasks/*.yml"):
            for name in re.findall(r"^\s+register: (\S+)", path.read_text(encoding="utf-8"), re.MULTILINE):
                assert name.startswith(f"__{role}_") or name in FACTS, (path, name)


@pytest.mark.parametrize("directory", ["playbooks", *(f"roles/{role}" for role in ROLES)])
def test_private_names_stay_where_they_are(directory: str) -> None:
    """What roles and playbooks tell each other has a public name, which `variables.py` lists."""
    own = f"__{directory.rpartition('/')[2]}_"
    for path in (ROOT / directory).rglob("*.y*ml"):
        text = path.read_text(encoding="utf-8")
        for name in set(re.findall(r"\b__[a-z][a-z0-9_]*\b", text)) - {"__mlflow_variables_taken"}:
            assert name.startswith(own) or (directory == "playbooks" and f"{name}:" in text), (path, name)


def test_scenarios_look_at_what_roles_set() -> None:
    """A private name that no role gives a value any more is noticed here, and not when the scenario is at its end."""
    roles = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "roles").rglob("*.yml"))
    given = set(re.findall(r"register: (\w+)|^ *(__\w+):", roles, re.MULTILINE))
    for path in (ROOT / "molecule").rglob("*.yml"):
        for name in re.findall(r"\b__m(?:lflow|ysql)_\w+", path.read_text(encoding="utf-8")):
            assert (name, "") in given or ("", name) in given, (path, name)


@pytest.mark.parametrize("role", ROLES)
def test_booleans_may_be_given_on_the_command_line(role: str) -> None:
    """`-e name=false` is a text that is true: where a variable decides, it is made a boolean first."""
    entries = load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"].values()
    names = "|".join(
        name for entry in entries for name, option in entry["options"].items() if option["type"] == "bool"
    )
    deciding = re.compile(rf"(?:\b(?:if|not|and|or)|when:|that:) +\(?({names})\b(?! \| bool)(?!'| is)")
    for path in [*(ROOT / "roles" / role).glob("tasks/*.yml"), *(ROOT / "roles" / role).glob("vars/*.yml")]:
        # Not in what is said to users.
        lines = [
            line
            for line in path.read_text(encoding="utf-8").splitlines()
            if not re.search(r"to true|is false", line)
        ]
        assert not names or not deciding.findall("\n".join(lines)), path


@pytest.mark.parametrize("playbook", sorted(path.name for path in (ROOT / "playbooks").glob("*.yml")))
def test_every_play_reaches_the_engine_that_is_wanted(playbook: str) -> None:
    """What asks Docker asks the engine of docker_engine_host, in whichever play it runs."""
    (expected,) = {play["environment"] for play in load("playbooks/deploy.yml")}
    assert "docker_engine_host" in expected
    plays = [play for play in load(f"playbooks/{playbook}") if "hosts" in play]
    assert plays
    for play in plays:
        assert play.get("environment") == expected, play["name"]
        # And before anything else the Python is chosen with which modules run.
        assert play["tasks"][0]["ansible.builtin.import_tasks"] == "tasks/interpreter.yml", play["name"]
        assert play["tasks"][0]["tags"] == "always"


# What looks, and changes nothing on a host.
LOOKS = {
    "assert",
    "debug",
    "fail",
    "find",
    "mlflow_mysql_group_info",
    "mlflow_mysql_host_info",
    "mlflow_mysql_plan",
    "set_fact",
    "slurp",
    "stat",
}


def in_order(tasks: list[Any], role: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The tasks of a play as they run, each with its module: roles and files that are included are gone into."""
    for task in tasks:
        for block in ("block", "rescue", "always"):
            yield from in_order(task.get(block, []), role)
        for key, options in task.items():
            module = key.rpartition(".")[2]
            if module in ("include_role", "import_role"):
                name = options["name"].rpartition(".")[2]
                yield from in_order(load(f"roles/{name}/tasks/{options.get('tasks_from', 'main.yml')}"), name)
            elif module in ("include_tasks", "import_tasks"):
                file = options["file"] if isinstance(options, dict) else options
                if "{{" not in file and role:
                    yield from in_order(load(f"roles/{role}/tasks/{file}"), role)
            elif key.startswith(("ansible.builtin.", "community.docker.", "mlflow_ops.")):
                yield module, task


@pytest.mark.parametrize("playbook", sorted(path.name for path in (ROOT / "playbooks").glob("*.yml")))
def test_every_playbook_looks_for_the_store_before_it_does_anything(playbook: str) -> None:
    """Variables that name another store than the one that is there are refused by all of them."""
    plays = [play for play in load(f"playbooks/{playbook}") if "hosts" in play]
    for module, task in in_order(plays[0]["tasks"], ""):
        if module == "fail" and re.search(r"mlflow_mysql_store\.(identity_)?problems", str(task)):
            return
        assert module in LOOKS, (playbook, task["name"])
    raise AssertionError(f"{playbook} does not look for the store")


def test_a_python_that_does_not_run_is_not_taken(tmp_path: Path) -> None:
    """What pyenv puts first in the path is not taken; what a user names is, whichever way."""
    for name in ("python3.14", "python3.13", "python3.12", "python3.11"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n")
        (tmp_path / name).chmod(0o755)
    named = tmp_path / "named"
    named.symlink_to(sys.executable)
    (tmp_path / "empty.cfg").touch()
    (tmp_path / "play.yml").write_text(
        yaml.safe_dump(
            [
                {
                    "hosts": "all",
                    "gather_facts": False,
                    "tasks": [
                        {"ansible.builtin.import_tasks": str(ROOT / "playbooks/tasks/interpreter.yml")},
                        {"ansible.builtin.ping": {}},
                        {
                            "ansible.builtin.debug": {
                                "msg": "{{ inventory_hostname }} has {{ ansible_python_interpreter | d('its own') }}"
                            }
                        },
                    ],
                }
            ]
        )
    )

    def play(**environment: str) -> str:
        done = subprocess.run(
            ["ansible-playbook", "-c", "local", "-i", "a,", "-i", tmp_path / "hosts", tmp_path / "play.yml"],
            capture_output=True,
            text=True,
            check=False,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
                "ANSIBLE_CONFIG": str(tmp_path / "empty.cfg"),
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                **environment,
            },
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    (tmp_path / "hosts").write_text(f"b ansible_python_interpreter={named}\n")
    output = play()
    assert "a has /usr/bin/python3" in output and f"b has {named}" in output
    assert "a has its own" in play(ANSIBLE_PYTHON_INTERPRETER=str(named))


# What of a task holds others.
BLOCKS = ("tasks", "pre_tasks", "block", "rescue", "always")


def tasks_of(content: Any) -> list[dict[str, Any]]:
    """All tasks of a file, those of its blocks too."""
    found: list[dict[str, Any]] = []
    for one in content or ():
        found.append(one)
        for inside in BLOCKS:
            found += tasks_of(one.get(inside))
    return found


@functools.cache
def task_files(role: str) -> dict[str, list[dict[str, Any]]]:
    """The tasks of each task file of a role."""
    paths = sorted((ROOT / "roles" / role / "tasks").glob("*.yml"))
    return {path.name: tasks_of(yaml.safe_load(path.read_text(encoding="utf-8"))) for path in paths}


def included(task: dict[str, Any]) -> tuple[str | None, str] | None:
    """The role, or None for the role that the task is of, and the file of a task that includes or imports one."""
    for key, options in task.items():
        module = key.rpartition(".")[2]
        if module in ("include_tasks", "import_tasks"):
            return None, options["file"] if isinstance(options, dict) else options
        if module in ("include_role", "import_role"):
            return options["name"].rpartition(".")[2], options.get("tasks_from", "main.yml")
    return None


@functools.cache
def meant(role: str, name: str) -> list[str]:
    """The task files of a role that a name with a template in it may be: a variable may have choices."""
    specified = load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"].values()
    options = {key: option for entry in specified for key, option in entry["options"].items()}
    pattern = ""
    for part in re.split(r"({{.*?}})", name):
        choices = options.get(part.strip("{} "), {}).get("choices")
        pattern += (
            re.escape(part) if "{{" not in part else ".*" if choices is None else f"({'|'.join(choices)})"
        )
    return [one for one in task_files(role) if re.fullmatch(pattern, one)]


@pytest.mark.parametrize("role", ROLES)
def test_includes_are_at_most_three_files_deep(role: str) -> None:
    """From an entry file to the file that includes no other. Another role, and an entry of it, begins anew."""
    files = task_files(role)
    below: dict[str, set[str]] = {name: set() for name in files}
    for name, tasks in files.items():
        for found in filter(None, map(included, tasks)):
            if found[0] in (None, role):
                assert meant(role, found[1]), f"{name} includes {found[1]}, which is not there"
                below[name].update(meant(role, found[1]))

    def chains(name: str, *above: str) -> Iterator[tuple[str, ...]]:
        yield (*above, name)
        for one in below[name] - {*above, name}:
            yield from chains(one, *above, name)

    deepest = max((chain for name in files for chain in chains(name)), key=len)
    assert len(deepest) <= 3, " > ".join(deepest)


def test_a_login_is_given_once() -> None:
    """A role has its login in its variables, and `module_defaults` gives it to the modules of the action group."""
    found = [
        f"{role}/{name}: {task.get('name')}"
        for role in ROLES
        for name, tasks in task_files(role).items()
        for task in tasks
        if "login_unix_socket" in str({key: value for key, value in task.items() if key not in BLOCKS})
    ]
    assert len(found) <= 3, found
    for path in ROOT.glob("roles/*/vars/main.yml"):
        text = path.read_text(encoding="utf-8")
        assert len(re.findall(r"^ *login_unix_socket:", text, re.MULTILINE)) <= 1, path


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_is_specified(role: str) -> None:
    """What a playbook or another role includes of a role has a manual, with what it is told."""
    others = [tasks for other in ROLES if other != role for tasks in task_files(other).values()]
    plays = [tasks_of(load(str(path.relative_to(ROOT)))) for path in ROOT.glob("playbooks/*.yml")]
    entries = set()
    for found in (included(task) for tasks in [*others, *plays] for task in tasks):
        # The name in restore.yml is one of two.
        if found is not None and found[0] is not None and re.search(rf"\b{role}\b", found[0]):
            entries.add(found[1].removesuffix(".yml"))
    specified = set(load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"])
    assert entries <= specified
    assert specified <= {name.removesuffix(".yml") for name in task_files(role)}


def test_reports_are_lists_of_lines() -> None:
    """Ansible's own output has a text of several lines as one line of JSON, and a list of lines as lines."""
    reports = 0
    for path in [*ROOT.glob("playbooks/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")]:
        for task in tasks_of(yaml.safe_load(path.read_text(encoding="utf-8"))):
            said = task.get("ansible.builtin.debug", {}).get("msg", "")
            if isinstance(said, str):
                # But for what stands in an expression.
                assert "\n" not in re.sub(r"{{.*?}}", "", said, flags=re.DOTALL).strip(), (path, task["name"])
                assert "_report(" not in said or "splitlines()" in said, (path, task["name"])
            reports += isinstance(said, list) or "splitlines()" in said
    assert reports > 5


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("roles/*/tasks/*.yml")), ids=lambda path: "/".join(path.parts[-3:])
)
def test_what_is_given_on_the_command_line_does_not_change_the_steps(path: Path) -> None:
    """A variable that is given with -e goes before what one role tells another."""
    # What the playbooks refuse, see below.
    refused = {"mlflow_schema_app", "mlflow_schema_database"}
    for task in tasks_of(load(str(path.relative_to(ROOT)))):
        told = {name for name in task.get("vars", {}) if name.startswith("mlflow_")} - {*TOLD, *FACTS}
        assert not told - (refused if path.name == "upgrade_one.yml" else set()), task["name"]


def test_what_a_playbook_tells_a_role_is_not_told_otherwise_on_the_command_line() -> None:
    for path in sorted(ROOT.glob("playbooks/*.yml")):
        for play in load(f"playbooks/{path.name}"):
            refused: set[str] = set()
            for task in tasks_of([play]):
                told = {name for name in task.get("vars", {}) if name.startswith("mlflow_")} - {*TOLD, *FACTS}
                if task is play:
                    continue
                if "ansible.builtin.fail" in task:
                    refused |= told
                if task.get("ansible.builtin.import_tasks") == "tasks/apps.yml":
                    refused |= {"mlflow_schema_app", "mlflow_schema_database"}
                assert told <= refused, (path.name, task["name"])


@pytest.mark.parametrize(
    "playbook, given, said",
    [
        ("remove", {"mlflow_mysql_state": "present"}, "mlflow_mysql_state is present on the command line"),
        ("remove", {"mlflow_backup_state": "present"}, "mlflow_backup_state is present on"),
        *[
            (name, {"mlflow_schema_app": "auth"}, "mlflow_schema_app is given with -e")
            for name in ("check", "upgrade_schema", "convert_schema", "deploy")
        ],
        ("check", {"mlflow_schema_database": "mlflow"}, "mlflow_schema_database is given with -e"),
    ],
)
def test_a_contradiction_on_the_command_line_is_refused_first(
    tmp_path: Path, playbook: str, given: dict[str, str], said: str
) -> None:
    inventory = {"mlflow_backend_store": {"hosts": {"localhost": {"ansible_connection": "local"}}}}
    inventory["mlflow_backend_store"]["vars"] = {
        **{"mlflow_mysql_auth_database": "mlflow_auth", "mlflow_mysql_state": "present"},
        **{"mlflow_mysql_home": str(tmp_path / "home"), "ansible_become": "false"},
    }
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    done = subprocess.run(
        [
            *("ansible-playbook", "-i", tmp_path / "hosts.yml", "-e", json.dumps(given), "--check"),
            f"playbooks/{playbook}.yml",
        ],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 2 and said in " ".join(done.stdout.split()), done.stdout + done.stderr
    tasks = [line for line in done.stdout.splitlines() if line.startswith("TASK")]
    assert len([task for task in tasks if "Interpreter" not in task]) == 1, tasks


def test_the_action_group_has_every_module_with_a_login() -> None:
    """`module_defaults` gives the login once. The fragment says so in the documentation of such a module."""
    modules = {
        path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "plugins/modules").glob("*.py")
    }
    group = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))["action_groups"]["mysql"]
    for signs in (
        ("  - mlflow_ops.backend_store._login\n",),
        ("login_argument_spec(),", "options.change_argument_spec()"),
    ):
        assert group == sorted(name for name, text in modules.items() if any(one in text for one in signs))


def test_what_users_make_is_not_like_what_tests_make() -> None:
    """`make backup` acts on a store of users: no test has a name that begins with the same word."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    every = set(re.findall(r"^\.PHONY: (\S+)$", text, re.MULTILINE))
    found = re.search(r"^PLAYS := (.*)$", text, re.MULTILINE)
    assert found is not None
    users = set(found.group(1).split())
    words = {name.partition("-")[0] for name in users}
    assert users < every
    # Nor one more letter.
    assert not [name for name in every - users if name.partition("-")[0].rstrip("s") in words]


def test_the_picture_of_the_packages_is_true() -> None:
    """CONTRIBUTING.md says which packages of plugins/ import which."""
    plugins = ROOT / "plugins"
    found: dict[str, set[str]] = {}
    for path in plugins.rglob("*.py"):
        kind, *inner = path.relative_to(plugins).parts
        if kind == "doc_fragments":
            continue
        own = f"{kind}/{inner[0]}" if len(inner) > 1 else kind
        found.setdefault(own, set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            if ".backend_store.plugins." in module:
                target = "/".join(module.split(".backend_store.plugins.")[1].split(".")[:2])
                found[own].add(target)
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- packages -->\n```\n(.*?)```", text, re.DOTALL)
    assert block is not None

    def full(name: str) -> str:
        return f"module_utils/{name}" if name.startswith("_") else name

    lines = [line.partition("->") for line in block.group(1).splitlines()]
    shown = {full(name.strip()): {full(word) for word in words.split()} for name, _arrow, words in lines}
    # A package that imports nothing of ours need not be shown, unless it travels to hosts.
    quiet = {
        name for name, targets in found.items() if not targets - {name} and name.startswith("plugin_utils/")
    }
    beside = {
        name: {one for one in targets if one != name and not one.startswith(f"{name}/")}
        for name, targets in found.items()
    }
    assert shown == {name: targets for name, targets in beside.items() if name not in quiet}
    order = list(shown)
    for name, targets in shown.items():
        assert all(order.index(name) < order.index(one) for one in targets if one in order), (
            f"{name} imports upwards"
        )
