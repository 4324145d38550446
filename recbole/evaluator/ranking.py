"""From a model to the ranked lists of a part: of sampled candidates, or of all items.

U users with a positive, C candidates of all users together, K places of a list, N rows of the part,
I items by their ids, from 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Protocol

import torch
from torch import Tensor

from recbole.data import Loader
from recbole.data.candidates import (
    Candidates,
    draw,
    item_counts,
    positive_pairs,
    seen_up_to,
)
from recbole.data.sampling import SeenItems, differs_from_previous
from recbole.errors import ConfigError, TrainingDivergedError
from recbole.evaluator.full_ranking import FullRanker, refuse_interaction_fields
from recbole.evaluator.list_metrics import RankedLists
from recbole.evaluator.options import EvaluationOptions
from recbole.evaluator.order import sortable
from recbole.evaluator.value_metrics import auc_sums, mean_auc

#: Candidates that a CPU sorts in its caches.
_SORTED_AT_ONCE = 2**16


class Ranking(Protocol):
    """How the users of a part are given their lists; independent of the model, and kept."""

    def lists(self, model: Any, k: int, graded: bool = False, gauc: bool = False) -> RankedLists:
        """The top-k lists under a model, with gains and GAUC where they are asked for.

        Raises:
            ConfigError: `graded` is asked for and the data has no ratings.
            TrainingDivergedError: a score is NaN or infinite.
        """


def make_ranking(
    loader: Loader,
    mode: str,
    seed: int,
    options: EvaluationOptions,
    candidates: Candidates | None = None,
) -> Ranking:
    """The ranking of a part in a mode: full, uniN or popN.

    Args:
        loader: the part.
        seed: of the candidates' draws.
        candidates: drawn before, to be used again; None draws them.

    Raises:
        ConfigError: the mode is full, and the model reads fields of the interaction.
        DataError: the part has no positive, or the candidates are not its own.
    """
    if mode == "full":
        refuse_interaction_fields(loader.dataset.schema)
        return FullRanking(loader, options)
    if candidates is None:
        candidates = draw(loader.dataset, mode, seed)
    else:
        candidates.check(loader.dataset)
    return CandidateRanking(loader, candidates, options)


class CandidateRanking:
    """Each user's sampled candidates, ranked by one sort of all of them.

    Items with equal scores keep the order of the candidates, which is random.
    """

    def __init__(self, loader: Loader, candidates: Candidates, options: EvaluationOptions) -> None:
        self.candidates = candidates
        self._loader = loader
        self._truth = _Truth.of(loader, options)
        device = loader.device
        self._items = candidates.items.to(device)
        self._rows = candidates.rows.to(device)
        self._positive = candidates.positive.to(device)
        self._places = candidates.user_places.to(device)  # [C]
        self._starts = candidates.starts.to(device)  # [U + 1]
        self._positives = candidates.positives.to(device)  # [U]
        self._chunks = _whole_users(candidates.starts, _SORTED_AT_ONCE)

    def lists(self, model: Any, k: int, graded: bool = False, gauc: bool = False) -> RankedLists:
        keys, order = self._sorted(self.scores(model))
        place = self._starts[:-1, None] + torch.arange(k, device=order.device)  # [U, K]
        listed = place < self._starts[1:, None]
        best = order[torch.where(listed, place, 0)]  # [U, K] indices of candidates
        hits = self._positive[best] & listed
        lists = RankedLists(
            items=torch.where(listed, self._items[best].long(), 0),
            hits=hits,
            positives=self._positives,
            popularity=self._truth.popularity,
            tail_ratio=self._truth.tail_ratio,
        )
        if graded:
            lists = self._truth.grade(lists, torch.where(hits, self._rows[best].long(), 0))
        return replace(lists, gauc=self._gauc(keys, order)) if gauc else lists

    @torch.no_grad()
    def scores(self, model: Any) -> Tensor:
        """The click probability of every candidate: float32 [C]."""
        was_training, size = model.training, self._loader.batch_size
        model.eval()
        try:
            return torch.cat([
                model.predict(self._loader.gather(rows.long(), items.long())).float()
                for rows, items in zip(
                    self._rows.split(size), self._items.split(size), strict=True
                )
            ])  # fmt: skip
        finally:
            model.train(was_training)

    def _sorted(self, scores: Tensor) -> tuple[list[Tensor], Tensor]:
        """The candidates' keys, in pieces, and indices, by user and then best first: [C], [C]."""
        if not torch.isfinite(scores).all():
            bad = int((~torch.isfinite(scores)).sum())
            raise TrainingDivergedError(
                f"Expected finite scores to rank by, got NaN or infinity in {bad} of {len(scores)}"
            )
        # On a CPU, whole users at a time, few enough for its caches.
        sizes = [len(scores)] if scores.is_cuda else self._chunks
        pieces = zip(self._places.split(sizes), scores.split(sizes), strict=True)
        # The lower a key, the better: user first, then the score turned round.
        ordered = [
            torch.sort((places << 32) + (2**31 - 1 - sortable(piece)), stable=True)
            for places, piece in pieces
        ]
        starts = accumulate(sizes, initial=0)
        orders = [order + start for (_, order), start in zip(ordered, starts, strict=False)]
        return [keys for keys, _ in ordered], torch.cat(orders)

    def _gauc(self, ordered: list[Tensor], order: Tensor) -> float:
        """From the keys in their order; the other way round the scores ascend."""
        keys, positive = torch.cat(ordered).flip(0), self._positive[order.flip(0)]
        return mean_auc(*auc_sums(keys, positive, differs_from_previous(keys >> 32)))


