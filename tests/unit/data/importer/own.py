"""Short ways to write own files, import them and read what came of it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from recbole.data import DataOptions
from recbole.data.columns import Column, FloatColumn, SequenceColumn
from recbole.data.files import read_atomic_files
from recbole.data.importer import Imported, ImportRequest, import_tables
from recbole.data.importer.sources import TextFormat


def imported(path: Path, data: str | bytes, **options: Any) -> Imported:
    """Import one file of interactions with the columns u, i and, by default, r."""
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return imported_file(path, **options)


def imported_file(path: Path, **options: Any) -> Imported:
    """Import a file that is there to `dataset/` beside it."""
    text = {n: options.pop(n) for n in ("separator", "encoding", "quoted") if n in options}
    chosen = {"user": "u", "item": "i", "rating": "r", "to": path.parent / "dataset", **options}
    return import_tables(ImportRequest(path, text=TextFormat(**text), **chosen))


def read_back(done: Imported, **options: Any) -> dict[str, list[Any]]:
    """All columns of a data set that was imported, as a run reads them, as Python lists."""
    folder = done.paths[0].parent
    data = read_atomic_files(folder, done.name, DataOptions(**options))
    return {
        name: plain(column)
        for table in data.tables().values()
        for name, column in table.columns.items()
    }


def types_of(done: Imported) -> dict[str, str]:
    """The types that the data set's columns got."""
    return {c.name: c.type.value for table in done.tables for c in table.plan.columns}


def plain(column: Column) -> list[Any]:
    """A column as Python values; None is a missing one."""
    if isinstance(column, SequenceColumn):
        flat, ends = plain(column.elements), column.offsets.tolist()
        return [flat[start:end] for start, end in pairwise(ends)]
    if isinstance(column, FloatColumn):
        return [None if number != number else number for number in column.values.tolist()]
    names = column.vocabulary.to_pylist()
    return [names[code] if code >= 0 else None for code in column.codes.tolist()]
