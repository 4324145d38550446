"""Embeddings and first-order terms of every field type against a naive loop over rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recbole.data.schema import FeatureSource, FeatureType, Field
from recbole.errors import ConfigError
from recbole.model.embedding import FieldEmbedding, FieldRows, FirstOrderLinear, Tables
from recbole.model.lookup import ForwardPass, Index, look_up, sum_rows
from recbole.model.types import Batch
from tests.unit.model.stand_in import FIELDS, make_batch, make_schema

RECBOLE_ORDER = ["genre", "user_id", "item_id", "history", "visits", "price", "age"]


def table_and_first_row(module: FieldRows, field: Field) -> tuple[Tensor, int]:
    """The table of a field and where the field's rows begin in it."""
    same = [f for f in FIELDS if f.type is field.type]
    before = sum(f.size for f in same[: same.index(field)])
    if field.type is FeatureType.TOKEN:
        return module.token_embedding_table.weight, before
    if field.type is FeatureType.FLOAT:
        return module.float_embedding_table.weight, before
    tables = {
        FeatureType.TOKEN_SEQ: module.token_seq_embedding_table,
        FeatureType.FLOAT_SEQ: module.float_seq_embedding_table,
    }[field.type]
    table = tables[same.index(field)]
    assert isinstance(table, nn.Embedding)
    return table.weight, 0


def naive_row(module: FieldRows, field: Field, cell: Tensor, sum_tokens: bool) -> Tensor:
    """The row of numbers of one field of one interaction."""
    table, first = table_and_first_row(module, field)
    values = cell.reshape(-1).tolist()
    if field.type is FeatureType.TOKEN or field.discretised:
        found = [table[first + int(v)] for v in values if v != 0 or field.length == 1]
    elif field.type is FeatureType.TOKEN_SEQ:
        found = [table[int(v)] for v in values if v != 0]
    else:
        found = [v * table[first] for v in values if not math.isnan(v)]
    total = sum(found, torch.zeros(table.shape[1]))
    if field.type is FeatureType.TOKEN_SEQ and sum_tokens:
        return total
    return total / max(len(found), 1)


def naive_rows(module: FieldRows, batch: dict[str, Tensor], sum_tokens: bool) -> Tensor:
    by_name = {field.name: field for field in FIELDS}
    return torch.stack(
        [
            torch.stack(
                [
                    naive_row(module, by_name[name], batch[name][row], sum_tokens)
                    for name in RECBOLE_ORDER
                ]
            )
            for row in range(len(batch["user_id"]))
        ]
    )


@pytest.fixture
def batch() -> dict[str, Tensor]:
    batch = make_batch(30, make_schema())
    lengths = (batch["genre"] != 0).sum(dim=1)
    assert 0 in lengths  # a row of padding only
    assert 4 in lengths  # and one without padding
    assert batch["history"].isnan().all(dim=1).any()
    return batch


def test_field_embedding(batch: dict[str, Tensor]) -> None:
    embedding = FieldEmbedding(FIELDS, 3)
    expected = naive_rows(embedding, batch, sum_tokens=False)
    assert expected.shape == (30, 7, 3)
    torch.testing.assert_close(embedding(batch), expected)


@pytest.mark.parametrize("outputs", [1, 5])
def test_first_order_linear(batch: dict[str, Tensor], outputs: int) -> None:
    linear = FirstOrderLinear(FIELDS, outputs)
    nn.init.normal_(linear.bias)
    expected = naive_rows(linear, batch, sum_tokens=True).sum(dim=1) + linear.bias
    assert expected.shape == (30, outputs)
    torch.testing.assert_close(linear(batch), expected)


