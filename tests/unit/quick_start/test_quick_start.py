"""Runs from Python: RecBole's dictionary, RecBole's script, classes of one's own."""

from pathlib import Path

import pytest
import torch
from torch import nn

from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.errors import ConfigError
from recbole.model.abstract_recommender import ContextRecommender
from recbole.model.layers import MLPLayers
from recbole.quick_start import (
    load_data_and_model,
    objective_function,
    resume,
    run,
    run_recbole,
)
from recbole.utils import get_model, get_trainer, init_logger, init_seed

KEYS = ["best_valid_score", "valid_score_bigger", "best_valid_result", "test_result"]


def test_the_dictionary(toy):
    result = run_recbole(model="WideDeep", dataset="toy", config_dict=toy)
    assert list(result) == KEYS
    assert result["valid_score_bigger"] is True
    assert result["best_valid_score"] == result["best_valid_result"]["auc"]
    assert set(result["test_result"]) == set(result["best_valid_result"])


def test_the_script_that_recbole_documents(toy):
    config = Config(model="WideDeep", dataset="toy", config_dict=toy)
    init_seed(config["seed"], config["reproducibility"])
    init_logger(config)
    dataset = create_dataset(config)
    train_data, valid_data, test_data = data_preparation(config, dataset)
    init_seed(config["seed"], config["reproducibility"])
    model = get_model(config["model"])(config, train_data.dataset).to(config["device"])
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    best_valid_score, best_valid_result = trainer.fit(train_data, valid_data)
    test_result = trainer.evaluate(test_data)

    whole = run_recbole("WideDeep", "toy", config_dict=toy)
    assert whole["test_result"] == test_result
    assert whole["best_valid_score"] == best_valid_score
    assert whole["best_valid_result"] == best_valid_result


def test_another_seed_gives_another_split_and_model(toy):
    results = [run_recbole("NFM", "toy", config_dict={**toy, "seed": seed}) for seed in (1, 1, 2)]
    assert results[0] == results[1]
    assert results[0]["test_result"] != results[2]["test_result"]


def test_objective_function(toy):
    result = objective_function({**toy, "model": "NFM", "dataset": "toy"}, saved=False)
    assert list(result) == ["model", *KEYS]
    assert result["model"] == "NFM"
    assert not Path("saved").exists()


def test_several_processes_are_refused(toy):
    with pytest.raises(ConfigError, match="a run is one process so far, got nproc=1, world_size=4"):
        run("NFM", "toy", config_dict=toy, world_size=4)


def test_a_loaded_model_predicts_in_evaluation_mode(toy):
    result = run_recbole("DCNV2", "toy", config_dict={**toy, "mlp_hidden_size": [8]})
    (path,) = Path("saved").glob("*.pth")
    config, model, dataset, train_data, valid_data, test_data = load_data_and_model(path)
    assert not model.training
    assert len(dataset) == sum(loader.num_rows for loader in (train_data, valid_data, test_data))
    click = torch.cat([model.predict(batch) for batch in test_data])
    label = torch.cat([batch["label"] for batch in test_data])
    mae = (click - label).abs().mean().item()
    assert mae == pytest.approx(result["test_result"]["mae"], abs=1e-4)
    assert config["mlp_hidden_size"] == [8]


class WrittenForRecBole(ContextRecommender):
    """A model in RecBole's way: its own loss and prediction, options read by name."""

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        sizes = [self.embedding_size * self.num_feature_field, *config["mlp_hidden_size"]]
        self.mlp_layers = MLPLayers(sizes, config["dropout_prob"])
        self.output = nn.Linear(sizes[-1], 1)
        self.sigmoid = nn.Sigmoid()
        self.loss = nn.BCEWithLogitsLoss()

    def forward(self, interaction):
        x = self.concat_embed_input_fields(interaction)
        deep = self.output(self.mlp_layers(x.view(x.shape[0], -1)))
        return (self.first_order_linear(interaction) + deep).squeeze(-1)

    def calculate_loss(self, interaction):
        return self.loss(self.forward(interaction), interaction[self.LABEL])

    def predict(self, interaction):
        return self.sigmoid(self.forward(interaction))


def test_a_class_written_for_recbole_runs_and_comes_back(toy):
    options = {**toy, "mlp_hidden_size": [8], "dropout_prob": 0.1}
    result = run_recbole(WrittenForRecBole, "toy", config_dict=options)
    (path,) = Path("saved").glob("WrittenForRecBole-*.pth")
    with pytest.raises(ConfigError, match="Unknown model 'WrittenForRecBole'"):
        load_data_and_model(path)
    _, model, *_ = load_data_and_model(path, WrittenForRecBole)
    assert isinstance(model, WrittenForRecBole)
    again = resume(path, WrittenForRecBole)
    assert again["test_result"] == result["test_result"]


def test_a_class_written_for_recbole_has_no_rating_head(toy):
    options = {**toy, "mlp_hidden_size": [8], "dropout_prob": 0.1, "multi_cls": 5}
    with pytest.raises(ConfigError, match="implement logits"):
        run_recbole(WrittenForRecBole, "toy", config_dict=options)
