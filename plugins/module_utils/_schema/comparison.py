# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between two schemas. Private to this collection: it may change without notice."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Iterable
from urllib.parse import unquote

from ansible_collections.mlflow_ops.backend_store.plugins.module_utils._schema.catalogue import (
    Catalogue,
    table_of,
)

KINDS = ("primary key", "foreign key", "column", "index", "unique", "check", "trigger", "table", "view")
# Kinds whose name may be the server's or an old MLflow's.
NAMED = ("index", "unique", "foreign key", "check")
# No name has a quote or a bracket, which are escaped in it, and what may look like one in a text ends with them.
NAME = re.compile(r"^(?P<base>.*?)(?: named (?P<name>[^\s'\"()]+))?(?P<number> #\d+)?$", re.DOTALL)


@dataclass(frozen=True)
class Difference:
    """One object of the schema that is `missing`, `unexpected` or `changed`; `expected` and `actual` describe it."""

    kind: str
    table: str
    name: str
    problem: str
    expected: str | None
    actual: str | None

    def as_dict(self) -> dict[str, str | None]:
        return asdict(self)


def kind_of(line: str) -> str:
    return next((kind for kind in KINDS if line.startswith(kind + " ")), line.split(" ", 1)[0])


def split_name(line: str) -> tuple[str, str, str]:
    """A line without its name, the name, and the number that tells equal lines apart."""
    if kind_of(line) not in (*NAMED, "trigger"):
        return line, "", ""
    found = NAME.match(line)
    return (found["base"], found["name"] or "", found["number"] or "") if found else (line, "", "")


def resolve(lines: frozenset[str], collation: str | None) -> frozenset[str]:
    """Leave out of `lines` the collation that the store has anyway."""
    if not collation:
        return lines
    own = f" collate {collation}"
    return frozenset(line[: -len(own)] if line.endswith(own) else line for line in lines)


def compare(
    expected: frozenset[str], actual: frozenset[str], collation: str | None, catalogue: Catalogue
) -> list[Difference]:
    """What has to change in `actual`, whose collation is `collation`, to be `expected`. Equal: an empty list."""
    expected = resolve(expected, collation)
    missing, unexpected = set(expected - actual), set(actual - expected)
    if not missing and not unexpected:
        return []
    unexpected -= catalogue.replaced_indexes
    unexpected = {
        line for line in unexpected if re.sub(r" #\d+$", "", line) not in catalogue.repeatable_checks
    }
    forgive_names(missing, unexpected, catalogue)
    differences: list[Difference] = []
    gone, new = relations(missing) - relations(actual), relations(unexpected) - relations(expected)
    for relations_of, problem in ((gone, "missing"), (new, "unexpected")):
        for kind, table in relations_of:
            name = unquote(table)
            pair = (f"{kind} {name}", None) if problem == "missing" else (None, f"{kind} {name}")
            differences.append(Difference(kind, name, name, problem, *pair))
    whole = {table for _kind, table in gone | new}
    missing, unexpected = (
        {line for line in lines if table_of(line) not in whole} for lines in (missing, unexpected)
    )
    by_key: dict[tuple[str, str, str], list[list[str]]] = defaultdict(lambda: [[], []])
    for side, lines in enumerate((missing, unexpected)):
        for line in sorted(lines):
            by_key[kind_of(line), table_of(line), name_of(line)][side].append(line)
    for (kind, table, name), (wanted, found) in by_key.items():
        while wanted or found:
            one, other = (wanted.pop(0) if wanted else None), (found.pop(0) if found else None)
            problem = "changed" if one and other else "missing" if one else "unexpected"
            differences.append(Difference(kind, unquote(table), name, problem, one, other))
    return sorted(
        differences,
        key=lambda d: (d.table, KINDS.index(d.kind) if d.kind in KINDS else 99, d.name, d.problem),
    )


def relations(lines: Iterable[str]) -> set[tuple[str, str]]:
    """The kind and name of the tables and views that are in `lines`."""
    return {(kind, table_of(line)) for line in lines for kind in ("table", "view") if kind_of(line) == kind}


def name_of(line: str) -> str:
    """What the object of a line is called: its own name, or else what it is on."""
    kind = kind_of(line)
    if kind == "column":
        return unquote(line.split(" ", 2)[1].split(".", 1)[1])
    base, name, _number = split_name(line)
    if name:
        return unquote(name)
    if kind == "primary key":
        return "PRIMARY"
    rest = base[len(kind) + 1 :].partition(" ")[2]
    if kind == "check":
        return rest
    return unquote(rest.split(" -> ", 1)[0] if kind in NAMED else table_of(line))


def forgive_names(missing: set[str], unexpected: set[str], catalogue: Catalogue) -> None:
    """Take out of both sets what differs in nothing but a name that MySQL or an old MLflow chose."""
    others: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for line in sorted(unexpected):
        # Where the catalogue has the very line, the name tells one revision from another.
        if kind_of(line) in NAMED and line not in catalogue.lines:
            base, name, _number = split_name(line)
            others[base].append((line, name))
    for line in sorted(missing):
        if kind_of(line) not in NAMED:
            continue
        base, name, _number = split_name(line)
        for other, other_name in others.get(base, []):
            if (
                not name
                or not other_name
                or name == other_name
                or other_name in catalogue.variants.get(base, ())
            ):
                missing.discard(line)
                unexpected.discard(other)
                others[base].remove((other, other_name))
                break
