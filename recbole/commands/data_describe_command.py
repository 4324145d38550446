"""`recbole data describe`: what is in a data set, what would hurt, which options fit it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recbole.commands.command_parser import CommandParser, log_to_console, paths_in
from recbole.config.sources import parse_command_line

if TYPE_CHECKING:
    from recbole.quick_start.describe import Description

_DESCRIPTION = """\
Say what is in a data set before a model sees it: counts, ratings, fields, what a k-core would
leave, and what would hurt training. It is looked at as a run would find it: the options of the data
set's settings count, and those given here as --key=value."""

_EXAMPLES = """\
examples:
  recbole data describe ml-100k
  recbole data describe shop "--threshold={rating: 3}" --multi_cls=5
  recbole data describe shop --output=json"""

_WIDTH_OF_A_FILE = 120
_WIDTH_OF_BARS = 40


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Raises:
        RecBoleError: see `recbole.quick_start.describe.describe`; or an option is unknown.
    """
    parser = CommandParser("recbole data describe", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("name", metavar="NAME", help="the data set, a folder's name")
    parser.add_argument(
        "--output", choices=("text", "json"), default="text", help="text (the default) or json"
    )
    parser.add_argument("--model", "-m", default="WideDeep", help="whose options may be given")
    parser.add_argument("--config_files", nargs="+", default=[], metavar="FILE", help="YAML files")
    given, rest = parser.parse_known_args(arguments)
    options = parse_command_line(rest)

    # torch takes seconds to import, which neither --help nor a mistyped option should cost.
    from recbole.config import Config
    from recbole.quick_start.describe import describe

    log_to_console()
    files = paths_in(given.config_files)
    found = describe(Config(given.model, given.name, files, command_line=options))
    if given.output == "json":
        print(json.dumps(found.to_dict(), indent=1, ensure_ascii=False))
    else:
        _print(found)


def _print(found: Description) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_OF_A_FILE)
    console.print(Text(found.name, style="bold"))
    console.print(_counts(found))
    if found.bars:
        console.print(_histogram(found))
    if found.label is not None:
        console.print(Text(f"Clicks ({found.label.where}): {found.label.positive:.1%}\n"))
    console.print(_fields(found))
    console.print(_cores(found))
    for caution in found.cautions:
        console.print(Text(f"! {caution.text}", style="yellow"))
    if not found.cautions:
        console.print(Text("Nothing was found that would hurt training."))
    if found.fit is not None:
        classes = f" --multi_cls={found.fit.multi_cls}" if found.fit.multi_cls else ""
        threshold = f"--threshold={{{found.rating}: {found.fit.threshold:g}}}"
        console.print(
            Text(f'\nFitting: "{threshold}"{classes} ({found.fit.share:.0%} clicks)', style="bold")
        )


def _counts(found: Description) -> Table:
    table = Table("", "as read", "after the filters", show_edge=False, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    sides = (found.read, found.kept)
    for what in ("interactions", "users", "items"):
        table.add_row(what, *(f"{getattr(side, what):,}" for side in sides))
    table.add_row("sparsity", *(f"{side.sparsity:.2%}" for side in sides))
    for what in ("per_user", "per_item"):
        table.add_row(
            f"{what.replace('_', ' ')} (median)",
            *(f"{getattr(s, what):,.1f} ({getattr(s, f'{what}_median'):,.0f})" for s in sides),
        )
    return table


def _histogram(found: Description) -> Table:
    table = Table(
        str(found.rating), "rows", "", "", title="\nRatings", title_justify="left",
        show_edge=False, pad_edge=False,
    )  # fmt: skip
    table.columns[0].justify = table.columns[1].justify = table.columns[3].justify = "right"
    total, most = sum(bar.count for bar in found.bars), max(bar.count for bar in found.bars)
    for bar in found.bars:
        ends = [bar.low] if bar.low == bar.high else [bar.low, bar.high]
        level = " – ".join(f"{end:,.0f}" if abs(end) >= 1000 else f"{end:.4g}" for end in ends)
        drawn = "█" * round(_WIDTH_OF_BARS * bar.count / most) or ("▏" if bar.count else "")
        table.add_row(level, f"{bar.count:,}", Text(drawn), f"{bar.count / total:.1%}")
    return table


def _fields(found: Description) -> Table:
    table = Table("field", "type", "file", "is", "values", "missing", title_justify="left")
    for column in table.columns[4:]:
        column.justify = "right"
    for field in found.fields:
        values = f"{field.vocabulary:,}" if field.vocabulary is not None else ""
        if field.low is not None and field.high is not None:
            values = f"{field.low:,.6g} – {field.high:,.6g}"
        missing = f"{field.missing:.1%}" if field.missing else ""
        style = "dim" if field.role == "not loaded" else ""
        cells = (field.name, field.type, f".{field.source}", field.role, values, missing)
        table.add_row(*(Text(cell, style=style) for cell in cells))
    return table


def _cores(found: Description) -> Table:
    table = Table("k-core", "interactions", "users", "items", show_edge=False, pad_edge=False)
    for column in table.columns:
        column.justify = "right"
    for core in found.cores:
        table.add_row(*(f"{n:,}" for n in (core.k, core.interactions, core.users, core.items)))
    return table
