"""The sides of a comparison: a process each, asked in turns, so that only one works at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure.contention import TOLERANCE, Watch, spare_cores, wait_until_quiet

ROOT = Path(__file__).resolve().parents[2]
OUR_DRIVER = ROOT / "benchmarks" / "measure" / "our_driver.py"
PEERS = ROOT / "benchmarks" / "peers"


class DriverError(RuntimeError):
    """A side's process ended instead of answering; the message ends with what it printed."""


@dataclass(frozen=True)
class Driver:
    """How the process of a side is started.

    Attributes:
        name: what the tables call the side.
        python: the interpreter that has the library.
        script: the driver, which speaks the protocol of `peers/serve.py`.
        environment: variables besides those of this process.
    """

    name: str
    python: str
    script: Path
    environment: dict[str, str] = field(default_factory=dict)


def ours(name: str = "this project") -> Driver:
    """This checkout, under the interpreter that runs now."""
    return Driver(name, sys.executable, OUR_DRIVER, {"PYTHONPATH": str(ROOT)})


class Side:
    """A running driver. Use it as a context, which ends the process.

    It works in a temporary folder, where what a library leaves behind goes away with it.
    """

    def __init__(self, driver: Driver, threads: int | None) -> None:
        self.name = driver.name
        self.spare_cores = spare_cores(threads)
        self._folder = tempfile.TemporaryDirectory(prefix="benchmark-")
        self._log = Path(self._folder.name) / "stderr.txt"
        environment = {**os.environ, **driver.environment}
        if threads is not None:
            environment |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [driver.python, driver.script],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                text=True, cwd=self._folder.name, env=environment,
            )  # fmt: skip

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """The answer to one request, with "others": cores that others kept busy meanwhile.

        Raises:
            DriverError: the process ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        watch = Watch([self._process.pid])
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the missing answer says so
        line = self._process.stdout.readline()
        if not line:
            end = "\n".join(self._log.read_text().splitlines()[-15:])
            raise DriverError(f"{self.name}: the driver ended at '{do}':\n{end}")
        answer: dict[str, Any] = json.loads(line)
        return {**answer, "others": watch.others()}


def alternate(
    sides: Sequence[Side], do: str, repeats: int, patience: float, **request: Any
) -> dict[str, list[dict[str, Any]]]:
    """Ask all sides the same in turns, forwards and backwards; answers by the side's name.

    A round that others disturbed is thrown away and asked again, at most as often as `repeats`
    says in all; then it is kept, and its "others" tells.
    """
    answers: dict[str, list[dict[str, Any]]] = {side.name: [] for side in sides}
    spare = repeats
    for number in range(repeats):
        while True:
            wait_until_quiet(patience, sides[0].spare_cores)
            turns = sides if number % 2 == 0 else sides[::-1]
            found = {side.name: side.ask(do, **request) for side in turns}
            most = max(answer["others"] for answer in found.values())
            disturbed = most > sides[0].spare_cores + TOLERANCE
            if not disturbed or not spare:
                break
            spare -= 1
        for name, answer in found.items():
            answers[name].append(answer)
    return answers
