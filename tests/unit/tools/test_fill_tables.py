# SPDX-License-Identifier: GPL-3.0-or-later
"""A statement of a migration that finds no row to change is a defect of the rows that tests put into tables."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).resolve().parents[3] / "tools" / "fill_tables.py"


@pytest.fixture
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("fill_tables", TOOL)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_statement_that_changes_no_row_is_named(tool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tool.changed_rows("a1", "UPDATE t SET a=?", 1) == []
    for rows in (0, -1):
        (problem,) = tool.changed_rows("a1", "UPDATE t SET a=?", rows)
        assert problem.startswith("a1: ") and problem.endswith("UPDATE t SET a=?")
    monkeypatch.setitem(tool.WITHOUT_ROWS, ("a1", "UPDATE t "), "because")
    assert tool.changed_rows("a1", "UPDATE t SET a=?", 0) == []
    assert tool.changed_rows("b2", "UPDATE t SET a=?", 0)
    assert tool.changed_rows("a1", "UPDATE other SET a=?", 0)


def test_traces_cost_what_their_spans_cost(tool: Any) -> None:
    """Which one migration copies, for traces that came through the gateway and have no cost of their own."""
    sizes, keys = tool.SIZES, list(tool.KEYED["trace_request_metadata", "value"])
    assert keys[0] == "mlflow.gateway.endpointId"
    with_cost = sizes["trace_request_metadata"] - keys.index("mlflow.trace.cost") * sizes["trace_info"]
    assert 2 <= with_cost <= sizes["trace_info"] - 2
    assert next(iter(tool.KEYED["span_metrics", "value"])) == "total_cost"
