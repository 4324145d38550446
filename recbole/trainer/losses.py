"""Losses of an epoch, kept per step and read from the device only now and then."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor


class EpochLosses:
    """Collects the loss and its parts, step by step, without waiting for the device each time.

    Means are exact sums (`math.fsum`) over all steps, so that an interrupted and resumed epoch
    reports the very same numbers.
    """

    def __init__(self, device: torch.device) -> None:
        self._every = 1 if device.type == "cpu" else 64  # a read stalls a GPU, not a CPU
        self._pending: list[Tensor] = []
        self.names: list[str] = []
        self.steps: list[list[float]] = []
        self._finite = 0  # so many steps are known to be

    def add(self, parts: Mapping[str, Tensor]) -> bool:
        """Note one step's parts (scalars); return whether the device was read."""
        self.names = list(parts)
        self._pending.append(torch.stack([part.detach().float() for part in parts.values()]))
        if len(self._pending) < self._every:
            return False
        self.read()
        return True

    def extend(self, names: list[str], steps: list[list[float]]) -> None:
        """Note the parts of some steps that have been read elsewhere: one row for each step."""
        self.names = names
        self.steps += steps

    def read(self) -> None:
        """Fetch what the device still holds."""
        if self._pending:
            self.steps += torch.stack(self._pending).tolist()  # [steps, parts]
            self._pending.clear()

    def first_bad_step(self) -> tuple[int, str] | None:
        """The first step (from 0) with a NaN or infinite part, and that part's name.

        Asked after each step, it looks at each step once.
        """
        for values in self.steps[self._finite :]:
            for name, value in zip(self.names, values, strict=True):
                if not math.isfinite(value):
                    return self._finite, name
            self._finite += 1
        return None

    @property
    def latest(self) -> float:
        """The last step's loss that was read; NaN before the first."""
        return self.steps[-1][0] if self.steps else math.nan

    def means(self) -> dict[str, float]:
        """Mean of each part over the epoch's steps."""
        self.read()
        columns = zip(*self.steps, strict=True)
        return {
            name: math.fsum(column) / len(self.steps)
            for name, column in zip(self.names, columns, strict=True)
        }
