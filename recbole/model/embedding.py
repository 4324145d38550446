"""From a batch of columns to one vector per field.

Shapes: B batch, F fields, N fields of one type, L sequence length, D embedding size, K logits.

A field's column becomes one row of `width` numbers, whatever its type:

- token: the row of its id;
- token_seq: the mean (or sum) of the rows of its ids, padding left out;
- float: its value × one learned row, or, discretised, the row of its bucket;
- float_seq: the mean of value × row, or, discretised, of the rows of its buckets, without padding.

`FieldEmbedding` keeps the rows apart; `FirstOrderLinear` adds them up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from recbole.data.schema import FeatureType, Field
from recbole.errors import ConfigError
from recbole.model.lookup import Index, look_up, mean_rows, mean_values, shared, sum_rows
from recbole.model.types import Batch


class Tables(NamedTuple):
    """How tables of tokens and token sequences, which may be long, are kept."""

    sparse: bool = False  #: whether their gradients are sparse, as the learner sparse_adam needs
    dtype: torch.dtype | None = None  #: None: PyTorch's default


PLAIN = Tables()


class FieldRows(nn.Module):
    """The learned rows of every field; what `FieldEmbedding` and `FirstOrderLinear` share.

    Args:
        fields: the input features.
        width: numbers in a row.
        tables: how those of tokens and token sequences are kept.

    Raises:
        ConfigError: there is no field.
    """

    token_offsets: Tensor
    float_offsets: Tensor

    def __init__(self, fields: Iterable[Field], width: int, tables: Tables = PLAIN) -> None:
        super().__init__()
        fields = tuple(fields)
        if not fields:
            raise ConfigError(
                "A model needs at least one input feature, and the data set has none: check "
                "load_col, unload_col and numerical_features."
            )
        self.width = width
        self.token_seq_fields = _of_type(fields, FeatureType.TOKEN_SEQ)
        self.token_fields = _of_type(fields, FeatureType.TOKEN)
        self.float_seq_fields = _of_type(fields, FeatureType.FLOAT_SEQ)
        self.float_fields = _of_type(fields, FeatureType.FLOAT)

        # One table for all fields of a type needs the first row of each field, its offset.
        self._add_offsets("token_offsets", self.token_fields)
        self._add_offsets("float_offsets", self.float_fields)
        if self.token_fields:
            self.token_embedding_table = _table(self.token_fields, width, tables)
        if self.float_fields:
            self.float_embedding_table = _table(self.float_fields, width)
        self.token_seq_embedding_table = nn.ModuleList(
            _table([field], width, tables) for field in self.token_seq_fields
        )
        self.float_seq_embedding_table = nn.ModuleList(
            _table([field], width) for field in self.float_seq_fields
        )

    def sparse_rows(self, batch: Batch) -> Tensor | None:
        """The rows of token sequences, then tokens: [B, N, width]; None without such fields."""
        groups = [
            mean_rows(table, _sequence_index(field, batch)).unsqueeze(1)
            for field, table in _pairs(self.token_seq_fields, self.token_seq_embedding_table)
        ]  # each [B, 1, width]
        if self.token_fields:
            groups.append(look_up(self.token_embedding_table, self._token_index(batch)))
        return _concatenate(groups)

    def dense_rows(self, batch: Batch) -> Tensor | None:
        """The rows of float sequences, then floats: [B, N, width]; None without such fields."""
        groups = [
            _float_sequence(table, field, batch[field.name])[:, None]
            for field, table in _pairs(self.float_seq_fields, self.float_seq_embedding_table)
        ]  # each [B, 1, width]
        if self.float_fields:
            groups.append(self._float_rows(batch))
        return _concatenate(groups)

    def rows(self, batch: Batch) -> Tensor:
        """One row for each field, in RecBole's order of types: [B, F, width]."""
        both = (self.sparse_rows(batch), self.dense_rows(batch))
        rows = _concatenate([rows for rows in both if rows is not None])
        assert rows is not None  # there is at least one field
        return rows

    def _token_index(self, batch: Batch) -> Index:
        """Where the rows of the tokens are in their common table: [B, N]."""

        def stacked() -> Index:
            columns = [batch[field.name] for field in self.token_fields]
            return Index(torch.stack(columns, dim=1) + self.token_offsets)

        return shared(batch, self.token_fields, stacked)

    def _float_rows(self, batch: Batch) -> Tensor:
        """A bucket is a factor 1 at the bucket's row, a value a factor at its field's only row."""
        index, factor = [], []
        for field in self.float_fields:
            column = batch[field.name]  # [B]
            index.append(column if field.discretised else torch.zeros_like(column).long())
            factor.append(torch.ones_like(column) if field.discretised else column)
        places = Index(torch.stack(index, dim=1) + self.float_offsets)  # [B, N]
        rows = look_up(self.float_embedding_table, places)
        factors = torch.stack([f.to(rows.dtype) for f in factor], dim=1)  # [B, N]
        return rows * factors.unsqueeze(-1)  # [B, N, width]

    def _add_offsets(self, name: str, fields: Sequence[Field]) -> None:
        sizes = [field.size for field in fields]
        offsets = torch.tensor(list(accumulate(sizes[:-1], initial=0)), dtype=torch.int64)
        self.register_buffer(name, offsets, persistent=False)


