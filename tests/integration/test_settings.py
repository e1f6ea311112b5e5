# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of a setting, however it is written, is what the real mysqld makes of it."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store.settings import (
    KNOWN,
    RULES,
    read,
    setting_problems,
    text_of,
)
from default_versions import MYSQL_IMAGE

# Each takes something away, and each is written so that mysqld does as it says.
BAD: list[tuple[str, Any]] = [
    *[("disable_log_bin", value) for value in (True, "", 1, False, "OFF")],
    *[
        (name, "")
        for name in ("skip-log-bin", "skip_log_bin", "loose-skip-log-bin", "loose_loose_disable-log-bin")
    ],
    *[("skip_log_bin", 0), ("enable_log_bin", 0), ("enable-log-bin", "")],
    *[
        ("log_bin", value)
        for value in (False, True, 0, "", "mysql-bin", "/var/tmp/binlog", "'elsewhere' # or")
    ],
    *[("binlog_format", value) for value in ("STATEMENT", "mixed", 1)],
    *[("sync_binlog", 0), ("skip_sync_binlog", ""), ("loose-sync-binlog", "1000 # faster")],
    *[("innodb-flush-log-at-trx-commit", 2), ("skip_innodb_flush_log_at_trx_commit", 1)],
    *[("gtid_mode", False), ("gtid-mode", "ON_PERMISSIVE"), ("skip_gtid_mode", ""), ("gtid_mode", 0)],
    *[("enforce_gtid_consistency", "WARN"), ("disable_enforce_gtid_consistency", "")],
    *[
        ("binlog_checksum", "NONE"),
        ("binlog_error_action", "IGNORE_ERROR"),
        ("binlog_expire_logs_seconds", "1K"),
    ],
    *[("log_replica_updates", 0), ("skip-log-replica-updates", ""), ("binlog_encryption", True)],
    *[("read-only", True), ("read_only", 1), ("enable_read_only", ""), ("super_read_only", "on")],
    *[("offline_mode", "TRUE"), ("transaction_read_only", "ON"), ("loose_skip_read_only", 0)],
    *[("port", 3307), ("bind-address", "127.0.0.1"), ("socket", "/tmp/mysql.sock"), ("datadir", "/data")],
    *[("skip-networking", True), ("skip_networking", 1), ("enable_skip_networking", "")],
    *[("skip_grant_tables", True), ("loose-skip-grant-tables", "ON")],
    *[("sql_mode", ""), ("sql_mode", "ANSI,STRICT_TRANS_TABLES"), ("sql-mode", "NO_ENGINE_SUBSTITUTION")],
    *[("character_set_server", "latin1"), ("collation-server", "utf8mb4_0900_ai_ci")],
    *[("sql_require_primary_key", 1), ("sql_generate_invisible_primary_key", "ON")],
    *[("completion_type", "CHAIN"), ("max-join-size", "1M")],
    *[("log_bin_trust_function_creators", False), ("skip_log_bin_trust_function_creators", "")],
    *[("max_allowed_packet", "1M"), ("max-allowed-packet", 1048576), ("default_storage_engine", "MyISAM")],
    *[("innodb_default_row_format", "COMPACT"), ("innodb_page_size", "4k"), ("tls_version", "")],
    *[("authentication_policy", "sha256_password"), ("require_secure_transport", "ON")],
    *[("server_id", value) for value in ("4G", "4GB", 4294967296, 9999999999, "04294967295", "00")],
    *[("innodb_doublewrite", value) for value in ("OFF", "DETECT_ONLY", 0, 2, False)],
    *[("skip-innodb-doublewrite", ""), ("init_file", "/var/tmp/x.sql"), ("init_connect", "SELECT SLEEP(1)")],
    *[("max_execution_time", 500), ("loose-max-execution-time", "5000"), ("default_password_lifetime", 90)],
    *[("transaction_isolation", "READ-UNCOMMITTED"), ("transaction-isolation", 0)],
    *[("autocommit", 0), ("skip-autocommit", ""), ("lower_case_table_names", 1)],
    *[("log_error_suppression_list", "MY-013302"), ("innodb_data_file_path", "ibdata1:1G:autoextend")],
    *[("performance_schema_digests_size", 0), ("performance_schema_max_digest_length", 32)],
    *[("skip-performance-schema-consumer-statements-digest", ""), ("max_digest_length", 0)],
    *[("performance_schema_consumer_global_instrumentation", "OFF")],
]
GOOD: list[tuple[str, Any]] = [
    *[
        ("log_bin", "binlog"),
        ("sync_binlog", 1),
        ("enable_sync_binlog", ""),
        ("gtid_mode", "ON"),
        ("gtid_mode", 3),
    ],
    *[("binlog_format", "row"), ("binlog_expire_logs_seconds", 86400), ("binlog_expire_logs_seconds", 0)],
    *[
        ("read_only", "OFF"),
        ("skip_read_only", ""),
        ("disable_super_read_only", 1),
        ("skip_networking", False),
    ],
    *[("bind_address", "0.0.0.0"), ("port", "3306"), ("sql_mode", "TRADITIONAL"), ("tls_version", "TLSv1.3")],
    *[("server_id", "4194303K"), ("server_id", "+7"), ("sync_binlog", "01"), ("max_allowed_packet", "16MB")],
    *[("innodb_doublewrite", value) for value in ("ON", "DETECT_AND_RECOVER", 1, 3, True)],
    *[
        ("max_execution_time", "300K"),
        ("transaction_isolation", "READ-COMMITTED"),
        ("transaction_isolation", 1),
    ],
    *[("autocommit", 1), ("performance_schema_digests_size", -1), ("performance_schema_digests_size", 500)],
    *[
        ("innodb_data_file_path", "ibdata1:12M:autoextend:max:4G"),
        ("log_error_suppression_list", "MY-010055"),
    ],
    *[("max_allowed_packet", "1G"), ("collation_server", "utf8mb4_bin"), ("innodb_page_size", "16K")],
    *[
        ("authentication_policy", "*,,"),
        ("log_bin_trust_function_creators", True),
        ("skip_name_resolve", "OFF"),
    ],
    *[("binlog_transaction_compression", "ON"), ("binlog_row_image", "MINIMAL"), ("event_scheduler", "OFF")],
]
SCRIPT = r"""
while IFS= read -r line; do
  printf '[mysqld]\n%s\n' "$line" >/tmp/case.cnf
  printf '== %s\n' "$line"
  mysqld --defaults-file=/tmp/case.cnf --verbose --help 2>/dev/null | sed -n '/^-* -*$/,/^$/p' | tail -n +2
done
"""


