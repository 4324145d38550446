"""Layers that several models share.

Shapes: B batch, F fields, D embedding size.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, linear

from recbole.errors import ConfigError, did_you_mean
from recbole.model.autograd import in_order
from recbole.model.dropout import Dropout
from recbole.model.precision import product_type

_ACTIVATIONS: dict[str, type[nn.Module] | None] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leakyrelu": nn.LeakyReLU,
    "none": None,
}


def activation_layer(
    activation_name: str | type[nn.Module] | None = "relu",
    emb_dim: int | None = None,  # noqa: ARG001
) -> nn.Module | None:
    """Make an activation from its name or its class; None for None and "none".

    `emb_dim` is accepted for RecBole's sake; no activation here needs it.

    Raises:
        ConfigError: the name is unknown.
    """
    if activation_name is None:
        return None
    if isinstance(activation_name, type):
        return activation_name()
    name = activation_name.lower()
    if name not in _ACTIVATIONS:
        raise ConfigError(
            f"Unknown activation '{activation_name}'; expected one of {', '.join(_ACTIVATIONS)}."
            + did_you_mean(name, _ACTIVATIONS)
        )
    activation = _ACTIVATIONS[name]
    return activation() if activation else None


class MLPLayers(nn.Module):
    """A stack of Dropout, Linear, BatchNorm (if asked for) and activation: [..., in] -> [..., out].

    Args:
        layers: the sizes of input, hidden layers and output.
        dropout: probability to drop an input of a linear layer.
        activation: a name that `activation_layer` knows, or a module class.
        bn: whether there is a batch normalisation before each activation; input is then [B, in].
            It takes the bias before it out again, which therefore gets no gradient.
        init_method: "norm" draws the weights from N(0, 0.01²) and zeroes the biases.
        last_activation: whether the last layer has an activation, too.
    """

    def __init__(
        self,
        layers: Sequence[int],
        dropout: float = 0.0,
        activation: str | type[nn.Module] | None = "relu",
        bn: bool = False,
        init_method: str | None = None,
        last_activation: bool = True,
    ) -> None:
        super().__init__()
        modules: list[nn.Module] = []
        for depth, (inputs, outputs) in enumerate(pairwise(layers), 1):
            modules += [Dropout(dropout), nn.Linear(inputs, outputs)]
            if bn:
                modules.append(nn.BatchNorm1d(outputs))
            is_last = depth == len(layers) - 1
            layer_activation = activation_layer(activation, outputs)
            if isinstance(layer_activation, nn.ReLU):
                layer_activation.inplace = True  # nothing else reads the layer before
            if layer_activation is not None and (last_activation or not is_last):
                modules.append(layer_activation)
        self.mlp_layers = nn.Sequential(*modules)
        if init_method is not None:
            self._initialise(init_method)

    def _initialise(self, init_method: str) -> None:
        if init_method != "norm":
            raise ConfigError(f"Unknown init_method '{init_method}' of MLPLayers; expected 'norm'.")
        for module in self.mlp_layers:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, mean=0.0, std=0.01)
                nn.init.zeros_(module.bias)

    def forward(self, input_feature: Tensor) -> Tensor:
        """Apply the stack: [..., in] -> [..., out]."""
        x = input_feature.to(product_type(input_feature))  # what dropout leaves is multiplied
        relu_is_due = is_normalised = False
        for module, following in pairwise([*self.mlp_layers, None]):
            if is_normalised:
                is_normalised = False  # with the linear layer before
            elif _take_one_call(module, following):
                x, is_normalised = normalised_linear(x, module, following), True
            elif isinstance(module, nn.ReLU) and isinstance(following, Dropout):
                relu_is_due = True
            elif relu_is_due:
                x, relu_is_due = module.after_relu(x), False
            else:
                x = module(x)
        return x


def _take_one_call(module: nn.Module, following: nn.Module | None) -> bool:
    """Whether `normalised_linear` does what the two modules, which others may have changed, do."""
    if type(module) is not nn.Linear or type(following) is not nn.BatchNorm1d:
        return False
    if any(m._forward_hooks or m._forward_pre_hooks for m in (module, following)):
        return False
    if module.bias is None:
        return False
    if following.training:
        return following.momentum not in (None, 1)
    keeps_statistics = following.running_mean is not None
    return keeps_statistics and following.affine and not torch.is_grad_enabled()


def normalised_linear(input: Tensor, layer: nn.Linear, norm: nn.BatchNorm1d) -> Tensor:
    """A linear layer and the normalisation after it: [B, in] -> [B, out].

    With the statistics of a batch, norm(W x + b) = norm(W x), and the bias matters to the running
    mean alone, m mean(W x + b) + (1 - m) before. With running statistics, and without gradients, it
    is one product, norm(W x + b) = (s ⊙ W) x + s ⊙ (b - mean) + shift with s = weight / √(variance
    + ε).
    """
    if norm.training:
        return _normalised_by_batch(linear(input, layer.weight), layer.bias.detach(), norm)
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)  # [out]
    shift = torch.addcmul(norm.bias, layer.bias - norm.running_mean, scale)
    return linear(input, layer.weight * scale.unsqueeze(1), shift)


def _normalised_by_batch(x: Tensor, bias: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    """norm(x + bias) with the statistics of the batch: [B, out] -> [B, out]."""
    if norm.running_mean is None:
        return norm(x)
    assert norm.momentum is not None and norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    # The momentum will leave `bias` times itself of this. Autograd, which keeps the mean that
    # `batch_norm` is given, does not like it changed.
    mean = norm.running_mean.add(bias, alpha=norm.momentum / (1 - norm.momentum))
    normalised = batch_norm(
        x, mean, norm.running_var, norm.weight, norm.bias, True, norm.momentum, norm.eps
    )
    norm.running_mean.copy_(mean)
    return normalised


class LogitLayer(nn.Linear):
    """The linear layer that ends in logits: `narrow_linear` with the parameters of `nn.Linear`."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer: [B, in] -> [B, K]."""
        return narrow_linear(input, self.weight, self.bias)


