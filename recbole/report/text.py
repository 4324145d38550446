"""Tables of the report as Markdown and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from recbole.report.entries import ReportTable


def markdown(table: ReportTable) -> str:
    """A heading, the table, the note."""
    lines = [f"## {table.title}", "", _line(table.columns), _line(["---"] * len(table.columns))]
    lines += [_line([entry.text for entry in row]) for row in table.rows]
    if not table.rows:
        lines.append(_line(["not run", *[""] * (len(table.columns) - 1)]))
    return "\n".join([*lines, "", table.note, ""])


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
