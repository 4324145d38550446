"""Encoded rows on disk: one Parquet file for each part, read some row groups at a time.

N rows of a part, L the longest sequence of a column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recbole.errors import DataError

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class StreamPart:
    """The rows of one part, in its order: numbers, or one list of a fixed length in each row."""

    path: Path

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(pq.read_schema(self.path).names)

    @cached_property
    def group_rows(self) -> tuple[int, ...]:
        """The number of rows of each row group."""
        metadata = pq.read_metadata(self.path)
        return tuple(metadata.row_group(n).num_rows for n in range(metadata.num_row_groups))

    def read(self, groups: Sequence[int], columns: Sequence[str]) -> Arrays:
        """Some row groups, one after the other: [n], or [n, L] for a column of sequences.

        Raises:
            DataError: the file is damaged.
        """
        try:
            with pq.ParquetFile(self.path) as file:
                table = file.read_row_groups(list(groups), columns=list(columns))
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"{self.path}: the file is damaged ({error}); remove the folder"
                f" {self.path.parent}, and the next run makes it anew"
            ) from None
        return {name: _array(table[name].combine_chunks()) for name in columns}


def write_part(path: Path, columns: Mapping[str, NDArray[Any]], group_rows: int) -> None:
    """Write the columns of a part, [N] or [N, L], which may lie on disk themselves."""
    schema = pa.schema([(name, _arrow_type(column)) for name, column in columns.items()])
    count = len(next(iter(columns.values())))
    # Ids of large vocabularies gain nothing from a dictionary of each group.
    with pq.ParquetWriter(path, schema, use_dictionary=False) as file:
        for start in range(0, count, group_rows):
            rows = slice(start, start + group_rows)
            arrays = [_arrow_array(column[rows]) for column in columns.values()]
            file.write_table(pa.Table.from_arrays(arrays, schema=schema), group_rows)


def _arrow_type(column: NDArray[Any]) -> Any:
    kind = pa.from_numpy_dtype(column.dtype)
    return kind if column.ndim == 1 else pa.list_(kind, column.shape[1])


def _arrow_array(rows: NDArray[Any]) -> Any:
    if rows.ndim == 1:
        return pa.array(rows)
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])


def _array(column: Any) -> NDArray[Any]:
    if pa.types.is_fixed_size_list(column.type):
        flat = column.flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(-1, column.type.list_size)
    return np.asarray(column.to_numpy(zero_copy_only=False))
