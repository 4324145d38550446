"""Speed and memory of every model and head: `make bench`.

    python benchmarks/training.py --datasets ml-100k ml-1m --json=bench.json

Each cell is a process of its own, so that its memory is its own too. After a warm-up it trains
`--repeats` epochs of at most `--steps` batches of random rows and evaluates the test part as often.
Prints one Markdown table: median (lowest–highest). "First batch" is the wall clock from the start
of the process, imports and reading included; an epoch's seconds are those of all training rows at
the rate measured. "others" is the most cores that other programs kept busy meanwhile. Further
`--key=value` are options of the runs, such as `--precision=fp32`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from measure.contention import wait_until_quiet
from measure.settings import HEADS, common_arguments, parse, request, tell
from measure.sides import DriverError, Side, alternate, ours
from measure.spread import Spread, markdown
from measure.tables import others, rates

HEADER = (
    "data set", "model", "head", "training rows/s", "s/epoch", "evaluation rows/s",
    "first batch, s", "peak MiB", "parameters", "others",
)  # fmt: skip


def measure(
    dataset: str, model: str, head: str, arguments: argparse.Namespace, options: dict[str, Any]
) -> dict[str, Any]:
    """All figures of one cell, as plain data."""
    repeats, patience, threads = arguments.repeats, arguments.patience, arguments.threads
    wait_until_quiet(patience, threads)
    start = time.perf_counter()
    with Side(ours(head, **{**options, **HEADS[head]}), threads) as side:
        opened = side.open(request(model, dataset, arguments))
        side.ask("first_batch")
        first_batch = time.perf_counter() - start
        side.ask("train", steps=3)
        side.ask("evaluate")
        turns = {
            "train": lambda: side.ask("train", steps=arguments.steps),
            "evaluate": lambda: side.ask("evaluate"),
        }
        answers = alternate(turns, repeats, patience, threads)
    training = Spread.of(rates(answers["train"]))
    rows = opened["train_rows"]
    epoch = Spread.of(rows / rate for rate in rates(answers["train"]))
    return {
        "dataset": dataset,
        "model": model,
        "head": head,
        "training_rows_per_second": training.to_dict(),
        "epoch_seconds": epoch.to_dict(),
        "evaluation_rows_per_second": Spread.of(rates(answers["evaluate"])).to_dict(),
        "first_batch_seconds": first_batch,
        "peak_mib": max(answer["peak_mib"] for answer in answers["evaluate"]),
        "others": others(answers),
        **{name: opened[name] for name in ("parameters", "train_rows", "threads", "torch")},
    }


def row(cell: dict[str, Any]) -> list[str]:
    """A cell's line of the table."""
    training, epoch, evaluation = (
        Spread(**cell[name])
        for name in (
            "training_rows_per_second",
            "epoch_seconds",
            "evaluation_rows_per_second",
        )
    )
    return [
        cell["dataset"], cell["model"], cell["head"], training.text(), epoch.text(".2f"),
        evaluation.text(), f"{cell['first_batch_seconds']:.1f}", f"{cell['peak_mib']:,.0f}",
        f"{cell['parameters']:,}", f"{cell['others']:.2f}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common_arguments(parser)
    parser.add_argument("--datasets", nargs="+", default=["ml-100k", "ml-1m"])
    parser.add_argument("--steps", type=int, default=40, help="most batches of an epoch")
    parser.add_argument("--repeats", type=int, default=3, help="epochs that count")
    arguments, options = parse(parser)
    cells = []
    for dataset in arguments.datasets:
        for model in arguments.models:
            for head in HEADS:
                cells.append(measure(dataset, model, head, arguments, options))
                tell(" | ".join(row(cells[-1])))
    print(f"torch {cells[0]['torch']}, {cells[0]['threads']} threads; {options or 'defaults'}\n")
    print(markdown(HEADER, map(row, cells)))
    if arguments.json:
        arguments.json.write_text(json.dumps(cells, indent=1))


if __name__ == "__main__":
    try:
        main()
    except DriverError as error:
        sys.exit(str(error))
