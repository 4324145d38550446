"""The readable steps a run consists of."""

from recbole.quick_start.compare import compare
from recbole.quick_start.predict import predict
from recbole.quick_start.quick_start import (
    load_data_and_model,
    objective_function,
    resume,
    run,
    run_recbole,
)
from recbole.quick_start.recommend import recommend

__all__ = [
    "compare",
    "load_data_and_model",
    "objective_function",
    "predict",
    "recommend",
    "resume",
    "run",
    "run_recbole",
]
