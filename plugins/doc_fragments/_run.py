# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that describe the present run. Private to this collection."""

from __future__ import annotations


class ModuleDocFragment:
    # What the run is for, where that excuses what is missing.
    PURPOSE = r"""
options:
  recovers:
    description: Whether the run gives root a new password. The old one may then be lost.
    type: bool
    default: false
  restores:
    description: Whether the run restores the data. The data may then be missing.
    type: bool
    default: false
"""

    # For a filter that makes commands to continue after this run.
    COMMAND = r"""
options:
  host:
    description:
      - The name of the host to limit the command to. Without it, the command has this run's limit.
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
