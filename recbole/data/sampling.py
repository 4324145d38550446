"""What users have seen, and negatives drawn from what they have not.

Drawing is exact and needs no second try. Every item has a whole number of units of probability,
one in a uniform draw. A user's unseen units are numbered from 0, in the order of the item ids; a
unit is drawn, and two binary searches find its item, whatever the user has seen.

M distinct (user, item) pairs seen, U users and I items by their ids, from 1; id 0 is padding.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

#: Units of all users' keys together stay below this, so that a key fits into 64 bits.
_MOST_UNITS = 2**62


class SeenItems:
    """The items that each user has touched, as sorted keys: no Python set per user.

    Args:
        users, items: [N] the ids of (user, item) pairs; a pair may come more than once, and pairs
            with the padding item are left out.
        user_count: ids of users with that of padding, U + 1.
        item_count: ids of items with that of padding, I + 1.

    Attributes:
        users, items: int64 [M], the distinct pairs, by user and then by item.
        starts: int64 [U + 2], the pairs of user u stand from starts[u] up to starts[u + 1].

    Raises:
        ValueError: an id lies outside its range.
    """

    def __init__(self, users: Tensor, items: Tensor, user_count: int, item_count: int) -> None:
        self.user_count, self.item_count = user_count, item_count
        users, items = users.long(), items.long()
        for name, ids, count in (("user", users, user_count), ("item", items, item_count)):
            if len(ids) and (int(ids.min()) < 0 or int(ids.max()) >= count):
                raise ValueError(f"expected {name} ids from 0 to {count - 1}")
        keys = torch.unique(users * item_count + items)  # [N] -> [M'], sorted
        self._keys = keys[keys % item_count != 0]  # [M]
        self.users = self._keys // item_count
        self.items = self._keys % item_count
        every_user = torch.arange(user_count + 1, device=keys.device)
        self.starts = torch.searchsorted(self.users, every_user)  # [U + 2]

    def __len__(self) -> int:
        return len(self._keys)

    def to(self, device: torch.device | str) -> SeenItems:
        """A copy on another device; itself where it is there already."""
        if self._keys.device == torch.device(device):
            return self
        moved = object.__new__(SeenItems)
        moved.user_count, moved.item_count = self.user_count, self.item_count
        for name in ("_keys", "users", "items", "starts"):
            setattr(moved, name, getattr(self, name).to(device))
        return moved

    def contains(self, users: Tensor, items: Tensor) -> Tensor:
        """Whether each user has seen the item beside it: [...], [...] -> bool [...]."""
        return self.find(users, items) >= 0

    def find(self, users: Tensor, items: Tensor) -> Tensor:
        """The place of each pair among the M, or -1: [...], [...] -> int64 [...]."""
        keys = users.long() * self.item_count + items.long()
        if not len(self):
            return torch.full_like(keys, -1)
        place = torch.searchsorted(self._keys, keys).clamp_(max=len(self) - 1)
        return torch.where(self._keys[place] == keys, place, -1)

    def without(self, others: SeenItems) -> SeenItems:
        """The pairs that are not among those of `others`."""
        kept = ~others.contains(self.users, self.items)
        return SeenItems(self.users[kept], self.items[kept], self.user_count, self.item_count)

    def counts(self, users: Tensor) -> Tensor:
        """How many distinct items each user has seen: [N] -> int64 [N]."""
        users = users.long()
        return self.starts[users + 1] - self.starts[users]

    def of(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """All that some users have seen: [N] -> positions in `users` and items, both [Σ counts]."""
        counts = self.counts(users)
        position = torch.repeat_interleave(torch.arange(len(users), device=users.device), counts)
        before = counts.cumsum(0) - counts  # [N]
        within = torch.arange(len(position), device=users.device) - before[position]
        return position, self.items[self.starts[users.long()][position] + within]


class NegativeSampler:
    """Draws items that a user has not seen, uniformly or by popularity.

    A draw has the exact distribution: every unseen item with the same probability, or with one
    proportional to count^alpha. Draws are independent, so that an item may come more than once. A
    user for whom nothing can be drawn, having seen every item (by popularity: every item that
    occurs), gets item 0, padding: no negative.

    Args:
        seen: what is not to be drawn, on the CPU.
        popularity: [I + 1] how often each item occurs, whose power `alpha` is its weight; an item
            that never occurs is never drawn. None: every item weighs the same.
        alpha: the exponent; 0 makes all items that occur alike.
    """

    def __init__(
        self, seen: SeenItems, popularity: Tensor | None = None, alpha: float = 1.0
    ) -> None:
        self.seen = seen
        if popularity is None:
            units = torch.ones(seen.item_count, dtype=torch.int64)
        else:
            units = _units(popularity, alpha, _MOST_UNITS // seen.user_count)
        units[0] = 0
        self._is_uniform = popularity is None
        self._up_to_item = units.cumsum(0)  # [I + 1] units of the items up to each one
        total = int(self._up_to_item[-1])
        # Seen units before each pair, over all users: [M + 1].
        self._seen_before = torch.cat([units.new_zeros(1), units[seen.items].cumsum(0)])
        of_user = self._seen_before[seen.starts]  # [U + 2]
        self._seen_before_user = of_user
        self._unseen = total - of_user.diff()  # [U + 1] units that each user may be given
        # For each pair, the user's unseen units below its item; unlike ids, these do not say where
        # an item stands among all, but where it stands among what may be drawn.
        seen_below = self._seen_before[:-1] - of_user[seen.users]  # [M]
        unseen_below = self._up_to_item[seen.items] - units[seen.items] - seen_below  # [M]
        self._stride = total + 1
        self._keys = seen.users * self._stride + unseen_below  # [M], ascending

    def drawable(self, users: Tensor) -> Tensor:
        """Whether there is anything to be drawn for each user: [N] -> bool [N]."""
        return self._unseen[users.long()] > 0

    def sample(self, users: Tensor, generator: torch.Generator) -> Tensor:
        """One item for each user, 0 where there is none: [N] -> int64 [N], on the CPU."""
        return self.pairs_at(self.draw(users, generator))[1]

    def draw(self, users: Tensor, generator: torch.Generator) -> Tensor:
        """One of each user's unseen units, as a number that `pairs_at` knows: [N] -> int64 [N].

        The numbers sort by user and then by item; -1 where a user has no unseen unit.
        """
        users = users.long()
        unseen = self._unseen.index_select(0, users)  # [N]
        share = torch.rand(len(users), generator=generator, dtype=torch.float64)
        unit = (share * unseen).long()  # [N] from 0 to unseen - 1
        return torch.where(unseen > 0, users * self._stride + unit, -1)

    def pairs_at(self, drawn: Tensor) -> tuple[Tensor, Tensor]:
        """The users and items that drawn numbers stand for: [N] -> [N], [N]; faster if sorted.

        Both are 0 for the number of no unit, -1.
        """
        users = torch.div(drawn, self._stride, rounding_mode="floor").clamp_(min=0)
        # Seen units of the user that stand before the drawn one.
        # (NumPy's search gains more by their order than PyTorch's.)
        after = torch.from_numpy(np.searchsorted(self._keys.numpy(), drawn.numpy(), side="right"))
        skipped = self._seen_before.index_select(0, after)
        skipped -= self._seen_before_user.index_select(0, users)
        unit = drawn - users * self._stride + skipped  # among all of the items' units
        items = (
            unit + 1 if self._is_uniform else torch.searchsorted(self._up_to_item, unit, right=True)
        )
        return users, torch.where(drawn >= 0, items, 0)


def sorted_draws(drawn: Tensor) -> tuple[Tensor, Tensor]:
    """Drawn numbers in ascending order, equal ones as they were drawn, and their places: [N], [N].

    Number and place as one integer, where both fit, sort several times as fast as a pair.
    """
    bits = len(drawn).bit_length()
    if not len(drawn) or int(drawn.max()) >= 2 ** (63 - bits):
        return drawn.sort(stable=True)
    both = torch.from_numpy(np.sort(((drawn << bits) | torch.arange(len(drawn))).numpy()))
    return both >> bits, both & (2**bits - 1)


def differs_from_previous(values: Tensor) -> Tensor:
    """Bool [N]: True where a value differs from the one before it, and for the first."""
    differs = torch.ones_like(values, dtype=torch.bool)
    differs[1:] = values[1:] != values[:-1]
    return differs


def _units(popularity: Tensor, alpha: float, most: int) -> Tensor:
    """Weights count^alpha as whole numbers that add up to about `most`: [I + 1] -> int64."""
    count = popularity.double()
    weight = torch.where(count > 0, count.clamp(min=1) ** alpha, 0.0)
    weight[0] = 0
    # 2^52 units, where there is room, are as fine as a float64 weight is.
    scale = min(most, 2**52) / 2 / max(float(weight.sum()), 1e-300)
    units = (weight * scale).round().long()
    return torch.where(weight > 0, units.clamp(min=1), units)
