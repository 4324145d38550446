"""The encoded tables of a data set, and their copies on a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from recbole.data.interaction import Interaction
from recbole.data.stream_files import StreamPart


@dataclass(frozen=True)
class Encoded:
    """What preparation yields and a `Dataset` is made of. Integer columns are int32.

    Attributes:
        interactions: one row per interaction: ids, features of the interaction itself, the label
            and the rating as far as there are any, and the time.
        users: one row per user id, from that of padding; None without a .user file.
        items: one row per item id, from that of padding; None without an .item file.
        times: float64, the time of each interaction as in the file, or None.
        ratings: float64, the rating of each interaction as in the file, where it is to be graded
            (`rating_bins`); None where it stands among the interactions as it is.
        part_sizes: rows of each benchmark file, or None.
        fingerprint: the SHA-256 of each file read, by file name.
        stream: where the rows of each part lie on disk, if they are not in memory; `interactions`
            then holds ids, label, rating and time only, one part after the other.
    """

    interactions: Interaction
    users: Interaction | None
    items: Interaction | None
    times: NDArray[np.float64] | None
    ratings: NDArray[np.float64] | None
    part_sizes: tuple[int, ...] | None
    fingerprint: Mapping[str, str]
    stream: Mapping[str, StreamPart] | None = None
    _on_device: dict[str, tuple[Interaction, Interaction]] = field(default_factory=dict)

    def features_on(self, device: torch.device) -> tuple[Interaction, Interaction]:
        """User and item features on a device, moved there once for all parts of a data set.

        Without a file, an Interaction that has no columns.
        """
        if str(device) not in self._on_device:
            empty = Interaction({})
            users, items = (empty if t is None else t for t in (self.users, self.items))
            self._on_device[str(device)] = users.to(device), items.to(device)
        return self._on_device[str(device)]
