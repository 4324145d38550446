"""A sweep in the terminal: lines and a bar while it goes, a table of means at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from recbole.errors import RecBoleError
from recbole.report.statistics import Comparison, Sample
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


def finish(monitor: Monitor, plan: Plan, table: ResultsTable, baseline: str | None = None) -> None:
    """Print what came of a sweep, and how its variants differ from a baseline among them.

    Raises:
        RunsFailed: runs failed, or could not be begun; the message lists them.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_OF_A_FILE)
    console.print(_summary(plan, monitor.ended))
    if baseline is not None:
        changes = _changes(plan, monitor.ended, baseline)
        if changes.row_count:
            console.print(changes)
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
            if has_failed(measure) and name in plan.cells[row.key].measures
        ]
    if faults:
        raise RunsFailed("\n".join([*faults, "--retry tries what failed once more."]))


def _summary(plan: Plan, rows: dict[str, Row]) -> Table:
    """A line for each data set, model and variant: the test metrics over the seeds."""
    found = groups(plan, rows)
    metrics = _metrics(found)
    table = _table("seeds", metrics)
    table.add_column("epochs", justify="right")
    for (dataset, model, variant), some in found.items():
        cells = [_spread(_sample(some, name)) for name in metrics]
        epochs = f"{fmean(row.epochs for row in some):.0f}"
        table.add_row(*map(Text, (dataset, model, variant, str(len(some)), *cells, epochs)))
    return table


def _changes(plan: Plan, rows: dict[str, Row], baseline: str) -> Table:
    """A line for each other variant: the test metrics less the baseline's under the same seed."""
    found = groups(plan, rows)
    metrics = _metrics(found)
    table = _table("seeds of both", metrics)
    table.title = f"against {baseline}, seed by seed"
    for (dataset, model, variant), some in found.items():
        others = found.get((dataset, model, baseline), [])
        if variant == baseline or not others:
            continue
        compared = [Comparison.of(_sample(others, name), _sample(some, name)) for name in metrics]
        shared = len({row.seed for row in some} & {row.seed for row in others})
        cells = [_spread(of_metric.change, signed=True) for of_metric in compared]
        table.add_row(*map(Text, (dataset, model, variant, str(shared), *cells)))
    return table


def _metrics(found: Mapping[tuple[str, str, str], Sequence[Row]]) -> list[str]:
    """The metrics that there is room for."""
    names = (name for some in found.values() for row in some for name in row.test)
    return list(dict.fromkeys(names))[:4]


def _table(seeds: str, metrics: Sequence[str]) -> Table:
    table = Table("data set", "model", "variant", seeds)
    for name in metrics:
        table.add_column(name, justify="right")
    return table


def _sample(rows: Sequence[Row], metric: str) -> Sample:
    return Sample.known({row.seed: row.test.get(metric) for row in rows})


def _spread(sample: Sample, signed: bool = False) -> str:
    if sample.mean is None:
        return "–"
    deviation = "" if sample.deviation is None else f" ± {sample.deviation:.4f}"
    return f"{sample.mean:{'+' if signed else ''}.4f}{deviation}"
