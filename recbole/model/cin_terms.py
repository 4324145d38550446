"""What the feature maps of a compressed interaction network (CIN) are sums of.

A layer's map is relu(Σ_{f,h} W[s, f, h] fields[f] ⊙ maps[h] + bias[s]), where in the first layer
the maps are the fields themselves. Not all of these F·H products need be made:

- Of the fields' own, half are there twice: W[s, f, h] + W[s, h, f] is the weight of one.
- Where relu changes no number of a map of the first layer, that map is a polynomial of the fields,
  Σ_{i≤j} V[h, ij] x_i x_j + c[h], and affine in their pairs. All such maps together give the next
  layer nothing but products of three fields and of one: Σ_h W[s, f, h] V[h, ij] is the weight of
  x_f x_i x_j, and Σ_h W[s, f, h] c[h] that of x_f. Seven fields have 84 of the former, while 28
  maps times seven fields are 196. After a few steps of training nearly all live maps are affine.

Shapes are those of `recbole.model.cin`: F fields, H maps that come into a layer as they are, S maps
going out of it, n numbers of a map. Besides: A affine maps that come into it, T terms, P products
of two fields, Q of three.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recbole.model import monomials


class Factors(NamedTuple):
    """What terms are made of, for some rows."""

    fields: Tensor  # [F, n]
    pairs: Tensor  # [P + 1, n]: all products of two fields, then 1
    maps: Tensor  # [H, n]


class Terms(Protocol):
    """What a layer's maps are sums of."""

    fields: int
    """F."""
    incoming: Tensor
    """Which of the maps below they are made of: int64 [H + A], with the affine ones last."""
    columns: Tensor
    """Which of a layer's weights, of fields times all maps below, theirs are: [F·(H + A)]."""

    def __len__(self) -> int:
        """T."""

    def fold(self, weight: Tensor) -> Tensor:
        """The weights of the terms: [S, F·(H + A)], of fields times maps -> [S, T]."""

    def unfold(self, grad: Tensor, weight: Tensor) -> tuple[Tensor, Tensor | None]:
        """What a gradient of the result of `fold`, [S, T], is for its weight: [S, F·(H + A)].

        And for the polynomials that the affine maps are: [A, P + 1], or None.
        """

    def make(self, of: Factors, room: Callable[[int, int], Tensor]) -> Tensor:
        """The terms, and 1 below them: [T + 1, n]. `room` gives a matrix to write to."""

    def add_gradients(
        self, grad: Tensor, of: Factors, fields: Tensor, pairs: Tensor | None, space: Tensor
    ) -> Tensor:
        """What the terms' gradient, [T, n], is for the maps: [H, n].

        What it is for fields and pairs is added to theirs, [F, n] and [P, n], the latter None where
        there are no affine maps. `space`, [T, n], is free to be written to, and `grad`, too.
        """


class Pairs:
    """Of the first layer: all products of two fields."""

    def __init__(self, fields: int, device: torch.device) -> None:
        self.fields, self.incoming = fields, torch.arange(fields, device=device)
        self.columns = torch.arange(fields**2, device=device)
        self._count = monomials.count(fields, 2)
        places = torch.from_numpy(monomials.places_of_products(fields, 1)).to(device)  # [F, F]
        self._places = places.flatten()
        self._and_squares = torch.cat([self._places, places.diagonal()])

    def __len__(self) -> int:
        return self._count

    def fold(self, weight: Tensor) -> Tensor:
        return _sum_columns(weight, self._places, self._count)

    def unfold(self, grad: Tensor, weight: Tensor) -> tuple[Tensor, None]:  # noqa: ARG002
        return grad.index_select(1, self._places), None

    def make(self, of: Factors, room: Callable[[int, int], Tensor]) -> Tensor:  # noqa: ARG002
        return of.pairs

    def add_gradients(
        self,
        grad: Tensor,
        of: Factors,
        fields: Tensor,
        pairs: Tensor | None,
        space: Tensor,  # noqa: ARG002
    ) -> Tensor:
        if pairs is not None:
            grad += pairs
        # Of x_f x_g for x_f, over all g, and of x_f x_f once more.
        *of_products, of_squares = grad.index_select(0, self._and_squares).split(self.fields)
        for of_field, field in zip(of_products, of.fields, strict=True):
            fields.addcmul_(of_field, field)
        fields.addcmul_(of_squares, of.fields)
        return grad[:0]


