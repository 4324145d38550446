"""Metrics of ranked lists that need more than hits: which items stand there, and how well liked.

Every function takes `RankedLists` and returns float64 [K], the value at each cut-off k = 1..K.
RecBole's formulas, for the lists of all users together. A list that is shorter than k, for want of
candidates, counts with the items it has.

U users, K places of a list, I items by their ids, from 1; id 0 is padding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class RankedLists:
    """The top-K lists of the users that have a positive, and what it takes to judge them.

    Attributes:
        items: int64 [U, K], the best first, 0 behind the end of a list.
        hits: bool [U, K], which of them are positives.
        positives: int64 [U], positives among the candidates, listed or not.
        popularity: int64 [I + 1], interactions of each item in the training part.
        tail_ratio: what counts as the long tail, see `tail_percentage`.
        gains: float64 [U, K], 2^level - 1 of the positives listed, 0 of the negatives; None where
            the data has no ratings.
        best_gains: float64 [U, K], the gains of the best list there is; None likewise.
        gauc: AUC of each user's candidates, averaged with the positives as weights; None where
            it was not asked for.
    """

    items: Tensor
    hits: Tensor
    positives: Tensor
    popularity: Tensor
    tail_ratio: float = 0.1
    gains: Tensor | None = None
    best_gains: Tensor | None = None
    gauc: float | None = None


def graded_ndcg(lists: RankedLists) -> Tensor:
    """NDCG with a gain of 2^level - 1 for a positive, level 1 being the lowest rating there is.

    Over the same sum for the user's positives in the order of their ratings. (Burges et al.,
    Learning to Rank using Gradient Descent, ICML 2005.)
    """
    if lists.gains is None or lists.best_gains is None:
        raise ValueError("expected the gains of rated positives, got none")
    K = lists.hits.shape[1]
    ranks = torch.arange(1, K + 1, dtype=torch.float64, device=lists.hits.device)
    discounts = 1 / (ranks + 1).log2()  # [K]
    gain = (lists.gains * discounts).cumsum(dim=1)  # [U, K]
    best = (lists.best_gains * discounts).cumsum(dim=1)
    return (gain / best)[lists.positives > 0].mean(dim=0)  # [U, K] -> [K]


def average_popularity(lists: RankedLists) -> Tensor:
    """Training interactions of the listed items, averaged over a list, then over users."""
    return _mean_over_lists(lists, lists.popularity[lists.items].double())


def tail_percentage(lists: RankedLists) -> Tensor:
    """Share of long-tail items in a list, averaged over users.

    The long tail is the `tail_ratio` of the training items with the fewest interactions (of equal
    ones the lower ids), at least one item; or, where `tail_ratio` is above 1, the training items
    with at most that many interactions.
    """
    popularity = lists.popularity
    known = popularity.nonzero().squeeze(1)  # ids of the training items, ascending
    if lists.tail_ratio > 1:
        tail = known[popularity[known] <= lists.tail_ratio]
    else:
        size = max(int(len(known) * lists.tail_ratio), 1)
        tail = known[popularity[known].argsort(stable=True)[:size]]
    in_tail = torch.zeros(len(popularity), dtype=torch.float64, device=popularity.device)
    in_tail[tail] = 1
    return _mean_over_lists(lists, in_tail[lists.items])


def item_coverage(lists: RankedLists) -> Tensor:
    """Share of items that stand in any list; all I + 1 ids are counted, as RecBole does."""
    counts = _times_listed(lists)  # [K, I + 1]
    return (counts > 0).sum(dim=1).double() / counts.shape[1]


def shannon_entropy(lists: RankedLists) -> Tensor:
    """Entropy (nats) of the listed items' shares of all places, over the number of listed items."""
    counts = _times_listed(lists).double()  # [K, I + 1]
    share = counts / counts.sum(dim=1, keepdim=True)
    return -torch.xlogy(share, share).sum(dim=1) / (counts > 0).sum(dim=1)


def gini_index(lists: RankedLists) -> Tensor:
    """How unequally items are listed: 0 where all are equally often, near 1 where few ever are.

    Σ_i (2i - n - 1) P_i / (n Σ P), P_i the times an item is listed, ascending, and n the number of
    item ids, I + 1 as in RecBole.
    """
    counts = _times_listed(lists).sort(dim=1).values.double()  # [K, I + 1]
    n = counts.shape[1]
    i = torch.arange(1, n + 1, dtype=torch.float64, device=counts.device)
    return ((2 * i - n - 1) * counts).sum(dim=1) / (n * counts.sum(dim=1))


def _times_listed(lists: RankedLists) -> Tensor:
    """How often each item stands among the first k of a list: int64 [K, I + 1]."""
    K, size = lists.items.shape[1], len(lists.popularity)
    rank = torch.arange(K, device=lists.items.device).expand_as(lists.items)  # [U, K]
    at_rank = torch.bincount((rank * size + lists.items).flatten(), minlength=K * size)
    at_rank = at_rank.view(K, size)
    at_rank[:, 0] = 0  # places behind the end of a list
    return at_rank.cumsum(dim=0)


def _mean_over_lists(lists: RankedLists, values: Tensor) -> Tensor:
    """Mean of `values` [U, K] over the items listed among the first k, then over users: [K]."""
    listed = lists.items > 0
    length = listed.cumsum(dim=1).clamp(min=1)  # [U, K]
    return ((values * listed).cumsum(dim=1) / length).mean(dim=0)
