"""Layers with the rows innermost do what their row-by-row definitions say."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from recbole.model.field_major import (
    SelfAttention,
    apply_linear,
    field_major,
    multiply_rows,
    project,
)


def test_field_major() -> None:
    fields = torch.randn(4, 3, 2)
    assert torch.equal(field_major(fields)[1, 0], fields[:, 1, 0])
    assert field_major(fields).is_contiguous()


def test_one_linear_layer_for_all_fields() -> None:
    layer, fields = nn.Linear(4, 5), torch.randn(6, 3, 4)
    torch.testing.assert_close(apply_linear(layer, field_major(fields)), field_major(layer(fields)))


def test_a_linear_layer_for_each_field() -> None:
    fields, weight = torch.randn(6, 3, 4), torch.randn(3, 5, 4)
    out = project(field_major(fields), weight)  # [F, O, B]
    for f in range(3):
        torch.testing.assert_close(out[f], weight[f] @ fields[:, f].T)


@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_products_in_every_row(lead: tuple[int, ...]) -> None:
    left = torch.randn(*lead, 4, 5, 7, dtype=torch.float32, requires_grad=True)
    right = torch.randn(*lead, 5, 3, 7, dtype=torch.float32, requires_grad=True)
    ours = multiply_rows(left, right)
    theirs = torch.einsum("...imb,...mjb->...ijb", left, right)
    torch.testing.assert_close(ours, theirs)
    weight = torch.randn_like(ours)
    gradients = [torch.autograd.grad((x * weight).sum(), [left, right]) for x in (ours, theirs)]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


def test_products_of_views() -> None:
    left, right = torch.randn(5, 4, 7).transpose(0, 1), torch.randn(3, 5, 7).transpose(0, 1)
    expected = torch.einsum("imb,mjb->ijb", left, right)
    torch.testing.assert_close(multiply_rows(left, right), expected)


def test_products_stay_in_full_precision() -> None:
    left, right = torch.randn(2, 3, 4).bfloat16(), torch.randn(3, 2, 4).bfloat16()
    assert multiply_rows(left, right).dtype == torch.float32


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_self_attention_is_pytorchs(heads: int) -> None:
    ours, theirs = SelfAttention(8, heads, 0.0), nn.MultiheadAttention(8, heads, batch_first=True)
    nn.init.normal_(ours.in_proj_bias)
    theirs.load_state_dict(ours.state_dict())
    fields = torch.randn(5, 3, 8, requires_grad=True)
    out = ours(field_major(fields)).permute(2, 0, 1)  # [F, A, B] -> [B, F, A]
    expected = theirs(fields, fields, fields)[0]
    torch.testing.assert_close(out, expected)
    weight = torch.randn_like(out)
    mine, torchs = (torch.autograd.grad((x * weight).sum(), fields)[0] for x in (out, expected))
    torch.testing.assert_close(mine, torchs, rtol=1e-4, atol=1e-5)


def test_self_attention_drops_weights_while_training_only() -> None:
    attention = SelfAttention(8, 2, dropout=0.5)
    fields = torch.randn(3, 8, 5)
    assert not torch.equal(attention(fields), attention(fields))
    attention.eval()
    assert torch.equal(attention(fields), attention(fields))
