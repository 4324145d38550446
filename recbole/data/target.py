"""What is predicted: the click label, and the rating it is made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from recbole.data.arrow_arrays import numbers
from recbole.data.columns import FloatColumn, Mask, Numbers
from recbole.data.files import AtomicData, location
from recbole.data.grading_options import RatingBins
from recbole.data.options import DataOptions
from recbole.data.schema import Target
from recbole.errors import DataError, did_you_mean

#: More distinct ratings than this are no levels of a scale.
MOST_LEVELS = 1000


@dataclass(frozen=True)
class TargetColumns:
    """The target of each of N interactions, as far as the data says.

    Attributes:
        label: 0 or 1, or None where there is neither a threshold nor a label column, or where
            the rating is to be graded first.
        rating: the rating, or None where no rating column is loaded.
    """

    target: Target
    label: NDArray[np.uint8] | None
    rating: Numbers | None


def make_target(data: AtomicData, options: DataOptions) -> TargetColumns:
    """Read the rating and make the label, `rating >= threshold`.

    Where `rating_bins` is to grade the rating, the label waits for that (`graded`).

    Raises:
        DataError: the threshold's column is not loaded, a rating is missing or cannot be graded,
            or a label that comes from the file is neither 0 nor 1.
    """
    columns = data.interactions.columns
    bins, threshold, label = options.rating_bins, None, None
    rating_field = options.RATING_FIELD if options.RATING_FIELD in columns else None
    if options.threshold is not None:
        ((source, lowest),) = options.threshold.items()
        if source not in columns:
            raise DataError(
                f"threshold names '{source}', which is no loaded column of .inter; there are"
                f" {', '.join(columns)}.{did_you_mean(source, columns)}"
            )
        if bins is None:
            threshold = float(lowest)
            label = (_complete(data, source, options) >= threshold).astype(np.uint8)
        # A threshold on the label column itself makes labels of labels: there is no rating.
        rating_field = source if source != options.LABEL_FIELD else None
    elif options.LABEL_FIELD in columns:
        label = _binary(data, options).astype(np.uint8)
    if bins is not None:
        rating_field = _gradable(data, rating_field, bins, options)
    rating = None if rating_field is None else _complete(data, rating_field, options)
    levels: tuple[float, ...] = ()
    if rating is not None:
        distinct = pc.unique(numbers(rating)).to_pylist()
        levels = tuple(sorted(distinct)) if len(distinct) <= MOST_LEVELS else ()
    target = Target(options.LABEL_FIELD, rating_field, threshold, levels)
    return TargetColumns(target, label, rating)


def _gradable(data: AtomicData, field: str | None, bins: RatingBins, options: DataOptions) -> str:
    """The column to be graded; refuses one that is not there, or whose logarithm is not."""
    if field is None:
        columns = data.interactions.columns
        raise DataError(
            "rating_bins: expected the threshold, or RATING_FIELD, to name the column to be graded,"
            f" got '{options.RATING_FIELD}', which is no loaded column of .inter; there are"
            f" {', '.join(columns)}.{did_you_mean(options.RATING_FIELD, columns)}"
        )
    rating = _complete(data, field, options)
    wrong = rating <= 0
    if bins.method == "log" and wrong.any():
        _refuse(
            data,
            wrong,
            options,
            f"rating_bins: log expects numbers above 0 in '{field}', got {rating[wrong][0]:g}; use"
            f' quantile or edges, or drop such rows: val_interval: {{{field}: "(0,inf)"}}',
        )
    return field


def _complete(data: AtomicData, name: str, options: DataOptions) -> Numbers:
    column = data.interactions[name]
    assert isinstance(column, FloatColumn)
    _refuse(
        data, column.missing, options, f"expected a number in the target column '{name}', got none"
    )
    return column.values


def _binary(data: AtomicData, options: DataOptions) -> Numbers:
    name = options.LABEL_FIELD
    labels = _complete(data, name, options)
    wrong = (labels != 0) & (labels != 1)
    if wrong.any():
        _refuse(
            data,
            wrong,
            options,
            f"expected 0 or 1 in the label column '{name}' (there is no threshold), got"
            f" {labels[wrong][0]:g}",
        )
    return labels


def _refuse(data: AtomicData, wrong: Mask, options: DataOptions, message: str) -> None:
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(f"{location(data.interactions, row, options)}: {message}")
