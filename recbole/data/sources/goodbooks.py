"""goodbooks-10k: ratings from 1 to 5 of the ten thousand most popular books of Goodreads.

Counts and averages of ratings are left out: they hold the answer.
"""

from __future__ import annotations

from collections.abc import Iterator

from recbole.data.sources.atomic_folder import AtomicFolder, sequence, text
from recbole.data.sources.raw_files import RawFile, RawFiles
from recbole.data.sources.rows import checked_ratings, delimited_rows, first_cells

COLUMNS: dict[str, tuple[str, ...]] = {
    "inter": ("user_id:token", "item_id:token", "rating:float"),
    "item": (
        "item_id:token",
        "book_title:token_seq",
        "authors:token_seq",
        "publication_year:token",
        "language_code:token",
    ),
}
RAW_FILES = ("ratings.csv", "books.csv")
_FEATURES = ("title", "authors", "original_publication_year", "language_code")


def convert_goodbooks(raw: RawFiles, out: AtomicFolder) -> None:
    """Turn ratings.csv and books.csv into .inter and .item; rows keep their order.

    Raises DataError for a missing file or column, or a malformed row.
    """
    ratings = raw.required("ratings.csv", layout="user_id,book_id,rating")
    books = raw.required("books.csv", layout=",".join(("book_id", *_FEATURES)))
    rows = delimited_rows(ratings, ("user_id", "book_id", "rating"))
    out.write("inter", COLUMNS["inter"], checked_ratings(ratings, rows, 1, 5))
    out.write("item", COLUMNS["item"], _items(books))


def _items(raw: RawFile) -> Iterator[tuple[str, ...]]:
    for book, title, authors, year, language in delimited_rows(raw, (_id_name(raw), *_FEATURES)):
        # Years are written as numbers: 2008.0, and -720.0 for the Odyssey.
        yield book, text(title), sequence(authors.split(",")), year.removesuffix(".0"), language


def _id_name(raw: RawFile) -> str:
    """What books.csv calls the ids that ratings.csv has.

    In the edition on Kaggle that is `id`, and book_id is the one of Goodreads.
    """
    header = {name.strip() for name in first_cells(raw)}
    is_of_kaggle = {"id", "best_book_id"} <= header and "goodreads_book_id" not in header
    return "id" if is_of_kaggle else "book_id"
