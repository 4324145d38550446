"""Whether checkpoints belong to the data that is there, and to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole.config import Config
from recbole.data import Dataset, create_dataset
from recbole.data.frames import IN_MEMORY
from recbole.errors import CheckpointError
from recbole.trainer.checkpoint import Checkpoint

#: The options that decide which rows there are, and which of them are positives.
_ROW_OPTIONS = (
    "USER_ID_FIELD",
    "ITEM_ID_FIELD",
    "RATING_FIELD",
    "LABEL_FIELD",
    "threshold",
    "val_interval",
    "rm_dup_inter",
    "filter_inter_by_user_or_item",
    "user_inter_num_interval",
    "item_inter_num_interval",
    "benchmark_filename",
)


def data_of(saved: Checkpoint, dataset: Dataset | None = None) -> Dataset:
    """The data set that a checkpoint was trained on: read from its files, or the one at hand.

    Raises:
        CheckpointError: it is another one now, or it came from data frames and is not at hand.
    """
    if dataset is not None:
        data = saved.config.data
        found = dataset.with_options(data, saved.config.environment.seed)
    elif IN_MEMORY["inter"] in saved.fingerprint:
        raise CheckpointError(
            f"Checkpoint {saved.path} was trained on data frames, not on files; give the Dataset"
            " that from_pandas makes of them, dataset=from_pandas(...)"
        )
    else:
        found = create_dataset(saved.config)
    refuse_changed_data(saved, found)
    return found


def refuse_changed_data(saved: Checkpoint, dataset: Dataset) -> None:
    """Refuse a data set that is not the one a checkpoint was trained on.

    Raises:
        CheckpointError: a file has changed since; the message names it.
    """
    changed = _differing(saved.fingerprint, dataset.fingerprint)
    if changed:
        raise CheckpointError(
            f"Checkpoint {saved.path}: the data has changed since training: {', '.join(changed)}"
        )


def refuse_different_data(first: Checkpoint, second: Checkpoint) -> None:
    """Refuse two checkpoints whose held-out rows are not the same ones.

    Raises:
        CheckpointError: their data sets, files, splits or ids differ; the message says which.
    """
    one, other = first.config, second.config
    both = f"Checkpoints {first.path} and {second.path}"
    if one.dataset != other.dataset:
        raise CheckpointError(
            f"{both}: expected one data set, got {one.dataset} and {other.dataset}"
        )
    shared = first.fingerprint.keys() & second.fingerprint.keys()
    changed = [
        name for name in sorted(shared) if first.fingerprint[name] != second.fingerprint[name]
    ]
    if changed:
        raise CheckpointError(
            f"{both}: expected the same data files, and {', '.join(changed)} differed between their"
            " trainings"
        )
    gradings = [saved.schema.target.grading for saved in (first, second)]
    if None not in gradings and gradings[0] != gradings[1]:
        raise CheckpointError(
            f"{both}: expected the same rating levels, got rating_bins {one.data.rating_bins} and"
            f" {other.data.rating_bins}, with other edges"
        )
    options, theirs = _row_options(one), _row_options(other)
    differing = _differing(options, theirs)
    if differing:
        listed = ", ".join(f"{n}: {options.get(n)} and {theirs.get(n)}" for n in differing)
        raise CheckpointError(f"{both}: expected the same split of the same rows, got {listed}")
    for field in (first.schema.user_field, first.schema.item_field):
        if first.encoder.tokens(field) != second.encoder.tokens(field):
            raise CheckpointError(
                f"{both}: expected the same tokens of '{field}'; options that load other files or"
                " columns left them with different rows"
            )


def _row_options(config: Config) -> dict[str, Any]:
    args = config.data.eval_args
    options = {name: getattr(config.data, name) for name in _ROW_OPTIONS}
    if config.data.benchmark_filename is not None:
        return options
    options |= {
        "eval_args.split": args.split,
        "eval_args.order": args.order,
        "eval_args.group_by": args.group_by,
    }
    return {**options, "seed": config.environment.seed} if args.order == "RO" else options


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [
        name
        for name in dict.fromkeys((*one, *other))
        if one.get(name) != other.get(name) or (name in one) != (name in other)
    ]
