# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of an audit as text."""

from __future__ import annotations

import textwrap
from typing import Any, Mapping

from ansible.errors import AnsibleFilterError

WIDTH = 92
TITLE = 59
ORDER = ("fail", "unknown", "pass", "skip")
SHORT = (("CIS MySQL ", "M"), ("CIS Docker ", "D"), ("dev-sec mysql-", ""))


def audit_report(audit: Mapping[str, Any], host: str = "") -> str:
    """The table of `audit`, a result of mlflow_mysql_audit. Raises AnsibleFilterError."""
    if not isinstance(audit, Mapping) or "controls" not in audit:
        raise AnsibleFilterError(
            "mlflow_mysql_audit_report: the input is not a result of mlflow_mysql_audit: give what that module returned"
        )
    counts = audit["counts"]
    server = f"MySQL {audit['server_version']}" if audit.get("server_version") else ""
    store = ", ".join(part for part in (host, server) if part) or "Audit"
    lines = [
        f"{store}: {counts['pass']} pass, {counts['fail']} fail, "
        f"{counts['unknown']} unknown, {counts['skip']} skipped",
        "",
    ]
    for status in ORDER:
        for control in audit["controls"]:
            if control["status"] == status:
                lines += rows(control)
    lines += [
        "",
        "M: CIS MySQL 9.7 Benchmark 1.0.0, D: CIS Docker Benchmark 1.6.0, conf and db: dev-sec",
        "mysql-baseline. What does not apply to such a store, and why, is in docs/audit.md.",
    ]
    return "\n".join(lines)


def rows(control: Mapping[str, Any]) -> list[str]:
    """One line, and for what does not pass what was found and what to do."""
    status = control["status"]
    lines = [f"{status:<8}{control['title']:<{TITLE}}{short(control['references'])}".rstrip()]
    if status == "pass":
        return lines
    lines += paragraph("found  ", control["found"])
    if status == "fail":
        lines += paragraph("remedy ", control["remedy"])
    return lines


def paragraph(name: str, text: Any) -> list[str]:
    clean = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(str(text).split()))
    return textwrap.wrap(
        clean, WIDTH, initial_indent=f"{'':<8}{name}", subsequent_indent=f"{'':<8}{'':<{len(name)}}"
    )


def short(references: Any) -> str:
    text = " ".join(str(reference).replace(" ", "\0") for reference in references)
    for prefix, letter in SHORT:
        text = text.replace(prefix.replace(" ", "\0"), letter)
    return text.replace("\0", " ")
