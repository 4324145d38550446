"""DeepCTR-Torch 0.3.0 as a side of a comparison; run by the Python of its own environment.

Its DCN with full matrices is DCNV2, with a first-order part added. Rows come encoded from this
project.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from deepctr_torch.inputs import SparseFeat, VarLenSparseFeat
from deepctr_torch.models import DCN
from serve import serve


class DeepCTRDriver:
    """DCN on exported rows."""

    def open(self, files: list[str], export: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Read the rows and build the model."""
        settings: dict[str, Any] = {}
        for file in files:
            settings |= yaml.safe_load(Path(file).read_text())
        start = time.perf_counter()
        arrays = np.load(export["path"])
        names, self.label = list(export["fields"]), export["label"]
        self.parts = {
            part: {name: arrays[f"{part}/{name}"] for name in [*names, self.label]}
            for part in ("train", "test")
        }
        columns = []
        for name, size in export["fields"].items():
            column = SparseFeat(name, size, embedding_dim=settings["embedding_size"])
            array = self.parts["train"][name]
            columns.append(
                column if array.ndim == 1 else VarLenSparseFeat(column, array.shape[1], "mean")
            )
        self.names, self.batch_size = names, settings["train_batch_size"]
        self.model = DCN(
            columns, columns, cross_num=settings["cross_layer_num"],
            cross_parameterization="matrix", dnn_hidden_units=settings["mlp_hidden_size"],
            dnn_dropout=settings["dropout_prob"], l2_reg_linear=0, l2_reg_embedding=0,
            l2_reg_cross=0,
        )  # fmt: skip
        self.model.compile("adam", "binary_crossentropy", metrics=["binary_crossentropy", "auc"])
        return {
            "seconds": time.perf_counter() - start,
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }

    def train(self, steps: int) -> dict[str, Any]:
        """An epoch on as many random rows as `steps` batches take."""
        part = self.parts["train"]
        order = np.random.default_rng().permutation(len(part[self.label]))
        rows = order[: steps * self.batch_size]
        inputs, label = {name: part[name][rows] for name in self.names}, part[self.label][rows]
        start = time.perf_counter()
        self.model.fit(inputs, label, batch_size=self.batch_size, epochs=1, verbose=0)
        return {"seconds": time.perf_counter() - start, "rows": len(rows)}

    def evaluate(self) -> dict[str, Any]:
        """The metrics of the test part."""
        part = self.parts["test"]
        inputs = {name: part[name] for name in self.names}
        start = time.perf_counter()
        values = self.model.evaluate(inputs, part[self.label], batch_size=self.batch_size)
        seconds = time.perf_counter() - start
        return {
            "seconds": seconds, "rows": len(part[self.label]),
            "values": {name: float(value) for name, value in values.items()},
        }  # fmt: skip


if __name__ == "__main__":
    serve(DeepCTRDriver())
