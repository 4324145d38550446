"""`recbole data convert`: a public data set, from raw files at hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recbole.commands.command_parser import CommandParser, log_to_console
from recbole.commands.data_get_command import folder_of, print_next_command

_DESCRIPTION = """\
Make atomic files of a public data set from its raw files, as its owners publish them: a folder, an
archive (.zip, .tar, .tgz), or single files (.gz too). They are read where they are, as streams, so
that files of any size need little memory. The folder appears whole or not at all."""

_EXAMPLES = """\
data sets:
  the same as those of 'recbole data get'

examples:
  recbole data convert ml-1m --from=Downloads/ml-1m.zip
  recbole data convert yelp2018 --from=yelp_dataset.tar --to=dataset/
  recbole data convert amazon-books --from reviews_Books.json.gz meta_Books.json.gz
  recbole data convert ml-25m --from=ml-25m/ --name=movies"""


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Raises:
        RecBoleError: see `recbole.data.download.convert_dataset`.
    """
    parser = CommandParser("recbole data convert", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("source", metavar="NAME", help="the data set that the files are of")
    parser.add_argument(
        "--from",
        dest="raw",
        required=True,
        nargs="+",
        type=Path,
        metavar="PATH",
        help="the folder, archive or files to read",
    )
    parser.add_argument(
        "--to", default="dataset/", metavar="FOLDER", help="where its folder goes (dataset/)"
    )
    parser.add_argument("--name", metavar="NAME", help="of the new data set, if it is another one")
    given = parser.parse_args(arguments)

    # The package imports torch, which neither --help nor a mistyped option should cost.
    from recbole.data.download import convert_dataset
    from recbole.data.sources.registry import find_source

    log_to_console()
    name = given.name or given.source
    convert_dataset(given.source, given.raw, folder_of(name, given.to))
    source = find_source(given.source)
    assert source is not None, "it has just been converted"
    print_next_command(name, given.to, source)
