# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the store that variables describe is the one that is there. Private to this collection.

A variable that names a thing makes another, empty one when it is changed: another home, another container on the same
data, another database. What is there is known without a login, from the engine and from the names of files.
"""

from __future__ import annotations

import os
import re
import uuid
from typing import Any, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker.container import ASIDE
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import system_names

# A table of each of MLflow's two schemas that no revision lacks.
WITNESSES = {"tracking": "experiments.ibd", "auth": "experiment_permissions.ibd"}
# Tables of a schema of MLflow's that is being made, before there is a witness: this collection's own, and Alembic's.
BEGINNINGS = ("mlflow_ops_initialising", "alembic_version_auth")
UNDECIDED = {"alembic_version"}
OTHER = "other"
TABLE_FILES = (".ibd", ".sdi")
SYSTEM = (*system_names.DATABASES, "#innodb_redo", "#innodb_temp")
# What ansible's filter `to_uuid` makes names in.
NAMESPACE = uuid.UUID("361E6D51-FAEC-444A-9079-341386DA8E2E")
# A file for each store of the host, by the name of its container: where its data is once the container is removed.
RECORDS = "/var/lib/mlflow-mysql/stores"
GROUP_NAME = "--loose-group-replication-group-name="
# What the name of the network of a group's member has after mlflow_mysql_network.
OF_GROUP = "_group"
# Without root's nobody gets in, and without the user's MLflow does not; others are made anew by a run.
VITAL = {"root": "root_password", "user": "container/mysql_password"}


def database_of(directory: str) -> str:
    """Return the name of the database whose files are in a directory: MySQL writes `-` as `@002d`."""
    return re.sub("@([0-9a-f]{4})", lambda found: chr(int(found.group(1), 16)), directory)


def databases_in(data: str) -> dict[str, str]:
    """Return each database of a data directory that has tables, with `tracking`, `auth` or `other`: none is MLflow's.

    One whose tables MLflow, or this collection, may just have begun to make is left out.
    """
    found: dict[str, str] = {}
    try:
        names = sorted(os.listdir(data))
    except OSError:
        return found
    for name in names:
        if name in SYSTEM:
            continue
        for kind, witness in WITNESSES.items():
            if os.path.isfile(os.path.join(data, name, witness)):
                found.setdefault(database_of(name), kind)
        if database_of(name) not in found:
            tables = tables_in(os.path.join(data, name))
            if tables - UNDECIDED and not tables & set(BEGINNINGS):
                found[database_of(name)] = OTHER
    return found


def tables_in(directory: str) -> set[str]:
    """Return the names of the tables whose files are in a database's directory; a partition's has a `#` after it."""
    try:
        names = os.listdir(directory)
    except OSError:
        return set()
    return {
        database_of(os.path.splitext(name)[0].split("#")[0]) for name in names if name.endswith(TABLE_FILES)
    } - {""}


def has_data(home: str) -> bool:
    """Return whether a store's directory holds a server's data."""
    return os.path.isfile(os.path.join(home, "data", "mysql.ibd"))


def same_store(there: str, wanted: str) -> bool:
    """Return whether a container that was made for the directory ``there`` is that of the store in ``wanted``.

    It is when both are one directory, whatever it is called, and when the store was moved from the one to the other.
    """
    try:
        if os.path.samefile(there, wanted):
            return True
    except OSError:
        pass
    if os.path.realpath(there) == os.path.realpath(wanted):
        return True
    return has_data(wanted) and not has_data(there)


def record_of(container: str, records: str = RECORDS) -> str:
    """Return the path of the file that says where the store of a container is."""
    return os.path.join(records, re.sub(r"[^\w.-]", "_", container))


def recorded(container: str, records: str = RECORDS) -> str | None:
    """Return where the store of a container is, or was, on this host; ``None`` if there never was one."""
    try:
        with open(record_of(container, records), encoding="utf-8", errors="replace") as stream:
            return stream.read().strip() or None
    except OSError:
        return None


def other_home(container: str, wanted: str, records: str = RECORDS) -> str | None:
    """Return where else there is data of the store of a container, which may be removed, than in ``wanted``."""
    there = recorded(container, records)
    return there if there and has_data(there) and not same_store(there, wanted) else None


def stale_records(container: str, home: str, records: str = RECORDS) -> list[str]:
    """Return the records of the store in ``home`` by other names than its container has now."""
    try:
        names = sorted(os.listdir(records))
    except OSError:
        return []
    own = os.path.basename(record_of(container))
    return [os.path.join(records, name) for name in names if name != own and recorded(name, records) == home]


def group_of(command: Sequence[str]) -> str | None:
    """Return the name by which a member's server knows its group, from the command of its container."""
    return next((part[len(GROUP_NAME) :] for part in command if part.startswith(GROUP_NAME)), None)


