"""Each value metric equals a plain Python reference, scikit-learn's, or a figure worked by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from recbole.evaluator import value_metrics

ROWS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 1), st.integers(0, 4)), min_size=1, max_size=40
)
NEEDS_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def random_clicks(rows: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities with two decimals, so that many are tied, and labels that follow them."""
    rng = np.random.default_rng(seed)
    p = rng.random(rows).round(2)
    return torch.tensor(p, dtype=torch.float32), torch.tensor(rng.random(rows) < p).float()


def random_ratings(rows: int, K: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Class probabilities [rows, K] and true classes [rows]."""
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.randn(rows, K, generator=generator).mul(2).softmax(dim=1)
    return probabilities, torch.randint(0, K, (rows,), generator=generator)


def slow_auc(scores: Sequence[float], labels: Sequence[float]) -> float:
    """Compare every click with every row that is none."""
    clicks = [s for s, y in zip(scores, labels, strict=True) if y]
    others = [s for s, y in zip(scores, labels, strict=True) if not y]
    if not clicks or not others:
        return math.nan
    won = sum((c > o) + 0.5 * (c == o) for c in clicks for o in others)
    return won / (len(clicks) * len(others))


def slow_gauc(rows: Sequence[tuple[int, int, int]]) -> float:
    total, weight = 0.0, 0
    for user in {user for _, _, user in rows}:
        own = [(score, label) for score, label, of in rows if of == user]
        clicks = sum(label for _, label in own)
        if 0 < clicks < len(own):
            total += clicks * slow_auc(*zip(*own, strict=True))
            weight += clicks
    return total / weight if weight else math.nan


def columns(rows: Sequence[tuple[int, int, int]]) -> list[torch.Tensor]:
    return [torch.tensor(column) for column in zip(*rows, strict=True)]


@pytest.mark.parametrize("decimals", [0, 1, 2, 7])
def test_auc_equals_scikit_learn_with_heavy_ties(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    scores, labels = rng.random(3000).round(decimals), rng.integers(0, 2, 3000)
    value = value_metrics.auc(torch.tensor(scores), torch.tensor(labels).float())
    assert value == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-12)


@given(ROWS)
@settings(max_examples=150, deadline=None)
def test_auc_and_gauc_equal_counting_pairs(rows: list[tuple[int, int, int]]) -> None:
    scores, labels, users = columns(rows)
    expected = pytest.approx(slow_auc(scores.tolist(), labels.tolist()), abs=1e-12, nan_ok=True)
    assert value_metrics.auc(scores.double(), labels.float()) == expected
    expected = pytest.approx(slow_gauc(rows), abs=1e-12, nan_ok=True)
    assert value_metrics.gauc(scores.double(), labels.float(), users) == expected


def test_gauc_by_hand() -> None:
    # user 7: clicks 0.9 and 0.2 against 0.5 -> 1/2, weight 2; user 3: 0.4 above 0.1 -> 1, weight 1;
    # user 5 has only clicks and user 4 none: both are left out
    scores = torch.tensor([0.9, 0.4, 0.2, 0.8, 0.5, 0.1, 0.3])
    labels = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    users = torch.tensor([7, 3, 7, 5, 7, 3, 4])
    assert value_metrics.gauc(scores, labels, users) == pytest.approx((2 * 0.5 + 1 * 1) / 3)


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_auc_and_gauc_of_a_single_class_are_nan(label: float) -> None:
    scores, labels = torch.rand(5), torch.full((5,), label)
    assert math.isnan(value_metrics.auc(scores, labels))
    assert math.isnan(value_metrics.gauc(scores, labels, torch.tensor([1, 1, 2, 2, 2])))


def test_auc_counts_exactly_where_float32_could_not() -> None:
    """Two neighbours in the wrong order among a million rows lose one pair, no more and no less."""
    half = 500_000
    labels = (torch.arange(2 * half) >= half).float()
    labels[half - 1], labels[half] = 1.0, 0.0
    value = value_metrics.auc(torch.arange(2 * half), labels)
    assert value == pytest.approx(1 - 1 / half**2, abs=1e-15, rel=0)


def test_log_loss_equals_scikit_learn() -> None:
    p, y = random_clicks(2000, seed=1)
    expected = sk.log_loss(y.numpy(), p.double().clamp(1e-15, 1 - 1e-15).numpy())
    assert value_metrics.log_loss(p, y) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("p", "y"), [(0.0, 1.0), (1.0, 0.0)])
def test_log_loss_is_clipped_at_1e_15(p: float, y: float) -> None:
    value = value_metrics.log_loss(torch.tensor([p]), torch.tensor([y]))
    assert value == pytest.approx(-math.log(1e-15), rel=1e-2)
    assert value_metrics.log_loss(torch.tensor([p]), torch.tensor([1 - y])) < 2e-15


def test_mae_and_rmse_equal_scikit_learn() -> None:
    p, y = random_clicks(1000, seed=2)
    p64, y64 = p.double().numpy(), y.double().numpy()
    assert value_metrics.mae(p, y) == pytest.approx(sk.mean_absolute_error(y64, p64), rel=1e-12)
    expected = sk.root_mean_squared_error(y64, p64)
    assert value_metrics.rmse(p, y) == pytest.approx(expected, rel=1e-12)


def test_calibration_error_by_hand() -> None:
    # bins (0, 1/2] and (1/2, 1]: {0, 0.2, 0.5} promise 0.7 clicks and get 1; {0.6, 1} 1.6 and 0
    p = torch.tensor([0.0, 0.2, 0.5, 0.6, 1.0])
    y = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0])
    expected = 3 / 5 * abs(0.7 / 3 - 1 / 3) + 2 / 5 * abs(1.6 / 2 - 0)
    assert value_metrics.expected_calibration_error(p, y, bins=2) == pytest.approx(expected)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_calibration_error_equals_a_loop_over_bins(bins: int) -> None:
    p, y = random_clicks(500, seed=3)
    expected = 0.0
    for m in range(1, bins + 1):
        inside = [
            (pi, yi)
            for pi, yi in zip(p.double().tolist(), y.tolist(), strict=True)
            if (m - 1) / bins < pi <= m / bins or (m == 1 and pi == 0)
        ]
        if inside:
            predicted = sum(pi for pi, _ in inside) / len(inside)
            observed = sum(yi for _, yi in inside) / len(inside)
            expected += len(inside) / 500 * abs(predicted - observed)
    value = value_metrics.expected_calibration_error(p, y, bins)
    assert value == pytest.approx(expected, abs=1e-12)


def test_calibration_error_has_fifteen_bins() -> None:
    p, y = random_clicks(500, seed=4)
    assert value_metrics.expected_calibration_error(
        p, y
    ) == value_metrics.expected_calibration_error(p, y, bins=15)


def test_copc_by_hand() -> None:
    p, y = torch.tensor([0.5, 0.25, 0.25, 0.5]), torch.tensor([1.0, 1.0, 1.0, 0.0])
    assert value_metrics.copc(p, y) == 2.0
    assert value_metrics.copc(torch.zeros(4), y) == math.inf
    assert math.isnan(value_metrics.copc(torch.zeros(4), torch.zeros(4)))


@pytest.mark.parametrize(("rows", "K"), [(400, 5), (3, 10), (1, 2)])
def test_rating_accuracy_and_macro_f1_equal_scikit_learn(rows: int, K: int) -> None:
    probabilities, classes = random_ratings(rows, K, seed=rows)
    predicted = probabilities.argmax(dim=1).numpy()
    accuracy = value_metrics.rating_accuracy(probabilities, classes)
    assert accuracy == pytest.approx(sk.accuracy_score(classes.numpy(), predicted))
    expected = sk.f1_score(
        classes.numpy(), predicted, labels=range(K), average="macro", zero_division=0
    )
    assert value_metrics.macro_f1(probabilities, classes) == pytest.approx(expected, abs=1e-12)


def test_macro_f1_counts_a_class_without_rows_as_zero() -> None:
    probabilities = torch.eye(4)[[0, 1, 1]]  # predicted 0, 1, 1; classes 2 and 3 never
    classes = torch.tensor([0, 1, 0])
    # F1: class 0 has 1 right of 2 true and 1 predicted, class 1 has 1 right of 1 and 2
    expected = (2 / 3 + 2 / 3 + 0 + 0) / 4
    assert value_metrics.macro_f1(probabilities, classes) == pytest.approx(expected)


def test_rating_mae_is_in_rating_levels() -> None:
    value = value_metrics.rating_mae(torch.tensor([4.5, 2.0]), torch.tensor([5.0, 4.0]))
    assert value == 1.25


@NEEDS_CUDA
def test_same_on_cuda() -> None:
    p, y = random_clicks(5000, seed=5)
    users = torch.randint(0, 50, (5000,))
    probabilities, classes = random_ratings(5000, 5, seed=5)
    for function, arguments in [
        (value_metrics.auc, (p, y)),
        (value_metrics.gauc, (p, y, users)),
        (value_metrics.log_loss, (p, y)),
        (value_metrics.mae, (p, y)),
        (value_metrics.rmse, (p, y)),
        (value_metrics.expected_calibration_error, (p, y)),
        (value_metrics.copc, (p, y)),
        (value_metrics.rating_accuracy, (probabilities, classes)),
        (value_metrics.macro_f1, (probabilities, classes)),
    ]:
        on_device = function(*(argument.cuda() for argument in arguments))
        assert on_device == pytest.approx(function(*arguments), abs=1e-12), function.__name__
