# SPDX-License-Identifier: GPL-3.0-or-later
"""What accounts should be, what they are, and the statements between. Private to this collection.

No function here talks to a server: `mlflow_mysql_account` reads the state and runs the statements.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Iterable, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.sql import quoted_for_values

NAME_MAXIMUM = 32  # characters of a user name, in MySQL 5.7 and later
DATABASE_MAXIMUM = 64
GRANT_OPTION = "GRANT OPTION"
OWNER = "mlflow_ops_owner"  # the user attribute that says whose an account is
REQUIREMENTS = {"": "none", "ANY": "ssl", "X509": "x509"}  # by the column ssl_type

# All that GRANT ALL ON database.* gives.
DATABASE_PRIVILEGES: frozenset[str] = frozenset(
    {
        "ALTER",
        "ALTER ROUTINE",
        "CREATE",
        "CREATE ROUTINE",
        "CREATE TEMPORARY TABLES",
        "CREATE VIEW",
        "DELETE",
        "DROP",
        "EVENT",
        "EXECUTE",
        "INDEX",
        "INSERT",
        "LOCK TABLES",
        "REFERENCES",
        "SELECT",
        "SHOW VIEW",
        "TRIGGER",
        "UPDATE",
    }
)
# What the account needs on a database that migrates MLflow's schema.
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


class BadRequest(ValueError):
    """What is asked for makes no sense. The message says which option to change."""

    reason = "bad_request"


@dataclass(frozen=True)
class Statement:
    """SQL in pymysql's format, its bound values, and what it does, for messages."""

    sql: str
    params: tuple[str, ...] = field(repr=False)
    purpose: str


@dataclass(frozen=True)
class WantedAccount:
    """An account as asked for. None leaves a password or privileges alone."""

    name: str
    host: str = "%"
    present: bool = True
    password: str | None = field(default=None, repr=False)
    update_password: bool = True
    database: str | None = None
    privileges: frozenset[str] | None = None
    global_privileges: frozenset[str] | None = None
    require: str | None = None
    max_user_connections: int | None = None
    retain_old_password: bool = False
    discard_old_password: bool = False
    owner: str | None = None
    more: Mapping[str, frozenset[str]] = field(default_factory=dict)  # privileges on other databases

    @property
    def key(self) -> tuple[str, str]:
        return (self.name, self.host)

    @property
    def label(self) -> str:
        return label(self.name, self.host)


@dataclass(frozen=True)
class CurrentAccount:
    """An account as the server has it. `database_privileges` has the grants' database patterns as keys.

    `has_old_password` says whether a password from before is still valid beside the account's own.
    """

    global_privileges: frozenset[str] = frozenset()
    database_privileges: Mapping[str, frozenset[str]] = field(default_factory=dict)
    require: str = "none"
    max_user_connections: int = 0
    has_old_password: bool = False
    owner: str | None = None


@dataclass(frozen=True)
class AccountPlan:
    """What happens to one account: `granted` and `revoked` are lines such as `SELECT ON mlflow.*`."""

    wanted: WantedAccount
    created: bool = False
    password_changed: bool = False
    removed: bool = False
    old_password_discarded: bool = False
    old_password_valid: bool = False
    granted: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()
    statements: tuple[Statement, ...] = ()
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None

    @property
    def changed(self) -> bool:
        return bool(self.statements)

    def result(self) -> dict[str, Any]:
        """The account's entry in the module's return value."""
        return {
            "name": self.wanted.name,
            "host": self.wanted.host,
            "created": self.created,
            "password_changed": self.password_changed,
            "old_password_discarded": self.old_password_discarded,
            "old_password_valid": self.old_password_valid,
            "granted": list(self.granted),
            "revoked": list(self.revoked),
            "removed": self.removed,
        }


def label(name: str, host: str) -> str:
    """The account as messages name it."""
    return f"'{name}'@'{host}'"


def grant_pattern(database: str) -> str:
    """`database` as GRANT wants it, where `_` and `%` are wildcards unless they are escaped."""
    return re.sub(r"([\\_%])", r"\\\1", database)


def literal_of(pattern: str) -> str:
    """The database that `pattern` was most likely written for: the pattern without its escapes."""
    return re.sub(r"\\(.)", r"\1", pattern)


