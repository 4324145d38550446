"""The state of training between two steps: all that a resumed run needs to end the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from recbole.trainer.checkpoint import load_weights
from recbole.trainer.early_stopping import EarlyStopping

if TYPE_CHECKING:
    from recbole.trainer.trainer import Trainer


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
