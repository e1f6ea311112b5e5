# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports say what was found, in lines that fit and in pages that are whole, whatever names a store has."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.mlflow_ops.backend_store.plugins.filter.mlflow_schema_report import FilterModule
from ansible_collections.mlflow_ops.backend_store.plugins.plugin_utils._report.schema_page import STYLE

report = FilterModule().filters()["mlflow_schema_report"]

HISTORY = [
    ("451aebb31d03", "add metric step", "1.0.0"),
    ("867495a8f9d4", "add trace tables", "2.13.0"),
    ("3da73c924c2f", "add outputs to dataset record", "3.5.0"),
    ("bf29a5ff90ea", "add jobs table", "3.5.0"),
    ("1bd49d398cd23", "add secrets tables", "3.8.0"),
    ("5d2d30f0abce", "update job table", "3.9.0"),
    ("dc11669786a5", "add job executor persistence model", "3.12.0"),
    ("e7d1f4b2a9c6", "add skill registry tables", None),
]
PENDING = [
    {
        "revision": "1bd49d398cd23",
        "title": "add secrets tables",
        "kinds": ["additive"],
        "tables": [],
        "statements": 16,
        "online": 15,
        "ahead": 3,
        "rows": 0,
        "mlflow_version": "3.8.0",
    },
    {
        "revision": "5d2d30f0abce",
        "title": "update job table",
        "kinds": ["rebuild", "data", "destructive"],
        "tables": [
            *("evaluation_datasets", "experiments", "jobs", "model_definitions", "model_version_tags"),
            *("registered_model_aliases", "registered_model_tags", "webhooks"),
        ],
        "statements": 3,
        "online": 1,
        "ahead": 0,
        "rows": 48213977,
        "mlflow_version": "3.9.0",
    },
    {
        "revision": "dc11669786a5",
        "title": "add job executor persistence model",
        "kinds": ["keys"],
        "tables": ["jobs"],
        "statements": 1,
        "online": 0,
        "ahead": 0,
        "rows": None,
        "mlflow_version": None,
    },
]
DRIFT = [
    {
        "kind": "column",
        "table": "runs",
        "name": "status",
        "problem": "changed",
        "expected": "column runs.status varchar(9) null",
        "actual": "column runs.status varchar(20) not null default 'RUNNING'",
    },
    {
        "kind": "index",
        "table": "metrics",
        "name": "ix_metrics_run",
        "problem": "missing",
        "expected": "index metrics (run_uuid, key) named ix_metrics_run",
        "actual": None,
    },
    {
        "kind": "table",
        "table": "backup_2024",
        "name": "backup_2024",
        "problem": "unexpected",
        "expected": None,
        "actual": "table backup_2024",
    },
    {
        "kind": "foreign key",
        "table": "tags",
        "name": "(run_uuid)",
        "problem": "missing",
        "expected": "foreign key tags (run_uuid) -> runs (run_uuid)",
        "actual": None,
    },
]
HALF = {
    "revision": "1bd49d398cd23",
    "title": "add secrets tables",
    "done": [
        "CREATE TABLE secrets (secret_id VARCHAR(36) NOT NULL, " + "c INT, " * 40 + "PRIMARY KEY (secret_id))"
    ],
    "todo": ["CREATE UNIQUE INDEX unique_secret_name ON secrets (secret_name)"],
}
BLOCKERS = [
    {
        "name": "open_sessions",
        "severity": "warning",
        "message": "Two sessions read tables that will be changed.",
        "remedy": "Stop the MLflow servers.",
    },
    {
        "name": "disk_space",
        "severity": "error",
        "message": "The table spans is 20 GiB large and will be copied, and there are 11 GiB left on the disk.",
        "remedy": "Free 12 GiB below /srv/mlflow-mysql/data.",
    },
]


