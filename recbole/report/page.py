"""The report as one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from recbole.report.entries import Entry, ReportTable
from recbole.report.figures import Picture, ReportFigure
from recbole.report.page_parts import SCRIPT, STYLE
from recbole.utils.web_page import web_page

_CONTENT = """\
<h1>{title}</h1>
{lead}
<nav aria-label="Contents"><ul>{contents}</ul></nav>
{sections}"""


def page(
    title: str,
    lead: Sequence[str],
    tables: Sequence[ReportTable],
    figures: Sequence[ReportFigure],
    runs: ReportTable,
    environment: Mapping[str, str],
    missing: Sequence[str],
) -> str:
    """The page as text; whatever comes from data, options or errors is escaped.

    Args:
        title: its heading.
        lead: paragraphs below it.
        tables, figures: in their order.
        runs: a row for each run, whose first entry is its id.
        environment: what the runs ran on.
        missing: what was to be run and has no result, with the reason.
    """
    parts = [(table.name, table.title, _table(table)) for table in tables]
    parts += [(figure.name, figure.title, _figure(figure)) for figure in figures]
    parts.append(("missing", "What was not run", _missing(missing)))
    parts.append((runs.name, runs.title, _table(runs, identify=True)))
    parts.append(("environment", "Environment", _environment(environment)))
    sections = [
        f'<section id="{name}" aria-labelledby="h-{name}"><h2 id="h-{name}">{escape(heading)}</h2>'
        f"\n{body}</section>"
        for name, heading, body in parts
    ]
    content = _CONTENT.format(
        title=escape(title),
        lead="\n".join(f'<p class="lead">{escape(line)}</p>' for line in lead),
        contents="".join(f'<li><a href="#{n}">{escape(h)}</a></li>' for n, h, _ in parts),
        sections="\n".join(sections),
    )
    return web_page(title, content, STYLE, SCRIPT)


def _table(table: ReportTable, identify: bool = False) -> str:
    if not table.rows:
        return '<p class="none">Not run.</p>'
    heads = "".join(
        f'<th scope="col"><button type="button">{escape(name)}</button></th>'
        for name in table.columns
    )
    rows = []
    for row in table.rows:
        identity = f' id="run-{escape(row[0].text)}"' if identify else ""
        rows.append(f"<tr{identity}>{''.join(map(_cell, row))}</tr>")
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(table.title)}">'
        f"<table><thead><tr>{heads}</tr></thead>\n<tbody>\n{chr(10).join(rows)}\n</tbody></table>"
        f"</div>\n{note}"
    )


def _cell(entry: Entry) -> str:
    shown = escape(entry.text)
    if entry.runs:
        shown = _linked(shown, entry.runs)
    if entry.value is None:
        return f"<td>{shown}</td>"
    return f'<td class="number" data-value="{entry.value!r}">{shown}</td>'


def _linked(shown: str, runs: Iterable[str]) -> str:
    """A number that leads to the runs behind it."""
    ids = list(dict.fromkeys(runs))
    title = f"{len(ids)} run{'s' if len(ids) > 1 else ''}: {', '.join(ids)}"
    return (
        f'<a href="#run-{ids[0]}" data-runs="{" ".join(ids)}" title="{escape(title)}">{shown}</a>'
    )


def _figure(figure: ReportFigure) -> str:
    pictures = "\n".join(map(_picture, figure.pictures)) or '<p class="none">Not run.</p>'
    return f'<div class="pictures">{pictures}</div>\n<p class="note">{escape(figure.note)}</p>'


def _picture(picture: Picture) -> str:
    if picture.svg is None:
        return (
            f"<figure><figcaption>{escape(picture.title)}</figcaption>"
            f'<p class="none">{escape(picture.description.capitalize())}.</p></figure>'
        )
    data = base64.b64encode(picture.svg.encode()).decode()
    caption = _linked(escape(picture.title), picture.runs)
    return (
        f'<figure><img alt="{escape(picture.title)}. {escape(picture.description)}"'
        f' src="data:image/svg+xml;base64,{data}"><figcaption>{caption}</figcaption>'
        f"<details><summary>In numbers</summary><p>{escape(picture.description)}</p></details>"
        "</figure>"
    )


def _missing(missing: Sequence[str]) -> str:
    if not missing:
        return "<p>Everything that was to be run has been run.</p>"
    lines = "".join(f"<li>{escape(line)}</li>" for line in missing)
    return f"<details><summary>{len(missing)} runs</summary><ul>{lines}</ul></details>"


def _environment(environment: Mapping[str, str]) -> str:
    lines = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in environment.items()
    )
    return f"<dl>{lines}</dl>"
