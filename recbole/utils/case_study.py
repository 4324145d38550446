"""What a model would recommend to some users: RecBole's two functions.

U users, I items by their ids, from 1; id 0 is padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbole.data import Dataset, Loader
from recbole.data.evaluation_options import PARTS
from recbole.data.sampling import SeenItems
from recbole.errors import DataError
from recbole.evaluator.full_ranking import FullRanker
from recbole.model.abstract_recommender import ContextRecommender

UserIds = Sequence[int] | NDArray[Any] | Tensor


@torch.no_grad()
def full_sort_scores(
    uid_series: UserIds,
    model: ContextRecommender,
    test_data: Loader,
    device: torch.device | str | None = None,
) -> Tensor:
    """The scores of all items for each user, click probabilities as a rule.

    Padding and the items of the user's history are -inf: those the user has in earlier parts (for
    test data, training and validation) and not in this one too.

    >>> users = dataset.token2id(dataset.uid_field, ["196", "186"])
    >>> full_sort_scores(users, model, test_data).shape
    torch.Size([2, 1683])

    Args:
        uid_series: ids of users (see `Dataset.token2id`), in any order, repeated or not.
        model: a trained model.
        test_data: the part whose items compete, such as the last of `load_data_and_model`.
        device: where the model is; None finds out.

    Returns:
        float32 [U, I + 1], on the device of the model.

    Raises:
        ConfigError: the model reads columns of interactions, which a user and an item lack.
        DataError: an id is none of a user.
        ValueError: the model is on another device.
    """
    dataset = test_data.dataset
    users = _user_ids(uid_series, dataset)
    scores = _ranker(model, dataset, device).scores(users)  # [U] -> [U, I + 1]
    rows, items = history(dataset).of(users)
    scores[rows.to(scores.device), items.to(scores.device)] = -torch.inf
    return scores


@torch.no_grad()
def full_sort_topk(
    uid_series: UserIds,
    model: ContextRecommender,
    test_data: Loader,
    k: int,
    device: torch.device | str | None = None,
) -> tuple[Tensor, Tensor]:
    """The best items of each user, best first, of equal ones the lower id first.

    Arguments and what is left out are as in `full_sort_scores`; memory is bounded for any number of
    users.

    >>> scores, items = full_sort_topk(users, model, test_data, k=10)
    >>> dataset.id2token(dataset.iid_field, items)

    Returns:
        float32 [U, k], the scores, and int64 [U, k], the ids of the items; -inf and 0 where a user
        has fewer than k items to choose from.

    Raises:
        ConfigError, DataError: see `full_sort_scores`.
        ValueError: k is below 1, or the model is on another device.
    """
    if k < 1:
        raise ValueError(f"expected k to be at least 1, got {k}")
    dataset = test_data.dataset
    users = _user_ids(uid_series, dataset)
    top = _ranker(model, dataset, device).top_k(users, k, exclude=history(dataset))
    return top.scores, top.items


def history(part: Dataset) -> SeenItems:
    """What users have in the parts before this one and not in this one too."""
    sizes = part.user_num, part.item_num
    earlier = PARTS[: PARTS.index(part.part)] if part.part else ()
    if not earlier:
        none = torch.zeros(0, dtype=torch.int64)
        return SeenItems(none, none, *sizes)
    rows = part.interactions_of(*earlier)
    users, items = rows[part.uid_field], rows[part.iid_field]  # [N]
    here = SeenItems(part.inter_feat[part.uid_field], part.inter_feat[part.iid_field], *sizes)
    only_before = ~here.contains(users, items)  # [N]
    return SeenItems(users[only_before], items[only_before], *sizes)


def _ranker(
    model: ContextRecommender, dataset: Dataset, device: torch.device | str | None
) -> FullRanker:
    there = next(model.parameters()).device
    if device is not None and torch.empty(0, device=device).device != there:
        raise ValueError(
            f"expected the model on {device}, it is on {there}: call model.to('{device}') first"
        )
    return FullRanker(model, dataset.schema, dataset.user_feat, dataset.item_feat, there)


def _user_ids(uid_series: UserIds, dataset: Dataset) -> Tensor:
    """The ids as int64 [U], checked."""
    found = uid_series.cpu().numpy() if isinstance(uid_series, Tensor) else np.asarray(uid_series)
    if found.size and not np.issubdtype(found.dtype, np.integer):
        raise DataError(
            f"expected ids of '{dataset.uid_field}', got {found.flat[0]!r}; dataset.token2id"
            f"('{dataset.uid_field}', tokens) makes ids of tokens"
        )
    ids = found.astype(np.int64).reshape(-1)
    wrong = ids[(ids < 1) | (ids >= dataset.user_num)]
    if len(wrong):
        raise DataError(
            f"expected ids of '{dataset.uid_field}' from 1 to {dataset.user_num - 1}, got"
            f" {wrong[0]}"
        )
    return torch.from_numpy(ids)
