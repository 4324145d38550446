"""What every model reaches of what the machine can do.

    python benchmarks/roofline.py --dataset=ml-1m

First the ceilings: matrix products (4096×256 by 256×256) in single precision and bf16, and copying
256 MB. Then, for each model and head, one training step: its floating-point operations, forward and
backward, counted by torch's flop counter (matrix products only), and the bytes that its operators
read and write, the optimiser's included, as if nothing stayed in a cache. Both divided by the
seconds of a step, beside the ceilings: that of products is the one of the type that the run's
`precision` chose. The floor is the time that the operations alone would take at the fastest of
these ceilings. "others" is the cores that other programs kept busy meanwhile. Further
`--key=value` are options of the runs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from measure.contention import Watch, wait_until_quiet
from measure.settings import HEADS, common_arguments, parse, request
from measure.spread import markdown
from measure.traffic import Traffic
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this checkout, installed or not
from measure.our_driver import OurDriver

ROWS, WIDTH, COPIED = 4096, 256, 256 * 2**20


def best_seconds(work: Callable[[], Any], count: int, rounds: int = 5) -> float:
    """Seconds of one call, in the fastest of some rounds of `count` calls: a ceiling."""
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(count):
            work()
        times.append((time.perf_counter() - start) / count)
    return min(times)


def ceilings() -> dict[str, float]:
    """GFLOP/s of matrix products by type, and GB/s of a copy (read and written)."""
    found = {}
    for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        x, weight = torch.randn(ROWS, WIDTH, dtype=kind), torch.randn(WIDTH, WIDTH, dtype=kind)
        bias = torch.zeros(WIDTH, dtype=kind)
        flops = 2 * ROWS * WIDTH * WIDTH / 1e9
        found[f"{name} product, GFLOP/s"] = flops / best_seconds(
            partial(torch.matmul, x, weight), 20
        )
        linear = best_seconds(partial(functional.linear, x, weight, bias), 20)
        found[f"{name} linear, GFLOP/s"] = flops / linear
    source = torch.zeros(COPIED // 4)
    target = torch.empty_like(source)
    found["copy, GB/s"] = 2 * COPIED / best_seconds(lambda: target.copy_(source), 3) / 1e9
    return found


def count(driver: OurDriver) -> tuple[float, float]:
    """GFLOP and GB of one training step."""
    batch = next(driver.train_data.batches())
    model, optimizers = driver.trainer.model.train(), driver.trainer.optimizers
    with FlopCounterMode(display=False) as counter, Traffic() as traffic:
        optimizers.zero_grad()
        model.loss_parts(batch)["loss"].backward()
        optimizers.step(driver.trainer.scaler)
    return counter.get_total_flops() / 1e9, traffic.bytes / 1e9


def measure(model: str, head: str, arguments: argparse.Namespace, options: Any) -> dict[str, Any]:
    """The figures of one model and head."""
    wanted = request(model, arguments.dataset, arguments)
    wanted["options"] |= {**options, **HEADS[head]}
    driver = OurDriver()
    driver.open(**wanted)
    driver.train(steps=3)
    gflop, gigabytes = count(driver)
    wait_until_quiet(arguments.patience, arguments.threads)
    watch = Watch(time.process_time)
    answers = [driver.train(steps=arguments.steps) for _ in range(arguments.repeats)]
    seconds = min(answer["seconds"] for answer in answers) / arguments.steps
    return {
        "model": model, "head": head, "precision": driver.trainer.model.precision.name,
        "seconds": seconds, "gflop": gflop, "gb": gigabytes,
        "others": watch.others(),
    }  # fmt: skip


def row(cell: dict[str, Any], limits: dict[str, float]) -> list[str]:
    """A cell's line of the table."""
    product = max(v for name, v in limits.items() if name.startswith(cell["precision"]))
    fastest = max(value for name, value in limits.items() if "GFLOP" in name)
    flops, traffic = cell["gflop"] / cell["seconds"], cell["gb"] / cell["seconds"]
    return [
        cell["model"], cell["head"], cell["precision"],
        f"{1000 * cell['seconds']:.1f}", f"{cell['gflop']:.2f}",
        f"{flops:.0f}", f"{flops / product:.0%}", f"{1000 * cell['gb']:,.0f}", f"{traffic:.1f}",
        f"{traffic / limits['copy, GB/s']:.0%}", f"{1000 * cell['gflop'] / fastest:.1f}",
        f"{cell['others']:.2f}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common_arguments(parser)
    parser.add_argument("--dataset", default="ml-1m")
    parser.add_argument("--steps", type=int, default=20, help="batches in a turn of training")
    parser.add_argument("--repeats", type=int, default=3, help="turns; the fastest counts")
    arguments, options = parse(parser)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    wait_until_quiet(arguments.patience, arguments.threads)
    watch = Watch(time.process_time)
    limits = ceilings()
    limits["others"] = watch.others()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    print(markdown(["ceiling", "measured"], [[n, f"{v:,.1f}"] for n, v in limits.items()]), "\n")
    header = ["model", "head", "precision", "ms/step", "GFLOP/step", "GFLOP/s", "of its ceiling",
              "MB/step", "GB/s", "of copy", "floor, ms", "others"]  # fmt: skip
    cells = [measure(m, head, arguments, options) for m in arguments.models for head in HEADS]
    print(markdown(header, (row(cell, limits) for cell in cells)))
    if arguments.json:
        arguments.json.write_text(json.dumps({"ceilings": limits, "cells": cells}, indent=1))


if __name__ == "__main__":
    main()
