# SPDX-License-Identifier: GPL-3.0-or-later
"""The server that holds a store, and what of it would stop a migration. Private to this collection.

`read_server` asks the server three things, `find_blockers` three more, and five if keys can collide. Both only
read. What is found is judged by functions over plain data, each of which returns blockers: dictionaries with
`name`, `severity`, `message` and `remedy`. An `error` makes a migration fail or wait, a `warning` does not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any, Dict, Iterable, Mapping

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._accounts import (
    DATABASE_PRIVILEGES,
    grant_pattern,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._live_schema import query

ERROR = "error"
WARNING = "warning"

MIGRATING = (
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "ALTER",
    "INDEX",
    "REFERENCES",
    "DROP",
    "TRIGGER",
)
STRICT = ("STRICT_TRANS_TABLES", "STRICT_ALL_TABLES")
# `ALL PRIVILEGES ON *.*`, which only MySQL 5.7 shows, stands for these too.
SERVER_PRIVILEGES = frozenset({"PROCESS", "SUPER", "CONNECTION_ADMIN"})
EXEMPT = frozenset({"SUPER", "CONNECTION_ADMIN"})  # from read_only and offline_mode

CHECKS_SINCE = (8, 0, 16)  # older servers accept CHECK constraints and forget them
PROCESSLIST_SINCE = (8, 0, 22)  # of the one in performance_schema
LONG_TERM = ((8, 4), (9, 7))
END_OF_8_0 = date(2026, 4, 30)
LOCK_WAIT_MAXIMUM = 3600  # seconds

CHARSET = "utf8mb4"
COLLATION = "utf8mb4_0900_bin"  # what the role gives a store
# MLflow itself gives this one to some columns, whatever the store's is.
COLUMN_COLLATION = "utf8mb4_bin"
EXACT_COLLATION = re.compile(r"_(bin|as_cs(_ks)?)$")

# latest_metrics has each key of metrics once per run, so that the far larger metrics can be left alone.
KEYED_TABLES = ("latest_metrics", "params", "tags")
SCAN_MILLISECONDS = 1000  # per table
EXAMPLES = 3
SHOWN = 10  # names in a list
MIB = 1024 * 1024
DISK_MARGIN = 64 * MIB

DENIED = (1044, 1142, 1143, 1227)
ER_QUERY_TIMEOUT = 3024

# A server older than a variable takes the part between `/*!` and `*/` for a comment.
VARIABLES = {
    "version": "@@version",
    "version_comment": "@@version_comment",
    "lower_case_table_names": "@@lower_case_table_names",
    "sql_mode": "@@session.sql_mode",
    "global_sql_mode": "@@global.sql_mode",
    "log_bin": "@@log_bin",
    "log_bin_trust_function_creators": "@@global.log_bin_trust_function_creators",
    "sql_require_primary_key": "0 /*!80013 + @@session.sql_require_primary_key */",
    "sql_generate_invisible_primary_key": "0 /*!80030 + @@session.sql_generate_invisible_primary_key */",
    "read_only": "@@global.read_only",
    "super_read_only": "@@global.super_read_only",
    "offline_mode": "@@global.offline_mode",
    "lock_wait_timeout": "@@global.lock_wait_timeout",
    "default_storage_engine": "@@default_storage_engine",
    "datadir": "@@datadir",
    "charset": "s.default_character_set_name",
    "collation": "s.default_collation_name",
    "user": "CURRENT_USER()",
    "performance_schema": "@@performance_schema",
    "partial_revokes": "0 /*!80016 + @@global.partial_revokes */",
    "roles": "CONCAT('' /*!80000 , CURRENT_ROLE() */)",
}
FLAGS = (
    "log_bin",
    "log_bin_trust_function_creators",
    "sql_require_primary_key",
    "sql_generate_invisible_primary_key",
    "read_only",
    "super_read_only",
    "offline_mode",
    "partial_revokes",
)

# `trx_started` is in the time zone of the server's host, NOW() in that of the session.
TRANSACTION_SECONDS = "TIMESTAMPDIFF(SECOND, CONVERT_TZ(t.trx_started, 'SYSTEM', '+00:00'), UTC_TIMESTAMP())"
SESSION_COLUMNS = "p.id, p.user, p.host, p.db, p.command, p.state, p.time"
TABLES = """
SELECT table_name, table_collation FROM information_schema.tables
WHERE table_schema = %s AND table_type = 'BASE TABLE' AND table_collation IS NOT NULL"""
COLUMNS = """
SELECT c.table_name, c.column_name, c.collation_name FROM information_schema.columns c
JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name
WHERE c.table_schema = %s AND t.table_type = 'BASE TABLE' AND c.collation_name <> t.table_collation
ORDER BY c.table_name, c.ordinal_position"""
# One's own lock, which this very statement takes, shows that the server keeps account of locks at all.
LOCKS = """
SELECT t.processlist_id, t.processlist_user, t.processlist_host, t.processlist_command, t.processlist_time,
       m.object_schema, m.object_name, t.processlist_id = CONNECTION_ID()
