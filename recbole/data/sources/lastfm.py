"""Last.fm of HetRec 2011: how often users listened to artists, and the tags they gave them.

Source: I. Cantador et al., 2nd Workshop on Information Heterogeneity and Fusion in Recommender
Systems, RecSys 2011. tags.dat is latin-1, artists.dat UTF-8; quotes stand for themselves.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from recbole.data.sources.atomic_folder import AtomicFolder, sequence, text
from recbole.data.sources.raw_files import RawFile, RawFiles
from recbole.data.sources.rows import checked_ratings, delimited_rows

COLUMNS: dict[str, tuple[str, ...]] = {
    "inter": ("user_id:token", "item_id:token", "listen_count:float"),
    "item": ("item_id:token", "artist_name:token_seq", "tags:token_seq"),
}
RAW_FILES = ("user_artists.dat", "artists.dat", "tags.dat", "user_taggedartists.dat")
#: Of an artist, those that most users gave.
MOST_TAGS = 10
_MOST_LISTENINGS = 1e9


def convert_lastfm(raw: RawFiles, out: AtomicFolder) -> None:
    """Turn the four files into .inter and .item; rows keep their order.

    Raises DataError for a missing file or column, or a malformed row.
    """
    listenings = raw.required("user_artists.dat", layout="userID⇥artistID⇥weight")
    artists = raw.required("artists.dat", layout="id⇥name⇥url⇥pictureURL")
    rows = _tabbed(listenings, ("userID", "artistID", "weight"))
    out.write("inter", COLUMNS["inter"], checked_ratings(listenings, rows, 1, _MOST_LISTENINGS))
    tags = _tags_of_artists(raw)
    items = (
        (artist, text(name), sequence(tags.get(artist, ())))
        for artist, name in _tabbed(artists, ("id", "name"))
    )
    out.write("item", COLUMNS["item"], items)


def _tags_of_artists(raw: RawFiles) -> dict[str, list[str]]:
    names_file = raw.required("tags.dat", layout="tagID⇥tagValue")
    given_file = raw.required("user_taggedartists.dat", layout="userID⇥artistID⇥tagID⇥day⇥…")
    names = {row[0]: row[1] for row in _tabbed(names_file, ("tagID", "tagValue"), "latin-1")}
    given: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for artist, tag in _tabbed(given_file, ("artistID", "tagID")):
        given[artist][names.get(tag, "")] += 1
    return {
        artist: [tag for tag, _ in counts.most_common(MOST_TAGS)]
        for artist, counts in given.items()
    }


def _tabbed(
    raw: RawFile, columns: Sequence[str], encoding: str = "utf-8-sig"
) -> Iterator[tuple[str, ...]]:
    return delimited_rows(raw, columns, delimiter="\t", quoted=False, encoding=encoding)
