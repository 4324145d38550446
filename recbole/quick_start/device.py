"""Where saved models are to work: a device by its name, and one for all that share data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recbole.errors import ConfigError
from recbole.trainer import checkpoint
from recbole.trainer.checkpoint import Checkpoint


def device_overrides(device: str | None) -> dict[str, Any]:
    """The options that place the model of a checkpoint on a device, wherever its run was.

    Args:
        device: cpu, cuda or cuda:<number>; None: CUDA where there is a device. CUDA without a
            number is the device of the run, or the first one where that is not here.

    Raises:
        ConfigError: the name is none of these, or there is no CUDA device here.
    """
    if device is None:
        return {"use_gpu": True}
    kind, colon, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (colon and (kind == "cpu" or not number.isdecimal())):
        raise ConfigError(f"Option 'device': expected cpu, cuda or cuda:<number>, got {device!r}")
    if kind == "cpu":
        return {"use_gpu": False}
    import torch

    if not torch.cuda.is_available():
        raise ConfigError(f"Option 'device': {device} is asked for, and no CUDA device was found")
    return {"use_gpu": True, **({"gpu_id": number} if colon else {})}


def load_together(
    paths: Sequence[str | Path],
    device: str | None,
    model_class: type | None = None,
    **overrides: Any,
) -> list[Checkpoint]:
    """Checkpoints whose models are to read the same batches: all on the device of the first.

    Args:
        paths: their files.
        device: see `device_overrides`.
        model_class, overrides: see `checkpoint.load`.

    Raises:
        CheckpointError: a checkpoint is unusable.
        ConfigError: there is no such device.
    """
    given = {**overrides, **device_overrides(device)}
    first = checkpoint.load(paths[0], model_class, **given)
    where = first.config.environment.model_dump(include={"use_gpu", "gpu_id"})
    others = (checkpoint.load(path, model_class, **{**given, **where}) for path in paths[1:])
    return [first, *others]
