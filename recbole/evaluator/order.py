"""Scores as whole numbers that sort like them, with room for a second criterion below.

One sort, or one top-k, of such keys orders by score and, where scores tie, by that criterion: the
same way on every device and whatever the algorithm, which a sort of floats does not promise.
"""

from __future__ import annotations

import torch
from torch import Tensor

_SIGN = 0x7FFFFFFF
_LOW = 0xFFFFFFFF


def descending_keys(scores: Tensor, tie_breaker: Tensor) -> Tensor:
    """Keys of which the greatest is the best: the score first, then the greatest tie breaker.

    Args:
        scores: float32 [...], without NaN; -0 counts as 0.
        tie_breaker: int64, of a shape that fits, from 0 up to 2^32 - 1.
    """
    return (sortable(scores) << 32) | tie_breaker


def scores_of(keys: Tensor) -> Tensor:
    """The scores that went into `descending_keys`."""
    bits = keys >> 32
    return torch.where(bits < 0, bits ^ _SIGN, bits).int().view(torch.float32)


def sortable(scores: Tensor) -> Tensor:
    """The bits of float32 numbers as integers in their order: [...] -> int64 [...]."""
    bits = (scores.float() + 0.0).view(torch.int32).long()  # -0 + 0 = 0
    return torch.where(bits < 0, bits ^ _SIGN, bits)
