"""Columns that say the rating: an average of the ratings, a verdict made from one.

Such a column makes a model look good in the test part, where it holds what was to be predicted, and
is missing or wrong where the model is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from recbole.data.columns import Codes, FloatColumn, Numbers, TokenColumn
from recbole.data.description import numbers_in
from recbole.data.files import AtomicData
from recbole.data.filtering import codes_in
from recbole.data.options import DataOptions, Suffix

#: A correlation of at least this much is no coincidence.
SUSPICIOUS = 0.9
_FEWEST = 10  # users, items or rows on which a correlation means anything
_ROWS_FOR_A_TOKEN = 10  # of which the mean rating is one of the token rather than of its rows


@dataclass(frozen=True)
class Leak:
    """A column that goes with the rating.

    Attributes:
        source: user or item, where it goes with the mean rating of each; inter, where it goes with
            the rating of each row.
        strength: the correlation; of tokens the root of the share of variance they explain.
    """

    name: str
    source: Suffix
    strength: float


def find_leaks(data: AtomicData, rating: str, options: DataOptions) -> list[Leak]:
    """The columns that go with the ratings.

    Args:
        rating: the column of ratings in the interactions.
    """
    column = data.interactions[rating]
    assert isinstance(column, FloatColumn)
    known = ~column.missing
    ratings = column.values[known]
    leaks = []
    keys: tuple[tuple[Literal["user", "item"], str], ...] = (
        ("user", options.USER_ID_FIELD),
        ("item", options.ITEM_ID_FIELD),
    )
    for suffix, key in keys:
        table = data.tables().get(suffix)
        ids = data.interactions[key]
        if table is None:
            continue
        assert isinstance(ids, TokenColumn)
        means, counts = _means(ids.codes[known], ratings)
        codes = codes_in(data.interactions, table, key)  # of each user or item that has a row
        weights = np.append(counts, 0)[np.where(codes < len(counts), codes, -1)]
        means_of_rows = np.append(means, 0)[np.where(codes < len(means), codes, -1)]
        for name, side_column in table.columns.items():
            values = None if name == key else numbers_in(side_column)
            if values is not None:
                strength = _correlation(values, means_of_rows, weights.astype(np.float64))
                if strength >= SUSPICIOUS:
                    leaks.append(Leak(name, suffix, strength))
    others = {rating, options.LABEL_FIELD, options.USER_ID_FIELD, options.ITEM_ID_FIELD}
    for name, row_column in data.interactions.columns.items():
        if name in others:
            continue
        strength = 0.0
        if isinstance(row_column, FloatColumn):
            values = row_column.values[known]
            strength = _correlation(values, ratings, np.ones(len(values)))
        elif isinstance(row_column, TokenColumn):
            strength = _explained(row_column.codes[known], ratings)
        if strength >= SUSPICIOUS:
            leaks.append(Leak(name, "inter", strength))
    return leaks


def _means(codes: Codes, ratings: Numbers) -> tuple[Numbers, Numbers]:
    """The mean rating of each code and how many ratings it has; 0 where it has none."""
    there = codes >= 0
    counts = np.bincount(codes[there]).astype(np.float64)
    sums = np.bincount(codes[there], weights=ratings[there], minlength=len(counts))
    return sums / np.maximum(counts, 1), counts


def _correlation(one: Numbers, other: Numbers, weights: Numbers) -> float:
    """|Pearson's r|, weighted; 0 where there are too few pairs, or nothing varies."""
    used = ~np.isnan(one) & (weights > 0)
    if used.sum() < _FEWEST:
        return 0.0
    one, other, weights = one[used], other[used], weights[used]
    a = one - np.average(one, weights=weights)
    b = other - np.average(other, weights=weights)
    spread = (weights * a * a).sum() * (weights * b * b).sum()
    scale = max(float(np.abs(one).max()), 1.0)
    if spread <= 0 or np.abs(a).max() <= 1e-12 * scale:
        return 0.0
    return float(abs((weights * a * b).sum()) / np.sqrt(spread))


def _explained(codes: Codes, ratings: Numbers) -> float:
    """The root of the share of the ratings' variance that lies between tokens, not within them."""
    there = codes >= 0
    codes, ratings = codes[there], ratings[there]
    tokens = len(np.unique(codes))
    if len(ratings) < _FEWEST or tokens * _ROWS_FOR_A_TOKEN > len(ratings):
        return 0.0
    total = ((ratings - ratings.mean()) ** 2).sum()
    means, _ = _means(codes, ratings)
    within = ((ratings - means[codes]) ** 2).sum()
    return float(np.sqrt(max(0.0, 1 - within / total))) if total > 0 else 0.0
