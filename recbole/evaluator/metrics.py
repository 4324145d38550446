"""The metrics that can be asked for, by name: a new one is a function and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from recbole.errors import did_you_mean
from recbole.evaluator import list_metrics as listing
from recbole.evaluator import ranking_metrics as ranking
from recbole.evaluator import value_metrics as value
from recbole.evaluator.list_metrics import RankedLists
from recbole.evaluator.predictions import Predictions
from recbole.evaluator.types import EvaluatorType


@dataclass(frozen=True)
class Metric:
    """What can be asked for by name.

    Attributes:
        kind: what it is computed from.
        name: its canonical spelling.
        bigger_is_better: None where neither way is, as for a ratio whose best value is 1.
        needs_rating_head: whether it needs what only a rating head predicts.
    """

    kind: ClassVar[EvaluatorType]
    name: str
    bigger_is_better: bool | None = field(kw_only=True)
    needs_rating_head: bool = field(default=False, kw_only=True)

    @property
    def key(self) -> str:
        """Its name in the results; a ranking metric's is followed by '@' and the cut-off."""
        return self.name.lower()


@dataclass(frozen=True)
class ValueMetric(Metric):
    """A metric of predicted values; `function` computes it from the predictions of all rows."""

    kind = EvaluatorType.VALUE
    function: Callable[[Predictions], float]


@dataclass(frozen=True)
class RankingMetric(Metric):
    """A metric of ranked lists; `function` maps hits [U, K] and positives [U] to values [K]."""

    kind = EvaluatorType.RANKING
    function: Callable[[Tensor, Tensor], Tensor]

    def compute(self, lists: RankedLists) -> Tensor:
        """Its values at the cut-offs 1 to K: float64 [K]."""
        return self.function(lists.hits, lists.positives)


@dataclass(frozen=True)
class ListMetric(Metric):
    """A metric of ranked lists that needs more than hits: `function` maps lists to values [K].

    Attributes:
        graded: whether it needs the ratings of the positives.
    """

    kind = EvaluatorType.RANKING
    function: Callable[[RankedLists], Tensor]
    graded: bool = field(default=False, kw_only=True)

    def compute(self, lists: RankedLists) -> Tensor:
        """Its values at the cut-offs 1 to K: float64 [K]."""
        return self.function(lists)


def _rating_accuracy(p: Predictions) -> float:
    return value.rating_accuracy(_graded(p.class_probabilities), _graded(p.classes))


def _rating_mae(p: Predictions) -> float:
    return value.rating_mae(_graded(p.expected_level), _graded(p.level))


def _macro_f1(p: Predictions) -> float:
    return value.macro_f1(_graded(p.class_probabilities), _graded(p.classes))


def _graded(tensor: Tensor | None) -> Tensor:
    if tensor is None:
        raise ValueError("expected the predictions of a rating head, got those of a binary one")
    return tensor


_ALL: tuple[Metric, ...] = (
    ValueMetric("AUC", lambda p: value.auc(p.click, p.label), bigger_is_better=True),
    ValueMetric("LogLoss", lambda p: value.log_loss(p.click, p.label), bigger_is_better=False),
    ValueMetric("GAUC", lambda p: value.gauc(p.click, p.label, p.user), bigger_is_better=True),
    ValueMetric("MAE", lambda p: value.mae(p.click, p.label), bigger_is_better=False),
    ValueMetric("RMSE", lambda p: value.rmse(p.click, p.label), bigger_is_better=False),
    ValueMetric(
        "ECE",
        lambda p: value.expected_calibration_error(p.click, p.label),
        bigger_is_better=False,
    ),
    ValueMetric("COPC", lambda p: value.copc(p.click, p.label), bigger_is_better=None),
    ValueMetric("RatingAccuracy", _rating_accuracy, bigger_is_better=True, needs_rating_head=True),
    ValueMetric("RatingMAE", _rating_mae, bigger_is_better=False, needs_rating_head=True),
    ValueMetric("MacroF1", _macro_f1, bigger_is_better=True, needs_rating_head=True),
    RankingMetric("Recall", ranking.recall, bigger_is_better=True),
    RankingMetric("MRR", ranking.mrr, bigger_is_better=True),
    RankingMetric("NDCG", ranking.ndcg, bigger_is_better=True),
    RankingMetric("Hit", ranking.hit, bigger_is_better=True),
    RankingMetric("MAP", ranking.mean_average_precision, bigger_is_better=True),
    RankingMetric("Precision", ranking.precision, bigger_is_better=True),
    ListMetric("GradedNDCG", listing.graded_ndcg, bigger_is_better=True, graded=True),
    ListMetric("AveragePopularity", listing.average_popularity, bigger_is_better=False),
    ListMetric("ItemCoverage", listing.item_coverage, bigger_is_better=True),
    ListMetric("GiniIndex", listing.gini_index, bigger_is_better=False),
    ListMetric("ShannonEntropy", listing.shannon_entropy, bigger_is_better=True),
    ListMetric("TailPercentage", listing.tail_percentage, bigger_is_better=True),
)

METRICS: dict[str, Metric] = {metric.key: metric for metric in _ALL}
"""Every metric by its key, the lower-case name."""


DEFAULT_RANKING_METRICS = ("Recall", "MRR", "NDCG", "Hit", "Precision")
"""RecBole's, computed beside the value metrics when none is asked for and items are ranked."""


def default_metrics(rating_head: bool) -> list[str]:
    """The names of the metrics that are computed when none is asked for: all value metrics.

    Where candidates are ranked, `DEFAULT_RANKING_METRICS` come after them.
    """
    return [
        metric.name
        for metric in _ALL
        if metric.kind is EvaluatorType.VALUE and (rating_head or not metric.needs_rating_head)
    ]


def find_metric(name: str) -> Metric:
    """The metric of a name, in any case.

    Raises:
        ValueError: there is none; names the nearest.
    """
    if name.lower() not in METRICS:
        names = [metric.name for metric in _ALL]
        hint = did_you_mean(name, names).strip()
        raise ValueError(f"expected one of {', '.join(names)}" + (f" ({hint})" if hint else ""))
    return METRICS[name.lower()]


def split_cutoff(name: str) -> tuple[Metric, int | None]:
    """The metric and the cut-off k of a name such as 'NDCG@10'; a value metric has no cut-off.

    Raises:
        ValueError: there is no such metric, or the cut-off is missing, superfluous or no number.
    """
    base, at, cutoff = name.partition("@")
    metric = find_metric(base)
    if metric.kind is EvaluatorType.VALUE:
        if at:
            raise ValueError(f"expected '{metric.name}', which has no cut-off")
        return metric, None
    if not (cutoff.isascii() and cutoff.isdecimal() and int(cutoff) >= 1):
        raise ValueError(f"expected '{metric.name}@k' with a whole number k from 1, as in '@10'")
    return metric, int(cutoff)
