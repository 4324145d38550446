"""`recbole compare`: what two checkpoints recommend to a user, in the terminal and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recbole.commands.command_parser import (
    CommandParser,
    log_to_console,
    positive,
)

_DESCRIPTION = """\
Show what two models recommend to one user, side by side.

The two checkpoints must be of one data set, split in the same way. All items that the user has not
seen in the training and validation parts are ranked by each model; those that the user clicked on
in the test part are marked. The lists are printed, and written as an HTML page that needs no
network and no other file."""

_EXAMPLES = """\
examples:
  recbole compare --checkpoint=saved/binary.pth --checkpoint=saved/graded.pth --user=196
      the ten best items of each, in the terminal and in compare.html
  recbole compare --checkpoint=saved/binary.pth --checkpoint=saved/graded.pth --user=196 \\
      --topk=20 --titles=movie_title --genres=class --output=user-196.html
      longer lists, with these two columns of the .item file"""


def _parser() -> CommandParser:
    parser = CommandParser("recbole compare", _DESCRIPTION, _EXAMPLES)
    parser.add_argument(
        "--checkpoint", metavar="PTH", nargs="+", action="extend", required=True,
        help="a checkpoint; give two of them",
    )  # fmt: skip
    parser.add_argument("--user", metavar="TOKEN", required=True, help="as in the data files")
    parser.add_argument(
        "--topk", type=positive, default=10, metavar="K", help="length of the lists (10)"
    )
    parser.add_argument(
        "--titles", metavar="COLUMN",
        help="column of the .item file to show as title (the first of movie_title, title, name)",
    )  # fmt: skip
    parser.add_argument(
        "--genres", metavar="COLUMN",
        help="column to show as genres (the first of genre, genres, class, categories)",
    )  # fmt: skip
    parser.add_argument(
        "--output", metavar="HTML", default="compare.html", help="the page (compare.html)"
    )
    parser.add_argument("--data_path", metavar="FOLDER", help="where the data set's folder is")
    parser.add_device_options()
    return parser


def main(arguments: Sequence[str]) -> None:
    """Print the lists and write the page.

    Raises:
        RecBoleError: an argument, a checkpoint or the data is at fault; the message says how.
    """
    flags = _parser().parse_args(arguments)
    log_to_console()

    # torch takes seconds to import, which neither --help nor a mistyped command should cost.
    from recbole.quick_start.compare import compare
    from recbole.quick_start.compare_page import write_page
    from recbole.quick_start.compare_terminal import print_comparison, print_path
    from recbole.quick_start.outputs import refuse_replacing

    refuse_replacing(Path(flags.output), flags.checkpoint)
    comparison = compare(
        flags.checkpoint,
        flags.user,
        topk=flags.topk,
        titles=flags.titles,
        genres=flags.genres,
        device=flags.device,
        data_path=flags.data_path,
    )
    print_comparison(comparison)
    print_path(write_page(comparison, flags.output))
