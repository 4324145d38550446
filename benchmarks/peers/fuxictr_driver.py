"""FuxiCTR 2.3.10 as a side of a comparison; run by the Python of its own environment.

Its wheel ships DCNv2 for behaviour sequences only; the plain model is put together here from
FuxiCTR's own blocks, as its documentation says models are made. Its loader, training loop and
evaluation are FuxiCTR's. Rows come encoded from this project.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from fuxictr.features import FeatureMap
from fuxictr.pytorch.dataloaders import RankDataLoader
from fuxictr.pytorch.layers import CrossNetV2, FeatureEmbedding, MLP_Block
from fuxictr.pytorch.models import BaseModel
from serve import TimedPass, serve
from torch import nn

NEVER = 10**9


class DCNv2(BaseModel):
    """Cross layers and an MLP side by side."""

    def __init__(self, feature_map: FeatureMap, options: dict[str, Any], folder: Path) -> None:
        super().__init__(
            feature_map, model_id="DCNv2", eval_steps=NEVER, verbose=0, model_root=str(folder),
            metrics=["AUC", "logloss"],
        )  # fmt: skip
        size, hidden = options["embedding_size"], options["mlp_hidden_size"]
        self.embedding_layer = FeatureEmbedding(feature_map, size)
        width = size * feature_map.num_fields
        self.crossnet = CrossNetV2(width, options["cross_layer_num"])
        self.mlp = MLP_Block(
            input_dim=width, hidden_units=hidden, dropout_rates=options["dropout_prob"]
        )
        self.fc = nn.Linear(width + hidden[-1], 1)
        self.compile("adam", "binary_crossentropy", float(options["learning_rate"]))
        self.model_to_device()

    def forward(self, inputs: Any) -> dict[str, torch.Tensor]:
        x = self.embedding_layer(self.get_inputs(inputs), flatten_emb=True)  # [B, F·D]
        both = torch.cat([self.crossnet(x), self.mlp(x)], dim=-1)
        return {"y_pred": self.output_activation(self.fc(both))}  # [B, 1]


class FuxiCTRDriver:
    """DCNv2 on exported rows."""

    def open(
        self, dataset: str, files: list[str], export: dict[str, Any], **_: Any
    ) -> dict[str, Any]:
        """Read the rows and build the model."""
        settings: dict[str, Any] = {}
        for file in files:
            settings |= yaml.safe_load(Path(file).read_text())
        start = time.perf_counter()
        arrays = np.load(export["path"])
        self.parts = {
            part: {name: arrays[f"{part}/{name}"] for name in [*export["fields"], export["label"]]}
            for part in ("train", "test")
        }
        folder = Path.cwd()
        features = []
        for name, size in export["fields"].items():
            spec = {"source": "", "type": "categorical", "vocab_size": size, "padding_idx": 0}
            column = self.parts["train"][name]
            if column.ndim > 1:
                spec |= {"type": "sequence", "max_len": column.shape[1],
                         "feature_encoder": "layers.MaskedAveragePooling()"}  # fmt: skip
            features.append({name: spec})
        text = {"dataset_id": dataset, "labels": [export["label"]], "features": features}
        (folder / "feature_map.json").write_text(json.dumps(text))
        self.feature_map = FeatureMap(dataset, str(folder))
        self.feature_map.load(
            str(folder / "feature_map.json"), {"embedding_dim": settings["embedding_size"]}
        )
        self.batch_size = settings["train_batch_size"]
        self.model = DCNv2(self.feature_map, settings, folder)
        Path(self.model.checkpoint).parent.mkdir(parents=True, exist_ok=True)
        self.model.save_weights(self.model.checkpoint)  # fit ends with loading them
        self.test_loader = self._loader("test", None)
        return {
            "seconds": time.perf_counter() - start,
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }

    def _loader(self, part: str, rows: Any) -> Any:
        """FuxiCTR's loader of some rows of a part, which it reads from a file."""
        columns = self.parts[part]
        path = str(Path.cwd() / f"{part}.npz")
        np.savez(path, **{n: c if rows is None else c[rows] for n, c in columns.items()})
        kwargs = {"batch_size": self.batch_size, "shuffle": part == "train"}
        if part == "test":
            return RankDataLoader(self.feature_map, stage="test", test_data=path, **kwargs)
        return RankDataLoader(self.feature_map, stage="train", train_data=path, **kwargs)[0]

    def train(self, steps: int) -> dict[str, Any]:
        """An epoch on as many random rows as `steps` batches take."""
        total = len(self.parts["train"]["user_id"])
        rows = np.random.default_rng().permutation(total)[: steps * self.batch_size]
        loader = TimedPass(self._loader("train", rows))
        self.model.fit(loader, epochs=1)
        return {"seconds": loader.seconds, "rows": len(rows)}

    def evaluate(self) -> dict[str, Any]:
        """The metrics of the test part."""
        start = time.perf_counter()
        values = self.model.evaluate(self.test_loader)
        seconds = time.perf_counter() - start
        return {
            "seconds": seconds, "rows": len(self.parts["test"]["user_id"]),
            "values": {name: float(value) for name, value in values.items()},
        }  # fmt: skip


if __name__ == "__main__":
    serve(FuxiCTRDriver())
