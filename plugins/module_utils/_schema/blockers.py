# SPDX-License-Identifier: GPL-3.0-or-later
"""The server that holds a store, and what of it would stop a migration. Private to this collection.

`read_server` asks the server three things, `find_blockers` six more, and some for what pending migrations need of
the rows that are there. Both only read. What is found is judged by functions over plain data, each of which returns
dictionaries with `name`, `severity`, `message` and `remedy`. An `error` is a blocker, which makes a migration or MLflow
fail or wait, a `warning` is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any, Dict, Iterable, Mapping, Sequence, Tuple

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.accounts import (
    DATABASE_PRIVILEGES,
    MIGRATING,
    grant_pattern,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import (
    literal,
    query,
    quoted,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import demands
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.catalogue import (
    Revision,
    Statement,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.live import QUOTED

ERROR = "error"
WARNING = "warning"

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
NO_SUCH = (1109, 1146)
ER_QUERY_TIMEOUT = 3024
PAGE_SIZE = 16384  # of the server, from which on a key may have 3072 bytes
COMPRESSED_PAGE = 8192  # pages of this size and larger have room for every key
COMPRESSED_MARGIN = 100
# What ends a statement in mysql's client, the first that is in none of them.
ENDS = ("//", "$$", "@@@", "^^^^")
STOPPED = "with a backup, and MLflow stopped"
# What rows that a migration cannot go on with are called: name, message, and what comes before the remedy.
ROWS = {
    demands.REFERENCE: (
        "orphan_rows",
        "rows refer to rows that are not there, and a migration checks that they are (error 1452)",
        f"put the missing rows back, or delete, {STOPPED}",
    ),
    demands.UNIQUE: ("duplicate_rows", "rows are the same in what becomes unique (error 1062)", STOPPED),
    demands.NOT_NULL: ("null_rows", "rows have no value in what becomes NOT NULL (error 1138)", STOPPED),
    demands.LENGTH: ("long_values", "values are too long for what a column becomes (error 1406)", STOPPED),
    demands.CHECK: ("check_violated", "rows break a check that comes (error 3819)", STOPPED),
    demands.FACT: ("unfit_rows", "rows are not as a migration needs them, which fails", STOPPED),
}

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
    "transaction_read_only": "@@session.transaction_read_only",
    "innodb_read_only": "@@global.innodb_read_only",
    "innodb_force_recovery": "@@global.innodb_force_recovery",
    "innodb_page_size": "@@global.innodb_page_size",
    "innodb_default_row_format": "@@global.innodb_default_row_format",
    "disabled_storage_engines": "@@global.disabled_storage_engines",
    "foreign_key_checks": "@@session.foreign_key_checks",
    "encrypted": "CONCAT('' /*!80016 , COALESCE(s.default_encryption, '') */) = 'YES'",
    "database_options": "CONCAT('' /*!80022 , COALESCE((SELECT e.options FROM information_schema.schemata_extensions e"
    " WHERE e.schema_name = s.schema_name), '') */)",
}
# What a server gives new sessions that migrations and MLflow can do without; some go with newer releases.
DEFAULTS = """
SHOW GLOBAL VARIABLES WHERE variable_name IN ('sql_safe_updates', 'sql_select_limit', 'sql_big_selects',
  'max_join_size', 'completion_type', 'binlog_format', 'transaction_isolation')"""
MAX_JOIN = 10**9  # rows; `_settings` refuses less too
FLAGS = (
    "log_bin",
    "log_bin_trust_function_creators",
    "sql_require_primary_key",
    "sql_generate_invisible_primary_key",
    "read_only",
    "super_read_only",
    "offline_mode",
    "partial_revokes",
    "transaction_read_only",
    "innodb_read_only",
    "foreign_key_checks",
    "encrypted",
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
# One's own lock, which this very statement takes, shows that the server keeps account of locks at all. A transaction
# that XA PREPARE left without a session has no thread.
LOCKS = """
SELECT t.processlist_id, t.processlist_user, t.processlist_host, t.processlist_command, t.processlist_time,
       m.object_schema, m.object_name, t.processlist_id = CONNECTION_ID(), m.object_type, t.thread_id IS NULL
