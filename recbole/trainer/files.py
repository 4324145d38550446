"""The files of a run: `saved/<Model>-<time>.pth`, its `.json` beside it, TensorBoard's folder."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path

_TENSORBOARD = Path("log_tensorboard")


@dataclass(frozen=True)
class RunFiles:
    """Where one run writes; all names share a stem."""

    checkpoint: Path

    @classmethod
    def new(cls, folder: str | Path, run_name: str) -> RunFiles:
        """`<run name>.pth`, numbered where a run of that name has been here before."""
        for number in count(1):
            stem = run_name if number == 1 else f"{run_name}-{number}"
            files = cls(Path(folder) / f"{stem}.pth")
            if not (files.checkpoint.exists() or files.record.exists()):
                return files
        raise AssertionError("count() has no end")

    @property
    def record(self) -> Path:
        """The json of the run."""
        return self.checkpoint.with_suffix(".json")

    @property
    def tensorboard(self) -> Path:
        """The folder of its TensorBoard scalars."""
        return _TENSORBOARD / self.checkpoint.stem
