# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings that take away what a role promises. What mysqld makes of a spelling is in tests/integration."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._backup import (
    scratch_server as servers,
)
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._store import settings


@pytest.mark.parametrize(
    "given, said",
    [
        ({"disable_log_bin": True}, "backups copy the binary log"),
        ({"skip-log-bin": ""}, "set mlflow_backup_state to absent"),
        ({"maximum_max_allowed_packet": "1M"}, "16 MB"),
        ({"replicate_do_db": "mlflow"}, None),
        ({"binlog_ignore_db": "scratch"}, "which must have all changes"),
        ({"plugin_load_add": "validate.so"}, "mysql_clone.so before your own"),
        ({"plugin-load-add": "mysql_clone.so;mine.so"}, None),
        ({"plugin_load": "audit=audit.so"}, "mysql_clone.so"),
        ({"skip_clone": ""}, "full backups need it"),
        ({"relay_log": "other"}, "`relay`"),
        ({"relay_log": "/var/lib/mysql/relay-bin"}, None),
        ({"server_id": 4294967295}, "skips transactions with its own"),
        ({"server-id": "04294967295"}, "skips transactions with its own"),
        ({"server_id": "+4294967295"}, "choose 1 to 4294967294"),
        ({"server_id": "4G"}, "skips transactions with its own"),
        ({"loose-server-id": "4gb # more"}, "skips transactions with its own"),
        ({"server_id": 9999999999}, "skips transactions with its own"),
        ({"server_id": 4294967296}, "skips transactions with its own"),
        ({"server_id": "4194304K"}, "skips transactions with its own"),
        ({"server_id": "00"}, "0 is not a valid ID"),
        ({"server_id": -1}, "0 is not a valid ID"),
        ({"server-id": 7}, None),
        ({"server-id": "4194303K"}, None),
        ({"server-id": 4294967294}, None),
        ({"sync_binlog": "01"}, None),
        ({"innodb_force_recovery": "04"}, "restore a backup"),
        ({"binlog_expire_logs_seconds": "+86399"}, "choose 86400 at least"),
        ({"max_allowed_packet": "64MB"}, None),
        ({"max_allowed_packet": "16777216T"}, "16 MB"),
        ({"max_user_connections": "+60"}, "can take 492 connections"),
        ({"validate_config": True}, "would not run normally"),
        ({"initialize-insecure": "ON"}, "would not run normally"),
        ({"log_error": "/var/lib/mysql/error.log"}, "docker logs"),
        ({"init_connect": "SET SESSION sql_mode=''"}, "MLflow's sessions"),
        ({"init_connect": "SET NAMES utf8mb4"}, None),
        ({"init_connect": "SET sql_safe_updates = 1"}, "MLflow's sessions"),
        ({"completion_type": 2}, "COMMIT"),
        ({"completion_type": "CHAIN"}, "COMMIT"),
        ({"init_connect": "DELETE FROM mlflow.runs"}, "MLflow's sessions"),
        ({"init_connect": "SELECT SLEEP(5)"}, "MLflow's sessions"),
        ({"init_connect": ""}, None),
        ({"skip-innodb-doublewrite": ""}, "half written"),
        ({"innodb_doublewrite": "DETECT_ONLY"}, "half written"),
        ({"innodb_doublewrite": "OFF"}, "half written"),
        ({"innodb_doublewrite": "DETECT_AND_RECOVER"}, None),
        ({"innodb_doublewrite": True}, None),
        ({"init_file": "/var/lib/mysql/x.sql"}, "run as root"),
        ({"max_execution_time": 500}, "error 3024"),
        ({"loose-max-execution-time": "5000"}, "error 3024"),
        ({"max_execution_time": 0}, None),
        ({"max_execution_time": 300000}, None),
        ({"transaction-isolation": "READ-UNCOMMITTED"}, "uncommitted changes of others"),
        ({"transaction_isolation": 0}, "uncommitted changes of others"),
        ({"transaction_isolation": "READ-COMMITTED"}, None),
        ({"autocommit": 0}, "rolled back when its session ends"),
        ({"skip-autocommit": ""}, "rolled back when its session ends"),
        ({"default_password_lifetime": 90}, "rotate_passwords"),
        ({"default_password_lifetime": 0}, None),
        ({"log_error_suppression_list": "MY-010055,my-013302"}, "MY-013302"),
        (
            {"log_error_suppression_list": "ER_CACHING_SHA2_PASSWORD_SECOND_PASSWORD_USED_INFORMATION"},
            "MY-013302",
        ),
        ({"log_error_suppression_list": "MY-010055"}, None),
        ({"lower_case_table_names": 1}, "the image's value"),
        ({"lower_case_table_names": 0}, None),
        ({"innodb_data_file_path": "ibdata1:1G:autoextend"}, "ibdata1:12M:autoextend"),
        ({"innodb_data_file_path": "ibdata1:12M:autoextend:max:500M"}, None),
        ({"performance_schema_digests_size": 0}, "sql_log_bin"),
        ({"performance_schema_digests_size": -1}, None),
        ({"performance_schema_instrument": "'%=OFF'"}, "sql_log_bin"),
        ({"performance_schema_instrument": "statement/sql/%=off"}, "sql_log_bin"),
        ({"performance_schema_instrument": "memory/%=OFF"}, None),
        ({"performance_schema_instrument": "statement/%=ON"}, None),
        ({"performance_schema_consumer_statements_digest": "OFF"}, "sql_log_bin"),
        ({"skip-performance-schema-consumer-global-instrumentation": ""}, "sql_log_bin"),
        ({"performance_schema_max_digest_length": 32}, "sql_log_bin"),
        ({"performance_schema": "OFF"}, None),
        ({"maximum_max_connections": 10}, "set max_connections itself"),
        ({"loose-maximum-wait-timeout": 2}, "set wait_timeout itself"),
        ({"max_join_size": 18446744073709551615}, None),
        ({"disabled_storage_engines": "MyISAM,FEDERATED"}, None),
        ({"disabled_storage_engines": "InnoDB"}, "need InnoDB"),
        ({"innodb_redo_log_encrypt": True}, "no keyring"),
        ({"innodb_undo_directory": "/var/tmp"}, "a restore swaps"),
        ({"innodb_undo_directory": "/var/lib/mysql/"}, None),
        ({"tls_version": "TLSv1.1"}, "mlflow_mysql_tls"),
        ({"ssl_cert": "/etc/x.pem"}, "mlflow_mysql_tls: generated"),
        ({"require-secure-transport": False}, "mlflow_mysql_tls"),
        ({"max_user_connections": 60}, "can take 492 connections"),
        ({"max_user_connections": 0}, None),
        ({"innodb_force_recovery": 4}, "restore a backup"),
        ({"wait_timeout": 60, "max_connections": 900, "innodb-print-all-deadlocks": True}, None),
        ({"secure_file_priv": "", "local_infile": 1, "binlog_transaction_compression": True}, None),
    ],
)
def test_what_a_role_promises_is_kept(given: dict[str, Any], said: str | None) -> None:
    problems = settings.setting_problems(given, connections=492)
    assert [(said or "").lower() in problem.lower() for problem in problems] == [True] * (said is not None)
    # One line, that names the setting as it was written, and ends with what to do.
    assert all(problem.count("\n") == 0 and next(iter(given)) in problem for problem in problems)


