"""Options of evaluation: what is measured, and which measure decides."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from recbole.config.options import Options
from recbole.evaluator.metrics import (
    DEFAULT_RANKING_METRICS,
    default_metrics,
    find_metric,
    split_cutoff,
)


def _as_list(value: Any) -> Any:
    """A single name or number stands for a list of one."""
    return [value] if isinstance(value, (str, int)) else value


def _not_empty(values: list[Any]) -> list[Any]:
    if not values:
        raise ValueError("expected at least one")
    return values


def _canonical_name(name: str) -> str:
    return find_metric(name).name


def _canonical_name_with_cutoff(name: str) -> str:
    metric, cutoff = split_cutoff(name)
    if metric.bigger_is_better is None:
        raise ValueError(
            f"expected a metric that is best when high or when low; {metric.name} is not"
        )
    return metric.name if cutoff is None else f"{metric.name}@{cutoff}"


MetricName = Annotated[str, AfterValidator(_canonical_name)]
MetricNameWithCutoff = Annotated[str, AfterValidator(_canonical_name_with_cutoff)]
Cutoff = Annotated[int, Field(ge=1)]
Metrics = Annotated[list[MetricName], BeforeValidator(_as_list), AfterValidator(_not_empty)]
Cutoffs = Annotated[list[Cutoff], BeforeValidator(_as_list), AfterValidator(_not_empty)]


class EvaluationOptions(Options):
    """Which metrics are computed, and which of them early stopping watches.

    Names of metrics may be given in any case, and are kept in their canonical spelling.
    """

    metrics: Metrics | None = Field(
        None,
        description="metrics to compute, one or a list; null: every value metric that fits"
        " the model's head and, where eval_args mode ranks items, Recall, MRR, NDCG, Hit,"
        " Precision",
    )
    topk: Cutoffs = Field([10], description="cut-offs k of the ranking metrics, one or a list")
    valid_metric: MetricNameWithCutoff = Field(
        "AUC",
        description="metric that early stopping and the best checkpoint go by, such as AUC or"
        " NDCG@10",
    )
    valid_metric_bigger: bool | None = Field(
        None, description="whether valid_metric is best when high; null: known from the metric"
    )
    metric_decimal_place: int = Field(
        4, ge=0, le=15, description="decimal places that results are rounded to"
    )
    tail_ratio: float = Field(
        0.1, gt=0, allow_inf_nan=False, description="TailPercentage: share of the training items"
        " that are the long tail; above 1: most interactions of such an item",
    )  # fmt: skip
    eval_memory_mb: float = Field(
        512, gt=0, allow_inf_nan=False, description="MiB of working memory of full ranking",
    )  # fmt: skip

    @property
    def valid_key(self) -> str:
        """The name of `valid_metric` among the results, such as 'auc' or 'ndcg@10'."""
        return self.valid_metric.lower()

    @property
    def bigger_is_better(self) -> bool:
        """Whether `valid_metric` is best when high."""
        return bool(split_cutoff(self.valid_metric)[0].bigger_is_better)

    @model_validator(mode="after")
    def _direction_fits(self) -> EvaluationOptions:
        if self.valid_metric_bigger not in (None, self.bigger_is_better):
            way = "higher" if self.bigger_is_better else "lower"
            raise ValueError(
                f"Options 'valid_metric' and 'valid_metric_bigger' disagree: {self.valid_metric} is"
                f" better when {way}, got valid_metric_bigger: {self.valid_metric_bigger}"
            )
        return self

    @model_validator(mode="after")
    def _valid_metric_is_computed(self) -> EvaluationOptions:
        metric, cutoff = split_cutoff(self.valid_metric)
        # Without 'metrics' the mode has a say, which only the evaluator knows.
        computed = self.metrics or [*default_metrics(rating_head=True), *DEFAULT_RANKING_METRICS]
        if metric.name not in computed:
            raise ValueError(
                f"Options 'valid_metric' and 'metrics' disagree: expected {metric.name} among the"
                f" metrics, got {', '.join(computed)}; add it or choose one of them"
            )
        if cutoff is not None and cutoff not in self.topk:
            raise ValueError(
                f"Options 'valid_metric' and 'topk' disagree: expected {cutoff} among the cut-offs,"
                f" got {', '.join(map(str, self.topk))}; add it or choose one of them"
            )
        return self
