"""One encoder numbers, fills, scales and buckets the training rows and new ones alike."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recbole.data import Encoder
from recbole.data.buckets import fit_buckets
from recbole.data.columns import FloatColumn, sequence_column, token_column
from recbole.data.field_codecs import NumberCodec, TokenCodec
from recbole.data.options import Discretization
from recbole.errors import DataError
from tests.unit.data.data_files import INTER, ITEM, USER, prepared

TOKENS = st.lists(st.sampled_from(["", "a", "b", "c", "d", "[PAD]"]), max_size=12)


def slow_ids(*columns):
    """Number by first appearance, from 1; a missing token is 0."""
    ids = {}
    for column in columns:
        for token in column:
            if token:
                ids.setdefault(token, len(ids) + 1)
    return ids


@given(TOKENS, TOKENS)
def test_tokens_are_numbered_by_first_appearance(first, second):
    columns = [token_column(first), token_column(second)]
    codec, ids = TokenCodec.fit(columns), slow_ids(first, second)
    assert codec.size == len(ids) + 1
    for tokens, column in zip((first, second), columns, strict=True):
        assert codec.encode(column).tolist() == [ids.get(token, 0) for token in tokens]
    new = token_column([*first, "never", "never", ""])
    assert codec.encode(new).tolist() == [*(ids.get(token, 0) for token in first), 0, 0, 0]
    assert codec.unknown(new) == 2


@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=4), min_size=1, max_size=6))
def test_sequences_are_padded_with_zero_and_cut_to_the_longest(rows):
    from recbole.data.columns import TokenColumn

    codec, ids = TokenCodec.fit([sequence_column(rows, TokenColumn)]), slow_ids(*rows)
    length = max(1, *(len(row) for row in rows), 1)
    for shown in (rows, [[*row, "a", "b", "a", "b"] for row in rows]):
        expected = [[ids.get(t, 0) for t in row][:length] for row in shown]
        expected = [row + [0] * (length - len(row)) for row in expected]
        assert codec.encode(sequence_column(shown, TokenColumn)).tolist() == expected


def recbole_buckets(values, method, count):
    """RecBole 1.2's formulas; its logarithm buckets start at 0, ours at 1."""
    if method == "ED":
        low, high = min(values), max(values) + 1e-9
        return np.floor((values - low) * count / (high - low) + 1).astype(int).tolist()
    above = values > 2
    level = np.floor(np.log(values * above + 1e-9) ** 2 + 1)
    _, bucket = np.unique(np.where(above, level, values), return_inverse=True)
    return (bucket + 1).tolist()


@given(
    st.lists(st.floats(-50, 1000), min_size=1, max_size=30).map(np.array),
    st.sampled_from(["ED", "LD"]),
    st.integers(1, 7),
)
def test_buckets_are_those_of_recbole(values, method, count):
    bucket = count if method == "ED" else None
    buckets = fit_buckets(values, Discretization(method=method, bucket=bucket))
    assert buckets.place(values).tolist() == recbole_buckets(values, method, count)
    everything = buckets.place(np.array([-1e12, 0.0, 2.0, 3.0, 1e12]))
    assert everything.min() >= 1 and everything.max() < buckets.size


def test_logarithm_buckets_begin_above_two():
    values = np.array([1.0, 2.0, 2.5, 1.5])  # levels 1, 2, floor(0.84 + 1) = 1, 1.5
    buckets = fit_buckets(values, Discretization(method="LD"))
    assert buckets.place(values).tolist() == [1, 3, 1, 2]


def test_equal_distance_buckets_of_great_numbers_stay_in_range():
    values = np.array([0.0, 1e12])
    buckets = fit_buckets(values, Discretization(method="ED", bucket=4))
    assert buckets.place(values).tolist() == [1, 4]
    same = fit_buckets(np.array([1e12, 1e12]), Discretization(method="ED", bucket=4))
    assert same.place(np.array([1e12])).tolist() == [4]


def test_numbers_are_filled_with_the_mean_then_scaled():
    column = FloatColumn(np.array([1.0, np.nan, 4.0]))
    codec = NumberCodec.fit("x", column, True, None)
    np.testing.assert_allclose(codec.encode(column), [0.0, 0.5, 1.0])
    np.testing.assert_allclose(codec.encode(FloatColumn(np.array([7.0, np.nan]))), [2.0, 0.5])
    plain = NumberCodec.fit("x", column, False, None)
    np.testing.assert_allclose(plain.encode(column), [1.0, 2.5, 4.0])


