"""A Loader yields what a join row by row gives, in an order that (seed, epoch) decides."""

from __future__ import annotations

import pytest
import torch

from recbole.data import Loader, data_preparation
from recbole.data.loader import batch_sizes
from tests.unit.data.data_files import StandIn, prepared

OPTIONS = {
    "threshold": {"rating": 4},
    "numerical_features": ["income", "vector", "timestamp"],
    "eval_args": {"split": {"RS": [4, 1, 1]}},
}


@pytest.fixture
def dataset(tmp_path):
    return prepared(tmp_path, **OPTIONS)


def loader(dataset, shuffle=True, seed=1, batch_size=4):
    return Loader(dataset, batch_size, shuffle, "cpu", seed)


def as_lists(batches):
    return [{name: batch[name].nan_to_num(-1.0).tolist() for name in batch} for batch in batches]


def naive(dataset, rows):
    """Look every row up by itself."""
    batch = {}
    for name in [*(f.name for f in dataset.schema.fields), "label", "rating"]:
        found = []
        for row in rows:
            user, item = (int(dataset.inter_feat[f][row]) for f in ("user_id", "item_id"))
            if name in dataset.inter_feat:
                value = dataset.inter_feat[name][row]
            elif name in dataset.user_feat:
                value = dataset.user_feat[name][user]
            else:
                value = dataset.item_feat[name][item]
            found.append(value.nan_to_num(-1.0).tolist())
        batch[name] = found
    return batch


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_are_a_join_row_by_row(dataset, shuffle):
    batches = loader(dataset, shuffle)
    order = batches.row_order(0).tolist()
    assert as_lists(batches) == [naive(dataset, order[:4]), naive(dataset, order[4:])]
    batch = next(iter(batches))
    types = {str(batch[f.name].dtype) for f in dataset.schema.fields}
    assert types == {"torch.int64", "torch.float32"}
    rows = dataset[batches.row_order(1)[:4]]
    for name in batch:
        assert torch.equal(batch[name].nan_to_num(-1.0), rows[name].nan_to_num(-1.0)), name


def test_the_columns_live_in_the_loader(dataset):
    batches = loader(dataset)
    assert "age" not in batches.columns and batches.columns["user_id"].dtype == torch.int32
    assert batches.columns["label"].tolist() == [1, 0, 1, 0, 0, 1]
    assert (batches.num_rows, len(batches)) == (6, 2)
    assert batches._dataset is batches.dataset is dataset
    assert [len(loader(dataset, batch_size=size)) for size in (1, 3, 4, 6, 7)] == [6, 2, 2, 1, 1]


def test_the_order_depends_on_seed_and_epoch_only(dataset):
    one, two = loader(dataset), loader(dataset)
    torch.manual_seed(5)
    passes = [as_lists(one) for _ in range(3)]
    torch.manual_seed(6)
    expected = torch.rand(2)
    torch.manual_seed(6)
    assert [as_lists(two) for _ in range(3)] == passes
    assert torch.equal(torch.rand(2), expected)  # the global random stream is left alone
    assert one.epoch == 3
    resumed = loader(dataset)
    resumed.epoch = 2
    assert as_lists(resumed) == passes[2]
    orders = {
        tuple(loader(dataset, seed=s).row_order(e).tolist()) for s in range(4) for e in range(4)
    }
    assert len(orders) > 12
    assert loader(dataset, shuffle=False).row_order(3).tolist() == list(range(6))


def test_skipping_builds_nothing_of_what_is_skipped(dataset, monkeypatch):
    batches = loader(dataset, batch_size=2)
    everything = as_lists(batches.batches())
    built = []
    gather = batches.gather
    monkeypatch.setattr(batches, "gather", lambda rows: built.append(rows) or gather(rows))
    assert as_lists(batches.batches(skip=2)) == everything[2:]
    assert len(built) == 1 and batches.epoch == 0
    assert as_lists(batches.batches(skip=3)) == []


@pytest.mark.parametrize(
    ("rows", "size", "expected"),
    [
        (9, 4, [4, 5]),
        (10, 4, [4, 4, 2]),
        (8, 4, [4, 4]),
        (3, 2, [3]),
        (3, 1, [1, 1, 1]),
        (1, 4, [1]),
        (0, 4, []),
    ],
)
def test_a_row_left_by_itself_joins_the_batch_before(rows, size, expected):
    assert batch_sizes(rows, size) == expected


def test_no_batch_of_a_pass_is_a_single_row(dataset):
    batches = loader(dataset, batch_size=5)
    assert [len(batch) for batch in batches.batches()] == [6]
    assert len(batches) == 1
    assert as_lists(batches.batches()) == [naive(dataset, batches.row_order(0).tolist())]
    assert as_lists(batches.batches(skip=1)) == []


def test_an_empty_part_has_no_batches(tmp_path):
    options = {**OPTIONS, "eval_args": {"split": {"LS": "test_only"}}}
    dataset = prepared(tmp_path, **options)
    train, valid, test = data_preparation(StandIn(tmp_path, **options), dataset)
    assert [part.num_rows for part in (train, valid, test)] == [3, 0, 3]
    assert len(valid) == 0 and list(valid) == []


def test_preparation_takes_batch_sizes_and_shuffling_from_the_options(tmp_path):
    options = {**OPTIONS, "train_batch_size": 3, "eval_batch_size": 1, "shuffle": False}
    dataset = prepared(tmp_path, **options)
    train, valid, test = data_preparation(StandIn(tmp_path, **options), dataset)
    assert [part.batch_size for part in (train, valid, test)] == [3, 1, 1]
    assert not train.shuffle and not valid.shuffle
    order = train.dataset.inter_feat["timestamp"].tolist()
    assert [t for batch in train for t in batch["timestamp"].tolist()] == order
    shuffled = data_preparation(StandIn(tmp_path, **{**options, "shuffle": True}), dataset)[0]
    assert shuffled.shuffle
    assert shuffled._sides[0].columns["age"].tolist() == dataset.user_feat["age"].tolist()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_same_batches_on_a_gpu_without_synchronising(dataset):
    on_cpu, on_gpu = loader(dataset), Loader(dataset, 4, True, "cuda", 1)
    expected = as_lists(on_cpu)
    order = on_gpu.row_order(0).cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches = [on_gpu.gather(rows) for rows in order.split(4)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert as_lists(batch.cpu() for batch in batches) == expected
