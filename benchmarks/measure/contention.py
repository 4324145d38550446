"""How much of the machine others took while something was measured (Linux; elsewhere unknown).

Two processes that each run as many threads as there are cores slow one another down far more than
by half, since threads wait for one another at every parallel loop. A figure taken meanwhile says
nothing, so measurements watch for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

_STAT = Path("/proc/stat")
#: Cores' worth of other people's work that spoils a measurement.
TOLERANCE = 0.15


class Watch:
    """Counts the processor time of everyone but some processes of ours, from now on.

    Args:
        processes: ids of the processes that are measured.
        niced: count work at a lower priority too.
    """

    def __init__(self, processes: Iterable[int] = (), niced: bool = True) -> None:
        self._processes = list(processes)
        self._niced = niced
        self._start = self._now()

    def others(self) -> float:
        """Cores that others kept busy on average since the start; NaN where it is not known."""
        (clock, busy), (clock_then, busy_then) = self._now(), self._start
        elapsed = clock - clock_then
        return max(0.0, busy - busy_then) / elapsed if elapsed else 0.0

    def _now(self) -> tuple[float, float]:
        """The clock, and seconds of processor time of all but our processes."""
        if not _STAT.exists():
            return time.perf_counter(), float("nan")
        own = sum(_ticks_of(process) for process in self._processes)
        ticks = _busy_ticks(_STAT.read_text(), self._niced) - own
        return time.perf_counter(), ticks / os.sysconf("SC_CLK_TCK")


def spare_cores(threads: int | None) -> int:
    """Cores that a measurement with so many threads leaves to others; None: all threads."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(0, cores - (threads or cores))


def wait_until_quiet(patience: float, spare: int = 0) -> None:
    """Return once others leave all but `spare` cores alone, or after `patience` seconds.

    Work at a lower priority (`nice`) gives way as soon as a measurement begins.
    """
    end = time.perf_counter() + patience
    while time.perf_counter() < end:
        watch = Watch(niced=False)
        time.sleep(1)
        if not watch.others() > spare + TOLERANCE:
            return


def _busy_ticks(stat: str, niced: bool) -> int:
    """Ticks that all cores together were busy or taken away (steal), from /proc/stat.

    The kernel's own work is not told by priority: without the niced work it is left out too.
    """
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, stat.split()[1:9])
    return user + irq + softirq + steal + (nice + system if niced else 0)


def _ticks_of(process: int) -> int:
    """Ticks that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])  # utime and stime, the 14th and 15th of all