def narrow_linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`linear` for a handful of outputs: [B, in] -> [B, K], with the rows innermost in memory.

    This way round the product takes half the time or less, and the rating head finds what it works
    on.
    """
    if bias is None:
        return (weight @ input.T).T
    return torch.addmm(bias.unsqueeze(1), weight, input.T).T


class BaseFactorizationMachine(nn.Module):
    """The pairwise products of the fields' vectors: Σ_{i<j} v_i ⊙ v_j.

    Computed in linear time, as ½ ((Σ v)² - Σ v²) is (Rendle, "Factorization Machines", ICDM 2010).

    Args:
        reduce_sum: whether to sum over the embedding too: [B, F, D] -> [B, 1], else [B, D].
    """

    def __init__(self, reduce_sum: bool = True) -> None:
        super().__init__()
        self.reduce_sum = reduce_sum

    def forward(self, input_x: Tensor) -> Tensor:
        """Sum the products of all pairs of fields: [B, F, D] -> [B, 1] or [B, D]."""
        pairs, _ = _PairwiseProducts.apply(input_x)  # [B, D]
        return pairs.sum(dim=1, keepdim=True) if self.reduce_sum else pairs


class _PairwiseProducts(torch.autograd.Function):
    """Σ_{i<j} v_i ⊙ v_j and Σ v, of v [B, F, D]: [B, D] each.

    The gradient of the first, g ⊙ (Σ v - v), takes one pass, and the second.
    """

    @staticmethod
    @in_order
    def forward(v: Tensor) -> tuple[Tensor, Tensor]:
        return _pairs_at_once(v) if v.is_cuda else _pairs_by_field(v)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*inputs, output[1])
        ctx.set_materialize_grads(False)  # nothing but its own gradient makes use of Σ v

    @staticmethod
    def vmap(
        info: Any,  # noqa: ARG004
        in_dims: tuple[int],
        v: Tensor,
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        runs = v.movedim(in_dims[0], 0)  # [S, B, F, D]: rows like any others
        pairs, total = _PairwiseProducts.apply(runs.flatten(0, 1))
        return (pairs.unflatten(0, runs.shape[:2]), total.unflatten(0, runs.shape[:2])), (0, 0)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, of_total: Tensor | None) -> Tensor | None:
        v, total = ctx.saved_tensors
        of_v = None if of_total is None else of_total.unsqueeze(1).expand_as(v)
        if grad is None:
            return of_v
        of_pairs = torch.addcmul((grad * total).unsqueeze(1), grad.unsqueeze(1), v, value=-1)
        return of_pairs if of_v is None else of_pairs + of_v


def _pairs_by_field(v: Tensor) -> tuple[Tensor, Tensor]:
    """Each field times the sum of those before, and the sum of all: [B, F, D] -> [B, D] twice.

    Nothing as large as v is written, which is what takes time on a CPU.
    """
    first, *others = v.unbind(dim=1)
    total, pairs = first.clone(), torch.zeros_like(first)
    for field in others:
        pairs.addcmul_(total, field)
        total += field
    return pairs, total


def _pairs_at_once(v: Tensor) -> tuple[Tensor, Tensor]:
    """The same, [B, D] twice, in a handful of kernels: launching one is what takes a GPU's time."""
    total = v.sum(dim=1)
    return 0.5 * (total.square() - v.square().sum(dim=1)), total
