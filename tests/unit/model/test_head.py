"""The heads' mathematics against plain float64 references, their stability, and their errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from recbole.data.schema import Target
from recbole.errors import ConfigError
from recbole.model.head import (
    BinaryHead,
    RatingHead,
    SoftmaxHead,
    SupervisionOptions,
    _MixedLoss,
    build_head,
)
from tests.unit.model.stand_in import HALF_STARS, STARS

TARGETS = {
    2: (Target("label", "rating", 2.0, (1.0, 2.0)), 1),
    3: (Target("label", "rating", 2.0, (1.0, 2.0, 3.0)), 1),
    5: (Target("label", "rating", 4.0, STARS), 3),
    10: (Target("label", "rating", 3.5, HALF_STARS), 6),
}


def rating_head(
    classes: int, ratio: float = 0.7, agg: str = "prob", smoothing: float = 0.0
) -> tuple[SoftmaxHead, int]:
    target, negative = TARGETS[classes]
    options = SupervisionOptions(
        multi_cls=classes, multi_ratio=ratio, multi_agg=agg, label_smoothing=smoothing
    )
    head = build_head(options, target)
    assert isinstance(head, SoftmaxHead)
    return head, negative


def rows(classes: int, scale: float, count: int = 40) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits of both signs up to `scale`, and ratings with their clicks."""
    target, negative = TARGETS[classes]
    random = np.random.default_rng(classes)
    logits = torch.tensor(random.uniform(-scale, scale, (count, classes)), dtype=torch.float32)
    kind = torch.tensor(random.integers(classes, size=count))
    batch = {"rating": torch.tensor(target.levels)[kind], "label": (kind >= negative).float()}
    return logits, batch


def slow_parts(
    logits: Tensor, batch: dict[str, Tensor], classes: int, agg: str
) -> tuple[float, float, np.ndarray]:
    """CE, BCE and click probabilities, one row and one class at a time."""
    target, negative = TARGETS[classes]
    ce = bce = 0.0
    clicks = []
    for z, rating, label in zip(
        logits.double().numpy(), batch["rating"].tolist(), batch["label"].tolist(), strict=True
    ):
        total = np.logaddexp.reduce(z)
        log_p = [z_k - total for z_k in z]
        ce -= log_p[target.levels.index(rating)]
        if agg == "prob":  # log p̂ and log (1 - p̂), Eq. 11
            log_click = np.logaddexp.reduce(log_p[negative:])
            log_no_click = np.logaddexp.reduce(log_p[:negative])
        else:
            summed = sum(z[negative:]) - sum(z[:negative])
            log_click = -np.logaddexp(0, -summed)
            log_no_click = -np.logaddexp(0, summed)
        bce -= label * log_click + (1 - label) * log_no_click
        clicks.append(math.exp(log_click))
    return ce / len(logits), bce / len(logits), np.array(clicks)


