"""A training step as one CUDA graph: the option `cuda_graph`.

A step of a click model is some hundred small kernels, each of which Python launches by itself.
Captured in a graph (Gray, "Getting Started with CUDA Graphs", NVIDIA 2019), forward pass, backward
pass and optimiser are launched as one. A graph works on the memory that it was captured with, so
each batch is copied there, and the losses of the last step are where they always are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from recbole.data import Interaction
from recbole.errors import ConfigError

T = TypeVar("T")
Step = Callable[[Interaction], dict[str, Tensor]]

#: Steps that run as they are before one is captured: what is set up at first use then is.
_WARM_UP = 3


class Graphs(Protocol):
    """What captures and replays: CUDA, or what stands for it in tests."""

    def warm_up(self, work: Callable[[], T]) -> T:
        """Do the work, outside any graph, where a capture will find it done."""

    def capture(self, work: Callable[[], T]) -> tuple[Callable[[], None], T]:
        """What does the work whenever it is called, and where the results then are.

        The work is not done yet.
        """


class CudaGraphs:
    """PyTorch's CUDA graphs."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)

    def warm_up(self, work: Callable[[], T]) -> T:
        """On a stream of its own, as a backward pass remembers the stream of its parameters."""
        usual = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(usual)
        with torch.cuda.stream(self._stream):
            results = work()
        usual.wait_stream(self._stream)
        return results

    def capture(self, work: Callable[[], T]) -> tuple[Callable[[], None], T]:
        """Capture the work on the stream that it was warmed up on."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._stream):
            results = work()
        return graph.replay, results


class CapturedStep:
    """A step that is captured once and then replayed.

    Batches of another shape than the first one's, such as the last of an epoch, go through the step
    as it is. Either way every batch is one step, in order, as without a graph.

    Args:
        step: takes an optimiser step on a batch; returns losses, scalars.
        graphs: captures it.
    """

    def __init__(self, step: Step, graphs: Graphs) -> None:
        self._step = step
        self._graphs = graphs
        self._steps = 0
        self._layout: object = None
        self._batch: Interaction | None = None
        self._replay: Callable[[], None] = lambda: None
        self._losses: dict[str, Tensor] = {}

    def __call__(self, batch: Interaction) -> dict[str, Tensor]:
        """Take a step; the losses are good until the next one.

        Raises:
            ConfigError: the step can't be captured, as it waits for the device, say.
        """
        layout = {name: (batch[name].shape, batch[name].dtype) for name in batch}
        self._layout = self._layout or layout
        if layout != self._layout:
            return self._step(batch)
        if self._steps < _WARM_UP:
            self._steps += 1
            return self._graphs.warm_up(lambda: self._step(batch))
        if self._batch is None:
            self._capture(Interaction({name: batch[name].clone() for name in batch}))
        assert self._batch is not None
        for name in batch:
            self._batch[name].copy_(batch[name])
        self._replay()
        return self._losses

    def _capture(self, batch: Interaction) -> None:
        def work() -> dict[str, Tensor]:
            return {name: loss.detach() for name, loss in self._step(batch).items()}

        try:
            self._replay, self._losses = self._graphs.capture(work)
        except RuntimeError as error:
            reason = str(error).split("\n")[0]
            raise ConfigError(
                f"Option 'cuda_graph': the training step can't be captured: {reason}\n"
                "Leave the option out, or set it to False"
            ) from error
        self._batch = batch
