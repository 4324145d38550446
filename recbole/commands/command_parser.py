"""What the parsers of the subcommands share."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import NoReturn

from recbole.config.yaml_values import parse_value
from recbole.errors import ConfigError, did_you_mean

_UNRECOGNISED = "unrecognized arguments: "  # argparse's own words


class CommandParser(argparse.ArgumentParser):
    """An argument parser whose errors are ConfigErrors, and name the nearest option.

    Args:
        program: the command, such as "recbole predict".
        description: what it is for.
        examples: how it is called, shown below the options.
    """

    def __init__(self, program: str, description: str, examples: str) -> None:
        super().__init__(
            prog=program,
            description=description,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raise a ConfigError, where argparse would print its usage and exit."""
        if message.startswith(_UNRECOGNISED):
            first = message.removeprefix(_UNRECOGNISED).split()[0].partition("=")[0]
            known = [name for action in self._actions for name in action.option_strings]
            raise ConfigError(
                f"{self.prog}: unknown argument '{first}'.{did_you_mean(first, known)}"
                f" See {self.prog} --help"
            )
        raise ConfigError(f"{self.prog}: {message}. See {self.prog} --help")

    def add_device_options(self) -> None:
        """Add --device and RecBole's --use_gpu; both are read as `device`, which may be None."""
        group = self.add_mutually_exclusive_group()
        group.add_argument(
            "--device",
            metavar="NAME",
            help="cpu, cuda or cuda:<number> (default: CUDA where there is a device)",
        )
        group.add_argument(
            "--use_gpu",
            dest="device",
            type=lambda text: None if yes_or_no(text) else "cpu",
            metavar="BOOL",
            help="False is the same as --device=cpu",
        )


def yes_or_no(text: str) -> bool:
    """True or False, in any spelling that YAML has for them."""
    value = parse_value(text, "argument")
    if not isinstance(value, bool):
        raise argparse.ArgumentTypeError(f"expected True or False, got {text!r}")
    return value


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, got {text!r}")
    return int(text)


def log_to_console() -> None:
    """Send the project's log lines to the standard error stream, as plain text."""
    project = logging.getLogger("recbole")
    for handler in list(project.handlers):
        project.removeHandler(handler)
        handler.close()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    project.addHandler(handler)
    project.setLevel(logging.INFO)
    project.propagate = False