class FieldEmbedding(FieldRows):
    """One vector for each field of a batch: [B, F, D].

    The fields come in RecBole's order: token sequences, tokens, float sequences, floats.

    Args:
        fields: the input features.
        embedding_size: D.
        tables: how those of tokens and token sequences are kept.
    """

    def __init__(
        self, fields: Iterable[Field], embedding_size: int, tables: Tables = PLAIN
    ) -> None:
        super().__init__(fields, embedding_size, tables)

    def forward(self, batch: Batch) -> Tensor:
        """Embed a batch: [B, F, D]."""
        return self.rows(batch)


class FirstOrderLinear(FieldRows):
    """A weight for each feature value and output, added up: [B, output_dim].

    The linear ("wide") part of factorisation machines and of Wide & Deep. `output_dim` is the K of
    the head: a single column added to all K logits would cancel in their softmax and learn nothing.
    Token sequences are summed here, where the embedding averages them, as in RecBole.
    """

    def __init__(
        self, fields: Iterable[Field], output_dim: int = 1, tables: Tables = PLAIN
    ) -> None:
        super().__init__(fields, output_dim, tables)
        self.bias = nn.Parameter(torch.zeros(output_dim))

    def forward(self, batch: Batch) -> Tensor:
        """Sum the weights of a batch's features: [B, output_dim]."""
        total: Tensor = self.bias
        for field, table in _pairs(self.token_seq_fields, self.token_seq_embedding_table):
            total = sum_rows(table, _sequence_index(field, batch), padding=True, plus=total)
        if self.token_fields:
            table, index = self.token_embedding_table, self._token_index(batch)
            total = sum_rows(table, index, plus=total)
        dense = self.dense_rows(batch)  # [B, N, K]
        return total if dense is None else total + dense.sum(dim=1)


def _of_type(fields: Sequence[Field], feature_type: FeatureType) -> tuple[Field, ...]:
    return tuple(field for field in fields if field.type is feature_type)


def _table(fields: Sequence[Field], width: int, kept: Tables = PLAIN) -> nn.Embedding:
    rows = sum(field.size for field in fields)
    return nn.Embedding(rows, width, sparse=kept.sparse, dtype=kept.dtype)


def _pairs(fields: Sequence[Field], tables: nn.ModuleList) -> list[tuple[Field, nn.Embedding]]:
    return list(zip(fields, cast(Sequence[nn.Embedding], tables), strict=True))


def _sequence_index(field: Field, batch: Batch) -> Index:
    """The rows of a token sequence in its table: [B, L]."""
    return shared(batch, field, lambda: Index(batch[field.name]))


def _concatenate(groups: list[Tensor]) -> Tensor | None:
    if len(groups) > 1:
        return torch.cat(groups, dim=1)
    return groups[0] if groups else None


def _float_sequence(table: nn.Embedding, field: Field, column: Tensor) -> Tensor:
    """Average a float sequence [B, L] over what is not padding: [B, width]."""
    if field.discretised:
        return mean_rows(table, Index(column))
    # Σ (value × row) / n = (Σ value / n) × row, so that no [B, L, width] is needed.
    return mean_values(column, ~column.isnan()) * table.weight  # [B, 1] × [1, width]
