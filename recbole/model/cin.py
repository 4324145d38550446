"""xDeepFM's compressed interaction network (CIN), computed a few rows at a time.

Lian et al., "xDeepFM", KDD 2018, section 3.2.

Shapes: B batch, F fields, D embedding size, H feature maps coming into a layer, S going out of it,
n = b·D numbers of a map (b rows and their embeddings, which a layer treats alike).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from recbole.model.mapping import one_by_one

#: n of the rows worked on at a time.
_COLUMNS = {"cpu": 2304}
_COLUMNS_ELSEWHERE = 65536
#: The share of live maps from which on it is quicker to compute with the dead ones, too.
_NEARLY_ALL = 0.9


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
        if torch.is_autocast_enabled(device):  # which does not look into an autograd function
            tensors = [tensor.to(torch.get_autocast_dtype(device)) for tensor in tensors]
        return _CIN.apply(self.routes, torch.is_grad_enabled(), *tensors)[0]


class _Route(NamedTuple):
    """Where the maps of a layer go."""

    handed_on: int  # how many of the first ones feed the next layer
    shown: int  # how many of the last ones feed the output
    place: slice  # the columns of the output that they fill


class _CIN(torch.autograd.Function):
    """All layers of the network for some rows, then for the next.

    The products of fields and maps would fill F·H/S times the memory of a layer's result. Here they
    exist for as many rows as leave them in a CPU's cache, and are made again when the gradient
    needs them; only the layers' results are kept for the backward pass, each part's in one piece.

    A map that is 0 for all rows of a part, as training under a penalty leaves about half of them,
    is dead there: it adds nothing to the next layer, and relu hands no gradient down to it. The
    products then leave it out.
    """

    @staticmethod
    def forward(
        routes: tuple[_Route, ...], keep: bool, embeddings: Tensor, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        pooled = embeddings.new_empty(len(embeddings), routes[-1].place.stop)
        weights, biases = parameters[::2], parameters[1::2]
        kept = [embeddings.new_empty(len(w), embeddings[:, 0].numel()) for w in weights if keep]
        space = _Space(embeddings, weights)
        for rows in _parts(embeddings):
            part = embeddings[rows]  # [b, F, D]
            fields = maps = part.transpose(0, 1).flatten(1)  # [F, n]
            for depth, (route, weight, bias) in enumerate(
                zip(routes, weights, biases, strict=True)
            ):
                if depth:  # the fields themselves are no results of a relu
                    live = _live(maps)
                    maps, weight = _rows(maps, live), _block(weight, len(fields), None, live)
                products = space.products(maps, fields).flatten(0, 1)  # [F·H, n]
                out = _of_part(kept[depth], rows, embeddings) if keep else None
                maps = torch.addmm(bias.unsqueeze(1), weight, products, out=out).relu_()  # [S, n]
                shown = maps[-route.shown :].unflatten(1, (len(part), -1))  # [shown, b, D]
                pooled[rows, route.place] = shown.sum(2).T
                maps = maps[: route.handed_on]
        return pooled, *kept

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
        routes, count = ctx.routes, len(ctx.routes)
        parameters, kept = others[: 2 * count], others[2 * count :]
        weights = parameters[::2]
        grad_embeddings = torch.empty_like(embeddings)
        grads = [
            torch.zeros_like(tensor, dtype=torch.promote_types(tensor.dtype, torch.float))
            for tensor in parameters
        ]
        space = _Space(embeddings, weights)
        for rows in _parts(embeddings):
            part = embeddings[rows]  # [b, F, D]
            fields = part.transpose(0, 1).flatten(1)  # [F, n]
            outputs = [_of_part(of_layer, rows, embeddings) for of_layer in kept]  # each [S, n]
            inputs = [fields, *(o[: r.handed_on] for o, r in zip(outputs, routes, strict=True))]
            grad_fields = torch.zeros_like(fields)
            grad_maps = torch.empty_like(fields[:0])  # of what the layer above was handed
            for depth in reversed(range(count)):
                route, weight, maps = routes[depth], weights[depth], inputs[depth]  # [H, n]
                above, below = _live(outputs[depth]), _live(maps) if depth else None
                grad_out = space.grad_out(outputs[depth])  # [S, n]
                alone = len(grad_out) - route.shown  # maps that only the next layer reads
                grad_out[:alone] = grad_maps[:alone]
                shown = grad_out[alone:].unflatten(1, (len(part), -1))  # [shown, b, D]
                shown.copy_(grad[rows, route.place].T.unsqueeze(2))
                grad_out[alone : route.handed_on] += grad_maps[alone:]
                _of_relu(grad_out, outputs[depth])
                grads[2 * depth + 1] += grad_out.sum(1)
                grad_out, number = _rows(grad_out, above), len(maps)
                maps, weight = _rows(maps, below), _block(weight, len(fields), above, below)
                products = space.products(maps, fields)  # [F, H, n]
                transposed = products.flatten(0, 1).T  # [n, F·H]
                if above is None and below is None:
                    _add_product(grads[2 * depth], grad_out, transposed)  # [S, F·H]
                else:
                    _add_block(grads[2 * depth], grad_out @ transposed, len(fields), above, below)
                grad_products = space.grad_products(weight, grad_out).view_as(products)
                grad_fields += torch.mul(grad_products, maps, out=products).sum(1)
                grad_maps = grad_products.mul_(fields.unsqueeze(1)).sum(0)  # [H, n]
                if below is not None:
                    grad_maps = grad_maps.new_zeros(number, grad_maps.shape[1]).index_copy_(
                        0, below, grad_maps
                    )
            grad_fields += grad_maps  # the fields are the first layer's maps, too
            grad_embeddings[rows] = grad_fields.unflatten(1, (len(part), -1)).transpose(0, 1)
        of_parameters = (g.to(p.dtype) for g, p in zip(grads, parameters, strict=True))
        return None, None, grad_embeddings, *of_parameters


class _Space:
    """Memory for what is made of one part in one layer, used over and over.

    New memory for each would cost more than the products: the system hands it out page by page.
    """

    def __init__(self, embeddings: Tensor, weights: Sequence[Tensor]) -> None:
        self._columns = _rows_at_a_time(embeddings) * embeddings.shape[2]
        self._most = max(weight.shape[1] for weight in weights)  # F·H
        self._outputs = max(len(weight) for weight in weights)  # S
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


def _live(maps: Tensor) -> Tensor | None:
    """Which maps are not 0 throughout; None where so many are that all may be computed with.

    Only a CPU tells without being waited for.
    """
    if maps.device.type != "cpu" or torch.compiler.is_compiling():
        return None
    live = (maps.amax(1) != 0).nonzero().squeeze(1)  # NaN lives, so that it is noticed
    return live if len(live) < _NEARLY_ALL * len(maps) else None


def _rows(matrix: Tensor, chosen: Tensor | None) -> Tensor:
    """Some rows of a matrix, or all."""
    return matrix if chosen is None else matrix.index_select(0, chosen)


def _block(weight: Tensor, fields: int, outputs: Tensor | None, maps: Tensor | None) -> Tensor:
    """The weights from some maps to some outputs: [S, F·H] -> [S', F·H']."""
    weight = _rows(weight, outputs)
    if maps is None:
        return weight
    return weight.unflatten(1, (fields, -1)).index_select(2, maps).flatten(1)


def _add_block(
    total: Tensor, block: Tensor, fields: int, outputs: Tensor | None, maps: Tensor | None
) -> None:
    """total += block, which is that of some maps and outputs: [S, F·H] and [S', F·H']."""
    if maps is not None:
        of_rows = block.new_zeros(len(block), fields, total.shape[1] // fields)
        of_rows.index_copy_(2, maps, block.unflatten(1, (fields, -1)))
        block = of_rows.flatten(1)
    if outputs is None:
        total += block
    else:
        total.index_add_(0, outputs, block.to(total.dtype))


def _of_relu(grad: Tensor, output: Tensor) -> None:
    """Leave of a gradient what passes a relu with this output, in place."""
    torch.ops.aten.threshold_backward.grad_input(grad, output, 0, grad_input=grad)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left @ right, where the total may be of a wider type."""
    if total.dtype == left.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right


def _of_part(kept: Tensor, rows: slice, embeddings: Tensor) -> Tensor:
    """Where the result of a layer for some rows is kept, in one piece: [S, B·D] -> [S, n]."""
    width, size = embeddings.shape[2], len(kept)
    place = slice(rows.start * width * size, rows.stop * width * size)
    return kept.view(-1)[place].view(size, -1)


def _rows_at_a_time(embeddings: Tensor) -> int:
    """So few that products stay in the cache of a CPU, or so many that they fill a GPU."""
    rows, _, width = embeddings.shape
    columns = _COLUMNS.get(embeddings.device.type, _COLUMNS_ELSEWHERE)
    return min(rows, max(1, columns // width))


def _parts(embeddings: Tensor) -> Iterator[slice]:
    """All rows, some at a time."""
    rows, size = len(embeddings), _rows_at_a_time(embeddings)
    return (slice(start, min(start + size, rows)) for start in range(0, rows, size or 1))
