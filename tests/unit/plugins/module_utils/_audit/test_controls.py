# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit says of stores. The good one is what a deployment shows: see the scenario hardening."""

from __future__ import annotations

import copy
import dataclasses
import re
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._audit import (
    controls as audit_controls,
)
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._audit.controls import (
    Account,
    Evidence,
    File,
)
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report import audit

VARIABLES = {
    "validate_password.policy": "MEDIUM",
    "validate_password.length": "14",
    "validate_password.check_user_name": "ON",
    "password_require_current": "ON",
    "component_connection_control.failed_connections_threshold": "5",
    "require_secure_transport": "ON",
    "tls_version": "TLSv1.2,TLSv1.3",
    "ssl_cert": "/etc/mysql/tls/server-cert.pem",
    "ssl_key": "/etc/mysql/tls/server-key.pem",
    "local_infile": "OFF",
    "secure_file_priv": "NULL",
    "sql_mode": "STRICT_TRANS_TABLES,STRICT_ALL_TABLES",
    "activate_all_roles_on_login": "OFF",
    "log_error": "stderr",
    "log_error_verbosity": "3",
    "log_raw": "OFF",
    "general_log": "OFF",
    "log_bin": "ON",
    "port": "3306",
}
ACCOUNTS = (
    Account("root", "localhost", privileges=frozenset({"SUPER", "FILE", "SELECT"}), grants=True),
    Account("mlflow_migrator", "localhost"),
    Account("mlflowusr", "172.18.0.0/16"),
    Account("mysql.session", "localhost", locked=True, privileges=frozenset({"SUPER"})),
)
CONTAINER: dict[str, Any] = {
    "AppArmorProfile": "docker-default",
    "ProcessLabel": "system_u:system_r:container_t:s0",
    "Config": {
        "User": "999:999",
        "Env": ["MYSQL_ROOT_PASSWORD_FILE=/run/secrets/mysql_root_password", "MYSQL_PASSWORD_FILE=", "PWD=/"],
        "Cmd": ["mysqld", "--tmpdir=/var/tmp"],
        "Healthcheck": {"Test": ["CMD", "true"]},
    },
    "State": {"Status": "running", "Health": {"Status": "healthy"}},
    "HostConfig": {
        "PortBindings": {"3306/tcp": [{"HostIp": "127.0.0.1", "HostPort": "3306"}]},
        "RestartPolicy": {"Name": "unless-stopped"},
        "CapDrop": ["ALL"],
        "CapAdd": None,
        "Privileged": False,
        "ReadonlyRootfs": True,
        "SecurityOpt": ["no-new-privileges:true"],
        "Memory": 1 << 30,
        "CpuShares": 2048,
        "PidsLimit": 2048,
        "NetworkMode": "mlflow_mysql_db",
        "PidMode": "",
        "IpcMode": "private",
        "UTSMode": "",
        "UsernsMode": "",
        "Devices": None,
        "CgroupParent": "",
    },
    "Mounts": [
        {"Source": "/srv/mlflow-mysql/run", "Destination": "/var/run/mysqld", "Propagation": "rprivate"}
    ],
}


def good(**more: Any) -> Evidence:
    return Evidence(
        **{
            "version": "9.7.0",
            "variables": dict(VARIABLES),
            "accounts": ACCOUNTS,
            "databases": ["information_schema", "mlflow", "mysql"],
            "certificate_days": 300.0,
            "container": copy.deepcopy(CONTAINER),
            "processes": ["/sbin/docker-init -- docker-entrypoint.sh mysqld", "mysqld --tmpdir=/var/tmp"],
            "configuration": (File("/etc/mysql/my.cnf", 0, 999, 0o640, "[mysqld]\nuser = mysql\n"),),
            "apparmor": True,
            "selinux": True,
            "data": File("/srv/mlflow-mysql/data", 999, 999, 0o40750),
            "key": File("/srv/mlflow-mysql/tls/server/server-key.pem", 0, 999, 0o100440),
            **more,
        }
    )


def statuses(evidence: Evidence) -> dict[str, str]:
    return {control["id"]: control["status"] for control in audit_controls.audit(evidence)}


def failing(evidence: Evidence) -> set[str]:
    return {name for name, status in statuses(evidence).items() if status == audit_controls.FAIL}


