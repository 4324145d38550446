"""Batch normalisation never meets a single row: it joins another batch, or is refused."""

from pathlib import Path

import pytest

from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.errors import ConfigError
from recbole.quick_start import run_recbole

SMALL = {"epochs": 1, "mlp_hidden_size": [8]}


def training_rows(options):
    config = Config("NFM", "toy", config_dict=options)
    return data_preparation(config, create_dataset(config))[0].num_rows


@pytest.mark.parametrize("model", ["DCNV2", "NFM"])
def test_a_row_left_by_itself_is_trained_on(toy, model):
    rows = training_rows(toy)
    size = next(size for size in range(20, 300) if rows % size == 1)
    options = {**toy, **SMALL, "train_batch_size": size}
    assert run_recbole(model, "toy", config_dict=options)["test_result"]["auc"] > 0


@pytest.mark.parametrize("seeds", [None, [1, 2]])
@pytest.mark.parametrize("model", ["DCNV2", "NFM"])
def test_batches_of_one_row_are_refused_before_training(toy, model, seeds):
    options = {**toy, **SMALL, "train_batch_size": 1, "seeds": seeds, "seeds_together": True}
    expected = f"'train_batch_size': {model} has batch normalisation.* at least 2 rows .* got 1"
    with pytest.raises(ConfigError, match=expected):
        run_recbole(model, "toy", config_dict=options)
    assert not Path("saved").exists()


def test_other_models_take_batches_of_one_row(toy):
    options = {**toy, **SMALL, "train_batch_size": 1, "load_col": {"inter": "*"}}
    assert run_recbole("WideDeep", "toy", config_dict=options)["test_result"]["auc"] > 0
