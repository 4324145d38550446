"""Ranking evaluation equals plain loops over users, in all modes, beside value metrics."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import pytest
import torch

from recbole.data.candidates import draw
from recbole.errors import ConfigError, DataError, TrainingDivergedError
from recbole.evaluator import METRICS, EvaluationOptions, Evaluator, EvaluatorType, collect
from recbole.evaluator.list_metrics import RankedLists, gini_index, tail_percentage
from tests.unit.evaluator.ranked_data import (
    Lookup,
    full_candidates,
    loader,
    rated,
    slow_lists,
    slow_metrics,
    table,
)

RANKING = [m.name for m in METRICS.values() if m.kind is EvaluatorType.RANKING]
KS = [1, 2, 5, 20, 60]  # 60 are more than there are items


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return rated(tmp_path_factory.mktemp("rated"))


def evaluator(mode, metrics=(*RANKING, "GAUC"), k=tuple(KS), valid=None, **options):
    options = EvaluationOptions(
        metrics=metrics and list(metrics), topk=list(k), metric_decimal_place=15,
        valid_metric=valid or f"NDCG@{k[0]}", **options,
    )  # fmt: skip
    modes = mode if isinstance(mode, dict) else {"valid": mode, "test": mode}
    return Evaluator(options, rating_head=False, modes=modes, seed=5)


def candidate_lists(candidates):
    ends = candidates.starts.tolist()
    return {
        user: candidates.items[start:end].tolist()
        for user, start, end in zip(candidates.users.tolist(), ends, ends[1:], strict=False)
    }


@pytest.mark.parametrize("levels", [None, 4, 1])
@pytest.mark.parametrize("mode", ["full", "uni2", "uni40", "pop3"])
def test_every_metric_equals_a_loop(parts, mode, levels) -> None:
    for part in parts[1:]:
        scores = table(part, levels)
        found = evaluator(mode).evaluate_part(Lookup(part, scores), loader(part))
        candidates = (
            full_candidates(part) if mode == "full" else candidate_lists(draw(part, mode, 5))
        )
        lists = slow_lists(candidates, scores)
        assert len(lists) < len(part.inter_feat["user_id"].unique())  # some like nothing
        for k in KS:
            expected = slow_metrics(part, lists, scores, k)
            assert found.pop("gauc", expected["gauc"]) == pytest.approx(expected["gauc"], abs=1e-12)
            for name in RANKING:
                value = found.pop(f"{name.lower()}@{k}")
                assert value == pytest.approx(expected[name.lower()], abs=1e-12), (name, k)
        assert not found


@pytest.mark.parametrize("tail_ratio", [0.001, 0.5, 1.0, 5.0])
def test_the_long_tail(parts, tail_ratio) -> None:
    part = parts[2]
    scores = table(part, None)
    found = evaluator("full", ["TailPercentage"], [3], "TailPercentage@3", tail_ratio=tail_ratio)
    lists = slow_lists(full_candidates(part), scores)
    expected = slow_metrics(part, lists, scores, 3, tail_ratio)["tailpercentage"]
    values = found.evaluate_part(Lookup(part, scores), loader(part))
    assert values == {"tailpercentage@3": pytest.approx(expected, abs=1e-12)}


def test_hand_made_lists_of_popular_and_rare_items() -> None:
    lists = RankedLists(
        items=torch.tensor([[1, 2], [1, 3], [1, 0]]), hits=torch.zeros(3, 2, dtype=torch.bool),
        positives=torch.ones(3), popularity=torch.tensor([0, 9, 2, 1, 0]), tail_ratio=0.4,
    )  # fmt: skip
    assert tail_percentage(lists).tolist() == pytest.approx([0, (0 + 0.5 + 0) / 3])  # item 3 only
    assert tail_percentage(replace(lists, tail_ratio=2)).tolist() == pytest.approx([0, 1 / 3])
    # Counts 0 0 0 0 3: Σ (2i - 6) P / (5 · 3) = 4 · 3 / 15.
    assert gini_index(lists)[0] == pytest.approx(0.8)


def test_a_perfect_and_a_useless_model(parts) -> None:
    part = parts[2]
    truth = torch.zeros(part.user_num, part.item_num)
    rows = part.inter_feat
    truth[rows["user_id"].long(), rows["item_id"].long()] = rows["rating"] / 5
    for mode in ("full", "uni20"):
        perfect = evaluator(mode).evaluate_part(Lookup(part, truth), loader(part))
        for name in ("ndcg", "gradedndcg", "map", "mrr", "hit"):
            assert perfect[f"{name}@5"] == 1.0
        assert perfect["gauc"] == perfect["recall@60"] == 1.0
        useless = evaluator(mode).evaluate_part(Lookup(part, 1 - truth), loader(part))
        assert useless["gauc"] == 0.0
        assert useless["hit@1"] < 0.1


def test_ties_are_broken_by_chance_not_in_favour_of_positives(parts) -> None:
    """A model that says the same of every item hits as often as chance does."""
    part = parts[2]
    model = Lookup(part, torch.full((part.user_num, part.item_num), 0.5))
    hits, expected = 0.0, 0.0
    for seed in range(40):
        options = EvaluationOptions(metrics=["Precision"], topk=[1], valid_metric="Precision@1")
        modes = {"valid": "uni4", "test": "uni4"}
        found = Evaluator(options, False, modes, seed).evaluate_part(model, loader(part))
        candidates = draw(part, "uni4", seed)
        hits += found["precision@1"] / 40
        expected += float((candidates.positives / candidates.starts.diff()).mean()) / 40
    assert hits == pytest.approx(expected, abs=0.05)


def test_value_and_ranking_metrics_in_one_run(parts) -> None:
    part, batches = parts[2], loader(parts[2])
    model = Lookup(part, table(part, None))
    both = evaluator("uni9", ["AUC", "NDCG", "LogLoss", "Recall"], [3, 1], "AUC")
    found = both.evaluate_part(model, batches)
    assert list(found) == ["auc", "ndcg@3", "ndcg@1", "logloss", "recall@3", "recall@1"]
    values = Evaluator(EvaluationOptions(metrics=["AUC", "LogLoss"]), False)
    expected = values.evaluate(collect(model, batches))
    assert {k: round(found[k], 4) for k in ("auc", "logloss")} == expected
    alone = evaluator("uni9", ["NDCG"], [3, 1]).evaluate_part(model, batches)
    assert alone == {key: found[key] for key in ("ndcg@3", "ndcg@1")}
    labelled = evaluator("labeled", ["GAUC"], valid="GAUC").evaluate_part(model, batches)
    ranked = evaluator("uni9", ["GAUC"], valid="GAUC").evaluate_part(model, batches)
    assert labelled["gauc"] != ranked["gauc"]


def test_the_defaults_of_a_ranking_mode(parts) -> None:
    model = Lookup(parts[1], table(parts[1], None))
    found = evaluator("uni9", None, [10], "MRR@10").evaluate_part(model, loader(parts[1]))
    assert list(found) == [
        "auc", "logloss", "gauc", "mae", "rmse", "ece", "copc", "recall@10", "mrr@10", "ndcg@10",
        "hit@10", "precision@10",
    ]  # fmt: skip


def test_parts_of_different_modes(parts) -> None:
    mixed = evaluator({"valid": "labeled", "test": "uni5"}, ["AUC", "NDCG"], [10], "AUC")
    model = Lookup(parts[1], table(parts[1], None))
    assert list(mixed.evaluate_part(model, loader(parts[1]))) == ["auc"]
    assert list(mixed.evaluate_part(model, loader(parts[2]))) == ["auc", "ndcg@10"]
    # A training part, or one's own rows, has no candidates.
    assert list(mixed.evaluate_part(model, loader(parts[0]))) == ["auc"]


def test_candidates_are_drawn_once_and_may_be_given(parts, monkeypatch) -> None:
    part, batches = parts[2], loader(parts[2])
    model = Lookup(part, table(part, None))
    one = evaluator("uni9", ["NDCG"], [5])
    first = one.evaluate_part(model, batches)
    candidates = one.candidates(batches)
    assert candidates.seed == 5
    other = Evaluator(one.options, False, {"valid": "uni9", "test": "uni9"}, seed=6)
    assert other.evaluate_part(model, batches) != first
    other.use(batches, candidates)
    monkeypatch.setattr("recbole.evaluator.ranking.draw", None)
    assert other.evaluate_part(model, batches) == one.evaluate_part(model, batches) == first
    with pytest.raises(DataError, match="of mode uni9, expected uni8"):
        evaluator("uni8").use(batches, candidates)
    with pytest.raises(DataError, match="other rows"):
        other.use(batches, replace(candidates, fingerprint="1"))
    assert evaluator("full").candidates(batches) is None
    assert evaluator("labeled", ["AUC"], valid="AUC").candidates(batches) is None


@pytest.mark.parametrize("most", [1, 9, 60])
def test_chunks_of_the_sort_change_nothing(parts, most, monkeypatch) -> None:
    part = parts[2]
    model = Lookup(part, table(part, 4))
    whole = evaluator("uni9").evaluate_part(model, loader(part))
    monkeypatch.setattr("recbole.evaluator.ranking._SORTED_AT_ONCE", most)
    chunked = evaluator("uni9")
    assert chunked.evaluate_part(model, loader(part)) == whole
    candidates = chunked.candidates(loader(part))
    sizes = chunked._rankings["test"]._chunks
    ends = set(candidates.starts.tolist())
    assert sum(sizes) == len(candidates)
    assert {sum(sizes[: n + 1]) for n in range(len(sizes))} <= ends
    assert all(size <= max(most, int(candidates.starts.diff().max())) for size in sizes)
    assert all(one + other > most for one, other in pairwise(sizes))


def test_batches_change_nothing(parts) -> None:
    part = parts[2]
    model = Lookup(part, table(part, 4)).train()
    found = [
        evaluator("uni9").evaluate_part(model, loader(part, size)) for size in (1, 7, 1000)
    ]  # fmt: skip
    assert found[0] == found[1] == found[2]
    assert model.training


def test_fields_of_the_interaction_come_with_the_positive(tmp_path) -> None:
    part = rated(tmp_path, unused_col=None)[2]
    batches = loader(part)
    ranking = evaluator("uni9")._ranking(batches, "uni9")

    class Spy(Lookup):
        seen: ClassVar[list] = []

        def predict(self, batch):
            columns = (batch[name].tolist() for name in ("user_id", "item_id", "place", "year"))
            self.seen += zip(*columns, strict=True)
            return super().predict(batch)

    ranking.lists(Spy(part, table(part, None)), 5)
    candidates = ranking.candidates
    assert len(Spy.seen) == len(candidates)
    places = part.inter_feat["place"]
    for (user, item, place, year), row, own in zip(
        Spy.seen, candidates.rows.tolist(), candidates.items.tolist(), strict=True
    ):
        assert item == own
        assert place == int(places[row])
        assert user == int(part.inter_feat["user_id"][row])
        assert year == int(part.item_feat["year"][item])


@pytest.mark.parametrize("mode", ["full", "uni9"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_refuses_scores_that_are_not_finite(parts, mode, bad) -> None:
    scores = table(parts[2], None)
    scores[:, 3] = bad
    with pytest.raises(TrainingDivergedError, match="Expected finite scores"):
        evaluator(mode).evaluate_part(Lookup(parts[2], scores), loader(parts[2]))


def test_refuses_what_it_cannot_rank(parts, tmp_path) -> None:
    with pytest.raises(ConfigError, match="'metrics': NDCG ranks candidate items"):
        evaluator("labeled", ["AUC", "NDCG"], valid="AUC")
    with pytest.raises(ConfigError, match="'valid_metric': NDCG ranks candidate items"):
        evaluator({"valid": "labeled", "test": "full"}, ["NDCG"])
    with pytest.raises(ConfigError, match="expected MRR among the metrics, got AUC"):
        evaluator("labeled", None, valid="AUC")
        Evaluator(
            EvaluationOptions(metrics=["AUC"], valid_metric="AUC").model_copy(
                update={"valid_metric": "MRR@1"}
            ), False, {"valid": "uni5", "test": "uni5"},
        )  # fmt: skip
    with pytest.raises(ConfigError, match=r"reads place of the interaction.*mode: uni100"):
        part = rated(tmp_path, unused_col=None)[2]
        evaluator("full").evaluate_part(Lookup(part, table(part, None)), loader(part))


def test_graded_ndcg_needs_ratings(tmp_path) -> None:
    part = rated(tmp_path)[2]
    target = replace(part.schema.target, rating_field=None)
    part.schema = replace(part.schema, target=target)
    with pytest.raises(ConfigError, match="GradedNDCG needs ratings"):
        evaluator("uni9").evaluate_part(Lookup(part, table(part, None)), loader(part))
    with pytest.raises(ValueError, match="expected the gains"):
        METRICS["gradedndcg"].compute(
            RankedLists(torch.ones(1, 1), torch.ones(1, 1) > 0, torch.ones(1), torch.ones(2))
        )


def test_data_without_labels_has_no_value_metric_to_go_by() -> None:
    modes = {"valid": "uni5", "test": "uni5"}
    with pytest.raises(ConfigError, match="every row is a positive; choose a ranking metric"):
        Evaluator(EvaluationOptions(), False, modes, has_labels=False)
    with pytest.raises(ConfigError, match="MRR ranks candidate items"):
        Evaluator(EvaluationOptions(valid_metric="MRR@10"), False, has_labels=False)
    good = Evaluator(EvaluationOptions(valid_metric="MRR@10"), False, modes, has_labels=False)
    assert [metric.name for metric in good._metrics] == [
        "Recall",
        "MRR",
        "NDCG",
        "Hit",
        "Precision",
    ]


def test_a_mode_without_use_is_warned_of(caplog) -> None:
    with caplog.at_level(logging.WARNING, logger="recbole"):
        evaluator("uni9", ["AUC"], valid="AUC")
    assert "mode uni9 has no effect" in caplog.text
