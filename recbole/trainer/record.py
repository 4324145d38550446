"""What a run leaves to read: `<checkpoint stem>.json`, complete from the first epoch on."""

from __future__ import annotations

import json
import math
import platform
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import torch
from torch import nn

import recbole
from recbole.config import Config
from recbole.data.staging import replacing


@dataclass
class EpochRecord:
    """One epoch: mean training loss and its parts, the seconds it took, what validation said.

    `norms` are those of the embeddings, as `recbole.trainer.norms` names them, where tracked.
    """

    epoch: int
    train_loss: float
    loss_parts: dict[str, float]
    train_seconds: float
    valid_result: dict[str, float] | None = None
    valid_seconds: float | None = None
    norms: dict[str, float] | None = None


@dataclass
class RunRecord:
    """The story of a run as plain data; `write` puts it on disk, whole or not at all."""

    model: str
    dataset: str
    config: dict[str, Any]
    sources: dict[str, str]
    parameters: int
    device: str
    precision: str = ""
    status: str = "running"
    data: dict[str, Any] = field(default_factory=dict)
    command: list[str] = field(default_factory=lambda: list(sys.argv))
    started: str = field(
        default_factory=lambda: datetime.now().astimezone().isoformat(timespec="seconds")
    )
    epochs: list[EpochRecord] = field(default_factory=list)
    best_epoch: int | None = None
    best_valid_score: float | None = None
    best_valid_result: dict[str, float] | None = None
    test_result: dict[str, float] | None = None
    seconds: float = 0.0
    peak_memory_mb: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Config, model: nn.Module, device: torch.device) -> RunRecord:
        """The record of a run about to start."""
        return cls(
            model=config.model,
            dataset=config.dataset,
            config=config.values(),
            sources=config.sources,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            device=describe_device(device),
            precision=str(getattr(model, "precision", "")),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> RunRecord:
        """The inverse of `to_dict`; the clock goes on from the seconds already spent."""
        epochs = [EpochRecord(**epoch) for epoch in plain["epochs"]]
        return cls(**{**plain, "epochs": epochs})

    def __post_init__(self) -> None:
        self._since = time.perf_counter() - self.seconds

    def write(self, path: Path, device: torch.device) -> None:
        """Bring the record of a run on a device up to date, and replace its file in one step."""
        self.seconds = round(time.perf_counter() - self._since, 3)
        self.peak_memory_mb = peak_memory_mb(device)
        self.versions = versions()
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(finite(self.to_dict()), indent=1) + "\n")


def describe_device(device: torch.device) -> str:
    """The device by name: its model for CUDA, its threads for the CPU."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)"


def peak_memory_mb(device: torch.device) -> dict[str, float]:
    """Highest memory of the process so far (resident) and, on CUDA, of the device, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB on Linux
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    peaks = {"resident": round(resident / 2**20, 1)}
    if device.type == "cuda":
        peaks["cuda"] = round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    return peaks


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    return {
        "recbole": recbole.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a subclass of str, which a checkpoint must not hold
        "numpy": np.__version__,
        "pyarrow": pyarrow.__version__,
        "platform": platform.platform(),
    }


def finite(value: Any) -> Any:
    """JSON knows no NaN: an undefined number becomes null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    return value
