"""Initialisers for `module.apply(...)`, under RecBole's names.

Both fill embeddings and linear weights after Glorot and Bengio (AISTATS 2010), set the biases of
linear layers to zero, and leave every other kind of module as its constructor made it.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn


def xavier_normal_initialization(module: nn.Module) -> None:
    """Fill with N(0, 2 / (fan_in + fan_out))."""
    _initialise(module, nn.init.xavier_normal_)


def xavier_uniform_initialization(module: nn.Module) -> None:
    """Fill with U(-a, a), a = sqrt(6 / (fan_in + fan_out))."""
    _initialise(module, nn.init.xavier_uniform_)


def _initialise(module: nn.Module, fill: Callable[[Tensor], Tensor]) -> None:
    if isinstance(module, nn.Embedding | nn.Linear):
        fill(module.weight)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
