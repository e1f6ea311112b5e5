# SPDX-License-Identifier: GPL-3.0-or-later
"""The store that variables describe, compared with the one that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store import identity
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store.layout import Home

HOME = "/srv/mlflow-mysql"
WANTED: dict[str, Any] = {"home": HOME, "container": "mlflow_mysql_db", "database": "mlflow"}
MEMBER = {"home": HOME, "same_home": True, "group": "22a437f4-65c6-59a4-909a-6b79052a0d45"}
SECRETS = ["root_password", "migrator_password", "container/mysql_password"]


def store(home: Path, *databases: str, auth: str = "") -> Path:
    """A directory like that of a store whose databases have MLflow's tables."""
    (home / "data/mysql").mkdir(parents=True)
    (home / "data/mysql.ibd").touch()
    for name in databases:
        (home / "data" / name).mkdir()
        (home / "data" / name / "experiments.ibd").touch()
    if auth:
        (home / "data" / auth).mkdir()
        (home / "data" / auth / "experiment_permissions.ibd").touch()
    return home


def host(**changes: Any) -> dict[str, Any]:
    """What is found of a store as WANTED has it."""
    found: dict[str, Any] = {
        "container": {"home": HOME, "same_home": True, "group": None},
        "data_users": [{"name": "mlflow_mysql_db", "state": "running"}],
        "data_dir": {"state": "mysql", "databases": {"mlflow": "tracking"}},
        "home": {"missing": []},
    }
    found.update(changes)
    return found


def test_databases_are_known_by_their_files(tmp_path: Path) -> None:
    home = store(tmp_path / "store", "mlflow", "team@002done", auth="users")
    (home / "data/other").mkdir()
    (home / "data/other/experiments.txt").touch()
    found = {"mlflow": "tracking", "team-one": "tracking", "users": "auth"}
    assert identity.databases_in(str(home / "data")) == found
    assert identity.databases_in(str(tmp_path / "nowhere")) == {}


def test_databases_of_others_are_known_by_their_files(tmp_path: Path) -> None:
    home = store(tmp_path / "store", "mlflow")
    for name in (
        *(
            "crm/customers.ibd",
            "parted/sales#p#p0.ibd",
            "old@002dapp/notes_1.sdi",
            "airflow/alembic_version.ibd",
        ),
        *(
            "airflow/dag.ibd",
            "nothing/db.opt",
            "begun/alembic_version.ibd",
            "begun_auth/alembic_version_auth.ibd",
        ),
        *("begun_auth/users.ibd", "ours/mlflow_ops_initialising.ibd", "ours/runs.ibd", "sys/sys_config.ibd"),
        "#innodb_temp/temp_1.ibt",
    ):
        (home / "data" / name).parent.mkdir(exist_ok=True)
        (home / "data" / name).touch()
    others = ("crm", "parted", "old-app", "airflow")
    assert identity.databases_in(str(home / "data")) == {
        "mlflow": "tracking",
        **dict.fromkeys(others, "other"),
    }


@pytest.mark.parametrize(
    "databases, wanted, variable",
    [
        ({"mlflow": "tracking", "crm": "other"}, {"auth_database": "crm"}, "mlflow_mysql_auth_database"),
        ({"crm": "other"}, {"database": "crm"}, "mlflow_mysql_database"),
    ],
)
def test_a_database_of_somebody_else_is_not_given_to_mlflow(
    databases: dict[str, str], wanted: dict[str, str], variable: str
) -> None:
    there = host(data_dir={"state": "mysql", "databases": databases})
    (problem,) = identity.problems(there, **{**WANTED, **wanted})
    assert problem.startswith(f"{variable} is crm, and that database has tables, none of which is MLflow's")
    assert "nothing was changed" in problem and f"Set {variable} to a name" in problem and "\n" not in problem
    # Beside MLflow's they are nobody's business; what is removed is not used.
    assert identity.problems(there, **{**WANTED, "auth_database": "new"}) == []
    assert identity.problems(there, **{**WANTED, **wanted}, present=False) == []
    # MLflow's are elsewhere: that is what is said.
    moved = host(data_dir={"state": "mysql", "databases": {"mlflow": "tracking", "crm": "other"}})
    (problem,) = identity.problems(moved, **{**WANTED, "database": "crm"})
    assert "Set mlflow_mysql_database to mlflow" in problem


