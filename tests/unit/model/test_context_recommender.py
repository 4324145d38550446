"""The base class, a model of a user's own written for RecBole, the registry and the options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

import recbole.model.context_aware_recommender as models
from recbole.errors import ConfigError
from recbole.model import InputType, ModelType
from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.context_aware_recommender.eulernet import EulerInteractionLayer
from recbole.model.layers import MLPLayers
from recbole.model.options import UndeclaredOptions
from recbole.model.registry import MODEL_NAMES, model_class
from tests.unit.model.stand_in import FIELDS, make_batch, make_config, make_model, make_schema


class TwoPaths(ContextRecommender):
    """A model as one would write it for RecBole: a wide and a deep path, and a loss of its own."""

    input_type = InputType.POINTWISE

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.hidden = config["mlp_hidden_size"]
        self.drop = config["dropout_prob"]
        width = self.embedding_size * self.num_feature_field
        self.deep = MLPLayers([width, *self.hidden], self.drop, activation="tanh")
        self.out = nn.Linear(self.hidden[-1], 1)
        self.sigmoid = nn.Sigmoid()
        self.loss = nn.BCEWithLogitsLoss()
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight.data, std=0.3)
        elif isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight.data)
            nn.init.constant_(module.bias.data, 0.1)

    def forward(self, interaction):
        embedded = self.concat_embed_input_fields(interaction)
        deep = self.out(self.deep(embedded.view(embedded.shape[0], -1)))
        return (self.first_order_linear(interaction) + deep).squeeze(-1)

    def calculate_loss(self, interaction):
        label = interaction[self.LABEL].to(self.device)
        return self.loss(self.forward(interaction), label)

    def predict(self, interaction):
        return self.sigmoid(self.forward(interaction))


class TwoLosses(TwoPaths):
    """One that returns its loss in parts, and builds on the base class's."""

    def calculate_loss(self, interaction):
        bce = super().calculate_loss(interaction)
        return bce, self.out.weight.norm()


OPTIONS = {"embedding_size": 4, "mlp_hidden_size": [8, 4], "dropout_prob": 0.0}


class TestUsersModel:
    """A class written for RecBole runs unchanged, as a binary model."""

    def test_runs_and_learns(self) -> None:
        model = TwoPaths(make_config(TwoPaths, OPTIONS), make_schema())
        batch = make_batch(64, make_schema())
        optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
        start = model.calculate_loss(batch).item()
        for _ in range(60):
            optimizer.zero_grad()
            model.loss_parts(batch)["loss"].backward()
            optimizer.step()
        assert model.calculate_loss(batch).item() < 0.4 * start
        assert set(model.loss_parts(batch)) == {"loss"}
        scores = model.scores(batch)
        assert torch.equal(scores.click, model.predict(batch))
        assert scores.classes is None

    def test_a_tuple_of_losses_is_added_up(self) -> None:
        model = TwoLosses(make_config(TwoLosses, OPTIONS), make_schema())
        batch = make_batch(8, make_schema())
        bce, norm = model.calculate_loss(batch)
        torch.testing.assert_close(model.loss_parts(batch)["loss"], bce + norm)

    def test_with_a_rating_head_is_an_error(self) -> None:
        config = make_config(TwoPaths, OPTIONS, {"multi_cls": 5})
        with pytest.raises(ConfigError, match=r"multi_cls=5 .* TwoPaths computes its own loss"):
            TwoPaths(config, make_schema())

    def test_reads_the_fields_as_in_recbole(self) -> None:
        model = TwoPaths(make_config(TwoPaths, OPTIONS), make_schema())
        assert model.LABEL == "label"
        assert model.embedding_size == 4
        assert model.device == torch.device("cpu")
        assert model.num_feature_field == 7
        assert model.field_names == [field.name for field in FIELDS]
        assert (model.token_field_names, model.token_field_dims) == (["user_id", "item_id"],
                                                                     [13, 17])  # fmt: skip
        assert (model.token_seq_field_names, model.token_seq_field_dims) == (["genre"], [6])
        assert (model.float_field_names, model.float_field_dims) == (["price", "age"], [1, 5])
        assert model.float_seq_field_names == ["history", "visits"]
        assert model.float_seq_field_dims == [1, 4]
        assert model.numerical_features == ["price", "history"]
        assert (model.type, model.input_type) == (ModelType.CONTEXT, InputType.POINTWISE)
        assert model.logger.name == TwoPaths.__module__
        sparse, dense = model.embed_input_fields(make_batch(5, make_schema()))
        assert sparse is not None
        assert dense is not None
        assert (sparse.shape, dense.shape) == ((5, 3, 4), (5, 4, 4))


