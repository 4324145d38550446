"""A Dataset's target, features and figures; the rating is never a feature, whatever asks for it."""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pytest
import torch

from recbole.data import FeatureSource, FeatureType, Schema, create_dataset, data_preparation
from recbole.errors import DataError
from tests.unit.data.data_files import INTER, ITEM, USER, StandIn, prepared, write

FILES = {"inter": INTER, "user": USER, "item": ITEM}


def names(dataset):
    return [field.name for field in dataset.schema.fields]


def test_label_rating_and_schema(tmp_path):
    dataset = prepared(tmp_path, threshold={"rating": 3}, numerical_features=["vector"])
    assert dataset.inter_feat["label"].tolist() == [1, 1, 1, 0, 0, 1]
    assert dataset.inter_feat["rating"].tolist() == [5, 3, 4, 1, 2, 5]
    assert dataset.inter_feat["rating"].dtype == torch.float32
    target = dataset.schema.target
    assert (target.label_field, target.rating_field, target.threshold) == ("label", "rating", 3.0)
    assert target.levels == (1.0, 2.0, 3.0, 4.0, 5.0)
    assert names(dataset) == ["user_id", "item_id", "age", "genre", "vector"]
    sources = [field.source for field in dataset.schema.fields]
    assert sources[:3] == [FeatureSource.USER_ID, FeatureSource.ITEM_ID, FeatureSource.USER]
    assert Schema.from_dict(dataset.schema.to_dict()) == dataset.schema


@pytest.mark.parametrize("as_token", [False, True])
@pytest.mark.parametrize(
    "listed",
    [
        {},
        {"numerical_features": ["rating", "label", "timestamp"]},
        {"normalize_field": ["rating"]},
        {
            "numerical_features": ["rating"],
            "discretization": {"rating": {"method": "ED", "bucket": 2}},
        },
    ],
)
def test_the_rating_is_never_a_feature(tmp_path, caplog, as_token, listed):
    lines = INTER.splitlines()
    if as_token:
        lines[0] = lines[0].replace("rating:float", "rating:token")
    rows = [line.split("\t") for line in lines[1:]]
    ratings = [row[2] for row in rows]
    datasets = []
    for number, shuffled in enumerate((ratings, ratings[::-1], ["4"] * 6)):
        table = [[u, i, r, t] for (u, i, _, t), r in zip(rows, shuffled, strict=True)]
        text = "\n".join([lines[0], *("\t".join(row) for row in table)]) + "\n"
        files = {"inter": text, "user": USER, "item": ITEM}
        options = {"threshold": {"rating": 4}, **listed}
        datasets.append(prepared(tmp_path / str(number), files, **options))
    first = datasets[0]
    assert not {"rating", "label"} & set(names(first))
    assert first.inter_feat["rating"].tolist() == [5, 3, 4, 1, 2, 5]
    assert ("left out of the inputs" in caplog.text.replace("\n", " ")) == (
        as_token or bool(listed)
    )
    for other in datasets[1:]:
        assert other.schema.fields == first.schema.fields
        batch, same = other[torch.arange(6)], first[torch.arange(6)]
        for name in names(first):
            assert torch.equal(batch[name], same[name])
        assert batch["rating"].tolist() != same["rating"].tolist()


def test_a_label_column_without_a_threshold(tmp_path):
    inter = INTER.replace("rating:float", "label:token")
    for old, new in (("5\t", "1\t"), ("3\t20", "0\t20"), ("4\t", "1\t"), ("2\t", "0\t")):
        inter = inter.replace(f"\t{old}", f"\t{new}")
    dataset = prepared(tmp_path, {"inter": inter})
    assert dataset.inter_feat["label"].tolist() == [1, 0, 1, 1, 0, 1]
    assert dataset.schema.target.rating_field is None and "label" not in names(dataset)
    bad = inter.replace("\t0\t50", "\t2\t50")
    with pytest.raises(
        DataError, match=r"toy.inter, line 6: expected 0 or 1 in the label column.*got 2"
    ):
        prepared(tmp_path / "b", {"inter": bad})


def test_a_target_that_is_missing_or_no_number_is_refused_with_its_line(tmp_path):
    options = {"threshold": {"rating": 4}}
    with pytest.raises(
        DataError, match=r"line 4: expected a number in the target column 'rating', got none"
    ):
        prepared(tmp_path, {"inter": INTER.replace("\t4\t", "\t\t")}, **options)
    text = INTER.replace("rating:float", "rating:token").replace("\t4\t", "\tgood\t")
    with pytest.raises(
        DataError, match=r"line 4: target column 'rating': expected a number, got 'good'"
    ):
        prepared(tmp_path, {"inter": text}, **options)
    with pytest.raises(DataError, match=r"threshold names 'ratng'.*Did you mean 'rating'\?"):
        prepared(tmp_path, threshold={"ratng": 4})


def test_without_label_or_threshold_there_is_nothing_to_train_on(tmp_path):
    config = StandIn(write(tmp_path, **FILES))
    with pytest.raises(DataError, match="expected a label; set threshold"):
        data_preparation(config, create_dataset(config))


