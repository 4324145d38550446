"""One cell from its claim to its row: train or go on, test, measure."""

from __future__ import annotations

import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from recbole.config import Config
from recbole.data import Dataset, create_dataset
from recbole.errors import CheckpointError, DataError, RecBoleError
from recbole.quick_start.quick_start import run_prepared
from recbole.sweep.cell import Cell, cell_key, data_fingerprint
from recbole.sweep.claims import Claim, Holder
from recbole.sweep.measures import Trained, find_measure
from recbole.sweep.table import FAILED, FINISHED, ResultsTable, Row, missing_measures
from recbole.trainer import checkpoint
from recbole.trainer.interruption import TrainingInterrupted

logger = logging.getLogger(__name__)

#: Options of batches, which a data set that is in memory does not depend on.
_OF_BATCHES = ("train_batch_size", "eval_batch_size", "shuffle")


class LastDataset:
    """The data set that was read last, for the next run that reads and prepares it alike.

    Seeds differ in the split alone, which is made anew; but levels are learned on the training part
    (`rating_bins`), and rows that stream lie on disk in the order of their split, so there each
    seed reads its own.
    """

    def __init__(self) -> None:
        self._key = ""
        self._dataset: Dataset | None = None

    def read(self, config: Config) -> Dataset:
        """The data set of a Config."""
        options = {k: v for k, v in config.data.model_dump().items() if k not in _OF_BATCHES}
        del options["eval_args"]["mode"]  # what is ranked is drawn from the parts, later
        own = config.data.rating_bins is not None or config.data.stream
        asked: list[Any] = [config.dataset, options]
        asked += [config.environment.seed, config["multi_cls"]] if own else []
        key = json.dumps(asked, sort_keys=True, default=str)
        if self._dataset is None or key != self._key:
            self._dataset, self._key = create_dataset(config), key
        return self._dataset if own else self._dataset.with_seed(config.environment.seed)


class Lost(Exception):  # noqa: N818 - an event: nothing went wrong here
    """Another process has taken the cell over; what was computed here counts no more."""


def run_cell(
    cell: Cell,
    key: str,
    claim: Claim,
    table: ResultsTable,
    read: Callable[[Config], Dataset],
    retry: bool = False,
) -> Row:
    """Bring a cell to its end and write its row.

    What a killed or interrupted process left is taken up: a checkpoint is resumed, and of a
    finished cell only the measures are taken that it lacks.

    Returns:
        The row; its status says whether the cell finished or failed.

    Raises:
        TrainingInterrupted, KeyboardInterrupt, SystemExit: somebody wants the process to end.
        Lost: another process has taken over.
    """
    folder = table.run_folder(key)
    folder.mkdir(parents=True, exist_ok=True)
    before = table.row(key)
    clock = time.monotonic()

    def still_mine() -> None:
        if not claim.is_held:
            raise Lost

    with _log_file(folder / "run.log"):
        logger.info("%s: %s", cell, cell.command())
        if before is not None and before.status == FINISHED:
            row = replace(before, attempt=before.attempt + 1)
        else:
            row = new_row(cell, key, before, claim.holder)
            try:
                row = _trained(row, cell, table, read, still_mine)
            except (TrainingInterrupted, Lost):
                raise
            except Exception as error:  # noqa: BLE001 - whatever a run fails of is told in its row
                logger.error("%s", traceback.format_exc())
                row = replace(row, status=FAILED, error=in_words(error))
        if row.status == FINISHED:
            row = _measured(row, table, missing_measures(row, cell.measures, again=retry), read)
        seconds = row.seconds + time.monotonic() - clock
        row = replace(row, ended=_now(), seconds=round(seconds, 3))
        still_mine()
        table.put(row)
    return row


def new_row(cell: Cell, key: str, before: Row | None, holder: Holder) -> Row:
    """The row of an attempt that begins now."""
    return Row(
        key=key,
        model=cell.model,
        dataset=cell.dataset,
        seed=cell.seed,
        variant=cell.variant,
        command=cell.command(),
        attempt=1 if before is None else before.attempt + 1,
        host=holder.host,
        pid=holder.pid,
        started=_now(),
    )


