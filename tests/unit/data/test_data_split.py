"""Splits give every row to exactly one part, with RecBole's counts, without a loop over users."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole.data import create_dataset
from recbole.data.evaluation_options import EvalArgs
from recbole.data.split import (
    leave_one_out,
    part_counts,
    ranks,
    row_order,
    split_by_time,
    split_rows,
)
from recbole.errors import DataError
from tests.unit.data.data_files import INTER, StandIn, prepared, write

USERS = st.lists(st.integers(0, 5), min_size=1, max_size=60).map(np.array)
RATIOS = st.tuples(st.floats(0.1, 9), st.floats(0, 3), st.floats(0, 3)).map(list)


def slow_counts(total, ratios):
    """The published rounding, one number at a time."""
    shares = [ratio / sum(ratios) for ratio in ratios]
    counts = [int(share * total) for share in shares]
    counts[0] = total - sum(counts[1:])
    for part in (2, 1):
        if counts[0] <= 1:
            break
        if 0 < shares[part] * total < 1:
            counts[part] += 1
            counts[0] -= 1
    return counts


def by_user(users, order):
    groups = {}
    for row in order.tolist():
        groups.setdefault(int(users[row]), []).append(row)
    return groups


def check_parts(parts, users, order, slices):
    """Each part holds what `slices` cuts from each user's rows, in the order asked for."""
    wanted = [set(), set(), set()]
    for rows in by_user(users, order).values():
        for part, some in enumerate(slices(rows)):
            wanted[part] |= set(some)
    position = {row: place for place, row in enumerate(order.tolist())}
    for part, expected in zip(parts, wanted, strict=True):
        assert part.tolist() == sorted(expected, key=position.__getitem__)


@given(st.lists(st.integers(0, 200), min_size=1, max_size=20), RATIOS)
def test_counts_are_rounded_as_published(totals, ratios):
    expected = [slow_counts(total, ratios) for total in totals]
    assert part_counts(np.array(totals), ratios).tolist() == expected


def test_counts_of_movielens_1m():
    assert part_counts(np.array([1_000_209]), [0.8, 0.1, 0.1]).tolist() == [
        [800_169, 100_020, 100_020]
    ]
    assert part_counts(np.array([1_000_209]), [8, 1, 1]).tolist() == [[800_169, 100_020, 100_020]]


@given(USERS)
def test_ranks_count_within_each_user(users):
    rank, size = ranks(users)
    assert rank.tolist() == [(users[:row] == user).sum() for row, user in enumerate(users)]
    assert size.tolist() == [(users == user).sum() for user in users]


@given(USERS, RATIOS, st.integers(0, 99))
def test_by_ratio_together(users, ratios, seed):
    parts = split_rows(EvalArgs(split={"RS": ratios}), users, None, seed)
    assert [len(part) for part in parts] == slow_counts(len(users), ratios)
    assert np.concatenate(parts).tolist() == row_order("RO", len(users), None, seed).tolist()
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(users)))


@given(USERS, RATIOS, st.integers(0, 99))
def test_by_ratio_for_each_user(users, ratios, seed):
    parts = split_rows(EvalArgs(split={"RS": ratios}, group_by="user"), users, None, seed)

    def slices(rows):
        train, valid, _ = slow_counts(len(rows), ratios)
        return rows[:train], rows[train : train + valid], rows[train + valid :]

    check_parts(parts, users, row_order("RO", len(users), None, seed), slices)


@given(USERS, st.sampled_from(["valid_and_test", "valid_only", "test_only"]), st.booleans())
def test_leave_one_out(users, mode, by_time):
    times = np.array([(7 * row) % 5 for row in range(len(users))], np.float64)
    order = "TO" if by_time else "RO"
    parts = split_rows(EvalArgs(split={"LS": mode}, order=order), users, times, 3)

    def slices(rows):
        if mode == "valid_and_test":
            left = min(2, len(rows) - 1)
            train, out = rows[: len(rows) - left], rows[len(rows) - left :]
            return train, out[:-1], out[-1:]
        cut = max(1, len(rows) - 1)
        return (
            (rows[:cut], rows[cut:], []) if mode == "valid_only" else (rows[:cut], [], rows[cut:])
        )

    check_parts(parts, users, row_order(order, len(users), times, 3), slices)


def whole(exact):
    """Rounded down; ratios are floats, of which none is exactly 0.7."""
    return int(exact * (1 + Fraction(1, 10**12)))


