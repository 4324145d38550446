"""Whole commands from start to end: the wall clock that a user waits."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from measure.contention import Watch, seconds_of_children
from measure.sides import PEERS, ROOT, Answer, Driver, DriverError, with_threads


def timed(driver: Driver, arguments: Sequence[str], threads: int | None) -> Answer:
    """Run a side's Python with these arguments in a temporary folder, and time it.

    Raises:
        DriverError: it failed.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        watch, start = Watch(seconds_of_children), time.perf_counter()
        done = subprocess.run(
            [driver.python, *arguments], cwd=folder, text=True, capture_output=True,
            env=with_threads(driver.environment, threads),
        )  # fmt: skip
        seconds = time.perf_counter() - start
    if done.returncode:
        end = "\n".join(done.stderr.splitlines()[-15:])
        raise DriverError(f"{driver.name}: {' '.join(arguments)} failed:\n{end}")
    results = [line for line in done.stdout.splitlines() if "auc" in line]
    return {"seconds": seconds, "others": watch.others(), "result": results}


def run(driver: Driver, request: Mapping[str, Any], epochs: int, threads: int | None) -> Answer:
    """Reading, training for some epochs with validation, and testing, as from the command line."""
    script = PEERS / "recbole_run.py" if driver.is_peer else ROOT / "run_recbole.py"
    options = {**request["options"], **driver.options, "epochs": epochs, "show_progress": False}
    return timed(
        driver,
        [
            str(script), f"--model={request['model']}", f"--dataset={request['dataset']}",
            *(f"--{key}={value}" for key, value in options.items()),
            "--config_files", *request["files"],
        ],
        threads,
    )  # fmt: skip


def starts(
    driver: Driver, peer: Driver, threads: int | None
) -> dict[str, dict[str, Callable[[], Answer]]]:
    """What is started to see how long it takes: the command's help, and the Python interface."""
    statement = ["-c", "import recbole.quick_start"]
    return {
        "command line, --help": {
            driver.name: lambda: timed(driver, [str(ROOT / "run_recbole.py"), "--help"], threads),
            peer.name: lambda: timed(peer, [str(PEERS / "recbole_run.py"), "--help"], threads),
        },
        "import recbole.quick_start": {
            driver.name: lambda: timed(driver, statement, threads),
            peer.name: lambda: timed(peer, statement, threads),
        },
    }