def _trained(
    row: Row,
    cell: Cell,
    table: ResultsTable,
    read: Callable[[Config], Dataset],
    before_writing: Callable[[], None],
) -> Row:
    folder = table.run_folder(row.key)
    config = cell.config(checkpoint_dir=str(folder), show_progress=False, log_tensorboard=False)
    left = _left_behind(folder)
    _clear(folder, left)
    dataset, files = read(config), data_fingerprint(config)
    if cell_key(config, files) != row.key or not dataset.fingerprint.items() <= files.items():
        raise DataError(
            f"{cell.dataset}: the data has changed since the sweep began; start it once more to"
            " run this as a cell of its own"
        )
    run_prepared(config, dataset, resume_from=left and left.path, before_writing=before_writing)
    (path,) = folder.glob("*.pth")
    record = _record_of(path, table.row_file(row.key))
    epochs = record["epochs"]
    evaluations = [e["valid_seconds"] for e in epochs if e["valid_seconds"] is not None]
    training = [epoch["train_seconds"] for epoch in epochs]
    return replace(
        row,
        resumed=left is not None,
        seconds=left.seconds if left else 0.0,
        device=record["device"],
        epochs=len(epochs),
        best_epoch=record["best_epoch"],
        parameters=record["parameters"],
        valid=record["best_valid_result"] or {},
        test=record["test_result"] or {},
        seconds_per_epoch=fmean(training) if training else None,
        seconds_training=sum(training) + sum(evaluations),
        seconds_per_evaluation=fmean(evaluations) if evaluations else None,
        checkpoint=str(path.relative_to(table.folder)),
        record=str(path.with_suffix(".json").relative_to(table.folder)),
        versions=record["versions"],
        config=record["config"],
    )


def _record_of(path: Path, row: Path) -> dict[str, Any]:
    """The record beside the checkpoint of a run that has finished, and has a row."""
    record = path.with_suffix(".json")
    if not (path.exists() and record.exists()):
        raise CheckpointError(
            f"Checkpoint {path} and its record are not both there: results.parquet is handed on"
            f" without them. Remove {row} to have the run trained again"
        )
    return dict(json.loads(record.read_text(encoding="utf-8")))


def _measured(
    row: Row, table: ResultsTable, names: Sequence[str], read: Callable[[Config], Dataset]
) -> Row:
    assert row.checkpoint is not None
    path = table.folder / row.checkpoint
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        try:
            record = _record_of(path, table.row_file(row.key))
            found[name] = find_measure(name)(Trained(path, record, read))
        except Exception as error:  # noqa: BLE001 - a measure that fails leaves the run finished
            logger.error("measure %s: %s", name, traceback.format_exc())
            found[name] = {"error": in_words(error)}
    return replace(row, measures={**row.measures, **found})


class _Left(NamedTuple):
    """What a run that was cut short left: its checkpoint, and the seconds it had spent."""

    path: Path
    seconds: float


def _left_behind(folder: Path) -> _Left | None:
    """What a run that was cut short left here, if it can be gone on with."""
    for path in sorted(folder.glob("*.pth")):
        try:
            payload = checkpoint.read(path)
            with checkpoint.understanding(path):
                goes_on, seconds = checkpoint.can_go_on(payload), payload["record"]["seconds"]
        except CheckpointError as error:
            logger.warning("%s The run starts anew.", error)
            return None
        if not goes_on:
            logger.warning("%s holds no state to go on from. The run starts anew.", path)
            return None
        logger.info("Going on from %s", path)
        return _Left(path, seconds)
    return None


def _clear(folder: Path, left: _Left | None) -> None:
    """Remove what killed runs left, but for the log and what is to be gone on from."""
    kept = [] if left is None else [left.path, left.path.with_suffix(".json")]
    for path in folder.iterdir():
        if path.is_file() and path.suffix != ".log" and path not in kept:
            path.unlink()


def in_words(error: Exception) -> str:
    """An error in one message: its own words if it is one that a user can mend."""
    return str(error) if isinstance(error, RecBoleError) else f"{type(error).__name__}: {error}"


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


@contextmanager
def _log_file(path: Path) -> Iterator[None]:
    """Send the project's log lines to a file, behind those of earlier attempts."""
    project = logging.getLogger("recbole")
    before, propagate = list(project.handlers), project.propagate
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-5s %(message)s"))
    project.handlers = [handler]
    project.setLevel(logging.INFO)
    project.propagate = False
    try:
        yield
    finally:
        project.handlers, project.propagate = before, propagate
        handler.close()
