# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a store with every release of MLflow, look at it, upgrade it, and look again.

Each release makes its own store with libraries of its time, in an environment of its own, and logs to it through its
own API; tables that are still empty then get a few rows. It is good when the collection finds that store `current`
for that release, when the release logs to it and reads from it as well after it was prepared for an upgrade, and when
that upgrade brings it to the newest head with no drift and no row lost.
Releases that bring the same migrations, models and store are tried once. Prints a line for each that was tried and a
count; the exit status is 1 if any is not good or could not be run. Two are known to make another store than they say.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "mlflow"
COLLATIONS = ("utf8mb4_0900_ai_ci", "utf8mb4_0900_bin")
JOBS = 2
USER = "releases"
# What its names end with where a release uses a store once more.
AGAIN = os.environ.get("AGAIN", "")
# What makes a release's schema: its migrations, its models, and the store that calls them.
SCHEMA = re.compile(
    r"mlflow/(alembic|store|temporary_db_migrations\w*)/[^.]*\b(versions|dbmodels|db\w*)/\w+\.py$"
)
# Releases whose stores are not what their revision says, and what is said of them.
KNOWN = {
    "1.13": "half_applied",  # its own last migration fails on MySQL, and the revision before that is not recorded
    "3.8.0rc0": "secrets.masked_value varchar(100)",  # the migration was changed after this candidate
}
STORES = re.compile(r"mlflow/store/([a-z_]+/)?sqlalchemy_store\.py$")
COMMON = (
    "PyMySQL==1.1.1 click<9 cloudpickle<4 requests six python-dateutil pytz GitPython PyYAML querystring-parser"
    " sqlparse entrypoints databricks-cli<1 cryptography setuptools<81"
)


@dataclass(frozen=True)
class Environment:
    """Libraries of a time, and the first and last release that asked for libraries like them."""

    name: str
    first: str
    last: str
    packages: str


ENVIRONMENTS = (
    Environment(
        "SQLAlchemy 1.3",
        "1.0.0",
        "1.26.1",
        f"{COMMON} SQLAlchemy==1.3.24 alembic==1.4.1 protobuf<3.21 Flask<2.3 Werkzeug<2.3 pandas<2.1 simplejson"
        " docker<7 gorilla packaging<22 importlib-metadata<6 prometheus-flask-exporter numpy==1.23.5"
        " azure-storage-blob<13",
    ),
    Environment(
        "SQLAlchemy 1.4",
        "1.12.0",
        "2.22.5",
        f"{COMMON} SQLAlchemy<1.5 alembic<1.14 protobuf<3.21 Flask<2.3 Werkzeug<2.3 pandas<2.1 simplejson docker<7"
        " gorilla packaging<22 importlib-metadata<6 prometheus-flask-exporter cachetools opentelemetry-sdk<1.30"
        " pydantic jinja2 markdown graphene scikit-learn<1.4 pyarrow<17 matplotlib<3.9 numpy==1.23.5",
    ),
    Environment(
        "SQLAlchemy 2.0",
        "2.2.0",
        "3.18.0",
        f"{COMMON} SQLAlchemy<2.1 alembic<1.15 protobuf<5 Flask<4 flask-cors pandas<3 docker<8 packaging<26"
        " importlib-metadata<9 cachetools<6 opentelemetry-sdk<1.30 opentelemetry-proto<1.30 pydantic jinja2 markdown"
        " graphene scikit-learn pyarrow matplotlib databricks-sdk fastapi uvicorn python-dotenv numpy<2 aiohttp huey"
        " skops",
    ),
)


def make(uri: str, directory: str) -> None:
    """Make a store as the MLflow on the path does and log to it. Runs in the release's environment."""
    try:
        try:
            module = importlib.import_module("mlflow.store.tracking.sqlalchemy_store")
        except ModuleNotFoundError as error:
            if not str(error.name).startswith("mlflow.store.tracking"):
                raise
            module = importlib.import_module("mlflow.store.sqlalchemy_store")
    except Exception as error:
        print(json.dumps({"cannot": f"{type(error).__name__}: {error}"}))
        return
    store = module.SqlAlchemyStore(uri, directory)
    failed: dict[str, str] = {}
    for step in (log_runs, register_models, log_inputs, log_traces):
        try:
            step(store, uri)
        except NotImplementedError:
            pass
        except Exception as error:
            if os.environ.get("DEBUG"):
                traceback.print_exc()
            failed[step.__name__] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    print(json.dumps({"failed": failed}))


