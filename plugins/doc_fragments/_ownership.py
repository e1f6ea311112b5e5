# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that name the run that works on a database. Private to this collection.

`_schema/ownership.py` specifies them.
"""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  owner:
    description:
      - The name of this task's run. O(owner_file) is needed too.
      - If O(owner_file) names another run, the module does nothing and fails with RV(reason=not_owner). If two runs
        work on one database, the first one therefore stops once the second has taken over.
    type: str
  owner_file:
    description:
      - A file on the host with the name of the run that works on the database.
    type: path
"""
