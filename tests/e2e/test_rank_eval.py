"""Ranking with saved models, from training to the table: the same candidates for the same split."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

from recbole.commands.command_line import main as run
from recbole.data import candidates as kept
from recbole.errors import ConfigError, DataError
from recbole.evaluator import Evaluator
from recbole.evaluator.full_ranking import FullRanker
from recbole.quick_start import load_data_and_model, run_recbole
from recbole.quick_start.rank_eval import rank_eval

ROOT = Path(__file__).parents[2]


def main(arguments):
    """recbole_rank_eval.py with these arguments."""
    return run(["rank_eval", *arguments])


def trained(toy, name, model="WideDeep", **options):
    """Train a model and keep it as <name>.pth; returns what the run gave."""
    folder = Path(f"run-{name}")
    result = run_recbole(
        model, "toy", config_dict={**toy, "epochs": 1, **options, "checkpoint_dir": str(folder)}
    )
    (path,) = folder.glob("*.pth")
    path.rename(f"{name}.pth")
    return result


@pytest.fixture
def two(toy):
    trained(toy, "a")
    trained(toy, "b", "DCNV2", multi_cls=5, mlp_hidden_size=[8], learning_rate=0.02)
    return toy


def test_the_program_prints_a_table_and_leaves_json(two) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "recbole_rank_eval.py"), "--checkpoint", "a.pth", "b.pth",
               "--mode=uni5", "--metrics=NDCG,Recall,AUC", "--topk=5,10", "--output=out/all.json",
               "--device=cpu"]  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "a.pth: data and split rebuilt from its own config (toy, seed 2020" in done.stderr
    assert done.stderr.count("rebuilt") == 1  # b.pth is of the same split
    lines = [line for line in done.stdout.splitlines() if ".pth" in line]
    assert [line.split()[1] for line in lines] == ["a.pth", "a.pth", "b.pth", "b.pth"]
    assert all("uni5 A" in line for line in lines)
    assert "multi_cls=5" in lines[2]
    results = json.loads(Path("out/all.json").read_text())["results"]
    for name, of_one in (("a", results[:2]), ("b", results[2:])):
        assert json.loads(Path(f"{name}.rank.json").read_text())["results"] == of_one
        assert [result["part"] for result in of_one] == ["valid", "test"]
    keys = ["ndcg@5", "ndcg@10", "recall@5", "recall@10", "auc"]
    assert [list(result["metrics"]) for result in results] == [keys] * 4
    for line, result in zip(lines, results, strict=True):
        assert all(f"{value:.4f}" in line for value in result["metrics"].values())
    assert results[0]["split"] == results[2]["split"] != results[1]["split"]


def test_equals_what_training_with_ranking_metrics_says(toy) -> None:
    """The run's own test result, and the same checkpoint ranked afterwards, in each mode."""
    for number, mode in enumerate(("uni5", "pop5", "full")):
        ranking = {"metrics": ["NDCG", "AUC"], "topk": [5], "valid_metric": "NDCG@5"}
        result = trained(toy, f"r{number}", **ranking, eval_args={"mode": mode}, epochs=3)
        valid, test = rank_eval([f"r{number}.pth"], ["NDCG", "AUC"], [5], mode)
        assert test.values == result["test_result"]
        assert valid.values == result["best_valid_result"]
        assert result["best_valid_score"] == valid.values["ndcg@5"]
        assert test.candidate_seed == (None if mode == "full" else 2020)


