"""Several runs at once: one setting under S seeds, each run as it would be alone.

The models are stacked and trained as one, each on its own rows in its own order, with its own
random numbers; every run keeps its own `Trainer`, which validates, stops early and writes its
checkpoint and record. A run that has ended leaves the stack.

Shapes: S runs, B rows of a batch, N rows of a part.
"""

from __future__ import annotations

import copy
import logging
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor

from recbole.data import Dataset, Interaction, Loader
from recbole.data.loader import batch_sizes
from recbole.errors import TrainingDivergedError
from recbole.evaluator import Predictions, beside_truth
from recbole.model.head import Scores
from recbole.trainer.interruption import Interruption, TrainingInterrupted, interruptible
from recbole.trainer.losses import EpochLosses
from recbole.trainer.progress import progress_bar
from recbole.trainer.random_streams import RandomStream
from recbole.trainer.scalars import Scalars
from recbole.trainer.stacking import Outputs, StackedModels, StackedOptimizers
from recbole.trainer.trainer import Trainer

logger = logging.getLogger(__name__)

#: By how much the loss of one batch may differ, relatively: rounding of bf16 stays below.
_TOLERANCE = 1e-2


@dataclass(frozen=True)
class Run:
    """One of the runs: what a single one would be fitted with, right before `Trainer.fit`.

    Attributes:
        stream: its random numbers from here on.
    """

    trainer: Trainer
    train: Loader
    valid: Loader
    stream: RandomStream

    @property
    def seed(self) -> int:
        return self.trainer.config.environment.seed


