"""Two lists for one user are ranked as by hand and marked as the test part says."""

import json
import shutil

import pytest
import torch

from recbole.commands.command_line import main
from recbole.data import Interaction
from recbole.errors import CheckpointError, ConfigError, DataError
from recbole.quick_start import load_data_and_model, run_recbole
from recbole.quick_start.compare import _held_out, compare
from recbole.quick_start.compare_page import page
from recbole.quick_start.comparison import HeldOut
from tests.conftest import TOY_OPTIONS, write_toy_dataset

HOSTILE = "<script>alert('1')</script> & \"co\" [bold]"
USERS = [f"u{u}" for u in range(40)]
CHECKED = ["u16", "u21", "u30"]  # these have every mark
TOPK = 20


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_toy_dataset(folder / "dataset")
        items = folder / "dataset" / "toy" / "toy.item"
        header, *rows = items.read_text().splitlines()
        titles = {"i0": HOSTILE, "i1": ""}
        with items.open("w") as file:
            file.write(f"{header}\ttitle:token_seq\tprice:float\n")
            for row in rows:
                item = row.split("\t")[0]
                file.write(f"{row}\t{titles.get(item, f'The {item}')}\t{item[1:]}.5\n")
        yield folder


def train(here, **options):
    folder = f"saved-{'-'.join(map(str, options.values()))}"
    load_col = {"inter": None, "user": None, "item": ["item_id", "year", "genre"]}
    settings = TOY_OPTIONS | {"load_col": load_col, "epochs": 2, "checkpoint_dir": folder} | options
    run_recbole("WideDeep", "toy", config_dict=settings)
    (path,) = (here / folder).glob("*.pth")
    return path


@pytest.fixture(scope="module")
def binary(here):
    return train(here, learning_rate=0.01)


@pytest.fixture(scope="module")
def graded(here):
    return train(here, multi_cls=5)


@pytest.fixture(scope="module")
def comparisons(binary, graded):
    return {user: compare([binary, graded], user, topk=TOPK) for user in USERS}


@torch.no_grad()
def by_hand(path, user):
    """For one user: items by rank with their scores, and the rows of the test part."""
    _, model, dataset, *parts = load_data_and_model(path)
    rows = [
        {
            (u, i): (rating, label)
            for u, i, rating, label in zip(
                dataset.id2token("user_id", part.dataset.inter_feat["user_id"]),
                dataset.id2token("item_id", part.dataset.inter_feat["item_id"]),
                part.dataset.inter_feat["rating"].tolist(),
                part.dataset.inter_feat["label"].tolist(),
                strict=True,
            )
        }
        for part in parts
    ]
    scored = []
    for item in range(1, dataset.item_num):
        token = dataset.id2token("item_id", item)
        if (user, token) not in rows[0] | rows[1]:
            ids = {"user_id": [dataset.token2id("user_id", user)], "item_id": [item]}
            scores = model.scores(dataset.join(Interaction(ids)))
            classes = [] if scores.classes is None else scores.classes[0].tolist()
            scored.append((-scores.click.item(), item, token, classes))
    return sorted(scored), {i: row for (u, i), row in rows[2].items() if u == user}


@pytest.mark.parametrize("user", CHECKED)
def test_lists_and_ranks_are_those_found_by_hand(comparisons, binary, graded, user):
    shown = comparisons[user]
    tops, orders = [], []
    for ranked, path in zip(shown.lists, (binary, graded), strict=True):
        scored, held_out = by_hand(path, user)
        orders.append([token for _, _, token, _ in scored])
        tops.append(orders[-1][:TOPK])
        assert [item.item for item in ranked.items] == tops[-1]
        assert [item.rank for item in ranked.items] == list(range(1, TOPK + 1))
        assert [i.click for i in ranked.items] == pytest.approx([-s for s, *_ in scored[:TOPK]])
        for item, (_, _, token, classes) in zip(ranked.items, scored, strict=False):
            assert item.classes == pytest.approx(classes)
            if classes:
                mean = sum(level * p for level, p in enumerate(classes, start=1))
                assert item.expected == pytest.approx(mean)
            rating, label = held_out.get(token, (None, None))
            assert item.held_out == (None if label is None else HeldOut(label == 1, rating))
        assert ranked.hits == sum(held_out.get(i, (0, 0))[1] == 1 for i in tops[-1])
    for side, other in ((0, 1), (1, 0)):
        found = [item.other_rank for item in shown.lists[side].items]
        expected = [tops[other].index(i) + 1 if i in tops[other] else None for i in tops[side]]
        assert found == expected
    assert shown.overlap == len(set(tops[0]) & set(tops[1]))
    assert shown.candidates == len(orders[0]) and shown.seen == 50 - len(orders[0])
    expected = {i: tuple(o.index(i) + 1 for o in orders) for i, row in held_out.items() if row[1]}
    assert {positive.item: positive.ranks for positive in shown.positives} == expected


def test_the_held_out_positives_stand_in_the_order_of_their_better_rank(comparisons):
    for shown in comparisons.values():
        best = [min(positive.ranks) for positive in shown.positives]
        assert best == sorted(best)