def test_candidates_do_not_depend_on_the_model_and_can_be_kept(two) -> None:
    alone = rank_eval(["b.pth"], mode="uni5")
    together = rank_eval(["a.pth", "b.pth"], mode="uni5", candidates_file="kept.pt")
    assert together[2:] == alone
    assert {result.ranked_on for result in together[::2]} == {together[0].ranked_on}
    assert set(kept.load("kept.pt")) == {"valid", "test"}
    before = Path("kept.pt").read_bytes()
    assert rank_eval(["b.pth"], mode="uni5", candidates_file="kept.pt") == alone
    assert Path("kept.pt").read_bytes() == before
    # Another seed draws others, on the same split; so the file's are really used.
    other = rank_eval(["b.pth"], mode="uni5", seed=7, candidates_file="seven.pt")
    assert [r.fingerprint for r in other] == [r.fingerprint for r in alone]
    assert [r.values for r in other] != [r.values for r in alone]
    again = rank_eval(["b.pth"], mode="uni5", candidates_file="seven.pt")
    assert again == other
    with pytest.raises(ConfigError, match="were drawn with seed 7, got 8"):
        rank_eval(["b.pth"], mode="uni5", seed=8, candidates_file="seven.pt")
    with pytest.raises(DataError, match="of mode uni5, expected uni6"):
        rank_eval(["b.pth"], mode="uni6", candidates_file="seven.pt")


def test_checkpoints_of_several_splits_have_candidates_of_their_own(
    toy, capsys, monkeypatch
) -> None:
    trained(toy, "a")
    trained(toy, "c", seed=3)
    assert main(["--checkpoint=a.pth", "--checkpoint=c.pth", "--mode=uni5", "--device=cpu"]) == 0
    out, err = capsys.readouterr()
    lines = [line for line in out.splitlines() if ".pth" in line]
    assert ["uni5 A" in line for line in lines] == [True, True, False, False]
    assert ["uni5 B" in line for line in lines] == [False, False, True, True]
    assert "not to be compared" in out
    assert err.count("rebuilt from its own config") == 2
    for path in ("a.pth", "c.pth"):
        (_, found) = rank_eval([path], mode="uni5")
        listed = json.loads(Path(path).with_suffix(".rank.json").read_text())["results"][1]
        assert listed["metrics"] == found.values
    draws, draw = [], kept.draw
    monkeypatch.setattr(kept, "draw", lambda *about: draws.append(about) or draw(*about))
    with pytest.raises(ConfigError, match="one file holds the candidates of one split"):
        rank_eval(["a.pth", "c.pth"], mode="uni5", candidates_file="kept.pt")
    assert len(draws) == 2, "those of c are not drawn, let alone ranked"
    assert not Path("kept.pt").exists()
    rank_eval(["a.pth"], mode="uni5", candidates_file="kept.pt")
    with pytest.raises(DataError, match="its seed or a filter is another"):
        rank_eval(["c.pth"], mode="uni5", candidates_file="kept.pt")


def test_the_options_of_a_run_do_not_get_in_the_way(toy) -> None:
    """Ranked as by default, whatever the run itself measured and however it batched."""
    trained(toy, "d", metrics=["LogLoss"], valid_metric="LogLoss", valid_metric_bigger=False)
    one = rank_eval(["d.pth"], mode="uni5")
    assert list(one[0].values) == ["ndcg@10", "ndcg@20", "recall@10", "recall@20"]
    assert rank_eval(["d.pth"], mode="uni5", eval_batch_size=3) == one


def test_each_checkpoint_is_batched_as_in_its_own_run(toy, monkeypatch) -> None:
    trained(toy, "a", eval_batch_size=17)
    trained(toy, "b", eval_batch_size=19)
    sizes, evaluate = [], Evaluator.evaluate_part
    monkeypatch.setattr(
        Evaluator,
        "evaluate_part",
        lambda self, model, loader: (
            sizes.append(loader.batch_size) or evaluate(self, model, loader)
        ),
    )
    rank_eval(["a.pth", "b.pth"], mode="uni5")
    assert sizes == [17, 17, 19, 19]


