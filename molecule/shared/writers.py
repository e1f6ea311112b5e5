# SPDX-License-Identifier: Apache-2.0
"""Eight clients that log to the store with MLflow's own SQL store, and what they were told that it has.

usage: writers.py write PASSWORD_FILE [HOST:]PORT SSL_CA DIRECTORY          log until DIRECTORY/stop appears
       writers.py check PASSWORD_FILE [HOST:]PORT SSL_CA DIRECTORY [UNTIL]  look for what was acknowledged until then
       writers.py replica PASSWORD_FILE [HOST:]PORT SSL_CA DIRECTORY PORT   log, and search for it at the other port

A call that fails is made again on a new connection; what it was to log may be there or not. UNTIL is in seconds
since 1970. Each client waits WRITERS_PAUSE seconds between two calls (default: 0).
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, RunStatus, ViewType
from mlflow.store.tracking import sqlalchemy_store
from sqlalchemy import text
from sqlalchemy.engine import URL

WHAT, PASSWORD, PLACE, CA, DIRECTORY = (
    sys.argv[1],
    Path(sys.argv[2]),
    sys.argv[3].rpartition(":"),
    sys.argv[4],
    Path(sys.argv[5]),
)
UNTIL = float(sys.argv[6]) if len(sys.argv) > 6 else float("inf")
CLIENTS = 8
METRICS_OF_A_RUN = 20
PAUSE = float(os.environ.get("WRITERS_PAUSE", "0"))


def uri(number: int, port: str = PLACE[2]) -> str:
    # As a query parameter of its own, a client's number gives it an engine of its own.
    url = URL.create(
        "mysql+pymysql",
        "mlflowusr",
        PASSWORD.read_text(encoding="utf-8"),
        PLACE[0] or "127.0.0.1",
        int(port),
        "mlflow",
        {"ssl_ca": CA, "program_name": f"writer{number}"},
    )
    return url.render_as_string(hide_password=False)


def store(number: int) -> sqlalchemy_store.SqlAlchemyStore:
    return sqlalchemy_store.SqlAlchemyStore(uri(number), "/tmp/artifacts")


class Writer(threading.Thread):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.log = open(DIRECTORY / f"acknowledged.{number}", "a", encoding="utf-8", buffering=1)

    def run(self) -> None:
        while not (DIRECTORY / "stop").exists():
            try:
                self.write(store(self.number))
            except Exception as error:  # whatever a store that is gone ends in
                print(f"{time.time():.1f} {self.number}: {str(error)[:200]!r}", flush=True)
                time.sleep(0.2)

    def write(self, current: sqlalchemy_store.SqlAlchemyStore) -> None:
        while not (DIRECTORY / "stop").exists():
            run = current.create_run("0", "writer", int(time.time() * 1000), [], None)
            run_id = run.info.run_id
            self.acknowledged("run", run_id)
            for step in range(METRICS_OF_A_RUN):
                current.log_metric(run_id, Metric("loss", float(step), int(time.time() * 1000), step))
                self.acknowledged("metric", run_id, step)
                time.sleep(PAUSE)
            current.update_run_info(run_id, RunStatus.FINISHED, int(time.time() * 1000), None)

    def acknowledged(self, *what: object) -> None:
        self.log.write(json.dumps([time.time(), *what]) + "\n")


def check() -> int:
    """Compare what is there with what was acknowledged. Returns the exit status."""
    wanted, later = [], 0
    for number in range(CLIENTS):
        for line in (DIRECTORY / f"acknowledged.{number}").read_text(encoding="utf-8").splitlines():
            moment, *what = json.loads(line)
            if moment <= UNTIL:
                wanted.append(tuple(what))
            else:
                later += 1
    with store(0).engine.connect() as connection:
        there: set[tuple[Any, ...]] = {
            ("run", row[0]) for row in connection.execute(text("SELECT run_uuid FROM runs"))
        }
        there |= {
            ("metric", row[0], row[1])
            for row in connection.execute(text("SELECT run_uuid, step FROM metrics WHERE value = step"))
        }
    missing = [what for what in wanted if what not in there]
    print(f"{len(wanted)} acknowledged, {len(missing)} of them missing, {later} later ones left out")
    return 1 if missing or not wanted else 0


def replica(port: str) -> int:
    """Log a run and find it where only reads go. Returns the exit status."""
    both = sqlalchemy_store.SqlAlchemyStore(uri(0), "/tmp/artifacts", read_db_uri=uri(0, port))
    run = both.create_run("0", "replica", int(time.time() * 1000), [], None)
    names = []
    for engine in (both.engine, both.read_engine):
        with engine.connect() as connection:
            names.append(connection.execute(text("SELECT @@report_host")).scalar())
    deadline = time.monotonic() + 10
    found: list[str] = []
    while run.info.run_id not in found and time.monotonic() < deadline:
        found = [one.info.run_id for one in both.search_runs(["0"], "", ViewType.ALL)]
    print(
        f"written on {names[0]}, searched on {names[1]}, {'found' if run.info.run_id in found else 'not found'}"
    )
    return 0 if names[0] != names[1] and run.info.run_id in found else 1


if WHAT == "replica":
    sys.exit(replica(sys.argv[6]))
if WHAT == "check":
    sys.exit(check())
writers = [Writer(number) for number in range(CLIENTS)]
for writer in writers:
    writer.start()
