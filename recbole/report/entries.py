"""Tables as plain cells, which the page, Markdown and CSV are made of; how a number is written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recbole.report.statistics import Sample

NOT_RUN = "not run"


@dataclass(frozen=True)
class Entry:
    """One cell of a table.

    Attributes:
        text: as it is read.
        value: what it is sorted by, where that is a number.
        runs: the ids of the runs behind it.
    """

    text: str
    value: float | None = None
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportTable:
    """A table of the report.

    Attributes:
        name: for file names and links, such as table-1.
        title: what it is.
        columns: their headings.
        rows: of as many entries.
        note: what a reader has to know, in a sentence or two.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Entry]]
    note: str = ""


def spread(sample: Sample, digits: int, runs: Iterable[str] = ()) -> Entry:
    """Mean ± standard deviation with some decimals."""
    if sample.mean is None:
        return Entry(NOT_RUN)
    text = f"{sample.mean:.{digits}f}"
    if sample.deviation is not None:
        text += f" ± {sample.deviation:.{digits}f}"
    return Entry(text, sample.mean, tuple(runs))


def significant(sample: Sample, runs: Iterable[str] = ()) -> Entry:
    """Mean ± standard deviation with three significant digits."""
    if sample.mean is None:
        return Entry(NOT_RUN)
    text = three_digits(sample.mean)
    if sample.deviation is not None:
        text += f" ± {sample.deviation:.1g}"
    return Entry(text, sample.mean, tuple(runs))


def three_digits(value: float) -> str:
    """A number with three significant digits, or all those before the point: 0.0123, 1,301."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def change(percent: float | None, runs: Iterable[str] = ()) -> Entry:
    """A relative change in %, with its sign."""
    return Entry("–") if percent is None else Entry(f"{percent:+.2f}", percent, tuple(runs))


def probability(value: float | None, runs: Iterable[str] = ()) -> Entry:
    """A p-value."""
    if value is None or math.isnan(value):
        return Entry("–")
    return Entry(f"{value:.3f}" if value >= 0.001 else "< 0.001", value, tuple(runs))