def test_a_constant_column_is_scaled_to_one_with_a_warning(caplog):
    codec = NumberCodec.fit("x", FloatColumn(np.array([3.0, 3.0])), True, None)
    assert codec.encode(FloatColumn(np.array([3.0, 9.0]))).tolist() == [1.0, 1.0]
    assert "'x' is constant (3)" in caplog.text


def test_number_sequences_are_scaled_over_all_elements_and_padded():
    column = sequence_column([[1.0, 5.0], [], [3.0]], FloatColumn)
    scaled = NumberCodec.fit("x", column, True, None).encode(column)
    np.testing.assert_allclose(scaled, [[0, 1], [math.nan] * 2, [0.5, math.nan]])
    discretization = Discretization(method="ED", bucket=2)
    bucketed = NumberCodec.fit("x", column, True, discretization).encode(column)
    assert bucketed.tolist() == [[1, 2], [0, 0], [1 if 0.5 * 2 / (1 + 1e-9) + 1 < 2 else 2, 0]]


def test_a_column_without_any_number_is_refused():
    with pytest.raises(DataError, match="Column 'x': expected at least one number"):
        NumberCodec.fit("x", FloatColumn(np.array([np.nan])), True, None)


OPTIONS = {
    "threshold": {"rating": 4},
    "numerical_features": ["income", "vector", "timestamp"],
    "discretization": {"timestamp": {"method": "LD"}, "vector": {"method": "ED", "bucket": 3}},
    "normalize_field": ["income"],
}


def test_features_of_users_and_items_stand_in_the_order_of_their_ids(tmp_path):
    dataset = prepared(tmp_path, **OPTIONS)
    assert dataset.encoder.tokens("user_id") == ["[PAD]", "u1", "u2", "u3", "u9"]
    assert dataset.encoder.tokens("item_id") == ["[PAD]", "a", "b", "c", "z"]
    assert dataset.encoder.tokens("age") == ["[PAD]", "30", "20", "40"]  # in the order of .user
    assert dataset.user_feat["user_id"].tolist() == [0, 1, 2, 3, 4]
    assert dataset.user_feat["age"].tolist() == [0, 2, 1, 1, 3]
    mean = ((3 + 1 + 9) / 3 - 1) / 8
    np.testing.assert_allclose(dataset.user_feat["income"], [mean, 0, mean, 0.25, 1])
    assert dataset.encoder.tokens("genre") == ["[PAD]", "x", "y", "z"]
    assert dataset.item_feat["genre"].tolist() == [[0, 0], [2, 0], [0, 0], [1, 2], [3, 0]]
    assert dataset.item_feat["vector"].shape == (5, 3)
    assert {f.name: f.size for f in dataset.schema.fields} == {
        "user_id": 5, "item_id": 5, "timestamp": 7, "age": 4, "income": 1, "genre": 4, "vector": 4,
    }  # fmt: skip


def test_logarithm_buckets_of_users_know_the_filling_of_row_0(tmp_path):
    # As in RecBole: incomes 3, 1, 9 and their mean 13/3, which rows 0 and u2 are filled with.
    options = {"discretization": {"income": {"method": "LD"}}, "normalize_all": False}
    dataset = prepared(tmp_path, numerical_features=["income"], **options)
    levels = [1.0, *(math.floor(math.log(x) ** 2 + 1) for x in (3, 13 / 3, 9))]
    assert dataset.num("income") == len(set(levels)) + 1
    assert dataset.user_feat["income"].tolist() == [3, 1, 3, 2, 4]


def test_row_0_is_filled_even_where_no_user_lacks_a_value(tmp_path):
    files = {"inter": INTER, "user": USER.replace("u2\t30\t\n", "u2\t30\t1\n")}
    options = {"discretization": {"income": {"method": "LD"}}, "normalize_all": False}
    dataset = prepared(tmp_path, files, numerical_features=["income"], **options)
    # Levels: 1 (u1, u2), 2 (u3: 3), 5 (u9: 9) and 2.57 -> 2 for the mean 3.5 of row 0.
    assert dataset.user_feat["income"].tolist() == [2, 1, 1, 2, 3]
    files["user"] = files["user"].replace("u3\t30\t3", "u3\t30\t1")
    dataset = prepared(tmp_path / "b", files, numerical_features=["income"], **options)
    # The mean is 3, whose level 2 no user has.
    assert dataset.user_feat["income"].tolist() == [2, 1, 1, 1, 3] and dataset.num("income") == 4


