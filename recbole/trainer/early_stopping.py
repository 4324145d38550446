"""When to stop: RecBole's rule, to the letter."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """Stop once more than `patience` validations in a row were worse than the best.

    A tie counts as better, so that of several equal validations the last is kept.

    Attributes:
        best: the best value so far; None before the first.
        best_epoch: the epoch it came from.
        worse: validations since then, all worse.
    """

    patience: int
    bigger_is_better: bool
    best: float | None = None
    best_epoch: int | None = None
    worse: int = 0

    def update(self, value: float, epoch: int) -> bool:
        """Take note of a validation; return whether it is the best so far.

        NaN, an undefined metric, is the best only for want of a number.
        """
        if self._improves(value):
            self.best, self.best_epoch, self.worse = value, epoch, 0
            return True
        self.worse += 1
        return False

    @property
    def should_stop(self) -> bool:
        return self.worse > self.patience

    def _improves(self, value: float) -> bool:
        if self.best is None or math.isnan(self.best):
            return True
        return value >= self.best if self.bigger_is_better else value <= self.best
