"""The report of a reproduction: a page, and its tables as Markdown and as CSV."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

from recbole.data.staging import replacing
from recbole.report.entries import Entry, ReportTable
from recbole.report.figures import all_figures
from recbole.report.page import page
from recbole.report.paper import PaperFigures
from recbole.report.reproduction import ORIGINAL, RATIO, SMOOTH, Reproduction
from recbole.report.results import Results, test_metric
from recbole.report.statistics import Comparison
from recbole.report.tables import all_tables
from recbole.report.text import comma_separated, figure_markdown, listed, markdown
from recbole.sweep.monitor import duration
from recbole.sweep.option_text import option_text
from recbole.sweep.table import ResultsTable


def write_report(reproduction: Reproduction, table: ResultsTable, folder: str | Path) -> Path:
    """Write `report.html`, and `report.md` with its figures; return the page's path.

    A figure of `report.md` is an `.svg` beside it, and each table is there as a `.csv`, too.

    What has no result yet is said to be not run.

    Raises:
        ConfigError: SciPy or matplotlib is not installed.
        DataError: the data set is not there; a run is told by its data.
    """
    folder = Path(folder)
    results = Results.read(reproduction, table)
    tables = all_tables(results, PaperFigures.of(reproduction.dataset))
    runs = _runs(results)
    lead = _lead(results)
    title = f"Scaled supervision on {reproduction.dataset}: a reproduction"
    figures = all_figures(results)
    missing = [f"{cell}: {reason}" for cell, reason in results.unfinished.items()]
    text = page(
        title,
        lead,
        tables,
        figures,
        runs,
        _environment(results, table),
        missing,
    )
    for one in (*tables, runs):
        _write(folder / f"{one.name}.csv", comma_separated(one))
    for figure in figures:
        for picture, name in zip(figure.pictures, figure.files, strict=True):
            if picture.svg is not None:
                _write(folder / name, picture.svg)
    said = "\n\n".join([f"# {title}", *lead])
    parts = [*map(markdown, tables), *map(figure_markdown, figures), markdown(runs)]
    parts.append(listed("What was not run", missing))
    _write(folder / "report.md", "\n".join([said, "", *parts]))
    _write(folder / "report.html", text)
    return folder / "report.html"


def _lead(results: Results) -> list[str]:
    """What the reader is looking at, and the finding in a sentence."""
    reproduction = results.reproduction
    lines = [
        "Ouyang et al., Scaled Supervision is an Implicit Lipschitz Regularizer (ICWSM 2025):"
        " models trained on clicks (original), and with a rating head on"
        f" {RATIO:g} CE(rating) + {1 - RATIO:.1g} BCE(click) (smooth)."
        " Each number leads to the runs behind it."
    ]
    if reproduction.quick:
        lines.append(
            "This is the short form, with few models, seeds and epochs: it shows that everything"
            " works, and says nothing about the paper's claim."
        )
    if reproduction.options:
        given = (f"{name}={option_text(v)}" for name, v in reproduction.options.items())
        lines.append(f"Options of every run: {' '.join(given)}")
    changes = {}
    for model in reproduction.models:
        read = test_metric("auc")
        compared = Comparison.of(
            results.sample(model, ORIGINAL, read), results.sample(model, SMOOTH, read)
        )
        if compared.change_percent is not None:
            changes[model] = compared.change_percent
    if changes:
        better = [model for model, percent in changes.items() if percent > 0]
        mean = sum(changes.values()) / len(changes)
        lines.append(
            f"AUC rises for {len(better)} of {len(changes)} models, by {mean:+.2f} % on average."
        )
    else:
        lines.append("No model has been run with both heads yet.")
    if results.unfinished:
        lines.append(f"{len(results.unfinished)} of the runs have no result; see below.")
    return lines


def _runs(results: Results) -> ReportTable:
    """A line for each run."""
    rows = []
    for row in results.every_row():
        auc, loss = row.test.get("auc"), row.test.get("logloss")
        rows.append(
            [
                Entry(row.key),
                Entry(row.model),
                Entry(row.variant),
                Entry(str(row.seed), row.seed),
                Entry("–" if auc is None else f"{auc:.4f}", auc),
                Entry("–" if loss is None else f"{loss:.4f}", loss),
                Entry(str(row.epochs), row.epochs),
                Entry(f"{row.seconds:.0f}", row.seconds),
                Entry(row.device),
                Entry(row.ended),
                Entry(row.command),
            ]
        )
    columns = ["run", "model", "variant", "seed", "AUC", "LogLoss", "epochs"]
    columns += ["seconds", "device", "ended", "command"]
    return ReportTable("runs", "Runs", columns, rows, "AUC and LogLoss of the test part.")


def _environment(results: Results, table: ResultsTable) -> dict[str, str]:
    rows = results.every_row()
    versions = {name: Counter(row.versions.get(name, "") for row in rows) for name in _VERSIONS}
    return {
        "Written": datetime.now().astimezone().isoformat(timespec="minutes"),
        "Results": str(table.folder),
        "Runs": f"{len(rows)}, {duration(sum(row.seconds for row in rows))} of computation",
        "Devices": _listed(Counter(row.device for row in rows)),
        **{name: _listed(found) for name, found in versions.items()},
    }


_VERSIONS = ("recbole", "python", "torch", "numpy", "pyarrow", "platform")


def _listed(found: Counter[str]) -> str:
    if len(found) == 1:
        return next(iter(found))
    return ", ".join(f"{name} ({count} runs)" for name, count in found.items()) or "–"


def _write(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
