"""The sides of a comparison: a process each, asked in turns, so that only one works at a time."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure.contention import Watch, is_disturbed, seconds_of, wait_until_quiet

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "benchmarks" / "peers"

Answer = dict[str, Any]


class DriverError(RuntimeError):
    """A side's process ended instead of answering; the message ends with what it printed."""


@dataclass(frozen=True)
class Driver:
    """How the process of a side is started, and what it is asked for.

    Attributes:
        name: what the tables call the side.
        python: the interpreter that has the library.
        script: the driver, which speaks the protocol of `peers/serve.py`.
        environment: variables besides those of this process.
        options: options of the run besides those that all sides share.
        is_peer: whether it is another project.
        reads_export: whether it reads encoded rows that this project has written.
    """

    name: str
    python: str
    script: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    is_peer: bool = False
    reads_export: bool = False


def ours(name: str = "this project", script: str = "our_driver.py", **options: Any) -> Driver:
    """This checkout, under the interpreter that runs now."""
    benchmarks = ROOT / "benchmarks"
    path = {"PYTHONPATH": f"{ROOT}{os.pathsep}{benchmarks}"}
    return Driver(name, sys.executable, benchmarks / "measure" / script, path, options)


def with_threads(environment: Mapping[str, str], threads: int | None) -> dict[str, str]:
    """The environment of a process that is to run so many threads; None: as many as it likes."""
    limits = {} if threads is None else {"OMP_NUM_THREADS": f"{threads}",
                                         "MKL_NUM_THREADS": f"{threads}"}  # fmt: skip
    # A PYTHONPATH that points here would give a peer this package in the place of its own.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**inherited, **environment, **limits}


class Side:
    """A running driver. Use it as a context, which ends the process.

    It works in a temporary folder, where what a library leaves behind goes away with it.
    """

    def __init__(self, driver: Driver, threads: int | None = None) -> None:
        self.driver = driver
        self.name = driver.name
        self._folder = tempfile.TemporaryDirectory(prefix="benchmark-")
        self._log = Path(self._folder.name) / "stderr.txt"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [driver.python, driver.script],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                cwd=self._folder.name, env=with_threads(driver.environment, threads),
            )  # fmt: skip

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()

    def open(self, request: Mapping[str, Any]) -> Answer:
        """Have the side read the data and build a model; its own options win."""
        options = {**request["options"], **self.driver.options}
        return self.ask("open", **{**request, "options": options})

    def ask(self, do: str, **request: Any) -> Answer:
        """The answer to one request, with "others": cores that others kept busy meanwhile.

        Raises:
            DriverError: the process ended.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        watch = Watch(lambda: seconds_of(self._process.pid))
        with contextlib.suppress(BrokenPipeError):  # the missing answer tells
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            end = "\n".join(self._log.read_text().splitlines()[-15:])
            raise DriverError(f"{self.name}: the driver ended at '{do}':\n{end}")
        answer: Answer = json.loads(line)
        return {**answer, "others": watch.others()}


def alternate(
    turns: Mapping[str, Callable[[], Answer]], repeats: int, patience: float, threads: int | None
) -> dict[str, list[Answer]]:
    """Take turns, forwards and backwards; the answers of each by its name.

    A round that others disturbed is thrown away and repeated, at most as often as `repeats` says
    in all; after that it is kept, and the "others" of its answers tells.
    """
    answers: dict[str, list[Answer]] = {name: [] for name in turns}
    spare = repeats
    for number in range(repeats):
        while True:
            wait_until_quiet(patience, threads)
            names = list(turns) if number % 2 == 0 else list(turns)[::-1]
            found = {name: turns[name]() for name in names}
            if not any(is_disturbed(answer["others"], threads) for answer in found.values()):
                break
            if not spare:
                break
            spare -= 1
        for name, answer in found.items():
            answers[name].append(answer)
    return answers


def ask_in_turns(
    sides: Sequence[Side], do: str, repeats: int, patience: float, threads: int | None,
    **request: Any,
) -> dict[str, list[Answer]]:  # fmt: skip
    """`alternate` with the same request to every side."""
    turns = {side.name: lambda side=side: side.ask(do, **request) for side in sides}
    return alternate(turns, repeats, patience, threads)
