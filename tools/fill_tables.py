# SPDX-License-Identifier: GPL-3.0-or-later
"""Put rows into a database, so that every statement of every migration that moves data has some to move.

Values follow the columns' types, foreign keys and checks, and what MLflow's migrations look for. Nothing is random:
the same schema gets the same rows. A table that is empty is filled; a column that a migration added, and in which
no row has a value, gets some. Every third row has NULL where that is allowed.
"""

from __future__ import annotations

import re
from typing import Any, Mapping

ROWS = 3
# MLflow's migrations read these in batches of 250 or 500: some end with a whole batch, some with a part of one.
SIZES = {
    "trace_info": 500,
    "trace_tags": 751,
    "trace_request_metadata": 1750,
    "trace_metrics": 1100,
    "spans": 751,
    "span_metrics": 1750,
    "assessments": 501,
    "issues": 502,
    "metrics": 40,
}
# What MLflow looks at, by column. What depends on the key in the same row is listed by key.
MEANINGS: dict[tuple[str, str], list[Any]] = {
    ("issues", "categories"): ['["slow", "Slow ", "wrong"]', '["slow"]', "[]"],
    ("assessments", "value"): [
        "0.5",
        "true",
        '"text"',
        '"yes"',
        "-3",
        "false",
        "1e999",
        '"No "',
        "[1]",
        "null",
    ],
    ("spans", "dimension_attributes"): [
        '{"mlflow.llm.model": "m", "mlflow.llm.provider": "p"}',
        '{"mlflow.llm.model": "m"}',
        "{}",
        "null",
    ],
    ("spans", "content"): ["{}"],
    ("jobs", "params"): ["{}"],
    ("jobs", "status"): [0, 1, 3],
    ("registered_model_tags", "key"): ["mlflow.prompt.is_prompt", "a tag of the user's"],
    ("registered_model_tags", "value"): ["true"],
    ("workspace_permissions", "permission"): ["READ", "EDIT", "MANAGE"],
}
PERMISSIONS = ["READ", "MANAGE", "NO_PERMISSIONS"]
LONG = [f"short {number}" for number in range(40)]
KEYED: dict[tuple[str, str], dict[str, list[Any]]] = {
    ("trace_tags", "value"): {"mlflow.traceName": [*LONG, "n" * 5000], "a tag of the user's": ["x"]},
    ("trace_request_metadata", "value"): {
        "mlflow.gateway.endpointId": ["endpoint"],
        "mlflow.trace.session": [*LONG, "s" * 300],
        "mlflow.trace.tokenUsage": [
            '{"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}',
            '{"input_tokens": 1.5, "cache_read_input_tokens": 7}',
            "no JSON",
        ],
        # Half of the traces have no such row: what their spans cost is what they cost.
        "mlflow.trace.cost": [
            '{"input_cost": 0.1, "output_cost": 0.2, "total_cost": 0.3}',
            '{"total_cost": 1e-12}',
            '{"input_cost": "much"}',
        ],
    },
    ("trace_metrics", "value"): {
        "input_tokens": [5.0, 2.5],
        "total_tokens": [11.0, None],
        "a metric of the user's": [0.1],
    },
    ("span_metrics", "value"): {
        "total_cost": [0.5, 1e-12],
        "input_cost": [0.1],
        "a metric of the user's": [0.1],
    },
}

# Statements of migrations that change no row whatever is in the tables: revision and how it begins, to the reason.
WITHOUT_ROWS: dict[tuple[str, str], str] = {}


def changed_rows(revision: str, statement: str, rows: int) -> list[str]:
    """What is wrong with a statement of a migration that changed so many rows."""
    if rows > 0 or any(of == revision and statement.startswith(begin) for of, begin in WITHOUT_ROWS):
        return []
    return [f"{revision}: there is no row that this changes; put some in {__name__}: {statement}"]