FROM performance_schema.metadata_locks m LEFT JOIN performance_schema.threads t ON t.thread_id = m.owner_thread_id
WHERE m.lock_status = 'GRANTED' AND (
  m.object_type = 'TABLE' AND (m.object_schema = %s OR t.processlist_id = CONNECTION_ID())
  OR m.object_type IN ('GLOBAL', 'BACKUP LOCK') AND m.lock_type = 'SHARED')"""
OWN = 7  # the place of whether a lock is one's own
# As a session: id, user, host, command, seconds.
DETACHED = (0, "", "", "Sleep", 1)
LOCKED_SERVER = {
    "GLOBAL": "the whole server (FLUSH TABLES WITH READ LOCK)",
    "BACKUP LOCK": "the whole server (LOCK INSTANCE FOR BACKUP)",
}
ROW_FORMATS = """
SELECT table_name, LOWER(row_format), LOWER(create_options) FROM information_schema.tables
WHERE table_schema = %s AND table_type = 'BASE TABLE'"""
REFERENCES = """
SELECT table_schema, table_name, constraint_name, referenced_table_name, column_name, referenced_column_name
FROM information_schema.key_column_usage
WHERE referenced_table_schema = %s AND table_schema <> referenced_table_schema
ORDER BY table_schema, table_name, constraint_name, ordinal_position"""
DEFINERS = """
SELECT 'trigger', trigger_name, definer, event_object_table, action_timing, event_manipulation, action_statement
FROM information_schema.triggers WHERE trigger_schema = %s
UNION ALL SELECT 'view', table_name, definer, '', '', '', '' FROM information_schema.views
WHERE table_schema = %s AND security_type = 'DEFINER'
UNION ALL SELECT LOWER(routine_type), routine_name, definer, '', '', '', '' FROM information_schema.routines
WHERE routine_schema = %s AND security_type = 'DEFINER'
UNION ALL SELECT 'event', event_name, definer, '', '', '', '' FROM information_schema.events WHERE event_schema = %s"""
ACCOUNTS = "SELECT CONCAT(user, '@', host) FROM mysql.user"
KEYRING = """
SELECT status_value FROM performance_schema.keyring_component_status WHERE status_key = 'Component_status'"""
KEYRING_PLUGINS = """
SELECT plugin_status FROM information_schema.plugins WHERE plugin_name LIKE 'keyring%'"""
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
# What is pending: revisions, each with the statements of it that are to be done.
Steps = Sequence[Tuple[Revision, Sequence[Statement]]]


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
    transaction_read_only: bool = False
    innodb_read_only: bool = False
    innodb_force_recovery: int = 0
    innodb_page_size: int = 16384
    innodb_default_row_format: str = "dynamic"
    disabled_storage_engines: str = ""
    foreign_key_checks: bool = True
    encrypted: bool = False
    database_options: str = ""
    # Variables for new sessions, with their values as text.
    defaults: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """What modules return as `server`; they return the sessions by themselves."""
        hidden = ("sessions", "global_privileges", "defaults")
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in hidden}


@dataclass(frozen=True)
class Layout:
    """The collation of each table, and of each column that has another one than its table."""

    tables: Mapping[str, str]
    columns: Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Reference:
    """A foreign key of another database's table to a table of MLflow's."""

    database: str
    table: str
    name: str
    parent: str
    columns: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """A trigger, view, procedure, function or event that runs with the rights of `definer`.

    `problem` says what is wrong with that account, `make` makes a trigger again.
    """

    kind: str
    name: str
    definer: str
    problem: str = ""
    make: str = ""


@dataclass(frozen=True)
class Setup:
    """What of a database is no line of its schema. `keyring` is None where it may not be seen."""

    formats: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    references: Sequence[Reference] = ()
    programs: Sequence[Program] = ()
    keyring: bool | None = None


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
    values["database_options"] = values["database_options"] or ""
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
        defaults={str(name): str(value) for name, value in query(connection, DEFAULTS)},
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
    steps: Steps = (),
    schema: frozenset[str] = frozenset(),
    seconds: float | None = 0,
    disconnected: frozenset[str] = frozenset(),
) -> list[Blocker]:
    """All that would make a migration of `database` fail or wait, and what makes keys collide.

    `tables` have `bytes`, `collation` is the one that most of them have, and `pending` names those that the
    migrations change (None: it could be any). `schema` are the lines that the store has, of the catalogue, and `steps`
    what is pending; for each thing that these need of rows `seconds` are spent at most (None: as long as it takes,
    0: nothing is looked at). Nobody waits for the sessions of the users `disconnected`, as the write lock ends them.
    """
    layout = read_layout(connection, database)
    spellings = read_spellings(connection, server, database, layout)
    setup = read_setup(connection, server, database)
    violations: list[demands.Violation] = []
    if seconds != 0 and "SELECT" in server.privileges:
        wanted = demands.demands_of(steps, schema)
        violations = demands.read_violations(connection, database, wanted, seconds)
    return [
        *check_version(server, today or date.today()),
        *check_writable(server),
        *check_database(server, database),
        *check_grants(server, database),
        *check_settings(server),
        *check_defaults(server),
        *check_encryption(server, database, setup),
        *check_row_formats(server, database, setup, steps, schema),
        *check_references(setup.references, steps, schema),
        *check_programs(setup.programs),
        *check_rows(database, violations, schema),
        *check_charset(server, database, layout, collation),
        *check_collations(server, database, layout, collation),
        *check_keys(server, database, collation, spellings),
        *check_sessions(
            one for one in read_holders(connection, server, database) if one["user"] not in disconnected
        ),
        *check_disk(tables, free_bytes, pending),
    ]


def read_layout(connection: Any, database: str) -> Layout:
    return Layout(
        {str(table): str(own) for table, own in query(connection, TABLES, database)},
        {(str(t), str(column)): str(own) for t, column, own in query(connection, COLUMNS, database)},
    )


def read_setup(connection: Any, server: Server, database: str) -> Setup:
    formats = {
        str(table): (str(row_format or ""), str(options or ""))
        for table, row_format, options in query(connection, ROW_FORMATS, database)
    }
    pairs: dict[tuple[str, str, str, str], list[tuple[str, str]]] = {}
    for other, table, name, parent, column, target in query(connection, REFERENCES, database):
        pairs.setdefault((other, table, name, parent), []).append((column, target))
    references = [
        Reference(*key, tuple(a for a, _b in columns), tuple(b for _a, b in columns))
        for key, columns in pairs.items()
    ]
    keyring = read_keyring(connection) if server.encrypted else None
    if keyring is None and any("encryption='y'" in options for _format, options in formats.values()):
        keyring = True  # a table that is encrypted was made with it
    return Setup(formats, references, read_programs(connection, server, database), keyring)


def allowed(connection: Any, statement: str, *arguments: Any) -> list[tuple[Any, ...]] | None:
    """The rows of a statement, None if the login may not see them or the server has no such table."""
    try:
        return query(connection, statement, *arguments)
    except Exception as error:  # pymysql's own classes may be missing
        if code_of(error) not in (*DENIED, *NO_SUCH):
            raise
        return None


def read_keyring(connection: Any) -> bool | None:
    """Whether the server has a keyring; None where that may not be seen."""
    if any(status == "ACTIVE" for (status,) in query(connection, KEYRING_PLUGINS)):
        return True
    rows = allowed(connection, KEYRING)
    return None if rows is None else any(status == "Active" for (status,) in rows)


def read_programs(connection: Any, server: Server, database: str) -> list[Program]:
    """What runs with another account's rights, and what is wrong with that account as far as the login may see."""
    rows = query(connection, DEFINERS, *[database] * 4)
    # 5.7's accounts are not looked at, nor what is the login's own.
    accounts = None
    if any(row[2] != server.user for row in rows):
        found_accounts = allowed(connection, ACCOUNTS)
        accounts = None if found_accounts is None else {str(name) for (name,) in found_accounts}
    found = []
    for kind, name, definer, table, timing, event, body in rows:
        make = ""
        if kind == "trigger":
            trigger, its_table = (quoted(database, one) for one in (name, table))
            text = on_one_line(str(body))
            make = f"CREATE TRIGGER {trigger} {timing} {event} ON {its_table} FOR EACH ROW {text}"
        problem = ""
        if accounts is not None and definer != server.user:
            if definer not in accounts:
                problem = "does not exist"
            elif kind == "trigger":
                # OLD and NEW are the table's columns, which it has to be allowed to read.
                needed = ["TRIGGER", *(["SELECT"] if re.search(r"\b(OLD|NEW)\b", str(body), re.I) else [])]
                missing = rights_missing(connection, server, definer, database, needed)
                problem = f"lacks {', '.join(missing)} on the database" if missing else ""
        found.append(Program(str(kind), str(name), str(definer), problem, make))
    return found


