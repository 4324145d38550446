"""`describe` counts rightly, and each of its warnings comes when it should and not otherwise."""

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recbole.commands.command_line import main
from recbole.config import Config
from recbole.data import DataOptions, create_dataset
from recbole.data.description import bars_of
from recbole.data.files import read_atomic_files
from recbole.data.leaks import find_leaks
from recbole.errors import DataError
from recbole.quick_start.describe import describe

USERS, ITEMS = 32, 20


def tables():
    """A data set of which nothing bad can be said: 32 users, 20 items, ratings from 1 to 5."""
    random = np.random.default_rng(2)
    pairs = [(u, i) for u in range(USERS) for i in range(ITEMS) if random.random() < 0.6]
    inter = pd.DataFrame(pairs, columns=["user_id", "item_id"]).astype(str)
    inter["rating"] = random.integers(1, 6, len(inter)).astype(float)
    inter["timestamp"] = 1000.0 + np.arange(len(inter))
    inter["hour"] = random.integers(0, 24, len(inter)).astype(str)
    user = pd.DataFrame({"user_id": [str(u) for u in range(USERS)]})
    user["age"] = (20 + random.integers(0, 9, USERS)).astype(str)
    item = pd.DataFrame({"item_id": [str(i) for i in range(ITEMS)]})
    item["price"] = random.random(ITEMS)
    item["tags"] = [["a", "b"][: 1 + i % 2] for i in range(ITEMS)]
    return {"inter": inter, "user": user, "item": item}


def described(folder, changed=None, **options):
    """The description of these tables with some of them replaced."""
    path = folder / "dataset" / "shop"
    path.mkdir(parents=True, exist_ok=True)
    for suffix, frame in {**tables(), **(changed or {})}.items():
        arrow = pa.Table.from_pandas(frame, preserve_index=False)
        pq.write_table(arrow, path / f"shop.{suffix}.parquet")
    settings = {"threshold": {"rating": 3}, "data_path": str(folder / "dataset"), **options}
    return describe(Config("WideDeep", "shop", config_dict=settings))


def codes(description):
    return [caution.code for caution in description.cautions]


def text_of(description, code):
    (found,) = [caution.text for caution in description.cautions if caution.code == code]
    return found


def test_nothing_bad_is_said_of_good_data(tmp_path):
    found = described(tmp_path, multi_cls=5, numerical_features=["price"])
    assert found.cautions == []
    inter = tables()["inter"]
    assert found.read == found.kept
    assert (found.read.interactions, found.read.users, found.read.items) == (
        len(inter),
        USERS,
        ITEMS,
    )
    assert found.read.sparsity == pytest.approx(1 - len(inter) / (USERS * ITEMS))
    assert found.read.per_user == pytest.approx(inter.groupby("user_id").size().mean())
    assert found.read.per_item_median == inter.groupby("item_id").size().median()
    assert found.label.positive == pytest.approx((inter["rating"] >= 3).mean())
    assert [bar.count for bar in found.bars] == inter["rating"].value_counts().sort_index().tolist()
    assert [(bar.low, bar.high) for bar in found.bars] == [(k, k) for k in (1, 2, 3, 4, 5)]
    assert found.fit.multi_cls == 5


def test_fields(tmp_path):
    changed = tables()["user"].assign(age=["30"] * 23 + [None] * 8 + ["40"])
    chosen = {"inter": ["user_id", "item_id", "rating", "timestamp"], "user": "*", "item": "*"}
    found = described(tmp_path, {"user": changed}, load_col=chosen)
    fields = {(f.source, f.name): f for f in found.fields}
    price = tables()["item"]["price"]
    assert {key: f.role for key, f in fields.items()} == {
        ("inter", "user_id"): "user id",
        ("inter", "item_id"): "item id",
        ("inter", "rating"): "target",
        ("inter", "timestamp"): "time",
        ("inter", "hour"): "not loaded",
        ("user", "user_id"): "user id",
        ("user", "age"): "input",
        ("item", "item_id"): "item id",
        ("item", "price"): "no input",
        ("item", "tags"): "input",
    }
    age, tags = fields["user", "age"], fields["item", "tags"]
    assert (age.type, age.vocabulary, age.missing) == ("token", 2, 0.25)
    assert (tags.type, tags.vocabulary, tags.missing) == ("token_seq", 2, 0)
    found_price = fields["item", "price"]
    assert (found_price.low, found_price.high) == (price.min(), price.max())
    assert found_price.vocabulary is None
    assert fields["inter", "hour"].vocabulary is None


