# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store must be, computed from the user's variables and from what was found on the host.

In two steps: what follows from the variables and the inventory alone, which says what is to be looked at on the host
(`outline`), and the whole (`plan`). Nothing is read, and nothing of Ansible's is used; no secret is in either.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker.cli import LABEL
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store import (
    accounts,
    group,
    images,
    sizing,
    tls,
)
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.accounts import (
    AccountPlan,
    PasswordPlan,
    RotationPlan,
)
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.group import Group
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.images import ImagePlan
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.inputs import (
    Host,
    Material,
    Options,
    Others,
    Passwords,
    Run,
)
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.settings import given_settings
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.sizing import Connections, Sizes
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.tls import TlsPlan

MADE_LABEL = "mlflow_ops.made"
# The user and group `mysql` of the official image, and of ours.
UID = 999


@dataclass(frozen=True)
class Paths:
    """Where everything of a store lies on the host."""

    home: str
    build: str
    data: str
    run: str
    secrets: str
    mounted_secrets: str
    tls: str
    mounted_tls: str
    tmp: str
    socket: str
    # For whoever starts MLflow.
    environment: str
    # The certificates of the authorities of all members of a group.
    group_authorities: str
    # Statements that give root a new password.
    recovery: str
    # There until the old passwords of a rotation are discarded.
    rotating: str


@dataclass(frozen=True)
class Endpoint:
    """What the summary, the URI and the other roles need of the store."""

    host: str
    port: int
    database: Any
    user: Any


@dataclass(frozen=True)
class Login:
    """How root logs in on this host, by the options of the modules; null is for their own defaults."""

    login_password_files: list[str]
    login_unix_socket: str
    login_host: str
    login_port: int
    ca_cert: str | None
    check_hostname: bool | None
    client_cert: str | None
    client_key: str | None


@dataclass(frozen=True)
class Outline:
    """What follows from the variables and the inventory alone."""

    options: Options
    others: Others
    run: Run
    # The passwords are for the checks; a plan has only where they lie.
    given: Passwords
    paths: Paths
    endpoint: Endpoint
    login: Login
    passwords: PasswordPlan
    connections: Connections
    settings: dict[str, Any]
    tls: TlsPlan
    group: Group
    network: str


@dataclass(frozen=True)
class ContainerPlan:
    """The container that is to run."""

    # Of the server in it.
    uid: int
    command: list[str]
    network: str
    # By which the members of a group know one another.
    hostname: str
    etc_hosts: dict[str, str]
    # A running container is what is wanted if it was made with these values, and nothing that can be changed since was.
    # To ask docker_container takes as long as everything else of a run that changes nothing.
    made: str
    made_label: str
    # Whether the one that is there is this role's, runs, and is what is wanted.
    ours: bool
    running: bool
    current: bool
    # Whether it is not changed while it runs but replaced.
    replaced: bool
    # Where the one that is there is reached from outside: `ADDRESS port PORT`.
    published: list[str]


@dataclass(frozen=True)
class Plan:
    """All that the tasks of the role decide on."""

    outline: Outline
    host: Host
    sizes: Sizes
    accounts: AccountPlan
    rotation: RotationPlan
    image: ImagePlan
    container: ContainerPlan
    tls_due: bool
    # Where the server answers now: in check mode a container that would get another port has the old one.
    answers_at: tuple[str, int]
    # 0 where it cannot be told: MySQL writes it down since 8.4, and in its binary logs.
    data_version: str
    # In check mode on a host without an engine, the libraries or the store's directories, the modules that would use
    # them cannot run; one line says what they would do.
    bare: bool

    @property
    def has_data(self) -> bool:
        return self.host.data.state == "mysql"

    def steps(self) -> dict[str, bool]:
        """Return which parts of the work are due."""
        host, image = self.host, self.image
        return {
            "engine": host.engine.version is None or bool(host.python.missing) or host.packages_interrupted,
            "prepare": image.due or not host.home.current or self.tls_due,
            "base": image.due,
            "home": not host.home.current,
            "tls": self.tls_due,
            "build": not image.current
            or (image.refresh and self.outline.options.image_distribution != "build"),
            "container": not self.container.current,
        }