def test_the_encoder_comes_back_from_a_checkpoint_and_encodes_the_same(tmp_path):
    from recbole.data.files import read_atomic_files

    dataset = prepared(tmp_path, **OPTIONS)
    torch.save(dataset.encoder.to_dict(), tmp_path / "encoder.pth")
    restored = Encoder.from_dict(torch.load(tmp_path / "encoder.pth", weights_only=True))
    assert restored.fields == dataset.schema.fields
    data = read_atomic_files(tmp_path / "toy", "toy", dataset.options)
    for table, feat in ((data.interactions, dataset.inter_feat), (data.items, dataset.item_feat)):
        encoded = restored.transform(table)
        rows = encoded["item_id"].long() if table is data.items else torch.arange(len(table))
        for name, column in encoded.items():
            assert torch.equal(
                torch.nan_to_num(column.double(), -9.0),
                torch.nan_to_num(feat[name][rows].double(), -9.0),
            ), name


def test_new_rows_from_python_lists(tmp_path):
    encoder = prepared(tmp_path, **OPTIONS).encoder
    table = encoder.table(
        {"user_id": ["u3", "new", None], "age": [40, 41, None], "genre": [["y", "q"], None, ["x"]],
         "income": [5, None, 1], "vector": [[0.5], None, [9]]}
    )  # fmt: skip
    encoded = encoder.transform(table)
    assert encoded["user_id"].tolist() == [3, 0, 0] and encoded["user_id"].dtype == torch.int32
    assert encoded["age"].tolist() == [3, 0, 0]
    assert encoded["genre"].tolist() == [[2, 0], [0, 0], [1, 0]]
    np.testing.assert_allclose(encoded["income"], [0.5, 10 / 24, 0.0], rtol=1e-6)
    assert encoded["vector"].tolist() == [[1, 0, 0], [0, 0, 0], [3, 0, 0]]
    assert encoder.unknown_tokens(table) == {"user_id": 1, "age": 1, "genre": 1}


def test_new_rows_that_do_not_fit_are_refused(tmp_path):
    encoder = prepared(tmp_path, **OPTIONS).encoder
    with pytest.raises(DataError, match=r"unknown field 'userid'.*Did you mean 'user_id'\?"):
        encoder.table({"userid": ["u1"]})
    with pytest.raises(DataError, match="columns of one length"):
        encoder.table({"user_id": ["u1"], "age": []})
    table = encoder.table({"user_id": ["u1"]})
    with pytest.raises(DataError, match="expected the column 'age', got user_id"):
        encoder.transform(table, ["user_id", "age"])
    with pytest.raises(DataError, match="'user_id' to be of type token, got float"):
        encoder.transform(table.with_column("user_id", FloatColumn(np.array([1.0]))))


def test_the_longest_sequence_counts_after_seq_len(tmp_path):
    files = {"inter": INTER, "user": USER, "item": ITEM}
    dataset = prepared(tmp_path, files, seq_len={"genre": 1})
    assert dataset.encoder.tokens("genre") == ["[PAD]", "x", "y", "z"]
    assert dataset.item_feat["genre"].tolist() == [[0], [2], [0], [1], [3]]


@pytest.mark.parametrize(
    "tokens", [[], ["a"], ["b", "ü€", "", "x y\tz"], [str(n) for n in range(999)]]
)
@pytest.mark.parametrize("before", [0, 3])
def test_a_vocabulary_is_bytes_in_a_checkpoint(tokens, before):
    """Also one that is a slice of a longer array, as taking apart a table leaves it."""
    whole = pa.array(["other"] * before + tokens + ["behind"], pa.string())
    codec = TokenCodec(whole[before : before + len(tokens)], length=4)
    plain = codec.to_dict()
    assert all(isinstance(plain[name], torch.Tensor) for name in ("text", "offsets"))
    assert plain["text"].numel() == sum(len(token.encode()) for token in tokens)
    back = TokenCodec.from_dict(plain)
    assert back.tokens.to_pylist() == tokens
    assert back.length == 4


def test_a_vocabulary_of_an_earlier_checkpoint_is_a_list():
    plain = {"kind": "token", "tokens": ["a", "b"], "length": None}
    assert TokenCodec.from_dict(plain).tokens.to_pylist() == ["a", "b"]
