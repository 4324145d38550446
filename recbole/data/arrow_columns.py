"""Arrow columns of new rows, in whatever type they come, as the columns that an Encoder takes.

A file or a frame that someone brings to be scored has no typed header, so that the type of each
field, known from training, decides how its cells are read: 196, 196.0 and "196" are one token, and
a sequence may be a list or a text with separators.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from recbole.data.arrow_arrays import numpy_of
from recbole.data.atomic import split_sequences
from recbole.data.columns import (
    Column,
    FloatColumn,
    SequenceColumn,
    Table,
    TokenColumn,
    from_dictionary,
    offsets_of,
)
from recbole.data.numbers import parse_number, parse_numbers
from recbole.data.schema import FeatureType, Field

#: Whole numbers up to here are exact in float64.
_LARGEST_EXACT = 2.0**53


class CellError(ValueError):
    """A cell, or a whole column, that cannot be read as its field's type.

    Attributes:
        column: the name of the column.
        row: the row at fault, counted from 0; None where the whole column is.
    """

    def __init__(self, column: str, row: int | None, message: str) -> None:
        super().__init__(message)
        self.column = column
        self.row = row


def table_from_arrow(arrow: Any, fields: Iterable[Field], separator: str) -> Table:
    """The fields that an Arrow table has, as columns of their own types.

    Args:
        arrow: a `pyarrow.Table`.
        fields: the input fields; those that the table lacks are left out.
        separator: what separates the elements of a sequence that is given as text.

    Raises:
        CellError: a cell cannot be read as the type of its field.
    """
    there = [field for field in fields if field.name in arrow.column_names]
    return Table.of(columns_from_arrow(arrow, {f.name: f.type for f in there}, separator))


def columns_from_arrow(
    arrow: Any, types: Mapping[str, FeatureType], separator: str
) -> dict[str, Column]:
    """The columns of an Arrow table that `types` names, each as its type.

    Raises:
        CellError: a cell cannot be read as the type of its column.
    """
    columns = {}
    for name, feature_type in types.items():
        array = arrow[name].combine_chunks()
        try:
            columns[name] = _column(array, feature_type, separator)
        except _Fault as fault:
            raise CellError(name, fault.row, str(fault)) from None
        except pa.ArrowInvalid as error:
            raise CellError(name, None, str(error)) from None
    return columns


class _Fault(ValueError):  # noqa: N818 - it never leaves this file
    def __init__(self, row: int | None, message: str) -> None:
        super().__init__(message)
        self.row = row


def _column(array: Any, feature_type: FeatureType, separator: str) -> Column:
    if feature_type is FeatureType.TOKEN:
        return _tokens(array)
    if feature_type is FeatureType.FLOAT:
        return _numbers(array)
    return _sequences(array, feature_type, separator)


def _tokens(array: Any) -> TokenColumn:
    if is_list(array.type):
        raise _Fault(None, f"expected one token in each row, got {array.type}")
    if pt.is_nested(array.type):
        raise _Fault(None, f"expected text or numbers, got {array.type}")
    encoded = array if pt.is_dictionary(array.type) else array.dictionary_encode()
    texts = _texts(encoded.dictionary)
    if texts.null_count:  # such as NaN among numbers: no token, rather than an unknown one
        return from_dictionary(texts.take(encoded.indices).dictionary_encode())
    return from_dictionary(pa.DictionaryArray.from_arrays(encoded.indices, texts))


def _texts(array: Any) -> Any:
    """Values as an Arrow string array: whole numbers without a decimal point, NaN as null.

    Truth values are True and False, as pandas writes them; dates are as in ISO 8601.
    """
    kind = array.type
    if pt.is_dictionary(kind):
        return _texts(array.dictionary_decode())
    if is_text(kind) or pt.is_integer(kind) or pt.is_null(kind):
        return pc.cast(array, pa.string())
    if pt.is_boolean(kind):
        return pc.if_else(array, "True", "False")
    if pt.is_date(kind) or pt.is_timestamp(kind):
        return pc.cast(array, pa.string())
    if pt.is_decimal(kind) and kind.scale == 0:
        return pc.cast(array, pa.string())
    if pt.is_floating(kind) or pt.is_decimal(kind):
        texts = pc.cast(array, pa.string())
        values = pc.cast(array, pa.float64())
        whole = pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), _LARGEST_EXACT))
        short = pc.cast(pc.if_else(whole, values, 0.0), pa.int64())
        texts = pc.if_else(whole, pc.cast(short, pa.string()), texts)
        return pc.if_else(pc.is_nan(values), None, texts)
    raise _Fault(None, f"expected text or numbers, got {kind}")


def _numbers(array: Any) -> FloatColumn:
    kind = array.type
    if pt.is_dictionary(kind):
        return _numbers(array.dictionary_decode())
    if is_text(kind):
        strings = pc.cast(array, pa.string())
        try:
            return FloatColumn(parse_numbers(strings))
        except ValueError:
            raise _first_fault(strings) from None
    if pt.is_date(kind) or pt.is_timestamp(kind):
        return _seconds(array)
    if not (pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind)
            or pt.is_boolean(kind) or pt.is_null(kind)):  # fmt: skip
        raise _Fault(None, f"expected numbers, got {kind}")
    if pt.is_boolean(kind):
        array = pc.cast(array, pa.int8())
    numbers = numpy_of(pc.cast(array, pa.float64(), safe=False), missing=np.nan)
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        row = int(infinite[0])
        raise _Fault(row, f"expected a finite number, got {numbers[row]}")
    return FloatColumn(numbers)


def _seconds(array: Any) -> FloatColumn:
    """Moments as seconds since 1970, in UTC (that of a moment without a time zone is UTC too)."""
    moments = pc.cast(array, pa.timestamp("us", tz=getattr(array.type, "tz", None)), safe=False)
    numbers = pc.cast(pc.cast(moments, pa.int64()), pa.float64(), safe=False)
    return FloatColumn(numpy_of(numbers, missing=np.nan) / 1e6)


def _first_fault(strings: Any) -> _Fault:
    """The first text that is no number."""
    for row, text in enumerate(strings.to_pylist()):
        try:
            parse_number(text or "")
        except ValueError as error:
            return _Fault(row, str(error))
    raise AssertionError("every text is a number")


def _sequences(array: Any, feature_type: FeatureType, separator: str) -> SequenceColumn:
    of_numbers = feature_type is FeatureType.FLOAT_SEQ
    if pt.is_dictionary(array.type):
        array = array.dictionary_decode()
    if is_list(array.type):
        offsets = offsets_of(numpy_of(pc.list_value_length(array), missing=0))
        flat = array.flatten()
        try:
            elements = _numbers(flat) if of_numbers else _tokens(flat)
        except _Fault as fault:
            raise _Fault(_row_of(fault.row, offsets), str(fault)) from None
        column = SequenceColumn(offsets, elements)
        return column if of_numbers else column.keep(~elements.missing)
    texts = _texts(array)
    try:
        return split_sequences(texts, separator, feature_type)
    except ValueError as error:
        raise _first_sequence_fault(texts, separator, error) from None


def _row_of(element: int | None, offsets: Any) -> int | None:
    if element is None:
        return None
    return int(np.searchsorted(offsets, element, side="right")) - 1


def _first_sequence_fault(texts: Any, separator: str, error: Exception) -> _Fault:
    """The first row with an element that is no number."""
    for row, text in enumerate(texts.to_pylist()):
        for element in filter(None, (text or "").split(separator)):
            try:
                parse_number(element)
            except ValueError as fault:
                return _Fault(row, str(fault))
    return _Fault(None, str(error))


def is_text(kind: Any) -> bool:
    """Whether an Arrow type is one of text."""
    return (
        pt.is_string(kind)
        or pt.is_large_string(kind)
        or pt.is_string_view(kind)
        or pt.is_binary(kind)
        or pt.is_large_binary(kind)
    )


def is_list(kind: Any) -> bool:
    """Whether an Arrow type is one of lists."""
    return pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind)