def test_what_is_unused_serves_preparation_only(tmp_path):
    unused = {"user": ["age"], "inter": ["rating"]}
    dataset = prepared(
        tmp_path, unused_col=unused, val_interval={"age": ["30"]}, threshold={"rating": 4}
    )
    assert names(dataset) == ["user_id", "item_id", "genre"]
    assert len(dataset) == 4 and dataset.inter_feat["label"].tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"numerical_features": ["incom"]}, r"numerical_features names 'incom'.*mean 'income'\?"),
        ({"numerical_features": ["age"]}, "of type float or float_seq, got 'age' of type token"),
        ({"normalize_field": ["genre"]}, "normalize_field: expected columns of type float"),
        ({"discretization": {"income": {"method": "LD"}}}, "that numerical_features lists: none"),
        ({"seq_len": {"age": 3}}, "of type token_seq or float_seq, got 'age' of type token"),
        ({"unused_col": {"user": ["genre"]}}, "unused_col names 'genre' of .user"),
        ({"unused_col": {"user": ["user_id"]}}, "names the id column"),
        (
            {"load_col": {"inter": ["user_id", "rating"]}},
            r"expected the column 'item_id' \(option ITEM_ID_FIELD\)",
        ),
        ({"load_col": {"inter": []}}, "leaves out every column"),
        ({"USER_ID_FIELD": "rating", "RATING_FIELD": "r"}, "to be of type token, got float"),
        ({"USER_ID_FIELD": "uid"}, r"expected the column 'uid' \(option USER_ID_FIELD\)"),
    ],
)
def test_an_option_that_does_not_fit_the_files_is_refused(tmp_path, options, message):
    with pytest.raises(DataError, match=message):
        prepared(tmp_path, **options)


def test_a_column_in_two_files_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"'age' is in both the .user and the .item file"):
        prepared(
            tmp_path, {"inter": INTER, "user": USER, "item": "item_id:token\tage:token\na\t1\n"}
        )


def test_a_file_asked_for_must_be_there(tmp_path):
    with pytest.raises(
        DataError, match=r"toy.user: no such file. The atomic files in .*: toy.inter"
    ):
        prepared(tmp_path, {"inter": INTER}, load_col={"inter": "*", "user": ["user_id"]})
    dataset = prepared(tmp_path, {"inter": INTER}, load_col={"inter": None, "user": None})
    assert dataset.user_feat is None and names(dataset) == ["user_id", "item_id"]


def test_benchmark_files_are_the_parts_unfiltered(tmp_path):
    lines = INTER.splitlines()
    cut = {
        "inter": lines[:3],
        "b_inter": [lines[0], *lines[3:5]],
        "c_inter": [lines[0], *lines[5:]],
    }
    files = {name: "\n".join(text) + "\n" for name, text in cut.items()}
    files["a_inter"] = files.pop("inter")
    options = {
        "benchmark_filename": ["a", "b", "c"],
        "threshold": {"rating": 4},
        "user_inter_num_interval": "[5,inf)",
    }
    dataset = prepared(tmp_path, {**files, "user": USER}, **options)
    assert [part.inter_feat["rating"].tolist() for part in dataset.build()] == [
        [5, 3],
        [4, 1],
        [2, 5],
    ]
    assert sorted(dataset.fingerprint) == ["toy.a.inter", "toy.b.inter", "toy.c.inter", "toy.user"]
    assert dataset.encoder.tokens("item_id") == ["[PAD]", "a", "b", "c"]
    broken = {**files, "b_inter": files["b_inter"].replace("u1\t", "\t")}
    with pytest.raises(DataError, match=r"toy.b.inter, line 2: expected an id in column 'user_id'"):
        prepared(tmp_path / "x", broken, **options)
    other = {**files, "c_inter": files["c_inter"].replace("rating:float", "stars:float")}
    with pytest.raises(DataError, match=r"expected the same columns in toy.a.inter, toy.b.inter"):
        prepared(tmp_path / "y", other, **options)


BENCHMARK = {
    **dict.fromkeys(("a_inter", "b_inter", "c_inter"), INTER),
    "user": USER,
    "item": ITEM,
}


def test_benchmark_files_of_users_and_items_are_checked_too(tmp_path, caplog):
    options = {"benchmark_filename": ["a", "b", "c"]}
    nameless = {**BENCHMARK, "user": USER + "\t77\t7\n"}
    ages = prepared(tmp_path, nameless, **options).get_user_feature()["age"].tolist()
    assert ages == prepared(tmp_path / "x", BENCHMARK, **options).get_user_feature()["age"].tolist()
    (warning,) = caplog.messages
    assert re.fullmatch(r"1 rows without 'user_id' are dropped: .*toy.user, line 6", warning)
    twice = {**BENCHMARK, "item": ITEM + "a\tx\t1\n"}
    with pytest.raises(DataError, match=r"toy.item, line 6: 'item_id' = 'a' already has a row"):
        prepared(tmp_path / "y", twice, **options)
    none = {**BENCHMARK, "user": "user_id:token\tage:token\n\t77\n"}
    with pytest.raises(DataError, match=r"No row of .user is left after missing ids"):
        prepared(tmp_path / "z", none, **options)


