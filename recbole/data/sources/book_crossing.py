"""Book-Crossing: ratings from 1 to 10, and 0 for a book that was handled but not rated.

Source: C.-N. Ziegler et al., Improving Recommendation Lists Through Topic Diversification, WWW
2005.
The dump is latin-1, its cells are in quotes with semicolons between, and \\" is a quote in a cell.
Copies that others have made of it with commas and doubled quotes, in UTF-8, are read as well.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from recbole.data.sources.atomic_folder import AtomicFolder, text
from recbole.data.sources.raw_files import RawFile, RawFiles
from recbole.data.sources.rows import checked_ratings, delimited_rows

COLUMNS: dict[str, tuple[str, ...]] = {
    "inter": ("user_id:token", "item_id:token", "rating:float"),
    "user": ("user_id:token", "age:token", "city:token", "state:token", "country:token"),
    "item": (
        "item_id:token",
        "book_title:token_seq",
        "book_author:token",
        "publication_year:token",
        "publisher:token",
    ),
}
RAW_FILES = ("BX-Book-Ratings.csv", "BX-Users.csv", "BX-Books.csv")
_RATING_NAMES = ("User-ID", "ISBN", "Book-Rating")
_USER_NAMES = ("User-ID", "Location", "Age")
_BOOK_NAMES = ("ISBN", "Book-Title", "Book-Author", "Year-Of-Publication", "Publisher")
_UNKNOWN = ("", "n/a", "NULL")


def convert_book_crossing(raw: RawFiles, out: AtomicFolder) -> None:
    """Turn the three files of the dump into .inter, .user and .item; rows keep their order.

    Raises DataError for a missing file or column, or a malformed row.
    """
    ratings, users, books = (
        raw.required(name, name.removeprefix("BX-").removeprefix("Book-"), layout=f"{columns}")
        for name, columns in zip(
            RAW_FILES, map(";".join, (_RATING_NAMES, _USER_NAMES, _BOOK_NAMES)), strict=True
        )
    )
    interactions = (
        (user.strip(), isbn.strip(), rating) for user, isbn, rating in _rows(ratings, _RATING_NAMES)
    )
    out.write("inter", COLUMNS["inter"], checked_ratings(ratings, interactions, 0, 10))
    out.write("user", COLUMNS["user"], _users(users))
    out.write("item", COLUMNS["item"], _books(books))


def _rows(raw: RawFile, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    with raw.text("latin-1") as lines:
        is_the_dump = ";" in lines.readline()
    if is_the_dump:
        return delimited_rows(
            raw, columns, delimiter=";", escape="\\", encoding="latin-1", mend=_apart
        )
    return delimited_rows(raw, columns)


def _apart(cells: list[str]) -> list[str]:
    """In three books a title ends in a backslash, which makes one cell of it and the author."""
    return [part for cell in cells for part in cell.split('";')]


def _users(raw: RawFile) -> Iterator[tuple[str, ...]]:
    for user, location, age in _rows(raw, _USER_NAMES):
        # "san diego, california, usa"; a city may have commas in it.
        *city, state, country = ["", "", *(part.strip() for part in location.split(","))][-3:]
        yield user, _known(age.removesuffix(".0")), *map(_known, (*city, state, country))


def _books(raw: RawFile) -> Iterator[tuple[str, ...]]:
    for isbn, title, author, year, publisher in _rows(raw, _BOOK_NAMES):
        known_year = year if year.isdecimal() and year != "0" else ""
        yield isbn.strip(), _known(title), _known(author), known_year, _known(publisher)


def _known(value: str) -> str:
    cleaned = text(html.unescape(value))
    return "" if cleaned in _UNKNOWN else cleaned
