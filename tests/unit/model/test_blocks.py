"""Shapes in which bf16 matrices are multiplied: with AMX's tiles, without them, and in fp32."""

from __future__ import annotations

import pytest
import torch

from recbole.model import blocks
from recbole.model.blocks import add_product, in_full_rows


@pytest.mark.parametrize(
    ("dtype", "has_amx", "before", "after"),
    [
        (torch.bfloat16, True, 55, 64),
        (torch.bfloat16, True, 65, 96),
        (torch.bfloat16, False, 65, 65),
        (torch.float32, True, 55, 55),
    ],
)
def test_rows_of_zeros_below_a_matrix(dtype, has_amx: bool, before: int, after: int, monkeypatch):
    """As many as make the next multiple of 32, in bf16 with AMX."""
    monkeypatch.setattr(blocks, "_HAS_AMX", has_amx)
    matrix = torch.randn(before, 3).to(dtype)
    full = in_full_rows(matrix)
    assert full.shape == (after, 3)
    assert torch.equal(full[:before], matrix) and not full[before:].any()
    assert in_full_rows(full) is full


@pytest.mark.parametrize("has_amx", [True, False])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize(("rows", "columns"), [(5, 3), (3, 5), (64, 112), (65, 112), (112, 65)])
def test_products_are_added_whichever_way_round(dtype, rows, columns, has_amx, monkeypatch) -> None:
    """Rows of the left matrix beyond those of the total are left out."""
    monkeypatch.setattr(blocks, "_HAS_AMX", has_amx)
    extra = 2 if dtype == torch.bfloat16 else 0
    left = torch.randn(rows + extra, 40).to(dtype)
    right = torch.randn(40, columns).to(dtype)
    total = torch.randn(rows, columns)
    wanted = total + left[:rows].float() @ right.float()
    add_product(total, left, right)
    torch.testing.assert_close(total, wanted, rtol=0.01, atol=0.1 if extra else 1e-5)


@pytest.mark.parametrize(
    ("rows", "columns", "turned"),
    [
        (64, 112, True),  # 112 x 64 numbers, or 64 x 128
        (65, 112, False),  # 112 x 128, or 65 x 128
        (65, 28, False),  # 28 x 128, or 65 x 32
        (48, 28, True),  # 28 x 48, or 48 x 32
        (4, 98, False),  # 98 x 16, or 4 x 128
    ],
)
@pytest.mark.parametrize("has_amx", [False, True])
def test_products_fill_few_blocks(rows, columns, turned, has_amx, monkeypatch) -> None:
    """Without AMX; with it they are always turned."""
    monkeypatch.setattr(blocks, "_HAS_AMX", has_amx)
    shapes = []

    class Recorded(torch.Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            if function.__name__ in ("matmul", "__matmul__"):
                shapes.append((len(args[0]), args[1].shape[1]))
            return super().__torch_function__(function, types, args, kwargs or {})

    left = torch.randn(rows, 40).bfloat16().as_subclass(Recorded)
    right = torch.randn(40, columns).bfloat16().as_subclass(Recorded)
    add_product(torch.zeros(rows, columns), left, right)
    assert shapes == [(columns, rows) if turned or has_amx else (rows, columns)]
