"""A bar for work on rows or users, where somebody is watching."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int, int], None]


@contextmanager
def progress_bar(description: str, unit: str, size: int, visible: bool) -> Iterator[Advance]:
    """A bar over work of some size; yields `advance(size, count)`.

    Shows how many units are done, how many per second, and the time left. Draws nothing unless
    `visible` and the standard error stream is a terminal.
    """
    console = Console(stderr=True)
    if not (visible and console.is_terminal):
        yield lambda _size, _count: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(f"{{task.fields[count]:,}} {unit}"),
        TextColumn(f"{{task.fields[speed]:,.0f}} {unit}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task_id = progress.add_task(description, total=size, count=0, speed=0.0)
        task = progress.tasks[0]

        def advance(size: int, count: int) -> None:
            total = task.fields["count"] + count
            speed = total / task.elapsed if task.elapsed else 0.0
            progress.update(task_id, advance=size, count=total, speed=speed)

        yield advance
