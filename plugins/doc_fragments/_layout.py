# SPDX-License-Identifier: GPL-3.0-or-later
"""The options for the contents of a store's directory. Private to this collection.

`_store/layout.py` specifies them.
"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  path:
    description: The store's directory.
    type: path
    required: true
  context:
    description: Dictionary from the name of a file in C(build/) to its text.
    type: dict
    default: {}
  files:
    description:
      - Dictionary from the name of a file in the directory itself to its text. Everybody on the host may read it.
    type: dict
    default: {}
  generate:
    description:
      - Paths of password files, relative to C(secrets/). Missing or empty ones get a generated password.
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
        description: The store's directory.
        type: path
        required: true
      context:
        description: Dictionary from the name of a file in C(build/) to its text.
        type: dict
        default: {}
      files:
        description:
          - Dictionary from the name of a file in the directory itself to its text. Everybody on the host may read it.
        type: dict
        default: {}
      generate:
        description:
          - Paths of password files, relative to C(secrets/). Missing or empty ones get a generated password.
        type: list
        elements: str
        default: []
      uid:
        description: The user and group ID of the container's server, as the container sees it.
        type: int
        default: 999
"""
