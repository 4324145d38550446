"""Runs without rows to validate or to test on end well, and say so."""

import json
import math
from pathlib import Path

import pytest

from recbole.commands.command_line import main
from recbole.data import create_dataset
from recbole.errors import DataError
from recbole.quick_start import run_recbole
from recbole.quick_start.measurements import lipschitz, robustness
from recbole.quick_start.rank_eval import rank_eval
from recbole.sweep.measures import Trained, ranking

NO_VALID = {"eval_args": {"split": {"LS": "test_only"}, "order": "TO"}}
NO_TEST = {"eval_args": {"split": {"RS": [0.8, 0.2, 0]}}}
NEITHER = {"eval_args": {"split": {"RS": [1, 0, 0]}}}


def ran(toy, **options):
    """What a run returns, its record and what it said."""
    result = run_recbole("WideDeep", "toy", config_dict={**toy, "epochs": 2, **options})
    (path,) = Path("saved").glob("*.json")
    said = "".join(log.read_text() for log in Path("log").rglob("*.log"))
    return result, json.loads(path.read_text()), said


def test_without_validation_rows_the_last_weights_are_tested(toy):
    result, record, said = ran(toy, **NO_VALID, stopping_step=0)
    assert result["best_valid_score"] is result["best_valid_result"] is None
    assert result["test_result"]["auc"] == record["test_result"]["auc"] > 0
    assert (record["status"], record["best_epoch"], len(record["epochs"])) == ("finished", 1, 2)
    assert "No validation rows" in said
    assert "as with eval_step=0" in said


def test_without_test_rows_there_is_no_test_result(toy):
    result, record, said = ran(toy, **NO_TEST)
    assert result["test_result"] is record["test_result"] is None
    assert result["best_valid_score"] == record["best_valid_score"] > 0
    assert record["status"] == "finished"
    assert "No test rows" in said


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("parts", [NO_VALID, NO_TEST])
def test_several_seeds(toy, parts, together):
    options = {**toy, "epochs": 1, **parts, "seeds": [1, 2], "seeds_together": together}
    result = run_recbole("WideDeep", "toy", config_dict=options)
    if parts is NO_VALID:
        assert result["best_valid_score"] is result["best_valid_result"] is None
        assert math.isfinite(result["test_std"]["auc"])
    else:
        assert result["test_result"] is result["test_std"] is None
        assert result["best_valid_score"] > 0


@pytest.mark.parametrize("seeds", [[], ["--seeds=1,2"]])
def test_the_command_says_that_there_is_no_test_result(toy, capsys, seeds):
    options = [
        f"--{name}={value}" for name, value in toy.items() if name not in ("threshold", "load_col")
    ]
    options += ["--threshold={rating: 4}", "--eval_args={split: {RS: [0.8, 0.2, 0]}}", *seeds]
    assert main(["--model=WideDeep", "--dataset=toy", *options]) == 0
    assert capsys.readouterr().out == "no test result: there are no test rows\n"


def test_an_empty_training_part_is_refused_before_training(toy):
    options = {**toy, "eval_args": {"split": {"TS": [0.1, 0.8, 0.1]}, "order": "TO"}}
    inter = Path("dataset/toy/toy.inter")
    inter.write_text("".join(inter.read_text().splitlines(keepends=True)[:3]))
    with pytest.raises(DataError, match=r"train on, got none \(train 0, valid 1, test 1; eval"):
        run_recbole("WideDeep", "toy", config_dict=options)
    assert not Path("saved").exists()


@pytest.mark.parametrize(("parts", "left"), [(NO_VALID, "test"), (NO_TEST, "valid")])
def test_ranking_skips_an_empty_part(toy, parts, left, caplog):
    ran(toy, **parts)
    (path,) = Path("saved").glob("*.pth")
    for mode in ("uni5", "full"):
        assert [result.part for result in rank_eval([path], mode=mode)] == [left]
    found = ranking(Trained(path, {"config": {"use_gpu": False}}, create_dataset))
    assert found[left]["ndcg@10"] > 0
    assert set(found) == {left, "mode", "candidate_seed", "seconds"}


def test_nothing_to_rank_or_to_measure_is_an_error(toy):
    result, _, _ = ran(toy, **NEITHER)
    assert result["test_result"] is result["best_valid_result"] is None
    (path,) = Path("saved").glob("*.pth")
    with pytest.raises(DataError, match=r"to rank in valid or test, got none \(0 rows for valid"):
        rank_eval([path])
    for measure in (robustness, lipschitz):
        with pytest.raises(DataError, match="expected rows in the test part of its run, got none"):
            measure([path])


def test_results_are_there_before_candidates_are_written(toy):
    ran(toy)
    (path,) = Path("saved").glob("*.pth")
    with pytest.raises(OSError, match=r"/proc/x\.cand"):
        rank_eval([path], mode="uni5", candidates_file="/proc/x.cand", output="all.json")
    assert len(json.loads(Path("all.json").read_text())["results"]) == 2
    assert path.with_suffix(".rank.json").is_file()


def dislike(rows: slice) -> None:
    """Give the lowest rating in some rows of the toy data set, by their time."""
    path = Path("dataset/toy/toy.inter")
    header, *lines = path.read_text().splitlines()
    names = [column.split(":")[0] for column in header.split("\t")]
    cells = [line.split("\t") for line in lines]
    cells.sort(key=lambda row: float(row[names.index("timestamp")]))
    for row in cells[rows]:
        row[names.index("rating")] = "1"
    path.write_text("\n".join([header, *("\t".join(row) for row in cells)]) + "\n")


@pytest.mark.parametrize("mode", ["uni5", "full"])
@pytest.mark.parametrize("part", ["valid", "test"])
def test_a_part_without_a_positive_to_rank_is_refused_before_training(toy, part, mode):
    count = len(Path("dataset/toy/toy.inter").read_text().splitlines()) - 1
    modes = {"valid": "labeled", "test": "labeled", part: mode}
    start = int(count * {"valid": 0.75, "test": 0.85}[part])
    dislike(slice(start, count if part == "test" else int(count * 0.95)))
    options = {
        **toy,
        "eval_args": {"split": {"RS": [0.8, 0.1, 0.1]}, "order": "TO", "mode": modes},
        "metrics": ["AUC", "NDCG"],
        "load_col": {"inter": ["user_id", "item_id", "rating", "timestamp"]},
        "unload_col": None,
    }
    options["epochs"] = 10**6  # would be noticed
    with pytest.raises(DataError, match=f"expected a positive .* in the {part} part"):
        run_recbole("WideDeep", "toy", config_dict=options)
    assert not list(Path("saved").glob("*"))
