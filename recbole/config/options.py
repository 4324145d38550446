"""The base of every group of options.

A group is a frozen pydantic model that stands next to what it configures; `Config` puts the groups
together. Every option has a default and a `description`, which `--show_config` prints.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """A typed, immutable group of options; an unknown name or a wrong type is an error.

    Strict: a string is never taken for a number (YAML has already typed the values), but a whole
    number may stand for a float.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)

    def without_effect(self) -> dict[str, str]:
        """Options that differ from their defaults and change nothing here, each with the reason."""
        return {}


class ModelOptions(Options):
    """The options of one model; each model file derives its own."""