def info(state: str, revision: str | None = "bf29a5ff90ea", **more: Any) -> dict[str, Any]:
    return {
        "server": {"version": "9.7.0", "read_only": False, "sql_mode": ["A", "B"], "comment": None},
        "database": "mlflow",
        "app": "tracking",
        "state": state,
        "message": f"The store is {state}: do what helps.",
        "revision": revision,
        "head": "dc11669786a5",
        "mlflow_version": "3.12.2",
        "mlflow_versions": ["3.5.0", "3.5.1", "3.6.0", "3.7.0"] if revision == "bf29a5ff90ea" else [],
        "pending": [],
        "half_applied": None,
        "drift": [],
        "blockers": [],
        "tables": [{"name": f"table{n}", "rows": n * 1000, "bytes": n * 16384} for n in range(14)],
        "sessions": [],
        "revisions": [dict(zip(("revision", "title", "mlflow_version"), one)) for one in HISTORY],
        **more,
    }


HEAD = {"mlflow_versions": ["3.12.0", "3.12.1", "3.12.2"]}
SAMPLES = {
    "empty": info("empty", None, tables=[], pending=PENDING),
    "current": info("current", "dc11669786a5", **HEAD),
    "behind": info("behind", pending=PENDING, blockers=BLOCKERS),
    "ahead": info("ahead", "e7d1f4b2a9c6"),
    "half_applied": info("half_applied", pending=PENDING, half_applied=HALF, drift=DRIFT),
    "drifted": info("drifted", "dc11669786a5", drift=DRIFT, **HEAD),
    "foreign": info("foreign", None),
    "unknown": info("unknown", "aaaabbbbcccc"),
}
each = pytest.mark.parametrize("state", SAMPLES)


