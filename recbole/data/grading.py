"""Graded feedback without ratings: counts, play time and other numbers become levels 1 to K.

The paper (Ouyang et al., ICWSM 2025, Appendix A.1) suggests such proxies where nobody rates:
listening counts for Last.FM, uses of an app for Frappe. Edges are learned on the training part
alone. In the batch the rating column then holds levels, so that the rating head, the metrics and
`expected_rating` see them as they would see stars.

- quantile: each level holds about the same number of training rows (`np.quantile`, linear). An edge
  that falls among equal numbers is moved to the nearer end of them, since they cannot be parted.
- log: edges at equal steps of the logarithm between the least and the greatest training number.
- pairs: the ratings that occur, in pairs: half-stars 0.5, 1, ..., 5 become the levels 1 to 5, where
  half as many classes are asked for as there are ratings; else they stay as they are.
- edges: as given.

By user (`group_by: user`), quantile and log edges are learned from each user's own training rows.
Users with fewer distinct numbers than there are levels take the edges of all users together.

N numbers, G groups (users, or one group of all), K levels.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from recbole.data.columns import Numbers, Rows
from recbole.data.grading_options import RatingBins, level_of
from recbole.data.rating_levels import RatingLevels
from recbole.errors import ConfigError, DataError


def count_levels(options: RatingBins, scale: tuple[float, ...], multi_cls: int | None) -> int:
    """The number K of levels.

    Args:
        scale: the distinct ratings of the data, ascending; empty where there are very many.
        multi_cls: the number of classes of the rating head; None for a binary model.

    Raises:
        ConfigError: nothing says how many, or two options disagree, or the scale has no pairs.
    """
    if options.method == "edges":
        assert options.edges is not None
        given: int | None = len(options.edges) + 1
        what = f"rating_bins has {len(options.edges)} edges, which make {given} levels"
    elif options.method == "pairs":
        if len(scale) < 4 or len(scale) % 2:
            listed = ", ".join(f"{rating:g}" for rating in scale[:20]) or "very many"
            raise ConfigError(
                f"rating_bins: pairs expects an even number of distinct ratings, at least 4, got"
                f" {len(scale) or 'too many'}: {listed}; give the edges between the levels instead,"
                " such as [1.5, 2.5, 3.5, 4.5] for half-stars"
            )
        given = len(scale) // 2
        what = f"rating_bins: pairs makes {given} levels of {len(scale)} distinct ratings"
    else:
        given = options.levels
        what = f"rating_bins asks for {given} levels"
    if given is None and multi_cls is None:
        raise ConfigError(
            f"rating_bins: {options.method} needs a number of levels: set multi_cls for a rating"
            f" head, or rating_bins: {{method: {options.method}, levels: 5}} for a binary model"
        )
    if given is not None and multi_cls is not None and given != multi_cls:
        raise ConfigError(f"Options 'rating_bins' and 'multi_cls' disagree: {what}, multi_cls is"
                          f" {multi_cls}")  # fmt: skip
    count = given if given is not None else multi_cls
    assert count is not None
    return count


def learn_levels(
    field: str,
    numbers: Numbers,
    users: NDArray[np.integer],
    user_count: int,
    options: RatingBins,
    count: int,
    scale: tuple[float, ...] = (),
    threshold: float | str | None = None,
) -> RatingLevels:
    """Learn the levels of a column from its training rows.

    Args:
        field: the name of the column, for messages.
        numbers: float64 [N] of the training rows, above 0 for the method log.
        users: the user id of each training row [N], below `user_count`.
        count: the number K of levels.
        scale: the distinct ratings of the data, for the method pairs.
        threshold: what counts as a click. The nearest edge that was not given is moved to a number,
            and each user's own edge between the same levels; given edges must contain it. A level
            has to be one from 2 to K.

    Raises:
        DataError: a level would be empty, or there is no training row.
        ConfigError: the threshold lies within a level, or is no level.
    """
    if not len(numbers):
        raise DataError(f"rating_bins: expected training rows to learn '{field}' from, got none")
    low, high = float(numbers.min()), float(numbers.max())
    if low == high:
        raise DataError(
            f"rating_bins: '{field}' is {low:g} in every training row, so that there is nothing to"
            " grade; expected at least two different numbers"
        )
    _check_level(field, threshold, count)
    click = threshold if isinstance(threshold, float) else None
    if click is not None and not low < click <= high:
        raise ConfigError(
            f"The threshold {click:g} on '{field}' leaves no level"
            f" {'below' if click <= low else 'from'} it; expected one above {low:g} and at most"
            f" {high:g}, the least and the greatest number of the training part"
        )
    own = None
    if options.method in ("quantile", "log"):
        learn = quantile_edges if options.method == "quantile" else log_edges
        edges = learn(numbers, np.zeros(len(numbers), np.int64), 1, count)  # [1, K - 1]
        if options.group_by == "user":
            own = learn(numbers, users, user_count, count)  # [U, K - 1]
    else:
        edges = np.asarray([options.edges if options.edges is not None else scale[2::2]])
    if click is not None and options.method != "edges":
        place = _nearest(edges[0], click)
        edges = _with_edge_at(edges, place, click)
        own = None if own is None else _with_edge_at(own, place, click)
    elif click is not None and click not in edges:
        raise ConfigError(
            f"The threshold {click:g} on '{field}' lies within a level of rating_bins; expected"
            f" one of the edges {_listed(edges[0])}, or 'level N' with N from 2 to {count}"
        )
    if own is not None:
        own[distinct_numbers(numbers, users, user_count) < count] = np.nan
    user_edges = None if own is None else torch.from_numpy(own)
    levels = RatingLevels(options.method, tuple(edges[0].tolist()), user_edges=user_edges)
    rows = np.bincount(levels.place(numbers, users) - 1, minlength=count)  # [K]
    if not rows.all():
        raise DataError(_empty_level(field, levels, rows, low, high))
    return RatingLevels(levels.method, levels.edges, tuple(rows.tolist()), user_edges)


def lowest_click_level(levels: RatingLevels, threshold: float | str | None) -> float | None:
    """The first level that counts as a click; None without a threshold."""
    if threshold is None:
        return None
    level = level_of(threshold)
    return float(level if level is not None else levels.edges.index(float(threshold)) + 2)


def quantile_edges(
    numbers: Numbers, groups: NDArray[np.integer], group_count: int, count: int
) -> Numbers:
    """The quantiles 1/K, 2/K, ... of each group's numbers: [N] -> [G, K - 1].

    Those of `np.quantile`, but for one that falls among several equal numbers. The share of rows
    below it is then either that below them all or that up to them all; where the second is nearer
    to what was wanted, the edge becomes the next greater number. They ascend; a group without
    numbers has NaN.
    """
    order = np.lexsort((numbers, groups))
    numbers, groups = numbers[order], groups[order]
    size = np.bincount(groups, minlength=group_count)[:, None]  # [G, 1]
    start = np.cumsum(size)[:, None] - size
    share = np.arange(1, count) / count  # [K - 1]
    place = np.maximum(size - 1, 0) * share  # [G, K - 1]
    below = place.astype(np.int64)
    # Groups without numbers look at some number of their neighbour; they become NaN below.
    at = np.minimum(start + below, len(numbers) - 1)
    after = np.minimum(at + (place > below), len(numbers) - 1)
    edges = numbers[at] + (place - below) * (numbers[after] - numbers[at])

    # Runs of equal numbers: where each position's run starts and ends.
    is_first = np.ones(len(numbers), np.bool_)
    is_first[1:] = (np.diff(numbers) != 0) | (np.diff(groups) != 0)
    run = np.cumsum(is_first) - 1  # [N]
    firsts = np.append(np.flatnonzero(is_first), len(numbers))
    first, end = firsts[run[at]], firsts[run[at] + 1]  # [G, K - 1]
    among_equals = (edges == numbers[at]) & (end - first > 1)
    wanted = start + size * share
    moves = among_equals & (end - wanted < wanted - first) & (end < start + size)
    edges[moves] = numbers[end[moves]]
    edges[size[:, 0] == 0] = np.nan
    # One that has moved up may have passed the next, which lies in the same gap between numbers.
    return np.maximum.accumulate(edges, axis=1)


def log_edges(
    numbers: Numbers, groups: NDArray[np.integer], group_count: int, count: int
) -> Numbers:
    """Equal steps of the logarithm from each group's least number to its greatest: [G, K - 1]."""
    low, high = np.full(group_count, np.inf), np.full(group_count, -np.inf)
    np.minimum.at(low, groups, numbers)
    np.maximum.at(high, groups, numbers)
    edges = np.full((group_count, count - 1), np.nan)
    known = low <= high
    edges[known] = np.geomspace(low[known], high[known], count + 1, axis=1)[:, 1:-1]
    return edges


