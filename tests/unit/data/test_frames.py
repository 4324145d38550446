"""Data frames give the Dataset that files of the same content give."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from recbole.config import Config
from recbole.data import create_dataset, from_pandas
from recbole.errors import ConfigError, DataError
from tests.unit.data.data_files import StandIn, prepared, write
from tests.unit.data.same_datasets import assert_same
from tests.unit.data.test_data_parquet import COLUMNS, OPTIONS


def frames():
    """The files of `data_files` as data frames."""
    tables = {name: pa.table(columns).to_pandas() for name, columns in COLUMNS.items()}
    return tables["inter"], tables["user"], tables["item"]


def test_the_same_dataset_as_from_files(tmp_path):
    dataset = from_pandas(*frames(), config=OPTIONS)
    assert_same(dataset, prepared(tmp_path, **OPTIONS))
    assert dataset.dataset_name == "dataframe"


def test_the_frames_stay_as_they_are():
    given = frames()
    from_pandas(*given, config=OPTIONS)
    for frame, fresh in zip(given, frames(), strict=True):
        pd.testing.assert_frame_equal(frame, fresh)


def test_every_dtype_of_the_same_content(tmp_path):
    inter, user, item = frames()
    expected = from_pandas(inter, user, item, config=OPTIONS)
    others = [
        (inter.astype({"user_id": "category", "item_id": "string", "rating": str}), user, item),
        (inter.astype({"user_id": object, "rating": float}), user.astype({"age": float}), item),
        (inter.set_index(pd.Index(list("zyxwvu"))), user.astype({"age": "Int64"}), item),
        tuple(map(pa.Table.from_pandas, (inter, user, item))),
        (pa.table(COLUMNS["inter"]).to_pydict(), user, item),
    ]
    for other in others:
        types = {"age": "token"}
        assert_same(from_pandas(*other, config=OPTIONS, types=types), expected)


def test_moments_order_the_rows(tmp_path):
    inter, *_ = frames()
    moments = inter.assign(timestamp=pd.to_datetime(inter["timestamp"][::-1].values, unit="s"))
    args = {"order": "TO", "split": {"RS": [0.5, 0.25, 0.25]}}
    dataset = from_pandas(moments, config={"threshold": {"rating": 4}, "eval_args": args})
    assert dataset.inter_feat["timestamp"].tolist() == [60, 50, 40, 30, 20, 10]
    train, *_ = dataset.build()
    assert train.inter_feat["timestamp"].tolist() == [10, 20, 30, 40]


def test_a_config_says_options_seed_and_name(tmp_path):
    inter, user, item = frames()
    config = Config("DCNV2", "shop", config_dict={**OPTIONS, "seed": 7})
    dataset = from_pandas(inter, user, item, config=config)
    assert (dataset.dataset_name, dataset.settings["seed"]) == ("shop", 7)
    expected = from_pandas(inter, user, item, config={**OPTIONS, "seed": 7}, name="shop")
    assert_same(dataset, expected)
    another = from_pandas(inter, user, item, config=OPTIONS)
    parts = [[p.inter_feat["timestamp"].tolist() for p in d.build()] for d in (dataset, another)]
    assert parts[0] != parts[1]


def test_types_can_be_said():
    inter, user, item = frames()
    item["genre"] = item["genre"].map(lambda genres: " ".join(genres) if genres is not None else "")
    types = {"genre": "token_seq", "age": "float"}
    options = {**OPTIONS, "discretization": None}
    dataset = from_pandas(inter, user, item, config=options, types=types)
    sizes = {field.name: (field.type.value, field.size) for field in dataset.schema.fields}
    assert sizes["genre"] == ("token_seq", 4)
    assert "age" not in sizes


def test_the_fingerprint_is_of_the_content():
    inter, user, item = frames()
    first = from_pandas(inter, user, item).fingerprint
    assert list(first) == ["interactions", "users", "items"]
    reordered = inter.astype({"user_id": pd.CategoricalDtype(["u3", "u2", "u1"])})
    assert from_pandas(reordered, user, item).fingerprint == first
    cells = ((0, "user_id", "u2"), (5, "user_id", "u2"), (0, "rating", 2), (0, "timestamp", 11))
    for row, column, cell in cells:
        changed = inter.copy()
        changed.loc[row, column] = cell
        found = from_pandas(changed, user, item).fingerprint
        assert [name for name in first if found[name] != first[name]] == ["interactions"]
    swapped = item.assign(genre=[["y", "x"], *item["genre"][1:]])
    assert from_pandas(inter, user, swapped).fingerprint["items"] != first["items"]
    moved = item.assign(genre=[["x"], ["y", "y"], *item["genre"][2:]])
    assert from_pandas(inter, user, moved).fingerprint["items"] != first["items"]


INTER = pd.DataFrame({"user_id": ["u", "v"], "item_id": [1, 2], "rating": [5, 3]})


@pytest.mark.parametrize(
    ("interactions", "message"),
    [
        (INTER.rename(columns={"user_id": "User"}), "interactions: expected the column 'user_id'"),
        (INTER.assign(rating=["5", "x"]), "interactions, row 2: column 'rating': expected a n"),
        (INTER.assign(user_id=["u", 5]), "interactions: expected one type in each col.*user_id"),
        (INTER.assign(x=[{"a": 1}, None]), "interactions: column 'x': expected text, .* struct"),
        (INTER[:0], "interactions: expected at least one row, got none"),
        (INTER.assign(rating=[5, np.nan]), "interactions, row 2: expected a number in the target"),
        (3, "expected a data frame, a pyarrow Table or a dictionary of columns, got int"),
    ],
)  # fmt: skip
def test_frames_that_do_not_fit_are_refused(interactions, message):
    with pytest.raises(DataError, match=message):
        from_pandas(interactions, config={"threshold": {"rating": 4}})


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"config": {"treshold": 4}}, ConfigError, "Did you mean 'threshold'?"),
        ({"config": {"multi_cls": 5}}, ConfigError, "give others to the run"),
        ({"config": {"threshold": 4}}, ConfigError, "'threshold' .from_pandas.: expected a dict"),
        ({"config": {"seed": -1}}, ConfigError, "'seed' .from_pandas.: expected a whole number"),
        ({"config": {"benchmark_filename": ["a", "b", "c"]}}, ConfigError, "benchmark_filename"),
        ({"config": {"load_col": {"inter": ["userid"]}}}, DataError, "mean 'user_id'?"),
        ({"types": {"raiting": "float"}}, DataError, "Did you mean 'rating'?"),
        ({"types": {"rating": "flaot"}}, DataError, "unknown type 'flaot'.*Did you mean 'float'?"),
        ({"config": {"load_col": {"user": ["user_id"]}}}, DataError, "leaves out every column"),
    ],
)
def test_what_is_asked_for_wrongly_is_refused(keywords, error, message):
    with pytest.raises(error, match=message):
        from_pandas(INTER, **keywords)


def test_splitting_and_batching_may_be_chosen_later(tmp_path):
    dataset = from_pandas(*frames(), config=OPTIONS)
    args = {"split": {"RS": [0.5, 0.5, 0]}}
    later = StandIn(tmp_path, seed=3, **OPTIONS, eval_args=args, train_batch_size=2)
    other = dataset.with_options(later.data, 3)
    write(tmp_path)
    expected = from_pandas(*frames(), config={**OPTIONS, "eval_args": args, "seed": 3})
    assert_same(other, expected)
    assert [len(part) for part in dataset.build()] == [4, 1, 1]
    with pytest.raises(ConfigError, match=r"'threshold': the Dataset was prepared .*4.*got .*5"):
        dataset.with_options(StandIn(tmp_path, **{**OPTIONS, "threshold": {"rating": 5}}).data, 3)


def test_a_run_by_hand_as_in_recbole(tmp_path):
    from recbole.data import data_preparation

    config = StandIn(tmp_path, **OPTIONS, eval_args={"split": {"RS": [0.5, 0.25, 0.25]}})
    dataset = from_pandas(*frames(), config=config)
    train, valid, test = data_preparation(config, dataset)
    assert [len(loader.dataset) for loader in (train, valid, test)] == [4, 1, 1]
    with pytest.raises(DataError, match="No data set"):
        create_dataset(config)