FROM performance_schema.metadata_locks m JOIN performance_schema.threads t ON t.thread_id = m.owner_thread_id
WHERE m.object_type = 'TABLE' AND m.lock_status = 'GRANTED'
  AND (m.object_schema = %s OR t.processlist_id = CONNECTION_ID())"""
# An index that leads with the key has it all; spellings are told apart first, then grouped as the collation does.
SPELLINGS = """
SELECT /*+ MAX_EXECUTION_TIME({limit}) */ MIN(spelling), MAX(spelling)
FROM (SELECT DISTINCT `key` COLLATE utf8mb4_bin AS spelling FROM {table}) spellings
GROUP BY spelling COLLATE {collation} HAVING COUNT(*) > 1 ORDER BY 1 LIMIT {examples}"""

GRANT = re.compile(
    r"^(?P<verb>GRANT|REVOKE) (?P<names>.+?) ON "
    r"(?P<database>\*|`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\"|[^ .]+)\.\* (?:TO|FROM) "
)

Blocker = Dict[str, Any]


@dataclass(frozen=True)
class Server:
    """A server at one moment, as one account sees it.

    `privileges` are those that the account has on the database, wherever they come from; `sessions` are other
    sessions, all of them only if `sessions_visible`.
    """

    version: str
    version_comment: str
    lower_case_table_names: int
    sql_mode: list[str]
    global_sql_mode: list[str]
    log_bin: bool
    log_bin_trust_function_creators: bool
    sql_require_primary_key: bool
    sql_generate_invisible_primary_key: bool
    read_only: bool
    super_read_only: bool
    offline_mode: bool
    partial_revokes: bool
    lock_wait_timeout: int
    default_storage_engine: str
    datadir: str
    charset: str | None
    collation: str | None
    user: str
    privileges: list[str] = field(default_factory=list)
    global_privileges: list[str] = field(default_factory=list)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    sessions_visible: bool = False

    def facts(self) -> dict[str, Any]:
        """What modules return as `server`; they return the sessions by themselves."""
        hidden = ("sessions", "global_privileges")
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in hidden}


@dataclass(frozen=True)
class Layout:
    """The collation of each table, and of each column that has another one than its table."""

    tables: Mapping[str, str]
    columns: Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Spellings:
    """Pairs of keys that a collation takes for one, by table, and the tables that took too long to look at."""

    pairs: Mapping[str, list[tuple[str, str]]]
    unfinished: list[str]


def read_server(connection: Any, database: str) -> Server:
    """Read the settings of the server, the rights of the login on `database` and the other sessions."""
    row = query(
        connection,
        f"SELECT {', '.join(VARIABLES.values())} FROM (SELECT 1) one "
        "LEFT JOIN information_schema.schemata s ON s.schema_name = %s",
        database,
    )[0]
    values = dict(zip(VARIABLES, row))
    for name in FLAGS:
        values[name] = bool(values[name])
    for name in ("sql_mode", "global_sql_mode"):
        values[name] = [mode for mode in values[name].split(",") if mode]
    from_performance_schema = values.pop("performance_schema") and (
        numbers(values["version"]) >= PROCESSLIST_SINCE
    )
    with_roles = values.pop("roles") not in ("", "NONE")
    grants = [str(line) for (line,) in query(connection, "SHOW GRANTS FOR CURRENT_USER")]
    fold_case = values["lower_case_table_names"] != 0
    everywhere, here = privileges_on(grants, database, with_roles, values["partial_revokes"], fold_case)
    visible = "PROCESS" in everywhere
    schema = "performance_schema" if from_performance_schema else "information_schema"
    return Server(
        **values,
        privileges=sorted(here),
        global_privileges=sorted(everywhere),
        sessions=read_sessions(connection, database, schema, visible, fold_case),
        sessions_visible=visible,
    )


def read_sessions(
    connection: Any, database: str, schema: str, visible: bool, fold_case: bool
) -> list[dict[str, Any]]:
    """Other sessions that use `database` or are in a transaction."""
    transactions = (
        "LEFT JOIN information_schema.innodb_trx t ON t.trx_mysql_thread_id = p.id" if visible else ""
    )
    rows = query(
        connection,
        f"SELECT {SESSION_COLUMNS}, {TRANSACTION_SECONDS if visible else 'NULL'} "
        f"FROM {schema}.processlist p {transactions} WHERE p.id <> CONNECTION_ID() ORDER BY p.id",
    )
    names = ("id", "user", "host", "database", "command", "state", "seconds", "transaction_seconds")
    sessions = [dict(zip(names, row)) for row in rows]
    return [
        session
        for session in sessions
        if session["transaction_seconds"] is not None or same(session["database"], database, fold_case)
    ]


def same(one: str | None, other: str, fold_case: bool) -> bool:
    """Whether two names are of one database."""
    return one is not None and (one == other or (fold_case and one.lower() == other.lower()))


def numbers(version: str) -> tuple[int, ...]:
    """`8.0.36-28` as (8, 0, 36)."""
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("-")[0])[:3])


def privileges_on(
    grants: Iterable[str], database: str, with_roles: bool, literal: bool, fold_case: bool
) -> tuple[frozenset[str], frozenset[str]]:
    """The global privileges in the lines of SHOW GRANTS, and those on `database`, the global ones among them.

    The lines have the rights of active roles too. Of several grants on patterns that match, MySQL takes one
    and leaves the others out; `with_roles` says by which of its two rules. With `literal` (partial_revokes) a
    pattern is a name, and one with escapes is the name of no database but one with backslashes.
    """
    everywhere: set[str] = set()
    patterns: dict[str, set[str]] = {}
    revoked: set[str] = set()
    for line in grants:
        found = GRANT.match(line)
        if found is None:
            continue  # a role, or rights on a single table or routine
        names = set(found.group("names").replace(", ", ",").split(","))
        pattern = unquote(found.group("database"))
        if found.group("database") == "*":
            if "ALL PRIVILEGES" in names:
                names |= DATABASE_PRIVILEGES | SERVER_PRIVILEGES
            everywhere |= names
        elif found.group("verb") == "REVOKE":
            if same(pattern, database, fold_case):
                revoked |= names
        else:
            if "ALL PRIVILEGES" in names:
                names |= DATABASE_PRIVILEGES
            patterns.setdefault(pattern, set()).update(names)
    matching = [pattern for pattern in patterns if matches(pattern, database, literal, fold_case)]
    # With roles an exact name comes first, then the patterns in their order as text.
    order = (lambda p: (p != database, p)) if with_roles else (lambda p: (-first_wildcard(p), p))
    chosen = patterns[min(matching, key=order)] if matching else set()
    everywhere -= {"USAGE", "ALL PRIVILEGES"}
    on_all = {name for name in everywhere if name in DATABASE_PRIVILEGES} - revoked
    return frozenset(everywhere), frozenset(on_all | (chosen & DATABASE_PRIVILEGES))


def unquote(name: str) -> str:
    if name[:1] in ("`", '"'):
        return name[1:-1].replace(name[0] * 2, name[0])
    return name


def matches(pattern: str, database: str, literal: bool, fold_case: bool) -> bool:
    """Whether a grant on `pattern` reaches `database`."""
    if literal:
        return same(pattern, database, fold_case)
    parts = re.findall(r"\\[_%\\]|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    text = "".join(wild.get(part) or re.escape(part[-1]) for part in parts)
    return re.match(text + r"\Z", database, re.DOTALL | (re.IGNORECASE if fold_case else 0)) is not None


def first_wildcard(pattern: str) -> int:
    """Where the first wildcard is, by which MySQL takes one pattern for more specific than another."""
    found = re.match(r"(?:\\.|[^\\%_])*", pattern, re.DOTALL)
    end = found.end() if found else 0
    return min(end, 126) if end < len(pattern) else 127


def find_blockers(
    connection: Any,
    server: Server,
    database: str,
    tables: Mapping[str, Any],
    collation: str | None,
    free_bytes: int | None = None,
    pending: Iterable[str] | None = None,
    today: date | None = None,
) -> list[Blocker]:
    """All that would make a migration of `database` fail or wait, and what makes keys collide.

    `tables` have `bytes`, `collation` is the one that most of them have, and `pending` names those that the
    migrations change (None: it could be any).
    """
    layout = read_layout(connection, database)
    spellings = read_spellings(connection, server, database, layout)
    return [
        *check_version(server, today or date.today()),
        *check_writable(server),
        *check_grants(server, database),
        *check_settings(server),
        *check_charset(server, database, layout, collation),
        *check_collations(server, database, layout, collation),
        *check_keys(server, database, collation, spellings),
        *check_sessions(read_holders(connection, server, database)),
        *check_disk(tables, free_bytes, pending),
    ]


def read_layout(connection: Any, database: str) -> Layout:
    return Layout(
        {str(table): str(own) for table, own in query(connection, TABLES, database)},
        {(str(t), str(column)): str(own) for t, column, own in query(connection, COLUMNS, database)},
    )


def read_spellings(connection: Any, server: Server, database: str, layout: Layout) -> Spellings | None:
    """Keys in several spellings that a collation takes for one; None where nobody may look."""
    pairs: dict[str, list[tuple[str, str]]] = {}
    unfinished = []
    if "SELECT" not in server.privileges:
        return None
    for table in KEYED_TABLES:
        own = layout.columns.get((table, "key"), layout.tables.get(table))
        # Within an exact collation nothing collides; another character set is a blocker of its own.
        if own is None or EXACT_COLLATION.search(own) or not own.startswith(CHARSET + "_"):
            continue
        name = f"{quote(database)}.{quote(table)}"
        statement = SPELLINGS.format(
            limit=SCAN_MILLISECONDS, table=name, collation=own, examples=EXAMPLES + 1
        )
        try:
            found = query(connection, statement)
        except Exception as error:  # pymysql's own classes may be missing
            if code_of(error) != ER_QUERY_TIMEOUT:
                raise
            unfinished.append(table)
            continue
        if found:
            pairs[table] = [(str(one), str(other)) for one, other in found]
    return Spellings(pairs, unfinished)


def read_holders(connection: Any, server: Server, database: str) -> list[dict[str, Any]]:
    """Sessions that a change of a table would wait for: `id`, `user`, `host`, `command`, `seconds`, `tables`."""
    known = {session["id"]: session for session in server.sessions}
    try:
        rows = query(connection, LOCKS, database)
    except Exception as error:  # pymysql's own classes may be missing
        if code_of(error) not in DENIED:
            raise
        rows = []
    if not any(row[-1] for row in rows):
        return [
            {**session, "seconds": session["transaction_seconds"], "tables": []}
            for session in server.sessions
            if session["transaction_seconds"] and same(session["database"], database, folds(server))
        ]
    holders: dict[int, dict[str, Any]] = {}
    for number, user, host, command, seconds, schema, table, own in rows:
        # Without an id it is a thread of the server's own, which ends its work whatever waits.
        if own or number is None or not same(schema, database, folds(server)):
            continue
        since = known.get(number, {}).get("transaction_seconds")
        about = {"id": number, "user": user, "host": host, "command": command, "tables": []}
        holder = holders.setdefault(number, {**about, "seconds": seconds if since is None else since})
        if table not in holder["tables"]:
            holder["tables"].append(table)
    # A statement that takes no second comes and goes by itself.
    return [holder for dummy, holder in sorted(holders.items()) if holder["seconds"]]


def folds(server: Server) -> bool:
    return server.lower_case_table_names != 0


def code_of(error: Exception) -> Any:
    return error.args[0] if error.args else None


def blocker(name: str, message: str, remedy: str, severity: str = ERROR) -> Blocker:
    return {"name": name, "severity": severity, "message": message, "remedy": remedy}


def setting(name: str, value: str) -> str:
    """How to change a setting of the server for good."""
    return f"SET GLOBAL {name} = {value}, and {name}: '{value}' in mlflow_mysql_settings so that it stays"


def listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return ", ".join(every[:SHOWN]) + more


def quote(name: str) -> str:
    """An identifier for people to paste, and for statements without parameters."""
    return "`" + name.replace("`", "``") + "`"


def account(user: str) -> str:
    """CURRENT_USER() as GRANT wants it."""
    name, dummy, host = user.rpartition("@")
    return "@".join("'" + part.replace("\\", "\\\\").replace("'", "''") + "'" for part in (name, host))


def check_version(server: Server, today: date) -> list[Blocker]:
    found = numbers(server.version)
    upgrade = "upgrade the server to MySQL 9.7, or 8.4; mlflow_mysql_base_image is the role's variable for it"
    if found < CHECKS_SINCE:
        return [
            blocker(
                "version",
                f"the server is MySQL {server.version}, which does not enforce CHECK constraints; the schema of MLflow "
                "has some since its first release",
                f"{upgrade}, by way of 8.0",
            )
        ]
    if found[:2] == (8, 0):
        if today < END_OF_8_0:
            return []
        message = f"the server is MySQL {server.version}; MySQL 8.0 has got no fixes since April 2026"
        return [blocker("version", message, upgrade, WARNING)]
    if found[:2] in LONG_TERM:
        return []
    message = (
        f"the server is MySQL {server.version}, not one of the releases with long-term support that this collection "
        "knows (8.4 and 9.7); an innovation release gets no fixes once the next one is out"
    )
    return [blocker("version", message, upgrade, WARNING)]


def check_writable(server: Server) -> list[Blocker]:
    exempt = bool(EXEMPT & set(server.global_privileges))
    on = []
    if server.super_read_only:
        on.append("super_read_only")
    if server.read_only and (server.super_read_only or not exempt):
        on.append("read_only")
    if server.offline_mode and not exempt:
        on.append("offline_mode")
    found = []
    if on:
        off = ", ".join(f"GLOBAL {name} = OFF" for name in on)
        found.append(
            blocker(
                "read_only",
                f"{' and '.join(on)} {'is' if len(on) == 1 else 'are'} on: {server.user} can change nothing",
                f"migrate on the source if this is a replica; otherwise SET {off}, "
                "and the same in mlflow_mysql_settings if they are there",
            )
        )
    elif server.offline_mode:
        found.append(
            blocker(
                "read_only",
                f"offline_mode is on: {server.user} may go on, but MLflow cannot log in",
                "SET GLOBAL offline_mode = OFF once the migration is done",
                WARNING,
            )
        )
    return found


def check_grants(server: Server, database: str) -> list[Blocker]:
    missing = [name for name in MIGRATING if name not in server.privileges]
    if not missing:
        return []
    names = ", ".join(missing)
    pattern = database if server.partial_revokes else grant_pattern(database)
    return [
        blocker(
            "grants",
            f"{server.user} lacks {names} on the database {database}",
            f"GRANT {names} ON {quote(pattern)}.* TO {account(server.user)}; or log in as the account "
            "of mlflow_mysql_migrator_user, which has them",
        )
    ]


def check_settings(server: Server) -> list[Blocker]:
    found = []
    if (
        server.log_bin
        and not server.log_bin_trust_function_creators
        and "SUPER" not in server.global_privileges
    ):
        found.append(
            blocker(
                "binary_log_trust",
                f"the binary log is on, log_bin_trust_function_creators is off and {server.user} has not SUPER: the "
                "triggers that MLflow 3.8 and later make are refused (error 1419)",
                setting("log_bin_trust_function_creators", "ON"),
            )
        )
    if server.sql_require_primary_key:
        found.append(
            blocker(
                "primary_key_required",
                "sql_require_primary_key is on: the migrations drop primary keys before they make others, which is "
                "refused (error 3750, first in revision 1b5f0d9ad7c1)",
                setting("sql_require_primary_key", "OFF"),
            )
        )
    if server.sql_generate_invisible_primary_key:
        found.append(
            blocker(
                "invisible_primary_key",
                "sql_generate_invisible_primary_key is on: tables that MLflow makes without a primary key get a column "
                "my_row_id that is not in its schema",
                setting("sql_generate_invisible_primary_key", "OFF"),
            )
        )
    modes = (("the server", server.global_sql_mode), ("this login", server.sql_mode))
    lax = [where for where, mode in modes if not set(mode) & set(STRICT)]
    if lax:
        now, wanted = ",".join(server.global_sql_mode), ",".join([*server.global_sql_mode, STRICT[0]])
        found.append(
            blocker(
                "sql_mode",
                f"sql_mode of {' and '.join(lax)} has neither {' nor '.join(STRICT)}: values that do not fit are cut "
                f"off without an error. The server's is '{now}', this login's '{','.join(server.sql_mode)}'",
                f"SET GLOBAL sql_mode = '{wanted}', and sql_mode: '{wanted}' in mlflow_mysql_settings so that it stays"
                if "the server" in lax
                else "change what sets sql_mode at every login: SELECT @@GLOBAL.init_connect shows it",
            )
        )
    if server.lock_wait_timeout > LOCK_WAIT_MAXIMUM:
        found.append(
            blocker(
                "lock_wait_timeout",
                f"lock_wait_timeout is {server.lock_wait_timeout} s: a change of a table by anyone else waits that "
                "long behind a forgotten transaction, and every query of the table behind it. Migrations by this "
                "collection set a shorter one for themselves (lock_timeout)",
                setting("lock_wait_timeout", "60"),
                WARNING,
            )
        )
    return found


def target_collation(server: Server, collation: str | None) -> str:
    """The collation that all of the store should have: the tables' if it is fit, else the database's."""
    for one in (collation, server.collation):
        if one and one.startswith(CHARSET + "_"):
            return one
    return COLLATION


def convert(database: str, whole: bool, tables: Iterable[str], layout: Layout, target: str) -> str:
    """The statements that give a database and tables the collation `target`."""
    tables = list(tables)
    steps = []
    clause = f"CHARACTER SET {CHARSET} COLLATE {target}"
    if whole:
        steps.append(f"ALTER DATABASE {quote(database)} {clause}")
    if tables:
        # Either end of a foreign key has the wrong collation until the other one follows.
        changes = [f"ALTER TABLE {quote(database)}.{quote(name)} CONVERT TO {clause}" for name in tables]
        steps += ["SET foreign_key_checks = 0", *changes, "SET foreign_key_checks = 1"]
    text = "; ".join(steps)
    own = [
        f"{table}.{column}"
        for (table, column), one in layout.columns.items()
        if table in tables and one == COLUMN_COLLATION
    ]
    if own:
        text += f"; then MODIFY {listed(own)} back to {COLUMN_COLLATION}, which MLflow gave them"
    return f"with a backup, and MLflow stopped: {text}"


def check_charset(server: Server, database: str, layout: Layout, collation: str | None) -> list[Blocker]:
    def odd(one: str) -> bool:
        return not one.startswith(CHARSET + "_")

    whole = server.charset is not None and server.charset != CHARSET
    tables = [name for name, one in sorted(layout.tables.items()) if odd(one)]
    columns = {key: one for key, one in layout.columns.items() if odd(one)}
    if not (whole or tables or columns):
        return []
    wrong = [f"the database ({server.charset})"] if whole else []
    wrong += [f"table {name} ({layout.tables[name].split('_')[0]})" for name in tables]
    wrong += [f"column {table}.{column} ({one.split('_')[0]})" for (table, column), one in columns.items()]
    affected = sorted({*tables, *(table for table, dummy in columns)})
    remedy = convert(database, whole, affected, layout, target_collation(server, collation))
    if affected:
        remedy += ". A TEXT may become a MEDIUMTEXT thereby: MODIFY it back"
    return [blocker("charset", f"not in the character set {CHARSET}: {listed(wrong)}", remedy)]


def check_collations(server: Server, database: str, layout: Layout, collation: str | None) -> list[Blocker]:
    """Blockers for what is in the right character set, but in a collation of its own."""
    if collation is None:
        return []
    target = target_collation(server, collation)

    def odd(one: str | None) -> bool:
        return one is not None and one != target and one.startswith(CHARSET + "_")

    whole = odd(server.collation)
    tables = [name for name, one in sorted(layout.tables.items()) if odd(one)]
    columns = {k: one for k, one in layout.columns.items() if odd(one) and one != COLUMN_COLLATION}
    if not (whole or tables or columns):
        return []
    wrong = [f"the database ({server.collation})"] if whole else []
    wrong += [f"table {name} ({layout.tables[name]})" for name in tables]
    wrong += [f"column {table}.{column} ({one})" for (table, column), one in columns.items()]
    affected = sorted({*tables, *(table for table, dummy in columns)})
    return [
        blocker(
            "collation_mismatch",
            f"not in the collation {target} of the store's tables: {listed(wrong)}. A foreign key between strings of "
            "two collations is refused (error 3780)",
            convert(database, whole, affected, layout, target),
        )
    ]


def check_keys(
    server: Server, database: str, collation: str | None, spellings: Spellings | None
) -> list[Blocker]:
    found = []
    used = collation or server.collation
    to_exact = (
        f"convert the store to {COLLATION}, with a backup and MLflow stopped: ALTER DATABASE {quote(database)} COLLATE "
        f"{COLLATION}"
    )
    if collation:
        to_exact += (
            f"; SET foreign_key_checks = 0; ALTER TABLE ... CONVERT TO CHARACTER SET {CHARSET} COLLATE {COLLATION} for "
            "every table; SET foreign_key_checks = 1"
        )
    if used and not EXACT_COLLATION.search(used):
        message = (
            f"the collation {used} does not tell Loss from loss: keys of metrics, params and tags that differ in case "
            "or accents only are one key within a run, and one in a search"
        )
        if spellings is None:
            message += f". Whether any do so already could not be seen: {server.user} may not read them"
        elif spellings.unfinished:
            message += (
                f". Whether any do so already is not known of {listed(spellings.unfinished)}: a look takes longer than "
                f"{SCAN_MILLISECONDS / 1000:g} s"
            )
        found.append(blocker("collation_merges_keys", message, to_exact, WARNING))
    if spellings and spellings.pairs:
        examples = [
            f"{table}: "
            + ", ".join(f"{one} and {other}" for one, other in pairs[:EXAMPLES])
            + (" and more" if len(pairs) > EXAMPLES else "")
            for table, pairs in spellings.pairs.items()
        ]
        found.append(
            blocker(
                "keys_collide",
                f"different runs spell keys differently that the collation takes for one: {'; '.join(examples)}",
                f"use one spelling in the code that logs them, or {to_exact}",
                WARNING,
            )
        )
    return found


def check_sessions(holders: Iterable[Mapping[str, Any]]) -> list[Blocker]:
    """One blocker for all sessions in a transaction."""
    about, kill = [], []
    for holder in holders:
        doing = "idle" if holder["command"] == "Sleep" else "at work"
        tables = f" with locks on {listed(sorted(holder['tables']))}" if holder["tables"] else ""
        about.append(
            f"{holder['user']}@{holder['host']} (id {holder['id']}) for {holder['seconds']} s{tables}, {doing}"
        )
        kill.append(f"KILL {holder['id']}")
    if not about:
        return []
    return [
        blocker(
            "blocking_transaction",
            f"sessions hold tables of the database in open transactions, and a migration would wait for them: "
            f"{'; '.join(about[:SHOWN])}",
            f"stop MLflow, or end the sessions: {'; '.join(kill[:SHOWN])}",
        )
    ]


def check_disk(
    tables: Mapping[str, Any], free_bytes: int | None, pending: Iterable[str] | None
) -> list[Blocker]:
    names = set(tables) if pending is None else set(tables) & set(pending)
    if free_bytes is None or not names:
        return []
    largest = max(sorted(names), key=lambda name: tables[name].bytes)
    needed = tables[largest].bytes * 1.2 + DISK_MARGIN
    if free_bytes >= needed:
        return []
    return [
        blocker(
            "disk_space",
            f"{free_bytes // MIB} MiB are free in the data directory's file system; a change of {largest} "
            f"({tables[largest].bytes // MIB} MiB) copies it and needs {-(-int(needed) // MIB)} MiB",
            "free or add disk space; binary logs go with PURGE BINARY LOGS, and binlog_expire_logs_seconds in "
            "mlflow_mysql_settings says how long they stay",
        )
    ]
