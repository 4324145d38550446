"""Columns of a data set written to an atomic or a Parquet file, piece by piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from recbole.data.columns import Column, FloatColumn, SequenceColumn, TokenColumn
from recbole.data.parquet import TYPE_KEY
from recbole.data.schema import FeatureType

_ARROW_TYPES = {
    FeatureType.TOKEN: pa.string(),
    FeatureType.FLOAT: pa.float64(),
    FeatureType.TOKEN_SEQ: pa.list_(pa.string()),
    FeatureType.FLOAT_SEQ: pa.list_(pa.float64()),
}
_BREAKS = r"[\t\r\n]+"
_MISSING_NUMBER = "nan"  # among the elements of a sequence; tokens that are missing are left out


class Writer(Protocol):
    """Takes the rows of one file, some at a time.

    Attributes:
        replaced: by column, how many cells could not be written as they are, and what was done.
    """

    replaced: dict[str, tuple[int, str]]

    def write(self, columns: Mapping[str, Column]) -> None:
        """Append rows."""

    def close(self) -> None:
        """End the file."""


def arrow_of(column: Column) -> Any:
    """A column as an Arrow array: text, float64, or lists of these."""
    if isinstance(column, FloatColumn):
        return pa.array(column.values, mask=column.missing)
    if isinstance(column, TokenColumn):
        codes = pa.array(column.codes, mask=column.missing)
        return pa.DictionaryArray.from_arrays(codes, column.vocabulary).dictionary_decode()
    assert isinstance(column, SequenceColumn)
    offsets = pa.array(column.offsets.astype(np.int32))
    return pa.ListArray.from_arrays(offsets, arrow_of(column.elements))


class ParquetFile:
    """A Parquet file whose schema says the type of each column."""

    def __init__(self, path: Path, types: Mapping[str, FeatureType]) -> None:
        self.replaced: dict[str, tuple[int, str]] = {}
        fields = [
            pa.field(name, _ARROW_TYPES[type_], metadata={TYPE_KEY: type_.value})
            for name, type_ in types.items()
        ]
        self._schema = pa.schema(fields)
        self._writer = pq.ParquetWriter(path, self._schema)

    def write(self, columns: Mapping[str, Column]) -> None:
        arrays = [arrow_of(columns[name]) for name in self._schema.names]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


class AtomicFile:
    """RecBole's text format: TAB between columns, a space between the elements of a sequence.

    Nothing is quoted there, so that breaks within a token become spaces, and spaces within the
    element of a sequence become underscores.
    """

    def __init__(self, path: Path, types: Mapping[str, FeatureType]) -> None:
        self.replaced: dict[str, tuple[int, str]] = {}
        self._names = list(types)
        self._file: IO[str] = path.open("w", encoding="utf-8", newline="\n")
        self._file.write("\t".join(f"{name}:{type_.value}" for name, type_ in types.items()) + "\n")

    def write(self, columns: Mapping[str, Column]) -> None:
        cells = [self._cells(arrow_of(columns[name]), name) for name in self._names]
        lines = pc.binary_join_element_wise(
            *cells, "\t", null_handling="replace", null_replacement=""
        )
        self._file.write("\n".join(lines.to_pylist()) + "\n")

    def close(self) -> None:
        self._file.close()

    def _cells(self, array: Any, name: str) -> Any:
        if pt.is_list(array.type):
            elements = self._mended(
                pc.cast(array.values, pa.string()), r"\s+", "_", name, "spaces became underscores"
            )
            # A null among them would leave the whole cell empty.
            elements = pc.fill_null(elements, _MISSING_NUMBER)
            return pc.binary_join(pa.ListArray.from_arrays(array.offsets, elements), " ")
        if pt.is_floating(array.type):
            return pa.array(_numbers(array), pa.string())
        return self._mended(array, _BREAKS, " ", name, "TABs and line breaks became spaces")

    def _mended(self, texts: Any, pattern: str, by: str, name: str, what: str) -> Any:
        wrong = pc.sum(pc.match_substring_regex(texts, pattern)).as_py() or 0
        if not wrong:
            return texts
        self.replaced[name] = (self.replaced.get(name, (0, what))[0] + wrong, what)
        return pc.replace_substring_regex(texts, pattern, by)


def _numbers(array: Any) -> list[str | None]:
    """Numbers in the shortest form that reads back the same, whole ones without a point."""
    distinct = array.dictionary_encode()
    texts = [_number(value) for value in distinct.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(
        distinct.indices, pa.array(texts, pa.string())
    ).to_pylist()


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


FORMATS: Mapping[str, tuple[type[AtomicFile] | type[ParquetFile], str]] = {
    "atomic": (AtomicFile, ""),
    "parquet": (ParquetFile, ".parquet"),
}


def names_of(suffixes: Sequence[str], name: str, ending: str) -> list[str]:
    """The names of the files of a data set."""
    return [f"{name}.{suffix}{ending}" for suffix in suffixes]
