"""Denormal numbers are 0 in every thread of a process that trains or uses a model."""

import subprocess
import sys

import pytest

SCRIPT = """
import warnings, torch
torch.set_num_threads(2)
warnings.simplefilter("error")
from recbole.utils import init_seed
from recbole.trainer import checkpoint
{setting}
tiny = torch.full((2**22,), 2**10, dtype=torch.int32).view(torch.float32)  # bits of a denormal
print(torch.count_nonzero(tiny * torch.ones(())).item())
import numpy as np
np.finfo(np.float32), np.finfo(np.float64)
"""
SETTINGS = {
    "": 2**22,  # what the others change
    "init_seed(1, True)": 0,
    "try: checkpoint.load('no.pth')\nexcept Exception: pass": 0,
    "from recbole.sweep.worker import use_threads; use_threads(2)": 0,
}


@pytest.mark.parametrize(("setting", "left"), SETTINGS.items())
def test_all_threads_take_them_for_0(setting, left):
    """In a process of its own, since it is told once for all, before its threads start."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(setting=setting)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) == left
