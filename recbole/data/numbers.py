"""Text to numbers, the same wherever a number stands in a file."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recbole.data.arrow_arrays import numpy_of
from recbole.data.columns import FloatColumn, Numbers, TokenColumn, from_dictionary

#: The spellings of a missing number.
MISSING = frozenset({"", "nan", "NaN", "NA", "null", "NULL"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def parse_number(text: str) -> float:
    """One number; NaN where it is missing.

    Raises:
        ValueError: the text is no finite number; the message ends in what came.
    """
    stripped = text.strip(" ")
    if stripped in MISSING:
        return float("nan")
    if stripped.lower().lstrip("+-") in ("inf", "infinity"):
        raise ValueError(f"expected a finite number, got {text!r}")
    if not _NUMBER.fullmatch(stripped):
        raise ValueError(f"expected a number, got {text!r}")
    number = float(stripped)
    if np.isinf(number):
        raise ValueError(f"expected a finite number, got {text!r}")
    return number


def parse_numbers(strings: Any) -> Numbers:
    """An Arrow string array as float64 [N].

    Raises:
        ValueError: one of the texts is no finite number.
    """
    try:
        values = pc.cast(strings, pa.float64())
    except pa.ArrowInvalid:
        return numbers_of(from_dictionary(strings.dictionary_encode())).values
    return finite(numpy_of(values, np.nan))


def numbers_of(column: TokenColumn) -> FloatColumn:
    """A column of tokens whose text is numeric, as numbers.

    Raises:
        ValueError: one of the tokens is no finite number.
    """
    used = np.zeros(len(column.vocabulary) + 1, np.bool_)
    used[column.codes] = True  # code -1, a missing token, is the last place
    numbers = np.full(len(used), np.nan)
    for code in np.flatnonzero(used[:-1]):
        numbers[code] = parse_number(column.vocabulary[int(code)].as_py())
    return FloatColumn(numbers[column.codes])


def finite(values: Numbers) -> Numbers:
    """The same values.

    Raises:
        ValueError: one of them is infinite.
    """
    if np.isinf(values).any():
        raise ValueError("expected finite numbers, got inf")
    return values
