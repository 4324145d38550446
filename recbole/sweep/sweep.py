"""A sweep: processes that share the cells of a plan, and one that watches over them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.context import SpawnProcess

from recbole.errors import RecBoleError
from recbole.sweep import worker
from recbole.sweep.monitor import Monitor
from recbole.sweep.plan import Plan
from recbole.sweep.run import new_row
from recbole.sweep.table import FAILED, FINISHED, ResultsTable, missing_measures
from recbole.trainer.interruption import interruptible

_POLL = 0.5  # seconds
#: A process that ends sooner than after so many seconds came to nothing; so many in a row are a
#: fault that another process would meet too.
_SOON, _TOO_OFTEN = 60.0, 3


class SweepInterrupted(RecBoleError):  # noqa: N818 - an event, as KeyboardInterrupt is
    """Somebody stopped the sweep; what was running is saved."""

    def __init__(self, number: int, left: int) -> None:
        super().__init__(
            f"Interrupted, {left} cells to go. The same command goes on where this one stopped."
        )
        self.exit_code = 128 + number


def sweep(
    plan: Plan,
    table: ResultsTable,
    jobs: int = 1,
    say: Callable[[str], None] = print,
    on_poll: Callable[[Monitor], None] | None = None,
) -> Monitor:
    """Run every cell of a plan that is due; return when all have ended, here or elsewhere.

    Cells that fail are told of in their rows, and stop nothing. A process that dies, of a lack of
    memory say, is replaced, and its cell counts as failed; one that is asked to end by SIGTERM is
    replaced too, and its cell gone on with.

    Args:
        plan: what is to be run (see `make_plan`).
        table: the results; other sweeps, on other machines too, may write into it.
        jobs: processes; each has an equal share of the cores, or OMP_NUM_THREADS if that is less.
        say: takes a line for each cell that has ended.
        on_poll: called twice a second, to draw something.

    Raises:
        SweepInterrupted: Ctrl-C or SIGTERM came; runs are saved and can be gone on with.
        RecBoleError: processes end without having come to a cell, one after the other.
    """
    monitor = Monitor(plan, table, say)
    waiting = len(plan.cells) - len(monitor.ended)
    if waiting:
        crew = _Crew(plan, table, min(jobs, waiting))
        with interruptible() as interruption:
            try:
                while True:
                    if interruption.signal is not None:  # which may have ended processes, too
                        crew.stop()
                        left = len(plan.cells) - len(monitor.ended)
                        raise SweepInterrupted(interruption.signal, left)
                    if not crew.watch():
                        break
                    monitor.update(jobs)
                    if on_poll is not None:
                        on_poll(monitor)
                    time.sleep(_POLL)
                monitor.update(jobs)
            finally:
                crew.end()
                table.export()
    else:
        table.export()  # a sweep that was killed may have left the table behind its rows
    return monitor


class _Crew:
    """The processes of a sweep."""

    def __init__(self, plan: Plan, table: ResultsTable, size: int) -> None:
        self._plan, self._table = plan, table
        self._threads = max(1, cores() // size)
        self._started: dict[SpawnProcess, float] = {}
        self._came_to_nothing = 0
        self._processes = [self._start() for _ in range(size)]

    def watch(self) -> bool:
        """Replace processes that died; return whether any is still at work."""
        for process in list(self._processes):
            if process.is_alive():
                continue
            process.join()
            self._processes.remove(process)
            lasted = time.monotonic() - self._started.pop(process)
            if process.exitcode:
                cause = _cause_of_death(process.exitcode)
                self._heed(cause, died_of_a_cell=self._report(process, cause), lasted=lasted)
                self._processes.append(self._start())
        return bool(self._processes)

    def stop(self) -> None:
        """Ask all to save what they are at, and wait for them; at a second Ctrl-C do not wait."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()

    def end(self) -> None:
        """Leave none behind."""
        for process in self._processes:
            process.kill()
            process.join()

    def _start(self) -> SpawnProcess:
        arguments = (self._plan, self._table.folder, self._threads, self._table.claims.lease)
        process = multiprocessing.get_context("spawn").Process(target=worker.main, args=arguments)
        process.start()
        self._started[process] = time.monotonic()
        return process

    def _heed(self, cause: str, died_of_a_cell: bool, lasted: float) -> None:
        """Go on after the death of a process, unless the next would die like it.

        Raises:
            RecBoleError: processes died of no cell and soon, several in a row.
        """
        in_vain = not died_of_a_cell and lasted < _SOON
        self._came_to_nothing = self._came_to_nothing + 1 if in_vain else 0
        if self._came_to_nothing == _TOO_OFTEN:
            raise RecBoleError(
                f"{_TOO_OFTEN} processes of the sweep came to no cell, one after the other: {cause}"
            )

    def _report(self, process: SpawnProcess, cause: str) -> bool:
        """Write the row of the cell that a process died of; return whether there is one."""
        for key, cell in self._plan.cells.items():
            holder = self._table.claims.holder(key)
            if holder is None or holder.pid != process.pid or not holder.has_ended:
                continue
            claim = self._table.claims.take(key)
            if claim is None:  # another sweep was quicker to see that the cell is free
                return True
            before = self._table.row(key)
            if before is not None and before.status == FINISHED:
                lacking = missing_measures(before, cell.measures, again=self._plan.retry)
                failed = {name: {"error": cause} for name in lacking}
                measures, attempt = {**before.measures, **failed}, before.attempt + 1
                self._table.put(replace(before, measures=measures, attempt=attempt))
            else:
                row = new_row(cell, key, before, holder)
                self._table.put(replace(row, status=FAILED, error=cause, ended=row.started))
            claim.release()
            return True
        return False


def _cause_of_death(exit_code: int) -> str:
    if exit_code >= 0:
        return f"the process of the run ended with status {exit_code}"
    name = signal.Signals(-exit_code).name
    hint = " (often: out of memory)" if -exit_code == signal.SIGKILL else ""
    return f"the process of the run was ended by {name}{hint}"


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
