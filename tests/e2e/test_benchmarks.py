"""Benchmarks that start from nothing, or MovieLens-100K, work on a small scale."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MEMORY, COMPARE = BENCHMARKS / "memory.py", BENCHMARKS / "compare.py"


@pytest.mark.parametrize(
    ("arguments", "titles"),
    [
        (["table", "--ids=500", "--embedding_size=4"], ["sparse updates", "sparse updates, bf16"]),
        (["rows", "--columns=1"], ["streamed, first time", "streamed, prepared", "in memory"]),
    ],
    ids=["table", "rows"],
)
def test_memory(tmp_path, arguments, titles):
    command = [sys.executable, MEMORY, *arguments, "--rows=3000", f"--folder={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == titles
    peaks = [float(row[5].replace(",", "")) for row in rows]
    assert all(100 < peak < 2000 for peak in peaks)  # MiB of a process that imported torch


def test_heads(movielens_100k, tmp_path):
    command = [sys.executable, COMPARE, "--parts", "heads", "--models", "NFM",
               "--dataset=ml-100k", f"--data_path={movielens_100k}", f"--json={tmp_path / 'json'}",
               "--steps=3", "--warm_up=30", "--repeats=2", "--patience=0",
               "--precision", "fp32"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2].startswith("| NFM | ")
    found = json.loads((tmp_path / "json").read_text())["heads, fp32"]["NFM"]
    assert set(found) == {"binary", "multi_cls=5"}
    for turns in found.values():
        assert [turn["rows"] for turn in turns] == [3 * 4096] * 2
        assert all(0 < turn["seconds"] < 100 for turn in turns)