@pytest.mark.parametrize("scale", [1.0, 10.0, 1e4])
@pytest.mark.parametrize("agg", ["prob", "logit"])
@pytest.mark.parametrize("classes", TARGETS)
class TestSoftmaxHead:
    """Equations 10 to 13, for every number of classes and size of logits."""

    def test_loss_and_its_parts(self, classes: int, agg: str, scale: float) -> None:
        head, _ = rating_head(classes, 0.3, agg)
        logits, batch = rows(classes, scale)
        ce, bce, _ = slow_parts(logits, batch, classes, agg)
        parts = head.loss(logits, batch, torch.tensor(2.5))
        assert set(parts) == {"loss", "ce", "bce", "penalty"}
        assert parts["ce"].item() == pytest.approx(ce, rel=1e-5)
        assert parts["bce"].item() == pytest.approx(bce, rel=1e-5)
        assert parts["penalty"].item() == 2.5
        assert parts["loss"].item() == pytest.approx(0.3 * ce + 0.7 * (bce + 2.5), rel=1e-5)

    def test_click_probability(self, classes: int, agg: str, scale: float) -> None:
        head, _ = rating_head(classes, agg=agg)
        logits, batch = rows(classes, scale)
        _, _, clicks = slow_parts(logits, batch, classes, agg)
        np.testing.assert_allclose(head.click_probability(logits), clicks, atol=2e-6)

    def test_gradients_are_finite(self, classes: int, agg: str, scale: float) -> None:
        head, _ = rating_head(classes, agg=agg)
        logits, batch = rows(classes, scale)
        logits.requires_grad_()
        head.loss(logits, batch, None)["loss"].backward()
        assert logits.grad is not None
        assert logits.grad.isfinite().all()
        assert logits.grad.abs().max() > 0


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("ratio", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("scale", [1.0, 30.0])
@pytest.mark.parametrize("classes", TARGETS)
class TestLossOfBothAtOnce:
    """`SoftmaxHead` takes both losses and their gradient at once, the other heads by autograd."""

    def test_same_as_one_after_the_other(
        self, classes: int, scale: float, ratio: float, smoothing: float
    ) -> None:
        head, _ = rating_head(classes, ratio, smoothing=smoothing)
        logits, batch = rows(classes, scale)
        logits = logits.double().requires_grad_()
        found, plain = head.loss(logits, batch, None), RatingHead._losses(head, logits, batch)
        assert list(found) == list(plain) == ["loss", "bce", "ce"]
        for name, value in plain.items():
            assert found[name].item() == pytest.approx(value.item(), rel=1e-7)
        (gradient,) = torch.autograd.grad(3 * found["loss"], logits)
        (expected,) = torch.autograd.grad(3 * plain["loss"], logits)
        torch.testing.assert_close(gradient, expected, rtol=1e-6, atol=1e-12)

    def test_over_several_models_together(
        self, classes: int, scale: float, ratio: float, smoothing: float
    ) -> None:
        head, _ = rating_head(classes, ratio, smoothing=smoothing)
        logits, batch = rows(classes, scale)
        together = torch.stack([logits, logits.flip(0)]).requires_grad_()
        batches = {name: torch.stack([column, column]) for name, column in batch.items()}

        def one(z: Tensor, columns: dict[str, Tensor]) -> Tensor:
            return head.loss(z, columns, None)["loss"]

        losses = torch.func.vmap(one)(together, batches)
        losses.sum().backward()
        for number in range(2):
            alone = together[number].detach().requires_grad_()
            loss = one(alone, batch)
            torch.testing.assert_close(losses[number], loss)
            loss.backward()
            torch.testing.assert_close(together.grad[number], alone.grad)


@pytest.mark.parametrize("label", ["as the rating says", "not as it says"])
def test_loss_of_both_at_once_where_label_and_rating_agree_or_not(label: str) -> None:
    head, _ = rating_head(5, 0.3)
    logits, batch = rows(5, 2.0)
    logits = logits.double().requires_grad_()
    if label == "not as it says":
        batch["label"] = 1 - batch["label"]
    found, plain = head.loss(logits, batch, None), RatingHead._losses(head, logits, batch)
    torch.testing.assert_close(found, plain)
    assert not found["bce"].requires_grad  # rather than a gradient that is not its own
    assert not found["ce"].requires_grad
    gradients = [torch.autograd.grad(parts["loss"], logits)[0] for parts in (found, plain)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("classes", TARGETS)
def test_derivatives_of_the_loss(classes: int) -> None:
    """The first and the second, against finite differences."""
    head, _ = rating_head(classes, 0.3)
    logits, batch = rows(classes, 2.0, count=4)
    point = logits.double().requires_grad_()

    def loss(z: Tensor) -> Tensor:
        return head.loss(z, batch, None)["loss"]

    assert torch.autograd.gradcheck(loss, point)
    assert torch.autograd.gradgradcheck(loss, point)
    (expected,) = torch.autograd.grad(loss(point), point)
    torch.testing.assert_close(torch.func.grad(loss)(point.detach()), expected)


def test_mapping_over_another_dimension() -> None:
    clicks = (torch.arange(7) % 3 == 0).float()
    positive = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0]).unsqueeze(1)
    pieces = torch.rand(7, 2, 5), torch.rand(5, 7, 2), clicks, positive  # logits, target, ...
    mapped = torch.func.vmap(_MixedLoss.apply, in_dims=(1, 2, None, None, None))(*pieces, 0.3)
    for number in range(2):
        alone = _MixedLoss.apply(pieces[0][:, number], pieces[1][..., number], *pieces[2:], 0.3)
        torch.testing.assert_close([part[number] for part in mapped], list(alone))


