"""The loop, optimisers, early stopping, checkpoints."""

from recbole.trainer.trainer import Trainer

__all__ = ["Trainer"]
