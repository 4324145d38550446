"""A step captured in a graph is the same step. What stands for CUDA here is a CPU, see `OnCpu`."""

from __future__ import annotations

import copy
from contextlib import nullcontext

import pytest
import torch

from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.errors import ConfigError
from recbole.model.registry import MODEL_NAMES
from recbole.trainer import Trainer
from recbole.trainer.cuda_graph import CapturedStep
from recbole.utils import init_seed


class OnCpu:
    """Capturing changes nothing, replaying does the work on the memory that was captured."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self.calls: list[str] = []

    def warm_up(self, work):
        self.calls.append("warm up")
        return work()

    def capture(self, work):
        self.calls.append("capture")
        model, optimizers = self._trainer.model, self._trainer.optimizers
        weights = copy.deepcopy(model.state_dict())
        steps = copy.deepcopy(optimizers.state_dict())
        with torch.random.fork_rng():
            results = work()
        model.load_state_dict(weights)
        optimizers.load_state_dict(steps)

        def replay():
            self.calls.append("replay")
            for name, value in work().items():
                results[name].copy_(value)

        return replay, results


def prepared(options, model):
    config = Config(model, "toy", config_dict=options)
    init_seed(config["seed"], config["reproducibility"])
    loaders = data_preparation(config, create_dataset(config))
    network = config.model_class(config, loaders[0].dataset).to(config.device)
    return Trainer(config, network), *loaders


@pytest.mark.parametrize("model", MODEL_NAMES)
def test_a_captured_run_is_the_run(toy, model):
    options = {**toy, "epochs": 3, "multi_cls": 5, "train_batch_size": 100}
    plain, train, valid, _ = prepared(options, model)
    result = plain.fit(train, valid, saved=False)
    captured, train, valid, _ = prepared(options, model)
    graphs = OnCpu(captured)
    captured._captured_step = CapturedStep(graphs, captured.optimizers.capturable)
    assert captured.fit(train, valid, saved=False) == result
    assert captured.record.epochs[-1].loss_parts == plain.record.epochs[-1].loss_parts
    for name, weight in plain.model.state_dict().items():
        assert torch.equal(weight, captured.model.state_dict()[name]), name
    whole = train.num_rows // 100
    assert train.num_rows % 100 > 1, "the last batch is smaller, and is not captured"
    assert graphs.calls == ["warm up"] * 3 + ["capture"] + ["replay"] * (3 * whole - 3)


def test_losses_are_those_of_the_batch(toy):
    trainer, train, _, _ = prepared({**toy, "learning_rate": 1e-12}, "NFM")
    step = CapturedStep(OnCpu(trainer), nullcontext)
    trainer.model.train()
    batches = [train.gather(torch.arange(start, start + 50)) for start in range(0, 350, 50)]
    found = [step(trainer._step, batch)["loss"].item() for batch in batches]
    with torch.no_grad():
        expected = [trainer.model.loss_parts(batch)["loss"].item() for batch in batches]
    assert found == pytest.approx(expected, rel=1e-5)
    assert len(set(found)) == len(found)


def test_what_comes_first_after_an_interruption_need_not_be_captured(toy):
    """A run that was stopped before an epoch's last batch goes on with that one."""
    trainer, train, _, _ = prepared(toy, "NFM")
    graphs = OnCpu(trainer)
    step = CapturedStep(graphs, nullcontext)
    for rows in (30, *[50] * 5, 30):
        step(trainer._step, train.gather(torch.arange(rows)))
    assert graphs.calls == ["warm up"] * 4 + ["capture"] + ["replay"] * 2


def test_a_step_that_can_not_be_captured_is_told(toy):
    class Refuses(OnCpu):
        def capture(self, work):
            try:
                raise RuntimeError("operation not permitted when stream is capturing\nCompile")
            finally:
                raise RuntimeError("operation failed due to a previous error during capture")

    trainer, train, _, _ = prepared(toy, "NFM")
    step = CapturedStep(Refuses(trainer), nullcontext)
    batch = train.gather(torch.arange(50))
    for _ in range(3):
        step(trainer._step, batch)
    with pytest.raises(ConfigError, match=r"'cuda_graph': .* not permitted when .* capturing\nLe"):
        step(trainer._step, batch)


def test_a_state_that_is_loaded_is_captured_anew(toy, monkeypatch):
    """A graph goes on with the moments it was captured with, wherever the optimiser's are now."""
    trainer, train, _, _ = prepared({**toy, "epochs": 1}, "NFM")
    monkeypatch.setattr(trainer, "_finish", lambda train: None)  # the state stays in the file
    trainer.fit(train)
    of_before = trainer._captured_step = CapturedStep(OnCpu(trainer), nullcontext)
    anew = CapturedStep(OnCpu(trainer), nullcontext)
    monkeypatch.setattr(trainer, "_capturing", lambda: anew)
    trainer.resume_checkpoint(trainer.saved_model_file)
    assert trainer._captured_step is anew is not of_before


def test_on_a_cpu_there_is_no_graph(toy, caplog):
    trainer, *_ = prepared({**toy, "cuda_graph": True}, "NFM")
    assert "'cuda_graph' has no effect on cpu" in caplog.text
    assert trainer._captured_step is None


@pytest.mark.parametrize(
    "other", [{"learner": "adagrad"}, {"compile": True}, {"track_norms": True}]
)
def test_what_a_graph_can_not_hold(toy, other):
    with pytest.raises(ConfigError, match=f"'cuda_graph' and '{next(iter(other))}' are at odds"):
        Config("NFM", "toy", config_dict={**toy, "cuda_graph": True, **other})


def test_optimisers_may_be_captured_for_as_long_as_a_capture_takes(toy):
    trainer, *_ = prepared(toy, "NFM")
    (optimizer,) = trainer.optimizers.optimizers
    with trainer.optimizers.capturable():
        assert all(group["capturable"] for group in optimizer.param_groups)
    assert not any(group["capturable"] for group in optimizer.param_groups)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("model", MODEL_NAMES)
@pytest.mark.parametrize(
    "more", [{}, {"precision": "bf16"}, {"learner": "sgd", "clip_grad_norm": {"max_norm": 1}}]
)
def test_a_captured_run_is_the_run_on_cuda(toy, model, more):
    options = {**toy, "use_gpu": True, "epochs": 3, "multi_cls": 5, "train_batch_size": 100, **more}
    weights, losses = [], []
    for graph in (False, True):
        trainer, train, valid, _ = prepared({**options, "cuda_graph": graph}, model)
        trainer.fit(train, valid, saved=False)
        losses.append([epoch.train_loss for epoch in trainer.record.epochs])
        weights.append(trainer.model.state_dict())
    assert trainer._captured_step._captured is not None
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-3, atol=1e-4)
