"""Columns as they come from a file: tokens as codes into a vocabulary, numbers, and sequences.

N rows, M elements of all sequences together, V distinct tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recbole.data.arrow_arrays import numbers, numpy_of, strings
from recbole.data.schema import FeatureType

Codes: TypeAlias = NDArray[np.int32]
Numbers: TypeAlias = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class TokenColumn:
    """One token per row.

    Attributes:
        codes: int32 [N], positions in the vocabulary; -1 where the token is missing.
        vocabulary: Arrow string array [V] of distinct tokens, some of which may be unused.
    """

    codes: Codes
    vocabulary: Any

    @property
    def type(self) -> FeatureType:
        return FeatureType.TOKEN

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def missing(self) -> Mask:
        """Which rows have no token: bool [N]."""
        return self.codes < 0

    def take(self, rows: Rows) -> TokenColumn:
        """The rows asked for; row -1 is a missing one."""
        return TokenColumn(_gather(self.codes, rows, -1), self.vocabulary)


@dataclass(frozen=True)
class FloatColumn:
    """One number per row: float64 [N], NaN where it is missing."""

    values: Numbers

    @property
    def type(self) -> FeatureType:
        return FeatureType.FLOAT

    def __len__(self) -> int:
        return len(self.values)

    @property
    def missing(self) -> Mask:
        """Which rows have no number: bool [N]."""
        return np.isnan(self.values)

    def take(self, rows: Rows) -> FloatColumn:
        """The rows asked for; row -1 is a missing one."""
        return FloatColumn(_gather(self.values, rows, np.nan))


@dataclass(frozen=True)
class SequenceColumn:
    """A sequence of tokens or of numbers per row.

    Attributes:
        offsets: int64 [N + 1]; row n holds the elements from offsets[n] up to offsets[n + 1].
        elements: the elements of all rows, one after the other: M of them.
    """

    offsets: Rows
    elements: TokenColumn | FloatColumn

    @property
    def type(self) -> FeatureType:
        of_tokens = isinstance(self.elements, TokenColumn)
        return FeatureType.TOKEN_SEQ if of_tokens else FeatureType.FLOAT_SEQ

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def missing(self) -> Mask:
        """Which rows are empty: bool [N]."""
        return self.lengths == 0

    @property
    def lengths(self) -> Rows:
        """The number of elements of each row: int64 [N]."""
        return np.diff(self.offsets)

    def take(self, rows: Rows) -> SequenceColumn:
        """The rows asked for; row -1 is an empty one."""
        lengths = _gather(self.lengths, rows, 0)
        offsets = offsets_of(lengths)
        starts = _gather(self.offsets[:-1], rows, 0)
        # Element m of row n stands m - offsets[n] places after the row's old start.
        shift = np.repeat(starts - offsets[:-1], lengths)
        return SequenceColumn(offsets, self.elements.take(np.arange(offsets[-1]) + shift))

    def keep(self, kept: Mask) -> SequenceColumn:
        """Without the elements that are not to be kept: `kept` is bool [M]."""
        if kept.all():
            return self
        before = np.concatenate([[0], np.cumsum(kept)])  # [M + 1] elements kept before each
        return SequenceColumn(before[self.offsets], self.elements.take(np.flatnonzero(kept)))

    def truncate(self, length: int) -> SequenceColumn:
        """At most the first `length` elements of each row."""
        return self.keep(self.positions < length)

    @property
    def positions(self) -> Rows:
        """Where in its row each element stands, from 0: int64 [M]."""
        return np.arange(self.offsets[-1]) - np.repeat(self.offsets[:-1], self.lengths)


Column: TypeAlias = TokenColumn | FloatColumn | SequenceColumn


@dataclass(frozen=True)
class Table:
    """Columns of one length, and where each row comes from.

    Attributes:
        columns: by field name, in the order of the file.
        paths: the files that the rows come from; empty for rows that come from no file.
        rows: int32 [N], the position of each row among the data rows of its file.
        files: int8 [N], the position of each row's file in `paths`.
    """

    columns: Mapping[str, Column]
    paths: tuple[str, ...] = ()
    rows: Codes = field(default_factory=lambda: np.zeros(0, np.int32))
    files: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))

    @classmethod
    def of(cls, columns: Mapping[str, Column], paths: tuple[str, ...] = ()) -> Table:
        """A table of fresh columns, all from one file or from none."""
        length = len(next(iter(columns.values())))
        return cls(columns, paths, np.arange(length, dtype=np.int32), np.zeros(length, np.int8))

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def take(self, rows: Rows) -> Table:
        """The rows asked for, in that order; row -1 is one where everything is missing."""
        return Table(
            {name: column.take(rows) for name, column in self.columns.items()},
            self.paths,
            _gather(self.rows, rows, -1),
            _gather(self.files, rows, 0),
        )

    def where(self, kept: Mask) -> Table:
        """The rows to be kept: bool [N]."""
        return self if kept.all() else self.take(np.flatnonzero(kept))

    def with_column(self, name: str, column: Column) -> Table:
        """With one column replaced or added at the end."""
        return Table({**self.columns, name: column}, self.paths, self.rows, self.files)

    def without(self, names: Iterable[str]) -> Table:
        """Without some columns."""
        left_out = set(names)
        kept = {name: column for name, column in self.columns.items() if name not in left_out}
        return Table(kept, self.paths, self.rows, self.files)


def token_column(tokens: Sequence[str | None] | Any) -> TokenColumn:
    """A column of tokens from strings (a list or an Arrow array); None and "" are missing."""
    array = tokens if isinstance(tokens, pa.Array) else strings(tokens)
    return from_dictionary(array.dictionary_encode())


def sequence_column(
    rows: Sequence[Sequence[Any]], kind: type[TokenColumn] | type[FloatColumn]
) -> SequenceColumn:
    """A column of sequences, of tokens or of numbers, from one list per row."""
    flat = [element for row in rows for element in row]
    elements: TokenColumn | FloatColumn
    if kind is TokenColumn:
        elements = token_column(flat)
    else:
        elements = FloatColumn(np.asarray(flat, np.float64))
    return SequenceColumn(offsets_of(np.asarray([len(row) for row in rows], np.int64)), elements)


def from_dictionary(encoded: Any) -> TokenColumn:
    """A column of tokens from an Arrow dictionary array; null and "" are missing."""
    codes = numpy_of(encoded.indices, -1).astype(np.int32, copy=False)
    vocabulary = encoded.dictionary
    empty = pc.index_in(strings([""]), value_set=vocabulary)
    if not empty.null_count:
        codes = np.where(codes == empty[0].as_py(), np.int32(-1), codes)
    return TokenColumn(codes, vocabulary)


def concatenate(tables: Sequence[Table]) -> Table:
    """The rows of several tables with the same columns, one table after the other."""
    columns = {name: _concatenate([table[name] for table in tables]) for name in tables[0].columns}
    files = [np.full(len(table), number, np.int8) for number, table in enumerate(tables)]
    paths = tuple(path for table in tables for path in table.paths)
    return Table(columns, paths, np.concatenate([t.rows for t in tables]), np.concatenate(files))


def _concatenate(columns: Sequence[Column]) -> Any:
    first = columns[0]
    if isinstance(first, FloatColumn):
        return FloatColumn(np.concatenate([_values(column) for column in columns]))
    if isinstance(first, TokenColumn):
        chunks = [
            pa.DictionaryArray.from_arrays(numbers(c.codes, c.missing), c.vocabulary, safe=False)
            for c in columns
            if isinstance(c, TokenColumn)
        ]
        return from_dictionary(pa.chunked_array(chunks).unify_dictionaries().combine_chunks())
    sequences = [column for column in columns if isinstance(column, SequenceColumn)]
    lengths = np.concatenate([column.lengths for column in sequences])
    return SequenceColumn(offsets_of(lengths), _concatenate([s.elements for s in sequences]))


def _values(column: Column) -> Numbers:
    assert isinstance(column, FloatColumn)
    return column.values


def offsets_of(lengths: Rows) -> Rows:
    """Where each of N sequences starts, and the end of the last: int64 [N + 1]."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _gather(values: NDArray[Any], rows: Rows, missing: float) -> NDArray[Any]:
    if len(rows) and rows.min() < 0:
        found = np.full(len(rows), missing, values.dtype)
        present = rows >= 0
        found[present] = values[rows[present]]
        return found
    return values[rows]
