"""What can be set about the data: where it lies, what is loaded, filtered, prepared and split."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from recbole.config.options import Options
from recbole.data.evaluation_options import EvalArgs
from recbole.data.grading_options import RatingBinsOption, Threshold, level_of
from recbole.data.intervals import parse_intervals

Suffix = Literal["inter", "user", "item"]
FieldName = Annotated[str, Field(min_length=1)]
FiniteFloat = Annotated[float, Field(allow_inf_nan=False)]

_FILTERS = (
    "rm_dup_inter",
    "val_interval",
    "filter_inter_by_user_or_item",
    "user_inter_num_interval",
    "item_inter_num_interval",
)


class NegativeSampling(Options):
    """RecBole's `train_neg_sample_args`."""

    distribution: Literal["uniform", "popularity"] = Field(
        "uniform", description="uniform, or popularity: in proportion to interactions^alpha"
    )
    sample_num: int = Field(1, ge=1, description="negatives for each positive")
    alpha: FiniteFloat = Field(1.0, ge=0, description="exponent of popularity")
    dynamic: bool | None = Field(False, description="not supported: leave it out")
    candidate_num: int = Field(0, description="of dynamic sampling: leave it out")

    @model_validator(mode="after")
    def _not_dynamic(self) -> NegativeSampling:
        if self.dynamic or self.candidate_num:
            raise ValueError(
                "expected no dynamic sampling, which is not supported; leave out 'dynamic' and"
                " 'candidate_num'"
            )
        return self


class Discretization(Options):
    """How a float field becomes buckets."""

    method: Literal["ED", "LD"] = Field(description="ED: equal distance; LD: logarithm")
    bucket: int | None = Field(None, ge=1, description="number of buckets, for ED only")

    @model_validator(mode="after")
    def _bucket_fits_method(self) -> Discretization:
        if self.method == "ED" and self.bucket is None:
            raise ValueError("expected the number of buckets, {method: ED, bucket: 10}")
        if self.method == "LD" and self.bucket is not None:
            raise ValueError("expected no 'bucket' with method LD, which finds its own buckets")
        return self


