"""The search for good options, by Optuna: TPE proposes, the median of the others prunes.

A study lives in a database. Every process that is given its address joins it, on this machine or on
another; what has been tried stays known, so that a search can be stopped and gone on with.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from recbole.data.staging import replacing
from recbole.errors import ConfigError, RecBoleError
from recbole.model.cpu import tuned_cpu
from recbole.quick_start.quick_start import train_prepared
from recbole.sweep.cell import WITHOUT_EFFECT, Cell
from recbole.sweep.option_text import option_text
from recbole.sweep.run import LastDataset, in_words
from recbole.sweep.search_space import Parameter, examples
from recbole.sweep.worker import as_child, use_threads
from recbole.trainer.interruption import TrainingInterrupted

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

#: Seconds between signs of life of a trial; one whose process is gone is begun anew by another.
_HEARTBEAT = 60
#: The attribute of a study that says what its trials choose from, by option.
_RANGES = "ranges"
_WARM_UP = 3  # epochs before a trial may be pruned


@dataclass(frozen=True)
class Search:
    """A search.

    Attributes:
        cell: the run whose options are searched; its own options stay as they are.
        space: what may be chosen.
        storage: the database, such as sqlite:///search.db.
        study: its name in there.
        trials: of the study, whoever makes them.
    """

    cell: Cell
    space: Sequence[Parameter]
    storage: str
    study: str
    trials: int

    def check(self) -> None:
        """See that the options are some of the model's, and take every choice and both bounds.

        Raises:
            ConfigError: names what is not.
        """
        for parameter in self.space:
            if parameter.name in ("model", "dataset", "seed"):
                raise ConfigError(
                    f"Option '{parameter.name}' ({parameter.source}): a search is for the settings"
                    f" of one model on one data set under one seed; give --{parameter.name}=..."
                )
            if parameter.name in self.cell.options:
                raise ConfigError(
                    f"Option '{parameter.name}' is searched for, and set to"
                    f" {self.cell.options[parameter.name]!r}; leave out one of the two"
                )
        first = examples(self.space)
        self.with_options(first).config()
        for parameter in self.space:
            for value in parameter.examples():
                try:
                    self.with_options({**first, parameter.name: value}).config()
                except ConfigError as error:
                    # One that is at odds with the others' first values may go with later ones.
                    if f"Option '{parameter.name}" in str(error):
                        raise ConfigError(f"{parameter}:\n{error}") from None

    def with_options(self, chosen: dict[str, Any]) -> Cell:
        """The run of one trial."""
        return self.cell.with_options(chosen, {known.name: known.source for known in self.space})

    def make(self) -> bool:
        """Make the study if it is not there; return whether it was not.

        Raises:
            ConfigError: Optuna is not installed, or the database cannot be used.
        """
        optuna = _optuna()
        config = self.with_options(examples(self.space)).config()
        direction = "maximize" if config.evaluation.bigger_is_better else "minimize"
        try:
            optuna.create_study(
                study_name=self.study, storage=self._database(), direction=direction
            )
        except optuna.exceptions.DuplicatedStudyError:
            return False
        return True

    def open(self, seed: int | None = None) -> Study:
        """The study that `make` made.

        Args:
            seed: of what is proposed; None draws one. A study that goes on, or that several
                machines are at, would propose the same again under the same seed.

        Raises:
            ConfigError: the database cannot be used, or the study searches other ranges.
        """
        optuna = _optuna()
        study: Study = optuna.load_study(
            study_name=self.study,
            storage=self._database(),
            sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True, multivariate=False),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=_WARM_UP),
        )
        self._check_ranges(study)
        return study

    def seed(self, worker: int) -> int:
        """The seed of what a worker proposes to a new study."""
        return (self.cell.seed + worker) % 2**32

    def _database(self) -> Any:
        optuna = _optuna()
        try:
            return optuna.storages.RDBStorage(
                self.storage,
                heartbeat_interval=_HEARTBEAT,
                heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(
                    max_retry=1
                ),
                engine_kwargs={"connect_args": {"timeout": 60}}
                if self.storage.startswith("sqlite")
                else None,
            )
        except Exception as error:  # noqa: BLE001 - any driver's
            raise ConfigError(f"Option 'storage': cannot use {self.storage!r}: {error}") from None

    def _check_ranges(self, study: Study) -> None:
        """See that a study's trials chose from the ranges that this search has."""
        ranges = {parameter.name: str(parameter) for parameter in self.space}
        known: dict[str, str] = study.user_attrs.get(_RANGES, {})
        if not known:
            study.set_user_attr(_RANGES, ranges)
        elif known != ranges:
            theirs, ours = (
                ", ".join(text for name, text in these.items() if others.get(name) != text)
                for these, others in ((known, ranges), (ranges, known))
            )
            raise ConfigError(
                f"Study '{self.study}' in {self.storage} searches other ranges"
                f" ({theirs or 'without these'}, not {ours or 'without these'}); give"
                " --study=<name> or another --results"
            )


class TrialFailed(Exception):  # noqa: N818 - one of many; the search goes on
    """A trial came to nothing; its attribute `error` says why."""