class LossOnTopOfTheHead(ContextRecommender):
    """Implements logits, and adds to the base class's loss."""

    def logits(self, batch: Any) -> Tensor:
        return self.first_order_linear(batch)

    def calculate_loss(self, interaction: Any) -> Tensor:
        return super().calculate_loss(interaction) + 1


def test_a_model_may_add_to_the_heads_loss() -> None:
    schema = make_schema()
    model = LossOnTopOfTheHead(make_config(LossOnTopOfTheHead, {}, {"multi_cls": 5}), schema)
    batch = make_batch(8, schema)
    plain = model.head.loss(model.logits(batch), batch, None)["loss"]
    torch.testing.assert_close(model.loss_parts(batch)["loss"], plain + 1)
    assert model.scores(batch).classes.shape == (8, 5)


def test_a_model_that_implements_nothing() -> None:
    model = ContextRecommender(make_config(ContextRecommender), make_schema())
    with pytest.raises(NotImplementedError, match=r"ContextRecommender implements neither logits"):
        model.predict(make_batch(2, make_schema()))


def test_sparse_adam_makes_sparse_embeddings() -> None:
    cls = model_class("WideDeep")
    for learner, sparse in (("adam", False), ("sparse_adam", True)):
        model = cls(make_config(cls, learner=learner), make_schema())
        assert model.field_embedding.token_embedding_table.sparse is sparse
        assert model.first_order_linear.token_embedding_table.sparse is sparse


def test_embeddings_in_bf16_are_those_with_sparse_gradients() -> None:
    for name, also_first_order in (("WideDeep", True), ("xDeepFM", False)):
        cls = model_class(name)
        config = make_config(cls, learner="sparse_adam", embedding_precision="bf16")
        model = cls(config, make_schema())
        for part, half in (
            (model.field_embedding, True),
            (model.first_order_linear, also_first_order),
        ):
            weights = {n: p.dtype for n, p in part.named_parameters() if n.startswith("token")}
            assert set(weights.values()) == {torch.bfloat16 if half else torch.float32}


def test_printing_tells_the_number_of_parameters() -> None:
    model = make_model("NFM", {"embedding_size": 2, "mlp_hidden_size": [2]})
    count = sum(parameter.numel() for parameter in model.parameters())
    assert str(model).endswith(f"Trainable parameters: {count:,}")


class TestPenalties:
    """What is in a penalty, and that a weight of zero is no penalty."""

    @pytest.mark.parametrize("name", ["DCNV2", "xDeepFM", "EulerNet"])
    def test_weight_zero(self, name: str) -> None:
        assert make_model(name, {"reg_weight": 0}).penalty() is None

    @pytest.mark.parametrize("name", ["WideDeep", "NFM", "AutoInt", "FiGNN"])
    def test_none(self, name: str) -> None:
        assert make_model(name).penalty() is None

    @pytest.mark.parametrize(
        ("name", "options", "part_of_penalty"),
        [
            ("DCNV2", {}, lambda n: n.startswith("cross.weight")),
            ("DCNV2", {"mixed": True}, lambda n: n.startswith(("cross.u", "cross.v", "cross.c"))),
            (
                "xDeepFM",
                {},
                lambda n: (
                    n.endswith("weight")
                    and n.startswith(("mlp_layers", "first_order_linear", "cin.layers"))
                ),
            ),
            ("EulerNet", {}, lambda n: n.startswith(("Euler_interaction_layers", "mu", "reg."))),
        ],
    )
    def test_members(self, name: str, options: dict[str, Any], part_of_penalty: Any) -> None:
        model = make_model(name, {**options, "reg_weight": 0.5})
        expected = 0.5 * sum(p.norm() for n, p in model.named_parameters() if part_of_penalty(n))
        torch.testing.assert_close(model.penalty(), expected)


