"""A process that runs cells, one after the other, until none of a plan is due."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path

from recbole.data.staging import sigterm_as_exit
from recbole.model.cpu import tuned_cpu
from recbole.sweep.claims import LEASE
from recbole.sweep.plan import Plan
from recbole.sweep.run import LastDataset, Lost, run_cell
from recbole.sweep.table import ResultsTable
from recbole.trainer.interruption import TrainingInterrupted

#: Seconds between two looks at cells that other processes are at.
PATIENCE = 1.0


def main(plan: Plan, folder: Path, threads: int, lease: float = LEASE) -> None:
    """What a process of a sweep does."""
    use_threads(threads)
    with as_child():
        work(plan, ResultsTable(folder, lease))


def use_threads(share: int) -> None:
    """Compute on `share` threads, or on fewer if PyTorch is set to: it heeds OMP_NUM_THREADS."""
    import torch

    torch.set_num_threads(min(share, torch.get_num_threads()))


@contextmanager
def as_child() -> Iterator[None]:
    """For the time of the block, end politely, what runs saved, at SIGTERM and with the parent.

    Ctrl-C in a terminal reaches every process of its group. The one that people talk to is the
    parent, which passes it on once; the child leaves the group.
    """
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    _end_with_the_parent()
    with sigterm_as_exit():
        try:
            yield
        except TrainingInterrupted as interrupted:
            sys.exit(interrupted.exit_code)
        except KeyboardInterrupt:
            sys.exit(128 + signal.SIGINT)


@tuned_cpu()
def work(plan: Plan, table: ResultsTable) -> None:
    """Run what is due and nobody else runs; wait for what others run, and take over what they drop.

    Raises:
        TrainingInterrupted, SystemExit, KeyboardInterrupt: this process is to end; its claim is
            released.
    """
    dataset, ended = LastDataset(), set[str]()
    while True:
        ran, left = False, 0
        for key, cell in plan.cells.items():
            if key in ended:
                continue
            if not plan.is_due(key, table.row(key)):
                ended.add(key)
                continue
            claim = table.claims.take(key)
            if claim is None:
                left += 1
                continue
            lost = threading.Event()

            def give_up(lost: threading.Event = lost) -> None:
                lost.set()
                os.kill(os.getpid(), signal.SIGTERM)

            try:
                # It may have ended since its row was looked for.
                if plan.is_due(key, table.row(key)):
                    with claim.kept_alive(give_up):
                        run_cell(cell, key, claim, table, dataset.read, plan.retry)
                    ran = True
                ended.add(key)
            except Lost:
                left += 1
            except (TrainingInterrupted, SystemExit):
                if not lost.is_set():
                    raise
                left += 1
            finally:
                claim.release()
        if not left:
            return
        if not ran:
            time.sleep(PATIENCE)


def _end_with_the_parent() -> None:
    """End this process, as SIGTERM does, when the one that started it is gone."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        while not wait([parent.sentinel], timeout=5) and os.getppid() == parent.pid:
            pass
        while True:  # what a handler raises is lost where Python happens to call something back
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)

    threading.Thread(target=watch, daemon=True).start()
