"""Amazon reviews of 2014, 2018 and 2023, one category at a time: ratings and product features.

Sources: J. McAuley et al., Image-based Recommendations on Styles and Substitutes, SIGIR 2015 (of
2014); J. Ni et al., Justifying Recommendations using Distantly-Labeled Reviews and Fine-Grained
Aspects, EMNLP 2019 (of 2018); Y. Hou et al., Bridging Language and Items for Retrieval and
Recommendation, arXiv:2403.03952, 2024 (of 2023). The files differ from edition to edition; their
keys tell them apart.

Every file is read as a stream and written row by row: tens of GB need the memory of one line, and
of the ids of the products.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from recbole.data.sources.amazon_products import product
from recbole.data.sources.atomic_folder import AtomicFolder
from recbole.data.sources.raw_files import RawFile, RawFiles
from recbole.data.sources.rows import (
    checked_ratings,
    delimited_rows,
    first_cells,
    rating_text,
    records,
)
from recbole.errors import DataError

_log = logging.getLogger(__name__)

COLUMNS: dict[str, tuple[str, ...]] = {
    "inter": ("user_id:token", "item_id:token", "rating:float", "timestamp:float"),
    "item": (
        "item_id:token",
        "title:token_seq",
        "sales_type:token",
        "sales_rank:float",
        "categories:token_seq",
        "price:float",
        "brand:token",
    ),
}
_PRODUCTS = "meta_*.json*"
_REVIEWS = "*.json*"
_RATINGS = "*.csv"
RAW_FILES = ("<category>.json[l].gz or <category>.csv", "meta_<category>.json[l].gz")
_ASIN_CHARACTERS = 10

# user, item, rating, time and, for each key, what one review of an edition calls it.
_REVIEW_KEYS = (
    ("reviewerID", "asin", "overall", "unixReviewTime"),
    ("user_id", "parent_asin", "rating", "timestamp"),
)
_MILLISECONDS = 1000  # the unit of the times of 2023


def convert_amazon(raw: RawFiles, out: AtomicFolder) -> None:
    """Turn one category's reviews (or its file of ratings alone) and products into .inter, .item.

    Reviews lacking a user, a product or a rating are left out, and so is a product that has been
    listed before; their numbers are logged.

    Raises:
        DataError: a file is missing or holds no rating, or a line cannot be read.
    """
    products = raw.required(_PRODUCTS, layout="one product in each line, with its features")
    layout = "one review in each line, or of user, item, rating and time alone"
    reviews = raw.required(_REVIEWS, _RATINGS, layout=layout, but_not=_PRODUCTS)
    rows = _ratings(reviews) if reviews.base.lower().endswith(".csv") else _reviews(reviews)
    out.write("inter", COLUMNS["inter"], checked_ratings(reviews, rows, 1, 5, timed=True))
    out.write("item", COLUMNS["item"], _items(products))


def _reviews(raw: RawFile) -> Iterator[tuple[str, ...]]:
    left_out = 0
    for record in records(raw, python_literals=True):
        row = _review(record)
        if row is None:
            left_out += 1
        else:
            yield row
    if left_out:
        _log.warning(
            "%s: %s reviews without a user, a product, a rating or a time are left out",
            raw.name,
            f"{left_out:,}",
        )


def _review(record: dict[str, Any]) -> tuple[str, ...] | None:
    """User, item, rating and seconds; None where one is missing."""
    for keys in _REVIEW_KEYS:
        values = [record.get(key) for key in keys]
        if None not in values and "" not in values:
            user, item, rating, time = values
            if keys[1] == "parent_asin":
                time = _seconds(str(time))
            return str(user), str(item), rating_text(rating), str(time)
    return None


def _seconds(milliseconds: str) -> str:
    return str(int(milliseconds) // _MILLISECONDS) if milliseconds.isdecimal() else milliseconds


def _ratings(raw: RawFile) -> Iterator[tuple[str, ...]]:
    """The rows of a file of ratings alone: with a header in 2023, without one before.

    User, item, rating, time in 2014, and item, user, rating, time in 2018. An item has an id of ten
    characters; where both have, the file is taken for one of 2014.
    """
    first = first_cells(raw)
    if "parent_asin" in first:
        names = ("user_id", "parent_asin", "rating", "timestamp")
        for user, item, rating, time in delimited_rows(raw, names):
            yield user, item, _plain(rating), _seconds(time)
        return
    if len(first) != 4:
        raise DataError(
            f"{raw.name}, line 1: expected 'user,item,rating,time' (2014), 'item,user,rating,time'"
            f" (2018) or a header with parent_asin (2023), got {','.join(first)[:200]!r}"
        )
    item_is_first = len(first[0]) == _ASIN_CHARACTERS != len(first[1])
    with raw.text() as lines:
        for number, line in enumerate(lines, start=1):
            cells = line.rstrip("\n").split(",")
            if len(cells) != 4:
                raise DataError(
                    f"{raw.name}, line {number}: expected 4 cells, got {len(cells)}: {line!r}"
                )
            one, other, rating, time = cells
            user, item = (other, one) if item_is_first else (one, other)
            yield user, item, _plain(rating), time


def _plain(rating: str) -> str:
    """ "5.0" as "5", so that the two forms of a category give the same file."""
    return rating.removesuffix(".0")


def _items(raw: RawFile) -> Iterator[tuple[str, ...]]:
    """A row for each product: the first, where one is listed again."""
    without_id = again = 0
    seen: set[str] = set()
    for record in records(raw, python_literals=True):
        row = product(record)
        if row is None:
            without_id += 1
        elif row[0] in seen:
            again += 1
        else:
            seen.add(row[0])
            yield row
    for count, what in ((without_id, "without an id"), (again, "listed again")):
        if count:
            _log.warning("%s: %s products %s are left out", raw.name, f"{count:,}", what)
