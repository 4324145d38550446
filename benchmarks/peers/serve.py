"""A driver's end of the line: JSON requests on standard input, JSON answers on standard output.

Every driver in this folder runs under its own library's Python, so that this file needs the
standard library only. What a library itself prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def serve(driver: Any) -> None:
    """Answer requests `{"do": <method>, ...}` by calling that method of `driver`, until the end.

    An answer carries what the method returns, and under "peak_mib" the highest memory so far.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        method: Callable[..., dict[str, Any]] = getattr(driver, request.pop("do"))
        answer = method(**request)
        answer["peak_mib"] = peak_mib()
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def peak_mib() -> float:
    """Highest resident memory of this program so far."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage's figure begins with that of the process that started this one
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class TimedPass:
    """A loader whose latest pass is timed, from the first batch asked for to the last used up."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self.seconds = 0.0

    def __iter__(self) -> Any:
        start = time.perf_counter()
        yield from self._loader
        self.seconds = time.perf_counter() - start

    def __len__(self) -> int:
        return len(self._loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
