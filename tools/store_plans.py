# SPDX-License-Identifier: Apache-2.0
"""Write what the planner makes of each case of the unit tests, or with --check say where that is not what is recorded.

    python tools/store_plans.py [--check]

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
    options = parser.parse_args()
    init_plugin_loader([str(ROOT / ".cache/collections")])
    sys.path.insert(0, str(CASES))
    store_cases: Any = importlib.import_module("store_cases")

    cases = store_cases.load_cases()
    found = {case.title: {**store_cases.recorded(case), **store_cases.rendered(case)} for case in cases}
    if not options.check:
        store_cases.write_plans(found)
        return
    wanted = store_cases.read_plans()
    differing = [f"{title} is not recorded" for title in found if title not in wanted]
    differing += [f"{title} is no case any more" for title in wanted if title not in found]
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
