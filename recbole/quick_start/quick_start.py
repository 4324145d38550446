"""A run in five steps: options, data, model, training, evaluation."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

from recbole.config import Config
from recbole.config.environment import select_device
from recbole.data import Dataset, Loader, create_dataset, data_preparation
from recbole.errors import ConfigError
from recbole.model.abstract_recommender import ContextRecommender
from recbole.quick_start.same_data import data_of
from recbole.trainer import Trainer, checkpoint
from recbole.trainer.ensemble import Ensemble, Run
from recbole.trainer.interruption import TrainingInterrupted
from recbole.trainer.random_streams import RandomStream
from recbole.trainer.record import describe_device
from recbole.trainer.trainer import Callback
from recbole.utils import get_trainer, init_logger, init_seed

logger = logging.getLogger(__name__)

Result = dict[str, Any]


def run(
    model: str | type | None = None,
    dataset: str | Dataset | None = None,
    config_file_list: Sequence[str | Path] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    saved: bool = True,
    nproc: int = 1,
    world_size: int = -1,
    ip: str = "localhost",  # noqa: ARG001 - RecBole's signature
    port: str = "5678",  # noqa: ARG001
    group_offset: int = 0,  # noqa: ARG001
    *,
    command_line: Mapping[str, Any] | None = None,
) -> Result:
    """RecBole's entry point for one process or several; so far it is one.

    Raises:
        ConfigError: several processes are asked for, or see `run_recbole`.
    """
    if nproc != 1 or world_size not in (-1, 1):
        raise ConfigError(
            f"Options 'nproc' and 'world_size': a run is one process so far, got nproc={nproc},"
            f" world_size={world_size}; leave them out"
        )
    return run_recbole(
        model, dataset, config_file_list, config_dict, saved, command_line=command_line
    )


def run_recbole(
    model: str | type | None = None,
    dataset: str | Dataset | None = None,
    config_file_list: Sequence[str | Path] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    saved: bool = True,
    *,
    command_line: Mapping[str, Any] | None = None,
) -> Result:
    """Train a model on a data set and test it.

    >>> run_recbole(model="DCNV2", dataset="ml-100k", config_dict={"multi_cls": 5})

    Args:
        model: a model's name, or a class of your own.
        dataset: the data set's name, that of its folder below `data_path`; or a `Dataset` at hand,
            such as `recbole.data.from_pandas` makes. Its rows are prepared already: options of
            splitting and batching may differ from those it was made with, others may not.
        config_file_list: YAML files of options.
        config_dict: options.
        saved: keep the best weights on disk and test with them; else test with the last.
        command_line: options that win over all others.

    Returns:
        RecBole's dictionary: `best_valid_score`, `valid_score_bigger`, `best_valid_result` and
        `test_result` (metric in lower case -> number). With the option `seeds` these are means over
        the seeds, and there are `test_std`, `seeds` and `runs`, the dictionary of each seed, too.

    Raises:
        RecBoleError: an option, the data or the training is at fault; the message says how.
    """
    at_hand = dataset if isinstance(dataset, Dataset) else None
    config = Config(
        model,
        dataset.dataset_name if isinstance(dataset, Dataset) else dataset,
        config_file_list,
        config_dict,
        command_line,
        dataset_settings=None if at_hand is None else at_hand.settings,
    )
    if at_hand is not None:
        at_hand = at_hand.with_options(config.data, config.environment.seed)
    return _run(config, saved, at_hand)


def resume(
    model_file: str | Path,
    model_class: type | None = None,
    *,
    dataset: Dataset | None = None,
    **overrides: Any,
) -> Result:
    """Go on with an interrupted run; it ends as it would have without the interruption.

    Args:
        model_file: the checkpoint of the run.
        model_class: the class of a model of your own.
        dataset: the Dataset it was trained on, where that came from data frames.
        overrides: options that do not change what is computed, such as `show_progress=False`.

    Raises:
        CheckpointError: the checkpoint is unusable, or the data has changed since.
        ConfigError: an option would change what is computed.
    """
    _refuse_other_results(overrides)
    saved = checkpoint.load(model_file, model_class, **overrides)
    config = saved.config
    _begin(config)
    data, trainer = _prepare(config, data_of(saved, dataset))
    trainer.resume_checkpoint(model_file)
    return _train_and_test(config, data, trainer, saved=True)


def load_data_and_model(
    model_file: str | Path,
    model_class: type | None = None,
    *,
    dataset: Dataset | None = None,
) -> tuple[Config, ContextRecommender, Dataset, Loader, Loader, Loader]:
    """A saved model, ready to predict, and the data of its run.

    Args:
        model_file: the checkpoint.
        model_class: the class of a model of your own.
        dataset: the Dataset it was trained on, where that came from data frames.

    Returns:
        config, model (best weights, evaluation mode), dataset, train, valid and test data.

    Raises:
        CheckpointError: the checkpoint is unusable, or the data has changed since.
    """
    saved = checkpoint.load(model_file, model_class)
    config = saved.config
    init_seed(config.environment.seed, config.environment.reproducibility)
    data = data_of(saved, dataset)
    train_data, valid_data, test_data = data_preparation(config, data)
    return config, saved.build_model(), data, train_data, valid_data, test_data


def objective_function(
    config_dict: Mapping[str, Any] | None = None,
    config_file_list: Sequence[str | Path] | None = None,
    saved: bool = True,
) -> Result:
    """One trial of a search: RecBole's dictionary with the model's name."""
    config = Config(config_file_list=config_file_list, config_dict=config_dict)
    return {"model": config.model, **_run(config, saved)}


def _run(config: Config, saved: bool, at_hand: Dataset | None = None) -> Result:
    """A run under one seed, or one under each of several, on files or a data set at hand."""
    if config.environment.seeds is not None:
        configs = [config.for_seed(seed) for seed in config.environment.seeds]
        return _summary(_runs(configs, saved, at_hand), config)
    _begin(config)
    data, trainer = _prepare(config, at_hand)
    return _train_and_test(config, data, trainer, saved)


def run_prepared(
    config: Config, dataset: Dataset, resume_from: str | Path | None = None
) -> tuple[Result, Trainer]:
    """The run of a Config on a data set that has been read; logging is left as it is.

    Args:
        config: the options of the run.
        dataset: what `create_dataset` makes of them; it may serve several runs.
        resume_from: the checkpoint of this run, where it was interrupted.

    Returns:
        RecBole's dictionary (see `run_recbole`), and the trainer that made it.

    Raises:
        CheckpointError: the checkpoint is unusable.
        RecBoleError: see `run_recbole`.
    """
    init_seed(config.environment.seed, config.environment.reproducibility)
    data, trainer = _prepare(config, dataset)
    if resume_from is not None:
        trainer.resume_checkpoint(resume_from)
    return _train_and_test(config, data, trainer, saved=True), trainer


def train_prepared(
    config: Config, dataset: Dataset, callback_fn: Callback | None = None
) -> tuple[float | None, dict[str, float] | None]:
    """Train on a data set that has been read, and leave nothing on disk.

    Args:
        config: the options of the run.
        dataset: what `create_dataset` makes of them; it may serve several runs.
        callback_fn: called with (epoch, validation score) after each validation; what it raises
            ends the training.

    Returns:
        The best value of `valid_metric`, and all metrics of that validation.

    Raises:
        RecBoleError: see `run_recbole`.
    """
    init_seed(config.environment.seed, config.environment.reproducibility)
    data, trainer = _prepare(config, dataset)
    return trainer.fit(data.train, data.valid, saved=False, callback_fn=callback_fn)


class _Data(NamedTuple):
    dataset: Dataset
    train: Loader
    valid: Loader
    test: Loader


def _begin(config: Config) -> None:
    init_seed(config.environment.seed, config.environment.reproducibility)
    log_file = init_logger(config)
    for note in config.notes:
        logger.warning(note)
    device, how = select_device(config.environment)
    reason = ": no CUDA device was found" if how == "fallback" else ""
    logger.info("Device: %s%s", describe_device(device), reason)
    logger.info("Log file: %s", log_file)


def _runs(configs: Sequence[Config], saved: bool, at_hand: Dataset | None) -> list[Result]:
    """One run for each Config, which differ in their seed; files are read once.

    (A data set that streams lies on disk in the order of its parts, and levels are learned on the
    training part, so there each seed has a data set of its own.)
    """
    _begin(configs[0])
    options = configs[0].data
    each_its_own = at_hand is None and (options.stream or options.rating_bins is not None)
    dataset = None if each_its_own else at_hand or create_dataset(configs[0])
    if dataset is not None and (together := _together(configs, dataset)):
        prepared, ensemble = together
        ensemble.fit(saved)
        return [
            _test(config, data, trainer, saved)
            for config, (data, trainer) in zip(configs, prepared, strict=True)
        ]
    results: list[Result] = []
    for number, config in enumerate(configs):
        seed = config.environment.seed
        _begin(config)
        data, trainer = _prepare(config, None if dataset is None else dataset.with_seed(seed))
        logger.info("seed %d, run %d of %d", seed, number + 1, len(configs))
        try:
            results.append(_train_and_test(config, data, trainer, saved))
        except TrainingInterrupted as interrupted:
            interrupted.not_started = tuple(c.environment.seed for c in configs[number + 1 :])
            raise
    return results


def _together(
    configs: Sequence[Config], dataset: Dataset
) -> tuple[list[tuple[_Data, Trainer]], Ensemble] | None:
    """The runs ready to be trained at the same time, or None where they go in turn."""
    wanted = configs[0].environment.seeds_together
    device = configs[0].device
    if len(configs) == 1 or not wanted or (wanted == "auto" and device.type != "cuda"):
        return None
    if configs[0].supervision.shuffle_levels:
        logger.warning("The seeds are trained in turn: shuffle_levels permutes each run's ratings")
        return None
    prepared, runs = [], []
    for config in configs:
        data, trainer = _prepare(config, dataset.with_seed(config.environment.seed))
        prepared.append((data, trainer))
        runs.append(Run(trainer, data.train, data.valid, RandomStream(device)))
    ensemble = Ensemble(runs, dataset)
    obstacle = ensemble.obstacle()
    if obstacle is not None:
        logger.warning("The seeds are trained in turn: %s", obstacle)
        return None
    return prepared, ensemble


def _summary(runs: list[Result], config: Config) -> Result:
    """RecBole's dictionary with means over the runs, and what there is beside them."""

    def means(results: Sequence[Mapping[str, float]]) -> dict[str, float]:
        return {name: fmean(result[name] for result in results) for name in results[0]}

    tested = [run["test_result"] for run in runs]
    validated = [run["best_valid_result"] for run in runs]
    has_valid = all(result is not None for result in validated)
    return {
        "best_valid_score": fmean(run["best_valid_score"] for run in runs) if has_valid else None,
        "valid_score_bigger": config.evaluation.bigger_is_better,
        "best_valid_result": means(validated) if has_valid else None,
        "test_result": means(tested),
        "test_std": {
            name: stdev(result[name] for result in tested) if len(tested) > 1 else nan
            for name in tested[0]
        },
        "seeds": config.environment.seeds,
        "runs": runs,
    }


