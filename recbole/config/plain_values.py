"""Option values as plain data, which json and a checkpoint can hold."""

from __future__ import annotations

from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's, tuples as lists, at any depth; the rest as it is.

    (An option whose type is a tuple makes one of a list again: `recbole.config.options`.)

    NumPy's float64 is a float, so that nothing else would tell the two apart before a checkpoint
    that holds one cannot be read.
    """
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {plain(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def is_plain(value: Any) -> bool:
    """Whether a value is made of numbers, texts, lists, dictionaries and None alone."""
    if isinstance(value, dict):
        return all(isinstance(key, str | int) and is_plain(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(is_plain, value))
    return value is None or isinstance(value, str | int | float)
