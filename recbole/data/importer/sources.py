"""The files that someone brings, chunk by chunk: CSV, TSV, JSON lines and Parquet.

The cells of text files stay text until it is known what their column is. A file may be larger than
memory.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from recbole.data.header import encoding_fault
from recbole.errors import DataError, did_you_mean

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
_JSON = (".jsonl", ".ndjson", ".json")
SUFFIXES = (*_SEPARATORS, *_JSON, ".parquet")
_CHUNK_ROWS = 1 << 16
_BLOCK_BYTES = 4 << 20  # of text, read at a time; no row may be longer
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # an escape, in JSON, of what may be half a character
_LONGEST_CELL = 1 << 24  # that the csv module takes when a fault is looked for


@dataclass(frozen=True)
class TextFormat:
    """How a text file is written.

    Attributes:
        separator: between two columns; None means what the file's suffix says.
        encoding: of the text.
        quoted: whether a cell may stand in double quotes (doubled within).
    """

    separator: str | None = None
    encoding: str = "utf-8"
    quoted: bool = True


@dataclass(frozen=True)
class Chunk:
    """Some rows, one after the other: the position of the first, an Arrow table, their bytes."""

    first_row: int
    table: Any
    size: int


@dataclass(frozen=True)
class Source:
    """One file that is opened.

    Attributes:
        path: of the file.
        columns: the names of its columns, as they stand there; "" for one without a name.
        size: of the file, in bytes.
        chunks: starts a pass over the rows; a chunk has the columns that the file, or with JSON
            lines that part of it, has.
        place: says where a row (counted from 0) stands: "line 7" or "row 7".
    """

    path: Path
    columns: tuple[str, ...]
    size: int
    chunks: Callable[[], Iterator[Chunk]]
    place: Callable[[int], str]

    def position(self, row: int) -> str:
        """Where a row stands: "ratings.csv, line 7"."""
        return f"{self.path}, {self.place(row)}"


def open_source(path: Path, text: TextFormat) -> Source:
    """Open a file by its suffix.

    Raises:
        DataError: there is no such file, it is empty or of another kind, or two columns have the
            same name.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"{path}: expected a file that ends in {', '.join(SUFFIXES)}, got {path.suffix!r}"
        )
    if not path.is_file():
        names = [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else []
        raise DataError(f"{path}: no such file.{did_you_mean(path.name, names)}")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty; expected columns and rows")
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        source = _parquet(path)
    elif suffix in _JSON:
        source = _json_lines(path, text)
    else:
        separator = text.separator or _SEPARATORS[suffix]
        source = _delimited(path, TextFormat(separator, text.encoding, text.quoted))
    named = [name for name in source.columns if name]
    twice = [name for name in dict.fromkeys(named) if named.count(name) > 1]
    if twice:
        raise DataError(f"{path}: the column '{twice[0]}' stands twice in the header")
    return source


# --- separated columns ---------------------------------------------------------------------------


def _delimited(path: Path, text: TextFormat) -> Source:
    names = next(_records(path, text), (1, []))[1]
    if not any(names):
        raise DataError(f"{path}, line 1: expected the names of the columns, got no text")
    # Arrow sees numbers for names: those of the file may be empty.
    keys = [str(number) for number in range(len(names))]
    is_utf8 = codecs.lookup(text.encoding).name in ("utf-8", "utf-8-sig")

    def chunks() -> Iterator[Chunk]:
        faults: list[Any] = []

        def note(row: Any) -> str:
            faults.append(row)
            return "error"

        try:
            reader = pyarrow.csv.open_csv(
                path,
                pyarrow.csv.ReadOptions(
                    use_threads=False,
                    block_size=_BLOCK_BYTES,
                    column_names=keys,
                    encoding="utf8" if is_utf8 else text.encoding,
                ),
                pyarrow.csv.ParseOptions(
                    delimiter=text.separator,
                    quote_char='"' if text.quoted else False,
                    double_quote=text.quoted,
                    newlines_in_values=text.quoted,
                    invalid_row_handler=note,
                ),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(keys, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                ),
            )
            first, is_header = 0, True
            for batch in reader:
                rows = pa.Table.from_batches([batch])
                if is_header and len(rows):
                    rows, is_header = rows.slice(1), False
                rows = rows.rename_columns(names)
                yield Chunk(first, rows, rows.nbytes - 4 * rows.num_rows * rows.num_columns)
                first += len(rows)
        except (pa.ArrowException, UnicodeError) as error:
            raise _text_fault(path, text, names, bool(faults), error) from None

    return Source(
        path, tuple(names), path.stat().st_size, chunks, lambda row: _line_of(path, text, row)
    )


@contextmanager
def _long_cells() -> Iterator[None]:
    """The csv module's limit on a cell, which is one for the whole process, raised for a while."""
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _records(path: Path, text: TextFormat) -> Iterator[tuple[int, list[str]]]:
    """The records of a file, as the csv module reads them, each with the line it begins on."""
    encoding = "utf-8-sig" if text.encoding.lower() in ("utf-8", "utf8") else text.encoding
    try:
        with _long_cells(), path.open(encoding=encoding, newline="") as file:
            assert text.separator is not None
            reader = csv.reader(
                file,
                delimiter=text.separator,
                quoting=csv.QUOTE_MINIMAL if text.quoted else csv.QUOTE_NONE,
            )
            line = 1
            for record in reader:
                if record:
                    yield line, record
                line = reader.line_num + 1
    except UnicodeError:
        raise encoding_fault(path, text.encoding) from None
    except csv.Error as error:
        raise DataError(f"{path}: {error}") from None


def _line_of(path: Path, text: TextFormat, row: int) -> str:
    line, _ = next(islice(_records(path, text), row + 1, None))
    return f"line {line}"


def _text_fault(
    path: Path, text: TextFormat, names: list[str], is_uneven: bool, error: Exception
) -> DataError:
    """What is wrong with a file that Arrow could not read, with the line."""
    if isinstance(error, UnicodeError) or "UTF8" in str(error):
        return encoding_fault(path, text.encoding)
    if is_uneven:
        for line, record in _records(path, text):
            if len(record) != len(names):
                assert text.separator is not None
                shown = text.separator.join(record)[:100]
                return DataError(
                    f"{path}, line {line}: expected {len(names)} columns separated by"
                    f" {text.separator!r}, got {len(record)}: {shown!r}"
                )
    reason = str(error).splitlines()[0]
    hint = (
        "; is there a quote that is never closed? --quoted=False takes quotes for text"
        if text.quoted
        else ""
    )
    return DataError(f"{path}: the file could not be read: {reason}{hint}")


# --- JSON lines ----------------------------------------------------------------------------------


def _json_lines(path: Path, text: TextFormat) -> Source:
    """One object in each line; its keys, in the order they first come, are the columns."""
    names: dict[str, None] = {}
    for _, record in _objects(path, text):
        names.update(dict.fromkeys(record))

    def chunks() -> Iterator[Chunk]:
        rows = _objects(path, text)
        first = 0
        while records := list(islice(rows, _CHUNK_ROWS)):
            columns = {
                name: _json_column([record.get(name) for _, record in records], name, path, records)
                for name in names
            }
            table = pa.table(columns)
            yield Chunk(first, table, table.nbytes)
            first += len(records)

    def place(row: int) -> str:
        line, _ = next(islice(_objects(path, text), row, None))
        return f"line {line}"

    return Source(path, tuple(names), path.stat().st_size, chunks, place)


def _objects(path: Path, text: TextFormat) -> Iterator[tuple[int, dict[str, Any]]]:
    encoding = "utf-8-sig" if text.encoding.lower() in ("utf-8", "utf8") else text.encoding
    try:
        with path.open(encoding=encoding) as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    record = json.loads(line.rstrip())
                except json.JSONDecodeError as error:
                    raise DataError(
                        f"{path}, line {number}, column {error.colno}: expected one JSON object in"
                        f" each line: {error.msg}"
                    ) from None
                if not isinstance(record, dict):
                    raise DataError(
                        f"{path}, line {number}: expected one JSON object in each line, got"
                        f" {line.strip()[:60]!r}"
                    )
                if _HALF.search(line):
                    _refuse_halves(record, f"{path}, line {number}")
                yield number, record
    except UnicodeError:
        raise encoding_fault(path, text.encoding) from None


def _refuse_halves(record: dict[str, Any], where: str) -> None:
    """Escapes of both halves make one character; one without the other is no text."""
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{where}: expected whole characters, got {error.object[error.start]!r}, half of one (a"
            " lone surrogate)"
        ) from None


def _json_column(
    values: list[Any], name: str, path: Path, records: list[tuple[int, dict[str, Any]]]
) -> Any:
    """Values of one key: text, as in a CSV file, or lists of text or numbers."""
    kinds = {type(value) for value in values}
    if dict in kinds:
        where = next(line for line, record in records if isinstance(record.get(name), dict))
        raise DataError(
            f"{path}, line {where}: '{name}' is an object; expected text, numbers, true, false or a"
            f" list of these. Leave it out with --drop {name}"
        )
    if list not in kinds:
        return pa.array([_json_text(value) for value in values], pa.string())
    lists = [value if isinstance(value, list) or value is None else [value] for value in values]
    flat = [element for row in lists if row for element in row]
    if any(isinstance(element, dict | list) for element in flat):
        raise DataError(
            f"{path}: '{name}' has lists of objects or lists; expected lists of text or numbers."
            f" Leave it out with --drop {name}"
        )
    element_types = {type(element) for element in flat if element is not None}
    if element_types <= {int, float} and float in element_types:
        return pa.array(lists, pa.list_(pa.float64()))
    return pa.array(
        [None if row is None else [_json_text(e) for e in row] for row in lists],
        pa.list_(pa.string()),
    )


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    return str(value)


# --- Parquet -------------------------------------------------------------------------------------


def _parquet(path: Path) -> Source:
    try:
        with pq.ParquetFile(path) as file:
            names, rows = file.schema_arrow.names, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: expected a Parquet file: {str(error).splitlines()[0]}") from None
    size = path.stat().st_size

    def chunks() -> Iterator[Chunk]:
        first = 0
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=_CHUNK_ROWS):
                    yield Chunk(
                        first, pa.Table.from_batches([batch]), size * len(batch) // max(1, rows)
                    )
                    first += len(batch)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{path}: the file is damaged: {reason}") from None

    return Source(path, tuple(names), size, chunks, lambda row: f"row {row + 1}")
