# SPDX-License-Identifier: GPL-3.0-or-later
"""Who still uses an old password while a rotation is under way. Private to this collection.

A server does not say with which of its two passwords a session logged in. Two things tell it: a session that was there
when the new password was set has the old one, and a login with the second of two passwords is a note in the error log
(code MY-013302, https://dev.mysql.com/doc/refman/en/password-management.html#dual-passwords), with the number of its
session. Notes are written with log_error_verbosity=3, as the store's my.cnf has it.
"""

from __future__ import annotations

import json
import os
import re
import socket
from dataclasses import dataclass
from typing import Any, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._files.durable import write_whole
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import query

OPENED_BEFORE = "opened_before"  # the session is older than the new password
OLD_PASSWORD = "old_password"  # it logged in with the old password afterwards
SECOND_PASSWORD = re.compile(r"Second password was used for login by user: '(.*)'@'")
NOTES = 3  # log_error_verbosity with which the server writes notes


class MarkerUnusable(Exception):
    """The file that says when the rotation began cannot be read or written. The message says what to do."""

    reason = "marker"


@dataclass(frozen=True)
class Begin:
    """When the new passwords were set: the newest session then, and the server's clock (seconds since 1970)."""

    connection: int
    at: float


@dataclass(frozen=True)
class OldSession:
    """A session that logged in with an old password. `reason` is OPENED_BEFORE or OLD_PASSWORD."""

    connection: int
    user: str
    host: str
    program: str | None
    pid: int | None
    reason: str


@dataclass(frozen=True)
class OldLogins:
    """How often an account's old password was used since the rotation began, and how long ago the last time was."""

    user: str
    number: int
    last_seconds_ago: float


@dataclass(frozen=True)
class Inspection:
    """What a server knows. `blind` says what could not be known, empty if nothing was missed."""

    newest: int
    clock: float
    sessions: int = 0
    old: tuple[OldSession, ...] = ()
    logins: tuple[OldLogins, ...] = ()
    two_passwords: tuple[str, ...] = ()  # those of the users who have an old password beside the new one
    blind: tuple[str, ...] = ()

    def clients(self, recent: float) -> list[str]:
        """Who uses an old password, a line each: by open sessions, or by logins in the last `recent` seconds."""
        lines = describe(self.old)
        still_open = {session.user for session in self.old if session.reason == OLD_PASSWORD}
        for login in self.logins:
            # Its session has ended, and the same client may come again.
            if login.last_seconds_ago < recent and login.user not in still_open:
                lines.append(
                    f"a short session of {login.user}, {login.last_seconds_ago:.0f} s ago "
                    f"({login.number} since the beginning)"
                )
        return lines


def read_marker(path: str) -> Begin | None:
    """When the rotation began, or None if that is not written down. Raises MarkerUnusable."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MarkerUnusable(f"cannot read {path}: {error.strerror}") from None
    if not text.strip():
        return None
    try:
        found = json.loads(text)
        return Begin(int(found["connection"]), float(found["at"]))
    except (ValueError, KeyError, TypeError):
        raise MarkerUnusable(
            f"{path} does not say when the rotation began: empty it, and begin the rotation again"
        ) from None


def write_marker(path: str, begin: Begin) -> None:
    """Write down when the rotation began; the file is root's alone, and whole or not there. Raises MarkerUnusable."""
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}-new")
    try:
        write_whole(path, json.dumps({"connection": begin.connection, "at": begin.at}), temporary, 0o400)
    except OSError as error:
        raise MarkerUnusable(f"cannot write {path}: {error.strerror}") from None


