"""How a CPU and its memory are set while a model is trained or used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from recbole.model.denormals import denormals_flushed
from recbole.model.freed_memory import keep_freed_memory


@contextmanager
def tuned_cpu() -> Iterator[None]:
    """For the time of the block, or of the function it decorates, denormal numbers are 0.

    From its first beginning on, the process keeps memory that it frees. See `denormals_flushed`
    for when the block should begin.
    """
    keep_freed_memory()
    with denormals_flushed():
        yield