def distinct_numbers(numbers: Numbers, groups: NDArray[np.integer], group_count: int) -> Rows:
    """How many different numbers each group has: [N] -> [G]."""
    order = np.lexsort((numbers, groups))
    numbers, groups = numbers[order], groups[order]
    is_first = np.ones(len(numbers), np.bool_)
    is_first[1:] = (np.diff(numbers) != 0) | (np.diff(groups) != 0)
    return np.bincount(groups[is_first], minlength=group_count)


def _nearest(edges: Numbers, click: float) -> int:
    """Which of the ascending edges [K - 1] is nearest to the click's threshold; the lower of two.

    Of equal edges it is the one that may move there and leave them ascending.
    """
    above = int(np.searchsorted(edges, click))
    if above == 0:
        return 0
    is_below = above == len(edges) or click - edges[above - 1] <= edges[above] - click
    return above - 1 if is_below else above


def _with_edge_at(edges: Numbers, place: int, click: float) -> Numbers:
    """With the edge at `place` moved to the click's threshold in every group: [G, K - 1].

    One level is then the lowest click in all of them. Edges that would stand on the wrong side of
    the threshold move to it, too.
    """
    moved = edges.copy()
    moved[:, :place] = np.minimum(edges[:, :place], click)
    moved[:, place] = click
    moved[:, place + 1 :] = np.maximum(edges[:, place + 1 :], click)
    return moved


