"""Intervals such as "[10,inf)" or "[0,3];(5,9]": which numbers an option lets through."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NUMBER = r"[+-]?(?:inf|\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)"
_INTERVAL = re.compile(rf"\s*([\[(])\s*({_NUMBER})\s*,\s*({_NUMBER})\s*([\])])\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Interval:
    """One interval; a square bracket includes its end, a round one leaves it out."""

    left: float
    right: float
    includes_left: bool
    includes_right: bool

    def contains(self, values: NDArray[np.number]) -> NDArray[np.bool_]:
        """Which of the values lie inside; NaN lies nowhere."""
        above = values >= self.left if self.includes_left else values > self.left
        below = values <= self.right if self.includes_right else values < self.right
        return above & below


@dataclass(frozen=True)
class Intervals:
    """The union of one or more intervals."""

    parts: tuple[Interval, ...]

    def contains(self, values: NDArray[np.number]) -> NDArray[np.bool_]:
        """Which of the values lie inside at least one of the intervals."""
        inside = np.zeros(values.shape, dtype=np.bool_)
        for interval in self.parts:
            inside |= interval.contains(values)
        return inside

    @property
    def lower(self) -> float:
        """The lowest left end: for counts of interactions, the k of a k-core."""
        return min(interval.left for interval in self.parts)


def parse_intervals(text: str) -> Intervals:
    """Read intervals separated by semicolons.

    Raises:
        ValueError: a part is no interval, or its left end lies beyond its right end.
    """
    return Intervals(tuple(_parse_interval(part, text) for part in text.split(";")))


def _parse_interval(part: str, text: str) -> Interval:
    match = _INTERVAL.fullmatch(part)
    if match is None:
        raise ValueError(f"expected intervals such as '[10,inf)' or '[0,3];(5,9]', got {text!r}")
    left, right = float(match[2]), float(match[3])
    if left > right:
        raise ValueError(f"expected an interval with its left end first, got {part.strip()!r}")
    return Interval(left, right, match[1] == "[", match[4] == "]")
