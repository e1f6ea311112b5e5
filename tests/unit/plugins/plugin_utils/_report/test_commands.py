# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that a run ends with mean the store that it was about, when they are pasted into a shell."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mlflow_ops.backend_store.plugins.filter.mlflow_mysql_command import (
    mlflow_mysql_command,
)
from ansible_collections.mlflow_ops.backend_store.plugins.filter.mlflow_mysql_next_steps import (
    mlflow_mysql_next_steps,
)
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.commands import (
    Run,
    command,
    from_options,
    headline,
    next_steps,
    variables,
)

ROOT = Path(__file__).resolve().parents[5]
MAKE = {
    "MLFLOW_OPS_MAKE": "make",
    "MLFLOW_OPS_DEFAULT_INVENTORY": str(ROOT / "inventories/local/hosts.yml"),
}


def started(environment: dict[str, str] | None = None, **options: Any) -> Run:
    """A run as Ansible parses its options: inventories are absolute."""
    options.setdefault("inventory", [str(ROOT / "inventories/mine/hosts.yml")])
    options.setdefault("args", ["playbooks/deploy.yml"])
    return from_options(options, environment or {}, str(ROOT))


@pytest.fixture()
def shell(tmp_path: Path) -> Any:
    """Runs a command in the checkout, and gives the words with which ansible-playbook would have been called."""
    fake = tmp_path / "bin" / "ansible-playbook"
    fake.parent.mkdir()
    fake.write_text(
        "#!/usr/bin/env python3\n"
        "import json, os, sys\n"
        f"open({str(tmp_path / 'words')!r}, 'w').write(json.dumps(sys.argv[1:]))\n"
        "print('    \"msg\": \"mysql+pymysql://it\"' if 'uri.yml' in sys.argv[-1] else '')\n"
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)

    def run(text: str) -> list[str]:
        path = f"{fake.parent}:{os.environ['PATH']}"
        # A variable of make's command line wins over the Makefile's. Nothing is installed.
        text = text.replace("make ", f"make -o .venv/run PATH='{path}' ", 1)
        subprocess.run(
            ["bash", "-euc", text],
            cwd=ROOT,
            env={**os.environ, "PATH": path},
            check=True,
            capture_output=True,
        )
        words: list[str] = json.loads((tmp_path / "words").read_text())
        return words

    return run


@pytest.mark.parametrize(
    "limit, host, extra, expected",
    [
        (None, None, [], []),
        ("store1:&new", None, [], ["--limit", "store1:&new"]),
        ("all", "store1", ["mlflow_mysql_port=3310"], ["--limit", "store1", "-e", "mlflow_mysql_port=3310"]),
        (None, None, ["@my vars/$file's.yml"], ["-e", "@my vars/$file's.yml"]),
        (
            None,
            "a host",
            ['{"mlflow_mysql_home": "/srv/a b"}'],
            ["--limit", "a host", "-e", '{"mlflow_mysql_home": "/srv/a b"}'],
        ),
        (None, None, ["mlflow_mysql_root_password=secret"], []),
        (None, None, ["mlflow_mysql_port=3310 mlflow_mysql_root_password=secret"], []),
    ],
)
@pytest.mark.parametrize(
    "inventory", ["inventories/mine/hosts.yml", "/etc/my stores/it's $me.yml", "a.example,"]
)
@pytest.mark.parametrize("by_make", [True, False])
def test_what_is_printed_runs_on_the_same_store(
    shell: Any,
    by_make: bool,
    inventory: str,
    limit: str | None,
    host: str | None,
    extra: list[str],
    expected: Any,
) -> None:
    if not by_make and extra[:1] == ["@my vars/$file's.yml"] and inventory != "a.example,":
        pytest.skip("the same words")
    given = inventory if "," in inventory else str(ROOT / inventory)
    run = started(MAKE if by_make else None, inventory=[given], subset=limit, extra_vars=extra)
    said = command(run, "remove", host)
    assert "secret" not in said
    words = shell(said)
    assert words[:2] == ["-i", inventory]
    assert [word for word in words[2:-1] if word != "--ask-become-pass"] == expected
    assert words[-1] == "playbooks/remove.yml"


