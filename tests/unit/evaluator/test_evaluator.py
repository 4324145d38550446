"""Evaluation as a whole: predictions are collected, measured, rounded, or refused with reasons."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recbole.data.schema import Schema, Target
from recbole.errors import ConfigError, DataError, RecBoleError, TrainingDivergedError
from recbole.evaluator import (
    METRICS,
    EvaluationOptions,
    Evaluator,
    Predictions,
    collect,
    default_metrics,
    value_metrics,
)
from recbole.model.head import Scores, SupervisionOptions, build_head

TARGET = Target("liked", "stars", threshold=4.0, levels=(1.0, 2.0, 3.0, 4.0, 5.0))
SCHEMA = Schema((), "who", "what", "when", TARGET)


class OneLayer(nn.Module):
    """A linear model on column x, with dropout, so that its mode shows in what it predicts."""

    def __init__(self, multi_cls: int | None) -> None:
        super().__init__()
        self.head = build_head(SupervisionOptions(multi_cls=multi_cls), TARGET)
        self.linear = nn.Linear(3, self.head.num_logits)
        self.dropout = nn.Dropout(0.5)

    def scores(self, batch: dict[str, Tensor]) -> Scores:
        return self.head.scores(self.linear(self.dropout(batch["x"])))


class Batches:
    """Rows in batches of 8; a stand-in for a Loader."""

    schema = SCHEMA

    def __init__(self, rows: int) -> None:
        self.dataset = self
        generator = torch.Generator().manual_seed(rows)
        stars = torch.randint(1, 6, (rows,), generator=generator).float()
        self.columns = {
            "x": torch.randn(rows, 3, generator=generator) + stars[:, None],
            "who": torch.randint(1, 4, (rows,), generator=generator),
            "stars": stars,
            "liked": (stars >= 4).float(),
        }

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        rows = len(self.columns["x"])
        for start in range(0, rows, 8):
            yield {name: column[start : start + 8] for name, column in self.columns.items()}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def predictions() -> Predictions:
    return collect(OneLayer(5), Batches(50))


def all_value_metrics(decimals: int = 15) -> Evaluator:
    return Evaluator(EvaluationOptions(metric_decimal_place=decimals), rating_head=True)


@pytest.mark.parametrize("training", [True, False])
def test_collect_a_rating_head(training: bool) -> None:
    model, batches = OneLayer(5).train(training), Batches(50)
    found = collect(model, batches)
    assert model.training is training
    assert model.dropout.training is training

    model.eval()
    logits = model.linear(batches.columns["x"])
    p = logits.softmax(dim=1)  # [N, K]
    assert len(found) == 50
    torch.testing.assert_close(found.click, p[:, 3] + p[:, 4])
    torch.testing.assert_close(found.class_probabilities, p)
    torch.testing.assert_close(found.expected_level, p @ torch.arange(1.0, 6.0))
    assert torch.equal(found.label, batches.columns["liked"])
    assert torch.equal(found.user, batches.columns["who"])
    assert found.level is not None
    assert torch.equal(found.level, batches.columns["stars"])
    assert found.classes is not None
    assert torch.equal(found.classes, batches.columns["stars"].long() - 1)
    assert not found.click.requires_grad


def test_collect_a_binary_head() -> None:
    model, batches = OneLayer(None), Batches(9)
    found = collect(model, batches)
    expected = torch.sigmoid(model.linear(batches.columns["x"])).squeeze(1)
    torch.testing.assert_close(found.click, expected)
    assert (found.class_probabilities, found.classes) == (None, None)
    assert (found.expected_level, found.level) == (None, None)


def test_collect_restores_the_mode_when_the_model_fails() -> None:
    model, batches = OneLayer(None).train(), Batches(9)
    del batches.columns["x"]
    with pytest.raises(KeyError):
        collect(model, batches)
    assert model.training


def test_collect_refuses_an_empty_part() -> None:
    with pytest.raises(DataError, match="at least one row to evaluate"):
        collect(OneLayer(None), Batches(0))


def test_every_metric_is_of_the_right_columns(predictions: Predictions) -> None:
    click, label, user = predictions.click, predictions.label, predictions.user
    p, classes = predictions.class_probabilities, predictions.classes
    assert p is not None
    assert classes is not None
    level, expected_level = predictions.level, predictions.expected_level
    assert level is not None
    assert expected_level is not None
    assert all_value_metrics().evaluate(predictions) == {
        "auc": pytest.approx(value_metrics.auc(click, label)),
        "logloss": pytest.approx(value_metrics.log_loss(click, label)),
        "gauc": pytest.approx(value_metrics.gauc(click, label, user)),
        "mae": pytest.approx(float((click - label).abs().mean())),
        "rmse": pytest.approx(float((click - label).square().mean().sqrt())),
        "ece": pytest.approx(value_metrics.expected_calibration_error(click, label)),
        "copc": pytest.approx(float(label.sum() / click.sum())),
        "ratingaccuracy": pytest.approx(float((p.argmax(1) == classes).float().mean())),
        "ratingmae": pytest.approx(float((expected_level - level).abs().mean())),
        "macrof1": pytest.approx(value_metrics.macro_f1(p, classes)),
    }


@pytest.mark.parametrize("rating_head", [True, False])
def test_the_defaults_are_every_value_metric(rating_head: bool, predictions: Predictions) -> None:
    found = Evaluator(EvaluationOptions(), rating_head).evaluate(predictions)
    assert list(found) == [name.lower() for name in default_metrics(rating_head)]


@pytest.mark.parametrize("decimals", [0, 2, 4])
def test_results_keep_the_order_asked_and_are_rounded(
    decimals: int, predictions: Predictions
) -> None:
    options = EvaluationOptions(metrics=["RMSE", "auc"], metric_decimal_place=decimals)
    found = Evaluator(options, rating_head=False).evaluate(predictions)
    exact = all_value_metrics().evaluate(predictions)
    assert list(found.items()) == [
        ("rmse", round(exact["rmse"], decimals)),
        ("auc", round(exact["auc"], decimals)),
    ]
    assert all(type(value) is float for value in found.values())


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_a_single_class_gives_nan_and_one_warning(
    label: float, predictions: Predictions, caplog: pytest.LogCaptureFixture
) -> None:
    one_class = replace(predictions, label=torch.full((50,), label))
    with caplog.at_level(logging.WARNING, logger="recbole"):
        found = all_value_metrics().evaluate(one_class)
    assert [key for key, value in found.items() if math.isnan(value)] == ["auc", "gauc"]
    assert [record.name for record in caplog.records] == ["recbole.evaluator.evaluator"]
    assert "AUC, GAUC: not defined (NaN)" in caplog.text
    assert f"({int(50 * label)} of 50 rows are clicks" in caplog.text


def test_no_warning_where_all_is_defined(
    predictions: Predictions, caplog: pytest.LogCaptureFixture
) -> None:
    all_value_metrics().evaluate(predictions)
    assert not caplog.records


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metrics": ["AUC", "NDCG"]}, r"'metrics': NDCG ranks .*eval_args: \{mode: full\}"),
        ({"metrics": ["AUC", "MacroF1"]}, "'metrics': MacroF1 needs .* set multi_cls"),
        ({"valid_metric": "RatingMAE"}, "'valid_metric': RatingMAE needs .* set multi_cls"),
    ],
)
def test_refuses_what_it_cannot_measure(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Evaluator(EvaluationOptions(**values), rating_head=False)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("column", ["click", "class_probabilities"])
def test_refuses_predictions_that_are_not_finite(
    bad: float, column: str, predictions: Predictions
) -> None:
    broken = getattr(predictions, column).clone()
    broken[3] = bad
    with pytest.raises(TrainingDivergedError, match="NaN or infinity in 1 of 50 rows"):
        all_value_metrics().evaluate(replace(predictions, **{column: broken}))


def test_refuses_logits_for_probabilities(predictions: Predictions) -> None:
    with pytest.raises(RecBoleError, match=r"from 0 to 1 .* from -2 to 0\.5"):
        all_value_metrics().evaluate(
            replace(predictions, click=torch.linspace(-2, 0.5, len(predictions)))
        )


def test_refuses_an_empty_part(predictions: Predictions) -> None:
    empty = Predictions(torch.empty(0), torch.empty(0), torch.empty(0))
    with pytest.raises(DataError, match="at least one row"):
        all_value_metrics().evaluate(empty)


@pytest.mark.parametrize("name", ["RatingAccuracy", "RatingMAE", "MacroF1"])
def test_rating_metrics_refuse_the_predictions_of_a_binary_head(name: str) -> None:
    binary = collect(OneLayer(None), Batches(9))
    with pytest.raises(ValueError, match="expected the predictions of a rating head"):
        METRICS[name.lower()].function(binary)


def test_predictions_refuse_unequal_lengths() -> None:
    with pytest.raises(ValueError, match=r"'click': 3, 'label': 2, 'user': 3"):
        Predictions(torch.rand(3), torch.ones(2), torch.ones(3))
