"""A progress bar for an epoch, where somebody is watching."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Advance = Callable[[int, float], None]


@contextmanager
def epoch_bar(description: str, rows: int, done: int, visible: bool) -> Iterator[Advance]:
    """A bar over `rows` rows of which `done` are done; yields `advance(rows, loss)`.

    Shows loss, rows per second and the time left. Draws nothing unless `visible` and the standard
    error stream is a terminal.
    """
    console = Console(stderr=True)
    if not (visible and console.is_terminal):
        yield lambda _rows, _loss: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TextColumn("{task.fields[speed]:,.0f} samples/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task_id = progress.add_task(description, total=rows, completed=done, loss=0.0, speed=0.0)
        task = progress.tasks[0]

        def advance(count: int, loss: float) -> None:
            speed = (task.completed - done) / task.elapsed if task.elapsed else 0.0
            progress.update(task_id, advance=count, loss=loss, speed=speed)

        yield advance