@pytest.mark.parametrize(
    "given, there",
    [
        ({"loose_max_connections": 10}, {"max_connections": 10}),
        ({"loose-wait-timeout": "2"}, {"wait_timeout": 2}),
        ({"Max-Connections": "1K"}, {"max_connections": 1024}),
        ({"max_connections": 900, "loose_max_connections": 10}, {"max_connections": 900}),
        ({"loose_loose-skip_wait_timeout": ""}, {"wait_timeout": 0}),
        ({"max_connections": "lots"}, {"max_connections": "lots"}),
        ({"maximum_max_connections": 10}, {}),
        ({"skip-name-resolve": False}, {"name_resolve": 0}),
    ],
)
def test_what_is_given_is_known_by_the_names_of_the_server(
    given: dict[str, Any], there: dict[str, Any]
) -> None:
    assert settings.given_settings(given) == there


def test_without_backups_the_binary_log_may_be_off() -> None:
    given = {
        "disable_log_bin": True,
        "sync_binlog": 0,
        "innodb_flush_log_at_trx_commit": 2,
        "gtid_mode": "OFF",
    }
    assert len(settings.setting_problems(given)) == len(given)
    assert settings.setting_problems(given, backups=False) == []
    # The members of a group replicate what backups would copy, whether there are backups or not.
    problems = settings.setting_problems(given, backups=False, group=True)
    assert len(problems) == len(given) and "backup_state" not in "".join(problems)


@pytest.mark.parametrize(
    "given, refused",
    [
        ({"report_host": "db1"}, True),
        ({"server_id": 7}, True),
        ({"loose_group_replication_group_seeds": "a:1"}, True),
        ({"loose-group-replication-single-primary-mode": "OFF"}, True),
        ({"skip_group_replication_single_primary_mode": ""}, True),
        ({"loose_group_replication_consistency": "AFTER"}, True),
        ({"loose_group_replication_member_expel_timeout": 5}, False),
        ({"replicate_wild_ignore_table": "x.%"}, True),
        ({"performance_schema": False}, True),
    ],
)
def test_members_of_a_group_know_one_another(given: dict[str, Any], refused: bool) -> None:
    assert bool(settings.setting_problems(given, group=True)) is refused
    assert settings.setting_problems(given) == []


def test_without_tls_of_the_roles_it_is_the_users() -> None:
    own = {"ssl_ca": "/etc/mysql/conf.d/ca.pem", "ssl_cert": "/etc/x.pem", "tls_version": ""}
    assert len(settings.setting_problems(own)) == len(own)
    assert settings.setting_problems(own, tls=False) == []
    assert len(settings.setting_problems({"require_secure_transport": True}, tls=False)) == 1


def test_the_server_that_restores_has_the_number_that_is_refused() -> None:
    assert settings.SCRATCH_SERVER_ID == servers.SERVER_ID
