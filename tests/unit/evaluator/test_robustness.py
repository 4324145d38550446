"""Noise on the input embeddings: none changes nothing, and the same seed is the same noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.evaluator import collect
from recbole.evaluator.robustness import GaussianNoise, noise_curve
from recbole.evaluator.value_metrics import auc, log_loss
from recbole.model.input_embeddings import input_embeddings
from recbole.utils import init_seed


def prepared(options, model="WideDeep"):
    """A model, untrained, and the test part."""
    config = Config(model, "toy", config_dict=options)
    init_seed(config["seed"], config["reproducibility"])
    test = data_preparation(config, create_dataset(config))[2]
    return config.model_class(config, test.dataset), test


@pytest.mark.parametrize("model", ["WideDeep", "EulerNet"])
@pytest.mark.parametrize("multi_cls", [None, 5])
def test_noise_of_zero_changes_nothing(toy, model, multi_cls):
    network, test = prepared({**toy, "multi_cls": multi_cls}, model)
    plain = collect(network, test)
    with input_embeddings(network, GaussianNoise(0.0, [1, 2])):
        disturbed = collect(network, test)
    assert torch.equal(plain.click, disturbed.click)
    (point,) = noise_curve(network, test, [0.0])
    assert point["auc"] == auc(plain.click, plain.label)
    assert point["logloss"] == log_loss(plain.click, plain.label)
    assert (point["repeats"], point["auc_std"]) == (1, None)


def test_noise_is_gone_afterwards(toy):
    network, test = prepared(toy)
    before = collect(network, test)
    noise_curve(network, test, [0.5], repeats=1)
    assert torch.equal(collect(network, test).click, before.click)


def test_means_over_repeats(toy):
    network, test = prepared(toy)
    values = []
    for repeat in range(3):
        with input_embeddings(network, GaussianNoise(0.3, [9, repeat])):
            predictions = collect(network, test)
        values.append(auc(predictions.click, predictions.label))
    assert len(set(values)) == 3
    (point,) = noise_curve(network, test, [0.3], repeats=3, seed=9)
    assert point["auc"] == pytest.approx(np.mean(values))
    assert point["auc_std"] == pytest.approx(np.std(values, ddof=1))
    assert point["repeats"] == 3
    assert noise_curve(network, test, [0.3], repeats=3, seed=9) == [point]
    assert noise_curve(network, test, [0.3], repeats=3, seed=8) != [point]


def test_noise_does_not_depend_on_the_batches(toy):
    network, test = prepared(toy)
    curves = []
    for batch_size in (7, 4096):
        test.batch_size = batch_size
        curves.append(noise_curve(network, test, [0.3], repeats=2)[0])
    assert curves[0]["auc"] == pytest.approx(curves[1]["auc"], abs=1e-6)
    assert curves[0]["logloss"] == pytest.approx(curves[1]["logloss"], abs=1e-6)


def test_noise_is_gaussian_of_that_size():
    x = torch.full((2000, 5, 4), 3.0)
    noise = GaussianNoise(0.25, [1])(x) - x
    assert noise.mean().item() == pytest.approx(0, abs=0.005)
    assert noise.std().item() == pytest.approx(0.25, rel=0.02)
    assert (noise.abs() > 0.5).double().mean().item() == pytest.approx(0.0455, abs=0.006)
    double = GaussianNoise(0.5, [1])(x) - x  # the same draw, whatever σ
    torch.testing.assert_close(double, 2 * noise, atol=1e-5, rtol=1e-4)
