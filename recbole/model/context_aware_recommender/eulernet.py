"""EulerNet.

Zhen Tian et al., "EulerNet: Adaptive Feature Interaction Learning via Euler's Formula for CTR
Prediction", SIGIR 2023. Each embedding becomes a complex vector μ e^{iv}. In polar form a
product of powers Π v_f^{α_f} is a linear map of log-modulus and phase, so the orders
α of the interactions are learned; a linear layer with relu acts on the real and imaginary parts at
the same time. Both parts of the last layer are weighed into logits.

The rows of a batch are kept innermost, as in `recbole.model.field_major`.

Shapes: B batch, F fields, D embedding size, I vectors coming in, O vectors going out, K logits.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.autograd import in_order
from recbole.model.dropout import Dropout
from recbole.model.field_major import field_major
from recbole.model.loss import RegLoss
from recbole.model.options import (
    ContextOptions,
    DropoutRate,
    RegularisationWeight,
    Size,
    Sizes,
)
from recbole.model.precision import full_precision, unrounded_products
from recbole.model.types import Batch, HasSchema, ModelConfig

_EPSILON = 1e-8  # keeps the logarithm of a zero modulus finite


class EulerNetOptions(ContextOptions):
    """The options of EulerNet."""

    embedding_size: Size = Field(16, description="Width D of the embedding of each field.")
    order_list: Sizes = Field([30], description="Vectors O that each interaction layer puts out.")
    drop_ex: DropoutRate = Field(0.3, description="Dropout rate of log-modulus and phase.")
    drop_im: DropoutRate = Field(0.3, description="Dropout rate of real and imaginary parts.")
    apply_norm: bool = Field(False, description="Whether each layer ends in a LayerNorm.")
    reg_weight: RegularisationWeight = Field(
        1e-5, description="Weight of the sum of the L2 norms of all parameters but the embeddings."
    )


class EulerNet(ContextRecommender):
    """logits = linear(real part) + linear(imaginary part) of the last interaction layer.

    The penalty is reg_weight × Σ ‖parameter‖₂ over the interaction layers, μ and the last linear
    layer, weights and biases. RecBole's counts the layer normalisations even where `apply_norm` is
    off and they are not used, which adds a constant; here they then do not exist.

    See the module's docstring for the paper.
    """

    Options = EulerNetOptions
    options: EulerNetOptions
    uses_first_order = False

    def __init__(self, config: ModelConfig, dataset: HasSchema) -> None:
        super().__init__(config, dataset)
        counts = [self.num_feature_field, *self.options.order_list]
        self.Euler_interaction_layers = nn.Sequential(
            *(
                EulerInteractionLayer(incoming, outgoing, self.embedding_size, self.options)
                for incoming, outgoing in pairwise(counts)
            )
        )
        self.mu = nn.Parameter(torch.ones(1, self.num_feature_field, 1))
        self.reg = nn.Linear(counts[-1] * self.embedding_size, self.head.num_logits)
        self.reg_loss = RegLoss()
        self.apply(self._initialise)
        nn.init.normal_(self.reg.weight, mean=0.0, std=0.01)

    @staticmethod
    def _initialise(module: nn.Module) -> None:
        if isinstance(module, nn.Embedding):
            nn.init.xavier_normal_(module.weight)
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)

    def logits(self, batch: Batch) -> Tensor:
        """The model's body: [B, K]."""
        phase = field_major(self.concat_embed_input_fields(batch))  # [B, F, D] -> [F, D, B]
        mu = self.mu.view(-1, 1, 1)  # [F, 1, 1]
        parts = (mu * phase.cos(), mu * phase.sin())  # [F, D, B] each
        # The polar form of what was just put together, without taking it apart again.
        polar = (_log_modulus(mu.square()).expand_as(phase), _wrapped(phase, flipped=mu < 0))
        for depth, layer in enumerate(self.Euler_interaction_layers):
            parts = layer(parts, _polar(parts) if depth else polar)  # [O, D, B] each
        real, imaginary = parts
        # One linear layer reads both parts: W re + b + W im + b.
        read = (real + imaginary).flatten(0, 1)  # [O·D, B]
        return (self.reg.weight @ read).T + 2 * self.reg.bias  # [B, K]

    def penalty(self) -> Tensor | None:
        """The weighted norms of all parameters but the embeddings."""
        if self.options.reg_weight == 0:
            return None
        parameters = [
            *self.Euler_interaction_layers.parameters(),
            self.mu,
            *self.reg.parameters(),
        ]
        return self.options.reg_weight * self.reg_loss(parameters)


