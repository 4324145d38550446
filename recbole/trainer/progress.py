"""A progress bar, where somebody is watching."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class Advance(Protocol):
    """Moves a bar on."""

    def __call__(self, size: int, count: int, note: str = "") -> None:
        """Another `size` of the work is done, which was `count` units; `note` stands beside it."""


@contextmanager
def progress_bar(
    description: str, unit: str, size: int, visible: bool, done: int = 0
) -> Iterator[Advance]:
    """A bar over work of some size, of which `done` is done already; yields `advance`.

    Shows the latest note, units per second and the time left. Draws nothing unless `visible` and
    the standard error stream is a terminal.
    """
    console = Console(stderr=True)
    if not (visible and console.is_terminal):
        yield lambda size, count, note="": None  # noqa: ARG005
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        TextColumn(f"{{task.fields[speed]:,.0f}} {unit}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task_id = progress.add_task(
            description, total=size, completed=done, note="", count=0, speed=0.0
        )
        task = progress.tasks[0]

        def advance(size: int, count: int, note: str = "") -> None:
            counted = task.fields["count"] + count
            speed = counted / task.elapsed if task.elapsed else 0.0
            progress.update(task_id, advance=size, note=note, count=counted, speed=speed)

        yield advance