class Ensemble:
    """Fits several runs that differ in nothing but their seed.

    Args:
        runs: the runs, none of which has begun.
        dataset: the data set that they are all parts of.
    """

    def __init__(self, runs: Sequence[Run], dataset: Dataset) -> None:
        self.runs = list(runs)
        first = runs[0]
        self._device = first.trainer.device
        self._options = first.trainer.options
        # All rows of the data set, so that one gathering serves the batches of all runs.
        self._rows = Loader(dataset, first.train.batch_size, False, self._device, seed=0)

    def obstacle(self) -> str | None:
        """Why these runs can't train together; None if they can."""
        learner = self._options.learner
        if learner == "sparse_adam":
            return "learner 'sparse_adam' has sparse gradients, which can't be stacked"
        if self.runs[0].trainer.scaler.is_enabled():
            return "the loss scaler (enable_scaler) would skip a step of all when one overflows"
        if self._options.compile is True:
            return "compile is for a model by itself"
        if self._options.cuda_graph:
            return "cuda_graph is for a model by itself"
        if self._options.track_norms:
            return "track_norms looks at the gradients of a single run"
        if any(type(run.train) is not Loader for run in self.runs):
            return f"{type(self.runs[0].train).__name__} makes batches of its own"
        for part in ("train", "valid"):
            counts = {getattr(run, part).num_rows for run in self.runs}
            if len(counts) > 1:
                return f"the {part} parts have different numbers of rows under different seeds"
        return self._differs()

    def fit(self, saved: bool = True) -> None:
        """Train every run until its validation stops improving, or to the last epoch.

        Raises:
            TrainingDivergedError: the loss of a run became NaN or infinite; names its seed.
            TrainingInterrupted: Ctrl-C or SIGTERM came; the state of every run is saved.
        """
        with interruptible() as interruption, ExitStack() as stack:
            # Where torch has no batched form of an operation it does it run by run, which is fine.
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", message="There is a performance drop")
            scalars = {run.seed: stack.enter_context(_scalars(run, saved)) for run in self.runs}
            if saved:
                for run in self.runs:
                    run.trainer.write_record()
            live = self._unended(self.runs, saved)
            while live:
                models, optimizers = self._stack(live)
                while not any(run.trainer._done for run in live):
                    self._fit_epoch(live, models, optimizers, interruption, scalars, saved)
                live = self._unended(live, saved)

    def _unended(self, runs: Sequence[Run], saved: bool) -> list[Run]:
        """Those of some runs that go on training; the others are finished."""
        for run in runs:
            if run.trainer._done:
                logger.info("seed %d has ended training", run.seed)
                if saved:
                    run.trainer._finish(run.train)
        return [run for run in runs if not run.trainer._done]

    def _fit_epoch(
        self,
        live: Sequence[Run],
        models: StackedModels,
        optimizers: StackedOptimizers,
        interruption: Interruption,
        scalars: Mapping[int, Scalars],
        saved: bool,
    ) -> None:
        """Train and validate one epoch, and write what is to be kept of each run."""
        try:
            seconds = self._train_epoch(live, models, optimizers, interruption)
        except TrainingInterrupted as interrupted:
            self._store(live, models, optimizers)
            self._save_interrupted(live, interrupted, saved)
            raise
        except TrainingDivergedError:
            if saved:
                for run in live:
                    run.trainer.write_record()
            raise
        self._store(live, models, optimizers)
        evaluated = self._evaluate(live, models)
        for run in live:
            with run.stream.active():
                self._close_epoch(run, seconds, evaluated, scalars[run.seed], saved)
        if interruption.signal is not None:
            between = TrainingInterrupted(interruption.signal)
            self._save_interrupted(live, between, saved)
            raise between

    def _stack(self, live: Sequence[Run]) -> tuple[StackedModels, StackedOptimizers]:
        models = StackedModels([run.trainer.model for run in live], [run.stream for run in live])
        optimizers = [run.trainer.optimizers for run in live]
        return models, StackedOptimizers(models, self._options, optimizers)

    def _store(
        self, live: Sequence[Run], models: StackedModels, optimizers: StackedOptimizers
    ) -> None:
        models.store([run.trainer.model for run in live])
        optimizers.store([run.trainer.optimizers for run in live])

    def _batches(self, rows: Tensor, size: int) -> Sequence[Tensor]:
        """Rows [S, N] of the whole data set, cut into batches of [S, B]."""
        return rows.to(self._device).split(batch_sizes(rows.shape[1], size), dim=1)

    def _gather(self, rows: Tensor) -> dict[str, Tensor]:
        """The batch of each run: an index [S, B] -> columns [S, B, ...]."""
        batch = self._rows.gather(rows.flatten())
        return {name: batch[name].unflatten(0, rows.shape) for name in batch}

    def _orders(self, live: Sequence[Run]) -> Tensor:
        """The training rows of each run in the order of this epoch: [S, N]."""
        orders = []
        for run in live:
            rows = run.train.dataset.rows_of("train")
            orders.append(rows[run.train.row_order(run.trainer.epoch)])
        return torch.stack(orders)

    def _backward(self, models: StackedModels, batch: Mapping[str, Tensor]) -> Outputs:
        """The losses of a batch, [S] each, after their backward pass."""
        with self.runs[0].trainer.model.precision.of_step():
            parts = models.loss_parts(batch)
            parts["loss"].sum().backward()  # a run's loss has no gradient in another's weights
        return parts

    def _train_epoch(
        self,
        live: Sequence[Run],
        models: StackedModels,
        optimizers: StackedOptimizers,
        interruption: Interruption,
    ) -> float:
        """Train one epoch; the losses go to the trainers. Returns the seconds it took."""
        start = time.perf_counter()
        environment = self.runs[0].trainer.config.environment
        size, epoch = live[0].train.batch_size, live[0].trainer.epoch
        losses = _StackedLosses(self._device, [run.trainer.losses for run in live])
        title = f"epoch {epoch}, {len(live)} seeds"
        total = live[0].train.num_rows
        with progress_bar(title, "samples", total, environment.show_progress) as advance:
            for rows in self._batches(self._orders(live), size):
                optimizers.zero_grad()
                parts = self._backward(models, self._gather(rows))
                optimizers.step()
                if losses.add(parts):
                    self._check_finite(live)
                count = rows.shape[1]
                advance(count, count * len(live), f"loss {live[0].trainer.losses.latest:.4f}")
                if interruption.signal is not None:
                    losses.read()
                    raise TrainingInterrupted(interruption.signal)
        losses.read()
        self._check_finite(live)
        return time.perf_counter() - start

    def _check_finite(self, live: Sequence[Run]) -> None:
        for run in live:
            try:
                run.trainer._check_finite(run.train)
            except TrainingDivergedError as error:
                run.trainer.record.status = "diverged"
                raise TrainingDivergedError(f"Seed {run.seed}: {error}") from None

    @torch.no_grad()
    def _evaluate(self, live: Sequence[Run], models: StackedModels) -> dict[int, dict[str, float]]:
        """The validation of each run by its seed, where rows are all that it looks at.

        Nothing where no validation is due, or where it ranks items, which each run does alone.
        """
        trainer = live[0].trainer
        due = self._options.eval_step and (trainer.epoch + 1) % self._options.eval_step == 0
        ranks = trainer.config.data.eval_args.modes["valid"] != "labeled"
        if not due or ranks or not live[0].valid.num_rows:
            return {}
        rows = torch.stack([run.valid.dataset.rows_of("valid") for run in live])
        found: list[list[Predictions]] = [[] for _ in live]
        for part in self._batches(rows, live[0].valid.batch_size):
            batch = self._gather(part)
            outputs = models.scores(batch)
            for number, (run, predictions) in enumerate(zip(live, found, strict=True)):
                own = Interaction({name: column[number] for name, column in batch.items()})
                scores = Scores(
                    click=outputs["click"][number],
                    classes=outputs["classes"][number] if "classes" in outputs else None,
                )
                schema = run.valid.dataset.schema
                predictions.append(beside_truth(run.trainer.model, scores, own, schema))
        return {
            run.seed: run.trainer.evaluator.evaluate(Predictions.concatenate(predictions))
            for run, predictions in zip(live, found, strict=True)
        }

    def _close_epoch(
        self,
        run: Run,
        seconds: float,
        evaluated: Mapping[int, dict[str, float]],
        scalars: Scalars,
        saved: bool,
    ) -> None:
        """What a single run does between two epochs, from its record to its checkpoint."""
        trainer = run.trainer
        epoch = trainer._close_epoch(run.train, seconds)
        done = evaluated.get(run.seed)
        evaluate = None if done is None else lambda _: done
        improved = trainer._validate(epoch, run.valid, None, evaluate)
        trainer._describe(epoch, lambda line: logger.info("seed %d: %s", run.seed, line))
        scalars.write(epoch)
        if saved:
            trainer._save(run.train, improved, trainer._saves_state)

    def _save_interrupted(
        self, live: Sequence[Run], interrupted: TrainingInterrupted, saved: bool
    ) -> None:
        """Save the runs that still train, and name all: those that have ended are not tested."""
        if not saved:
            return
        for run in live:
            run.trainer.record.status = "interrupted"
            with run.stream.active():
                run.trainer._save(run.train, improved=True)
        paths = [run.trainer.files.checkpoint for run in self.runs]
        interrupted.checkpoint, interrupted.others = paths[0], tuple(paths[1:])

    def _differs(self) -> str | None:
        """Try one batch together and alone: why the losses differ, None where they agree."""
        rows = self._batches(self._orders(self.runs), self.runs[0].train.batch_size)[0]
        batch = self._gather(rows)
        streams = [run.stream for run in self.runs]
        models = [copy.deepcopy(run.trainer.model) for run in self.runs]  # statistics would move
        stacked = StackedModels(models, [stream.copy() for stream in streams])
        try:
            together = self._backward(stacked, batch)["loss"]
        except (RuntimeError, TypeError, AttributeError) as error:
            reason = str(error).strip().splitlines()[0] if str(error) else type(error).__name__
            return f"{self.runs[0].trainer.config.model} can't be computed under vmap: {reason}"
        for number, (model, stream) in enumerate(zip(models, streams, strict=True)):
            own = Interaction({name: column[number] for name, column in batch.items()})
            trainer = self.runs[number].trainer
            model.train()
            with stream.copy().active():
                alone = model.loss_parts(own)["loss"]
            if not torch.isclose(alone.float(), together[number].float(), rtol=_TOLERANCE):
                return (
                    f"a batch of {trainer.config.model} has another loss together"
                    f" ({float(together[number]):.6f}) than alone ({float(alone):.6f})"
                )
        return None


class _StackedLosses:
    """The losses of an epoch of S runs, handed over to each run's own `EpochLosses`."""

    def __init__(self, device: torch.device, losses: Sequence[EpochLosses]) -> None:
        self._every = 1 if device.type == "cpu" else 64  # as `EpochLosses` reads
        self._of_each = losses
        self._names: list[str] = []
        self._pending: list[Tensor] = []

    def add(self, parts: Outputs) -> bool:
        """Note one step's parts, [S] each; return whether the device was read."""
        self._names = list(parts)
        self._pending.append(torch.stack([part.detach().float() for part in parts.values()]))
        if len(self._pending) < self._every:
            return False
        self.read()
        return True

    def read(self) -> None:
        """Hand over what is pending."""
        if self._pending:
            steps = torch.stack(self._pending).permute(2, 0, 1).tolist()  # [S, steps, parts]
            for losses, own in zip(self._of_each, steps, strict=True):
                losses.extend(self._names, own)
            self._pending.clear()


def _scalars(run: Run, saved: bool) -> Scalars:
    environment = run.trainer.config.environment
    return Scalars(run.trainer.files.tensorboard, environment.log_tensorboard and saved)
