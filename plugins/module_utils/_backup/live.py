# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a running store what its binary log does not hold. Private to this collection: it may change without notice.

Files tell what a server wrote to its binary log. What it executed besides, only the server knows: `gtid_executed` has
transactions that an import, CLONE or a purge put there, and statistics say whether a session switched its log off.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from dataclasses import dataclass
from typing import Any

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.archive import (
    BackupProblem,
    Settings,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup.binlog_reader import GtidSet
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import (
    connection as mysql_connection,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import query

ANSWERS_WITHIN = 5  # seconds
STAYS = 300  # seconds that a connection is used
DEEP = 10.0  # seconds between two looks at what sessions did to their log
NO_TABLE, NO_RIGHT = 1146, 1142

ASKED = (
    "SELECT @@GLOBAL.gtid_executed, @@GLOBAL.server_uuid, @@GLOBAL.log_bin, @@GLOBAL.gtid_mode,"
    " @@GLOBAL.performance_schema, @@GLOBAL.server_id"
)
# Statements that set it, whatever with, in text or prepared; the server replaces literals by question marks.
SWITCHED = (
    "SELECT COALESCE(SUM(count_star), 0) FROM performance_schema.events_statements_summary_by_digest"
    " WHERE digest_text LIKE '%%SQL\\_LOG\\_BIN%%'"
    " AND REGEXP_LIKE(digest_text, %s, 'i') AND digest_text NOT LIKE 'SELECT%%'"
)
SETS_IT = "sql_log_bin`? *(:?=)"
OPEN = (
    "SELECT COUNT(*) FROM performance_schema.variables_by_thread WHERE variable_name = 'sql_log_bin'"
    " AND variable_value = 'OFF'"
)


class Unasked(BackupProblem):
    """The server did not let the backup user in. `refused` is whether it answered."""

    def __init__(self, message: str, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


def connect(settings: Settings, timeout: int = 10) -> Any:
    """Return a connection of the backup user's. Raises Unasked."""
    address = mysql_connection.Address(unix_socket=settings.socket)
    path, refused = settings.secret("backup_password"), False
    try:
        password = mysql_connection.read_password_file(path)
        return mysql_connection.connect(address, settings.user, password, timeout, None)
    except FileNotFoundError:
        problem = f"there is no password for {settings.user} in {path}. Run the playbook deploy again"
    except mysql_connection.ConnectionFailed as error:
        problem = str(error)
        # The library's own numbers say that no server answered.
        refused = error.code is not None and not 2000 <= error.code < 3000
        if error.reason == mysql_connection.REFUSED:
            problem += ". Run the playbook deploy again, which sets its password"
        elif error.reason == mysql_connection.UNREACHABLE:
            problem += ". Start the store"
    raise Unasked(f"the store cannot be backed up: {problem}", refused)


@dataclass(frozen=True)
class Live:
    """What a running server says of itself.

    `start` tells one run of the server from another. `switched` is how often since then a session set its
    `sql_log_bin`, and `open` how many have it off now; None if the server does not say. These and `filters` are what it
    said the last time that it was asked for them, which was now if this is `deep`.
    """

    executed: str
    uuid: str
    log_bin: bool
    gtid_mode: str
    start: str
    filters: str = ""
    switched: int | None = None
    open: int | None = None
    deep: bool = True
    server_id: int = 0

    @property
    def gtids(self) -> GtidSet:
        return GtidSet(self.executed)


class Witness:
    """Asks the store's server, over one connection that is made again when it must."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.connection: Any = None
        self.made_with: Any = None
        self.until = 0.0
        self.deep_at = float("-inf")
        self.filters = ""
        self.switched: int | None = None
        self.open: int | None = None
        self.problem: str | None = None  # why the server did not answer
        self.refused = False  # it did, and did not let us in

    def ask(self, deep: bool = False) -> Live | None:
        """Return what the server says; None if it does not answer, and `problem` is why.

        How sessions switched their log is asked every ten seconds, while one has it off, and when `deep`.
        """
        self.refused = False
        if not os.path.exists(self.settings.socket):
            self.close()
            self.problem = f"there is no {self.settings.socket}"
            return None
        try:
            return self._ask(deep)
        except Unasked as error:
            self.problem, self.refused = str(error), error.refused
        except Exception as error:  # whatever the library says of a server that goes
            self.problem = str(error)
        self.close()
        return None

    def close(self) -> None:
        if self.connection is not None:
            with contextlib.suppress(Exception):
                self.connection.close()
        self.connection = None

    def _ask(self, deep: bool) -> Live:
        with_what = (
            identity(self.settings.socket),
            identity(self.settings.secret("backup_password")),
        )
        if self.connection is None or self.made_with != with_what or time.monotonic() > self.until:
            self.close()
            self.connection = connect(self.settings, ANSWERS_WITHIN)
            # A server that was started anew has counted nothing yet, and a connection with an old password ends.
            self.made_with, self.until = with_what, time.monotonic() + STAYS
            self.deep_at = float("-inf")
        executed, uuid, log_bin, mode, counts, server_id = query(self.connection, ASKED)[0]
        deep = deep or bool(self.open) or time.monotonic() - self.deep_at >= DEEP
        if deep:
            self._ask_deeply(bool(counts), bool(log_bin))
        self.problem = None
        return Live(
            re.sub(r"\s", "", str(executed)),
            str(uuid),
            bool(log_bin),
            str(mode),
            str(with_what[0]),
            self.filters,
            self.switched,
            self.open,
            deep,
            int(server_id),
        )

    def _ask_deeply(self, counts: bool, log_bin: bool) -> None:
        self.switched = self.open = None
        if counts:
            found = self._may_read(SWITCHED, SETS_IT)
            self.switched = None if found is None else int(found[0][0])
            # Asking every thread for all its variables takes a while: only where one may have set it.
            found = self._may_read(OPEN) if self.switched else None
            self.open = 0 if self.switched == 0 else None if found is None else int(found[0][0])
        self.filters = ""
        if log_bin:
            status = self._may_read("SHOW BINARY LOG STATUS") or []
            self.filters = ", ".join(
                f"{name}={row[place]}"
                for row in status
                for name, place in (("binlog_do_db", 2), ("binlog_ignore_db", 3))
                if row[place]
            )
        self.deep_at = time.monotonic()

    def _may_read(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]] | None:
        """Return rows, or None if the account has no right to them, or the server does not know the statement."""
        try:
            return query(self.connection, statement, *arguments)
        except Exception as error:
            if error.args and error.args[0] in (NO_TABLE, NO_RIGHT, 1227, 1064):
                return None
            raise


def identity(path: str) -> tuple[int, int] | None:
    """Return what tells a file from another one of the same name."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
