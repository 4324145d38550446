"""This checkout as a side of a comparison: the same requests as the drivers in `peers/`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recbole.config import Config
from recbole.data import Loader, create_dataset, data_preparation
from recbole.data.candidates import draw
from recbole.evaluator import Evaluator
from recbole.trainer import Trainer
from recbole.utils import init_seed

sys.path.insert(0, str(Path(__file__).parents[1] / "peers"))
from serve import serve


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
            "device": str(config.device),
        }

    def first_batch(self) -> dict[str, Any]:
        """A batch of the training part, and no more."""
        return {"rows": len(next(self.train_data.batches()))}

    def train(self, steps: int | None = None) -> dict[str, Any]:
        """An epoch on as many random rows as `steps` batches take, if there are so many."""
        loader, trainer = self._loader(steps), self.trainer
        trainer.options = trainer.options.model_copy(update={"epochs": trainer.epoch + 1})
        trainer.fit(loader, saved=False, verbose=False)
        return {"seconds": trainer.record.epochs[-1].train_seconds, "rows": loader.num_rows}

    def batches_trained(self, steps: int) -> Iterator[int]:
        """Train on as many random rows, batch by batch, as an epoch does: the rows of each."""
        trainer = self.trainer
        trainer.model.train()
        for batch in self._loader(steps).batches():
            if trainer.losses.add(trainer._step_in_graph(batch)):
                trainer._check_finite(self.train_data)  # a diverged model's steps are no figure
            yield len(batch)

    def _loader(self, steps: int | None) -> Loader:
        if steps is None:
            return self.train_data
        dataset, batch_size = self.train_data.dataset, self.train_data.batch_size
        rows = torch.randperm(len(dataset))[: steps * batch_size]
        part = dataset.copy(dataset.inter_feat.take(rows))
        return Loader(part, batch_size, True, self.config.device, self.config.environment.seed)

    def evaluate(self) -> dict[str, Any]:
        """The metrics of the test part."""
        start = time.perf_counter()
        values = self.trainer.evaluate(self.test_data, load_best_model=False)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "rows": self.test_data.num_rows, "values": values}

    def rank(self, negatives: int, topk: list[int]) -> dict[str, Any]:
        """The test part's positives ranked among sampled negatives, drawing them included."""
        mode = f"uni{negatives}"
        evaluation = self.config.evaluation.model_copy(
            update={"metrics": ["NDCG", "Recall"], "topk": topk, "valid_metric": f"NDCG@{topk[0]}"}
        )
        start = time.perf_counter()
        multi = self.trainer.model.head.num_logits > 1
        evaluator = Evaluator(evaluation, multi, {"valid": mode, "test": mode})
        candidates = draw(self.test_data.dataset, mode, self.config.environment.seed)
        evaluator.use(self.test_data, candidates)
        values = evaluator.evaluate_part(self.trainer.model, self.test_data)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "rows": len(candidates), "values": values}

    def export(self, path: str) -> dict[str, Any]:
        """Write the encoded training and test rows, for peers that have no reader of their own.

        Arrays `train/<field>` and `test/<field>` of int64 ids, [N] or [N, L] padded with 0.
        """
        schema = self.train_data.dataset.schema
        fields = {field.name: field.size for field in schema.fields}
        arrays: dict[str, Any] = {}
        for part, loader in (("train", self.train_data), ("test", self.test_data)):
            batch = loader.gather(torch.arange(loader.num_rows, device=loader.device))
            for name in [*fields, schema.target.label_field]:
                arrays[f"{part}/{name}"] = np.asarray(batch[name].cpu()).astype(np.int64)
        np.savez(path, **arrays)
        return {"fields": fields, "label": schema.target.label_field}


if __name__ == "__main__":
    serve(OurDriver())
