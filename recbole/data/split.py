"""Which rows are for training, validation and test: pure functions on index arrays.

N rows, given in the order asked for (`row_order`). Each function answers, for every position in
that order, the part it falls into: 0 training, 1 validation, 2 test. `parts_of` turns the answer
into three arrays of rows, each in the order asked for. No loop runs over users.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recbole.data.columns import Numbers, Rows
from recbole.data.evaluation_options import PARTS, EvalArgs

Parts = NDArray[np.int8]


def split_rows(
    options: EvalArgs, users: NDArray[np.integer], times: Numbers | None, seed: int
) -> tuple[Rows, ...]:
    """The rows of training, validation and test.

    Args:
        users: the user of each row [N].
        times: the time of each row [N]; needed to order or split by time.
        seed: decides the random order, on a random stream of its own.

    Raises:
        ValueError: a time is needed, and there is none.
    """
    order = row_order(options.order, len(users), times, seed)
    ((method, setting),) = options.split.items()
    if method == "LS":
        parts = leave_one_out(users[order], setting)
    elif method == "TS":
        parts = split_by_time(users[order], _needed(times)[order], setting)
    elif options.group_by == "user":
        parts = split_each_user(users[order], setting)
    else:
        parts = split_together(len(order), setting)
    return parts_of(order, parts)


def row_order(order: str, count: int, times: Numbers | None, seed: int) -> Rows:
    """The rows in random order (RO) or, those of one time as they came, by time (TO): [N]."""
    if order == "TO":
        return np.argsort(_needed(times), kind="stable")
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(count, generator=generator).numpy()


def parts_of(order: Rows, parts: Parts) -> tuple[Rows, ...]:
    """The rows of each part, in the order asked for."""
    return tuple(order[parts == number] for number in range(len(PARTS)))


def part_counts(totals: NDArray[np.int64], ratios: Sequence[float]) -> NDArray[np.int64]:
    """How many of each total go to each part: [G] totals -> [G, 3], RecBole's rounding.

    Every part but the first is rounded down and the first takes the rest. A later part that would
    get a fraction of one row gets one, the last part first, while the first keeps more than one.
    """
    shares = np.asarray(ratios, np.float64) / sum(ratios)
    wanted = totals[:, None] * shares  # [G, 1] × [3] -> [G, 3]
    counts = wanted.astype(np.int64)
    counts[:, 0] = totals - counts[:, 1:].sum(axis=1)
    for part in range(len(ratios) - 1, 0, -1):
        gains = (counts[:, 0] > 1) & (wanted[:, part] > 0) & (wanted[:, part] < 1)
        counts[gains, part] += 1
        counts[gains, 0] -= 1
    return counts


def split_together(count: int, ratios: Sequence[float]) -> Parts:
    """All rows by ratio, whoever's they are: [N]."""
    counts = part_counts(np.array([count]), ratios)[0]
    return np.repeat(np.arange(len(PARTS), dtype=np.int8), counts)


def split_each_user(users: NDArray[np.integer], ratios: Sequence[float]) -> Parts:
    """Each user's rows by ratio: [N]."""
    rank, size = ranks(users)
    distinct, group = np.unique(size, return_inverse=True)
    ends = np.cumsum(part_counts(distinct, ratios), axis=1)[group]  # [N, 3]
    return (rank[:, None] >= ends[:, :-1]).sum(axis=1).astype(np.int8)


def leave_one_out(users: NDArray[np.integer], mode: str) -> Parts:
    """Each user's last rows to validation and test, one each, while one is left for training.

    A user of two rows, with both to leave out, gives the last one to the test.
    """
    rank, size = ranks(users)
    from_end = size - 1 - rank
    parts = np.zeros(len(users), np.int8)
    last = (from_end == 0) & (size >= 2)
    if mode == "valid_and_test":
        parts[(from_end == 1) & (size >= 3)] = 1
        parts[last] = 2
    else:
        parts[last] = 1 if mode == "valid_only" else 2
    return parts


def split_by_time(users: NDArray[np.integer], times: Numbers, ratios: Sequence[float]) -> Parts:
    """What comes after one moment, the same for all, is test; before it, each user's rows by ratio.

    The moment leaves the test's share of all rows behind it. (RecBole 1.2.1 means the same, but
    sorts a copy of each user's rows, so that rows and times no longer belong together.)
    """
    shares = [ratio / sum(ratios) for ratio in ratios]
    # What is greater than a quantile between two times is greater than the lower of them.
    last = int(_rounded_down((len(times) - 1) * (shares[0] + shares[1])))
    is_test = times > np.partition(times, last)[last]
    parts = np.where(is_test, 2, 0).astype(np.int8)
    before = np.flatnonzero(~is_test)
    by_time = before[np.argsort(times[before], kind="stable")]
    rank, size = ranks(users[by_time])
    train = _rounded_down(size * (shares[0] / (shares[0] + shares[1])))
    parts[by_time[rank >= train]] = 1
    return parts


def ranks(users: NDArray[np.integer]) -> tuple[Rows, Rows]:
    """For each row [N], how many earlier rows its user has, and how many rows in all."""
    by_user = np.argsort(users, kind="stable")
    _, starts, counts = np.unique(users[by_user], return_index=True, return_counts=True)
    rank = np.empty(len(users), np.int64)
    size = np.empty(len(users), np.int64)
    rank[by_user] = np.arange(len(users)) - np.repeat(starts, counts)
    size[by_user] = np.repeat(counts, counts)
    return rank, size


def _rounded_down(numbers: Any) -> Rows:
    """Whole numbers up to real ones [N], which the rounding of floats may leave just below them."""
    return np.floor(np.asarray(numbers) * (1 + 1e-12)).astype(np.int64)


def _needed(times: Any) -> Numbers:
    if times is None:
        raise ValueError("expected times to order or split by, got none")
    return times
