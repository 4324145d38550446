"""Candidates: pooled per user, never seen before, each once, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from recbole.data import DataOptions
from recbole.data.candidates import (
    FORMAT,
    draw,
    fingerprint_of,
    item_counts,
    load,
    positive_pairs,
    sampling_of,
    save,
    seen_up_to,
)
from recbole.errors import DataError
from tests.unit.data.data_files import StandIn, prepared, write

USERS, ITEMS = 30, 40


def interactions(seed=0, share=0.4):
    """Random ratings; user u1 has touched and liked all items, u2 all but one."""
    random = np.random.default_rng(seed)
    lines = ["user_id:token\titem_id:token\trating:float\ttimestamp:float"]
    for user in range(1, USERS + 1):
        for item in range(1, ITEMS + 1):
            often = {1: 2.0, 2: 2.0 if item != 5 else 0.0}.get(user, share)
            if random.random() < often:
                rating = 5 if user <= 2 else random.integers(1, 6)
                lines.append(f"u{user}\ti{item}\t{rating}\t{random.integers(999)}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rated")
    dataset = prepared(folder, {"inter": interactions()}, threshold={"rating": 4})
    return dict(zip(("train", "valid", "test"), dataset.build(), strict=True))


def touched(parts, *names):
    return {
        (user, item)
        for name in names
        for user, item in zip(
            parts[name].inter_feat["user_id"].tolist(),
            parts[name].inter_feat["item_id"].tolist(),
            strict=True,
        )
    }


def as_lists(candidates):
    """Each user's list of (item, positive, row)."""
    rows = zip(
        candidates.user_places.tolist(),
        candidates.items.tolist(),
        candidates.positive.tolist(),
        candidates.rows.tolist(),
        strict=True,
    )
    lists = {user: [] for user in candidates.users.tolist()}
    for place, *entry in rows:
        lists[int(candidates.users[place])].append(tuple(entry))
    return lists


@pytest.mark.parametrize("mode", ["uni7", "pop7", "uni500"])
@pytest.mark.parametrize("name", ["valid", "test"])
def test_lists_hold_the_positives_and_unseen_negatives(parts, name, mode) -> None:
    part = parts[name]
    candidates = draw(part, mode, seed=3)
    before = touched(parts, *("train", "valid", "test")[: 2 + (name == "test")])
    labels = part.inter_feat["label"]
    liked = {}
    for row in (labels > 0).nonzero().squeeze(1).tolist():
        user, item = (int(part.inter_feat[f][row]) for f in ("user_id", "item_id"))
        liked.setdefault(user, {})[item] = row
    lists = as_lists(candidates)
    assert list(lists) == sorted(liked)
    assert candidates.positives.tolist() == [len(liked[user]) for user in lists]
    for user, entries in lists.items():
        items = [item for item, _, _ in entries]
        assert len(set(items)) == len(items)
        assert {i: row for i, positive, row in entries if positive} == liked[user]
        negatives = {item: row for item, positive, row in entries if not positive}
        assert not any((user, item) in before for item in negatives)
        assert set(negatives.values()) <= set(liked[user].values())
        number = sampling_of(mode)[1]
        assert len(negatives) <= number * len(liked[user])
        if mode == "uni500":  # so many draws that every unseen item comes
            assert len(items) == ITEMS - sum(
                (user, i) in before for i in range(1, ITEMS + 1)
            ) + len(liked[user])


def test_low_ratings_and_later_parts_are_told_apart(parts) -> None:
    """A disliked item of the part is no candidate; one of a later part may be a negative."""
    valid = draw(parts["valid"], "uni500", seed=0)
    listed = {(user, item) for user, list_ in as_lists(valid).items() for item, _, _ in list_}
    labels = parts["valid"].inter_feat["label"]
    pairs = sorted(touched(parts, "valid"))
    assert (labels == 0).any()
    disliked = [
        (int(u), int(i))
        for u, i, label in zip(
            parts["valid"].inter_feat["user_id"], parts["valid"].inter_feat["item_id"], labels,
            strict=True,
        )
        if label == 0
    ]  # fmt: skip
    assert not listed & set(disliked)
    assert listed & touched(parts, "test")
    assert pairs


def test_who_has_seen_everything_has_positives_only(parts) -> None:
    candidates = draw(parts["test"], "uni9", seed=0)
    lists = as_lists(candidates)
    one, two = (parts["test"].token2id("user_id", name) for name in ("u1", "u2"))
    assert all(positive for _, positive, _ in lists[one])
    left = [item for item, positive, _ in lists[two] if not positive]
    assert left == [parts["test"].token2id("item_id", "i5")]