def on_one_line(body: str) -> str:
    """A body that does the same. One with a comment that ends with its line stays as it is."""
    parts = re.split(f"({QUOTED.pattern})", body.strip())
    if any(re.search(r"--\s|#", part) for part in parts[::2]):
        return body.strip()
    return "".join(part if n % 2 else re.sub(r"\s+", " ", part) for n, part in enumerate(parts))


def rights_missing(
    connection: Any, server: Server, user: str, database: str, needed: Iterable[str]
) -> list[str]:
    """Those of `needed` that an account has in no way that can be seen."""
    lines = [str(line) for (line,) in query(connection, f"SHOW GRANTS FOR {account(user)}")]
    if not all(" ON " in line for line in lines):
        return []  # it may have them by way of a role
    folded = server.lower_case_table_names != 0
    here = privileges_on(lines, database, False, server.partial_revokes, folded)[1]
    # On one table rights stand in a line of their own.
    narrow = " ".join(line.partition(" ON ")[0] for line in lines if ".* TO " not in line)
    return [name for name in needed if name not in here and name not in narrow and "ALL PRIV" not in narrow]


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
        name = quoted(database, table)
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
    if not any(row[OWN] for row in rows):
        return [
            {**session, "seconds": session["transaction_seconds"], "tables": []}
            for session in server.sessions
            if session["transaction_seconds"] and same(session["database"], database, folds(server))
        ]
    holders: dict[int, dict[str, Any]] = {}
    for *session, schema, table, own, kind, detached in rows:
        number, user, host, command, seconds = DETACHED if detached and kind == "TABLE" else session
        # Without an id it is a thread of the server's own, which ends its work whatever waits.
        if own or number is None or (kind == "TABLE" and not same(schema, database, folds(server))):
            continue
        since = known.get(number, {}).get("transaction_seconds")
        about: dict[str, Any] = {"id": number, "user": user, "host": host, "command": command, "tables": []}
        holder = holders.setdefault(number, {**about, "seconds": seconds if since is None else since})
        locked = LOCKED_SERVER.get(kind, table)
        if locked not in holder["tables"]:
            holder["tables"].append(locked)
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