def _prepare(config: Config, dataset: Dataset | None = None) -> tuple[_Data, Trainer]:
    """Data, model and trainer; a data set that is there already is not read again."""
    dataset = create_dataset(config) if dataset is None else dataset
    logger.info("%s", dataset)
    train_data, valid_data, test_data = data_preparation(config, dataset)

    init_seed(config.environment.seed, config.environment.reproducibility)
    model = config.model_class(config, train_data.dataset).to(config.device)
    logger.info("%s", model)
    logger.info("Precision: %s", model.precision)
    trainer = get_trainer(config["MODEL_TYPE"], config.model)(config, model)
    trainer.record.data = dataset.statistics
    return _Data(dataset, train_data, valid_data, test_data), trainer


def _train_and_test(config: Config, data: _Data, trainer: Trainer, saved: bool) -> Result:
    trainer.fit(data.train, data.valid, saved=saved)
    return _test(config, data, trainer, saved)


def _test(config: Config, data: _Data, trainer: Trainer, saved: bool) -> Result:
    """Test a run that has ended training; write what there is to tell of it."""
    best_valid_score = trainer.record.best_valid_score
    best_valid_result = trainer.record.best_valid_result
    test_result = trainer.evaluate(data.test, load_best_model=saved)
    logger.info("best valid : %s", best_valid_result)
    logger.info("test result: %s", test_result)
    if saved:
        trainer.record.test_result = test_result
        trainer.record.status = "finished"
        trainer.record.write(trainer.files.record)
        logger.info("Checkpoint: %s", trainer.files.checkpoint)
        logger.info("Results:    %s", trainer.files.record)
    return {
        "best_valid_score": best_valid_score,
        "valid_score_bigger": config.evaluation.bigger_is_better,
        "best_valid_result": best_valid_result,
        "test_result": test_result,
    }


_RESUMABLE = ("state", "show_progress", "log_tensorboard", "data_path", "use_gpu", "gpu_id")


def _refuse_other_results(overrides: Mapping[str, Any]) -> None:
    for option in overrides:
        if option not in _RESUMABLE:
            raise ConfigError(
                f"Option '{option}' can't be changed while resuming: a resumed run ends as the"
                f" uninterrupted one would. Free to change: {', '.join(_RESUMABLE)}"
            )