def log_runs(store: Any, uri: str) -> None:
    from mlflow import entities

    experiment = store.create_experiment(f"made by an old release{AGAIN}")
    if hasattr(store, "set_experiment_tag"):
        store.set_experiment_tag(experiment, entities.ExperimentTag("purpose", "test"))
    for number in range(3):
        wanted = {
            "experiment_id": experiment,
            "user_id": "someone",
            "start_time": 1_500_000_000_000 + number,
            "tags": [entities.RunTag("mlflow.runName", f"run {number}")],
            "run_name": f"run {number}",
        }
        known = inspect.signature(store.create_run).parameters
        run = store.create_run(**{name: value for name, value in wanted.items() if name in known}).info.run_id
        store.log_param(run, entities.Param("rate", str(number)))
        store.set_tag(run, entities.RunTag("kind", "test"))
        for step in range(5):
            store.log_metric(run, entities.Metric("loss", 1 / (step + 1), 1_500_000_000_000 + step, step))
        metrics = [entities.Metric("accuracy", 0.5, 1, 0)]
        store.log_batch(run, metrics, [entities.Param("depth", "4")], [entities.RunTag("batch", "yes")])
        if number == 2:
            store.delete_run(run)
        else:
            store.update_run_info(
                run,
                entities.RunStatus.FINISHED,
                1_500_000_001_000,
                *(["new name"] if "run_name" in inspect.signature(store.update_run_info).parameters else []),
            )
    store.delete_experiment(store.create_experiment(f"deleted{AGAIN}"))
    found = store.search_runs([experiment], "", entities.ViewType.ALL, 10)
    kept = {one.info.run_id: store.get_run(one.info.run_id).data.metrics for one in found}
    if len(kept) != 3 or any(metrics != {"loss": 0.2, "accuracy": 0.5} for metrics in kept.values()):
        raise ValueError(f"it reads {kept}")


def register_models(store: Any, uri: str) -> None:
    try:
        module = importlib.import_module("mlflow.store.model_registry.sqlalchemy_store")
    except ModuleNotFoundError:
        raise NotImplementedError from None
    registry = module.SqlAlchemyStore(uri)
    name = f"a model{AGAIN}"
    registry.create_registered_model(name)
    for _version in range(2):
        made = registry.create_model_version(name, "s3://bucket/model", "0" * 32)
    if hasattr(registry, "set_registered_model_alias"):
        registry.set_registered_model_alias(name, "best", made.version)
    if hasattr(registry, "set_model_version_tag"):
        from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag

        registry.set_model_version_tag(name, made.version, ModelVersionTag("key", "value"))
        registry.set_registered_model_tag(name, RegisteredModelTag("key", "value"))


def log_inputs(store: Any, uri: str) -> None:
    if "log_inputs" not in vars(type(store)):
        raise NotImplementedError
    from mlflow import entities

    run = store.create_run("0", "someone", 1_500_000_000_000, [], "with data").info.run_id
    dataset = entities.Dataset("data", "0123abcd", "local", "source", "schema", "profile")
    store.log_inputs(run, [entities.DatasetInput(dataset, [entities.InputTag("context", "training")])])


def log_traces(store: Any, uri: str) -> None:
    if "start_trace" not in vars(type(store)):
        raise NotImplementedError
    if "trace_info" not in inspect.signature(store.start_trace).parameters:
        from mlflow.entities.trace_status import TraceStatus

        trace = store.start_trace("0", 1_500_000_000_000, {"user": "someone"}, {"kind": "test"})
        store.end_trace(trace.request_id, 1_500_000_000_100, TraceStatus.OK, {"end": "yes"}, {})
        return
    from mlflow.entities import TraceInfo, trace_location
    from mlflow.entities.trace_state import TraceState

    location = trace_location.TraceLocation.from_experiment_id("0")
    store.start_trace(
        TraceInfo(
            trace_id=f"tr-1{AGAIN}",
            trace_location=location,
            request_time=1_500_000_000_000,
            state=TraceState.OK,
            execution_duration=100,
            trace_metadata={"user": "someone"},
            tags={"kind": "test"},
        )
    )


def listing(file: dict[str, Any]) -> str:
    """What tells a release's schema from another's, without its contents where the file has an index."""
    import build_catalogue

    if file["filename"].endswith(".whl"):
        wheel = zipfile.ZipFile(build_catalogue.RemoteFile(file["url"], file["size"]))
        found = [(entry.filename, entry.CRC) for entry in wheel.infolist()]
        return repr(sorted(one for one in found if SCHEMA.match(one[0]) or STORES.match(one[0])))
    return str(file["filename"])


