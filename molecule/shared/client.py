# SPDX-License-Identifier: Apache-2.0
"""The real MLflow client on the store in MLFLOW_TRACKING_URI.

usage: client.py write              log everything that a team logs, read it back, and print the run's ID
       client.py read RUN_ID        assert that what `write` logged is still there
"""

from __future__ import annotations

import os
import sys
import time

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

METRICS = 1000


def read(client: MlflowClient, run_id: str) -> None:
    run = client.get_run(run_id)
    assert run.data.params == {"Rate": "0.1", "rate": "0.2"}, run.data.params
    assert run.data.tags["purpose"] == "verify: 'quotes', \"double\" and \u00fcml\u00e4uts \U0001f511", (
        run.data.tags
    )
    assert run.data.metrics["loss"] == METRICS - 1, run.data.metrics
    # Two keys that differ in case only are two metrics.
    assert run.data.metrics["Loss"] == -1.0, run.data.metrics
    history = client.get_metric_history(run_id, "loss")
    assert sorted(point.value for point in history) == [float(n) for n in range(METRICS)], len(history)


def write(client: MlflowClient) -> str:
    name = f"verify-{time.time_ns()}"
    experiment = client.create_experiment(name, artifact_location="/tmp/verify-artifacts")
    run = client.create_run(experiment)
    run_id: str = run.info.run_id
    now = int(time.time() * 1000)
    client.log_batch(run_id, metrics=[Metric("loss", float(n), now + n, n) for n in range(METRICS)])
    client.log_batch(
        run_id,
        metrics=[Metric("Loss", -1.0, now, 0)],
        params=[Param("Rate", "0.1"), Param("rate", "0.2")],
        tags=[RunTag("purpose", "verify: 'quotes', \"double\" and \u00fcml\u00e4uts \U0001f511")],
    )
    client.set_terminated(run_id)
    read(client, run_id)

    client.create_registered_model(name)
    version = client.create_model_version(name, source="/tmp/verify-artifacts", run_id=run_id)
    client.set_registered_model_alias(name, "champion", version.version)
    assert client.get_model_version_by_alias(name, "champion").run_id == run_id

    def found(filter_string: str) -> list[str]:
        return [hit.info.run_id for hit in client.search_runs([experiment], filter_string)]

    assert found(f"metrics.loss = {METRICS - 1} and params.rate = '0.2'") == [run_id]
    assert found("params.rate = '0.1'") == []
    client.delete_run(run_id)
    assert found("") == []
    client.restore_run(run_id)
    assert found("") == [run_id]
    client.delete_experiment(experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "deleted"
    client.restore_experiment(experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "active"
    return run_id


def main() -> None:
    uri = os.environ["MLFLOW_TRACKING_URI"]
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    if sys.argv[1] == "write":
        print(write(client))
    else:
        read(client, sys.argv[2])


if __name__ == "__main__":
    main()