def test_a_good_store_passes() -> None:
    assert {name: status for name, status in statuses(good()).items() if status != audit_controls.PASS} == {
        "client-certificates": audit_controls.SKIP  # the store is reached from its own host only
    }


def with_variable(name: str, value: str | None) -> Evidence:
    variables = {**VARIABLES, name: value}
    return good(variables={key: found for key, found in variables.items() if found is not None})


def with_host_config(key: str, value: Any) -> Evidence:
    container = copy.deepcopy(CONTAINER)
    container["HostConfig"][key] = value
    return good(container=container)


def with_config(key: str, value: Any) -> Evidence:
    container = copy.deepcopy(CONTAINER)
    container["Config"][key] = value
    return good(container=container)


def with_mount(source: str, propagation: str = "rprivate") -> Evidence:
    container = copy.deepcopy(CONTAINER)
    container["Mounts"].append({"Source": source, "Destination": "/x", "Propagation": propagation})
    return good(container=container)


def with_account(*arguments: Any, **more: Any) -> Evidence:
    return good(accounts=(*ACCOUNTS, Account(*arguments, **more)))


EVERYWHERE = "172.18.0.0/16"
# One thing wrong each, and what must then fail, and nothing else.
WRONG: list[tuple[Evidence, set[str]]] = [
    (with_account("root", "%"), {"root-local", "no-wildcard-hosts"}),
    (with_account("", "localhost"), {"no-anonymous-accounts"}),
    (with_account("a", "localhost", has_password=False), {"no-empty-passwords"}),
    (with_account("a", "localhost", has_password=False, plugin="auth_socket"), set()),
    (with_account("a", "localhost", has_password=False, locked=True), set()),
    (with_account("a", "%"), {"no-wildcard-hosts"}),
    (with_account("a", ""), {"no-wildcard-hosts"}),
    (with_account("a", EVERYWHERE, grants=True), {"no-grant-option"}),
    (with_account("mysql.session", "%", locked=False), {"no-wildcard-hosts"}),
    (with_account("a", EVERYWHERE, plugin="mysql_native_password"), {"strong-authentication"}),
    (with_account("a", EVERYWHERE, password_days=366), {"passwords-change"}),
    (with_account("a", EVERYWHERE, password_days=8, old_password=True), {"passwords-change"}),
    *(
        (with_account("a", EVERYWHERE, privileges=frozenset({name})), {control})
        for name, control in (
            ("SELECT", "no-server-wide-access"),
            ("CREATE ROUTINE", "no-server-wide-access"),
            ("FILE", "no-file-privilege"),
            ("PROCESS", "no-process-privilege"),
            ("SUPER", "no-super-privilege"),
            ("SYSTEM_VARIABLES_ADMIN", "no-super-privilege"),
            ("SHUTDOWN", "no-shutdown-privilege"),
            ("CREATE USER", "no-create-user-privilege"),
            ("REPLICATION SLAVE", "no-replication-privilege"),
            ("SET_ANY_DEFINER", "no-definer-privileges"),
        )
    ),
    *(
        (with_variable(name, value), {control})
        for name, value, control in (
            ("validate_password.policy", None, "password-policy"),
            ("validate_password.policy", "LOW", "password-policy"),
            ("validate_password.length", "8", "password-policy"),
            ("password_require_current", "OFF", "current-password"),
            ("component_connection_control.failed_connections_threshold", None, "delayed-guesses"),
            ("component_connection_control.failed_connections_threshold", "0", "delayed-guesses"),
            ("require_secure_transport", "OFF", "tls-required"),
            ("tls_version", "TLSv1.1,TLSv1.2", "tls-versions"),
            ("tls_version", "", "tls-versions"),
            ("ssl_cert", "server-cert.pem", "tls-certificate"),
            ("ssl_cert", None, "tls-certificate"),
            ("local_infile", "ON", "no-local-infile"),
            ("secure_file_priv", "", "secure-file-priv"),
            ("have_symlink", "YES", "no-symbolic-links"),
            ("sql_mode", "STRICT_TRANS_TABLES", "strict-mode"),
            ("activate_all_roles_on_login", "ON", "roles-off"),
            ("log_error", "", "error-log"),
            ("log_error_verbosity", "1", "failed-logins-logged"),
            ("log_raw", "ON", "no-raw-log"),
            ("general_log", "ON", "no-general-log"),
            ("log_bin", "OFF", "binary-log"),
        )
    ),
    (good(certificate_days=3.0), {"tls-certificate"}),
    (good(version="8.0.36"), {"supported-version"}),
    (good(version="11.4.2-MariaDB"), {"supported-version"}),
    (good(databases=["test"]), {"no-test-database"}),
    (good(functions=["sys_exec"]), {"no-loadable-functions"}),
    (good(processes=["mysqld --allow-suspicious-udfs"]), {"no-loadable-functions"}),
    (good(processes=["mysqld --skip-grant-tables"]), {"grant-tables"}),
    (good(processes=["mysqld", "sshd -D"]), {"no-ssh"}),
    (good(processes=["mysqld", "/usr/sbin/mysqld --port=3307"]), {"one-server"}),
    (good(data=File("/data", 999, 999, 0o40755)), {"data-directory"}),
    (good(data=File("/data", 0, 0, 0o40700)), {"data-directory"}),
    (good(key=File("/key", 0, 999, 0o100444)), {"private-key"}),
    (good(configuration=(File("/etc/my.cnf", 0, 0, 0o644),)), {"configuration-owner"}),
    (good(configuration=(File("/etc/my.cnf", 999, 999, 0o640),)), {"configuration-owner"}),
    (
        good(configuration=(File("/etc/my.cnf", 0, 0, 0o640, "[client]\npassword = x\n"),)),
        {"configuration-passwords"},
    ),
    (good(swarm="active"), {"no-swarm"}),
    (with_config("User", ""), {"unprivileged-user"}),
    (with_config("User", "root"), {"unprivileged-user"}),
    (with_config("Env", ["MYSQL_ROOT_PASSWORD=secret"]), {"no-secrets-in-environment"}),
    (with_config("Env", ["MYSQL_PWD=secret"]), {"no-secrets-in-environment"}),
    (with_config("Cmd", ["mysqld", "--password=secret"]), {"no-secrets-in-environment"}),
    (with_config("Healthcheck", None), {"healthcheck"}),
    (with_mount("/etc"), {"no-sensitive-mounts"}),
    (with_mount("/"), {"no-sensitive-mounts"}),
    (with_mount("/usr/lib"), {"no-sensitive-mounts"}),
    (with_mount("/srv/etc"), set()),
    (with_mount("/srv/x", "rshared"), {"no-shared-mounts"}),
    (with_mount("/var/run/docker.sock"), {"no-docker-socket"}),
    *(
        (with_host_config(key, value), {control})
        for key, value, control in (
            ("CapDrop", None, "capabilities"),
            ("CapAdd", ["SYS_NICE"], "capabilities"),
            ("Privileged", True, "sandbox"),
            ("ReadonlyRootfs", False, "read-only"),
            ("Memory", 0, "memory-limit"),
            ("CpuShares", 0, "cpu-priority"),
            ("CpuShares", 1024, "cpu-priority"),
            ("PidsLimit", None, "pids-limit"),
            ("PidsLimit", -1, "pids-limit"),
            ("NetworkMode", "default", "own-network"),
            ("PidMode", "host", "own-processes"),
            ("IpcMode", "host", "own-memory-segments"),
            ("UTSMode", "host", "own-host-name"),
            ("UsernsMode", "host", "own-users"),
            ("Devices", [{"PathOnHost": "/dev/sda"}], "no-devices"),
            ("CgroupParent", "/x", "cgroup"),
            ("SecurityOpt", None, "no-new-privileges"),
            ("SecurityOpt", ["no-new-privileges", "seccomp=unconfined"], "seccomp"),
            ("RestartPolicy", {"Name": "no"}, "running"),
        )
    ),
    (with_host_config("NetworkMode", "host"), {"own-network-namespace", "client-certificates"}),
    (
        with_host_config("PortBindings", {"3306/tcp": [{"HostIp": "", "HostPort": "33"}]}),
        {"bound-to-an-address", "client-certificates", "no-privileged-ports"},
    ),
    (
        with_host_config("PortBindings", {"33060/tcp": [{"HostIp": "127.0.0.1", "HostPort": "33060"}]}),
        {"needed-ports"},
    ),
]


