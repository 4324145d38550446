"""How many bytes the operators of a computation read and write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# These read the rows that they are asked for, not the whole table.
_GATHERS = {"embedding", "index_select", "gather", "index"}


class Traffic(TorchDispatchMode):
    """Adds up, while it is entered, the sizes of what every operator reads and writes.

    A view moves nothing and counts nothing. What one operator writes and the next one reads counts
    twice, as if no cache held it.

    Attributes:
        bytes: the sum so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.is_view:
            return result
        read = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        written = [x for x in tree_leaves(result) if isinstance(x, torch.Tensor)]
        if func._schema.name.removeprefix("aten::") in _GATHERS:
            read = [*read[1:], *written]
        elif not written:  # an operator that changes its arguments, such as a fused optimiser
            written = read
        self.bytes += sum(x.numel() * x.element_size() for x in [*read, *written])
        return result