def account(user: str) -> str:
    """CURRENT_USER() as GRANT wants it."""
    name, dummy, host = user.rpartition("@")
    return "@".join(map(literal, (name, host)))


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
    if server.transaction_read_only:
        on.append("transaction_read_only")
    if server.offline_mode and not exempt:
        on.append("offline_mode")
    found = []
    at_start = [f"innodb_read_only is {server.innodb_read_only:d}"] if server.innodb_read_only else []
    if server.innodb_force_recovery:
        at_start.append(f"innodb_force_recovery is {server.innodb_force_recovery}")
    if at_start:
        found.append(
            blocker(
                "innodb_read_only",
                f"{' and '.join(at_start)}: InnoDB takes no change, or not every one",
                "take it out of mlflow_mysql_settings, or of the server's own file, and start the server again",
            )
        )
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


def check_database(server: Server, database: str) -> list[Blocker]:
    if "READ ONLY=1" not in server.database_options:
        return []
    return [
        blocker(
            "database_read_only",
            f"the database {database} is in read only mode: neither MLflow nor a migration can write (error 3989)",
            f"ALTER DATABASE {quoted(database)} READ ONLY = 0",
        )
    ]


def check_encryption(server: Server, database: str, setup: Setup) -> list[Blocker]:
    if not server.encrypted or setup.keyring:
        return []
    unseen = setup.keyring is None
    about = f"; whether there is one {server.user} may not see" if unseen else ""
    return [
        blocker(
            "keyring",
            f"the database {database} encrypts new tables (ENCRYPTION = 'Y'), for which the server needs a keyring, or "
            f"CREATE TABLE fails (error 3185){about}",
            f"ALTER DATABASE {quoted(database)} ENCRYPTION = 'N', or load a keyring component",
            # An initialisation that fails leaves nothing.
            WARNING if unseen and not setup.formats else ERROR,
        )
    ]


