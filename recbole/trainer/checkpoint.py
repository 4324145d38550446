"""Checkpoints: tensors and plain data in one file, enough to use the model without its data.

`torch.load(path, weights_only=True)` reads them. A file is written beside its place and moved
there in one step, so that a reader never meets half a checkpoint.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

import recbole
from recbole.config import Config
from recbole.config.environment import gpu_is_missing
from recbole.data import Dataset, Encoder, Interaction, Schema
from recbole.data.payload import DamagedPayloadError, load_payload, save_payload
from recbole.errors import CheckpointError
from recbole.model.abstract_recommender import ContextRecommender

logger = logging.getLogger(__name__)

FORMAT = 1
#: What `contents` writes.
_KEYS = (
    "model",
    "dataset",
    "config",
    "schema",
    "encoder",
    "user_features",
    "item_features",
    "fingerprint",
    "best_epoch",
    "state_dict",
    "record",
    "resume",
)


@dataclass(frozen=True)
class Checkpoint:
    """A saved model with all that it takes to run it.

    Attributes:
        config: the options of its run.
        schema: the fields it reads and what it predicts.
        encoder: turns raw rows into ids and numbers as in training.
        user_features, item_features: one row per id, row 0 for an unknown one.
        weights: the best epoch's weights (`state_dict`).
        best_epoch: that epoch, or None where training was cut before its first validation.
        fingerprint: SHA-256 of each data file it was trained on.
        resume: the state to go on training from; None once training has finished.
    """

    path: Path
    config: Config
    schema: Schema
    encoder: Encoder
    user_features: Interaction | None
    item_features: Interaction | None
    weights: dict[str, torch.Tensor]
    best_epoch: int | None
    fingerprint: dict[str, str]
    resume: dict[str, Any] | None

    @property
    def item_feat(self) -> Interaction | None:
        """The item features under a Dataset's name."""
        return self.item_features

    def build_model(self) -> ContextRecommender:
        """The model with its best weights, in evaluation mode, on the run's device."""
        model = self.config.model_class(self.config, self).to(self.config.device)
        load_weights(model, self.weights, self.path)
        return model.eval()


