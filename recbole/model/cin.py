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
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from recbole.model.autograd import in_order, one_by_one
from recbole.model.live_maps import (
    LayerSoFar,
    Route,
    full_rows,
    in_full_rows,
    layers_of,
    layers_so_far,
    places,
)

#: Bytes of the products of fields and maps made at a time on a CPU: what its caches hold, roughly.
_BYTES_OF_PRODUCTS = 8 * 2**20
#: n of the rows worked on at a time elsewhere.
_COLUMNS = 65536


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
            Route(handed, count, slice(end - count, end))
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


class _CIN(torch.autograd.Function):
    """All layers of the network for some rows, then for the next.

    The products of fields and maps would fill F·H/S times the memory of a layer's result. Here they
    exist for as many rows as leave them in a CPU's cache, and are made again when the gradient
    needs them; only the layers' results are kept for the backward pass, each part's in one piece.

    Dead maps (`recbole.model.live_maps`) are left out: the forward pass computes none of which
    bounds tell that they are, and hands on and keeps those only that are not; the backward pass
    works with these.
    """

    @staticmethod
    @in_order
    def forward(
        routes: tuple[Route, ...], keep: bool, embeddings: Tensor, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        layers, of_fields = layers_so_far(routes, embeddings, parameters)
        alive = _alive_by_part(routes, embeddings, layers)
        kept = [
            embeddings.new_empty(full_rows(of_layer.shape[1], embeddings), embeddings[:, 0].numel())
            for of_layer in alive
            if keep
        ]
        pooled = embeddings.new_zeros(routes[-1].place.stop, len(embeddings))
        all_fields = torch.arange(embeddings.shape[1], device=embeddings.device)
        space = _Space(embeddings)
        for index, rows in enumerate(_parts(routes, embeddings, alive)):
            part = embeddings[rows]  # [b, F, D]
            fields = maps = part.transpose(0, 1).flatten(1)  # [F, n]
            incoming, largest = all_fields, of_fields
            for depth, layer in enumerate(layers):
                layer.prepare(incoming, largest)
                products = space.products(maps, fields, and_one=True)  # [F·H + 1, n]
                place = _of_part(kept[depth], rows, part) if keep else None
                out = None if place is None else place[: len(layer.weight)]
                computed = torch.mm(layer.weight, products, out=out)[: layer.count].relu_()
                maps = _alive(layer, computed, place)  # [S, n]
                alive[depth][index] = layer.alive
                shown = maps[len(maps) - layer.known.shown :].unflatten(1, part[:, 0].shape)
                pooled[layer.known.columns, rows] = shown.sum(2)
                maps = maps[: layer.known.handed_on]
                incoming = layer.known.outputs[: layer.known.handed_on]
                largest = maps.amax(1) if largest is not None else None
        return pooled.T, *alive, *kept

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
        alive, kept = others[:count], others[count:]
        ever = [of_layer.any(0) for of_layer in alive]
        layers = layers_of(ctx.routes, parameters[::2], embeddings.shape[1], ever)
        turned = [in_full_rows(layer.weight.T).contiguous() for layer in layers]  # [F·H, S]
        shown_grads = [grad.T[layer.columns] for layer in layers]  # [shown, B]
        wide = torch.promote_types(grad.dtype, torch.float)
        weight_grads = [torch.zeros_like(layer.weight, dtype=wide) for layer in layers]
        bias_grads = [layer.weight.new_zeros(len(layer.weight), dtype=wide) for layer in layers]
        grad_embeddings = torch.empty_like(embeddings)
        space = _Space(embeddings)
        for index, rows in enumerate(_parts(ctx.routes, embeddings, alive)):
            part = embeddings[rows]  # [b, F, D]
            fields = part.transpose(0, 1).flatten(1)  # [F, n]
            results = [
                _ever_alive(_of_part(of_layer, rows, part), which[index], at_all)
                for of_layer, which, at_all in zip(kept, alive, ever, strict=True)
            ]
            output = results[-1]  # [S, n]
            grad_fields = torch.zeros_like(fields)
            grad_maps = torch.empty_like(fields[:0])  # of what the layer above was handed
            for depth in reversed(range(count)):
                layer = layers[depth]
                below = results[depth - 1] if depth else fields
                maps = below[: len(layer.inputs) // len(fields)]  # [H, n]
                grad_out = space.grad_out(output)  # [S, n]
                alone = len(output) - layer.shown  # maps that only the next layer reads
                grad_out[:alone] = grad_maps[:alone]
                shown = grad_out[alone:].unflatten(1, part[:, 0].shape)  # [shown, b, D]
                shown.copy_(shown_grads[depth][:, rows].unsqueeze(2))
                grad_out[alone : layer.handed_on] += grad_maps[alone:]
                _of_relu(grad_out, output)
                bias_grads[depth] += grad_out.sum(1)
                products = space.products(maps, fields)  # [F·H, n]
                _add_product(weight_grads[depth], grad_out, products.T)  # [S, F·H]
                grads = space.grad_products(turned[depth], grad_out)[: len(products)]
                grads = grads.unflatten(0, (len(fields), -1))  # [F, H, n]
                grad_fields += torch.mul(grads, maps, out=products.view_as(grads)).sum(1)
                grad_maps = _sum_of_products(grads, fields)  # [H, n]
                output = below
            grad_fields += grad_maps  # the fields are the first layer's maps, too
            grad_embeddings[rows] = grad_fields.unflatten(1, part[:, 0].shape).transpose(0, 1)
        found: list[Tensor] = []
        for layer, parameter, of_weight, of_bias in zip(
            layers, parameters[::2], weight_grads, bias_grads, strict=True
        ):
            of_weight, of_bias = of_weight.to(grad.dtype), of_bias.to(grad.dtype)
            if of_weight.shape != parameter.shape:  # dead maps have no gradient
                place = layer.outputs.unsqueeze(1), layer.inputs
                of_weight = torch.zeros_like(parameter).index_put_(place, of_weight)
                of_bias = of_bias.new_zeros(len(parameter)).index_put_((layer.outputs,), of_bias)
            found += [of_weight, of_bias]
        return None, None, grad_embeddings, *found


class _Space:
    """Memory for what is made of one part in one layer, used over and over.

    New memory for each would cost more than the products: the system hands it out page by page.
    """

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._memory: dict[str, Tensor] = {}

    def products(self, maps: Tensor, fields: Tensor, and_one: bool = False) -> Tensor:
        """All products of a field and a map, and 1: [H, n], [F, n] -> [F·H (+ 1), n]."""
        count = len(fields) * len(maps)
        out = self._view("products", count + and_one, fields.shape[1])
        torch.mul(fields.unsqueeze(1), maps, out=out[:count].view(len(fields), *maps.shape))
        out[count:] = 1
        return out

    def grad_products(self, turned: Tensor, grad_out: Tensor) -> Tensor:
        """The gradient of the products: the weight turned, [F·H, S], and [S, n] -> [F·H, n]."""
        out = self._view("grads", len(turned), grad_out.shape[1])
        return torch.mm(turned, grad_out, out=out)

    def grad_out(self, output: Tensor) -> Tensor:
        """For the gradient of a layer's output, [S, n]; not filled."""
        return self._view("grad_out", *output.shape)

    def _view(self, name: str, rows: int, columns: int) -> Tensor:
        size = rows * columns
        if name not in self._memory or len(self._memory[name]) < size:
            self._memory[name] = self._like.new_empty(size)
        return self._memory[name][:size].view(rows, columns)


def _of_relu(grad: Tensor, output: Tensor) -> None:
    """Leave of a gradient what passes a relu with this output, in place."""
    torch.ops.aten.threshold_backward.grad_input(grad, output, 0, grad_input=grad)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total += left @ right, where the total may be of a wider type."""
    if total.dtype == left.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right


def _sum_of_products(grads: Tensor, fields: Tensor) -> Tensor:
    """Σ_f grads[f] ⊙ fields[f], which leaves no products in memory: [F, H, n], [F, n] -> [H, n]."""
    total = grads[0] * fields[0]
    for grad, field in zip(grads[1:], fields[1:], strict=True):
        total.addcmul_(grad, field)
    return total


def _of_part(kept: Tensor, rows: slice, part: Tensor) -> Tensor:
    """Where the maps of some rows are kept, in one piece: [S, B·D] -> [S, n]."""
    start, columns = rows.start * part.shape[2] * len(kept), part[:, 0].numel()
    return kept.view(-1)[start : start + len(kept) * columns].view(len(kept), columns)


def _alive(layer: LayerSoFar, computed: Tensor, place: Tensor | None) -> Tensor:
    """Those of a layer's computed maps that are alive in some rows so far: [.., n] -> [S, n].

    If the computed ones have a place, these are the first there.
    """
    known = len(layer.known.outputs)
    among = layer.see(computed[known:].sum(1)) if len(layer.suspects) else None
    if among is None:
        return computed[:known]
    maps = computed.index_select(0, among)
    return maps if place is None else place[: len(maps)].copy_(maps)


def _ever_alive(kept: Tensor, alive: Tensor, ever: Tensor) -> Tensor:
    """What is kept of some rows, and 0 for maps that are alive in others only: [.., n] -> [S, n].

    Which maps are alive in these rows and in any is bool, of all the layer's maps.
    """
    count, asked = len(places(alive)), places(ever)
    if count == len(asked):
        return kept[:count]
    every = kept.new_zeros(len(asked), kept.shape[1])
    return every.index_copy_(0, places(alive[asked]), kept[:count])


def _rows_at_a_time(embeddings: Tensor, handed_on: Sequence[int]) -> int:
    """So few that their products stay in a CPU's caches, or so many that they fill a GPU: ≥ 1.

    Of embeddings [B, F, D] and the number of maps that each layer hands on.
    """
    rows, fields, width = embeddings.shape
    on_cpu, number_of_bytes = embeddings.device.type == "cpu", embeddings.element_size()
    columns = _COLUMNS
    if on_cpu:
        products = fields * max(fields, *handed_on)  # F·H of the widest layer
        columns = _BYTES_OF_PRODUCTS // (products * number_of_bytes)
    most = max(1, columns // width)
    parts = max(1, math.ceil(rows / most))
    size = max(1, math.ceil(rows / parts))  # parts of about the same size
    # Some of oneDNN's products in bf16 take half as long again where n is a multiple of 64.
    return size + 1 if on_cpu and number_of_bytes == 2 and size * width % 64 == 0 else size


def _alive_by_part(
    routes: Sequence[Route], embeddings: Tensor, layers: Sequence[LayerSoFar]
) -> list[Tensor]:
    """Room to note which maps of each layer are alive in which part: bool, [parts, all maps]."""
    size = _rows_at_a_time(embeddings, [route.handed_on for route in routes])
    most = math.ceil(len(embeddings) / size)
    return [layer.alive.new_zeros(most, len(layer.alive)) for layer in layers]


def _parts(routes: Sequence[Route], embeddings: Tensor, alive: Sequence[Tensor]) -> Iterator[slice]:
    """All rows, some at a time: as if all maps were alive, then as those of the first part are.

    `alive` is what `_alive_by_part` makes, and its first row is read after the first part.
    """
    rows = len(embeddings)
    handed_on = [route.handed_on for route in routes]
    first = _rows_at_a_time(embeddings, handed_on)
    if rows > 0:
        yield slice(0, min(first, rows))
    if rows > first:
        handed_on = [
            len(places(of_layer[0, :most])) for of_layer, most in zip(alive, handed_on, strict=True)
        ]
        size = max(first, _rows_at_a_time(embeddings[first:], handed_on))
        yield from (slice(start, min(start + size, rows)) for start in range(first, rows, size))
