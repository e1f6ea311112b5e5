# SPDX-License-Identifier: GPL-3.0-or-later
"""Write plugins/module_utils/_schema/catalogue_*.py: what MLflow's own migrations do on a real MySQL.

The heads come from every release on the package index, of which only the migrations are fetched; the schema comes
from the newest release, whose migrations run one statement at a time in an empty store that is filled with a few
rows before each revision. `--check` compares instead of writing.
"""

from __future__ import annotations

import argparse
import difflib
import io
import itertools
import json
import os
import re
import subprocess
import sys
import textwrap
import time
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from default_versions import MYSQL_IMAGE

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "mlflow"
PACKAGES = os.environ.get("PACKAGE_INDEX", "https://pypi.org/simple") + "/mlflow/"
WIDTH = 116
APPS = ("tracking", "auth")
# Migrations whose rows come out of Python code or the clock: what is left of them the recorded SQL cannot do.
COMPUTED = {
    "90e64c465722",
    "89d4b8295536",
    "8b6ad64cb8f5",
    "75868b020152",
    "dc11669786a5",
    "e5f6a7b8c9d0",
}
# The first migration of the auth app cannot run as it is: its foreign keys get names of their own.
RENAMED = {"8606fa83a998"}
REVISION = re.compile(r"^revision(?:\s*:[^=]+)?\s*=\s*[\"'](\w+)", re.MULTILINE)
PARENT = re.compile(r"^down_revision(?:\s*:[^=]+)?\s*=\s*(?:None|[\"'](\w+))", re.MULTILINE)


class RemoteFile(io.RawIOBase):
    """A file on a web server, read in pieces, so that a wheel's migrations cost a hundredth of the wheel."""

    def __init__(self, url: str, size: int) -> None:
        self.url, self.size, self.at = url, size, 0
        self.pieces: list[tuple[int, bytes]] = []

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def read(self, size: int = -1) -> bytes:
        size = min(self.size - self.at if size < 0 else size, self.size - self.at)
        if size <= 0:
            return b""
        for start, piece in self.pieces:
            if start <= self.at and self.at + size <= start + len(piece):
                break
        else:
            start, end = self.at, min(self.at + max(size, 200_000), self.size)
            piece = fetch(self.url, {"Range": f"bytes={start}-{end - 1}"})
            self.pieces.append((start, piece))
        found = piece[self.at - start : self.at - start + size]
        self.at += size
        return found


def fetch(url: str, headers: dict[str, str] | None = None) -> bytes:
    for attempt in range(5):
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, headers=headers or {}), timeout=60
            ) as answer:
                return bytes(answer.read())
        except OSError:
            if attempt == 4:
                raise
            time.sleep(1 + attempt)
    raise AssertionError


def version_key(version: str) -> tuple[Any, ...]:
    numbers = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?(.*)", version)
    assert numbers
    return (int(numbers[1]), int(numbers[2]), int(numbers[3] or 0), numbers[4] or "~")


def releases() -> dict[str, dict[str, Any]]:
    """Every release since 1.0 with one of its files, a wheel where there is one, oldest first."""
    listing = json.loads(fetch(PACKAGES, {"Accept": "application/vnd.pypi.simple.v1+json"}))
    found: dict[str, dict[str, Any]] = {}
    for file in listing["files"]:
        wheel = re.match(r"mlflow-([^-]+)-.*\.whl$", file["filename"])
        source = re.match(r"mlflow-(.+)\.tar\.gz$", file["filename"])
        version = (wheel or source)[1] if wheel or source else None  # type: ignore[index]
        if version and not version.startswith("0.") and (wheel or version not in found):
            found[version] = file
    return {version: found[version] for version in sorted(found, key=version_key)}


def migrations_of(file: dict[str, Any]) -> dict[str, str]:
    """The migrations in a release's file: path to text."""
    if file["filename"].endswith(".whl"):
        wheel = zipfile.ZipFile(RemoteFile(file["url"], file["size"]))
        entries = [entry for entry in wheel.infolist() if wanted(entry.filename)]
        entries.sort(key=lambda entry: entry.header_offset)
        return {entry.filename: wheel.read(entry).decode() for entry in entries}
    import tarfile

    with tarfile.open(fileobj=io.BytesIO(fetch(file["url"]))) as archive:
        members = [member for member in archive.getmembers() if wanted(member.name)]
        return {m.name.split("/", 1)[1]: archive.extractfile(m).read().decode() for m in members}  # type: ignore[union-attr]


def wanted(path: str) -> bool:
    return (
        re.search(r"/versions/[^/]+\.py$", path) is not None and "mlflow/temporary_db_migrations" not in path
    )


def head_of(texts: list[str]) -> str | None:
    """The revision that no other names as its parent."""
    revisions, parents = set(), set()
    for text in texts:
        revision, parent = REVISION.search(text), PARENT.search(text)
        if revision and parent:
            revisions.add(revision[1])
            parents.add(parent[1])
    heads = revisions - parents
    if len(heads) > 1:
        raise SystemExit(f"more than one head: {heads}")
    return heads.pop() if heads else None


