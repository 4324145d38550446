"""The two kinds of metric, by what they are computed from."""

from __future__ import annotations

from enum import Enum


class EvaluatorType(Enum):
    """What a metric looks at (RecBole's names and values)."""

    RANKING = 1
    """The top of each user's ranked list of candidate items."""

    VALUE = 2
    """The predicted value of each row."""
