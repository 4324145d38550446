"""Parquet files give the Dataset that the same atomic files give, and are refused as plainly."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbole.data import DataOptions, create_dataset, from_pandas
from recbole.data.files import read_atomic_files
from recbole.data.schema import FeatureType
from recbole.errors import DataError
from tests.unit.data.data_files import INTER, ITEM, USER, StandIn, prepared, write
from tests.unit.data.same_datasets import assert_same

COLUMNS = {
    "inter": {
        "user_id": ["u1", "u2", "u1", "u3", "u2", "u3"],
        "item_id": ["a", "a", "b", "c", "c", "a"],
        "rating": pa.array([5, 3, 4, 1, 2, 5], pa.int8()),
        "timestamp": [10, 20, 30, 40, 50, 60],
    },
    "user": {
        "user_id": ["u3", "u1", "u2", "u9"],
        "age": pa.array([30, 20, 30, 40], pa.int16()),
        "income": [3.0, 1.0, None, 9.0],
    },
    "item": {
        "item_id": ["c", "a", "b", "z"],
        "genre": [["x", "y"], ["y"], None, ["z"]],
        "vector": [[0.5, 1.5], [2.5], [], [3.5, 4.5, 5.5]],
    },
}
OPTIONS = {
    "threshold": {"rating": 4},
    "numerical_features": ["income", "vector"],
    "discretization": {"income": {"method": "ED", "bucket": 2}},
}


def write_parquet(folder, name="toy", **tables):
    (folder / name).mkdir(exist_ok=True, parents=True)
    for suffix, columns in tables.items():
        pq.write_table(pa.table(columns), folder / name / f"{name}.{suffix}.parquet")
    return folder


def from_parquet(folder, tables, **options):
    write_parquet(folder, **tables)
    return create_dataset(StandIn(folder, **options))


def test_the_same_dataset_as_from_atomic_files(tmp_path):
    atomic = prepared(tmp_path / "atomic", **OPTIONS)
    assert_same(from_parquet(tmp_path / "parquet", COLUMNS, **OPTIONS), atomic)


def test_files_of_both_kinds_side_by_side(tmp_path):
    atomic = prepared(tmp_path / "atomic", **OPTIONS)
    write(tmp_path / "mixed", inter=INTER, item=ITEM)
    mixed = from_parquet(tmp_path / "mixed", {"user": COLUMNS["user"]}, **OPTIONS)
    assert_same(mixed, atomic)
    assert list(mixed.fingerprint) == ["toy.inter", "toy.user.parquet", "toy.item"]


def test_benchmark_parts(tmp_path):
    inter = pa.table(COLUMNS["inter"])
    (tmp_path / "toy").mkdir()
    for part, rows in (("a", inter[:3]), ("b", inter[3:4]), ("c", inter[4:])):
        pq.write_table(rows, tmp_path / "toy" / f"toy.{part}.inter.parquet")
    options = {"benchmark_filename": ["a", "b", "c"], "threshold": {"rating": 4}}
    dataset = create_dataset(StandIn(tmp_path, **options))
    assert [len(part) for part in dataset.build()] == [3, 1, 2]


def test_columns_are_chosen_by_the_same_options(tmp_path):
    chosen = {"load_col": {"inter": ["user_id", "item_id", "rating"], "item": None}}
    dataset = from_parquet(tmp_path, COLUMNS, threshold={"rating": 4}, **chosen)
    assert [f.name for f in dataset.schema.fields] == ["user_id", "item_id", "genre"]
    fewer = create_dataset(StandIn(tmp_path, seq_len={"genre": 1}, unload_col={"user": ["age"]}))
    assert "age" not in fewer.get_user_feature()
    assert fewer.get_item_feature()["genre"].shape == (5, 1)
    with pytest.raises(
        DataError, match=r"toy.user.parquet: unload_col names the column 'aeg'.*age"
    ):
        create_dataset(StandIn(tmp_path, unload_col={"user": ["aeg"]}))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array(["1"]), "token"),
        (pa.array(["1"], pa.large_string()), "token"),
        (pa.array(["1"]).dictionary_encode(), "token"),
        (pa.array([1]), "token"),
        (pa.array([1]).dictionary_encode(), "token"),
        (pa.array([True]), "token"),
        (pa.nulls(1), "token"),
        (pa.array([1.5]), "float"),
        (pa.array([1.5], pa.float32()), "float"),
        (pa.array([1.5]).cast(pa.decimal128(5, 2)), "float"),
        (pa.array([1]).cast(pa.timestamp("s")), "float"),
        (pa.array([["a"]]), "token_seq"),
        (pa.array([[1]]), "token_seq"),
        (pa.array([[1.5]]), "float_seq"),
        (pa.array([[1.5, 2.5]], pa.list_(pa.float32(), 2)), "float_seq"),
    ],
    ids=str,
)
def test_types_of_the_schema(tmp_path, array, expected):
    write_parquet(tmp_path, inter={"user_id": [7], "item_id": [8.0], "x": array})
    types = read_atomic_files(tmp_path / "toy", "toy", DataOptions()).types()
    assert types["x"] is FeatureType(expected)
    assert types["user_id"] is types["item_id"] is FeatureType.TOKEN


def test_what_options_use_as_a_number_is_one(tmp_path):
    columns = {
        "user_id": [7, 8],
        "item_id": [1, 1],
        "n": [3, 4],
        "timestamp": [1, 2],
        "label": [0, 1],
    }
    write_parquet(tmp_path, inter=columns)
    options = DataOptions(numerical_features=["n"])
    types = read_atomic_files(tmp_path / "toy", "toy", options).types()
    assert [types[name].value for name in ("n", "timestamp", "label")] == ["float"] * 3
    assert read_atomic_files(tmp_path / "toy", "toy", DataOptions()).types()["n"].value == "token"


def with_metadata(**types):
    arrow = pa.table({"user_id": ["u"], "item_id": ["a"], "zip": [90210], "tags": ["x y"]})
    fields = [
        field.with_metadata({"recbole_type": types[field.name]}) if field.name in types else field
        for field in arrow.schema
    ]
    return arrow.cast(pa.schema(fields))


def test_metadata_of_a_column_overrides_its_type(tmp_path):
    write_parquet(tmp_path, inter={})
    path = tmp_path / "toy" / "toy.inter.parquet"
    pq.write_table(with_metadata(zip="float", tags="token_seq"), path)
    table = read_atomic_files(tmp_path / "toy", "toy", DataOptions()).interactions
    assert table["zip"].values.tolist() == [90210.0]
    assert table["tags"].elements.vocabulary.to_pylist() == ["x", "y"]
    pq.write_table(with_metadata(zip="tokne"), path)
    with pytest.raises(DataError, match=r"'zip': unknown type 'tokne'.* Did you mean 'token'\?"):
        read_atomic_files(tmp_path / "toy", "toy", DataOptions())


def test_ids_of_floats_are_whole_tokens(tmp_path):
    """pandas turns a column of whole numbers into floats as soon as one is missing."""
    write_parquet(tmp_path, inter={"user_id": [7.0, None], "item_id": [1, 2]})
    ids = read_atomic_files(tmp_path / "toy", "toy", DataOptions()).interactions["user_id"]
    assert ids.vocabulary.to_pylist() == ["7"]
    assert ids.missing.tolist() == [False, True]


GOOD = {"user_id": ["u", "v"], "item_id": ["a", "b"]}


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({**GOOD, "x": [{"a": 1}, None]}, "column 'x': expected text, numbers, .* got struct"),
        ({"user_id": [["u"]], "item_id": ["a"]}, "id column 'user_id' .* got token_seq"),
        ({"userid": ["u"], "item_id": ["a"]}, "expected the column 'user_id'.*mean 'userid'"),
        ({**GOOD, "rating": ["4", "good"]}, "toy.inter.parquet, row 2: column 'rating': expected"
         " a number, got 'good'"),
        ({**GOOD, "rating": [4.0, np.inf]}, "toy.inter.parquet, row 2: column 'rating': .*inf"),
        ({name: cells[:0] for name, cells in GOOD.items()}, "expected at least one row, got none"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(tmp_path, columns, message):
    write_parquet(tmp_path, inter=columns)
    with pytest.raises(DataError, match=message):
        create_dataset(StandIn(tmp_path, threshold={"rating": 4}))


def test_an_index_without_a_name_is_no_column(tmp_path):
    """pandas writes the labels of the rows that a filter has left as __index_level_0__."""
    inter = pa.table(COLUMNS["inter"]).to_pandas()
    (tmp_path / "toy").mkdir()
    path = tmp_path / "toy" / "toy.inter.parquet"
    chosen = inter[inter.rating > 1]
    chosen.to_parquet(path)
    assert "__index_level_0__" in pq.read_schema(path).names
    dataset = create_dataset(StandIn(tmp_path))
    names = ["user_id", "item_id"]
    assert [field.name for field in dataset.schema.fields] == names
    assert_same(from_pandas(pa.Table.from_pandas(chosen)), from_pandas(chosen))
    chosen.rename_axis("place").to_parquet(path)
    named = create_dataset(StandIn(tmp_path))
    assert [field.name for field in named.schema.fields] == [*names, "place"]


def test_an_unreadable_column_may_be_left_out(tmp_path):
    write_parquet(tmp_path, inter={**GOOD, "x": [{"a": 1}, None]})
    assert len(create_dataset(StandIn(tmp_path, unload_col={"inter": ["x"]}))) == 2


def test_a_missing_target_is_named_by_its_row(tmp_path):
    write_parquet(tmp_path, inter={**GOOD, "rating": [4, None]})
    with pytest.raises(DataError, match=r"toy.inter.parquet, row 2: expected a number in the targ"):
        create_dataset(StandIn(tmp_path, threshold={"rating": 4}))


@pytest.mark.parametrize("suffix", ["inter", "user"])
def test_an_atomic_and_a_parquet_file_of_one_name_are_refused(tmp_path, suffix):
    write(tmp_path, inter=INTER, user=USER)
    write_parquet(tmp_path, **{suffix: COLUMNS[suffix]})
    message = rf"toy.{suffix} and toy.{suffix}.parquet are both there; expected one of them"
    with pytest.raises(DataError, match=message):
        create_dataset(StandIn(tmp_path))


def test_a_file_that_is_no_parquet(tmp_path):
    write(tmp_path, inter_parquet=INTER)
    with pytest.raises(DataError, match=r"toy.inter.parquet: expected a Parquet file"):
        create_dataset(StandIn(tmp_path))
    duplicate = pa.Table.from_arrays([pa.array(["u"])] * 2, names=["user_id", "user_id"])
    pq.write_table(duplicate, tmp_path / "toy" / "toy.inter.parquet")
    with pytest.raises(DataError, match=r"toy.inter.parquet: the column 'user_id' stands twice"):
        create_dataset(StandIn(tmp_path))


def test_a_missing_file_names_parquet_files_too(tmp_path):
    write_parquet(tmp_path, user=COLUMNS["user"])
    with pytest.raises(DataError, match=r"toy.inter: no such file.*: toy.user.parquet\."):
        create_dataset(StandIn(tmp_path))
