"""Discretisation: numbers to buckets, numbered from 1; bucket 0 is left for padding.

RecBole 1.2's two methods. Its logarithm buckets are numbered from 0, where one of them would share
its embedding with the padding of sequences; here they are the same buckets, numbered from 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from recbole.data.columns import Numbers
from recbole.data.options import Discretization

#: RecBole's guard against a logarithm of zero and against the maximum opening one more bucket.
_EPSILON = 1e-9


@dataclass(frozen=True)
class EqualDistance:
    """`count` buckets of equal width between the least and the greatest number seen.

    Numbers outside fall into the first or the last bucket.
    """

    low: float
    high: float
    count: int

    @property
    def size(self) -> int:
        """The number of buckets, with that of padding."""
        return self.count + 1

    def place(self, values: Numbers) -> NDArray[np.int64]:
        """The bucket of each number, from 1."""
        high = self.high + _EPSILON
        if high == self.low:
            return np.full(values.shape, self.count, np.int64)
        bucket = np.floor((values - self.low) * self.count / (high - self.low) + 1)
        return np.clip(bucket, 1, self.count).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return {"method": "ED", "low": self.low, "high": self.high, "count": self.count}


@dataclass(frozen=True)
class Logarithm:
    """Buckets by floor(ln(x)²) + 1 for numbers above 2; each smaller number is its own bucket.

    Attributes:
        levels: float64, the distinct results found, ascending. A result in between falls into the
            bucket of the next higher one, and beyond the last one into the last.
    """

    levels: Numbers

    @property
    def size(self) -> int:
        """The number of buckets, with that of padding."""
        return len(self.levels) + 1

    def place(self, values: Numbers) -> NDArray[np.int64]:
        """The bucket of each number, from 1."""
        place = np.searchsorted(self.levels, logarithm_level(values))
        return np.minimum(place, len(self.levels) - 1) + 1

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return {"method": "LD", "levels": torch.from_numpy(self.levels)}


Buckets: TypeAlias = EqualDistance | Logarithm


def logarithm_level(values: Numbers) -> Numbers:
    """floor(ln(x)² + 1) for x above 2, x itself below."""
    above = values > 2
    level = np.floor(
        np.log(values * above + _EPSILON, where=above, out=np.zeros_like(values)) ** 2 + 1
    )
    return np.where(above, level, values)


def fit_buckets(values: Numbers, options: Discretization) -> Buckets:
    """Learn the buckets from the numbers of a column, at least one, none missing."""
    if options.method == "LD":
        return Logarithm(np.unique(logarithm_level(values)))
    assert options.bucket is not None
    return EqualDistance(float(values.min()), float(values.max()), options.bucket)


def buckets_from_dict(plain: Mapping[str, Any]) -> Buckets:
    """The buckets that `to_dict` made plain."""
    if plain["method"] == "LD":
        return Logarithm(plain["levels"].numpy())
    return EqualDistance(plain["low"], plain["high"], plain["count"])
