"""Products of several fields, each of them once: x_f x_g is also x_g x_f.

The monomials of a degree are in the lexicographic order of their fields: 00, 01, ..., 11, 12, ...
So those whose first field is f or a later one are the last ones, and x_f times these are all
monomials of the next degree whose first field is f.

Shapes: F fields, P monomials of a degree, Q of the next one, n numbers of a field.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import accumulate, combinations_with_replacement, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def count(fields: int, degree: int) -> int:
    """P, how many products of so many of the fields there are."""
    return math.comb(fields + degree - 1, degree)


@cache
def _begins(fields: int, degree: int) -> tuple[int, ...]:
    """Where the monomials begin whose first field is 0, 1, ..., F - 1, and where all end: F + 1."""
    with_first = (count(fields - first, degree - 1) for first in range(fields))
    return tuple(accumulate(with_first, initial=0))


@cache
def places_of_products(fields: int, degree: int) -> NDArray[np.int64]:
    """Which monomial of the next degree a field times one of this degree is: [F, P]."""
    lower = list(combinations_with_replacement(range(fields), degree))
    higher = combinations_with_replacement(range(fields), degree + 1)
    place = {monomial: index for index, monomial in enumerate(higher)}
    return np.array([[place[tuple(sorted((f, *m)))] for m in lower] for f in range(fields)])


def times_fields(fields: Tensor, lower: Tensor, degree: int, out: Tensor) -> None:
    """The monomials of the next degree: [F, n] and those of this degree, [P, n] -> [Q, n]."""
    begins = _begins(len(fields), degree)
    of_first = pairwise(_begins(len(fields), degree + 1))
    for field, begin, (start, stop) in zip(fields, begins, of_first, strict=False):
        torch.mul(lower[begin:], field, out=out[start:stop])


def add_gradients(
    grad: Tensor, fields: Tensor, pairs: Tensor, of_fields: Tensor, of_pairs: Tensor, space: Tensor
) -> None:
    """Add what the gradient of products of three fields is for fields and pairs to theirs.

    That is [Q, n], as is `space`, which is written to; the others are [F, n] and [P, n].
    """
    begins = _begins(len(fields), 2)
    of_first = pairwise(_begins(len(fields), 3))
    sums = torch.empty_like(fields)
    for index, (begin, (start, stop)) in enumerate(zip(begins, of_first, strict=False)):
        of_field = torch.mul(grad[start:stop], pairs[begin:], out=space[start:stop])
        if len(of_field) > 1:
            torch.sum(of_field, 0, out=sums[index])
        else:  # PyTorch takes as long to sum it as ten rows
            sums[index] = of_field[0]
        of_pairs[begin:].addcmul_(grad[start:stop], fields[index])
    of_fields += sums
