# SPDX-License-Identifier: GPL-3.0-or-later
"""Where backups are, and how they are written and read. Private to this collection: it may change without notice.

A directory of backups holds

- `full/NAME/`: a full backup, `data.tar.zst` (with `.age`, if it is encrypted) and `manifest.json`;
- `binlog/UUID/`: the binary log of the server UUID, for each of its files a manifest `binlog.000001.json` and parts.

What is being written has a name that begins with `.partial`, and is renamed when it is whole and on the disk. A
manifest holds a checksum of itself and of what it describes. Needs nothing but Python, `tar`, `zstd` and, with keys,
`age`.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from typing import IO, Any, Callable, Iterable, Iterator, Mapping, Sequence, cast

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._files.durable import write_whole

FORMAT = 1
PARTIAL = ".partial"
POINT = "point.json"
CHUNK = 1 << 20
PACKED = 4  # MLflow's data gets at least that many times smaller
MIB = 1 << 20


class BackupProblem(Exception):
    """A backup cannot be made, read or restored. The message names the remedy."""


class Busy(BackupProblem):
    """Another process does the same."""


@dataclass(frozen=True)
class Settings:
    """What the role writes to `backup.json` in a store's home."""

    home: str
    directory: str
    container: str
    image: str
    uid: int
    database: str
    user: str
    auth_database: str | None = None
    recipients: tuple[str, ...] = ()
    identity_file: str | None = None
    keep_days: int = 14
    keep_last: int = 7
    interval: float = 1.0
    memory_mb: int = 1024
    textfile_directory: str | None = None
    mlflow: str | None = None
    mlflow_version: str | None = None
    # The release to which a drill upgrades what it restored, and the virtual environment with it.
    upgrade_version: str | None = None
    upgrade_mlflow: str | None = None
    docker_host: str | None = None
    offsite: Mapping[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> str:
        return os.path.join(self.home, "data")

    @property
    def scratch(self) -> str:
        """The directory that the server sees as `SCRATCH_INSIDE`."""
        return os.path.join(self.home, "tmp")

    @property
    def socket(self) -> str:
        return os.path.join(self.home, "run", "mysqld.sock")

    def secret(self, name: str) -> str:
        return os.path.join(self.home, "secrets", name)


SCRATCH_INSIDE = "/var/tmp"  # noqa: S108
NUMBERS: dict[str, Callable[[Any], Any]] = {
    **{name: int for name in ("uid", "keep_days", "keep_last", "memory_mb")},
    "interval": float,
}
OPTIONAL = (
    *("auth_database", "identity_file", "textfile_directory", "mlflow", "mlflow_version"),
    *("upgrade_version", "upgrade_mlflow", "docker_host"),
)


def load_settings(path: str) -> Settings:
    """Read the settings. Raises BackupProblem."""
    try:
        with open(path, encoding="utf-8") as stream:
            return settings_of(json.load(stream))
    except (OSError, ValueError, TypeError) as error:
        raise BackupProblem(
            f"the settings {path} cannot be read: {error}. Run the playbook backup again"
        ) from None


def settings_of(found: Any) -> Settings:
    """Return the settings that a file holds. A number may be a text, as templates make it.

    Raises TypeError and ValueError.
    """
    if not isinstance(found, dict):
        raise TypeError("they are no dictionary")
    values: dict[str, Any] = {}
    for name, value in found.items():
        if name in NUMBERS:
            values[name] = NUMBERS[name](value)
        elif name == "recipients":
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                raise TypeError("recipients is no list of texts")
            values[name] = tuple(value)
        elif name == "offsite":
            values[name] = dict(value or {})
        elif value or name not in OPTIONAL:
            if not isinstance(value, str):
                raise TypeError(f"{name} is no text")
            values[name] = value
    return Settings(**values)


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def stamp(when: datetime.datetime | float) -> str:
    """Return a time as it stands in manifests: UTC, with microseconds."""
    if not isinstance(when, datetime.datetime):
        when = datetime.datetime.fromtimestamp(when, datetime.timezone.utc)
    return when.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> float:
    """Return a time in seconds since 1970. It must say its zone. Raises BackupProblem."""
    try:
        found = datetime.datetime.fromisoformat(text.strip().replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise BackupProblem(
            f"{text!r} is no time with a zone: write it like 2026-11-23T18:00:00Z, or 2026-11-23T19:00:00+01:00"
        )
    return found.timestamp()


FULL = (errno.ENOSPC, errno.EDQUOT)


def full_disk(error: OSError, path: str) -> BackupProblem:
    """Return what to say of a file that cannot be read or written. `path` is where, if the error does not say."""
    where = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else path
    if error.errno in FULL:
        return BackupProblem(
            f"the disk of {where} is full: make room, or choose another directory. What was half written is removed, "
            "and no backup was touched"
        )
    return BackupProblem(
        f"{where}: {error.strerror or error}. Check that path and its disk, and whether this runs as root"
    )


def checksum_of(document: Mapping[str, Any]) -> str:
    """Return the checksum that a manifest holds of itself."""
    content = {key: value for key, value in document.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_document(path: str, document: Mapping[str, Any]) -> None:
    """Write a manifest so that it is there as a whole or not at all. Raises BackupProblem."""
    temporary = os.path.join(os.path.dirname(path), PARTIAL + "-" + os.path.basename(path))
    text = json.dumps({**document, "checksum": checksum_of(document)}, indent=1) + "\n"
    try:
        write_whole(path, text, temporary)
    except OSError as error:
        raise full_disk(error, path) from None


def read_document(path: str) -> dict[str, Any]:
    """Read a manifest and compare it with its checksum. Raises BackupProblem."""
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
    except OSError as error:
        raise BackupProblem(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise BackupProblem(f"{path} is damaged: it is no manifest any more") from None
    if not isinstance(found, dict) or found.get("checksum") != checksum_of(found):
        raise BackupProblem(f"{path} is damaged: its checksum is wrong")
    if found.get("format") != FORMAT:
        raise BackupProblem(
            f"{path} has the format {found.get('format')}: install a newer release of this collection"
        )
    return found


def hash_file(path: str) -> tuple[str, int]:
    """Return a file's SHA-256 and its size. Raises OSError."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as stream:
        for chunk in iter(lambda: stream.read(CHUNK), b""):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def verify_file(path: str, described: Mapping[str, Any]) -> None:
    """Compare a file with what its manifest says of it. Raises BackupProblem."""
    try:
        digest, size = hash_file(path)
    except OSError as error:
        raise BackupProblem(f"{path} cannot be read: {error.strerror}") from None
    if size != described["size"]:
        raise BackupProblem(f"{path} is damaged: it has {size} bytes, not {described['size']}")
    if digest != described["sha256"]:
        raise BackupProblem(f"{path} is damaged: its checksum is wrong")


# Packing and unpacking


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise BackupProblem(f"{name} is not installed on this host: install the package {name}")
    return found


# What programs say, and what to do about it.
REMEDIES = {
    "No space left": ". The disk is full: make room",
    "quota exceeded": ". The disk is full: make room",
    "no identity matched": ". Give the identity of one of the recipients that it was encrypted for",
    "malformed recipient": ". Correct mlflow_backup_recipients",
    "unknown recipient type": ". Correct mlflow_backup_recipients",
}


class Pipeline:
    """Programs, each with the output of the one before as its input. A context manager that leaves none running."""

    def __init__(
        self, commands: Sequence[Sequence[str]], stdin: IO[bytes] | int, stdout: IO[bytes] | int
    ) -> None:
        self.commands = commands
        self.processes: list[subprocess.Popen[bytes]] = []
        # What a program says of its failure: few lines, and never too many for a pipe that nobody reads.
        self.errors = tempfile.TemporaryFile()
        source: Any = stdin
        try:
            for number, command in enumerate(commands):
                last = number == len(commands) - 1
                process = subprocess.Popen(
                    [program(command[0]), *command[1:]],
                    stdin=source,
                    stdout=stdout if last else subprocess.PIPE,
                    stderr=self.errors,
                )
                self.processes.append(process)
                if number:
                    source.close()
                source = process.stdout
        except BaseException:
            self.__exit__()
            raise

    @property
    def output(self) -> IO[bytes]:
        stream = self.processes[-1].stdout
        if stream is None:
            raise TypeError("the output is no pipe")
        return stream

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *dummy: object) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
        for process in self.processes:
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        self.errors.close()

    def finish(self, what: str) -> None:
        """Wait for all of them. Raises BackupProblem if one failed."""
        codes = [process.wait() for process in self.processes]
        failed = [(command[0], code) for command, code in zip(self.commands, codes) if code]
        if failed:
            # Who writes to one that failed is ended by a signal.
            name, code = min(failed, key=lambda one: one[1] == -signal.SIGPIPE)
            self.errors.seek(0)
            said = " ".join(self.errors.read().decode("utf-8", "replace").split())[-400:]
            remedy = next((remedy for part, remedy in REMEDIES.items() if part in said), "")
            raise BackupProblem(f"{what}: {name} ended with {code}: {said}{remedy}")


def packing(recipients: Iterable[str]) -> list[list[str]]:
    """Return the programs that compress and, with recipients, encrypt."""
    commands = [["zstd", "-q", "-1", "-T1", "-c"]]
    keys = [argument for recipient in recipients for argument in ("-r", recipient)]
    if keys:
        commands.append(["age", *keys])
    return commands


def unpacking(path: str, identity_file: str | None) -> list[list[str]]:
    """Return the programs that undo it."""
    commands = [["zstd", "-q", "-d", "-c"]]
    if path.endswith(".age"):
        if identity_file is None:
            raise BackupProblem(
                f"{path} is encrypted, and there is no age identity on this host: set mlflow_backup_identity"
            )
        if not os.path.exists(identity_file):
            raise BackupProblem(
                f"{path} is encrypted, and the age identity {identity_file} is not there: put it back, or set "
                "mlflow_backup_identity"
            )
        commands.insert(0, ["age", "-d", "-i", identity_file])
    return commands


def suffix(recipients: Sequence[str]) -> str:
    return ".zst.age" if recipients else ".zst"


def write_packed(
    path: str, producer: Sequence[str] | IO[bytes], recipients: Sequence[str], kind: str = ""
) -> dict[str, Any]:
    """Write what a program prints, or the rest of a file, packed. Returns the file's size and checksum.

    The file is on the disk afterwards. Raises BackupProblem, and leaves no file then.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with contextlib.ExitStack() as stack:
            target = stack.enter_context(open(path, "wb"))
            commands = packing(recipients)
            source: IO[bytes] | int = subprocess.DEVNULL
            if isinstance(producer, (list, tuple)):
                commands = [list(producer), *commands]
            else:
                source = cast("IO[bytes]", producer)
            pipeline = stack.enter_context(Pipeline(commands, source, subprocess.PIPE))
            for chunk in iter(lambda: pipeline.output.read(CHUNK), b""):
                target.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            pipeline.finish(f"{kind or path} cannot be packed")
            target.flush()
            os.fsync(target.fileno())
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(path)
        if isinstance(error, OSError):
            raise full_disk(error, path) from None
        raise
    return {"file": os.path.basename(path), "size": size, "sha256": digest.hexdigest()}


@contextlib.contextmanager
def read_packed(path: str, identity_file: str | None) -> Iterator[IO[bytes]]:
    """Give the content of a packed file as a stream. Raises BackupProblem if it is damaged."""
    commands = unpacking(path, identity_file)
    try:
        source = open(path, "rb")
    except OSError as error:
        raise full_disk(error, path) from None
    with source, Pipeline(commands, source, subprocess.PIPE) as pipeline:
        yield pipeline.output
        if pipeline.output.read(1):
            return  # who reads did not want the rest
        pipeline.finish(f"{path} cannot be unpacked")


def try_unpacking(path: str, identity_file: str | None) -> None:
    """Unpack the first byte of a packed file, as a wrong identity can do nothing with it. Raises BackupProblem."""
    with read_packed(path, identity_file) as stream:
        stream.read(1)


def unpack_tree(path: str, identity_file: str | None, directory: str) -> None:
    """Unpack a full backup into a directory. Raises BackupProblem."""
    tar = ["tar", "-x", "--sparse", "--no-same-owner", "-C", directory, "-f", "-"]
    try:
        with open(path, "rb") as source:
            with Pipeline([*unpacking(path, identity_file), tar], source, subprocess.DEVNULL) as pipeline:
                pipeline.finish(f"{path} cannot be unpacked into {directory}")
    except OSError as error:
        raise full_disk(error, directory) from None


# The directory of backups


@contextlib.contextmanager
def locked(
    directory: str, name: str, what: str, wait: bool = False, waits: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Hold a lock, which ends with the process. Raises Busy if another process has it, and BackupProblem.

    Calls `waits` before it waits for another process.
    """
    path = os.path.join(directory, f".{name}.lock")
    try:
        stream = open(path, "a", encoding="utf-8")
    except OSError as error:
        raise full_disk(error, path) from None
    with stream:
        try:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not wait:
                    raise
                waits()
                fcntl.flock(stream, fcntl.LOCK_EX)
        except BlockingIOError:
            raise Busy(f"another process is {what} already: wait for it to end") from None
        except OSError as error:
            raise full_disk(error, path) from None
        yield


OWNER = "store.json"


def owner_problem(directory: str, home: str) -> str | None:
    """Return what is wrong if a directory of backups is that of another store, whose data is there."""
    try:
        about = read_document(os.path.join(directory, OWNER))
        there, container = str(about["home"]), str(about["container"])
    except (BackupProblem, KeyError):
        return None  # nobody's yet
    # One that was moved, or is gone, leaves its backups to who goes on with them.
    if os.path.realpath(there) == os.path.realpath(home) or not os.path.exists(
        os.path.join(there, "data", "mysql.ibd")
    ):
        return None
    with contextlib.suppress(OSError):
        if os.path.samefile(there, home):
            return None
    return (
        f"{directory} holds the backups of another store, {container} in {there}: give each store a directory of its "
        "own (mlflow_backup_directory). To restore from it, leave that as it is and set mlflow_backup_from"
    )


def mark_of(settings: Settings) -> dict[str, Any]:
    """Return what marks a directory of backups as this store's."""
    return {"format": FORMAT, "home": settings.home, "container": settings.container}


def is_marked(settings: Settings) -> bool:
    """Return whether a directory of backups is marked as this store's."""
    try:
        found = read_document(os.path.join(settings.directory, OWNER))
    except BackupProblem:
        return False
    return all(found.get(key) == value for key, value in mark_of(settings).items())


def take(settings: Settings) -> None:
    """Mark a directory of backups as this store's. Raises BackupProblem if it is another one's."""
    problem = owner_problem(settings.directory, settings.home)
    if problem is not None:
        raise BackupProblem(problem)
    if not is_marked(settings) and os.path.isdir(settings.directory):
        write_document(os.path.join(settings.directory, OWNER), mark_of(settings))


def is_locked(directory: str, name: str, table: str = "/proc/locks") -> bool:
    """Return whether a process holds a lock, without touching it."""
    try:
        inode = str(os.stat(os.path.join(directory, f".{name}.lock")).st_ino)
        with open(table, encoding="ascii", errors="replace") as stream:
            held = [line.split() for line in stream if "->" not in line]
    except OSError:
        return False
    return any(
        words[1] == "FLOCK" and words[5].rpartition(":")[2] == inode for words in held if len(words) > 5
    )


READING = ".reading.lock"


@contextlib.contextmanager
def reading(directory: str) -> Iterator[None]:
    """Have nothing removed meanwhile: what is read stays, however long that takes."""
    try:
        stream = open(os.path.join(directory, READING), "a", encoding="utf-8")
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES):
            yield  # where this may not write nothing is removed either
            return
        raise full_disk(error, directory) from None
    with stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
        yield


@contextlib.contextmanager
def nobody_reads(directory: str) -> Iterator[bool]:
    """Tell whether something may be removed now, and keep it so."""
    with open(os.path.join(directory, READING), "a", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def free_bytes(path: str) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def tree_size(path: str, without: Iterable[str] = ()) -> int:
    """Return how many bytes the files below a directory take, less those and the directories with some names."""
    total, left_out = 0, set(without)
    for parent, directories, names in os.walk(path):
        directories[:] = [name for name in directories if name not in left_out]
        for name in names:
            if name not in left_out:
                with contextlib.suppress(OSError):
                    total += os.lstat(os.path.join(parent, name)).st_blocks * 512
    return total


def room_for(path: str, wanted: int, what: str, files: int = 0) -> None:
    """Raise BackupProblem unless there is room for so many bytes and files."""
    free = free_bytes(path)
    found = os.statvfs(path)
    # Some file systems have as many as there is room for, and say 0.
    if found.f_files and found.f_favail < files:
        raise BackupProblem(
            f"{what} is {files} files, and the file system of {path} takes {found.f_favail} more (df -i): remove files "
            "there. Nothing was changed"
        )
    if free < wanted:
        raise BackupProblem(
            f"{what} takes {wanted / MIB:.0f} MiB, and {path} has {free / MIB:.0f} MiB free: make room. Nothing was "
            "changed"
        )


def in_use(directory: str) -> bool:
    """Return whether a server runs on a directory of data: it has the first file of InnoDB's open.

    InnoDB locks that file, but the lock ends with the first copy that the CLONE plugin makes.
    """
    try:
        wanted = os.stat(os.path.join(directory, "ibdata1"))
    except OSError:
        return False
    for process in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it may have ended
            for handle in os.scandir(f"/proc/{process}/fd"):
                with contextlib.suppress(OSError):
                    if os.path.samestat(handle.stat(), wanted):
                        return True
    return False


class Archive:
    """A directory of backups."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.full = os.path.join(directory, "full")
        self.binlog = os.path.join(directory, "binlog")

    def names(self) -> list[str]:
        """Return the names of the full backups, the oldest first. A name begins with a number that only grows."""
        try:
            names = os.listdir(self.full)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise full_disk(error, self.full) from None
        return sorted(
            (name for name in names if self.number(name) is not None), key=lambda name: self.number(name) or 0
        )

    @staticmethod
    def number(name: str) -> int | None:
        found = re.match("([0-9]+)(?:-|$)", name)
        return int(found[1]) if found else None

    def manifest(self, name: str) -> dict[str, Any]:
        return read_document(os.path.join(self.full, name, "manifest.json"))

    def manifests(self) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """Return the manifests of the good full backups, the oldest first, and what is wrong with the others."""
        good, bad = [], {}
        for name in self.names():
            try:
                found = self.manifest(name)
                size = os.path.getsize(os.path.join(self.full, name, found["archive"]["file"]))
                if size != found["archive"]["size"]:
                    raise BackupProblem(f"its archive has {size} bytes, not {found['archive']['size']}")
                good.append(found)
            except (BackupProblem, OSError) as error:
                bad[name] = str(error)
        return good, bad

    def point(self) -> dict[str, Any] | None:
        """Return the point of the store that these backups are for, if they are for one. Raises BackupProblem."""
        path = os.path.join(self.directory, POINT)
        return read_document(path) if os.path.lexists(path) else None

    def archive_path(self, manifest: Mapping[str, Any]) -> str:
        return os.path.join(self.full, manifest["name"], manifest["archive"]["file"])

    def verify(self, manifest: Mapping[str, Any]) -> None:
        """Compare a full backup with its manifest. Raises BackupProblem."""
        verify_file(self.archive_path(manifest), manifest["archive"])