def unpacked(version: str, file: dict[str, Any]) -> Path:
    """The directory with a release's package, fetched once."""
    import build_catalogue

    directory = CACHE / "releases" / version
    if directory.exists():
        return directory
    part = directory.with_name(f"{version}.part")
    shutil.rmtree(part, ignore_errors=True)
    data = io.BytesIO(build_catalogue.fetch(file["url"]))
    if file["filename"].endswith(".whl"):
        wheel = zipfile.ZipFile(data)
        for name in wheel.namelist():
            if "/server/js/" not in name:
                wheel.extract(name, part)
    else:
        with tarfile.open(fileobj=data) as archive:
            members = [member for member in archive.getmembers() if "/mlflow/" in member.name]
            for member in members:
                member.name = member.name.split("/", 1)[1]
            archive.extractall(part, [m for m in members if "/server/js/" not in m.name], filter="data")
    part.rename(directory)
    return directory


def interpreter(environment: Environment) -> Path:
    """Of the virtual environment, which is made once for a list of packages."""
    directory = CACHE / "environments" / environment.name.replace(" ", "-")
    made = directory / "packages"
    if not made.exists() or made.read_text() != environment.packages:
        shutil.rmtree(directory, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
        pip = [str(directory / "bin/pip"), "install", "-qq", "--disable-pip-version-check"]
        alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        subprocess.run([*pip, *environment.packages.split()], env=alone, check=True)
        made.write_text(environment.packages)
    return directory / "bin/python"


def make_with_its_own(
    version: str, package: Path, database: str, again: str = ""
) -> tuple[str, dict[str, str]]:
    """Let a release make a store; returns the name of the environment it ran in, and what of its API failed.

    `again` is what its names are to end with where it uses the store once more.
    """
    import build_catalogue

    key = build_catalogue.version_key
    # By TCP: the first releases cannot read a URI with the %2F of a socket's path in it.
    uri = f"mysql+pymysql://{USER}:catalogue@{os.environ['CATALOGUE_HOST']}:3306/{database}"
    reasons = []
    for environment in ENVIRONMENTS:
        if not key(environment.first) <= key(version) <= key(environment.last):
            continue
        with tempfile.TemporaryDirectory() as artifacts:
            done = subprocess.run(
                [str(interpreter(environment)), __file__, "--make", uri, artifacts],
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": artifacts,
                    "PYTHONPATH": str(package),
                    "AGAIN": again,
                },
                cwd=artifacts,
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
        try:
            answer = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            if KNOWN.get(version) == "half_applied":
                return environment.name, {"it fails": done.stderr.strip().splitlines()[-1]}
            raise RuntimeError(f"it failed to make its store: {done.stderr[-600:]}") from None
        if "cannot" not in answer:
            return environment.name, answer["failed"]
        reasons.append(f"{environment.name}: {answer['cannot']}")
    raise RuntimeError(f"it cannot be imported: {'; '.join(reasons)}")


def check(
    connection: Any,
    database: str,
    head: str,
    known: str,
    failures: set[str],
    use: Callable[[], tuple[str, dict[str, str]]],
    harness: Any,
) -> list[str]:
    """What is wrong with the store of a release with this head, before and after the upgrade to the newest.

    `known` is its state, or what it differs in, where that is not what the head says, `failures` the steps that the
    release failed at in its own store. `use` lets it log to the store and read from it once more, and returns which
    steps failed and how.
    """
    import fill_tables
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import sql
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
        catalogue as schema_catalogue,
    )
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import live as schema_live
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import state

    catalogue = schema_catalogue.load()
    newest = catalogue.revisions[-1].revision

    def wrong(wanted: str, others: tuple[str, ...] = ()) -> list[str]:
        versions = sql.query(connection, f"SELECT version_num FROM `{database}`.alembic_version")
        live = schema_live.read_schema(connection, database)
        found = state.examine(live, [version for (version,) in versions], catalogue, wanted, database)
        drift = [one for one in found.drift if not (known and known in str(one.actual))]
        good = found.state in ("current", *others) or (found.state == "drifted" and len(found.drift) == 1)
        return [] if good and not drift else [f"for {wanted} it is {found.state}: {found.drift[:4]}"]

    problems = wrong(head, (known,))
    if known == "half_applied":
        harness.change(database, "repaired")
    before = fill_tables.fill(connection, database)
    if not known:
        left = harness.change(database, "prepared")["left"]
        failed = {step: text for step, text in use()[1].items() if step not in failures}
        problems += [f"not done ahead: {one['statement']}: {one['problem']}" for one in left]
        problems += [f"when it was prepared {step}: {text}" for step, text in failed.items()]
        harness.change(database, "upgraded")
    else:
        harness.advance(database, newest)
    problems += wrong(newest)
    # A migration may take rows away whose values it keeps elsewhere.
    pending = catalogue.revisions[catalogue.position(head) + 1 :]
    taken = {
        table
        for table in before
        if any(
            s.data and f"DELETE FROM {table} " in s.sql for revision in pending for s in revision.statements
        )
    }
    for table, rows in before.items():
        ((now,),) = sql.query(connection, f"SELECT COUNT(*) FROM `{database}`.`{table}`")
        if now < rows and table not in taken:
            problems.append(f"{table} had {rows} rows and has {now}")
    return problems


