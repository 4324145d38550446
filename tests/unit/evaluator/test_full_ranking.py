"""Full ranking equals a brute-force matrix, whatever chunks a memory budget makes of it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole.config import Config
from recbole.data import Interaction, create_dataset
from recbole.data.sampling import SeenItems
from recbole.errors import ConfigError, TrainingDivergedError
from recbole.evaluator.full_ranking import FullRanker
from recbole.evaluator.order import descending_keys, scores_of
from tests.unit.evaluator.ranked_data import Lookup, rated, table

BUDGETS = [512, 1, 0.05, 0.005, 1e-6]


@pytest.fixture
def trained(toy):
    """A model with random weights and the data it reads: users, items, sequences."""

    def make(model, **options):
        config = Config(model, "toy", config_dict={**toy, "embedding_size": 8, **options})
        torch.manual_seed(0)
        dataset = create_dataset(config)
        return config.model_class(config, dataset).eval(), dataset

    return make


def ranker(model, dataset, memory_mb=512):
    return FullRanker(model, dataset.schema, dataset.user_feat, dataset.item_feat, "cpu", memory_mb)


def seen_in(dataset):
    columns = (dataset.inter_feat[name] for name in ("user_id", "item_id"))
    return SeenItems(*columns, dataset.user_num, dataset.item_num)


def brute_force(model, dataset, users):
    """[U, I + 1] one user at a time, item 0 left out."""
    items = torch.arange(1, dataset.item_num)
    rows = []
    for user in users.tolist():
        ids = {"user_id": torch.full_like(items, user), "item_id": items}
        with torch.no_grad():
            rows.append(model.predict(dataset.join(Interaction(ids))))
    scores = torch.stack(rows)
    return torch.cat([torch.full((len(users), 1), -torch.inf), scores], dim=1)


@pytest.mark.parametrize(
    ("model", "options"),
    [("WideDeep", {}), ("DCNV2", {"multi_cls": 5}), ("xDeepFM", {}), ("FiGNN", {"multi_cls": 5})],
)
def test_equals_brute_force_in_chunks_of_any_size(trained, model, options) -> None:
    network, dataset = trained(model, **options)
    users = torch.tensor([5, 1, 40, 17, 2, 2, 33])
    expected = brute_force(network, dataset, users)
    seen = seen_in(dataset)
    masked = expected.clone()
    masked[seen.of(users)] = -torch.inf
    best = masked.sort(dim=1, descending=True, stable=True)
    lists = []
    for budget in BUDGETS:
        full = ranker(network, dataset, budget)
        torch.testing.assert_close(full.scores(users), expected, rtol=0, atol=1e-6)
        top = full.top_k(users, 12, seen)
        lists.append(top.items)
        torch.testing.assert_close(top.scores, best.values[:, :12], rtol=0, atol=1e-6)
    assert all(torch.equal(items, lists[0]) for items in lists)
    assert torch.equal(lists[0], best.indices[:, :12])
    assert lists[0].dtype == torch.int64


@pytest.mark.parametrize("levels", [None, 3, 1])
def test_ties_go_by_id_and_lists_end_where_items_do(tmp_path, levels) -> None:
    part = rated(tmp_path)[2]
    scores = table(part, levels)
    users, seen = torch.arange(1, part.user_num), seen_in(part)
    for budget in BUDGETS:
        top = ranker(Lookup(part, scores), part, budget).top_k(users, 40, seen)
        assert top.items.shape == top.scores.shape == (len(users), 40)
        for place, user in enumerate(users.tolist()):
            left = [
                i for i in range(1, part.item_num)
                if not seen.contains(torch.tensor(user), torch.tensor(i))
            ]  # fmt: skip
            expected = sorted(left, key=lambda i, user=user: (-float(scores[user, i]), i))
            count = len(expected)
            assert top.items[place].tolist() == expected + [0] * (40 - count)
            assert top.scores[place, :count].tolist() == [float(scores[user, i]) for i in expected]
            assert (top.scores[place, count:] == -torch.inf).all()


def test_without_anything_excluded_and_without_users(tmp_path) -> None:
    part = rated(tmp_path)[2]
    full = ranker(Lookup(part, table(part, None)), part)
    top = full.top_k(torch.tensor([3]), 200)
    assert sorted(top.items[0].tolist()) == [0] * (201 - part.item_num) + list(
        range(1, part.item_num)
    )
    empty = full.top_k(torch.empty(0, dtype=torch.int64), 5)
    assert empty.items.shape == empty.scores.shape == (0, 5)
    assert full.scores(torch.empty(0, dtype=torch.int64)).shape == (0, part.item_num)


def test_chunks_stay_within_the_budget(tmp_path) -> None:
    part = rated(tmp_path)[2]
    users, passes = torch.arange(1, part.user_num), []

    class Watched(Lookup):
        def predict(self, batch):
            passes.append(len(batch))
            return super().predict(batch)

    for budget in BUDGETS:
        passes.clear()
        full = ranker(Watched(part, table(part, None)), part, budget)
        sizes = [scores.numel() for _, scores in full.chunks(users)]
        real = passes[1:]  # the first one probes
        assert len(set(real)) == 1
        assert max(sizes) * 32 <= budget * 2**19 or max(sizes) == part.item_num
        assert real[0] * full._bytes_per_row() <= budget * 2**19 or real[0] == 1
    assert len(sizes) == len(users)  # the least budget: one user at a time


def test_the_mode_of_the_model_is_left_as_it_was(trained) -> None:
    network, dataset = trained("DCNV2", dropout_prob=0.5)
    users = torch.arange(1, 9)
    expected = ranker(network, dataset).scores(users)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    assert torch.equal(ranker(network, dataset).scores(users), expected)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not expected.requires_grad


def test_without_feature_files(tmp_path) -> None:
    from tests.unit.data.data_files import INTER, prepared

    dataset = prepared(tmp_path, {"inter": INTER}, threshold={"rating": 4})
    assert dataset.user_feat is dataset.item_feat is None
    scores = torch.rand(dataset.user_num, dataset.item_num)
    found = ranker(Lookup(dataset, scores), dataset).scores(torch.tensor([2, 1]))
    assert torch.equal(found[:, 1:], scores[[2, 1], 1:])


def test_refuses_fields_of_the_interaction(tmp_path) -> None:
    part = rated(tmp_path, unused_col=None)[2]
    with pytest.raises(ConfigError, match="the model also reads place of the interaction"):
        ranker(Lookup(part, table(part, None)), part)


def test_refuses_scores_that_are_not_finite(tmp_path) -> None:
    part = rated(tmp_path)[2]
    scores = table(part, None)
    scores[3, 4] = torch.nan
    full = ranker(Lookup(part, scores), part)
    assert len(full.top_k(torch.tensor([1, 2]), 3).items) == 2
    with pytest.raises(TrainingDivergedError, match="NaN or infinity in 1 of"):
        full.top_k(torch.tensor([2, 3]), 3)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=20))
def test_keys_sort_like_scores_then_ties(values) -> None:
    scores = torch.tensor(values)
    ties = torch.arange(len(values), 0, -1)
    keys = descending_keys(scores, ties)
    expected = sorted(range(len(values)), key=lambda i: (-values[i], i))
    assert keys.argsort(descending=True).tolist() == expected
    assert torch.equal(scores_of(keys), scores + 0.0)
