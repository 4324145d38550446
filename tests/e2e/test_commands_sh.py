"""commands.sh: every run that it would start is a valid one, and a part of it can be asked for."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from recbole.commands.command_line import main
from recbole.model.registry import MODEL_NAMES

ROOT = Path(__file__).parents[2]


def planned(*arguments):
    """The command lines that `bash commands.sh ...` would run."""
    environment = {**os.environ, "DRY_RUN": "1"}
    command = ["bash", str(ROOT / "commands.sh"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [shlex.split(line) for line in done.stdout.splitlines()]


def options(command):
    return dict(
        a.removeprefix("--").split("=", 1) for a in command if a.startswith("--") and "=" in a
    )


def test_the_whole_sweep():
    runs = planned()
    assert len(runs) == 3 * 7 * 5 * 6
    assert {options(run)["model"] for run in runs} == set(MODEL_NAMES)
    assert {options(run).get("multi_ratio") for run in runs} == {
        None,
        *["0.1", "0.3", "0.5", "0.7", "0.9"],
    }
    assert {options(run)["seed"] for run in runs} == {str(seed) for seed in range(2020, 2025)}
    assert len({tuple(run) for run in runs}) == len(runs)


def test_a_part_of_it():
    runs = planned("ml-1m", "DCNV2", "--epochs=1")
    assert len(runs) == 5 * 6
    for run in runs:
        assert options(run)["dataset"] == "ml-1m"
        assert options(run)["model"] == "DCNV2"
        assert options(run)["epochs"] == "1"


@pytest.mark.parametrize("dataset", ["ml-1m", "yelp2018", "amazon-books"])
def test_every_run_is_valid(dataset, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    for run in planned(dataset):
        if options(run)["seed"] == "2020":  # seeds differ in nothing else
            assert main([*run[2:], "--show_config"]) == 0, run
            assert "warning" not in capsys.readouterr().out
