"""Ctrl-C and SIGTERM as a polite request: finish the step, save, then stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from recbole.errors import RecBoleError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrainingInterrupted(RecBoleError):  # noqa: N818 - an event, as KeyboardInterrupt is
    """Training stopped at a signal's request, between two steps.

    Attributes:
        checkpoint: what to go on from; None where nothing is saved.
        others: what other runs that trained at the same time go on from, to their test if they had
            ended training.
        not_started: seeds whose runs had not begun.
        exit_code: 130 after Ctrl-C, 143 after SIGTERM, as shells expect.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.checkpoint: Path | None = None
        self.others: tuple[Path, ...] = ()
        self.not_started: tuple[int, ...] = ()
        self.exit_code = 128 + number
        self._name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name

    def __str__(self) -> str:
        seeds = ", ".join(map(str, self.not_started))
        rest = f" Not started: --seeds={seeds.replace(' ', '')}" if seeds else ""
        if self.checkpoint is None:
            return f"Interrupted by {self._name}; nothing was saved.{rest}"
        each = " and, run by run, ".join(
            f"--resume={path}" for path in (self.checkpoint, *self.others)
        )
        return f"Interrupted by {self._name}. Go on with {each}{rest}"


class Interruption:
    """Remembers the first signal; a second Ctrl-C stops at once."""

    signal: int | None = None

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Turn signals into a flag for the time of the block.

    Only the main thread receives signals; in any other the flag is never raised.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        signal.signal(number, interruption._on_signal)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
