"""A grid of runs: lists of models, data sets, seeds and option values, and named variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from recbole.config.environment import Seed
from recbole.config.messages import describe_errors
from recbole.config.options import Options
from recbole.config.sources import COMMAND_LINE
from recbole.config.yaml_values import read_file
from recbole.errors import ConfigError, did_you_mean
from recbole.sweep.cell import Cell
from recbole.sweep.measures import DEFAULT_MEASURES
from recbole.sweep.option_text import option_text, split_values

#: The axes that every grid has, in the order of the runs: the first seed of everything comes first.
_DATASET, _SEED, _MODEL = "dataset", "seed", "model"
_DEFAULT_SEED = 2020


class GridFile(Options):
    """What a grid file may hold."""

    grid: dict[str, Any] = Field({}, description="{option: list of its values}, all combined")
    variants: dict[str, dict[str, Any] | None] = Field(
        {}, description="{name: options}, each combined with the grid"
    )
    options: dict[str, Any] = Field({}, description="options of every run")
    config_files: list[str] = Field(
        [], description="files of options; {model} and {dataset} stand for their names"
    )
    measures: list[str] | None = Field(None, description="what is measured of a trained model")
    results: str | None = Field(None, description="the folder of the results")
    baseline: str | None = Field(
        None, description="the variant that the others are compared with at the end"
    )


@dataclass(frozen=True)
class Grid:
    """A grid, wherever it was written down.

    Attributes:
        axes: values of each option, all combined.
        variants: named sets of options, each combined with the axes.
        options: options of every run; `final` are those that win over variants and axes too.
        config_files: files of options; `{model}` and `{dataset}` in a path stand for the names.
        measures: names of measures (see `measures.py`); None: the default ones.
        results: the folder of the results; None: the default one.
        baseline: the variant that the others are compared with; None: no comparison.
        source: the file that it was read from, for messages.
        given: the options that the command line gave.
    """

    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    final: Mapping[str, Any] = field(default_factory=dict)
    config_files: Sequence[str] = ()
    measures: Sequence[str] | None = None
    results: str | None = None
    baseline: str | None = None
    source: str = COMMAND_LINE
    given: frozenset[str] = frozenset()

    @classmethod
    def read(cls, path: str | Path) -> Grid:
        """The grid in a YAML file; see `GridFile`.

        Raises:
            ConfigError: the file is missing or malformed; the message says where.
        """
        values = read_file(Path(path))
        unknown = [name for name in values if name not in GridFile.model_fields]
        if unknown:
            raise ConfigError(
                f"{path}: unknown key '{unknown[0]}'; expected {', '.join(GridFile.model_fields)}"
                f".{did_you_mean(unknown[0], GridFile.model_fields)} Options of every run stand"
                " under 'options'"
            )
        try:
            read = GridFile(**values)
        except ValidationError as error:
            lines = describe_errors(error, dict.fromkeys(values, str(path)))
            raise ConfigError("\n".join(lines)) from None
        return cls(
            axes={name: _listed(value) for name, value in read.grid.items()},
            variants={name: options or {} for name, options in read.variants.items()},
            options=read.options,
            config_files=read.config_files,
            measures=read.measures,
            results=read.results,
            baseline=read.baseline,
            source=str(path),
        )

    def with_command_line(self, arguments: Sequence[str]) -> Grid:
        """With options given as `--key=value`, or `--key=value,value` for an axis; they win.

        Raises:
            ConfigError: an argument has another form, or an option is given twice.
        """
        axes, final = dict(self.axes), dict(self.final)
        given: set[str] = set()
        for argument in arguments:
            name, equals, text = argument.removeprefix("--").partition("=")
            if not argument.startswith("--") or not equals or not name:
                raise ConfigError(f"Command line: expected --key=value, got {argument!r}")
            if name in given:
                raise ConfigError(f"Option '{name}' stands twice on the command line")
            given.add(name)
            values = split_values(text, f"Option '{name}' ({COMMAND_LINE})")
            axes.pop(name, None)
            final.pop(name, None)
            if len(values) > 1 or name in (_DATASET, _SEED, _MODEL):
                axes[name] = values
            else:
                final[name] = values[0]
        return replace(self, axes=axes, final=final, given=self.given | given)

    def with_config_files(self, paths: Sequence[str]) -> Grid:
        """With other files of options."""
        return replace(self, config_files=tuple(paths))

    def with_measures(self, names: Sequence[str]) -> Grid:
        """With other measures."""
        return replace(self, measures=tuple(names))

    def only(self, variants: Sequence[str]) -> Grid:
        """With some of the variants; without the baseline, if it is of one that is left out.

        Raises:
            ConfigError: there is no variant of a name.
        """
        for name in variants:
            if name not in self.variants:
                raise ConfigError(
                    f"Option 'variant': expected one of {', '.join(self.variants) or 'none'}, got"
                    f" {name!r}.{did_you_mean(name, self.variants)}"
                )
        chosen = {name: self.variants[name] for name in variants}
        # A run's name goes on with the values of axes: "smooth multi_ratio=0.1".
        left_out = tuple(f"{name} " for name in self.variants if name not in chosen)
        gone = f"{self.baseline} ".startswith(left_out)
        return replace(self, variants=chosen, baseline=None if gone else self.baseline)

    def with_baseline(self, name: str) -> Grid:
        """With another baseline."""
        return replace(self, baseline=name)

    def cells(self) -> list[Cell]:
        """Every run of the grid.

        The seeds are those of the axis; without one the seed that the options name, or else the
        last of the config files that names one.

        Raises:
            ConfigError: there is no model or no data set, or one stands where it names no run; an
                axis has no values; a config file cannot be read; or no run is of the baseline.
        """
        self._check_places()
        axes = dict(self.axes)
        for name, values in axes.items():
            if not values:
                raise ConfigError(f"Option '{name}': expected at least one value, got []")
        datasets = axes.pop(_DATASET, [])
        models = axes.pop(_MODEL, [])
        seeds = axes.pop(_SEED, [None])
        for name, found in ((_MODEL, models), (_DATASET, datasets)):
            if not found:
                raise ConfigError(
                    f"Option '{name}' is required: give --{name}=<name>, several with commas, or"
                    f" name it under 'grid' of a grid file"
                )
        measures = tuple(DEFAULT_MEASURES if self.measures is None else self.measures)
        cells = []
        for dataset, seed, model in product(datasets, seeds, models):
            files = tuple(_filled(path, model, dataset) for path in self.config_files)
            own_seed = _seed(self._default_seed(files) if seed is None else seed)
            for name, variant in (self.variants or {"": {}}).items():
                for values in product(*axes.values()):
                    chosen = dict(zip(axes, values, strict=True))
                    labels = [f"{axis}={option_text(value)}" for axis, value in chosen.items()]
                    options = {**self.options, **variant, **chosen, **self.final}
                    options.pop(_SEED, None)
                    cells.append(
                        Cell(
                            model=_name(model, _MODEL),
                            dataset=_name(dataset, _DATASET),
                            seed=own_seed,
                            variant=" ".join([name, *labels]).strip(),
                            options=options,
                            config_files=files,
                            measures=measures,
                            sources=self._sources(name),
                        )
                    )
        names = list(dict.fromkeys(cell.variant for cell in cells))
        if self.baseline is not None and self.baseline not in names:
            raise ConfigError(
                f"Option 'baseline': expected one of the variants"
                f" {', '.join(map(repr, names))}, got {self.baseline!r}."
                f"{did_you_mean(self.baseline, names)}"
            )
        return cells

    def _sources(self, variant: str) -> dict[str, str]:
        """Where the options of a variant's runs come from."""
        sources = dict.fromkeys(self.options, self.source)
        sources |= dict.fromkeys(self.variants.get(variant, {}), f"{self.source}, '{variant}'")
        sources |= dict.fromkeys(self.axes, self.source)
        return sources | dict.fromkeys(self.given, COMMAND_LINE)

    def _default_seed(self, files: Sequence[str]) -> Any:
        """The seed of a run where there is no axis of seeds."""
        if _SEED in self.options:
            return self.options[_SEED]
        named = [values[_SEED] for path in files if _SEED in (values := read_file(Path(path)))]
        return named[-1] if named else _DEFAULT_SEED

    def _check_places(self) -> None:
        """See that what tells runs apart stands where it does so."""
        places = {f"variant '{name}'": options for name, options in self.variants.items()}
        apart = [(place, name) for place in places for name in (_MODEL, _DATASET, _SEED)]
        apart += [("'options'", name) for name in (_MODEL, _DATASET)]
        places["'options'"] = self.options
        for place, name in apart:
            if name in places[place]:
                raise ConfigError(
                    f"Option '{name}' ({place}): expected under 'grid', or as --{name}=..., which"
                    f" run every variant with each {name}; got {places[place][name]!r}"
                )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _filled(path: str, model: Any, dataset: Any) -> str:
    return path.replace("{model}", str(model)).replace("{dataset}", str(dataset))


def _name(value: Any, option: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"Option '{option}': expected a name, got {value!r}")
    return value


def _seed(value: Any) -> int:
    try:
        return TypeAdapter(Seed).validate_python(value, strict=True)
    except ValidationError:
        raise ConfigError(
            f"Option 'seed': expected a whole number from 0 to 4294967295, got {value!r}"
        ) from None
