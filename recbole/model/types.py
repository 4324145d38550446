"""What a model is, what it is given, and what it sees: the words the other modules share."""

from __future__ import annotations

from enum import Enum
from typing import Any, Protocol

from torch import Tensor

from recbole.data.schema import Schema


class ModelType(Enum):
    """The families of models RecBole knows; this framework serves CONTEXT."""

    GENERAL = 1
    SEQUENTIAL = 2
    CONTEXT = 3
    KNOWLEDGE = 4
    TRADITIONAL = 5
    DECISIONTREE = 6


class InputType(Enum):
    """What one training example is: a row with its label, a pair, or a list."""

    POINTWISE = 1
    PAIRWISE = 2
    LISTWISE = 3


class Batch(Protocol):
    """B rows: a column for each field name, in the forms that `recbole.data.schema.Field` lists.

    An `Interaction` is one, and so is a plain dict of tensors.
    """

    def __getitem__(self, name: str, /) -> Tensor:
        """The column of one field."""


class HasSchema(Protocol):
    """A Dataset, or a Schema read from a checkpoint."""

    @property
    def schema(self) -> Schema:
        """The input features and the target."""


class ModelConfig(Protocol):
    """The part of `recbole.config.Config` that a model reads."""

    @property
    def model_options(self) -> Any:
        """The model's own group of options, an instance of its class's `Options`."""

    @property
    def supervision(self) -> Any:
        """The `SupervisionOptions` that choose the head."""

    def __getitem__(self, name: str, /) -> Any:
        """Any option by its flat name."""
