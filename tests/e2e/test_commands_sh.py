"""commands.sh: every run that it would start is a valid one, and a part of it can be asked for."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from recbole.commands.command_line import main
from recbole.model.registry import MODEL_NAMES
from tests.conftest import write_movielens_like

ROOT = Path(__file__).parents[2]


def planned(*arguments):
    """The command lines that `bash commands.sh ...` would run."""
    environment = {**os.environ, "DRY_RUN": "1", "PYTHON": sys.executable}
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


def test_one_ratio_or_the_binary_model():
    assert {options(run)["multi_ratio"] for run in planned("ml-1m", "DCNV2", "0.7")} == {"0.7"}
    binary = planned("ml-1m", "DCNV2", "original")
    assert len(binary) == 5
    assert not any("multi_cls" in options(run) for run in binary)


def test_all_of_one_kind():
    runs = planned("all", "NFM", "0.1")
    assert len(runs) == 3 * 5
    assert {options(run)["dataset"] for run in runs} == {"ml-1m", "yelp2018", "amazon-books"}
    assert {options(run)["model"] for run in runs} == {"NFM"}


def test_a_ratio_that_the_paper_has_not():
    with pytest.raises(subprocess.CalledProcessError) as error:
        planned("ml-1m", "DCNV2", "0.2")
    assert error.value.returncode == 2
    assert "smooth-0.2" in error.value.stderr


def test_what_has_finished_is_not_run_again(tmp_path):
    write_movielens_like(tmp_path, "ml-1m", genre="genre")
    given = ["ml-1m", "WideDeep", "0.7", "--seed=1", "--epochs=1", "--measures"]
    given += [f"--data_path={tmp_path}", f"--results={tmp_path}/results"]
    for run_now in (1, 0):
        command = ["bash", str(ROOT / "commands.sh"), *given]
        environment = {**os.environ, "PYTHON": sys.executable}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert f"1 of 1 runs have ended, {run_now} of them now" in done.stdout


@pytest.mark.parametrize("dataset", ["ml-1m", "yelp2018", "amazon-books"])
def test_every_run_is_valid(dataset, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    for run in planned(dataset):
        if options(run)["seed"] == "2020":  # seeds differ in nothing else
            assert main([*run[2:], "--show_config"]) == 0, run
            assert "warning" not in capsys.readouterr().out
