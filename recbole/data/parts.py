"""The parts of a data set: which rows are whose, and what must stay as it was when they were drawn.

N interactions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbole.data.evaluation_options import EvalArgs
from recbole.data.interaction import Interaction
from recbole.data.options import DataOptions
from recbole.data.schema import Schema
from recbole.data.split import split_rows
from recbole.errors import ConfigError, DataError

#: The options that say what happens to rows once they are prepared, or where files would be.
_AFTER_PREPARATION = frozenset(
    {
        "data_path",
        "eval_args",
        "train_batch_size",
        "eval_batch_size",
        "train_neg_sample_args",
        "shuffle",
    }
)


def draw_parts(
    args: EvalArgs,
    schema: Schema,
    users: NDArray[np.integer],
    times: NDArray[np.float64] | None,
    seed: int,
) -> tuple[Tensor, ...]:
    """The rows for training, validation and test, in the order asked for: int64.

    Args:
        users: the user of each row [N].
        times: the time of each row [N], or None.
        seed: decides the random order.

    Raises:
        DataError: rows are to be ordered or split by time, and no time column is loaded.
    """
    if times is None and (args.order == "TO" or "TS" in args.split):
        what = "order: TO" if args.order == "TO" else "split: TS"
        types = {field.name: field.type.value for field in schema.fields}
        raise DataError(
            f"eval_args {{{what}}} needs the float column '{schema.time_field}' (option"
            f" TIME_FIELD) in .inter, which is {types.get(schema.time_field, 'not loaded')}"
        )
    return tuple(torch.from_numpy(rows) for rows in split_rows(args, users, times, seed))


def consecutive_rows(sizes: Sequence[int]) -> tuple[Tensor, ...]:
    """The rows of parts that lie one behind the other, as those of benchmark files: int64."""
    return torch.arange(sum(sizes)).split(list(sizes))


def consecutive_parts(interactions: Interaction, sizes: Sequence[int]) -> list[Interaction]:
    """Parts that lie one behind the other, without a copy, which one on disk must not need."""
    pieces = {name: c.split(list(sizes)) for name, c in interactions.interaction.items()}
    return [
        Interaction({name: piece[number] for name, piece in pieces.items()})
        for number in range(len(sizes))
    ]


def refuse_other_preparation(mine: DataOptions, theirs: DataOptions) -> None:
    """Refuse options under which prepared rows would be others.

    Raises:
        ConfigError: another option than those of splitting and batching differs.
    """
    for name in type(theirs).model_fields:
        one, other = getattr(mine, name), getattr(theirs, name)
        if name not in _AFTER_PREPARATION and one != other:
            raise ConfigError(
                f"Option '{name}': the Dataset was prepared with {one!r}, got {other!r};"
                " give it to from_pandas or create_dataset"
            )


def refuse_other_split(mine: EvalArgs, seed: int, theirs: EvalArgs, their_seed: int) -> None:
    """Refuse another training part than the one that rating levels were learned on.

    Raises:
        ConfigError: `eval_args` or the seed differs.
    """
    if (mine, seed) != (theirs, their_seed):
        raise ConfigError(
            f"Option 'rating_bins': the Dataset's levels were learned on the training part of"
            f" seed {seed} and its eval_args; give seed {their_seed} and the run's eval_args to"
            " from_pandas or create_dataset, too"
        )
