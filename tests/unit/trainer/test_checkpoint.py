"""A checkpoint is plain, whole, and enough by itself."""

import shutil
from pathlib import Path

import pytest
import torch

from recbole.data import Interaction
from recbole.errors import CheckpointError
from recbole.quick_start import load_data_and_model, run_recbole
from recbole.trainer import checkpoint
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


def test_a_failed_write_leaves_the_old_file(toy, tmp_path):
    path = tmp_path / "model.pth"
    checkpoint.write(path, {"format": 1, "x": torch.ones(3)})

    class Unsaveable:
        def __reduce__(self):
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        checkpoint.write(path, {"format": 1, "x": Unsaveable()})
    assert torch.equal(checkpoint.read(path)["x"], torch.ones(3))
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


def test_weights_without_state_are_no_place_to_go_on_from(toy, monkeypatch):
    options = {**toy, "epochs": 3, "save_step": 0}
    trainer, train, valid, _ = prepared(options)
    monkeypatch.setattr(trainer, "_finish", lambda train_data: None)  # as if cut off before it
    trainer.fit(train, valid)
    other, *_ = prepared(options)
    with pytest.raises(CheckpointError, match=r"not the state to go on from.*save_step=0"):
        other.resume_checkpoint(trainer.saved_model_file)
    assert other.evaluate(valid, model_file=trainer.saved_model_file)  # which weights suffice for
