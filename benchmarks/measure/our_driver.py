"""This checkout as a side of a comparison: the same requests as the drivers in `peers/`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch

from recbole.config import Config
from recbole.data import Loader, create_dataset, data_preparation
from recbole.trainer import Trainer
from recbole.utils import init_seed

sys.path.insert(0, str(Path(__file__).parents[1] / "peers"))
from serve import serve  # noqa: E402


class OurDriver:
    """One model on one data set."""

    def open(
        self, model: str, dataset: str, files: list[str], options: dict[str, Any]
    ) -> dict[str, Any]:
        """Read the data and build the model."""
        config = Config(model, dataset, files, {**options, "epochs": 0, "show_progress": False})
        init_seed(config["seed"], config["reproducibility"])
        start = time.perf_counter()
        self.train_data, _, self.test_data = data_preparation(config, create_dataset(config))
        seconds = time.perf_counter() - start
        network = config.model_class(config, self.train_data.dataset).to(config.device)
        self.trainer = Trainer(config, network)
        self.config = config
        return {
            "seconds": seconds,
            "train_rows": self.train_data.num_rows,
            "eval_rows": self.test_data.num_rows,
            "parameters": self.trainer.record.parameters,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }

    def train(self, steps: int | None = None) -> dict[str, Any]:
        """An epoch on as many random rows as `steps` batches take; on all without it."""
        loader = self.train_data
        if steps is not None:
            dataset, batch_size = loader.dataset, loader.batch_size
            rows = torch.randperm(len(dataset))[: steps * batch_size]
            part = dataset.copy(dataset.inter_feat.take(rows))
            loader = Loader(
                part, batch_size, True, self.config.device, self.config.environment.seed
            )
        trainer = self.trainer
        trainer.options = trainer.options.model_copy(update={"epochs": trainer.epoch + 1})
        trainer.fit(loader, saved=False, verbose=False)
        return {"seconds": trainer.record.epochs[-1].train_seconds, "rows": loader.num_rows}

    def evaluate(self) -> dict[str, Any]:
        """The metrics of the test part."""
        start = time.perf_counter()
        values = self.trainer.evaluate(self.test_data, load_best_model=False)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "rows": self.test_data.num_rows, "values": values}


if __name__ == "__main__":
    serve(OurDriver())
