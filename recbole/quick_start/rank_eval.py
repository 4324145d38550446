"""Ranking of saved models: how high the items that users liked stand in their lists.

The data and the split come from each checkpoint's own config and seed. Checkpoints of one split are
ranked on the very same candidates, which do not depend on a model.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recbole.config import Config
from recbole.config.sources import as_list
from recbole.data import Dataset, Loader, candidates, create_dataset
from recbole.data.candidates import Candidates, has_positive
from recbole.data.staging import refuse_unwritable, replacing
from recbole.errors import ConfigError, DataError
from recbole.evaluator import Evaluator, EvaluatorType
from recbole.evaluator.metrics import find_metric
from recbole.model.cpu import tuned_cpu
from recbole.quick_start.device import load_together
from recbole.quick_start.held_out import of_one_data_set, rebuild_parts
from recbole.quick_start.outputs import refuse_replacing
from recbole.trainer.checkpoint import Checkpoint
from recbole.trainer.record import describe_device, finite, versions

logger = logging.getLogger(__name__)

PARTS = ("valid", "test")


@dataclass(frozen=True)
class RankResult:
    """How one model ranks the items of one part.

    Attributes:
        checkpoint: its file.
        config: the options of its run.
        part: valid or test.
        mode: what was ranked: uniN, popN or full.
        candidate_seed: of the candidates' draws; None in mode full, which draws none.
        fingerprint: SHA-256 of the split and the rows of the part; with mode and seed it names the
            candidates, so that results may be compared where all three are the same.
        values: the metrics, such as 'ndcg@10'.
        seconds: what candidates (0 where those of an earlier checkpoint serve) and metrics took.
    """

    checkpoint: Path
    config: Config = field(compare=False)
    part: str
    mode: str
    candidate_seed: int | None
    fingerprint: str
    values: dict[str, float]
    seconds: dict[str, float] = field(compare=False)

    @property
    def ranked_on(self) -> tuple[Any, ...]:
        """What the candidates are, whatever the part."""
        return self.fingerprint, self.mode, self.candidate_seed

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a json file."""
        return {
            "checkpoint": str(self.checkpoint),
            "model": self.config.model,
            "dataset": self.config.dataset,
            "multi_cls": self.config["multi_cls"],
            "run_seed": self.config.environment.seed,
            "part": self.part,
            "mode": self.mode,
            "candidate_seed": self.candidate_seed,
            "split": self.fingerprint,
            "seconds": self.seconds,
            "metrics": finite(self.values),
        }


@tuned_cpu()
def rank_eval(
    checkpoints: str | Path | Sequence[str | Path],
    metrics: str | Sequence[str] = ("NDCG", "Recall"),
    topk: int | Sequence[int] = (10, 20),
    mode: str = "uni100",
    eval_batch_size: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    output: str | Path | None = None,
    candidates_file: str | Path | None = None,
    read: Callable[[Config], Dataset] = create_dataset,
    eval_memory_mb: float | None = None,
) -> list[RankResult]:
    """Rank with saved models, and leave `<checkpoint stem>.rank.json` beside each.

    >>> rank_eval(["saved/WideDeep.pth", "saved/DCNV2.pth"], metrics=["NDCG"], topk=[10])

    Args:
        checkpoints: their files, or one.
        metrics: names of metrics; value metrics such as AUC are computed on the labelled rows.
        topk: cut-offs.
        mode: uniN or popN, N sampled negatives for each positive, or full.
        eval_batch_size: rows of a forward pass; None: what the checkpoint's run had.
        seed: of the candidates' draws; None: that of the checkpoint's run. (The split is always
            that of the run.)
        device: cpu, cuda or cuda:<number>; None: CUDA where there is a device.
        output: a json file for the results of all.
        candidates_file: where the candidates are kept: read if the file is there, written if not.
        read: gives the data set of a Config; another one than `create_dataset` may have it at hand.
        eval_memory_mb: MiB of working memory of mode full; None: what the checkpoint's run had.

    Returns:
        Two results for each checkpoint, validation and test, in the order given; one where the
        other part has nothing to rank.

    Raises:
        CheckpointError: a checkpoint is unusable, or the data has changed since its training.
        ConfigError: an option is at fault.
        DataError: the candidates in the file are those of another split or mode; or neither part
            of a checkpoint has a positive to rank.
    """
    checkpoints, metrics, topk = as_list(checkpoints), as_list(metrics), as_list(topk)
    if not checkpoints:
        raise ConfigError("Option 'checkpoint': expected at least one file, got none")
    if mode == "labeled":
        raise ConfigError("Option 'mode': expected uniN, popN or full, which rank; got labeled")
    if mode == "full" and candidates_file is not None:
        raise ConfigError("Option 'candidates': mode full ranks all items and draws no candidates")
    own = {"eval_batch_size": eval_batch_size, "eval_memory_mb": eval_memory_mb}
    overrides: dict[str, Any] = {
        **{name: value for name, value in own.items() if value is not None},
        "metrics": metrics,
        "topk": topk,
        "valid_metric": _valid_metric(metrics, topk),
        "valid_metric_bigger": None,
        "eval_args": {"mode": mode},
    }
    if output is not None:
        refuse_replacing(Path(output), checkpoints)
    if candidates_file is not None and not Path(candidates_file).exists():
        refuse_unwritable(Path(candidates_file))
    for path in map(_beside, checkpoints):
        refuse_unwritable(path)
    loaded = load_together(checkpoints, device, **overrides)
    kept = _Kept(candidates_file, seed)
    results: list[list[RankResult]] = [[] for _ in loaded]
    for indices in of_one_data_set(loaded):
        parts = rebuild_parts(loaded[indices[0]], read)
        for index in indices:
            results[index] = _rank(loaded[index], parts, kept, seed)
    for saved, of_one in zip(loaded, results, strict=True):
        write_results(_beside(saved.path), of_one)
    every = [result for of_one in results for result in of_one]
    if output is not None:
        write_results(output, every)
    kept.write()  # last, so that a full disk costs no result
    return every


