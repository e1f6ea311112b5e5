# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a server's accounts, database and components to what is wanted."""

from __future__ import annotations

import hashlib
import json
import re
import ssl
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import (
    accounts as mysql_accounts,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import (
    caching_sha2,
    sql,
    system_names,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import (
    connection as mysql_connection,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.accounts import (
    AccountPlan,
    BadRequest,
    CurrentAccount,
    Statement,
    WantedAccount,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql.connection import (
    ConnectionFailed,
    Login,
)

if TYPE_CHECKING:
    from pymysql.connections import Connection


class StatementFailed(Exception):
    """The server did not take a statement. The message is fit to be shown."""

    reason = "statement"


ER_NOT_VALID_PASSWORD = 1819
DEFINED = """
SELECT 'trigger', trigger_schema, trigger_name, definer,
 event_object_table, action_timing, event_manipulation, action_statement FROM information_schema.triggers
UNION ALL SELECT 'view', table_schema, table_name, definer, '', '', '', '' FROM information_schema.views
 WHERE security_type = 'DEFINER'
UNION ALL SELECT LOWER(routine_type), routine_schema, routine_name, definer, '', '', '', ''
 FROM information_schema.routines WHERE security_type = 'DEFINER'
UNION ALL SELECT 'event', event_schema, event_name, definer, '', '', '', '' FROM information_schema.events"""


@dataclass(frozen=True)
class StoredAccount:
    """What the server keeps of an account besides its privileges."""

    hash: bytes = field(repr=False)
    old_hash: bytes | None = field(repr=False)
    ssl_type: str
    max_user_connections: int
    owner: str | None


@dataclass(frozen=True)
class Defined:
    """A trigger, view, procedure, function or event; of a trigger also what it is made of."""

    kind: str
    schema: str
    name: str
    definer: str
    table: str
    timing: str
    event: str
    body: str

    def made_again(self, definer: str) -> str:
        """The statements that give a trigger another definer. `$$` is their end, as a body may hold `;`."""
        name, table = sql.quoted(self.schema, self.name), sql.quoted(self.schema, self.table)
        body = self.body.strip()
        if not re.search("--|#", body):
            body = re.sub(r"\s*\n\s*", " ", body)
        return (
            f"DROP TRIGGER {name} $$ CREATE DEFINER={definer} TRIGGER {name} {self.timing} {self.event} ON {table} "
            f"FOR EACH ROW {body} $$"
        )


@dataclass
class Outcome:
    """What was found and done so far: what is returned on success and on failure alike."""

    server_version: str = ""
    waited: float = 0.0
    changed: bool = False
    database: dict[str, Any] | None = None
    plans: list[AccountPlan] = field(default_factory=list)
    diff: dict[str, Any] | None = None
    components: list[str] = field(default_factory=list)
    tls_reloaded: bool = False
    unknown_accounts: list[str] | None = None
    orphans: list[dict[str, str]] | None = None

    def result(self) -> dict[str, Any]:
        if not self.server_version:
            return {"changed": False}
        result = {
            "changed": self.changed,
            "accounts": [plan.result() for plan in self.plans],
            "server_version": self.server_version,
            "waited": round(self.waited, 3),
            "components": self.components,
            "tls_reloaded": self.tls_reloaded,
        }
        if self.unknown_accounts is not None:
            result["unknown_accounts"] = self.unknown_accounts
        if self.orphans is not None:
            result["orphans"] = self.orphans
        if self.database is not None:
            result["database"] = self.database
        if self.diff is not None:
            result["diff"] = self.diff
        return result


class Server:
    """The administrator's connection."""

    def __init__(self, connection: Connection[Any], secrets: Sequence[str]) -> None:
        self.connection = connection
        self.secrets = secrets

    @property
    def version(self) -> str:
        rows = self.read("SELECT VERSION()")
        return str(rows[0][0])

    def run(self, statement: Statement) -> list[tuple[Any, ...]]:
        import pymysql.err

        try:
            return sql.run(self.connection, statement.sql, statement.params)
        except pymysql.err.MySQLError as error:
            code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
            message = str(error.args[1]) if len(error.args) > 1 else ""
            reason = mysql_accounts.explain_error(code, message, self.secrets)
            if code == ER_NOT_VALID_PASSWORD:
                reason += f", which wants {self.password_policy()}"
            raise StatementFailed(f"cannot {statement.purpose}: {reason}") from None

    def read(self, statement: str, params: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        return self.run(Statement(statement, tuple(params), "read the server's accounts"))

    def password_policy(self) -> str:
        """What a new password must be."""
        rows = dict(self.read("SHOW GLOBAL VARIABLES LIKE 'validate_password.%%'"))
        kinds = [
            f"{rows[f'validate_password.{key}']} {kind}"
            for key, kind in (
                ("mixed_case_count", "lower and upper case"),
                ("number_count", "digits"),
                ("special_char_count", "other characters"),
            )
            if rows.get("validate_password.policy") != "LOW" and f"validate_password.{key}" in rows
        ]
        return ", ".join([f"at least {rows.get('validate_password.length')} characters", *kinds])

    def missing_components(self, wanted: Sequence[str]) -> list[str]:
        found = (
            {row[0] for row in self.read("SELECT component_urn FROM mysql.component")} if wanted else set()
        )
        return [name for name in wanted if f"file://{name}" not in found]

    def has_database(self, name: str) -> bool:
        rows = self.read("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", [name])
        return bool(rows)

    def every_global_privilege(self) -> frozenset[str]:
        """All privileges that this server's version and components know, as GRANT names them."""
        rows = self.read("SHOW PRIVILEGES")
        return frozenset(row[0].upper() for row in rows) - {"USAGE", "PROXY", mysql_accounts.GRANT_OPTION}

    def stored(self) -> dict[tuple[str, str], StoredAccount]:
        """All accounts, by name and host."""
        rows = self.read(
            "SELECT user, host, CAST(authentication_string AS BINARY), "
            "CAST(user_attributes->>'$.additional_password' AS BINARY), ssl_type, max_user_connections, "
            f"user_attributes->>'$.metadata.{mysql_accounts.OWNER}' FROM mysql.user"
        )
        return {
            (name, host): StoredAccount(
                _bytes(stored), None if old is None else _bytes(old), _text(kind), int(limit), owner
            )
            for name, host, stored, old, kind, limit, owner in rows
        }

    def defined(self) -> list[Defined]:
        """What runs with the rights of an account, and fails without it (error 1449)."""
        return [Defined(*map(_text, row)) for row in self.read(DEFINED)]

    def accounts(
        self, names: Sequence[str], stored: Mapping[tuple[str, str], StoredAccount]
    ) -> dict[tuple[str, str], CurrentAccount]:
        """All accounts of these user names, by name and host."""
        keys = [key for key in stored if key[0] in names]
        # information_schema names an account in one column, and quotes it without escaping.
        grantees = {mysql_accounts.label(name, host): (name, host) for name, host in keys}
        if not grantees:
            return {}
        marks = ", ".join(["%s"] * len(grantees))
        everywhere: dict[tuple[str, str], set[str]] = {key: set() for key in grantees.values()}
        databases: dict[tuple[str, str], dict[str, set[str]]] = {key: {} for key in grantees.values()}
        columns = "grantee, privilege_type, is_grantable"
        for grantee, privilege, grantable in self.read(
            f"SELECT {columns} FROM information_schema.user_privileges WHERE grantee IN ({marks})",
            list(grantees),
        ):
            if grantee in grantees:
                _add(everywhere[grantees[grantee]], privilege, grantable)
        for grantee, privilege, grantable, pattern in self.read(
            f"SELECT {columns}, table_schema FROM information_schema.schema_privileges"
            f" WHERE grantee IN ({marks})",
            list(grantees),
        ):
            if grantee in grantees:
                _add(databases[grantees[grantee]].setdefault(pattern, set()), privilege, grantable)
        return {
            key: CurrentAccount(
                frozenset(everywhere[key]),
                {pattern: frozenset(privileges) for pattern, privileges in databases[key].items()},
                mysql_accounts.REQUIREMENTS.get(stored[key].ssl_type, "specified"),
                stored[key].max_user_connections,
                stored[key].old_hash is not None,
                stored[key].owner,
            )
            for key in grantees.values()
        }


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value or "").encode("latin-1", "replace")


def _text(value: Any) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


def _add(privileges: set[str], name: str, grantable: str) -> None:
    if name != "USAGE":
        privileges.add(name)
    if grantable == "YES":
        privileges.add(mysql_accounts.GRANT_OPTION)


def wanted_account(entry: Mapping[str, Any], database: str | None, owner: str | None = None) -> WantedAccount:
    """An entry of the option `accounts`, its password read, its privileges as they were written."""
    password = entry["password"]
    if entry["password_file"] is not None and entry["state"] == "present":
        try:
            password = mysql_connection.read_password_file(entry["password_file"])
        except FileNotFoundError:
            raise BadRequest(
                f"the password_file of {entry['name']} does not exist: {entry['password_file']}"
            ) from None
    privileges, everywhere, on = entry["privileges"], entry["global_privileges"], entry["on"]
    if on == "*":
        if privileges is not None and everywhere is not None:
            raise BadRequest(f"{entry['name']}: with on: '*' give privileges or global_privileges, not both")
        privileges, everywhere, on = None, everywhere if privileges is None else privileges, None
    return WantedAccount(
        name=entry["name"],
        host=entry["host"].lower(),  # as the server keeps it
        present=entry["state"] == "present",
        password=password,
        update_password=entry["update_password"] == "always",
        database=on or database,
        privileges=None
        if privileges is None
        else mysql_accounts.normalise_privileges(
            privileges,
            mysql_accounts.DATABASE_PRIVILEGES,
            "on a database (global_privileges takes the others)",
        ),
        global_privileges=None if everywhere is None else frozenset(everywhere),
        require=entry["require"],
        max_user_connections=entry["max_user_connections"],
        retain_old_password=entry["retain_old_password"],
        discard_old_password=entry["discard_old_password"],
        owner=None if entry["name"] == "root" else owner,
        more={
            name: mysql_accounts.normalise_privileges(
                listed if isinstance(listed, list) else [str(listed)],
                mysql_accounts.DATABASE_PRIVILEGES,
                f"on the database {name}",
            )
            for name, listed in entry["more_privileges"].items()
        },
    )


def log_in(login: Login, wait_timeout: float, outcome: Outcome) -> Connection[Any]:
    """The administrator's connection, after waiting for the server if that is asked for."""
    if wait_timeout <= 0:
        return mysql_connection.connect_administrator(login)
    mysql_connection.require_pymysql()
    start = time.monotonic()
    found: list[Connection[Any]] = []
    spent = mysql_connection.wait_for_server(login.tcp_address.host, login.tcp_address.port, wait_timeout)
    mysql_connection.wait_until(
        lambda dummy: found.append(mysql_connection.connect_administrator(login)),
        max(wait_timeout - spent, 0),
    )
    outcome.waited = time.monotonic() - start
    return found[0]


def address_of(account: WantedAccount, login: Login) -> mysql_connection.Address:
    """Where a password of `account` is tried."""
    return login.address if account.host == "localhost" else login.tcp_address


def accepts(account: WantedAccount, stored: StoredAccount, login: Login) -> bool:
    """Whether the wanted password is the account's own, not an old one that is still valid."""
    if account.password is None:
        return False
    found = caching_sha2.is_password_of(stored.hash, account.password)
    if found is not None:
        return found
    if account.discard_old_password:
        raise BadRequest(
            f"the plugin of {account.label} does not tell which password is the newest: set the password once, which "
            "makes it caching_sha2_password"
        )
    address = address_of(account, login)
    user = mysql_connection.try_login(address, account.name, account.password, login.timeout, login.tls)
    return user == f"{account.name}@{account.host}"


def is_old_password(account: WantedAccount, stored: StoredAccount) -> bool:
    """Whether the wanted password is the one from before, which is still valid beside the account's own."""
    if account.password is None or stored.old_hash is None:
        return False
    return bool(caching_sha2.is_password_of(stored.old_hash, account.password))


def must_verify(plan: AccountPlan, asked: bool | None, login: Login) -> bool:
    account = plan.wanted
    if asked is False or account.password is None or not account.present:
        return False
    if not plan.password_changed and not account.update_password:
        return bool(asked)
    if account.require == "x509" and not login.tls.client_cert:
        return bool(asked)
    return bool(asked) or account.host != "localhost" or bool(login.address.unix_socket)


def verify(accounts: Sequence[WantedAccount], login: Login) -> None:
    """Raise ConnectionFailed unless a login as each of `accounts` is taken for it.

    Of the accounts of one user with one password, one is logged in to; which, the address from which this host comes
    decides.
    """
    tried = set()
    for account in accounts:
        address = address_of(account, login)
        key = (account.name, account.password, account.host == "localhost")
        if key in tried:
            continue
        tried.add(key)
        found = mysql_connection.try_login(
            address, account.name, account.password or "", login.timeout, login.tls
        )
        if found is None:
            raise ConnectionFailed(
                f"{address} refuses the login as {account.label}, although its password is set. "
                "If its host does not match this client, or it needs TLS (ca_cert), set verify: false for it"
            )
        alike = {
            f"{other.name}@{other.host}"
            for other in accounts
            if (other.name, other.password, other.host == "localhost") == key
        }
        if found not in alike:
            raise ConnectionFailed(
                f"{address} takes the login as {account.label} for {found}: remove that account, "
                "or set verify: false for the other"
            )


def run(params: Mapping[str, Any], check_mode: bool, outcome: Outcome, mark_secret: Any) -> None:
    """Do what `params` ask for, and note it in `outcome`. `mark_secret` gets each password that was read.

    Raises BadRequest, ConnectionFailed and StatementFailed.
    """
    wanted = [wanted_account(entry, params["database"], params["owner"]) for entry in params["accounts"]]
    mysql_accounts.check_accounts(wanted)
    if params["unlisted"] == "remove" and not params["owner"]:
        raise BadRequest("unlisted: remove needs owner, which says whose accounts may be removed")
    for name in params["components"]:
        if not re.match(r"^component_[a-z0-9_]+\Z", name):
            raise BadRequest(f"{name!r} is no name of a component, such as component_validate_password")
    certificate = None
    if params["server_certificate"] is not None:
        certificate = read_certificate(params["server_certificate"])
    if params["database"] is not None:
        mysql_accounts.check_database(
            params["database"], params["database_charset"], params["database_collation"]
        )
    login = mysql_connection.login_from_params(params)
    secrets = [*login.secrets, *(account.password for account in wanted if account.password)]
    for secret in secrets:
        mark_secret(secret)

    server = Server(log_in(login, params["wait_timeout"], outcome), secrets)
    try:
        outcome.server_version = server.version
        _apply(params, wanted, login, server, check_mode, outcome)
        if certificate is not None:
            reload_tls(certificate, login, server, check_mode, outcome)
        if not check_mode:
            entries = zip(outcome.plans, params["accounts"])
            verify(
                [plan.wanted for plan, entry in entries if must_verify(plan, entry["verify"], login)], login
            )
    finally:
        server.connection.close()


def _apply(
    params: Mapping[str, Any],
    wanted: Sequence[WantedAccount],
    login: Login,
    server: Server,
    check_mode: bool,
    outcome: Outcome,
) -> None:
    # All is read and planned before anything is written: what makes no sense changes nothing.
    components = server.missing_components(params["components"])
    plans = _plan(params, wanted, login, server, outcome)
    database = params["database"]
    create = database is not None and not server.has_database(database)
    outcome.diff = mysql_accounts.diff(plans, database, create)
    # First of all, so that a password that breaks the policy is refused.
    for name in components:
        outcome.diff["before"].setdefault("components", [])
        outcome.diff["after"].setdefault("components", []).append(name)
        if not check_mode:
            server.run(Statement(f"INSTALL COMPONENT 'file://{name}'", (), f"install {name}"))
        outcome.components.append(name)
        outcome.changed = True
    if database is not None:
        outcome.database = {"name": database, "created": False}
    if create:
        statement = mysql_accounts.create_database(
            database, params["database_charset"], params["database_collation"]
        )
        if not check_mode:
            server.run(statement)
        outcome.database = {"name": database, "created": True}
        outcome.changed = True
    for plan in plans:
        for statement in plan.statements:
            if not check_mode:
                server.run(statement)
            outcome.changed = True
        outcome.plans.append(plan)


def read_certificate(path: str) -> bytes:
    """The first certificate of a file, in DER form. Raises BadRequest."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise BadRequest(f"cannot read server_certificate {path}: {reason}") from None
    begin = text.find(ssl.PEM_HEADER)
    end = text.find(ssl.PEM_FOOTER, begin)
    try:
        return ssl.PEM_cert_to_DER_cert(text[begin : end + len(ssl.PEM_FOOTER)] if 0 <= begin < end else "")
    except ValueError:
        raise BadRequest(f"server_certificate {path} has no certificate in PEM form") from None


def reload_tls(certificate: bytes, login: Login, server: Server, check_mode: bool, outcome: Outcome) -> None:
    """Let the server read its certificate again if it presents another than `certificate`."""
    try:
        before = mysql_connection.presented_certificate(login.tcp_address, login.timeout)
    except ConnectionFailed:
        # A server that started when it could not read its files has no TLS until it reads them again.
        before = b""
    if before == certificate:
        return
    outcome.tls_reloaded = outcome.changed = True
    if outcome.diff is not None:
        outcome.diff["before"]["certificate"] = hashlib.sha256(before).hexdigest()
        outcome.diff["after"]["certificate"] = hashlib.sha256(certificate).hexdigest()
    if check_mode:
        return
    server.run(Statement("ALTER INSTANCE RELOAD TLS", (), "let the server read its certificate again"))
    if mysql_connection.presented_certificate(login.tcp_address, login.timeout) != certificate:
        raise ConnectionFailed(
            f"the server at {login.tcp_address} presents another certificate than server_certificate, also after it "
            "read its files again: see that ssl_cert names that file, and that login_host and login_port lead to "
            "this server"
        )


def keep_definers(
    account: WantedAccount,
    wanted: Sequence[WantedAccount],
    stored: Mapping[tuple[str, str], StoredAccount],
    server: Server,
) -> None:
    """Raise BadRequest if something would stop to work without an account that is to be removed."""
    defined = [one for one in server.defined() if one.definer == f"{account.name}@{account.host}"]
    if not defined:
        return
    listed = ", ".join(f"{one.kind} {one.schema}.{one.name}" for one in defined)
    triggers = [one for one in defined if one.kind == "trigger"]
    # The account that makes MLflow's triggers.
    heirs = [
        one
        for one in wanted
        if one.present and one.host == "localhost" and {"TRIGGER", "CREATE"} <= (one.privileges or set())
    ]
    how = "drop them, or make them again under an account that stays"
    if len(heirs) == 1 and len(triggers) == len(defined):
        heir = heirs[0]
        renamed = heir.key not in stored and heir.host == account.host
        how = (
            "run this as the administrator, and then the deploy again: DELIMITER $$ "
            + (f"RENAME USER {account.label} TO {heir.label} $$ " if renamed else "")
            + " ".join(one.made_again(heir.label) for one in triggers)
        )
    raise BadRequest(
        f"{account.label} is to be removed, and these run with its rights, so that every statement which sets them off "
        f"would fail (error 1449): {listed}. Nothing was changed: keep the account, or {how}"
    )


def refuse_others(
    wanted: Sequence[WantedAccount], stored: Mapping[tuple[str, str], StoredAccount], owner: str
) -> None:
    """Raise BadRequest if an account is somebody else's: it has no mark, nor a password that is in the request.

    Where no account has a mark, they are from before there were marks.
    """
    if not any(one.owner == owner for one in stored.values()):
        return
    others = []
    for account in wanted:
        there = stored.get(account.key)
        if there is None or account.owner is None or there.owner == owner:
            continue
        passwords = {one.password for one in wanted if one.name == account.name and one.password is not None}
        hashes = [there.hash, *([] if there.old_hash is None else [there.old_hash])]
        if not any(caching_sha2.is_password_of(one, password) for one in hashes for password in passwords):
            others.append(account)
    if not others:
        return
    mark = json.dumps({mysql_accounts.OWNER: owner})
    raise BadRequest(
        f"there is an account {', '.join(one.label for one in others)} already that somebody else made: it has no mark "
        f"of {owner}, and another password. Nothing was changed: choose another name, such as the one before. To give "
        "the account away nevertheless, run as the administrator: "
        + "; ".join(f"ALTER USER {one.label} ATTRIBUTE '{mark}'" for one in others)
    )


def _plan(
    params: Mapping[str, Any],
    wanted: Sequence[WantedAccount],
    login: Login,
    server: Server,
    outcome: Outcome,
) -> list[AccountPlan]:
    stored = server.stored()
    owner = params["owner"]
    if owner is not None:
        known = {("root", "localhost"), *(account.key for account in wanted)}
        others = [key for key in stored if key not in known and key[0] not in system_names.ACCOUNTS]
        marked = [key for key in others if stored[key].owner == owner]
        outcome.unknown_accounts = sorted(
            f"{name}@{host}" for name, host in others if (name, host) not in marked
        )
        if params["unlisted"] == "remove":
            wanted = [*wanted, *(WantedAccount(name, host, present=False) for name, host in marked)]
        refuse_others(wanted, stored, owner)
        there = {f"{name}@{host}" for name, host in {*stored, *(one.key for one in wanted if one.present)}}
        outcome.orphans = [
            {"database": one.schema, "kind": one.kind, "name": one.name, "definer": one.definer}
            for one in server.defined()
            if one.definer not in there
        ]
    current = server.accounts(sorted({account.name for account in wanted}), stored)
    if any(account.global_privileges is not None for account in wanted):
        every = server.every_global_privilege()
        wanted = [
            account
            if account.global_privileges is None
            else replace(
                account,
                global_privileges=mysql_accounts.normalise_privileges(
                    sorted(account.global_privileges), every, "that is global on this server"
                ),
            )
            for account in wanted
        ]
    own = server.read("SELECT CURRENT_USER()")[0][0]
    plans = []
    for account in wanted:
        exists = account.key in current
        if exists and not account.present and own == f"{account.name}@{account.host}":
            raise BadRequest(
                f"{account.label} is the account that this module is logged in as: it can't be removed"
            )
        if exists and not account.present:
            keep_definers(account, wanted, stored, server)
        tried = exists and account.present and account.update_password
        accepted = tried and accepts(account, stored[account.key], login)
        plans.append(
            mysql_accounts.plan_account(
                account,
                current.get(account.key),
                accepted,
                tried and not accepted and is_old_password(account, stored[account.key]),
            )
        )
    return plans
