# SPDX-License-Identifier: GPL-3.0-or-later
"""Time of mlflow_schema_info against MLflow's own check and Alembic's comparison, on one server and one fresh store.

Each is timed as a process, as a user would start it, and again inside of a process that has everything imported. The
three take turns, and the medians are compared. Alembic's comparison is `compare_metadata` with MLflow's models, the one
behind `alembic check`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / ".cache" / "collections"), str(ROOT / "tools")]

import default_versions

DATABASE = "bench"
# A reader needs no sorting out of what is imported when: each of these is what a script with that purpose is.
MLFLOW = """
from mlflow.store.db.utils import _verify_schema
from sqlalchemy import create_engine
_verify_schema(create_engine(URL))
"""
ALEMBIC = """
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
import mlflow.store.db.utils
from mlflow.store.db.base_sql_model import Base
with create_engine(URL).connect() as connection:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    print(len(compare_metadata(context, Base.metadata)))
"""


def process(command: list[str], given: str = "") -> tuple[float, str]:
    """Seconds and output of a command. Raises CalledProcessError."""
    started = time.perf_counter()
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
    return time.perf_counter() - started, done.stdout


def inside(source: str, url: str, repeats: int) -> list[float]:
    """Seconds of what `source` does after its imports, each time with a new connection."""
    imports = "\n".join(line for line in source.splitlines() if line.startswith(("import", "from")))
    rest = "\n".join(line for line in source.splitlines() if not line.startswith(("import", "from")))
    names: dict[str, Any] = {"URL": url, "print": lambda *_words: None}
    exec(imports, names)  # noqa: S102
    code = compile(rest, "bench", "exec")
    found = []
    for _run in range(repeats):
        started = time.perf_counter()
        exec(code, names)  # noqa: S102
        found.append(time.perf_counter() - started)
    return found


def inside_info(login: Any, repeats: int) -> list[float]:
    """Seconds of what the module does after its imports: login, every query, comparison, result."""
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import (
        connection as mysql_connection,
    )
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import catalogue
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema import (
        survey as schema_survey,
    )

    found = []
    for _run in range(repeats):
        catalogue.load.cache_clear()
        started = time.perf_counter()
        wanted = schema_survey.target("tracking", default_versions.MLFLOW)
        connection = mysql_connection.connect_administrator(login)
        survey = schema_survey.look(connection, DATABASE, wanted)
        result = schema_survey.describe(survey, DATABASE, wanted)
        found.append(time.perf_counter() - started)
        connection.close()
        assert result["state"] == "current", result["message"]
        assert not result["drift"]
    return found


def bench(repeats: int) -> None:
    import pymysql
    from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._mysql import (
        connection as mysql_connection,
    )

    socket = os.environ["CATALOGUE_SOCKET"]
    connection = pymysql.connect(unix_socket=socket, user="root", password="catalogue", autocommit=True)  # noqa: S106
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {DATABASE} COLLATE utf8mb4_0900_bin")
    url = f"mysql+pymysql://root:catalogue@localhost/{DATABASE}?unix_socket={socket}"
    make = "from mlflow.store.db.utils import _initialize_tables\nfrom sqlalchemy import create_engine\n"
    process([sys.executable, "-c", f"{make}_initialize_tables(create_engine({url!r}))"])
    params = {"login_password": "catalogue", "login_unix_socket": socket, "database": DATABASE}
    params["mlflow_version"] = default_versions.MLFLOW
    os.environ["PYTHONPATH"] = str(ROOT / ".cache" / "collections")
    with tempfile.NamedTemporaryFile("w", suffix=".json") as arguments:
        json.dump({"ANSIBLE_MODULE_ARGS": params}, arguments)
        arguments.flush()
        module = "ansible_collections.mlflow_ops.backend_store.plugins.modules.mlflow_schema_info"
        commands = {
            "info": [sys.executable, "-m", module, arguments.name],
            "mlflow": [sys.executable, "-c", f"URL = {url!r}{MLFLOW}"],
            "alembic": [sys.executable, "-c", f"URL = {url!r}{ALEMBIC}"],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        outputs = {}
        for _run in range(repeats):
            for name, command in commands.items():
                seconds, outputs[name] = process(command)
                times[name].append(seconds)
    result = json.loads(outputs["info"])
    login = mysql_connection.Login(
        "root",
        (("", "catalogue"),),
        mysql_connection.Address(unix_socket=socket),
        mysql_connection.Address(),
        10,
        mysql_connection.Tls(),
    )
    within = {
        "info": inside_info(login, repeats * 3),
        "mlflow": inside(MLFLOW, url, repeats * 3),
        "alembic": inside(ALEMBIC, url, repeats * 3),
    }
    median = {name: statistics.median(found) for name, found in times.items()}
    median_within = {name: statistics.median(found) for name, found in within.items()}
    print(f"{'':10} {'process':>22} {'in-process':>22} {'differences':>12}")
    differences = {"info": len(result["drift"]), "mlflow": "-", "alembic": outputs["alembic"].strip()}
    for name in commands:
        spread = f"{median[name]:.3f} s ({min(times[name]):.3f}-{max(times[name]):.3f})"
        low, high = min(within[name]) * 1000, max(within[name]) * 1000
        spread_within = f"{median_within[name] * 1000:.0f} ms ({low:.0f}-{high:.0f})"
        print(f"{name:10} {spread:>22} {spread_within:>22} {differences[name]:>12}")
    print(
        f"bench-schema: as a process mlflow/info {median['mlflow'] / median['info']:.1f}, "
        f"alembic/info {median['alembic'] / median['info']:.1f}; in-process {median_within['info'] * 1000:.0f} ms, "
        f"alembic/info {median_within['alembic'] / median_within['info']:.1f}; "
        f"differences on a fresh store {differences['info']} against {differences['alembic']}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    import build_catalogue

    build_catalogue.with_server(lambda: bench(options.repeats))


if __name__ == "__main__":
    main()
