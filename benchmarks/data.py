"""Time and memory of loading a data set, beside RecBole 1.2.1's.

    python benchmarks/data.py --dataset=ml-1m --peer-python=<environment with RecBole>/bin/python
    python benchmarks/data.py --generate=20000000

Every load happens in a process of its own, after all imports, peers by turns. It reads, filters,
encodes and splits. `cold` finds no cache and writes one, `uncached` neither reads nor writes one,
`warm` is the load after. RecBole's warm load reads its pickled data set (`save_dataset`).

Prints a Markdown table: seconds on the clock (median, lowest–highest), seconds of processor time,
and the MiB of resident memory that the load added at its peak, and had added in the end (Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[1]
OPTIONS: dict[str, Any] = {
    "threshold": {"rating": 4},
    "eval_args": {
        "split": {"RS": [0.8, 0.1, 0.1]},
        "order": "RO",
        "group_by": "none",
        "mode": "labeled",
    },
    "user_inter_num_interval": "[10,inf)",
    "item_inter_num_interval": "[10,inf)",
}
ML_1M = {
    "inter": ["user_id", "item_id", "rating"],
    "user": ["user_id", "age", "gender", "occupation"],
    "item": ["item_id", "release_year", "genre"],
}
GENERATED = {"inter": ["user_id", "item_id", "rating", "timestamp"]}

# Both programs are given their options as JSON and print one line of JSON.
_METER = """
import json, resource, sys, time
name, options = json.loads(sys.argv.pop())
def status(key):
    return int(open("/proc/self/status").read().split(key + ":")[1].split()[0]) / 1024
def measure(load):
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the highest memory is counted from here
    before, wall, cpu = status("VmRSS"), time.perf_counter(), time.process_time()
    parts = load()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu, "memory": status("VmHWM") - before,
                      "kept": status("VmRSS") - before, "rows": [len(part) for part in parts]}))
"""
OURS = (
    _METER
    + """
from recbole.config import Config
from recbole.data import create_dataset
config = Config("WideDeep", name, config_dict={**options, "use_gpu": False})
measure(lambda: create_dataset(config).build())
"""
)
PEER = (
    _METER
    + """
import logging
from recbole.config import Config
from recbole.data import create_dataset
logging.disable(logging.CRITICAL)
config = Config("WideDeep", name, config_dict=options)
measure(lambda: create_dataset(config).build())
"""
)


def run(python: str, program: str, folder: Path, name: str, options: dict[str, Any]) -> Any:
    """What one load in a fresh process measured."""
    environment = {**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    environment.pop("PYTHONPATH", None)  # one that points here would give the peer this package
    if program is OURS:
        environment["PYTHONPATH"] = str(PROJECT)
    done = subprocess.run(
        [python, "-c", program, json.dumps([name, options])],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{python} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def generate(folder: Path, rows: int) -> str:
    """Write `rows` random ratings of MovieLens-20M's shape, popular items first; the name."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.csv

    random = np.random.default_rng(0)
    path = folder / "generated" / "generated.inter"
    path.parent.mkdir(parents=True)
    titles = "\t".join(("user_id:token", "item_id:token", "rating:float", "timestamp:float"))
    options = pyarrow.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    with path.open("wb") as file:
        file.write(f"{titles}\n".encode())
        for start in range(0, rows, 1_000_000):
            count = min(1_000_000, rows - start)
            table = pa.table(
                {
                    "user": np.sort(random.integers(1, max(rows // 144, 2), count)),
                    "item": (27_000 * random.random(count) ** 3).astype(np.int64) + 1,
                    "rating": random.integers(1, 11, count) / 2,
                    "time": random.integers(789_652_009, 1_427_784_002, count),
                }
            )
            pyarrow.csv.write_csv(table, file, options)
    print(f"generated.inter: {rows:,} rows, {path.stat().st_size / 2**20:,.0f} MiB\n")
    return "generated"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="ml-1m")
    parser.add_argument("--data-path", type=Path, default=PROJECT / "dataset")
    parser.add_argument("--generate", type=int, help="rows of a data set to be generated")
    parser.add_argument("--peer-python", help="the Python of an environment with RecBole 1.2.1")
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if arguments.generate:
            data_path, columns = folder / "dataset", GENERATED
            name = generate(data_path, arguments.generate)
        else:
            data_path, name, columns = arguments.data_path.resolve(), arguments.dataset, ML_1M
        options = {**OPTIONS, "load_col": columns, "data_path": str(data_path)}
        compare(arguments, folder, name, options)


def compare(
    arguments: argparse.Namespace, folder: Path, name: str, options: dict[str, Any]
) -> None:
    """Measure by turns and print the table."""
    measured: dict[str, list[Any]] = {}
    cache, saved = folder / "cache", folder / "saved"
    # RecBole reads what an earlier run saved below checkpoint_dir, whenever it finds it there.
    theirs = {**options, "checkpoint_dir": str(folder / "empty")}
    # RecBole appends the name of the data set itself.
    theirs |= {"data_path": f"{options['data_path']}/"}

    def ours(label: str, **more: Any) -> None:
        one = run(sys.executable, OURS, folder, name, {**options, **more})
        measured.setdefault(label, []).append(one)

    def peer(label: str, **more: Any) -> None:
        one = run(arguments.peer_python, PEER, folder, name, {**theirs, **more})
        measured.setdefault(label, []).append(one)

    for _ in range(arguments.repeat):
        ours("uncached", data_cache=False)
        if arguments.peer_python:
            peer("RecBole, cold")
        shutil.rmtree(cache, ignore_errors=True)
        ours("cold", data_cache=str(cache))
        ours("warm", data_cache=str(cache))
        if arguments.peer_python:
            kept = saved / f"{name}-Dataset.pth"
            if not kept.exists():
                saving = {**theirs, "save_dataset": True, "checkpoint_dir": str(saved)}
                run(arguments.peer_python, PEER, folder, name, saving)
            peer("RecBole, warm", dataset_save_path=str(kept))
    print("| load | seconds | processor seconds | MiB at the peak | MiB kept | rows |")
    print("|---|---|---|---|---|---|")
    for label, runs in measured.items():
        wall = [one["wall"] for one in runs]
        rows = "/".join(f"{count:,}" for count in runs[0]["rows"])
        print(
            f"| {label} | {statistics.median(wall):.3f} ({min(wall):.3f}–{max(wall):.3f})"
            f" | {statistics.median(one['cpu'] for one in runs):.3f}"
            f" | {statistics.median(one['memory'] for one in runs):,.0f}"
            f" | {statistics.median(one['kept'] for one in runs):,.0f} | {rows} |"
        )


if __name__ == "__main__":
    main()
