"""Metrics as small pure functions, and the evaluation that puts them together."""

from recbole.evaluator.evaluator import Evaluator
from recbole.evaluator.metrics import METRICS, Metric, default_metrics
from recbole.evaluator.options import EvaluationOptions
from recbole.evaluator.predictions import Predictions, beside_truth, collect
from recbole.evaluator.types import EvaluatorType

__all__ = [
    "METRICS",
    "EvaluationOptions",
    "Evaluator",
    "EvaluatorType",
    "Metric",
    "Predictions",
    "beside_truth",
    "collect",
    "default_metrics",
]
