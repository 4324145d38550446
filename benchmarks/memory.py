"""Memory and speed at scale: rows that stream from disk, and embedding tables of millions of rows.

    python benchmarks/memory.py rows --rows=20000000
    python benchmarks/memory.py table --ids=50000000 --embedding_size=8

`rows` writes interactions of 200,000 users with 50,000 items, with `--columns` further features,
and trains one epoch in memory and streamed. `table` writes a user and an item file with as many ids
as asked, and interactions of some of them, and trains one epoch with sparse updates. Each case runs
in a process of its own, whose greatest resident memory is printed beside its seconds.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = {
    "threshold": {"rating": 4}, "epochs": 1, "train_batch_size": 8192, "eval_batch_size": 65536,
    "log_tensorboard": False, "show_progress": False, "state": "INFO", "metrics": ["AUC"],
    "mlp_hidden_size": [32, 16], "embedding_size": 8, "use_gpu": False,
}  # fmt: skip


def write_columns(path: Path, columns: dict[str, Any], rows: int) -> None:
    """An atomic file; each column is a function from a count and the first row to values."""
    with path.open("wb") as file:
        file.write(("\t".join(columns) + "\n").encode())
        options = pyarrow.csv.WriteOptions(
            include_header=False, delimiter="\t", quoting_style="none"
        )
        for start in range(0, rows, 1 << 20):
            count = min(1 << 20, rows - start)
            table = pa.table({name: make(count, start) for name, make in columns.items()})
            pyarrow.csv.write_csv(table, file, options)


def write_rows(folder: Path, arguments: argparse.Namespace) -> None:
    random = np.random.default_rng(0)
    columns: dict[str, Any] = {
        "user_id:token": lambda n, _: random.integers(0, 200_000, n),
        "item_id:token": lambda n, _: random.integers(0, 50_000, n),
        "rating:float": lambda n, _: random.integers(1, 6, n),
    }
    for number in range(arguments.columns):
        columns[f"f{number}:token"] = lambda n, _: random.integers(0, 1000, n)
    write_columns(folder / "big.inter", columns, arguments.rows)


def write_table(folder: Path, arguments: argparse.Namespace) -> None:
    random = np.random.default_rng(0)
    users = arguments.ids * 4 // 5
    items = arguments.ids - users
    inter = {
        "user_id:token": lambda n, _: random.integers(0, users, n),
        "item_id:token": lambda n, _: random.integers(0, items, n),
        "rating:float": lambda n, _: random.integers(1, 6, n),
    }
    write_columns(folder / "big.inter", inter, arguments.rows)
    ids = lambda n, start: np.arange(start, start + n)  # noqa: E731
    write_columns(folder / "big.user", {"user_id:token": ids}, users)
    write_columns(folder / "big.item", {"item_id:token": ids}, items)


def child(options: dict[str, Any]) -> None:
    """One run; prints its figures as json."""
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.quick_start.single_run import begin
    from recbole.trainer import Trainer

    start = time.perf_counter()
    config = Config("WideDeep", "big", config_dict=options)
    begin(config)
    dataset = create_dataset(config)
    train, valid, test = data_preparation(config, dataset)
    prepared, after = time.perf_counter() - start, _peak()
    model = config.model_class(config, train.dataset)
    trainer = Trainer(config, model)
    trainer.fit(train, valid)
    result = trainer.evaluate(test)
    epoch = trainer.record.epochs[-1]
    figures = {
        "ids": sum(field.size for field in dataset.schema.fields),
        "load_seconds": prepared, "load_mib": after, "peak_mib": _peak(),
        "rows_per_second": train.num_rows / epoch.train_seconds,
        "checkpoint_mib": trainer.saved_model_file.stat().st_size / 2**20,
        "seconds": time.perf_counter() - start, "auc": result["auc"],
    }  # fmt: skip
    print(json.dumps(figures))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(title: str, folder: Path, options: dict[str, Any]) -> str:
    done = subprocess.run(
        [sys.executable, __file__, "child", json.dumps(options)],
        cwd=folder, stdout=subprocess.PIPE, text=True, env={**_environment()}, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{title}: failed with status {done.returncode}")
    f = json.loads(done.stdout.splitlines()[-1])
    return (
        f"| {title} | {f['ids']:,} | {f['load_seconds']:.0f} | {f['load_mib']:,.0f} |"
        f" {f['rows_per_second']:,.0f} | {f['peak_mib']:,.0f} | {f['checkpoint_mib']:,.0f} |"
    )


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


def main() -> None:
    if sys.argv[1:2] == ["child"]:
        child(json.loads(sys.argv[2]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=["rows", "table"])
    parser.add_argument("--rows", type=int, default=None, help="interactions")
    parser.add_argument("--columns", type=int, default=6, help="rows: further features")
    parser.add_argument("--ids", type=int, default=50_000_000, help="table: users and items")
    parser.add_argument("--embedding_size", type=int, default=8)
    parser.add_argument("--folder", type=Path, default=None, help="keep the files here")
    arguments = parser.parse_args()
    arguments.rows = arguments.rows or {"rows": 20_000_000, "table": 2_000_000}[arguments.case]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        (folder / "dataset" / "big").mkdir(parents=True)
        cases: dict[str, dict[str, Any]]
        if arguments.case == "rows":
            write_rows(folder / "dataset" / "big", arguments)
            cases = {
                "streamed, first time": {"stream": True},
                "streamed, prepared": {"stream": True},
                "in memory": {},
            }
        else:
            write_table(folder / "dataset" / "big", arguments)
            sparse = {
                "learner": "sparse_adam",
                "save_step": 0,
                "embedding_size": arguments.embedding_size,
            }
            cases = {
                "sparse updates": sparse,
                "sparse updates, bf16": {**sparse, "embedding_precision": "bf16"},
            }
        print("| | ids | loading s | after loading MiB | training rows/s | peak MiB | file MiB |")
        print("|---|---|---|---|---|---|---|")
        for title, options in cases.items():
            print(run(title, folder, {**SETTINGS, **options}), flush=True)


if __name__ == "__main__":
    main()
