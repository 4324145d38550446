"""Products of fields, of which each is made once, and what layers fold into their weights."""

from __future__ import annotations

from itertools import combinations_with_replacement
from math import prod

import pytest
import torch
from torch import Tensor

from recbole.model import monomials
from recbole.model.cin_terms import Factors, Pairs, Products, Terms


def products_of(fields: Tensor, degree: int) -> Tensor:
    """All products of so many fields, in lexicographic order."""
    chosen = combinations_with_replacement(fields, degree)
    return torch.stack([torch.as_tensor(prod(factors)) for factors in chosen])


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_monomials_of_the_next_degree(count: int, degree: int) -> None:
    fields = torch.randn(count, 5, dtype=torch.float64)
    lower, wanted = products_of(fields, degree), products_of(fields, degree + 1)
    found = torch.full_like(wanted, torch.nan)
    monomials.times_fields(fields, lower, degree, found)
    torch.testing.assert_close(found, wanted)
    assert len(wanted) == monomials.count(count, degree + 1)
    places = torch.from_numpy(monomials.places_of_products(count, degree))
    torch.testing.assert_close(found[places], fields.unsqueeze(1) * lower)


def factors_of(fields: Tensor, maps: Tensor) -> Factors:
    pairs = products_of(fields, 2)
    return Factors(fields, torch.cat([pairs, torch.ones_like(pairs[:1])]), maps)


def cases() -> list[tuple[Terms, Tensor, Tensor]]:
    """Terms of 3 fields, these, and the maps that come in, as they are [H, n] or not [A, n]."""
    fields = torch.randn(3, 5, dtype=torch.float64)
    maps = torch.randn(2, 5, dtype=torch.float64)
    polynomials = torch.randn(4, 7, dtype=torch.float64)
    affine = polynomials @ factors_of(fields, maps).pairs
    some, none = torch.arange(2), torch.arange(0)
    return [
        (Pairs(3, fields.device), fields, fields),
        (Products(3, 2, some, none), fields, maps),
        (Products(3, 6, some, 2 + torch.arange(4), polynomials), fields, torch.cat([maps, affine])),
        (Products(3, 4, none, torch.arange(4), polynomials), fields, affine),
    ]


@pytest.mark.parametrize("case", range(4))
def test_folded_weights_give_the_sums_of_products(case: int) -> None:
    """And gradients come back from terms to factors, and from their weights to the weights."""
    terms, fields, incoming = cases()[case]
    weight = torch.randn(6, 3 * len(incoming), dtype=torch.float64, requires_grad=True)
    as_they_are = incoming[: 2 if case in (1, 2) else 0]
    made = terms.make(factors_of(fields, as_they_are), lambda *size: fields.new_empty(size))
    assert (made[-1] == 1).all()
    folded = terms.fold(weight)
    assert folded.shape == (6, len(terms)) == (6, len(made) - 1)
    wanted = weight @ (fields.unsqueeze(1) * incoming).flatten(0, 1)
    torch.testing.assert_close(folded @ made[:-1], wanted)
    grad = torch.randn_like(folded)
    (wanted,) = torch.autograd.grad(folded, weight, grad)
    found, _ = terms.unfold(grad, weight.detach())
    torch.testing.assert_close(found, wanted)


def test_gradient_of_polynomials_that_maps_are() -> None:
    fields, weight = torch.randn(3, 5).double(), torch.randn(6, 3 * 4).double()
    polynomials = torch.randn(4, 7, dtype=torch.float64, requires_grad=True)
    incoming = polynomials @ factors_of(fields, fields).pairs
    wanted = weight @ (fields.unsqueeze(1) * incoming).flatten(0, 1)
    terms = Products(3, 4, torch.arange(0), torch.arange(4), polynomials.detach())
    made = terms.make(factors_of(fields, fields[:0]), lambda *size: fields.new_empty(size))
    grad = torch.randn_like(wanted)
    _, found = terms.unfold(grad @ made[:-1].T, weight)
    torch.testing.assert_close(found, *torch.autograd.grad(wanted, polynomials, grad))


@pytest.mark.parametrize("case", range(4))
def test_gradients_of_terms(case: int) -> None:
    terms, fields, incoming = cases()[case]
    fields.requires_grad_()
    maps = incoming[: 2 if case in (1, 2) else 0].detach().requires_grad_()
    pairs = products_of(fields, 2)
    made = [products_of(fields, 2)] if case == 0 else []
    if case > 1:
        made = [products_of(fields, 3), fields]
    if case:
        made.append((fields.unsqueeze(1) * maps).flatten(0, 1))
    of_all = torch.cat(made)
    grad, of_pairs = torch.randn_like(of_all), torch.randn_like(pairs)
    total = (of_all * grad).sum() + (pairs * of_pairs).sum() * (case == 0)
    wanted, *of_maps = torch.autograd.grad(total, [fields, maps] if case else [fields])
    factors = factors_of(fields.detach(), maps.detach())
    found, rest = torch.zeros_like(wanted), torch.zeros_like(of_pairs)
    of_incoming = terms.add_gradients(
        grad.clone(), factors, found, of_pairs if case == 0 else rest, torch.empty_like(grad)
    )
    # What came by the pairs is theirs still, where they are not the terms themselves.
    found += torch.autograd.grad(products_of(fields, 2), fields, rest)[0]
    torch.testing.assert_close(found, wanted)
    for mine, theirs in zip([of_incoming], of_maps, strict=False):
        torch.testing.assert_close(mine, theirs)
