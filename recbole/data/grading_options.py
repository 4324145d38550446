"""How numbers that are no ratings (counts, play time) or too many ratings become levels."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PlainValidator, field_validator, model_validator

from recbole.config.options import Options

_LEVEL = re.compile(r"level +([1-9]\d*)")


class RatingBins(Options):
    """How the rating column becomes K levels; see `recbole.data.grading`.

    A method's name, or a list of edges, may stand for the whole group.
    """

    method: Literal["quantile", "log", "pairs", "edges"] = Field(
        description="quantile: levels of equal size; log: equal steps of the logarithm;"
        " pairs: two neighbouring ratings make a level; edges: as given"
    )
    levels: int | None = Field(
        None, ge=2, description="number K of levels, of quantile and log; None: multi_cls"
    )
    edges: list[Annotated[float, Field(allow_inf_nan=False)]] | None = Field(
        None, description="the lowest number of the levels 2, 3, ... K, ascending"
    )
    group_by: Literal["user"] | None = Field(
        None, description="user: each user's levels have edges of their own"
    )

    @field_validator("edges")
    @classmethod
    def _ascending(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and (not value or sorted(set(value)) != value):
            raise ValueError("expected at least one edge, each greater than the one before")
        return value

    @field_validator("group_by", mode="before")
    @classmethod
    def _none_by_name(cls, value: Any) -> Any:
        return None if isinstance(value, str) and value.lower() == "none" else value

    @model_validator(mode="after")
    def _keys_fit_method(self) -> RatingBins:
        if (self.method == "edges") != (self.edges is not None):
            raise ValueError("expected 'edges' with the method edges, and with no other")
        is_learned = self.method in ("quantile", "log")
        if not is_learned and self.levels is not None:
            raise ValueError(f"expected no 'levels' with method {self.method}, which says how many")
        if not is_learned and self.group_by is not None:
            raise ValueError(
                f"expected 'group_by' with quantile or log, whose edges are learned, got method"
                f" {self.method}"
            )
        return self


def _whole_group(value: Any) -> Any:
    if isinstance(value, str):
        return {"method": value}
    return {"method": "edges", "edges": value} if isinstance(value, list) else value


#: `quantile`, `log`, `pairs`, a list of edges, or all of `RatingBins` by name.
RatingBinsOption: TypeAlias = Annotated[RatingBins, BeforeValidator(_whole_group)]


def _threshold(value: Any) -> float | str:
    if isinstance(value, str) and _LEVEL.fullmatch(value):
        return f"level {level_of(value)}"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise ValueError("expected a finite number, or 'level N' with N from 1")
    return float(value)


#: The lowest rating that counts as a click: a number, or "level 4".
Threshold: TypeAlias = Annotated[float | str, PlainValidator(_threshold)]


def level_of(threshold: float | str) -> int | None:
    """The level that a threshold names; None for a rating."""
    found = _LEVEL.fullmatch(threshold) if isinstance(threshold, str) else None
    return int(found[1]) if found else None
