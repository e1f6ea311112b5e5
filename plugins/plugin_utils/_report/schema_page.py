# SPDX-License-Identifier: GPL-3.0-or-later
"""The page about a schema, as HTML and as text."""

from __future__ import annotations

import html
import textwrap
from collections import Counter
from itertools import groupby, zip_longest
from typing import Any, Iterable, Mapping, Sequence

from ansible.errors import AnsibleFilterError

# Ansible indents a message by eight.
WIDTH = 92
# How many tables, and how many lines of drift, a report shows before it sums up the rest.
TOP = 10
LONGEST = 50
# What each state looks like: a sign, and the class of its colour.
STATES = {
    "empty": ("○", "calm"),
    "current": ("✓", "good"),
    "behind": ("↑", "calm"),
    "ahead": ("↓", "warn"),
    "half_applied": ("◐", "bad"),
    "drifted": ("≠", "bad"),
    "foreign": ("✕", "bad"),
    "unknown": ("?", "bad"),
}
MARKS = {"done": "applied", "half": "half applied", "pending": "pending", "future": "newer than the target"}

KINDS = """<p class="soft">Additive leaves existing rows alone. Keys replaces indexes, foreign keys or checks.
Rebuild changes columns or primary keys, for which MySQL may copy the table. Data writes rows. Destructive
drops columns or tables. Online is how many of its statements an upgrade executes while MLflow goes on, of all of
them. Rows is the number of rows in the named tables, as the server estimates it.</p>"""


class BadInput(ValueError):
    """The input makes no report. The message says what to give."""


def schema_report(info: Mapping[str, Any], format: str = "text", host: str = "", time: Any = "") -> str:
    """The report of `info`, a result of mlflow_schema_info. Raises BadInput."""
    if not isinstance(info, Mapping) or "state" not in info:
        raise BadInput("the input is not a result of mlflow_schema_info: give what that module returned")
    if format not in ("text", "html"):
        raise BadInput(f"unknown format {format}: give text or html")
    return text_report(info, host) if format == "text" else html_report(info, host, time)


def _clean(value: Any) -> str:
    """One line of printable characters: no name can move the cursor or turn the line around."""
    return "".join(c if c.isprintable() else "\ufffd" for c in " ".join(str(value).split()))


def _count(value: Any, noun: str = "") -> str:
    number = "?" if value is None else f"{int(value):,}"
    return f"{number} {noun}{'' if number == '1' else 's'}" if noun else number


def _size(value: Any) -> str:
    size = float(value or 0)
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size /= 1024
        del units[0]
    return f"{size:,.{0 if units[0] == 'B' else 1}f} {units[0]}"


def _list(info: Mapping[str, Any], key: str) -> list[Any]:
    return list(info.get(key) or ())


def _state(info: Mapping[str, Any]) -> str:
    return _clean(info["state"]).replace("_", " ")


def _store(info: Mapping[str, Any], host: str) -> str:
    app = _clean(info.get("app") or "tracking")
    name = _clean(info.get("database") or "mlflow") + (f" ({app})" if app != "tracking" else "")
    return f"{name} on {_clean(host)}" if host else name


def _releases(versions: Sequence[Any]) -> str:
    """The releases of MLflow whose schema a revision is: one, or the first and the last."""
    if not versions:
        return ""
    first, last = _clean(versions[0]), _clean(versions[-1])
    return f"MLflow {first}" if first == last else f"MLflow {first} to {last}"


def _at(info: Mapping[str, Any]) -> tuple[str, str]:
    """The store's revision and its releases."""
    return _clean(info.get("revision") or "no revision"), _releases(_list(info, "mlflow_versions"))


def _wanted(info: Mapping[str, Any]) -> tuple[str, str]:
    version = info.get("mlflow_version")
    return _clean(info.get("head") or "no revision"), _releases([version] if version else [])


def _clear(info: Mapping[str, Any]) -> str:
    """What is known not to be there. Only of a schema that is one of MLflow's is it known how it should be."""
    absent = []
    if info["state"] in ("current", "behind") and not info.get("drift"):
        absent.append("no drift")
    if not _severity(info, warnings=False):
        absent.append("no blockers")
    return ", ".join(absent).capitalize() + "." if absent else ""