def check_row_formats(
    server: Server, database: str, setup: Setup, steps: Steps, schema: frozenset[str]
) -> list[Blocker]:
    """Tables whose row format has no room for a key that is pending."""
    found = []
    if server.innodb_default_row_format.lower() != "dynamic":
        found.append(
            blocker(
                "default_row_format",
                f"innodb_default_row_format is {server.innodb_default_row_format}: keys of the tables that a migration "
                "makes or copies may have 767 bytes, and MLflow's are longer (errors 1071 and 1709)",
                setting("innodb_default_row_format", "dynamic"),
            )
        )
    short: dict[str, str] = {}
    for revision, table, parts in demands.keys_made(steps, schema):
        row_format, options = setup.formats.get(table, ("", ""))
        if no_room(row_format, options, parts):
            short.setdefault(table, f"{table} ({row_format}, revision {revision})")
    if short:
        changes = [
            f"ALTER TABLE {quoted(database, table)} ROW_FORMAT=DYNAMIC KEY_BLOCK_SIZE=0" for table in short
        ]
        found.append(
            blocker(
                "row_format",
                f"the row format of these tables has no room for a key that a migration makes (errors 1071 and 1118): "
                f"{listed(short.values())}",
                f"with a backup, and MLflow stopped: {'; '.join(changes)}",
            )
        )
    return found


def no_room(row_format: str, options: str, parts: Sequence[int]) -> bool:
    """Whether a key with parts of these bytes is refused in a table of that row format."""
    if row_format in demands.KEY_BYTES:
        return max(parts, default=0) > demands.KEY_BYTES[row_format]
    block = re.search(r"key_block_size=(\d+)", options)
    page = int(block.group(1)) * 1024 if block and row_format == "compressed" else COMPRESSED_PAGE
    # A page of an index has room for two keys at least, and needs some bytes for itself.
    return page < COMPRESSED_PAGE and sum(parts) > page // 2 - COMPRESSED_MARGIN


def check_references(references: Iterable[Reference], steps: Steps, schema: frozenset[str]) -> list[Blocker]:
    """Foreign keys of other databases."""
    stopping, others = [], []
    for one in references:
        revision = demands.keys_lost(steps, schema, one.parent, one.others)
        what = f"{one.name} of {one.database}.{one.table} to {one.parent} ({', '.join(one.others)})"
        if revision:
            stopping.append((one, f"{what}, whose key goes in revision {revision}"))
        else:
            others.append((one, what))
    found = []
    for group, name, message, severity in (
        (
            stopping,
            "foreign_reference",
            "foreign keys of other databases need keys of MLflow's tables that a migration drops (error 1553)",
            ERROR,
        ),
        (
            others,
            "foreign_reference_warning",
            "foreign keys of other databases keep MLflow from deleting what they refer to (error 1451), and may stop "
            "the migrations of a later release",
            WARNING,
        ),
    ):
        if group:
            drops = [
                f"ALTER TABLE {quoted(one.database, one.table)} DROP FOREIGN KEY {quoted(one.name)}"
                for one, _what in group
            ]
            found.append(
                blocker(
                    name,
                    f"{message}: {listed(what for _one, what in group)}",
                    f"drop them, and keep the check in what writes there: {'; '.join(drops)}",
                    severity,
                )
            )
    return found


def check_programs(programs: Iterable[Program]) -> list[Blocker]:
    """What cannot run since its definer is gone."""
    wrong = [one for one in programs if one.problem]
    if not wrong:
        return []
    remedies = []
    end = next((sign for sign in ENDS if not any(sign in one.make for one in wrong)), ENDS[0])
    for one in wrong:
        if one.make:
            name = one.make.split(" ", 3)[2]
            remedies.append(f"DROP TRIGGER {name}{end} {one.make}{end}")
    how = (
        f"log in as the account that is to own them (that of mlflow_mysql_migrator_user) with DELIMITER {end} and make "
        f"them again: {' '.join(remedies)}"
        if remedies
        else "drop them, or make the accounts again, locked"
    )
    about = [f"{one.kind} {one.name} of {one.definer}, which {one.problem}" for one in wrong]
    return [
        blocker(
            "definer",
            "these run with the rights of an account that cannot be used, so that every statement which sets them off "
            f"fails (errors 1449, 1142 and 1143): {listed(about)}",
            how,
        )
    ]


def shown(violation: demands.Violation) -> str:
    """A few of the rows."""
    examples = [" / ".join(str(part) for part in row) for row in violation.examples]
    more = " and more" if (violation.rows or 0) > len(examples) else ""
    return f"{', '.join(examples)}{more}"


