"""A small rated data set, a model whose scores are what a test says, and slow references."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recbole.data import Dataset, Loader
from recbole.data.candidates import positive_pairs, seen_up_to
from recbole.model.head import Scores, SupervisionOptions, build_head
from tests.unit.data.data_files import prepared

USERS, ITEMS = 25, 30


def rated(folder: Path, seed: int = 0, **options: Any) -> list[Dataset]:
    """The parts of random ratings; some users like nothing in a part."""
    random = np.random.default_rng(seed)
    lines = ["user_id:token\titem_id:token\trating:float\tplace:token"]
    for user in range(USERS):
        generous = random.random()
        for item in range(ITEMS):
            if random.random() < 0.5:
                rating = random.integers(3, 6) if random.random() < generous else 1
                lines.append(f"u{user}\ti{item}\t{rating}\tp{random.integers(9)}")
    items = ["item_id:token\tyear:token"] + [f"i{i}\ty{i % 7}" for i in range(ITEMS)]
    files = {"inter": "\n".join(lines) + "\n", "item": "\n".join(items) + "\n"}
    options = {"unused_col": {"inter": ["place"]}, "threshold": {"rating": 4}, **options}
    return prepared(folder, files, eval_args={"split": {"RS": [4, 3, 3]}}, **options).build()


def loader(part: Dataset, batch_size: int = 37) -> Loader:
    return Loader(part, batch_size, False, "cpu", 0)


class Lookup(nn.Module):
    """Its probability of a click is what `table` [U + 1, I + 1] says."""

    def __init__(self, part: Dataset, table: Tensor) -> None:
        super().__init__()
        self.head = build_head(SupervisionOptions(), part.schema.target)
        self.table = nn.Parameter(table)

    def predict(self, batch: Any) -> Tensor:
        return self.table[batch["user_id"], batch["item_id"]]

    def scores(self, batch: Any) -> Scores:
        return Scores(self.predict(batch), None)


def table(part: Dataset, levels: int | None, seed: int = 1) -> Tensor:
    """Random scores; with few levels most of them tie."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(part.user_num, part.item_num, generator=generator)
    return scores if levels is None else (scores * levels).floor() / levels


def liked_of(part: Dataset) -> dict[int, dict[int, float]]:
    """Each user's positives of a part and their ratings."""
    liked: dict[int, dict[int, float]] = {}
    pairs = positive_pairs(part)
    for user, item, row in zip(pairs.users, pairs.items, pairs.rows, strict=True):
        rating = float(part.inter_feat["rating"][row])
        liked.setdefault(int(user), {})[int(item)] = rating
    return liked


def full_candidates(part: Dataset) -> dict[int, list[int]]:
    """What each user is ranked on in mode full, by id: all but what was seen and is no positive."""
    seen = seen_up_to(part)
    return {
        user: [
            item
            for item in range(1, part.item_num)
            if item in own or not seen.contains(torch.tensor(user), torch.tensor(item))
        ]
        for user, own in liked_of(part).items()
    }


def slow_lists(candidates: dict[int, list[int]], scores: Tensor) -> dict[int, list[int]]:
    """Each user's candidates, best first; of equal ones in the order given."""
    return {
        user: sorted(items, key=lambda item, user=user: -float(scores[user, item]))
        for user, items in candidates.items()
    }


def slow_metrics(
    part: Dataset, lists: dict[int, list[int]], scores: Tensor, k: int, tail_ratio: float = 0.1
) -> dict[str, float]:
    """Every ranking metric at k, by plain loops over users."""
    liked = liked_of(part)
    train = part.interactions_of("train")["item_id"].tolist()
    levels = sorted(part.schema.target.levels)
    each: dict[str, list[float]] = {}
    listed: list[int] = []
    won = weight = 0.0
    known = sorted(set(train), key=lambda item: (train.count(item), item))
    if tail_ratio > 1:
        tail = [item for item in known if train.count(item) <= tail_ratio]
    else:
        tail = known[: max(1, int(len(known) * tail_ratio))]
    for user, ranked in lists.items():
        own, top = liked[user], ranked[:k]
        hits = [item in own for item in top]
        found = sum(hits)
        listed += top
        gains = {item: 2 ** (levels.index(rating) + 1) - 1 for item, rating in own.items()}
        best = sorted(gains.values(), reverse=True)[:k]
        values = {
            "recall": found / len(own),
            "precision": found / k,
            "hit": float(found > 0),
            "mrr": next((1 / (rank + 1) for rank, hit in enumerate(hits) if hit), 0.0),
            "ndcg": sum(hit / math.log2(rank + 2) for rank, hit in enumerate(hits))
            / sum(1 / math.log2(rank + 2) for rank in range(min(len(own), k))),
            "map": sum(sum(hits[: r + 1]) / (r + 1) for r, hit in enumerate(hits) if hit)
            / min(len(own), k),
            "gradedndcg": sum(gains.get(i, 0) / math.log2(r + 2) for r, i in enumerate(top))
            / sum(gain / math.log2(rank + 2) for rank, gain in enumerate(best)),
            "averagepopularity": sum(train.count(item) for item in top) / len(top),
            "tailpercentage": sum(item in tail for item in top) / len(top),
        }
        for name, value in values.items():
            each.setdefault(name, []).append(value)
        others = [item for item in ranked if item not in own]
        if others:
            pairs = [
                (float(scores[user, p]) > float(scores[user, n]))
                + 0.5 * (float(scores[user, p]) == float(scores[user, n]))
                for p in own
                for n in others
            ]
            won += len(own) * sum(pairs) / len(pairs)
            weight += len(own)
    counts = sorted(listed.count(item) for item in range(part.item_num))
    shares = [count / len(listed) for count in counts if count]
    n = part.item_num
    return {
        **{name: sum(values) / len(values) for name, values in each.items()},
        "itemcoverage": len(set(listed)) / n,
        "shannonentropy": -sum(p * math.log(p) for p in shares) / len(shares),
        "giniindex": sum((2 * i - n - 1) * count for i, count in enumerate(counts, start=1))
        / (n * len(listed)),
        "gauc": won / weight,
    }
