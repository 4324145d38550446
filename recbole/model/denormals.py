"""Numbers too small for the processor's fast path, which training makes.

A float below 1.2e-38 has no full mantissa (it is *denormal*), and a CPU takes a hundred times as
long over it. Weights that nothing but a penalty or Adam's decay still moves shrink into that range:
after a few epochs of xDeepFM some percent of its weights are there, and a step takes ten times as
long. Such a number is 0 to every model, so the processor is told to take it for 0.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Take denormal numbers for 0 for the time of the block, or of the function it decorates.

    The setting is one of a thread, which the threads that it starts inherit and keep. PyTorch's own
    are started by the first large operation of a process, so that the block should begin before
    data is read; threads that are there already compute as before, more slowly.
    """
    before = are_flushed()
    for kind in (np.float32, np.float64):
        np.finfo(kind).smallest_subnormal  # noqa: B018 - kept by NumPy, which would warn in the block
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def are_flushed() -> bool:
    """Whether this thread takes denormal numbers for 0."""
    return sys.float_info.min * 0.5 == 0.0
