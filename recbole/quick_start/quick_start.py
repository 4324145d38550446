"""RecBole's entry points: a run from its options, from a checkpoint or on a data set at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recbole.config import Config
from recbole.data import Dataset, Loader, data_preparation
from recbole.errors import ConfigError
from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.cpu import tuned_cpu
from recbole.quick_start.same_data import data_of
from recbole.quick_start.several_seeds import run_seeds
from recbole.quick_start.single_run import Result, SingleRun, begin
from recbole.trainer import Trainer, checkpoint
from recbole.trainer.trainer import Callback
from recbole.utils import init_seed


def run(
    model: str | type | None = None,
    dataset: str | Dataset | None = None,
    config_file_list: str | Path | Sequence[str | Path] | None = None,
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
    config_file_list: str | Path | Sequence[str | Path] | None = None,
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
        config_file_list: YAML files of options, or one.
        config_dict: options.
        saved: keep the best weights on disk and test with them; else test with the last.
        command_line: options that win over all others.

    Returns:
        RecBole's dictionary: `best_valid_score`, `valid_score_bigger`, `best_valid_result` and
        `test_result` (metric in lower case -> number), None where a part has no rows. With the
        option `seeds` these are means over the seeds, and there are `test_std`, `seeds` and `runs`,
        the dictionary of each seed, too.

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


@tuned_cpu()
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
    refuse_other_results(overrides)
    saved = checkpoint.load(model_file, model_class, **overrides)
    config = saved.config
    begin(config)
    run = SingleRun.prepare(config, data_of(saved, dataset))
    run.trainer.resume_checkpoint(model_file)
    return run.train_and_test(saved=True)


def load_data_and_model(
    model_file: str | Path,
    model_class: type | None = None,
    *,
    dataset: Dataset | None = None,
) -> tuple[Config, ContextRecommender, Dataset, Loader, Loader, Loader]:
    """A saved model, ready to predict, and the data of its run, on the device of its run.

    (On the CPU where there is no CUDA device, on the first one where there are others.)

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
    config_file_list: str | Path | Sequence[str | Path] | None = None,
    saved: bool = True,
) -> Result:
    """One trial of a search: RecBole's dictionary with the model's name."""
    config = Config(config_file_list=config_file_list, config_dict=config_dict)
    return {"model": config.model, **_run(config, saved)}


@tuned_cpu()
def _run(config: Config, saved: bool, at_hand: Dataset | None = None) -> Result:
    """A run under one seed, or one under each of several, on files or a data set at hand."""
    if config.environment.seeds is not None:
        return run_seeds(config, config.environment.seeds, saved, at_hand)
    begin(config)
    return SingleRun.prepare(config, at_hand).train_and_test(saved)


@tuned_cpu()
def run_prepared(
    config: Config,
    dataset: Dataset,
    resume_from: str | Path | None = None,
    before_writing: Callable[[], None] | None = None,
) -> tuple[Result, Trainer]:
    """The run of a Config on a data set that has been read; logging is left as it is.

    Args:
        config: the options of the run.
        dataset: what `create_dataset` makes of them; it may serve several runs.
        resume_from: the checkpoint of this run, where it was interrupted.
        before_writing: called before each file is written; what it raises ends the run.

    Returns:
        RecBole's dictionary (see `run_recbole`), and the trainer that made it.

    Raises:
        CheckpointError: the checkpoint is unusable.
        RecBoleError: see `run_recbole`.
    """
    init_seed(config.environment.seed, config.environment.reproducibility)
    run = SingleRun.prepare(config, dataset)
    if before_writing is not None:
        run.trainer.before_writing = before_writing
    if resume_from is not None:
        run.trainer.resume_checkpoint(resume_from)
    return run.train_and_test(saved=True), run.trainer


@tuned_cpu()
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
    run = SingleRun.prepare(config, dataset)
    return run.trainer.fit(run.train_data, run.valid_data, saved=False, callback_fn=callback_fn)


_RESUMABLE = ("state", "show_progress", "log_tensorboard", "data_path", "use_gpu", "gpu_id")


def refuse_other_results(overrides: Mapping[str, Any]) -> None:
    """See that no option would change what a resumed run computes.

    Raises:
        ConfigError: names it.
    """
    for option in overrides:
        if option not in _RESUMABLE:
            raise ConfigError(
                f"Option '{option}' can't be changed while resuming: a resumed run ends as the"
                f" uninterrupted one would. Free to change: {', '.join(_RESUMABLE)}"
            )
