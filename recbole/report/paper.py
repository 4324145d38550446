"""What the paper reports, to stand beside what is measured here: configs/paper/figures.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recbole.config.sources import config_file
from recbole.config.yaml_values import read_file
from recbole.errors import ConfigError

Pair = tuple[float, float]


@dataclass(frozen=True)
class PaperFigures:
    """The paper's figures for one data set.

    Attributes:
        metrics: model -> metric -> (original, with the rating head); % and LogLoss × 100.
        seconds: epoch, training and evaluation -> (original, with the rating head).
    """

    metrics: Mapping[str, Mapping[str, Pair]]
    seconds: Mapping[str, Pair]

    @classmethod
    def of(cls, dataset: str) -> PaperFigures:
        """Those for a data set; empty where the paper has not used it.

        Raises:
            ConfigError: the file with the figures is missing.
        """
        path = config_file("paper/figures.yaml")
        if path is None:
            raise ConfigError("The file configs/paper/figures.yaml does not exist")
        found: dict[str, Any] = read_file(path)
        metrics = found["metrics"].get(dataset, {})
        return cls(
            {model: {m: _pair(v) for m, v in values.items()} for model, values in metrics.items()},
            {name: _pair(v) for name, v in found["seconds"].get(dataset, {}).items()},
        )


def _pair(values: list[float]) -> Pair:
    before, after = values
    return before, after