def reach(connection: Any) -> None:
    """Let releases log in by TCP, and put the server's address where `make_with_its_own` finds it."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE USER {USER}@'%' IDENTIFIED BY 'catalogue'")
        cursor.execute(f"GRANT ALL ON *.* TO {USER}@'%'")
    address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    inspect_it = ["docker", "inspect", "--format", address, os.environ["CATALOGUE_CONTAINER"]]
    os.environ["CATALOGUE_HOST"] = subprocess.check_output(inspect_it, text=True).strip()


def run(wanted: list[str]) -> int:
    """Try the releases. Runs with the newest MLflow on the path and a server in CATALOGUE_SOCKET."""
    import build_catalogue
    import pymysql
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
        catalogue as schema_catalogue,
    )

    catalogue = schema_catalogue.load()
    files = build_catalogue.releases()
    if unknown := sorted(set(wanted) - set(files)):
        raise SystemExit(f"not a release: {', '.join(unknown)}")
    with ThreadPoolExecutor(16) as pool:
        listings = dict(zip(files, pool.map(listing, files.values()), strict=True))
    alike: dict[str, list[str]] = {}
    for version, text in listings.items():
        alike.setdefault(text, []).append(version)
    # Of those alike a final release, and the last, which is the one in use.
    groups = [[v for v in group if not re.search("[a-z]", v)] or group for group in alike.values()]
    tried = [version for version in files if version in (wanted or [group[-1] for group in groups])]
    for one in ENVIRONMENTS:
        interpreter(one)

    socket = os.environ["CATALOGUE_SOCKET"]
    login: dict[str, Any] = {"user": "root", "password": "catalogue", "unix_socket": socket}
    connection = pymysql.connect(**login, autocommit=True)
    reach(connection)

    def prepare(number: int, version: str) -> tuple[str, dict[str, str]]:
        database = f"release_{number}"
        with pymysql.connect(**login) as own, own.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {database} COLLATE {COLLATIONS[number % 2]}")
        return make_with_its_own(version, unpacked(version, files[version]), database)

    import interruptions

    totals: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(JOBS) as pool:
        virtualenv = interruptions.environment(Path(directory, "venv"), interruptions.package())
        harness = interruptions.Harness("tracking", socket, os.environ["CATALOGUE_CONTAINER"], virtualenv)
        made = [pool.submit(prepare, number, version) for number, version in enumerate(tried)]
        for number, (version, future) in enumerate(zip(tried, made, strict=True)):
            database = f"release_{number}"
            try:
                environment, failures = future.result()
                known = KNOWN.get(version, "")
                use = partial(make_with_its_own, version, unpacked(version, files[version]), database, "2")
                head = catalogue.releases[version]
                problems = check(connection, database, head, known, set(failures), use, harness)
            except Exception as error:
                if os.environ.get("DEBUG"):
                    traceback.print_exc()
                environment, failures = "nothing", {}
                problems = [f"{type(error).__name__}: {error}"]
            kind = "BAD" if problems else "known" if version in KNOWN else "good"
            totals[kind] += 1
            also = f", the same as {len(alike[listings[version]]) - 1} others" if not wanted else ""
            print(f"{kind:5} {version} with {environment}{also}", flush=True)
            for line in [*problems, *(f"its API: {step}: {text}" for step, text in failures.items())]:
                print(f"     {line}", flush=True)
            with connection.cursor() as cursor:
                cursor.execute(f"DROP DATABASE IF EXISTS {database}")
    print(f"releases: {len(files)}, tried: {len(tried)}, " + ", ".join(f"{n} {k}" for k, n in totals.items()))
    return 1 if totals["BAD"] or not totals else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("versions", nargs="*", help="only these releases")
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make(*options.make)
        return 0
    sys.path[:0] = [str(ROOT / "tools"), str(ROOT / ".cache" / "collections")]
    if options.run:
        return run(options.versions)
    import build_catalogue

    package = build_catalogue.newest_package(build_catalogue.releases())

    def everything() -> int:
        command = [sys.executable, __file__, "--run", *options.versions]
        surroundings = {**os.environ, "PYTHONPATH": str(package), "PYTHONWARNINGS": "ignore"}
        return subprocess.run(command, env=surroundings, check=False).returncode

    return int(build_catalogue.with_server(everything))


if __name__ == "__main__":
    sys.exit(main())