def paths(home: str) -> Paths:
    """Return where everything lies in a store's directory."""
    return Paths(
        home=home,
        build=f"{home}/build",
        data=f"{home}/data",
        run=f"{home}/run",
        secrets=f"{home}/secrets",
        mounted_secrets=f"{home}/secrets/container",
        tls=f"{home}/tls",
        mounted_tls=f"{home}/tls/server",
        tmp=f"{home}/tmp",  # noqa: S108 - the store's own
        socket=f"{home}/run/mysqld.sock",
        environment=f"{home}/mlflow.env",
        group_authorities=f"{home}/tls/group-ca.pem",
        recovery=f"{home}/secrets/container/recover.sql",
        rotating=f"{home}/secrets/rotating",
    )


def advertised_host(options: Options, run: Run) -> str:
    """Return by what clients know the store."""
    if options.advertised_host is not None:
        return options.advertised_host
    if options.bind_address not in accounts.EVERYWHERE:
        return options.bind_address
    return run.name if run.ansible_host is None else run.ansible_host


def login_host(address: str) -> str:
    """Return where a server answers on this host that is published on ``address``."""
    return {"": "127.0.0.1", **dict(zip(accounts.EVERYWHERE, ("127.0.0.1", "::1")))}.get(address, address)


def tls_names(options: Options, run: Run, members: Group) -> list[str]:
    """Return what a certificate is to be good for: whatever clients on this host and elsewhere call the store."""
    names = [advertised_host(options, run), *options.tls_names]
    if options.tls != "provided":
        names += ["localhost", "127.0.0.1", "::1", run.name]
        names += [] if run.ansible_host is None else [run.ansible_host]
        names += [login_host(options.bind_address)]
        if options.group is not None:
            names += [members.addresses.get(run.name, run.name), members.name]
    return list(dict.fromkeys(str(name) for name in names))


def outline(options: Options, others: Others, given: Passwords, run: Run) -> Outline:
    """Return what follows from the variables and the inventory alone."""
    where = paths(options.home)
    members = group.group(options, run)
    certificates = tls.tls(options, where.tls, tls_names(options, run, members))
    passwords = accounts.passwords(options, given, where.secrets)
    return Outline(
        options=options,
        others=others,
        run=run,
        given=given,
        paths=where,
        endpoint=Endpoint(advertised_host(options, run), options.port, options.database, options.user),
        login=Login(
            login_password_files=[passwords.files["root"], passwords.files["first_root"]],
            login_unix_socket=where.socket,
            login_host=login_host(options.bind_address),
            login_port=options.port,
            ca_cert=certificates.uri.get("ssl_ca"),
            # A certificate that was given may be for the one name only by which MLflow knows the store.
            check_hostname=options.tls == "generated" if certificates.on else None,
            client_cert=certificates.uri.get("ssl_cert"),
            client_key=certificates.uri.get("ssl_key"),
        ),
        passwords=passwords,
        connections=sizing.connections(options),
        settings=given_settings(options.settings),
        tls=certificates,
        group=members,
        # Another one than that of a store by itself, whose addresses are as the engine likes.
        network=options.network + ("" if options.group is None else "_group"),
    )


def with_material(found: Outline, material: Mapping[str, Material]) -> Outline:
    """Return an outline that knows the certificates that were given."""
    return replace(found, run=replace(found.run, material=material))


