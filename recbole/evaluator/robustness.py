"""How well a model bears noise on its input embeddings (Fig. 3 of the paper).

Ouyang et al., "Scaled Supervision is an Implicit Lipschitz Regularizer" (ICWSM 2025), add Gaussian
noise to the embeddings of a trained model and see what AUC and LogLoss become of it.

N rows, F fields, D embedding size.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recbole.data import Loader
from recbole.evaluator.predictions import collect
from recbole.evaluator.value_metrics import auc, log_loss
from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.input_embeddings import input_embeddings


class GaussianNoise:
    """Adds σ·n to the embeddings of one batch after the other, n drawn from N(0, 1).

    The numbers n are drawn on the CPU, one row after the other, so that they depend on the seed
    alone: not on σ, on the size of the batches or on the device. Two models of the same fields and
    width meet the same noise.
    """

    def __init__(self, sigma: float, seed: Sequence[int]) -> None:
        self._sigma = sigma
        self._random = np.random.default_rng(seed)

    def __call__(self, x: Tensor) -> Tensor:
        """[B, F, D] -> [B, F, D]."""
        noise = self._random.standard_normal(tuple(x.shape), dtype=np.float32)
        return x + self._sigma * torch.from_numpy(noise).to(x.device, x.dtype)


def noise_curve(
    model: ContextRecommender,
    loader: Loader,
    sigmas: Sequence[float],
    repeats: int = 5,
    seed: int = 2020,
) -> list[dict[str, Any]]:
    """AUC and LogLoss of a part under noise of each standard deviation.

    Args:
        model: a trained model.
        loader: the part; its rows come in one order each time.
        sigmas: standard deviations of the noise, in the embeddings' own unit; 0 is no noise.
        repeats: draws of noise for each of them; repetition r is the same draw for every σ.
        seed: of the draws.

    Returns:
        For each σ plain data: "sigma", "repeats" (1 for σ = 0), the means "auc" and "logloss" and
        their standard deviations (n − 1) "auc_std" and "logloss_std", None for a single draw.

    Raises:
        ConfigError: see `input_embeddings`.
    """
    curve = []
    for sigma in sigmas:
        draws = range(repeats if sigma else 1)
        values = [_disturbed(model, loader, GaussianNoise(sigma, [seed, r])) for r in draws]
        point: dict[str, Any] = {"sigma": sigma, "repeats": len(values)}
        for name, column in zip(("auc", "logloss"), zip(*values, strict=True), strict=True):
            point[name] = fmean(column)
            point[f"{name}_std"] = float(np.std(column, ddof=1)) if len(column) > 1 else None
        curve.append(point)
    return curve


def _disturbed(
    model: ContextRecommender, loader: Loader, noise: GaussianNoise
) -> tuple[float, float]:
    with input_embeddings(model, noise):
        predictions = collect(model, loader)
    return auc(predictions.click, predictions.label), log_loss(predictions.click, predictions.label)
