"""How steep a trained model is at the rows of a part: what Theorem 1 of the paper is about.

Ouyang et al., "Scaled Supervision is an Implicit Lipschitz Regularizer" (ICWSM 2025), bound the
Lipschitz constant of the probabilities p = softmax(f(x)) over N classes by L_f / √N (Eq. 9), by way
of the Frobenius norm of softmax's own Jacobian J_σ, which they bound by 1/√N where the logits are
comparable (Eq. 22). A Lipschitz constant over all inputs is out of reach; the norms of the exact
Jacobians at the rows there are can be had, and are lower bounds of it:

- click: ‖∂p̂/∂x‖₂, of the click probability;
- logits: ‖∂f/∂x‖_F, of the model's body;
- classes: ‖∂p/∂x‖_F, of the class probabilities;
- softmax: ‖J_σ‖_F, which needs no model but its probabilities.

x are the input embeddings of a row, all fields together. A binary model with the logit z is the
softmax over the N = 2 logits (0, z). The last two are None where the head has no softmax.

No row depends on another in evaluation mode, so that the gradient of Σ_b p̂_b holds the gradient of
each row's p̂: one backward pass for the click and one for each logit is all it takes.

Shapes: B batch, K logits, n = F·D inputs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.linalg import vector_norm

from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.head import BinaryHead, SoftmaxHead
from recbole.model.input_embeddings import input_embeddings
from recbole.model.types import Batch


@dataclass(frozen=True)
class Steepness:
    """Norms of the Jacobians at B rows, [B] each; see the module's docstring.

    Attributes:
        click_probability: p̂ itself, [B].
        num_classes: N, the classes of the softmax; None where there is none.
    """

    click_probability: Tensor
    click: Tensor
    logits: Tensor
    classes: Tensor | None
    softmax: Tensor | None
    num_classes: int | None

    @classmethod
    def concatenate(cls, parts: list[Steepness]) -> Steepness:
        """The rows of all `parts`, in order, as one."""

        def joined(name: str) -> Tensor | int | None:
            of_each = [getattr(part, name) for part in parts]
            return torch.cat(of_each) if isinstance(of_each[0], Tensor) else of_each[0]

        return cls(**{field.name: joined(field.name) for field in fields(cls)})  # type: ignore[arg-type]


@torch.enable_grad()
def steepness(model: ContextRecommender, batch: Batch) -> Steepness:
    """The norms at the rows of a batch, in single precision.

    Args:
        model: in evaluation mode, with `logits` (not a model that computes its own loss).

    Raises:
        ConfigError: see `input_embeddings`.
    """
    x: Tensor | None = None

    def as_leaf(embeddings: Tensor) -> Tensor:
        nonlocal x
        x = embeddings.detach().requires_grad_()
        return x

    with input_embeddings(model, as_leaf):
        logits = model.logits(batch)  # [B, K]
    assert x is not None  # or input_embeddings would have complained
    click = model.head.click_probability(logits)  # [B]

    def jacobian(outputs: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(outputs.sum(), x, retain_graph=True)
        return gradient.flatten(1)  # [B, F, D] -> [B, n]

    of_click = jacobian(click)  # [B, n]
    of_logits = torch.stack([jacobian(z) for z in logits.unbind(1)], dim=1)  # [B, K, n]
    p = _softmax_probabilities(model, logits.detach())
    of_classes = of_softmax = None
    if p is not None:
        of_softmax = softmax_jacobian(p)  # [B, N, N]
        # A binary model's first logit is 0, whatever x.
        of_f = F.pad(of_logits, (0, 0, p.shape[1] - logits.shape[1], 0))  # [B, N, n]
        of_classes = of_softmax @ of_f  # [B, N, n]
    return Steepness(
        click_probability=click.detach(),
        click=vector_norm(of_click, dim=1),
        logits=vector_norm(of_logits, dim=(1, 2)),
        classes=None if of_classes is None else vector_norm(of_classes, dim=(1, 2)),
        softmax=None if of_softmax is None else vector_norm(of_softmax, dim=(1, 2)),
        num_classes=None if p is None else p.shape[1],
    )


def softmax_jacobian(p: Tensor) -> Tensor:
    """J_σ with J_ij = p_i (δ_ij − p_j) (Eq. 16): probabilities [B, N] -> [B, N, N].

    1 − p_i is added up from the other classes, so that nothing cancels where p_i is nearly 1. The
    Frobenius norm is largest, 1/2, where two classes share all the probability, whatever N is; it
    is √(N − 1)/N where all are equal.
    """
    pairs = p.unsqueeze(2) * p.unsqueeze(1)  # [B, N, N], p_i p_j
    pairs.diagonal(dim1=1, dim2=2).zero_()
    return pairs.sum(dim=2).diag_embed() - pairs


def _softmax_probabilities(model: ContextRecommender, logits: Tensor) -> Tensor | None:
    """The class probabilities [B, N] of a softmax; None where the head has another form."""
    if isinstance(model.head, BinaryHead):
        return F.pad(logits, (1, 0)).softmax(dim=1)  # [B, 1] -> [B, 2]
    if isinstance(model.head, SoftmaxHead):
        return model.head.class_probabilities(logits)
    return None
