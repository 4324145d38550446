"""The readable steps a run consists of."""

from recbole.quick_start.quick_start import (
    load_data_and_model,
    objective_function,
    resume,
    run,
    run_recbole,
)

__all__ = ["load_data_and_model", "objective_function", "resume", "run", "run_recbole"]
