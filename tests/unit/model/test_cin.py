"""The compressed interaction network against Eq. 6 of its paper, and which maps it works on."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from recbole.model import blocks
from recbole.model.cin import CompressedInteractionNetwork, _parts, _rows_at_a_time
from recbole.model.cin_terms import Pairs, Products, Terms
from recbole.model.live_maps import LayerSoFar, layers_of, layers_so_far


@pytest.fixture(params=[True, False], ids=["with AMX", "without AMX"])
def kind_of_cpu(request, monkeypatch) -> None:
    """A CPU for which bf16 matrices are given rows of 0, or not."""
    monkeypatch.setattr(blocks, "_HAS_AMX", request.param)


def naive_cin(cin: CompressedInteractionNetwork, embeddings: Tensor) -> Tensor:
    """Eq. 6 of the paper, number by number: [B, F, D] -> [B, output_size]."""
    rows = []
    for fields in embeddings:  # [F, D]
        maps, shown = fields, []
        for layer, route in zip(cin.layers, cin.routes, strict=True):
            weight = layer.weight.view(len(layer.weight), len(fields), len(maps))
            outputs = []
            for s in range(len(weight)):
                total = layer.bias[s].expand(fields.shape[1])
                for f in range(len(fields)):
                    for h in range(len(maps)):
                        total = total + weight[s, f, h] * fields[f] * maps[h]
                outputs.append(total.relu())
            maps = torch.stack(outputs)
            shown.append(maps[-route.shown :].sum(dim=1))
            maps = maps[: route.handed_on]
        rows.append(torch.cat(shown))
    return torch.stack(rows)


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("rows", [1, 4, 5, 9])  # of which 2 to 4 are worked on at a time
@pytest.mark.parametrize("dead", [(), (0,), (0, 2, 3), (0, 1, 2, 3)])  # maps of all layers
@pytest.mark.parametrize("can_tell", [True, False])  # as on a GPU, where all are worked on
def test_cin(rows: int, direct: bool, dead: tuple[int, ...], can_tell: bool, monkeypatch) -> None:
    if not can_tell:
        monkeypatch.setattr("recbole.model.live_maps.can_tell", lambda _: False)
    monkeypatch.setattr("recbole.model.cin._BYTES_OF_PRODUCTS", 4 * 3 * 9 * 4)
    cin = CompressedInteractionNetwork(fields=3, sizes=[4, 6, 5], direct=direct)
    for layer in cin.layers:
        layer.bias.data[list(dead)] = -1e3
    embeddings = torch.randn(rows, 3, 3, requires_grad=True)
    fast, slow = cin(embeddings), naive_cin(cin, embeddings)
    assert cin.output_size == fast.shape[1] == (15 if direct else 10)
    torch.testing.assert_close(fast, slow)
    assert_same_gradients(cin, embeddings, fast, slow)


def assert_same_gradients(cin, embeddings: Tensor, fast: Tensor, slow: Tensor) -> None:
    """Of something that depends on all outputs, and on embeddings and parameters."""
    weight = torch.randn_like(fast)
    leaves = [embeddings, *cin.parameters()]
    fast_grad = torch.autograd.grad((fast * weight).sum(), leaves, retain_graph=True)
    again = torch.autograd.grad((fast * weight).sum(), leaves)
    for a, b in zip(fast_grad, again, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    slow_grad = torch.autograd.grad((slow * weight).sum(), leaves)
    for a, b in zip(fast_grad, slow_grad, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("direct", [False, True])
def test_maps_of_a_cin_that_come_alive_late(direct: bool, monkeypatch) -> None:
    """Parts of the rows differ in the maps that are alive, and so in how much is kept of them."""
    monkeypatch.setattr("recbole.model.cin._BYTES_OF_PRODUCTS", 2 * 3 * 12 * 4)  # 2 rows, or more
    cin = CompressedInteractionNetwork(fields=3, sizes=[8, 8, 6], direct=direct)
    for layer in cin.layers:
        layer.bias.data[:] = torch.tensor([0.1, -0.1]).repeat(len(layer.bias) // 2)
    embeddings = torch.randn(12, 3, 3)
    embeddings[:6] = 0  # here the biases alone decide
    embeddings[6:9] *= torch.tensor([1.0, 0.0, 0.0]).view(3, 1)
    embeddings.requires_grad_()
    chosen = recorded(monkeypatch)
    fast, slow = cin(embeddings), naive_cin(cin, embeddings)
    torch.testing.assert_close(fast, slow)
    assert_same_gradients(cin, embeddings, fast, slow)
    inputs = [[inputs for _, inputs in part] for part in chosen]
    assert inputs[0] == inputs[1] == ([6, 12, 12] if direct else [6, 6, 6])
    assert inputs == sorted(inputs)
    assert inputs[-1][1] > inputs[0][1]
    with torch.no_grad():
        torch.testing.assert_close(cin(embeddings), fast, rtol=0, atol=0)


def test_maps_of_a_cin_that_larger_ones_below_bring_to_life(monkeypatch) -> None:
    """The maps that come in are the same ones in each part, but no longer as small."""
    monkeypatch.setattr("recbole.model.cin._BYTES_OF_PRODUCTS", 1)  # a row at a time
    cin = CompressedInteractionNetwork(fields=3, sizes=[6, 6, 4], direct=True)
    for layer, bias in zip(cin.layers, (0.0, -1.0, 0.5), strict=True):
        layer.bias.data.fill_(bias)
    embeddings = torch.randn(1, 3, 4) * torch.tensor([0.1, 0.1, 3.0, 0.1]).view(-1, 1, 1)
    embeddings.requires_grad_()
    chosen = recorded(monkeypatch)
    fast, slow = cin(embeddings), naive_cin(cin, embeddings)
    torch.testing.assert_close(fast, slow)
    assert_same_gradients(cin, embeddings, fast, slow)
    second = [part[1] for part in chosen]
    assert len({terms for _, terms in second}) == 1
    assert [computed for computed, _ in second][:2] == [0, 0] and second[2][0] > 0


def recorded(monkeypatch) -> list[list[tuple[int, int]]]:
    """How many maps and terms each layer works with in each part of the rows, as it runs."""
    parts: list[list[tuple[int, int]]] = []
    prepare = LayerSoFar.prepare

    def recording(layer: LayerSoFar, terms: Terms, largest: Tensor) -> None:
        prepare(layer, terms, largest)
        if isinstance(terms, Pairs):
            parts.append([])  # the first layer
        parts[-1].append((layer.count, len(terms)))

    monkeypatch.setattr(LayerSoFar, "prepare", recording)
    return parts


def all_maps(count: int, fields: int) -> Products:
    """What a layer sums that reads all maps below as they are."""
    return Products(fields, count, torch.arange(count), torch.arange(0))


@pytest.mark.parametrize("scale", [0.0, 1e-30, 0.01, 1.0])
@pytest.mark.parametrize("rows", [50, 64])
def test_a_map_that_a_cin_leaves_out_is_dead(scale: float, rows: int) -> None:
    """And what may be left out is, where weights have shrunk, whatever the embeddings."""
    torch.manual_seed(4)
    cin = CompressedInteractionNetwork(fields=3, sizes=[20, 30, 10], direct=False)
    for layer in cin.layers:
        layer.weight.data[::2] *= scale
    embeddings = torch.randn(rows, 3, 4)
    parameters = [tensor for layer in cin.layers for tensor in (layer.weight, layer.bias)]
    layers, largest = layers_so_far(cin.routes, embeddings, parameters)
    fields = maps = embeddings.transpose(0, 1).flatten(1)
    torch.testing.assert_close(largest, embeddings.abs().amax(0))
    left_out = 0
    terms: Terms = Pairs(3, embeddings.device)
    for layer, route, so_far in zip(cin.layers, cin.routes, layers, strict=True):
        so_far.prepare(terms, largest)
        lives = torch.zeros(len(layer.bias), dtype=torch.bool)
        lives[so_far.suspects] = True
        products = (fields.unsqueeze(1) * maps).flatten(0, 1)
        maps = (layer.weight @ products + layer.bias.unsqueeze(1)).relu()
        assert not maps[~lives].any()
        left_out += int((~lives).sum())
        if scale < 0.01:  # then the bias decides
            assert torch.equal(lives[::2], layer.bias[::2] > 0)
        maps = maps[: route.handed_on]
        terms, largest = all_maps(len(maps), 3), maps.unflatten(1, (-1, 4)).amax(1)
    assert left_out > 0 or scale == 1


@pytest.mark.usefixtures("kind_of_cpu")
def test_bounds_on_the_maps_of_a_cin_leave_room_for_rounded_products() -> None:
    """In bf16 products that are rounded up can add up to more than a bias that they don't reach."""
    numbers = torch.linspace(1, 2, 129).bfloat16()[:-1]
    field, weight = numbers.view(-1, 1), numbers.view(1, -1)
    exact = 4 * field.double().square() * weight  # of 2 fields and 2 maps
    rounded = 4 * field.square().double() * weight
    bias = -torch.nextafter(exact.bfloat16(), torch.full_like(exact, torch.inf).bfloat16())
    found = ((exact + bias < 0) & (rounded + bias > 0)).nonzero()
    assert len(found) > 50
    cin = CompressedInteractionNetwork(fields=2, sizes=[2], direct=True).bfloat16()
    for i, j in found[::20].tolist():
        cin.layers[0].weight.data.fill_(numbers[j])
        cin.layers[0].bias.data.fill_(bias[i, j])
        assert cin(numbers[i].expand(3, 2, 4)).gt(0).all()