def _check_level(field: str, threshold: float | str | None, count: int) -> None:
    level = None if threshold is None else level_of(threshold)
    if level is not None and not 2 <= level <= count:
        raise ConfigError(
            f"The threshold 'level {level}' on '{field}' leaves no level"
            f" {'below' if level < 2 else 'above'} it; expected level 2 to level {count}"
        )


def _empty_level(
    field: str, levels: RatingLevels, rows: NDArray[np.int64], low: float, high: float
) -> str:
    empty = int(np.flatnonzero(rows == 0)[0]) + 1
    bounds = (-np.inf, *levels.edges, np.inf)
    message = (
        f"rating_bins: level {empty} of '{field}' ({bounds[empty - 1]:g} up to {bounds[empty]:g})"
        f" would be empty: no training row lies in it (they go from {low:g} to {high:g})."
    )
    if levels.user_edges is not None:
        return f"{message} Expected fewer levels, or rating_bins without group_by"
    starts = [edge for edge, held in zip(levels.edges, rows[1:], strict=True) if held]
    if not rows[0]:
        starts = starts[1:]
    return (
        f"{message} These edges would leave none empty: rating_bins: [{_listed(np.array(starts))}]"
        f" (multi_cls={len(starts) + 1})"
    )


def _listed(edges: Numbers) -> str:
    return ", ".join(f"{edge:.10g}" for edge in edges)
