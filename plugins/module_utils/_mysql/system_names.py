# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that MySQL keeps for itself. Private to this collection: it may change without notice."""

from __future__ import annotations

DATABASES = ("mysql", "sys", "information_schema", "performance_schema")
# Accounts that the server makes for itself, locked, each at localhost.
ACCOUNTS = ("mysql.infoschema", "mysql.session", "mysql.sys")
