"""One abstract case, run over every model, every variant and every head."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from recbole.data.schema import Schema
from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.precision import Precision
from recbole.model.registry import MODEL_NAMES
from tests.unit.model.stand_in import HALF_STARS, STARS, make_batch, make_model, make_schema


@dataclass(frozen=True)
class Case:
    """A model with options small enough to be quick, and without dropout."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.name}{self.variant}"


@dataclass(frozen=True)
class HeadCase:
    """A head and the ratings it is for."""

    label: str
    supervision: dict[str, Any]
    levels: tuple[float, ...] = STARS
    threshold: float = 4.0
    outputs: int | None = None

    def __str__(self) -> str:
        return self.label

    @property
    def schema(self) -> Schema:
        return make_schema(self.levels, self.threshold)

    @property
    def positive(self) -> Tensor:
        if self.supervision["multi_cls"] == 2:
            return torch.tensor([False, True])
        return torch.tensor(self.levels) >= self.threshold

    @property
    def num_logits(self) -> int:
        return self.outputs or self.supervision.get("multi_cls", 1)

    @property
    def adds_up(self) -> bool:
        """Whether the click is the sum of the positive classes."""
        return (
            self.supervision.get("multi_agg") != "logit"
            and self.supervision.get("multi_head") != "regression"
        )