class DataOptions(Options):
    """The options of reading, preparing, splitting and batching a data set."""

    data_path: str = Field("dataset/", description="folder that holds one folder per data set")
    data_cache: bool | str = Field(
        True,
        description="keep prepared data for the next load: True in the data set's folder (.cache),"
        " False, or a folder",
    )
    field_separator: str = Field("\t", description="the character between two columns of a file")
    seq_separator: str = Field(
        " ", min_length=1, description="what separates the elements of a sequence"
    )
    encoding: str = Field("utf-8", description="text encoding of the files")

    USER_ID_FIELD: FieldName = Field("user_id", description="the column of user ids")
    ITEM_ID_FIELD: FieldName = Field("item_id", description="the column of item ids")
    RATING_FIELD: FieldName = Field("rating", description="the column of ratings, never an input")
    TIME_FIELD: FieldName = Field("timestamp", description="the column of times, for ordering rows")
    LABEL_FIELD: FieldName = Field("label", description="the column of 0/1 click labels")
    threshold: dict[FieldName, Threshold] | None = Field(
        None,
        description="{rating field: lowest value that counts as a click}, or, with rating_bins,"
        " {rating field: level 4}",
    )
    rating_bins: RatingBinsOption | None = Field(
        None,
        description="how counts or play time become levels: quantile, log, pairs, [edges], or"
        " {method: quantile, levels: 5, group_by: user}",
    )

    numerical_features: list[FieldName] = Field(
        [], description="float fields that are inputs: value × one learned vector"
    )
    seq_len: dict[FieldName, Annotated[int, Field(ge=1)]] | None = Field(
        None, description="{sequence field: number of elements kept from its start}"
    )

    load_col: dict[Suffix, list[FieldName] | Literal["*"] | None] | None = Field(
        None, description="{file suffix: columns to load}; a suffix left out is not loaded"
    )
    unload_col: dict[Suffix, list[FieldName]] | None = Field(
        None, description="{file suffix: columns not to load}"
    )
    unused_col: dict[Suffix, list[FieldName]] | None = Field(
        None, description="{file suffix: columns used for preparation only, not as inputs}"
    )

    rm_dup_inter: Literal["first", "last"] | None = Field(
        None, description="which of several interactions of a user with an item is kept"
    )
    val_interval: dict[FieldName, str | list[str | int]] | None = Field(
        None, description="{float field: interval, token field: list of tokens} of rows kept"
    )
    filter_inter_by_user_or_item: bool = Field(
        True, description="drop interactions whose user or item has no row in its file"
    )
    user_inter_num_interval: str | None = Field(
        "[0,inf)", description="interval of interactions that a user must have"
    )
    item_inter_num_interval: str | None = Field(
        "[0,inf)", description="interval of interactions that an item must have"
    )

    normalize_field: list[FieldName] | None = Field(
        None, description="float fields scaled to [0, 1] by their minimum and maximum"
    )
    normalize_all: bool | None = Field(
        None, description="scale every float field to [0, 1]; None: yes, without normalize_field"
    )
    discretization: dict[FieldName, Discretization] | None = Field(
        None, description="{numerical field: {method: ED|LD, bucket: number}}"
    )
    benchmark_filename: list[FieldName] | None = Field(
        None, description="[train, valid, test]: parts read from <name>.<part>.inter"
    )

    eval_args: EvalArgs = Field(EvalArgs(), description="how rows are ordered, split, evaluated")
    train_batch_size: int = Field(2048, ge=1, description="rows of a training batch")
    eval_batch_size: int = Field(4096, ge=1, description="rows of an evaluation batch")
    train_neg_sample_args: NegativeSampling | None = Field(
        None, description="negatives drawn for training where every row is a positive:"
        " {distribution: uniform|popularity, sample_num: 1, alpha: 1.0}",
    )  # fmt: skip
    shuffle: bool = Field(True, description="a new random order of the training rows every epoch")

    stream: bool = Field(
        False, description="read rows from disk while training, for data larger than memory"
    )
    stream_rows: int = Field(
        1 << 20, ge=1, description="rows that are in memory, and shuffled, together under stream"
    )

    @property
    def normalises_all(self) -> bool:
        """Whether every float field is scaled: RecBole's default, unless fields are named."""
        return self.normalize_field is None if self.normalize_all is None else self.normalize_all

    def without_effect(self) -> dict[str, str]:
        """The filters and the split, where files say which rows are in which part."""
        if self.benchmark_filename is None:
            return {}
        filters = [name for name in _changed(self, _FILTERS) if getattr(self, name) is not None]
        found = dict.fromkeys(filters, "rows of benchmark_filename are not filtered")
        split = _changed(self.eval_args, ("split", "order", "group_by"))
        if split:
            found["eval_args"] = (
                f"benchmark_filename says what the parts are, in place of its {' and '.join(split)}"
            )
        return found

    @field_validator("field_separator")
    @classmethod
    def _one_character(cls, value: str) -> str:
        if len(value) != 1 or not value.isascii() or value in "\r\n":
            raise ValueError("expected a single ASCII character")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            codecs.lookup(value)
        except LookupError:
            raise ValueError("expected an encoding that Python knows, such as latin-1") from None
        return value

    @field_validator("threshold")
    @classmethod
    def _one_threshold(cls, value: dict[str, Threshold] | None) -> dict[str, Threshold] | None:
        if value is not None and len(value) != 1:
            raise ValueError("expected exactly one field, {rating: 4}")
        return value

    @field_validator("benchmark_filename")
    @classmethod
    def _three_parts(cls, value: list[str] | None) -> list[str] | None:
        if value is not None and len(value) != 3:
            raise ValueError("expected three names, [train, valid, test]")
        return value

    @field_validator("user_inter_num_interval", "item_inter_num_interval")
    @classmethod
    def _interval(cls, value: str | None) -> str | None:
        if value is not None:
            parse_intervals(value)
        return value

    @field_validator("val_interval")
    @classmethod
    def _value_intervals(
        cls, value: dict[str, str | list[str | int]] | None
    ) -> dict[str, str | list[str | int]] | None:
        for interval in (value or {}).values():
            if isinstance(interval, str):
                parse_intervals(interval)
        return value

    @model_validator(mode="after")
    def _levels_are_known(self) -> DataOptions:
        for field, value in (self.threshold or {}).items():
            if level_of(value) is not None and self.rating_bins is None:
                raise ValueError(
                    f"Options 'threshold' and 'rating_bins': '{value}' names a level, and without"
                    f" rating_bins there are none; expected the lowest value of '{field}' that"
                    " counts as a click, or rating_bins"
                )
            if self.rating_bins is not None and field == self.LABEL_FIELD:
                raise ValueError(
                    f"Options 'threshold' and 'rating_bins': expected a threshold on the column to"
                    f" be graded, got one on the label column '{field}'"
                )
        return self

    @model_validator(mode="after")
    def _options_agree(self) -> DataOptions:
        for suffix in set(self.load_col or {}) & set(self.unload_col or {}):
            if (self.load_col or {})[suffix] not in (None, "*"):
                raise ValueError(
                    f"Options 'load_col' and 'unload_col' both name columns of '{suffix}';"
                    " expected one of them"
                )
        if self.normalize_field and self.normalize_all:
            raise ValueError(
                "Options 'normalize_field' and 'normalize_all' are both set; expected one of them"
            )
        for other in ("benchmark_filename", "train_neg_sample_args", "rating_bins"):
            if self.stream and getattr(self, other) is not None:
                raise ValueError(
                    f"Options 'stream' and '{other}' are at odds: streaming splits labelled rows,"
                    " as they are, by eval_args; leave out one of them"
                )
        if self.field_separator == self.seq_separator:
            raise ValueError(
                "Options 'field_separator' and 'seq_separator' are the same;"
                f" expected two separators, got {self.seq_separator!r}"
            )
        roles = ("USER_ID_FIELD", "ITEM_ID_FIELD", "RATING_FIELD", "TIME_FIELD", "LABEL_FIELD")
        for position, role in enumerate(roles):
            for other in roles[position + 1 :]:
                if getattr(self, role) == getattr(self, other):
                    raise ValueError(
                        f"Options '{role}' and '{other}' name the same column"
                        f" '{getattr(self, role)}'; expected different columns"
                    )
        return self


def _changed(options: Options, names: Sequence[str]) -> list[str]:
    """Those of the options that differ from their defaults."""
    fields = type(options).model_fields
    return [name for name in names if getattr(options, name) != fields[name].default]
