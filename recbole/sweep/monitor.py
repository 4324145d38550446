"""What a sweep tells while it goes: a line for each cell that has ended, and the time left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from recbole.sweep.cell import Cell
from recbole.sweep.plan import Plan
from recbole.sweep.table import FAILED, FINISHED, ResultsTable, Row


class Monitor:
    """Follows the rows of a sweep, whichever process or machine writes them.

    Args:
        plan: the sweep.
        table: where its rows appear.
        say: takes a line.
    """

    def __init__(self, plan: Plan, table: ResultsTable, say: Callable[[str], None]) -> None:
        self.plan, self.table, self._say = plan, table, say
        self.ended: dict[str, Row] = {}
        for key in plan.cells:
            self._look(key)
        self.at_start = len(self.ended)

    @property
    def failed(self) -> list[Row]:
        """The rows of the cells that failed."""
        return [row for row in self.ended.values() if row.status == FAILED]

    def update(self, jobs: int) -> None:
        """Tell of the cells that have ended since the last call."""
        for key in self.plan.cells:
            if key not in self.ended and (row := self._look(key)) is not None:
                self._say(
                    f"[{len(self.ended)}/{len(self.plan.cells)}] {self._line(key, row, jobs)}"
                )

    def left(self, jobs: int) -> float | None:
        """Seconds that the cells still to be run will take; None before any has ended."""
        waiting = [cell for key, cell in self.plan.cells.items() if key not in self.ended]
        return time_left(waiting, list(self.ended.values()), jobs)

    def _look(self, key: str) -> Row | None:
        row = self.table.row(key)
        if row is None or self.plan.is_due(key, row):
            return None
        self.ended[key] = row
        return row

    def _line(self, key: str, row: Row, jobs: int) -> str:
        cell = self.plan.cells[key]
        if row.status == FAILED:
            first = (row.error or "").splitlines()[0]
            said = f"failed: {first}"
        else:
            shown = {name: row.test.get(name) for name in list(row.test)[:2]}
            numbers = (f"{name} {value:.4f}" for name, value in shown.items() if value is not None)
            said = f"{', '.join(numbers)} ({row.epochs} epochs, {row.seconds:.0f} s)"
        seconds = self.left(jobs)
        left = f"; about {duration(seconds)} left" if seconds else ""
        return f"{cell}: {said}{left}"


def time_left(waiting: Sequence[Cell], ended: Sequence[Row], jobs: int) -> float | None:
    """Seconds until cells have run, `jobs` at a time, going by those that have ended.

    A cell is taken to last as long as others of its model and data set have, on average, or, where
    there are none, as all.
    """
    done = [row for row in ended if row.status == FINISHED and row.seconds > 0]
    if not done:
        return None
    overall = fmean(row.seconds for row in done)
    alike: dict[tuple[str, str], list[float]] = {}
    for row in done:
        alike.setdefault((row.dataset, row.model), []).append(row.seconds)
    expected = [fmean(alike.get((c.dataset, c.model), [overall])) for c in waiting]
    return max(sum(expected) / jobs, max(expected, default=0.0))


def duration(seconds: float) -> str:
    """Seconds in the words of a person: 40 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def groups(plan: Plan, rows: Mapping[str, Row]) -> dict[tuple[str, str, str], list[Row]]:
    """The finished rows of each data set, model and variant, over the seeds."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for key, cell in plan.cells.items():
        row = rows.get(key)
        if row is not None and row.status == FINISHED:
            found.setdefault((cell.dataset, cell.model, cell.variant), []).append(row)
    return found
