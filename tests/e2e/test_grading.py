"""Listening counts to a finished multi-class run, and its checkpoint at work, by commands alone."""

import csv
import json
import subprocess
import sys

import numpy as np
import torch

from recbole.data import Schema
from tests.conftest import PROJECT


def run(folder, *arguments):
    return subprocess.run(
        [sys.executable, str(PROJECT / "run_recbole.py"), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
    )


def test_counts_train_a_rating_head(tmp_path):
    random = np.random.default_rng(0)
    folder = tmp_path / "dataset" / "radio"
    folder.mkdir(parents=True)
    rows = [
        f"u{u}\ta{a}\t{int(np.exp(random.normal(3 + u % 3, 1))) + 1}"
        for u in range(30) for a in range(40) if random.random() < 0.5
    ]  # fmt: skip
    titles = "user_id:token\tartist_id:token\tplays:float"
    (folder / "radio.inter").write_text("\n".join([titles, *rows]) + "\n")
    options = ["-m", "WideDeep", "-d", "radio", "--ITEM_ID_FIELD=artist_id", "--use_gpu=False",
               "--epochs=2", "--rating_bins=quantile", "--rating_field=plays"]  # fmt: skip

    refused = run(tmp_path, *options, "--multi_cls=5")
    assert refused.returncode == 2 and "threshold, such as {plays: level 5}" in refused.stderr

    done = run(tmp_path, *options, "--multi_cls=5", "--threshold={plays: level 4}")
    assert done.returncode == 0, done.stderr
    assert "plays: 5 levels (quantile of the training part): 1 below" in done.stdout + done.stderr
    (record,) = (tmp_path / "saved").glob("*.json")
    kept = json.loads(record.read_text())
    assert len(kept["data"]["grading"]["edges"]) == 4
    assert "ratingaccuracy" in kept["test_result"]
    checkpoint = record.with_suffix(".pth")
    schema = Schema.from_dict(torch.load(checkpoint, weights_only=True)["schema"])
    assert list(schema.target.grading.edges) == kept["data"]["grading"]["edges"]

    (tmp_path / "rows.csv").write_text("user_id,artist_id\nu1,a2\nu2,a3\n")
    scored = run(tmp_path, "predict", f"--checkpoint={checkpoint}", "--input=rows.csv",
                 "--output=scores.csv")  # fmt: skip
    assert scored.returncode == 0, scored.stderr
    with (tmp_path / "scores.csv").open() as file:
        for row in csv.DictReader(file):
            levels = [float(row[f"probability_{level}"]) for level in range(1, 6)]
            expected = sum(level * p for level, p in enumerate(levels, start=1))
            assert abs(float(row["expected_rating"]) - expected) < 1e-4
            assert abs(float(row["click_probability"]) - sum(levels[3:])) < 1e-4