def problems(
    host: Mapping[str, Any],
    home: str,
    container: str,
    database: str,
    auth_database: str | None = None,
    group: str | None = None,
    given: Sequence[str] = (),
    present: bool = True,
    recovers: bool = False,
    restores: bool = False,
    network: str | None = None,
    subnet: str | None = None,
) -> list[str]:
    """Return what is wrong with the variables, given what ``mlflow_mysql_host_info`` found on a host.

    ``given`` are the accounts whose passwords are in variables. ``present`` is whether the store is to run or is used,
    ``recovers`` whether this run is to give root a new password, and ``restores`` whether it brings the data back.
    ``network`` is the name of the network that the container is to be in, and ``subnet`` the addresses that it has on
    each member of a group.
    """
    found = []
    there = host.get("container") or {}
    own = not there or there.get("home") is not None
    same = there.get("same_home") is not False
    if own and not same:
        found.append(
            f"The container {container} is that of the store in {there['home']}, and mlflow_mysql_home is {home}, "
            "where MLflow would find another store: nothing was changed. "
            f"Set mlflow_mysql_home to {there['home']}. To move the store, run the playbook remove with that, which "
            f"keeps the data, move the directory (mv {there['home']} {home}) and deploy with the new one. For a second "
            "store choose another mlflow_mysql_container_name, mlflow_mysql_port and mlflow_mysql_image too."
        )
    for other in host.get("data_users") or []:
        # What a run that was interrupted may have left of the one before never starts by itself.
        if other["name"] not in (container, ASIDE.format(container)):
            found.append(
                f"The container {other['name']} is on the data in {home}/data already, and "
                f"mlflow_mysql_container_name is {container}: two servers on one directory destroy it, and nothing "
                f"was changed. Set mlflow_mysql_container_name to {other['name']}. To give it the new name, run the "
                "playbook remove with the old one, which keeps the data, and deploy with the new one. For a second "
                "store choose another mlflow_mysql_home too."
            )
    if not present:
        return found
    data = host.get("data_dir") or {}
    # Where the home is wrong, what is in it says nothing.
    if data.get("state") == "mysql" and same:
        found += _databases(data.get("databases") or {}, database, auth_database)
        lost = [] if recovers else _lost(host, given)
        if lost:
            paths = " and ".join(f"{home}/secrets/{VITAL[name]}" for name in lost)
            found.append(
                f"There is a store in {home}/data, and its password is not in {paths}: nothing was changed. Put the "
                "secrets of this store back (a copy of secrets/"
                + (", or those of another member, which are the same" if group is not None else "")
                + ")"
                + (", or give the password in " if group is not None else ", give the password in ")
                + " and ".join(f"mlflow_mysql_{name}_password" for name in lost)
                + (
                    "."
                    if group is not None
                    else ", or run the playbook recover_access, which gives the store new ones and keeps its data."
                )
            )
    if (
        data.get("made")
        and data.get("state") in ("absent", "empty")
        and same
        and group is None
        and not restores
    ):
        found.append(
            f"{home}/data is empty, and there was a store in it: nothing was changed, and MLflow would find an empty "
            "one. Mount the disk of its data, or bring the data back with the playbook restore. To make a new store in "
            "its place, run the playbook remove with mlflow_mysql_purge_data=true first, which keeps the backups."
        )
    other = host.get("other_home")
    if other and not there and data.get("state") in ("absent", "empty") and group is None and not restores:
        found.append(
            f"The store of the container {container} is in {other}, where its data was kept, and mlflow_mysql_home is "
            f"{home}, where there is none: nothing was changed, and MLflow would find an empty store. Set "
            f"mlflow_mysql_home to {other}, or move that directory (mv {other} {home}) and deploy again. For a second "
            "store choose another mlflow_mysql_container_name, mlflow_mysql_port and mlflow_mysql_image too. If the "
            f"data in {other} is not wanted any more, run the playbook remove with that home and "
            "mlflow_mysql_purge_data=true, which keeps its backups."
        )
    if own and there and same:
        found += _groups(there.get("group"), group, container)
    if group is not None and same and network is not None and subnet is not None:
        found += _networks(host, container, network, subnet)
    return found


