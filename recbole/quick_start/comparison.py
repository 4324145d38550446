"""Two top-k lists of one user, as plain data: what `compare` gathers and a page shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class HeldOut:
    """What the test part says of an item: whether it was a click, and its rating where known."""

    liked: bool
    rating: float | None


@dataclass(frozen=True)
class ListedItem:
    """One line of a list.

    Attributes:
        rank: its place, from 1.
        click: the predicted click probability.
        classes: the probability of each rating level; empty for a binary model.
        expected: the mean rating under `classes`.
        held_out: what the test part says of it; None where the user has no test row with it.
        other_rank: its place in the other list; None where that does not have it.
    """

    rank: int
    item: str
    title: str
    genres: tuple[str, ...]
    click: float
    classes: tuple[float, ...]
    expected: float | None
    held_out: HeldOut | None
    other_rank: int | None


@dataclass(frozen=True)
class RankedList:
    """The list of one checkpoint.

    Attributes:
        letter: "A" or "B".
        name: the file it comes from, without its suffix; with its folder where that tells it apart.
        head: the head in words, such as "5 rating levels, λ = 0.7".
        levels: the rating levels, ascending; empty for a binary model.
        positive: for each level, whether it counts as a click.
        test_result: metrics of the test part, by key, as recorded after training.
    """

    letter: str
    name: str
    model: str
    head: str
    levels: tuple[float, ...]
    positive: tuple[bool, ...]
    test_result: Mapping[str, float]
    items: tuple[ListedItem, ...]

    @property
    def hits(self) -> int:
        """How many held-out positives the list has."""
        return sum(item.held_out is not None and item.held_out.liked for item in self.items)


@dataclass(frozen=True)
class HeldOutPositive:
    """An item that the user clicked on in the test part, and its rank under A and B."""

    item: str
    title: str
    rating: float | None
    ranks: tuple[int, int]


@dataclass(frozen=True)
class Comparison:
    """Two lists for one user.

    Attributes:
        topk: the length asked for; a list is shorter where there are fewer candidates.
        candidates: how many items were ranked: those the user has not seen before the test part.
        seen: how many items the user has in the training and validation parts.
        positives: the held-out positives, the best ranked first.
    """

    dataset: str
    user: str
    topk: int
    candidates: int
    seen: int
    lists: tuple[RankedList, RankedList]
    positives: tuple[HeldOutPositive, ...]

    @property
    def overlap(self) -> int:
        """How many items are in both lists."""
        return sum(item.other_rank is not None for item in self.lists[0].items)

    def summary(self) -> str:
        """Hits of both lists, which has more, and their overlap, in a sentence or two."""
        first, second = self.lists
        shared = f"{_count(self.overlap, 'item is', 'items are')} in both lists."
        if not self.positives:
            return (
                f"The user has no positive in the test part, so there is nothing to hit. {shared}"
            )
        of = _count(len(self.positives), "held-out positive", "held-out positives")
        if first.hits == second.hits:
            return (
                f"Both lists have {first.hits} of the user's {of} in the top {self.topk}. {shared}"
            )
        more, less = (first, second) if first.hits > second.hits else (second, first)
        return (
            f"{more.letter} has more of the user's {of} in the top {self.topk}:"
            f" {more.hits} against {less.hits}. {shared}"
        )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
