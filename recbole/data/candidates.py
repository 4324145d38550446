"""The items among which each user of a part has to find what they liked: drawn once, kept, reused.

U users with a positive, C candidates of all users together, P positives, N negatives for each.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbole.data.dataset import Dataset
from recbole.data.evaluation_options import PARTS
from recbole.data.payload import DamagedPayloadError, load_payload, save_payload
from recbole.data.sampling import (
    NegativeSampler,
    SeenItems,
    differs_from_previous,
    sorted_draws,
)
from recbole.errors import DataError

FORMAT = "recbole candidates 1"
#: Drawn at once: enough for whole-array work to be fast, few enough for a small memory.
_DRAWN_AT_ONCE = 2**17


@dataclass(frozen=True)
class Candidates:
    """The candidates of a part, user by user.

    A user's list holds their positives, each once, and the negatives drawn for these, a repeated
    one once. No negative is an item that the user touched in this part or an earlier one, liked or
    not. Items with equal scores keep the order of the list, which is random and knows nothing of
    what is positive.

    Attributes:
        part: the part that the positives come from, valid or test.
        mode: uniN or popN, how many negatives were drawn for each positive, and how.
        seed: of the draws.
        fingerprint: SHA-256 of the split and the rows of the part, see `fingerprint_of`.
        users: int32 [U], ascending ids.
        starts: int64 [U + 1], the list of users[u] stands from starts[u] up to starts[u + 1].
        items: int32 [C].
        rows: int32 [C], the row of the part that a positive is, or that a negative was drawn for:
            what it lends to the features of the interaction.
        positive: bool [C].
    """

    part: str
    mode: str
    seed: int
    fingerprint: str
    users: Tensor
    starts: Tensor
    items: Tensor
    rows: Tensor
    positive: Tensor

    def __len__(self) -> int:
        return len(self.items)

    @property
    def user_places(self) -> Tensor:
        """For each candidate the place of its user in `users`: int64 [C]."""
        return torch.repeat_interleave(self.starts.diff())

    @property
    def positives(self) -> Tensor:
        """How many positives each user has: int64 [U]."""
        places = self.positive.nonzero().squeeze(1)
        owners = torch.searchsorted(self.starts, places, right=True) - 1
        return owners.bincount(minlength=len(self.users))

    def describe(self) -> str:
        """One line for the log."""
        count = int(self.positive.sum())
        return (
            f"{self.part} candidates ({self.mode}, seed {self.seed}): {len(self.users):,} users,"
            f" {count:,} positives, {len(self) - count:,} negatives"
        )

    def check(self, part: Dataset) -> None:
        """Raise DataError unless these are candidates of this very part of this very split."""
        if self.part != part.part or self.fingerprint != fingerprint_of(part):
            raise DataError(
                f"The candidates are of a {self.part} part with other rows than the {part.part}"
                f" part of {part.dataset_name} has here (SHA-256 {self.fingerprint[:12]},"
                f" got {fingerprint_of(part)[:12]}): the data, the split, its seed or a filter is"
                " another. Leave out the file of candidates, or name another one to be written"
            )


def draw(part: Dataset, mode: str, seed: int) -> Candidates:
    """Draw the candidates of a part; the same for the same data, split, mode and seed.

    Where a user has seen all items, their list holds positives only. In mode popN an item is drawn
    in proportion to how often it occurs in all parts together, as RecBole does.

    Args:
        part: the validation or test part, as `Dataset.build` makes them.
        mode: uniN or popN, such as uni100.
        seed: of the draws, which happen on the CPU.

    Raises:
        DataError: the part holds no positive.
    """
    pairs = positive_pairs(part)  # by user
    distribution, number = sampling_of(mode)
    generator = _generator(seed, part)
    # Items are renamed at random, once for all users: the order of the new names is the order of
    # every list. (Ids go by first appearance, so popular items would come first.)
    name_of = torch.cat(
        [torch.zeros(1), 1 + torch.randperm(part.item_num - 1, generator=generator)]
    )
    name_of = name_of.long()
    id_of = name_of.argsort()

    counts = item_counts(part)[id_of] if distribution == "pop" else None
    sampler = NegativeSampler(seen_up_to(part, name_of), counts)
    lengths = torch.zeros(part.user_num, dtype=torch.int64)  # of the lists of all users
    chunks = [
        _lists(chunk, sampler, number, name_of, generator, lengths)
        for chunk in pairs.by_user(most=max(1, _DRAWN_AT_ONCE // number))
    ]
    items, rows, positive = (torch.cat(column) for column in zip(*chunks, strict=True))
    users = lengths.nonzero().squeeze(1)  # [U]
    return Candidates(
        part=str(part.part),
        mode=mode,
        seed=seed,
        fingerprint=fingerprint_of(part),
        users=users.int(),
        starts=torch.cat([lengths.new_zeros(1), lengths[users].cumsum(0)]),
        items=id_of.int().index_select(0, items),
        rows=rows,
        positive=positive,
    )


def _lists(
    pairs: PositivePairs,
    sampler: NegativeSampler,
    number: int,
    name_of: Tensor,
    generator: torch.Generator,
    lengths: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """The lists of the users of some positives [P]: named items, rows, positive, each [C].

    By user and then by the items' names. How many each user has is added to `lengths`.
    """
    # Sorted, and rid of repetitions, before it is looked up what was drawn: that is then fast.
    drawn, draws = sorted_draws(sampler.draw(pairs.users.repeat_interleave(number), generator))
    first = differs_from_previous(drawn).nonzero().squeeze(1)
    draws = draws.index_select(0, first)
    users, items = sampler.pairs_at(drawn.index_select(0, first))
    # By popularity, several numbers stand for one item; and a number may stand for none.
    kept = (items > 0) & (differs_from_previous(items) | differs_from_previous(users))
    if not kept.all():
        users, items, draws = users[kept], items[kept], draws[kept]
    rows = pairs.rows.index_select(0, torch.div(draws, number, rounding_mode="floor"))

    # The positives go where their names belong among the negatives.
    size = len(name_of)
    names = name_of[pairs.items]
    own, order = (pairs.users * size + names).sort()
    places = torch.searchsorted(users * size + items, own) + torch.arange(len(own))
    positive = torch.zeros(len(items) + len(own), dtype=torch.bool)
    positive[places] = True
    others = (~positive).nonzero().squeeze(1)
    span = slice(int(pairs.users[0]), int(pairs.users[-1]) + 1)  # the users of this chunk
    for listed in (users, pairs.users):
        lengths[span] += (listed - span.start).bincount(minlength=span.stop - span.start)
    columns = []
    for negatives, positives in ((items, names), (rows, pairs.rows)):
        column = torch.empty(len(positive), dtype=torch.int32)
        column[others] = negatives.int()
        column[places] = positives[order].int()
        columns.append(column)
    return columns[0], columns[1], positive


@dataclass(frozen=True)
class PositivePairs:
    """The distinct (user, item) pairs that a part calls positive, [P] each, with their rows."""

    users: Tensor
    items: Tensor
    rows: Tensor

    def by_user(self, most: int) -> Iterator[PositivePairs]:
        """In order, and in chunks of at most that many pairs, unless one user alone has more."""
        ends = self.users.unique_consecutive(return_counts=True)[1].cumsum(0)  # [U]
        start = 0
        while start < len(self.users):
            last = int(torch.searchsorted(ends, start + most, right=True)) - 1
            whole = int(ends[last]) if last >= 0 else 0
            # Not even the next user fits: then that user alone.
            stop = whole if whole > start else int(ends[last + 1])
            yield PositivePairs(
                self.users[start:stop], self.items[start:stop], self.rows[start:stop]
            )
            start = stop


def has_positive(part: Dataset) -> bool:
    """Whether a part has a row with label 1, or, where there is no label, a row."""
    rows = part.inter_feat
    return bool((rows[part.label_field] > 0).any() if part.label_field in rows else len(rows))


def positive_pairs(part: Dataset) -> PositivePairs:
    """Rows with label 1, or all rows where there is no label, by user and then by item.

    Of a repeated pair the first row.

    Raises:
        DataError: there is none, or the data set is not one of the parts of a split.
    """
    if part.part is None:
        raise DataError(
            f"{part.dataset_name}: expected a part of a split (Dataset.build), to know what users"
            " have seen before; got a data set that is none"
        )
    rows = torch.arange(len(part.inter_feat))
    if part.label_field in part.inter_feat:
        rows = rows[part.inter_feat[part.label_field] > 0]
    if not len(rows):
        raise DataError(
            f"{part.dataset_name}: expected a positive (label 1) in the {part.part} part to rank,"
            " got none"
        )
    users, items = _pairs(part, part.inter_feat)
    keys, places = torch.sort(users[rows] * part.item_num + items[rows], stable=True)
    rows = rows[places[differs_from_previous(keys)]]
    return PositivePairs(users[rows], items[rows], rows)


def seen_up_to(part: Dataset, name_of: Tensor | None = None) -> SeenItems:
    """All that users touched in a part of a split and those before it, liked or not.

    `name_of` [I + 1] gives the items other ids.
    """
    parts = PARTS[: PARTS.index(str(part.part)) + 1]
    users, items = _pairs(part, part.interactions_of(*parts))
    renamed = items if name_of is None else name_of[items]
    return SeenItems(users, renamed, part.user_num, part.item_num)


def item_counts(part: Dataset, *parts: str) -> Tensor:
    """How often each item occurs in some parts of the split, all unless named: int64 [I + 1]."""
    _, items = _pairs(part, part.interactions_of(*(parts or PARTS)))
    return torch.bincount(items, minlength=part.item_num)


def sampling_of(mode: str) -> tuple[str, int]:
    """'uni' or 'pop' and N, from a mode such as uni100."""
    match = re.fullmatch(r"(uni|pop)([1-9]\d*)", mode)
    if match is None:
        raise ValueError(f"expected uniN or popN, such as uni100, got {mode!r}")
    return match[1], int(match[2])


def fingerprint_of(part: Dataset) -> str:
    """SHA-256 of all that candidates depend on: the rows of every part, and those of this one."""
    digest = hashlib.sha256(f"{part.part} {part.user_num} {part.item_num}".encode())
    label = part.label_field
    for name in PARTS:
        rows = part.interactions_of(name)
        digest.update(f"{name} {len(rows)}".encode())
        for column in _pairs(part, rows):
            digest.update(column.int().numpy().tobytes())
    for column in _pairs(part, part.inter_feat):
        digest.update(column.int().numpy().tobytes())
    if label in part.inter_feat:
        digest.update((part.inter_feat[label] > 0).numpy().tobytes())
    return digest.hexdigest()


def save(path: str | Path, candidates: Mapping[str, Candidates]) -> None:
    """Write candidates by part, as tensors and plain data, in one step.

    Args:
        path: the file; `torch.load(path, weights_only=True)` reads it.

    Raises:
        OSError: the file cannot be written.
    """
    parts = {name: vars(found) for name, found in candidates.items()}
    save_payload(Path(path), {"format": FORMAT, "parts": parts})


def load(path: str | Path) -> dict[str, Candidates]:
    """Read what `save` wrote. Whether it fits a data set, `Candidates.check` says.

    Raises:
        DataError: the file is missing, damaged or no file of candidates.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"Candidates {path}: expected a file, there is none")
    fault = f"Candidates {path}: expected a file of candidates, got another"
    if not zipfile.is_zipfile(path):  # what torch.save writes
        raise DataError(fault)
    try:
        payload = load_payload(path)
    except DamagedPayloadError as error:
        raise DataError(f"Candidates {path}: damaged or of another program: {error}") from None
    if not isinstance(payload, dict) or payload.get("format") != FORMAT:
        raise DataError(fault)
    try:
        return {name: Candidates(**fields) for name, fields in payload["parts"].items()}
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"Candidates {path}: damaged or of another version: {error}") from None


def _pairs(part: Dataset, rows: Any) -> tuple[Tensor, Tensor]:
    """The users and items of some interactions, int64."""
    return rows[part.uid_field].long(), rows[part.iid_field].long()


def _generator(seed: int, part: Dataset) -> torch.Generator:
    """A random stream of its own for each seed and part."""
    sequence = np.random.SeedSequence([seed, PARTS.index(str(part.part))])
    (state,) = sequence.generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
