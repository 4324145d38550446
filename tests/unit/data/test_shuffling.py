"""Shuffled levels keep what a click says, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.shuffling import shuffle_levels
from recbole.errors import DataError

NAMES = ("user_id", "item_id", "label", "rating")


def columns(options, **more):
    """The columns of the three parts of the toy data set."""
    config = Config("WideDeep", "toy", config_dict={**options, **more})
    return [
        {name: loader.columns[name] for name in NAMES}
        for loader in data_preparation(config, create_dataset(config))
    ]


def test_only_the_ratings_of_the_training_part_change(toy):
    plain = columns(toy, multi_cls=5)
    shuffled = columns(toy, multi_cls=5, shuffle_levels=True)
    for part, (before, after) in enumerate(zip(plain, shuffled, strict=True)):
        for name in NAMES:
            same = torch.equal(before[name], after[name])
            assert same != (part == 0 and name == "rating"), (part, name)


def test_each_side_keeps_its_ratings(toy):
    (before, *_), (after, *_) = columns(toy), columns(toy, multi_cls=5, shuffle_levels=True)
    assert torch.equal((after["rating"] >= 4).float(), after["label"])
    for label in (0, 1):
        rows = before["label"] == label
        true, false = before["rating"][rows], after["rating"][rows]
        assert torch.equal(true.sort().values, false.sort().values)
        # As often right as two independent draws of these ratings are: no information is left.
        shares = torch.bincount(true.long()).double() / len(true)
        assert float((true == false).double().mean()) == pytest.approx(
            float(shares.square().sum()), abs=0.08
        )


def test_the_seed_decides(toy):
    config = Config("WideDeep", "toy", config_dict=toy)
    parts = [create_dataset(config).build()[0] for _ in range(3)]
    for part, seed in zip(parts, (1, 1, 2), strict=True):
        shuffle_levels(part, seed)
    one, again, other = (part.inter_feat["rating"] for part in parts)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_without_ratings(toy):
    with pytest.raises(DataError, match=r"shuffle_levels permutes ratings.*threshold: \{rating: 4"):
        columns({**toy, "threshold": {"rating": 4}}, **_label_only())


def _label_only():
    """A label of the file's own, and no rating."""
    path = Path("dataset/toy/toy.inter")
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header.replace("rating:float", "label:float"), *map(_liked, lines)]))
    return {"threshold": None, "multi_cls": 5, "shuffle_levels": True}


def _liked(line):
    user, item, rating, time = line.split("\t")
    return f"{user}\t{item}\t{int(rating) // 4}\t{time}"
