"""Cost of ranking with saved models, beside plainly predicting as many rows.

    python benchmarks/ranking.py --checkpoint saved/WideDeep.pth saved/DCNV2.pth --threads=1

For each checkpoint: the test part ranked on sampled candidates (drawing them, scoring, sorting,
metrics) against the same number of rows of that part through the model, in turns; then all items
for all users that have a positive, and the memory this takes beyond what was taken before. Prints
Markdown tables. Seconds are of the wall clock and, in brackets, of the processor: where the machine
is shared, compare the latter.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from recbole.data import Loader, create_dataset, data_preparation
from recbole.data.candidates import Candidates, draw
from recbole.evaluator import Evaluator
from recbole.trainer import checkpoint


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """What `work` returns, its seconds of the wall clock and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - processor


@torch.no_grad()
def predict_rows(model: Any, loader: Loader, count: int) -> None:
    """Predict `count` rows of a part, over and over again."""
    rows = torch.arange(count) % loader.num_rows
    for batch in rows.split(loader.batch_size):
        model.predict(loader.gather(batch))


def peak_mib() -> float:
    """Highest memory of the process since the last `reset_peak` (Linux)."""
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
    )
    return int(line.split()[1]) / 1024


def reset_peak() -> float:
    """Forget the peak so far; return the memory taken now, in MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_mib()


def evaluator(config: Any, model: Any, mode: str) -> Evaluator:
    return Evaluator(
        config.evaluation, model.head.num_logits > 1, {"valid": mode, "test": mode}, seed=2020
    )


def rank(config: Any, model: Any, loader: Loader, mode: str) -> tuple[dict[str, float], Candidates]:
    """Draw candidates and rank them, as a first evaluation does."""
    found = evaluator(config, model, mode)
    candidates = draw(loader.dataset, mode, 2020)
    found.use(loader, candidates)
    return found.evaluate_part(model, loader), candidates


def measure(path: Path, arguments: argparse.Namespace) -> tuple[str, str]:
    """A row of each table."""
    saved = checkpoint.load(
        path, use_gpu=False, metrics=["NDCG", "Recall"], topk=[10, 20], valid_metric="NDCG@10",
        eval_args={"mode": arguments.mode}, data_path=arguments.data_path,
        precision=arguments.precision,
    )  # fmt: skip
    config, model = saved.config, saved.build_model()
    _, _, test = data_preparation(config, create_dataset(config))
    (values, candidates), *_ = timed(lambda: rank(config, model, test, arguments.mode))
    predict_rows(model, test, len(candidates) // 10)
    ranked, plain = [], []
    for _ in range(arguments.rounds):
        ranked.append(timed(lambda: rank(config, model, test, arguments.mode))[1:])
        plain.append(timed(lambda: predict_rows(model, test, len(candidates)))[1:])
    ratios = [r[1] / p[1] for r, p in zip(ranked, plain, strict=True)]
    (wall, cpu), (plain_wall, plain_cpu) = _medians(ranked), _medians(plain)
    sampled = (
        f"| {path.name} | {config.model} | {len(candidates):,} | {wall:.1f} ({cpu:.1f}) |"
        f" {plain_wall:.1f} ({plain_cpu:.1f}) | {statistics.median(ratios):.2f} |"
        f" {values['ndcg@10']} | {values['recall@10']} | {values['ndcg@20']} |"
        f" {values['recall@20']} |"
    )
    users = len(candidates.users)
    before = reset_peak()
    values, wall, cpu = timed(lambda: evaluator(config, model, "full").evaluate_part(model, test))
    extra = peak_mib() - before
    full = (
        f"| {path.name} | {users:,} × {test.dataset.item_num - 1:,} | {wall:.1f} ({cpu:.1f}) |"
        f" {extra:.0f} | {values['ndcg@10']} | {values['recall@10']} |"
    )
    return sampled, full


def _medians(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    walls, processors = zip(*pairs, strict=True)
    return statistics.median(walls), statistics.median(processors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, nargs="+", required=True)
    parser.add_argument("--mode", default="uni100")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data_path", default="dataset/")
    parser.add_argument("--precision", default="auto")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    setting = f"{arguments.threads} threads, {arguments.mode}, precision {arguments.precision}"
    print(f"torch {torch.__version__}, {setting}\n")
    rows = [measure(path, arguments) for path in arguments.checkpoint]
    print(
        "| checkpoint | model | rows | ranking s (CPU) | predicting s (CPU) | ratio | NDCG@10 |"
        " Recall@10 | NDCG@20 | Recall@20 |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    print("\n".join(sampled for sampled, _ in rows))
    print(
        "\n| checkpoint | full ranking | s (CPU) | extra MiB | NDCG@10 | Recall@10 |"
        "\n|---|---|---|---|---|---|"
    )
    print("\n".join(full for _, full in rows))


if __name__ == "__main__":
    main()
