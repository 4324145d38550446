"""Figures with their spread, ratios of paired figures, and Markdown tables."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from scipy.stats import quantile_test


@dataclass(frozen=True)
class Spread:
    """What repeated measurements of one figure gave."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of some values.

        Raises:
            ValueError: there are none.
        """
        found = list(values)
        if not found:
            raise ValueError("expected at least one value, got none")
        return cls(statistics.median(found), min(found), max(found), len(found))

    def text(self, form: str = ",.0f") -> str:
        """Median (lowest–highest), each in `form`."""
        return f"{self.median:{form}} ({self.low:{form}}–{self.high:{form}})"

    def to_dict(self) -> dict[str, float]:
        """Plain data for a json file."""
        return asdict(self)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """How many times ours is theirs, from figures measured in pairs, one right after the other.

    Each pair gives a ratio, so that a machine that slows down between two pairs changes none.

    Raises:
        ValueError: there are not as many of one as of the other.
    """
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """The spread of `ratios`; raises what that does."""
    return Spread.of(ratios(ours, theirs))


def median_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float] | None:
    """Between which of its values a sample's true median lies, whatever its distribution.

    Order statistics by the binomial distribution; None for a sample too small for the level, which
    for 95 % is one of less than six.
    """
    low, high = quantile_test(values, p=0.5).confidence_interval(level)
    return None if math.isnan(low) or math.isnan(high) else (float(low), float(high))


def geometric_mean(values: Iterable[float]) -> float:
    """The mean that a list of ratios has: the same whichever side is divided by which."""
    logs = [math.log(value) for value in values]
    return math.exp(statistics.fmean(logs))


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
