"""`recbole data get`: a public data set, from its host."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recbole.commands.command_parser import CommandParser, log_to_console
from recbole.config.sources import settings_file
from recbole.errors import ConfigError

if TYPE_CHECKING:
    from recbole.data.sources.source import Source

_DESCRIPTION = """\
Fetch a public data set from its host and make atomic files of it. A run with --dataset=NAME does
the same by itself where there is no such folder.

Checksums are held against those that the host publishes. What a broken transfer has brought is
kept, and the next call goes on from there. A data set that cannot be fetched, because it is behind
a form or its host is gone, is an error that says what to download and how to convert it."""

_EXAMPLES = """\
data sets:
  ml-100k, ml-1m, ml-10m, ml-20m, ml-25m, ml-latest-small, lastfm (lastfm-hetrec),
  amazon-books (amazon-book), amazon-<category>-<year> (2014, 2018 or 2023), book-crossing,
  frappe, goodbooks-10k; yelp2018 and anime, which say what to download

examples:
  recbole data get ml-25m
  recbole data get amazon-all-beauty-2023 --to=/data/recbole
  recbole data get ml-1m --mirror=https://mirror.example/movielens"""


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Raises:
        RecBoleError: see `recbole.data.download.ensure_dataset`.
    """
    parser = CommandParser("recbole data get", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("name", metavar="NAME", help="the data set")
    parser.add_argument(
        "--to", default="dataset/", metavar="FOLDER", help="where its folder goes (dataset/)"
    )
    parser.add_argument("--mirror", metavar="URL", help="another host that has the same files")
    given = parser.parse_args(arguments)

    # The package imports torch, which neither --help nor a mistyped option should cost.
    from recbole.data.download import ensure_dataset
    from recbole.data.sources.registry import find_source
    from recbole.data.staging import is_filled

    log_to_console()
    folder = folder_of(given.name, given.to)
    if is_filled(folder):
        print(f"{folder} is there already, and is left as it is.")
        return
    ensure_dataset(given.name, folder, base_url=given.mirror)
    source = find_source(given.name)
    assert source is not None, "it has just been fetched"
    print_next_command(given.name, given.to, source)


def folder_of(name: str, to: str) -> Path:
    """The folder of a data set.

    Raises:
        ConfigError: its name is no name of a folder.
    """
    if not name or Path(name).name != name:
        raise ConfigError(f"Data set: expected a name, got {name!r}")
    return Path(to) / name


def print_next_command(name: str, to: str, source: Source) -> None:
    """How to train on a data set that has just been made, as one types it in a shell."""
    where = [] if Path(to) == Path("dataset") else [f"--data_path={to}"]
    words = [f"--dataset={name}", *where, *_settings(name, source), *source.options.split()]
    print("Train on it:", shlex.join(["python", "run_recbole.py", "--model=DCNV2", *words]))


def _settings(name: str, source: Source) -> list[str]:
    """The option that names a data set's settings, where its name does not say which they are."""
    path = settings_file(source.name)
    if path is None or path == settings_file(name):
        return []
    is_below = path.is_relative_to(Path.cwd())
    return [f"--config_files={path.relative_to(Path.cwd()) if is_below else path}"]
