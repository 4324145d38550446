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
exact for any logits, which goes into the binary cross entropy as it is. Where both losses are taken
at once, as in training, the click's is seen as a cross entropy, too: with w = softmax over those
levels alone that the click leaves open, it is - Σ_k w_k log p_k + Σ_k w_k log w_k, and its gradient
p - w. So the gradient of Eq. 13 is p - λ target - (1 - λ) w (`_MixedLoss`).

Shapes: B batch, K logits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recbole.data.schema import Target
from recbole.model.ablation_heads import OrdinalHead, RegressionHead
from recbole.model.autograd import in_order
from recbole.model.precision import full_precision, full_type
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

    The loss is λ CE + (1 − λ) (BCE + penalty), Eq. 13. Where `multi_agg` is "prob" and no target is
    smoothed, it is computed from the logits directly, not by `click_logit` and `class_scores`.
    Labels are then 0 or 1 and ratings are levels, both of which the data set has made sure of.

    Attributes:
        positive: which classes are clicks: 1 for those that are, else 0, float32 [K, 1].
    """

    positive: Tensor
    _levels: Tensor
    _one: Tensor

    def __init__(self, options: SupervisionOptions, target: Target) -> None:
        super().__init__(options, target)
        self.num_logits = self.num_classes
        self.aggregate = options.multi_agg
        positive = (torch.arange(self.num_classes) >= self.num_negative).float()
        self.register_buffer("positive", positive.unsqueeze(1), persistent=False)
        self.register_buffer("_levels", self.levels.unsqueeze(1), persistent=False)  # [K, 1]
        self.register_buffer("_one", torch.tensor(1.0), persistent=False)
        self._step = float(self.levels.diff().min())

    def click_logit(self, logits: Tensor) -> Tensor:
        """The log-odds of p̂ (Eq. 11): [B, K] -> [B]."""
        negative, positive = by_class(logits).tensor_split([self.num_negative])
        if self.aggregate == "logit":
            return positive.sum(dim=0) - negative.sum(dim=0)
        return positive.logsumexp(dim=0) - negative.logsumexp(dim=0)

    def class_scores(self, logits: Tensor) -> Tensor:
        """The logits themselves: p = softmax(z)."""
        return full_precision(logits)

    def _losses(self, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        if self.aggregate == "logit" or self.smoothing:
            return super()._losses(logits, batch)
        dtype = full_type(logits)
        target = self.class_targets(batch).to(dtype)
        click = batch[self.label_field].to(dtype)
        loss, bce, ce, _ = _MixedLoss.apply(logits, target, click, self.positive, self.ratio)
        return {"loss": loss, "bce": bce, "ce": ce}

    def class_targets(self, batch: Batch) -> Tensor:
        """1 for the class that each rating is the level of, and 0 for the others: float32 [K, B].

        Each rating is a level, as the data set sees to. From 1 there it falls to 0 where the next
        could be: comparisons, and the conversion of what they give to numbers, would take far
        longer.
        """
        away = batch[self.rating_field].to(self.levels.dtype) - self._levels  # [K, B]
        return torch.addcmul(self._one, away, away, value=-(self._step**-2)).relu_()


#: What is taken off the logits of classes that are out of the question: more than any logit.
_FAR = 1e30


class _MixedLoss(torch.autograd.Function):
    """λ CE + (1 − λ) BCE (Eq. 10 to 13) and its gradient, in half of autograd's operations.

    In a small model's step they are what the rating head costs. With w the probability of each
    class once the click is known, BCE is − log(p̂ or 1 − p̂) = Σ_k w_k (log w_k − log p_k), and its
    gradient is p − w, as that of CE is p − target.

    Args:
        logits: [..., B, K].
        target: the wanted probabilities of the classes [..., K, B].
        click: whether there was one: 0 or 1 and nothing between, [..., B].
        positive: which classes are clicks: 0 or 1, [K, 1].
        ratio: λ.

    Returns:
        The loss, BCE and CE [...], and the loss's gradient by the logits, [..., B, K]. Only the
        loss has a gradient.
    """

    @staticmethod
    @in_order
    def forward(
        logits: Tensor, target: Tensor, click: Tensor, positive: Tensor, ratio: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        share = 1 / click.shape[-1]
        z = by_class(logits)
        z_known = _once_known(z, click, positive)
        log_p, log_w = z.log_softmax(-2), z_known.log_softmax(-2)
        p, w = z.softmax(-2), z_known.softmax(-2)  # quicker than what exp() makes of the others
        bce = log_w.sub_(log_p).mul_(w).sum((-2, -1)) * share
        ce = log_p.mul_(target).sum((-2, -1)) * -share
        of_z = p.sub_(w, alpha=1 - ratio).sub_(target, alpha=ratio).mul_(share)
        return torch.lerp(bce, ce, ratio), bce, ce, of_z.mT

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        logits, target, click, positive, ctx.ratio = inputs
        _, bce, ce, of_logits = output
        ctx.mark_non_differentiable(bce, ce, of_logits)
        ctx.set_materialize_grads(False)  # it would fill [B, K] with zeros for the last of these
        ctx.save_for_backward(logits, target, click, positive, of_logits)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if grad is None:  # nothing was asked of the loss
            return None, None, None, None, None
        logits, target, click, positive, of_logits = ctx.saved_tensors
        if torch.is_grad_enabled():  # it is to be differentiated in its turn
            z = by_class(logits)
            w = _once_known(z, click, positive).softmax(-2)
            of_z = z.softmax(-2) - (1 - ctx.ratio) * w - ctx.ratio * target
            of_logits = of_z.mT / click.shape[-1]
        return of_logits * grad[..., None, None], None, None, None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *inputs: Any
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        *tensors, positive, ratio = inputs
        stacked = [
            tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip(tensors, in_dims, strict=False)
        ]
        output = _MixedLoss.apply(*stacked, positive, ratio)
        return output, (0,) * len(output)


def _once_known(z: Tensor, click: Tensor, positive: Tensor) -> Tensor:
    """The classes' logits once it is known whether there was a click: [..., K, B], with [..., B].

    Those of classes on the other side of it are out of the question: far below any other.
    """
    is_out = click.unsqueeze(-2) - positive  # 1 or -1 for those on the other side, else 0
    return torch.addcmul(z, is_out, is_out, value=-_FAR)


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
