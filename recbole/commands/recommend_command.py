"""`recbole recommend`: the best items that users have not seen."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recbole.commands.command_parser import (
    CommandParser,
    log_to_console,
    positive,
    yes_or_no,
)
from recbole.errors import DataError

_DESCRIPTION = """\
List the items with the highest click probability that users have not seen.

Seen is every item that a user has in the data set, in any part of the split. It is read from the
data set's folder, whose files must be those of the training; with --include_seen=True all items are
ranked, and the folder is not needed. Without --output the lists are printed."""

_EXAMPLES = """\
examples:
  recbole recommend --checkpoint=saved/DCNV2.pth --users=196,186 --topk=5 --titles=movie_title
  recbole recommend --checkpoint=saved/DCNV2.pth --users=users.txt --output=lists.csv
      the users of a file, one token in each line
  recbole recommend --checkpoint=saved/DCNV2.pth --users=all --topk=20 --output=lists.parquet"""

_WIDTH_OF_A_FILE = 160


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Raises:
        RecBoleError: see `recbole.quick_start.recommend.recommend`.
    """
    given = _parser().parse_args(arguments)

    # torch takes seconds to import, which neither --help nor a mistyped option should cost.
    from recbole.quick_start.outputs import refuse_replacing
    from recbole.quick_start.recommend import recommend

    log_to_console()
    if given.output is not None:
        read = {"list of users": given.users}
        refuse_replacing(Path(given.output), [given.checkpoint], **read)
    lists = recommend(
        given.checkpoint,
        users_named(given.users),
        given.topk,
        titles=given.titles,
        include_seen=given.include_seen,
        output=given.output,
        data_path=given.data_path,
        device=given.device,
        show_progress=given.show_progress,
        eval_memory_mb=given.eval_memory_mb,
    )
    if given.output is None:
        _print(lists)


def _parser() -> CommandParser:
    parser = CommandParser("recbole recommend", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("--checkpoint", required=True, metavar="PTH", help="the trained model")
    parser.add_argument(
        "--users",
        required=True,
        metavar="WHO",
        help="tokens with commas between, a file with one in each line, or all",
    )
    parser.add_argument(
        "--topk", type=positive, default=10, metavar="K", help="length of a list (10)"
    )
    parser.add_argument(
        "--titles", metavar="COLUMN", help="a column of the .item file to show, such as movie_title"
    )
    parser.add_argument(
        "--output", metavar="FILE", help="write the lists to a .csv, .parquet or .json file"
    )
    parser.add_argument(
        "--include_seen",
        type=yes_or_no,
        default=False,
        metavar="BOOL",
        help="rank all items, seen or not",
    )
    parser.add_argument(
        "--eval_memory_mb",
        type=float,
        metavar="MIB",
        help="working memory (default: the checkpoint's)",
    )
    parser.add_argument("--data_path", metavar="FOLDER", help="where the data set's folder is")
    parser.add_argument(
        "--show_progress", type=yes_or_no, default=True, metavar="BOOL", help="draw a bar"
    )
    parser.add_device_options()
    return parser


def users_named(text: str) -> list[str] | None:
    """The tokens that the argument --users stands for; None for all users.

    Raises:
        DataError: a file is not UTF-8 text, or no user is named.
    """
    if text == "all":
        return None
    path = Path(text)
    if os.path.isfile(text):  # noqa: PTH113 - unlike Path.is_file, no error for a long list
        try:
            names = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeError:
            raise DataError(f"{path}: expected one user in each line, in UTF-8") from None
    else:
        names = text.split(",")
    users = [name.strip() for name in names if name.strip()]
    if not users:
        raise DataError(f"Option 'users': expected at least one user, got none in {text!r}")
    return users


def _print(lists: Any) -> None:
    """One table for all users, with a line between two of them."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_OF_A_FILE)
    names = list(lists.columns)
    numbers = {name for name in names if lists[name].dtype.kind in "iuf"}
    shown = Table()
    for name in names:
        shown.add_column(name, justify="right" if name in numbers else "left")
    rows = lists.to_dict("records")
    for row, following in zip(rows, [*rows, None][1:], strict=True):
        cells = [f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in row.values()]
        last_of_user = following is None or following[names[0]] != row[names[0]]
        shown.add_row(*map(Text, cells), end_section=last_of_user)
    console.print(shown)
