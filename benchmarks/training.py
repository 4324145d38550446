"""Speed of training and evaluation: rows per second for every model and head.

    python benchmarks/training.py --dataset=ml-100k --settings=configs/ml-100k --epochs=3

Each cell trains in this process; the first epoch warms up and is not counted. Prints a Markdown
table: median training rows/s over the counted epochs (lowest and highest behind it), evaluation
rows/s on the training part, and parameters.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import torch

from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.evaluator import collect
from recbole.trainer import Trainer
from recbole.utils import init_seed

MODELS = ("WideDeep", "NFM", "xDeepFM", "AutoInt", "FiGNN", "DCNV2", "EulerNet")
HEADS = {"binary": {}, "multi_cls=5": {"multi_cls": 5, "multi_ratio": 0.7}}


def measure(model: str, head: str, arguments: argparse.Namespace) -> str:
    """One row of the table."""
    config = Config(
        model,
        arguments.dataset,
        [arguments.settings / f"{model}.yaml"],
        {**HEADS[head], "train_batch_size": arguments.batch, "epochs": arguments.epochs + 1},
    )
    init_seed(config["seed"], config["reproducibility"])
    train_data, _, _ = data_preparation(config, create_dataset(config))
    network = config.model_class(config, train_data.dataset).to(config.device)
    trainer = Trainer(config, network)
    trainer.fit(train_data, saved=False, verbose=False, show_progress=False)
    speeds = [train_data.num_rows / e.train_seconds for e in trainer.record.epochs[1:]]

    collect(network, train_data)
    start = time.perf_counter()
    collect(network, train_data)
    evaluation = train_data.num_rows / (time.perf_counter() - start)
    return (
        f"| {model} | {head} | {statistics.median(speeds):,.0f}"
        f" ({min(speeds):,.0f}–{max(speeds):,.0f}) | {evaluation:,.0f} |"
        f" {trainer.record.parameters:,} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="ml-100k")
    parser.add_argument("--settings", type=Path, default=Path("configs/ml-100k"))
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--epochs", type=int, default=3, help="counted epochs")
    arguments = parser.parse_args()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {arguments.dataset}\n")
    print("| model | head | training rows/s | evaluation rows/s | parameters |")
    print("|---|---|---|---|---|")
    for model in arguments.models:
        for head in HEADS:
            print(measure(model, head, arguments), flush=True)


if __name__ == "__main__":
    main()
