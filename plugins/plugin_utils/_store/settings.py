# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the server that take away what a role of this collection promises. Private to this collection.

The one place where they are known: `RULES`. What stands in ``mlflow_mysql_settings`` is read as mysqld reads it
(https://dev.mysql.com/doc/refman/9.7/en/option-modifiers.html, and ``mysys/my_getopt.cc``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable, Mapping

DATA = "/var/lib/mysql"
SCRATCH_SERVER_ID = 4294967295  # `scratch_server.SERVER_ID`, and the highest: what is more becomes it
DAY = 86400
MIB = 1024 * 1024
STRICT = {"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES", "TRADITIONAL"}
# With these the server reads statements, or compares and stores values, in another way than MLflow was written for.
FOREIGN_MODES = {
    *("ANSI", "ANSI_QUOTES", "PIPES_AS_CONCAT", "NO_BACKSLASH_ESCAPES", "REAL_AS_FLOAT"),
    "PAD_CHAR_TO_FULL_LENGTH",
}
# What it may do: nothing, or what MLflow's driver does by itself.
INIT_CONNECT = re.compile(r"(?i)(set\s+names\s+'?utf8mb4'?\s*;?)?")
SYSTEM_FILE = re.compile(r"(?i)ibdata1:12m:autoextend(:max:[0-9]+[kmg]?)?")
# The message by which a rotation knows who uses an old password still.
OLD_PASSWORD_USED = {
    "my-013302",
    "013302",
    "13302",
    "er_caching_sha2_password_second_password_used_information",
}
# What the server counts statements with, and tells sessions apart by.
COUNTS = ("statement/sql/set_option", "thread/sql/one_connection")
SHORTEST = 60_000  # milliseconds of a search
# What the role computes, or a rule looks at: a bound of one of these has the last word over both.
BOUND = ("max_connections", "max_user_connections", "wait_timeout")
ON = {"on", "true", "1"}
OFF = {"off", "false", "0"}
MODIFIERS = {"skip_": "0", "disable_": "0", "enable_": "1"}

# When a rule holds: always, or only where this is there.
BACKUPS = "backups"  # or a group, which replicates what backups copy
GROUP = "group"
TLS = "tls"  # mlflow_mysql_tls is not off


@dataclass(frozen=True)
class Rule:
    """Settings, the values that they may have, who relies on that and what to do instead."""

    names: tuple[str, ...]
    fits: Callable[[str], bool]
    why: str
    remedy: str = "leave it out"
    where: str = ""


def _on(value: str) -> bool:
    return value.lower() in ON


def _off(value: str) -> bool:
    return value.lower() in OFF


def _never(value: str) -> bool:
    return False


def _one_of(*allowed: str) -> Callable[[str], bool]:
    return lambda value: value.lower() in allowed


def _inside(value: str) -> bool:
    return value.rstrip("/") in (DATA, "", ".")


def size_of(value: str) -> int | None:
    """Return a number that may end with K, M, G, T, P or E, as mysqld reads it; ``None`` if it is none.

    mysqld ignores what follows that letter, such as the B of `4GB`. A number that it cannot hold is none.
    """
    found = re.fullmatch(r"(?i)([+-]?[0-9]+)(?:([kmgtpe]).*)?", value)
    if found is None:
        return None
    size = int(found.group(1)) * 1024 ** " kmgtpe".index((found.group(2) or " ").lower())
    return size if abs(size) < 1 << 64 else None


def _number(*allowed: int) -> Callable[[str], bool]:
    return lambda value: size_of(value) in allowed


def _own_server_id(value: str) -> bool:
    size = size_of(value)
    return size is not None and 0 < size < SCRATCH_SERVER_ID


def _at_least(least: int, *besides: int) -> Callable[[str], bool]:
    def fits(value: str) -> bool:
        size = size_of(value)
        return size is not None and (size >= least or size in besides)

    return fits


def _strict(value: str) -> bool:
    modes = {mode.strip().upper() for mode in value.split(",")}
    return bool(modes & STRICT) and not modes & FOREIGN_MODES


def _case_sensitive(value: str) -> bool:
    return re.fullmatch(r"(?i)utf8mb4\w*(_bin|_as_cs)", value) is not None


def _with_clone(value: str) -> bool:
    return "mysql_clone" in value


def _with_tls(value: str) -> bool:
    return any(version.strip().lower() in ("tlsv1.2", "tlsv1.3") for version in value.split(","))


def _caching_sha2(value: str) -> bool:
    first, *others = (factor.strip() for factor in value.split(","))
    return first in ("", "*", "*:caching_sha2_password", "caching_sha2_password") and not any(others)


def _counts(value: str) -> bool:
    pattern, dummy, state = (part.strip().lower() for part in value.partition("="))
    matches = re.compile(".*".join(map(re.escape, pattern.split("%"))))
    return state not in OFF | {"no"} or not any(matches.fullmatch(one) for one in COUNTS)


def _says_who_logs_in(value: str) -> bool:
    return not OLD_PASSWORD_USED & {one.strip().lower() for one in value.split(",")}


def _page_size(value: str) -> bool:
    return size_of(value) == 16 * 1024


def _relay(value: str) -> bool:
    return "relay" in value.rpartition("/")[2]


COPIED = "backups copy the binary log (role mlflow_backup)"
NAMED = "GTIDs connect a backup with the binary log, and the members of a group with each other"
CRASH = "after a crash of the host the copy of the binary log would have transactions that the store has lost"
WITHOUT_LOG = (
    "the server would not count statements that set sql_log_bin, with which backups detect missing changes"
)
KEYRING = "the servers that open a backup and roll an upgrade back have no keyring"
OUTSIDE = f"a restore swaps all data of the server, which is {DATA}"
UNSEEN = "leave it out, or set performance_schema to OFF; docs/backup.md says what is then not detected"
REFUSES = "MLflow and the roles must be able to log in and write"
INSTEAD = "the role sets it itself"

RULES = (
    Rule(
        ("log_bin",),
        _one_of("binlog", f"{DATA}/binlog"),
        f"{COPIED}, which is {DATA}/binlog and is on unless this is set: OFF and 0 are taken for its name",
        where=BACKUPS,
    ),
    Rule(("log_bin_index",), _one_of("binlog.index", f"{DATA}/binlog.index"), COPIED, where=BACKUPS),
    Rule(("log_replica_updates", "log_slave_updates"), _on, COPIED, where=BACKUPS),
    Rule(
        ("binlog_do_db", "binlog_ignore_db"), _never, f"{COPIED}, which must have all changes", where=BACKUPS
    ),
    Rule(
        ("binlog_format",),
        _one_of("row", "2"),
        "a restore up to a statement searches for the rows that the statement changed",
        where=BACKUPS,
    ),
    Rule(("binlog_checksum",), _one_of("crc32", "1"), "a copy is verified with it", where=BACKUPS),
    Rule(
        ("binlog_expire_logs_seconds",),
        _at_least(DAY, 0),
        "files that the server removes before they are copied, while the copier does not run, are in no backup until "
        "the next full one, which is made once a day",
        f"choose {DAY} at least",
        BACKUPS,
    ),
    Rule(
        ("binlog_error_action", "binlogging_impossible_mode"),
        _one_of("abort_server", "1"),
        "the server would continue without its binary log, and without a warning",
        where=BACKUPS,
    ),
    Rule(("sync_binlog",), _number(1), CRASH, where=BACKUPS),
    Rule(("innodb_flush_log_at_trx_commit",), _number(1), CRASH, where=BACKUPS),
    Rule(
        ("innodb_flush_method",),
        _one_of("fsync", "o_dsync", "o_direct", "o_direct_no_fsync", "0", "1", "4", "5"),
        CRASH,
        where=BACKUPS,
    ),
    Rule(
        ("innodb_doublewrite",),
        _one_of("on", "true", "detect_and_recover", "1", "3", "5"),
        "a page that was half written in a crash of the host could not be repaired, and the store would not start",
    ),
    Rule(("gtid_mode",), _one_of("on", "3"), NAMED, where=BACKUPS),
    Rule(("enforce_gtid_consistency",), _on, NAMED, where=BACKUPS),
    Rule(
        ("server_id",),
        _own_server_id,
        f"{SCRATCH_SERVER_ID}, which a larger number becomes, is that of the scratch server of a restore, which skips "
        "transactions with its own, and 0 is not a valid ID",
        f"leave it out, or choose 1 to {SCRATCH_SERVER_ID - 1}",
        BACKUPS,
    ),
    Rule(
        ("relay_log", "relay_log_index"),
        _relay,
        "the copier tells them from the binary log by their name",
        "give it a name with `relay` in it",
        BACKUPS,
    ),
    Rule(
        ("plugin_load", "plugin_load_add"),
        _with_clone,
        "it replaces mysql_clone.so, which full backups and the members of a group need",
        "set plugin_load_add, with mysql_clone.so before your own: 'mysql_clone.so;mine.so'",
        BACKUPS,
    ),
    Rule(
        ("clone",),
        _one_of("on", "1", "force", "force_plus_permanent", "true"),
        "full backups need it",
        where=BACKUPS,
    ),
    Rule(
        (
            *("binlog_encryption", "default_table_encryption", "innodb_redo_log_encrypt"),
            "innodb_undo_log_encrypt",
        ),
        _off,
        KEYRING,
        "leave it out, and encrypt the disk, and backups with mlflow_backup_recipients",
        BACKUPS,
    ),
    Rule(
        (
            *("innodb_data_home_dir", "innodb_log_group_home_dir", "innodb_undo_directory"),
            *("innodb_directories", "innodb_doublewrite_dir"),
        ),
        _inside,
        OUTSIDE,
        "leave it out, and mount another disk at mlflow_mysql_home",
    ),
    Rule(
        ("datadir",),
        lambda value: value.rstrip("/") == DATA,
        f"{OUTSIDE} in the container",
        "set mlflow_mysql_home",
    ),
    Rule(
        (
            *("initialize", "initialize_insecure", "validate_config", "help", "daemonize", "chroot"),
            *("version", "print_defaults", "gdb"),
        ),
        _off,
        "the server would not run normally, or would end",
    ),
    Rule(
        ("skip_grant_tables",),
        _off,
        "everybody could log in as root",
        "run recover_access for a lost password",
    ),
    Rule(("skip_networking",), _off, "MLflow connects over TCP"),
    Rule(("port",), _number(3306), "it is the port in the container", "set mlflow_mysql_port"),
    Rule(
        ("bind_address",),
        _one_of("*", "0.0.0.0", "::"),  # noqa: S104 - of the container
        "it is an address in the container",
        "set mlflow_mysql_bind_address",
    ),
    Rule(
        ("socket",),
        _one_of("/var/run/mysqld/mysqld.sock", "/run/mysqld/mysqld.sock"),
        "root, the migrator and the backup account log in through it",
    ),
    Rule(
        ("tmpdir",),
        _one_of("/var/tmp"),  # noqa: S108
        f"{INSTEAD}: it is tmp/ below mlflow_mysql_home",
        "mount another disk there",
    ),
    Rule(
        ("read_only", "super_read_only", "offline_mode", "innodb_read_only", "transaction_read_only"),
        _off,
        f"{REFUSES}; on the members of a group MySQL itself sets it as needed",
    ),
    Rule(
        ("innodb_force_recovery",),
        _number(0, 1, 2, 3),
        REFUSES,
        "restore a backup (playbook restore) instead of starting the store like that",
    ),
    Rule(
        ("log_error",),
        _one_of("stderr"),
        "the messages of the server are read in `docker logs`, also by the roles when something fails",
    ),
    Rule(
        ("sql_mode",),
        _strict,
        "values that do not fit would be cut without an error, or statements would mean something else than MLflow and "
        "its migrations expect",
        "keep STRICT_TRANS_TABLES, and none of " + ", ".join(sorted(FOREIGN_MODES)),
    ),
    Rule(
        ("init_connect",),
        lambda value: INIT_CONNECT.fullmatch(value) is not None,
        "it runs in MLflow's sessions, and ends those in which it fails; the schema role cannot detect that",
        "use a separate setting for all sessions",
    ),
    Rule(
        ("init_file",),
        lambda value: value == "",
        "its statements run as root at each start of the server, before any check",
        "leave it out, and run them once",
    ),
    Rule(
        ("max_execution_time",),
        _at_least(SHORTEST, 0),
        "MLflow's searches, backups and migrations would fail with error 3024",
        f"choose 0, or {SHORTEST} (ms) at least",
    ),
    Rule(
        ("transaction_isolation",),
        _one_of("read-committed", "repeatable-read", "serializable", "1", "2", "3"),
        "MLflow would read uncommitted changes of others",
        "choose REPEATABLE-READ, the default, or READ-COMMITTED",
    ),
    Rule(
        ("autocommit",),
        _on,
        "a statement's changes would be rolled back when its session ends",
    ),
    Rule(
        ("default_password_lifetime",),
        _number(0),
        "the passwords of the store's accounts would expire, and MLflow could not log in",
        "leave it out, and run the playbook rotate_passwords as often as you like",
    ),
    Rule(
        ("log_error_suppression_list",),
        _says_who_logs_in,
        "a rotation of passwords detects uses of an old password by the message MY-013302",
        "leave that message out of the list",
    ),
    Rule(
        ("lower_case_table_names",),
        _number(0),
        "the servers that open the store and its backups have the image's value, which is 0",
    ),
    Rule(
        ("innodb_data_file_path",),
        lambda value: SYSTEM_FILE.fullmatch(value) is not None,
        "the servers that open the store and its backups expect the original system tablespace: ibdata1:12M:autoextend",
    ),
    Rule(
        (
            *(
                "performance_schema_consumer_statements_digest",
                "performance_schema_consumer_global_instrumentation",
            ),
            "performance_schema_consumer_thread_instrumentation",
        ),
        _on,
        WITHOUT_LOG,
        UNSEEN,
        BACKUPS,
    ),
    Rule(("performance_schema_instrument",), _counts, WITHOUT_LOG, UNSEEN, BACKUPS),
    Rule(
        ("performance_schema_digests_size",), lambda value: size_of(value) != 0, WITHOUT_LOG, UNSEEN, BACKUPS
    ),
    Rule(
        ("max_digest_length", "performance_schema_max_digest_length"),
        _at_least(1024),
        WITHOUT_LOG,
        UNSEEN,
        BACKUPS,
    ),
    Rule(
        ("character_set_server",),
        _one_of("utf8mb4"),
        "MLflow cannot migrate a database in another character set (error 1253)",
    ),
    Rule(
        ("collation_server",),
        _case_sensitive,
        "MLflow's keys differ by case: a collation that is not one of utf8mb4, or ignores case, merges them",
        "choose utf8mb4_0900_bin, utf8mb4_bin or utf8mb4_0900_as_cs",
    ),
    Rule(("default_storage_engine",), _one_of("innodb"), "MLflow's schema and full backups need InnoDB"),
    Rule(
        ("disabled_storage_engines",),
        lambda value: "innodb" not in value.lower(),
        "MLflow's schema and full backups need InnoDB",
    ),
    Rule(("innodb_page_size",), _page_size, "MLflow's keys do not fit into smaller pages (error 1071)"),
    Rule(
        ("innodb_default_row_format",),
        _one_of("dynamic", "2"),
        "MLflow's keys do not fit into other row formats (error 1071)",
    ),
    Rule(
        ("sql_require_primary_key",),
        _off,
        "migrations drop primary keys before they create new ones (error 3750)",
    ),
    Rule(
        ("sql_generate_invisible_primary_key",),
        _off,
        "tables would get a column that is not in MLflow's schema",
    ),
    Rule(
        ("completion_type",),
        _one_of("no_chain", "0"),
        "a COMMIT would end MLflow's connections, or begin another transaction on them",
    ),
    Rule(
        ("max_join_size",),
        _at_least(10**9),
        "MLflow's searches join large tables, which would be refused (error 1104)",
    ),
    Rule(
        ("log_bin_trust_function_creators",),
        _on,
        "MLflow creates a trigger, which the migrator may not do otherwise (error 1419)",
    ),
    Rule(
        ("max_allowed_packet",),
        _at_least(16 * MIB),
        "MLflow writes values of up to 16 MB in one statement (the profile of a dataset)",
        "choose 16M at least; the default is 64M",
    ),
    Rule(
        ("authentication_policy",),
        _caching_sha2,
        "the accounts of this collection have one password, with caching_sha2_password",
    ),
    Rule(
        (
            *("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_crl", "ssl_crlpath"),
            "require_secure_transport",
        ),
        _never,
        f"{INSTEAD}, and its command line has the last word",
        'set mlflow_mysql_tls: generated, provided or "off"',
        TLS,
    ),
    Rule(
        ("require_secure_transport",),
        _off,
        'with mlflow_mysql_tls "off" the URI does not mention TLS',
        "set mlflow_mysql_tls to generated or provided",
    ),
    Rule(
        ("tls_version",),
        _with_tls,
        "there would be no TLS, which mlflow_mysql_tls promises",
        'keep TLSv1.2 or TLSv1.3, or set mlflow_mysql_tls to "off"',
        TLS,
    ),
    Rule(
        ("performance_schema",),
        _on,
        "members and the proxy read the members' roles there",
        where=GROUP,
    ),
    Rule(
        ("server_id", "report_host", "report_port", "server_uuid"),
        _never,
        f"members recognise each other by it, and {INSTEAD}",
        where=GROUP,
    ),
    Rule(("replica_preserve_commit_order",), _on, "Group Replication needs it", where=GROUP),
    Rule(
        (
            *(
                "group_replication_group_name",
                "group_replication_start_on_boot",
                "group_replication_group_seeds",
            ),
            *("group_replication_communication_stack", "group_replication_local_address"),
            *("group_replication_ssl_mode", "group_replication_recovery_use_ssl"),
            *("group_replication_recovery_ssl_ca", "group_replication_bootstrap_group"),
            *("group_replication_view_change_uuid", "group_replication"),
        ),
        _never,
        f"members would not find each other, and {INSTEAD}",
        where=GROUP,
    ),
    Rule(("group_replication_single_primary_mode",), _on, "one member is the primary", where=GROUP),
    Rule(
        ("group_replication_enforce_update_everywhere_checks",),
        _off,
        "one member is the primary",
        where=GROUP,
    ),
    Rule(
        ("group_replication_consistency",),
        _never,
        INSTEAD,
        "set mlflow_mysql_group_consistency",
        GROUP,
    ),
    Rule(("group_replication_member_weight",), _never, INSTEAD, "set mlflow_mysql_group_weight", GROUP),
)
# Filters of replication, all of which leave something out: of what a restore applies, and of what a member gets.
FILTERS = Rule(("replicate_*",), _never, "members would skip a part of the transactions", where=GROUP)
KNOWN = frozenset(name for rule in RULES for name in rule.names)


def text_of(value: Any) -> str:
    """Return a value as the server finds it in its configuration: see ``my.cnf.j2``, quotes and comments removed."""
    if isinstance(value, bool):
        return "ON" if value else "OFF"
    text = str(value).strip()
    if text[:1] in ("'", '"'):
        return text[1:].partition(text[0])[0]
    return text.partition("#")[0].strip()


def read(name: str, value: Any) -> tuple[str, str]:
    """Return the name of the server's setting that an option sets, and the value that it gets.

    `skip_x` and `disable_x` set `x` to 0 whatever their value is, except for a 0, and `enable_x` is the other way
    round. `loose_` only keeps the server from refusing what it does not know.
    """
    name, text = name.lower().replace("-", "_"), text_of(value)
    while True:
        if name.startswith("loose_"):
            name = name[len("loose_") :]
            continue
        prefix = next((one for one in MODIFIERS if name.startswith(one)), "")
        if not prefix or name in KNOWN:
            break
        name, text = (
            name[len(prefix) :],
            MODIFIERS[prefix] if text != "0" else str(1 - int(MODIFIERS[prefix])),
        )
    if name.startswith("maximum_") and name[len("maximum_") :] in KNOWN | set(BOUND):
        return name[len("maximum_") :], "no more than " + text
    return name, text


def given_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``settings`` set, by the server's own names: a number where it is one, which may end with K, M, ...

    They are written in the order of their names, and the last that sets one has the last word.
    """
    found: dict[str, Any] = {}
    for given in sorted(settings, key=lambda name: (str(name).lower().replace("-", "_"), str(name))):
        name, text = read(str(given), settings[given])
        if not text.startswith("no more than "):
            size = size_of(text)
            found[name] = text if size is None else size
    return found


def setting_problems(
    settings: Mapping[str, Any],
    backups: bool = True,
    group: bool = False,
    tls: bool = True,
    connections: int = 0,
) -> list[str]:
    """Return a line for each of ``settings`` that takes away what a role promises: what it is, why, what to do.

    ``backups``, ``group`` and ``tls`` say whether the store has them. ``connections`` is how many MLflow's user needs.
    """
    there = {"": True, BACKUPS: backups or group, GROUP: group, TLS: tls}
    problems = []
    for given, value in settings.items():
        name, text = read(str(given), value)
        rules = [rule for rule in RULES if name in rule.names]
        if name.startswith("replicate_") and name != "replicate_same_server_id":
            rules.append(FILTERS)
        for rule in rules:
            if there[rule.where] and not rule.fits(text):
                remedy = rule.remedy
                if rule.where == BACKUPS and not group:
                    remedy += ", or set mlflow_backup_state to absent for a store without backups"
                problems.append(_message(str(given), value, rule.why, remedy))
                break
        if name in BOUND and text.startswith("no more than "):
            why = f"it bounds {name}, which the role counts with"
            problems.append(_message(str(given), value, why, f"leave it out, and set {name} itself"))
        if name == "max_user_connections" and 0 < (size_of(text) or 0) < connections:
            why = f"it holds for each account, and MLflow's can take {connections} connections"
            problems.append(_message(str(given), value, why, f"choose 0, or {connections} at least"))
    return problems


def _message(given: str, value: Any, why: str, remedy: str) -> str:
    shown = "" if value is None or str(value) == "" else f": {text_of(value)}"
    why, remedy = (part[:1].upper() + part[1:] for part in (why, remedy))
    return f"mlflow_mysql_settings has {given}{shown}. {why}. {remedy}."
