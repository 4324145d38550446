"""RecBole 1.2.1 as a side of the comparison; run by the Python of its own environment.

Only what RecBole documents is called: Config, create_dataset, data_preparation, get_model,
Trainer.fit and Trainer.evaluate.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.dataloader import TrainDataLoader
from recbole.utils import get_model, get_trainer, init_seed
from serve import TimedPasses, serve


class RecBoleDriver:
    """One model on one data set."""

    def open(
        self, model: str, dataset: str, files: list[str], options: dict[str, Any]
    ) -> dict[str, Any]:
        """Read the data and build the model."""
        sys.argv = sys.argv[:1]
        config = Config(model, dataset, files, {**options, "epochs": 1, "show_progress": False})
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
        }

    def train(self, steps: int | None = None) -> dict[str, Any]:
        """An epoch on as many random rows as `steps` batches take; on all without it."""
        dataset = self.train_data._dataset
        if steps is not None:
            rows = torch.randperm(len(dataset))[: steps * self.config["train_batch_size"]]
            dataset = dataset.copy(dataset.inter_feat[rows])
        loader = TimedPasses(TrainDataLoader(self.config, dataset, None, shuffle=True))
        self.trainer.fit(loader, saved=False, verbose=False)
        return {"seconds": loader.seconds, "rows": len(dataset)}

    def evaluate(self) -> dict[str, Any]:
        """The metrics of the test part."""
        start = time.perf_counter()
        values = self.trainer.evaluate(self.test_data, load_best_model=False)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "rows": len(self.test_data._dataset), "values": dict(values)}


if __name__ == "__main__":
    serve(RecBoleDriver())
