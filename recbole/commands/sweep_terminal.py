"""A sweep in the terminal: lines and a bar while it goes, a table of means at its end."""

from __future__ import annotations

from statistics import fmean, stdev

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from recbole.errors import RecBoleError
from recbole.sweep.monitor import Monitor, duration, groups
from recbole.sweep.plan import Plan
from recbole.sweep.sweep import sweep
from recbole.sweep.table import ResultsTable, Row, has_failed

_WIDTH_OF_A_FILE = 160


class RunsFailed(RecBoleError):  # noqa: N818 - a result, not a mistake of the program
    """Some runs of a sweep failed; the others are done."""

    exit_code = 1


def watched(plan: Plan, table: ResultsTable, jobs: int) -> Monitor:
    """Run a sweep with a bar, where somebody is watching, and a line for each run."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("sweep"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("sweep", total=len(plan.cells), note="")

        def draw(monitor: Monitor) -> None:
            seconds = monitor.left(jobs)
            failed = f"{len(monitor.failed)} failed, " if monitor.failed else ""
            left = "time left unknown" if seconds is None else f"about {duration(seconds)} left"
            bar.update(task, completed=len(monitor.ended), note=failed + left)

        def say(line: str) -> None:
            console.print(Text(line), soft_wrap=True)

        return sweep(plan, table, jobs, say, draw)


def finish(monitor: Monitor, plan: Plan, table: ResultsTable) -> None:
    """Print what came of a sweep.

    Raises:
        RunsFailed: runs failed, or could not be begun; the message lists them.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_OF_A_FILE)
    console.print(_summary(plan, monitor.ended))
    run = len(monitor.ended) - monitor.at_start
    console.print(
        Text(
            f"{len(monitor.ended)} of {len(plan.cells) + len(plan.without_data)} runs have ended,"
            f" {run} of them now; results: {table.folder / 'results.parquet'}"
        ),
        soft_wrap=True,
    )
    faults = [f"{plan.cells[row.key]} failed: {row.error}" for row in monitor.failed]
    faults += [f"{cell} was not run: {reason}" for cell, reason in plan.without_data.items()]
    for row in monitor.ended.values():
        faults += [
            f"{plan.cells[row.key]}: {name} could not be measured: {measure['error']}"
            for name, measure in row.measures.items()
            if has_failed(measure)
        ]
    if faults:
        raise RunsFailed("\n".join([*faults, "--retry tries what failed once more."]))


def _summary(plan: Plan, rows: dict[str, Row]) -> Table:
    """A line for each data set, model and variant: the test metrics over the seeds."""
    found = groups(plan, rows)
    metrics = list(
        dict.fromkeys(name for some in found.values() for row in some for name in row.test)
    )
    table = Table("data set", "model", "variant", "seeds")
    for name in metrics[:4]:
        table.add_column(name, justify="right")
    table.add_column("epochs", justify="right")
    for (dataset, model, variant), some in found.items():
        cells = [_spread([row.test.get(name) for row in some]) for name in metrics[:4]]
        epochs = f"{fmean(row.epochs for row in some):.0f}"
        table.add_row(*map(Text, (dataset, model, variant, str(len(some)), *cells, epochs)))
    return table


def _spread(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    deviation = f" ± {stdev(known):.4f}" if len(known) > 1 else ""
    return f"{fmean(known):.4f}{deviation}"
