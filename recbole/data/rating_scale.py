"""Which `threshold` and which `multi_cls` fit the ratings that are there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recbole.data.columns import Numbers

#: More distinct ratings than this are amounts, such as counts or seconds, and no scale.
MOST_CLASSES = 20
_MOST_COUNTED = 100_000
_DIGITS = 3  # kept of each rating where more distinct ones than that are met


@dataclass(frozen=True)
class Fit:
    """Options that fit some ratings.

    Attributes:
        threshold: the rating from which the share of clicks is nearest to one half.
        share: that share.
        multi_cls: the number of rating classes; None where there are two, or no scale.
    """

    threshold: float
    share: float
    multi_cls: int | None


class Levels:
    """The distinct ratings and how often each occurs, collected piece by piece in bounded memory.

    Where there are very many, which then are no scale, they are rounded to three digits.
    """

    def __init__(self) -> None:
        self._counts: dict[float, int] = {}
        self._rounds = False

    def add(self, ratings: Numbers) -> None:
        """Count some ratings; NaN is none."""
        values = ratings[~np.isnan(ratings)]
        if self._rounds:
            values = _rounded(values)
        distinct, counts = np.unique(values, return_counts=True)
        for level, count in zip(distinct.tolist(), counts.tolist(), strict=True):
            self._counts[level] = self._counts.get(level, 0) + count
        if not self._rounds and len(self._counts) > _MOST_COUNTED:
            self._rounds = True
            before, self._counts = self._counts, {}
            for level, count in zip(_rounded(np.array([*before])), before.values(), strict=True):
                self._counts[float(level)] = self._counts.get(float(level), 0) + count

    @property
    def values(self) -> Numbers:
        """The distinct ratings, ascending: float64 [L]."""
        return np.array(sorted(self._counts), np.float64)

    @property
    def counts(self) -> NDArray[np.int64]:
        """How often each of `values` occurs: int64 [L]."""
        return np.array([self._counts[level] for level in sorted(self._counts)], np.int64)


def fit(levels: Levels) -> Fit | None:
    """The options that fit; None where there is but one rating, or none."""
    values, counts = levels.values, levels.counts
    if len(values) < 2:
        return None
    shares = counts[::-1].cumsum()[::-1] / counts.sum()  # of ratings from each level up: [L]
    best = 1 + int(np.abs(shares[1:] - 0.5).argmin())  # from the lowest level up is everything
    return Fit(float(values[best]), float(shares[best]), _classes(values))


def _classes(values: Numbers) -> int | None:
    """What `multi_cls` takes for these levels: see `recbole.model.head.RatingHead`."""
    count = len(values)
    if not 2 < count <= MOST_CLASSES:
        return None
    top = values[-1]
    is_whole = bool((values == np.floor(values)).all()) and values[0] >= 1
    # 1 to 5, of which nobody gave a 1, are five classes; but 1, 2 and 100 are three.
    return int(top) if is_whole and count < top < 2 * count else count


def _rounded(values: Numbers) -> Numbers:
    scale = 10.0 ** (np.floor(np.log10(np.abs(np.where(values == 0, 1, values)))) - _DIGITS + 1)
    return np.round(values / scale) * scale
