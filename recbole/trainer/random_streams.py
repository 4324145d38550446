"""One stream of random numbers for each of several runs that share a process.

A run on its own draws from torch's default generator. Runs that train together each have a state of
it, put in place while the run draws, so that it gets the very numbers that it would get alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class RandomStream:
    """The default generators of the CPU and of a CUDA device, from the state they are in now."""

    def __init__(self, device: torch.device) -> None:
        self._cpu = torch.get_rng_state()
        self._default: Any = None
        if device.type == "cuda":
            self._default = torch.cuda.default_generators[device.index or 0]
            self._cuda = self._default.clone_state()

    def copy(self) -> RandomStream:
        """Another stream that goes on from where this one is."""
        other = copy.copy(self)
        if self._default is not None:
            other._cuda = self._cuda.clone_state()
        return other

    @contextmanager
    def active(self) -> Iterator[None]:
        """Draw from this stream, on either device, for the time of the block."""
        with self._active_on_cpu(), self._active_on_cuda():
            yield

    @contextmanager
    def active_on(self, device: torch.device) -> Iterator[None]:
        """Draw from this stream on one device only: cheaper, for the layers of a model."""
        with self._active_on_cuda() if device.type == "cuda" else self._active_on_cpu():
            yield

    @contextmanager
    def _active_on_cpu(self) -> Iterator[None]:
        before = torch.get_rng_state()
        torch.set_rng_state(self._cpu)
        try:
            yield
        finally:
            self._cpu = torch.get_rng_state()
            torch.set_rng_state(before)

    @contextmanager
    def _active_on_cuda(self) -> Iterator[None]:
        if self._default is None:
            yield
            return
        before = self._default.graphsafe_get_state()
        self._default.graphsafe_set_state(self._cuda)  # shares the state, which moves on by itself
        try:
            yield
        finally:
            self._default.graphsafe_set_state(before)


class DropoutOfEach(nn.Dropout):
    """Dropout under `vmap` over S runs: each run's mask comes from its own stream.

    Args:
        plain: the layer as a single run has it.
        streams: one for each run, in the order of the mapped dimension.
    """

    def __init__(self, plain: nn.Dropout, streams: Sequence[RandomStream]) -> None:
        super().__init__(plain.p)
        self.plain = plain
        self.streams = streams

    def forward(self, input: Tensor) -> Tensor:
        """Drop elements while training: one run's shape, as `vmap` shows it."""
        if not self.training or self.p == 0:
            return input
        return _EachAlone.apply(input, self)

    def drop(self, inputs: Tensor) -> Tensor:
        """What `plain` makes of each run's input, in turn: [S, ...] -> [S, ...]."""
        outputs = []
        for stream, input_of_one in zip(self.streams, inputs.unbind(0), strict=True):
            with stream.active_on(inputs.device):
                outputs.append(self.plain(input_of_one))
        return torch.stack(outputs)


class _EachAlone(torch.autograd.Function):
    """A way out of `vmap`: shows `DropoutOfEach` the tensors of all runs at once.

    Its `vmap` consists of differentiable operations, so that it is never differentiated itself.
    """

    @staticmethod
    def forward(input: Tensor, layer: DropoutOfEach) -> Tensor:  # noqa: ARG004
        raise RuntimeError("DropoutOfEach works under vmap only")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing to keep."""

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, None], input: Tensor, layer: DropoutOfEach
    ) -> tuple[Tensor, int]:
        axis, _ = in_dims
        each = (
            input.expand(info.batch_size, *input.shape) if axis is None else input.movedim(axis, 0)
        )
        return layer.drop(each), 0


def with_dropout_of_each(model: nn.Module, streams: Sequence[RandomStream]) -> nn.Module:
    """A copy of a model whose dropout layers draw from the streams of several runs."""
    model = copy.deepcopy(model)
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Dropout) and not isinstance(parent, DropoutOfEach):
                setattr(parent, name, DropoutOfEach(child, streams))
    return model
