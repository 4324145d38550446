"""One seed for every source of random numbers."""

from __future__ import annotations

import os
import random

import numpy as np
import torch


def init_seed(seed: int, reproducibility: bool) -> None:
    """Seed Python, NumPy and torch (all devices).

    Args:
        seed: the seed.
        reproducibility: choose deterministic algorithms where torch has them; where it has none
            for an operation on CUDA, torch warns and goes on.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - models of users may draw from the global generator
    torch.manual_seed(seed)
    if reproducibility:  # what cuBLAS asks for, read when the first CUDA product is taken
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = not reproducibility
    torch.backends.cudnn.deterministic = reproducibility
    torch.use_deterministic_algorithms(reproducibility, warn_only=True)
    # Deterministic mode would also fill every new tensor with NaN before use; nothing reads those.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
