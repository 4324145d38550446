"""xDeepFM's compressed interaction network (CIN), computed a few rows at a time.

Lian et al., "xDeepFM", KDD 2018, section 3.2.

Shapes: B batch, F fields, D embedding size, H feature maps coming into a layer, S going out of it,
n = b·D numbers of a map (b rows and their embeddings, which a layer treats alike).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import accumulate
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from recbole.model.autograd import in_order, one_by_one

#: Bytes of the products of fields and maps made at a time on a CPU: what its caches hold, roughly.
_BYTES_OF_PRODUCTS = 5 * 2**20
#: n of the rows worked on at a time elsewhere.
_COLUMNS = 65536
#: How much more than its bound, computed exactly, a rounded map may be (of bf16, 0.4 %).
_SLACK = 1.01


class CINLayer(nn.Module):
    """The parameters of one layer: out[s] = relu(Σ_{f,h} W[s, f, h] fields[f] ⊙ maps[h] + bias[s]).

    (Eq. 6 of the paper.) Initialised as a convolution of kernel size 1: weights Glorot normal,
    biases uniform within ±1/√(F·H).
    """

    def __init__(self, maps: int, fields: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(outputs, fields * maps)))
        bound = 1 / math.sqrt(fields * maps)
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))


class CompressedInteractionNetwork(nn.Module):
    """Explicit products of two, three, ... fields: [B, F, D] -> [B, output_size].

    Unless `direct`, the first half of a layer's feature maps feeds the next layer and the second
    half the output; the last layer's all feed the output. What feeds the output is summed over D.
    """

    def __init__(self, fields: int, sizes: list[int], direct: bool) -> None:
        super().__init__()
        half = 1 if direct else 2
        handed_on = [size // half for size in sizes[:-1]]
        shown = [*handed_on, sizes[-1]]
        ends = list(accumulate(shown))
        self.routes = tuple(
            _Route(handed, count, slice(end - count, end))
            for handed, count, end in zip([*handed_on, 0], shown, ends, strict=True)
        )
        self.output_size = ends[-1]
        self.layers = nn.ModuleList(
            CINLayer(incoming, fields, size)
            for incoming, size in zip([fields, *handed_on], sizes, strict=True)
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        """Build, pool over the embedding and concatenate the feature maps: [B, output_size]."""
        layers = cast(Sequence[CINLayer], self.layers)
        parameters = [tensor for layer in layers for tensor in (layer.weight, layer.bias)]
        tensors: list[Tensor] = [embeddings, *parameters]
        device = embeddings.device.type
        casts = torch.is_autocast_enabled(device)
        if casts:
            tensors = [tensor.to(torch.get_autocast_dtype(device)) for tensor in tensors]
        # Autocast on a GPU would sum in single precision, where all is to be of one type.
        with torch.autocast(device, enabled=False) if casts else nullcontext():
            return _CIN.apply(self.routes, torch.is_grad_enabled(), *tensors)[0]


class _Route(NamedTuple):
    """Where the maps of a layer go."""

    handed_on: int  # how many of the first ones feed the next layer
    shown: int  # how many of the last ones feed the output
    place: slice  # the columns of the output that they fill


class _Layer(NamedTuple):
    """What is worked on of a layer: some of its maps, from those of the layer below.

    S and H count these only, here and in what works on such layers.
    """

    weight: Tensor  # [S, F·H]
    bias: Tensor  # [S]
    outputs: Tensor  # [S]: which of all the layer's maps these are
    inputs: Tensor  # [F·H]: which of all the layer's products they read
    handed_on: int  # how many of the first ones feed the next layer
    shown: int  # how many of the last ones feed the output
    columns: Tensor | slice  # those of the output that they fill


class _CIN(torch.autograd.Function):
    """All layers of the network for some rows, then for the next.

    The products of fields and maps would fill F·H/S times the memory of a layer's result. Here they
    exist for as many rows as leave them in a CPU's cache, and are made again when the gradient
    needs them; only the layers' results are kept for the backward pass, each part's in one piece.

    A map that is 0 for all rows is dead: it adds nothing to the next layer, and relu hands no
    gradient down to it. About 40 % of the maps are dead from the start, and half of them after
    training under a penalty. The forward pass leaves out those of which `_may_live` tells in
    advance, the backward pass all of them.
    """

    @staticmethod
    @in_order
    def forward(
        routes: tuple[_Route, ...], keep: bool, embeddings: Tensor, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        computed = _may_live(routes, embeddings, parameters)
        layers = _layers(routes, embeddings, parameters, computed)
        pooled = embeddings.new_zeros(len(embeddings), routes[-1].place.stop)
        kept = [embeddings.new_empty(len(a), embeddings[:, 0].numel()) for a in computed if keep]
        looks = keep and _can_tell(embeddings)
        totals = [torch.zeros_like(layer.bias) for layer in layers]
        size = _rows_at_a_time(routes, embeddings, computed)
        space = _Space(embeddings, layers, size)
        for rows in _parts(embeddings, size):
            part = embeddings[rows]  # [b, F, D]
            fields = maps = part.transpose(0, 1).flatten(1)  # [F, n]
            for depth, layer in enumerate(layers):
                products = space.products(maps, fields).flatten(0, 1)  # [F·H, n]
                out = _of_part(kept[depth], rows, part, len(layer.outputs)) if keep else None
                bias = layer.bias.unsqueeze(1)
                maps = torch.addmm(bias, layer.weight, products, out=out).relu_()  # [S, n]
                shown = maps[len(maps) - layer.shown :].unflatten(1, part[:, 0].shape)
                pooled[rows, layer.columns] = shown.sum(2).T
                if looks:
                    totals[depth] += maps.sum(1)
                maps = maps[: layer.handed_on]
        alive = [which.clone() for which in computed]
        if looks:
            for which, total in zip(alive, totals, strict=True):
                which.masked_scatter_(which, (total <= 0).logical_not())  # NaN lives
        return pooled, *computed, *alive, *kept

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.routes, _, *tensors = inputs
        _, *kept = output
        ctx.mark_non_differentiable(*kept)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *kept)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
        return one_by_one(_CIN, info, in_dims, inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if grad is None:  # nothing was made of the output
            return (None,) * len(ctx.needs_input_grad)
        embeddings, *others = ctx.saved_tensors
        count = len(ctx.routes)
        parameters, others = others[: 2 * count], others[2 * count :]
        computed, alive, kept = (others[i * count : (i + 1) * count] for i in range(3))
        layers = _layers(ctx.routes, embeddings, parameters, alive)
        results = [_Results.of(*each) for each in zip(kept, computed, alive, strict=True)]
        shown_grads = [grad.T[layer.columns] for layer in layers]  # [shown, B]
        wide = torch.promote_types(grad.dtype, torch.float)
        weight_grads = [torch.zeros_like(layer.weight, dtype=wide) for layer in layers]
        bias_grads = [torch.zeros_like(layer.bias, dtype=wide) for layer in layers]
        grad_embeddings = torch.empty_like(embeddings)
        size = _rows_at_a_time(ctx.routes, embeddings, computed)
        space = _Space(embeddings, layers, size)
        for rows in _parts(embeddings, size):
            part = embeddings[rows]  # [b, F, D]
            fields = part.transpose(0, 1).flatten(1)  # [F, n]
            output = results[-1].of_part(rows, part)  # [S, n]
            grad_fields = torch.zeros_like(fields)
            grad_maps = torch.empty_like(fields[:0])  # of what the layer above was handed
            for depth in reversed(range(count)):
                layer = layers[depth]
                below = results[depth - 1].of_part(rows, part) if depth else fields
                maps = below[: len(layer.inputs) // len(fields)]  # [H, n]
                grad_out = space.grad_out(output)  # [S, n]
                alone = len(output) - layer.shown  # maps that only the next layer reads
                grad_out[:alone] = grad_maps[:alone]
                shown = grad_out[alone:].unflatten(1, part[:, 0].shape)  # [shown, b, D]
                shown.copy_(shown_grads[depth][:, rows].unsqueeze(2))
                grad_out[alone : layer.handed_on] += grad_maps[alone:]
                _of_relu(grad_out, output)
                bias_grads[depth] += grad_out.sum(1)
                products = space.products(maps, fields)  # [F, H, n]
                _add_product(weight_grads[depth], grad_out, products.flatten(0, 1).T)  # [S, F·H]
                grad_products = space.grad_products(layer.weight, grad_out).view_as(products)
                grad_fields += torch.mul(grad_products, maps, out=products).sum(1)
                grad_maps = grad_products.mul_(fields.unsqueeze(1)).sum(0)  # [H, n]
                output = below
            grad_fields += grad_maps  # the fields are the first layer's maps, too
            grad_embeddings[rows] = grad_fields.unflatten(1, part[:, 0].shape).transpose(0, 1)
        grads = []
        for layer, parameter, of_weight, of_bias in zip(
            layers, parameters[::2], weight_grads, bias_grads, strict=True
        ):
            of_weight, of_bias = of_weight.to(grad.dtype), of_bias.to(grad.dtype)
            if of_weight.shape != parameter.shape:  # dead maps have no gradient
                place = layer.outputs.unsqueeze(1), layer.inputs
                of_weight = torch.zeros_like(parameter).index_put_(place, of_weight)
                of_bias = of_bias.new_zeros(len(parameter)).index_put_((layer.outputs,), of_bias)
            grads += [of_weight, of_bias]
        return None, None, grad_embeddings, *grads


def _may_live(
    routes: Sequence[_Route], embeddings: Tensor, parameters: Sequence[Tensor]
) -> list[Tensor]:
    """Which maps of each layer may differ from 0 for some row, as bounds tell: bool, [S] each.

    No map exceeds its bias + Σ_{f,h} |W[s, f, h]| · max |fields[f]| · max |maps[h]|, where the last
    is the bound of the layer below. The penalty takes the weights of a dead map to 0, so that for
    nearly all of them this is less than 0 (NaN is not, and lives).
    """
    if not _can_tell(embeddings):
        return [torch.ones_like(bias, dtype=torch.bool) for bias in parameters[1::2]]
    may_live, wide = [], torch.promote_types(embeddings.dtype, torch.float)
    of_fields = of_maps = embeddings.abs().amax(0).amax(1).to(wide)  # [F]
    for route, weight, bias in zip(routes, parameters[::2], parameters[1::2], strict=True):
        of_products = torch.outer(of_fields, of_maps).flatten()  # [F·H]
        bound = bias + _SLACK * (weight.abs().to(wide) @ of_products)  # [S]
        may_live.append((bound <= 0).logical_not())
        of_maps = bound[: route.handed_on].clamp(min=0)
    return may_live


def _can_tell(tensor: Tensor) -> bool:
    """Whether a tensor can be looked into here: a GPU would have to be waited for."""
    return tensor.device.type == "cpu" and tensor.numel() > 0 and not torch.compiler.is_compiling()


def _layers(
    routes: Sequence[_Route],
    embeddings: Tensor,
    parameters: Sequence[Tensor],
    chosen: Sequence[Tensor],
) -> list[_Layer]:
    """What is left of the layers with some of their maps, given as bool, [S] each."""
    layers = []
    fields = torch.arange(embeddings.shape[1], device=embeddings.device)
    maps, number = fields, len(fields)  # which come in, and how many there are in all
    for route, weight, bias, of_layer in zip(
        routes, parameters[::2], parameters[1::2], chosen, strict=True
    ):
        outputs, handed_on = _places(of_layer), _places(of_layer[: route.handed_on])
        inputs = (fields.unsqueeze(1) * number + maps).flatten()
        shown = _places(of_layer[-route.shown :])
        # A slice where it can be: index arithmetic on a GPU may wait for it.
        columns = route.place if len(shown) == route.shown else route.place.start + shown
        weight = weight.index_select(0, outputs).index_select(1, inputs)
        bias = bias.index_select(0, outputs)
        layers.append(_Layer(weight, bias, outputs, inputs, len(handed_on), len(shown), columns))
        maps, number = handed_on, route.handed_on
    return layers


def _places(chosen: Tensor) -> Tensor:
    """Where a vector of bool is True; where that can't be told, everywhere."""
    if _can_tell(chosen):
        return chosen.nonzero().squeeze(1)
    return torch.arange(len(chosen), device=chosen.device)


