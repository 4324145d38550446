"""Negatives are never seen items, and are drawn with exactly the probabilities promised."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recbole.data.sampling import NegativeSampler, SeenItems, sorted_draws

ITEMS = 12  # ids 1..12
PAIRS = [(1, 3), (1, 3), (1, 7), (1, 12), (2, 1), (2, 2), (4, 0)]
PAIRS += [(3, item) for item in range(1, ITEMS + 1)]  # user 3 has seen everything
PAIRS += [(5, item) for item in range(1, ITEMS + 1) if item != 9]  # user 5 all but one


def seen_of(pairs, users=7, items=ITEMS + 1):
    columns = torch.tensor(pairs, dtype=torch.int32).reshape(-1, 2)
    return SeenItems(columns[:, 0], columns[:, 1], users, items)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def chi_square(counts, expected):
    """Pearson's statistic; over 99.9 % of fair draws stay below the threshold used here."""
    counts, expected = np.asarray(counts, float), np.asarray(expected, float)
    threshold = {7: 24.3, 8: 26.1, 9: 27.9, 11: 31.3}[len(counts) - 1]
    return ((counts - expected) ** 2 / expected).sum() < threshold


def test_seen_items_are_a_set_of_pairs() -> None:
    seen = seen_of(PAIRS)
    distinct = {(user, item) for user, item in PAIRS if item}
    assert len(seen) == len(distinct)
    users, items = torch.meshgrid(torch.arange(7), torch.arange(ITEMS + 1), indexing="ij")
    found = seen.contains(users, items)
    assert {(u, i) for u, i in found.nonzero().tolist()} == distinct
    places = seen.find(users, items)
    assert torch.equal(seen.items[places[found]], items[found])
    assert seen.counts(torch.arange(7)).tolist() == [0, 3, 2, 12, 0, 11, 0]
    position, listed = seen.of(torch.tensor([2, 6, 1, 2]))
    assert position.tolist() == [0, 0, 2, 2, 2, 3, 3]
    assert listed.tolist() == [1, 2, 3, 7, 12, 1, 2]


def test_seen_items_without_others_and_without_any() -> None:
    seen = seen_of(PAIRS).without(seen_of([(1, 3), (2, 9)]))
    assert seen.counts(torch.arange(7)).tolist() == [0, 2, 2, 12, 0, 11, 0]
    empty = seen_of([])
    assert len(empty) == 0
    assert not empty.contains(torch.tensor([1]), torch.tensor([1])).any()
    assert empty.counts(torch.tensor([0, 6])).tolist() == [0, 0]
    assert [len(column) for column in empty.of(torch.tensor([1, 2]))] == [0, 0]
    assert set(NegativeSampler(empty).sample(torch.ones(500), generator()).tolist()) == set(
        range(1, ITEMS + 1)
    )


@pytest.mark.parametrize("pair", [(7, 1), (1, 13), (-1, 1), (1, -1)])
def test_seen_items_refuse_ids_out_of_range(pair) -> None:
    with pytest.raises(ValueError, match=r"expected (user|item) ids from 0 to (6|12)"):
        seen_of([pair])


@pytest.mark.parametrize("user", [0, 1, 2])
def test_uniform_draws_are_uniform_over_the_unseen(user: int) -> None:
    seen = seen_of(PAIRS)
    unseen = [
        i for i in range(1, ITEMS + 1) if not seen.contains(torch.tensor(user), torch.tensor(i))
    ]
    drawn = NegativeSampler(seen).sample(torch.full((24_000,), user), generator(user))
    counts = drawn.bincount(minlength=ITEMS + 1)
    assert counts.nonzero().squeeze(1).tolist() == unseen
    assert chi_square(counts[unseen], [24_000 / len(unseen)] * len(unseen))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("user", [1, 2])
def test_popular_items_are_drawn_in_proportion(user: int, alpha: float) -> None:
    seen = seen_of(PAIRS)
    count = torch.tensor([99, 1, 2, 50, 4, 5, 6, 7, 8, 0, 10, 11, 12])  # padding; item 9 never
    sampler = NegativeSampler(seen, count, alpha)
    drawn = sampler.sample(torch.full((24_000,), user), generator(user)).bincount(minlength=13)
    possible = [
        item for item in range(1, 13) if item != 9 and (user, item) not in PAIRS
    ]  # fmt: skip
    weight = count[possible].double() ** alpha
    assert drawn.sum() == drawn[possible].sum()
    assert chi_square(drawn[possible], 24_000 * weight / weight.sum())


