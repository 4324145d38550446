"""The loss as one compiled program: the option `compile`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from recbole.data import Interaction
from recbole.errors import ConfigError
from recbole.model.abstract_recommender import ContextRecommender

LossParts = Callable[[Interaction], dict[str, Tensor]]


def loss_parts_of(model: ContextRecommender, compile: Literal["auto"] | bool) -> LossParts:
    """`model.loss_parts`, through `torch.compile` if `compile` is True.

    Compiled code draws other random numbers for dropout. "auto" leaves the model as it is: on the
    CPUs measured (docs/performance.md) compiling took longer than it saved.

    Raises:
        ConfigError: (when called) it can't be compiled, for want of a C++ compiler say.
    """
    if compile is not True:
        return model.loss_parts
    from torch._dynamo.exc import TorchDynamoException  # seconds, which no other run should wait

    compiled = torch.compile(model.loss_parts)

    def loss_parts(batch: Interaction) -> dict[str, Tensor]:
        try:
            return compiled(batch)
        except TorchDynamoException as error:
            reason = " ".join(str(error).split("\n\n")[0].split())
            raise ConfigError(
                f"Option 'compile': torch.compile failed on {type(model).__name__}: {reason}\n"
                "Leave the option out, or set it to False"
            ) from error

    return loss_parts
