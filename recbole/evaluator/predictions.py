"""What a model says about every row of a part, beside what is true.

N rows, B rows of a batch, K rating classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Protocol

import torch
from torch import Tensor

from recbole.data.schema import Schema
from recbole.errors import DataError
from recbole.model.head import Scores
from recbole.model.types import Batch, HasSchema


@dataclass(frozen=True)
class Predictions:
    """Predictions and truth of N rows, on one device; the last four only with a rating head.

    Attributes:
        click: [N] probability of a click.
        label: [N] 1 for a click and 0 for none.
        user: [N] id of the user.
        class_probabilities: [N, K] probability of each rating class.
        classes: [N] true rating class, 0 to K-1.
        expected_level: [N] the mean rating under `class_probabilities`.
        level: [N] true rating.

    Raises:
        ValueError: the tensors do not have the same number of rows.
    """

    click: Tensor
    label: Tensor
    user: Tensor
    class_probabilities: Tensor | None = None
    classes: Tensor | None = None
    expected_level: Tensor | None = None
    level: Tensor | None = None

    def __post_init__(self) -> None:
        rows = {name: len(tensor) for name, tensor in self._tensors().items()}
        if len(set(rows.values())) > 1:
            raise ValueError(f"expected as many rows in every tensor, got {rows}")

    def __len__(self) -> int:
        return len(self.click)

    def _tensors(self) -> dict[str, Tensor]:
        """The tensors that are there, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def concatenate(cls, parts: list[Predictions]) -> Predictions:
        """The rows of all `parts`, in order, as one."""
        names = parts[0]._tensors()
        return cls(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


class Batches(Protocol):
    """What `collect` needs of a Loader: its batches, and the data set that names the columns."""

    @property
    def dataset(self) -> HasSchema: ...

    def __iter__(self) -> Iterator[Batch]: ...


@torch.no_grad()
def collect(model: Any, loader: Batches) -> Predictions:
    """Run `model` over every batch of `loader` and keep what it predicts, on its device.

    The model is put in evaluation mode, and back into the mode it was in.

    Args:
        model: a ContextRecommender; `scores(batch)` gives the click probability [B] and, with a
            rating head, the class probabilities [B, K].
        loader: the part to predict; its batches hold label, user and rating columns too.

    Raises:
        DataError: the part has no rows.
    """
    was_training = model.training
    model.eval()
    try:
        schema = loader.dataset.schema
        parts = [beside_truth(model, model.scores(batch), batch, schema) for batch in loader]
    finally:
        model.train(was_training)
    if not parts:
        raise DataError("Expected at least one row to evaluate, got an empty part")
    return Predictions.concatenate(parts)


def beside_truth(model: Any, scores: Scores, batch: Batch, schema: Schema) -> Predictions:
    """What `model` says about one batch, its `scores`, beside what is true."""
    click, label, user = scores.click, batch[schema.target.label_field], batch[schema.user_field]
    if scores.classes is None:
        return Predictions(click, label, user)
    return Predictions(
        click,
        label,
        user,
        class_probabilities=scores.classes,
        classes=model.head.classes(batch),
        expected_level=model.head.expected_level(scores.classes),
        level=batch[model.head.rating_field],
    )
