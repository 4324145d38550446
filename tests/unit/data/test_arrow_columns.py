"""Arrow columns of any type become the columns that the encoder takes, or say which cell cannot."""

from datetime import date, datetime, time
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from recbole.data.arrow_columns import CellError, table_from_arrow
from recbole.data.schema import FeatureSource, FeatureType, Field


def read(array, feature_type, separator=" "):
    field = Field("x", feature_type, FeatureSource.INTERACTION, size=1)
    arrow = pa.table({"y": pa.nulls(len(array)), "x": array})
    table = table_from_arrow(arrow, [field], separator)
    assert list(table.columns) == ["x"]
    assert len(table) == len(array)
    assert table["x"].type is feature_type
    return table["x"]


def tokens(column):
    names = column.vocabulary.to_pylist()
    return [names[code] if code >= 0 else None for code in column.codes.tolist()]


def rows(column):
    elements = column.elements
    flat = tokens(elements) if hasattr(elements, "codes") else elements.values.tolist()
    return [flat[start:end] for start, end in pairwise(column.offsets.tolist())]


TOKENS = ["196", None, "7", "196"]


@pytest.mark.parametrize(
    "array",
    [
        pa.array(TOKENS),
        pa.array(["196", "", "7", "196"]),
        pa.array(TOKENS, pa.large_string()),
        pa.array(TOKENS, pa.binary()),
        pa.array(TOKENS).dictionary_encode(),
        pa.chunked_array([TOKENS[:3], TOKENS[3:]]),
        pa.chunked_array([pa.array(TOKENS[:3]).dictionary_encode(),
                          pa.array(TOKENS[3:]).dictionary_encode()]),
        pa.array([196, None, 7, 196], pa.int16()),
        pa.array([196, None, 7, 196], pa.uint64()),
        pa.array([196, None, 7, 196]).dictionary_encode(),
        pa.array([196.0, None, 7.0, 196.0]),
        pa.array([196.0, float("nan"), 7.0, 196.0], pa.float32()),
        pa.array([Decimal("196"), None, Decimal("7"), Decimal("196")]),
        pa.array([Decimal("196.00"), None, Decimal("7.00"), Decimal("196.00")]),
        pa.array([1, 196, None, 7, 196]).slice(1),
    ],
    ids=str,
)  # fmt: skip
def test_tokens_in_any_type(array):
    assert tokens(read(array, FeatureType.TOKEN)) == TOKENS


def test_tokens_that_are_no_whole_numbers():
    numbers = pa.array([0.5, 1e10, 12345678901.0, 2.0**60, -3.0])
    expected = ["0.5", "10000000000", "12345678901", "1152921504606846976", "-3"]
    found = tokens(read(numbers, FeatureType.TOKEN))
    assert found[:3] == expected[:3]
    assert float(found[3]) == 2.0**60
    assert found[4] == "-3"
    assert tokens(read(pa.array(["007", "7.0", " 7"]), FeatureType.TOKEN)) == ["007", "7.0", " 7"]


def test_a_column_of_nothing_is_missing():
    assert tokens(read(pa.nulls(2), FeatureType.TOKEN)) == [None, None]
    assert np.isnan(read(pa.nulls(2), FeatureType.FLOAT).values).all()
    assert rows(read(pa.nulls(2), FeatureType.TOKEN_SEQ)) == [[], []]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1.5, None, -2.0]),
        pa.array([1.5, float("nan"), -2.0], pa.float32()),
        pa.array(["1.5", None, "-2"]),
        pa.array(["+1.5", "NULL", "-2e0"]),
        pa.array(["1.5", "", "-2.0"]).dictionary_encode(),
        pa.array([Decimal("1.5"), None, Decimal("-2.0")]),
    ],
    ids=str,
)
def test_numbers_in_any_type(array):
    np.testing.assert_array_equal(read(array, FeatureType.FLOAT).values, [1.5, np.nan, -2.0])


def test_whole_and_boolean_numbers():
    assert read(pa.array([3, 2**40]), FeatureType.FLOAT).values.tolist() == [3.0, 2.0**40]
    assert read(pa.array([True, False]), FeatureType.FLOAT).values.tolist() == [1.0, 0.0]