@pytest.mark.parametrize(("evidence", "expected"), WRONG)
def test_one_thing_wrong(evidence: Evidence, expected: set[str]) -> None:
    assert failing(evidence) == expected


def test_a_rotation_may_take_a_week() -> None:
    assert not failing(with_account("a", EVERYWHERE, password_days=6, old_password=True))
    assert not failing(with_account("a", EVERYWHERE, password_days=8, old_password=True, locked=True))


def test_every_control_can_fail() -> None:
    container = {**copy.deepcopy(CONTAINER), "AppArmorProfile": "unconfined", "ProcessLabel": ""}
    seen = set().union(*(expected for dummy, expected in WRONG), failing(good(container=container)))
    assert seen == {control.id for control in audit_controls.CONTROLS}


def test_what_cannot_be_looked_at_is_said() -> None:
    blind = good(variables=None, server_problem="no password is right")
    found = {control["id"]: control for control in audit_controls.audit(blind)}
    assert found["tls-required"]["status"] == audit_controls.UNKNOWN
    assert found["tls-required"]["found"] == "no password is right"
    assert found["capabilities"]["status"] == audit_controls.PASS
    bare = statuses(good(container=None, data=None, key=None))
    assert (
        bare["capabilities"] == bare["data-directory"] == audit_controls.SKIP
        and bare["root-local"] == audit_controls.PASS
    )
    assert (
        statuses(good(container=None, container_problem="no docker"))["capabilities"]
        == audit_controls.UNKNOWN
    )
    nothing = {"apparmor": False, "selinux": False, "configuration": ()}
    assert statuses(good(**nothing))["apparmor"] == audit_controls.SKIP
    assert statuses(good(**nothing))["configuration-owner"] == audit_controls.UNKNOWN
    assert statuses(good(certificate_days=None))["tls-certificate"] == audit_controls.UNKNOWN


