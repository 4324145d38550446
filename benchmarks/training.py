"""Speed and memory of every model and head: `make bench`.

    python benchmarks/training.py --datasets ml-100k ml-1m --json=bench.json

Each cell is measured in `--processes` processes, one after the other, so that its memory is its own
and its time to the first batch has a spread too. Each, after a warm-up, trains `--repeats` epochs
of at most `--steps` batches of random rows and evaluates the test part as often. Prints one
Markdown table: median (lowest–highest). "First batch" is the wall clock from the start of the
process, imports and reading included; an epoch's seconds are those of all training rows at the rate
measured. "others" is the most cores that other programs kept busy meanwhile. Further `--key=value`
are options of the runs, such as `--precision=fp32`.
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

#: What is measured: its name in the json file, its title in the table, how it is written there.
FIGURES = (
    ("training_rows_per_second", "training rows/s", ",.0f"),
    ("epoch_seconds", "s/epoch", ".2f"),
    ("evaluation_rows_per_second", "evaluation rows/s", ",.0f"),
    ("first_batch_seconds", "first batch, s", ".1f"),
    ("peak_mib", "peak MiB", ",.0f"),
)
HEADER = ("data set", "model", "head", *(title for _, title, _ in FIGURES), "parameters", "others")


def measure(
    dataset: str, model: str, head: str, arguments: argparse.Namespace, options: dict[str, Any]
) -> dict[str, Any]:
    """All figures of one cell, as plain data."""
    wanted = request(model, dataset, arguments)
    wanted["options"] |= {**options, **HEADS[head]}
    runs = [in_a_process(head, wanted, arguments) for _ in range(arguments.processes)]
    found = {name: [value for run, _ in runs for value in run[name]] for name, _, _ in FIGURES}
    opened = [facts for _, facts in runs]
    return {
        "dataset": dataset,
        "model": model,
        "head": head,
        **{name: Spread.of(values).to_dict() for name, values in found.items()},
        "others": max(facts["others"] for facts in opened),
        **{name: opened[0][name] for name in ("parameters", "train_rows", "threads", "torch")},
    }


def in_a_process(
    name: str, wanted: dict[str, Any], arguments: argparse.Namespace
) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """The figures that one process gives, by name, and what it says of itself and of others."""
    patience, threads = arguments.patience, arguments.threads
    wait_until_quiet(patience, threads)
    start = time.perf_counter()
    with Side(ours(name), threads) as side:
        opened = side.open(wanted)
        side.ask("first_batch")
        first_batch = time.perf_counter() - start
        side.ask("train", steps=3)
        side.ask("evaluate")
        turns = {
            "train": lambda: side.ask("train", steps=arguments.steps),
            "evaluate": lambda: side.ask("evaluate"),
        }
        answers = alternate(turns, arguments.repeats, patience, threads)
    found = {
        "training_rows_per_second": rates(answers["train"]),
        "epoch_seconds": [opened["train_rows"] / rate for rate in rates(answers["train"])],
        "evaluation_rows_per_second": rates(answers["evaluate"]),
        "first_batch_seconds": [first_batch],
        "peak_mib": [max(answer["peak_mib"] for side in answers.values() for answer in side)],
    }
    return found, {**opened, "others": others(answers)}


def row(cell: dict[str, Any]) -> list[str]:
    """A cell's line of the table."""
    return [
        cell["dataset"], cell["model"], cell["head"],
        *(Spread(**cell[name]).text(form) for name, _, form in FIGURES),
        f"{cell['parameters']:,}", f"{cell['others']:.2f}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    common_arguments(parser)
    parser.add_argument("--datasets", nargs="+", default=["ml-100k", "ml-1m"])
    parser.add_argument("--steps", type=int, default=40, help="most batches of an epoch")
    parser.add_argument("--processes", type=int, default=3, help="for each model and head")
    parser.add_argument("--repeats", type=int, default=1, help="epochs that count in each")
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