def _severity(info: Mapping[str, Any], warnings: bool) -> list[Mapping[str, Any]]:
    """The blockers, or what blocks nothing."""
    every = [*_list(info, "blockers"), *_list(info, "schema_warnings")]
    return [one for one in every if (one.get("severity") == "warning") == warnings]


def _pending(info: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    # To make a schema from nothing is one step to people, whatever the number of its revisions.
    return [] if info["state"] == "empty" else _list(info, "pending")


def _pending_total(pending: Sequence[Mapping[str, Any]]) -> str:
    total, online, done = (
        sum(step.get(key) or 0 for step in pending) for key in ("statements", "online", "ahead")
    )
    text = _count(len(pending), "revision") + (f", {_count(total, 'statement')}" if total else "")
    if done and done == online:
        return f"{text}, {_count(done)} of them done ahead"
    if online:
        return f"{text}, {_count(online)} of them while MLflow goes on" + (
            f" ({_count(done)} done)" if done else ""
        )
    return text


def _thing(drift: Mapping[str, Any]) -> str:
    table, name = _clean(drift.get("table") or ""), _clean(drift.get("name") or "")
    if not table or name in ("", table):
        return table or name
    return f"{table} {name}" if name.startswith("(") else f"{table}.{name}"


def _side(drift: Mapping[str, Any], side: str) -> str:
    """How an object should be or is, without the kind and the name that the report shows beside it."""
    text = _clean(drift.get(side) or "")
    start = f"{_clean(drift.get('kind'))} {_clean(drift.get('table'))}"
    for known in (f"{start}.{_clean(drift.get('name'))} ", f"{start} "):
        if text.startswith(known):
            text = text[len(known) :]
            return text.replace(f" named {_clean(drift.get('name'))}", "")
    return "exists" if text == start else text


def _by_size(info: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return sorted(_list(info, "tables"), key=lambda t: (-(t.get("bytes") or 0), str(t.get("name"))))


def _tables_total(tables: Sequence[Mapping[str, Any]]) -> tuple[str, str, str]:
    rows = sum(table.get("rows") or 0 for table in tables)
    return _count(len(tables), "table"), _count(rows), _size(sum(table.get("bytes") or 0 for table in tables))


def _wrap(text: str, indent: str, first: str | None = None) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


def _columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """`rows` as aligned columns, those of `right` to the right. The widest give way, between words if possible."""
    widths = [max(map(len, cells)) for cells in zip(*rows)]
    words = [max((len(word) for cell in cells for word in cell.split()), default=1) for cells in zip(*rows)]
    while sum(widths) + 2 * len(widths) > WIDTH:
        wrappable = [width if width > word else 0 for width, word in zip(widths, words)]
        candidates = wrappable if any(wrappable) else widths
        widths[candidates.index(max(candidates))] -= 1
    lines = []
    for row in rows:
        wrapped = [
            textwrap.wrap(cell, width or 1, break_on_hyphens=False) for cell, width in zip(row, widths)
        ]
        for parts in zip_longest(*wrapped, fillvalue=""):
            cells = [
                part.rjust(width) if number in right else part.ljust(width)
                for number, (part, width) in enumerate(zip(parts, widths))
            ]
            lines.append(("  " + "  ".join(cells)).rstrip())
    return lines


def _estimated(info: Mapping[str, Any]) -> list[str]:
    """How long writers would be locked out, about."""
    seconds = info.get("downtime_seconds")
    if seconds is None:
        return []
    about = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"
    return [
        f"Writers would be locked out for about {about}, by the sizes of the tables. A rehearsal measures it."
    ]


def _online(step: Mapping[str, Any]) -> str:
    """How many of the statements need no lock."""
    return f"{step.get('online') or 0}/{step.get('statements') or 0}"


def text_report(info: Mapping[str, Any], host: str = "") -> str:
    sections = [
        _text_headline(info, host),
        _text_blockers(info),
        _text_blockers(info, True),
        _text_half(info),
    ]
    sections += [_text_pending(info), _text_drift(info), _text_tables(info), [_clear(info)]]
    return "\n\n".join("\n".join(lines) for lines in sections if any(lines))


def _text_headline(info: Mapping[str, Any], host: str) -> list[str]:
    at, wanted = (
        revision + (f" ({releases})" if releases else "") for revision, releases in (_at(info), _wanted(info))
    )
    same = info.get("revision") and info["revision"] == info.get("head")
    route = f"at {at}, as wanted" if same else f"at {at}, wanted {wanted}"
    version = (info.get("server") or {}).get("version")
    lines = _wrap(f"{_store(info, host)}: {_state(info).upper()}", "  ", "")
    lines += _wrap(route + (f", MySQL {_clean(version)}" if version else ""), "  ")
    message = _wrap(_clean(info.get("message") or ""), "  ")
    return [*lines, "", *message] if message else lines


def _text_blockers(info: Mapping[str, Any], warnings: bool = False) -> list[str]:
    lines = []
    for blocker in _severity(info, warnings):
        indent = " " * 11
        first = f"  {_clean(blocker.get('severity') or 'error').upper():<9}"
        lines += _wrap(f"{_clean(blocker.get('name'))}: {_clean(blocker.get('message'))}", indent, first)
        if blocker.get("remedy"):
            lines += _wrap(_clean(blocker["remedy"]), indent + "   ", indent + "-> ")
    return ["Warnings" if warnings else "Blockers", *lines] if lines else []


def _text_half(info: Mapping[str, Any]) -> list[str]:
    half = info.get("half_applied")
    if not half:
        return []
    lines = _wrap(f"Half applied: {_clean(half['revision'])}, {_clean(half.get('title') or '')}", "  ", "")
    for key in ("done", "todo"):
        for statement in _list(half, key):
            lines.append(f"  {key}  {textwrap.shorten(_clean(statement), WIDTH - 8, placeholder=' ...')}")
    return lines


def _text_pending(info: Mapping[str, Any]) -> list[str]:
    pending = _pending(info)
    rows = [
        [
            _clean(step["revision"]),
            _clean(step.get("mlflow_version") or "?"),
            ", ".join(map(_clean, _list(step, "kinds"))),
            _online(step),
            _count(step.get("rows")),
            ", ".join(map(_clean, _list(step, "tables"))),
        ]
        for step in pending
    ]
    header = ["REVISION", "MLFLOW", "KINDS", "ONLINE", "ROWS", "TABLES"]
    if not rows:
        return []
    return [f"Pending: {_pending_total(pending)}", *_estimated(info), *_columns([header, *rows], [3, 4])]


def _text_drift(info: Mapping[str, Any]) -> list[str]:
    drift = _list(info, "drift")
    rows = [
        [
            _clean(one.get("problem")),
            _clean(one.get("kind")),
            _thing(one),
            _side(one, "expected") or "-",
            _side(one, "actual") or "-",
        ]
        for one in drift[:LONGEST]
    ]
    if not rows:
        return []
    lines = _columns([["PROBLEM", "KIND", "OBJECT", "EXPECTED", "ACTUAL"], *rows])
    more = [f"  and {_count(len(drift) - LONGEST)} more"] if len(drift) > LONGEST else []
    return [f"Drift: {_count(len(drift), 'difference')}", *lines, *more]


def _text_tables(info: Mapping[str, Any]) -> list[str]:
    tables = _by_size(info)
    rows = [[_clean(t["name"]), _count(t.get("rows")), _size(t.get("bytes"))] for t in tables[:TOP]]
    if len(tables) > TOP:
        rest = _tables_total(tables[TOP:])
        rows.append([rest[0].replace("table", "other"), *rest[1:]])
    total = _tables_total(tables)
    heading = f"Tables by size: {total[0]}, about {total[1]} rows, {total[2]}"
    return [heading, *_columns([["TABLE", "ROWS", "SIZE"], *rows], [1, 2])] if rows else []


STYLE = """
:root{color-scheme:light dark;--page:#f4f5f7;--card:#fff;--text:#1c2024;--soft:#5a6370;--line:#d9dde3;
--good:#176b3a;--calm:#1257b0;--warn:#855300;--bad:#b3202c;--bar:#bcd0ec;
--good-in:#e3f4e9;--calm-in:#e4eefb;--warn-in:#fdf0d5;--bad-in:#fce8e9}
@media(prefers-color-scheme:dark){:root{--page:#101317;--card:#191d23;--text:#e8eaed;--soft:#a3acb8;--line:#343b45;
--good:#6fd394;--calm:#82b4ff;--warn:#f0b95a;--bad:#ff8d8d;--bar:#33517c;
--good-in:#14301f;--calm-in:#152a47;--warn-in:#36280d;--bad-in:#42191c}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:66rem;margin:0 auto;padding:1.5rem 1rem 3rem}
section,header{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1.1rem 1.3rem;
margin:0 0 1rem}
h1,h2,h3{line-height:1.25;margin:0}h1{font-size:1.6rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin-bottom:.7rem}
h2 small{font-size:.9rem;font-weight:400;color:var(--soft);margin-left:.4rem}
h3{font-size:.95rem;margin:.9rem 0 .3rem}p{margin:.4rem 0}a{color:var(--calm)}
code{font:.9em/1.45 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
.soft{color:var(--soft)}p.soft{font-size:.88rem;max-width:48rem}.good{--tone:var(--good);--in:var(--good-in)}.calm{--tone:var(--calm);--in:var(--calm-in)}
.warn{--tone:var(--warn);--in:var(--warn-in)}.bad{--tone:var(--bad);--in:var(--bad-in)}
.tag{display:inline-block;color:var(--tone);background:var(--in);border:1px solid currentColor;border-radius:1rem;
padding:0 .6rem;font-size:.85rem;font-weight:600;white-space:nowrap}
.top{display:flex;flex-wrap:wrap;gap:.4rem .9rem;align-items:center}
.top .tag{font-size:1.05rem;padding:.1rem .9rem}
.said{font-size:1.1rem;margin:.7rem 0 1rem;max-width:48rem}
.route{display:flex;flex-wrap:wrap;gap:.6rem 1.2rem;margin:0}
.route div{border-left:.25rem solid var(--line);padding-left:.7rem}
dt{color:var(--soft);font-size:.85rem}dd{margin:0;overflow-wrap:anywhere}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(12rem,1fr));gap:.7rem 1.2rem;margin:0}
.blocker h3{margin-top:0}td .tag{margin:.06rem 0}
.blocker{border-left:.3rem solid var(--tone);padding:.1rem 0 .1rem .9rem;margin:.8rem 0}
table{border-collapse:collapse;width:100%;font-size:.93rem}
th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid var(--line);
overflow-wrap:anywhere}
th:first-child{padding-left:0}td:last-child,thead th:last-child{padding-right:0}
thead th{color:var(--soft);font-size:.82rem;white-space:nowrap;vertical-align:bottom}
tbody th{font-weight:500}tbody tr:last-child>*{border-bottom:0}
.on{display:block;color:var(--soft);font-size:.9rem}
.num{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.sizes td:last-child,.sizes th:last-child{width:40%}
.bar{display:block;height:.75rem;min-width:2px;background:var(--bar);border-radius:0 .2rem .2rem 0;margin-top:.4rem}
ol,ul{list-style:none;margin:0;padding:0}.statements li{padding:.25rem 0;display:flex;gap:.8rem;align-items:flex-start}
.statements .tag{flex:0 0 5.2rem}
.major{display:grid;grid-template-columns:5.2rem 1fr;gap:0 .6rem;padding:.6rem 0;border-top:1px solid var(--line)}
.major:first-child{border-top:0;padding-top:0}.major>h3{margin:.05rem 0 0}
.releases{display:flex;flex-wrap:wrap;gap:.55rem .9rem}
.releases>li{font-size:.78rem;line-height:1.3;color:var(--soft);font-variant-numeric:tabular-nums}
.releases strong{display:block;color:var(--text);font-weight:600}
.marks{display:flex;gap:.22rem;height:1.25rem;align-items:center}
.mark{display:inline-block;width:1rem;height:1rem;border-radius:50%;border:2px solid var(--tone);flex:none}
.mark.done{--tone:var(--good);background:var(--good)}
.mark.half{--tone:var(--bad);background:linear-gradient(90deg,var(--bad) 50%,transparent 50%)}
.mark.pending{--tone:var(--calm);border-width:3px}
.mark.future{--tone:var(--soft);border:2px dotted var(--soft);width:.8rem;height:.8rem}
.mark.here{box-shadow:0 0 0 2px var(--card),0 0 0 4px var(--text);margin:0 .2rem}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;font-size:.88rem;margin:0 0 .9rem}
.legend li{display:flex;gap:.4rem;align-items:center}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
details{margin-top:.8rem}summary{cursor:pointer;color:var(--calm);font-size:.93rem}
@media print,(min-width:50.01rem){.cards{overflow-x:auto}.cards th:first-child{width:45%}
.cards.even th:first-child{width:auto}
.cards :is(th,td,code){overflow-wrap:break-word}}
@media screen and (max-width:50rem){main{padding:.6rem .5rem 2rem}section,header{padding:.9rem}h1{font-size:1.35rem}
.major{grid-template-columns:1fr;gap:.3rem}
.cards thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.cards table,.cards tbody,.cards tr,.cards tr>*{display:block;width:auto}
.cards tbody tr{padding:.6rem 0;border-bottom:1px solid var(--line)}.cards tbody tr:last-child{border:0}
.cards tr>*{border:0;padding:.1rem 0;text-align:left;white-space:normal}
.cards td{padding-left:6.5rem;min-height:1.6rem;position:relative}
.cards td:empty{display:none}
.cards td::before{content:attr(data-label);color:var(--soft);font-size:.85rem;position:absolute;left:0}
.statements.steps li{flex-direction:column;gap:.2rem}.statements .tag{flex:none}
.sizes :is(table,thead,tbody){display:block}
.sizes tr{display:grid;grid-template-columns:1fr 6rem 5.5rem;border-bottom:1px solid var(--line)}
.sizes tr>*{border:0}.sizes tbody tr>*{padding-bottom:.1rem}
.sizes tr>:last-child{grid-column:1/-1;width:auto;padding:0 0 .4rem}.sizes thead tr>:last-child{display:none}
.sizes tr>:nth-child(3){padding-right:0}}
@media print{:root{color-scheme:light;--page:#fff}body{font-size:10pt}main{max-width:none;padding:0}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
section,header{border-width:1px 0 0;border-radius:0;padding:.8rem 0}h2,h3{break-after:avoid}
tr,.blocker,.releases>li{break-inside:avoid}}
"""


def _h(value: Any) -> str:
    return html.escape(_clean(value))


def _code(value: Any) -> str:
    return f"<code>{_h(value)}</code>"


def _tag(word: Any, tone: str) -> str:
    return f'<span class="tag {tone}">{_h(word)}</span>'


def _html_table(header: Sequence[str], rows: Iterable[Sequence[str]], kind: str, caption: str) -> str:
    """A table of cells that are HTML, those below a header that begins with > to the right.

    The roles keep it a table to screen readers where the style of a phone shows its rows as cards.
    """
    names = [_h(name.lstrip(">")) for name in header]
    classes = [' class="num"' if name.startswith(">") else "" for name in header]
    head = "".join(
        f'<th scope="col" role="columnheader"{style}>{name}</th>' for name, style in zip(names, classes)
    )
    body = []
    for first, *others in rows:
        cells = "".join(
            f'<td role="cell" data-label="{name}"{style}>{cell}</td>'
            for name, style, cell in zip(names[1:], classes[1:], others)
        )
        body.append(f'<tr role="row"><th scope="row" role="rowheader">{first}</th>{cells}</tr>')
    return (
        f'<div class="{kind}"><table role="table"><caption class="hidden">{_h(caption)}</caption>'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{"".join(body)}</tbody></table></div>'
    )


def _section(title: str, body: str, note: str = "") -> str:
    small = f" <small>{_h(note)}</small>" if note else ""
    return f"<section><h2>{title}{small}</h2>{body}</section>" if body else ""


def html_report(info: Mapping[str, Any], host: str = "", time: Any = "") -> str:
    title = f"{_store(info, host)}: {_state(info)}"
    sections = [
        _html_headline(info, host, time),
        _html_blockers(info),
        _html_blockers(info, True),
        _html_half(info),
        _html_timeline(info),
        _html_pending(info),
        _html_drift(info),
        _html_tables(info),
        _html_server(info),
    ]
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
            "style-src 'unsafe-inline'\">",
            f"<title>MLflow store {_h(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>",
            *filter(None, sections),
            "</main>\n</body>\n</html>\n",
        ]
    )


