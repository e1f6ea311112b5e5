# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a few rows into every empty table of a database, so that migrations have data to move.

Values follow the columns' types, foreign keys and checks. Nothing is random: the same schema gets the same rows.
"""

from __future__ import annotations

import re
from typing import Any

ROWS = 3
# Text in which MLflow expects JSON, and text whose value it looks at.
MEANINGS = {
    ("issues", "categories"): ['["slow", "Slow ", "wrong"]'],
    ("assessments", "value"): ["0.5", "true", '"text"'],
    ("spans", "dimension_attributes"): ['{"mlflow.llm.model": "\\"m\\"", "mlflow.llm.provider": "\\"p\\""}'],
    ("spans", "content"): ["{}"],
    ("jobs", "params"): ["{}"],
    ("trace_tags", "key"): ["mlflow.traceName"],
    ("trace_request_metadata", "key"): [
        "mlflow.trace.session",
        "mlflow.trace.tokenUsage",
        "mlflow.trace.cost",
    ],
    ("trace_request_metadata", "value"): [
        "session 0",
        '{"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}',
        '{"input_cost": 0.1, "output_cost": 0.2, "total_cost": 0.3}',
    ],
    ("span_metrics", "key"): ["input_cost", "output_cost", "total_cost"],
    ("trace_metrics", "key"): ["input_tokens", "output_tokens", "total_tokens"],
}


def query(connection: Any, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return list(cursor.fetchall())


def value(table: str, column: str, kind: str, row: int, choices: dict[tuple[str, str], list[str]]) -> Any:
    if (table, column) in MEANINGS:
        return MEANINGS[table, column][row % len(MEANINGS[table, column])]
    if column == "permission":
        return "READ"
    allowed = choices.get((table, column))
    if allowed:
        return allowed[row % len(allowed)]
    if kind.startswith(("tinyint(1)", "bool")):
        return 0
    if re.match(r"(tiny|small|medium|big)?int", kind):
        return row + 1
    if kind.startswith(("double", "float", "decimal")):
        return row + 0.5
    if kind == "json":
        return f'{{"row": {row}}}'
    if kind.startswith(("date", "time")):
        return f"2026-01-{row + 1:02d}"
    if kind.startswith(("blob", "varbinary", "longblob")):
        return b"bytes %d" % row
    text = f"{column} {row}"
    length = re.match(r"(?:var)?char\((\d+)\)", kind)
    # The end tells the rows apart.
    return text[-int(length.group(1)) :] if length else text


def fill(connection: Any, database: str) -> dict[str, int]:
    """Fill the empty tables of `database` and return how many rows each table has."""
    columns: dict[str, list[tuple[str, str, bool]]] = {}
    for table, column, kind, default, extra in query(
        connection,
        "SELECT c.table_name, column_name, column_type, column_default, extra FROM information_schema.columns c"
        " JOIN information_schema.tables t USING (table_schema, table_name)"
        " WHERE table_schema = %s AND table_type = 'BASE TABLE' ORDER BY table_name, ordinal_position",
        database,
    ):
        skipped = (
            default is not None or "auto_increment" in extra or "GENERATED" in extra.replace("DEFAULT_", "")
        )
        columns.setdefault(table, []).append((column, kind, skipped))
    targets: dict[str, dict[str, tuple[str, str]]] = {}
    for table, column, other, other_column in query(
        connection,
        "SELECT table_name, column_name, referenced_table_name, referenced_column_name"
        " FROM information_schema.key_column_usage WHERE table_schema = %s AND referenced_table_name IS NOT NULL",
        database,
    ):
        if other != table:
            targets.setdefault(table, {})[column] = (other, other_column)
    choices = {}
    for table, clause in query(
        connection,
        "SELECT t.table_name, c.check_clause FROM information_schema.check_constraints c"
        " JOIN information_schema.table_constraints t USING (constraint_schema, constraint_name)"
        " WHERE c.constraint_schema = %s",
        database,
    ):
        found = re.match(r"\(`(\w+)` in \((.*)\)\)$", str(clause).replace("\\'", "'"))
        if found:
            choices[table, found.group(1)] = re.findall(r"'([^']*)'", found.group(2))
    counts: dict[str, int] = {}
    waiting = [table for table in columns if not table.startswith("alembic_version")]
    while waiting:
        ready = [t for t in waiting if all(o in counts for o, _c in targets.get(t, {}).values())]
        for table in ready:
            counts[table] = query(connection, f"SELECT COUNT(*) FROM `{database}`.`{table}`")[0][0]
            if not counts[table]:
                counts[table] = fill_table(
                    connection, database, table, columns[table], targets.get(table, {}), choices
                )
        if not ready:
            raise RuntimeError(f"foreign keys make a circle: {waiting}")
        waiting = [table for table in waiting if table not in ready]
    return counts


def fill_table(
    connection: Any,
    database: str,
    table: str,
    columns: list[tuple[str, str, bool]],
    targets: dict[str, tuple[str, str]],
    choices: dict[tuple[str, str], list[str]],
) -> int:
    parents = {
        other: query(connection, f"SELECT * FROM `{database}`.`{other}` LIMIT {ROWS}")
        for other in {other for other, _column in targets.values()}
    }
    names = {
        other: [
            name
            for (name,) in query(
                connection,
                "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
                " ORDER BY ordinal_position",
                database,
                other,
            )
        ]
        for other in parents
    }
    for row in range(ROWS):
        given: dict[str, Any] = {}
        for column, kind, skipped in columns:
            if column in targets:
                other, other_column = targets[column]
                rows = parents[other]
                if rows:
                    given[column] = rows[row % len(rows)][names[other].index(other_column)]
            elif not skipped:
                given[column] = value(table, column, kind, row, choices)
        listed = ", ".join(f"`{name}`" for name in given)
        marks = ", ".join(["%s"] * len(given))
        query(connection, f"INSERT INTO `{database}`.`{table}` ({listed}) VALUES ({marks})", *given.values())
    return ROWS
