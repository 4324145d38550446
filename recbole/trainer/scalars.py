"""Scalars for TensorBoard: losses, validation metrics and norms by epoch."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from recbole.trainer.record import EpochRecord

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Scalars:
    """Writes an epoch's numbers to a TensorBoard folder, or nowhere where not `enabled`."""

    def __init__(self, folder: Path, enabled: bool) -> None:
        self._folder, self._enabled = folder, enabled
        self._writer: SummaryWriter | None = None

    def __enter__(self) -> Scalars:
        if self._enabled:
            # A second of import time, which only a run that trains should pay.
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._folder))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def write(self, epoch: EpochRecord) -> None:
        """Note one epoch."""
        if self._writer is None:
            return
        scalars = {"Loss/Train": epoch.train_loss}
        scalars |= {f"Loss/Train_{name}": value for name, value in epoch.loss_parts.items()}
        scalars |= {f"Valid/{name}": value for name, value in (epoch.valid_result or {}).items()}
        scalars |= {f"Norm/{name}": value for name, value in (epoch.norms or {}).items()}
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, epoch.epoch)
