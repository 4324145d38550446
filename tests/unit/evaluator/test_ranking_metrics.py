"""Each ranking metric equals a plain loop over users and ranks."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from recbole.evaluator import ranking_metrics

K = 12


def slow_hit(hits: list[bool], positives: int, k: int) -> float:
    return float(any(hits[:k]))


def slow_precision(hits: list[bool], positives: int, k: int) -> float:
    return sum(hits[:k]) / k


def slow_recall(hits: list[bool], positives: int, k: int) -> float:
    return sum(hits[:k]) / positives


def slow_mrr(hits: list[bool], positives: int, k: int) -> float:
    return next((1 / rank for rank, hit in enumerate(hits[:k], start=1) if hit), 0.0)


def slow_ndcg(hits: list[bool], positives: int, k: int) -> float:
    gain = sum(1 / math.log2(rank + 1) for rank, hit in enumerate(hits[:k], start=1) if hit)
    return gain / sum(1 / math.log2(rank + 1) for rank in range(1, min(positives, k) + 1))


def slow_map(hits: list[bool], positives: int, k: int) -> float:
    at_hits = [sum(hits[:rank]) / rank for rank in range(1, k + 1) if hits[rank - 1]]
    return sum(at_hits) / min(positives, k)


PAIRS = [
    (ranking_metrics.hit, slow_hit),
    (ranking_metrics.precision, slow_precision),
    (ranking_metrics.recall, slow_recall),
    (ranking_metrics.mrr, slow_mrr),
    (ranking_metrics.ndcg, slow_ndcg),
    (ranking_metrics.mean_average_precision, slow_map),
]
every_metric = pytest.mark.parametrize(("fast", "slow"), PAIRS, ids=[p[0].__name__ for p in PAIRS])
Fast = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Slow = Callable[[list[bool], int, int], float]


def random_lists(users: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Lists of 3 to 2K candidates, most with more positives than are found, a few with none."""
    rng = np.random.default_rng(seed)
    hits = np.zeros((users, K), dtype=bool)
    positives = np.zeros(users, dtype=np.int64)
    for user in range(users):
        candidates = rng.random(rng.integers(3, 2 * K)) < rng.choice([0.0, 0.2, 0.9])
        top = candidates[:K]  # shorter than K for some users
        hits[user, : len(top)], positives[user] = top, candidates.sum()
    return torch.tensor(hits), torch.tensor(positives)


@every_metric
@pytest.mark.parametrize("positives_type", [torch.int64, torch.int32])
def test_equals_a_loop(fast: Fast, slow: Slow, positives_type: torch.dtype) -> None:
    hits, positives = random_lists(60, seed=7)
    wanting = [user for user in range(60) if positives[user] > 0]
    assert 0 < len(wanting) < 60
    values = fast(hits, positives.to(positives_type))
    assert values.shape == (K,)
    assert values.dtype == torch.float64
    for k in range(1, K + 1):
        each = [slow(hits[user].tolist(), int(positives[user]), k) for user in wanting]
        assert float(values[k - 1]) == pytest.approx(sum(each) / len(each), abs=1e-12)


@every_metric
def test_a_perfect_list_scores_one(fast: Fast, slow: Slow) -> None:
    hits = torch.tensor([[True, True, False]])
    values = fast(hits, torch.tensor([2]))
    expected = {
        ranking_metrics.precision: [1, 1, 2 / 3],
        ranking_metrics.recall: [0.5, 1, 1],
    }.get(fast, [1, 1, 1])
    assert values.tolist() == pytest.approx(expected)


@every_metric
def test_users_without_a_positive_change_nothing(fast: Fast, slow: Slow) -> None:
    hits, positives = random_lists(20, seed=8)
    more_hits = torch.cat([hits, torch.zeros(5, K, dtype=torch.bool)])
    more_positives = torch.cat([positives, torch.zeros(5, dtype=torch.int64)])
    assert torch.equal(fast(more_hits, more_positives), fast(hits, positives))


@every_metric
def test_nan_where_no_user_has_a_positive(fast: Fast, slow: Slow) -> None:
    values = fast(torch.zeros(3, K, dtype=torch.bool), torch.zeros(3, dtype=torch.int64))
    assert values.isnan().all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@every_metric
def test_same_on_cuda(fast: Fast, slow: Slow) -> None:
    hits, positives = random_lists(60, seed=9)
    on_device = fast(hits.cuda(), positives.cuda()).cpu()
    torch.testing.assert_close(on_device, fast(hits, positives), rtol=0, atol=1e-12)
