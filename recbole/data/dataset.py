"""Dataset: the encoded interactions, users and items of a data set, under RecBole's names.

N interactions, U users and I items with their padding row 0.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbole.data.encoded import Encoded
from recbole.data.encoding import Encoder
from recbole.data.evaluation_options import PARTS
from recbole.data.interaction import Interaction
from recbole.data.options import DataOptions
from recbole.data.parts import (
    consecutive_parts,
    consecutive_rows,
    draw_parts,
    refuse_other_preparation,
    refuse_other_split,
)
from recbole.data.schema import FeatureSource, FeatureType, Schema, Target
from recbole.data.stream_files import StreamPart
from recbole.errors import DataError, did_you_mean

_ROWS_AT_ONCE = 1 << 20


class Dataset:
    """An encoded data set, or one part of it.

    User and item features are kept once per user and item; `join` looks them up by id.

    Attributes:
        dataset_name: the name of the data set.
        schema: the input fields and the target.
        encoder: how columns became numbers; it encodes new rows the same way.
        inter_feat: the interactions, one row each.
        user_feat: user features in the order of the ids, or None.
        item_feat: item features in the order of the ids, or None.
        fingerprint: the SHA-256 of each file read, by file name.
        part: train, valid or test where this is a part that `build` made; else None.
    """

    part: str | None = None

    def __init__(
        self,
        name: str,
        schema: Schema,
        encoder: Encoder,
        encoded: Encoded,
        options: DataOptions,
        seed: int,
    ) -> None:
        self.dataset_name = name
        self.schema = schema
        self.encoder = encoder
        self.options = options
        self.inter_feat = encoded.interactions
        self.user_feat = encoded.users
        self.item_feat = encoded.items
        self.fingerprint = dict(encoded.fingerprint)
        self._encoded = encoded
        self._seed = seed
        self._rows: tuple[Tensor, ...] | None = None

    # --- names and types -----------------------------------------------------------------------

    @property
    def uid_field(self) -> str:
        """The name of the user id column."""
        return self.schema.user_field

    @property
    def iid_field(self) -> str:
        """The name of the item id column."""
        return self.schema.item_field

    @property
    def label_field(self) -> str:
        """The name of the label column."""
        return self.schema.target.label_field

    @property
    def time_field(self) -> str:
        """The name of the time column, whether or not it is loaded."""
        return self.schema.time_field

    @property
    def field2type(self) -> dict[str, FeatureType]:
        """The type of every column: the input fields, then the target and the time."""
        types = {field.name: field.type for field in self.schema.fields}
        extra = (name for name in self.inter_feat if name not in types)
        return {**types, **dict.fromkeys(extra, FeatureType.FLOAT)}

    @property
    def field2source(self) -> dict[str, FeatureSource]:
        """The source of every column."""
        sources = {field.name: field.source for field in self.schema.fields}
        return {name: sources.get(name, FeatureSource.INTERACTION) for name in self.field2type}

    def fields(
        self,
        ftype: FeatureType | Iterable[FeatureType] | None = None,
        source: FeatureSource | Iterable[FeatureSource] | None = None,
    ) -> list[str]:
        """The names of the columns of some types and sources; of all, where None."""
        types = _set_of(ftype, FeatureType)
        sources = _set_of(source, FeatureSource)
        return [
            name
            for name, type_ in self.field2type.items()
            if type_ in types and self.field2source[name] in sources
        ]

    def num(self, field: str) -> int:
        """The size of a field: ids with padding, buckets with padding, or 1 for a plain number.

        Raises:
            DataError: there is no such field.
        """
        types = self.field2type
        if field not in types:
            raise DataError(
                f"unknown field '{field}'; there are {', '.join(types)}"
                f".{did_you_mean(field, types)}"
            )
        return next((known.size for known in self.schema.fields if known.name == field), 1)

    def token2id(self, field: str, tokens: str | Sequence[str] | NDArray[Any]) -> Any:
        """The id of a token, or an array of the ids of several.

        Raises:
            DataError: a token never occurred, or the field has no tokens.
        """
        if isinstance(tokens, str):
            return int(self.token2id(field, [tokens])[0])
        ids = self.encoder.ids(field, list(tokens)).numpy()
        if not ids.all():
            unknown = str(tokens[int(np.flatnonzero(ids == 0)[0])])
            raise DataError(
                f"token '{unknown}' does not occur in '{field}'"
                f".{did_you_mean(unknown, self.encoder.tokens(field))}"
            )
        return ids

    def id2token(self, field: str, ids: int | Sequence[int] | NDArray[Any] | Tensor) -> Any:
        """The token of an id, or an array of the same shape with the tokens of several.

        Raises:
            DataError: an id lies outside the vocabulary, or the field has no tokens.
        """
        tokens = np.array(self.encoder.tokens(field))
        wanted = np.asarray(ids.cpu() if isinstance(ids, Tensor) else ids)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(tokens)):
            raise DataError(
                f"expected ids of '{field}' from 0 to {len(tokens) - 1}, got {wanted.min()} to"
                f" {wanted.max()}"
            )
        found = tokens[wanted]
        return str(found) if wanted.ndim == 0 else found

    # --- figures -------------------------------------------------------------------------------

    @property
    def user_num(self) -> int:
        """The number of user ids, with that of padding."""
        return self.num(self.uid_field)

    @property
    def item_num(self) -> int:
        """The number of item ids, with that of padding."""
        return self.num(self.iid_field)

    @property
    def inter_num(self) -> int:
        """The number of interactions."""
        return len(self.inter_feat)

    @property
    def avg_actions_of_users(self) -> float:
        """Interactions per user, of the users that have any."""
        return self._average(self.uid_field)

    @property
    def avg_actions_of_items(self) -> float:
        """Interactions per item, of the items that have any."""
        return self._average(self.iid_field)

    @property
    def sparsity(self) -> float:
        """The share of user-item pairs without an interaction, as RecBole counts (with padding)."""
        return 1 - self.inter_num / self.user_num / self.item_num

    @property
    def ratings(self) -> NDArray[np.float64] | None:
        """The ratings as in the file: float64 [N], where `rating_bins` grades them; else None."""
        return self._encoded.ratings

    @property
    def statistics(self) -> dict[str, Any]:
        """Plain figures for the record of a run; ids are counted without padding."""
        sizes = self._encoded.part_sizes or [len(rows) for rows in self.rows_of_parts()]
        grading = self.schema.target.grading
        return {
            "users": self.user_num - 1,
            "items": self.item_num - 1,
            "interactions": self.inter_num,
            "parts": dict(zip(PARTS, sizes, strict=True)),
            "grading": None if grading is None else grading.summary(),
            "fields": {
                field.name: {
                    "type": field.type.value,
                    "source": field.source.value,
                    "size": field.size,
                }
                for field in self.schema.fields
            },
        }

    def _average(self, field: str) -> float:
        seen = torch.zeros(self.num(field), dtype=torch.bool)
        for ids in self.inter_feat[field].split(_ROWS_AT_ONCE):
            seen[ids.long()] = True
        distinct = int(seen.sum())
        return self.inter_num / distinct if distinct else 0.0

    def __len__(self) -> int:
        return self.inter_num

    def __str__(self) -> str:
        target = self.schema.target
        source = target.rating_field or target.label_field
        level = "" if target.grading is None else "level "
        made = "" if target.threshold is None else f" = {source} >= {level}{target.threshold:g}"
        graded = [] if target.grading is None else [f"    {source}: {target.grading.describe()}"]
        return "\n".join(
            [
                f"{self.dataset_name}: {self.inter_num:,} interactions of {self.user_num - 1:,}"
                f" users with {self.item_num - 1:,} items",
                f"    per user {self.avg_actions_of_users:.2f}, per item"
                f" {self.avg_actions_of_items:.2f}, sparsity {self.sparsity:.2%}",
                f"    target: {target.label_field}{made}",
                *graded,
                "    inputs: "
                + ", ".join(f"{f.name} ({f.type.value}, {f.size:,})" for f in self.schema.fields),
            ]
        )

    # --- rows ----------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Interaction:
        return self.join(self.inter_feat[index])

    def join(self, interaction: Interaction) -> Interaction:
        """Add the features of the users and items whose ids an interaction holds, in place."""
        for side, field in enumerate((self.uid_field, self.iid_field)):
            if field in interaction:
                ids = interaction[field]
                table = self.features_on(ids.device)[side]
                interaction.update(table[ids])
        return interaction

    def get_user_feature(self) -> Interaction:
        """User features, one row per id from 0; only the ids, where there is no .user file."""
        if self.user_feat is not None:
            return self.user_feat
        return Interaction({self.uid_field: torch.arange(self.user_num)})

    def get_item_feature(self) -> Interaction:
        """Item features, one row per id from 0; only the ids, where there is no .item file."""
        if self.item_feat is not None:
            return self.item_feat
        return Interaction({self.iid_field: torch.arange(self.item_num)})

    def features_on(self, device: torch.device) -> tuple[Interaction, Interaction]:
        """User and item features on a device, moved there once for all parts of a data set."""
        return self._encoded.features_on(device)

    def build(self) -> list[Dataset]:
        """The parts for training, validation and test, as `eval_args` or benchmark files say.

        They share features and encoder with this one. The rows of a part are in the order asked
        for, random or by time; those of benchmark files stay as they are.

        Raises:
            DataError: rows are to be ordered or split by time, and no time column is loaded.
        """
        sizes = self._encoded.part_sizes
        if sizes is None:
            interactions = [self.inter_feat.take(rows) for rows in self.rows_of_parts()]
        else:
            interactions = consecutive_parts(self.inter_feat, sizes)
        parts = [self._with(of_part) for of_part in interactions]
        for part, name in zip(parts, PARTS, strict=True):
            part.part = name
        return parts

    def with_seed(self, seed: int) -> Dataset:
        """The same data set, to be split under another seed; nothing is read again.

        Raises:
            ConfigError: its levels were learned on the training part of this seed (`rating_bins`).
        """
        return self._split_anew(self.options, seed)

    def with_options(self, options: DataOptions, seed: int) -> Dataset:
        """The same rows under other options of splitting and batching.

        Raises:
            ConfigError: another option differs; rows that are prepared cannot be prepared anew.
        """
        refuse_other_preparation(self.options, options)
        return self._split_anew(options, seed)

    def _split_anew(self, options: DataOptions, seed: int) -> Dataset:
        if self.schema.target.grading is not None:
            refuse_other_split(self.options.eval_args, self._seed, options.eval_args, seed)
        other = copy.copy(self)
        other.options, other._seed, other._rows = options, seed, None
        return other

    def rows_of_parts(self) -> tuple[Tensor, ...]:
        """The rows for training, validation and test: int64, drawn once.

        Raises:
            DataError: see `build`.
        """
        if self._rows is None:
            sizes, times = self._encoded.part_sizes, self._encoded.times
            if sizes is None:
                args, users = self.options.eval_args, self.inter_feat[self.uid_field].numpy()
                self._rows = draw_parts(args, self.schema, users, times, self._seed)
            else:
                self._rows = consecutive_rows(sizes)
        return self._rows

    def rows_of(self, part: str) -> Tensor:
        """Which interactions of the whole data set a part holds: int64 [N], in its order."""
        return self.rows_of_parts()[PARTS.index(part)]

    def interactions_of(self, *parts: str) -> Interaction:
        """The interactions of some parts, in the order of the parts named; also asked of a part."""
        rows = dict(zip(PARTS, self.rows_of_parts(), strict=True))
        return self._encoded.interactions.take(torch.cat([rows[part] for part in parts]))

    def copy(self, new_inter_feat: Interaction) -> Dataset:
        """The same data set with other interactions, to be split by itself.

        Of a part: other rows of that part, of the same whole.
        """
        other = self._with(new_inter_feat)
        if self.part is None:
            is_timed = self.time_field in new_inter_feat
            other._rows = None
            other._encoded = replace(
                self._encoded,
                interactions=new_inter_feat,
                times=new_inter_feat[self.time_field].double().numpy() if is_timed else None,
                ratings=None,
                part_sizes=None,
                stream=None,
            )
        return other

    def _with(self, interactions: Interaction) -> Dataset:
        other = copy.copy(self)
        other.inter_feat = interactions
        return other

    @property
    def stream(self) -> Mapping[str, StreamPart] | None:
        """Where the rows of each part lie on disk; None where they are in memory."""
        return self._encoded.stream

    def with_target(self, target: Target, columns: Mapping[str, Tensor]) -> Dataset:
        """The same data set with another target, whose columns join the interactions' own."""
        changed = self._with(Interaction({**self.inter_feat.interaction, **columns}))
        changed.schema = replace(self.schema, target=target)
        changed._encoded = replace(self._encoded, interactions=changed.inter_feat)
        return changed

    @property
    def settings(self) -> dict[str, Any]:
        """The options that this was made with, by name, and the seed of its split."""
        return {**self.options.model_dump(), "seed": self._seed}


def _set_of(wanted: Any, kind: Any) -> set[Any]:
    if wanted is None:
        return set(kind)
    return {wanted} if isinstance(wanted, kind) else set(wanted)