def test_the_rows_checked_by_hand_have_every_mark(comparisons):
    items = [i for user in CHECKED for r in comparisons[user].lists for i in r.items]
    assert {i.held_out.liked for i in items if i.held_out} == {True, False}
    assert {i.other_rank is None for i in items} == {True, False}


def test_titles_and_genres_are_those_of_the_item_file(comparisons):
    items = {i.item: i for shown in comparisons.values() for r in shown.lists for i in r.items}
    assert items["i0"].title == HOSTILE
    assert items["i1"].title == "i1"  # none in the file
    assert items["i2"].title == "The i2" and items["i7"].genres == ("g1", "g2")


def test_columns_can_be_named(binary):
    shown = compare([binary, binary], "u1", titles="price", genres="year")
    item = shown.lists[0].items[0]
    assert item.title == f"{item.item[1:]}.5"
    assert item.genres == (str(1990 + int(item.item[1:]) % 9),)
    with pytest.raises(DataError, match=r"'titles': .*toy\.item has no column 'titel'.*'title'\?"):
        compare([binary, binary], "u1", titles="titel")


def test_what_is_known_of_the_models(comparisons, binary):
    first, second = comparisons["u0"].lists
    assert (first.letter, first.name, first.model) == ("A", binary.stem, "WideDeep")
    assert (first.head, first.levels) == ("clicks only", ())
    assert second.head == "5 rating levels, λ = 0.7" and second.levels == (1, 2, 3, 4, 5)
    assert second.positive == (False, False, False, True, True)
    recorded = json.loads(binary.with_suffix(".json").read_text())["test_result"]
    assert first.test_result == recorded and recorded["auc"] > 0


def test_a_checkpoint_without_its_json_is_shown_without_test_metrics(here, binary):
    lonely = here / "lonely.pth"
    shutil.copy(binary, lonely)
    shown = compare([lonely, binary], "u1")
    assert not shown.lists[0].test_result
    assert "No test result recorded" in page(shown)
    lonely.with_suffix(".json").write_text("{")
    with pytest.raises(CheckpointError, match=r"lonely\.json is not the record of a run"):
        compare([lonely, binary], "u1")


def test_checkpoints_of_one_name_are_told_apart_by_their_folders(here, binary, graded):
    for folder, path in (("north", binary), ("south", graded)):
        (here / folder).mkdir()
        shutil.copy(path, here / folder / "best.pth")
    shown = compare(["north/best.pth", "south/best.pth"], "u1")
    assert [ranked.name for ranked in shown.lists] == ["north/best", "south/best"]


def test_an_unknown_user_is_named_with_the_nearest(binary, graded):
    with pytest.raises(DataError, match=r"User 'u399' is unknown to .*\.pth; .* such as 'u39'"):
        compare([binary, graded], "u399")


def test_two_checkpoints_are_expected(binary):
    with pytest.raises(ConfigError, match="expected two of them, got 1"):
        compare([binary], "u1")
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        compare([binary, binary], "u1", topk=0)


def test_other_splits_and_data_are_refused(here, binary):
    with pytest.raises(CheckpointError, match="same split of the same rows, got seed: 2020 and 7"):
        compare([binary, train(here, seed=7)], "u1")
    with pytest.raises(CheckpointError, match=r"threshold: .*4.* and .*3"):
        compare([binary, train(here, threshold={"rating": 3})], "u1")
    write_toy_dataset(here / "dataset", "other")
    run_recbole("WideDeep", "other", config_dict=TOY_OPTIONS | {"checkpoint_dir": "o", "epochs": 1})
    (other,) = (here / "o").glob("*.pth")
    with pytest.raises(CheckpointError, match="expected one data set, got toy and other"):
        compare([binary, other], "u1")
    with (here / "dataset" / "other" / "other.inter").open("a") as file:
        file.write("u1\ti1\t5\t1\n")
    with pytest.raises(CheckpointError, match=r"changed since training: other\.inter"):
        compare([other, other], "u1")
    run_recbole("WideDeep", "other", config_dict=TOY_OPTIONS | {"checkpoint_dir": "p", "epochs": 1})
    (later,) = (here / "p").glob("*.pth")
    with pytest.raises(CheckpointError, match=r"other\.inter differed between their trainings"):
        compare([other, later], "u1")


def test_models_that_read_other_columns_can_be_compared(here, binary):
    ids_only = train(here, load_col={"inter": ["user_id", "item_id", "rating"]})
    for pair in ([binary, ids_only], [ids_only, binary]):
        shown = compare(pair, "u7", topk=TOPK)
        for ranked, path in zip(shown.lists, pair, strict=True):
            best = [token for _, _, token, _ in by_hand(path, "u7")[0]]
            assert [item.item for item in ranked.items] == best[:TOPK]


