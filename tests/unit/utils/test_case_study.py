"""Scores and lists of the case study equal those computed item by item, history left out."""

import numpy as np
import pytest
import torch

from recbole.config import Config
from recbole.data import Interaction, Schema, create_dataset, data_preparation
from recbole.errors import ConfigError, DataError
from recbole.utils import init_seed
from recbole.utils.case_study import full_sort_scores, full_sort_topk

MODELS = {"binary": {}, "rating": {"multi_cls": 5}}


@pytest.fixture(params=MODELS)
def prepared(toy, request):
    config = Config("WideDeep", "toy", config_dict=toy | MODELS[request.param])
    dataset = create_dataset(config)
    loaders = data_preparation(config, dataset)
    init_seed(1, True)
    model = config.model_class(config, dataset)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval(), dataset, *loaders


def pairs(loader):
    rows = loader.dataset.inter_feat
    return set(zip(rows["user_id"].tolist(), rows["item_id"].tolist(), strict=True))


@torch.no_grad()
def one_by_one(model, dataset, users, seen):
    """The scores pair by pair, in Python."""
    expected = np.full((len(users), dataset.item_num), -np.inf, np.float32)
    for row, user in enumerate(users):
        for item in range(1, dataset.item_num):
            if (user, item) not in seen:
                batch = dataset.join(Interaction({"user_id": [user], "item_id": [item]}))
                expected[row, item] = model.predict(batch).item()
    return expected


def test_scores_of_test_data_leave_out_training_and_validation(prepared):
    model, dataset, train, valid, test = prepared
    seen = (pairs(train) | pairs(valid)) - pairs(test)
    users = [3, 17, 3, 40]
    scores = full_sort_scores(np.array(users), model, test)
    np.testing.assert_allclose(scores, one_by_one(model, dataset, users, seen), atol=1e-6)
    assert torch.isneginf(scores).sum() == len(users) + sum(u == v for u in users for v, _ in seen)


def test_scores_of_validation_data_leave_out_training_only(prepared):
    model, dataset, train, valid, _ = prepared
    seen = pairs(train) - pairs(valid)
    scores = full_sort_scores([5], model, valid)
    np.testing.assert_allclose(scores, one_by_one(model, dataset, [5], seen), atol=1e-6)
    (only_padding,) = full_sort_scores([5], model, train)
    assert torch.isneginf(only_padding).nonzero().tolist() == [[0]]


def test_items_of_the_part_itself_stay_even_where_they_were_seen_before(prepared):
    model, _, train, valid, test = prepared
    user, item = min((pairs(train) | pairs(valid)) - pairs(test))
    assert torch.isneginf(full_sort_scores([user], model, test)[0, item])
    again = Interaction(
        {
            name: torch.cat([column, torch.tensor([new], dtype=column.dtype)])
            for name, column in test.dataset.inter_feat.interaction.items()
            for new in [{"user_id": user, "item_id": item}.get(name, 0)]
        }
    )
    test.dataset = test.dataset.copy(again)
    assert torch.isfinite(full_sort_scores([user], model, test)[0, item])


def test_lists_are_the_best_scores_in_order(prepared):
    model, dataset, *_, test = prepared
    users = list(range(1, dataset.user_num))
    scores = full_sort_scores(users, model, test)
    top_scores, top_items = full_sort_topk(torch.tensor(users), model, test, 7)
    expected = [sorted(range(len(s)), key=lambda i, s=s: (-s[i], i))[:7] for s in scores.tolist()]
    assert top_items.tolist() == expected
    assert torch.equal(top_scores, scores.gather(1, top_items))


def test_a_list_longer_than_the_candidates_is_filled_up(prepared):
    model, dataset, *_, test = prepared
    scores, items = full_sort_topk([9], model, test, dataset.item_num + 5)
    left = int(torch.isfinite(full_sort_scores([9], model, test)).sum())
    assert scores.shape == items.shape == (1, dataset.item_num + 5)
    assert items[0, left:].eq(0).all() and torch.isneginf(scores[0, left:]).all()
    assert sorted(set(items[0, :left].tolist())) == sorted(items[0, :left].tolist())


def test_the_model_keeps_its_mode(prepared):
    model, *_, test = prepared
    model.train()
    full_sort_topk([1], model, test, 3)
    assert model.training


def test_what_is_no_user_id_is_refused(prepared):
    model, dataset, *_, test = prepared
    for wrong in ([0], [dataset.user_num], [-1]):
        with pytest.raises(DataError, match="from 1 to 40"):
            full_sort_scores(wrong, model, test)
    with pytest.raises(DataError, match="token2id"):
        full_sort_scores(["u3"], model, test)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        full_sort_topk([1], model, test, 0)
    with pytest.raises(ValueError, match=r"it is on cpu: call model.to\('meta'\)"):
        full_sort_topk([1], model, test, 1, device="meta")


def test_a_model_that_reads_the_interaction_is_refused(toy):
    config = Config("WideDeep", "toy", config_dict=toy | {"numerical_features": ["timestamp"]})
    dataset = create_dataset(config)
    test = data_preparation(config, dataset)[2]
    model = config.model_class(config, dataset)
    with pytest.raises(ConfigError, match="timestamp"):
        full_sort_scores([1], model, test)


def test_full_sort_predict_scores_all_items_of_a_batch(prepared):
    model, dataset, *_ = prepared
    users = [4, 1]
    with torch.no_grad():
        flat = model.full_sort_predict(dataset.join(Interaction({"user_id": users})))
    scores = flat.view(len(users), dataset.item_num)[:, 1:]
    np.testing.assert_allclose(scores, one_by_one(model, dataset, users, set())[:, 1:], atol=1e-6)


def test_full_sort_predict_says_that_a_schema_has_no_item_features(toy):
    config = Config("WideDeep", "toy", config_dict=toy)
    dataset = create_dataset(config)
    model = config.model_class(config, Schema.from_dict(dataset.schema.to_dict()))
    with pytest.raises(ConfigError, match="year, genre"):
        model.full_sort_predict(dataset.join(Interaction({"user_id": [1]})))
