"""Options of evaluation: spellings that are accepted, and what is said about the others."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from recbole.evaluator import METRICS, EvaluationOptions, EvaluatorType, default_metrics


def test_defaults() -> None:
    options = EvaluationOptions()
    assert options.metrics is None
    assert options.topk == [10]
    assert (options.valid_metric, options.valid_key) == ("AUC", "auc")
    assert options.bigger_is_better is True
    assert options.metric_decimal_place == 4


def test_names_are_canonical_inside_and_one_stands_for_a_list() -> None:
    options = EvaluationOptions(metrics="logLOSS", topk=5, valid_metric="LOGLOSS")
    assert (options.metrics, options.topk) == (["LogLoss"], [5])
    assert (options.valid_metric, options.valid_key) == ("LogLoss", "logloss")
    assert options.bigger_is_better is False
    options = EvaluationOptions(metrics=["auc", "ndcg"], topk=[10, 20], valid_metric="ndcg@20")
    assert (options.metrics, options.valid_metric) == (["AUC", "NDCG"], "NDCG@20")
    assert (options.valid_key, options.bigger_is_better) == ("ndcg@20", True)


def test_values_build_the_same_options_again() -> None:
    options = EvaluationOptions(metrics=["mrr", "auc"], topk=[3], valid_metric="mrr@3")
    assert EvaluationOptions(**options.model_dump()) == options


def test_a_direction_that_agrees_is_accepted() -> None:
    assert EvaluationOptions(valid_metric_bigger=True).bigger_is_better is True
    options = EvaluationOptions(valid_metric="RMSE", valid_metric_bigger=False)
    assert options.bigger_is_better is False


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metrics": ["AUX"]}, r"expected one of AUC, .*TailPercentage \(Did you mean 'AUC'\?\)"),
        ({"metrics": ["qqqq"]}, r"expected one of AUC, .*TailPercentage \["),
        ({"metrics": ["NDCG@10"]}, r"Did you mean 'NDCG'\?"),
        ({"metrics": []}, "expected at least one"),
        ({"metrics": 3}, "valid string"),
        ({"metrics": {"AUC": 1}}, "valid list"),
        ({"topk": []}, "expected at least one"),
        ({"topk": [10, 0]}, "greater than or equal to 1"),
        ({"topk": True}, "valid integer"),
        ({"topk": 2.5}, "valid list"),
        ({"topk": "10"}, "valid integer"),
        ({"valid_metric": "logloss@10"}, "expected 'LogLoss', which has no cut-off"),
        ({"valid_metric": "NDCG"}, "expected 'NDCG@k' with a whole number k"),
        ({"valid_metric": "NDCG@"}, "expected 'NDCG@k'"),
        ({"valid_metric": "NDCG@0"}, "expected 'NDCG@k'"),
        ({"valid_metric": "NDCG@ten"}, "expected 'NDCG@k'"),
        ({"valid_metric": "ndgc@10"}, r"Did you mean 'NDCG'\?"),
        ({"valid_metric": "COPC"}, "best when high or when low; COPC is not"),
        ({"valid_metric_bigger": False}, "AUC is better when higher, got .*False"),
        (
            {"valid_metric": "RMSE", "valid_metric_bigger": True},
            "Options 'valid_metric' and 'valid_metric_bigger' disagree: RMSE is better when lower",
        ),
        ({"metrics": ["LogLoss"]}, "disagree: expected AUC among the metrics, got LogLoss"),
        ({"valid_metric": "MAP@10"}, "expected MAP among the metrics, got AUC, LogLoss"),
        (
            {"metrics": ["AUC"], "valid_metric": "MRR@10"},
            "expected MRR among the metrics, got AUC;",
        ),
        ({"tail_ratio": 0}, "greater than 0"),
        ({"eval_memory_mb": 0}, "greater than 0"),
        (
            {"metrics": ["MRR"], "topk": [5, 20], "valid_metric": "MRR@10"},
            "expected 10 among the cut-offs, got 5, 20",
        ),
        ({"metric_decimal_place": 16}, "less than or equal to 15"),
        ({"metric_decimal_place": -1}, "greater than or equal to 0"),
        ({"metricks": ["AUC"]}, "Extra inputs"),
    ],
)
def test_refuses(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EvaluationOptions(**values)


def test_registry() -> None:
    assert all(key == metric.key == metric.name.lower() for key, metric in METRICS.items())
    kinds = {metric.name: metric.kind for metric in METRICS.values()}
    assert kinds["GAUC"] is EvaluatorType.VALUE
    assert kinds["MAP"] is EvaluatorType.RANKING
    directions = {metric.name: metric.bigger_is_better for metric in METRICS.values()}
    assert [n for n, bigger in directions.items() if bigger is False] == [
        "LogLoss", "MAE", "RMSE", "ECE", "RatingMAE", "AveragePopularity", "GiniIndex",
    ]  # fmt: skip
    assert [n for n, bigger in directions.items() if bigger is None] == ["COPC"]


def test_default_metrics() -> None:
    binary = ["AUC", "LogLoss", "GAUC", "MAE", "RMSE", "ECE", "COPC"]
    assert default_metrics(rating_head=False) == binary
    assert default_metrics(rating_head=True) == [*binary, "RatingAccuracy", "RatingMAE", "MacroF1"]
