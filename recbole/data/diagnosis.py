"""What is wrong with an atomic file that could not be read: the first line at fault."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from recbole.data.header import Header, encoding_fault
from recbole.data.numbers import parse_number
from recbole.data.options import DataOptions
from recbole.data.schema import FeatureType
from recbole.errors import DataError


def find_fault(
    path: Path,
    header: Header,
    loaded: Mapping[str, FeatureType],
    options: DataOptions,
    error: Exception,
) -> DataError:
    """The error for the first line that cannot be read.

    Args:
        error: what the fast reader said; it is passed on where no line is found at fault.
    """
    try:
        text = path.read_bytes().decode(options.encoding)
    except UnicodeError:
        return encoding_fault(path, options.encoding)
    for number, line in numbered_rows(text):
        fault = _fault_of(line, header, loaded, options)
        if fault:
            return DataError(f"{path}, line {number}: {fault}")
    return DataError(f"{path}: the file could not be read: {error}")


def line_number(path: Path, encoding: str, row: int) -> int:
    """The line, counted from 1, on which a data row (counted from 0) stands."""
    text = path.read_bytes().decode(encoding)
    for position, (number, _) in enumerate(numbered_rows(text)):
        if position == row:
            return number
    raise IndexError(f"{path} has no row {row}")


def numbered_rows(text: str) -> Iterator[tuple[int, str]]:
    """The lines below the header with their numbers, counted from 1; empty ones are no rows."""
    lines = io.StringIO(text, newline=None)
    for number, line in enumerate(lines, start=1):
        if number > 1 and line != "\n":
            yield number, line.removesuffix("\n")


def _fault_of(
    line: str, header: Header, loaded: Mapping[str, FeatureType], options: DataOptions
) -> str | None:
    cells = line.split(options.field_separator)
    if len(cells) != len(header.titles):
        return (
            f"expected {len(header.titles)} columns separated by {options.field_separator!r},"
            f" got {len(cells)}"
        )
    for name, cell in zip(header.types, cells, strict=True):
        feature_type = loaded.get(name)
        if feature_type is FeatureType.FLOAT:
            elements = [cell]
        elif feature_type is FeatureType.FLOAT_SEQ:
            elements = [element for element in cell.split(options.seq_separator) if element]
        else:
            continue
        for element in elements:
            try:
                parse_number(element)
            except ValueError as error:
                return f"column '{name}': {error}"
    return None