def inspect(connection: Any, users: Sequence[str], begin: Begin | None, predict: bool = False) -> Inspection:
    """The sessions of `users`, and which of them have an old password, as an administrator sees them.

    Without `begin` every session counts as old: the new password is not known to anybody yet. Where a user has one
    password only, no session does, unless that is to `predict` what a rotation would find.
    """
    # The times of day of a server's own zone are ambiguous when its clocks are put back.
    query(connection, "SET @@SESSION.time_zone = '+00:00'")
    recorded, verbosity, clock, uptime = query(
        connection,
        "SELECT @@GLOBAL.performance_schema, @@GLOBAL.log_error_verbosity, UNIX_TIMESTAMP(NOW(6)),"
        " (SELECT VARIABLE_VALUE FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Uptime')",
    )[0]
    clock = float(clock)
    two_passwords = sorted(
        {
            str(row[0])
            for row in query(
                connection,
                "SELECT user FROM mysql.user WHERE user_attributes->>'$.additional_password' IS NOT NULL",
            )
            if row[0] in users
        }
    )
    counted = users if predict else two_passwords
    if not recorded:
        found = [
            (int(row[0]), str(row[1]), str(row[2] or "").rsplit(":", 1)[0])
            for row in query(connection, "SHOW PROCESSLIST")
        ]
        attributes: dict[int, dict[str, str]] = {}
    else:
        found = [
            (int(number), str(user or ""), str(host or ""))
            for number, user, host in query(
                connection,
                "SELECT PROCESSLIST_ID, PROCESSLIST_USER, PROCESSLIST_HOST FROM performance_schema.threads"
                " WHERE TYPE = 'FOREGROUND' AND PROCESSLIST_ID IS NOT NULL",
            )
        ]
        attributes = {}
        for number, name, value in query(
            connection,
            "SELECT PROCESSLIST_ID, ATTR_NAME, ATTR_VALUE FROM performance_schema.session_connect_attrs"
            " WHERE ATTR_NAME IN ('_pid', 'program_name', '_client_name')",
        ):
            attributes.setdefault(int(number), {})[str(name)] = str(value)
    newest = max((number for number, _user, _host in found), default=0)
    blind = []
    boundary = newest if begin is None else begin.connection
    # After a restart sessions are counted anew, and none is older than the new password.
    if begin is not None and uptime is not None and clock - float(uptime) > begin.at + 1:
        boundary = 0
    with_old: set[int] = set()
    used: dict[str, list[float]] = {}
    if recorded and begin is not None:
        for number, ago, text in query(
            connection,
            "SELECT THREAD_ID, UNIX_TIMESTAMP(NOW(6)) - UNIX_TIMESTAMP(LOGGED), DATA FROM performance_schema.error_log"
            " WHERE ERROR_CODE = 'MY-013302' AND UNIX_TIMESTAMP(LOGGED) >= %s",
            begin.at,
        ):
            match = SECOND_PASSWORD.search(str(text))
            if match and match.group(1) in counted:
                with_old.add(int(number))
                used.setdefault(match.group(1), []).append(float(ago))
    if begin is not None and not recorded:
        blind.append(
            "performance_schema is off, so that only sessions from before the new passwords are known"
        )
    elif begin is not None and int(verbosity) < NOTES:
        blind.append(
            f"log_error_verbosity is {verbosity} and not {NOTES}, so that only sessions from before the new passwords "
            "are known"
        )
    mine = [(number, user, host) for number, user, host in found if user in users]
    old = []
    for number, user, host in sorted(mine):
        reason = OPENED_BEFORE if number <= boundary else OLD_PASSWORD if number in with_old else None
        if reason is not None and user in counted:
            about = attributes.get(number, {})
            pid = about.get("_pid", "")
            old.append(
                OldSession(
                    number,
                    user,
                    host,
                    about.get("program_name") or about.get("_client_name"),
                    int(pid) if pid.isdigit() else None,
                    reason,
                )
            )
    logins = tuple(OldLogins(user, len(times), max(0.0, min(times))) for user, times in sorted(used.items()))
    return Inspection(newest, clock, len(mine), tuple(old), logins, tuple(two_passwords), tuple(blind))


def is_local(host: str) -> bool:
    """Whether an address is one of this machine's, so that a process number means something here."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return host == "localhost"
    return True


def process(pid: int) -> str | None:
    """What runs as `pid` on this machine: its systemd unit, or its program's name; never its arguments."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            unit = re.search(r"/([^/\s]+\.service)\s*$", file.read(), re.MULTILINE)
        if unit:
            return unit.group(1)
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip() or None
    except OSError:
        return None


def describe(old: Sequence[OldSession]) -> list[str]:
    """A line for each process, or where it is not known each address, that has sessions with an old password."""
    groups: dict[tuple[str, str, int | None, str | None], int] = {}
    for session in old:
        key = (session.user, session.host, session.pid, session.program)
        groups[key] = groups.get(key, 0) + 1
    local = {host: is_local(host) for _user, host, _pid, _program in groups}
    lines = []
    for (user, host, pid, program), number in sorted(
        groups.items(), key=lambda item: (item[0][:2], -item[1])
    ):
        where = "this host" if local[host] else host or "unknown"
        details = [program] if program else []
        if pid is not None:
            name = process(pid) if local[host] else None
            details.insert(0, f"process {pid}" + (f" of {name}" if name else ""))
        more = f" ({', '.join(details)})" if details else ""
        lines.append(f"{number} session{'s' if number > 1 else ''} of {user} from {where}{more}")
    return lines
