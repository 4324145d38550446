"""Norms of Jacobians against torch.func, finite differences, and what is known on paper."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.func import jacrev, vmap

from recbole.data.schema import FeatureSource, FeatureType, Field
from recbole.errors import ConfigError
from recbole.evaluator.lipschitz import Steepness, softmax_jacobian, steepness
from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.input_embeddings import input_embeddings
from recbole.model.registry import MODEL_NAMES
from tests.unit.model.stand_in import make_batch, make_model, make_schema

ROWS = 6
HEADS = {
    "binary": {},
    "softmax": {"multi_cls": 5},
    "ordinal": {"multi_cls": 5, "multi_head": "ordinal"},
    "regression": {"multi_cls": 5, "multi_head": "regression"},
}
#: Whose functions have no rule for vmap.
NO_VMAP = ("xDeepFM",)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(11)


def make(name: str, head: str = "softmax") -> tuple[ContextRecommender, dict[str, Tensor]]:
    """A model in evaluation mode, and a batch."""
    model = make_model(name, {"embedding_size": 4}, HEADS[head]).eval()
    return model, make_batch(ROWS, make_schema())


def embeddings_of(model: ContextRecommender, batch: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        return model.field_embedding(batch)


def click_at(model: ContextRecommender, batch: dict[str, Tensor], x: Tensor) -> Tensor:
    """The click probabilities [B] where the body reads x [B, F, D]."""
    with input_embeddings(model, lambda _: x):
        return model.head.click_probability(model.logits(batch))


def logits_at(model: ContextRecommender, batch: dict[str, Tensor], x: Tensor) -> Tensor:
    with input_embeddings(model, lambda _: x):
        return model.logits(batch)


def row_of(batch: dict[str, Tensor], row: int) -> dict[str, Tensor]:
    return {name: column[row : row + 1] for name, column in batch.items()}


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", MODEL_NAMES)
def test_against_finite_differences(name: str, head: str) -> None:
    """The slope along the gradient is its norm, and along anything across it is nothing."""
    model, batch = make(name, head)
    model.double()
    batch = {n: c.double() if c.is_floating_point() else c for n, c in batch.items()}
    x = embeddings_of(model, batch)
    found = steepness(model, batch)
    assert found.click.shape == (ROWS,)
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(click_at(model, batch, leaf).sum(), leaf)
    along = gradient / gradient.flatten(1).norm(dim=1)[:, None, None]
    across = torch.randn_like(x)
    across -= along * (across * along).flatten(1).sum(dim=1)[:, None, None]
    step = 1e-6
    slopes = [
        (click_at(model, batch, x + step * way) - click_at(model, batch, x - step * way))
        / (2 * step)
        for way in (along, across)
    ]
    torch.testing.assert_close(found.click, slopes[0].detach(), rtol=1e-4, atol=1e-8)
    torch.testing.assert_close(slopes[1].detach(), torch.zeros(ROWS).double(), rtol=0, atol=1e-6)
    assert found.click.min() > 1e-6


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", [name for name in MODEL_NAMES if name not in NO_VMAP])
def test_against_vmap_of_jacrev(name: str, head: str) -> None:
    """Every row's Jacobians by themselves, which the sum over a batch must not mix."""
    model, batch = make(name, head)
    x = embeddings_of(model, batch)
    found = steepness(model, batch)

    def of_row(x_row: Tensor, row: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        one = {n: c.unsqueeze(0) for n, c in row.items()}
        z = logits_at(model, one, x_row.unsqueeze(0))
        p = model.head.class_probabilities(z)
        click = model.head.click_probability(z)
        return click[0], z[0], (torch.stack([1 - click, click], 1) if p is None else p)[0]

    click, logits, classes = vmap(jacrev(of_row))(x, batch)
    torch.testing.assert_close(found.click, click.flatten(1).norm(dim=1))
    torch.testing.assert_close(found.logits, logits.flatten(1).norm(dim=1))
    if head in ("binary", "softmax"):
        assert found.classes is not None
        torch.testing.assert_close(found.classes, classes.flatten(1).norm(dim=1))
    else:
        assert found.classes is None
        assert found.softmax is None
        assert found.num_classes is None


def test_xdeepfm_rows_do_not_mix() -> None:
    model, batch = make("xDeepFM")
    together = steepness(model, batch)
    alone = Steepness.concatenate([steepness(model, row_of(batch, row)) for row in range(ROWS)])
    for name in ("click", "logits", "classes", "softmax", "click_probability"):
        torch.testing.assert_close(getattr(alone, name), getattr(together, name))
    assert alone.num_classes == 5


def test_binary_is_a_softmax_of_two() -> None:
    model, batch = make("WideDeep", "binary")
    found = steepness(model, batch)
    p = found.click_probability
    assert found.softmax is not None
    assert found.classes is not None
    torch.testing.assert_close(found.softmax, 2 * p * (1 - p))
    torch.testing.assert_close(found.click, p * (1 - p) * found.logits)
    torch.testing.assert_close(found.classes, math.sqrt(2) * found.click)
    torch.testing.assert_close(p, model.predict(batch).detach())


def test_the_chain_rule_bounds_the_classes() -> None:
    """Eq. 21: ‖∂p/∂x‖ ≤ ‖J_σ‖ ‖∂f/∂x‖."""
    model, batch = make("DCNV2")
    found = steepness(model, batch)
    assert found.classes is not None
    assert found.softmax is not None
    assert (found.classes <= found.softmax * found.logits * (1 + 1e-5)).all()


def test_nothing_is_left_behind() -> None:
    model, batch = make("DCNV2")
    before = model.predict(batch)
    with torch.no_grad():  # as evaluation usually runs
        steepness(model, batch)
    assert torch.equal(model.predict(batch), before)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("classes", [2, 3, 5, 10])
def test_softmax_jacobian(classes: int) -> None:
    logits = torch.randn(20, classes).double() * 3
    jacobians = vmap(jacrev(lambda z: z.softmax(0)))(logits)  # [20, N, N]
    torch.testing.assert_close(softmax_jacobian(logits.softmax(1)), jacobians)


def test_softmax_jacobian_on_paper() -> None:
    equal = torch.full((1, 5), 0.2).double()
    assert softmax_jacobian(equal).norm().item() == pytest.approx(math.sqrt(4) / 5)
    shared = torch.tensor([[0.5, 0.0, 0.5, 0.0, 0.0]]).double()
    assert softmax_jacobian(shared).norm().item() == pytest.approx(0.5)  # above 1/√5
    assert softmax_jacobian(torch.tensor([[0.0, 1.0, 0.0]])).norm().item() == 0


def test_softmax_jacobian_keeps_its_digits_where_a_class_is_nearly_certain() -> None:
    p = torch.tensor([[1.0, 1e-9, 2e-9]])  # float32, where 1 − p_0 would be 0
    assert softmax_jacobian(p)[0, 0].tolist() == pytest.approx([3e-9, -1e-9, -2e-9], rel=1e-6)


class TwoTables(ContextRecommender):
    """Reads its fields in RecBole's other way."""

    def logits(self, batch):
        return self.embed_input_fields(batch)[0].sum(dim=(1, 2)).unsqueeze(1)


def test_a_model_that_takes_its_vectors_elsewhere() -> None:
    from tests.unit.model.stand_in import make_config

    model = TwoTables(make_config(TwoTables, {"embedding_size": 4}), make_schema())
    with pytest.raises(ConfigError, match="TwoTables does not read its inputs by concat_embed"):
        steepness(model, make_batch(3, make_schema()))


def test_numbers_count_as_inputs() -> None:
    fields = (
        Field("user_id", FeatureType.TOKEN, FeatureSource.USER_ID, size=13),
        Field("item_id", FeatureType.TOKEN, FeatureSource.ITEM_ID, size=17),
        Field("price", FeatureType.FLOAT, FeatureSource.ITEM, size=1),
    )
    schema = make_schema(fields=fields)
    model = make_model("WideDeep", {"embedding_size": 4}, {}, schema).eval()
    shapes = []
    with input_embeddings(model, lambda x: shapes.append(tuple(x.shape)) or x):
        model.predict(make_batch(ROWS, schema))
    assert shapes == [(ROWS, 3, 4)]
