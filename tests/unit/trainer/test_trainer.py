"""The training loop: what it minimises, when it validates, which weights it keeps."""

import json
import shutil
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.errors import CheckpointError, ConfigError, TrainingDivergedError
from recbole.model import abstract_recommender
from recbole.model.precision import Precision
from recbole.model.registry import MODEL_NAMES
from recbole.trainer import Trainer, state
from recbole.trainer.interruption import Interruption
from recbole.trainer.record import RunRecord
from recbole.utils import init_seed
from tests.conftest import rounds_to_tf32, write_toy_dataset


def prepared(options, model="WideDeep"):
    """A trainer and its three loaders."""
    config = Config(model, "toy", config_dict=options)
    init_seed(config["seed"], config["reproducibility"])
    loaders = data_preparation(config, create_dataset(config))
    network = config.model_class(config, loaders[0].dataset)
    return Trainer(config, network), *loaders


def losses(trainer):
    return [epoch.train_loss for epoch in trainer.record.epochs]


def test_training_lowers_the_loss_and_learns_the_data(toy):
    shutil.rmtree("dataset")
    write_toy_dataset(Path("dataset"), users=100, items=80)
    trainer, train, valid, test = prepared({**toy, "epochs": 60, "learning_rate": 0.02})
    score, result = trainer.fit(train, valid)
    assert losses(trainer)[-1] < 0.8 * losses(trainer)[0]
    assert score == result["auc"] > 0.6
    assert trainer.evaluate(test)["auc"] > 0.6


def test_every_epoch_has_an_order_of_its_own(toy, monkeypatch):
    trainer, train, valid, _ = prepared({**toy, "epochs": 3})
    orders, plain = [], train.row_order
    monkeypatch.setattr(train, "row_order", lambda epoch: orders.append(plain(epoch)) or orders[-1])
    trainer.fit(train, valid, saved=False)
    assert len(orders) == 3
    assert len({tuple(order.tolist()) for order in orders}) == 3


def test_the_time_of_an_epoch_is_taken_after_the_device_has_finished(toy, monkeypatch):
    trainer, train, _, _ = prepared({**toy, "epochs": 1, "eval_step": 0})
    unread = []

    def clock():
        unread.append(len(trainer.losses._pending))
        return 0.0

    monkeypatch.setattr(time, "perf_counter", clock)
    trainer.losses._every = 1000  # as on a GPU, more than there are steps
    trainer._train_epoch(train, show=False, interruption=Interruption())
    assert unread == [0, 0]
    assert trainer.record.epochs[0].train_loss > 0


def test_the_best_epoch_is_kept(toy):
    trainer, train, valid, _ = prepared(
        {**toy, "epochs": 30, "learning_rate": 0.1, "stopping_step": 2}
    )
    score, result = trainer.fit(train, valid)
    history = [epoch.valid_result["auc"] for epoch in trainer.record.epochs]
    best = max(range(len(history)), key=lambda epoch: (history[epoch], epoch))
    assert score == max(history)
    assert trainer.record.best_epoch == best
    assert len(history) == min(30, best + 1 + 3)  # stopping_step + 1 worse ones end it
    assert trainer.evaluate(valid) == result
    last = trainer.evaluate(valid, load_best_model=False)
    assert last == result  # evaluate() above has loaded the best weights
    saved = torch.load(trainer.saved_model_file, weights_only=True)
    assert saved["best_epoch"] == best


def test_a_lower_metric_can_be_the_better_one(toy):
    options = {**toy, "epochs": 6, "valid_metric": "LogLoss", "learning_rate": 0.05}
    trainer, train, valid, _ = prepared(options)
    score, _ = trainer.fit(train, valid)
    assert score == min(epoch.valid_result["logloss"] for epoch in trainer.record.epochs)


def test_validation_every_other_epoch(toy):
    trainer, train, valid, _ = prepared({**toy, "epochs": 5, "eval_step": 2})
    calls = []
    trainer.fit(train, valid, callback_fn=lambda epoch, score: calls.append(epoch))
    assert [epoch.valid_result is not None for epoch in trainer.record.epochs] == [
        False, True, False, True, False,
    ]  # fmt: skip
    assert calls == [1, 3]


