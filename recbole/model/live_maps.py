"""Which feature maps of a compressed interaction network (CIN) have to be worked on.

A map that is 0 for all rows is dead: it adds nothing to the next layer, and relu hands no gradient
down to it. About 40 % of the maps are dead from the start, and half of them after training under a
penalty, which takes their weights to 0.

A map of the first layer that is above 0 for all rows is affine in the terms that it sums, and the
next layer can do without it (`recbole.model.cin_terms`). It is still computed, to tell that it is.

Shapes are those of `recbole.model.cin_terms`, and D is the embedding size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from recbole.model.blocks import full_rows
from recbole.model.cin_terms import Pairs, Products, Terms

#: How much more than its bound, computed exactly, a rounded map may be: in bf16 0.2 % each for a
#: weight, here and there, and for a product of two fields and of three.
_SLACK = 1.01


class Route(NamedTuple):
    """Where the maps of a layer go."""

    handed_on: int  # how many of the first ones feed the next layer
    shown: int  # how many of the last ones feed the output
    place: slice  # the columns of the output that they fill

    def shows_what_it_hands_on(self, maps: int) -> bool:
        """Whether, of so many maps, some go both ways."""
        return self.handed_on + self.shown > maps


class Chosen(NamedTuple):
    """The maps of a layer that are worked on: those that are alive, and shown if they are affine.

    S counts these only, here and where such a choice is at hand.
    """

    outputs: Tensor  # [S]: which of all the layer's maps these are
    handed_on: int  # how many of the first ones feed the next layer as they are
    shown: int  # how many of the last ones feed the output
    columns: Tensor | slice  # those of the output that they fill

    @classmethod
    def of(cls, route: Route, alive: Tensor, affine: Tensor) -> Chosen:
        """Which maps are alive, and affine, is bool, [S] of all; the latter may be [0], of none."""
        if not can_tell(alive):
            every = torch.arange(len(alive), device=alive.device)
            # A slice, since index arithmetic on a GPU may wait for it.
            return cls(every, route.handed_on, route.shown, route.place)
        lives, first_shown = alive.numpy(), len(alive) - route.shown
        handed_on = np.flatnonzero(lives[: route.handed_on])
        outputs, shown = np.flatnonzero(lives), np.flatnonzero(lives[first_shown:])
        if len(affine):
            handed_on = handed_on[~affine.numpy()[handed_on]]
            others = lives.copy()
            others[handed_on] = others[:first_shown] = False
            outputs = np.concatenate([handed_on, np.flatnonzero(others)])
            shown = outputs[len(outputs) - len(shown) :] - first_shown
        columns = torch.from_numpy(route.place.start + shown)
        return cls(torch.from_numpy(outputs), len(handed_on), len(shown), columns)


class Layer(NamedTuple):
    """What is worked on of a layer: some of its maps, from some of those of the layer below."""

    maps: Chosen
    terms: Terms
    unfolded: Tensor  # [S, F·(H + A)], from which the weight is folded
    weight: Tensor  # [S, T]


def layers_of(
    routes: Sequence[Route],
    parameters: Sequence[Tensor],
    fields: int,
    alive: Sequence[Tensor],
    affine: Tensor,
) -> list[Layer]:
    """What is left of all layers with some of their maps, given as bool, [S] each.

    Of the first layer's maps, which are affine is given, too; see `Chosen.of`.
    """
    layers: list[Layer] = []
    terms: Terms = Pairs(fields, alive[0].device)
    for route, weight, bias, of_layer in zip(
        routes, parameters[::2], parameters[1::2], alive, strict=True
    ):
        maps = Chosen.of(route, of_layer, affine)
        unfolded = _weights_of(maps.outputs, terms, weight)
        layers.append(Layer(maps, terms, unfolded, terms.fold(unfolded)))
        if len(layers) < len(routes):
            terms = _terms_above(route, maps, terms, weight, bias, affine)
        affine = affine[:0]  # maps of other layers are not looked at
    return layers


def gradients_of(
    layers: Sequence[Layer],
    parameters: Sequence[Tensor],
    of_weights: Sequence[Tensor],
    of_biases: Sequence[Tensor],
) -> list[Tensor]:
    """The gradients of all layers' weights and biases, from those of what is left of them.

    These are [S, T] and [S] for each layer, the results as large as the parameters, in their order.
    Other maps have none, except for affine ones, from the weights of the terms that they became.
    """
    found: list[Tensor] = []
    for layer, weight, bias, of_weight, of_bias in zip(
        layers, parameters[::2], parameters[1::2], of_weights, of_biases, strict=True
    ):
        unfolded, of_polynomials = layer.terms.unfold(of_weight, layer.unfolded)
        of_outputs = unfolded.new_zeros(len(unfolded), weight.shape[1])
        of_outputs.index_copy_(1, layer.terms.columns, unfolded)
        found.append(torch.zeros_like(weight).index_copy_(0, layer.maps.outputs, of_outputs))
        found.append(torch.zeros_like(bias).index_copy_(0, layer.maps.outputs, of_bias))
        if of_polynomials is not None:  # of maps of the first layer
            affine = layer.terms.incoming[-len(of_polynomials) :]
            of_pairs, _ = layers[0].terms.unfold(of_polynomials[:, :-1], layers[0].unfolded)
            found[0].index_add_(0, affine, of_pairs)
            found[1].index_add_(0, affine, of_polynomials[:, -1])
    return found


def _terms_above(
    route: Route, maps: Chosen, terms: Terms, weight: Tensor, bias: Tensor, affine: Tensor
) -> Products:
    """What the layer sums that some maps are handed to: of these, and of affine ones.

    The terms and parameters are those of the layer with these maps.
    """
    as_they_are, which = maps.outputs[: maps.handed_on], places(affine)
    polynomials = None
    if len(which):
        folded = terms.fold(_weights_of(which, terms, weight))
        constants = bias.index_select(0, which).unsqueeze(1)
        polynomials = torch.cat([folded, constants], dim=1)
    return Products(terms.fields, route.handed_on, as_they_are, which, polynomials)


def _weights_of(maps: Tensor, terms: Terms, weight: Tensor) -> Tensor:
    """What the terms of some maps, [S], are folded from: [all S, all F·H] -> [S, F·(H + A)]."""
    return weight.index_select(0, maps).index_select(1, terms.columns)


class LayerSoFar:
    """A layer in the forward pass: the maps that it computes, and those of them that are alive.

    Both are as few as the rows seen so far allow, and grow with the rows. A map is computed unless
    bounds tell that it is dead in all of these rows, and alive if it was not 0 in one of them. Maps
    of the first layer are affine if they were above 0 in all rows; which, shows in the first rows,
    and from then on they only become fewer.

    Attributes: `alive` and `affine`, bool, of all the layer's maps, the latter of none where it is
    not the first layer or nothing can be told; `known`, the alive ones that are worked on;
    `suspects`, which are computed besides, perhaps for nothing; `count`, how many are computed;
    `affine_rows`, where the affine ones are among them; `weight`, [count, T + 1], of the known
    maps, then of affine ones not among these, then of suspects, with the bias for last column, and
    perhaps rows of 0 below.
    """

    weight: Tensor

    def __init__(
        self,
        route: Route,
        parameters: Sequence[Tensor],
        embeddings: Tensor,
        reach: Tensor | None,
        first: bool,
    ) -> None:
        """Of a layer's weight and bias, and its reach; None where nothing can be told of maps."""
        self._route, self._reach, self._like = route, reach, embeddings
        self._weight, self._bias = parameters
        self._computed = self.alive = torch.full_like(self._bias, reach is None, dtype=torch.bool)
        self.affine = torch.zeros_like(self.alive)[: None if first and reach is not None else 0]
        self._nothing_seen = True
        self._terms: Terms | None = None
        self._largest: Tensor | None = None
        self._above: Products | None = None
        none = self.alive.new_empty(0, dtype=torch.long)
        nothing = Chosen(none, handed_on=0, shown=0, columns=none)
        self.known = nothing if reach is not None else Chosen.of(route, self.alive, self.affine)
        self._sort()

    @property
    def terms_above(self) -> Products:
        """What the next layer sums: the same object while that is the same."""
        above = self._above
        # Ever more come in as they are; one that is no longer affine is one of them from then on.
        if above is None or above.maps != self.known.handed_on:
            assert self._terms is not None  # it has been prepared
            of_this = self._terms, self._weight, self._bias, self.affine
            above = self._above = _terms_above(self._route, self.known, *of_this)
        return above

    def prepare(self, terms: Terms, largest: Tensor | None) -> None:
        """Compute what may live in rows whose incoming maps are at most so large: [H + A, D].

        Which of all maps these are only ever grows.
        """
        reads_others = terms is not self._terms
        if not reads_others and largest is self._largest:
            return
        self._terms, self._largest = terms, largest
        computed = self._computed
        if self._reach is not None and largest is not None:
            if reads_others:
                self._reach_of_incoming = self._reach.index_select(2, terms.incoming)
                self._rounded_bias = self._bias.to(self._like.dtype).to(self._reach)
            reach = self._reach_of_incoming  # [D, S, H + A]
            most = (reach @ largest.to(reach).T.unsqueeze(2)).squeeze(2).amax(0)
            bound = most + self._rounded_bias
            computed = (bound <= 0).logical_not_().logical_or_(computed)  # NaN may live
        more = computed is not self._computed and not torch.equal(computed, self._computed)
        if more:
            self._computed = computed
            self._sort()
        if more or reads_others:
            rows = full_rows(self.count, self._like)
            self.weight = self._like.new_zeros(rows, len(terms) + 1)
            self.weight[: self.count, :-1] = terms.fold(
                _weights_of(self._order, terms, self._weight)
            )
            self.weight[: self.count, -1] = self._bias.index_select(0, self._order)

    def see(self, computed: Tensor) -> Tensor | None:
        """Take note of which maps are alive, and affine, in rows for which they are computed.

        Given the computed maps, [count, n]. Returns where the known ones, and affine ones not among
        these, were among them; None if all is as it was.
        """
        if self._reach is None:
            return None
        of_suspects = computed[self.count - len(self.suspects) : self.count]
        lives = (of_suspects.sum(1) <= 0).logical_not_()  # NaN lives
        affine = self._still_affine(computed[self.affine_rows], of_suspects)
        if affine is self.affine and not lives.any():
            return None
        before = self._order.numpy()
        self.alive = self.alive.index_fill(0, self.suspects[lives], True)
        self.affine = affine
        self.known = Chosen.of(self._route, self.alive, affine)
        self._sort()
        place = np.empty(len(self.alive), dtype=np.int64)
        place[before] = np.arange(len(before))
        moved = torch.arange(len(self.weight))  # rows of 0 stay where they are
        moved[: len(before)] = torch.from_numpy(place[self._order.numpy()])
        self.weight = self.weight.index_select(0, moved)
        return moved[: self.count - len(self.suspects)]

    def _still_affine(self, of_affine: Tensor, of_suspects: Tensor) -> Tensor:
        """Which maps are affine: of the affine ones so far or, in the first rows, of the suspects.

        Given what is computed of them, [.., n].
        """
        if not len(self.affine):
            return self.affine
        first, self._nothing_seen = self._nothing_seen, False
        if first:
            handed_on = self.suspects[self.suspects < self._route.handed_on]  # these come first
            above_0 = of_suspects[: len(handed_on)].amin(1) > 0
            affine = self.affine.index_fill(0, handed_on[above_0], True)
        else:
            above_0 = of_affine.amin(1) > 0
            if above_0.all():
                return self.affine
            affine = self.affine.index_fill(0, places(self.affine)[~above_0], False)
        pays = Products.pays(len(self._like[0]), int(affine.sum()))
        return affine if pays else torch.zeros_like(affine)

    def _sort(self) -> None:
        """Put the maps that are computed in order."""
        known = self.known.outputs
        self.suspects = watched = known[:0]
        if self._reach is not None:
            self.suspects = places(self._computed.logical_and(self.alive.logical_not()))
        begin, affine = self.known.handed_on, watched
        if len(self.affine):
            affine = places(self.affine)
            if not self._route.shows_what_it_hands_on(len(self.alive)):
                begin, watched = len(known), affine
        self.affine_rows = slice(begin, begin + len(affine))
        self._order = torch.cat([known, watched, self.suspects])
        self.count = len(self._order)


