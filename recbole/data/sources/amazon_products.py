"""One product of the Amazon files, whatever the edition that describes it.

Ratings averaged over all reviews (average_rating, rating_number) are left out: they hold the
answer.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any

from recbole.data.sources.atomic_folder import sequence, text

_PRICE = re.compile(r"(?:from )?\$?\s?(\d[\d,]*(?:\.\d+)?|\.\d+)(?:\s*-\s*\$?\s?[\d,.]+)?")
_RANK = re.compile(r"\s*>?\s*#?\s*(\d[\d,]*)\s+in\s+([^(>]+)")


def product(record: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The cells of an .item row; those of features that are missing are empty.

    None without an id, which is parent_asin in 2023 and asin before.
    """
    item = record.get("parent_asin") or record.get("asin")
    if not isinstance(item, str) or not item.strip():
        return None
    kind, rank = _sales_rank(record)
    return (
        text(item),
        _clean(record.get("title")),
        kind,
        rank,
        sequence(map(html.unescape, _categories(record))),
        _price(record.get("price")),
        _clean(record.get("brand") or record.get("store")),
    )


def _clean(value: Any) -> str:
    return text(html.unescape(value)) if isinstance(value, str) else ""


def _sales_rank(record: Mapping[str, Any]) -> tuple[str, str]:
    """What kind of product it sells among, and its place there; the first of several.

    {'Books': 17} in 2014; "17 in Books (" or [">#17 in Books (See Top 100)", …] in 2018;
    {'Best Sellers Rank': {'Books': 17}} among the details of 2023.
    """
    details = record.get("details")
    found = record.get("salesRank") or record.get("rank")
    if not found and isinstance(details, Mapping):
        found = details.get("Best Sellers Rank")
    if isinstance(found, Mapping):
        for kind, rank in found.items():
            return _clean(kind), str(rank)
    for line in found if isinstance(found, list) else [found]:
        match = _RANK.match(line) if isinstance(line, str) else None
        if match:
            return _clean(match[2]), match[1].replace(",", "")
    return "", ""


def _categories(record: Mapping[str, Any]) -> Iterable[str]:
    """From the widest to the narrowest; of several paths (2014), one after the other."""
    found = record.get("categories") or record.get("category") or []
    for part in found if isinstance(found, list) else []:
        if isinstance(part, str):
            yield part
        elif isinstance(part, list):
            yield from (name for name in part if isinstance(name, str))


def _price(value: Any) -> str:
    """In dollars, the lower end of a range; what is no price, such as a scrap of HTML, is empty."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.2f}".rstrip("0").rstrip(".") if value >= 0 else ""
    match = _PRICE.fullmatch(value.strip()) if isinstance(value, str) else None
    return match[1].replace(",", "") if match else ""
