"""A checkpoint is plain, whole, and enough by itself."""

import os
import shutil
import signal
import zipfile
from pathlib import Path

import pytest
import torch

from recbole.data import Interaction
from recbole.errors import CheckpointError
from recbole.quick_start import load_data_and_model, run_recbole
from recbole.trainer import Trainer, checkpoint
from recbole.trainer.interruption import TrainingInterrupted
from tests.unit.trainer.test_trainer import prepared


@pytest.fixture(params=[{}, {"multi_cls": 5}, {"numerical_features": ["height"]}])
def saved(toy, request):
    run_recbole("DCNV2", "toy", config_dict={**toy, "mlp_hidden_size": [8], **request.param})
    (path,) = Path("saved").glob("*.pth")
    return path


def test_it_scores_rows_without_the_data(saved):
    _, model, dataset, _, _, test = load_data_and_model(saved)
    expected = torch.cat([model.predict(batch) for batch in test.batches()])
    tokens = {
        name: list(dataset.id2token(name, test.columns[name].long()))
        for name in (dataset.uid_field, dataset.iid_field)
    }
    shutil.rmtree("dataset")

    alone = checkpoint.load(saved)
    batch = Interaction(alone.encoder.transform(alone.encoder.table(tokens)))
    batch.update(alone.user_features[batch["user_id"]])
    batch.update(alone.item_features[batch["item_id"]])
    with torch.no_grad():
        found = alone.build_model().predict(batch)
    assert torch.allclose(found, expected, atol=1e-6)


def test_it_is_tensors_and_plain_data(saved):
    payload = torch.load(saved, weights_only=True)
    plain = (torch.Tensor, str, int, float, bool, type(None))

    def check(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                assert type(key) in (str, int)
                check(inner)
        elif isinstance(value, list | tuple):
            for inner in value:
                check(inner)
        else:
            assert type(value) in plain, type(value)

    check(payload)


def test_loaded_model_predicts_what_the_record_says(saved):
    config, model, _, _, _, test = load_data_and_model(saved)
    from recbole.evaluator import Evaluator, collect

    result = Evaluator(config.evaluation, model.head.num_logits > 1).evaluate(collect(model, test))
    assert result == checkpoint_record(saved)["test_result"]


def checkpoint_record(path):
    import json

    return json.loads(path.with_suffix(".json").read_text())


def payload_of(**more):
    """The least that a checkpoint holds."""
    return {"format": 1, **dict.fromkeys(checkpoint._KEYS), **more}


def test_a_failed_write_leaves_the_old_file(toy, tmp_path):
    path = tmp_path / "model.pth"
    checkpoint.write(path, payload_of(state_dict={"x": torch.ones(3)}))

    class Unsaveable:
        def __reduce__(self):
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        checkpoint.write(path, payload_of(state_dict={"x": Unsaveable()}))
    assert torch.equal(checkpoint.read(path)["state_dict"]["x"], torch.ones(3))
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["model.pth"]


def test_unusable_files(tmp_path):
    good = tmp_path / "good.pth"
    checkpoint.write(good, {"format": 1})
    with pytest.raises(CheckpointError, match=r" is a folder; .* holds good\.pth$"):
        checkpoint.read(tmp_path)
    with pytest.raises(CheckpointError, match=r"no\.pth does not exist; .* holds good\.pth"):
        checkpoint.read(tmp_path / "no.pth")
    cut = tmp_path / "cut.pth"
    cut.write_bytes(good.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match=r"cut\.pth is damaged or of another program"):
        checkpoint.read(cut)
    torch.save({"state_dict": {}}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="expected format 1 of this project, got None"):
        checkpoint.read(tmp_path / "other.pth")
    text = tmp_path / "text.pth"
    text.write_text("hello")
    with pytest.raises(CheckpointError, match="damaged or of another program"):
        checkpoint.read(text)


def test_the_state_of_training_is_written_as_often_as_asked(toy, monkeypatch):
    """It is three times as large as the weights."""
    written = []
    monkeypatch.setattr(
        checkpoint, "write", lambda path, payload: written.append(payload["resume"] is not None)
    )
    monkeypatch.setattr(checkpoint, "read", lambda path: {"state_dict": {}})
    improving = {**toy, "epochs": 5, "eval_step": 0}
    for step, expected in (
        (1, [True] * 5),
        (2, [False, True, False, True, False]),
        (0, [False] * 5),
    ):
        written.clear()
        trainer, train, valid, _ = prepared({**improving, "save_step": step})
        trainer.fit(train, valid)
        assert written == [*expected, False]  # the last one when training has ended


@pytest.mark.parametrize(
    ("more", "states"),
    [
        ({"save_step": 2, "eval_step": 1}, {1, 3, 5}),
        ({"save_step": 1, "eval_step": 4}, {0, 1, 2, 3, 4, 5}),
    ],
)
def test_the_state_is_saved_when_it_is_due_whatever_validation_said(toy, monkeypatch, more, states):
    """After the second epoch nothing improves, or there is no validation."""
    saved, plain = {}, checkpoint.write

    def write(path, payload):
        if payload["resume"] is not None:
            saved[payload["resume"]["epoch"] - 1] = payload["best_epoch"]
        plain(path, payload)

    monkeypatch.setattr(checkpoint, "write", write)
    scores = iter([0.6, 0.7, *[0.5] * 9])
    trainer, train, valid, _ = prepared({**toy, "epochs": 6, "stopping_step": 9, **more})
    monkeypatch.setattr(trainer, "evaluate", lambda *a, **k: {"auc": next(scores)})
    trainer.fit(train, valid)
    assert set(saved) == states
    if more["eval_step"] == 1:
        assert saved == dict.fromkeys(states, 1)


def test_a_resumed_run_that_is_cut_short_is_not_taken_for_finished(toy, monkeypatch):
    options = {**toy, "epochs": 9, "save_step": 0}
    trainer, train, valid, _ = prepared(options)
    with monkeypatch.context() as patch, pytest.raises(TrainingInterrupted):
        plain, count = Trainer._step, iter(range(99))

        def step(self, batch):
            if next(count) == 8:
                os.kill(os.getpid(), signal.SIGINT)
            return plain(self, batch)

        patch.setattr(Trainer, "_step", step)
        trainer.fit(train, valid)
    resumed, *_ = prepared(options)
    resumed.resume_checkpoint(trainer.saved_model_file)
    assert resumed.record.status == "running"
    improves = iter([1.0])
    monkeypatch.setattr(resumed, "evaluate", lambda *a, **k: {"auc": next(improves)})
    with pytest.raises(StopIteration):  # as if killed after its first epoch, which is the best
        resumed.fit(train, valid)
    other, *_ = prepared(options)
    with pytest.raises(CheckpointError, match="not the state to go on from"):
        other.resume_checkpoint(trainer.saved_model_file)


def test_weights_without_state_are_no_place_to_go_on_from(toy, monkeypatch):
    options = {**toy, "epochs": 3, "save_step": 0}
    trainer, train, valid, _ = prepared(options)
    monkeypatch.setattr(trainer, "_finish", lambda train_data: None)  # as if cut off before it
    trainer.fit(train, valid)
    other, *_ = prepared(options)
    with pytest.raises(CheckpointError, match=r"not the state to go on from.*save_step=0"):
        other.resume_checkpoint(trainer.saved_model_file)
    assert other.evaluate(valid, model_file=trainer.saved_model_file)  # which weights suffice for


def test_a_flipped_bit_is_noticed(saved):
    checkpoint.load(saved)
    with zipfile.ZipFile(saved) as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size)
        start = largest.header_offset + 30 + len(largest.filename) + 200  # in the padded content
    content = bytearray(saved.read_bytes())
    content[start] ^= 1
    saved.write_bytes(content)
    torch.load(saved, weights_only=True)  # which does not mind
    with pytest.raises(CheckpointError, match=r"is damaged or.*: the checksum of .* is wrong"):
        checkpoint.load(saved)


