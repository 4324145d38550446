"""What type a column is, from all of its cells.

Every cell counts, not a sample: a column of ids whose hundred thousandth is "007" is one of tokens.
What is kept of a column is bounded, however long the file is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from recbole.data.arrow_columns import is_list, is_text
from recbole.data.importer.moments import are_moments
from recbole.data.numbers import MISSING, parse_number
from recbole.data.schema import FeatureType
from recbole.errors import DataError

#: Up to so many distinct whole numbers (ages, years, codes) are categories; more are a quantity.
MOST_CATEGORIES = 200
#: A column of the interactions in which at least this share of the values is new is free text.
UNIQUE_SHARE = 0.5
_COUNTED = 100_000  # distinct values; beyond, a column is only known to have more
_FEW_ROWS = 100  # too few to call a column free text
_SEPARATED_SHARE = 0.05  # of the cells that hold a separator, in a column of sequences
_NEW_ELEMENTS = 0.8  # the most that may be distinct among the elements of sequences
_IDENTIFIER = re.compile(r"(^|[^a-z])(id|ids|code|zip|postcode|isbn|asin|year)$|[a-z]Id$|ID$")
_INTEGER = re.compile(r"[+-]?\d+")
#: What is a number, but looks like a code: 007, and 1e5 where nobody writes numbers so.
_CODES = (re.compile(r"[+-]?0\d+(\.\d*)?"), re.compile(r"\d+[eE]\d+"))


@dataclass
class Evidence:
    """What the cells of one column have in common.

    Attributes:
        rows, missing: cells, and those of them that are empty.
        kinds: what the cells are: text, number, moment, tokens or numbers (the last two in lists).
        separator: what may separate the elements of a sequence in text.
    """

    separator: str
    rows: int = 0
    missing: int = 0
    kinds: set[str] = field(default_factory=set)
    examples: list[str] = field(default_factory=list)
    words: dict[str, int] = field(default_factory=dict)  # such as NA, with their cells
    against_number: str | None = None  # a value that is no number
    against_integer: str | None = None
    code: str | None = None  # a value that is a number, but looks like a code: 007, 1e5
    against_moment: str | None = None
    separated: int = 0  # cells with a separator
    elements: int = 0  # of all cells, if the separator separates
    _distinct: set[int] = field(default_factory=set)
    _distinct_elements: set[int] = field(default_factory=set)
    _values_counted: int = 0

    def add(self, array: Any, where: str) -> None:
        """Take in the cells of one chunk.

        Raises:
            DataError: they are of a type that no column of ours has.
        """
        self.rows += len(array)
        self.missing += array.null_count
        if array.null_count == len(array):
            return
        kind = array.type
        if is_list(kind):
            self.kinds.add("numbers" if pt.is_floating(kind.value_type) else "tokens")
            self._example([str(row.as_py()) for row in array.drop_null()[:3]])
        elif pt.is_floating(kind) or pt.is_decimal(kind):
            self.kinds.add("number")
            if pt.is_floating(kind):
                self.missing += pc.sum(pc.is_nan(array)).as_py() or 0
            self._example([str(cell) for cell in array.drop_null()[:3]])
        elif pt.is_date(kind) or pt.is_timestamp(kind):
            self.kinds.add("moment")
            self._example([str(cell) for cell in array.drop_null()[:3]])
        elif is_text(kind) or pt.is_integer(kind) or pt.is_boolean(kind) or pt.is_dictionary(kind):
            self._add_text(texts_of(array))
        else:
            raise DataError(
                f"{where}: expected text, numbers, truth values, moments or lists of these, got"
                f" {kind}. Leave it out with --drop"
            )

    @property
    def distinct(self) -> int:
        """Distinct values of text, as far as they were counted."""
        return len(self._distinct)

    @property
    def is_free_text(self) -> bool:
        """Whether nearly every cell of text is another one."""
        counted = self._values_counted
        return counted >= _FEW_ROWS and len(self._distinct) > UNIQUE_SHARE * counted

    @property
    def is_sequence(self) -> bool:
        """Whether text is sequences: enough cells have separators, and their elements recur."""
        filled = self.rows - self.missing
        return (
            self.separated > 0
            and self.separated >= _SEPARATED_SHARE * filled
            and len(self._distinct_elements) <= _NEW_ELEMENTS * self.elements
        )

    def has_other_than_words(self) -> bool:
        """Whether there is any cell of text that is not NA, null or the like."""
        return sum(self.words.values()) < self.rows - self.missing

    def _example(self, cells: list[str]) -> None:
        for cell in cells:
            if len(self.examples) < 3 and cell not in self.examples:
                self.examples.append(cell)

    def _add_text(self, texts: Any) -> None:
        counts = pc.value_counts(texts.drop_null())
        values = counts.field("values").to_pylist()
        numbers = counts.field("counts").to_pylist()
        self.missing += sum(n for v, n in zip(values, numbers, strict=True) if not v)
        filled = [(v, n) for v, n in zip(values, numbers, strict=True) if v]
        if not filled:
            return
        self.kinds.add("text")
        self._example([value for value, _ in filled[:3]])
        if len(self._distinct) < _COUNTED:
            self._distinct.update(hash(value) for value, _ in filled)
            self._values_counted += sum(count for _, count in filled)
        for value, count in filled:
            if value in MISSING:
                self.words[value] = self.words.get(value, 0) + count
        others = [value for value, _ in filled if value not in MISSING]
        self._look_for_numbers(others)
        if others and self.against_moment is None and not are_moments(others):
            self.against_moment = next(value for value in others if not are_moments([value]))
        self._look_for_separators(filled)

    def _look_for_numbers(self, values: list[str]) -> None:
        for value in values:
            if self.against_number is not None:
                return
            if not _INTEGER.fullmatch(value):
                self.against_integer = self.against_integer or value
                try:
                    parse_number(value)
                except ValueError:
                    self.against_number = value
            if self.code is None and any(code.fullmatch(value) for code in _CODES):
                self.code = value

    def _look_for_separators(self, filled: list[tuple[str, int]]) -> None:
        for value, count in filled:
            parts = [part for part in map(str.strip, value.split(self.separator)) if part]
            self.separated += count * (len(parts) > 1)
            self.elements += count * len(parts)
            if len(self._distinct_elements) < _COUNTED:
                self._distinct_elements.update(map(hash, parts))


def texts_of(array: Any) -> Any:
    """Text, whole numbers and truth values as text without blanks around it."""
    if pt.is_dictionary(array.type):
        return texts_of(array.dictionary_decode())
    if pt.is_boolean(array.type):
        return pc.if_else(array, "True", "False")
    return pc.utf8_trim_whitespace(pc.cast(array, pa.string()))


def infer(name: str, evidence: Evidence) -> tuple[FeatureType, str]:
    """The type of a column of features, and why.

    Args:
        name: as it stands in the file.
    """
    kinds = evidence.kinds
    if kinds & {"tokens", "numbers"}:
        if kinds == {"numbers"}:
            return FeatureType.FLOAT_SEQ, "lists of numbers"
        return FeatureType.TOKEN_SEQ, "lists"
    if not kinds:
        return FeatureType.TOKEN, "empty"
    if kinds == {"moment"}:
        return FeatureType.FLOAT, "moments, as seconds since 1970"
    if kinds == {"number"}:
        return FeatureType.FLOAT, "numbers"
    if kinds != {"text"}:
        return FeatureType.TOKEN, f"a mixture of {' and '.join(sorted(kinds))}"
    words = f", and {'/'.join(evidence.words)} for missing" if evidence.words else ""
    is_number = evidence.against_number is None and evidence.has_other_than_words()
    if is_number and evidence.code is not None:
        return FeatureType.TOKEN, f"codes such as {evidence.code}"
    if is_number and evidence.against_integer is None:
        if _IDENTIFIER.search(name.strip()) or _IDENTIFIER.search(name.strip().lower()):
            return FeatureType.TOKEN, "whole numbers that name something"
        if evidence.distinct <= MOST_CATEGORIES:
            return FeatureType.TOKEN, f"{evidence.distinct} different whole numbers"
        return FeatureType.FLOAT, f"whole numbers, many of them{words}"
    if is_number:
        return FeatureType.FLOAT, f"numbers{words}"
    if evidence.against_moment is None and evidence.has_other_than_words():
        return FeatureType.FLOAT, "moments, as seconds since 1970"
    if evidence.is_sequence:
        return FeatureType.TOKEN_SEQ, f"parts between '{evidence.separator}'"
    return FeatureType.TOKEN, "text"
