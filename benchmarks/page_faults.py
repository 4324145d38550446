"""What a training step saves where the process keeps the memory that the last one freed.

    python benchmarks/page_faults.py --dataset=ml-1m --turns=4

Each figure comes from a process of its own, since the C library can't be told to forget what it was
told; with and without take turns. Prints, for each model, page faults and milliseconds of a step,
and the ratio of times, as median (lowest–highest) over the turns; "others" is the cores that other
programs kept busy. Further `--key=value` are options of the runs.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from measure.contention import Watch
from measure.settings import common_arguments, parse, request, tell
from measure.spread import Spread, markdown, ratio

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout, installed or not
from measure.our_driver import OurDriver

from recbole.model import cpu

WARM_UP = 15  # steps


def train(wanted: dict[str, Any], kept: bool, steps: int, threads: int | None) -> dict[str, float]:
    """Page faults and seconds of a step in this process, with or without freed memory kept."""
    if threads:
        torch.set_num_threads(threads)
    driver = OurDriver()
    driver.open(**wanted)
    with nullcontext() if kept else patch.object(cpu, "keep_freed_memory"):
        driver.train(steps=WARM_UP)
        watch = Watch(time.process_time)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        seconds = driver.train(steps=steps)["seconds"]
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    return {"faults": faults / steps, "seconds": seconds / steps, "others": watch.others()}


def in_a_process(*work: Any) -> dict[str, float]:
    """`train` in a process of its own."""
    command = [sys.executable, __file__, f"--work={json.dumps(work)}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(model: str, turns: list[dict[bool, dict[str, float]]]) -> list[str]:
    """A model's line of the table."""
    cells = [model]
    for figure, scale, form in (("faults", 1, ",.0f"), ("seconds", 1000, ".1f")):
        for kept in (False, True):
            cells.append(Spread.of(scale * turn[kept][figure] for turn in turns).text(form))
    plain, kept_seconds = ([turn[kept]["seconds"] for turn in turns] for kept in (False, True))
    others = max(found["others"] for turn in turns for found in turn.values())
    return [*cells, ratio(plain, kept_seconds).text(".2f"), f"{others:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common_arguments(parser)
    parser.add_argument("--dataset", default="ml-1m")
    parser.add_argument("--steps", type=int, default=50, help="batches in a turn")
    parser.add_argument("--turns", type=int, default=4, help="of each model, with and without")
    parser.add_argument("--work", type=json.loads, help=argparse.SUPPRESS)
    arguments, options = parse(parser)
    if arguments.work:
        print(json.dumps(train(*arguments.work)))
        return
    found: dict[str, list[dict[bool, dict[str, float]]]] = {}
    for turn in range(arguments.turns):
        for model in arguments.models:
            tell(f"turn {turn + 1}: {model}")
            wanted = request(model, arguments.dataset, arguments)
            wanted["options"] |= options
            order = (False, True) if turn % 2 == 0 else (True, False)
            sides = {k: in_a_process(wanted, k, arguments.steps, arguments.threads) for k in order}
            found.setdefault(model, []).append(sides)
    header = ["model", "faults/step", "kept", "ms/step", "kept", "times as fast", "others"]
    print(markdown(header, (row(model, turns) for model, turns in found.items())))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
