"""MovieLens-20M, -25M and latest-small: files with a header, half-star ratings from 0.5 to 5.

Source: F. M. Harper and J. A. Konstan, The MovieLens Datasets: History and Context, ACM TiiS 5(4),
2015, and the README files in the archives.
"""

from __future__ import annotations

from recbole.data.sources.atomic_folder import AtomicFolder, text
from recbole.data.sources.movielens import MOVIELENS_COLUMNS, genre_tokens, title_and_first_year
from recbole.data.sources.raw_files import RawFiles
from recbole.data.sources.rows import checked_ratings, delimited_rows

RAW_FILES = ("ratings.csv", "movies.csv")


def convert_movielens_csv(raw: RawFiles, out: AtomicFolder) -> None:
    """Turn ratings.csv and movies.csv into .inter and .item; rows keep their order.

    Raises DataError for a missing file or column, or a malformed row.
    """
    ratings = raw.required("ratings.csv", layout="userId,movieId,rating,timestamp")
    movies = raw.required("movies.csv", layout="movieId,title,genres")
    rows = delimited_rows(ratings, ("userId", "movieId", "rating", "timestamp"))
    out.write(
        "inter", MOVIELENS_COLUMNS["inter"], checked_ratings(ratings, rows, 0.5, 5, timed=True)
    )
    items = (
        (movie, *title_and_first_year(text(title)), genre_tokens(genres))
        for movie, title, genres in delimited_rows(movies, ("movieId", "title", "genres"))
    )
    out.write("item", MOVIELENS_COLUMNS["item"], items)
