"""xDeepFM's compressed interaction network (CIN), computed a few rows at a time.

Lian et al., "xDeepFM", KDD 2018, section 3.2.

Shapes: B batch, F fields, D embedding size, H feature maps coming into a layer, S going out of it,
n = D·b numbers of a map (D for each of b rows, which a layer treats alike; all rows' first ones
come first, so that sums over D are of long vectors).
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

from recbole.model import monomials
from recbole.model.autograd import in_order, one_by_one
from recbole.model.blocks import add_product, full_rows, in_full_rows
from recbole.model.cin_terms import Factors, Pairs, Terms
from recbole.model.live_maps import (
    Layer,
    Route,
    can_tell,
    gradients_of,
    layers_of,
    layers_so_far,
    places,
)
from recbole.model.precision import product_type

#: Bytes of the products of fields and maps made at a time on a CPU: what its caches hold, roughly;
#: of numbers of two bytes twice as many, which take longer in smaller parts (docs/performance.md).
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
        embeddings = embeddings.to(product_type(embeddings))
        # Autocast on a GPU would sum in single precision, where all is to be of one type.
        device = embeddings.device.type
        casts = torch.is_autocast_enabled(device)
        with torch.autocast(device, enabled=False) if casts else nullcontext():
            return _CIN.apply(self.routes, torch.is_grad_enabled(), embeddings, *parameters)[0]


class _CIN(torch.autograd.Function):
    """All layers of the network for some rows, then for the next.

    The products of fields and maps would fill F·H/S times the memory of a layer's result. Here they
    exist for as many rows as leave them in a CPU's cache, and are made again when the gradient
    needs them; only the layers' results are kept for the backward pass, each part's in one piece.

    Dead maps (`recbole.model.live_maps`) are left out: the forward pass computes none of which
    bounds tell that they are, and hands on and keeps those only that are not; the backward pass
    works with these. Affine maps of the first layer (`recbole.model.cin_terms`) are not handed on,
    and not kept unless they are shown.
    """

    @staticmethod
    @in_order
    def forward(
        routes: tuple[Route, ...], keep: bool, embeddings: Tensor, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        layers, of_fields = layers_so_far(routes, embeddings, _wide(parameters))
        pairs = Pairs(embeddings.shape[1], embeddings.device)
        sizes = _sizes_of_parts(routes, embeddings)
        parts = max(1, math.ceil(len(embeddings) / sizes[0]))
        affine = layers[0].affine.new_zeros(parts, len(layers[0].affine))
        alive = [layer.alive.new_zeros(parts, len(layer.alive)) for layer in layers]
        kept = [
            embeddings.new_empty(full_rows(of_layer.shape[1], embeddings), embeddings[:, 0].numel())
            for of_layer in alive
            if keep
        ]
        pooled = embeddings.new_zeros(routes[-1].place.stop, len(embeddings))
        space = _Space(embeddings)
        for index, rows in enumerate(_parts(len(embeddings), sizes)):
            part = embeddings[rows]  # [b, F, D]
            factors = space.factors(part)
            terms: Terms = pairs
            largest = of_fields
            for depth, layer in enumerate(layers):
                layer.prepare(terms, largest)
                products = terms.make(factors, space.products)  # [T + 1, n]
                place = _of_part(kept[depth], rows, part) if keep else None
                only_suspects = len(layer.suspects) == layer.count  # of which many will go
                room = None if place is None or only_suspects else place[: len(layer.weight)]
                computed = torch.mm(layer.weight, products, out=room)[: layer.count].relu_()
                among = layer.see(computed)
                if among is not None:
                    here = computed if room is None else computed.clone()
                    room = None if place is None else place[: len(among)]
                    computed = torch.index_select(here, 0, among, out=room)
                maps = computed[: len(layer.known.outputs)]  # [S, n]
                alive[depth][index] = layer.alive
                shown = maps[len(maps) - layer.known.shown :].unflatten(1, (-1, len(part)))
                pooled[layer.known.columns, rows] = shown.sum(1)
                if depth + 1 == len(layers):
                    break
                terms = layer.terms_above
                factors = factors._replace(maps=maps[: layer.known.handed_on])
                if largest is not None:
                    incoming = factors.maps, computed[layer.affine_rows]
                    by_place = (of.unflatten(1, (-1, len(part))) for of in incoming)
                    largest = torch.cat([of.amax(2) for of in by_place])  # [H + A, D]
            affine[index] = layers[0].affine
            if not index:
                most = max(layer.weight.shape[1] for layer in layers)
                sizes[1] = max(sizes[0], _rows_at_a_time(embeddings[sizes[0] :], most))
        return pooled.T, torch.tensor(sizes), affine, *alive, *kept

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.routes, _, *tensors = inputs
        _, *others = output
        ctx.mark_non_differentiable(*others)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *others)

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
        (sizes, affine), others = others[:2], others[2:]
        alive, kept = others[:count], others[count:]
        # Where nothing can be told of maps, parts can't differ either.
        in_parts = sizes.tolist() if can_tell(sizes) else _sizes_of_parts(ctx.routes, embeddings)
        all_rows = list(_parts(len(embeddings), in_parts))
        ever = [of_layer.any(0) for of_layer in alive]
        last = affine[len(all_rows) - 1]
        chosen_at_last, any_affine = torch.cat([ever[0], last]), len(places(last)) > 0
        wide = _wide(parameters)
        layers = layers_of(ctx.routes, wide, embeddings.shape[1], ever, last)
        turned = [
            in_full_rows(layer.weight.to(embeddings.dtype).T).contiguous() for layer in layers
        ]  # [T, S]
        shown_grads = [grad.T[layer.maps.columns] for layer in layers]  # [shown, B]
        weight_grads = [torch.zeros_like(layer.weight) for layer in layers]
        bias_grads = [layer.weight.new_zeros(len(layer.weight)) for layer in layers]
        grad_embeddings = torch.empty_like(embeddings)
        space = _Space(embeddings)
        for index, rows in enumerate(all_rows):
            part = embeddings[rows]  # [b, F, D]
            factors = space.factors(part)
            pieces = [_of_part(of_layer, rows, part) for of_layer in kept]
            results = [pieces[0][: len(layers[0].maps.outputs)]]
            chosen = torch.cat([alive[0][index], affine[index]])
            if len(last) and not torch.equal(chosen, chosen_at_last):
                results = [_maps_of_pairs(layers[0], wide[1], factors.pairs)]
            results += [
                _ever_alive(piece, which[index], at_all)
                for piece, which, at_all in zip(pieces[1:], alive[1:], ever[1:], strict=True)
            ]
            output = results[-1]  # [S, n]
            grad_fields = torch.zeros_like(factors.fields)
            grad_pairs = torch.zeros_like(factors.pairs[:-1]) if any_affine else None
            grad_maps = grad_fields[:0]  # of what the layer above was handed
            for depth in reversed(range(count)):
                layer = layers[depth]
                below = results[depth - 1] if depth else factors.fields
                maps = below[: layers[depth - 1].maps.handed_on] if depth else below
                in_full = space.grad_out(output)  # [S, n], and rows below that nobody reads
                grad_out = in_full[: len(output)]
                alone = len(output) - layer.maps.shown  # maps that only the next layer reads
                grad_out[:alone] = grad_maps[:alone]
                shown = grad_out[alone:].unflatten(1, (-1, len(part)))  # [shown, D, b]
                shown.copy_(shown_grads[depth][:, rows].unsqueeze(1))
                grad_out[alone : layer.maps.handed_on] += grad_maps[alone:]
                _of_relu(grad_out, output)
                bias_grads[depth] += grad_out.sum(1)
                factors = factors._replace(maps=maps)
                products = layer.terms.make(factors, space.products)[:-1]  # [T, n]
                add_product(weight_grads[depth], in_full, products.T)  # [S, T]
                grads = space.grad_products(turned[depth], grad_out)[: len(products)]  # [T, n]
                grad_maps = layer.terms.add_gradients(
                    grads, factors, grad_fields, grad_pairs, products
                )
                output = below
            grad_embeddings[rows] = grad_fields.unflatten(1, (-1, len(part))).permute(2, 0, 1)
        found = gradients_of(layers, wide, weight_grads, bias_grads)
        return None, None, grad_embeddings, *found


class _Space:
    """Memory for what is made of one part in one layer, used over and over.

    New memory for each would cost more than the products: the system hands it out page by page.
    """

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._memory: dict[str, Tensor] = {}

    def factors(self, part: Tensor) -> Factors:
        """The fields of some rows, and their pairs; the fields are the first maps: [b, F, D]."""
        fields = part.permute(1, 2, 0).flatten(1)  # [F, n]
        pairs = self._view("pairs", monomials.count(len(fields), 2) + 1, fields.shape[1])
        monomials.times_fields(fields, fields, 1, pairs[:-1])
        pairs[-1] = 1
        return Factors(fields, pairs, fields)

    def products(self, rows: int, columns: int) -> Tensor:
        """For a layer's terms, [T + 1, n]; not filled."""
        return self._view("products", rows, columns)

    def grad_products(self, turned: Tensor, grad_out: Tensor) -> Tensor:
        """The gradient of the terms: the weight turned, [T, S], and [S, n] -> [T, n]."""
        out = self._view("grads", len(turned), grad_out.shape[1])
        return torch.mm(turned, grad_out, out=out)

    def grad_out(self, output: Tensor) -> Tensor:
        """For the gradient of a layer's output, [S, n], and perhaps more rows below; not filled.

        With these, products that are summed over n are made a sixth quicker where S is 65 to 79.
        """
        count, columns = output.shape
        return self._view("grad_out", full_rows(count, output, multiple=16), columns)

    def _view(self, name: str, rows: int, columns: int) -> Tensor:
        size = rows * columns
        if name not in self._memory or len(self._memory[name]) < size:
            self._memory[name] = self._like.new_empty(size)
        return self._memory[name][:size].view(rows, columns)