MLP = {"mlp_hidden_size": [16, 8], "dropout_prob": 0.0}
CROSS = {**MLP, "cross_layer_num": 2, "low_rank": 3, "expert_num": 2, "reg_weight": 1e-3}
CIN = {**MLP, "cin_layer_size": [6, 5]}
ATTENTION = {"attention_size": 8, "dropout_probs": [0.0] * 3, "mlp_hidden_size": [16]}
GRAPH = {"attention_size": 8, "hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0}
EULER = {"order_list": [4, 3], "drop_ex": 0.0, "drop_im": 0.0}

CASES = [
    Case("WideDeep", MLP),
    Case("NFM", MLP),
    Case("xDeepFM", CIN),
    Case("xDeepFM", {**CIN, "direct": True}, "-direct"),
    Case("AutoInt", ATTENTION),
    Case("AutoInt", {**ATTENTION, "has_residual": True}, "-residual"),
    Case("FiGNN", GRAPH),
    Case("FiGNN", {**GRAPH, "n_layers": 1}, "-one-layer"),
    Case("FiGNN", {**GRAPH, "n_layers": 3}, "-three-layers"),
    Case("DCNV2", {**CROSS, "structure": "parallel"}, "-parallel"),
    Case("DCNV2", {**CROSS, "structure": "stacked"}, "-stacked"),
    Case("DCNV2", {**CROSS, "mixed": True, "structure": "parallel"}, "-mixed"),
    Case("DCNV2", {**CROSS, "mixed": True, "structure": "stacked"}, "-mixed-stacked"),
    Case("EulerNet", EULER),
    Case("EulerNet", {**EULER, "apply_norm": True}, "-norm"),
]

HEADS = [
    HeadCase("binary", {}),
    HeadCase("5-prob", {"multi_cls": 5}),
    HeadCase("5-logit", {"multi_cls": 5, "multi_agg": "logit"}),
    HeadCase("10-prob", {"multi_cls": 10}, HALF_STARS, 3.5),
    HeadCase("label", {"multi_cls": 2}, outputs=2),
    HeadCase("ordinal", {"multi_cls": 5, "multi_head": "ordinal"}, outputs=1),
    HeadCase("regression", {"multi_cls": 5, "multi_head": "regression"}, outputs=2),
]


def test_every_model_has_a_case() -> None:
    assert {case.name for case in CASES} == set(MODEL_NAMES)


@pytest.mark.parametrize("head", HEADS, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
class TestModel:
    """What holds for every model under every head."""

    @pytest.fixture
    def model(self, case: Case, head: HeadCase) -> ContextRecommender:
        options = {"embedding_size": 8, **case.options}
        return make_model(case.name, options, head.supervision, head.schema)

    @pytest.fixture
    def batch(self, head: HeadCase) -> dict[str, Tensor]:
        return make_batch(64, head.schema)

    def test_shapes(
        self, model: ContextRecommender, batch: dict[str, Tensor], head: HeadCase
    ) -> None:
        assert model.logits(batch).shape == (64, head.num_logits)
        assert model.head.num_logits == head.num_logits
        assert model(batch).shape == (64,)
        assert model.predict(batch).shape == (64,)
        parts = model.loss_parts(batch)
        assert all(part.shape == () and part.isfinite() for part in parts.values())
        rating_losses = {"ce", "mse"} & set(parts)
        assert len(rating_losses) == ("multi_cls" in head.supervision)
        loss = model.calculate_loss(batch)
        assert isinstance(loss, Tensor)
        assert loss.shape == ()

    def test_one_row(self, model: ContextRecommender, head: HeadCase) -> None:
        model.eval()
        assert model.predict(make_batch(1, head.schema)).shape == (1,)

    def test_every_parameter_learns(
        self, model: ContextRecommender, batch: dict[str, Tensor]
    ) -> None:
        # A term that is not K wide has a gradient of rounding errors only, hence the threshold; the
        # penalty, which could hide that, stays out. In evaluation mode, as a bias before a batch
        # normalisation has no effect in training.
        model.eval()
        model.head.loss(model.logits(batch), batch, None)["loss"].backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 1e-6, name

    def test_every_logit_has_first_order_terms_of_its_own(
        self, model: ContextRecommender, batch: dict[str, Tensor]
    ) -> None:
        if not model.uses_first_order:
            assert not hasattr(model, "first_order_linear")
            return
        assert model.first_order_linear.bias.shape == (model.head.num_logits,)

    def test_overfits(self, model: ContextRecommender, batch: dict[str, Tensor]) -> None:
        optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
        start = _data_loss(model, batch)
        for _ in range(60):
            optimizer.zero_grad()
            loss = model.calculate_loss(batch)
            assert isinstance(loss, Tensor)
            loss.backward()
            optimizer.step()
        assert _data_loss(model, batch) < 0.4 * start

    def test_survives_saving(
        self, model: ContextRecommender, batch: dict[str, Tensor], case: Case, head: HeadCase
    ) -> None:
        _data_loss(model, batch)  # moves the running statistics of batch normalisations
        file = io.BytesIO()
        torch.save(model.state_dict(), file)
        file.seek(0)
        options = {"embedding_size": 8, **case.options}
        other = make_model(case.name, options, head.supervision, head.schema)
        model.eval()
        other.eval()
        assert not torch.equal(other.predict(batch), model.predict(batch))
        other.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(other.predict(batch), model.predict(batch))

    def test_never_sees_the_target(
        self, model: ContextRecommender, batch: dict[str, Tensor]
    ) -> None:
        model.eval()
        before = model.predict(batch)
        batch = {**batch, "rating": batch["rating"].flip(0), "label": 1 - batch["label"]}
        assert torch.equal(model.predict(batch), before)

    def test_scores(
        self, model: ContextRecommender, batch: dict[str, Tensor], head: HeadCase
    ) -> None:
        model.eval()
        scores = model.scores(batch)
        assert torch.equal(scores.click, model.predict(batch))
        assert ((scores.click > 0) & (scores.click < 1)).all()
        if "multi_cls" not in head.supervision:
            assert scores.classes is None
            return
        assert scores.classes is not None
        torch.testing.assert_close(scores.classes.sum(dim=1), torch.ones(64))
        assert scores.classes.shape == (64, head.supervision["multi_cls"])
        if head.adds_up:
            torch.testing.assert_close(scores.click, scores.classes[:, head.positive].sum(dim=1))


def _data_loss(model: ContextRecommender, batch: dict[str, Tensor]) -> float:
    """The loss without the penalty, in training mode."""
    with torch.no_grad():
        return model.head.loss(model.logits(batch), batch, None)["loss"].item()


def test_the_cross_network_works_in_the_type_of_its_products() -> None:
    """It is the sums and products element by element that autocast would leave in float32."""
    model, seen = make_model("DCNV2"), []
    model.cross.register_forward_hook(lambda _, x, out: seen.append((x[0].dtype, out.dtype)))
    model.precision = Precision("bf16", "cpu", "a test")
    model.calculate_loss(make_batch(20, make_schema())).backward()
    assert seen == [(torch.bfloat16, torch.bfloat16)]
    table = model.field_embedding.token_embedding_table.weight
    assert table.grad.dtype == torch.float32 and table.grad.abs().sum() > 0
