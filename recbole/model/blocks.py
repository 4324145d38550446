"""In which shapes oneDNN multiplies matrices of two-byte numbers quickly, on a CPU.

Its kernels fill blocks of the result, and what is left over at an edge costs about as much as a
full block: with AMX in the rows of the left matrix, without it in the columns of the right one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

#: Whether this CPU multiplies matrices tile by tile, as Intel's do since 2023.
_HAS_AMX = torch.cpu._is_amx_tile_supported()
#: Columns of a block; a result of fewer columns takes one of as many as it needs, by sixteens.
_COLUMNS = 64
_COLUMNS_OF_LESS = 16


def in_full_rows(matrix: Tensor) -> Tensor:
    """A matrix with rows of 0 below that make products with it quicker: [R, C] -> [≥ R, C]."""
    missing = full_rows(len(matrix), matrix) - len(matrix)
    return nn.functional.pad(matrix, (0, 0, 0, missing)) if missing else matrix


def full_rows(count: int, like: Tensor, multiple: int = 32) -> int:
    """How many rows, so many or a few more, are a multiple of this where that is quicker.

    AMX's kernels take half as long for 224 rows as for 203. GPUs get full rows, too.
    """
    if like.element_size() != 2 or not (like.is_cuda or _HAS_AMX):
        return count
    return math.ceil(count / multiple) * multiple


def add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left @ right, where the total may be of a wider type and have fewer rows.

    Long sums, of few rows and columns: [S, T] += [S or more, n] @ [n, T].
    """
    if total.dtype == left.dtype:
        total.addmm_(left, right)
    elif _HAS_AMX or _work(right.T, left) <= _work(left, right.T):
        total += (right.T @ left.T).T[: len(total)]
    else:
        total += (left @ right)[: len(total)]


def _work(left: Tensor, turned: Tensor) -> int:
    """What left @ turned.T takes, in numbers of the result that are filled: [R, n], [C, n]."""
    columns = len(turned)
    block = _COLUMNS if columns > _COLUMNS else _COLUMNS_OF_LESS
    return len(left) * math.ceil(columns / block) * block
