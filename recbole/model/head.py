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

What else the options ask for (`supervision.py`) varies this to find out what it gains by: other
targets for the same head, the label alone as two classes, and the heads in `ablation_heads.py`.

Numerically, p̂ is never computed on the way to the loss. With its levels split into negative and
positive ones, log p̂ - log(1 - p̂) = logsumexp(z_positive) - logsumexp(z_negative): the click logit,
exact for any logits, which goes into the binary cross entropy as it is.

Shapes: B batch, K logits.
"""

from __future__ import annotations

from torch import Tensor

from recbole.data.schema import Target
from recbole.model.ablation_heads import OrdinalHead, RegressionHead
from recbole.model.precision import full_precision
from recbole.model.rating_head import Head, RatingHead, Scores, by_class
from recbole.model.supervision import SupervisionOptions
from recbole.model.types import Batch

__all__ = [
    "BinaryHead",
    "Head",
    "OrdinalHead",
    "RatingHead",
    "RegressionHead",
    "Scores",
    "SoftmaxHead",
    "SupervisionOptions",
    "build_head",
]


class BinaryHead(Head):
    """One logit, which is the click logit; the loss is BCE + penalty. The usual CTR training."""

    num_logits = 1

    def click_logit(self, logits: Tensor) -> Tensor:
        return full_precision(logits).squeeze(-1)  # [B, 1] -> [B]

    def class_probabilities(self, logits: Tensor) -> None:  # noqa: ARG002
        return None

    def _losses(self, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        bce = self._bce(logits, batch)
        return {"loss": bce, "bce": bce}


class SoftmaxHead(RatingHead):
    """K logits, one for each rating level in ascending order: the paper's rating head.

    The loss is λ CE + (1 − λ) (BCE + penalty), Eq. 13.
    """

    def __init__(self, options: SupervisionOptions, target: Target) -> None:
        super().__init__(options, target)
        self.num_logits = self.num_classes
        self.aggregate = options.multi_agg

    def click_logit(self, logits: Tensor) -> Tensor:
        """The log-odds of p̂ (Eq. 11): [B, K] -> [B]."""
        negative, positive = by_class(logits).tensor_split([self.num_negative])
        if self.aggregate == "logit":
            return positive.sum(dim=0) - negative.sum(dim=0)
        return positive.logsumexp(dim=0) - negative.logsumexp(dim=0)

    def class_scores(self, logits: Tensor) -> Tensor:
        """The logits themselves: p = softmax(z)."""
        return full_precision(logits)


_RATING_HEADS: dict[str, type[RatingHead]] = {
    "softmax": SoftmaxHead,
    "ordinal": OrdinalHead,
    "regression": RegressionHead,
}


def build_head(options: SupervisionOptions, target: Target) -> Head:
    """The head that the options ask for, fitted to the data set's target.

    Raises:
        ConfigError: the data set's ratings do not form `multi_cls` classes, or its threshold leaves
            no positive or no negative class.
    """
    if options.multi_cls is None:
        return BinaryHead(options, target)
    return _RATING_HEADS[options.multi_head](options, target)
