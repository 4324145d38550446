"""Rows to be scored, chunk by chunk: from CSV, Parquet and .inter files, and from tables.

A file larger than memory is read in pieces. The cells of text files stay the text they are.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from recbole.data.header import encoding_fault, read_header
from recbole.data.options import DataOptions
from recbole.errors import DataError

SUFFIXES = (".csv", ".parquet", ".inter")
CHUNK_ROWS = 1 << 17
_CHUNK_BYTES = 1 << 28  # of a chunk, about; rows longer than 2 KiB make smaller chunks
_BLOCK_BYTES = 4 << 20  # of text, read at a time; no line may be longer


@dataclass(frozen=True)
class Chunk:
    """Some rows of a source, one after the other.

    Attributes:
        first_row: the position of its first row in the source, from 0.
        table: the rows, a `pyarrow.Table` with all columns of the source.
        size: how much of the source's `size` this is.
    """

    first_row: int
    table: Any
    size: int


@dataclass(frozen=True)
class RowSource:
    """Rows that come chunk by chunk.

    Attributes:
        name: what messages call it: the file's path, or "rows".
        schema: names and Arrow types of its columns.
        size: the size of the whole, in rows or (of a text file, roughly) bytes.
        chunks: starts a pass over the rows. It raises DataError where they are malformed, and
            where there are none at all.
    """

    name: str
    schema: Any
    size: int
    chunks: Callable[[], Iterator[Chunk]]


def open_rows(rows: Any, options: DataOptions, chunk_rows: int = CHUNK_ROWS) -> RowSource:
    """Open a file (by its path), an Arrow table, a data frame or a dictionary of columns.

    Args:
        rows: what to read; a path ends in .csv, .parquet or .inter.
        options: separator and encoding of .inter files.
        chunk_rows: the most rows of one chunk.

    Raises:
        DataError: there is no such file, it is of another kind, empty or malformed, or it has two
            columns of one name.
    """
    if isinstance(rows, str | Path):
        source = _open_file(Path(rows), options, chunk_rows)
    else:
        table = as_table(rows, "rows", "a path, a data frame")
        source = RowSource(
            "rows", table.schema, len(table), lambda: _pieces([(table, len(table))], chunk_rows)
        )
    refuse_repeated(source.schema.names, source.name)
    return RowSource(source.name, source.schema, source.size, lambda: _some(source))


def _open_file(path: Path, options: DataOptions, chunk_rows: int) -> RowSource:
    if path.suffix not in SUFFIXES:
        raise DataError(
            f"{path}: expected a file that ends in {', '.join(SUFFIXES)}, got {path.suffix!r}"
        )
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob("*") if p.suffix in SUFFIXES)
        there = f"; {path.parent}/ holds {', '.join(near[:8])}" if near else ""
        raise DataError(f"{path}: no such file{there}")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty; expected columns and rows")
    if path.suffix == ".parquet":
        return _parquet(path, chunk_rows)
    if path.suffix == ".csv":
        return _csv(path, chunk_rows)
    return _inter(path, options, chunk_rows)


def _parquet(path: Path, chunk_rows: int) -> RowSource:
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: expected a Parquet file: {_first_line(error)}") from None

    groups = (file.metadata.row_group(number) for number in range(file.num_row_groups))
    row_bytes = sum(group.total_byte_size for group in groups) / max(1, file.metadata.num_rows)
    batch_rows = max(1, min(chunk_rows, int(_CHUNK_BYTES / max(1, row_bytes))))

    def tables() -> Iterator[tuple[Any, int]]:
        try:
            for batch in file.iter_batches(batch_size=batch_rows):
                yield pa.Table.from_batches([batch]), len(batch)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: the file is damaged: {_first_line(error)}") from None

    return RowSource(
        str(path), file.schema_arrow, file.metadata.num_rows, lambda: _pieces(tables(), chunk_rows)
    )


def _csv(path: Path, chunk_rows: int) -> RowSource:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
    except UnicodeError:
        raise encoding_fault(path, "utf-8") from None
    if not names:
        raise DataError(f"{path}, line 1: expected the names of the columns, got no text")
    reading = pyarrow.csv.ReadOptions(
        use_threads=False,  # so that a fault comes with its line
        block_size=_BLOCK_BYTES,
    )
    parsing = pyarrow.csv.ParseOptions(newlines_in_values=True)
    return _text_source(path, "utf-8", names, reading, parsing, chunk_rows)


def _inter(path: Path, options: DataOptions, chunk_rows: int) -> RowSource:
    names = list(read_header(path, options).types)
    is_utf8 = codecs.lookup(options.encoding).name in ("utf-8", "utf-8-sig")
    reading = pyarrow.csv.ReadOptions(
        use_threads=False,
        block_size=_BLOCK_BYTES,
        skip_rows=1,
        column_names=names,
        encoding="utf8" if is_utf8 else options.encoding,
    )
    parsing = pyarrow.csv.ParseOptions(
        delimiter=options.field_separator, quote_char=False, double_quote=False, escape_char=False
    )
    return _text_source(path, options.encoding, names, reading, parsing, chunk_rows)


def _text_source(
    path: Path, encoding: str, names: list[str], reading: Any, parsing: Any, chunk_rows: int
) -> RowSource:
    converting = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
    )

    def tables() -> Iterator[tuple[Any, int]]:
        faults: list[Any] = []

        def note(row: Any) -> str:
            faults.append(row)
            return "error"

        parsing.invalid_row_handler = note
        try:
            for batch in pyarrow.csv.open_csv(path, reading, parsing, converting):
                yield pa.Table.from_batches([batch]), _text_bytes(batch)
        except (pa.ArrowException, UnicodeError) as error:
            raise _text_fault(path, encoding, faults, error) from None

    schema = pa.schema([(name, pa.string()) for name in names])
    size = path.stat().st_size
    return RowSource(str(path), schema, size, lambda: _pieces(tables(), chunk_rows))


def _text_bytes(batch: Any) -> int:
    """About how many bytes of text a batch was: its cells, each with a separator."""
    return sum(column.nbytes - 4 * len(column) for column in batch.columns) + (
        batch.num_rows * batch.num_columns
    )


def _text_fault(path: Path, encoding: str, faults: list[Any], error: Exception) -> DataError:
    if faults:
        row = faults[0]
        where = f", line {row.number}" if row.number is not None else ""
        return DataError(
            f"{path}{where}: expected {row.expected_columns} columns, got {row.actual_columns}:"
            f" {row.text[:200]!r}"
        )
    if isinstance(error, UnicodeError) or "UTF8" in str(error):
        return encoding_fault(path, encoding)
    return DataError(f"{path}: the file could not be read: {_first_line(error)}")


def as_table(rows: Any, what: str, first: str = "a data frame") -> Any:
    """A data frame, a `pyarrow.Table` or a dictionary of columns as a `pyarrow.Table`.

    Args:
        what: what messages call the rows.
        first: what else could have been given, in front of the others.

    Raises:
        DataError: it is none of these, or a column holds values of several types.
    """
    if isinstance(rows, pa.Table):
        return rows
    is_columns = isinstance(rows, Mapping | pa.RecordBatch) or hasattr(rows, "__arrow_c_stream__")
    if not is_columns:
        raise DataError(
            f"expected {first}, a pyarrow Table or a dictionary of columns, got"
            f" {type(rows).__name__}"
        )
    for name, cells in rows.items() if isinstance(rows, Mapping) else ():
        if isinstance(cells, str | bytes) or not isinstance(cells, Iterable):
            raise DataError(
                f"{what}: expected a list of cells in the column '{name}', got {cells!r}"
            )
    try:
        if type(rows).__module__.partition(".")[0] == "pandas":
            refuse_repeated(map(str, rows.columns), what)
            return pa.Table.from_pandas(rows, preserve_index=False)
        return pa.table(rows)
    except (pa.ArrowException, ValueError, TypeError) as error:
        reason = "; ".join(str(part) for part in error.args) or type(error).__name__
        raise DataError(
            f"{what}: expected one type in each column: {reason.splitlines()[0]}"
        ) from None


def _pieces(tables: Iterable[tuple[Any, int]], chunk_rows: int) -> Iterator[Chunk]:
    """Tables and their sizes, cut and joined into chunks of `chunk_rows` rows, without copies.

    The same rows make the same chunks, whatever form they come in; only those of very long rows are
    smaller, so that a chunk fits into memory.
    """
    first, pending, size = 0, None, 0
    for table, table_size in tables:
        pending = table if pending is None else pa.concat_tables([pending, table])
        size += table_size
        while len(pending) >= chunk_rows or pending.nbytes > _CHUNK_BYTES:
            table, rest = pending.slice(0, chunk_rows), pending.slice(chunk_rows)
            share = size * len(table) // len(pending)
            yield Chunk(first, table, share)
            first, pending, size = first + len(table), rest, size - share
    if pending is not None and len(pending):
        yield Chunk(first, pending, size)


def _some(source: RowSource) -> Iterator[Chunk]:
    """The chunks of a source that is not to be without rows."""
    chunks = source.chunks()
    first = next(chunks, None)
    if first is None:
        raise DataError(f"{source.name}: expected at least one row, got none")
    yield first
    yield from chunks


def refuse_repeated(columns: Iterable[str], what: str) -> None:
    """Raise DataError where a name stands twice among the columns of `what`."""
    seen: set[str] = set()
    for name in columns:
        if name in seen:
            raise DataError(f"{what}: the column '{name}' stands twice")
        seen.add(name)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