def test_the_same_logits_under_several_batches() -> None:
    head, _ = rating_head(5)
    logits, batch = rows(5, 2.0)
    batches = {name: torch.stack([column, column.flip(0)]) for name, column in batch.items()}
    losses = torch.func.vmap(lambda columns: head.loss(logits, columns, None)["loss"])(batches)
    for number in range(2):
        alone = {name: column[number] for name, column in batches.items()}
        torch.testing.assert_close(losses[number], head.loss(logits, alone, None)["loss"])


@pytest.mark.parametrize("classes", TARGETS)
def test_class_targets_are_of_the_classes(classes: int) -> None:
    head, _ = rating_head(classes)
    target, _ = TARGETS[classes]
    batch = {"rating": torch.tensor(target.levels).repeat(3)}
    expected = torch.nn.functional.one_hot(head.classes(batch), classes).T
    assert torch.equal(head.class_targets(batch), expected.float())


def test_class_targets_of_levels_unevenly_apart() -> None:
    head = build_head(
        SupervisionOptions(multi_cls=3), Target("label", "rating", 7, (-10, 0.1, 7.7))
    )
    assert isinstance(head, SoftmaxHead)
    ratings = torch.tensor([7.7, -10, 0.1], dtype=torch.float64)
    expected = torch.tensor([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
    assert torch.equal(head.class_targets({"rating": ratings}), expected)


@pytest.mark.parametrize("classes", TARGETS)
def test_click_is_the_sum_of_the_positive_classes(classes: int) -> None:
    head, negative = rating_head(classes)
    logits, _ = rows(classes, 3.0)
    probabilities = head.class_probabilities(logits)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(40))
    click = probabilities[:, negative:].sum(dim=1)
    torch.testing.assert_close(head.click_probability(logits), click)
    torch.testing.assert_close(head.scores(logits).click, click)
    assert torch.equal(head.scores(logits).classes, probabilities)


def test_loss_without_penalty() -> None:
    head, _ = rating_head(5, 0.25)
    parts = head.loss(*rows(5, 1.0), None)
    assert set(parts) == {"loss", "ce", "bce"}
    torch.testing.assert_close(parts["loss"], 0.25 * parts["ce"] + 0.75 * parts["bce"])


@pytest.mark.parametrize(("ratio", "part"), [(0.0, "bce"), (1.0, "ce")])
def test_extreme_ratios(ratio: float, part: str) -> None:
    head, _ = rating_head(5, ratio)
    parts = head.loss(*rows(5, 1.0), None)
    torch.testing.assert_close(parts["loss"], parts[part])


def test_expected_level() -> None:
    head, _ = rating_head(10)
    probabilities = torch.zeros(2, 10)
    probabilities[0, 6] = 1  # 3.5 stars
    probabilities[1, [0, 9]] = 0.5  # half a star or 5 stars
    torch.testing.assert_close(head.expected_level(probabilities), torch.tensor([3.5, 2.75]))


@pytest.mark.parametrize(
    ("levels", "classes", "ratings", "expected"),
    [
        (STARS, 5, [1, 2, 3, 4, 5], [0, 1, 2, 3, 4]),
        ((1, 2, 4, 5), 5, [1, 2, 4, 5], [0, 1, 3, 4]),  # nobody gave a 3
        ((2, 3, 5), 5, [2, 3, 5], [1, 2, 4]),
        (HALF_STARS, 10, [0.5, 1, 4.5, 5], [0, 1, 8, 9]),
        ((0, 1, 2), 3, [0, 1, 2], [0, 1, 2]),
        ((-10, 0.1, 7.7), 3, [-10, 0.1, 7.7], [0, 1, 2]),
    ],
)
def test_classes(
    levels: tuple[float, ...], classes: int, ratings: list[float], expected: list[int]
) -> None:
    target = Target("label", "rating", levels[-1], tuple(map(float, levels)))
    head = build_head(SupervisionOptions(multi_cls=classes), target)
    assert isinstance(head, SoftmaxHead)
    assert head.num_logits == classes
    found = head.classes({"rating": torch.tensor(ratings, dtype=torch.float32)})
    assert found.dtype == torch.int64
    assert found.tolist() == expected
    in_double = head.classes({"rating": torch.tensor(ratings, dtype=torch.float64)})
    assert in_double.tolist() == expected


def test_a_rounded_rating_keeps_its_class() -> None:
    head, _ = rating_head(5)
    assert head.classes({"rating": torch.tensor([2.999999, 3.000001])}).tolist() == [2, 2]


@pytest.mark.parametrize(("threshold", "negative"), [(4.0, 3), (3.5, 3), (5.0, 4), (1.5, 1)])
def test_threshold_is_inclusive(threshold: float, negative: int) -> None:
    head = build_head(SupervisionOptions(multi_cls=5), Target("label", "rating", threshold, STARS))
    logits = torch.zeros(1, 5)
    assert head.click_probability(logits).item() == pytest.approx((5 - negative) / 5)


class TestBinaryHead:
    """One logit, BCE and penalty."""

    def test_loss(self) -> None:
        head = build_head(SupervisionOptions(), Target("click"))
        assert isinstance(head, BinaryHead)
        logits = torch.tensor([[0.3], [-2.0], [1e4]])
        label = torch.tensor([1.0, 0.0, 0.0])
        expected = (math.log1p(math.exp(-0.3)) + math.log1p(math.exp(-2.0)) + 1e4) / 3
        parts = head.loss(logits, {"click": label}, torch.tensor(0.5))
        assert parts["bce"].item() == pytest.approx(expected)
        assert parts["loss"].item() == pytest.approx(expected + 0.5)
        assert set(head.loss(logits, {"click": label}, None)) == {"loss", "bce"}

    def test_probabilities(self) -> None:
        head = build_head(SupervisionOptions(), Target("click"))
        scores = head.scores(torch.tensor([[0.0], [math.log(3.0)]]))
        torch.testing.assert_close(scores.click, torch.tensor([0.5, 0.75]))
        assert scores.classes is None
        assert head.num_logits == 1


def test_heads_have_no_parameters_and_nothing_to_save() -> None:
    for head in (rating_head(5)[0], build_head(SupervisionOptions(), Target("label"))):
        assert not list(head.parameters())
        assert not head.state_dict()


def test_half_precision_logits_give_float32_losses() -> None:
    head, _ = rating_head(5)
    logits, batch = rows(5, 3.0)
    rounded = logits.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        parts = head.loss(rounded, batch, None)
        scores = head.scores(rounded)
    assert parts["loss"].dtype == scores.click.dtype == torch.float32
    exact = head.loss(rounded.float(), batch, None)
    torch.testing.assert_close(parts["loss"], exact["loss"])
    torch.testing.assert_close(scores.click, head.click_probability(rounded.float()))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Target("label"), r"multi_cls=5 needs the ratings.*threshold: \{rating: 4\}"),
        (Target("label", "rating", 4.0, ()), "multi_cls=5 needs the ratings"),
        (Target("label", "rating", 4.0, HALF_STARS), r"'rating' has 10: 0\.5, 1, 1\.5"),
        (Target("label", "rating", 2.0, (1.0, 2.0, 3.0)), "has 3: 1, 2, 3"),
        (Target("label", "rating", 2.0, (0.0, 5.0)), "has 2: 0, 5"),
        (Target("label", "rating", 2.0, (1.0, 2.5, 5.0)), r"has 3: 1, 2\.5, 5"),
        (Target("label", "rating", None, STARS), "needs a threshold.*levels: 1, 2, 3, 4, 5"),
        (Target("label", "rating", 1.0, STARS), "no negative.*levels: 1, 2, 3, 4, 5"),
        (Target("label", "rating", 5.5, STARS), "no positive.*levels: 1, 2, 3, 4, 5"),
        (
            Target("label", "rating", 2.0, tuple(float(n) for n in range(100))),
            r"has 100: 0, 1, .*18, 19, \.\.\. \(100 in all\)",
        ),
    ],
)
def test_ratings_that_do_not_fit(target: Target, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_head(SupervisionOptions(multi_cls=5), target)


@pytest.mark.parametrize(
    "options",
    [
        {"multi_cls": 1},
        {"multi_cls": 0},
        {"multi_cls": -5},
        {"multi_cls": "5"},
        {"multi_cls": True},
        {"multi_cls": 2.5},
        {"multi_ratio": 1.01},
        {"multi_ratio": -0.1},
        {"multi_ratio": math.nan},
        {"multi_agg": "mean"},
        {"multi_class": 5},
    ],
)
def test_options_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SupervisionOptions(**options)


def test_defaults() -> None:
    options = SupervisionOptions()
    assert (options.multi_cls, options.multi_ratio, options.multi_agg) == (None, 0.7, "prob")
    assert SupervisionOptions(multi_ratio=1).multi_ratio == 1.0