@pytest.fixture(scope="module")
def effective() -> list[dict[str, str]]:
    """What a server says that each of BAD and GOOD gives it, in their order, and at last what it has without any."""
    # As my.cnf.j2 writes them.
    lines = [
        f"{name.replace('-', '_')} = {('ON' if value else 'OFF') if isinstance(value, bool) else value}"
        for name, value in BAD + GOOD
    ]
    done = subprocess.run(
        ["docker", "run", "--rm", "-i", "--network", "none", "--entrypoint", "bash", MYSQL_IMAGE, "-c", SCRIPT],
        input="\n".join([*lines, "", ""]), capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: list[dict[str, str]] = []
    for line in done.stdout.splitlines():
        name, dummy, value = line.partition(" ")
        if name == "==":
            found.append({})
        elif name:
            value = value.strip()
            found[-1][name.replace("-", "_")] = "" if value == "(No default value)" else value
    assert len(found) == len(lines) + 1
    return found


def fits(name: str, value: str) -> bool:
    """Return whether a rule that holds for a store with backups, without TLS of the role's or with it, lets it pass."""
    return all(rule.fits(value) for rule in RULES if name in rule.names and rule.where in ("", "backups"))


def test_each_spelling_is_read_as_the_server_reads_it(effective: list[dict[str, str]]) -> None:
    for (given, value), there in zip(BAD, effective):
        name, dummy = read(given, value)
        assert name in KNOWN and name in there, (given, value)
        # A server with another name for its binary log, or none, does not have `binlog`.
        assert not fits(name, there[name]) or name == "tls_version", (given, value, there[name])
        problems = setting_problems({given: value}, tls=name != "require_secure_transport")
        assert len(problems) == 1 and given in problems[0], (given, value, there[name])


def test_what_takes_nothing_away_is_taken(effective: list[dict[str, str]]) -> None:
    for (given, value), there in zip(GOOD, effective[len(BAD) :]):
        name, dummy = read(given, value)
        assert setting_problems({given: value}) == [], (given, value)
        assert name not in KNOWN or fits(name, there[name]), (given, value, there.get(name))


def test_what_a_server_has_by_itself_is_taken(effective: list[dict[str, str]]) -> None:
    """No rule refuses MySQL's own default, but for what the role changes for a reason."""
    own = {
        "collation_server",
        "log_bin_trust_function_creators",
        "gtid_mode",
        "enforce_gtid_consistency",
        "log_error",
    }
    there = effective[-1]
    assert len(KNOWN & set(there)) > 50
    refused = {name for name in KNOWN & set(there) if there[name] and not fits(name, text_of(there[name]))}
    # Of a program that says what it can do, which has no server's own values.
    assert refused - own <= {
        "help",
        "datadir",
        "socket",
        "tmpdir",
        "verbose",
        "binlog_do_db",
        "binlog_ignore_db",
    }
