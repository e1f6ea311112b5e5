# SPDX-License-Identifier: GPL-3.0-or-later
"""What plugins are told of the run that they are part of. Private to this collection."""

from __future__ import annotations


class ModuleDocFragment:
    # What the run is for, where that excuses what is missing.
    PURPOSE = r"""
options:
  recovers:
    description: Whether the run gives root a new password, so that the old one may be lost.
    type: bool
    default: false
  restores:
    description: Whether the run restores the data, so that it may be missing.
    type: bool
    default: false
"""

    # For a filter that makes commands which go on from this run.
    COMMAND = r"""
options:
  host:
    description:
      - The name of the one host that the command is limited to. Without it, the limit of this run is repeated.
    type: str
"""

    # For a filter that makes a report.
    REPORT = r"""
options:
  host:
    description:
      - The name of the store's host, for the headline.
    type: str
    default: ''
"""
