"""Denormal numbers are 0 where a model is trained or used, and nowhere else."""

import subprocess
import sys
from pathlib import Path

import pytest

from recbole.model.denormals import are_flushed, denormals_flushed
from recbole.quick_start import resume, run_recbole
from recbole.quick_start.compare import compare
from recbole.quick_start.measurements import lipschitz, robustness
from recbole.quick_start.predict import predict
from recbole.quick_start.rank_eval import rank_eval
from recbole.quick_start.recommend import recommend
from recbole.trainer import Trainer, checkpoint

SCRIPT = """
import warnings, torch
torch.set_num_threads(2)
warnings.simplefilter("error")
import numpy as np
from recbole.model.denormals import are_flushed, denormals_flushed
bits = np.full(2**22, 2**10, dtype=np.int32)  # those of a denormal
tiny = torch.from_numpy(bits.view(np.float32))
with denormals_flushed():
    print(torch.count_nonzero(tiny * torch.ones(())).item(), are_flushed())
    np.finfo(np.float32), np.finfo(np.float64)
print(tiny[0].item() > 0, are_flushed())
"""


def test_all_threads_take_them_for_0_in_the_block():
    """In a process of its own, whose threads the block starts."""
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "True", "True", "False"]


def test_a_block_within_another_leaves_it_to_that():
    with denormals_flushed():
        with denormals_flushed():
            assert are_flushed()
        assert are_flushed()
    assert not are_flushed()


def test_a_run_is_in_the_block(toy, monkeypatch):
    seen, plain = [], Trainer._step

    def step(self, batch):
        seen.append(are_flushed())
        return plain(self, batch)

    monkeypatch.setattr(Trainer, "_step", step)
    run_recbole("WideDeep", "toy", config_dict=toy)
    assert seen and all(seen) and not are_flushed()


@pytest.mark.parametrize(
    "use",
    [
        resume,
        lambda path: predict(path, "rows.csv", "scores.csv"),
        lambda path: recommend(path, ["u1"]),
        lambda path: rank_eval([path]),
        lambda path: compare([path, path], "u1"),
        lambda path: robustness([path]),
        lambda path: lipschitz([path]),
    ],
)
def test_so_is_the_use_of_a_model(monkeypatch, use):
    class LoadedError(Exception):
        pass

    def load(*given, **named):
        raise LoadedError(are_flushed())

    monkeypatch.setattr(checkpoint, "load", load)
    with pytest.raises(LoadedError, match="True"):
        use(Path("a.pth"))
    assert not are_flushed()
