# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say what a store's directory holds. Private to this collection.

`_store/layout.py` specifies them.
"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
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
  uid:
    description: The user and group ID of the container's server, as the host sees it.
    type: int
    default: 999
"""

    # The suboptions of the option `home`. Sanity tests want a text that is one literal.
    HOME = r"""
options:
  home:
    suboptions:
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
          - Dictionary from the name of a file in the directory itself to its text, which everybody on the host may
            read.
        type: dict
        default: {}
      generate:
        description:
          - Paths, relative to C(secrets/), of passwords. One whose file is missing or empty is generated.
        type: list
        elements: str
        default: []
      uid:
        description: The user and group ID of the container's server, as the container sees it.
        type: int
        default: 999
"""