@pytest.mark.parametrize("how", ["no data", "eval_step 0"])
def test_without_validation_the_last_weights_are_kept(toy, how):
    trainer, train, valid, test = prepared({**toy, "eval_step": 0 if how == "eval_step 0" else 1})
    assert trainer.fit(train, valid if how == "eval_step 0" else None) == (None, None)
    in_memory = trainer.evaluate(test, load_best_model=False)
    assert trainer.evaluate(test) == in_memory
    assert trainer.record.best_epoch == 2


def test_nothing_is_written_unless_asked(toy):
    trainer, train, valid, test = prepared(toy)
    trainer.fit(train, valid, saved=False)
    assert not Path("saved").exists()
    with pytest.raises(CheckpointError, match="does not exist"):
        trainer.evaluate(test)


def test_gradients_are_clipped(toy):
    def norms(clip):
        trainer, train, _, _ = prepared({**toy, "clip_grad_norm": clip})
        trainer._step(next(train.batches()))
        gradients = [p.grad.norm() for p in trainer.model.parameters()]
        return torch.stack(gradients).norm()

    assert norms(None) > 0.02
    assert norms({"max_norm": 0.01}) == pytest.approx(0.01, rel=1e-3)


def test_mixed_precision_stays_close_to_full(toy):
    results = []
    for options in ({"precision": "fp32"}, {"precision": "auto", "enable_amp": True}):
        trainer, train, valid, _ = prepared({**toy, **options, "multi_cls": 5})
        trainer.fit(train, valid, saved=False)
        results.append(losses(trainer))
    assert results[0] != results[1]
    assert results[0] == pytest.approx(results[1], rel=0.02)


def test_tf32_is_for_the_backward_pass_too(toy):
    trainer, train, *_ = prepared(toy)
    trainer.model.precision = Precision("tf32", "cuda", "")  # a setting that a CPU knows, too
    seen, plain = [], trainer._loss_parts

    def watched(batch):
        parts = plain(batch)
        seen.append(rounds_to_tf32())
        parts["loss"].register_hook(lambda _: seen.append(rounds_to_tf32()))
        return parts

    trainer._loss_parts = watched
    trainer._step(next(train.batches()))
    assert seen == [True, True]
    assert not rounds_to_tf32()


def test_parts_of_the_loss_add_up(toy):
    options = {**toy, "multi_cls": 5, "multi_ratio": 0.3}
    trainer, train, valid, _ = prepared(options, "DCNV2")
    trainer.fit(train, valid, saved=False)
    for epoch in trainer.record.epochs:
        parts = epoch.loss_parts
        expected = 0.3 * parts["ce"] + 0.7 * (parts["bce"] + parts["penalty"])
        assert epoch.train_loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("model", MODEL_NAMES)
def test_sparse_adam_trains(toy, model):
    options = {**toy, "learner": "sparse_adam", "learning_rate": 0.01, "epochs": 10}
    trainer, train, valid, _ = prepared(options, model)
    trainer.fit(train, valid, saved=False)
    assert losses(trainer)[-1] < losses(trainer)[0]


@pytest.mark.parametrize("model", MODEL_NAMES)
def test_embeddings_in_bf16_learn_what_those_in_float32_learn(toy, model):
    options = {**toy, "learner": "sparse_adam", "learning_rate": 0.01}
    whole, train, valid, _ = prepared(options, model)
    half, *_ = prepared({**options, "embedding_precision": "bf16"}, model)
    half.model.load_state_dict(whole.model.state_dict())
    for trainer in (whole, half):  # rounding draws random numbers, too: other ones would be dropped
        for module in trainer.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        trainer.fit(train, valid, saved=False)
    table = half.model.field_embedding.token_embedding_table.weight
    assert table.dtype == torch.bfloat16
    assert losses(half)[-1] < losses(half)[0]
    assert losses(half)[-1] == pytest.approx(losses(whole)[-1], rel=0.01)


def test_divergence_is_recorded(toy):
    trainer, train, valid, _ = prepared({**toy, "learner": "sgd", "learning_rate": 1e30})
    with pytest.raises(TrainingDivergedError, match=r"epoch 0, step \d+"):
        trainer.fit(train, valid)
    assert json.loads(trainer.files.record.read_text())["status"] == "diverged"


