"""Which feature maps of a compressed interaction network (CIN) have to be worked on.

A map that is 0 for all rows is dead: it adds nothing to the next layer, and relu hands no gradient
down to it. About 40 % of the maps are dead from the start, and half of them after training under a
penalty, which takes their weights to 0.

Shapes are those of `recbole.model.cin`: F fields, D embedding size, H maps coming into a layer, S
going out of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

#: How much more than its bound, computed exactly, a rounded map may be (of bf16, 0.4 %).
_SLACK = 1.01
#: Rows of a matrix are a multiple of this in products of numbers of two bytes: oneDNN's kernels
#: for them take half as long for 224 rows as for 203.
_ROWS_OF_TWO_BYTES = 32


class Route(NamedTuple):
    """Where the maps of a layer go."""

    handed_on: int  # how many of the first ones feed the next layer
    shown: int  # how many of the last ones feed the output
    place: slice  # the columns of the output that they fill


class Layer(NamedTuple):
    """What is worked on of a layer: some of its maps, from some of those of the layer below.

    S and H count these only, here and in what works on such layers.
    """

    weight: Tensor  # [S, F·H]
    outputs: Tensor  # [S]: which of all the layer's maps these are
    inputs: Tensor  # [F·H]: which of all the layer's products they read
    handed_on: int  # how many of the first ones feed the next layer
    shown: int  # how many of the last ones feed the output
    columns: Tensor | slice  # those of the output that they fill

    @classmethod
    def of(
        cls, route: Route, weight: Tensor, fields: int, incoming: Tensor, chosen: Tensor
    ) -> Layer:
        """Some of a layer's maps (bool, [S]), from those that come in (which of all, [H])."""
        outputs, handed_on = places(chosen), places(chosen[: route.handed_on])
        of_field = torch.arange(fields, device=weight.device) * (weight.shape[1] // fields)
        inputs = (of_field.unsqueeze(1) + incoming).flatten()
        shown = places(chosen[-route.shown :])
        # A slice where it can be: index arithmetic on a GPU may wait for it.
        columns = route.place if len(shown) == route.shown else route.place.start + shown
        weight = weight.index_select(0, outputs).index_select(1, inputs)
        return cls(weight, outputs, inputs, len(handed_on), len(shown), columns)


def layers_of(
    routes: Sequence[Route], weights: Sequence[Tensor], fields: int, chosen: Sequence[Tensor]
) -> list[Layer]:
    """What is left of all layers with some of their maps, given as bool, [S] each."""
    layers = []
    incoming = torch.arange(fields, device=weights[0].device)
    for route, weight, of_layer in zip(routes, weights, chosen, strict=True):
        layers.append(Layer.of(route, weight, fields, incoming, of_layer))
        incoming = places(of_layer[: route.handed_on])
    return layers


class LayerSoFar:
    """A layer in the forward pass: the maps that it computes, and those of them that are alive.

    Both are as few as the rows seen so far allow, and grow with the rows. A map is computed unless
    bounds tell that it is dead in all of these rows, and alive if it was not 0 in one of them.

    Attributes: `alive`, bool, of all the layer's maps; `known`, what is left of the layer with
    those that are; `suspects`, which maps are computed besides; `count`, how many are computed;
    `weight`, [count, F·H + 1], of the maps known to be alive and then of the suspects, with the
    bias for last column, and perhaps rows of 0 below.
    """

    def __init__(
        self, route: Route, weight: Tensor, bias: Tensor, fields: int, reach: Tensor | None
    ) -> None:
        """Of a layer's parameters and of its reach; None where nothing can be told of maps."""
        self._route, self._weight, self._bias, self._fields = route, weight, bias, fields
        self._reach = reach
        unknown = reach is None
        self._computed = self.alive = torch.full_like(bias, unknown, dtype=torch.bool)
        self._incoming: Tensor | None = None
        if unknown:
            self._choose(torch.arange(weight.shape[1] // fields, device=weight.device))

    def prepare(self, incoming: Tensor, largest: Tensor | None) -> None:
        """Compute what may live in rows whose incoming maps, [H], are at most so large: [H].

        Which of all maps these are only ever grows.
        """
        if self._reach is None or largest is None:
            return
        more_come_in = self._incoming is None or len(incoming) != len(self._incoming)
        if more_come_in:
            self._reach_of_incoming = self._reach.index_select(1, incoming)
        reach = self._reach_of_incoming
        bound = torch.addmv(self._bias.to(reach), reach, largest.to(reach))
        grown = (bound <= 0).logical_not_().logical_or_(self._computed)  # NaN may live
        if more_come_in or not torch.equal(grown, self._computed):
            self._computed = grown
            self._choose(incoming)

    def see(self, totals: Tensor) -> Tensor | None:
        """Take note of the sums that the suspects have in some rows.

        Returns where among the computed maps those are that are alive now; None if no more are.
        """
        lives = (totals <= 0).logical_not_()  # NaN lives
        if not lives.any():
            return None
        computed = torch.cat([self.known.outputs, self.suspects])
        place = torch.empty_like(self.alive, dtype=torch.long)
        place[computed] = torch.arange(len(computed))
        self.alive = self.alive.index_fill(0, self.suspects[lives], True)
        assert self._incoming is not None  # they have been computed from these
        self._choose(self._incoming)
        return place[self.known.outputs]

    def _choose(self, incoming: Tensor) -> None:
        self._incoming = incoming
        self.known = Layer.of(self._route, self._weight, self._fields, incoming, self.alive)
        self.suspects = self.known.outputs[:0]
        if self._reach is not None:
            self.suspects = places(self._computed.logical_and(self.alive.logical_not()))
        self.count = len(self.known.outputs) + len(self.suspects)
        of_suspects = self._weight.index_select(0, self.suspects)
        weight = torch.cat([self.known.weight, of_suspects.index_select(1, self.known.inputs)])
        bias = self._bias[torch.cat([self.known.outputs, self.suspects])].unsqueeze(1)
        self.weight = in_full_rows(torch.cat([weight, bias], dim=1))


def layers_so_far(
    routes: Sequence[Route], embeddings: Tensor, parameters: Sequence[Tensor]
) -> tuple[list[LayerSoFar], Tensor | None]:
    """The layers of a forward pass before its first rows, and how large each field is: [F].

    Of embeddings [B, F, D], and of weight and bias of each layer. The reach of a layer, [S, H], is
    how much of a map there can be for each 1 of an incoming one: the most, over d, of
    Σ_f W[s, f, h] fields[f, d], where each weight meets the highest or the lowest number of its
    field, or 0, whichever makes the sum larger. The first layer's incoming maps are the fields,
    which may be negative; there it is Σ_f |W[s, f, h]| · max |fields[f, d]|.

    On a GPU, which would have to be waited for, nothing is told of maps, and no field's size.
    """
    weights, biases = parameters[::2], parameters[1::2]
    fields = embeddings.shape[1]
    reaches: list[Tensor | None] = [None] * len(routes)
    largest = None
    if can_tell(embeddings):
        wide = torch.promote_types(embeddings.dtype, torch.float)
        low, high = (_over_rows(of, embeddings).to(wide) for of in (torch.amin, torch.amax))
        size = torch.maximum(high, -low)  # [F, D]
        largest = size.amax(1)
        ranges = [(-size, size)] + [(low.clamp(max=0), high.clamp(min=0))] * (len(routes) - 1)
        reaches = [
            _reach(weight.to(wide), *of_fields)
            for weight, of_fields in zip(weights, ranges, strict=True)
        ]
    layers = [
        LayerSoFar(route, weight, bias, fields, reach)
        for route, weight, bias, reach in zip(routes, weights, biases, reaches, strict=True)
    ]
    return layers, largest


def _reach(weight: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """[S, F·H] and a range around 0 for each number of a field, [F, D] twice -> [S, H]."""
    by_field = weight.unflatten(1, (len(low), -1)).transpose(0, 1)  # [F, S, H]
    most = high.T @ by_field.clamp(min=0).flatten(1) + low.T @ by_field.clamp(max=0).flatten(1)
    return (most.amax(0) * _SLACK).view(len(weight), -1)  # [D, S·H] -> [S, H]


def _over_rows(extreme: Callable[..., Tensor], embeddings: Tensor) -> Tensor:
    """The least or greatest embeddings: [B, F, D] -> [F, D].

    Of large pieces first: PyTorch takes seven times as long to compare short rows one by one.
    """
    pieces = math.gcd(len(embeddings), 64)
    return extreme(extreme(embeddings.unflatten(0, (pieces, -1)), 0), 0)


def can_tell(tensor: Tensor) -> bool:
    """Whether a tensor can be looked into here: a GPU would have to be waited for."""
    return tensor.device.type == "cpu" and tensor.numel() > 0 and not torch.compiler.is_compiling()


def places(chosen: Tensor) -> Tensor:
    """Where a vector of bool is True; where that can't be told, everywhere."""
    if can_tell(chosen):
        return chosen.nonzero().squeeze(1)
    return torch.arange(len(chosen), device=chosen.device)


def in_full_rows(matrix: Tensor) -> Tensor:
    """A matrix with as many rows of 0 below as make products with it quickest."""
    missing = full_rows(len(matrix), matrix) - len(matrix)
    return nn.functional.pad(matrix, (0, 0, 0, missing)) if missing else matrix


def full_rows(count: int, like: Tensor) -> int:
    """How many rows a matrix of so many has with those of 0 that `in_full_rows` adds."""
    multiple = _ROWS_OF_TWO_BYTES if like.element_size() == 2 else 1
    return math.ceil(count / multiple) * multiple
