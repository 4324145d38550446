"""StreamLoader: batches of rows that lie on disk, not in memory.

B rows of a batch, N rows of the part. A window is what is in memory at a time: some row groups,
whose rows are shuffled together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbole.data.dataset import Dataset
from recbole.data.interaction import Interaction, widen
from recbole.data.loader import Loader, batch_sizes
from recbole.data.schema import FeatureSource
from recbole.data.stream_files import Arrays, StreamPart
from recbole.errors import DataError


@dataclass(frozen=True)
class _Window:
    """Row groups that are read together, and the order of their rows; None: as they lie."""

    groups: tuple[int, ...]
    rows: int
    order: NDArray[np.int64] | None


class StreamLoader(Loader):
    """Yields the rows of a part as `Loader` does, reading them from Parquet as it goes.

    Unshuffled, the batches are those of `Loader`. Shuffled, a pass goes through the row groups in a
    random order, and through the rows of each window in a random order, both a function of
    seed and epoch only; under a random split (RO) the rows of a part lie in random order to start
    with. The next window is read while one is used, so that at most three are in memory.

    Args:
        dataset: a part of a data set that streams.
        window_rows: rows of a window, at least; it consists of whole row groups.
        batch_size, shuffle, device, seed: as those of `Loader`.
    """

    def __init__(
        self,
        dataset: Dataset,
        window_rows: int,
        batch_size: int,
        shuffle: bool,
        device: torch.device | str,
        seed: int,
    ) -> None:
        super().__init__(dataset, batch_size, shuffle, device, seed)
        self._window_rows = window_rows
        assert dataset.stream is not None and dataset.part is not None
        self._file: StreamPart = dataset.stream[dataset.part]
        names = self._batch_columns()
        self._names = [name for name in self._file.columns if name in names]

    def batches(self, skip: int = 0) -> Iterator[Interaction]:
        """The batches of pass `epoch` without the first `skip`, which are not built at all."""
        sizes = batch_sizes(self.num_rows, self.batch_size)
        due = deque(sizes[skip:])
        rest: dict[str, Tensor] = {}
        for piece in self._pieces(sum(sizes[:skip])):
            rows = {n: torch.cat([rest[n], c]) for n, c in piece.items()} if rest else piece
            start, count = 0, len(next(iter(rows.values())))
            while due and start + due[0] <= count:
                stop = start + due.popleft()
                yield self._batch(rows, slice(start, stop))
                start = stop
            rest = {name: column[start:] for name, column in rows.items()} if start < count else {}

    def row_order(self, epoch: int) -> Tensor:
        """The order of the rows in one pass: int64 [N], as `batches` gives them."""
        starts = np.concatenate([[0], np.cumsum(self._file.group_rows)])
        found = [np.zeros(0, np.int64)]
        for window in self._windows(epoch):
            rows = np.concatenate([np.arange(starts[g], starts[g + 1]) for g in window.groups])
            found.append(rows if window.order is None else rows[window.order])
        return torch.from_numpy(np.concatenate(found))

    def gather(self, rows: Tensor, items: Tensor | None = None) -> Interaction:
        """The batch of some rows, as `Loader.gather`; for ranking, which jumps from row to row.

        Raises:
            DataError: a batch holds a column of interactions other than ids, label and rating.
        """
        far = [
            field.name
            for field in self.dataset.schema.fields
            if field.source is FeatureSource.INTERACTION
            and field.name not in self.dataset.inter_feat
        ]
        if far:
            raise DataError(
                f"stream: True reads rows one after the other, and ranking needs single rows of"
                f" {', '.join(far)}: leave these columns out (unused_col), or set stream: False"
            )
        return super().gather(rows, items)

    def _own_columns(self) -> set[str]:
        return set(self._file.columns)

    def _batch(self, rows: dict[str, Tensor], which: slice) -> Interaction:
        columns = {name: widen(column[which].to(self.device)) for name, column in rows.items()}
        return self._joined(columns)

    def _windows(self, epoch: int) -> Iterator[_Window]:
        sizes = self._file.group_rows
        random = np.random.default_rng([self._seed, epoch]) if self.shuffle else None
        groups = np.arange(len(sizes)) if random is None else random.permutation(len(sizes))
        pending: list[int] = []
        for position, group in enumerate(groups.tolist()):
            pending.append(group)
            rows = sum(sizes[g] for g in pending)
            if rows >= self._window_rows or position == len(groups) - 1:
                order = None if random is None else random.permutation(rows)
                yield _Window(tuple(pending), rows, order)
                pending = []

    def _pieces(self, skip_rows: int) -> Iterator[dict[str, Tensor]]:
        """The rows of each window in the order of the pass, without the first `skip_rows`."""
        wanted = []
        for window in self._windows(self.epoch):
            if skip_rows < window.rows:
                wanted.append((window, skip_rows))
            skip_rows = max(0, skip_rows - window.rows)
        with ThreadPoolExecutor(1) as pool:
            coming = None
            for window, first in wanted:
                now, coming = coming, pool.submit(self._read, window, first)
                if now is not None:
                    yield now.result()
            if coming is not None:
                yield coming.result()

    def _read(self, window: _Window, first: int) -> dict[str, Tensor]:
        arrays: Arrays = self._file.read(window.groups, self._names)
        if window.order is None:
            return {name: torch.from_numpy(a[first:].copy()) for name, a in arrays.items()}
        order = window.order[first:]
        return {name: torch.from_numpy(array[order]) for name, array in arrays.items()}
