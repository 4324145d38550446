"""The state of training between two steps: all that a resumed run needs to end the same."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import torch

from recbole.model.precision import Name, Precision
from recbole.trainer.checkpoint import load_weights
from recbole.trainer.early_stopping import EarlyStopping
from recbole.trainer.record import describe_device

if TYPE_CHECKING:
    from recbole.trainer.trainer import Trainer

logger = logging.getLogger(__name__)


def capture(trainer: Trainer) -> dict[str, Any]:
    """The state as tensors and plain data.

    The order of rows needs no place in it: it depends only on the seed and the epoch.
    """
    on_cuda = trainer.device.type == "cuda"
    return {
        "weights": trainer.model.state_dict(),
        "optimizers": trainer.optimizers.state_dict(),
        "scaler": trainer.scaler.state_dict(),
        "stopping": asdict(trainer.stopping),
        "epoch": trainer.epoch,
        "losses": {"names": trainer.losses.names, "steps": trainer.losses.steps},
        "norms": None if trainer.norms is None else trainer.norms.state(),
        "random_cpu": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state(trainer.device) if on_cuda else None,
    }


def restore(trainer: Trainer, state: Mapping[str, Any]) -> None:
    """Put a trainer into a captured state.

    Raises:
        CheckpointError: the weights are those of another model.
    """
    keep_precision(trainer)
    load_weights(trainer.model, state["weights"], trainer.files.checkpoint)
    trainer.optimizers.load_state_dict(state["optimizers"])
    if state["scaler"]:  # none from a CPU under enable_amp, where nothing is scaled
        trainer.scaler.load_state_dict(state["scaler"])
    trainer.stopping = EarlyStopping(**state["stopping"])
    trainer.epoch = state["epoch"]
    trainer.losses.names = state["losses"]["names"]
    trainer.losses.steps = state["losses"]["steps"]
    if trainer.norms is not None and state.get("norms") is not None:
        trainer.norms.restore(state["norms"])
    torch.set_rng_state(state["random_cpu"])
    if trainer.device.type == "cuda" and state["random_cuda"] is not None:
        torch.cuda.set_rng_state(state["random_cuda"], trainer.device)


def keep_precision(trainer: Trainer) -> None:
    """Go on in the precision that the run's record names: `auto` might choose another one now.

    Another kind of device has precisions of its own, and the run will differ.
    """
    record, now = trainer.record, trainer.model.precision
    begun = record.precision.partition(" ")[0]
    if not begun or begun == now.name:
        return
    kind, device = trainer.device.type, describe_device(trainer.device)
    if record.device.startswith(kind):
        trainer.model.precision = Precision(cast(Name, begun), kind, "as the run began")
    else:
        logger.warning(
            "The run began in %s on %s and goes on in %s on %s: its numbers will not be those of a"
            " run in one piece", begun, record.device, now.name, device,
        )  # fmt: skip
        record.precision, record.device = str(now), device
