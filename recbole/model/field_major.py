"""Layers over fields that keep the rows of a batch innermost: [F, A, B] instead of [B, F, A].

A click model has a handful of fields with a handful of numbers each. Batched products of such tiny
matrices, one for each row, spend their time on overhead; with the rows innermost the same sums
are a few long vector operations, and what works field by field is a few large matrix products.

Shapes: B batch, F fields, A width of a field, H attention heads, I, J, M sides of tiny matrices.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from recbole.model.autograd import in_order, one_by_one
from recbole.model.dropout import Dropout
from recbole.model.precision import full_precision


def field_major(fields: Tensor) -> Tensor:
    """Put the rows innermost: [B, F, A] -> [F, A, B]."""
    return fields.permute(1, 2, 0).contiguous()


def project(fields: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Apply a linear layer, one for all fields or one for each: [F, A, B] -> [F, O, B].

    Args:
        fields: [F, A, B].
        weight: [O, A], or [F, O, A].
        bias: [O].
    """
    weight = weight.expand(len(fields), *weight.shape[-2:])
    if bias is None:
        return torch.bmm(weight, fields)
    return torch.baddbmm(bias.unsqueeze(1), weight, fields)


def apply_linear(layer: nn.Linear, fields: Tensor) -> Tensor:
    """Apply a linear layer to every field: [F, A, B] -> [F, O, B]."""
    return project(fields, layer.weight, layer.bias)


def multiply_rows(left: Tensor, right: Tensor) -> Tensor:
    """Multiply two matrices in every row: [..., I, M, B] and [..., M, J, B] -> [..., I, J, B].

    The leading dimensions must be the same. In full precision also under autocast.
    """
    return _RowProducts.apply(full_precision(left), full_precision(right))


class _RowProducts(torch.autograd.Function):
    """`multiply_rows`, whose gradients are such products, too."""

    @staticmethod
    @in_order
    def forward(left: Tensor, right: Tensor) -> Tensor:
        return _row_products(left, right)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:  # noqa: ARG004
        ctx.save_for_backward(*inputs)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Tensor) -> tuple[Tensor, int]:
        return one_by_one(_RowProducts, info, in_dims, inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        left, right = ctx.saved_tensors
        return (
            _RowProducts.apply(grad, right.transpose(-3, -2)),
            _RowProducts.apply(left.transpose(-3, -2), grad),
        )


def _row_products(left: Tensor, right: Tensor) -> Tensor:
    if left.device.type != "cpu":  # where many small operations cost more than they save
        return torch.einsum("...imb,...mjb->...ijb", left, right)
    product = left.new_empty(*left.shape[:-2], *right.shape[-2:])  # [..., I, J, B]
    columns, rows = left.unsqueeze(-2), right.unsqueeze(-4)  # [..., I, M, 1, B], [..., 1, M, J, B]
    torch.mul(columns[..., 0, :, :], rows[..., 0, :, :], out=product)
    for m in range(1, left.shape[-2]):
        product.addcmul_(columns[..., m, :, :], rows[..., m, :, :])
    return product


class SelfAttention(nn.Module):
    """Multi-head self-attention over fields: [F, A, B] -> [F, A, B].

    Vaswani et al., "Attention Is All You Need", NeurIPS 2017. The parameters are those of
    `nn.MultiheadAttention`, and are initialised like them.

    Args:
        width: A, which the heads share evenly.
        num_heads: H.
        dropout: probability to drop an attention weight.
    """

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.in_proj_weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(3 * width, width)))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, fields: Tensor) -> Tensor:
        """Let each field attend to all: [F, A, B] -> [F, A, B]."""
        projected = project(fields, self.in_proj_weight, self.in_proj_bias)  # [F, 3·A, B]
        split = projected.unflatten(1, (3, self.num_heads, -1))  # [F, 3, H, A/H, B]
        query, key, value = split.permute(1, 2, 0, 3, 4)  # [H, F, A/H, B] each
        scores = multiply_rows(query * query.shape[2] ** -0.5, key.transpose(1, 2))  # [H, F, F, B]
        weights = self.dropout(scores.softmax(dim=2))  # [H, F, F, B]
        mixed = multiply_rows(weights, value).transpose(0, 1)  # [F, H, A/H, B]
        return project(mixed.flatten(1, 2), self.out_proj.weight, self.out_proj.bias)
