"""Loader: batches gathered on the training device from columns that live there.

B rows of a batch, N rows of the part, C columns of one table and type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from recbole.data.dataset import Dataset
from recbole.data.interaction import Interaction, widen


def batch_sizes(num_rows: int, size: int) -> list[int]:
    """The rows of each batch: `size`, and in the last one what is left.

    A row that would be left by itself joins the batch before it: batch normalisation has nothing
    to compare a single row with.
    """
    whole, left = divmod(num_rows, size)
    if left == 1 and whole:
        return [size] * (whole - 1) + [size + 1]
    return [size] * whole + [left] * (left > 0)


class Loader:
    """Yields the rows of a part of a data set as batches, each an `Interaction`.

    A batch is an index: the interaction's columns are gathered by row, those of users and items
    by id, all on the device, with no Python per row and no synchronisation. It holds the input
    fields, the ids, the label and the rating, if there is one; see `batch_sizes` for the last one.

    Attributes:
        dataset: the part of the data set whose rows these are.
        batch_size: rows of a batch.
        epoch: the number of the next pass; the order of the rows depends on it and the seed only.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        shuffle: bool,
        device: torch.device | str,
        seed: int,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.device = torch.device(device)
        self.epoch = 0
        self._seed = seed

    @cached_property
    def _interactions(self) -> Gatherer:
        """The columns of the interactions that a batch holds, moved when first asked for."""
        names = self._batch_columns()
        rows = self.dataset.inter_feat.interaction
        kept = Interaction({name: rows[name] for name in rows if name in names})
        return Gatherer(kept.to(self.device), names)

    @cached_property
    def _sides(self) -> tuple[Gatherer, Gatherer]:
        """The columns of users and of items that a batch holds beside those of interactions."""
        names = self._batch_columns() - self._own_columns()
        users, items = self.dataset.features_on(self.device)
        return Gatherer(users, names), Gatherer(items, names)

    def _batch_columns(self) -> set[str]:
        """The names of what a batch holds: inputs, ids, label and rating."""
        schema = self.dataset.schema
        names = {field.name for field in schema.fields}
        names |= {schema.user_field, schema.item_field, schema.target.label_field}
        return names | ({schema.target.rating_field} if schema.target.rating_field else set())

    def _own_columns(self) -> set[str]:
        """The names of the columns that come from interactions."""
        return set(self.dataset.inter_feat)

    @property
    def columns(self) -> Interaction:
        """The columns of the interactions, on the device, in the order of the part."""
        return self._interactions.columns

    @property
    def _dataset(self) -> Dataset:
        """RecBole's name of `dataset`."""
        return self.dataset

    @property
    def num_rows(self) -> int:
        """The number of rows N."""
        return len(self.dataset.inter_feat)

    def __len__(self) -> int:
        return len(batch_sizes(self.num_rows, self.batch_size))

    def __iter__(self) -> Iterator[Interaction]:
        batches = self.batches()
        self.epoch += 1
        return batches

    def batches(self, skip: int = 0) -> Iterator[Interaction]:
        """The batches of pass `epoch` without the first `skip`, which are not built at all."""
        order = self.row_order(self.epoch).to(self.device)
        sizes = batch_sizes(len(order), self.batch_size)
        return (self.gather(rows) for rows in order.split(sizes)[skip:])

    def row_order(self, epoch: int) -> Tensor:
        """The order of the rows in one pass: int64 [N], the same on every device."""
        if not self.shuffle:
            return torch.arange(self.num_rows)
        (state,) = np.random.SeedSequence([self._seed, epoch]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(state >> np.uint64(1)))
        return torch.randperm(self.num_rows, generator=generator)

    def gather(self, rows: Tensor, items: Tensor | None = None) -> Interaction:
        """The batch of some rows: an index [B] on the device.

        With `items`, ids [B], each row is about that item instead of its own; what belongs to the
        interaction stays, its label and rating too.
        """
        batch = self._interactions.gather(rows)
        if items is not None:
            batch[self.dataset.iid_field] = items
        return self._joined(batch)

    def _joined(self, batch: dict[str, Tensor]) -> Interaction:
        """Columns of interactions with those of their users and items, by id."""
        users, items = self._sides
        batch.update(users.gather(batch[self.dataset.uid_field]))
        batch.update(items.gather(batch[self.dataset.iid_field]))
        return Interaction(batch)


class Gatherer:
    """Columns of one table, those of one type laid one under the other to be gathered at once.

    Attributes:
        columns: the columns, as an Interaction; the same memory.
    """

    def __init__(self, table: Interaction, names: Iterable[str]) -> None:
        wanted = set(names)
        # Labels as float32 from the start: one gather for them and the other numbers.
        kept = {
            name: widen(column) if column.dtype == torch.uint8 else column
            for name, column in table.interaction.items()
            if name in wanted
        }
        self._stacks: list[tuple[list[str], Tensor]] = []
        for dtype in dict.fromkeys(c.dtype for c in kept.values() if c.dim() == 1):
            group = [n for n, c in kept.items() if c.dim() == 1 and c.dtype == dtype]
            stack = torch.stack([kept[name] for name in group])  # C × [N] -> [C, N]
            self._stacks.append((group, stack))
            kept.update(zip(group, stack, strict=True))  # the same memory
        self._sequences = {name: column for name, column in kept.items() if column.dim() > 1}
        self.columns = Interaction(kept)

    def gather(self, rows: Tensor) -> dict[str, Tensor]:
        """The columns of some rows: [B] -> B rows of each, integers as int64."""
        batch: dict[str, Tensor] = {}
        for group, stack in self._stacks:
            gathered = widen(stack.index_select(1, rows))  # [C, N] -> [C, B]
            batch.update(zip(group, gathered, strict=True))
        for name, column in self._sequences.items():
            batch[name] = widen(column.index_select(0, rows))  # [N, L] -> [B, L]
        return batch