def normalise_privileges(names: Iterable[str], every: frozenset[str], where: str) -> frozenset[str]:
    """The set of privileges that `names` stand for, in capitals; ALL stands for `every`, USAGE for nothing.

    Raises BadRequest for a name that is neither in `every` nor GRANT OPTION.
    `where` says what `every` is for.
    """
    wanted: set[str] = set()
    unknown = []
    for given in names:
        name = " ".join(given.upper().split())
        if name in ("ALL", "ALL PRIVILEGES"):
            wanted |= every
        elif name in every or name == GRANT_OPTION:
            wanted.add(name)
        elif name != "USAGE":
            unknown.append(given)
    if unknown:
        raise BadRequest(f"{', '.join(unknown)}: no such privilege {where}")
    return frozenset(wanted)


def check_account(wanted: WantedAccount) -> None:
    """Raise BadRequest if no server would, or should, make `wanted`."""
    if not wanted.name:
        raise BadRequest("an account's name is empty: give it a name")
    if len(wanted.name) > NAME_MAXIMUM:
        raise BadRequest(
            f"the account name {wanted.name} has {len(wanted.name)} characters: "
            f"MySQL takes {NAME_MAXIMUM} at most"
        )
    if not wanted.host:
        raise BadRequest(f"the host of account {wanted.name} is empty: '%' stands for every host")
    if wanted.password == "":
        raise BadRequest(f"the password of {wanted.label} is empty: give one, or leave the option out")
    if wanted.password is not None and "\0" in wanted.password:
        raise BadRequest(f"the password of {wanted.label} holds a NUL character, at which clients cut it off")
    if wanted.retain_old_password and wanted.discard_old_password:
        raise BadRequest(
            f"{wanted.label} is to retain its old password and to discard it: set one of the two options"
        )
    if wanted.discard_old_password and wanted.present and wanted.password is None:
        raise BadRequest(f"the old password of {wanted.label} is to go: give the one that stays")
    if wanted.max_user_connections is not None and wanted.max_user_connections < 0:
        raise BadRequest(f"max_user_connections of {wanted.label} is negative: 0 is no limit")
    if wanted.privileges is not None and not wanted.database:
        raise BadRequest(
            f"privileges of {wanted.label} are given, but not on what: set its option 'on', or 'database'"
        )


def check_accounts(accounts: Sequence[WantedAccount]) -> None:
    """Raise BadRequest if an account can't be made, or stands there twice."""
    seen = set()
    for account in accounts:
        check_account(account)
        if account.key in seen:
            raise BadRequest(f"the account {account.label} is listed twice: merge the two")
        seen.add(account.key)


def check_database(name: str, charset: str, collation: str) -> None:
    """Raise BadRequest for names that MySQL would not take."""
    if not name or len(name) > DATABASE_MAXIMUM or name.endswith(" ") or "\0" in name:
        raise BadRequest(
            f"database {name!r} is no name for a database: "
            f"1 to {DATABASE_MAXIMUM} characters, no end in a space"
        )
    for option, value in (("database_charset", charset), ("database_collation", collation)):
        if not re.match(r"^[A-Za-z0-9_]+\Z", value):
            raise BadRequest(f"{option} {value!r} is no name of MySQL's: letters, digits and _ only")


def create_database(name: str, charset: str, collation: str) -> Statement:
    return Statement(
        f"CREATE DATABASE IF NOT EXISTS {quoted_for_values(name)} CHARACTER SET {charset} COLLATE {collation}",
        (),
        f"create the database {name}",
    )


