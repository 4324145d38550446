"""Ratings without what they say: the option `shuffle_levels`."""

from __future__ import annotations

import logging

import numpy as np
import torch

from recbole.data.dataset import Dataset
from recbole.errors import DataError

_log = logging.getLogger(__name__)


def shuffle_levels(part: Dataset, seed: int) -> None:
    """Permute the ratings of a part among its clicks, and among its other rows, in place.

    A rating then tells a model nothing but whether the row is a click, while there are as many
    classes as before, each as frequent. It is an ablation's training part: a row keeps its false
    rating for all epochs, and validation and test keep the true ones, so that metrics of the
    rating say how much of it was learned, which should be nothing.

    Raises:
        DataError: the part has no ratings, or no threshold.
    """
    target = part.schema.target
    if target.rating_field is None or target.threshold is None:
        raise DataError(
            f"{part.dataset_name}: shuffle_levels permutes ratings among clicks and others, and"
            " there are none: name their column in the threshold, such as threshold: {rating: 4}"
        )
    rating, label = part.inter_feat[target.rating_field], part.inter_feat[target.label_field]
    random = np.random.default_rng(seed)
    shuffled = rating.clone()
    for of_clicks in (False, True):
        (rows,) = torch.nonzero((label > 0) == of_clicks, as_tuple=True)  # [N] -> [M]
        order = torch.from_numpy(random.permutation(len(rows)))
        shuffled[rows] = rating[rows[order]]
    part.inter_feat[target.rating_field] = shuffled
    _log.info(
        "shuffle_levels: the ratings of %s training rows are permuted among clicks and among"
        " the others",
        f"{len(rating):,}",
    )
