"""`recbole data import`: own tables as a data set, and the command that trains on it."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recbole.commands.command_parser import CommandParser, log_to_console, yes_or_no
from recbole.errors import ConfigError

if TYPE_CHECKING:
    from recbole.data.importer import Imported, ImportRequest

_DESCRIPTION = """\
Make a data set of your own tables: CSV, TSV, JSON lines (.jsonl, .ndjson, .json) or Parquet.

Every cell is looked at to find the type of each column, which is shown with the reason, and which
--type overrides: token (a category), token_seq (several), float (a number), float_seq. Ids with
leading zeros stay what they are. Names that a shell or an atomic file could not hold get safe ones.
Files may be larger than memory. Nothing is written unless everything can be."""

_EXAMPLES = """\
examples:
  recbole data import ratings.csv --user="User ID" --item=ISBN --rating="Book-Rating"
  recbole data import log.jsonl --user=uid --item=sku --rating=stars --time=when \\
      --users=people.csv --items=products.parquet --name=shop
  recbole data import ratings.csv --user=u --item=i --rating=r --type zip=token tags=token_seq \\
      --drop comment --format=parquet"""

_WIDTH_OF_A_FILE = 160
#: Columns of these names say what the target says, so that the command does not suggest them.
_AGGREGATES = ("rating", "score", "star", "avg", "average", "mean")


def main(arguments: Sequence[str]) -> None:
    """Run the command.

    Raises:
        RecBoleError: see `recbole.data.importer.import_tables`.
    """
    given = _parser().parse_args(arguments)
    types = _types(given.type)

    # pyarrow and torch take their time to import, which neither --help nor a typo should cost.
    from recbole.data.importer import ImportRequest, import_tables
    from recbole.data.importer.sources import TextFormat
    from recbole.trainer.progress import progress_bar

    request = ImportRequest(
        interactions=given.interactions,
        user=given.user,
        item=given.item,
        rating=given.rating,
        time=given.time,
        users=given.users,
        items=given.items,
        users_id=given.users_id,
        items_id=given.items_id,
        name=given.name,
        to=given.to,
        format=given.format,
        types=types,
        drop=given.drop,
        text=TextFormat(given.separator, given.encoding, given.quoted),
        list_separator=given.list_separator,
        force=given.force,
    )
    log_to_console()
    files = (given.interactions, given.users, given.items)
    size = 2 * sum(path.stat().st_size for path in files if path is not None and path.is_file())
    with progress_bar("importing", "rows", size, given.show_progress) as advance:
        done = import_tables(request, advance)
    _print(done, request)


def _parser() -> CommandParser:
    parser = CommandParser("recbole data import", _DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("interactions", type=Path, metavar="FILE", help="one row for each interaction")
    add("--user", required=True, metavar="COLUMN", help="its column of user ids")
    add("--item", required=True, metavar="COLUMN", help="its column of item ids")
    add("--rating", metavar="COLUMN", help="its column of ratings")
    add("--time", metavar="COLUMN", help="its column of times: numbers, or ISO 8601")
    add("--users", type=Path, metavar="FILE", help="one row for each user")
    add("--items", type=Path, metavar="FILE", help="one row for each item")
    add("--users_id", metavar="COLUMN", help="the ids in --users, where not called as in FILE")
    add("--items_id", metavar="COLUMN", help="the ids in --items, where not called as in FILE")
    add("--name", help="of the data set (default: that of FILE)")
    add(
        "--to",
        type=Path,
        default=Path("dataset"),
        metavar="FOLDER",
        help="for its folder (dataset)",
    )
    add("--format", default="atomic", metavar="FORMAT", help="atomic (the default) or parquet")
    add("--type", nargs="+", action="extend", default=[], metavar="COLUMN=TYPE",
        help="types that are not to be inferred")  # fmt: skip
    add(
        "--drop",
        nargs="+",
        action="extend",
        default=[],
        metavar="COLUMN",
        help="columns to leave out",
    )
    add("--separator", type=_character, metavar="CHARACTER", help="between columns (by the suffix)")
    add("--encoding", type=_encoding, default="utf-8", help="of text files (utf-8)")
    add("--quoted", type=yes_or_no, default=True, metavar="BOOL",
        help='whether "..." is a cell (True) or text with quotes')  # fmt: skip
    add("--list_separator", default="|", metavar="TEXT", help="between parts of a cell (|)")
    add("--force", action="store_true", help="replace a data set of that name")
    add("--show_progress", type=yes_or_no, default=True, metavar="BOOL", help="draw a bar")
    return parser


def _character(text: str) -> str:
    found = {"\\t": "\t", "tab": "\t"}.get(text.lower(), text)
    if len(found) != 1 or not found.isascii():
        raise argparse.ArgumentTypeError(f"expected one ASCII character (or tab), got {text!r}")
    return found


def _encoding(text: str) -> str:
    import codecs

    try:
        codecs.lookup(text)
    except LookupError:
        raise argparse.ArgumentTypeError(
            f"expected an encoding that Python knows, such as latin-1, got {text!r}"
        ) from None
    return text


def _types(given: Sequence[str]) -> dict[str, str]:
    types = {}
    for text in given:
        name, equals, type_name = text.rpartition("=")
        if not equals or not name:
            raise ConfigError(
                f"Option 'type': expected COLUMN=TYPE, such as zip=token, got {text!r}"
            )
        types[name] = type_name
    return types


def _print(done: Imported, request: ImportRequest) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_OF_A_FILE)
    for table, path in zip(done.tables, done.paths, strict=True):
        console.print(_columns(table, path))
        for line in _notes(table):
            console.print(Text(f"  {line}"), style="yellow")
    console.print(Text(f"\n{done.name}: {_counts(done)}"), style="bold")
    if done.fit is not None:
        console.print(Text(_ratings(done)))
    elif request.rating is not None:
        console.print(Text("All ratings are the same: there is nothing to learn."), style="yellow")
    print(f"\nTrain on it:\n\n  {training_command(done, request, _program())}\n")
    target = " ".join(map(shlex.quote, _target(done)))
    look = f"{_program()} data describe {done.name} {target}".rstrip() + _path(request)
    print(f"What is in it, and what would hurt:\n\n  {look}")


def _columns(table: Any, path: Path) -> Table:
    plan = table.plan
    shown = Table(
        "column", "becomes", "type", "because", "missing", "such as",
        title=f"{plan.source.path} -> {path}", title_justify="left",
    )  # fmt: skip
    for column in plan.columns:
        found = column.evidence
        missing = f"{found.missing / found.rows:.1%}" if found.missing else ""
        name = column.name if column.name != column.original else ""
        examples = ", ".join(_short(example) for example in found.examples)
        cells = (column.original, name, column.type.value, column.reason, missing, examples)
        shown.add_row(*(Text(cell) for cell in cells))
    for name, reason in plan.left_out.items():
        shown.add_row(*(Text(cell, style="dim") for cell in (name, "left out", "", reason, "", "")))
    return shown


def _short(text: str) -> str:
    return repr(text if len(text) <= 24 else f"{text[:23]}…")


def _notes(table: Any) -> list[str]:
    notes = []
    if table.incomplete:
        shown = ", ".join(table.named)
        more = ", ..." if table.incomplete > len(table.named) else ""
        rows = "row" if table.incomplete == 1 else "rows"
        notes.append(
            f"{table.incomplete:,} {rows} without an id or a rating left out: {shown}{more}"
        )
    for name, (count, what) in table.replaced.items():
        notes.append(f"{name}: {what} in {count:,} places; --format=parquet keeps them")
    return notes


def _counts(done: Imported) -> str:
    what = {"inter": "interactions", "user": "users", "item": "items"}
    return ", ".join(f"{table.rows:,} {what[table.plan.suffix]}" for table in done.tables)


def _ratings(done: Imported) -> str:
    values = done.levels.values
    assert done.fit is not None
    levels = (
        f"{len(values)} levels, {', '.join(f'{value:g}' for value in values)}"
        if len(values) <= 20
        else f"{len(values):,} different ones from {values[0]:g} to {values[-1]:g}"
    )
    return (
        f"Ratings: {levels}; {done.fit.share:.0%} are at least {done.fit.threshold:g}, which is the"
        " threshold nearest to half."
    )


def training_command(done: Imported, request: ImportRequest, program: str) -> str:
    """The command that trains on a data set just imported, as one types it in a shell."""
    arguments = ["--model=DCNV2", f"--dataset={done.name}", *_target(done)]
    if request.rating is None:
        arguments.append("--train_neg_sample_args={distribution: uniform, sample_num: 1}")
    numbers = [
        column.name
        for table in done.tables
        for column in table.plan.columns
        if column.type.value in ("float", "float_seq") and _is_feature(column)
    ]
    if numbers:
        arguments.append(f"--numerical_features=[{', '.join(numbers)}]")
    texts = [
        column.name
        for column in done.tables[0].plan.columns
        if column.role is None and column.type.value == "token" and column.evidence.is_free_text
    ]
    if texts:
        arguments.append(f"--unload_col={{inter: [{', '.join(texts)}]}}")
    return f"{program} {' '.join(map(shlex.quote, arguments))}{_path(request)}"


def _target(done: Imported) -> list[str]:
    """The options of the target, that fit the ratings."""
    if done.fit is None:
        return []
    classes = [] if done.fit.multi_cls is None else [f"--multi_cls={done.fit.multi_cls}"]
    return [f"--threshold={{rating: {done.fit.threshold:g}}}", *classes]


def _is_feature(column: Any) -> bool:
    """Whether a column of numbers may be an input: no target, no time, no likely aggregate."""
    is_time = column.is_moment or column.evidence.kinds == {"moment"} or column.name == "timestamp"
    says_rating = any(word in column.name.lower() for word in _AGGREGATES)
    is_empty = column.evidence.missing == column.evidence.rows
    return column.role is None and not (is_time or says_rating or is_empty)


def _path(request: ImportRequest) -> str:
    return "" if request.to == Path("dataset") else f" {shlex.quote(f'--data_path={request.to}')}"


def _program() -> str:
    return "python run_recbole.py" if Path(sys.argv[0]).suffix == ".py" else "recbole"
