"""The heads and targets of the ablations against slow references, row by row, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from recbole.data.schema import Target
from recbole.model.head import (
    BinaryHead,
    Head,
    OrdinalHead,
    RatingHead,
    RegressionHead,
    SoftmaxHead,
    SupervisionOptions,
    build_head,
)
from tests.unit.model.stand_in import HALF_STARS, STARS

STAR_TARGET = Target("label", "rating", 4.0, STARS)
GAPPED = (0.5, 1.0, 3.0, 10.0)  # unequal steps, threshold between the second and the third
TARGETS = {
    "stars": STAR_TARGET,
    "half stars": Target("label", "rating", 3.5, HALF_STARS),
    "gaps": Target("label", "rating", 3.0, GAPPED),
}
NEGATIVE = {"stars": 3, "half stars": 6, "gaps": 2}


def head_of(target: str = "stars", **options: Any) -> Any:
    """A head in float64; ordinal cut-points are moved to where nothing is symmetric."""
    scale = TARGETS[target]
    head = build_head(SupervisionOptions(multi_cls=len(scale.levels), **options), scale).double()
    if isinstance(head, OrdinalHead):
        with torch.no_grad():
            head.gaps += torch.linspace(-0.7, 0.9, len(head.gaps))
    return head


def rows(
    head: Head, target: str = "stars", scale: float = 2.0
) -> tuple[Tensor, dict[str, Tensor], list[int]]:
    """Logits, a batch, and the class of each of its rows."""
    random = np.random.default_rng(5)
    levels = TARGETS[target].levels
    kinds = random.integers(len(levels), size=30)
    logits = torch.tensor(random.uniform(-scale, scale, (30, head.num_logits)))
    label = torch.tensor(kinds >= NEGATIVE[target]).double()
    return logits, {"rating": torch.tensor(levels)[kinds].double(), "label": label}, kinds.tolist()


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x)) if x >= 0 else x - math.log1p(math.exp(x))


def slow_bce(click_logit: float, label: float, smoothing: float, share: float) -> float:
    wanted = (1 - smoothing) * label + smoothing * share
    return -wanted * log_sigmoid(click_logit) - (1 - wanted) * log_sigmoid(-click_logit)


def slow_ce(probabilities: list[float], kind: int, smoothing: float) -> float:
    K = len(probabilities)
    return -sum(
        ((1 - smoothing) * (k == kind) + smoothing / K) * math.log(p)
        for k, p in enumerate(probabilities)
    )


def slow_cut_points(head: OrdinalHead) -> list[float]:
    points: list[float] = []
    for gap in head.gaps.tolist():
        points.append(points[-1] + math.log1p(math.exp(gap)) if points else gap)
    return points


def slow_ordinal(score: float, cut_points: list[float]) -> list[float]:
    above = [1.0, *(sigmoid(score - cut) for cut in cut_points), 0.0]
    return [high - low for high, low in pairwise(above)]


def assert_gradient(loss: Callable[[Tensor], Tensor], at: Tensor) -> None:
    """Autograd's gradient of a scalar against central differences."""
    variable = at.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(variable), variable)
    step = 1e-6
    for index in np.ndindex(*at.shape):
        up, down = at.clone(), at.clone()
        up[index] += step
        down[index] -= step
        slope = (loss(up) - loss(down)).item() / (2 * step)
        assert gradient[index].item() == pytest.approx(slope, abs=1e-7, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("target", TARGETS)
class TestOrdinalHead:
    """The proportional odds model."""

    def test_loss(self, target: str, smoothing: float) -> None:
        head = head_of(target, multi_head="ordinal", multi_ratio=0.3, label_smoothing=smoothing)
        logits, batch, kinds = rows(head, target)
        cuts, negative = slow_cut_points(head), NEGATIVE[target]
        share = 1 - negative / len(TARGETS[target].levels)
        ce, bce = 0.0, 0.0
        for z, kind in zip(logits[:, 0].tolist(), kinds, strict=True):
            ce += slow_ce(slow_ordinal(z, cuts), kind, smoothing) / 30
            bce += slow_bce(z - cuts[negative - 1], float(kind >= negative), smoothing, share) / 30
        parts = head.loss(logits, batch, torch.tensor(2.5))
        assert parts["ce"].item() == pytest.approx(ce, rel=1e-9)
        assert parts["bce"].item() == pytest.approx(bce, rel=1e-9)
        assert parts["loss"].item() == pytest.approx(0.3 * ce + 0.7 * (bce + 2.5), rel=1e-9)

    def test_gradients(self, target: str, smoothing: float) -> None:
        head = head_of(target, multi_head="ordinal", label_smoothing=smoothing)
        logits, batch, _ = rows(head, target)
        assert_gradient(lambda z: head.loss(z, batch, None)["loss"], logits)

        def loss_of_gaps(gaps: Tensor) -> Tensor:
            return torch.func.functional_call(_Loss(head), {"head.gaps": gaps}, (logits, batch))

        assert_gradient(loss_of_gaps, head.gaps.detach())

    def test_probabilities(self, target: str, smoothing: float) -> None:
        head = head_of(target, multi_head="ordinal", label_smoothing=smoothing)
        logits, _, _ = rows(head, target)
        p = head.class_probabilities(logits)
        for row, z in zip(p.tolist(), logits[:, 0].tolist(), strict=True):
            assert row == pytest.approx(slow_ordinal(z, slow_cut_points(head)), rel=1e-9)
        click = head.click_probability(logits)
        torch.testing.assert_close(click, p[:, NEGATIVE[target] :].sum(dim=1))
        torch.testing.assert_close(head.scores(logits).click, click)


class _Loss(torch.nn.Module):
    """The loss of a head as a module's output, whose parameters can be replaced."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head

    def forward(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
        return self.head.loss(logits, batch, None)["loss"]


class TestOrdinalStart:
    """What an ordinal head is before training, and at the edge of floats."""

    def test_classes_start_equally_probable(self) -> None:
        head = build_head(SupervisionOptions(multi_cls=5, multi_head="ordinal"), STAR_TARGET)
        p = head.class_probabilities(torch.zeros(1, 1))
        torch.testing.assert_close(p, torch.full((1, 5), 0.2))
        assert head.click_probability(torch.zeros(1, 1)).item() == pytest.approx(0.4)

    def test_cut_points_stay_in_order(self) -> None:
        head = head_of(multi_head="ordinal")
        with torch.no_grad():
            head.gaps.copy_(torch.tensor([3.0, -9.0, -20.0, 4.0]))
        assert (head.cut_points().diff() > 0).all()

    @pytest.mark.parametrize("score", [-1e4, -300.0, 0.0, 300.0, 1e4])
    def test_extreme_scores(self, score: float) -> None:
        head = build_head(SupervisionOptions(multi_cls=5, multi_head="ordinal"), STAR_TARGET)
        logits = torch.full((5, 1), score, requires_grad=True)
        batch = {"rating": torch.tensor(STARS), "label": torch.tensor([0.0, 0, 0, 1, 1])}
        head.loss(logits, batch, None)["loss"].backward()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
        assert logits.grad.abs().max() > 0.01

    def test_a_score_above_all_cut_points_is_the_highest_level(self) -> None:
        head = head_of(multi_head="ordinal")
        p = head.class_probabilities(torch.tensor([[50.0], [-50.0]]).double())
        torch.testing.assert_close(head.expected_level(p), torch.tensor([5.0, 1.0]).double())


@pytest.mark.parametrize("target", TARGETS)
class TestRegressionHead:
    """A number for the rating, a logit for the click."""

    def test_loss(self, target: str) -> None:
        head = head_of(target, multi_head="regression", multi_ratio=0.3)
        logits, batch, kinds = rows(head, target)
        levels = TARGETS[target].levels
        step = (levels[-1] - levels[0]) / (len(levels) - 1)
        mse = bce = 0.0
        for (click, number), kind in zip(logits.tolist(), kinds, strict=True):
            predicted = (levels[0] + levels[-1]) / 2 + step * number
            mse += ((levels[kind] - predicted) / step) ** 2 / 30
            bce += slow_bce(click, float(kind >= NEGATIVE[target]), 0.0, 0.5) / 30
        parts = head.loss(logits, batch, torch.tensor(2.5))
        assert set(parts) == {"loss", "bce", "mse", "penalty"}
        assert parts["mse"].item() == pytest.approx(mse, rel=1e-6)
        assert parts["bce"].item() == pytest.approx(bce, rel=1e-9)
        assert parts["loss"].item() == pytest.approx(0.3 * mse + 0.7 * (bce + 2.5), rel=1e-6)

    def test_gradient(self, target: str) -> None:
        head = head_of(target, multi_head="regression")
        logits, batch, _ = rows(head, target)
        assert_gradient(lambda z: head.loss(z, batch, None)["loss"], logits)

    def test_expected_level_is_the_prediction_within_the_scale(self, target: str) -> None:
        head = head_of(target, multi_head="regression")
        logits, _, _ = rows(head, target, scale=8.0)
        levels = torch.tensor(TARGETS[target].levels).double()
        predicted = head.predicted_rating(logits)
        assert ((predicted < levels[0]) | (predicted > levels[-1])).any()
        p = head.class_probabilities(logits)
        assert (p >= 0).all()
        assert ((p > 0).sum(dim=1) <= 2).all()
        torch.testing.assert_close(p.sum(dim=1), torch.ones(30).double())
        within = predicted.clamp(levels[0], levels[-1])
        torch.testing.assert_close(head.expected_level(p), within)
        nearest = (within[:, None] - levels).abs().argmin(dim=1)
        assert torch.equal(p.argmax(dim=1), nearest)


def test_regression_click_is_a_logit_of_its_own() -> None:
    head = head_of(multi_head="regression")
    logits = torch.tensor([[0.0, 1.0], [math.log(3), -1.0]]).double()
    torch.testing.assert_close(head.click_probability(logits), torch.tensor([0.5, 0.75]).double())
    torch.testing.assert_close(head.predicted_rating(logits), torch.tensor([4.0, 2.0]).double())


@pytest.mark.parametrize("agg", ["prob", "logit"])
def test_smoothing_of_a_softmax(agg: str) -> None:
    head = head_of(multi_ratio=0.3, label_smoothing=0.1, multi_agg=agg)
    logits, batch, kinds = rows(head)
    ce = bce = 0.0
    for z, kind in zip(logits.tolist(), kinds, strict=True):
        total = sum(math.exp(value) for value in z)
        p = [math.exp(value) / total for value in z]
        positive = sum(p[3:]) / (1 - sum(p[3:]))
        logit = math.log(positive) if agg == "prob" else sum(z[3:]) - sum(z[:3])
        ce += slow_ce(p, kind, 0.1) / 30
        bce += slow_bce(logit, float(kind >= 3), 0.1, 2 / 5) / 30
    parts = head.loss(logits, batch, None)
    assert parts["ce"].item() == pytest.approx(ce, rel=1e-9)
    assert parts["bce"].item() == pytest.approx(bce, rel=1e-9)
    assert parts["loss"].item() == pytest.approx(0.3 * ce + 0.7 * bce, rel=1e-9)


def test_a_perfect_fit_to_smoothed_classes_fits_the_smoothed_click() -> None:
    """Both targets are of one distribution, so that they do not pull in different directions."""
    p = torch.tensor([[0.05, 0.05, 0.05, 0.8, 0.05]]).double()
    logits = p.log().requires_grad_()
    batch = {"rating": torch.tensor([4.0]).double(), "label": torch.tensor([1.0]).double()}
    for ratio in (0.0, 1.0):
        head = head_of(label_smoothing=0.25, multi_ratio=ratio)
        (gradient,) = torch.autograd.grad(head.loss(logits, batch, None)["loss"], logits)
        torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-12, rtol=0)


def test_smoothing_of_a_click() -> None:
    head = build_head(SupervisionOptions(label_smoothing=0.1), Target("label")).double()
    logits = torch.tensor([[1.5], [-0.5]]).double()
    batch = {"label": torch.tensor([1.0, 0.0]).double()}
    expected = (slow_bce(1.5, 1.0, 0.1, 0.5) + slow_bce(-0.5, 0.0, 0.1, 0.5)) / 2
    assert head.loss(logits, batch, None)["bce"].item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "weight"),
    [
        ({}, 1.0),
        ({"penalty_weight": 0.3}, 0.3),
        ({"penalty_weight": 0.0}, 0.0),
        ({"multi_cls": 5, "multi_ratio": 0.7}, 0.3),
        ({"multi_cls": 5, "multi_ratio": 0.7, "penalty_weight": 1.0}, 1.0),
        ({"multi_cls": 5, "multi_head": "ordinal", "multi_ratio": 0.9}, 0.1),
        ({"multi_cls": 5, "multi_head": "regression", "penalty_weight": 2.0}, 2.0),
    ],
)
def test_weight_of_the_penalty(options: dict[str, Any], weight: float) -> None:
    head = build_head(SupervisionOptions(**options), STAR_TARGET).double()
    logits, batch, _ = rows(head)
    without = head.loss(logits, batch, None)
    parts = head.loss(logits, batch, torch.tensor(100.0))
    assert parts["loss"].item() - without["loss"].item() == pytest.approx(100 * weight)
    assert parts["penalty"].item() == 100.0
    assert "penalty" not in without


class TestTwoClasses:
    """multi_cls=2: the click label itself as two classes."""

    @pytest.mark.parametrize("target", [STAR_TARGET, Target("label"), TARGETS["half stars"]])
    def test_classes_are_the_label(self, target: Target) -> None:
        head = build_head(SupervisionOptions(multi_cls=2), target)
        assert isinstance(head, SoftmaxHead)
        assert head.num_logits == 2
        label = torch.tensor([0.0, 1.0, 1.0])
        assert head.classes({"label": label, "rating": 6 - label}).tolist() == [0, 1, 1]
        assert head.levels.tolist() == [0, 1]

    def test_loss_is_that_of_a_binary_head_on_the_difference(self) -> None:
        head = build_head(SupervisionOptions(multi_cls=2), STAR_TARGET)
        binary = build_head(SupervisionOptions(), STAR_TARGET)
        logits = torch.randn(30, 2)
        batch = {"label": (torch.rand(30) > 0.4).float()}
        parts = head.loss(logits, batch, None)
        expected = binary.loss(logits[:, 1:] - logits[:, :1], batch, None)["loss"]
        for name in ("ce", "bce", "loss"):
            torch.testing.assert_close(parts[name], expected)
        torch.testing.assert_close(
            head.class_probabilities(logits)[:, 1], head.click_probability(logits)
        )

    def test_two_ratings_are_two_classes(self) -> None:
        target = Target("label", "rating", 5.0, (1.0, 5.0))
        head = build_head(SupervisionOptions(multi_cls=2), target)
        assert isinstance(head, RatingHead)
        assert head.rating_field == "rating"
        assert head.levels.tolist() == [1, 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"multi_head": "ordinal"}, "'multi_head' and 'multi_cls' are at odds.*multi_cls must say"),
        ({"multi_head": "regression"}, "'multi_head' and 'multi_cls' are at odds"),
        ({"multi_head": "ordinal", "multi_cls": 2}, "an ordinal head is a binary one"),
        ({"shuffle_levels": True}, "'shuffle_levels' and 'multi_cls' are at odds"),
        ({"shuffle_levels": True, "multi_cls": 2}, "no levels to shuffle"),
        (
            {"multi_head": "ordinal", "multi_cls": 5, "multi_agg": "logit"},
            "'multi_agg' and 'multi_",
        ),
        ({"multi_head": "regression", "multi_cls": 5, "multi_agg": "logit"}, "only a softmax has"),
        ({"multi_head": "regression", "multi_cls": 5, "label_smoothing": 0.1}, "no classes to sm"),
        ({"multi_head": "corn", "multi_cls": 5}, "multi_head"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"label_smoothing": -0.1}, "label_smoothing"),
        ({"label_smoothing": math.nan}, "label_smoothing"),
        ({"penalty_weight": -1.0}, "penalty_weight"),
        ({"penalty_weight": math.inf}, "penalty_weight"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SupervisionOptions(**options)


def test_the_head_that_is_asked_for() -> None:
    found = {
        kind: type(build_head(SupervisionOptions(multi_cls=5, multi_head=kind), STAR_TARGET))
        for kind in ("softmax", "ordinal", "regression")
    }
    assert found == {
        "softmax": SoftmaxHead,
        "ordinal": OrdinalHead,
        "regression": RegressionHead,
    }
    assert type(build_head(SupervisionOptions(), STAR_TARGET)) is BinaryHead
