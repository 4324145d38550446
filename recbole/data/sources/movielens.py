"""MovieLens-100K, -1M and -10M: files without a header, turned into RecBole's columns.

Source: F. M. Harper and J. A. Konstan, The MovieLens Datasets: History and Context, ACM TiiS 5(4),
2015, and the README files in the archives.
The results hold the same bytes as the files that RecBole publishes: a run gives the same figures
whichever of the two it reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from recbole.data.sources.atomic_folder import AtomicFolder
from recbole.data.sources.raw_files import RawFiles
from recbole.errors import DataError

RATING_COLUMNS = ("user_id:token", "item_id:token", "rating:float", "timestamp:float")
_USER_COLUMNS = ("user_id:token", "age:token", "gender:token", "occupation:token", "zip_code:token")
MOVIE_COLUMNS = ("item_id:token", "movie_title:token_seq", "release_year:token")

#: The header of each atomic file, by its suffix.
ML_100K_COLUMNS: dict[str, tuple[str, ...]] = {
    "inter": RATING_COLUMNS,
    "user": _USER_COLUMNS,
    "item": (*MOVIE_COLUMNS, "class:token_seq"),
}
ML_1M_COLUMNS: dict[str, tuple[str, ...]] = {
    "inter": RATING_COLUMNS,
    "user": _USER_COLUMNS,
    "item": (*MOVIE_COLUMNS, "genre:token_seq"),
}
#: Of all later ones, which say nothing of their users.
MOVIELENS_COLUMNS: dict[str, tuple[str, ...]] = {
    "inter": RATING_COLUMNS,
    "item": (*MOVIE_COLUMNS, "genre:token_seq"),
}

#: What each flag of a u.item line stands for, in the order of the flags.
ML_100K_GENRES: tuple[str, ...] = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)

# Misspelt in RecBole's published file; kept, since a token of another spelling is another token.
_UNKNOWN = "unkonwn"


@dataclass(frozen=True)
class _RawFile:
    """One raw file: its name, its layout for a message, the pattern of a line, the encoding."""

    name: str
    layout: str
    line: re.Pattern[str]
    encoding: str = "latin-1"


# A title may hold the separator, so it takes all that the fields after it leave (hence the check
# that a URL is no flag: one flag too many must not pass). No field may hold a TAB, which separates
# the columns of the result.
_U_DATA = _RawFile(
    "u.data",
    "user⇥item⇥rating⇥timestamp, the rating 1 to 5",
    re.compile(r"(\d+)\t(\d+)\t([1-5])\t(\d+)"),
)
_U_USER = _RawFile(
    "u.user",
    "user|age|gender|occupation|zip code",
    re.compile(r"(\d+)\|(\d+)\|([MF])\|([^|\t]*)\|([^|\t]*)"),
)
_U_ITEM = _RawFile(
    "u.item",
    f"movie|title|release date|video date|URL and {len(ML_100K_GENRES)} genre flags of 0 or 1",
    re.compile(
        rf"(\d+)\|([^\t]+)\|[^|\t]*\|[^|\t]*\|(?![01]\|)[^|\t]*((?:\|[01]){{{len(ML_100K_GENRES)}}})",
    ),
)
_RATINGS_DAT = _RawFile(
    "ratings.dat",
    "user::movie::rating::timestamp, the rating 1 to 5",
    re.compile(r"(\d+)::(\d+)::([1-5])::(\d+)"),
)
_USERS_DAT = _RawFile(
    "users.dat",
    "user::gender::age::occupation::zip code",
    re.compile(r"(\d+)::([MF])::(\d+)::(\d+)::([^:\t]*)"),
)
_MOVIES_DAT = _RawFile(
    "movies.dat",
    "movie::title::genres, the genres separated by '|'",
    re.compile(r"(\d+)::([^\t]+)::([^:\t]*)"),
)
_HALF_STARS_DAT = _RawFile(
    "ratings.dat",
    "user::movie::rating::timestamp, the rating 0.5 to 5",
    re.compile(r"(\d+)::(\d+)::(0\.5|[1-4](?:\.[05])?|5(?:\.0)?)::(\d+)"),
    "utf-8",
)
_MOVIES_10M_DAT = _RawFile(_MOVIES_DAT.name, _MOVIES_DAT.layout, _MOVIES_DAT.line, "utf-8")

#: The raw files that each converter reads.
ML_100K_RAW_FILES = (_U_DATA.name, _U_USER.name, _U_ITEM.name)
ML_1M_RAW_FILES = (_RATINGS_DAT.name, _USERS_DAT.name, _MOVIES_DAT.name)
ML_10M_RAW_FILES = (_HALF_STARS_DAT.name, _MOVIES_10M_DAT.name)

_TITLE_AND_YEAR = re.compile(r"(.*\S)\s*\(([^()]*)\)\s*")
# "Death Note (2006-2007)", also with a dash, and "The Office (2005- )": the first year counts.
_TITLE_AND_FIRST_YEAR = re.compile(r"(.*\S)\s*\((\d{4})(?:[-–]\s?(?:\d{4})?)?\)\s*")
_NO_GENRES = "(no genres listed)"


def convert_ml_100k(raw: RawFiles, out: AtomicFolder) -> None:
    """Turn u.data, u.user and u.item into .inter, .user and .item.

    Rows keep their order. Raises DataError for a missing file or a malformed line.
    """
    movies = (
        (movie, *_title_and_year(title), _flagged_genres(flags))
        for movie, title, flags in _rows(raw, _U_ITEM)
    )
    out.write("inter", ML_100K_COLUMNS["inter"], _rows(raw, _U_DATA))
    out.write("user", ML_100K_COLUMNS["user"], _rows(raw, _U_USER))
    out.write("item", ML_100K_COLUMNS["item"], movies)


def convert_ml_1m(raw: RawFiles, out: AtomicFolder) -> None:
    """Turn ratings.dat, users.dat and movies.dat into .inter, .user and .item.

    Rows keep their order; ages and occupations stay the codes that they are in users.dat. Raises
    DataError for a missing file or a malformed line.
    """
    users = (
        (user, age, gender, occupation, zip_code)
        for user, gender, age, occupation, zip_code in _rows(raw, _USERS_DAT)
    )
    movies = (
        (movie, *_title_and_year(title), genres.replace("|", " "))
        for movie, title, genres in _rows(raw, _MOVIES_DAT)
    )
    out.write("inter", ML_1M_COLUMNS["inter"], _rows(raw, _RATINGS_DAT))
    out.write("user", ML_1M_COLUMNS["user"], users)
    out.write("item", ML_1M_COLUMNS["item"], movies)


def convert_ml_10m(raw: RawFiles, out: AtomicFolder) -> None:
    """Turn ratings.dat and movies.dat, which are UTF-8 here, into .inter and .item.

    Rows keep their order. Raises DataError for a missing file or a malformed line.
    """
    movies = (
        (movie, *title_and_first_year(title), genre_tokens(genres))
        for movie, title, genres in _rows(raw, _MOVIES_10M_DAT)
    )
    out.write("inter", MOVIELENS_COLUMNS["inter"], _rows(raw, _HALF_STARS_DAT))
    out.write("item", MOVIELENS_COLUMNS["item"], movies)


def title_and_first_year(text: str) -> tuple[str, str]:
    """Split "Death Note (2006–2007)" into a title and "2006", which is empty where there is none.

    Unlike in the two older sets, for which RecBole has published files to agree with, "(V)" is no
    year.
    """
    match = _TITLE_AND_FIRST_YEAR.fullmatch(text)
    return (match[1], match[2]) if match else (text.strip(), "")


def genre_tokens(genres: str) -> str:
    """ "Action|Sci-Fi" as tokens; none for "(no genres listed)"."""
    return "" if genres == _NO_GENRES else genres.replace("|", " ")


def _title_and_year(text: str) -> tuple[str, str]:
    """Split "Toy Story (1995)"; as in RecBole's files, the last parentheses are taken for the year.

    So "Land Before Time III … (1995) (V)" has the year "V", there as here.
    """
    match = _TITLE_AND_YEAR.fullmatch(text)
    if match:
        return match[1], match[2]
    # The one such title of ml-100k is "unknown"; RecBole's file misspells it too.
    return (_UNKNOWN if text == "unknown" else text), _UNKNOWN


def _flagged_genres(flags: str) -> str:
    """Name the genres whose flag is 1 in "|0|1|…", separated by spaces."""
    pairs = zip(ML_100K_GENRES, flags[1:].split("|"), strict=True)
    return " ".join(genre for genre, flag in pairs if flag == "1")


def _rows(raw: RawFiles, kind: _RawFile) -> Iterator[tuple[str, ...]]:
    """The groups of each line of a raw file, which may end its lines in CRLF."""
    file = raw.required(kind.name, layout=f"lines '{kind.layout}'")
    with file.text(kind.encoding) as lines:
        for number, line in enumerate(lines, start=1):
            match = kind.line.fullmatch(line.removesuffix("\n"))
            if match is None:
                raise DataError(
                    f"{file.name}, line {number}: expected '{kind.layout}', got {line!r}"
                )
            yield match.groups()