def test_log_lines(toy, caplog):
    trainer, train, valid, _ = prepared({**toy, "epochs": 1, "loss_decimal_place": 2})
    with caplog.at_level("INFO", "recbole"):
        trainer.fit(train, valid, saved=False)
    training, validation = dict.fromkeys(caplog.messages)
    assert training.startswith("epoch 0 training [time: ")
    assert f"train loss: {losses(trainer)[0]:.2f}, bce: " in training
    assert validation.startswith("epoch 0 valid [time: ")
    assert "auc : " in validation


def test_tensorboard_scalars(toy):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer, train, valid, _ = prepared({**toy, "log_tensorboard": True})
    trainer.fit(train, valid)
    events = EventAccumulator(str(trainer.files.tensorboard))
    events.Reload()
    logged = [event.value for event in events.Scalars("Loss/Train")]
    assert logged == pytest.approx(losses(trainer))
    assert len(events.Scalars("Valid/auc")) == 3


def test_a_state_without_a_scaler_goes_on_with_one(toy):
    """As on CUDA, where enable_amp is fp16; on the CPU it was bf16, which is not scaled."""
    options = {**toy, "precision": "auto", "enable_amp": True, "enable_scaler": True}
    cut, *_ = prepared(options)
    captured = state.capture(cut)
    assert not cut.scaler.is_enabled()
    resumed, train, valid, _ = prepared(options)
    resumed.scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    state.restore(resumed, captured)
    assert resumed.scaler.get_scale() == 2
    assert resumed.fit(train, valid, saved=False)[0] > 0


BF16_TABLES = {"learner": "sparse_adam", "embedding_precision": "bf16", "epochs": 1}


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "bf16"},
        {"precision": "auto", "enable_amp": True},
        {"precision": "auto", "enable_amp": True, "enable_scaler": True},  # bf16 on a CPU
    ],
)
def test_tables_in_bf16_go_with_what_scales_nothing(toy, options):
    trainer, train, valid, _ = prepared({**toy, **BF16_TABLES, **options})
    assert trainer.fit(train, valid, saved=False)[0] > 0


def test_tables_in_bf16_do_not_go_with_a_loss_scaler(toy):
    with pytest.raises(ConfigError, match=r"'embedding_precision': the loss scaler of fp16"):
        prepared({**toy, **BF16_TABLES, "precision": "fp16"})


def test_a_resumed_run_keeps_the_precision_that_auto_chose(toy, monkeypatch):
    """The measurement may come out otherwise, on another machine at the latest."""
    options = {**toy, "precision": "auto", "save_step": 1}
    for name, reason in (("bf16", "auto: quick"), ("fp32", "auto: slow")):
        chosen = Precision(name, "cpu", reason)
        monkeypatch.setattr(abstract_recommender, "choose_precision", lambda *_, c=chosen: c)
        trainer, train, valid, _ = prepared(options)
        if name == "bf16":
            with pytest.raises(ZeroDivisionError):  # in the second epoch
                trainer.fit(train, valid, callback_fn=lambda epoch, _: 1 / (1 - epoch))
            path = trainer.saved_model_file
    trainer.resume_checkpoint(path)
    assert trainer.model.precision == Precision("bf16", "cpu", "as the run began")
    assert trainer.record.precision == "bf16 (auto: quick)"


def test_a_run_that_goes_on_on_another_device_says_so(toy, caplog):
    trainer, train, valid, _ = prepared(toy)
    trainer.fit(train, valid)
    payload = torch.load(trainer.saved_model_file, weights_only=False)
    payload["record"] |= {"device": "cuda:0 (a GPU)", "precision": "tf32 (auto: tensor cores)"}
    later, *_ = prepared(toy)
    later.record = RunRecord.from_dict(payload["record"])
    state.keep_precision(later)
    assert "The run began in tf32 on cuda:0 (a GPU) and goes on in fp32 on cpu" in caplog.text
    assert later.record.precision.startswith("fp32") and later.record.device.startswith("cpu")