def test_training_on_implicit_data(toy) -> None:
    """Every observed pair a positive: negatives for training, candidates for evaluation."""
    options = {
        **toy, "threshold": None, "unused_col": {"inter": ["rating", "timestamp"]},
        "train_neg_sample_args": {"distribution": "uniform", "sample_num": 2},
        "eval_args": {"mode": "uni9"}, "valid_metric": "MRR@10", "learning_rate": 0.02,
    }  # fmt: skip
    result = trained(options, "i", epochs=12)
    assert list(result["test_result"]) == [
        f"{name}@10" for name in ("recall", "mrr", "ndcg", "hit", "precision")
    ]
    untrained = trained(options, "u", epochs=1, learning_rate=1e-9)
    assert result["best_valid_score"] > untrained["best_valid_score"]
    (_, test) = rank_eval(["i.pth"], ["MRR"], [10], "uni9")
    assert test.values["mrr@10"] == result["test_result"]["mrr@10"]
    _, _, _, train_data, valid_data, _ = load_data_and_model("i.pth")
    assert train_data.num_rows == 3 * len(train_data.dataset)
    assert bool((valid_data.columns["label"] == 1).all())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--checkpoint=none.pth"], "Checkpoint none.pth does not exist"),
        (["--checkpoint=a.pth", "--mode=labeled"], "expected uniN, popN or full"),
        (["--checkpoint=a.pth", "--mode=unix"], "expected labeled, full, uniN or popN"),
        (["--checkpoint=a.pth", "--metrics=NDGC"], "Did you mean 'NDCG'?"),
        (["--checkpoint=a.pth", "--topk=0"], "expected a value of at least 1, got 0"),
        (["--checkpoint=a.pth", "--seed=-1"], "invalid whole number from 0 value"),
        (["--checkpoint=a.pth", "--device=gpu"], "expected cpu, cuda or cuda:<number>"),
        (["--checkpoint=a.pth", "--mode=full", "--candidates=c.pt"], "draws no candidates"),
        (["--checkpoint=a.pth", "--eval_memory_mb=0"], "Option 'eval_memory_mb'"),
        (["--checkpoint=a.pth", "--eval_memory_mb=much"], "invalid float value: 'much'"),
        (["--checkpoint=a.pth", "--top=3"], "unknown argument '--top'"),
        (["--checkpoint=a.pth", "--metrics=RatingMAE"], "needs a model with a rating head"),
        (["--mode=full"], "--checkpoint"),
    ],
)
def test_bad_input_is_one_message_and_exit_2(toy, capsys, arguments, message) -> None:
    if any("a.pth" in argument for argument in arguments):
        trained(toy, "a")
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_changed_data_is_refused(toy, capsys) -> None:
    trained(toy, "a")
    with Path("dataset/toy/toy.inter").open("a") as file:
        file.write("u1\ti1\t5\t99999\n")
    assert main(["--checkpoint=a.pth"]) == 2
    assert "the data has changed since training: toy.inter" in capsys.readouterr().err
    assert not Path("a.rank.json").exists()


def test_several_paths_in_one_argument_and_full_ranking(two, capsys) -> None:
    arguments = ["--mode=full", "--metrics", "Recall", "ItemCoverage", "--topk", "3"]
    assert main(["--checkpoint=a.pth b.pth", *arguments]) == 0
    first = capsys.readouterr().out
    assert main(["--checkpoint=a.pth", "b.pth", *arguments]) == 0
    assert capsys.readouterr().out == first
    assert first.count("full A") == 4
    assert "itemcoverage@3" in first
    assert torch.load("a.pth", weights_only=True)["model"] == "WideDeep"


def test_full_ranking_in_little_memory_is_full_ranking(two, monkeypatch) -> None:
    budgets, whole = [], FullRanker.__init__
    monkeypatch.setattr(
        FullRanker, "__init__", lambda *given: budgets.append(given[-1]) or whole(*given)
    )
    usual = rank_eval(["a.pth"], mode="full")
    assert rank_eval(["a.pth"], mode="full", eval_memory_mb=0.001) == usual
    assert budgets == [512, 512, 0.001, 0.001]


def test_candidates_that_are_there_are_not_written(two, monkeypatch) -> None:
    module = import_module("recbole.quick_start.rank_eval")
    before = rank_eval(["a.pth"], mode="uni5", candidates_file="kept.pt")

    def only_what_is_new(path):
        assert path.name != "kept.pt"

    monkeypatch.setattr(module, "refuse_unwritable", only_what_is_new)
    assert rank_eval(["a.pth"], mode="uni5", candidates_file="kept.pt") == before