def altered(path, **changes):
    """Write a checkpoint anew with other entries; None leaves one out."""
    payload = {**torch.load(path, weights_only=True), **changes}
    checkpoint.write(path, {k: v for k, v in payload.items() if k not in changes or v is not None})


def test_what_is_not_there_is_named(saved):
    altered(saved, encoder=None)
    with pytest.raises(CheckpointError, match=r"is incomplete: expected model.*; encoder is not"):
        checkpoint.load(saved)
    altered(saved, encoder={"user_id": {}})
    with pytest.raises(CheckpointError, match=r"another form than expected \(KeyError: .*version"):
        checkpoint.load(saved)


def test_weights_of_another_model_are_refused(toy, saved):
    weights = torch.load(saved, weights_only=True)["state_dict"]
    name, *others = weights
    fit = r"the weights do not fit class DCNV2: was it changed since training\? "
    altered(saved, state_dict={name: weights[name][:1], **{n: weights[n] for n in others}})
    with pytest.raises(CheckpointError, match=fit + f"size mismatch for {name}"):
        checkpoint.load(saved).build_model()
    altered(saved, state_dict={n: weights[n] for n in others})
    with pytest.raises(CheckpointError, match=fit + f'Missing key.*"{name}"'):
        checkpoint.load(saved).build_model()


def test_a_class_that_was_changed_is_refused_wherever_weights_are_read(toy, monkeypatch):
    options = {**toy, "epochs": 2, "eval_step": 0}
    trainer, train, valid, _ = prepared(options)
    monkeypatch.setattr(trainer, "_finish", lambda train_data: None)  # as if cut off before it
    trainer.fit(train, valid)
    other, *_ = prepared(options)
    other.model.added = torch.nn.Linear(1, 1)
    path = trainer.saved_model_file
    for use in (
        lambda: other.evaluate(valid, model_file=path),
        lambda: other.resume_checkpoint(path),
    ):
        with pytest.raises(CheckpointError, match=r'WideDeep: was it changed.*Missing.*"added'):
            use()


def test_a_record_of_another_version_is_refused(toy):
    trainer, train, valid, _ = prepared({**toy, "epochs": 1})
    trainer.fit(train, valid)
    path = trainer.saved_model_file
    record = torch.load(path, weights_only=True)["record"]
    altered(path, record={**record, "moon": 3})
    with pytest.raises(CheckpointError, match=r"another form than expected .*moon"):
        trainer.resume_checkpoint(path)
