"""Tables written to CSV, Parquet and JSON piece by piece; a file appears whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from recbole.data.staging import replacing
from recbole.errors import DataError

SUFFIXES = (".csv", ".parquet")
_NEEDS_QUOTES = '[",\r\n]'


class TableWriter(Protocol):
    """Takes the rows of a file, some at a time."""

    def write(self, table: Any) -> None:
        """Append the rows of a `pyarrow.Table`."""


@contextmanager
def write_table(path: Path, schema: Any, separator: str = " ") -> Iterator[TableWriter]:
    """Yield a writer of a .csv, .parquet or .json file, which appears when the block ends well.

    Args:
        path: where the file goes; one that is there is replaced.
        schema: names and Arrow types of the columns.
        separator: between the elements of a list in a cell of CSV.

    Raises:
        DataError: a column has a type for which CSV has no form.
    """
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            with pq.ParquetWriter(temporary, schema) as parquet:
                yield _ParquetFile(parquet)
        elif path.suffix == ".json":
            with temporary.open("w", encoding="utf-8") as text:
                json_file = _JsonFile(text)
                yield json_file
                json_file.end()
        else:
            with temporary.open("wb") as file:
                yield _CsvFile(file, path, schema.names, separator)


def refuse_format(path: Path, suffixes: tuple[str, ...] = SUFFIXES) -> None:
    """Raise DataError where a file's name ends in no format that can be written."""
    if path.suffix not in suffixes:
        raise DataError(
            f"{path}: expected an output that ends in {', '.join(suffixes)}, got {path.suffix!r}"
        )


class _ParquetFile:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, table: Any) -> None:
        self._writer.write_table(table)


class _JsonFile:
    """A list of objects, one for each row and in a line of its own."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._opening = "["

    def write(self, table: Any) -> None:
        for row in table.to_pylist():
            self._file.write(f"{self._opening}\n{json.dumps(row, ensure_ascii=False)}")
            self._opening = ","

    def end(self) -> None:
        """Close the list."""
        self._file.write("\n]\n" if self._opening == "," else "[]\n")


class _CsvFile:
    """CSV with a header, commas and line feeds; quotes only where a cell needs them.

    Arrow's own writer quotes all texts or none. Numbers are in their shortest form that reads back
    as the same number; a missing value is an empty cell.
    """

    def __init__(self, file: IO[bytes], path: Path, names: list[str], separator: str) -> None:
        self._file, self._path, self._separator = file, path, separator
        header = _quoted(pa.array(names, pa.string())).to_pylist()
        file.write((",".join(header) + "\n").encode())

    def write(self, table: Any) -> None:
        cells = [self._cells(table[name].combine_chunks(), name) for name in table.column_names]
        lines = pc.binary_join_element_wise(*cells, ",", null_handling="replace")
        ended = pc.binary_join_element_wise(lines, "\n", "")  # line + "\n"
        self._file.write(_bytes_of(ended))

    def _cells(self, array: Any, name: str) -> Any:
        """A column as the text of its cells."""
        kind = array.type
        try:
            if pt.is_dictionary(kind):
                return self._cells(array.dictionary_decode(), name)
            if pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
                texts = pc.cast(array, pa.list_(pa.string()))
                return _quoted(pc.binary_join(texts, self._separator))
            texts = pc.cast(array, pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise DataError(
                f"{self._path}: the column '{name}' of type {kind} has no form in CSV; drop it, or"
                " write .parquet"
            ) from None
        is_number = pt.is_integer(kind) or pt.is_floating(kind) or pt.is_boolean(kind)
        return texts if is_number else _quoted(texts)


def _quoted(texts: Any) -> Any:
    """With quotes around the texts that need them, and quotes within doubled."""
    needs = pc.match_substring_regex(texts, _NEEDS_QUOTES)
    if not pc.any(needs).as_py():
        return texts
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(needs, pc.binary_join_element_wise('"', doubled, '"', ""), texts)


def _bytes_of(strings: Any) -> memoryview:
    """The texts of an Arrow string array without nulls, one directly after the other."""
    _, offsets, data = strings.buffers()
    bounds = memoryview(offsets).cast("i")[strings.offset : strings.offset + len(strings) + 1]
    return memoryview(data)[bounds[0] : bounds[-1]]
