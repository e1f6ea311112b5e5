#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The mlflow_ops.backend_store authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump of a database that can be put back, and is known to be whole."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_schema_dump
short_description: Dump a database before its schema changes, and restore it
version_added: 0.1.0
description:
  - Dumps a database with the C(mysqldump) of the server's container, and restores it with the C(mysql) there.
  - Beside the dump lies a manifest, O(path) with C(.json) appended. It has the number of rows and a checksum of each
    table, and a checksum of each definition and of the file. It is written last, so that there is a dump exactly when
    there is a manifest.
  - A restore reads the dump's checksum before it touches anything, and compares every table with the manifest
    afterwards.
  - However a run ends, the next one does it over. What an earlier run left running in the container is ended first.
  - C(mysqldump) rounds the values of FLOAT columns to six digits. The dump has the exact values appended.
  - A dump that exists is never replaced. Remove it with V(absent) for a new one.
author:
  - The mlflow_ops.backend_store authors (@mlflow-ops)
extends_documentation_fragment:
  - mlflow_ops.backend_store.login
  - mlflow_ops.backend_store.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows the number of rows of each table, and of a dump whether it exists.
  idempotent:
    support: full
    details: A restore leaves a database alone whose tables, rows and definitions are those of the manifest.
  platform:
    platforms: posix
options:
  database:
    description: Name of the database.
    type: str
    default: mlflow
  state:
    description:
      - V(present) makes the dump if there is none.
      - V(restored) drops the database, makes it again and loads the dump, unless it is what the dump holds already.
        Accounts and their rights stay as they are.
      - V(absent) removes the dump.
    type: str
    choices: [present, restored, absent]
    default: present
  path:
    description: The dump, a file on the host that C(gzip) made. Its directory must exist.
    type: path
    required: true
  container:
    description:
      - Name of the container that the server runs in. It must have C(sh), C(mysqldump) and C(mysql).
      - Needed unless O(state=absent).
    type: str
  container_socket:
    description: The path of the server's socket in the container.
    type: path
    default: /var/run/mysqld/mysqld.sock
  owner:
    description:
      - Name of the run that this task belongs to. With it nothing is done unless O(owner_file) names this run, so that
        of two runs on one database the one that began first stops when the other has taken over.
    type: str
  owner_file:
    description: File on the host with the name of the run that works on the database.
    type: path
  lock_timeout:
    description: Seconds to wait for another run of this module, and for statements that hold the database's tables.
    type: int
    default: 30
notes:
  - Writers wait while a dump is made. Close the gate with M(mlflow_ops.backend_store.mlflow_schema_gate) before.
  - What no dump can hold is not compared. The sign of a floating point zero is lost, and inside of JSON a decimal or
    a date that a function put there becomes a number or a string.
seealso:
  - module: mlflow_ops.backend_store.mlflow_schema_gate
  - module: mlflow_ops.backend_store.mlflow_schema
