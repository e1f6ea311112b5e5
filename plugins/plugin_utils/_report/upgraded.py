# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of an upgrade. Private to this collection: it may change without notice."""

from __future__ import annotations

from typing import Any, Mapping

SHOWN = 10  # tables in the text
OURS = "mlflow_ops_"  # how the tables begin that this collection makes for the time of an upgrade


def upgraded(
    after: Mapping[str, Any],
    before: Mapping[str, Any],
    seconds: float | None,
    backup: str | None,
    parts: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Return what changed from a backup's manifest, `before`, to what mlflow_schema_info returned with exact rows.

    `seconds` is how long writers were locked out, `parts` what for (by name, in seconds), and `backup` where the store
    of before is, if it was kept.
    """
    name = {"tracking": "revision", "auth": "auth_revision"}[after["app"]]
    had = {
        table: int(rows)
        for table, rows in before["tables"].get(after["database"], {}).items()
        if not table.startswith(OURS)
    }
    has = {table["name"]: int(table["rows"]) for table in after["tables"]}
    changed = {
        table: {"before": had.get(table, 0), "after": has.get(table, 0)}
        for table in sorted({*had, *has})
        if had.get(table, 0) != has.get(table, 0)
    }
    known = [entry["revision"] for entry in after["revisions"]]
    first, last = before.get(name), after["revision"]
    migrations = None
    if first in known and last in known:
        migrations = known.index(last) - known.index(first)
    result = {
        "database": after["database"],
        "mlflow_version": after["mlflow_version"],
        "state": after["state"],
        "revision_before": first,
        "revision_after": last,
        "migrations": migrations,
        "rows_before": sum(had.values()),
        "rows_after": sum(has.values()),
        "tables": changed,
        "downtime_seconds": None if seconds is None else round(float(seconds), 1),
        "downtime_parts": {name: round(float(one), 2) for name, one in (parts or {}).items()},
        "backup": backup,
    }
    return {**result, "text": as_text(result)}


def as_text(result: Mapping[str, Any]) -> str:
    if result["revision_before"] == result["revision_after"]:
        way = f"is at revision {result['revision_after']} as before"
    else:
        many = "" if result["migrations"] is None else f" in {counted(result['migrations'], 'migration')}"
        way = f"went from revision {result['revision_before'] or 'none'} to {result['revision_after']}{many}"
    lines = [
        f"The schema of {result['database']} {way}; for MLflow {result['mlflow_version']} it is {result['state']}.",
        f"Rows            {result['rows_before']} before, {result['rows_after']} after",
    ]
    for table, rows in list(result["tables"].items())[:SHOWN]:
        lines.append(f"                {table}: {rows['before']} before, {rows['after']} after")
    if len(result["tables"]) > SHOWN:
        lines.append(f"                and {counted(len(result['tables']) - SHOWN, 'table')} more")
    if result["downtime_seconds"] is not None:
        parts = ", ".join(f"{name} {seconds}" for name, seconds in result["downtime_parts"].items())
        lines.append(
            f"Downtime        writers were locked out for {result['downtime_seconds']} s"
            + (f" (in seconds: {parts})" if parts else "")
        )
    lines.append(f"Backup          {result['backup'] or 'none was kept: mlflow_schema_keep_backup is false'}")
    return "\n".join(lines)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
