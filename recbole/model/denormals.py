"""Numbers too small for the processor's fast path, which training makes.

A float below 1.2e-38 has no full mantissa (it is *denormal*), and a CPU takes a hundred times as
long over it. Weights that nothing but a penalty or Adam's decay still moves shrink into that range:
after a few epochs of xDeepFM some percent of its weights are there, and a step takes ten times as
long. Such a number is 0 to every model, so the processor is told to take it for 0.
"""

from __future__ import annotations

import numpy as np
import torch


def flush_denormals() -> None:
    """Take denormal numbers for 0 from now on.

    The setting is one of a thread, which the threads that it starts inherit: PyTorch's own are
    started by the first large operation, so that this is called before data is read. It cannot be
    asked for, and is left as it is, like the other settings of a process that `init_seed` makes;
    `torch.set_flush_denormal(False)` takes it back.
    """
    for kind in (np.float32, np.float64):
        np.finfo(kind).smallest_subnormal  # noqa: B018 - kept by NumPy, which would warn later on
    torch.set_flush_denormal(True)
