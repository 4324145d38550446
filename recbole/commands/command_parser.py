"""What the parsers of the subcommands share."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from recbole.config.yaml_values import parse_value
from recbole.errors import ConfigError, did_you_mean

_UNRECOGNISED = "unrecognized arguments: "  # argparse's own words


class CommandParser(argparse.ArgumentParser):
    """An argument parser whose errors are ConfigErrors, and name the nearest option.

    An option that takes one value, or all its values at once, may not stand twice.

    Args:
        program: the command, such as "recbole predict"; None: the name of the running script.
        description: what it is for.
        examples: how it is called, shown below the options.
        usage: its first line, where that is not to be made from the options.
    """

    def __init__(
        self, program: str | None, description: str, examples: str, usage: str | None = None
    ) -> None:
        super().__init__(
            prog=program,
            usage=usage,
            description=description,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        self.register("action", None, _StoreOnce)
        self._given: set[str] = set()

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """The parser's own arguments, and the others in their order.

        argparse takes an unknown `--key=value` for an option only where there is no space in it,
        and else for a positional argument; so it gets to see a stand-in without one.
        """
        seen = list(sys.argv[1:] if args is None else args)
        stand_ins: dict[str, str] = {}
        for position, argument in enumerate(seen):
            name, equals, _ = argument.partition("=")
            if argument == "--":  # positional arguments from here on
                break
            if argument.startswith("--") and equals and name not in self._option_string_actions:
                seen[position] = f"--#{position}="
                stand_ins[seen[position]] = argument
        self._given = set()
        known, rest = super().parse_known_args(seen, namespace)
        return known, [stand_ins.get(argument, argument) for argument in rest]

    def refuse_twice(self, option: str, takes_several: bool) -> None:
        """Note that an option was given; raise ConfigError where it was given before."""
        if option in self._given:
            hint = "; give all its values after one of the two" if takes_several else ""
            raise ConfigError(f"{self.prog}: {option} stands twice{hint}")
        self._given.add(option)

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


class _StoreOnce(argparse.Action):
    """argparse's default action, which lets the last value win, for an option given once."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if option_string is not None and isinstance(parser, CommandParser):
            parser.refuse_twice(self.option_strings[0], self.nargs is not None)
        setattr(namespace, self.dest, values)


def paths_in(arguments: Sequence[str]) -> list[str]:
    """Paths, where one argument may be a path with spaces or hold several: "a.yaml b.yaml"."""
    return [
        path
        for argument in arguments
        # Unlike Path.exists, this is no error where many names together are too long for one.
        for path in ([argument] if os.path.exists(argument) else argument.split())  # noqa: PTH110
    ]


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