def _wide(parameters: Sequence[Tensor]) -> list[Tensor]:
    """In a type in which little is lost when they are added up."""
    return [of.to(torch.promote_types(of.dtype, torch.float)) for of in parameters]


def _of_relu(grad: Tensor, output: Tensor) -> None:
    """Leave of a gradient what passes a relu with this output, in place."""
    torch.ops.aten.threshold_backward.grad_input(grad, output, 0, grad_input=grad)


def _of_part(kept: Tensor, rows: slice, part: Tensor) -> Tensor:
    """Where the maps of some rows are kept, in one piece: [S, B·D] -> [S, n]."""
    start, columns = rows.start * part.shape[2] * len(kept), part[:, 0].numel()
    return kept.view(-1)[start : start + len(kept) * columns].view(len(kept), columns)


def _ever_alive(kept: Tensor, alive: Tensor, ever: Tensor) -> Tensor:
    """What is kept of some rows, and 0 for maps that are alive in others only: [.., n] -> [S, n].

    Which maps are alive in these rows and in any is bool, of all the layer's maps.
    """
    count, asked = len(places(alive)), places(ever)
    if count == len(asked):
        return kept[:count]
    every = kept.new_zeros(len(asked), kept.shape[1])
    return every.index_copy_(0, places(alive[asked]), kept[:count])


