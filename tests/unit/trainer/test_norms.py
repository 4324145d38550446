"""Tracked norms of embeddings equal norms computed by hand."""

from __future__ import annotations

import json
import math
import os
import signal

import pytest
import torch

from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.errors import ConfigError
from recbole.model.abstract_recommender import ContextRecommender
from recbole.trainer import Trainer
from recbole.trainer.interruption import TrainingInterrupted
from recbole.trainer.norms import _norm, summarise_norms
from recbole.trainer.record import finite
from recbole.utils import init_seed

NAMES = {
    "gradient_user", "gradient_item", "gradient_all",
    "weight_user", "weight_item", "weight_all", "row_weight_user", "row_weight_item",
}  # fmt: skip


def prepared(options, model="WideDeep"):
    config = Config(model, "toy", config_dict={"track_norms": True, "dropout_prob": 0.0, **options})
    init_seed(config["seed"], config["reproducibility"])
    loaders = data_preparation(config, create_dataset(config))
    return Trainer(config, config.model_class(config, loaders[0].dataset)), *loaders


def tables(model):
    """Rows of users, rows of items, all parameters: found by name, slowly."""
    embedding = model.field_embedding
    first, found = 0, {}
    for field in embedding.token_fields:
        found[field.name] = slice(first + 1, first + field.size)
        first += field.size
    table = embedding.token_embedding_table.weight
    return table, found["user_id"], found["item_id"], list(embedding.parameters())


def by_hand(numbers):
    return sum(float(x) ** 2 for x in numbers.flatten().tolist()) ** 0.5


@pytest.mark.parametrize(
    "options",
    [{}, {"learner": "sparse_adam"}, {"clip_grad_norm": {"max_norm": 1e-3}}, {"multi_cls": 5}],
    ids=str,
)
def test_gradients_and_weights(toy, options):
    trainer, train, valid, _ = prepared({**toy, **options, "epochs": 1, "train_batch_size": 256})
    twin, twin_train, *_ = prepared({**toy, **options, "epochs": 1, "train_batch_size": 256})
    trainer.fit(train, valid, saved=False)
    norms = trainer.record.epochs[0].norms
    assert set(norms) == NAMES

    sums = {"user": 0.0, "item": 0.0, "all": 0.0}
    twin.model.train()
    steps = list(twin_train.batches())
    clip = options.get("clip_grad_norm")
    for batch in steps:
        table, users, items, parameters = tables(twin.model)
        twin.optimizers.zero_grad()
        twin.model.calculate_loss(batch).backward()
        dense = {id(p): p.grad.to_dense() for p in parameters}
        sums["user"] += by_hand(dense[id(table)][users])
        sums["item"] += by_hand(dense[id(table)][items])
        sums["all"] += by_hand(torch.cat([g.flatten() for g in dense.values()]))
        if clip:
            torch.nn.utils.clip_grad_norm_(twin.model.parameters(), clip["max_norm"])
        twin.optimizers.step(twin.scaler)
    for name, total in sums.items():
        assert norms[f"gradient_{name}"] == pytest.approx(total / len(steps), rel=1e-4)

    table, users, items, parameters = tables(trainer.model)
    assert norms["weight_user"] == pytest.approx(by_hand(table[users]), rel=1e-5)
    assert norms["weight_item"] == pytest.approx(by_hand(table[items]), rel=1e-5)
    rows = [by_hand(row) for row in table[users]]
    assert norms["row_weight_user"] == pytest.approx(sum(rows) / len(rows), rel=1e-5)
    rows = [by_hand(row) for row in table[items]]
    assert norms["row_weight_item"] == pytest.approx(sum(rows) / len(rows), rel=1e-5)
    everything = torch.cat([p.flatten() for p in parameters])
    assert norms["weight_all"] == pytest.approx(by_hand(everything), rel=1e-5)


def test_gradients_of_a_scaled_loss(toy):
    trainer, train, *_ = prepared(toy)
    batch = next(train.batches())
    found = []
    for factor, scale in ((1, 1), (64, 64), (3, 1)):
        trainer.optimizers.zero_grad()
        (factor * trainer.model.calculate_loss(batch)).backward()
        trainer.norms.add_step(scale)
        found.append(trainer.norms.close_epoch())
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    # An epoch's mean is of its own steps only.
    assert found[2]["gradient_all"] == pytest.approx(3 * found[0]["gradient_all"], rel=1e-5)


FP16 = {"precision": "fp16", "train_batch_size": 8, "epochs": 1}


