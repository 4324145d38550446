"""Help for autograd functions written by hand: how they are called, and mapped over."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

Forward = TypeVar("Forward", bound=Callable[..., Any])


def in_order(forward: Forward) -> Forward:
    """For the `forward` of an autograd function that is given all its arguments in order.

    Before each call PyTorch binds the arguments to the parameters that `inspect` reads from
    `forward`, for the sake of names and defaults. That takes 20 to 40 µs, as long as many a small
    function; where all arguments come in order there is nothing to bind.
    """
    parameters = inspect.signature(forward).parameters.values()
    forward.__signature__ = _InOrder(tuple(parameters))  # type: ignore[attr-defined]
    return forward


class _InOrder(inspect.Signature):
    """A signature that takes arguments without names to be all that there are."""

    def bind(self, /, *args: Any, **kwargs: Any) -> Any:
        return super().bind(*args, **kwargs) if kwargs else _Bound(args)


class _Bound:
    """What is used of `inspect.BoundArguments`."""

    def __init__(self, args: tuple[Any, ...]) -> None:
        self.args = args
        self.kwargs: dict[str, Any] = {}

    def apply_defaults(self) -> None:
        """There are none to apply."""


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
