"""Sweeps that are killed, stopped and joined: nothing is run twice, nothing is lost."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recbole.sweep.table import ResultsTable
from tests.conftest import TOY_OPTIONS, write_toy_dataset

ROOT = Path(__file__).parents[2]
SEEDS = 10
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working directory with data and a grid."""
    folder = tmp_path_factory.mktemp("sweep")
    write_toy_dataset(folder / "dataset")
    options = {**TOY_OPTIONS, "epochs": 12, "mlp_hidden_size": [16], "learning_rate": 0.01}
    grid = {
        "grid": {"model": ["WideDeep"], "dataset": ["toy"], "seed": list(range(SEEDS))},
        "variants": {"binary": {}, "graded": {"multi_cls": 5}},
        "options": options,
        "measures": [],
    }
    (folder / "grid.yaml").write_text(json.dumps(grid))
    return folder


def start(folder, results, *more):
    """A sweep in a session of its own, so that all its processes can be found."""
    command = [sys.executable, ROOT / "run_recbole.py", "sweep", "grid.yaml"]
    return subprocess.Popen(
        [*command, f"--results={results}", "--jobs=2", *more],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill_all(session):
    """SIGKILL for every process of a session, as at a power cut."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[3]) == session and fields[0] not in "ZX":
            os.kill(int(path.name), signal.SIGKILL)


def finished(folder, results):
    return len(list((folder / results / "rows").glob("*.json")))


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)


def log_of(folder, results, row):
    return folder / results / "runs" / row.removesuffix(".json") / "run.log"


def figures(folder, results):
    """What must not depend on how a sweep went: all but times and places."""
    changing = {"seconds", "pid", "started", "ended", "resumed", "checkpoint", "record"}
    changing |= {"seconds_per_epoch", "seconds_training", "seconds_per_evaluation", "config"}
    rows = ResultsTable(folder / results).rows()
    plain = [{k: v for k, v in vars(row).items() if k not in changing} for row in rows]
    return sorted(plain, key=lambda row: row["key"])


@pytest.fixture(scope="module")
def whole(folder):
    """The rows of a sweep that nobody disturbed."""
    sweep = start(folder, "whole")
    said, _ = sweep.communicate(timeout=300)
    assert sweep.returncode == 0, said
    rows = figures(folder, "whole")
    assert len(rows) == 2 * SEEDS and {row["status"] for row in rows} == {"finished"}
    return rows


def test_killed_twice_it_ends_with_the_same_table(folder, whole):
    draw = random.Random(os.urandom(8))
    kept, logs = {}, {}
    for number in range(2):
        sweep = start(folder, "killed")
        at_least = len(kept) + 1
        wait_for(lambda at_least=at_least: finished(folder, "killed") >= at_least)
        time.sleep(draw.uniform(0, 0.4))
        kill_all(sweep.pid)
        sweep.communicate()
        assert sweep.returncode == -signal.SIGKILL
        rows = {p.name: p.read_bytes() for p in (folder / "killed/rows").glob("*.json")}
        assert all(rows[name] == text for name, text in kept.items())
        kept = rows
        logs = {name: log_of(folder, "killed", name).read_bytes() for name in kept}
        assert len(kept) < 2 * SEEDS, f"kill {number} came too late to be of use"
    sweep = start(folder, "killed")
    said, _ = sweep.communicate(timeout=300)
    assert sweep.returncode == 0, said
    assert figures(folder, "killed") == whole
    for name, text in kept.items():  # what had finished was not run again
        assert (folder / "killed/rows" / name).read_bytes() == text
        assert log_of(folder, "killed", name).read_bytes() == logs[name]
    for log in (folder / "killed/runs").glob("*/run.log"):
        text = log.read_text()
        assert text.count("epoch 11 training") <= text.count("python run_recbole.py") <= 3


def test_two_sweeps_never_run_a_cell_twice(folder, whole):
    sweeps = [start(folder, "shared") for _ in range(2)]
    for sweep in sweeps:
        said, _ = sweep.communicate(timeout=300)
        assert sweep.returncode == 0, said
        assert f"{2 * SEEDS} of {2 * SEEDS} runs have ended" in said  # each waits for the other
    assert figures(folder, "shared") == whole
    logs = list((folder / "shared/runs").glob("*/run.log"))
    assert len(logs) == 2 * SEEDS
    for log in logs:
        assert log.read_text().count("python run_recbole.py") == 1
    claims = {path.name.partition(".")[2] for path in (folder / "shared/claims").iterdir()}
    assert claims == {"1"}


def test_stopped_politely_it_says_how_to_go_on(folder):
    results, number = "stopped", signal.SIGINT
    records = (folder / results / "runs").glob
    sweep = start(folder, results, "--epochs=100000", "--stopping_step=100000")
    wait_for(lambda: len(list(records("*/*.json"))) == 2)  # both are at their epochs
    sweep.send_signal(number)
    said, _ = sweep.communicate(timeout=120)
    assert sweep.returncode == 128 + number, said
    assert "The same command goes on where this one stopped." in said
    assert "Traceback" not in said
    table = ResultsTable(folder / results)
    assert table.claims.holders() == {}
    assert table.rows() == []
    assert all('"status": "interrupted"' in path.read_text() for path in records("*/*.json"))


def test_processes_end_with_the_one_that_started_them(folder):
    sweep = start(folder, "orphans", "--epochs=100000", "--stopping_step=100000")
    table = ResultsTable(folder / "orphans")
    wait_for(lambda: len(table.claims.holders()) == 2)
    sweep.kill()
    sweep.communicate(timeout=120)  # returns once nobody holds its output any more
    wait_for(lambda: table.claims.holders() == {})
    assert table.rows() == []