def contents(
    config: Config,
    dataset: Dataset,
    weights: Mapping[str, torch.Tensor],
    best_epoch: int | None,
    record: Mapping[str, Any],
    resume: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What a checkpoint file holds: tensors, numbers, strings, lists, dictionaries and None."""
    return {
        "format": FORMAT,
        "model": config.model,
        "dataset": config.dataset,
        "config": config.values(),
        "schema": dataset.schema.to_dict(),
        "encoder": dataset.encoder.to_dict(),
        "user_features": _columns(dataset.user_feat),
        "item_features": _columns(dataset.item_feat),
        "fingerprint": dict(dataset.fingerprint),
        "best_epoch": best_epoch,
        "state_dict": dict(weights),
        "record": dict(record),
        "resume": dict(resume) if resume is not None else None,
    }


def write(path: Path, payload: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically: the old file stands until the new one is whole.

    Raises:
        OSError: the file cannot be written.
    """
    save_payload(path, payload)


def read(path: str | Path) -> dict[str, Any]:
    """The raw contents of a checkpoint file, on the CPU.

    Raises:
        CheckpointError: there is no such file, it is damaged (a checksum is wrong), or it is not a
            checkpoint of this project.
    """
    path = Path(path)
    if path.is_dir():
        raise CheckpointError(f"Checkpoint {path} is a folder{_others(path / '*')}")
    if not path.is_file():
        raise CheckpointError(f"Checkpoint {path} does not exist{_others(path)}")
    try:
        # Mapped, so that of a large file only what is used comes into memory.
        payload = load_payload(path, mapped=True)
    except DamagedPayloadError as error:
        message = f"Checkpoint {path} is damaged or of another program: {error}"
        raise CheckpointError(message) from None
    if not isinstance(payload, dict) or payload.get("format") != FORMAT:
        found = payload.get("format") if isinstance(payload, dict) else None
        raise CheckpointError(
            f"Checkpoint {path}: expected format {FORMAT} of this project, got {found!r}"
        )
    missing = [key for key in _KEYS if key not in payload]
    if missing:
        raise CheckpointError(
            f"Checkpoint {path} is incomplete: expected {', '.join(_KEYS)}; {', '.join(missing)}"
            " is not there"
        )
    return payload


def can_go_on(payload: Mapping[str, Any]) -> bool:
    """Whether training can go on from what `read` returned, or had come to its end.

    Under save_step a checkpoint may hold the best weights of a run alone, which is then cut short.
    """
    return payload["resume"] is not None or payload["record"]["status"] in ("trained", "finished")


def load(path: str | Path, model_class: type | None = None, **overrides: Any) -> Checkpoint:
    """Read a checkpoint; `overrides` replace options of its run, such as `use_gpu=False`.

    Where this machine has CUDA devices, but not the one of the run, the first takes its place.

    Args:
        path: the `.pth` file.
        model_class: the class of a model of your own, which no name leads to.

    Raises:
        CheckpointError: see `read`.
    """
    payload = read(path)
    config = _config(payload, path, model_class, overrides)
    with understanding(path):
        return Checkpoint(
            path=Path(path),
            config=config,
            schema=Schema.from_dict(payload["schema"]),
            encoder=Encoder.from_dict(payload["encoder"]),
            user_features=_interaction(payload["user_features"]),
            item_features=_interaction(payload["item_features"]),
            weights=payload["state_dict"],
            best_epoch=payload["best_epoch"],
            fingerprint=payload["fingerprint"],
            resume=payload["resume"],
        )


def _config(
    payload: Mapping[str, Any],
    path: str | Path,
    model_class: type | None,
    overrides: Mapping[str, Any],
) -> Config:
    """The Config of the run, on a device that is there unless another one is asked for."""
    model, dataset, values = model_class or payload["model"], payload["dataset"], payload["config"]
    config = Config.from_values(model, dataset, values, f"checkpoint {path}", **overrides)
    if "gpu_id" in overrides or not gpu_is_missing(config.environment):
        return config
    logger.warning(
        "Checkpoint %s: its run was on CUDA device %s, which is not here; device 0 takes its place",
        path,
        config.environment.gpu_id,
    )
    return _config(payload, path, model_class, {**overrides, "gpu_id": "0"})


def load_weights(model: nn.Module, weights: Mapping[str, torch.Tensor], path: str | Path) -> None:
    """Give a model the weights of the checkpoint at `path`.

    Raises:
        CheckpointError: they are not those of such a model; names the first that differ.
    """
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        more = f" (and {len(lines) - 2} more)" if len(lines) > 2 else ""
        raise CheckpointError(
            f"Checkpoint {path}: the weights do not fit class {type(model).__name__}: was it"
            f" changed since training? {lines[min(1, len(lines) - 1)]}{more}"
        ) from None


@contextmanager
def understanding(path: str | Path) -> Iterator[None]:
    """Raise CheckpointError where what is in the checkpoint at `path` has not the form expected."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"Checkpoint {path} has another form than expected ({type(error).__name__}: {error});"
            f" is it of another version than recbole {recbole.__version__}?"
        ) from error


def _columns(features: Interaction | None) -> dict[str, torch.Tensor] | None:
    return dict(features.interaction) if features is not None else None


def _interaction(columns: Mapping[str, torch.Tensor] | None) -> Interaction | None:
    return Interaction(dict(columns)) if columns is not None else None


def _others(path: Path) -> str:
    found = sorted(p.name for p in path.parent.glob("*.pth")) if path.parent.is_dir() else []
    return f"; {path.parent}/ holds {', '.join(found[-5:])}" if found else ""