def test_fields_of_atomic_files(toy, tmp_path):
    config = Config("WideDeep", "toy", config_dict={**toy, "load_col": {
        "inter": ["user_id", "item_id", "rating"], "user": ["user_id", "age"]}})  # fmt: skip
    roles = {(f.source, f.name): f.role for f in describe(config).fields}
    assert roles["inter", "timestamp"] == roles["user", "height"] == "not loaded"
    assert roles["user", "age"] == "input"
    assert ("item", "year") not in roles


def test_cores_are_those_of_the_preparation(tmp_path):
    found = described(tmp_path)
    for core in found.cores:
        if not core.interactions:
            assert core.k == 50 or core.k > 10
            continue
        interval = f"[{core.k},inf)"
        config = Config("WideDeep", "shop", config_dict={
            "threshold": {"rating": 3}, "data_path": str(tmp_path / "dataset"),
            "user_inter_num_interval": interval, "item_inter_num_interval": interval})  # fmt: skip
        dataset = create_dataset(config)
        assert (core.interactions, core.users, core.items) == (
            dataset.inter_num, dataset.user_num - 1, dataset.item_num - 1)  # fmt: skip
    filtered = described(
        tmp_path, user_inter_num_interval="[11,inf)", val_interval={"rating": "[2,5]"}
    )
    assert filtered.kept.users < filtered.read.users
    assert filtered.cores[0].interactions > filtered.kept.interactions  # of the rows before it
    assert sum(bar.count for bar in filtered.bars) == filtered.kept.interactions
    assert filtered.bars[0].low == 2


def inter(**columns):
    return {"inter": tables()["inter"].assign(**columns)}


def item(**columns):
    return {"item": tables()["item"].assign(**columns)}


def user(**columns):
    return {"user": tables()["user"].assign(**columns)}


def mean_by(key, digits=None):
    means = tables()["inter"].groupby(key)["rating"].mean()
    means = means if digits is None else means.round(digits)
    return [means[str(n)] for n in range(USERS if key == "user_id" else ITEMS)]


RATING = tables()["inter"]["rating"]
NOISE = np.random.default_rng(9).normal(size=len(RATING))


@pytest.mark.parametrize(
    ("changed", "name", "how"),
    [
        (item(stars=mean_by("item_id")), "stars", "mean rating of each item"),
        (item(stars=mean_by("item_id", 1)), "stars", "mean rating of each item"),
        (item(stars=[f"{mean:.2f}" for mean in mean_by("item_id")]), "stars", "each item"),
        (item(anger=[-mean for mean in mean_by("item_id")]), "anger", "mean rating of each item"),
        (user(mean=mean_by("user_id")), "mean", "mean rating of each user"),
        (inter(again=RATING * 20), "again", "the rating of its row"),
        (inter(again=RATING + 0.3 * NOISE), "again", "the rating of its row"),
        (inter(verdict=RATING.map(lambda r: "good" if r > 3 else "bad" if r < 3 else "so so")),
         "verdict", "the rating of its row"),
    ],
)  # fmt: skip
def test_a_leak_is_found(tmp_path, changed, name, how):
    found = described(tmp_path, changed)
    text = text_of(found, "leak")
    assert f"'{name}'" in text and how in text
    suffix = next(iter(changed))
    is_number = changed[suffix][name].dtype.kind == "f"
    assert ("no input now" in text) == is_number
    if is_number:
        found = described(tmp_path, changed, numerical_features=[name])
    assert f"unload_col: {{{suffix}: [{name}]}}" in text_of(found, "leak")


@pytest.mark.parametrize(
    "changed",
    [
        item(price=np.asarray(mean_by("item_id")) + np.random.default_rng(3).normal(size=ITEMS)),
        item(
            count=tables()["inter"].groupby("item_id").size().reindex(map(str, range(ITEMS))).values
        ),
        item(title=[f"Item {n}" for n in range(ITEMS)]),
        inter(about=RATING + 3 * NOISE),
        inter(row=[f"t{n}" for n in range(len(RATING))]),
        user(few=[1.0] * (USERS - 5) + [None] * 5),
    ],
)
def test_what_is_no_leak(tmp_path, changed):
    assert "leak" not in codes(described(tmp_path, changed))


