"""L2 norms of the embeddings and of their gradients while a model trains (option `track_norms`).

Ouyang et al., "Scaled Supervision is an Implicit Lipschitz Regularizer" (ICWSM 2025), Fig. 2, show
gradient norms of the user and item embeddings during training, and norms of their weights after it,
without a formula. Here a table's norm is that of all its numbers as one vector, √Σ w²:

- gradient_user, gradient_item: of the gradient of the batch's loss, as the optimiser is given it
  before any clipping, with respect to the rows of the user and of the item ids; the mean over the
  steps of an epoch, but for those whose gradients are infinite, which a loss scaler skips;
- weight_user, weight_item: of these rows themselves, after the epoch;
- row_weight_user, row_weight_item: the mean of the norms of single rows, which data sets of
  different sizes can be compared by;
- gradient_all, weight_all: of all parameters of the field embedding.

Row 0, padding and unknown ids, is no learned embedding and belongs to neither users nor items.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from recbole.errors import ConfigError
from recbole.model.abstract_recommender import ContextRecommender
from recbole.trainer.losses import EpochLosses


class EmbeddingNorms:
    """Collects the norms of a model's embeddings, step by step.

    The device is read as seldom as for the losses; a step costs one pass over the gradients.
    """

    def __init__(self, model: ContextRecommender, device: torch.device) -> None:
        self._device = device
        self._name = model.__class__.__name__
        self._parameters = list(model.field_embedding.parameters())
        self._rows: dict[str, tuple[Tensor, slice]] = {}
        embedding, schema = model.field_embedding, model.schema
        offsets = embedding.token_offsets.tolist()
        for field, offset in zip(embedding.token_fields, offsets, strict=True):
            rows = slice(offset + 1, offset + field.size)
            for side, name in (("user", schema.user_field), ("item", schema.item_field)):
                if field.name == name:
                    self._rows[side] = (embedding.token_embedding_table.weight, rows)
        self._steps = EpochLosses(device)

    @torch.no_grad()
    def add_step(self, scale: Tensor | float = 1.0) -> None:
        """Note the gradients of one step.

        Args:
            scale: what the loss was multiplied by before the backward pass; a scalar.

        Raises:
            ConfigError: the model does not use its field embedding, so that there are none.
        """
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        if not gradients:
            raise ConfigError(
                f"Option 'track_norms': {self._name} has no gradient in its field_embedding; it"
                " must read its inputs by concat_embed_input_fields or embed_input_fields"
            )
        norms = {
            f"gradient_{side}": _norm_of_rows(table.grad, rows)
            for side, (table, rows) in self._rows.items()
            if table.grad is not None
        }
        norms["gradient_all"] = torch.stack([_norm(gradient) for gradient in gradients]).norm()
        self._steps.add({name: norm / scale for name, norm in norms.items()})

    @torch.no_grad()
    def close_epoch(self) -> dict[str, float]:
        """The means of the gradients' norms over the epoch, and the weights' norms at its end.

        Where no step of the epoch was taken the means are NaN.
        """
        gradients = _means_of_taken(self._steps)
        self._steps = EpochLosses(self._device)
        weights: dict[str, Tensor] = {}
        for side, (table, rows) in self._rows.items():
            weights[f"weight_{side}"] = _norm(table[rows])
            weights[f"row_weight_{side}"] = _norm(table[rows], dim=1).mean()
        weights["weight_all"] = torch.stack([_norm(p) for p in self._parameters]).norm()
        return {**gradients, **{name: float(norm) for name, norm in weights.items()}}

    def state(self) -> dict[str, Any]:
        """The steps of an unfinished epoch as plain data."""
        self._steps.read()
        return {"names": self._steps.names, "steps": self._steps.steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up an unfinished epoch."""
        self._steps.names, self._steps.steps = state["names"], state["steps"]


def summarise_norms(record: Mapping[str, Any]) -> dict[str, float]:
    """What Fig. 2 shows of a run: gradients during training, weights after it.

    Args:
        record: the run's json, of a run with `track_norms`.

    Returns:
        The mean of each `gradient_...` over the epochs that have one (NaN: none has); the best
        epoch's, whose weights were kept, of each `weight_...` and `row_weight_...`.

    Raises:
        ConfigError: the run did not track norms.
    """
    epochs = [epoch["norms"] for epoch in record["epochs"] if epoch.get("norms")]
    if not epochs or len(epochs) < len(record["epochs"]):
        raise ConfigError("The run has no norms of its embeddings: train it with track_norms: True")
    best = record["best_epoch"]
    kept = epochs[-1 if best is None else best]
    return {
        name: _mean([norms[name] for norms in epochs]) if name.startswith("gradient_") else value
        for name, value in kept.items()
    }


def _means_of_taken(steps: EpochLosses) -> dict[str, float]:
    """The mean of each norm over the steps that the optimiser has taken."""
    steps.read()
    taken = [step for step in steps.steps if all(map(math.isfinite, step))]
    return {
        name: _mean([step[number] for step in taken]) for number, name in enumerate(steps.names)
    }


def _mean(values: Sequence[float | None]) -> float:
    """The mean of the numbers there are; a json has None in the place of NaN."""
    numbers = [value for value in values if value is not None and math.isfinite(value)]
    return math.fsum(numbers) / len(numbers) if numbers else math.nan


def _norm(numbers: Tensor, dim: int | None = None) -> Tensor:
    """The norm over all of a tensor, which may be sparse, or over one axis; in float32 at least."""
    if numbers.is_sparse:
        numbers = numbers.coalesce().values()
    dtype = torch.promote_types(numbers.dtype, torch.float32)
    return torch.linalg.vector_norm(numbers, dim=dim, dtype=dtype)


def _norm_of_rows(gradient: Tensor, rows: slice) -> Tensor:
    """The norm of some rows of a gradient, which may be sparse."""
    if not gradient.is_sparse:
        return _norm(gradient[rows])
    gradient = gradient.coalesce()
    (index,) = gradient.indices()
    return _norm(gradient.values()[(index >= rows.start) & (index < rows.stop)])
