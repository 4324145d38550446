"""Graded supervision: how a model's logits become a loss and a click probability.

Click-through models usually see a rating as one bit: liked or not. Ouyang, Zhang, Jia and Vosoughi,
"Scaled Supervision is an Implicit Lipschitz Regularizer" (ICWSM 2025), let them see all of it. A
model ends in K logits, one for each rating level, instead of one, and is trained on both tasks:

- Its K logits z give the probability of each level, p = softmax(z), and are taught the rating by
  cross entropy (Eq. 10):                                 L_CE = - mean log p_level
- The levels that count as a click, together, give the click probability (Eq. 11):
                                                          p̂ = Σ_{k positive} p_k
- which is taught the click by binary cross entropy (Eq. 12), together with the model's own penalty:
                                                          L_BCE = BCE(p̂, click) + penalty
- and the two losses are mixed (Eq. 13):                  L = λ L_CE + (1 - λ) L_BCE

Since p̂ is an ordinary click probability, all evaluation works as it does for a binary model. Why it
helps: the Lipschitz constant of softmax over K logits shrinks as 1/√K (Eq. 9), so a model that
grades is smoother, and overfits less, than one that only says yes or no.

In the options, K is `multi_cls` and λ is `multi_ratio`. Without `multi_cls` the head is binary.

Numerically, p̂ is never computed on the way to the loss. With its levels split into negative and
positive ones, log p̂ - log(1 - p̂) = logsumexp(z_positive) - logsumexp(z_negative): the click logit,
exact for any logits, which goes into the binary cross entropy as it is.

Shapes: B batch, K logits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import Field
from torch import Tensor, nn

from recbole.config.options import Options
from recbole.data.schema import Target
from recbole.errors import ConfigError
from recbole.model.precision import full_precision
from recbole.model.types import Batch


class SupervisionOptions(Options):
    """What the models are taught: clicks, or ratings and clicks."""

    multi_cls: Annotated[int, Field(ge=2)] | None = Field(
        None, description="Number K of rating classes of the rating head; null: clicks only."
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


@dataclass(frozen=True)
class Scores:
    """What evaluation needs of a forward pass.

    Attributes:
        click: click probabilities [B].
        classes: probabilities of the rating classes [B, K]; None for a binary model.
    """

    click: Tensor
    classes: Tensor | None


class Head(nn.Module):
    """Turns logits [B, K] into a loss, a click logit and probabilities. It has no parameters."""

    num_logits: int

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.label_field = target.label_field

    def click_logit(self, logits: Tensor) -> Tensor:
        """The log-odds of a click: [B, K] -> [B]."""
        raise NotImplementedError

    def click_probability(self, logits: Tensor) -> Tensor:
        """The probability of a click: [B, K] -> [B]."""
        return torch.sigmoid(self.click_logit(logits))

    def class_probabilities(self, logits: Tensor) -> Tensor | None:
        """The probability of each rating class, [B, K] -> [B, K], where there are any."""
        raise NotImplementedError

    def scores(self, logits: Tensor) -> Scores:
        """The click and class probabilities of a batch."""
        return Scores(self.click_probability(logits), self.class_probabilities(logits))

    def loss(self, logits: Tensor, batch: Batch, penalty: Tensor | None) -> dict[str, Tensor]:
        """The scalar to minimise under "loss", and the unweighted parts it is made of.

        Parts: "bce" of the click; "ce" of the rating, under a rating head; the model's "penalty",
        where it has one. All are means over the batch, in float32 even under autocast.
        """
        raise NotImplementedError

    def _bce(self, logits: Tensor, batch: Batch) -> Tensor:
        click_logit = self.click_logit(logits)  # [B]
        label = batch[self.label_field].to(click_logit.dtype)
        return F.binary_cross_entropy_with_logits(click_logit, label)


class BinaryHead(Head):
    """One logit, which is the click logit; the loss is BCE + penalty. The usual CTR training."""

    num_logits = 1

    def click_logit(self, logits: Tensor) -> Tensor:
        return full_precision(logits).squeeze(-1)  # [B, 1] -> [B]

    def class_probabilities(self, logits: Tensor) -> None:  # noqa: ARG002
        return None

    def loss(self, logits: Tensor, batch: Batch, penalty: Tensor | None) -> dict[str, Tensor]:
        bce = self._bce(logits, batch)
        if penalty is None:
            return {"loss": bce, "bce": bce}
        return {"loss": bce + penalty, "bce": bce, "penalty": penalty}


class RatingHead(Head):
    """K logits, one for each rating level in ascending order, trained on the rating and the click.

    Raises:
        ConfigError: the data set's ratings do not form `multi_cls` classes, or its threshold leaves
            no positive or no negative class.
    """

    levels: Tensor
    boundaries: Tensor

    def __init__(self, options: SupervisionOptions, target: Target) -> None:
        super().__init__(target)
        levels = _class_levels(options, target)
        self.num_logits = len(levels)
        self.num_negative = _count_negative(levels, target)
        self.ratio = options.multi_ratio
        self.aggregate = options.multi_agg
        assert target.rating_field is not None  # or there would be no levels
        self.rating_field = target.rating_field

        values = torch.tensor(levels, dtype=torch.float64)
        # Half-way between two levels, so that a rounded rating still falls into its class.
        boundaries = (values[1:] + values[:-1]) / 2
        self.register_buffer("levels", values.float(), persistent=False)  # [K]
        self.register_buffer("boundaries", boundaries.float(), persistent=False)  # [K - 1]

    def classes(self, batch: Batch) -> Tensor:
        """The class 0..K-1 of each rating: int64 [B]."""
        rating = batch[self.rating_field].to(self.boundaries.dtype)
        return torch.searchsorted(self.boundaries, rating.contiguous())

    def click_logit(self, logits: Tensor) -> Tensor:
        """The log-odds of p̂ (Eq. 11): [B, K] -> [B]."""
        negative, positive = _by_class(logits).tensor_split([self.num_negative])
        if self.aggregate == "logit":
            return positive.sum(dim=0) - negative.sum(dim=0)
        return positive.logsumexp(dim=0) - negative.logsumexp(dim=0)

    def class_probabilities(self, logits: Tensor) -> Tensor:
        """p = softmax(z): [B, K] -> [B, K]."""
        return _by_class(logits).softmax(dim=0).T

    def expected_level(self, class_probabilities: Tensor) -> Tensor:
        """The mean rating Σ_k p_k level_k: [B, K] -> [B], in the ratings' own unit."""
        return class_probabilities @ self.levels.to(class_probabilities.dtype)

    def loss(self, logits: Tensor, batch: Batch, penalty: Tensor | None) -> dict[str, Tensor]:
        """λ CE + (1 - λ) (BCE + penalty), Eq. 13: the penalty is weighted with the click's loss."""
        ce = F.cross_entropy(_by_class(logits).unsqueeze(0), self.classes(batch).unsqueeze(0))
        bce = self._bce(logits, batch)
        click_loss = bce if penalty is None else bce + penalty
        parts = {"loss": self.ratio * ce + (1 - self.ratio) * click_loss, "bce": bce, "ce": ce}
        return parts if penalty is None else {**parts, "penalty": penalty}


def build_head(options: SupervisionOptions, target: Target) -> Head:
    """The head that the options ask for, fitted to the data set's target.

    Raises:
        ConfigError: see `RatingHead`.
    """
    if options.multi_cls is None:
        return BinaryHead(target)
    return RatingHead(options, target)


def _by_class(logits: Tensor) -> Tensor:
    """Full precision, and the rows innermost, which makes long vectors: [B, K] -> [K, B]."""
    return full_precision(logits).T.contiguous()


def _class_levels(options: SupervisionOptions, target: Target) -> tuple[float, ...]:
    """The rating of each class, ascending.

    Whole ratings from 1 up to K are the classes, even where one of them never occurs; any other K
    ratings (half-stars, for instance) are taken in ascending order.
    """
    count = options.multi_cls
    assert count is not None
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
