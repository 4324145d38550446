"""Quality on a data set: every model, binary and with the rating head, over several seeds.

    python benchmarks/quality.py --dataset=ml-100k --settings=configs/ml-100k --seeds 2020 2021 2022

Trains each cell to early stopping in a process of its own (`--jobs` at a time), keeps its json
below `--out`, does not run a finished cell again, and prints a Markdown table of test AUC and
LogLoss, mean ± standard deviation (n − 1) over the seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MODELS = ("WideDeep", "NFM", "xDeepFM", "AutoInt", "FiGNN", "DCNV2", "EulerNet")
HEADS = {"binary": [], "multi": ["--multi_cls=5", "--multi_ratio=0.7"]}


@dataclass(frozen=True)
class Cell:
    """One training run: its folder below `--out` and its command."""

    model: str
    head: str
    seed: int
    folder: Path
    command: tuple[str, ...]

    def result(self) -> dict[str, Any] | None:
        """The record of the finished run, or None."""
        for path in sorted(self.folder.glob("*.json")):
            record: dict[str, Any] = json.loads(path.read_text())
            if record["status"] == "finished":
                return record
        return None

    def run(self) -> None:
        if self.result() is not None:
            return
        threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        done = subprocess.run(
            self.command, cwd=ROOT, env={**os.environ, **threads}, capture_output=True, text=True
        )
        if done.returncode:
            print(f"{self.model} {self.head} {self.seed} failed:\n{done.stderr}", file=sys.stderr)
            return
        record = self.result()
        assert record is not None
        print(
            f"{self.model} {self.head} {self.seed}: {len(record['epochs'])} epochs,"
            f" {record['seconds']:.0f} s, {record['test_result']}",
            file=sys.stderr,
        )


def cells(arguments: argparse.Namespace) -> list[Cell]:
    """The whole grid, in the order of the table."""
    grid = []
    for model in arguments.models:
        for head, options in HEADS.items():
            for seed in arguments.seeds:
                folder = arguments.out / arguments.dataset / f"{model}-{head}-{seed}"
                files = [arguments.settings / f"{model}.yaml"]
                command = [
                    sys.executable, "run_recbole.py", f"--model={model}",
                    f"--dataset={arguments.dataset}", f"--seed={seed}", *options,
                    f"--checkpoint_dir={folder}", "--log_tensorboard=False",
                    "--config_files", *map(str, files),
                ]  # fmt: skip
                grid.append(Cell(model, head, seed, folder, tuple(command)))
    return grid


def table(grid: Iterable[Cell]) -> str:
    """Markdown: a row for each model and head."""
    by_row: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for cell in grid:
        record = cell.result()
        if record is not None:
            by_row.setdefault((cell.model, cell.head), []).append(record)
    lines = [
        "| model | head | seeds | AUC | LogLoss | epochs |",
        "|---|---|---|---|---|---|",
    ]
    for (model, head), records in by_row.items():
        epochs = statistics.mean(len(record["epochs"]) for record in records)
        lines.append(
            f"| {model} | {head} | {len(records)} | {_spread(records, 'auc')} |"
            f" {_spread(records, 'logloss')} | {epochs:.0f} |"
        )
    return "\n".join(lines)


def _spread(records: list[dict[str, Any]], metric: str) -> str:
    values = [record["test_result"][metric] for record in records]
    deviation = statistics.stdev(values) if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.4f} ± {deviation:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="ml-100k")
    parser.add_argument("--settings", type=Path, default=Path("configs/ml-100k"))
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[2020, 2021, 2022])
    parser.add_argument("--out", type=Path, default=Path("saved/quality"))
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time, one thread each")
    arguments = parser.parse_args()
    grid = cells(arguments)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(Cell.run, grid))
    print(table(grid))


if __name__ == "__main__":
    main()
