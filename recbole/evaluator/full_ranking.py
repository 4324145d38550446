"""Every item scored for every user, in chunks that fit a memory budget.

U users, I items by their ids, from 1; id 0 is padding. R rows of one forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from recbole.data.interaction import Interaction
from recbole.data.loader import Gatherer
from recbole.data.sampling import SeenItems
from recbole.data.schema import FeatureSource, Schema
from recbole.errors import ConfigError, TrainingDivergedError
from recbole.evaluator.order import descending_keys, scores_of

_USER_SOURCES = (FeatureSource.USER, FeatureSource.USER_ID)
#: Rows of a forward pass: more are no faster, and on a CPU they leave its caches.
_MOST_ROWS = {"cpu": 2**13}
_MOST_ROWS_ELSEWHERE = 2**18
_PROBED_ROWS = 64
#: What ranking a score takes: itself, and as a 64-bit key with its copies.
_BYTES_PER_SCORE = 32


class TopK(NamedTuple):
    """The best items of each user, best first; of equal scores the lower id comes first.

    Attributes:
        items: int64 [U, k], 0 where there are fewer than k items to choose from.
        scores: float32 [U, k], -inf in those places.
    """

    items: Tensor
    scores: Tensor


class FullRanker:
    """Scores all items for users by their ids, with never more than a budget of memory.

    >>> ranker = FullRanker(model, dataset.schema, dataset.user_feat, dataset.item_feat, "cpu")
    >>> ranker.top_k(torch.tensor([1, 2, 3]), k=10, exclude=seen)

    Which chunks the work is cut into changes no list: every forward pass has the same number of
    rows, and ties are ordered by id.

    Args:
        model: a ContextRecommender; `predict(batch)`, the probability of a click, ranks the items.
        schema: the fields that the model reads.
        user_features, item_features: one row for each id from 0, or None where the id is all.
        device: where the model is.
        memory_mb: MiB for the rows of a forward pass and the scores of a chunk together, beside the
            model and the features.

    Raises:
        ConfigError: the model reads fields of the interaction, which a user and an item alone do
            not have.
    """

    def __init__(
        self,
        model: Any,
        schema: Schema,
        user_features: Interaction | None,
        item_features: Interaction | None,
        device: torch.device | str,
        memory_mb: float = 512,
    ) -> None:
        refuse_interaction_fields(schema)
        self.model = model
        self.device = torch.device(device)
        self.user_count = _size(schema, schema.user_field)
        self.item_count = _size(schema, schema.item_field)
        users = {f.name for f in schema.fields if f.source in _USER_SOURCES}
        items = {f.name for f in schema.fields if f.source not in _USER_SOURCES}
        self._users = _table(user_features, schema.user_field, self.user_count, users, self.device)
        self._items = _table(item_features, schema.item_field, self.item_count, items, self.device)
        self._budget = memory_mb * 2**20 / 2  # for the rows, and as much for the scores
        self._rows: int | None = None

    def scores(self, users: Tensor) -> Tensor:
        """The score of every item for a few users: [U] -> float32 [U, I + 1].

        -inf for padding, item 0. The caller sees to it that this many scores have room.

        Raises:
            TrainingDivergedError: a score is NaN or infinite.
        """
        return torch.cat([scores for _, scores in self._chunks(users)] or [self._none()])

    def top_k(self, users: Tensor, k: int, exclude: SeenItems | None = None) -> TopK:
        """The k best items of each user: [U] -> [U, k], on the device.

        Args:
            users: ids.
            k: length of the lists, from 1.
            exclude: items not to be listed, user by user; None lists all.

        Raises:
            TrainingDivergedError: a score is NaN or infinite.
        """
        tops = [self.best_of(scores, k) for _, scores in self.chunks(users, exclude)]
        if not tops:
            return self.best_of(self._none(), k)
        return TopK(torch.cat([t.items for t in tops]), torch.cat([t.scores for t in tops]))

    def chunks(
        self, users: Tensor, exclude: SeenItems | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Some users at a time and their scores, those of excluded items -inf: [C], [C, I + 1]."""
        seen = None if exclude is None else exclude.to(self.device)
        for chunk, scores in self._chunks(users):
            if seen is not None:
                scores[seen.of(chunk)] = -torch.inf
            yield chunk, scores

    def best_of(self, scores: Tensor, k: int) -> TopK:
        """The k best items of a chunk of scores: [C, I + 1] -> [C, k]."""
        found = min(k, self.item_count)
        keys = descending_keys(scores, self._backwards)  # [C, I + 1], greatest = best
        best = keys.topk(found, dim=1).values  # [C, found]
        values = scores_of(best)
        items = self.item_count - (best & 0xFFFFFFFF)
        items = torch.where(values == -torch.inf, 0, items)
        missing = (0, k - found)
        return TopK(
            nn.functional.pad(items, missing),
            nn.functional.pad(values, missing, value=-torch.inf),
        )  # [C, k]

    def _chunks(self, users: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        users = users.to(self.device).long()
        size = max(1, int(self._budget / (_BYTES_PER_SCORE * self.item_count)))
        was_training = self.model.training
        for chunk in users.split(size):
            if len(chunk):
                self.model.eval()
                try:
                    yield chunk, self._score(chunk)
                finally:
                    self.model.train(was_training)

    @torch.no_grad()
    def _score(self, users: Tensor) -> Tensor:
        """The scores of all items for the users of a chunk: [C] -> [C, I + 1]."""
        real_items = self.item_count - 1
        total, rows = len(users) * real_items, self._rows_at_once()
        scores = torch.empty(total, device=self.device)
        for start in range(0, total, rows):
            # The last pass is filled up with its last row, so that all have the same shape.
            row = torch.arange(start, start + rows, device=self.device).clamp_(max=total - 1)
            place = torch.div(row, real_items, rounding_mode="floor")
            found = self._forward(users[place], row - place * real_items + 1)  # [R]
            scores[start : start + rows] = found[: total - start]
        if not torch.isfinite(scores).all():
            bad = int((~torch.isfinite(scores)).sum())
            raise TrainingDivergedError(
                f"Expected finite scores to rank by, got NaN or infinity in {bad} of {total}"
            )
        return nn.functional.pad(scores.view(-1, real_items), (1, 0), value=-torch.inf)

    def _forward(self, users: Tensor, items: Tensor) -> Tensor:
        """The scores of pairs: [R], [R] -> [R]."""
        batch = Interaction({**self._users.gather(users), **self._items.gather(items)})
        return self.model.predict(batch)

    def _rows_at_once(self) -> int:
        """Rows of a forward pass: a power of two that the budget has room for."""
        if self._rows is None:
            room = max(1, int(self._budget / self._bytes_per_row()))
            most = _MOST_ROWS.get(self.device.type, _MOST_ROWS_ELSEWHERE)
            self._rows = min(most, 1 << (room.bit_length() - 1))
        return self._rows

    def _bytes_per_row(self) -> float:
        """What a forward pass keeps for each row, at most: all that a backward pass would need."""
        saved: dict[int, Tensor] = {}

        def note(tensor: Tensor) -> Tensor:
            if not isinstance(tensor, nn.Parameter):
                saved[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        ids = torch.zeros(_PROBED_ROWS, dtype=torch.int64, device=self.device)
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda t: t):
            scores = self._forward(ids, ids)
        parameters = {p.untyped_storage().data_ptr() for p in self.model.parameters()}
        kept = sum(t.numel() * t.element_size() for p, t in saved.items() if p not in parameters)
        columns = sum(c[:1].numel() for g in (self._users, self._items) for c in _columns(g))
        return kept / _PROBED_ROWS + 8 * columns + 4 * scores.element_size()

    @property
    def _backwards(self) -> Tensor:
        """For each item a number that is the greater, the lower its id: int64 [I + 1]."""
        return torch.arange(self.item_count, 0, -1, device=self.device)

    def _none(self) -> Tensor:
        return torch.empty(0, self.item_count, device=self.device)


def refuse_interaction_fields(schema: Schema) -> None:
    """Raise ConfigError where the model reads what a user and an item alone do not have."""
    fields = [f.name for f in schema.fields if f.source is FeatureSource.INTERACTION]
    if fields:
        raise ConfigError(
            "Ranking all items needs features of users and items only; the model also reads"
            f" {', '.join(fields)} of the interaction, which an item that was never shown does not"
            " have. Rank sampled candidates (eval_args: {mode: uni100}), or train without"
            f" (unused_col: {{inter: [{', '.join(fields)}]}})"
        )


def _size(schema: Schema, name: str) -> int:
    return next(field.size for field in schema.fields if field.name == name)


def _table(
    features: Interaction | None, key: str, count: int, names: set[str], device: torch.device
) -> Gatherer:
    """The columns that the model reads, one row for each id, ready to be gathered."""
    columns = {} if features is None else dict(features.interaction)
    columns.setdefault(key, torch.arange(count, dtype=torch.int32))
    return Gatherer(Interaction(columns).to(device), names)


def _columns(gatherer: Gatherer) -> list[Tensor]:
    return list(gatherer.columns.interaction.values())