class Page(HTMLParser):
    """Fails on a tag that is left open or closed twice, and keeps what was read."""

    VOID = ("meta", "br", "!doctype")

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), (tag, attrs)
        for name, value in attrs:
            assert re.match(r"^[a-z-]+$", name) and value is not None, (tag, attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            assert '">' not in data
            self.text += data

    def all(self, tag: str, **attrs: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.tags if name == tag and attrs.items() <= found.items()]

    def marks(self) -> list[str]:
        """What each mark of the timeline says: its classes without the common one."""
        classes = [str(found.get("class")) for found in self.all("li")]
        return [found[len("mark ") :] for found in classes if found.startswith("mark ")]


def section(text: str, start: str) -> list[str]:
    return next(part for part in text.split("\n\n") if part.startswith(start)).splitlines()


@each
def test_lines_fit_and_have_no_end_of_spaces(state: str) -> None:
    lines = report(SAMPLES[state], host="store1.example.org").splitlines()
    assert lines[0] == f"mlflow on store1.example.org: {state.replace('_', ' ').upper()}"
    assert max(map(len, lines)) <= 92
    assert [line.rstrip() for line in lines] == lines
    assert f"  The store is {state}: do what helps." in lines


def test_nothing_empty_is_printed() -> None:
    assert report(info("current", "dc11669786a5", tables=[], **HEAD)) == (
        "mlflow: CURRENT\n"
        "  at dc11669786a5 (MLflow 3.12.0 to 3.12.2), as wanted, MySQL 9.7.0\n\n"
        "  The store is current: do what helps.\n\n"
        "No drift, no blockers."
    )


def test_drift_is_denied_only_where_it_is_known() -> None:
    assert report(SAMPLES["foreign"]).endswith("\n\nNo blockers.")
    assert "No " not in report(SAMPLES["behind"] | {"drift": DRIFT})


def test_releases_and_app() -> None:
    text = report(info("behind", app="auth", database="auth"))
    assert text.startswith(
        "auth (auth): BEHIND\n  at bf29a5ff90ea (MLflow 3.5.0 to 3.7.0), wanted dc11669786a5 ("
    )
    assert "at no revision, wanted" in report(SAMPLES["empty"])


def test_pending_is_a_table() -> None:
    lines = section(report(SAMPLES["behind"]), "Pending")
    assert lines[0] == "Pending: 3 revisions, 20 statements, 16 of them while MLflow goes on (3 done)"
    header, first, second = lines[1:4]
    starts = [header.index(word) for word in ("REVISION", "MLFLOW", "KINDS", "TABLES")]
    assert [second.index(word) for word in ("5d2d", "3.9.0", "rebuild", "evaluation")] == starts
    end = header.index("ONLINE") + len("ONLINE")
    assert first[:end].endswith(" 15/16") and second[:end].endswith("   1/3")
    end = header.index("ROWS") + len("ROWS")
    assert first[:end].endswith("  0") and second[:end].endswith(" 48,213,977")
    # The many kinds and tables go on below, and the revision without a release says so.
    assert lines[4].split()[0] == "destructive" and lines[4].index("destructive") == starts[2]
    assert all(line.startswith(" " * starts[-1]) for line in lines[5:-1]) and len(lines) > 6
    assert lines[-1].split() == ["dc11669786a5", "?", "keys", "0/1", "?", "jobs"]


def test_what_makes_an_empty_store_is_not_listed() -> None:
    assert "Pending" not in report(SAMPLES["empty"])
    assert "<h2>Pending" not in report(SAMPLES["empty"], format="html")


def test_blockers_and_warnings_are_told_apart_with_their_remedies() -> None:
    text = report(SAMPLES["behind"])
    lines = section(text, "Blockers")
    assert lines[1].startswith("  ERROR    disk_space: The table spans")
    assert lines[3:] == ["           -> Free 12 GiB below /srv/mlflow-mysql/data."]
    warnings = [
        "Warnings",
        "  WARNING  open_sessions: Two sessions read tables that will be changed.",
        "           -> Stop the MLflow servers.",
    ]
    assert section(text, "Warnings") == warnings
    assert text.index("Blockers") < text.index("Warnings")
    # The module returns them apart, and a warning is no blocker.
    only = {**SAMPLES["behind"], "blockers": [], "schema_warnings": BLOCKERS[:1]}
    assert section(report(only), "Warnings") == warnings
    assert "Blockers" not in report(only) and "no blockers" in report(only).lower()
    page = report(only, format="html")
    assert "<h2>Warnings" in page and "<h2>Blockers" not in page


def test_drift_shows_both_sides_without_repeating_the_name() -> None:
    lines = section(report(SAMPLES["drifted"]), "Drift")
    assert lines[0] == "Drift: 4 differences"
    assert [re.split(r"\s{2,}", line.strip()) for line in lines[1:] if not line.startswith(" " * 9)] == [
        ["PROBLEM", "KIND", "OBJECT", "EXPECTED", "ACTUAL"],
        ["changed", "column", "runs.status", "varchar(9) null", "varchar(20) not null"],
        ["missing", "index", "metrics.ix_metrics_run", "(run_uuid, key)", "-"],
        ["unexpected", "table", "backup_2024", "-", "exists"],
        ["missing", "foreign key", "tags (run_uuid)", "(run_uuid) -> runs", "-"],
    ]


def test_much_drift_is_cut() -> None:
    lines = section(report(info("drifted", drift=DRIFT * 20)), "Drift")
    assert lines[0] == "Drift: 80 differences" and lines[-1] == "  and 30 more"


def test_statements_of_a_half_applied_revision_are_one_line_each() -> None:
    lines = section(report(SAMPLES["half_applied"]), "Half applied: 1bd49d398cd23, add secrets tables")
    assert len(lines) == 3
    assert lines[1].startswith("  done  CREATE TABLE secrets") and lines[1].endswith(" ...")
    assert lines[2] == "  todo  CREATE UNIQUE INDEX unique_secret_name ON secrets (secret_name)"
    assert HALF["done"][0] in Page(report(SAMPLES["half_applied"], format="html")).text


def test_the_largest_tables_and_the_total() -> None:
    lines = section(report(SAMPLES["current"]), "Tables")
    assert lines[0] == "Tables by size: 14 tables, about 91,000 rows, 1.4 MiB"
    assert lines[2].split() == ["table13", "13,000", "208.0", "KiB"]
    assert lines[-1].split() == ["4", "others", "6,000", "96.0", "KiB"]
    assert len(lines) == 13 and len({len(line) for line in lines[1:]}) == 1


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (1024, "1.0 KiB"),
        (5 * 2**40, "5.0 TiB"),
        (2**51, "2,048.0 TiB"),
        (None, "0 B"),
    ],
)
def test_sizes(size: int | None, shown: str) -> None:
    tables = [{"name": "t", "rows": None, "bytes": size}]
    assert report(info("current", tables=tables)).splitlines()[-3].split() == ["t", "?", *shown.split()]