def test_the_draw_depends_on_seed_part_and_mode_only(parts) -> None:
    torch.manual_seed(1)
    one = draw(parts["test"], "uni9", seed=3)
    torch.manual_seed(2)
    two = draw(parts["test"], "uni9", seed=3)
    assert all(
        torch.equal(getattr(one, n), getattr(two, n)) for n in ("users", "items", "rows", "starts")
    )
    other = draw(parts["test"], "uni9", seed=4)
    assert as_lists(one) != as_lists(other)


def test_chunks_of_draws_are_whole_users(parts, monkeypatch) -> None:
    pairs = positive_pairs(parts["test"])
    for most in (1, 5, 17, 10**6):
        chunks = list(pairs.by_user(most))
        assert torch.equal(torch.cat([chunk.rows for chunk in chunks]), pairs.rows)
        users = [set(chunk.users.tolist()) for chunk in chunks]
        assert len(set().union(*users)) == sum(map(len, users))
        assert all(len(c.users) <= most or len(u) == 1 for c, u in zip(chunks, users, strict=True))
    monkeypatch.setattr("recbole.data.candidates._DRAWN_AT_ONCE", 30)
    lists = as_lists(draw(parts["test"], "uni500", seed=3))
    monkeypatch.undo()
    whole = as_lists(draw(parts["test"], "uni500", seed=3))
    for user, entries in whole.items():  # all unseen items, whatever the chunks
        assert {entry[:2] for entry in entries} == {entry[:2] for entry in lists[user]}


def test_the_order_of_a_list_says_nothing_of_the_positives(parts) -> None:
    """Neither first nor last by construction: about as often before a negative as behind it."""
    before = behind = 0
    for seed in range(30):
        for entries in as_lists(draw(parts["test"], "uni3", seed)).values():
            flags = [positive for _, positive, _ in entries]
            for place, positive in enumerate(flags):
                if positive:
                    before += flags[place:].count(False)
                    behind += flags[:place].count(False)
    assert 0.45 < before / (before + behind) < 0.55
    # Nor by id, which goes by first appearance: popular items, often positives, have low ones.
    rising = falling = 0
    for entries in as_lists(draw(parts["test"], "uni3", 0)).values():
        items = [item for item, _, _ in entries]
        rising += sum(a < b for a, b in pairwise(items))
        falling += sum(a > b for a, b in pairwise(items))
    assert 0.3 < rising / (rising + falling) < 0.7


def test_negatives_are_uniform_over_the_unseen(parts) -> None:
    """Chi-square over the items of one user, first draws only (uni1 of a single positive)."""
    valid = parts["valid"]
    counts = np.zeros(valid.item_num)
    seen = seen_up_to(valid)
    pairs = positive_pairs(valid)
    (user,) = pairs.users[torch.isin(pairs.users, torch.tensor([_single(pairs)]))].unique()
    for seed in range(600):
        for item, positive, _ in as_lists(draw(_only(valid, int(user)), "uni1", seed))[int(user)]:
            counts[item] += not positive
    unseen = [i for i in range(1, valid.item_num) if not seen.contains(user, torch.tensor(i))]
    assert counts.sum() == counts[unseen].sum() == 600
    expected = 600 / len(unseen)
    statistic = ((counts[unseen] - expected) ** 2 / expected).sum()
    freedom = len(unseen) - 1
    assert statistic < freedom + 3.5 * (2 * freedom) ** 0.5


def _single(pairs):
    """A user with one positive."""
    users, counts = pairs.users.unique(return_counts=True)
    return int(users[counts == 1][0])


def _only(part, user):
    rows = (part.inter_feat["user_id"] == user).nonzero().squeeze(1)
    return part.copy(part.inter_feat.take(rows))


def test_popularity_counts_all_parts(parts) -> None:
    every = [item for _, item in sorted(touched(parts, "train", "valid", "test"))]
    expected = np.bincount(every, minlength=parts["test"].item_num)
    assert item_counts(parts["test"]).tolist() == expected.tolist()
    train = item_counts(parts["test"], "train")
    assert int(train.sum()) == len(parts["train"])


