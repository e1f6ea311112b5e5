# SPDX-License-Identifier: Apache-2.0
"""MLflow's own store with the environment file of the deploy: what its pool came to, and how many connections it gives.

Takes connections until there are no more, and prints what it found as JSON.
"""

from __future__ import annotations

import json
import os

from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import TimeoutError as NoneLeft


def main() -> None:
    engine = SqlAlchemyStore(os.environ["MLFLOW_TRACKING_URI"], "/tmp").engine
    # Not the 30 s that requests wait.
    engine.pool._timeout = 0.1
    taken: list[Connection] = []
    try:
        while True:
            taken.append(engine.connect())
    except NoneLeft:
        pass
    found = {
        "kept": engine.pool.size(),
        "taken": len(taken),
        "recycle": engine.pool._recycle,
        "max_connections": taken[0].execute(text("SELECT @@max_connections")).scalar(),
        "cipher": taken[-1].execute(text("SHOW STATUS LIKE 'Ssl_cipher'")).one()[1],
    }
    for connection in taken:
        connection.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