class EulerInteractionLayer(nn.Module):
    """I complex vectors in, O out, both as (real, imaginary): [I, D, B] each -> [O, D, B] each.

    Explicit: log-modulus and phase are mixed by the learned orders α [I, O], with a bias each.
    Implicit: relu(linear) of the real and of the imaginary part. The two are added up.
    """

    def __init__(self, incoming: int, outgoing: int, width: int, options: EulerNetOptions) -> None:
        super().__init__()
        self.shape = (outgoing, width)
        # Nearly one-hot columns: each outgoing vector starts as about one incoming one.
        orders = torch.softmax(torch.randn(incoming, outgoing) / 0.01, dim=0)
        self.inter_orders = nn.Parameter(orders)
        self.bias_lam = nn.Parameter(torch.randn(1, outgoing, width) * 0.01)
        self.bias_theta = nn.Parameter(torch.randn(1, outgoing, width) * 0.01)
        self.im = nn.Linear(incoming * width, outgoing * width)
        nn.init.normal_(self.im.weight, mean=0.0, std=0.1)

        self.drop_ex = Dropout(options.drop_ex)
        self.drop_im = Dropout(options.drop_im)
        self.norm_r = nn.LayerNorm(width) if options.apply_norm else None
        self.norm_p = nn.LayerNorm(width) if options.apply_norm else None

    def forward(
        self, parts: tuple[Tensor, Tensor], polar: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Apply the layer to vectors given in both forms: [I, D, B] each -> two of [O, D, B]."""
        real, imaginary = parts
        log_modulus, phase = polar
        explicit = _Cartesian.apply(
            self._mix(log_modulus, self.bias_lam), self._mix(phase, self.bias_theta)
        )  # [O, D, B] each
        return (
            _normalised(explicit[0] + self._implicit(real), self.norm_r),
            _normalised(explicit[1] + self._implicit(imaginary), self.norm_p),
        )

    def _mix(self, polar: Tensor, bias: Tensor) -> Tensor:
        """Combine the vectors by the orders of interaction: [I, D, B] -> [O, D, B]."""
        # Half precision is too coarse for angles, and for logarithms that are to be raised; tf32
        # has as many bits of mantissa as fp16.
        with unrounded_products(polar.device.type):
            mixed = self.inter_orders.T @ self.drop_ex(full_precision(polar)).flatten(1)  # [O, D·B]
        return mixed.view(*self.shape, -1) + bias.view(*self.shape, 1)

    def _implicit(self, part: Tensor) -> Tensor:
        """relu(linear(...)) of all numbers of a part: [I, D, B] -> [O, D, B]."""
        dropped = self.drop_im(part).flatten(0, 1)  # [I·D, B]
        mixed = torch.addmm(self.im.bias.unsqueeze(1), self.im.weight, dropped)  # [O·D, B]
        return mixed.relu_().view(*self.shape, -1)


class _Cartesian(torch.autograd.Function):
    """(λ, θ) -> (e^λ cos θ, e^λ sin θ), whose gradient needs nothing but the two results."""

    generate_vmap_rule = True

    @staticmethod
    @in_order
    def forward(log_modulus: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        modulus = log_modulus.exp()
        return phase.cos().mul_(modulus), phase.sin().mul_(modulus)

    @staticmethod
    def setup_context(
        ctx: Any,
        inputs: tuple[Tensor, Tensor],  # noqa: ARG004
        output: tuple[Tensor, Tensor],
    ) -> None:
        ctx.save_for_backward(*output)

    @staticmethod
    def backward(ctx: Any, of_real: Tensor, of_imaginary: Tensor) -> tuple[Tensor, Tensor]:
        real, imaginary = ctx.saved_tensors
        return (
            torch.addcmul(of_real * real, of_imaginary, imaginary),
            torch.addcmul(of_imaginary * real, of_real, imaginary, value=-1),
        )


def _polar(parts: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Logarithm of the modulus, and phase in (-π, π], of complex numbers; any shape."""
    real, imaginary = parts
    return _log_modulus(real.square() + imaginary.square()), torch.atan2(imaginary, real)


def _log_modulus(square: Tensor) -> Tensor:
    return 0.5 * torch.log(square + _EPSILON)


def _wrapped(phase: Tensor, flipped: Tensor) -> Tensor:
    """The phase of μ e^{iv} from v: turned by π where μ < 0, and brought into [-π, π]."""
    phase = phase + math.pi * flipped
    turns = (phase.detach() / (2 * math.pi)).round_()
    return phase - 2 * math.pi * turns


def _normalised(part: Tensor, norm: nn.LayerNorm | None) -> Tensor:
    """Normalise each vector, if asked to: [O, D, B] -> [O, D, B]."""
    if norm is None:
        return part
    centred = part - part.mean(1, keepdim=True)
    rstd = (centred.square().mean(1, keepdim=True) + norm.eps).rsqrt()  # [O, 1, B]
    return torch.addcmul(norm.bias.unsqueeze(1), centred * rstd, norm.weight.unsqueeze(1))
