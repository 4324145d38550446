"""From the predictions of a part to a dictionary of metrics."""

from __future__ import annotations

import logging
import math

import torch

from recbole.errors import ConfigError, DataError, RecBoleError, TrainingDivergedError
from recbole.evaluator.metrics import (
    ValueMetric,
    default_metrics,
    find_metric,
    split_cutoff,
)
from recbole.evaluator.options import EvaluationOptions
from recbole.evaluator.predictions import Predictions, collect

__all__ = ["Evaluator", "Predictions", "collect"]

_logger = logging.getLogger(__name__)


class Evaluator:
    """Computes the metrics that the options ask for.

    >>> evaluator = Evaluator(EvaluationOptions(metrics=["AUC", "LogLoss"]), rating_head=False)
    >>> evaluator.evaluate(collect(model, valid_data))
    {'auc': 0.7912, 'logloss': 0.5411}

    Args:
        options: which metrics, and how they are rounded.
        rating_head: whether the model predicts rating classes.

    Raises:
        ConfigError: a metric is asked for that this evaluation cannot give.
    """

    def __init__(self, options: EvaluationOptions, rating_head: bool) -> None:
        names = options.metrics or default_metrics(rating_head)
        self.decimal_place = options.metric_decimal_place
        self._metrics = [_value_metric(name, rating_head, option="metrics") for name in names]
        valid_name = split_cutoff(options.valid_metric)[0].name
        _value_metric(valid_name, rating_head, option="valid_metric")

    def evaluate(self, predictions: Predictions) -> dict[str, float]:
        """The rounded value of each metric by its key, in the order asked.

        A metric that is not defined on these rows, such as AUC where all have the same label, is
        NaN, and one warning names all such metrics.

        Raises:
            DataError: there are no rows.
            TrainingDivergedError: a prediction is NaN or infinite.
            RecBoleError: a click probability lies outside 0..1.
        """
        _check(predictions)
        values = {metric.key: metric.function(predictions) for metric in self._metrics}
        undefined = [metric.name for metric in self._metrics if math.isnan(values[metric.key])]
        if undefined:
            _logger.warning(
                "%s: not defined (NaN), for want of rows with a click and rows without one"
                " (%d of %d rows are clicks; GAUC needs both from one user).",
                ", ".join(undefined),
                int(predictions.label.sum()),
                len(predictions),
            )
        return {key: round(value, self.decimal_place) for key, value in values.items()}


def _value_metric(name: str, rating_head: bool, option: str) -> ValueMetric:
    """The metric of a name, if predictions row by row are enough for it."""
    metric = find_metric(name)
    if not isinstance(metric, ValueMetric):
        raise ConfigError(
            f"Option '{option}': {name} ranks candidate items, and eval_args mode 'labeled' has"
            " none. Set eval_args: {mode: full}, or uniN or popN with a number N of sampled"
            f" negatives, or choose from {', '.join(default_metrics(rating_head))}"
        )
    if metric.needs_rating_head and not rating_head:
        raise ConfigError(
            f"Option '{option}': {name} needs a model with a rating head; set multi_cls to the"
            f" number of rating levels, or choose from {', '.join(default_metrics(rating_head))}"
        )
    return metric


def _check(predictions: Predictions) -> None:
    """Refuse what would give figures that look right and mean nothing."""
    rows, click = len(predictions), predictions.click
    if rows == 0:
        raise DataError("Expected at least one row to evaluate, got an empty part")
    probabilities = predictions.class_probabilities
    bad = ~torch.isfinite(click)
    if probabilities is not None:
        bad |= ~torch.isfinite(probabilities).all(dim=1)  # [N, K] -> [N]
    if bad.any():
        raise TrainingDivergedError(
            f"Expected finite predictions, got NaN or infinity in {int(bad.sum())} of {rows} rows"
        )
    low, high = float(click.min()), float(click.max())
    if low < 0 or high > 1:
        raise RecBoleError(
            "Expected click probabilities from 0 to 1 from the model's predict, got values from"
            f" {low:g} to {high:g}"
        )