def test_bounds_on_the_maps_of_a_cin_know_signs() -> None:
    """A weight below 0 for a field above 0 takes away from a map, however much there is of both."""
    cin = CompressedInteractionNetwork(fields=2, sizes=[4, 3], direct=False)
    cin.layers[1].weight.data[:] = torch.tensor(
        [[-9.0, -9.0, -9.0, -9.0], [-9.0, -9.0, 0.1, 0.0], [9.0, 9.0, -9.0, 0.0]]
    )
    cin.layers[1].bias.data[:] = torch.tensor([-0.1, -0.5, -0.1])
    embeddings = torch.rand(8, 2, 3) + torch.tensor([1.0, -3.0]).view(2, 1)
    embeddings[:, 1] += 4  # [1, 2] and [2, 3]
    parameters = [tensor for layer in cin.layers for tensor in (layer.weight, layer.bias)]
    layers, _ = layers_so_far(cin.routes, embeddings, parameters)
    layers[1].prepare(all_maps(2, 2), torch.ones(2, 3))
    assert layers[1].suspects.tolist() == [2]
    layers[1].prepare(all_maps(2, 2), torch.tensor([[9.0] * 3, [1.0] * 3]))
    assert layers[1].suspects.tolist() == [1, 2]
    embeddings[3, 1, 2] = -0.1  # with which weights below 0 do give something
    layers, _ = layers_so_far(cin.routes, embeddings, parameters)
    layers[1].prepare(all_maps(2, 2), torch.ones(2, 3))
    assert layers[1].suspects.tolist() == [0, 2]


