"""Dropout at the speed of a CPU's memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from recbole.model.autograd import in_order, one_by_one

#: So many adjacent elements are compared with the same number.
_RUN = 1024
#: Beyond this rate PyTorch's dropout takes over, as no byte is as large as 256.
_MOST = 255 / 256


class Dropout(nn.Dropout):
    """`nn.Dropout`, several times as fast on a CPU.

    There PyTorch draws one Bernoulli number per element on a single thread. Here each random
    64-bit word decides eight elements, by a byte each. A byte below t is dropped, where t is one of
    the two whole numbers next to 256 p, drawn for each run of adjacent elements so that its mean is
    256 p: each element is dropped with probability p. PyTorch's generator seeds each mask, and
    NumPy's SFC64, the quicker of the two, draws it. Compiled code draws its own.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Drop elements while training; any shape."""
        if not self.draws_on(input):
            return super().forward(input)
        return _Masked.apply(input, self.draw(input), 1 / (1 - self.p))

    def after_relu(self, input: Tensor) -> Tensor:
        """Drop elements of relu(input), in its memory, with one gradient for both."""
        if not self.draws_on(input):
            return super().forward(input.relu_())
        return _MaskedRelu.apply(input, self.draw(input), 1 / (1 - self.p))

    def draws_on(self, input: Tensor) -> bool:
        """Whether the masks for `input` are drawn here."""
        is_ours = input.device.type == "cpu" and not torch.compiler.is_compiling()
        return self.training and 0 < self.p <= _MOST and is_ours

    def draw(self, like: Tensor) -> Tensor:
        """What is kept, 1, and dropped, 0."""
        runs = -(-like.numel() // _RUN)
        bits = np.random.SFC64(int(torch.randint(2**63 - 1, ())))
        numbers = torch.from_numpy(bits.random_raw(runs * _RUN // 8).view(np.int8))
        whole, part = divmod(256 * self.p, 1)
        is_next = torch.from_numpy(bits.random_raw(runs) < np.uint64(2**64 * part))  # [runs]
        limits = is_next.char() + int(whole - 128)
        kept = numbers.view(runs, _RUN).ge_(limits.unsqueeze(1))
        return kept.view(-1)[: like.numel()].view(like.shape).to(like.dtype)


class _Masked(torch.autograd.Function):
    """scale × keep × input, in one pass over memory each way."""

    @staticmethod
    @in_order
    def forward(input: Tensor, keep: Tensor, scale: float) -> Tensor:
        return torch.addcmul(input.new_zeros(()), input, keep, value=scale)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: Tensor) -> None:  # noqa: ARG004
        _, keep, ctx.scale = inputs
        ctx.save_for_backward(keep)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, int]:
        return one_by_one(_Masked, info, in_dims, inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (keep,) = ctx.saved_tensors
        return torch.addcmul(grad.new_zeros(()), grad, keep, value=ctx.scale), None, None


class _MaskedRelu(torch.autograd.Function):
    """scale × keep × relu(input), in place, whose gradient is scale where the output is not 0."""

    @staticmethod
    @in_order
    def forward(input: Tensor, keep: Tensor, scale: float) -> Tensor:
        input.clamp_min_(0)
        return torch.addcmul(input.new_zeros(()), input, keep, value=scale, out=input)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: Tensor) -> None:
        ctx.mark_dirty(inputs[0])
        ctx.scale = inputs[2]
        ctx.save_for_backward(output)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (output,) = ctx.saved_tensors
        # The gradient of scale × relu, from its result: ELU's with a flat negative side.
        of_input = torch.ops.aten.elu_backward(grad, 0.0, ctx.scale, 0.0, True, output)
        return of_input, None, None