class _Kept:
    """Candidates that are there to be used again, by part and split; in a file if one is named."""

    def __init__(self, path: str | Path | None, seed: int | None) -> None:
        self.path = None if path is None else Path(path)
        self.was_there = self.path is not None and self.path.exists()
        self._read: dict[str, Candidates] = {}
        self._drawn: dict[tuple[Any, ...], Candidates] = {}
        if self.path is not None and self.was_there:
            self._read = candidates.load(self.path)
            logger.info("Candidates: %s", self.path)
            for found in self._read.values():
                if seed not in (None, found.seed):
                    raise ConfigError(
                        f"Option 'seed': the candidates in {path} were drawn with seed"
                        f" {found.seed}, got {seed}; leave out one of the two options"
                    )

    def of(self, part: Any, mode: str, seed: int) -> tuple[Candidates, bool]:
        """The candidates of a part of a data set, and whether they were drawn just now."""
        name = str(part.part)
        if name in self._read:
            self._read[name].check(part)
            return self._read[name], False
        key = (name, mode, seed, candidates.fingerprint_of(part))
        is_new = key not in self._drawn
        if is_new:
            self._refuse_another_split(name)
            self._drawn[key] = candidates.draw(part, mode, seed)
            logger.info("%s", self._drawn[key].describe())
        return self._drawn[key], is_new

    def _refuse_another_split(self, part: str) -> None:
        """Before a part is ranked whose candidates the file would not hold."""
        is_written = self.path is not None and not self.was_there
        if is_written and any(drawn.part == part for drawn in self._drawn.values()):
            raise ConfigError(
                "Option 'candidates': one file holds the candidates of one split, and the"
                " checkpoints are of several (another seed, split or data set); rank them in"
                " calls of their own"
            )

    def write(self) -> None:
        """Keep what was drawn, where a file is named that was not there."""
        if self.path is None or self.was_there:
            return
        candidates.save(self.path, {found.part: found for found in self._drawn.values()})
        logger.info("Candidates written to %s", self.path)


def _rank(
    saved: Checkpoint, parts: Mapping[str, Loader], kept: _Kept, seed: int | None
) -> list[RankResult]:
    """The results of one checkpoint."""
    config, model = saved.config, saved.build_model()
    mode = config.data.eval_args.modes["test"]
    draw_seed = config.environment.seed if seed is None else seed
    evaluator = Evaluator(
        config.evaluation,
        rating_head=model.head.grades,
        modes=config.data.eval_args.modes,
        seed=draw_seed,
        has_labels=config.data.train_neg_sample_args is None,
    )
    results = []
    filled = [part for part in PARTS if has_positive(parts[part].dataset)]
    if not filled:
        sizes = " and ".join(f"{parts[part].num_rows:,} rows for {part}" for part in PARTS)
        raise DataError(
            f"{saved.path}: expected a positive (label 1) to rank in {' or '.join(PARTS)}, got none"
            f" ({sizes})"
        )
    for part in PARTS:
        if part not in filled:
            logger.warning("%s: the %s part has no positive to rank; left out", saved.path, part)
            continue
        loader, start = parts[part], time.perf_counter()
        loader.batch_size = config.data.eval_batch_size
        used, is_new = None, False
        if mode != "full":
            used, is_new = kept.of(loader.dataset, mode, draw_seed)
            evaluator.use(loader, used)
        ready = time.perf_counter()
        values = evaluator.evaluate_part(model, loader)
        done = time.perf_counter()
        results.append(
            RankResult(
                checkpoint=saved.path,
                config=config,
                part=part,
                mode=mode,
                candidate_seed=None if used is None else used.seed,
                fingerprint=(
                    candidates.fingerprint_of(loader.dataset) if used is None else used.fingerprint
                ),
                values=values,
                seconds={
                    "candidates": round(ready - start, 3) if is_new else 0.0,
                    "evaluation": round(done - ready, 3),
                },
            )
        )
    return results


def _valid_metric(metrics: Sequence[str], topk: Sequence[int]) -> str:
    """One of the metrics, for the option that has to name one and has no part in this."""
    for name in metrics:
        try:
            metric = find_metric(name)
        except ValueError as error:
            raise ConfigError(f"Option 'metrics': {error}, got {name!r}") from None
        if metric.bigger_is_better is not None:
            ranks = metric.kind is EvaluatorType.RANKING
            cutoff = next((k for k in topk if isinstance(k, int) and k >= 1), 10)
            return f"{metric.name}@{cutoff}" if ranks else metric.name
    raise ConfigError("Option 'metrics': expected at least one that ranks, such as NDCG")


def _beside(path: str | Path) -> Path:
    """Where the results of a checkpoint are left."""
    return Path(path).with_suffix(".rank.json")


def write_results(path: str | Path, results: Sequence[RankResult]) -> None:
    """Write results as json, in one step."""
    device = results[0].config.device
    plain = {
        "results": [result.to_dict() for result in results],
        "device": describe_device(device),
        "versions": versions(),
    }
    with replacing(Path(path)) as temporary:
        temporary.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