def test_bounds_on_the_maps_of_a_cin_know_places() -> None:
    """A field and a map below that are large at different places of an embedding give little."""
    cin = CompressedInteractionNetwork(fields=2, sizes=[2, 1], direct=True)
    cin.layers[1].weight.data.fill_(1.0)
    cin.layers[1].bias.data.fill_(-10.0)
    embeddings = torch.tensor([3.0, 0.1]).expand(5, 2, 2)  # the same for all rows and fields
    parameters = [tensor for layer in cin.layers for tensor in (layer.weight, layer.bias)]
    for largest, may_live in (([0.1, 3.0], False), ([3.0, 0.1], True)):
        layers, _ = layers_so_far(cin.routes, embeddings, parameters)
        layers[1].prepare(all_maps(2, 2), torch.tensor(largest).expand(2, 2))
        assert len(layers[1].suspects) == may_live


def test_a_map_of_a_cin_that_lives_at_one_place_of_one_row_is_kept() -> None:
    """Where nothing else comes near what its bias asks for."""
    cin = CompressedInteractionNetwork(fields=2, sizes=[2, 1], direct=True)
    for layer, bias in zip(cin.layers, (0.0, -100.0), strict=True):
        layer.weight.data.fill_(1.0)
        layer.bias.data.fill_(bias)
    for row, place in itertools.product(range(2), range(3)):
        embeddings = torch.full((2, 2, 3), 0.1)
        embeddings[row, :, place] = 3.0
        out = cin(embeddings)
        assert out[row, -1] == 4 * 36 * 3 - 100  # 36 in either map, times 3 in either field
        torch.testing.assert_close(out, naive_cin(cin, embeddings))


