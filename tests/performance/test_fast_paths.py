"""Each fast path beside the plain way, in turns in one run: a guard against losing it.

The limits lie far below what was measured (docs/performance.md), as others may use the machine; a
pair that misses its limit is measured twice more before it counts as slow. Which of two is faster
says nothing of whether they agree: other tests compare what they give.
"""

from __future__ import annotations

import random
from collections import defaultdict
from functools import partial

import denormals
import kernels
import pytest
import torch
from torch import Tensor

from recbole.config import Config
from recbole.data import Interaction, create_dataset, data_preparation
from recbole.data.sampling import NegativeSampler, SeenItems
from recbole.model.cin import CINLayer, CompressedInteractionNetwork

SETTINGS = {"train_batch_size": 4096, "embedding_size": 16, "precision": "fp32", "use_gpu": False}

#: With PyTorch 2.6, whose own dropout is quicker, these were 1.06 to 1.22 times as fast.
OF_TODAY = pytest.mark.skipif(
    not hasattr(torch.backends.cuda.matmul, "fp32_precision"), reason="torch before 2.9"
)


def assert_faster(plain, ours, at_least):
    """`ours` takes at most 1/at_least of the time of `plain`."""
    ratios = []
    while len(ratios) < 3:
        slow, fast = kernels.quickest([plain, ours], turns=5)
        ratios.append(slow / fast)
        if ratios[-1] >= at_least:
            return
    pytest.fail(f"expected {at_least} times as fast, measured {ratios}")


@pytest.mark.parametrize(
    ("pair", "at_least"),
    [
        (partial(kernels.attention, 8), 1.6),
        pytest.param(kernels.dropout, 1.5, marks=OF_TODAY),
        (kernels.rating_loss, 1.3),
        pytest.param(kernels.relu_and_dropout, 1.5, marks=OF_TODAY),
        (kernels.embeddings, 1.3),
        (kernels.first_order, 1.3),
        (kernels.genres, 2.0),
        (kernels.dead_maps, 1.6),
    ],
    ids=lambda of: getattr(of, "__name__", None),
)
def test_an_operation_beside_plain_pytorch(pair, at_least):
    assert_faster(*pair(), at_least)


def outer_products(network: CompressedInteractionNetwork, embeddings: Tensor) -> Tensor:
    """The CIN as its paper writes it, with the products of all fields and maps in memory."""
    maps, shown = embeddings, []  # [B, H, D]
    for layer, route in zip(network.layers, network.routes, strict=True):
        assert isinstance(layer, CINLayer)
        products = torch.einsum("bfd,bhd->bfhd", embeddings, maps).flatten(1, 2)
        maps = torch.conv1d(products, layer.weight.unsqueeze(2), layer.bias).relu()  # [B, S, D]
        shown.append(maps[:, -route.shown :])
        maps = maps[:, : route.handed_on]
    return torch.cat(shown, dim=1).sum(2)


def test_cin_beside_its_outer_products():
    network = CompressedInteractionNetwork(fields=7, sizes=[50, 50], direct=False)
    embeddings = torch.randn(2048, 7, 16, requires_grad=True)
    torch.testing.assert_close(network(embeddings), outer_products(network, embeddings))
    leaves = [embeddings, *network.parameters()]
    assert_faster(
        kernels.backward(lambda: outer_products(network, embeddings), *leaves),
        kernels.backward(lambda: network(embeddings), *leaves),
        1.2,
    )


@pytest.fixture
def make_config(movielens_100k, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {**SETTINGS, "data_path": str(movielens_100k)}
    return lambda cache: Config("WideDeep", "ml-100k", config_dict={**options, "data_cache": cache})


def test_batches_beside_indexing_by_lists(make_config):
    config = make_config(False)
    train, *_ = data_preparation(config, create_dataset(config))
    names = list(next(train.batches()).interaction)
    columns = {name: train.gather(torch.arange(train.num_rows))[name] for name in names}

    def by_lists() -> None:
        rows = list(range(train.num_rows))
        random.shuffle(rows)
        for start in range(0, len(rows), 4096):
            index = rows[start : start + 4096]
            Interaction({name: column[index] for name, column in columns.items()})

    assert_faster(by_lists, lambda: list(train.batches()), 2)


def test_reading_again_beside_reading_the_text(make_config, tmp_path):
    text, cached = make_config(False), make_config(str(tmp_path / "cache"))
    create_dataset(cached)
    assert_faster(lambda: create_dataset(text), lambda: create_dataset(cached), 2)


def test_negatives_beside_a_set_for_each_user():
    generator = torch.Generator().manual_seed(0)
    users = torch.randint(1, 500, (20_000,), generator=generator)
    items = torch.randint(1, 1_000, (20_000,), generator=generator)
    sampler = NegativeSampler(SeenItems(users, items, 500, 1_000))
    asked = users.repeat_interleave(5)

    def by_sets() -> list[int]:
        seen = defaultdict(set)
        for user, item in zip(users.tolist(), items.tolist(), strict=True):
            seen[user].add(item)
        drawn = []
        for user in asked.tolist():
            item = random.randrange(1, 1_000)
            while item in seen[user]:
                item = random.randrange(1, 1_000)
            drawn.append(item)
        return drawn

    assert_faster(by_sets, lambda: sampler.sample(asked, generator), 1.5)


def test_denormal_weights_cost_nothing():
    """In processes of their own, whose threads keep the setting."""
    plain, flushed = (denormals.in_a_process(setting, threads=1) for setting in (False, True))
    if plain[-1] < 2 * plain[0]:
        pytest.skip("denormal numbers cost this CPU nothing")
    assert flushed[-1] < 1.5 * flushed[0]  # of 6 %, where plain ones take twenty times as long