def test_a_heavy_seen_item_costs_nothing() -> None:
    """Rejection would try a million times; one item takes nearly all weight, and is seen."""
    count = torch.tensor([0, 10**9, 1, 1, 0])
    sampler = NegativeSampler(seen_of([(1, 1)], users=3, items=5), count)
    drawn = sampler.sample(torch.ones(2_000), generator()).bincount(minlength=5)
    assert drawn[2] + drawn[3] == 2_000
    assert 850 < drawn[2] < 1150


def test_who_has_seen_everything_gets_nothing() -> None:
    sampler = NegativeSampler(seen_of(PAIRS))
    assert sampler.sample(torch.full((50,), 3), generator()).tolist() == [0] * 50
    assert sampler.sample(torch.full((50,), 5), generator()).tolist() == [9] * 50
    mixed = sampler.sample(torch.tensor([3, 5, 1, 3]), generator())
    assert mixed[[0, 1, 3]].tolist() == [0, 9, 0]
    assert mixed[2] not in (0, 3, 7, 12)
    assert sampler.drawable(torch.tensor([3, 5, 6])).tolist() == [False, True, True]
    # By popularity, an item that never occurs is none that could be drawn.
    sampler = NegativeSampler(seen_of(PAIRS), torch.tensor([0, *[1] * 8, 0, *[1] * 3]))
    assert sampler.sample(torch.tensor([5, 3]), generator()).tolist() == [0, 0]
    assert sampler.drawable(torch.tensor([5, 6])).tolist() == [False, True]


def test_draws_depend_on_the_generator_only() -> None:
    sampler, users = NegativeSampler(seen_of(PAIRS)), torch.arange(1, 3).repeat(50)
    torch.manual_seed(1)
    first = sampler.sample(users, generator(4))
    torch.manual_seed(2)
    assert torch.equal(sampler.sample(users, generator(4)), first)
    assert not torch.equal(sampler.sample(users, generator(5)), first)


def test_numbers_sort_by_user_and_item_and_name_the_same_items() -> None:
    sampler, users = NegativeSampler(seen_of(PAIRS)), torch.tensor([2, 1, 3, 1, 5, 2] * 20)
    drawn = sampler.draw(users, generator())
    found, items = sampler.pairs_at(drawn)
    assert torch.equal(items, sampler.sample(users, generator()))
    assert torch.equal(found[items > 0], users[items > 0])
    ordered, listed = sampler.pairs_at(drawn.sort().values)
    pairs = list(zip(ordered.tolist(), listed.tolist(), strict=True))
    assert pairs == sorted(pairs)


@pytest.mark.parametrize("largest", [5, 2**40, 2**62 - 1])  # 2^62: number and place need 69 bits
@pytest.mark.parametrize("count", [0, 1, 127, 128])
def test_draws_are_sorted_and_equal_ones_stay_in_their_order(largest, count) -> None:
    values = torch.tensor([-1, 0, 3, largest - 1, largest])
    drawn = values[torch.randint(len(values), (count,), generator=generator())]
    ordered, places = sorted_draws(drawn)
    plain = drawn.sort(stable=True)
    assert torch.equal(ordered, plain.values)
    assert torch.equal(places, plain.indices)


def test_a_uniform_draw_gives_the_items_that_equal_popularity_gives() -> None:
    uniform, equal = (
        NegativeSampler(seen_of(PAIRS)),
        NegativeSampler(seen_of(PAIRS), torch.full((ITEMS + 1,), 7), alpha=0.0),
    )
    users = torch.tensor([1, 2, 4, 5, 6] * 40)
    # The same shares of a user's unseen units, which are of another size there.
    assert torch.equal(uniform.sample(users, generator()), equal.sample(users, generator()))


@settings(max_examples=60, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 9)), max_size=45),
    counts=st.none() | st.lists(st.integers(0, 3), min_size=10, max_size=10),
    seed=st.integers(0, 99),
)
def test_never_a_seen_item_and_every_other_one(pairs, counts, seed) -> None:
    popularity = None if counts is None else torch.tensor(counts)
    sampler = NegativeSampler(seen_of(pairs, 6, 10), popularity, alpha=0.7)
    for user in range(1, 6):
        drawn = set(sampler.sample(torch.full((600,), user), generator(seed)).tolist())
        possible = {
            item
            for item in range(1, 10)
            if (user, item) not in pairs and (counts is None or counts[item])
        }
        assert drawn == (possible or {0})
