# SPDX-License-Identifier: GPL-3.0-or-later
"""What a member of a group knows of it, and the steps in and out. Private to this collection.

The group is MySQL Group Replication with one primary: dev.mysql.com/doc/refman/en/group-replication.html.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import system_names
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import query

RECOVERY_CHANNEL = "group_replication_recovery"
# States of a member, of performance_schema.replication_group_members, and what a server says that is in no group.
ONLINE, RECOVERING, OFFLINE, UNREACHABLE = "ONLINE", "RECOVERING", "OFFLINE", "UNREACHABLE"
PRIMARY = "PRIMARY"

PAUSE = 0.2  # seconds between two looks
# The server ends itself after a clone, and is started again by the engine.
ER_RESTART_FAILED = 3707
ER_BUSY = 3724  # "cannot be set while START or STOP GROUP_REPLICATION is ongoing"
STARTS_WITHIN = 180  # seconds in which a server that cannot reach the group gives up
ER_LOST = (2006, 2013, 1053, 0)


class GroupProblem(Exception):
    """The wanted state cannot be reached. The message says what to do."""

    reason = "group"


@dataclass(frozen=True)
class Source:
    """The member that a new one gets its data from, as the other members reach it, and who asks."""

    host: str
    port: int
    user: str
    password: str


class Member:
    """A server that is, or may become, a member, through a connection of its administrator."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self.connect = connect
        self.connection = connect()

    def close(self) -> None:
        self.connection.close()

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return query(self.connection, statement, *values)

    def value(self, statement: str, *values: Any) -> Any:
        return self.rows(statement, *values)[0][0]

    def variable(self, name: str) -> Any:
        """A global variable, or None where the server does not know it."""
        found = self.rows(
            "SELECT variable_value FROM performance_schema.global_variables WHERE variable_name = %s", name
        )
        return found[0][0] if found else None

    def view(self) -> list[dict[str, Any]]:
        """The members as this one sees them."""
        rows = self.rows(
            "SELECT member_id, member_host, member_port, member_state, member_role, member_version,"
            " COALESCE(count_transactions_in_queue, 0), COALESCE(count_transactions_remote_in_applier_queue, 0)"
            " FROM performance_schema.replication_group_members"
            " LEFT JOIN performance_schema.replication_group_member_stats USING (member_id, channel_name)"
            " WHERE member_id <> '' ORDER BY member_host, member_port"
        )
        return [
            {
                "uuid": uuid,
                "host": host,
                "port": int(port),
                "state": state,
                "role": role,
                "version": version,
                "certifying": int(certifying),
                "applying": int(applying),
            }
            for uuid, host, port, state, role, version, certifying, applying in rows
        ]

    def state(self) -> str:
        """This member's own state."""
        uuid = self.variable("server_uuid")
        return next((str(one["state"]) for one in self.view() if one["uuid"] == uuid), OFFLINE)

    def info(self, database: str) -> dict[str, Any]:
        """All that is known here of the group."""
        view, uuid = self.view(), self.variable("server_uuid")
        own: dict[str, Any] = next((one for one in view if one["uuid"] == uuid), {})
        reached = [one for one in view if one["state"] != UNREACHABLE]
        group = self.variable("group_replication_group_name") or ""
        executed = str(self.value("SELECT @@GLOBAL.gtid_executed")).replace("\n", "")
        state = str(own.get("state", OFFLINE))
        return {
            "server_uuid": uuid,
            "version": str(self.variable("version")).split("-", maxsplit=1)[0],
            "group_name": group,
            "state": state,
            "role": str(own.get("role", "")) if state == ONLINE else "",
            "majority": 2 * len(reached) > len(view) if view else False,
            "read_only": self.variable("super_read_only") == "ON",
            "offline_mode": self.variable("offline_mode") == "ON",
            "starts_on_boot": self.variable("group_replication_start_on_boot") == "ON",
            "executed": executed,
            # The first transaction may be still to come, and a server that was taken out does not start in the group.
            "was_member": bool(group)
            and (group.lower() in executed.lower() or bool(self.credentials()) or own.get("state") == ONLINE),
            "tables": self.tables(database),
            "lag": self.lag(),
            "members": view,
        }

    def tables(self, database: str | None = None) -> int:
        """How many tables a database, or all that are not the server's own, have."""
        if database is not None:
            return int(
                self.value("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s", database)
            )
        marks = ", ".join(["%s"] * len(system_names.DATABASES))
        return int(
            self.value(
                f"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema NOT IN ({marks})",
                *system_names.DATABASES,
            )
        )

    def lag(self) -> float | None:
        """Seconds between a transaction's commit where it was made and here; None if none is being applied."""
        found = self.value(
            "SELECT MAX(TIMESTAMPDIFF(MICROSECOND, applying_transaction_original_commit_timestamp, NOW(6)))"
            " FROM performance_schema.replication_applier_status_by_worker"
            " WHERE channel_name = 'group_replication_applier' AND applying_transaction <> ''"
        )
        return None if found is None else round(max(int(found), 0) / 1e6, 3)

    def rename(self, name: str) -> None:
        """Have the group be the one of that UUID. The server is out of it then."""
        if str(self.variable("group_replication_group_name")).lower() != name.lower():
            self.stop()
            self.rows("SET PERSIST group_replication_group_name = %s", name)

    def write(self) -> None:
        """Take writes, and clients, outside a group."""
        for name in ("super_read_only", "read_only", "offline_mode"):
            self.rows(f"SET GLOBAL {name} = OFF")

    def can_follow(self, purged_there: str) -> bool:
        """Whether the source's binary log has all that this server lacks."""
        return bool(self.value("SELECT GTID_SUBSET(%s, @@GLOBAL.gtid_executed)", purged_there))

    def misses(self, executed_there: str) -> str:
        """The transactions that this server has and the source lacks, as a GTID set."""
        return str(self.value("SELECT GTID_SUBTRACT(@@GLOBAL.gtid_executed, %s)", executed_there))

    def credentials(self) -> list[tuple[Any, ...]]:
        """With what this server logs into the other members, if it ever was to: a user and a password."""
        return self.rows(
            "SELECT user_name, user_password FROM mysql.slave_master_info WHERE channel_name = %s"
            " AND user_name <> ''",
            RECOVERY_CHANNEL,
        )

    def remember(self, user: str, password: str) -> None:
        """Have the credentials with which members log into one another."""
        if self.credentials() != [(user, password)]:
            self.rows(
                "CHANGE REPLICATION SOURCE TO SOURCE_USER = %s, SOURCE_PASSWORD = %s FOR CHANNEL %s",
                user,
                password,
                RECOVERY_CHANNEL,
            )

    def start_on_boot(self, wanted: bool) -> None:
        self.rows("SET PERSIST group_replication_start_on_boot = " + ("ON" if wanted else "OFF"))

    def stop(self) -> None:
        """Leave the group. A start that is under way is waited for."""
        deadline = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                self.rows("STOP GROUP_REPLICATION")
                return
            except Exception as error:
                if error.args[:1] != (ER_BUSY,) or time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE)

    def start(self, bootstrap: bool = False) -> None:
        """Come into the group, or begin it."""
        self.stop()
        self.rows("SET GLOBAL offline_mode = OFF")
        try:
            if bootstrap:
                self.rows("SET GLOBAL group_replication_bootstrap_group = ON")
            self.rows("START GROUP_REPLICATION")
        finally:
            if bootstrap:
                self.rows("SET GLOBAL group_replication_bootstrap_group = OFF")

    def clone(self, source: Source, timeout: float) -> None:
        """Replace this server's data by the source's, and wait until it is up again."""
        self.rows("SET GLOBAL clone_valid_donor_list = %s", f"{source.host}:{source.port}")
        before = self.started()
        try:
            self.rows(
                "CLONE INSTANCE FROM %s@%s:%s IDENTIFIED BY %s REQUIRE SSL",
                source.user,
                source.host,
                source.port,
                source.password,
            )
        except Exception as error:
            if error.args[:1] not in [(code,) for code in (*ER_LOST, ER_RESTART_FAILED)]:
                raise
        deadline = time.monotonic() + timeout
        while True:
            time.sleep(PAUSE)
            try:
                self.connection = self.connect()
                if self.started() > before:
                    break
            except Exception as error:
                if time.monotonic() > deadline:
                    raise GroupProblem(
                        f"the copy was made, but the server did not restart within {timeout:.0f} s: {error}; "
                        "check its container's log, then run this again"
                    ) from None
        if self.value("SELECT state FROM performance_schema.clone_status") != "Completed":
            raise GroupProblem(
                "the copy failed: "
                + str(self.value("SELECT error_message FROM performance_schema.clone_status"))
            )

    def started(self) -> float:
        """When this server started, in seconds, roughly."""
        return float(
            self.value(
                "SELECT UNIX_TIMESTAMP() - variable_value FROM performance_schema.global_status"
                " WHERE variable_name = 'Uptime'"
            )
        )

    def wait(self, timeout: float) -> None:
        """Wait until this member is online. It may be given a copy of the data, after which it is started again."""
        deadline = time.monotonic() + timeout
        state = "gone"
        while True:
            try:
                state = self.state()
            except Exception as error:
                if error.args[:1] not in [(code,) for code in ER_LOST] or time.monotonic() > deadline:
                    raise
                with contextlib.suppress(Exception):
                    self.connection = self.connect()
            if state == ONLINE:
                return
            if time.monotonic() > deadline:
                raise GroupProblem(
                    f"the member is {state} and not {ONLINE} after {timeout:.0f} s. The last error in its log: "
                    + (self.complaint() or "there is none")
                )
            time.sleep(PAUSE)

    def complaint(self) -> str:
        """The last error of the group's that this server logged."""
        found = self.rows(
            "SELECT data FROM performance_schema.error_log WHERE subsystem = 'Repl' AND prio = 'Error'"
            " ORDER BY logged DESC LIMIT 1"
        )
        return str(found[0][0]) if found else ""

    def promote(self, timeout: int) -> None:
        """Make this member the primary; what others write is over, or ended after `timeout` seconds."""
        self.rows("SELECT group_replication_set_as_primary(@@GLOBAL.server_uuid, %s)", timeout)