def test_steps_that_the_scaler_skips_do_not_count(toy):
    """The scale starts so high that some gradients are infinite; then it is halved."""
    trainer, train, valid, _ = prepared({**toy, **FP16}, "DCNV2")
    noted = trainer.norms._steps
    trainer.fit(train, valid)
    taken = [step for step in noted.steps if all(map(math.isfinite, step))]
    assert 0 < len(taken) < len(train)
    record = json.loads(trainer.files.record.read_text())
    sums = dict(zip(noted.names, map(math.fsum, zip(*taken, strict=True)), strict=True))
    for name, norm in summarise_norms(record).items():
        assert norm == pytest.approx(sums[name] / len(taken)) if name in sums else norm > 0


def test_the_scale_is_not_read_from_the_device(toy, monkeypatch):
    trainer, train, *_ = prepared({**toy, **FP16})
    monkeypatch.setattr(trainer.scaler, "get_scale", lambda: pytest.fail("waits for the device"))
    trainer._step(next(train.batches()))


def test_an_epoch_without_a_step(toy):
    """Its gradients have no mean; those of other epochs do."""
    trainer, train, *_ = prepared(toy)
    batch, found = next(train.batches()), []
    for factor in (math.inf, 1.0):
        trainer.optimizers.zero_grad()
        (factor * trainer.model.calculate_loss(batch)).backward()
        trainer.norms.add_step()
        found.append(trainer.norms.close_epoch())
    assert math.isnan(found[0]["gradient_all"]) and found[0]["weight_all"] > 0
    record = finite({"epochs": [{"norms": norms} for norms in found], "best_epoch": 1})
    assert summarise_norms(record) == pytest.approx(found[1])


def test_tracking_changes_nothing(toy):
    results = []
    for track in (False, True):
        trainer, train, valid, _ = prepared({**toy, "track_norms": track})
        results.append((trainer.fit(train, valid, saved=False), trainer.record.epochs))
    assert results[0][0] == results[1][0]
    for plain, tracked in zip(results[0][1], results[1][1], strict=True):
        assert plain.train_loss == tracked.train_loss
        assert plain.norms is None


def test_record_and_tensorboard(toy):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer, train, valid, _ = prepared({**toy, "log_tensorboard": True})
    trainer.fit(train, valid)
    record = json.loads(trainer.files.record.read_text())
    logged = EventAccumulator(str(trainer.files.tensorboard))
    logged.Reload()
    for name in NAMES:
        values = [epoch["norms"][name] for epoch in record["epochs"]]
        assert len(set(values)) == 3
        assert [e.value for e in logged.Scalars(f"Norm/{name}")] == pytest.approx(values)


def test_summary():
    epochs = [
        {"norms": {"gradient_user": g, "weight_user": w}} for g, w in ((1, 5), (3, 6), (8, 7))
    ]
    record = {"epochs": epochs, "best_epoch": 1}
    assert summarise_norms(record) == {"gradient_user": 4, "weight_user": 6}
    with pytest.raises(ConfigError, match="track_norms: True"):
        summarise_norms({"epochs": [{"norms": None}, {}], "best_epoch": 0})


def test_an_interrupted_epoch_goes_on(toy, monkeypatch):
    options = {**toy, "train_batch_size": 64, "epochs": 2}
    whole, train, valid, _ = prepared(options)
    whole.fit(train, valid)

    cut, train, valid, _ = prepared(options)
    step, count = cut._step, iter(range(10**6))

    def interrupted_step(batch):
        parts = step(batch)
        if next(count) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return parts

    monkeypatch.setattr(cut, "_step", interrupted_step)
    with pytest.raises(TrainingInterrupted):
        cut.fit(train, valid)
    resumed, train, valid, _ = prepared(options)
    resumed.resume_checkpoint(cut.files.checkpoint)
    resumed.fit(train, valid)
    assert [e.norms for e in resumed.record.epochs] == [e.norms for e in whole.record.epochs]


class Blind(ContextRecommender):
    """Learns nothing from its fields."""

    def logits(self, batch):
        return self.first_order_linear(batch)


def test_a_model_without_embeddings(toy):
    config = Config(Blind, "toy", config_dict={**toy, "track_norms": True})
    train, valid, _ = data_preparation(config, create_dataset(config))
    trainer = Trainer(config, Blind(config, train.dataset))
    with pytest.raises(ConfigError, match="'track_norms': Blind has no gradient"):
        trainer.fit(train, valid, saved=False)


def test_what_is_stored_in_bf16_has_its_norm_in_float32():
    torch.manual_seed(0)
    table = torch.randn(300, 7).bfloat16()
    for stored in (table, table.to_sparse(1)):
        norm = _norm(stored)
        assert norm.dtype == torch.float32
        assert float(norm) == pytest.approx(float(table.double().norm()), rel=1e-6)
