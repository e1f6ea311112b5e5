# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep everybody but the migrator from writing, and let them in again."""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass, replace
from typing import Any, Iterable, Mapping

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._files.durable import (
    sync_directory,
    write_whole,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import (
    connection as mysql_connection,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import sql, system_names
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import ownership

FORMAT = 1
SCHEDULER = ("ON", "OFF", "DISABLED")
# What mysql.user and mysql.db call rights that only read.
READING = ("Select_priv", "Show_view_priv")
# Columns of mysql.user that say nothing about a database's content.
NOT_ABOUT_DATA = (
    *("Show_db_priv", "Process_priv", "Repl_client_priv", "Repl_slave_priv", "Reload_priv", "Shutdown_priv"),
    *("File_priv", "Create_user_priv", "Create_role_priv", "Drop_role_priv", "Create_tablespace_priv"),
)
# Rights that are none on a database and write to it: row events of the binary log are executed without further ones.
DYNAMIC = ("BINLOG_ADMIN", "REPLICATION_APPLIER", "CLONE_ADMIN")
# A session that logs in while its account is locked shows up within this time, seconds.
LOGGING_IN = 1.0
# Seconds, of a session that is no client's: the container's healthcheck logs in as MLflow's user, for 5 s at most.
LOOKING_IN = 6
PAUSE = 0.05
SHOWN = 10  # sessions in a message
# How many logins may fail before each further one waits, of the component and of the plugin that it replaces; 0: any.
DELAYS = (
    "component_connection_control.failed_connections_threshold",
    "connection_control_failed_connections_threshold",
)
ER_CANNOT_USER = 1396
ER_NO_SUCH_THREAD = 1094
ER_XAER_RMERR = 1401  # of who may not see them


class WriteLockProblem(Exception):
    """The write lock cannot be closed or opened. The message names the remedy."""

    reason = "write_lock"


def label(account: tuple[str, str]) -> str:
    return "{}@{}".format(*account)


@dataclass(frozen=True)
class Closed:
    """What a record says: the accounts that were locked, what the event scheduler was, and when (seconds since 1970).

    `scheduler` is its value, `persisted` the one that it has from SET PERSIST. `delays` are the values of the variables
    in `DELAYS` that the server has. A record of an older release of this collection has none of them, nor `since`.
    `opening`: writers are being let in, and some may have written since.
    """

    accounts: tuple[tuple[str, str], ...]
    scheduler: str | None = None
    persisted: str | None = None
    since: float | None = None
    delays: tuple[tuple[str, int], ...] = ()
    opening: bool = False


class Record:
    """The file that says what is locked. It is there from before the first lock until after the last unlock."""

    def __init__(self, path: str, database: str) -> None:
        self.path = path
        self.database = database

    def read(self) -> Closed | None:
        """Return what is locked, or ``None`` if the write lock is open. Raises WriteLockProblem."""
        try:
            with open(self.path, encoding="utf-8") as stream:
                content = json.load(stream)
            if content["format"] != FORMAT:
                raise ValueError
            database = content["database"]
            accounts = tuple((str(user), str(host)) for user, host in content["accounts"])
            scheduler = content.get("event_scheduler") or {}
            was, persisted = scheduler.get("value"), scheduler.get("persisted")
            if {was, persisted} - {None, *SCHEDULER}:
                raise ValueError
            since = None if content.get("since") is None else float(content["since"])
            delays = tuple(
                (name, int(value))
                for name, value in (content.get("login_delays") or {}).items()
                if name in DELAYS
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            raise WriteLockProblem(
                f"the record {self.path} cannot be read: {error.strerror}. Run as root, or choose another path"
            ) from None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise WriteLockProblem(
                f"{self.path} is not a record of this module; nothing was changed. Choose another path, or unlock "
                "MLflow's accounts with ALTER USER ... ACCOUNT UNLOCK and remove the file"
            ) from None
        if database != self.database:
            raise WriteLockProblem(
                f"{self.path} is the record of the database {database}, not of {self.database}; nothing was changed. "
                "Give each database a path of its own"
            )
        return Closed(accounts, was, persisted, since, delays, bool(content.get("opening")))

    def write(self, closed: Closed) -> None:
        """Put the record in its place, also if the power fails at once. Raises WriteLockProblem."""
        content = {
            "format": FORMAT,
            "database": self.database,
            "accounts": sorted(closed.accounts),
            "event_scheduler": {"value": closed.scheduler, "persisted": closed.persisted},
            "since": closed.since,
            "login_delays": dict(closed.delays),
            "opening": closed.opening,
        }
        try:
            write_whole(self.path, json.dumps(content), self.path + ".new", 0o600)
        except OSError as error:
            raise WriteLockProblem(
                f"the record {self.path} cannot be written: {error.strerror}; no account was locked. Make its "
                "directory, run as root and on a file system that is not full, or choose another path"
            ) from None

    def remove(self) -> None:
        try:
            os.unlink(self.path)
            sync_directory(os.path.dirname(self.path))
        except OSError as error:
            raise WriteLockProblem(
                f"the write lock is released, but its record {self.path} cannot be removed: {error.strerror}. Remove "
                "it as root"
            ) from None


class Server:
    """The server, through the administrator's connection, as far as a write lock is concerned."""

    def __init__(
        self, connection: Any, database: str, keep: Iterable[str], whole_server: bool = False
    ) -> None:
        self.connection = connection
        self.database = database
        self.whole_server = whole_server
        (login,) = self.rows("SELECT CURRENT_USER()")[0]
        self.keep = {*keep, *system_names.ACCOUNTS, str(login).rpartition("@")[0]}

    def rows(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        return sql.query_texts(self.connection, statement, *arguments)

    def lock(self, timeout: int) -> None:
        """Take the lock of this write lock's record until the connection ends. Raises WriteLockProblem."""
        if self.rows("SELECT GET_LOCK(%s, %s)", ownership.write_lock(self.database), timeout)[0][0] != 1:
            raise WriteLockProblem(
                f"another run has been setting or releasing the write lock of {self.database} for more than "
                f"{timeout} s: wait for it to end, or raise timeout"
            )

    def _columns(self, table: str, without: Iterable[str] = ()) -> str:
        """Return the condition that any right which a table of grants has a column for is given."""
        names = [
            name
            for (name,) in self.rows(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = 'mysql'"
                " AND table_name = %s AND column_name LIKE '%%\\_priv' ORDER BY ordinal_position",
                table,
            )
            if name not in {*READING, *without}
        ]
        return "'Y' IN ({})".format(", ".join(map(sql.quoted, names)))

    def writers(self) -> dict[tuple[str, str], bool]:
        """Return the accounts that may write to the database, or to any, and whether each is locked."""
        found: set[tuple[Any, ...]] = set()
        every = int(self.whole_server)
        found.update(
            self.rows(f"SELECT user, host FROM mysql.user WHERE {self._columns('user', NOT_ABOUT_DATA)}")
        )
        # The name of a database is a pattern there.
        rights = self._columns("db").replace("%", "%%")
        found.update(
            self.rows(
                f"SELECT user, host FROM mysql.db WHERE (%s OR %s LIKE db) AND {rights}", every, self.database
            )
        )
        for table, column in (("tables_priv", "table_priv"), ("columns_priv", "column_priv")):
            found.update(
                self.rows(
                    f"SELECT user, host FROM mysql.{table} WHERE (%s OR db = %s) AND {column} NOT IN"
                    " ('', 'Select', 'Show view', 'Select,Show view')",
                    every,
                    self.database,
                )
            )
        found.update(
            self.rows(
                "SELECT user, host FROM mysql.procs_priv WHERE (%s OR db = %s) AND proc_priv <> ''",
                every,
                self.database,
            )
        )
        found.update(
            self.rows(
                f"SELECT user, host FROM mysql.global_grants WHERE priv IN ({', '.join(['%s'] * len(DYNAMIC))})",
                *DYNAMIC,
            )
        )
        # From a role to those who have it, and from an account to those who may act as it.
        edges = self.rows(
            "SELECT from_user, from_host, to_user, to_host FROM mysql.role_edges"
            " UNION SELECT proxied_user, proxied_host, user, host FROM mysql.proxies_priv WHERE proxied_user <> ''"
        )
        mandatory = self.rows("SELECT @@GLOBAL.mandatory_roles")[0][0]
        accounts = self.rows("SELECT user, host, account_locked = 'Y' FROM mysql.user")
        if mandatory:
            # Everybody has these roles.
            names = [part.strip().replace("`", "").replace("'", "") for part in str(mandatory).split(",")]
            roles = [(name.partition("@")[0], name.partition("@")[2] or "%") for name in names]
            edges += [(*role, user, host) for role in roles for user, host, dummy in accounts]
        while True:
            reached = {(row[2], row[3]) for row in edges if (row[0], row[1]) in found} - found
            if not reached:
                break
            found |= reached
        return {
            (user, host): bool(locked)
            for user, host, locked in accounts
            if (user, host) in found and user not in self.keep
        }

    def scheduler(self) -> tuple[str, str | None]:
        """Return what the event scheduler is, and what it is persisted to be."""
        persisted = self.rows(
            "SELECT UPPER(variable_value) FROM performance_schema.persisted_variables"
            " WHERE variable_name = 'event_scheduler'"
        )
        (value,) = self.rows("SELECT UPPER(@@GLOBAL.event_scheduler)")[0]
        return str(value), str(persisted[0][0]) if persisted else None

    def stop_scheduler(self) -> None:
        """Have no event start any more, also after a restart of the server. One that is disabled stays so."""
        value, persisted = self.scheduler()
        if value != "DISABLED" and (value, persisted) != ("OFF", "OFF"):
            self.rows("SET PERSIST event_scheduler = OFF")

    def start_scheduler(self, was: Closed) -> None:
        """Set the event scheduler to what it was."""
        value, persisted = self.scheduler()
        if was.scheduler is None or "DISABLED" in (value, was.scheduler):
            return
        if was.persisted is not None:
            self.rows("SET PERSIST event_scheduler = %s", was.persisted)
        elif persisted is not None:
            self.rows("RESET PERSIST IF EXISTS event_scheduler")
        if self.scheduler()[0] != was.scheduler:
            self.rows("SET GLOBAL event_scheduler = %s", was.scheduler)

    def delays(self) -> tuple[tuple[str, int], ...]:
        """Return how many logins may fail before the next ones wait, by variable."""
        rows = self.rows(
            "SELECT variable_name, variable_value FROM performance_schema.global_variables WHERE variable_name IN"
            " (%s, %s) ORDER BY variable_name",
            *DELAYS,
        )
        return tuple((str(name), int(value)) for name, value in rows)

    def set_delays(self, delays: Iterable[tuple[str, int]]) -> None:
        """Set how many logins may fail, of the variables that there are; none that failed before counts then."""
        now = dict(self.delays())
        for name, value in delays:
            if name in now:
                # A server that was restarted meanwhile has counted; what is set to another value forgets that.
                self.rows(f"SET GLOBAL {name} = 0")
                self.rows(f"SET GLOBAL {name} = {value:d}")

    def end_delays(self, delays: Iterable[tuple[str, int]]) -> None:
        """Refuse those who are locked out at once, and let them in at once when they are not any more.

        A login that is locked counts as one that failed, and the first one that succeeds waits as well.
        """
        self.set_delays((name, 0) for name, _value in delays)

    def unstoppable(self) -> list[str]:
        """Return what writes to the server without a login, each with what to do about it."""
        found = []
        # A group's own channels apply what its other members write, and those are a matter of the whole group.
        channels = self.rows(
            "SELECT channel_name FROM performance_schema.replication_applier_status WHERE service_state = 'ON'"
            " AND channel_name NOT IN ('group_replication_applier', 'group_replication_recovery')"
        )
        for (name,) in channels:
            label = f" FOR CHANNEL '{name}'" if name else ""
            found.append(
                f"this server applies the changes of another one (channel '{name}'): work on that one instead, or end "
                f"it with STOP REPLICA{label}; RESET REPLICA ALL{label}"
            )
        try:
            prepared = self.rows("XA RECOVER CONVERT XID")
        except Exception as error:
            if error.args[:1] != (ER_XAER_RMERR,):
                raise
            found.append(
                "this login may not see transactions that are prepared (XA): GRANT XA_RECOVER_ADMIN ON *.* to it"
            )
            prepared = []
        for number, length, _count, data in prepared:
            text = str(data)[2:]  # after 0x
            split = 2 * int(length)
            xid = f"X'{text[:split]}',X'{text[split:]}',{number}"
            found.append(
                f"a transaction is prepared and holds its rows (XA): end it with XA COMMIT {xid} or XA ROLLBACK {xid}"
            )
        return found

    def events(self) -> list[dict[str, Any]]:
        """Return the events that run, as the sessions of their definers."""
        rows = self.rows(
            "SELECT id, user, host, time, db FROM information_schema.processlist WHERE command = 'Connect' AND (id IN"
            " (SELECT processlist_id FROM performance_schema.threads WHERE name = 'thread/sql/event_worker')"
            " OR (@@performance_schema = 0 AND user NOT IN ('system user', 'event_scheduler',"
            " 'unauthenticated user')))"
        )
        return [
            {
                "id": number,
                "user": user,
                "host": host,
                "seconds": int(seconds or 0),
                "program": f"an event of the database {database or 'unknown'}",
            }
            for number, user, host, seconds, database in rows
        ]

    def newest_session(self) -> int:
        """The number of the youngest session. Each gets a higher one before it logs in."""
        return int(self.rows("SELECT MAX(id) FROM information_schema.processlist")[0][0])

    def sessions(self, accounts: Iterable[tuple[str, str]], until: int | None = None) -> list[dict[str, Any]]:
        """Return the sessions of these accounts' users, and the events that run, whoever made them.

        Those that are younger than the session `until` are left out.
        """
        events = self.events()
        workers = {event["id"] for event in events}
        users = {user for user, dummy in accounts}
        rows = self.rows(
            "SELECT p.id, p.user, p.host, p.time, (SELECT GROUP_CONCAT(attr_value ORDER BY attr_name DESC"
            " SEPARATOR ' of ') FROM performance_schema.session_connect_attrs a"
            " WHERE a.processlist_id = p.id AND attr_name IN ('program_name', '_client_name'))"
            " FROM information_schema.processlist p WHERE p.id <> CONNECTION_ID() ORDER BY p.id"
        )
        return events + [
            {
                "id": number,
                "user": user,
                "host": host,
                "seconds": int(seconds or 0),
                "program": program or "unknown",
            }
            for number, user, host, seconds, program in rows
            if user in users and number not in workers and (until is None or number <= until)
        ]

    def staying(self, accounts: Iterable[tuple[str, str]], until: int | None = None) -> list[dict[str, Any]]:
        """Return the sessions of these accounts' users that do not end soon, as those of the healthcheck do.

        Those that are younger than the session `until` are left out.
        """
        users = list(accounts)
        deadline = time.monotonic() + LOOKING_IN
        found = self.sessions(users, until)
        while found and time.monotonic() < deadline:
            time.sleep(PAUSE)
            left = {session["id"] for session in self.sessions(users)}
            found = [session for session in found if session["id"] in left]
        return found

    def settle(self, until: int) -> None:
        """Wait for those who were logging in when an account was locked: they are in now, or refused.

        None of them is younger than the session `until`.
        """
        deadline = time.monotonic() + LOGGING_IN
        while time.monotonic() < deadline and self.rows(
            "SELECT 1 FROM information_schema.processlist WHERE user = 'unauthenticated user' AND id <= %s",
            until,
        ):
            time.sleep(PAUSE)

    def set_lock(self, account: tuple[str, str], lock: bool) -> None:
        """Lock or unlock an account. One that was dropped meanwhile is fine."""
        action = "LOCK" if lock else "UNLOCK"
        try:
            self.rows(f"ALTER USER %s@%s ACCOUNT {action}", *account)
        except Exception as error:
            gone = not self.rows("SELECT 1 FROM mysql.user WHERE user = %s AND host = %s", *account)
            if error.args[:1] == (ER_CANNOT_USER,) and gone:
                return
            raise

    def kill(self, number: int) -> None:
        try:
            self.rows("KILL %s", number)
        except Exception as error:
            if error.args[:1] != (ER_NO_SUCH_THREAD,):
                raise


def describe(sessions: list[dict[str, Any]]) -> str:
    shown = [
        "{user}@{host} (id {id}, {seconds} s, {program})".format(**session) for session in sessions[:SHOWN]
    ]
    more = len(sessions) - SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def connected(server: Server, sessions: list[dict[str, Any]]) -> WriteLockProblem:
    where = "this server" if server.whole_server else server.database
    return WriteLockProblem(
        f"users that may write to {where} are connected ({len(sessions)}); no account was locked: "
        f"{describe(sessions)}. Stop what they belong to: stop MLflow, or set mlflow_schema_disconnect: true"
    )


def refuse_unstoppable(server: Server, locked: bool = False) -> None:
    """Raise WriteLockProblem if something writes that neither a lock nor the end of a session stops."""
    found = server.unstoppable()
    if found:
        raise WriteLockProblem(
            f"{'the accounts are locked, but writers are left' if locked else 'no account was locked'}: "
            f"{'; '.join(found)}. Run this again then"
        )


def disconnect(server: Server, timeout: int) -> list[dict[str, Any]]:
    """End all sessions of writers, whose accounts are locked, and wait until they are gone. Raises WriteLockProblem."""
    ended: dict[int, dict[str, Any]] = {}
    deadline = time.monotonic() + timeout
    # Whoever comes later is refused. Where clients try again and again, some are always on their way out.
    until = server.newest_session()
    while True:
        server.settle(until)
        left = server.sessions(server.writers(), until)
        if not left:
            return list(ended.values())
        if time.monotonic() > deadline:
            raise WriteLockProblem(
                f"the accounts are locked, but {len(left)} of their sessions did not end within {timeout} s: "
                f"{describe(left)}. They undo what they did: wait and run this again, or raise timeout"
            )
        for session in left:
            if session["id"] not in ended:
                server.kill(session["id"])
                ended[session["id"]] = session
        time.sleep(PAUSE)


def names(accounts: Iterable[tuple[str, str]]) -> list[str]:
    return sorted(label(account) for account in accounts)


def refuse_opened(server: Server, record: Record, check: bool) -> None:
    """Raise WriteLockProblem unless all that were locked still are: nothing is set back over what was written since.

    Whoever restored the store, or unlocked an account, has let writers in. The record says so then.
    """
    found = record.read()
    writers = server.writers()
    let_in = [account for account in (found.accounts if found else ()) if not writers.get(account, True)]
    if found is not None and not found.opening and not let_in:
        return
    if found is not None and not check:
        mark_opening(record, found)
    raise WriteLockProblem(
        f"{', '.join(names(let_in)) or 'who was locked out'} may have written since the write lock was set, so that "
        "the store is not set back to what it was then: run this again, which goes on from what is there"
    )


def close(server: Server, record: Record, options: Mapping[str, Any], check: bool) -> dict[str, Any]:
    """Bring the write lock to the state ``closed`` and return the module's result."""
    found = record.read()
    recorded = None if found is None else found.accounts
    refuse_unstoppable(server)
    scheduler, persisted = server.scheduler()
    if found is None or found.scheduler is None:
        since = time.time() if found is None or found.since is None else found.since
        new = Closed(recorded or (), scheduler, persisted, since, server.delays())
    else:
        new = replace(found, opening=False)
    stopped = scheduler == "DISABLED" or (scheduler, persisted) == ("OFF", "OFF")
    stopped = stopped and not any(dict(server.delays()).get(name) for name, _value in new.delays)
    writers = server.writers()
    before = [account for account in recorded or () if writers.get(account, True)]
    sessions = server.sessions(writers) if options["disconnect"] else server.staying(writers)
    if sessions and not options["disconnect"]:
        raise connected(server, sessions)
    unlocked = [account for account, locked in writers.items() if not locked]
    closed = {*(recorded or ()), *unlocked}
    if not check:
        if found != new or unlocked:
            record.write(replace(new, accounts=tuple(closed)))
        server.stop_scheduler()
        server.end_delays(new.delays)
        locked: list[tuple[str, str]] = []
        while unlocked:
            for account in unlocked:
                server.set_lock(account, True)
            locked += unlocked
            # Somebody may have made an account, or have been given rights, in between.
            unlocked = [account for account, is_locked in server.writers().items() if not is_locked]
            if unlocked:
                closed.update(unlocked)
                record.write(replace(new, accounts=tuple(closed)))
        if options["disconnect"]:
            sessions = disconnect(server, options["timeout"])
        elif locked or not stopped:
            until = server.newest_session()
            server.settle(until)
            sessions = server.staying(server.writers(), until)
            if sessions:
                for account in locked:
                    server.set_lock(account, False)
                if found is None:
                    server.start_scheduler(new)
                    server.set_delays(new.delays)
                    record.remove()
                else:
                    record.write(replace(found, delays=new.delays))
                raise connected(server, sessions)
        refuse_unstoppable(server, locked=True)
        unlocked = locked
    return {
        "changed": recorded is None or bool(unlocked) or bool(sessions) or not stopped,
        "accounts": names(closed),
        "event_scheduler": new.scheduler,
        "since": new.since,
        "disconnected": sessions,
        "diff": {
            "before": {"kept_out": names(before), "event_scheduler": scheduler},
            "after": {
                "kept_out": names(closed),
                "event_scheduler": scheduler if scheduler == "DISABLED" else "OFF",
            },
        },
    }


def mark_opening(record: Record, found: Closed) -> None:
    """Record that writers are being let in: nothing sets the store back from there on.

    A full disk keeps nobody out: this matters where a run is killed.
    """
    with contextlib.suppress(WriteLockProblem):
        record.write(replace(found, opening=True))


def reopen(server: Server, record: Record, check: bool) -> dict[str, Any]:
    """Bring the write lock to the state ``open`` and return the module's result."""
    found = record.read()
    accounts = () if found is None else found.accounts
    now = server.scheduler()[0]
    if found is not None and not check:
        # Another run may have closed it since `run` marked it.
        if not found.opening:
            mark_opening(record, found)
        server.start_scheduler(found)
        server.set_delays(found.delays)
        for account in accounts:
            server.set_lock(account, False)
        record.remove()
    was = found.scheduler if found is not None and found.scheduler is not None else now
    return {
        "changed": found is not None,
        "accounts": names(accounts),
        "event_scheduler": None if found is None else found.scheduler,
        "since": None if found is None else found.since,
        "seconds": None if found is None or found.since is None else round(time.time() - found.since, 1),
        "disconnected": [],
        "diff": {
            "before": {"kept_out": names(accounts), "event_scheduler": now},
            "after": {"kept_out": [], "event_scheduler": was},
        },
    }


def run(options: dict[str, Any], check: bool, login: mysql_connection.Login) -> dict[str, Any]:
    # Also when there is no server any more, and once more when the lock of the record is there.
    ownership.check_owner(options)
    record = Record(options["path"], options["database"])
    if options["state"] == "open":
        found = record.read()
        if found is None:
            nothing = dict.fromkeys(("event_scheduler", "since", "seconds"))
            return {"changed": False, "accounts": [], "disconnected": [], **nothing}
        if not check:
            # Whatever becomes of this, and if the server cannot be reached, the next run goes on with it.
            mark_opening(record, found)
    connection = mysql_connection.connect_administrator(login)
    try:
        server = Server(
            connection, options["database"], options["keep"], whole_server=options["scope"] == "server"
        )
        server.lock(options["timeout"])
        ownership.check_owner(options)
        if options["state"] == "open":
            return reopen(server, record, check)
        if options.get("resume"):
            refuse_opened(server, record, check)
        if not server.rows(
            "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", server.database
        ):
            recorded = record.read()
            # A migration that was cut off may have left anything: a write lock that is closed stays so.
            if recorded is None:
                raise WriteLockProblem(f"there is no database {server.database}: check database")
        return close(server, record, options, check)
    finally:
        connection.close()
