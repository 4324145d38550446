"""Raw files row by row: delimited text by its header, and lines of JSON or Python literals."""

from __future__ import annotations

import ast
import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

from recbole.data.sources.raw_files import RawFile
from recbole.errors import DataError, did_you_mean

_SHOWN = 200  # characters of a line in a message


def delimited_rows(
    raw: RawFile,
    columns: Sequence[str],
    *,
    delimiter: str = ",",
    quoted: bool = True,
    escape: str | None = None,
    encoding: str = "utf-8-sig",
    mend: Callable[[list[str]], list[str]] | None = None,
) -> Iterator[tuple[str, ...]]:
    """The named columns of each row of a file with a header, in the order of `columns`.

    Args:
        columns: two or more.
        quoted: whether cells may stand in double quotes.
        escape: the character that takes the meaning from the one after it, if there is one.
        mend: for a file with known faults, makes the right cells of a row of another length.

    Raises:
        DataError: a column is missing, or a row has more or fewer cells than the header.
    """
    with raw.text(encoding, newline="") as stream:
        reader = csv.reader(
            stream,
            delimiter=delimiter,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
            escapechar=escape,
        )
        try:
            header = [name.strip() for name in next(reader, [])]
            chosen = itemgetter(*(_place(raw, name, header) for name in columns))
            for cells in reader:
                if len(cells) != len(header):
                    if not cells:
                        continue  # an empty line
                    cells = _mended(raw, reader.line_num, cells, len(header), mend)
                yield chosen(cells)
        except csv.Error as error:
            raise DataError(f"{raw.name}, line {reader.line_num}: {error}") from error


def first_cells(raw: RawFile) -> list[str]:
    """What stands between the commas of the first line, which may be a header."""
    with raw.text(newline="") as lines:
        return lines.readline().strip().split(",")


def _mended(
    raw: RawFile,
    line: int,
    cells: list[str],
    count: int,
    mend: Callable[[list[str]], list[str]] | None,
) -> list[str]:
    mended = cells if mend is None else mend(cells)
    if len(mended) != count:
        raise DataError(
            f"{raw.name}, line {line}: expected {count} cells as in the header, got {len(cells)}:"
            f" {cells!r:.{_SHOWN}}"
        )
    return mended


def _place(raw: RawFile, name: str, header: Sequence[str]) -> int:
    if name not in header:
        raise DataError(
            f"{raw.name}, line 1: expected a column '{name}', got"
            f" {', '.join(header) or 'no text'}.{did_you_mean(name, header)}"
        )
    return header.index(name)


def records(raw: RawFile, *, python_literals: bool = False) -> Iterator[dict[str, Any]]:
    """The object of each line of JSON; empty lines are left out.

    Args:
        python_literals: whether a line may also be a Python dictionary, as in the Amazon files of
            2014. It is read as a literal and never evaluated.

    Raises:
        DataError: a line is neither, or no object.
    """
    with raw.text() as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            record = _parsed(line, python_literals)
            if not isinstance(record, dict):
                raise DataError(
                    f"{raw.name}, line {number}: expected one JSON object, got"
                    f" {line.strip()[:_SHOWN]!r}"
                )
            yield record


def _parsed(line: str, python_literals: bool) -> Any:
    """What a line holds; None where it cannot be read."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        if not python_literals:
            return None
    try:
        return ast.literal_eval(line.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def rating_text(value: Any) -> str:
    """A rating of a record: 5.0 as "5"; what is no number as it is, for the check to refuse."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:g}" if is_number else str(value)


_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_ID = re.compile(r"[^\t\r\n]+")  # these separate cells and rows


def checked_ratings(
    raw: RawFile,
    rows: Iterable[tuple[str, ...]],
    lowest: float,
    highest: float,
    *,
    timed: bool = False,
) -> Iterator[tuple[str, ...]]:
    """The same rows of user, item, rating and more, each of them checked.

    Args:
        raw: the file they come from, for messages.
        lowest, highest: the scale of the ratings.
        timed: whether the fourth cell is a time.

    Raises:
        DataError: an id is empty or has a TAB or line end in it, a rating is no number of the
            scale, a time is no number, or there is no row at all.
    """

    def fault(expected: str) -> DataError:
        return DataError(f"{raw.name}, rating {count:,}: expected {expected}")

    good: set[str] = set()  # there are few different ratings in millions of rows
    count = 0
    for row in rows:
        count += 1
        user, item, rating = row[:3]
        if rating not in good:
            number = float(rating) if _NUMBER.fullmatch(rating) else float("nan")
            if not lowest <= number <= highest:
                raise fault(f"a number from {lowest:g} to {highest:g}, got {rating!r}")
            good.add(rating)
        if not (user.isalnum() and item.isalnum()) and not (_fits(user) and _fits(item)):
            raise fault(f"the ids of a user and an item, got {user!r} and {item!r}")
        if timed and not row[3].isdecimal() and not _NUMBER.fullmatch(row[3]):
            raise fault(f"a time in seconds, got {row[3]!r}")
        yield row
    if not count:
        raise DataError(f"{raw.name}: expected ratings, got none")


def _fits(identifier: str) -> bool:
    return _ID.fullmatch(identifier) is not None