class TestInitialisation:
    """Weights that a model draws otherwise than by the common rule."""

    def test_dcnv2_draws_cross_matrices_from_the_standard_normal(self) -> None:
        model = make_model("DCNV2", {"embedding_size": 16})
        assert model.cross.weight[0].std().item() == pytest.approx(1, rel=0.03)

    def test_dcnv2_draws_each_gate_as_a_layer_of_its_own(self) -> None:
        options = {"embedding_size": 10, "mixed": True, "expert_num": 70, "low_rank": 1}
        gates = make_model("DCNV2", options).cross.gates
        assert gates.weight.std().item() == pytest.approx((2 / 71) ** 0.5, rel=0.05)
        assert (gates.bias == 0).all()

    def test_xdeepfm_keeps_the_biases_of_its_convolutions(self) -> None:
        bias = make_model("xDeepFM").cin.layers[1].bias
        assert 0 < bias.abs().max() <= 1 / (50 * 7) ** 0.5
        assert bias.unique().numel() > 50

    def test_eulernet(self) -> None:
        model = make_model("EulerNet", {"order_list": [30, 20]})
        layer = model.Euler_interaction_layers[1]
        assert isinstance(layer, EulerInteractionLayer)
        assert layer.im.weight.std().item() == pytest.approx(0.1, rel=0.02)
        assert layer.bias_lam.std().item() == pytest.approx(0.01, rel=0.2)
        torch.testing.assert_close(layer.inter_orders.sum(dim=0), torch.ones(20))
        assert model.reg.weight.std().item() == pytest.approx(0.01, rel=0.15)
        assert (model.mu == 1).all()
        for linear in (layer.im, model.reg):
            assert (linear.bias == 0).all()

    def test_fignn_leaves_its_gru_alone(self) -> None:
        gru = make_model("FiGNN").gru_cell
        assert (gru.bias_ih != 0).all()
        assert gru.weight_ih.abs().max() <= 1 / 16**0.5

    @pytest.mark.parametrize("name", MODEL_NAMES)
    def test_embeddings_are_glorot_normal(self, name: str) -> None:
        table = make_model(name, {"embedding_size": 300}).field_embedding.token_embedding_table
        assert table.weight.std().item() == pytest.approx((2 / 330) ** 0.5, rel=0.05)


class TestRegistry:
    """Names to classes."""

    @pytest.mark.parametrize("name", MODEL_NAMES)
    def test_every_name(self, name: str) -> None:
        cls = model_class(name)
        assert cls.__name__ == name
        assert issubclass(cls, ContextRecommender)
        assert cls.Options is not UndeclaredOptions
        for option in cls.Options.model_fields.values():
            assert option.description
            assert not option.is_required()

    @pytest.mark.parametrize("name", ["widedeep", "WideDeap", "DCNv2", "XDeepFM"])
    def test_a_name_slightly_wrong(self, name: str) -> None:
        with pytest.raises(ConfigError, match=r"Did you mean '(WideDeep|DCNV2|xDeepFM)'"):
            model_class(name)

    @pytest.mark.parametrize("name", ["Nothing", "", "a.b", "../x", "__init__"])
    def test_no_such_model(self, name: str) -> None:
        with pytest.raises(ConfigError):
            model_class(name)

    def test_a_users_module(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "mymodel.py").write_text(
            "from recbole.model.abstract_recommender import ContextRecommender\n"
            "class MyModel(ContextRecommender):\n    pass\n"
        )
        monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
        assert model_class("MyModel").__name__ == "MyModel"
        with pytest.raises(ConfigError, match="no ContextRecommender named 'Mymodel'"):
            model_class("Mymodel")
        del sys.modules["recbole.model.context_aware_recommender.mymodel"]