def _html_headline(info: Mapping[str, Any], host: str, time: Any) -> str:
    sign, tone = STATES.get(info["state"], STATES["unknown"])
    route = []
    for name, (revision, releases) in (("The store", _at(info)), ("Wanted", _wanted(info))):
        more = f"<br>{_h(releases)}" if releases else ""
        route.append(f"<div><dt>{name}</dt><dd>{_code(revision)}{more}</dd></div>")
    if time:
        route.append(f"<div><dt>Read at</dt><dd>{_h(time)}</dd></div>")
    clear = f'<p class="soft">{_h(_clear(info))}</p>' if _clear(info) else ""
    return (
        f'<header><div class="top"><h1>MLflow store {_h(_store(info, host))}</h1>'
        f"{_tag(f'{sign} {_state(info)}', tone)}</div>"
        f'<p class="said">{_h(info.get("message") or "")}</p><dl class="route">{"".join(route)}</dl>{clear}</header>'
    )


def _html_blockers(info: Mapping[str, Any], warnings: bool = False) -> str:
    found = []
    for blocker in _severity(info, warnings):
        severity = _clean(blocker.get("severity") or "error")
        tone, sign = ("warn", "!") if severity == "warning" else ("bad", "✕")
        remedy = f"<p><strong>Remedy:</strong> {_h(blocker['remedy'])}</p>" if blocker.get("remedy") else ""
        found.append(
            f'<div class="blocker {tone}"><h3>{_tag(f"{sign} {severity}", tone)} {_h(blocker.get("name"))}</h3>'
            f"<p>{_h(blocker.get('message'))}</p>{remedy}</div>"
        )
    return _section("Warnings" if warnings else "Blockers", "".join(found), _count(len(found)))


