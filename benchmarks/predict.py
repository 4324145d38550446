"""Speed and memory of scoring new rows: `predict` on a large file, beside the model on its own.

    python run_recbole.py -m WideDeep -d ml-1m --epochs=1
    python benchmarks/predict.py --checkpoint=saved/WideDeep-....pth --rows=5000000

Writes that many rows of random users and items, drawn from the checkpoint's own, to a temporary
Parquet (or CSV) file, and scores it in a process of its own, whose greatest resident memory it
reads.
The model's own speed is that of forward passes over encoded rows that lie ready in memory.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import torch

from recbole.commands.command_line import main as command_line
from recbole.data import Interaction
from recbole.data.row_files import CHUNK_ROWS, open_rows
from recbole.quick_start.scoring import Scorer
from recbole.trainer import checkpoint as checkpoints


def write_rows(checkpoint: Path, path: Path, rows: int) -> None:
    """Random pairs of known users and items, with a rating, as numbers where they are some."""
    saved = checkpoints.load(checkpoint)
    random = np.random.default_rng(0)
    schema = pa.schema([("user_id", pa.int64()), ("item_id", pa.int64()), ("rating", pa.float32())])
    known = {
        name: np.array(saved.encoder.tokens(name)[1:], np.int64) for name in ("user_id", "item_id")
    }
    file_type = pq.ParquetWriter if path.suffix == ".parquet" else pyarrow.csv.CSVWriter
    with file_type(path, schema) as file:
        for start in range(0, rows, 1 << 20):
            count = min(1 << 20, rows - start)
            columns = {name: random.choice(tokens, count) for name, tokens in known.items()}
            columns["rating"] = random.integers(1, 6, count).astype(np.float32)
            file.write_table(pa.table(columns, schema=schema))


def seconds_of_the_model(checkpoint: Path, path: Path) -> float:
    """Seconds for a chunk of rows by the model alone."""
    scorer = Scorer.load(checkpoint)
    chunk = next(open_rows(path, scorer.options).chunks())
    encoded = Interaction(scorer._encoder.transform(scorer._table(chunk, "rows")))
    times = []
    with torch.no_grad():
        for _ in range(4):
            start = time.perf_counter()
            for first in range(0, len(encoded), scorer.batch_size):
                scorer._forward(encoded[first : first + scorer.batch_size].to(scorer._device)).cpu()
            times.append(time.perf_counter() - start)
    return min(times[1:]) / len(encoded)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--format", choices=["parquet", "csv"], default="parquet")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.child:
        source, target = arguments.child
        status = command_line(["predict", f"--checkpoint={arguments.checkpoint}",
                               f"--input={source}", f"--output={target}"])  # fmt: skip
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        sys.exit(status)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / f"rows.{arguments.format}"
        target = source.with_stem("scores")
        write_rows(arguments.checkpoint, source, arguments.rows)
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, __file__, f"--checkpoint={arguments.checkpoint}",
             f"--threads={arguments.threads}", "--child", source, target],
            check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        alone = seconds_of_the_model(arguments.checkpoint, source)
    print("| rows | format | threads | seconds in all | rows/s | model alone, rows/s | peak MiB |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {arguments.rows:,} | {arguments.format} | {arguments.threads} | {seconds:.1f} |"
        f" {arguments.rows / seconds:,.0f} | {1 / alone:,.0f} |"
        f" {int(done.stdout.split()[-1]) / 1024:,.0f} |"
    )
    print(f"\nchunks of {CHUNK_ROWS:,} rows, torch {torch.__version__}")


if __name__ == "__main__":
    main()
