"""Recommendations are the best of all unseen items, and what is asked for wrongly is refused."""

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from recbole.commands.command_line import main
from recbole.commands.recommend_command import users_named
from recbole.errors import CheckpointError, ConfigError, DataError
from recbole.evaluator.full_ranking import FullRanker
from recbole.quick_start import predict, recommend
from tests.unit.quick_start.shop import ITEMS, USERS, WITHOUT_CONTEXT, train, write_shop


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A folder with the data, and a model of users and items alone."""
    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder / "dataset")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        path = train(folder, "saved", "WideDeep", multi_cls=5, **WITHOUT_CONTEXT)
    return folder, path


def seen_of(folder):
    """The items of each user, by tokens, from the file itself."""
    seen = {str(user): set() for user in range(1, USERS + 1)}
    for line in (folder / "dataset/shop/shop.inter").read_text().splitlines()[1:]:
        user, item = line.split("\t")[:2]
        seen[user].add(item)
    return seen


def lists_of(table):
    """By user, the ranks, items and scores in the order of the table."""
    lists = {}
    for row in table.to_dict("records"):
        lists.setdefault(row["user_id"], []).append(
            (row["rank"], row["item_id"], row["click_probability"])
        )
    return lists


def brute_force(path, seen, topk):
    """Every pair scored on its own, sorted by score, seen items left out."""
    items = [str(item) for item in range(1, ITEMS + 1)]
    lists = {}
    for user in seen:
        pairs = {"user_id": [user] * ITEMS, "item_id": items}
        scores = dict(zip(items, predict(path, pairs)["click_probability"].tolist(),
                          strict=True))  # fmt: skip
        left = sorted((item for item in items if item not in seen[user]), key=lambda i: -scores[i])
        lists[user] = [(rank, item, scores[item]) for rank, item in enumerate(left[:topk], 1)]
    return lists


@pytest.mark.parametrize("topk", [1, 5, 1000])
def test_the_lists_are_the_best_unseen_items(shop, topk):
    folder, path = shop
    seen = seen_of(folder)
    found, expected = lists_of(recommend(path, None, topk)), brute_force(path, seen, topk)
    assert found.keys() == expected.keys()
    for user, wanted in expected.items():
        assert len(found[user]) == len(wanted) == min(topk, ITEMS - len(seen[user]))
        assert [rank for rank, _, _ in found[user]] == list(range(1, len(wanted) + 1))
        assert not {item for _, item, _ in found[user]} & seen[user]
        scores = [score for _, _, score in found[user]]
        np.testing.assert_allclose(scores, [score for _, _, score in wanted], atol=1e-6)
        if len(set(np.round(scores, 5))) == len(scores):
            assert [item for _, item, _ in found[user]] == [item for _, item, _ in wanted]


def test_little_memory_gives_the_same_lists(shop, monkeypatch):
    budgets, whole = [], FullRanker.__init__
    monkeypatch.setattr(
        FullRanker, "__init__", lambda *given: budgets.append(given[-1]) or whole(*given)
    )
    usual = recommend(shop[1], None, 5)
    pd.testing.assert_frame_equal(recommend(shop[1], None, 5, eval_memory_mb=0.001), usual)
    assert budgets == [512, 0.001]


def test_users_come_in_the_order_given_and_once(shop):
    _, path = shop
    table = recommend(path, [7, "3", "7"], topk=2)
    assert table["user_id"].tolist() == ["7", "7", "3", "3"]
    assert table["rank"].tolist() == [1, 2, 1, 2]
    assert list(table.columns) == ["user_id", "rank", "item_id", "click_probability"]


def test_include_seen_ranks_everything_and_needs_no_data(shop, tmp_path, monkeypatch):
    folder, path = shop
    everything = lists_of(recommend(path, ["1"], 1000, include_seen=True))["1"]
    assert len(everything) == ITEMS
    assert {item for _, item, _ in everything} & seen_of(folder)["1"]
    moved = tmp_path / "elsewhere"
    shutil.move(folder / "dataset", moved)
    try:
        with pytest.raises(DataError, match=r"shop.inter is not there.*--include_seen=True"):
            recommend(path, ["1"])
        assert lists_of(recommend(path, ["1"], 1000, include_seen=True))["1"] == everything
        assert recommend(path, ["1"], data_path=moved).shape == (10, 4)
    finally:
        shutil.move(moved, folder / "dataset")


def test_changed_data_is_refused(shop, tmp_path):
    folder, path = shop
    changed = tmp_path / "dataset"
    shutil.copytree(folder / "dataset", changed)
    with (changed / "shop/shop.inter").open("a") as file:
        file.write("1\t1\t5\t1\t0.5\tt1\t0.1\n")
    with pytest.raises(CheckpointError, match=r"the data has changed since training: shop.inter"):
        recommend(path, ["1"], data_path=changed)


def test_titles_and_files(shop, tmp_path):
    _, path = shop
    table = recommend(path, ["1", "2"], 3, titles="title")
    assert table["title"].tolist() == [f"Thing, {item}" for item in table["item_id"]]
    for name in ("lists.csv", "lists.parquet", "lists.json"):
        assert recommend(path, ["1", "2"], 3, titles="title", output=tmp_path / name).equals(table)
    pd.testing.assert_frame_equal(pq.read_table(tmp_path / "lists.parquet").to_pandas(), table)
    assert json.loads((tmp_path / "lists.json").read_text()) == table.to_dict("records")
    back = pyarrow.csv.read_csv(tmp_path / "lists.csv")
    assert back["title"].to_pylist() == table["title"].tolist()
    assert back["rank"].to_pylist() == [1, 2, 3, 1, 2, 3]
    genres = recommend(path, ["1"], 1, titles="genre")
    item = int(genres["item_id"][0])
    assert genres["genre"].tolist() == [f"g{item % 3} g{item % 4}"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--users=1,99"], "User '99' is unknown to the checkpoint"),
        (["--users=99", "--titles=title"], "its 30 users have tokens such as '9'"),
        (["--users=x,y"], "User 'x' (and 1 more) is unknown"),
        (["--users=1", "--titles=titel"], "has no column 'titel'; it has item_id, title, genre. Did"
         " you mean 'title'?"),
        (["--users=1", "--eval_memory_mb=-1"], "Option 'eval_memory_mb'"),
        (["--users=1", "--topk=0"], "expected a whole number from 1, got '0'"),
        (["--users=1", "--output=lists.html"], "an output that ends in .csv, .parquet, .json"),
        (["--users=,"], "expected at least one user, got none in ','"),
        ([], "the following arguments are required: --users"),
    ],
)  # fmt: skip
def test_bad_arguments_exit_2(shop, capsys, arguments, message):
    assert main(["recommend", f"--checkpoint={shop[1]}", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_the_command_prints_a_table(shop, tmp_path, capsys):
    users = tmp_path / "users.txt"
    users.write_text("2\n\n5\n")
    assert main(["recommend", f"--checkpoint={shop[1]}", f"--users={users}", "--topk=2",
                 "--titles=title"]) == 0  # fmt: skip
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    printed = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines]
    assert printed == [
        [row["user_id"], str(row["rank"]), row["item_id"], f"{row['click_probability']:.4f}",
         row["title"]]
        for row in recommend(shop[1], ["2", "5"], 2, titles="title").to_dict("records")
    ]  # fmt: skip


def test_a_model_of_interactions_cannot_rank_all_items(shop, monkeypatch):
    folder, _ = shop
    monkeypatch.chdir(folder)
    path = train(folder, "context", "WideDeep", epochs=1)
    with pytest.raises(ConfigError, match="hour, dwell, tags, vector of the interaction"):
        recommend(path, ["1"])


def test_users_by_name(tmp_path):
    assert users_named("all") is None
    assert users_named("196, 186") == ["196", "186"]
    (tmp_path / "users.txt").write_text("a b\nc,d\n")
    assert users_named(str(tmp_path / "users.txt")) == ["a b", "c,d"]


@pytest.mark.parametrize("user", ["11", 11])
def test_one_user_needs_no_list(shop, user):
    _, path = shop
    assert recommend(path, user, 2)["user_id"].tolist() == ["11", "11"]


def test_a_user_who_has_seen_everything_has_an_empty_list(shop, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "dataset" / "shop"
    shutil.copytree(shop[0] / "dataset/shop", folder)
    with (folder / "shop.inter").open("a") as file:
        for item in sorted({str(i) for i in range(1, ITEMS + 1)} - seen_of(tmp_path)["7"]):
            file.write(f"7\t{item}\t3\t1\t0.5\tt1\t0.1 0.2\n")
    monkeypatch.chdir(tmp_path)
    path = train(tmp_path, "all", "WideDeep", epochs=1, **WITHOUT_CONTEXT)
    assert main(["recommend", f"--checkpoint={path}", "--users=7"]) == 0
    assert "click_probability" in capsys.readouterr().out
    assert main(["recommend", f"--checkpoint={path}", "--users=7,8", "--topk=1"]) == 0
    assert len(recommend(path, ["7", "8"], 1)) == 1


def test_a_long_list_of_users_is_no_file(shop, tmp_path):
    assert users_named(",".join(map(str, range(2000)))) == [str(n) for n in range(2000)]
    users = ",".join([str(n % USERS + 1) for n in range(500)])
    output = tmp_path / "lists.csv"
    assert main(["recommend", f"--checkpoint={shop[1]}", f"--users={users}", "--topk=1",
                 f"--output={output}"]) == 0  # fmt: skip


def test_the_list_of_users_stays(shop, tmp_path, capsys):
    users = tmp_path / "users.csv"
    users.write_text("2\n5\n")
    given = ["recommend", f"--checkpoint={shop[1]}", f"--users={users}", f"--output={users}"]
    assert main(given) == 2
    assert "expected an output other than the list of users" in capsys.readouterr().err
    record = shop[1].with_suffix(".json")
    with pytest.raises(DataError, match="other than the record of a run"):
        recommend(shop[1], ["2"], output=record)
    assert users.read_text() == "2\n5\n"


def test_numbers_are_shown_as_they_stand_in_the_file(shop, tmp_path, monkeypatch):
    folder = tmp_path / "dataset" / "shop"
    shutil.copytree(shop[0] / "dataset/shop", folder)
    header, *rows = (folder / "shop.item").read_text().splitlines()
    rows = [f"{row}\t12345{n:02}.25" for n, row in enumerate(rows)]
    (folder / "shop.item").write_text("\n".join([f"{header}\tsold:float", *rows]))
    monkeypatch.chdir(tmp_path)
    path = train(tmp_path, "sold", "WideDeep", epochs=1, **WITHOUT_CONTEXT)
    table = recommend(path, ["1"], 1, titles="sold")
    assert table["sold"].tolist() == [f"12345{int(table['item_id'][0]) - 1:02}.25"]