def command(found: Outline, sizes: Sizes) -> list[str]:
    """Return the command of the container: the server's own with what is not for every store made from the image."""
    options, run = found.options, found.run
    certificates = [
        f"--ssl-{name}={tls.MOUNTED}/{file}.pem"
        for name, file in (("ca", "ca"), ("cert", "server-cert"), ("key", "server-key"))
    ]
    return [
        *([] if options.group is None else group.STARTER),
        "mysqld",
        "--tmpdir=/var/tmp",
        *sizes.arguments,
        *([*certificates, "--require-secure-transport=ON"] if found.tls.on else []),
        *group.arguments(options, run, found.group, sizes, f"{tls.MOUNTED}/group-ca.pem"),
        *run.more_arguments,
    ]


def made(found: Outline, image: ImagePlan, arguments: Sequence[str]) -> str:
    """Return the digest of everything that a container is made of and that cannot be changed while it runs."""
    options, where = found.options, found.paths
    parts = ("build", "data", "run", "secrets", "mounted_secrets", "tls", "mounted_tls", "tmp")
    values = [
        found.run.container_options,
        image.own,
        image.wanted,
        arguments,
        UID,
        found.network,
        found.group.name,
        found.group.hosts,
        options.bind_address,
        options.port,
        {name: getattr(where, name) for name in parts},
        tls.MOUNTED,
        options.stop_timeout,
        options.home,
    ]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def container(found: Outline, host: Host, image: ImagePlan, sizes: Sizes) -> ContainerPlan:
    """Return the container that is to run, and whether it does."""
    there = host.container
    arguments = command(found, sizes)
    digest = made(found, image, arguments)
    same = (
        there is not None
        and image.id is not None
        and there.image_id == image.id
        and list(there.networks) == [found.network]
        and there.labels.get(MADE_LABEL, "") == digest
    )
    running = there is not None and there.status == "running"
    limited = there is not None and there.limits == sizing.limits(sizes, found.options.restart_policy)
    return ContainerPlan(
        uid=UID,
        command=arguments,
        network=found.network,
        hostname=found.group.name,
        etc_hosts=found.group.hosts,
        made=digest,
        made_label=MADE_LABEL,
        ours=there is None or LABEL in there.labels,
        running=running,
        current=running and same and limited,
        # The engine may refuse to change limits in place, such as a memory limit above the one with swap.
        replaced=there is not None and not (same and limited),
        published=published(there.ports if there is not None else {}),
    )


def published(ports: Mapping[str, Any]) -> list[str]:
    """Return where a container publishes MySQL's port; ``ports`` is as the engine has them."""
    everywhere = "0.0.0.0"  # noqa: S104 - as the engine means it
    return [f"{one['HostIp'] or everywhere} port {one['HostPort']}" for one in ports.get("3306/tcp") or ()]


def answers_at(found: Outline, host: Host) -> tuple[str, int]:
    """Return where the server answers now."""
    if found.run.check and host.container is not None and host.container.status == "running":
        for published in host.container.ports.get("3306/tcp") or ():
            return login_host(published["HostIp"]), int(published["HostPort"])
    return found.login.login_host, found.login.login_port


def plan(found: Outline, host: Host, subnets: Sequence[str] | None = None) -> Plan:
    """Return the whole plan. ``subnets`` are those of a network that was made since the host was looked at."""
    options = found.options
    if subnets is None:
        subnets = host.network.subnets if host.network else ()
    sizes = sizing.sizes(options, host.memory_mb)
    image = images.image(options, found.others, host)
    planned = accounts.accounts(options, found.group, found.passwords, subnets)
    return Plan(
        outline=found,
        host=host,
        sizes=sizes,
        accounts=planned,
        rotation=accounts.rotation(options, found.group, found.passwords, planned.hosts),
        image=image,
        container=container(found, host, image, sizes),
        tls_due=tls.due(options, host, found.run.material),
        answers_at=answers_at(found, host),
        data_version=images.version_of(host.data.version or "", r"[0-9]+\.[0-9]+\.[0-9]+") or "0",
        bare=found.run.check
        and (host.engine.version is None or bool(host.python.missing) or host.data.state == "absent"),
    )