def test_a_directory_is_the_same_by_whatever_path(tmp_path: Path) -> None:
    there = store(tmp_path / "there", "mlflow")
    (tmp_path / "link").symlink_to(there)
    other = store(tmp_path / "other", "mlflow")
    for path in (str(there), f"{there}/", f"{there}/../there", str(tmp_path / "link")):
        assert identity.same_store(str(there), path) and identity.same_store(path, str(there))
    for path in (str(other), str(tmp_path / "nothing")):
        assert not identity.same_store(str(there), path)
    # Neither is there: the container is that of a store that is gone.
    assert not identity.same_store(str(tmp_path / "gone"), str(tmp_path / "nothing"))
    # It was moved, with or without what a run leaves where it was.
    there.rename(tmp_path / "moved")
    assert identity.same_store(str(there), str(tmp_path / "moved"))
    (there / "run").mkdir(parents=True)
    assert identity.same_store(str(there), str(tmp_path / "moved"))


def test_what_is_there_and_is_wanted_is_no_problem() -> None:
    assert identity.problems(host(), **WANTED) == []
    nothing = {
        "container": None,
        "data_users": [],
        "data_dir": {"state": "absent"},
        "home": {"missing": SECRETS},
    }
    assert identity.problems(nothing, **WANTED) == []
    assert identity.problems({}, **WANTED) == []
    by_hand = {"home": None, "same_home": None, "group": None}
    assert identity.problems(host(container=by_hand), **WANTED) == []


@pytest.mark.parametrize(
    "found, wanted, said",
    [
        (
            {"container": {"home": "/srv/old", "same_home": False, "group": None}, "data_users": []},
            {},
            "is that of the store in /srv/old, and mlflow_mysql_home is /srv/mlflow-mysql",
        ),
        ({"container": None}, {"container": "new"}, "Set mlflow_mysql_container_name to mlflow_mysql_db"),
        ({}, {"database": "other"}, "experiments and runs in mlflow"),
        (
            {"data_dir": {"state": "mysql", "databases": {"mlflow": "tracking", "users": "auth"}}},
            {"auth_database": "auth"},
            "users and permissions in users",
        ),
        # It was set before.
        (
            {"data_dir": {"state": "mysql", "databases": {"mlflow": "tracking", "users": "auth"}}},
            {},
            "mlflow_mysql_auth_database is not set, and the store has MLflow's users and permissions in users",
        ),
        ({"home": {"missing": SECRETS}}, {}, "recover_access"),
        ({"home": {"missing": ["root_password"]}}, {}, f"{HOME}/secrets/root_password"),
        ({"home": {"missing": ["container/mysql_password"]}}, {}, "mlflow_mysql_user_password"),
        (
            {"container": MEMBER},
            {},
            "mlflow_mysql_group is not set",
        ),
        (
            {"container": MEMBER},
            {"group": "renamed"},
            "another name than mlflow_mysql_group, renamed",
        ),
        # A member has the passwords of the others, and recover_access is for a store by itself.
        ({"home": {"missing": SECRETS}}, {"group": "mlflow_store"}, "or those of another member"),
        (
            {"network": {"subnets": ["172.31.247.0/24"]}},
            {"group": "mlflow_store", "network": "net_group", "subnet": "172.31.99.0/24"},
            "mlflow_mysql_group_subnet is 172.31.99.0/24, and the network net_group has 172.31.247.0/24",
        ),
        (
            {"container": {**MEMBER, "networks": ["old_group"]}, "network": None},
            {"group": "mlflow_store", "network": "net_group", "subnet": "172.31.247.0/24"},
            "Set mlflow_mysql_network to old.",
        ),
    ],
)
def test_what_would_be_another_store_is_named(
    found: dict[str, Any], wanted: dict[str, Any], said: str
) -> None:
    (problem,) = identity.problems(host(**found), **{**WANTED, **wanted})
    assert said in problem and "nothing was changed" in problem and "\n" not in problem


