"""Parquet files in the place of atomic ones: the same columns, typed by the file's own schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from recbole.data.arrow_columns import CellError, columns_from_arrow, is_list, is_text
from recbole.data.atomic import columns_to_load
from recbole.data.columns import SequenceColumn, Table
from recbole.data.options import DataOptions, Suffix
from recbole.data.schema import FeatureType
from recbole.errors import DataError, did_you_mean

SUFFIX = ".parquet"
#: The key of a column's metadata, in the schema, that says which type it is, such as b"token".
TYPE_KEY = b"recbole_type"
#: What pandas calls the labels of rows that have no name of their own.
_INDEX = re.compile(r"__index_level_\d+__")
_TYPES = tuple(feature_type.value for feature_type in FeatureType)


def read_parquet_file(path: Path, options: DataOptions, source: Suffix) -> Table | None:
    """Read the columns of one file that the options ask for.

    Args:
        source: which of the three kinds of files this is: inter, user or item.

    Returns:
        A table, or None where the options ask for no column of this file.

    Raises:
        DataError: the file is missing, damaged or empty, lacks a column that is asked for, or has
            one of a type, or with a cell, that is none of ours.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
        loaded = columns_to_load(path, fields_by_name(schema, str(path)), options, source)
        texts = [name for name, field in loaded.items() if is_text(field.type)]
        arrow = pq.read_table(path, columns=list(loaded), read_dictionary=texts) if loaded else None
    except (pa.ArrowException, OSError) as error:
        raise _not_parquet(path, error) from None
    if arrow is None:
        return None
    types = {name: feature_type(field, str(path), options) for name, field in loaded.items()}
    return typed_table(arrow, types, options, str(path))


def parquet_types(path: Path, options: DataOptions, source: Suffix) -> dict[str, FeatureType]:
    """The types of the columns that the options ask for, in the order of the file.

    Raises:
        DataError: as `read_parquet_file`.
    """
    try:
        with pq.ParquetFile(path) as file:
            fields = fields_by_name(file.schema_arrow, str(path))
    except (pa.ArrowException, OSError) as error:
        raise _not_parquet(path, error) from None
    loaded = columns_to_load(path, fields, options, source)
    return {name: feature_type(field, str(path), options) for name, field in loaded.items()}


def _not_parquet(path: Path, error: Exception) -> DataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{path}: expected a Parquet file: {reason}")


def typed_table(
    arrow: Any, types: Mapping[str, FeatureType], options: DataOptions, where: str
) -> Table:
    """The columns of an Arrow table that `types` names, cut to `seq_len`.

    Args:
        where: what messages call the table: the path of its file, or what it is.

    Raises:
        DataError: there are no rows, or a cell cannot be read as the type of its column.
    """
    if not len(arrow):
        raise DataError(f"{where}: expected at least one row, got none")
    try:
        columns = columns_from_arrow(arrow, types, options.seq_separator)
    except CellError as fault:
        row = "" if fault.row is None else f", row {fault.row + 1}"
        raise DataError(f"{where}{row}: column '{fault.column}': {fault}") from None
    for name, length in (options.seq_len or {}).items():
        column = columns.get(name)
        if isinstance(column, SequenceColumn):
            columns[name] = column.truncate(length)
    return Table.of(columns, (where,))


def fields_by_name(schema: Any, where: str) -> dict[str, Any]:
    """The Arrow fields of a schema by their names, without those of a nameless pandas index.

    Raises:
        DataError: two columns have the same name.
    """
    fields: dict[str, Any] = {}
    for field in schema:
        if field.name in fields:
            raise DataError(f"{where}: the column '{field.name}' stands twice")
        if not is_nameless_index(field.name):
            fields[field.name] = field
    return fields


def is_nameless_index(name: str) -> bool:
    """Whether a column holds labels of rows that pandas wrote beside the columns of a frame.

    It does so where a filter has left gaps in them. An index with a name is a column like others.
    """
    return _INDEX.fullmatch(name) is not None


def feature_type(field: Any, where: str, options: DataOptions) -> FeatureType:
    """The type of a column by its Arrow type, or by what its metadata says.

    Ids are tokens, whatever they are made of; what the options use as numbers (the target, the
    time, numerical features) is float; otherwise text, whole numbers and truth values are tokens,
    numbers and moments are float, and lists are sequences of these.

    Raises:
        DataError: the type is none that a column could have.
    """
    said = (field.metadata or {}).get(TYPE_KEY)
    if said is not None:
        return type_named(said.decode("utf-8", "replace"), f"{where}: column '{field.name}'")
    kind = field.type.value_type if pt.is_dictionary(field.type) else field.type
    if is_list(kind):
        of_numbers = _is_fraction(kind.value_type)
        return FeatureType.FLOAT_SEQ if of_numbers else FeatureType.TOKEN_SEQ
    if field.name in (options.USER_ID_FIELD, options.ITEM_ID_FIELD):
        return FeatureType.TOKEN
    if field.name in _numbers(options) or _is_fraction(kind):
        return FeatureType.FLOAT
    if pt.is_date(kind) or pt.is_timestamp(kind):
        return FeatureType.FLOAT
    if is_text(kind) or pt.is_integer(kind) or pt.is_boolean(kind) or pt.is_null(kind):
        return FeatureType.TOKEN
    raise DataError(
        f"{where}: column '{field.name}': expected text, numbers, truth values, moments or lists"
        f" of these, got {field.type}; leave the column out with unload_col"
    )


def type_named(name: str, where: str) -> FeatureType:
    """The type of that name.

    Raises:
        DataError: there is none.
    """
    if name not in _TYPES:
        raise DataError(
            f"{where}: unknown type '{name}'; expected one of {', '.join(_TYPES)}"
            f".{did_you_mean(name, _TYPES)}"
        )
    return FeatureType(name)


def _is_fraction(kind: Any) -> bool:
    return bool(pt.is_floating(kind) or pt.is_decimal(kind))


def _numbers(options: DataOptions) -> set[str]:
    """The columns that the options use as numbers."""
    return {
        options.RATING_FIELD,
        options.LABEL_FIELD,
        options.TIME_FIELD,
        *(options.threshold or ()),
        *options.numerical_features,
        *(options.normalize_field or ()),
        *(options.discretization or ()),
    }
