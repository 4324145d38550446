"""Single operations of the models beside PyTorch's plain form of them, forward and backward.

    python benchmarks/kernels.py --threads=1

The two forms work in turns; prints a Markdown table with the milliseconds of the quickest turn of
each. Then what the machine can do: matrix products by type, and a copy.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from unittest import mock

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from recbole.data.schema import Target
from recbole.model import cin, live_maps
from recbole.model.dropout import Dropout
from recbole.model.field_major import SelfAttention, field_major
from recbole.model.head import SupervisionOptions, build_head
from recbole.model.layers import BaseFactorizationMachine, LogitLayer
from recbole.model.lookup import Index, look_up, sum_rows

ROWS, FIELDS = 4096, 7
Step = Callable[[], object]


def quickest(steps: list[Step], turns: int = 20) -> list[float]:
    """Milliseconds of the quickest turn of each, after one that warms up."""
    best = [float("inf")] * len(steps)
    for turn in range(turns + 1):
        for number, step in enumerate(steps):
            start = time.perf_counter()
            step()
            if turn:
                best[number] = min(best[number], 1e3 * (time.perf_counter() - start))
    return best


def backward(forward: Callable[[], Tensor], *leaves: Tensor) -> Step:
    """Forward and backward through a function, to some leaves."""
    return lambda: torch.autograd.grad(forward().sum(), leaves)


def attention(width: int) -> list[Step]:
    """`nn.MultiheadAttention` against `SelfAttention`, [B, F, A] and [F, A, B]."""
    plain, ours = nn.MultiheadAttention(width, 2, batch_first=True), SelfAttention(width, 2, 0.0)
    rows = torch.randn(ROWS, FIELDS, width, requires_grad=True)
    columns = field_major(rows.detach()).requires_grad_()
    return [
        backward(lambda: plain(rows, rows, rows, need_weights=False)[0], rows),
        backward(lambda: ours(columns), columns),
    ]


def dropout() -> list[Step]:
    """`nn.Dropout` against `Dropout`, [B, 256]."""
    rows, plain, ours = torch.randn(ROWS, 256, requires_grad=True), nn.Dropout(0.2), Dropout(0.2)
    return [backward(lambda: plain(rows), rows), backward(lambda: ours(rows), rows)]


def rating_loss() -> list[Step]:
    """λ CE + (1 − λ) BCE of [B, 5], as it is written down, against that of `SoftmaxHead`."""
    logits, stars = torch.randn(ROWS, 5, requires_grad=True), torch.randint(1, 6, (ROWS,))
    batch = {"rating": stars.float(), "label": (stars >= 4).float()}
    levels = (1.0, 2.0, 3.0, 4.0, 5.0)
    head = build_head(SupervisionOptions(multi_cls=5), Target("label", "rating", 4.0, levels))

    def plain() -> Tensor:
        click = logits[:, 3:].logsumexp(1) - logits[:, :3].logsumexp(1)
        ce = F.cross_entropy(logits, (batch["rating"] - 1).long())
        return 0.7 * ce + 0.3 * F.binary_cross_entropy_with_logits(click, batch["label"])

    return [
        backward(plain, logits),
        backward(lambda: head.loss(logits, batch, None)["loss"], logits),
    ]


def relu_and_dropout() -> list[Step]:
    """`nn.ReLU` and `nn.Dropout` against `Dropout.after_relu`, [B, 256]."""
    rows, ours = torch.randn(ROWS, 256, requires_grad=True), Dropout(0.2)
    plain = nn.Sequential(nn.ReLU(inplace=True), nn.Dropout(0.2))
    return [
        backward(lambda: plain(rows * 2), rows),
        backward(lambda: ours.after_relu(rows * 2), rows),
    ]


def embeddings() -> list[Step]:
    """`nn.Embedding` against `look_up`: 6 tokens of a table of 9,500, 16 wide."""
    table, index = nn.Embedding(9_500, 16), torch.randint(9_500, (ROWS, 6))
    return [
        backward(lambda: table(index), table.weight),
        backward(lambda: look_up(table, Index(index)), table.weight),
    ]


def genres() -> list[Step]:
    """Rows gathered, masked and summed against `sum_rows`: up to 6 of 18 genres, 16 wide."""
    table, index = nn.Embedding(19, 16), torch.randint(19, (ROWS, 6))
    return [
        backward(lambda: (table(index) * (index != 0).unsqueeze(2)).sum(1), table.weight),
        backward(lambda: sum_rows(table, Index(index), padding=True), table.weight),
    ]


def pairs() -> list[Step]:
    """The products of all pairs of fields, ½ ((Σ v)² - Σ v²), by autograd and as here."""
    v, ours = torch.randn(ROWS, FIELDS, 16, requires_grad=True), BaseFactorizationMachine(False)
    return [
        backward(lambda: 0.5 * (v.sum(1).square() - v.square().sum(1)), v),
        backward(lambda: ours(v), v),
    ]


def first_order() -> list[Step]:
    """Rows gathered and summed against `sum_rows`: 6 tokens of a table of 9,500, 5 wide."""
    table, index = nn.Embedding(9_500, 5), torch.randint(9_500, (ROWS, 6))
    return [
        backward(lambda: table(index).sum(1), table.weight),
        backward(lambda: sum_rows(table, Index(index)), table.weight),
    ]


def dead_maps() -> list[Step]:
    """A CIN half of whose maps are dead, as training leaves them: with them, and without."""
    network = cin.CompressedInteractionNetwork(FIELDS, [200] * 3, direct=False)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter[::2] = -0.01 if parameter.ndim == 1 else 0
    rows = torch.randn(ROWS // 4, FIELDS, 16, requires_grad=True)
    without = backward(lambda: network(rows), rows, *network.parameters())

    def with_them() -> object:
        with mock.patch.object(live_maps, "can_tell", return_value=False):
            return without()

    return [with_them, without]


def logits() -> list[Step]:
    """`nn.Linear` against `LogitLayer`, [B, 128] to [B, 5], laid out for the rating head."""
    rows = torch.randn(ROWS, 128, requires_grad=True)

    def through(layer: nn.Linear) -> Step:
        return backward(lambda: layer(rows).T.contiguous(), rows, *layer.parameters())

    return [through(nn.Linear(128, 5)), through(LogitLayer(128, 5))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    torch.set_num_threads(parser.parse_args().threads)
    print("| operation | plain, ms | here, ms | times as fast |\n|---|---|---|---|")
    for name, steps in {
        "attention, width 8": attention(8),
        "attention, width 16": attention(16),
        "dropout, 256 wide": dropout(),
        "relu and dropout, 256 wide": relu_and_dropout(),
        "rating head's loss": rating_loss(),
        "logits, 5 wide": logits(),
        "embeddings, 16 wide": embeddings(),
        "first-order terms, 5 wide": first_order(),
        "genres, 16 wide": genres(),
        "pairs of fields": pairs(),
        "CIN, half of its maps dead": dead_maps(),
    }.items():
        plain, ours = quickest(steps)
        print(f"| {name} | {plain:.2f} | {ours:.2f} | {plain / ours:.1f} |", flush=True)
    print("\n| product 4096 × 256 × 256 | GFLOP/s |\n|---|---|")
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        rows, weight = torch.ones(ROWS, 256, dtype=dtype), torch.ones(256, 256, dtype=dtype)
        (spent,) = quickest([partial(F.linear, rows, weight)])
        print(f"| {str(dtype).removeprefix('torch.')} | {2 * ROWS * 256 * 256 / spent / 1e6:.0f} |")
    source, target = torch.ones(2**26), torch.empty(2**26)
    (spent,) = quickest([lambda: target.copy_(source)], turns=5)
    print(f"\nCopy of 256 MB, read and write: {2 * 4 * 2**26 / spent / 1e6:.0f} GB/s")


if __name__ == "__main__":
    main()
