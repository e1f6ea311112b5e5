# SPDX-License-Identifier: Apache-2.0
"""What each setting of the server does for MLflow, on one store that is as large as `--runs` says.

The settings are changed while the server runs: each value has its turn in each round, with the others as the role has
them, and the clients log in anew. What the server uses of the processors for a call is printed beside the time of the
call: it tells of an effect that the clients' own work hides. So are deadlocks, after which MLflow's clients try again.

usage: bench_settings.py [--runs 100000] [--rounds 3] [--only REGEX]
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench_mlflow import PORT, ROOT, TRACES, Figure, Work, ended, once, say, setup
from databases import Database, database, remove
from workloads import AGAIN, Clients

MIB = 1 << 20
# What else might be worth setting, and the default of MySQL or of the role with what it is compared to.
SETTINGS: dict[str, list[Any]] = {
    "innodb_buffer_pool_size": [6144 * MIB, 128 * MIB, 1024 * MIB],
    "innodb_redo_log_capacity": [100 * MIB, 1024 * MIB, 4096 * MIB],
    "join_buffer_size": [256 << 10, 16 * MIB],
    "sort_buffer_size": [256 << 10, 4 * MIB],
    "transaction_isolation": ["REPEATABLE-READ", "READ-COMMITTED"],
    "tmp_table_size": [256 * MIB, 16 * MIB],
    "binlog_row_image": ["FULL", "MINIMAL"],
    "innodb_adaptive_hash_index": ["ON", "OFF"],
    "internal_tmp_mem_storage_engine": ["TempTable", "MEMORY"],
    "optimizer_switch": [
        "batched_key_access=off,mrr_cost_based=on",
        "batched_key_access=on,mrr_cost_based=off",
    ],
}
WORKS = [
    *(Work("log_metric", 8, 3), Work("log_batch", 8, 4), Work("create_run", 8, 3), Work("trace", 8, 3)),
    *(Work("search_metric_by_metric", 1, 3), Work("search_by_param", 1, 3), Work("search_tag", 1, 3)),
    *(Work("search_page_of_1000", 1, 3), Work("search_traces", 1, 2), Work("history_100k", 1, 3)),
    Work("history_sampled", 1, 3),
]


def give(one: Database, name: str, value: Any) -> None:
    connection = one.connect()
    with connection.cursor() as cursor:
        cursor.execute(f"SET GLOBAL {name} = %s", (value,))
        # A buffer pool is resized in the background, and what is dirty belongs to the value before.
        while name == "innodb_buffer_pool_size":
            cursor.execute("SHOW STATUS LIKE 'Innodb_buffer_pool_resize_status'")
            if re.search("ompleted|did not change", str(cursor.fetchall())):
                break
            time.sleep(0.1)
    connection.close()


def deadlocks(one: Database) -> int:
    """How many deadlocks the server has ended since it started. MLflow's clients try again."""
    connection = one.connect()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'")
        found = int(cursor.fetchall()[0][0])
    connection.close()
    return found


def table(figures: dict[str, dict[str, dict[str, list[Figure]]]]) -> list[str]:
    lines = [
        f"{'':28}{'':34}{'ms for a call':>16}{'speed (rounds)':>26}{'server ms':>12}{'ratio':>8}",
    ]
    for name, values in figures.items():
        base = next(iter(values.values()))
        for value, works in list(values.items())[1:]:
            for label, found in works.items():
                first = base[label]
                pairs = [one.calls_per_second / two.calls_per_second for one, two in zip(found, first)]
                server, before = (statistics.median(one.server_ms for one in each) for each in (found, first))
                lines.append(
                    f"{name[:27]:28}{value[:10] + ' ' + label:34}"
                    f"{statistics.median(one.median_ms for one in found):16.1f}"
                    f"{f'{statistics.median(pairs):.2f} ({min(pairs):.2f}-{max(pairs):.2f})':>26}"
                    f"{server:12.2f}{server / before if before else 1:8.2f}"
                )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="the settings that this regular expression finds")
    options = parser.parse_args()
    chosen = {name: values for name, values in SETTINGS.items() if re.search(options.only, name)}
    if not chosen:
        sys.exit(f"bench-settings: there is no such setting: choose among {', '.join(SETTINGS)}")
    signal.signal(signal.SIGTERM, ended)
    work = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))
    work.chmod(0o755)
    try:
        with Clients(8) as clients, database("ours", work, PORT) as one:
            place = setup(one)
            clients.run(8, place, "trace_to_search", seconds=600, calls=TRACES // 8)
            one.fill(options.runs, place[1], say)
            one.fill_history(place[2])
            figures: dict[str, dict[str, dict[str, list[Figure]]]] = {}
            for name, values in chosen.items():
                ended_by = dict.fromkeys(map(str, values), 0)
                for number in range(options.rounds):
                    for value in values[number % len(values) :] + values[: number % len(values)]:
                        give(one, name, value)
                        before = deadlocks(one)
                        for each in WORKS:
                            found = once(clients, one, place, each, AGAIN)
                            works = figures.setdefault(name, {str(each): {} for each in values})[str(value)]
                            works.setdefault(each.label, []).append(found)
                        ended_by[str(value)] += deadlocks(one) - before
                    say(f"  {name}, round {number + 1}")
                give(one, name, values[0])
                print("\n".join(table({name: figures[name]})), flush=True)
                print("  deadlocks: " + ", ".join(f"{value} {count}" for value, count in ended_by.items()))
            results = ROOT / "bench/results"
            results.mkdir(exist_ok=True)
            (results / "settings.json").write_text(json.dumps(figures, indent=1))
    finally:
        remove(work)
    print(f"bench-settings: {len(chosen)} settings at {options.runs:,} runs")


if __name__ == "__main__":
    main()
