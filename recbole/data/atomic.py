"""Atomic files, RecBole's text format, read into columns.

One header line of `field:type` parts, one row per line, nothing quoted, nothing escaped, an empty
cell is a missing value. A good file is read by Arrow, in parallel; only where that fails does a
second pass go through the lines, to say which one is at fault.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from recbole.data.columns import (
    Column,
    FloatColumn,
    SequenceColumn,
    Table,
    TokenColumn,
    from_dictionary,
    offsets_of,
)
from recbole.data.diagnosis import find_fault
from recbole.data.header import Header, encoding_fault, read_header
from recbole.data.numbers import finite, parse_numbers
from recbole.data.options import DataOptions, Suffix
from recbole.data.schema import FeatureType
from recbole.errors import DataError, did_you_mean

T = TypeVar("T")


def read_atomic_file(path: Path, options: DataOptions, source: Suffix) -> Table | None:
    """Read the columns of one file that the options ask for.

    Args:
        source: which of the three kinds of files this is: inter, user or item.

    Returns:
        A table, or None where the options ask for no column of this file.

    Raises:
        DataError: the file is missing or malformed, or lacks a column that is asked for. The
            message names the file, the line, what was expected and what came.
    """
    header = read_header(path, options)
    loaded = columns_to_load(path, header.types, options, source)
    if not loaded:
        return None
    try:
        columns = _read(path, header, loaded, options, floats_as_text=False)
    except (pa.ArrowInvalid, ValueError):
        try:
            # Spellings that Arrow does not know, such as NULL or +1, are read as text.
            columns = _read(path, header, loaded, options, floats_as_text=True)
        except UnicodeError:
            raise encoding_fault(path, options.encoding) from None
        except (pa.ArrowInvalid, ValueError) as error:
            raise find_fault(path, header, loaded, options, error) from None
    table = Table.of(columns, (str(path),))
    if not len(table):
        raise DataError(f"{path}: expected rows below the header, got none")
    return table


def columns_to_load(
    path: Path | str, columns: Mapping[str, T], options: DataOptions, source: Suffix
) -> dict[str, T]:
    """The columns asked for by load_col and unload_col, by name, in the order of the file.

    Raises:
        DataError: an option names a column that is not there.
    """
    named = ("*" if options.load_col is None else options.load_col.get(source, [])) or []
    if options.load_col is not None and source in options.load_col:
        named = "*" if options.load_col[source] is None else named
    dropped = (options.unload_col or {}).get(source, [])
    for option, names in (("load_col", named), ("unload_col", dropped)):
        for name in names if isinstance(names, list) else []:
            if name not in columns:
                raise DataError(
                    f"{path}: {option} names the column '{name}', which the file does not have;"
                    f" it has {', '.join(columns)}.{did_you_mean(name, columns)}"
                )
    return {
        name: column
        for name, column in columns.items()
        if (named == "*" or name in named) and name not in dropped
    }


def _read(
    path: Path,
    header: Header,
    loaded: Mapping[str, FeatureType],
    options: DataOptions,
    *,
    floats_as_text: bool,
) -> dict[str, Column]:
    arrow_types = {
        FeatureType.TOKEN: pa.dictionary(pa.int32(), pa.string()),
        FeatureType.FLOAT: pa.string() if floats_as_text else pa.float64(),
        FeatureType.TOKEN_SEQ: pa.string(),
        FeatureType.FLOAT_SEQ: pa.string(),
    }
    is_utf8 = codecs.lookup(options.encoding).name in ("utf-8", "utf-8-sig")
    arrow = pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(
            skip_rows=1,
            column_names=list(header.types),
            encoding="utf8" if is_utf8 else options.encoding,
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=options.field_separator,
            quote_char=False,
            double_quote=False,
            escape_char=False,
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=list(loaded),
            column_types={name: arrow_types[feature_type] for name, feature_type in loaded.items()},
            null_values=[""],
            strings_can_be_null=True,
        ),
    ).unify_dictionaries()
    return {
        name: _column(arrow[name].combine_chunks(), feature_type, name, options)
        for name, feature_type in loaded.items()
    }


def _column(array: Any, feature_type: FeatureType, name: str, options: DataOptions) -> Column:
    if feature_type is FeatureType.TOKEN:
        return from_dictionary(array)
    if feature_type is FeatureType.FLOAT:
        if pa.types.is_string(array.type):
            return FloatColumn(parse_numbers(array))
        return FloatColumn(finite(array.fill_null(np.nan).to_numpy(zero_copy_only=False)))
    length = (options.seq_len or {}).get(name)
    column = split_sequences(array, options.seq_separator, feature_type)
    return column if length is None else column.truncate(length)


def split_sequences(strings: Any, separator: str, feature_type: FeatureType) -> SequenceColumn:
    """Split N strings into their elements; two separators in a row make no empty element."""
    lists = pc.split_pattern(strings.fill_null(""), separator)
    offsets = offsets_of(pc.list_value_length(lists).to_numpy(zero_copy_only=False))
    flat = lists.flatten()
    elements: TokenColumn | FloatColumn = from_dictionary(flat.dictionary_encode())
    filled = ~elements.missing
    if feature_type is FeatureType.FLOAT_SEQ:
        elements = FloatColumn(parse_numbers(flat.filter(pa.array(filled))))
        before = np.concatenate([[0], np.cumsum(filled)])
        return SequenceColumn(before[offsets], elements)
    return SequenceColumn(offsets, elements).keep(filled)
