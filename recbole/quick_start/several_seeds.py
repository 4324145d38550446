"""A run under each of several seeds, all at the same time or in turn, and their means."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from math import isfinite, nan
from statistics import fmean, stdev

from recbole.config import Config
from recbole.data import Dataset, create_dataset
from recbole.quick_start.single_run import Result, SingleRun, begin
from recbole.trainer.ensemble import Ensemble, Run
from recbole.trainer.interruption import TrainingInterrupted
from recbole.trainer.random_streams import RandomStream

logger = logging.getLogger(__name__)


def run_seeds(config: Config, seeds: Sequence[int], saved: bool, at_hand: Dataset | None) -> Result:
    """A run under each seed; files are read once.

    (A data set that streams lies on disk in the order of its parts, and levels are learned on the
    training part, so there each seed has a data set of its own.)

    Args:
        config: the options of all runs.
        seeds: one or more.
        saved: keep the best weights of each run on disk and test with them; else test with the
            last.
        at_hand: a data set that has been read, or None.

    Returns:
        RecBole's dictionary with means over the runs, and `test_std`, `seeds` and `runs`.

    Raises:
        TrainingInterrupted: Ctrl-C or SIGTERM came; it names the seeds that were not started.
        RecBoleError: see `run_recbole`.
    """
    configs = [config.for_seed(seed) for seed in seeds]
    begin(configs[0])
    options = config.data
    each_its_own = at_hand is None and (options.stream or options.rating_bins is not None)
    dataset = None if each_its_own else at_hand or create_dataset(configs[0])
    together = None if dataset is None else _ready_together(configs, dataset)
    if together is None:
        return _summary(_in_turn(configs, dataset, saved), config)
    runs, ensemble = together
    ensemble.fit(saved)
    return _summary([run.test(saved) for run in runs], config)


def _ready_together(
    configs: Sequence[Config], dataset: Dataset
) -> tuple[list[SingleRun], Ensemble] | None:
    """The runs ready to be trained at the same time, or None where they go in turn."""
    wanted = configs[0].environment.seeds_together
    device = configs[0].device
    if len(configs) == 1 or not wanted or (wanted == "auto" and device.type != "cuda"):
        return None
    if configs[0].supervision.shuffle_levels:
        logger.warning("The seeds are trained in turn: shuffle_levels permutes each run's ratings")
        return None
    runs, members = [], []
    for config in configs:
        run = SingleRun.prepare(config, dataset.with_seed(config.environment.seed))
        runs.append(run)
        members.append(Run(run.trainer, run.train_data, run.valid_data, RandomStream(device)))
    ensemble = Ensemble(members, dataset)
    obstacle = ensemble.obstacle()
    if obstacle is not None:
        logger.warning("The seeds are trained in turn: %s", obstacle)
        return None
    return runs, ensemble


def _in_turn(configs: Sequence[Config], dataset: Dataset | None, saved: bool) -> list[Result]:
    """One run after the other, on one data set split anew or, where it is None, each on its own."""
    results: list[Result] = []
    for number, config in enumerate(configs):
        seed = config.environment.seed
        begin(config)
        run = SingleRun.prepare(config, None if dataset is None else dataset.with_seed(seed))
        logger.info("seed %d, run %d of %d", seed, number + 1, len(configs))
        try:
            results.append(run.train_and_test(saved))
        except TrainingInterrupted as interrupted:
            interrupted.not_started = tuple(c.environment.seed for c in configs[number + 1 :])
            raise
    return results


def _summary(runs: list[Result], config: Config) -> Result:
    """RecBole's dictionary with means over the runs, and what there is beside them."""

    def means(results: Sequence[Mapping[str, float]]) -> dict[str, float]:
        return {name: fmean(result[name] for result in results) for name in results[0]}

    tested = [run["test_result"] for run in runs]
    validated = [run["best_valid_result"] for run in runs]
    has_valid = all(result is not None for result in validated)
    has_test = all(result is not None for result in tested)
    return {
        "best_valid_score": fmean(run["best_valid_score"] for run in runs) if has_valid else None,
        "valid_score_bigger": config.evaluation.bigger_is_better,
        "best_valid_result": means(validated) if has_valid else None,
        "test_result": means(tested) if has_test else None,
        "test_std": {name: _deviation([result[name] for result in tested]) for name in tested[0]}
        if has_test
        else None,
        "seeds": config.environment.seeds,
        "runs": runs,
    }


def _deviation(values: Sequence[float]) -> float:
    """The standard deviation (n - 1); NaN of one value, or where a metric is not defined."""
    return stdev(values) if len(values) > 1 and all(map(isfinite, values)) else nan
