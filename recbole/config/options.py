"""The base of every group of options.

A group is a frozen pydantic model that stands next to what it configures; `Config` puts the groups
together. Every option has a default and a `description`, which `--show_config` prints.
"""

from __future__ import annotations

from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator


class Options(BaseModel):
    """A typed, immutable group of options; an unknown name or a wrong type is an error.

    Strict: a string is never taken for a number (YAML has already typed the values), but a whole
    number may stand for a float.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _tuples(cls, value: Any, info: ValidationInfo) -> Any:
        """A tuple of a list, where the option takes tuples, which neither YAML nor json has."""
        assert info.field_name is not None
        annotation = cls.model_fields[info.field_name].annotation
        is_union = get_origin(annotation) in (Union, UnionType)
        types = get_args(annotation) if is_union else (annotation,)
        kinds = {get_origin(one) or one for one in types}
        if isinstance(value, list) and tuple in kinds and list not in kinds:
            return tuple(value)
        return value

    def without_effect(self) -> dict[str, str]:
        """Options that differ from their defaults and change nothing here, each with the reason."""
        return {}


class ModelOptions(Options):
    """The options of one model; each model file derives its own."""
