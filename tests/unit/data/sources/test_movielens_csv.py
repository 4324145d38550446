"""MovieLens with a header: CSV in CRLF, quotes, half stars, titles with and without a year."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from recbole.errors import DataError
from tests.unit.data.sources.converting import convert, write_files

SHARED = Path(os.environ.get("RECBOLE_TEST_DATA", Path(__file__).parents[5] / "shared" / "data"))
RATINGS = "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n610,2,0.5,1493848402\n"
MOVIES = """\
movieId,title,genres
1,Toy Story (1995),Adventure|Animation|Sci-Fi
2,"City of Lost Children, The (Cité des enfants perdus, La) (1995)",Drama
3,"He said ""Go"" (2001) ",Film-Noir
4,Babylon 5,(no genres listed)
5,Death Note (2006–2007),IMAX
6,The Office (2005- ),Comedy
7,Blade | Runner (V),Drama
8,"Two  lines
in one (1999)",Drama
"""
ITEMS = [
    "1\tToy Story\t1995\tAdventure Animation Sci-Fi",
    "2\tCity of Lost Children, The (Cité des enfants perdus, La)\t1995\tDrama",
    '3\tHe said "Go"\t2001\tFilm-Noir',
    "4\tBabylon 5\t\t",
    "5\tDeath Note\t2006\tIMAX",
    "6\tThe Office\t2005\tComedy",
    "7\tBlade | Runner (V)\t\tDrama",
    "8\tTwo lines in one\t1999\tDrama",
]


def raw(folder: Path, newline: str = "\n", **changed: str) -> Path:
    files = {"ratings.csv": RATINGS, "movies.csv": MOVIES, **changed}
    return write_files(
        folder / "raw",
        {name: text.replace("\n", newline).encode() for name, text in files.items()},
    )


@pytest.mark.parametrize("name", ["ml-20m", "ml-25m", "ml-latest-small"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_conversion(tmp_path: Path, name: str, newline: str) -> None:
    made = convert(name, raw(tmp_path, newline))
    assert made["inter"] == ["1\t1\t4.0\t964982703", "610\t2\t0.5\t1493848402"]
    assert made["item"] == ITEMS


def test_columns_are_found_by_their_names_and_empty_lines_are_no_rows(tmp_path: Path) -> None:
    ratings = "timestamp,rating,extra,movieId,userId\n\n7,5,x,30,20\n\n"
    made = convert("ml-25m", raw(tmp_path, **{"ratings.csv": "\ufeff" + ratings}))
    assert made["inter"] == ["20\t30\t5\t7"]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("ratings.csv", RATINGS + "1,2,3\n", r"ratings.csv, line 4: expected 4 .*got 3: \['1"),
        ("ratings.csv", RATINGS + "1,2,3,4,5\n", "line 4: expected 4 cells .*, got 5"),
        ("ratings.csv", RATINGS + "1,2,5.5,4\n", r"rating 3: expected a number from 0.5 to 5, got"),
        ("ratings.csv", RATINGS + "1,2,0,4\n", r"rating 3: .* from 0.5 to 5, got '0'"),
        ("ratings.csv", RATINGS + "1,2,nan,4\n", r"rating 3: .* got 'nan'"),
        ("ratings.csv", RATINGS + "1,2,,4\n", r"rating 3: .* got ''"),
        ("ratings.csv", RATINGS + ",2,3,4\n", r"rating 3: expected the ids .*got '' and '2'"),
        ("ratings.csv", RATINGS + "1,,3,4\n", r"rating 3: expected the ids .*got '1' and ''"),
        ("ratings.csv", RATINGS + '1,"2\t3",3,4\n', r"rating 3: expected the ids"),
        ("ratings.csv", RATINGS + '"1\n",2,3,4\n', r"rating 3: expected the ids"),
        ("ratings.csv", RATINGS + "1,2,3,soon\n", r"rating 3: expected a time .*, got 'soon'"),
        ("ratings.csv", RATINGS.splitlines()[0], r"ratings.csv: expected ratings, got none"),
        ("ratings.csv", "", r"line 1: expected a column 'userId', got no text"),
        ("ratings.csv", "userid,movieId,rating,timestamp\n", r"Did you mean 'userid'\?"),
        ("movies.csv", MOVIES + '9,"open,Drama\n' + "x" * 200_000, r"csv, line \d+: field larger"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_named(tmp_path: Path, file: str, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        convert("ml-25m", raw(tmp_path, **{file: text}))


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    folder = raw(tmp_path)
    (folder / "movies.csv").write_bytes(MOVIES.encode("latin-1", errors="replace"))
    with pytest.raises(
        DataError, match=r"movies.csv: expected text in utf-8-sig, got the byte 0xe9"
    ):
        convert("ml-25m", folder)


def test_the_real_latest_small(tmp_path: Path) -> None:
    archive = SHARED / "ml-latest-small.zip"
    if not archive.is_file():
        pytest.skip(f"ml-latest-small.zip is not in {SHARED}")
    own = tmp_path / "raw.zip"
    own.symlink_to(archive)
    made = convert("ml-latest-small", own)
    assert (len(made["inter"]), len(made["item"])) == (100_836, 9_742)
    with zipfile.ZipFile(archive) as opened:
        lines = opened.read("ml-latest-small/ratings.csv").decode().split("\r\n")[1:-1]
    assert made["inter"] == [line.replace(",", "\t") for line in lines]
    levels = Counter(line.split("\t")[2] for line in made["inter"])
    assert set(levels) == {f"{half / 2}" for half in range(1, 11)}
    years = Counter(line.split("\t")[2] for line in made["item"])
    assert years[""] == 12  # of 13 titles without a single year, one has a range
    assert all(1900 < int(year) < 2020 for year in years if year)