def test_what_goes_on_with_what_is_there_is_left_alone() -> None:
    assert identity.problems(host(container=MEMBER), **WANTED, group="mlflow_store") == []
    # The members' network is as it was, or not there yet; that of a store by itself is no member's.
    wanted = {**WANTED, "group": "mlflow_store", "network": "net_group", "subnet": "172.31.247.0/24"}
    inside = host(container={**MEMBER, "networks": ["net_group"]}, network={"subnets": ["172.31.247.0/24"]})
    assert identity.problems(inside, **wanted) == []
    alone = {"home": HOME, "same_home": True, "group": None, "networks": ["net"]}
    assert identity.problems(host(container=alone, network=None), **wanted) == []
    assert identity.problems(host(container={**MEMBER, "networks": []}, network=None), **wanted) == []
    # A store by itself becomes a member; a database beside another; no auth app; secrets that a run makes anew.
    assert identity.problems(host(), **WANTED, group="mlflow_store") == []
    both = {"state": "mysql", "databases": {"mlflow": "tracking", "old": "tracking", "users": "auth"}}
    assert identity.problems(host(data_dir=both), **WANTED, auth_database="users") == []
    one = {"state": "mysql", "databases": {"mlflow": "tracking", "old": "tracking"}}
    assert identity.problems(host(data_dir=one), **WANTED) == []
    assert identity.problems(host(data_dir=both), **WANTED, present=False) == []
    assert identity.problems(host(home={"missing": ["migrator_password"]}), **WANTED) == []
    # Passwords that are given, and a run that is to make them.
    lost = host(home={"missing": SECRETS})
    assert identity.problems(lost, **WANTED, given=["root", "user"]) == []
    assert identity.problems(lost, **WANTED, recovers=True) == []
    # What is removed needs no password and no database, but must be the one that is meant.
    assert identity.problems(lost, **{**WANTED, "database": "other"}, present=False) == []
    other = {"home": "/srv/old", "same_home": False, "group": None}
    assert len(identity.problems(host(container=other), **WANTED, present=False)) == 1


@pytest.mark.parametrize("state", ["absent", "empty"])
def test_a_store_whose_data_is_gone_is_not_made_anew(state: str) -> None:
    """As on a disk that is not mounted."""
    gone = host(container=None, data_users=[], data_dir={"state": state, "made": True})
    (problem,) = identity.problems(gone, **WANTED)
    assert problem.startswith(f"{HOME}/data is empty, and there was a store in it: nothing was changed")
    assert "playbook restore" in problem and "mlflow_mysql_purge_data" in problem
    # A restore brings it back, a group too, and a host on which nothing was made gets its first.
    assert identity.problems(gone, **WANTED, restores=True) == []
    assert identity.problems(gone, **WANTED, group="team") == []
    assert identity.problems(gone, **WANTED, present=False) == []
    new = host(container=None, data_users=[], data_dir={"state": state, "made": False})
    assert identity.problems(new, **WANTED) == []


def test_a_store_that_was_removed_is_not_made_elsewhere(tmp_path: Path) -> None:
    """`remove` keeps the data, and nothing of the engine's says where it is."""
    records, old, new = str(tmp_path / "records"), store(tmp_path / "old", "mlflow"), tmp_path / "new"
    assert identity.other_home("db", str(new), records) is None
    first = Home(str(old), 0, check=False)
    first.record("db", records)
    assert first and identity.recorded("db", records) == str(old)
    again = Home(str(old), 0, check=False)
    again.record("db", records)
    assert not again
    assert identity.other_home("db", str(old), records) is None
    assert identity.other_home("db", str(new), records) == str(old)
    assert identity.other_home("another", str(new), records) is None

    removed = host(container=None, data_users=[], data_dir={"state": "absent"}, other_home=str(old))
    (problem,) = identity.problems(removed, **WANTED)
    assert f"is in {old}, where its data was kept" in problem and "nothing was changed" in problem
    assert "mlflow_mysql_purge_data=true" in problem and "mlflow_mysql_container_name" in problem
    # It is restored there, comes from other members, is used no more, or was copied.
    assert identity.problems(removed, **WANTED, restores=True) == []
    assert identity.problems(removed, **WANTED, group="team") == []
    assert identity.problems(removed, **WANTED, present=False) == []
    assert identity.problems({**removed, "data_dir": host()["data_dir"]}, **WANTED) == []

    # Under another name it is the same store, and the first name is free.
    Home(str(old), 0, check=False).record("renamed", records)
    assert (identity.recorded("db", records), identity.recorded("renamed", records)) == (None, str(old))
    # What is removed with its data, or was moved, is not missed.
    Home(str(new), 0, check=False).forget("renamed", records)
    assert identity.recorded("renamed", records) == str(old)
    old.rename(new)
    assert identity.other_home("renamed", str(new), records) is None
    old.mkdir()
    Home(str(old), 0, check=False).forget("renamed", records)
    assert identity.recorded("renamed", records) is None