def test_make_knows_its_own_inventory() -> None:
    run = started(MAKE, inventory=[MAKE["MLFLOW_OPS_DEFAULT_INVENTORY"]])
    assert command(run, "uri") == "make -s uri"
    assert command(run, "upgrade_schema") == "make upgrade"
    assert command(run, "restore_drill", "store1") == "make drill ARGS='--limit store1'"
    # What make has no target for.
    assert command(run, "recover_access") == "ansible-playbook playbooks/recover_access.yml"
    # A playbook of a group names its neighbours as it was named.
    run = started(args=["playbooks/group_rotate.yml"])
    assert (
        command(run, "group_uri") == "ansible-playbook -i inventories/mine/hosts.yml playbooks/group_uri.yml"
    )


def test_more_inventories_and_other_directories(shell: Any) -> None:
    run = started(
        {**MAKE, "MLFLOW_OPS_MAKE": f"make -C {ROOT}"}, inventory=["/etc/one.yml", "/etc/two.yml"], subset="x"
    )
    said = command(run, "uri")
    assert said == f"INVENTORY=/etc/one.yml make -C {ROOT} -s uri ARGS='-i /etc/two.yml --limit x'"
    assert shell(said) == ["-i", "/etc/one.yml", "-i", "/etc/two.yml", "--limit", "x", "playbooks/uri.yml"]


def test_an_installed_collection_and_a_playbook_of_somebody_else() -> None:
    for args in (["mlflow_ops.backend_store.deploy"], ["site.yml"], ["/opt/site/deploy.yml"]):
        run = started(args=args, subset="@failed hosts")
        assert command(run, "uri") == (
            "ansible-playbook -i inventories/mine/hosts.yml --limit '@failed hosts' mlflow_ops.backend_store.uri"
        )


def test_passwords_are_asked_for_again() -> None:
    options = {"become_ask_pass": True, "vault_password_files": ["/etc/vault"], "remote_user": "admin"}
    assert command(started(None, **options), "uri") == (
        "ansible-playbook -i inventories/mine/hosts.yml --user admin --vault-password-file /etc/vault "
        "--ask-become-pass playbooks/uri.yml"
    )
    assert "--ask-become-pass" in command(started(MAKE, **options), "uri")
    # There make finds out itself.
    asks = {**MAKE, "MLFLOW_OPS_ASKS": "--ask-become-pass"}
    assert "--ask-become-pass" not in command(started(asks, **options), "uri")


def test_the_way_to_the_host_is_repeated() -> None:
    run = started(None, connection="local", ssh_common_args="-J jump host", private_key_file="")
    assert command(run, "uri") == (
        "ansible-playbook -i inventories/mine/hosts.yml --connection local --ssh-common-args '-J jump host' "
        "playbooks/uri.yml"
    )
    assert "--connection" not in command(started(None, connection="ssh"), "uri")


def test_what_is_not_repeated_is_named() -> None:
    run = started(extra_vars=["mlflow_mysql_root_password=hunter2 x=y", "{mlflow_mysql_key: hunter2}", "x=1"])
    lines = next_steps(run, [{"state": "current", "database": "mlflow", "wanted": "3.12.2"}])
    assert lines[-1] == (
        "  This run was given -e mlflow_mysql_root_password, x, mlflow_mysql_key: give the same to each of these "
        "commands."
    )
    assert "hunter2" not in "\n".join(lines)
    assert variables("@file.yml") == [] and variables("a='") == []


