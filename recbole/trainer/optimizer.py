"""The optimiser that `learner` names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from recbole.trainer.options import TrainingOptions
from recbole.trainer.sparse_adam import SparseAdamInBF16


class Optimizers:
    """Several optimisers, each with parameters of its own, stepped as one."""

    def __init__(self, *optimizers: torch.optim.Optimizer) -> None:
        self.optimizers = optimizers

    def zero_grad(self) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def step(self, scaler: torch.amp.GradScaler) -> None:
        """Take one step; a disabled scaler steps plainly, an enabled one skips overflows."""
        for optimizer in self.optimizers:
            scaler.step(optimizer)
        scaler.update()

    def unscale(self, scaler: torch.amp.GradScaler) -> None:
        """Bring gradients back to their true scale, as clipping needs them."""
        for optimizer in self.optimizers:
            scaler.unscale_(optimizer)

    @contextmanager
    def capturable(self) -> Iterator[None]:
        """Allow a step to be captured in a CUDA graph, where an optimiser has to be told.

        Not for longer than that: outside a capture it warns.
        """
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        told = [group for group in groups if "capturable" in group]
        for group in told:
            group["capturable"] = True
        try:
            yield
        finally:
            for group in told:
                group["capturable"] = False

    def state_dict(self) -> list[dict[str, Any]]:
        return [optimizer.state_dict() for optimizer in self.optimizers]

    def load_state_dict(self, states: list[Mapping[str, Any]]) -> None:
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(dict(state))


def build_optimizers(model: nn.Module, options: TrainingOptions) -> Optimizers:
    """The optimiser of `options.learner` over all of the model's parameters.

    `sparse_adam` updates the embedding rows that a batch touches, by `torch.optim.SparseAdam` or,
    where they are stored in bf16, its like for bf16, and everything else by Adam.
    """
    lr, decay = options.learning_rate, options.weight_decay
    parameters = [p for p in model.parameters() if p.requires_grad]
    match options.learner:
        case "adam":
            return Optimizers(torch.optim.Adam(parameters, lr, weight_decay=decay, fused=True))
        case "adamw":
            return Optimizers(torch.optim.AdamW(parameters, lr, weight_decay=decay, fused=True))
        case "sgd":
            return Optimizers(torch.optim.SGD(parameters, lr, weight_decay=decay))
        case "adagrad":
            return Optimizers(torch.optim.Adagrad(parameters, lr, weight_decay=decay))
        case "rmsprop":
            return Optimizers(torch.optim.RMSprop(parameters, lr, weight_decay=decay))
        case "sparse_adam":
            sparse = {
                module.weight
                for module in model.modules()
                if isinstance(module, nn.Embedding) and module.sparse
            }
            tables = [p for p in parameters if p in sparse]
            dense = [p for p in parameters if p not in sparse]
            of_tables = (
                SparseAdamInBF16(tables, lr)
                if options.embedding_precision == "bf16"
                else torch.optim.SparseAdam(tables, lr)
            )
            return Optimizers(of_tables, torch.optim.Adam(dense, lr, fused=True))
