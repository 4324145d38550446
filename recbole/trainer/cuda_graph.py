"""A training step as one CUDA graph: the option `cuda_graph`.

A step of a click model is some hundred small kernels, each of which Python launches by itself.
Captured in a graph (Gray, "Getting Started with CUDA Graphs", NVIDIA 2019), forward pass, backward
pass and optimiser are launched as one. A graph works on the memory that it was captured with, so
each batch is copied there, and the losses of the last step are where they always are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from recbole.data import Interaction
from recbole.errors import ConfigError

T = TypeVar("T")
Step = Callable[[Interaction], dict[str, Tensor]]
Layout = tuple[Any, ...]  # name, shape and type of each column of a batch

#: Steps of a layout that run as they are before one is captured: what first use sets up then is.
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
        usual = torch.cuda.current_stream(self._device)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                results = work()
        finally:
            torch.cuda.set_stream(usual)  # which a capture that fails does not see to
        return graph.replay, results


class CapturedStep:
    """A step that is captured once and then replayed.

    The batches captured are those of the layout that first came often enough to have been warmed
    up; others, such as the last of an epoch, go through the step as it is. Either way every batch
    is one step, in order, as without a graph. What an optimiser was set to, its learning rate say,
    is captured with it.

    Args:
        graphs: captures it.
        capturing: entered around the capture, which optimisers have to allow.
    """

    def __init__(
        self, graphs: Graphs, capturing: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._graphs = graphs
        self._capturing = capturing
        self._steps: Counter[Layout] = Counter()
        self._captured: _Captured | None = None

    def __call__(self, step: Step, batch: Interaction) -> dict[str, Tensor]:
        """Take a step on a batch; the losses, scalars, are good until the next one.

        Raises:
            ConfigError: the step can't be captured, as it waits for the device, say.
        """
        layout = tuple((name, batch[name].shape, batch[name].dtype) for name in batch)
        if self._captured is None and self._steps[layout] == _WARM_UP:
            self._captured = self._capture(step, layout, batch)
        if self._captured is None:
            self._steps[layout] += 1
            return self._graphs.warm_up(lambda: step(batch))
        if layout != self._captured.layout:
            return step(batch)
        for name in batch:
            self._captured.batch[name].copy_(batch[name])
        self._captured.replay()
        return self._captured.losses

    def _capture(self, step: Step, layout: Layout, batch: Interaction) -> _Captured:
        memory = Interaction({name: batch[name].clone() for name in batch})

        def work() -> dict[str, Tensor]:
            return {name: loss.detach() for name, loss in step(memory).items()}

        try:
            with self._capturing():
                replay, losses = self._graphs.capture(work)
        except RuntimeError as error:
            reason = str(_first_of(error)).split("\n")[0]
            raise ConfigError(
                f"Option 'cuda_graph': the training step can't be captured: {reason}\n"
                "Leave the option out, or set it to False, in a new process"
            ) from error
        return _Captured(layout, memory, replay, losses)


class _Captured(NamedTuple):
    """A step in a graph, and the memory that it works on."""

    layout: Layout
    batch: Interaction
    replay: Callable[[], None]
    losses: dict[str, Tensor]


def _first_of(error: BaseException) -> BaseException:
    """What went wrong first: ending a capture that failed is an error of its own."""
    while error.__context__ is not None:
        error = error.__context__
    return error
