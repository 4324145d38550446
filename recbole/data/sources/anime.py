"""Anime ratings of myanimelist.net, from 1 to 10, and -1 for what was watched and not rated.

The average rating of each anime is left out: it holds the answer.
"""

from __future__ import annotations

import html

from recbole.data.sources.atomic_folder import AtomicFolder, sequence, text
from recbole.data.sources.raw_files import RawFiles
from recbole.data.sources.rows import checked_ratings, delimited_rows

COLUMNS: dict[str, tuple[str, ...]] = {
    "inter": ("user_id:token", "item_id:token", "rating:float"),
    "item": (
        "item_id:token",
        "anime_name:token_seq",
        "genre:token_seq",
        "type:token",
        "episodes:float",
        "members:float",
    ),
}
RAW_FILES = ("rating.csv", "anime.csv")
_ANIME_NAMES = ("anime_id", "name", "genre", "type", "episodes", "members")


def convert_anime(raw: RawFiles, out: AtomicFolder) -> None:
    """Turn rating.csv and anime.csv into .inter and .item; rows keep their order.

    Raises DataError for a missing file or column, or a malformed row.
    """
    ratings = raw.required("rating.csv", layout="user_id,anime_id,rating")
    animes = raw.required("anime.csv", layout=",".join(_ANIME_NAMES))
    rows = delimited_rows(ratings, ("user_id", "anime_id", "rating"))
    out.write("inter", COLUMNS["inter"], checked_ratings(ratings, rows, -1, 10))
    items = (
        (
            anime,
            text(html.unescape(name)),
            sequence(genres.split(",")),
            kind,
            episodes if episodes.isdecimal() else "",
            members if members.isdecimal() else "",
        )
        for anime, name, genres, kind, episodes, members in delimited_rows(animes, _ANIME_NAMES)
    )
    out.write("item", COLUMNS["item"], items)
