"""What a search may choose: RecBole's parameter files, `hyper.test`.

One option a line, `<name> <kind> <range>`:

    learning_rate loguniform -8,0            e^-8 to e^0
    dropout_prob uniform 0.0,0.5
    embedding_size quniform 8,64,8           multiples of 8
    mlp_hidden_size choice ['[64,64]','[128,128]']
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recbole.config.yaml_values import parse_value
from recbole.errors import ConfigError, did_you_mean
from recbole.sweep.option_text import option_text

if TYPE_CHECKING:
    from optuna import Trial

_NUMBERS = {"uniform": 2, "loguniform": 2, "quniform": 3}
_LARGEST_LOGARITHM = 700  # beyond it e^x is no float any more, or 0
_KINDS = ("choice", *_NUMBERS)


@dataclass(frozen=True)
class Parameter:
    """One option of a search.

    Attributes:
        name: of the option.
        kind: choice, uniform, loguniform or quniform, as in RecBole.
        values: the choices; or lowest and highest (of loguniform: their natural logarithms), and
            for quniform the step.
        source: the file and line.
    """

    name: str
    kind: str
    values: tuple[Any, ...]
    source: str = field(default="", compare=False)

    def suggest(self, trial: Trial) -> Any:
        """The value that a trial is to have."""
        return self.value(self._propose(trial))

    def value(self, proposed: Any) -> Any:
        """The option's value, of what Optuna keeps: choices as their texts, numbers as they are."""
        if self.kind != "choice":
            return proposed
        return next(value for value in self.values if option_text(value) == proposed)

    def _propose(self, trial: Trial) -> Any:
        if self.kind == "choice":
            return trial.suggest_categorical(self.name, [option_text(v) for v in self.values])
        lowest, highest = self.examples()
        if self.kind != "quniform":
            return trial.suggest_float(self.name, lowest, highest, log=self.kind == "loguniform")
        step = self.values[2]
        if isinstance(step, int):
            return trial.suggest_int(self.name, int(lowest), int(highest), step=step)
        return trial.suggest_float(self.name, lowest, highest, step=step)

    def examples(self) -> list[Any]:
        """Every choice, or both bounds, to see that the option takes them."""
        if self.kind == "choice":
            return list(self.values)
        bounds = self.values[:2]
        if self.kind == "quniform":
            step = self.values[2]
            return [step * round(bound / step) for bound in bounds]
        return [math.exp(bound) if self.kind == "loguniform" else float(bound) for bound in bounds]

    def __str__(self) -> str:
        values = ",".join(map(option_text, self.values))
        return f"{self.name} {self.kind} {f'[{values}]' if self.kind == 'choice' else values}"


def read_space(path: str | Path) -> list[Parameter]:
    """The parameters in a file; blank lines and those that begin with # say nothing.

    Raises:
        ConfigError: the file is missing or a line is malformed; the message gives its number.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise ConfigError(f"Parameter file {path} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Parameter file {path} cannot be read: {error}") from None
    space: list[Parameter] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        parameter = _parameter(line, f"{path}, line {number}")
        if parameter.name in (known.name for known in space):
            raise ConfigError(f"{path}, line {number}: '{parameter.name}' stands twice")
        space.append(parameter)
    if not space:
        raise ConfigError(f"{path}: expected at least one line '<option> <kind> <range>'")
    return space


def _parameter(line: str, where: str) -> Parameter:
    words = line.split(maxsplit=2)
    if len(words) < 3:
        raise ConfigError(f"{where}: expected '<option> <kind> <range>', got {line.strip()!r}")
    name, kind, text = words
    if kind == "choice":
        return Parameter(name, kind, _choices(text, where), where)
    if kind not in _NUMBERS:
        raise ConfigError(
            f"{where}: expected {', '.join(_KINDS)}, got {kind!r}.{did_you_mean(kind, _KINDS)}"
        )
    numbers = parse_value(f"[{text}]", where)
    if len(numbers) != _NUMBERS[kind] or not all(_is_number(number) for number in numbers):
        raise ConfigError(f"{where}: expected {_NUMBERS[kind]} numbers with commas, got {text!r}")
    if numbers[0] > numbers[1]:
        raise ConfigError(f"{where}: expected the lower bound first, got {text!r}")
    if kind == "loguniform" and max(map(abs, numbers)) > _LARGEST_LOGARITHM:
        raise ConfigError(
            f"{where}: loguniform takes natural logarithms, so that -8,0 is e^-8 to 1; expected"
            f" bounds from -{_LARGEST_LOGARITHM} to {_LARGEST_LOGARITHM}, got {text!r}"
        )
    if kind == "quniform" and numbers[2] <= 0:
        raise ConfigError(f"{where}: expected a step above 0, got {text!r}")
    return Parameter(name, kind, tuple(numbers), where)


def _choices(text: str, where: str) -> tuple[Any, ...]:
    values = parse_value(text, where)
    if not isinstance(values, list) or not values:
        raise ConfigError(f"{where}: expected a list of choices, got {text!r}")
    # RecBole's files quote lists, since its search knows no lists as choices.
    read = [parse_value(v, where) if isinstance(v, str) else v for v in values]
    if len({option_text(value) for value in read}) < len(read):
        raise ConfigError(f"{where}: expected different choices, got {text!r}")
    return tuple(read)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def examples(space: Sequence[Parameter]) -> dict[str, Any]:
    """A value for each option."""
    return {parameter.name: parameter.examples()[0] for parameter in space}