def test_items_with_many_ratings_count_more(tmp_path):
    """Averages of other people's ratings differ most where there are few."""
    frame = tables()["inter"]
    rare = frame["item_id"].astype(int) >= 14
    frame = frame[~rare | (frame["user_id"].astype(int) < 1)]
    stars = np.array(mean_by("item_id"))
    known = set(frame["item_id"])
    stars[14:] = np.where(np.arange(6) % 2, 1.0, 5.0)
    means = frame.groupby("item_id")["rating"].mean()
    pairs = [(means[str(n)], stars[n]) for n in range(ITEMS) if str(n) in known]
    assert abs(np.corrcoef(np.array(pairs).T)[0, 1]) < 0.8  # unweighted, they hide it
    weights = frame.groupby("item_id").size()
    changed = {"inter": frame, **item(stars=stars)}
    found = find_leaks_of(tmp_path, changed)
    expected = np.cov(
        np.array(pairs).T,
        fweights=[weights[str(n)] for n in range(ITEMS) if str(n) in known],
    )
    strength = abs(expected[0, 1]) / np.sqrt(expected[0, 0] * expected[1, 1])
    assert found["stars"] == pytest.approx(strength)


def find_leaks_of(folder, changed):
    """The strength of every leak, however weak."""
    described(folder, changed)
    options = DataOptions(threshold={"rating": 3})
    data = read_atomic_files(folder / "dataset" / "shop", "shop", options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recbole.data.leaks.SUSPICIOUS", 0.0)
        return {leak.name: leak.strength for leak in find_leaks(data, "rating", options)}


def test_a_constant_field(tmp_path):
    for changed, name in (
        (user(country="NL"), "country"),
        (item(weight=1.5), "weight"),
        (item(kinds=[["a", "b"]] * ITEMS), "kinds"),
        (item(nothing=pa.nulls(ITEMS, pa.string()).to_pandas()), "nothing"),
    ):
        assert f"'{name}' is the same in every row" in text_of(
            described(tmp_path, changed), "constant"
        )
    for changed in (
        user(country=["NL"] * (USERS - 1) + ["BE"]),
        user(country=["NL"] * (USERS - 1) + [None]),
        item(kinds=[["a", "b"]] * (ITEMS - 1) + [["b", "a"]]),
        item(kinds=[["a"]] * (ITEMS - 1) + [["a", "a"]]),
    ):
        assert "constant" not in codes(described(tmp_path, changed))


def test_duplicate_pairs(tmp_path):
    frame = tables()["inter"]
    twice = {"inter": pd.concat([frame, frame[:3], frame[:1]])}
    assert text_of(described(tmp_path, twice), "duplicates").startswith(
        "4 interactions are of a user"
    )
    assert "duplicates" not in codes(described(tmp_path, twice, rm_dup_inter="last"))


def test_ids_used_once(tmp_path):
    frame = tables()["inter"]
    fresh = frame[:4].assign(user_id=["x1", "x2", "x3", "x4"])
    users = pd.concat([tables()["user"], pd.DataFrame({"user_id": fresh["user_id"], "age": "20"})])
    changed = {"inter": pd.concat([frame, fresh]), "user": users}
    text = text_of(described(tmp_path, changed), "once")
    assert text.startswith("4 of 36 users (11%) have one interaction")
    assert "once" not in codes(described(tmp_path, changed, user_inter_num_interval="[2,inf)"))
    changed["inter"] = pd.concat([frame, fresh[:1]])  # one of 33 is not worth a word
    assert "once" not in codes(described(tmp_path, changed))


@pytest.mark.parametrize("times", [7.0, None])
def test_a_constant_time(tmp_path, times):
    column = pd.Series([times] * len(RATING), dtype=float)
    assert "is the same in every row" in text_of(
        described(tmp_path, inter(timestamp=column)), "time"
    )
    column[5] = 8.0
    column[6] = 9.0
    assert "time" not in codes(described(tmp_path, inter(timestamp=column)))


@pytest.mark.parametrize(
    ("multi_cls", "threshold", "message"),
    [
        (10, 3, "multi_cls=10 expects 10 rating levels"),
        (4, 3, "multi_cls=4 expects 4 rating levels"),
        (5, 6, "leaves no positive rating class"),
        (5, 3, None),
    ],
)
def test_levels_that_do_not_fit(tmp_path, multi_cls, threshold, message):
    found = described(tmp_path, multi_cls=multi_cls, threshold={"rating": threshold})
    if message is None:
        assert "multi_cls" not in codes(found)
    else:
        assert message in text_of(found, "multi_cls")


def test_labels_of_one_class_and_uneven_ones(tmp_path):
    assert text_of(described(tmp_path, threshold={"rating": 1}), "one_class").startswith(
        "Every row is a"
    )
    assert "Every row is none" in text_of(described(tmp_path, threshold={"rating": 6}), "one_class")
    rare = inter(rating=[5.0, 5.0] + [1.0] * (len(RATING) - 2))
    assert "very uneven" in text_of(described(tmp_path, rare), "lopsided")
    assert text_of(described(tmp_path, threshold=None), "no_label").startswith("Nothing says which")
    sampled = described(tmp_path, threshold=None, train_neg_sample_args={"sample_num": 1})
    assert "no_label" not in codes(sampled)


def test_a_label_column(tmp_path):
    label = (RATING >= 3).astype(float)
    frame = inter(label=label)["inter"].drop(columns="rating")
    found = described(tmp_path, {"inter": frame}, threshold=None)
    assert found.label.positive == pytest.approx(label.mean())
    assert (found.rating, found.bars, found.fit) == (None, [], None)
    assert found.cautions == []


def test_missing_ratings_and_fields(tmp_path):
    found = described(tmp_path, inter(rating=[5.0, None, *RATING[2:]]))
    text = text_of(found, "no_rating")
    assert text.startswith("1 interactions have no 'rating', the first at ") and "row 2;" in text
    mostly = user(age=["20", "30"] + [None] * (USERS - 2))
    assert text_of(described(tmp_path, mostly), "missing") == "'age' is missing in 94% of the rows"
    half = user(age=["20", "30"] * (USERS // 4) + [None] * (USERS // 2))
    assert "missing" not in codes(described(tmp_path, half))


def test_free_text_of_interactions(tmp_path):
    found = described(tmp_path, inter(comment=[f"text {n}" for n in range(len(RATING))]))
    assert "'comment' has" in text_of(found, "unique")
    found = described(tmp_path, inter(comment=[f"text {n // 3}" for n in range(len(RATING))]))
    assert "unique" not in codes(found)


def test_a_core_that_leaves_nothing(tmp_path):
    found = described(tmp_path, user_inter_num_interval="[100,inf)")
    assert "No interaction is left" in text_of(found, "empty")
    assert found.kept.interactions == 0
    assert found.bars


def test_bars_of_many_amounts():
    values = np.arange(1.0, 101)
    bars = bars_of(values, np.full(100, 2))
    assert len(bars) == 10
    assert sum(bar.count for bar in bars) == 200
    assert (bars[0].low, bars[-1].high) == (1, 100)
    assert all(one.high == other.low for one, other in pairwise(bars))
    assert {bar.count for bar in bars} == {20}
    tailed = np.unique(np.geomspace(1, 1e6, 500).round())
    counts = (1e6 / tailed).astype(np.int64)
    widths = [bar.high / bar.low for bar in bars_of(tailed, counts)]
    np.testing.assert_allclose(widths, widths[0])
    assert sum(bar.count for bar in bars_of(tailed, counts)) == counts.sum()


def test_options_and_files_are_checked_as_in_a_run(tmp_path):
    with pytest.raises(DataError, match=r"Did you mean 'price'\?"):
        described(tmp_path, numerical_features=["prise"])
    with pytest.raises(DataError, match="No data set 'shoe'"):
        describe(Config("WideDeep", "shoe", config_dict={"data_path": str(tmp_path / "dataset")}))


def test_the_command(tmp_path, monkeypatch, capsys):
    described(tmp_path, item(stars=mean_by("item_id")))
    monkeypatch.chdir(tmp_path)
    assert main(["data", "describe", "shop", "--threshold={rating: 3}", "--multi_cls=10"]) == 0
    text = capsys.readouterr().out
    for part in ("as read", "k-core", "████", "! 'stars' goes with", "! multi_cls=10 expects",
                 "no input", "Fitting: \"--threshold={rating: "):  # fmt: skip
        assert part in text
    assert main(["data", "describe", "shop", "--threshold={rating: 3}", "--output=json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [caution["code"] for caution in found["cautions"]] == ["leak"]
    assert found["cores"][0]["k"] == 2
    assert main(["data", "describe", "shop", "--treshold={rating: 3}"]) == 2
    assert "Did you mean 'threshold'?" in capsys.readouterr().err
    assert main(["data", "describe", "shop", "--output=xml"]) == 2
    assert main(["data", "describe"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_graded_numbers_are_described_by_their_levels(tmp_path):
    bins = {"rating_bins": {"method": "edges", "edges": [2.0, 4.0]}, "multi_cls": 3}
    found = described(tmp_path, threshold={"rating": "level 3"}, **bins)
    raw = described(tmp_path, threshold={"rating": 4})
    assert found.label.where == "level of rating >= 3"
    assert found.label.positive == pytest.approx(raw.label.positive)
    assert "multi_cls" not in codes(found)
