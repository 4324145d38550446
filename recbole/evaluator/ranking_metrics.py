"""Metrics of ranked lists: where in a user's top-K list the wanted items stand.

Every function takes

- `hits`, bool [U, K]: whether the item at each rank of a user's list is a positive; a list that is
  shorter than K, for want of candidates, ends in False;
- `positives`, int [U]: how many positives the user has among the candidates, found or not;

and returns float64 [K], the mean over users at each cut-off k = 1..K. Users without a positive have
nothing to be found and are left out; where no user remains, the values are NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor


def hit(hits: Tensor, positives: Tensor) -> Tensor:
    """Share of users with at least one positive among the first k."""
    return _mean_over_users(_found(hits) > 0, positives)


def precision(hits: Tensor, positives: Tensor) -> Tensor:
    """Share of positives among the first k."""
    return _mean_over_users(_found(hits) / _ranks(hits), positives)


def recall(hits: Tensor, positives: Tensor) -> Tensor:
    """Share of a user's positives that stand among the first k."""
    return _mean_over_users(_found(hits) / positives[:, None], positives)


def mrr(hits: Tensor, positives: Tensor) -> Tensor:
    """Reciprocal rank of the first positive, 0 where none stands among the first k."""
    reciprocal_ranks = hits.double() / _ranks(hits)  # [U, K], greatest at the first positive
    return _mean_over_users(reciprocal_ranks.cummax(dim=1).values, positives)


def ndcg(hits: Tensor, positives: Tensor) -> Tensor:
    """Normalised discounted cumulative gain, with a gain of 1 for a positive.

    Σ_{i≤k} hit_i / log2(i+1), over the same sum for the best list there is, which has its
    min(positives, k) first ranks filled. (Järvelin and Kekäläinen, Cumulated Gain-Based Evaluation
    of IR Techniques, TOIS 2002.)
    """
    discounts = 1 / (_ranks(hits) + 1).log2()  # [K]
    gain = (hits * discounts).cumsum(dim=1)  # [U, K]
    best_gain = discounts.cumsum(dim=0)[_findable(hits, positives) - 1]  # [K] -> [U, K]
    return _mean_over_users(gain / best_gain, positives)


def mean_average_precision(hits: Tensor, positives: Tensor) -> Tensor:
    """Average precision: the precision at each found positive, summed over min(positives, k)."""
    precision_at_hits = hits * (_found(hits) / _ranks(hits))  # [U, K]
    summed = precision_at_hits.cumsum(dim=1)  # [U, K]
    return _mean_over_users(summed / _findable(hits, positives), positives)


def _ranks(hits: Tensor) -> Tensor:
    """1, 2, …, K as float64."""
    return torch.arange(1, hits.shape[1] + 1, dtype=torch.float64, device=hits.device)


def _found(hits: Tensor) -> Tensor:
    """How many positives stand among the first k, float64 [U, K]."""
    return hits.cumsum(dim=1).double()


def _findable(hits: Tensor, positives: Tensor) -> Tensor:
    """The most positives that the first k can hold, min(positives, k), int64 [U, K]."""
    return torch.minimum(positives[:, None], _ranks(hits).to(positives.dtype))


def _mean_over_users(values: Tensor, positives: Tensor) -> Tensor:
    """Mean [K] of `values` [U, K] over the users that have a positive."""
    return values[positives > 0].double().mean(dim=0)
