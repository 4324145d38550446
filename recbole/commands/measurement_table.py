"""What the commands that measure saved models share: their arguments and their table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recbole.commands.command_parser import CommandParser


def add_measurement_options(parser: CommandParser) -> None:
    """Add --checkpoint, --part, --output and the device."""
    parser.add_argument(
        "--checkpoint", metavar="PTH", nargs="+", action="extend", required=True,
        help="a trained model; several, or the option several times",
    )  # fmt: skip
    parser.add_argument(
        "--part", default="test", metavar="NAME", help="the held-out part: test or valid (test)"
    )
    parser.add_argument("--output", metavar="JSON", help="a file for the results of all")
    parser.add_device_options()


def print_table(
    columns: Sequence[str], rows: Sequence[tuple[dict[str, Any], Sequence[str]]]
) -> None:
    """Print a line for each result of a measurement.

    Args:
        columns: the names of what was measured.
        rows: for each line the result it comes from, and its cells.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    table = Table("checkpoint", "model", "head")
    for name in columns:
        table.add_column(name, justify="right")
    for result, cells in rows:
        who = (Path(result["checkpoint"]).name, result["model"], head_in_words(result))
        table.add_row(*(Text(cell) for cell in (*who, *cells)))
    console.print(table)


def head_in_words(options: dict[str, Any]) -> str:
    """A head by its options: binary, or multi_cls=5 and, where it is no softmax, its kind."""
    if options["multi_cls"] is None:
        return "binary"
    words = [f"multi_cls={options['multi_cls']}"]
    if options["multi_head"] != "softmax":
        words.append(options["multi_head"])
    return " ".join(words)
