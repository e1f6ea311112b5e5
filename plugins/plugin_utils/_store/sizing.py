# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a host a store takes, and how many connections MLflow's servers do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.inputs import Options, to_int
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.settings import given_settings

# For the processes of MLflow's jobs, the migrator, backups, monitoring, and whoever logs in besides.
OTHER_CONNECTIONS = 50
# Where processors are short, the store goes before other containers: what logs to it waits for it.
CPU_SHARES = 2048
LEAST_MEMORY_MB = 1024
LEAST_BUFFER_POOL_MB = 128
# What MySQL 9.7 takes besides its buffer pool once a migration has moved the rows of 100,000 traces: measured 580 MiB.
BESIDES_POOL_MB = 640
POOL_CHUNK_MB = 128  # innodb_buffer_pool_chunk_size, of which the pool is a multiple
# All temporary tables together, where the container has so little memory that MySQL's own limit of 1 GiB is too much.
SHORT_OF_MEMORY_MB, TEMPORARIES_MB = 2048, 256
MIB = 1024 * 1024


@dataclass(frozen=True)
class Profile:
    """Percent of the host's memory for the buffer pool, which has at most so many MiB, and for the container."""

    pool: int
    most: int
    memory: int
    # MiB for a temporary table, and for all of them if MySQL's own limit is too much.
    temporary: int
    temporaries: int | None = None


PROFILES = {
    "small": Profile(pool=6, most=1024, memory=25, temporary=64, temporaries=256),
    "team": Profile(pool=25, most=8192, memory=50, temporary=256),
    "large": Profile(pool=60, most=1048576, memory=85, temporary=256),
}


@dataclass(frozen=True)
class Connections:
    """Both sides of the connection: the server's limit, and MLflow's pools."""

    # Each worker of an MLflow server has a pool for each of MLflow's stores.
    pools: int
    # What all workers can take when every pool is full, and what is needed besides.
    server: int
    needed: int
    # As it was given, which may be no number.
    maximum: Any
    # The variable that it comes from.
    source: str
    # MLflow takes a 0 in either for a variable that is not set. Half of the pool stays open; the rest is for a rush.
    pool_size: int
    pool_overflow: int
    # Seconds; before the server hangs up, and before a firewall forgets a connection on which nothing was said: 350 s
    # and more is usual.
    pool_recycle: int
    # How many workers, and how large a pool, so many connections are enough for.
    workers_that_fit: int
    pool_that_fits: int


@dataclass(frozen=True)
class Sizes:
    """What of the host's memory the server may have, in MiB; null where nobody said and the host does not know."""

    memory_mb: int | None
    buffer_pool_mb: int | None
    # Arguments of the server: what depends on the host is not in the image, so that one image serves a fleet.
    arguments: list[str]
    # A thread for each connection, and MySQL's own.
    pids_limit: int
    cpu_shares: int = CPU_SHARES


def connections(options: Options) -> Connections:
    """Return how many connections there are, and how many are needed."""
    settings = given_settings(options.settings)
    # Tracking, models, jobs, and that of the auth app.
    pools = 3 if options.auth_database is None else 4
    server = options.server_workers * pools * options.server_pool
    needed = server + OTHER_CONNECTIONS
    source = "mlflow_mysql_max_connections"
    maximum: Any = max(151, needed)
    if "max_connections" in settings:
        source = "max_connections in mlflow_mysql_settings"
        maximum = settings["max_connections"]
    elif options.max_connections is not None:
        maximum = options.max_connections
    free = to_int(maximum) - OTHER_CONNECTIONS
    pool_size = max(options.server_pool // 2, 1)
    return Connections(
        pools=pools,
        server=server,
        needed=needed,
        maximum=maximum,
        source=source,
        pool_size=pool_size,
        pool_overflow=max(options.server_pool - pool_size, 1),
        pool_recycle=max(min(300, to_int(settings.get("wait_timeout", 28800)) // 2), 1),
        workers_that_fit=free // max(pools * options.server_pool, 1),
        pool_that_fits=free // max(pools * options.server_workers, 1),
    )


def sizes(options: Options, host_memory_mb: int | None) -> Sizes:
    """Return what the server may have on a host with so much memory."""
    profile = PROFILES[options.profile]
    memory, pool = options.memory_mb, options.buffer_pool_mb
    if memory is None and host_memory_mb is not None:
        memory = max(host_memory_mb * profile.memory // 100, LEAST_MEMORY_MB)
    if pool is None and host_memory_mb is not None and memory is not None:
        pool = min(
            host_memory_mb * profile.pool // 100, profile.most, memory * profile.pool // profile.memory
        )
        # MySQL rounds it up.
        if -(-pool // POOL_CHUNK_MB) * POOL_CHUNK_MB > memory - BESIDES_POOL_MB:
            pool = (memory - BESIDES_POOL_MB) // POOL_CHUNK_MB * POOL_CHUNK_MB
        pool = max(pool, LEAST_BUFFER_POOL_MB)
    temporaries = profile.temporaries
    if temporaries is None and memory is not None and memory < SHORT_OF_MEMORY_MB:
        temporaries = TEMPORARIES_MB
    settings = given_settings(options.settings)
    # docs/performance.md has what each does.
    wanted = {
        "innodb_buffer_pool_size": pool,
        # A chart of a metric of a million points sorts them twice: below that they go to the disk.
        "tmp_table_size": profile.temporary,
        # All of them together; MySQL's own limit is as much as the container of a small store.
        "temptable_max_ram": temporaries,
    }
    return Sizes(
        memory_mb=memory,
        buffer_pool_mb=pool,
        arguments=[
            f"--{name.replace('_', '-')}={size}M"
            for name, size in wanted.items()
            if size is not None and name not in settings
        ],
        pids_limit=max(2048, to_int(connections(options).maximum) + 1024),
    )


def limits(found: Sizes, restart_policy: str) -> dict[str, Any]:
    """Return what the container is limited to, as the engine has it."""
    wanted: dict[str, Any] = {
        "PidsLimit": found.pids_limit,
        "CpuShares": found.cpu_shares,
        "RestartPolicy": restart_policy,
    }
    if found.memory_mb is not None:
        wanted["Memory"] = found.memory_mb * MIB
    return wanted
