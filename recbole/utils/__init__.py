"""Seed, logging and look-ups under RecBole's names."""

from recbole.data.schema import FeatureSource, FeatureType
from recbole.evaluator.types import EvaluatorType
from recbole.model.types import InputType, ModelType
from recbole.utils.logger import init_logger
from recbole.utils.lookup import get_model, get_trainer
from recbole.utils.seed import init_seed

__all__ = [
    "EvaluatorType",
    "FeatureSource",
    "FeatureType",
    "InputType",
    "ModelType",
    "get_model",
    "get_trainer",
    "init_logger",
    "init_seed",
]
