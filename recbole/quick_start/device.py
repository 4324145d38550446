"""Where a saved model is to work: a device by its name."""

from __future__ import annotations

from typing import Any

from recbole.errors import ConfigError


def device_overrides(device: str | None) -> dict[str, Any]:
    """The options of a checkpoint's run that place its model on a device; none for None.

    Args:
        device: cpu, cuda or cuda:<number>.

    Raises:
        ConfigError: the name is none of these, or there is no CUDA device here.
    """
    if device is None:
        return {}
    kind, colon, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (colon and (kind == "cpu" or not number.isdecimal())):
        raise ConfigError(f"Option 'device': expected cpu, cuda or cuda:<number>, got {device!r}")
    if kind == "cpu":
        return {"use_gpu": False}
    import torch

    if not torch.cuda.is_available():
        raise ConfigError(f"Option 'device': {device} is asked for, and no CUDA device was found")
    return {"use_gpu": True, **({"gpu_id": number} if colon else {})}
