"""Adam for tables of embeddings that are stored in bf16, row by row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor


class SparseAdamInBF16(torch.optim.Optimizer):
    """`torch.optim.SparseAdam` for parameters, and moments, of 16 bits.

    bf16 has 8 bits of mantissa: rounded to the nearest, a step of less than 1/512 of a weight would
    be lost, and so would the decay of the second moment, 1/1000 of it. So the rows of a batch are
    taken up to float32, stepped there (Kingma and Ba, "Adam", ICLR 2015, Algorithm 1, with the
    moments of other rows standing still), and put back by stochastic rounding, which is right on
    average (Gupta et al., "Deep Learning with Limited Numerical Precision", ICML 2015, section 3).

    Shapes: V rows of a table, R of them in a batch.

    Args:
        params: tables in bf16, [V, width], whose gradients are sparse.
        lr: learning rate.
        betas: decay of the first and of the second moment.
        eps: added to the root of the second moment.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Step the rows that the gradients are of."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step_rows(parameter, group["lr"], group["betas"], group["eps"])
        return loss

    def _step_rows(self, table: Tensor, lr: float, betas: tuple[float, float], eps: float) -> None:
        """Step a table, [V, width]."""
        state = self.state[table]
        if not state:
            state["step"] = 0
            state["exp_avg"] = torch.zeros_like(table)
            state["exp_avg_sq"] = torch.zeros_like(table)
        state["step"] += 1
        rows, grad = _rows_of(table.grad)  # [R] and, as all that follow, [R, width]
        first = state["exp_avg"][rows].float().lerp_(grad, 1 - betas[0])
        second = state["exp_avg_sq"][rows].float().lerp_(grad.square(), 1 - betas[1])
        step = state["step"]
        size = lr * math.sqrt(1 - betas[1] ** step) / (1 - betas[0] ** step)  # both biases undone
        stepped = table[rows].float().addcdiv_(first, second.sqrt().add_(eps), value=-size)
        state["exp_avg"][rows] = rounded_to_bf16(first)
        state["exp_avg_sq"][rows] = rounded_to_bf16(second)
        table[rows] = rounded_to_bf16(stepped)


def rounded_to_bf16(numbers: Tensor) -> Tensor:
    """Round float32 of any shape to one of the two nearest numbers in bf16, by chance.

    The probabilities are such that the mean is the number itself. Draws from torch's default
    generator of the device.
    """
    # bf16 is the upper half of float32: what is drawn carries into it as often as the lower half is
    # large. All bits of an infinity's lower half are 0, and a NaN's carry is kept from its sign.
    bits = numbers.view(torch.int32)
    drawn = torch.randint(1 << 16, bits.shape, dtype=torch.int32, device=bits.device)
    upper = (bits + drawn) & -(1 << 16)
    return torch.where(numbers.isnan(), numbers, upper.view(torch.float32)).to(torch.bfloat16)


def _rows_of(gradient: Tensor | None) -> tuple[Tensor, Tensor]:
    """The rows that a sparse gradient is of, [R], and their gradients in float32, [R, width]."""
    assert gradient is not None
    whole = gradient.float().coalesce()
    return whole.indices()[0], whole.values()
