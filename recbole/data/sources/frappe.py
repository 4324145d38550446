"""Frappe: how often a user ran an app, and in which context (time, place, weather).

Source: L. Baltrunas et al., Frappe: Understanding the Usage and Perception of Mobile App
Recommendations In-The-Wild, arXiv:1505.03014, 2015. The rating that the store shows is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from recbole.data.sources.atomic_folder import AtomicFolder, text
from recbole.data.sources.raw_files import RawFile, RawFiles
from recbole.data.sources.rows import checked_ratings, delimited_rows

_CONTEXT = ("daytime", "weekday", "isweekend", "homework", "cost", "weather", "country", "city")
_APP_NAMES = ("item", "name", "category", "downloads", "language", "price")
COLUMNS: dict[str, tuple[str, ...]] = {
    "inter": (
        "user_id:token",
        "item_id:token",
        "cnt:float",
        *(f"{name}:token" for name in _CONTEXT),
    ),
    "item": (
        "item_id:token",
        "app_name:token_seq",
        "category:token",
        "downloads:token",
        "language:token",
        "price:token",
    ),
}
RAW_FILES = ("frappe.csv", "meta.csv")
_MOST_RUNS = 1e9
_UNKNOWN = re.compile(r"unknown|nan|none|", re.IGNORECASE)


def convert_frappe(raw: RawFiles, out: AtomicFolder) -> None:
    """Turn frappe.csv and meta.csv into .inter and .item; rows keep their order.

    "unknown" becomes a missing value. Raises DataError for a missing file or column, or a malformed
    row.
    """
    runs = raw.required("frappe.csv", layout=f"user⇥item⇥cnt⇥{'⇥'.join(_CONTEXT)}")
    apps = raw.required("meta.csv", "apps.csv", layout="⇥".join(_APP_NAMES))
    out.write("inter", COLUMNS["inter"], _runs(runs))
    items = (
        (item, text(name), *map(_known, features))
        for item, name, *features in delimited_rows(apps, _APP_NAMES, delimiter="\t")
    )
    out.write("item", COLUMNS["item"], items)


def _runs(raw: RawFile) -> Iterator[tuple[str, ...]]:
    names = ("user", "item", "cnt", *_CONTEXT)
    rows = delimited_rows(raw, names, delimiter="\t")
    for user, item, count, *context in checked_ratings(raw, rows, 0, _MOST_RUNS):
        yield user, item, count, *map(_known, context)


def _known(value: str) -> str:
    cleaned = text(value)
    return "" if _UNKNOWN.fullmatch(cleaned) else cleaned
