# SPDX-License-Identifier: Apache-2.0
"""What clients of MLflow do, as bench_mlflow.py asks them to: with MLflow's own store, or through its server."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import multiprocessing
import os
import random
import time
from collections.abc import Callable
from typing import Any

BATCH = 1000
SPANS = 5
AGAIN = "again"  # in place of a server: log in anew
GC_RUNS = 10
KEEP_RUN = 5000  # points, after which a client logs to a new run
ARTIFACTS = "/tmp/bench-artifacts"  # noqa: S108


def now() -> int:
    return int(time.time() * 1000)


class Context:
    """A client of one database."""

    def __init__(self, uri: str, experiment: str, history: str) -> None:
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        self.uri, self.experiment, self.history = uri, experiment, history
        # The tables are there: a client does not look whether they are MLflow's newest.
        self.store = SqlAlchemyStore(uri, ARTIFACTS)
        self.registry: Any = None
        self.own = ""
        self.run = ""
        self.step = 0
        self.chosen = random.Random(os.getpid())  # noqa: S311
        self.server = ""
        self.session: Any = None

    def prepare(self, server: str) -> None:
        if not self.own:
            self.own = self.store.create_experiment(f"client-{os.getpid()}-{time.time_ns()}")
        if not self.run or self.step > KEEP_RUN:
            self.create_run()
            self.step = 0
        if server == AGAIN:
            self.store.engine.dispose()  # a session keeps the settings that it began with
        elif server and server != self.server:
            import requests

            self.server, self.session = server, requests.Session()

    # Writing

    def create_run(self) -> None:
        from mlflow.entities import RunTag

        tags = [RunTag("mlflow.source.name", "train.py"), RunTag("team", "bench")]
        self.run = self.store.create_run(self.own, "bench", now(), tags, "bench").info.run_id

    def points(self, count: int) -> list[Any]:
        from mlflow.entities import Metric

        self.step += count
        moment = now()
        # Ten curves, as a training loop has.
        first = self.step - count
        return [Metric(f"loss_{n % 10}", n / 7.0, moment + n, n // 10) for n in range(first, self.step)]

    def log_metric(self) -> None:
        self.store.log_metric(self.run, self.points(1)[0])

    def log_batch(self) -> None:
        self.store.log_batch(self.run, self.points(BATCH), [], [])

    def trace(self) -> None:
        self.write_trace(self.own)

    def trace_to_search(self) -> None:
        self.write_trace(self.experiment)

    def write_trace(self, experiment: str) -> None:
        from mlflow.entities import TraceInfo, TraceLocation, TraceState

        trace = f"{self.chosen.getrandbits(128):032x}"
        info = TraceInfo(
            trace_id=f"tr-{trace}",
            trace_location=TraceLocation.from_experiment_id(experiment),
            request_time=now(),
            state=TraceState.OK,
            execution_duration=250,
            request_preview='{"question": "how fast?"}',
            response_preview='{"answer": "see the table"}',
            tags={"mlflow.traceName": "answer", "team": f"team-{self.chosen.randrange(20)}"},
            trace_metadata={"mlflow.source.name": "app.py"},
        )
        self.store.start_trace(info)
        self.store.log_spans(experiment, spans(trace, SPANS))

    def register(self) -> None:
        """Make a version of a registered model, give it a tag, and move it on."""
        from mlflow.entities.model_registry import ModelVersionTag
        from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

        if self.registry is None:
            self.registry = SqlAlchemyStore(self.uri)
            self.model = f"model-{os.getpid()}-{time.time_ns()}"
            self.registry.create_registered_model(self.model)
        version = self.registry.create_model_version(self.model, f"{ARTIFACTS}/model", self.run).version
        self.registry.set_model_version_tag(self.model, version, ModelVersionTag("checked", "yes"))
        self.registry.transition_model_version_stage(self.model, version, "Staging", False)
        self.registry.set_registered_model_alias(self.model, "champion", version)

    def collect(self) -> None:
        """Make runs with a metric history and parameters, delete them, and have `mlflow gc` remove them."""
        from click.testing import CliRunner
        from mlflow.cli import gc
        from mlflow.entities import Metric, Param

        gone = []
        for _run in range(GC_RUNS):
            run = self.store.create_run(self.own, "gone", now(), [], "gone").info.run_id
            metrics = [Metric(f"m{n % 10}", 1.0, now() + n, n) for n in range(500)]
            self.store.log_batch(run, metrics, [Param(f"p{n}", "v") for n in range(10)], [])
            gone.append(run)
        started = time.perf_counter()
        for run in gone:
            self.store.delete_run(run)
        options = ["--backend-store-uri", self.uri, "--tracking-uri", self.uri, "--run-ids", ",".join(gone)]
        with contextlib.redirect_stderr(io.StringIO()):
            done = CliRunner().invoke(gc, options)
        if done.exit_code:
            raise RuntimeError(f"mlflow gc: {done.output} {done.exception!r}")
        self.took = time.perf_counter() - started

    # Reading

    def search(self, text: str, order: list[str], most: int = 100) -> int:
        from mlflow.entities import ViewType

        found = self.store.search_runs([self.experiment], text, ViewType.ACTIVE_ONLY, most, order)
        return len(found)

    def search_first_page(self) -> int:
        return self.search("", [])

    def search_metric_by_metric(self) -> int:
        return self.search("metrics.metric_1 > 0.9", ["metrics.metric_2 DESC"])

    def search_by_param(self) -> int:
        return self.search("", ["params.param_7 ASC"])

    def search_param_and_metric(self) -> int:
        return self.search("params.param_1 = 'choice-7' AND metrics.metric_3 < 0.1", [])

    def search_tag(self) -> int:
        return self.search("tags.tag_2 = 'team-13'", ["attributes.start_time DESC"])

    def search_page_of_1000(self) -> int:
        return self.search("", [], 1000)

    def history_100k(self) -> int:
        return len(self.store.get_metric_history(self.history, "history_100k"))

    def history_1m(self) -> int:
        return len(self.store.get_metric_history(self.history, "history_1m"))

    def history_sampled(self) -> int:
        """As the chart of a run asks for it."""
        found = self.store.get_metric_history_bulk_interval([self.history], "history_1m", 320, None, None)
        return len(found)

    def search_traces(self) -> int:
        found, _token = self.store.search_traces(
            locations=[self.experiment], filter_string="tags.team = 'team-7'", max_results=100
        )
        return len(found)

    # Through `mlflow server`

    def post(self, path: str, content: dict[str, Any]) -> Any:
        answer = self.session.post(f"{self.server}/api/2.0/mlflow/{path}", json=content, timeout=600)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()

    def rest_log_metric(self) -> None:
        self.step += 1
        point = {"key": "loss", "value": 0.5, "timestamp": now(), "step": self.step}
        self.post("runs/log-metric", {"run_id": self.run, **point})

    def rest_log_batch(self) -> None:
        metrics = [
            {"key": one.key, "value": one.value, "timestamp": one.timestamp, "step": one.step}
            for one in self.points(BATCH)
        ]
        self.post("runs/log-batch", {"run_id": self.run, "metrics": metrics})

    def rest_search(self) -> None:
        content = {
            "experiment_ids": [self.experiment],
            "filter": "metrics.metric_1 > 0.9",
            "max_results": 100,
        }
        self.post("runs/search", content)


def spans(trace: str, count: int) -> list[Any]:
    """The spans of a trace: a root, and what it called."""
    from mlflow.entities.span import Span
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

    moment = time.time_ns()
    contexts = [SpanContext(int(trace, 16), n + 1, False, TraceFlags(1)) for n in range(count)]
    return [
        Span(
            ReadableSpan(
                name="answer" if n == 0 else f"step {n}",
                context=context,
                parent=contexts[0] if n else None,
                start_time=moment + n * 1_000_000,
                end_time=moment + n * 1_000_000 + 900_000,
                attributes={
                    "mlflow.traceRequestId": json.dumps(f"tr-{trace}"),
                    "mlflow.spanInputs": json.dumps({"question": "how fast?" * 20}),
                    "mlflow.spanOutputs": json.dumps({"answer": "see the table" * 20}),
                    "mlflow.spanType": json.dumps("CHAIN"),
                },
                status=Status(StatusCode.OK),
                resource=Resource.create({}),
                events=[],
            )
        )
        for n, context in enumerate(contexts)
    ]


# Clients are processes, forked once MLflow is loaded, each with connections of its own.


def serve(pipe: Any) -> None:
    """Do what is asked for: `(place, workload, server, seconds, calls)`, and answer with how long each call took."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # it tells of what it tries again
    contexts: dict[str, Context] = {}
    while True:
        asked = pipe.recv()
        if asked is None:
            return
        place, workload, server, seconds, calls = asked
        try:
            context = contexts.get(place[0])
            if context is None:
                context = contexts[place[0]] = Context(*place)
            context.prepare(server)
            call: Callable[[], Any] = getattr(context, workload)
            pipe.send("ready")
            pipe.recv()
            pipe.send(measure(context, call, seconds, calls))
        except Exception as error:
            pipe.send(f"{workload} on {place[0].partition(':')[0]}: {type(error).__name__}: {error}"[:2000])