def _html_half(info: Mapping[str, Any]) -> str:
    half = info.get("half_applied")
    if not half:
        return ""
    lines = [
        f"<li>{_tag(word, tone)} {_code(statement)}</li>"
        for key, word, tone in (("done", "✓ done", "good"), ("todo", "○ to do", "warn"))
        for statement in _list(half, key)
    ]
    about = f"<p>{_code(half['revision'])} {_h(half.get('title') or '')}</p>"
    return _section("Half applied", f'{about}<ul class="statements steps">{"".join(lines)}</ul>')


def _marked(info: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Each revision with its mark. None where the store is not at one of them: nothing is known then."""
    history = _list(info, "revisions")
    order = [one["revision"] for one in history]
    half = (info.get("half_applied") or {}).get("revision")
    if info.get("revision") in order:
        at = order.index(info["revision"])
    elif half in order or info["state"] == "empty":
        at = order.index(half) - 1 if half in order else -1
    else:
        return []
    head = order.index(info["head"]) if info.get("head") in order else len(order) - 1
    return [
        (
            "half"
            if one["revision"] == half
            else "done"
            if number <= at
            else "pending"
            if number <= head
            else "future",
            one,
        )
        for number, one in enumerate(history)
    ]


def _html_timeline(info: Mapping[str, Any]) -> str:
    marked = _marked(info)
    if not marked:
        return ""
    total = Counter(mark for mark, _one in marked)
    legend = "".join(
        f'<li><span class="mark {mark}"></span>{total[mark]} {words}</li>'
        for mark, words in MARKS.items()
        if total[mark]
    )

    def release(pair: tuple[str, Mapping[str, Any]]) -> str:
        return _clean(pair[1].get("mlflow_version") or "unreleased")

    majors: dict[str, list[str]] = {}
    for version, pairs in groupby(marked, release):
        marks, names = [], []
        for mark, one in pairs:
            here = [
                word
                for word, key in (("store", "revision"), ("wanted", "head"))
                if info.get(key) == one["revision"]
            ]
            names += here
            title = _h(f"{one['revision']} {one.get('title') or ''}: {', '.join([MARKS[mark], *here])}")
            marks.append(
                f'<li class="mark {mark}{" here" if here else ""}" title="{title}">'
                f'<span class="hidden">{title}</span></li>'
            )
        below = f"<strong>{', '.join(names)}</strong>" if names else ""
        majors.setdefault(version.split(".")[0], []).append(
            f'<li><ol class="marks">{"".join(marks)}</ol>{_h(version)}{below}</li>'
        )
    lines = "".join(
        f'<div class="major"><h3>{"MLflow " if major.isdigit() else ""}{_h(major)}</h3>'
        f'<ol class="releases">{"".join(releases)}</ol></div>'
        for major, releases in majors.items()
    )
    rows = [
        (_code(one["revision"]), _h(one.get("title") or ""), _h(release((mark, one))), MARKS[mark])
        for mark, one in marked
    ]
    table = _html_table(["Revision", "Title", "First MLflow", "State"], rows, "cards", "All revisions")
    return _section(
        "Revisions by the MLflow that brought them",
        f'<ul class="legend">{legend}</ul>{lines}<details><summary>All {len(rows)} revisions as a table'
        f"</summary>{table}</details>",
    )


def _on(step: Mapping[str, Any]) -> str:
    tables = ", ".join(map(_clean, _list(step, "tables")))
    return f'<span class="on">on {_code(tables)}</span>' if tables else ""


def _html_pending(info: Mapping[str, Any]) -> str:
    tones = {"additive": "good", "rebuild": "warn", "data": "warn", "destructive": "bad"}
    pending = _pending(info)
    rows = [
        (
            f"{_h(step.get('title') or '')}<br>{_code(step['revision'])}{_on(step)}",
            _h(step.get("mlflow_version") or "?"),
            " ".join(_tag(kind, tones.get(kind, "calm")) for kind in _list(step, "kinds")),
            _online(step),
            _count(step.get("rows")),
        )
        for step in pending
    ]
    header = ["Revision, and the tables it changes", "First MLflow", "Kinds", ">Online", ">Rows"]
    table = _html_table(header, rows, "cards", "Pending revisions") if rows else ""
    estimated = "".join(f"<p>{_h(line)}</p>" for line in _estimated(info))
    return _section("Pending", estimated + table + KINDS if rows else "", _pending_total(pending))


def _html_drift(info: Mapping[str, Any]) -> str:
    drift = _list(info, "drift")
    signs = {"missing": "- ", "unexpected": "+ ", "changed": "≠ "}
    rows = [
        (
            _code(_thing(one)),
            _h(one.get("kind")),
            _tag(signs.get(one.get("problem", ""), "") + _clean(one.get("problem")), "bad"),
            _code(_side(one, "expected")) if one.get("expected") else '<span class="soft">none</span>',
            _code(_side(one, "actual")) if one.get("actual") else '<span class="soft">none</span>',
        )
        for one in drift
    ]
    header = ["Object", "Kind", "Problem", "Expected", "Actual"]
    table = _html_table(header, rows, "cards even", "Differences from MLflow's schema") if rows else ""
    return _section("Drift", table, _count(len(drift), "difference"))


def _html_tables(info: Mapping[str, Any]) -> str:
    tables = _by_size(info)
    if not tables:
        return ""
    largest = max(tables[0].get("bytes") or 0, 1)
    rows = [
        (
            _code(table["name"]),
            _count(table.get("rows")),
            _size(table.get("bytes")),
            f'<span class="bar" style="width:{100 * (table.get("bytes") or 0) / largest:.1f}%"></span>',
        )
        for table in tables
    ]
    header = ["Table", ">Rows", ">Size", "To scale"]
    body = _html_table(header, rows[:TOP], "sizes", "The largest tables")
    if rows[TOP:]:
        rest = _html_table(header, rows[TOP:], "sizes", "The other tables")
        body += (
            f"<details><summary>{_count(len(rows) - TOP)} smaller ones, together "
            f"{_tables_total(tables[TOP:])[2]}</summary>{rest}</details>"
        )
    number, count, size = _tables_total(tables)
    return _section("Tables by size", body, f"{number}, about {count} rows, {size}")


def _fact(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_fact(one)}" for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_fact, value))
    return "" if value is None else str(value)


def _html_server(info: Mapping[str, Any]) -> str:
    facts = "".join(
        f"<div><dt>{_h(str(name).replace('_', ' '))}</dt><dd>{_h(_fact(value))}</dd></div>"
        for name, value in (info.get("server") or {}).items()
        if _fact(value)
    )
    return _section("Server", f'<dl class="facts">{facts}</dl>' if facts else "")


def mlflow_schema_report(info: Mapping[str, Any], *args: Any, **kwargs: Any) -> str:
    """`schema_report` with the errors of a filter."""
    try:
        return schema_report(info, *args, **kwargs)
    except KeyError as error:
        raise AnsibleFilterError(f"mlflow_schema_report: the input has no {error}") from error
    except (BadInput, TypeError) as error:
        raise AnsibleFilterError(f"mlflow_schema_report: {error}") from error
