"""Filters keep exactly the rows that RecBole's keep, and say what they did."""

from __future__ import annotations

import logging
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole.data.filtering import core_of
from recbole.data.intervals import parse_intervals
from recbole.errors import DataError
from tests.unit.data.data_files import INTER, ITEM, USER, prepared


def slow_core(pairs, user_interval, item_interval):
    """The obvious way: count, drop, repeat."""

    def bad(counts, interval):
        return {
            k for k, n in counts.items() if interval and not interval.contains(np.array([n]))[0]
        }

    banned_users, banned_items = set(), set()
    while True:
        left = [(u, i) for u, i in pairs if u not in banned_users and i not in banned_items]
        users = bad(Counter(u for u, _ in left), user_interval)
        items = bad(Counter(i for _, i in left), item_interval)
        if not users and not items:
            return left, banned_users, banned_items
        banned_users |= users
        banned_items |= items


INTERVALS = st.sampled_from(
    [None, "[0,inf)", "[2,inf)", "[3,inf)", "(1,4]", "[1,3]", "[0,1];[3,9]"]
)


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40),
    INTERVALS,
    INTERVALS,
)
def test_the_core_is_that_of_counting_and_dropping(pairs, for_users, for_items):
    intervals = [None if text is None else parse_intervals(text) for text in (for_users, for_items)]
    users, items = (np.array(side, np.int32) for side in zip(*pairs, strict=True))
    kept, banned = core_of((users, items), tuple(intervals))
    left, banned_users, banned_items = slow_core(pairs, *intervals)
    assert [pair for pair, stays in zip(pairs, kept, strict=True) if stays] == left
    assert set(np.flatnonzero(banned[0])) == banned_users
    assert set(np.flatnonzero(banned[1])) == banned_items


def pairs(dataset):
    users = dataset.id2token("user_id", dataset.inter_feat["user_id"])
    items = dataset.id2token("item_id", dataset.inter_feat["item_id"])
    return [f"{u}{i}" for u, i in zip(users, items, strict=True)]


def tokens(dataset, field):
    return dataset.encoder.tokens(field)[1:]


def test_a_core_with_a_lower_bound_drops_rows_of_users_and_items_too(tmp_path):
    dataset = prepared(
        tmp_path, user_inter_num_interval="[2,inf)", item_inter_num_interval="[2,inf)"
    )
    assert pairs(dataset) == ["u2a", "u3c", "u2c", "u3a"]
    assert tokens(dataset, "user_id") == ["u2", "u3"]
    assert tokens(dataset, "item_id") == ["a", "c"]


@pytest.mark.parametrize("interval", ["[0,inf)", "(0,inf)", None])
def test_without_a_lower_bound_users_and_items_without_interactions_stay(tmp_path, interval):
    dataset = prepared(tmp_path, user_inter_num_interval=interval, item_inter_num_interval=interval)
    assert len(dataset) == 6
    assert tokens(dataset, "user_id") == ["u1", "u2", "u3", "u9"]
    assert tokens(dataset, "item_id") == ["a", "b", "c", "z"]


def test_an_item_that_loses_its_interactions_stays_unless_it_is_itself_at_fault(tmp_path):
    # u1 goes for having too few; b, whose only interaction was u1's, is within its own interval.
    inter = "user_id:token\titem_id:token\trating:float\nu1\tb\t1\nu2\ta\t1\nu2\tc\t1\n"
    options = {"user_inter_num_interval": "[2,inf)", "item_inter_num_interval": "[0,inf)"}
    dataset = prepared(tmp_path, {"inter": inter, "user": USER, "item": ITEM}, **options)
    assert tokens(dataset, "item_id") == ["a", "c", "b", "z"]
    assert tokens(dataset, "user_id") == ["u2"]


@pytest.mark.parametrize(
    ("keep", "ratings"), [("first", [3, 5, 4, 1]), ("last", [3, 4, 1, 2]), (None, [5, 3, 2, 4, 1])]
)
def test_of_duplicates_the_first_or_last_in_time_is_kept(tmp_path, keep, ratings):
    inter = (
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "u1\ta\t5\t20\nu2\ta\t3\t10\nu1\ta\t2\t50\nu1\tb\t4\t30\nu3\tc\t1\t40\n"
    )
    dataset = prepared(tmp_path, {"inter": inter}, rm_dup_inter=keep)
    assert dataset.inter_feat["rating"].tolist() == ratings


def test_duplicates_without_times_go_by_the_file_with_a_warning(tmp_path, caplog):
    inter = "user_id:token\titem_id:token\trating:float\nu1\ta\t5\nu2\ta\t3\nu1\ta\t2\n"
    dataset = prepared(tmp_path, {"inter": inter}, rm_dup_inter="last")
    assert dataset.inter_feat["rating"].tolist() == [3, 2]
    assert "no float column 'timestamp' is loaded" in caplog.text


