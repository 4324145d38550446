"""The driver's end of the line: one JSON request on standard input, one JSON answer on standard output.

Every driver in this folder runs under its own library's Python, so that this file needs the
standard library only. What the library itself prints goes to standard error.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
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
        answer["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class TimedPasses:
    """A loader whose last pass is timed, from the first batch asked for to the last one used up."""

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