def test_without_ratings_every_test_row_is_a_positive(here):
    path = write_toy_dataset(here / "dataset", "implicit")
    rows = (path / "implicit.inter").read_text().splitlines()
    pairs = ["\t".join(row.split("\t")[:2]) for row in rows]
    (path / "implicit.inter").write_text("\n".join(pairs) + "\n")
    settings = TOY_OPTIONS | {
        "threshold": None,
        "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1},
        "eval_args": {"mode": "uni5"},
        "metrics": "NDCG",
        "valid_metric": "NDCG@10",
        "checkpoint_dir": "implicit",
    }
    run_recbole("WideDeep", "implicit", config_dict=settings)
    (saved,) = (here / "implicit").glob("*.pth")
    test = load_data_and_model(saved)[5].dataset
    mine = test.inter_feat["user_id"] == test.token2id("user_id", "u5")
    expected = set(test.id2token("item_id", test.inter_feat["item_id"][mine]))
    shown = compare([saved, saved], "u5")
    assert {positive.item for positive in shown.positives} == expected
    assert {positive.rating for positive in shown.positives} == {None}
    assert "of the user&#x27;s" in page(shown)


def test_of_several_test_rows_with_an_item_a_click_counts(binary):
    test = load_data_and_model(binary)[5].dataset
    rows = {"user_id": [1] * 5, "item_id": [2, 2, 3, 3, 4], "label": [1.0, 0, 0, 1, 0]}
    repeated = test.copy(Interaction(rows | {"rating": [5.0, 1, 2, 4, 3]}))
    found = _held_out(repeated, 1)
    assert found == {2: HeldOut(True, 5), 3: HeldOut(True, 4), 4: HeldOut(False, 3)}


def test_no_title_is_markup_on_the_page(comparisons):
    text = page(comparisons["u16"])
    assert HOSTILE in [item.title for item in comparisons["u16"].lists[1].items]
    assert "&lt;script&gt;" in text and "<script" not in text


def test_the_command_writes_the_page(here, binary, graded, capsys):
    arguments = [f"--checkpoint={binary}", f"--checkpoint={graded}", "--user=u3", "--topk=4"]
    assert main(["compare", *arguments, "--output=pages/u3.html"]) == 0
    out = capsys.readouterr().out
    assert "User u3 of toy" in out and "pages/u3.html" in out
    assert (here / "pages" / "u3.html").read_text() == page(compare([binary, graded], "u3", 4))
    assert main(["compare", "--checkpoint", str(binary), str(graded), "--user=nobody"]) == 2
    assert "User 'nobody' is unknown" in capsys.readouterr().err
    assert not (here / "compare.html").exists()


def test_a_page_that_cannot_be_written_is_noticed_before_the_work(here, binary, graded, capsys):
    command = ["compare", "--checkpoint", str(binary), str(graded), "--user=u1"]
    assert main([*command, f"--output={here}"]) == 2
    said = capsys.readouterr()
    assert said.err == f"{here}: expected the name of a file, got that of a folder\n"
    assert said.out == ""


def test_one_checkpoint_is_not_taken_letter_by_letter(binary):
    with pytest.raises(ConfigError, match="expected two of them, got 1"):
        compare(str(binary), "u1")


def test_half_stars_and_their_pairs_have_the_same_clicks(here):
    path = write_toy_dataset(here / "dataset", "halves")
    header, *rows = (path / "halves.inter").read_text().splitlines()
    halves = []
    for number, row in enumerate(rows):
        user, item, rating, time = row.split("\t")
        halves.append(f"{user}\t{item}\t{int(rating) - number % 2 / 2}\t{time}")
    (path / "halves.inter").write_text("\n".join([header, *halves]) + "\n")
    settings = TOY_OPTIONS | {"epochs": 1, "rating_bins": "pairs"}
    saved = []
    for name, classes in (("binary", {}), ("five", {"multi_cls": 5}), ("ten", {"multi_cls": 10})):
        folder = f"halves-{name}"
        run_recbole(
            "WideDeep", "halves", config_dict={**settings, **classes, "checkpoint_dir": folder}
        )
        saved += (here / folder).glob("*.pth")
    for pair in ([0, 1], [1, 0], [1, 2], [0, 2]):
        shown = compare([saved[i] for i in pair], "u7")
        assert {p.item for p in shown.positives} == liked_by(saved[pair[0]], "u7")
        assert {p.item for p in shown.positives} == liked_by(saved[pair[1]], "u7")


def liked_by(path, user):
    """The items of the test part that a user clicked on, by tokens."""
    test = load_data_and_model(path)[5].dataset
    rows = test.inter_feat
    mine = (rows["user_id"] == test.token2id("user_id", user)) & (rows[test.label_field] > 0)
    return set(test.id2token("item_id", rows["item_id"][mine]))


def test_a_page_takes_the_place_of_no_checkpoint(binary, graded, capsys):
    before = graded.read_bytes()
    pair = [f"--checkpoint={binary}", f"--checkpoint={graded}"]
    assert main(["compare", *pair, "--user=u1", f"--output={graded}"]) == 2
    assert "expected an output other than the checkpoint" in capsys.readouterr().err
    assert graded.read_bytes() == before