def test_a_server_without_a_container_is_bound_to_an_address() -> None:
    bare = good(container=None)
    bare.variables = {**VARIABLES, "bind_address": "*"}
    assert {"bound-to-an-address", "client-certificates"} <= failing(bare)
    bare.variables = {**VARIABLES, "bind_address": "127.0.0.1"}
    assert statuses(bare)["client-certificates"] == audit_controls.SKIP


def test_administrators_are_told_by_name_or_account() -> None:
    backup = Account("backup", "localhost", privileges=frozenset({"PROCESS"}))
    assert failing(good(accounts=(*ACCOUNTS, backup))) == {"no-process-privilege"}
    for name in ("backup", "backup@localhost"):
        assert not failing(good(accounts=(*ACCOUNTS, backup), administrators=["root", name]))


def test_controls_are_what_the_report_can_show() -> None:
    for control in audit_controls.CONTROLS:
        assert control.references and control.remedy and len(control.title) < audit.TITLE
        assert re.fullmatch(r"[a-z-]+", control.id) and control.about in ("server", "container", "any")
    assert len({control.id for control in audit_controls.CONTROLS}) == len(audit_controls.CONTROLS)
    assert len({dataclasses.astuple(control)[2] for control in audit_controls.CONTROLS}) == len(
        audit_controls.CONTROLS
    )


def result(evidence: Evidence) -> dict[str, Any]:
    controls = audit_controls.audit(evidence)
    counts = {s: sum(c["status"] == s for c in controls) for s in ("pass", "fail", "skip", "unknown")}
    return {"controls": controls, "counts": counts, "server_version": "9.7.0"}


def test_report() -> None:
    evil = with_account("a\x1b[2J\n", EVERYWHERE, privileges=frozenset({"FILE"}))
    lines = audit.audit_report(result(evil), host="store1").splitlines()
    assert lines[0].startswith("store1, MySQL 9.7.0: 69 pass, 1 fail, 0 unknown, 1 skipped")
    assert lines[2].startswith("fail    Only administrators have FILE") and lines[2].endswith("M5.2")
    assert "a\ufffd[2J" in lines[3] and lines[4].strip().startswith("remedy REVOKE FILE")
    assert all(len(line) <= audit.WIDTH and line.isprintable() for line in lines)
    with pytest.raises(AnsibleFilterError, match="give what that module returned"):
        audit.audit_report({"changed": False})