def layers_so_far(
    routes: Sequence[Route], embeddings: Tensor, parameters: Sequence[Tensor]
) -> tuple[list[LayerSoFar], Tensor | None]:
    """The layers of a forward pass before its first rows, and how large fields are: [F, D].

    Of embeddings [B, F, D], and of weight and bias of each layer. The reach of a layer, [D, S, H],
    is how much of a map there can be for each 1 of an incoming one: the most that there can be of
    Σ_f W[s, f, h] fields[f, d], where each weight meets the highest or the lowest number of its
    field, or 0, whichever makes the sum larger. The first layer's incoming maps are the fields,
    which may be negative; there it is Σ_f |W[s, f, h]| · max |fields[f, d]|.

    On a GPU, which would have to be waited for, nothing is told of maps, and no field's size.
    """
    weights = parameters[::2]
    reaches: list[Tensor | None] = [None] * len(routes)
    largest = None
    if can_tell(embeddings):
        wide = torch.promote_types(embeddings.dtype, torch.float)
        low, high = (_over_rows(of, embeddings).to(wide) for of in (torch.amin, torch.amax))
        largest = torch.maximum(high, -low)  # [F, D]
        ranges = [(-largest, largest)] + [(low.clamp(max=0), high.clamp(min=0))] * (len(routes) - 1)
        reaches = [
            _reach(weight.to(embeddings.dtype).to(wide), *of_fields)
            for weight, of_fields in zip(weights, ranges, strict=True)
        ]
    layers = [
        LayerSoFar(route, of_layer, embeddings, reach, first=not index)
        for index, (route, *of_layer, reach) in enumerate(
            zip(routes, weights, parameters[1::2], reaches, strict=True)
        )
    ]
    return layers, largest


def _reach(weight: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """[S, F·H] and a range around 0 for each number of a field, [F, D] twice -> [D, S, H]."""
    by_field = weight.unflatten(1, (len(low), -1)).transpose(0, 1)  # [F, S, H]
    most = high.T @ by_field.clamp(min=0).flatten(1) + low.T @ by_field.clamp(max=0).flatten(1)
    return (most * _SLACK).view(len(most), len(weight), -1)  # [D, S·H] -> [D, S, H]


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