def check_rows(
    database: str, violations: Iterable[demands.Violation], schema: frozenset[str]
) -> list[Blocker]:
    """Rows that break what pending migrations need of them."""
    by_kind: dict[str, list[tuple[str, list[str]]]] = {}
    unseen = []
    for one in violations:
        wanted = one.demand
        if one.rows is None:
            unseen.append(f"{wanted.table} for revision {wanted.revision}")
            continue
        names = ", ".join(value.name for value in wanted.values if value.literal is None)
        table = quoted(database, wanted.table)
        many = "1 row" if one.rows == 1 else f"{one.rows} rows"
        rest = f", wanted by revision {wanted.revision}: {shown(one)}"
        condition = demands.breaks(wanted, database) if wanted.kind != demands.UNIQUE else ""
        about, remedies = {
            demands.REFERENCE: (
                f"{many} of {wanted.table} whose {names} is in no row of {wanted.parent}{rest}",
                deletes(database, wanted, schema),
            ),
            demands.UNIQUE: (
                f"{many} of {wanted.table} too many with the same {names}{rest}",
                [f"rename or delete rows of {table} until ({names}) tells them apart"],
            ),
            demands.NOT_NULL: (
                f"{many} of {wanted.table} without {names}{rest}",
                [f"give these rows of {table} a value of {names}"],
            ),
            demands.LENGTH: (
                f"{many} of {wanted.table} whose {names} is longer than {wanted.length}{rest}",
                [
                    f"UPDATE {table} SET {quoted(names)} = LEFT({quoted(names)}, {wanted.length}) WHERE "
                    f"CHAR_LENGTH({quoted(names)}) > {wanted.length}"
                ],
            ),
            demands.CHECK: (
                f"{many} of {wanted.table} that are not {wanted.clause}{rest}",
                [f"change what SELECT * FROM {table} WHERE NOT ({wanted.clause}) finds"],
            ),
            demands.FACT: (
                f"{many} of {wanted.table} without {wanted.wanted}{rest}",
                [wanted.remedy.format(table=table, database=quoted(database), clause=condition)],
            ),
        }[wanted.kind]
        by_kind.setdefault(wanted.kind, []).append((about, remedies))
    found = []
    for kind, group in by_kind.items():
        name, message, before = ROWS[kind]
        steps = list(dict.fromkeys(step for _about, remedies in group for step in remedies))
        found.append(
            blocker(
                name,
                f"{message}: {'; '.join(about for about, _steps in group)}",
                f"{before}: {'; '.join(steps)}",
            )
        )
    if unseen:
        found.append(
            blocker(
                "rows_not_seen",
                f"not all rows could be checked for {listed(unseen)}: a check takes longer than scan_timeout",
                "raise scan_timeout; an upgrade checks without a limit before it changes anything",
                WARNING,
            )
        )
    return found