def search(wanted: Search, jobs: int, threads: int, say: Callable[[str], None] = print) -> Study:
    """Make the trials that a study lacks, in one process or several.

    Raises:
        ConfigError: see `Search.check`, `Search.make` and `Search.open`.
        RecBoleError: a process of the search died.
        TrainingInterrupted: Ctrl-C or SIGTERM came; the study keeps what has been tried.
    """
    wanted.check()
    is_new = wanted.make()
    study = wanted.open()
    seeds = [wanted.seed(worker) if is_new else None for worker in range(jobs)]
    if jobs == 1:
        work(wanted, seeds[0], threads, say)
        return study
    spawn = multiprocessing.get_context("spawn")
    crew = [spawn.Process(target=_main, args=(wanted, seed, threads)) for seed in seeds]
    for process in crew:
        process.start()
    try:  # Ctrl-C ends the waiting; the processes are told below, and what they tried stays known
        for process in crew:
            process.join()
    finally:
        for process in crew:
            process.terminate()
            process.join()
    for process in crew:
        if process.exitcode:
            raise RecBoleError(f"A process of the search ended with status {process.exitcode}")
    return study


@tuned_cpu()
def work(
    wanted: Search, seed: int | None, threads: int, say: Callable[[str], None] = print
) -> None:
    """Make trials until the study has enough; for the seed see `Search.open`."""
    use_threads(threads)
    study, dataset = wanted.open(seed), LastDataset()

    def objective(trial: Trial) -> float:
        chosen = {parameter.name: parameter.suggest(trial) for parameter in wanted.space}
        cell = wanted.with_options(chosen)
        trial.set_user_attr("command", cell.command())

        def report(epoch: int, score: float) -> None:
            trial.report(score, epoch)
            if trial.should_prune():
                raise _optuna().TrialPruned(f"epoch {epoch}")

        try:
            config = cell.config(show_progress=False, log_tensorboard=False)
            score, _ = train_prepared(config, dataset.read(config), report)
        except (TrainingInterrupted, _optuna().TrialPruned):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a trial fails of is told in its line
            trial.set_user_attr("error", in_words(error))
            raise TrialFailed(in_words(error)) from None
        assert score is not None  # there is a validation part
        return score

    def told(study: Study, trial: FrozenTrial) -> None:
        say(describe(trial))
        if _made(study) >= wanted.trials:
            study.stop()

    if _made(study) < wanted.trials:
        study.optimize(objective, callbacks=[told], catch=(TrialFailed,))


def _main(wanted: Search, seed: int | None, threads: int) -> None:
    """What a process of a search does."""
    with as_child():
        work(wanted, seed, threads, lambda line: print(line, file=sys.stderr))  # noqa: T201


def describe(trial: FrozenTrial) -> str:
    """A trial in one line."""
    chosen = " ".join(f"{name}={option_text(value)}" for name, value in trial.params.items())
    state = trial.state.name.lower()
    if state == "complete":
        result = f"{trial.value:.4f}"
    elif state == "pruned":
        result = f"pruned after epoch {max(trial.intermediate_values, default=0)}"
    else:
        result = f"{state}: {trial.user_attrs.get('error', 'its process ended')}"
    return f"trial {trial.number}: {result} ({chosen})"


def best_settings(wanted: Search, study: Study, path: Path) -> Path:
    """Write the best trial's options as a YAML file that `run_recbole` takes.

    They hold all that was set for it, by files too, but for the data set's own settings.

    Raises:
        RecBoleError: no trial was finished.
    """
    states = [trial.state.name for trial in study.trials]
    if "COMPLETE" not in states:
        errors = [trial.user_attrs.get("error") for trial in study.trials]
        said = next((f"; the first: {error}" for error in errors if error), "")
        raise RecBoleError(f"No trial of the study '{wanted.study}' was finished{said}")
    best = study.best_trial
    chosen = {known.name: known.value(best.params[known.name]) for known in wanted.space}
    config = wanted.with_options(chosen).config()
    own = f"configs/dataset/{config.dataset}.yaml"
    values = config.values()
    settings = {
        name: values[name]
        for name, source in config.sources.items()
        if source not in ("default", own) and name not in WITHOUT_EFFECT
    }
    head = [
        f"{config.model} on {config.dataset}: the best of {len(states)} trials, validation"
        f" {config.evaluation.valid_metric} {best.value}",
        f"python run_recbole.py --model={config.model} --dataset={config.dataset}"
        f" --config_files {path}",
    ]
    with replacing(path) as temporary:
        text = "".join(f"# {line}\n" for line in head)
        temporary.write_text(text + yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path


def _made(study: Study) -> int:
    """Trials that came to an end by themselves, not by that of their process."""
    return sum(
        trial.state.name in ("COMPLETE", "PRUNED") or "error" in trial.user_attrs
        for trial in study.get_trials(deepcopy=False)
    )


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise ConfigError(
            '--search needs Optuna, which is not installed: pip install "recbole-graded[search]"'
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    return optuna


def default_storage(folder: Path) -> str:
    """A database in a folder, which has to be there, for the processes of one machine."""
    return f"sqlite:///{os.fspath(folder / 'search.db')}"
