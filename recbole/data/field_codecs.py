"""How one column becomes numbers that a model can use, and how new rows become the same numbers.

N rows, L the longest sequence, M elements of all sequences together.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from recbole.data.arrow_arrays import numbers, numpy_of, strings
from recbole.data.buckets import Buckets, buckets_from_dict, fit_buckets
from recbole.data.columns import (
    Column,
    FloatColumn,
    Numbers,
    Rows,
    SequenceColumn,
    TokenColumn,
)
from recbole.data.options import Discretization
from recbole.errors import DataError

_log = logging.getLogger(__name__)

#: The token of id 0, as RecBole calls it.
PADDING = "[PAD]"


@dataclass(frozen=True)
class TokenCodec:
    """Tokens to ids; id 0 stands for padding, a missing token and one that was never seen.

    Attributes:
        tokens: Arrow string array, the token of id 1, of id 2 and so on.
        length: the longest sequence L of a token_seq; None for a token.
    """

    tokens: Any
    length: int | None = None

    @classmethod
    def fit(cls, columns: Sequence[Column]) -> TokenCodec:
        """Number the tokens of the columns by first appearance, one column after the other."""
        tokens = strings([])
        for column in columns:
            fresh = _in_order(elements_of(column))
            known = pc.is_in(fresh, value_set=tokens)
            tokens = pa.concat_arrays([tokens, fresh.filter(pc.invert(known))])
        return cls(tokens, longest(columns[0]))

    @property
    def size(self) -> int:
        """The number of ids, with that of padding."""
        return len(self.tokens) + 1

    @property
    def discretised(self) -> bool:
        """Never: that is for numbers."""
        return False

    def encode(self, column: Column) -> torch.Tensor:
        """The ids: int32 [N], or [N, L] padded with 0; elements beyond L are left out."""
        ids = self._ids(elements_of(column))
        if isinstance(column, SequenceColumn):
            ids = pad(column, ids, self.length or 1, 0)  # [M] -> [N, L]
        return torch.from_numpy(ids)

    def unknown(self, column: Column) -> int:
        """How many tokens of a column were never seen (and are encoded as 0)."""
        elements = elements_of(column)
        return int(((self._ids(elements) == 0) & ~elements.missing).sum())

    def _ids(self, column: TokenColumn) -> NDArray[np.int32]:
        position = numpy_of(pc.index_in(column.vocabulary, value_set=self.tokens), -1)
        # The last place stands for code -1, a missing token.
        return np.append(position + 1, np.int32(0))[column.codes]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint; the tokens as one text in UTF-8 and where each begins.

        (As Python strings, fifty million tokens would take ten times their memory to write.)
        """
        offsets, text = _packed(self.tokens)
        return {"kind": "token", "text": text, "offsets": offsets, "length": self.length}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> TokenCodec:
        """The inverse of `to_dict`; also reads the list of strings of earlier checkpoints."""
        if "tokens" in plain:
            return cls(strings(plain["tokens"]), plain["length"])
        return cls(_unpacked(plain["offsets"], plain["text"]), plain["length"])