def _maps_of_pairs(layer: Layer, bias: Tensor, pairs: Tensor) -> Tensor:
    """The first layer's maps: [P + 1, n] -> [S, n]. The bias is that of all its maps."""
    weight = torch.cat([layer.weight, bias.index_select(0, layer.maps.outputs).unsqueeze(1)], dim=1)
    return torch.mm(weight.to(pairs.dtype), pairs).relu_()


def _sizes_of_parts(routes: Sequence[Route], embeddings: Tensor) -> list[int]:
    """How many rows the first part has, and each of the others: as if all maps lived."""
    fields = embeddings.shape[1]
    handed_on = max(route.handed_on for route in routes)
    most = max(monomials.count(fields, 2), fields * handed_on)
    return [_rows_at_a_time(embeddings, most)] * 2


def _rows_at_a_time(embeddings: Tensor, products: int) -> int:
    """So few that their products stay in a CPU's caches, or so many that they fill a GPU: ≥ 1.

    Of embeddings [B, F, D] and the number of products that the widest layer makes of a row.
    """
    rows, _, width = embeddings.shape
    on_cpu, number_of_bytes = embeddings.device.type == "cpu", embeddings.element_size()
    budget = 2 * _BYTES_OF_PRODUCTS if number_of_bytes == 2 else _BYTES_OF_PRODUCTS
    columns = budget // (products * number_of_bytes) if on_cpu else _COLUMNS
    most = max(1, columns // width)
    parts = max(1, round(rows / most))
    size = max(1, math.ceil(rows / parts))  # parts of about the same size
    # Some of oneDNN's products in bf16 take half as long again where n is a multiple of 64.
    return size + 1 if on_cpu and number_of_bytes == 2 and size * width % 64 == 0 else size


def _parts(rows: int, sizes: Sequence[int]) -> Iterator[slice]:
    """All rows: first as many as the first size, then as the second one, which is read then."""
    if rows > 0:
        yield slice(0, min(sizes[0], rows))
    yield from (
        slice(start, min(start + sizes[1], rows)) for start in range(sizes[0], rows, sizes[1])
    )