def test_a_cin_leaves_out_the_maps_that_turn_out_dead(monkeypatch) -> None:
    """Bounds can't tell of these, whose products all happen to be negative."""
    monkeypatch.setattr("recbole.model.cin._BYTES_OF_PRODUCTS", 3 * 4 * 9 * 4)
    cin = CompressedInteractionNetwork(fields=3, sizes=[8, 6], direct=False)
    for layer in cin.layers:
        layer.weight.data.abs_()
        layer.bias.data.zero_()
    cin.layers[0].weight.data[[0, 2, 7]] *= -1  # two are handed on, the other is shown
    embeddings = torch.rand(9, 3, 4, requires_grad=True)
    forward, backward = recorded(monkeypatch), []

    def of_all(*arguments):
        found = layers_of(*arguments)
        backward.extend(tuple(layer.weight.shape) for layer in found)
        return found

    monkeypatch.setattr("recbole.model.cin.layers_of", of_all)
    fast, slow = cin(embeddings), naive_cin(cin, embeddings)
    torch.testing.assert_close(fast, slow)
    assert_same_gradients(cin, embeddings, fast, slow)
    assert forward == [[(8, 6), (6, 6)]] * 3  # 3 rows each
    assert backward == [(5, 6), (6, 6)] * 2  # the gradient is taken twice


@pytest.mark.parametrize(
    ("dtype", "products", "rows"),
    [
        (torch.float32, 350, 342),  # 8 MiB for 350 products of 16 numbers: 374 rows
        (torch.bfloat16, 700, 1025),  # 16 MiB: 749, but one part is nearer; not a multiple of 4
        (torch.bfloat16, 1040, 513),  # 504, in two parts of a little more
        (torch.float32, 175, 1024),  # 749 again
        (torch.float32, 28, 1024),
    ],
)
def test_rows_that_a_cin_works_on_at_a_time(dtype, products, rows) -> None:
    """The fewer products a row has, and the smaller they are, the more rows."""
    assert _rows_at_a_time(torch.empty(1024, 7, 16, dtype=dtype), products) == rows


@pytest.mark.parametrize("sizes", [(1, 1), (3, 3), (3, 5), (9, 9), (12, 12), (8, 100)])
def test_parts_of_a_cin_are_all_rows(sizes: tuple[int, int]) -> None:
    parts = list(_parts(9, sizes))
    assert [row for part in parts for row in range(9)[part]] == list(range(9))
    lengths = [part.stop - part.start for part in parts]
    assert lengths[0] == min(sizes[0], 9)
    assert set(lengths[1:-1]) <= {sizes[1]}
    assert not list(_parts(0, sizes))


def test_parts_of_a_cin_become_larger_with_fewer_maps(monkeypatch) -> None:
    """The size of the second part and those after it follows from what the first one showed."""
    monkeypatch.setattr("recbole.model.cin._BYTES_OF_PRODUCTS", 3 * 4 * 36 * 4)
    cin = CompressedInteractionNetwork(fields=3, sizes=[12, 6], direct=True)
    cin.layers[0].bias.data[2:] = -1e3
    parts = recorded(monkeypatch)
    cin(torch.randn(33, 3, 4))
    assert len(parts) == 3  # 3 rows, then 15 and 15
    cin.layers[0].bias.data[2:] = 0.0
    parts.clear()
    cin(torch.randn(33, 3, 4))
    assert len(parts) == 11