def deletes(database: str, orphans: demands.Demand, schema: frozenset[str]) -> list[str]:
    """The statements that delete the orphans, before them what refers to them and does not go by itself."""
    keys = [
        found
        for line in sorted(schema)
        if " on delete " not in line
        for found in [demands.FOREIGN_KEY.match(line)]
        if found
    ]
    condition = demands.breaks(orphans, database)

    def table(name: str) -> str:
        return quoted(database, name)

    def below(name: str, alias: str, joins: str, path: tuple[str, ...]) -> list[str]:
        found = []
        for key in keys:
            child = key["table"]
            if key["parent"] != name or child in path:
                continue
            own = f"c{len(path)}"
            pairs = zip(demands.split(key["columns"]), demands.split(key["others"]))
            on = " AND ".join(f"{own}.{quoted(a)} = {alias}.{quoted(b)}" for a, b in pairs)
            found += below(child, own, f"{joins} JOIN {table(child)} {own} ON {on}", (*path, child))
        return [*found, f"DELETE {alias} FROM {table(path[0])} c{joins} WHERE {condition}"]

    return below(orphans.table, "c", "", (orphans.table,))


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
            f"GRANT {names} ON {quoted(pattern)}.* TO {account(server.user)}; or log in as the account "
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
    if server.innodb_page_size < PAGE_SIZE:
        found.append(
            blocker(
                "page_size",
                f"innodb_page_size is {server.innodb_page_size}: keys may have "
                f"{server.innodb_page_size * 3072 // PAGE_SIZE} bytes, and MLflow's are longer (error 1071)",
                "move to a server with innodb_page_size 16384, the default; it is chosen when a data directory is made",
            )
        )
    engines = {name.strip().lower() for name in server.disabled_storage_engines.split(",")}
    if server.default_storage_engine.lower() != "innodb" or "innodb" in engines:
        found.append(
            blocker(
                "storage_engine",
                f"default_storage_engine is {server.default_storage_engine}, disabled_storage_engines is "
                f"'{server.disabled_storage_engines}': MLflow names no engine for its tables, and wants InnoDB",
                setting("default_storage_engine", "InnoDB")
                if "innodb" not in engines
                else "take InnoDB out of disabled_storage_engines in the server's own file, and start it again",
            )
        )
    if not server.foreign_key_checks:
        found.append(
            blocker(
                "foreign_key_checks",
                "foreign_key_checks is off for new sessions: rows may refer to rows that are not there",
                setting("foreign_key_checks", "ON"),
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


def check_defaults(server: Server) -> list[Blocker]:
    """What the server gives new sessions, so that MLflow's statements fail or are cut."""
    found = []
    unlimited = 2**32 - 1  # of old servers; newer ones have 2^64

    def value(name: str, default: str) -> str:
        return server.defaults.get(name, default).upper()

    def number(name: str) -> int:
        text = value(name, str(unlimited))
        return int(text) if text.isdigit() else unlimited

    if number("sql_select_limit") < unlimited:
        found.append(
            ("sql_select_limit", "every SELECT ends after as many rows, without an error", "DEFAULT")
        )
    if value("sql_safe_updates", "OFF") in ("ON", "1"):
        found.append(
            ("sql_safe_updates", "changes that find their rows without a key are refused (error 1175)", "OFF")
        )
    if value("sql_big_selects", "ON") in ("OFF", "0") or number("max_join_size") < MAX_JOIN:
        name = "sql_big_selects" if value("sql_big_selects", "ON") in ("OFF", "0") else ""
        if number("max_join_size") < MAX_JOIN:
            name = "max_join_size"
        found.append((name, "large joins are refused (error 1104)", "DEFAULT"))
    if value("completion_type", "NO_CHAIN") not in ("NO_CHAIN", "0"):
        found.append(
            ("completion_type", "a COMMIT ends the session, or begins another transaction", "NO_CHAIN")
        )
    if value("binlog_format", "ROW") == "STATEMENT" and "COMMITTED" in value("transaction_isolation", ""):
        found.append(
            (
                "binlog_format",
                f"with transaction_isolation {server.defaults['transaction_isolation']} InnoDB takes no change of rows "
                "(error 1665)",
                "ROW",
            )
        )
    if not found:
        return []
    about = [f"{name} is {server.defaults.get(name, '')}: {what}" for name, what, _wanted in found]
    return [
        blocker(
            "session_defaults",
            f"what the server gives new sessions makes statements of MLflow's and of migrations fail: "
            f"{'; '.join(about)}",
            "; ".join(f"SET GLOBAL {name} = {wanted}" for name, _what, wanted in found)
            + ", and take it out of mlflow_mysql_settings, the server's own file and what SET PERSIST left",
        )
    ]


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
        steps.append(f"ALTER DATABASE {quoted(database)} {clause}")
    if tables:
        # Either end of a foreign key has the wrong collation until the other one follows.
        changes = [f"ALTER TABLE {quoted(database, name)} CONVERT TO {clause}" for name in tables]
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
        f"convert the store to {COLLATION}, with a backup and MLflow stopped: ALTER DATABASE {quoted(database)} "
        f"COLLATE {COLLATION}"
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
            message += f". Existing rows could not be checked: {server.user} may not read them"
        elif spellings.unfinished:
            message += (
                f". Existing rows of {listed(spellings.unfinished)} could not be checked: a check takes longer than "
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
        if holder["id"] == 0:
            about.append(
                f"a prepared XA transaction without a session with locks on {listed(sorted(holder['tables']))}"
            )
            kill.append("XA COMMIT or XA ROLLBACK of what XA RECOVER lists")
            continue
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
            "stop MLflow, have the upgrade disconnect it (mlflow_schema_disconnect), or end the sessions: "
            f"{'; '.join(kill[:SHOWN])}",
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
