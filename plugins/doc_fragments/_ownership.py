# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say which run works on a database. Private to this collection.

`_schema/ownership.py` specifies them.
"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  owner:
    description:
      - The name of the run that this task belongs to. O(owner_file) is needed too.
      - Unless O(owner_file) names this run, the module does nothing and fails with RV(reason=not_owner). So, of two
        runs on one database, the first stops when the second has taken over.
    type: str
  owner_file:
    description:
      - A file on the host that holds the name of the run that works on the database.
    type: path
"""
