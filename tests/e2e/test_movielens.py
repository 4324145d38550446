"""The main job on the real MovieLens-100K: a few epochs with a rating head beat a coin by far."""

import json
from pathlib import Path

from recbole.commands.command_line import main

ROOT = Path(__file__).parents[2]


def test_dcnv2_with_a_rating_head(movielens_100k, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["--model=DCNV2", "--dataset=ml-100k", "--multi_cls=5", "--multi_ratio=0.7"]
    settings = ["--config_files", str(ROOT / "configs/ml-100k/DCNV2.yaml")]
    where = [f"--data_path={movielens_100k}", "--epochs=5", "--use_gpu=False"]
    assert main([*arguments, *where, *settings]) == 0
    (path,) = Path("saved").glob("DCNV2-*.json")
    record = json.loads(path.read_text())
    assert record["data"]["parts"] == {"train": 78363, "valid": 9795, "test": 9795}
    losses = [epoch["train_loss"] for epoch in record["epochs"]]
    assert losses == sorted(losses, reverse=True)
    assert record["test_result"]["auc"] > 0.74
    assert f"test auc: {record['test_result']['auc']}" in capsys.readouterr().out
