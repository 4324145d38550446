"""A small generated schema with every field type, batches of it, and a stand-in config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from recbole.data.schema import FeatureSource, FeatureType, Field, Schema, Target
from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.head import SupervisionOptions
from recbole.model.registry import model_class

FIELDS = (
    Field("user_id", FeatureType.TOKEN, FeatureSource.USER_ID, size=13),
    Field("price", FeatureType.FLOAT, FeatureSource.ITEM, size=1),
    Field("genre", FeatureType.TOKEN_SEQ, FeatureSource.ITEM, size=6, length=4),
    Field("item_id", FeatureType.TOKEN, FeatureSource.ITEM_ID, size=17),
    Field("age", FeatureType.FLOAT, FeatureSource.USER, size=5, discretised=True),
    Field("history", FeatureType.FLOAT_SEQ, FeatureSource.USER, size=1, length=3),
    Field("visits", FeatureType.FLOAT_SEQ, FeatureSource.USER, size=4, length=3, discretised=True),
)
STARS = (1.0, 2.0, 3.0, 4.0, 5.0)
HALF_STARS = tuple(half / 2 for half in range(1, 11))


@dataclass
class StandInConfig:
    """What a model reads of `recbole.config.Config`."""

    model_options: Any
    supervision: SupervisionOptions
    flat: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.flat[name]


def make_config(
    cls: type[ContextRecommender],
    options: dict[str, Any] | None = None,
    supervision: dict[str, Any] | None = None,
    learner: str = "adam",
    embedding_precision: str = "fp32",
) -> StandInConfig:
    """A config for a model class, with the given options instead of its defaults."""
    model_options = cls.Options(**(options or {}))
    flat = {
        **model_options.model_dump(),
        "LABEL_FIELD": "label",
        "device": torch.device("cpu"),
        "numerical_features": ["price", "history"],
        "learner": learner,
        "precision": "fp32",
        "enable_amp": False,
        "embedding_precision": embedding_precision,
    }
    return StandInConfig(model_options, SupervisionOptions(**(supervision or {})), flat)


def make_schema(
    levels: tuple[float, ...] = STARS,
    threshold: float | None = 4.0,
    fields: tuple[Field, ...] = FIELDS,
) -> Schema:
    """A schema over `fields` whose click is `rating >= threshold`."""
    target = Target("label", "rating", threshold, levels)
    return Schema(fields, "user_id", "item_id", "timestamp", target)


def make_model(
    name: str,
    options: dict[str, Any] | None = None,
    supervision: dict[str, Any] | None = None,
    schema: Schema | None = None,
) -> ContextRecommender:
    """A freshly initialised model by name."""
    cls = model_class(name)
    return cls(make_config(cls, options, supervision), schema or make_schema())


def make_batch(rows: int, schema: Schema, seed: int = 0) -> dict[str, Tensor]:
    """Random columns for every field, the rating and the label; sequences have padding."""
    random = torch.Generator().manual_seed(seed)
    batch = {field.name: _column(field, rows, random) for field in schema.fields}
    levels = torch.tensor(schema.target.levels)
    batch["rating"] = levels[torch.randint(len(levels), (rows,), generator=random)]
    batch["label"] = (batch["rating"] >= (schema.target.threshold or 0)).float()
    return batch


def _column(field: Field, rows: int, random: torch.Generator) -> Tensor:
    if field.type is FeatureType.TOKEN or (field.discretised and field.length == 1):
        return torch.randint(field.size, (rows,), generator=random)
    if field.type is FeatureType.FLOAT:
        return torch.rand(rows, generator=random)
    lengths = torch.randint(field.length + 1, (rows, 1), generator=random)  # 0: padding only
    present = torch.arange(field.length) < lengths
    if field.type is FeatureType.TOKEN_SEQ or field.discretised:
        ids = torch.randint(1, field.size, (rows, field.length), generator=random)
        return ids.masked_fill(~present, 0)
    values = torch.rand(rows, field.length, generator=random)
    return values.masked_fill(~present, float("nan"))