def test_no_name_is_too_long_for_a_line() -> None:
    drift = [{**one, "table": "t" * 64, "name": "n" * 64, "actual": "x" * 500} for one in DRIFT]
    pending = [{**PENDING[1], "tables": ["t" * 64] * 3, "kinds": ["k" * 30] * 3}]
    tables = [{"name": "t" * 120, "rows": 10**15, "bytes": 2**60}]
    text = report(
        info("drifted", drift=drift, pending=pending, tables=tables, message="m" * 300), host="h" * 120
    )
    assert max(map(len, text.splitlines())) <= 92
    assert text.count("m") > 300 and text.count("h") > 120


def test_control_characters_do_not_reach_the_terminal() -> None:
    tables = [{"name": "a\x1b[2J\u202e\u200bb\nc", "rows": 1, "bytes": 1}]
    for form in ("text", "html"):
        text = report(info("current", tables=tables), format=form)
        assert "a\ufffd[2J\ufffd\ufffdb c" in text
        assert all(char == "\n" or char.isprintable() for char in text)


@each
def test_pages_are_whole(state: str) -> None:
    page = Page(report(SAMPLES[state], format="html", host="store1", time="2026-05-04 12:30 UTC"))
    words = state.replace("_", " ")
    assert page.all("html") == [{"lang": "en"}]
    assert f"MLflow store mlflow on store1: {words}" in page.text
    assert f"The store is {state}: do what helps." in page.text and "2026-05-04 12:30 UTC" in page.text
    assert len(page.all("h1")) == len(page.all("title")) == len(page.all("main")) == 1
    assert next(tag for tag, _attrs in page.tags if re.match(r"h\d$", tag)) == "h1"
    # Nothing is loaded and nothing runs.
    assert not {"script", "link", "img", "iframe", "a"} & {tag for tag, _attrs in page.tags}
    assert not any({"src", "href", "onload"} & set(attrs) for _tag, attrs in page.tags)
    assert "url(" not in STYLE and "@import" not in STYLE
    for attrs in page.all("th"):
        assert attrs["scope"] in ("col", "row")
    assert len(page.all("caption")) == len(page.all("table"))


def test_the_same_input_gives_the_same_page() -> None:
    assert report(SAMPLES["behind"], format="html") == report(SAMPLES["behind"], format="html")
    assert "Read at" not in report(SAMPLES["behind"], format="html")


@pytest.mark.parametrize(
    ("state", "marks"),
    [
        ("empty", ["pending"] * 6 + ["pending here", "future"]),
        ("current", ["done"] * 6 + ["done here", "future"]),
        ("behind", ["done"] * 3 + ["done here"] + ["pending"] * 2 + ["pending here", "future"]),
        ("ahead", ["done"] * 6 + ["done here", "done here"]),
        ("half_applied", ["done"] * 3 + ["done here", "half", "pending", "pending here", "future"]),
        ("foreign", []),
        ("unknown", []),
    ],
)
def test_the_timeline(state: str, marks: list[str]) -> None:
    page = Page(report(SAMPLES[state], format="html"))
    assert page.marks() == marks
    titles = [str(attrs["title"]) for attrs in page.all("li") if "title" in attrs]
    assert len(titles) == len(marks)
    for title, (revision, name, _release) in zip(titles, HISTORY):
        assert title.startswith(f"{revision} {name}: ")
        # The mark itself and the table say it in text.
        assert page.text.count(revision) >= 2 and title in page.text
    if marks:
        assert "All 8 revisions as a table" in page.text and "unreleased" in page.text