def measure(context: Context, call: Callable[[], Any], seconds: float, calls: int) -> tuple[Any, ...]:
    """Return how long each call took, all of them, and the processor's seconds."""
    took: list[float] = []
    started, used = time.perf_counter(), time.process_time()
    while len(took) < calls and (not took or time.perf_counter() - started < seconds):
        began = time.perf_counter()
        context.took = 0.0
        call()
        took.append(context.took or time.perf_counter() - began)
        if context.step > 10 * KEEP_RUN:
            context.create_run()
            context.step = 0
    return took, time.perf_counter() - started, time.process_time() - used


class Clients:
    """A number of client processes. A context manager that ends them."""

    def __init__(self, count: int) -> None:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        import mlflow.store.model_registry.sqlalchemy_store
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

        fork = multiprocessing.get_context("fork")
        self.pipes, self.processes = [], []
        for _client in range(count):
            ours, theirs = fork.Pipe()
            process = fork.Process(target=serve, args=(theirs,), daemon=True)
            process.start()
            self.pipes.append(ours)
            self.processes.append(process)

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, *dummy: object) -> None:
        for process in self.processes:
            process.kill()
            process.join()

    def run(
        self,
        count: int,
        place: tuple[str, str, str],
        workload: str,
        server: str = "",
        seconds: float = 4.0,
        calls: int = 1_000_000,
    ) -> tuple[list[float], float, float]:
        """Have `count` clients do the same. Returns the seconds of each call, all of them, and the processors'."""
        pipes = self.pipes[:count]
        for pipe in pipes:
            pipe.send((place, workload, server, seconds, calls))
        for pipe in pipes:
            answer = pipe.recv()
            if answer != "ready":
                raise SystemExit(answer)
        for pipe in pipes:
            pipe.send("go")
        took: list[float] = []
        longest, used = 0.0, 0.0
        for pipe in pipes:
            answer = pipe.recv()
            if isinstance(answer, str):
                raise SystemExit(answer)
            took += answer[0]
            longest, used = max(longest, answer[1]), used + answer[2]
        return took, longest, used
