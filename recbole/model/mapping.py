"""What `torch.func.vmap` does with an autograd function written by hand: one call for each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def one_by_one(
    function: type[torch.autograd.Function],
    info: Any,
    in_dims: tuple[int | None, ...],
    inputs: tuple[Any, ...],
) -> tuple[Any, Any]:
    """Call `function` for each of the mapped inputs and stack what comes out.

    For the `vmap` method of a function that fills the machine by itself. Takes the arguments of
    that method, and returns what it has to: the outputs, and that each is stacked along dim 0.
    """
    each = [
        value.unbind(axis)
        if isinstance(value, Tensor) and axis is not None
        else [value] * info.batch_size
        for value, axis in zip(inputs, in_dims, strict=True)
    ]
    outputs = [function.apply(*one) for one in zip(*each, strict=True)]
    if isinstance(outputs[0], tuple):
        stacked = tuple(torch.stack(pieces) for pieces in zip(*outputs, strict=True))
        return stacked, (0,) * len(stacked)
    return torch.stack(outputs), 0
