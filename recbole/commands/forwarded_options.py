"""The arguments that `sweep` and `reproduce` hand on to every run as options."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recbole.config.configurator import option_names
from recbole.config.messages import describe_unknown
from recbole.config.sources import COMMAND_LINE
from recbole.errors import ConfigError, did_you_mean


def check_form(arguments: Sequence[str], flags: Iterable[str]) -> None:
    """See that each argument is a --key=value.

    Args:
        arguments: those that are none of the command's own.
        flags: the names of its own, which may be meant.

    Raises:
        ConfigError: names the first that is none, and the nearest flag.
    """
    for argument in arguments:
        name, equals, _ = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not equals or not name:
            hint = did_you_mean(argument, [f"--{flag}" for flag in flags])
            raise ConfigError(f"Command line: expected --key=value, got {argument!r}.{hint}")


def check_names(arguments: Sequence[str], others: Iterable[str]) -> None:
    """See that each argument, a --key=value, names an option of some run.

    Args:
        arguments: those that are none of the command's own flags.
        others: further names that may be meant: the flags, and what else may stand there.

    Raises:
        ConfigError: names the first that does not, and the nearest name.
    """
    names = option_names().union(others)
    for argument in arguments:
        name = argument.removeprefix("--").partition("=")[0]
        if name not in names:
            raise ConfigError(describe_unknown(name, COMMAND_LINE, names, "", {}))