def test_values_outside_their_interval_or_missing_are_dropped(tmp_path):
    dataset = prepared(tmp_path, val_interval={"rating": "(2,5)"})
    assert dataset.inter_feat["rating"].tolist() == [3, 4]
    missing = INTER + "u1\tc\t3\t\n"
    files = {"inter": missing, "user": USER, "item": ITEM}
    assert len(prepared(tmp_path / "b", files, val_interval={"timestamp": "(-inf,inf)"})) == 6
    # The filter on users takes their interactions along.
    dataset = prepared(tmp_path / "c", val_interval={"age": [30, "40"]})
    assert pairs(dataset) == ["u2a", "u3c", "u2c", "u3a"]
    assert tokens(dataset, "user_id") == ["u2", "u3", "u9"]
    assert pairs(prepared(tmp_path / "d", val_interval={"item_id": ["b", "none"]})) == ["u1b"]


def test_interactions_without_a_user_or_item_row_are_dropped_or_refused(tmp_path, caplog):
    files = {"inter": INTER + "u7\ta\t1\t1\nu1\tq\t1\t1\n", "user": USER, "item": ITEM}
    lines = len(INTER.splitlines())
    with caplog.at_level(logging.WARNING):
        assert len(prepared(tmp_path / "a", files)) == 6
    path = tmp_path / "a/toy/toy.inter"
    assert caplog.messages == [
        f"1 interactions without a row in .user are dropped: {path}, line {lines + 1}",
        f"1 interactions without a row in .item are dropped: {path}, line {lines + 2}",
    ]
    with pytest.raises(DataError) as error:
        prepared(tmp_path / "b", files, filter_inter_by_user_or_item=False)
    assert str(error.value) == (
        f"{tmp_path / 'b/toy/toy.inter'}, line {lines + 1}: expected a row of this 'user_id' in"
        " .user, got none; filter_inter_by_user_or_item: True drops such interactions, 1 here"
    )
    complete = {"inter": INTER, "user": USER, "item": ITEM}
    assert len(prepared(tmp_path / "c", complete, filter_inter_by_user_or_item=False)) == 6


def test_rows_without_an_id_are_dropped_with_a_warning(tmp_path, caplog):
    lines = INTER.splitlines()
    inter = "\n".join([*lines[:2], "", "\ta\t5\t1", "u1\t\t5\t1", *lines[2:]]) + "\n"
    with caplog.at_level(logging.WARNING):
        dataset = prepared(tmp_path, {"inter": inter, "user": USER + "\t1\t1\n", "item": ITEM})
    assert len(dataset) == 6
    assert f"1 rows without 'user_id' are dropped: {tmp_path}/toy/toy.inter, line 4" in caplog.text
    assert f"1 rows without 'item_id' are dropped: {tmp_path}/toy/toy.inter, line 5" in caplog.text
    assert f"1 rows without 'user_id' are dropped: {tmp_path}/toy/toy.user, line 6" in caplog.text


def test_a_second_row_of_a_user_is_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        prepared(tmp_path, {"inter": INTER, "user": USER + "u1\t5\t5\n"})
    path = f"{tmp_path}/toy/toy.user"
    assert str(caught.value) == (
        f"{path}, line 6: 'user_id' = 'u1' already has a row, {path}, line 3; expected one row each"
    )


def test_when_nothing_is_left_the_filter_is_named_with_all_counts(tmp_path):
    with pytest.raises(DataError) as caught:
        prepared(tmp_path, val_interval={"rating": "[3,9]"}, user_inter_num_interval="[3,inf)")
    assert str(caught.value) == (
        "No row of .inter is left after user_inter_num_interval and item_inter_num_interval."
        " Interactions: 6 read, 6 after missing ids, 6 after rm_dup_inter, 4 after val_interval,"
        " 4 after filter_inter_by_user_or_item, 0 after user_inter_num_interval and"
        " item_inter_num_interval; expected the filters to leave some"
    )


@pytest.mark.parametrize(
    ("interval", "message"),
    [
        ({"ratings": "[1,2]"}, r"no loaded column.*Did you mean 'rating'\?"),
        ({"rating": ["1"]}, "expected an interval such as"),
        ({"age": "[20,30]"}, "expected a list of tokens for the token column 'age'"),
        (
            {"genre": ["x"]},
            "expected a column of type float or token, got 'genre' of type token_seq",
        ),
    ],
)
def test_a_value_interval_must_fit_its_column(tmp_path, interval, message):
    with pytest.raises(DataError, match=message):
        prepared(tmp_path, val_interval=interval)


def test_an_upper_bound_drops_the_rows_of_those_beyond_it(tmp_path):
    dataset = prepared(tmp_path, item_inter_num_interval="[0,2]")  # a has three interactions
    assert pairs(dataset) == ["u1b", "u3c", "u2c"]
    assert tokens(dataset, "item_id") == ["b", "c", "z"]
