"""The options of supervision, and the scale of ratings that a data set gives a head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from recbole.config.options import Options
from recbole.data.schema import Target
from recbole.errors import ConfigError


class SupervisionOptions(Options):
    """What the models are taught: clicks, or ratings and clicks.

    The paper's are the first three; the others ask what its rating head owes its gain to.
    """

    multi_cls: Annotated[int, Field(ge=2)] | None = Field(
        None,
        description="Number K of rating classes of the rating head; null: clicks only; 2, where "
        "there are not just two ratings: the click label itself as two classes.",
    )
    multi_ratio: float = Field(
        0.7, ge=0.0, le=1.0, allow_inf_nan=False,
        description="Share λ of the rating loss in the rating head's loss (Eq. 13).",
    )  # fmt: skip
    multi_agg: Literal["prob", "logit"] = Field(
        "prob",
        description="How the rating head gets a click from its classes: 'prob' adds up their "
        "probabilities (Eq. 11); 'logit' their logits, as the paper's released code does.",
    )
    multi_head: Literal["softmax", "ordinal", "regression"] = Field(
        "softmax",
        description="What the rating is to the rating head: 'softmax' one of K classes, as in the "
        "paper; 'ordinal' K ordered classes of one score, by a cumulative link; 'regression' a "
        "number, beside a logit of the click.",
    )
    label_smoothing: float = Field(
        0.0, ge=0.0, lt=1.0, allow_inf_nan=False,
        description="Share ε of the target's probability that is spread evenly over all classes, "
        "or, without rating classes, over click and no click.",
    )  # fmt: skip
    penalty_weight: Annotated[float, Field(ge=0.0, allow_inf_nan=False)] | None = Field(
        None,
        description="Weight of the model's own penalty in the loss; null: 1 for clicks only, 1 - λ "
        "with a rating head (Eq. 12 and 13).",
    )
    shuffle_levels: bool = Field(
        False,
        description="Permute the training part's ratings among its clicks and among the others: "
        "as many classes, and no more information than the click.",
    )

    def without_effect(self) -> dict[str, str]:
        """What only a rating head reads, where there is none."""
        if self.multi_cls is not None:
            return {}
        fields = type(self).model_fields
        return {
            name: "there is no rating head without multi_cls"
            for name in ("multi_ratio", "multi_agg")
            if getattr(self, name) != fields[name].default
        }

    @model_validator(mode="after")
    def _make_sense_together(self) -> SupervisionOptions:
        for option, wrong, reason in (
            ("multi_head", self.multi_head != "softmax" and self.multi_cls is None,
             f"a head that is '{self.multi_head}' is taught ratings, so that multi_cls must say how"
             " many there are"),
            ("multi_head", self.multi_head == "ordinal" and self.multi_cls == 2,
             "with two classes an ordinal head is a binary one, so that multi_cls must be left out"
             " or above 2"),
            ("shuffle_levels", self.shuffle_levels and self.multi_cls in (None, 2),
             "clicks have no levels to shuffle, so that multi_cls must be above 2"),
        ):  # fmt: skip
            if wrong:
                raise ValueError(f"Options '{option}' and 'multi_cls' are at odds: {reason}")
        if self.multi_agg == "logit" and self.multi_head != "softmax":
            raise ValueError(
                "Options 'multi_agg' and 'multi_head' are at odds: only a softmax has a logit for"
                f" each class to add up, and the head is '{self.multi_head}'"
            )
        if self.label_smoothing and self.multi_head == "regression":
            raise ValueError(
                "Options 'label_smoothing' and 'multi_head' are at odds: a regression has no"
                " classes to smooth over"
            )
        return self


@dataclass(frozen=True)
class RatingScale:
    """The rating classes of a data set.

    Attributes:
        field: the column that holds the rating, or, for two classes, perhaps the click label.
        levels: the rating of each class, ascending.
        num_negative: how many classes lie below the threshold: the first ones.
    """

    field: str
    levels: tuple[float, ...]
    num_negative: int

    @classmethod
    def of(cls, count: int, target: Target) -> RatingScale:
        """The scale of `multi_cls` = `count` classes.

        Raises:
            ConfigError: the ratings do not form so many classes, or the threshold leaves no
                positive or no negative one.
        """
        if count == 2 and len(target.levels) != 2:
            return cls(target.label_field, levels=(0.0, 1.0), num_negative=1)
        levels = _class_levels(count, target)
        assert target.rating_field is not None  # or there would be no levels
        return cls(target.rating_field, levels, _count_negative(levels, target))


def _class_levels(count: int, target: Target) -> tuple[float, ...]:
    """The rating of each class, ascending.

    Whole ratings from 1 up to K are the classes, even where one of them never occurs; any other K
    ratings (half-stars, for instance) are taken in ascending order.
    """
    if target.rating_field is None or not target.levels:
        raise ConfigError(
            f"multi_cls={count} needs the ratings that the click label is made from, and the data "
            "set has none: name their column in the threshold, for instance "
            "threshold: {rating: 4}, and load it (load_col)."
        )
    levels = tuple(sorted(target.levels))
    if levels[0] >= 1 and levels[-1] == count and all(level == int(level) for level in levels):
        return tuple(float(level) for level in range(1, count + 1))
    if len(levels) != count:
        raise ConfigError(
            f"multi_cls={count} expects {count} rating levels, or whole ratings from 1 to {count}; "
            f"column '{target.rating_field}' has {len(levels)}: {_listed(levels)}."
        )
    return levels


def _count_negative(levels: tuple[float, ...], target: Target) -> int:
    """How many classes lie below the threshold: the first ones, as levels ascend."""
    if target.threshold is None:
        example = f"level {len(levels)}" if target.grading is not None else f"{levels[-1]:g}"
        raise ConfigError(
            f"The rating head (multi_cls={len(levels)}) needs a threshold that says which ratings "
            f"count as a click, for instance threshold: {{{target.rating_field}: {example}}}; "
            f"none is set. Rating levels: {_listed(levels)}."
        )
    negative = sum(level < target.threshold for level in levels)
    if negative in (0, len(levels)):
        lacking = "negative" if negative == 0 else "positive"
        raise ConfigError(
            f"The threshold {target.threshold:g} on '{target.rating_field}' leaves no {lacking} "
            f"rating class; expected one above {levels[0]:g} and at most {levels[-1]:g}. "
            f"Rating levels: {_listed(levels)}."
        )
    return negative


def _listed(levels: tuple[float, ...], most: int = 20) -> str:
    shown = ", ".join(f"{level:g}" for level in levels[:most])
    return shown if len(levels) <= most else f"{shown}, ... ({len(levels)} in all)"
