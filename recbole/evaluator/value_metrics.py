"""Metrics of predicted values: how well each row's click probability or rating is foretold.

Pure functions of tensors, computed in float64 where the tensors lie; each returns a Python float,
and NaN where it is not defined. N rows, G users, T runs of tied scores, K classes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from recbole.data.sampling import differs_from_previous

_SMALLEST_PROBABILITY = 1e-15


def auc(scores: Tensor, labels: Tensor) -> float:
    """Area under the ROC curve: the share of (click, no click) pairs in the right order.

    A tied pair counts as half. NaN where all rows have the same label.

    Args:
        scores: [N], anything that orders the rows.
        labels: [N], 1 for a click and 0 for none.
    """
    order = scores.argsort()
    is_start = torch.zeros_like(order, dtype=torch.bool)
    is_start[:1] = True
    return mean_auc(*auc_sums(scores[order], labels[order], is_start))


def gauc(scores: Tensor, labels: Tensor, users: Tensor) -> float:
    """AUC of each user's own rows, averaged with the user's clicks as weights.

    Users without a click, or without a row that is none, have no AUC and are left out; NaN where
    no user remains. (Zhou et al., Deep Interest Network, KDD 2018, who weight by impressions;
    RecBole weights by clicks.)

    Args:
        scores, labels: [N], as for `auc`.
        users: [N], the user of each row.
    """
    order = scores.argsort()
    order = order[users[order].argsort(stable=True)]  # by user, then by score
    return mean_auc(*auc_sums(scores[order], labels[order], differs_from_previous(users[order])))


def auc_sums(scores: Tensor, labels: Tensor, is_start: Tensor) -> tuple[Tensor, Tensor]:
    """AUC within each group of rows: Σ AUC · clicks and Σ clicks, over the groups that have one.

    What several calls return, each with groups of its own, may be added up for `mean_auc`.

    Counts in integers (Mann-Whitney: the sum of the clicks' ranks), so that it is exact up to the
    divisions. Ranks are kept doubled, because a tied rank can end in one half.

    Args:
        scores, labels: [N], in the order of group, then of score.
        is_start: bool [N], marks the first row of each of G groups.
    """
    clicks = labels > 0
    is_run_start = is_start | differs_from_previous(scores)
    run_first = is_run_start.nonzero().squeeze(1)  # [T] first row of each run of tied scores
    run_last = _last_rows(run_first, len(scores))  # [T]
    group_first = is_start.nonzero().squeeze(1)  # [G]
    group_last = _last_rows(group_first, len(scores))  # [G]

    tied_position = (run_first + run_last)[is_run_start.cumsum(0) - 1]  # [T] -> [N], doubled
    before_group = group_first[is_start.cumsum(0) - 1]  # [G] -> [N], rows of earlier groups
    doubled_rank = tied_position - 2 * before_group + 2  # [N], 1-based

    positives = _sum_per_group(clicks.long(), group_last)  # [G]
    negatives = group_last - group_first + 1 - positives  # [G]
    rank_sum = _sum_per_group(doubled_rank * clicks, group_last)  # [G]
    pairs_won = (rank_sum - positives * (positives + 1)).double() / 2  # [G], a tie wins half

    defined = (positives > 0) & (negatives > 0)
    # (pairs_won / (positives · negatives)) · positives, summed
    weighted = (pairs_won[defined] / negatives[defined]).sum()
    return weighted, positives[defined].sum()


def mean_auc(weighted: Tensor, weights: Tensor) -> float:
    """The AUC that sums of `auc_sums` give; NaN where no group has one."""
    return float(weighted / weights)


def _last_rows(first: Tensor, rows: int) -> Tensor:
    """The last row of each group of consecutive rows, from the groups' first rows."""
    return torch.cat([first[1:], first.new_tensor([rows])]) - 1


def _sum_per_group(values: Tensor, group_last: Tensor) -> Tensor:
    """Integer sums [G] over groups of consecutive rows of `values` [N]."""
    up_to_group = values.cumsum(0)[group_last]  # [G]
    return torch.diff(up_to_group, prepend=up_to_group.new_zeros(1))


def log_loss(probabilities: Tensor, labels: Tensor) -> float:
    """Mean negative log likelihood (nats) of the labels; probabilities are clipped at 1e-15.

    Args:
        probabilities: [N] of a click.
        labels: [N], 1 for a click and 0 for none.
    """
    p = probabilities.double().clamp(_SMALLEST_PROBABILITY, 1 - _SMALLEST_PROBABILITY)
    y = labels.double()
    return -float((y * p.log() + (1 - y) * (-p).log1p()).mean())


def mae(predictions: Tensor, truth: Tensor) -> float:
    """Mean absolute error of `predictions` [N], in the unit of `truth` [N]."""
    return float((predictions.double() - truth.double()).abs().mean())


def rmse(predictions: Tensor, truth: Tensor) -> float:
    """Root mean squared error of `predictions` [N], in the unit of `truth` [N]."""
    return math.sqrt(float((predictions.double() - truth.double()).square().mean()))


def expected_calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Mean distance between predicted and observed click rate, over bins of like predictions.

    Bin m of M holds the predictions in ((m-1)/M, m/M], the first one 0 too, and weighs as much as
    it has rows. (Guo et al., On Calibration of Modern Neural Networks, ICML 2017, Eq. 3, here for
    the probability of a click.)

    Args:
        probabilities: [N] of a click.
        labels: [N], 1 for a click and 0 for none.
        bins: M.
    """
    p = probabilities.double()
    inner_edges = torch.arange(1, bins, dtype=p.dtype, device=p.device) / bins  # [M-1]
    surplus = p.new_zeros(bins).index_add_(
        0, torch.bucketize(p, inner_edges), p - labels.double()
    )  # [N] -> [M]: a bin's predicted minus its observed clicks = its rows · the gap of its rates
    return float(surplus.abs().sum() / len(p))


def copc(probabilities: Tensor, labels: Tensor) -> float:
    """Click over predicted click: observed clicks / the sum of the probabilities; 1 is best.

    Below 1 the model promises too many clicks, above 1 too few. Where none is promised it is
    infinite, or NaN if there is none either.
    """
    return float(labels.double().sum() / probabilities.double().sum())


def rating_accuracy(class_probabilities: Tensor, classes: Tensor) -> float:
    """Share of rows whose most probable class is the true one.

    Args:
        class_probabilities: [N, K].
        classes: [N], the true class of each row, 0 to K-1.
    """
    return float((class_probabilities.argmax(dim=1) == classes).double().mean())


def rating_mae(expected_level: Tensor, level: Tensor) -> float:
    """Mean absolute error of the expected rating [N] against the true one [N], in rating levels."""
    return mae(expected_level, level)


def macro_f1(class_probabilities: Tensor, classes: Tensor) -> float:
    """F1 of each of the K classes, the most probable class being predicted, averaged over all K.

    A class that no row has and no row is predicted to have counts as 0, so that the figure has the
    same meaning on every part; it equals scikit-learn's f1_score(labels=range(K), average="macro",
    zero_division=0).

    Args:
        class_probabilities: [N, K].
        classes: [N], the true class of each row, 0 to K-1.
    """
    K = class_probabilities.shape[1]
    predicted = class_probabilities.argmax(dim=1)  # [N, K] -> [N]
    right = classes[predicted == classes].bincount(minlength=K)  # [K]
    true_and_predicted = classes.bincount(minlength=K) + predicted.bincount(minlength=K)  # [K]
    return float((2 * right.double() / true_and_predicted.clamp(min=1)).mean())
