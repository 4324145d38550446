"""The layer of xDeepFM's compressed interaction network, computed without storing its products.

Shapes: F fields, H feature maps coming in, S feature maps going out, N = B·D numbers of a map
(those of a batch and its embedding, which the layer treats alike).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class CINLayer(nn.Module):
    """Products of feature maps and fields, weighed: [H, N] and [F, N] -> [S, N].

    out[s] = Σ_{f,h} W[s, f, h] fields[f] ⊙ maps[h] + bias[s]
    (Lian et al., "xDeepFM", KDD 2018, Eq. 6).

    Initialised as a convolution of kernel size 1: weights Glorot normal, biases uniform within
    ±1/√(F·H).
    """

    def __init__(self, maps: int, fields: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(outputs, fields * maps)))
        bound = 1 / math.sqrt(fields * maps)
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))

    def forward(self, maps: Tensor, fields: Tensor) -> Tensor:
        """Multiply and weigh: [H, N], [F, N] -> [S, N]."""
        tensors: tuple[Tensor, ...] = (maps, fields, self.weight, self.bias)
        device = maps.device.type
        if torch.is_autocast_enabled(device):  # which does not look into an autograd function
            tensors = tuple(tensor.to(torch.get_autocast_dtype(device)) for tensor in tensors)
        return _WeighedProducts.apply(*tensors)


class _WeighedProducts(torch.autograd.Function):
    """W [S, F·H] times the products of each field with each map [F·H, N], plus bias [S].

    The products would fill F·H/S times the memory of the result, and be kept for the backward pass.
    Here they are made for some of the N columns at a time, few enough for a CPU's cache, and made
    again when the gradient needs them: both faster and smaller.
    """

    @staticmethod
    def forward(maps: Tensor, fields: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        out = maps.new_empty(len(weight), maps.shape[1])
        for part in _parts(maps):
            products = _products(maps[:, part], fields[:, part]).flatten(0, 1)  # [F·H, n]
            out[:, part] = torch.addmm(bias.unsqueeze(1), weight, products)  # [S, n]
        return out

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs[:3])

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        """Several layers at once (`torch.func.vmap`): one after the other, as each fills a CPU."""
        axes = zip(inputs, in_dims, strict=True)
        each = (
            [tensor] * info.batch_size if axis is None else tensor.unbind(axis)
            for tensor, axis in axes
        )
        return torch.stack([_WeighedProducts.apply(*one) for one in zip(*each, strict=True)]), 0

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        maps, fields, weight = ctx.saved_tensors
        grad_maps = torch.empty_like(maps)
        grad_fields = torch.empty_like(fields)
        grad_weight = torch.zeros_like(weight, dtype=torch.promote_types(weight.dtype, torch.float))
        for part in _parts(maps):
            products = _products(maps[:, part], fields[:, part])  # [F, H, n]
            grad_weight += grad[:, part] @ products.flatten(0, 1).T  # [S, F·H]
            grad_products = (weight.T @ grad[:, part]).view_as(products)  # [F, H, n]
            grad_fields[:, part] = torch.mul(grad_products, maps[:, part], out=products).sum(1)
            grad_maps[:, part] = grad_products.mul_(fields[:, part].unsqueeze(1)).sum(0)
        return grad_maps, grad_fields, grad_weight.to(weight.dtype), grad.sum(1)


def _products(maps: Tensor, fields: Tensor) -> Tensor:
    """All products of a field and a map: [H, n], [F, n] -> [F, H, n]."""
    return fields.unsqueeze(1) * maps


def _parts(maps: Tensor) -> list[slice]:
    """The columns, cut into parts: such that products stay in the cache of a CPU, or fill a GPU."""
    size = 2048 if maps.device.type == "cpu" else 65536
    return [slice(start, start + size) for start in range(0, maps.shape[1], size)]