def heads(files: dict[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    """For each app, release to head. What a release holds never changes, so it is kept in the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    cache = CACHE / "heads.json"
    known: dict[str, dict[str, str | None]] = json.loads(cache.read_text()) if cache.exists() else {}

    def look(version: str) -> tuple[str, dict[str, str | None]]:
        texts = migrations_of(files[version])
        auth = [text for path, text in texts.items() if "/auth/" in path]
        return version, {
            "auth": head_of(auth),
            "tracking": head_of([t for t in texts.values() if t not in auth]),
        }

    with ThreadPoolExecutor(16) as pool:
        known.update(pool.map(look, [version for version in files if version not in known]))
    cache.write_text(json.dumps(known, indent=1))
    return {app: {v: h for v in files if (h := known[v][app])} for app in APPS}


def newest_package(files: dict[str, dict[str, Any]]) -> Path:
    """The newest final release, unpacked."""
    version = [version for version in files if not re.search("[a-z]", version)][-1]
    directory = CACHE / version
    if not directory.exists():
        wheel = zipfile.ZipFile(io.BytesIO(fetch(files[version]["url"])))
        wheel.extractall(str(directory) + ".part")
        os.rename(str(directory) + ".part", directory)
    return directory


def record(app: str) -> None:
    """Run the migrations of `app` and print what they did, as JSON. Runs with the newest MLflow on the path."""
    import pymysql
    from sqlalchemy import event

    sys.path[:0] = [str(ROOT / ".cache" / "collections"), str(ROOT / "tools")]
    import fill_tables
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import live
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
        migration_runner as runner,
    )

    socket = os.environ["CATALOGUE_SOCKET"]
    database = f"catalogue_{app}"
    connection = pymysql.connect(unix_socket=socket, user="root", password="catalogue", autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {database} COLLATE utf8mb4_0900_bin")
    login = {"user": "root", "password": "catalogue", "host": "", "port": 0, "unix_socket": socket}
    engine = runner.open_engine({**login, "database": database, "lock_timeout": 30})
    migrations = runner.Migrations(app)
    state: frozenset[str] = frozenset()
    steps: list[dict[str, Any]] = []
    problems: list[str] = []
    revision = ""

    def after(conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        nonlocal state
        if runner.first_word(statement) in runner.READING or runner.version_statement(statement):
            return
        if runner.first_word(statement) in runner.WRITING_ROWS:
            problems.extend(fill_tables.changed_rows(revision, runner.normalise(statement), context.rowcount))
            if many or revision in COMPUTED:
                text = runner.normalise(statement)
            else:
                text = " ".join(cursor.mogrify(statement, parameters or None).split())
            if not any(step["sql"] == text for step in steps):
                steps.append({"sql": text, "data": True, "removed": [], "added": []})
            return
        lines = live.read_schema(connection, database).lines
        steps.append(
            {
                "sql": " ".join(statement.split()).rstrip(";"),
                "data": False,
                "removed": sorted(state - lines),
                "added": sorted(lines - state),
            }
        )
        state = lines

    event.listen(engine, "after_cursor_execute", after)
    found: list[dict[str, Any]] = []
    if app == "tracking":
        migrations.make_initial(engine)
        found.append({"revision": "initial", "title": "the tables before the first revision", "steps": steps})
    for script in migrations.revisions():
        fill_tables.fill(connection, database)
        steps, revision = [], script.revision
        migrations.upgrade(engine, script.revision)
        found.append({"revision": script.revision, "title": script.doc, "steps": steps})
    if problems:
        raise SystemExit("\n".join(problems))
    for entry in found:
        entry["steps"] = in_order(list(entry["steps"]))
    json.dump(found, sys.stdout)


def in_order(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The steps with a table's indexes by name: SQLAlchemy keeps them in a set and makes them in any order.

    The index that MySQL drops in their favour goes with the first of them that serves its foreign key.
    """
    making = re.compile(r"CREATE (?:UNIQUE )?INDEX \S+ ON (\S+) ")
    ordered: list[dict[str, Any]] = []
    for key, group in itertools.groupby(
        steps, lambda step: (found := making.match(step["sql"])) and found[1]
    ):
        run = list(group)
        if key:
            run.sort(key=lambda step: str(step["sql"]))
            dropped = [line for step in run for line in step["removed"]]
            for step in run:
                step["removed"] = []
            for line in dropped:
                columns = line[: line.index(")")].partition("(")[2]
                owner = next(s for s in run if f"({columns}" in s["added"][0])
                owner["removed"] = sorted([*owner["removed"], line])
        ordered += run
    return ordered


def recorded(app: str, package: Path) -> list[dict[str, Any]]:
    """What `record` prints."""
    done = subprocess.run(
        [sys.executable, __file__, "--record", app],
        env={**os.environ, "PYTHONPATH": str(package), "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return list(json.loads(done.stdout.splitlines()[-1]))


def kinds(entry: dict[str, Any]) -> list[str]:
    """What a revision does to a store that holds data."""
    steps = entry["steps"]
    added = {line for step in steps for line in step["added"]}
    removed = {line for step in steps for line in step["removed"]}
    net_added, net_removed = added - removed, removed - added
    made = {line.split()[1] for line in added if line.startswith("table ")}

    def table(line: str) -> str:
        words = line.split()
        return (words[2] if words[0] in ("primary", "foreign") else words[1]).split(".")[0]

    def columns(lines: set[str]) -> dict[str, str]:
        return {
            line.split()[1]: line for line in lines if line.startswith("column ") and table(line) not in made
        }

    old, new = columns(net_removed), columns(net_added)
    changed = {name for name in old if name in new}
    renamed = {
        f"{match[1]}.{match[2]}"
        for step in steps
        if (match := re.match(r"ALTER TABLE (\w+) CHANGE (\w+) ", step["sql"]))
    }
    found: list[str] = []
    if net_added and not net_removed and not changed:
        found.append("additive")
    if (
        changed
        or renamed
        or any(line.startswith("primary key ") and table(line) not in made for line in added | removed)
    ):
        found.append("rebuild")
    if not steps or any(step["data"] for step in steps):
        found.append("data")
    gone = [line for line in net_removed if line.startswith(("table ", "column "))]
    if any(line.split()[1] not in {*new, *renamed} for line in gone):
        found.append("destructive")
    return found or ["keys"]


def render(app: str, entries: list[dict[str, Any]], versions: dict[str, str]) -> str:
    """The text of a catalogue's module."""
    lines: list[str] = []

    def put(text: str) -> None:
        lines.extend(
            textwrap.wrap(
                text, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
            )
        )

    for entry in entries:
        lines.append("")
        put(f"revision {entry['revision']}")
        put(f"title {' '.join(entry['title'].split())}")
        put(f"kinds {' '.join(kinds(entry))}")
        if entry["revision"] in COMPUTED:
            put("computed")
        for step in entry["steps"]:
            put(("data " if step["data"] else "sql ") + step["sql"])
            for sign, side in (("-", "removed"), ("+", "added")):
                for line in step[side]:
                    own = entry["revision"] in RENAMED and line.startswith("foreign key ")
                    put(f"{sign} {line.split(' named ')[0] if own else line}")
    lines.append("")
    for entry in entries:
        own = [version for version, head in versions.items() if head == entry["revision"]]
        if own:
            put(f"release {entry['revision']} {' '.join(own)}")
    body = "\n".join(lines).replace("\\", "\\\\").strip("\n")
    what = {"tracking": "MLflow's own schema", "auth": "the schema of MLflow's auth app"}[app]
    return (
        "# SPDX-License-Identifier: GPL-3.0-or-later\n"
        f'"""Every revision of {what}. Made by `make catalogue`; see `catalogue`."""\n\n'
        f'from __future__ import annotations\n\nTEXT = """\\\n{body}\n"""\n'
    )


def with_server(work: Any) -> Any:
    """Call `work` while a MySQL server of its own runs; its socket is in CATALOGUE_SOCKET."""
    import shutil
    import tempfile

    directory = tempfile.mkdtemp(prefix="catalogue-")
    os.chmod(directory, 0o777)
    command = ["docker", "run", "--detach", "--tmpfs", "/var/lib/mysql", "-v", f"{directory}:/var/run/mysqld"]
    command += ["-e", "MYSQL_ROOT_PASSWORD=catalogue", "-e", "MYSQL_ROOT_HOST=localhost", MYSQL_IMAGE]
    command += ["--skip-log-bin", "--mysqlx=OFF", "--innodb-flush-log-at-trx-commit=0"]
    container = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()
    try:
        os.environ["CATALOGUE_SOCKET"] = f"{directory}/mysqld.sock"
        os.environ["CATALOGUE_CONTAINER"] = container
        import pymysql

        deadline = time.monotonic() + 120
        while True:
            try:
                pymysql.connect(
                    unix_socket=os.environ["CATALOGUE_SOCKET"], user="root", password="catalogue"
                ).close()
                break
            except pymysql.err.MySQLError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)
        return work()
    finally:
        subprocess.run(
            ["docker", "rm", "--force", "--volumes", container], check=True, stdout=subprocess.DEVNULL
        )
        shutil.rmtree(directory, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with what is committed")
    parser.add_argument("--record", choices=APPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.record:
        record(options.record)
        return 0
    files = releases()
    versions = heads(files)
    package = newest_package(files)
    entries = with_server(lambda: {app: recorded(app, package) for app in APPS})
    status = 0
    for app in APPS:
        path = ROOT / "plugins" / "module_utils" / "_schema" / f"catalogue_{app}.py"
        text = render(app, entries[app], versions[app])
        if not options.check:
            path.write_text(text)
        elif path.read_text() != text:
            sys.stdout.writelines(
                difflib.unified_diff(
                    path.read_text().splitlines(True), text.splitlines(True), "committed", "MLflow's"
                )
            )
            status = 1
        print(f"{path.name}: {len(entries[app])} revisions, {len(versions[app])} releases")
    return status


if __name__ == "__main__":
    sys.exit(main())