def test_figures_and_names(tmp_path):
    dataset = prepared(tmp_path, threshold={"rating": 4}, eval_args={"split": {"RS": [4, 1, 1]}})
    assert (dataset.user_num, dataset.item_num, dataset.inter_num, len(dataset)) == (5, 5, 6, 6)
    assert (dataset.avg_actions_of_users, dataset.avg_actions_of_items) == (2.0, 2.0)
    assert dataset.sparsity == pytest.approx(1 - 6 / 25)
    assert (dataset.uid_field, dataset.iid_field) == ("user_id", "item_id")
    assert (dataset.label_field, dataset.time_field) == ("label", "timestamp")
    assert dataset.fields(FeatureType.TOKEN_SEQ) == ["genre"]
    assert dataset.fields(source=[FeatureSource.USER_ID, FeatureSource.USER]) == ["user_id", "age"]
    assert dataset.fields(FeatureType.FLOAT) == ["rating", "label", "timestamp"]
    assert dataset.num("genre") == 4 and dataset.num("rating") == 1
    assert dataset.inter_feat["timestamp"].tolist() == [10, 20, 30, 40, 50, 60]
    assert dataset.statistics["parts"] == {"train": 4, "valid": 1, "test": 1}
    assert dataset.statistics["users"] == 4 and list(dataset.statistics["fields"]) == names(dataset)
    assert dataset.fingerprint["toy.user"] == hashlib.sha256(USER.encode()).hexdigest()
    assert "6 interactions of 4 users with 4 items" in str(dataset)
    assert "label = rating >= 4" in str(dataset)
    with pytest.raises(DataError, match=r"unknown field 'genres'.*Did you mean 'genre'"):
        dataset.num("genres")


def test_one_warning_for_each_option_that_lists_the_target(tmp_path, caplog):
    prepared(tmp_path, numerical_features=["rating"], normalize_field=["rating", "income"])
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        "numerical_features: 'rating' is the target, so it is left out of the inputs",
        "normalize_field: 'rating' is the target, so it is left out of the inputs",
    ]


def test_features_by_id_with_and_without_files(tmp_path):
    dataset = prepared(tmp_path)
    assert dataset.get_item_feature() is dataset.item_feat
    bare = prepared(tmp_path / "bare", {"inter": INTER})
    assert bare.get_user_feature()["user_id"].tolist() == [0, 1, 2, 3]
    assert bare.get_item_feature().columns == ["item_id"]
    assert bare[torch.tensor([0])].columns == ["user_id", "item_id", "rating", "timestamp"]


def test_tokens_and_ids_both_ways(tmp_path):
    dataset = prepared(tmp_path)
    assert dataset.token2id("user_id", "u2") == 2
    assert dataset.token2id("user_id", ["u9", "u1"]).tolist() == [4, 1]
    assert dataset.id2token("item_id", 3) == "c" and dataset.id2token("item_id", 0) == "[PAD]"
    assert dataset.id2token("item_id", torch.tensor([[1, 2]])).tolist() == [["a", "b"]]
    assert dataset.id2token("item_id", np.array([4])).tolist() == ["z"]
    with pytest.raises(DataError, match="token 'u5' does not occur in 'user_id'"):
        dataset.token2id("user_id", ["u1", "u5"])
    with pytest.raises(DataError, match="expected ids of 'item_id' from 0 to 4, got 5 to 5"):
        dataset.id2token("item_id", 5)


def test_a_data_set_that_is_not_there_is_fetched(tmp_path, monkeypatch):
    import recbole.data.download as download

    def fetch(name, folder):
        assert (name, folder) == ("toy", tmp_path / "toy")
        write(tmp_path, **FILES)

    monkeypatch.setattr(download, "ensure_dataset", fetch)
    assert len(create_dataset(StandIn(tmp_path))) == 6


@pytest.mark.parametrize("order", ["RO", "TO"])
def test_a_copy_with_other_interactions_is_split_by_itself(tmp_path, order):
    eval_args = {"split": {"RS": [0.6, 0.2, 0.2]}, "order": order, "group_by": None}
    dataset = prepared(tmp_path, eval_args=eval_args, threshold={"rating": 3})
    dataset.build()
    kept = torch.tensor([5, 3, 2, 0, 4])
    parts = dataset.copy(dataset.inter_feat.take(kept)).build()
    assert [len(part) for part in parts] == [3, 1, 1]
    times = torch.cat([part.inter_feat["timestamp"] for part in parts])
    assert sorted(times.tolist()) == sorted(dataset.inter_feat["timestamp"][kept].tolist())
    if order == "TO":
        assert times.tolist() == sorted(times.tolist())
    assert [len(part) for part in dataset.build()] == [4, 1, 1]  # the original is as it was
