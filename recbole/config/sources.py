"""Where options come from: the command line, dictionaries, files, the data set's own settings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recbole.config.yaml_values import parse_value, read_file
from recbole.errors import ConfigError

COMMAND_LINE = "command line"
CONFIG_DICT = "config_dict"
DEFAULT = "default"

#: Data sets that are too many for a file each, and the file that they share.
_FAMILIES = {"amazon.yaml": re.compile(r"amazon-.+-\d{4}")}


@dataclass(frozen=True)
class Layer:
    """Options from one source; where two layers set an option, the later layer wins."""

    source: str
    values: Mapping[str, Any]


def parse_command_line(arguments: Iterable[str]) -> dict[str, Any]:
    """Options given as `--key=value`; the value is YAML and may itself contain '='.

    Raises:
        ConfigError: an argument has another form, an option is given twice, a value is not YAML.
    """
    options: dict[str, Any] = {}
    for argument in arguments:
        name, equals, text = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not equals or not name:
            raise ConfigError(f"Command line: expected --key=value, got {argument!r}")
        if name in options:
            raise ConfigError(f"Option '{name}' stands twice on the command line")
        options[name] = parse_value(text, f"Option '{name}' ({COMMAND_LINE})")
    return options


def as_list(given: Any) -> list[Any]:
    """The elements of what was given, or, of a single text, path or number, that alone."""
    is_single = isinstance(given, str | bytes) or not isinstance(given, Iterable)
    return [given] if is_single else list(given)


def file_layers(paths: Sequence[str | Path]) -> list[Layer]:
    """One layer for each configuration file, in the order given."""
    return [Layer(str(path), read_file(Path(path))) for path in paths]


def dataset_layer(dataset: str) -> Layer | None:
    """The settings that go with a data set's name; None if there are none."""
    path = settings_file(dataset)
    return None if path is None else Layer(f"configs/dataset/{path.name}", read_file(path))


def settings_file(dataset: str) -> Path | None:
    """The file of settings that goes with a data set's name: `configs/dataset/<name>.yaml`.

    A file below the working directory wins over the one that comes with the project, and a file of
    its own over that of its family.
    """
    if not dataset or Path(dataset).name != dataset:
        raise ConfigError(f"Data set: expected the name of a folder, got {dataset!r}")
    families = [file for file, names in _FAMILIES.items() if names.fullmatch(dataset)]
    found = (config_file(f"dataset/{file}") for file in (f"{dataset}.yaml", *families))
    return next((path for path in found if path is not None), None)


def config_file(name: str) -> Path | None:
    """The file of a name below `configs/`, the working directory's first; None if there is none."""
    paths = (folder / name for folder in _config_folders())
    return next((path for path in paths if path.is_file()), None)


def _config_folders() -> tuple[Path, ...]:
    package = Path(__file__).resolve().parents[1]
    working = Path.cwd() / "configs"
    checkout = package.parent / "configs"  # beside the package in a source checkout
    installed = package / "configs"  # inside the package once it is installed
    return working, checkout, installed
