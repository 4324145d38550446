"""RecBole 1.2.1 as a side of a comparison; run by the Python of its own environment.

Only what RecBole gives its users is called: Config, data sets and loaders, get_model, and the
Trainer's fit and evaluate.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import torch
from recbole.data.dataloader import NegSampleEvalDataLoader, TrainDataLoader
from serve import TimedPass, serve

from recbole.config import Config
from recbole.data import create_dataset, create_samplers, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

sys.argv = sys.argv[:1]  # Config reads it


class RecBoleDriver:
    """One model on one data set."""

    def open(
        self, model: str, dataset: str, files: list[str], options: dict[str, Any]
    ) -> dict[str, Any]:
        """Read the data and build the model."""
        self._source = (model, dataset, files, options)
        config = self._configured({})
        init_seed(config["seed"], config["reproducibility"])
        start = time.perf_counter()
        self.train_data, _, self.test_data = data_preparation(config, create_dataset(config))
        seconds = time.perf_counter() - start
        self.model = get_model(model)(config, self.train_data._dataset).to(config["device"])
        self.trainer = get_trainer(config["MODEL_TYPE"], model)(config, self.model)
        self.config = config
        return {
            "seconds": seconds,
            "train_rows": len(self.train_data._dataset),
            "eval_rows": len(self.test_data._dataset),
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "device": str(config["device"]),
        }

    def _configured(self, changes: dict[str, Any]) -> Config:
        model, dataset, files, options = self._source
        fixed = {"epochs": 1, "show_progress": False}
        return Config(model, dataset, files, {**options, **fixed, **changes})

    def train(self, steps: int | None = None) -> dict[str, Any]:
        """An epoch on as many random rows as `steps` batches take, if there are so many."""
        dataset = self.train_data._dataset
        if steps is not None:
            rows = torch.randperm(len(dataset))[: steps * self.config["train_batch_size"]]
            dataset = dataset.copy(dataset.inter_feat[rows])
        loader = TimedPass(TrainDataLoader(self.config, dataset, None, shuffle=True))
        self.trainer.fit(loader, saved=False, verbose=False)
        return {"seconds": loader.seconds, "rows": len(dataset)}

    def evaluate(self) -> dict[str, Any]:
        """The metrics of the test part."""
        start = time.perf_counter()
        values = self.trainer.evaluate(self.test_data, load_best_model=False)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "rows": len(self.test_data._dataset), "values": dict(values)}

    def rank(self, negatives: int, topk: list[int]) -> dict[str, Any]:
        """The test part's positives ranked among sampled negatives, drawing them included.

        RecBole takes every row of a part for a positive; those that are none are left out first.
        """
        config = self._configured(
            {"eval_args": {**self.config["eval_args"], "mode": f"uni{negatives}"},
             "metrics": ["NDCG", "Recall"], "topk": topk, "valid_metric": f"NDCG@{topk[0]}"}
        )  # fmt: skip
        dataset = create_dataset(config)
        parts = dataset.build()
        _, _, sampler = create_samplers(config, dataset, parts)
        rows = parts[2].inter_feat
        positives = parts[2].copy(rows[rows[config["LABEL_FIELD"]] == 1])
        trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, self.model)
        start = time.perf_counter()
        loader = NegSampleEvalDataLoader(config, positives, sampler, shuffle=False)
        values = trainer.evaluate(loader, load_best_model=False)
        seconds = time.perf_counter() - start
        count = len(positives) * (1 + negatives)
        return {"seconds": seconds, "rows": count, "values": dict(values)}


if __name__ == "__main__":
    serve(RecBoleDriver())
