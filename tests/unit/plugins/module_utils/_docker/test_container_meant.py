# SPDX-License-Identifier: GPL-3.0-or-later
"""A setting whose name is mistyped is answered with the one that was meant."""

from __future__ import annotations

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._docker import container

HELP = """mysqld  Ver 9.7.0
Variables (--variable-name=value)
and boolean options {FALSE|TRUE}          Value (after reading options)
----------------------------------------- ----------------------
max-connect-errors                        100
max-connections                           151
sort-buffer-size                          262144
"""


def test_a_name_that_is_almost_right() -> None:
    asked: list[tuple[str, ...]] = []

    def docker(*words: str) -> tuple[int, str]:
        asked.append(words)
        return 0, HELP

    errors = ["unknown variable 'max_conections=5'.", "unknown variable 'xyz=1'."]
    assert container.meant(docker, "image", 999, errors) == [
        "Did you mean max_connections in place of max_conections?"
    ]
    assert len(asked) == 1 and asked[0][-3:] == ("--no-defaults", "--verbose", "--help")
    # What is no name costs nothing.
    assert container.meant(docker, "image", 999, ["Table is full"]) == [] and len(asked) == 1
