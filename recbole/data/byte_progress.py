"""A bar over bytes, where somebody is watching."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)


@contextmanager
def byte_progress(
    description: str, total: int | None = None, done: int = 0
) -> Iterator[Callable[[int], None]]:
    """Yield `advance(bytes)` of a bar; draws nothing unless standard error is a terminal.

    Args:
        total: bytes of the whole, where that is known.
        done: how many of them are there already.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda size: None  # noqa: ARG005
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(description, total=total, completed=done)
        yield lambda size: bar.update(task, advance=size)
