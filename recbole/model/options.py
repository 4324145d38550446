"""The kinds of value that the models' options take, and the options that every model has."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from recbole.config.options import ModelOptions

Size = Annotated[int, Field(ge=1)]
Sizes = Annotated[list[Size], Field(min_length=1)]
DropoutRate = Annotated[float, Field(ge=0.0, lt=1.0, allow_inf_nan=False)]
RegularisationWeight = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class ContextOptions(ModelOptions):
    """The option that every context-aware model has."""

    embedding_size: Size = Field(10, description="Width D of the embedding of each field.")


class UndeclaredOptions(ContextOptions):
    """For a user's model that names no `Options` class: it may read any option it likes.

    Nothing is known of such options, so neither their names nor their values can be checked.
    """

    model_config = ConfigDict(extra="allow")


def check_heads(num_heads: int, attention_size: int) -> None:
    """Raise ValueError, a validation error, unless the heads share the attention's width evenly."""
    if attention_size % num_heads:
        raise ValueError(
            f"num_heads must divide attention_size; got {num_heads} heads and a width of "
            f"{attention_size}"
        )
