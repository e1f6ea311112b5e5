# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say what a store's directory holds. Private to this collection.

`_store/layout.py` specifies them.
"""

from __future__ import annotations

from textwrap import indent

OPTIONS = r"""
path:
  description: The directory that holds everything of the store.
  type: path
  required: true
context:
  description: Dictionary from the name of a file in C(build/) to its text.
  type: dict
  default: {}
files:
  description:
    - Dictionary from the name of a file in the directory itself to its text, which everybody on the host may read.
  type: dict
  default: {}
generate:
  description:
    - Paths, relative to C(secrets/), of passwords. One whose file is missing or empty is generated.
  type: list
  elements: str
  default: []
"""


UID = r"""
uid:
  description: The user and group ID of the container's server, as the {} sees it.
  type: int
  default: 999
"""


class ModuleDocFragment:
    DOCUMENTATION = "options:" + indent(OPTIONS + UID.format("host"), "  ")
    # The suboptions of the option `home`.
    HOME = "options:\n  home:\n    suboptions:" + indent(OPTIONS + UID.format("container"), "      ")