class _Results(NamedTuple):
    """Maps of a layer, some of those that were computed."""

    kept: Tensor  # one part's after the other's, each [computed, n]
    computed: int  # how many of the layer's maps were
    chosen: Tensor | None  # which of them; None: all

    @classmethod
    def of(cls, kept: Tensor, computed: Tensor, chosen: Tensor) -> _Results:
        """Where a layer's results are: which were computed and which are chosen are bool [S]."""
        places = _places(computed)
        among = _places(chosen.index_select(0, places))
        return cls(kept, len(places), among if len(among) < len(places) else None)

    def of_part(self, rows: slice, part: Tensor) -> Tensor:
        """The chosen ones of some rows: [S, n]."""
        maps = _of_part(self.kept, rows, part, self.computed)
        return maps if self.chosen is None else maps.index_select(0, self.chosen)


class _Space:
    """Memory for what is made of one part in one layer, used over and over.

    New memory for each would cost more than the products: the system hands it out page by page.
    """

    def __init__(self, embeddings: Tensor, layers: Sequence[_Layer], rows: int) -> None:
        self._columns = rows * embeddings.shape[2]
        self._most = max(len(layer.inputs) for layer in layers)  # F·H
        self._outputs = max(len(layer.outputs) for layer in layers)  # S
        self._like = embeddings
        self._memory: dict[str, Tensor] = {}

    def products(self, maps: Tensor, fields: Tensor) -> Tensor:
        """All products of a field and a map: [H, n], [F, n] -> [F, H, n]."""
        out = self._view("products", self._most, (len(fields), *maps.shape))
        return torch.mul(fields.unsqueeze(1), maps, out=out)

    def grad_products(self, weight: Tensor, grad_out: Tensor) -> Tensor:
        """The gradient of the products: [S, F·H], [S, n] -> [F·H, n]."""
        shape = weight.shape[1], grad_out.shape[1]
        return torch.mm(weight.T, grad_out, out=self._view("grads", self._most, shape))

    def grad_out(self, output: Tensor) -> Tensor:
        """For the gradient of a layer's output, [S, n]; not filled."""
        return self._view("grad_out", self._outputs, tuple(output.shape))

    def _view(self, name: str, most: int, shape: tuple[int, ...]) -> Tensor:
        if name not in self._memory:
            self._memory[name] = self._like.new_empty(most * self._columns)
        return self._memory[name][: math.prod(shape)].view(shape)


