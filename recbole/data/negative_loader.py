"""Training batches of implicit data: the observed pairs, and fresh negatives for each of them.

B rows of a batch, N positives, S negatives for each.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from recbole.data.dataset import Dataset
from recbole.data.interaction import Interaction
from recbole.data.loader import Loader, batch_sizes
from recbole.data.options import NegativeSampling
from recbole.data.sampling import NegativeSampler, SeenItems


class NegativeLoader(Loader):
    """A Loader of training rows that are all positives, with negatives drawn anew each epoch.

    A negative is an item that the user has not touched in the training part; the row it is drawn
    for lends it what belongs to the interaction. Its label is 0. A user who has touched every item
    gets none. The negatives, like the order, depend on seed and epoch only.

    Args:
        dataset: the training part, with a label column.
        sampling: how negatives are drawn.
        batch_size, shuffle, device, seed: as those of `Loader`; a batch holds both kinds of rows.
    """

    def __init__(
        self,
        dataset: Dataset,
        sampling: NegativeSampling,
        batch_size: int,
        shuffle: bool,
        device: torch.device | str,
        seed: int,
    ) -> None:
        super().__init__(dataset, batch_size, shuffle, device, seed)
        users = dataset.inter_feat[dataset.uid_field].long()
        items = dataset.inter_feat[dataset.iid_field].long()
        seen = SeenItems(users, items, dataset.user_num, dataset.item_num)
        popularity = None
        if sampling.distribution == "popularity":
            popularity = torch.bincount(items, minlength=dataset.item_num)
        self._sampler = NegativeSampler(seen, popularity, sampling.alpha)
        # Row r below N is a positive; each N rows behind are a round of negatives for all of them.
        rounds = 1 + sampling.sample_num
        real = self._sampler.drawable(users).repeat(rounds)
        real[: len(users)] = True
        self._real = real.nonzero().squeeze(1)
        self._drawn_for = users.repeat(sampling.sample_num)  # [N·S]

    @property
    def num_rows(self) -> int:
        """Positives and negatives of a pass."""
        return len(self._real)

    def batches(self, skip: int = 0) -> Iterator[Interaction]:
        """The batches of pass `epoch` without the first `skip`, which are not built at all."""
        negatives = self.negatives(self.epoch).to(self.device)
        order = self._real[self.row_order(self.epoch)].to(self.device)
        sizes = batch_sizes(len(order), self.batch_size)
        return (self._with_negatives(rows, negatives) for rows in order.split(sizes)[skip:])

    def negatives(self, epoch: int) -> Tensor:
        """The items drawn for one pass: int64 [N·S], S rounds over the rows, 0 where none is."""
        sequence = np.random.SeedSequence([self._seed, epoch, 1])
        (state,) = sequence.generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(state >> np.uint64(1)))
        return self._sampler.sample(self._drawn_for, generator)

    def _with_negatives(self, rows: Tensor, negatives: Tensor) -> Interaction:
        """The batch of some rows of both kinds: an index [B] on the device."""
        count = len(self.columns)
        positive = rows < count  # [B]
        own = rows % count
        items = torch.where(
            positive,
            self.columns[self.dataset.iid_field][own].long(),
            negatives[(rows - count).clamp(min=0)],
        )
        batch = self.gather(own, items)
        batch[self.dataset.label_field] = positive.float()
        return batch
