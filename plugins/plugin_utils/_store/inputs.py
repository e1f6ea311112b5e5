# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan is made from: the user's variables, what was found on the host, and what is known of this run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.defaults import defaults

PREFIX = "mlflow_mysql_"
TRUE = ("1", "on", "true", "yes")


def to_int(value: Any) -> int:
    """Return an integer as Ansible's filter `int` does, 0 for what is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        pass
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return 0


def to_bool(value: Any) -> bool:
    """Return a boolean as Ansible's filter `bool` does: `-e name=false` is a text."""
    return value if isinstance(value, bool) else str(value).lower() in TRUE


def plain(value: Any) -> Any:
    """Return a value without what Ansible notes of it, such as where it was written."""
    if isinstance(value, Mapping):
        return {plain(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    for kind in (str, bool, int, float):
        if isinstance(value, kind):
            return kind(value)
    # What was in a vault is known as a text.
    return None if value is None else str(value)


CONVERTERS = {
    "int": to_int,
    "int | None": lambda value: None if value is None else to_int(value),
    "bool": to_bool,
}


@dataclass(frozen=True)
class Options:
    """The variables ``mlflow_mysql_*`` of the role, see its ``meta/argument_specs.yml``."""

    state: str
    home: str
    base_image: str
    image: str
    image_distribution: str
    container_name: str
    bind_address: str
    port: int
    advertised_host: str | None
    network: str
    allowed_hosts: Sequence[str] | None
    tls: str
    tls_ca: str | None
    tls_certificate: str | None
    tls_key: str | None
    tls_client_certificate: str | None
    tls_client_key: str | None
    tls_names: Sequence[str]
    tls_days: int
    tls_renew_days: int
    require_x509: bool
    database: Any
    auth_database: Any
    user: Any
    user_privileges: str
    migrator_user: Any
    backup_user: Any
    server_workers: int
    server_pool: int
    max_connections: int | None
    max_user_connections: int | None
    password_policy: str
    profile: str
    memory_mb: int | None
    buffer_pool_mb: int | None
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    restart_policy: str
    stop_timeout: int
    allow_upgrade: bool
    purge_data: bool
    rotation_window: int
    group: str | None
    group_subnet: str
    group_weight: int
    group_consistency: str
    group_user: str
    route_user: str

    @classmethod
    def of(cls, variables: Mapping[str, Any]) -> Options:
        """Return the options that are in ``variables``, which has other variables too."""
        return cls(
            **{
                option.name: CONVERTERS.get(str(option.type), plain)(variables[PREFIX + option.name])
                for option in dataclasses.fields(cls)
            }
        )


@dataclass(frozen=True)
class Passwords:
    """The passwords that are in variables; nothing of them may be in a plan but where they lie."""

    root: Any = None
    migrator: Any = None
    backup: Any = None
    user: Any = None

    @classmethod
    def of(cls, variables: Mapping[str, Any]) -> Passwords:
        names = [account.name for account in dataclasses.fields(cls)]
        return cls(**{name: variables.get(f"{PREFIX}{name}_password") for name in names})

    def given(self) -> dict[str, Any]:
        """Return those that are given, by the name of their account."""
        return {
            account.name: getattr(self, account.name)
            for account in dataclasses.fields(self)
            if getattr(self, account.name) is not None
        }


def default_base_version() -> str:
    """Return the version of the base image where nobody chooses."""
    return str(defaults()["mysql_base_image_version"])


@dataclass(frozen=True)
class Others:
    """What other roles of this collection are told that a plan depends on."""

    base_repository: str = "mysql"
    base_version: str = field(default_factory=default_base_version)
    base_refresh: bool = False
    base_digest: str | None = None
    base_source: str = "auto"
    # Whether the archive that the base image may come from is on the controller.
    base_archive_is_there: bool = False
    engine_host: str | None = None
    engine_manage: bool = True
    backups: bool = True

    @classmethod
    def of(cls, variables: Mapping[str, Any], archive_is_there: bool) -> Others:
        return cls(
            base_repository=str(variables.get("mysql_base_image_repository", cls.base_repository)),
            base_version=str(variables.get("mysql_base_image_version", default_base_version())),
            base_refresh=to_bool(variables.get("mysql_base_image_refresh", False)),
            base_digest=variables.get("mysql_base_image_digest"),
            base_source=str(variables.get("mysql_base_image_source", cls.base_source)),
            base_archive_is_there=archive_is_there,
            engine_host=variables.get("docker_engine_host"),
            engine_manage=to_bool(variables.get("docker_engine_manage", True)),
            backups=variables.get("mlflow_backup_state", "present") == "present",
        )


@dataclass(frozen=True)
class Material:
    """A certificate that was given: what is wrong with it, and the digests of its files."""

    problems: Sequence[str] = ()
    digests: Mapping[str, str | None] | None = None


@dataclass(frozen=True)
class Run:
    """What is known of the run and its inventory."""

    name: str  # of the host, in the inventory
    ansible_host: str | None = None
    check: bool = False
    # The hosts of the inventory's group that mlflow_mysql_group names, each with its `group.ADDRESS_VARIABLES`.
    members: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    material: Mapping[str, Material] = field(default_factory=dict)
    # The options of the container as the role's task writes them.
    container_options: Mapping[str, Any] = field(default_factory=dict)
    # Whether a playbook for groups is run.
    by_group: bool = False
    # Whether root is to get a new password, and whether the data is brought back, so that it may be gone.
    recovers: bool = False
    restores: bool = False
    # What the server is started with besides.
    more_arguments: Sequence[str] = ()


@dataclass(frozen=True)
class Engine:
    version: str | None = None
    error: str | None = None
    rootless: bool = False
    port_driver: str | None = None


@dataclass(frozen=True)
class Image:
    id: str
    labels: Mapping[str, str] = field(default_factory=dict)
    layers: Sequence[str] = ()
    held: bool = False


@dataclass(frozen=True)
class Container:
    image_id: str
    status: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[str, Sequence[Mapping[str, str]] | None] = field(default_factory=dict)
    networks: Sequence[str] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    labels: Mapping[str, str] = field(default_factory=dict)
    subnets: Sequence[str] = ()
    containers: Sequence[str] = ()


@dataclass(frozen=True)
class DataDirectory:
    state: str
    version: str | None = None
    uid: int | None = None
    writable: bool = True
    free_mb: int = 0
    sample: Sequence[str] = ()


@dataclass(frozen=True)
class Port:
    free: bool = True
    container: str | None = None
    reason: str | None = None
    # Whether the host has no such address.
    no_address: bool = False


@dataclass(frozen=True)
class Home:
    uid: int | None
    current: bool = False
    problems: Sequence[str] = ()


@dataclass(frozen=True)
class Python:
    executable: str = ""
    missing: Sequence[str] = ()
    sees_packages: bool = True


@dataclass(frozen=True)
class Host:
    """What ``mlflow_mysql_host_info`` found, see its RETURN."""

    engine: Engine
    images: Mapping[str, Image | None]
    image: str
    container: Container | None
    network: Network | None
    tls: Mapping[str, Material]
    docker_free_mb: int
    memory_mb: int | None
    python: Python
    packages_interrupted: bool
    home: Home
    data: DataDirectory
    port: Port
    # All of it, for what compares identities.
    found: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Host:
        """Return what a result of the module says."""
        return cls(
            engine=_made(Engine, found["engine"]),
            images={name: image and _made(Image, image) for name, image in found["images"].items()},
            image=found["image"],
            container=found["container"] and _made(Container, found["container"]),
            network=found["network"] and _made(Network, found["network"]),
            tls={name: _made(Material, one or {}) for name, one in found["tls"].items()},
            docker_free_mb=found["docker_free_mb"],
            memory_mb=found["memory_mb"],
            python=_made(Python, found["python"]),
            packages_interrupted=found["packages_interrupted"],
            home=_made(Home, found["home"]),
            data=_made(DataDirectory, found["data_dir"]),
            port=_made(Port, found["port"]),
            found=found,
        )


def _made(kind: Any, values: Mapping[str, Any]) -> Any:
    names = {one.name for one in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in names})