class Products:
    """Of a later layer: fields times maps, and what fields times affine maps give.

    First come the products of three fields, then the fields, then fields times other maps.
    """

    def __init__(
        self,
        fields: int,
        below: int,
        maps: Tensor,
        affine: Tensor,
        polynomials: Tensor | None = None,
    ) -> None:
        """Of so many maps below, those that come in as they are, [H], and affine ones, [A].

        For the latter, their polynomials: [A, P + 1].
        """
        self.fields, self.incoming = fields, torch.cat([maps, affine])
        of_field = torch.arange(fields, device=maps.device) * below
        self.columns = (of_field.unsqueeze(1) + self.incoming).flatten()
        self.maps = len(maps)
        self._polynomials = polynomials
        self._triples = self._folded = 0
        if polynomials is not None:
            self._triples = monomials.count(fields, 3)
            self._folded = self._triples + fields
            self._places = torch.from_numpy(_places_of_folded(fields)).to(maps.device)

    @staticmethod
    def pays(fields: int, affine: int) -> bool:
        """Whether folding so many affine maps leaves few enough terms: two thirds or less."""
        return 3 * (monomials.count(fields, 3) + fields) <= 2 * fields * affine

    def __len__(self) -> int:
        return self._folded + self.fields * self.maps

    def fold(self, weight: Tensor) -> Tensor:
        if self._polynomials is None:
            return weight
        weight, of_affine = self._by_kind(weight)
        of_pairs = of_affine @ self._polynomials  # [S, F, P + 1]
        folded = _sum_columns(of_pairs.flatten(1), self._places, self._folded)
        return torch.cat([folded, weight.flatten(1)], dim=1)

    def unfold(self, grad: Tensor, weight: Tensor) -> tuple[Tensor, Tensor | None]:
        if self._polynomials is None:
            return grad, None
        _, of_affine = self._by_kind(weight)
        of_pairs = grad.index_select(1, self._places).unflatten(1, (self.fields, -1))
        of_weight = [
            grad[:, self._folded :].unflatten(1, (self.fields, self.maps)),
            of_pairs @ self._polynomials.T,  # [S, F, A]
        ]
        of_polynomials = of_affine.flatten(0, 1).T @ of_pairs.flatten(0, 1)
        return torch.cat(of_weight, dim=2).flatten(1), of_polynomials

    def make(self, of: Factors, room: Callable[[int, int], Tensor]) -> Tensor:
        out = room(len(self) + 1, of.fields.shape[1])
        if self._folded:
            monomials.times_fields(of.fields, of.pairs[:-1], 2, out[: self._triples])
            out[self._triples : self._folded] = of.fields
        products = out[self._folded : -1].view(self.fields, *of.maps.shape)
        torch.mul(of.fields.unsqueeze(1), of.maps, out=products)
        out[-1] = 1
        return out

    def add_gradients(
        self, grad: Tensor, of: Factors, fields: Tensor, pairs: Tensor | None, space: Tensor
    ) -> Tensor:
        if self._folded:
            assert pairs is not None  # there are affine maps
            of_triples, of_fields, grad = grad.tensor_split([self._triples, self._folded])
            monomials.add_gradients(
                of_triples, of.fields, of.pairs[:-1], fields, pairs, space[: self._triples]
            )
            fields += of_fields
        grad = grad.view(self.fields, *of.maps.shape)
        products = space[self._folded :].view_as(grad)
        if self.maps < self.fields:  # sums of so few take longer than what they are of
            for of_map, one in zip(grad.unbind(1), of.maps, strict=True):
                fields.addcmul_(of_map, one)
            return torch.mul(grad, of.fields.unsqueeze(1), out=products).sum(0)
        fields += torch.mul(grad, of.maps, out=products).sum(1)
        return _sum_of_products(grad, of.fields)

    def _by_kind(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Those of maps as they are, [S, F, H], and of affine ones, [S, F, A]."""
        maps, affine = weight.unflatten(1, (self.fields, -1)).tensor_split([self.maps], dim=2)
        return maps, affine


@cache
def _places_of_folded(fields: int) -> NDArray[np.int64]:
    """Which term a field times a pair of fields, or times 1, is: [F·(P + 1)]."""
    triples = monomials.places_of_products(fields, 2)  # [F, P]
    alone = monomials.count(fields, 3) + np.arange(fields)
    return np.concatenate([triples, alone[:, np.newaxis]], axis=1).flatten()


def _sum_columns(matrix: Tensor, places: Tensor, count: int) -> Tensor:
    """Each column added to the one at its place: [S, C], [C] -> [S, count]."""
    return matrix.new_zeros(len(matrix), count).index_add_(1, places, matrix)


def _sum_of_products(grads: Tensor, fields: Tensor) -> Tensor:
    """Σ_f grads[f] ⊙ fields[f], which leaves no products in memory: [F, H, n], [F, n] -> [H, n]."""
    total = grads[0] * fields[0]
    for grad, field in zip(grads[1:], fields[1:], strict=True):
        total.addcmul_(grad, field)
    return total
