"""Training batches of implicit data: every observed pair once, and fresh unseen items beside it."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from recbole.data import DataOptions, create_dataset, data_preparation
from recbole.data.options import NegativeSampling
from recbole.errors import DataError
from tests.unit.data.data_files import StandIn, write

USERS, ITEMS = 8, 12
ROWS = [(u, i) for u in range(USERS) for i in range(ITEMS) if (u * 7 + i * 5) % 3 == 0 or u == 7]
INTER = "user_id:token\titem_id:token\tplace:token\n" + "".join(
    f"u{u}\ti{i}\tp{u}{i}\n" for u, i in ROWS
)
ITEM = "item_id:token\tyear:token\n" + "".join(f"i{i}\ty{i}\n" for i in range(ITEMS))


class Implicit(StandIn):
    def __init__(self, folder, sampling, **options):
        super().__init__(folder, train_neg_sample_args=sampling, **options)


def prepared(folder, sampling, **options):
    write(folder, inter=INTER, item=ITEM)
    options = {"eval_args": {"split": {"RS": [1, 0, 0]}}, "train_batch_size": 11, **options}
    config = Implicit(folder, sampling, **options)
    return data_preparation(config, create_dataset(config))


def rows_of(batches):
    names = ("user_id", "item_id", "place", "year", "label")
    return [
        row for batch in batches for row in zip(*(batch[n].tolist() for n in names), strict=True)
    ]


@pytest.mark.parametrize("distribution", ["uniform", "popularity"])
@pytest.mark.parametrize("number", [1, 3])
def test_positives_once_and_negatives_unseen(tmp_path, distribution, number) -> None:
    train, _, _ = prepared(tmp_path, {"distribution": distribution, "sample_num": number})
    inter = train.dataset.inter_feat
    positives = set(zip(inter["user_id"].tolist(), inter["item_id"].tolist(), strict=True))
    full_user = train.dataset.token2id("user_id", "u7")
    found = rows_of(train)
    assert len(found) == train.num_rows == len(ROWS) + number * (len(ROWS) - ITEMS)
    assert len(train) == -(-len(found) // 11)
    liked = [row for row in found if row[4] == 1]
    negatives = [row for row in found if row[4] == 0]
    assert {row[:2] for row in liked} == positives
    assert len(liked) == len(ROWS)
    assert not {row[:2] for row in negatives} & positives
    assert full_user not in {row[0] for row in negatives}  # has seen every item
    assert 0 not in {row[1] for row in negatives}
    for _, item, _, year, _ in found:  # features follow the item drawn
        assert year == int(train.dataset.item_feat["year"][item])
    drawn = [item for item in train.negatives(0).tolist() if item]
    assert sorted(row[1] for row in negatives) == sorted(drawn)
    # Each positive lends its place to `number` negatives.
    places = [row[2] for row in negatives]
    assert all(places.count(p) == number for _, p in _places(train, but=full_user))
    assert any(row[4] == 0 for row in found[:11])  # mixed, not behind one another
    assert any(row[4] == 1 for row in found[:11])


def _places(train, but):
    inter = train.dataset.inter_feat
    pairs = zip(inter["user_id"].tolist(), inter["place"].tolist(), strict=True)
    return [(user, place) for user, place in pairs if user != but]


def test_negatives_are_fresh_each_epoch_and_depend_on_seed_and_epoch_only(tmp_path) -> None:
    one, _, _ = prepared(tmp_path, {"sample_num": 2})
    two, _, _ = prepared(tmp_path, {"sample_num": 2})
    torch.manual_seed(1)
    passes = [rows_of(one) for _ in range(2)]
    torch.manual_seed(2)
    assert [rows_of(two) for _ in range(2)] == passes
    drawn = [{row[:2] for row in rows if not row[4]} for rows in passes]
    assert drawn[0] != drawn[1]
    two.epoch = 1
    assert rows_of(two.batches(skip=2)) == passes[1][22:]


def test_no_batch_of_a_pass_is_a_single_row(tmp_path) -> None:
    train, _, _ = prepared(tmp_path, {"sample_num": 2})
    size = next(size for size in range(5, 50) if train.num_rows % size == 1)
    train.batch_size = size
    assert [len(batch) for batch in train.batches()][-1] == size + 1
    assert len(list(train.batches())) == len(train) == train.num_rows // size
    assert rows_of(train.batches(len(train) - 1)) == rows_of(train.batches())[-size - 1 :]


def test_popular_items_come_more_often(tmp_path) -> None:
    train, _, _ = prepared(tmp_path, {"distribution": "popularity", "alpha": 4.0, "sample_num": 50})
    flat, _, _ = prepared(tmp_path, {"distribution": "popularity", "alpha": 0.0, "sample_num": 50})
    counts = train.dataset.inter_feat["item_id"].bincount().double()
    means = []
    for batches in (train, flat):
        items = torch.tensor([row[1] for row in rows_of(batches) if not row[4]])
        means.append(float(counts[items].mean()))
    assert means[0] > means[1] + 0.1


def test_the_other_parts_are_all_positives(tmp_path) -> None:
    parts = prepared(tmp_path, {}, eval_args={"split": {"RS": [2, 1, 1]}})
    assert all(bool((part.columns["label"] == 1).all()) for part in parts)
    assert parts[1].num_rows > 0


def test_refuses_what_has_labels_and_what_has_none(tmp_path) -> None:
    labelled = "user_id:token\titem_id:token\tlabel:float\na\tx\t1\nb\ty\t0\n"
    write(tmp_path, inter=labelled)
    config = Implicit(tmp_path, {"sample_num": 1})
    with pytest.raises(DataError, match="these have a label 'label'; leave out"):
        data_preparation(config, create_dataset(config))
    write(tmp_path, inter=INTER)
    config = Implicit(tmp_path, None)
    with pytest.raises(DataError, match="where every row is a positive, train_neg_sample_args"):
        data_preparation(config, create_dataset(config))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dynamic": True}, "expected no dynamic sampling"),
        ({"candidate_num": 5}, "expected no dynamic sampling"),
        ({"distribution": "gaussian"}, "'uniform' or 'popularity'"),
        ({"sample_num": 0}, "greater than or equal to 1"),
        ({"alpha": -1.0}, "greater than or equal to 0"),
    ],
)
def test_options(values, message) -> None:
    with pytest.raises(ValidationError, match=message):
        DataOptions(train_neg_sample_args=values)


def test_the_defaults_are_those_of_recbole() -> None:
    recbole = {
        "distribution": "uniform", "sample_num": 1, "alpha": 1.0, "dynamic": False,
        "candidate_num": 0,
    }  # fmt: skip
    assert NegativeSampling() == NegativeSampling(**recbole)
    assert DataOptions().train_neg_sample_args is None