@pytest.mark.parametrize("module", [FieldEmbedding(FIELDS, 3), FirstOrderLinear(FIELDS, 2)])
def test_gradients_against_a_naive_loop(module: FieldRows, batch: dict[str, Tensor]) -> None:
    is_first_order = isinstance(module, FirstOrderLinear)
    out = module(batch)
    weight = torch.randn_like(out)
    parameters = dict(module.named_parameters())
    fast = torch.autograd.grad((out * weight).sum(), list(parameters.values()))
    slow_out = naive_rows(module, batch, sum_tokens=is_first_order)
    if is_first_order:
        slow_out = slow_out.sum(dim=1) + module.bias
    slow = torch.autograd.grad((slow_out * weight).sum(), list(parameters.values()))
    for name, a, b in zip(parameters, fast, slow, strict=True):
        torch.testing.assert_close(a, b, msg=name)
        assert a.abs().sum() > 0, name


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_each_field_alone(field: Field, batch: dict[str, Tensor]) -> None:
    embedding = FieldEmbedding([field], 3)
    assert embedding(batch).shape == (30, 1, 3)
    assert FirstOrderLinear([field], 2)(batch).shape == (30, 2)
    sparse, dense = embedding.sparse_rows(batch), embedding.dense_rows(batch)
    is_token = field.type in (FeatureType.TOKEN, FeatureType.TOKEN_SEQ)
    assert (sparse is None) != is_token
    assert (dense is None) == is_token


