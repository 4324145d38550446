"""Where saved models work: one device for all that share data, and one that is there."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
import torch

from recbole.errors import ConfigError
from recbole.quick_start import run_recbole
from recbole.quick_start.measurements import robustness
from recbole.quick_start.rank_eval import rank_eval
from recbole.trainer import checkpoint
from recbole.trainer.record import peak_memory_mb

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
        return []

    monkeypatch.setattr(checkpoint.Checkpoint, "build_model", lambda saved: saved)
    monkeypatch.setattr(ranking, "_rank", lambda saved, parts, *_: note(saved, parts["test"]))
    monkeypatch.setattr(ranking, "write_results", lambda *_: None)
    monkeypatch.setattr(measurements, "noise_curve", lambda saved, loader, *_: note(saved, loader))
    monkeypatch.setattr(measurements, "describe_device", str)
    return found


@pytest.mark.parametrize("measure", [rank_eval, robustness])
def test_models_of_several_devices_share_their_rows_on_one(trained, used, monkeypatch, measure):
    paths = trained({"use_gpu": True, "gpu_id": "1"}, {"use_gpu": True, "gpu_id": "0"})
    pretend(monkeypatch, devices=2)
    measure(paths)
    assert used == [("cuda:1", "cuda:1")] * 2


@pytest.mark.parametrize(
    ("run", "device", "devices", "expected"),
    [
        ({"use_gpu": False}, None, 1, "cuda:0"),
        ({"use_gpu": False}, None, 0, "cpu"),
        ({"use_gpu": False}, "cuda", 1, "cuda:0"),
        ({"use_gpu": True, "gpu_id": "1"}, None, 2, "cuda:1"),
        ({"use_gpu": True, "gpu_id": "1"}, None, 1, "cuda:0"),
        ({"use_gpu": True, "gpu_id": "1"}, "cuda", 1, "cuda:0"),
        ({"use_gpu": True, "gpu_id": "1"}, "cpu", 1, "cpu"),
        ({"use_gpu": True, "gpu_id": "1"}, None, 0, "cpu"),
    ],
)
def test_a_command_works_on_a_device_that_is_there(
    trained, used, monkeypatch, caplog, run, device, devices, expected
):
    (path,) = trained(run)
    pretend(monkeypatch, devices)
    rank_eval(path, device=device)
    assert used == [(expected, expected)]
    is_replaced = run.get("gpu_id") == "1" and expected == "cuda:0"
    assert ("CUDA device 1, which is not here" in caplog.text) == is_replaced


@pytest.mark.parametrize(
    ("run", "expected"),
    [({"use_gpu": False}, "cpu"), ({"use_gpu": True, "gpu_id": "1"}, "cuda:0")],
)
def test_a_checkpoint_by_itself_stays_where_its_run_was_if_it_can(
    trained, monkeypatch, run, expected
):
    (path,) = trained(run)
    pretend(monkeypatch, devices=1)
    assert str(checkpoint.load(path).config.device) == expected


def test_a_device_that_is_asked_for_must_be_there(trained, used, monkeypatch):
    (path,) = trained({})
    pretend(monkeypatch, devices=1)
    with pytest.raises(ConfigError, match=r"'gpu_id': expected a device from 0 to 0 .* got 3"):
        rank_eval(path, device="cuda:3")


def test_the_peak_of_memory_is_that_of_the_runs_device(monkeypatch):
    pretend(monkeypatch, devices=2)
    peaks = {torch.device("cuda", 1): 3 * 2**20}
    monkeypatch.setattr(
        torch.cuda, "max_memory_allocated", lambda device=None: peaks.get(device, 0)
    )
    assert peak_memory_mb(torch.device("cuda", 1))["cuda"] == 3
    assert "cuda" not in peak_memory_mb(torch.device("cpu"))