def test_a_file_keeps_them_and_fits_one_split_only(parts, tmp_path) -> None:
    drawn = {name: draw(parts[name], "uni9", seed=3) for name in ("valid", "test")}
    path = tmp_path / "kept" / "c.pt"
    save(path, drawn)
    assert set(torch.load(path, weights_only=True)["parts"]) == {"valid", "test"}
    read = load(path)
    for name, candidates in drawn.items():
        assert vars(read[name]).keys() == vars(candidates).keys()
        for key, value in vars(candidates).items():
            same = torch.equal if isinstance(value, torch.Tensor) else lambda a, b: a == b
            assert same(getattr(read[name], key), value), key
        read[name].check(parts[name])
    with pytest.raises(DataError, match="valid part with other rows than the test part"):
        read["valid"].check(parts["test"])
    with pytest.raises(DataError, match="the data, the split, its seed or a filter is another"):
        replace(read["test"], fingerprint="0" * 64).check(parts["test"])


@pytest.mark.parametrize(
    ("options", "seed", "text"),
    [
        ({"threshold": {"rating": 3}}, 2020, None),
        ({"threshold": {"rating": 4}}, 2021, None),
        ({"threshold": {"rating": 4}, "eval_args": {"split": {"RS": [7, 1, 2]}}}, 2020, None),
        ({"threshold": {"rating": 4}}, 2020, interactions(seed=1)),
    ],
)
def test_a_fingerprint_tells_splits_apart(parts, tmp_path, options, seed, text) -> None:
    from recbole.data import create_dataset

    write(tmp_path, inter=text or interactions())
    other = create_dataset(StandIn(tmp_path, seed=seed, **options)).build()[2]
    assert fingerprint_of(other) != fingerprint_of(parts["test"])
    same = create_dataset(StandIn(tmp_path, seed=2020, threshold={"rating": 4})).build()[2]
    assert (fingerprint_of(same) == fingerprint_of(parts["test"])) is (text is None)


def test_repeated_pairs_and_missing_labels(tmp_path) -> None:
    rows = "user_id:token\titem_id:token\n" + "a\tx\na\tx\na\ty\nb\ty\nb\tz\n" * 2
    for name in ("train", "valid", "test"):
        write(tmp_path, **{f"{name}_inter": rows})
    dataset = prepared(tmp_path, {}, benchmark_filename=["train", "valid", "test"])
    pairs = positive_pairs(dataset.build()[1])
    assert list(zip(pairs.users.tolist(), pairs.items.tolist(), strict=True)) == [
        (1, 1), (1, 2), (2, 2), (2, 3),
    ]  # fmt: skip
    assert pairs.rows.tolist() == [0, 2, 3, 4]


def test_refuses_what_cannot_be_ranked(parts, tmp_path) -> None:
    whole = prepared(tmp_path, {"inter": interactions()}, threshold={"rating": 4})
    with pytest.raises(DataError, match="expected a part of a split"):
        draw(whole, "uni9", 0)
    none_liked = parts["test"].copy(
        parts["test"].inter_feat.take((parts["test"].inter_feat["label"] == 0).nonzero().squeeze(1))
    )
    with pytest.raises(DataError, match=r"expected a positive \(label 1\) in the test part"):
        draw(none_liked, "uni9", 0)
    for mode in ("full", "labeled", "uni0", "uni"):
        with pytest.raises(ValueError, match="expected uniN or popN"):
            draw(parts["test"], mode, 0)


@pytest.mark.parametrize("content", [b"", b"no such thing", None, object])
def test_refuses_a_file_that_is_no_candidates(tmp_path, content) -> None:
    path = tmp_path / "c.pt"
    if content is None:
        torch.save({"format": "something else"}, path)
    elif content is object:
        torch.save({"not": DataOptions}, path)  # a class, which may not be read
    else:
        path.write_bytes(content)
    expected = "it holds other things than" if content is object else "got another$"
    with pytest.raises(DataError, match=expected):
        load(path)
    with pytest.raises(DataError, match="expected a file, there is none"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "content", [{}, {"parts": 3}, {"parts": {"test": {"part": "test"}}}, {"parts": {"test": None}}]
)
def test_refuses_a_file_that_lacks_something(tmp_path, content) -> None:
    torch.save({"format": FORMAT, **content}, tmp_path / "c.pt")
    with pytest.raises(DataError, match=r"Candidates .*c\.pt: damaged or of another version"):
        load(tmp_path / "c.pt")


def test_the_mode_of_eval_args_is_one_it_knows() -> None:
    assert DataOptions(eval_args={"mode": "uni100"}).eval_args.modes["test"] == "uni100"
    assert sampling_of("uni100") == ("uni", 100)
    assert sampling_of("pop5") == ("pop", 5)