MOMENT = datetime(2020, 1, 1, 0, 0, 1, 500_000)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_moments_are_seconds_since_1970(unit, zone):
    array = pa.array([MOMENT, None]).cast(pa.timestamp(unit)).cast(pa.timestamp(unit, zone))
    found = read(array, FeatureType.FLOAT).values
    np.testing.assert_array_equal(found, [1577836801.5, np.nan])


def test_days_are_seconds_since_1970():
    found = read(pa.array([date(2020, 1, 1), date(1969, 12, 31)]), FeatureType.FLOAT).values
    assert found.tolist() == [1577836800.0, -86400.0]


def test_truth_values_and_days_as_tokens():
    assert tokens(read(pa.array([True, None, False]), FeatureType.TOKEN)) == ["True", None, "False"]
    assert tokens(read(pa.array([date(2020, 1, 1)]), FeatureType.TOKEN)) == ["2020-01-01"]


SEQUENCES = [["1", "2"], [], ["3"], []]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([["1", "2"], [], ["3"], None]),
        pa.array([[1, 2], [None], [3, None], []]),
        pa.array([[1.0, 2.0], [], [float("nan"), 3.0], None], pa.large_list(pa.float64())),
        pa.array([["9"], ["1", "2"], [], ["3"], None]).slice(1),
        pa.array(["1 2", "", " 3 ", None]),
        pa.array(["1 2", "", "3", None]).dictionary_encode(),
    ],
    ids=str,
)
def test_token_sequences_in_any_type(array):
    assert rows(read(array, FeatureType.TOKEN_SEQ)) == SEQUENCES


def test_one_number_is_a_sequence_of_one():
    assert rows(read(pa.array([1, None]), FeatureType.TOKEN_SEQ)) == [["1"], []]


def test_lists_of_fixed_size_and_other_separators():
    pairs = pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int32(), 2))
    assert rows(read(pairs, FeatureType.TOKEN_SEQ)) == [["1", "2"], [], ["3", "4"]]
    text = pa.array(["a b|c", "d"])
    assert rows(read(text, FeatureType.TOKEN_SEQ, "|")) == [["a b", "c"], ["d"]]


@pytest.mark.parametrize(
    "array", [pa.array([[0.5, 1], [], None]), pa.array(["0.5 1", "", None])], ids=str
)
def test_number_sequences(array):
    assert rows(read(array, FeatureType.FLOAT_SEQ)) == [[0.5, 1.0], [], []]


@pytest.mark.parametrize(
    ("array", "feature_type", "row", "message"),
    [
        (pa.array(["1", "x", "y"]), FeatureType.FLOAT, 1, "expected a number, got 'x'"),
        (pa.array([1.0, 2.0, np.inf]), FeatureType.FLOAT, 2, "expected a finite number, got inf"),
        (pa.array(["1", "inf"]), FeatureType.FLOAT, 1, "expected a finite number, got 'inf'"),
        (pa.array([time(1, 2)]), FeatureType.FLOAT, None, "expected numbers, got time64"),
        (pa.array([[1.0]]), FeatureType.FLOAT, None, "expected numbers, got list"),
        (pa.array([["a"]]), FeatureType.TOKEN, None, "expected one token in each row, got list"),
        (pa.array([{"a": 1}]), FeatureType.TOKEN, None, "expected text or numbers, got struct"),
        (pa.array([time(1, 2)]), FeatureType.TOKEN, None, "expected text or numbers"),
        (pa.array(["1", "2 z"]), FeatureType.FLOAT_SEQ, 1, "expected a number, got 'z'"),
        (pa.array([["1"], [], ["2", "q"]]), FeatureType.FLOAT_SEQ, 2, "got 'q'"),
        (pa.array([["1"], [], ["q"]]), FeatureType.FLOAT_SEQ, 2, "got 'q'"),
        (pa.array([b"\xff"]), FeatureType.TOKEN, None, "UTF8"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(array, feature_type, row, message):
    with pytest.raises(CellError, match=message) as caught:
        read(array, feature_type)
    assert caught.value.column == "x"
    assert caught.value.row == row
