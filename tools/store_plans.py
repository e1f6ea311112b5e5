# SPDX-License-Identifier: Apache-2.0
"""Write what the planner makes of each case of the unit tests, or with --check say where that is not what is recorded.

    python tools/store_plans.py [--check] [TITLE...]

A change of what it writes is a change of the stores of users: review it, and say why.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from ansible.plugins.loader import init_plugin_loader

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "tests/unit/plugins/plugin_utils/_store"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("titles", nargs="*", help="those of the cases, all without")
    options = parser.parse_args()
    init_plugin_loader([str(ROOT / ".cache/collections")])
    sys.path.insert(0, str(CASES))
    store_cases: Any = importlib.import_module("store_cases")

    cases = {case.title: case for case in store_cases.load_cases()}
    wanted = store_cases.read_plans()
    found = {
        title: {**store_cases.recorded(case), **store_cases.rendered(case)}
        for title, case in cases.items()
        if not options.titles or title in options.titles
    }
    if not options.check:
        kept = {title: plan for title, plan in wanted.items() if title in cases}
        store_cases.write_plans({**kept, **found})
        return
    differing = [f"{title} is not recorded" for title in cases if title not in wanted]
    differing += [f"{title} is no case any more" for title in wanted if title not in cases]
    differing += [
        f"{title}: {name} is {value}, and {wanted[title].get(name)} is recorded"
        for title, plan in found.items()
        for name, value in plan.items()
        if title in wanted and wanted[title].get(name) != value
    ]
    if differing:
        sys.exit("\n".join(differing))


if __name__ == "__main__":
    main()
