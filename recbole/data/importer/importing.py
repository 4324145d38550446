"""Own tables -> a data set: look through the files once, plan, write them in a second pass.

Both passes go chunk by chunk, so that a file may be larger than memory. The data set's files appear
when all of them are whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbole.data.arrow_columns import CellError, columns_from_arrow
from recbole.data.columns import Column, FloatColumn, Mask, TokenColumn
from recbole.data.importer.inference import Evidence, texts_of
from recbole.data.importer.moments import seconds_of
from recbole.data.importer.plan import (
    ROLE_NAMES,
    ImportRequest,
    PlannedColumn,
    TablePlan,
    check_columns_named,
    left_out_of,
    plan_table,
    roles_of,
)
from recbole.data.importer.sources import Source, open_source
from recbole.data.importer.writing import FORMATS, Writer
from recbole.data.options import Suffix
from recbole.data.rating_scale import Fit, Levels, fit
from recbole.data.schema import FeatureType
from recbole.data.staging import staging_folder
from recbole.errors import ConfigError, DataError

_NAMED_ROWS = 5
_BREAKS = re.compile(r"[\t\r\n]")

#: Is called with the bytes and rows that are done.
Advance = Callable[[int, int], None]


@dataclass
class Written:
    """What came of one file.

    Attributes:
        plan: its columns.
        rows: written.
        incomplete: rows left out for want of an id or a rating; the first of them are in `named`.
        replaced: by column, how many cells were changed, and how.
    """

    plan: TablePlan
    rows: int = 0
    incomplete: int = 0
    named: list[str] = field(default_factory=list)
    replaced: Mapping[str, tuple[int, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Imported:
    """A data set that has been written.

    Attributes:
        name: of the data set.
        paths: its files.
        tables: what came of each file brought.
        levels: the ratings; none where there is no rating column.
        fit: the options that fit them.
    """

    name: str
    paths: tuple[Path, ...]
    tables: tuple[Written, ...]
    levels: Levels
    fit: Fit | None


def import_tables(
    request: ImportRequest,
    advance: Advance = lambda size, rows: None,  # noqa: ARG005
) -> Imported:
    """Write a data set, `<to>/<name>/<name>.inter` and so on, from own files.

    Raises:
        ConfigError: an option names a column that is not there, or contradicts another one.
        DataError: a file is missing or malformed, a cell is not of its column's type, or the data
            set is there already. Nothing is written then.
    """
    name = request.dataset_name()
    if request.format not in FORMATS:
        raise ConfigError(
            f"Option 'format': expected {' or '.join(FORMATS)}, got {request.format!r}"
        )
    folder = request.to / name
    _refuse_overwriting(folder, name, request)
    given: dict[Suffix, Path | None] = {
        "inter": request.interactions,
        "user": request.users,
        "item": request.items,
    }
    sources = {s: open_source(path, request.text) for s, path in given.items() if path is not None}
    check_columns_named(request, list(sources.values()))
    roles = {suffix: roles_of(request, suffix, source) for suffix, source in sources.items()}
    taken: set[str] = set()
    plans = []
    for suffix, source in sources.items():
        evidence = _look(source, request, roles[suffix], advance)
        plans.append(plan_table(request, suffix, source, roles[suffix], evidence, taken))
    file_class, ending = FORMATS[request.format]
    levels = Levels()
    with staging_folder(folder) as staging:
        tables = []
        for plan in plans:
            types = {column.name: column.type for column in plan.columns}
            writer = file_class(staging / f"{name}.{plan.suffix}{ending}", types)
            with closing(writer):
                tables.append(_write(plan, request, writer, levels, advance))
        paths = _place(staging, folder, name)
    return Imported(name, paths, tuple(tables), levels, fit(levels))


def _refuse_overwriting(folder: Path, name: str, request: ImportRequest) -> None:
    there = data_files(folder, name)
    if there and not request.force:
        raise DataError(
            f"{folder} holds {', '.join(path.name for path in there)} already; --force replaces"
            " them, --name=... takes another name"
        )
    inputs = (request.interactions, request.users, request.items)
    for path in inputs:
        if path is not None and path.exists() and any(path.samefile(other) for other in there):
            raise DataError(f"{path}: expected an input other than the files to be replaced")


def data_files(folder: Path, name: str) -> list[Path]:
    """The files of a data set, atomic and Parquet, parts of benchmarks among them."""
    pattern = re.compile(rf"{re.escape(name)}(\.[^.]+)?\.(inter|user|item)(\.parquet)?")
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name))


def _place(staging: Path, folder: Path, name: str) -> tuple[Path, ...]:
    """Move the files that are built to their folder, and remove those that they replace."""
    folder.mkdir(exist_ok=True)
    before = data_files(folder, name)
    order = (".inter", ".user", ".item")
    built = sorted(
        staging.iterdir(), key=lambda p: order.index(Path(p.name.removesuffix(".parquet")).suffix)
    )
    placed = tuple(path.replace(folder / path.name) for path in built)
    for path in before:
        if path not in placed:
            path.unlink()
    return placed


def _look(
    source: Source, request: ImportRequest, roles: Mapping[str, str], advance: Advance
) -> dict[str, Evidence]:
    """The first pass: what the cells of each column are."""
    left_out = left_out_of(request, source, roles)
    names = [name for name in source.columns if name and name not in left_out]
    evidence = {name: Evidence(request.list_separator) for name in names}
    for chunk in source.chunks():
        for name in names:
            array = chunk.table[name].combine_chunks()
            evidence[name].add(array, f"{source.path}: column {name!r}")
        advance(chunk.size, len(chunk.table))
    if not any(found.rows for found in evidence.values()):
        raise DataError(f"{source.path}: expected rows below the names of the columns, got none")
    return evidence


def _write(
    plan: TablePlan, request: ImportRequest, writer: Writer, levels: Levels, advance: Advance
) -> Written:
    """The second pass: convert and write."""
    written = Written(plan)
    for chunk in plan.source.chunks():
        columns = {
            column.name: _convert(chunk, column, plan.source, request.list_separator)
            for column in plan.columns
        }
        complete = _complete(columns, plan, written, chunk.first_row)
        if request.format == "atomic":
            _refuse_breaks_in_ids(columns, plan, chunk.first_row)
        rating = next((c.name for c in plan.columns if c.role == "rating"), None)
        if not complete.all():
            kept = np.flatnonzero(complete)
            columns = {name: column.take(kept) for name, column in columns.items()}
        if rating is not None:
            found = columns[rating]
            assert isinstance(found, FloatColumn)
            levels.add(found.values)
        if complete.any():
            writer.write(columns)
        written.rows += int(complete.sum())
        advance(chunk.size, len(chunk.table))
    if not written.rows:
        raise DataError(
            f"{plan.source.path}: expected at least one complete row, got {written.incomplete:,}"
            f" without an id or a rating: {'; '.join(written.named)}"
        )
    written.replaced = writer.replaced
    return written


def _convert(chunk: Any, column: PlannedColumn, source: Source, separator: str) -> Column:
    array = chunk.table[column.original].combine_chunks()
    where = f"column {column.original!r}"
    try:
        if "text" in column.evidence.kinds and _is_scalar_text(array):
            array = texts_of(array)
        if column.is_moment:
            array = _moments(array)
        elif column.type in (FeatureType.TOKEN_SEQ, FeatureType.FLOAT_SEQ):
            if pa.types.is_string(array.type):
                array = pc.split_pattern(array, separator)
            array = _without_blanks(array)
        return columns_from_arrow(
            pa.table({column.name: array}), {column.name: column.type}, separator
        )[column.name]
    except CellError as fault:
        place = source.path if fault.row is None else source.position(chunk.first_row + fault.row)
        wanted = f"--{column.role}" if column.role else f"type {column.type.value}"
        hint = ""
        if column.role == "time":
            hint = "; a time is a number, or ISO 8601 such as 2026-11-21 or 2026-11-21T10:30:00Z"
        raise DataError(f"{place}: {where} ({wanted}): {fault}{hint}") from None


def _is_scalar_text(array: Any) -> bool:
    kind = array.type
    nested = pa.types.is_nested(kind)
    fraction = pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return not (nested or fraction or pa.types.is_temporal(kind) or pa.types.is_null(kind))


def _moments(texts: Any) -> Any:
    words = pc.is_in(texts, value_set=pa.array(["", "nan", "NaN", "NA", "null", "NULL"]))
    return seconds_of(pc.if_else(words, None, texts))


def _without_blanks(array: Any) -> Any:
    """Lists of text without blanks around their elements."""
    if not (pa.types.is_list(array.type) and pa.types.is_string(array.type.value_type)):
        return array
    return pa.ListArray.from_arrays(
        pa.array(np.asarray(array.offsets) - array.offsets[0].as_py()),
        pc.utf8_trim_whitespace(array.flatten()),
        mask=array.is_null(),
    )


def _complete(
    columns: Mapping[str, Column], plan: TablePlan, written: Written, first_row: int
) -> Mask:
    """Which rows have ids and, where there is a column of ratings, a rating: bool [N]."""
    needed = [column.name for column in plan.columns if column.role in ("user", "item", "rating")]
    complete = ~np.any([columns[name].missing for name in needed], axis=0)
    rows = np.flatnonzero(~complete)
    written.incomplete += len(rows)
    for row in rows[: _NAMED_ROWS - len(written.named)].tolist():
        written.named.append(plan.source.place(first_row + row))
    return complete


def _refuse_breaks_in_ids(columns: Mapping[str, Column], plan: TablePlan, first_row: int) -> None:
    """A TAB or a line break in an id cannot be written, and must not make two ids one."""
    for planned in plan.columns:
        column = columns[planned.name]
        if planned.name not in (ROLE_NAMES["user"], ROLE_NAMES["item"]) or not isinstance(
            column, TokenColumn
        ):
            continue
        broken = pc.match_substring_regex(column.vocabulary, _BREAKS.pattern).to_numpy(False)
        if broken.any():
            row = int(np.flatnonzero(np.append(broken, False)[column.codes])[0])
            raise DataError(
                f"{plan.source.position(first_row + row)}: column {planned.original!r}: expected an"
                " id without TABs and line breaks, which atomic files cannot hold;"
                " --format=parquet can"
            )
