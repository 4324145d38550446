"""Models and trainers by name, as RecBole offers them."""

from __future__ import annotations

from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.registry import model_class
from recbole.model.types import ModelType
from recbole.trainer import Trainer


def get_model(model_name: str) -> type[ContextRecommender]:
    """The class of a model.

    Raises:
        ConfigError: there is no model of that name; the nearest is named.
    """
    return model_class(model_name)


def get_trainer(model_type: ModelType, model_name: str) -> type[Trainer]:  # noqa: ARG001
    """The trainer of a model; context-aware models all share one."""
    if model_type is not ModelType.CONTEXT:
        raise ValueError(f"expected ModelType.CONTEXT, got {model_type!r}")
    return Trainer