def plan_account(
    wanted: WantedAccount,
    current: CurrentAccount | None,
    password_accepted: bool,
    old_password_accepted: bool = False,
) -> AccountPlan:
    """The way from `current` (None: there is no such account) to `wanted`.

    `password_accepted` says whether the wanted password is the account's own, `old_password_accepted` whether it is the
    one from before, which is still valid beside that. Raises BadRequest for a new account without a password.
    """
    if not wanted.present:
        return _plan_removal(wanted, current)
    statements = []
    created = current is None
    who = (wanted.name, wanted.host)
    base = current or CurrentAccount()
    options = _options(wanted, base)
    if created:
        if wanted.password is None:
            raise BadRequest(f"the account {wanted.label} does not exist and has no password: set one")
        create = f"CREATE USER %s@%s IDENTIFIED BY %s{options.sql}"
        parameters = (*who, wanted.password, *options.params)
        statements.append(Statement(create, parameters, f"create {wanted.label}"))
    password_changed = (
        not created and wanted.password is not None and wanted.update_password and not password_accepted
    )
    if password_changed and wanted.password is not None:
        if wanted.discard_old_password:
            raise BadRequest(
                f"the old password of {wanted.label} is to go, but the one given is not its newest: give that, or set "
                "it first"
            )
        if wanted.retain_old_password and base.has_old_password and not old_password_accepted:
            raise BadRequest(
                f"{wanted.label} already has an old password that is still valid, and MySQL keeps one only: discard it "
                "first (discard_old_password)"
            )
        retain = " RETAIN CURRENT PASSWORD" if wanted.retain_old_password else ""
        change = f"ALTER USER %s@%s IDENTIFIED BY %s{retain}"
        statements.append(Statement(change, (*who, wanted.password), f"set the password of {wanted.label}"))
    # As the newest again it is no second one: MySQL would keep it as both, and refuse the next rotation.
    same = password_changed and old_password_accepted and not wanted.retain_old_password
    discarded = base.has_old_password and (wanted.discard_old_password or same)
    retained = password_changed and wanted.retain_old_password
    if discarded:
        sql = "ALTER USER %s@%s DISCARD OLD PASSWORD"
        statements.append(Statement(sql, who, f"discard the old password of {wanted.label}"))
    if options.sql and not created:
        sql = f"ALTER USER %s@%s{options.sql}"
        statements.append(Statement(sql, (*who, *options.params), f"set the options of {wanted.label}"))
    target = _target(wanted, base)
    granted, revoked = [], []
    for scope, before, after in _scopes(base, target):
        if after - before:
            statements.append(_change("GRANT", "TO", after - before, scope, wanted))
            granted += _lines(after - before, scope)
        if before - after:
            statements.append(_change("REVOKE", "FROM", before - after, scope, wanted))
            revoked += _lines(before - after, scope)
    new_password = created or password_changed
    return AccountPlan(
        wanted=wanted,
        created=created,
        password_changed=new_password,
        old_password_discarded=discarded,
        old_password_valid=retained or (base.has_old_password and not discarded),
        granted=tuple(granted),
        revoked=tuple(revoked),
        statements=tuple(statements),
        before=None if current is None else describe(current, "(old)" if new_password else None, discarded),
        after=describe(target, "(new)" if new_password else None),
    )


def _options(wanted: WantedAccount, current: CurrentAccount) -> Statement:
    """What CREATE USER and ALTER USER take besides a password; its SQL is empty if nothing is to be changed."""
    sql, params = "", []
    if wanted.require is not None and wanted.require != current.require:
        sql += f" REQUIRE {wanted.require.upper()}"
    if (
        wanted.max_user_connections is not None
        and wanted.max_user_connections != current.max_user_connections
    ):
        sql += f" WITH MAX_USER_CONNECTIONS {wanted.max_user_connections:d}"
    if wanted.owner is not None and wanted.owner != current.owner:
        sql += " ATTRIBUTE %s"
        params.append(json.dumps({OWNER: wanted.owner}))
    return Statement(sql, tuple(params), f"set the options of {wanted.label}")


def _plan_removal(wanted: WantedAccount, current: CurrentAccount | None) -> AccountPlan:
    if current is None:
        return AccountPlan(wanted)
    statement = Statement("DROP USER %s@%s", (wanted.name, wanted.host), f"remove {wanted.label}")
    return AccountPlan(wanted, removed=True, statements=(statement,), before=describe(current))