@given(USERS, RATIOS, st.data())
def test_by_time(users, ratios, data):
    draw = st.lists(st.integers(0, 20), min_size=len(users), max_size=len(users))
    times = np.array(data.draw(draw), np.float64)
    train, valid, test = map(Fraction, ratios)
    last = whole((len(users) - 1) * (train + valid) / (train + valid + test))
    moment = sorted(times)[last]  # as good as np.percentile, which looks between two rows
    parts = split_rows(EvalArgs(split={"TS": ratios}), users, times, 5)
    order = row_order("RO", len(users), times, 5)

    def slices(rows):
        ordered = sorted(rows, key=lambda row: times[row])
        before = [row for row in ordered if times[row] <= moment]
        cut = whole(len(before) * train / (train + valid))
        return before[:cut], before[cut:], [row for row in ordered if times[row] > moment]

    check_parts(parts, users, order, slices)


@pytest.mark.parametrize(
    ("ratios", "rows", "expected"),
    [
        ([0.7, 0.1, 0.2], 10, [7, 1, 2]),
        ([0.6, 0.2, 0.2], 5, [3, 1, 1]),
        ([7, 1, 2], 10, [7, 1, 2]),
        ([64, 2, 34], 51, [32, 2, 17]),  # np.percentile looks at 32.99... of rows 0 to 50
        ([1, 0, 0], 3, [3, 0, 0]),
    ],
)
def test_by_time_counts_as_one_does_by_hand(ratios, rows, expected):
    parts = split_by_time(np.zeros(rows, np.int64), np.arange(float(rows)), ratios)
    assert np.bincount(parts, minlength=3).tolist() == expected


def test_random_order_has_a_stream_of_its_own():
    import torch

    torch.manual_seed(1)
    expected = torch.rand(3).tolist()
    torch.manual_seed(1)
    one = row_order("RO", 100, None, 7).tolist()
    assert torch.rand(3).tolist() == expected
    assert one == row_order("RO", 100, None, 7).tolist() != row_order("RO", 100, None, 8).tolist()


def test_order_by_time_is_stable():
    assert row_order("TO", 4, np.array([2.0, 1.0, 2.0, 1.0]), 0).tolist() == [1, 3, 0, 2]
    assert leave_one_out(np.array([1, 1, 1, 2]), "valid_and_test").tolist() == [0, 1, 2, 0]


def test_a_dataset_is_split_with_raw_times_even_if_they_are_scaled_inputs(tmp_path):
    options = {"eval_args": {"order": "TO", "split": {"RS": [4, 1, 1]}}, "threshold": {"rating": 4}}
    train, valid, test = prepared(tmp_path, numerical_features=["timestamp"], **options).build()
    assert [part.inter_feat["rating"].tolist() for part in (train, valid, test)] == [
        [5, 3, 4, 1],
        [2],
        [5],
    ]
    assert test.inter_feat["timestamp"].tolist() == [1.0]
    assert train.encoder is test.encoder and train.item_feat is test.item_feat


def test_a_missing_time_counts_as_the_mean(tmp_path):
    inter = INTER.replace("\t60\n", "\t\n")  # the mean of 10 … 50 is 30, that of the third row
    options = {"eval_args": {"order": "TO", "split": {"RS": [4, 1, 1]}}}
    parts = prepared(tmp_path, {"inter": inter}, **options).build()
    assert [part.inter_feat["rating"].tolist() for part in parts] == [[5, 3, 4, 5], [1], [2]]


def test_the_seed_of_the_run_decides_the_split(tmp_path):
    write(tmp_path, inter=INTER)

    def times(seed):
        train = create_dataset(StandIn(tmp_path, seed=seed)).build()[0]
        return tuple(train.inter_feat["timestamp"].tolist())

    assert times(1) == times(1)
    assert len({times(seed) for seed in range(6)}) > 3


@pytest.mark.parametrize("args", [{"order": "TO"}, {"split": {"TS": [0.8, 0.1, 0.1]}}])
def test_time_is_needed_where_it_is_asked_for(tmp_path, args):
    options = {"eval_args": args, "load_col": {"inter": ["user_id", "item_id", "rating"]}}
    with pytest.raises(DataError, match=r"needs the float column 'timestamp'"):
        prepared(tmp_path, **options).build()


def test_another_seed_splits_the_same_data_anew(tmp_path):
    """Also where the split under the first seed has been made already."""
    dataset = prepared(tmp_path, eval_args={"split": {"RS": [0.5, 0.25, 0.25]}})
    before = dataset.rows_of("train").tolist()
    others = [dataset.with_seed(seed) for seed in range(8)]
    assert len({tuple(other.rows_of("train").tolist()) for other in others}) > 1
    assert dataset.rows_of("train").tolist() == before
    assert all(other.inter_feat is dataset.inter_feat for other in others)
