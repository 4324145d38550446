"""Which runs reproduce the paper's experiments, and which of its tables each belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recbole.config.sources import config_file
from recbole.errors import ConfigError, did_you_mean
from recbole.model.head import SupervisionOptions
from recbole.model.registry import MODEL_NAMES
from recbole.sweep.cell import Cell
from recbole.sweep.grid import Grid

#: In the order of the paper's tables.
MODELS = ("WideDeep", "NFM", "xDeepFM", "AutoInt", "FiGNN", "DCNV2", "EulerNet")
SEEDS = (2020, 2021, 2022, 2023, 2024)
RATIOS = (0.1, 0.3, 0.5, 0.7, 0.9)
#: λ of the rating head in all tables; the ratios are those of Figure 4.
RATIO = 0.7

_SMOOTH: dict[str, Any] = {"multi_cls": 5, "multi_ratio": RATIO}
ORIGINAL, SMOOTH, LOGIT = "original", "smooth", "smooth, logits added"

#: Options that a reproduction goes through, and what says which values.
_GONE_THROUGH = {"model": "models", "seed": "seeds", "multi_ratio": "ratios"}
#: What the tables and figures compare, or need.
_COMPARED = {*SupervisionOptions.model_fields, "track_norms"}

#: What is measured of the models that the figures show.
_DETAILS = ("norms", "robustness", "lipschitz")


@dataclass(frozen=True)
class Reproduction:
    """What is to be reproduced.

    Attributes:
        dataset: its name.
        models: those of the tables.
        detail: those of the figures, of the steepness and of the ratios.
        seeds: of every run.
        ratios: λ of Figure 4.
        ablated: the models of the ablation table, as far as there is a file of variants for them
            (`configs/ablations/<dataset>-<model>.yaml`).
        options: of every run, over the settings in configs/; none that the tables compare.
        quick: whether this is the short form, which shows that everything works and no more.
    """

    dataset: str
    models: Sequence[str] = MODELS
    detail: Sequence[str] = ("DCNV2", "WideDeep")
    seeds: Sequence[int] = SEEDS
    ratios: Sequence[float] = RATIOS
    ablated: Sequence[str] = ("DCNV2",)
    options: Mapping[str, Any] = field(default_factory=dict)
    quick: bool = False

    def __post_init__(self) -> None:
        for option, names in (("models", self.models), ("detail", self.detail)):
            for name in names:
                if name not in MODEL_NAMES:
                    raise ConfigError(
                        f"Option '{option}': expected some of {', '.join(MODELS)}, got {name!r}."
                        f"{did_you_mean(name, MODELS)}"
                    )
        for name in self.options:
            if name in _GONE_THROUGH:
                raise ConfigError(
                    f"Option '{name}': a reproduction goes through several."
                    f" Did you mean '{_GONE_THROUGH[name]}'?"
                )
            if name in _COMPARED:
                raise ConfigError(
                    f"Option '{name}' is one that the tables compare, so that it cannot be the same"
                    " for every run; recbole sweep runs other values"
                )

    @classmethod
    def short(cls, dataset: str, **chosen: Any) -> Reproduction:
        """Two models, two seeds, three ratios, twelve epochs: minutes on two cores."""
        defaults: dict[str, Any] = {
            "models": ("DCNV2", "WideDeep"),
            "seeds": SEEDS[:2],
            "ratios": (0.1, RATIO),
            "detail": ("WideDeep",),
        }
        options = {"epochs": 12, **chosen.pop("options", {})}
        return cls(dataset, options=options, quick=True, **{**defaults, **chosen})

    @property
    def detailed(self) -> list[str]:
        """The models of the figures that are among those of the tables."""
        return [name for name in self.models if name in self.detail]

    def cells(self) -> list[Cell]:
        """Every run, the first seed of all first; some stand in several tables, and here twice."""
        return [cell for seed in self.seeds for cell in self._cells_of(seed)]

    def of(self, model: str, variant: str) -> list[Cell]:
        """The runs of one model and variant, a seed each."""
        return [c for c in self.cells() if (c.model, c.variant) == (model, variant)]

    def ablations(self, model: str) -> dict[str, dict[str, Any]]:
        """The variants of a model's ablations, by name."""
        if model not in self.ablated or model not in self.models:
            return {}
        path = config_file(f"ablations/{self.dataset}-{model}.yaml")
        variants = {} if path is None else Grid.read(path).variants
        # Such a file names what it compares with, too; these are in every table anyway.
        return {name: dict(v) for name, v in variants.items() if v not in ({}, _SMOOTH)}

    def _cells_of(self, seed: int) -> list[Cell]:
        cells = []
        for model in self.models:
            in_detail = model in self.detailed
            pair = Cell(
                model=model,
                dataset=self.dataset,
                seed=seed,
                options=self.options,
                config_files=self._settings(model),
                measures=("ranking", *(_DETAILS if in_detail else ())),
            )
            variants: dict[str, dict[str, Any]] = {
                ORIGINAL: {},
                SMOOTH: _SMOOTH,
                LOGIT: {**_SMOOTH, "multi_agg": "logit"},
            }
            if in_detail:
                variants |= {ratio_name(r): {**_SMOOTH, "multi_ratio": r} for r in self.ratios}
            variants |= {ablation_name(n): o for n, o in self.ablations(model).items()}
            for name, options in variants.items():
                cell = replace(pair, variant=name, options={**pair.options, **options})
                # A point of Figure 4 is the smooth run itself, and so takes the same options.
                measured = (ORIGINAL, SMOOTH, ratio_name(RATIO))
                if name not in measured:
                    cell = replace(cell, measures=())
                elif "norms" in cell.measures:
                    cell = replace(cell, options={**cell.options, "track_norms": True})
                cells.append(cell)
        return cells

    def _settings(self, model: str) -> tuple[str, ...]:
        """The files of the paper's settings for the data set, or else those of its own folder."""
        shared = config_file("paper/shared.yaml")
        own = config_file(f"paper/{self.dataset}-{model}.yaml")
        if shared is not None and own is not None:
            return as_typed(shared), as_typed(own)
        other = config_file(f"{self.dataset}/{model}.yaml")
        if other is None:
            raise ConfigError(
                f"There are no settings for {model} on {self.dataset}: expected"
                f" configs/paper/{self.dataset}-{model}.yaml or configs/{self.dataset}/{model}.yaml"
            )
        return (as_typed(other),)


def ratio_name(ratio: float) -> str:
    """The variant of one point of Figure 4."""
    return f"smooth, λ = {ratio:g}"


def ablation_name(name: str) -> str:
    """The variant of one line of the ablation table."""
    return f"ablation: {name}"


def as_typed(path: Path) -> str:
    """A path as it is typed: from the working directory, where it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