def query(connection: Any, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return list(cursor.fetchall())


def value(table: str, column: str, kind: str, row: int, choices: Mapping[tuple[str, str], list[str]]) -> Any:
    """What a row has in a column of the type `kind`."""
    if (table, column) in MEANINGS:
        return MEANINGS[table, column][row % len(MEANINGS[table, column])]
    if column == "permission":
        return PERMISSIONS[row % len(PERMISSIONS)]
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
        return f"2026-01-{row % 28 + 1:02d}"
    if kind.startswith(("blob", "varbinary", "longblob")):
        return b"bytes %d" % row
    text = f"{column} {row}"
    length = re.match(r"(?:var)?char\((\d+)\)", kind)
    # The end tells the rows apart.
    return text[-int(length.group(1)) :] if length else text


def fill(connection: Any, database: str, rows: int | None = None) -> dict[str, int]:
    """Fill the empty tables and columns of `database`, and return how many rows each table has.

    A table gets `rows` rows, and by default ROWS or what SIZES says.
    """
    columns: dict[str, list[tuple[str, str, bool, bool]]] = {}
    for table, column, kind, default, nullable, extra in query(
        connection,
        "SELECT c.table_name, column_name, column_type, column_default, is_nullable, extra"
        " FROM information_schema.columns c"
        " JOIN information_schema.tables t USING (table_schema, table_name)"
        " WHERE table_schema = %s AND table_type = 'BASE TABLE' ORDER BY table_name, ordinal_position",
        database,
    ):
        skipped = (
            default is not None or "auto_increment" in extra or "GENERATED" in extra.replace("DEFAULT_", "")
        )
        columns.setdefault(table, []).append((column, kind, skipped, nullable == "YES"))
    targets: dict[str, dict[str, tuple[str, str]]] = {}
    keys: dict[str, list[str]] = {}
    for table, column, constraint, other, other_column in query(
        connection,
        "SELECT table_name, column_name, constraint_name, referenced_table_name, referenced_column_name"
        " FROM information_schema.key_column_usage WHERE table_schema = %s ORDER BY table_name, ordinal_position",
        database,
    ):
        if constraint == "PRIMARY":
            keys.setdefault(table, []).append(column)
        elif other not in (None, table):
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
            own = targets.get(table, {})
            counts[table] = query(connection, f"SELECT COUNT(*) FROM `{database}`.`{table}`")[0][0]
            if counts[table]:
                fill_columns(connection, database, table, columns[table], own, keys.get(table, []), choices)
            else:
                number = SIZES.get(table, ROWS) if rows is None else rows
                counts[table] = fill_table(connection, database, table, columns[table], own, choices, number)
        if not ready:
            raise RuntimeError(f"foreign keys make a circle: {waiting}")
        waiting = [table for table in waiting if table not in ready]
    return counts


def fill_columns(
    connection: Any,
    database: str,
    table: str,
    columns: list[tuple[str, str, bool, bool]],
    targets: Mapping[str, tuple[str, str]],
    key: list[str],
    choices: Mapping[tuple[str, str], list[str]],
) -> None:
    """Give the rows of a table values in the columns in which none has one."""
    name = f"`{database}`.`{table}`"
    usable = [one for one in columns if not one[2] and one[0] not in (*targets, *key)]
    if not usable or not key:
        return
    filled = query(connection, f"SELECT {', '.join(f'COUNT(`{one[0]}`)' for one in usable)} FROM {name}")[0]
    empty = [one for one, count in zip(usable, filled) if not count]
    if not empty:
        return
    listed = ", ".join(f"`{column}`" for column in key)
    rows = query(connection, f"SELECT {listed} FROM {name} ORDER BY {listed}")
    given = [
        (*(None if n % 3 == 2 else value(table, one[0], one[1], n, choices) for one in empty), *row)
        for n, row in enumerate(rows)
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {name} SET {', '.join(f'`{one[0]}` = %s' for one in empty)}"
            f" WHERE {' AND '.join(f'`{column}` = %s' for column in key)}",
            given,
        )


def fill_table(
    connection: Any,
    database: str,
    table: str,
    columns: list[tuple[str, str, bool, bool]],
    targets: Mapping[str, tuple[str, str]],
    choices: Mapping[tuple[str, str], list[str]],
    number: int,
) -> int:
    """Put `number` rows into an empty table, or none if it refers to a table without rows."""
    parents: dict[str, list[dict[str, Any]]] = {}
    for other in {other for other, _column in targets.values()}:
        names = [
            name
            for (name,) in query(
                connection,
                "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = %s"
                " ORDER BY ordinal_position",
                database,
                other,
            )
        ]
        found = query(connection, f"SELECT * FROM `{database}`.`{other}`")
        parents[other] = [dict(zip(names, one)) for one in found]
    used = [column for column, _kind, skipped, _nullable in columns if column in targets or not skipped]
    used = [column for column in used if column not in targets or parents[targets[column][0]]]
    keyed = {column: by_key for (of, column), by_key in KEYED.items() if of == table}
    most = max((len(rows) for rows in parents.values()), default=1)
    if parents:
        # A parent has each key once.
        number = min([number, *(most * len(by_key) for by_key in keyed.values())])
    given = []
    for row in range(number):
        values: dict[str, Any] = {}
        for column, kind, _skipped, nullable in columns:
            if column not in used:
                continue
            if column in targets:
                other, other_column = targets[column]
                values[column] = parents[other][row % len(parents[other])][other_column]
            elif nullable and row % 3 == 2 and (table, column) not in MEANINGS and column not in keyed:
                values[column] = None
            else:
                values[column] = value(table, column, kind, row, choices)
        for column, by_key in keyed.items():
            # One key after the other, each for as many of the parents as there are rows.
            key = list(by_key)[row // most % len(by_key)]
            values.update({"key": key, column: by_key[key][row % most % len(by_key[key])]})
        given.append(list(values.values()))
    listed = ", ".join(f"`{name}`" for name in used)
    marks = ", ".join(["%s"] * len(used))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO `{database}`.`{table}` ({listed}) VALUES ({marks})", given)
    return number