def _networks(host: Mapping[str, Any], container: str, network: str, subnet: str) -> list[str]:
    """Members let in what comes from the addresses of their network, which are the same on each."""
    subnets = (host.get("network") or {}).get("subnets") or []
    if subnets and subnet not in subnets:
        return [
            f"mlflow_mysql_group_subnet is {subnet}, and the network {network} has {' and '.join(subnets)}: nothing "
            "was changed, and what connects on this host would not be let in. Set mlflow_mysql_group_subnet to "
            f"{subnets[0]}, on all members. If no container is in the network any more, docker network rm {network} "
            "removes it."
        ]
    there = host.get("container") or {}
    others = [name for name in there.get("networks") or [] if name.endswith(OF_GROUP)]
    if there.get("group") is not None and others and network not in others:
        return [
            f"The container {container} is in the network {others[0]}, and mlflow_mysql_network would have it be in "
            f"{network}, which cannot have the same addresses ({subnet}) beside it: nothing was changed. Set "
            f"mlflow_mysql_network to {others[0][: -len(OF_GROUP)]}."
        ]
    return []


def _databases(there: Mapping[str, str], database: str, auth_database: str | None) -> list[str]:
    found = []
    for kind, variable, wanted in (
        ("tracking", "mlflow_mysql_database", database),
        ("auth", "mlflow_mysql_auth_database", auth_database),
    ):
        others = [name for name, one in there.items() if one == kind]
        if wanted is not None and there.get(wanted) == OTHER and not others:
            found.append(
                f"{variable} is {wanted}, and that database has tables, none of which is MLflow's: nothing was "
                f"changed, and MLflow's user, the migrator and the backups would have got rights on all of them. Set "
                f"{variable} to a name that no database has, which is made, or to an empty one."
            )
            continue
        if not others or wanted in others:
            continue
        if wanted is None:
            found.append(
                f"{variable} is not set, and the store has MLflow's users and permissions in {' and '.join(others)}: "
                "nothing was changed, and MLflow's auth app would be left out of checks, upgrades, drills and the "
                f"count of connections. Set {variable} to {others[0]}. If the auth app is used no more, drop that "
                "database first, as docs/changing.md says."
            )
            continue
        what = "experiments and runs" if kind == "tracking" else "users and permissions"
        found.append(
            f"{variable} is {wanted}, where there is nothing of MLflow's, and the store has MLflow's {what} in "
            f"{' and '.join(others)}: nothing was changed, and MLflow would find an empty database. Set {variable} to "
            f"{others[0]}. docs/changing.md says how to give a database another name; a second one is a store of its "
            "own, with another mlflow_mysql_home, mlflow_mysql_container_name and mlflow_mysql_port."
        )
    return found


def _lost(host: Mapping[str, Any], given: Sequence[str]) -> list[str]:
    missing = (host.get("home") or {}).get("missing") or []
    return [name for name, path in VITAL.items() if path in missing and name not in given]


def _groups(there: str | None, group: str | None, container: str) -> list[str]:
    if there is None:
        return []
    if group is None:
        return [
            f"The container {container} is a member of a group, and mlflow_mysql_group is not set: as a standalone "
            "store it would accept writes that the group lacks, and nothing was changed. Set mlflow_mysql_group as "
            "before. To make it a standalone store, remove the host from the group (playbook group_out), remove its "
            "container (playbook remove, which keeps the data), and deploy."
        ]
    if there != str(uuid.uuid5(NAMESPACE, group)):
        return [
            f"The container {container} is a member of a group of another name than mlflow_mysql_group, {group}, "
            "by which members know one another: nothing was changed. Leave the name of the inventory's group as it was."
        ]
    return []