def test_sparse_gradients(batch: dict[str, Tensor]) -> None:
    dense, sparse = FieldEmbedding(FIELDS, 3), FieldEmbedding(FIELDS, 3, Tables(sparse=True))
    sparse.load_state_dict(dense.state_dict())
    for module in (dense, sparse):
        module(batch).square().sum().backward()
    for (name, a), (_, b) in zip(dense.named_parameters(), sparse.named_parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert b.grad.is_sparse == ("token" in name)
        torch.testing.assert_close(b.grad.to_dense(), a.grad)


@pytest.mark.parametrize("kind", [FieldEmbedding, FirstOrderLinear])
def test_tables_in_bf16_are_read_as_float32(batch: dict[str, Tensor], kind: Any) -> None:
    plain = kind(FIELDS, 3, Tables(sparse=True))
    half = kind(FIELDS, 3, Tables(sparse=True, dtype=torch.bfloat16))
    half.load_state_dict(plain.state_dict())
    for (name, a), (_, b) in zip(plain.named_parameters(), half.named_parameters(), strict=True):
        assert b.dtype == (torch.bfloat16 if "token" in name else torch.float32)
        a.data = b.data.float()  # as rounded
    rows = half(batch)
    assert rows.dtype == torch.float32
    torch.testing.assert_close(rows, plain(batch), rtol=0, atol=0)


def test_offsets_are_not_saved() -> None:
    assert not any("offset" in name for name in FieldEmbedding(FIELDS, 3).state_dict())


def test_padding_learns_nothing(batch: dict[str, Tensor]) -> None:
    embedding = FieldEmbedding(FIELDS, 3)
    embedding(batch).sum().backward()
    table = embedding.token_seq_embedding_table[0]
    assert isinstance(table, nn.Embedding)
    assert table.weight.grad is not None
    assert (table.weight.grad[0] == 0).all()
    assert (table.weight.grad[1:] != 0).all()


def test_no_field_at_all() -> None:
    with pytest.raises(ConfigError, match="at least one input feature"):
        FieldEmbedding([], 3)


def test_narrow_integer_columns() -> None:
    fields = [Field(n, FeatureType.TOKEN, FeatureSource.USER, size=5) for n in ("a", "b")]
    embedding = FieldEmbedding(fields, 3)
    wide = {"a": torch.tensor([0, 4]), "b": torch.tensor([1, 2])}
    narrow = {name: column.int() for name, column in wide.items()}
    assert torch.equal(embedding(narrow), embedding(wide))


@pytest.mark.parametrize("plus", [None, "a row", "rows"])
@pytest.mark.parametrize("padding", [False, True])
@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("rows", [5, 70, 70_000])  # counted, sorted, and more than are sorted
def test_sums_of_rows_and_their_gradient(
    rows: int, width: int, padding: bool, plus: str | None
) -> None:
    table = nn.Embedding(rows, width)
    index = torch.tensor([[1, 1, 0], [0, 0, 0], [4, rows - 1, 1]])
    found = table(index)  # [B, N, width]
    if padding:
        found = found * (index != 0).unsqueeze(-1)
    added = torch.randn((width,) if plus == "a row" else (3, width), requires_grad=True)
    ours = sum_rows(table, Index(index), padding, plus=None if plus is None else added)
    theirs = found.sum(dim=1) + (0 * added if plus is None else added)
    torch.testing.assert_close(ours, theirs)
    weight = torch.randn_like(ours)
    learned = [table.weight] if plus is None else [table.weight, added]
    gradients = [torch.autograd.grad((x * weight).sum(), learned) for x in (ours, theirs)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("width", [5, 17])
def test_a_gradient_that_comes_column_by_column(width: int) -> None:
    """Autocast, where somebody has it around a backward pass, does not round it."""
    table = nn.Embedding(70, width)
    index = torch.randint(70, (40, 3))
    weight = torch.randn(width, 40).T
    with torch.autocast("cpu", dtype=torch.bfloat16):
        total = sum_rows(table, Index(index))
        (ours,) = torch.autograd.grad(total, table.weight, weight)
    (theirs,) = torch.autograd.grad(table(index).sum(dim=1), table.weight, weight)
    torch.testing.assert_close(ours, theirs)


def test_the_tables_of_several_models_can_be_mapped_over(batch: dict[str, Tensor]) -> None:
    modules = [FirstOrderLinear(FIELDS, 2) for _ in range(3)]
    stacked, _ = torch.func.stack_module_state(modules)

    def one(parameters: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(modules[0], parameters, (batch,))

    mapped = torch.func.vmap(one)(stacked)
    for out, module in zip(mapped, modules, strict=True):
        torch.testing.assert_close(out, module(batch))


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("rows", [70, 70_000])
def test_rows_of_a_table_and_their_gradient(rows: int, width: int) -> None:
    table = nn.Embedding(rows, width)
    index = torch.tensor([[1, 1, 0], [0, 0, 0], [4, rows - 1, 1]])
    ours, theirs = look_up(table, Index(index)), table(index)
    torch.testing.assert_close(ours, theirs)
    weight = torch.randn_like(ours)
    gradients = [torch.autograd.grad((x * weight).sum(), table.weight) for x in (ours, theirs)]
    torch.testing.assert_close(*gradients)


def test_embeddings_and_first_order_terms_share_their_index(
    batch: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    embedding, linear = FieldEmbedding(FIELDS, 3), FirstOrderLinear(FIELDS, 2)
    parameters = [*embedding.parameters(), *linear.parameters()]

    def gradients(batch: Batch) -> tuple[Tensor, ...]:
        out = embedding(batch).sum(dim=1) @ torch.ones(3, 2) * linear(batch)
        return torch.autograd.grad(out.square().sum(), parameters)

    apart = gradients(batch)
    sorts: list[int] = []
    sort = np.argsort
    monkeypatch.setattr(np, "argsort", lambda *a, **k: sorts.append(1) or sort(*a, **k))
    torch.testing.assert_close(gradients(ForwardPass(batch)), apart)
    together = len(sorts)
    gradients(batch)
    assert 0 < together < len(sorts) - together


def test_a_pass_sees_what_a_batch_has_become(batch: dict[str, Tensor]) -> None:
    """A batch is not remembered beyond a pass: its tensors may be filled anew in place."""
    embedding = FieldEmbedding(FIELDS, 3)
    before = embedding(ForwardPass(batch))
    token = next(field.name for field in FIELDS if field.type is FeatureType.TOKEN)
    batch[token] = batch[token].clone()
    embedding(ForwardPass(batch))
    batch[token].fill_(1)
    after = embedding(ForwardPass(batch))
    assert not torch.equal(before, after)
    torch.testing.assert_close(after, embedding(batch))


def test_each_of_several_batches_gets_the_gradient_of_its_own_index() -> None:
    tokens = [field for field in FIELDS if field.type is FeatureType.TOKEN]
    modules = [FieldEmbedding(tokens, 3), FieldEmbedding(tokens, 3)]
    batches = [make_batch(30, make_schema(), seed) for seed in (1, 2)]
    stacked, _ = torch.func.stack_module_state(modules)
    together = {f.name: torch.stack([batch[f.name] for batch in batches]) for f in tokens}

    def one(parameters: dict[str, Tensor], batch: dict[str, Tensor]) -> Tensor:
        rows = torch.func.functional_call(modules[0], parameters, (ForwardPass(batch),))
        return rows.square().sum()

    torch.func.vmap(one)(stacked, together).sum().backward()
    for number, (module, batch) in enumerate(zip(modules, batches, strict=True)):
        module(batch).square().sum().backward()
        for name, parameter in module.named_parameters():
            torch.testing.assert_close(stacked[name].grad[number], parameter.grad)
