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
at once, as in training, the click's is seen as a cross entropy, too: the gradient of -log p̂ is that
of a cross entropy towards w_k = p_k / p̂ over the positive levels, their probabilities once the
click is known. So the gradient of Eq. 13 is p - λ target - (1 - λ) w (`_MixedLoss`).

Shapes: B batch, K logits.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recbole.data.schema import Target
from recbole.model.ablation_heads import OrdinalHead, RegressionHead
from recbole.model.autograd import in_order
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

    The loss is λ CE + (1 − λ) (BCE + penalty), Eq. 13. Where `multi_agg` is "prob", it is computed
    from the logits directly, not by `click_logit` and `class_scores`.
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

    def _losses(self, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        if self.aggregate == "logit":
            return super()._losses(logits, batch)
        z = by_class(logits)
        classes = self.class_targets(batch, z.dtype)
        click = self._click_target(batch, self.positive_share, z.dtype)
        loss, bce, ce, _ = _MixedLoss.apply(z, classes, click, self.num_negative, self.ratio)
        return {"loss": loss, "bce": bce, "ce": ce}


class _MixedLoss(torch.autograd.Function):
    """λ CE + (1 − λ) BCE (Eq. 10 to 13) and its gradient, in two thirds of autograd's operations.

    In a small model's step they are what the rating head costs. With w the probability of each
    class once the click is known, BCE is − Σ_k w_k log(p̂ or 1 − p̂) = Σ_k w_k (log w_k − log p_k),
    and its gradient is p − w, as that of CE is p − target.

    Where a click is wanted with a probability q between 0 and 1, w_k is q p_k / p̂ for positive
    classes k, (1 − q) p_k / (1 − p̂) for negative ones, and log w_k leaves q and 1 − q out.

    Args:
        z: logits [..., K, B].
        target: the wanted probabilities of the classes [..., K, B].
        click: q, [..., B].
        num_negative: how many classes are negative: the first ones.
        ratio: λ.

    Returns:
        The loss, BCE and CE [...], and B times the loss's gradient by z, [..., K, B]. Only the loss
        has a gradient.
    """

    @staticmethod
    @in_order
    def forward(
        z: Tensor, target: Tensor, click: Tensor, num_negative: int, ratio: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rows, first_positive = z.shape[-1], [num_negative]
        sides = z.tensor_split(first_positive, dim=-2)
        log_p, log_w = z.log_softmax(-2), torch.cat([side.log_softmax(-2) for side in sides], -2)
        p, w, q = log_p.exp(), log_w.exp(), click.unsqueeze(-2)
        negative, positive = w.tensor_split(first_positive, dim=-2)
        negative.addcmul_(negative, q, value=-1)
        positive.mul_(q)
        bce = log_w.sub_(log_p).mul_(w).sum((-2, -1)) / rows
        ce = log_p.mul_(target).sum((-2, -1)) / -rows
        of_z = p.sub_(w, alpha=1 - ratio).sub_(target, alpha=ratio)
        return torch.lerp(bce, ce, ratio), bce, ce, of_z

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        z, target, click, ctx.num_negative, ctx.ratio = inputs
        _, bce, ce, of_z = output
        ctx.mark_non_differentiable(bce, ce, of_z)
        ctx.set_materialize_grads(False)  # it would fill [K, B] with zeros for the last of these
        ctx.save_for_backward(z, target, click, of_z)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if grad is None:  # nothing was asked of the loss
            return None, None, None, None, None
        z, target, click, of_z = ctx.saved_tensors
        if torch.is_grad_enabled():  # it is to be differentiated in its turn
            negative, positive = z.tensor_split([ctx.num_negative], dim=-2)
            q = click.unsqueeze(-2)
            w = torch.cat([negative.softmax(-2) * (1 - q), positive.softmax(-2) * q], dim=-2)
            of_z = z.softmax(-2) - (1 - ctx.ratio) * w - ctx.ratio * target
        return of_z * (grad / z.shape[-1])[..., None, None], None, None, None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *inputs: Any
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        *tensors, num_negative, ratio = inputs
        stacked = [
            tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip(tensors, in_dims, strict=False)
        ]
        output = _MixedLoss.apply(*stacked, num_negative, ratio)
        return output, (0,) * len(output)


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