class TestOptions:
    """Ranges, and RecBole's defaults."""

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("WideDeep", {"dropout_prob": 1.0}),
            ("WideDeep", {"dropout_prob": -0.1}),
            ("WideDeep", {"mlp_hidden_size": []}),
            ("WideDeep", {"mlp_hidden_size": [8, 0]}),
            ("WideDeep", {"mlp_hidden_size": 8}),
            ("WideDeep", {"mlp_hiden_size": [8]}),
            ("WideDeep", {"embedding_size": 0}),
            ("AutoInt", {"attention_size": 8, "num_heads": 3}),
            ("AutoInt", {"dropout_probs": [0.1, 0.1]}),
            ("AutoInt", {"n_layers": 0}),
            ("FiGNN", {"attention_size": 9}),
            ("DCNV2", {"structure": "serial"}),
            ("DCNV2", {"reg_weight": -1}),
            ("DCNV2", {"mixed": "yes"}),
            ("xDeepFM", {"cin_layer_size": [10, 1]}),
            ("EulerNet", {"order_list": [0]}),
        ],
    )
    def test_out_of_range(self, name: str, options: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            model_class(name).Options(**options)

    @pytest.mark.parametrize(
        ("name", "defaults"),
        [
            ("WideDeep", {"embedding_size": 10, "mlp_hidden_size": [32, 16, 8],
                          "dropout_prob": 0.1}),
            ("NFM", {"embedding_size": 10, "mlp_hidden_size": [64, 64, 64], "dropout_prob": 0.0}),
            ("xDeepFM", {"embedding_size": 10, "mlp_hidden_size": [128, 128, 128],
                         "reg_weight": 5e-4, "dropout_prob": 0.2, "direct": False,
                         "cin_layer_size": [100, 100, 100]}),
            ("AutoInt", {"embedding_size": 10, "attention_size": 16, "n_layers": 3, "num_heads": 2,
                         "dropout_probs": [0.2, 0.2, 0.2], "mlp_hidden_size": [128, 128],
                         "has_residual": False}),
            ("FiGNN", {"embedding_size": 10, "attention_size": 16, "n_layers": 2, "num_heads": 2,
                       "hidden_dropout_prob": 0.2, "attn_dropout_prob": 0.2}),
            ("DCNV2", {"embedding_size": 16, "mixed": False, "structure": "stacked",
                       "cross_layer_num": 3, "expert_num": 4, "low_rank": 128,
                       "mlp_hidden_size": [768, 768], "reg_weight": 2.0, "dropout_prob": 0.2}),
            ("EulerNet", {"embedding_size": 16, "order_list": [30], "drop_ex": 0.3, "drop_im": 0.3,
                          "apply_norm": False, "reg_weight": 1e-5}),
        ],
    )  # fmt: skip
    def test_defaults(self, name: str, defaults: dict[str, Any]) -> None:
        assert model_class(name).Options().model_dump() == defaults

    def test_odd_cin_layers_are_rounded_down_with_a_warning(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        model = make_model("xDeepFM", {"cin_layer_size": [7, 5]})
        assert [len(layer.weight) for layer in model.cin.layers] == [6, 4]
        assert "[7, 5] has odd sizes" in caplog.text
        model = make_model("xDeepFM", {"cin_layer_size": [7, 5], "direct": True})
        assert [len(layer.weight) for layer in model.cin.layers] == [7, 5]

    def test_a_single_field_has_no_graph(self) -> None:
        with pytest.raises(ConfigError, match=r"at least 2 input features; got \['user_id'\]"):
            make_model("FiGNN", schema=make_schema(fields=FIELDS[:1]))