def _of_relu(grad: Tensor, output: Tensor) -> None:
    """Leave of a gradient what passes a relu with this output, in place."""
    torch.ops.aten.threshold_backward.grad_input(grad, output, 0, grad_input=grad)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left @ right, where the total may be of a wider type."""
    if total.dtype == left.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right


def _of_part(kept: Tensor, rows: slice, part: Tensor, count: int) -> Tensor:
    """Where so many maps of some rows are kept, in one piece: [.., B·D] -> [count, n]."""
    start = rows.start * part.shape[2] * count
    shape = count, part[:, 0].numel()
    return kept.view(-1)[start : start + math.prod(shape)].view(shape)


def _rows_at_a_time(
    routes: Sequence[_Route], embeddings: Tensor, computed: Sequence[Tensor]
) -> int:
    """So few that their products stay in a CPU's caches, or so many that they fill a GPU.

    Depends on what the forward pass computes, so that the backward pass finds the same parts.
    """
    rows, fields, width = embeddings.shape
    columns = _COLUMNS
    if embeddings.device.type == "cpu":
        handed_on = [
            len(_places(of_layer[: route.handed_on]))
            for route, of_layer in zip(routes, computed, strict=True)
        ]
        products = fields * max(fields, *handed_on)  # F·H of the widest layer
        columns = _BYTES_OF_PRODUCTS // (products * embeddings.element_size())
    most = max(1, columns // width)
    number = max(1, (rows + most - 1) // most)
    return (rows + number - 1) // number  # parts of about the same size


def _parts(embeddings: Tensor, size: int) -> Iterator[slice]:
    """All rows, some at a time."""
    rows = len(embeddings)
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size or 1))