def _whole_users(starts: Tensor, most: int) -> list[int]:
    """Sizes of chunks of at most `most` candidates, more only for a user who alone has more."""
    ends = starts[1:].tolist()
    sizes, done = [], 0
    for end, following in zip(ends, [*ends[1:], None], strict=True):
        if following is None or following - done > most:
            sizes.append(end - done)
            done = end
    return sizes


class FullRanking:
    """All items that a user has not seen, and the positives of the part."""

    def __init__(self, loader: Loader, options: EvaluationOptions) -> None:
        part = loader.dataset
        pairs = positive_pairs(part)
        positives = SeenItems(pairs.users, pairs.items, part.user_num, part.item_num)
        self._exclude = seen_up_to(part).without(positives).to(loader.device)
        self._positives = positives.to(loader.device)
        self._rows = pairs.rows.to(loader.device)  # [P], as the pairs of `positives` are ordered
        self._users = self._positives.users.unique_consecutive()  # [U]
        self._loader = loader
        self._truth = _Truth.of(loader, options)
        self._memory_mb = options.eval_memory_mb

    def lists(self, model: Any, k: int, graded: bool = False, gauc: bool = False) -> RankedLists:
        part, device = self._loader.dataset, self._loader.device
        ranker = FullRanker(
            model, part.schema, part.user_feat, part.item_feat, device, self._memory_mb
        )
        items, sums = [], []
        for users, scores in ranker.chunks(self._users, self._exclude):
            items.append(ranker.best_of(scores, k).items)
            if gauc:
                sums.append(self._auc_sums(users, scores))
        listed = torch.cat(items)  # [U, K]
        found = self._positives.find(self._users[:, None].expand_as(listed), listed)  # [U, K]
        lists = RankedLists(
            items=listed,
            hits=found >= 0,
            positives=self._positives.counts(self._users),
            popularity=self._truth.popularity,
            tail_ratio=self._truth.tail_ratio,
        )
        if graded:
            lists = self._truth.grade(lists, self._rows[found.clamp(min=0)])
        if gauc:
            weighted, weights = (torch.stack(column).sum() for column in zip(*sums, strict=True))
            lists = replace(lists, gauc=mean_auc(weighted, weights))
        return lists

    def _auc_sums(self, users: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """The part of GAUC that some users give: [C], [C, I + 1]."""
        ranked, items = scores.sort(dim=1)
        positive = self._positives.contains(users[:, None].expand_as(items), items)
        place = torch.arange(len(users), device=users.device)[:, None].expand_as(items)
        there = ranked > -torch.inf
        return auc_sums(ranked[there], positive[there], differs_from_previous(place[there]))


@dataclass(frozen=True)
class _Truth:
    """What a part says of items and rows, beyond which are positive.

    Attributes:
        popularity: int64 [I + 1], interactions of each item in the training part.
        tail_ratio: what counts as the long tail.
        gain_of_row: float64 [N], 2^level - 1 of each row; None without ratings.
        pair_starts: int64 [U + 1], where each user's positives start among all P.
        pair_rows: int64 [P], the rows of the positives, by user.
    """

    popularity: Tensor
    tail_ratio: float
    gain_of_row: Tensor | None
    pair_starts: Tensor
    pair_rows: Tensor

    @classmethod
    def of(cls, loader: Loader, options: EvaluationOptions) -> _Truth:
        part, device = loader.dataset, loader.device
        pairs = positive_pairs(part)
        counts = pairs.users.unique_consecutive(return_counts=True)[1]
        gains = _gain_of_row(loader)
        return cls(
            popularity=item_counts(part, "train").to(device),
            tail_ratio=options.tail_ratio,
            gain_of_row=None if gains is None else gains.to(device),
            pair_starts=torch.cat([counts.new_zeros(1), counts.cumsum(0)]).to(device),
            pair_rows=pairs.rows.to(device),
        )

    def grade(self, lists: RankedLists, rows: Tensor) -> RankedLists:
        """The lists with their gains, `rows` [U, K] being the rows of the hits."""
        if self.gain_of_row is None:
            raise ConfigError(
                "Option 'metrics': GradedNDCG needs ratings, and the data set has none: name their"
                " column in the threshold, such as threshold: {rating: 4}, and load it"
            )
        K = lists.hits.shape[1]
        gains = self.gain_of_row[self.pair_rows]  # [P], by user
        place = torch.repeat_interleave(self.pair_starts.diff())  # [P]
        order = gains.argsort(descending=True)
        order = order[place[order].argsort(stable=True)]  # by user, then best first
        index = self.pair_starts[:-1, None] + torch.arange(K, device=order.device)  # [U, K]
        there = index < self.pair_starts[1:, None]
        best = gains[order[torch.where(there, index, 0)]]
        return replace(
            lists,
            gains=self.gain_of_row[rows] * lists.hits,
            best_gains=torch.where(there, best, 0.0),
        )


def _gain_of_row(loader: Loader) -> Tensor | None:
    """2^level - 1 of each row of a part, the lowest of the data set's ratings being level 1."""
    target = loader.dataset.schema.target
    if target.rating_field is None or not target.levels:
        return None
    levels = torch.tensor(target.levels, dtype=torch.float64)  # ascending
    between = (levels[1:] + levels[:-1]) / 2  # a rating in float32 may be a little off
    rating = loader.dataset.inter_feat[target.rating_field].double()
    level = torch.searchsorted(between, rating) + 1  # [N]
    return torch.exp2(level.double()) - 1
