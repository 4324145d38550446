"""A data set after preparation: all that a `Dataset` is made of, before anything is split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from recbole.data.encoded import Encoded
from recbole.data.encoding import Encoder
from recbole.data.interaction import Interaction
from recbole.data.schema import Schema


@dataclass(frozen=True)
class Prepared:
    """The encoded tables, how they were encoded, and what the columns mean."""

    schema: Schema
    encoder: Encoder
    encoded: Encoded

    def to_dict(self) -> dict[str, Any]:
        """Plain data, arrays and tensors."""
        encoded = self.encoded
        return {
            "schema": self.schema.to_dict(),
            "encoder": self.encoder.to_dict(),
            "interactions": encoded.interactions.interaction,
            "users": None if encoded.users is None else encoded.users.interaction,
            "items": None if encoded.items is None else encoded.items.interaction,
            "times": encoded.times,
            "ratings": encoded.ratings,
            "part_sizes": None if encoded.part_sizes is None else list(encoded.part_sizes),
            "fingerprint": dict(encoded.fingerprint),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Prepared:
        """The inverse of `to_dict`."""
        sizes, times, ratings = plain["part_sizes"], plain["times"], plain["ratings"]
        encoded = Encoded(
            interactions=Interaction(plain["interactions"]),
            users=_table(plain["users"]),
            items=_table(plain["items"]),
            times=None if times is None else times.numpy(),
            ratings=None if ratings is None else ratings.numpy(),
            part_sizes=None if sizes is None else tuple(sizes),
            fingerprint=plain["fingerprint"],
        )
        return cls(Schema.from_dict(plain["schema"]), Encoder.from_dict(plain["encoder"]), encoded)


def _table(columns: Mapping[str, Tensor] | None) -> Interaction | None:
    return None if columns is None else Interaction(columns)
