"""The files of one data set, read and checked against each other."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from recbole.data.atomic import columns_to_load, read_atomic_file
from recbole.data.columns import SequenceColumn, Table, TokenColumn, concatenate
from recbole.data.diagnosis import line_number
from recbole.data.header import read_header
from recbole.data.numbers import numbers_of, parse_number
from recbole.data.options import DataOptions, Suffix
from recbole.data.parquet import SUFFIX as PARQUET
from recbole.data.parquet import parquet_types, read_parquet_file
from recbole.data.schema import FeatureType
from recbole.data.source_files import sha256
from recbole.errors import DataError, did_you_mean

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AtomicData:
    """The tables of one data set before they are encoded.

    Attributes:
        interactions: one row per interaction.
        users: one row per user, where there is a .user file.
        items: one row per item, where there is an .item file.
        part_sizes: rows of each benchmark file, in order; None without benchmark files.
        fingerprint: the SHA-256 of each file read, by file name.
    """

    interactions: Table
    users: Table | None
    items: Table | None
    part_sizes: tuple[int, ...] | None
    fingerprint: Mapping[str, str]

    def tables(self) -> dict[Suffix, Table]:
        """The tables that are there, by the suffix of their file."""
        found: dict[Suffix, Table] = {"inter": self.interactions}
        if self.users is not None:
            found["user"] = self.users
        if self.items is not None:
            found["item"] = self.items
        return found

    def with_table(self, suffix: Suffix, table: Table) -> AtomicData:
        """With one of the tables replaced."""
        if suffix == "inter":
            return replace(self, interactions=table)
        return replace(self, users=table) if suffix == "user" else replace(self, items=table)

    def types(self) -> dict[str, FeatureType]:
        """The type of every column, in the order of the files .inter, .user, .item."""
        return {
            name: column.type
            for table in self.tables().values()
            for name, column in table.columns.items()
        }


def read_atomic_files(
    folder: Path, name: str, options: DataOptions, hashes: Mapping[str, str] | None = None
) -> AtomicData:
    """Read `<folder>/<name>.inter` (or its benchmark parts), `.user` and `.item`.

    Each may be a Parquet file instead, `<name>.inter.parquet` and so on.

    Args:
        hashes: the SHA-256 of files, by name, where it is known already.

    Raises:
        DataError: a file is missing or malformed, or there twice; an id column is missing or no
            token; or two files have a column of the same name that is no id.
    """
    parts = options.benchmark_filename
    names = [f"{name}.inter"] if parts is None else [f"{name}.{part}.inter" for part in parts]
    paths = [located(folder / file_name) for file_name in names]
    tables = [_read_required(path, options) for path in paths]
    if len({tuple(_types(table).items()) for table in tables}) > 1:
        raise DataError(
            f"{folder}: expected the same columns in {', '.join(names)}, got"
            f" {'; '.join(map(_titles, tables))}"
        )
    interactions = concatenate(tables) if len(tables) > 1 else tables[0]
    users = _read_optional(folder, name, "user", options, paths)
    items = _read_optional(folder, name, "item", options, paths)
    return checked_data(
        interactions,
        users,
        items,
        options,
        part_sizes=None if parts is None else tuple(len(table) for table in tables),
        fingerprint={path.name: (hashes or {}).get(path.name) or sha256(path) for path in paths},
    )


def checked_data(
    interactions: Table,
    users: Table | None,
    items: Table | None,
    options: DataOptions,
    *,
    fingerprint: Mapping[str, str],
    part_sizes: tuple[int, ...] | None = None,
) -> AtomicData:
    """The tables of a data set, with numbers for targets, checked against each other.

    Raises:
        DataError: an id column is missing or no token, two tables have a column of the same name
            that is no id, or a target is no number.
    """
    data = AtomicData(
        interactions=_with_numeric_targets(interactions, options),
        users=users,
        items=items,
        part_sizes=part_sizes,
        fingerprint=fingerprint,
    )
    _check_ids(data, options)
    _check_shared_columns(data, options)
    return data


def location(table: Table, row: int, options: DataOptions) -> str:
    """Where a row of a table comes from: "<file>, line N", or "<file>, row N" without lines."""
    if not table.paths:
        return f"row {row}"
    path = table.paths[int(table.files[row])]
    if path.endswith(PARQUET) or not Path(path).is_file():  # or a data frame
        return f"{path}, row {int(table.rows[row]) + 1}"
    return f"{path}, line {line_number(Path(path), options.encoding, int(table.rows[row]))}"


def located(path: Path) -> Path:
    """An atomic file's path, or that of the Parquet file that stands in its place.

    Raises:
        DataError: both are there.
    """
    parquet = path.with_name(path.name + PARQUET)
    if not parquet.is_file():
        return path
    if path.is_file():
        raise DataError(
            f"{path} and {parquet.name} are both there; expected one of them, so remove the other"
        )
    return parquet


def read_table_file(path: Path, options: DataOptions, source: Suffix) -> Table | None:
    """Read an atomic or Parquet file; see `read_atomic_file` and `read_parquet_file`."""
    if path.suffix == PARQUET:
        return read_parquet_file(path, options, source)
    return read_atomic_file(path, options, source)


def types_of_file(path: Path, options: DataOptions, source: Suffix) -> dict[str, FeatureType]:
    """The types of the columns of an atomic or Parquet file that the options ask for."""
    if path.suffix == PARQUET:
        return parquet_types(path, options, source)
    return columns_to_load(path, read_header(path, options).types, options, source)


def _read_required(path: Path, options: DataOptions) -> Table:
    table = read_table_file(path, options, "inter")
    if table is None:
        raise DataError(
            f"{path}: load_col or unload_col leaves out every column; expected at least"
            f" '{options.USER_ID_FIELD}' and '{options.ITEM_ID_FIELD}' of 'inter'"
        )
    return table


def _read_optional(
    folder: Path, name: str, suffix: Suffix, options: DataOptions, paths: list[Path]
) -> Table | None:
    path = located(folder / f"{name}.{suffix}")
    asked_for = (options.load_col or {}).get(suffix)
    if not path.is_file() and not isinstance(asked_for, list):
        return None
    if options.load_col is not None and suffix not in options.load_col:
        return None
    table = read_table_file(path, options, suffix)
    if table is not None:
        paths.append(path)
    return table


def _types(table: Table) -> dict[str, FeatureType]:
    return {name: column.type for name, column in table.columns.items()}


def _titles(table: Table) -> str:
    return ", ".join(f"{name}:{type_.value}" for name, type_ in _types(table).items())


def _check_ids(data: AtomicData, options: DataOptions) -> None:
    required = {
        "inter": (options.USER_ID_FIELD, options.ITEM_ID_FIELD),
        "user": (options.USER_ID_FIELD,),
        "item": (options.ITEM_ID_FIELD,),
    }
    for suffix, table in data.tables().items():
        for field in required[suffix]:
            role = "USER_ID_FIELD" if field == options.USER_ID_FIELD else "ITEM_ID_FIELD"
            if field not in table:
                raise DataError(
                    f"{table.paths[0]}: expected the column '{field}' (option {role}), got"
                    f" {', '.join(table.columns)}.{did_you_mean(field, table.columns)}"
                )
            if not isinstance(table[field], TokenColumn):
                raise DataError(
                    f"{table.paths[0]}: expected the id column '{field}' (option {role}) to be of"
                    f" type token, got {table[field].type.value}"
                )


def _check_shared_columns(data: AtomicData, options: DataOptions) -> None:
    keys = {options.USER_ID_FIELD, options.ITEM_ID_FIELD}
    for (one, left), (other, right) in combinations(data.tables().items(), 2):
        shared = [name for name in left.columns if name in right and name not in keys]
        if shared:
            raise DataError(
                f"The column '{shared[0]}' is in both the .{one} and the .{other} file; expected"
                f" one of them, so name it in unload_col: {{{other}: [{shared[0]}]}}"
            )
    for suffix, foreign in (("user", options.ITEM_ID_FIELD), ("item", options.USER_ID_FIELD)):
        table = data.tables().get("user" if suffix == "user" else "item")
        if table is not None and foreign in table:
            raise DataError(
                f"{table.paths[0]}: the id column '{foreign}' does not belong in a .{suffix} file;"
                f" name it in unload_col: {{{suffix}: [{foreign}]}}"
            )


def _with_numeric_targets(table: Table, options: DataOptions) -> Table:
    """Ratings and labels are numbers, even where the file declares them to be tokens."""
    for name in target_columns(options):
        column = table.columns.get(name)
        if isinstance(column, SequenceColumn):
            raise DataError(
                f"{table.paths[0]}: expected the target column '{name}' to be of type float or"
                f" token, got {column.type.value}"
            )
        if isinstance(column, TokenColumn):
            try:
                table = table.with_column(name, numbers_of(column))
                _log.warning(
                    "'%s' is declared token, but is the target: it is read as numbers and left out"
                    " of the inputs",
                    name,
                )
            except ValueError as error:
                row = _first_fault(column)
                raise DataError(
                    f"{location(table, row, options)}: target column '{name}': {error}"
                ) from None
    return table


def _first_fault(column: TokenColumn) -> int:
    """The first row whose token is no number."""
    for row, code in enumerate(column.codes):
        if code >= 0:
            try:
                parse_number(column.vocabulary[int(code)].as_py())
            except ValueError:
                return row
    raise AssertionError("every token is a number")


def target_columns(options: DataOptions) -> tuple[str, ...]:
    """The columns of .inter that say what is to be predicted, and so are never inputs."""
    return tuple(
        dict.fromkeys([*(options.threshold or {}), options.RATING_FIELD, options.LABEL_FIELD])
    )
