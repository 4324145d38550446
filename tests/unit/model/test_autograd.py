"""Autograd functions that take their arguments as they come."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch import Tensor

from recbole.model.autograd import in_order


class Scaled(torch.autograd.Function):
    """factor × x."""

    generate_vmap_rule = True

    @staticmethod
    @in_order
    def forward(x: Tensor, factor: float) -> Tensor:
        return factor * x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.factor = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return ctx.factor * grad, None


def test_arguments_come_in_order() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    out = Scaled.apply(x, 3.0)
    assert out.tolist() == [3.0, 6.0]
    assert torch.autograd.grad(out.sum(), x)[0].tolist() == [3.0, 3.0]
    mapped = torch.func.vmap(lambda row: Scaled.apply(row, 3.0))(x.detach())
    assert torch.equal(mapped, out)


def test_nothing_is_bound(monkeypatch) -> None:
    """It is what takes the time: no parameter is looked at."""
    monkeypatch.setattr(inspect.Signature, "_bind", None)
    assert Scaled.apply(torch.ones(1), 3.0).item() == 3


def test_the_signature_stays_what_it_was() -> None:
    signature = inspect.signature(Scaled.forward)
    assert list(signature.parameters) == ["x", "factor"]
    assert signature.bind(torch.ones(1), factor=2.0).arguments["factor"] == 2
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        signature.bind(factor=2.0)
