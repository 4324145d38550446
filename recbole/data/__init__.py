"""Files -> columns -> encoded Dataset -> split -> batches that live on the training device."""

from recbole.data.dataset import Dataset
from recbole.data.encoding import Encoder
from recbole.data.evaluation_options import EvalArgs
from recbole.data.frames import from_pandas
from recbole.data.interaction import Interaction, cat_interactions
from recbole.data.loader import Loader
from recbole.data.options import DataOptions
from recbole.data.preparation import create_dataset, data_preparation
from recbole.data.schema import FeatureSource, FeatureType, Field, Schema, Target

__all__ = [
    "DataOptions",
    "Dataset",
    "Encoder",
    "EvalArgs",
    "FeatureSource",
    "FeatureType",
    "Field",
    "Interaction",
    "Loader",
    "Schema",
    "Target",
    "cat_interactions",
    "create_dataset",
    "data_preparation",
    "from_pandas",
]
