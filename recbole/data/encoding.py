"""One encoder for the rows a model is trained on and for the rows it scores later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from recbole.data.columns import (
    Column,
    FloatColumn,
    Table,
    TokenColumn,
    sequence_column,
    token_column,
)
from recbole.data.field_codecs import (
    PADDING,
    Codec,
    NumberCodec,
    TokenCodec,
    codec_from_dict,
)
from recbole.data.files import AtomicData
from recbole.data.options import DataOptions
from recbole.data.schema import FeatureSource, FeatureType, Field
from recbole.errors import DataError, did_you_mean


class Encoder:
    """Every input field's way from a column to a tensor, learned once, kept in checkpoints.

    >>> encoder = Encoder.from_dict(checkpoint["encoder"])
    >>> columns = encoder.transform(encoder.table({"user_id": ["196"], "age": ["49"]}))
    """

    def __init__(self, fields: Sequence[Field], codecs: Mapping[str, Codec]) -> None:
        self.fields = tuple(fields)
        self._codecs = dict(codecs)

    @classmethod
    def fit(
        cls, data: AtomicData, features: Mapping[str, FeatureSource], options: DataOptions
    ) -> Encoder:
        """Learn vocabularies, means, bounds and buckets from the filtered rows.

        Raises:
            DataError: a numerical feature holds no number at all.
        """
        fields, codecs = [], {}
        for name, source in features.items():
            columns = [table[name] for table in data.tables().values() if name in table]
            codec = _fit_codec(name, columns, source, options)
            codecs[name] = codec
            fields.append(_field(name, columns[0].type, source, codec))
        return cls(fields, codecs)

    @classmethod
    def joined(cls, encoders: Iterable[Encoder]) -> Encoder:
        """The fields of several encoders, which have none in common, in one."""
        parts = list(encoders)
        fields = [field for part in parts for field in part.fields]
        return cls(fields, {name: c for part in parts for name, c in part._codecs.items()})

    def transform(
        self, table: Table, names: Iterable[str] | None = None
    ) -> dict[str, torch.Tensor]:
        """Encode the rows of a table; see `Field` for what each type becomes, with int32 for int64.

        A token that was never seen becomes 0, a missing number the mean of the training table.

        Args:
            names: the fields wanted; all those that the table has, if None.

        Raises:
            DataError: a field is wanted that the table lacks, or its column is of another type.
        """
        wanted = [f.name for f in self.fields if f.name in table] if names is None else list(names)
        return {name: self._codec(name).encode(self._column(table, name)) for name in wanted}

    def unknown_tokens(self, table: Table) -> dict[str, int]:
        """By field, how many tokens of a table were never seen; fields without any are left out."""
        counts = {}
        for field in self.fields:
            codec = self._codecs[field.name]
            if isinstance(codec, TokenCodec) and field.name in table:
                count = codec.unknown(self._column(table, field.name))
                if count:
                    counts[field.name] = count
        return counts

    def table(self, values: Mapping[str, Sequence[Any]]) -> Table:
        """A table of new rows from Python lists, one per column; None is a missing value.

        Raises:
            DataError: a column is of unequal length, or of no field known here.
        """
        if not values:
            raise DataError("expected at least one column of new rows, got none")
        lengths = {name: len(column) for name, column in values.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"expected columns of one length, got {lengths}")
        types = {field.name: field.type for field in self.fields}
        return Table.of(
            {name: _column_of(column, types[self._known(name)]) for name, column in values.items()}
        )

    def tokens(self, name: str) -> list[str]:
        """The token of every id of a token field; that of id 0 is "[PAD]"."""
        return [PADDING, *self._token_codec(name).tokens.to_pylist()]

    def ids(self, name: str, tokens: Sequence[str]) -> torch.Tensor:
        """The ids of tokens, int64 [N]; 0 for one that was never seen."""
        column = token_column([str(token) for token in tokens])
        codec = self._token_codec(name)
        return TokenCodec(codec.tokens).encode(column).long()

    def to_dict(self) -> dict[str, Any]:
        """Plain data and tensors, which torch.load(weights_only=True) reads."""
        return {
            field.name: {
                "type": field.type.value,
                "source": field.source.value,
                "codec": self._codecs[field.name].to_dict(),
            }
            for field in self.fields
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Encoder:
        """The inverse of `to_dict`."""
        codecs = {name: codec_from_dict(entry["codec"]) for name, entry in plain.items()}
        fields = [
            _field(name, FeatureType(entry["type"]), FeatureSource(entry["source"]), codecs[name])
            for name, entry in plain.items()
        ]
        return cls(fields, codecs)

    def _codec(self, name: str) -> Codec:
        return self._codecs[self._known(name)]

    def _known(self, name: str) -> str:
        if name not in self._codecs:
            raise DataError(
                f"unknown field '{name}'; the encoder knows {', '.join(self._codecs)}"
                f".{did_you_mean(name, self._codecs)}"
            )
        return name

    def _token_codec(self, name: str) -> TokenCodec:
        codec = self._codec(name)
        if not isinstance(codec, TokenCodec):
            raise DataError(f"expected a token field, got '{name}', which holds numbers")
        return codec

    def _column(self, table: Table, name: str) -> Column:
        if name not in table:
            raise DataError(
                f"expected the column '{name}', got {', '.join(table.columns)}"
                f".{did_you_mean(name, table.columns)}"
            )
        column = table[name]
        expected = next(field.type for field in self.fields if field.name == name)
        if column.type is not expected:
            raise DataError(
                f"expected column '{name}' to be of type {expected.value}, got {column.type.value}"
            )
        return column


def _field(name: str, type_: FeatureType, source: FeatureSource, codec: Codec) -> Field:
    length = codec.length or 1
    return Field(name, type_, source, codec.size, length, discretised=codec.discretised)


def _fit_codec(
    name: str, columns: Sequence[Column], source: FeatureSource, options: DataOptions
) -> Codec:
    column = columns[0]
    if column.type in (FeatureType.TOKEN, FeatureType.TOKEN_SEQ):
        return TokenCodec.fit(columns)
    if source in (FeatureSource.USER, FeatureSource.ITEM):
        # The row of id 0 has no values: RecBole fills it, and logarithm buckets see the filling.
        column = column.take(np.arange(-1, len(column)))
    scaled = options.normalises_all or name in (options.normalize_field or ())
    return NumberCodec.fit(name, column, scaled, (options.discretization or {}).get(name))


def _column_of(values: Sequence[Any], feature_type: FeatureType) -> Column:
    if feature_type is FeatureType.TOKEN:
        return token_column([None if value is None else str(value) for value in values])
    if feature_type is FeatureType.FLOAT:
        return FloatColumn(
            np.array([np.nan if value is None else float(value) for value in values], np.float64)
        )
    rows = [[] if row is None else list(row) for row in values]
    if feature_type is FeatureType.FLOAT_SEQ:
        return sequence_column([[float(element) for element in row] for row in rows], FloatColumn)
    return sequence_column([[str(element) for element in row] for row in rows], TokenColumn)
