"""Penalties on parameters. The losses on predictions are the business of `head.py`."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class RegLoss(nn.Module):
    """The sum of the L2 norms (not squared) of some parameters, as RecBole's models use it."""

    def forward(self, parameters: Iterable[Tensor]) -> Tensor:
        """Return Σ ‖W‖₂, a scalar; raises ValueError where there is no parameter to sum over."""
        norms = [torch.linalg.vector_norm(parameter) for parameter in parameters]
        if not norms:
            raise ValueError("RegLoss needs at least one parameter.")
        return torch.stack(norms).sum()
