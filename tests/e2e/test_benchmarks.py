"""Benchmarks that start from nothing work, on a small scale."""

import subprocess
import sys
from pathlib import Path

import pytest

MEMORY = Path(__file__).parents[2] / "benchmarks" / "memory.py"


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
