"""Yelp's open data set: reviews of 1 to 5 stars, from the JSON files that its owners hand out.

Averages of stars (of users and of businesses) are left out: they hold the answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from recbole.data.sources.atomic_folder import AtomicFolder, sequence, text
from recbole.data.sources.raw_files import RawFile, RawFiles
from recbole.data.sources.rows import checked_ratings, rating_text, records
from recbole.errors import DataError

COLUMNS: dict[str, tuple[str, ...]] = {
    "inter": ("user_id:token", "item_id:token", "rating:float", "timestamp:float"),
    "user": ("user_id:token", "user_review_count:float"),
    "item": (
        "item_id:token",
        "business_name:token_seq",
        "item_review_count:float",
        "city:token",
        "state:token",
        "categories:token_seq",
    ),
}
RAW_FILES = tuple(f"yelp_academic_dataset_{kind}.json" for kind in ("review", "user", "business"))


def convert_yelp(raw: RawFiles, out: AtomicFolder) -> None:
    """Turn review, user and business into .inter, .user and .item; rows keep their order.

    Raises:
        DataError: a file is missing, or an object lacks a key that it must have.
    """
    reviews, users, businesses = (
        raw.required(
            name,
            name.rpartition("_")[2],
            layout=f"one JSON object for each {name.split('_')[-1][:-5]}",
        )
        for name in RAW_FILES
    )
    out.write(
        "inter", COLUMNS["inter"], checked_ratings(reviews, _reviews(reviews), 1, 5, timed=True)
    )
    out.write("user", COLUMNS["user"], _users(users))
    out.write("item", COLUMNS["item"], _businesses(businesses))


def _reviews(raw: RawFile) -> Iterator[tuple[str, ...]]:
    for number, record in enumerate(records(raw), start=1):
        user, business, stars, date = (
            _value(raw, number, record, key) for key in ("user_id", "business_id", "stars", "date")
        )
        try:
            moment = datetime.fromisoformat(str(date)).replace(tzinfo=UTC)
        except ValueError:
            raise DataError(
                f"{raw.name}, object {number}: expected a date such as 2018-07-07 22:09:11, got"
                f" {date!r}"
            ) from None
        yield str(user), str(business), rating_text(stars), f"{moment.timestamp():.0f}"


def _users(raw: RawFile) -> Iterator[tuple[str, ...]]:
    for number, record in enumerate(records(raw), start=1):
        yield str(_value(raw, number, record, "user_id")), _count(record)


def _businesses(raw: RawFile) -> Iterator[tuple[str, ...]]:
    for number, record in enumerate(records(raw), start=1):
        yield (
            str(_value(raw, number, record, "business_id")),
            text(str(record.get("name") or "")),
            _count(record),
            text(str(record.get("city") or "")),
            text(str(record.get("state") or "")),
            sequence(_categories(record.get("categories"))),
        )


def _categories(value: Any) -> list[str]:
    """ "Mexican, Burgers" since 2018, a list before; none for null."""
    if isinstance(value, str):
        return value.split(",")
    return [str(name) for name in value] if isinstance(value, list) else []


def _count(record: dict[str, Any]) -> str:
    count = record.get("review_count")
    return "" if count is None else str(count)


def _value(raw: RawFile, number: int, record: dict[str, Any], key: str) -> Any:
    value = record.get(key)
    if value is None or value == "":
        raise DataError(
            f"{raw.name}, object {number}: expected the key '{key}', got"
            f" {', '.join(record) or 'none'}"
        )
    return value
