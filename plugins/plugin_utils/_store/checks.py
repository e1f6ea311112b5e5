# SPDX-License-Identifier: GPL-3.0-or-later
"""Every problem that can be seen before anything is touched: what is wrong, and which variable to set."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Callable, Iterator, Mapping

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import system_names
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._store import (
    identity as store_identity,
)
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store import accounts, group, plan
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.images import version_key
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.inputs import to_int
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.settings import setting_problems
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.sizing import OTHER_CONNECTIONS

RESERVED_USERS = ("root", *system_names.ACCOUNTS)
DATABASE = re.compile("[A-Za-z0-9_-]{1,64}")
USER = re.compile("[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")
HOME = re.compile(r"/[^\n:\s]+")
MOST_HOME = 85  # the path of a socket is limited
PASSWORD = re.compile(r"[^\x00-\x1f\x7f]{8,}")
SETTING = re.compile("[A-Za-z][A-Za-z0-9_-]*")
# The variables of MySQL's image have variables of this role, and what decides which programs are read is the image's.
ENVIRONMENT = re.compile("(?!MYSQL|(PATH|HOME|BASH_ENV)$)[A-Za-z_][A-Za-z0-9_]*")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# A path of a file is none.
SECRET = re.compile("(?i)(?!MYSQL)(?!.*_FILE$).*(PASSW|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|_KEY$)")
REGISTRY = re.compile(r"([^/]*[.:][^/]*|localhost)/")
MOST_MEMBERS = 9
MOST_CONNECTIONS = 100000
MOST_TLS_DAYS = 3650
# MiB that MySQL needs besides its buffer pool, that a new store wants, and that an image does.
BESIDES_POOL_MB = 512
NEW_STORE_MB = 1024
IMAGE_MB = 256
LEAST_POOL_MB = 5
# MySQL upgrades from one long-term support series to the next only.
OLDEST_SERIES = "8.4"

Problems = Iterator[str]


def problems(found: plan.Plan) -> list[str]:
    """Return all problems, in the order in which a reader looks for their causes."""
    checks: tuple[Callable[[plan.Plan], Problems], ...] = (
        names,
        passwords,
        allowed_hosts,
        members,
        certificates,
        sizes,
        connections,
        settings,
        engine,
        image,
        place,
        data,
        space,
    )
    return [
        *identity(found.outline, found.host.found),
        *(problem for check in checks for problem in check(found)),
    ]


def identity(found: plan.Outline, host: Mapping[str, Any]) -> Problems:
    """Whether the store that the variables describe is the one that is there."""
    options, run = found.options, found.run
    yield from store_identity.problems(
        host,
        home=options.home,
        container=options.container_name,
        database=options.database,
        auth_database=options.auth_database,
        group=options.group,
        given=found.passwords.given,
        present=options.state == "present",
        recovers=run.recovers,
        restores=run.restores,
        network=found.network,
        subnet=options.group_subnet,
    )


def names(found: plan.Plan) -> Problems:
    options = found.outline.options
    if not HOME.fullmatch(options.home) or len(options.home) > MOST_HOME:
        yield (
            f"mlflow_mysql_home is {options.home}: give an absolute path of at most 85 characters (the path "
            "of a socket is limited) without spaces and colons."
        )
    auth = options.auth_database
    if auth is not None and (_is_no_database(str(auth)) or auth == options.database):
        yield (
            f"mlflow_mysql_auth_database is '{auth}': choose a name of at most 64 letters, digits, '_' and "
            "'-' that is not mlflow_mysql_database."
        )
    if not isinstance(options.database, str) or _is_no_database(options.database):
        yield (
            f"mlflow_mysql_database is '{options.database}': choose a name of at most 64 letters, digits, "
            "'_' and '-' that is not one of MySQL's own databases."
        )
    if _is_no_user(options.user):
        yield (
            f"mlflow_mysql_user is '{options.user}': choose a name of at most 32 letters, digits, '_', '.' "
            "and '-' that is not root or another of MySQL's own accounts."
        )
    if _is_no_user(options.migrator_user) or options.migrator_user == options.user:
        yield (
            f"mlflow_mysql_migrator_user is '{options.migrator_user}': choose a name of at most 32 letters, "
            "digits, '_', '.' and '-' that is neither mlflow_mysql_user nor one of MySQL's own accounts."
        )
    if _is_no_user(options.backup_user) or options.backup_user in (options.user, options.migrator_user):
        yield (
            f"mlflow_mysql_backup_user is '{options.backup_user}': choose a name of at most 32 letters, "
            "digits, '_', '.' and '-' that is neither mlflow_mysql_user nor mlflow_mysql_migrator_user nor "
            "one of MySQL's own accounts."
        )


def _is_no_database(name: str) -> bool:
    return not DATABASE.fullmatch(name) or name.lower() in system_names.DATABASES


def _is_no_user(name: Any) -> bool:
    return not isinstance(name, str) or not USER.fullmatch(name) or name.lower() in RESERVED_USERS


def passwords(found: plan.Plan) -> Problems:
    policy = found.outline.options.password_policy
    given = found.outline.given
    values = given.given()
    bad = [name for name, password in values.items() if not PASSWORD.fullmatch(str(password))]
    bad = list(dict.fromkeys([*bad, *(name for name in values if not isinstance(values[name], str))]))
    if bad:
        yield (
            f"{_password_variables(bad)}: a password must be a string (quote numbers) of at least 8 "
            "characters without control characters. Leave the variable out to have one generated on the "
            "host."
        )
    weak = accounts.weak(given)
    if policy in ("medium", "strong") and weak:
        yield (
            f"{_password_variables(weak)}: mlflow_mysql_password_policy {policy} wants at least 14 "
            "characters with lower and upper case, a digit and another character. Choose a better one, "
            "leave the variable out to have one generated, or set mlflow_mysql_password_policy to low."
        )


def _password_variables(names: list[str]) -> str:
    return ", ".join(f"mlflow_mysql_{name}_password" for name in names)


def allowed_hosts(found: plan.Plan) -> Problems:
    bad = [str(host) for host in found.outline.options.allowed_hosts or () if not is_host(str(host))]
    if bad:
        yield (
            f"mlflow_mysql_allowed_hosts has {', '.join(bad)}: give addresses (10.20.0.7), networks whose "
            "address has no host bits (10.20.0.0/16), or '%' for all; the server does not look up names."
        )


def is_host(text: str) -> bool:
    """Return whether an account may have this for its host: an address, a network of IPv4, or everybody."""
    if text == "%":
        return True
    try:
        # A scope (%eth0) would be a pattern of MySQL's.
        if ":" in text:
            ipaddress.IPv6Address(text)
            return re.fullmatch("[0-9A-Fa-f:]+", text) is not None
        address, slash, bits = text.partition("/")
        ipaddress.IPv4Network(text)
        return not slash or re.fullmatch("[0-9]{1,2}", bits) is not None
    except ValueError:
        return False


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def members(found: plan.Plan) -> Problems:
    options, run, there = found.outline.options, found.outline.run, found.outline.group
    if options.group is None:
        return
    many = len(there.members)
    if options.state == "present" and not run.by_group:
        yield (
            f"This host is to be a member of the group {options.group} (mlflow_mysql_group): use "
            "playbooks/deploy_group.yml and the other playbooks of a group, which know its members, "
            "instead of this one, which is for a standalone store."
        )
    if run.name not in there.members:
        yield (
            f"mlflow_mysql_group is {options.group}, and the inventory has no group of that name with this "
            "host in it: name the group that holds all members."
        )
    if many > MOST_MEMBERS:
        yield (
            f"The group {options.group} has {many} hosts, and MySQL takes 9 members at most: take hosts out "
            "of it; three or five are usual."
        )
    if many % 2 == 0:
        yield (
            f"The group {options.group} has {many} hosts, and half of them are no majority, so that one of "
            "them is of no use: choose 3, 5 or 7."
        )
    nameless = [host for host, address in there.addresses.items() if not _is_address(address)]
    if nameless:
        yield (
            f"Members reach one another by address, and {', '.join(nameless)} is known by a name: set "
            "mlflow_mysql_group_address to the IPv4 address there by which the other members reach it."
        )
    if len({*there.addresses.values()}) != many or len({*there.names.values()}) != many:
        yield (
            f"Two members have the same name or address ({', '.join(there.addresses.values())}): give each "
            "host a mlflow_mysql_group_address of its own, and names that differ in more than punctuation."
        )
    if accounts.is_loopback(options.bind_address) or options.port != group.PORT:
        yield (
            f"A member publishes port {group.PORT} where the others reach it, not "
            f"{options.bind_address}:{options.port}: set mlflow_mysql_bind_address to 0.0.0.0 or to the "
            f"host's address in their network, and mlflow_mysql_port to {group.PORT}."
        )
    if "/" not in options.group_subnet or not is_host(options.group_subnet):
        yield (
            f"mlflow_mysql_group_subnet is {options.group_subnet}: give a network whose address has no host "
            "bits, such as 172.31.247.0/24."
        )
    if not found.outline.tls.on:
        yield "Members send everything that is written to one another: set mlflow_mysql_tls to generated or provided."
    if options.require_x509:
        yield (
            "mlflow_mysql_require_x509 is not for members of a group, each of which has its own CA: "
            "MLflow's certificate would be valid for one of them only. Set it to false."
        )
    if options.restart_policy == "no":
        yield (
            "mlflow_mysql_restart_policy is 'no', and a member that got a copy of the data ends and must "
            "be started again: choose unless-stopped."
        )
    if found.host.engine.rootless:
        yield (
            "The engine is rootless and hides where connections come from, by which members know one "
            "another: use an engine of the system's."
        )
    bad = _bad_group_users(found)
    if bad:
        yield (
            f"{', '.join(bad)}: choose for mlflow_mysql_group_user and mlflow_mysql_route_user two names of "
            "at most 32 letters, digits, '_', '.' and '-' that no other account of this role has."
        )


def _bad_group_users(found: plan.Plan) -> list[str]:
    options = found.outline.options
    wanted = [str(options.group_user), str(options.route_user)]
    taken = (options.user, options.migrator_user, options.backup_user, *RESERVED_USERS)
    return [
        *(name for name in wanted if name in taken),
        *(name for name in wanted if not USER.fullmatch(name)),
        *(wanted[1:] if wanted[0] == wanted[1] else []),
    ]


def certificates(found: plan.Plan) -> Problems:
    options, run, wanted = found.outline.options, found.outline.run, found.outline.tls
    if options.require_x509 and not wanted.on:
        yield "mlflow_mysql_require_x509 needs TLS: set mlflow_mysql_tls to generated or provided."
    if options.tls == "provided" and wanted.missing:
        yield (
            f"mlflow_mysql_tls is provided: set {', '.join(wanted.missing)} too, or set mlflow_mysql_tls to "
            "generated."
        )
    wrong = [problem for material in run.material.values() for problem in material.problems]
    if wrong:
        yield (
            f"The TLS files cannot be used: {'; '.join(wrong)}. Correct mlflow_mysql_tls_ca, "
            "mlflow_mysql_tls_certificate and mlflow_mysql_tls_key, or set mlflow_mysql_tls to generated."
        )
    if options.tls_days <= options.tls_renew_days or options.tls_days > MOST_TLS_DAYS:
        yield (
            f"mlflow_mysql_tls_days is {options.tls_days}: choose more than mlflow_mysql_tls_renew_days "
            f"({options.tls_renew_days}) and at most 3650."
        )


def sizes(found: plan.Plan) -> Problems:
    memory, pool = found.outline.options.memory_mb, found.sizes.buffer_pool_mb
    if memory is not None and pool is not None and memory < pool + BESIDES_POOL_MB:
        yield (
            f"mlflow_mysql_memory_mb is {memory}: MySQL needs 512 MiB in addition to its buffer pool of {pool} "
            "MiB. Choose more, or a smaller mlflow_mysql_buffer_pool_mb."
        )


def connections(found: plan.Plan) -> Problems:
    options, wanted = found.outline.options, found.outline.connections
    workers, pool, present = options.server_workers, options.server_pool, options.state == "present"
    maximum = to_int(wanted.maximum)
    takes = f"{workers} workers of MLflow can open {wanted.server} connections ({wanted.pools} pools of {pool} each)"
    if workers < 1:
        yield (
            f"mlflow_mysql_server_workers is {workers}: say how many workers the MLflow servers of this "
            "store have together, at least 1."
        )
    if pool < 2:
        yield (
            f"mlflow_mysql_server_pool is {pool}: choose at least 2; with fewer than 41 a worker that has "
            "much to do may wait for itself."
        )
    if not 1 <= maximum <= MOST_CONNECTIONS:
        yield (
            f"max_connections would be {wanted.maximum}: MySQL takes a number from 1 to 100000. Correct "
            f"{wanted.source}, or choose fewer mlflow_mysql_server_workers."
        )
    if present and maximum < wanted.needed:
        remedies = [f"at least {wanted.needed}"]
        if wanted.workers_that_fit > 0:
            remedies.append(f"at most {wanted.workers_that_fit} mlflow_mysql_server_workers")
        if wanted.pool_that_fits > 1:
            remedies.append(f"an mlflow_mysql_server_pool of at most {wanted.pool_that_fits}")
        yield (
            f"{wanted.source} is {wanted.maximum}, and {takes}, plus {OTHER_CONNECTIONS} for backups and "
            f"others: choose {', or '.join(remedies)}."
        )
    limit = options.max_user_connections
    if present and limit is not None and 0 < limit < wanted.server:
        yield (
            f"mlflow_mysql_max_user_connections is {limit}, and {takes}: choose at least {wanted.server}, "
            "fewer mlflow_mysql_server_workers, or a smaller mlflow_mysql_server_pool."
        )
    if options.rotation_window < 0:
        yield (
            f"mlflow_mysql_rotation_window is {options.rotation_window}: give a number of seconds, 0 to "
            "make old passwords invalid at once."
        )


def settings(found: plan.Plan) -> Problems:
    options, others = found.outline.options, found.outline.others
    if not 1 <= options.port <= 65535:
        yield f"mlflow_mysql_port is {options.port}: choose a port from 1 to 65535."
    bad = [
        *(str(name) for name in options.settings if not SETTING.fullmatch(str(name))),
        *_of_many_lines(options.settings),
    ]
    if bad:
        yield (
            f"mlflow_mysql_settings has {', '.join(bad)}: a setting is a name of letters, digits, '_' and "
            "'-' with a number, a boolean or a string of one line."
        )
    # What the other roles rely on; known in one place.
    taken = setting_problems(
        options.settings,
        backups=others.backups,
        group=options.group is not None,
        tls=found.outline.tls.on,
        connections=found.outline.connections.server,
    )
    if options.state == "present" and taken:
        yield "\n".join(taken)
    bad = [
        *(str(name) for name in options.environment if not ENVIRONMENT.fullmatch(str(name))),
        *(str(name) for name, value in options.environment.items() if CONTROL.search(str(value))),
    ]
    if bad:
        yield (
            f"mlflow_mysql_environment has {', '.join(bad)}: a name has letters, digits and '_', a value is "
            "a string of one line, the variables of MySQL's image have variables of this role, and what "
            "decides which programs and files are read (PATH, HOME, BASH_ENV) is the image's."
        )
    secret = [str(name) for name in options.environment if SECRET.match(str(name))]
    if secret:
        yield (
            f"mlflow_mysql_environment has {', '.join(secret)}, whose name is that of a secret, and whoever "
            "reads the image, or asks the engine of the container, sees its value: give the passwords of "
            "accounts in mlflow_mysql_root_password, mlflow_mysql_migrator_password, "
            "mlflow_mysql_backup_password and mlflow_mysql_user_password, and take others out."
        )
    pool = found.sizes.buffer_pool_mb
    if pool is not None and pool < LEAST_POOL_MB:
        yield f"mlflow_mysql_buffer_pool_mb is {options.buffer_pool_mb}: choose at least 5 MiB."


def _of_many_lines(values: Any) -> list[str]:
    return [str(name) for name, value in values.items() if "\n" in str(value)]


def engine(found: plan.Plan) -> Problems:
    options, others, there = found.outline.options, found.outline.others, found.host.engine
    if there.version is None and others.engine_host is not None:
        yield (
            f"No Docker Engine answers at {others.engine_host} ({there.error}): start it, or leave "
            "docker_engine_host out."
        )
    if there.version is None and others.engine_host is None and not others.engine_manage:
        yield (
            f"No Docker Engine answers ({there.error}) and docker_engine_manage is false: install and start "
            "one, or set docker_engine_manage to true."
        )
    if there.rootless and found.host.home.uid is None:
        yield (
            f"The engine is rootless, and /etc/subuid does not say which user the container's {plan.UID} "
            f"is: give the engine's user at least {plan.UID} subordinate IDs."
        )
    if (
        there.rootless
        and not accounts.is_loopback(options.bind_address)
        and options.allowed_hosts is not None
        and "%" not in options.allowed_hosts
        and there.port_driver != "slirp4netns"
    ):
        yield (
            f"The engine is rootless, and with its port driver {there.port_driver} the server takes every "
            "client for this host, so that mlflow_mysql_allowed_hosts would let everybody in. Start the "
            "engine with DOCKERD_ROOTLESS_ROOTLESSKIT_PORT_DRIVER=slirp4netns, or set "
            "mlflow_mysql_allowed_hosts to ['%'] and limit who comes in with a firewall."
        )
    python = found.host.python
    if python.missing and not python.sees_packages:
        yield (
            f"The interpreter {python.executable} lacks {', '.join(python.missing)} and does not see the "
            "distribution's packages: install them into it (pip install requests PyMySQL cryptography), or "
            "set ansible_python_interpreter to the system's, /usr/bin/python3."
        )


def image(found: plan.Plan) -> Problems:
    options, wanted = found.outline.options, found.image
    if (
        options.state == "present"
        and not wanted.base_is_there
        and wanted.id is None
        and not wanted.base_is_ours
    ):
        yield (
            f"The base image {options.base_image} is not on the host: put it there, or leave "
            "mlflow_mysql_base_image out and choose with the variables of the role mysql_base_image."
        )
    if options.image_distribution == "registry" and not REGISTRY.match(options.image):
        yield (
            "mlflow_mysql_image_distribution is registry: name one in mlflow_mysql_image, as "
            f"registry.example.org/team/mlflow-mysql, not {options.image}."
        )
    if not found.container.ours:
        yield (
            f"There is a container {options.container_name} that this role did not make. Rename or remove "
            "it, or choose another mlflow_mysql_container_name."
        )


def place(found: plan.Plan) -> Problems:
    """The port and the directories."""
    options, host = found.outline.options, found.host
    present = options.state == "present"
    if present and host.port.no_address:
        yield (
            f"The host has no address {options.bind_address} ({host.port.reason}): set mlflow_mysql_bind_address to "
            "one that it has (ip address), 127.0.0.1 for this host alone, or 0.0.0.0 for all."
        )
    taken = not host.port.free and not host.port.no_address and 0 < options.port < 65536
    if present and taken and host.port.container != options.container_name:
        by = f" by the container {host.port.container}" if host.port.container else ""
        yield (
            f"Port {options.port} on {options.bind_address} cannot be used ({host.port.reason}{by}): free "
            "it, or choose another mlflow_mysql_port or mlflow_mysql_bind_address."
        )
    if (present or (options.state == "absent" and options.purge_data)) and host.home.problems:
        yield "\n".join(host.home.problems)


def data(found: plan.Plan) -> Problems:
    """The data directory, and the MySQL that wrote what is in it."""
    options, host = found.outline.options, found.host
    directory, uid = found.outline.paths.data, host.home.uid
    if options.state != "present":
        return
    if not host.data.writable and not host.home.problems:
        yield (
            f"The data directory {directory} cannot be written to: mount its file system writable, or "
            "choose another mlflow_mysql_home."
        )
    if host.data.state == "foreign" and not host.home.problems:
        yield (
            f"{directory} is not empty and not a MySQL data directory (it has "
            f"{', '.join(host.data.sample)}): move that elsewhere, or choose another mlflow_mysql_home."
        )
    if not found.has_data:
        return
    if host.data.uid != uid:
        yield (
            f"The files in {directory} belong to uid {host.data.uid} and the container's server runs as uid "
            f"{uid}: stop whatever server uses them, then run `chown -R {uid}:{uid} {directory}`, or choose "
            "another mlflow_mysql_home."
        )
    yield from _versions(found)


def _versions(found: plan.Plan) -> Problems:
    there, base = found.data_version, found.image.base_version
    if version_key(there) > version_key(base or "0"):
        yield (
            f"The data directory was written by MySQL {there}, which is newer than the base image's {base}, "
            f"and MySQL cannot go back: set mysql_base_image_version to {there} or newer, or restore a "
            "backup into an empty mlflow_mysql_home."
        )
    if version_key(there) < version_key(OLDEST_SERIES):
        yield (
            f"The data directory was written by MySQL {'before 8.4' if there == '0' else there}: upgrade it "
            "to 8.4 first with MySQL's own tools, since MySQL upgrades from one long-term support series "
            "to the next only, or choose another mlflow_mysql_home."
        )
    elif (
        not found.outline.options.allow_upgrade
        and version_key(there)[:2] != version_key(base or "0")[:2]
        and version_key(there) < version_key(base or "0")
    ):
        yield (
            f"The data directory was written by MySQL {there} and the base image has {base}. That upgrade "
            "cannot be undone: back the store up and set mlflow_mysql_allow_upgrade to true, or set "
            f"mysql_base_image_version to {there}."
        )


def space(found: plan.Plan) -> Problems:
    host = found.host
    if found.outline.options.state != "present":
        return
    if host.data.state not in ("mysql", "swapping") and host.data.free_mb < NEW_STORE_MB:
        yield (
            f"The file system of {found.outline.paths.data} has {host.data.free_mb} MiB free and a new "
            "store wants 1024: free some, or choose another mlflow_mysql_home."
        )
    if host.docker_free_mb < IMAGE_MB:
        yield (
            f"The file system of Docker Engine has {host.docker_free_mb} MiB free and the image wants 256: "
            "free some."
        )
