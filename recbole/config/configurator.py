"""Layers of options -> one validated `Config`.

Precedence, highest first: command line, config_dict, configuration files (a later file wins over
an earlier one), the data set's settings, defaults. Every value remembers its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from recbole.config.compatibility import (
    NOT_SUPPORTED,
    SPELLINGS,
    WITHOUT_MEANING,
    asks_for_nothing,
)
from recbole.config.environment import EnvironmentOptions, select_device
from recbole.config.messages import describe_errors, describe_unknown
from recbole.config.options import ModelOptions, Options
from recbole.config.plain_values import is_plain, plain
from recbole.config.sources import (
    COMMAND_LINE,
    CONFIG_DICT,
    DEFAULT,
    Layer,
    as_list,
    dataset_layer,
    file_layers,
)
from recbole.errors import ConfigError

if TYPE_CHECKING:
    import torch

# Each group of options stands next to what it configures, in a layer above this one, and is
# therefore looked up by name, as models are.
_GROUPS = {
    "environment": "recbole.config.environment:EnvironmentOptions",
    "data": "recbole.data.options:DataOptions",
    "training": "recbole.trainer.options:TrainingOptions",
    "evaluation": "recbole.evaluator.options:EvaluationOptions",
    "supervision": "recbole.model.head:SupervisionOptions",
}
_MODEL_REGISTRY = "recbole.model.registry"


class Config:
    """Every option of a run, typed and validated, as groups and by RecBole's flat names.

    >>> config = Config(model="DCNV2", dataset="ml-100k", config_dict={"multi_cls": 5})
    >>> config.training.learning_rate, config["learning_rate"], config["multi_cls"]
    (0.001, 0.001, 5)

    Args:
        model: name of a model, or a model class of your own.
        dataset: name of the data set, that of its folder.
        config_file_list: YAML files, or one; a later one wins over an earlier one.
        config_dict: options by name.
        command_line: options from the command line, already parsed (`parse_command_line`).
        layers: further options, which win over all others; what stands in one is in no other.
        dataset_settings: the settings that go with the data set, instead of those of
            `configs/dataset/<name>.yaml`: the options that a Dataset at hand was made with.

    Raises:
        ConfigError: names every option that is unknown, mistyped, out of range or of another
            model, with its source.
    """

    environment: EnvironmentOptions
    data: Any
    training: Any
    evaluation: Any
    supervision: Any
    model_options: ModelOptions

    def __init__(
        self,
        model: str | type | None = None,
        dataset: str | None = None,
        config_file_list: str | Path | Sequence[str | Path] | None = None,
        config_dict: Mapping[str, Any] | None = None,
        command_line: Mapping[str, Any] | None = None,
        *,
        layers: Sequence[Layer] = (),
        dataset_settings: Mapping[str, Any] | None = None,
    ) -> None:
        for argument, given in ((CONFIG_DICT, config_dict), ("command_line", command_line)):
            if given is not None and not isinstance(given, Mapping):
                raise ConfigError(
                    f"{argument}: expected a dictionary of options, got {type(given).__name__}"
                )
        layers = [
            *file_layers([] if config_file_list is None else as_list(config_file_list)),
            Layer(CONFIG_DICT, config_dict or {}),
            Layer(COMMAND_LINE, command_line or {}),
            *layers,
        ]
        self.model_class = _model_class(_named("model", model, layers))
        self.model = self.model_class.__name__
        self.dataset = str(_named("dataset", dataset, layers))
        settings = (
            dataset_layer(self.dataset)
            if dataset_settings is None
            else Layer("the Dataset", dataset_settings)
        )
        self._assemble([settings, *layers] if settings else layers)

    @classmethod
    def from_values(
        cls,
        model: str | type,
        dataset: str,
        values: Mapping[str, Any],
        source: str,
        **overrides: Any,
    ) -> Config:
        """The Config of an earlier run, from the values it was saved with.

        `overrides` replace single values, with 'override' as their source.
        """
        config = cls.__new__(cls)
        config.model_class = _model_class(model)
        config.model, config.dataset = config.model_class.__name__, dataset
        config._assemble([Layer(source, values), Layer("override", overrides)])
        return config

    def for_seed(self, seed: int) -> Config:
        """The Config of one of several runs: `seed` in the place of `seeds`, the rest as here."""
        config = type(self).__new__(type(self))
        config.model_class, config.model, config.dataset = (
            self.model_class,
            self.model,
            self.dataset,
        )
        config._assemble([*self._layers, Layer("seeds", {"seed": seed, "seeds": None})])
        return config

    def _assemble(self, layers: Sequence[Layer]) -> None:
        self._layers = tuple(layers)
        groups = {name: _load(path) for name, path in _GROUPS.items()}
        groups["model_options"] = self.model_class.Options
        known = {option: group for group, cls in groups.items() for option in cls.model_fields}
        # A user's model that declares no options of its own may read any.
        is_open = groups["model_options"].model_config.get("extra") == "allow"

        values: dict[str, dict[str, Any]] = {group: {} for group in groups}
        sources: dict[str, str] = {}
        errors: list[str] = []
        self.notes: list[str] = []
        for layer in layers:
            for given, value in layer.values.items():
                name = SPELLINGS.get(given, given)
                if name in ("model", "dataset"):
                    continue
                if name in WITHOUT_MEANING:
                    self._note(
                        f"Option '{name}' ({layer.source}) has no effect: {WITHOUT_MEANING[name]}"
                    )
                    continue
                if name in NOT_SUPPORTED:
                    if not asks_for_nothing(value):
                        errors.append(
                            f"Option '{name}' ({layer.source}) is not supported:"
                            f" {NOT_SUPPORTED[name]}; got {value!r}"
                        )
                    continue
                group = known.get(name, "model_options" if is_open else None)
                if group is None:
                    errors.append(
                        describe_unknown(name, layer.source, known, self.model, _foreign_options())
                    )
                    continue
                value = plain(value)
                if name not in known:
                    if not is_plain(value):
                        errors.append(
                            f"Option '{name}' ({layer.source}): expected numbers, texts, lists,"
                            f" dictionaries or None, which a checkpoint can hold; got {value!r}"
                        )
                    self._note(
                        f"Option '{name}' ({layer.source}) is taken as one of {self.model}'s own"
                    )
                values[group][name] = _merge(groups[group], name, values[group].get(name), value)
                sources[name] = layer.source

        for group, cls in groups.items():
            try:
                setattr(self, group, cls(**values[group]))
            except ValidationError as error:
                errors += describe_errors(error, sources)
        if errors:
            raise ConfigError("\n".join(dict.fromkeys(errors)))
        self._groups: tuple[str, ...] = tuple(groups)
        for options in self.groups().values():
            for name, reason in options.without_effect().items():
                if name in sources:
                    self._note(f"Option '{name}' ({sources[name]}) has no effect: {reason}")
        self.run_name = _run_name(self.model)
        self.sources = {name: sources.get(name, DEFAULT) for name in self}

    def _note(self, line: str) -> None:
        if line not in self.notes:
            self.notes.append(line)

    @property
    def device(self) -> torch.device:
        """The torch device of this run."""
        return select_device(self.environment)[0]

    def groups(self) -> dict[str, Options]:
        """The groups of options by their attribute names."""
        return {name: cast(Options, getattr(self, name)) for name in self._groups}

    def names_of(self, group: str) -> list[str]:
        """The names of a group's options."""
        options = self.groups()[group]
        return [*type(options).model_fields, *(options.model_extra or {})]

    def __iter__(self) -> Iterator[str]:
        for group in self._groups:
            yield from self.names_of(group)

    def __contains__(self, name: object) -> bool:
        return name in self._derived() or name in set(self)

    def __getitem__(self, name: str) -> Any:
        """An option by RecBole's flat name, or one of `_derived`."""
        derived = self._derived()
        if name in derived:
            return derived[name]()
        for group, options in self.groups().items():
            if name in self.names_of(group):
                return getattr(options, name)
        if name in WITHOUT_MEANING or name in NOT_SUPPORTED:
            return None
        raise ConfigError(describe_unknown(name, "read by the program", self, self.model, {}))

    def _derived(self) -> dict[str, Any]:
        return {
            "model": lambda: self.model,
            "dataset": lambda: self.dataset,
            "device": lambda: self.device,
            "MODEL_TYPE": lambda: self.model_class.type,
            "MODEL_INPUT_TYPE": lambda: self.model_class.input_type,
        }

    def values(self) -> dict[str, Any]:
        """Every option as plain data (numbers, strings, lists, dictionaries, None)."""
        plain: dict[str, Any] = {}
        for group in self.groups().values():
            plain.update(group.model_dump())
        return plain


