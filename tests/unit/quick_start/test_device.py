"""Where saved models work: one device for all that share data, and one that is there."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from recbole.quick_start import run_recbole
from recbole.quick_start.measurements import robustness
from recbole.quick_start.rank_eval import rank_eval
from recbole.trainer import checkpoint

measurements = import_module("recbole.quick_start.measurements")
ranking = import_module("recbole.quick_start.rank_eval")


@pytest.fixture
def trained(toy):
    """A function: copies of one checkpoint, as runs with the given options would have left them."""
    run_recbole("WideDeep", "toy", config_dict={**toy, "epochs": 1, "mlp_hidden_size": [4]})
    (path,) = Path("saved").glob("*.pth")
    payload = checkpoint.read(path)

    def copies(*options):
        for number, of_run in enumerate(options):
            config = {**payload["config"], **of_run}
            checkpoint.write(Path(f"{number}.pth"), {**payload, "config": config})
        return [Path(f"{number}.pth") for number in range(len(options))]

    return copies


def pretend(monkeypatch, devices):
    """Let this machine have some CUDA devices, by what torch says; nothing may compute on them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: devices > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)


@pytest.fixture
def used(monkeypatch):
    """The device of each model with that of the rows it is given; nothing is computed."""
    found = []

    def note(saved, loader):
        found.append((str(saved.config.device), str(loader.device)))
        return SimpleNamespace(saved=saved)

    monkeypatch.setattr(checkpoint.Checkpoint, "build_model", lambda saved: saved)
    monkeypatch.setattr(
        ranking, "_rank", lambda saved, parts, *_: note(saved, parts["test"]) and []
    )
    monkeypatch.setattr(ranking, "write_results", lambda *_: None)
    monkeypatch.setattr(
        measurements, "noise_curve", lambda saved, loader, *_: note(saved, loader) and []
    )
    monkeypatch.setattr(measurements, "describe_device", str)
    return found


@pytest.mark.parametrize("measure", [rank_eval, robustness])
def test_models_of_several_devices_share_their_rows_on_one(trained, used, monkeypatch, measure):
    paths = trained({"use_gpu": True, "gpu_id": "1"}, {"use_gpu": True, "gpu_id": "0"})
    pretend(monkeypatch, devices=2)
    measure(paths)
    assert used == [("cuda:1", "cuda:1")] * 2
