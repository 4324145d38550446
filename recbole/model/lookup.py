"""Rows of a table by index, and the gradient of the table.

On a CPU the gradient is what takes time: adding B·N rows to those of a table by `index_add_`, or by
PyTorch's own gradients of embeddings, takes longer than everything else about a lookup. Here the
places of the index are put in the order of the rows that they point at, by a radix sort; then each
row of the gradient is the sum of one stretch of places, which `embedding_bag` computes as fast as
it looks up. A short table, such as that of the genres, is a matrix product with counts instead.

Embeddings and first-order terms have tables of their own and look the same rows up in them: within
a `ForwardPass` they share one `Index`, which is sorted, or counted, once for both.

Shapes: B batch, N indices of each of its rows, V rows of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding_bag

from recbole.data.interaction import Interaction
from recbole.model.autograd import in_order, one_by_one
from recbole.model.layers import narrow_linear
from recbole.model.precision import full_precision
from recbole.model.types import Batch

T = TypeVar("T")

_EPSILON = 1e-8  # a sequence of padding only has the mean 0 / ε = 0
#: V up to which [B, V] counts and a matrix product are quicker than a lookup of N rows.
_SHORT = 64
#: V up to which one pass of the radix sort, over 16 bits, is enough; several do not pay.
_SORTED_IN_ONE_PASS = 2**16
#: Numbers in a row from which on a product with counts need not be turned round to be quick.
_WIDE = 16


class ForwardPass(Interaction):
    """A batch on its way through a model, with what its lookups share.

    It lasts for one pass, so that no change of a batch is ever missed.
    """

    def __init__(self, batch: Batch) -> None:
        columns: Any = batch.interaction if isinstance(batch, Interaction) else batch
        super().__init__(columns)
        self._shared: dict[Hashable, Any] = {}

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` returned when `key` was first asked for."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]


def shared(batch: Batch, key: Hashable, make: Callable[[], T]) -> T:
    """What `make` returns, made once for each `ForwardPass`."""
    return batch.shared(key, make) if isinstance(batch, ForwardPass) else make()


class Index:
    """Rows of a table that a batch looks up, and what lookups and gradients make of them.

    Attributes:
        rows: the rows, of any shape, [B, N] in most cases.
    """

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows
        self._counts: Tensor | None = None
        self._sorted: tuple[Tensor, np.ndarray, Tensor] | None = None

    def counts(self, number: int) -> Tensor:
        """How often each of `number` rows occurs, but for row 0, padding: float32 [B, V]."""
        if self._counts is None:
            counts = torch.zeros(len(self.rows), number, device=self.rows.device)
            ones = counts.new_ones(()).expand(self.rows.shape)
            self._counts = counts.scatter_add(1, self.rows.long(), ones)
            self._counts[:, 0] = 0
        return self._counts

    def in_order(self, rows: Tensor, number: int) -> tuple[np.ndarray, Tensor]:
        """The places of an index by the rows they point at, and where those of each row start.

        Args:
            rows: the index, or one of those that it is mapped over.
            number: V.

        Returns:
            Places [B·N], and the first place of each row [V].
        """
        if self._sorted is None or self._sorted[0] is not rows:
            flat = rows.flatten().numpy()
            order = np.argsort(flat.astype(np.uint16), kind="stable")  # a radix sort
            counts = np.bincount(flat, minlength=number)
            starts = counts.cumsum() - counts
            self._sorted = rows, order, torch.from_numpy(starts)
        return self._sorted[1:]


def look_up(table: nn.Embedding, index: Index) -> Tensor:
    """Return the rows of `table` at an index of any shape: [..., width].

    On a GPU PyTorch's own lookup is fast, and deterministic. Rows that are stored in bf16 come out
    in float32, so that the model computes as ever.
    """
    if _is_left_to_pytorch(table, index):
        return full_precision(table(index.rows))
    return _Rows.apply(table.weight, index.rows, index)


def sum_rows(
    table: nn.Embedding, index: Index, padding: bool = False, plus: Tensor | None = None
) -> Tensor:
    """Return the sum of the rows of `table` at an index: [B, N] -> [B, width].

    With `padding` row 0 is left out. On a CPU without the rows themselves, [B, N, width].
    `plus`, [B, width] or [width], is added.
    """
    if _is_left_to_pytorch(table, index):
        rows = full_precision(table(index.rows))  # [B, N, width]
        total = (rows * (index.rows != 0).unsqueeze(-1) if padding else rows).sum(dim=1)
    elif padding and table.num_embeddings <= _SHORT:
        counts = index.counts(table.num_embeddings)
        with torch.autocast("cpu", enabled=False):  # a sum, if written as a product
            if 1 < table.embedding_dim < _WIDE:  # turned in memory, too: gradients go by that
                weight = table.weight.T.contiguous()
                if plus is not None and plus.dim() == 1:
                    return narrow_linear(counts, weight, plus)
                total = narrow_linear(counts, weight)
            else:
                total = counts @ table.weight
    else:
        total = _SummedRows.apply(table.weight, index.rows, 0 if padding else None, index)
    return total if plus is None else plus + total


def mean_rows(table: nn.Embedding, index: Index) -> Tensor:
    """Average the rows of `table` at an index, without padding (0): [B, L] -> [B, width]."""
    count = (index.rows != 0).sum(dim=1, keepdim=True)  # [B, 1]
    return sum_rows(table, index, padding=True) / (count + _EPSILON)


def mean_values(values: Tensor, present: Tensor) -> Tensor:
    """Average values over the places where `present` is true: [B, L] and [B, L] -> [B, 1]."""
    total = torch.where(present, values, 0).sum(dim=1, keepdim=True)
    return total / (present.sum(dim=1, keepdim=True) + _EPSILON)


def _is_left_to_pytorch(table: nn.Embedding, index: Index) -> bool:
    return table.sparse or index.rows.is_cuda or table.weight.dtype != torch.float32


class _Rows(torch.autograd.Function):
    """weight[index], with a quick gradient."""

    @staticmethod
    @in_order
    def forward(weight: Tensor, index: Tensor, shared: Index) -> Tensor:  # noqa: ARG004
        return weight.index_select(0, index.flatten()).view(*index.shape, weight.shape[1])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Index], output: Tensor) -> None:  # noqa: ARG004
        weight, index, ctx.index = inputs
        ctx.rows = len(weight)
        ctx.save_for_backward(index)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
        return one_by_one(_Rows, info, in_dims, inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (index,) = ctx.saved_tensors
        of_table = _added_up(grad.reshape(-1, grad.shape[-1]), index, ctx.index, ctx.rows)
        return of_table, None, None


class _SummedRows(torch.autograd.Function):
    """weight[index].sum(1), with a quick gradient."""

    @staticmethod
    @in_order
    def forward(
        weight: Tensor,
        index: Tensor,
        padding: int | None,
        shared: Index,  # noqa: ARG004
    ) -> Tensor:
        # Of a weight that needs a gradient it would note down what its own gradient needs.
        return embedding_bag(index, weight.detach(), mode="sum", padding_idx=padding)

    @staticmethod
    def setup_context(
        ctx: Any,
        inputs: tuple[Tensor, Tensor, int | None, Index],
        output: Tensor,  # noqa: ARG004
    ) -> None:
        weight, index, ctx.padding, ctx.index = inputs
        ctx.rows = len(weight)
        ctx.save_for_backward(index)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, Any]:
        return one_by_one(_SummedRows, info, in_dims, inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        (index,) = ctx.saved_tensors  # [B, N]
        of_table = _added_up(grad, index, ctx.index, ctx.rows, times=index.shape[1])
        if ctx.padding is not None:
            of_table[ctx.padding] = 0
        return of_table, None, None, None


def _added_up(grad: Tensor, rows: Tensor, index: Index, number: int, times: int = 1) -> Tensor:
    """The gradient of a table from those of the rows that were looked up in it.

    Args:
        grad: of what came of the rows: [P, width].
        rows: which they are: P·times of them.
        index: sorts them.
        number: V.
        times: how many rows share one row of `grad`.
    """
    if grad.shape[1] == 1 or number > _SORTED_IN_ONE_PASS:
        of_rows = grad if times == 1 else grad.repeat_interleave(times, dim=0)
        return grad.new_zeros(number, grad.shape[1]).index_add_(0, rows.flatten(), of_rows)
    order, starts = index.in_order(rows, number)
    places = torch.from_numpy(order if times == 1 else order // times)
    return embedding_bag(places, _row_by_row(grad), starts, mode="sum")


def _row_by_row(grad: Tensor) -> Tensor:
    """The same with each row in one piece of memory: [P, width].

    A rating head's gradient comes column by column. Copied like that by NumPy it is turned in less
    than half of PyTorch's time.
    """
    if grad.is_contiguous():
        return grad
    columns = grad.detach().T.numpy()
    rows = np.empty(grad.shape, columns.dtype)
    for place, column in enumerate(columns):
        rows[:, place] = column
    return torch.from_numpy(rows)
