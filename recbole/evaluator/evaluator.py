"""From the predictions and the ranked lists of a part to a dictionary of metrics."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import torch

from recbole.data import Loader
from recbole.data.candidates import Candidates
from recbole.errors import ConfigError, DataError, RecBoleError, TrainingDivergedError
from recbole.evaluator.metrics import (
    DEFAULT_RANKING_METRICS,
    ListMetric,
    Metric,
    RankingMetric,
    ValueMetric,
    default_metrics,
    find_metric,
    split_cutoff,
)
from recbole.evaluator.options import EvaluationOptions
from recbole.evaluator.predictions import Predictions, collect
from recbole.evaluator.ranking import CandidateRanking, Ranking, make_ranking

__all__ = ["Evaluator", "Predictions", "collect"]

_logger = logging.getLogger(__name__)
LABELED = "labeled"


class Evaluator:
    """Computes the metrics that the options ask for.

    Value metrics are computed on the labelled rows of a part, ranking metrics on the candidates of
    the part's mode, both in one run. GAUC belongs to either: it is the users' own AUC over their
    candidates where there are any, and over their rows where the mode is 'labeled'.

    >>> evaluator = Evaluator(EvaluationOptions(metrics=["AUC", "NDCG"]), rating_head=False,
    ...                       modes={"valid": "uni100", "test": "uni100"})
    >>> evaluator.evaluate_part(model, test_data)
    {'auc': 0.8198, 'ndcg@10': 0.1144}

    Args:
        options: which metrics, and how they are rounded.
        rating_head: whether the model predicts rating classes.
        modes: what is ranked in each part: labeled, full, uniN or popN; None: nothing.
        seed: of the candidates' draws.
        has_labels: whether there are rows without a click. If not, no default is a value metric.

    Raises:
        ConfigError: a metric is asked for that this evaluation cannot give.
    """

    def __init__(
        self,
        options: EvaluationOptions,
        rating_head: bool,
        modes: Mapping[str, str] | None = None,
        seed: int = 2020,
        has_labels: bool = True,
    ) -> None:
        self.options = options
        self.decimal_place = options.metric_decimal_place
        self._seed = seed
        self._modes = dict(modes or {"valid": LABELED, "test": LABELED})
        self._rankings: dict[str, Ranking] = {}
        ranks = any(mode != LABELED for mode in self._modes.values())
        names = options.metrics or [
            *(default_metrics(rating_head) if has_labels else ()),
            *(DEFAULT_RANKING_METRICS if ranks else ()),
        ]
        self._metrics = [_checked(name, rating_head, ranks, option="metrics") for name in names]
        self._check_valid_metric(rating_head, has_labels)
        if ranks and not any(_is_ranked(metric) for metric in self._metrics):
            _logger.warning(
                "eval_args mode %s has no effect: no ranking metric is asked for (metrics: %s).",
                " and ".join(sorted(set(self._modes.values()))),
                ", ".join(names),
            )

    def evaluate(self, predictions: Predictions) -> dict[str, float]:
        """The rounded value of each value metric by its key, in the order asked.

        A metric that is not defined on these rows, such as AUC where all have the same label, is
        NaN, and one warning names all such metrics.

        Raises:
            DataError: there are no rows.
            TrainingDivergedError: a prediction is NaN or infinite.
            RecBoleError: a click probability lies outside 0..1.
        """
        metrics = [metric for metric in self._metrics if isinstance(metric, ValueMetric)]
        return self._rounded(self._values(metrics, predictions))

    def evaluate_part(self, model: Any, loader: Loader) -> dict[str, float]:
        """The rounded value of each metric of a part, in the order asked, as 'auc' or 'ndcg@10'.

        Candidates are drawn at the first call for a part and kept. Ranking metrics are left out
        where the part's mode is 'labeled' and the other part's is not.

        Raises:
            DataError: there are no rows, or no positive to rank.
            TrainingDivergedError: a prediction is NaN or infinite.
            ConfigError, RecBoleError: see `evaluate` and `make_ranking`.
        """
        mode = self._mode(loader)
        metrics = self._metrics
        if mode == LABELED:
            metrics = [metric for metric in metrics if isinstance(metric, ValueMetric)]
        ranked = [m for m in metrics if mode != LABELED and _is_ranked(m)]
        plain = [m for m in metrics if isinstance(m, ValueMetric) and m not in ranked]
        values: dict[str, float] = {}
        if plain or not ranked:
            values.update(self._values(plain, collect(model, loader)))
        if ranked:
            values.update(self._ranked_values(ranked, model, loader, mode))
        keys = [key for metric in metrics for key in self._keys(metric)]
        return self._rounded({key: values[key] for key in keys})

    def prepare(self, loader: Loader) -> None:
        """Draw the candidates of a part now, so that what cannot be ranked is known in time.

        Raises:
            DataError: there is no positive to rank.
            ConfigError: see `make_ranking`.
        """
        mode = self._mode(loader)
        if mode != LABELED and any(_is_ranked(metric) for metric in self._metrics):
            self._ranking(loader, mode)

    def candidates(self, loader: Loader) -> Candidates | None:
        """The candidates that a part is ranked on; None in the modes labeled and full."""
        mode = self._mode(loader)
        if mode == LABELED:
            return None
        ranking = self._ranking(loader, mode)
        return ranking.candidates if isinstance(ranking, CandidateRanking) else None

    def use(self, loader: Loader, candidates: Candidates) -> None:
        """Rank a part on these candidates instead of drawing some.

        Raises:
            DataError: they are not of this part, or of another mode.
        """
        mode = self._modes.get(candidates.part, LABELED)
        if candidates.mode != mode:
            raise DataError(
                f"The candidates of the {candidates.part} part are of mode {candidates.mode},"
                f" expected {mode}"
            )
        self._rankings[candidates.part] = make_ranking(
            loader, mode, self._seed, self.options, candidates
        )

    def _mode(self, loader: Loader) -> str:
        return self._modes.get(loader.dataset.part or "", LABELED)

    def _ranking(self, loader: Loader, mode: str) -> Ranking:
        part = str(loader.dataset.part)
        if part not in self._rankings:
            ranking = make_ranking(loader, mode, self._seed, self.options)
            if isinstance(ranking, CandidateRanking):
                _logger.info("%s", ranking.candidates.describe())
            self._rankings[part] = ranking
        return self._rankings[part]

    def _values(self, metrics: list[ValueMetric], predictions: Predictions) -> dict[str, float]:
        """The value metrics of the rows of a part."""
        _check(predictions)
        values = {metric.key: metric.function(predictions) for metric in metrics}
        undefined = [metric.name for metric in metrics if math.isnan(values[metric.key])]
        if undefined:
            _logger.warning(
                "%s: not defined (NaN), for want of rows with a click and rows without one"
                " (%d of %d rows are clicks; GAUC needs both from one user).",
                ", ".join(undefined),
                int(predictions.label.sum()),
                len(predictions),
            )
        return values

    def _ranked_values(
        self, metrics: list[Metric], model: Any, loader: Loader, mode: str
    ) -> dict[str, float]:
        """The metrics of the ranked lists of a part."""
        graded = any(isinstance(metric, ListMetric) and metric.graded for metric in metrics)
        gauc = any(metric.key == "gauc" for metric in metrics)
        lists = self._ranking(loader, mode).lists(model, max(self.options.topk), graded, gauc)
        values: dict[str, float] = {}
        for metric in metrics:
            if isinstance(metric, RankingMetric | ListMetric):
                at = metric.compute(lists).tolist()  # [K]
                values.update({f"{metric.key}@{k}": at[k - 1] for k in self.options.topk})
            elif lists.gauc is not None:
                values[metric.key] = lists.gauc
        return values

    def _keys(self, metric: Metric) -> list[str]:
        if isinstance(metric, ValueMetric):
            return [metric.key]
        return [f"{metric.key}@{k}" for k in self.options.topk]

    def _rounded(self, values: Mapping[str, float]) -> dict[str, float]:
        return {key: round(value, self.decimal_place) for key, value in values.items()}

    def _check_valid_metric(self, rating_head: bool, has_labels: bool) -> None:
        metric = split_cutoff(self.options.valid_metric)[0]
        ranks = self._modes.get("valid", LABELED) != LABELED
        _checked(metric.name, rating_head, ranks, option="valid_metric")
        if not has_labels and not (ranks and _is_ranked(metric)):
            raise ConfigError(
                f"Option 'valid_metric': {metric.name} needs rows with and without a click, and"
                " here every row is a positive; choose a ranking metric, such as MRR@10, and"
                " eval_args: {mode: uni100}"
            )
        if metric not in self._metrics:
            raise ConfigError(
                f"Options 'valid_metric' and 'metrics' disagree: expected {metric.name} among the"
                f" metrics, got {', '.join(m.name for m in self._metrics)}; add it or choose one"
                " of them"
            )


def _is_ranked(metric: Metric) -> bool:
    """Whether a metric is computed from candidates, where there are any."""
    return not isinstance(metric, ValueMetric) or metric.key == "gauc"


def _checked(name: str, rating_head: bool, ranks: bool, option: str) -> Metric:
    """The metric of a name, if this evaluation can give it."""
    metric = find_metric(name)
    if not isinstance(metric, ValueMetric) and not ranks:
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
