"""Interaction: named columns of one length, RecBole's form of a batch and of a table.

B rows; every column is a tensor whose first dimension is B.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from recbole.errors import did_you_mean

RowIndex: TypeAlias = int | slice | Tensor | np.ndarray | Sequence[int] | Sequence[bool]


class Interaction:
    """Named columns of one length.

    `interaction["item_id"]` is a column. `interaction[rows]` is another Interaction, with the
    rows that an int, a slice, an index or a mask selects; there int32 columns (ids) and uint8
    columns (labels), the form in which tables are stored, become int64 and float32, the form in
    which models take them. (`take` leaves them.)

    Raises:
        ValueError: the columns are of unequal length, or a value is no column.
    """

    def __init__(self, interaction: Mapping[str, Any]) -> None:
        self.interaction: dict[str, Tensor] = {}
        for name, column in interaction.items():
            self[name] = column

    # --- columns -------------------------------------------------------------------------------

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.interaction)

    def __iter__(self) -> Iterator[str]:
        return iter(self.interaction)

    def __contains__(self, name: object) -> bool:
        return name in self.interaction

    def __len__(self) -> int:
        return next((len(column) for column in self.interaction.values()), 0)

    @property
    def length(self) -> int:
        """The number of rows B."""
        return len(self)

    def __getitem__(self, index: str | RowIndex) -> Any:
        if isinstance(index, str):
            if index not in self.interaction:
                raise KeyError(self._no_column(index))
            return self.interaction[index]
        return self._map(lambda column: widen(_rows(column, index)))

    def __setitem__(self, name: str, column: Any) -> None:
        if not isinstance(name, str):
            raise KeyError(f"expected the name of a column, got {name!r}")
        tensor = _tensor(name, column)
        if len(tensor) != len(self) and self.interaction.keys() - {name}:
            other = next(iter(self.interaction))
            raise ValueError(
                f"column '{name}': expected {len(self)} rows as in '{other}', got {len(tensor)}"
            )
        self.interaction[name] = tensor

    def __delitem__(self, name: str) -> None:
        if name not in self.interaction:
            raise KeyError(self._no_column(name))
        del self.interaction[name]

    def update(self, new_inter: Interaction | Mapping[str, Any]) -> None:
        """Add or replace columns."""
        for name in new_inter:
            self[name] = new_inter[name]

    def drop(self, column: str) -> None:
        """Remove one column."""
        del self[column]

    def add_prefix(self, prefix: str) -> None:
        """Put `prefix` before the name of every column."""
        self.interaction = {prefix + name: column for name, column in self.interaction.items()}

    # --- where the columns live ----------------------------------------------------------------

    def to(
        self, device: torch.device | str, selected_field: str | Iterable[str] | None = None
    ) -> Interaction:
        """A copy whose columns, all or the selected ones, live on another device."""
        if selected_field is None:
            return self._map(lambda column: column.to(device))
        names = {selected_field} if isinstance(selected_field, str) else set(selected_field)
        return Interaction(
            {name: c.to(device) if name in names else c for name, c in self.interaction.items()}
        )

    def cpu(self) -> Interaction:
        """A copy whose columns live in main memory."""
        return self.to("cpu")

    def numpy(self) -> dict[str, np.ndarray]:
        """The columns as NumPy arrays."""
        return {name: column.cpu().numpy() for name, column in self.interaction.items()}

    # --- rows ----------------------------------------------------------------------------------

    def take(self, rows: Tensor) -> Interaction:
        """The rows of an index [B], every column in the type in which it is stored."""
        return self._map(lambda column: column.index_select(0, rows))

    def repeat(self, sizes: int) -> Interaction:
        """All rows, `sizes` times over: a b a b."""
        return self._map(lambda c: c.repeat(sizes, *(1,) * (c.dim() - 1)))  # [B, …] -> [sizes·B, …]

    def repeat_interleave(self, repeats: int | Tensor, dim: int = 0) -> Interaction:
        """Each row `repeats` times: a a b b."""
        return self._map(lambda column: column.repeat_interleave(repeats, dim=dim))

    def shuffle(self, generator: torch.Generator | None = None) -> None:
        """Put the rows in a random order, in place."""
        self._reorder(torch.randperm(len(self), generator=generator))

    def sort(self, by: str | Sequence[str], ascending: bool | Sequence[bool] = True) -> None:
        """Sort the rows in place by one or more columns, the first one counting most.

        Stable; of a column with more than one dimension, the first element counts.
        """
        names = [by] if isinstance(by, str) else list(by)
        orders = [ascending] * len(names) if isinstance(ascending, bool) else list(ascending)
        if len(names) != len(orders):
            raise ValueError(f"expected {len(names)} values of 'ascending', got {len(orders)}")
        for name, is_ascending in reversed(list(zip(names, orders, strict=True))):
            key = self[name].flatten(1)[:, 0] if self[name].dim() > 1 else self[name]  # -> [B]
            self._reorder(torch.argsort(key, descending=not is_ascending, stable=True))

    def _reorder(self, rows: Tensor) -> None:
        self.interaction = {
            name: column.index_select(0, rows.to(column.device))
            for name, column in self.interaction.items()
        }

    def _map(self, change: Any) -> Interaction:
        return Interaction({name: change(column) for name, column in self.interaction.items()})

    def _no_column(self, name: str) -> str:
        return (
            f"no column '{name}'; there are {', '.join(self.interaction) or 'none'}"
            f".{did_you_mean(name, self.interaction)}"
        )

    def __repr__(self) -> str:
        lines = [f"Interaction of {len(self):,} rows"]
        lines += [
            f"    {name}: {tuple(column.shape)} {column.dtype}, {column.device}"
            for name, column in self.interaction.items()
        ]
        return "\n".join(lines)


def cat_interactions(interactions: Sequence[Interaction]) -> Interaction:
    """The rows of several Interactions with the same columns, one after the other.

    Raises:
        ValueError: there is none, or their columns differ.
    """
    if not interactions:
        raise ValueError("expected at least one Interaction, got none")
    columns = interactions[0].columns
    for other in interactions:
        if set(other.columns) != set(columns):
            raise ValueError(f"expected the columns {columns} in each, got {other.columns}")
    return Interaction({name: torch.cat([part[name] for part in interactions]) for name in columns})


def widen(column: Tensor) -> Tensor:
    """A column as stored to what models take: int32 to int64, uint8 to float32, others as is."""
    if column.dtype == torch.int32:
        return column.long()
    return column.float() if column.dtype == torch.uint8 else column


def _rows(column: Tensor, index: RowIndex) -> Tensor:
    if isinstance(index, int):
        # One row stays a table of one row, so that its columns keep their dimensions.
        if not -len(column) <= index < len(column):
            raise IndexError(f"expected a row below {len(column)}, got {index}")
        return column.narrow(0, index % len(column), 1)
    if isinstance(index, slice):
        return column[index]
    rows = torch.as_tensor(index, device=column.device)
    if rows.dtype == torch.bool:
        return column[rows]
    if rows.numel() == 0:
        return column[:0]
    return column.index_select(0, torch.where(rows < 0, rows + len(column), rows).flatten())


def _tensor(name: str, column: Any) -> Tensor:
    if isinstance(column, Tensor):
        tensor = column
    elif isinstance(column, np.ndarray | list | tuple):
        tensor = torch.as_tensor(column)
        tensor = tensor.float() if tensor.dtype == torch.float64 else tensor
    else:
        raise ValueError(f"column '{name}': expected a tensor, an array or a list, got {column!r}")
    if tensor.dim() == 0:
        raise ValueError(f"column '{name}': expected one value per row, got a single value")
    return tensor