def _named(option: str, argument: Any, layers: Sequence[Layer]) -> Any:
    """The model or data set: the argument, or else what the highest layer says."""
    if argument is not None:
        return argument
    for layer in reversed(layers):
        if layer.values.get(option) is not None:
            return layer.values[option]
    raise ConfigError(f"Option '{option}' is required: give --{option}=<name>")


def _run_name(model: str) -> str:
    """`<Model>-<time>`, to the microsecond: the stem of the names of all files of a run."""
    return f"{model}-{datetime.now():%b-%d-%Y_%H-%M-%S-%f}"


def _load(path: str) -> Any:
    module, name = path.split(":")
    return getattr(import_module(module), name)


def _model_class(model: str | type) -> Any:
    return model if isinstance(model, type) else import_module(_MODEL_REGISTRY).model_class(model)


def _foreign_options() -> dict[str, list[str]]:
    """Which of the built-in models has an option, by the option's name."""
    registry = import_module(_MODEL_REGISTRY)
    owners: dict[str, list[str]] = {}
    for name in registry.MODEL_NAMES:
        for option in registry.model_class(name).Options.model_fields:
            owners.setdefault(option, []).append(name)
    return owners


def option_names() -> set[str]:
    """Every option that some run may have, whatever its model, by all names it goes by."""
    groups = (_load(path).model_fields for path in _GROUPS.values())
    others = (_foreign_options(), SPELLINGS, WITHOUT_MEANING, NOT_SUPPORTED)
    return set().union(*groups, *others)


def _merge(group: type[Options], name: str, lower: Any, value: Any) -> Any:
    """`value`, laid over a lower layer's where the option is itself a group, such as eval_args."""
    field = group.model_fields.get(name)
    nested = isinstance(getattr(field, "annotation", None), type) and issubclass(
        cast(type, cast(Any, field).annotation), Options
    )
    if nested and isinstance(lower, Mapping) and isinstance(value, Mapping):
        return {**lower, **value}
    return value