def test_a_first_migration_that_stopped_has_a_timeline() -> None:
    first = {**HALF, "revision": "451aebb31d03"}
    page = Page(report(info("half_applied", None, half_applied=first), format="html"))
    assert page.marks() == ["half"] + ["pending"] * 5 + ["pending here", "future"]


def test_every_colour_has_a_text() -> None:
    page = Page(report(SAMPLES["half_applied"] | {"blockers": BLOCKERS}, format="html"))
    for words in ("◐ half applied", "✕ error", "! warning", "✓ done", "○ to do", "destructive", "≠ changed"):
        assert words in page.text
    for words in ("4 applied", "1 half applied", "2 pending", "1 newer than the target"):
        assert words in page.text


@pytest.mark.parametrize(
    ("mode", "start"), [("light", 0), ("dark", STYLE.index("prefers-color-scheme:dark"))]
)
def test_colours_of_text_have_contrast(mode: str, start: int) -> None:
    """At least 4.5 to 1, what WCAG asks for at level AA."""
    colours = dict(re.findall(r"--([a-z-]+):#([0-9a-f]{3,6})", STYLE[start : STYLE.index("}", start)]))

    def luminance(name: str) -> float:
        code = colours[name] if len(colours[name]) == 6 else "".join(c * 2 for c in colours[name])
        parts = [int(code[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    tones = ("good", "calm", "warn", "bad")
    pairs = [(text, "card") for text in ("text", "soft", *tones)] + [(tone, f"{tone}-in") for tone in tones]
    for text, ground in pairs:
        one, other = sorted((luminance(text), luminance(ground)))
        assert (other + 0.05) / (one + 0.05) >= 4.5, (mode, text, ground)


EVIL = "<script>alert('x')</script>\"&"


def test_everything_is_escaped() -> None:
    def evil(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: evil(one) for key, one in value.items()}
        if isinstance(value, list):
            return [evil(one) for one in value]
        return value + EVIL if isinstance(value, str) else value

    sample = SAMPLES["half_applied"] | {"blockers": BLOCKERS}
    sample = evil(sample) | {"server": {"version" + EVIL: EVIL, "more": [EVIL, {EVIL: EVIL}]}}
    for state in ("half_applied", "no such state", EVIL):
        text = report(sample | {"state": state}, format="html", host=EVIL, time=EVIL)
        page = Page(text)
        assert "<script" not in text and not page.all("script")
        assert page.text.count(EVIL) > 50 and len(page.marks()) == 8


def test_a_result_with_little_in_it() -> None:
    """Of a newer or older module, or put together by hand."""
    assert report({"state": "current"}).startswith("mlflow: CURRENT\n  at no revision, wanted no revision")
    Page(report({"state": "current"}, format="html"))


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ("text", {}, "not a result of mlflow_schema_info"),
        ({"failed": True, "msg": "no"}, {}, "not a result of mlflow_schema_info"),
        ({"state": "current"}, {"format": "pdf"}, "unknown format pdf: give text or html"),
        ({"state": "current"}, {"colour": "red"}, "colour"),
        ({"state": "current", "drift": [{}], "tables": [{}]}, {}, "the input has no 'name'"),
    ],
)
def test_bad_input(given: Any, options: dict[str, str], message: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"mlflow_schema_report: .*{message}"):
        report(given, **options)
