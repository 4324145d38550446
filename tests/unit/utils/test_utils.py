"""Seeds, look-ups and logging under RecBole's names."""

import logging
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from recbole.config import Config
from recbole.errors import ConfigError
from recbole.model.context_aware_recommender.dcnv2 import DCNV2
from recbole.trainer import Trainer
from recbole.utils import ModelType, get_model, get_trainer, init_logger, init_seed


def draws():
    return random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002


def test_one_seed_for_all_generators():
    init_seed(7, True)
    first = draws()
    init_seed(7, True)
    assert draws() == first
    init_seed(8, True)
    assert all(a != b for a, b in zip(draws(), first, strict=True))


@pytest.mark.parametrize("reproducibility", [True, False])
def test_reproducibility_chooses_deterministic_algorithms(reproducibility):
    init_seed(7, reproducibility)
    assert torch.are_deterministic_algorithms_enabled() is reproducibility
    assert torch.backends.cudnn.deterministic is reproducibility
    init_seed(7, False)


def test_models_and_trainers_by_name():
    assert get_model("DCNV2") is DCNV2
    assert get_trainer(ModelType.CONTEXT, "DCNV2") is Trainer
    with pytest.raises(ConfigError, match="Did you mean 'AutoInt'"):
        get_model("Autoint")
    with pytest.raises(ValueError, match=r"expected ModelType\.CONTEXT"):
        get_trainer(ModelType.GENERAL, "BPR")


def test_log_lines_go_to_a_file_from_their_level_on(toy, capsys):
    config = Config("NFM", "toy", config_dict={**toy, "state": "warning"})
    path = init_logger(config)
    assert path == Path("log/NFM") / f"{config.run_name}.log"
    logger = logging.getLogger("recbole.anything")
    logger.info("quiet")
    logger.warning("loud")
    assert path.read_text().endswith(" WARNING loud\n")
    assert "quiet" not in path.read_text()
    assert capsys.readouterr().err.count("loud") == 1

    second = init_logger(Config("NFM", "toy", config_dict=toy))
    logger.info("next run")
    assert "next run" not in path.read_text()
    assert "next run" in second.read_text()
