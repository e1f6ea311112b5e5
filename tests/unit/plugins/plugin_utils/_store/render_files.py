# SPDX-License-Identifier: GPL-3.0-or-later
"""Print as JSON the files that stores have on their hosts: of each name on the standard input, with its variables.

A program of its own, since Ansible's plugins cannot be loaded once tests have imported the collection as packages.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ansible.plugins.loader import init_plugin_loader

HERE = Path(__file__).resolve().parent


def main() -> None:
    init_plugin_loader([str(HERE.parents[4] / ".cache/collections")])
    sys.path.insert(0, str(HERE))
    import store_cases

    found = {}
    for name, variables in json.load(sys.stdin).items():
        case = store_cases.Case(name, variables, host=store_cases.load_cases()[0].host)
        found[name] = store_cases.texts(case)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
