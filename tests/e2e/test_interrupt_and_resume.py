"""An interrupted and resumed run ends with the very numbers of an uninterrupted one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from recbole.errors import CheckpointError, ConfigError
from recbole.quick_start import resume, run_recbole
from recbole.trainer import Trainer
from recbole.trainer.interruption import TrainingInterrupted

ROOT = Path(__file__).parents[2]
MULTI = {"multi_cls": 5, "dropout_prob": 0.2, "mlp_hidden_size": [16, 8]}
IN_BF16 = {"learner": "sparse_adam", "embedding_precision": "bf16"}


def signal_at(monkeypatch, step, number):
    """Send this process a signal during the given training step, counted over all epochs."""
    plain, count = Trainer._step, iter(range(10**9))

    def _step(self, batch):
        if next(count) == step:
            os.kill(os.getpid(), number)
        return plain(self, batch)

    monkeypatch.setattr(Trainer, "_step", _step)


def outcome(folder):
    """All numbers of a run: losses and metrics by epoch, test result, weights."""
    (path,) = Path(folder).glob("*.json")
    record = json.loads(path.read_text())
    epochs = [
        {name: value for name, value in epoch.items() if "seconds" not in name}
        for epoch in record["epochs"]
    ]
    weights = torch.load(path.with_suffix(".pth"), weights_only=True)["state_dict"]
    return record["status"], epochs, record["best_epoch"], record["test_result"], weights


def assert_same(first, second):
    assert first[:4] == second[:4]
    for name, weight in first[4].items():
        assert torch.equal(weight, second[4][name]), name


# 667 rows, 6 batches an epoch: within the first epoch, at an epoch's end, later, near the end.
@pytest.mark.parametrize(
    ("model", "more"), [("WideDeep", {}), ("DCNV2", {}), ("NFM", IN_BF16)], ids=str
)
@pytest.mark.parametrize("step", [0, 2, 5, 9, 17])
def test_resumed_equals_uninterrupted(toy, monkeypatch, model, more, step):
    options = {**toy, **MULTI, "epochs": 4, "learning_rate": 0.02, **more}
    run_recbole(model, "toy", config_dict={**options, "checkpoint_dir": "whole"})

    with monkeypatch.context() as patch:
        signal_at(patch, step, signal.SIGTERM)
        with pytest.raises(TrainingInterrupted) as interrupted:
            run_recbole(model, "toy", config_dict={**options, "checkpoint_dir": "cut"})
    assert interrupted.value.exit_code == 143
    assert outcome("cut")[0] == "interrupted"
    torch.manual_seed(99)  # whatever the random state was, the checkpoint has its own
    resume(interrupted.value.checkpoint)

    assert_same(outcome("whole"), outcome("cut"))


def test_interrupted_twice(toy, monkeypatch):
    options = {**toy, **MULTI, "epochs": 4, "stopping_step": 0}
    run_recbole("WideDeep", "toy", config_dict={**options, "checkpoint_dir": "whole"})
    cut = {**options, "checkpoint_dir": "cut"}
    attempts = [lambda: run_recbole("WideDeep", "toy", config_dict=cut), lambda: resume(path)]
    for attempt in attempts:
        with monkeypatch.context() as patch:
            signal_at(patch, 4, signal.SIGINT)
            with pytest.raises(TrainingInterrupted) as interrupted:
                attempt()
        assert interrupted.value.exit_code == 130
        path = interrupted.value.checkpoint
    resume(path)
    assert_same(outcome("whole"), outcome("cut"))


def test_interrupted_while_patience_runs_out(toy, monkeypatch):
    options = {**toy, **MULTI, "epochs": 60, "stopping_step": 3, "learning_rate": 0.1}
    run_recbole("WideDeep", "toy", config_dict={**options, "checkpoint_dir": "whole"})
    _, epochs, best, *_ = outcome("whole")
    assert len(epochs) == best + 5 < 60  # early stopping ended it

    steps_per_epoch = -(-667 // 128)
    with monkeypatch.context() as patch:
        signal_at(patch, (len(epochs) - 2) * steps_per_epoch + 1, signal.SIGTERM)
        with pytest.raises(TrainingInterrupted) as interrupted:
            run_recbole("WideDeep", "toy", config_dict={**options, "checkpoint_dir": "cut"})
    assert len(outcome("cut")[1]) == len(epochs) - 2
    resume(interrupted.value.checkpoint)
    assert_same(outcome("whole"), outcome("cut"))


def test_resuming_a_finished_run_only_tests_it(toy):
    run_recbole("WideDeep", "toy", config_dict=toy)
    before = outcome("saved")
    (path,) = Path("saved").glob("*.pth")
    resume(path)
    assert_same(before, outcome("saved"))


def test_options_that_change_the_result_are_refused(toy):
    run_recbole("WideDeep", "toy", config_dict=toy)
    (path,) = Path("saved").glob("*.pth")
    with pytest.raises(ConfigError, match="Option 'learning_rate' can't be changed while resuming"):
        resume(path, learning_rate=1.0)


def test_changed_data_is_refused(toy):
    run_recbole("WideDeep", "toy", config_dict=toy)
    (path,) = Path("saved").glob("*.pth")
    with Path("dataset/toy/toy.inter").open("a") as file:
        file.write("u0\ti49\t3\t99\n")
    with pytest.raises(CheckpointError, match=r"data has changed since training: .*toy\.inter"):
        resume(path)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_from_outside(toy, number, code):
    command = [
        sys.executable, str(ROOT / "run_recbole.py"), "--model=WideDeep", "--dataset=toy",
        "--epochs=100000", "--stopping_step=100000", "--threshold={rating: 4}", "--load_col=None",
        "--log_tensorboard=False", "--use_gpu=False",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 60
        for line in process.stderr:
            if "epoch 3 training" in line or time.monotonic() > deadline:
                break
        process.send_signal(number)
        said = process.stderr.read()
        assert process.wait(60) == code
    finally:
        process.kill()
    (path,) = Path("saved").glob("*.pth")
    assert f"Go on with --resume={path}" in said
    assert "Traceback" not in said
    assert torch.load(path, weights_only=True)["resume"]["epoch"] >= 3