def _target(wanted: WantedAccount, current: CurrentAccount) -> CurrentAccount:
    """`current` with the privileges that `wanted` names, and all others as they are."""
    databases = dict(current.database_privileges)
    if wanted.privileges is not None and wanted.database is not None:
        # A grant whose wildcards were not escaped reaches other databases too (`ml_flow`: also mlXflow).
        for pattern in databases:
            if literal_of(pattern) == wanted.database:
                databases[pattern] = frozenset()
        databases[grant_pattern(wanted.database)] = wanted.privileges
    for name, privileges in wanted.more.items():
        databases[grant_pattern(name)] = privileges
    everywhere = current.global_privileges if wanted.global_privileges is None else wanted.global_privileges
    limit = wanted.max_user_connections
    return CurrentAccount(
        everywhere,
        databases,
        current.require if wanted.require is None else wanted.require,
        current.max_user_connections if limit is None else limit,
        current.has_old_password and not wanted.discard_old_password,
        wanted.owner or current.owner,
    )


def _scopes(
    current: CurrentAccount, target: CurrentAccount
) -> list[tuple[str | None, frozenset[str], frozenset[str]]]:
    """Each scope (None: global; else a database pattern) with its privileges before and after."""
    scopes: list[tuple[str | None, frozenset[str], frozenset[str]]] = [
        (None, current.global_privileges, target.global_privileges)
    ]
    # What is granted comes first: a running client never lacks what it has before and after.
    patterns = sorted(
        target.database_privileges, key=lambda pattern: (not target.database_privileges[pattern], pattern)
    )
    for pattern in patterns:
        before = current.database_privileges.get(pattern, frozenset())
        scopes.append((pattern, before, target.database_privileges[pattern]))
    return scopes


def _change(
    verb: str, towards: str, names: frozenset[str], scope: str | None, wanted: WantedAccount
) -> Statement:
    where = "*.*" if scope is None else f"{quoted_for_values(scope)}.*"
    return Statement(
        f"{verb} {', '.join(sorted(names))} ON {where} {towards} %s@%s",
        (wanted.name, wanted.host),
        f"{verb.lower()} privileges {towards.lower()} {wanted.label}",
    )


def _lines(names: frozenset[str], scope: str | None) -> list[str]:
    return [f"{name} ON {_scope_text(scope)}" for name in sorted(names)]


def _scope_text(scope: str | None) -> str:
    """A scope as people read it; a pattern with wildcards that are not escaped is shown as it is."""
    if scope is None:
        return "*.*"
    database = literal_of(scope)
    return f"{database if grant_pattern(database) == scope else scope}.*"


def describe(
    account: CurrentAccount, password: str | None = None, old_password: bool = False
) -> dict[str, Any]:
    """An account for the diff. `password` is a marker, never a password."""
    privileges = {
        _scope_text(scope): sorted(names) for scope, names in account.database_privileges.items() if names
    }
    if account.global_privileges:
        privileges["*.*"] = sorted(account.global_privileges)
    description: dict[str, Any] = {"privileges": privileges}
    if account.require != "none":
        description["require"] = account.require
    if account.max_user_connections:
        description["max_user_connections"] = account.max_user_connections
    if account.owner:
        description["owner"] = account.owner
    if old_password:
        description["old_password"] = "(valid)"
    if password is not None:
        description["password"] = password
    return description


def diff(
    plans: Sequence[AccountPlan], database: str | None = None, database_created: bool = False
) -> dict[str, dict[str, Any]]:
    """What the module returns as `diff`."""
    before: dict[str, Any] = {"accounts": {}}
    after: dict[str, Any] = {"accounts": {}}
    for plan in plans:
        if plan.before is not None:
            before["accounts"][plan.wanted.label] = plan.before
        if plan.after is not None:
            after["accounts"][plan.wanted.label] = plan.after
    if database is not None:
        before["database"] = None if database_created else database
        after["database"] = database
    return {"before": before, "after": after}


def explain_error(code: int, message: str, secrets: Iterable[str]) -> str:
    """What the server says against a statement, without anything secret in it."""
    known = {
        1044: "the administrator may not do that",
        1142: "the administrator may not do that",
        1227: "the administrator lacks a privilege for it",
        1410: "the administrator may not grant what it does not have",
        1819: "the password does not satisfy the server's policy (validate_password)",
        # The server repeats the text next to the mistake, which may be a password.
        1064: "the server does not understand the statement",
    }
    text = known.get(code, message)
    if any(secret and secret in text for secret in secrets):
        text = "the server's message is left out, as it holds a password"
    return f"{text} (MySQL error {code})"
