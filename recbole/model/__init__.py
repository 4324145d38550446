"""Models: from a batch of columns to logits, and from logits to losses and probabilities."""

from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.head import Head, Scores, SupervisionOptions, build_head
from recbole.model.registry import MODEL_NAMES, model_class
from recbole.model.types import InputType, ModelType

__all__ = [
    "MODEL_NAMES",
    "ContextRecommender",
    "Head",
    "InputType",
    "ModelType",
    "Scores",
    "SupervisionOptions",
    "build_head",
    "model_class",
]