@pytest.mark.parametrize(
    "state, says, steps",
    [
        ("current", "is ready.", ["make -s uri", "MLFLOW_BACKEND_STORE_URI", "make remove"]),
        ("not compared", "is ready.", ["make -s uri", "MLFLOW_BACKEND_STORE_URI"]),
        (
            "behind",
            "MLflow 3.12.2 cannot use it yet: mlflow has an older",
            ["make check", "make upgrade", "3.5.0 to 3.7.0"],
        ),
        ("ahead", "a newer MLflow upgraded mlflow", ["make check", "use MLflow 3.5.0 to 3.7.0"]),
        ("half_applied", "a migration of mlflow was interrupted", ["make check", "make upgrade"]),
        ("drifted", "changed by hand", ["make check", "make restore"]),
        ("foreign", "not MLflow's", ["make check", "set mlflow_mysql_database"]),
        ("orphaned", "objects whose definer does not exist (error 1449)", ["make check"]),
        ("unknown", "does not know", ["make check", "install a newer release"]),
        ("empty", "has no tables", ["make deploy"]),
    ],
)
def test_the_state_decides_what_comes_next(state: str, says: str, steps: list[str]) -> None:
    schema = {
        "state": state,
        "database": "mlflow",
        "wanted": "3.12.2",
        "versions": ["3.5.0", "3.6.0", "3.7.0"],
    }
    run = started(MAKE, inventory=[MAKE["MLFLOW_OPS_DEFAULT_INVENTORY"]])
    said = headline("store1", [schema], predicted=False)
    assert says in said and said.endswith(".")
    lines = next_steps(run, [schema])
    at = [next(n for n, line in enumerate(lines) if step in line) for step in steps]
    assert at == sorted(at)
    usable = state in ("current", "not compared")
    assert ("is ready" in said) is usable and ("mlflow server" in "\n".join(lines)) is usable
    predicted = headline("store1", [schema], predicted=True)
    assert "is ready" not in predicted and "othing was changed" in predicted
    assert lines[-1].endswith("make remove") and "make remove" not in "\n".join(
        next_steps(run, [schema], predicted=True)
    )


def test_one_schema_that_is_not_right_is_enough() -> None:
    good = {"state": "current", "database": "mlflow", "wanted": "3.12.2"}
    auth = {"state": "behind", "database": "auth", "wanted": "3.12.2"}
    assert headline("store1", [good, auth], predicted=False) == (
        "MLflow's backend store on store1 runs, but MLflow 3.12.2 cannot use it yet: auth has an older schema."
    )
    both = next_steps(started(MAKE), [{**good, "state": "behind"}, auth])
    assert len([line for line in both if "make upgrade" in line]) == 1


def test_the_filters_refuse_what_they_cannot_use() -> None:
    for wrong in ("", None, 1):
        with pytest.raises(AnsibleFilterError, match="not the name"):
            mlflow_mysql_command(wrong)  # type: ignore[arg-type]
    for wrong in ("current", {"state": "current"}, [{"state": "current"}]):
        with pytest.raises(AnsibleFilterError, match="not a list of schemas"):
            mlflow_mysql_next_steps(wrong, "store1")  # type: ignore[arg-type]
    assert "mlflow_ops.backend_store.uri" in mlflow_mysql_command("uri")
    assert mlflow_mysql_next_steps([], "store1")["headline"] == "MLflow's backend store on store1 is ready."


def test_the_steps_name_the_environment_of_mlflow() -> None:
    """Its pools and its certificates do not fit without it."""
    schemas = [{"state": "current", "database": "mlflow", "wanted": "3.12.2"}]
    lines = next_steps(started(MAKE), schemas, environment_file="/srv/a store/mlflow.env")
    assert any(line.endswith("set -a; . '/srv/a store/mlflow.env'; set +a") for line in lines)


def test_no_message_of_a_role_names_half_a_command() -> None:
    """A command without the run's inventory means another store."""
    for path in sorted((ROOT / "roles").glob("*/tasks/*.yml")):
        text = path.read_text(encoding="utf-8")
        assert "`make " not in text and "`mlflow_mysql_" not in text, path
        assert "run it with mlflow_mysql_" not in text, path
