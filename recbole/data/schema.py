"""What columns mean: the fields that a model may see, and the target that it must not see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from recbole.data.rating_levels import RatingLevels


class FeatureType(StrEnum):
    """The four column types of atomic files."""

    TOKEN = "token"
    FLOAT = "float"
    TOKEN_SEQ = "token_seq"
    FLOAT_SEQ = "float_seq"


class FeatureSource(StrEnum):
    """Where a column comes from: an atomic file, or the key that joins two of them."""

    INTERACTION = "inter"
    USER = "user"
    ITEM = "item"
    USER_ID = "user_id"
    ITEM_ID = "item_id"


@dataclass(frozen=True)
class Field:
    """One input feature and how a batch of B rows holds it.

    | type      | column in a batch                | discretised                      |
    |-----------|----------------------------------|----------------------------------|
    | token     | int64 [B], 0 = padding / unknown |                                  |
    | token_seq | int64 [B, L], padded with 0      |                                  |
    | float     | float32 [B]                      | int64 [B], a bucket from 1       |
    | float_seq | float32 [B, L], padded with NaN  | int64 [B, L], padded with 0      |

    Attributes:
        size: rows of the field's embedding table: the vocabulary with its padding, the buckets with
            their padding, or 1 for a float that is not discretised (value × one learned vector).
        length: the longest sequence L; 1 where the field is no sequence.
    """

    name: str
    type: FeatureType
    source: FeatureSource
    size: int
    length: int = 1
    discretised: bool = False


@dataclass(frozen=True)
class Target:
    """What is predicted. Neither column is ever an input feature.

    Attributes:
        label_field: the 0/1 click label.
        rating_field: the column the label was made from, where there is one.
        threshold: the lowest rating that counts as a click; the lowest level, where graded.
        levels: the distinct ratings found, ascending; 1 to K, where graded.
        grading: how `rating_bins` made levels of the column's numbers; None for plain ratings.
    """

    label_field: str
    rating_field: str | None = None
    threshold: float | None = None
    levels: tuple[float, ...] = ()
    grading: RatingLevels | None = None


@dataclass(frozen=True)
class Schema:
    """The input features in the order of the files, the keys that join them, and the target."""

    fields: tuple[Field, ...]
    user_field: str
    item_field: str
    time_field: str
    target: Target

    @property
    def schema(self) -> Schema:
        """Itself, so that a model can be built from a schema as well as from a Dataset."""
        return self

    def of_type(self, feature_type: FeatureType) -> tuple[Field, ...]:
        """The fields of one type, in order."""
        return tuple(field for field in self.fields if field.type is feature_type)

    def to_dict(self) -> dict[str, Any]:
        """Plain data (str, int, float, bool, list, dict, None) for a checkpoint."""
        plain = asdict(self)
        plain["fields"] = [
            {**asdict(field), "type": field.type.value, "source": field.source.value}
            for field in self.fields
        ]
        grading = self.target.grading
        plain["target"]["levels"] = list(self.target.levels)
        plain["target"]["grading"] = None if grading is None else grading.to_dict()
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Schema:
        """The inverse of `to_dict`."""
        fields = tuple(
            Field(**{**f, "type": FeatureType(f["type"]), "source": FeatureSource(f["source"])})
            for f in plain["fields"]
        )
        graded = plain["target"].get("grading")
        target = Target(
            **{
                **plain["target"],
                "levels": tuple(plain["target"]["levels"]),
                "grading": None if graded is None else RatingLevels.from_dict(graded),
            }
        )
        return cls(**{**plain, "fields": fields, "target": target})