@dataclass(frozen=True)
class NumberCodec:
    """Numbers filled, scaled and put into buckets, as far as the options say.

    Attributes:
        mean: what a missing number becomes.
        bounds: the minimum and maximum that scaling takes to 0 and 1; None without scaling.
        buckets: how scaled numbers become buckets; None for numbers that stay numbers.
        length: the longest sequence L of a float_seq; None for a float.
    """

    mean: float
    bounds: tuple[float, float] | None
    buckets: Buckets | None
    length: int | None = None

    @classmethod
    def fit(
        cls, name: str, column: Column, scaled: bool, discretization: Discretization | None
    ) -> NumberCodec:
        """Learn the statistics of a column.

        Raises:
            DataError: the column holds no number at all.
        """
        values = values_of(column)
        known = values[~np.isnan(values)]
        if not len(known):
            raise DataError(f"Column '{name}': expected at least one number, got none in any row")
        bounds = (float(known.min()), float(known.max())) if scaled else None
        if bounds is not None and bounds[0] == bounds[1]:
            _log.warning("Column '%s' is constant (%g); it is scaled to 1", name, bounds[0])
        codec = cls(float(known.mean()), bounds, None, longest(column))
        if discretization is None:
            return codec
        filled = codec._scaled(column)
        buckets = fit_buckets(filled[~np.isnan(filled)], discretization)
        return cls(codec.mean, bounds, buckets, codec.length)

    @property
    def size(self) -> int:
        """The number of embedding rows: the buckets with that of padding, or a single one."""
        return 1 if self.buckets is None else self.buckets.size

    @property
    def discretised(self) -> bool:
        """Whether numbers become buckets."""
        return self.buckets is not None

    def encode(self, column: Column) -> torch.Tensor:
        """The numbers, float32 [N] or [N, L] padded with NaN, or their buckets, int64 from 1."""
        values = self._scaled(column)
        encoded: NDArray[Any] = values.astype(np.float32)
        if self.buckets is not None:
            encoded = np.where(np.isnan(values), 0, self.buckets.place(np.nan_to_num(values)))
        if isinstance(column, SequenceColumn):
            padding = np.nan if self.buckets is None else 0
            encoded = pad(column, encoded, self.length or 1, padding)  # [M] -> [N, L]
        return torch.from_numpy(encoded)

    def _scaled(self, column: Column) -> Numbers:
        """Filled and scaled, float64; a missing element of a sequence stays missing."""
        values = values_of(column)
        if isinstance(column, FloatColumn):
            values = np.where(np.isnan(values), self.mean, values)
        if self.bounds is None:
            return values
        low, high = self.bounds
        if low == high:
            return np.where(np.isnan(values), np.nan, 1.0)
        return (values - low) / (high - low)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return {
            "kind": "number",
            "mean": self.mean,
            "bounds": None if self.bounds is None else list(self.bounds),
            "buckets": None if self.buckets is None else self.buckets.to_dict(),
            "length": self.length,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> NumberCodec:
        """The inverse of `to_dict`."""
        bounds, buckets = plain["bounds"], plain["buckets"]
        return cls(
            plain["mean"],
            None if bounds is None else (bounds[0], bounds[1]),
            None if buckets is None else buckets_from_dict(buckets),
            plain["length"],
        )


Codec: TypeAlias = TokenCodec | NumberCodec


def codec_from_dict(plain: Mapping[str, Any]) -> Codec:
    """The codec that `to_dict` made plain."""
    return (TokenCodec if plain["kind"] == "token" else NumberCodec).from_dict(plain)


def _packed(tokens: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Arrow strings, none of them missing, as offsets int64 [N + 1] and bytes uint8."""
    lengths = numpy_of(pc.binary_length(tokens))
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    text = np.zeros(offsets[-1], np.uint8)
    if len(text):
        # Offsets of the array itself, as a slice of another one starts within its buffer.
        _, own, data = tokens.buffers()
        first = np.frombuffer(own, np.int32)[tokens.offset]
        text = np.frombuffer(data, np.uint8)[first : first + len(text)].copy()
    return torch.from_numpy(offsets), torch.from_numpy(text)


def _unpacked(offsets: torch.Tensor, text: torch.Tensor) -> Any:
    """The inverse of `_packed`."""
    starts = pa.py_buffer(offsets.int().numpy())
    return pa.StringArray.from_buffers(len(offsets) - 1, starts, pa.py_buffer(text.numpy()))


def elements_of(column: Column) -> TokenColumn:
    """The tokens of a token or token_seq column, one after the other."""
    tokens = column.elements if isinstance(column, SequenceColumn) else column
    assert isinstance(tokens, TokenColumn)
    return tokens


def values_of(column: Column) -> Numbers:
    """The numbers of a float or float_seq column, one after the other."""
    numbers = column.elements if isinstance(column, SequenceColumn) else column
    assert isinstance(numbers, FloatColumn)
    return numbers.values


def longest(column: Column) -> int | None:
    """The longest sequence of a column, at least 1; None for a column of no sequences."""
    return (
        max(1, int(column.lengths.max(initial=0))) if isinstance(column, SequenceColumn) else None
    )


def pad(
    column: SequenceColumn, elements: NDArray[Any], length: int, padding: float
) -> NDArray[Any]:
    """Lay M elements out as one row per sequence, cut or padded to `length`: [N, length]."""
    padded = np.full((len(column), length), padding, elements.dtype)
    positions: Rows = column.positions  # [M]
    inside = positions < length
    rows = np.repeat(np.arange(len(column)), column.lengths)  # [M]
    padded[rows[inside], positions[inside]] = elements[inside]
    return padded


def _in_order(column: TokenColumn) -> Any:
    """The tokens that occur in a column, by first appearance: Arrow string array."""
    codes = column.codes[column.codes >= 0]
    first = np.full(len(column.vocabulary), len(codes), np.int64)
    np.minimum.at(first, codes, np.arange(len(codes)))
    order = np.argsort(first, kind="stable")
    return column.vocabulary.take(numbers(order[: int((first < len(codes)).sum())]))