@pytest.mark.parametrize("direct", [False, True])
def test_cin_hands_on_one_half_and_shows_the_other(direct: bool) -> None:
    cin = CompressedInteractionNetwork(fields=3, sizes=[4, 6, 5], direct=direct)
    routes = [(route.handed_on, route.shown) for route in cin.routes]
    assert routes == ([(4, 4), (6, 6), (0, 5)] if direct else [(2, 2), (3, 3), (0, 5)])


def test_gradient_of_cin() -> None:
    cin = CompressedInteractionNetwork(fields=3, sizes=[2, 3], direct=True).double()
    embeddings = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(cin, (embeddings,))


def test_what_is_undefined_in_a_cin_is_seen() -> None:
    """A map that is NaN throughout is not dead."""
    cin = CompressedInteractionNetwork(fields=3, sizes=[4, 6], direct=False)
    cin.layers[0].bias.data[0] = torch.nan
    cin.layers[0].bias.data[1] = -1e3
    out = cin(torch.randn(5, 3, 4))
    assert out.isnan().all(dim=0)[2:].all()
    out.sum().backward()
    has_gradient = cin.layers[0].weight.grad.any(dim=1)
    assert has_gradient[0] and not has_gradient[1]


@pytest.mark.usefixtures("kind_of_cpu")
def test_cin_under_autocast(monkeypatch) -> None:
    cin = CompressedInteractionNetwork(fields=3, sizes=[4, 6], direct=False)
    embeddings = torch.randn(50, 3, 4, requires_grad=True)
    seen = []

    def alive(*arguments):
        seen.append((torch.is_autocast_enabled("cpu"), arguments[1].dtype))
        return layers_so_far(*arguments)

    monkeypatch.setattr("recbole.model.cin.layers_so_far", alive)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = cin(embeddings)
    assert seen == [(False, torch.bfloat16)]
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    layer = cin.layers[0]
    assert layer.weight.grad.dtype == embeddings.grad.dtype == torch.float32
    torch.testing.assert_close(out.float(), cin(embeddings), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("dead", [[], [6, -1]])
@pytest.mark.parametrize("bend_at", [None, 1, 5, 8])
def test_maps_of_a_cin_above_0_throughout_are_folded(direct, bend_at, dead, monkeypatch) -> None:
    """3 affine maps of the first layer may bend in a later part; some are dead."""
    monkeypatch.setattr("recbole.model.cin._BYTES_OF_PRODUCTS", 1)  # a row at a time
    handed_on = 13
    sizes = [handed_on if direct else 2 * handed_on, 6, 4]
    cin = CompressedInteractionNetwork(fields=3, sizes=sizes, direct=direct).double()
    first = cin.layers[0]
    first.weight.data *= 1e-3
    first.weight.data[2:5] = torch.tensor([0.0, 1, 0, 0, 0, 0, 0, 0, 0])  # fields 0 and 1
    first.bias.data[:] = 5.0
    first.bias.data[2:5] = 1.0
    first.bias.data[dead] = -100.0
    embeddings = torch.rand(9, 3, 4, dtype=torch.float64) * 0.5
    if bend_at is not None:  # here the 3 are below 0 for some numbers
        embeddings[bend_at, 0, 1:3] = -40.0
    embeddings.requires_grad_()
    seen, prepare = [], LayerSoFar.prepare

    def recording(layer: LayerSoFar, terms: Terms, largest: Tensor) -> None:
        prepare(layer, terms, largest)
        if layer._weight is cin.layers[1].weight:
            seen.append(terms)

    monkeypatch.setattr(LayerSoFar, "prepare", recording)
    fast, slow = cin(embeddings), naive_cin(cin, embeddings)
    torch.testing.assert_close(fast, slow)
    for grad in (False, True):  # with and without maps kept
        with torch.set_grad_enabled(grad):
            torch.testing.assert_close(cin(embeddings), fast)
    assert len(seen) == 3 * 9
    later = slice(bend_at if bend_at is not None else 9, 9)
    folded = 10 + 3  # products of three of 3 fields, and the fields
    assert {len(terms) for terms in seen[: later.start]} == {folded}
    bent = {folded + 3 * 3} if bend_at is not None else set()
    assert {len(terms) for terms in seen[:9][later]} == bent
    assert_same_gradients(cin, embeddings, fast, slow)


def test_a_cin_folds_no_maps_where_that_saves_little(monkeypatch) -> None:
    """6 maps have 18 products with 3 fields, and 13 terms; 7 have 21."""
    monkeypatch.setattr("recbole.model.cin._BYTES_OF_PRODUCTS", 1)
    for maps, terms in ((6, 18), (7, 13)):
        cin = CompressedInteractionNetwork(fields=3, sizes=[maps, 4], direct=True)
        cin.layers[0].bias.data[:] = 5.0
        with monkeypatch.context() as patch:
            parts = recorded(patch)
            cin(torch.rand(4, 3, 2))
        assert [part[1][1] for part in parts] == [terms] * 4
        embeddings = torch.rand(4, 3, 2)
        embeddings[2:] = torch.tensor([-40.0, 40.0, 40.0]).view(3, 1)  # one map less, then
        cin.layers[0].weight.data[0] = torch.tensor([0.0, 1, 0, 0, 0, 0, 0, 0, 0])
        with monkeypatch.context() as patch:
            parts = recorded(patch)
            torch.testing.assert_close(cin(embeddings), naive_cin(cin, embeddings))
        assert [part[1][1] for part in parts] == [terms, terms, 3 * maps, 3 * maps]


def test_what_is_undefined_in_a_folded_cin_is_seen() -> None:
    """In the first rows, or later."""
    cin = CompressedInteractionNetwork(fields=3, sizes=[14, 4], direct=True)
    cin.layers[0].bias.data[:] = 5.0
    for row in (0, 5):
        embeddings = torch.rand(6, 3, 2)
        embeddings[row, 0, 0] = torch.nan
        assert torch.equal(cin(embeddings).isnan().all(dim=1), torch.arange(6) == row)


@pytest.mark.usefixtures("kind_of_cpu")
def test_folded_maps_of_a_cin_in_bf16() -> None:
    """Sums of rounded numbers: no further from the exact ones than those that are not folded."""
    cin = CompressedInteractionNetwork(fields=7, sizes=[60, 60, 40], direct=False)
    cin.layers[0].bias.data[:] = 0.3
    embeddings = 0.1 * torch.randn(512, 7, 8)
    leaves = [embeddings.requires_grad_(), *cin.parameters()]

    def found(pays: bool) -> list[Tensor]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Products, "pays", staticmethod(lambda *_: pays))
            with torch.autocast("cpu", dtype=torch.bfloat16):
                out = cin(embeddings)
            return [out, *torch.autograd.grad(out.float().square().sum(), leaves)]

    exact_cin = CompressedInteractionNetwork(fields=7, sizes=[60, 60, 40], direct=False).double()
    exact_cin.load_state_dict(cin.state_dict())
    exact_leaves = [embeddings.detach().double().requires_grad_(), *exact_cin.parameters()]
    out = exact_cin(exact_leaves[0])
    exact = [out, *torch.autograd.grad(out.square().sum(), exact_leaves)]
    for folded, as_it_is, wanted in zip(found(True), found(False), exact, strict=True):
        error, usual = ((of - wanted).norm() / wanted.norm() for of in (folded, as_it_is))
        assert error < 0.01
        assert error < 1.5 * usual


@pytest.mark.usefixtures("kind_of_cpu")
def test_gradients_of_a_cin_in_bf16_are_summed_in_full(monkeypatch) -> None:
    """Those of parameters, over all parts of the rows: 600 of them would not add up in bf16."""
    monkeypatch.setattr("recbole.model.cin._BYTES_OF_PRODUCTS", 1)
    cin = CompressedInteractionNetwork(fields=2, sizes=[3, 2], direct=True).bfloat16()
    for layer in cin.layers:
        layer.bias.data[:] = 1.0
        layer.weight.data.abs_()
    cin(torch.ones(600, 2, 1, dtype=torch.bfloat16)).sum().backward()
    assert cin.layers[1].bias.grad.tolist() == [600.0, 600.0]
