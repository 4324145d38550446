"""The levels that a rating column was graded into, as checkpoints keep them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RatingLevels:
    """How numbers become the levels 1 to K: level k holds edges[k - 2] <= number < edges[k - 1].

    Attributes:
        method: quantile, log, pairs or edges.
        edges: the K - 1 lowest numbers of the levels 2 to K, ascending.
        rows: the training rows in each of the K levels.
        user_edges: float64 [U, K - 1], a row for each user id; NaN for a user that has no edges of
            its own and takes those of all. None where no user has.
    """

    method: str
    edges: tuple[float, ...]
    rows: tuple[int, ...] = ()
    user_edges: Tensor | None = None

    @property
    def count(self) -> int:
        """The number K of levels."""
        return len(self.edges) + 1

    def place(self, numbers: Numbers, users: NDArray[np.integer]) -> NDArray[np.int64]:
        """The level, 1 to K, of each of N numbers, given by the users of these ids."""
        edges = np.asarray(self.edges)
        if self.user_edges is None:
            return np.searchsorted(edges, numbers, side="right") + 1
        own = self.user_edges.numpy()
        own = np.where(np.isnan(own), edges, own)  # [U, K - 1]
        levels = np.ones(len(numbers), np.int64)
        for edge in own.T:  # K - 1 × [U]
            levels += numbers >= edge[users]
        return levels

    def describe(self) -> str:
        """The edges of all users and the share of training rows in each level."""
        learned = " of the training part" if self.method in ("quantile", "log") else ""
        starts = [f"below {self.edges[0]:g}", *(f"from {edge:g}" for edge in self.edges)]
        shares = [rows / max(sum(self.rows), 1) for rows in self.rows]
        levels = ", ".join(
            f"{level} {start} ({share:.1%})"
            for level, (start, share) in enumerate(zip(starts, shares, strict=True), start=1)
        )
        text = f"{self.count} levels ({self.method}{learned}): {levels}"
        if self.user_edges is None:
            return text
        own = int((~self.user_edges.isnan().any(dim=1)).sum())
        return f"{text}; {own:,} users have edges of their own, the others these"

    def summary(self) -> dict[str, Any]:
        """Method, edges of all users and training rows of each level, for the record of a run."""
        return {"method": self.method, "edges": list(self.edges), "rows": list(self.rows)}

    def to_dict(self) -> dict[str, Any]:
        """Plain data and a tensor, for a checkpoint."""
        return {
            "method": self.method,
            "edges": list(self.edges),
            "rows": list(self.rows),
            "user_edges": self.user_edges,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> RatingLevels:
        """The inverse of `to_dict`."""
        return cls(
            plain["method"], tuple(plain["edges"]), tuple(plain["rows"]), plain["user_edges"]
        )

    def __eq__(self, other: object) -> bool:
        """Whether both grade alike."""
        if not isinstance(other, RatingLevels):
            return NotImplemented
        mine, theirs = self.user_edges, other.user_edges
        if mine is None or theirs is None:
            return self.edges == other.edges and mine is theirs
        same = mine.shape == theirs.shape and mine.allclose(theirs, rtol=0, atol=0, equal_nan=True)
        return self.edges == other.edges and same

    __hash__ = None  # type: ignore[assignment]
