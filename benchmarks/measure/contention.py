"""How much of the machine others took while something was measured (Linux; elsewhere unknown).

Two programs that each run as many threads as there are cores slow one another down far more than
by half, since threads wait for one another at the end of every parallel loop. A figure taken
meanwhile says nothing, so measurements watch for it.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

_STAT = Path("/proc/stat")
#: Cores' worth of other people's work that spoils a measurement.
TOLERANCE = 0.15


class Watch:
    """Counts the processor time of everyone but the measured, from now on.

    Args:
        own: seconds of processor time that the measured have used so far.
        niced: count work at a lower priority too.
    """

    def __init__(self, own: Callable[[], float] = lambda: 0.0, niced: bool = True) -> None:
        self._own = own
        self._niced = niced
        self._start = self._now()

    def others(self) -> float:
        """Cores that others kept busy on average since the start; NaN where it is not known."""
        (clock, busy), (clock_then, busy_then) = self._now(), self._start
        busy_cores = (busy - busy_then) / max(clock - clock_then, 1e-9)
        return max(0.0, busy_cores) if busy_cores == busy_cores else busy_cores

    def _now(self) -> tuple[float, float]:
        """The clock, and seconds of processor time of all but the measured."""
        if not _STAT.exists():
            return time.perf_counter(), float("nan")
        busy = busy_ticks(_STAT.read_text(), self._niced) / os.sysconf("SC_CLK_TCK")
        return time.perf_counter(), busy - self._own()


def spare_cores(threads: int | None) -> int:
    """Cores that a measurement with so many threads leaves to others; None: all threads."""
    cores = os.cpu_count() or 1
    return max(0, cores - (threads or cores))


def is_disturbed(others: float, threads: int | None) -> bool:
    """Whether others took more than what a measurement with so many threads leaves them."""
    return others > spare_cores(threads) + TOLERANCE


def wait_until_quiet(patience: float, threads: int | None) -> None:
    """Return once others leave a measurement alone for a second, or after `patience` seconds.

    Work at a lower priority (`nice`) is not waited for: it gives way once a measurement begins.
    """
    end = time.perf_counter() + patience
    while time.perf_counter() < end:
        watch = Watch(niced=False)
        time.sleep(1)
        if not is_disturbed(watch.others(), threads):
            return


def seconds_of(process: int) -> float:
    """Seconds of processor time of a running process and of those it started that have ended."""
    path = Path(f"/proc/{process}/stat")
    return ticks_of(path.read_text()) / os.sysconf("SC_CLK_TCK") if path.exists() else 0.0


def seconds_of_children() -> float:
    """Seconds of processor time of all processes that this one has started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def busy_ticks(stat: str, niced: bool) -> int:
    """Ticks that all cores together were busy or taken away (steal), from /proc/stat.

    The kernel's own work is not told by priority: without the niced work it is left out too.
    """
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, stat.split()[1:9])
    return user + irq + softirq + steal + (nice + system if niced else 0)


def ticks_of(stat: str) -> int:
    """Ticks of a process and its ended children from /proc/<process>/stat, whatever its name."""
    fields = stat.rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime: 14th to 17th of all
