"""The training loop: train an epoch, validate, keep the best, stop early."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recbole.config import Config
from recbole.data import Interaction, Loader
from recbole.errors import CheckpointError, ConfigError, TrainingDivergedError
from recbole.evaluator import Evaluator
from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.cpu import tuned_cpu
from recbole.trainer import checkpoint, state
from recbole.trainer.compilation import loss_parts_of
from recbole.trainer.cuda_graph import CapturedStep, CudaGraphs
from recbole.trainer.divergence import likely_cause
from recbole.trainer.early_stopping import EarlyStopping
from recbole.trainer.files import RunFiles
from recbole.trainer.interruption import Interruption, TrainingInterrupted, interruptible
from recbole.trainer.losses import EpochLosses
from recbole.trainer.norms import EmbeddingNorms
from recbole.trainer.optimizer import build_optimizers
from recbole.trainer.progress import progress_bar
from recbole.trainer.record import EpochRecord, RunRecord
from recbole.trainer.scalars import Scalars

logger = logging.getLogger(__name__)

Callback = Callable[[int, float], None]


class Trainer:
    """Fits a model and evaluates it.

    >>> trainer = Trainer(config, model)
    >>> best_valid_score, best_valid_result = trainer.fit(train_data, valid_data)
    >>> test_result = trainer.evaluate(test_data)

    Args:
        config: the options of the run.
        model: a context-aware model on the run's device.

    Attributes:
        before_writing: called before each file is written; what it raises ends the run, with all
            that is on disk left as it is.
    """

    def __init__(self, config: Config, model: ContextRecommender) -> None:
        self.config = config
        self.model = model
        self.options = config.training
        self.device = config.device
        self.files = RunFiles.new(config.environment.checkpoint_dir, config.run_name)
        self.record = RunRecord.of(config, model, self.device)
        self.optimizers = build_optimizers(model, self.options)
        self.evaluator = Evaluator(
            config.evaluation,
            rating_head=model.head.grades,
            modes=config.data.eval_args.modes,
            seed=config.environment.seed,
            has_labels=config.data.train_neg_sample_args is None,
        )
        self.stopping = EarlyStopping(
            self.options.stopping_step, config.evaluation.bigger_is_better
        )
        self.losses = EpochLosses(self.device)
        self._loss_parts = loss_parts_of(model, self.options.compile)
        self.norms = EmbeddingNorms(model, self.device) if self.options.track_norms else None
        self.epoch = 0  # the one being trained, or to be trained next
        self.finished = False
        self.before_writing: Callable[[], None] = lambda: None

        # fp16's gradients underflow without; RecBole's users switch the scaler on themselves.
        asked = self.options.enable_scaler or self.options.precision == "fp16"
        scales = asked and model.precision.name == "fp16"
        if scales and self.options.embedding_precision == "bf16":
            raise ConfigError(
                "Option 'embedding_precision': the loss scaler of fp16 can't undo its scale in"
                " tables of bf16; leave the option out, or train in bf16 or fp32"
            )
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=scales)
        self._captured_step = self._capturing() if self.options.cuda_graph else None

    @property
    def saved_model_file(self) -> Path:
        """Where the checkpoint is, or will be."""
        return self.files.checkpoint

    @tuned_cpu()
    def fit(
        self,
        train_data: Loader,
        valid_data: Loader | None = None,
        verbose: bool = True,
        saved: bool = True,
        show_progress: bool | None = None,
        callback_fn: Callback | None = None,
    ) -> tuple[float | None, dict[str, float] | None]:
        """Train until validation stops improving, or to the last epoch.

        Args:
            train_data: the training part.
            valid_data: the validation part; without it, or where it has no rows, the last weights
                count as the best.
            verbose: log a line for each epoch.
            saved: write the checkpoint and the record of the run.
            show_progress: draw bars in a terminal; None asks the option of that name.
            callback_fn: called with (epoch, validation score) after each validation.

        Returns:
            The best value of `valid_metric`, and all metrics of that validation.

        Raises:
            TrainingDivergedError: the loss became NaN or infinite.
            TrainingInterrupted: Ctrl-C or SIGTERM came; the state is saved.
        """
        environment = self.config.environment
        show = environment.show_progress if show_progress is None else show_progress
        log = logger.info if verbose else logger.debug
        if saved:  # at once, so that a folder that can't be written stops the run before it starts
            self.write_record()
        scalars = Scalars(self.files.tensorboard, environment.log_tensorboard and saved)
        with interruptible() as interruption, scalars:
            try:
                while not self._done:
                    epoch = self._train_epoch(train_data, show, interruption)
                    improved = self._validate(epoch, valid_data, callback_fn)
                    self._describe(epoch, log)
                    scalars.write(epoch)
                    if saved:
                        self._save(train_data, improved, self._saves_state)
                    self._heed(interruption)
            except TrainingInterrupted as interrupted:
                if saved:
                    self.record.status = "interrupted"
                    self._save(train_data, improved=True)
                    interrupted.checkpoint = self.files.checkpoint
                raise
            except TrainingDivergedError:
                if saved:
                    self.record.status = "diverged"
                    self.write_record()
                raise
        if saved and not self.finished:
            self._finish(train_data)
        return self.record.best_valid_score, self.record.best_valid_result

    @property
    def _done(self) -> bool:
        return self.finished or self.epoch >= self.options.epochs or self.stopping.should_stop

    def _train_epoch(
        self, train_data: Loader, show: bool, interruption: Interruption
    ) -> EpochRecord:
        """Train `self.epoch`, from the step after those that `self.losses` already holds."""
        start, done = time.perf_counter(), len(self.losses.steps)
        self.model.train()
        train_data.epoch = self.epoch
        bar = progress_bar(
            f"epoch {self.epoch}",
            "samples",
            train_data.num_rows,
            show,
            done=done * train_data.batch_size,
        )
        with bar as advance:
            for batch in train_data.batches(skip=done):
                if self.losses.add(self._step_in_graph(batch)):
                    self._check_finite(train_data)
                advance(len(batch), len(batch), f"loss {self.losses.latest:.4f}")
                self._heed(interruption)
        self.losses.read()  # waits for a GPU, before the time is taken
        return self._close_epoch(train_data, time.perf_counter() - start)

    def _close_epoch(self, train_data: Loader, seconds: float) -> EpochRecord:
        """Turn the losses of `self.epoch` into its record, and go on to the next one."""
        means = self.losses.means()
        self._check_finite(train_data)
        epoch = EpochRecord(
            epoch=self.epoch,
            train_loss=means.pop("loss"),
            loss_parts=means,
            train_seconds=round(seconds, 3),
            norms=None if self.norms is None else self.norms.close_epoch(),
        )
        self.record.epochs.append(epoch)
        self.losses = EpochLosses(self.device)
        self.epoch += 1
        return epoch

    def _step(self, batch: Interaction) -> dict[str, Tensor]:
        """Take one optimiser step; return the loss and its parts (scalars)."""
        self.optimizers.zero_grad()
        with self.model.precision.of_step():
            parts = self._loss_parts(batch)
            self.scaler.scale(parts["loss"]).backward()
        if self.norms is not None:
            one = torch.ones((), device=self.device)
            self.norms.add_step(self.scaler.scale(one))  # get_scale() would wait for the device
        if self.options.clip_grad_norm is not None:
            self.optimizers.unscale(self.scaler)
            clip = self.options.clip_grad_norm
            nn.utils.clip_grad_norm_(self.model.parameters(), clip.max_norm, clip.norm_type)
        self.optimizers.step(self.scaler)
        return parts

    def _capturing(self) -> CapturedStep | None:
        """`_step` as one graph, on CUDA."""
        if self.device.type != "cuda":
            logger.warning("Option 'cuda_graph' has no effect on %s", self.device)
            return None
        if self.scaler.is_enabled():
            raise ConfigError(
                "Option 'cuda_graph': the loss scaler of fp16 looks at each step's gradients, which"
                " a graph does not; leave the option out, or train in bf16 or tf32"
            )
        return CapturedStep(CudaGraphs(self.device), self.optimizers.capturable)

    def _step_in_graph(self, batch: Interaction) -> dict[str, Tensor]:
        """`_step`, captured if `cuda_graph` asks for that."""
        if self._captured_step is None:
            return self._step(batch)
        return self._captured_step(self._step, batch)

    def _validate(
        self,
        epoch: EpochRecord,
        valid_data: Loader | None,
        callback_fn: Callback | None,
        evaluate: Callable[[Loader], dict[str, float]] | None = None,
    ) -> bool:
        """Validate where it is due; return whether this epoch's weights are the ones to keep.

        `evaluate` gives the metrics of a part under the weights of now; None: `self.evaluate`.
        """
        if valid_data is None or not valid_data.num_rows or self.options.eval_step == 0:
            self.record.best_epoch = self.stopping.best_epoch = epoch.epoch
            return True
        if self.epoch % self.options.eval_step:
            return False
        start = time.perf_counter()
        if evaluate is None:
            epoch.valid_result = self.evaluate(valid_data, load_best_model=False)
        else:
            epoch.valid_result = evaluate(valid_data)
        epoch.valid_seconds = round(time.perf_counter() - start, 3)
        score = epoch.valid_result[self.config.evaluation.valid_key]
        improved = self.stopping.update(score, epoch.epoch)
        if improved:
            self.record.best_epoch = epoch.epoch
            self.record.best_valid_score = score
            self.record.best_valid_result = epoch.valid_result
        if callback_fn is not None:
            callback_fn(epoch.epoch, score)
        return improved

    @tuned_cpu()
    def evaluate(
        self,
        eval_data: Loader,
        load_best_model: bool = True,
        model_file: str | Path | None = None,
        show_progress: bool | None = None,  # noqa: ARG002 - RecBole's signature
    ) -> dict[str, float]:
        """The metrics of a part by lower-case name, rounded to `metric_decimal_place`.

        Args:
            eval_data: the part to evaluate on.
            load_best_model: first load the weights in `model_file`.
            model_file: a checkpoint; None means this run's.
            show_progress: taken for RecBole's sake; evaluation is over before a bar is of use.

        Raises:
            CheckpointError: there is no such checkpoint, or it is of another model.
        """
        if load_best_model:
            path = model_file or self.files.checkpoint
            checkpoint.load_weights(self.model, checkpoint.read(path)["state_dict"], path)
        return self.evaluator.evaluate_part(self.model, eval_data)

    def resume_checkpoint(self, resume_file: str | Path) -> None:
        """Take up a run where its checkpoint left it. Call before `fit`.

        A run that had finished training stays finished: `fit` then returns its best validation.

        Raises:
            CheckpointError: the checkpoint is missing, damaged or of another model.
        """
        payload = checkpoint.read(resume_file)
        if payload["model"] != self.config.model:
            raise CheckpointError(
                f"Checkpoint {resume_file}: expected a {self.config.model}, got {payload['model']}"
            )
        self.files = RunFiles(Path(resume_file))
        with checkpoint.understanding(resume_file):
            self.record = RunRecord.from_dict(payload["record"])
            goes_on = checkpoint.can_go_on(payload)
        if not goes_on:
            raise CheckpointError(
                f"Checkpoint {resume_file} holds the weights of epoch {payload['best_epoch']}, but"
                f" not the state to go on from: it was written under save_step="
                f"{self.options.save_step}, and training was cut before the next one"
            )
        self.finished = payload["resume"] is None
        if not self.finished:
            self.record.status = "running"
            with checkpoint.understanding(resume_file):
                state.restore(self, payload["resume"])
            if self._captured_step is not None:  # of moments that are no longer these
                self._captured_step = self._capturing()

    @property
    def _saves_state(self) -> bool:
        """Whether the state of training is due to be written after the epoch that has just ended.

        It is about three times as large as the weights, which tables of millions of rows feel.
        """
        step = self.options.save_step
        return step > 0 and self.epoch % step == 0

    def _save(self, train_data: Loader, improved: bool, with_state: bool = True) -> None:
        """Write the record of the run and, where there is something new for it, the checkpoint."""
        self.write_record()
        if improved or with_state:
            self._write_checkpoint(train_data, state.capture(self) if with_state else None)

    def _finish(self, train_data: Loader) -> None:
        """Drop the training state from the checkpoint: there is nothing left to resume."""
        self.finished = True
        self.record.status = "trained"
        self._write_checkpoint(train_data, resume=None)
        self.write_record()

    def write_record(self) -> None:
        """Bring the record of the run on disk up to date."""
        self.before_writing()
        self.record.write(self.files.record, self.device)

    def _write_checkpoint(self, train_data: Loader, resume: dict[str, Any] | None) -> None:
        """Write the best epoch's weights: the model's own, or those already on disk."""
        best = self.stopping.best_epoch
        own = best is None or (best == self.epoch - 1 and not self.losses.steps)
        weights = (
            self.model.state_dict() if own else checkpoint.read(self.files.checkpoint)["state_dict"]
        )
        payload = checkpoint.contents(
            self.config, train_data.dataset, weights, best, self.record.to_dict(), resume
        )
        self.before_writing()
        checkpoint.write(self.files.checkpoint, payload)

    def _heed(self, interruption: Interruption) -> None:
        if interruption.signal is not None:
            self.losses.read()
            raise TrainingInterrupted(interruption.signal)

    def _check_finite(self, train_data: Loader) -> None:
        bad = self.losses.first_bad_step()
        if bad is not None:
            step, part = bad
            raise TrainingDivergedError(
                f"The training loss became NaN or infinite in epoch {self.epoch}, step {step}"
                f" (part: {part}). Likely cause: {likely_cause(self.config, train_data)}."
            )

    def _describe(self, epoch: EpochRecord, log: Callable[[str], None]) -> None:
        """Log an epoch as RecBole's users know it."""
        places = self.options.loss_decimal_place
        parts = {"train loss": epoch.train_loss, **epoch.loss_parts}
        losses = ", ".join(f"{name}: {value:.{places}f}" for name, value in parts.items())
        log(f"epoch {epoch.epoch} training [time: {epoch.train_seconds:.2f}s, {losses}]")
        if epoch.valid_result is not None:
            metrics = "    ".join(f"{name} : {value}" for name, value in epoch.valid_result.items())
            log(f"epoch {epoch.epoch} valid [time: {epoch.valid_seconds:.2f}s]: {metrics}")
