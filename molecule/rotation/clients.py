# SPDX-License-Identifier: Apache-2.0
"""Eight clients that log to the store with MLflow's own SQL store until a file appears, and then count what is there.

usage: clients.py PASSWORD_FILE STOP_FILE PORT SSL_CA

Each client reads the password anew every second, and with a new one does as one that is started again with the new URI.
Four of them log in for every call, four keep their sessions. The exit status is 0 if no call failed and
nothing is missing.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from pathlib import Path

from mlflow.entities import Metric, RunStatus
from mlflow.store.tracking import sqlalchemy_store
from sqlalchemy.engine import URL

PASSWORD, STOP, PORT, CA = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
CLIENTS = 8
EVERY = 1.0  # seconds
PAUSE = 0.1  # seconds between two calls, which leaves the processor to the rotations
ENGINES = threading.Lock()


def store(number: int) -> sqlalchemy_store.SqlAlchemyStore:
    # As a query parameter of its own, a client's number gives it an engine of its own.
    url = URL.create(
        "mysql+pymysql",
        "mlflowusr",
        PASSWORD.read_text(encoding="utf-8"),
        "127.0.0.1",
        PORT,
        "mlflow",
        {"ssl_ca": CA, "program_name": f"client{number}"},
    )
    with ENGINES:
        # MLflow reads this when it makes the engine of a URI.
        os.environ["MLFLOW_SQLALCHEMYSTORE_POOLCLASS"] = "QueuePool" if number < CLIENTS // 2 else "NullPool"
        return sqlalchemy_store.SqlAlchemyStore(url.render_as_string(hide_password=False), "/tmp/artifacts")


class Client(threading.Thread):
    def __init__(self, number: int, run_id: str) -> None:
        super().__init__()
        self.number = number
        self.run_id = run_id
        self.logged = 0
        self.errors: list[str] = []

    def run(self) -> None:
        password, current = PASSWORD.read_text(encoding="utf-8"), store(self.number)
        read = time.monotonic()
        while not STOP.exists():
            try:
                if time.monotonic() - read > EVERY:
                    if PASSWORD.read_text(encoding="utf-8") != password:
                        current.engine.dispose()
                        password, current = PASSWORD.read_text(encoding="utf-8"), store(self.number)
                    read = time.monotonic()
                point = Metric("loss", float(self.logged), int(time.time() * 1000), self.logged)
                current.log_metric(self.run_id, point)
                self.logged += 1
            except Exception:
                self.errors.append(traceback.format_exc())
                return
            time.sleep(PAUSE)


def main() -> int:
    first = store(CLIENTS)
    experiment = first.create_experiment(f"rotation-{time.time_ns()}")
    clients = []
    for number in range(CLIENTS):
        run = first.create_run(experiment, "client", int(time.time() * 1000), [], f"client {number}")
        clients.append(Client(number, run.info.run_id))
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    missing = 0
    last = store(CLIENTS + 1)
    for client in clients:
        points = {point.step for point in last.get_metric_history(client.run_id, "loss")}
        missing += len(set(range(client.logged)) - points)
        last.update_run_info(client.run_id, RunStatus.FINISHED, int(time.time() * 1000), None)
        for error in client.errors:
            print(f"client {client.number} after {client.logged} calls: {error}")
    calls = sum(client.logged for client in clients)
    errors = sum(len(client.errors) for client in clients)
    print(f"{calls} metrics logged by {CLIENTS} clients, {errors} errors, {missing} metrics missing")
    return 1 if errors or missing or not all(client.logged for client in clients) else 0


if __name__ == "__main__":
    sys.exit(main())