"""

EXAMPLES = r"""
- name: Dump MLflow's database
  mlflow_ops.backend_store.mlflow_schema_dump:
    login_password_files: [/srv/mlflow-mysql/secrets/root_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    container: mlflow_mysql_db
    database: mlflow
    path: /srv/mlflow-mysql/upgrade/before.sql.gz
    state: present

- name: Put MLflow's database back
  mlflow_ops.backend_store.mlflow_schema_dump:
    login_password_files: [/srv/mlflow-mysql/secrets/root_password]
    login_unix_socket: /srv/mlflow-mysql/run/mysqld.sock
    container: mlflow_mysql_db
    database: mlflow
    path: /srv/mlflow-mysql/upgrade/before.sql.gz
    state: restored
"""

RETURN = r"""
dump:
  description: Path of the dump.
  returned: success
  type: str
  sample: /srv/mlflow-mysql/upgrade/before.sql.gz
size:
  description: Its size in bytes, V(0) if there is none.
  returned: success
  type: int
  sample: 18261218
revision:
  description: The revision of MLflow's schema that the dump holds, V(null) if there is none.
  returned: success
  type: str
  sample: dc11669786a5
mysql_version:
  description: The version of the server that the dump is from, V(null) if there is no dump.
  returned: success
  type: str
  sample: 9.7.4
created:
  description: When the dump was made, in UTC, V(null) if there is none.
  returned: success
  type: str
  sample: '2026-11-24T02:30:12Z'
tables:
  description: The tables that the dump holds. After a restore they are those of the database.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the table.
      type: str
      sample: metrics
    rows:
      description: Number of its rows.
      type: int
      sample: 1000000
    checksum:
      description: Checksum of its rows, whatever their order.
      type: str
      sample: '2148333765828285'
seconds:
  description: How long the module took.
  returned: success
  type: float
  sample: 7.4
"""

import datetime
import errno
import gzip
import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
import time
from typing import IO, Any, Iterable, Mapping, NamedTuple

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.backend_store.plugins.module_utils import _connection, _owner, _processes

FORMAT = 1
COMPLETED = b"-- Dump completed"
CHUNK = 1 << 20
# MLflow's data gets seven times smaller. Room for twice of that must be there; the rest is found out when it is full.
ROOM = 2 / 7
PROGRAM_ENDS = 10  # seconds that a program gets whose output nobody wants any more
MIB = 1 << 20
ER_LOCK_WAIT_TIMEOUT = 1205
ER_QUERY_TIMEOUT_LOCK = 3572
ER_NO_SUCH_THREAD = 1094

NUMBERS = ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year", "bit")
REALS = ("float", "double")
WORDS = ("char", "varchar", "enum", "set", "date", "time", "datetime", "timestamp", "binary", "varbinary")

# How a value of a primary key is read, and written in a statement.
KEYS = {
    "number": ("CAST(%s AS CHAR)", "%s"),
    "bytes": ("HEX(CAST(%s AS BINARY))", "x'%s'"),
    "text": ("HEX(CONVERT(%s USING utf8mb4))", "_utf8mb4 x'%s'"),
}

# The programs read the login from another descriptor than the dump. It is the first line of the standard input and
# goes through a shell's variable and a pipe: neither arguments nor the environment, nor a file, ever hold it.
# `read` takes no byte more than the line, so that the dump follows it. $1 is the program, for a message.
SHELL = r"""
IFS= read -r login || exit 90
command -v "$1" >/dev/null || exit 91
exec 4<&0
printf '[client]\n%s\n' "$login" | "$@" 3<&0 <&4 4<&-
"""
NO_LOGIN = 90
NO_PROGRAM = 91
NO_SHELL = (126, 127)  # of docker exec: it cannot be run, or is not there

DUMP_OPTIONS = (
    *("--single-transaction", "--quick", "--triggers", "--routines", "--events", "--hex-blob"),
    *(
        "--no-tablespaces",
        "--set-gtid-purged=OFF",
        "--default-character-set=utf8mb4",
        "--max-allowed-packet=1G",
    ),
)
# Without --binary-mode a line in the dump could be a command of the client's.
LOAD_OPTIONS = ("--binary-mode", "--default-character-set=utf8mb4", "--max-allowed-packet=1G")


class DumpProblem(Exception):
    """A dump cannot be made or restored. The message names the remedy."""


def identifier(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def option_file_value(value: str) -> str:
    """Return a value as it stands in MySQL's option files, on one line."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    for character, letter in (("\n", "n"), ("\r", "r"), ("\t", "t"), ("\b", "b")):
        escaped = escaped.replace(character, "\\" + letter)
    return f'"{escaped}"'


def size_of(count: float) -> str:
    return f"{count / MIB:.1f} MiB"


# The database


def key_kind(column: Column) -> str:
    if column.kind in (*NUMBERS, "double"):
        return "number"
    return "bytes" if column.kind in ("binary", "varbinary") else "text"


class Column(NamedTuple):
    """A column that a dump has values of."""

    name: str
    kind: str
    null: bool
    extra: str

    @property
    def quoted(self) -> str:
        return identifier(self.name)


class Database:
    """One database on one server, through the administrator's connection."""

    def __init__(self, connection: Any, name: str) -> None:
        self.connection = connection
        self.name = name
        # What SHOW CREATE and a checksum say depends on these.
        self.rows("SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'")
        self.rows("SET SESSION information_schema_stats_expiry = 0, sql_quote_show_create = 1")
        digest = hashlib.sha256(name.encode()).hexdigest()[:24]
        self.run_lock = _owner.schema_lock(name)
        self.program_lock = f"mlflow_schema_dump.program.{digest}"

    def rows(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, arguments or None)
            return list(cursor.fetchall())

    def texts(self, statement: str, *arguments: Any) -> list[str]:
        return [str(row[0]) for row in self.rows(statement, *arguments)]

    def lock(self, timeout: int) -> None:
        """Be the only run for this database until the connection ends. Raises DumpProblem."""
        if self.rows("SELECT GET_LOCK(%s, %s)", self.run_lock, timeout)[0][0] != 1:
            raise DumpProblem(
                f"another run has been changing, dumping or restoring {self.name} for more than {timeout} s: wait for "
                "it to end, or raise lock_timeout"
            )
        self.end_program(timeout)
        self.rows("SET SESSION lock_wait_timeout = %s", timeout)

    def end_program(self, timeout: int) -> None:
        """End what a run left behind: a program in the container may outlive it, and holds a lock of its own."""
        deadline = time.monotonic() + timeout
        killed = None
        while True:
            holder = self.rows("SELECT IS_USED_LOCK(%s)", self.program_lock)[0][0]
            if holder is None:
                return
            if time.monotonic() > deadline:
                raise DumpProblem(
                    f"the session {holder} of an earlier run still works on {self.name} after {timeout} s: wait for "
                    "it to end, or raise lock_timeout"
                )
            if holder != killed:
                try:
                    self.rows("KILL %s", holder)
                except Exception as error:
                    if error.args[:1] != (ER_NO_SUCH_THREAD,):
                        raise
                killed = holder
            time.sleep(0.05)

    def about(self) -> dict[str, Any] | None:
        """Return what CREATE DATABASE needs, or ``None`` if there is no such database."""
        found = self.rows(
            "SELECT default_character_set_name, default_collation_name, default_encryption"
            " FROM information_schema.schemata WHERE schema_name = %s",
            self.name,
        )
        if not found:
            return None
        charset, collation, encryption = found[0]
        return {"charset": charset, "collation": collation, "encryption": str(encryption)}

    def tables(self) -> list[str]:
        return self.texts(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'"
            " ORDER BY table_name",
            self.name,
        )

    def table(self, name: str) -> str:
        return f"{identifier(self.name)}.{identifier(name)}"

    def data_length(self) -> int:
        (found,) = self.rows(
            "SELECT COALESCE(SUM(data_length), 0) FROM information_schema.tables WHERE table_schema = %s",
            self.name,
        )
        return int(found[0])

    def revision(self, tables: Iterable[str]) -> str | None:
        if "alembic_version" not in tables:
            return None
        found = self.texts(f"SELECT version_num FROM {self.table('alembic_version')}")
        return found[0] if found else None

    def definitions(self) -> dict[str, str]:
        """Return a checksum of each object's definition."""
        kinds = [
            (
                "table",
                1,
                "SELECT table_name FROM information_schema.tables WHERE table_type <> 'VIEW' AND table_schema",
            ),
            ("view", 1, "SELECT table_name FROM information_schema.views WHERE table_schema"),
            ("trigger", 2, "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema"),
            (
                "procedure",
                2,
                "SELECT routine_name FROM information_schema.routines WHERE routine_type = 'PROCEDURE'"
                " AND routine_schema",
            ),
            (
                "function",
                2,
                "SELECT routine_name FROM information_schema.routines WHERE routine_type = 'FUNCTION'"
                " AND routine_schema",
            ),
            ("event", 3, "SELECT event_name FROM information_schema.events WHERE event_schema"),
        ]
        found = {}
        for kind, column, query in kinds:
            for name in self.texts(f"{query} = %s", self.name):
                row = self.rows(f"SHOW CREATE {kind.upper()} {self.table(name)}")[0]
                text = str(row[column])
                if kind == "table":
                    # The next number is no part of the definition: deleted rows count.
                    text = re.sub(r"(\n\).*?) AUTO_INCREMENT=\d+", r"\1", text, count=1)
                    # Whether it is written depends on the statement that made the table, it follows from the other.
                    text = re.sub(r" CHARACTER SET \w+(?= COLLATE )", "", text)
                found[f"{kind} {name}"] = hashlib.sha256(text.encode("utf-8")).hexdigest()
        return found

    def columns(self, table: str) -> list[Column]:
        rows = self.rows(
            "SELECT column_name, data_type, is_nullable = 'YES', extra FROM information_schema.columns"
            " WHERE table_schema = %s AND table_name = %s AND generation_expression = '' ORDER BY ordinal_position",
            self.name,
            table,
        )
        return [Column(str(row[0]), str(row[1]).lower(), bool(row[2]), str(row[3]).lower()) for row in rows]

    def checksum(self, table: str) -> dict[str, Any]:
        """Return the number of rows of a table, and a checksum of what a dump holds of them.

        CHECKSUM TABLE is of no use: of JSON it takes the address, and a dump has no negative zero.
        """
        parts = []
        for column in self.columns(table):
            name = column.quoted
            if column.kind in NUMBERS:
                part = f"{name} + 0"
            elif column.kind in REALS:
                part = f"{name} + 0e0"  # exact for FLOAT too, and no negative zero
            elif column.kind in WORDS:
                part = f"CONCAT(LENGTH({name}), ':', CAST({name} AS BINARY))"
            elif column.kind == "json":
                # As it is after a dump was loaded, which has JSON as text.
                part = f"SHA2(CAST(CAST(CAST({name} AS CHAR) AS JSON) AS CHAR), 256)"
            else:
                part = f"SHA2({name}, 256)"  # too long to be put in a row
            parts.append(f"IFNULL({part}, '~')" if column.null else part)
        row = "CONCAT({})".format(", ',', ".join(parts)) if parts else "''"
        count, total = self.rows(f"SELECT COUNT(*), COALESCE(SUM(CRC32({row})), 0) FROM {self.table(table)}")[
            0
        ]
        return {"rows": int(count), "checksum": str(total)}

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT COUNT(*) FROM {self.table(table)}")[0][0])

    def content(self) -> dict[str, Any]:
        """Return what a manifest says about the tables."""
        return {table: self.checksum(table) for table in self.tables()}

    def read_lock(self, tables: list[str]) -> None:
        """Let nobody write until `unlock`."""
        if tables:
            self.rows("LOCK TABLES " + ", ".join(f"{self.table(table)} READ" for table in tables))

    def unlock(self) -> None:
        self.rows("UNLOCK TABLES")

    # Exact values of FLOAT columns

    def exact_floats(self, table: str) -> list[str]:
        """Return the statements that give FLOAT columns the values that mysqldump rounds. Raises DumpProblem."""
        columns = {column.name: column for column in self.columns(table)}
        floats = [column for column in columns.values() if column.kind == "float"]
        if not floats:
            return []
        rounded = " OR ".join(
            f"CAST({column.quoted} AS CHAR) + 0e0 <> {column.quoted} + 0e0" for column in floats
        )
        rounded = f"FROM {self.table(table)} WHERE {rounded}"
        names = self.texts(
            "SELECT column_name FROM information_schema.statistics WHERE table_schema = %s AND table_name = %s"
            " AND index_name = 'PRIMARY' ORDER BY seq_in_index",
            self.name,
            table,
        )
        triggers = self.texts(
            "SELECT 1 FROM information_schema.triggers WHERE event_object_schema = %s AND event_object_table = %s"
            " AND event_manipulation = 'UPDATE'",
            self.name,
            table,
        )
        key = [columns[name] for name in names if name in columns and columns[name] not in floats]
        if not key or len(key) < len(names) or triggers:
            if self.rows(f"SELECT 1 {rounded} LIMIT 1"):
                raise DumpProblem(
                    f"mysqldump rounds values in FLOAT columns of {table} ({', '.join(c.name for c in floats)}), and "
                    "without a primary key of other columns, or with a trigger on updates, they cannot be put "
                    f"right. Make the columns exact first: ALTER TABLE {self.table(table)} MODIFY ... DOUBLE"
                )
            return []
        values = [f"{column.quoted} + 0e0" for column in floats] + [
            KEYS[key_kind(c)][0] % c.quoted for c in key
        ]
        stay = [
            f"{column.quoted} = {column.quoted}" for column in columns.values() if "on update" in column.extra
        ]
        statements = []
        for row in self.rows(
            f"SELECT {', '.join(values)} {rounded} ORDER BY {', '.join(c.quoted for c in key)}"
        ):
            changes = [f"{c.quoted} = {value!r}" for c, value in zip(floats, row) if value is not None]
            where = [
                f"{c.quoted} = {KEYS[key_kind(c)][1] % value}" for c, value in zip(key, row[len(floats) :])
            ]
            statements.append(
                f"UPDATE {identifier(table)} SET {', '.join(changes + stay)} WHERE {' AND '.join(where)};\n"
            )
        return statements


# The container's programs


class Container:
    """MySQL's programs in the server's container."""

    def __init__(self, docker: str, name: str, socket: str, user: str, password: str) -> None:
        self.docker = docker
        self.name = name
        self.socket = socket
        self.login = f"password={option_file_value(password)}\n".encode()
        self.user = user
        self.password = password

    def start(self, program: str, *arguments: str, output: int | IO[bytes]) -> _processes.Process[bytes]:
        """Start a program that is logged in to the server. Its errors are collected for `problem`."""
        command = [self.docker, "exec", "--interactive", self.name, "sh", "-c", SHELL, "sh", program]
        command += ["--defaults-file=/dev/fd/3", "--protocol=socket", f"--socket={self.socket}"]
        command += [f"--user={self.user}", *arguments]
        self.errors = tempfile.TemporaryFile()
        process = _processes.start(command, output, self.errors)
        try:
            if process.stdin is None:
                raise TypeError("the process has no pipes")
            process.stdin.write(self.login)
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it says why on its own
        return process

    def problem(self, program: str, code: int) -> DumpProblem:
        self.errors.seek(0)
        text = self.errors.read().decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        said = next(
            (line for line in reversed(lines) if "rror" in line), lines[-1] if lines else f"exit code {code}"
        )
        if self.password:
            said = said.replace(self.password, "********")
        if code == NO_PROGRAM:
            remedy = f"there is no {program} in it: use an image with MySQL's client programs"
        elif "o such container" in said:
            remedy = "there is no such container: check container, or start it"
        elif "is not running" in said or "is paused" in said or "is restarting" in said:
            remedy = "it is not running: start it"
        elif code in NO_SHELL:
            remedy = "there is no sh in it: use an image with a shell and MySQL's client programs"
        elif "permission denied" in said or "Cannot connect to the Docker daemon" in said:
            remedy = f"{said}. Run as root, on the host of the container, with Docker running"
        elif re.search(r"rror:? 1045\b", said, re.I):
            remedy = f"{said}. The password is right outside: check that it is the container of this server"
        elif re.search(r"rror:? 2002\b", said, re.I):
            remedy = f"{said}. Check container_socket"
        else:
            remedy = f"{said}. Free space if a disk is full, and run this again"
        return DumpProblem(f"{program} in the container {self.name} failed: {remedy}")

    def check(self, uuid: str) -> None:
        """Raise DumpProblem unless both programs are there and the server is the one with this UUID."""
        for program, arguments in (
            ("mysqldump", ("--version",)),
            ("mysql", ("--skip-column-names", "--batch", "--execute=SELECT @@server_uuid")),
        ):
            process = self.start(program, *arguments, output=_processes.PIPE)
            try:
                answer, dummy = process.communicate()
            except BrokenPipeError:
                answer = b""
            if process.returncode:
                raise self.problem(program, process.returncode)
        if answer.decode().strip() != uuid:
            raise DumpProblem(
                f"the server in the container {self.name} is another one than that at login_unix_socket: check "
                "container, container_socket and login_unix_socket"
            )


# The files


class Files:
    """The dump and its manifest."""

    def __init__(self, path: str, database: str) -> None:
        self.path = path
        self.manifest_path = path + ".json"
        self.part = path + ".part"
        self.manifest_part = self.manifest_path + ".part"
        self.database = database

    def manifest(self) -> dict[str, Any] | None:
        """Return the manifest, or ``None`` if there is no dump. Raises DumpProblem."""
        try:
            with open(self.manifest_path, encoding="utf-8") as stream:
                found: dict[str, Any] = json.load(stream)
            if found["format"] != FORMAT:
                raise ValueError
            database = found["database"]
            if not {"sha256", "size", "tables", "definitions", "charset", "collation", "encryption"} <= set(
                found
            ):
                raise ValueError
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DumpProblem(f"{self.manifest_path} cannot be read: {error.strerror}. Run as root") from None
        except (ValueError, TypeError, KeyError):
            raise DumpProblem(
                f"{self.manifest_path} is not a manifest of this module; nothing was changed. Choose another path, or "
                "remove the dump with state: absent"
            ) from None
        if database != self.database:
            raise DumpProblem(
                f"{self.path} is a dump of the database {database}, not of {self.database}; nothing was changed. Give "
                "each database a path of its own"
            )
        return found

    def verify(self, manifest: Mapping[str, Any]) -> None:
        """Raise DumpProblem unless the dump is the one that the manifest is about."""
        digest = hashlib.sha256()
        size = 0
        try:
            with open(self.path, "rb") as stream:
                for chunk in iter(lambda: stream.read(CHUNK), b""):
                    digest.update(chunk)
                    size += len(chunk)
        except OSError as error:
            raise DumpProblem(
                f"the dump {self.path} cannot be read: {error.strerror}; nothing was changed. Put it back from a "
                "copy, or remove its manifest with state: absent"
            ) from None
        if size != manifest["size"] or digest.hexdigest() != manifest["sha256"]:
            raise DumpProblem(
                f"the dump {self.path} is not what was written: it has {size} bytes, its manifest says "
                f"{manifest['size']}, and SHA-256 {'differs' if size == manifest['size'] else 'cannot match'}; nothing "
                "was changed. Put it back from a copy, or remove it with state: absent"
            )

    def room(self, data: int) -> None:
        """Raise DumpProblem if a dump of so many bytes of data will hardly fit."""
        directory = os.path.dirname(self.path) or "."
        try:
            left = shutil.disk_usage(directory).free
            left += os.stat(self.part).st_size if os.path.exists(self.part) else 0
        except OSError as error:
            raise self.unwritable(error) from None
        needed = data * ROOM + MIB
        if left < needed:
            raise DumpProblem(
                f"{directory} has {size_of(left)} free, and a dump of {self.database} with {size_of(data)} of data "
                f"takes up to {size_of(needed)}: free {size_of(needed - left)} there, or choose another path"
            )

    def unwritable(self, error: OSError) -> DumpProblem:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            remedy = "free space there, or choose another path"
        else:
            remedy = (
                "make its directory, run as root on a file system that is writable, or choose another path"
            )
        return DumpProblem(
            f"the dump {self.path} cannot be written: {error.strerror}; nothing is left of it: {remedy}"
        )

    def discard(self) -> None:
        for path in (self.part, self.manifest_part):
            if os.path.lexists(path):
                os.unlink(path)

    def keep(self, manifest: Mapping[str, Any]) -> None:
        """Give the dump its name, and then the manifest: from then on there is a dump."""
        with open_new(self.manifest_part) as stream:
            stream.write((json.dumps(manifest, indent=1, sort_keys=True) + "\n").encode())
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(self.part, self.path)
        self.sync()
        os.rename(self.manifest_part, self.manifest_path)
        self.sync()

    def sync(self) -> None:
        directory = os.open(os.path.dirname(self.path) or ".", os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def any(self) -> list[str]:
        """Return all files that there are, the manifest first."""
        paths = (self.manifest_path, self.path, self.part, self.manifest_part)
        return [path for path in paths if os.path.lexists(path)]


def open_new(path: str) -> IO[bytes]:
    """Open a file for root only, in place of one that was left there."""
    if os.path.lexists(path):
        os.unlink(path)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "wb")


class Hashed:
    """A file that is written, and the checksum of what was."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size += len(data)
        return self.stream.write(data)

    def flush(self) -> None:
        self.stream.flush()


class Pump(threading.Thread):
    """Compresses what a program writes, beside the checksums."""

    def __init__(self, source: IO[bytes], target: Any) -> None:
        super().__init__(daemon=True)
        self.source = source
        self.target = target
        self.tail = b""
        self.line = 0
        self.longest = 0  # bytes of a line, which is a statement where it matters
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            for chunk in iter(lambda: self.source.read(CHUNK), b""):
                self.target.write(chunk)
                self.tail = (self.tail + chunk)[-200:]
                first, *others = map(len, chunk.split(b"\n"))
                self.line += first
                for length in others:
                    self.longest = max(self.longest, self.line)
                    self.line = length
        except Exception as error:
            self.error = error
            self.source.close()  # so that the program ends

    @property
    def completed(self) -> bool:
        return self.tail.rstrip(b"\n").rpartition(b"\n")[2].startswith(COMPLETED)


# The states


def stream_dump(target: Any, database: Database, container: Container, tables: list[str]) -> dict[str, Any]:
    """Write the dump to `target`, and return what a manifest says of its rows. Raises DumpProblem and OSError."""
    lock = f"--init-command=DO GET_LOCK('{database.program_lock}', 0)"
    exact = [statement for table in tables for statement in database.exact_floats(table)]
    process = container.start("mysqldump", *DUMP_OPTIONS, lock, "--", database.name, output=_processes.PIPE)
    if process.stdin is None or process.stdout is None:
        raise TypeError("the process has no pipes")
    pump = Pump(process.stdout, target)
    pump.start()
    try:
        # Reading takes the server's other core meanwhile.
        found: dict[str, Any] = {"tables": {table: database.checksum(table) for table in tables}}
        found["revision"] = database.revision(tables)
    except BaseException:
        process.kill()
        raise
    finally:
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass
        pump.join()
        code = process.wait()
    if pump.error is not None:
        raise pump.error
    if code:
        raise container.problem("mysqldump", code)
    if not pump.completed:
        raise DumpProblem(
            "mysqldump ended without saying that its dump is complete; nothing is left of it: run this again"
        )
    packet = int(database.rows("SELECT @@GLOBAL.max_allowed_packet")[0][0])
    if pump.longest > packet:
        raise DumpProblem(
            f"a row takes {size_of(pump.longest)} in a dump, and the server takes {size_of(packet)} at once: it could "
            f"not be restored. Raise max_allowed_packet: SET PERSIST max_allowed_packet = {2 * packet}"
        )
    if exact:
        target.write(b"-- Values that mysqldump rounds\nSET time_zone = '+00:00', foreign_key_checks = 0;\n")
        target.write("".join(exact).encode("utf-8"))
    return found


def make_dump(files: Files, database: Database, container: Container) -> dict[str, Any]:
    """Make the dump and return its manifest. Raises DumpProblem."""
    start = time.monotonic()
    about = database.about() or {}
    tables = database.tables()
    definitions = database.definitions()
    try:
        database.read_lock(tables)
        with open_new(files.part) as raw:
            hashed = Hashed(raw)
            with gzip.GzipFile("", "wb", 1, hashed, 0) as target:
                found = stream_dump(target, database, container, tables)
            raw.flush()
            os.fsync(raw.fileno())
        database.unlock()
        manifest = {
            "format": FORMAT,
            "database": database.name,
            **about,
            **found,
            "mysql_version": database.texts("SELECT VERSION()")[0],
            "definitions": definitions,
            "sha256": hashed.digest.hexdigest(),
            "size": hashed.size,
            "created": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "seconds": round(time.monotonic() - start, 1),
        }
        files.keep(manifest)
    except BaseException as error:
        files.discard()
        database.end_program(PROGRAM_ENDS)
        if isinstance(error, OSError):
            raise files.unwritable(error) from None
        raise
    return manifest


def differences(database: Database, manifest: Mapping[str, Any], loaded: bool = False) -> list[str]:
    """Return how the database differs from the manifest, nothing if it does not.

    Of one that was just `loaded` the text of definitions does not matter: it is from the dump, but the server may
    write it in another way now.
    """
    about = database.about()
    if about is None:
        return ["the database is missing"]
    found = [
        f"its {key} is {about[key]}, not {manifest[key]}"
        for key in ("charset", "collation", "encryption")
        if about[key] != manifest[key]
    ]
    definitions = database.definitions()
    for name in sorted({*definitions, *manifest["definitions"]}):
        if name not in definitions:
            found.append(f"{name} is missing")
        elif name not in manifest["definitions"]:
            found.append(f"{name} is not in the dump")
        elif definitions[name] != manifest["definitions"][name] and not loaded:
            found.append(f"{name} is defined differently")
    if found and not loaded:
        return found  # no need to read all rows
    content = database.content()
    for name, wanted in sorted(manifest["tables"].items()):
        if name in content and content[name] != wanted:
            rows = content[name]["rows"]
            if rows != wanted["rows"]:
                found.append(f"table {name} has {rows} rows, not {wanted['rows']}")
            else:
                found.append(f"table {name} has other values in its {rows} rows")
    return found


def load(files: Files, database: Database, container: Container, manifest: Mapping[str, Any]) -> None:
    """Replace the database with the dump. Raises DumpProblem."""
    database.rows(f"DROP DATABASE IF EXISTS {identifier(database.name)}")
    database.rows(
        f"CREATE DATABASE {identifier(database.name)} CHARACTER SET {identifier(manifest['charset'])}"
        f" COLLATE {identifier(manifest['collation'])} ENCRYPTION {manifest['encryption'][:1]!r}"
    )
    lock = f"--init-command=DO GET_LOCK('{database.program_lock}', 0)"
    process = container.start("mysql", *LOAD_OPTIONS, lock, "--", database.name, output=_processes.DEVNULL)
    if process.stdin is None:
        raise TypeError("the process has no pipes")
    again = "The database is not whole, run this again"
    try:
        with gzip.open(files.path, "rb") as stream:
            shutil.copyfileobj(stream, process.stdin, CHUNK)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it says why on its own
    except (OSError, EOFError) as error:
        process.kill()
        process.wait()
        raise DumpProblem(f"the dump {files.path} cannot be read: {error}. {again}") from None
    code = process.wait()
    if code:
        raise DumpProblem(f"{container.problem('mysql', code)}. {again}")


def summary(files: Files, manifest: Mapping[str, Any] | None) -> dict[str, Any]:
    about = manifest or {}
    return {
        "dump": files.path,
        "size": about.get("size", 0),
        "revision": about.get("revision"),
        "mysql_version": about.get("mysql_version"),
        "created": about.get("created"),
        "tables": [{"name": name, **values} for name, values in sorted(about.get("tables", {}).items())],
    }


def rows_of(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values["rows"] for name, values in sorted(tables.items())}


def absent(files: Files, check: bool) -> dict[str, Any]:
    found = files.any()
    if not check:
        for path in found:
            try:
                os.unlink(path)
                files.sync()
            except OSError as error:
                raise DumpProblem(f"{path} cannot be removed: {error.strerror}. Run as root") from None
    return {
        "changed": bool(found),
        "diff": {"before": {"files": found}, "after": {"files": []}},
        **summary(files, None),
    }


def present(files: Files, database: Database, container: Container, check: bool) -> dict[str, Any]:
    tables = database.tables()
    if database.about() is None:
        raise DumpProblem(f"there is no database {database.name}: check database")
    files.room(database.data_length())
    diff = {"before": {"dump": None}, "after": {"dump": files.path}}
    if check:
        return {
            "changed": True,
            "diff": diff,
            **summary(files, None),
            "revision": database.revision(tables),
        }
    return {"changed": True, "diff": diff, **summary(files, make_dump(files, database, container))}


def restored(
    files: Files, database: Database, container: Container, manifest: Mapping[str, Any], check: bool
) -> dict[str, Any]:
    if not differences(database, manifest):
        return {"changed": False, **summary(files, manifest)}
    before = {table: database.count(table) for table in database.tables()}
    if not check:
        load(files, database, container, manifest)
        different = differences(database, manifest, loaded=True)
        if different:
            raise DumpProblem(
                f"the dump was loaded, but {database.name} is not what it was: {'; '.join(different)}. Keep writers "
                f"out, and keep {files.path}. If something wrote to the database meanwhile, run this again"
            )
    return {
        "changed": True,
        "diff": {"before": before, "after": rows_of(manifest["tables"])},
        **summary(files, manifest),
    }


def run(module: AnsibleModule) -> dict[str, Any]:
    options = module.params
    files = Files(options["path"], options["database"])
    state = options["state"]
    if state == "absent":
        return absent(files, module.check_mode)
    manifest = files.manifest()
    if manifest is not None:
        files.verify(manifest)
        if state == "present":
            return {"changed": False, **summary(files, manifest)}
    elif state == "restored":
        raise DumpProblem(
            f"there is no dump at {files.path}, or it was never finished; nothing was changed. Make one with state: "
            "present, or check path"
        )
    if not options["container"]:
        raise DumpProblem("container is empty: set it to the name of the server's container")
    docker = module.get_bin_path("docker")
    if docker is None:
        raise DumpProblem(
            "there is no docker on this host: install Docker, or run this on the container's host"
        )
    login = _connection.login_from_params(options)
    for secret in login.secrets:
        module.no_log_values.add(secret)
    connection, password = _connection.connect_with_password(login)
    try:
        database = Database(connection, options["database"])
        container = Container(docker, options["container"], options["container_socket"], login.user, password)
        database.lock(options["lock_timeout"])
        _owner.check_owner(options)
        container.check(database.texts("SELECT @@server_uuid")[0])
        # Somebody else may have finished while this run waited for the lock.
        manifest = files.manifest()
        if state == "present":
            if manifest is not None:
                return {"changed": False, **summary(files, manifest)}
            return present(files, database, container, module.check_mode)
        if manifest is None:
            raise DumpProblem(
                f"the dump {files.path} was removed meanwhile; nothing was changed. Make another one"
            )
        return restored(files, database, container, manifest, module.check_mode)
    finally:
        connection.close()


def explain(error: Exception, options: Mapping[str, Any]) -> str:
    code = error.args[0] if error.args else None
    if code in (ER_LOCK_WAIT_TIMEOUT, ER_QUERY_TIMEOUT_LOCK):
        return (
            f"sessions have been using tables of {options['database']} for more than {options['lock_timeout']} s: "
            "stop MLflow, close the gate with mlflow_schema_gate and disconnect: true, or raise lock_timeout"
        )
    return f"MySQL: {type(error).__name__}: {error}. Run this again"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **_connection.login_argument_spec(),
            "database": {"type": "str", "default": "mlflow"},
            "state": {"type": "str", "choices": ["present", "restored", "absent"], "default": "present"},
            "path": {"type": "path", "required": True},
            "container": {"type": "str"},
            "container_socket": {"type": "path", "default": "/var/run/mysqld/mysqld.sock"},
            "lock_timeout": {"type": "int", "default": 30},
            "owner": {"type": "str"},
            "owner_file": {"type": "path"},
        },
        required_if=[("state", "present", ["container"]), ("state", "restored", ["container"])],
        required_together=[("owner", "owner_file")],
        supports_check_mode=True,
    )
    start = time.monotonic()
    try:
        result = run(module)
    except (_connection.ConnectionFailed, _owner.NotOwner, DumpProblem) as error:
        module.fail_json(msg=str(error))
    except (
        Exception
    ) as error:  # a lost connection or a refused statement: pymysql's own classes may be missing
        module.fail_json(msg=explain(error, module.params))
    module.exit_json(seconds=round(time.monotonic() - start, 1), **result)


if __name__ == "__main__":
    main()
