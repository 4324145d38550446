"""Measurements of checkpoints: what they say, what they leave on disk, what they refuse."""

from __future__ import annotations

import json
import math
import re
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from recbole.commands.command_line import main
from recbole.errors import ConfigError, DataError
from recbole.evaluator import collect
from recbole.evaluator.lipschitz import steepness
from recbole.evaluator.robustness import noise_curve
from recbole.evaluator.value_metrics import auc, log_loss
from recbole.quick_start import load_data_and_model, predict
from recbole.quick_start.compare import compare
from recbole.quick_start.measurements import PAPER_NOISE, lipschitz, robustness
from recbole.quick_start.rank_eval import rank_eval
from tests.unit.quick_start.shop import WITHOUT_CONTEXT, train, write_shop

rank_eval_module = import_module("recbole.quick_start.rank_eval")

HEADS = {
    "binary": {},
    "softmax": {"multi_cls": 5, "shuffle_levels": True},
    "label": {"multi_cls": 2},
    "ordinal": {"multi_cls": 5, "multi_head": "ordinal", "label_smoothing": 0.1},
    "regression": {"multi_cls": 5, "multi_head": "regression"},
}
CLASSES = {"binary": 0, "softmax": 5, "label": 2, "ordinal": 5, "regression": 5}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A checkpoint of each head, trained on the shop; the working directory is theirs."""
    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder / "dataset")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield {
            head: train(folder, head, "WideDeep", precision="fp32", **WITHOUT_CONTEXT, **options)
            for head, options in HEADS.items()
        }


@pytest.fixture(scope="module")
def curves(saved):
    paths = list(saved.values())
    return dict(zip(saved, robustness(paths, noise=[0.3, 0.0], repeats=2), strict=True))


@pytest.fixture(scope="module")
def norms(saved):
    return dict(zip(saved, lipschitz(list(saved.values()), batch_size=7), strict=True))


@pytest.mark.parametrize("head", HEADS)
def test_robustness_starts_at_what_the_model_is(saved, curves, head):
    _, model, *_, test = load_data_and_model(saved[head])
    plain = collect(model, test)
    still, shaken = curves[head]["curve"]
    assert still["sigma"] == 0
    assert still["auc"] == auc(plain.click, plain.label)
    assert still["logloss"] == log_loss(plain.click, plain.label)
    assert shaken["sigma"] == 0.3
    assert shaken["logloss"] != still["logloss"]  # a small part may be ranked the same
    assert curves[head]["rows"] == len(plain)


def test_robustness_leaves_its_results(saved, curves):
    for head, path in saved.items():
        left = json.loads(path.with_suffix(".robustness.json").read_text())
        assert left["results"] == [curves[head]]
        assert set(left) == {"results", "device", "versions"}
        assert curves[head]["checkpoint"] == str(path)
        assert curves[head]["multi_cls"] == HEADS[head].get("multi_cls")


def test_default_noise_is_the_papers(saved):
    (result,) = robustness([saved["binary"]], repeats=1)
    assert [point["sigma"] for point in result["curve"]] == [0.0, *PAPER_NOISE["ml-1m"]]
    assert PAPER_NOISE["yelp2018"] == (0.006, 0.008, 0.01, 0.012, 0.014)


@pytest.mark.parametrize("head", HEADS)
def test_lipschitz_sums_up_every_row(saved, norms, head):
    _, model, *_, test = load_data_and_model(saved[head])
    rows = steepness(model, test.gather(torch.arange(test.num_rows)))
    found = norms[head]
    click = np.sort(rows.click.double().numpy())
    assert found["rows"] == len(click)
    assert found["click"]["mean"] == pytest.approx(click.mean(), rel=1e-5)
    assert found["click"]["max"] == pytest.approx(click[-1], rel=1e-5)
    assert found["click"]["median"] == pytest.approx(
        np.quantile(click, 0.5, method="inverted_cdf"), rel=1e-5
    )
    assert found["click"]["p99"] == pytest.approx(
        np.quantile(click, 0.99, method="inverted_cdf"), rel=1e-5
    )
    assert found["logits"]["max"] == pytest.approx(rows.logits.max().item(), rel=1e-5)
    distance = (2 * rows.click_probability - 1).abs().double().mean().item()
    assert found["confidence"] == pytest.approx(distance, rel=1e-5)
    if head in ("ordinal", "regression"):
        assert (found["classes"], found["softmax"], found["theorem"]) == (None, None, None)
        return
    N = max(CLASSES[head], 2)
    assert found["theorem"]["num_classes"] == N
    assert found["theorem"]["bound"] == pytest.approx(1 / math.sqrt(N))
    assert found["theorem"]["equal_probabilities"] == pytest.approx(math.sqrt(N - 1) / N)
    above = (rows.softmax > 1 / math.sqrt(N)).double().mean().item()
    assert found["theorem"]["share_above_bound"] == pytest.approx(above)
    assert found["softmax"]["mean"] == pytest.approx(rows.softmax.mean().item(), rel=1e-5)


def test_lipschitz_of_some_rows(saved, norms, tmp_path):
    output = tmp_path / "all.json"
    some = lipschitz([saved["binary"], saved["softmax"]], rows=20, output=output)
    assert [result["rows"] for result in some] == [20, 20]
    assert some[0]["click"]["max"] <= norms["binary"]["click"]["max"]
    assert lipschitz([saved["binary"]], rows=20)[0]["click"] == some[0]["click"]
    assert json.loads(output.read_text())["results"] == some
    valid = lipschitz([saved["binary"]], part="valid")[0]
    assert valid["part"] == "valid"
    assert valid["click"]["mean"] != pytest.approx(norms["binary"]["click"]["mean"], rel=1e-4)


@pytest.mark.parametrize("head", HEADS)
def test_every_head_is_of_use(saved, head):
    """A checkpoint of each head predicts, ranks and compares."""
    scores = predict(saved[head], {"user_id": [1, 2, 3], "item_id": [4, 5, 6]})
    expected = [f"probability_{level}" for level in range(1, 6)]
    if head == "label":
        expected = ["probability_0", "probability_1"]
    extra = [*expected, "expected_rating"] if CLASSES[head] else []
    assert list(scores.columns) == ["user_id", "item_id", "click_probability", *extra]
    if extra:
        p = np.array([scores[name].to_numpy() for name in expected])
        np.testing.assert_allclose(p.sum(axis=0), 1, atol=1e-6)
        levels = np.arange(2) if head == "label" else np.arange(1, 6)
        np.testing.assert_allclose(levels @ p, scores["expected_rating"].to_numpy(), atol=1e-5)
    ranked = rank_eval([saved[head]], metrics=["NDCG"], topk=[5], mode="uni5")
    assert 0 < ranked[1].values["ndcg@5"] < 1
    comparison = compare([saved["binary"], saved[head]], user="3", topk=3)
    words = comparison.lists[1].head
    assert words.endswith(head if head in ("ordinal", "regression") else words)
    assert len(comparison.lists[1].levels) == CLASSES[head]


@pytest.mark.parametrize("head", HEADS)
def test_every_head_that_grades_is_measured_by_its_ratings(saved, head):
    result = json.loads(saved[head].with_suffix(".json").read_text())["test_result"]
    assert ("ratingaccuracy" in result) == (CLASSES[head] > 0)


def test_commands_print_a_table(saved, capsys):
    paths = [str(saved["binary"]), str(saved["ordinal"])]
    assert main(["robustness", "--checkpoint", *paths, "--noise", "0.5", "--repeats=2"]) == 0
    printed = capsys.readouterr().out
    assert "multi_cls=5 ordinal" in printed
    assert printed.count("│ WideDeep │") == 4
    assert main(["lipschitz", f"--checkpoint={paths[0]}", f"--checkpoint={paths[1]}"]) == 0
    printed = capsys.readouterr().out
    assert "0.7071" in printed
    assert printed.count("│ WideDeep │") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["robustness", "--checkpoint=A", "--noise", "-1"], "expected standard deviations from 0"),
        (["robustness", "--checkpoint=A", "--noise", "nan"], "expected standard deviations from 0"),
        (["robustness", "--checkpoint=A", "--noise", "x"], "invalid float value: 'x'"),
        (["robustness", "--checkpoint=A", "--repeats=0"], "expected a whole number from 1"),
        (["robustness", "--checkpoint=A", "--part=tets"], "expected valid or test.*mean 'test'"),
        (["robustness", "--checkpoint=gone.pth"], "gone.pth does not exist"),
        (["robustness", "--chekpoint=A"], "required: --checkpoint"),
        (["lipschitz", "--checkpoint=A", "--rows=0"], "expected a whole number from 1"),
        (["lipschitz", "--checkpoint=A", "--row=3"], "unknown argument '--row'.*--rows"),
    ],
)
def test_mistakes_are_named(saved, capsys, arguments, message):
    given = [word.replace("=A", f"={saved['binary']}") for word in arguments]
    assert main(given) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert re.search(message, said, re.DOTALL), said


def test_nothing_to_measure(saved):
    with pytest.raises(ConfigError, match="'checkpoint': expected at least one file"):
        lipschitz([])
    with pytest.raises(ConfigError, match="'noise': expected standard deviations from 0, got none"):
        robustness([saved["binary"]], noise=[])
    with pytest.raises(ConfigError, match="'rows': expected a whole number from 1, got -3"):
        lipschitz([saved["binary"]], rows=-3)


def test_a_penalty_that_is_not_there(saved):
    with pytest.raises(ConfigError, match="'penalty_weight': WideDeep has no penalty"):
        train(Path.cwd(), "none", "WideDeep", penalty_weight=0.3)


def test_one_of_each_needs_no_list(saved):
    path = str(saved["binary"])
    ranked = rank_eval(path, metrics="NDCG", topk=5, mode="uni5")
    assert [list(result.values) for result in ranked] == [["ndcg@5"]] * 2
    (result,) = robustness(path, noise=0.1, repeats=1)
    assert [point["sigma"] for point in result["curve"]] == [0, 0.1]
    assert len(lipschitz(path, rows=3)) == 1


def test_arguments_of_another_kind_are_named(saved):
    with pytest.raises(ConfigError, match="'noise': expected standard deviations from 0, got 'a'"):
        robustness(saved["binary"], noise=["a"])
    with pytest.raises(ConfigError, match="'batch_size': expected a whole number from 1, got 0"):
        lipschitz(saved["binary"], batch_size=0)


@pytest.mark.parametrize("command", ["robustness", "lipschitz", "rank_eval"])
@pytest.mark.parametrize(
    ("output", "message"),
    [("a_folder", "expected the name of a file"), ("a_file/x.json", "a_file is not a folder")],
)
def test_an_output_that_cannot_be_written_is_noticed_before_the_work(
    saved, tmp_path, capsys, command, output, message
):
    (tmp_path / "a_folder").mkdir()
    (tmp_path / "a_file").write_text("")
    path = shutil.copy(saved["binary"], tmp_path)
    assert main([command, f"--checkpoint={path}", f"--output={tmp_path / output}"]) == 2
    assert message in capsys.readouterr().err
    assert [found.name for found in tmp_path.glob("*.json")] == []
    measure = {"robustness": robustness, "lipschitz": lipschitz, "rank_eval": rank_eval}[command]
    with pytest.raises(DataError, match=message):
        measure(path, output=tmp_path / output)


def test_the_table_is_printed_before_the_file_is_written(saved, capsys, monkeypatch):
    written = rank_eval_module.write_results

    def fails(path, results):
        if str(path) == "out.json":
            raise OSError(28, "No space left on device", path)
        written(path, results)

    monkeypatch.setattr(rank_eval_module, "write_results", fails)
    assert main(["rank_eval", f"--checkpoint={saved['binary']}", "--output=out.json"]) == 2
    said = capsys.readouterr()
    assert "ndcg@10" in said.out
    assert said.err.endswith("No space left on device: out.json\n")


@pytest.mark.parametrize("command", ["robustness", "lipschitz", "rank_eval"])
@pytest.mark.parametrize(("suffix", "role"), [(".pth", "checkpoint"), (".json", "record of a run")])
def test_an_output_takes_the_place_of_nothing_that_is_needed(
    saved, tmp_path, capsys, command, suffix, role
):
    path = Path(shutil.copy(saved["binary"], tmp_path))
    shutil.copy(saved["binary"].with_suffix(".json"), tmp_path)
    output = path.with_suffix(suffix)
    before = output.read_bytes()
    assert main([command, f"--checkpoint={path}", f"--output={output}"]) == 2
    assert f"expected an output other than the {role}" in capsys.readouterr().err
    measure = {"robustness": robustness, "lipschitz": lipschitz, "rank_eval": rank_eval}[command]
    with pytest.raises(DataError, match=f"other than the {role}"):
        measure(path, output=output)
    assert output.read_bytes() == before


def test_each_checkpoint_is_measured_on_its_own_levels(saved):
    """With another number of classes, other ratings are clicks."""
    bins = {"rating_bins": {"method": "quantile"}, "threshold": {"rating": "level 2"}}
    paths = [
        train(Path.cwd(), f"graded-{k}", "WideDeep", multi_cls=k, **WITHOUT_CONTEXT, **bins)
        for k in (2, 4)
    ]
    recorded = [json.loads(path.with_suffix(".json").read_text()) for path in paths]
    for order in ([0, 1], [1, 0]):
        found = robustness([paths[i] for i in order], noise=[0])
        for result, i in zip(found, order, strict=True):
            assert result["curve"][0]["auc"] == pytest.approx(
                recorded[i]["test_result"]["auc"], abs=1e-4
            )
    ranked = rank_eval(paths, mode="uni5")
    assert len({result.fingerprint for result in ranked if result.part == "test"}) == 2


def test_rows_of_one_class_have_no_auc(saved):
    _, model, _, _, _, test = load_data_and_model(saved["binary"])
    test.dataset.inter_feat[test.dataset.label_field][:] = 1
    still, shaken = noise_curve(model, test, [0.0, 0.3], repeats=3)
    assert math.isnan(still["auc"])
    assert math.isnan(shaken["auc_std"])
    assert shaken["logloss_std"] > 0
