"""Every metric that RecBole 1.2.1 has too gives the value that RecBole gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from recbole.evaluator import METRICS, Predictions

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parent / "goldens" / "metrics.json").read_text(encoding="utf-8")
)
RANKING_KEYS = [key for key in GOLDEN["expected"] if "@" in key]
TOLERANCE = {"mae": 1e-6, "rmse": 1e-6}  # recorded in float32


@pytest.fixture(scope="module")
def ranked() -> tuple[torch.Tensor, torch.Tensor]:
    """The hits [U, 20] and the number of positives [U] of the recorded scores."""
    scores = torch.tensor(GOLDEN["scores"], dtype=torch.float64)  # [U, I]; two tie in float32
    is_positive = torch.tensor(GOLDEN["positives"], dtype=torch.bool)  # [U, I]
    top = scores.topk(max(GOLDEN["k"]), dim=1).indices
    return is_positive.gather(1, top), is_positive.sum(dim=1)


def test_every_recorded_metric_is_compared() -> None:
    assert {key.partition("@")[0] for key in GOLDEN["expected"]} == {
        "recall", "mrr", "ndcg", "hit", "precision", "map", "auc", "logloss", "mae", "rmse",
    }  # fmt: skip
    assert len(RANKING_KEYS) == 24


@pytest.mark.parametrize("key", RANKING_KEYS)
def test_ranking_metric(key: str, ranked: tuple[torch.Tensor, torch.Tensor]) -> None:
    name, _, k = key.partition("@")
    value = METRICS[name].function(*ranked)[int(k) - 1]
    assert float(value) == pytest.approx(GOLDEN["expected"][key], abs=1e-7)


@pytest.mark.parametrize("key", ["auc", "logloss", "mae", "rmse"])
def test_value_metric(key: str) -> None:
    click, label = torch.tensor(GOLDEN["pred"]), torch.tensor(GOLDEN["label"])
    value = METRICS[key].function(Predictions(click, label, torch.zeros(len(click))))
    tolerance = TOLERANCE.get(key, 1e-7)
    assert value == pytest.approx(GOLDEN["expected"][key], abs=tolerance)
