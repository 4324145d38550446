"""The report as Markdown, and its tables as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from recbole.report.entries import ReportTable
from recbole.report.figures import ReportFigure


def markdown(table: ReportTable) -> str:
    """A heading, the table, the note."""
    lines = [f"## {table.title}", "", _line(table.columns), _line(["---"] * len(table.columns))]
    lines += [_line([entry.text for entry in row]) for row in table.rows]
    if not table.rows:
        lines.append(_line(["not run", *[""] * (len(table.columns) - 1)]))
    return "\n".join([*lines, "", table.note, ""])


def figure_markdown(figure: ReportFigure) -> str:
    """A heading, each picture as a link to its file with its figures in words, the note."""
    lines = [f"## {figure.title}", ""]
    for picture, name in zip(figure.pictures, figure.files, strict=True):
        shown = f"![{picture.title}]({name})\n\n" if picture.svg is not None else ""
        lines += [f"{shown}{picture.title}: {picture.description}.", ""]
    return "\n".join([*lines, figure.note, ""])


def listed(title: str, lines: Sequence[str]) -> str:
    """A heading and a list; nothing where there is nothing to list."""
    points = (f"- {' '.join(line.split())}" for line in lines)
    return "\n".join([f"## {title}", "", *points, ""]) if lines else ""


def comma_separated(table: ReportTable) -> str:
    """All cells as read, with the runs behind each row in a last column."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*table.columns, "runs"])
    for row in table.rows:
        runs = dict.fromkeys(key for entry in row for key in entry.runs)
        writer.writerow([*(entry.text for entry in row), " ".join(runs)])
    return text.getvalue()


def _line(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(escaped)} |"
