"""What two checkpoints recommend to one user, side by side: the case study of the paper.

Ouyang et al., "Scaled Supervision is an Implicit Lipschitz Regularizer" (ICWSM 2025), Figure 5.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recbole.config import Config
from recbole.config.sources import as_list
from recbole.data import Dataset, Interaction, Loader, create_dataset, data_preparation
from recbole.errors import CheckpointError, ConfigError
from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.cpu import tuned_cpu
from recbole.model.head import RatingHead, SoftmaxHead
from recbole.quick_start.comparison import (
    Comparison,
    HeldOut,
    HeldOutPositive,
    ListedItem,
    RankedList,
)
from recbole.quick_start.device import load_together
from recbole.quick_start.item_texts import GENRE_COLUMNS, TITLE_COLUMNS, ItemTexts
from recbole.quick_start.recommend import user_ids
from recbole.quick_start.same_data import refuse_changed_data, refuse_different_data
from recbole.trainer.checkpoint import Checkpoint
from recbole.trainer.files import RunFiles
from recbole.utils.case_study import full_sort_scores


@tuned_cpu()
def compare(
    checkpoints: Sequence[str | Path],
    user: str,
    topk: int = 10,
    titles: str | None = None,
    genres: str | None = None,
    *,
    device: str | None = None,
    data_path: str | Path | None = None,
) -> Comparison:
    """Rank the items that a user has not seen by two models of one data set and split.

    The items of the training and validation parts are left out; those of the test part compete
    with all others, and the ones that the user clicked on are the held-out positives.

    >>> comparison = compare(["saved/binary.pth", "saved/graded.pth"], user="196")
    >>> comparison.summary()

    Args:
        checkpoints: two of them.
        user: a user's token, as in the data files.
        topk: the length of the lists.
        titles: the column of the .item file to show as title; None: the first of movie_title,
            title and name that is there, else the item's token.
        genres: the column to show as genres; None: the first of genre, genres, class and
            categories that is there.
        device: cpu, cuda or cuda:<number>; None: CUDA where there is a device.
        data_path: the folder that holds the data set's folder; None: where the runs found it.

    Raises:
        CheckpointError: a checkpoint is unusable, the data has changed since its training, or the
            two do not share data set and split.
        ConfigError: there are not two checkpoints, or a model reads columns of interactions.
        DataError: the user is unknown or a column is not there; the nearest name is given.
    """
    checkpoints = as_list(checkpoints)
    if len(checkpoints) != 2:
        raise ConfigError(f"Option 'checkpoint': expected two of them, got {len(checkpoints)}")
    if topk < 1:
        raise ConfigError(f"Option 'topk': expected at least 1, got {topk}")
    overrides: dict[str, Any] = {} if data_path is None else {"data_path": str(data_path)}
    saved = load_together(checkpoints, device, **overrides)
    (user_id,) = user_ids(saved[0], user).tolist()
    refuse_different_data(*saved)
    first = _open(saved[0], None)
    sides = (first, _open(saved[1], first))
    dataset = first.dataset

    texts = ItemTexts.read(saved[0].config)
    called = texts.sentences(texts.choose(titles, TITLE_COLUMNS, option="titles"))
    kinds = texts.lists(texts.choose(genres, GENRE_COLUMNS, option="genres"))

    orders = [side.order(user_id) for side in sides]
    held_out = _held_out(first.test.dataset, user_id)
    tokens = dataset.encoder.tokens(dataset.iid_field)

    def ranked_list(
        letter: str, name: str, side: _Side, top: list[int], other: list[int]
    ) -> RankedList:
        predictions = zip(top, side.predict(user_id, top), strict=True)
        items = [
            ListedItem(
                rank=rank,
                item=tokens[item],
                title=called.get(tokens[item], tokens[item]),
                genres=kinds.get(tokens[item], ()),
                held_out=held_out.get(item),
                other_rank=other.index(item) + 1 if item in other else None,
                **predicted,
            )
            for rank, (item, predicted) in enumerate(predictions, start=1)
        ]
        return side.ranked_list(letter, name, items)

    names = _names([side.saved.path for side in sides])
    top_a, top_b = (order[:topk] for order in orders)
    positives = [
        HeldOutPositive(
            item=tokens[item],
            title=called.get(tokens[item], tokens[item]),
            rating=row.rating,
            ranks=(orders[0].index(item) + 1, orders[1].index(item) + 1),
        )
        for item, row in held_out.items()
        if row.liked
    ]
    return Comparison(
        dataset=saved[0].config.dataset,
        user=str(user),
        topk=topk,
        candidates=len(orders[0]),
        seen=dataset.item_num - 1 - len(orders[0]),
        lists=(
            ranked_list("A", names[0], sides[0], top_a, top_b),
            ranked_list("B", names[1], sides[1], top_b, top_a),
        ),
        positives=tuple(sorted(positives, key=lambda p: (min(p.ranks), sum(p.ranks)))),
    )


@dataclass(frozen=True)
class _Side:
    """One of the two models with the data that it reads."""

    saved: Checkpoint
    model: ContextRecommender
    dataset: Dataset
    test: Loader

    def order(self, user: int) -> list[int]:
        """The ids of the items that the user has not seen, the most probable first."""
        (scores,) = full_sort_scores([user], self.model, self.test)  # [1, I + 1] -> [I + 1]
        best = torch.argsort(scores, descending=True, stable=True)
        return best[torch.isfinite(scores[best])].tolist()

    @torch.no_grad()
    def predict(self, user: int, items: Sequence[int]) -> list[dict[str, Any]]:
        """What the model says of each of some items."""
        ids = torch.tensor(items, dtype=torch.int64)
        rows = {self.dataset.uid_field: torch.full_like(ids, user), self.dataset.iid_field: ids}
        batch = self.dataset.join(Interaction(rows)).to(self.saved.config.device)
        scores = self.model.scores(batch)
        head, classes = self.model.head, scores.classes
        if classes is None or not isinstance(head, RatingHead):
            empty: dict[str, Any] = {"classes": (), "expected": None}
            return [{"click": click, **empty} for click in scores.click.tolist()]
        columns = (scores.click, classes, head.expected_level(classes))
        return [
            {"click": click, "classes": tuple(levels), "expected": expected}
            for click, levels, expected in zip(*(c.tolist() for c in columns), strict=True)
        ]

    def ranked_list(self, letter: str, name: str, items: Sequence[ListedItem]) -> RankedList:
        """The list with what is known of the model behind it."""
        head, config = self.model.head, self.saved.config
        levels: tuple[float, ...] = ()
        words = "clicks only"
        if isinstance(head, RatingHead):
            levels = tuple(head.levels.tolist())
            words = f"{len(levels)} rating levels, λ = {head.ratio:g}"
            words += "" if isinstance(head, SoftmaxHead) else f", {config.supervision.multi_head}"
        return RankedList(
            letter=letter,
            name=name,
            model=config.model,
            head=words,
            levels=levels,
            positive=tuple(k >= getattr(head, "num_negative", 0) for k in range(len(levels))),
            test_result=_test_result(self.saved.path),
            items=tuple(items),
        )


def _open(saved: Checkpoint, like: _Side | None) -> _Side:
    """The model and its data; those of another one, where they are prepared in the same way."""
    config = saved.config
    if like is not None and _prepared_alike(config, like.saved.config):
        return _Side(saved, saved.build_model(), like.dataset, like.test)
    dataset = create_dataset(config)
    refuse_changed_data(saved, dataset)
    test = data_preparation(config, dataset)[2]
    return _Side(saved, saved.build_model(), dataset, test)


def _prepared_alike(config: Config, other: Config) -> bool:
    return config.data == other.data and config.environment.seed == other.environment.seed


def _names(paths: Sequence[Path]) -> list[str]:
    """What to call the checkpoints: their file names, or their paths where those are the same."""
    short = [path.stem for path in paths]
    return short if len(set(short)) == len(paths) else [str(p.with_suffix("")) for p in paths]


def _held_out(test: Dataset, user: int) -> dict[int, HeldOut]:
    """What the test part says of a user, by item id; of several rows with an item, the best."""
    rows = test.inter_feat
    mine = torch.nonzero(rows[test.uid_field] == user).flatten()  # [N] -> [M]
    items: list[int] = rows[test.iid_field][mine].tolist()
    # Without a label, as in implicit data, each observed pair is a positive.
    has_label = test.label_field in rows
    liked: list[float] = rows[test.label_field][mine].tolist() if has_label else [1.0] * len(items)
    rating_field = test.schema.target.rating_field
    ratings = _ratings(rows, rating_field, mine)
    found: dict[int, HeldOut] = {}
    for item, label, rating in zip(items, liked, ratings, strict=True):
        if item not in found or label > 0:
            found[item] = HeldOut(liked=label > 0, rating=rating)
    return found


def _ratings(rows: Interaction, field: str | None, mine: Tensor) -> Sequence[float | None]:
    if field is None or field not in rows:
        return [None] * len(mine)
    return rows[field][mine].tolist()


def _test_result(path: Path) -> Mapping[str, float]:
    """The test metrics in the json beside a checkpoint; none where it is gone or has none."""
    record = RunFiles(path).record
    if not record.is_file():
        return {}
    try:
        return json.loads(record.read_text())["test_result"] or {}
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise CheckpointError(f"{record} is not the record of a run: {error!r}") from None
