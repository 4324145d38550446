"""Every model gives the published RecBole's probabilities and losses from the same weights."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from recbole.data.schema import FeatureSource, FeatureType, Field, Schema, Target
from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.head import SupervisionOptions
from recbole.model.registry import model_class

GOLDENS = sorted((Path(__file__).parent / "goldens" / "models").glob("*.npz"))

# RecBole's parameter name (a pattern) -> ours, and what to do to the values.
RENAMED: list[tuple[str, str]] = [
    (
        r"^(first_order_linear\.)?(token|float)_embedding_table\.embedding\.",
        r"\1\2_embedding_table.",
    ),
    (r"^(token|float)(_seq)?_embedding_table", r"field_embedding.\1\2_embedding_table"),
    (r"^cross_layer_w\.", "cross.weight."),
    (r"^cross_layer_([ucv])\.", r"cross.\1."),
    (r"^bias\.", "cross.bias."),
    (r"^conv1d_list\.", "cin.layers."),
    (r"^W_attn\.", "edge_weights.W_attn."),
]


@dataclass
class GoldenConfig:
    """The options a golden file was recorded with."""

    model_options: Any
    flat: dict[str, Any]
    supervision: SupervisionOptions

    def __getitem__(self, name: str) -> Any:
        return self.flat[name]


class Golden:
    """A recorded forward pass: weights, batch, probabilities and loss."""

    def __init__(self, path: Path) -> None:
        stored = np.load(path)
        self.meta = json.loads(stored["meta"].tobytes())
        self.prob = torch.from_numpy(stored["prob"])
        self.loss = float(stored["eval_mode_loss"])
        self.weights = {n[2:]: torch.from_numpy(stored[n]) for n in stored if n.startswith("w:")}
        self.batch = {n[2:]: torch.from_numpy(stored[n]) for n in stored if n.startswith("x:")}
        order = self.meta["field_order"]
        for name in order["float"]:  # [value, index] -> value
            self.batch[name] = self.batch[name][:, 0].contiguous()
        self.schema = _schema(order)

    def model(self) -> ContextRecommender:
        """Our model with the recorded weights, in evaluation mode."""
        cls = model_class(self.meta["model"])
        overrides = {**self.meta["overrides"], "embedding_size": self.meta["embedding_size"]}
        flat = {
            "LABEL_FIELD": "label",
            "device": torch.device("cpu"),
            "embedding_size": overrides["embedding_size"],
            "numerical_features": self.meta["field_order"]["float"],
            "learner": "adam",
            "precision": "fp32",
            "enable_amp": False,
            "embedding_precision": "fp32",
        }
        config = GoldenConfig(cls.Options(**overrides), flat, SupervisionOptions())
        model = cls(config, self.schema)
        model.load_state_dict(self.renamed_weights(model))
        return model.eval()

    def renamed_weights(self, model: ContextRecommender) -> dict[str, Tensor]:
        """The recorded weights that our model has, under our names and in our shapes."""
        weights = dict(self.weights)
        gates = [n for n in weights if n.startswith("gating.")]
        if gates:  # one gate for each expert -> one layer for all
            for kind in ("weight", "bias"):
                parts = [weights.pop(n) for n in sorted(gates) if n.endswith(kind)]
                weights[f"cross.gates.{kind}"] = torch.cat(parts)
        own = model.state_dict()
        renamed = {}
        for name, value in weights.items():
            for pattern, replacement in RENAMED:
                name = re.sub(pattern, replacement, name)
            if name in own:
                renamed[name] = _reshaped(name, value, own[name].shape)
        return renamed


def _reshaped(name: str, value: Tensor, shape: torch.Size) -> Tensor:
    if "float_embedding_table" in name:
        return value[1:]  # RecBole keeps an unused row 0 for padding
    if name.endswith(("bias_lam", "bias_theta")):
        return value.mT  # [1, D, O] -> [1, O, D]
    if name.startswith("cin.layers.") and name.endswith("weight"):
        fields = 7
        return value.view(len(value), -1, fields).mT.flatten(1)  # [S, H·F, 1] -> [S, F·H]
    return value.reshape(shape)


def _schema(order: dict[str, list[Any]]) -> Schema:
    source = FeatureSource.INTERACTION
    tokens = zip(order["token"], order["token_dims"], strict=True)
    sequences = zip(order["token_seq"], order["token_seq_dims"], strict=True)
    fields = [
        *(Field(name, FeatureType.TOKEN, source, size) for name, size in tokens),
        *(Field(name, FeatureType.FLOAT, source, 1) for name in order["float"]),
        *(Field(name, FeatureType.TOKEN_SEQ, source, size, 6) for name, size in sequences),
    ]
    return Schema(tuple(fields), "user_id", "item_id", "timestamp", Target("label"))


def _unused_norms_of_eulernet(golden: Golden) -> float:
    """What RecBole's penalty counts for layer normalisations that are not applied."""
    overrides = golden.meta["overrides"]
    if golden.meta["model"] != "EulerNet" or overrides["apply_norm"]:
        return 0.0
    norms = [w.norm() for name, w in golden.weights.items() if ".norm_" in name]
    return overrides["reg_weight"] * float(sum(norms))


def test_all_goldens_are_there() -> None:
    assert len(GOLDENS) == 14


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_probabilities(path: Path) -> None:
    golden = Golden(path)
    with torch.no_grad():
        prob = golden.model().predict(golden.batch)
    torch.testing.assert_close(prob, golden.prob, atol=1e-5, rtol=0)


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_loss_with_penalty(path: Path) -> None:
    golden = Golden(path)
    with torch.no_grad():
        loss = golden.model().calculate_loss(golden.batch)
    expected = golden.loss - _unused_norms_of_eulernet(golden)
    assert isinstance(loss, Tensor)
    assert loss.item() == pytest.approx(expected, rel=1e-4)
