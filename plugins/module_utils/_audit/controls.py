# SPDX-License-Identifier: GPL-3.0-or-later
"""The controls of an audit of a MySQL store. Private to this collection: it may change without notice.

Pure functions of what was read from the server, the container and the host. The numbers are those of the CIS Oracle
MySQL Community Server 9.7 Benchmark v1.0.0, the CIS Docker Benchmark v1.6.0 and dev-sec's mysql-baseline.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Sequence

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import system_names

PASS = "pass"
FAIL = "fail"
# The control is about something that this store does not have; `found` says what.
SKIP = "skip"
# It could not be looked at; `found` says why.
UNKNOWN = "unknown"

# Accounts that the server makes for itself, locked.
OWN_ACCOUNTS = (*system_names.ACCOUNTS, "mariadb.sys")
LOOPBACK = ("127.", "::1", "localhost")
EVERY_ADDRESS = ("*", "0.0.0.0", "::", "")  # noqa: S104
# The oldest series that still gets security fixes: www.mysql.com/support/eol-notice.html
OLDEST_SUPPORTED = (8, 4)
LONGEST_PASSWORD_LIFE = 365  # days
LONGEST_ROTATION = 7  # days in which an old password is valid beside the new one
LEAST_CERTIFICATE_LIFE = 7  # days


@dataclass(frozen=True)
class Account:
    """A row of mysql.user; `privileges` are its server-wide ones, `grants` says whether it may pass any on.

    With `old_password` it has two passwords, one from before the `password_days`.
    """

    name: str
    host: str
    plugin: str = "caching_sha2_password"
    has_password: bool = True
    locked: bool = False
    ssl_type: str = ""
    password_days: float | None = 0
    old_password: bool = False
    privileges: frozenset[str] = frozenset()
    grants: bool = False

    @property
    def label(self) -> str:
        return f"{self.name or '(anonymous)'}@{self.host}"


@dataclass(frozen=True)
class File:
    """A file or directory; `text` is None for what is no text or was not read."""

    path: str
    uid: int
    gid: int
    mode: int
    text: str | None = field(default=None, repr=False)


@dataclass
class Evidence:
    """What was read. What could not be is None, and `server_problem` and `container_problem` say why."""

    version: str | None = None
    variables: Mapping[str, str] | None = None
    accounts: Sequence[Account] = ()
    databases: Sequence[str] = ()
    functions: Sequence[str] = ()
    certificate_days: float | None = None
    administrators: Sequence[str] = ("root",)
    server_problem: str = ""
    container: Mapping[str, Any] | None = None
    # What `docker top` shows, and the configuration that the container's server reads.
    processes: Sequence[str] = ()
    configuration: Sequence[File] = ()
    container_problem: str = ""
    swarm: str = "inactive"
    apparmor: bool = False
    selinux: bool = False
    data: File | None = None
    key: File | None = None

    def people(self) -> list[Account]:
        """Accounts that are not the server's own and may log in."""
        return [a for a in self.accounts if not (a.name in OWN_ACCOUNTS and a.locked)]

    def others(self) -> list[Account]:
        """Accounts that are no administrators."""
        names = self.administrators
        return [a for a in self.people() if a.name not in names and a.label not in names]

    def variable(self, name: str) -> str | None:
        return (self.variables or {}).get(name)

    @property
    def settings(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = (self.container or {}).get("HostConfig") or {}
        return found

    @property
    def ports(self) -> list[tuple[str, str, int]]:
        """What is published: the container's port, and the host's address and port."""
        bindings = self.settings.get("PortBindings") or {}
        return [
            (port, binding.get("HostIp") or "*", int(binding.get("HostPort") or 0))
            for port, found in bindings.items()
            for binding in found or ()
        ]

    @property
    def local_only(self) -> bool:
        """Whether nothing but this host can reach the server."""
        if self.container is not None:
            host = self.settings.get("NetworkMode") == "host"
            return not host and all(address.startswith(LOOPBACK) for dummy, address, ignored in self.ports)
        return (self.variable("bind_address") or "*").startswith(LOOPBACK) or self.variable(
            "skip_networking"
        ) in ("ON", "1")


Check = Callable[[Evidence], "tuple[str, str]"]


@dataclass(frozen=True)
class Control:
    """`about` is server, container or host: what must have been read for it."""

    id: str
    about: str
    title: str
    references: tuple[str, ...]
    remedy: str
    check: Check


def mysql(*numbers: str) -> tuple[str, ...]:
    return tuple(f"CIS MySQL {number}" for number in numbers)


def docker(*numbers: str) -> tuple[str, ...]:
    return tuple(f"CIS Docker {number}" for number in numbers)


def devsec(*numbers: str) -> tuple[str, ...]:
    return tuple(f"dev-sec mysql-{number}" for number in numbers)


def audit(evidence: Evidence) -> list[dict[str, Any]]:
    """Every control with its `status` and what was `found`, in the order of CONTROLS."""
    return [
        {
            "id": control.id,
            "title": control.title,
            "references": list(control.references),
            "status": status,
            "found": found,
            "remedy": control.remedy,
        }
        for control in CONTROLS
        for status, found in [judge(control, evidence)]
    ]


def judge(control: Control, evidence: Evidence) -> tuple[str, str]:
    if control.about == "server" and evidence.variables is None:
        return UNKNOWN, evidence.server_problem
    if control.about == "container" and evidence.container is None:
        return SKIP if not evidence.container_problem else UNKNOWN, (
            evidence.container_problem or "the server does not run in a container"
        )
    return control.check(evidence)


# How a check says what it found.


def none_of(found: Sequence[str], otherwise: str = "none") -> tuple[str, str]:
    """Pass if nothing was found."""
    return (FAIL, ", ".join(found)) if found else (PASS, otherwise)


def accounts_with(test: Callable[[Evidence, Account], bool]) -> Check:
    return lambda e: none_of([account.label for account in e.people() if test(e, account)])


def privilege(*names: str) -> Check:
    """Nobody but administrators has a server-wide privilege whose name matches."""

    def check(e: Evidence) -> tuple[str, str]:
        return none_of(
            [
                f"{account.label} ({', '.join(found)})"
                for account in e.others()
                for found in [sorted(p for p in account.privileges if any(re.fullmatch(n, p) for n in names))]
                if found
            ]
        )

    return check


def setting(name: str, *good: str, absent: str = FAIL) -> Check:
    """A variable of the server has one of these values; `absent` is for a server that does not know it."""

    def check(e: Evidence) -> tuple[str, str]:
        value = e.variable(name)
        if value is None:
            return absent, f"the server has no {name}"
        return PASS if value.upper() in good else FAIL, f"{name} = {value or 'empty'}"

    return check


def host_config(key: str, test: Callable[[Any], bool]) -> Check:
    """A setting of the container, as `docker inspect` names it below HostConfig."""

    def check(e: Evidence) -> tuple[str, str]:
        value = e.settings.get(key)
        return PASS if test(value) else FAIL, f"{key} = {value if value not in (None, '', []) else 'not set'}"

    return check


# Checks that need more than a line.


def version(e: Evidence) -> tuple[str, str]:
    numbers = tuple(int(part) for part in re.findall(r"\d+", e.version or "")[:2])
    if "mariadb" in (e.version or "").lower():
        return FAIL, f"{e.version}: MLflow's schema is known on MySQL"
    return PASS if numbers >= OLDEST_SUPPORTED else FAIL, str(e.version)


def suspicious_functions(e: Evidence) -> tuple[str, str]:
    started = [line for line in e.processes if "allow-suspicious-udfs" in line.replace("_", "-")]
    if started and not any("udfs=0" in line or "udfs=OFF" in line for line in started):
        return FAIL, "the server was started with allow-suspicious-udfs"
    return none_of([f"loadable function {name}" for name in e.functions])


def grant_tables(e: Evidence) -> tuple[str, str]:
    skipped = any("skip-grant-tables" in line.replace("_", "-") for line in e.processes)
    return (FAIL if skipped else PASS), ("without" if skipped else "in use")


def password_policy(e: Evidence) -> tuple[str, str]:
    policy, length = e.variable("validate_password.policy"), e.variable("validate_password.length")
    if policy is None:
        return FAIL, "component_validate_password is not installed"
    good = (
        policy.upper() in ("MEDIUM", "STRONG", "1", "2")
        and int(length or 0) >= 14
        and (e.variable("validate_password.check_user_name") or "ON") == "ON"
    )
    return PASS if good else FAIL, f"policy {policy}, at least {length} characters"


def password_age(e: Evidence) -> tuple[str, str]:
    old = [
        f"{a.label} ({a.password_days:.0f} days)"
        for a in e.people()
        if a.has_password and not a.locked and (a.password_days or 0) > LONGEST_PASSWORD_LIFE
    ]
    # A rotation that nobody finished changed nothing for who has the old password.
    old += [
        f"{a.label} (an older one is valid, {a.password_days:.0f} days after it was changed)"
        for a in e.people()
        if a.old_password and not a.locked and (a.password_days or 0) > LONGEST_ROTATION
    ]
    return none_of(old, f"all were changed within {LONGEST_PASSWORD_LIFE} days")


def connection_control(e: Evidence) -> tuple[str, str]:
    for prefix in ("component_connection_control.", "connection_control_"):
        value = e.variable(f"{prefix}failed_connections_threshold")
        if value is not None:
            return PASS if int(value) > 0 else FAIL, f"delays after {value} failed logins"
    return FAIL, "component_connection_control is not installed"


def tls_versions(e: Evidence) -> tuple[str, str]:
    value = e.variable("tls_version") or ""
    versions = [name for name in value.replace(" ", "").split(",") if name]
    good = bool(versions) and set(versions) <= {"TLSv1.2", "TLSv1.3"}
    return PASS if good else FAIL, value or "no TLS"


def certificate(e: Evidence) -> tuple[str, str]:
    if not e.variable("ssl_cert"):
        return FAIL, "the server has no certificate"
    if "/" not in str(e.variable("ssl_cert")):
        return FAIL, "the server made it itself at its first start: nobody can verify it"
    if e.certificate_days is None:
        return UNKNOWN, "the server does not say when it ends"
    good = e.certificate_days >= LEAST_CERTIFICATE_LIFE
    return PASS if good else FAIL, f"{e.variable('ssl_cert')} is good for {e.certificate_days:.0f} days"


def client_certificates(e: Evidence) -> tuple[str, str]:
    if e.local_only:
        return SKIP, "the server can be reached from its own host only"
    return none_of(
        [
            account.label
            for account in e.people()
            if account.host not in ("localhost", "127.0.0.1", "::1")
            and not account.locked
            and account.ssl_type not in ("X509", "SPECIFIED")
        ],
        "every account that comes over the network needs one",
    )


def bind_address(e: Evidence) -> tuple[str, str]:
    if e.container is not None:
        wild = [f"{address}:{port}" for dummy, address, port in e.ports if address in EVERY_ADDRESS]
        published = [f"{address}:{port}" for dummy, address, port in e.ports]
        return none_of(wild, ", ".join(published) or "nothing is published")
    value = e.variable("bind_address") or "*"
    return FAIL if value in EVERY_ADDRESS else PASS, f"bind_address = {value}"


def apparmor(e: Evidence) -> tuple[str, str]:
    if not e.apparmor:
        return SKIP, "the host has no AppArmor"
    profile = (e.container or {}).get("AppArmorProfile") or ""
    return FAIL if profile in ("", "unconfined") else PASS, profile or "no profile"


def selinux(e: Evidence) -> tuple[str, str]:
    if not e.selinux:
        return SKIP, "the host has no SELinux"
    label = (e.container or {}).get("ProcessLabel") or ""
    return PASS if label else FAIL, label or "no label"


def capabilities(e: Evidence) -> tuple[str, str]:
    dropped = [str(name).upper().replace("CAP_", "") for name in e.settings.get("CapDrop") or ()]
    added = [str(name) for name in e.settings.get("CapAdd") or ()]
    good = "ALL" in dropped and not added
    return (
        PASS if good else FAIL,
        f"dropped {', '.join(dropped) or 'none'}, added {', '.join(added) or 'none'}",
    )


SENSITIVE = re.compile(r"/?$|/(boot|dev|etc|lib|lib64|proc|sys|usr)(/|$)")


def mounts(e: Evidence) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = (e.container or {}).get("Mounts") or []
    return found


def sensitive_mounts(e: Evidence) -> tuple[str, str]:
    return none_of([str(m["Source"]) for m in mounts(e) if SENSITIVE.match(str(m.get("Source", "-")))])


def propagation(e: Evidence) -> tuple[str, str]:
    return none_of([str(m["Source"]) for m in mounts(e) if "shared" in str(m.get("Propagation", ""))])


def docker_socket(e: Evidence) -> tuple[str, str]:
    return none_of(
        [
            str(m["Source"])
            for m in mounts(e)
            if re.search(r"/docker\.sock$|^(/var)?/run/?$", str(m.get("Source", "")))
        ]
    )


def ssh(e: Evidence) -> tuple[str, str]:
    return none_of([line for line in e.processes if re.search(r"\bsshd\b", line)])


def one_server(e: Evidence) -> tuple[str, str]:
    count = sum(1 for line in e.processes if re.match(r"(\S*/)?(mysqld|mariadbd)(\s|$)", line))
    return PASS if count == 1 else FAIL, f"{count} in the container"


def privileged_ports(e: Evidence) -> tuple[str, str]:
    return none_of([str(port) for dummy, ignored, port in e.ports if port < 1024])


def needed_ports(e: Evidence) -> tuple[str, str]:
    port = e.variable("port") or "3306"
    return none_of([name for name, dummy, ignored in e.ports if name != f"{port}/tcp"], f"{port}/tcp")


def seccomp(e: Evidence) -> tuple[str, str]:
    options = [str(option) for option in e.settings.get("SecurityOpt") or ()]
    off = [option for option in options if re.search(r"seccomp[=:]unconfined", option)]
    return none_of(off, "Docker's default, or a stricter one")


def new_privileges(e: Evidence) -> tuple[str, str]:
    options = [str(option) for option in e.settings.get("SecurityOpt") or ()]
    good = any(re.fullmatch(r"no-new-privileges([:=]true)?", option) for option in options)
    return PASS if good else FAIL, ", ".join(options) or "not set"


def default_bridge(e: Evidence) -> tuple[str, str]:
    mode = str(e.settings.get("NetworkMode") or "default")
    return FAIL if mode in ("default", "bridge") else PASS, f"network {mode}"


def user(e: Evidence) -> tuple[str, str]:
    name = str(((e.container or {}).get("Config") or {}).get("User") or "")
    return FAIL if name.split(":", 1)[0] in ("", "0", "root") else PASS, f"user {name or 'root'}"


def health(e: Evidence) -> tuple[str, str]:
    config = (e.container or {}).get("Config") or {}
    test = (config.get("Healthcheck") or {}).get("Test") or []
    state = (((e.container or {}).get("State") or {}).get("Health") or {}).get("Status") or "no health"
    return PASS if test and test[0] != "NONE" else FAIL, str(state)


def running(e: Evidence) -> tuple[str, str]:
    state = ((e.container or {}).get("State") or {}).get("Status") or "?"
    policy = (e.settings.get("RestartPolicy") or {}).get("Name") or "no"
    return PASS if state == "running" and policy != "no" else FAIL, f"{state}, restart policy {policy}"


SECRET_NAME = re.compile(r"(PASS|PASSWORD|PASSWD|PWD|SECRET|TOKEN)$")


def secrets_in_environment(e: Evidence) -> tuple[str, str]:
    """Names only: the values are what nobody should see."""
    config = (e.container or {}).get("Config") or {}
    names = [entry.partition("=")[0] for entry in config.get("Env") or () if entry.partition("=")[2]]
    found = [f"variable {name}" for name in names if SECRET_NAME.search(name) and name != "PWD"]
    words = [*(config.get("Cmd") or ()), *(config.get("Entrypoint") or ())]
    found += ["a password among the arguments"] * any(re.match(r"(-p.|--password=.)", str(w)) for w in words)
    return none_of(found)


def configuration_owner(e: Evidence) -> tuple[str, str]:
    if not e.configuration:
        return UNKNOWN, "no configuration file was found in the container"
    return none_of(
        [
            f"{f.path} ({f.uid}:{f.gid}, {f.mode & 0o777:o})"
            for f in e.configuration
            if f.uid != 0 or f.mode & 0o027
        ],
        f"{len(e.configuration)} files of root, not open to others",
    )


def configuration_passwords(e: Evidence) -> tuple[str, str]:
    if not e.configuration:
        return UNKNOWN, "no configuration file was found in the container"
    found = [f.path for f in e.configuration if re.search(r"(?mi)^\s*password\s*=\s*\S", f.text or "")]
    return none_of(found)


def data_directory(e: Evidence) -> tuple[str, str]:
    if e.data is None:
        return SKIP, "the data is not in a directory of this host"
    found = f"{e.data.path} of {e.data.uid}:{e.data.gid}, mode {e.data.mode & 0o777:o}"
    return (FAIL if e.data.mode & 0o007 or e.data.uid == 0 else PASS), found


def private_key(e: Evidence) -> tuple[str, str]:
    if e.key is None:
        return SKIP, "the key is not in a directory of this host"
    found = f"{e.key.path} of {e.key.uid}:{e.key.gid}, mode {e.key.mode & 0o777:o}"
    return (FAIL if e.key.mode & 0o037 else PASS), found


ADMINISTRATION = (
    "SUPER",
    "SYSTEM_USER",
    "SYSTEM_VARIABLES_ADMIN",
    "PERSIST_RO_VARIABLES_ADMIN",
    "ROLE_ADMIN",
    "CONNECTION_ADMIN",
    "ENCRYPTION_KEY_ADMIN",
    "SERVICE_CONNECTION_ADMIN",
)
EVERYWHERE = (
    "SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|INDEX|REFERENCES|TRIGGER|EVENT|EXECUTE|"
    "CREATE ROUTINE|ALTER ROUTINE"
)

DEPLOY = "Run the playbook deploy, which sets it"

CONTROLS: tuple[Control, ...] = (
    Control(
        "root-local",
        "server",
        "root logs in from the server's own machine only",
        devsec("db-08") + mysql("5.1"),
        "DROP USER 'root'@'%'; root@localhost stays.",
        accounts_with(lambda e, a: a.name == "root" and a.host not in ("localhost", "127.0.0.1", "::1")),
    ),
    Control(
        "no-anonymous-accounts",
        "server",
        "Every account has a name",
        devsec("db-04") + mysql("7.7"),
        "DROP USER ''@'...'.",
        accounts_with(lambda e, a: a.name == ""),
    ),
    Control(
        "no-empty-passwords",
        "server",
        "Every account that may log in has a password",
        devsec("db-05", "db-05b") + mysql("7.3"),
        "ALTER USER ... IDENTIFIED BY ..., or DROP USER.",
        accounts_with(
            lambda e, a: (
                not a.has_password and not a.locked and a.plugin not in ("auth_socket", "unix_socket")
            )
        ),
    ),
    Control(
        "no-wildcard-hosts",
        "server",
        "No account can log in from everywhere",
        devsec("db-07") + mysql("7.6"),
        "Set mlflow_mysql_allowed_hosts to the networks of your MLflow servers; RENAME USER in a store made by hand.",
        accounts_with(lambda e, a: not a.host.strip("%_")),
    ),
    Control(
        "no-grant-option",
        "server",
        "Only administrators may pass privileges on",
        devsec("db-06") + mysql("5.7"),
        "REVOKE GRANT OPTION ON ... FROM the account.",
        lambda e: none_of([a.label for a in e.others() if a.grants]),
    ),
    Control(
        "no-server-wide-access",
        "server",
        "Accounts have privileges on their own databases only",
        mysql("5.1", "5.9"),
        "REVOKE the privileges ON *.*, and GRANT them on the databases that the account needs.",
        privilege(EVERYWHERE),
    ),
    Control(
        "no-file-privilege",
        "server",
        "Only administrators have FILE",
        mysql("5.2"),
        "REVOKE FILE ON *.* FROM the account.",
        privilege("FILE"),
    ),
    Control(
        "no-process-privilege",
        "server",
        "Only administrators have PROCESS",
        mysql("5.3"),
        "REVOKE PROCESS ON *.* FROM the account.",
        privilege("PROCESS"),
    ),
    Control(
        "no-super-privilege",
        "server",
        "Only administrators have SUPER and its parts",
        mysql("5.4"),
        "REVOKE them ON *.* FROM the account.",
        privilege(*ADMINISTRATION),
    ),
    Control(
        "no-shutdown-privilege",
        "server",
        "Only administrators have SHUTDOWN",
        mysql("5.5"),
        "REVOKE SHUTDOWN ON *.* FROM the account.",
        privilege("SHUTDOWN"),
    ),
    Control(
        "no-create-user-privilege",
        "server",
        "Only administrators have CREATE USER",
        mysql("5.6"),
        "REVOKE CREATE USER ON *.* FROM the account.",
        privilege("CREATE USER"),
    ),
    Control(
        "no-replication-privilege",
        "server",
        "Only administrators have REPLICATION SLAVE",
        mysql("5.8"),
        "REVOKE REPLICATION SLAVE ON *.* FROM the account.",
        privilege("REPLICATION SLAVE"),
    ),
    Control(
        "no-definer-privileges",
        "server",
        "Only administrators may act as other accounts",
        mysql("5.11", "5.12"),
        "REVOKE SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER ON *.* FROM the account.",
        privilege("SET_ANY_DEFINER", "ALLOW_NONEXISTENT_DEFINER", "SET_USER_ID"),
    ),
    Control(
        "strong-authentication",
        "server",
        "Passwords are kept as salted SHA-256 hashes",
        mysql("7.1"),
        "ALTER USER ... IDENTIFIED WITH caching_sha2_password BY ...",
        accounts_with(
            lambda e, a: (
                not a.locked
                and a.plugin in ("mysql_native_password", "mysql_old_password", "sha256_password")
            )
        ),
    ),
    Control(
        "passwords-change",
        "server",
        "Passwords change at least once a year",
        mysql("2.7", "7.4"),
        "Run the playbook rotate_passwords, with mlflow_mysql_rotation_phase=finish where an older one is valid.",
        password_age,
    ),
    Control(
        "password-policy",
        "server",
        "Weak passwords are refused",
        mysql("2.8", "7.5"),
        "Set mlflow_mysql_password_policy to medium and give passwords that fulfil it, or none; INSTALL COMPONENT"
        " 'file://component_validate_password' in a store made by hand.",
        password_policy,
    ),
    Control(
        "current-password",
        "server",
        "A change of a password needs the current one",
        mysql("2.9"),
        "password_require_current = ON",
        setting("password_require_current", "ON", "1"),
    ),
    Control(
        "delayed-guesses",
        "server",
        "Repeated failed logins are delayed",
        mysql("2.18"),
        "INSTALL COMPONENT 'file://component_connection_control'",
        connection_control,
    ),
    Control(
        "client-certificates",
        "server",
        "Logins over the network need a client certificate",
        mysql("2.16", "8.2"),
        "Set mlflow_mysql_require_x509 to true and give MLflow its certificate.",
        client_certificates,
    ),
    Control(
        "tls-required",
        "server",
        "Sessions over the network use TLS",
        mysql("8.1"),
        "Set mlflow_mysql_tls to generated or provided; require_secure_transport = ON",
        setting("require_secure_transport", "ON", "1"),
    ),
    Control(
        "tls-versions",
        "server",
        "TLS is 1.2 or 1.3",
        mysql("2.15"),
        "tls_version = TLSv1.2,TLSv1.3",
        tls_versions,
    ),
    Control(
        "tls-certificate",
        "server",
        "The certificate can be verified, and does not expire soon",
        mysql("2.6"),
        "Run the playbook deploy, which renews it, or give a new one in mlflow_mysql_tls_certificate.",
        certificate,
    ),
    Control(
        "supported-version",
        "server",
        "The server's version gets security fixes",
        devsec("db-01", "db-02") + mysql("4.1"),
        "Set mysql_base_image_version to a supported release.",
        version,
    ),
    Control(
        "no-test-database",
        "server",
        "There is no test database",
        devsec("db-03") + mysql("4.2"),
        "DROP DATABASE test",
        lambda e: none_of([name for name in e.databases if name == "test" or name.startswith("test_")]),
    ),
    Control(
        "no-local-infile",
        "server",
        "The server cannot read clients' files",
        devsec("conf-03") + mysql("4.4"),
        "local_infile = OFF",
        setting("local_infile", "OFF", "0"),
    ),
    Control(
        "secure-file-priv",
        "server",
        "Statements can access no files, or those of one directory",
        devsec("conf-03") + mysql("4.7"),
        "secure_file_priv = NULL",
        lambda e: (
            PASS if e.variable("secure_file_priv") != "" else FAIL,
            f"secure_file_priv = {e.variable('secure_file_priv') or 'empty'}",
        ),
    ),
    Control(
        "no-symbolic-links",
        "server",
        "Tables cannot be symbolic links",
        devsec("conf-03") + mysql("4.6"),
        "skip_symbolic_links",
        setting("have_symlink", "DISABLED", "NO", absent=PASS),
    ),
    Control(
        "grant-tables",
        "server",
        "The server checks privileges",
        devsec("conf-03") + mysql("4.5"),
        "Start mysqld without --skip-grant-tables.",
        grant_tables,
    ),
    Control(
        "no-loadable-functions",
        "server",
        "No foreign code is loaded as a function",
        devsec("conf-03") + mysql("4.3"),
        "DROP FUNCTION ..., and start mysqld without --allow-suspicious-udfs.",
        suspicious_functions,
    ),
    Control(
        "strict-mode",
        "server",
        "Values that do not fit are refused, not cut",
        mysql("4.8"),
        "sql_mode with STRICT_ALL_TABLES",
        lambda e: (
            PASS if "STRICT_ALL_TABLES" in (e.variable("sql_mode") or "") else FAIL,
            e.variable("sql_mode") or "empty",
        ),
    ),
    Control(
        "roles-off",
        "server",
        "Roles are only active on request",
        mysql("7.9"),
        "activate_all_roles_on_login = OFF",
        setting("activate_all_roles_on_login", "OFF", "0", absent=PASS),
    ),
    Control(
        "error-log",
        "server",
        "The error log is kept",
        mysql("6.1"),
        "log_error = stderr in a container, or a file",
        lambda e: (
            PASS if (e.variable("log_error") or "").strip() else FAIL,
            f"log_error = {e.variable('log_error') or 'empty'}",
        ),
    ),
    Control(
        "failed-logins-logged",
        "server",
        "Refused logins are in the log",
        mysql("6.3"),
        "log_error_verbosity = 3",
        setting("log_error_verbosity", "2", "3"),
    ),
    Control(
        "no-raw-log",
        "server",
        "Logs show no passwords",
        mysql("6.4"),
        "log_raw = OFF",
        setting("log_raw", "OFF", "0", absent=PASS),
    ),
    Control(
        "no-general-log",
        "server",
        "Statements are not written to a log",
        mysql("3.6"),
        "general_log = OFF",
        setting("general_log", "OFF", "0"),
    ),
    Control(
        "binary-log",
        "server",
        "There is a binary log to recover from",
        mysql("2.1.5"),
        "log_bin = ON",
        setting("log_bin", "ON", "1"),
    ),
    Control(
        "bound-to-an-address",
        "any",
        "The server listens only on the chosen addresses",
        mysql("2.14") + docker("5.14"),
        "Set mlflow_mysql_bind_address to an address of the host.",
        bind_address,
    ),
    Control(
        "data-directory",
        "any",
        "Only the server can access data and binary logs",
        devsec("conf-04", "conf-05") + mysql("3.1", "3.2"),
        "chmod 0700 the data directory, chown it to the server's user",
        data_directory,
    ),
    Control(
        "private-key",
        "any",
        "Only the server can access its private key",
        mysql("3.7"),
        "chmod 0400 the key, chown it to the server's user",
        private_key,
    ),
    Control(
        "configuration-owner",
        "container",
        "Configuration files belong to root; others have no access",
        devsec("conf-07", "conf-08"),
        DEPLOY + "; chown root:mysql and chmod 0640 in a store made by hand.",
        configuration_owner,
    ),
    Control(
        "configuration-passwords",
        "container",
        "Configuration files hold no passwords",
        mysql("7.2"),
        "Take the password out of the file.",
        configuration_passwords,
    ),
    Control(
        "no-secrets-in-environment",
        "container",
        "No password is in the environment, image or arguments",
        devsec("conf-09") + mysql("1.4", "2.4") + docker("4.10"),
        "Give passwords in files: MYSQL_ROOT_PASSWORD_FILE and MYSQL_PASSWORD_FILE.",
        secrets_in_environment,
    ),
    Control(
        "running",
        "container",
        "The server runs, and restarts automatically",
        devsec("conf-01"),
        "Run the playbook deploy; set mlflow_mysql_restart_policy.",
        running,
    ),
    Control(
        "one-server",
        "container",
        "One server runs in the container",
        devsec("conf-02"),
        "Run one mysqld for each container.",
        one_server,
    ),
    Control(
        "unprivileged-user",
        "container",
        "The container does not run as root",
        docker("4.1") + mysql("1.2"),
        DEPLOY + "; docker run --user 999:999",
        user,
    ),
    Control(
        "sandbox",
        "container",
        "The container is not privileged",
        docker("5.5") + mysql("1.7"),
        "docker run without --privileged",
        host_config("Privileged", lambda value: not value),
    ),
    Control(
        "no-swarm",
        "container",
        "The engine is not part of a swarm",
        docker("5.1"),
        "docker swarm leave",
        lambda e: (PASS if e.swarm in ("inactive", "") else FAIL, f"swarm {e.swarm or 'inactive'}"),
    ),
    Control(
        "apparmor",
        "container",
        "An AppArmor profile is in force",
        docker("5.2"),
        "docker run without --security-opt apparmor=unconfined",
        apparmor,
    ),
    Control(
        "selinux",
        "container",
        "SELinux separates the container",
        docker("5.3"),
        'Start dockerd with "selinux-enabled": true.',
        selinux,
    ),
    Control(
        "capabilities",
        "container",
        "All capabilities are dropped",
        docker("5.4"),
        DEPLOY + "; docker run --cap-drop ALL",
        capabilities,
    ),
    Control(
        "no-sensitive-mounts",
        "container",
        "No directory of the host's system is mounted",
        docker("5.6"),
        "Mount a directory of the store's own.",
        sensitive_mounts,
    ),
    Control(
        "no-ssh",
        "container",
        "No SSH server runs in the container",
        docker("5.7"),
        "Use docker exec.",
        ssh,
    ),
    Control(
        "no-privileged-ports",
        "container",
        "No port below 1024 is published",
        docker("5.8"),
        "Set mlflow_mysql_port to 1024 or more.",
        privileged_ports,
    ),
    Control(
        "needed-ports",
        "container",
        "Only MySQL's port is published",
        docker("5.9"),
        "docker run with one --publish, and mysqlx = OFF",
        needed_ports,
    ),
    Control(
        "own-network-namespace",
        "container",
        "The container does not share the host's network",
        docker("5.10"),
        "docker run without --network host",
        host_config("NetworkMode", lambda value: value != "host"),
    ),
    Control(
        "memory-limit",
        "container",
        "Memory is limited",
        docker("5.11"),
        "Set mlflow_mysql_memory_mb; docker run --memory",
        host_config("Memory", bool),
    ),
    Control(
        "cpu-priority",
        "container",
        "The CPU share is set",
        docker("5.12"),
        DEPLOY + "; docker run --cpu-shares",
        host_config("CpuShares", lambda value: value not in (None, 0, 1024)),
    ),
    Control(
        "read-only",
        "container",
        "The root file system is read-only",
        docker("5.13"),
        DEPLOY + "; docker run --read-only --tmpfs /tmp",
        host_config("ReadonlyRootfs", bool),
    ),
    Control(
        "own-processes",
        "container",
        "The container does not share the host's processes",
        docker("5.16"),
        "docker run without --pid host",
        host_config("PidMode", lambda value: value != "host"),
    ),
    Control(
        "own-memory-segments",
        "container",
        "The container does not share the host's shared memory",
        docker("5.17"),
        "docker run without --ipc host",
        host_config("IpcMode", lambda value: value != "host"),
    ),
    Control(
        "no-devices",
        "container",
        "No device of the host is given to the container",
        docker("5.18"),
        "docker run without --device",
        host_config("Devices", lambda value: not value),
    ),
    Control(
        "no-shared-mounts",
        "container",
        "Mounts do not propagate to the host",
        docker("5.20"),
        "docker run without :shared",
        propagation,
    ),
    Control(
        "own-host-name",
        "container",
        "The container does not share the host's name",
        docker("5.21"),
        "docker run without --uts host",
        host_config("UTSMode", lambda value: value != "host"),
    ),
    Control(
        "seccomp",
        "container",
        "System calls are filtered",
        docker("5.22"),
        "docker run without --security-opt seccomp=unconfined",
        seccomp,
    ),
    Control(
        "cgroup",
        "container",
        "The container is in the engine's control group",
        docker("5.25"),
        "docker run without --cgroup-parent",
        host_config("CgroupParent", lambda value: not value),
    ),
    Control(
        "no-new-privileges",
        "container",
        "No program in the container gains privileges",
        docker("5.26"),
        DEPLOY + "; docker run --security-opt no-new-privileges",
        new_privileges,
    ),
    Control(
        "healthcheck",
        "container",
        "Health is checked",
        docker("4.6", "5.27"),
        DEPLOY + "; HEALTHCHECK in the Dockerfile",
        health,
    ),
    Control(
        "pids-limit",
        "container",
        "The number of processes and threads is limited",
        docker("5.29"),
        DEPLOY + "; docker run --pids-limit",
        host_config("PidsLimit", lambda value: bool(value) and value > 0),
    ),
    Control(
        "own-network",
        "container",
        "The container is not in Docker's default network",
        docker("5.30"),
        DEPLOY + "; docker network create, docker run --network",
        default_bridge,
    ),
    Control(
        "own-users",
        "container",
        "User namespaces of the engine are not switched off",
        docker("5.31"),
        "docker run without --userns host",
        host_config("UsernsMode", lambda value: value != "host"),
    ),
    Control(
        "no-docker-socket",
        "container",
        "The engine's socket is not in the container",
        docker("5.32"),
        "docker run without -v /var/run/docker.sock",
        docker_socket,
    ),
)

# What is not looked at, and why.
NOT_APPLICABLE: tuple[tuple[str, str, str], ...] = (
    (
        "dev-sec mysql-conf-03, skip-show-database",
        "SHOW DATABASES is refused to everyone without that privilege",
        "MySQL shows an account only the databases that it has rights on, and the recipe's client lists them. The"
        " setting would hide nothing more, and would cost that client a server-wide privilege.",
    ),
    (
        "dev-sec mysql-conf-03, skip-symbolic-links",
        "the option in the configuration file",
        "MySQL removed it, since symbolic links are off; the server does not start with it. The control"
        " no-symbolic-links checks the running server's setting.",
    ),
    (
        "dev-sec mysql-conf-03b",
        "secure-auth",
        "For MySQL before 8.0.3; later versions are always secure in this respect.",
    ),
    (
        "dev-sec mysql-conf-06, CIS MySQL 3.3, 3.4",
        "owner and mode of log files",
        "The error log is the container's output, which the engine keeps for root; the slow log is off.",
    ),
    (
        "CIS Docker 5.15",
        "restart on failure, five times",
        "A store that is down is worse than one that starts again: on-failure leaves it down after the host or the"
        " engine restarts. mlflow_mysql_restart_policy takes on-failure.",
    ),
    (
        "CIS Docker 5.19",
        "ulimits of the container",
        "Needs a decision, not a value: the engine's defaults are kept.",
    ),
    (
        "CIS Docker 5.23, 5.24, 5.28",
        "docker exec as root or privileged, pulls of newer images",
        "Depends on how people use the engine. The collection runs nothing with exec, and builds its image from the"
        " chosen base image.",
    ),
    (
        "CIS MySQL 1.1, 2.3, 6.2",
        "a separate partition and a dedicated machine",
        "The owner of the host chooses mlflow_mysql_home.",
    ),
    (
        "CIS MySQL 1.3, 1.5, 1.6",
        "command history, login shell, profiles of MySQL's user on the host",
        "The host has no such user; it exists in the container, which nobody logs in to.",
    ),
    (
        "CIS MySQL 2.1.1 to 2.1.4, 2.1.6, 2.1.7",
        "backup policy",
        "Not a setting of the server.",
    ),
    (
        "CIS MySQL 2.2.1, 4.9",
        "encryption at rest",
        "The community server keeps the key beside the data. Encrypt the host's disk.",
    ),
    (
        "CIS MySQL 2.5, 2.10, 2.11, 2.13, 5.10, 8.3",
        "names, dual passwords, unused accounts, socket login, routines, limits",
        "Needs a judgement. The collection creates one account for each purpose, rotates with dual passwords, and takes"
        " mlflow_mysql_max_user_connections.",
    ),
    (
        "CIS MySQL 2.12",
        "mode of AES_ENCRYPT",
        "MLflow does not use it.",
    ),
    (
        "CIS MySQL 2.17, 2.19",
        "approved ciphers, FIPS",
        "TLS 1.2 and 1.3 of the image's OpenSSL have no weak cipher in MySQL's list; FIPS needs another OpenSSL.",
    ),
    (
        "CIS MySQL 3.5, 9, 10",
        "replication",
        "A standalone store has no replica. The members of a group use TLS and a separate account for each other "
        "(docs/group.md).",
    ),
    (
        "CIS MySQL 3.8",
        "plugin directory",
        "It is in the image, belongs to root, and is on a read-only file system.",
    ),
    (
        "CIS MySQL 7.8",
        "PBKDF2 storage",
        "Manual. Passwords that the collection generates have 32 random characters, which no dictionary holds.",
    ),
)
